//! Rekordbox: actions become edits, edits become staged rows, staged rows are journaled and then
//! committed, up to 500 at a time.

mod edits;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    run::{Attempt, DESTRUCTIVE_BATCH, Effected, Failure, Phase, Result, Run, causes, failed},
    verify::Shelf,
};
use crate::{
    domain::{Collection, CollectionPlaylist, MyTagId, NodeId},
    edge::{
        download::Downloader,
        local::LocalLibrary,
        rekordbox::{Probe, RekordboxError, RekordboxLibrary, RowEdits, Staged},
        store::{OperationStatus, StateStore},
    },
    plan::document::{Action, Class, Effect, Precondition, Reversal, TagName},
    record::{
        Intent, Outcome, PreImage, image,
        rows::{compose, retitled, touched_nodes},
    },
};

/// Rows that one transaction writes, roughly.
const ROWS: usize = 500;

impl<L, R, D, S> Run<'_, L, R, D, S>
where
    L: LocalLibrary,
    R: RekordboxLibrary,
    D: Downloader,
    S: StateStore,
{
    /// Writes everything that concerns Rekordbox, and its playlist XML.
    pub(super) async fn write_rekordbox(&mut self) -> Result<()> {
        let pending = self.pending(Phase::Rekordbox);
        if !pending.is_empty() {
            match self.collection().await {
                Ok(collection) => self.write_rows(pending, collection).await?,
                Err(error) => {
                    let reason = causes(&error);
                    self.fail_all(&pending, &reason).await?;
                }
            }
        }
        self.write_xml().await
    }

    async fn collection(&self) -> std::result::Result<Collection, RekordboxError> {
        match &self.rekordbox {
            Some(rekordbox) => Ok(rekordbox.read().await?.value),
            None => Err(RekordboxError::Invalid(
                "Rekordbox is left alone".to_owned(),
            )),
        }
    }

    async fn write_rows(&mut self, pending: Vec<usize>, mut collection: Collection) -> Result<()> {
        self.tags = known_tags(&collection);
        let mut ended = Vec::new();
        let shelf = Shelf::new(&collection, self.local.roots());
        for seq in &pending {
            // A list that is done once more was looked at when it was opened again.
            if self.pre.get(seq).is_some_and(|pre| pre.earlier.is_some()) {
                continue;
            }
            if let Err(failure) = self.holds(*seq, &shelf) {
                ended.push((*seq, Err(failure)));
            }
        }
        self.settle(ended).await?;
        let mut open = pending;
        open.retain(|seq| self.status[*seq] == OperationStatus::Pending);
        // Steps that failed as a whole are tried in halves, so that one bad edit stops only itself.
        let mut steps = self.steps(&open);
        steps.reverse();
        while let Some(step) = steps.pop() {
            self.check_stop()?;
            match self.write_step(&step, &mut collection).await? {
                Stepped::Done => {}
                Stepped::Retry if step.len() > 1 => {
                    let (first, second) = step.split_at(step.len() / 2);
                    steps.push(second.to_vec());
                    steps.push(first.to_vec());
                }
                Stepped::Retry => {}
                Stepped::Stop(reason) => {
                    let rest: Vec<usize> = steps.iter().flatten().copied().collect();
                    self.fail_all(&rest, &reason).await?;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The action's own preconditions, against rows as they are now.
    fn holds(&self, seq: usize, shelf: &Shelf<'_>) -> Attempt<()> {
        let renamed = self.done_here(|effect| matches!(effect, Effect::NodeUpdate { .. }));
        for pre in &self.actions[seq].pre {
            // An interrupted run may itself have renamed the folders around a node.
            let outdated = renamed && matches!(pre, Precondition::Node { .. });
            if let Some(text) = shelf.violation(pre).filter(|_| !outdated) {
                return Err(Failure::Failed(text));
            }
        }
        Ok(())
    }

    fn done_here(&self, is_it: impl Fn(&Effect) -> bool) -> bool {
        let mut done = self.post.keys().filter_map(|seq| self.actions.get(*seq));
        done.any(|action| is_it(&action.effect))
    }

    fn steps(&self, open: &[usize]) -> Vec<Vec<usize>> {
        let mut steps = Vec::new();
        let (mut step, mut rows, mut removals) = (Vec::new(), 0, 0);
        for seq in open {
            let (weight, removal) = self.weight(self.actions[*seq]);
            let full = rows + weight > ROWS || removals + removal > DESTRUCTIVE_BATCH;
            if full && !step.is_empty() {
                steps.push(std::mem::take(&mut step));
                (rows, removals) = (0, 0);
            }
            step.push(*seq);
            rows += weight;
            removals += removal;
        }
        if !step.is_empty() {
            steps.push(step);
        }
        steps
    }

    /// About how many rows it writes, and whether something goes away.
    fn weight(&self, action: &Action) -> (usize, usize) {
        let removal = usize::from(action.class == Class::Destructive);
        let rows = match &action.effect {
            Effect::EntriesSet { before, after } => before.count.max(after.count),
            Effect::EntriesMerge { before, after } => before.count.max(after.count),
            Effect::RowsRestore { before } => self.recorded_rows(before).map_or(1, |r| r.0.len()),
            _ => 2,
        };
        (rows, removal)
    }

    async fn write_step(&mut self, seqs: &[usize], collection: &mut Collection) -> Result<Stepped> {
        let (edits, ready) = self.edits(seqs, collection).await?;
        if ready.is_empty() {
            return Ok(Stepped::Done);
        }
        let now = self.now();
        let Some(rekordbox) = self.rekordbox.as_mut() else {
            return Ok(Stepped::Done);
        };
        let staged = match rekordbox.stage(&edits, now).await {
            Ok(staged) if staged.len() == ready.len() => staged,
            Ok(_) => {
                let reason = "Rekordbox staged another number of edits".to_owned();
                return self.step_failed(&ready, reason, true).await;
            }
            Err(error) => {
                let reason = causes(&error);
                return self
                    .step_failed(&ready, reason, is_about_rows(&error))
                    .await;
            }
        };
        self.commit_step(&ready, staged, now, collection).await
    }

    async fn commit_step(
        &mut self,
        ready: &[usize],
        staged: Vec<Staged>,
        now: Timestamp,
        collection: &mut Collection,
    ) -> Result<Stepped> {
        let rows: Vec<RowEdits> = staged.iter().map(|staged| staged.rows.clone()).collect();
        let intents = ready.iter().zip(&staged);
        let intents = intents
            .map(|(seq, staged)| (*seq, PreImage::of(Intent::Rows(staged.clone()))))
            .collect();
        self.intend(intents).await?;
        let Some(rekordbox) = self.rekordbox.as_mut() else {
            return Ok(Stepped::Done);
        };
        if let Err(error) = rekordbox.commit(&rows, now).await {
            // An error while committing does not tell whether it was committed.
            let probed = rekordbox.probe(&compose(&rows)).await;
            if !matches!(probed, Ok(Probe::After)) {
                let reason = causes(&error);
                return self.step_failed(ready, reason, is_about_rows(&error)).await;
            }
        }
        for (seq, staged) in ready.iter().zip(&staged) {
            self.learn(*seq, staged, collection);
        }
        let done = |seq: &usize| (*seq, Ok(Effected::of(Outcome::Rows)));
        self.settle(ready.iter().map(done).collect()).await?;
        Ok(Stepped::Done)
    }

    /// A step of one fails; a larger one is tried again in parts, unless the error is not about its
    /// rows.
    async fn step_failed(
        &mut self,
        ready: &[usize],
        reason: String,
        about_rows: bool,
    ) -> Result<Stepped> {
        if about_rows && ready.len() > 1 {
            let untouched = |seq: &usize| (*seq, Err(Failure::Untouched));
            self.settle(ready.iter().map(untouched).collect()).await?;
            return Ok(Stepped::Retry);
        }
        self.fail_all(ready, &reason).await?;
        Ok(match about_rows {
            true => Stepped::Done,
            false => Stepped::Stop(reason),
        })
    }

    async fn fail_all(&mut self, seqs: &[usize], reason: &str) -> Result<()> {
        let fail = |seq: &usize| (*seq, Err(Failure::Failed(reason.to_owned())));
        self.settle(seqs.iter().map(fail).collect()).await
    }

    /// Keeps the picture of the collection in step with what was written.
    fn learn(&mut self, seq: usize, staged: &Staged, collection: &mut Collection) {
        match &self.actions[seq].effect {
            Effect::MyTagCreate { after } => {
                if let Some(id) = &staged.tag {
                    self.tags.insert(after.clone(), id.clone());
                }
            }
            Effect::NodeCreate { after } => {
                if let Some(id) = &staged.node {
                    let parent = self.known_folder(&after.folder, collection);
                    collection.nodes.insert(
                        id.clone(),
                        CollectionPlaylist {
                            id: id.clone(),
                            name: after.name.clone(),
                            parent,
                            kind: after.node,
                            seq: i64::MAX,
                            entries: Vec::new(),
                            smart: None,
                        },
                    );
                }
            }
            Effect::NodeUpdate { before, after } => {
                let parent = self.known_folder(&after.folder, collection);
                if let Some(node) = collection.nodes.get_mut(&before.id) {
                    node.name.clone_from(&after.name);
                    node.parent = parent;
                }
            }
            Effect::NodeRemove { before } => drop(collection.nodes.remove(&before.id)),
            _ => {}
        }
    }

    /// The rows of the action that is taken back.
    pub(super) fn recorded_rows(&self, reversal: &Reversal) -> Option<RowEdits> {
        let key = (reversal.apply, reversal.action.clone());
        let row = self.reversed.get(&key)?;
        let image: PreImage = image::from_value(row.pre_image.as_ref())?;
        match image.intent {
            Intent::Rows(staged) => Some(staged.rows),
            _ => None,
        }
    }

    /// Brings the playlist XML in line with what this run wrote. Its own step in the journal.
    pub(super) async fn write_xml(&mut self) -> Result<()> {
        let Some(seq) = self.xml else {
            return Ok(());
        };
        if self.status[seq] == OperationStatus::Completed {
            self.reopen_xml(seq).await?;
        }
        if self.status[seq] == OperationStatus::Completed {
            return Ok(());
        }
        self.intend(vec![(seq, PreImage::of(Intent::Xml))]).await?;
        let written = self.finish_rekordbox().await;
        let result = match written {
            Ok(()) => Ok(Effected::of(Outcome::Nothing)),
            Err(error) => Err(failed(&error)),
        };
        self.settle(vec![(seq, result)]).await
    }

    /// The checks that follow the last transaction, and the playlist XML. After new tracks alone there
    /// is something to check and nothing to write.
    async fn finish_rekordbox(&mut self) -> std::result::Result<(), RekordboxError> {
        let now = self.now();
        let staged = self.written();
        if staged.iter().all(|staged| staged.rows.0.is_empty()) {
            return Ok(());
        }
        let mut nodes = touched_nodes(staged.iter().map(|staged| &staged.rows));
        nodes.extend(staged.iter().filter_map(|staged| staged.node.clone()));
        let retitled = retitled(staged.iter().map(|staged| &staged.rows));
        let Some(rekordbox) = self.rekordbox.as_mut() else {
            return Ok(());
        };
        if !retitled.is_empty() {
            // Rekordbox stamps every list that holds a track whose fields were changed.
            let collection = rekordbox.read().await?.value;
            let holds = |node: &&CollectionPlaylist| {
                let mut entries = node.entries.iter();
                entries.any(|entry| retitled.contains(&entry.content))
            };
            let holders = collection.nodes.values().filter(holds);
            nodes.extend(holders.map(|node| node.id.clone()));
        }
        let nodes: Vec<NodeId> = nodes.into_iter().collect();
        rekordbox.finish(&nodes, now).await
    }

    /// What this run has written so far.
    fn written(&self) -> Vec<&Staged> {
        let done = self.post.keys().filter_map(|seq| self.pre.get(seq));
        done.filter_map(|image| match &image.intent {
            Intent::Rows(staged) => Some(staged),
            _ => None,
        })
        .collect()
    }
}

/// How a step ended.
enum Stepped {
    Done,
    /// Nothing is written; its halves may be.
    Retry,
    /// Nothing more can be written.
    Stop(String),
}

/// Whether the error is about the rows of a step and not about the database as a whole.
const fn is_about_rows(error: &RekordboxError) -> bool {
    match error {
        RekordboxError::Conflict { .. }
        | RekordboxError::Invalid(_)
        | RekordboxError::Invariant(_) => true,
        RekordboxError::Missing(_)
        | RekordboxError::NotMounted(_)
        | RekordboxError::NotADatabase(_)
        | RekordboxError::Locked
        | RekordboxError::Running(_)
        | RekordboxError::LeftoverWal(_)
        | RekordboxError::UnknownSchema(_)
        | RekordboxError::BadXml { .. }
        | RekordboxError::Xml { .. }
        | RekordboxError::Database { .. }
        | RekordboxError::Io { .. } => false,
    }
}

pub(super) fn known_tags(collection: &Collection) -> BTreeMap<TagName, MyTagId> {
    let mut tags = BTreeMap::new();
    for tag in collection.my_tags.values() {
        let group = tag.group.as_ref().and_then(|id| collection.my_tags.get(id));
        if let Some(group) = group {
            let name = TagName {
                group: group.name.clone(),
                tag: tag.name.clone(),
            };
            tags.entry(name).or_insert_with(|| tag.id.clone());
        }
    }
    tags
}
