//! What the DJ changed in Rekordbox on things of ours: set back where the policy says so, and told of
//! where it stays.

use std::collections::BTreeSet;

use crate::{
    desired::DesiredPlaylist,
    domain::{Content, NodeId, NodeKind, PlaylistId, TagName, Track, TrackId, state::ObjectKey},
    plan::{
        contents::write_hold,
        document::{Class, Drift, Effect, NodeAt, Precondition, Subject},
        draft::{Draft, act},
    },
    policy::Owner,
};

/// The rule of an action that sets something back, by which people find it.
pub(super) const DRIFT: &str = "drift";

/// Notes what stays as the DJ has it.
pub(super) fn keep(
    draft: &mut Draft<'_>,
    playlist: Option<&PlaylistId>,
    label: &str,
    text: String,
    rule: &str,
) {
    draft.drift.push(Drift {
        playlist: playlist.cloned(),
        label: label.to_owned(),
        text,
        rule: rule.to_owned(),
    });
}

/// Where a node of ours shall be, given where it is: what is the DJ's to say stays.
pub(super) fn place(
    draft: &mut Draft<'_>,
    playlist: &DesiredPlaylist,
    id: &NodeId,
    now: &NodeAt,
) -> NodeAt {
    let own = draft.input.policy.own;
    let mut goal = NodeAt {
        name: playlist.rekordbox_name.clone(),
        folder: playlist.rekordbox_folder.clone(),
        ..now.clone()
    };
    // The same folder, whatever it is called by now.
    if is_in(draft, id, &goal.folder) {
        goal.folder.clone_from(&now.folder);
    }
    if own.name == Owner::Rekordbox && goal.name != now.name {
        let text = format!("is called “{}” in Rekordbox", now.name);
        let rule = "[own] name = \"rekordbox\"";
        keep(draft, Some(&playlist.id), &playlist.name, text, rule);
        goal.name.clone_from(&now.name);
    }
    if own.folder == Owner::Rekordbox && goal.folder != now.folder {
        let text = format!("is in {} in Rekordbox", folder_name(&now.folder));
        let rule = "[own] folder = \"rekordbox\"";
        keep(draft, Some(&playlist.id), &playlist.name, text, rule);
        goal.folder.clone_from(&now.folder);
    }
    goal
}

/// Whether the playlist is named and placed in Rekordbox otherwise although nothing changed in TIDAL.
pub(super) fn is_unprovoked(draft: &Draft<'_>, playlist: &DesiredPlaylist) -> bool {
    let rows = &draft.input.observation.state.playlists;
    rows.get(&playlist.id)
        .is_some_and(|row| row.deleted_at.is_none() && row.name == playlist.name)
}

/// In words: where a node is now, for the reason of setting it back.
pub(super) fn where_it_is(now: &NodeAt, goal: &NodeAt) -> String {
    let named = (now.name != goal.name).then(|| format!("is called “{}”", now.name));
    let placed = (now.folder != goal.folder).then(|| format!("is in {}", folder_name(&now.folder)));
    let parts: Vec<String> = named.into_iter().chain(placed).collect();
    format!(
        "in Rekordbox it {} now; it keeps its id",
        parts.join(" and ")
    )
}

fn folder_name(folder: &[String]) -> String {
    match folder {
        [] => "no folder".to_owned(),
        folder => folder.join("/"),
    }
}

fn is_in(draft: &Draft<'_>, id: &NodeId, folder: &[String]) -> bool {
    let Some(node) = draft.index.collection().and_then(|c| c.nodes.get(id)) else {
        return false;
    };
    match folder {
        [] => node.parent.is_none(),
        folder => {
            let parent = draft.index.folder(folder);
            parent.is_some() && parent == node.parent.as_ref()
        }
    }
}

/// Folders of ours that the DJ renamed or moved. What is in them stays in them.
pub(super) fn plan_folders(draft: &mut Draft<'_>) {
    if draft.input.scope.is_some() || draft.index.collection().is_none() {
        return;
    }
    let desired = draft.input.desired;
    let playlists = desired.playlists.values().map(|p| &p.rekordbox_folder);
    let wanted: BTreeSet<&[String]> = playlists
        .chain(desired.smart.iter().map(|list| &list.folder))
        .flat_map(|folder| (1..=folder.len()).map(|parts| &folder[..parts]))
        .collect();
    for path in wanted {
        if let Some(id) = draft.index.node(&ObjectKey::Folder(path.to_vec())).cloned() {
            plan_folder(draft, path, &id);
        }
    }
}

fn plan_folder(draft: &mut Draft<'_>, path: &[String], id: &NodeId) {
    let Some((name, above)) = path.split_last() else {
        return;
    };
    let node = draft.index.collection().and_then(|c| c.nodes.get(id));
    let Some(node) = node.filter(|node| node.kind == NodeKind::Folder) else {
        return;
    };
    let own = draft.input.policy.own;
    let before = NodeAt {
        id: id.clone(),
        name: node.name.clone(),
        folder: draft.index.folder_path(id),
        playlist: None,
    };
    let mut after = before.clone();
    let label = path.join("/");
    let is_renamed = node.name != *name;
    let is_moved = !is_in(draft, id, above);
    match (is_renamed, own.name) {
        (true, Owner::Tidal) => after.name.clone_from(name),
        (true, Owner::Rekordbox) => {
            let text = format!("is called “{}” in Rekordbox", before.name);
            keep(draft, None, &label, text, "[own] name = \"rekordbox\"");
        }
        (false, _) => {}
    }
    match (is_moved, own.folder) {
        (true, Owner::Tidal) => after.folder = above.to_vec(),
        (true, Owner::Rekordbox) => {
            let text = format!("is in {} in Rekordbox", folder_name(&before.folder));
            keep(draft, None, &label, text, "[own] folder = \"rekordbox\"");
        }
        (false, _) => {}
    }
    if before == after {
        return;
    }
    let pre = Precondition::Node {
        node: before.clone(),
    };
    let text = where_it_is(&before, &after);
    let about = Subject { track: None, label };
    let action = act(Class::Move, Effect::NodeUpdate { before, after }, about)
        .provided([pre])
        .because(DRIFT, text);
    match draft.writes_rekordbox() {
        true => drop(draft.push(action)),
        false => draft.hold(&action, write_hold()),
    }
}

/// The fields of a row of ours that are the DJ's to say and differ from TIDAL's.
pub(super) fn keep_fields(
    draft: &mut Draft<'_>,
    playlist: &PlaylistId,
    content: &Content,
    track: &Track,
) {
    let own = draft.input.policy.own;
    let fields = [
        (
            "title",
            own.title,
            Some(content.title.to_string()),
            Some(track.full_title()),
        ),
        (
            "artist",
            own.artist,
            content.artist.as_ref().map(ToString::to_string),
            Some(track.artist()),
        ),
        (
            "album",
            own.album,
            content.album.as_ref().map(ToString::to_string),
            track.album.clone(),
        ),
    ];
    for (field, owner, now, tidal) in fields {
        let tidal = tidal.unwrap_or_default();
        let now = now.unwrap_or_default();
        if owner == Owner::Rekordbox && !tidal.trim().is_empty() && now.trim() != tidal.trim() {
            let text = format!("{field} is “{now}” in Rekordbox");
            let rule = format!("[own] {field} = \"rekordbox\"");
            keep(draft, Some(playlist), &track.label(), text, &rule);
        }
    }
}

/// Of the tags that are missing, those that we set before and the DJ took off: whether they come back
/// is for the policy to say. Returns those that shall be set.
pub(super) fn missing_tags(
    draft: &mut Draft<'_>,
    track: (&TrackId, &Track),
    playlist: &PlaylistId,
    missing: Vec<TagName>,
    set_before: &BTreeSet<TagName>,
) -> Vec<TagName> {
    if draft.input.policy.own.mytags == Owner::Tidal {
        return missing;
    }
    let (taken_off, add): (Vec<_>, Vec<_>) = missing
        .into_iter()
        .partition(|tag| set_before.contains(tag));
    if !taken_off.is_empty() {
        let names: Vec<String> = taken_off.iter().map(|tag| tag.tag.clone()).collect();
        let text = format!("has no MyTag {} in Rekordbox any more", names.join(", "));
        let rule = "[own] mytags = \"rekordbox\"";
        keep(draft, Some(playlist), &track.1.label(), text, rule);
    }
    add
}
