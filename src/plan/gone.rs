//! Playlists that are gone from TIDAL: what becomes of their lists in Rekordbox and of their playlist files.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::{
    desired::language,
    domain::{
        Class, PlaylistId, Provenance, SidecarFile,
        state::{FileRole, FileRow, ObjectKey, PlaylistRow},
    },
    plan::{
        document::{Effect, Forgotten, NodeAt, Precondition, Subject, Trashed},
        draft::{Draft, act},
        facts,
        removals::push_removal,
    },
    policy::{Decision, Denied, Verdict, verdict},
};

/// Playlists that TIDAL does not have and that are over for us, or were never recorded, and of which something
/// of ours is there still: another machine took leave of them, or an apply that ended half-way had begun with
/// them.
pub(super) fn leftovers(draft: &Draft<'_>) -> Vec<PlaylistRow> {
    let input = draft.input;
    let observation = input.observation;
    let (state, library) = (&observation.state, &observation.library.value);
    let tidal = &observation.tidal.value;
    if !tidal.complete {
        return Vec::new();
    }
    let read: BTreeSet<&PlaylistId> = tidal.playlists.iter().map(|list| &list.id).collect();
    let is_over = |id: &&PlaylistId| {
        let row = state.playlists.get(*id);
        row.is_none_or(|row| row.deleted_at.is_some())
            && !read.contains(*id)
            && !input.desired.unmanaged.contains(*id)
            && draft.in_scope(id)
    };
    let first = ObjectKey::Playlist(PlaylistId::new(""));
    let lists = state.objects.range(first..);
    let lists = lists.map_while(|(key, _)| match key {
        ObjectKey::Playlist(id) => Some((key, id)),
        _ => None,
    });
    let lists = lists.filter(|(key, id)| is_over(id) && draft.index.node(key).is_some());
    let is_there = |file: &FileRow| match file.role {
        FileRole::Playlist => library.sidecar(&file.path).is_some(),
        FileRole::Copy => draft.index.file(&file.path).is_some(),
        FileRole::Track => false,
    };
    let files = state.files.values().filter_map(|file| {
        let ours = file.role != FileRole::Track && file.provenance.is_ours();
        let list = file.playlist.as_ref().filter(|_| ours).filter(is_over);
        list.filter(|_| is_there(file))
    });
    let ids: BTreeSet<&PlaylistId> = lists.map(|(_, id)| id).chain(files).collect();
    let row = |id: &PlaylistId| {
        let known = state.playlists.get(id).cloned();
        known.unwrap_or_else(|| unrecorded(draft, id))
    };
    ids.into_iter().map(row).collect()
}

/// A playlist that is known by what it left alone.
fn unrecorded(draft: &Draft<'_>, id: &PlaylistId) -> PlaylistRow {
    let node = draft.index.node(&ObjectKey::Playlist(id.clone()));
    let node = node.and_then(|node| draft.index.collection()?.nodes.get(node));
    let files = draft.input.observation.state.files.values();
    let mut files = files.filter(|file| file.playlist.as_ref() == Some(id));
    let name = node.map(|node| node.name.clone());
    PlaylistRow {
        id: id.clone(),
        name: name
            .or_else(|| Some(files.next()?.path.file_stem()))
            .unwrap_or_else(|| id.to_string()),
        description: String::new(),
        folder: None,
        node: node.map(|node| node.id.clone()),
        provenance: Provenance::Tidal,
        created_at: Timestamp::UNIX_EPOCH,
        last_synced_at: None,
        last_seen_in_tidal: None,
        deleted_at: None,
        entries: Vec::new(),
    }
}

/// Plans what becomes of such a playlist. A list that went to the archive is the DJ's to move; another machine's
/// way there is caught up with.
pub(super) fn clear_leftovers(draft: &mut Draft<'_>, row: &PlaylistRow) -> Verdict {
    let decided = verdict(draft.input.policy, &facts::of_removed_playlist(row));
    let is_behind = draft
        .input
        .observation
        .state
        .left_behind
        .contains_key(&row.id);
    let was_archived = row.deleted_at.is_some() && !is_behind;
    match decided.decision {
        Decision::Archive(_) if was_archived => decided,
        _ => take_away(draft, row),
    }
}

/// Plans the end of one playlist; what the policy says, where its files go as well.
pub(super) fn remove_playlist(draft: &mut Draft<'_>, row: &PlaylistRow) -> Verdict {
    let decided = take_away(draft, row);
    let about = Subject {
        track: None,
        label: row.name.clone(),
    };
    let before = Forgotten::Playlist(row.id.clone());
    let action = act(Class::Remove, Effect::StateForget { before }, about)
        .under(&row.id)
        .provided([absent(row)])
        .because(&decided.name, format!("{GONE}; its files stay"))
        .stated(&decided);
    push_removal(draft, action, false);
    decided
}

/// Why what a playlist had goes.
const GONE: &str = "the playlist is gone from TIDAL";

/// Plans what becomes of a playlist's list in Rekordbox and of its playlist file: what the policy says.
fn take_away(draft: &mut Draft<'_>, row: &PlaylistRow) -> Verdict {
    let about = || Subject {
        track: None,
        label: row.name.clone(),
    };
    let known = facts::of_removed_playlist(row);
    let mut decided = verdict(draft.input.policy, &known);
    if decided.decision != Decision::Keep
        && let Some(hold) = facts::former_denial(draft, &known, Denied::Remove)
    {
        if let Some(before) = node_of(draft, row) {
            let action = act(Class::Destructive, Effect::NodeRemove { before }, about());
            draft.hold(&action.under(&row.id), hold);
        }
        decided.decision = Decision::Keep;
    }
    match &decided.decision {
        Decision::Archive(folder) => archive(draft, row, folder, &decided),
        Decision::Remove => {
            if let Some(before) = node_of(draft, row) {
                let pre = [
                    absent(row),
                    Precondition::Node {
                        node: before.clone(),
                    },
                ];
                let action = act(Class::Destructive, Effect::NodeRemove { before }, about())
                    .under(&row.id)
                    .provided(pre)
                    .because(&decided.name, GONE)
                    .stated(&decided);
                push_removal(draft, action, true);
            }
            trash_m3u8(draft, row, &decided);
        }
        Decision::Keep | Decision::Trash | Decision::Dedupe | Decision::Upgrade => {}
    }
    decided
}

fn absent(row: &PlaylistRow) -> Precondition {
    Precondition::PlaylistAbsent {
        playlist: row.id.clone(),
    }
}

fn node_of(draft: &Draft<'_>, row: &PlaylistRow) -> Option<NodeAt> {
    let id = draft.index.node(&ObjectKey::Playlist(row.id.clone()))?;
    let node = draft.index.collection()?.nodes.get(id)?;
    Some(NodeAt {
        id: id.clone(),
        name: node.name.clone(),
        folder: draft.index.folder_path(id),
        playlist: Some(row.id.clone()),
    })
}

fn archive(draft: &mut Draft<'_>, row: &PlaylistRow, folder: &str, decided: &Verdict) {
    let Some(before) = node_of(draft, row) else {
        return;
    };
    let root = &draft.input.policy.rekordbox.folder;
    let folder = language::archive_folder(&draft.input.policy.my_tags, folder, &row.name);
    let folder: Vec<String> = root.iter().cloned().chain(folder).collect();
    if before.folder == folder {
        return;
    }
    let made = super::playlists::make_folders(draft, &folder);
    let after = NodeAt {
        folder,
        ..before.clone()
    };
    let pre = Precondition::Node {
        node: before.clone(),
    };
    let about = Subject {
        track: None,
        label: row.name.clone(),
    };
    let action = act(Class::Move, Effect::NodeUpdate { before, after }, about)
        .under(&row.id)
        .provided([pre, absent(row)])
        .because(
            &decided.name,
            "the playlist is gone from TIDAL and goes to the archive",
        )
        .stated(decided)
        .after(made);
    push_removal(draft, action, true);
}

fn trash_m3u8(draft: &mut Draft<'_>, row: &PlaylistRow, decided: &Verdict) {
    let observation = draft.input.observation;
    let files = observation.state.files.values().filter(|file| {
        file.role == FileRole::Playlist
            && file.playlist.as_ref() == Some(&row.id)
            && file.provenance.is_ours()
    });
    let library = &observation.library.value;
    for file in files.filter_map(|file| library.sidecar(&file.path)) {
        trash_list(draft, row, file, decided);
    }
}

fn trash_list(draft: &mut Draft<'_>, row: &PlaylistRow, file: &SidecarFile, decided: &Verdict) {
    let before = Trashed {
        path: file.path.clone(),
        size: file.stat.size,
        sha256: file.hash,
    };
    let pre = Precondition::File {
        path: file.path.clone(),
        size: file.stat.size,
        mtime: file.stat.mtime,
        sha256: Some(file.hash),
    };
    let about = Subject {
        track: None,
        label: file.path.to_string(),
    };
    let action = act(Class::Destructive, Effect::FileTrash { before }, about)
        .under(&row.id)
        .provided([pre, absent(row)])
        .because(
            &decided.name,
            "the playlist file of a playlist that is gone from TIDAL",
        )
        .stated(decided);
    push_removal(draft, action, false);
}
