//! The Python tool's `.env`, from the disk.

use std::path::{Path, PathBuf};

use super::PeerError;
use crate::policy::import::{OldEnv, Setting};

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
    /// How many lines are no settings.
    pub unreadable: usize,
}

impl PeerEnv {
    /// Reads the file; `home` stands for `~` and `${HOME}`.
    ///
    /// # Errors
    /// When it cannot be opened, or is no text.
    pub fn read(path: &Path, home: Option<&Path>) -> Result<Self, PeerError> {
        let text = std::fs::read_to_string(path).map_err(|source| PeerError::Read {
            path: path.to_owned(),
            source,
        })?;
        let env = OldEnv::parse(&text);
        let expanded = |value: Option<String>| value.map(|value| expanded(&value, home));
        Ok(Self {
            path: path.to_owned(),
            mp3: expanded(env.root),
            database: expanded(env.database),
            settings: env.settings,
            unreadable: env.unreadable.len(),
        })
    }
}

fn expanded(value: &str, home: Option<&Path>) -> PathBuf {
    let below_home = ["~", "${HOME}"]
        .iter()
        .find_map(|sign| value.strip_prefix(sign))
        .filter(|rest| rest.is_empty() || rest.starts_with('/'));
    match (below_home, home) {
        (Some(rest), Some(home)) => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(value),
    }
}
