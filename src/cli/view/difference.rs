//! What a plan says that an older one did not, and the other way round.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::Value;

use crate::plan::document::{Action, Plan};

use super::{
    Look,
    attributes::{self, Attribute, SideBySide},
    plan::{sections, short_digest},
    rows::{Row, Rows, paragraph},
    text::{count, number},
};

/// The difference between two plans.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// The digests.
    pub old: String,
    pub new: String,
    /// What both were made from and where it differs: `policy`, `TIDAL`, `files`, `Rekordbox`, `date`.
    pub inputs: Vec<&'static str>,
    pub appeared: Vec<Entry>,
    pub vanished: Vec<Entry>,
    pub changed: Vec<Entry>,
}

/// An action, held row, question or gate.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    pub id: String,
    /// What it does: an action's kind, `held`, `decide`, `check`.
    pub kind: String,
    pub label: String,
    /// What differs, old and new; only for what changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    #[serde(skip)]
    row: Row,
}

/// A field of an entry that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    pub name: &'static str,
    pub old: Option<String>,
    pub new: Option<String>,
}

/// One thing of a plan, and all that is compared of it.
struct Thing<'a> {
    kind: &'a str,
    label: &'a str,
    row: Row,
    facts: Vec<(&'static str, Option<String>)>,
    action: Option<&'a Action>,
}

/// Compares two plans: by id first, then by what is done to whom.
#[must_use]
pub fn difference(old: &Plan, new: &Plan) -> Difference {
    let (mut before, mut after) = (things(old), things(new));
    let mut changed = Vec::new();
    let both: Vec<String> = before
        .keys()
        .filter(|id| after.contains_key(*id))
        .cloned()
        .collect();
    for id in both {
        if let (Some(was), Some(is)) = (before.remove(&id), after.remove(&id)) {
            let fields = compared(&was.facts, &is.facts);
            if !fields.is_empty() {
                changed.push(entry(id, is, fields));
            }
        }
    }
    // The same deed to the same track with another outcome has another id.
    let subject = |thing: &Thing<'_>| (thing.kind.to_owned(), thing.label.to_owned());
    let mut left: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for (id, thing) in &before {
        left.entry(subject(thing)).or_default().push(id.clone());
    }
    let ids: Vec<String> = after.keys().cloned().collect();
    for id in ids {
        let former = after
            .get(&id)
            .and_then(|thing| left.get_mut(&subject(thing))?.pop());
        let Some((was, is)) =
            former.and_then(|was| Some((before.remove(&was)?, after.remove(&id)?)))
        else {
            continue;
        };
        let mut fields = compared(&was.facts, &is.facts);
        if let (Some(was), Some(is)) = (was.action, is.action) {
            fields.extend(effects(was, is, old, new));
        }
        changed.push(entry(id, is, fields));
    }
    let rest = |things: BTreeMap<String, Thing<'_>>| {
        let entries = things.into_iter();
        entries
            .map(|(id, thing)| entry(id, thing, Vec::new()))
            .collect()
    };
    Difference {
        old: old.digest.clone(),
        new: new.digest.clone(),
        inputs: inputs(old, new),
        appeared: rest(after),
        vanished: rest(before),
        changed,
    }
}

fn entry(id: String, thing: Thing<'_>, fields: Vec<Field>) -> Entry {
    Entry {
        id,
        kind: thing.kind.to_owned(),
        label: thing.label.to_owned(),
        fields,
        row: thing.row,
    }
}

fn compared(
    old: &[(&'static str, Option<String>)],
    new: &[(&'static str, Option<String>)],
) -> Vec<Field> {
    let was: BTreeMap<_, _> = old.iter().cloned().collect();
    let is: BTreeMap<_, _> = new.iter().cloned().collect();
    let mut names: Vec<&'static str> = was.keys().chain(is.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    let of = |map: &BTreeMap<&'static str, Option<String>>, name| map.get(name).cloned().flatten();
    names
        .into_iter()
        .map(|name| Field {
            name,
            old: of(&was, name),
            new: of(&is, name),
        })
        .filter(|field| field.old != field.new)
        .collect()
}

fn effects(was: &Action, is: &Action, old: &Plan, new: &Plan) -> Vec<Field> {
    let text = |it: &Attribute| {
        let parts = [it.old.clone(), it.new.clone()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" → ")
    };
    let table = |action: &Action, plan: &Plan| {
        let attributes = attributes::of(&action.effect, &plan.body);
        attributes
            .iter()
            .map(|it| (it.name, Some(text(it))))
            .collect::<Vec<_>>()
    };
    compared(&table(was, old), &table(is, new))
}

fn inputs(old: &Plan, new: &Plan) -> Vec<&'static str> {
    let (was, is) = (&old.body.inputs, &new.body.inputs);
    [
        ("policy", was.policy != is.policy),
        ("TIDAL", was.tidal != is.tidal),
        ("files", was.files != is.files),
        ("Rekordbox", was.rekordbox != is.rekordbox),
        ("date", was.as_of != is.as_of),
        ("state", old.body.base != new.body.base),
    ]
    .into_iter()
    .filter(|(_, differs)| *differs)
    .map(|(name, _)| name)
    .collect()
}

/// Everything of a plan that stands for itself, by its id.
fn things(plan: &Plan) -> BTreeMap<String, Thing<'_>> {
    let body = &plan.body;
    let look = Look::plain();
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for section in sections(plan, &look) {
        for mut row in section.rows {
            row.below.clear();
            for id in std::mem::take(&mut row.ids) {
                rows.insert(id, row.clone());
            }
        }
    }
    let row = |id: &str, label: &str| {
        let shown = rows.get(id).cloned();
        shown.unwrap_or_else(|| Row::new(super::rows::Symbol::Change, label, ""))
    };
    let json = |value: Value| (!value.is_null()).then(|| value.to_string());
    let mut things = BTreeMap::new();
    for action in &body.actions {
        let id = action.id.as_str();
        let why = &action.why;
        let rule = match why.at.is_empty() {
            true => why.rule.clone(),
            false => format!("{} ({})", why.rule, why.at),
        };
        let facts = vec![
            ("does", Some(action.effect.kind().to_owned())),
            ("rule", Some(rule).filter(|rule| !rule.is_empty())),
            (
                "why",
                Some(why.text.clone()).filter(|text| !text.is_empty()),
            ),
            (
                "evidence",
                Some(why.evidence.join("; ")).filter(|text| !text.is_empty()),
            ),
            (
                "work",
                action
                    .risk
                    .and_then(|risk| json(serde_json::to_value(risk).ok()?)),
            ),
            (
                "only if",
                Some(serde_json::to_string(&action.pre).unwrap_or_default())
                    .filter(|text| text != "[]"),
            ),
        ];
        let thing = Thing {
            kind: action.effect.kind(),
            label: &action.subject.label,
            row: row(id, &action.subject.label),
            facts,
            action: Some(action),
        };
        things.insert(id.to_owned(), thing);
    }
    for held in &body.held {
        let thing = Thing {
            kind: "held",
            label: &held.label,
            row: row(held.id.as_str(), &held.label),
            facts: vec![
                ("does", Some(format!("held: {}", held.would))),
                (
                    "rule",
                    Some(
                        format!("{} {} {}", held.gate, held.rule, held.at)
                            .trim()
                            .to_owned(),
                    ),
                ),
                (
                    "why",
                    Some(held.text.clone()).filter(|text| !text.is_empty()),
                ),
            ],
            action: None,
        };
        things.insert(held.id.to_string(), thing);
    }
    for asked in &body.decisions {
        let options: Vec<&str> = asked
            .options
            .iter()
            .map(|option| option.label.as_str())
            .collect();
        let thing = Thing {
            kind: "decide",
            label: &asked.question,
            row: row(&asked.id, &asked.question),
            facts: vec![("options", Some(options.join("; ")))],
            action: None,
        };
        things.insert(asked.id.clone(), thing);
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for check in &body.checks {
        let number = |number: Option<i64>| number.map(|number| number.to_string());
        let status = serde_json::to_value(check.status).ok();
        let thing = Thing {
            kind: "check",
            label: &check.name,
            row: super::plan::check_row(check),
            facts: vec![
                (
                    "verdict",
                    status.and_then(|status| Some(status.as_str()?.to_owned())),
                ),
                ("value", number(check.value)),
                ("limit", number(check.limit)),
            ],
            action: None,
        };
        // A gate may speak once for each playlist.
        let nth = seen.entry(&check.code).or_default();
        *nth += 1;
        things.insert(format!("{}#{nth}", check.code), thing);
    }
    things
}

/// The difference, for a person.
pub struct DifferenceView<'a> {
    pub difference: &'a Difference,
    pub look: &'a Look,
}

impl fmt::Display for DifferenceView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference {
            old,
            new,
            inputs,
            appeared,
            vanished,
            changed,
        } = self.difference;
        let parts = [
            ("Appeared", appeared),
            ("Vanished", vanished),
            ("Changed", changed),
        ];
        for (title, entries) in parts.iter().filter(|(_, entries)| !entries.is_empty()) {
            writeln!(
                f,
                "{}  ({})",
                self.look.bold(title),
                number(entries.len() as u64)
            )?;
            let rows: Vec<Row> = entries.iter().map(|entry| self.row(entry)).collect();
            write!(
                f,
                "{}",
                Rows {
                    rows: &rows,
                    look: self.look
                }
            )?;
        }
        let made = match inputs.is_empty() {
            true => "Both were made from the same inputs.".to_owned(),
            false => format!("Made from other inputs: {}.", inputs.join(", ")),
        };
        let (old, new) = (short_digest(old), short_digest(new));
        let closing = match parts.iter().all(|(_, entries)| entries.is_empty()) {
            true => format!("The plans {old} and {new} say the same. {made}"),
            false => format!(
                "From {old} to {new}: {} appeared, {} vanished, {} changed. {made}",
                number(appeared.len() as u64),
                number(vanished.len() as u64),
                count(changed.len(), "row", "rows"),
            ),
        };
        f.write_str(&paragraph(&closing, 0, self.look))
    }
}

impl DifferenceView<'_> {
    fn row(&self, entry: &Entry) -> Row {
        let mut row = entry.row.clone();
        let attributes: Vec<Attribute> = entry
            .fields
            .iter()
            .map(|field| Attribute {
                name: field.name,
                old: field.old.clone(),
                new: field.new.clone(),
            })
            .collect();
        let table = SideBySide {
            attributes: &attributes,
            look: self.look,
            indent: 6,
        };
        row.below = table.lines();
        row
    }
}
