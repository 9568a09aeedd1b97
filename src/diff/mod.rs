//! What differs between the goal and what we remember of TIDAL: facts, not yet decisions.

pub mod entries;
pub mod hearsay;
pub mod identity;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    desired::{DesiredPlaylist, DesiredState},
    domain::{ChangeKind, PlaylistId, State, Track, TrackId, state::PlaylistRow},
};

/// One difference. Which of the optional fields is set follows from the kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub kind: ChangeKind,
    pub playlist: PlaylistId,
    pub track: Option<TrackId>,
    /// Where a moved track came from; `None`: it moved within its playlist.
    pub from: Option<PlaylistId>,
    /// The old name of a renamed playlist; which fields of a track's metadata changed.
    pub was: Option<String>,
}

impl Change {
    const fn of_playlist(kind: ChangeKind, playlist: PlaylistId) -> Self {
        Self {
            kind,
            playlist,
            track: None,
            from: None,
            was: None,
        }
    }

    const fn of_track(kind: ChangeKind, playlist: PlaylistId, track: TrackId) -> Self {
        Self {
            kind,
            playlist,
            track: Some(track),
            from: None,
            was: None,
        }
    }
}

/// Compares the goal with the state, playlist by playlist. `playlists_complete`: whether a playlist
/// that the reading does not have is gone from TIDAL.
#[must_use]
pub fn diff(desired: &DesiredState, state: &State, playlists_complete: bool) -> Vec<Change> {
    let mut changes = Vec::new();
    for playlist in desired.playlists.values() {
        match state
            .playlists
            .get(&playlist.id)
            .filter(|row| row.deleted_at.is_none())
        {
            None => changes.extend(added(playlist)),
            Some(row) => changes.extend(altered(playlist, row)),
        }
    }
    if playlists_complete {
        changes.extend(
            state
                .playlists
                .values()
                .filter(|row| is_gone(row, desired))
                .map(|row| Change::of_playlist(ChangeKind::PlaylistRemoved, row.id.clone())),
        );
    }
    changes.extend(metadata(desired, state));
    pair_moves(&mut changes);
    changes
}

/// Whether a remembered playlist is in TIDAL no more; one that is merely unmanaged now is not gone.
fn is_gone(row: &PlaylistRow, desired: &DesiredState) -> bool {
    row.deleted_at.is_none()
        && !desired.playlists.contains_key(&row.id)
        && !desired.unmanaged.contains(&row.id)
}

fn added(playlist: &DesiredPlaylist) -> Vec<Change> {
    let id = &playlist.id;
    let tracks = playlist
        .entries
        .iter()
        .map(|track| Change::of_track(ChangeKind::TrackAddedToPlaylist, id.clone(), track.clone()));
    std::iter::once(Change::of_playlist(ChangeKind::PlaylistAdded, id.clone()))
        .chain(tracks)
        .collect()
}

fn altered(playlist: &DesiredPlaylist, row: &PlaylistRow) -> Vec<Change> {
    let id = &playlist.id;
    let mut changes = Vec::new();
    if playlist.name != row.name {
        changes.push(Change {
            was: Some(row.name.clone()),
            ..Change::of_playlist(ChangeKind::PlaylistRenamed, id.clone())
        });
    }
    let old = row.entries.iter().map(|entry| &entry.track);
    if old.clone().eq(&playlist.entries) {
        return changes;
    }
    let old: Vec<TrackId> = old.cloned().collect();
    let edits = entries::compare(&old, &playlist.entries);
    let rows = |kind, tracks: Vec<TrackId>| {
        tracks
            .into_iter()
            .map(move |track| Change::of_track(kind, id.clone(), track))
    };
    changes.extend(rows(ChangeKind::TrackAddedToPlaylist, edits.added));
    changes.extend(rows(ChangeKind::TrackMoved, edits.moved));
    changes.extend(rows(ChangeKind::TrackRemovedFromPlaylist, edits.removed));
    changes
}

/// Tracks of which TIDAL says something else than it did.
fn metadata<'a>(desired: &'a DesiredState, state: &'a State) -> impl Iterator<Item = Change> + 'a {
    desired.tracks.iter().filter_map(|(id, track)| {
        let old = &state.tracks.get(id)?.track;
        if *old == track.track {
            return None;
        }
        let fields = changed_fields(old, &track.track);
        (track.available && !fields.is_empty()).then(|| Change {
            was: Some(fields.join(", ")),
            ..Change::of_track(
                ChangeKind::TrackMetadataChanged,
                track.home.clone(),
                id.clone(),
            )
        })
    })
}

/// The names of the fields that differ and that something of ours is made from.
#[must_use]
pub fn changed_fields(old: &Track, new: &Track) -> Vec<&'static str> {
    let fields = [
        (
            "title",
            old.title != new.title || old.version != new.version,
        ),
        ("artists", old.artists != new.artists),
        ("album", old.album != new.album),
        ("isrc", old.isrc != new.isrc),
        ("year", old.year() != new.year()),
        ("duration", old.duration_s != new.duration_s),
    ];
    fields
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| name)
        .collect()
}

/// A track that left one playlist and came to another in the same reading moved.
fn pair_moves(changes: &mut Vec<Change>) {
    let mut left: BTreeMap<TrackId, Vec<PlaylistId>> = BTreeMap::new();
    for change in changes.iter() {
        if change.kind == ChangeKind::TrackRemovedFromPlaylist
            && let Some(track) = &change.track
        {
            left.entry(track.clone())
                .or_default()
                .push(change.playlist.clone());
        }
    }
    let mut moved: BTreeSet<(TrackId, PlaylistId)> = BTreeSet::new();
    for change in changes.iter_mut() {
        if change.kind == ChangeKind::TrackAddedToPlaylist
            && let Some(track) = &change.track
            && let Some(from) = left.get_mut(track).and_then(Vec::pop)
        {
            moved.insert((track.clone(), from.clone()));
            change.kind = ChangeKind::TrackMoved;
            change.from = Some(from);
        }
    }
    changes.retain(|change| {
        change.kind != ChangeKind::TrackRemovedFromPlaylist
            || !change
                .track
                .as_ref()
                .is_some_and(|track| moved.remove(&(track.clone(), change.playlist.clone())))
    });
}
