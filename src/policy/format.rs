//! `policy fmt`: one layout for every policy. Comments, the order of things and every value stay.
//!
//! The `=` of a table stand below each other, and so do the comments behind its values; a comment that
//! goes on below another stays below it. There is one blank line before a table, nowhere two.

use std::fmt::Write as _;

use toml_edit::{
    Array, DocumentMut, InlineTable, Item, KeyMut, RawString, Table, TomlError, Value,
};
use unicode_width::UnicodeWidthStr as _;

/// Lays a policy out anew.
///
/// # Errors
/// When the text is no TOML.
pub fn format(text: &str) -> Result<String, TomlError> {
    let text = text.replace("\r\n", "\n");
    let mut document: DocumentMut = text.parse()?;
    let mut tables = Tables::default();
    tables.number(document.as_table());
    let mut after = After::Nothing;
    for at in 0..tables.positions.len() {
        let Some(table) = find(document.as_table_mut(), tables.positions[at]) else {
            continue;
        };
        after = lay_out(table, at > 0, after);
    }
    // The last line may lack its end.
    let trailing = format!("{}\n", document.trailing().as_str().unwrap_or_default());
    let trailing = lines(&trailing, after, 0);
    document.set_trailing(trailing);
    let text = document.to_string();
    let text = text.trim_start_matches('\n').trim_end();
    Ok(format!("{text}\n"))
}

/// What stands on the line before: how far in its comment begins, if it has one.
#[derive(Clone, Copy)]
enum After {
    Nothing,
    Value,
    Comment(usize),
}

/// The tables that have lines of their own, in the order of the file.
#[derive(Default)]
struct Tables {
    positions: Vec<Option<isize>>,
}

impl Tables {
    fn number(&mut self, top: &Table) {
        let mut positions = Vec::new();
        collect(top, &mut positions);
        positions.sort_unstable();
        self.positions = std::iter::once(None)
            .chain(positions.into_iter().map(Some))
            .collect();
    }
}

fn collect(table: &Table, positions: &mut Vec<isize>) {
    for (_, item) in table {
        match item {
            Item::Table(table) => {
                if !table.is_dotted() && !table.is_implicit() {
                    positions.extend(table.position());
                }
                collect(table, positions);
            }
            Item::ArrayOfTables(tables) => {
                for table in tables {
                    positions.extend(table.position());
                    collect(table, positions);
                }
            }
            Item::Value(_) | Item::None => {}
        }
    }
}

/// The table at that place of the file; the top for `None`.
fn find(table: &mut Table, position: Option<isize>) -> Option<&mut Table> {
    if position.is_none() {
        return Some(table);
    }
    for (_, item) in table.iter_mut() {
        let found = match item {
            Item::Table(table) => match is_at(table, position) {
                true => Some(table),
                false => find(table, position),
            },
            Item::ArrayOfTables(tables) => {
                tables
                    .iter_mut()
                    .find_map(|table| match is_at(table, position) {
                        true => Some(table),
                        false => find(table, position),
                    })
            }
            Item::Value(_) | Item::None => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

fn is_at(table: &Table, position: Option<isize>) -> bool {
    table.position() == position && !table.is_dotted() && !table.is_implicit()
}

/// Lays out the header and the lines of one table, without the tables in it.
fn lay_out(table: &mut Table, has_header: bool, after: After) -> After {
    let (mut key_width, mut comments) = (0, 0);
    visit(table, "", &mut |path, _, value| {
        lay_out_value(value, 0);
        key_width = key_width.max(path.width());
    });
    visit(table, "", &mut |_, _, value| {
        let text = bare(value);
        if comment(value.decor().suffix()).is_some() && !text.contains('\n') {
            comments = comments.max(key_width + 3 + text.width() + 2);
        }
    });
    let mut after = after;
    if has_header {
        let prefix = lines(raw(table.decor().prefix()), after, 1);
        let said = comment(table.decor().suffix());
        table.decor_mut().set_prefix(prefix);
        // The comment behind a header has no column of its own.
        let suffix = said.map(|text| format!("  {text}")).unwrap_or_default();
        table.decor_mut().set_suffix(suffix);
        after = After::Value;
    }
    let mut first = true;
    visit(table, "", &mut |path, mut key, value| {
        let prefix = lines(raw(key.leaf_decor().prefix()), after, 0);
        let prefix = match first && has_header {
            true => prefix.trim_start_matches('\n').to_owned(),
            false => prefix,
        };
        first = false;
        let pad = key_width - path.width() + 1;
        key.leaf_decor_mut().set_prefix(prefix);
        key.leaf_decor_mut().set_suffix(" ".repeat(pad));
        let text = bare(value);
        let said = comment(value.decor().suffix());
        let gap = match text.contains('\n') {
            true => 2,
            false => comments.saturating_sub(key_width + 3 + text.width()).max(2),
        };
        after = match &said {
            Some(_) if !text.contains('\n') => After::Comment(comments),
            Some(_) | None => After::Value,
        };
        let suffix = said.map(|text| format!("{}{text}", " ".repeat(gap)));
        value.decor_mut().set_prefix(" ");
        value.decor_mut().set_suffix(suffix.unwrap_or_default());
    });
    after
}

/// Every value that stands on a line of the table, with the path of its key.
fn visit(table: &mut Table, above: &str, each: &mut dyn FnMut(&str, KeyMut<'_>, &mut Value)) {
    for (key, item) in table.iter_mut() {
        let path = format!("{above}{}", key.display_repr());
        match item {
            Item::Value(value) => each(&path, key, value),
            Item::Table(table) if table.is_dotted() => visit(table, &format!("{path}."), each),
            Item::Table(_) | Item::ArrayOfTables(_) | Item::None => {}
        }
    }
}

/// Every value of an inline table.
fn visit_inline(table: &mut InlineTable, each: &mut dyn FnMut(KeyMut<'_>, &mut Value)) {
    for (key, value) in table.iter_mut() {
        match value {
            Value::InlineTable(table) if table.is_dotted() => visit_inline(table, each),
            value => each(key, value),
        }
    }
}

/// Lays out what is inside a value; `indent` is that of its line.
fn lay_out_value(value: &mut Value, indent: usize) {
    match value {
        Value::Array(array) => lay_out_array(array, indent),
        Value::InlineTable(table) => lay_out_inline(table, indent),
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_) => {}
    }
}

fn lay_out_array(array: &mut Array, indent: usize) {
    let tall = array.iter().any(|value| {
        raw(value.decor().prefix()).contains('\n') || raw(value.decor().suffix()).contains('\n')
    }) || array.trailing().as_str().unwrap_or_default().contains('\n');
    let mut first = true;
    for value in array.iter_mut() {
        lay_out_value(value, if tall { indent + 2 } else { indent });
        let before = raw(value.decor().prefix()).to_owned();
        let behind = raw(value.decor().suffix()).trim_end().to_owned();
        let prefix = match (tall, first) {
            (true, _) => inner_lines(&before, indent + 2),
            (false, true) => String::new(),
            (false, false) => " ".to_owned(),
        };
        first = false;
        value.decor_mut().set_prefix(prefix);
        // A comment between a value and its comma stays as it is: nothing else can follow it.
        let suffix = match behind.contains('#') {
            true => format!("{behind}\n{}", " ".repeat(indent + 2)),
            false => String::new(),
        };
        value.decor_mut().set_suffix(suffix);
    }
    let trailing = match tall {
        true => inner_lines(array.trailing().as_str().unwrap_or_default(), indent),
        false => String::new(),
    };
    array.set_trailing(trailing);
    array.set_trailing_comma(tall && !array.is_empty());
}

fn lay_out_inline(table: &mut InlineTable, indent: usize) {
    let mut tall = table.trailing().as_str().unwrap_or_default().contains('\n');
    let mut count = 0;
    visit_inline(table, &mut |key, value| {
        tall |= raw(key.leaf_decor().prefix()).contains('\n');
        tall |= raw(value.decor().suffix()).contains('\n');
        count += 1;
    });
    let mut at = 0;
    visit_inline(table, &mut |mut key, value| {
        at += 1;
        lay_out_value(value, if tall { indent + 2 } else { indent });
        let prefix = match tall {
            true => inner_lines(raw(key.leaf_decor().prefix()), indent + 2),
            false => " ".to_owned(),
        };
        key.leaf_decor_mut().set_prefix(prefix);
        key.leaf_decor_mut().set_suffix(" ");
        value.decor_mut().set_prefix(" ");
        let behind = raw(value.decor().suffix()).trim_end().to_owned();
        let suffix = match (behind.contains('#'), tall || at < count) {
            (true, _) => format!("{behind}\n{}", " ".repeat(indent + 2)),
            (false, true) => String::new(),
            (false, false) => " ".to_owned(),
        };
        value.decor_mut().set_suffix(suffix);
    });
    let trailing = match tall {
        true => inner_lines(table.trailing().as_str().unwrap_or_default(), indent),
        false => String::new(),
    };
    table.set_trailing(trailing);
    table.set_trailing_comma(tall && count > 0);
}

/// What stands between two items of a tall list: a comment behind the first, comments between them,
/// and the indent of the second.
fn inner_lines(text: &str, indent: usize) -> String {
    let mut laid = String::new();
    for (number, line) in text.split('\n').enumerate() {
        let line = line.trim();
        match (number, line.is_empty()) {
            (_, true) => {}
            (0, false) => {
                let _ = write!(laid, "  {line}");
            }
            (_, false) => {
                let _ = write!(laid, "\n{}{line}", " ".repeat(indent));
            }
        }
    }
    laid + "\n" + &" ".repeat(indent)
}

/// The blank lines and comments before a line: at least `blanks` blank lines first, never two together.
/// What goes on with the comment of the line before is put below it.
fn lines(text: &str, after: After, blanks: usize) -> String {
    let mut laid = String::new();
    let mut blank = false;
    let mut goes_on = matches!(after, After::Comment(_));
    let mut rest: Vec<&str> = text.split('\n').collect();
    // Behind the last line feed stands the indent of what follows.
    rest.pop();
    // Where a blank line stands already, what is above it belongs to the lines before.
    let parted = rest.iter().any(|line| line.trim().is_empty());
    let mut wanted = blanks > 0 && !parted && !matches!(after, After::Nothing);
    for line in rest {
        let shown = line.trim();
        goes_on &= !shown.is_empty() && line.starts_with([' ', '\t']);
        if shown.is_empty() {
            blank = true;
            continue;
        }
        if let (true, After::Comment(column)) = (goes_on, after) {
            let _ = writeln!(laid, "{}{shown}", " ".repeat(column));
            continue;
        }
        if blank || wanted {
            laid.push('\n');
        }
        (blank, wanted) = (false, false);
        let _ = writeln!(laid, "{shown}");
    }
    if blank || wanted {
        laid.push('\n');
    }
    laid
}

/// A value without what stands around it.
fn bare(value: &Value) -> String {
    let mut value = value.clone();
    value.decor_mut().clear();
    value.decor_mut().set_prefix("");
    value.decor_mut().set_suffix("");
    value.to_string()
}

/// The comment behind a value.
fn comment(suffix: Option<&RawString>) -> Option<String> {
    let text = raw(suffix).trim();
    text.starts_with('#').then(|| text.to_owned())
}

fn raw(text: Option<&RawString>) -> &str {
    text.and_then(RawString::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REFERENCE: &str = include_str!("../../tidal-cleanup.toml");

    fn comments(text: &str) -> Vec<&str> {
        // Good enough where no value holds a number sign.
        text.lines()
            .filter_map(|line| line.find('#').map(|at| line[at..].trim()))
            .collect()
    }

    #[test]
    fn a_policy_is_laid_out() {
        let untidy = "# top\r\nversion=1\n\n\n\n[library]   # where\nroot=\"/m\" # here\n     # and on\n\
                      sharing   =   \"m3u8\"# how\nsources=[\"/a\",{path=\"/b\",provenance='foreign'}]\n[tidal]\n\
                      exclude=[ # many\n\"a\",# first\n  # second\n \"b\"]\n\n[[rule]]\n\n# why\nname=\"x\"\n\
                      when={file.orphan=true,not={file.age=\">1d\"}}\nthen=\"keep\"   \n# end";
        insta::assert_snapshot!(format(untidy).unwrap(), @r#"
        # top
        version = 1

        [library]  # where
        root    = "/m"    # here
                          # and on
        sharing = "m3u8"  # how
        sources = ["/a", { path = "/b", provenance = 'foreign' }]

        [tidal]
        exclude = [  # many
          "a",  # first
          # second
          "b",
        ]

        [[rule]]
        # why
        name = "x"
        when = { file.orphan = true, not = { file.age = ">1d" } }
        then = "keep"
        # end
        "#);
        assert_eq!(format("").unwrap(), "\n");
        assert!(format("x = ").is_err());
    }

    #[test]
    fn the_reference_is_laid_out_already() {
        let laid = format(REFERENCE).unwrap();
        assert_eq!(laid, REFERENCE);
        assert_eq!(comments(&laid), comments(REFERENCE));
    }

    proptest! {
        /// Whatever is TOML keeps its meaning and its comments, and is laid out once and for all.
        #[test]
        fn meaning_and_comments_stay(parts in proptest::collection::vec(prop_oneof![
            Just("a = 1\n"), Just("b.c = [1,2]\n"), Just("\n"), Just("# one\n"), Just("  # two\n"),
            Just("[t] # head\n"), Just("[[l]]\n"), Just("[[l.m]]\n"), Just("d = {x=1,y.z=2} # v\n"), Just("e = [ 1, # i\n 2 ]\n"),
            Just("'f g' = '''\nx\n'''\n"), Just("[t.u]\n"), Just("h = [\n# in\n]\n"), Just("\"🏃\" = 2\n"),
            Just("k = { # open\n  p = 1, # p\n  # q\n  q = 2\n}\n"), Just("[m.n.o]\n"), Just("r = [1 # odd\n, 2]\n"),
        ], 0..14)) {
            let text = parts.concat();
            let text = text.strip_suffix('\n').unwrap_or(&text);
            if let Ok(before) = text.parse::<toml::Table>() {
                let laid = format(text).unwrap();
                prop_assert_eq!(&laid.parse::<toml::Table>().unwrap(), &before, "{}", laid);
                prop_assert_eq!(format(&laid).unwrap(), laid.clone());
                let (mut old, mut new) = (comments(text), comments(&laid));
                old.sort_unstable();
                new.sort_unstable();
                prop_assert_eq!(new, old, "{}", laid);
            }
        }
    }
}
