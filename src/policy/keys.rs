//! Every key of the language, once: what the reader knows, what it suggests, and what the published
//! JSON Schema says.

/// A key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As written.
    pub name: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// Whether the table is wrong without it.
    pub needed: bool,
    /// One line for a person.
    pub meaning: &'static str,
    /// The value that counts where the key is left out, as TOML; `None`: nothing does, or it has no
    /// short form.
    pub default: Option<&'static str>,
}

impl Key {
    const fn or(self, default: &'static str) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }
}

/// What a key holds.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Flag,
    /// Not empty.
    Text,
    /// May be empty.
    AnyText,
    /// From, to.
    Number(i64, i64),
    /// One of these.
    Word(&'static [&'static str]),
    /// A text of that pattern (ECMA 262).
    Like(&'static str),
    /// `50GiB`, or bytes.
    Size,
    /// One of the shape, or a list of them.
    Few(&'static Self),
    /// A list of the shape.
    Many(&'static Self),
    /// A table with these keys.
    Table(&'static [Key]),
    /// Tables with these keys.
    Tables(&'static [Key]),
    /// A table of named values.
    Named(&'static Self),
    /// Either.
    Either(&'static [Self]),
    /// `when`.
    Condition,
    /// `given`.
    Facts,
}

use Shape::{
    AnyText, Condition, Either, Facts, Few, Flag, Like, Many, Named, Number, Size, Table, Tables,
    Text, Word,
};

const DURATION: Shape = Like(r"^\s*([0-9]+\s*[smhdw]\s*)+$");
const COUNT: Shape = Number(0, u32::MAX as i64);
const PERCENT: Shape = Number(0, 100);
const MODE: Shape = Word(&["manage", "additive", "observe"]);
const OWNER: Shape = Word(&["tidal", "rekordbox"]);
const LIMIT: Shape = Either(&[COUNT, Table(LIMIT_KEYS)]);

/// The top of the document.
pub const TOP: &[Key] = &[
    need(
        "version",
        Number(1, 1),
        "the version of the policy language",
    ),
    key("state", Table(STATE), "where the state database lies"),
    need(
        "library",
        Table(LIBRARY),
        "where the music lies and how it is named",
    ),
    key("tidal", Table(TIDAL), "which playlists are managed"),
    key(
        "download",
        Table(DOWNLOAD),
        "how missing tracks are fetched",
    ),
    key(
        "rekordbox",
        Table(REKORDBOX),
        "which Rekordbox database, and what may be done to it",
    ),
    key(
        "defaults",
        Table(DEFAULTS),
        "what happens where no rule matches",
    ),
    key("safety", Table(SAFETY), "limits that stop a plan"),
    key(
        "trash",
        Table(TRASH),
        "how long the trash keeps what it has",
    ),
    key("match", Table(MATCH), "which file is which track"),
    key(
        "watch",
        Table(WATCH),
        "what `tidal-cleanup watch` does by itself",
    ),
    key("own", Table(OWN), "whose word counts for a field"),
    key(
        "freeze",
        Tables(FREEZE),
        "weekly windows in which little may change",
    ),
    key(
        "protect",
        Tables(PROTECT),
        "what is never done, whatever the rules say",
    ),
    key("rule", Tables(RULE), "the first that matches decides"),
    key(
        "playlist",
        Named(&Table(PLAYLIST)),
        "single playlists, by name or UUID",
    ),
    key("moved", Tables(MOVED), "playlists that got a new UUID"),
    key(
        "mytag",
        Named(&Named(&Text)),
        "emoji and the MyTag that each stands for, by group",
    ),
    key("mytags", Table(MYTAGS), "what is made of the tags"),
    key("test", Tables(TEST), "tests of this policy"),
];

/// `[state]`
pub const STATE: &[Key] = &[
    key("path", Text, "the state database; relative to this file"),
    key(
        "url",
        Text,
        "a PostgreSQL database instead, shared by several machines or people; without a password",
    ),
    key(
        "require_approval",
        Number(0, 100),
        "how many other people must agree to a plan that trashes files or changes TIDAL",
    )
    .or("0"),
];

/// `[library]`
pub const LIBRARY: &[Key] = &[
    need(
        "root",
        Text,
        "the library folder; `~` and `$VARIABLES` work",
    ),
    key(
        "playlists",
        AnyText,
        "the folder below the root that holds the playlists' folders",
    )
    .or(r#""Playlists""#),
    key(
        "file",
        Text,
        "a file's name, such as {artist} - {title}{ (version)}",
    )
    .or(r#""{artist} - {title}{ (version)}""#),
    key(
        "format",
        Word(&["keep", "mp3", "m4a", "flac", "wav", "aiff"]),
        "what downloads are converted to",
    )
    .or(r#""keep""#),
    key(
        "quality",
        Like("^(V[0-9]|[0-9]{1,4}k|lossless)$"),
        "of a conversion: V0 … V9, 320k, lossless",
    )
    .or(r#""V0""#),
    key(
        "sharing",
        Word(&["m3u8", "hardlink", "copy"]),
        "what a track's further playlists get; a file of `sources` is copied, also for `hardlink`",
    )
    .or(r#""m3u8""#),
    key(
        "sources",
        Few(&Either(&[Text, Table(SOURCE)])),
        "further folders: matched against, never changed",
    ),
    key(
        "hash",
        Word(&["needed", "always"]),
        "when a file's SHA-256 is learnt",
    )
    .or(r#""needed""#),
];

/// An item of `[library] sources`.
pub const SOURCE: &[Key] = &[
    need("path", Text, "the folder"),
    key(
        "provenance",
        Word(&["foreign", "adopted"]),
        "whose its files are",
    )
    .or(r#""foreign""#),
];

/// `[tidal]`
pub const TIDAL: &[Key] = &[
    key(
        "playlists",
        Few(&Text),
        "which playlists: patterns on names, or UUIDs",
    )
    .or(r#"["*"]"#),
    key("exclude", Few(&Text), "and which not").or("[]"),
    key(
        "favorites",
        Flag,
        "whether the favourite tracks count as a playlist",
    )
    .or("false"),
    key(
        "country",
        Like("^[A-Z]{2}$"),
        "ISO 3166-1 alpha-2, such as DE",
    ),
    key(
        "snapshot",
        Text,
        "plan from a saved reading instead of asking TIDAL",
    ),
    key("account", Text, "which log-in").or(r#""default""#),
    key(
        "cleanup",
        Few(&Word(&["duplicates", "unavailable"])),
        "what may go from TIDAL itself; absent: nothing is written there",
    )
    .or("[]"),
];

/// `[download]`
pub const DOWNLOAD: &[Key] = &[
    key(
        "command",
        Either(&[Word(&["none"]), Many(&Text)]),
        "the command and its arguments, with {url} {id} {dir} {name}; or none",
    )
    .or(r#""none""#),
    key("parallel", Number(1, 32), "how many at once").or("2"),
    key("timeout", DURATION, "for one track").or(r#""10m""#),
    key("ffmpeg", Text, "the program to convert with").or(r#""ffmpeg""#),
    key(
        "retry_unavailable",
        DURATION,
        "how long a track is left alone that was not to be had",
    )
    .or(r#""7d""#),
];

/// `[rekordbox]`
pub const REKORDBOX: &[Key] = &[
    key("database", Text, "auto, none, or a path").or(r#""auto""#),
    key(
        "folder",
        AnyText,
        "our playlists live below this folder; empty for the top",
    )
    .or(r#""TIDAL""#),
    key("write", Flag, "false: Rekordbox is read and never written").or("true"),
    key("xml", Text, "where rekordbox.xml is exported to"),
    key(
        "relocate",
        Flag,
        "whether rows with work may be pointed at a file's new place",
    )
    .or("false"),
    key(
        "duplicates",
        Word(&["keep", "merge", "merge-all"]),
        "what becomes of several rows of one recording",
    )
    .or(r#""keep""#),
    key(
        "backups",
        Number(1, 1000),
        "how many backups of the database are kept",
    )
    .or("10"),
];

/// `[defaults]`
pub const DEFAULTS: &[Key] = &[
    key(
        "playlist_removed",
        Word(&["soft-delete", "archive", "remove"]),
        "of playlists that are gone from TIDAL, now or earlier",
    )
    .or(r#""soft-delete""#),
    key(
        "track_removed",
        Word(&["keep-file", "trash"]),
        "of a file that no playlist needs",
    )
    .or(r#""keep-file""#),
    key(
        "unavailable_on_tidal",
        Word(&["keep"]),
        "of a track that TIDAL no longer streams: that is no removal",
    )
    .or(r#""keep""#),
    key("mode", MODE, "how far playlists are managed").or(r#""manage""#),
];

/// `[safety]`
pub const SAFETY: &[Key] = &[
    key("max_remove", LIMIT, "TC201: removals of one plan")
        .or("{ count = 25, percent = 5, min = 10 }"),
    key(
        "max_remove_per_playlist",
        LIMIT,
        "TC202: removals from one playlist",
    )
    .or("{ percent = 50, min = 10 }"),
    key(
        "rolling",
        Table(ROLLING),
        "TC203: removals of all runs within a window",
    )
    .or(r#"{ count = 100, window = "7d" }"#),
    key("min_files_seen", PERCENT, "TC102: percent of the last scan").or("90"),
    key(
        "work_at_risk",
        Word(&["ask", "deny", "allow"]),
        "TC303: files with cues, ratings or plays",
    )
    .or(r#""ask""#),
    key(
        "plan_max_age",
        DURATION,
        "TC404: an older plan must be made again",
    )
    .or(r#""24h""#),
];

/// A limit as a table.
pub const LIMIT_KEYS: &[Key] = &[
    key("count", COUNT, "so many"),
    key(
        "percent",
        PERCENT,
        "or so many percent of what is there; the lower one wins",
    ),
    key("min", COUNT, "the least that the percentage comes to"),
];

/// `[safety] rolling`
pub const ROLLING: &[Key] = &[
    need("count", COUNT, "so many"),
    need("window", DURATION, "within this time"),
];

/// `[trash]`
pub const TRASH: &[Key] = &[
    key("keep", DURATION, "how long").or(r#""30d""#),
    key("max_bytes", Size, "how much").or(r#""50GiB""#),
];

/// `[match]`
pub const MATCH: &[Key] = &[
    key("auto", PERCENT, "linked without asking at or above this").or("97"),
    key("ask", PERCENT, "asked at or above this").or("80"),
    key("duration_tolerance", DURATION, "how far lengths may differ").or(r#""3s""#),
    key(
        "veto",
        Few(&Word(&["version", "duration"])),
        "what no score outweighs",
    )
    .or(r#"["version", "duration"]"#),
];

/// `[watch]`
pub const WATCH: &[Key] = &[
    key(
        "every",
        DURATION,
        "how often TIDAL is asked and a plan made",
    )
    .or(r#""1h""#),
    key(
        "settle",
        DURATION,
        "how long the library must be quiet after a change before it is looked at",
    )
    .or(r#""30s""#),
    key(
        "apply",
        Word(&["nothing", "additive"]),
        "what is applied without a person: nothing, or what only adds",
    )
    .or(r#""nothing""#),
    key(
        "notify",
        Either(&[Word(&["desktop", "none"]), Many(&Text)]),
        "how a person is told: on the desktop, not at all, or by a command with {title} and {text}",
    )
    .or(r#""desktop""#),
];

/// `[own]`
pub const OWN: &[Key] = &[
    key("title", OWNER, "who is authoritative").or(r#""tidal""#),
    key("artist", OWNER, "who is authoritative").or(r#""tidal""#),
    key("album", OWNER, "who is authoritative").or(r#""tidal""#),
    key("year", OWNER, "who is authoritative").or(r#""tidal""#),
    key(
        "genre",
        Word(&["rekordbox"]),
        "TIDAL tells no genre, so it is always yours",
    )
    .or(r#""rekordbox""#),
    key(
        "rating",
        Word(&["rekordbox"]),
        "TIDAL has no rating, so it is always yours",
    )
    .or(r#""rekordbox""#),
    key(
        "name",
        OWNER,
        "the name of our playlists and folders in Rekordbox",
    )
    .or(r#""tidal""#),
    key("folder", OWNER, "which folder they are in there").or(r#""tidal""#),
    key(
        "mytags",
        OWNER,
        "whether a MyTag of ours that you took off comes back",
    )
    .or(r#""tidal""#),
];

/// `[[freeze]]`
pub const FREEZE: &[Key] = &[
    need("name", Text, "its name, for reasons"),
    need("every", Text, "the window, such as Fri 12:00 .. Mon 06:00"),
    key(
        "timezone",
        Text,
        "an IANA name, such as Europe/Berlin; else the machine's",
    ),
    key(
        "allow",
        Few(&Word(&[
            "additive",
            "move",
            "change",
            "remove",
            "destructive",
        ])),
        "what may be done all the same",
    )
    .or(r#"["additive"]"#),
];

/// `[[protect]]`
pub const PROTECT: &[Key] = &[
    need("name", Text, "its name, for reasons"),
    need("when", Condition, "what it protects"),
    need(
        "deny",
        Few(&Word(&["trash", "remove", "move", "change"])),
        "what is never done",
    ),
];

/// `[[rule]]`
pub const RULE: &[Key] = &[
    need("name", Text, "its name, for reasons"),
    need("when", Condition, "what it is about"),
    need(
        "then",
        Either(&[
            Word(&["keep", "trash", "upgrade", "archive"]),
            Table(DEDUPE),
            Table(ARCHIVE),
        ]),
        "what is done",
    ),
];

/// `then` of a rule, as a table.
pub const THEN: [&str; 3] = ["keep", "others", "archive"];

const DEDUPE: &[Key] = &[
    need(
        "keep",
        Word(&["best"]),
        "the best copy: cues, then lossless, then bitrate, then oldest",
    ),
    need("others", Word(&["trash"]), "where the others go"),
];

const ARCHIVE: &[Key] = &[need("archive", Text, "the Rekordbox folder, a template")];

/// `[playlist."NAME"]`
pub const PLAYLIST: &[Key] = &[
    key("mode", MODE, "how far it is managed"),
    key("order", OWNER, "who orders it"),
    key("max_remove", LIMIT, "TC202 for this playlist"),
];

/// `[[moved]]`
pub const MOVED: &[Key] = &[
    need("from", Text, "the old UUID"),
    need("to", Text, "the new UUID"),
];

/// `[mytags]`
pub const MYTAGS: &[Key] = &[
    key(
        "default",
        Named(&Text),
        "the tag of a group where a name has none",
    ),
    key(
        "none",
        Named(&Text),
        "the tag for tracks that end with none of the group",
    ),
    key(
        "folders",
        AnyText,
        "Rekordbox folder of a playlist, a template",
    ),
    key("events", Table(EVENTS), "playlists that are events"),
    key(
        "name",
        AnyText,
        "a playlist's name in Rekordbox, a template",
    ),
    key(
        "smart",
        Few(&Table(SMART)),
        "smart playlists for combinations of tags",
    ),
    key(
        "categories",
        Named(&Few(&Text)),
        "what {Genre.category} stands for",
    ),
];

/// `[mytags] events`
pub const EVENTS: &[Key] = &[
    need("group", Text, "whose emoji mark an event"),
    key("folder", AnyText, "its folder, a template"),
    key("tag", AnyText, "its tag, a template"),
    key(
        "smart_playlist",
        Flag,
        "a smart playlist over the tag instead of a list",
    ),
];

/// An item of `[mytags] smart`.
pub const SMART: &[Key] = &[
    key("folder", AnyText, "the folder, a template"),
    need("by", Few(&Text), "the groups"),
];

/// `[[test]]`
pub const TEST: &[Key] = &[
    need("name", Text, "its name"),
    need("given", Facts, "what is known of the file or playlist"),
    need(
        "expect",
        Text,
        "such as keep by protect cues, trash by rule orphans, keep by default",
    ),
];

const fn key(name: &'static str, shape: Shape, meaning: &'static str) -> Key {
    Key {
        name,
        shape,
        needed: false,
        meaning,
        default: None,
    }
}

const fn need(name: &'static str, shape: Shape, meaning: &'static str) -> Key {
    Key {
        needed: true,
        ..key(name, shape, meaning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    /// The policy that begins with these lines, as it is read; its places aside.
    fn read(more: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tidal-cleanup.toml");
        std::fs::write(&path, format!("version = 1\nlibrary.root = \"/m\"\n{more}")).unwrap();
        let loaded = Policy::load(&path, &|_| None, folder.path());
        let mut policy = loaded
            .unwrap_or_else(|error| panic!("{more}: {error:?}"))
            .policy;
        policy.lines.clear();
        let text = format!("{policy:#?}").replace(&folder.path().display().to_string(), "");
        let of_the_text = ["sha256:", "line:", "file: \"", "text:"];
        let same = |line: &&str| !of_the_text.iter().any(|part| line.trim().starts_with(part));
        text.lines().filter(same).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_called_a_default_is_one() {
        let plain = read("");
        let mut told = 0;
        for key in TOP {
            let Shape::Table(keys) = key.shape else {
                continue;
            };
            for inner in keys {
                let Some(default) = inner.default else {
                    continue;
                };
                told += 1;
                let line = format!("{}.{} = {default}", key.name, inner.name);
                assert_eq!(read(&line), plain, "{line}");
            }
        }
        assert!(told > 40, "{told}");
    }
}
