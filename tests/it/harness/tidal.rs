//! What TIDAL says, written as a snapshot file.

use serde_json::{Value, json};

/// A reading in the making.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    playlists: Vec<List>,
    incomplete: bool,
}

/// A playlist in the making.
#[derive(Clone, Debug)]
pub struct List {
    id: String,
    name: String,
    entries: Vec<String>,
    complete: bool,
}

impl Snapshot {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a playlist; `entries` are track ids separated by blanks.
    pub fn list(mut self, id: &str, name: &str, entries: &str) -> Self {
        self.playlists.push(List {
            id: id.into(),
            name: name.into(),
            entries: entries.split_whitespace().map(Into::into).collect(),
            complete: true,
        });
        self
    }

    /// The playlist added last was not read to its end.
    pub fn torn(mut self) -> Self {
        self.playlists.last_mut().unwrap().complete = false;
        self
    }

    /// The reading was not finished.
    pub fn incomplete(mut self) -> Self {
        self.incomplete = true;
        self
    }

    pub fn json(&self) -> String {
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

impl List {
    fn json(&self) -> Value {
        let items: Vec<Value> = self.entries.iter().enumerate().map(|(at, id)| self.item(at, id)).collect();
        json!({
            "id": self.id, "name": self.name, "description": "",
            "last_modified_at": "2026-11-20T14:30:00Z",
            "number_of_items": items.len() + usize::from(!self.complete),
            "complete": self.complete, "items": items,
        })
    }

    /// Track `7` is “Artist 7 – Title 7”, one second long; `7!` has another title.
    fn item(&self, at: usize, id: &str) -> Value {
        let plain = id.trim_end_matches('!');
        let title = if plain == id { format!("Title {id}") } else { format!("New Title {plain}") };
        json!({
            "type": "tracks", "id": plain, "item_id": format!("{}-{at}-{plain}", self.id),
            "added_at": "2026-01-02T03:04:05Z", "resolved": true,
            "title": title, "artists": [format!("Artist {plain}")],
            "album": "Album", "duration_s": 1, "release_date": "2020-05-06",
            "media_tags": ["LOSSLESS"], "streamable": true,
        })
    }
}
