//! What TIDAL says, written as a snapshot file.

use serde_json::{Value, json};

/// A reading in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    playlists: Vec<List>,
    incomplete: bool,
}

/// A playlist in the making.
#[derive(Clone, Debug)]
struct List {
    id: String,
    name: String,
    entries: Vec<String>,
    complete: bool,
}

/// Tracks of a higher number are further releases of the recordings whose numbers their last three
/// digits are.
const RELEASES: u32 = 7_000;

impl Snapshot {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a playlist; `entries` are track numbers separated by blanks. Track `7` is
    /// “Artist 7 – Title 7”, one second long; `7!` says that TIDAL gave it another title.
    pub(crate) fn list(mut self, id: char, name: &str, entries: &str) -> Self {
        self.playlists.push(List {
            id: uuid(id),
            name: name.into(),
            entries: entries.split_whitespace().map(Into::into).collect(),
            complete: true,
        });
        self
    }

    /// The playlist added last was not read to its end.
    pub(crate) fn torn(mut self) -> Self {
        self.playlists.last_mut().unwrap().complete = false;
        self
    }

    /// The reading was not finished.
    pub(crate) fn incomplete(mut self) -> Self {
        self.incomplete = true;
        self
    }

    /// The tracks in it, as TIDAL numbers them.
    pub(crate) fn tracks(&self) -> impl Iterator<Item = String> {
        let entries = self.playlists.iter().flat_map(|list| &list.entries);
        entries.map(|entry| number(entry))
    }

    pub(crate) fn json(&self) -> String {
        let playlists: Vec<Value> = self.playlists.iter().map(List::json).collect();
        json!({
            "format": "tidal-cleanup/tidal-snapshot",
            "format_version": "1.0",
            "taken_at": "2026-11-20T09:40:12Z",
            "complete": !self.incomplete,
            "user": {"id": "1", "country": "DE"},
            "playlists": playlists,
        })
        .to_string()
    }
}

/// The id of the playlist that tests call by a letter.
pub(crate) fn uuid(letter: char) -> String {
    format!("aaaaaaaa-0000-4000-8000-{:012x}", u32::from(letter))
}

/// TIDAL's number of the track that tests call by a small number.
pub(crate) fn number(entry: &str) -> String {
    let small: u32 = entry.trim_end_matches('!').parse().unwrap();
    (1_000 + small).to_string()
}

impl List {
    fn json(&self) -> Value {
        let items = self.entries.iter().enumerate();
        let items: Vec<Value> = items.map(|(at, entry)| self.item(at, entry)).collect();
        json!({
            "id": self.id, "name": self.name, "description": "",
            "last_modified_at": "2026-11-20T14:30:00Z",
            "number_of_items": items.len() + usize::from(!self.complete),
            "complete": self.complete, "items": items,
        })
    }

    fn item(&self, at: usize, entry: &str) -> Value {
        let plain = entry.trim_end_matches('!');
        let new = if plain == entry { "" } else { " (Remaster)" };
        let recording = match plain.parse::<u32>().unwrap() {
            release @ RELEASES.. => release % 1_000,
            number => number,
        };
        json!({
            "type": "tracks", "id": number(entry), "item_id": format!("{}-{at}-{plain}", self.id),
            "added_at": "2026-01-02T03:04:05Z", "resolved": true,
            "title": format!("Title {recording}{new}"), "artists": [format!("Artist {recording}")],
            "album": "Album", "isrc": format!("USABC26{recording:0>5}"), "duration_s": 1,
            "release_date": "2020-05-06", "media_tags": ["LOSSLESS"], "streamable": true,
        })
    }
}
