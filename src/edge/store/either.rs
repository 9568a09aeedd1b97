//! The state wherever the user keeps it. Closed on purpose: a store is one of ours, and what differs
//! between them is said by its own type.

use std::{
    io::{BufRead, Write},
    path::PathBuf,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    ApplyRow, ApplyStatus, Approval, BackupKind, Finding, HistoryFilter, HistoryRow, Intent,
    NewApply, NewOperation, NewSnapshot, OperationRow, PostgresStore, RecentChange, Settlement,
    SnapshotRow, SqliteStore, StateReader, StateStore, Statistics, StoreError,
    transfer::{Arrival, Digests},
};
use crate::domain::{
    ApplyId, LibraryId, PlaylistId, State,
    state::{Meta, PlaylistRow},
};

/// The state database of a run.
#[derive(Debug)]
pub enum Store {
    /// One file on this machine.
    Sqlite(Box<SqliteStore>),
    /// A database on a server, for several libraries, machines and people.
    Postgres(Box<PostgresStore>),
}

/// Calls the method of whichever store it is.
macro_rules! each {
    ($store:expr, $it:ident => $call:expr) => {
        match $store {
            Store::Sqlite($it) => $call,
            Store::Postgres($it) => $call,
        }
    };
}

impl Store {
    /// A verified copy of the state, where it is kept in a file. Returns its path; a server's state is
    /// backed up by the server.
    ///
    /// # Errors
    /// When it cannot be written or does not verify.
    pub async fn backup(
        &self,
        kind: BackupKind,
        at: Timestamp,
    ) -> Result<Option<PathBuf>, StoreError> {
        match self {
            Self::Sqlite(store) => store.backup(kind, at).await.map(Some),
            Self::Postgres(_) => Ok(None),
        }
    }

    /// Takes the lock of the library's runs where several machines may run; a file's lock is that of its
    /// machine ([`RunLock`](super::RunLock)).
    ///
    /// # Errors
    /// As [`PostgresStore::lock`].
    pub async fn lock(&mut self, timeout: Duration) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(store) => store.lock(timeout).await,
        }
    }

    /// Who runs with this state on whatever machine; `None` when nobody does, or when it is a file.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn holder(&self) -> Result<Option<String>, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(store) => store.reader().holder().await,
        }
    }

    /// The server's address, when it is on one.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(store) => Some(store.shown()),
        }
    }

    /// Who this is to the server, when it is on one.
    #[must_use]
    pub fn server_user(&self) -> Option<&str> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(store) => Some(store.user()),
        }
    }

    /// Whether it was opened to read.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        match self {
            Self::Sqlite(store) => store.only_reads(),
            // What a user may do there is the server's to say.
            Self::Postgres(_) => false,
        }
    }

    /// Whether what was read so far is one state: nobody wrote in between.
    #[must_use]
    pub fn is_undisturbed(&self) -> bool {
        match self {
            Self::Sqlite(store) => store.reader().is_undisturbed(),
            // Its readings are transactions.
            Self::Postgres(_) => true,
        }
    }

    /// Writes the whole state to `out`; `device` is this machine's id.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub async fn export<W: Write + Send>(
        &self,
        out: W,
        device: &str,
        at: Option<Timestamp>,
    ) -> Result<Digests, StoreError> {
        match self {
            Self::Sqlite(store) => store.reader().export(out, device, at).await,
            Self::Postgres(store) => store.reader().export(out, at).await,
        }
    }

    /// Takes a saved state into this empty one, all or nothing.
    ///
    /// # Errors
    /// [`StoreError::Occupied`], [`StoreError::Arrived`], [`StoreError::BadExport`]; nothing is changed
    /// then.
    pub async fn import(
        &mut self,
        from: impl BufRead + Send,
        device: &str,
    ) -> Result<(Arrival, Digests), StoreError> {
        match self {
            Self::Sqlite(store) => store.import(from, device).await,
            Self::Postgres(store) => store.import(from).await,
        }
    }

    /// Lets go of it, with nothing left open.
    pub async fn close(self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }
}

impl From<SqliteStore> for Store {
    fn from(store: SqliteStore) -> Self {
        Self::Sqlite(Box::new(store))
    }
}

impl From<PostgresStore> for Store {
    fn from(store: PostgresStore) -> Self {
        Self::Postgres(Box::new(store))
    }
}

impl StateReader for Store {
    async fn meta(&self) -> Result<Meta, StoreError> {
        each!(self, store => store.meta().await)
    }

    async fn state(&self) -> Result<State, StoreError> {
        each!(self, store => store.state().await)
    }

    async fn applies(&self) -> Result<Vec<ApplyRow>, StoreError> {
        each!(self, store => store.applies().await)
    }

    async fn operations(&self, apply: ApplyId) -> Result<Vec<OperationRow>, StoreError> {
        each!(self, store => store.operations(apply).await)
    }

    async fn applied_plan(&self, apply: ApplyId) -> Result<Option<String>, StoreError> {
        each!(self, store => store.applied_plan(apply).await)
    }

    async fn unfinished(&self) -> Result<Option<ApplyRow>, StoreError> {
        each!(self, store => store.unfinished().await)
    }

    async fn last_reading(&self) -> Result<Option<String>, StoreError> {
        each!(self, store => store.last_reading().await)
    }

    async fn last_snapshot(&self, kind: &str) -> Result<Option<SnapshotRow>, StoreError> {
        each!(self, store => store.last_snapshot(kind).await)
    }

    async fn playlist_names(&self) -> Result<Vec<String>, StoreError> {
        each!(self, store => store.playlist_names().await)
    }

    async fn playlists_by_name(&self, name: &str) -> Result<Vec<PlaylistRow>, StoreError> {
        each!(self, store => store.playlists_by_name(name).await)
    }

    async fn history(&self, filter: &HistoryFilter) -> Result<Vec<HistoryRow>, StoreError> {
        each!(self, store => store.history(filter).await)
    }

    async fn recent_changes(
        &self,
        playlist: &PlaylistId,
        limit: usize,
    ) -> Result<Vec<RecentChange>, StoreError> {
        each!(self, store => store.recent_changes(playlist, limit).await)
    }

    async fn is_elsewhere(&self, apply: ApplyId) -> Result<bool, StoreError> {
        each!(self, store => store.is_elsewhere(apply).await)
    }

    async fn approvals(&self) -> Result<Vec<Approval>, StoreError> {
        each!(self, store => store.approvals().await)
    }

    async fn statistics(&self) -> Result<Statistics, StoreError> {
        each!(self, store => store.statistics().await)
    }

    async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        each!(self, store => store.check().await)
    }
}

impl StateStore for Store {
    async fn set_library(&mut self, id: &LibraryId) -> Result<(), StoreError> {
        each!(self, store => store.set_library(id).await)
    }

    async fn save_snapshot(&mut self, snapshot: NewSnapshot<'_>) -> Result<(), StoreError> {
        each!(self, store => store.save_snapshot(snapshot).await)
    }

    async fn approve(&mut self, approval: &Approval) -> Result<(), StoreError> {
        each!(self, store => store.approve(approval).await)
    }

    async fn begin_apply(
        &mut self,
        apply: NewApply,
        operations: &[NewOperation],
        at: Timestamp,
    ) -> Result<ApplyId, StoreError> {
        each!(self, store => store.begin_apply(apply, operations, at).await)
    }

    async fn resume_apply(&mut self, apply: ApplyId, at: Timestamp) -> Result<(), StoreError> {
        each!(self, store => store.resume_apply(apply, at).await)
    }

    async fn hold(&self, apply: ApplyId) -> Result<(), StoreError> {
        each!(self, store => store.hold(apply).await)
    }

    async fn intend(
        &mut self,
        apply: ApplyId,
        intents: &[Intent],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        each!(self, store => store.intend(apply, intents, at).await)
    }

    async fn settle(
        &mut self,
        apply: ApplyId,
        settlements: &[Settlement],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        each!(self, store => store.settle(apply, settlements, at).await)
    }

    async fn finish_apply(
        &mut self,
        apply: ApplyId,
        status: ApplyStatus,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        each!(self, store => store.finish_apply(apply, status, at).await)
    }
}
