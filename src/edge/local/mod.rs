//! The music folder: scanning, hashing, placing, trash.

pub mod ability;
pub mod cache;
pub mod canary;
#[cfg(test)]
pub(crate) mod fixture;
pub mod folder;
pub mod hash;
pub mod memory;
mod place;
pub mod scan;
pub mod tags;
pub mod trash;
pub mod volume;

use std::path::PathBuf;

use crate::domain::{AudioFile, ContentHash, FileStat, Library, LibraryId, MediaPath, Observed};

/// Reads the library. Nothing here can write to it.
pub trait LocalReader {
    /// The library root (absolute) followed by the sources.
    fn roots(&self) -> &[PathBuf];

    /// Reads everything below the roots.
    ///
    /// # Errors
    /// When the root itself cannot be read: a missing drive, no permission.
    fn scan(&mut self) -> Result<Observed<Library>, LocalError>;

    /// The file system's facts about one path, without following a link; `None` when nothing is there.
    ///
    /// # Errors
    /// When the file system cannot say.
    fn stat(&self, path: &MediaPath) -> Result<Option<FileStat>, LocalError>;

    /// SHA-256 of a file's content.
    ///
    /// # Errors
    /// When it cannot be read to its end.
    fn hash(&self, path: &MediaPath) -> Result<ContentHash, LocalError>;

    /// What one audio file says of itself, read anew.
    ///
    /// # Errors
    /// When nothing is there or it cannot be read; a file with broken tags is no error, see
    /// [`AudioFile::problem`].
    fn facts(&mut self, path: &MediaPath) -> Result<AudioFile, LocalError>;

    /// A small file's content (playlist files, manifests).
    ///
    /// # Errors
    /// When it cannot be read, or is larger than 16 MiB.
    fn read(&self, path: &MediaPath) -> Result<Vec<u8>, LocalError>;

    /// The canary's id, read anew; `None` when it is missing.
    ///
    /// # Errors
    /// When it is there and cannot be read or parsed.
    fn canary(&self) -> Result<Option<LibraryId>, LocalError>;
}

/// Changes the library. No method replaces or unlinks anything of the user's: targets must be vacant,
/// and what goes away goes to the trash or was made by us.
pub trait LocalLibrary: LocalReader {
    /// Gives the file a second name: a hard link, or where the volume has none a verified copy with
    /// the same mode and time. Makes the missing folders and returns those that it made, outermost
    /// first. The names' folders are synced. Succeeds without a change if `to` is already that file.
    ///
    /// # Errors
    /// [`LocalError::Occupied`] when something else is at `to`.
    fn place_beside(
        &mut self,
        from: &MediaPath,
        to: &MediaPath,
    ) -> Result<Vec<MediaPath>, LocalError>;

    /// Takes away the old name after [`LocalLibrary::place_beside`], provided that `kept` is there and
    /// has the same content. Succeeds without a change when `old` is gone already.
    ///
    /// # Errors
    /// When `kept` is not the same file or content.
    fn drop_old_name(&mut self, old: &MediaPath, kept: &MediaPath) -> Result<(), LocalError>;

    /// Moves one file to a vacant place on the same volume, keeping mode and times; makes folders and
    /// returns those that it made.
    ///
    /// # Errors
    /// [`LocalError::Occupied`] when something is at `to`.
    fn rename(&mut self, from: &MediaPath, to: &MediaPath) -> Result<Vec<MediaPath>, LocalError>;

    /// Copies one file to a vacant place, verified, keeping mode and times; makes folders and returns
    /// those that it made.
    ///
    /// # Errors
    /// [`LocalError::Occupied`] when something is at `to`.
    fn copy(&mut self, from: &MediaPath, to: &MediaPath) -> Result<Vec<MediaPath>, LocalError>;

    /// Writes a small new file by a temporary name, fsync and a rename that does not replace.
    /// Makes folders and returns those that it made.
    ///
    /// # Errors
    /// [`LocalError::Occupied`] when something is at `path`.
    fn write_new(&mut self, path: &MediaPath, content: &[u8])
    -> Result<Vec<MediaPath>, LocalError>;

    /// Removes folders that are empty, innermost first, and returns those that it removed. A folder
    /// that is not empty, or gone, is left without an error.
    ///
    /// # Errors
    /// When the file system fails otherwise.
    fn remove_empty_folders(&mut self, folders: &[MediaPath])
    -> Result<Vec<MediaPath>, LocalError>;

    /// Moves a file into the trash of run `apply` at `.tidal-cleanup/trash/<apply>/<path>`, adds a line
    /// to its `manifest.jsonl`, sees to the `README.txt`, and returns the place (below the root).
    ///
    /// # Errors
    /// When it cannot be moved on its own volume.
    fn trash(
        &mut self,
        path: &MediaPath,
        apply: crate::domain::ApplyId,
        reason: &str,
    ) -> Result<MediaPath, LocalError>;

    /// From here on until [`LocalLibrary::sync`], names that are given and taken away need not be
    /// durable at once: many files of one folder then cost one sync.
    fn defer_sync(&mut self) {}

    /// Makes every name durable that was given or taken away since [`LocalLibrary::defer_sync`].
    ///
    /// # Errors
    /// When a folder cannot be synced: what was done stands, but a loss of power may take it back.
    fn sync(&mut self) -> Result<(), LocalError> {
        Ok(())
    }

    /// Makes `.tidal-cleanup/incoming/<name>`, where a download or conversion is worked on, and
    /// returns it. What an interrupted run left there is removed first, for it never was the user's; a
    /// file of the name [`VERIFIED`] stays, for that was finished.
    ///
    /// # Errors
    /// When `name` is not one plain name, or the file system fails.
    fn open_incoming(&mut self, name: &str) -> Result<MediaPath, LocalError>;

    /// Removes `.tidal-cleanup/incoming/<name>` and what is in it. Succeeds when it is gone already.
    ///
    /// # Errors
    /// When `name` is not one plain name, or the file system fails.
    fn clear_incoming(&mut self, name: &str) -> Result<(), LocalError>;

    /// Writes the canary, once.
    ///
    /// # Errors
    /// When one is there with another id, or it cannot be written.
    fn plant_canary(&mut self, id: &LibraryId) -> Result<(), LocalError>;
}

/// The name, without its extension, of a download that was verified and lies in its incoming folder:
/// the one file there that outlives an interruption.
pub const VERIFIED: &str = "verified";

/// Why the library could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The root is not there: a missing drive, or a wrong path.
    #[error("the library folder {0} is not there")]
    Missing(PathBuf),
    /// Something is in the way.
    #[error("{0} already exists")]
    Occupied(MediaPath),
    /// The file is not what it should be.
    #[error("{path} {what}")]
    Changed { path: MediaPath, what: String },
    /// A path that leaves the library, or a source that may not be written.
    #[error("refusing to touch {0}: it is not inside the library")]
    Outside(MediaPath),
    /// The canary is damaged.
    #[error("the library marker {path} is damaged: {reason}")]
    Canary { path: PathBuf, reason: String },
    /// The operating system says no.
    #[error("could not {doing} {path}")]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}
