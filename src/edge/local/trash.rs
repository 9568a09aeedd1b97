//! The trash inside the library: a place for each run, a manifest, and a word to whoever opens it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{canary, place, volume};
use crate::domain::{ContentHash, FileStat, MediaPath};

/// Of the manifest of each run.
pub const MANIFEST: &str = "manifest.jsonl";
/// Beside the runs.
const README: &str = "README.txt";
/// The run-like place of files whose verified copy lies elsewhere in the library.
pub const PLACED: &str = "placed";

const README_TEXT: &str = "\
This is the trash of tidal-cleanup. Nothing in it goes away by itself.

Each numbered folder holds what one run of `tidal-cleanup apply` took away, under
the path that it had in your library:

    .tidal-cleanup/trash/12/Playlists/House/Song.mp3
      was                   Playlists/House/Song.mp3

To get the files of the last run back, use `tidal-cleanup undo`. To get a single
file back by hand, move it to its old place. A number at the end of a name, such
as `Song (2).mp3`, was added because the trash had a file of that name already.

The folder `placed` holds the originals of files that were moved by copying,
because the volume has no hard links. Their copies are in your library.

manifest.jsonl in each folder has one line for each event: where the file was
(path) and is (place), its size, SHA-256, time and mode, when and why it went.
A line with \"event\":\"restored\" says that it went back, one with \"purged\" that
`tidal-cleanup trash purge` deleted it.

To bring all files of run 12 back without this program, type this into a shell, in
the folder of your library. Nothing is overwritten. A name with a quote, a
backslash or a | in it has to be moved by hand.

    grep '\"event\":\"trashed\"' .tidal-cleanup/trash/12/manifest.jsonl |
    sed -n 's/.*\"path\":\"\\([^\"|\\]*\\)\",\"place\":\"\\([^\"|\\]*\\)\".*/\\2|\\1/p' |
    while IFS='|' read -r place path; do
        if [ -e \"$place\" ] && [ ! -e \"$path\" ]; then
            mkdir -p \"$(dirname \"$path\")\" && mv \"$place\" \"$path\"
        fi
    done
";

/// One line of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// Written before the file is moved.
    Trashed {
        /// Where it was.
        path: MediaPath,
        /// Where it is, below the library root.
        place: MediaPath,
        /// Bytes.
        size: u64,
        /// Of its content.
        sha256: ContentHash,
        /// Seconds and nanoseconds since 1970.
        mtime: (i64, u32),
        /// Unix permissions; 0 where there are none.
        mode: u32,
        /// When.
        at: Timestamp,
        /// Why, in words.
        reason: String,
    },
    /// It could not be moved, and still is where it was.
    Failed {
        /// Where it is.
        path: MediaPath,
        /// Where it would have gone.
        place: MediaPath,
        /// When.
        at: Timestamp,
    },
    /// It is about to be deleted for good.
    Purged {
        /// Where it was in the trash.
        place: MediaPath,
        /// When.
        at: Timestamp,
    },
    /// It went back into the library.
    Restored {
        /// Where it is.
        path: MediaPath,
        /// Where it was in the trash.
        place: MediaPath,
        /// When.
        at: Timestamp,
    },
}

/// `.tidal-cleanup/trash` below the root.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(canary::FOLDER).join("trash")
}

/// The events of one run's manifest, oldest first; a line that a crash tore is left out.
///
/// # Errors
/// When it is there and cannot be read.
pub fn events(root: &Path, run: &str) -> io::Result<Vec<Event>> {
    let path = root.join(folder()).join(run).join(MANIFEST);
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}

/// The files that lie in the trash, as paths below the root, in order; runs and manifests left out.
#[must_use]
pub fn files(root: &Path) -> Vec<MediaPath> {
    walkdir::WalkDir::new(root.join(folder()))
        .min_depth(2)
        .sort_by_file_name()
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| !entry.file_type().is_dir())
        .filter(|entry| entry.depth() > 2 || entry.file_name() != MANIFEST)
        .filter_map(|entry| {
            let relative = entry.path().strip_prefix(root).ok()?;
            Some(MediaPath::from_relative(0, relative))
        })
        .collect()
}

/// A file in the trash, with what its run's manifest says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lying {
    /// The run's number, or [`PLACED`].
    pub run: String,
    /// Where it is, below the root.
    pub place: MediaPath,
    /// Where it was.
    pub path: MediaPath,
    /// Its size now.
    pub size: u64,
    /// Its modification time now.
    pub mtime: (i64, u32),
    /// Its content, as it was put there; `None` when the manifest does not know it, or its size or
    /// time is another now.
    pub sha256: Option<ContentHash>,
    /// Since when.
    pub at: Option<Timestamp>,
}

/// Everything that lies in the trash, by place.
///
/// # Errors
/// When a manifest is there and cannot be read.
pub fn contents(root: &Path) -> io::Result<Vec<Lying>> {
    let mut known: BTreeMap<MediaPath, Event> = BTreeMap::new();
    let mut runs = BTreeSet::new();
    let mut lying = Vec::new();
    for place in files(root) {
        let Some(run) = run_of(&place) else { continue };
        if runs.insert(run.clone()) {
            for event in events(root, &run)? {
                if let Event::Trashed { place, .. } = &event {
                    known.insert(place.clone(), event);
                }
            }
        }
        let stat = volume::stat_of(&fs::symlink_metadata(root.join(place.relative()))?);
        let mut found = Lying {
            path: original(&place),
            run,
            size: stat.size,
            mtime: stat.mtime,
            sha256: None,
            at: None,
            place,
        };
        if let Some(Event::Trashed {
            path,
            size,
            sha256,
            mtime,
            at,
            ..
        }) = known.get(&found.place)
        {
            found.path = path.clone();
            found.at = Some(*at);
            found.sha256 = ((*size, *mtime) == (stat.size, stat.mtime)).then_some(*sha256);
        }
        lying.push(found);
    }
    Ok(lying)
}

/// The run in whose folder of the trash the file lies; `None` for everything else, manifests too.
#[must_use]
pub fn run_of(place: &MediaPath) -> Option<String> {
    let relative = place.relative();
    let inner = relative.strip_prefix(folder()).ok()?;
    let mut parts = inner.components();
    let run = parts.next()?.as_os_str().to_str()?.to_owned();
    let rest = parts.as_path();
    let is_file = !rest.as_os_str().is_empty() && rest != Path::new(MANIFEST);
    (place.is_safe() && place.is_in_library() && is_file).then_some(run)
}

/// The path that a file in the trash had, by its place alone.
fn original(place: &MediaPath) -> MediaPath {
    let relative = place.relative();
    let inner = relative.strip_prefix(folder()).unwrap_or(&relative);
    let mut parts = inner.components();
    parts.next();
    MediaPath::from_relative(0, parts.as_path())
}

/// Deletes a file of the trash: a line in the manifest, then the file, then the folders that it
/// leaves empty. The run's own folder stays, with its manifest.
pub(super) fn purge(root: &Path, run: &str, place: &MediaPath) -> io::Result<()> {
    let base = root.join(folder()).join(run);
    let event = Event::Purged {
        place: place.clone(),
        at: Timestamp::now(),
    };
    append(&base, &event)?;
    let file = root.join(place.relative());
    fs::remove_file(&file)?;
    let mut above = file.parent();
    while let Some(left) = above.filter(|left| *left != base && left.starts_with(&base)) {
        match fs::remove_dir(left) {
            Ok(()) => above = left.parent(),
            Err(_) => break,
        }
    }
    match above {
        Some(left) => volume::sync_folder(left),
        None => Ok(()),
    }
}

/// What goes into the manifest about a file.
pub(super) struct Facts {
    pub(super) path: MediaPath,
    /// The file that it is about; another one at its path is none of this step's business.
    pub(super) stat: FileStat,
    pub(super) hash: ContentHash,
    pub(super) reason: String,
}

/// Moves the file at `from` into the trash of `run`, and returns its place below the root.
///
/// A run that slept in here while another took over finds its place taken, or another file at `from`,
/// and moves nothing.
pub(super) fn take(root: &Path, run: &str, from: &Path, facts: &Facts) -> io::Result<MediaPath> {
    let base = root.join(folder()).join(run);
    let wanted = base.join(facts.path.relative());
    let above = wanted.parent().ok_or(io::ErrorKind::InvalidInput)?;
    place::make_folders(root, above)?;
    write_readme(root)?;
    let metadata = fs::symlink_metadata(from)?;
    let stat = volume::stat_of(&metadata);
    if stat != facts.stat {
        return Err(io::Error::other("it changed meanwhile"));
    }
    let mut places = (1..).map(|number| numbered(&wanted, number));
    // The manifest of this run may not be there yet, and its place is taken all the same.
    let manifest = base.join(MANIFEST);
    let vacant = places.find(|place| *place != manifest && fs::symlink_metadata(place).is_err());
    let target = vacant.ok_or(io::ErrorKind::AlreadyExists)?;
    let relative = target.strip_prefix(root).map_err(io::Error::other)?;
    let place = MediaPath::from_relative(0, relative);
    let (path, at) = (facts.path.clone(), Timestamp::now());
    let event = Event::Trashed {
        path: path.clone(),
        place: place.clone(),
        size: stat.size,
        sha256: facts.hash,
        mtime: stat.mtime,
        mode: mode(&metadata),
        at,
        reason: facts.reason.clone(),
    };
    append(&base, &event)?;
    if let Err(error) = place::move_to_vacant(from, &target) {
        // Whoever took the place meanwhile has written what lies there.
        if error.kind() != io::ErrorKind::AlreadyExists {
            append(&base, &Event::Failed { path, place, at })?;
        }
        return Err(error);
    }
    volume::sync_folder(above)?;
    if let Some(left) = from.parent() {
        volume::sync_folder(left)?;
    }
    Ok(place)
}

/// Notes that a file left the trash for `path`. A file that is not in the trash needs no note.
pub(super) fn note_restored(root: &Path, place: &MediaPath, path: &MediaPath) -> io::Result<()> {
    let relative = place.relative();
    let Ok(inner) = relative.strip_prefix(folder()) else {
        return Ok(());
    };
    let Some(run) = inner.components().next() else {
        return Ok(());
    };
    let event = Event::Restored {
        path: path.clone(),
        place: place.clone(),
        at: Timestamp::now(),
    };
    append(&root.join(folder()).join(run), &event)
}

/// `Song.mp3`, `Song (2).mp3`, `Song (3).mp3`…
fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 1 {
        return path.to_owned();
    }
    let mut name: OsString = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!(" ({number})"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

fn append(base: &Path, event: &Event) -> io::Result<()> {
    let path = base.join(MANIFEST);
    let is_new = !path.exists();
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    if !is_new && !ends_a_line(&path)? {
        line.insert(0, b'\n');
    }
    let mut file = File::options().append(true).create(true).open(&path)?;
    file.write_all(&line)?;
    file.sync_all()?;
    if is_new {
        volume::sync_folder(base)?;
    }
    Ok(())
}

/// A crash may have torn the last line; the next one must not be glued to it.
fn ends_a_line(path: &Path) -> io::Result<bool> {
    use std::io::{Read as _, Seek as _};
    let mut file = File::open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(io::SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == [b'\n'])
}

fn write_readme(root: &Path) -> io::Result<()> {
    let path = root.join(folder()).join(README);
    match place::write_new(&path, README_TEXT.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.mode() & 0o7777
}

#[cfg(not(unix))]
fn mode(_metadata: &fs::Metadata) -> u32 {
    0
}
