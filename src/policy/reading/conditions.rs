//! `when = { … }` and `given = { … }`.

use crate::policy::{
    condition::{Comparison, Condition, Fact, Facts, Test},
    diagnostic::{Code, nearest},
    document::{Table, Value},
    emoji,
    facts::{FACTS, FactKey, FactKind, fact},
    glob, values,
};

/// What joins conditions.
const JOINTS: [&str; 3] = ["not", "any", "all"];

/// A condition: its keys joined by AND. A mistake is noted and left out.
pub(super) fn condition(table: &Table<'_>) -> Condition {
    let parts = table.values();
    let mut parts: Vec<Condition> = parts.iter().flat_map(|value| part(value, "")).collect();
    match parts.len() {
        1 => parts.remove(0),
        _ => Condition::All(parts),
    }
}

/// The facts of a test case.
pub(super) fn facts(table: &Table<'_>) -> Facts {
    let mut facts = Facts::new();
    for value in table.values() {
        collect(&value, "", &mut facts);
    }
    facts
}

fn part(value: &Value<'_>, prefix: &str) -> Vec<Condition> {
    if prefix.is_empty() {
        match value.key {
            "all" => return vec![Condition::All(several(value))],
            "any" => return vec![Condition::Any(alternatives(value))],
            "not" => return vec![Condition::Not(Box::new(Condition::Any(several(value))))],
            _ => {}
        }
    }
    let name = dotted(prefix, value.key);
    if let Some(key) = fact(&name) {
        return test(value, key)
            .map(|test| Condition::Is(key.name, test))
            .into_iter()
            .collect();
    }
    match value.is_table() && is_prefix(&name) {
        true => {
            let inner = value.table().map(|table| table.values());
            let inner = inner.unwrap_or_default();
            inner.iter().flat_map(|value| part(value, &name)).collect()
        }
        false => {
            unknown(value, &name, &JOINTS);
            Vec::new()
        }
    }
}

/// The conditions of `all` and `not`: one table, or a list of tables.
fn several(value: &Value<'_>) -> Vec<Condition> {
    let tables = value.items();
    let tables = tables.iter().filter_map(Value::table);
    tables.map(|table| condition(&table)).collect()
}

/// The conditions of `any`: a list of tables, or the keys of one.
fn alternatives(value: &Value<'_>) -> Vec<Condition> {
    if !value.is_table() {
        return several(value);
    }
    let parts = value.table().map(|table| table.values());
    let parts = parts.unwrap_or_default();
    parts.iter().flat_map(|value| part(value, "")).collect()
}

fn test(value: &Value<'_>, key: &FactKey) -> Option<Test> {
    if !value.is_list() {
        return single(value, key);
    }
    let items = value.items();
    let tests: Vec<Test> = items.iter().filter_map(|item| single(item, key)).collect();
    if items.is_empty() {
        let message = format!("an empty list of `{}` matches nothing", key.name);
        value.report(Code::BadTest, message, None);
    }
    (!tests.is_empty()).then_some(Test::OneOf(tests))
}

fn single(value: &Value<'_>, key: &FactKey) -> Option<Test> {
    match key.kind {
        FactKind::Flag => value.flag().map(Test::Flag),
        FactKind::Number(_) if value.is_number() => {
            Some(Test::Number(Comparison::Equal, value.number(0..=i64::MAX)?))
        }
        FactKind::Number(_) => number(value, key, whole),
        FactKind::Size => number(value, key, |text| i64::try_from(values::size(text)?).ok()),
        FactKind::Age => age(value, key),
        FactKind::Text => pattern(value),
        FactKind::Word(words) => {
            let text = value.text()?;
            if !words.contains(&text) {
                value.unknown_word(text, words);
                return None;
            }
            Some(Test::Text(text.to_owned()))
        }
        FactKind::Emoji => {
            let text = value.text()?;
            if emoji::emoji_of(text).len() != 1 && !text.contains(['*', '?', '[']) {
                misfit(value, key);
                return None;
            }
            Some(Test::Text(text.to_owned()))
        }
        FactKind::Tags if value.is_number() => {
            Some(Test::Number(Comparison::Equal, value.number(0..=i64::MAX)?))
        }
        FactKind::Tags => match values::comparison(value.text()?) {
            (Some(_), _) => number(value, key, whole),
            (None, _) => pattern(value),
        },
    }
}

fn number(value: &Value<'_>, key: &FactKey, parse: impl Fn(&str) -> Option<i64>) -> Option<Test> {
    if value.is_number() {
        return Some(Test::Number(Comparison::Equal, value.number(0..=i64::MAX)?));
    }
    let text = value.is_text().then(|| value.text()).flatten();
    let parsed = text.map(values::comparison).and_then(|(sign, rest)| {
        Some(Test::Number(
            sign.unwrap_or(Comparison::Equal),
            parse(rest)?,
        ))
    });
    if parsed.is_none() {
        misfit(value, key);
    }
    parsed
}

fn age(value: &Value<'_>, key: &FactKey) -> Option<Test> {
    let text = value.is_text().then(|| value.text()).flatten();
    let parsed = text
        .map(values::comparison)
        .and_then(|(sign, rest)| Some(Test::Age(sign?, values::duration(rest)?.as_secs())));
    if parsed.is_none() {
        misfit(value, key);
    }
    parsed
}

fn pattern(value: &Value<'_>) -> Option<Test> {
    let text = value.text()?;
    if let Err(error) = glob::check(text) {
        let message = format!("`{text}` is no pattern");
        value.report(Code::BadGlob, message, Some(error.to_string()));
    }
    Some(Test::Text(text.to_owned()))
}

fn collect(value: &Value<'_>, prefix: &str, facts: &mut Facts) {
    let name = dotted(prefix, value.key);
    if let Some(key) = fact(&name) {
        if let Some(fact) = given(value, key) {
            facts.insert(key.name, fact);
        }
    } else if value.is_table() && is_prefix(&name) {
        for value in value
            .table()
            .map(|table| table.values())
            .unwrap_or_default()
        {
            collect(&value, &name, facts);
        }
    } else {
        unknown(value, &name, &[]);
    }
}

fn given(value: &Value<'_>, key: &FactKey) -> Option<Fact> {
    match key.kind {
        FactKind::Flag => value.flag().map(Fact::Flag),
        FactKind::Number(most) => value.number(0..=most).map(Fact::Number),
        FactKind::Size if value.is_number() => value.number(0..=i64::MAX).map(Fact::Number),
        FactKind::Size => {
            let bytes = |text: &str| i64::try_from(values::size(text)?).ok();
            let what = "size: `50GiB` or `500MB`";
            value.parsed(Code::BadValue, what, bytes).map(Fact::Number)
        }
        FactKind::Age => super::duration(value).map(|age| Fact::Age(age.as_secs())),
        FactKind::Text => value.text().map(|text| Fact::Text(text.to_owned())),
        FactKind::Word(words) => {
            let text = value.text()?;
            if !words.contains(&text) {
                value.unknown_word(text, words);
                return None;
            }
            Some(Fact::Text(text.to_owned()))
        }
        FactKind::Emoji => {
            let items = value.items();
            let texts = items.iter().filter_map(Value::text);
            Some(Fact::Texts(texts.flat_map(emoji::emoji_of).collect()))
        }
        FactKind::Tags => {
            let items = value.items();
            let texts = items.iter().filter_map(Value::text);
            Some(Fact::Texts(texts.map(str::to_owned).collect()))
        }
    }
}

fn misfit(value: &Value<'_>, key: &FactKey) {
    let message = format!("`{}` cannot be tested like this", key.name);
    value.report(
        Code::BadTest,
        message,
        Some(format!("it takes {}", key.kind)),
    );
}

fn unknown(value: &Value<'_>, name: &str, further: &[&'static str]) {
    let known = FACTS.iter().map(|key| key.name);
    let known = known.chain(further.iter().copied());
    let help = match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let group = name.split('.').next().unwrap_or_default();
            let of_group: Vec<&str> = FACTS
                .iter()
                .map(|key| key.name)
                .filter(|known| known.split('.').next() == Some(group))
                .collect();
            match of_group.is_empty() {
                true => "facts begin with file, track, playlist, tidal or rekordbox".to_owned(),
                false => format!("there is {}", of_group.join(", ")),
            }
        }
    };
    let message = format!("no fact is called `{name}`");
    value.report_key(Code::UnknownFact, message, Some(help));
}

fn dotted(prefix: &str, key: &str) -> String {
    match prefix {
        "" => key.to_owned(),
        prefix => format!("{prefix}.{key}"),
    }
}

/// Whether some fact's name begins with `name.`.
fn is_prefix(name: &str) -> bool {
    FACTS.iter().any(|key| {
        key.name
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

fn whole(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
