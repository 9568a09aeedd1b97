//! What TIDAL says of the user's playlists.

use std::sync::Arc;

use jiff::Timestamp;

use super::{ItemId, PlaylistId, Track, TrackId};

/// A whole reading of TIDAL, from the service or from a snapshot file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TidalReading {
    /// When the reading was finished.
    pub taken_at: Option<Timestamp>,
    /// `false`: nothing may be concluded from what is not in it.
    pub complete: bool,
    /// Whose playlists they are.
    pub user: Option<TidalUser>,
    /// In TIDAL's order.
    pub playlists: Vec<Playlist>,
    /// The favourite tracks, where they were asked for.
    pub favorites: Option<Vec<PlaylistEntry>>,
}

/// The account of a reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TidalUser {
    /// TIDAL's user id.
    pub id: String,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
}

/// One playlist, with its entries in the user's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Playlist {
    /// The UUID.
    pub id: PlaylistId,
    /// As TIDAL has it: any characters, NFC or NFD.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// When the playlist last changed.
    pub last_modified_at: Option<Timestamp>,
    /// TIDAL's own count of entries.
    pub number_of_items: Option<u32>,
    /// `false`: nothing may be concluded from what is not in `items`.
    pub complete: bool,
    /// In the user's order. The same track may stand in it more than once.
    pub items: Vec<PlaylistEntry>,
}

/// One entry of one playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaylistEntry {
    /// What it points at.
    pub kind: ItemKind,
    /// The catalogue id of the track (or video).
    pub id: TrackId,
    /// This entry's own id; absent in older readings.
    pub item_id: Option<ItemId>,
    /// When the user added it.
    pub added_at: Option<Timestamp>,
    /// The track's metadata; `None` when TIDAL lists the entry but withholds the track
    /// (`resolved: false`), which means unavailable and never removed. Entries of one track share it.
    pub track: Option<Arc<Track>>,
}

impl PlaylistEntry {
    /// The text of its own id; empty where it has none.
    #[must_use]
    pub fn own_id(&self) -> String {
        self.item_id
            .as_ref()
            .map(ItemId::to_string)
            .unwrap_or_default()
    }
}

/// What a playlist entry points at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemKind {
    /// A track.
    Track,
    /// A video, or a kind that TIDAL added later: kept in the reading under TIDAL's own name for it
    /// (`videos`), left out of decisions.
    Other(String),
}

impl ItemKind {
    /// TIDAL's name for tracks.
    const TRACKS: &'static str = "tracks";

    /// The kind of TIDAL's name for it.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            Self::TRACKS => Self::Track,
            other => Self::Other(other.to_owned()),
        }
    }

    /// TIDAL's name for it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Track => Self::TRACKS,
            Self::Other(name) => name,
        }
    }
}

impl Playlist {
    /// The entries that are tracks, in order.
    pub fn tracks(&self) -> impl Iterator<Item = &PlaylistEntry> {
        self.items
            .iter()
            .filter(|entry| entry.kind == ItemKind::Track)
    }
}

impl TidalReading {
    /// The playlist of that id.
    #[must_use]
    pub fn playlist(&self, id: &PlaylistId) -> Option<&Playlist> {
        self.playlists.iter().find(|playlist| &playlist.id == id)
    }
}
