//! How values are written in columns, the same in every database.

use std::cmp::Reverse;

use super::Approval;
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
