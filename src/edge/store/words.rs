//! How values are written in columns, the same in every database.

use std::cmp::Reverse;

use jiff::Timestamp;

use super::{ApplyStatus, Approval, OperationStatus};
use crate::domain::{
    AudioFormat, MediaPath, Provenance,
    state::{FileRole, ObjectKey, StateRow},
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

/// Approvals of library `$1`.
pub(super) const APPROVALS: &str = "SELECT digest, plan, who, at FROM approvals WHERE library = $1";

/// Library, digest, plan, who, when.
pub(super) const APPROVE: &str = "INSERT INTO approvals (library, digest, plan, who, at)
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (library, digest, who) DO NOTHING";

/// A row of [`APPROVALS`].
type ApprovalRow = (String, String, String, String);

/// What the rows say, newest first.
pub(super) fn approvals(rows: Vec<ApprovalRow>) -> Result<Vec<Approval>, sqlx::Error> {
    let approval = |(digest, plan, who, at): ApprovalRow| {
        let at = at
            .parse()
            .map_err(|error: jiff::Error| sqlx::Error::Decode(error.into()))?;
        Ok(Approval {
            digest,
            plan,
            who,
            at,
        })
    };
    let approvals = rows
        .into_iter()
        .map(approval)
        .collect::<Result<_, sqlx::Error>>()?;
    Ok(newest_first(approvals))
}

/// The order in which approvals are told.
pub(super) fn newest_first(mut approvals: Vec<Approval>) -> Vec<Approval> {
    approvals.sort_by(|one, two| {
        let key = |it: &Approval| (Reverse(it.at), it.who.clone(), it.digest.clone());
        key(one).cmp(&key(two))
    });
    approvals
}

/// Whose rows, and when they change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    pub(in crate::edge::store) library: i64,
    pub(in crate::edge::store) at: Timestamp,
}

/// Whether both are the same row, as it was and as it is.
pub(super) fn same_key(before: &StateRow, after: &StateRow) -> bool {
    match (before, after) {
        (StateRow::Track(before), StateRow::Track(after)) => before.track.id == after.track.id,
        (StateRow::Playlist(before), StateRow::Playlist(after)) => before.id == after.id,
        (StateRow::File(before), StateRow::File(after)) => before.path == after.path,
        (StateRow::Object(before), StateRow::Object(after)) => before.key == after.key,
        (
            StateRow::Track(_) | StateRow::Playlist(_) | StateRow::File(_) | StateRow::Object(_),
            _,
        ) => false,
    }
}

/// What a file's name says that it is.
pub(super) fn file_format(path: &MediaPath) -> Option<&'static str> {
    AudioFormat::from_extension(&path.extension()).map(AudioFormat::extension)
}

/// The status of a run, as its column has it.
pub(super) fn apply_status(text: &str) -> Result<ApplyStatus, sqlx::Error> {
    let all = [
        ApplyStatus::Running,
        ApplyStatus::Completed,
        ApplyStatus::Partial,
        ApplyStatus::Undone,
    ];
    let found = all.into_iter().find(|status| status.as_str() == text);
    found.ok_or_else(|| sqlx::Error::Decode(format!("the status {text:?} of an apply").into()))
}

/// The status of an operation, as its column has it.
pub(super) fn operation_status(text: &str) -> Result<OperationStatus, sqlx::Error> {
    let mut all = OperationStatus::ALL.into_iter();
    let found = all.find(|status| status.as_str() == text);
    found.ok_or_else(|| sqlx::Error::Decode(format!("the status {text:?} of an operation").into()))
}
