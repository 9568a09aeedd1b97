//! TIDAL: the user's playlists, read; and changed where the policy asks for that by name ([`mod@write`]).
//!
//! [`TidalService`] reads the official API as the user who logged in ([`login`]), [`SnapshotFile`] a
//! saved reading, [`TidalMemory`] a value. From the socket inwards: `client` gets whole replies, `http`
//! asks until one counts (`throttle`, [`tokens`]), `pages` follows cursors, `reader` compares what it
//! has read with the counters and the list until it can be believed.

pub mod settings;
pub mod oauth;
pub mod tokens;
pub mod login;
pub mod memory;
pub mod snapshot;
pub mod wire;
pub mod progress;
pub mod service;
pub mod write;
mod browser;
mod client;
mod http;
mod nul;
pub mod keyring;
mod pages;
mod reader;
mod redirect;
mod throttle;

pub use memory::TidalMemory;
pub use progress::Progress;
pub use reader::PlaylistHead;
pub use service::{ReadOptions, TidalService};
pub use settings::TidalSettings;
pub use snapshot::SnapshotFile;
pub use write::{EntryRef, ListEdit, TidalWriter, WriteError};

use crate::domain::{Observed, TidalReading};

/// Reads the user's playlists.
pub trait TidalApi {
    /// Everything that the policy may speak of. A list that could not be read to its end is marked
    /// incomplete in the value and has a problem beside it.
    ///
    /// # Errors
    /// Only when nothing can be read at all: not logged in, no network.
    fn read(&self) -> impl Future<Output = Result<Observed<TidalReading>, TidalError>> + Send;
}

/// Why TIDAL could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum TidalError {
    /// No log-in, or it was revoked.
    #[error("not logged in to TIDAL{0}")]
    NotLoggedIn(String),
    /// The snapshot file is missing, torn or of another format.
    #[error("could not read the TIDAL snapshot {path}: {reason}")]
    Snapshot { path: String, reason: String },
    /// The service does not answer, or answers nonsense.
    #[error("TIDAL does not answer: {0}")]
    Unavailable(String),
    /// The log-in may read playlists and not change them.
    #[error("this log-in may read your TIDAL playlists and not change them")]
    ReadOnly,
    /// The service refuses.
    #[error("TIDAL refused: {0}")]
    Refused(String),
}
