//! A plan without the names in it: every name becomes an id, so that it can be shown to others.
//!
//! Playlists and tracks are told by their TIDAL ids, files and all other names by a hash. The policy's
//! own words (rules, tags) stay: whoever sees the plan sees the policy. Such a plan is for reading;
//! its body no longer fits its digest, so no `apply` takes it.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::Value;

use crate::{
    domain::{ContentHash, MediaPath},
    plan::document::{NONE_OF_THESE, Plan},
};

/// Fields whose text is a name.
const NAMES: [&str; 10] = [
    "genre",
    "name",
    "rekordbox_name",
    "label",
    "title",
    "version",
    "artist",
    "album",
    "description",
    "rekordbox_folder",
];
/// Fields whose text is a path below a root.
const PATHS: [&str; 6] = [
    "path",
    "stem",
    "trash_path",
    "local_list",
    "local_lists",
    "unreadable",
];
/// Fields in words, with names among them.
const WORDS: [&str; 8] = [
    "note", "text", "question", "evidence", "veto", "problem", "subject", "message",
];

/// Replaces names.
pub struct Redactor {
    ids: BTreeMap<String, String>,
    finder: Option<AhoCorasick>,
    patterns: Vec<String>,
}

impl Redactor {
    /// One that knows the names of the plan, and these.
    #[must_use]
    pub fn of(plan: &Plan, further: impl IntoIterator<Item = String>) -> Self {
        let mut ids = BTreeMap::new();
        for (id, playlist) in &plan.body.playlists {
            ids.insert(playlist.name.clone(), format!("playlist-{id}"));
        }
        for (id, track) in &plan.body.tracks {
            ids.insert(track.label(), format!("track-{id}"));
        }
        let value = serde_json::to_value(plan).unwrap_or_default();
        collect(&value, "", &mut ids);
        for name in further {
            add(&name, &mut ids);
        }
        Self::with(ids)
    }

    /// A reading without names: the value of its document, names and paths replaced throughout.
    #[must_use]
    pub fn of_document(mut document: Value) -> Value {
        let mut ids = BTreeMap::new();
        collect(&document, "", &mut ids);
        Self::with(ids).walk(&mut document, "");
        document
    }

    fn with(ids: BTreeMap<String, String>) -> Self {
        let patterns: Vec<String> = ids
            .keys()
            .filter(|name| name.chars().count() > 2)
            .cloned()
            .collect();
        let finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&patterns)
            .ok();
        Self {
            ids,
            finder,
            patterns,
        }
    }

    /// The same plan with ids for names.
    ///
    /// # Panics
    /// Never: texts are replaced by texts, and paths by paths.
    #[must_use]
    pub fn plan(&self, plan: &Plan) -> Plan {
        let mut json = serde_json::to_value(plan).expect("it was JSON before");
        self.walk(&mut json, "");
        let mut redacted: Plan = serde_json::from_value(json).expect("texts became texts");
        for (id, track) in &mut redacted.body.tracks {
            track.title = format!("track-{id}");
            track.version = None;
            track.artists.clear();
        }
        // What is no name of anything is not hidden: "none of these".
        let asked = plan.body.decisions.iter().zip(&mut redacted.body.decisions);
        for (was, is) in asked.flat_map(|(was, is)| was.options.iter().zip(&mut is.options)) {
            if was.key == NONE_OF_THESE {
                is.label.clone_from(&was.label);
            }
        }
        redacted
    }

    fn walk(&self, value: &mut Value, key: &str) {
        match value {
            Value::String(text) => *text = self.text(text, key),
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item, key)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    // A folder is a path in a playlist, and a list of names in Rekordbox.
                    let key = match name.as_str() {
                        "folder" if field.is_array() => "name",
                        "folder" => "path",
                        "artists" => "artist",
                        "file" if field.is_string() => "path",
                        // The place of a smart playlist, and not its conditions.
                        "smart" if field.is_array() => "name",
                        "smart" => "",
                        name => name,
                    };
                    if name == "local_lists" {
                        rename_keys(field);
                    }
                    self.walk(field, key);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&self, text: &str, key: &str) -> String {
        if NAMES.contains(&key) {
            return self.id(text);
        }
        if PATHS.contains(&key) {
            return path(text);
        }
        if key == "folder_path" {
            return rekordbox_path(text);
        }
        if WORDS.contains(&key) {
            return self.words(text);
        }
        text.to_owned()
    }

    fn id(&self, name: &str) -> String {
        match self.ids.get(name) {
            Some(id) => id.clone(),
            None => name_id(name),
        }
    }

    /// A sentence with ids for the names in it: those that are known, what stands in quotation marks,
    /// and what looks like a path.
    fn words(&self, text: &str) -> String {
        let mut known = String::with_capacity(text.len());
        let mut from = 0;
        for found in self.finder.iter().flat_map(|finder| finder.find_iter(text)) {
            let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            let inside = letter(text[..found.start()].chars().next_back())
                && letter(text[found.start()..].chars().next())
                || letter(text[found.end()..].chars().next())
                    && letter(text[..found.end()].chars().next_back());
            if inside {
                continue;
            }
            known.push_str(&text[from..found.start()]);
            known.push_str(&self.id(&self.patterns[found.pattern().as_usize()]));
            from = found.end();
        }
        known.push_str(&text[from..]);
        let quoted = quoted(&known);
        let words = quoted.split(' ').map(|word| match looks_like_a_path(word) {
            true => path(word),
            false => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['“', '"']) {
        let open = rest[at..].chars().next().map_or(1, char::len_utf8);
        let close = if rest[at..].starts_with('“') {
            '”'
        } else {
            '"'
        };
        let inner = &rest[at + open..];
        let Some(end) = inner.find(close) else { break };
        let name = &inner[..end];
        out.push_str(&rest[..at + open]);
        match is_id(name) {
            true => out.push_str(name),
            false => out.push_str(&name_id(name)),
        }
        out.push(close);
        rest = &inner[end + close.len_utf8()..];
    }
    out.push_str(rest);
    out
}

fn is_id(text: &str) -> bool {
    ["playlist-", "track-", "name-", "file-"]
        .iter()
        .any(|kind| text.starts_with(kind))
}

fn looks_like_a_path(word: &str) -> bool {
    let ends = [
        ".mp3", ".m4a", ".flac", ".wav", ".aif", ".aiff", ".ogg", ".opus", ".m3u8", ".m3u",
    ];
    let lower = word.trim_end_matches([';', ',', ')', ':']).to_lowercase();
    !is_id(word) && ends.iter().any(|end| lower.ends_with(end))
}

fn hash(text: &str) -> String {
    let mut hex = ContentHash::of(text.as_bytes()).to_string();
    hex.truncate(8);
    hex
}

fn name_id(name: &str) -> String {
    match name.is_empty() || is_id(name) {
        true => name.to_owned(),
        false => format!("name-{}", hash(name)),
    }
}

/// The path's root and extension, and a hash of the rest.
fn path(text: &str) -> String {
    if text.is_empty() || is_id(text) {
        return text.to_owned();
    }
    let path = MediaPath::new(text);
    let root = match path.root() {
        0 => String::new(),
        number => format!("//{number}/"),
    };
    let extension = path.extension();
    let known = looks_like_a_path(text) && extension.chars().all(|c| c.is_ascii_alphanumeric());
    match known {
        true => format!("{root}file-{}.{extension}", hash(text)),
        false => format!("{root}file-{}", hash(text)),
    }
}

/// A path as Rekordbox stores it, in a reading where roots stand for themselves.
fn rekordbox_path(text: &str) -> String {
    if let Some(rest) = text.strip_prefix("/library/") {
        return format!("/library/{}", path(rest));
    }
    let source = text
        .strip_prefix("/source-")
        .and_then(|rest| rest.split_once('/'));
    if let Some((number, rest)) = source {
        let below = path(&format!("//{number}/{rest}"));
        return format!("/source-{}", below.trim_start_matches('/'));
    }
    match text.starts_with('/') {
        true => format!("/elsewhere/{}", path(text)),
        false => text.to_owned(),
    }
}

/// The keys of an object that are paths.
fn rename_keys(value: &mut Value) {
    if let Value::Object(fields) = value {
        *fields = std::mem::take(fields)
            .into_iter()
            .map(|(key, value)| (path(&key), value))
            .collect();
    }
}

/// Every name and path of the value.
fn collect(value: &Value, key: &str, ids: &mut BTreeMap<String, String>) {
    match value {
        Value::String(text) if NAMES.contains(&key) => add(text, ids),
        Value::String(text) if PATHS.contains(&key) => {
            ids.entry(text.clone()).or_insert_with(|| path(text));
            let file = MediaPath::new(text.as_str());
            for part in [file.file_name(), file.file_stem()] {
                add(&part, ids);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, key, ids)),
        Value::Object(fields) => {
            for (name, field) in fields {
                let key = match name.as_str() {
                    "folder" if field.is_array() => "name",
                    "folder" => "path",
                    "artists" => "artist",
                    name => name,
                };
                collect(field, key, ids);
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn add(name: &str, ids: &mut BTreeMap<String, String>) {
    if !name.is_empty() {
        ids.entry(name.to_owned()).or_insert_with(|| name_id(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::view::{Look, html::html, markdown::markdown, plan::PlanView, sample, tree::TreeView},
        plan::canonical,
    };

    #[test]
    fn no_rendering_tells_a_name() {
        let mut plan = sample::everyday();
        plan.body.decisions[0].options[0].path = Some("Own/Camel - Rajaz.flac".into());
        let redacted = Redactor::of(&plan, []).plan(&plan);
        let look = Look {
            verbose: true,
            ..Look::plain()
        };
        let all = [
            PlanView::new(&redacted, &look).to_string(),
            TreeView {
                plan: &redacted,
                look: &look,
            }
            .to_string(),
            markdown(&redacted, None, 65_536),
            html(&redacted, None, None),
            canonical::to_json(&redacted),
        ];
        let names = [
            "Italo",
            "Party",
            "Tornado",
            "Today",
            "Jex",
            "Earth",
            "Terje",
            "Ragysh",
            "Camel",
            "Rajaz",
            "Kiasmos",
            "Looped",
            "dup (1)",
            "dup.flac",
            "Old/",
            "Floating",
            "Silhouettes",
        ];
        for text in &all {
            for name in names {
                assert!(!text.contains(name), "{name} in {text}");
            }
        }
        assert!(
            all[0].contains("+ track-70000000  download, about 38 MB"),
            "{}",
            all[0]
        );
        assert!(
            all[0].contains("from \"playlist-list-1\", 4 hot cues kept"),
            "{}",
            all[0]
        );
        assert!(
            all[0].contains("rule dupes (tidal-cleanup.toml:64)"),
            "{}",
            all[0]
        );
    }

    #[test]
    fn a_name_within_a_word_is_no_name() {
        let ids = [
            ("House".to_owned(), "playlist-1".to_owned()),
            ("To".to_owned(), "playlist-2".to_owned()),
        ];
        let redactor = Redactor::with(ids.into());
        assert_eq!(
            redactor.words("in House, Household: to “Other” and \"To\" a/b c.mp3"),
            format!(
                "in playlist-1, Household: to “{}” and \"{}\" a/b {}",
                name_id("Other"),
                name_id("To"),
                path("c.mp3")
            )
        );
    }
}
