//! What each playlist needs: its node and folders in Rekordbox, its entries, its playlist file, copies
//! for shared tracks, and the record of all that.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    desired::{DesiredPlaylist, Retained, count},
    diff::entries,
    domain::{
        ActionId, Class, ContentHash, ContentId, LinkForm, MediaPath, NodeId, NodeKind, PlaylistId,
        TrackId,
        collection::merged,
        state::{FileRole, FileRow, ObjectKey, PlaylistRow},
    },
    plan::{
        canonical,
        contents::write_hold,
        document::{
            Action, At, Effect, Entries, Hashed, Link, NewNode, NodeAt, Precondition, Recorded,
            Subject, Trashed,
        },
        draft::{ContentPlan, Draft, FilePlan, Hold, act},
        drift, duplicates, facts, m3u8,
        tags::{make_tag, tag_hold},
        tracks::precondition,
    },
    policy::{Order, SyncMode},
};

/// Plans every managed playlist.
pub(super) fn plan_playlists(draft: &mut Draft<'_>) {
    for playlist in draft.input.desired.playlists.values() {
        if !draft.in_scope(&playlist.id) {
            continue;
        }
        hold_retained(draft, playlist);
        if playlist.mode == SyncMode::Observe {
            continue;
        }
        plan_node(draft, playlist);
        plan_m3u8(draft, playlist);
        plan_copies(draft, playlist);
        plan_record(draft, playlist);
    }
    drift::plan_folders(draft);
    plan_smart(draft);
}

/// Whom an action about a playlist is about.
fn subject(playlist: &DesiredPlaylist) -> Subject {
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

/// How a list's new entries compare with its old ones, as a class of danger.
fn class_of(old: &[TrackId], new: &[TrackId]) -> Class {
    let edits = entries::compare(old, new);
    match (edits.removed.is_empty(), edits.moved.is_empty()) {
        (false, _) => Class::Remove,
        (true, false) => Class::Move,
        (true, true) => Class::Additive,
    }
}

fn old_entries(row: Option<&PlaylistRow>) -> Vec<TrackId> {
    row.map(|row| {
        row.entries
            .iter()
            .map(|entry| entry.track.clone())
            .collect()
    })
    .unwrap_or_default()
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

/// An entry of the Rekordbox list as it shall be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    Row(ContentId),
    /// A row that this plan adds, by its track.
    Added(TrackId),
}

fn plan_entries(
    draft: &mut Draft<'_>,
    playlist: &DesiredPlaylist,
    node: Option<&NodeId>,
    after: Option<ActionId>,
) {
    let collection = draft.index.collection();
    let current: Vec<ContentId> = node
        .and_then(|id| collection?.nodes.get(id))
        .map(|node| {
            node.entries
                .iter()
                .map(|entry| entry.content.clone())
                .collect()
        })
        .unwrap_or_default();
    let desired: Vec<Entry> = playlist
        .entries
        .iter()
        .filter_map(|track| desired_entry(draft, track))
        .collect();
    let keep = kept(draft, playlist, &current, &desired);
    let rows = replaced(draft, playlist, &current);
    let now: Vec<Entry> = current.iter().cloned().map(Entry::Row).collect();
    let mut goal = desired;
    goal.extend(keep.iter().cloned().map(Entry::Row));
    let djs = playlist.order == Order::Rekordbox;
    tell_kept(draft, playlist, &now, &goal, keep.len());
    let same = if djs {
        sorted(&now) == sorted(&goal)
    } else {
        now == goal
    };
    if same {
        return;
    }
    // What only changes its row neither leaves nor moves.
    let merged: Vec<Entry> = merged(&current, &draft.stands_for)
        .into_iter()
        .map(Entry::Row)
        .collect();
    let merges = merged != now;
    let evidence = merges.then(|| merged_evidence(draft, &current));
    let state_row = draft.input.observation.state.playlists.get(&playlist.id);
    let unprovoked = node.is_some() && old_entries(state_row) == playlist.entries;
    let (rule, text) = match unprovoked {
        true if merges => (
            "duplicates",
            "the row with the most work stands for each recording".to_owned(),
        ),
        true => (drift::DRIFT, set_back(&now, &goal, djs)),
        false => ("tidal.playlists", "its entries follow TIDAL's".to_owned()),
    };
    let class = match (node, state_row) {
        (Some(_), Some(row)) => class_of(&old_entries(Some(row)), &playlist.entries)
            .max(drift_class(&merged, &goal, djs)),
        _ => Class::Additive,
    };
    let class = if merges {
        class.max(Class::Change)
    } else {
        class
    };
    let effect = Effect::EntriesSet {
        before: Entries {
            playlist: playlist.id.clone(),
            count: current.len(),
            sha256: canonical::entries_hash(current.iter().map(ContentId::as_str)),
            keep: Vec::new(),
            order_is_the_djs: false,
            rows: BTreeMap::new(),
        },
        after: Entries {
            playlist: playlist.id.clone(),
            count: goal.len(),
            sha256: canonical::entries_hash(playlist.entries.iter().map(TrackId::as_str)),
            keep,
            order_is_the_djs: djs,
            rows,
        },
    };
    let pre = node.map(|id| Precondition::Entries {
        id: id.clone(),
        count: current.len(),
        sha256: canonical::entries_hash(current.iter().map(ContentId::as_str)),
    });
    let mut action = act(class, effect, subject(playlist))
        .under(&playlist.id)
        .provided(pre)
        .because(rule, text)
        .after(after);
    action.why.evidence.extend(evidence.into_iter().flatten());
    if draft.writes_rekordbox() {
        draft.push(action);
    } else {
        draft.hold(&action, write_hold());
    }
}

/// Tells what stays of the DJ's own in a list: the order, and what was added by hand.
fn tell_kept(
    draft: &mut Draft<'_>,
    playlist: &DesiredPlaylist,
    now: &[Entry],
    goal: &[Entry],
    kept: usize,
) {
    if kept > 0 {
        let plural = if kept == 1 { "" } else { "s" };
        let text = format!("{kept} track{plural} that you added in Rekordbox");
        drift::keep(draft, Some(&playlist.id), &playlist.name, text, "only ours");
    }
    let djs = playlist.order == Order::Rekordbox;
    let same = sorted(now) == sorted(goal);
    let ours: BTreeSet<&Entry> = goal.iter().take(goal.len() - kept).collect();
    let order = now.iter().filter(|entry| ours.contains(entry));
    if djs && same && !order.eq(&goal[..goal.len() - kept]) {
        let text = "is in your order in Rekordbox".to_owned();
        let rule = "order = \"rekordbox\"";
        drift::keep(draft, Some(&playlist.id), &playlist.name, text, rule);
    }
}

/// What is set back in a list that the DJ changed.
fn set_back(now: &[Entry], goal: &[Entry], djs_order: bool) -> String {
    let is_in = |entry: &Entry, list: &[Entry]| list.contains(entry);
    let gone = goal.iter().filter(|entry| !is_in(entry, now)).count();
    let stayed = goal.iter().filter(|entry| is_in(entry, now));
    let reordered = !djs_order && !now.iter().filter(|entry| is_in(entry, goal)).eq(stayed);
    let mut parts = Vec::new();
    if gone > 0 {
        parts.push(format!("{gone} missing in Rekordbox"));
    }
    if reordered {
        parts.push("in another order in Rekordbox".to_owned());
    }
    match parts.as_slice() {
        [] => "its entries follow TIDAL's".to_owned(),
        parts => format!("{}; set back as TIDAL has it", parts.join(", ")),
    }
}

fn desired_entry(draft: &Draft<'_>, track: &TrackId) -> Option<Entry> {
    match &draft.tracks.get(track)?.content {
        ContentPlan::None => None,
        ContentPlan::Is(content) => Some(Entry::Row(draft.row(content).clone())),
        ContentPlan::Added => Some(Entry::Added(track.clone())),
    }
}

fn sorted(entries: &[Entry]) -> Vec<Entry> {
    let mut entries = entries.to_vec();
    entries.sort();
    entries
}

/// What setting entries back to the goal does to what the DJ sees now.
fn drift_class(now: &[Entry], goal: &[Entry], djs_order: bool) -> Class {
    let goal_set: BTreeSet<&Entry> = goal.iter().collect();
    let leaves = now.iter().any(|entry| !goal_set.contains(entry)) || now.len() > goal.len();
    let now_set: BTreeSet<&Entry> = now.iter().collect();
    let stayed = goal.iter().filter(|entry| now_set.contains(entry));
    let reordered = !djs_order && !now.iter().filter(|e| goal_set.contains(e)).eq(stayed);
    match (leaves, reordered) {
        (true, _) => Class::Remove,
        (false, true) => Class::Move,
        (false, false) => Class::Additive,
    }
}

/// Entries that the DJ put there by hand: rows that are none of the tracks that we ever put there.
fn kept(
    draft: &Draft<'_>,
    playlist: &DesiredPlaylist,
    current: &[ContentId],
    desired: &[Entry],
) -> Vec<ContentId> {
    let state = &draft.input.observation.state;
    let recorded = state
        .playlists
        .get(&playlist.id)
        .map(|row| row.entries.as_slice());
    let ours: BTreeSet<&ContentId> = recorded
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| {
            let file = state.tracks.get(&entry.track)?.file.as_ref();
            let content = draft.index.content_of(&entry.track, file)?;
            Some([content, draft.row(content)])
        })
        .flatten()
        .chain(desired.iter().filter_map(|entry| match entry {
            Entry::Row(content) => Some(content),
            Entry::Added(_) => None,
        }))
        .collect();
    let added: Vec<ContentId> = current
        .iter()
        .filter(|content| !ours.contains(draft.row(content)) && !ours.contains(content))
        .cloned()
        .collect();
    merged(&added, &draft.stands_for)
}

/// The rows of the list and of the playlist's tracks that others stand for, and those.
fn replaced(
    draft: &Draft<'_>,
    playlist: &DesiredPlaylist,
    current: &[ContentId],
) -> BTreeMap<ContentId, ContentId> {
    let state = &draft.input.observation.state;
    let planned =
        playlist
            .entries
            .iter()
            .filter_map(|track| match &draft.tracks.get(track)?.content {
                ContentPlan::Is(content) => Some(content),
                ContentPlan::Added | ContentPlan::None => None,
            });
    let known = playlist
        .entries
        .iter()
        .filter_map(|track| state.tracks.get(track)?.content.as_ref());
    planned
        .chain(known)
        .chain(current)
        .filter_map(|row| Some((row.clone(), draft.stands_for.get(row)?.clone())))
        .collect()
}

/// Which rows of the list are replaced, one sentence each.
fn merged_evidence(draft: &Draft<'_>, current: &[ContentId]) -> Vec<String> {
    let rows: BTreeSet<&ContentId> = current.iter().collect();
    rows.into_iter()
        .filter_map(|row| Some(duplicates::evidence(draft, row, draft.stands_for.get(row)?)))
        .collect()
}

fn plan_m3u8(draft: &mut Draft<'_>, playlist: &DesiredPlaylist) {
    let Some(path) = &playlist.m3u8 else { return };
    let observation = draft.input.observation;
    let library = &observation.library.value;
    let from = m3u8_source(draft, playlist, path);
    let is_own = from.is_none_or(|row| is_m3u8_of(row, &playlist.id));
    let old = from.and_then(|row| library.sidecar(&row.path));
    let mut placed = None;
    if let Some(old) = old.filter(|old| &old.path != path) {
        let pre = Precondition::File {
            path: old.path.clone(),
            size: old.stat.size,
            mtime: old.stat.mtime,
            sha256: Some(old.hash),
        };
        let effect = Effect::FilePlace {
            before: At {
                path: old.path.clone(),
                home: None,
            },
            after: At {
                path: path.clone(),
                home: None,
            },
        };
        let action = act(Class::Move, effect, subject(playlist))
            .under(&playlist.id)
            .provided([pre, Precondition::Vacant { path: path.clone() }])
            .because(
                "library.sharing",
                "the playlist's folder has another name now",
            );
        placed = Some(draft.push(action));
    }
    let lines = m3u8_lines(draft, playlist);
    let content = lines
        .as_ref()
        .map(|lines| render(draft, playlist, path, lines));
    let before = old.map(|old| Hashed { sha256: old.hash });
    let same = content
        .as_ref()
        .map(|text| ContentHash::of(text.as_bytes()));
    if before.as_ref().map(|hashed| hashed.sha256) == same && same.is_some() {
        return;
    }
    if before.is_none() && lines.as_ref().is_some_and(Vec::is_empty) {
        return;
    }
    let row = observation.state.playlists.get(&playlist.id);
    let class = match class_of(&old_entries(row), &playlist.entries) {
        Class::Additive if is_own => Class::Additive,
        _ if before.is_none() => Class::Additive,
        Class::Additive
        | Class::Move
        | Class::Change
        | Class::Remove
        | Class::Destructive
        | Class::Tidal => Class::Change,
    };
    let pre = match (&before, &placed, old) {
        (None, _, _) => Some(Precondition::Vacant { path: path.clone() }),
        (Some(hashed), None, Some(old)) => Some(Precondition::File {
            path: path.clone(),
            size: old.stat.size,
            mtime: old.stat.mtime,
            sha256: Some(hashed.sha256),
        }),
        _ => None,
    };
    let after = Link {
        form: LinkForm::M3u8,
        path: path.clone(),
        playlist: playlist.id.clone(),
        of: None,
    };
    let action = act(class, Effect::FileLink { before, after }, subject(playlist))
        .under(&playlist.id)
        .provided(pre)
        .because("library.sharing", "the playlist file follows the playlist")
        .after(placed);
    draft.push(action);
}

/// The playlist file that becomes this playlist's, at `path`: as a rule its own. Where playlists take
/// over names from each other, the one that lies there already, whosesoever it was; and who finds
/// nothing at the new name gets the one that nobody else takes over.
fn m3u8_source<'d>(
    draft: &Draft<'d>,
    playlist: &DesiredPlaylist,
    path: &MediaPath,
) -> Option<&'d FileRow> {
    let files = &draft.input.observation.state.files;
    let own = |id: &PlaylistId| files.values().find(|file| is_m3u8_of(file, id));
    let movers = || {
        let playlists = draft.input.desired.playlists.values();
        playlists.filter(|list| draft.in_scope(&list.id) && list.mode != SyncMode::Observe)
    };
    let left = |file: &FileRow| {
        let mut movers = movers();
        movers.any(|list| is_m3u8_of(file, &list.id) && list.m3u8.as_ref() != Some(&file.path))
    };
    if let Some(there) = files.get(path).filter(|file| left(file)) {
        return Some(there);
    }
    let mut from = own(&playlist.id)?;
    if from.path == *path {
        return Some(from);
    }
    while let Some(heir) = movers().find(|list| list.m3u8.as_ref() == Some(&from.path)) {
        from = own(&heir.id)?;
    }
    Some(from)
}

fn is_m3u8_of(file: &FileRow, playlist: &PlaylistId) -> bool {
    file.role == FileRole::Playlist
        && file.provenance.is_ours()
        && file.playlist.as_ref() == Some(playlist)
}

/// Where each entry's file will be; `None` when that is not known before the download.
fn m3u8_lines(draft: &Draft<'_>, playlist: &DesiredPlaylist) -> Option<Vec<(MediaPath, TrackId)>> {
    let mut lines = Vec::new();
    for track in &playlist.entries {
        match draft.tracks.get(track).map(|planned| &planned.file) {
            Some(FilePlan::At(path)) => lines.push((path.clone(), track.clone())),
            Some(FilePlan::Fetched(_)) => return None,
            Some(FilePlan::None) | None => {}
        }
    }
    Some(lines)
}

/// The playlist file's text, as `apply` will write it.
fn render(
    draft: &Draft<'_>,
    playlist: &DesiredPlaylist,
    at: &MediaPath,
    lines: &[(MediaPath, TrackId)],
) -> String {
    let entries = lines
        .iter()
        .filter_map(|(path, track)| Some((&draft.input.desired.tracks.get(track)?.track, path)));
    m3u8::render(&playlist.name, at, entries, &draft.input.observation.roots)
}

/// Hard links or copies of shared tracks in this playlist's folder.
fn plan_copies(draft: &mut Draft<'_>, playlist: &DesiredPlaylist) {
    let form = draft.input.policy.library.sharing;
    if form == LinkForm::M3u8 {
        return;
    }
    let observation = draft.input.observation;
    let wanted: BTreeSet<&TrackId> = count(&playlist.entries)
        .into_keys()
        .filter_map(|track| draft.input.desired.tracks.get_key_value(&track))
        .filter(|(_, want)| want.home != playlist.id)
        .map(|(track, _)| track)
        .collect();
    let copies: Vec<&FileRow> = observation
        .state
        .files
        .values()
        .filter(|file| file.role == FileRole::Copy && file.playlist.as_ref() == Some(&playlist.id))
        .collect();
    for track in &wanted {
        let there = copies.iter().any(|row| {
            row.track.as_ref() == Some(track)
                && row.path.parent().as_ref() == Some(&playlist.folder)
                && draft.index.file(&row.path).is_some()
        });
        if !there {
            add_copy(draft, playlist, track, form);
        }
    }
    for row in copies {
        let stays = row
            .track
            .as_ref()
            .is_some_and(|track| wanted.contains(track))
            && row.path.parent().as_ref() == Some(&playlist.folder);
        if !stays {
            trash_copy(draft, playlist, row);
        }
    }
}

fn add_copy(draft: &mut Draft<'_>, playlist: &DesiredPlaylist, track: &TrackId, form: LinkForm) {
    let Some(planned) = draft.tracks.get(track).cloned() else {
        return;
    };
    let (path, pre) = match &planned.file {
        FilePlan::None => return,
        FilePlan::At(path) => {
            let path = playlist.folder.join(&path.file_name());
            (path.clone(), Precondition::Vacant { path })
        }
        FilePlan::Fetched(stem) => {
            let stem = playlist.folder.join(&stem.file_name());
            (stem.clone(), Precondition::VacantStem { stem })
        }
    };
    let Some(want) = draft.input.desired.tracks.get(track) else {
        return;
    };
    let after = Link {
        form,
        path: path.clone(),
        playlist: playlist.id.clone(),
        of: Some(track.clone()),
    };
    let about = Subject {
        track: Some(track.clone()),
        label: want.track.label(),
    };
    let action = act(
        Class::Additive,
        Effect::FileLink {
            before: None,
            after,
        },
        about,
    )
    .under(&playlist.id)
    .provided([pre])
    .because(
        "library.sharing",
        "a further playlist of the track gets its own name for it",
    )
    .after(planned.file_action);
    if draft.index.file(&path).is_some() {
        let text = format!("{path} is in the way");
        draft.hold(
            &action,
            Hold {
                gate: "occupied",
                text,
                ..Hold::default()
            },
        );
    } else {
        draft.push(action);
    }
}

fn trash_copy(draft: &mut Draft<'_>, playlist: &DesiredPlaylist, row: &FileRow) {
    let Some(file) = draft.index.file(&row.path) else {
        return;
    };
    let Some(sha256) = file.hash else {
        draft.unhashed.insert(file.path.clone());
        return;
    };
    let before = Trashed {
        path: file.path.clone(),
        size: file.stat.size,
        sha256,
    };
    let about = Subject {
        track: row.track.clone(),
        label: file.path.to_string(),
    };
    let action = act(Class::Destructive, Effect::FileTrash { before }, about)
        .under(&playlist.id)
        .provided([precondition(file)])
        .because(
            "library.sharing",
            "a copy of ours that no playlist needs any more",
        );
    draft.push(action);
}

/// What the state shall remember of a playlist.
pub(super) fn recorded(playlist: &PlaylistId, entries: &[TrackId]) -> Recorded {
    Recorded {
        playlist: playlist.clone(),
        count: entries.len(),
        sha256: canonical::entries_hash(entries.iter().map(TrackId::as_str)),
    }
}

fn plan_record(draft: &mut Draft<'_>, playlist: &DesiredPlaylist) {
    let row = draft.input.observation.state.playlists.get(&playlist.id);
    let live = row.filter(|row| row.deleted_at.is_none());
    let old = old_entries(live);
    let same = live.is_some_and(|row| {
        row.name == playlist.name
            && row.description == playlist.description
            && row.folder.as_ref() == Some(&playlist.folder)
            && old == playlist.entries
    });
    // Metadata that changed is remembered with its playlist.
    let stale = draft.input.changes.iter().any(|change| {
        change.kind == crate::domain::ChangeKind::TrackMetadataChanged
            && change.playlist == playlist.id
    });
    if same && !stale {
        return;
    }
    let class = match class_of(&old, &playlist.entries) {
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
