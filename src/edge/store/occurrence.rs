//! Which row of `playlist_tracks` is which entry, when a playlist's entries change.
//!
//! A row is one stay of one track in one playlist: made when the track comes, moved with it, and left
//! behind without a position when it goes. The same track may stay several times, at once or again.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use jiff::Timestamp;

use super::RecentChange;
use crate::domain::{TrackId, state::EntryRow};

/// One row of `playlist_tracks`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Occurrence {
    /// The row's id; `None` before it is written.
    pub(super) id: Option<i64>,
    pub(super) track: TrackId,
    /// `None`: the track has left.
    pub(super) position: Option<i64>,
    pub(super) in_tidal: bool,
    pub(super) in_local: bool,
    pub(super) in_rekordbox: bool,
    pub(super) added_to_tidal: Option<Timestamp>,
    pub(super) added_to_local: Option<Timestamp>,
    pub(super) added_to_rekordbox: Option<Timestamp>,
    pub(super) removed_from_tidal: Option<Timestamp>,
    pub(super) created_at: Timestamp,
}

impl Occurrence {
    /// What the row is to the state.
    pub(super) fn entry(&self) -> EntryRow {
        EntryRow {
            track: self.track.clone(),
            in_tidal: self.in_tidal,
            in_local: self.in_local,
            in_rekordbox: self.in_rekordbox,
            added_at: self.added_to_tidal,
        }
    }
}

/// Which rows of a playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stays {
    /// Those with a position, in order.
    Here,
    /// Those that are over, too.
    All,
}

/// The rows of playlist `$1`; with those that are over where `$2` is 1.
pub(super) const OCCURRENCES: &str = "SELECT e.id, t.tidal_id AS track, e.position, e.in_tidal, e.in_local, e.in_rekordbox,
            e.added_to_tidal, e.added_to_local, e.added_to_rekordbox, e.removed_from_tidal, e.created_at
         FROM playlist_tracks AS e JOIN tracks AS t ON t.id = e.track_id
         WHERE e.playlist_id = $1 AND (e.position IS NOT NULL OR $2 = 1)
         ORDER BY e.position, e.id";

/// What is to be written for a playlist's entries to become others.
pub(super) struct Rewrite {
    /// Rows from this place on lose it first: another row may want it.
    pub(super) cleared: Option<i64>,
    /// Rows that differ from what is there, or lost their place.
    pub(super) changed: Vec<Occurrence>,
    pub(super) added: Vec<Occurrence>,
}

impl Rewrite {
    /// The tracks that are among `entries` no more.
    pub(super) fn left(&self, entries: &[EntryRow]) -> Vec<TrackId> {
        let gone = self.changed.iter().filter(|row| row.position.is_none());
        let mut left: BTreeSet<&TrackId> = gone.map(|row| &row.track).collect();
        if !left.is_empty() {
            for entry in entries {
                left.remove(&entry.track);
            }
        }
        left.into_iter().cloned().collect()
    }
}

/// Only rows that differ, and those whose place another one may want. `old` as for [`merge`].
pub(super) fn rewrite(old: Vec<Occurrence>, entries: &[EntryRow], at: Timestamp) -> Rewrite {
    let new = merge(old.clone(), entries, at);
    let old: HashMap<Option<i64>, Occurrence> = old.into_iter().map(|row| (row.id, row)).collect();
    let vacated = |row: &Occurrence| {
        let was = old.get(&row.id)?;
        was.position.filter(|_| was.position != row.position)
    };
    let cleared = new.iter().filter_map(vacated).min();
    let (known, added): (Vec<_>, Vec<_>) = new.into_iter().partition(|row| row.id.is_some());
    let differs = |row: &Occurrence| {
        let lost_place = cleared.is_some_and(|first| row.position >= Some(first));
        lost_place || old.get(&row.id) != Some(row)
    };
    Rewrite {
        cleared,
        changed: known.into_iter().filter(differs).collect(),
        added,
    }
}

/// The rows after the entries became `entries`: one for each entry, in order, then those that were
/// left behind by this change. `old` holds the rows with a position, in order.
pub(super) fn merge(old: Vec<Occurrence>, entries: &[EntryRow], at: Timestamp) -> Vec<Occurrence> {
    let mut old: Vec<Option<Occurrence>> = old.into_iter().map(Some).collect();
    let mut stays = take_unmoved(&mut old, entries);
    take_moved(&mut old, entries, &mut stays);
    let mut rows: Vec<Occurrence> = (0_i64..)
        .zip(entries.iter().zip(stays))
        .map(|(position, (entry, stay))| settled(entry, position, stay.as_ref(), at))
        .collect();
    rows.extend(old.into_iter().flatten().map(|row| left(row, at)));
    rows
}

fn take_unmoved(old: &mut [Option<Occurrence>], entries: &[EntryRow]) -> Vec<Option<Occurrence>> {
    (0..entries.len())
        .map(|place| {
            let same = |row: &mut Occurrence| row.track == entries[place].track;
            old.get_mut(place).and_then(|row| row.take_if(same))
        })
        .collect()
}

fn take_moved(
    old: &mut [Option<Occurrence>],
    entries: &[EntryRow],
    stays: &mut [Option<Occurrence>],
) {
    let mut waiting: BTreeMap<TrackId, Vec<usize>> = BTreeMap::new();
    for (place, row) in old.iter().enumerate().rev() {
        if let Some(row) = row {
            waiting.entry(row.track.clone()).or_default().push(place);
        }
    }
    for (entry, stay) in entries.iter().zip(stays).filter(|(_, stay)| stay.is_none()) {
        let place = waiting.get_mut(&entry.track).and_then(Vec::pop);
        *stay = place.and_then(|place| old[place].take());
    }
}

fn settled(entry: &EntryRow, position: i64, was: Option<&Occurrence>, at: Timestamp) -> Occurrence {
    let since = |here: bool, before: Option<Timestamp>| match here {
        true => before.or(Some(at)),
        false => before,
    };
    Occurrence {
        id: was.and_then(|row| row.id),
        track: entry.track.clone(),
        position: Some(position),
        in_tidal: entry.in_tidal,
        in_local: entry.in_local,
        in_rekordbox: entry.in_rekordbox,
        added_to_tidal: entry.added_at,
        added_to_local: since(entry.in_local, was.and_then(|row| row.added_to_local)),
        added_to_rekordbox: since(
            entry.in_rekordbox,
            was.and_then(|row| row.added_to_rekordbox),
        ),
        removed_from_tidal: match (entry.in_tidal, was) {
            (true, _) | (false, None) => None,
            (false, Some(row)) => row.removed_from_tidal.or(row.in_tidal.then_some(at)),
        },
        created_at: was.map_or(at, |row| row.created_at),
    }
}

fn left(row: Occurrence, at: Timestamp) -> Occurrence {
    Occurrence {
        position: None,
        removed_from_tidal: row.removed_from_tidal.or(Some(at)),
        in_tidal: false,
        in_local: false,
        in_rekordbox: false,
        ..row
    }
}

/// The comings and goings that the rows of one playlist tell, newest first.
pub(super) fn recent(
    rows: impl IntoIterator<Item = (Occurrence, String)>,
    limit: usize,
) -> Vec<RecentChange> {
    let mut changes: Vec<RecentChange> = rows
        .into_iter()
        .flat_map(|(row, label)| {
            let came = RecentChange {
                at: row.added_to_tidal.unwrap_or(row.created_at),
                added: true,
                track: row.track.clone(),
                label: label.clone(),
            };
            let went = row.removed_from_tidal.map(|at| RecentChange {
                at,
                added: false,
                track: row.track,
                label,
            });
            std::iter::once(came).chain(went)
        })
        .collect();
    changes.sort_by(|a, b| {
        let key = |change: &RecentChange| (Reverse(change.at), change.added);
        (key(a), &a.label, &a.track).cmp(&(key(b), &b.label, &b.track))
    });
    changes.truncate(limit);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(tracks: &str) -> Vec<EntryRow> {
        let entry = |track: char| EntryRow {
            track: TrackId::new(track),
            in_tidal: true,
            in_local: false,
            in_rekordbox: false,
            added_at: None,
        };
        tracks.chars().map(entry).collect()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::constant(second, 0)
    }

    fn written(tracks: &str) -> Vec<Occurrence> {
        let mut rows = merge(Vec::new(), &entries(tracks), at(1));
        for (id, row) in (1..).zip(&mut rows) {
            row.id = Some(id);
        }
        rows
    }

    fn ids(rows: &[Occurrence]) -> Vec<(Option<i64>, Option<i64>)> {
        rows.iter().map(|row| (row.id, row.position)).collect()
    }

    #[test]
    fn a_row_moves_with_its_track_and_twice_stays_twice() {
        let rows = merge(written("abca"), &entries("caab"), at(2));
        let want = [(3, 0), (1, 1), (4, 2), (2, 3)];
        assert_eq!(ids(&rows), want.map(|(id, place)| (Some(id), Some(place))));
    }

    #[test]
    fn what_leaves_keeps_its_row_and_what_returns_gets_a_new_one() {
        let rows = merge(written("abb"), &entries("b"), at(2));
        assert_eq!(
            ids(&rows),
            [(Some(2), Some(0)), (Some(1), None), (Some(3), None)]
        );
        assert_eq!(rows[1].removed_from_tidal, Some(at(2)));
        assert!(!rows[1].in_tidal);

        let again = merge(rows[..1].to_vec(), &entries("ba"), at(3));
        assert_eq!(ids(&again), [(Some(2), Some(0)), (None, Some(1))]);
    }

    #[test]
    fn the_first_time_counts() {
        let mut want = entries("a");
        want[0].in_local = true;
        let rows = merge(written("a"), &want, at(2));
        let later = merge(rows, &want, at(3));
        assert_eq!(later[0].added_to_local, Some(at(2)));
        assert_eq!(later[0].created_at, at(1));
    }

    #[test]
    fn changes_come_newest_first() {
        let rows = merge(written("ab"), &entries("bc"), at(2));
        let told = recent(rows.into_iter().map(|row| (row, String::new())), 3);
        let told: Vec<_> = told
            .iter()
            .map(|change| (change.added, change.track.as_str()))
            .collect();
        assert_eq!(told, [(false, "a"), (true, "c"), (true, "a")]);
    }
}
