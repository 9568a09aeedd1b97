//! What a plan takes away, in numbers.

use std::collections::{BTreeMap, BTreeSet};

use super::Managed;
use crate::{
    domain::{ActionId, ChangeKind, Class, PlaylistId, TrackId},
    plan::document::{Action, Effect, PlannedChange},
};

/// What a plan takes away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removals {
    /// Entries that leave a playlist which itself stays.
    pub entries: BTreeMap<PlaylistId, usize>,
    /// Entries of playlists of ours that go from Rekordbox as a whole; at least one for each.
    pub with_playlists: usize,
    /// Files that go to the trash.
    pub files: usize,
}

impl Removals {
    /// Counts what leaves lists by entry and what goes to the trash by file. A list that TIDAL no
    /// longer has and that is only noted as gone loses nothing.
    #[must_use]
    pub fn of(actions: &[Action], changes: &[PlannedChange], managed: &Managed) -> Self {
        let planned: BTreeSet<&ActionId> = actions.iter().map(|action| &action.id).collect();
        let mut removals = Self::default();
        // An entry that leaves TIDAL leaves our lists as well, and counts once.
        let mut leaving: BTreeMap<(&PlaylistId, Option<&TrackId>), (usize, usize)> =
            BTreeMap::new();
        for change in changes {
            if change.kind == ChangeKind::TrackRemovedFromPlaylist
                && change.actions.iter().any(|id| planned.contains(id))
            {
                let key = (&change.playlist, change.track.as_ref());
                leaving.entry(key).or_default().0 += 1;
            }
        }
        for action in actions {
            if let Effect::TidalEntryRemove { before } = &action.effect {
                let key = (&before.playlist, Some(&before.track));
                leaving.entry(key).or_default().1 += 1;
            }
        }
        for ((playlist, _), (ours, tidal)) in leaving {
            *removals.entries.entry(playlist.clone()).or_default() += ours.max(tidal);
        }
        for action in actions {
            removals.add(action, managed);
        }
        removals.entries.retain(|_, count| *count > 0);
        removals
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> usize {
        self.entries.values().sum::<usize>() + self.with_playlists + self.files
    }

    fn add(&mut self, action: &Action, managed: &Managed) {
        let takes = matches!(action.class, Class::Remove | Class::Destructive);
        match &action.effect {
            Effect::FileTrash { .. } => self.files += 1,
            Effect::EntriesSet { before, after } if takes => {
                // Without changes (an undo) the numbers are all there is.
                let fewer = before.count.saturating_sub(after.count);
                let entries = self.entries.entry(after.playlist.clone()).or_default();
                *entries = fewer.max(*entries);
            }
            Effect::NodeRemove { before } => {
                let id = before.playlist.as_ref();
                let held = id.and_then(|id| managed.playlists.get(id));
                self.with_playlists += held.map_or(1, |(_, entries)| (*entries).max(1));
            }
            Effect::EntriesSet { .. }
            | Effect::FileFetch { .. }
            | Effect::FileConvert { .. }
            | Effect::FilePlace { .. }
            | Effect::FileLink { .. }
            | Effect::FileRestore { .. }
            | Effect::TrashPurge { .. }
            | Effect::ContentAdd { .. }
            | Effect::ContentRelocate { .. }
            | Effect::ContentUpdate { .. }
            | Effect::NodeCreate { .. }
            | Effect::NodeUpdate { .. }
            | Effect::MyTagCreate { .. }
            | Effect::EntriesMerge { .. }
            | Effect::MyTagSet { .. }
            | Effect::RowsRestore { .. }
            | Effect::StateAdopt { .. }
            | Effect::StateRecord { .. }
            | Effect::StateMove { .. }
            | Effect::StateForget { .. }
            | Effect::StateRestore { .. }
            | Effect::TidalEntryRemove { .. }
            | Effect::TidalEntryRestore { .. } => {}
        }
    }

    pub(super) fn in_words(&self) -> String {
        let entries: usize = self.entries.values().sum();
        let parts = [
            (entries, "entry of a playlist", "entries of playlists"),
            (
                self.with_playlists,
                "entry that goes with its playlist",
                "entries that go with their playlist",
            ),
            (self.files, "file", "files"),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
            .collect();
        parts.join(", ")
    }
}
