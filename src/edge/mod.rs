//! The outside worlds. Each folder has a reading trait that `observe` and `plan` are lent, a writing
//! trait that only `apply` is lent, a real implementation and one in memory.

pub mod tidal;
pub mod local;
pub mod rekordbox;
pub mod download;
pub mod store;
pub mod peer;
pub mod seal;
