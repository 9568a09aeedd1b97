//! Which file *is* this track: link, TIDAL id, ISRC, likeness.

mod artists;
mod assign;
mod block;
mod compare;
mod exact;
mod fit;
mod fold;
mod judge;
mod labels;
mod length;
mod reading;
mod repair;
mod table;
mod version;
mod words;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

pub use assign::identify;
pub use judge::{Judgement, Verdict, judge, same_recording};

use crate::domain::{AudioFile, Isrc, MediaPath, TrackId};

/// What is known of a file, without the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalFacts<'a> {
    /// The last part of its path, with the extension.
    pub file_name: &'a str,
    /// The tagged title.
    pub title: Option<&'a str>,
    /// The tagged artists.
    pub artists: &'a [String],
    /// The tagged album.
    pub album: Option<&'a str>,
    /// The tagged recording code.
    pub isrc: Option<&'a Isrc>,
    /// The tagged release year.
    pub year: Option<u16>,
    /// Milliseconds.
    pub duration_ms: Option<u64>,
    /// The TIDAL track id in its tags.
    pub tidal_id: Option<&'a TrackId>,
}

impl<'a> LocalFacts<'a> {
    /// The facts of a scanned file; `file_name` is its own, which the path does not lend.
    #[must_use]
    pub fn of(file: &'a AudioFile, file_name: &'a str) -> Self {
        Self {
            file_name,
            title: file.tags.title.as_deref(),
            artists: &file.tags.artists,
            album: file.tags.album.as_deref(),
            isrc: file.tags.isrc.as_ref(),
            year: file.tags.year,
            duration_ms: file.duration_ms,
            tidal_id: file.tags.tidal_id.as_ref(),
        }
    }
}

/// Which file is which track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities {
    /// The one file of each track that has one.
    pub matches: BTreeMap<TrackId, Match>,
    /// Tracks without a file whose candidates need a person, the likeliest first.
    pub asks: BTreeMap<TrackId, Vec<Candidate>>,
    /// Further files of the same recording, in path order. Copies and hard links that we made for
    /// further playlists, and other hard links of the matched file, are not among them.
    pub duplicates: BTreeMap<TrackId, Vec<MediaPath>>,
    /// Files whose hash would tell whether one of them is a linked file that was moved. Without it
    /// they are judged by what else is known of them.
    pub unhashed: BTreeSet<MediaPath>,
}

/// The file of a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Where it lies, spelled as in the scan.
    pub path: MediaPath,
    /// What tells so.
    pub how: How,
    /// 0–100.
    pub score: u8,
    /// In words.
    pub reasons: Vec<Cow<'static, str>>,
}

/// What tells that a file is a track, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// The user said so.
    Decision,
    /// The state database says so.
    Link,
    /// It is the linked file under another path.
    Moved,
    /// The track's TIDAL id stands in its tags, or is its name.
    TidalId,
    /// Same ISRC, same version.
    Isrc,
    /// Same artists, title, version and length.
    Likeness,
}

/// A file that may be the track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it lies.
    pub path: MediaPath,
    /// 0–100.
    pub score: u8,
    /// What speaks for it or took points off.
    pub reasons: Vec<Cow<'static, str>>,
    /// What forbade an automatic match.
    pub vetoes: Vec<String>,
}
