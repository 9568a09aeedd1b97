//! Readings of the library and of Rekordbox as JSON documents, and a line about each for a person.

use std::fmt;

use serde::Serialize;

use crate::domain::{
    AudioFile, Collection, CollectionPlaylist, Content, Library, MyTag, NodeKind, Observed,
    Problem, RekordboxSchema, Tags,
};

use super::text::{bytes, count};

/// The library folder as it was read.
#[derive(Debug, Serialize)]
pub struct LocalSnapshot<'a> {
    pub library_id: Option<&'a str>,
    pub complete: bool,
    pub problems: Vec<ProblemLine<'a>>,
    pub files: Vec<FileLine<'a>>,
    pub playlist_files: Vec<&'a str>,
}

/// An audio file.
#[derive(Debug, Serialize)]
pub struct FileLine<'a> {
    pub path: &'a str,
    pub size: u64,
    pub mtime: (i64, u32),
    pub format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate_kbps: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    pub tags: &'a Tags,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<&'a str>,
}

/// Something that could not be read.
#[derive(Debug, Serialize)]
pub struct ProblemLine<'a> {
    pub subject: &'a str,
    pub message: &'a str,
}

impl<'a> From<&'a Problem> for ProblemLine<'a> {
    fn from(problem: &'a Problem) -> Self {
        Self {
            subject: &problem.subject,
            message: &problem.message,
        }
    }
}

impl<'a> From<&'a AudioFile> for FileLine<'a> {
    fn from(file: &'a AudioFile) -> Self {
        Self {
            path: file.path.as_str(),
            size: file.stat.size,
            mtime: file.stat.mtime,
            format: file.format.extension(),
            duration_ms: file.duration_ms,
            bitrate_kbps: file.bitrate_kbps,
            sha256: file.hash.map(|hash| hash.to_string()),
            tags: &file.tags,
            problem: file.problem.as_deref(),
        }
    }
}

impl<'a> From<&'a Observed<Library>> for LocalSnapshot<'a> {
    fn from(read: &'a Observed<Library>) -> Self {
        let library = &read.value;
        Self {
            library_id: library.id.as_ref().map(crate::domain::LibraryId::as_str),
            complete: read.is_complete(),
            problems: read.problems.iter().map(ProblemLine::from).collect(),
            files: library.files.iter().map(FileLine::from).collect(),
            playlist_files: library
                .sidecars
                .iter()
                .map(|file| file.path.as_str())
                .collect(),
        }
    }
}

impl fmt::Display for LocalSnapshot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.files.iter().map(|file| file.size).sum();
        write!(
            f,
            "{}, {}",
            count(self.files.len(), "audio file", "audio files"),
            bytes(total)
        )?;
        tell_problems(self.problems.len(), self.complete, f)
    }
}

/// Rekordbox's collection as it was read.
#[derive(Debug, Serialize)]
pub struct RekordboxSnapshot<'a> {
    /// 6 or 7.
    pub schema: u8,
    pub app_version: Option<&'a str>,
    pub local_usn: i64,
    pub cloud_sync: bool,
    pub complete: bool,
    pub problems: Vec<ProblemLine<'a>>,
    pub contents: Vec<ContentLine<'a>>,
    pub playlists: Vec<NodeLine<'a>>,
    pub my_tags: Vec<TagLine<'a>>,
}

/// A track of the collection.
#[derive(Debug, Serialize)]
pub struct ContentLine<'a> {
    pub id: &'a str,
    pub path: &'a str,
    pub title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genre: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isrc: Option<&'a str>,
    pub rating: u8,
    pub play_count: u32,
    pub hot_cues: u32,
    pub memory_cues: u32,
    pub my_tags: Vec<&'a str>,
}

/// A node of the playlist tree.
#[derive(Debug, Serialize)]
pub struct NodeLine<'a> {
    pub id: &'a str,
    pub name: &'a str,
    pub kind: NodeKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<&'a str>,
    pub seq: i64,
    pub entries: Vec<&'a str>,
}

/// A MyTag or a group.
#[derive(Debug, Serialize)]
pub struct TagLine<'a> {
    pub id: &'a str,
    pub name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<&'a str>,
}

impl<'a> ContentLine<'a> {
    fn new(id: &'a str, content: &'a Content) -> Self {
        Self {
            id,
            path: &content.folder_path,
            title: &content.title,
            artist: content.artist.as_deref(),
            album: content.album.as_deref(),
            genre: content.genre.as_deref(),
            isrc: content.isrc.as_ref().map(crate::domain::Isrc::as_str),
            rating: content.rating,
            play_count: content.play_count,
            hot_cues: content.hot_cues,
            memory_cues: content.memory_cues,
            my_tags: content
                .my_tags
                .iter()
                .map(crate::domain::MyTagId::as_str)
                .collect(),
        }
    }
}

impl<'a> From<&'a CollectionPlaylist> for NodeLine<'a> {
    fn from(node: &'a CollectionPlaylist) -> Self {
        Self {
            id: node.id.as_str(),
            name: &node.name,
            kind: node.kind,
            parent: node.parent.as_ref().map(crate::domain::NodeId::as_str),
            seq: node.seq,
            entries: node
                .entries
                .iter()
                .map(|entry| entry.content.as_str())
                .collect(),
        }
    }
}

impl<'a> From<&'a MyTag> for TagLine<'a> {
    fn from(tag: &'a MyTag) -> Self {
        Self {
            id: tag.id.as_str(),
            name: &tag.name,
            group: tag.group.as_ref().map(crate::domain::MyTagId::as_str),
        }
    }
}

impl<'a> From<&'a Observed<Collection>> for RekordboxSnapshot<'a> {
    fn from(read: &'a Observed<Collection>) -> Self {
        let collection = &read.value;
        Self {
            schema: match collection.schema {
                RekordboxSchema::V6 => 6,
                RekordboxSchema::V7 => 7,
            },
            app_version: collection.app_version.as_deref(),
            local_usn: collection.local_usn,
            cloud_sync: collection.cloud_sync,
            complete: read.is_complete(),
            problems: read.problems.iter().map(ProblemLine::from).collect(),
            contents: collection
                .contents
                .iter()
                .map(|(id, content)| ContentLine::new(id.as_str(), content))
                .collect(),
            playlists: collection.nodes.values().map(NodeLine::from).collect(),
            my_tags: collection.my_tags.values().map(TagLine::from).collect(),
        }
    }
}

impl fmt::Display for RekordboxSnapshot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = self
            .playlists
            .iter()
            .filter(|node| node.kind != NodeKind::Folder)
            .count();
        write!(
            f,
            "Rekordbox {}: {}, {}, {}",
            self.schema,
            count(self.contents.len(), "track", "tracks"),
            count(lists, "playlist", "playlists"),
            count(
                self.my_tags
                    .iter()
                    .filter(|tag| tag.group.is_some())
                    .count(),
                "MyTag",
                "MyTags"
            ),
        )?;
        tell_problems(self.problems.len(), self.complete, f)
    }
}

fn tell_problems(number: usize, complete: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if number > 0 {
        write!(f, ", {}", count(number, "problem", "problems"))?;
    }
    match complete {
        true => Ok(()),
        false => write!(
            f,
            " (incomplete: nothing can be concluded from what is not in it)"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::Envelope;

    #[test]
    fn an_incomplete_reading_says_so() {
        let mut read = Observed::complete(Library::default());
        read.problems.push(Problem {
            subject: "Playlists/Locked".to_owned(),
            message: "permission denied".to_owned(),
            leaves_hole: true,
        });
        let snapshot = LocalSnapshot::from(&read);
        assert_eq!(
            snapshot.to_string(),
            "0 audio files, 0 B, 1 problem (incomplete: nothing can be concluded from what is not in it)"
        );
        let json = serde_json::to_value(Envelope::new("local-snapshot", snapshot)).unwrap();
        assert_eq!(json["format"], "tidal-cleanup/local-snapshot");
        assert_eq!(json["format_version"], "1.0");
        assert_eq!(json["complete"], false);
    }

    #[test]
    fn a_collection_in_a_line() {
        let read = Observed::complete(Collection::default());
        assert_eq!(
            RekordboxSnapshot::from(&read).to_string(),
            "Rekordbox 7: 0 tracks, 0 playlists, 0 MyTags"
        );
    }
}
