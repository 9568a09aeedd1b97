//! The file system's steps behind the library's changes: each one either happens or leaves all as it
//! was, and none replaces or unlinks anything that is there.

use std::{
    fs::{self, File, FileTimes},
    io::{self, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use super::{hash, volume};
use crate::domain::{ContentHash, text::fold_name};

/// Gives `from` the second name `to`: a hard link, or a verified copy where there are none.
/// `AlreadyExists` when something is at `to`.
pub(super) fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if knows_no_links(&error) => copy_verified(from, to),
        result => result,
    }
}

/// Whether the error says that this volume, or this pair of volumes, has no hard links (or no more).
fn knows_no_links(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::CrossesDevices
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::Unsupported
            | io::ErrorKind::TooManyLinks
    ) || unsupported(error)
}

#[cfg(unix)]
fn unsupported(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::NOTSUP, Errno::OPNOTSUPP, Errno::NOSYS, Errno::INVAL]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(not(unix))]
fn unsupported(_error: &io::Error) -> bool {
    false
}

/// Whether the volume can give `file` a second name, learnt by trying beside it.
pub(super) fn can_link(file: &Path) -> bool {
    let trial = unfinished(file);
    _ = fs::remove_file(&trial);
    let linked = fs::hard_link(file, &trial).is_ok();
    if linked {
        _ = fs::remove_file(&trial);
    }
    linked
}

/// The name beside `path` under which it is written before it gets its own: always the same one, so that
/// what a killed run left there is found.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let hash = ContentHash::of(name.as_encoded_bytes()).to_string();
    path.with_file_name(format!(".tidal-cleanup-{}.part", &hash[..32]))
}

/// Removes what a killed run left of writing `path`.
pub(super) fn clear_unfinished(path: &Path) -> io::Result<()> {
    match fs::remove_file(unfinished(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes an unfinished file of ours when a step fails.
struct Unfinished(Option<PathBuf>);

impl Unfinished {
    fn finish(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            _ = fs::remove_file(path);
        }
    }
}

/// Makes `to` by way of a `.part` sibling that `fill` writes; synced, and never in place of another.
fn create(to: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let folder = to.parent().ok_or(io::ErrorKind::InvalidInput)?;
    if fs::symlink_metadata(to).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let part = unfinished(to);
    clear_unfinished(to)?;
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&part)?;
    let guard = Unfinished(Some(part.clone()));
    fill(&mut file)?;
    file.sync_all()?;
    drop(file);
    move_to_vacant(&part, to)?;
    guard.finish();
    volume::sync_folder(folder)
}

/// Writes a new file.
pub(super) fn write_new(to: &Path, content: &[u8]) -> io::Result<()> {
    create(to, |file| file.write_all(content))
}

/// Copies a file, reads the copy back, and gives it the mode and time of the original.
pub(super) fn copy_verified(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = volume::open_regular(from)?;
    let before = source.metadata()?;
    create(to, |copy| {
        let (written, size) = hash::pour(&mut source, copy)?;
        copy.sync_all()?;
        copy.rewind()?;
        let changed = volume::stat_of(&source.metadata()?) != volume::stat_of(&before);
        if changed || size != before.len() {
            return Err(io::Error::other("the original changed while it was copied"));
        }
        if hash::hash_reader(copy)? != written {
            return Err(io::Error::other("the copy differs from the original"));
        }
        copy.set_permissions(before.permissions())?;
        copy.set_times(FileTimes::new().set_modified(before.modified()?))
    })
}

/// Renames without replacing: `AlreadyExists` when something is at `to`.
pub(super) fn move_to_vacant(from: &Path, to: &Path) -> io::Result<()> {
    if is_same_entry(from, to)? {
        // Another spelling of the same name, on a volume that does not tell them apart.
        return fs::rename(from, to);
    }
    match rename_exclusively(from, to) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported || unsupported(&error) => {
            rename_by_link(from, to)
        }
        result => result,
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_exclusively(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_exclusively(_from: &Path, _to: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// For volumes without an exclusive rename: a hard link fails when the name is taken. Where there are
/// no hard links either, all that is left is to look first.
fn rename_by_link(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if knows_no_links(&error) => match fs::symlink_metadata(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// Whether two different spellings name one and the same entry of one folder, as they do on a volume
/// that ignores case or normalisation. Two hard links in a folder are two entries.
pub(super) fn is_same_entry(one: &Path, other: &Path) -> io::Result<bool> {
    if one == other {
        return Ok(true);
    }
    let (Ok(a), Ok(b)) = (fs::symlink_metadata(one), fs::symlink_metadata(other)) else {
        return Ok(false);
    };
    let (a, b) = (volume::stat_of(&a), volume::stat_of(&b));
    let folders = one.parent().zip(other.parent());
    let names = one.file_name().zip(other.file_name());
    let (Some((folder, other_folder)), Some((name, other_name))) = (folders, names) else {
        return Ok(false);
    };
    let fold = |name: &std::ffi::OsStr| fold_name(&name.to_string_lossy());
    let alike = (a.device, a.inode) == (b.device, b.inode)
        && fold(name) == fold(other_name)
        && same_folder(folder, other_folder)?;
    if !alike {
        return Ok(false);
    }
    // Asking for a name cannot tell, so look at how the folder spells its entries.
    let mut spelled = (false, false);
    for entry in fs::read_dir(folder)? {
        let entry = entry?.file_name();
        spelled.0 |= entry == name;
        spelled.1 |= entry == other_name;
    }
    Ok(spelled != (true, true))
}

fn same_folder(one: &Path, other: &Path) -> io::Result<bool> {
    Ok(one == other || fs::canonicalize(one)? == fs::canonicalize(other)?)
}

/// Makes `folder` and what is missing above it, down from `root`, and returns what was made, outermost
/// first. `NotADirectory` when a file is in the way.
pub(super) fn make_folders(root: &Path, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let inner = folder.strip_prefix(root).map_err(io::Error::other)?;
    let mut made = Vec::new();
    if fs::metadata(folder).is_ok_and(|there| there.is_dir()) {
        return Ok(made);
    }
    let mut at = root.to_owned();
    for part in inner.components() {
        let above = at.clone();
        at.push(part);
        match fs::create_dir(&at) {
            Ok(()) => {
                volume::sync_folder(&above)?;
                made.push(at.clone());
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !fs::metadata(&at)?.is_dir() {
                    return Err(io::ErrorKind::NotADirectory.into());
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(made)
}
