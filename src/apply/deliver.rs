//! Fetching and converting: several at once, each under its final name as soon as it is verified.
//!
//! A track is fetched into an incoming folder that is named after it. What was verified there outlives
//! an interruption and a failure behind it (an occupied name, no ffmpeg): the next run that wants the
//! track begins with it. One recording under two TIDAL ids is fetched and encoded once; the second
//! release gets a copy with tags of its own.

use std::{
    collections::{BTreeSet, VecDeque},
    path::{Path, PathBuf},
};

use super::{
    batch::{self, Job},
    meddling::Watch,
    run::{Attempt, BATCH, Effected, Failure, Phase, Result, Run, failed},
    verify::{missing_folders, names_of},
};
use crate::{
    domain::{AudioFormat, ContentHash, MediaPath, Track, TrackId},
    edge::{
        download::{Downloader, FetchError},
        local::{LocalError, LocalLibrary},
        rekordbox::RekordboxLibrary,
        store::{OperationStatus, StateStore},
    },
    plan::{
        NO_BETTER,
        document::{Effect, Fetch, OldFile},
    },
    record::{FileImage, Intent, Outcome, PreImage, image::Ready},
};

/// What a job leaves behind: the verified file and what it is.
type Delivered = std::result::Result<(PathBuf, AudioFormat), FetchError>;

impl<'a, L, R, D, S> Run<'a, L, R, D, S>
where
    L: LocalLibrary,
    R: RekordboxLibrary,
    D: Downloader,
    S: StateStore,
{
    /// Fetches or converts everything of the phase.
    pub(super) async fn deliver(&mut self, phase: Phase) -> Result<()> {
        let pending = self.pending(phase);
        let mut watch = match phase {
            Phase::Fetch if !pending.is_empty() => Watch::begin(self.local),
            _ => Watch::none(),
        };
        for batch in pending.chunks(BATCH) {
            let mut intents = Vec::new();
            let mut ended = Vec::new();
            for seq in batch.iter().copied() {
                match watch.allows().and_then(|()| self.may_deliver(seq)) {
                    Ok(()) => {
                        let incoming = self.incoming(seq);
                        let ready = None;
                        intents.push((seq, PreImage::of(Intent::Deliver { incoming, ready })));
                    }
                    Err(failure) => ended.push((seq, Err(failure))),
                }
            }
            self.settle(ended).await?;
            let queue = intents.iter().map(|(seq, _)| *seq).collect();
            self.intend(intents).await?;
            self.deliver_batch(queue, &mut watch).await?;
            self.look_around(&mut watch, batch.first().copied(), false);
        }
        Ok(())
    }

    /// Looks whether the files of the library are as they were before the download commands ran.
    /// `failed`: a command has just not delivered what it should, which makes it suspect.
    fn look_around(&mut self, watch: &mut Watch, seq: Option<usize>, failed: bool) {
        let ours = |path: &MediaPath| self.state.files.contains_key(path);
        let Some(told) = watch.look(self.local, ours, failed) else {
            return;
        };
        self.odd.extend(seq.map(|seq| (seq, told)));
    }

    async fn deliver_batch(&mut self, mut queue: VecDeque<usize>, watch: &mut Watch) -> Result<()> {
        let mut jobs: Vec<Job<'a, (usize, Delivered)>> = Vec::new();
        let mut suspected = false;
        loop {
            // What is being fetched is fetched; what waits for its turn does so until the next run.
            if !queue.is_empty() && !self.may_act().await? {
                let rest = queue.drain(..).map(|seq| (seq, Err(Failure::Untouched)));
                let rest = rest.collect();
                self.settle(rest).await?;
            }
            while jobs.len() < self.settings.parallel.max(1) {
                let Some(seq) = self.next_of(&mut queue, jobs.is_empty()) else {
                    break;
                };
                if let Err(failure) = watch.allows() {
                    self.settle(vec![(seq, Err(failure))]).await?;
                    continue;
                }
                match self.job(seq) {
                    Ok(job) => jobs.push(job),
                    Err(failure) => self.settle(vec![(seq, Err(failure))]).await?,
                }
            }
            if jobs.is_empty() {
                return self.check_stop();
            }
            let (seq, delivered) = batch::next(&mut jobs).await;
            let is_suspect = matches!(
                delivered,
                Err(FetchError::NotDelivered { .. } | FetchError::Wrong { .. })
            );
            self.delivered(seq, delivered).await?;
            if is_suspect && !suspected {
                // The first of a batch is enough: a look costs as much as a scan.
                suspected = true;
                self.look_around(watch, Some(seq), true);
            }
        }
    }

    /// The next to begin: the first that does not wait for another release of its recording, which runs
    /// or stands before it.
    fn next_of(&self, queue: &mut VecDeque<usize>, idle: bool) -> Option<usize> {
        let waits = |seq: &usize| {
            let leader = same_as(&self.actions[*seq].effect);
            let leader = leader.and_then(|leader| self.delivery_of(leader, self.phases[*seq]));
            leader.is_some_and(|leader| self.status[leader] == OperationStatus::Running)
        };
        let at = queue.iter().position(|seq| !waits(seq));
        queue.remove(at.or(idle.then_some(0))?)
    }

    /// The fetch or conversion of a track in this run.
    fn delivery_of(&self, track: &TrackId, phase: Phase) -> Option<usize> {
        (0..self.actions.len()).find(|seq| {
            self.phases[*seq] == phase
                && match &self.actions[*seq].effect {
                    Effect::FileFetch { after } => after.track == *track,
                    Effect::FileConvert { after } => after.track == *track,
                    _ => false,
                }
        })
    }

    /// What this run brought for another release of the same recording: a copy of it will do.
    fn twin(&self, seq: usize) -> Option<PathBuf> {
        let leader = same_as(&self.actions[seq].effect)?;
        let path = match &self.actions[seq].effect {
            Effect::FileFetch { after } if after.convert_to.is_some() => self.waiting(leader)?.1,
            _ => {
                let image = self
                    .post
                    .get(&self.delivery_of(leader, self.phases[seq])?)?;
                let file = image.file()?;
                self.is_there(file)
                    .is_ok_and(|there| there)
                    .then(|| file.path.clone())?
            }
        };
        self.absolute(&path).ok()
    }

    fn may_deliver(&self, seq: usize) -> Attempt<()> {
        self.blocked(seq, &BTreeSet::new())?;
        match &self.actions[seq].effect {
            Effect::FileFetch { after } if after.convert_to.is_none() => self.vacant_stem(after),
            Effect::FileConvert { after } => self.vacant(&after.path),
            _ => Ok(()),
        }
    }

    /// The name of the operation's own folder in `.tidal-cleanup/incoming`.
    pub(super) fn incoming(&self, seq: usize) -> String {
        let fetched = match &self.actions[seq].effect {
            Effect::FileFetch { after } => fetch_folder(&after.track),
            _ => None,
        };
        fetched.unwrap_or_else(|| format!("{}-{seq}", self.apply))
    }

    fn job(&mut self, seq: usize) -> Attempt<Job<'a, (usize, Delivered)>> {
        let folder = self
            .local
            .open_incoming(&self.incoming(seq))
            .map_err(|e| failed(&e))?;
        let workspace = self.absolute(&folder)?;
        let downloader = self.downloader;
        let action = self.actions[seq];
        let twin = self.twin(seq);
        match &action.effect {
            Effect::FileFetch { after } => {
                let track = self.planned(&after.track)?;
                Ok(Box::pin(async move {
                    let copied = match &twin {
                        Some(twin) => copy(downloader, track, twin, &workspace).await,
                        None => None,
                    };
                    let delivered = match copied {
                        Some(copied) => Ok(copied),
                        None => fetch(downloader, track, &workspace).await,
                    };
                    (seq, delivered)
                }))
            }
            Effect::FileConvert { after } => {
                let track = self.planned(&after.track)?;
                let waiting = self.waiting(&after.track);
                let source = match waiting {
                    Some((_, path)) => Some(self.absolute(&path)?),
                    None => None,
                };
                Ok(Box::pin(async move {
                    let target = workspace.join(format!("converted.{}", after.format.extension()));
                    let converted = async {
                        if let Some(twin) = &twin
                            && let Some(copied) = copy(downloader, track, twin, &workspace).await
                        {
                            return Ok(copied);
                        }
                        let source = match source {
                            Some(source) => source,
                            None => fetch(downloader, track, &workspace).await?.0,
                        };
                        let (format, quality) = (after.format, after.quality.as_str());
                        downloader
                            .convert(track, &source, &target, format, quality)
                            .await?;
                        Ok((target, format))
                    };
                    (seq, converted.await)
                }))
            }
            _ => Err(Failure::Failed("it is no delivery".to_owned())),
        }
    }

    async fn delivered(&mut self, seq: usize, delivered: Delivered) -> Result<()> {
        let came = delivered.is_ok();
        let result = match delivered {
            Ok((path, format)) => self.name(seq, path, format).await?,
            Err(error) => Err(failed(&error)),
        };
        let done = result.is_ok();
        let waits =
            matches!(&result, Ok(effected) if matches!(effected.outcome, Outcome::Waiting { .. }));
        let refused =
            matches!(&result, Err(Failure::Failed(reason)) if reason.starts_with(NO_BETTER));
        self.settle(vec![(seq, result)]).await?;
        // What came and could not get its name is kept for the next try; not what was refused.
        if !waits && (done || !came || refused) {
            self.clear(seq, done || refused);
        }
        Ok(())
    }

    /// Gives a verified file its final name, its second intent first.
    async fn name(
        &mut self,
        seq: usize,
        path: PathBuf,
        format: AudioFormat,
    ) -> Result<Attempt<Effected>> {
        if let Err(failure) = self.judge(seq, &path) {
            return Ok(Err(failure));
        }
        let ready = match self.ready(seq, &path, format) {
            Ok(Ok(ready)) => ready,
            Ok(Err(waiting)) => return Ok(Ok(Effected::of(waiting))),
            Err(failure) => return Ok(Err(failure)),
        };
        let folders = match missing_folders(self.local, &ready.to) {
            Ok(folders) => folders,
            Err(error) => return Ok(Err(failed(&error))),
        };
        let image = PreImage {
            folders,
            intent: Intent::Deliver {
                incoming: self.incoming(seq),
                ready: Some(ready.clone()),
            },
            earlier: None,
        };
        self.intend(vec![(seq, image)]).await?;
        Ok(self.rename_ready(&ready))
    }

    pub(super) fn rename_ready(&mut self, ready: &Ready) -> Attempt<Effected> {
        self.rename(&ready.from, &ready.to, ready.sha256)?;
        self.made(&ready.to, ready.sha256)
    }

    /// Moves a file of that content to a vacant place. An error of the file system does not tell
    /// whether it moved, so the file is looked for.
    pub(super) fn rename(
        &mut self,
        from: &MediaPath,
        to: &MediaPath,
        sha256: ContentHash,
    ) -> Attempt<()> {
        match self.local.rename(from, to) {
            Ok(_) => Ok(()),
            Err(error) => match (self.stat(from)?, self.has(to, sha256)?) {
                (None, true) => Ok(()),
                _ => Err(failed(&error)),
            },
        }
    }

    /// The file and the name that it gets; or that it waits for its conversion.
    fn ready(
        &self,
        seq: usize,
        path: &Path,
        format: AudioFormat,
    ) -> Attempt<std::result::Result<Ready, Outcome>> {
        let from = self.below_root(path)?;
        let to = match &self.actions[seq].effect {
            Effect::FileFetch { after } if after.convert_to.is_some() => {
                let incoming = self.incoming(seq);
                return Ok(Err(Outcome::Waiting {
                    incoming,
                    path: from,
                }));
            }
            Effect::FileFetch { after } => {
                self.vacant_stem(after)?;
                self.name_of(after, format)?
            }
            Effect::FileConvert { after } => after.path.clone(),
            _ => return Err(Failure::Failed("it is no delivery".to_owned())),
        };
        self.vacant(&to)?;
        let sha256 = self.local.hash(&from).map_err(|e| failed(&e))?;
        Ok(Ok(Ready { from, to, sha256 }))
    }

    /// Takes away what was worked on; a settled conversion also its source. What cannot be taken away
    /// now is taken away by the next run.
    pub(super) fn clear(&mut self, seq: usize, done: bool) {
        let mut names = vec![self.incoming(seq)];
        if let Effect::FileConvert { after } = &self.actions[seq].effect
            && done
        {
            names.extend(self.waiting(&after.track).map(|(incoming, _)| incoming));
        }
        for name in names {
            if let Err(error) = self.local.clear_incoming(&name) {
                tracing::warn!(folder = name, %error, "could not clear a download folder");
            }
        }
    }

    /// The download of the track that waits for its conversion, if it is still there.
    fn waiting(&self, track: &TrackId) -> Option<(String, MediaPath)> {
        self.post.iter().find_map(|(seq, image)| {
            let fetched = match &self.actions.get(*seq)?.effect {
                Effect::FileFetch { after } => &after.track,
                _ => return None,
            };
            let Outcome::Waiting { incoming, path } = &image.outcome else {
                return None;
            };
            let there = self.local.stat(path).is_ok_and(|stat| stat.is_some());
            (fetched == track && there).then(|| (incoming.clone(), path.clone()))
        })
    }

    fn planned(&self, track: &TrackId) -> Attempt<&'a Track> {
        let plan = self.plan;
        let planned = plan.body.tracks.get(track);
        planned.ok_or_else(|| Failure::Failed(format!("the plan does not describe track {track}")))
    }

    pub(super) fn absolute(&self, path: &MediaPath) -> Attempt<PathBuf> {
        let absolute = path.below(self.local.roots());
        absolute.ok_or_else(|| Failure::Failed(format!("{path} is below no known folder")))
    }

    pub(super) fn vacant(&self, path: &MediaPath) -> Attempt<()> {
        match self.local.stat(path) {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(Failure::Failed(format!("{path} already exists"))),
            Err(error) => Err(failed(&error)),
        }
    }

    fn vacant_stem(&self, fetch: &Fetch) -> Attempt<()> {
        let old = fetch.instead_of.as_ref().map(|old| &old.path);
        names_of(&fetch.stem, old).try_for_each(|path| self.vacant(&path))
    }

    /// Its stem and what came; with a number where that is the name of the file that it replaces.
    fn name_of(&self, fetch: &Fetch, format: AudioFormat) -> Attempt<MediaPath> {
        let name = |stem: &str| MediaPath::new(format!("{stem}.{}", format.extension()));
        let plain = name(fetch.stem.as_str());
        let is_old = |old: &OldFile| old.path.as_str().eq_ignore_ascii_case(plain.as_str());
        if !fetch.instead_of.as_ref().is_some_and(is_old) {
            return Ok(plain);
        }
        for number in 2..1_000 {
            let path = name(&format!("{} ({number})", fetch.stem));
            if self.stat(&path)?.is_none() {
                return Ok(path);
            }
        }
        Err(Failure::Failed(format!("{plain} already exists")))
    }

    /// Whether what came is better than the file that it shall take the place of.
    fn judge(&mut self, seq: usize, path: &Path) -> Attempt<()> {
        let Some(old) = self.actions[seq].effect.replaced() else {
            return Ok(());
        };
        let came = self.below_root(path)?;
        let came = self.local.facts(&came).map_err(|e| failed(&e))?;
        let lossless = came.format.is_lossless();
        // Rates of the same encoder differ a little from file to file: a tenth more is what it takes.
        let rate = match (came.kbps(), old.kbps) {
            (Some(new), Some(old)) => u64::from(new) * 10 >= u64::from(old) * 11,
            _ => false,
        };
        let better = match (lossless, old.lossless) {
            (true, false) => true,
            (false, true) => false,
            (true, true) | (false, false) => rate,
        };
        if better {
            return Ok(());
        }
        let words = |lossless: bool, kbps: Option<u32>| {
            let kind = if lossless { "lossless" } else { "lossy" };
            kbps.map_or_else(|| kind.to_owned(), |kbps| format!("{kind}, {kbps} kbit/s"))
        };
        Err(Failure::Failed(format!(
            "{NO_BETTER}what came is {}, and {} is {}",
            words(lossless, came.kbps()),
            old.path,
            words(old.lossless, old.kbps),
        )))
    }

    fn below_root(&self, path: &Path) -> Attempt<MediaPath> {
        let root = self.local.roots().first().cloned().unwrap_or_default();
        let relative = path
            .strip_prefix(&root)
            .map_err(|_| Failure::Failed(format!("{} is not below the library", path.display())))?;
        Ok(MediaPath::from_relative(0, relative))
    }

    /// A file as it stands.
    pub(super) fn image(
        &self,
        path: &MediaPath,
        sha256: ContentHash,
    ) -> std::result::Result<FileImage, LocalError> {
        let stat = self.local.stat(path)?.ok_or_else(|| LocalError::Changed {
            path: path.clone(),
            what: "is gone again".to_owned(),
        })?;
        Ok(FileImage {
            path: path.clone(),
            size: stat.size,
            mtime: stat.mtime,
            sha256,
        })
    }
}

async fn fetch<D: Downloader>(downloader: &D, track: &Track, workspace: &Path) -> Delivered {
    let fetched = downloader.fetch(track, workspace).await?;
    Ok((fetched.path, fetched.format))
}

/// The copy of another release's file; `None` when it cannot be made, and the command has to run.
async fn copy<D: Downloader>(
    downloader: &D,
    track: &Track,
    twin: &Path,
    workspace: &Path,
) -> Option<(PathBuf, AudioFormat)> {
    match downloader.copy(track, twin, workspace).await {
        Ok(copied) => Some((copied.path, copied.format)),
        Err(error) => {
            tracing::warn!(track.id = %track.id, %error, "could not copy another release's file");
            None
        }
    }
}

/// The track whose file will do for that of the effect.
const fn same_as(effect: &Effect) -> Option<&TrackId> {
    match effect {
        Effect::FileFetch { after } => after.same_as.as_ref(),
        Effect::FileConvert { after } => after.same_as.as_ref(),
        _ => None,
    }
}

/// The incoming folder of a track that is fetched, the same from run to run; `None` for an id that is
/// no fit name.
pub(super) fn fetch_folder(track: &TrackId) -> Option<String> {
    let id = track.as_str();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let fit = (1..=64).contains(&id.len()) && id.bytes().all(fits);
    fit.then(|| format!("track-{id}"))
}
