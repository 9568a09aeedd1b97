//! The language as a page to look things up in: made from the tables that the reader checks against.

use std::fmt::Write as _;

use super::{
    facts::{FACTS, FactKind},
    keys::{self, Key, Shape},
};

/// The page, in Markdown.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# Policy reference\n\n\
         Every key of `tidal-cleanup.toml`, made from the tables that the program reads it with; a test keeps this page\n\
         in step. [`tidal-cleanup.toml`](../tidal-cleanup.toml) shows them at work, with more words. `tidal-cleanup policy\n\
         check` finds slips, `tidal-cleanup schema policy` helps an editor.\n\n\
         A key in bold has to be there. Lengths of time are `30d`, `12h`, `90s`, or several: `1d 12h`.\n",
    );
    let plain: Vec<&Key> = keys::TOP
        .iter()
        .filter(|key| !is_section(key.shape))
        .collect();
    section(&mut page, "Top of the file", "", &plain);
    for key in keys::TOP.iter().filter(|key| is_section(key.shape)) {
        chapter(&mut page, key);
    }
    page.push_str("\n## What conditions ask\n\n");
    page.push_str(
        "In `when` and in selectors. Everything in a table must be so; a list means one of these; `not`, `any` and\n\
         `all` nest. A fact that is not known is never true and never false.\n\n\
         | fact | takes | meaning |\n|---|---|---|\n",
    );
    for fact in FACTS {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} |",
            fact.name,
            fact_words(fact.kind),
            cell(fact.meaning)
        );
    }
    page
}

const fn is_section(shape: Shape) -> bool {
    matches!(shape, Shape::Table(_) | Shape::Tables(_) | Shape::Named(_))
}

fn chapter(page: &mut String, key: &Key) {
    let name = key.name;
    match key.shape {
        Shape::Table(keys) => section(page, &format!("`[{name}]`"), key.meaning, &all(keys)),
        Shape::Tables(keys) => section(page, &format!("`[[{name}]]`"), key.meaning, &all(keys)),
        Shape::Named(Shape::Table(keys)) => {
            section(
                page,
                &format!("`[{name}.\"NAME\"]`"),
                key.meaning,
                &all(keys),
            );
        }
        other => {
            section(page, &format!("`[{name}]`"), key.meaning, &[]);
            let _ = writeln!(page, "\nTakes {}.", words(other));
        }
    }
}

fn all(keys: &'static [Key]) -> Vec<&'static Key> {
    keys.iter().collect()
}

fn section(page: &mut String, title: &str, meaning: &str, keys: &[&Key]) {
    let _ = writeln!(page, "\n## {title}");
    if !meaning.is_empty() {
        let _ = writeln!(page, "\n{}.", capital(meaning));
    }
    if keys.is_empty() {
        return;
    }
    page.push_str("\n| key | takes | default | meaning |\n|---|---|---|---|\n");
    for key in keys {
        row(page, "", key);
    }
}

/// A row, and the rows of the table that the key holds.
fn row(page: &mut String, above: &str, key: &Key) {
    let name = format!("{above}{}", key.name);
    let shown = match key.needed {
        true => format!("**`{name}`**"),
        false => format!("`{name}`"),
    };
    let default = key
        .default
        .map(|text| format!("`{}`", cell(text)))
        .unwrap_or_default();
    let meaning = cell(key.meaning);
    let _ = writeln!(
        page,
        "| {shown} | {} | {default} | {meaning} |",
        words(key.shape)
    );
    for inner in inner(key.shape) {
        row(page, &format!("{name}."), inner);
    }
}

/// The keys of the tables in a shape.
fn inner(shape: Shape) -> Vec<&'static Key> {
    match shape {
        Shape::Table(keys) | Shape::Tables(keys) => all(keys),
        Shape::Few(item) | Shape::Many(item) | Shape::Named(item) => inner(*item),
        Shape::Either(shapes) => shapes.iter().flat_map(|shape| inner(*shape)).collect(),
        _ => Vec::new(),
    }
}

fn words(shape: Shape) -> String {
    match shape {
        Shape::Flag => "`true` or `false`".to_owned(),
        Shape::Text => "text".to_owned(),
        Shape::AnyText => "text, may be empty".to_owned(),
        Shape::Number(from, to) if from == to => format!("`{from}`"),
        Shape::Number(from, to) if to == i64::from(u32::MAX) => format!("number, {from} or more"),
        Shape::Number(from, to) => format!("number, {from} to {to}"),
        Shape::Word(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
            words.join(", ")
        }
        Shape::Like(pattern) if pattern.contains("[smhdw]") => "length of time".to_owned(),
        Shape::Like(pattern) => format!("text like `{}`", cell(pattern)),
        Shape::Size => "`\"50GiB\"`, or bytes".to_owned(),
        Shape::Few(item) => format!("{}; or a list", words(*item)),
        Shape::Many(item) => format!("list of {}", words(*item)),
        Shape::Table(_) => "table".to_owned(),
        Shape::Tables(_) => "tables".to_owned(),
        Shape::Named(item) => format!("table of names, each {}", words(*item)),
        Shape::Either(shapes) => {
            let shapes: Vec<String> = shapes.iter().map(|shape| words(*shape)).collect();
            shapes.join(", or ")
        }
        Shape::Condition => "[condition](#what-conditions-ask)".to_owned(),
        Shape::Facts => "[facts](#what-conditions-ask) and their values".to_owned(),
    }
}

fn fact_words(kind: FactKind) -> String {
    match kind {
        FactKind::Flag => "`true` or `false`".to_owned(),
        FactKind::Number(_) => "number, or `\">=3\"`, `\"<3\"`".to_owned(),
        FactKind::Size => "`\">100MB\"`".to_owned(),
        FactKind::Age => "`\">30d\"`".to_owned(),
        FactKind::Text => "text, or a pattern with `*`".to_owned(),
        FactKind::Word(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
            words.join(", ")
        }
        FactKind::Emoji => "an emoji".to_owned(),
        FactKind::Tags => "`\"Group: Tag\"`, or a number of them".to_owned(),
    }
}

/// Text that a table's cell can hold.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policy.md");
        if std::env::var_os("TIDAL_CLEANUP_UPDATE_DOCS").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            there == page(),
            "docs/policy.md is out of step: TIDAL_CLEANUP_UPDATE_DOCS=1 cargo test writes it"
        );
        for word in [
            "**`root`**",
            "`rekordbox.cues`",
            "max_remove.count",
            "`[[rule]]`",
        ] {
            assert!(there.contains(word), "{word}");
        }
    }
}
