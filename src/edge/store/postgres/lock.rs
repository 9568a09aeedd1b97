//! The lock of a run: an advisory lock of the server's, held by one connection that also writes the run's
//! journal. When the connection is lost the lock is, and the next write fails: nothing is done after it.
//!
//! The lock is a courtesy that lets a second run wait. What keeps two runs apart without fail is the
//! fencing number, which every write of the journal compares under the lock of the library's row.

use std::{sync::Arc, time::Duration};

use sqlx::{ConnectOptions as _, PgConnection, Row as _};
use tokio::{sync::Mutex, task::JoinHandle, time::Instant};

use super::ask::{query, query_scalar};
use super::{PostgresReader, PostgresStore, failed};
use crate::edge::store::StoreError;

/// How often a lock that is held is asked for again.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often the server hears from a run that has nothing to write: less than proxies and firewalls
/// forget an idle connection after.
const RENEWAL: Duration = Duration::from_secs(20);
/// Distinguishes our locks from other programs'; the library's number is added.
const OURS: i64 = 0x7469_6400_0000_0000;

/// The connection that holds the lock. The server lets go of the lock when it ends.
#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) conn: Arc<Mutex<PgConnection>>,
    renewal: JoinHandle<()>,
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

impl PostgresStore {
    /// Takes the lock of the library's runs, and keeps it as long as this handle lives; waits up to
    /// `timeout`.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when the time is over; [`StoreError::Pooled`] behind a proxy that gives each
    /// transaction another connection.
    pub async fn lock(&mut self, timeout: Duration) -> Result<(), StoreError> {
        let doing = "lock the library";
        let until = Instant::now() + timeout;
        let mut conn = self.reader.options.connect().await.map_err(failed(doing))?;
        self.reader.refuse_pooling(&mut conn).await?;
        let key = OURS + self.reader.library;
        loop {
            let taken: bool = query_scalar("SELECT pg_try_advisory_lock($1)")
                .bind(key)
                .fetch_one(&mut conn)
                .await
                .map_err(failed(doing))?;
            match taken {
                true => break,
                false if Instant::now() < until => tokio::time::sleep(PATIENCE).await,
                false => {
                    let holder = self.reader.holder().await?;
                    let path = self.reader.shown.clone();
                    return Err(StoreError::Locked { path, holder });
                }
            }
        }
        query("UPDATE meta SET holder = $1 WHERE id = $2")
            .bind(&self.reader.who)
            .bind(self.reader.library)
            .execute(&mut conn)
            .await
            .map_err(failed(doing))?;
        // The server notices a machine that is gone within two minutes; not every engine knows these.
        for sql in [
            "SET tcp_keepalives_idle = 30",
            "SET tcp_keepalives_interval = 15",
            "SET tcp_keepalives_count = 6",
        ] {
            drop(query(sql).execute(&mut conn).await);
        }
        let conn = Arc::new(Mutex::new(conn));
        let renewal = tokio::spawn(renew(Arc::clone(&conn)));
        self.pinned = Some(Pinned { conn, renewal });
        Ok(())
    }
}

/// Keeps the connection from being idle; one that is lost is noticed by the next write.
async fn renew(conn: Arc<Mutex<PgConnection>>) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        let mut conn = conn.lock().await;
        if query("SELECT 1").execute(&mut *conn).await.is_err() {
            return;
        }
    }
}

impl PostgresReader {
    /// Who runs with this library right now, if anybody does.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn holder(&self) -> Result<Option<String>, StoreError> {
        let doing = "ask for the lock";
        let mut tx = self.pool.begin().await.map_err(failed(doing))?;
        // For the length of this transaction only.
        let free: bool = query_scalar("SELECT pg_try_advisory_xact_lock_shared($1)")
            .bind(OURS + self.library)
            .fetch_one(&mut *tx)
            .await
            .map_err(failed(doing))?;
        if free {
            return Ok(None);
        }
        let holder: Option<Option<String>> = query_scalar("SELECT holder FROM meta WHERE id = $1")
            .bind(self.library)
            .fetch_optional(&mut *tx)
            .await
            .map_err(failed(doing))?;
        let unknown = || Some("somebody".to_owned());
        Ok(holder.flatten().or_else(unknown))
    }

    /// Two connections at once that are one and the same at the server are given out by transaction.
    async fn refuse_pooling(&self, conn: &mut PgConnection) -> Result<(), StoreError> {
        let doing = "ask for the connection's number";
        // As plain text: what is prepared is lost when the next statement meets another connection.
        let pid = async |conn: &mut PgConnection| -> Result<i32, StoreError> {
            let row = sqlx::raw_sql("SELECT pg_backend_pid()")
                .fetch_one(conn)
                .await;
            row.and_then(|row| row.try_get(0)).map_err(failed(doing))
        };
        let mine = pid(conn).await?;
        let mut second = self.pool.acquire().await.map_err(failed(doing))?;
        let other = pid(&mut second).await?;
        let again = pid(conn).await?;
        match mine == other || mine != again {
            true => Err(StoreError::Pooled),
            false => Ok(()),
        }
    }
}
