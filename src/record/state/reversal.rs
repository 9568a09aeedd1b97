//! The rows as they were: what takes an action's changes back, unless somebody changed them since.

use std::collections::BTreeMap;

use super::RowConflict;
use crate::domain::{
    MediaPath, PlaylistId, State, TrackId,
    state::{ObjectKey, RowChange, StateRow},
};

/// The changes that take `rows` back, provided that the state still is as they left it.
/// `moved` tells files that came back under another name than they had.
///
/// # Errors
/// When a row was changed by somebody else since.
pub fn reversal(
    rows: &[RowChange],
    state: &State,
    moved: &BTreeMap<MediaPath, MediaPath>,
) -> Result<Vec<RowChange>, RowConflict> {
    let mut now = Overlay::new(state);
    let mut changes = Vec::with_capacity(rows.len());
    for row in rows.iter().rev().cloned() {
        let mut back = row.reversed();
        let key = back.before.as_ref().or(back.after.as_ref());
        let Some(key) = key.map(key_of) else {
            continue;
        };
        let present = now.get(&key);
        if !alike(present.as_ref(), back.before.as_ref()) {
            return Err(RowConflict(name_of(&key)));
        }
        // What stands there now, not what was written: times of reading may have advanced.
        back.before = present;
        if let Some(after) = &mut back.after {
            rename(after, moved);
        }
        now.set(key, back.after.clone());
        changes.push(back);
    }
    Ok(changes)
}

/// Which row a change is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Track(TrackId),
    Playlist(PlaylistId),
    File(MediaPath),
    Object(ObjectKey),
}

/// The state with some rows changed.
pub(super) struct Overlay<'a> {
    pub(super) state: &'a State,
    pub(super) rows: BTreeMap<Key, Option<StateRow>>,
}

impl<'a> Overlay<'a> {
    const fn new(state: &'a State) -> Self {
        Self {
            state,
            rows: BTreeMap::new(),
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<StateRow> {
        if let Some(row) = self.rows.get(key) {
            return row.clone();
        }
        let state = self.state;
        match key {
            Key::Track(id) => {
                let row = state.tracks.get(id).cloned();
                row.map(|row| StateRow::Track(Box::new(row)))
            }
            Key::Playlist(id) => state.playlists.get(id).cloned().map(StateRow::Playlist),
            Key::File(path) => state.files.get(path).cloned().map(StateRow::File),
            Key::Object(key) => state.objects.get(key).cloned().map(StateRow::Object),
        }
    }

    pub(super) fn set(&mut self, key: Key, row: Option<StateRow>) {
        self.rows.insert(key, row);
    }
}

pub(super) fn key_of(row: &StateRow) -> Key {
    match row {
        StateRow::Track(row) => Key::Track(row.track.id.clone()),
        StateRow::Playlist(row) => Key::Playlist(row.id.clone()),
        StateRow::File(row) => Key::File(row.path.clone()),
        StateRow::Object(row) => Key::Object(row.key.clone()),
    }
}

pub(super) fn name_of(key: &Key) -> String {
    match key {
        Key::Track(id) => format!("track {id}"),
        Key::Playlist(id) => format!("playlist {id}"),
        Key::File(path) => path.to_string(),
        Key::Object(key) => format!("{key:?}"),
    }
}

/// Equal but for the times at which TIDAL was read and an apply completed.
pub(super) fn alike(a: Option<&StateRow>, b: Option<&StateRow>) -> bool {
    let timeless = |row: Option<&StateRow>| {
        let mut row = row.cloned();
        match &mut row {
            Some(StateRow::Track(row)) => row.last_seen_in_tidal = None,
            Some(StateRow::Playlist(row)) => {
                row.last_seen_in_tidal = None;
                row.last_synced_at = None;
            }
            Some(StateRow::File(_) | StateRow::Object(_)) | None => {}
        }
        row
    };
    timeless(a) == timeless(b)
}

pub(super) fn rename(row: &mut StateRow, moved: &BTreeMap<MediaPath, MediaPath>) {
    let follow = |path: &mut MediaPath| {
        if let Some(now) = moved.get(path) {
            path.clone_from(now);
        }
    };
    match row {
        StateRow::Track(row) => row.file.iter_mut().for_each(follow),
        StateRow::File(row) => follow(&mut row.path),
        StateRow::Playlist(_) | StateRow::Object(_) => {}
    }
}
