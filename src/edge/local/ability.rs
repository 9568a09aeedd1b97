//! What the file system of a volume can do, told without writing to it.

use std::{fs, path::Path};

use super::{canary, volume};

/// A volume and its abilities; `None` where nobody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// As the operating system names it: `ext4`, `exfat`, `apfs`.
    pub file_system: Option<String>,
    /// Whether it can be taken out.
    pub removable: bool,
    /// Whether it may only be read, by anybody.
    pub read_only: bool,
    /// Whether a file can have two names.
    pub hard_links: Option<bool>,
    /// Whether `A.mp3` and `a.mp3` are two files.
    pub case_sensitive: Option<bool>,
    /// The largest file, in bytes, where that is a limit that music meets.
    pub largest_file: Option<u64>,
    /// The step of a modification time, in seconds, where it is coarser than one.
    pub time_step: Option<u8>,
    /// Bytes that may still be written.
    pub free: Option<u64>,
}

/// The abilities of the volume that holds `root`. Whether case counts is told by the library's marker,
/// read under a name in other letters; nothing is written.
#[must_use]
pub fn abilities(root: &Path) -> Abilities {
    let disks = sysinfo::Disks::new_with_refreshed_list().ok();
    let real = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let disk = disks
        .iter()
        .flat_map(|disks| disks.iter())
        .filter(|disk| real.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().components().count());
    let named = disk.map(|disk| disk.file_system().to_string_lossy().to_lowercase());
    let mut abilities = named
        .as_deref()
        .map_or_else(Abilities::default, of_file_system);
    abilities.removable = disk.is_some_and(sysinfo::Disk::is_removable);
    abilities.read_only = disk.is_some_and(sysinfo::Disk::is_read_only);
    abilities.free = volume::free_bytes(root).ok();
    abilities.case_sensitive = case_counts(root).or(abilities.case_sensitive);
    abilities
}

/// What is known of a file system by its name. FAT has files below 4 GiB and times in steps of two
/// seconds (Microsoft's FAT specification); neither FAT nor exFAT knows hard links.
fn of_file_system(name: &str) -> Abilities {
    let plain = Abilities {
        file_system: Some(name.to_owned()),
        ..Abilities::default()
    };
    match name {
        "vfat" | "msdos" | "fat" | "fat32" => Abilities {
            hard_links: Some(false),
            case_sensitive: Some(false),
            largest_file: Some(u64::from(u32::MAX)),
            time_step: Some(2),
            ..plain
        },
        "exfat" => Abilities {
            hard_links: Some(false),
            case_sensitive: Some(false),
            ..plain
        },
        "ext2" | "ext3" | "ext4" | "xfs" | "btrfs" | "zfs" | "f2fs" | "tmpfs" | "apfs" | "hfs"
        | "ntfs" | "ntfs3" => Abilities {
            hard_links: Some(true),
            ..plain
        },
        _ => plain,
    }
}

/// Whether the marker's name in capitals is another name; `None` without a marker.
fn case_counts(root: &Path) -> Option<bool> {
    let marker = canary::place(root);
    let there = volume::stat_of(&fs::metadata(&marker).ok()?);
    let capital = root.join(canary::FOLDER).join(canary::FILE.to_uppercase());
    match fs::metadata(capital) {
        Ok(other) => Some(volume::stat_of(&other) != there),
        Err(_) => Some(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stick_is_known_for_what_it_is() {
        let fat = of_file_system("vfat");
        assert_eq!((fat.hard_links, fat.time_step), (Some(false), Some(2)));
        assert_eq!(of_file_system("exfat").hard_links, Some(false));
        assert_eq!(of_file_system("exfat").largest_file, None);
        assert_eq!(of_file_system("ext4").hard_links, Some(true));
        assert_eq!(of_file_system("9p").hard_links, None, "nobody knows");
    }

    #[test]
    fn case_is_told_by_the_marker() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(case_counts(root.path()), None);
        let folder = root.path().join(canary::FOLDER);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(canary::FILE), "library_id = 'x'").unwrap();
        // Whatever this machine's volume does, writing both names says the same.
        fs::write(folder.join("probe"), "").unwrap();
        let two = fs::metadata(folder.join("PROBE")).is_err();
        assert_eq!(case_counts(root.path()), Some(two));
    }
}
