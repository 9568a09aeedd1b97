//! A plan as text: grouped by playlist, one line a row, one closing line.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    domain::{ActionId, PlaylistId, Provenance, text::fold_name},
    plan::document::{
        Action, Body, ChangeKind, Check, CheckStatus, DecisionRequest, Effect, Held, Plan,
        PlannedChange, Summary, Undo, Why,
    },
};

use super::{
    Look,
    attributes::{self, SideBySide},
    rows::{Label, Row, Rows, Symbol, paragraph},
    text::{bytes, count, number, visible},
};

/// A plan, for a person.
pub struct PlanView<'a> {
    pub plan: &'a Plan,
    pub look: &'a Look,
    /// Where it was saved, if it was.
    pub saved: Option<&'a str>,
    /// Until when trashed files can be brought back, where the policy is at hand.
    pub undo_until: Option<jiff::civil::Date>,
}

impl<'a> PlanView<'a> {
    /// A plan that was not saved.
    #[must_use]
    pub const fn new(plan: &'a Plan, look: &'a Look) -> Self {
        Self {
            plan,
            look,
            saved: None,
            undo_until: None,
        }
    }
}

impl fmt::Display for PlanView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = &self.plan.body;
        for section in Sections::of(self).all() {
            writeln!(f, "{}", section.title(self.look))?;
            write!(
                f,
                "{}",
                Rows {
                    rows: &section.rows,
                    look: self.look
                }
            )?;
        }
        if !is_empty(body) || body.checks.iter().any(alarms) {
            writeln!(f)?;
        }
        f.write_str(&paragraph(&closing(self.plan, self.saved), 0, self.look))
    }
}

/// Whether there is nothing to do, to decide, or held back.
#[must_use]
pub fn is_empty(body: &Body) -> bool {
    body.actions.is_empty() && body.decisions.is_empty() && body.held.is_empty()
}

/// `Plan: 2 to add, 1 to move. Download 38 MB. Digest 9f2c41d0. Saved plan.json.`, or `No changes. …`;
/// one line without its end.
#[must_use]
pub fn closing(plan: &Plan, saved: Option<&str>) -> String {
    let body = &plan.body;
    let saved = saved
        .map(|path| format!(" Saved {path}."))
        .unwrap_or_default();
    if is_empty(body) {
        return format!("No changes. {}{saved}", as_wished(body));
    }
    let counts = match summary(&body.summary) {
        counts if counts.is_empty() => "nothing to do now".to_owned(),
        counts => counts.join(", "),
    };
    let down: u64 = body
        .actions
        .iter()
        .map(|action| action.estimate.bytes_down)
        .sum();
    let download = match down {
        0 => String::new(),
        down => format!(" Download {}.", bytes(down)),
    };
    let refused = match body.applyable {
        true => "",
        false => " It cannot be applied.",
    };
    format!(
        "Plan: {counts}.{download} Digest {}.{saved}{refused}",
        short_digest(&plan.digest)
    )
}

/// The first eight hex digits: enough to approve by.
#[must_use]
pub fn short_digest(digest: &str) -> &str {
    let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
    digits.get(..8).unwrap_or(digits)
}

/// `["2 to add", "1 to move", …]`; what is zero is left out.
#[must_use]
pub fn summary(summary: &Summary) -> Vec<String> {
    let Summary {
        add,
        change,
        moves,
        remove,
        trash,
        adopt,
        decide,
        held,
    } = *summary;
    [
        (add, "to add"),
        (change, "to change"),
        (moves, "to move"),
        (remove, "to remove"),
        (trash, "to trash"),
        (adopt, "to adopt"),
        (decide, "to decide"),
        (held, "held back"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{} {what}", number(count as u64)))
    .collect()
}

fn as_wished(body: &Body) -> String {
    let playlists = count(body.inputs.tidal.playlists, "playlist", "playlists");
    let files = count(body.inputs.files.files, "file", "files");
    match body.inputs.rekordbox {
        Some(_) => format!("{playlists}, {files} and Rekordbox are as they should be."),
        None => format!("{playlists} and {files} are as they should be."),
    }
}

/// The rows of a plan in groups, in reading order; no group is empty.
#[must_use]
pub fn sections(plan: &Plan, look: &Look) -> Vec<Section> {
    Sections::of(&PlanView::new(plan, look)).all()
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

    fn title(&self, look: &Look) -> String {
        let columns = look.width.unwrap_or(usize::MAX);
        let room = columns.saturating_sub(super::text::width(&self.aside) + 2);
        let heading = super::text::fit(&visible(&self.heading), room.max(8));
        match self.aside.is_empty() {
            true => look.bold(&heading),
            false => format!("{}  {}", look.bold(&heading), look.dim(&self.aside)),
        }
    }
}

/// The rows of a plan in groups.
struct Sections<'a> {
    view: &'a PlanView<'a>,
    body: &'a Body,
    actions: BTreeMap<&'a ActionId, &'a Action>,
    excluded: BTreeSet<&'a ActionId>,
}

impl<'a> Sections<'a> {
    fn of(view: &'a PlanView<'a>) -> Self {
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
            excluded: review.iter().flat_map(|review| &review.exclude).collect(),
        }
    }

    /// In reading order; none is empty.
    fn all(&self) -> Vec<Section> {
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
        let answered: BTreeSet<&ActionId> = self
            .body
            .changes
            .iter()
            .flat_map(|change| &change.actions)
            .collect();
        let mut upkeep: BTreeMap<&PlaylistId, Vec<&Action>> = BTreeMap::new();
        for action in &self.body.actions {
            let Some(playlist) = &action.playlist else {
                continue;
            };
            if answered.contains(&action.id) || is_trash(&action.effect) {
                continue;
            }
            if is_upkeep(&action.effect) && !self.view.look.verbose {
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
        let of = |kind: ChangeKind| {
            let same = |change: &&PlannedChange| change.kind == kind && &change.playlist == id;
            self.body.changes.iter().filter(same).count()
        };
        if of(ChangeKind::PlaylistAdded) > 0 {
            return Some(format!("(new, {})", number(after as u64)));
        }
        if of(ChangeKind::PlaylistRemoved) > 0 {
            return Some("(gone from TIDAL)".to_owned());
        }
        let moved = |to_here: bool| {
            let moves = self
                .body
                .changes
                .iter()
                .filter(|change| change.kind == ChangeKind::TrackMoved);
            moves
                .filter(|change| match &change.from {
                    Some(from) if from != &change.playlist => match to_here {
                        true => &change.playlist == id,
                        false => from == id,
                    },
                    _ => false,
                })
                .count()
        };
        let came = of(ChangeKind::TrackAddedToPlaylist) + moved(true);
        let left = of(ChangeKind::TrackRemovedFromPlaylist) + moved(false);
        let before = (after + left).checked_sub(came)?;
        Some(match before == after {
            true => format!("({})", number(after as u64)),
            false => format!("({} → {})", number(before as u64), number(after as u64)),
        })
    }

    fn change(&self, change: &PlannedChange) -> Row {
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
        let answered: BTreeSet<&ActionId> = self
            .body
            .changes
            .iter()
            .flat_map(|change| &change.actions)
            .collect();
        self.body
            .actions
            .iter()
            .filter(|action| action.playlist.is_none() && which(action))
            .filter(|action| !answered.contains(&action.id))
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
            notes.push(rule_of(&action.why));
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
        self.explain(action, &mut row.below);
        row
    }

    fn way_back(&self, undo: Undo) -> String {
        match (undo, self.view.undo_until) {
            (Undo::None, _) => "cannot be undone".to_owned(),
            (Undo::Refetch, _) => "can be fetched again".to_owned(),
            (Undo::ByteIdentical | Undo::RowIdentical, Some(until)) => {
                format!("undo until {until}")
            }
            (Undo::ByteIdentical | Undo::RowIdentical, None) => "can be undone".to_owned(),
        }
    }

    fn held(&self, held: &Held) -> Row {
        let by = match held.gate.as_str() {
            gate if gate.starts_with("TC") => format!("{gate} {}", held.rule),
            gate if held.rule.is_empty() || held.rule == gate => gate.to_owned(),
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

    fn decision(&self, decision: &DecisionRequest) -> Row {
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
        for option in &decision.options {
            let score = option.score.map(|score| format!("likeness {score}"));
            let against = (!option.veto.is_empty()).then(|| option.veto.join(", "));
            let facts: Vec<String> = score.into_iter().chain(against).collect();
            let facts = match facts.is_empty() {
                true => String::new(),
                false => format!("  ({})", facts.join("; ")),
            };
            let option = format!("[{}] {}{facts}", option.key, option.label);
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

/// The reason, the evidence, the DJ's work at stake and the attributes of one action.
fn explanation(action: &Action, body: &Body, look: &Look) -> Vec<String> {
    let mut lines = vec![format!(
        "{}  {}",
        action.effect.kind(),
        look.dim(action.id.as_str())
    )];
    let attributes = attributes::of(&action.effect, body);
    let table = SideBySide {
        attributes: &attributes,
        look,
        indent: 8,
    };
    lines.extend(table.lines().iter().map(|line| format!("  {line}")));
    let why = joined(&[&action.why.text, &rule_of(&action.why)]);
    let facts = [
        ("why", why),
        ("seen", action.why.evidence.join("; ")),
        ("work", work(action)),
    ];
    for (name, text) in facts {
        lines.extend(fact(name, &text, look));
    }
    lines
}

/// `why   reason`, broken to the width of the terminal; nothing for an empty text.
fn fact(name: &str, text: &str, look: &Look) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    let text = paragraph(&visible(text), 14, look);
    let lines = text.lines().map(str::trim_start).enumerate();
    lines
        .map(|(number, line)| match number {
            0 => format!("  {name:<4} {line}"),
            _ => format!("       {line}"),
        })
        .collect()
}

/// `4 hot cues, 1 memory cue, rated 5, 12 plays`
fn work(action: &Action) -> String {
    let Some(risk) = action.risk else {
        return String::new();
    };
    let rated = (risk.rating > 0).then(|| format!("rated {}", risk.rating));
    let counted = |of: u32, one: &str, many: &str| (of > 0).then(|| count(of as usize, one, many));
    [
        counted(risk.hot_cues, "hot cue", "hot cues"),
        counted(risk.memory_cues, "memory cue", "memory cues"),
        rated,
        counted(risk.mytags, "MyTag", "MyTags"),
        counted(risk.plays, "play", "plays"),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(", ")
}

/// `rule dupes (tidal-cleanup.toml:64)`
fn rule_of(why: &Why) -> String {
    match (why.rule.is_empty(), why.at.is_empty()) {
        (true, _) => String::new(),
        (false, true) => format!("rule {}", why.rule),
        (false, false) => format!("rule {} ({})", why.rule, why.at),
    }
}

fn joined(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts
        .iter()
        .copied()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(" · ")
}

fn change_symbol(change: &PlannedChange, actions: &[&Action]) -> Symbol {
    let adopts = actions.iter().any(|action| match &action.effect {
        Effect::StateAdopt { after } => after.provenance == Provenance::Adopted,
        _ => false,
    });
    match change.kind {
        ChangeKind::PlaylistAdded | ChangeKind::TrackAddedToPlaylist if adopts => Symbol::Adopt,
        ChangeKind::PlaylistAdded | ChangeKind::TrackAddedToPlaylist => Symbol::Add,
        ChangeKind::PlaylistRemoved | ChangeKind::TrackRemovedFromPlaylist => Symbol::Leave,
        ChangeKind::PlaylistRenamed | ChangeKind::TrackMoved => Symbol::Move,
        ChangeKind::TrackMetadataChanged => Symbol::Change,
    }
}

/// The symbol, label (where it is not the subject's) and note of an action that stands for itself.
fn describe(effect: &Effect) -> (Symbol, Option<Label>, String) {
    let path = |path: &crate::domain::MediaPath| Some(Label::Path(path.to_string()));
    let say = |text: &str| text.to_owned();
    match effect {
        Effect::FileFetch { .. } => (Symbol::Add, None, say("download")),
        Effect::FileConvert { after } => (
            Symbol::Add,
            None,
            format!("convert to {}", after.format.extension()),
        ),
        Effect::FilePlace { before, after } => (
            Symbol::Move,
            path(&before.path),
            format!("to {}", after.path),
        ),
        Effect::FileLink {
            before: None,
            after,
        } => (Symbol::Add, path(&after.path), String::new()),
        Effect::FileLink {
            before: Some(_),
            after,
        } => (Symbol::Change, path(&after.path), String::new()),
        Effect::FileTrash { before } => (Symbol::Trash, path(&before.path), bytes(before.size)),
        Effect::FileRestore { after, .. } => {
            (Symbol::Add, path(&after.path), say("back from the trash"))
        }
        Effect::ContentAdd { .. } => (Symbol::Add, None, say("into Rekordbox")),
        Effect::ContentRelocate { after, .. } => (
            Symbol::Move,
            None,
            format!("Rekordbox looks in {}", after.path),
        ),
        Effect::ContentUpdate { .. } => (Symbol::Change, None, say("Rekordbox fields")),
        Effect::NodeCreate { .. } => (Symbol::Add, None, say("in Rekordbox")),
        Effect::NodeUpdate { .. } => (Symbol::Move, None, say("in Rekordbox")),
        Effect::NodeRemove { .. } => (Symbol::Leave, None, say("out of Rekordbox")),
        Effect::EntriesSet { before, after } => (
            Symbol::Change,
            None,
            format!(
                "Rekordbox order, {} → {} tracks",
                number(before.count as u64),
                number(after.count as u64)
            ),
        ),
        Effect::MyTagCreate { .. } => (Symbol::Add, None, say("MyTag")),
        Effect::MyTagSet { .. } => (Symbol::Change, None, say("MyTags")),
        Effect::RowsRestore { .. } => (Symbol::Change, None, say("Rekordbox as before")),
        Effect::StateAdopt { after } => match after.provenance {
            Provenance::Adopted => (Symbol::Adopt, path(&after.path), String::new()),
            Provenance::Tidal | Provenance::Foreign => {
                (Symbol::Add, path(&after.path), say("linked, stays yours"))
            }
        },
        Effect::StateRecord { .. } => (Symbol::Change, None, say("remembered")),
        Effect::StateForget { .. } => (Symbol::Leave, None, say("no longer looked after")),
        Effect::StateRestore { .. } => (Symbol::Change, None, say("remembered as before")),
    }
}

/// Actions that follow from others: order, tags, playlist files, the record.
const fn is_upkeep(effect: &Effect) -> bool {
    match effect {
        Effect::FileLink { .. }
        | Effect::EntriesSet { .. }
        | Effect::MyTagCreate { .. }
        | Effect::MyTagSet { .. }
        | Effect::StateRecord { .. } => true,
        Effect::FileFetch { .. }
        | Effect::FileConvert { .. }
        | Effect::FilePlace { .. }
        | Effect::FileTrash { .. }
        | Effect::FileRestore { .. }
        | Effect::ContentAdd { .. }
        | Effect::ContentRelocate { .. }
        | Effect::ContentUpdate { .. }
        | Effect::NodeCreate { .. }
        | Effect::NodeUpdate { .. }
        | Effect::NodeRemove { .. }
        | Effect::RowsRestore { .. }
        | Effect::StateAdopt { .. }
        | Effect::StateForget { .. }
        | Effect::StateRestore { .. } => false,
    }
}

fn upkeep_row(actions: &[&Action]) -> Row {
    let mut what: Vec<&str> = actions
        .iter()
        .map(|action| match &action.effect {
            Effect::FileLink { .. } => "playlist file",
            Effect::EntriesSet { .. } => "order in Rekordbox",
            Effect::MyTagCreate { .. } | Effect::MyTagSet { .. } => "MyTags",
            _ => "what is remembered",
        })
        .collect();
    what.sort_unstable();
    what.dedup();
    Row::new(Symbol::Change, "brought up to date", what.join(", "))
}

fn is_rekordbox(effect: &Effect) -> bool {
    effect.kind().starts_with("rb.")
}

const fn is_trash(effect: &Effect) -> bool {
    matches!(effect, Effect::FileTrash { .. })
}

/// Whether a check is worth a line.
#[must_use]
pub fn alarms(check: &Check) -> bool {
    check.status != CheckStatus::Pass
}

fn check_row(check: &Check) -> Row {
    let verdict = match check.status {
        CheckStatus::Pass => "passes",
        CheckStatus::Hold => "removals held back",
        CheckStatus::Refuse => "refused",
        CheckStatus::Allowed => "allowed by --allow",
    };
    let numbers = match (check.value, check.limit) {
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

/// Everything about one action, held row or decision.
#[derive(Debug)]
pub struct WhyView(String);

impl fmt::Display for WhyView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Looks up `id` or the beginning of one among actions, changes and held rows.
///
/// # Errors
/// How many there are, when it is not exactly one.
pub fn why(plan: &Plan, id: &str, look: &Look) -> Result<WhyView, usize> {
    let body = &plan.body;
    let look = Look {
        verbose: true,
        ..look.clone()
    };
    let view = PlanView::new(plan, &look);
    let sections = Sections::of(&view);
    let starts = |candidate: &str| candidate.starts_with(id);
    let mut found: Vec<String> = Vec::new();
    for action in body
        .actions
        .iter()
        .filter(|action| starts(action.id.as_str()))
    {
        found.push(action_page(action, body, &look));
    }
    let rows = body
        .held
        .iter()
        .filter(|held| starts(held.id.as_str()))
        .map(|held| sections.held(held));
    let rows = rows.chain(
        body.changes
            .iter()
            .filter(|change| starts(&change.id))
            .map(|change| sections.change(change)),
    );
    let rows = rows.chain(
        body.decisions
            .iter()
            .filter(|decision| starts(&decision.id))
            .map(|decision| sections.decision(decision)),
    );
    found.extend(rows.map(|row| {
        Rows {
            rows: &[row],
            look: &look,
        }
        .to_string()
    }));
    match found.as_slice() {
        [page] => Ok(WhyView(page.clone())),
        other => Err(other.len()),
    }
}

fn action_page(action: &Action, body: &Body, look: &Look) -> String {
    let (symbol, _, _) = describe(&action.effect);
    let mut page = Rows {
        rows: &[Row::new(symbol, &action.subject.label, "")],
        look,
    }
    .to_string();
    for line in explanation(action, body, look) {
        page.push_str(&format!("      {line}\n"));
    }
    if !action.pre.is_empty() {
        page.push_str("      only if\n");
        for pre in &action.pre {
            // The precondition's own words: what `apply` compares is what a person should read.
            let text = serde_json::to_string(pre).unwrap_or_default();
            page.push_str(&format!("        {}\n", visible(&text)));
        }
    }
    if !action.depends_on.is_empty() {
        let ids: Vec<&str> = action.depends_on.iter().map(ActionId::as_str).collect();
        page.push_str(&format!("      after {}\n", ids.join(", ")));
    }
    page
}

#[cfg(test)]
mod tests;
