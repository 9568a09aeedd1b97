//! Reads every source once, side by side, into one frozen [`Observation`].

mod lists;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
};

use crate::{
    domain::{Collection, Content, ContentId, Library, MediaPath, Observed, State, TidalReading},
    edge::{
        local::{LocalError, LocalReader},
        rekordbox::{RekordboxError, RekordboxReader},
        store::{StateReader, StoreError},
        tidal::{TidalApi, TidalError},
    },
};

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
    /// Files that the user's own playlist files name, by their path in NFC, and which of them does.
    pub local_lists: BTreeMap<String, MediaPath>,
}

impl Observation {
    /// The user's own playlist file (`.m3u8`, `.m3u`) that names `path`; the first in path order.
    #[must_use]
    pub fn local_list_of(&self, path: &MediaPath) -> Option<&MediaPath> {
        self.local_lists
            .get(&crate::domain::text::nfc(path.as_str()))
    }

    /// The rows of Rekordbox below the roots, each with the place of its file.
    pub fn rows(&self) -> impl Iterator<Item = (MediaPath, &ContentId, &Content)> {
        let collection = self.rekordbox.iter().map(|observed| &observed.value);
        collection
            .flat_map(|collection| &collection.contents)
            .filter(|(_, content)| !content.is_streaming())
            .filter_map(|(id, content)| Some((self.locate(&content.folder_path)?, id, &**content)))
    }

    /// The library path that an absolute path (as Rekordbox stores it) names, NFC and NFD alike; the
    /// spelling is that of the scan when the scan has such a file. `None` outside the roots.
    #[must_use]
    pub fn locate(&self, absolute: &str) -> Option<MediaPath> {
        locate(&self.roots, absolute)
    }
}

fn locate(roots: &[PathBuf], absolute: &str) -> Option<MediaPath> {
    let absolute = crate::domain::text::nfc(absolute);
    roots.iter().enumerate().find_map(|(number, root)| {
        let root = crate::domain::text::nfc(&root.to_string_lossy().replace('\\', "/"));
        let rest = absolute
            .strip_prefix(root.trim_end_matches('/'))?
            .strip_prefix('/')?;
        let path = MediaPath::from_relative(number, std::path::Path::new(rest));
        path.is_safe().then_some(path)
    })
}

/// Why there is nothing to plan from: a source that cannot be read at all. What can be read in part is
/// no error; it is marked in the observation.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    #[error(transparent)]
    Tidal(#[from] TidalError),
    #[error(transparent)]
    Local(#[from] LocalError),
    #[error(transparent)]
    Rekordbox(#[from] RekordboxError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads the worlds side by side. They are lent for reading only: nothing that gets hold of them here
/// has a method that writes.
///
/// # Errors
/// See [`ObserveError`].
pub async fn observe(
    tidal: &impl TidalApi,
    local: &mut impl LocalReader,
    rekordbox: Option<&impl RekordboxReader>,
    store: &impl StateReader,
) -> Result<Observation, ObserveError> {
    let collection = async {
        match rekordbox {
            Some(rekordbox) => rekordbox.read().await.map(Some),
            None => Ok(None),
        }
    };
    // The scan blocks its thread, so it stands last: by then the others are under way on theirs.
    let scan = async { local.scan() };
    let (tidal, collection, state, library) =
        tokio::join!(tidal.read(), collection, store.state(), scan);
    let (mut library, mut state, tidal) = (library?, state?, tidal?);
    share(&mut state, &tidal.value);
    let local_lists = lists::read(local, &mut library, &state);
    Ok(Observation {
        tidal,
        library,
        rekordbox: collection?,
        state,
        roots: local.roots().to_vec(),
        local_lists,
    })
}

/// Lets the state have what TIDAL says in common with the reading: most tracks are what they were, and then
/// one look tells that they are.
fn share(state: &mut State, reading: &TidalReading) {
    let lists = reading.playlists.iter().map(|list| &list.items);
    let items = lists.chain(&reading.favorites).flatten();
    let mut said = HashMap::with_capacity(state.tracks.len());
    for item in items {
        if let Some(track) = &item.track {
            said.entry(&item.id).or_insert(track);
        }
    }
    for (id, row) in &mut state.tracks {
        if let Some(track) = said.get(id).filter(|track| ***track == row.track) {
            row.track = Arc::clone(track);
        }
    }
}
