//! Calls that fail: a full disk, a broken one, missing rights, locks of others.

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
    rig.calls().len() >= at
}

#[test]
fn an_error_of_any_call_is_never_a_wrong_state() {
    let rig = Rig::new();
    let mut work = Vec::new();
    for (errno, calls) in ERRORS {
        rig.reset();
        let fault = Plan {
            fault: Fault::Count,
            at: 0,
            calls,
        };
        assert!(rig.run(&rig.apply(), &fault).status.success());
        let all = rig.calls().len();
        let step = if everything() { 1 } else { all.div_ceil(20) };
        let points = (1..=all).step_by(step);
        work.extend(points.map(|at| (*errno, *calls, at, 1)));
    }
    on_all_cores(&rig, &work, |rig, (errno, calls, at, times)| {
        assert!(
            fail_and(rig, *errno, calls, *at, *times),
            "{errno:?} was never said"
        );
    });
}

#[test]
fn a_disk_that_stays_full_or_broken_is_never_a_wrong_state() {
    let rig = Rig::new();
    let mut work = Vec::new();
    for (errno, calls) in &ERRORS[..2] {
        rig.reset();
        let fault = Plan {
            fault: Fault::Count,
            at: 0,
            calls,
        };
        assert!(rig.run(&rig.apply(), &fault).status.success());
        let all = rig.calls().len();
        let step = if everything() { 1 } else { all.div_ceil(12) };
        work.extend(
            (1..=all)
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
    let rig = Rig::new();
    rig.reset();
    let fault = Plan {
        fault: Fault::Count,
        at: 0,
        calls: "K",
    };
    assert!(rig.run(&rig.apply(), &fault).status.success());
    let all = rig.calls().len();
    let step = if everything() { 1 } else { all.div_ceil(6) };
    let work: Vec<usize> = (1..=all).step_by(step).collect();
    on_all_cores(&rig, &work, |rig, at| {
        fail_and(rig, Errno::AGAIN, "K", *at, u32::MAX);
    });
}
