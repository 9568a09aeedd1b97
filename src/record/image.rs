//! What the journal holds of an action before and after its effect: enough to settle an interrupted
//! one by looking at the world, and to take a completed one back.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    domain::{ContentHash, FileStat, ItemId, MediaPath, state::RowChange},
    edge::rekordbox::Staged,
    plan::document::TidalEntry,
};

/// The pre-image: durable before the effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreImage {
    /// Folders on the way to the target that are not there yet, outermost first: the effect makes
    /// them, so undo may remove them once they are empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<MediaPath>,
    /// What is about to be done.
    pub intent: Intent,
    /// What an earlier part of the run did, where the operation is done once more on top of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Box<Earlier>>,
}

/// A pass over an operation that is followed by another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Earlier {
    /// Its pre-image.
    pub pre: PreImage,
    /// Its post-image.
    pub post: PostImage,
}

/// What is about to be done, with everything that was chosen for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Intent {
    /// A download or conversion. It is worked on in `.tidal-cleanup/incoming/<incoming>`; once
    /// `ready` is there (a second, durable intent), all that is left is to give it its name.
    Deliver {
        incoming: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ready: Option<Ready>,
    },
    /// A file gets the name `to`, then loses the name `from`.
    Place {
        from: MediaPath,
        to: MediaPath,
        stat: FileStat,
    },
    /// A small file is written; ours that stood there goes to the trash first.
    Write {
        path: MediaPath,
        sha256: ContentHash,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<Replaced>,
    },
    /// A further name for, or copy of, a file.
    Link { of: MediaPath, path: MediaPath },
    /// A file goes to the trash.
    Trash(Replaced),
    /// A file comes back from the trash, to `path`, which is vacant.
    Restore {
        trash_path: MediaPath,
        path: MediaPath,
        sha256: ContentHash,
    },
    /// A file in the trash is deleted for good.
    Purge {
        trash_path: MediaPath,
        sha256: ContentHash,
    },
    /// Rekordbox rows, before and after, with every id chosen.
    Rows(Staged),
    /// The playlist XML is brought in line with the database. Idempotent.
    Xml,
    /// Nothing but rows of the state, which change in the transaction that settles it.
    State,
    /// An entry leaves a playlist of TIDAL, together with others of the same request.
    TidalRemove { key: String },
    /// An entry is added to a playlist of TIDAL. `known` are the entries of the same track that are
    /// there already: another one is ours.
    TidalAdd { key: String, known: Vec<ItemId> },
}

/// A verified file, waiting for its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Where it lies.
    pub from: MediaPath,
    /// The name that it gets.
    pub to: MediaPath,
    /// Its content.
    pub sha256: ContentHash,
}

/// A file that goes to the trash, as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// Where it was.
    pub path: MediaPath,
    /// Bytes.
    pub size: u64,
    /// Its modification time.
    pub mtime: (i64, u32),
    /// Its content.
    pub sha256: ContentHash,
}

/// The post-image: what stands there after the effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PostImage {
    /// What was done.
    pub outcome: Outcome,
    /// The rows of the state that changed with it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<RowChange>,
    /// A list that was to be done once more, and was not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outdated: bool,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Outcome {
    /// A file is new: fetched, converted, written, linked, restored.
    File(Made),
    /// A download waits below `.tidal-cleanup/incoming` for its conversion.
    Waiting { incoming: String, path: MediaPath },
    /// A file has another name.
    Placed {
        from: MediaPath,
        to: MediaPath,
        size: u64,
        mtime: (i64, u32),
    },
    /// A file lies in the trash.
    Trashed {
        was: Replaced,
        trash_path: MediaPath,
    },
    /// The rows of the intent are written.
    Rows,
    /// An entry is out of a playlist of TIDAL.
    TidalRemoved(TidalEntry),
    /// An entry is in a playlist of TIDAL again, under the id that is given; it had the other one.
    TidalRestored { entry: TidalEntry, was: ItemId },
    /// Only the state changed, or nothing at all.
    Nothing,
}

/// A file that an action made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The file.
    pub file: FileImage,
    /// What was in its place and now lies in the trash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<(Replaced, MediaPath)>,
}

/// A file as it was left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileImage {
    /// Where.
    pub path: MediaPath,
    /// Bytes.
    pub size: u64,
    /// Its modification time.
    pub mtime: (i64, u32),
    /// Its content.
    pub sha256: ContentHash,
}

impl PreImage {
    /// An image without folders.
    #[must_use]
    pub const fn of(intent: Intent) -> Self {
        Self {
            folders: Vec::new(),
            intent,
            earlier: None,
        }
    }

    /// Whether the file that the action was to write stood there already, word for word: it was left as
    /// it is, and so does an undo.
    #[must_use]
    pub fn left_in_place(&self, made: &Made) -> bool {
        let same = |sha256: &ContentHash, was: &Replaced| was.sha256 == *sha256;
        match &self.intent {
            Intent::Write {
                sha256,
                replaces: Some(was),
                ..
            } => same(sha256, was) && made.replaced.is_none(),
            _ => false,
        }
    }
}

impl PostImage {
    /// Nothing was done.
    #[must_use]
    pub const fn nothing() -> Self {
        Self {
            outcome: Outcome::Nothing,
            rows: Vec::new(),
            outdated: false,
        }
    }

    /// The file that stands there because of the action.
    #[must_use]
    pub const fn file(&self) -> Option<&FileImage> {
        match &self.outcome {
            Outcome::File(made) => Some(&made.file),
            Outcome::Waiting { .. }
            | Outcome::Placed { .. }
            | Outcome::Trashed { .. }
            | Outcome::Rows
            | Outcome::TidalRemoved(_)
            | Outcome::TidalRestored { .. }
            | Outcome::Nothing => None,
        }
    }
}

/// An image as the journal's JSON.
///
/// # Panics
/// Never: images have textual keys only.
#[must_use]
pub fn to_value(image: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(image).expect("images have textual keys only")
}

/// An image read back; `None` when there is none, or one that this version does not know.
#[must_use]
pub fn from_value<T: DeserializeOwned>(value: Option<&serde_json::Value>) -> Option<T> {
    T::deserialize(value?).ok()
}
