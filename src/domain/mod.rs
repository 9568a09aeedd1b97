//! The nouns: plain values and their invariants. Knows no file, socket, clock or database.

pub mod id;
pub mod path;
pub mod track;
pub mod playlist;
pub mod library;
pub mod collection;
pub mod change;
pub mod state;
pub mod observed;
pub mod text;

pub use change::{ChangeKind, Class};
pub use collection::{
    Collection, CollectionEntry, CollectionPlaylist, Content, MyTag, NodeKind, RekordboxSchema,
    TagName,
};
pub use id::{
    ActionId, ApplyId, ContentHash, ContentId, EntryId, Isrc, ItemId, LibraryId, MyTagId, NodeId,
    PlaylistId, TrackId,
};
pub use library::{
    AudioFile, AudioFormat, FileStat, Library, LinkForm, SidecarFile, Tags, VanishedFile,
};
pub use observed::{Observed, Problem};
pub use path::MediaPath;
pub use playlist::{ItemKind, Playlist, PlaylistEntry, TidalReading, TidalUser};
pub use state::{Provenance, State};
pub use track::Track;
