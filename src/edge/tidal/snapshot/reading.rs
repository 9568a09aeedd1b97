//! The shapes that are read, and what becomes of them.

use std::{borrow::Cow, collections::HashMap, marker::PhantomData, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de, de::DeserializeSeed};

use crate::domain::{
    Isrc, ItemId, ItemKind, Playlist, PlaylistEntry, PlaylistId, TidalReading, TidalUser, Track,
    TrackId,
};

#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) format: Option<serde_json::Value>,
    pub(super) format_version: Option<String>,
}

/// What a snapshot file says, read in one go.
#[derive(Default)]
pub(super) struct Document {
    pub(super) format: Option<serde_json::Value>,
    pub(super) format_version: Option<String>,
    taken_at: Option<Timestamp>,
    complete: Option<bool>,
    user: Option<UserIn>,
    pub(super) playlists: Vec<PlaylistIn>,
    favorites: Option<Vec<(PlaylistEntry, bool)>>,
}

#[derive(Deserialize)]
struct UserIn {
    #[serde(default, deserialize_with = "id")]
    id: Option<String>,
    country: Option<String>,
}

#[derive(Default)]
pub(super) struct PlaylistIn {
    pub(super) id: String,
    name: String,
    description: Option<String>,
    last_modified_at: Option<Timestamp>,
    number_of_items: Option<u32>,
    complete: Option<bool>,
    items: Vec<PlaylistEntry>,
}

/// An entry as it stands in the file; nothing of it is copied before it is known to be new.
#[derive(Deserialize)]
struct ItemIn<'a> {
    #[serde(borrow)]
    r#type: Option<Text<'a>>,
    #[serde(borrow)]
    id: Id<'a>,
    #[serde(borrow)]
    item_id: Option<Id<'a>>,
    #[serde(default, deserialize_with = "timestamp")]
    added_at: Option<Timestamp>,
    resolved: Option<bool>,
    #[serde(borrow)]
    title: Option<Text<'a>>,
    #[serde(borrow)]
    version: Option<Text<'a>>,
    #[serde(borrow)]
    artists: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    album: Option<Text<'a>>,
    #[serde(borrow)]
    isrc: Option<Text<'a>>,
    duration_s: Option<f64>,
    explicit: Option<bool>,
    #[serde(borrow)]
    release_date: Option<Text<'a>>,
    #[serde(borrow)]
    media_tags: Option<Vec<Text<'a>>>,
    streamable: Option<bool>,
}

impl Document {
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
                id: user.id.unwrap_or_default(),
                country: user.country,
            }),
            playlists,
            favorites,
        }
    }
}

/// A favourite may be written by its id alone; what it is then stands in a playlist.
fn with_known_tracks(
    items: Vec<(PlaylistEntry, bool)>,
    playlists: &[Playlist],
) -> Vec<PlaylistEntry> {
    let known: HashMap<&TrackId, &Arc<Track>> = playlists
        .iter()
        .flat_map(|playlist| &playlist.items)
        .filter_map(|entry| Some((&entry.id, entry.track.as_ref()?)))
        .collect();
    items
        .into_iter()
        .map(|(mut entry, bare)| {
            if bare && entry.track.is_none() {
                entry.track = known.get(&entry.id).map(|track| Arc::clone(track));
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
            id: PlaylistId::new(self.id),
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
    /// The entry; its track is the one that was `known` under its id, where it says the same.
    fn into_entry(self, known: &mut Known) -> PlaylistEntry {
        let resolved = self.resolved.unwrap_or(self.title.is_some());
        let id = TrackId::new(&*self.id.0);
        let track = resolved.then(|| match known.get(&id) {
            Some(track) if self.says(track) => Arc::clone(track),
            Some(_) | None => {
                let track = Arc::new(self.track());
                known.insert(track.id.clone(), Arc::clone(&track));
                track
            }
        });
        PlaylistEntry {
            kind: self
                .r#type
                .map_or(ItemKind::Track, |kind| ItemKind::of(&kind.0)),
            id,
            item_id: self.item_id.map(|id| ItemId::new(&id.0)),
            added_at: self.added_at,
            track,
        }
    }

    fn track(&self) -> Track {
        let owned = |text: &Text<'_>| text.0.clone().into_owned();
        let list = |texts: &Option<Vec<Text<'_>>>| -> Vec<String> {
            texts.iter().flatten().map(owned).collect()
        };
        Track {
            id: TrackId::new(&*self.id.0),
            title: self.title.as_ref().map(owned).unwrap_or_default(),
            version: self.version.as_ref().map(owned),
            artists: list(&self.artists),
            album: self.album.as_ref().map(owned),
            isrc: self.isrc.as_ref().and_then(|code| Isrc::parse(&code.0)),
            duration_s: self.duration_s.and_then(seconds),
            explicit: self.explicit,
            release_date: self.release_date.as_ref().map(owned),
            media_tags: list(&self.media_tags),
            streamable: self.streamable,
        }
    }

    /// Whether [`ItemIn::track`] would be that.
    fn says(&self, track: &Track) -> bool {
        let same = |said: &Option<Text<'_>>, known: Option<&str>| {
            said.as_ref().map(|text| &*text.0) == known
        };
        let list = |said: &Option<Vec<Text<'_>>>, known: &[String]| {
            said.iter().flatten().map(|text| &*text.0).eq(known)
        };
        let Track {
            id,
            title,
            version,
            artists,
            album,
            isrc,
            duration_s,
            explicit,
            release_date,
            media_tags,
            streamable,
        } = track;
        *self.id.0 == *id.as_str()
            && self.title.as_ref().map_or("", |text| &*text.0) == title
            && same(&self.version, version.as_deref())
            && list(&self.artists, artists)
            && same(&self.album, album.as_deref())
            && self.isrc.as_ref().and_then(|code| Isrc::parse(&code.0)) == *isrc
            && self.duration_s.and_then(seconds) == *duration_s
            && self.explicit == *explicit
            && same(&self.release_date, release_date.as_deref())
            && list(&self.media_tags, media_tags)
            && self.streamable == *streamable
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

/// Text that is borrowed from the file where nothing in it is escaped.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_str(TextVisitor { numbers: false })
            .map(Text)
    }
}

/// An id: text, or a number that a careless writer left unquoted.
struct Id<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Id<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(TextVisitor { numbers: true })
            .map(Id)
    }
}

struct TextVisitor {
    numbers: bool,
}

impl<'de> de::Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.numbers { "an id" } else { "a string" })
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        match self.numbers {
            true => Ok(Cow::Owned(number.to_string())),
            false => Err(E::invalid_type(de::Unexpected::Unsigned(number), &self)),
        }
    }
}

/// The tracks that were read, by their ids: most stand in several playlists.
type Known = HashMap<TrackId, Arc<Track>>;

/// A part of the document, read with what is known so far.
struct Part<'k, T>(&'k mut Known, PhantomData<T>);

impl<'k, T> Part<'k, T> {
    const fn of(known: &'k mut Known) -> Self {
        Self(known, PhantomData)
    }
}

/// Sets a field once.
fn once<T, E: de::Error>(field: &mut Option<T>, name: &'static str, value: T) -> Result<(), E> {
    match field.replace(value) {
        Some(_) => Err(E::duplicate_field(name)),
        None => Ok(()),
    }
}

/// A time that may be `null`.
#[derive(Deserialize)]
struct Time(#[serde(deserialize_with = "timestamp")] Option<Timestamp>);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut known = Known::new();
        deserializer.deserialize_map(Part::<Self>::of(&mut known))
    }
}

impl<'de> de::Visitor<'de> for Part<'_, Document> {
    type Value = Document;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a TIDAL snapshot")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
        let mut document = Document::default();
        let (mut format, mut version, mut taken, mut complete, mut user) =
            (None, None, None, None, None);
        let (mut playlists, mut favorites) = (None, None);
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "format" => once(&mut format, "format", map.next_value()?)?,
                "format_version" => once(&mut version, "format_version", map.next_value()?)?,
                "taken_at" => once(&mut taken, "taken_at", map.next_value::<Time>()?)?,
                "complete" => once(&mut complete, "complete", map.next_value()?)?,
                "user" => once(&mut user, "user", map.next_value()?)?,
                "playlists" => {
                    let part = Part::<Vec<PlaylistIn>>::of(self.0);
                    once(&mut playlists, "playlists", map.next_value_seed(part)?)?;
                }
                "favorites" => {
                    let part = Part::<Vec<(PlaylistEntry, bool)>>::of(self.0);
                    once(&mut favorites, "favorites", map.next_value_seed(part)?)?;
                }
                _ => drop(map.next_value::<de::IgnoredAny>()?),
            }
        }
        document.format = format.flatten();
        document.format_version = version.flatten();
        document.taken_at = taken.and_then(|time| time.0);
        document.complete = complete.flatten();
        document.user = user.flatten();
        document.playlists = playlists.flatten().unwrap_or_default();
        document.favorites = favorites.flatten();
        Ok(document)
    }
}

impl<'de> DeserializeSeed<'de> for Part<'_, PlaylistIn> {
    type Value = PlaylistIn;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<PlaylistIn, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> de::Visitor<'de> for Part<'_, PlaylistIn> {
    type Value = PlaylistIn;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a playlist")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<PlaylistIn, A::Error> {
        let (mut id, mut name, mut description, mut modified, mut count, mut complete) =
            (None, None, None, None, None, None);
        let mut items = None;
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "id" => once(&mut id, "id", map.next_value::<Id<'de>>()?)?,
                "name" => once(&mut name, "name", map.next_value()?)?,
                "description" => once(&mut description, "description", map.next_value()?)?,
                "last_modified_at" => {
                    once(&mut modified, "last_modified_at", map.next_value::<Time>()?)?;
                }
                "number_of_items" => once(&mut count, "number_of_items", map.next_value()?)?,
                "complete" => once(&mut complete, "complete", map.next_value()?)?,
                "items" => {
                    let part = Part::<Vec<(PlaylistEntry, bool)>>::of(self.0);
                    once(&mut items, "items", map.next_value_seed(part)?)?;
                }
                _ => drop(map.next_value::<de::IgnoredAny>()?),
            }
        }
        let entries = items.flatten().unwrap_or_default();
        Ok(PlaylistIn {
            id: id
                .ok_or_else(|| de::Error::missing_field("id"))?
                .0
                .into_owned(),
            name: name.ok_or_else(|| de::Error::missing_field("name"))?,
            description: description.flatten(),
            last_modified_at: modified.and_then(|time| time.0),
            number_of_items: count.flatten(),
            complete: complete.flatten(),
            items: entries.into_iter().map(|(entry, _)| entry).collect(),
        })
    }
}

/// A list, or `null`.
impl<'de, T> DeserializeSeed<'de> for Part<'_, Vec<T>>
where
    Self: de::Visitor<'de>,
{
    type Value = <Self as de::Visitor<'de>>::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for Part<'_, Vec<PlaylistIn>> {
    type Value = Option<Vec<PlaylistIn>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of playlists")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut lists = Vec::new();
        while let Some(list) = seq.next_element_seed(Part::<PlaylistIn>::of(self.0))? {
            lists.push(list);
        }
        Ok(Some(lists))
    }
}

/// Entries, each made as soon as it is read (there are several hundred thousand of them), and whether it
/// says no more than its id.
impl<'de> de::Visitor<'de> for Part<'_, Vec<(PlaylistEntry, bool)>> {
    type Value = Option<Vec<(PlaylistEntry, bool)>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(item) = seq.next_element::<ItemIn<'de>>()? {
            let bare = item.resolved.is_none();
            entries.push((item.into_entry(self.0), bare));
        }
        Ok(Some(entries))
    }
}

fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<Id<'de>>::deserialize(deserializer)?.map(|id| id.0.into_owned()))
}

fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<Text<'de>> = Option::deserialize(deserializer)?;
    text.map(|Text(text)| {
        crate::edge::tidal::wire::timestamp(&text)
            .ok_or_else(|| de::Error::custom(format!("{text:?} is not a timestamp")))
    })
    .transpose()
}
