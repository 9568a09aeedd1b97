//! The real program is killed at every call that changes a file, and what it leaves is finished or
//! taken back. `fault.c` stands between the program and the system, so that SQLite's calls count, too.
#![expect(clippy::unwrap_used, reason = "a test fails where the world does")]

mod dump;
mod kills;
mod rig;
mod shim;
