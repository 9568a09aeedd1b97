//! How values are written in columns, the same in every database.

use crate::{
    domain::Provenance,
    domain::state::{FileRole, ObjectKey},
};

/// A JSON list.
pub(super) fn list_text(list: &[String]) -> String {
    serde_json::json!(list).to_string()
}

pub(super) fn key_text(key: &ObjectKey) -> Result<String, sqlx::Error> {
    serde_json::to_string(key).map_err(|error| sqlx::Error::Encode(error.into()))
}

pub(super) const fn kind_text(key: &ObjectKey) -> &'static str {
    match key {
        ObjectKey::Folder(_) => "folder",
        ObjectKey::Playlist(_) => "playlist",
        ObjectKey::Smart(_) => "smart",
        ObjectKey::Tag(_, _) => "tag",
        ObjectKey::TagLink(_, _, _) => "tag_link",
        ObjectKey::Content(_) => "content",
    }
}

pub(super) const fn role_text(role: FileRole) -> &'static str {
    match role {
        FileRole::Track => "track",
        FileRole::Copy => "copy",
        FileRole::Playlist => "playlist",
    }
}

pub(super) const fn provenance_text(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::Tidal => "tidal",
        Provenance::Adopted => "adopted",
        Provenance::Foreign => "foreign",
    }
}
