//! `tidal-cleanup.toml` as written.
