//! The state in one SQLite file.
//!
//! Opening creates, checks, backs up and migrates; `read` answers, `journal` writes runs, `rows` writes
//! the state's rows, `load` reads them all at once, `backup` copies the file.

mod backup;
mod check;
mod copy;
mod journal;
mod load;
mod read;
mod restore;
mod rows;
mod same;
mod transfer;
#[cfg(test)]
mod tests;

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use sqlx::{
    ConnectOptions as _, Connection as _, SqlSafeStr as _, SqliteConnection, SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{
        SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions,
        SqliteSynchronous,
    },
};

use super::{SCHEMA_VERSION, StoreError};
pub use backup::{BackupKind, verify as verify_backup};
pub(super) use check::INVARIANTS;
pub use restore::restore;

/// The first bytes of every SQLite file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// `SQLITE_CORRUPT` and `SQLITE_NOTADB`.
const DAMAGE: [i32; 2] = [11, 26];

/// How to open a state database for writing.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Where backups go.
    pub backup_dir: PathBuf,
    /// How many automatic backups of each kind are kept.
    pub backups_kept: usize,
    /// How long a write waits for another process's.
    pub busy_timeout: Duration,
    /// The present time, for the names of backups.
    pub at: Timestamp,
    /// Whether statements are traced (`TIDAL_CLEANUP_LOG_SQL`).
    pub log_sql: bool,
}

impl StoreOptions {
    /// Backups in `backup_dir`, ten of a kind, five seconds of patience.
    #[must_use]
    pub fn new(backup_dir: impl Into<PathBuf>, at: Timestamp) -> Self {
        Self {
            backup_dir: backup_dir.into(),
            backups_kept: 10,
            busy_timeout: Duration::from_secs(5),
            at,
            log_sql: false,
        }
    }
}

/// The state database, lent for reading: the type has no method that writes.
#[derive(Clone, Debug)]
pub struct SqliteReader {
    pool: SqlitePool,
    path: PathBuf,
    /// The row of `meta`; a SQLite file holds one library.
    library: i64,
    /// Read without a log, when the file looked like this.
    lies_there: Option<Seal>,
    /// What is read instead of a database in use.
    copy: Option<Arc<copy::PrivateCopy>>,
}

/// Length, time and number of a file.
type Seal = (u64, Option<std::time::SystemTime>, u64);

/// The state database.
#[derive(Debug)]
pub struct SqliteStore {
    reader: SqliteReader,
    options: StoreOptions,
    /// The number of the run that this handle began or took over.
    fencing: Option<i64>,
    /// Asks before each effect whether that is still so. The pool would go to its thread once more after
    /// each use of a connection.
    watch: tokio::sync::Mutex<Option<SqliteConnection>>,
    only_reads: bool,
}

impl SqliteStore {
    /// Opens the database at `path`; makes it, and its folder, when there is none. An older one is
    /// backed up and migrated.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::Damaged`] (also for another program's database), or what
    /// the operating system says.
    pub async fn open(path: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        make_file(path)?;
        look_at_header(path)?;
        refuse_strangers(path).await?;
        let connect = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(options.busy_timeout)
            .pragma("trusted_schema", "OFF")
            .optimize_on_close(true, 400);
        let connect = match options.log_sql {
            true => connect,
            false => connect.disable_statement_logging(),
        };
        let mut store = Self {
            reader: connect_in_turn(path, &connect, options.busy_timeout).await?,
            options: options.clone(),
            fencing: None,
            watch: tokio::sync::Mutex::default(),
            only_reads: false,
        };
        let found = store.reader.version().await?;
        store.reader.refuse_newer(found)?;
        if found.is_some_and(|version| version < SCHEMA_VERSION) {
            store.backup(BackupKind::Migration, options.at).await?;
        }
        if found != Some(SCHEMA_VERSION) {
            store.migrate().await?;
        }
        store.reader.library = store.reader.find_library().await?;
        Ok(store)
    }

    /// Opens the database at `path` where it can be read and not written: what only reads works,
    /// every write is refused by SQLite.
    ///
    /// # Errors
    /// As [`SqliteReader::open`].
    pub async fn open_to_read(path: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        Ok(Self {
            reader: SqliteReader::open(path).await?,
            options: options.clone(),
            fencing: None,
            watch: tokio::sync::Mutex::default(),
            only_reads: true,
        })
    }

    /// Whether it was opened to read.
    #[must_use]
    pub const fn only_reads(&self) -> bool {
        self.only_reads
    }

    /// The same database, for what only reads.
    #[must_use]
    pub const fn reader(&self) -> &SqliteReader {
        &self.reader
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.reader.path
    }

    /// Lets go of the file: its write-ahead log is folded in and removed. Dropping does the same,
    /// some time later.
    pub async fn close(self) {
        if let Some(watch) = self.watch.into_inner() {
            // What it says of its own end changes nothing.
            _ = watch.close().await;
        }
        self.reader.close().await;
    }

    /// Gives the space of old rows back to the file system.
    ///
    /// # Errors
    /// When the database cannot be written, or the disk has no room for the copy that it needs.
    pub async fn vacuum(&mut self) -> Result<(), StoreError> {
        let done = sqlx::query("VACUUM").execute(&self.reader.pool).await;
        done.map(drop)
            .map_err(self.reader.failed("give back unused space"))
    }

    /// Runs what is missing, all or nothing. Two processes that open a new file at once queue here.
    async fn migrate(&self) -> Result<(), StoreError> {
        let reader = &self.reader;
        let mut tx = reader.begin_writing().await?;
        migrations()
            .run_direct(None, &mut *tx, false)
            .await
            .map_err(|source| reader.failed("migrate")(source.into()))?;
        let lineage = uuid::Uuid::new_v4().to_string();
        record_version(&mut tx, &lineage)
            .await
            .map_err(reader.failed("migrate"))?;
        tx.commit().await.map_err(reader.failed("migrate"))
    }
}

impl SqliteReader {
    /// Opens the database at `path` for reading and makes nothing, not even a folder.
    ///
    /// A database that nobody uses is read as it lies there, and [`SqliteReader::is_undisturbed`] tells
    /// whether somebody wrote it meanwhile. One in use (or left by a crash) has a write-ahead log, which
    /// SQLite's readers share with its writers by writing beside it; a private copy is read then.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is none (or an empty file), [`StoreError::Outdated`] when it
    /// must be migrated first, and as [`SqliteStore::open`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let missing = || StoreError::Missing {
            path: path.display().to_string(),
        };
        match std::fs::metadata(path) {
            Ok(facts) if facts.len() == 0 => return Err(missing()),
            Ok(_) => {}
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Err(missing()),
            Err(source) => return Err(io_error("open", path, source)),
        }
        look_at_header(path)?;
        let before = seal(path).map_err(|source| io_error("look at", path, source))?;
        let copying = |source| io_error("copy", path, source);
        let mut reader = match copy::of_database_in_use(path).map_err(copying)? {
            Some(copy) => {
                let connect = read_only(&copy.database()).read_only(false);
                let mut reader = Self::connect(path, connect).await?;
                reader.copy = Some(Arc::new(copy));
                reader
            }
            None => {
                let connect = read_only(path).immutable(true);
                let mut reader = Self::connect(path, connect).await?;
                reader.lies_there = Some(before);
                reader
            }
        };
        let found = reader.version().await?.ok_or_else(missing)?;
        reader.refuse_newer(Some(found))?;
        if found < SCHEMA_VERSION {
            return Err(StoreError::Outdated {
                path: path.display().to_string(),
                found,
                known: SCHEMA_VERSION,
            });
        }
        reader.library = reader.find_library().await?;
        Ok(reader)
    }

    /// Whether what was read is one state: a private copy, or the file as it was when it was opened.
    #[must_use]
    pub fn is_undisturbed(&self) -> bool {
        self.lies_there
            .as_ref()
            .is_none_or(|then| seal(&self.path).is_ok_and(|now| now == *then))
    }

    /// Lets go of the file.
    pub async fn close(self) {
        self.pool.close().await;
    }

    async fn connect(path: &Path, connect: SqliteConnectOptions) -> Result<Self, StoreError> {
        // One connection: the handle is one user of the file, and its transactions never wait for
        // each other.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(connect)
            .await;
        let path = path.to_owned();
        match pool {
            Ok(pool) => Ok(Self {
                pool,
                path,
                library: 0,
                lies_there: None,
                copy: None,
            }),
            Err(source) => Err(refused(&path, "open", source)),
        }
    }

    /// The newest migration that has run; `None` for an empty database.
    async fn version(&self) -> Result<Option<i64>, StoreError> {
        let doing = "read the version";
        let (tables, ours): (i64, i64) = sqlx::query_as(
            "SELECT COUNT(*), COUNT(*) FILTER (WHERE name IN ('_sqlx_migrations', 'meta'))
             FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(self.failed(doing))?;
        match (tables, ours) {
            (0, _) => Ok(None),
            (_, 2) => sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations")
                .fetch_one(&self.pool)
                .await
                .map_err(self.failed(doing)),
            _ => Err(self.damaged("it is another program's database")),
        }
    }

    fn refuse_newer(&self, found: Option<i64>) -> Result<(), StoreError> {
        match found {
            Some(found) if found > SCHEMA_VERSION => Err(StoreError::Newer {
                path: self.path.display().to_string(),
                found,
                known: SCHEMA_VERSION,
            }),
            Some(_) | None => Ok(()),
        }
    }

    async fn find_library(&self) -> Result<i64, StoreError> {
        sqlx::query_scalar("SELECT id FROM meta ORDER BY id LIMIT 1")
            .fetch_optional(&self.pool)
            .await
            .map_err(self.failed("read meta"))?
            .ok_or_else(|| self.damaged("its table meta is empty"))
    }

    async fn begin_writing(&self) -> Result<sqlx::SqliteTransaction<'static>, StoreError> {
        // A deferred transaction that turns into a writing one ignores the busy timeout.
        self.pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(self.failed("begin to write"))
    }

    /// Turns a database's complaint while `doing` something into ours.
    fn failed(&self, doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
        move |source| refused(&self.path, doing, source)
    }

    fn damaged(&self, reason: &str) -> StoreError {
        damaged(&self.path, reason)
    }
}

fn migrations() -> Migrator {
    let migration = |version, about: &'static str, sql: &'static str| {
        let sql = sql.into_sql_str();
        Migration::new(version, about.into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(vec![
        migration(
            1,
            "state",
            include_str!("../../../migrations/sqlite/0001_state.sql"),
        ),
        migration(
            2,
            "sharing",
            include_str!("../../../migrations/sqlite/0002_sharing.sql"),
        ),
        migration(
            3,
            "lists",
            include_str!("../../../migrations/sqlite/0003_lists.sql"),
        ),
    ])
}

async fn record_version(conn: &mut SqliteConnection, lineage: &str) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO meta (id, lineage) VALUES (1, $1) ON CONFLICT (id) DO NOTHING")
        .bind(lineage)
        .execute(&mut *conn)
        .await?;
    sqlx::query("UPDATE meta SET schema_version = $1")
        .bind(SCHEMA_VERSION)
        .execute(conn)
        .await
        .map(drop)
}

/// How to read without writing.
fn read_only(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(true)
        .foreign_keys(true)
        .pragma("trusted_schema", "OFF")
        .pragma("query_only", "ON")
        .disable_statement_logging()
}

fn seal(path: &Path) -> io::Result<Seal> {
    let facts = std::fs::metadata(path)?;
    Ok((facts.len(), facts.modified().ok(), inode(&facts)))
}

#[cfg(unix)]
fn inode(facts: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(facts)
}

#[cfg(not(unix))]
fn inode(_facts: &std::fs::Metadata) -> u64 {
    0
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes the folder (0700) and an empty file (0600), where they are not there; SQLite gives the log
/// the file's permissions.
fn make_file(path: &Path) -> Result<(), StoreError> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        make_folder(folder)?;
    }
    match create_new(path) {
        Ok(_) => Ok(()),
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(io_error("create", path, source)),
    }
}

fn make_folder(folder: &Path) -> Result<(), StoreError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|source| io_error("create", folder, source))
}

fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Says what is wrong with a file that is no database, before SQLite says it less clearly.
fn look_at_header(path: &Path) -> Result<(), StoreError> {
    let mut head = Vec::with_capacity(MAGIC.len());
    let length = MAGIC.len() as u64;
    File::open(path)
        .and_then(|file| file.take(length).read_to_end(&mut head))
        .map_err(|source| io_error("open", path, source))?;
    if head.is_empty() || head == MAGIC {
        return Ok(());
    }
    Err(damaged(path, "it is not a SQLite database"))
}

/// Whose database it is, before it is opened for writing: that alone would switch another program's
/// database to a write-ahead log, as all of ours have.
async fn refuse_strangers(path: &Path) -> Result<(), StoreError> {
    // Bytes 18 and 19 of the header: 1 is a rollback journal, 2 a write-ahead log.
    let mut head = [0; 20];
    let whole = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    if whole.is_err() || head[18..] == [2, 2] {
        return Ok(());
    }
    let connect = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .disable_statement_logging();
    let reader = SqliteReader::connect(path, connect).await?;
    let found = reader.version().await;
    reader.close().await;
    found.map(drop)
}

fn refused(path: &Path, doing: &'static str, source: sqlx::Error) -> StoreError {
    match primary_code(&source) {
        Some(code) if DAMAGE.contains(&code) => {
            let reason = source.as_database_error().map(|error| error.message());
            damaged(path, reason.unwrap_or_default())
        }
        Some(_) | None => StoreError::Database { doing, source },
    }
}

/// Connects to a file that another process may be making at the same moment: who gives a new file its log
/// holds it alone, and SQLite lets nobody wait for that.
async fn connect_in_turn(
    path: &Path,
    connect: &SqliteConnectOptions,
    at_most: Duration,
) -> Result<SqliteReader, StoreError> {
    let from = Instant::now();
    loop {
        match SqliteReader::connect(path, connect.clone()).await {
            Err(StoreError::Database { source, .. })
                if primary_code(&source) == Some(5) && from.elapsed() < at_most =>
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            connected => return connected,
        }
    }
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?;
    Some(code.parse::<i32>().ok()? & 0xff)
}

fn damaged(path: &Path, reason: &str) -> StoreError {
    StoreError::Damaged {
        path: path.display().to_string(),
        reason: reason.to_owned(),
    }
}

fn io_error(doing: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        doing,
        path: path.display().to_string(),
        source,
    }
}
