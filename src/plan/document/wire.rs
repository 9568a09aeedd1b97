//! An action as `plan.json` has it: what follows from the effect itself is not said again.
//!
//! In memory an action is whole. On paper a precondition without a path is about the effect's own file,
//! one without values about the effect's `before`; `playlist` and `undo` stand only where they are not
//! what the effect says. A reader that knows the effect loses nothing, and one form belongs to one action.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    Action, ContentFields, Effect, Estimate, NodeAt, Precondition, Reversal, Risk, Subject, Undo,
    Why,
};
use crate::domain::{
    ActionId, Class, ContentHash, ContentId, MediaPath, NodeId, PlaylistId, TrackId,
};

/// An action on its way out.
#[derive(Serialize)]
struct Out<'a> {
    id: &'a ActionId,
    class: Class,
    #[serde(flatten)]
    effect: &'a Effect,
    subject: &'a Subject,
    #[serde(skip_serializing_if = "Option::is_none")]
    playlist: Option<Option<&'a PlaylistId>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pre: Vec<Pre>,
    why: &'a Why,
    #[serde(skip_serializing_if = "Option::is_none")]
    risk: Option<&'a Risk>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undo: Option<Undo>,
    #[serde(skip_serializing_if = "<[ActionId]>::is_empty")]
    depends_on: &'a [ActionId],
    #[serde(skip_serializing_if = "Estimate::is_empty")]
    estimate: &'a Estimate,
}

/// A decision to act, complete in itself: one effect, one journal row.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Action")]
pub(super) struct In {
    /// A hash of effect and subject: the same action has the same id in every plan.
    id: ActionId,
    /// How dangerous it is.
    class: Class,
    /// What is done: `kind`, `before` and `after`.
    #[serde(flatten)]
    effect: Effect,
    /// Whom it is about, for people.
    subject: Subject,
    /// The playlist under which it is shown. Absent: the effect's own; null: under “Files”.
    #[serde(default, deserialize_with = "said")]
    #[schemars(with = "Option<PlaylistId>")]
    playlist: Option<Option<PlaylistId>>,
    /// What must be true of the worlds, or nothing is written. What one does not say is the effect's own.
    #[serde(default)]
    pre: Vec<Pre>,
    /// Why.
    why: Why,
    /// The DJ's work that hangs on it.
    #[serde(default)]
    risk: Option<Risk>,
    /// What undo gives back; absent: what it gives back of such an effect.
    #[serde(default)]
    undo: Option<Undo>,
    /// Actions that must be done first; if one fails, this one is skipped.
    #[serde(default)]
    depends_on: Vec<ActionId>,
    /// Bytes that it moves.
    #[serde(default)]
    estimate: Estimate,
}

/// Something that must be true of the worlds before anything is written.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Precondition")]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
enum Pre {
    /// The file is there and unchanged; absent, its path and its hash are the effect's. The hash is
    /// compared where there is one.
    File {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<MediaPath>,
        size: u64,
        mtime: (i64, u32),
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "said"
        )]
        #[schemars(with = "Option<ContentHash>")]
        sha256: Option<Option<ContentHash>>,
    },
    /// Nothing is there; absent: where the effect puts something.
    Vacant {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<MediaPath>,
    },
    /// No audio file of that name is there, whatever its extension (absent: that of the effect); `but` one
    /// that a better one takes the place of.
    VacantStem {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stem: Option<MediaPath>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        but: Option<MediaPath>,
    },
    /// The track is still in no managed playlist of TIDAL.
    DesiredAbsent {
        track: TrackId,
        playlists_checked: usize,
    },
    /// The playlist is still gone from TIDAL.
    PlaylistAbsent { playlist: PlaylistId },
    /// The Rekordbox row points at this file; absent: as in `before`.
    Content {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<ContentId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<MediaPath>,
    },
    /// The Rekordbox row has these values; absent: those of `before`.
    ContentFields {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fields: Option<ContentFields>,
    },
    /// No Rekordbox row points at this file; absent: that of `after`.
    NoContent {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<MediaPath>,
    },
    /// The node has this name and place; absent: those of `before`.
    Node {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeAt>,
    },
    /// The list has these entries (content ids); absent: those of `before`.
    Entries {
        id: NodeId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<usize>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<ContentHash>,
    },
    /// TIDAL's list has these entries (item ids), read for this alone.
    TidalList {
        playlist: PlaylistId,
        count: usize,
        sha256: ContentHash,
    },
    /// The rows and files are still as that action left them (undo); absent: that of `before`.
    AsLeft {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reversal: Option<Reversal>,
    },
}

/// What is there at all, though it be null.
fn said<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            id,
            class,
            effect,
            subject,
            playlist,
            pre,
            why,
            risk,
            undo,
            depends_on,
            estimate,
        } = self;
        let own = playlist.as_ref() == effect.playlist();
        let out = Out {
            id,
            class: *class,
            effect,
            subject,
            playlist: (!own).then_some(playlist.as_ref()),
            pre: pre.iter().map(|pre| Pre::of(pre, effect)).collect(),
            why,
            risk: risk.as_ref(),
            undo: Some(*undo).filter(|undo| *undo != effect.undo()),
            depends_on,
            estimate,
        };
        out.serialize(serializer)
    }
}

impl TryFrom<In> for Action {
    type Error = String;

    fn try_from(read: In) -> Result<Self, String> {
        let effect = read.effect;
        let pre = read.pre.into_iter();
        let pre = pre.map(|pre| pre.whole(&effect)).collect::<Option<_>>();
        let of_nothing = || format!("a precondition of {} does not say of what", read.id);
        Ok(Self {
            pre: pre.ok_or_else(of_nothing)?,
            playlist: read.playlist.unwrap_or_else(|| effect.playlist().cloned()),
            undo: read.undo.unwrap_or_else(|| effect.undo()),
            id: read.id,
            class: read.class,
            effect,
            subject: read.subject,
            why: read.why,
            risk: read.risk,
            depends_on: read.depends_on,
            estimate: read.estimate,
        })
    }
}

/// `value`, unless it is the effect's own.
fn other<T: Clone + PartialEq>(value: &T, own: Option<&T>) -> Option<T> {
    (own != Some(value)).then(|| value.clone())
}

impl Pre {
    fn of(pre: &Precondition, effect: &Effect) -> Self {
        match pre {
            Precondition::File {
                path,
                size,
                mtime,
                sha256,
            } => Self::File {
                path: other(path, effect.source()),
                size: *size,
                mtime: *mtime,
                sha256: (sha256.as_ref() != effect.source_hash()).then_some(*sha256),
            },
            Precondition::Vacant { path } => Self::Vacant {
                path: other(path, effect.target()),
            },
            Precondition::VacantStem { stem, but } => Self::VacantStem {
                stem: other(stem, effect.target()),
                but: but.clone(),
            },
            Precondition::DesiredAbsent {
                track,
                playlists_checked,
            } => Self::DesiredAbsent {
                track: track.clone(),
                playlists_checked: *playlists_checked,
            },
            Precondition::PlaylistAbsent { playlist } => Self::PlaylistAbsent {
                playlist: playlist.clone(),
            },
            Precondition::Content { id, path } => {
                let before = effect.row_before();
                Self::Content {
                    id: other(id, before.map(|(id, _)| id)),
                    path: other(path, before.map(|(_, path)| path)),
                }
            }
            Precondition::ContentFields { fields } => Self::ContentFields {
                fields: other(fields, effect.fields_before()),
            },
            Precondition::NoContent { path } => Self::NoContent {
                path: other(path, effect.target()),
            },
            Precondition::Node { node } => Self::Node {
                node: other(node, effect.node_before()),
            },
            Precondition::Entries { id, count, sha256 } => {
                let before = effect.entries_before();
                Self::Entries {
                    id: id.clone(),
                    count: other(count, before.map(|(count, _)| count)),
                    sha256: other(sha256, before.map(|(_, sha256)| sha256)),
                }
            }
            Precondition::TidalList {
                playlist,
                count,
                sha256,
            } => Self::TidalList {
                playlist: playlist.clone(),
                count: *count,
                sha256: *sha256,
            },
            Precondition::AsLeft { reversal } => Self::AsLeft {
                reversal: other(reversal, effect.reversal()),
            },
        }
    }

    /// `None`: it leaves out what the effect does not say either.
    fn whole(self, effect: &Effect) -> Option<Precondition> {
        Some(match self {
            Self::File {
                path,
                size,
                mtime,
                sha256,
            } => Precondition::File {
                path: path.or_else(|| effect.source().cloned())?,
                size,
                mtime,
                sha256: sha256.unwrap_or_else(|| effect.source_hash().copied()),
            },
            Self::Vacant { path } => Precondition::Vacant {
                path: path.or_else(|| effect.target().cloned())?,
            },
            Self::VacantStem { stem, but } => Precondition::VacantStem {
                stem: stem.or_else(|| effect.target().cloned())?,
                but,
            },
            Self::DesiredAbsent {
                track,
                playlists_checked,
            } => Precondition::DesiredAbsent {
                track,
                playlists_checked,
            },
            Self::PlaylistAbsent { playlist } => Precondition::PlaylistAbsent { playlist },
            Self::Content { id, path } => {
                let before = effect.row_before();
                Precondition::Content {
                    id: id.or_else(|| Some(before?.0.clone()))?,
                    path: path.or_else(|| Some(before?.1.clone()))?,
                }
            }
            Self::ContentFields { fields } => Precondition::ContentFields {
                fields: fields.or_else(|| effect.fields_before().cloned())?,
            },
            Self::NoContent { path } => Precondition::NoContent {
                path: path.or_else(|| effect.target().cloned())?,
            },
            Self::Node { node } => Precondition::Node {
                node: node.or_else(|| effect.node_before().cloned())?,
            },
            Self::Entries { id, count, sha256 } => {
                let before = effect.entries_before();
                Precondition::Entries {
                    id,
                    count: count.or_else(|| Some(*before?.0))?,
                    sha256: sha256.or_else(|| Some(*before?.1))?,
                }
            }
            Self::TidalList {
                playlist,
                count,
                sha256,
            } => Precondition::TidalList {
                playlist,
                count,
                sha256,
            },
            Self::AsLeft { reversal } => Precondition::AsLeft {
                reversal: reversal.or_else(|| effect.reversal().cloned())?,
            },
        })
    }
}

/// What an effect says itself.
impl Effect {
    /// The playlist that it is about.
    fn playlist(&self) -> Option<&PlaylistId> {
        match self {
            Self::FileFetch { after } => Some(&after.home),
            Self::FileConvert { after } => Some(&after.home),
            Self::FilePlace { after, .. } => after.home.as_ref(),
            Self::FileLink { after, .. } => Some(&after.playlist),
            Self::NodeCreate { after } => after.playlist.as_ref(),
            Self::NodeUpdate { before, .. } | Self::NodeRemove { before } => {
                before.playlist.as_ref()
            }
            Self::EntriesSet { after, .. } => Some(&after.playlist),
            Self::StateRecord { after } => Some(&after.playlist),
            Self::StateMove { after, .. } => Some(&after.playlist),
            Self::TidalEntryRemove { before } => Some(&before.playlist),
            Self::TidalEntryRestore { after, .. } => Some(&after.playlist),
            _ => None,
        }
    }

    /// The file that it takes, changes or knows.
    fn source(&self) -> Option<&MediaPath> {
        match self {
            Self::FilePlace { before, .. } => Some(&before.path),
            Self::FileTrash { before } => Some(&before.path),
            Self::FileLink { after, .. } => Some(&after.path),
            Self::StateAdopt { after } => Some(&after.path),
            Self::FileFetch { .. } | Self::FileConvert { .. } => {
                self.replaced().map(|old| &old.path)
            }
            _ => None,
        }
    }

    const fn source_hash(&self) -> Option<&ContentHash> {
        match self {
            Self::FileTrash { before } => Some(&before.sha256),
            Self::FileLink {
                before: Some(before),
                ..
            } => Some(&before.sha256),
            _ => None,
        }
    }

    /// Where it puts something.
    const fn target(&self) -> Option<&MediaPath> {
        match self {
            Self::FileFetch { after } => Some(&after.stem),
            Self::FileConvert { after } => Some(&after.path),
            Self::FilePlace { after, .. } | Self::FileRestore { after, .. } => Some(&after.path),
            Self::FileLink { after, .. } => Some(&after.path),
            Self::ContentAdd { after } => after.path.as_ref(),
            _ => None,
        }
    }

    const fn row_before(&self) -> Option<(&ContentId, &MediaPath)> {
        match self {
            Self::ContentRelocate { before, .. } => Some((&before.content, &before.path)),
            _ => None,
        }
    }

    const fn fields_before(&self) -> Option<&ContentFields> {
        match self {
            Self::ContentUpdate { before, .. } => Some(before),
            _ => None,
        }
    }

    const fn node_before(&self) -> Option<&NodeAt> {
        match self {
            Self::NodeUpdate { before, .. } | Self::NodeRemove { before } => Some(before),
            _ => None,
        }
    }

    const fn entries_before(&self) -> Option<(&usize, &ContentHash)> {
        match self {
            Self::EntriesSet { before, .. } => Some((&before.count, &before.sha256)),
            Self::EntriesMerge { before, .. } => Some((&before.count, &before.sha256)),
            _ => None,
        }
    }

    const fn reversal(&self) -> Option<&Reversal> {
        match self {
            Self::RowsRestore { before }
            | Self::StateRestore { before }
            | Self::TidalEntryRestore { before, .. } => Some(before),
            _ => None,
        }
    }
}
