//! Reads everything below the roots: folders side by side, files only where they changed.

mod walk;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rayon::prelude::*;

use super::{
    LocalError,
    cache::{Entry, FileCache},
    canary, hash,
    tags::{self, FileFacts, Reading},
    volume,
};
use walk::{Found, Walked, walk};

use crate::domain::{
    AudioFile, ContentHash, FileStat, Library, LibraryId, MediaPath, Observed, Problem, SidecarFile,
};

/// Threads that wait for the disk; reading tags is bound by its latency, not by the processor.
const READERS: usize = 16;
/// Tag readers of others may recurse.
const STACK: usize = 16 << 20;
/// A file that changed this recently may change again without its times showing it: kernels stamp
/// files by a clock that ticks only every few milliseconds.
const TICK: Duration = Duration::from_millis(20);
/// What a scan is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Learn the SHA-256 of every audio file, and not only of playlist files.
    pub hashes: bool,
}

/// What a scan cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Files that were opened.
    pub opened: usize,
    /// Files that were known and unchanged.
    pub reused: usize,
}

/// The result of a scan.
#[derive(Clone, Debug)]
pub struct Scan {
    /// What is there.
    pub library: Observed<Library>,
    /// What to remember for the next scan; `None` when that is what was remembered already.
    pub cache: Option<FileCache>,
    /// What it cost.
    pub cost: Cost,
}

/// Reads the library root (the first of `roots`) and the sources (the others); what `cache` knows of
/// and has not changed is not opened.
///
/// # Errors
/// [`LocalError::Missing`] when the root is not there, [`LocalError::Io`] when it cannot be read,
/// [`LocalError::Canary`] when the marker is damaged.
pub fn scan(roots: &[PathBuf], cache: &FileCache, wish: Wish) -> Result<Scan, LocalError> {
    let began = SystemTime::now();
    let (root, id) = open_root(roots)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(READERS)
        .stack_size(STACK)
        .build()
        .map_err(|error| io_error("start threads to read", &root, io::Error::other(error)))?;
    pool.install(|| {
        let mut walked = walk(roots, &root)?;
        walked
            .found
            .par_sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let learnt = learn(roots, &walked.found, cache, wish);
        Ok(assemble(walked, learnt, cache, id, began))
    })
}

/// What one file says of itself, with the stack that reading it may take.
pub(super) fn facts_of(path: &Path) -> io::Result<FileFacts> {
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().stack_size(STACK);
        let reader = reader.spawn_scoped(scope, || tags::read_file(path))?;
        reader
            .join()
            .map_err(|_| io::Error::other("the reader of tags gave up"))
    })
}

fn open_root(roots: &[PathBuf]) -> Result<(PathBuf, Option<LibraryId>), LocalError> {
    let root = roots.first().cloned().unwrap_or_default();
    match fs::canonicalize(&root) {
        Ok(real) if real.is_dir() => {
            let id = canary::read(&root)?;
            Ok((real, id))
        }
        Ok(_) => Err(LocalError::Missing(root)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(LocalError::Missing(root)),
        Err(error) => Err(io_error("read", &root, error)),
    }
}

fn io_error(doing: &'static str, path: &Path, source: io::Error) -> LocalError {
    LocalError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// What is known of one found file, by its place in the list.
enum Learnt {
    Audio(Box<AudioFile>),
    Playlist(SidecarFile),
    /// It is gone, or cannot be hashed: why.
    Lost(Problem),
}

struct LearntAll {
    /// One for each found file, in the same order.
    files: Vec<Learnt>,
    /// Files that must be read again next time.
    doubtful: BTreeSet<MediaPath>,
    cost: Cost,
}

fn learn(roots: &[PathBuf], found: &[Found], cache: &FileCache, wish: Wish) -> LearntAll {
    let known = match_entries(found, cache);
    let reused: Vec<Option<Learnt>> = found
        .par_iter()
        .zip(known)
        .map(|(file, entry)| reuse(file, entry?, cache, wish))
        .collect();
    let to_read = by_inode(found, &reused);
    let cost = Cost {
        opened: to_read.len(),
        reused: reused.iter().flatten().count(),
    };
    let read: Vec<(usize, Learnt, bool)> = to_read
        .into_par_iter()
        .with_max_len(1)
        .flat_map_iter(|same| read_once(roots, found, &same, cache, wish))
        .collect();
    let mut files: Vec<Option<Learnt>> = reused;
    let mut doubtful = BTreeSet::new();
    for (at, learnt, certain) in read {
        if !certain {
            doubtful.insert(found[at].path.clone());
        }
        files[at] = Some(learnt);
    }
    LearntAll {
        files: files.into_iter().flatten().collect(),
        doubtful,
        cost,
    }
}

/// The remembered entry of each found file: both are in path order.
fn match_entries<'c>(found: &[Found], cache: &'c FileCache) -> Vec<Option<Entry<'c>>> {
    let mut entries = cache.iter().peekable();
    found
        .iter()
        .map(|file| {
            let path = file.path.as_str();
            while entries.next_if(|entry| entry.path < path).is_some() {}
            entries
                .next_if(|entry| entry.path == path)
                .filter(|entry| entry.stat == file.stat)
        })
        .collect()
}

fn reuse(file: &Found, entry: Entry<'_>, cache: &FileCache, wish: Wish) -> Option<Learnt> {
    let path = file.path.clone();
    if !file.is_audio {
        let hash = entry.hash()?;
        let stat = file.stat;
        return Some(Learnt::Playlist(SidecarFile { path, stat, hash }));
    }
    let mut audio = entry.audio(path)?;
    audio.hash = cache.learnt(&audio.path, &audio.stat).or(audio.hash);
    (audio.hash.is_some() || !wish.hashes).then(|| Learnt::Audio(Box::new(audio)))
}

/// The files to be opened, the names of one inode together, in the order of inodes, which on many
/// volumes is that of the disk.
fn by_inode(found: &[Found], reused: &[Option<Learnt>]) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<(u64, u64, bool), Vec<usize>> = BTreeMap::new();
    let mut alone = Vec::new();
    for (at, file) in found
        .iter()
        .enumerate()
        .filter(|(at, _)| reused[*at].is_none())
    {
        if file.stat.inode == 0 {
            alone.push(vec![at]);
        } else {
            let key = (file.stat.device, file.stat.inode, file.is_audio);
            groups.entry(key).or_default().push(at);
        }
    }
    groups.into_values().chain(alone).collect()
}

/// Reads one file, and tells of all its names. The flag says whether the result may be remembered.
fn read_once(
    roots: &[PathBuf],
    found: &[Found],
    same: &[usize],
    cache: &FileCache,
    wish: Wish,
) -> Vec<(usize, Learnt, bool)> {
    let mut results = Vec::new();
    let mut first: Option<(AudioFile, bool)> = None;
    for &at in same {
        let file = &found[at];
        let promise = tags::format_of_name(&file.path.relative());
        let twin = first.as_ref().filter(|(twin, certain)| {
            *certain && tags::format_of_name(&twin.path.relative()) == promise
        });
        let (learnt, certain) = match twin {
            Some((twin, _)) => {
                let path = file.path.clone();
                (
                    Learnt::Audio(Box::new(AudioFile {
                        path,
                        ..twin.clone()
                    })),
                    true,
                )
            }
            None => read_one(roots, file, cache, wish),
        };
        if let Learnt::Audio(audio) = &learnt {
            first.get_or_insert_with(|| ((**audio).clone(), certain));
        }
        results.push((at, learnt, certain));
    }
    results
}

fn read_one(roots: &[PathBuf], file: &Found, cache: &FileCache, wish: Wish) -> (Learnt, bool) {
    let lost = |error: &dyn std::fmt::Display| {
        let problem = Problem {
            subject: file.path.to_string(),
            message: format!("could not be read: {error}"),
            leaves_hole: true,
        };
        (Learnt::Lost(problem), false)
    };
    let Some(real) = file.path.below(roots) else {
        return lost(&"its source is not configured");
    };
    if !file.is_audio {
        return match hash::hash_file(&real) {
            Ok(hash) => {
                let (path, stat) = (file.path.clone(), file.stat);
                (Learnt::Playlist(SidecarFile { path, stat, hash }), true)
            }
            Err(error) => lost(&error),
        };
    }
    match tags::read_stable(&real) {
        Reading::Gone => lost(&"it vanished while the library was read"),
        Reading::Doubtful(facts) => (audio_of(file, file.stat, facts, None), false),
        Reading::Certain(facts, stat) => {
            let known = cache.learnt(&file.path, &stat);
            let hash = match (known, wish.hashes) {
                (None, true) => hash_unchanged(&real, &stat),
                (known, _) => known,
            };
            (audio_of(file, stat, facts, hash), true)
        }
    }
}

fn audio_of(file: &Found, stat: FileStat, facts: FileFacts, hash: Option<ContentHash>) -> Learnt {
    Learnt::Audio(Box::new(AudioFile {
        path: file.path.clone(),
        stat,
        format: facts.format,
        tags: facts.tags,
        duration_ms: facts.duration_ms,
        bitrate_kbps: facts.bitrate_kbps,
        sample_rate_hz: facts.sample_rate_hz,
        bit_depth: facts.bit_depth,
        hash,
        problem: facts.problem,
    }))
}

/// The hash of the file, unless it is no longer the one that `stat` tells of.
pub(super) fn hash_unchanged(path: &Path, stat: &FileStat) -> Option<ContentHash> {
    let mut file = volume::open_regular(path).ok()?;
    let hash = hash::hash_reader(&mut file).ok()?;
    (volume::stat_of(&file.metadata().ok()?) == *stat).then_some(hash)
}

fn assemble(
    walked: Walked,
    learnt: LearntAll,
    old: &FileCache,
    id: Option<LibraryId>,
    began: SystemTime,
) -> Scan {
    let mut library = Library {
        id,
        unreadable: walked.unreadable,
        files: Vec::with_capacity(learnt.files.len()),
        ..Library::default()
    };
    let mut problems = walked.problems;
    for file in learnt.files {
        match file {
            Learnt::Audio(audio) => library.files.push(*audio),
            Learnt::Playlist(sidecar) => library.sidecars.push(sidecar),
            Learnt::Lost(problem) => problems.push(problem),
        }
    }
    for file in &library.files {
        problems.extend(file.problem.as_ref().map(|message| Problem {
            subject: file.path.to_string(),
            message: message.clone(),
            leaves_hole: false,
        }));
    }
    library.unreadable.sort_unstable();
    problems.sort_unstable();
    let same = learnt.cost.opened == 0 && old.iter().count() == learnt.cost.reused;
    let cache = (!same).then(|| remember(&library, &learnt.doubtful, began));
    Scan {
        library: Observed {
            value: library,
            problems,
        },
        cache,
        cost: learnt.cost,
    }
}

fn remember(library: &Library, doubtful: &BTreeSet<MediaPath>, began: SystemTime) -> FileCache {
    let edge = began
        .checked_sub(TICK)
        .and_then(|edge| edge.duration_since(UNIX_EPOCH).ok())
        .map(|edge| {
            let seconds = i64::try_from(edge.as_secs()).unwrap_or(i64::MAX);
            (seconds, edge.subsec_nanos())
        });
    let recent: HashSet<&MediaPath> = library
        .files
        .iter()
        .map(|file| (&file.path, file.stat))
        .chain(library.sidecars.iter().map(|file| (&file.path, file.stat)))
        .filter(|(_, stat)| edge.is_none_or(|edge| stat.ctime >= edge))
        .map(|(path, _)| path)
        .collect();
    FileCache::of(library, &|path| {
        doubtful.contains(path) || recent.contains(path)
    })
}

#[cfg(test)]
mod tests;
