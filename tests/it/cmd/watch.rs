//! `watch`: what it applies by itself, what it leaves to a person, and how it ends.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout},
    sync::mpsc,
    time::Duration,
};

use serde_json::Value;

use crate::harness::{BOLD, Setup, Snapshot, World};

/// A watching program whose lines are read as they come.
struct Watching {
    child: Child,
    lines: mpsc::Receiver<Value>,
}

impl Watching {
    fn of(world: &World, words: &[&str]) -> Self {
        let mut child = world.start(&[&["watch", "--json"], words].concat());
        let out: ChildStdout = child.stdout.take().unwrap();
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = tell.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, lines }
    }

    /// The next line of that event.
    fn next(&self, event: &str) -> Value {
        loop {
            let line = self
                .lines
                .recv_timeout(Duration::from_secs(120))
                .expect(event);
            if line["event"] == event {
                return line;
            }
        }
    }

    /// Ends it as a service manager does; its exit code.
    fn end(mut self) -> i32 {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert_eq!(self.next("exit")["code"], 0);
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn world(watch: &str) -> World {
    let world = World::new(Setup {
        more: BOLD,
        ..Setup::default()
    });
    world.write_policy(&format!(
        "[watch]\nsettle = \"1s\"\nnotify = [\"sh\", \"-c\", \"echo \\\"$1\\\" >> told\", \"sh\", \"{{text}}\"]\n{watch}"
    ));
    world
}

#[test]
fn what_only_adds_is_applied_and_the_rest_is_told() {
    let world = world("apply = \"additive\"");
    world.tidal(&Snapshot::new().list('a', "House", "1 2"));
    let watching = Watching::of(&world, &[]);
    let planned = watching.next("planned");
    assert!(planned["found"]["apply"].as_u64().unwrap() > 0, "{planned}");
    watching.next("waiting");
    let files = world
        .files()
        .iter()
        .filter(|path| path.contains("Artist"))
        .count();
    assert_eq!(files, 2, "{:?}", world.files());
    assert!(!world.path("told").exists(), "nobody has to be told");

    // TIDAL lost a track, and the DJ puts a file into the library: that wakes it.
    world.tidal(&Snapshot::new().list('a', "House", "1"));
    world.put("library/new.wav", "new", 1_000);
    let planned = watching.next("planned");
    assert_eq!(planned["cause"], "change");
    assert_eq!(planned["found"]["apply"], 0);
    assert!(
        watching.next("needs-you")["text"]
            .as_str()
            .unwrap()
            .contains("1 to remove")
    );
    watching.next("waiting");
    assert!(
        fs::read_to_string(world.path("told"))
            .unwrap()
            .contains("1 to remove")
    );
    let files = world
        .files()
        .iter()
        .filter(|path| path.contains("Artist"))
        .count();
    assert_eq!(files, 2, "nothing is taken away by itself");
    assert_eq!(watching.end(), 0);
    assert_eq!(world.run(&["status"]).code, 0, "no apply is unfinished");
}

#[test]
fn nothing_is_applied_in_a_freeze_or_unless_the_policy_says_so() {
    for (watch, frozen) in [("apply = \"additive\"", true), ("", false)] {
        let world = world(watch);
        world.tidal(&Snapshot::new().list('a', "House", "1"));
        if frozen {
            world.expect(0, &["freeze", "--until", "3d"]);
        }
        let said = world.run(&["watch", "--once"]);
        assert_eq!(said.code, 2, "{}{}", said.out, said.err);
        assert!(!world.files().iter().any(|path| path.contains("Artist")));
        assert_eq!(said.err.contains("a freeze is on"), frozen, "{}", said.err);
        assert_eq!(world.path("told").exists(), !frozen);
    }
}

#[test]
fn once_is_for_cron_and_a_drive_that_is_away_is_told() {
    let world = world("apply = \"additive\"");
    world.tidal(&Snapshot::new().list('a', "House", "1"));
    assert_eq!(world.run(&["watch", "--once", "--only-tell"]).code, 2);
    assert_eq!(world.run(&["watch", "--once"]).code, 0);
    assert_eq!(world.run(&["watch", "--once"]).code, 0);
    fs::rename(world.path("library"), world.path("away")).unwrap();
    assert_eq!(world.run(&["watch", "--once"]).code, 5);
    let watching = Watching::of(&world, &[]);
    assert_eq!(watching.next("failed")["code"], 5);
    assert!(
        watching.next("needs-you")["text"]
            .as_str()
            .unwrap()
            .contains("not there")
    );
    watching.next("waiting");
    assert_eq!(watching.end(), 0);
}
