//! The real program is killed, starved and stopped at every call that changes a file, and what it leaves
//! is finished or taken back. `fault.c` stands between the program and the system, so that SQLite's
//! calls count, too; nothing of it is in the program.
//!
//! CI takes a part of the points. `TIDAL_CLEANUP_EVERYTHING=1` takes every point with every sequel.
#![expect(clippy::unwrap_used, reason = "a test fails where the world does")]
#![expect(
    clippy::print_stdout,
    reason = "how many deaths there were is of interest"
)]

mod damages;
pub(crate) mod dump;
mod faults;
mod kills;
mod locks;
mod looks;
mod outside;
mod intents;
pub(crate) mod rig;
pub(crate) mod shim;
mod stale;

use std::{
    borrow::Borrow,
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use rig::Rig;

/// Whether every point is wanted, however long it takes.
fn everything() -> bool {
    std::env::var_os("TIDAL_CLEANUP_EVERYTHING").is_some()
}

/// At most about so many of the calls: those on files of the library and the first of each kind on every
/// other file come first, then the rest evenly. From 1.
fn points(calls: &[(char, String)], most: usize) -> Vec<usize> {
    if everything() {
        return (1..=calls.len()).collect();
    }
    let mut seen = BTreeSet::new();
    let mut chosen: BTreeSet<usize> = BTreeSet::new();
    for (at, (letter, path)) in calls.iter().enumerate() {
        // Writes of a database follow each other by the dozen and mean nothing before the sync.
        let is_bulk = *letter == 'W' && path.contains(".db");
        let is_new = seen.insert((letter, path)) || *letter == 'S';
        if !is_bulk && (is_new || path.starts_with("library")) {
            chosen.insert(at + 1);
        }
    }
    let thin = |all: BTreeSet<usize>, most: usize| -> BTreeSet<usize> {
        let step = all.len().div_ceil(most.max(1)).max(1);
        all.into_iter().step_by(step).collect()
    };
    let mut chosen = thin(chosen, most);
    let rest: BTreeSet<usize> = (1..=calls.len())
        .filter(|at| !chosen.contains(at))
        .collect();
    let room = most.saturating_sub(chosen.len());
    if room > 0 {
        chosen.extend(thin(rest, room));
    }
    chosen.into_iter().collect()
}

/// Does the work on as many worlds as there are cores; the first is `rig`.
fn on_all_cores<T: Sync>(rig: &Rig, work: &[T], each: impl Fn(&Rig, &T) + Sync) {
    on_all_cores_of(rig, Rig::lent, work, each);
}

/// The same with worlds of another make.
fn on_all_cores_of<T: Sync, R: Borrow<Rig>>(
    rig: &Rig,
    make: fn() -> R,
    work: &[T],
    each: impl Fn(&Rig, &T) + Sync,
) {
    let next = AtomicUsize::new(0);
    let run = |rig: &Rig| {
        while let Some(item) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            each(rig, item);
        }
    };
    let more = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(8)
        - 1;
    thread::scope(|scope| {
        for _ in 0..more {
            scope.spawn(|| run(make().borrow()));
        }
        run(rig);
    });
}
