//! What each playlist needs: its node and folders in Rekordbox, and the record of what TIDAL says of it.

use std::collections::BTreeSet;

use crate::{
    desired::{DesiredPlaylist, Retained},
    diff::entries,
    domain::{
        ActionId, ChangeKind, Class, NodeId, NodeKind, PlaylistId, TrackId,
        state::{ObjectKey, PlaylistRow},
    },
    plan::{
        canonical,
        contents::write_hold,
        copies::plan_copies,
        document::{Action, Effect, NewNode, NodeAt, Precondition, Recorded, Subject},
        draft::{Draft, Hold, act},
        drift,
        entries::plan_entries,
        facts,
        listfiles::{ListFiles, plan_m3u8},
        tags::{make_tag, tag_hold},
    },
    policy::SyncMode,
};

/// Plans every managed playlist.
pub(super) fn plan_playlists(draft: &mut Draft<'_>) {
    let files = ListFiles::new(draft);
    // Metadata that changed is remembered with its playlist.
    let changes = draft.input.changes.iter();
    let stale: BTreeSet<&PlaylistId> = changes
        .filter(|change| change.kind == ChangeKind::TrackMetadataChanged)
        .map(|change| &change.playlist)
        .collect();
    for playlist in draft.input.desired.playlists.values() {
        if !draft.in_scope(&playlist.id) {
            continue;
        }
        hold_retained(draft, playlist);
        if playlist.mode == SyncMode::Observe {
            continue;
        }
        plan_node(draft, playlist);
        plan_m3u8(draft, playlist, &files);
        plan_record(draft, playlist, stale.contains(&playlist.id));
    }
    plan_copies(draft);
    drift::plan_folders(draft);
    plan_smart(draft);
}

/// Whom an action about a playlist is about.
pub(super) fn subject(playlist: &DesiredPlaylist) -> Subject {
    Subject {
        track: None,
        label: playlist.name.clone(),
    }
}

/// Entries that would leave, were the reading complete or the mode another.
fn hold_retained(draft: &mut Draft<'_>, playlist: &DesiredPlaylist) {
    let desired = draft.input.desired;
    for (track, reason) in &playlist.retained {
        let label = desired
            .tracks
            .get(track)
            .map_or_else(|| track.to_string(), |track| track.track.label());
        let hold = match reason {
            Retained::Incomplete => Hold {
                gate: "TC103",
                text: "TIDAL's list was not read to its end".into(),
                ..Hold::default()
            },
            Retained::Additive => Hold {
                gate: "mode",
                rule: "additive".into(),
                at: playlist.at.to_string(),
                text: "this playlist is only ever added to".into(),
            },
            Retained::Protected(protection) if protection.former => {
                facts::former_hold(&protection.rule)
            }
            Retained::Protected(protection) => Hold {
                gate: "protect",
                rule: protection.rule.clone(),
                at: protection.at.clone(),
                text: protection.text.clone(),
            },
        };
        let effect = Effect::StateRecord {
            after: recorded(&playlist.id, &playlist.entries),
        };
        let action = act(
            Class::Remove,
            effect,
            Subject {
                track: Some(track.clone()),
                label,
            },
        );
        let action = action.under(&playlist.id);
        draft.hold(&action, hold);
        if let Some(held) = draft.held.last_mut() {
            "would leave the playlist".clone_into(&mut held.would);
        }
    }
}

/// How a list's new entries compare with those that we remember, as a class of danger.
pub(super) fn class_of(row: Option<&PlaylistRow>, new: &[TrackId]) -> Class {
    if same_entries(row, new) {
        return Class::Additive;
    }
    let old = row.map_or(&[][..], |row| &row.entries);
    let old: Vec<TrackId> = old.iter().map(|entry| entry.track.clone()).collect();
    let edits = entries::compare(&old, new);
    match (edits.removed.is_empty(), edits.moved.is_empty()) {
        (false, _) => Class::Remove,
        (true, false) => Class::Move,
        (true, true) => Class::Additive,
    }
}

/// Whether a list has the entries that we remember.
pub(super) fn same_entries(row: Option<&PlaylistRow>, new: &[TrackId]) -> bool {
    let old = row.map_or(&[][..], |row| &row.entries);
    old.iter().map(|entry| &entry.track).eq(new)
}

fn plan_node(draft: &mut Draft<'_>, playlist: &DesiredPlaylist) {
    if draft.index.collection().is_none() {
        return;
    }
    let key = ObjectKey::Playlist(playlist.id.clone());
    let node = draft.index.node(&key).cloned();
    let (needs, after) = match &node {
        None => create_node(draft, playlist),
        Some(id) => update_node(draft, playlist, id),
    };
    if needs {
        plan_entries(draft, playlist, node.as_ref(), after);
    }
}

/// Makes the folders of `path` that are missing; returns the action that makes the last of them.
pub(super) fn make_folders(draft: &mut Draft<'_>, path: &[String]) -> Option<ActionId> {
    let (name, above) = path.split_last()?;
    if draft.index.folder(path).is_some() {
        return None;
    }
    if let Some(made) = draft.new_folders.get(path) {
        return Some(made.clone());
    }
    let parent = make_folders(draft, above);
    let node = NewNode {
        node: NodeKind::Folder,
        name: name.clone(),
        folder: above.to_vec(),
        playlist: None,
        tags: Vec::new(),
    };
    let about = Subject {
        track: None,
        label: path.join("/"),
    };
    let action = act(Class::Additive, Effect::NodeCreate { after: node }, about)
        .because("rekordbox.folder", "Rekordbox has no such folder")
        .after(parent);
    let id = draft.push(action);
    draft.new_folders.insert(path.to_vec(), id.clone());
    Some(id)
}

/// Returns whether entries can follow, and after which action.
fn create_node(draft: &mut Draft<'_>, playlist: &DesiredPlaylist) -> (bool, Option<ActionId>) {
    let node = NewNode {
        node: if playlist.smart.is_some() {
            NodeKind::Smart
        } else {
            NodeKind::List
        },
        name: playlist.rekordbox_name.clone(),
        folder: playlist.rekordbox_folder.clone(),
        playlist: Some(playlist.id.clone()),
        tags: playlist.smart.iter().cloned().collect(),
    };
    let action = act(
        Class::Additive,
        Effect::NodeCreate { after: node },
        subject(playlist),
    )
    .under(&playlist.id)
    .because(
        "rekordbox.folder",
        "Rekordbox has no playlist of ours for it",
    );
    if !draft.writes_rekordbox() {
        draft.hold(&action, write_hold());
        return (false, None);
    }
    if let Some(hold) = tag_hold(draft, playlist.smart.as_slice()) {
        draft.hold(&action, hold);
        return (false, None);
    }
    let folder = make_folders(draft, &playlist.rekordbox_folder);
    let tag = playlist.smart.as_ref().and_then(|tag| make_tag(draft, tag));
    (
        playlist.smart.is_none(),
        Some(draft.push(action.after(folder).after(tag))),
    )
}

fn update_node(
    draft: &mut Draft<'_>,
    playlist: &DesiredPlaylist,
    id: &NodeId,
) -> (bool, Option<ActionId>) {
    let Some(node) = draft.index.collection().and_then(|c| c.nodes.get(id)) else {
        return (false, None);
    };
    let list = node.kind == NodeKind::List;
    let before = NodeAt {
        id: id.clone(),
        name: node.name.clone(),
        folder: draft.index.folder_path(id),
        playlist: Some(playlist.id.clone()),
    };
    let after = drift::place(draft, playlist, id, &before);
    if before == after {
        return (list, None);
    }
    let (rule, text) = match drift::is_unprovoked(draft, playlist) {
        true => (drift::DRIFT, drift::where_it_is(&before, &after)),
        false => (
            "rekordbox.folder",
            "its name or folder is another now; it keeps its id".to_owned(),
        ),
    };
    let moves = before.folder != after.folder;
    let pre = Precondition::Node {
        node: before.clone(),
    };
    let effect = Effect::NodeUpdate { before, after };
    let action = act(Class::Move, effect, subject(playlist))
        .under(&playlist.id)
        .provided([pre])
        .because(rule, text);
    if !draft.writes_rekordbox() {
        draft.hold(&action, write_hold());
        return (list, None);
    }
    let folder = match moves {
        true => make_folders(draft, &playlist.rekordbox_folder),
        false => None,
    };
    (list, Some(draft.push(action.after(folder))))
}

/// What the state shall remember of a playlist.
pub(super) fn recorded(playlist: &PlaylistId, entries: &[TrackId]) -> Recorded {
    Recorded {
        playlist: playlist.clone(),
        count: entries.len(),
        sha256: canonical::entries_hash(entries.iter().map(TrackId::as_str)),
    }
}

fn plan_record(draft: &mut Draft<'_>, playlist: &DesiredPlaylist, stale: bool) {
    let row = draft.input.observation.state.playlists.get(&playlist.id);
    let live = row.filter(|row| row.deleted_at.is_none());
    let same = live.is_some_and(|row| {
        row.name == playlist.name
            && row.description == playlist.description
            && row.folder.as_ref() == Some(&playlist.folder)
            && same_entries(Some(row), &playlist.entries)
    });
    if same && !stale {
        return;
    }
    let class = match class_of(live, &playlist.entries) {
        Class::Additive if live.is_none_or(|row| row.name == playlist.name) && !stale => {
            Class::Additive
        }
        _ => Class::Change,
    };
    let after = recorded(&playlist.id, &playlist.entries);
    let action: Action = act(class, Effect::StateRecord { after }, subject(playlist))
        .under(&playlist.id)
        .because(
            "tidal.playlists",
            "what TIDAL says of the playlist is remembered",
        );
    draft.push(action);
}

/// Smart playlists over MyTags.
fn plan_smart(draft: &mut Draft<'_>) {
    if !draft.writes_rekordbox() || draft.input.scope.is_some() {
        return;
    }
    for list in &draft.input.desired.smart {
        let path: Vec<String> = list.folder.iter().chain([&list.name]).cloned().collect();
        if draft.index.node(&ObjectKey::Smart(path.clone())).is_some() {
            continue;
        }
        let node = NewNode {
            node: NodeKind::Smart,
            name: list.name.clone(),
            folder: list.folder.clone(),
            playlist: None,
            tags: list.tags.clone(),
        };
        let about = Subject {
            track: None,
            label: path.join("/"),
        };
        let action = act(Class::Additive, Effect::NodeCreate { after: node }, about).because(
            "mytags.smart",
            "the policy asks for a smart playlist over these tags",
        );
        if let Some(hold) = tag_hold(draft, &list.tags) {
            draft.hold(&action, hold);
            continue;
        }
        let folder = make_folders(draft, &list.folder);
        let tags: Vec<ActionId> = list
            .tags
            .iter()
            .filter_map(|tag| make_tag(draft, tag))
            .collect();
        draft.push(action.after(folder).after(tags));
    }
}
