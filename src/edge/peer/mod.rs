//! The Python tool `tidal-cleanup` (`anneoneone/cleanup-tidal-playlists`): what it knows, read once by
//! `import`. Its files are copied before they are opened, so nothing of it is ever touched.
//!
//! Known from its public source (`database/models.py`, `config.py`): `sync.db` is SQLite with `tracks`,
//! `playlists` and `playlist_tracks`; paths are relative to its MP3 folder, in `tracks.file_paths` (a
//! JSON list) or, before that, `tracks.file_path`. Its settings stand in `config/.env` or `.env` as
//! `TIDAL_CLEANUP_…`, its emoji language in `config/rekordbox_mytag_mapping.json`.

mod database;
mod env;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use database::{PeerPlaylist, PeerTrack};
pub use env::PeerEnv;

use crate::domain::{
    Isrc, ItemKind, Playlist, PlaylistEntry, PlaylistId, TidalReading, Track, TrackId,
};

/// What the Python tool knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its state database, when it has one.
    pub database: Option<PathBuf>,
    /// In the order of its ids.
    pub tracks: Vec<PeerTrack>,
    /// In the order of its ids.
    pub playlists: Vec<PeerPlaylist>,
    /// Its settings.
    pub env: Option<PeerEnv>,
    /// Its emoji language, when it is there: `tidal-cleanup policy import` reads it.
    pub mapping: Option<PathBuf>,
    /// Tables and columns that its database does not have, in words.
    pub gaps: Vec<String>,
}

/// Why nothing can be learnt from it.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// Nothing there.
    #[error("there is nothing at {0}")]
    Missing(PathBuf),
    /// Neither its folder nor its database.
    #[error("{0} is neither the Python tool's folder nor its sync.db")]
    NotThePeer(PathBuf),
    /// The operating system says no.
    #[error("could not read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// SQLite says no.
    #[error("could not read the database {path}")]
    Database {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
}

/// The file's first bytes are those of every SQLite file.
fn is_sqlite(path: &Path) -> bool {
    use std::io::Read as _;
    let mut head = [0; 16];
    let file = std::fs::metadata(path).is_ok_and(|facts| facts.is_file());
    file && std::fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut head))
        .is_ok_and(|()| head == *b"SQLite format 3\0")
}

impl Peer {
    /// Reads the tool's folder (its checkout, or where it keeps its `.env`), or its `sync.db`. `home`
    /// stands for `~` in its settings, and its default database lies there.
    ///
    /// # Errors
    /// When there is nothing, or nothing of it.
    pub async fn read(at: &Path, home: Option<&Path>) -> Result<Self, PeerError> {
        if !at.exists() {
            return Err(PeerError::Missing(at.to_owned()));
        }
        let is_folder = at.is_dir();
        let folder = if is_folder {
            at
        } else {
            at.parent().unwrap_or(at)
        };
        let env = [folder.join("config/.env"), folder.join(".env")];
        let env = env.iter().find(|path| path.is_file());
        let env = env.map(|path| PeerEnv::read(path, home)).transpose()?;
        let mapping = [
            "config/rekordbox_mytag_mapping.json",
            "rekordbox_mytag_mapping.json",
        ];
        let mapping = mapping.iter().map(|name| folder.join(name));
        let mapping = mapping.into_iter().find(|path| path.is_file());
        let database = match is_folder {
            false => Some(at.to_owned()).filter(|path| is_sqlite(path)),
            true => {
                let named = env.as_ref().and_then(|env| env.database.clone());
                let usual = home.map(|home| home.join(".tidal-cleanup/sync.db"));
                let near = [
                    folder.join("sync.db"),
                    folder.join(".tidal-cleanup/sync.db"),
                ];
                let places = named.into_iter().chain(near).chain(usual);
                let mut found = places.filter(|path| is_sqlite(path));
                found.next()
            }
        };
        let mut peer = Self {
            env,
            mapping,
            ..Self::default()
        };
        if let Some(path) = database {
            let read = database::read(&path).await?;
            if let Some(read) = read {
                peer.database = Some(path);
                (peer.tracks, peer.playlists, peer.gaps) = read;
            } else if !is_folder {
                return Err(PeerError::NotThePeer(at.to_owned()));
            }
        } else if !is_folder {
            return Err(PeerError::NotThePeer(at.to_owned()));
        }
        if peer.database.is_none() && peer.env.is_none() && peer.mapping.is_none() {
            return Err(PeerError::NotThePeer(at.to_owned()));
        }
        Ok(peer)
    }

    /// Its playlists as a reading of TIDAL. It was taken some time ago by another program, so nothing is
    /// concluded from what is not in it.
    #[must_use]
    pub fn reading(&self) -> Option<TidalReading> {
        let rows: BTreeMap<i64, &PeerTrack> =
            self.tracks.iter().map(|track| (track.row, track)).collect();
        let lists = self.playlists.iter();
        let playlists: Vec<Playlist> = lists.filter_map(|list| list.playlist(&rows)).collect();
        (!playlists.is_empty()).then_some(TidalReading {
            taken_at: None,
            complete: false,
            user: None,
            playlists,
            favorites: None,
        })
    }
}

impl PeerPlaylist {
    fn playlist(&self, rows: &BTreeMap<i64, &PeerTrack>) -> Option<Playlist> {
        let id = self.tidal_id.as_ref()?;
        let items: Vec<PlaylistEntry> = self
            .tracks
            .iter()
            .filter_map(|row| rows.get(row))
            .filter_map(|track| {
                Some(PlaylistEntry {
                    kind: ItemKind::Track,
                    id: TrackId::new(track.tidal_id.as_deref()?),
                    item_id: None,
                    added_at: None,
                    track: track.track().map(Arc::new),
                })
            })
            .collect();
        Some(Playlist {
            id: PlaylistId::new(id.as_str()),
            name: self.name.clone(),
            description: self.description.clone(),
            last_modified_at: None,
            number_of_items: u32::try_from(items.len()).ok(),
            complete: true,
            items,
        })
    }
}

impl PeerTrack {
    /// As TIDAL would say it; `None` for a track that is not TIDAL's.
    #[must_use]
    pub fn track(&self) -> Option<Track> {
        Some(Track {
            id: TrackId::new(self.tidal_id.as_deref()?),
            title: self.title.clone(),
            version: self.version.clone(),
            artists: self.artist.split(", ").map(str::to_owned).collect(),
            album: self.album.clone(),
            isrc: self.isrc.as_deref().and_then(Isrc::parse),
            duration_s: self.duration_s,
            explicit: None,
            release_date: self.year.map(|year| year.to_string()),
            media_tags: Vec::new(),
            streamable: self.unavailable.then_some(false),
        })
    }
}

#[cfg(test)]
mod tests;
