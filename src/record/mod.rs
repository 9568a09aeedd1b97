//! The memory: what the journal holds of an action, and what it changes in the state.

pub mod image;
pub mod names;
pub mod restored;
pub mod rows;
pub mod state;
pub mod undo;

use std::collections::BTreeMap;

use crate::{
    domain::{ActionId, ContentHash},
    edge::store::{NewOperation, OperationRow},
    plan::{
        canonical::canonical_hash,
        document::{Action, ChangeKind, Effect, Plan},
    },
};

pub use image::{FileImage, Intent, Made, Outcome, PostImage, PreImage};
pub use state::{Done, Ledger};

/// The kind of the journal row for `masterPlaylists6.xml`, which follows the actions of a run.
pub const XML_KIND: &str = "rb.xml";

/// The journal rows of a run: one for each action, and one for Rekordbox's playlist XML where the
/// database is written.
#[must_use]
pub fn operations(plan: &Plan, actions: &[&Action]) -> Vec<NewOperation> {
    let mut answers = BTreeMap::new();
    for change in &plan.body.changes {
        for action in &change.actions {
            answers.entry(action).or_insert(change.kind);
        }
    }
    let mut rows: Vec<NewOperation> = actions
        .iter()
        .map(|action| operation(action, answers.get(&action.id).copied()))
        .collect();
    if actions.iter().any(|action| is_rekordbox(&action.effect)) {
        rows.push(NewOperation {
            action_id: ActionId::new("a_xml"),
            kind: XML_KIND.to_owned(),
            operation_type: "sync_rekordbox",
            action: "update",
            source: "rekordbox",
            target: "rekordbox",
            label: "masterPlaylists6.xml".to_owned(),
            ..blank()
        });
    }
    for (seq, row) in (0..).zip(&mut rows) {
        row.seq = seq;
    }
    rows
}

/// The hash that binds an undo to what it takes back: over the recorded pre- and post-image.
#[must_use]
pub fn image_hash(operation: &OperationRow) -> ContentHash {
    canonical_hash(&(&operation.pre_image, &operation.post_image))
}

/// Whether it changes Rekordbox's database.
#[must_use]
pub const fn is_rekordbox(effect: &Effect) -> bool {
    match effect {
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
        | Effect::RowsRestore { .. } => true,
        Effect::FileFetch { .. }
        | Effect::FileConvert { .. }
        | Effect::FilePlace { .. }
        | Effect::FileLink { .. }
        | Effect::FileTrash { .. }
        | Effect::FileRestore { .. }
        | Effect::TrashPurge { .. }
        | Effect::StateAdopt { .. }
        | Effect::StateRecord { .. }
        | Effect::StateMove { .. }
        | Effect::StateForget { .. }
        | Effect::StateRestore { .. }
        | Effect::TidalEntryRemove { .. }
        | Effect::TidalEntryRestore { .. } => false,
    }
}

fn operation(action: &Action, answers: Option<ChangeKind>) -> NewOperation {
    let (operation_type, verb, source, target) = columns(&action.effect);
    let name = |kind: ChangeKind| image::to_value(&kind).as_str().map(ToOwned::to_owned);
    NewOperation {
        action_id: action.id.clone(),
        kind: action.effect.kind().to_owned(),
        operation_type,
        action: verb,
        source,
        target,
        playlist: action.playlist.as_ref().map(ToString::to_string),
        track: action.subject.track.as_ref().map(ToString::to_string),
        change_type: answers.and_then(name),
        rule: action.why.rule.clone(),
        label: action.subject.label.clone(),
        ..blank()
    }
}

fn blank() -> NewOperation {
    NewOperation {
        seq: 0,
        action_id: ActionId::new(""),
        kind: String::new(),
        operation_type: "",
        action: "",
        source: "",
        target: "",
        playlist: None,
        track: None,
        change_type: None,
        rule: String::new(),
        label: String::new(),
    }
}

/// The design's columns `operation_type`, `action`, `source` and `target`.
const fn columns(effect: &Effect) -> (&'static str, &'static str, &'static str, &'static str) {
    match effect {
        Effect::FileFetch { .. } => ("download", "add", "tidal", "local"),
        Effect::FileConvert { .. } => ("download", "update", "local", "local"),
        Effect::FilePlace { .. } => ("sync_local", "move", "local", "local"),
        Effect::FileLink { .. } => ("sync_local", "add", "tidal", "local"),
        Effect::FileTrash { .. } => ("cleanup", "remove", "tidal", "local"),
        Effect::FileRestore { .. } => ("cleanup", "add", "local", "local"),
        Effect::TrashPurge { .. } => ("cleanup", "remove", "local", "local"),
        Effect::ContentAdd { .. } | Effect::NodeCreate { .. } | Effect::MyTagCreate { .. } => {
            ("sync_rekordbox", "add", "tidal", "rekordbox")
        }
        Effect::ContentRelocate { .. } => ("sync_rekordbox", "move", "local", "rekordbox"),
        Effect::ContentUpdate { .. }
        | Effect::EntriesSet { .. }
        | Effect::EntriesMerge { .. }
        | Effect::MyTagSet { .. } => ("sync_rekordbox", "update", "tidal", "rekordbox"),
        Effect::NodeUpdate { .. } => ("sync_rekordbox", "move", "tidal", "rekordbox"),
        Effect::NodeRemove { .. } => ("sync_rekordbox", "remove", "tidal", "rekordbox"),
        Effect::RowsRestore { .. } => ("sync_rekordbox", "update", "local", "rekordbox"),
        Effect::StateAdopt { .. } => ("reconcile", "add", "local", "local"),
        Effect::StateRecord { .. } => ("reconcile", "update", "tidal", "local"),
        Effect::StateMove { .. } => ("reconcile", "move", "tidal", "local"),
        Effect::StateForget { .. } => ("reconcile", "remove", "tidal", "local"),
        Effect::StateRestore { .. } => ("reconcile", "update", "local", "local"),
        Effect::TidalEntryRemove { .. } => ("cleanup", "remove", "tidal", "tidal"),
        Effect::TidalEntryRestore { .. } => ("cleanup", "add", "tidal", "tidal"),
    }
}
