//! A music folder in memory, with the meaning of a real one: names, hard links, times, trash.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{LocalError, LocalLibrary, LocalReader};
use crate::domain::{
    ApplyId, AudioFile, AudioFormat, ContentHash, FileStat, Library, LibraryId, MediaPath,
    Observed, SidecarFile, Tags,
};

/// A library in memory. Clones share one disk, as several processes do; a test may look at the disk
/// and change it through one of them while another is at work.
#[derive(Clone, Debug)]
pub struct MemoryLibrary {
    roots: Vec<PathBuf>,
    disk: Arc<Mutex<Disk>>,
}

/// What a file is, whatever it is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryFile {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its permission bits.
    pub mode: u32,
    /// Its modification time.
    pub mtime: (i64, u32),
    /// What a reader of tags would find in it.
    pub tags: Tags,
    /// How long it plays.
    pub duration_ms: Option<u64>,
}

#[derive(Debug, Default)]
struct Disk {
    id: Option<LibraryId>,
    missing: bool,
    names: BTreeMap<MediaPath, u64>,
    files: BTreeMap<u64, Inode>,
    folders: BTreeSet<MediaPath>,
    next: u64,
    ticks: i64,
    failing: Option<u64>,
}

#[derive(Clone, Debug)]
struct Inode {
    file: MemoryFile,
    ctime: (i64, u32),
}

impl MemoryLibrary {
    /// An empty library at `root`, with its canary, and extra `sources`.
    #[must_use]
    pub fn new(root: &str, id: &str, sources: &[&str]) -> Self {
        let roots = std::iter::once(&root).chain(sources);
        let disk = Disk {
            id: Some(id.into()),
            ..Disk::default()
        };
        Self {
            roots: roots.map(PathBuf::from).collect(),
            disk: Arc::new(Mutex::new(disk)),
        }
    }

    /// Puts a file there, as a user would: folders are made, what was there is replaced.
    pub fn put(&self, path: &MediaPath, bytes: &[u8]) {
        self.put_tagged(path, bytes, Tags::default(), None);
    }

    /// Puts an audio file there.
    pub fn put_tagged(&self, path: &MediaPath, bytes: &[u8], tags: Tags, duration_ms: Option<u64>) {
        let mut disk = self.lock();
        disk.remove(path);
        disk.make_folders(path);
        disk.create(path, bytes.to_vec(), tags, duration_ms);
    }

    /// Takes a file away, as a user would.
    pub fn delete(&self, path: &MediaPath) {
        self.lock().remove(path);
    }

    /// Takes the volume away (`true`) or brings it back.
    pub fn unmount(&self, gone: bool) {
        self.lock().missing = gone;
    }

    /// Every file by name, those of the program as well.
    #[must_use]
    pub fn files(&self) -> BTreeMap<MediaPath, MemoryFile> {
        let disk = self.lock();
        let named = |(path, inode): (&MediaPath, &u64)| {
            disk.files
                .get(inode)
                .map(|found| (path.clone(), found.file.clone()))
        };
        disk.names.iter().filter_map(named).collect()
    }

    /// Every folder.
    #[must_use]
    pub fn folders(&self) -> BTreeSet<MediaPath> {
        self.lock().folders.clone()
    }

    /// Lets the n-th change from now on (counted from 1) fail once with an input/output error.
    pub fn fail_at(&self, n: u64) {
        self.lock().failing = Some(n);
    }

    /// The library path of an absolute one.
    #[must_use]
    pub fn locate(&self, absolute: &Path) -> Option<MediaPath> {
        let mut roots = self.roots.iter().enumerate();
        roots.find_map(|(number, root)| {
            let rest = absolute.strip_prefix(root).ok()?;
            Some(MediaPath::from_relative(number, rest))
        })
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn present(&self) -> Result<MutexGuard<'_, Disk>, LocalError> {
        let disk = self.lock();
        match disk.missing {
            true => Err(LocalError::Missing(self.roots[0].clone())),
            false => Ok(disk),
        }
    }

    /// The disk for a change below the library root.
    fn change(&self, paths: &[&MediaPath]) -> Result<MutexGuard<'_, Disk>, LocalError> {
        let outside = |path: &&&MediaPath| !path.is_safe() || !path.is_in_library();
        if let Some(path) = paths.iter().find(outside) {
            return Err(LocalError::Outside((*path).clone()));
        }
        let mut disk = self.present()?;
        let fails = match disk.failing.as_mut() {
            Some(left) => {
                *left = left.saturating_sub(1);
                *left == 0
            }
            None => false,
        };
        if fails {
            disk.failing = None;
            return Err(LocalError::Io {
                doing: "change",
                path: self.roots[0].clone(),
                source: std::io::Error::other("an error that a test asked for"),
            });
        }
        Ok(disk)
    }

    fn audio(&self, path: &MediaPath, inode: u64, found: &Inode) -> Option<AudioFile> {
        let format = AudioFormat::from_extension(&path.extension())?;
        Some(AudioFile {
            path: path.clone(),
            stat: found.stat(inode),
            format,
            tags: found.file.tags.clone(),
            duration_ms: found.file.duration_ms,
            left_ms: None,
            bitrate_kbps: Some(320),
            sample_rate_hz: Some(44_100),
            bit_depth: format.is_lossless().then_some(16),
            hash: None,
            problem: None,
        })
    }
}

impl LocalReader for MemoryLibrary {
    fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    fn scan(&mut self) -> Result<Observed<Library>, LocalError> {
        let disk = self.present()?;
        let mut library = Library {
            id: disk.id.clone(),
            ..Library::default()
        };
        for (path, inode) in &disk.names {
            let Some(found) = disk.files.get(inode) else {
                continue;
            };
            if path.as_str().starts_with(".tidal-cleanup/") {
                continue;
            }
            if let Some(file) = self.audio(path, *inode, found) {
                library.files.push(file);
            } else if matches!(path.extension().as_str(), "m3u8" | "m3u") {
                library.sidecars.push(SidecarFile {
                    path: path.clone(),
                    stat: found.stat(*inode),
                    hash: ContentHash::of(&found.file.bytes),
                });
            }
        }
        Ok(Observed::complete(library))
    }

    fn stat(&self, path: &MediaPath) -> Result<Option<FileStat>, LocalError> {
        let disk = self.present()?;
        if let Some(inode) = disk.names.get(path) {
            return Ok(disk.files.get(inode).map(|found| found.stat(*inode)));
        }
        Ok(disk.folders.contains(path).then(FileStat::default))
    }

    fn hash(&self, path: &MediaPath) -> Result<ContentHash, LocalError> {
        let disk = self.present()?;
        Ok(ContentHash::of(&disk.get(path)?.file.bytes))
    }

    fn facts(&mut self, path: &MediaPath) -> Result<AudioFile, LocalError> {
        let disk = self.present()?;
        let inode = disk.names.get(path).copied().unwrap_or_default();
        let found = disk.get(path)?;
        let file = self.audio(path, inode, found);
        file.ok_or_else(|| LocalError::Changed {
            path: path.clone(),
            what: "is no audio file".to_owned(),
        })
    }

    fn read(&self, path: &MediaPath) -> Result<Vec<u8>, LocalError> {
        let disk = self.present()?;
        Ok(disk.get(path)?.file.bytes.clone())
    }

    fn canary(&self) -> Result<Option<LibraryId>, LocalError> {
        Ok(self.present()?.id.clone())
    }
}

impl LocalLibrary for MemoryLibrary {
    fn place_beside(
        &mut self,
        from: &MediaPath,
        to: &MediaPath,
    ) -> Result<Vec<MediaPath>, LocalError> {
        let mut disk = self.change(&[from, to])?;
        let inode = disk.inode(from)?;
        match disk.names.get(to) {
            Some(there) if *there == inode => return Ok(Vec::new()),
            _ => disk.vacant(to)?,
        }
        let made = disk.make_folders(to);
        disk.names.insert(to.clone(), inode);
        disk.touch(inode);
        Ok(made)
    }

    fn drop_old_name(&mut self, old: &MediaPath, kept: &MediaPath) -> Result<(), LocalError> {
        let mut disk = self.change(&[old, kept])?;
        let Some(inode) = disk.names.get(old).copied() else {
            return Ok(());
        };
        let same = disk.get(kept)?.file.bytes == disk.get(old)?.file.bytes;
        if !same {
            return Err(LocalError::Changed {
                path: kept.clone(),
                what: format!("has not the content of {old}"),
            });
        }
        disk.remove(old);
        disk.touch(inode);
        Ok(())
    }

    fn rename(&mut self, from: &MediaPath, to: &MediaPath) -> Result<Vec<MediaPath>, LocalError> {
        let mut disk = self.change(&[from, to])?;
        disk.vacant(to)?;
        let inode = disk.inode(from)?;
        let made = disk.make_folders(to);
        disk.names.remove(from);
        disk.names.insert(to.clone(), inode);
        disk.touch(inode);
        Ok(made)
    }

    fn copy(&mut self, from: &MediaPath, to: &MediaPath) -> Result<Vec<MediaPath>, LocalError> {
        let mut disk = self.change(&[to])?;
        disk.vacant(to)?;
        let file = disk.get(from)?.file.clone();
        let made = disk.make_folders(to);
        let inode = disk.create(to, file.bytes, file.tags, file.duration_ms);
        if let Some(copy) = disk.files.get_mut(&inode) {
            copy.file.mtime = file.mtime;
            copy.file.mode = file.mode;
        }
        Ok(made)
    }

    fn write_new(
        &mut self,
        path: &MediaPath,
        content: &[u8],
    ) -> Result<Vec<MediaPath>, LocalError> {
        let mut disk = self.change(&[path])?;
        disk.vacant(path)?;
        let made = disk.make_folders(path);
        disk.create(path, content.to_vec(), Tags::default(), None);
        Ok(made)
    }

    fn remove_empty_folders(
        &mut self,
        folders: &[MediaPath],
    ) -> Result<Vec<MediaPath>, LocalError> {
        let paths: Vec<&MediaPath> = folders.iter().collect();
        let mut disk = self.change(&paths)?;
        let mut innermost_first: Vec<&MediaPath> = paths;
        innermost_first.sort_by_key(|path| std::cmp::Reverse(path.as_str().matches('/').count()));
        let mut removed = Vec::new();
        for folder in innermost_first {
            if disk.is_empty(folder) && disk.folders.remove(folder) {
                removed.push(folder.clone());
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
        let mut disk = self.change(&[path])?;
        let inode = disk.inode(path)?;
        let folder = PathBuf::from(format!(".tidal-cleanup/trash/{apply}"));
        let first = folder.join(path.relative());
        let place = std::iter::once(first.clone())
            .chain((2_u32..).map(|n| numbered(&first, n)))
            .map(|place| MediaPath::from_relative(0, &place))
            .find(|place| !disk.names.contains_key(place))
            .ok_or_else(|| LocalError::Occupied(path.clone()))?;
        disk.make_folders(&place);
        disk.names.remove(path);
        disk.names.insert(place.clone(), inode);
        disk.touch(inode);
        let manifest = MediaPath::new(format!(".tidal-cleanup/trash/{apply}/manifest.jsonl"));
        let line = format!("{}\n", serde_json::json!({"path": path, "reason": reason}));
        match disk.names.get(&manifest).copied() {
            Some(inode) => {
                if let Some(found) = disk.files.get_mut(&inode) {
                    found.file.bytes.extend(line.into_bytes());
                }
            }
            None => {
                disk.create(&manifest, line.into_bytes(), Tags::default(), None);
            }
        }
        Ok(place)
    }

    fn open_incoming(&mut self, name: &str) -> Result<MediaPath, LocalError> {
        let folder = incoming(name)?;
        let mut disk = self.change(&[&folder])?;
        disk.remove_below(&folder, |path| path.file_stem() != super::VERIFIED);
        disk.make_folders(&folder.join("x"));
        Ok(folder)
    }

    fn clear_incoming(&mut self, name: &str) -> Result<(), LocalError> {
        let folder = incoming(name)?;
        self.change(&[&folder])?.remove_below(&folder, |_| true);
        Ok(())
    }

    fn plant_canary(&mut self, id: &LibraryId) -> Result<(), LocalError> {
        let path = self.roots[0].join(".tidal-cleanup/library.toml");
        let mut disk = self.change(&[])?;
        match &disk.id {
            Some(other) if other != id => Err(LocalError::Canary {
                path,
                reason: format!("it names library {other}"),
            }),
            _ => {
                disk.id = Some(id.clone());
                Ok(())
            }
        }
    }
}

impl Disk {
    fn inode(&self, path: &MediaPath) -> Result<u64, LocalError> {
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| LocalError::Changed {
                path: path.clone(),
                what: "is not there".to_owned(),
            })
    }

    fn get(&self, path: &MediaPath) -> Result<&Inode, LocalError> {
        let inode = self.inode(path)?;
        Ok(&self.files[&inode])
    }

    fn vacant(&self, path: &MediaPath) -> Result<(), LocalError> {
        match self.names.contains_key(path) || self.folders.contains(path) {
            true => Err(LocalError::Occupied(path.clone())),
            false => Ok(()),
        }
    }

    fn create(
        &mut self,
        path: &MediaPath,
        bytes: Vec<u8>,
        tags: Tags,
        duration_ms: Option<u64>,
    ) -> u64 {
        self.next += 1;
        let now = self.now();
        let file = MemoryFile {
            bytes,
            mode: 0o644,
            mtime: now,
            tags,
            duration_ms,
        };
        self.files.insert(self.next, Inode { file, ctime: now });
        self.names.insert(path.clone(), self.next);
        self.next
    }

    fn remove(&mut self, path: &MediaPath) {
        if let Some(inode) = self.names.remove(path)
            && !self.names.values().any(|other| *other == inode)
        {
            self.files.remove(&inode);
        }
    }

    fn remove_below(&mut self, folder: &MediaPath, goes: impl Fn(&MediaPath) -> bool) {
        let inside = |path: &MediaPath| {
            path.relative().starts_with(folder.relative()) && (path == folder || goes(path))
        };
        let names: Vec<MediaPath> = self.names.keys().filter(|p| inside(p)).cloned().collect();
        names.iter().for_each(|path| self.remove(path));
        self.folders.retain(|path| !inside(path));
    }

    fn make_folders(&mut self, path: &MediaPath) -> Vec<MediaPath> {
        let parents = std::iter::successors(path.parent(), MediaPath::parent);
        let mut made: Vec<MediaPath> = parents
            .filter(|folder| self.folders.insert(folder.clone()))
            .collect();
        made.reverse();
        made
    }

    fn is_empty(&self, folder: &MediaPath) -> bool {
        let inside = |path: &MediaPath| path.parent().as_ref() == Some(folder);
        !self.names.keys().any(inside) && !self.folders.iter().any(inside)
    }

    fn touch(&mut self, inode: u64) {
        let now = self.now();
        if let Some(found) = self.files.get_mut(&inode) {
            found.ctime = now;
        }
    }

    /// Every change has a time of its own.
    fn now(&mut self) -> (i64, u32) {
        self.ticks += 1;
        (1_700_000_000 + self.ticks, 0)
    }
}

impl Inode {
    fn stat(&self, inode: u64) -> FileStat {
        FileStat {
            size: u64::try_from(self.file.bytes.len()).unwrap_or(u64::MAX),
            mtime: self.file.mtime,
            ctime: self.ctime,
            inode,
            device: 1,
        }
    }
}

fn incoming(name: &str) -> Result<MediaPath, LocalError> {
    let path = MediaPath::new(format!(".tidal-cleanup/incoming/{name}"));
    match path.is_safe() && !name.contains(['/', '\\']) {
        true => Ok(path),
        false => Err(LocalError::Outside(path)),
    }
}

fn numbered(path: &Path, n: u32) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem} ({n}).{}", extension.to_string_lossy()),
        None => format!("{stem} ({n})"),
    };
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library() -> MemoryLibrary {
        let library = MemoryLibrary::new("/music", "L", &["/more"]);
        library.put(&"A/x.mp3".into(), b"x");
        library
    }

    fn names(library: &MemoryLibrary) -> Vec<String> {
        let files = library.files();
        files.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_gets_a_new_name_before_it_loses_the_old_one() {
        let mut library = library();
        let (old, new) = ("A/x.mp3".into(), "B/C/x.mp3".into());
        let before = library.files()[&old].clone();
        let made = library.place_beside(&old, &new).unwrap();
        assert_eq!(made, ["B".into(), "B/C".into()]);
        assert!(library.place_beside(&old, &new).unwrap().is_empty());
        library.drop_old_name(&old, &new).unwrap();
        library.drop_old_name(&old, &new).unwrap();
        assert_eq!(library.files()[&new], before);
        assert_eq!(
            library
                .remove_empty_folders(&["A".into(), "B".into()])
                .unwrap(),
            ["A".into()]
        );
    }

    #[test]
    fn nothing_is_ever_replaced() {
        let mut library = library();
        library.put(&"A/y.mp3".into(), b"y");
        let (x, y) = ("A/x.mp3".into(), "A/y.mp3".into());
        assert!(matches!(
            library.rename(&x, &y),
            Err(LocalError::Occupied(_))
        ));
        assert!(matches!(library.copy(&x, &y), Err(LocalError::Occupied(_))));
        assert!(library.place_beside(&x, &y).is_err());
        assert!(library.write_new(&y, b"z").is_err());
        assert!(library.drop_old_name(&x, &y).is_err());
        assert!(library.trash(&"//1/a.mp3".into(), ApplyId(1), "").is_err());
        assert_eq!(names(&library), ["A/x.mp3", "A/y.mp3"]);
    }

    #[test]
    fn the_trash_keeps_every_file_of_a_name() {
        let mut library = library();
        let path = "A/x.mp3".into();
        let first = library.trash(&path, ApplyId(3), "").unwrap();
        library.put(&path, b"again");
        let second = library.trash(&path, ApplyId(3), "").unwrap();
        assert_eq!(first.as_str(), ".tidal-cleanup/trash/3/A/x.mp3");
        assert_eq!(second.as_str(), ".tidal-cleanup/trash/3/A/x (2).mp3");
        assert!(library.scan().unwrap().value.files.is_empty());
    }

    #[test]
    fn a_failure_comes_once_and_when_asked_for() {
        let mut library = library();
        library.fail_at(2);
        assert!(library.open_incoming("1").is_ok());
        assert!(library.clear_incoming("1").is_err());
        assert!(library.clear_incoming("1").is_ok());
        assert!(library.open_incoming("../x").is_err());
    }
}
