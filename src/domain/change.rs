//! The words for what differs and for how dangerous an answer is.

use serde::{Deserialize, Serialize};

/// The design's seven kinds of change.
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
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ChangeKind {
    /// A playlist is new in TIDAL.
    PlaylistAdded,
    /// A playlist is gone from a complete reading of TIDAL.
    PlaylistRemoved,
    /// The same playlist has another name.
    PlaylistRenamed,
    /// A track is new in a playlist.
    TrackAddedToPlaylist,
    /// A track is gone from a completely read playlist.
    TrackRemovedFromPlaylist,
    /// A track stands elsewhere in its playlist, or left one playlist for another.
    TrackMoved,
    /// TIDAL says something else of the track.
    TrackMetadataChanged,
}

/// How dangerous an action is; `--yes` covers `Additive` only.
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
pub enum Class {
    /// Something new; nothing that was there is touched.
    Additive,
    /// Something of ours gets another place or name.
    Move,
    /// Something of ours gets another value.
    Change,
    /// Something leaves a list; no file is concerned.
    Remove,
    /// A file goes to the trash, or a playlist of ours goes away.
    Destructive,
    /// Something changes in TIDAL itself, which only happens where the policy asks for it by name.
    Tidal,
}
