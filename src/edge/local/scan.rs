//! Reads everything below the roots: folders side by side, files only where they changed.

mod listing;
mod walk;

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashSet},
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rayon::prelude::*;

use super::{
    LocalError,
    cache::{Body, Entry, FileCache, Gone, OLDEST},
    canary, hash,
    tags::{self, FileFacts, Reading},
    volume,
};
use walk::{Found, Walked, walk};

use crate::domain::{
    AudioFile, AudioFormat, ContentHash, FileStat, Library, LibraryId, MediaPath, Observed,
    Problem, SidecarFile, VanishedFile,
};

/// Threads that wait for the disk; reading tags is bound by its latency, not by the processor.
const READERS: usize = 16;
/// Threads that list folders, at least: beyond eight a disk gives no more.
const WALKERS: usize = 4;
/// Files between two times of putting results in their places, so that these do not pile up.
const AT_ONCE: usize = 8_192;
/// Tag readers of others may recurse.
const STACK: usize = 16 << 20;
/// A file that changed this recently may change again without its times showing it: kernels stamp
/// files by a clock that ticks only every few milliseconds.
const TICK: Duration = Duration::from_millis(20);
/// Files that are gone and not forgotten, beside those that went just now.
const MOST_GONE: usize = 50_000;

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
    /// As [`stamp`] tells it.
    pub stamp: Option<ContentHash>,
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
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (walked, stamp, mut learnt) = threads(cores.max(WALKERS), &root)?.install(|| {
        let mut walked = walk(roots, &root)?;
        let found = in_path_order(std::mem::take(&mut walked.found));
        let stamp = walked.stamp(&found, edge(began));
        Ok((walked, stamp, recall(found, cache, wish)))
    })?;
    let unread = by_inode(&learnt.files);
    if !unread.is_empty() {
        threads(READERS, &root)?.install(|| learn(roots, &mut learnt, &unread, cache, wish));
    }
    Ok(Scan {
        stamp,
        ..assemble(walked, learnt, cache, id, began)
    })
}

/// One hash for all that a scan would find: names, sizes, times, inodes. Two that are equal say that no file came,
/// went or changed in between. `None` where that cannot be told: something cannot be read, or changed a moment ago.
///
/// # Errors
/// As [`scan`].
pub fn stamp(roots: &[PathBuf]) -> Result<Option<ContentHash>, LocalError> {
    let began = SystemTime::now();
    let (root, _) = open_root(roots)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    threads(cores.max(WALKERS), &root)?.install(|| {
        let mut walked = walk(roots, &root)?;
        let found = in_path_order(std::mem::take(&mut walked.found));
        Ok(walked.stamp(&found, edge(began)))
    })
}

/// The change time from which a file may change again without showing it; `None`: it may whatever its time.
fn edge(began: SystemTime) -> Option<(i64, u32)> {
    let edge = began.checked_sub(TICK)?;
    let edge = edge.duration_since(UNIX_EPOCH).ok()?;
    let seconds = i64::try_from(edge.as_secs()).unwrap_or(i64::MAX);
    Some((seconds, edge.subsec_nanos()))
}

fn threads(count: usize, root: &Path) -> Result<rayon::ThreadPool, LocalError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .stack_size(STACK)
        .build()
        .map_err(|error| io_error("start threads to read", root, io::Error::other(error)))
}

/// One list of all folders' files. Those of a folder are in order already, and most folders' files stand
/// together, so that there is little left to sort.
fn in_path_order(mut folders: Vec<Vec<Found>>) -> Vec<Found> {
    folders.retain(|folder| !folder.is_empty());
    folders.sort_unstable_by(|a, b| {
        a.first()
            .map(|file| &file.path)
            .cmp(&b.first().map(|file| &file.path))
    });
    let is_sorted = folders.is_sorted_by(|a, b| {
        let (last, first) = (a.last(), b.first());
        last.map(|file| &file.path) <= first.map(|file| &file.path)
    });
    let mut found = Vec::with_capacity(folders.iter().map(Vec::len).sum());
    found.extend(folders.into_iter().flatten());
    if !is_sorted {
        found.sort_by(|a: &Found, b| a.path.cmp(&b.path));
    }
    found
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

/// What is known of one found file, by its place in the list. Kept small: a rescan has a hundred
/// thousand of them, and filling fresh memory costs it more than anything else that it does itself.
enum Learnt<'c> {
    /// It must be opened.
    Nothing(Found),
    Audio(Audio<'c>),
    Playlist(SidecarFile),
    /// It is gone, or cannot be hashed: why.
    Lost(Problem),
}

/// An audio file.
enum Audio<'c> {
    /// It was opened.
    Read(Box<AudioFile>),
    /// It has not changed. What is remembered of it is taken apart at the end only, in its last place;
    /// beside it a hash that was learnt since.
    Known(Found, Body<'c>, Option<Box<ContentHash>>),
}

struct LearntAll<'c> {
    /// One for each found file, in the same order.
    files: Vec<Learnt<'c>>,
    /// Files that must be read again next time.
    doubtful: BTreeSet<MediaPath>,
    /// Remembered audio files that are not there now, in path order.
    gone: Vec<Gone<'c>>,
    /// Whether other files are there than were remembered.
    is_news: bool,
    cost: Cost,
}

/// Takes what is remembered of the files that have not changed.
fn recall(found: Vec<Found>, cache: &FileCache, wish: Wish) -> LearntAll<'_> {
    let (known, unmet) = match_entries(&found, cache);
    let is_news = unmet.iter().any(|entry| entry.body.age() == 0)
        || known.iter().flatten().any(|body| body.age() > 0);
    let gone = still_known(unmet, cache);
    let files: Vec<Learnt<'_>> = found
        .into_par_iter()
        .zip(known)
        .map(|(file, body)| match body {
            Some(body) => reuse(file, body, cache, wish),
            None => Learnt::Nothing(file),
        })
        .collect();
    LearntAll {
        gone,
        is_news,
        cost: Cost {
            opened: 0,
            reused: files.len(),
        },
        files,
        doubtful: BTreeSet::new(),
    }
}

/// Reads the rest.
fn learn(
    roots: &[PathBuf],
    learnt: &mut LearntAll<'_>,
    unread: &[Vec<usize>],
    cache: &FileCache,
    wish: Wish,
) {
    let files = &mut learnt.files;
    for some in unread.chunks(AT_ONCE) {
        let read: Vec<(usize, Learnt<'_>, bool)> = some
            .par_iter()
            .with_max_len(1)
            .flat_map_iter(|same| read_once(roots, files, same, cache, wish))
            .collect();
        learnt.cost.reused -= read.len();
        for (at, read, certain) in read {
            if let Learnt::Nothing(file) = std::mem::replace(&mut files[at], read)
                && !certain
            {
                learnt.doubtful.insert(file.path);
            }
        }
    }
    learnt.cost.opened = unread.len();
}

/// What is remembered of each found file that has not changed, and the entries of files that were not found: both are in
/// path order.
fn match_entries<'c>(
    found: &[Found],
    cache: &'c FileCache,
) -> (Vec<Option<Body<'c>>>, Vec<Entry<'c>>) {
    let mut entries = cache.iter();
    let mut next = entries.next();
    let mut unmet = Vec::new();
    let known = found
        .iter()
        .map(|file| {
            let path = file.path.as_str().as_bytes();
            while let Some(entry) = next {
                let order = entry.path.cmp(path);
                if order == Ordering::Greater {
                    break;
                }
                next = entries.next();
                if order == Ordering::Equal {
                    return (entry.stat == file.stat).then_some(entry.body);
                }
                unmet.push(entry);
            }
            None
        })
        .collect();
    unmet.extend(next);
    unmet.extend(entries);
    (known, unmet)
}

/// The audio files that are gone and still worth a thought, so that a file that was moved is known
/// again. When others go they age, and the oldest are forgotten.
fn still_known<'c>(unmet: Vec<Entry<'c>>, cache: &FileCache) -> Vec<Gone<'c>> {
    let mut ages = [0_usize; OLDEST as usize + 1];
    unmet
        .iter()
        .for_each(|entry| ages[usize::from(entry.body.age())] += 1);
    let step = u8::from(ages[0] > 0);
    let mut sum = 0;
    let mut room = |count: &usize| {
        sum += count;
        sum <= MOST_GONE
    };
    // Those that went just now are all kept: what is moved together is found together.
    let young = ages.iter().take_while(|&count| room(count)).count().max(1);
    let keep = |entry: &Entry<'_>| {
        usize::from(entry.body.age()) < young
            && entry.body.age() + step <= OLDEST
            && entry.body.is_audio()
    };
    let kept = unmet.into_iter().filter(keep);
    kept.map(|entry| {
        let path = MediaPath::new(String::from_utf8_lossy(entry.path));
        Gone {
            age: entry.body.age() + step,
            hash: cache
                .learnt(&path, &entry.stat)
                .or_else(|| entry.body.hash()),
            entry,
        }
    })
    .collect()
}

fn reuse<'c>(file: Found, body: Body<'c>, cache: &FileCache, wish: Wish) -> Learnt<'c> {
    if !file.is_audio {
        return match body.hash() {
            Some(hash) => Learnt::Playlist(SidecarFile {
                path: file.path,
                stat: file.stat,
                hash,
            }),
            None => Learnt::Nothing(file),
        };
    }
    let hash = cache.learnt(&file.path, &file.stat);
    if !body.is_audio() || (wish.hashes && hash.is_none() && body.hash().is_none()) {
        return Learnt::Nothing(file);
    }
    let hash = hash.map(Box::new);
    Learnt::Audio(Audio::Known(file, body, hash))
}

/// The files to be opened, by their places in the list: the names of one inode together, in the order
/// of inodes, which on many volumes is that of the disk.
fn by_inode(files: &[Learnt<'_>]) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    let mut alone = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let Learnt::Nothing(file) = file else {
            continue;
        };
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
    files: &[Learnt<'_>],
    same: &[usize],
    cache: &FileCache,
    wish: Wish,
) -> Vec<(usize, Learnt<'static>, bool)> {
    let promise = |path: &MediaPath| tags::format_of_name(Path::new(path.as_str()));
    let mut results: Vec<(usize, Learnt<'static>, bool)> = Vec::with_capacity(same.len());
    for &at in same {
        let Some(Learnt::Nothing(file)) = files.get(at) else {
            continue;
        };
        let twin = results
            .iter()
            .find_map(|(_, learnt, certain)| match learnt {
                Learnt::Audio(Audio::Read(twin))
                    if *certain && promise(&twin.path) == promise(&file.path) =>
                {
                    let path = file.path.clone();
                    let twin = AudioFile::clone(twin);
                    Some(Learnt::Audio(Audio::Read(Box::new(AudioFile {
                        path,
                        ..twin
                    }))))
                }
                _ => None,
            });
        let (learnt, certain) =
            twin.map_or_else(|| read_one(roots, file, cache, wish), |twin| (twin, true));
        results.push((at, learnt, certain));
    }
    results
}

fn read_one(
    roots: &[PathBuf],
    file: &Found,
    cache: &FileCache,
    wish: Wish,
) -> (Learnt<'static>, bool) {
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
    let named = tags::format_of_name(&real).unwrap_or(AudioFormat::Mp3);
    match tags::read_stable(&real, named) {
        Reading::Gone => lost(&"it vanished while the library was read"),
        Reading::Doubtful(facts) => {
            let audio = audio_of(file.path.clone(), file.stat, facts, None);
            (Learnt::Audio(Audio::Read(Box::new(audio))), false)
        }
        Reading::Certain(facts, stat) => {
            let known = cache.learnt(&file.path, &stat);
            let hash = match (known, wish.hashes) {
                (None, true) => hash_unchanged(&real, &stat),
                (known, _) => known,
            };
            let audio = audio_of(file.path.clone(), stat, facts, hash);
            (Learnt::Audio(Audio::Read(Box::new(audio))), true)
        }
    }
}

fn audio_of(
    path: MediaPath,
    stat: FileStat,
    facts: FileFacts,
    hash: Option<ContentHash>,
) -> AudioFile {
    AudioFile {
        path,
        stat,
        format: facts.format,
        tags: facts.tags,
        duration_ms: facts.duration_ms,
        left_ms: facts.left_ms,
        bitrate_kbps: facts.bitrate_kbps,
        sample_rate_hz: facts.sample_rate_hz,
        bit_depth: facts.bit_depth,
        hash,
        problem: facts.problem,
    }
}

/// The hash of the file, unless it is no longer the one that `stat` tells of.
pub(super) fn hash_unchanged(path: &Path, stat: &FileStat) -> Option<ContentHash> {
    let mut file = volume::open_regular(path).ok()?;
    let hash = hash::hash_reader(&mut file).ok()?;
    (volume::stat_of(&file.metadata().ok()?) == *stat).then_some(hash)
}

impl Audio<'_> {
    fn decoded(self) -> AudioFile {
        match self {
            Self::Read(audio) => *audio,
            Self::Known(file, body, hash) => {
                let hash = hash.map(|hash| *hash).or_else(|| body.hash());
                let facts = body.facts().unwrap_or_else(|| {
                    let format = tags::format_of_name(Path::new(file.path.as_str()));
                    FileFacts {
                        problem: Some("what was learnt of it earlier is damaged".to_owned()),
                        ..FileFacts::unknown(format.unwrap_or(AudioFormat::Mp3))
                    }
                });
                audio_of(file.path, file.stat, facts, hash)
            }
        }
    }
}

fn assemble(
    walked: Walked,
    learnt: LearntAll<'_>,
    old: &FileCache,
    id: Option<LibraryId>,
    began: SystemTime,
) -> Scan {
    let mut library = Library {
        id,
        unreadable: walked.unreadable,
        ..Library::default()
    };
    let mut problems = walked.problems;
    let audio: Vec<Audio<'_>> = learnt
        .files
        .into_iter()
        .filter_map(|file| match file {
            Learnt::Audio(audio) => Some(audio),
            Learnt::Playlist(sidecar) => {
                library.sidecars.push(sidecar);
                None
            }
            Learnt::Lost(problem) => {
                problems.push(problem);
                None
            }
            // Every file was either known or read.
            Learnt::Nothing(_) => None,
        })
        .collect();
    library.files = audio.into_par_iter().map(Audio::decoded).collect();
    for file in &library.files {
        problems.extend(file.problem.as_ref().map(|message| Problem {
            subject: file.path.to_string(),
            message: message.clone(),
            leaves_hole: false,
        }));
    }
    library.unreadable.sort_unstable();
    problems.sort_unstable();
    library.vanished = vanished(&learnt.gone, &library.unreadable);
    let same = learnt.cost.opened == 0 && !learnt.is_news;
    // What cannot be opened is tried again each time, and nothing new is learnt of it.
    let cache = (!same)
        .then(|| remember(&library, &learnt.gone, &learnt.doubtful, began))
        .filter(|new| !new.is_as(old));
    Scan {
        library: Observed {
            value: library,
            problems,
        },
        cache,
        cost: learnt.cost,
        stamp: None,
    }
}

/// The files that are gone for certain.
fn vanished(gone: &[Gone<'_>], unread: &[MediaPath]) -> Vec<VanishedFile> {
    let unread: Vec<String> = unread.iter().map(|folder| format!("{folder}/")).collect();
    let is_certain = |path: &MediaPath| {
        let path = path.as_str();
        unread
            .iter()
            .all(|folder| folder != "/" && !path.starts_with(folder))
    };
    let file = |gone: &Gone<'_>| VanishedFile {
        path: MediaPath::new(String::from_utf8_lossy(gone.entry.path)),
        stat: gone.entry.stat,
        hash: gone.hash,
    };
    gone.iter()
        .map(file)
        .filter(|file| is_certain(&file.path))
        .collect()
}

fn remember(
    library: &Library,
    gone: &[Gone<'_>],
    doubtful: &BTreeSet<MediaPath>,
    began: SystemTime,
) -> FileCache {
    let edge = edge(began);
    let recent: HashSet<&MediaPath> = library
        .files
        .iter()
        .map(|file| (&file.path, file.stat))
        .chain(library.sidecars.iter().map(|file| (&file.path, file.stat)))
        .filter(|(_, stat)| edge.is_none_or(|edge| stat.ctime >= edge))
        .map(|(path, _)| path)
        .collect();
    FileCache::of(library, gone, &|path| {
        doubtful.contains(path) || recent.contains(path)
    })
}

#[cfg(test)]
mod tests;
