//! What a completed action changes in the state. Pure: rows in, row changes out.

mod draft;
mod reversal;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::Outcome;
use crate::{
    domain::{
        FileStat, MediaPath, MyTagId, PlaylistId, State, TrackId,
        state::{ObjectKey, RowChange, StateRow, TrackRow},
    },
    edge::rekordbox::Staged,
    plan::document::{Action, Effect, Forgotten, Mode, Plan, TagName},
};
use draft::Draft;

pub(crate) use reversal::keys;
pub use reversal::reversal;

/// Turns what was done into rows. Made once for a plan.
#[derive(Debug)]
pub struct Ledger<'a> {
    plan: &'a Plan,
    /// Tracks whose metadata is recorded by their own action, and only if that succeeds.
    updated: BTreeSet<&'a TrackId>,
    /// Playlists whose presence in Rekordbox is recorded by their own action.
    listed: BTreeSet<&'a PlaylistId>,
    /// The tracks of each file in the state: a file that moves, or gets a row in Rekordbox, is one of a
    /// hundred thousand. `None` where no file does.
    holders: Option<HashMap<MediaPath, BTreeSet<TrackId>>>,
}

/// What was done, with the facts that the rows need.
#[derive(Clone, Copy, Debug)]
pub struct Done<'a> {
    /// From the post-image.
    pub outcome: &'a Outcome,
    /// Ids that Rekordbox rows got.
    pub staged: Option<&'a Staged>,
    /// The MyTags that are there, ours and the DJ's, by group and name.
    pub tags: Option<&'a BTreeMap<TagName, MyTagId>>,
    /// Of the adopted file.
    pub stat: Option<FileStat>,
    /// When; becomes the rows' timestamps.
    pub now: Timestamp,
}

/// A row is not as the journal left it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is recorded of {0} changed since")]
pub struct RowConflict(pub String);

impl<'a> Ledger<'a> {
    /// The ledger of a run over `actions` of `plan` that begins, or goes on, from `state`.
    #[must_use]
    pub fn new(plan: &'a Plan, actions: &[&'a Action], state: &State) -> Self {
        let asks = |action: &&'a Action| match &action.effect {
            Effect::FilePlace { .. } => true,
            // A file that is there already may be several tracks.
            Effect::ContentAdd { after } => after.path.is_some(),
            _ => false,
        };
        let mut ledger = Self {
            plan,
            updated: BTreeSet::new(),
            listed: BTreeSet::new(),
            holders: actions.iter().any(asks).then(HashMap::new),
        };
        state.tracks.values().for_each(|row| ledger.hold(row));
        for action in actions {
            match &action.effect {
                Effect::ContentUpdate { after, .. } => drop(ledger.updated.insert(&after.track)),
                Effect::EntriesSet { after, .. } => drop(ledger.listed.insert(&after.playlist)),
                _ => {}
            }
        }
        ledger
    }

    /// Does `changes` to the state and keeps up with them.
    pub fn apply(&mut self, state: &mut State, changes: &[RowChange]) {
        for change in changes {
            if let (Some(StateRow::Track(row)), Some(holders)) = (&change.before, &mut self.holders)
                && let Some(held) = row.file.as_ref().and_then(|file| holders.get_mut(file))
            {
                held.remove(&row.track.id);
            }
            if let Some(StateRow::Track(row)) = &change.after {
                self.hold(row);
            }
        }
        state.apply(changes);
    }

    /// The tracks that have the same file as this one, itself among them: they have one row in Rekordbox.
    pub fn sharers<'s>(
        &'s self,
        track: &TrackId,
        state: &State,
    ) -> impl Iterator<Item = &'s TrackId> + use<'s, 'a> {
        let file = state.tracks.get(track).and_then(|row| row.file.as_ref());
        let held = file.and_then(|file| self.holders.as_ref()?.get(file));
        held.into_iter().flatten()
    }

    fn hold(&mut self, row: &TrackRow) {
        if let (Some(holders), Some(file)) = (&mut self.holders, &row.file) {
            let held = holders.entry(file.clone()).or_default();
            held.insert(row.track.id.clone());
        }
    }

    /// The rows that `action`, done so, changes in `state`, in order. In an undo only
    /// `state.restore` changes rows, by [`reversal`].
    #[must_use]
    pub fn changes(&self, action: &Action, done: Done<'_>, state: &State) -> Vec<RowChange> {
        if self.plan.body.mode == Mode::Undo {
            return Vec::new();
        }
        let mut draft = Draft {
            state,
            plan: self.plan,
            now: done.now,
            changes: Vec::new(),
        };
        self.write(&mut draft, action, done);
        draft.changes
    }

    fn write(&self, draft: &mut Draft<'_>, action: &Action, done: Done<'_>) {
        let file = match done.outcome {
            Outcome::File(made) => Some(&made.file),
            _ => None,
        };
        match &action.effect {
            Effect::FileFetch { after } => {
                if let Some(file) = file {
                    draft.deliver(&after.track, &after.home, file);
                }
            }
            Effect::FileConvert { after } => {
                if let Some(file) = file {
                    draft.deliver(&after.track, &after.home, file);
                }
            }
            Effect::FilePlace { after, .. } => {
                if let Outcome::Placed { from, to, .. } = done.outcome {
                    let holders = self.holders.as_ref().and_then(|known| known.get(from));
                    draft.placed((from, to), after.home.as_ref(), holders);
                }
            }
            Effect::FileLink { after, .. } => {
                if let Some(file) = file {
                    draft.linked(after, file);
                }
            }
            Effect::FileTrash { before } => draft.forget_file(&before.path),
            Effect::ContentAdd { after } => {
                if let Some(id) = done.staged.and_then(|staged| staged.content.as_ref()) {
                    draft.content(&after.track, id);
                    for other in self.sharers(&after.track, draft.state) {
                        if *other != after.track {
                            draft.track(other, |row| row.content = Some(id.clone()));
                        }
                    }
                }
            }
            Effect::ContentRelocate { before, .. } => {
                draft.track(&before.track, |row| {
                    row.content = Some(before.content.clone());
                });
            }
            Effect::ContentUpdate { after, .. } => draft.metadata(&after.track),
            Effect::NodeCreate { after } => {
                if let Some(id) = done.staged.and_then(|staged| staged.node.as_ref()) {
                    draft.node_made(after, id);
                }
            }
            Effect::NodeUpdate { before, after } => draft.node_moved(before, after),
            Effect::NodeRemove { before } => draft.node_removed(before),
            Effect::EntriesSet { after, .. } => draft.entries(&after.playlist, true, None),
            Effect::MyTagCreate { after } => {
                if let Some(id) = done.staged.and_then(|staged| staged.tag.as_ref()) {
                    let key = ObjectKey::Tag(after.group.clone(), after.tag.clone());
                    draft.object(key, Some(id.as_str()));
                }
            }
            Effect::MyTagSet { before, after } => draft.tag_links(before, after, done),
            Effect::StateAdopt { after } => draft.adopt(after, done.stat),
            Effect::StateRecord { after } => {
                let known = !self.listed.contains(&after.playlist);
                draft.entries(&after.playlist, false, Some((known, &self.updated)));
            }
            Effect::StateMove { before, after } => {
                draft.changes = draft.state.rekeyed(&before.playlist, &after.playlist);
            }
            Effect::StateForget { before } => match before {
                Forgotten::Playlist(id) => draft.forget_playlist(id),
                Forgotten::File(path) => draft.forget_file(path),
            },
            Effect::FileRestore { .. }
            | Effect::TrashPurge { .. }
            | Effect::EntriesMerge { .. }
            | Effect::RowsRestore { .. }
            | Effect::StateRestore { .. }
            | Effect::TidalEntryRemove { .. }
            | Effect::TidalEntryRestore { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests;
