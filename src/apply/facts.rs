//! What an undo must know of the world before it can be planned.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ApplyError,
    select::reversed_by,
    verify::{by_execution, staged_rows},
};
use crate::{
    domain::{ActionId, ApplyId, MediaPath},
    edge::{
        local::LocalReader,
        rekordbox::{Probe, RekordboxReader, RowEdits},
        store::{ApplyStatus, OperationStatus, StateReader},
    },
    record::{
        Intent, Outcome, PostImage, PreImage, image,
        names::standing,
        rows::{RowKey, compose, key},
        undo::{FileNow, UndoFacts},
    },
};

/// Looks at everything that the run touched.
///
/// # Errors
/// When a world cannot be read.
pub async fn undo_facts<L: LocalReader, R: RekordboxReader, S: StateReader>(
    apply: ApplyId,
    local: &L,
    rekordbox: Option<&R>,
    store: &S,
) -> Result<UndoFacts, ApplyError> {
    let mut operations = store.operations(apply).await?;
    by_execution(&mut operations);
    let mut facts = UndoFacts {
        state: store.state().await?,
        taken_back: taken_back(apply, store).await?,
        ..UndoFacts::default()
    };
    let mut rows = Vec::new();
    for operation in &operations {
        if operation.status != OperationStatus::Completed {
            // A file that could not be moved may have both names.
            let pre: Option<PreImage> = image::from_value(operation.pre_image.as_ref());
            if let Some(Intent::Place { from, to, .. }) = pre.map(|pre| pre.intent) {
                names(local, [&from, &to], &mut facts.files)?;
            }
            continue;
        }
        if let Some(post) = image::from_value::<PostImage>(operation.post_image.as_ref()) {
            look(local, &post.outcome, &mut facts.files)?;
        }
        rows.extend(staged_rows(operation));
    }
    if let (Some(rekordbox), false) = (rekordbox, rows.is_empty()) {
        facts.changed_rows = changed_rows(rekordbox, standing(compose(&rows))).await?;
        facts.collection = Some(rekordbox.read().await?.value);
    }
    Ok(facts)
}

/// The actions that earlier undos took back, of the whole or in part, and that no later run brought back.
async fn taken_back<S: StateReader>(
    apply: ApplyId,
    store: &S,
) -> Result<BTreeSet<ActionId>, ApplyError> {
    let mut taken = BTreeSet::new();
    for row in store.applies().await? {
        let may = row.mode == "undo" && row.undoes.is_none_or(|of| of == apply);
        if !may || row.status == ApplyStatus::Undone {
            continue;
        }
        let plan = super::recorded_plan(row.id, store).await?;
        let done: BTreeSet<ActionId> = store
            .operations(row.id)
            .await?
            .into_iter()
            .filter(|operation| operation.status == OperationStatus::Completed)
            .map(|operation| operation.action_id)
            .collect();
        for action in plan
            .body
            .actions
            .iter()
            .filter(|one| done.contains(&one.id))
        {
            taken.extend(
                reversed_by(action)
                    .filter(|of| of.apply == apply)
                    .map(|of| of.action),
            );
        }
    }
    Ok(taken)
}

fn look(
    local: &impl LocalReader,
    outcome: &Outcome,
    files: &mut BTreeMap<MediaPath, FileNow>,
) -> Result<(), ApplyError> {
    let paths: Vec<&MediaPath> = match outcome {
        Outcome::File(made) => {
            let replaced = made.replaced.as_ref().map(|(_, trash_path)| trash_path);
            std::iter::once(&made.file.path).chain(replaced).collect()
        }
        Outcome::Trashed { was, trash_path } => vec![&was.path, trash_path],
        Outcome::Placed { from, to, .. } => {
            names(local, [from, to], files)?;
            Vec::new()
        }
        Outcome::Waiting { .. }
        | Outcome::Rows
        | Outcome::TidalRemoved(_)
        | Outcome::TidalRestored { .. }
        | Outcome::Nothing => Vec::new(),
    };
    for path in paths {
        if let Some(stat) = local.stat(path)? {
            let now = FileNow {
                size: stat.size,
                mtime: stat.mtime,
                sha256: Some(local.hash(path)?),
            };
            files.insert(path.clone(), now);
        }
    }
    Ok(())
}

/// Where a moved file was and where it is now; its content is not looked at.
fn names(
    local: &impl LocalReader,
    paths: [&MediaPath; 2],
    files: &mut BTreeMap<MediaPath, FileNow>,
) -> Result<(), ApplyError> {
    for path in paths {
        if let Some(stat) = local.stat(path)? {
            let now = FileNow {
                size: stat.size,
                mtime: stat.mtime,
                sha256: None,
            };
            files.entry(path.clone()).or_insert(now);
        }
    }
    Ok(())
}

/// The rows that are not as the run left them, found by halves: they are few, if any.
async fn changed_rows(
    rekordbox: &impl RekordboxReader,
    rows: RowEdits,
) -> Result<BTreeSet<RowKey>, ApplyError> {
    let mut changed = BTreeSet::new();
    let mut parts = vec![rows];
    while let Some(part) = parts.pop() {
        if part.0.is_empty() || rekordbox.probe(&part).await? == Probe::After {
            continue;
        }
        if let [row] = part.0.as_slice() {
            changed.insert(key(row));
            continue;
        }
        let (first, second) = part.0.split_at(part.0.len() / 2);
        parts.push(RowEdits(first.to_vec()));
        parts.push(RowEdits(second.to_vec()));
    }
    Ok(changed)
}
