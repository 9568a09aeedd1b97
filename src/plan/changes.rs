//! The changes that a plan shows, each with its actions and what a person reads behind it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    diff::Change,
    domain::{ActionId, ChangeKind, PlaylistId, TrackId},
    plan::{
        canonical,
        document::{Action, Effect, PlannedChange},
        draft::Draft,
    },
    policy::SyncMode,
};

/// The changes in scope, each with its actions: an action belongs to the change of its track and
/// playlist, else to one of its track, else to one of its playlist.
pub(super) fn changes(draft: &Draft<'_>) -> Vec<PlannedChange> {
    let relevant: Vec<&Change> = draft
        .input
        .changes
        .iter()
        .filter(|change| draft.in_scope(&change.playlist))
        .filter(|change| {
            let playlist = draft.input.desired.playlists.get(&change.playlist);
            playlist.is_none_or(|playlist| playlist.mode != SyncMode::Observe)
        })
        .collect();
    let mut by_both: BTreeMap<(&PlaylistId, &TrackId), usize> = BTreeMap::new();
    let mut by_track: BTreeMap<&TrackId, usize> = BTreeMap::new();
    let mut by_playlist: BTreeMap<&PlaylistId, usize> = BTreeMap::new();
    for (at, change) in relevant.iter().enumerate() {
        if let Some(track) = &change.track {
            by_both.entry((&change.playlist, track)).or_insert(at);
            by_track.entry(track).or_insert(at);
        }
        by_playlist.entry(&change.playlist).or_insert(at);
    }
    let mut actions: Vec<Vec<ActionId>> = vec![Vec::new(); relevant.len()];
    // What changes in TIDAL answers the policy, and no difference to TIDAL.
    for action in draft.actions.iter().filter(|it| !it.effect.is_tidal()) {
        let (playlist, track) = (action.playlist.as_ref(), action.subject.track.as_ref());
        let both = playlist.zip(track).and_then(|key| by_both.get(&key));
        let at = both
            .or_else(|| by_track.get(track?))
            .or_else(|| by_playlist.get(playlist?));
        if let Some(list) = at.and_then(|at| actions.get_mut(*at)) {
            list.push(action.id.clone());
        }
    }
    attach_lists(draft, &relevant, &mut actions);
    let known = Known::of(draft, &relevant, &actions);
    let mut occurrences = Occurrences::default();
    relevant
        .into_iter()
        .zip(actions)
        .map(|(change, actions)| PlannedChange {
            id: change_id(change, occurrences.next(change)),
            kind: change.kind,
            playlist: change.playlist.clone(),
            track: change.track.clone(),
            from: change.from.clone(),
            note: note(draft, change, &known),
            actions,
        })
        .collect()
}

pub(super) fn change_id(change: &Change, occurrence: usize) -> String {
    canonical::change_id(
        change.kind,
        &change.playlist,
        change.track.as_ref(),
        change.from.as_ref(),
        occurrence,
    )
}

/// Tells equal changes apart: the same track added twice to a playlist.
#[derive(Default)]
pub(super) struct Occurrences<'a>(
    BTreeMap<(ChangeKind, &'a PlaylistId, Option<&'a TrackId>), usize>,
);

impl<'a> Occurrences<'a> {
    pub(super) fn next(&mut self, change: &'a Change) -> usize {
        let key = (change.kind, &change.playlist, change.track.as_ref());
        let seen = self.0.entry(key).or_default();
        *seen += 1;
        *seen - 1
    }
}

/// A track that leaves or moves does so by its playlists' entries.
fn attach_lists(draft: &Draft<'_>, changes: &[&Change], actions: &mut [Vec<ActionId>]) {
    let sets = |action: &&Action| matches!(action.effect, Effect::EntriesSet { .. });
    let records = |action: &&Action| matches!(action.effect, Effect::StateRecord { .. });
    let mut lists: BTreeMap<&PlaylistId, &ActionId> = BTreeMap::new();
    let ordered = draft
        .actions
        .iter()
        .filter(records)
        .chain(draft.actions.iter().filter(sets));
    for action in ordered {
        if let Some(playlist) = &action.playlist {
            lists.insert(playlist, &action.id);
        }
    }
    for (change, actions) in changes.iter().zip(actions) {
        let leaves = matches!(
            change.kind,
            ChangeKind::TrackRemovedFromPlaylist | ChangeKind::TrackMoved
        );
        for playlist in [Some(&change.playlist), change.from.as_ref()]
            .into_iter()
            .flatten()
        {
            let list = lists
                .get(playlist)
                .filter(|id| leaves && !actions.contains(id));
            actions.extend(list.copied().cloned());
        }
    }
}

/// What a person reads behind the label.
fn note(draft: &Draft<'_>, change: &Change, known: &Known<'_>) -> String {
    match change.kind {
        ChangeKind::PlaylistAdded => String::new(),
        ChangeKind::PlaylistRemoved => String::new(),
        ChangeKind::PlaylistRenamed => {
            format!("was “{}”", change.was.as_deref().unwrap_or_default())
        }
        ChangeKind::TrackRemovedFromPlaylist => {
            let trashed = change
                .track
                .as_ref()
                .is_some_and(|id| known.trashed.contains(id));
            if trashed {
                "its file goes to the trash".into()
            } else {
                "file kept".into()
            }
        }
        ChangeKind::TrackMetadataChanged => {
            format!(
                "{} changed in TIDAL",
                change.was.as_deref().unwrap_or_default()
            )
        }
        ChangeKind::TrackMoved => moved_note(draft, change),
        ChangeKind::TrackAddedToPlaylist => added_note(draft, change, known),
    }
}

fn moved_note(draft: &Draft<'_>, change: &Change) -> String {
    let state = &draft.input.observation.state;
    let from = change.from.as_ref().and_then(|id| state.playlists.get(id));
    let mut note = from.map_or_else(
        || "another position".to_owned(),
        |row| format!("from “{}”", row.name),
    );
    let content = change
        .track
        .as_ref()
        .and_then(|id| draft.index.content_of(id, None));
    if let Some(risk) = content
        .and_then(|id| draft.index.risk(id))
        .filter(|r| r.hot_cues > 0)
    {
        let plural = if risk.hot_cues == 1 { "" } else { "s" };
        note.push_str(&format!(", {} hot cue{plural} kept", risk.hot_cues));
    }
    note
}

fn added_note(draft: &Draft<'_>, change: &Change, known: &Known<'_>) -> String {
    let Some(track) = &change.track else {
        return String::new();
    };
    if let Some(fetch) = known.fetched.get(track) {
        return match fetch.told_by {
            Some(told) if told.playlist == change.playlist && !std::ptr::eq(told, change) => {
                "again, the same file".into()
            }
            Some(told) if told.playlist != change.playlist => {
                let list = draft.input.desired.playlists.get(&told.playlist);
                let name = list.map_or(told.playlist.as_str(), |list| &list.name);
                format!("the same file as in “{name}”")
            }
            _ => format!("download, about {} MB", fetch.bytes.div_ceil(1_000_000)),
        };
    }
    if draft.input.identities.matches.contains_key(track) {
        return "file already here".into();
    }
    match known.held.get(track) {
        Some(text) => format!("no file: {text}"),
        None => "needs a decision".into(),
    }
}

/// A download.
struct Fetch<'a> {
    bytes: u64,
    /// The one change that it belongs to, however many lists the track comes to.
    told_by: Option<&'a Change>,
}

/// What happens to tracks' files, for the notes.
#[derive(Default)]
struct Known<'a> {
    fetched: BTreeMap<&'a TrackId, Fetch<'a>>,
    /// To the trash.
    trashed: BTreeSet<&'a TrackId>,
    /// What holds a download back.
    held: BTreeMap<&'a TrackId, &'a str>,
}

impl<'a> Known<'a> {
    /// `actions`: those of each change.
    fn of(draft: &'a Draft<'_>, changes: &[&'a Change], actions: &[Vec<ActionId>]) -> Self {
        let homes: BTreeMap<&ActionId, &Change> = changes
            .iter()
            .zip(actions)
            .flat_map(|(change, actions)| actions.iter().map(move |id| (id, *change)))
            .collect();
        let mut known = Self::default();
        for action in &draft.actions {
            let Some(track) = &action.subject.track else {
                continue;
            };
            match &action.effect {
                Effect::FileFetch { .. } => {
                    let fetch = Fetch {
                        bytes: action.estimate.bytes_down,
                        told_by: homes.get(&action.id).copied(),
                    };
                    known.fetched.insert(track, fetch);
                }
                Effect::FileTrash { .. } => drop(known.trashed.insert(track)),
                _ => {}
            }
        }
        for (track, text) in &draft.unfetched {
            known.held.insert(track, text);
        }
        known
    }
}
