//! The integration tests: one binary, one folder.

mod cmd;
