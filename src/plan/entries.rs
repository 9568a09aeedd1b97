//! The entries of each playlist's list in Rekordbox: TIDAL's, and what the DJ put there by hand.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    desired::DesiredPlaylist,
    domain::{ActionId, Class, ContentId, NodeId, TrackId, collection::merged},
    plan::{
        canonical,
        contents::write_hold,
        document::{Effect, Entries, Precondition},
        draft::{ContentPlan, Draft, act},
        drift, duplicates,
        playlists::{class_of, same_entries, subject},
    },
    policy::Order,
};

/// An entry of the Rekordbox list as it shall be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    Row(ContentId),
    /// A row that this plan adds, by its track.
    Added(TrackId),
}

pub(super) fn plan_entries(
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
    let unprovoked = node.is_some()
        && same_entries(state_row, &playlist.entries)
        && left_behind(draft, playlist).next().is_none();
    let (rule, text) = match unprovoked {
        true if merges => (
            "duplicates",
            "the row with the most work stands for each recording".to_owned(),
        ),
        true => (drift::DRIFT, set_back(&now, &goal, djs)),
        false => ("tidal.playlists", "its entries follow TIDAL's".to_owned()),
    };
    let class = match (node, state_row) {
        (Some(_), Some(row)) => {
            class_of(Some(row), &playlist.entries).max(drift_class(&merged, &goal, djs))
        }
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
    let in_now: BTreeSet<&Entry> = now.iter().collect();
    let in_goal: BTreeSet<&Entry> = goal.iter().collect();
    let gone = goal.iter().filter(|entry| !in_now.contains(entry)).count();
    let stayed = goal.iter().filter(|entry| in_now.contains(entry));
    let reordered = !djs_order
        && !now
            .iter()
            .filter(|entry| in_goal.contains(entry))
            .eq(stayed);
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
    let recorded = recorded.unwrap_or_default().iter();
    let ours: BTreeSet<&ContentId> = recorded
        .map(|entry| &entry.track)
        .chain(left_behind(draft, playlist))
        .filter_map(|track| {
            let file = state.tracks.get(track)?.file.as_ref();
            let content = draft.index.content_of(track, file)?;
            Some([content, draft.row(content)])
        })
        .flatten()
        .chain(desired.iter().filter_map(|entry| match entry {
            Entry::Row(content) => Some(content),
            Entry::Added(_) => None,
        }))
        .flat_map(|content| [Some(content), draft.stood_for.get(content)])
        .flatten()
        .collect();
    let added: Vec<ContentId> = current
        .iter()
        .filter(|content| !ours.contains(draft.row(content)) && !ours.contains(content))
        .cloned()
        .collect();
    merged(&added, &draft.stands_for)
}

/// What another machine took out of the playlist and this one's list still has.
fn left_behind<'a>(
    draft: &Draft<'a>,
    playlist: &DesiredPlaylist,
) -> impl Iterator<Item = &'a TrackId> + use<'a> {
    let left = &draft.input.observation.state.left_behind;
    left.get(&playlist.id).into_iter().flatten()
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
