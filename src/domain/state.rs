//! What we remember: what we made, adopted and linked, and what TIDAL said last.
//!
//! Every row is a plain value with a key. A change to the state is a list of [`RowChange`]s, each with
//! the row before and after, so that the journal can hold it and undo can reverse it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ContentHash, ContentId, LibraryId, MediaPath, NodeId, PlaylistId, Track, TrackId};

/// Who put a thing there. Only `Tidal` and `Adopted` things are ever changed or removed.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// We fetched or created it.
    Tidal,
    /// It was the user's, who confirmed that it is ours to manage.
    Adopted,
    /// The user's. Linked at the most, never touched.
    Foreign,
}

impl Provenance {
    /// Whether we may change or remove it.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        match self {
            Self::Tidal | Self::Adopted => true,
            Self::Foreign => false,
        }
    }
}

/// Everything remembered about one library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Which history this is.
    pub meta: Meta,
    /// Known tracks.
    pub tracks: BTreeMap<TrackId, TrackRow>,
    /// Known playlists, the soft-deleted ones too.
    pub playlists: BTreeMap<PlaylistId, PlaylistRow>,
    /// Files that we made, adopted or linked.
    pub files: BTreeMap<MediaPath, FileRow>,
    /// Rekordbox objects that we made or adopted, by key.
    pub objects: BTreeMap<ObjectKey, ObjectRow>,
    /// Tracks that this machine's Rekordbox still has in our lists though another machine took them out of the
    /// playlist: ours, and not the DJ's. Whoever writes a playlist's row on this machine has dealt with them.
    pub left_behind: BTreeMap<PlaylistId, BTreeSet<TrackId>>,
}

/// The `meta` table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Of the library root; `None` before `db init`.
    pub library_id: Option<LibraryId>,
    /// A UUID made when the database was created.
    pub lineage: String,
    /// One more with each committed apply, undo or reconcile.
    pub serial: i64,
    /// The newest migration that has run.
    pub schema_version: i64,
}

/// `tracks`: one TIDAL track, and the file and content that stand for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackRow {
    /// TIDAL's metadata as of the last apply that concerned it. Shared with the present reading where
    /// that says the same.
    pub track: Arc<Track>,
    /// The file that is this track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<MediaPath>,
    /// The Rekordbox row that is this track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentId>,
    /// The playlist whose folder holds the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<PlaylistId>,
    /// When a complete reading last had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_in_tidal: Option<Timestamp>,
}

/// `playlists` with their `playlist_tracks`: what the last apply made of one TIDAL playlist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaylistRow {
    /// TIDAL's UUID.
    pub id: PlaylistId,
    /// The raw TIDAL name.
    pub name: String,
    /// TIDAL's description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its folder below the library root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<MediaPath>,
    /// Its Rekordbox playlist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// Whether we made it.
    pub provenance: Provenance,
    /// When we first managed it.
    pub created_at: Timestamp,
    /// When an apply last completed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_synced_at: Option<Timestamp>,
    /// When a complete reading last had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_in_tidal: Option<Timestamp>,
    /// Soft delete: gone from TIDAL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// In order; `position` is the index. A track may stand in it twice.
    pub entries: Vec<EntryRow>,
}

/// `playlist_tracks`: one occurrence of a track in a playlist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRow {
    /// The track.
    pub track: TrackId,
    /// Whether TIDAL had it when last applied.
    pub in_tidal: bool,
    /// Whether a file stood for it.
    pub in_local: bool,
    /// Whether it stood in the Rekordbox playlist.
    pub in_rekordbox: bool,
    /// When we first saw it in TIDAL's playlist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added_at: Option<Timestamp>,
}

/// `files`: a file with a provenance. Files without a row are the user's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRow {
    /// Where.
    pub path: MediaPath,
    /// What it is for.
    pub role: FileRole,
    /// Who put it there.
    pub provenance: Provenance,
    /// The track it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<TrackId>,
    /// The playlist it belongs to (playlist files, further copies).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playlist: Option<PlaylistId>,
    /// Bytes, when we last wrote or verified it.
    pub size: u64,
    /// SHA-256, when we last wrote or verified it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<ContentHash>,
}

/// What a file with a provenance is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileRole {
    /// The one file of a track.
    Track,
    /// A hard link or copy in the folder of a further playlist.
    Copy,
    /// An `.m3u8`.
    Playlist,
}

/// What a Rekordbox object of ours is, by meaning and not by id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKey {
    /// A folder, by its path from the top: `["TIDAL", "House"]`.
    Folder(Vec<String>),
    /// The playlist of a TIDAL playlist.
    Playlist(PlaylistId),
    /// A smart playlist, by its folder path and name.
    Smart(Vec<String>),
    /// A MyTag, by group and name.
    Tag(String, String),
    /// A link between a tag (group, name) and a content row.
    TagLink(String, String, ContentId),
    /// A content row.
    Content(ContentId),
}

/// A Rekordbox object that we made or adopted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRow {
    /// What it is.
    pub key: ObjectKey,
    /// Its id in Rekordbox's database (`djmdPlaylist.ID`, `djmdMyTag.ID`, `djmdSongMyTag.ID`,
    /// `djmdContent.ID`).
    pub id: String,
    /// Who made it.
    pub provenance: Provenance,
}

/// One row of the state, before or after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateRow {
    /// A row of `tracks`.
    Track(Box<TrackRow>),
    /// A row of `playlists` with its `playlist_tracks`.
    Playlist(PlaylistRow),
    /// A row of `files`.
    File(FileRow),
    /// A row of `rekordbox_objects`.
    Object(ObjectRow),
}

/// A change of one row. `before: None` makes it, `after: None` takes it away (playlists are only
/// ever soft-deleted, tracks only lose their file and content). Both are of the same kind and key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowChange {
    /// What stood there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<StateRow>,
    /// What shall stand there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<StateRow>,
}

impl RowChange {
    /// The change that takes this one back.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self {
            before: self.after,
            after: self.before,
        }
    }
}

impl State {
    /// The rows changed as `changes` say.
    pub fn apply(&mut self, changes: &[RowChange]) {
        for RowChange { before, after } in changes {
            if let Some(row) = before {
                self.remove(row);
            }
            if let Some(row) = after {
                self.insert(row.clone());
            }
        }
    }

    /// Every row.
    #[must_use]
    pub fn rows(&self) -> Vec<StateRow> {
        let tracks = self
            .tracks
            .values()
            .map(|row| StateRow::Track(Box::new(row.clone())));
        let playlists = self.playlists.values().cloned().map(StateRow::Playlist);
        let files = self.files.values().cloned().map(StateRow::File);
        let objects = self.objects.values().cloned().map(StateRow::Object);
        tracks
            .chain(playlists)
            .chain(files)
            .chain(objects)
            .collect()
    }

    /// The state of these rows.
    #[must_use]
    pub fn of_rows(meta: Meta, rows: Vec<StateRow>) -> Self {
        let mut state = Self {
            meta,
            ..Self::default()
        };
        rows.into_iter().for_each(|row| state.insert(row));
        state
    }

    /// The changes after which all that belongs to playlist `from` belongs to playlist `to`: its row and
    /// entries, the homes of its tracks, its files, and its list in Rekordbox. A soft-deleted row is
    /// revived. Empty where there is no `from`, or where `to` is known as well.
    #[must_use]
    pub fn rekeyed(&self, from: &PlaylistId, to: &PlaylistId) -> Vec<RowChange> {
        let Some(row) = self.playlists.get(from) else {
            return Vec::new();
        };
        if self.playlists.contains_key(to) {
            return Vec::new();
        }
        let change = |before, after| RowChange { before, after };
        let mut new = PlaylistRow {
            id: to.clone(),
            ..row.clone()
        };
        if new.deleted_at.take().is_some() {
            new.entries
                .iter_mut()
                .for_each(|entry| entry.in_tidal = true);
        }
        // The new row comes before what refers to it, the old one goes after.
        let mut changes = vec![change(None, Some(StateRow::Playlist(new)))];
        let track = |row| Some(StateRow::Track(Box::new(row)));
        let homes = self.tracks.values();
        for row in homes.filter(|row| row.home.as_ref() == Some(from)) {
            let after = TrackRow {
                home: Some(to.clone()),
                ..row.clone()
            };
            changes.push(change(track(row.clone()), track(after)));
        }
        let files = self.files.values();
        for row in files.filter(|row| row.playlist.as_ref() == Some(from)) {
            let after = FileRow {
                playlist: Some(to.clone()),
                ..row.clone()
            };
            let row = Some(StateRow::File(row.clone()));
            changes.push(change(row, Some(StateRow::File(after))));
        }
        if let Some(row) = self.objects.get(&ObjectKey::Playlist(from.clone())) {
            let after = ObjectRow {
                key: ObjectKey::Playlist(to.clone()),
                ..row.clone()
            };
            changes.push(change(Some(StateRow::Object(row.clone())), None));
            changes.push(change(None, Some(StateRow::Object(after))));
        }
        changes.push(change(Some(StateRow::Playlist(row.clone())), None));
        changes
    }

    /// The provenance of the file at `path`: foreign unless the state says otherwise.
    #[must_use]
    pub fn provenance(&self, path: &MediaPath) -> Provenance {
        self.files
            .get(path)
            .map_or(Provenance::Foreign, |file| file.provenance)
    }

    /// Our Rekordbox object of that meaning.
    #[must_use]
    pub fn object(&self, key: &ObjectKey) -> Option<&ObjectRow> {
        self.objects.get(key)
    }

    fn insert(&mut self, row: StateRow) {
        match row {
            StateRow::Track(row) => drop(self.tracks.insert(row.track.id.clone(), *row)),
            StateRow::Playlist(row) => {
                self.left_behind.remove(&row.id);
                self.playlists.insert(row.id.clone(), row);
            }
            StateRow::File(row) => drop(self.files.insert(row.path.clone(), row)),
            StateRow::Object(row) => drop(self.objects.insert(row.key.clone(), row)),
        }
    }

    fn remove(&mut self, row: &StateRow) {
        match row {
            StateRow::Track(row) => drop(self.tracks.remove(&row.track.id)),
            StateRow::Playlist(row) => drop(self.playlists.remove(&row.id)),
            StateRow::File(row) => drop(self.files.remove(&row.path)),
            StateRow::Object(row) => drop(self.objects.remove(&row.key)),
        }
    }
}
