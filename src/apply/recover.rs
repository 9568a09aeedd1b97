//! Settles what a killed run left running, by looking at the world alone.

use std::collections::BTreeSet;

use super::{
    files::{Verdict, is_same},
    rekordbox::known_tags,
    run::{Attempt, Effected, Failure, Phase, Result, Run, causes, failed},
};
use crate::{
    domain::{ApplyId, Collection, ContentHash, MediaPath},
    edge::{
        download::Downloader,
        local::LocalLibrary,
        rekordbox::{Probe, RekordboxError, RekordboxLibrary, RowEdits, Staged},
        store::{OperationStatus, StateStore},
    },
    plan::document::Effect,
    record::{
        FileImage, Intent, Made, Outcome,
        image::{Ready, Replaced},
        rows::compose,
    },
};

/// What comes after the recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recovery {
    /// The run goes on: what had not happened yet will.
    Forward,
    /// The run ends here: what had not happened does not.
    Close,
}

/// Why an operation is not done in a run that was closed.
const INTERRUPTED: &str = "the run was interrupted before it was done";

impl<L, R, D, S> Run<'_, L, R, D, S>
where
    L: LocalLibrary,
    R: RekordboxLibrary,
    D: Downloader,
    S: StateStore,
{
    /// Finds out of every running operation whether it happened, and settles it. Afterwards only
    /// files under two names are still running, and only where the run goes on.
    pub(super) async fn recover(&mut self, recovery: Recovery) -> Result<()> {
        self.recover_rekordbox(recovery).await?;
        self.recover_tidal(recovery).await?;
        for phase in [
            Phase::Rekey,
            Phase::Fetch,
            Phase::Convert,
            Phase::Adopt,
            Phase::Arrange,
            Phase::Link,
            Phase::Trash,
            Phase::State,
        ] {
            for seq in self.running(phase) {
                self.hold().await?;
                self.clear_unfinished(seq);
                if let Some(result) = self.recover_one(seq, recovery) {
                    let delivered = matches!(phase, Phase::Fetch | Phase::Convert);
                    let done = result.is_ok();
                    self.settle(vec![(seq, result)]).await?;
                    // A download that was verified is there for the run that goes on.
                    let over = done || recovery == Recovery::Close;
                    if delivered && over && !self.is_waiting(seq) {
                        self.clear(seq, done);
                    }
                }
            }
        }
        match recovery {
            Recovery::Forward => Ok(()),
            Recovery::Close => self.clear_waiting(),
        }
    }

    /// What was being written when the run was killed.
    fn clear_unfinished(&mut self, seq: usize) {
        let paths = match self.pre.get(&seq).map(|image| &image.intent) {
            Some(Intent::Place { from, to, .. }) => vec![from.clone(), to.clone()],
            Some(Intent::Write { path, .. } | Intent::Link { path, .. }) => vec![path.clone()],
            _ => Vec::new(),
        };
        for path in paths {
            if let Err(error) = self.local.clear_unfinished(&path) {
                tracing::warn!(%path, %error, "could not clear an unfinished file");
            }
        }
    }

    pub(super) fn running(&self, phase: Phase) -> Vec<usize> {
        let is_running = |seq: &usize| {
            self.phases[*seq] == phase && self.status[*seq] == OperationStatus::Running
        };
        (0..self.actions.len()).filter(is_running).collect()
    }

    /// `None`: it stays running.
    fn recover_one(&mut self, seq: usize, recovery: Recovery) -> Option<Attempt<Effected>> {
        let intent = self.pre.get(&seq).map(|image| image.intent.clone());
        let found = match intent {
            // It is done together with its settlement, or not at all; what a closed undo has taken back
            // is recorded after this.
            Some(Intent::State) if self.is_reversal(seq) => return Some(Err(Failure::Untouched)),
            Some(Intent::Deliver { ready, .. }) => match ready {
                Some(ready) => self.recover_ready(&ready, recovery),
                None => Ok(None),
            },
            Some(Intent::Place { from, to, stat }) => {
                let moved = match (self.stat(&from), self.stat(&to)) {
                    (Ok(None), Ok(Some(now))) => is_same(&now, &stat),
                    _ => false,
                };
                return match recovery {
                    Recovery::Forward => {
                        self.placed.insert(from, to);
                        None
                    }
                    Recovery::Close => {
                        let verdict = match moved {
                            true => Verdict::DropOld,
                            false => self.verdict_of_closed(seq),
                        };
                        Some(self.end_place(seq, verdict))
                    }
                };
            }
            Some(Intent::Write {
                path,
                sha256,
                replaces,
            }) => self.recover_write(seq, &path, sha256, replaces),
            Some(Intent::Link { of, path }) => self.recover_link(&of, &path),
            Some(Intent::Trash(was)) => self.recover_trash(was),
            Some(Intent::Restore {
                trash_path,
                path,
                sha256,
            }) => self.recover_restore(&trash_path, &path, sha256),
            Some(Intent::Purge { trash_path, .. }) => self.recover_purge(&trash_path),
            Some(
                Intent::State
                | Intent::Xml
                | Intent::Rows(_)
                | Intent::TidalRemove { .. }
                | Intent::TidalAdd { .. },
            ) => Ok(None),
            None => Err(Failure::Failed(
                "the journal has no intent of it".to_owned(),
            )),
        };
        Some(match found {
            Ok(Some(effected)) => Ok(effected),
            Ok(None) => Err(not_done(recovery)),
            Err(failure) => Err(failure),
        })
    }

    pub(super) fn is_reversal(&self, seq: usize) -> bool {
        let action = self.actions.get(seq);
        action.is_some_and(|action| matches!(action.effect, Effect::StateRestore { .. }))
    }

    /// A file without rows that must follow it has moved or not; one with such rows is where they say.
    fn verdict_of_closed(&self, seq: usize) -> Verdict {
        match self.followers[seq].is_empty() {
            true => Verdict::TakeBack,
            false => self.verdict(seq),
        }
    }

    /// A loss of power can keep both names of a file that was moved: the new one was durable, the end of
    /// the old one was not. The move is finished then. Whether it was.
    fn finish_move(&mut self, from: &MediaPath, to: &MediaPath) -> Attempt<bool> {
        let (Some(old), Some(new)) = (self.stat(from)?, self.stat(to)?) else {
            return Ok(false);
        };
        if old.inode == 0 || (old.device, old.inode) != (new.device, new.inode) {
            return Ok(false);
        }
        self.local
            .drop_old_name(from, to)
            .map_err(|error| failed(&error))?;
        Ok(true)
    }

    fn recover_ready(&mut self, ready: &Ready, recovery: Recovery) -> Attempt<Option<Effected>> {
        self.finish_move(&ready.from, &ready.to)?;
        if self.stat(&ready.from)?.is_some() {
            return match recovery {
                Recovery::Forward => self.rename_ready(ready).map(Some),
                Recovery::Close => Ok(None),
            };
        }
        match self.has(&ready.to, ready.sha256)? {
            true => self.made(&ready.to, ready.sha256).map(Some),
            false => Ok(None),
        }
    }

    fn recover_write(
        &mut self,
        seq: usize,
        path: &MediaPath,
        sha256: ContentHash,
        replaces: Option<Replaced>,
    ) -> Attempt<Option<Effected>> {
        let trashed = match &replaces {
            Some(was) if was.sha256 != sha256 => self.find_trashed(was)?,
            _ => None,
        };
        let replaced = replaces.zip(trashed);
        if let Some((was, trash_path)) = &replaced {
            self.finish_move(&was.path, trash_path)?;
        }
        if self.has(path, sha256)? {
            let file = self.image(path, sha256).map_err(|e| failed(&e))?;
            return Ok(Some(Effected::of(Outcome::File(Made { file, replaced }))));
        }
        if self.stat(path)?.is_some() {
            return Ok(None);
        }
        let Some(replaced) = replaced else {
            return Ok(None);
        };
        // The old one is in the trash and the new one not written: it is easier to go on than back.
        let Effect::FileLink { after, .. } = &self.actions[seq].effect else {
            return Ok(None);
        };
        let text = self.playlist_file(after);
        self.local
            .write_new(path, text.as_bytes())
            .map_err(|e| failed(&e))?;
        let sha256 = ContentHash::of(text.as_bytes());
        let file = self.image(path, sha256).map_err(|e| failed(&e))?;
        let replaced = Some(replaced);
        Ok(Some(Effected::of(Outcome::File(Made { file, replaced }))))
    }

    fn recover_link(&self, of: &MediaPath, path: &MediaPath) -> Attempt<Option<Effected>> {
        if self.stat(path)?.is_none() {
            return Ok(None);
        }
        let sha256 = self.local.hash(of).map_err(|e| failed(&e))?;
        match self.has(path, sha256)? {
            true => self.made(path, sha256).map(Some),
            false => Err(Failure::Failed(format!("something else is at {path} now"))),
        }
    }

    fn recover_trash(&mut self, was: Replaced) -> Attempt<Option<Effected>> {
        if let Some(trash_path) = self.find_trashed(&was)? {
            self.finish_move(&was.path, &trash_path)?;
            return Ok(Some(Effected::of(Outcome::Trashed { was, trash_path })));
        }
        match self.stat(&was.path)? {
            Some(_) => Ok(None),
            None => Err(Failure::Failed(format!(
                "{} is neither in its place nor in the trash",
                was.path
            ))),
        }
    }

    /// What is gone was deleted; what is there was not touched.
    fn recover_purge(&self, trash_path: &MediaPath) -> Attempt<Option<Effected>> {
        let gone = self.stat(trash_path)?.is_none();
        Ok(gone.then(|| Effected::of(Outcome::Nothing)))
    }

    fn recover_restore(
        &mut self,
        trash_path: &MediaPath,
        path: &MediaPath,
        sha256: ContentHash,
    ) -> Attempt<Option<Effected>> {
        self.finish_move(trash_path, path)?;
        if self.stat(trash_path)?.is_some() {
            return Ok(None);
        }
        match self.has(path, sha256)? {
            true => self.made(path, sha256).map(Some),
            false => Err(Failure::Failed(format!(
                "{trash_path} is no longer in the trash"
            ))),
        }
    }

    /// Where this run's trash has the file: the names that [`LocalLibrary::trash`] gives.
    pub(super) fn find_trashed(&self, was: &Replaced) -> Attempt<Option<MediaPath>> {
        for place in trash_places(self.apply, &was.path) {
            if self.stat(&place)?.is_none() {
                return Ok(None);
            }
            let image = FileImage {
                path: place.clone(),
                size: was.size,
                mtime: was.mtime,
                sha256: was.sha256,
            };
            let known = self
                .post
                .values()
                .any(|image| trashed_at(&image.outcome) == Some(&place));
            if !known && self.is_there(&image)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    pub(super) fn has(&self, path: &MediaPath, sha256: ContentHash) -> Attempt<bool> {
        if self.stat(path)?.is_none() {
            return Ok(false);
        }
        let found = self.local.hash(path).map_err(|e| failed(&e))?;
        Ok(found == sha256)
    }

    /// All running rows belong to one transaction: it was committed or it was not.
    async fn recover_rekordbox(&mut self, recovery: Recovery) -> Result<()> {
        let running = self.running(Phase::Rekordbox);
        let staged: Vec<Staged> = running.iter().filter_map(|seq| self.staged(*seq)).collect();
        if !running.is_empty() {
            let committed = self.committed(&staged).await;
            let result = |_: &usize| match &committed {
                Ok(true) => Ok(Effected::of(Outcome::Rows)),
                Ok(false) => Err(not_done(recovery)),
                Err(reason) => Err(Failure::Failed(reason.clone())),
            };
            self.settle(running.iter().map(|seq| (*seq, result(seq))).collect())
                .await?;
        }
        let Some(xml) = self.xml else {
            return Ok(());
        };
        if recovery == Recovery::Close {
            // What was committed must be whole before it can be taken back.
            return self.write_xml().await;
        }
        if self.status[xml] == OperationStatus::Running {
            self.settle(vec![(xml, Err(Failure::Untouched))]).await?;
        }
        Ok(())
    }

    fn staged(&self, seq: usize) -> Option<Staged> {
        match &self.pre.get(&seq)?.intent {
            Intent::Rows(staged) => Some(staged.clone()),
            _ => None,
        }
    }

    async fn committed(&mut self, staged: &[Staged]) -> std::result::Result<bool, String> {
        let Some(rekordbox) = self.rekordbox.as_ref() else {
            return Err("Rekordbox is left alone".to_owned());
        };
        let rows: Vec<&RowEdits> = staged.iter().map(|staged| &staged.rows).collect();
        let told = |error: RekordboxError| causes(&error);
        let collection = rekordbox.read().await.map_err(told)?.value;
        let probed = rekordbox.probe(&compose(rows)).await.map_err(told)?;
        self.tags = known_tags(&collection);
        Ok(match probed {
            Probe::Before => false,
            Probe::After => true,
            // Somebody changed rows since, but ids that were chosen at random tell.
            Probe::Conflict => staged.iter().any(|staged| was_made(staged, &collection)),
        })
    }

    fn is_waiting(&self, seq: usize) -> bool {
        let outcome = self.post.get(&seq).map(|image| &image.outcome);
        matches!(outcome, Some(Outcome::Waiting { .. }))
    }

    /// In a closed run nothing waits any more.
    fn clear_waiting(&mut self) -> Result<()> {
        let waiting: BTreeSet<usize> = (0..self.actions.len())
            .filter(|seq| self.is_waiting(*seq))
            .collect();
        for seq in waiting {
            self.clear(seq, false);
        }
        Ok(())
    }
}

/// The node or content that the edit was to insert is there.
fn was_made(staged: &Staged, collection: &Collection) -> bool {
    let inserted = |table: &str, id: &str| {
        let mut rows = staged.rows.0.iter();
        rows.any(|row| row.before.is_none() && row.table == table && row.id == id)
    };
    let content = staged.content.as_ref();
    let content = content.is_some_and(|id| {
        inserted("djmdContent", id.as_str()) && collection.contents.contains_key(id)
    });
    let node = staged.node.as_ref();
    let node = node.is_some_and(|id| {
        inserted("djmdPlaylist", id.as_str()) && collection.nodes.contains_key(id)
    });
    content || node
}

pub(super) fn not_done(recovery: Recovery) -> Failure {
    match recovery {
        Recovery::Forward => Failure::Untouched,
        Recovery::Close => Failure::Skipped(INTERRUPTED.to_owned()),
    }
}

const fn trashed_at(outcome: &Outcome) -> Option<&MediaPath> {
    match outcome {
        Outcome::Trashed { trash_path, .. } => Some(trash_path),
        Outcome::File(made) => match &made.replaced {
            Some((_, trash_path)) => Some(trash_path),
            None => None,
        },
        Outcome::Waiting { .. }
        | Outcome::Placed { .. }
        | Outcome::Rows
        | Outcome::TidalRemoved(_)
        | Outcome::TidalRestored { .. }
        | Outcome::Nothing => None,
    }
}

/// The names that a file gets in a run's trash: its own, then numbered ones.
fn trash_places(apply: ApplyId, path: &MediaPath) -> impl Iterator<Item = MediaPath> {
    let folder = std::path::PathBuf::from(format!(".tidal-cleanup/trash/{apply}"));
    let first = folder.join(path.relative());
    let (stem, extension) = (path.file_stem(), first.extension().map(ToOwned::to_owned));
    let numbered = {
        let first = first.clone();
        (2..100).map(move |n| match &extension {
            Some(extension) => {
                first.with_file_name(format!("{stem} ({n}).{}", extension.to_string_lossy()))
            }
            None => first.with_file_name(format!("{stem} ({n})")),
        })
    };
    std::iter::once(first)
        .chain(numbered)
        .map(|place| MediaPath::from_relative(0, &place))
}
