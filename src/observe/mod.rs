//! Reads every source once, side by side, into one frozen [`Observation`].

use std::path::PathBuf;

use crate::domain::{Collection, Library, MediaPath, Observed, State, TidalReading};

/// Everything that was read, at one time. What follows decides from this value alone.
#[derive(Clone, Debug)]
pub struct Observation {
    /// TIDAL, from the service, the last good reading or a file.
    pub tidal: Observed<TidalReading>,
    /// The library root and the sources.
    pub library: Observed<Library>,
    /// Rekordbox; `None` when the policy has none.
    pub rekordbox: Option<Observed<Collection>>,
    /// What we remember.
    pub state: State,
    /// The library root (absolute) followed by the sources: to tell which Rekordbox row is which file.
    pub roots: Vec<PathBuf>,
}

impl Observation {
    /// The library path that an absolute path (as Rekordbox stores it) names, NFC and NFD alike; the
    /// spelling is that of the scan when the scan has such a file. `None` outside the roots.
    #[must_use]
    pub fn locate(&self, absolute: &str) -> Option<MediaPath> {
        let absolute = crate::domain::text::nfc(absolute);
        self.roots.iter().enumerate().find_map(|(number, root)| {
            let root = crate::domain::text::nfc(&root.to_string_lossy().replace('\\', "/"));
            let rest = absolute
                .strip_prefix(root.trim_end_matches('/'))?
                .strip_prefix('/')?;
            let path = MediaPath::from_relative(number, std::path::Path::new(rest));
            path.is_safe().then_some(path)
        })
    }
}
