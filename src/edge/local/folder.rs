//! A library on disk: the reading and the writing trait for a folder and its extra sources.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use rayon::prelude::*;

use super::{
    LocalError, LocalLibrary, LocalReader,
    cache::FileCache,
    canary, hash, place,
    scan::{self, Cost, Wish},
    trash, volume,
};
use crate::domain::{
    ApplyId, AudioFile, ContentHash, FileStat, Library, LibraryId, MediaPath, Observed,
};

/// The largest file that [`LocalReader::read`] takes into memory.
const LARGEST_READ: u64 = 16 << 20;

/// What reading all files anew found; hard links of one file count once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Files whose content is what it was.
    pub same: usize,
    /// Files whose hash was not known before.
    pub learnt: usize,
    /// Files whose content is another, although the file system says that they did not change.
    pub changed: Vec<MediaPath>,
    /// Files that could not be read to their end, or changed meanwhile.
    pub unread: Vec<MediaPath>,
}

/// The library root and its sources on this machine's file system.
#[derive(Debug)]
pub struct LibraryFolder {
    roots: Vec<PathBuf>,
    cache: Mutex<FileCache>,
    wish: Wish,
    cost: Cost,
    stamp: Option<ContentHash>,
    /// Folders to be synced later; `None`: each is synced at once.
    unsynced: Mutex<Option<BTreeSet<PathBuf>>>,
}

impl LibraryFolder {
    /// The library at `root` with further `sources`, which are only read, and what earlier scans learnt.
    #[must_use]
    pub fn new(root: &Path, sources: &[PathBuf], cache: FileCache) -> Self {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let roots = std::iter::once(root)
            .chain(sources.iter().map(PathBuf::as_path))
            .map(absolute)
            .collect();
        Self {
            roots,
            cache: Mutex::new(cache),
            wish: Wish::default(),
            cost: Cost::default(),
            stamp: None,
            unsynced: Mutex::new(None),
        }
    }

    /// Lets each scan learn the SHA-256 of every audio file (`hash = "always"`).
    #[must_use]
    pub const fn with_hashes(mut self, always: bool) -> Self {
        self.wish.hashes = always;
        self
    }

    /// What the last scan cost.
    #[must_use]
    pub const fn cost(&self) -> Cost {
        self.cost
    }

    /// What the last scan saw, as one hash ([`scan::stamp`]).
    #[must_use]
    pub const fn scanned(&self) -> Option<ContentHash> {
        self.stamp
    }

    /// What a scan would see now, as one hash.
    ///
    /// # Errors
    /// As a scan.
    pub fn stamp(&self) -> Result<Option<ContentHash>, LocalError> {
        scan::stamp(&self.roots)
    }

    /// Writes what was learnt to the cache file, if there is something new.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save_cache(&self, path: &Path) -> io::Result<()> {
        self.lock().save(path)
    }

    /// Reads `files` anew, as many at a time as there are cores, and compares them with the hashes that
    /// are remembered of them. What differs keeps its old hash, so that it is told of again; a hash that
    /// was not known is learnt.
    pub fn verify(&mut self, files: &[AudioFile]) -> Verified {
        let mut seen = BTreeSet::new();
        let once = |file: &&AudioFile| {
            let key = (file.stat.device, file.stat.inode);
            file.stat.inode == 0 || seen.insert(key)
        };
        let files: Vec<&AudioFile> = files.iter().filter(once).collect();
        let hashes: Vec<Option<ContentHash>> = files
            .par_iter()
            .map(|file| {
                let real = self.real(&file.path).ok()?;
                scan::hash_unchanged(&real, &file.stat)
            })
            .collect();
        let mut verified = Verified::default();
        for (file, hash) in files.into_iter().zip(hashes) {
            match (file.hash, hash) {
                (_, None) => verified.unread.push(file.path.clone()),
                (Some(before), Some(now)) if before == now => verified.same += 1,
                (Some(_), Some(_)) => verified.changed.push(file.path.clone()),
                (None, Some(now)) => {
                    verified.learnt += 1;
                    self.lock().remember(file.path.clone(), file.stat, now);
                }
            }
        }
        verified
    }

    /// The SHA-256 of each file, or why it cannot be told; as many files at a time as there are cores.
    #[must_use]
    pub fn hashes(&self, paths: &[&MediaPath]) -> Vec<Result<ContentHash, LocalError>> {
        paths.par_iter().map(|path| self.hash(path)).collect()
    }

    /// What was learnt.
    #[must_use]
    pub fn into_cache(self) -> FileCache {
        self.cache
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that may still be written to the library's volume.
    ///
    /// # Errors
    /// When the file system cannot say.
    pub fn free_bytes(&self) -> Result<u64, LocalError> {
        let root = self.root();
        volume::free_bytes(root).map_err(|source| failed("ask for the free space of", root, source))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, FileCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the names in the folder of `path` durable, now or with the rest of the batch.
    fn sync_above(&self, path: &Path) -> Result<(), LocalError> {
        let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        match unsynced.as_mut() {
            Some(folders) => {
                folders.insert(path.parent().unwrap_or(path).to_owned());
                Ok(())
            }
            None => sync_above(path),
        }
    }

    fn root(&self) -> &Path {
        self.roots.first().map_or(Path::new(""), PathBuf::as_path)
    }

    /// Where a path to be read lies.
    fn real(&self, path: &MediaPath) -> Result<PathBuf, LocalError> {
        let outside = || LocalError::Outside(path.clone());
        if !path.is_safe() {
            return Err(outside());
        }
        path.below(&self.roots).ok_or_else(outside)
    }

    /// Where a path to be changed lies: in the library, in no source, and with no link on the way that
    /// leads out of it.
    fn own(&self, path: &MediaPath) -> Result<PathBuf, LocalError> {
        let real = self.real(path)?;
        if !path.is_in_library() {
            return Err(LocalError::Outside(path.clone()));
        }
        let mut above = real.parent().unwrap_or(&real);
        let folder = loop {
            match fs::canonicalize(above) {
                Ok(folder) => break folder,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // What is not there yet will be made by us; what dangles will not.
                    if fs::symlink_metadata(above).is_ok() {
                        return Err(LocalError::Outside(path.clone()));
                    }
                    above = match above.parent() {
                        Some(parent) if above != self.root() => parent,
                        _ => return Err(LocalError::Missing(self.root().to_owned())),
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                    above = above.parent().unwrap_or(above);
                }
                Err(source) => return Err(failed("look at", above, source)),
            }
        };
        if self.innermost_root(&folder, above) == Some(0) {
            Ok(real)
        } else {
            Err(LocalError::Outside(path.clone()))
        }
    }

    /// The root that a folder belongs to; a source inside the library is the source's. `named`: as it was
    /// asked for.
    fn innermost_root(&self, folder: &Path, named: &Path) -> Option<usize> {
        // A path without a link on its way has none on the way to a root above it either.
        let real = |root: &Path| match folder == named && named.starts_with(root) {
            true => Some(root.to_owned()),
            false => fs::canonicalize(root).ok(),
        };
        self.roots
            .iter()
            .enumerate()
            .filter_map(|(number, root)| Some((number, real(root)?)))
            .filter(|(_, root)| folder.starts_with(root))
            .max_by_key(|(number, root)| (root.components().count(), *number))
            .map(|(number, _)| number)
    }

    /// A regular file that is to be moved or copied.
    fn regular(&self, path: &MediaPath, real: &Path) -> Result<FileStat, LocalError> {
        let changed = |what: &str| LocalError::Changed {
            path: path.clone(),
            what: what.to_owned(),
        };
        match fs::symlink_metadata(real) {
            Ok(metadata) if metadata.is_file() => Ok(volume::stat_of(&metadata)),
            Ok(_) => Err(changed("is no regular file")),
            Err(error) if is_absent(&error) => Err(changed("is not there")),
            Err(source) => Err(failed("look at", real, source)),
        }
    }

    /// Makes the folders above `real`, then takes a step in them; when it fails, they go again.
    fn in_new_folders(
        &self,
        path: &MediaPath,
        real: &Path,
        step: impl FnOnce() -> Result<(), LocalError>,
    ) -> Result<Vec<MediaPath>, LocalError> {
        let folder = real.parent().unwrap_or(real);
        let made = place::make_folders(self.root(), folder).map_err(|error| {
            if error.kind() == io::ErrorKind::NotADirectory {
                LocalError::Occupied(path.parent().unwrap_or_else(|| path.clone()))
            } else {
                failed("make the folder", folder, error)
            }
        })?;
        match step() {
            Ok(()) => Ok(made.iter().map(|made| self.media(made)).collect()),
            Err(error) => {
                made.iter().rev().for_each(|made| _ = fs::remove_dir(made));
                Err(error)
            }
        }
    }

    fn media(&self, real: &Path) -> MediaPath {
        let relative = real.strip_prefix(self.root()).unwrap_or(real);
        MediaPath::from_relative(0, relative)
    }
}

/// Whether `to` is the file `from` already: another name of it, or a copy that we made because this
/// volume has no links to give.
fn is_that_file(from: &Path, from_stat: &FileStat, to: &Path) -> Result<bool, LocalError> {
    let to_stat = match fs::symlink_metadata(to) {
        Ok(metadata) if metadata.is_file() => volume::stat_of(&metadata),
        Ok(_) => return Ok(false),
        Err(source) => return Err(failed("look at", to, source)),
    };
    if (from_stat.device, from_stat.inode) == (to_stat.device, to_stat.inode) {
        return Ok(true);
    }
    let alike = (from_stat.size, from_stat.mtime) == (to_stat.size, to_stat.mtime);
    Ok(alike && !place::can_link(from) && hash_of(from)? == hash_of(to)?)
}

/// A folder of ours for one download: never one of the user's.
fn incoming(name: &str) -> Result<MediaPath, LocalError> {
    let folder = Path::new(canary::FOLDER).join("incoming");
    let path = MediaPath::from_relative(0, &folder.join(name));
    match path.is_safe() && !name.is_empty() && !name.contains(['/', '\\']) {
        true => Ok(path),
        false => Err(LocalError::Outside(path)),
    }
}

/// Empties a folder of ours, but for a regular file that is called [`super::VERIFIED`].
fn clear_unverified(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // Whatever took the folder's name.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return fs::remove_file(folder);
        }
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        let verified = path.file_stem().is_some_and(|stem| stem == super::VERIFIED);
        match (kind.is_dir(), kind.is_file() && verified) {
            (_, true) => {}
            (true, _) => fs::remove_dir_all(path)?,
            (false, _) => fs::remove_file(path)?,
        }
    }
    Ok(())
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> LocalError {
    LocalError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn hash_of(path: &Path) -> Result<ContentHash, LocalError> {
    hash::hash_file(path).map_err(|source| failed("read", path, source))
}

fn sync_above(path: &Path) -> Result<(), LocalError> {
    let folder = path.parent().unwrap_or(path);
    volume::sync_folder(folder).map_err(|source| failed("sync the folder", folder, source))
}

fn occupied_or(
    doing: &'static str,
    to: &MediaPath,
    real: &Path,
) -> impl FnOnce(io::Error) -> LocalError {
    move |source| match source.kind() {
        io::ErrorKind::AlreadyExists => LocalError::Occupied(to.clone()),
        _ => failed(doing, real, source),
    }
}

impl LocalReader for LibraryFolder {
    fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    fn scan(&mut self) -> Result<Observed<Library>, LocalError> {
        let scanned = scan::scan(&self.roots, &self.lock(), self.wish)?;
        if let Some(cache) = scanned.cache {
            *self.lock() = cache;
        }
        self.cost = scanned.cost;
        self.stamp = scanned.stamp;
        Ok(scanned.library)
    }

    fn stat(&self, path: &MediaPath) -> Result<Option<FileStat>, LocalError> {
        let real = self.real(path)?;
        match fs::symlink_metadata(&real) {
            Ok(metadata) => Ok(Some(volume::stat_of(&metadata))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(source) => Err(failed("look at", &real, source)),
        }
    }

    fn hash(&self, path: &MediaPath) -> Result<ContentHash, LocalError> {
        let real = self.real(path)?;
        let read = |source| failed("read", &real, source);
        let mut file = volume::open_regular(&real).map_err(read)?;
        let before = volume::stat_of(&file.metadata().map_err(read)?);
        if let Some(known) = self.lock().hash(path, &before) {
            return Ok(known);
        }
        let hash = hash::hash_reader(&mut file).map_err(read)?;
        if volume::stat_of(&file.metadata().map_err(read)?) != before {
            return Err(LocalError::Changed {
                path: path.clone(),
                what: "changed while it was read".to_owned(),
            });
        }
        self.lock().remember(path.clone(), before, hash);
        Ok(hash)
    }

    fn facts(&mut self, path: &MediaPath) -> Result<AudioFile, LocalError> {
        let real = self.real(path)?;
        let stat = self.regular(path, &real)?;
        let facts = scan::facts_of(&real)
            .map_err(|source| failed("start a thread to read", &real, source))?;
        Ok(AudioFile {
            path: path.clone(),
            stat,
            format: facts.format,
            tags: facts.tags,
            duration_ms: facts.duration_ms,
            left_ms: facts.left_ms,
            bitrate_kbps: facts.bitrate_kbps,
            sample_rate_hz: facts.sample_rate_hz,
            bit_depth: facts.bit_depth,
            hash: self.lock().hash(path, &stat),
            problem: facts.problem,
        })
    }

    fn read(&self, path: &MediaPath) -> Result<Vec<u8>, LocalError> {
        let real = self.real(path)?;
        let read = |source| failed("read", &real, source);
        let file = volume::open_regular(&real).map_err(read)?;
        let mut content = Vec::new();
        file.take(LARGEST_READ + 1)
            .read_to_end(&mut content)
            .map_err(read)?;
        if content.len() as u64 > LARGEST_READ {
            return Err(read(io::Error::other("it is larger than 16 MiB")));
        }
        Ok(content)
    }

    fn canary(&self) -> Result<Option<LibraryId>, LocalError> {
        canary::read(self.root())
    }
}

impl LocalLibrary for LibraryFolder {
    fn place_beside(
        &mut self,
        from: &MediaPath,
        to: &MediaPath,
    ) -> Result<Vec<MediaPath>, LocalError> {
        let (old, new) = (self.own(from)?, self.own(to)?);
        let stat = self.regular(from, &old)?;
        self.in_new_folders(to, &new, || {
            match place::link_or_copy(&old, &new) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if !is_that_file(&old, &stat, &new)? {
                        return Err(LocalError::Occupied(to.clone()));
                    }
                }
                Err(source) => return Err(failed("place a file at", &new, source)),
            }
            self.sync_above(&new)?;
            self.sync_above(&old)
        })
    }

    fn drop_old_name(&mut self, old: &MediaPath, kept: &MediaPath) -> Result<(), LocalError> {
        let (gone, stays) = (self.own(old)?, self.own(kept)?);
        if self.stat(old)?.is_none() {
            return Ok(());
        }
        let old_stat = self.regular(old, &gone)?;
        let kept_stat = self.regular(kept, &stays)?;
        let io = |source| failed("take away the old name", &gone, source);
        if place::is_same_entry(&gone, &stays).map_err(io)? {
            // One name in two spellings: taking either away would take the file away.
            if gone != stays {
                fs::rename(&gone, &stays).map_err(io)?;
            }
            return self.sync_above(&stays);
        }
        if (old_stat.device, old_stat.inode) == (kept_stat.device, kept_stat.inode) {
            if link_count(&gone).map_err(io)? < 2 {
                return Err(LocalError::Changed {
                    path: old.clone(),
                    what: format!("and {kept} are one name of one file"),
                });
            }
            fs::remove_file(&gone).map_err(io)?;
            return self.sync_above(&gone);
        }
        let hash = hash_of(&gone)?;
        if old_stat.size != kept_stat.size || hash != hash_of(&stays)? {
            return Err(LocalError::Changed {
                path: old.clone(),
                what: format!("is not the same file as {kept}"),
            });
        }
        let facts = trash::Facts {
            path: old.clone(),
            stat: old_stat,
            hash,
            reason: format!("moved to {kept}"),
        };
        self.move_to_trash(trash::PLACED, &gone, &facts).map(drop)
    }

    fn rename(&mut self, from: &MediaPath, to: &MediaPath) -> Result<Vec<MediaPath>, LocalError> {
        let (old, new) = (self.own(from)?, self.own(to)?);
        self.regular(from, &old)?;
        let made = self.in_new_folders(to, &new, || {
            place::move_to_vacant(&old, &new).map_err(occupied_or("move a file to", to, &new))?;
            self.sync_above(&new)?;
            self.sync_above(&old)
        })?;
        trash::note_restored(self.root(), from, to)
            .map_err(|source| failed("note in the manifest of", &old, source))?;
        Ok(made)
    }

    fn copy(&mut self, from: &MediaPath, to: &MediaPath) -> Result<Vec<MediaPath>, LocalError> {
        let (old, new) = (self.real(from)?, self.own(to)?);
        self.regular(from, &old)?;
        self.in_new_folders(to, &new, || {
            place::copy_verified(&old, &new).map_err(occupied_or("copy a file to", to, &new))
        })
    }

    fn write_new(
        &mut self,
        path: &MediaPath,
        content: &[u8],
    ) -> Result<Vec<MediaPath>, LocalError> {
        let real = self.own(path)?;
        self.in_new_folders(path, &real, || {
            place::write_new(&real, content).map_err(occupied_or("write", path, &real))
        })
    }

    fn remove_empty_folders(
        &mut self,
        folders: &[MediaPath],
    ) -> Result<Vec<MediaPath>, LocalError> {
        let mut inward: Vec<&MediaPath> = folders.iter().collect();
        inward.sort_by_key(|folder| std::cmp::Reverse(folder.relative().components().count()));
        let mut removed = Vec::new();
        for folder in inward {
            let real = self.own(folder)?;
            match fs::remove_dir(&real) {
                Ok(()) => {
                    self.sync_above(&real)?;
                    removed.push(folder.clone());
                }
                Err(error)
                    if is_absent(&error)
                        || error.kind() == io::ErrorKind::DirectoryNotEmpty
                        || error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(failed("remove the empty folder", &real, source)),
            }
        }
        Ok(removed)
    }

    fn trash(
        &mut self,
        path: &MediaPath,
        apply: ApplyId,
        reason: &str,
    ) -> Result<MediaPath, LocalError> {
        let real = self.own(path)?;
        let stat = self.regular(path, &real)?;
        let facts = trash::Facts {
            path: path.clone(),
            stat,
            hash: self.hash(path)?,
            reason: reason.to_owned(),
        };
        self.move_to_trash(&apply.to_string(), &real, &facts)
    }

    fn purge(&mut self, place: &MediaPath, sha256: ContentHash) -> Result<(), LocalError> {
        let real = self.own(place)?;
        self.regular(place, &real)?;
        let run = trash::run_of(place).ok_or_else(|| LocalError::Outside(place.clone()))?;
        if self.hash(place)? != sha256 {
            return Err(LocalError::Changed {
                path: place.clone(),
                what: "is not what was put into the trash".to_owned(),
            });
        }
        trash::purge(self.root(), &run, place)
            .map_err(|source| failed("delete from the trash", &real, source))
    }

    fn clear_unfinished(&mut self, path: &MediaPath) -> Result<(), LocalError> {
        let real = self.own(path)?;
        match place::clear_unfinished(&real) {
            Err(error) if !is_absent(&error) => {
                Err(failed("clear what is left beside", &real, error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn defer_sync(&mut self) {
        let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        unsynced.get_or_insert_default();
    }

    fn sync(&mut self) -> Result<(), LocalError> {
        let folders = {
            let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
            unsynced.take().unwrap_or_default()
        };
        let mut result = Ok(());
        for folder in folders {
            // A folder that is gone again has nothing to lose.
            if let Err(source) = volume::sync_folder(&folder)
                && !is_absent(&source)
            {
                result = Err(failed("sync the folder", &folder, source));
            }
        }
        result
    }

    fn open_incoming(&mut self, name: &str) -> Result<MediaPath, LocalError> {
        let path = incoming(name)?;
        let real = self.own(&path)?;
        clear_unverified(&real).map_err(|source| failed("clear", &real, source))?;
        place::make_folders(self.root(), &real)
            .map_err(|source| failed("make the folder", &real, source))?;
        Ok(path)
    }

    fn clear_incoming(&mut self, name: &str) -> Result<(), LocalError> {
        let real = self.own(&incoming(name)?)?;
        match fs::remove_dir_all(&real) {
            Ok(()) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(source) => Err(failed("clear", &real, source)),
        }
    }

    fn plant_canary(&mut self, id: &LibraryId) -> Result<(), LocalError> {
        let path = MediaPath::from_relative(0, &Path::new(canary::FOLDER).join(canary::FILE));
        let written = self.write_new(&path, canary::text(id).as_bytes());
        match (written, self.canary()?) {
            (Ok(_), _) => Ok(()),
            (Err(LocalError::Occupied(_)), Some(there)) if there == *id => Ok(()),
            (Err(LocalError::Occupied(_)), Some(there)) => Err(LocalError::Canary {
                path: canary::place(self.root()),
                reason: format!("it names another library, {there}"),
            }),
            (Err(error), _) => Err(error),
        }
    }
}

impl LibraryFolder {
    fn move_to_trash(
        &self,
        run: &str,
        real: &Path,
        facts: &trash::Facts,
    ) -> Result<MediaPath, LocalError> {
        self.own(&MediaPath::from_relative(
            0,
            &trash::folder().join(run).join("x"),
        ))?;
        trash::take(self.root(), run, real, facts).map_err(|source| match source.kind() {
            io::ErrorKind::CrossesDevices => failed(
                "move to the trash (which is on another volume)",
                real,
                source,
            ),
            _ => failed("move to the trash", real, source),
        })
    }
}

#[cfg(unix)]
fn link_count(path: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(fs::symlink_metadata(path)?.nlink())
}

#[cfg(not(unix))]
fn link_count(path: &Path) -> io::Result<u64> {
    fs::symlink_metadata(path).map(|_| 1)
}

#[cfg(test)]
mod tests;
