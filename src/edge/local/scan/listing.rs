//! What a folder holds. On Linux by `getdents64` and `statx` relative to the open folder, which costs a
//! third less than paths do; elsewhere by the standard library.

use std::{ffi::OsStr, io, path::Path};

use crate::domain::FileStat;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link,
    /// A pipe, socket or device.
    Special,
}

/// Asks the file system about one entry, without following a link.
pub(super) trait Ask {
    fn stat(&self) -> io::Result<(Kind, FileStat)>;
}

/// What a folder is whatever it is called: its device and inode. An inode of 0 tells nothing.
pub(super) type FolderId = (u64, u64);

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use std::{ffi::CStr, mem::MaybeUninit, os::fd::OwnedFd, os::unix::ffi::OsStrExt as _};

    use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, Statx, StatxFlags, open, statx};

    use super::{Ask, FileStat, FolderId, Kind, OsStr, Path, io};

    /// Room for some hundred names.
    const BUFFER: usize = 32 << 10;

    struct Entry<'a> {
        folder: &'a OwnedFd,
        name: &'a CStr,
    }

    impl Ask for Entry<'_> {
        fn stat(&self) -> io::Result<(Kind, FileStat)> {
            let facts = ask(self.folder, self.name, AtFlags::empty())?;
            let kind = FileType::from_raw_mode(facts.stx_mode.into());
            Ok((kind_of(kind).unwrap_or(Kind::Special), stat_of(&facts)))
        }
    }

    fn ask(folder: &OwnedFd, name: &CStr, how: AtFlags) -> io::Result<Statx> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | how;
        Ok(statx(folder, name, flags, StatxFlags::BASIC_STATS)?)
    }

    fn kind_of(kind: FileType) -> Option<Kind> {
        Some(match kind {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Link,
            FileType::Unknown => return None,
            _ => Kind::Special,
        })
    }

    fn stat_of(facts: &Statx) -> FileStat {
        FileStat {
            size: facts.stx_size,
            mtime: (facts.stx_mtime.tv_sec, facts.stx_mtime.tv_nsec),
            ctime: (facts.stx_ctime.tv_sec, facts.stx_ctime.tv_nsec),
            inode: facts.stx_ino,
            device: rustix::fs::makedev(facts.stx_dev_major, facts.stx_dev_minor),
        }
    }

    /// An open folder.
    pub(in super::super) struct Open {
        folder: OwnedFd,
        pub(in super::super) id: FolderId,
    }

    impl Open {
        /// Opens a folder, and no link to one.
        pub(in super::super) fn at(folder: &Path) -> io::Result<Self> {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let folder = open(folder, flags, Mode::empty())?;
            let own = stat_of(&ask(&folder, c"", AtFlags::EMPTY_PATH)?);
            let id = (own.device, own.inode);
            Ok(Self { folder, id })
        }

        /// Calls `see` for every entry; what the listing does not say of its kind is `None`.
        pub(in super::super) fn each(
            &self,
            mut see: impl FnMut(&OsStr, Option<Kind>, &dyn Ask),
        ) -> io::Result<()> {
            let mut buffer = [MaybeUninit::uninit(); BUFFER];
            let mut entries = RawDir::new(&self.folder, &mut buffer);
            while let Some(entry) = entries.next() {
                let entry = entry?;
                let name = entry.file_name();
                if name == c"." || name == c".." {
                    continue;
                }
                let folder = &self.folder;
                let kind = kind_of(entry.file_type());
                let ask = Entry { folder, name };
                see(OsStr::from_bytes(name.to_bytes()), kind, &ask);
            }
            Ok(())
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use linux::Open;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod other {
    use std::{fs, path::PathBuf};

    use super::{Ask, FileStat, FolderId, Kind, OsStr, Path, io};
    use crate::edge::local::volume;

    impl Ask for fs::DirEntry {
        fn stat(&self) -> io::Result<(Kind, FileStat)> {
            let metadata = self.metadata()?;
            Ok((kind_of(metadata.file_type()), volume::stat_of(&metadata)))
        }
    }

    fn kind_of(kind: fs::FileType) -> Kind {
        if kind.is_file() {
            Kind::File
        } else if kind.is_dir() {
            Kind::Folder
        } else if kind.is_symlink() {
            Kind::Link
        } else {
            Kind::Special
        }
    }

    /// A folder to be listed.
    pub(in super::super) struct Open {
        folder: PathBuf,
        pub(in super::super) id: FolderId,
    }

    impl Open {
        /// Looks at a folder, and at no link to one.
        pub(in super::super) fn at(folder: &Path) -> io::Result<Self> {
            let metadata = fs::symlink_metadata(folder)?;
            if !metadata.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            let own = volume::stat_of(&metadata);
            Ok(Self {
                folder: folder.to_owned(),
                id: (own.device, own.inode),
            })
        }

        /// Calls `see` for every entry; what the listing does not say of its kind is `None`.
        pub(in super::super) fn each(
            &self,
            mut see: impl FnMut(&OsStr, Option<Kind>, &dyn Ask),
        ) -> io::Result<()> {
            for entry in fs::read_dir(&self.folder)? {
                let entry = entry?;
                let kind = entry.file_type().ok().map(kind_of);
                see(&entry.file_name(), kind, &entry);
            }
            Ok(())
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) use other::Open;
