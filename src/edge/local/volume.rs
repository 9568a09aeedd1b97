//! The file system's facts: stat, free space, opening without being trapped, syncing folders.

use std::{
    fs::{self, File, Metadata},
    io,
    path::Path,
};

use crate::domain::FileStat;

/// Bytes that may still be written to the volume that holds `path`, by a user without privileges.
///
/// # Errors
/// When the file system cannot say.
#[cfg(unix)]
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let volume = rustix::fs::statvfs(path)?;
    Ok(volume.f_bavail.saturating_mul(volume.f_frsize))
}

/// Bytes that may still be written to the volume that holds `path`.
///
/// # Errors
/// When the file system cannot say.
#[cfg(not(unix))]
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let disks = sysinfo::Disks::new_with_refreshed_list().map_err(io::Error::other)?;
    disks
        .iter()
        .filter(|disk| path.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().components().count())
        .map(sysinfo::Disk::available_space)
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}

/// Turns the operating system's metadata into ours.
#[cfg(unix)]
#[must_use]
pub fn stat_of(metadata: &Metadata) -> FileStat {
    use std::os::unix::fs::MetadataExt as _;
    let nanoseconds = |value: i64| u32::try_from(value).unwrap_or_default();
    FileStat {
        size: metadata.size(),
        mtime: (metadata.mtime(), nanoseconds(metadata.mtime_nsec())),
        ctime: (metadata.ctime(), nanoseconds(metadata.ctime_nsec())),
        inode: metadata.ino(),
        device: metadata.dev(),
    }
}

/// Turns the operating system's metadata into ours.
#[cfg(not(unix))]
#[must_use]
pub fn stat_of(metadata: &Metadata) -> FileStat {
    let since = |time: io::Result<std::time::SystemTime>| {
        time.ok()
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
            .map_or((0, 0), |time| {
                (
                    i64::try_from(time.as_secs()).unwrap_or_default(),
                    time.subsec_nanos(),
                )
            })
    };
    FileStat {
        size: metadata.len(),
        mtime: since(metadata.modified()),
        ctime: since(metadata.created()),
        inode: 0,
        device: 0,
    }
}

/// Opens a regular file for reading. A pipe or device in its place is refused and never waited for.
///
/// # Errors
/// When it cannot be opened or is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // Opening some devices acts already, so look before.
    if !fs::metadata(path)?.is_file() {
        return Err(not_regular());
    }
    let mut options = fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    never_wait(&mut options, rustix::fs::OFlags::empty());
    let file = options.open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(not_regular()),
    }
}

/// Opens what a walk saw as a regular file a moment ago; the facts are those of the open file.
pub(super) fn open_seen(path: &Path) -> io::Result<(File, FileStat)> {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    never_wait(&mut options, rustix::fs::OFlags::NOFOLLOW);
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok((file, stat_of(&metadata))),
        false => Err(not_regular()),
    }
}

fn not_regular() -> io::Error {
    io::Error::other("it is no regular file")
}

#[cfg(unix)]
fn never_wait(options: &mut fs::OpenOptions, more: rustix::fs::OFlags) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY | more;
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
}

/// Tells the kernel that the file will be read here and there, so that it does not read ahead.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn expect_random_reads(file: &File) {
    _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Random);
}

/// Tells the kernel nothing, where it cannot be told.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn expect_random_reads(_file: &File) {}

/// Makes a folder's entries durable. Volumes that know no such thing are taken as they are.
///
/// # Errors
/// When the folder cannot be opened or the disk fails.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    match File::open(folder)?.sync_all() {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        result => result,
    }
}
