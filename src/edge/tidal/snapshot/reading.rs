//! The shapes that are read, and what becomes of them.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de};

use crate::domain::{
    Isrc, ItemId, ItemKind, Playlist, PlaylistEntry, PlaylistId, TidalReading, TidalUser, Track,
    TrackId,
};

#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) format: Option<serde_json::Value>,
    pub(super) format_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct Document<'a> {
    pub(super) format: Option<serde_json::Value>,
    pub(super) format_version: Option<String>,
    #[serde(default, deserialize_with = "timestamp")]
    taken_at: Option<Timestamp>,
    complete: Option<bool>,
    user: Option<UserIn>,
    #[serde(default, deserialize_with = "list")]
    pub(super) playlists: Vec<PlaylistIn>,
    favorites: Option<Vec<ItemIn<'a>>>,
}

#[derive(Deserialize)]
struct UserIn {
    id: Option<Id>,
    country: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct PlaylistIn {
    pub(super) id: Id,
    name: String,
    description: Option<String>,
    #[serde(default, deserialize_with = "timestamp")]
    last_modified_at: Option<Timestamp>,
    number_of_items: Option<u32>,
    complete: Option<bool>,
    #[serde(default, deserialize_with = "entries")]
    items: Vec<PlaylistEntry>,
}

#[derive(Deserialize)]
struct ItemIn<'a> {
    #[serde(borrow)]
    r#type: Option<std::borrow::Cow<'a, str>>,
    id: Id,
    item_id: Option<Id>,
    #[serde(default, deserialize_with = "timestamp")]
    added_at: Option<Timestamp>,
    resolved: Option<bool>,
    title: Option<String>,
    version: Option<String>,
    artists: Option<Vec<String>>,
    album: Option<String>,
    isrc: Option<String>,
    duration_s: Option<f64>,
    explicit: Option<bool>,
    release_date: Option<String>,
    media_tags: Option<Vec<String>>,
    streamable: Option<bool>,
}

impl Document<'_> {
    pub(super) fn into_reading(self) -> TidalReading {
        let playlists: Vec<Playlist> = self
            .playlists
            .into_iter()
            .map(PlaylistIn::into_playlist)
            .collect();
        let favorites = self
            .favorites
            .map(|items| with_known_tracks(items, &playlists));
        TidalReading {
            taken_at: self.taken_at,
            complete: self.complete.unwrap_or(true),
            user: self.user.map(|user| TidalUser {
                id: user.id.map_or_else(String::new, |id| id.0),
                country: user.country,
            }),
            playlists,
            favorites,
        }
    }
}

/// A favourite may be written by its id alone; what it is then stands in a playlist.
fn with_known_tracks(items: Vec<ItemIn<'_>>, playlists: &[Playlist]) -> Vec<PlaylistEntry> {
    let known: HashMap<&TrackId, &Track> = playlists
        .iter()
        .flat_map(|playlist| &playlist.items)
        .filter_map(|entry| Some((&entry.id, entry.track.as_ref()?)))
        .collect();
    items
        .into_iter()
        .map(|item| {
            let bare = item.resolved.is_none();
            let mut entry = item.into_entry();
            if bare && entry.track.is_none() {
                entry.track = known.get(&entry.id).map(|track| (*track).clone());
            }
            entry
        })
        .collect()
}

impl PlaylistIn {
    fn into_playlist(self) -> Playlist {
        let short = self
            .number_of_items
            .is_some_and(|count| count as usize > self.items.len());
        Playlist {
            id: PlaylistId::new(self.id.0),
            name: self.name,
            description: self.description.unwrap_or_default(),
            last_modified_at: self.last_modified_at,
            number_of_items: self.number_of_items,
            complete: self.complete.unwrap_or(!short),
            items: self.items,
        }
    }
}

impl ItemIn<'_> {
    fn into_entry(self) -> PlaylistEntry {
        let id = TrackId::new(self.id.0);
        let resolved = self.resolved.unwrap_or(self.title.is_some());
        let track = resolved.then(|| Track {
            id: id.clone(),
            title: self.title.unwrap_or_default(),
            version: self.version,
            artists: self.artists.unwrap_or_default(),
            album: self.album,
            isrc: self.isrc.as_deref().and_then(Isrc::parse),
            duration_s: self.duration_s.and_then(seconds),
            explicit: self.explicit,
            release_date: self.release_date,
            media_tags: self.media_tags.unwrap_or_default(),
            streamable: self.streamable,
        });
        PlaylistEntry {
            kind: self.r#type.as_deref().map_or(ItemKind::Track, ItemKind::of),
            id,
            item_id: self.item_id.map(|id| ItemId::new(id.0)),
            added_at: self.added_at,
            track,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked first"
)]
fn seconds(value: f64) -> Option<u32> {
    (0.0..f64::from(u32::MAX))
        .contains(&value)
        .then(|| value.round() as u32)
}

/// An id: text, or a number that a careless writer left unquoted.
pub(super) struct Id(pub(super) String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Id;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an id")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Id, E> {
                Ok(Id(text.to_owned()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Id, E> {
                Ok(Id(number.to_string()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Entries, each made as soon as it is read: there are several hundred thousand of them.
fn entries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PlaylistEntry>, D::Error> {
    struct Entries;
    impl<'de> de::Visitor<'de> for Entries {
        type Value = Vec<PlaylistEntry>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list of entries")
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(item) = seq.next_element::<ItemIn<'de>>()? {
                entries.push(item.into_entry());
            }
            entries.shrink_to_fit();
            Ok(entries)
        }
    }
    deserializer.deserialize_any(Entries)
}

fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<std::borrow::Cow<'de, str>> = Option::deserialize(deserializer)?;
    text.map(|text| {
        crate::edge::tidal::wire::timestamp(&text)
            .ok_or_else(|| de::Error::custom(format!("{text:?} is not a timestamp")))
    })
    .transpose()
}
