//! Rekordbox: its encrypted `master.db` and the `masterPlaylists6.xml` beside it.
//!
//! A change goes in three steps, so that it can be journaled before it happens and undone after:
//! [`RekordboxLibrary::stage`] reads fresh rows and computes, without writing, which rows change to
//! what ([`RowEdits`], with every id already chosen); the caller makes that durable; then
//! [`RekordboxLibrary::commit`] checks that the rows are still as staged and writes them all in one
//! transaction. [`RekordboxReader::probe`] tells from the rows alone whether a commit happened, and the
//! reversed edits are the undo.

pub mod exports;
pub mod locate;
pub mod processes;
pub mod ids;
pub mod masterdb;
pub mod memory;
pub mod fixture;
pub mod export;
mod backup;
mod cache;
mod collect;
mod facts;
mod invariants;
mod key;
mod load;
mod loss;
mod net;
mod playlists_xml;
mod read;
mod restore;
mod schema;
mod sql;
mod sqlcipher;
mod stage;
mod table;
mod tables;
mod write;

use std::path::PathBuf;

pub use backup::Backup;
pub use facts::{LibraryFacts, SyncCounts};
pub use ids::IdSource;
pub use locate::{Places, locate};
pub use loss::Loss;
pub use masterdb::{MasterDb, MasterDbOptions};
pub use memory::MemoryRekordbox;
pub use processes::Processes;

use serde::{Deserialize, Serialize};

/// The text of a playlist file (`masterPlaylists6.xml`), taken apart and written again without a change.
///
/// # Errors
/// Why the text is not such a file.
pub fn playlist_file_again(text: &str) -> Result<String, String> {
    playlists_xml::inspect(text)?;
    let (tree, touched) = (
        playlists_xml::Tree::new(),
        std::collections::BTreeSet::new(),
    );
    playlists_xml::update(text, &tree, &touched, 0)
}

use crate::domain::{Collection, ContentId, MyTagId, NodeId, NodeKind, Observed};

/// Reads a Rekordbox library. Nothing here can write to it.
pub trait RekordboxReader {
    /// Everything that matters, in one consistent snapshot.
    ///
    /// # Errors
    /// When the database cannot be opened or is none of Rekordbox's.
    fn read(&self) -> impl Future<Output = Result<Observed<Collection>, RekordboxError>> + Send;

    /// Names of running Rekordbox processes; gate TC502.
    ///
    /// # Errors
    /// When the processes cannot be listed: treat as running.
    fn running(&self) -> Result<Vec<String>, RekordboxError>;

    /// Whether the rows are as before these edits, as after, or neither.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn probe(&self, edits: &RowEdits)
    -> impl Future<Output = Result<Probe, RekordboxError>> + Send;
}

/// Changes a Rekordbox library.
pub trait RekordboxLibrary: RekordboxReader {
    /// Checks that writing is safe (processes, left-over WAL, schema, version) and makes a verified
    /// backup of database and XML; returns its folder.
    ///
    /// # Errors
    /// When writing is not safe, with the reason.
    fn prepare(&mut self) -> impl Future<Output = Result<PathBuf, RekordboxError>> + Send;

    /// Computes the rows that `edits` change, one [`RowEdits`] for each edit in order, as if each were
    /// made after those before it. Writes nothing. `now` becomes the rows' timestamps.
    ///
    /// # Errors
    /// When an edit makes no sense against the present rows.
    fn stage(
        &mut self,
        edits: &[Edit],
        now: jiff::Timestamp,
    ) -> impl Future<Output = Result<Vec<Staged>, RekordboxError>> + Send;

    /// Writes staged edits in one transaction: checks processes and before-images again, writes the
    /// rows and the change counter, checks invariants, commits. All or nothing.
    ///
    /// # Errors
    /// [`RekordboxError::Conflict`] when a row is not as staged; nothing is written then.
    fn commit(
        &mut self,
        edits: &[RowEdits],
        now: jiff::Timestamp,
    ) -> impl Future<Output = Result<(), RekordboxError>> + Send;

    /// After all commits of a run: integrity checks, checkpoint, and `masterPlaylists6.xml` brought in
    /// line with the database for `touched` nodes (made, renamed, moved, re-filled or removed),
    /// other bytes kept, by rename. Idempotent.
    ///
    /// # Errors
    /// When a check fails or the XML cannot be written.
    fn finish(
        &mut self,
        touched: &[NodeId],
        now: jiff::Timestamp,
    ) -> impl Future<Output = Result<(), RekordboxError>> + Send;
}

/// A change in Rekordbox's terms.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Add a track: one full `djmdContent` row, artist, album and genre looked up before made.
    AddContent(Box<NewContentRow>),
    /// Point a row at a file's new place.
    Relocate {
        content: ContentId,
        file: ContentFile,
    },
    /// Set some fields.
    UpdateContent {
        content: ContentId,
        title: Option<String>,
        artist: Option<String>,
        album: Option<String>,
        year: Option<u16>,
    },
    /// Make a node at the end of its folder.
    CreateNode {
        name: String,
        kind: NodeKind,
        parent: Parent,
        smart: Vec<TagRef>,
    },
    /// Rename and/or move a node.
    UpdateNode {
        id: NodeId,
        name: Option<String>,
        parent: Option<Parent>,
    },
    /// Remove a node, its entries, and (a folder) nothing inside: it must be empty.
    RemoveNode { id: NodeId },
    /// Make the entries of a list these, in order. Rows of entries that stay are kept.
    SetEntries {
        node: NodeRef,
        contents: Vec<ContentRef>,
    },
    /// Make a MyTag in the group of that name; the group must exist or one of the four be vacant.
    CreateTag { group: String, name: String },
    /// Add and remove MyTag links of a track. `remove` names link rows (`djmdSongMyTag.ID`).
    SetTags {
        content: ContentRef,
        add: Vec<TagRef>,
        remove: Vec<String>,
    },
    /// Put rows back as they were: the reversed edits of an earlier action.
    Restore(RowEdits),
}

/// The containing folder of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parent {
    /// The top.
    Root,
    /// This folder.
    Node(NodeRef),
}

/// A node that exists, or one that an earlier edit of the same `stage` call creates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeRef {
    Id(NodeId),
    /// Index into the `edits` of this call.
    Staged(usize),
}

/// A content row that exists, or one that an earlier edit of the same `stage` call adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentRef {
    Id(ContentId),
    Staged(usize),
}

/// A MyTag that exists, or one that an earlier edit of the same `stage` call makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagRef {
    Id(MyTagId),
    Staged(usize),
}

/// A file as Rekordbox records it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentFile {
    /// Absolute.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Inode or NTFS file reference number.
    pub file_id: u64,
}

/// A track to add.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewContentRow {
    pub file: ContentFile,
    pub title: String,
    pub artist: Option<String>,
    pub album: Option<String>,
    pub genre: Option<String>,
    pub isrc: Option<String>,
    pub year: Option<u16>,
    /// Whole seconds.
    pub length_s: u32,
    pub bitrate_kbps: u32,
    pub sample_rate_hz: u32,
    pub bit_depth: u8,
    /// `None` when unknown.
    pub format: Option<crate::domain::AudioFormat>,
    /// When the file was created or modified; `None`: now.
    pub created: Option<jiff::Timestamp>,
    pub comment: String,
}

/// What one edit does to rows, and the ids that it gives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Staged {
    /// The rows.
    pub rows: RowEdits,
    /// The content row that was added, or concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentId>,
    /// The node that was made, or concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// The tag that was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<MyTagId>,
    /// Tag links that were made: tag and link row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<(MyTagId, String)>,
}

/// Row images before and after, in writing order. Counters and timestamps (`rb_local_usn`,
/// `updated_at`) are part of the after-image but not of the comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowEdits(pub Vec<RowEdit>);

/// One row, before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowEdit {
    /// The table.
    pub table: String,
    /// The primary key.
    pub id: String,
    /// All columns before; `None`: the row did not exist. For an update, at least the columns that
    /// change. In a whole row a column that is not named is NULL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<serde_json::Map<String, serde_json::Value>>,
    /// The same columns after; `None`: the row is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<serde_json::Map<String, serde_json::Value>>,
}

impl RowEdits {
    /// The edits that take these back, in reverse order.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let reverse = |edit: &RowEdit| RowEdit {
            table: edit.table.clone(),
            id: edit.id.clone(),
            before: edit.after.clone(),
            after: edit.before.clone(),
        };
        Self(self.0.iter().rev().map(reverse).collect())
    }
}

/// What a probe of the rows finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// As before the edits.
    Before,
    /// As after the edits.
    After,
    /// Neither: somebody else changed them.
    Conflict,
}

/// Why Rekordbox could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum RekordboxError {
    /// No library where one should be.
    #[error("no Rekordbox database at {0}")]
    Missing(PathBuf),
    /// The settings name a library on a drive that is not there.
    #[error("the Rekordbox library is on a drive that is not mounted: {0}")]
    NotMounted(PathBuf),
    /// Not a database, or the key does not fit.
    #[error("{0} is not a Rekordbox database, or its key does not fit")]
    NotADatabase(PathBuf),
    /// Another program holds it.
    #[error("the Rekordbox database is locked by another program")]
    Locked,
    /// Rekordbox runs; or it cannot be told.
    #[error("Rekordbox is running ({0})")]
    Running(String),
    /// A write-ahead log was left over by a crash.
    #[error("{0} was left behind by a crash of Rekordbox")]
    LeftoverWal(PathBuf),
    /// A schema that this program does not know: reading only.
    #[error("this Rekordbox database has an unknown layout ({0}); it is only read")]
    UnknownSchema(String),
    /// A row is not as it was.
    #[error("Rekordbox row {table} {id} changed in the meantime")]
    Conflict { table: String, id: String },
    /// An edit that makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// An invariant would be broken; nothing was written.
    #[error("the Rekordbox database would break an invariant: {0}")]
    Invariant(String),
    /// The playlist XML cannot be understood; met before anything is written.
    #[error("{path} cannot be read: {reason}")]
    BadXml { path: PathBuf, reason: String },
    /// The playlist XML is malformed or cannot be written.
    #[error("could not update {path}: {reason}")]
    Xml { path: PathBuf, reason: String },
    /// SQLite says no.
    #[error("Rekordbox database: {doing}")]
    Database {
        doing: &'static str,
        #[source]
        source: sqlx::Error,
    },
    /// The operating system says no.
    #[error("could not {doing} {path}")]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}
