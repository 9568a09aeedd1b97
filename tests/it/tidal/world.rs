//! What the server serves: an account with playlists, and a catalogue.

#![expect(
    clippy::unwrap_used,
    reason = "a test world is built as wished or not at all"
)]

use std::{borrow::Cow, collections::BTreeMap};

use jiff::Timestamp;
use serde_json::{Value, json};
use tidal_cleanup::domain::{Isrc, ItemKind, Playlist, PlaylistEntry, PlaylistId, Track, TrackId};

/// The account and the catalogue.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) playlists: Vec<List>,
    pub(crate) favorites: Vec<Entry>,
    pub(crate) withheld: Vec<String>,
    /// Attributes that come as `null`: live replies have them, although the document has none.
    pub(crate) nulls: Vec<&'static str>,
    /// Attributes of tracks that do not come at all.
    pub(crate) missing: Vec<&'static str>,
    /// Words of enumerations that the document does not know yet.
    pub(crate) strangers: bool,
    /// Tracks come without their relationships.
    pub(crate) bare: bool,
    clock: i64,
    next_item: u32,
}

/// One playlist.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) modified: Timestamp,
    pub(crate) entries: Vec<Entry>,
    /// What the counter is off by, for good.
    pub(crate) counter_off: i32,
}

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    pub(crate) item_id: String,
}

impl World {
    /// Playlists of these lengths.
    pub(crate) fn of(lengths: &[usize]) -> Self {
        let mut world = Self::default();
        for (number, &length) in lengths.iter().enumerate() {
            world.add(&format!("List {number}"), length);
        }
        world
    }

    /// As the document has it: without the deviations that a reading has to bear.
    pub(crate) fn faithful(&self) -> Cow<'_, Self> {
        if self.nulls.is_empty() && self.missing.is_empty() && !self.strangers {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self {
            nulls: Vec::new(),
            missing: Vec::new(),
            strangers: false,
            ..self.clone()
        })
    }

    /// A new playlist at the front, as TIDAL sorts them.
    pub(crate) fn add(&mut self, name: &str, length: usize) -> String {
        let number = self.next_item;
        let id = format!("00000000-0000-4000-8000-{number:012}");
        let entries = (0..length)
            .map(|at| {
                self.entry(
                    "tracks",
                    &(1000 + (number as usize * 7 + at) % 5000).to_string(),
                )
            })
            .collect();
        self.next_item += 1;
        let modified = self.tick();
        self.playlists.insert(
            0,
            List {
                id: id.clone(),
                name: name.to_owned(),
                modified,
                entries,
                counter_off: 0,
            },
        );
        id
    }

    /// A new entry with an id of its own.
    pub(crate) fn entry(&mut self, kind: &'static str, id: &str) -> Entry {
        self.next_item += 1;
        Entry {
            kind,
            id: id.to_owned(),
            item_id: format!("item-{}", self.next_item),
        }
    }

    /// Changes a playlist as a user would: its time moves.
    pub(crate) fn edit(&mut self, at: usize, change: impl FnOnce(&mut List)) {
        let modified = self.tick();
        let list = &mut self.playlists[at];
        change(list);
        list.modified = modified;
    }

    fn tick(&mut self) -> Timestamp {
        self.clock += 1;
        Timestamp::from_second(1_700_000_000 + self.clock * 60).unwrap()
    }

    pub(crate) fn list(&self, id: &str) -> Option<&List> {
        self.playlists.iter().find(|list| list.id == id)
    }

    /// What an exact reading has.
    pub(crate) fn truth(&self) -> Vec<Playlist> {
        self.playlists
            .iter()
            .map(|list| Playlist {
                id: PlaylistId::new(&*list.id),
                name: list.name.clone(),
                description: format!("about {}", list.name),
                last_modified_at: Some(list.modified),
                number_of_items: Some(list.count()),
                complete: true,
                items: self.truth_of(&list.entries),
            })
            .collect()
    }

    pub(crate) fn truth_of(&self, entries: &[Entry]) -> Vec<PlaylistEntry> {
        entries
            .iter()
            .map(|entry| PlaylistEntry {
                kind: ItemKind::of(entry.kind),
                id: TrackId::new(&*entry.id),
                item_id: Some((&*entry.item_id).into()).filter(|_| !entry.item_id.is_empty()),
                added_at: Some(added_at()),
                track: self
                    .delivers(entry)
                    .then(|| std::sync::Arc::new(self.track(entry))),
            })
            .collect()
    }

    /// Whether TIDAL says what the entry points at.
    fn delivers(&self, entry: &Entry) -> bool {
        ["tracks", "videos"].contains(&entry.kind) && !self.withheld.contains(&entry.id)
    }

    fn track(&self, entry: &Entry) -> Track {
        let id = &entry.id;
        let is_track = entry.kind == "tracks";
        let comes = |name: &str| !self.nulls.contains(&name) && !self.missing.contains(&name);
        let unless_null = |name: &str, value: String| comes(name).then_some(value);
        Track {
            id: TrackId::new(&**id),
            title: unless_null("title", format!("Title {id}")).unwrap_or_default(),
            version: unless_null("version", "Dub".to_owned()).filter(|_| is_track),
            artists: match self.bare {
                true => Vec::new(),
                false => vec![
                    format!("Second {}", number(id) % 50),
                    format!("First {}", number(id) % 40),
                ],
            },
            album: (!self.bare).then(|| format!("Album {}", number(id) % 30)),
            isrc: unless_null("isrc", isrc(id)).and_then(|text| Isrc::parse(&text)),
            duration_s: comes("duration").then_some(200 + number(id) % 100),
            explicit: comes("explicit").then_some(false),
            release_date: (!self.bare).then(|| "1999-05-06".to_owned()),
            media_tags: match is_track && comes("mediaTags") {
                true => vec!["LOSSLESS".to_owned()],
                false => Vec::new(),
            },
            streamable: comes("availability").then_some(true),
        }
    }

    /// The resources that entries point at, with what hangs on them, shuffled by their ids.
    pub(crate) fn included(&self, entries: &[&Entry]) -> Vec<Value> {
        let mut found = BTreeMap::new();
        for entry in entries {
            if !self.delivers(entry) {
                continue;
            }
            let n = number(&entry.id);
            let (first, second, album) = (n % 40, n % 50 + 100, n % 30 + 200);
            found.insert(
                format!("{}/{}", entry.id, entry.kind),
                self.resource(entry, first, second, album),
            );
            if self.bare {
                continue;
            }
            for (id, name) in [
                (first, format!("First {}", n % 40)),
                (second, format!("Second {}", n % 50)),
            ] {
                found.insert(
                    format!("{id}/artists"),
                    json!({"id": id.to_string(), "type": "artists", "attributes": {"name": name, "popularity": 0.5}}),
                );
            }
            found.insert(
                format!("{album}/albums"),
                json!({"id": album.to_string(), "type": "albums", "attributes":
                    {"title": format!("Album {}", n % 30), "releaseDate": "1999-05-06",
                     "albumType": if self.strangers { "BOX_SET" } else { "ALBUM" },
                     "barcodeId": "00971226058406", "duration": "PT47M34S", "explicit": false,
                     "mediaTags": ["LOSSLESS"], "numberOfItems": 10, "numberOfVolumes": 1,
                     "popularity": 0.5}}),
            );
        }
        found.into_values().collect()
    }

    fn resource(&self, entry: &Entry, first: u32, second: u32, album: u32) -> Value {
        let n = number(&entry.id);
        let seconds = 200 + n % 100;
        let mut attributes = json!({
            "title": format!("Title {}", entry.id), "isrc": isrc(&entry.id),
            "duration": format!("PT{}M{}S", seconds / 60, seconds % 60), "explicit": false,
            "popularity": 0.07,
            "availability": if self.strangers { ["STREAM", "HOLOGRAM"] } else { ["STREAM", "DJ"] },
        });
        if entry.kind == "tracks" {
            attributes["version"] = json!("Dub");
            attributes["mediaTags"] = json!(["LOSSLESS"]);
            attributes["key"] = json!(if self.strangers { "H" } else { "B" });
            attributes["keyScale"] = json!(if self.strangers { "LOCRIAN" } else { "MINOR" });
            attributes["accessType"] = json!(if self.strangers {
                "SOMETHING_NEW"
            } else {
                "PUBLIC"
            });
        }
        if self.strangers {
            attributes["unheardOf"] = json!({"deep": [[1, {"x": null}]]});
        }
        for name in &self.nulls {
            attributes[*name] = Value::Null;
        }
        for name in &self.missing {
            attributes.as_object_mut().unwrap().remove(*name);
        }
        if self.bare {
            return json!({"id": entry.id, "type": entry.kind, "attributes": attributes});
        }
        json!({"id": entry.id, "type": entry.kind, "attributes": attributes, "relationships": {
            "artists": {"data": [{"id": second.to_string(), "type": "artists"}, {"id": first.to_string(), "type": "artists"}],
                        "links": {"self": format!("/{}/{}/relationships/artists", entry.kind, entry.id)}},
            "albums": {"data": [{"id": album.to_string(), "type": "albums"}], "links": {"self": "/x"}}}})
    }
}

impl List {
    pub(crate) fn count(&self) -> u32 {
        let count = i32::try_from(self.entries.len()).unwrap() + self.counter_off;
        u32::try_from(count).unwrap()
    }
}

pub(crate) fn added_at() -> Timestamp {
    "2019-08-26T06:59:51Z".parse().unwrap()
}

fn number(id: &str) -> u32 {
    id.parse().unwrap()
}

fn isrc(id: &str) -> String {
    format!("USABC{:07}", number(id))
}
