//! The walk: which files there are, without opening one.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::io_error;
use crate::{
    domain::{FileStat, MediaPath, Problem},
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

/// Everything that a walk saw.
#[derive(Default)]
pub(super) struct Walked {
    /// Files, in no order.
    pub(super) found: Vec<Found>,
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
}

struct Walk {
    /// The roots as they really are; `None` for a source that is not there.
    roots: Vec<Option<PathBuf>>,
    walked: Mutex<Walked>,
}

/// Walks `root` (the real place of the first of `roots`) and the sources, on the current threads.
pub(super) fn walk(roots: &[PathBuf], root: &Path) -> Result<Walked, LocalError> {
    let mut walk = Walk {
        roots: vec![Some(root.to_owned())],
        walked: Mutex::default(),
    };
    let mut early = Walked::default();
    for (number, source) in roots.iter().enumerate().skip(1) {
        let real = fs::canonicalize(source).and_then(|real| match real.is_dir() {
            true => Ok(real),
            false => Err(io::ErrorKind::NotADirectory.into()),
        });
        if let Err(error) = &real {
            early.unreadable(MediaPath::new(format!("//{number}")), source, error);
        }
        walk.roots.push(real.ok());
    }
    // The root itself must be readable; below it, a hole is a finding.
    fs::read_dir(root).map_err(|error| io_error("read", root, error))?;
    rayon::scope(|scope| {
        for (number, real) in walk.roots.iter().enumerate() {
            // One source given twice is read once.
            let known = walk.roots[..number].contains(real);
            if let Some(real) = real.clone().filter(|_| !known) {
                let prefix = match number {
                    0 => String::new(),
                    _ => format!("//{number}/"),
                };
                let folder = Folder {
                    root: number,
                    real,
                    prefix: Some(prefix),
                };
                walk.visit(scope, &folder);
            }
        }
    });
    let roots = walk.roots;
    let mut walked = walk
        .walked
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    walked.merge(early);
    let links = std::mem::take(&mut walked.links);
    for (path, link) in links {
        walked.problems.extend(follow(&path, &link, &roots));
    }
    Ok(walked)
}

impl Walked {
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
        let result = fs::read_dir(&folder.real).and_then(|entries| {
            for entry in entries {
                self.look(scope, folder, &entry?, &mut seen);
            }
            Ok(())
        });
        if let Err(error) = result {
            let path = self.path_of(folder, None);
            seen.unreadable(path, &folder.real, &error);
        }
        let mut walked = self.walked.lock().unwrap_or_else(PoisonError::into_inner);
        walked.merge(seen);
    }

    fn look<'scope>(
        &'scope self,
        scope: &rayon::Scope<'scope>,
        folder: &Folder,
        entry: &fs::DirEntry,
        seen: &mut Walked,
    ) {
        let name = entry.file_name();
        if is_hidden(&name) {
            return;
        }
        let Ok(kind) = entry.file_type() else {
            return self.doubt(folder, &name, seen);
        };
        if kind.is_dir() {
            let real = entry.path();
            if !self.is_other_root(&real) {
                let prefix = folder
                    .prefix
                    .as_ref()
                    .zip(name.to_str())
                    .map(|(prefix, name)| format!("{prefix}{name}/"));
                let inner = Folder {
                    root: folder.root,
                    real,
                    prefix,
                };
                scope.spawn(move |scope| self.visit(scope, &inner));
            }
            return;
        }
        let name_kind = NameKind::of(Path::new(&name));
        if kind.is_symlink() {
            seen.links
                .push((self.path_of(folder, Some(&name)), entry.path()));
            return;
        }
        let is_audio = match name_kind {
            NameKind::Audio => true,
            NameKind::Playlist => false,
            NameKind::Other => return,
        };
        let path = self.path_of(folder, Some(&name));
        if !kind.is_file() {
            seen.problems.push(Problem {
                subject: path.to_string(),
                message: "is a pipe or device and not read".to_owned(),
                leaves_hole: false,
            });
            return;
        }
        match entry.metadata() {
            Ok(metadata) => seen.found.push(Found {
                path,
                stat: volume::stat_of(&metadata),
                is_audio,
            }),
            Err(_) => self.doubt(folder, &name, seen),
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

    fn is_other_root(&self, folder: &Path) -> bool {
        self.roots.iter().flatten().any(|root| root == folder)
    }

    fn path_of(&self, folder: &Folder, name: Option<&OsStr>) -> MediaPath {
        if let Some(prefix) = &folder.prefix {
            match name.map(OsStr::to_str) {
                None => return MediaPath::new(prefix.trim_end_matches('/')),
                Some(Some(name)) => return MediaPath::new(format!("{prefix}{name}")),
                Some(None) => {}
            }
        }
        let root = self.roots[folder.root]
            .as_deref()
            .unwrap_or_else(|| Path::new(""));
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
    fn of(name: &Path) -> Self {
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
fn follow(path: &MediaPath, link: &Path, roots: &[Option<PathBuf>]) -> Option<Problem> {
    let problem = |message: String| Problem {
        subject: path.to_string(),
        message,
        leaves_hole: false,
    };
    let target = match fs::canonicalize(link) {
        Ok(target) => target,
        Err(error) => return Some(problem(format!("is a link that leads nowhere: {error}"))),
    };
    let concerns = target.is_dir() || NameKind::of(&target) != NameKind::Other;
    let inside = roots.iter().flatten().any(|root| {
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
