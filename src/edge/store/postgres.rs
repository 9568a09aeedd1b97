//! The state of several libraries, machines and people in one PostgreSQL database.
//!
//! Opening connects, checks and migrates; `read` and `load` answer, `journal` writes runs, `rows` writes
//! the state's rows, many a statement; `lock` holds the run's lock. Statements are not kept prepared and
//! a session has no state but the lock's, so that a proxy between us and the server does no harm.

mod ask;
mod check;
mod journal;
mod load;
mod lock;
mod read;
mod rows;
mod same;
mod transfer;
#[cfg(test)]
pub(super) mod tests;

use std::{str::FromStr as _, time::Duration};

use jiff::Timestamp;
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{SCHEMA_VERSION, StoreError};
use crate::domain::LibraryId;
use ask::{query, query_as, query_scalar};
use lock::Pinned;

/// How long the server has to take a connection.
const PATIENCE: Duration = Duration::from_secs(15);
/// Serializes those who find an empty database; any number will do.
const MIGRATING: i64 = 0x7469_6461_6c00;

/// How to open a state in PostgreSQL.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// `postgres://…`; a password that it lacks comes from `PGPASSWORD` or the password file.
    pub url: String,
    /// Whose state: the id in the library's marker, where that is known.
    pub library: Option<LibraryId>,
    /// Which machine's Rekordbox this is about.
    pub device: String,
    /// Who is told to those who wait for the lock, such as `anna on studio, process 4711`.
    pub who: String,
    /// The present time.
    pub at: Timestamp,
    /// Whether statements are traced (`TIDAL_CLEANUP_LOG_SQL`).
    pub log_sql: bool,
}

/// The state database, lent for reading.
#[derive(Clone, Debug)]
pub struct PostgresReader {
    pool: PgPool,
    options: PgConnectOptions,
    /// The database as it may be shown: without a password.
    shown: String,
    /// The row of `meta`; 0 as long as the library is not known.
    library: i64,
    device: String,
    who: String,
}

/// The state database.
#[derive(Debug)]
pub struct PostgresStore {
    reader: PostgresReader,
    /// The number of the run that this handle began or took over.
    fencing: Option<i64>,
    /// The connection that holds the run's lock and writes its journal.
    pinned: Option<Pinned>,
}

impl PostgresStore {
    /// Lets go of the server, and of the lock with it.
    pub async fn close(self) {
        drop(self.pinned);
        self.reader.pool.close().await;
    }

    /// Connects; makes the tables in an empty database, and the library's row when it has none and this
    /// user may write. A user who may only read can do everything that only reads.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::Outdated`] when this user may not migrate, or what the server
    /// says.
    pub async fn open(options: &PostgresOptions) -> Result<Self, StoreError> {
        let connect = PgConnectOptions::from_str(&options.url)
            .map_err(|source| database("read the address of the state database", source))?
            .application_name("tidal-cleanup")
            .statement_cache_capacity(0);
        let connect = match options.log_sql {
            true => connect,
            false => connect.disable_statement_logging(),
        };
        // A pool would try again and in the end say no more than that time is up.
        let first = tokio::time::timeout(PATIENCE, connect.connect()).await;
        let mut first = first
            .unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
            .map_err(|source| database("connect to the server", source))?;
        let mut reader = PostgresReader {
            pool: PgPoolOptions::new()
                .max_connections(2)
                .acquire_timeout(PATIENCE)
                .connect_lazy_with(connect.clone()),
            shown: shown(&connect),
            options: connect,
            library: 0,
            device: options.device.clone(),
            who: options.who.clone(),
        };
        reader.migrate(&mut first, options.at).await?;
        if let Some(library) = &options.library {
            reader.library = reader.find_library(&mut first, library).await?;
        }
        drop(first.close().await);
        Ok(Self {
            reader,
            fencing: None,
            pinned: None,
        })
    }

    /// The same database, for what only reads.
    #[must_use]
    pub const fn reader(&self) -> &PostgresReader {
        &self.reader
    }

    /// The server's name for whoever this is.
    #[must_use]
    pub fn user(&self) -> &str {
        self.reader.options.get_username()
    }

    /// Where it is, without a password.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.reader.shown
    }
}

/// What makes the tables, in order; the first is version 1.
const MIGRATIONS: [&str; 3] = [
    include_str!("../../../migrations/postgres/0001_state.sql"),
    include_str!("../../../migrations/postgres/0002_sharing.sql"),
    include_str!("../../../migrations/postgres/0003_lists.sql"),
];

impl PostgresReader {
    /// Runs what is missing, all or nothing. Several who find an old database queue here.
    async fn migrate(&self, conn: &mut PgConnection, at: Timestamp) -> Result<(), StoreError> {
        let doing = "read the version";
        let mut tx = conn.begin().await.map_err(failed(doing))?;
        let found = self.version(&mut tx).await?;
        tx.rollback().await.map_err(failed(doing))?;
        if found == SCHEMA_VERSION {
            return Ok(());
        }
        match self.migrate_from_there(conn, at).await {
            // Who may only read waits for somebody who may write.
            Err(error) if found > 0 && error.is_read_only() => Err(StoreError::Outdated {
                path: self.shown.clone(),
                found,
                known: SCHEMA_VERSION,
            }),
            done => done,
        }
    }

    async fn migrate_from_there(
        &self,
        conn: &mut PgConnection,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let doing = "make the tables of the state database";
        let mut tx = conn.begin().await.map_err(failed(doing))?;
        // Held to the end of the transaction only; an engine without such locks fails one of two.
        let locked = query("SELECT pg_advisory_xact_lock($1)")
            .bind(MIGRATING)
            .execute(&mut *tx)
            .await;
        locked.map_err(failed(doing))?;
        let found = self.version(&mut tx).await?;
        let missing = (1..)
            .zip(MIGRATIONS)
            .filter(|(version, _)| *version > found);
        for (version, sql) in missing {
            sqlx::raw_sql(sql)
                .execute(&mut *tx)
                .await
                .map_err(failed(doing))?;
            query("INSERT INTO tidal_cleanup_schema (version, at) VALUES ($1, $2)")
                .bind(version)
                .bind(at.to_string())
                .execute(&mut *tx)
                .await
                .map_err(failed(doing))?;
        }
        tx.commit().await.map_err(failed(doing))
    }

    /// The newest migration that has run; 0 in an empty database.
    async fn version(&self, conn: &mut PgConnection) -> Result<i64, StoreError> {
        let doing = "read the version";
        let (ours, strange): (bool, bool) = query_as(
            "SELECT COUNT(*) FILTER (WHERE table_name = 'tidal_cleanup_schema') > 0,
                COUNT(*) FILTER (WHERE table_name IN ('meta', 'tracks', 'playlists')) > 0
             FROM information_schema.tables WHERE table_schema = current_schema()",
        )
        .fetch_one(&mut *conn)
        .await
        .map_err(failed(doing))?;
        let damaged = |reason: &str| StoreError::Damaged {
            path: self.shown.clone(),
            reason: reason.to_owned(),
        };
        match (ours, strange) {
            (false, false) => return Ok(0),
            (false, true) => {
                return Err(damaged(
                    "it is another program's database, or you may not read it",
                ));
            }
            (true, _) => {}
        }
        let found: Option<i64> = query_scalar("SELECT MAX(version) FROM tidal_cleanup_schema")
            .fetch_one(conn)
            .await
            .map_err(failed(doing))?;
        let known = SCHEMA_VERSION;
        match found.unwrap_or_default() {
            found if found > known => Err(StoreError::Newer {
                path: self.shown.clone(),
                found,
                known,
            }),
            0 => Err(damaged("its version is missing")),
            found => Ok(found),
        }
    }

    /// The library's row; made when there is none. 0 for a user who may not make it.
    async fn find_library(
        &self,
        conn: &mut PgConnection,
        library: &LibraryId,
    ) -> Result<i64, StoreError> {
        if let Some(found) = library_row(conn, library).await? {
            return Ok(found);
        }
        let doing = "record the library";
        let mut tx = conn.begin().await.map_err(failed(doing))?;
        let made = query(
            "INSERT INTO meta (library_id, lineage) VALUES ($1, $2) ON CONFLICT (library_id) DO NOTHING",
        )
        .bind(library.as_str())
        .bind(uuid::Uuid::new_v4().to_string())
        .execute(&mut *tx)
        .await;
        match made.map_err(failed(doing)) {
            Err(error) if error.is_read_only() => return Ok(0),
            made => made?,
        };
        tx.commit().await.map_err(failed(doing))?;
        Ok(library_row(conn, library).await?.unwrap_or_default())
    }
}

async fn library_row(
    conn: &mut PgConnection,
    library: &LibraryId,
) -> Result<Option<i64>, StoreError> {
    let doing = "read meta";
    let mut tx = conn.begin().await.map_err(failed(doing))?;
    let found = query_scalar("SELECT id FROM meta WHERE library_id = $1")
        .bind(library.as_str())
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed(doing))?;
    tx.commit().await.map_err(failed(doing))?;
    Ok(found)
}

/// `postgres://host:5432/name`, or the socket's folder; never a password.
fn shown(options: &PgConnectOptions) -> String {
    let name = options.get_database().unwrap_or_default();
    let user = options.get_username();
    match options.get_socket() {
        Some(socket) => format!("postgres://{user}@{}/{name}", socket.display()),
        None => {
            let (host, port) = (options.get_host(), options.get_port());
            format!("postgres://{user}@{host}:{port}/{name}")
        }
    }
}

fn database(doing: &'static str, source: sqlx::Error) -> StoreError {
    StoreError::Database { doing, source }
}

fn failed(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| database(doing, source)
}
