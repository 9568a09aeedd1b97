//! What Rekordbox holds: a reading of `master.db`, and nothing of its rows' shape.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{ContentId, EntryId, Isrc, MyTagId, NodeId};

/// A whole, consistent reading of a Rekordbox library. Deleted rows (`rb_local_deleted`) are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    /// Whether it is a version 6 or 7 schema.
    pub schema: RekordboxSchema,
    /// The application's version as `masterPlaylists6.xml` names it.
    pub app_version: Option<String>,
    /// The counter of local changes: the larger of the registry's and of every row's.
    pub local_usn: i64,
    /// Whether rows are synchronised with the Cloud Library.
    pub cloud_sync: bool,
    /// Tracks. Each stands alone, so that a map of very many is built without moving them.
    pub contents: BTreeMap<ContentId, Box<Content>>,
    /// Playlists, folders and smart playlists.
    pub nodes: BTreeMap<NodeId, CollectionPlaylist>,
    /// MyTags and their groups.
    pub my_tags: BTreeMap<MyTagId, MyTag>,
}

/// Which tables there are; told by the presence of `djmdCloudFilterPlaylist`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RekordboxSchema {
    /// Rekordbox 6.
    V6,
    /// Rekordbox 7.
    #[default]
    V7,
}

/// One track of the collection (`djmdContent`), with the DJ's work on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Empty only in [`Content::default`].
    pub id: Option<ContentId>,
    /// The absolute path as Rekordbox stores it (`/` also on Windows), or `tidal:tracks:ID`.
    pub folder_path: String,
    /// Title.
    pub title: SmolStr,
    /// Artist's name. Tracks share the text of a name.
    pub artist: Option<SmolStr>,
    /// Album's name.
    pub album: Option<SmolStr>,
    /// Genre's name.
    pub genre: Option<SmolStr>,
    /// ISRC column, where it holds one.
    pub isrc: Option<Isrc>,
    /// Whole seconds.
    pub length_s: Option<u32>,
    /// Release year; 0 is `None`.
    pub year: Option<u16>,
    /// 0–5.
    pub rating: u8,
    /// `DJPlayCount`.
    pub play_count: u32,
    /// Hot cues (`djmdCue.Kind` ≥ 1).
    pub hot_cues: u32,
    /// Memory cues and loops (`djmdCue.Kind` 0).
    pub memory_cues: u32,
    /// Whether it stands in Rekordbox's history of what was played.
    pub in_history: bool,
    /// Whether Rekordbox has analysed it (beat grid, waveform).
    pub analysed: bool,
    /// `djmdContent.FileType`.
    pub file_type: i64,
    /// Bytes.
    pub file_size: u64,
    /// Kilobits a second; 0 where unknown.
    pub bitrate_kbps: u32,
    /// The date added, `YYYY-MM-DD`.
    pub stock_date: Option<SmolStr>,
    /// The MyTags on it, sorted and each once: a set for every track would cost more than all else.
    pub my_tags: Box<[MyTagId]>,
}

impl Content {
    /// Whether the path is a streaming reference (`tidal:…`, `spotify:…`) and no file.
    #[must_use]
    pub fn is_streaming(&self) -> bool {
        self.folder_path
            .split_once(':')
            .is_some_and(|(scheme, rest)| {
                scheme.len() > 1
                    && scheme
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c))
                    && !rest.starts_with(['/', '\\'])
            })
    }
}

/// A list's tracks when some rows stand for others: each entry becomes the row that stands for it, and
/// a row stands in the list as often as the one of its rows that stood there most often, at the first
/// places.
#[must_use]
pub fn merged(
    entries: &[ContentId],
    stands_for: &BTreeMap<ContentId, ContentId>,
) -> Vec<ContentId> {
    let winner = |row: &ContentId| stands_for.get(row).unwrap_or(row).clone();
    let mut rows: BTreeMap<&ContentId, usize> = BTreeMap::new();
    for row in entries {
        *rows.entry(row).or_default() += 1;
    }
    let mut left: BTreeMap<ContentId, usize> = BTreeMap::new();
    for (row, times) in rows {
        let most = left.entry(winner(row)).or_default();
        *most = times.max(*most);
    }
    let stays = |row: &ContentId| {
        let row = winner(row);
        let left = left.get_mut(&row)?;
        *left = left.checked_sub(1)?;
        Some(row)
    };
    entries.iter().filter_map(stays).collect()
}

/// A playlist, folder or smart playlist (`djmdPlaylist`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectionPlaylist {
    /// The row's id.
    pub id: NodeId,
    /// Display name; need not be unique.
    pub name: String,
    /// The containing folder; `None` at the top.
    pub parent: Option<NodeId>,
    /// What it is.
    pub kind: NodeKind,
    /// Position among its siblings; gaps are legal.
    pub seq: i64,
    /// In order; empty for folders and smart playlists.
    pub entries: Vec<CollectionEntry>,
    /// The smart playlist's XML.
    pub smart: Option<String>,
}

/// What a node of the playlist tree is (`djmdPlaylist.Attribute`).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// 0: an ordinary playlist.
    List,
    /// 1: a folder.
    Folder,
    /// 4: a smart playlist.
    Smart,
    /// Anything else, such as −128: Rekordbox's own, left alone.
    Special,
}

/// One entry of a playlist (`djmdSongPlaylist`), in `TrackNo` order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectionEntry {
    /// The membership row's id.
    pub id: EntryId,
    /// The track.
    pub content: ContentId,
}

/// A MyTag or a MyTag group (`djmdMyTag`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MyTag {
    /// The row's id; groups are `1` to `4`.
    pub id: MyTagId,
    /// Display name.
    pub name: String,
    /// The group of a tag; `None` for a group.
    pub group: Option<MyTagId>,
    /// Position.
    pub seq: i64,
}

impl Collection {
    /// The child of `parent` with that name and kind; of several the first by position.
    #[must_use]
    pub fn child(
        &self,
        parent: Option<&NodeId>,
        name: &str,
        kind: NodeKind,
    ) -> Option<&CollectionPlaylist> {
        self.nodes
            .values()
            .filter(|node| node.parent.as_ref() == parent && node.kind == kind && node.name == name)
            .min_by_key(|node| (node.seq, &node.id))
    }

    /// The tag of that name in the group of that name.
    #[must_use]
    pub fn tag(&self, group: &str, name: &str) -> Option<&MyTag> {
        self.my_tags.values().find(|tag| {
            tag.name == name
                && tag
                    .group
                    .as_ref()
                    .and_then(|id| self.my_tags.get(id))
                    .is_some_and(|g| g.name == group)
        })
    }
}

/// A MyTag by name.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct TagName {
    /// The group's name, such as `Genre`.
    pub group: String,
    /// The tag's name.
    pub tag: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_stands_for_others_takes_their_places_once() {
        let stands_for = [("b", "a"), ("c", "a")];
        let stands_for = stands_for
            .map(|(from, to)| (ContentId::new(from), ContentId::new(to)))
            .into();
        for (before, after) in [
            ("", ""),
            ("x y", "x y"),
            ("b", "a"),
            ("x b y", "x a y"),
            ("b x a", "a x"),
            ("b c x a", "a x"),
            ("b x b a", "a x a"),
            ("x x b", "x x a"),
            ("a a b", "a a"),
        ] {
            let entries: Vec<_> = before.split_whitespace().map(ContentId::new).collect();
            let merged = merged(&entries, &stands_for);
            let shown: Vec<&str> = merged.iter().map(ContentId::as_str).collect();
            assert_eq!(shown.join(" "), after, "{before}");
        }
    }
}
