//! Whether a file, or an SQLite database with its `-wal`, is as it was, told from outside.
//!
//! A [`Seal`] has everything that changes when somebody writes:
//!
//! - size, inode, modification time and (on Unix) the time of the last change of the inode, of the
//!   file and its `-wal`. The latter cannot be set back by any program, so that an edit which
//!   keeps size and modification time is seen as well;
//! - its first and its last page. SQLite writes the first page in every transaction that is not in the
//!   `-wal`; where it is encrypted, every page ends in a fresh random number;
//! - the head of the `-wal` (new salts after every restart) and the index of the `-wal` in `-shm`, whose
//!   counter and checksum every transaction changes.
//!
//! Times are only as fine as the file system's: a file that was changed within that grain of the
//! reading (2 s where times are whole milliseconds or coarser, as on exFAT; else 0.1 s) could change again
//! without looking different, so such a reading is not kept. Nor is one during which the seal changed,
//! or one of a file from the future (another machine's clock).

use std::{
    ffi::OsString,
    fs::{self, File, Metadata},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The grain of times on a coarse file system, with a margin.
const COARSE: Duration = Duration::from_millis(2_100);
/// The grain where times have nanoseconds: the kernel's tick, with a margin.
const FINE: Duration = Duration::from_millis(100);

const PAGE: u64 = 4096;

/// What a file, and what belongs to it, looks like from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    bytes: Vec<u8>,
    /// The latest time in it, and whether times are coarse.
    newest: SystemTime,
    coarse: bool,
}

impl Seal {
    /// Looks at a file and what lies beside it.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn of(database: &Path) -> io::Result<Self> {
        let mut seal = Self {
            bytes: fs::canonicalize(database)?
                .as_os_str()
                .as_encoded_bytes()
                .to_vec(),
            newest: UNIX_EPOCH,
            coarse: false,
        };
        let mut file = File::open(database)?;
        let about = file.metadata()?;
        seal.stat(&about);
        seal.part(&mut file, 0, PAGE)?;
        seal.part(&mut file, about.len().saturating_sub(PAGE), PAGE)?;
        seal.side(&beside(database, "-wal"), 32)?;
        seal.side(&beside(database, "-shm"), 136)?;
        Ok(seal)
    }

    /// Whether a reading that began at `from` can be told from every later state by this seal.
    #[must_use]
    pub fn is_settled(&self, from: SystemTime) -> bool {
        let grain = if self.coarse { COARSE } else { FINE };
        from.duration_since(self.newest)
            .is_ok_and(|age| age > grain)
    }

    /// All that it says.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn stat(&mut self, about: &Metadata) {
        self.bytes.extend(about.len().to_le_bytes());
        let modified = about.modified().ok();
        for time in [modified, changed(about)] {
            // A file system without times gives no proof: never settled.
            let time = time.unwrap_or(SystemTime::now() + COARSE);
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            self.bytes.extend(since.as_nanos().to_le_bytes());
            self.newest = self.newest.max(time);
        }
        let finest = changed(about).or(modified).unwrap_or(UNIX_EPOCH);
        let nanos = finest.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.coarse |= nanos.subsec_nanos().is_multiple_of(1_000_000);
        self.bytes.extend(inode(about).to_le_bytes());
    }

    fn side(&mut self, path: &Path, head: u64) -> io::Result<()> {
        match File::open(path) {
            Ok(mut file) => {
                let about = file.metadata()?;
                // The index of the log is shared memory: its times tell nothing, its content does.
                match head == 32 && about.len() > 0 {
                    true => self.stat(&about),
                    false => self.bytes.extend(about.len().to_le_bytes()),
                }
                self.part(&mut file, 0, head)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.bytes.push(0);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn part(&mut self, file: &mut File, from: u64, length: u64) -> io::Result<()> {
        file.seek(SeekFrom::Start(from))?;
        file.take(length).read_to_end(&mut self.bytes)?;
        Ok(())
    }
}

/// `sync.db-wal` for `sync.db`.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(suffix);
    path.with_file_name(name)
}

#[cfg(unix)]
fn changed(about: &Metadata) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt as _;
    let seconds = u64::try_from(about.ctime()).ok()?;
    let nanos = u32::try_from(about.ctime_nsec()).ok()?;
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

#[cfg(not(unix))]
fn changed(about: &Metadata) -> Option<SystemTime> {
    about.modified().ok()
}

#[cfg(unix)]
pub(super) fn inode(about: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    about.ino()
}

#[cfg(not(unix))]
pub(super) fn inode(_: &Metadata) -> u64 {
    0
}

#[cfg(test)]
pub(in crate::edge) mod tests {
    use super::*;

    pub(in crate::edge) struct Library {
        pub(in crate::edge) folder: tempfile::TempDir,
    }

    impl Library {
        pub(in crate::edge) fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("master.db"), vec![7; 9000]).unwrap();
            Self { folder }
        }

        fn path(&self) -> std::path::PathBuf {
            self.folder.path().join("master.db")
        }

        pub(in crate::edge) fn seal(&self) -> Seal {
            Seal::of(&self.path()).unwrap()
        }
    }

    #[test]
    fn every_kind_of_change_breaks_the_seal() {
        let library = Library::new();
        let path = library.path();
        let before = library.seal();
        assert_eq!(library.seal(), before);
        fs::write(beside(&path, "-wal"), [1; 40]).unwrap();
        let with_wal = library.seal();
        assert_ne!(with_wal, before);
        fs::write(beside(&path, "-shm"), [1; 200]).unwrap();
        let with_index = library.seal();
        assert_ne!(with_index, with_wal);
        fs::write(beside(&path, "-shm"), [2; 200]).unwrap();
        assert_ne!(library.seal(), with_index);
        fs::remove_file(beside(&path, "-shm")).unwrap();
        fs::remove_file(beside(&path, "-wal")).unwrap();
        assert_eq!(library.seal(), before);
        // Same size, same content at both ends, and the modification time put back.
        let at = fs::metadata(&path).unwrap().modified().unwrap();
        std::thread::sleep(FINE);
        let mut bytes = fs::read(&path).unwrap();
        bytes[4500] = 8;
        fs::write(&path, bytes).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(at).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), at);
        if cfg!(unix) {
            assert_ne!(library.seal(), before);
        }
    }

    #[test]
    fn only_files_that_have_come_to_rest_are_settled() {
        let seal = Library::new().seal();
        assert!(!seal.is_settled(seal.newest));
        assert!(!seal.is_settled(seal.newest - COARSE));
        assert!(!seal.is_settled(seal.newest + FINE));
        assert!(seal.is_settled(seal.newest + COARSE * 2));
    }
}
