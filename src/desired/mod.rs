//! What should be: the policy applied to TIDAL's playlists.

pub mod language;
pub mod naming;
