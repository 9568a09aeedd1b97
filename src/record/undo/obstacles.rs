//! What cannot be taken back, and why: changed since, built on, or bound to what stays.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    FileNow, UndoFacts,
    steps::{Files, Found, Step, is_file},
};
use crate::{
    domain::{Collection, ContentId, EntryId, MediaPath, MyTagId, NodeId, State, state::ObjectKey},
    record::{Made, Outcome, PreImage, image::Replaced, rows::RowKey, state::reversal},
};

/// Marks the steps that cannot be taken back, until nothing more follows from them.
///
/// The steps are taken back one after the other, so each is held to the files and rows as those before
/// it will have left them: a playlist file that was moved and then rewritten is moved back after its
/// old text is there again.
pub(super) fn find_obstacles(steps: &mut [Step<'_>], facts: &UndoFacts) {
    let built_on = BuiltOn::new(steps, facts);
    for step in steps.iter_mut().filter(|step| !step.left) {
        step.obstacle = built_on.obstacle(step);
    }
    loop {
        let mut found = Vec::new();
        let mut held_rows = BTreeSet::new();
        let mut held_uses = BTreeSet::new();
        let mut state = facts.state.clone();
        let mut files = facts.files.clone();
        for at in 0..steps.len() {
            let step = &steps[at];
            if step.obstacle.is_some() || step.left {
                held_rows.extend(step.row_keys());
                held_uses.extend(step.uses());
                continue;
            }
            let changes = reversal(&step.post.rows, &state, &BTreeMap::new());
            let obstacle = own_obstacle(step, &files, &facts.changed_rows)
                .or_else(|| bound(steps, step))
                .or_else(|| rewritten(step, &held_rows))
                .or_else(|| used(step, &held_uses))
                .or_else(|| changes.as_ref().err().map(ToString::to_string));
            if let Some(obstacle) = obstacle {
                found.push((at, obstacle));
                continue;
            }
            if let Ok(changes) = changes {
                state.apply(&changes);
            }
            steps[at].found = take_back(&steps[at].pre, &steps[at].post.outcome, &mut files);
        }
        if found.is_empty() {
            return;
        }
        for (at, obstacle) in found {
            steps[at].obstacle = Some(obstacle);
        }
    }
}

/// What stays and holds the step with it.
pub(super) fn bound(steps: &[Step<'_>], step: &Step<'_>) -> Option<String> {
    let mut bound = step
        .dependents
        .iter()
        .chain(&step.followers)
        .chain(&step.follows);
    let held = bound.find(|other| steps[**other].obstacle.is_some() || steps[**other].left)?;
    let label = &steps[*held].operation.label;
    Some(format!("it belongs to what stays: {label}"))
}

pub(super) fn rewritten(step: &Step<'_>, held_rows: &BTreeSet<RowKey>) -> Option<String> {
    let mut keys = step.row_keys();
    let text = "its rows were changed again by what stays";
    keys.any(|key| held_rows.contains(&key))
        .then(|| text.to_owned())
}

/// A track, list or tag that the step made, and that rows which stay refer to.
pub(super) fn used(step: &Step<'_>, held_uses: &BTreeSet<RowKey>) -> Option<String> {
    let made = ["djmdContent", "djmdPlaylist", "djmdMyTag"]
        .into_iter()
        .flat_map(|table| step.inserted(table).map(move |id| (table, id)));
    let mut made = made.map(|(table, id)| (table.to_owned(), id.to_owned()));
    made.any(|key| held_uses.contains(&key))
        .then(|| "what stays in Rekordbox uses it".to_owned())
}

/// Takes a step back in the picture of the files, and tells what was there for it.
pub(super) fn take_back(pre: &PreImage, outcome: &Outcome, files: &mut Files) -> Found {
    let back = |was: &Replaced| FileNow {
        size: was.size,
        mtime: was.mtime,
        sha256: Some(was.sha256),
    };
    let mut found = Found::default();
    match outcome {
        Outcome::File(made) if pre.left_in_place(made) => {}
        Outcome::File(made) => {
            found.made = files.remove(&made.file.path).is_some();
            if let Some((was, trash_path)) = &made.replaced {
                found.replaced = files.remove(trash_path).is_some();
                if found.replaced {
                    files.insert(was.path.clone(), back(was));
                }
            }
        }
        Outcome::Placed { from, to, .. } => {
            found.old_name = files.contains_key(from);
            if let Some(file) = files.remove(to) {
                files.insert(from.clone(), file);
            }
        }
        Outcome::Trashed { was, trash_path } => {
            files.remove(trash_path);
            // Where something else is by now, it will be restored beside.
            files.entry(was.path.clone()).or_insert_with(|| back(was));
        }
        Outcome::Waiting { .. }
        | Outcome::Rows
        | Outcome::TidalRemoved(_)
        | Outcome::TidalRestored { .. }
        | Outcome::Nothing => {}
    }
    found
}

pub(super) fn own_obstacle(
    step: &Step<'_>,
    files: &Files,
    changed_rows: &BTreeSet<RowKey>,
) -> Option<String> {
    let changed = |path: &MediaPath| Some(format!("{path} changed since"));
    match &step.post.outcome {
        Outcome::File(Made { file, .. }) => match files.get(&file.path) {
            Some(now) if !now.is(file) => changed(&file.path),
            _ => None,
        },
        Outcome::Placed {
            from,
            to,
            size,
            mtime,
        } => match files.get(to) {
            Some(_) if is_file(files, to, *size, *mtime) => {
                let taken = files.contains_key(from);
                let other = taken && !is_file(files, from, *size, *mtime);
                other.then(|| format!("something else is at {from} now"))
            }
            Some(_) => changed(to),
            None => Some(format!("{to} is gone")),
        },
        Outcome::Trashed { was, trash_path } => match files.get(trash_path) {
            Some(now) if now.sha256 == Some(was.sha256) => None,
            Some(_) => changed(trash_path),
            None => Some(format!("{} is no longer in the trash", was.path)),
        },
        Outcome::Rows => step
            .row_keys()
            .any(|key| changed_rows.contains(&key))
            .then(|| "it was changed in Rekordbox since".to_owned()),
        // What TIDAL has now is asked when it is its turn.
        Outcome::Waiting { .. }
        | Outcome::TidalRemoved(_)
        | Outcome::TidalRestored { .. }
        | Outcome::Nothing => None,
    }
}

/// What the DJ has since built on rows that the run made.
pub(super) struct BuiltOn<'a> {
    pub(super) collection: Option<&'a Collection>,
    pub(super) state: &'a State,
    pub(super) entries: BTreeSet<EntryId>,
    /// Nodes that the run made, or put where they are.
    pub(super) nodes: BTreeSet<String>,
}

impl<'a> BuiltOn<'a> {
    pub(super) fn new(steps: &[Step<'_>], facts: &'a UndoFacts) -> Self {
        let entries = steps
            .iter()
            .flat_map(|step| step.inserted("djmdSongPlaylist"));
        Self {
            collection: facts.collection.as_ref(),
            state: &facts.state,
            entries: entries.map(EntryId::new).collect(),
            nodes: steps.iter().flat_map(Step::placed_nodes).collect(),
        }
    }

    pub(super) fn obstacle(&self, step: &Step<'_>) -> Option<String> {
        let staged = step.staged()?;
        let content = staged.content.as_ref();
        let content =
            content.filter(|id| step.inserted("djmdContent").any(|row| row == id.as_str()));
        let node = staged.node.as_ref();
        let node = node.filter(|id| step.inserted("djmdPlaylist").any(|row| row == id.as_str()));
        let tag = staged.tag.as_ref();
        let tag = tag.filter(|id| step.inserted("djmdMyTag").any(|row| row == id.as_str()));
        content
            .and_then(|id| self.on_content(id))
            .or_else(|| node.and_then(|id| self.on_node(id)))
            .or_else(|| tag.and_then(|id| self.on_tag(id)))
    }

    pub(super) fn on_content(&self, id: &ContentId) -> Option<String> {
        let collection = self.collection?;
        let row = collection.contents.get(id)?;
        let cues = row.hot_cues + row.memory_cues;
        if cues > 0 || row.rating > 0 || row.play_count > 0 {
            return Some(format!(
                "{cues} cues, rating {}, {} plays in Rekordbox",
                row.rating, row.play_count
            ));
        }
        if row.my_tags.iter().any(|tag| !self.is_our_link(tag, id)) {
            return Some("it has MyTags of your own".to_owned());
        }
        let mut nodes = collection.nodes.values();
        let holder = nodes.find(|node| {
            let mut entries = node.entries.iter();
            entries.any(|entry| entry.content == *id && !self.entries.contains(&entry.id))
        });
        holder.map(|node| format!("it is also in the playlist {}", node.name))
    }

    pub(super) fn is_our_link(&self, tag: &MyTagId, content: &ContentId) -> bool {
        let Some((group, name)) = self.tag_name(tag) else {
            return false;
        };
        let key = ObjectKey::TagLink(group, name, content.clone());
        self.state.object(&key).is_some()
    }

    pub(super) fn tag_name(&self, id: &MyTagId) -> Option<(String, String)> {
        let tags = &self.collection?.my_tags;
        let tag = tags.get(id)?;
        let group = tags.get(tag.group.as_ref()?)?;
        Some((group.name.clone(), tag.name.clone()))
    }

    pub(super) fn on_node(&self, id: &NodeId) -> Option<String> {
        let collection = self.collection?;
        let node = collection.nodes.get(id)?;
        if node
            .entries
            .iter()
            .any(|entry| !self.entries.contains(&entry.id))
        {
            return Some(format!("you added tracks to {} in Rekordbox", node.name));
        }
        let mut nodes = collection.nodes.values();
        let child = nodes.find(|child| {
            child.parent.as_ref() == Some(id) && !self.nodes.contains(child.id.as_str())
        });
        child.map(|child| format!("{} is in it now", child.name))
    }

    pub(super) fn on_tag(&self, id: &MyTagId) -> Option<String> {
        let collection = self.collection?;
        let mut tagged = collection
            .contents
            .iter()
            .filter(|(_, row)| row.my_tags.contains(id));
        let by_hand = tagged.any(|(content, _)| !self.is_our_link(id, content));
        by_hand.then(|| "you use the tag in Rekordbox".to_owned())
    }
}
