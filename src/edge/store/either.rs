//! The state wherever the user keeps it. Closed on purpose: a store is one of ours, and what differs
//! between them is said by its own type.

use std::path::PathBuf;

use jiff::Timestamp;

use super::{
    ApplyRow, ApplyStatus, BackupKind, Finding, HistoryFilter, HistoryRow, Intent, NewApply,
    NewOperation, NewSnapshot, OperationRow, RecentChange, Settlement, SnapshotRow, SqliteStore,
    StateReader, StateStore, Statistics, StoreError,
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
}

/// Calls the method of whichever store it is.
macro_rules! each {
    ($store:expr, $it:ident => $call:expr) => {
        match $store {
            Store::Sqlite($it) => $call,
        }
    };
}

impl Store {
    /// A verified copy of the state, where it is kept in a file. Returns its path.
    ///
    /// # Errors
    /// When it cannot be written or does not verify.
    pub async fn backup(&self, kind: BackupKind, at: Timestamp) -> Result<PathBuf, StoreError> {
        each!(self, store => store.backup(kind, at).await)
    }

    /// Whether it was opened to read.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        each!(self, store => store.only_reads())
    }

    /// Whether what was read so far is one state: nobody wrote in between.
    #[must_use]
    pub fn is_undisturbed(&self) -> bool {
        each!(self, store => store.reader().is_undisturbed())
    }

    /// Lets go of it, with nothing left open.
    pub async fn close(self) {
        each!(self, store => store.close().await);
    }
}

impl From<SqliteStore> for Store {
    fn from(store: SqliteStore) -> Self {
        Self::Sqlite(Box::new(store))
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
