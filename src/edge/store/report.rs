//! What the store tells people: statistics, history, findings.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ApplyRow, ApplyStatus, OperationStatus};
use crate::domain::{ApplyId, PlaylistId, Provenance, State, TrackId, state::ObjectKey};

/// Counts for `db status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Playlists that are in TIDAL.
    pub playlists: i64,
    /// Soft-deleted playlists.
    pub playlists_deleted: i64,
    /// Tracks.
    pub tracks: i64,
    /// Tracks that have a file.
    pub tracks_with_file: i64,
    /// Tracks that have a Rekordbox row.
    pub tracks_with_content: i64,
    /// Entries of the playlists that are in TIDAL.
    pub entries: i64,
    /// Of those: with a file.
    pub entries_local: i64,
    /// Of those: in the Rekordbox playlist.
    pub entries_rekordbox: i64,
    /// Files by provenance; a missing key is none.
    pub files: BTreeMap<Provenance, i64>,
    /// Bytes of the files, when we last wrote or verified them.
    pub file_bytes: i64,
    /// Rekordbox objects by provenance; a missing key is none.
    pub objects: BTreeMap<Provenance, i64>,
    /// Operations by status, over all runs; a missing key is none.
    pub operations: BTreeMap<OperationStatus, i64>,
    /// Runs.
    pub applies: i64,
    /// The newest run.
    pub last_apply: Option<ApplyRow>,
    /// Snapshots kept.
    pub snapshots: i64,
    /// When the last complete TIDAL reading was saved.
    pub last_reading_at: Option<Timestamp>,
}

/// Which operations to tell of.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct HistoryFilter {
    /// Only of this run.
    pub apply: Option<ApplyId>,
    /// Only about this playlist.
    pub playlist: Option<PlaylistId>,
    /// Only about this track.
    pub track: Option<TrackId>,
    /// At most so many.
    pub limit: usize,
}

/// One operation and its run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// The run.
    pub apply: ApplyId,
    /// `normal`, `undo`, `reconcile`, `download`, `purge`.
    pub mode: String,
    /// How the run stands; [`ApplyStatus::Undone`] runs count no more.
    pub apply_status: ApplyStatus,
    /// Who ran it.
    pub who: String,
    /// Position in the run.
    pub seq: i64,
    /// The action's kind, such as `file.fetch`.
    pub kind: String,
    /// `add`, `remove`, `update`, `move`.
    pub action: String,
    /// How it stands.
    pub status: OperationStatus,
    /// When it was settled, begun or written, the last that happened.
    pub at: Timestamp,
    /// TIDAL's id of the playlist.
    pub playlist: Option<String>,
    /// TIDAL's id of the track.
    pub track: Option<String>,
    /// The change that it answered.
    pub change_type: Option<String>,
    /// The rule.
    pub rule: String,
    /// Whom it was about.
    pub label: String,
    /// Where a trashed file went.
    pub trash_path: Option<String>,
    /// Why it failed.
    pub error_message: Option<String>,
}

/// A track came to a playlist, or left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentChange {
    /// When: TIDAL's date for what came where it says one, else when it was recorded.
    pub at: Timestamp,
    /// Whether it came.
    pub added: bool,
    /// The track.
    pub track: TrackId,
    /// `Artist – Title (Version)`; the id where no more is known.
    pub label: String,
}

/// A row of `sync_snapshots`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRow {
    /// `tidal`, `local`, `rekordbox`.
    pub kind: String,
    /// JSON.
    pub data: String,
    /// Playlists in it.
    pub playlist_count: i64,
    /// Tracks in it.
    pub track_count: i64,
    /// Whether absence in it proves anything.
    pub complete: bool,
    /// When it was saved.
    pub at: Timestamp,
}

/// Something that `db check` found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// Which check: `integrity`, `foreign_keys`, `positions`, `files`, `tracks`, `objects`, `journal`.
    pub check: String,
    /// What it is about: a path, a track's id, a table.
    pub subject: String,
    /// In words.
    pub message: String,
}

impl Finding {
    pub(super) fn new(
        check: &str,
        subject: &dyn std::fmt::Display,
        message: impl Into<String>,
    ) -> Self {
        Self {
            check: check.to_owned(),
            subject: subject.to_string(),
            message: message.into(),
        }
    }
}

impl Statistics {
    /// What the state itself tells; runs and snapshots are added by the store.
    pub(super) fn of(state: &State) -> Self {
        let mut told = Self::default();
        for playlist in state.playlists.values() {
            if playlist.deleted_at.is_some() {
                told.playlists_deleted += 1;
                continue;
            }
            told.playlists += 1;
            for entry in &playlist.entries {
                told.entries += 1;
                told.entries_local += i64::from(entry.in_local);
                told.entries_rekordbox += i64::from(entry.in_rekordbox);
            }
        }
        for track in state.tracks.values() {
            told.tracks += 1;
            told.tracks_with_file += i64::from(track.file.is_some());
            told.tracks_with_content += i64::from(track.content.is_some());
        }
        for file in state.files.values() {
            *told.files.entry(file.provenance).or_default() += 1;
            told.file_bytes += i64::try_from(file.size).unwrap_or(i64::MAX);
        }
        for object in state.objects.values() {
            *told.objects.entry(object.provenance).or_default() += 1;
        }
        told
    }
}

/// What contradicts itself in the state: links that end nowhere. Nothing here depends on a store.
pub(super) fn contradictions(state: &State) -> Vec<Finding> {
    let mut found = Vec::new();
    for (id, row) in &state.tracks {
        match row.file.as_ref().map(|path| (path, state.files.get(path))) {
            None => {}
            Some((path, None)) => {
                let message = format!("its file {path} has no row in files");
                found.push(Finding::new("tracks", id, message));
            }
            Some((path, Some(file))) if file.track.as_ref() != Some(id) => {
                let message = format!("its file {path} is recorded as another track's");
                found.push(Finding::new("tracks", id, message));
            }
            Some(_) => {}
        }
    }
    for (path, row) in &state.files {
        let unknown = |id: &TrackId| !state.tracks.contains_key(id);
        if let Some(track) = row.track.as_ref().filter(|id| unknown(id)) {
            let message = format!("it belongs to the unknown track {track}");
            found.push(Finding::new("files", path, message));
        }
        if !path.is_safe() {
            found.push(Finding::new("files", path, "the path leaves its root"));
        }
    }
    for row in state.objects.values() {
        if let ObjectKey::Playlist(id) = &row.key
            && !state.playlists.contains_key(id)
        {
            let message = format!("it belongs to the unknown playlist {id}");
            found.push(Finding::new("objects", &row.id, message));
        }
    }
    found
}
