//! An effect in a symbol and a few words.

use crate::{
    domain::Provenance,
    plan::document::{Action, ChangeKind, Effect, PlannedChange},
};

use super::super::{
    rows::{Label, Row, Symbol},
    text::{bytes, number},
};

pub(super) fn change_symbol(change: &PlannedChange, actions: &[&Action]) -> Symbol {
    let adopts = actions.iter().any(|action| match &action.effect {
        Effect::StateAdopt { after } => after.provenance == Provenance::Adopted,
        _ => false,
    });
    match change.kind {
        ChangeKind::PlaylistAdded | ChangeKind::TrackAddedToPlaylist if adopts => Symbol::Adopt,
        ChangeKind::PlaylistAdded | ChangeKind::TrackAddedToPlaylist => Symbol::Add,
        ChangeKind::PlaylistRemoved | ChangeKind::TrackRemovedFromPlaylist => Symbol::Leave,
        ChangeKind::PlaylistRenamed | ChangeKind::TrackMoved => Symbol::Move,
        ChangeKind::TrackMetadataChanged => Symbol::Change,
    }
}

/// The symbol, label (where it is not the subject's) and note of an action that stands for itself.
pub(super) fn describe(effect: &Effect) -> (Symbol, Option<Label>, String) {
    let path = |path: &crate::domain::MediaPath| Some(Label::Path(path.to_string()));
    let say = |text: &str| text.to_owned();
    match effect {
        Effect::FileFetch { after } if after.instead_of.is_some() => {
            (Symbol::Change, None, say("a better file is downloaded"))
        }
        Effect::FileFetch { .. } => (Symbol::Add, None, say("download")),
        Effect::FileConvert { after } => (
            Symbol::Add,
            None,
            format!("convert to {}", after.format.extension()),
        ),
        Effect::FilePlace { before, after } => (
            Symbol::Move,
            path(&before.path),
            format!("to {}", after.path),
        ),
        Effect::FileLink {
            before: None,
            after,
        } => (Symbol::Add, path(&after.path), String::new()),
        Effect::FileLink {
            before: Some(_),
            after,
        } => (Symbol::Change, path(&after.path), String::new()),
        Effect::FileTrash { before } => (Symbol::Trash, path(&before.path), bytes(before.size)),
        Effect::FileRestore { after, .. } => {
            (Symbol::Add, path(&after.path), say("back from the trash"))
        }
        Effect::TrashPurge { before } => (
            Symbol::Trash,
            path(&before.trash_path),
            format!("deleted for good, {}", bytes(before.size)),
        ),
        Effect::ContentAdd { .. } => (Symbol::Add, None, say("into Rekordbox")),
        Effect::ContentRelocate { after, .. } => (
            Symbol::Move,
            None,
            format!("Rekordbox looks in {}", after.path),
        ),
        Effect::ContentUpdate { .. } => (Symbol::Change, None, say("Rekordbox fields")),
        Effect::NodeCreate { .. } => (Symbol::Add, None, say("in Rekordbox")),
        Effect::NodeUpdate { .. } => (Symbol::Move, None, say("in Rekordbox")),
        Effect::NodeRemove { .. } => (Symbol::Leave, None, say("out of Rekordbox")),
        Effect::EntriesSet { before, after } => (
            Symbol::Change,
            None,
            format!(
                "Rekordbox order, {} → {} tracks",
                number(before.count as u64),
                number(after.count as u64)
            ),
        ),
        Effect::EntriesMerge { before, after } => (
            Symbol::Change,
            None,
            format!(
                "duplicates merged, {} → {} tracks",
                number(before.count as u64),
                number(after.count as u64)
            ),
        ),
        Effect::MyTagCreate { .. } => (Symbol::Add, None, say("MyTag")),
        Effect::MyTagSet { .. } => (Symbol::Change, None, say("MyTags")),
        Effect::RowsRestore { .. } => (Symbol::Change, None, say("Rekordbox as before")),
        Effect::StateAdopt { after } => match after.provenance {
            Provenance::Adopted => (Symbol::Adopt, path(&after.path), String::new()),
            Provenance::Tidal | Provenance::Foreign => {
                (Symbol::Adopt, path(&after.path), say("linked, stays yours"))
            }
        },
        Effect::StateRecord { .. } => (Symbol::Change, None, say("remembered")),
        Effect::StateMove { .. } => (Symbol::Move, None, say("new id in TIDAL, all of it stays")),
        Effect::StateForget { .. } => (Symbol::Leave, None, say("no longer looked after")),
        Effect::StateRestore { .. } => (Symbol::Change, None, say("remembered as before")),
        Effect::TidalEntryRemove { .. } => (Symbol::Leave, None, say("out of TIDAL")),
        Effect::TidalEntryRestore { .. } => (Symbol::Add, None, say("back into TIDAL")),
    }
}

/// Actions that follow from others: order, tags, playlist files, the record.
pub(super) const fn is_upkeep(effect: &Effect) -> bool {
    match effect {
        Effect::FileLink { .. }
        | Effect::EntriesSet { .. }
        | Effect::MyTagCreate { .. }
        | Effect::MyTagSet { .. }
        | Effect::StateRecord { .. } => true,
        Effect::FileFetch { .. }
        | Effect::FileConvert { .. }
        | Effect::FilePlace { .. }
        | Effect::FileTrash { .. }
        | Effect::FileRestore { .. }
        | Effect::TrashPurge { .. }
        | Effect::ContentAdd { .. }
        | Effect::ContentRelocate { .. }
        | Effect::ContentUpdate { .. }
        | Effect::NodeCreate { .. }
        | Effect::NodeUpdate { .. }
        | Effect::NodeRemove { .. }
        | Effect::EntriesMerge { .. }
        | Effect::RowsRestore { .. }
        | Effect::StateAdopt { .. }
        | Effect::StateMove { .. }
        | Effect::StateForget { .. }
        | Effect::StateRestore { .. }
        | Effect::TidalEntryRemove { .. }
        | Effect::TidalEntryRestore { .. } => false,
    }
}

pub(super) fn upkeep_row(actions: &[&Action]) -> Row {
    let mut what: Vec<&str> = actions
        .iter()
        .map(|action| match &action.effect {
            Effect::FileLink { .. } => "playlist file",
            Effect::EntriesSet { .. } => "order in Rekordbox",
            Effect::MyTagCreate { .. } | Effect::MyTagSet { .. } => "MyTags",
            _ => "what is remembered",
        })
        .collect();
    what.sort_unstable();
    what.dedup();
    let mut row = Row::new(Symbol::Change, "brought up to date", what.join(", "));
    row.ids = actions.iter().map(|action| action.id.to_string()).collect();
    row
}

pub(super) fn is_rekordbox(effect: &Effect) -> bool {
    effect.kind().starts_with("rb.")
}

pub(super) const fn is_trash(effect: &Effect) -> bool {
    matches!(effect, Effect::FileTrash { .. })
}
