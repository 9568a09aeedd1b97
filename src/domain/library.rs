//! What a music folder holds.

use serde::{Deserialize, Serialize};

use super::{ContentHash, Isrc, LibraryId, MediaPath, TrackId};

/// A whole reading of the library root and the extra sources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Library {
    /// From the canary; `None` when the canary is missing (gate TC101).
    pub id: Option<LibraryId>,
    /// Audio files in path order.
    pub files: Vec<AudioFile>,
    /// Playlist files (`.m3u8`, `.m3u`) in path order.
    pub sidecars: Vec<SidecarFile>,
    /// Folders that could not be read: nothing in or below them may be taken for gone.
    pub unreadable: Vec<MediaPath>,
    /// Audio files that an earlier reading saw and this one did not, in path order; none in or below a
    /// folder that could not be read. What tells them apart may show where they went.
    pub vanished: Vec<VanishedFile>,
}

impl Library {
    /// The audio file at `path`, by binary search.
    #[must_use]
    pub fn file(&self, path: &MediaPath) -> Option<&AudioFile> {
        let at = self
            .files
            .binary_search_by(|file| file.path.cmp(path))
            .ok()?;
        self.files.get(at)
    }

    /// A file whose path is `stem` and an extension, by binary search.
    #[must_use]
    pub fn file_of_stem(&self, stem: &MediaPath) -> Option<&AudioFile> {
        self.files_of_stem(stem).next()
    }

    /// The files whose path is `stem` and an extension, by binary search.
    pub fn files_of_stem(&self, stem: &MediaPath) -> impl Iterator<Item = &AudioFile> {
        let start = format!("{stem}.");
        let from = self
            .files
            .partition_point(|file| file.path.as_str() < start.as_str());
        let begin = start.clone();
        self.files[from..]
            .iter()
            .take_while(move |file| file.path.as_str().starts_with(&begin))
            .filter(move |file| !file.path.as_str()[start.len()..].contains(['.', '/']))
    }

    /// The file that was at `path`, by binary search.
    #[must_use]
    pub fn vanished(&self, path: &MediaPath) -> Option<&VanishedFile> {
        let at = self
            .vanished
            .binary_search_by(|file| file.path.cmp(path))
            .ok()?;
        self.vanished.get(at)
    }

    /// The playlist file at `path`, by binary search.
    #[must_use]
    pub fn sidecar(&self, path: &MediaPath) -> Option<&SidecarFile> {
        let at = self
            .sidecars
            .binary_search_by(|file| file.path.cmp(path))
            .ok()?;
        self.sidecars.get(at)
    }
}

/// One audio file: where it is, what the file system and its own tags say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioFile {
    /// Below the library root or a source.
    pub path: MediaPath,
    /// The file system's facts.
    pub stat: FileStat,
    /// The container and codec.
    pub format: AudioFormat,
    /// What the file says of itself.
    pub tags: Tags,
    /// Length in milliseconds; `None` when it could not be learnt.
    pub duration_ms: Option<u64>,
    /// Milliseconds of sound that are there, where the file is cut off and its length is a promise.
    pub left_ms: Option<u64>,
    /// Kilobits a second.
    pub bitrate_kbps: Option<u32>,
    /// Hertz.
    pub sample_rate_hz: Option<u32>,
    /// Bits a sample, for lossless formats.
    pub bit_depth: Option<u8>,
    /// SHA-256 of the whole content, where it is already known.
    pub hash: Option<ContentHash>,
    /// Why the file could not be read fully; what could be learnt stands beside it.
    pub problem: Option<String>,
}

impl AudioFile {
    /// Kilobits a second: what it says, else its bytes over its length.
    #[must_use]
    pub fn kbps(&self) -> Option<u32> {
        let length = self.duration_ms.filter(|length| *length > 0);
        self.bitrate_kbps
            .or_else(|| u32::try_from(self.stat.size.saturating_mul(8) / length?).ok())
    }
}

/// An audio file that was there once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VanishedFile {
    /// Where it was.
    pub path: MediaPath,
    /// The file system's facts when it was last seen.
    pub stat: FileStat,
    /// SHA-256 of its content, where it was known.
    pub hash: Option<ContentHash>,
}

/// A playlist file beside the audio.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SidecarFile {
    /// Below the library root.
    pub path: MediaPath,
    /// The file system's facts.
    pub stat: FileStat,
    /// SHA-256 of its content.
    pub hash: ContentHash,
}

/// The file system's facts about a file; together they tell whether it changed. Tag editors and
/// backup tools keep the modification time, so the change time and inode count as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStat {
    /// Bytes.
    pub size: u64,
    /// Modification time: seconds since 1970 and nanoseconds.
    pub mtime: (i64, u32),
    /// Change time (Unix; elsewhere the creation time): seconds and nanoseconds.
    pub ctime: (i64, u32),
    /// Inode, or the Windows file index; 0 where there is none.
    pub inode: u64,
    /// The device (volume) number.
    pub device: u64,
}

/// An audio container and codec that the scanner knows.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum AudioFormat {
    /// MPEG audio layer 3.
    Mp3,
    /// AAC in MP4.
    M4a,
    /// Apple Lossless in MP4.
    Alac,
    /// FLAC.
    Flac,
    /// RIFF WAVE.
    Wav,
    /// AIFF or AIFF-C.
    Aiff,
    /// Vorbis in Ogg.
    Ogg,
    /// Opus in Ogg.
    Opus,
}

impl AudioFormat {
    /// All formats.
    pub const ALL: [Self; 8] = [
        Self::Mp3,
        Self::M4a,
        Self::Alac,
        Self::Flac,
        Self::Wav,
        Self::Aiff,
        Self::Ogg,
        Self::Opus,
    ];

    /// The format that a file extension (lower case, no dot) suggests.
    #[must_use]
    pub fn from_extension(extension: &str) -> Option<Self> {
        Some(match extension {
            "mp3" => Self::Mp3,
            "m4a" | "mp4" | "aac" => Self::M4a,
            "alac" => Self::Alac,
            "flac" => Self::Flac,
            "wav" | "wave" => Self::Wav,
            "aif" | "aiff" | "aifc" => Self::Aiff,
            "ogg" | "oga" => Self::Ogg,
            "opus" => Self::Opus,
            _ => return None,
        })
    }

    /// The extension of files that we write.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::M4a | Self::Alac => "m4a",
            Self::Flac => "flac",
            Self::Wav => "wav",
            Self::Aiff => "aiff",
            Self::Ogg => "ogg",
            Self::Opus => "opus",
        }
    }

    /// Whether no information is lost.
    #[must_use]
    pub const fn is_lossless(self) -> bool {
        match self {
            Self::Alac | Self::Flac | Self::Wav | Self::Aiff => true,
            Self::Mp3 | Self::M4a | Self::Ogg | Self::Opus => false,
        }
    }
}

/// What an audio file's tags say. Empty texts are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    /// The title as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Artists; several only where the tag format has several values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artists: Vec<String>,
    /// The album.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub album: Option<String>,
    /// The release year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<u16>,
    /// The genre.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genre: Option<String>,
    /// The recording's code, wherever the writer put it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isrc: Option<Isrc>,
    /// A TIDAL track id that is written into the file (our own tag, or a share URL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tidal_id: Option<TrackId>,
}

/// What a track's further playlists get.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum LinkForm {
    /// A playlist file with relative paths.
    M3u8,
    /// A hard link.
    Hardlink,
    /// A copy.
    Copy,
}
