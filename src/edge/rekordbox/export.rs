//! `rekordbox.xml` (`DJ_PLAYLISTS` 1.0.0), which Rekordbox shows in its tree and imports from by hand.
//!
//! The form is that of Rekordbox's own "Export Collection in xml format": ratings in steps of 51, places
//! as `file://localhost/` with everything but unreserved characters in percent, playlists by track id
//! (`KeyType` 0). What the form has no word for is left out: smart playlists, MyTags, beat grids (they are
//! in the analysis files), tracks of streaming services.

use std::{borrow::Cow, collections::HashMap, fmt::Write as _};

use serde::Deserialize;
use sqlx::SqliteConnection;

use super::{
    MasterDb, RekordboxError,
    collect::{NamesById, RawName, named},
    schema::Schema,
    sql::{Cells, Sink, Stream, json_rows},
};
use crate::domain::{Content, ContentId};

/// The mark by which a file of ours is known.
pub const MARK: &str = "<PRODUCT Name=\"tidal-cleanup\"";

/// The first comment of a playlist file of ours.
pub const M3U8_MARK: &str = "# Written by tidal-cleanup";

/// Tracks and playlists to export.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Export {
    /// In the order in which they will stand.
    pub tracks: Vec<ExportTrack>,
    /// The tree, from the top.
    pub nodes: Vec<ExportNode>,
}

/// A track; empty text and 0 mean that it is not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExportTrack {
    /// A number that no other track has.
    pub id: u64,
    pub name: String,
    pub artist: String,
    pub composer: String,
    pub album: String,
    pub genre: String,
    /// `MP3 File`
    pub kind: String,
    /// Bytes.
    pub size: u64,
    /// Seconds.
    pub total_time: u64,
    pub disc_number: u64,
    pub track_number: u64,
    pub year: u64,
    /// A hundredth of a beat a minute.
    pub bpm: u64,
    /// `YYYY-MM-DD`
    pub date_added: String,
    /// Kilobits a second.
    pub bit_rate: u64,
    /// Hertz.
    pub sample_rate: u64,
    pub comments: String,
    pub play_count: u64,
    /// Stars, 0–5.
    pub rating: u8,
    /// The absolute path.
    pub location: String,
    pub remixer: String,
    /// The key's name.
    pub tonality: String,
    pub label: String,
    pub marks: Vec<Mark>,
}

/// A cue or loop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    pub name: String,
    /// Milliseconds.
    pub start: i64,
    /// Of a loop.
    pub end: Option<i64>,
    /// 0 for hot cue A and so on; −1 for a memory cue.
    pub number: i64,
}

/// A folder or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportNode {
    Folder(String, Vec<Self>),
    /// Tracks by id, in order.
    List(String, Vec<u64>),
}

impl ExportNode {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Folder(name, _) | Self::List(name, _) => name,
        }
    }
}

/// The XML text. The same export gives the same bytes.
#[must_use]
pub fn xml(export: &Export) -> String {
    let mut out = String::with_capacity(export.tracks.len() * 600);
    out.push_str(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\n<DJ_PLAYLISTS Version=\"1.0.0\">\n",
    );
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "  {MARK} Version=\"{}\" Company=\"\"/>",
        env!("CARGO_PKG_VERSION")
    );
    let _ = writeln!(out, "  <COLLECTION Entries=\"{}\">", export.tracks.len());
    for track in &export.tracks {
        put_track(&mut out, track);
    }
    out.push_str("  </COLLECTION>\n  <PLAYLISTS>\n");
    let _ = writeln!(
        out,
        "    <NODE Type=\"0\" Name=\"ROOT\" Count=\"{}\">",
        export.nodes.len()
    );
    for node in &export.nodes {
        put_node(&mut out, node, 3);
    }
    out.push_str("    </NODE>\n  </PLAYLISTS>\n</DJ_PLAYLISTS>\n");
    out
}

fn put_track(out: &mut String, track: &ExportTrack) {
    let text = |out: &mut String, name: &str, value: &str| {
        let _ = write!(out, " {name}=\"{}\"", escaped(value));
    };
    let number = |out: &mut String, name: &str, value: u64| {
        let _ = write!(out, " {name}=\"{value}\"");
    };
    out.push_str("    <TRACK");
    number(out, "TrackID", track.id);
    text(out, "Name", &track.name);
    text(out, "Artist", &track.artist);
    text(out, "Composer", &track.composer);
    text(out, "Album", &track.album);
    text(out, "Grouping", "");
    text(out, "Genre", &track.genre);
    text(out, "Kind", &track.kind);
    number(out, "Size", track.size);
    number(out, "TotalTime", track.total_time);
    number(out, "DiscNumber", track.disc_number);
    number(out, "TrackNumber", track.track_number);
    number(out, "Year", track.year);
    let _ = write!(
        out,
        " AverageBpm=\"{}.{:02}\"",
        track.bpm / 100,
        track.bpm % 100
    );
    text(out, "DateAdded", &track.date_added);
    number(out, "BitRate", track.bit_rate);
    number(out, "SampleRate", track.sample_rate);
    text(out, "Comments", &track.comments);
    number(out, "PlayCount", track.play_count);
    number(out, "Rating", u64::from(track.rating.min(5)) * 51);
    text(out, "Location", &location(&track.location));
    text(out, "Remixer", &track.remixer);
    text(out, "Tonality", &track.tonality);
    text(out, "Label", &track.label);
    text(out, "Mix", "");
    if track.marks.is_empty() {
        out.push_str("/>\n");
        return;
    }
    out.push_str(">\n");
    for mark in &track.marks {
        let _ = write!(
            out,
            "      <POSITION_MARK Name=\"{}\" Type=\"{}\" Start=\"{}\"",
            escaped(&mark.name),
            if mark.end.is_some() { 4 } else { 0 },
            seconds(mark.start),
        );
        if let Some(end) = mark.end {
            let _ = write!(out, " End=\"{}\"", seconds(end));
        }
        let _ = writeln!(out, " Num=\"{}\"/>", mark.number);
    }
    out.push_str("    </TRACK>\n");
}

fn put_node(out: &mut String, node: &ExportNode, depth: usize) {
    let indent = "  ".repeat(depth);
    match node {
        ExportNode::Folder(name, children) => {
            let name = escaped(name);
            let _ = writeln!(
                out,
                "{indent}<NODE Name=\"{name}\" Type=\"0\" Count=\"{}\">",
                children.len()
            );
            for child in children {
                put_node(out, child, depth + 1);
            }
        }
        ExportNode::List(name, tracks) => {
            let name = escaped(name);
            let _ = writeln!(
                out,
                "{indent}<NODE Name=\"{name}\" Type=\"1\" KeyType=\"0\" Entries=\"{}\">",
                tracks.len()
            );
            for track in tracks {
                let _ = writeln!(out, "{indent}  <TRACK Key=\"{track}\"/>");
            }
        }
    }
    let _ = writeln!(out, "{indent}</NODE>");
}

fn seconds(millis: i64) -> String {
    let millis = millis.max(0);
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// For an attribute: what XML reserves as entities, line breaks as numbers, and no character that XML
/// does not allow.
fn escaped(text: &str) -> Cow<'_, str> {
    let plain =
        |c: char| !matches!(c, '&' | '<' | '>' | '"' | '\'' | '\u{fffe}' | '\u{ffff}') && c >= ' ';
    if text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c if plain(c) => out.push(c),
            _ => {}
        }
    }
    Cow::Owned(out)
}

/// `file://localhost/` and the path, as a URL. A path of Windows begins with its drive.
fn location(path: &str) -> String {
    let windows = path.as_bytes().get(1) == Some(&b':') || path.starts_with("\\\\");
    let path = match windows {
        true => Cow::Owned(path.replace('\\', "/")),
        false => Cow::Borrowed(path),
    };
    let mut url = "file://localhost".to_owned();
    if !path.starts_with('/') {
        url.push('/');
    }
    for byte in path.bytes() {
        match byte {
            b'/' | b':' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => url.push(char::from(byte)),
            byte => {
                let _ = write!(url, "%{byte:02X}");
            }
        }
    }
    url
}

/// The playlist file of a list: extended M3U in UTF-8 with absolute paths.
pub fn m3u8<'t>(name: &str, tracks: impl IntoIterator<Item = &'t ExportTrack>) -> String {
    let one_line = |text: &str| text.replace(['\r', '\n'], " ");
    let mut out = format!("#EXTM3U\n{M3U8_MARK}\n#PLAYLIST:{}\n", one_line(name));
    for track in tracks {
        // A name with a line break in it cannot stand in such a file.
        if track.location.contains(['\r', '\n']) {
            continue;
        }
        let label = match track.artist.is_empty() {
            true => track.name.clone(),
            false => format!("{} - {}", track.artist, track.name),
        };
        let length = match track.total_time {
            0 => -1,
            length => i64::try_from(length).unwrap_or(-1),
        };
        let _ = writeln!(
            out,
            "#EXTINF:{length},{}\n{}",
            one_line(&label),
            track.location
        );
    }
    out
}

/// What the kind of a file is called.
#[must_use]
pub fn kind(file_type: i64, path: &str) -> String {
    let name = match file_type {
        1 => "MP3",
        3 => "MP4",
        4 | 6 => "M4A",
        5 => "FLAC",
        11 => "WAV",
        12 => "AIFF",
        _ => {
            let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
            return match extension.len() {
                1..=5 => format!("{} File", extension.to_uppercase()),
                _ => "Unknown File".to_owned(),
            };
        }
    };
    format!("{name} File")
}

/// A row of `djmdCue`: track, in, out, kind, comment.
#[derive(Deserialize)]
struct RawMark(
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<String>,
);

impl MasterDb {
    /// The tracks of the collection as an export tells them; those of streaming services left out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn export_tracks(&self) -> Result<Vec<(ContentId, ExportTrack)>, RekordboxError> {
        for _ in 0..super::sqlcipher::ATTEMPTS {
            let mut snapshot = self.database().snapshot().await?;
            let tracks = read(&mut snapshot.connection).await;
            let undisturbed = snapshot.is_undisturbed();
            snapshot.close().await;
            if undisturbed {
                return tracks;
            }
        }
        Err(RekordboxError::Locked)
    }
}

const TEXTS: [&str; 12] = [
    "ID",
    "FolderPath",
    "Title",
    "ArtistID",
    "ComposerID",
    "RemixerID",
    "AlbumID",
    "GenreID",
    "LabelID",
    "KeyID",
    "StockDate",
    "Commnt",
];
const NUMBERS: [&str; 11] = [
    "FileType",
    "FileSize",
    "Length",
    "DiscNo",
    "TrackNo",
    "ReleaseYear",
    "BPM",
    "BitRate",
    "SampleRate",
    "DJPlayCount",
    "Rating",
];

async fn read(
    connection: &mut SqliteConnection,
) -> Result<Vec<(ContentId, ExportTrack)>, RekordboxError> {
    let schema = Schema::read(connection).await?;
    schema.expect_readable()?;
    let mut sink = Tracks::default();
    for (table, column) in [
        ("djmdArtist", "Name"),
        ("djmdAlbum", "Name"),
        ("djmdGenre", "Name"),
        ("djmdLabel", "Name"),
        ("djmdKey", "ScaleName"),
    ] {
        if schema.has(table, column) {
            let sql = format!(
                "SELECT json_group_array(json_array(cast(ID AS TEXT), cast({column} AS TEXT))) \
                 FROM {table} WHERE {}",
                live(&schema, table)
            );
            let rows: Vec<RawName> = json_rows(connection, sql).await?;
            sink.names.insert(table, named(rows));
        }
    }
    if ["ContentID", "InMsec", "OutMsec", "Kind", "Comment"]
        .iter()
        .all(|column| schema.has("djmdCue", column))
    {
        let sql = format!(
            "SELECT json_group_array(json_array(cast(ContentID AS TEXT), cast(InMsec AS INTEGER), \
             cast(OutMsec AS INTEGER), cast(Kind AS INTEGER), cast(Comment AS TEXT))) \
             FROM (SELECT * FROM djmdCue WHERE {} ORDER BY ContentID, Kind, InMsec, ID)",
            live(&schema, "djmdCue")
        );
        let rows: Vec<RawMark> = json_rows(connection, sql).await?;
        for row in rows {
            sink.mark(row);
        }
    }
    let term = |column: &str, kind: &str| match schema.has("djmdContent", column) {
        true => format!("cast({column} AS {kind})"),
        false => "NULL".to_owned(),
    };
    let texts = TEXTS.iter().map(|column| term(column, "TEXT"));
    let numbers = NUMBERS.iter().map(|column| term(column, "INTEGER"));
    let terms: Vec<String> = texts.chain(numbers).collect();
    let stream = Stream::into(sink);
    stream
        .read(
            connection,
            "djmdContent",
            &terms,
            live(&schema, "djmdContent"),
        )
        .await?;
    stream.whole()
}

fn live(schema: &Schema, table: &str) -> &'static str {
    match schema.has(table, "rb_local_deleted") {
        true => "coalesce(rb_local_deleted, 0) = 0",
        false => "1",
    }
}

#[derive(Default)]
struct Tracks {
    names: HashMap<&'static str, NamesById>,
    marks: HashMap<String, Vec<Mark>>,
    tracks: Vec<(ContentId, ExportTrack)>,
}

impl Tracks {
    fn mark(&mut self, RawMark(content, start, end, kind, comment): RawMark) {
        let (Some(content), Some(start)) = (content, start) else {
            return;
        };
        self.marks.entry(content).or_default().push(Mark {
            name: comment.unwrap_or_default(),
            start,
            end: end.filter(|end| *end > start),
            // Rekordbox leaves kind 4 out: A B C are 1 2 3, D to H are 5 to 9.
            number: match kind.unwrap_or(0) {
                0 => -1,
                kind @ 1..=3 => kind - 1,
                kind => kind - 2,
            },
        });
    }

    fn name(&self, table: &str, id: Option<Cow<'_, str>>) -> String {
        let names = self.names.get(table);
        let name = id.and_then(|id| names?.get(&*id).cloned());
        name.unwrap_or_default().into()
    }
}

impl Sink for Tracks {
    type Whole = Vec<(ContentId, ExportTrack)>;

    fn take(&mut self, row: &mut Cells<'_>) -> Result<(), serde_json::Error> {
        let text = |row: &mut Cells<'_>| -> Result<String, serde_json::Error> {
            Ok(row.text()?.unwrap_or_default().into_owned())
        };
        let number = |row: &mut Cells<'_>| -> Result<u64, serde_json::Error> {
            let number = row.integer()?.unwrap_or(0);
            Ok(u64::try_from(number).unwrap_or(0))
        };
        let id = text(row)?;
        let mut track = ExportTrack {
            location: text(row)?,
            name: text(row)?,
            artist: self.name("djmdArtist", row.text()?),
            composer: self.name("djmdArtist", row.text()?),
            remixer: self.name("djmdArtist", row.text()?),
            album: self.name("djmdAlbum", row.text()?),
            genre: self.name("djmdGenre", row.text()?),
            label: self.name("djmdLabel", row.text()?),
            tonality: self.name("djmdKey", row.text()?),
            date_added: text(row)?,
            comments: text(row)?,
            ..ExportTrack::default()
        };
        let file_type = row.integer()?.unwrap_or(0);
        track.kind = kind(file_type, &track.location);
        for slot in [
            &mut track.size,
            &mut track.total_time,
            &mut track.disc_number,
            &mut track.track_number,
            &mut track.year,
            &mut track.bpm,
            &mut track.bit_rate,
            &mut track.sample_rate,
            &mut track.play_count,
        ] {
            *slot = number(row)?;
        }
        track.rating = u8::try_from(number(row)?).unwrap_or(5).min(5);
        track.marks = self.marks.remove(&id).unwrap_or_default();
        let place = Content {
            folder_path: std::mem::take(&mut track.location),
            ..Content::default()
        };
        if !place.folder_path.is_empty() && !place.is_streaming() {
            track.location = place.folder_path;
            self.tracks.push((ContentId::new(id), track));
        }
        Ok(())
    }

    fn whole(mut self) -> Self::Whole {
        self.tracks.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.tracks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_urls_on_both_systems() {
        for (path, url) in [
            (
                "/Music/A & B/ü#1.mp3",
                "file://localhost/Music/A%20%26%20B/%C3%BC%231.mp3",
            ),
            ("C:/Music/100%.mp3", "file://localhost/C:/Music/100%25.mp3"),
            ("C:\\Music\\a b.mp3", "file://localhost/C:/Music/a%20b.mp3"),
            ("\\\\nas\\m\\a.mp3", "file://localhost//nas/m/a.mp3"),
            ("/odd\\name.mp3", "file://localhost/odd%5Cname.mp3"),
        ] {
            assert_eq!(location(path), url);
        }
    }

    #[test]
    fn attributes_hold_whatever_a_name_has() {
        assert_eq!(
            escaped("a\"<&>'\n\u{1}\u{ffff}🎉"),
            "a&quot;&lt;&amp;&gt;&apos;&#10;🎉"
        );
        assert_eq!(seconds(61_025), "61.025");
        assert_eq!(kind(5, "x"), "FLAC File");
        assert_eq!(kind(0, "a.opus"), "OPUS File");
        assert_eq!(kind(0, "/no.such/extension at all"), "Unknown File");
    }

    #[test]
    fn a_playlist_file_has_a_line_for_each_track() {
        let track = |name: &str, artist: &str, location: &str| ExportTrack {
            name: name.to_owned(),
            artist: artist.to_owned(),
            location: location.to_owned(),
            total_time: 61,
            ..ExportTrack::default()
        };
        let tracks = [track("T\nx", "A", "/m/a.mp3"), track("U", "", "/m/\n.mp3")];
        assert_eq!(
            m3u8("L\n1", &tracks),
            "#EXTM3U\n# Written by tidal-cleanup\n#PLAYLIST:L 1\n#EXTINF:61,A - T x\n/m/a.mp3\n"
        );
    }
}
