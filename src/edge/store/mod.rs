//! The state database: what we remember, and the journal.

#[macro_use]
mod same;
pub mod either;
pub mod freeze;
pub mod lock;
pub mod memory;
pub mod postgres;
pub mod report;
pub mod sqlite;
pub mod transfer;

mod last;
mod occurrence;
mod pack;
mod rule;
mod words;
#[cfg(test)]
mod story;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    ActionId, ApplyId, LibraryId, PlaylistId, State,
    state::{Meta, PlaylistRow, RowChange},
};

pub use either::Store;
pub use lock::{LockError, RunLock};
pub use memory::MemoryStore;
pub use postgres::{PostgresOptions, PostgresReader, PostgresStore};
pub use report::{Finding, HistoryFilter, HistoryRow, RecentChange, SnapshotRow, Statistics};
pub use sqlite::{BackupKind, SqliteReader, SqliteStore, StoreOptions};

/// The newest migration that this program knows.
pub const SCHEMA_VERSION: i64 = 3;
/// How many snapshots of each kind are kept, besides the newest complete one.
pub const SNAPSHOTS_KEPT: usize = 5;

/// Reads the state.
pub trait StateReader {
    /// The `meta` table.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn meta(&self) -> impl Future<Output = Result<Meta, StoreError>> + Send;

    /// Everything remembered, read by set.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn state(&self) -> impl Future<Output = Result<State, StoreError>> + Send;

    /// All runs, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn applies(&self) -> impl Future<Output = Result<Vec<ApplyRow>, StoreError>> + Send;

    /// The operations of a run, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn operations(
        &self,
        apply: ApplyId,
    ) -> impl Future<Output = Result<Vec<OperationRow>, StoreError>> + Send;

    /// The plan of a run, as it was applied (canonical JSON).
    ///
    /// # Errors
    /// When the database cannot be read.
    fn applied_plan(
        &self,
        apply: ApplyId,
    ) -> impl Future<Output = Result<Option<String>, StoreError>> + Send;

    /// The run that was begun and not closed; there is at most one.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn unfinished(&self) -> impl Future<Output = Result<Option<ApplyRow>, StoreError>> + Send;

    /// The last complete TIDAL reading that was saved: the JSON text of a snapshot.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn last_reading(&self) -> impl Future<Output = Result<Option<String>, StoreError>> + Send;

    /// The last snapshot of that kind (`tidal`, `local`, `rekordbox`), complete or not.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn last_snapshot(
        &self,
        kind: &str,
    ) -> impl Future<Output = Result<Option<SnapshotRow>, StoreError>> + Send;

    /// The names of the playlists that are in TIDAL, sorted, each once.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn playlist_names(&self) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send;

    /// The playlists of that name or TIDAL id (names compare as NFC): those in TIDAL first, then the
    /// soft-deleted ones, each in the order of their ids. Several may have the same name.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn playlists_by_name(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Vec<PlaylistRow>, StoreError>> + Send;

    /// What was done, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn history(
        &self,
        filter: &HistoryFilter,
    ) -> impl Future<Output = Result<Vec<HistoryRow>, StoreError>> + Send;

    /// Which tracks came to a playlist and left it, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn recent_changes(
        &self,
        playlist: &PlaylistId,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<RecentChange>, StoreError>> + Send;

    /// Whether another machine made that run: what it did to its Rekordbox is not for this one to finish or
    /// to take back.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn is_elsewhere(&self, apply: ApplyId)
    -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Who agreed to which plan, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn approvals(&self) -> impl Future<Output = Result<Vec<Approval>, StoreError>> + Send;

    /// Counts for `db status`.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn statistics(&self) -> impl Future<Output = Result<Statistics, StoreError>> + Send;

    /// What is wrong with the database or with what it says; empty when nothing is.
    ///
    /// # Errors
    /// When the check itself cannot be run.
    fn check(&self) -> impl Future<Output = Result<Vec<Finding>, StoreError>> + Send;
}

/// Changes the state.
pub trait StateStore: StateReader {
    /// Remembers the library's id; once.
    ///
    /// # Errors
    /// When it has another one, or the database cannot be written.
    fn set_library(
        &mut self,
        id: &LibraryId,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Saves a reading in `sync_snapshots` (compressed). Of each kind the newest
    /// [`SNAPSHOTS_KEPT`] stay, and the newest complete one.
    ///
    /// # Errors
    /// When the database cannot be written; [`StoreError::Fenced`] when this handle had a run and
    /// another took over.
    fn save_snapshot(
        &mut self,
        snapshot: NewSnapshot<'_>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Records that somebody agreed to a plan. The same person's second time changes nothing.
    ///
    /// # Errors
    /// When the database cannot be written.
    fn approve(
        &mut self,
        approval: &Approval,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// One transaction: the run, its plan, and one row `pending` for each action, in order. Raises the
    /// fencing number; every later write of another run with an older number fails.
    ///
    /// # Errors
    /// [`StoreError::Unfinished`] when a run is unfinished, [`StoreError::Protocol`] when the
    /// operations are not numbered from 0 or use another word than [`NewOperation`] names.
    fn begin_apply(
        &mut self,
        apply: NewApply,
        operations: &[NewOperation],
        at: Timestamp,
    ) -> impl Future<Output = Result<ApplyId, StoreError>> + Send;

    /// Takes over an unfinished run (`--resume`, `undo`), or opens a partial one again: it is
    /// [`ApplyStatus::Running`] afterwards, its operations stand as they stood, and the fencing number
    /// is raised.
    ///
    /// # Errors
    /// [`StoreError::NoSuchApply`]; [`StoreError::Unfinished`] when another run is unfinished;
    /// [`StoreError::Protocol`] when the run is completed or undone.
    fn resume_apply(
        &mut self,
        apply: ApplyId,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Whether this handle still has the run: nobody began or took over another since. Asked right before
    /// every effect outside of the database, which no transaction can take back.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when somebody did.
    fn hold(&self, apply: ApplyId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes intents durable (`synchronous=FULL`): the rows become `running` with their pre-images.
    /// Any operation that is not completed may be intended, again if need be; the last pre-image
    /// counts.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when another run took over; [`StoreError::Protocol`] when an operation
    /// is not there or completed. Nothing is written then.
    fn intend(
        &mut self,
        apply: ApplyId,
        intents: &[Intent],
        at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// One transaction: rows become `completed`, `failed`, `skipped` (or `pending` again, when probing
    /// found that nothing had happened) with their post-images, and the state rows change with them
    /// as [`State::apply`] says.
    ///
    /// The journal holds the protocol: only an operation with a durable intent can be completed, and
    /// nothing changes a completed one, except that a settlement with a pre-image, which has to hold what
    /// it did, opens it again to be done once more.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when another run took over; [`StoreError::Protocol`] as above. Nothing
    /// is written then.
    fn settle(
        &mut self,
        apply: ApplyId,
        settlements: &[Settlement],
        at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Closes the run and raises the serial. A completed undo marks the run that it takes back
    /// [`ApplyStatus::Undone`]; an undo of that undo (a redo) restores the first run's status.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when another run took over; [`StoreError::Protocol`] when an intent is
    /// not settled, or `status` is not [`ApplyStatus::Completed`] or [`ApplyStatus::Partial`].
    fn finish_apply(
        &mut self,
        apply: ApplyId,
        status: ApplyStatus,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A person agreed to a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Of the plan and its review: what was agreed to.
    pub digest: String,
    /// Of the plan alone, as its apply has it.
    pub plan: String,
    /// Who.
    pub who: String,
    /// When, by that person's clock.
    pub at: Timestamp,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApplyStatus {
    /// Begun and not closed: in progress, or killed.
    Running,
    /// Every action done.
    Completed,
    /// Closed with failures; every intent settled. `apply --resume` tries the rest again.
    Partial,
    /// Taken back by a later run.
    Undone,
}

/// A row of `applies`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyRow {
    pub id: ApplyId,
    /// `normal`, `undo`, `reconcile`, `download`, `purge`.
    pub mode: String,
    pub status: ApplyStatus,
    /// Of the plan.
    pub digest: String,
    /// SHA-256 of the policy file.
    pub policy_sha256: String,
    /// Who ran it: the system's user name.
    pub who: String,
    /// The run that this one takes back, for an undo.
    pub undoes: Option<ApplyId>,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// Counts by operation status.
    pub pending: i64,
    pub running: i64,
    pub completed: i64,
    pub failed: i64,
    pub skipped: i64,
}

/// A run to begin.
#[derive(Clone, Debug)]
pub struct NewApply {
    pub mode: String,
    pub digest: String,
    pub policy_sha256: String,
    pub who: String,
    pub undoes: Option<ApplyId>,
    /// The whole plan document, canonical JSON.
    pub plan: String,
}

/// A journal row to write before anything happens.
#[derive(Clone, Debug)]
pub struct NewOperation {
    /// Position in the run, from 0.
    pub seq: i64,
    pub action_id: ActionId,
    /// The action's kind, such as `file.fetch`.
    pub kind: String,
    /// The design's columns: `download`, `sync_rekordbox`, `cleanup`, `sync_local`, `snapshot`.
    pub operation_type: &'static str,
    /// `add`, `remove`, `update`, `move`.
    pub action: &'static str,
    /// `tidal`, `local`, `rekordbox`.
    pub source: &'static str,
    pub target: &'static str,
    /// TIDAL ids, for history by playlist and track.
    pub playlist: Option<String>,
    pub track: Option<String>,
    /// The change that it answers, such as `TRACK_ADDED_TO_PLAYLIST`.
    pub change_type: Option<String>,
    /// The rule.
    pub rule: String,
    /// What a person reads in the history.
    pub label: String,
}

/// A journal row read back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperationRow {
    pub seq: i64,
    pub action_id: ActionId,
    pub kind: String,
    pub operation_type: String,
    pub status: OperationStatus,
    pub action: String,
    pub playlist: Option<String>,
    pub track: Option<String>,
    pub change_type: Option<String>,
    pub rule: String,
    pub label: String,
    /// JSON; see `record`.
    pub pre_image: Option<serde_json::Value>,
    /// JSON; see `record`.
    pub post_image: Option<serde_json::Value>,
    pub trash_path: Option<String>,
    pub error_message: Option<String>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
}

/// How an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperationStatus {
    /// Not begun.
    Pending,
    /// Its intent is durable; the effect may or may not have happened.
    Running,
    /// Done.
    Completed,
    /// Tried, and nothing changed.
    Failed,
    /// Not tried, because something before it failed.
    Skipped,
}

/// An intent: what is about to be done, durable before it is done.
#[derive(Clone, Debug)]
pub struct Intent {
    pub seq: i64,
    /// What stands there, and everything that was chosen for the effect (new ids).
    pub pre_image: serde_json::Value,
}

/// The outcome of one operation.
#[derive(Clone, Debug)]
pub struct Settlement {
    pub seq: i64,
    pub status: OperationStatus,
    /// Takes the place of the intent's, where an operation was done in two passes.
    pub pre_image: Option<serde_json::Value>,
    pub post_image: Option<serde_json::Value>,
    pub trash_path: Option<String>,
    pub error_message: Option<String>,
    /// State rows that change with it.
    pub rows: Vec<RowChange>,
}

/// A reading to keep.
#[derive(Clone, Debug)]
pub struct NewSnapshot<'a> {
    /// `tidal`, `local`, `rekordbox`.
    pub kind: &'static str,
    /// JSON.
    pub data: &'a str,
    pub playlist_count: i64,
    pub track_count: i64,
    /// Whether absence in it proves anything; only complete ones count as the last reading.
    pub complete: bool,
    pub at: Timestamp,
}

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Written by a newer version of this program.
    #[error(
        "the state database {path} is of a newer version ({found}) than this program ({known})"
    )]
    Newer {
        path: String,
        found: i64,
        known: i64,
    },
    /// It belongs to another library.
    #[error("the state database belongs to library {expected}, not {found}")]
    OtherLibrary {
        expected: LibraryId,
        found: LibraryId,
    },
    /// A run is neither finished nor undone.
    #[error("apply {0} was interrupted")]
    Unfinished(ApplyId),
    /// Another run holds the lock of a shared state.
    #[error("the library in {path} is locked by another run{}", holder.as_ref().map(|holder| format!(" ({holder})")).unwrap_or_default())]
    Locked {
        path: String,
        /// `anna on studio, process 4711`, where it can be read.
        holder: Option<String>,
    },
    /// A proxy gives each transaction another connection, so that no lock can be held.
    #[error(
        "there is a proxy before the state database that gives out its connections by transaction"
    )]
    Pooled,
    /// Another run took over.
    #[error("another run took over the state database")]
    Fenced,
    /// No such run.
    #[error("there is no apply {0}")]
    NoSuchApply(ApplyId),
    /// The journal's protocol was not kept: a bug of the caller's, never a user's fault.
    #[error("apply {apply}: {reason}")]
    Protocol {
        apply: ApplyId,
        reason: &'static str,
    },
    /// It must be migrated first, which a reader does not do.
    #[error(
        "the state database {path} is of an older version ({found}) than this program ({known}) and must be migrated"
    )]
    Outdated {
        path: String,
        found: i64,
        known: i64,
    },
    /// Nothing was recorded of a library yet.
    #[error("the state database belongs to no library yet")]
    NoLibrary,
    /// A saved state is cut, changed, or none.
    #[error("the saved state cannot be used: {reason}{}", of_line(*line))]
    BadExport {
        /// From 1; 0 where it is no single line.
        line: u64,
        reason: &'static str,
    },
    /// A state was to be moved where another one is; named is the first table that differs.
    #[error("another state is there already (it differs in {0})")]
    Occupied(String),
    /// What is there after moving is not what was sent; named is the first table that differs.
    #[error("what arrived is not what was sent (it differs in {0})")]
    Arrived(String),
    /// PostgreSQL keeps no NUL in a text.
    #[error("a text in {place} holds a NUL character, which PostgreSQL cannot keep")]
    Nul {
        /// Table and column.
        place: String,
    },
    /// There is no state database.
    #[error("there is no state database at {path}")]
    Missing { path: String },
    /// Damaged, or not a database.
    #[error("the state database {path} is damaged: {reason}")]
    Damaged { path: String, reason: String },
    /// The database says no.
    #[error("state database: {doing}")]
    Database {
        doing: &'static str,
        #[source]
        source: sqlx::Error,
    },
    /// The operating system says no.
    #[error("could not {doing} {path}")]
    Io {
        doing: &'static str,
        path: String,
        #[source]
        source: std::io::Error,
    },
}

fn of_line(line: u64) -> String {
    match line {
        0 => String::new(),
        line => format!(" (line {line})"),
    }
}

impl StoreError {
    /// Whether the database or its folder may be read and not written.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        /// `SQLITE_READONLY` and `SQLITE_CANTOPEN`.
        const CODES: [i32; 2] = [8, 14];
        /// PostgreSQL's `insufficient_privilege` and `read_only_sql_transaction`.
        const STATES: [&str; 2] = ["42501", "25006"];
        match self {
            Self::Database { .. } => self.code().is_some_and(|code| match code.len() {
                5 => STATES.contains(&code.as_str()),
                _ => code
                    .parse::<i32>()
                    .is_ok_and(|code| CODES.contains(&(code & 0xff))),
            }),
            Self::Io { source, .. } => source.kind() == std::io::ErrorKind::PermissionDenied,
            _ => false,
        }
    }

    /// The database's own code: SQLite's number, PostgreSQL's five letters.
    #[must_use]
    pub fn code(&self) -> Option<String> {
        let Self::Database { source, .. } = self else {
            return None;
        };
        Some(source.as_database_error()?.code()?.into_owned())
    }

    /// Whether the same transaction may succeed when it is tried again: it met another one.
    #[must_use]
    pub fn is_serialization(&self) -> bool {
        // serialization_failure, deadlock_detected
        self.code()
            .is_some_and(|code| code == "40001" || code == "40P01")
    }
}
