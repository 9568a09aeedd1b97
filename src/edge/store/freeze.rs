//! The freeze that a person set by hand: `<state database>.freeze`, a small file beside the database.
//!
//! A file and no row: `apply` has to see it also while the database is busy or older than this program.

use std::{
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Until when, since when, and what for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandFreeze {
    /// It ends then.
    pub until: Timestamp,
    /// It was set then.
    pub since: Timestamp,
    /// In the person's words; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub because: String,
}

impl HandFreeze {
    /// Whether it is on at that time.
    #[must_use]
    pub fn is_on(&self, now: Timestamp) -> bool {
        now < self.until
    }

    /// The one that was set beside this state database, over or not.
    ///
    /// # Errors
    /// When the file is there and cannot be read: then nobody knows, and the gate refuses.
    pub fn read(db: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(path(db)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, db: &Path) -> io::Result<()> {
        let path = path(db);
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut file, self)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    }

    /// Ends it; whether there was one.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn lift(db: &Path) -> io::Result<bool> {
        match std::fs::remove_file(path(db)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn path(db: &Path) -> PathBuf {
    db.with_extension("freeze")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_set_and_lifted() {
        let folder = tempfile::tempdir().unwrap();
        let db = folder.path().join("new/sync.db");
        assert_eq!(HandFreeze::read(&db).unwrap(), None);
        let second = |n| Timestamp::from_second(n).unwrap();
        let freeze = HandFreeze {
            until: second(20),
            since: second(10),
            because: "the gig".to_owned(),
        };
        freeze.write(&db).unwrap();
        assert_eq!(HandFreeze::read(&db).unwrap().as_ref(), Some(&freeze));
        assert!(freeze.is_on(second(19)) && !freeze.is_on(second(20)));
        std::fs::write(path(&db), "torn").unwrap();
        assert!(HandFreeze::read(&db).is_err());
        assert!(HandFreeze::lift(&db).unwrap());
        assert!(!HandFreeze::lift(&db).unwrap());
    }
}
