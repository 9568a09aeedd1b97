//! `[[freeze]]`, `[[protect]]`, `[[rule]]`, `[playlist.*]`, `[[moved]]`, `[[test]]`.

use std::{collections::BTreeMap, ops::Range};

use super::{
    conditions,
    language::folders,
    sections::{MODES, limit, set},
};
use crate::{
    domain::Class,
    domain::PlaylistId,
    policy::{
        Denied, Freeze, Moved, MyTagLanguage, Order, Outcome, PlaylistOverride, Policy, PolicyTest,
        Protect, Rule,
        diagnostic::{Code, nearest},
        document::{Table, Value},
        glob, keys, values,
        verdict::{By, Decision},
    },
};

const DENIED: [(&str, Denied); 4] = [
    ("trash", Denied::Trash),
    ("remove", Denied::Remove),
    ("move", Denied::Move),
    ("change", Denied::Change),
];

const CLASSES: [(&str, Class); 6] = [
    ("additive", Class::Additive),
    ("move", Class::Move),
    ("change", Class::Change),
    ("remove", Class::Remove),
    ("destructive", Class::Destructive),
    ("tidal", Class::Tidal),
];

/// Protections and rules, with the place of each `when`.
pub(in crate::policy) struct Rules {
    pub(in crate::policy) protects: Vec<(Protect, Range<usize>)>,
    pub(in crate::policy) rules: Vec<(Rule, Range<usize>)>,
}

pub(super) fn read(top: &Table<'_>) -> Rules {
    let protects = top.tables("protect");
    let rules = top.tables("rule");
    distinct(&protects);
    distinct(&rules);
    Rules {
        protects: protects.iter().filter_map(protect).collect(),
        rules: rules.iter().filter_map(rule).collect(),
    }
}

pub(super) fn freezes(top: &Table<'_>) -> Vec<Freeze> {
    let tables = top.tables("freeze");
    distinct(&tables);
    tables.iter().filter_map(freeze).collect()
}

pub(super) fn playlists(top: &Table<'_>) -> Vec<PlaylistOverride> {
    let Some(table) = top.table("playlist") else {
        return Vec::new();
    };
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut playlists = Vec::new();
    for value in table.values() {
        if let Some(other) = seen.insert(glob::fold(value.key), value.key.to_owned()) {
            let message = format!("this is the same playlist as `{other}`");
            value.report_key(Code::DuplicateName, message, None);
        }
        if let Some(table) = value.table() {
            playlists.push(playlist(&value, &table));
        }
    }
    playlists
}

pub(super) fn moved(top: &Table<'_>) -> Vec<Moved> {
    let mut moved: Vec<Moved> = Vec::new();
    for table in top.tables("moved") {
        table.only(keys::MOVED);
        let end = |key: &str| {
            let value = table.need(key, &format!("{key} = \"36ea71a8-445e-…\""))?;
            Some((value.name()?, value))
        };
        let (Some((from, at)), Some((to, _))) = (end("from"), end("to")) else {
            continue;
        };
        if from == to {
            table.report(
                Code::Contradiction,
                "`from` and `to` are the same".to_owned(),
                None,
            );
        }
        if moved.iter().any(|moved| moved.from.as_str() == from) {
            at.report(
                Code::DuplicateName,
                format!("`{from}` has moved already"),
                None,
            );
        }
        moved.push(Moved {
            from: PlaylistId::from(from),
            to: PlaylistId::from(to),
            at: table.place(),
        });
    }
    moved
}

pub(super) fn tests(top: &Table<'_>, policy: &Policy) -> Vec<PolicyTest> {
    let tables = top.tables("test");
    distinct(&tables);
    tables
        .iter()
        .filter_map(|table| {
            table.only(keys::TEST);
            let name = name(table);
            let given = table.need("given", "given = { file.orphan = true }");
            let given = given.and_then(|value| value.table());
            let expect = table.need("expect", "expect = \"keep by default\"")?;
            let text = expect.name()?;
            check_expectation(&expect, text, policy);
            Some(PolicyTest {
                name: name?,
                given: conditions::facts(&given?),
                expect: text.to_owned(),
                at: table.place(),
            })
        })
        .collect()
}

/// Checks the folders of `then = { archive = … }`, which name fields of the language.
pub(super) fn archive_templates(top: &Table<'_>, language: &MyTagLanguage) {
    for rule in top.tables("rule") {
        let then = rule.get("then").filter(Value::is_table);
        let archive = then.and_then(|then| then.table()?.get("archive"));
        if let Some(value) = archive.filter(Value::is_text) {
            folders(&value, language);
        }
    }
}

fn protect(table: &Table<'_>) -> Option<(Protect, Range<usize>)> {
    table.only(keys::PROTECT);
    let name = name(table);
    let when = table.need("when", "when = { rekordbox.cues = \">=1\" }");
    let deny = table.need("deny", "deny = [\"trash\", \"remove\"]");
    let deny = deny.map(|value| {
        let items = value.items();
        let deny: Vec<Denied> = items.iter().filter_map(|item| item.word(&DENIED)).collect();
        if items.is_empty() {
            value.report(Code::Missing, "this denies nothing".to_owned(), None);
        }
        deny
    });
    let when = when?;
    let protect = Protect {
        name: name?,
        when: conditions::condition(&when.table()?),
        deny: deny?,
        at: table.place(),
    };
    Some((protect, when.span()))
}

fn rule(table: &Table<'_>) -> Option<(Rule, Range<usize>)> {
    table.only(keys::RULE);
    let name = name(table);
    let when = table.need("when", "when = { file.orphan = true }");
    let then = table.need("then", "then = \"trash\"");
    let then = then.and_then(|value| outcome(&value));
    let when = when?;
    let rule = Rule {
        name: name?,
        when: conditions::condition(&when.table()?),
        then: then?,
        at: table.place(),
    };
    Some((rule, when.span()))
}

fn outcome(value: &Value<'_>) -> Option<Outcome> {
    if value.is_text() {
        let words = ["keep", "trash", "upgrade", "archive"];
        return match value.text()? {
            "keep" => Some(Outcome::Keep),
            "trash" => Some(Outcome::Trash),
            "upgrade" => Some(Outcome::Upgrade),
            "archive" => Some(Outcome::Archive("Archive".to_owned())),
            other => {
                value.unknown_word(other, &words);
                None
            }
        };
    }
    let table = value.table()?;
    table.only_named(&keys::THEN);
    if let Some(folder) = table.get("archive") {
        return Some(Outcome::Archive(folder.name()?.to_owned()));
    }
    let keep = table.need("keep", "keep = \"best\", others = \"trash\"")?;
    keep.word(&[("best", ())])?;
    table
        .need("others", "others = \"trash\"")?
        .word(&[("trash", ())])?;
    Some(Outcome::Dedupe)
}

fn freeze(table: &Table<'_>) -> Option<Freeze> {
    table.only(keys::FREEZE);
    let name = name(table);
    let every = table.need("every", "every = \"Fri 12:00 .. Mon 06:00\"");
    let window = every.and_then(|value| {
        let what = "weekly window: `Fri 12:00 .. Mon 06:00`";
        value.parsed(Code::BadTime, what, values::weekly_window)
    });
    let timezone = table.get("timezone").and_then(|value| timezone(&value));
    let mut allow = vec![Class::Additive];
    let classes = table.get("allow").map(|value| {
        let items = value.items();
        items
            .iter()
            .filter_map(|item| item.word(&CLASSES))
            .collect()
    });
    set(&mut allow, classes);
    let (from, to) = window?;
    Some(Freeze {
        name: name?,
        from,
        to,
        timezone,
        allow,
        at: table.place(),
    })
}

fn timezone(value: &Value<'_>) -> Option<String> {
    let text = value.name()?;
    if jiff::tz::db().get(text).is_ok() {
        return Some(text.to_owned());
    }
    let known: Vec<String> = jiff::tz::db()
        .available()
        .map(|name| name.as_str().to_owned())
        .collect();
    let help = nearest(text, known.iter().map(String::as_str))
        .map_or("such as `Europe/Berlin`".to_owned(), |near| {
            format!("did you mean `{near}`?")
        });
    value.report(
        Code::BadTime,
        format!("no time zone is called `{text}`"),
        Some(help),
    );
    None
}

fn playlist(value: &Value<'_>, table: &Table<'_>) -> PlaylistOverride {
    table.only(keys::PLAYLIST);
    if table.is_empty() {
        let message = format!("nothing is said about `{}`", value.key);
        table.report(
            Code::Missing,
            message,
            Some("such as `mode = \"observe\"`".to_owned()),
        );
    }
    let orders = [("tidal", Order::Tidal), ("rekordbox", Order::Rekordbox)];
    PlaylistOverride {
        which: value.key.to_owned(),
        mode: table.get("mode").and_then(|value| value.word(&MODES)),
        order: table.get("order").and_then(|value| value.word(&orders)),
        max_remove: table.get("max_remove").and_then(|value| limit(&value)),
        at: value.place(),
    }
}

/// `keep by protect cues`: the decision, by what, and its name.
fn check_expectation(value: &Value<'_>, text: &str, policy: &Policy) {
    let mut words = text.splitn(4, ' ');
    let decisions = Decision::WORDS;
    let decision = words.next().unwrap_or_default();
    if !decisions.contains(&decision) {
        return value.unknown_word(decision, &decisions);
    }
    let (joint, by, name) = (words.next(), words.next().unwrap_or_default(), words.next());
    let help = Some(
        "such as `keep by protect cues`, `trash by rule orphans`, `keep by default`".to_owned(),
    );
    if joint != Some("by") || !By::WORDS.contains(&by) {
        let message = format!("`{text}` is no expectation");
        return value.report(Code::BadValue, message, help);
    }
    let known: Vec<&str> = match by {
        "protect" => policy.protects.iter().map(|it| it.name.as_str()).collect(),
        "rule" => policy.rules.iter().map(|it| it.name.as_str()).collect(),
        "freeze" => policy.freezes.iter().map(|it| it.name.as_str()).collect(),
        "playlist" => policy
            .playlists
            .iter()
            .map(|it| it.which.as_str())
            .collect(),
        _ => return,
    };
    match name {
        Some(name) if known.contains(&name) => {}
        Some(name) => {
            let help = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
            value.report(
                Code::UnknownWord,
                format!("no {by} is called `{name}`"),
                help,
            );
        }
        None => value.report(Code::BadValue, format!("which {by} is expected?"), help),
    }
}

fn name(table: &Table<'_>) -> Option<String> {
    let value = table.need("name", "name = \"orphans\"")?;
    value.name().map(str::to_owned)
}

/// Notes names that are given twice.
fn distinct(tables: &[Table<'_>]) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for table in tables {
        let Some(value) = table.get("name").filter(Value::is_text) else {
            continue;
        };
        let Some(name) = value.text() else {
            continue;
        };
        if let Some(line) = seen.get(name) {
            let message = format!("the name `{name}` is taken");
            let help = format!("it stands in line {line}; reasons are given by name");
            value.report(Code::DuplicateName, message, Some(help));
        } else {
            seen.insert(name, value.place().line);
        }
    }
}
