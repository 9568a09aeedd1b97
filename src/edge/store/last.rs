//! What a settlement comes to.

use std::collections::BTreeMap;

use super::words::same_key;
use crate::domain::{
    MediaPath, TrackId,
    state::{FileRow, ObjectKey, ObjectRow, PlaylistRow, RowChange, StateRow, TrackRow},
};

/// The last change of every row; `None`: it is taken away.
///
/// Of several changes to one row in one settlement only the last counts, except for playlists: their
/// comings and goings are remembered. Tracks are written before the playlists that name them.
#[derive(Default)]
pub(super) struct Last<'a> {
    pub(super) tracks: BTreeMap<&'a TrackId, Option<&'a TrackRow>>,
    pub(super) files: BTreeMap<&'a MediaPath, Option<&'a FileRow>>,
    pub(super) objects: BTreeMap<&'a ObjectKey, Option<&'a ObjectRow>>,
    pub(super) playlists: Vec<(&'a PlaylistRow, bool)>,
}

impl<'a> Last<'a> {
    pub(super) fn of(changes: impl Iterator<Item = &'a RowChange>) -> Self {
        let mut last = Self::default();
        for RowChange { before, after } in changes {
            let is_same = |before: &StateRow| after.as_ref().is_some_and(|it| same_key(before, it));
            if let Some(before) = before.as_ref().filter(|before| !is_same(before)) {
                last.note(before, false);
            }
            if let Some(after) = after {
                last.note(after, true);
            }
        }
        last
    }

    fn note(&mut self, row: &'a StateRow, here: bool) {
        match row {
            StateRow::Track(row) => {
                self.tracks.insert(&row.track.id, here.then_some(row));
            }
            StateRow::File(row) => {
                self.files.insert(&row.path, here.then_some(row));
            }
            StateRow::Object(row) => {
                self.objects.insert(&row.key, here.then_some(row));
            }
            StateRow::Playlist(row) => self.playlists.push((row, here)),
        }
    }

    /// The tracks whose file, or what is known of it, may be another now.
    pub(super) fn told(&self) -> Vec<&'a TrackId> {
        let tracks = self.tracks.iter().filter(|(_, row)| row.is_some());
        let files = self.files.values().flatten();
        let mut told: Vec<&TrackId> = tracks
            .map(|(id, _)| *id)
            .chain(files.filter_map(|row| row.track.as_ref()))
            .collect();
        told.sort_unstable();
        told.dedup();
        told
    }
}
