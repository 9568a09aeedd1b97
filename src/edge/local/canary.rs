//! The library's marker: a file in the root whose absence says that the volume is not there.

use std::{fs, io, path::Path, path::PathBuf};

use serde::Deserialize;

use super::LocalError;
use crate::domain::LibraryId;

/// The folder of ours in the library root.
pub const FOLDER: &str = ".tidal-cleanup";
/// The marker in it.
pub const FILE: &str = "library.toml";

#[derive(Deserialize)]
struct Marker {
    library_id: String,
}

/// Where the marker of a library lies.
#[must_use]
pub fn place(root: &Path) -> PathBuf {
    root.join(FOLDER).join(FILE)
}

/// The id in the marker; `None` when there is no marker.
///
/// # Errors
/// [`LocalError::Canary`] when it is damaged, [`LocalError::Io`] when it cannot be read.
pub fn read(root: &Path) -> Result<Option<LibraryId>, LocalError> {
    let path = place(root);
    let text = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(source) => {
            let doing = "read";
            return Err(LocalError::Io {
                doing,
                path,
                source,
            });
        }
    };
    let damaged = |reason: String| LocalError::Canary {
        path: path.clone(),
        reason,
    };
    let text = String::from_utf8(text).map_err(|_| damaged("it is not text".to_owned()))?;
    let marker: Marker =
        toml::from_str(&text).map_err(|error| damaged(error.message().to_owned()))?;
    if marker.library_id.trim().is_empty() {
        return Err(damaged("its library_id is empty".to_owned()));
    }
    Ok(Some(LibraryId::new(marker.library_id)))
}

/// The marker's text.
#[must_use]
pub fn text(id: &LibraryId) -> String {
    format!(
        "# This file marks the music library that tidal-cleanup manages. While it cannot be read,\n\
         # tidal-cleanup takes the volume for absent and touches nothing here. Keep it.\n\
         library_id = {}\n",
        toml::Value::from(id.as_str())
    )
}
