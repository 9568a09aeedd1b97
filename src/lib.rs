//! tidal-cleanup: plan and apply for a DJ's music library.
//!
//! One way through the house:
//!
//! ```text
//! policy ─► observe ─► desired ─► diff ─► plan ─► apply ─► record
//!  wish      facts      goal      gaps   choices  effects   memory
//! ```
//!
//! The middle (`policy`, `desired`, `diff`, `plan`) takes values and returns values: no clock, no file,
//! no socket. The outside worlds stand in [`edge`], behind one reading and one writing trait each.

pub mod domain;
pub mod policy;
pub mod observe;
pub mod desired;
pub mod diff;
pub mod plan;
pub mod apply;
pub mod record;
pub mod edge;
pub mod cli;

/// Matching and scanning make and drop millions of short texts on several threads; the allocators of most
/// systems take a fifth longer over that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
