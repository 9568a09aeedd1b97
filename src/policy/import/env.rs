//! The Python tool's `.env`: its settings, and what becomes of each here. Values that are or may be secret
//! are neither kept nor shown.

use std::fmt::Write as _;

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OldEnv {
    /// Its MP3 folder, as written: what its paths are relative to.
    pub root: Option<String>,
    /// Its database, as written.
    pub database: Option<String>,
    /// All settings that have a value, in the order of the file.
    pub settings: Vec<Setting>,
    /// Lines that are no settings, counted from 1; never their text.
    pub unreadable: Vec<usize>,
}

/// One of its settings, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Setting {
    /// Its name there.
    pub name: String,
    /// The key of our policy, such as `library.root`; `None`: it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'static str>,
    /// The value that the policy would have, as TOML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What to know about it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub note: &'static str,
}

const PREFIX: &str = "TIDAL_CLEANUP_";
const ROOT: &str = "library.root";
const PLAYLISTS: &str = "library.playlists";
const FORMAT: &str = "library.format";
const QUALITY: &str = "library.quality";
const XML: &str = "rekordbox.xml";

impl OldEnv {
    /// Reads the file's text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut env = Self::default();
        let mut lists = None;
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match assignment(line) {
                Some((name, value)) if !value.is_empty() => env.learn(name, &value, &mut lists),
                Some(_) => {}
                None => env.unreadable.push(number + 1),
            }
        }
        env.place(lists.as_ref());
        env
    }

    /// The TOML value that the policy would have for a key.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        let mut settings = self.settings.iter().rev();
        settings
            .find(|setting| setting.key == Some(key))?
            .value
            .as_deref()
    }

    fn learn(&mut self, name: &str, value: &str, lists: &mut Option<(usize, String)>) {
        let (key, shown, note) = match name.strip_prefix(PREFIX).unwrap_or(name) {
            "MP3_DIRECTORY" => {
                self.root = Some(value.to_owned());
                (Some(ROOT), Some(path(value)), "")
            }
            "REKORDBOX_INPUT_FOLDER" => {
                *lists = Some((self.settings.len(), value.to_owned()));
                (None, None, "left out: it is not below MP3_DIRECTORY")
            }
            "DATABASE_PATH" => {
                self.database = Some(value.to_owned());
                (None, None, "left out: its database; ours is another file")
            }
            "REKORDBOX_OUTPUT_FILE" => (Some(XML), Some(path(value)), ""),
            "TARGET_FORMAT" => {
                let format = value.trim_start_matches('.').to_lowercase();
                match format.as_str() {
                    "mp3" | "m4a" | "flac" | "wav" | "aiff" => {
                        (Some(FORMAT), Some(text(&format)), "")
                    }
                    _ => {
                        let note = "left out: it is none of mp3, m4a, flac, wav, aiff";
                        (None, None, note)
                    }
                }
            }
            "FFMPEG_QUALITY" => match value.as_bytes() {
                [b'0'..=b'9'] => (Some(QUALITY), Some(text(&format!("V{value}"))), ""),
                _ => (None, None, "left out: it is none of 0 to 9"),
            },
            "FUZZY_MATCH_THRESHOLD" => {
                let note = "left out: another scale; [match] auto and ask are ours";
                (None, None, note)
            }
            "M4A_DIRECTORY" => {
                let note = "left out: there is one file for each track. To match what lies there, name it in [library] sources";
                (None, None, note)
            }
            "TIDAL_CLIENT_ID" | "CLIENT_ID" => {
                let note = "not copied: set TIDAL_CLEANUP_TIDAL_CLIENT_ID";
                (None, None, note)
            }
            "TIDAL_TOKEN_FILE" => (None, None, "not read: log in with `tidal-cleanup login`"),
            _ if is_secret(name) => (None, None, "not read: it looks like a secret"),
            _ => (None, None, "left out: it has no meaning here"),
        };
        self.settings.push(Setting {
            name: name.to_owned(),
            key,
            value: shown,
            note,
        });
    }

    /// What can be told of one setting only when all are known.
    fn place(&mut self, lists: Option<&(usize, String)>) {
        let below = lists.and_then(|(at, lists)| {
            let rest = lists.strip_prefix(self.root.as_deref()?.trim_end_matches('/'))?;
            let inner = rest.strip_prefix('/').map(|inner| inner.trim_matches('/'));
            Some((*at, inner.filter(|inner| !inner.is_empty())?))
        });
        if let Some((at, inner)) = below {
            let (key, value) = (Some(PLAYLISTS), Some(text(inner)));
            let setting = &mut self.settings[at];
            (setting.key, setting.value, setting.note) = (key, value, "");
        }
        let lossless = [text("flac"), text("wav"), text("aiff")];
        if self
            .value(FORMAT)
            .is_some_and(|format| lossless.iter().any(|one| one == format))
        {
            let qualities = self.settings.iter_mut();
            for setting in qualities.filter(|setting| setting.key == Some(QUALITY)) {
                setting.value = Some(text("lossless"));
            }
        }
    }

    /// The tables of a policy: a whole one where the library's folder is known, else a part.
    pub(super) fn toml(&self) -> String {
        let mut toml = String::new();
        if let Some(root) = self.value(ROOT) {
            toml.push_str("version = 1\n\n[library]\n");
            let format = self
                .value(FORMAT)
                .map_or_else(|| text("mp3"), str::to_owned);
            let lossy = format == text("mp3") || format == text("m4a");
            let quality = match self.value(QUALITY) {
                None if !lossy => Some(text("lossless")),
                other => other.map(str::to_owned),
            };
            for (key, value) in [
                ("root", Some(root)),
                ("playlists", self.value(PLAYLISTS)),
                ("format", Some(format.as_str())),
                ("quality", quality.as_deref()),
            ] {
                if let Some(value) = value {
                    let _ = writeln!(toml, "{key} = {value}");
                }
            }
        }
        if let Some(xml) = self.value(XML) {
            let _ = writeln!(toml, "\n[rekordbox]\nxml = {xml}");
        }
        toml
    }
}

/// `NAME=value`, `export` before it or not.
fn assignment(line: &str) -> Option<(&str, String)> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_name.then(|| (name, unquoted(value)))
}

/// A value: in quotes, or up to a comment.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    if let Some(inner) = value.strip_prefix('\'') {
        return inner.split('\'').next().unwrap_or_default().to_owned();
    }
    let Some(inner) = value.strip_prefix('"') else {
        let end = match value.strip_prefix('#') {
            Some(_) => 0,
            None => value.find(" #").unwrap_or(value.len()),
        };
        return value[..end].trim().to_owned();
    };
    let mut text = String::new();
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => match letters.next() {
                Some(escaped @ ('"' | '\\')) => text.push(escaped),
                other => {
                    text.push('\\');
                    text.extend(other);
                }
            },
            other => text.push(other),
        }
    }
    text
}

fn is_secret(name: &str) -> bool {
    [
        "TOKEN", "SECRET", "PASSWORD", "PASSWD", "KEY", "COOKIE", "SESSION",
    ]
    .iter()
    .any(|word| name.to_uppercase().contains(word))
}

/// A TOML string.
fn text(text: &str) -> String {
    super::quoted(text)
}

/// A path as the policy writes it: there a bare `$` begins a variable too, here only `${`.
fn path(value: &str) -> String {
    let mut written = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        written.push_str(before);
        written.push_str(if after.starts_with('{') { "$" } else { "$$" });
        rest = after;
    }
    text(&(written + rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_the_old_tool_read_them() {
        for (line, expected) in [
            ("A=b", Some(("A", "b"))),
            ("export A = b # c", Some(("A", "b"))),
            ("A='x # y' # z", Some(("A", "x # y"))),
            (
                r#"A="C:\Music \"live\"" # z"#,
                Some(("A", r#"C:\Music "live""#)),
            ),
            ("A=# nothing", Some(("A", ""))),
            ("A=b#c", Some(("A", "b#c"))),
            ("= b", None),
            ("no setting", None),
            ("SOME THING=1", None),
        ] {
            let read = assignment(line);
            let read = read.as_ref().map(|(name, value)| (*name, value.as_str()));
            assert_eq!(read, expected, "{line}");
        }
    }

    #[test]
    fn every_setting_is_told_and_no_secret() {
        let env = OldEnv::parse(
            "\u{feff}# x\nTIDAL_CLEANUP_MP3_DIRECTORY=${HOME}/Mu$ic/mp3/\n\
             TIDAL_CLEANUP_REKORDBOX_INPUT_FOLDER=${HOME}/Mu$ic/mp3/Playlists/\n\
             TIDAL_CLEANUP_TARGET_FORMAT=.FLAC\nTIDAL_CLEANUP_FFMPEG_QUALITY=2\n\
             TIDAL_CLEANUP_LOG_LEVEL=DEBUG\nTIDAL_CLEANUP_FUZZY_MATCH_THRESHOLD=80\nEMPTY=\n\
             MY_SECRET=hush\nthis is hush\n",
        );
        assert_eq!(env.root.as_deref(), Some("${HOME}/Mu$ic/mp3/"));
        assert_eq!(env.unreadable, [10]);
        assert_eq!(env.settings.len(), 7);
        assert!(
            env.settings
                .iter()
                .all(|one| one.key.is_some() != one.note.starts_with(char::is_alphabetic))
        );
        assert!(!format!("{env:?}").contains("hush"), "{env:?}");
        assert_eq!(
            env.toml(),
            "version = 1\n\n[library]\nroot = \"${HOME}/Mu$$ic/mp3/\"\nplaylists = \"Playlists\"\n\
             format = \"flac\"\nquality = \"lossless\"\n"
        );
    }
}
