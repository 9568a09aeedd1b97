//! USB sticks that Rekordbox exported to and that are mounted.

use std::path::{Path, PathBuf};

/// What an export has on its volume: the older and the newer device library.
const MARKS: [&str; 2] = [
    "PIONEER/rekordbox/export.pdb",
    "PIONEER/rekordbox/exportLibrary.db",
];

/// The mounted volumes that hold an export. `parent`: the folder whose folders are volumes, for systems
/// that mount elsewhere than usual; `user` is part of the usual places on Linux.
#[must_use]
pub fn mounted(parent: Option<&Path>, user: Option<&str>) -> Vec<PathBuf> {
    let volumes = match parent {
        Some(parent) => folders(parent),
        None => usual(user),
    };
    let mut found: Vec<PathBuf> = volumes
        .into_iter()
        .filter(|volume| MARKS.iter().any(|mark| volume.join(mark).is_file()))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Where this system mounts sticks.
fn usual(user: Option<&str>) -> Vec<PathBuf> {
    if cfg!(windows) {
        return (b'A'..=b'Z')
            .map(|letter| PathBuf::from(format!("{}:\\", char::from(letter))))
            .collect();
    }
    let mut parents = vec![
        PathBuf::from("/Volumes"),
        PathBuf::from("/media"),
        PathBuf::from("/mnt"),
    ];
    if let Some(user) = user.filter(|user| !user.is_empty() && !user.contains('/')) {
        parents.push(Path::new("/media").join(user));
        parents.push(Path::new("/run/media").join(user));
    }
    parents.iter().flat_map(|parent| folders(parent)).collect()
}

/// The folders in a folder; none where it cannot be read.
fn folders(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stick_is_known_by_its_export() {
        let parent = tempfile::tempdir().unwrap();
        for (volume, mark) in [
            ("B", MARKS[1]),
            ("A", MARKS[0]),
            ("C", "PIONEER/DJMMYSETTING.DAT"),
        ] {
            let path = parent.path().join(volume).join(mark);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = mounted(Some(parent.path()), None);
        assert_eq!(found, [parent.path().join("A"), parent.path().join("B")]);
        assert!(mounted(Some(Path::new("/nowhere")), None).is_empty());
    }
}
