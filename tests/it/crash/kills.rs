//! SIGKILL everywhere.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::{
    rig::Rig,
    shim::{Fault, Plan},
};

/// What comes after a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Resume,
    Undo,
    /// The recovery dies as well.
    ResumeTwice,
    UndoTwice,
}

const ALL: [Then; 4] = [Then::Resume, Then::Undo, Then::ResumeTwice, Then::UndoTwice];

/// One after another takes the next.
fn on_all_cores<T: Sync>(work: &[T], each: impl Fn(&Rig, &T) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism()
        .map_or(2, usize::from)
        .min(8);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let rig = Rig::new();
                while let Some(item) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    each(&rig, item);
                }
            });
        }
    });
}

static KILLS: AtomicUsize = AtomicUsize::new(0);

fn die_and(rig: &Rig, at: usize, fault: Fault, then: Then) {
    let what = format!("{fault:?} at {at}, then {then:?}");
    rig.reset();
    let ended = rig.run(&rig.apply(), &Plan::new(fault, at));
    if !ended.was_killed() {
        assert!(ended.status.success(), "{what}: {ended:?}");
        return;
    }
    KILLS.fetch_add(1, Ordering::Relaxed);
    rig.assert_fit(&what);
    // Somewhere else each time.
    let second = Plan::new(fault, 1 + (at * 37) % 400);
    match then {
        Then::Resume => rig.finish(&what),
        Then::Undo => rig.take_back(&what),
        Then::ResumeTwice | Then::UndoTwice => {
            if rig.has_begun() {
                let args: &[&str] = match then {
                    Then::ResumeTwice => &["apply", "--resume", "--yes"],
                    _ => &["undo", "--yes"],
                };
                let ended = rig.run(args, &second);
                assert!(
                    ended.was_killed() || ended.status.success(),
                    "{what}: {ended:?}"
                );
                KILLS.fetch_add(usize::from(ended.was_killed()), Ordering::Relaxed);
                rig.assert_fit(&what);
            }
            match then {
                Then::ResumeTwice => rig.finish(&what),
                _ => rig.take_back(&what),
            }
        }
    }
}

#[test]
fn measure() {
    let t = std::time::Instant::now();
    let rig = Rig::new();
    eprintln!("rig {:?}", t.elapsed());
    let mut kinds: Vec<&str> = rig
        .plan
        .body
        .actions
        .iter()
        .map(|a| a.effect.kind())
        .collect();
    kinds.sort();
    kinds.dedup();
    eprintln!("{} actions, {kinds:?}", rig.plan.body.actions.len());
    let t = std::time::Instant::now();
    rig.reset();
    eprintln!("reset {:?}", t.elapsed());
    let t = std::time::Instant::now();
    let calls = rig.count(&rig.apply());
    eprintln!("apply {:?}; {} calls", t.elapsed(), calls.len());
    let t = std::time::Instant::now();
    let dump = rig.dump();
    eprintln!("dump {:?}", t.elapsed());
    dump.assert_is_like(&rig.after, &rig.before, "again");
    let t = std::time::Instant::now();
    rig.take_back("whole");
    eprintln!("undo {:?}", t.elapsed());
    let mut by = std::collections::BTreeMap::new();
    for (letter, path) in &calls {
        *by.entry((*letter, path.clone())).or_insert(0) += 1;
    }
    for ((l, p), n) in by {
        eprintln!("{n} {l} {p}");
    }
    std::fs::write(
        "/tmp/calls.txt",
        calls
            .iter()
            .map(|(l, p)| format!("{l} {p}\n"))
            .collect::<String>(),
    )
    .unwrap();
}

#[test]
fn some() {
    let points: Vec<usize> = (1..1200).step_by(29).collect();
    let points: Vec<(usize, Then)> = points
        .iter()
        .enumerate()
        .map(|(n, at)| (*at, ALL[n % 4]))
        .collect();
    let t = std::time::Instant::now();
    on_all_cores(&points, |rig, (at, then)| {
        die_and(rig, *at, Fault::Kill, *then)
    });
    eprintln!(
        "{} kills in {:?}",
        KILLS.load(Ordering::Relaxed),
        t.elapsed()
    );
}
