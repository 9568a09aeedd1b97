//! The operations of a run as steps to take back, the newest first, and what hangs on what.

use std::collections::{BTreeMap, BTreeSet};

use super::{FileNow, UndoFacts};
use crate::{
    domain::{ActionId, MediaPath},
    edge::{
        rekordbox::Staged,
        store::{OperationRow, OperationStatus},
    },
    plan::document::{Action, Effect, LinkForm, Plan},
    record::{
        Intent, Outcome, PostImage, PreImage, image,
        rows::{RowKey, key},
        state::keys,
    },
};

/// A completed operation, newest first.
pub(super) struct Step<'a> {
    pub(super) operation: &'a OperationRow,
    pub(super) action: Option<&'a Action>,
    pub(super) pre: PreImage,
    pub(super) post: PostImage,
    /// Steps that depend on this one; they were done later.
    pub(super) dependents: Vec<usize>,
    /// Of a moved file: the rows that follow it. They are taken back while it has both names.
    pub(super) followers: Vec<usize>,
    /// Of such a row: the moved file.
    pub(super) follows: Vec<usize>,
    /// Of what an undo recorded: that which it had taken back with it.
    pub(super) records: Vec<usize>,
    pub(super) found: Found,
    pub(super) obstacle: Option<String>,
    /// It is not asked for, and stays.
    pub(super) left: bool,
}

/// What is there when it is the step's turn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    /// The file that the step made.
    pub(super) made: bool,
    /// What it replaced, in the trash.
    pub(super) replaced: bool,
    /// The moved file under its old name as well.
    pub(super) old_name: bool,
}

impl Step<'_> {
    pub(super) fn staged(&self) -> Option<&Staged> {
        match &self.pre.intent {
            Intent::Rows(staged) => Some(staged),
            _ => None,
        }
    }

    pub(super) fn row_keys(&self) -> impl Iterator<Item = RowKey> {
        let staged = self.staged();
        staged
            .into_iter()
            .flat_map(|staged| staged.rows.0.iter().map(key))
    }

    /// The playlists and folders that the step made or moved: undo takes them away again.
    pub(super) fn placed_nodes(&self) -> impl Iterator<Item = String> {
        let rows = self.staged().into_iter().flat_map(|staged| &staged.rows.0);
        rows.filter(|row| row.table == "djmdPlaylist")
            .filter(|row| {
                let moved = |image: &serde_json::Map<_, _>| image.contains_key("ParentID");
                row.before.as_ref().is_none_or(moved)
            })
            .map(|row| row.id.clone())
    }

    /// What the rows that the step left refer to, by table: tracks, lists and folders, MyTags.
    pub(super) fn uses(&self) -> impl Iterator<Item = RowKey> {
        const BY: [(&str, &str); 4] = [
            ("ContentID", "djmdContent"),
            ("PlaylistID", "djmdPlaylist"),
            ("ParentID", "djmdPlaylist"),
            ("MyTagID", "djmdMyTag"),
        ];
        let rows = self.staged().into_iter().flat_map(|staged| &staged.rows.0);
        let left = rows.filter_map(|row| row.after.as_ref());
        left.flat_map(|row| {
            BY.into_iter().filter_map(|(column, table)| {
                let id = row.get(column)?.as_str()?;
                Some((table.to_owned(), id.to_owned()))
            })
        })
    }

    /// The ids that the step inserted into a table.
    pub(super) fn inserted(&self, table: &'static str) -> impl Iterator<Item = &str> {
        let rows = self.staged().into_iter().flat_map(|staged| &staged.rows.0);
        rows.filter(move |row| row.table == table && row.before.is_none())
            .map(|row| row.id.as_str())
    }
}

pub(super) fn steps<'a>(
    applied: &'a Plan,
    operations: &'a [OperationRow],
    facts: &UndoFacts,
) -> Vec<Step<'a>> {
    let options = applied
        .body
        .decisions
        .iter()
        .flat_map(|decision| &decision.options);
    let chosen = options.flat_map(|option| &option.actions);
    let actions: BTreeMap<&ActionId, &Action> = chosen
        .chain(&applied.body.actions)
        .map(|action| (&action.id, action))
        .collect();
    let mut done: Vec<&OperationRow> = operations
        .iter()
        .filter(|operation| !facts.taken_back.contains(&operation.action_id))
        .collect();
    done.sort_by_key(|operation| std::cmp::Reverse((operation.completed_at, operation.seq)));
    let mut steps: Vec<Step<'_>> = done
        .into_iter()
        .filter_map(|operation| {
            let pre: PreImage = image::from_value(operation.pre_image.as_ref())?;
            let post = match operation.status {
                OperationStatus::Completed => image::from_value(operation.post_image.as_ref())?,
                _ => half_placed(&pre, facts)?,
            };
            Some(Step {
                action: actions.get(&operation.action_id).copied(),
                pre,
                post,
                operation,
                dependents: Vec::new(),
                followers: Vec::new(),
                follows: Vec::new(),
                records: Vec::new(),
                found: Found::default(),
                obstacle: None,
                left: false,
            })
        })
        .collect();
    connect(&mut steps);
    steps
}

/// A file that could not lose its old name after it got the new one: taking that back is all the same.
pub(super) fn half_placed(pre: &PreImage, facts: &UndoFacts) -> Option<PostImage> {
    let Intent::Place { from, to, stat } = &pre.intent else {
        return None;
    };
    let (size, mtime) = (stat.size, stat.mtime);
    let there = |path| is_file(&facts.files, path, size, mtime);
    (there(from) && there(to)).then(|| PostImage {
        outcome: Outcome::Placed {
            from: from.clone(),
            to: to.clone(),
            size,
            mtime,
        },
        rows: Vec::new(),
        outdated: false,
    })
}

pub(super) type Files = BTreeMap<MediaPath, FileNow>;

pub(super) fn is_file(files: &Files, path: &MediaPath, size: u64, mtime: (i64, u32)) -> bool {
    let found = files.get(path);
    found.is_some_and(|file| file.size == size && file.mtime == mtime)
}

pub(super) fn connect(steps: &mut [Step<'_>]) {
    let at: BTreeMap<ActionId, usize> = steps
        .iter()
        .enumerate()
        .map(|(at, step)| (step.operation.action_id.clone(), at))
        .collect();
    for later in 0..steps.len() {
        let needs = steps[later].action.map(|action| action.depends_on.clone());
        for need in needs.unwrap_or_default() {
            let Some(earlier) = at.get(&need).copied() else {
                continue;
            };
            // A playlist file waits for its tracks, but nothing of theirs hangs on it; its own move
            // does.
            let playlist_file = steps[later]
                .action
                .and_then(|action| playlist_file(&action.effect));
            let own_move = matches!(
                &steps[earlier].post.outcome,
                Outcome::Placed { to, .. } if Some(to) == playlist_file
            );
            if playlist_file.is_some() && !own_move {
                continue;
            }
            let placed = matches!(steps[earlier].post.outcome, Outcome::Placed { .. });
            let rows = matches!(steps[later].post.outcome, Outcome::Rows);
            if placed && rows {
                steps[earlier].followers.push(later);
                steps[later].follows.push(earlier);
            } else {
                steps[earlier].dependents.push(later);
            }
            let is_record = |action: &Action| matches!(action.effect, Effect::StateRestore { .. });
            if steps[later].action.is_some_and(is_record) {
                steps[later].records.push(earlier);
            }
        }
    }
}

/// The playlist file that it writes.
pub(super) fn playlist_file(effect: &Effect) -> Option<&MediaPath> {
    match effect {
        Effect::FileLink { after, .. } if after.form == LinkForm::M3u8 => Some(&after.path),
        _ => None,
    }
}

/// Leaves every step but those of the actions `only`, and of those that cannot stay without them.
pub(super) fn leave_all_but(steps: &mut [Step<'_>], only: &BTreeSet<ActionId>) {
    let mut goes: BTreeSet<usize> = (0..steps.len())
        .filter(|at| only.contains(&steps[*at].operation.action_id))
        .collect();
    loop {
        let known = goes.len();
        for at in goes.clone() {
            let step = &steps[at];
            let bound = step.dependents.iter().chain(&step.followers);
            goes.extend(bound.chain(&step.follows));
            // The newest step comes first: those before it were done later.
            let later = (0..at).filter(|later| builds_on(&steps[*later], step));
            goes.extend(later);
        }
        if goes.len() == known {
            break;
        }
    }
    for (at, step) in steps.iter_mut().enumerate() {
        step.left = !goes.contains(&at);
    }
}

/// Whether `later` changed, or refers to, what `step` left behind.
fn builds_on(later: &Step<'_>, step: &Step<'_>) -> bool {
    let states: BTreeSet<_> = keys(&step.post.rows).collect();
    if keys(&later.post.rows).any(|key| states.contains(&key)) {
        return true;
    }
    let rows: BTreeSet<RowKey> = step.row_keys().collect();
    if later.row_keys().any(|key| rows.contains(&key)) {
        return true;
    }
    let made: BTreeSet<RowKey> = ["djmdContent", "djmdPlaylist", "djmdMyTag"]
        .into_iter()
        .flat_map(|table| {
            step.inserted(table)
                .map(move |id| (table.to_owned(), id.to_owned()))
        })
        .collect();
    later.uses().any(|key| made.contains(&key))
}
