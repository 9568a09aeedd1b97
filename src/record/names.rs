//! Artists, albums and genres that an apply made, and that stayed when it was taken back because a track
//! of another one had come to use them: they go with the last track that does.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::rows::{RowKey, key};
use crate::edge::rekordbox::{RowEdit, RowEdits};

/// The rows that were made, by table and id.
pub type Names = BTreeMap<RowKey, Map<String, Value>>;

/// The columns of a track that name one.
const USES: [(&str, &str); 6] = [
    ("ArtistID", "djmdArtist"),
    ("RemixerID", "djmdArtist"),
    ("OrgArtistID", "djmdArtist"),
    ("ComposerID", "djmdArtist"),
    ("AlbumID", "djmdAlbum"),
    ("GenreID", "djmdGenre"),
];

/// Adds those that the edits make.
pub fn learn(names: &mut Names, edits: RowEdits) {
    for edit in edits.0.into_iter().filter(is_name) {
        if let (None, Some(row)) = (&edit.before, &edit.after) {
            names.insert(key(&edit), row.clone());
        }
    }
}

fn is_name(edit: &RowEdit) -> bool {
    USES.iter().any(|(_, table)| edit.table == *table)
}

/// What must still be as the edits left it: not that a name is gone, which may have come back with
/// another of its tracks.
#[must_use]
pub fn standing(mut edits: RowEdits) -> RowEdits {
    let goes = |after: &Option<Map<String, Value>>| {
        let deleted = |row: &Map<String, Value>| row.get("rb_local_deleted") == Some(&1.into());
        after.as_ref().is_none_or(deleted)
    };
    edits.0.retain(|edit| !(is_name(edit) && goes(&edit.after)));
    edits
}

/// The edits and, around them, the names that their tracks let go or need again. Whether others use a
/// name is seen when the edits are staged.
#[must_use]
pub fn with_names(edits: RowEdits, names: &Names) -> RowEdits {
    let (mut come, mut gone) = (BTreeMap::new(), BTreeMap::new());
    for edit in edits.0.iter().filter(|edit| edit.table == "djmdContent") {
        for (column, table) in USES {
            let used = |row: &Option<Map<String, Value>>| -> Option<RowKey> {
                let id = row.as_ref()?.get(column)?.as_str()?;
                Some((table.to_owned(), id.to_owned()))
            };
            let (before, after) = (used(&edit.before), used(&edit.after));
            if before != after {
                gone.extend(before.and_then(|key| names.get_key_value(&key)));
                come.extend(after.and_then(|key| names.get_key_value(&key)));
            }
        }
    }
    for edit in &edits.0 {
        come.remove(&key(edit));
        gone.remove(&key(edit));
    }
    let made = |((table, id), row): (&RowKey, &Map<String, Value>)| RowEdit {
        table: table.clone(),
        id: id.clone(),
        before: None,
        after: Some(row.clone()),
    };
    let first = come.into_iter().map(made);
    let last = RowEdits(gone.into_iter().map(made).collect()).reversed();
    RowEdits(first.chain(edits.0).chain(last.0).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edit(table: &str, id: &str, before: &Value, after: &Value) -> RowEdit {
        RowEdit {
            table: table.to_owned(),
            id: id.to_owned(),
            before: before.as_object().cloned(),
            after: after.as_object().cloned(),
        }
    }

    fn names() -> Names {
        let mut names = Names::new();
        let album = edit("djmdAlbum", "7", &Value::Null, &json!({"Name": "A"}));
        let track = edit("djmdContent", "1", &Value::Null, &json!({"AlbumID": "7"}));
        learn(&mut names, RowEdits(vec![album, track]));
        names
    }

    fn keys(edits: RowEdits) -> Vec<(String, bool)> {
        let edits = with_names(edits, &names()).0.into_iter();
        edits
            .map(|edit| (edit.table + "/" + &edit.id, edit.after.is_some()))
            .collect()
    }

    fn expected(keys: &[(&str, bool)]) -> Vec<(String, bool)> {
        keys.iter()
            .map(|(key, stays)| ((*key).to_owned(), *stays))
            .collect()
    }

    #[test]
    fn a_name_goes_after_its_track_and_comes_before_it() {
        let row = json!({"AlbumID": "7", "ArtistID": "8", "GenreID": null});
        let goes = edit("djmdContent", "2", &row, &Value::Null);
        let both = [("djmdContent/2", false), ("djmdAlbum/7", false)];
        assert_eq!(keys(RowEdits(vec![goes.clone()])), expected(&both));
        let back = [("djmdAlbum/7", true), ("djmdContent/2", true)];
        assert_eq!(keys(RowEdits(vec![goes]).reversed()), expected(&back));
    }

    #[test]
    fn a_name_that_the_edits_see_to_themselves_is_left_to_them() {
        let track = edit("djmdContent", "2", &json!({"AlbumID": "7"}), &Value::Null);
        let album = edit("djmdAlbum", "7", &json!({"Name": "A"}), &Value::Null);
        assert_eq!(keys(RowEdits(vec![track, album])).len(), 2);
        let other = edit(
            "djmdContent",
            "2",
            &json!({"AlbumID": "7", "Title": "a"}),
            &json!({"AlbumID": "7", "Title": "b"}),
        );
        assert_eq!(keys(RowEdits(vec![other])).len(), 1);
    }
}
