//! Worlds that die: the n-th change of any of them ends the process, as far as they are concerned.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use tidal_cleanup::{
    domain::{
        ApplyId, AudioFile, AudioFormat, Collection, ContentHash, FileStat, Library, LibraryId,
        MediaPath, NodeId, Observed, PlaylistId, State, Track,
        state::{Meta, PlaylistRow},
    },
    edge::{
        download::{Downloader, FetchError, Fetched},
        local::{LocalError, LocalLibrary, LocalReader},
        rekordbox::{
            Edit, Probe, RekordboxError, RekordboxLibrary, RekordboxReader, RowEdits, Staged,
        },
        store::{
            ApplyRow, ApplyStatus, Approval, Finding, HistoryFilter, HistoryRow, Intent, NewApply,
            NewOperation, NewSnapshot, OperationRow, RecentChange, Settlement, SnapshotRow,
            StateReader, StateStore, Statistics, StoreError,
        },
    },
};

/// When the worlds die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// The n-th change does not happen any more.
    Before(u32),
    /// The n-th change happens, and nobody hears of it.
    After(u32),
    /// The n-th change fails; life goes on.
    Refuse(u32),
    /// The n-th change happens and is said to have failed; life goes on.
    Lie(u32),
}

/// The clock of death, shared by all worlds of a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    changes: u32,
    death: Option<Death>,
    dead: bool,
    struck: bool,
}

impl Faults {
    /// Alive again, with the next death ahead.
    pub(crate) fn set(&self, death: Option<Death>) {
        *self.0.lock().unwrap() = Inner {
            changes: 0,
            death,
            dead: false,
            struck: false,
        };
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.0.lock().unwrap().dead
    }

    pub(crate) fn has_struck(&self) -> bool {
        self.0.lock().unwrap().struck
    }

    /// Whether the change happens, and whether anybody hears of it.
    fn change(&self) -> (bool, bool) {
        let mut inner = self.0.lock().unwrap();
        if inner.dead {
            return (false, false);
        }
        inner.changes += 1;
        let n = inner.changes;
        let (happens, heard) = match inner.death {
            Some(Death::Before(at)) if at == n => (false, false),
            Some(Death::After(at)) if at == n => (true, false),
            Some(Death::Refuse(at)) if at == n => {
                inner.struck = true;
                return (false, false);
            }
            Some(Death::Lie(at)) if at == n => {
                inner.struck = true;
                return (true, false);
            }
            _ => (true, true),
        };
        inner.dead = !heard;
        (happens, heard)
    }

    fn run<T, E>(&self, died: E, step: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        match self.change() {
            (false, _) => Err(died),
            (true, true) => step(),
            (true, false) => step().and(Err(died)),
        }
    }

    async fn run_async<T, E>(
        &self,
        died: E,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        match self.change() {
            (false, _) => Err(died),
            (true, true) => step.await,
            (true, false) => step.await.and(Err(died)),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Mortal<W> {
    pub(crate) world: W,
    pub(crate) faults: Faults,
}

impl<W> Mortal<W> {
    pub(crate) fn new(world: W, faults: &Faults) -> Self {
        Self {
            world,
            faults: faults.clone(),
        }
    }
}

fn cause() -> std::io::Error {
    std::io::Error::other("the process died")
}

fn local() -> LocalError {
    LocalError::Io {
        doing: "change",
        path: PathBuf::new(),
        source: cause(),
    }
}

fn rekordbox() -> RekordboxError {
    RekordboxError::Io {
        doing: "change",
        path: PathBuf::new(),
        source: cause(),
    }
}

fn fetch() -> FetchError {
    FetchError::Io {
        doing: "change",
        path: PathBuf::new(),
        source: cause(),
    }
}

fn store() -> StoreError {
    StoreError::Io {
        doing: "change",
        path: String::new(),
        source: cause(),
    }
}

impl<W: LocalReader> LocalReader for Mortal<W> {
    fn roots(&self) -> &[PathBuf] {
        self.world.roots()
    }
    fn scan(&mut self) -> Result<Observed<Library>, LocalError> {
        self.world.scan()
    }
    fn stat(&self, path: &MediaPath) -> Result<Option<FileStat>, LocalError> {
        self.world.stat(path)
    }
    fn hash(&self, path: &MediaPath) -> Result<ContentHash, LocalError> {
        self.world.hash(path)
    }
    fn facts(&mut self, path: &MediaPath) -> Result<AudioFile, LocalError> {
        self.world.facts(path)
    }
    fn read(&self, path: &MediaPath) -> Result<Vec<u8>, LocalError> {
        self.world.read(path)
    }
    fn canary(&self) -> Result<Option<LibraryId>, LocalError> {
        self.world.canary()
    }
}

impl<W: LocalLibrary> LocalLibrary for Mortal<W> {
    fn place_beside(
        &mut self,
        from: &MediaPath,
        to: &MediaPath,
    ) -> Result<Vec<MediaPath>, LocalError> {
        self.faults
            .run(local(), || self.world.place_beside(from, to))
    }
    fn drop_old_name(&mut self, old: &MediaPath, kept: &MediaPath) -> Result<(), LocalError> {
        self.faults
            .run(local(), || self.world.drop_old_name(old, kept))
    }
    fn rename(&mut self, from: &MediaPath, to: &MediaPath) -> Result<Vec<MediaPath>, LocalError> {
        self.faults.run(local(), || self.world.rename(from, to))
    }
    fn copy(&mut self, from: &MediaPath, to: &MediaPath) -> Result<Vec<MediaPath>, LocalError> {
        self.faults.run(local(), || self.world.copy(from, to))
    }
    fn write_new(
        &mut self,
        path: &MediaPath,
        content: &[u8],
    ) -> Result<Vec<MediaPath>, LocalError> {
        self.faults
            .run(local(), || self.world.write_new(path, content))
    }
    fn remove_empty_folders(
        &mut self,
        folders: &[MediaPath],
    ) -> Result<Vec<MediaPath>, LocalError> {
        self.faults
            .run(local(), || self.world.remove_empty_folders(folders))
    }
    fn trash(
        &mut self,
        path: &MediaPath,
        apply: ApplyId,
        reason: &str,
    ) -> Result<MediaPath, LocalError> {
        self.faults
            .run(local(), || self.world.trash(path, apply, reason))
    }
    fn purge(
        &mut self,
        place: &MediaPath,
        sha256: tidal_cleanup::domain::ContentHash,
    ) -> Result<(), LocalError> {
        self.faults.run(local(), || self.world.purge(place, sha256))
    }
    fn defer_sync(&mut self) {
        self.world.defer_sync();
    }
    fn sync(&mut self) -> Result<(), LocalError> {
        self.faults.run(local(), || self.world.sync())
    }
    fn clear_unfinished(&mut self, path: &MediaPath) -> Result<(), LocalError> {
        self.faults
            .run(local(), || self.world.clear_unfinished(path))
    }
    fn open_incoming(&mut self, name: &str) -> Result<MediaPath, LocalError> {
        self.faults.run(local(), || self.world.open_incoming(name))
    }
    fn clear_incoming(&mut self, name: &str) -> Result<(), LocalError> {
        self.faults.run(local(), || self.world.clear_incoming(name))
    }
    fn plant_canary(&mut self, id: &LibraryId) -> Result<(), LocalError> {
        self.faults.run(local(), || self.world.plant_canary(id))
    }
}

impl<W: RekordboxReader + Sync> RekordboxReader for Mortal<W> {
    async fn read(&self) -> Result<Observed<Collection>, RekordboxError> {
        self.world.read().await
    }
    fn running(&self) -> Result<Vec<String>, RekordboxError> {
        self.world.running()
    }
    async fn probe(&self, edits: &RowEdits) -> Result<Probe, RekordboxError> {
        self.world.probe(edits).await
    }
}

impl<W: RekordboxLibrary + Send + Sync> RekordboxLibrary for Mortal<W> {
    async fn prepare(&mut self) -> Result<PathBuf, RekordboxError> {
        let faults = self.faults.clone();
        faults.run_async(rekordbox(), self.world.prepare()).await
    }
    async fn stage(
        &mut self,
        edits: &[Edit],
        now: Timestamp,
    ) -> Result<Vec<Staged>, RekordboxError> {
        self.world.stage(edits, now).await
    }
    async fn commit(&mut self, edits: &[RowEdits], now: Timestamp) -> Result<(), RekordboxError> {
        let faults = self.faults.clone();
        faults
            .run_async(rekordbox(), self.world.commit(edits, now))
            .await
    }
    async fn finish(&mut self, touched: &[NodeId], now: Timestamp) -> Result<(), RekordboxError> {
        let faults = self.faults.clone();
        faults
            .run_async(rekordbox(), self.world.finish(touched, now))
            .await
    }
}

impl<W: Downloader + Send> Downloader for Mortal<W> {
    async fn fetch(&self, track: &Track, workspace: &Path) -> Result<Fetched, FetchError> {
        let step = self.world.fetch(track, workspace);
        self.faults.run_async(fetch(), step).await
    }
    async fn copy(
        &self,
        track: &Track,
        source: &Path,
        workspace: &Path,
    ) -> Result<Fetched, FetchError> {
        let step = self.world.copy(track, source, workspace);
        self.faults.run_async(fetch(), step).await
    }
    async fn convert(
        &self,
        track: &Track,
        source: &Path,
        target: &Path,
        format: AudioFormat,
        quality: &str,
    ) -> Result<(), FetchError> {
        let step = self.world.convert(track, source, target, format, quality);
        self.faults.run_async(fetch(), step).await
    }
}

impl<W: StateReader + Sync> StateReader for Mortal<W> {
    async fn meta(&self) -> Result<Meta, StoreError> {
        self.world.meta().await
    }
    async fn state(&self) -> Result<State, StoreError> {
        self.world.state().await
    }
    async fn applies(&self) -> Result<Vec<ApplyRow>, StoreError> {
        self.world.applies().await
    }
    async fn operations(&self, apply: ApplyId) -> Result<Vec<OperationRow>, StoreError> {
        self.world.operations(apply).await
    }
    async fn applied_plan(&self, apply: ApplyId) -> Result<Option<String>, StoreError> {
        self.world.applied_plan(apply).await
    }
    async fn unfinished(&self) -> Result<Option<ApplyRow>, StoreError> {
        self.world.unfinished().await
    }
    async fn last_reading(&self) -> Result<Option<String>, StoreError> {
        self.world.last_reading().await
    }
    async fn last_snapshot(&self, kind: &str) -> Result<Option<SnapshotRow>, StoreError> {
        self.world.last_snapshot(kind).await
    }
    async fn playlist_names(&self) -> Result<Vec<String>, StoreError> {
        self.world.playlist_names().await
    }

    async fn playlists_by_name(&self, name: &str) -> Result<Vec<PlaylistRow>, StoreError> {
        self.world.playlists_by_name(name).await
    }
    async fn history(&self, filter: &HistoryFilter) -> Result<Vec<HistoryRow>, StoreError> {
        self.world.history(filter).await
    }
    async fn recent_changes(
        &self,
        playlist: &PlaylistId,
        limit: usize,
    ) -> Result<Vec<RecentChange>, StoreError> {
        self.world.recent_changes(playlist, limit).await
    }
    async fn is_elsewhere(&self, apply: ApplyId) -> Result<bool, StoreError> {
        self.world.is_elsewhere(apply).await
    }
    async fn approvals(&self) -> Result<Vec<Approval>, StoreError> {
        self.world.approvals().await
    }
    async fn statistics(&self) -> Result<Statistics, StoreError> {
        self.world.statistics().await
    }
    async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        self.world.check().await
    }
}

impl<W: StateStore + Send + Sync> StateStore for Mortal<W> {
    async fn set_library(&mut self, id: &LibraryId) -> Result<(), StoreError> {
        self.world.set_library(id).await
    }
    async fn save_snapshot(&mut self, snapshot: NewSnapshot<'_>) -> Result<(), StoreError> {
        let faults = self.faults.clone();
        faults
            .run_async(store(), self.world.save_snapshot(snapshot))
            .await
    }
    async fn approve(&mut self, approval: &Approval) -> Result<(), StoreError> {
        self.world.approve(approval).await
    }
    async fn begin_apply(
        &mut self,
        apply: NewApply,
        operations: &[NewOperation],
        at: Timestamp,
    ) -> Result<ApplyId, StoreError> {
        let faults = self.faults.clone();
        let step = self.world.begin_apply(apply, operations, at);
        faults.run_async(store(), step).await
    }
    async fn resume_apply(&mut self, apply: ApplyId, at: Timestamp) -> Result<(), StoreError> {
        let faults = self.faults.clone();
        faults
            .run_async(store(), self.world.resume_apply(apply, at))
            .await
    }
    async fn hold(&self, apply: ApplyId) -> Result<(), StoreError> {
        match self.faults.is_dead() {
            true => Err(store()),
            false => self.world.hold(apply).await,
        }
    }
    async fn intend(
        &mut self,
        apply: ApplyId,
        intents: &[Intent],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let faults = self.faults.clone();
        faults
            .run_async(store(), self.world.intend(apply, intents, at))
            .await
    }
    async fn settle(
        &mut self,
        apply: ApplyId,
        settlements: &[Settlement],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let faults = self.faults.clone();
        faults
            .run_async(store(), self.world.settle(apply, settlements, at))
            .await
    }
    async fn finish_apply(
        &mut self,
        apply: ApplyId,
        status: ApplyStatus,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let faults = self.faults.clone();
        faults
            .run_async(store(), self.world.finish_apply(apply, status, at))
            .await
    }
}
