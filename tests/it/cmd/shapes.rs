//! The JSON of every answer, as `docs/json.md` has it: recorded from real runs, so that a program that
//! reads it is never surprised by a change that nobody wrote down.
//!
//! `TIDAL_CLEANUP_UPDATE_DOCS=1 cargo test --test it shapes` writes the page anew. A field that goes or
//! changes its kind needs a new major number in the answer's `format_version`.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

use crate::harness::{Snapshot, World};

/// What is typed for each answer.
const ANSWERS: &[&[&str]] = &[
    &["status"],
    &["doctor"],
    &["history"],
    &["history", "1"],
    &["report"],
    &["db", "sync", "--check"],
    &["db", "reconcile"],
    &["db", "inspect", "--playlist", "House"],
    &["db", "status"],
    &["db", "check"],
    &["library"],
    &["trash", "list"],
    &["rekordbox", "status"],
    &["policy", "check"],
    &["policy", "test"],
    &["policy", "explain", "House"],
    &["config", "show"],
    &["freeze"],
];

/// What values of a place look like, over all that were seen.
#[derive(Debug, Default)]
struct Shape {
    /// `text`, `number`, `true or false`, `null`.
    plain: Vec<&'static str>,
    list: Option<Box<Self>>,
    /// By name; how often each was there.
    fields: BTreeMap<String, (usize, Self)>,
    objects: usize,
}

impl Shape {
    fn see(&mut self, value: &Value) {
        let plain = match value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "number",
            Value::String(_) => "text",
            Value::Array(items) => {
                let inner = self.list.get_or_insert_default();
                items.iter().for_each(|item| inner.see(item));
                return;
            }
            Value::Object(fields) => {
                self.objects += 1;
                for (name, value) in fields {
                    let word = name.replace("sha256", "sha");
                    let named = word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                    let name = if named { name } else { "NAME" };
                    let (seen, inner) = self.fields.entry(name.to_owned()).or_default();
                    *seen += 1;
                    inner.see(value);
                }
                return;
            }
        };
        if !self.plain.contains(&plain) {
            self.plain.push(plain);
            self.plain.sort_unstable();
        }
    }

    fn kind(&self) -> String {
        let mut kinds: Vec<String> = self.plain.iter().map(|kind| (*kind).to_owned()).collect();
        if self.objects > 0 {
            kinds.push("object".to_owned());
        }
        if let Some(inner) = &self.list {
            kinds.push(match inner.kind().as_str() {
                "" => "list".to_owned(),
                kind => format!("list of {kind}"),
            });
        }
        kinds.join(" or ")
    }

    fn lines(&self, depth: usize, out: &mut String) {
        for (name, (seen, inner)) in &self.fields {
            let may_lack = name != "NAME" && *seen < self.objects;
            let may = if may_lack { "?" } else { "" };
            *out += &format!("{}{name}{may}: {}\n", "  ".repeat(depth), inner.kind());
            inner.lines(depth + 1, out);
        }
        if let Some(inner) = &self.list {
            inner.lines(depth, out);
        }
    }
}

/// A world in which there is something to tell of everything.
fn world() -> World {
    let world = World::usual();
    world.sync_with(
        &Snapshot::new()
            .list('a', "House", "1 2 3")
            .list('b', "Old", "4"),
    );
    world.sync_with(&Snapshot::new().list('a', "House", "1 2"));
    world.put("library/Playlists/House/orphan.wav", "orphan", 1_000);
    fs::copy(
        world.path("library/own.wav"),
        world.path("library/twin.wav"),
    )
    .unwrap();
    world.tidal(&Snapshot::new().list('a', "House", "1 5"));
    world
}

#[test]
fn the_shapes_in_the_docs_are_those_of_the_answers() {
    let world = world();
    let mut text = String::from(
        "# Answers for programs\n\n\
         Every command takes `--json`. An answer begins with `format` and `format_version`; a reader takes any version of the\n\
         same major number, and skips fields that it does not know. `plan` answers with a plan.json (`tidal-cleanup schema plan`),\n\
         `apply`, `undo`, `download` and `watch` with a [line for each step](apply.md#a-stream-for-programs). A `?` stands behind a\n\
         field that may be missing, `NAME` for any name. A test records this page from real runs.\n",
    );
    for words in ANSWERS {
        let said = world.run(&[words, &["--json"][..]].concat());
        let answer: Value = serde_json::from_str(&said.out)
            .unwrap_or_else(|error| panic!("{words:?}: {error}\n{}{}", said.out, said.err));
        let format = answer["format"].as_str().unwrap();
        let version = answer["format_version"].as_str().unwrap();
        assert!(format.starts_with("tidal-cleanup/"), "{format}");
        let mut shape = Shape::default();
        shape.see(&answer);
        shape.fields.remove("format");
        shape.fields.remove("format_version");
        let mut lines = String::new();
        shape.lines(0, &mut lines);
        text += &format!(
            "\n## `{}`\n\n`{format}` {version}\n\n```\n{lines}```\n",
            words.join(" ")
        );
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md");
    if std::env::var_os("TIDAL_CLEANUP_UPDATE_DOCS").is_some() {
        fs::write(&page, &text).unwrap();
    }
    let there = fs::read_to_string(&page).unwrap_or_default();
    assert_eq!(
        there, text,
        "TIDAL_CLEANUP_UPDATE_DOCS=1 writes docs/json.md anew"
    );
}
