//! What an action changes, attribute by attribute, old and new side by side.

use std::fmt;

use console::Style;
use similar::{ChangeTag, TextDiff};

use crate::{
    domain::NodeKind,
    plan::document::{
        Body, ContentFields, Effect, Forgotten, LinkForm, NodeAt, TagName, TidalEntry,
    },
};

use super::{
    Look,
    text::{ascii, bytes, count, pad, visible, width},
};

/// One attribute before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What stands there now.
    pub old: Option<String>,
    /// What shall stand there.
    pub new: Option<String>,
}

impl Attribute {
    fn new(name: &'static str, old: Option<String>, new: Option<String>) -> Self {
        let clean = |text: String| visible(&text).into_owned();
        Self {
            name,
            old: old.map(clean),
            new: new.map(clean),
        }
    }

    fn added(name: &'static str, new: impl Into<String>) -> Self {
        Self::new(name, None, Some(new.into()))
    }

    fn removed(name: &'static str, old: impl Into<String>) -> Self {
        Self::new(name, Some(old.into()), None)
    }

    fn changed(name: &'static str, old: impl Into<String>, new: impl Into<String>) -> Self {
        Self::new(name, Some(old.into()), Some(new.into()))
    }
}

/// What the effect changes.
#[must_use]
pub fn of(effect: &Effect, body: &Body) -> Vec<Attribute> {
    match effect {
        Effect::FileFetch { after } => {
            let kept = format!("{}.*", after.stem);
            vec![match after.convert_to {
                Some(format) => {
                    Attribute::added("download", format!("{}.{}", after.stem, format.extension()))
                }
                None => Attribute::added("download", kept),
            }]
        }
        Effect::FileConvert { after } => vec![
            Attribute::added("file", after.path.to_string()),
            Attribute::added(
                "format",
                format!("{} {}", after.format.extension(), after.quality),
            ),
        ],
        Effect::FilePlace { before, after } => {
            vec![Attribute::changed(
                "file",
                before.path.to_string(),
                after.path.to_string(),
            )]
        }
        Effect::FileLink { before, after } => {
            let name = match after.form {
                LinkForm::M3u8 => "playlist file",
                LinkForm::Hardlink => "hard link",
                LinkForm::Copy => "copy",
            };
            let path = after.path.to_string();
            vec![match before {
                Some(_) => Attribute::changed(name, "as it is", path),
                None => Attribute::added(name, path),
            }]
        }
        Effect::FileTrash { before } => vec![
            Attribute::removed("file", before.path.to_string()),
            Attribute::removed("size", bytes(before.size)),
        ],
        Effect::TrashPurge { before } => vec![
            Attribute::removed("file", before.trash_path.to_string()),
            Attribute::removed("size", bytes(before.size)),
        ],
        Effect::FileRestore { before, after } => vec![Attribute::changed(
            "file",
            before.trash_path.to_string(),
            after.path.to_string(),
        )],
        Effect::ContentAdd { after } => vec![Attribute::added(
            "Rekordbox",
            after
                .path
                .as_ref()
                .map_or_else(|| "the downloaded file".to_owned(), ToString::to_string),
        )],
        Effect::ContentRelocate { before, after } => vec![Attribute::changed(
            "Rekordbox",
            before.path.to_string(),
            after.path.to_string(),
        )],
        Effect::ContentUpdate { before, after } => fields(before, after),
        Effect::NodeCreate { after } => vec![Attribute::added(
            match after.node {
                NodeKind::Folder => "folder",
                NodeKind::Smart => "smart list",
                NodeKind::List | NodeKind::Special => "playlist",
            },
            place(&after.folder, &after.name),
        )],
        Effect::NodeUpdate { before, after } => {
            vec![Attribute::changed("playlist", node(before), node(after))]
        }
        Effect::NodeRemove { before } => vec![Attribute::removed("playlist", node(before))],
        Effect::EntriesSet { before, after } => vec![Attribute::changed(
            "entries",
            entries(before.count),
            entries(after.count),
        )],
        Effect::EntriesMerge { before, after } => vec![Attribute::changed(
            "entries",
            entries(before.count),
            entries(after.count),
        )],
        Effect::MyTagCreate { after } => vec![Attribute::added("MyTag", tag(after))],
        Effect::MyTagSet { before, after } => vec![Attribute::new(
            "MyTags",
            tags(&before.tags),
            tags(&after.tags),
        )],
        Effect::RowsRestore { before } => vec![Attribute::changed(
            "Rekordbox",
            format!("as apply {} left it", before.apply),
            "as it was before",
        )],
        Effect::StateRestore { before } => vec![Attribute::changed(
            "state",
            format!("as apply {} left it", before.apply),
            "as it was before",
        )],
        Effect::StateAdopt { after } => vec![Attribute::added("file", after.path.to_string())],
        Effect::StateRecord { after } => vec![Attribute::added(
            "state",
            match body.playlists.get(&after.playlist) {
                Some(playlist) => format!("{:?}, {}", playlist.name, entries(after.count)),
                None => entries(after.count),
            },
        )],
        Effect::StateMove { before, after } => vec![Attribute::changed(
            "TIDAL id",
            before.playlist.as_str(),
            after.playlist.as_str(),
        )],
        Effect::StateForget { before } => vec![match before {
            Forgotten::Playlist(id) => Attribute::removed(
                "state",
                body.playlists
                    .get(id)
                    .map_or_else(|| id.to_string(), |playlist| playlist.name.clone()),
            ),
            Forgotten::File(path) => Attribute::removed("state", path.to_string()),
        }],
        Effect::TidalEntryRemove { before } => {
            vec![Attribute::removed("TIDAL", tidal_entry(before))]
        }
        Effect::TidalEntryRestore { after, .. } => {
            vec![Attribute::added("TIDAL", tidal_entry(after))]
        }
    }
}

fn fields(before: &ContentFields, after: &ContentFields) -> Vec<Attribute> {
    let text = |name, old: &Option<String>, new: &Option<String>| {
        new.is_some()
            .then(|| Attribute::new(name, old.clone(), new.clone()))
    };
    let year = |year: Option<u16>| year.map(|year| year.to_string());
    [
        text("title", &before.title, &after.title),
        text("artist", &before.artist, &after.artist),
        text("album", &before.album, &after.album),
        text("year", &year(before.year), &year(after.year)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn tidal_entry(entry: &TidalEntry) -> String {
    format!("entry {} of the list", entry.position + 1)
}

fn node(node: &NodeAt) -> String {
    place(&node.folder, &node.name)
}

fn place(folder: &[String], name: &str) -> String {
    let parts: Vec<&str> = folder.iter().map(String::as_str).chain([name]).collect();
    parts.join(" / ")
}

fn entries(number: usize) -> String {
    count(number, "track", "tracks")
}

fn tag(tag: &TagName) -> String {
    format!("{}: {}", tag.group, tag.tag)
}

fn tags(tags: &[TagName]) -> Option<String> {
    let tags: Vec<String> = tags.iter().map(tag).collect();
    (!tags.is_empty()).then(|| tags.join(", "))
}

/// Attributes as lines of at most `columns`: side by side where they fit, else below each other.
pub struct SideBySide<'a> {
    pub attributes: &'a [Attribute],
    pub look: &'a Look,
    /// How far the lines will be indented.
    pub indent: usize,
}

impl SideBySide<'_> {
    /// The lines, without their indentation.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        if self.look.ascii {
            let say = |text: &Option<String>| text.as_deref().map(ascii);
            let attributes: Vec<Attribute> = self
                .attributes
                .iter()
                .map(|it| Attribute {
                    name: it.name,
                    old: say(&it.old),
                    new: say(&it.new),
                })
                .collect();
            let look = Look {
                ascii: false,
                ..self.look.clone()
            };
            let table = SideBySide {
                attributes: &attributes,
                look: &look,
                indent: self.indent,
            };
            return table
                .lines()
                .iter()
                .map(|line| line.replace('│', "|"))
                .collect();
        }
        let widest =
            |of: fn(&Attribute) -> usize| self.attributes.iter().map(of).max().unwrap_or(0);
        let name = widest(|attribute| width(attribute.name));
        let old = widest(|attribute| attribute.old.as_deref().map_or(0, width));
        let new = widest(|attribute| attribute.new.as_deref().map_or(0, width));
        let room = self
            .look
            .width
            .map_or(usize::MAX, |width| width.saturating_sub(self.indent));
        let fits = name + 2 + old + 3 + new <= room;
        self.attributes
            .iter()
            .flat_map(|attribute| match (&attribute.old, &attribute.new) {
                (Some(before), Some(after)) => {
                    let (before_painted, after_painted) = self.emphasised(before, after);
                    let name = pad(attribute.name, name);
                    if fits {
                        let gap = " ".repeat(old.saturating_sub(width(before)));
                        vec![format!("{name}  {before_painted}{gap} │ {after_painted}")]
                    } else {
                        let blank = " ".repeat(width(&name));
                        vec![
                            format!("{name}  {before_painted}"),
                            format!("{blank}│ {after_painted}"),
                        ]
                    }
                }
                (Some(before), None) => {
                    vec![format!("{}  - {before}", pad(attribute.name, name))]
                }
                (None, Some(after)) => vec![format!("{}  + {after}", pad(attribute.name, name))],
                (None, None) => Vec::new(),
            })
            .collect()
    }

    /// Both texts, with what differs in colour.
    fn emphasised(&self, old: &str, new: &str) -> (String, String) {
        if !self.look.color {
            return (old.to_owned(), new.to_owned());
        }
        let (gone, come) = (Style::new().red(), Style::new().green());
        let (mut before, mut after) = (String::new(), String::new());
        for change in TextDiff::from_chars(old, new).iter_all_changes() {
            match change.tag() {
                ChangeTag::Equal => {
                    before.push_str(change.value());
                    after.push_str(change.value());
                }
                ChangeTag::Delete => before.push_str(&self.look.paint(&gone, change.value())),
                ChangeTag::Insert => after.push_str(&self.look.paint(&come, change.value())),
            }
        }
        (before, after)
    }
}

impl fmt::Display for SideBySide<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blanks = " ".repeat(self.indent);
        self.lines()
            .iter()
            .try_for_each(|line| writeln!(f, "{blanks}{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(attributes: &[Attribute], width: Option<usize>) -> String {
        let look = Look {
            width,
            ..Look::plain()
        };
        SideBySide {
            attributes,
            look: &look,
            indent: 6,
        }
        .to_string()
    }

    #[test]
    fn old_and_new_side_by_side_where_they_fit() {
        let attributes = [
            Attribute::changed("title", "Today", "Today (Dub)"),
            Attribute::changed("year", "2013", "2014"),
            Attribute::added("album", "Lonely Planet"),
        ];
        insta::assert_snapshot!(show(&attributes, Some(60)), @r"
              title  Today │ Today (Dub)
              year   2013  │ 2014
              album  + Lonely Planet
        ");
        insta::assert_snapshot!(show(&attributes[..1], Some(24)), @r"
              title  Today
                   │ Today (Dub)
        ");
    }

    #[test]
    fn colour_marks_what_differs_and_nothing_else() {
        let look = Look {
            color: true,
            ..Look::plain()
        };
        let attributes = [Attribute::changed("title", "Today", "Todaz")];
        let text = SideBySide {
            attributes: &attributes,
            look: &look,
            indent: 0,
        }
        .to_string();
        assert_eq!(console::strip_ansi_codes(&text), "title  Today │ Todaz\n");
        assert!(text.contains("Toda\u{1b}"), "{text:?}");
    }
}
