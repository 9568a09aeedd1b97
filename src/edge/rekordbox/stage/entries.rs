//! The entries of a playlist.

use std::collections::HashMap;

use serde_json::json;

use super::{Stager, invalid};
use crate::{
    domain::{ContentId, NodeKind},
    edge::rekordbox::{
        ContentRef, NodeRef, RekordboxError, Staged,
        collect::node_kind,
        table::{Table, integer, text},
    },
};

/// A row of the list as it is.
struct Present {
    id: String,
    content: String,
    track_no: i64,
    lacks_uuid: bool,
}

impl Stager<'_> {
    /// Makes the list these tracks, in this order. Rows of entries that stay are kept: a row is written
    /// only if its position changes. All removed rows share one number, all moved ones another, all new
    /// ones a third, as if a person had removed, moved and added them in one go each.
    pub(super) fn set_entries(
        &mut self,
        node: &NodeRef,
        contents: &[ContentRef],
    ) -> Result<Staged, RekordboxError> {
        let node = self.node_id(node)?;
        let row = self.own_node(&node)?;
        match node_kind(integer(row, "Attribute")) {
            NodeKind::List => {}
            NodeKind::Folder | NodeKind::Smart | NodeKind::Special => {
                return Err(invalid(format!("playlist {node} cannot hold tracks")));
            }
        }
        let wanted: Vec<ContentId> = contents
            .iter()
            .map(|content| self.content_id(content))
            .collect::<Result<_, _>>()?;
        let present = self.present(node.as_str());
        let kept = match_rows(&present, &wanted);
        self.drop_entries(&present, &kept);
        self.move_entries(&present, &kept)?;
        self.add_entries(node.as_str(), &wanted, &kept);
        Ok(Staged {
            node: Some(node),
            ..Staged::default()
        })
    }

    fn present(&self, list: &str) -> Vec<Present> {
        let rows = self
            .tables
            .referring(Table::SongPlaylist, "PlaylistID", list);
        let mut present: Vec<Present> = rows
            .map(|(id, row)| Present {
                id: id.to_owned(),
                content: text(row, "ContentID").to_owned(),
                track_no: integer(row, "TrackNo"),
                lacks_uuid: text(row, "UUID").is_empty(),
            })
            .collect();
        present.sort_by(|a, b| (a.track_no, &a.id).cmp(&(b.track_no, &b.id)));
        present
    }

    fn drop_entries(&mut self, present: &[Present], kept: &[Option<usize>]) {
        let mut stays = vec![false; present.len()];
        for index in kept.iter().flatten() {
            stays[*index] = true;
        }
        let dropped = || present.iter().zip(&stays).filter(|(_, stays)| !**stays);
        if dropped().next().is_none() {
            return;
        }
        let usn = self.next_usn();
        for (row, _) in dropped() {
            self.remove(Table::SongPlaylist, &row.id, usn);
        }
    }

    /// Rekordbox hides entries without a UUID, which older tools have left: they get one here.
    fn move_entries(
        &mut self,
        present: &[Present],
        kept: &[Option<usize>],
    ) -> Result<(), RekordboxError> {
        let moved: Vec<(i64, &Present)> = (1..)
            .zip(kept)
            .filter_map(|(position, index)| Some((position, present.get((*index)?)?)))
            .filter(|(position, row)| row.track_no != *position || row.lacks_uuid)
            .collect();
        if moved.is_empty() {
            return Ok(());
        }
        let usn = self.next_usn();
        for (position, row) in moved {
            let mut columns = json!({"TrackNo": position});
            if row.lacks_uuid {
                columns = json!({"TrackNo": position, "UUID": self.ids.uuid(|_| false)});
            }
            self.update(Table::SongPlaylist, &row.id, columns, usn)?;
        }
        Ok(())
    }

    fn add_entries(&mut self, list: &str, wanted: &[ContentId], kept: &[Option<usize>]) {
        let new = || {
            (1_i64..)
                .zip(wanted.iter().zip(kept))
                .filter(|(_, (_, index))| index.is_none())
        };
        if new().next().is_none() {
            return;
        }
        let usn = self.next_usn();
        for (position, (content, _)) in new() {
            let id = self.new_id(Table::SongPlaylist);
            let columns = json!({
                "PlaylistID": list,
                "ContentID": content.as_str(),
                "TrackNo": position,
            });
            self.insert(Table::SongPlaylist, id, columns, usn);
        }
    }
}

/// Which present row serves each wanted position: the one that stands there already, or else the first
/// of the same track that serves no other.
fn match_rows(present: &[Present], wanted: &[ContentId]) -> Vec<Option<usize>> {
    let mut kept = vec![None; wanted.len()];
    let mut free = HashMap::<&str, Vec<usize>>::new();
    for (index, row) in present.iter().enumerate().rev() {
        let slot = usize::try_from(row.track_no - 1)
            .ok()
            .filter(|slot| *slot < wanted.len());
        match slot {
            Some(slot) if kept[slot].is_none() && wanted[slot].as_str() == row.content => {
                kept[slot] = Some(index);
            }
            Some(_) | None => free.entry(&row.content).or_default().push(index),
        }
    }
    for (slot, content) in kept.iter_mut().zip(wanted) {
        if slot.is_none() {
            *slot = free.get_mut(content.as_str()).and_then(Vec::pop);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(present: &[&str], wanted: &[&str]) -> Vec<Option<usize>> {
        let present: Vec<Present> = (1..)
            .zip(present)
            .map(|(track_no, content)| Present {
                id: format!("row {track_no}"),
                content: (*content).to_owned(),
                track_no,
                lacks_uuid: false,
            })
            .collect();
        let wanted: Vec<ContentId> = wanted.iter().map(|id| ContentId::from(*id)).collect();
        match_rows(&present, &wanted)
    }

    #[test]
    fn rows_that_stand_right_stay() {
        assert_eq!(
            matched(&["a", "b", "c"], &["a", "b", "c", "d"]),
            [Some(0), Some(1), Some(2), None]
        );
        assert_eq!(matched(&["a", "b", "c"], &["a", "c"]), [Some(0), Some(2)]);
        assert_eq!(
            matched(&["a", "b", "c"], &["c", "b", "a"]),
            [Some(2), Some(1), Some(0)]
        );
    }

    #[test]
    fn a_track_twice_keeps_both_rows_in_order() {
        assert_eq!(
            matched(&["a", "b", "a"], &["b", "a", "a"]),
            [Some(1), Some(0), Some(2)]
        );
        assert_eq!(matched(&["a", "a"], &["a"]), [Some(0)]);
        assert_eq!(matched(&["b", "a"], &["a", "a"]), [None, Some(1)]);
    }
}
