//! Rekordbox row images of several actions, taken together.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::{
    domain::{ContentId, NodeId},
    edge::rekordbox::{RowEdit, RowEdits},
};

/// A row: table and primary key.
pub type RowKey = (String, String);

/// What edits made one after the other do in sum: for each row the first image before and the last
/// one after. Rows that come and go again in between drop out.
#[must_use]
pub fn compose<'a>(edits: impl IntoIterator<Item = &'a RowEdits>) -> RowEdits {
    let mut order = Vec::new();
    let mut rows: BTreeMap<RowKey, RowEdit> = BTreeMap::new();
    for edit in edits.into_iter().flat_map(|edits| &edits.0) {
        let key = key(edit);
        match rows.get_mut(&key) {
            Some(sum) => follow(sum, edit),
            None => {
                order.push(key.clone());
                rows.insert(key, edit.clone());
            }
        }
    }
    let mut sums = order.into_iter().filter_map(|key| rows.remove(&key));
    RowEdits(
        sums.by_ref()
            .filter(|row| row.before.is_some() || row.after.is_some())
            .collect(),
    )
}

/// The key of an edit's row.
#[must_use]
pub fn key(edit: &RowEdit) -> RowKey {
    (edit.table.clone(), edit.id.clone())
}

/// The playlists and folders whose row or entries the edits change: those that the playlist XML may
/// have to follow.
#[must_use]
pub fn touched_nodes<'a>(edits: impl IntoIterator<Item = &'a RowEdits>) -> BTreeSet<NodeId> {
    let mut nodes = BTreeSet::new();
    for edit in edits.into_iter().flat_map(|edits| &edits.0) {
        match edit.table.as_str() {
            "djmdPlaylist" => {
                nodes.insert(NodeId::new(edit.id.as_str()));
            }
            "djmdSongPlaylist" => {
                let images = [&edit.before, &edit.after];
                let lists = images.into_iter().flatten().filter_map(|row| {
                    let id = row.get("PlaylistID")?.as_str()?;
                    Some(NodeId::new(id))
                });
                nodes.extend(lists);
            }
            _ => {}
        }
    }
    nodes
}

/// The tracks whose title, artist or genre the edits change.
#[must_use]
pub fn retitled<'a>(edits: impl IntoIterator<Item = &'a RowEdits>) -> BTreeSet<ContentId> {
    let rows = edits.into_iter().flat_map(|edits| &edits.0);
    let changes = |row: &&RowEdit| match (&row.before, &row.after) {
        (Some(before), Some(after)) => ["Title", "ArtistID", "GenreID"]
            .iter()
            .any(|column| after.contains_key(*column) && before.get(*column) != after.get(*column)),
        (None, _) | (_, None) => false,
    };
    rows.filter(|row| row.table == "djmdContent")
        .filter(changes)
        .map(|row| ContentId::new(row.id.as_str()))
        .collect()
}

/// Adds a later edit of the same row. An update's images hold the columns that change and no others,
/// so each side takes over what only the other edit names.
fn follow(sum: &mut RowEdit, later: &RowEdit) {
    if let (Some(before), Some(also)) = (&mut sum.before, &later.before) {
        for (column, value) in also {
            let untouched = sum
                .after
                .as_ref()
                .is_none_or(|row| !row.contains_key(column));
            if untouched && !before.contains_key(column) {
                before.insert(column.clone(), value.clone());
            }
        }
    }
    sum.after = match (sum.after.take(), &later.after) {
        (_, None) => None,
        (None, Some(row)) => Some(row.clone()),
        (Some(row), Some(later)) => Some(overlaid(row, later)),
    };
}

fn overlaid(mut row: Map<String, Value>, later: &Map<String, Value>) -> Map<String, Value> {
    for (column, value) in later {
        row.insert(column.clone(), value.clone());
    }
    row
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edit(id: &str, before: Value, after: Value) -> RowEdit {
        let map = |value: Value| match value {
            Value::Object(map) => Some(map),
            _ => None,
        };
        RowEdit {
            table: "t".to_owned(),
            id: id.to_owned(),
            before: map(before),
            after: map(after),
        }
    }

    fn sum(edits: Vec<RowEdit>) -> Vec<RowEdit> {
        let edits: Vec<RowEdits> = edits.into_iter().map(|edit| RowEdits(vec![edit])).collect();
        compose(&edits).0
    }

    #[test]
    fn the_first_before_and_the_last_after_count() {
        let first = edit("1", json!({"a": 1}), json!({"a": 2}));
        let other = edit("2", json!({"a": 1}), json!({"a": 9}));
        let second = edit("1", json!({"a": 2, "b": 5}), json!({"a": 3, "b": 6}));
        assert_eq!(
            sum(vec![first, other.clone(), second]),
            [
                edit("1", json!({"a": 1, "b": 5}), json!({"a": 3, "b": 6})),
                other
            ]
        );
    }

    #[test]
    fn rows_that_come_and_go_drop_out() {
        let made = edit("1", Value::Null, json!({"a": 1, "b": 1}));
        let changed = edit("1", json!({"a": 1}), json!({"a": 2}));
        let gone = edit("1", json!({"a": 2, "b": 1}), Value::Null);
        assert_eq!(
            sum(vec![made.clone(), changed.clone()]),
            [edit("1", Value::Null, json!({"a": 2, "b": 1}))]
        );
        assert_eq!(sum(vec![made, changed, gone]), []);
    }

    #[test]
    fn a_row_that_is_deleted_and_restored_is_whole_again() {
        let gone = edit("1", json!({"a": 1, "b": 1}), Value::Null);
        let back = edit("1", Value::Null, json!({"a": 1, "b": 1}));
        let sum = sum(vec![gone, back]);
        assert_eq!(sum[0].before, sum[0].after);
    }

    #[test]
    fn entries_touch_their_playlist() {
        let mut entry = edit("e", Value::Null, json!({"PlaylistID": "7"}));
        entry.table = "djmdSongPlaylist".to_owned();
        let mut list = edit("8", json!({"Name": "a"}), json!({"Name": "b"}));
        list.table = "djmdPlaylist".to_owned();
        let nodes = touched_nodes(&[RowEdits(vec![entry, list])]);
        assert_eq!(nodes, ["7".into(), "8".into()].into());
    }
}
