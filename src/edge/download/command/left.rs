//! What a command leaves in its folder, looked at without trusting it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{super::FetchError, failed};
use crate::{
    domain::{AudioFormat, Track},
    edge::local::volume,
};

/// How deep below its folder a command's files are looked for.
const DEPTH: usize = 16;
/// How many files a command may leave.
const FILES: usize = 10_000;

/// A folder's identity: a command may remove its own and put a link to another in its place.
#[derive(PartialEq, Eq)]
pub(super) struct Own(u64, u64);

impl Own {
    pub(super) fn of(dir: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(dir)?;
        if !metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let stat = volume::stat_of(&metadata);
        Ok(Self(stat.device, stat.inode))
    }
}

/// The bytes of all files below `dir`, as far as they can be seen while somebody writes there.
pub(super) fn bytes_below(dir: &Path) -> u64 {
    walkdir::WalkDir::new(dir)
        .max_depth(DEPTH)
        .follow_links(false)
        .follow_root_links(false)
        .into_iter()
        .take(FILES)
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .filter(fs::Metadata::is_file)
        .fold(0, |sum, metadata| sum + metadata.len())
}

/// More than a track can need: several copies of the finest stereo there is.
pub(super) fn most_bytes(track: &Track) -> u64 {
    const FINEST: u64 = 4 << 20;
    let seconds = track
        .duration_s
        .filter(|seconds| *seconds > 0)
        .unwrap_or(3600);
    (256 << 20) + u64::from(seconds) * FINEST
}

pub(super) enum Search {
    Io(PathBuf, io::Error),
    /// Nothing, or nothing yet.
    Nothing(String),
    /// Too much.
    Wrong(String),
}

/// The one non-empty audio file below `dir`. Covers, lyrics and lists may lie beside it; links are not
/// followed.
pub(super) fn only_audio_file(dir: &Path) -> Result<PathBuf, Search> {
    let (mut audio, mut empty, mut seen) = (Vec::new(), false, 0_usize);
    for entry in walkdir::WalkDir::new(dir)
        .max_depth(DEPTH)
        .follow_links(false)
        .follow_root_links(false)
        .sort_by_file_name()
    {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(dir).to_owned();
            Search::Io(path, error.into())
        })?;
        seen += 1;
        if seen > FILES {
            return Err(Search::Wrong(format!("it left more than {FILES} files")));
        }
        let format = entry
            .path()
            .extension()
            .and_then(|extension| extension.to_str())
            .and_then(|extension| AudioFormat::from_extension(&extension.to_lowercase()));
        if !entry.file_type().is_file() || format.is_none() {
            continue;
        }
        let size = entry
            .metadata()
            .map_err(|error| Search::Io(entry.path().to_owned(), error.into()))?
            .len();
        if size == 0 {
            empty = true;
        } else {
            audio.push(entry.into_path());
        }
    }
    match (audio.as_slice(), empty) {
        ([path], _) => Ok(path.clone()),
        ([], true) => Err(Search::Nothing("the file that it left is empty".to_owned())),
        ([], false) => Err(Search::Nothing("it left no audio file".to_owned())),
        (several, _) => Err(Search::Wrong(format!(
            "it left {} audio files instead of one",
            several.len()
        ))),
    }
}

/// The file itself, or a copy of it when it is also known by another name: a downloader may link out of
/// a store of its own, which our tag must not change.
#[cfg(unix)]
pub(super) fn own_copy(path: PathBuf) -> Result<PathBuf, FetchError> {
    use std::os::unix::fs::MetadataExt as _;
    let links = fs::symlink_metadata(&path)
        .map_err(|source| failed("look at", &path, source))?
        .nlink();
    if links < 2 {
        return Ok(path);
    }
    let mut copy = path.clone().into_os_string();
    copy.push(".copy");
    let copy = PathBuf::from(copy);
    fs::copy(&path, &copy)
        .and_then(|_| fs::rename(&copy, &path))
        .map_err(|source| failed("copy", &path, source))?;
    Ok(path)
}

#[cfg(not(unix))]
pub(super) fn own_copy(path: PathBuf) -> Result<PathBuf, FetchError> {
    Ok(path)
}
