//! Fetching through the user's own command, and converting with ffmpeg.

pub mod command;
mod convert;
mod process;
pub mod verify;
pub mod memory;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::domain::{AudioFormat, Track, TrackId};

pub use process::kill_all;

/// Fetches and converts single tracks.
pub trait Downloader: Sync {
    /// Runs the download command for `track` with an empty folder of its own inside `workspace` (on the
    /// library's volume), and returns the one audio file that it left there, verified and brought to
    /// `workspace` under the name [`VERIFIED`](crate::edge::local::VERIFIED). One that an interrupted run left under that name is
    /// looked at as if it had just come, and spares the command.
    ///
    /// # Errors
    /// See [`FetchError`]; the command's folder is removed again.
    fn fetch(
        &self,
        track: &Track,
        workspace: &Path,
    ) -> impl Future<Output = Result<Fetched, FetchError>> + Send;

    /// Copies `source`, the verified file of the same recording under another TIDAL id, to `workspace`
    /// as if it had been fetched, with the track's own id, title, artists and album.
    ///
    /// # Errors
    /// See [`FetchError`].
    fn copy(
        &self,
        track: &Track,
        source: &Path,
        workspace: &Path,
    ) -> impl Future<Output = Result<Fetched, FetchError>> + Send;

    /// Converts `source` to `format` at `target` (a fresh path on the library's volume, which the
    /// caller renames): verified, tags and cover carried over, the TIDAL id written, synced.
    ///
    /// # Errors
    /// See [`FetchError`].
    fn convert(
        &self,
        track: &Track,
        source: &Path,
        target: &Path,
        format: AudioFormat,
        quality: &str,
    ) -> impl Future<Output = Result<(), FetchError>> + Send;
}

/// What a download is about to do or has done, for whoever shows it.
#[derive(Clone, Debug)]
pub enum Step {
    /// A command began for the track.
    Began {
        /// Which.
        track: TrackId,
    },
    /// So many bytes lie in the track's folder now.
    Bytes {
        /// Which.
        track: TrackId,
        /// All of them.
        bytes: u64,
    },
    /// It failed, and there is another try after a pause.
    Retries {
        /// Which.
        track: TrackId,
        /// `Artist – Title`.
        label: String,
        /// How long the pause is.
        pause: Duration,
        /// Why it failed.
        error: String,
    },
    /// No command runs for the track any more.
    Ended {
        /// Which.
        track: TrackId,
    },
}

/// Is told of every [`Step`].
pub type OnStep = Arc<dyn Fn(&Step) + Send + Sync>;

/// A verified download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The file, right in the workspace.
    pub path: PathBuf,
    /// What it is.
    pub format: AudioFormat,
}

/// Why a track could not be fetched or converted.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The policy names no command.
    #[error("no download command is configured")]
    NoCommand,
    /// The program is not there.
    #[error("could not start {program:?}: {reason}")]
    NotStarted { program: String, reason: String },
    /// It took too long and was killed with its children.
    #[error("{program:?} did not finish within {seconds} s and was stopped")]
    TimedOut { program: String, seconds: u64 },
    /// It said that it failed.
    #[error("{program:?} failed ({status}): {tail}")]
    Failed {
        program: String,
        status: String,
        tail: String,
    },
    /// It says that TIDAL does not have the track (any more), and it left no file.
    #[error("unavailable: {program:?} says {said:?}")]
    Unavailable { program: String, said: String },
    /// It said that all went well, and the result says otherwise: no file, an empty or truncated one.
    #[error("{program:?} did not deliver the track: {reason}")]
    NotDelivered { program: String, reason: String },
    /// What it left is whole and something else: another recording, two files, too much. Another try
    /// would end in the same way.
    #[error("{program:?} delivered something else: {reason}")]
    Wrong { program: String, reason: String },
    /// The policy asks for a lossless format, and what came is lossy: it would only pretend to be more.
    #[error("lossy: it came as {came}, and as {wanted} it would only pretend to be more")]
    Lossy {
        came: &'static str,
        wanted: &'static str,
    },
    /// The operating system says no (a full disk).
    #[error("could not {doing} {path}")]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl FetchError {
    /// Whether another try may help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::Failed { .. } | Self::NotDelivered { .. } => true,
            Self::NoCommand
            | Self::NotStarted { .. }
            | Self::Unavailable { .. }
            | Self::Wrong { .. }
            | Self::Lossy { .. }
            | Self::Io { .. } => false,
        }
    }
}
