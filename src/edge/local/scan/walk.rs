//! The walk: which files there are, without opening one.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::{
    io_error,
    listing::{Ask, FolderId, Kind, Open},
};
use crate::{
    domain::{ContentHash, FileStat, MediaPath, Problem},
    edge::local::{LocalError, tags, volume},
};

/// Folders that systems and network disks keep for themselves.
const SYSTEM_FOLDERS: [&str; 4] = [
    "@eaDir",
    "#recycle",
    "$RECYCLE.BIN",
    "System Volume Information",
];

/// A file with a name that concerns us.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: MediaPath,
    pub(super) stat: FileStat,
    pub(super) is_audio: bool,
}

/// One entry of a folder.
struct Entry<'a> {
    name: &'a OsStr,
    /// As far as the listing tells.
    kind: Option<Kind>,
    ask: &'a dyn Ask,
}

/// Everything that a walk saw.
#[derive(Default)]
pub(super) struct Walked {
    /// Files, folder by folder in no order; those of one folder in path order.
    pub(super) found: Vec<Vec<Found>>,
    pub(super) problems: Vec<Problem>,
    pub(super) unreadable: Vec<MediaPath>,
    links: Vec<(MediaPath, PathBuf)>,
}

/// A folder to be read.
struct Folder {
    root: usize,
    real: PathBuf,
    /// What its entries' paths begin with; `None` when its own path is not UTF-8.
    prefix: Option<String>,
    /// The folders that it lies in, up to a root; `None` for a root.
    above: Option<Arc<Above>>,
}

/// A folder and those above it.
struct Above {
    id: FolderId,
    above: Option<Arc<Self>>,
}

impl Above {
    fn has(&self, id: FolderId) -> bool {
        self.id == id || self.above.as_ref().is_some_and(|above| above.has(id))
    }
}

/// One of the roots as it really is.
#[derive(Clone, PartialEq, Eq)]
struct Root {
    real: PathBuf,
    id: FolderId,
}

impl Root {
    fn of(real: PathBuf) -> io::Result<Self> {
        let id = Open::at(&real)?.id;
        Ok(Self { real, id })
    }

    /// Whether it is the folder, perhaps by another spelling.
    fn is(&self, id: FolderId, real: &Path) -> bool {
        self.real == real || (id.1 != 0 && self.id == id)
    }
}

struct Walk {
    /// `None` for a source that is not there.
    roots: Vec<Option<Root>>,
    walked: Mutex<Walked>,
}

/// Walks `root` (the real place of the first of `roots`) and the sources, on the current threads.
pub(super) fn walk(roots: &[PathBuf], root: &Path) -> Result<Walked, LocalError> {
    // The root itself must be readable; below it, a hole is a finding.
    fs::read_dir(root).map_err(|error| io_error("read", root, error))?;
    let own = Root::of(root.to_owned()).map_err(|error| io_error("read", root, error))?;
    let mut walk = Walk {
        roots: vec![Some(own)],
        walked: Mutex::default(),
    };
    let mut early = Walked::default();
    for (number, source) in roots.iter().enumerate().skip(1) {
        let real = fs::canonicalize(source).and_then(Root::of);
        if let Err(error) = &real {
            early.unreadable(MediaPath::new(format!("//{number}")), source, error);
        }
        walk.roots.push(real.ok());
    }
    rayon::scope(|scope| {
        for (number, own) in walk.roots.iter().enumerate() {
            let Some(own) = own else {
                continue;
            };
            // One source given twice is read once.
            let mut before = walk.roots[..number].iter().flatten();
            if before.any(|root| root.is(own.id, &own.real)) {
                continue;
            }
            let folder = Folder {
                root: number,
                real: own.real.clone(),
                prefix: Some(match number {
                    0 => String::new(),
                    _ => format!("//{number}/"),
                }),
                above: None,
            };
            walk.visit(scope, &folder);
        }
    });
    let roots: Vec<PathBuf> = walk
        .roots
        .into_iter()
        .flatten()
        .map(|root| root.real)
        .collect();
    let mut walked = walk
        .walked
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    walked.merge(early);
    let problems = about_links(&walked, &roots);
    walked.problems.extend(problems);
    Ok(walked)
}

/// What to say of the links. Most lead to a file that was found, which one question tells; finding out
/// where a path really leads takes one for each of its folders.
fn about_links(walked: &Walked, roots: &[PathBuf]) -> Vec<Problem> {
    let id = |stat: &FileStat| (stat.device, stat.inode);
    let targets: Vec<Option<FolderId>> = walked
        .links
        .par_iter()
        .map(|(_, link)| {
            let target = fs::metadata(link).ok().filter(fs::Metadata::is_file)?;
            Some(id(&volume::stat_of(&target))).filter(|id| id.1 != 0)
        })
        .collect();
    let wanted: HashSet<FolderId> = targets.iter().flatten().copied().collect();
    let found: HashSet<FolderId> = walked
        .found
        .par_iter()
        .filter(|_| !wanted.is_empty())
        .flatten_iter()
        .map(|file| id(&file.stat))
        .filter(|id| wanted.contains(id))
        .collect();
    let links = walked.links.par_iter().zip(targets);
    links
        .filter(|(_, target)| target.is_none_or(|id| !found.contains(&id)))
        .filter_map(|((path, link), _)| follow(path, link, roots))
        .collect()
}

/// Sorts the files of one folder, whose paths begin with the same `skip` bytes. The first letters are
/// compared as one number, which spares a look at every path.
fn sort_by_name(found: &mut [Found], skip: usize) {
    let head = |file: &Found| {
        let mut first = [0; 16];
        let name = &file.path.as_str().as_bytes()[skip..];
        let length = name.len().min(first.len());
        first[..length].copy_from_slice(&name[..length]);
        u128::from_be_bytes(first)
    };
    found.sort_by_cached_key(head);
    for alike in found.chunk_by_mut(|a, b| head(a) == head(b)) {
        if alike.len() > 1 {
            alike.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        }
    }
}

impl Walked {
    /// All that was seen as one hash; `found`: the files in path order. `None` where something could not be
    /// read, or changed at `edge` or later.
    pub(super) fn stamp(&self, found: &[Found], edge: Option<(i64, u32)>) -> Option<ContentHash> {
        let edge = edge?;
        let is_torn = self.problems.iter().any(|problem| problem.leaves_hole);
        if is_torn
            || !self.unreadable.is_empty()
            || found.iter().any(|file| file.stat.ctime >= edge)
        {
            return None;
        }
        let mut hash = Sha256::new();
        for Found { path, stat, .. } in found {
            hash.update((path.as_str().len() as u64).to_le_bytes());
            hash.update(path.as_str().as_bytes());
            for number in [stat.size, stat.inode, stat.device] {
                hash.update(number.to_le_bytes());
            }
            for (seconds, nanoseconds) in [stat.mtime, stat.ctime] {
                hash.update(seconds.to_le_bytes());
                hash.update(nanoseconds.to_le_bytes());
            }
        }
        let mut links: Vec<(&str, PathBuf)> = Vec::with_capacity(self.links.len());
        for (path, link) in &self.links {
            links.push((path.as_str(), fs::read_link(link).ok()?));
        }
        links.sort_unstable();
        // Pipes and devices, which are named and not read.
        let mut odd: Vec<&str> = self.problems.iter().map(|it| it.subject.as_str()).collect();
        odd.sort_unstable();
        let links = links
            .iter()
            .flat_map(|(path, target)| [path.as_bytes(), target.as_os_str().as_encoded_bytes()]);
        for text in links.chain(odd.into_iter().map(str::as_bytes)) {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        Some(ContentHash::from_bytes(hash.finalize().into()))
    }

    fn merge(&mut self, other: Self) {
        self.found.extend(other.found);
        self.problems.extend(other.problems);
        self.unreadable.extend(other.unreadable);
        self.links.extend(other.links);
    }

    fn unreadable(&mut self, path: MediaPath, shown: &Path, error: &io::Error) {
        self.problems.push(Problem {
            subject: shown.display().to_string(),
            message: format!("could not be read: {error}"),
            leaves_hole: true,
        });
        self.unreadable.push(path);
    }
}

impl Walk {
    fn visit<'scope>(&'scope self, scope: &rayon::Scope<'scope>, folder: &Folder) {
        let mut seen = Walked::default();
        if let Err(error) = self.read(scope, folder, &mut seen) {
            let path = self.path_of(folder, None);
            seen.unreadable(path, &folder.real, &error);
        }
        let mut walked = self.walked.lock().unwrap_or_else(PoisonError::into_inner);
        walked.merge(seen);
    }

    fn read<'scope>(
        &'scope self,
        scope: &rayon::Scope<'scope>,
        folder: &Folder,
        seen: &mut Walked,
    ) -> io::Result<()> {
        let open = Open::at(&folder.real)?;
        let above = folder.above.clone();
        if let Some(above) = &above {
            // Another root is read under its own number.
            let mut roots = self.roots.iter().flatten();
            if roots.any(|root| root.is(open.id, &folder.real)) {
                return Ok(());
            }
            if open.id.1 != 0 && above.has(open.id) {
                return Err(io::Error::other("it is one of the folders above it"));
            }
        }
        let inside = Arc::new(Above { id: open.id, above });
        let mut found: Vec<Found> = Vec::new();
        let listed = open.each(|name, kind, ask| {
            let inner = self.look(folder, &Entry { name, kind, ask }, seen, &mut found);
            if let Some(mut inner) = inner {
                inner.above = Some(Arc::clone(&inside));
                scope.spawn(move |scope| self.visit(scope, &inner));
            }
        });
        // Nearly always all that differs are the names.
        let prefix = folder.prefix.as_deref().unwrap_or_default();
        let skip = match found
            .iter()
            .all(|file| file.path.as_str().starts_with(prefix))
        {
            true => prefix.len(),
            false => 0,
        };
        sort_by_name(&mut found, skip);
        seen.found.push(found);
        listed
    }

    /// Looks at one entry; a folder is to be read.
    fn look(
        &self,
        folder: &Folder,
        entry: &Entry<'_>,
        seen: &mut Walked,
        found: &mut Vec<Found>,
    ) -> Option<Folder> {
        let name = entry.name;
        if is_hidden(name) {
            return None;
        }
        let name_kind = NameKind::of(name);
        let is_file = matches!(entry.kind, Some(Kind::File));
        if is_file && name_kind == NameKind::Other {
            return None;
        }
        let (kind, stat) = match entry.kind {
            Some(kind @ (Kind::Folder | Kind::Link | Kind::Special)) => (kind, None),
            // A listing may not know, or no longer be true.
            Some(Kind::File) | None => match entry.ask.stat() {
                Ok((kind, stat)) => (kind, Some(stat)),
                Err(_) => {
                    self.doubt(folder, name, seen);
                    return None;
                }
            },
        };
        match (kind, stat) {
            (Kind::Folder, _) => return Some(self.inner(folder, name)),
            (Kind::Link, _) => {
                let path = self.path_of(folder, Some(name));
                seen.links.push((path, folder.real.join(name)));
            }
            _ if name_kind == NameKind::Other => {}
            (Kind::File, Some(stat)) => found.push(Found {
                path: self.path_of(folder, Some(name)),
                stat,
                is_audio: name_kind == NameKind::Audio,
            }),
            (Kind::File | Kind::Special, _) => seen.problems.push(Problem {
                subject: self.path_of(folder, Some(name)).to_string(),
                message: "is a pipe or device and not read".to_owned(),
                leaves_hole: false,
            }),
        }
        None
    }

    fn inner(&self, folder: &Folder, name: &OsStr) -> Folder {
        let prefix = folder
            .prefix
            .as_ref()
            .zip(name.to_str())
            .map(|(prefix, name)| format!("{prefix}{name}/"));
        Folder {
            root: folder.root,
            real: folder.real.join(name),
            prefix,
            above: None,
        }
    }

    /// Something that was listed and is gone a moment later, or cannot be looked at.
    fn doubt(&self, folder: &Folder, name: &OsStr, seen: &mut Walked) {
        seen.problems.push(Problem {
            subject: self.path_of(folder, Some(name)).to_string(),
            message: "could not be looked at: it changed while the library was read".to_owned(),
            leaves_hole: true,
        });
    }

    fn path_of(&self, folder: &Folder, name: Option<&OsStr>) -> MediaPath {
        if let Some(prefix) = &folder.prefix {
            match name.map(OsStr::to_str) {
                None => return MediaPath::new(prefix.trim_end_matches('/')),
                Some(Some(name)) => return MediaPath::new([prefix, name].concat()),
                Some(None) => {}
            }
        }
        let root = self.roots[folder.root]
            .as_ref()
            .map_or(Path::new(""), |root| &root.real);
        let inner = folder.real.strip_prefix(root).unwrap_or(&folder.real);
        match name {
            Some(name) => MediaPath::from_relative(folder.root, &inner.join(name)),
            None => MediaPath::from_relative(folder.root, inner),
        }
    }
}

/// `.x` and `._x` are hidden; `...And Justice for All` and `.38 Special` are names.
fn is_hidden(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    match bytes {
        [b'.', second, ..] => *second != b'.' && !second.is_ascii_digit(),
        _ => SYSTEM_FOLDERS.iter().any(|system| name == *system),
    }
}

/// What a name says of its file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NameKind {
    Audio,
    Playlist,
    Other,
}

impl NameKind {
    fn of(name: &OsStr) -> Self {
        let name = Path::new(name);
        if tags::format_of_name(name).is_some() {
            return Self::Audio;
        }
        let is_playlist = name.extension().is_some_and(|extension| {
            extension.eq_ignore_ascii_case("m3u8") || extension.eq_ignore_ascii_case("m3u")
        });
        if is_playlist {
            Self::Playlist
        } else {
            Self::Other
        }
    }
}

/// What to say of a link. Whatever lies inside the roots is read once, under its real name, so a link
/// to it adds nothing and a loop of links cannot arise; what lies outside is not ours to read.
fn follow(path: &MediaPath, link: &Path, roots: &[PathBuf]) -> Option<Problem> {
    let problem = |message: String| Problem {
        subject: path.to_string(),
        message,
        leaves_hole: false,
    };
    let target = match fs::canonicalize(link) {
        Ok(target) => target,
        Err(error) => return Some(problem(format!("is a link that leads nowhere: {error}"))),
    };
    let concerns = target.is_dir() || NameKind::of(target.as_os_str()) != NameKind::Other;
    let inside = roots.iter().any(|root| {
        target
            .strip_prefix(root)
            .is_ok_and(|inner| !inner.components().any(|part| is_hidden(part.as_os_str())))
    });
    (concerns && !inside).then(|| {
        let target = target.display();
        problem(format!(
            "is a link to {target}, which is outside the library and not read"
        ))
    })
}
