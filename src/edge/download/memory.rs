//! A downloader in memory: delivers made-up audio into a [`MemoryLibrary`].

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{Downloader, FetchError, Fetched};
use crate::{
    domain::{AudioFormat, Tags, Track, TrackId},
    edge::local::{VERIFIED, memory::MemoryLibrary},
};

/// Delivers every track at once, but those that it is told to withhold.
#[derive(Clone, Debug)]
pub struct MemoryDownloader {
    disk: MemoryLibrary,
    format: AudioFormat,
    withheld: Arc<Mutex<BTreeSet<TrackId>>>,
    asked: Arc<Mutex<Vec<TrackId>>>,
}

impl MemoryDownloader {
    /// Delivers files of `format` onto the disk of `library`.
    #[must_use]
    pub fn new(library: &MemoryLibrary, format: AudioFormat) -> Self {
        Self {
            disk: library.clone(),
            format,
            withheld: Arc::default(),
            asked: Arc::default(),
        }
    }

    /// From now on the track fails (`true`) or is delivered again.
    pub fn withhold(&self, track: &TrackId, yes: bool) {
        let mut withheld = self.withheld.lock().unwrap_or_else(PoisonError::into_inner);
        if yes {
            withheld.insert(track.clone());
        } else {
            withheld.remove(track);
        }
    }

    /// Every track that was asked for, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<TrackId> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }

    /// The bytes of a track in a format.
    #[must_use]
    pub fn bytes(track: &TrackId, format: AudioFormat) -> Vec<u8> {
        format!("{} of {track}", format.extension()).into_bytes()
    }

    fn has(&self, path: &Path) -> bool {
        let there = self.disk.locate(path);
        there.is_some_and(|path| self.disk.files().contains_key(&path))
    }

    const fn fetched(&self, path: PathBuf) -> Fetched {
        Fetched {
            path,
            format: self.format,
        }
    }

    fn put(&self, track: &Track, path: &Path, format: AudioFormat) -> Result<(), FetchError> {
        let Some(place) = self.disk.locate(path) else {
            return Err(not_delivered("the folder is outside the library"));
        };
        let tags = Tags {
            title: Some(track.full_title()),
            artists: track.artists.clone(),
            album: track.album.clone(),
            isrc: track.isrc.clone(),
            tidal_id: Some(track.id.clone()),
            ..Tags::default()
        };
        let duration_ms = track.duration_s.map(|seconds| u64::from(seconds) * 1000);
        let bytes = Self::bytes(&track.id, format);
        self.disk.put_tagged(&place, &bytes, tags, duration_ms);
        Ok(())
    }
}

impl Downloader for MemoryDownloader {
    async fn fetch(&self, track: &Track, workspace: &Path) -> Result<Fetched, FetchError> {
        let path = workspace.join(format!("{VERIFIED}.{}", self.format.extension()));
        if self.has(&path) {
            return Ok(self.fetched(path));
        }
        {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.push(track.id.clone());
        }
        let withheld = {
            let withheld = self.withheld.lock().unwrap_or_else(PoisonError::into_inner);
            withheld.contains(&track.id)
        };
        if withheld {
            return Err(not_delivered("it is withheld"));
        }
        self.put(track, &path, self.format)?;
        Ok(self.fetched(path))
    }

    async fn copy(
        &self,
        track: &Track,
        source: &Path,
        workspace: &Path,
    ) -> Result<Fetched, FetchError> {
        if !self.has(source) {
            return Err(not_delivered("the source is not there"));
        }
        let path = workspace.join(format!("{VERIFIED}.{}", self.format.extension()));
        self.put(track, &path, self.format)?;
        Ok(self.fetched(path))
    }

    async fn convert(
        &self,
        track: &Track,
        source: &Path,
        target: &Path,
        format: AudioFormat,
        _quality: &str,
    ) -> Result<(), FetchError> {
        if !self.has(source) {
            return Err(not_delivered("the source is not there"));
        }
        self.put(track, target, format)
    }
}

fn not_delivered(reason: &str) -> FetchError {
    FetchError::NotDelivered {
        program: "memory".to_owned(),
        reason: reason.to_owned(),
    }
}
