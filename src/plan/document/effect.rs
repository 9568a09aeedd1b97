//! The effects of actions: one variant for each kind, with what `apply` needs to carry it out.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Undo;

use crate::domain::{
    ActionId, ApplyId, AudioFormat, ContentHash, ContentId, ItemId, LinkForm, MediaPath, NodeId,
    NodeKind, PlaylistId, Provenance, TagName, TrackId,
};

/// What an action does. One variant, one effect; the payload is what `apply` needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
pub enum Effect {
    /// Download a track. With `format` the verified download waits in the library's own
    /// `.tidal-cleanup/incoming/` for its [`Effect::FileConvert`]; without, it gets its final name,
    /// `stem` and the extension that the downloader delivered.
    #[serde(rename = "file.fetch")]
    FileFetch { after: Fetch },
    /// Bring a fetched download to the policy's format, under its final name.
    #[serde(rename = "file.convert")]
    FileConvert { after: Convert },
    /// Move or rename a file of ours. The old name goes away only after Rekordbox knows the new one.
    #[serde(rename = "file.place")]
    FilePlace { before: At, after: At },
    /// Write an `.m3u8`, or a hard link or copy for a further playlist.
    #[serde(rename = "file.link")]
    FileLink {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Hashed>,
        after: Link,
    },
    /// Move a file of ours to the trash.
    #[serde(rename = "file.trash")]
    FileTrash { before: Trashed },
    /// Bring a file back from the trash (undo). An occupied target is restored beside.
    #[serde(rename = "file.restore")]
    FileRestore { before: FromTrash, after: At },
    /// Delete a file that lies in the trash, for good (`trash purge`).
    #[serde(rename = "trash.purge")]
    TrashPurge { before: Purged },
    /// Add a file to the Rekordbox collection.
    #[serde(rename = "rb.content.add")]
    ContentAdd { after: NewContent },
    /// Point a Rekordbox row at the file's new place; everything that hangs on the row stays.
    #[serde(rename = "rb.content.relocate")]
    ContentRelocate { before: ContentAt, after: At },
    /// Set the fields that TIDAL owns.
    #[serde(rename = "rb.content.update")]
    ContentUpdate {
        before: ContentFields,
        after: ContentFields,
    },
    /// Make a playlist, folder or smart playlist.
    #[serde(rename = "rb.playlist.create")]
    NodeCreate { after: NewNode },
    /// Rename or move a playlist or folder of ours, under its id.
    #[serde(rename = "rb.playlist.update")]
    NodeUpdate { before: NodeAt, after: NodeAt },
    /// Remove a playlist or folder of ours.
    #[serde(rename = "rb.playlist.remove")]
    NodeRemove { before: NodeAt },
    /// Make the playlist's entries what `body.playlists[playlist].entries` says, leaving out tracks
    /// that have no file.
    #[serde(rename = "rb.entries.set")]
    EntriesSet { before: Entries, after: Entries },
    /// In a list that no TIDAL playlist stands behind, put the row that stands for others in their
    /// place.
    #[serde(rename = "rb.entries.merge")]
    EntriesMerge { before: ListAt, after: MergedRows },
    /// Make a MyTag.
    #[serde(rename = "rb.mytag.create")]
    MyTagCreate { after: TagName },
    /// Add and remove MyTags of a track. Only links that we made are removed.
    #[serde(rename = "rb.mytag.set")]
    MyTagSet { before: TagSet, after: TagSet },
    /// Put the rows that an earlier action changed back to its pre-image (undo).
    #[serde(rename = "rb.restore")]
    RowsRestore { before: Reversal },
    /// Record a file as this track's: `foreign` links it, `adopted` makes it ours to manage.
    #[serde(rename = "state.adopt")]
    StateAdopt { after: Adoption },
    /// Record a playlist's name, folder and entries as they are in `body.playlists`.
    #[serde(rename = "state.record")]
    StateRecord { after: Recorded },
    /// What was made for a playlist that got a new UUID is the new one's.
    #[serde(rename = "state.move")]
    StateMove { before: ListId, after: ListId },
    /// Soft-delete a playlist, or let go of a file.
    #[serde(rename = "state.forget")]
    StateForget { before: Forgotten },
    /// Put the state rows of an earlier action back to its pre-image (undo).
    #[serde(rename = "state.restore")]
    StateRestore { before: Reversal },
    /// Take one entry out of a playlist in TIDAL itself.
    #[serde(rename = "tidal.entry.remove")]
    TidalEntryRemove { before: TidalEntry },
    /// Add an entry to a playlist in TIDAL again, where it was (undo).
    #[serde(rename = "tidal.entry.restore")]
    TidalEntryRestore { before: Reversal, after: TidalEntry },
}

/// Payload of [`Effect::TrashPurge`]: a file that goes for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Purged {
    /// Where it lies, below the library's root.
    pub trash_path: MediaPath,
    /// Bytes.
    pub size: u64,
    /// Of its content.
    pub sha256: ContentHash,
}

/// One entry of one playlist of TIDAL, and its neighbours: where it belongs should it come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TidalEntry {
    /// The playlist.
    pub playlist: PlaylistId,
    /// The entry's own id; one that comes back gets another.
    pub item: ItemId,
    /// What it points at.
    pub track: TrackId,
    /// Its place in the list, from 0.
    pub position: usize,
    /// Why it goes.
    pub cause: Cause,
    /// The entry before it; `None`: it is the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<ItemId>,
    /// The entry behind it; `None`: it is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ItemId>,
}

/// Why an entry leaves a playlist of TIDAL: the word in the policy that asks for it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The same track stands in the list before it.
    Duplicates,
    /// TIDAL withholds the track.
    Unavailable,
}

impl Cause {
    /// As in the policy.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Duplicates => "duplicates",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Payload of [`Effect::FileFetch`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// The track to fetch.
    pub track: TrackId,
    /// The final path without its extension.
    pub stem: MediaPath,
    /// The format of the conversion that follows; `None`: kept as delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convert_to: Option<AudioFormat>,
    /// The playlist whose folder holds it.
    pub home: PlaylistId,
    /// Another release of the same recording that is fetched before: a copy of its file will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<TrackId>,
    /// The file that it shall be better than; what is not is not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<OldFile>,
}

/// Payload of [`Effect::FileConvert`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Convert {
    /// The track.
    pub track: TrackId,
    /// The final path.
    pub path: MediaPath,
    /// Its format.
    pub format: AudioFormat,
    /// `320k`, `V0`, `lossless`.
    pub quality: String,
    /// The playlist whose folder holds it.
    pub home: PlaylistId,
    /// As of the fetch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<TrackId>,
    /// As of the fetch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<OldFile>,
}

/// A file that a better one takes the place of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OldFile {
    /// Where it is.
    pub path: MediaPath,
    /// Whether nothing was lost in it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lossless: bool,
    /// Kilobits a second, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kbps: Option<u32>,
}

/// A path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct At {
    /// Where.
    pub path: MediaPath,
    /// For a placed track: the playlist whose folder holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<PlaylistId>,
}

/// A file's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hashed {
    /// SHA-256.
    pub sha256: ContentHash,
}

/// Payload of [`Effect::FileLink`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// What is written.
    #[serde(rename = "as")]
    pub form: LinkForm,
    /// Where; for `hardlink` and `copy` without its extension when `of` is yet to be fetched.
    pub path: MediaPath,
    /// The playlist it is for.
    pub playlist: PlaylistId,
    /// The track, for `hardlink` and `copy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<TrackId>,
}

/// Payload of [`Effect::FileTrash`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trashed {
    /// Where.
    pub path: MediaPath,
    /// Bytes.
    pub size: u64,
    /// SHA-256.
    pub sha256: ContentHash,
}

/// A file in the trash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FromTrash {
    /// Below the library root.
    pub trash_path: MediaPath,
    /// SHA-256.
    pub sha256: ContentHash,
}

/// Payload of [`Effect::ContentAdd`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewContent {
    /// The track; its metadata is in `body.tracks`.
    pub track: TrackId,
    /// The file; `None`: the one that this plan fetches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<MediaPath>,
}

/// A Rekordbox row and its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContentAt {
    /// The row.
    pub content: ContentId,
    /// The file it points at.
    pub path: MediaPath,
    /// The track.
    pub track: TrackId,
}

/// The fields of a Rekordbox row that TIDAL may own; absent ones are left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContentFields {
    /// The row.
    pub content: ContentId,
    /// The track.
    pub track: TrackId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub album: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<u16>,
}

/// Payload of [`Effect::NodeCreate`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNode {
    /// What it is.
    pub node: NodeKind,
    /// Display name.
    pub name: String,
    /// The containing folders from the top; they exist or are created by an earlier action.
    pub folder: Vec<String>,
    /// The TIDAL playlist, for a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playlist: Option<PlaylistId>,
    /// The tags that a smart playlist selects (group, name), all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<TagName>,
}

/// A node of the Rekordbox tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeAt {
    /// The row.
    pub id: NodeId,
    /// Display name.
    pub name: String,
    /// The containing folders from the top.
    pub folder: Vec<String>,
    /// The TIDAL playlist, for a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playlist: Option<PlaylistId>,
}

/// A list of entries, by number and hash of its track or content ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entries {
    /// The playlist.
    pub playlist: PlaylistId,
    /// How many.
    pub count: usize,
    /// Over the ids in order, each followed by a line feed: content ids before, track ids after.
    pub sha256: ContentHash,
    /// Entries that the DJ added by hand: they stay, behind ours. Only in an after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<ContentId>,
    /// The DJ orders this list: entries that stay keep their places, new ones follow at the end.
    #[serde(default, skip_serializing_if = "is_false")]
    pub order_is_the_djs: bool,
    /// Rows of Rekordbox that others stand for, and those. Only in an after.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rows: BTreeMap<ContentId, ContentId>,
}

/// A list of Rekordbox and its entries, by number and hash of their content ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListAt {
    /// The list.
    pub id: NodeId,
    /// Display name.
    pub name: String,
    /// How many.
    pub count: usize,
    /// Over the content ids in order, each followed by a line feed.
    pub sha256: ContentHash,
}

/// Payload of [`Effect::EntriesMerge`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MergedRows {
    /// How many entries the list has then.
    pub count: usize,
    /// Rows that others stand for, and those.
    pub rows: BTreeMap<ContentId, ContentId>,
}

/// MyTags of a track, as `Group: Tag` in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TagSet {
    /// The track; none for a row that is no track of TIDAL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<TrackId>,
    /// The row of Rekordbox, where it is another than the track's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<ContentId>,
    /// The links that come are the DJ's, from another row of the recording, and not ours to take off.
    /// Only in an after.
    #[serde(default, skip_serializing_if = "is_false")]
    pub djs: bool,
    /// Before: links of ours that go. After: links that come.
    pub tags: Vec<TagName>,
}

/// Which earlier action is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reversal {
    /// The run.
    pub apply: ApplyId,
    /// The action in it.
    pub action: ActionId,
    /// Hash of the recorded pre- and post-image, so that the digest binds what is restored.
    pub image: ContentHash,
}

/// Payload of [`Effect::StateAdopt`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adoption {
    /// The track.
    pub track: TrackId,
    /// Its file.
    pub path: MediaPath,
    /// `foreign` or `adopted`.
    pub provenance: Provenance,
    /// The Rekordbox row that already points at the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentId>,
    /// The playlist that counts as its home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<PlaylistId>,
    /// One more file of the track, which has another: it becomes known, and stands for nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub further: bool,
}

/// Payload of [`Effect::StateRecord`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// The playlist; its new values are in `body.playlists`.
    pub playlist: PlaylistId,
    /// How many entries.
    pub count: usize,
    /// Over the track ids in order, each followed by a line feed.
    pub sha256: ContentHash,
}

/// Payload of [`Effect::StateMove`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListId {
    /// TIDAL's UUID.
    pub playlist: PlaylistId,
}

/// Payload of [`Effect::StateForget`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum Forgotten {
    /// Soft-delete it.
    Playlist(PlaylistId),
    /// Let go of its row; the file is not touched.
    File(MediaPath),
}

impl Effect {
    /// Whether it changes TIDAL itself.
    #[must_use]
    pub const fn is_tidal(&self) -> bool {
        matches!(
            self,
            Self::TidalEntryRemove { .. } | Self::TidalEntryRestore { .. }
        )
    }

    /// The file that a better one is fetched for.
    #[must_use]
    pub const fn replaced(&self) -> Option<&OldFile> {
        match self {
            Self::FileFetch { after } => after.instead_of.as_ref(),
            Self::FileConvert { after } => after.instead_of.as_ref(),
            _ => None,
        }
    }

    /// What undo gives back of it.
    #[must_use]
    pub const fn undo(&self) -> Undo {
        match self {
            Self::FileFetch { .. } | Self::FileConvert { .. } => Undo::Refetch,
            Self::FilePlace { .. }
            | Self::FileLink { .. }
            | Self::FileTrash { .. }
            | Self::FileRestore { .. } => Undo::ByteIdentical,
            Self::ContentAdd { .. }
            | Self::ContentRelocate { .. }
            | Self::ContentUpdate { .. }
            | Self::NodeCreate { .. }
            | Self::NodeUpdate { .. }
            | Self::NodeRemove { .. }
            | Self::EntriesSet { .. }
            | Self::EntriesMerge { .. }
            | Self::MyTagCreate { .. }
            | Self::MyTagSet { .. }
            | Self::RowsRestore { .. }
            | Self::StateAdopt { .. }
            | Self::StateRecord { .. }
            | Self::StateMove { .. }
            | Self::StateForget { .. }
            | Self::StateRestore { .. } => Undo::RowIdentical,
            Self::TidalEntryRemove { .. } | Self::TidalEntryRestore { .. } => Undo::Readd,
            Self::TrashPurge { .. } => Undo::None,
        }
    }

    /// The contract's name of the effect.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::FileFetch { .. } => "file.fetch",
            Self::FileConvert { .. } => "file.convert",
            Self::FilePlace { .. } => "file.place",
            Self::FileLink { .. } => "file.link",
            Self::FileTrash { .. } => "file.trash",
            Self::FileRestore { .. } => "file.restore",
            Self::TrashPurge { .. } => "trash.purge",
            Self::ContentAdd { .. } => "rb.content.add",
            Self::ContentRelocate { .. } => "rb.content.relocate",
            Self::ContentUpdate { .. } => "rb.content.update",
            Self::NodeCreate { .. } => "rb.playlist.create",
            Self::NodeUpdate { .. } => "rb.playlist.update",
            Self::NodeRemove { .. } => "rb.playlist.remove",
            Self::EntriesSet { .. } => "rb.entries.set",
            Self::EntriesMerge { .. } => "rb.entries.merge",
            Self::MyTagCreate { .. } => "rb.mytag.create",
            Self::MyTagSet { .. } => "rb.mytag.set",
            Self::RowsRestore { .. } => "rb.restore",
            Self::StateAdopt { .. } => "state.adopt",
            Self::StateRecord { .. } => "state.record",
            Self::StateMove { .. } => "state.move",
            Self::StateForget { .. } => "state.forget",
            Self::StateRestore { .. } => "state.restore",
            Self::TidalEntryRemove { .. } => "tidal.entry.remove",
            Self::TidalEntryRestore { .. } => "tidal.entry.restore",
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
