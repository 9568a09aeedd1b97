//! Which columns of which tables are the state, in which order they come, and what a value is.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::Value;

/// What a column holds. Every column may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edge::store) enum Kind {
    Text,
    Int,
    /// In the stream as base64.
    Bytes,
    /// The row of a playlist; in the stream its place among the playlists, from 1.
    Playlist,
    /// The row of a track; likewise.
    Track,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::edge::store) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Cell {
    /// Bytes that it takes, about.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Null | Self::Int(_) => 8,
            Self::Text(text) => 8 + text.len(),
            Self::Bytes(bytes) => 8 + bytes.len(),
        }
    }

    /// In the stream.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Int(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Bytes(bytes) => BASE64.encode(bytes).into(),
        }
    }

    /// `None`: no such value can be in a column of that kind.
    pub(super) fn of_json(value: Value, kind: Kind) -> Option<Self> {
        match (value, kind) {
            (Value::Null, _) => Some(Self::Null),
            (Value::Number(number), Kind::Int | Kind::Playlist | Kind::Track) => {
                number.as_i64().map(Self::Int)
            }
            (Value::String(text), Kind::Text) => Some(Self::Text(text)),
            (Value::String(text), Kind::Bytes) => BASE64.decode(text).ok().map(Self::Bytes),
            _ => None,
        }
    }
}

/// A table of the state.
#[derive(Debug)]
pub(in crate::edge::store) struct Table {
    pub(in crate::edge::store) name: &'static str,
    pub(in crate::edge::store) columns: &'static [(&'static str, Kind)],
    /// The columns that order its rows; they tell them apart.
    pub(in crate::edge::store) order: &'static [&'static str],
}

impl Table {
    /// Whether other tables name its rows.
    pub(in crate::edge::store) fn is_numbered(&self) -> bool {
        matches!(self.name, "tracks" | "playlists")
    }

    /// The names of the columns, separated by commas.
    pub(in crate::edge::store) fn column_list(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    pub(in crate::edge::store) fn kind_of(&self, column: &str) -> Option<Kind> {
        let mut columns = self.columns.iter();
        let (_, kind) = columns.find(|(name, _)| *name == column)?;
        Some(*kind)
    }
}

use Kind::{Bytes, Int, Playlist, Text, Track};

/// All of them; a table stands behind those that its rows name. What a machine's Rekordbox calls tracks and
/// playlists is in `device_ids`, wherever a database keeps it.
pub(in crate::edge::store) static TABLES: [Table; 11] = [
    Table {
        name: "tracks",
        columns: &[
            ("tidal_id", Text),
            ("title", Text),
            ("artist", Text),
            ("album", Text),
            ("year", Int),
            ("genre", Text),
            ("duration_seconds", Int),
            ("isrc", Text),
            ("normalized_name", Text),
            ("file_path", Text),
            ("file_size_bytes", Int),
            ("file_format", Text),
            ("file_hash", Text),
            ("file_last_modified", Text),
            ("created_at", Text),
            ("updated_at", Text),
            ("last_seen_in_tidal", Text),
            ("version", Text),
            ("artists", Text),
            ("explicit", Int),
            ("release_date", Text),
            ("media_tags", Text),
            ("streamable", Int),
            ("home_playlist_tidal_id", Text),
            ("deleted_at", Text),
        ],
        order: &["id"],
    },
    Table {
        name: "playlists",
        columns: &[
            ("tidal_id", Text),
            ("name", Text),
            ("description", Text),
            ("local_folder_path", Text),
            ("created_at", Text),
            ("updated_at", Text),
            ("last_synced_at", Text),
            ("last_seen_in_tidal", Text),
            ("track_count_tidal", Int),
            ("track_count_local", Int),
            ("track_count_rekordbox", Int),
            ("provenance", Text),
            ("deleted_at", Text),
            ("forgotten_at", Text),
        ],
        order: &["id"],
    },
    Table {
        name: "playlist_tracks",
        columns: &[
            ("playlist_id", Playlist),
            ("track_id", Track),
            ("position", Int),
            ("in_tidal", Int),
            ("in_local", Int),
            ("in_rekordbox", Int),
            ("added_to_tidal", Text),
            ("added_to_local", Text),
            ("added_to_rekordbox", Text),
            ("removed_from_tidal", Text),
            ("created_at", Text),
            ("updated_at", Text),
        ],
        order: &["id"],
    },
    Table {
        name: "files",
        columns: &[
            ("path", Text),
            ("role", Text),
            ("provenance", Text),
            ("track_tidal_id", Text),
            ("playlist_tidal_id", Text),
            ("size_bytes", Int),
            ("hash", Text),
            ("created_at", Text),
            ("updated_at", Text),
            ("deleted_at", Text),
        ],
        order: &["path"],
    },
    Table {
        name: "rekordbox_objects",
        columns: &[
            ("device", Text),
            ("object_key", Text),
            ("kind", Text),
            ("rekordbox_id", Text),
            ("provenance", Text),
            ("created_at", Text),
            ("updated_at", Text),
            ("deleted_at", Text),
        ],
        order: &["device", "object_key"],
    },
    Table {
        name: "device_ids",
        columns: &[
            ("device", Text),
            ("kind", Text),
            ("tidal_id", Text),
            ("rekordbox_id", Text),
        ],
        order: &["device", "kind", "tidal_id"],
    },
    Table {
        name: "device_entries",
        columns: &[
            ("device", Text),
            ("playlist_tidal_id", Text),
            ("track_tidal_id", Text),
            ("stands", Int),
        ],
        order: &["device", "playlist_tidal_id", "track_tidal_id"],
    },
    Table {
        name: "approvals",
        columns: &[
            ("digest", Text),
            ("plan", Text),
            ("who", Text),
            ("at", Text),
        ],
        order: &["digest", "who"],
    },
    Table {
        name: "applies",
        columns: &[
            ("id", Int),
            ("mode", Text),
            ("status", Text),
            ("digest", Text),
            ("policy_sha256", Text),
            ("who", Text),
            ("undoes", Int),
            ("fencing", Int),
            ("started_at", Text),
            ("resumed_at", Text),
            ("finished_at", Text),
            ("pending", Int),
            ("running", Int),
            ("completed", Int),
            ("failed", Int),
            ("skipped", Int),
            ("plan", Bytes),
            ("device", Text),
        ],
        order: &["id"],
    },
    Table {
        name: "sync_operations",
        columns: &[
            ("apply_id", Int),
            ("seq", Int),
            ("operation_type", Text),
            ("status", Text),
            ("playlist_id", Playlist),
            ("track_id", Track),
            ("action", Text),
            ("source", Text),
            ("target", Text),
            ("details", Text),
            ("error_message", Text),
            ("created_at", Text),
            ("started_at", Text),
            ("completed_at", Text),
            ("action_id", Text),
            ("kind", Text),
            ("change_type", Text),
            ("rule", Text),
            ("label", Text),
            ("pre_image", Text),
            ("post_image", Text),
            ("trash_path", Text),
            ("playlist_tidal_id", Text),
            ("track_tidal_id", Text),
        ],
        order: &["apply_id", "seq"],
    },
    Table {
        name: "sync_snapshots",
        columns: &[
            ("snapshot_type", Text),
            ("snapshot_data", Bytes),
            ("playlist_count", Int),
            ("track_count", Int),
            ("created_at", Text),
            ("complete", Int),
        ],
        order: &["id"],
    },
];
