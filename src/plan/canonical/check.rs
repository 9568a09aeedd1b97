//! What a well-formed plan must keep besides its types: version, ids, order and paths.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{MAX_ACTIONS, PlanError};
use crate::{
    domain::MediaPath,
    plan::document::{Action, Effect, Forgotten, KIND, Plan, Precondition},
};

/// Kind and version come before anything else, so that another document gets a clear answer.
pub(super) fn head(text: &str) -> Result<(), PlanError> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        kind: String,
        #[serde(default)]
        format_version: String,
    }
    let head: Head = serde_json::from_str(text)
        .map_err(|_| PlanError::OtherKind("something else than a plan".to_owned()))?;
    if head.kind != KIND {
        return Err(PlanError::OtherKind(head.kind));
    }
    let mut parts = head.format_version.split('.');
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let ours = parts.next() == Some("1") && parts.next().is_some_and(is_number);
    if !ours || parts.next().is_some() {
        return Err(PlanError::OtherVersion {
            found: head.format_version,
        });
    }
    Ok(())
}

/// Ids that name one thing, dependencies without a cycle, paths inside the library.
pub(super) fn plan(plan: &Plan) -> Result<(), PlanError> {
    let body = &plan.body;
    let options = || {
        let decisions = body.decisions.iter();
        decisions.flat_map(|decision| &decision.options)
    };
    let all = || {
        let chosen = options().flat_map(|option| &option.actions);
        body.actions.iter().chain(chosen)
    };
    if all().count() > MAX_ACTIONS {
        return Err(PlanError::TooManyActions);
    }
    let mut ids = BTreeSet::new();
    for action in &body.actions {
        if !ids.insert(action.id.as_str()) {
            return Err(inconsistent(format!(
                "two actions have the id {}",
                action.id
            )));
        }
    }
    known_ids(plan, &all().map(|action| action.id.as_str()).collect())?;
    acyclic(all())?;
    let playlists = body.playlists.values().map(|playlist| &playlist.folder);
    let candidates = options().filter_map(|option| option.path.as_ref());
    playlists.chain(candidates).try_for_each(readable)?;
    all().try_for_each(paths)
}

fn known_ids(plan: &Plan, actions: &BTreeSet<&str>) -> Result<(), PlanError> {
    let body = &plan.body;
    let held: BTreeSet<_> = body.held.iter().map(|held| held.id.as_str()).collect();
    for change in &body.changes {
        let mut ids = change.actions.iter().map(|id| id.as_str());
        if let Some(id) = ids.find(|id| !actions.contains(id) && !held.contains(id)) {
            return Err(inconsistent(format!("change {} names {id}", change.id)));
        }
    }
    let mut decisions = BTreeSet::new();
    for decision in &body.decisions {
        let mut keys = BTreeSet::new();
        let unique = decision.options.iter().all(|o| keys.insert(o.key.as_str()));
        if !unique || !decisions.insert(decision.id.as_str()) {
            return Err(inconsistent(format!("decision {} twice", decision.id)));
        }
    }
    Ok(())
}

/// Every dependency exists, and they can be put in an order.
fn acyclic<'a>(actions: impl Iterator<Item = &'a Action>) -> Result<(), PlanError> {
    let mut waits: BTreeMap<&str, &[_]> = BTreeMap::new();
    for action in actions {
        waits.insert(action.id.as_str(), &action.depends_on);
    }
    let mut blocks: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for (id, needed) in &waits {
        let needed: BTreeSet<_> = needed.iter().map(|n| n.as_str()).collect();
        open.insert(id, needed.len());
        for need in needed {
            if !waits.contains_key(need) {
                return Err(inconsistent(format!("{id} depends on {need}")));
            }
            blocks.entry(need).or_default().push(id);
        }
    }
    let mut ready: Vec<&str> = open
        .iter()
        .filter(|(_, n)| **n == 0)
        .map(|(i, _)| *i)
        .collect();
    let mut done = 0;
    while let Some(id) = ready.pop() {
        done += 1;
        for blocked in blocks.get(id).into_iter().flatten() {
            if let Some(count) = open.get_mut(blocked) {
                *count -= 1;
                if *count == 0 {
                    ready.push(blocked);
                }
            }
        }
    }
    if done < waits.len() {
        return Err(inconsistent(
            "actions depend on each other in a circle".to_owned(),
        ));
    }
    Ok(())
}

fn inconsistent(what: String) -> PlanError {
    PlanError::Inconsistent(what)
}

fn paths(action: &Action) -> Result<(), PlanError> {
    match &action.effect {
        Effect::FileFetch { after } => {
            writable(&after.stem)?;
            after
                .instead_of
                .iter()
                .try_for_each(|old| readable(&old.path))?;
        }
        Effect::FileConvert { after } => {
            writable(&after.path)?;
            after
                .instead_of
                .iter()
                .try_for_each(|old| readable(&old.path))?;
        }
        Effect::FilePlace { before, after } => {
            writable(&before.path)?;
            writable(&after.path)?;
        }
        Effect::FileLink { after, .. } => writable(&after.path)?,
        Effect::FileTrash { before } => writable(&before.path)?,
        Effect::TrashPurge { before } => in_trash(&before.trash_path)?,
        Effect::FileRestore { before, after } => {
            in_trash(&before.trash_path)?;
            writable(&after.path)?;
        }
        Effect::ContentAdd { after } => after.path.iter().try_for_each(readable)?,
        Effect::ContentRelocate { before, after } => {
            readable(&before.path)?;
            readable(&after.path)?;
        }
        Effect::StateAdopt { after } => readable(&after.path)?,
        Effect::StateForget { before } => match before {
            Forgotten::File(path) => readable(path)?,
            Forgotten::Playlist(_) => {}
        },
        Effect::ContentUpdate { .. }
        | Effect::NodeCreate { .. }
        | Effect::NodeUpdate { .. }
        | Effect::NodeRemove { .. }
        | Effect::EntriesSet { .. }
        | Effect::EntriesMerge { .. }
        | Effect::MyTagCreate { .. }
        | Effect::MyTagSet { .. }
        | Effect::RowsRestore { .. }
        | Effect::StateRecord { .. }
        | Effect::StateMove { .. }
        | Effect::StateRestore { .. }
        | Effect::TidalEntryRemove { .. }
        | Effect::TidalEntryRestore { .. } => {}
    }
    for pre in &action.pre {
        match pre {
            Precondition::File { path, .. }
            | Precondition::Vacant { path }
            | Precondition::VacantStem { stem: path, .. }
            | Precondition::Content { path, .. }
            | Precondition::NoContent { path } => readable(path)?,
            Precondition::DesiredAbsent { .. }
            | Precondition::PlaylistAbsent { .. }
            | Precondition::ContentFields { .. }
            | Precondition::Node { .. }
            | Precondition::Entries { .. }
            | Precondition::TidalList { .. }
            | Precondition::AsLeft { .. } => {}
        }
    }
    Ok(())
}

fn readable(path: &MediaPath) -> Result<(), PlanError> {
    require(path.is_safe(), path)
}

/// In the library itself, and not among the program's own files.
fn writable(path: &MediaPath) -> Result<(), PlanError> {
    let first = path.relative();
    let first = first.components().next();
    // Volumes that ignore case would find our folder under other spellings as well.
    let own = first.is_some_and(|part| part.as_os_str().eq_ignore_ascii_case(".tidal-cleanup"));
    require(path.is_safe() && path.is_in_library() && !own, path)
}

fn in_trash(path: &MediaPath) -> Result<(), PlanError> {
    let trash = path.relative().starts_with(".tidal-cleanup/trash");
    require(path.is_safe() && path.is_in_library() && trash, path)
}

fn require(holds: bool, path: &MediaPath) -> Result<(), PlanError> {
    if holds {
        Ok(())
    } else {
        Err(PlanError::UnsafePath(path.to_string()))
    }
}
