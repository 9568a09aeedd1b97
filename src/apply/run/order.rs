//! In which part of a run an action is done, and what it waits for.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    apply::select::follows_file,
    domain::{ActionId, AudioFormat},
    plan::document::{Action, Effect, Mode, Plan},
};

/// The parts of a run, in their order. Playlist files come after the old names are gone, since they
/// name files by where they are; rows of the state that stand for themselves come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::apply) enum Phase {
    /// A playlist goes on under its new id: all that follows knows it by that.
    Rekey,
    Fetch,
    Convert,
    /// Which file is which track: what follows names files by their tracks.
    Adopt,
    /// Files get new names, come back from the trash, or make room for those that do.
    Arrange,
    Rekordbox,
    Link,
    Trash,
    /// Changes of TIDAL itself.
    Tidal,
    State,
}

pub(super) fn phases(plan: &Plan, actions: &[&Action]) -> Vec<Phase> {
    // What a taker of a name waits for makes room for it.
    let takes = |action: &&&Action| {
        matches!(
            action.effect,
            Effect::FileRestore { .. } | Effect::FilePlace { .. } | Effect::FileLink { .. }
        )
    };
    let waited_for: BTreeSet<&ActionId> = actions
        .iter()
        .filter(takes)
        .flat_map(|action| &action.depends_on)
        .collect();
    let phase = |action: &&Action| match &action.effect {
        Effect::FileFetch { .. } => Phase::Fetch,
        Effect::FileConvert { .. } => Phase::Convert,
        Effect::FilePlace { .. } | Effect::FileRestore { .. } => Phase::Arrange,
        Effect::FileLink { .. } => Phase::Link,
        Effect::TrashPurge { .. } => Phase::Trash,
        Effect::FileTrash { before } => {
            // A row of Rekordbox may point at audio until it is told otherwise.
            let is_audio = AudioFormat::from_extension(&before.path.extension()).is_some();
            let early = waited_for.contains(&action.id);
            match early && !(is_audio && plan.body.mode != Mode::Undo) {
                true => Phase::Arrange,
                false => Phase::Trash,
            }
        }
        Effect::ContentAdd { .. }
        | Effect::ContentRelocate { .. }
        | Effect::ContentUpdate { .. }
        | Effect::NodeCreate { .. }
        | Effect::NodeUpdate { .. }
        | Effect::NodeRemove { .. }
        | Effect::EntriesSet { .. }
        | Effect::EntriesMerge { .. }
        | Effect::MyTagCreate { .. }
        | Effect::MyTagSet { .. }
        | Effect::RowsRestore { .. } => Phase::Rekordbox,
        Effect::StateMove { .. } => Phase::Rekey,
        Effect::StateAdopt { .. } => Phase::Adopt,
        Effect::StateRecord { .. } | Effect::StateForget { .. } | Effect::StateRestore { .. } => {
            Phase::State
        }
        Effect::TidalEntryRemove { .. } | Effect::TidalEntryRestore { .. } => Phase::Tidal,
    };
    actions.iter().map(phase).collect()
}

/// For each action, by number: what it depends on, and the rows that must follow its file.
pub(super) fn dependencies(actions: &[&Action]) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
    let by_id: BTreeMap<&ActionId, usize> = actions
        .iter()
        .enumerate()
        .map(|(seq, action)| (&action.id, seq))
        .collect();
    let mut followers = vec![Vec::new(); actions.len()];
    let mut depends_on = Vec::with_capacity(actions.len());
    for (seq, action) in actions.iter().enumerate() {
        let needs: Vec<usize> = action
            .depends_on
            .iter()
            .filter_map(|id| by_id.get(id).copied())
            .collect();
        for need in &needs {
            let places = matches!(actions[*need].effect, Effect::FilePlace { .. });
            if places && follows_file(&action.effect) {
                followers[*need].push(seq);
            }
        }
        depends_on.push(needs);
    }
    (depends_on, followers)
}
