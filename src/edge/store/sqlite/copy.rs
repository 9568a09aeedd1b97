//! A private copy of a database that has a write-ahead log, so that reading it writes nothing beside it.
//!
//! The copy is one state: folding the log in writes only pages that are in the log as well, so the log,
//! copied after the database and not begun anew in between, covers whatever the copy of the database
//! caught half-written.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::beside;

/// How often a copy that was disturbed is made again.
const ATTEMPTS: usize = 5;

/// Database and log in a folder of their own, removed when this is dropped.
#[derive(Debug)]
pub(super) struct PrivateCopy(tempfile::TempDir);

impl PrivateCopy {
    pub(super) fn database(&self) -> PathBuf {
        self.0.path().join("copy.db")
    }
}

/// `None`: there is no log, or nothing in it.
pub(super) fn of_database_in_use(path: &Path) -> io::Result<Option<PrivateCopy>> {
    let log = beside(path, "-wal");
    for _ in 0..ATTEMPTS {
        if size(&log) == 0 {
            return Ok(None);
        }
        let before = head(&log);
        let folder = tempfile::Builder::new()
            .prefix("tidal-cleanup-")
            .tempdir()?;
        let copy = PrivateCopy(folder);
        fs::copy(path, copy.database())?;
        match fs::copy(&log, beside(&copy.database(), "-wal")) {
            Ok(_) if head(&log) == before => return Ok(Some(copy)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            // It was begun anew, or the last writer has just taken it away.
            Ok(_) | Err(_) => {}
        }
    }
    Err(io::Error::new(
        io::ErrorKind::ResourceBusy,
        "it is written all the time",
    ))
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |facts| facts.len())
}

/// The beginning of the log, which is new whenever it is begun anew.
fn head(path: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    // What cannot be read compares as empty, and differs from what could be.
    if let Ok(file) = File::open(path) {
        let _ = file.take(32).read_to_end(&mut head);
    }
    head
}
