//! Calls that fail: a full disk, a broken one, missing rights, locks of others.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::io::Errno;

use super::{
    everything, on_all_cores,
    rig::Rig,
    shim::{Fault, Plan},
};

/// What a call may say, and which calls say it.
const ERRORS: &[(Errno, &str)] = &[
    (Errno::NOSPC, "WOMLRT"),
    (Errno::IO, "WSRLUOMDT"),
    (Errno::ACCESS, "ORLUMDP"),
    (Errno::ROFS, "ORLUMDAT"),
    (Errno::XDEV, "RL"),
    (Errno::NAMETOOLONG, "ORLM"),
];

/// Whose file that is: a database and its log, what else stands beside them, or the library.
fn place(path: &str) -> String {
    let mut parts = path.split('/');
    match (parts.next(), parts.next_back()) {
        (Some("library"), _) => "library".to_owned(),
        (Some("rekordbox"), Some(name)) if !path.contains("backups") => name.to_owned(),
        (_, Some(name)) if name.contains("sync.db") => name.to_owned(),
        _ => "elsewhere".to_owned(),
    }
}

/// Every so many-th call, and the first of each letter on each of the places.
fn tried(calls: &[(char, String)], most: usize) -> Vec<usize> {
    let step = if everything() {
        1
    } else {
        calls.len().div_ceil(most)
    };
    let mut seen = BTreeSet::new();
    let all = calls.iter().enumerate();
    all.filter(|(at, (letter, path))| {
        let is_new = seen.insert((*letter, place(path)));
        is_new || at % step == 0
    })
    .map(|(at, _)| at + 1)
    .collect()
}

/// The calls of these letters in an undisturbed run.
fn calls_of(rig: &Rig, calls: &'static str) -> Vec<(char, String)> {
    rig.reset();
    let fault = Plan {
        fault: Fault::Count,
        at: 0,
        calls,
    };
    assert!(rig.run(&rig.apply(), &fault).status.success());
    rig.calls()
}

/// The places that a list of errors has to reach.
#[track_caller]
fn assert_reaches(calls: &[(char, String)], points: &[usize], letter: char, places: &[&str]) {
    let reached: BTreeSet<String> = points
        .iter()
        .map(|at| &calls[*at - 1])
        .filter(|(found, _)| *found == letter)
        .map(|(_, path)| place(path))
        .collect();
    for wanted in places {
        assert!(
            reached.contains(*wanted),
            "{letter} on {wanted}: {reached:?}"
        );
    }
}

/// Fails at `at` and afterwards is well again: it ended in a way that is written down, nothing was removed
/// after the error, and the run can be finished or taken back.
fn fail_and(rig: &Rig, errno: Errno, calls: &'static str, at: usize, times: u32) -> bool {
    let what = format!("{errno:?} from {calls} at {at}, {times} times");
    rig.reset();
    let fault = Fault::Fail(errno.raw_os_error(), times);
    let ended = rig.run(&rig.apply(), &Plan { fault, at, calls });
    let code = ended.status.code();
    let has_begun = rig.has_begun();
    let allowed: &[i32] = match has_begun {
        true => &[0, 1, 7],
        false => &[1, 5],
    };
    assert!(
        code.is_some_and(|code| allowed.contains(&code)),
        "{what}: {ended:?}"
    );
    rig.assert_fit(&what);
    rig.assert_nothing_removed_after_a_failure(&what);
    if code == Some(0) {
        // It went another way round, or what failed does not matter.
        rig.assert_done(&what);
    }
    match at % 2 {
        0 => rig.finish(&what),
        _ => rig.take_back(&what),
    }
    let made = rig.calls().len();
    // Whether SQLite finds the time to remove its log at the very end is its own matter.
    let is_tidying = made + 2 >= at && code == Some(0);
    assert!(
        made >= at || times > 1 || is_tidying,
        "{what}: never said, {made} calls: {ended:?}"
    );
    made >= at
}

/// `SQLITE_FULL` is what SQLite makes of `ENOSPC`, so that has to reach both databases and their logs.
#[test]
fn an_error_of_any_call_is_never_a_wrong_state() {
    let rig = Rig::lent();
    let mut work = Vec::new();
    for (errno, calls) in ERRORS {
        let all = calls_of(&rig, calls);
        let points = tried(&all, 10);
        if *errno == Errno::NOSPC {
            assert_reaches(
                &all,
                &points,
                'W',
                &["sync.db", "sync.db-wal", "master.db", "library"],
            );
        }
        work.extend(points.into_iter().map(|at| (*errno, *calls, at, 1)));
    }
    println!("{} errors", work.len());
    let unsaid = AtomicUsize::new(0);
    on_all_cores(&rig, &work, |rig, (errno, calls, at, times)| {
        if !fail_and(rig, *errno, calls, *at, *times) {
            unsaid.fetch_add(1, Ordering::Relaxed);
        }
    });
    let unsaid = unsaid.into_inner();
    assert!(unsaid * 20 <= work.len(), "{unsaid} errors never said");
}

#[test]
fn a_disk_that_stays_full_or_broken_is_never_a_wrong_state() {
    let rig = Rig::lent();
    let mut work = Vec::new();
    for (errno, calls) in &ERRORS[..2] {
        let all = calls_of(&rig, calls);
        let step = if everything() {
            1
        } else {
            all.len().div_ceil(12)
        };
        work.extend(
            (1..=all.len())
                .step_by(step)
                .map(|at| (*errno, *calls, at, u32::MAX)),
        );
    }
    on_all_cores(&rig, &work, |rig, (errno, calls, at, times)| {
        fail_and(rig, *errno, calls, *at, *times);
    });
}

/// `SQLITE_BUSY`: somebody else holds the lock for longer than anybody waits.
#[test]
fn a_database_that_stays_locked_is_never_a_wrong_state() {
    let rig = Rig::lent();
    let all = calls_of(&rig, "K");
    let points = tried(&all, 6);
    for name in ["sync.db", "master.db"] {
        let mut locked = points.iter().map(|at| &all[*at - 1].1);
        assert!(locked.any(|path| path.contains(name)), "{name}: {all:?}");
    }
    on_all_cores(&rig, &points, |rig, at| {
        fail_and(rig, Errno::AGAIN, "K", *at, u32::MAX);
    });
}

/// SQLCipher frees its memory and its locks there, while the thread of a connection may still be closing it.
#[test]
fn the_end_of_the_process_tidies_nothing_up_under_its_threads() {
    let rig = Rig::lent();
    rig.reset();
    let fault = Plan::new(Fault::Farewell, 0);
    for args in [
        &["status"][..],
        &["--help"],
        &["plan", "--nonsense"],
        &rig.apply(),
    ] {
        let ended = rig.run(args, &fault);
        let expected = if args.contains(&"--nonsense") { 64 } else { 0 };
        assert_eq!(ended.status.code(), Some(expected), "{args:?}: {ended:?}");
    }
}
