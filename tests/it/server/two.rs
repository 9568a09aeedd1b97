//! Several machines with one server: they share a drive, or have libraries of their own; they are killed and
//! paused at any moment.

use std::{
    fs,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use tidal_cleanup::edge::rekordbox::{ContentRef, Edit, NodeRef};

use crate::{
    harness::{Snapshot, World, collection, digits, titled},
    journey::first,
    postgres::{Server, name_of},
};

/// A machine of its own that works on the drive of another one.
fn beside(world: &World, url: &str) -> World {
    let machine = World::on_server(url);
    fs::remove_dir_all(machine.path("library")).unwrap();
    std::os::unix::fs::symlink(world.path("library"), machine.path("library")).unwrap();
    machine.expect(0, &["db", "init"]);
    machine
}

#[test]
fn two_machines_share_a_drive() {
    let Some(server) = Server::start() else {
        return;
    };
    let url = server.database();
    let studio = World::on_server(&url);
    let club = beside(&studio, &url);
    let sync = |machine: &World, snapshot: &Snapshot| {
        machine.tidal(snapshot);
        let plan = machine.plan(2);
        machine.expect(0, &["apply", "plan.json", "--approve", digits(&plan)]);
    };
    sync(&studio, &first());
    let (files, calls) = (studio.files(), studio.calls().len());
    assert!(calls > 0);
    // The files are there; what the club's Rekordbox lacks is all that is left to do.
    sync(&club, &first());
    assert_eq!(club.files(), files);
    assert_eq!(club.calls().len(), 0, "nothing is fetched twice");
    for machine in [&studio, &club] {
        machine.assert_settled();
        assert_eq!(machine.titles("Party"), titled("2 5 6 5 7"));
        assert_eq!(machine.titles("House 🇮🇹"), titled("0 1 2 3 4"));
    }

    for args in [&["status"][..], &["db", "status"], &["db", "check"]] {
        let said = studio.expect(0, args);
        let shown = said.out.contains("postgres://") && !said.out.contains("sync.db");
        assert!(shown, "{args:?}: {}", said.out);
    }

    // What one machine did to its Rekordbox the other one does not take back.
    let said = studio.expect(1, &["undo", "--yes"]);
    assert!(said.err.contains("made on another machine"), "{}", said.err);
    let second = first().list('d', "New", "12");
    sync(&studio, &second);
    club.tidal(&second);
    assert_eq!(club.titles("New"), None);
    sync(&club, &second);
    assert_eq!(club.titles("New"), titled("12"));

    // A run that is left unfinished is its machine's to finish; the other one is told so.
    let club = crate::journey_kill::hanging(club, "1013");
    club.tidal(&second.list('e', "Late", "13"));
    club.plan(2);
    assert!(club.kill(&["apply", "plan.json", "--yes"], || {
        club.path("waiting").exists()
    }));
    fs::remove_file(club.path("hang")).unwrap();
    let rows = studio.rows();
    for args in [&["apply", "--resume", "--yes"][..], &["undo", "--yes"]] {
        let said = studio.expect(8, args);
        assert!(said.err.contains("made on another machine"), "{}", said.err);
    }
    collection::assert_same(&studio.rows(), &rows);
    club.expect(0, &["apply", "--resume", "--yes"]);
    club.assert_settled();
    let status = server.sql(
        name_of(&url),
        "SELECT COUNT(*) FROM applies WHERE status = 'running'",
    );
    assert_eq!(status.trim(), "0");
    club.expect(0, &["db", "check"]);
}

/// The DJ puts a track of their own at the end of a list.
fn put_own(machine: &World, list: &str) {
    let collection = machine.collection();
    let node = collection.nodes.values().find(|node| node.name == list);
    let node = node.unwrap();
    let own = collection.contents.values().find(|row| row.title == "Own");
    let own = own.unwrap().id.clone().unwrap();
    let there = node.entries.iter().map(|entry| entry.content.clone());
    let contents = there.chain([own]).map(ContentRef::Id).collect();
    let node = NodeRef::Id(node.id.clone());
    let edits = [Edit::SetEntries { node, contents }];
    collection::edit(&machine.path("rekordbox"), &edits);
}

/// What one machine takes out of a list was put there by us on the other one, too, and not by its DJ.
#[test]
fn what_leaves_a_list_on_one_machine_leaves_it_on_the_other() {
    let Some(server) = Server::start() else {
        return;
    };
    let url = server.database();
    let studio = World::on_server(&url);
    let club = beside(&studio, &url);
    for machine in [&studio, &club] {
        machine.sync_with(&first());
    }
    put_own(&club, "House 🇮🇹");
    let with_own = |titles: &str| {
        let mut titles = titled(titles).unwrap();
        titles.push("Own".to_owned());
        Some(titles)
    };
    let lists = |house: &str| {
        let lists = Snapshot::new().list('a', "House 🇮🇹", house);
        lists
            .list('b', "Party", "2 5 6 5 7")
            .list('c', "Deep 🏃", "8 9 2 10")
    };
    studio.sync_with(&lists("0 1 2 4"));
    assert_eq!(studio.titles("House 🇮🇹"), titled("0 1 2 4"));
    assert_eq!(club.titles("House 🇮🇹"), with_own("0 1 2 3 4"));

    // On the way to another computer and back nothing of it is lost.
    let saved = club.path("saved.jsonl");
    club.expect(0, &["db", "export", saved.to_str().unwrap()]);
    let text = fs::read_to_string(&saved).unwrap();
    let left = text
        .lines()
        .filter(|line| line.starts_with('[') && line.ends_with(",\"1003\",1]"));
    assert_eq!(left.count(), 1, "{text}");
    let (file, again) = (
        club.path("home/.tidal-cleanup/file.db"),
        club.path("again.jsonl"),
    );
    let (file, again) = (file.to_str().unwrap(), again.to_str().unwrap());
    club.expect(0, &["db", "import", saved.to_str().unwrap(), "--db", file]);
    club.expect(0, &["db", "export", again, "--db", file]);
    let rows = |text: &str| text.split_once('\n').unwrap().1.to_owned();
    assert_eq!(rows(&fs::read_to_string(again).unwrap()), rows(&text));

    club.sync_with(&lists("0 1 2 4"));
    assert_eq!(club.titles("House 🇮🇹"), with_own("0 1 2 4"));
    for machine in [&studio, &club] {
        machine.assert_settled();
    }
    // So it is with a whole list.
    let two = || {
        let lists = Snapshot::new().list('a', "House 🇮🇹", "0 1 2 4");
        lists.list('b', "Party", "2 5 6 5 7")
    };
    studio.sync_with(&two());
    assert!(club.titles("Deep 🏃").is_some());
    club.sync_with(&two());
    for machine in [&studio, &club] {
        assert_eq!(machine.titles("Deep 🏃"), None);
        machine.assert_settled();
    }
    club.sync_with(&lists("0 1 2 4"));
    studio.sync_with(&lists("0 1 2 4"));
    // What comes back, and what the DJ puts there afterwards, is nobody's leftover.
    club.sync_with(&lists("0 1 2 3 4"));
    studio.sync_with(&lists("0 1 2 3 4"));
    assert_eq!(club.titles("House 🇮🇹"), with_own("0 1 2 3 4"));
    assert_eq!(studio.titles("House 🇮🇹"), titled("0 1 2 3 4"));
    // What a machine never got, nobody has left there.
    studio.sync_with(&lists("0 1 2 3 4 11"));
    studio.sync_with(&lists("0 1 2 3 4"));
    let later = club.path("later.jsonl");
    club.expect(0, &["db", "export", later.to_str().unwrap()]);
    let text = fs::read_to_string(&later).unwrap();
    assert!(
        text.contains("\"1011\"") && !text.contains(",\"1011\",1]"),
        "{text}"
    );
    club.tidal(&lists("0 1 2 3 4"));
    assert_eq!(club.titles("House 🇮🇹"), with_own("0 1 2 3 4"));
    for machine in [&studio, &club] {
        machine.assert_settled();
        machine.expect(0, &["db", "check"]);
    }
}

/// One machine takes the making of a list back, and TIDAL has it no more: the other one's Rekordbox lets go of
/// it with its next apply.
#[test]
fn a_list_whose_making_was_taken_back_leaves_the_other_machine() {
    let Some(server) = Server::start() else {
        return;
    };
    let url = server.database();
    let studio = World::on_server(&url);
    let club = beside(&studio, &url);
    for machine in [&studio, &club] {
        machine.sync_with(&first());
    }
    let with_new = first().list('d', "New", "12");
    for machine in [&studio, &club] {
        machine.sync_with(&with_new);
    }
    studio.tidal(&first());
    studio.expect(0, &["undo", "3", "--yes"]);
    assert_eq!(studio.titles("New"), None);
    assert_eq!(club.titles("New"), titled("12"));
    club.tidal(&first());
    let said = club.expect(0, &["plan", "--out", "plan.json"]);
    assert!(!said.out.contains("aaaaaaaa-"), "{}", said.out);
    assert!(said.out.contains("New  (gone from TIDAL)"), "{}", said.out);
    let digest = digits(&club.saved()).to_owned();
    club.expect(0, &["apply", "plan.json", "--approve", &digest]);
    assert_eq!(club.titles("New"), None);
    club.assert_settled();
}

/// Numbers that are arbitrary and always the same.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn wishes() -> [Snapshot; 3] {
    let snapshot = Snapshot::new;
    [
        first(),
        snapshot()
            .list('a', "House 2026 🇮🇹", "4 0 1 8")
            .list('b', "Party", "7 2 5 6 11")
            .list('d', "New", "12 0"),
        snapshot()
            .list('a', "House 🇮🇹", "0 1")
            .list('c', "Deep 🏃", "2 10 3")
            .list('e', "Old", "1 13"),
    ]
}

/// Lets the program live for some time, then kills it, or pauses it and kills or wakes it. Whether it was
/// stopped before its end.
fn bother(world: &World, args: &[&str], random: &mut Random) -> bool {
    let mut command = world.command(args);
    let mut run = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(i32::try_from(run.id()).unwrap()).unwrap();
    let end = Instant::now() + Duration::from_millis(random.below(900));
    while Instant::now() < end {
        if run.try_wait().unwrap().is_some() {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    if random.below(2) == 0 {
        kill_process(pid, Signal::STOP).unwrap();
        thread::sleep(Duration::from_millis(random.below(400)));
        kill_process(pid, Signal::CONT).unwrap();
        thread::sleep(Duration::from_millis(random.below(200)));
    }
    if random.below(4) == 0 {
        return !run.wait().unwrap().success();
    }
    run.kill().unwrap();
    run.wait().unwrap();
    true
}

/// One machine's life: it wants this and that, and is bothered. How often it was stopped.
fn live(world: &World, seed: u64, times: usize) -> usize {
    let mut random = Random(seed);
    let (mut stopped, mut wish) = (0, 0);
    let wishes = wishes();
    for _ in 0..times {
        if random.below(3) == 0 {
            wish = random.below(3) as usize;
        }
        world.tidal(&wishes[wish]);
        let args: &[&str] = match random.below(5) {
            0 => &["apply", "--resume", "--yes", "--lock-timeout", "5s"],
            1 => &["undo", "--yes", "--lock-timeout", "5s"],
            _ => {
                let said = world.run(&["plan", "--out", "plan.json"]);
                if said.code != 0 || !world.path("plan.json").exists() {
                    continue;
                }
                let digest = digits(&world.saved()).to_owned();
                let args = [
                    "apply",
                    "plan.json",
                    "--approve",
                    &digest,
                    "--lock-timeout",
                    "5s",
                ];
                stopped += usize::from(bother(world, &args, &mut random));
                continue;
            }
        };
        stopped += usize::from(bother(world, args, &mut random));
    }
    stopped
}

/// After all that: one that was never bothered has the same.
fn ends_like(world: &World, calm: &World, shares_drive: bool) {
    world.tidal(&first());
    let mut said = Vec::new();
    for _ in 0..6 {
        // Somebody else's unfinished run is waited for.
        said.push(world.run(&["apply", "--resume", "--yes", "--lock-timeout", "60s"]));
        if world
            .run(&["plan", "--out", "plan.json"])
            .out
            .contains("No changes")
        {
            break;
        }
        let digest = digits(&world.saved()).to_owned();
        said.push(world.run(&[
            "apply",
            "plan.json",
            "--approve",
            &digest,
            "--lock-timeout",
            "60s",
        ]));
    }
    let left = world.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(left.code, 0, "{left:?} after {said:#?}");
    for list in ["House 🇮🇹", "Party", "Deep 🏃"] {
        let (mut found, wanted) = (world.titles(list).unwrap(), calm.titles(list).unwrap());
        if shares_drive {
            // A run that wrote the list's row, died, and was taken back has forgotten what another machine had
            // left there for it: that stands as if the DJ had put it there.
            found.retain(|title| wanted.contains(title));
        }
        assert_eq!(found, wanted, "{list}");
    }
    for list in ["New", "Old", "House 2026 🇮🇹"] {
        assert_eq!(world.titles(list), None, "{list}");
    }
    world.assert_xml_names_every_list();
    world.expect(0, &["db", "check"]);
}

/// The files of the playlists, without their folders: which playlist a track that is in several was filed
/// under first is a matter of what happened. What an undo or a changed wish trashed lies elsewhere.
fn music(world: &World) -> Vec<String> {
    let files = world.files();
    let of_lists = files
        .iter()
        .filter(|path| path.starts_with("Playlists/") && !path.contains(".tidal-cleanup"));
    let mut names: Vec<String> = of_lists
        .filter_map(|path| path.rsplit('/').next())
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

/// `TIDAL_CLEANUP_CHAOS=60` for more than the few rounds of a usual test run.
fn rounds() -> usize {
    let wanted = std::env::var("TIDAL_CLEANUP_CHAOS")
        .ok()
        .and_then(|text| text.parse().ok());
    wanted.unwrap_or(5)
}

#[test]
fn machines_are_killed_and_paused_at_any_moment() {
    let Some(server) = Server::start() else {
        return;
    };
    let url = server.database();
    let calm = World::on_server(&server.database());
    calm.sync_with(&first());
    let studio = World::on_server(&url);
    let club = beside(&studio, &url);
    let elsewhere = World::on_server(&url);
    let own = "own.wav";
    let before: Vec<Vec<u8>> = [&studio, &elsewhere]
        .map(|it| fs::read(it.path("library").join(own)).unwrap())
        .to_vec();
    let seed = std::env::var("TIDAL_CLEANUP_CHAOS_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    let lives = [(studio, seed), (club, seed + 100), (elsewhere, seed + 200)];
    let lives = lives.map(|(world, seed)| {
        thread::spawn(move || {
            let stopped = live(&world, seed, rounds());
            (world, stopped)
        })
    });
    let [studio, club, elsewhere] = lives.map(|life| life.join().unwrap());
    let stopped = studio.1 + club.1 + elsewhere.1;
    let (studio, club, elsewhere) = (studio.0, club.0, elsewhere.0);
    assert!(stopped > 0, "somebody was stopped");
    // A run is its machine's to finish, and the other one waits for that.
    for world in [&studio, &club, &elsewhere] {
        world.run(&["apply", "--resume", "--yes", "--lock-timeout", "60s"]);
    }
    for (world, shares_drive) in [(&studio, true), (&club, true), (&elsewhere, false)] {
        ends_like(world, &calm, shares_drive);
    }
    // The drive's other machine may have had the last word.
    ends_like(&studio, &calm, true);
    assert_eq!(music(&studio), music(&calm));
    assert_eq!(music(&elsewhere), music(&calm));
    for (world, before) in [&studio, &elsewhere].into_iter().zip(before) {
        assert_eq!(fs::read(world.path("library").join(own)).unwrap(), before);
    }
    let name = name_of(&url);
    let count = |sql: &str| server.sql(name, sql).trim().to_owned();
    assert_eq!(
        count("SELECT COUNT(*) FROM applies WHERE status = 'running'"),
        "0"
    );
    assert_eq!(
        count(
            "SELECT COUNT(*) FROM meta AS m WHERE serial < (SELECT COUNT(*) FROM applies AS a WHERE a.library = m.id AND finished_at IS NOT NULL)"
        ),
        "0"
    );
    assert_eq!(
        count(
            "SELECT COUNT(*) FROM sync_operations WHERE status = 'completed' AND pre_image IS NULL"
        ),
        "0"
    );
    tell(stopped);
}

#[expect(
    clippy::print_stderr,
    reason = "for whoever runs many, with --nocapture"
)]
fn tell(stopped: usize) {
    eprintln!("stopped {stopped} times");
}
