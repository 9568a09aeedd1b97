//! Two at once, one that sleeps while another takes over, Ctrl-C, deadlines.

use std::{
    fs,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::{
    dump, points,
    rig::Rig,
    shim::{Fault, Plan},
};

/// An apply that stands still before a call, as a suspended process does.
struct Sleeper {
    child: Child,
}

impl Sleeper {
    /// `None`: it came to its end before.
    fn new(rig: &Rig, at: usize) -> Option<Self> {
        let mut command = rig.armed(&rig.apply(), &Plan::new(Fault::Stop, at));
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
        let sleeper = Self { child };
        status.stopped().then_some(sleeper)
    }

    /// One that holds no lock on the state: while a download goes on, another of its threads may be writing there,
    /// and whoever takes over is rightly told to wait.
    fn without_lock(rig: &Rig, at: usize) -> Self {
        for _ in 0..20 {
            rig.reset();
            let Some(mut sleeper) = Self::new(rig, at) else {
                panic!("it ended before call {at}");
            };
            if !dump::is_locked(&rig.world) {
                return sleeper;
            }
            sleeper.child.kill().unwrap();
            sleeper.child.wait().unwrap();
            rig.wait_for_children();
        }
        panic!("at call {at} the state is always locked");
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Wakes it and waits for its exit code.
    fn wake(mut self) -> Option<i32> {
        self.send(Signal::CONT);
        self.child.wait().unwrap().code()
    }

    /// Waits until the signal lies there for it to be taken.
    fn interrupt(&self) {
        self.send(Signal::INT);
        let path = format!("/proc/{}/status", self.child.id());
        let late = Instant::now() + Duration::from_secs(10);
        let pending = || {
            let text = fs::read_to_string(&path).unwrap();
            let line = text
                .lines()
                .find(|line| line.starts_with("ShdPnd:"))
                .unwrap();
            !line.trim_end().ends_with("0000000000000000")
        };
        while !pending() {
            assert!(Instant::now() < late, "the signal never arrived");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Calls on files of the library after the run is in the journal.
fn in_the_library(rig: &Rig, most: usize) -> Vec<usize> {
    rig.reset();
    let calls = rig.count(&rig.apply());
    let begun = calls
        .iter()
        .position(|(_, path)| path.contains("/incoming/"))
        .unwrap();
    let is_theirs = |at: &usize| {
        let (_, path) = &calls[*at - 1];
        *at > begun && path.starts_with("library/") && !path.contains(".tidal-cleanup/lock")
    };
    let points: Vec<usize> = points(&calls, usize::MAX)
        .into_iter()
        .filter(is_theirs)
        .collect();
    let step = points.len().div_ceil(most);
    points.into_iter().step_by(step).collect()
}

#[test]
fn of_two_applies_one_proceeds_and_a_plan_may_look_on() {
    let rig = Rig::lent();
    let at = in_the_library(&rig, 3)[1];
    rig.reset();
    let sleeper = Sleeper::new(&rig, at).unwrap();
    let before = rig.dump();
    let mut second = rig.apply().to_vec();
    second.extend(["--lock-timeout", "0s"]);
    let said = rig.world.expect(6, &second);
    assert!(said.err.contains("locked by another run"), "{said:?}");
    rig.world
        .expect(6, &["undo", "--yes", "--lock-timeout", "0s"]);
    rig.world
        .expect(6, &["apply", "--resume", "--yes", "--lock-timeout", "0s"]);
    let said = rig.world.run(&["plan", "--out", "other.json"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("is running"), "{said:?}");
    rig.world.expect(0, &["status"]);
    rig.dump().assert_is(&before, "while one applies");
    assert_eq!(sleeper.wake(), Some(0));
    rig.assert_done("after both");
}

#[test]
fn who_waits_long_enough_gets_its_turn() {
    let rig = Rig::lent();
    let at = in_the_library(&rig, 3)[1];
    rig.reset();
    let sleeper = Sleeper::new(&rig, at).unwrap();
    let mut args = rig.apply().to_vec();
    args.extend(["--lock-timeout", "60s"]);
    let mut waiting = rig.world.command(&args);
    let waiting = waiting
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(sleeper.wake(), Some(0));
    // It finds its plan applied already.
    assert_eq!(waiting.wait_with_output().unwrap().status.code(), Some(4));
    rig.assert_done("after both");
}

/// Locks do not reach everywhere (a share, another machine), so somebody may take over from a run that
/// only sleeps.
#[test]
fn a_run_that_wakes_after_another_took_over_writes_nothing() {
    let rig = Rig::lent();
    let mut points = in_the_library(&rig, 9);
    let calls = rig.calls();
    // A list that is written anew: before its old text goes, in the middle of that, and after it.
    let is_list = |at: &usize| {
        let (letter, path) = &calls[*at - 1];
        *letter == 'R' && path.contains("/trash/") && path.ends_with(".m3u8")
    };
    let moves: Vec<usize> = (1..=calls.len()).filter(is_list).collect();
    points.extend([moves[0] - 2, moves[0] - 1, moves[0], moves[0] + 1]);
    for at in points {
        let sleeper = Sleeper::without_lock(&rig, at);
        fs::remove_file(rig.world.path("home/.tidal-cleanup/sync.db.lock")).unwrap();
        fs::remove_file(rig.world.path("library/.tidal-cleanup/lock")).unwrap();
        let what = format!("taken over at {at}, {:?}", calls[at - 1]);
        rig.finish(&what);
        let after = rig.dump();
        // The one call before which it slept is made when it wakes. None replaces anything, so that it comes
        // to nothing.
        assert_eq!(sleeper.wake(), Some(6), "{what}");
        rig.dump().assert_is(&after, &what);
        rig.take_back(&what);
    }
}

#[test]
fn the_first_ctrl_c_ends_after_the_running_action() {
    let rig = Rig::lent();
    for (n, at) in in_the_library(&rig, 8).into_iter().enumerate() {
        rig.reset();
        let sleeper = Sleeper::new(&rig, at).unwrap();
        sleeper.interrupt();
        let what = format!("Ctrl-C at {at}");
        let code = sleeper.wake();
        // The last action may have been the running one.
        assert!(matches!(code, Some(130 | 0)), "{what}: {code:?}");
        rig.assert_fit(&what);
        match n % 2 {
            0 => rig.finish(&what),
            _ => rig.take_back(&what),
        }
    }
}

#[test]
fn the_second_ctrl_c_ends_at_once() {
    let rig = Rig::lent();
    rig.reset();
    // A download that takes its time.
    rig.world
        .write_downloader("touch waiting; sleep 30; cp \"$1/$2.wav\" \"$3/\"");
    let mut command = rig.world.command(&rig.apply());
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let late = Instant::now() + Duration::from_secs(60);
    while !rig.world.path("waiting").exists() {
        assert!(Instant::now() < late, "it never downloaded");
        thread::sleep(Duration::from_millis(5));
    }
    let pid = Pid::from_child(&child);
    let from = Instant::now();
    let mut child = child;
    kill_process(pid, Signal::INT).unwrap();
    // The first is a wish: it goes on.
    thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none());
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(
        from.elapsed() < Duration::from_secs(25),
        "it waited for the download"
    );
    rig.world.write_downloader("cp \"$1/$2.wav\" \"$3/\"");
    rig.finish("after the second Ctrl-C");
}

#[test]
fn no_action_begins_after_the_deadline() {
    let rig = Rig::lent();
    rig.reset();
    let mut args = rig.apply().to_vec();
    args.extend(["--deadline", "0s"]);
    let said = rig.world.expect(7, &args);
    assert!(said.err.contains("--deadline"), "{said:?}");
    rig.assert_fit("out of time");
    rig.world
        .expect(7, &["apply", "--resume", "--yes", "--deadline", "0s"]);
    rig.world
        .expect(0, &["apply", "--resume", "--yes", "--deadline", "1h"]);
    rig.assert_done("in time");
}

#[test]
fn a_stream_of_json_lines_ends_with_exit() {
    let rig = Rig::lent();
    rig.reset();
    let mut args = rig.apply().to_vec();
    args.push("--json");
    let said = rig.world.expect(0, &args);
    let lines: Vec<serde_json::Value> = said
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    let actions = rig.plan.body.actions.len();
    assert_eq!(
        (of("begun"), of("settled"), of("report"), of("exit")),
        (1, actions, 1, 1)
    );
    assert!(of("started") >= actions);
    let mut done: Vec<u64> = lines
        .iter()
        .filter_map(|line| line["done"].as_u64())
        .collect();
    assert!(done.is_sorted());
    done.dedup();
    assert_eq!(done.len(), actions);
    assert_eq!(
        lines.last().unwrap(),
        &serde_json::json!({"event": "exit", "code": 0})
    );
    let said = rig.world.expect(4, &args);
    let last: serde_json::Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["code"]), (&"exit".into(), &4.into()));
    assert!(
        last["error"].as_str().unwrap().contains("already"),
        "{last}"
    );
}
