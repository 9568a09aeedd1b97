//! Cleaning up TIDAL itself: the real program against a server that keeps to TIDAL's document.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot build its world has failed"
)]

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tidal_cleanup::plan::{Plan, canonical};

use super::{
    server::{Odd, Server},
    world::World as Tidal,
    writes::Writes,
};
use crate::harness::{Said, Setup, World, digits};

const BOTH: &str = "cleanup = [\"duplicates\", \"unavailable\"]";
const DUPLICATES: &str = "cleanup = [\"duplicates\"]";
/// A playlist with three duplicates, one of them at its end.
const LIST: &str = "1 2 1 3 2 4 1";
const CLEAN: &str = "1 2 3 4";

/// A library without files, an account, and what lies between them.
struct Desk {
    world: World,
    server: Server,
}

impl Desk {
    /// The account's one playlist has these tracks; the policy says this of TIDAL.
    fn new(list: &str, tidal: &str) -> Self {
        let mut account = Tidal::of(&[0]);
        let entries: Vec<_> = list
            .split_whitespace()
            .map(|id| account.entry("tracks", id))
            .collect();
        account.edit(0, |list| list.entries = entries);
        let server = Server::start(account);
        let world = World::new(Setup::default());
        let desk = Self { world, server };
        desk.write_policy(tidal);
        desk.log_in(&["user.read", "playlists.read", "playlists.write"]);
        desk
    }

    fn write_policy(&self, tidal: &str) {
        let root = self.world.path("library");
        let text = format!(
            "version = 1\n[library]\nroot = {root:?}\n[tidal]\n{tidal}\n[rekordbox]\n\
             database = \"none\"\n[safety]\nmax_remove = {{ count = 90, percent = 100 }}\n\
             max_remove_per_playlist = {{ percent = 100, min = 90 }}\n"
        );
        fs::write(self.world.path("tidal-cleanup.toml"), text).unwrap();
    }

    fn log_in(&self, scopes: &[&str]) {
        let said = self.run(&["db", "status", "--json"]);
        assert_eq!(said.code, 0, "{said:?}");
        let dir = self.world.path("home/.tidal-cleanup");
        let settings = self.server.logged_in(&dir);
        let path = settings.account_dir().join("token.json");
        let mut token: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        token["scopes"] = scopes.iter().copied().collect();
        fs::write(path, token.to_string()).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidal-cleanup"));
        let base = |path: &str| format!("{}{path}", self.server.base);
        command
            .args(args)
            .current_dir(self.world.path(""))
            .env_clear()
            .env("HOME", self.world.path("home"))
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("TIDAL_CLEANUP_TIDAL_API_URL", base("/v2"))
            .env("TIDAL_CLEANUP_TIDAL_AUTH_URL", base("/auth/v1"))
            .env("TIDAL_CLEANUP_TIDAL_WRITE_PACE", "0")
            .env("TIDAL_CLEANUP_TIDAL_CLIENT_ID", "client-1")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        Said::from(self.command(args).output().unwrap())
    }

    #[track_caller]
    fn expect(&self, code: i32, args: &[&str]) -> Said {
        let said = self.run(args);
        assert_eq!(said.code, code, "{args:?} {said:#?}");
        said
    }

    fn plan(&self) -> Plan {
        let said = self.run(&["plan", "--out", "plan.json"]);
        assert_eq!(said.code, 0, "{said:#?}");
        canonical::parse(&fs::read(self.world.path("plan.json")).unwrap()).unwrap()
    }

    /// Applies the saved plan.
    #[track_caller]
    fn apply(&self, code: i32, plan: &Plan) -> Said {
        self.expect(code, &["apply", "plan.json", "--approve", digits(plan)])
    }

    /// The tracks of the playlist, as the account has it.
    fn list(&self) -> String {
        let state = self.server.lock();
        let entries = state.world.playlists[0].entries.iter();
        let ids: Vec<&str> = entries.map(|entry| entry.id.as_str()).collect();
        ids.join(" ")
    }

    /// The changes that came, by method.
    fn written(&self, method: &str) -> Vec<(String, Value)> {
        let seen = self.server.lock().writes.seen.clone();
        let some = seen.into_iter().filter(|(name, ..)| name == method);
        some.map(|(_, key, body)| (key, body)).collect()
    }

    /// Answers the first changes by these, one after the other.
    fn trouble(&self, odd: &[Odd]) {
        let mut odd = Vec::from(odd).into_iter();
        self.server
            .script(move |_, seen, _| match seen.method.as_str() {
                "GET" => None,
                _ => odd.next(),
            });
    }

    #[track_caller]
    fn assert_settled(&self) {
        let plan = self.plan();
        let kinds: Vec<&str> = plan.body.actions.iter().map(|a| a.effect.kind()).collect();
        assert_eq!(kinds, [""; 0]);
    }

    /// Kills the program as soon as a change has arrived, before its answer does.
    fn kill(&self, args: &[&str]) {
        self.server.lock().latency = Duration::from_millis(400);
        let before = self.server.lock().writes.seen.len();
        let mut command = self.command(args);
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = quiet.spawn().unwrap();
        let late = Instant::now() + Duration::from_secs(60);
        while self.server.lock().writes.seen.len() == before && Instant::now() < late {
            thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        self.server.lock().latency = Duration::ZERO;
    }
}

fn leaving(plan: &Plan) -> usize {
    let actions = plan.body.actions.iter();
    let tidal = actions.filter(|action| action.effect.kind() == "tidal.entry.remove");
    tidal.count()
}

fn status(code: u16) -> Odd {
    Odd::Status(code, Vec::new(), "{}")
}

#[test]
fn duplicates_go_and_undo_brings_them_back_to_their_places() {
    for honours_place in [false, true] {
        let desk = Desk::new(LIST, DUPLICATES);
        desk.server.lock().writes.honours_place = honours_place;
        let plan = desk.plan();
        assert_eq!(leaving(&plan), 3);
        let shown = desk.expect(0, &["show", "plan.json", "-v"]).out;
        assert!(
            shown.contains("entry 3 is the same track as entry 1, which stays"),
            "{shown}"
        );
        assert!(shown.contains("tidal-cleanup.toml:5"), "{shown}");
        assert!(desk.server.lock().writes.seen.is_empty());
        desk.apply(0, &plan);
        assert_eq!(desk.list(), CLEAN);
        let deleted = desk.written("DELETE");
        assert_eq!(deleted.len(), 1, "{deleted:?}");
        assert!(!deleted[0].0.is_empty() && deleted[0].0.len() <= 128);
        desk.assert_settled();
        let said = desk.expect(0, &["plan", "--offline", "--json"]);
        assert!(!said.out.contains("tidal.entry.remove"), "{}", said.out);
        desk.expect(0, &["undo", "--yes"]);
        assert_eq!(desk.list(), LIST);
        assert_eq!(leaving(&desk.plan()), 3);
    }
}

#[test]
fn what_tidal_withholds_goes_where_the_policy_says_so() {
    let desk = Desk::new("1 2 3", DUPLICATES);
    desk.server.lock().world.withheld = vec!["2".to_owned()];
    assert_eq!(leaving(&desk.plan()), 0);
    desk.write_policy(BOTH);
    let plan = desk.plan();
    assert_eq!(leaving(&plan), 1);
    desk.apply(0, &plan);
    assert_eq!(desk.list(), "1 3");
    desk.assert_settled();
    // TIDAL does not take back what it withholds, and that is said.
    let said = desk.expect(7, &["undo", "--yes"]);
    assert!(
        said.err.contains("did not take the track back"),
        "{}",
        said.err
    );
    assert_eq!(desk.list(), "1 3");
}

#[test]
fn what_tidal_delivers_again_stays() {
    let desk = Desk::new("1 2 3", BOTH);
    desk.server.lock().world.withheld = vec!["2".to_owned()];
    let plan = desk.plan();
    desk.server.lock().world.withheld.clear();
    let said = desk.apply(7, &plan);
    assert!(
        said.err.contains("TIDAL delivers the track again"),
        "{}",
        said.err
    );
    assert_eq!(desk.list(), "1 2 3");
    assert_eq!(desk.written("DELETE").len(), 0);
}

#[test]
fn nothing_is_written_without_the_word_in_the_policy() {
    let desk = Desk::new(LIST, "favorites = false");
    let plan = desk.plan();
    assert_eq!(leaving(&plan), 0);
    desk.apply(0, &plan);
    assert_eq!(desk.list(), LIST);
    assert!(desk.server.lock().writes.seen.is_empty());
}

#[test]
fn without_the_permission_the_plan_says_what_is_needed() {
    let desk = Desk::new(LIST, DUPLICATES);
    desk.log_in(&["user.read", "playlists.read"]);
    let plan = desk.plan();
    assert_eq!(leaving(&plan), 0);
    assert_eq!(
        plan.body
            .held
            .iter()
            .filter(|held| held.gate == "read-only")
            .count(),
        3
    );
    let shown = desk.expect(0, &["show", "plan.json"]).out;
    assert!(shown.contains("tidal-cleanup login --write"), "{shown}");
    desk.log_in(&["user.read", "playlists.read", "playlists.write"]);
    let plan = desk.plan();
    desk.log_in(&["user.read"]);
    let said = desk.apply(1, &plan);
    assert!(said.err.contains("login --write"), "{}", said.err);
    assert!(desk.server.lock().writes.seen.is_empty());
    assert_eq!(desk.list(), LIST);
}

#[test]
fn a_permission_that_tidal_denies_is_named() {
    let desk = Desk::new(LIST, DUPLICATES);
    let plan = desk.plan();
    desk.server.lock().writes.forbidden = true;
    let said = desk.apply(7, &plan);
    assert!(said.err.contains("login --write"), "{}", said.err);
    assert_eq!(desk.list(), LIST);
    desk.server.lock().writes.forbidden = false;
    desk.expect(0, &["apply", "--resume", "--yes"]);
    assert_eq!(desk.list(), CLEAN);
}

#[test]
fn a_list_that_was_edited_since_the_plan_is_left_alone() {
    let desk = Desk::new(LIST, DUPLICATES);
    let plan = desk.plan();
    desk.server
        .lock()
        .world
        .edit(0, |list| list.entries.swap(0, 1));
    let said = desk.apply(4, &plan);
    assert!(said.err.contains("was changed in TIDAL"), "{}", said.err);
    assert!(desk.server.lock().writes.seen.is_empty());
}

#[test]
fn a_change_whose_answer_is_lost_is_done_once() {
    // Reset: done, and the answer is lost. A status: refused before anything was done.
    let again = |seconds: &str| Odd::Status(429, vec![("Retry-After", seconds.to_owned())], "{}");
    let troubles: [(&[Odd], usize); 5] = [
        (&[Odd::Reset], 1),
        (&[status(500)], 1),
        (&[status(409), status(409)], 1),
        (&[again("1")], 1),
        (&[Odd::Torn], 1),
    ];
    for (trouble, times) in troubles {
        let desk = Desk::new(LIST, DUPLICATES);
        let plan = desk.plan();
        desk.trouble(trouble);
        desk.apply(0, &plan);
        assert_eq!(desk.list(), CLEAN, "{trouble:?}");
        assert_eq!(desk.written("DELETE").len(), times, "{trouble:?}");
        desk.assert_settled();
    }
}

#[test]
fn an_undo_whose_answers_are_lost_adds_nothing_twice() {
    for trouble in [Odd::Reset, status(500), status(409)] {
        let desk = Desk::new(LIST, DUPLICATES);
        let plan = desk.plan();
        desk.apply(0, &plan);
        desk.trouble(&[trouble.clone(), trouble.clone(), trouble.clone()]);
        desk.expect(0, &["undo", "--yes"]);
        assert_eq!(desk.list(), LIST, "{trouble:?}");
    }
}

#[test]
fn a_key_that_is_taken_changes_nothing() {
    let desk = Desk::new(LIST, DUPLICATES);
    let plan = desk.plan();
    desk.trouble(&[status(422)]);
    let said = desk.apply(7, &plan);
    assert!(said.err.contains("under the same key"), "{}", said.err);
    assert_eq!(desk.list(), LIST);
}

#[test]
fn a_killed_apply_is_settled_by_looking() {
    for then in [["apply", "--resume"], ["undo", "--yes"]] {
        let desk = Desk::new(LIST, DUPLICATES);
        let plan = desk.plan();
        desk.kill(&["apply", "plan.json", "--approve", digits(&plan)]);
        assert_eq!(desk.list(), CLEAN);
        let mut args = then.to_vec();
        args.extend(["--yes"].iter().filter(|yes| !then.contains(yes)));
        desk.expect(0, &args);
        let resumed = then[0] == "apply";
        assert_eq!(desk.list(), if resumed { CLEAN } else { LIST });
        assert_eq!(desk.written("DELETE").len(), 1);
        if resumed {
            desk.assert_settled();
        }
    }
}

#[test]
fn a_killed_undo_adds_nothing_twice() {
    let desk = Desk::new(LIST, DUPLICATES);
    let plan = desk.plan();
    desk.apply(0, &plan);
    desk.kill(&["undo", "--yes"]);
    desk.expect(0, &["apply", "--resume", "--yes"]);
    assert_eq!(desk.list(), LIST);
    assert_eq!(desk.written("POST").len(), 1);
}

/// Every call that changes a file is the last one of some run, and what the account has afterwards is
/// what it had, or what the plan says; each change was asked for once, or again under the same key.
#[cfg(target_os = "linux")]
#[test]
fn killed_at_any_call_entries_leave_or_come_back() {
    use crate::crash::{
        dump, rig,
        shim::{Fault, Plan as Shim},
    };

    let desk = Desk::new(LIST, DUPLICATES);
    let plan = desk.plan();
    let aside = tempfile::tempdir_in("/dev/shm").unwrap();
    let kept = |name: &str| aside.path().join(name);
    fs::create_dir(kept("world")).unwrap();
    fs::create_dir(kept("shadow")).unwrap();
    rig::copy(&desk.world.path(""), &kept("world"));
    let account = desk.server.lock().world.clone();
    let reset = || {
        for entry in fs::read_dir(desk.world.path("")).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => fs::remove_dir_all(path).unwrap(),
                false => fs::remove_file(path).unwrap(),
            }
        }
        rig::copy(&kept("world"), &desk.world.path(""));
        let mut server = desk.server.lock();
        server.world = account.clone();
        server.writes = Writes::default();
    };
    let run = |args: &[&str], fault: Fault, at: usize| {
        _ = fs::remove_file(kept("log"));
        let mut command = desk.command(args);
        let root = fs::canonicalize(desk.world.path("")).unwrap();
        Shim::new(fault, at).arm(&mut command, &root, &kept("log"), &kept("shadow"));
        let output = command.output().unwrap();
        let calls = fs::read_to_string(kept("log")).unwrap().lines().count();
        (output.status.code(), calls)
    };
    let has_begun = |runs: usize| dump::runs(&desk.world).len() > runs;
    let keys = |method: &str| {
        let keys: std::collections::BTreeSet<String> = desk
            .written(method)
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        keys.len()
    };
    let apply = ["apply", "plan.json", "--approve", digits(&plan)];
    let (code, calls) = run(&apply, Fault::Count, 0);
    assert_eq!((code, desk.list().as_str()), (Some(0), CLEAN));
    let few = |calls: usize| (1..=calls).step_by(calls.div_ceil(12));
    for at in few(calls) {
        for resume in [true, false] {
            reset();
            let (code, _) = run(&apply, Fault::Kill, at);
            assert_eq!(code, None, "{at}");
            assert!([LIST, CLEAN].contains(&desk.list().as_str()), "{at}");
            let args: &[&str] = match (has_begun(0), resume) {
                (true, true) => &["apply", "--resume", "--yes"],
                (true, false) => &["undo", "--yes"],
                (false, true) => &apply,
                (false, false) => &["status"],
            };
            desk.expect(0, args);
            assert_eq!(desk.list(), if resume { CLEAN } else { LIST }, "{at}");
            assert!(keys("DELETE") <= 1, "{at}");
        }
    }
    reset();
    desk.expect(0, &apply);
    let (code, calls) = run(&["undo", "--yes"], Fault::Count, 0);
    assert_eq!((code, desk.list().as_str()), (Some(0), LIST));
    let added = keys("POST");
    for at in few(calls) {
        reset();
        desk.expect(0, &apply);
        let (code, _) = run(&["undo", "--yes"], Fault::Kill, at);
        assert_eq!(code, None, "undo at {at}");
        let args: &[&str] = match has_begun(1) {
            true => &["apply", "--resume", "--yes"],
            false => &["undo", "--yes"],
        };
        desk.expect(0, args);
        assert_eq!(desk.list(), LIST, "undo at {at}");
        assert_eq!(keys("POST"), added, "undo at {at}");
    }
}

#[test]
fn many_go_by_fifties() {
    let many: Vec<String> = (0..130).map(|at| (1 + at % 10).to_string()).collect();
    let desk = Desk::new(&many.join(" "), DUPLICATES);
    let said = desk.expect(5, &["plan", "--out", "plan.json"]);
    assert!(said.out.contains("120 would be removed"), "{}", said.out);
    desk.expect(5, &["apply", "plan.json", "--yes"]);
    assert!(desk.server.lock().writes.seen.is_empty());
    desk.server
        .lock()
        .world
        .edit(0, |list| list.entries.truncate(80));
    let plan = desk.plan();
    desk.apply(0, &plan);
    assert_eq!(desk.list(), "1 2 3 4 5 6 7 8 9 10");
    let deleted = desk.written("DELETE");
    let sizes: Vec<usize> = deleted
        .iter()
        .map(|(_, body)| body["data"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [50, 20]);
    assert_ne!(deleted[0].0, deleted[1].0);
}
