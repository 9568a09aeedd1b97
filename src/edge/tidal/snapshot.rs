//! A TIDAL reading as a file: what `snapshot tidal` writes and `plan --desired` reads.
//!
//! Names stand in it as TIDAL has them. Absent and `null` mean the same; unknown fields are passed over.

mod reading;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::Read as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{TidalApi, TidalError};
use crate::domain::{
    ContentHash, Isrc, ItemId, Observed, Playlist, PlaylistEntry, PlaylistId, Problem,
    TidalReading, TidalUser, Track, TrackId,
};
use reading::{Document, Header};

/// What the file calls itself.
pub const FORMAT: &str = "tidal-cleanup/tidal-snapshot";
/// The version that [`render`] writes; [`parse`] reads every `1.x`.
pub const FORMAT_VERSION: &str = "1.0";
/// The largest file that is read, in bytes.
pub const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// A snapshot file that stands in for the service.
#[derive(Clone, Debug)]
pub struct SnapshotFile {
    /// Where it lies.
    pub path: PathBuf,
}

/// Why the bytes are no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// More than [`MAX_BYTES`].
    #[error("it is larger than {} MiB", MAX_BYTES / 1024 / 1024)]
    TooLarge,
    /// Cut off, or no JSON at all. Lines and columns count from 1.
    #[error("line {line}, column {column}: {reason}")]
    Json {
        line: usize,
        column: usize,
        reason: String,
    },
    /// JSON, and something else than a snapshot.
    #[error("it is not a TIDAL snapshot (\"format\" is {found}, expected \"{FORMAT}\")")]
    Format { found: String },
    /// Of another major version.
    #[error("its format version {found} is not one that this program reads (1.x)")]
    Version { found: String },
    /// Two playlists with one id.
    #[error("playlist {0} stands in it twice")]
    Twice(PlaylistId),
}

impl TidalApi for SnapshotFile {
    async fn read(&self) -> Result<Observed<TidalReading>, TidalError> {
        let path = self.path.clone();
        let refused = |reason: String| TidalError::Snapshot {
            path: self.path.display().to_string(),
            reason,
        };
        tokio::task::spawn_blocking(move || load(&path))
            .await
            .map_err(|stopped| refused(stopped.to_string()))?
            .map_err(refused)
            .map(observed)
    }
}

fn load(path: &Path) -> Result<TidalReading, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    // A buffer that grows by doubling would take half as much again.
    let size = file.metadata().map_or(0, |data| data.len().min(MAX_BYTES));
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    parse(&bytes).map_err(|error| error.to_string())
}

/// The reading beside what it says it lacks: one problem for the whole, one for each playlist that was
/// not read to its end.
#[must_use]
pub fn observed(reading: TidalReading) -> Observed<TidalReading> {
    let hole = |subject: &str, message: &str| Problem {
        subject: subject.to_owned(),
        message: message.to_owned(),
        leaves_hole: true,
    };
    let whole = (!reading.complete).then(|| hole("TIDAL", "the reading is not complete"));
    let torn = reading
        .playlists
        .iter()
        .filter(|playlist| !playlist.complete)
        .map(|playlist| hole(&playlist.name, "the playlist was not read to its end"));
    let problems = whole.into_iter().chain(torn).collect();
    Observed {
        value: reading,
        problems,
    }
}

/// Reads a snapshot. A playlist that does not say whether it is complete counts as complete unless its
/// `number_of_items` exceeds the items that are there.
///
/// # Errors
/// See [`SnapshotError`].
pub fn parse(bytes: &[u8]) -> Result<TidalReading, SnapshotError> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(SnapshotError::TooLarge);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let bytes = super::nul::without_nul(bytes);
    let bytes = bytes.as_ref();
    let document: Document = match serde_json::from_slice(bytes) {
        Ok(document) => document,
        Err(error) => {
            // Another document gets the clearer answer.
            let header = serde_json::from_slice(bytes).map_err(|error| json_error(&error))?;
            check_header(header)?;
            return Err(json_error(&error));
        }
    };
    check_header(Header {
        format: document.format.clone(),
        format_version: document.format_version.clone(),
    })?;
    let mut seen = BTreeSet::new();
    for playlist in &document.playlists {
        if !seen.insert(&playlist.id) {
            return Err(SnapshotError::Twice(PlaylistId::new(&*playlist.id)));
        }
    }
    Ok(document.into_reading())
}

fn check_header(header: Header) -> Result<(), SnapshotError> {
    if header.format.as_ref().and_then(serde_json::Value::as_str) != Some(FORMAT) {
        let found = header
            .format
            .map_or_else(|| "absent".to_owned(), |found| found.to_string());
        return Err(SnapshotError::Format { found });
    }
    match header.format_version {
        Some(version) if version == "1" || version.starts_with("1.") => Ok(()),
        other => Err(SnapshotError::Version {
            found: other.unwrap_or_else(|| "(absent)".to_owned()),
        }),
    }
}

fn json_error(error: &serde_json::Error) -> SnapshotError {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let place = format!(" at line {line} column {column}");
    let reason = text.strip_suffix(&place).unwrap_or(&text);
    let reason = if error.is_eof() {
        format!("the file ends in the middle ({reason})")
    } else {
        reason.to_owned()
    };
    SnapshotError::Json {
        line,
        column,
        reason,
    }
}

/// The reading as a file: JSON with one line for each entry, ended by a line feed.
#[must_use]
pub fn render(reading: &TidalReading) -> String {
    let mut out = String::new();
    let _ = write!(
        out,
        "{{\n\"format\": {},\n\"format_version\": {},\n",
        json(FORMAT),
        json(FORMAT_VERSION)
    );
    if let Some(taken_at) = reading.taken_at {
        let _ = writeln!(out, "\"taken_at\": {},", json(&taken_at));
    }
    let _ = writeln!(out, "\"complete\": {},", reading.complete);
    if let Some(user) = &reading.user {
        let _ = writeln!(out, "\"user\": {},", json(&UserOut::of(user)));
    }
    out.push_str("\"playlists\": [");
    for (number, playlist) in reading.playlists.iter().enumerate() {
        out.push_str(if number == 0 { "\n" } else { ",\n" });
        push_playlist(&mut out, playlist);
    }
    out.push(']');
    if let Some(favorites) = &reading.favorites {
        out.push_str(",\n\"favorites\": [");
        push_items(&mut out, favorites);
        out.push(']');
    }
    out.push_str("\n}\n");
    out
}

/// What a reading says, as a hash: the same whatever the order of the playlists and the time it was
/// taken at.
#[must_use]
pub fn content_hash(reading: &TidalReading) -> ContentHash {
    let mut lists: Vec<&Playlist> = reading.playlists.iter().collect();
    lists.sort_by(|a, b| a.id.cmp(&b.id));
    let of_list = |list: &&Playlist| {
        let mut said = Said::default();
        said.text(list.id.as_str());
        said.text(&list.name);
        said.text(&list.description);
        said.number(list.last_modified_at.map(Timestamp::as_nanosecond));
        said.number(list.number_of_items);
        said.number(Some(u8::from(list.complete)));
        said.items(&list.items);
        said.hash()
    };
    let hashes: Vec<ContentHash> = lists.par_iter().map(of_list).collect();
    let mut said = Said::default();
    said.number(Some(u8::from(reading.complete)));
    for text in [
        reading.user.as_ref().map(|user| user.id.as_str()),
        reading
            .user
            .as_ref()
            .and_then(|user| user.country.as_deref()),
    ] {
        said.maybe(text);
    }
    for hash in hashes {
        said.text(&hash.to_string());
    }
    said.number(reading.favorites.as_ref().map(|_| 1_u8));
    said.items(reading.favorites.as_deref().unwrap_or_default());
    said.hash()
}

/// Texts and numbers on their way into a hash, each so that none can be taken for two others.
#[derive(Default)]
struct Said(Sha256);

impl Said {
    fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    fn maybe(&mut self, text: Option<&str>) {
        self.0.update([u8::from(text.is_some())]);
        self.text(text.unwrap_or_default());
    }

    fn number(&mut self, number: Option<impl Into<i128>>) {
        let number = number.map(Into::into);
        self.0.update([u8::from(number.is_some())]);
        self.0.update(number.unwrap_or_default().to_le_bytes());
    }

    fn item_id(&mut self, id: Option<&ItemId>) {
        match id.and_then(ItemId::uuid) {
            Some(uuid) => {
                let mut buffer = uuid::Uuid::encode_buffer();
                self.maybe(Some(uuid.hyphenated().encode_lower(&mut buffer)));
            }
            None => self.maybe(id.map(ToString::to_string).as_deref()),
        }
    }

    fn texts(&mut self, texts: &[String]) {
        self.0.update((texts.len() as u64).to_le_bytes());
        texts.iter().for_each(|text| self.text(text));
    }

    fn items(&mut self, items: &[PlaylistEntry]) {
        self.0.update((items.len() as u64).to_le_bytes());
        for item in items {
            self.text(item.kind.name());
            self.text(item.id.as_str());
            self.item_id(item.item_id.as_ref());
            self.number(item.added_at.map(Timestamp::as_nanosecond));
            self.number(item.track.as_ref().map(|_| 1_u8));
            if let Some(track) = &item.track {
                self.track(track);
            }
        }
    }

    fn track(&mut self, track: &Track) {
        self.text(&track.title);
        self.maybe(track.version.as_deref());
        self.texts(&track.artists);
        self.maybe(track.album.as_deref());
        self.maybe(track.isrc.as_ref().map(Isrc::as_str));
        self.number(track.duration_s);
        self.number(track.explicit.map(u8::from));
        self.maybe(track.release_date.as_deref());
        self.texts(&track.media_tags);
        self.number(track.streamable.map(u8::from));
    }

    fn hash(self) -> ContentHash {
        ContentHash::from_bytes(self.0.finalize().into())
    }
}

fn push_playlist(out: &mut String, playlist: &Playlist) {
    let head = json(&PlaylistOut::of(playlist));
    out.push_str(head.strip_suffix('}').unwrap_or(&head));
    out.push_str(",\"items\":[");
    push_items(out, &playlist.items);
    out.push_str("]}");
}

fn push_items(out: &mut String, items: &[PlaylistEntry]) {
    for (number, item) in items.iter().enumerate() {
        out.push_str(if number == 0 { "\n  " } else { ",\n  " });
        out.push_str(&json(&ItemOut::of(item)));
    }
}

fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("plain structs of text and numbers are always JSON")
}

#[derive(Serialize)]
struct UserOut<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
}

impl<'a> UserOut<'a> {
    fn of(user: &'a TidalUser) -> Self {
        Self {
            id: &user.id,
            country: user.country.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct PlaylistOut<'a> {
    id: &'a PlaylistId,
    name: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_modified_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number_of_items: Option<u32>,
    complete: bool,
}

impl<'a> PlaylistOut<'a> {
    fn of(playlist: &'a Playlist) -> Self {
        Self {
            id: &playlist.id,
            name: &playlist.name,
            description: &playlist.description,
            last_modified_at: playlist.last_modified_at,
            number_of_items: playlist.number_of_items,
            complete: playlist.complete,
        }
    }
}

#[derive(Serialize)]
struct ItemOut<'a> {
    r#type: &'a str,
    id: &'a TrackId,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_id: Option<&'a ItemId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    added_at: Option<Timestamp>,
    resolved: bool,
    #[serde(flatten)]
    track: Option<TrackOut<'a>>,
}

#[derive(Serialize)]
struct TrackOut<'a> {
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    artists: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    album: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    isrc: Option<&'a Isrc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explicit: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release_date: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    media_tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    streamable: Option<bool>,
}

impl<'a> ItemOut<'a> {
    fn of(entry: &'a PlaylistEntry) -> Self {
        Self {
            r#type: entry.kind.name(),
            id: &entry.id,
            item_id: entry.item_id.as_ref(),
            added_at: entry.added_at,
            resolved: entry.track.is_some(),
            track: entry.track.as_deref().map(TrackOut::of),
        }
    }
}

impl<'a> TrackOut<'a> {
    fn of(track: &'a Track) -> Self {
        Self {
            title: &track.title,
            version: track.version.as_deref(),
            artists: &track.artists,
            album: track.album.as_deref(),
            isrc: track.isrc.as_ref(),
            duration_s: track.duration_s,
            explicit: track.explicit,
            release_date: track.release_date.as_deref(),
            media_tags: &track.media_tags,
            streamable: track.streamable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ItemKind;

    const SAMPLE: &str = r#"{ "format": "tidal-cleanup/tidal-snapshot", "format_version": "1.3",
      "taken_at": "2026-11-22T09:40:12Z", "complete": true, "later": {"x": [1]},
      "user": {"id": "123456789", "country": "DE"},
      "playlists": [ {
        "id": "36ea71a8", "name": "Café é 🇮🇹", "description": null,
        "last_modified_at": "2026-11-20T14:30:00+00:00", "number_of_items": 4, "complete": true,
        "items": [
          {"type": "tracks", "id": "1", "item_id": "a", "added_at": "2019-08-26T06:59:51", "resolved": true,
           "title": "Horizon", "version": "Dub Mix", "artists": ["Ke$hia", "B"], "album": "Orchid",
           "isrc": "US4XK8800106", "duration_s": 236, "explicit": false, "release_date": "1999-05-06",
           "media_tags": ["LOSSLESS"], "streamable": true},
          {"type": "tracks", "id": "1", "item_id": "b", "title": "Horizon", "version": null},
          {"type": "tracks", "id": 2, "item_id": "c", "resolved": false},
          {"type": "hologram", "id": "3", "item_id": "d", "title": "V"} ] } ],
      "favorites": [ {"type": "tracks", "id": "1", "added_at": "2020-01-01T00:00:00.123Z"} ] }"#;

    fn with(from: &str, to: &str) -> Vec<u8> {
        assert!(SAMPLE.contains(from));
        SAMPLE.replacen(from, to, 1).into_bytes()
    }

    #[test]
    fn a_snapshot_is_read_as_it_stands() {
        let reading = parse(SAMPLE.as_bytes()).unwrap();
        assert!(reading.complete);
        assert_eq!(reading.user.unwrap().country.as_deref(), Some("DE"));
        let playlist = &reading.playlists[0];
        assert_eq!(playlist.name, "Café é 🇮🇹");
        let [first, second, withheld, video] = playlist.items.as_slice() else {
            panic!("four items");
        };
        let track = first.track.as_ref().unwrap();
        assert_eq!(track.label(), "Ke$hia, B – Horizon (Dub Mix)");
        assert_eq!(track.duration_s, Some(236));
        assert_eq!(first.added_at.unwrap().to_string(), "2019-08-26T06:59:51Z");
        assert_eq!(second.id, first.id);
        assert_eq!(second.track.as_ref().unwrap().version, None);
        assert_eq!(withheld.id.as_str(), "2");
        assert_eq!(withheld.track, None);
        assert_eq!(video.kind, ItemKind::of("hologram"));
    }

    #[test]
    fn a_bare_favourite_is_what_the_playlists_say() {
        let reading = parse(SAMPLE.as_bytes()).unwrap();
        let favorites = reading.favorites.unwrap();
        assert_eq!(favorites[0].track.as_ref().unwrap().title, "Horizon");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let reading = parse(SAMPLE.as_bytes()).unwrap();
        let text = render(&reading);
        assert_eq!(parse(text.as_bytes()).unwrap(), reading);
        assert!(text.contains("Café é 🇮🇹"));
    }

    #[test]
    fn an_empty_reading_is_read_back() {
        let reading = TidalReading {
            taken_at: None,
            complete: false,
            user: None,
            playlists: Vec::new(),
            favorites: None,
        };
        assert_eq!(parse(render(&reading).as_bytes()).unwrap(), reading);
    }

    #[test]
    fn a_torn_file_says_where() {
        let text = &SAMPLE[..SAMPLE.len() / 2];
        let error = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("line "), "{error}");
        assert!(error.contains("ends in the middle"), "{error}");
    }

    #[test]
    fn other_files_are_refused() {
        let error = |bytes: &[u8]| parse(bytes).unwrap_err().to_string();
        assert!(error(b"{}").contains("not a TIDAL snapshot"));
        assert!(error(b"[]").starts_with("line 1"));
        assert!(error(&with("tidal-cleanup/tidal-snapshot", "x")).contains("\"x\""));
        assert!(error(&with("\"1.3\"", "\"2.0\"")).contains("2.0"));
        assert!(error(&with("2026-11-20T14:30:00+00:00", "yesterday")).contains("yesterday"));
        assert!(error("[".repeat(100_000).as_bytes()).contains("recursion"));
        let deep = format!("{{\"x\":{}", "[".repeat(100_000));
        assert!(error(deep.as_bytes()).contains("ends in the middle"));
    }

    #[test]
    fn a_playlist_may_not_stand_twice() {
        let twin = r#"{"id": "36ea71a8", "name": "again"}, {"id": "36ea71a8", "#;
        let error = parse(&with("{\n        \"id\": \"36ea71a8\",", twin)).unwrap_err();
        assert!(matches!(error, SnapshotError::Twice(_)), "{error}");
    }

    #[test]
    fn a_short_playlist_that_does_not_say_otherwise_is_incomplete() {
        let short = with(
            "\"number_of_items\": 4, \"complete\": true",
            "\"number_of_items\": 5",
        );
        let observed = observed(parse(&short).unwrap());
        assert!(!observed.value.playlists[0].complete);
        assert!(!observed.is_complete());
        let said = with("\"number_of_items\": 4,", "\"number_of_items\": 5,");
        assert!(parse(&said).unwrap().playlists[0].complete);
    }

    #[test]
    fn an_incomplete_reading_leaves_a_hole() {
        let torn = with(
            "\"complete\": true, \"later\"",
            "\"complete\": false, \"later\"",
        );
        assert!(!observed(parse(&torn).unwrap()).is_complete());
        assert!(observed(parse(SAMPLE.as_bytes()).unwrap()).is_complete());
    }

    #[test]
    fn the_hash_knows_no_order_and_no_time() {
        let mut reading = parse(SAMPLE.as_bytes()).unwrap();
        let mut other = reading.playlists[0].clone();
        other.id = PlaylistId::from("0");
        reading.playlists.push(other);
        let hash = content_hash(&reading);
        reading.playlists.reverse();
        reading.taken_at = None;
        assert_eq!(content_hash(&reading), hash);
        reading.playlists[0].items.reverse();
        assert_ne!(content_hash(&reading), hash);
    }

    #[tokio::test]
    async fn a_file_stands_in_for_the_service() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tidal.json");
        let file = SnapshotFile { path: path.clone() };
        assert!(matches!(
            file.read().await,
            Err(TidalError::Snapshot { .. })
        ));
        std::fs::write(&path, SAMPLE).unwrap();
        assert_eq!(file.read().await.unwrap().value.playlists.len(), 1);
    }
}
