//! The integration tests: one binary, one folder.

mod shape;
mod tidal;
