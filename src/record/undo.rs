//! Undo: what a run did, read back from the journal as a plan that takes it back.
//!
//! Pure. The world is looked at before (see [`UndoFacts`]): what somebody changed since is held, with
//! everything that would no longer fit, and never overwritten.

mod inverse;
mod obstacles;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use super::{FileImage, rows::RowKey};
use crate::{
    domain::{
        ActionId, Collection, ContentHash, MediaPath, PlaylistId, State,
        state::{RowChange, StateRow},
    },
    edge::store::{ApplyRow, OperationRow},
    plan::{
        canonical::change_id,
        document::{
            Action, Base, Body, ChangeKind, Class, Effect, Held, Mode, Plan, PlannedChange,
            PlannedPlaylist, Summary,
        },
    },
};
use inverse::{Writer, effects};
use obstacles::find_obstacles;
use steps::{Step, leave_all_but, steps};

/// What the world and the state say now of what a run touched.
#[derive(Clone, Debug, Default)]
pub struct UndoFacts {
    /// The files that are there, of those that the run left or took away.
    pub files: BTreeMap<MediaPath, FileNow>,
    /// Rows of Rekordbox that are not as the run left them.
    pub changed_rows: BTreeSet<RowKey>,
    /// Rekordbox now, to see whether the DJ built on what the run made.
    pub collection: Option<Collection>,
    /// The state now.
    pub state: State,
    /// Actions of the run that undos in part took back already.
    pub taken_back: BTreeSet<ActionId>,
}

/// A file as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileNow {
    /// Bytes.
    pub size: u64,
    /// Its modification time.
    pub mtime: (i64, u32),
    /// Its content; `None` for a file that was only moved, and is not looked into.
    pub sha256: Option<ContentHash>,
}

impl FileNow {
    fn is(&self, file: &FileImage) -> bool {
        let same = self.sha256.is_none_or(|hash| hash == file.sha256);
        same && self.size == file.size && self.mtime == file.mtime
    }
}

/// The plan that takes the completed operations of a run back, the last one first. `applied` is the
/// run's own plan, `base` the state as it is now.
#[must_use]
pub fn undo_plan(
    apply: &ApplyRow,
    applied: &Plan,
    operations: &[OperationRow],
    facts: &UndoFacts,
    base: Base,
) -> Body {
    undo_part(apply, applied, operations, facts, base, None)
}

/// As [`undo_plan`], of the actions `only` and of what cannot stay without them: what depends on
/// them, and what was done later to the same rows.
#[must_use]
pub fn undo_part(
    apply: &ApplyRow,
    applied: &Plan,
    operations: &[OperationRow],
    facts: &UndoFacts,
    base: Base,
    only: Option<&BTreeSet<ActionId>>,
) -> Body {
    let mut steps = steps(applied, operations, facts);
    if let Some(only) = only {
        leave_all_but(&mut steps, only);
    }
    find_obstacles(&mut steps, facts);
    let mut writer = Writer {
        apply,
        steps: &steps,
        inverse: BTreeMap::new(),
        actions: Vec::new(),
        taken_back: BTreeMap::new(),
        held: Vec::new(),
    };
    for (at, step) in steps.iter().enumerate() {
        writer.inverse.insert(at, effects(apply, step, &steps));
    }
    for at in 0..steps.len() {
        writer.write(at);
    }
    let Writer {
        actions,
        taken_back,
        held,
        ..
    } = writer;
    Body {
        mode: Mode::Undo,
        applyable: true,
        complete: only.is_none(),
        base,
        inputs: applied.body.inputs.clone(),
        playlists: playlists(applied, &steps),
        tracks: applied.body.tracks.clone(),
        changes: changes(applied, &taken_back),
        summary: summary(&actions, &held),
        actions,
        decisions: Vec::new(),
        held,
        drift: Vec::new(),
        checks: Vec::new(),
    }
}

/// The playlists as they were before the run, where the state knew them.
fn playlists(applied: &Plan, steps: &[Step<'_>]) -> BTreeMap<PlaylistId, PlannedPlaylist> {
    let mut playlists = applied.body.playlists.clone();
    // From the newest step to the oldest, so that the oldest image is the one that stays.
    for row in steps.iter().flat_map(|step| step.post.rows.iter().rev()) {
        let RowChange {
            before: Some(StateRow::Playlist(row)),
            ..
        } = row
        else {
            continue;
        };
        if let Some(planned) = playlists.get_mut(&row.id) {
            planned.name.clone_from(&row.name);
            planned.description.clone_from(&row.description);
            planned.entries = row
                .entries
                .iter()
                .map(|entry| entry.track.clone())
                .collect();
            if let Some(folder) = &row.folder {
                planned.folder.clone_from(folder);
            }
        }
    }
    playlists
}

fn changes(applied: &Plan, inverse: &BTreeMap<ActionId, Vec<ActionId>>) -> Vec<PlannedChange> {
    let mut occurrences: BTreeMap<String, usize> = BTreeMap::new();
    let mut changes = Vec::new();
    for change in &applied.body.changes {
        let ids = change
            .actions
            .iter()
            .filter_map(|id| inverse.get(id))
            .flatten();
        let ids: BTreeSet<ActionId> = ids.cloned().collect();
        if ids.is_empty() {
            continue;
        }
        let (kind, playlist, track) = (reversed(change.kind), &change.playlist, &change.track);
        let id = |n| change_id(kind, playlist, track.as_ref(), change.from.as_ref(), n);
        let occurrence = occurrences.entry(id(0)).or_default();
        changes.push(PlannedChange {
            id: id(*occurrence),
            kind,
            playlist: playlist.clone(),
            track: track.clone(),
            from: change.from.clone(),
            note: "taken back".to_owned(),
            actions: ids.into_iter().collect(),
        });
        *occurrence += 1;
    }
    changes
}

const fn reversed(kind: ChangeKind) -> ChangeKind {
    match kind {
        ChangeKind::PlaylistAdded => ChangeKind::PlaylistRemoved,
        ChangeKind::PlaylistRemoved => ChangeKind::PlaylistAdded,
        ChangeKind::TrackAddedToPlaylist => ChangeKind::TrackRemovedFromPlaylist,
        ChangeKind::TrackRemovedFromPlaylist => ChangeKind::TrackAddedToPlaylist,
        ChangeKind::PlaylistRenamed => ChangeKind::PlaylistRenamed,
        ChangeKind::TrackMoved => ChangeKind::TrackMoved,
        ChangeKind::TrackMetadataChanged => ChangeKind::TrackMetadataChanged,
    }
}

fn summary(actions: &[Action], held: &[Held]) -> Summary {
    let mut summary = Summary {
        held: held.len(),
        ..Summary::default()
    };
    for action in actions {
        match (&action.effect, action.class) {
            (Effect::FileTrash { .. }, _) => summary.trash += 1,
            (Effect::FileRestore { .. }, _) => summary.add += 1,
            (Effect::FilePlace { .. }, _) => summary.moves += 1,
            (Effect::RowsRestore { .. }, Class::Remove) => summary.remove += 1,
            (Effect::RowsRestore { .. }, _) => summary.change += 1,
            (_, Class::Tidal) => summary.tidal += 1,
            _ => {}
        }
    }
    summary
}
