//! `policy import`: what an older tool knew, as a policy.
//!
//! Two files of the Python tool of the same name are read: `rekordbox_mytag_mapping.json` (which emoji
//! stands for which MyTag, the tree of folders, the tag for tracks without a genre) and `.env`. Shapes as
//! of `anneoneone/cleanup-tidal-playlists`, 2025. What has no place here is told, never dropped silently.

use std::fmt::Write as _;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

mod env;

use super::emoji;

pub use env::{OldEnv, Setting};

/// A policy, or a part of one, and what could not be brought over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// TOML. A whole policy where the library's folder is known, else tables to put into one.
    pub toml: String,
    /// One sentence each; no values of unknown settings, which may be secrets.
    pub notes: Vec<String>,
}

/// The text is neither of the files.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It begins like JSON and is none.
    #[error("this is no JSON")]
    Json(#[source] serde_json::Error),
    /// JSON of another kind.
    #[error("this JSON has no `emoji_to_mytag_mapping`")]
    NoMapping,
    /// No `.env` either.
    #[error("line {0} is no `NAME=value`")]
    Env(usize),
}

/// Reads one or several of the old tool's files.
///
/// # Errors
/// When one of them is none.
pub fn import(texts: &[&str]) -> Result<Imported, ImportError> {
    let mut imported = Imported::default();
    let (mut settings, mut mapping) = (String::new(), String::new());
    for text in texts {
        let text = text.trim_start_matches('\u{feff}');
        if text.trim_start().starts_with('{') {
            let node: Node = serde_json::from_str(text).map_err(ImportError::Json)?;
            mapping.push_str(&language(&node, &mut imported.notes)?);
        } else {
            let env = OldEnv::parse(text);
            if let Some(line) = env.unreadable.first() {
                return Err(ImportError::Env(*line));
            }
            let told = env.settings.iter().filter(|one| !one.note.is_empty());
            imported
                .notes
                .extend(told.map(|one| format!("`{}`: {}", one.name, one.note)));
            settings.push_str(&env.toml());
        }
    }
    imported.toml = settings + &mapping;
    let whole = super::format::format(&imported.toml);
    debug_assert!(whole.is_ok(), "what is written here is TOML");
    if let Ok(laid_out) = whole {
        imported.toml = laid_out;
    }
    Ok(imported)
}

/// JSON in the order of the file.
enum Node {
    Text(String),
    List(Vec<Self>),
    Table(Vec<(String, Self)>),
    Other,
}

impl Node {
    fn get(&self, name: &str) -> Option<&Self> {
        let Self::Table(pairs) = self else {
            return None;
        };
        let found = pairs.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Self::Text(text) => Some(text),
            Self::List(_) | Self::Table(_) | Self::Other => None,
        }
    }

    fn pairs(&self) -> &[(String, Self)] {
        match self {
            Self::Table(pairs) => pairs,
            Self::Text(_) | Self::List(_) | Self::Other => &[],
        }
    }

    fn texts(&self) -> Vec<&str> {
        let Self::List(items) = self else {
            return Vec::new();
        };
        let texts = items.iter().map(|item| match item {
            Self::Text(text) => Some(text.as_str()),
            Self::List(_) | Self::Table(_) | Self::Other => None,
        });
        texts.flatten().collect()
    }
}

/// One emoji of the old mapping.
struct Mapped {
    emoji: String,
    tag: String,
    /// The category, where the mapping is nested.
    category: Option<String>,
}

/// The emoji language.
fn language(node: &Node, notes: &mut Vec<String>) -> Result<String, ImportError> {
    let flat = node.get("emoji_to_mytag_mapping");
    // An older form: categories in the mapping itself.
    let nested = node.get("Track-Metadata");
    let of_lists = node.get("Playlist-Metadata");
    let groups: Vec<&(String, Node)> = [flat, nested, of_lists]
        .into_iter()
        .flatten()
        .flat_map(Node::pairs)
        .collect();
    if groups.is_empty() {
        return Err(ImportError::NoMapping);
    }
    let known = [
        "emoji_to_mytag_mapping",
        "Track-Metadata",
        "Playlist-Metadata",
        "folder_structure",
        "no_genre_tag",
        "description",
    ];
    for (name, _) in node.pairs() {
        if !known.contains(&name.as_str()) {
            notes.push(format!("`{name}` is not known here and was left out"));
        }
    }
    let mut toml = String::new();
    let mut seen: Vec<String> = Vec::new();
    let mut categories: Vec<(String, Vec<String>)> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for (group, table) in groups {
        let mut mapped = Vec::new();
        mapping(table, None, &mut mapped, notes);
        let _ = writeln!(toml, "\n[mytag.{}]", quoted_key(group));
        names.push(group);
        for Mapped {
            emoji,
            tag,
            category,
        } in mapped
        {
            let plain = emoji::plain(emoji.trim());
            if emoji::clusters(emoji.trim()).count() != 1 || !emoji::is_emoji(emoji.trim()) {
                notes.push(format!(
                    "{emoji:?} (for `{tag}`) is not one emoji and was left out"
                ));
                continue;
            }
            if tag.trim().is_empty() || seen.contains(&plain) {
                let why = if tag.trim().is_empty() {
                    "no tag"
                } else {
                    "a second tag"
                };
                notes.push(format!("{emoji} has {why} in `{group}` and was left out"));
                continue;
            }
            seen.push(plain);
            let _ = writeln!(toml, "{} = {}", quoted(emoji.trim()), quoted(tag.trim()));
            if let Some(category) = category {
                match categories.iter_mut().find(|(name, _)| *name == category) {
                    Some((_, tags)) => tags.push(tag),
                    None => categories.push((category, vec![tag])),
                }
            }
        }
    }
    toml.push_str(&folders(node, &names, categories, notes));
    Ok(toml)
}

fn mapping(
    table: &Node,
    category: Option<&str>,
    mapped: &mut Vec<Mapped>,
    notes: &mut Vec<String>,
) {
    for (key, value) in table.pairs() {
        match value {
            Node::Text(tag) => mapped.push(Mapped {
                emoji: key.clone(),
                tag: tag.clone(),
                category: category.map(str::to_owned),
            }),
            Node::Table(_) => mapping(value, Some(key), mapped, notes),
            Node::List(_) | Node::Other => {
                notes.push(format!("{key:?} stands for no text and was left out"));
            }
        }
    }
}

/// `[mytags]` from `folder_structure` and `no_genre_tag`.
fn folders(
    node: &Node,
    groups: &[&str],
    nested: Vec<(String, Vec<String>)>,
    notes: &mut Vec<String>,
) -> String {
    let mut lines: Vec<String> = Vec::new();
    let structure = node.get("folder_structure");
    let text = |name: &str| structure.and_then(|structure| structure.text(name));
    let has = |group: &str| groups.contains(&group);
    if let Some(status) = text("genre_default_status").filter(|_| has("Status")) {
        lines.push(format!("default = {{ Status = {} }}", quoted(status)));
    }
    if let Some((group, tag)) = node
        .get("no_genre_tag")
        .and_then(|tag| Some((tag.text("group")?, tag.text("value")?)))
    {
        lines.push(format!(
            "none = {{ {} = {} }}",
            quoted_key(group),
            quoted(tag)
        ));
    }
    let listed = structure.and_then(|structure| structure.get("genre_categories"));
    let categories: Vec<(String, Vec<String>)> = match listed {
        Some(listed) => listed
            .pairs()
            .iter()
            .map(|(name, tags)| {
                (
                    name.clone(),
                    tags.texts().iter().map(|&tag| tag.to_owned()).collect(),
                )
            })
            .collect(),
        None => nested,
    };
    if has("Genre") && !categories.is_empty() {
        let root = text("genre_root").map(|root| format!("{}/", plain_text(root)));
        let other = text("genre_uncategorized").map(|other| format!("|{}", plain_text(other)));
        let status = if has("Status") { "/{Status}" } else { "" };
        let folders = format!(
            "{}{{Genre.category{}}}{status}",
            root.unwrap_or_default(),
            other.unwrap_or_default()
        );
        lines.push(format!("folders = {}", quoted(&folders)));
    }
    if has("Party") {
        let root = plain_text(text("events_root").unwrap_or("Events"));
        let misc = plain_text(text("events_misc").unwrap_or("Misc"));
        let folder = format!("{root}/{{Party}}/{{year|{misc}}}");
        lines.push(format!(
            "events = {{ group = \"Party\", folder = {}, tag = \"{{Party}}: {{name}}\", smart_playlist = true }}",
            quoted(&folder)
        ));
    }
    if structure.is_some_and(|structure| structure.get("genre_status_folders").is_some()) {
        notes.push(
            "`genre_status_folders` needs no list here: every status has its folder".to_owned(),
        );
    }
    let mut toml = String::new();
    if !lines.is_empty() {
        let _ = writeln!(toml, "\n[mytags]\n{}", lines.join("\n"));
    }
    if !categories.is_empty() {
        let _ = writeln!(toml, "\n[mytags.categories]");
        for (name, tags) in categories {
            let tags: Vec<String> = tags.iter().map(|tag| quoted(tag)).collect();
            let _ = writeln!(toml, "{} = [{}]", quoted_key(&name), tags.join(", "));
        }
    }
    toml
}

/// Text inside a template: braces and bars mean something there.
fn plain_text(text: &str) -> String {
    text.chars()
        .filter(|c| !['{', '}', '|'].contains(c))
        .collect()
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A TOML key: bare where it can be.
fn quoted_key(text: &str) -> String {
    let bare = !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { text.to_owned() } else { quoted(text) }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut table = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            table.push(entry);
        }
        Ok(Node::Table(table))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{super::Policy, *};

    /// As many emoji as the first user has: 28 genres, 4 energies, 5 statuses, 3 parties.
    const GENRES: &str = "🏃🥊🪇🤖🌀🪘🧘🎧🌃🧱🌚🎭🏢🐋⚡🎹🎈🪩🕺🎷🐌📺🌴🚀🍀🐙🦊🌵";

    fn old_mapping() -> String {
        let genres = super::emoji::clusters(GENRES).enumerate();
        let genres: Vec<String> = genres
            .map(|(n, emoji)| format!("\"{emoji}\": \"Genre {n}\""))
            .collect();
        format!(
            r#"{{ "description": "x", "colour": 1, "emoji_to_mytag_mapping": {{
                "Genre": {{ {} }},
                "Energy": {{ "⬆️": "High", "↗️": "Up", "➡️": "Medium", "↘️": "Low" }},
                "Status": {{ "💾": "Archived", "❓": "Recherche", "👵🏻": "Old", "💿": "Discogs", "📀": "Discogs" }},
                "Party": {{ "🎉": "Partys", "🎶": "Sets", "🎙️": "Radio Moafunk" }} }},
              "folder_structure": {{ "genre_root": "Genre", "genre_uncategorized": "Uncategorized",
                "genre_status_folders": ["Archived"], "genre_default_status": "Archived",
                "genre_categories": {{ "One": ["Genre 1", "Genre 2"], "Other Genres": ["Genre 3"] }},
                "events_root": "Events", "events_types": ["Partys"], "events_misc": "Misc" }},
              "no_genre_tag": {{ "group": "Genre", "value": "NoGenre" }} }}"#,
            genres.join(",")
        )
    }

    fn parse(toml: &str) -> Policy {
        let toml = match toml.contains("[library]") {
            true => toml.to_owned(),
            false => format!("version = 1\n[library]\nroot = \"/m\"\n{toml}"),
        };
        let path = Path::new("/etc/dj/tidal-cleanup.toml");
        match Policy::parse(path, &toml, &|_| None, Path::new("/home/dj")) {
            Ok((policy, findings)) if findings.is_empty() => policy,
            Ok((_, findings)) | Err(findings) => panic!("{findings:?}\n{toml}"),
        }
    }

    #[test]
    fn the_emoji_language_comes_over_whole() {
        let imported = import(&[&old_mapping()]).unwrap();
        let language = parse(&imported.toml).my_tags;
        let of = |group: &str| language.emoji.iter().filter(|(_, g, _)| g == group).count();
        assert_eq!(
            (of("Genre"), of("Energy"), of("Status"), of("Party")),
            (28, 4, 5, 3)
        );
        let old: Node = serde_json::from_str(&old_mapping()).unwrap();
        let old = old.get("emoji_to_mytag_mapping").unwrap();
        for (group, table) in old.pairs() {
            for (emoji, _) in table.pairs() {
                let want = (
                    emoji::plain(emoji),
                    group.clone(),
                    table.text(emoji).unwrap().to_owned(),
                );
                assert!(language.emoji.contains(&want), "{want:?}");
            }
        }
        assert_eq!(
            language.default,
            [("Status".to_owned(), "Archived".to_owned())]
        );
        assert_eq!(language.none, [("Genre".to_owned(), "NoGenre".to_owned())]);
        assert_eq!(
            language.folders,
            "Genre/{Genre.category|Uncategorized}/{Status}"
        );
        assert_eq!(language.categories.len(), 2);
        assert!(language.events.unwrap().smart_playlist);
        assert!(imported.notes.iter().any(|note| note.contains("colour")));
        assert_eq!(
            super::super::format::format(&imported.toml).unwrap(),
            imported.toml
        );
    }

    #[test]
    fn an_older_mapping_has_its_categories_within() {
        let old = r#"{ "Track-Metadata": { "Genre": { "House": { "🏃": "House Progressive", "x": "No" } },
                       "Status": { "💾": "Archived", "💾\ufe0f": "Twice", "❓": 3, "🚀": " " } } }"#;
        let imported = import(&[old]).unwrap();
        let language = parse(&imported.toml).my_tags;
        assert_eq!(language.emoji.len(), 2);
        assert_eq!(
            language.categories,
            [("House".to_owned(), vec!["House Progressive".to_owned()])]
        );
        assert_eq!(imported.notes.len(), 4, "{:?}", imported.notes);
    }

    #[test]
    fn the_settings_become_tables() {
        let env = "# x\nexport TIDAL_CLEANUP_MP3_DIRECTORY='~/Music/Tidal/mp3'\n\
                   TIDAL_CLEANUP_REKORDBOX_INPUT_FOLDER=~/Music/Tidal/mp3/Playlists # here\n\
                   TIDAL_CLEANUP_TARGET_FORMAT=.MP3\nTIDAL_CLEANUP_FFMPEG_QUALITY=2\n\
                   TIDAL_CLEANUP_FUZZY_MATCH_THRESHOLD=80\nTIDAL_CLEANUP_SECRET=s3cr3t\n";
        let imported = import(&[env, &old_mapping()]).unwrap();
        let policy = parse(&imported.toml);
        assert_eq!(policy.library.root, Path::new("/home/dj/Music/Tidal/mp3"));
        assert_eq!(policy.library.playlists, "Playlists");
        assert_eq!(
            (policy.library.quality.as_str(), policy.matching.ask),
            ("V2", 80)
        );
        assert_eq!(policy.my_tags.emoji.len(), 40);
        let told = imported.notes.join(" ");
        assert!(
            told.contains("SECRET") && !told.contains("s3cr3t"),
            "{told}"
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, error) in [
            ("{", "no JSON"),
            ("{}", "emoji_to_mytag_mapping"),
            ("hello", "line 1"),
            ("A=1\n= 2", "line 2"),
        ] {
            let told = import(&[text]).unwrap_err().to_string();
            assert!(told.contains(error), "{told}");
        }
    }
}
