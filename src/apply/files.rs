//! Placing, linking, trashing and restoring files.

use std::collections::BTreeSet;

use super::{
    run::{Attempt, BATCH, DESTRUCTIVE_BATCH, Effected, Failure, Phase, Result, Run, failed},
    verify::{is_unchanged, missing_folders},
};
use crate::{
    domain::{
        ContentHash, FileStat, MediaPath, PlaylistId, Track, TrackId,
        state::{FileRole, StateRow},
    },
    edge::{
        download::Downloader,
        local::LocalLibrary,
        rekordbox::RekordboxLibrary,
        store::{OperationStatus, StateStore},
    },
    plan::{
        document::{At, Effect, Forgotten, FromTrash, Hashed, Link, LinkForm, Precondition},
        m3u8,
    },
    record::{FileImage, Intent, Made, Outcome, PreImage, image::Replaced},
};

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
                match self.arrange_one(seq) {
                    Ok(Some(effected)) => ended.push((seq, Ok(effected))),
                    Ok(None) => placed.push(seq),
                    Err(failure) => ended.push((seq, Err(failure))),
                }
            }
            ended.extend(self.keep_names(placed));
            self.settle(ended).await?;
        }
        Ok(())
    }

    /// Makes new names durable. The old ones that no row hangs on go at once.
    fn keep_names(&mut self, placed: Vec<usize>) -> Vec<(usize, Attempt<Effected>)> {
        if let Err(error) = self.local.sync() {
            // A second name that may not last is none to rely on.
            let fail = |seq| (seq, Err(failed(&error)));
            return placed.into_iter().map(fail).collect();
        }
        let free = placed
            .into_iter()
            .filter(|seq| self.followers[*seq].is_empty());
        let free: Vec<usize> = free.collect();
        self.end_places(&free)
    }

    /// What an interrupted run had begun to place comes first.
    async fn go_on_placing(&mut self) -> Result<()> {
        let mut placed = Vec::new();
        let mut ended = Vec::new();
        self.local.defer_sync();
        for seq in self.running_places() {
            match self.arrange_one(seq) {
                Ok(_) => placed.push(seq),
                Err(failure) => ended.push((seq, Err(failure))),
            }
        }
        ended.extend(self.keep_names(placed));
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
            let ended = self.end_places(batch);
            self.settle(ended).await?;
        }
        Ok(())
    }

    fn end_places(&mut self, seqs: &[usize]) -> Vec<(usize, Attempt<Effected>)> {
        let mut ended = Vec::new();
        self.local.defer_sync();
        for seq in seqs.iter().copied() {
            let verdict = self.verdict(seq);
            ended.push((seq, self.end_place(seq, verdict)));
        }
        if let Err(error) = self.local.sync() {
            // An old name that comes back after a loss of power is one name too many, no harm.
            tracing::warn!(%error, "could not sync the folders of old names");
        }
        ended
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

    /// Removes folders of playlists that nothing needs any more, if the run has emptied them.
    pub(super) fn remove_left_folders(&mut self) {
        let planned = &self.plan.body.playlists;
        let forgotten: BTreeSet<&PlaylistId> = self
            .actions
            .iter()
            .filter_map(|action| match &action.effect {
                Effect::StateForget {
                    before: Forgotten::Playlist(id),
                } => Some(id),
                _ => None,
            })
            .collect();
        let mut wanted: BTreeSet<&MediaPath> =
            planned.values().map(|playlist| &playlist.folder).collect();
        let mut ours: BTreeSet<&MediaPath> = BTreeSet::new();
        for row in self.state.playlists.values() {
            ours.extend(&row.folder);
            if row.deleted_at.is_none() && !forgotten.contains(&row.id) {
                let planned = planned.get(&row.id).map(|playlist| &playlist.folder);
                wanted.extend(planned.or(row.folder.as_ref()));
            }
        }
        let mut left = BTreeSet::new();
        for image in self.post.values() {
            match &image.outcome {
                Outcome::Placed { from, .. } => left.extend(from.parent()),
                Outcome::Trashed { was, .. } => left.extend(was.path.parent()),
                _ => {}
            }
            // Where playlists were before this run.
            ours.extend(image.rows.iter().filter_map(|row| match &row.before {
                Some(StateRow::Playlist(row)) => row.folder.as_ref(),
                _ => None,
            }));
        }
        let mut folders = BTreeSet::new();
        for folder in left {
            let parents = std::iter::successors(Some(folder), MediaPath::parent);
            let is_ours = |folder: &MediaPath| ours.iter().any(|own| is_within(folder, own));
            let removable = parents
                .take_while(|folder| !folders.contains(folder) && is_ours(folder))
                .filter(|folder| !wanted.iter().any(|want| is_within(want, folder)));
            folders.extend(removable.collect::<Vec<_>>());
        }
        self.remove_folders(&folders.into_iter().collect::<Vec<_>>());
    }

    pub(super) fn remove_folders(&mut self, folders: &[MediaPath]) {
        if folders.is_empty() {
            return;
        }
        // An empty folder that stays harms nobody.
        if let Err(error) = self.local.remove_empty_folders(folders) {
            tracing::warn!(%error, "could not remove empty folders");
        }
    }

    /// Writes playlist files, hard links and copies.
    pub(super) async fn link(&mut self) -> Result<()> {
        let pending = self.pending(Phase::Link);
        for batch in pending.chunks(BATCH) {
            self.check_stop()?;
            let (mut intents, mut ended, mut texts) = (Vec::new(), Vec::new(), Vec::new());
            for seq in batch.iter().copied() {
                match self.link_intent(seq) {
                    Ok((image, text)) => {
                        intents.push((seq, image));
                        texts.push((seq, text));
                    }
                    Err(failure) => ended.push((seq, Err(failure))),
                }
            }
            self.intend(intents).await?;
            for (seq, text) in texts {
                let result = self.link_one(seq, &text);
                ended.push((seq, result));
            }
            self.settle(ended).await?;
        }
        Ok(())
    }

    fn link_intent(&self, seq: usize) -> Attempt<(PreImage, String)> {
        self.blocked(seq, &BTreeSet::new())?;
        let Effect::FileLink { before, after } = &self.actions[seq].effect else {
            return Err(Failure::Failed("it is no link".to_owned()));
        };
        match after.form {
            LinkForm::M3u8 => self.write_intent(before.as_ref(), after),
            LinkForm::Hardlink | LinkForm::Copy => {
                let of = after.of.as_ref().and_then(|track| self.file_of(track));
                let of = of.ok_or_else(|| Failure::Skipped("the track has no file".to_owned()))?;
                let path = linked_path(&after.path, &of);
                self.vacant(&path)?;
                let image = PreImage {
                    folders: self.missing(&path)?,
                    intent: Intent::Link { of, path },
                };
                Ok((image, String::new()))
            }
        }
    }

    fn write_intent(&self, before: Option<&Hashed>, link: &Link) -> Attempt<(PreImage, String)> {
        let path = &link.path;
        let text = self.playlist_file(link);
        let image = |replaces| PreImage {
            folders: Vec::new(),
            intent: Intent::Write {
                path: path.clone(),
                sha256: ContentHash::of(text.as_bytes()),
                replaces,
            },
        };
        let Some(stat) = self.stat(path)? else {
            let mut image = image(None);
            image.folders = self.missing(path)?;
            return Ok((image, text));
        };
        let row = self.state.files.get(path);
        let ours = row.filter(|row| row.role == FileRole::Playlist && row.provenance.is_ours());
        let Some(row) = ours else {
            return Err(Failure::Failed(format!(
                "{path} exists and is not ours; move it away or rename the playlist"
            )));
        };
        let sha256 = self.local.hash(path).map_err(|e| failed(&e))?;
        if row.hash != Some(sha256) && before.map(|known| known.sha256) != Some(sha256) {
            return Err(Failure::Failed(format!(
                "{path} was changed by somebody else"
            )));
        }
        let replaced = Replaced {
            path: path.clone(),
            size: stat.size,
            mtime: stat.mtime,
            sha256,
        };
        Ok((image(Some(replaced)), text))
    }

    /// What the playlist file shall say, given where the files are.
    pub(super) fn playlist_file(&self, link: &Link) -> String {
        let Some(playlist) = self.plan.body.playlists.get(&link.playlist) else {
            return String::new();
        };
        let entry = |id: &TrackId| -> Option<(&Track, MediaPath)> {
            let planned = self.plan.body.tracks.get(id);
            let track = planned.or_else(|| self.state.tracks.get(id).map(|row| &row.track))?;
            Some((track, self.file_of(id)?))
        };
        let entries: Vec<(&Track, MediaPath)> = playlist.entries.iter().filter_map(entry).collect();
        let entries = entries.iter().map(|(track, path)| (*track, path));
        m3u8::render(&playlist.name, &link.path, entries, self.local.roots())
    }

    fn link_one(&mut self, seq: usize, text: &str) -> Attempt<Effected> {
        match self.pre.get(&seq).map(|image| image.intent.clone()) {
            Some(Intent::Write {
                path,
                sha256,
                replaces,
            }) => self.write(&path, text, sha256, replaces),
            Some(Intent::Link { of, path }) => {
                let Effect::FileLink { after, .. } = &self.actions[seq].effect else {
                    return Err(Failure::Failed("it is no link".to_owned()));
                };
                let linked = match after.form {
                    LinkForm::Copy => self.local.copy(&of, &path),
                    LinkForm::Hardlink | LinkForm::M3u8 => self.local.place_beside(&of, &path),
                };
                let sha256 = self.local.hash(&of).map_err(|e| failed(&e))?;
                if let Err(error) = linked
                    && !self.has(&path, sha256)?
                {
                    return Err(failed(&error));
                }
                self.made(&path, sha256)
            }
            _ => Err(Failure::Failed("its intent is unknown".to_owned())),
        }
    }

    fn write(
        &mut self,
        path: &MediaPath,
        text: &str,
        sha256: ContentHash,
        replaces: Option<Replaced>,
    ) -> Attempt<Effected> {
        let replaced = match replaces {
            Some(was) if was.sha256 == sha256 => {
                // It says already what it shall say.
                return self.made(path, sha256);
            }
            Some(was) => {
                let trash_path = self.move_to_trash(&was, "replaced by a newer one")?;
                Some((was, trash_path))
            }
            None => None,
        };
        if let Err(error) = self.local.write_new(path, text.as_bytes())
            && !self.has(path, sha256)?
        {
            // Nothing changed is what a failure means, so the old one goes back.
            if let Some((was, trash_path)) = &replaced
                && let Err(Failure::Failed(second)) = self.rename(trash_path, path, was.sha256)
            {
                let text = format!("{error}; the old one is {trash_path}: {second}");
                return Err(Failure::Failed(text));
            }
            return Err(failed(&error));
        }
        let file = self.image(path, sha256).map_err(|e| failed(&e))?;
        Ok(Effected::of(Outcome::File(Made { file, replaced })))
    }

    /// Moves files to the trash; not after a failure.
    pub(super) async fn trash(&mut self) -> Result<()> {
        let pending = self.pending(Phase::Trash);
        for batch in pending.chunks(DESTRUCTIVE_BATCH) {
            self.check_stop()?;
            let (mut intents, mut ended) = (Vec::new(), Vec::new());
            let mut together = BTreeSet::new();
            for seq in batch.iter().copied() {
                match self.trash_intent(seq, &together) {
                    Ok(image) => {
                        together.insert(seq);
                        intents.push((seq, image));
                    }
                    Err(failure) => ended.push((seq, Err(failure))),
                }
            }
            let begun: Vec<usize> = intents.iter().map(|(seq, _)| *seq).collect();
            self.settle(ended).await?;
            self.intend(intents).await?;
            let mut ended = Vec::new();
            let mut broken = false;
            for seq in begun {
                let result = match broken {
                    true => Err(Failure::Cancelled(
                        "nothing is removed after a failure".to_owned(),
                    )),
                    false => self.trash_one(seq),
                };
                broken |= result.is_err();
                ended.push((seq, result));
            }
            self.settle(ended).await?;
        }
        Ok(())
    }

    fn trash_intent(&self, seq: usize, together: &BTreeSet<usize>) -> Attempt<PreImage> {
        self.blocked(seq, together)?;
        if self.phases[seq] == Phase::Trash {
            self.cancelled()?;
        }
        self.unchanged(seq)?;
        if let Effect::TrashPurge { before } = &self.actions[seq].effect {
            return Ok(PreImage::of(Intent::Purge {
                trash_path: before.trash_path.clone(),
                sha256: before.sha256,
            }));
        }
        let Effect::FileTrash { before } = &self.actions[seq].effect else {
            return Err(Failure::Failed("it is no trashing".to_owned()));
        };
        let stat = self.stat(&before.path)?;
        let stat = stat.ok_or_else(|| Failure::Failed(format!("{} is not there", before.path)))?;
        Ok(PreImage::of(Intent::Trash(Replaced {
            path: before.path.clone(),
            size: stat.size,
            mtime: stat.mtime,
            sha256: before.sha256,
        })))
    }

    fn trash_one(&mut self, seq: usize) -> Attempt<Effected> {
        if let Some(Intent::Purge { trash_path, sha256 }) =
            self.pre.get(&seq).map(|image| image.intent.clone())
        {
            let purged = self.local.purge(&trash_path, sha256);
            purged.map_err(|e| failed(&e))?;
            return Ok(Effected::of(Outcome::Nothing));
        }
        let Some(Intent::Trash(was)) = self.pre.get(&seq).map(|image| image.intent.clone()) else {
            return Err(Failure::Failed("its intent is unknown".to_owned()));
        };
        // Once more, now that the intent is durable: the right bytes or none.
        let sha256 = self.local.hash(&was.path).map_err(|e| failed(&e))?;
        if sha256 != was.sha256 {
            return Err(Failure::Failed(format!("{} changed", was.path)));
        }
        let reason = self.actions[seq].why.rule.clone();
        let trash_path = self.move_to_trash(&was, &reason)?;
        Ok(Effected::of(Outcome::Trashed { was, trash_path }))
    }

    fn move_to_trash(&mut self, was: &Replaced, reason: &str) -> Attempt<MediaPath> {
        match self.local.trash(&was.path, self.apply, reason) {
            Ok(trash_path) => Ok(trash_path),
            // It may be there all the same.
            Err(error) => match self.find_trashed(was)? {
                Some(trash_path) if self.stat(&was.path)?.is_none() => Ok(trash_path),
                _ => Err(failed(&error)),
            },
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

/// The link's path with the extension of what it links to, which the plan could not know of a file
/// that was still to be fetched.
fn linked_path(path: &MediaPath, of: &MediaPath) -> MediaPath {
    let extension = of.extension();
    match path.extension() == extension || extension.is_empty() {
        true => path.clone(),
        false => path.with_appended_extension(&extension),
    }
}

/// Whether `path` is `folder` or inside it.
fn is_within(path: &MediaPath, folder: &MediaPath) -> bool {
    path.root() == folder.root() && path.relative().starts_with(folder.relative())
}
