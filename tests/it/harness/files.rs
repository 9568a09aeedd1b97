//! What lies in the library, as undo must give it back.

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt as _, path::Path};

/// Every file and every folder (`/` behind its name), but for the program's own folder.
pub(crate) type Tree = BTreeMap<String, Option<FileState>>;

/// Content, mode and modification time of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileState {
    bytes: Vec<u8>,
    mode: u32,
    modified: (i64, i64),
}

impl FileState {
    /// When it was modified.
    pub(crate) const fn times(&self) -> (i64, i64) {
        self.modified
    }

    /// The same bytes and mode, at whatever time.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.mode == other.mode
    }
}

pub(crate) fn tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let walk = walkdir::WalkDir::new(root).min_depth(1).into_iter();
    for entry in walk.filter_entry(|entry| entry.file_name() != ".tidal-cleanup") {
        let entry = entry.unwrap();
        let name = entry
            .path()
            .strip_prefix(root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        if entry.file_type().is_dir() {
            tree.insert(format!("{name}/"), None);
        } else {
            tree.insert(name, Some(state(entry.path())));
        }
    }
    tree
}

fn state(path: &Path) -> FileState {
    let meta = fs::metadata(path).unwrap();
    FileState {
        bytes: fs::read(path).unwrap(),
        mode: meta.mode(),
        modified: (meta.mtime(), meta.mtime_nsec()),
    }
}

/// Says what differs, and not the whole of both.
#[track_caller]
pub(crate) fn assert_same(now: &Tree, before: &Tree) {
    let names = |tree: &Tree| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(now), names(before));
    for (name, state) in before {
        assert!(now[name] == *state, "{name} is not as it was");
    }
}

/// Everything that was there is there, as it was.
#[track_caller]
pub(crate) fn assert_kept(now: &Tree, before: &Tree) {
    for (name, state) in before {
        assert!(now.get(name) == Some(state), "{name} is not as it was");
    }
}
