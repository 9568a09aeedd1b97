//! The tables that are written, and rows as they are journaled.
//!
//! A row is a map from column to value; NULL columns are left out of whole rows. Text is a JSON string,
//! INTEGER an integer, REAL a number with a fraction, so that what is read back compares equal. A BLOB,
//! which Rekordbox writes to none of these tables, is `{"blob": "hex"}`.

use serde_json::{Map, Value};

use crate::domain::RekordboxSchema;

/// A row, or some of its columns.
pub(super) type Row = Map<String, Value>;

/// A table of `master.db` that this program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Table {
    Artist,
    Album,
    Genre,
    Content,
    Playlist,
    /// Rekordbox 7 only.
    CloudFilter,
    SongPlaylist,
    MyTag,
    SongMyTag,
}

impl Table {
    pub(super) const ALL: [Self; 9] = [
        Self::Artist,
        Self::Album,
        Self::Genre,
        Self::Content,
        Self::Playlist,
        Self::CloudFilter,
        Self::SongPlaylist,
        Self::MyTag,
        Self::SongMyTag,
    ];

    /// The name in the database.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Artist => "djmdArtist",
            Self::Album => "djmdAlbum",
            Self::Genre => "djmdGenre",
            Self::Content => "djmdContent",
            Self::Playlist => "djmdPlaylist",
            Self::CloudFilter => "djmdCloudFilterPlaylist",
            Self::SongPlaylist => "djmdSongPlaylist",
            Self::MyTag => "djmdMyTag",
            Self::SongMyTag => "djmdSongMyTag",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// Whether a database of this schema has it.
    pub(super) fn is_in(self, schema: RekordboxSchema) -> bool {
        self != Self::CloudFilter || schema == RekordboxSchema::V7
    }

    /// How large its numeric ids may be; `None` where ids are UUIDs.
    pub(super) const fn id_bits(self) -> Option<u32> {
        match self {
            Self::Content => Some(28),
            Self::Artist
            | Self::Album
            | Self::Genre
            | Self::Playlist
            | Self::CloudFilter
            | Self::MyTag => Some(32),
            Self::SongPlaylist | Self::SongMyTag => None,
        }
    }

    /// The columns by which its rows are looked up, besides the id.
    pub(super) const fn references(self) -> &'static [&'static str] {
        match self {
            Self::Artist | Self::Album | Self::Genre | Self::Content => &[],
            Self::Playlist | Self::MyTag => &["ParentID"],
            Self::CloudFilter => &["PlaylistUUID"],
            Self::SongPlaylist => &["PlaylistID", "ContentID"],
            Self::SongMyTag => &["MyTagID", "ContentID"],
        }
    }

    /// The columns that writing sets, besides those that every table has.
    pub(super) const fn own_columns(self) -> &'static [&'static str] {
        match self {
            Self::Artist => &["ID", "Name", "SearchStr"],
            Self::Album => &[
                "ID",
                "Name",
                "AlbumArtistID",
                "ImagePath",
                "Compilation",
                "SearchStr",
            ],
            Self::Genre => &["ID", "Name"],
            Self::Content => super::stage::CONTENT_COLUMNS,
            Self::Playlist => &[
                "ID",
                "Seq",
                "Name",
                "ImagePath",
                "Attribute",
                "ParentID",
                "SmartList",
            ],
            Self::CloudFilter => &["ID", "PlaylistUUID", "Seq", "ParentID"],
            Self::SongPlaylist => &["ID", "PlaylistID", "ContentID", "TrackNo"],
            Self::MyTag => &["ID", "Seq", "Name", "Attribute", "ParentID"],
            Self::SongMyTag => &["ID", "MyTagID", "ContentID", "TrackNo"],
        }
    }
}

/// The columns at the end of every table.
pub(super) const TAIL: [&str; 9] = [
    "UUID",
    "rb_data_status",
    "rb_local_data_status",
    "rb_local_deleted",
    "rb_local_synced",
    "usn",
    "rb_local_usn",
    "created_at",
    "updated_at",
];

/// What the cloud knows of a row: 0 nothing, 256 all of it, 257 it as it was, 258 that it goes.
pub(super) const STATUS: &str = "rb_data_status";

/// Counters, times and what the cloud knows of a row: part of an image, and no part of a comparison. A
/// synchronisation turns `rb_data_status` 0 and 257 into 256; whether a row is a tombstone is told by
/// `rb_local_deleted`.
const BOOKKEEPING: [&str; 5] = [STATUS, "rb_local_usn", "usn", "created_at", "updated_at"];

/// The value of a column; NULL when the row does not name it.
pub(super) fn value<'a>(row: &'a Row, column: &str) -> &'a Value {
    row.get(column).unwrap_or(&Value::Null)
}

pub(super) fn text<'a>(row: &'a Row, column: &str) -> &'a str {
    row.get(column).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn integer(row: &Row, column: &str) -> i64 {
    row.get(column).and_then(Value::as_i64).unwrap_or_default()
}

/// Whether the row counts: a tombstone does not.
pub(super) fn is_live(row: &Row) -> bool {
    integer(row, "rb_local_deleted") == 0
}

/// Whether `row` is as `image` says, counters and times apart. A `whole` image says of the columns
/// that it does not name that they are NULL.
pub(super) fn agrees(row: &Row, image: &Row, whole: bool) -> bool {
    let counts = |column: &str| !BOOKKEEPING.contains(&column);
    let named = image
        .iter()
        .filter(|(column, _)| counts(column))
        .all(|(column, wanted)| value(row, column) == wanted);
    let unnamed = || {
        row.iter()
            .filter(|(column, _)| counts(column) && !image.contains_key(*column))
            .all(|(_, value)| value.is_null())
    };
    named && (!whole || unnamed())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(value: &Value) -> Row {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn images_compare_without_counters_and_times() {
        let present = row(&json!({"ID": "1", "Seq": 2, "rb_local_usn": 9, "Note": null}));
        assert!(agrees(
            &present,
            &row(&json!({"Seq": 2, "rb_local_usn": 1})),
            false
        ));
        assert!(!agrees(&present, &row(&json!({"Seq": "2"})), false));
        assert!(agrees(&present, &row(&json!({"ID": "1", "Seq": 2})), true));
        assert!(!agrees(&present, &row(&json!({"ID": "1"})), true));
        assert!(agrees(&present, &row(&json!({"ImagePath": null})), false));
        // What the cloud does in between is nobody's change.
        let status = |status: i64| row(&json!({"rb_data_status": status}));
        assert!(agrees(&status(256), &status(257), true));
        assert!(agrees(&status(256), &status(0), true));
    }

    #[test]
    fn every_table_is_known_by_its_name() {
        for table in Table::ALL {
            assert_eq!(Table::parse(table.name()), Some(table));
        }
        assert_eq!(Table::parse("djmdCue"), None);
    }
}
