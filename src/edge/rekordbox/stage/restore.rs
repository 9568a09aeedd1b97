//! Putting rows back: reversed images against the rows as they are now.
//!
//! Each image is checked first: a row that is as the image says is put back, one that is already where it
//! should go is left, and anything else is somebody's later change and a conflict. The status for the
//! cloud is not part of the check. It goes back as well when nothing was synchronised in between;
//! otherwise putting back is one more local change.

use std::collections::BTreeSet;

use serde_json::json;

use super::Stager;
use crate::{
    domain::{ContentId, MyTagId, NodeId},
    edge::rekordbox::{
        RekordboxError, RowEdit, RowEdits, Staged,
        net::conflict,
        stage::invalid,
        table::{Row, STATUS, Table, agrees, integer, is_live, text, value},
    },
};

impl Stager<'_> {
    pub(super) fn restore(&mut self, rows: &RowEdits) -> Result<Staged, RekordboxError> {
        let mut staged = Staged::default();
        let mut lists = BTreeSet::new();
        for edit in &rows.0 {
            let table = Table::parse(&edit.table)
                .ok_or_else(|| invalid(format!("{} is not a table to write", edit.table)))?;
            self.note_list(table, &edit.id, &mut lists);
            self.restore_row(table, edit)?;
            self.note_list(table, &edit.id, &mut lists);
            concern(&mut staged, table, edit);
        }
        self.refuse_orphans(rows)?;
        for list in lists {
            self.renumber(&list)?;
        }
        if staged.node.is_none() {
            staged.node = self.concerned_list(rows);
        }
        Ok(staged)
    }

    fn restore_row(&mut self, table: Table, edit: &RowEdit) -> Result<(), RekordboxError> {
        let present = self.tables.row(table, &edit.id).cloned();
        let live = present.as_ref().filter(|row| is_live(row));
        match (&edit.before, &edit.after) {
            (None, None) => Ok(()),
            (Some(image), None) => match live {
                None => Ok(()),
                Some(row) if agrees(row, image, true) => self.take_back(table, &edit.id),
                // Somebody made another name of it.
                Some(_) if is_name(table) => Ok(()),
                Some(_) => Err(conflict(table, &edit.id)),
            },
            (None, Some(image)) => match &present {
                None => {
                    self.bring_back(table, &edit.id, image);
                    Ok(())
                }
                Some(row) if agrees(row, image, true) => Ok(()),
                Some(row) if is_name(table) => {
                    if !is_live(row) {
                        self.revive(table, &edit.id);
                    }
                    Ok(())
                }
                Some(_) => Err(conflict(table, &edit.id)),
            },
            (Some(_), Some(target))
                if is_name(table) && !is_live(target) && self.tables.is_used(table, &edit.id) =>
            {
                Ok(())
            }
            (Some(image), Some(target)) => match &present {
                Some(row) if agrees(row, image, false) => {
                    self.put_back(table, &edit.id, row, image, target);
                    Ok(())
                }
                Some(row) if agrees(row, target, false) => Ok(()),
                Some(_) | None => Err(conflict(table, &edit.id)),
            },
        }
    }

    /// Removes what an earlier edit made, unless others have come to use it: an artist, album or genre
    /// that another track has stays.
    fn take_back(&mut self, table: Table, id: &str) -> Result<(), RekordboxError> {
        match table {
            table if is_name(table) && self.tables.is_used(table, id) => return Ok(()),
            Table::Content if self.tables.burdened.contains(id) => {
                return Err(conflict(table, id));
            }
            Table::Artist
            | Table::Album
            | Table::Genre
            | Table::Content
            | Table::Playlist
            | Table::CloudFilter
            | Table::SongPlaylist
            | Table::MyTag
            | Table::SongMyTag => {}
        }
        let usn = self.next_usn();
        self.remove(table, id, usn);
        Ok(())
    }

    /// Makes a row again that was deleted, under its old id and with its old columns.
    fn bring_back(&mut self, table: Table, id: &str, image: &Row) {
        let usn = self.next_usn();
        let mut row = image.clone();
        row.retain(|_, value| !value.is_null());
        row.insert("rb_local_usn".to_owned(), usn.into());
        row.insert("updated_at".to_owned(), self.moment.stamp.clone().into());
        self.record(table, id, None, Some(row));
    }

    /// Makes a tombstone count again.
    fn revive(&mut self, table: Table, id: &str) {
        let mut changes = Row::new();
        changes.insert(STATUS.to_owned(), 257.into());
        changes.insert("rb_local_deleted".to_owned(), 0.into());
        let usn = self.next_usn();
        self.change(table, id, changes, usn);
    }

    fn put_back(&mut self, table: Table, id: &str, row: &Row, image: &Row, target: &Row) {
        let synced_since = value(row, STATUS) != value(image, STATUS);
        let mut changes: Row = target
            .iter()
            .filter(|(column, _)| !is_bookkeeping(column))
            .filter(|(column, new)| value(row, column) != *new || is_status(column))
            .map(|(column, new)| (column.clone(), new.clone()))
            .collect();
        if synced_since {
            let deletes = integer(target, "rb_local_deleted") != 0;
            let status = match (integer(row, STATUS), deletes) {
                (0, _) => 0,
                (_, true) => 258,
                (_, false) => 257,
            };
            changes.insert(STATUS.to_owned(), status.into());
        }
        let usn = self.next_usn();
        self.change(table, id, changes, usn);
    }

    /// Nothing may be left that refers to a row which is gone.
    fn refuse_orphans(&self, rows: &RowEdits) -> Result<(), RekordboxError> {
        for edit in &rows.0 {
            let Some(table) = Table::parse(&edit.table) else {
                continue;
            };
            if self.tables.live(table, &edit.id).is_some() {
                continue;
            }
            let referring: &[(Table, &'static str)] = match table {
                Table::Content => &[
                    (Table::SongPlaylist, "ContentID"),
                    (Table::SongMyTag, "ContentID"),
                ],
                Table::Playlist => &[
                    (Table::SongPlaylist, "PlaylistID"),
                    (Table::Playlist, "ParentID"),
                ],
                Table::MyTag => &[(Table::SongMyTag, "MyTagID"), (Table::MyTag, "ParentID")],
                Table::Artist
                | Table::Album
                | Table::Genre
                | Table::CloudFilter
                | Table::SongPlaylist
                | Table::SongMyTag => &[],
            };
            for (by, column) in referring {
                if self
                    .tables
                    .referring(*by, column, &edit.id)
                    .next()
                    .is_some()
                {
                    return Err(conflict(table, &edit.id));
                }
            }
        }
        Ok(())
    }

    fn note_list(&self, table: Table, id: &str, lists: &mut BTreeSet<String>) {
        if table == Table::SongPlaylist
            && let Some(row) = self.tables.row(table, id)
        {
            lists.insert(text(row, "PlaylistID").to_owned());
        }
    }

    /// Closes holes in a list's numbering. There are none unless a person has added to the list since,
    /// or it was numbered wrongly before: then the entries that were put back keep their order, and
    /// what was added follows.
    fn renumber(&mut self, list: &str) -> Result<(), RekordboxError> {
        let rows = self
            .tables
            .referring(Table::SongPlaylist, "PlaylistID", list);
        let mut rows: Vec<(i64, String)> = rows
            .map(|(id, row)| (integer(row, "TrackNo"), id.to_owned()))
            .collect();
        let put_back = |id: &String| self.rows.iter().any(|edit| edit.id == *id);
        rows.sort_by_cached_key(|(place, id)| (*place, !put_back(id), id.clone()));
        if (1..)
            .zip(&rows)
            .all(|(position, (place, _))| *place == position)
        {
            return Ok(());
        }
        let usn = self.next_usn();
        for (position, (_, id)) in (1_i64..).zip(rows) {
            self.update(Table::SongPlaylist, &id, json!({"TrackNo": position}), usn)?;
        }
        Ok(())
    }

    /// The list that the entries belong to, where only entries are concerned.
    fn concerned_list(&self, rows: &RowEdits) -> Option<NodeId> {
        let song = rows
            .0
            .iter()
            .find(|edit| edit.table == Table::SongPlaylist.name())?;
        let present = self.tables.row(Table::SongPlaylist, &song.id);
        let images = [&song.before, &song.after].into_iter().flatten();
        let list = present
            .into_iter()
            .chain(images)
            .map(|row| text(row, "PlaylistID"))
            .find(|list| !list.is_empty())?;
        Some(NodeId::from(list))
    }
}

/// Whether tracks use its rows, and any track may come to: what others use stays.
const fn is_name(table: Table) -> bool {
    matches!(table, Table::Artist | Table::Album | Table::Genre)
}

fn is_bookkeeping(column: &str) -> bool {
    matches!(column, "rb_local_usn" | "usn" | "created_at" | "updated_at")
}

fn is_status(column: &str) -> bool {
    matches!(column, STATUS | "rb_local_deleted")
}

/// What the caller may want to know: the row that comes or goes rather than one that only changes.
fn concern(staged: &mut Staged, table: Table, edit: &RowEdit) {
    let id = edit.id.as_str();
    match table {
        Table::Content => staged.content = Some(ContentId::from(id)),
        Table::Playlist if edit.before.is_none() || edit.after.is_none() => {
            staged.node = Some(NodeId::from(id));
        }
        Table::Playlist => {
            staged.node.get_or_insert_with(|| NodeId::from(id));
        }
        Table::MyTag => staged.tag = Some(MyTagId::from(id)),
        Table::Artist
        | Table::Album
        | Table::Genre
        | Table::CloudFilter
        | Table::SongPlaylist
        | Table::SongMyTag => {}
    }
}
