//! The lock of a run: held by the operating system, let go of by it when the process dies.
//!
//! There is nothing to break by force: a lock that is held has a living holder. The files stay where
//! they are, since removing one would let two runs lock two files of the same name.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::Instant;

/// How often a lock that is held is asked for again.
const PATIENCE: Duration = Duration::from_millis(50);

/// The state directory's and the library root's locks. Let go of when dropped.
#[derive(Debug)]
#[must_use = "the locks are let go of when this is dropped"]
pub struct RunLock {
    held: Vec<File>,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run holds it.
    #[error("{path} is locked by another run{}", by(holder))]
    Held {
        path: String,
        /// `process 4711`, where it can be read.
        holder: Option<String>,
    },
    /// The operating system says no: a file system without locks, a folder that is not there.
    #[error("could not lock {path}")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
}

fn by(holder: &Option<String>) -> String {
    holder
        .as_ref()
        .map(|holder| format!(" ({holder})"))
        .unwrap_or_default()
}

impl RunLock {
    /// Locks the state database at `database` (its lock file lies beside it) and then, where one is
    /// given, the library at `root`; waits up to `timeout` for both together.
    ///
    /// The library's `.tidal-cleanup` folder must be there: it is never made here, so that nothing
    /// is written into an empty mount point.
    ///
    /// # Errors
    /// [`LockError::Held`] when the time is over; what was locked is let go of.
    pub async fn acquire(
        database: &Path,
        root: Option<&Path>,
        timeout: Duration,
    ) -> Result<Self, LockError> {
        let until = Instant::now() + timeout;
        let library = root.map(|root| root.join(".tidal-cleanup").join("lock"));
        let mut held = Vec::new();
        for path in [Some(beside(database)), library].into_iter().flatten() {
            held.push(lock(&path, until).await?);
        }
        Ok(Self { held })
    }
}

/// Who runs with the state database at `database` right now, such as `process 4711`; `None` when
/// nobody does. Nothing is locked or written.
#[must_use]
pub fn holder_of(database: &Path) -> Option<String> {
    let mut file = File::open(beside(database)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            Some(holder(&mut file).unwrap_or_else(|| "another process".to_owned()))
        }
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The text is only for people who wait; the lock itself goes with the file handle.
        for file in self.held.iter_mut().rev() {
            drop(file.set_len(0));
            drop(file.unlock());
        }
    }
}

fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

async fn lock(path: &Path, until: Instant) -> Result<File, LockError> {
    let failed = |source| LockError::Io {
        path: path.display().to_string(),
        source,
    };
    let mut file = open(path).map_err(failed)?;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                tokio::time::sleep(PATIENCE.min(until - Instant::now())).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    path: path.display().to_string(),
                    holder: holder(&mut file),
                });
            }
        }
    }
    sign(&mut file).map_err(failed)?;
    Ok(file)
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "process {}", std::process::id())
}

/// What the holder wrote. On Windows a locked file cannot be read, so that nothing is known there.
fn holder(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(200).read_to_string(&mut text).ok()?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn world() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().join("library");
        std::fs::create_dir_all(root.join(".tidal-cleanup")).expect("a library");
        let database = dir.path().join("sync.db");
        (dir, database, root)
    }

    #[tokio::test]
    async fn who_runs_can_be_asked_without_a_lock() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("sync.db");
        assert_eq!(holder_of(&database), None);
        let held = RunLock::acquire(&database, None, Duration::ZERO)
            .await
            .unwrap();
        let me = format!("process {}", std::process::id());
        assert_eq!(holder_of(&database), Some(me));
        drop(held);
        assert_eq!(holder_of(&database), None);
    }

    #[tokio::test]
    async fn a_second_run_is_told_who_holds_it() {
        let (_dir, database, root) = world();
        let first = RunLock::acquire(&database, Some(&root), NOW).await.unwrap();
        let refused = RunLock::acquire(&database, None, NOW).await.unwrap_err();
        let text = refused.to_string();
        let me = format!("(process {})", std::process::id());
        assert!(
            text.contains("sync.db.lock") && text.ends_with(&me),
            "{text}"
        );
        drop(first);
        drop(RunLock::acquire(&database, Some(&root), NOW).await.unwrap());
    }

    #[tokio::test]
    async fn a_library_is_locked_for_every_database() {
        let (dir, database, root) = world();
        let _first = RunLock::acquire(&database, Some(&root), NOW).await.unwrap();
        let other = dir.path().join("other.db");
        let refused = RunLock::acquire(&other, Some(&root), NOW).await;
        assert!(matches!(refused, Err(LockError::Held { .. })));
        // The lock that it had already taken is free again.
        drop(RunLock::acquire(&other, None, NOW).await.unwrap());
    }

    #[tokio::test]
    async fn waiting_helps() {
        let (_dir, database, _) = world();
        let first = RunLock::acquire(&database, None, NOW).await.unwrap();
        let second = RunLock::acquire(&database, None, Duration::from_secs(30));
        let release = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(first);
        };
        let (second, ()) = tokio::join!(second, release);
        drop(second.unwrap());
    }

    #[tokio::test]
    async fn nothing_is_made_in_an_empty_mount_point() {
        let (dir, database, _) = world();
        let empty = dir.path().join("mnt");
        std::fs::create_dir(&empty).unwrap();
        let refused = RunLock::acquire(&database, Some(&empty), NOW).await;
        assert!(matches!(refused, Err(LockError::Io { .. })));
        assert_eq!(std::fs::read_dir(&empty).unwrap().count(), 0);
    }
}
