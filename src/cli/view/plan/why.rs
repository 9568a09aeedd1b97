//! Why a row is there: reason, place in the policy, evidence, and old and new side by side.

use std::fmt;

use crate::{
    domain::ActionId,
    plan::document::{Action, Body, Plan, Precondition, Why},
};

use super::{
    super::{
        Look,
        attributes::{self, SideBySide},
        rows::{Row, Rows, paragraph},
        text::{bytes, count, visible},
    },
    PlanView,
    effect::describe,
    sections::Sections,
};

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

/// The reason, the evidence, the DJ's work at stake and the attributes of one action.
pub(super) fn explanation(action: &Action, body: &Body, look: &Look) -> Vec<String> {
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
    let why = joined(&[&action.why.text, &rule_of(&action.why, body)]);
    let facts = [("why", why), ("seen", seen(action)), ("work", work(action))];
    for (name, text) in facts {
        lines.extend(fact(name, &text, look));
    }
    lines
}

/// `why   reason`, broken to the width of the terminal; nothing for an empty text.
pub(super) fn fact(name: &str, text: &str, look: &Look) -> Vec<String> {
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

/// The evidence; where none was noted, what was seen of the worlds and must still be so.
fn seen(action: &Action) -> String {
    if !action.why.evidence.is_empty() {
        return action.why.evidence.join("; ");
    }
    let facts: Vec<String> = action.pre.iter().map(fact_of).collect();
    facts.join("; ")
}

fn fact_of(pre: &Precondition) -> String {
    match pre {
        Precondition::File { path, size, .. } => format!("{path} is there, {}", bytes(*size)),
        Precondition::Vacant { path } => format!("nothing is at {path}"),
        Precondition::VacantStem { stem, but: None } => format!("no audio file is at {stem}.*"),
        Precondition::VacantStem {
            stem,
            but: Some(old),
        } => format!("no audio file but {old} is at {stem}.*"),
        Precondition::DesiredAbsent {
            playlists_checked, ..
        } => format!(
            "in none of {}",
            count(*playlists_checked, "playlist", "playlists")
        ),
        Precondition::PlaylistAbsent { .. } => "TIDAL has no such playlist any more".to_owned(),
        Precondition::Content { id, path } => format!("Rekordbox row {id} points at {path}"),
        Precondition::ContentFields { fields } => {
            format!("Rekordbox row {} as read", fields.content)
        }
        Precondition::NoContent { path } => format!("no row of Rekordbox points at {path}"),
        Precondition::Node { node } => format!("Rekordbox has {} (row {})", node.name, node.id),
        Precondition::Entries { count: many, .. } => {
            format!(
                "its list in Rekordbox has {}",
                count(*many, "entry", "entries")
            )
        }
        Precondition::TidalList { count: many, .. } => {
            format!("its list in TIDAL has {}", count(*many, "entry", "entries"))
        }
        Precondition::AsLeft { reversal } => format!("as apply {} left it", reversal.apply),
    }
}

/// `4 hot cues, 1 memory cue, rated 5, 12 plays`
pub(super) fn work(action: &Action) -> String {
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
pub(super) fn rule_of(why: &Why, body: &Body) -> String {
    let at = body.place(why);
    let place = match at.is_empty() {
        true => String::new(),
        false => format!(" ({at})"),
    };
    match (why.rule.is_empty(), why.at.is_empty()) {
        (true, _) => String::new(),
        (false, true) => match why.rule.split_once('.') {
            Some((table, key)) => format!("setting [{table}] {key}{place}"),
            None if at.is_empty() => format!("rule {} (built in)", why.rule),
            None => format!("setting [{}]{place}", why.rule),
        },
        (false, false) => format!("rule {}{place}", why.rule),
    }
}

pub(super) fn joined(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts
        .iter()
        .copied()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(" · ")
}
