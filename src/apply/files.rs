//! Placing and restoring files.

mod link;
mod trash;

use std::collections::BTreeSet;

use super::{
    run::{Attempt, BATCH, DESTRUCTIVE_BATCH, Effected, Failure, Phase, Result, Run, failed},
    verify::{is_unchanged, missing_folders},
};
use crate::{
    domain::{ContentHash, FileStat, MediaPath},
    edge::{
        download::Downloader,
        local::LocalLibrary,
        rekordbox::RekordboxLibrary,
        store::{OperationStatus, StateStore},
    },
    plan::document::{At, Effect, FromTrash, Precondition},
    record::{FileImage, Intent, Made, Outcome, PreImage},
};

/// How operations of a batch ended.
type Ended = Vec<(usize, Attempt<Effected>)>;

/// What becomes of a file that stands under two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Everything follows the new name: the old one goes.
    DropOld,
    /// Nothing follows it: the new one goes again.
    TakeBack,
    /// Some do and some do not.
    KeepBoth,
}

impl<L, R, D, S> Run<'_, L, R, D, S>
where
    L: LocalLibrary,
    R: RekordboxLibrary,
    D: Downloader,
    S: StateStore,
{
    /// Gives files their new names, beside the old ones where rows of Rekordbox must follow; brings
    /// files back from the trash, and takes away what is in their place.
    pub(super) async fn arrange(&mut self) -> Result<()> {
        self.go_on_placing().await?;
        let pending = self.pending(Phase::Arrange);
        for batch in self.apart(&pending) {
            self.check_stop()?;
            let (mut intents, mut ended) = (Vec::new(), Vec::new());
            for seq in batch {
                match self.arrange_intent(seq) {
                    Ok(image) => intents.push((seq, image)),
                    Err(failure) => ended.push((seq, Err(failure))),
                }
            }
            let begun: Vec<usize> = intents.iter().map(|(seq, _)| *seq).collect();
            self.intend(intents).await?;
            let mut placed = Vec::new();
            self.local.defer_sync();
            for seq in begun {
                if !self.may_act().await? {
                    ended.push((seq, Err(Failure::Untouched)));
                    continue;
                }
                match self.arrange_one(seq) {
                    Ok(Some(effected)) => ended.push((seq, Ok(effected))),
                    Ok(None) => placed.push(seq),
                    Err(failure) => ended.push((seq, Err(failure))),
                }
            }
            ended.extend(self.keep_names(placed).await?);
            self.settle(ended).await?;
        }
        Ok(())
    }

    /// Makes new names durable. The old ones that no row hangs on go at once.
    async fn keep_names(&mut self, placed: Vec<usize>) -> Result<Ended> {
        if let Err(error) = self.local.sync() {
            // A second name that may not last is none to rely on.
            let fail = |seq| (seq, Err(failed(&error)));
            return Ok(placed.into_iter().map(fail).collect());
        }
        let free = placed
            .into_iter()
            .filter(|seq| self.followers[*seq].is_empty());
        let free: Vec<usize> = free.collect();
        self.end_places(&free).await
    }

    /// What an interrupted run had begun to place comes first.
    async fn go_on_placing(&mut self) -> Result<()> {
        let mut placed = Vec::new();
        let mut ended = Vec::new();
        self.local.defer_sync();
        for seq in self.running_places() {
            self.hold().await?;
            match self.arrange_one(seq) {
                Ok(_) => placed.push(seq),
                Err(failure) => ended.push((seq, Err(failure))),
            }
        }
        ended.extend(self.keep_names(placed).await?);
        self.settle(ended).await
    }

    /// Batches in which no action waits for another of the same batch: an intent says what stands
    /// there, so what it waits for must have happened.
    fn apart(&self, pending: &[usize]) -> Vec<Vec<usize>> {
        let mut batches: Vec<Vec<usize>> = Vec::new();
        let mut removals = 0;
        for seq in pending.iter().copied() {
            let removal = usize::from(matches!(self.actions[seq].effect, Effect::FileTrash { .. }));
            let fits = |batch: &&mut Vec<usize>| {
                batch.len() < BATCH
                    && removals + removal <= DESTRUCTIVE_BATCH
                    && !self.depends_on[seq].iter().any(|need| batch.contains(need))
            };
            match batches.last_mut().filter(fits) {
                Some(batch) => {
                    batch.push(seq);
                    removals += removal;
                }
                None => {
                    batches.push(vec![seq]);
                    removals = removal;
                }
            }
        }
        batches
    }

    fn arrange_intent(&self, seq: usize) -> Attempt<PreImage> {
        match &self.actions[seq].effect {
            Effect::FileTrash { .. } => self.trash_intent(seq, &BTreeSet::new()),
            _ => self.place_intent(seq),
        }
    }

    /// `None`: the file has its new name, and the old one as well.
    fn arrange_one(&mut self, seq: usize) -> Attempt<Option<Effected>> {
        match &self.actions[seq].effect {
            Effect::FileTrash { .. } => self.trash_one(seq).map(Some),
            _ => self.place_one(seq),
        }
    }

    fn place_intent(&self, seq: usize) -> Attempt<PreImage> {
        self.blocked(seq, &BTreeSet::new())?;
        self.unchanged(seq)?;
        match &self.actions[seq].effect {
            Effect::FilePlace { before, after } => {
                let stat = self.local.stat(&before.path).map_err(|e| failed(&e))?;
                let stat =
                    stat.ok_or_else(|| Failure::Failed(format!("{} is not there", before.path)))?;
                Ok(PreImage {
                    folders: self.missing(&after.path)?,
                    intent: Intent::Place {
                        from: before.path.clone(),
                        to: after.path.clone(),
                        stat,
                    },
                    earlier: None,
                })
            }
            Effect::FileRestore { before, after } => self.restore_intent(before, after),
            _ => Err(Failure::Failed("it is no placing".to_owned())),
        }
    }

    fn restore_intent(&self, before: &FromTrash, after: &At) -> Attempt<PreImage> {
        let sha256 = self
            .local
            .hash(&before.trash_path)
            .map_err(|e| failed(&e))?;
        if sha256 != before.sha256 {
            return Err(Failure::Failed(format!(
                "{} changed in the trash",
                before.trash_path
            )));
        }
        let path = self.vacant_beside(&after.path)?;
        Ok(PreImage {
            folders: self.missing(&path)?,
            intent: Intent::Restore {
                trash_path: before.trash_path.clone(),
                path,
                sha256,
            },
            earlier: None,
        })
    }

    /// The path itself, or a new name beside what occupies it.
    fn vacant_beside(&self, path: &MediaPath) -> Attempt<MediaPath> {
        if self.vacant(path).is_ok() {
            return Ok(path.clone());
        }
        let names = (1..1000).map(|n| restored_name(path, n));
        for candidate in names {
            let taken = self.local.stat(&candidate).map_err(|e| failed(&e))?;
            if taken.is_none() {
                return Ok(candidate);
            }
        }
        Err(Failure::Failed(format!("{path} already exists")))
    }

    fn place_one(&mut self, seq: usize) -> Attempt<Option<Effected>> {
        match self.pre.get(&seq).map(|image| image.intent.clone()) {
            Some(Intent::Place { from, to, stat }) => {
                if self.stat(&from)?.is_some() {
                    self.local
                        .place_beside(&from, &to)
                        .map_err(|e| failed(&e))?;
                } else if !self.stat(&to)?.is_some_and(|now| is_same(&now, &stat)) {
                    return Err(Failure::Failed(format!("{from} is not there")));
                }
                self.placed.insert(from, to);
                Ok(None)
            }
            Some(Intent::Restore {
                trash_path,
                path,
                sha256,
            }) => {
                self.rename(&trash_path, &path, sha256)?;
                self.made(&path, sha256).map(Some)
            }
            _ => Err(Failure::Failed("its intent is unknown".to_owned())),
        }
    }

    pub(super) fn made(&self, path: &MediaPath, sha256: ContentHash) -> Attempt<Effected> {
        let file = self.image(path, sha256).map_err(|e| failed(&e))?;
        let replaced = None;
        Ok(Effected::of(Outcome::File(Made { file, replaced })))
    }

    pub(super) fn running_places(&self) -> Vec<usize> {
        let running = |seq: &usize| self.status[*seq] == OperationStatus::Running;
        let seqs = (0..self.actions.len()).filter(running);
        seqs.filter(|seq| self.is_place(*seq)).collect()
    }

    fn is_place(&self, seq: usize) -> bool {
        matches!(self.actions[seq].effect, Effect::FilePlace { .. })
    }

    /// Takes the old names away where Rekordbox knows the new ones, and the new ones where it does
    /// not.
    pub(super) async fn drop_old_names(&mut self) -> Result<()> {
        for batch in self.running_places().chunks(BATCH) {
            self.check_stop()?;
            let ended = self.end_places(batch).await?;
            self.settle(ended).await?;
        }
        Ok(())
    }

    /// Where somebody asks to stop meanwhile, the files of the batch still lose one of their names: it
    /// is the end of an action that was begun.
    async fn end_places(&mut self, seqs: &[usize]) -> Result<Ended> {
        let mut ended = Vec::new();
        self.local.defer_sync();
        for seq in seqs.iter().copied() {
            self.hold().await?;
            let verdict = self.verdict(seq);
            ended.push((seq, self.end_place(seq, verdict)));
        }
        if let Err(error) = self.local.sync() {
            // An old name that comes back after a loss of power is one name too many, no harm.
            tracing::warn!(%error, "could not sync the folders of old names");
        }
        Ok(ended)
    }

    pub(super) fn verdict(&self, seq: usize) -> Verdict {
        let is_done = |seq: &&usize| self.status[**seq] == OperationStatus::Completed;
        let followers = &self.followers[seq];
        match followers.iter().filter(is_done).count() {
            done if done == followers.len() => Verdict::DropOld,
            0 => Verdict::TakeBack,
            _ => Verdict::KeepBoth,
        }
    }

    pub(super) fn end_place(&mut self, seq: usize, verdict: Verdict) -> Attempt<Effected> {
        let Some(image) = self.pre.get(&seq).cloned() else {
            return Err(Failure::Failed("its intent is unknown".to_owned()));
        };
        let Intent::Place { from, to, stat } = image.intent else {
            return Err(Failure::Failed("its intent is unknown".to_owned()));
        };
        match verdict {
            Verdict::DropOld => {
                if let Err(error) = self.local.drop_old_name(&from, &to) {
                    let there = self.stat(&to)?.is_some_and(|now| is_same(&now, &stat));
                    if self.stat(&from)?.is_some() || !there {
                        return Err(failed(&error));
                    }
                }
                self.placed.remove(&from);
                Ok(Effected::of(Outcome::Placed {
                    from,
                    to,
                    size: stat.size,
                    mtime: stat.mtime,
                }))
            }
            Verdict::TakeBack => {
                self.placed.remove(&from);
                let why = "Rekordbox does not know the new name, so the file keeps the old one";
                let mut reason = why.to_owned();
                if self.stat(&from)?.is_some() && self.stat(&to)?.is_some() {
                    match self.local.drop_old_name(&to, &from) {
                        Ok(()) => self.remove_folders(&image.folders),
                        Err(error) => reason = format!("{why}; it has both now: {error}"),
                    }
                }
                Err(Failure::Failed(reason))
            }
            Verdict::KeepBoth => Err(Failure::Failed(format!(
                "only some rows of Rekordbox follow it, so it is both {from} and {to}"
            ))),
        }
    }

    /// Whether the files that the action is about are as the plan saw them.
    fn unchanged(&self, seq: usize) -> Attempt<()> {
        for pre in &self.actions[seq].pre {
            if let Precondition::File {
                path, size, mtime, ..
            } = pre
            {
                let stat = self.stat(path)?;
                if !stat.is_some_and(|stat| is_unchanged(&stat, *size, *mtime)) {
                    return Err(Failure::Failed(format!("{path} changed since the plan")));
                }
            }
        }
        Ok(())
    }

    pub(super) fn stat(&self, path: &MediaPath) -> Attempt<Option<FileStat>> {
        self.local.stat(path).map_err(|e| failed(&e))
    }

    pub(super) fn missing(&self, path: &MediaPath) -> Attempt<Vec<MediaPath>> {
        missing_folders(self.local, path).map_err(|e| failed(&e))
    }

    /// Whether the file at `path` is the one of the image.
    pub(super) fn is_there(&self, image: &FileImage) -> Attempt<bool> {
        let Some(stat) = self.stat(&image.path)? else {
            return Ok(false);
        };
        if stat.size != image.size {
            return Ok(false);
        }
        let sha256 = self.local.hash(&image.path).map_err(|e| failed(&e))?;
        Ok(sha256 == image.sha256)
    }
}

/// The same file, or a faithful copy of it.
pub(super) const fn is_same(now: &FileStat, was: &FileStat) -> bool {
    is_unchanged(now, was.size, was.mtime)
}

/// `a/x.mp3` becomes `a/x (restored).mp3`, then `a/x (restored 2).mp3`.
pub(crate) fn restored_name(path: &MediaPath, n: usize) -> MediaPath {
    let relative = path.relative();
    let stem = path.file_stem();
    let number = match n {
        0 | 1 => String::new(),
        n => format!(" {n}"),
    };
    let name = match relative.extension() {
        Some(extension) => format!("{stem} (restored{number}).{}", extension.to_string_lossy()),
        None => format!("{stem} (restored{number})"),
    };
    MediaPath::from_relative(path.root(), &relative.with_file_name(name))
}
