//! TIDAL's JSON, read tolerantly: every attribute may be missing, `null` or of a kind not known here.
//!
//! Hand-written from TIDAL's own API document (version 1.10.104), because live replies break what
//! it says: nulls, new enumeration values, missing fields.

use std::{collections::HashMap, fmt, sync::Arc};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Deserializer, de};

use super::{oauth::Grant, tokens::Secret};
use crate::domain::{Isrc, ItemId, ItemKind, PlaylistEntry, Track, TrackId};

/// A reply: one resource, many, or the identifiers of a relationship.
#[derive(Debug, Deserialize)]
pub struct Document<T> {
    /// The answer; a reply without it is no answer.
    #[serde(default = "none")]
    pub data: Option<T>,
    /// Further resources, in any order.
    #[serde(default, deserialize_with = "many")]
    pub included: Vec<Resource>,
    /// Where the next page is.
    #[serde(default)]
    pub links: Option<Links>,
}

/// A resource of any type, with the attributes that are read here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Resource {
    /// Opaque.
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    /// `playlists`, `tracks`, `videos`, `artists`, `albums`, `users`…
    #[serde(deserialize_with = "text")]
    pub r#type: Option<String>,
    /// Absent for a resource that is only pointed at.
    pub attributes: Option<Attributes>,
    /// Those that were asked for.
    pub relationships: Option<Relationships>,
}

/// The attributes of all the types together; each type has some of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Attributes {
    #[serde(deserialize_with = "text")]
    pub title: Option<String>,
    #[serde(deserialize_with = "text")]
    pub version: Option<String>,
    #[serde(deserialize_with = "text")]
    pub isrc: Option<String>,
    /// ISO 8601, such as `PT4M12S`.
    #[serde(deserialize_with = "text")]
    pub duration: Option<String>,
    #[serde(deserialize_with = "flag")]
    pub explicit: Option<bool>,
    #[serde(deserialize_with = "texts")]
    pub media_tags: Option<Vec<String>>,
    /// `STREAM`, `DJ`, `STEM`; deprecated and still delivered.
    #[serde(deserialize_with = "texts")]
    pub availability: Option<Vec<String>>,
    #[serde(deserialize_with = "text")]
    pub release_date: Option<String>,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(deserialize_with = "text")]
    pub description: Option<String>,
    #[serde(deserialize_with = "text")]
    pub last_modified_at: Option<String>,
    #[serde(deserialize_with = "number")]
    pub number_of_items: Option<u32>,
    #[serde(deserialize_with = "text")]
    pub country: Option<String>,
    #[serde(deserialize_with = "text")]
    pub username: Option<String>,
}

/// The relationships that are read here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Relationships {
    pub items: Option<Relationship>,
    pub artists: Option<Relationship>,
    pub albums: Option<Relationship>,
}

/// A relationship: identifiers, or only a link to them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Relationship {
    /// Absent when the relationship was not included.
    pub data: Option<Vec<Identifier>>,
    /// Where the rest is.
    pub links: Option<Links>,
}

/// Points at a resource; in a playlist it is one entry.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Identifier {
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub r#type: Option<String>,
    pub meta: Option<EntryMeta>,
}

/// What TIDAL says of an entry itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EntryMeta {
    #[serde(deserialize_with = "text")]
    pub item_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub added_at: Option<String>,
}

/// Links of a page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Links {
    /// Relative, without `/v2`.
    #[serde(deserialize_with = "text")]
    pub next: Option<String>,
    pub meta: Option<LinksMeta>,
}

/// The cursor by itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LinksMeta {
    #[serde(deserialize_with = "text")]
    pub next_cursor: Option<String>,
}

const fn none<T>() -> Option<T> {
    None
}

/// One entry as TIDAL lists it, without what it points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// `tracks`, `videos`…
    pub r#type: String,
    /// The catalogue id.
    pub id: String,
    /// The entry's own id.
    pub item_id: Option<String>,
    /// When the user added it.
    pub added_at: Option<Timestamp>,
}

impl Row {
    /// The entry, unless it has no id.
    #[must_use]
    pub fn of(identifier: Identifier) -> Option<Self> {
        let meta = identifier.meta.unwrap_or_default();
        Some(Self {
            r#type: identifier.r#type.unwrap_or_else(|| "tracks".to_owned()),
            id: identifier.id?,
            item_id: meta.item_id,
            added_at: meta.added_at.as_deref().and_then(timestamp),
        })
    }
}

/// Everything that pages included, merged: a resource may come bare once and rich another time.
#[derive(Debug, Default)]
pub struct Catalogue {
    resources: HashMap<(String, String), (Attributes, Relationships)>,
}

impl Catalogue {
    /// Adds the resources of a page.
    pub fn merge(&mut self, included: Vec<Resource>) {
        for resource in included {
            let (Some(id), Some(r#type)) = (resource.id, resource.r#type) else {
                continue;
            };
            let Some(attributes) = resource.attributes else {
                continue;
            };
            let relationships = resource.relationships.unwrap_or_default();
            match self.resources.entry((r#type, id)) {
                std::collections::hash_map::Entry::Vacant(free) => {
                    free.insert((attributes, relationships));
                }
                std::collections::hash_map::Entry::Occupied(mut known) => {
                    let (_, held) = known.get_mut();
                    enrich(&mut held.artists, relationships.artists);
                    enrich(&mut held.albums, relationships.albums);
                }
            }
        }
    }

    /// The entry with what it points at; without a track where TIDAL withholds it.
    #[must_use]
    pub fn resolve(&self, row: &Row) -> PlaylistEntry {
        PlaylistEntry {
            kind: ItemKind::of(&row.r#type),
            id: TrackId::new(&*row.id),
            item_id: row.item_id.as_deref().map(ItemId::from),
            added_at: row.added_at,
            track: self.track(&row.r#type, &row.id).map(Arc::new),
        }
    }

    /// Whether TIDAL delivered what the row points at.
    #[must_use]
    pub fn has(&self, row: &Row) -> bool {
        self.get(&row.r#type, &row.id).is_some()
    }

    fn get(&self, r#type: &str, id: &str) -> Option<&(Attributes, Relationships)> {
        self.resources.get(&(r#type.to_owned(), id.to_owned()))
    }

    fn track(&self, r#type: &str, id: &str) -> Option<Track> {
        let (attributes, relationships) = self.get(r#type, id)?;
        let album = identifiers(relationships.albums.as_ref())
            .find_map(|(r#type, id)| self.get(r#type, id))
            .map(|(album, _)| album);
        Some(Track {
            id: TrackId::new(id),
            title: attributes.title.clone().unwrap_or_default(),
            version: attributes.version.clone(),
            artists: identifiers(relationships.artists.as_ref())
                .filter_map(|(r#type, id)| self.get(r#type, id)?.0.name.clone())
                .collect(),
            album: album.and_then(|album| album.title.clone()),
            isrc: attributes.isrc.as_deref().and_then(Isrc::parse),
            duration_s: attributes.duration.as_deref().and_then(duration_s),
            explicit: attributes.explicit,
            release_date: album
                .and_then(|album| album.release_date.clone())
                .or_else(|| attributes.release_date.clone()),
            media_tags: attributes.media_tags.clone().unwrap_or_default(),
            streamable: attributes
                .availability
                .as_ref()
                .map(|uses| uses.iter().any(|r#use| r#use == "STREAM")),
        })
    }
}

fn enrich(held: &mut Option<Relationship>, new: Option<Relationship>) {
    let has_data = |relationship: &Option<Relationship>| {
        relationship.as_ref().is_some_and(|r| r.data.is_some())
    };
    if !has_data(held) && has_data(&new) {
        *held = new;
    }
}

fn identifiers(relationship: Option<&Relationship>) -> impl Iterator<Item = (&str, &str)> {
    relationship
        .and_then(|relationship| relationship.data.as_ref())
        .into_iter()
        .flatten()
        .filter_map(|identifier| Some((identifier.r#type.as_deref()?, identifier.id.as_deref()?)))
}

/// The token service's reply; `None` for anything without a token in it.
pub(super) fn grant(body: &[u8]) -> Option<Grant> {
    #[derive(Deserialize)]
    struct Reply {
        #[serde(default, deserialize_with = "text")]
        access_token: Option<String>,
        #[serde(default, deserialize_with = "text")]
        refresh_token: Option<String>,
        #[serde(default, deserialize_with = "text")]
        token_type: Option<String>,
        #[serde(default, deserialize_with = "number")]
        expires_in: Option<u32>,
        #[serde(default, deserialize_with = "text")]
        scope: Option<String>,
        #[serde(default, deserialize_with = "text")]
        user_id: Option<String>,
    }
    let reply: Reply = serde_json::from_slice(body).ok()?;
    let is_bearer = reply
        .token_type
        .is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
    Some(Grant {
        access: Secret::new(
            reply
                .access_token
                .filter(|token| is_bearer && !token.is_empty())?,
        ),
        refresh: reply
            .refresh_token
            .filter(|token| !token.is_empty())
            .map(Secret::new),
        // What RFC 6749 §5.1 leaves open; a wrong guess ends in a 401 and a renewal.
        expires_in_s: u64::from(reply.expires_in.unwrap_or(3600)),
        scopes: reply
            .scope
            .map(|scope| scope.split_whitespace().map(str::to_owned).collect()),
        user_id: reply.user_id,
    })
}

/// The code (`invalid_grant`) and the words of a refusal by the token service.
pub(super) fn auth_refusal(body: &[u8]) -> (Option<String>, String) {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Refusal {
        #[serde(deserialize_with = "text")]
        error: Option<String>,
        #[serde(deserialize_with = "text")]
        error_description: Option<String>,
    }
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let words = match (&refusal.error, refusal.error_description) {
        (Some(error), Some(description)) => format!("{error}: {description}"),
        (Some(error), None) => error.clone(),
        (None, _) => excerpt(body),
    };
    (refusal.error, words)
}

/// A reply's body as it can be shown: one line, cut to a readable length.
#[must_use]
pub fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String = words
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .take(400)
        .collect();
    if line.is_empty() {
        "an empty reply".to_owned()
    } else {
        line
    }
}

/// An ISO 8601 time with an offset, or without one, which TIDAL means as UTC.
#[must_use]
pub fn timestamp(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

/// An ISO 8601 duration of days, hours, minutes and seconds, in whole seconds: `PT1H2M3S` is 3723.
#[must_use]
pub fn duration_s(text: &str) -> Option<u32> {
    let mut seconds = 0.0_f64;
    let mut digits = String::new();
    let mut in_time = false;
    for c in text.strip_prefix('P')?.chars() {
        if c == 'T' && digits.is_empty() {
            in_time = true;
            continue;
        }
        if c.is_ascii_digit() || c == '.' || c == ',' {
            digits.push(if c == ',' { '.' } else { c });
            continue;
        }
        let unit = match (c, in_time) {
            ('W', false) => 604_800.0,
            ('D', false) => 86_400.0,
            ('H', true) => 3_600.0,
            // TIDAL's own example of a playlist's length is `P30M5S`, without the `T`.
            ('M', _) => 60.0,
            ('S', _) => 1.0,
            _ => return None,
        };
        seconds += digits.parse::<f64>().ok()? * unit;
        digits.clear();
    }
    digits.is_empty().then_some(())?;
    whole(seconds)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked first"
)]
fn whole(value: f64) -> Option<u32> {
    (0.0..f64::from(u32::MAX))
        .contains(&value)
        .then(|| value.round() as u32)
}

/// A JSON value of any kind, kept only where it is plain.
enum Loose {
    Nothing,
    Flag(bool),
    Number(f64),
    Text(String),
    List(Vec<Self>),
    /// An object; a link may come as `{"href": …}`.
    Object(Option<String>),
}

impl Loose {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(number) => whole(number).map(|number| number.to_string()),
            Self::Object(href) => href,
            Self::Nothing | Self::Flag(_) | Self::List(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> de::Visitor<'de> for LooseVisitor {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Loose, E> {
        Ok(Loose::Nothing)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Loose, E> {
        Ok(Loose::Flag(value))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers beyond 2^53 are ids in text form"
    )]
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Loose, E> {
        Ok(if u32::try_from(value).is_ok() {
            Loose::Number(value as f64)
        } else {
            Loose::Text(value.to_string())
        })
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "negative numbers are never counts or ids"
    )]
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Loose, E> {
        Ok(Loose::Number(value as f64))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Loose, E> {
        Ok(Loose::Number(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Loose, E> {
        Ok(Loose::Text(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Loose, E> {
        Ok(Loose::Text(value))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Loose, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Loose::List(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
        let mut href = None;
        while let Some((key, value)) = map.next_entry::<String, Self::Value>()? {
            if key == "href" {
                href = value.text();
            }
        }
        Ok(Loose::Object(href))
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Loose::deserialize(deserializer).map(Loose::text)
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    Ok(match Loose::deserialize(deserializer)? {
        Loose::List(list) => Some(list.into_iter().filter_map(Loose::text).collect()),
        Loose::Nothing | Loose::Flag(_) | Loose::Number(_) | Loose::Text(_) | Loose::Object(_) => {
            None
        }
    })
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Ok(match Loose::deserialize(deserializer)? {
        Loose::Number(number) => whole(number),
        Loose::Text(text) => text.parse().ok(),
        Loose::Nothing | Loose::Flag(_) | Loose::List(_) | Loose::Object(_) => None,
    })
}

fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(match Loose::deserialize(deserializer)? {
        Loose::Flag(flag) => Some(flag),
        Loose::Nothing | Loose::Number(_) | Loose::Text(_) | Loose::List(_) | Loose::Object(_) => {
            None
        }
    })
}

fn many<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Page = Document<Vec<Identifier>>;

    const PAGE: &str = r#"{"data":[
       {"id":"70016063","type":"tracks","meta":{"itemId":"9b1d","addedAt":"2019-08-26T06:59:51Z"}},
       {"id":"5","type":"tracks","meta":{"itemId":"9b1e"}},
       {"id":"6","type":"videos"}],
     "links":{"self":"/x","next":"/y?page%5Bcursor%5D=ExyW","meta":{"nextCursor":"ExyW"}},
     "included":[
      {"id":"70016063","type":"tracks","attributes":{"title":"Horizon","version":null,"isrc":"US4XK8800106",
        "duration":"PT3M56S","explicit":false,"popularity":0.07,"accessType":"NEWEST","availability":["STREAM","DJ"],
        "mediaTags":["LOSSLESS"],"copyright":{"text":"x"}},
        "relationships":{"artists":{"data":[{"id":"2","type":"artists"},{"id":"1","type":"artists"}],"links":{"self":"/t"}},
                         "albums":{"data":[{"id":"9","type":"albums"}]}}},
      {"id":"1","type":"artists","attributes":{"name":"B","popularity":null}},
      {"id":"2","type":"artists","attributes":{"name":"Ke$hia"}},
      {"id":"9","type":"albums","attributes":{"title":"Orchid","releaseDate":"1999-05-06","numberOfItems":10}},
      {"id":"6","type":"videos","attributes":{"title":"Film","duration":7}},
      {"type":"genres"}, {"id":"x","type":"holograms","attributes":null}]}"#;

    fn page() -> (Vec<Row>, Catalogue) {
        let page: Page = serde_json::from_str(PAGE).unwrap();
        let mut catalogue = Catalogue::default();
        catalogue.merge(page.included);
        let rows = page.data.unwrap().into_iter().filter_map(Row::of).collect();
        (rows, catalogue)
    }

    #[test]
    fn a_page_is_resolved() {
        let (rows, catalogue) = page();
        let entry = catalogue.resolve(&rows[0]);
        let track = entry.track.unwrap();
        assert_eq!(track.label(), "Ke$hia, B – Horizon");
        assert_eq!(track.album.as_deref(), Some("Orchid"));
        assert_eq!(track.year(), Some(1999));
        assert_eq!(track.duration_s, Some(236));
        assert_eq!(track.streamable, Some(true));
        assert_eq!(entry.item_id.unwrap().to_string(), "9b1d");
    }

    #[test]
    fn a_withheld_track_is_an_entry_without_a_track() {
        let (rows, catalogue) = page();
        assert_eq!(catalogue.resolve(&rows[1]).track, None);
    }

    #[test]
    fn a_video_is_kept_and_is_no_track() {
        let (rows, catalogue) = page();
        let entry = catalogue.resolve(&rows[2]);
        assert_eq!(entry.kind, ItemKind::of("videos"));
        assert_eq!(entry.track.unwrap().title, "Film");
    }

    #[test]
    fn the_richer_of_two_deliveries_counts() {
        let bare = r#"{"data":[],"included":[{"id":"1","type":"tracks","attributes":{"title":"T"},
            "relationships":{"artists":{"links":{"self":"/a"}}}}]}"#;
        let rich = r#"{"data":[],"included":[{"id":"1","type":"tracks","attributes":{"title":"T"},
            "relationships":{"artists":{"data":[{"id":"2","type":"artists"}]}}},
            {"id":"2","type":"artists","attributes":{"name":"A"}}]}"#;
        for order in [[bare, rich], [rich, bare]] {
            let mut catalogue = Catalogue::default();
            for text in order {
                let page: Page = serde_json::from_str(text).unwrap();
                catalogue.merge(page.included);
            }
            assert_eq!(catalogue.track("tracks", "1").unwrap().artists, ["A"]);
        }
    }

    #[test]
    fn nulls_and_strangers_are_absent() {
        let text = r#"{"data":{"id":1,"type":"users","attributes":{"country":null,"numberOfItems":"3",
            "mediaTags":{"a":1},"explicit":"yes","name":["x"],"new":{"deep":[[]]}},"relationships":null}}"#;
        let document: Document<Resource> = serde_json::from_str(text).unwrap();
        let user = document.data.unwrap();
        assert_eq!(user.id.as_deref(), Some("1"));
        let attributes = user.attributes.unwrap();
        assert_eq!(attributes.country, None);
        assert_eq!(attributes.number_of_items, Some(3));
        assert_eq!(attributes.media_tags, None);
        assert_eq!(attributes.explicit, None);
        assert_eq!(attributes.name, None);
    }

    #[test]
    fn durations_are_read_by_hand() {
        for (text, seconds) in [
            ("PT4M12S", Some(252)),
            ("PT1H2M3S", Some(3723)),
            ("PT0S", Some(0)),
            ("P1DT1S", Some(86_401)),
            ("PT3.6S", Some(4)),
            ("P30M5S", Some(1805)),
            ("4:12", None),
            ("PT4M1", None),
            ("", None),
        ] {
            assert_eq!(duration_s(text), seconds, "{text}");
        }
    }

    #[test]
    fn times_come_with_and_without_milliseconds() {
        let plain = timestamp("2019-08-26T06:59:51Z");
        assert!(plain.is_some());
        assert_eq!(timestamp("2019-08-26T06:59:51.000Z"), plain);
        assert_eq!(timestamp("2019-08-26T06:59:51"), plain);
        assert_eq!(timestamp("yesterday"), None);
    }
}
