//! The rows of a plan in groups: by playlist, then what belongs to none.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    domain::{ActionId, PlaylistId, text::fold_name},
    plan::document::{
        Action, Body, ChangeKind, Check, CheckStatus, DecisionRequest, Drift, Held, Mode, Plan,
        PlannedChange, Precondition, Undo,
    },
};

use super::{
    super::{
        Look, decide,
        rows::{Label, Row, Symbol, paragraph},
        text::{fit, number, visible, width},
    },
    PlanView,
    effect::{change_symbol, describe, is_rekordbox, is_trash, is_upkeep, upkeep_row},
    why::{explanation, fact, joined, rule_of},
};

/// The rows of a plan in groups, in reading order; no group is empty.
#[must_use]
pub fn sections(plan: &Plan, look: &Look) -> Vec<Section> {
    Sections::of(&PlanView::new(plan, look)).all()
}

/// The same, told as `view` tells it.
#[must_use]
pub fn sections_of(view: &PlanView<'_>) -> Vec<Section> {
    Sections::of(view).all()
}

/// A heading and its rows.
pub struct Section {
    /// A playlist's name, `Files`, `Held back`…
    pub heading: String,
    /// What stands behind the heading.
    pub aside: String,
    pub rows: Vec<Row>,
}

impl Section {
    fn new(heading: &str, rows: Vec<Row>) -> Self {
        Self {
            heading: heading.to_owned(),
            aside: String::new(),
            rows,
        }
    }

    pub(super) fn title(&self, look: &Look) -> String {
        let columns = look.width.unwrap_or(usize::MAX);
        let aside = look.words(&self.aside);
        let room = columns.saturating_sub(width(&aside) + 2);
        let shown = visible(&self.heading);
        let mut heading = fit(&look.words(&shown), room.max(8));
        if look.ascii {
            heading = heading.replace('…', "~");
        }
        match self.aside.is_empty() {
            true => look.bold(&heading),
            false => format!("{}  {}", look.bold(&heading), look.dim(&aside)),
        }
    }
}

/// What becomes of a playlist's length.
#[derive(Clone, Copy, Default)]
struct Tally {
    came: usize,
    left: usize,
    is_new: bool,
    is_gone: bool,
}

fn tallies(body: &Body) -> BTreeMap<&PlaylistId, Tally> {
    let mut tallies: BTreeMap<&PlaylistId, Tally> = BTreeMap::new();
    for action in &body.actions {
        let is_gone = |pre: &Precondition| matches!(pre, Precondition::PlaylistAbsent { .. });
        if let Some(playlist) = action
            .playlist
            .as_ref()
            .filter(|_| action.pre.iter().any(is_gone))
        {
            tallies.entry(playlist).or_default().is_gone = true;
        }
    }
    for change in &body.changes {
        let tally = tallies.entry(&change.playlist).or_default();
        match change.kind {
            ChangeKind::PlaylistAdded => tally.is_new = true,
            ChangeKind::PlaylistRemoved => tally.is_gone = true,
            ChangeKind::TrackAddedToPlaylist => tally.came += 1,
            ChangeKind::TrackRemovedFromPlaylist => tally.left += 1,
            ChangeKind::TrackMoved => match &change.from {
                Some(from) if from != &change.playlist => {
                    tally.came += 1;
                    tallies.entry(from).or_default().left += 1;
                }
                Some(_) | None => {}
            },
            ChangeKind::PlaylistRenamed | ChangeKind::TrackMetadataChanged => {}
        }
    }
    tallies
}

/// The rows of a plan in groups.
pub(super) struct Sections<'a> {
    view: &'a PlanView<'a>,
    body: &'a Body,
    actions: BTreeMap<&'a ActionId, &'a Action>,
    /// Actions that belong to a change, and are told by its row.
    answered: BTreeSet<&'a ActionId>,
    excluded: BTreeSet<&'a ActionId>,
    tallies: BTreeMap<&'a PlaylistId, Tally>,
}

impl<'a> Sections<'a> {
    pub(super) fn of(view: &'a PlanView<'a>) -> Self {
        let body = &view.plan.body;
        let review = view.plan.review.as_ref();
        Self {
            view,
            body,
            actions: body
                .actions
                .iter()
                .map(|action| (&action.id, action))
                .collect(),
            answered: body
                .changes
                .iter()
                .flat_map(|change| &change.actions)
                .collect(),
            excluded: review.iter().flat_map(|review| &review.exclude).collect(),
            tallies: tallies(body),
        }
    }

    /// In reading order; none is empty.
    pub(super) fn all(&self) -> Vec<Section> {
        let mut sections = self.playlists();
        sections.push(Section::new(
            "Rekordbox",
            self.loose(|action| is_rekordbox(&action.effect)),
        ));
        sections.push(Section::new("Files", self.files()));
        sections.push(Section::new(
            "Held back",
            self.body.held.iter().map(|held| self.held(held)).collect(),
        ));
        sections.push(Section::new("Kept as you have it", self.drift()));
        sections.push(Section::new(
            "Decide",
            self.body
                .decisions
                .iter()
                .map(|decision| self.decision(decision))
                .collect(),
        ));
        sections.push(Section::new(
            "Checks",
            self.body
                .checks
                .iter()
                .filter(|check| alarms(check))
                .map(check_row)
                .collect(),
        ));
        sections.retain(|section| !section.rows.is_empty());
        sections
    }

    /// One section for each playlist that a change or action is about, by name.
    fn playlists(&self) -> Vec<Section> {
        let mut rows: BTreeMap<&PlaylistId, Vec<Row>> = BTreeMap::new();
        for change in &self.body.changes {
            rows.entry(&change.playlist)
                .or_default()
                .push(self.change(change));
        }
        let mut upkeep: BTreeMap<&PlaylistId, Vec<&Action>> = BTreeMap::new();
        for action in &self.body.actions {
            let Some(playlist) = &action.playlist else {
                continue;
            };
            if self.answered.contains(&action.id) || is_trash(&action.effect) {
                continue;
            }
            let follows = is_upkeep(&action.effect) && action.why.rule != "drift";
            if follows && !self.view.look.verbose {
                upkeep.entry(playlist).or_default().push(action);
            } else {
                rows.entry(playlist).or_default().push(self.action(action));
            }
        }
        for (playlist, actions) in upkeep {
            let rows = rows.entry(playlist).or_default();
            // Order, tags and playlist files follow from the rows that are there already.
            if rows.is_empty() {
                rows.push(upkeep_row(&actions));
            }
        }
        let mut sections: Vec<(String, &PlaylistId, Section)> = rows
            .into_iter()
            .map(|(playlist, rows)| {
                let section = self.playlist(playlist, rows);
                (fold_name(&section.heading), playlist, section)
            })
            .collect();
        sections.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        sections
            .into_iter()
            .map(|(_, _, section)| section)
            .collect()
    }

    /// The playlist's name, or its id where the plan has no name.
    fn name<'b>(&'b self, id: &'b PlaylistId) -> &'b str {
        let planned = self.body.playlists.get(id);
        planned.map_or(id.as_str(), |playlist| &playlist.name)
    }

    fn playlist(&self, id: &PlaylistId, rows: Vec<Row>) -> Section {
        Section {
            heading: self.name(id).to_owned(),
            aside: self.counts(id).unwrap_or_default(),
            rows,
        }
    }

    /// `(45 → 47)`, `(new, 47)`; nothing where the counts are not known.
    fn counts(&self, id: &PlaylistId) -> Option<String> {
        let after = self.body.playlists.get(id)?.entries.len();
        let tally = self.tallies.get(id).copied().unwrap_or_default();
        if tally.is_new {
            return Some(format!("(new, {})", number(after as u64)));
        }
        if tally.is_gone {
            return Some(match self.body.mode {
                Mode::Undo => "(goes again)".to_owned(),
                _ => "(gone from TIDAL)".to_owned(),
            });
        }
        let before = (after + tally.left).checked_sub(tally.came)?;
        Some(match before == after {
            true => format!("({})", number(after as u64)),
            false => format!("({} → {})", number(before as u64), number(after as u64)),
        })
    }

    pub(super) fn change(&self, change: &PlannedChange) -> Row {
        let actions: Vec<&Action> = change
            .actions
            .iter()
            .filter_map(|id| self.actions.get(id).copied())
            .collect();
        let mut row = Row::new(
            change_symbol(change, &actions),
            &self.change_label(change),
            change.note.clone(),
        );
        if !actions.is_empty()
            && actions
                .iter()
                .all(|action| self.excluded.contains(&action.id))
        {
            row.note = joined(&["left out by review", &row.note]);
        }
        row.ids = match change.actions.is_empty() {
            true => vec![change.id.clone()],
            false => change.actions.iter().map(ToString::to_string).collect(),
        };
        for action in actions {
            self.explain(action, &mut row.below);
        }
        row
    }

    fn change_label(&self, change: &PlannedChange) -> String {
        let track = change
            .track
            .as_ref()
            .map(|id| match self.body.tracks.get(id) {
                Some(track) => track.label(),
                None => format!("TIDAL track {id}"),
            });
        let what = match change.kind {
            ChangeKind::PlaylistAdded => "new playlist",
            ChangeKind::PlaylistRemoved if self.body.mode == Mode::Undo => "playlist",
            ChangeKind::PlaylistRemoved => "playlist is gone from TIDAL",
            ChangeKind::PlaylistRenamed => "playlist has a new name",
            ChangeKind::TrackAddedToPlaylist
            | ChangeKind::TrackRemovedFromPlaylist
            | ChangeKind::TrackMoved
            | ChangeKind::TrackMetadataChanged => "tracks",
        };
        track.unwrap_or_else(|| what.to_owned())
    }

    /// Rows of actions that belong to no playlist.
    fn loose(&self, which: fn(&Action) -> bool) -> Vec<Row> {
        self.body
            .actions
            .iter()
            .filter(|action| action.playlist.is_none() && which(action))
            .filter(|action| !self.answered.contains(&action.id))
            .map(|action| self.action(action))
            .collect()
    }

    /// What goes to the trash, and files that belong to no playlist.
    fn files(&self) -> Vec<Row> {
        let trashed = self
            .body
            .actions
            .iter()
            .filter(|action| is_trash(&action.effect));
        let mut rows: Vec<Row> = trashed.map(|action| self.action(action)).collect();
        rows.extend(
            self.loose(|action| !is_rekordbox(&action.effect) && !is_trash(&action.effect)),
        );
        rows
    }

    fn action(&self, action: &Action) -> Row {
        let (symbol, label, note) = describe(&action.effect);
        let mut notes = vec![action.why.text.clone()];
        if is_trash(&action.effect) {
            notes.push(rule_of(&action.why, &self.view.plan.body));
            notes.push(self.way_back(action.undo));
            notes.push(note);
        } else {
            notes.insert(0, note);
        }
        if self.excluded.contains(&action.id) {
            notes.insert(0, "left out by review".to_owned());
        }
        let notes: Vec<&str> = notes.iter().map(String::as_str).collect();
        let label = label.unwrap_or_else(|| Label::Name(action.subject.label.clone()));
        let mut row = match &label {
            Label::Name(name) => Row::new(symbol, name, joined(&notes)),
            Label::Path(path) => Row::of_path(symbol, path, joined(&notes)),
        };
        row.ids = vec![action.id.to_string()];
        self.explain(action, &mut row.below);
        row
    }

    /// What the DJ changed in Rekordbox and stays; a few, or all with `-v`.
    fn drift(&self) -> Vec<Row> {
        const FEW: usize = 10;
        let all = &self.body.drift;
        let shown = match self.view.look.verbose {
            true => all.len(),
            false => all.len().min(FEW),
        };
        let row = |drift: &Drift| {
            Row::new(
                Symbol::Held,
                &drift.label,
                joined(&[&drift.text, &drift.rule]),
            )
        };
        let mut rows: Vec<Row> = all.iter().take(shown).map(row).collect();
        if shown < all.len() {
            let more = format!("and {} more", number((all.len() - shown) as u64));
            rows.push(Row::new(Symbol::Held, &more, "-v shows them".to_owned()));
        }
        rows
    }

    fn way_back(&self, undo: Undo) -> String {
        match (undo, self.view.undo_until) {
            (Undo::None, _) => "cannot be undone".to_owned(),
            (Undo::Refetch, _) => "can be fetched again".to_owned(),
            (Undo::Readd, _) => "undo adds it again".to_owned(),
            (Undo::ByteIdentical | Undo::RowIdentical, Some(until)) => {
                format!("undo until {until}")
            }
            (Undo::ByteIdentical | Undo::RowIdentical, None) => "can be undone".to_owned(),
        }
    }

    pub(super) fn held(&self, held: &Held) -> Row {
        let by = match held.gate.as_str() {
            gate if held.rule.is_empty() || held.rule == gate => gate.to_owned(),
            gate if gate.starts_with("TC") => format!("{gate} {}", held.rule),
            gate => format!("{gate} \"{}\"", held.rule),
        };
        let at = match held.at.rsplit_once(':') {
            Some((_, line)) => format!(" (line {line})"),
            None => String::new(),
        };
        let text = match held.text.is_empty() {
            true => String::new(),
            false => format!(": {}", held.text),
        };
        let note = format!("{} · {by}{at}{text}", held.would);
        let mut row = Row::new(Symbol::Held, &held.label, note.clone());
        row.ids = vec![held.id.to_string()];
        if self.view.look.verbose {
            let playlist = held.playlist.as_ref().map(|id| self.name(id));
            row.below.push(self.view.look.dim(held.id.as_str()));
            row.below
                .extend(fact("in", playlist.unwrap_or_default(), self.view.look));
            row.below
                .extend(fact("why", &joined(&[&note, &held.at]), self.view.look));
        }
        row
    }

    pub(super) fn decision(&self, decision: &DecisionRequest) -> Row {
        let chosen = self
            .view
            .plan
            .review
            .as_ref()
            .and_then(|review| review.decisions.get(&decision.id));
        let note = match chosen {
            Some(key) => format!("answered: {key}"),
            None => format!("unanswered: {}", decision.default),
        };
        let mut row = Row::new(Symbol::Decide, &decision.question, note);
        row.ids = vec![decision.id.clone()];
        for option in &decision.options {
            let option = decide::line(option);
            let option = paragraph(&visible(&option), 10, self.view.look);
            let lines = option.lines().map(str::trim_start).enumerate();
            row.below.extend(lines.map(|(number, line)| match number {
                0 => line.to_owned(),
                _ => format!("    {line}"),
            }));
        }
        if self.view.look.verbose {
            row.below.push(self.view.look.dim(&decision.id));
        }
        row
    }

    /// What `-v` adds below a row.
    fn explain(&self, action: &Action, below: &mut Vec<String>) {
        if self.view.look.verbose {
            below.extend(explanation(action, self.body, self.view.look));
        }
    }
}

/// Whether a check is worth a line.
#[must_use]
pub fn alarms(check: &Check) -> bool {
    check.status != CheckStatus::Pass
}

/// A gate, its verdict and its numbers.
#[must_use]
pub fn check_row(check: &Check) -> Row {
    let verdict = match check.status {
        CheckStatus::Pass => "passes",
        CheckStatus::Hold => "removals held back",
        CheckStatus::Refuse => "refused",
        CheckStatus::Allowed => "allowed by --allow",
    };
    let numbers = match (check.value, check.limit) {
        // "0 of 0" tells nothing; the text does.
        (_, Some(0)) => String::new(),
        (Some(value), Some(limit)) => format!("{value} of {limit}"),
        (Some(value), None) => value.to_string(),
        _ => String::new(),
    };
    let note = joined(&[verdict, &numbers, &check.text]);
    Row::new(
        Symbol::Alarm,
        &format!("{} {}", check.code, check.name),
        note,
    )
}
