//! The Python tool's `.env`: settings that have a place in our policy. Values that are or may be secret
//! are neither kept nor shown.

use std::path::{Path, PathBuf};

use super::PeerError;

/// Its settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerEnv {
    /// Where it was read.
    pub path: PathBuf,
    /// Its MP3 folder: what its paths are relative to.
    pub mp3: Option<PathBuf>,
    /// Its database.
    pub database: Option<PathBuf>,
    /// What the policy could say, in the order of the file.
    pub settings: Vec<Setting>,
    /// Lines that are no settings, by number of the setting they follow; never their text.
    pub unreadable: usize,
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

impl PeerEnv {
    /// Reads the file; `home` stands for `~`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn read(path: &Path, home: Option<&Path>) -> Result<Self, PeerError> {
        let lines = dotenvy::from_path_iter(path).map_err(|error| PeerError::Read {
            path: path.to_owned(),
            // Its own message may quote a line, and a line may hold a secret.
            source: match error {
                dotenvy::Error::Io(source) => source,
                _ => std::io::Error::new(std::io::ErrorKind::InvalidData, "it cannot be read"),
            },
        })?;
        let mut env = Self {
            path: path.to_owned(),
            ..Self::default()
        };
        for line in lines {
            match line {
                Ok((name, value)) => env.learn(&name, &value, home),
                Err(dotenvy::Error::LineParse(..)) => env.unreadable += 1,
                Err(_) => break,
            }
        }
        Ok(env)
    }

    fn learn(&mut self, name: &str, value: &str, home: Option<&Path>) {
        let folder = || expanded(value, home);
        let quoted = |text: &str| Some(toml_edit::Value::from(text).to_string().trim().to_owned());
        let mut told = Setting {
            name: name.to_owned(),
            key: None,
            value: None,
            note: "",
        };
        match name.strip_prefix(PREFIX) {
            _ if value.is_empty() => return,
            Some("MP3_DIRECTORY") => {
                self.mp3 = Some(folder());
                told.key = Some("library.root");
                told.value = quoted(value);
            }
            Some("DATABASE_PATH") => {
                self.database = Some(folder());
                told.note = "its database; ours is another file";
            }
            Some("TARGET_FORMAT") => {
                told.key = Some("library.format");
                told.value = quoted(value.to_lowercase().trim_start_matches('.'));
            }
            Some("FFMPEG_QUALITY") => {
                told.key = Some("library.quality");
                told.value = match value.parse::<u8>() {
                    Ok(level @ 0..=9) => quoted(&format!("V{level}")),
                    _ => quoted(value),
                };
            }
            Some("REKORDBOX_OUTPUT_FILE") => {
                told.key = Some("rekordbox.xml");
                told.value = quoted(value);
            }
            Some("M4A_DIRECTORY") => told.note = "a second tree is not kept any more",
            Some("REKORDBOX_INPUT_FOLDER") => told.note = "follows from library.root",
            Some("FUZZY_MATCH_THRESHOLD") => {
                told.note = "another scale; [match] auto and ask are ours";
            }
            Some("TIDAL_CLIENT_ID" | "CLIENT_ID") => {
                told.note = "set TIDAL_CLEANUP_TIDAL_CLIENT_ID; it is not copied";
            }
            Some("TIDAL_TOKEN_FILE") => {
                told.note = "not read: log in with `tidal-cleanup login`";
            }
            _ if is_secret(name) => told.note = "not read: it looks like a secret",
            Some("LOG_LEVEL" | "LOG_FILE" | "INTERACTIVE_MODE") | None => return,
            Some(_) => told.note = "has no place in the policy",
        }
        self.settings.push(told);
    }
}

fn is_secret(name: &str) -> bool {
    [
        "TOKEN", "SECRET", "PASSWORD", "PASSWD", "KEY", "COOKIE", "SESSION",
    ]
    .iter()
    .any(|word| name.to_uppercase().contains(word))
}

fn expanded(value: &str, home: Option<&Path>) -> PathBuf {
    match (Path::new(value).strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(value),
    }
}
