//! The facts that a policy may ask for: a closed list.

use std::fmt;

/// One fact by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactKey {
    /// As written: `rekordbox.cues`.
    pub name: &'static str,
    pub kind: FactKind,
    /// One line for a person.
    pub meaning: &'static str,
}

/// What a fact can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactKind {
    Flag,
    /// From 0 to this.
    Number(i64),
    /// Bytes.
    Size,
    /// Time since.
    Age,
    Text,
    /// One of a few words.
    Word(&'static [&'static str]),
    /// The emoji of a name.
    Emoji,
    /// MyTags as `Group: Tag`; a number counts them.
    Tags,
}

/// Names of audio formats, as `file.format` has them.
const FORMATS: &[&str] = &["mp3", "m4a", "alac", "flac", "wav", "aiff", "ogg", "opus"];

/// All facts.
pub const FACTS: &[FactKey] = &[
    key(
        "file.orphan",
        FactKind::Flag,
        "no managed playlist wants the file",
    ),
    key(
        "file.duplicate",
        FactKind::Flag,
        "another file is the same track",
    ),
    key(
        "file.age",
        FactKind::Age,
        "time since the file appeared in the library",
    ),
    key(
        "file.path",
        FactKind::Text,
        "path below the library root, with `/`",
    ),
    key(
        "file.format",
        FactKind::Word(FORMATS),
        "container and codec",
    ),
    key("file.lossless", FactKind::Flag, "FLAC, ALAC, WAV or AIFF"),
    key(
        "file.bitrate",
        FactKind::Number(i64::MAX),
        "kilobits a second",
    ),
    key("file.size", FactKind::Size, "bytes"),
    key(
        "file.provenance",
        FactKind::Word(&["tidal", "adopted", "foreign"]),
        "who put the file there",
    ),
    key("track.artist", FactKind::Text, "artists, joined by a comma"),
    key("track.title", FactKind::Text, "title with its version"),
    key("track.album", FactKind::Text, "album"),
    key("track.isrc", FactKind::Text, "the recording's code"),
    key("track.year", FactKind::Number(9_999), "year of release"),
    key("track.tidal_id", FactKind::Text, "TIDAL's catalogue id"),
    key("playlist.name", FactKind::Text, "raw name in TIDAL"),
    key("playlist.id", FactKind::Text, "TIDAL's UUID"),
    key("playlist.emoji", FactKind::Emoji, "emoji in the name"),
    key("playlist.removed", FactKind::Flag, "gone from TIDAL"),
    key("tidal.available", FactKind::Flag, "TIDAL streams the track"),
    key(
        "tidal.quality",
        FactKind::Text,
        "best quality there: LOSSLESS, HIRES_LOSSLESS…",
    ),
    key(
        "rekordbox.cues",
        FactKind::Number(i64::MAX),
        "hot cues and memory cues",
    ),
    key("rekordbox.hot_cues", FactKind::Number(i64::MAX), "hot cues"),
    key(
        "rekordbox.memory_cues",
        FactKind::Number(i64::MAX),
        "memory cues and loops",
    ),
    key(
        "rekordbox.plays",
        FactKind::Number(i64::MAX),
        "how often it was played",
    ),
    key("rekordbox.rating", FactKind::Number(5), "stars, 0 to 5"),
    key(
        "rekordbox.mytags",
        FactKind::Tags,
        "MyTags as `Group: Tag`, or how many",
    ),
    key(
        "rekordbox.in_collection",
        FactKind::Flag,
        "Rekordbox has the file",
    ),
    key(
        "rekordbox.own_playlists",
        FactKind::Number(i64::MAX),
        "how many of the DJ's own playlists hold it",
    ),
];

/// The fact of that name.
#[must_use]
pub fn fact(name: &str) -> Option<&'static FactKey> {
    FACTS.iter().find(|key| key.name == name)
}

const fn key(name: &'static str, kind: FactKind, meaning: &'static str) -> FactKey {
    FactKey {
        name,
        kind,
        meaning,
    }
}

impl fmt::Display for FactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("`true` or `false`"),
            Self::Number(_) => {
                f.write_str("a number such as `0` or a comparison such as `\">=1\"`")
            }
            Self::Size => f.write_str("a comparison with a size, such as `\">50MB\"`"),
            Self::Age => f.write_str("a comparison with a duration, such as `\">30d\"`"),
            Self::Text => f.write_str("a text or a pattern, such as `\"House *\"`"),
            Self::Word(words) => write!(f, "one of {}", words.join(", ")),
            Self::Emoji => f.write_str("an emoji, such as `\"🎉\"`"),
            Self::Tags => f.write_str("a tag such as `\"Status: Old\"`, or `\">=1\"`"),
        }
    }
}
