//! Tracks: a full `djmdContent` row, relocation, fields.

use std::path::Path;

use serde_json::{Value, json};

use super::{Stager, invalid};
use crate::{
    domain::{AudioFormat, ContentId, text::nfc},
    edge::rekordbox::{
        ContentFile, NewContentRow, RekordboxError, Staged,
        table::{Table, text, value},
    },
};

/// The columns of `djmdContent` in Rekordbox 6.6 and 7, but for those at the end of every table.
pub(in crate::edge::rekordbox) const CONTENT_COLUMNS: &[&str] = &[
    "ID",
    "FolderPath",
    "FileNameL",
    "FileNameS",
    "Title",
    "ArtistID",
    "AlbumID",
    "GenreID",
    "BPM",
    "Length",
    "TrackNo",
    "BitRate",
    "BitDepth",
    "Commnt",
    "FileType",
    "Rating",
    "ReleaseYear",
    "RemixerID",
    "LabelID",
    "OrgArtistID",
    "KeyID",
    "StockDate",
    "ColorID",
    "DJPlayCount",
    "ImagePath",
    "MasterDBID",
    "MasterSongID",
    "AnalysisDataPath",
    "SearchStr",
    "FileSize",
    "DiscNo",
    "ComposerID",
    "Subtitle",
    "SampleRate",
    "DisableQuantize",
    "Analysed",
    "ReleaseDate",
    "DateCreated",
    "ContentLink",
    "Tag",
    "ModifiedByRBM",
    "HotCueAutoLoad",
    "DeliveryControl",
    "DeliveryComment",
    "CueUpdated",
    "AnalysisUpdated",
    "TrackInfoUpdated",
    "Lyricist",
    "ISRC",
    "SamplerTrackInfo",
    "SamplerPlayOffset",
    "SamplerGain",
    "VideoAssociate",
    "LyricStatus",
    "ServiceID",
    "OrgFolderPath",
    "Reserved1",
    "Reserved2",
    "Reserved3",
    "Reserved4",
    "ExtInfo",
    "rb_file_id",
    "DeviceID",
    "rb_LocalFolderPath",
    "SrcID",
    "SrcTitle",
    "SrcArtistName",
    "SrcAlbumName",
    "SrcLength",
];

/// `ContentLink` of a track that was imported and not analysed. Without it the browser shows no
/// preview, also after the analysis.
const CONTENT_LINK: i64 = 14;

impl Stager<'_> {
    pub(super) fn add_content(&mut self, new: &NewContentRow) -> Result<Staged, RekordboxError> {
        let path = rekordbox_path(&new.file.path)?;
        self.refuse_duplicate(&path, None)?;
        let file_type = file_type(new.format, &path)?;
        let artist = self.name_row(Table::Artist, new.artist.as_deref());
        let album = self.name_row(Table::Album, new.album.as_deref());
        let genre = self.name_row(Table::Genre, new.genre.as_deref());
        let id = self.new_id(Table::Content);
        let row = self.template(new, &id, &path);
        let row = merged(
            row,
            json!({
                "ArtistID": artist,
                "AlbumID": album,
                "GenreID": genre,
                "FileType": file_type,
            }),
        );
        let usn = self.next_usn();
        let id = self.insert(Table::Content, id, row, usn);
        Ok(Staged {
            content: Some(ContentId::new(id)),
            ..Staged::default()
        })
    }

    pub(super) fn relocate(
        &mut self,
        content: &ContentId,
        file: &ContentFile,
    ) -> Result<Staged, RekordboxError> {
        let path = rekordbox_path(&file.path)?;
        self.refuse_duplicate(&path, Some(content.as_str()))?;
        let old = text(self.content_row(content)?, "FolderPath").to_owned();
        // The identity of the old file beside the new path makes Rekordbox look for the old one.
        let mut columns = json!({
            "FolderPath": path,
            "FileNameL": file_name(&path),
            "rb_file_id": file.file_id.to_string(),
            "FileSize": whole(file.size),
        });
        if extension(&old) != extension(&path) {
            columns = merged(columns, json!({"FileType": file_type(None, &path)?}));
        }
        let usn = self.next_usn();
        self.update(Table::Content, content.as_str(), columns, usn)?;
        Ok(concerned(content))
    }

    pub(super) fn update_content(
        &mut self,
        content: &ContentId,
        title: Option<&str>,
        artist: Option<&str>,
        album: Option<&str>,
        year: Option<u16>,
    ) -> Result<Staged, RekordboxError> {
        self.content_row(content)?;
        let mut columns = json!({});
        if let Some(title) = title {
            columns = merged(columns, json!({"Title": title}));
        }
        if let Some(artist) = artist {
            let id = self.name_row(Table::Artist, Some(artist));
            columns = merged(columns, json!({"ArtistID": id}));
        }
        if let Some(album) = album {
            let id = self.name_row(Table::Album, Some(album));
            columns = merged(columns, json!({"AlbumID": id}));
        }
        if let Some(year) = year {
            columns = merged(columns, json!({"ReleaseYear": year}));
        }
        let row = self.content_row(content)?;
        let differs = columns.as_object().is_some_and(|columns| {
            columns
                .iter()
                .any(|(column, new)| value(row, column) != new)
        });
        if differs {
            // Rekordbox counts the revisions of a track's fields, in a text column.
            let revision: i64 = text(row, "TrackInfoUpdated").parse().unwrap_or(0);
            let revision = (revision + 1).to_string();
            columns = merged(columns, json!({"TrackInfoUpdated": revision}));
            let usn = self.next_usn();
            self.update(Table::Content, content.as_str(), columns, usn)?;
        }
        Ok(concerned(content))
    }

    /// The id of the artist, album or genre of exactly that name, made if there is none.
    fn name_row(&mut self, table: Table, name: Option<&str>) -> Option<String> {
        let name = name.map(str::trim).filter(|name| !name.is_empty())?;
        if let Some(id) = self.tables.named(table, name) {
            return Some(id.to_owned());
        }
        let columns = match table {
            Table::Album => json!({"Name": name, "AlbumArtistID": "", "Compilation": 0}),
            Table::Artist
            | Table::Genre
            | Table::Content
            | Table::Playlist
            | Table::CloudFilter
            | Table::SongPlaylist
            | Table::MyTag
            | Table::SongMyTag => json!({"Name": name}),
        };
        let id = self.new_id(table);
        let usn = self.next_usn();
        Some(self.insert(table, id, columns, usn))
    }

    /// What Rekordbox writes for a file that it imports and does not analyse. Rows with less showed
    /// as videos that do not load.
    fn template(&self, new: &NewContentRow, id: &str, path: &str) -> Value {
        let name = file_name(path);
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let title = if new.title.is_empty() {
            stem
        } else {
            &new.title
        };
        let created = new.created.map(|at| self.moment.date(at));
        let described = json!({
            "FolderPath": path,
            "FileNameL": name,
            "FileNameS": "",
            "Title": title,
            "Length": new.length_s,
            "BitRate": new.bitrate_kbps,
            "BitDepth": new.bit_depth,
            "SampleRate": new.sample_rate_hz,
            "Commnt": new.comment,
            "ReleaseYear": new.year.unwrap_or(0),
            "ISRC": new.isrc.as_deref().unwrap_or_default(),
            "FileSize": whole(new.file.size),
            "rb_file_id": new.file.file_id.to_string(),
            "StockDate": self.moment.today,
            "DateCreated": created.as_ref().unwrap_or(&self.moment.today),
            "MasterDBID": self.tables.property.database,
            "MasterSongID": id,
            "DeviceID": self.tables.property.device,
        });
        merged(described, unanalysed())
    }

    fn refuse_duplicate(&self, path: &str, except: Option<&str>) -> Result<(), RekordboxError> {
        match self.tables.content_at(path) {
            Some(id) if Some(id) != except => Err(invalid(format!(
                "{path} is in the Rekordbox collection already, as track {id}"
            ))),
            Some(_) | None => Ok(()),
        }
    }

    fn content_row(
        &self,
        content: &ContentId,
    ) -> Result<&crate::edge::rekordbox::table::Row, RekordboxError> {
        let row = self.tables.live(Table::Content, content.as_str());
        row.ok_or_else(|| {
            invalid(format!(
                "track {content} is not in the Rekordbox collection"
            ))
        })
    }
}

/// The columns whose values are the same for every new track.
fn unanalysed() -> Value {
    json!({
        "BPM": 0,
        "TrackNo": 0,
        "DiscNo": 0,
        "Rating": 0,
        "KeyID": "0",
        "ColorID": "0",
        "DJPlayCount": 0,
        "ImagePath": "",
        "AnalysisDataPath": "",
        "Subtitle": "",
        "Analysed": 0,
        "ReleaseDate": "",
        "ContentLink": CONTENT_LINK,
        "ModifiedByRBM": "",
        "HotCueAutoLoad": "on",
        "DeliveryControl": "on",
        "DeliveryComment": "",
        "Lyricist": "",
        "SamplerTrackInfo": 0,
        "SamplerPlayOffset": 0,
        "SamplerGain": 0.0,
        "VideoAssociate": "0",
        "LyricStatus": 0,
        "ServiceID": 0,
        "OrgFolderPath": "",
        "ExtInfo": "null",
    })
}

/// The path as Rekordbox stores it: absolute, `/` on every system, NFC, without `.` and `..` (with
/// which it shows a track as missing).
fn rekordbox_path(path: &Path) -> Result<String, RekordboxError> {
    let refused = |why: &str| invalid(format!("{} {why}", path.display()));
    let text = path.to_str().ok_or_else(|| refused("is not Unicode"))?;
    let text = match std::path::MAIN_SEPARATOR {
        '\\' => nfc(&text.replace('\\', "/")),
        _ => nfc(text),
    };
    let drive = text.as_bytes().get(1) == Some(&b':');
    if !(text.starts_with('/') || (drive && text.as_bytes().get(2) == Some(&b'/'))) {
        return Err(refused("is not absolute"));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(refused("leads through ..")),
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return Err(refused("names no file"));
    }
    let root = if drive { "" } else { "/" };
    Ok(format!("{root}{}", parts.join("/")))
}

/// `djmdContent.FileType`; formats that Rekordbox does not play have none.
fn file_type(format: Option<AudioFormat>, path: &str) -> Result<i64, RekordboxError> {
    let format = format.or_else(|| AudioFormat::from_extension(&extension(path)));
    match format {
        Some(AudioFormat::Mp3) => Ok(1),
        Some(AudioFormat::M4a) => Ok(4),
        Some(AudioFormat::Flac) => Ok(5),
        Some(AudioFormat::Alac) => Ok(6),
        Some(AudioFormat::Wav) => Ok(11),
        Some(AudioFormat::Aiff) => Ok(12),
        Some(AudioFormat::Ogg | AudioFormat::Opus) | None => {
            Err(invalid(format!("Rekordbox does not play {path}")))
        }
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn extension(path: &str) -> String {
    let name = file_name(path);
    name.rsplit_once('.')
        .map_or_else(String::new, |(_, extension)| extension.to_lowercase())
}

/// SQLite's integers have 63 bits.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn merged(columns: Value, more: Value) -> Value {
    match (columns, more) {
        (Value::Object(mut columns), Value::Object(more)) => {
            columns.extend(more);
            Value::Object(columns)
        }
        (columns, _) => columns,
    }
}

fn concerned(content: &ContentId) -> Staged {
    Staged {
        content: Some(content.clone()),
        ..Staged::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_composed_and_plain() {
        let path = |text: &str| rekordbox_path(Path::new(text));
        assert_eq!(
            path("/Mu\u{308}sik/./a//b.mp3").unwrap(),
            "/M\u{fc}sik/a/b.mp3"
        );
        assert_eq!(path("C:/x/a.mp3").unwrap(), "C:/x/a.mp3");
        for bad in ["a.mp3", "/a/../b.mp3", "/", ""] {
            assert!(path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn file_types_follow_the_format_then_the_name() {
        assert_eq!(file_type(Some(AudioFormat::Alac), "/a.m4a").unwrap(), 6);
        assert_eq!(file_type(None, "/a.M4A").unwrap(), 4);
        assert_eq!(file_type(None, "/a.flac").unwrap(), 5);
        assert!(file_type(Some(AudioFormat::Opus), "/a.opus").is_err());
        assert!(file_type(None, "/a").is_err());
    }
}
