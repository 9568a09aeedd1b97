//! Opening `master.db`: one connection with the right key, reading without leaving a trace.
//!
//! Reading opens the file as immutable, which makes no `-wal` or `-shm` beside it. While Rekordbox runs
//! (or after its crash) a part of the library is in the `-wal`; then a private copy of both files is
//! read. The copy is consistent: a checkpoint writes only pages that are in the `-wal` as well, so
//! the `-wal`, copied after the database and not restarted in between, covers whatever the database
//! copy caught half-written. Whether something was restarted or written meanwhile is seen by
//! [`Snapshot::is_undisturbed`]; the reader then starts again.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};

use super::{
    RekordboxError,
    backup::{io, sync_file},
    cache::Kept,
    key::{self, Keyring, Salt},
};
use crate::edge::seal::{beside, inode};

/// How often a reading that was disturbed is tried.
pub(super) const ATTEMPTS: usize = 5;

/// A `master.db`, to be opened as often as needed.
#[derive(Clone, Debug)]
pub(super) struct Database {
    path: PathBuf,
    keys: Keyring,
    /// The cache that may have the key.
    cache: Option<PathBuf>,
}

/// A connection that sees one state of the library.
pub(super) struct Snapshot {
    pub(super) connection: SqliteConnection,
    options: SqliteConnectOptions,
    source: PathBuf,
    mark: Fingerprint,
    copy: Option<tempfile::TempDir>,
}

/// What changes when somebody writes: size, time and inode of the database, and the beginning of the
/// `-wal`, which is new after every restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    database: (u64, Option<SystemTime>, u64),
    wal_header: Vec<u8>,
}

impl Database {
    /// The database at `path`, which need not exist yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            keys: Keyring::default(),
            cache: None,
        }
    }

    /// With the cache that may have its key.
    pub(super) fn with_cache(self, cache: Option<PathBuf>) -> Self {
        Self { cache, ..self }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The keys of files that were opened.
    pub(super) fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// The file beside it that `suffix` names, such as `-wal`.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        beside(&self.path, suffix)
    }

    /// How large the `-wal` is; 0 when there is none.
    pub(super) fn wal_size(&self) -> u64 {
        wal_size(&self.path)
    }

    pub(super) fn fingerprint(&self) -> Result<Fingerprint, RekordboxError> {
        Fingerprint::of(&self.path)
    }

    /// The value of `PRAGMA key` for a file that may be this one, a copy or a backup.
    async fn key(&self, file: &Path) -> Result<String, RekordboxError> {
        let salt = salt(file)?;
        let is_known = self.keys.known().is_some_and(|(known, _)| known == salt);
        if let Some(cache) = self.cache.as_deref().filter(|_| !is_known)
            && let Some(kept) = Kept::load(cache)
                .and_then(|cache| cache.key())
                .filter(|(known, _)| *known == salt)
        {
            // A kept key that was tampered with must not lock anybody out.
            let tried = options(file, key::pragma(kept))
                .immutable(true)
                .read_only(true);
            if let Ok(connection) = connect(&tried, file).await {
                let _ = connection.close().await;
                self.keys.learn(kept);
            }
        }
        Ok(self.keys.pragma(salt))
    }

    /// Opens one state of the library for reading.
    pub(super) async fn snapshot(&self) -> Result<Snapshot, RekordboxError> {
        let source = self.path.clone();
        let mark = Fingerprint::of(&source)?;
        let key = self.key(&source).await?;
        let (options, copy) = match wal_size(&source) {
            0 => {
                // Tables are read from end to end, once: a large cache would only cost memory.
                let options = options(&source, key)
                    .immutable(true)
                    .read_only(true)
                    .pragma("cache_size", "-16384");
                (options, None)
            }
            _ => {
                let copy = private_copy(&source)?;
                (options(&copy.path().join("copy.db"), key), Some(copy))
            }
        };
        let connection = connect(&options, &source).await?;
        Ok(Snapshot {
            connection,
            options,
            source,
            mark,
            copy,
        })
    }

    /// Opens the library itself for writing; closing it removes `-wal` and `-shm`.
    pub(super) async fn writable(&self) -> Result<SqliteConnection, RekordboxError> {
        let key = self.key(&self.path).await?;
        let options = options(&self.path, key).synchronous(SqliteSynchronous::Full);
        connect(&options, &self.path).await
    }

    /// Opens the library itself for reading beside a connection that writes it, which must be closed
    /// later: the last one to go removes `-wal` and `-shm`, and a reader may not.
    pub(super) async fn beside_writer(&self) -> Result<SqliteConnection, RekordboxError> {
        let key = self.key(&self.path).await?;
        connect(&options(&self.path, key).read_only(true), &self.path).await
    }

    /// Copies one state of the library to `target`, what is in the `-wal` taken in; the copy is
    /// encrypted as the library is.
    pub(super) async fn copy_whole(&self, target: &Path) -> Result<(), RekordboxError> {
        for _ in 0..ATTEMPTS {
            let mark = self.fingerprint()?;
            let has_wal = wal_size(&self.path) > 0;
            match has_wal {
                false => drop(fs::copy(&self.path, target).map_err(io("copy", &self.path))?),
                true => {
                    let folder = private_copy(&self.path)?;
                    let copy = folder.path().join("copy.db");
                    let key = self.key(&copy).await?;
                    let mut connection = connect(&options(&copy, key), &self.path).await?;
                    let merged = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
                        .execute(&mut connection)
                        .await
                        .map_err(failed("cannot be copied"));
                    // What was not taken in is still in the copy's `-wal`, and the copy is dropped then.
                    let closed = connection.close().await.map_err(failed("cannot be copied"));
                    merged.map(drop).and(closed)?;
                    fs::copy(&copy, target).map_err(io("copy", &copy))?;
                }
            }
            let now = self.fingerprint()?;
            if now.wal_header == mark.wal_header && (has_wal || now.database == mark.database) {
                return sync_file(target);
            }
        }
        Err(RekordboxError::Locked)
    }

    /// Opens another file with the same salt (a backup) for reading only.
    pub(super) async fn twin(&self, path: &Path) -> Result<SqliteConnection, RekordboxError> {
        let key = self.key(path).await?;
        connect(&options(path, key).immutable(true).read_only(true), path).await
    }

    /// Makes a new, empty, encrypted database in Rekordbox's journal mode.
    pub(super) async fn create(&self) -> Result<SqliteConnection, RekordboxError> {
        let salt = *uuid::Uuid::new_v4().as_bytes();
        let options = options(&self.path, self.keys.pragma(salt))
            .create_if_missing(true)
            .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
        connect(&options, &self.path).await
    }
}

impl Snapshot {
    /// Whether what was read is one state: nobody wrote the files meanwhile. A private copy only has
    /// to have been made undisturbed; a growing `-wal` does not matter to it.
    pub(super) fn is_undisturbed(&self) -> bool {
        Fingerprint::of(&self.source).is_ok_and(|now| {
            now.wal_header == self.mark.wal_header
                && (self.copy.is_some() || now.database == self.mark.database)
        })
    }

    /// Another connection to the same state, to read two tables at once.
    pub(super) async fn second(&self) -> Result<SqliteConnection, RekordboxError> {
        connect(&self.options, &self.source).await
    }

    /// What the files looked like before the reading.
    pub(super) fn mark(&self) -> &Fingerprint {
        &self.mark
    }

    /// Lets go of the connection, then of the copy.
    pub(super) async fn close(self) {
        let Self {
            connection,
            copy,
            options: _,
            source: _,
            mark: _,
        } = self;
        // Nothing was written, so there is nothing to lose when closing fails.
        let _ = connection.close().await;
        drop(copy);
    }
}

impl Fingerprint {
    fn of(path: &Path) -> Result<Self, RekordboxError> {
        let about = fs::metadata(path).map_err(|error| unreadable(path, error))?;
        Ok(Self {
            database: (about.len(), about.modified().ok(), inode(&about)),
            wal_header: head(&beside(path, "-wal"), 32),
        })
    }
}

/// Says what SQLite's refusal means.
pub(super) fn failed(doing: &'static str) -> impl Fn(sqlx::Error) -> RekordboxError + Copy {
    move |source| match primary_code(&source) {
        Some(5 | 6) => RekordboxError::Locked,
        _ => RekordboxError::Database { doing, source },
    }
}

fn options(path: &Path, key: String) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(false)
        .busy_timeout(Duration::from_secs(2))
        .statement_cache_capacity(64)
        .pragma("key", key)
        .pragma("cipher_log_level", "NONE")
        .pragma("cache_size", "-65536")
}

/// Connecting succeeds with any key; the first page read tells whether it fits.
async fn connect(
    options: &SqliteConnectOptions,
    path: &Path,
) -> Result<SqliteConnection, RekordboxError> {
    let opening = |source: sqlx::Error| match primary_code(&source) {
        Some(26) => RekordboxError::NotADatabase(path.to_owned()),
        _ => failed("cannot be opened")(source),
    };
    let mut connection = options
        .clone()
        .disable_statement_logging()
        .connect()
        .await
        .map_err(opening)?;
    let looked = sqlx::query("SELECT count(*) FROM sqlite_master")
        .execute(&mut connection)
        .await;
    match looked {
        Ok(_) => Ok(connection),
        Err(error) => {
            // Its thread would otherwise end whenever it likes, maybe after the program.
            let _ = connection.close().await;
            Err(opening(error))
        }
    }
}

/// SQLite's result code without its extension.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// The first 16 bytes. A file that is too short, or plainly SQLite, is not one of Rekordbox's; SQLite
/// would take an empty file for a new database.
fn salt(path: &Path) -> Result<Salt, RekordboxError> {
    let mut salt = Salt::default();
    let mut file = File::open(path).map_err(|error| unreadable(path, error))?;
    match file.read_exact(&mut salt) {
        Ok(()) if &salt != b"SQLite format 3\0" => Ok(salt),
        Ok(()) => Err(RekordboxError::NotADatabase(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Err(RekordboxError::NotADatabase(path.to_owned()))
        }
        Err(error) => Err(unreadable(path, error)),
    }
}

fn unreadable(path: &Path, source: std::io::Error) -> RekordboxError {
    match source.kind() {
        ErrorKind::NotFound => RekordboxError::Missing(path.to_owned()),
        _ => RekordboxError::Io {
            doing: "read",
            path: path.to_owned(),
            source,
        },
    }
}

fn private_copy(source: &Path) -> Result<tempfile::TempDir, RekordboxError> {
    let copying = |path: &Path| {
        let path = path.to_owned();
        move |source| RekordboxError::Io {
            doing: "copy",
            path,
            source,
        }
    };
    let folder = tempfile::Builder::new()
        .prefix("tidal-cleanup-")
        .tempdir()
        .map_err(copying(source))?;
    let copy = folder.path().join("copy.db");
    fs::copy(source, &copy).map_err(copying(source))?;
    let wal = beside(source, "-wal");
    match fs::copy(&wal, beside(&copy, "-wal")) {
        Ok(_) => Ok(folder),
        // Rekordbox has just quit: the fingerprint will tell.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(folder),
        Err(error) => Err(copying(&wal)(error)),
    }
}

fn wal_size(path: &Path) -> u64 {
    fs::metadata(beside(path, "-wal")).map_or(0, |about| about.len())
}

fn head(path: &Path, length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        // What cannot be read compares as empty, and differs from what could be read.
        let _ = file.take(length).read_to_end(&mut bytes);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::rekordbox::cache::save;

    /// An encrypted database that nobody's passphrase opens.
    async fn strange(path: &Path, salt: Salt, key: [u8; 32]) {
        let options = options(path, key::pragma((salt, key))).create_if_missing(true);
        let mut connection = connect(&options, path).await.unwrap();
        let made = sqlx::query("CREATE TABLE t (a)").execute(&mut connection);
        made.await.unwrap();
        connection.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_kept_key_is_used_by_every_way_in() {
        let folder = tempfile::tempdir().unwrap();
        let (path, cache) = (folder.path().join("master.db"), folder.path().join("cache"));
        let (salt, key) = ([7; 16], [9; 32]);
        strange(&path, salt, key).await;
        save(&cache, (salt, key), None).unwrap();
        let without = Database::new(path.clone());
        let refused = without.writable().await.unwrap_err();
        assert!(matches!(refused, RekordboxError::NotADatabase(_)));
        let database = || Database::new(path.clone()).with_cache(Some(cache.clone()));
        database().writable().await.unwrap().close().await.unwrap();
        database().twin(&path).await.unwrap().close().await.unwrap();
        database().snapshot().await.unwrap().close().await;
    }

    #[tokio::test]
    async fn a_kept_key_that_does_not_fit_locks_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let (path, cache) = (folder.path().join("master.db"), folder.path().join("cache"));
        let made = Database::new(path.clone());
        made.create().await.unwrap().close().await.unwrap();
        let (salt, key) = made.keys().known().unwrap();
        save(&cache, (salt, [1; 32]), None).unwrap();
        let database = Database::new(path).with_cache(Some(cache));
        database.writable().await.unwrap().close().await.unwrap();
        assert_eq!(database.keys().known(), Some((salt, key)));
    }
}
