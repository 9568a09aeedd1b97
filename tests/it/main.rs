//! The integration tests: one binary, one folder.

mod apply;
mod rekordbox;
mod rekordbox_oracle;
mod rekordbox_read;
mod rekordbox_safety;
mod rekordbox_write;
