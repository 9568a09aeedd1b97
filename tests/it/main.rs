//! The integration tests: one binary, one folder.

mod apply;
mod cmd;
mod rekordbox;
mod rekordbox_oracle;
mod rekordbox_read;
mod rekordbox_safety;
mod rekordbox_write;
mod shape;
mod tidal;
