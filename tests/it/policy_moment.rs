//! Gates of the moment at apply, through the real program: Rekordbox that runs (TC502), and a library's
//! volume that has no room (TC601).
//!
//! A process of that name would be seen by every test on the machine, so the program is shown a folder
//! where `/proc` is.

#![expect(
    clippy::unwrap_used,
    reason = "a world that cannot be looked at fails the test"
)]

use std::fs;

use crate::{
    crash::shim,
    harness::{Said, Snapshot, World, collection, digits, files},
};

fn two() -> Snapshot {
    Snapshot::new()
        .list('a', "House 🇮🇹", "0 1")
        .list('b', "Party", "1 2")
}

fn three() -> Snapshot {
    Snapshot::new()
        .list('a', "House 2026 🇮🇹", "0 1")
        .list('b', "Party", "1 3")
}

/// The machine's processes: `init`, and those of these names.
fn processes(world: &World, names: &[&str]) {
    _ = fs::remove_dir_all(world.path("proc"));
    fs::create_dir(world.path("proc")).unwrap();
    let own = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, rest) = own.rsplit_once(") ").unwrap();
    // Whatever this test's thread does at the moment, those sleep.
    let (_, rest) = rest.split_once(' ').unwrap();
    for (number, name) in ["init"].iter().chain(names).enumerate() {
        let folder = world.path(&format!("proc/{}", number + 1));
        fs::create_dir(&folder).unwrap();
        let stat = format!("{} ({name}) S {rest}", number + 1);
        fs::write(folder.join("stat"), stat).unwrap();
    }
}

fn run(world: &World, args: &[&str]) -> Said {
    let mut command = world.command(args);
    shim::see_processes(&mut command, &world.path("proc"));
    Said::from(command.output().unwrap())
}

#[track_caller]
fn expect(world: &World, code: i32, args: &[&str]) -> Said {
    let said = run(world, args);
    assert_eq!(said.code, code, "{args:?} {said:?}");
    said
}

#[test]
fn nothing_is_applied_while_rekordbox_runs() {
    let world = World::usual();
    world.sync_with(&two());
    world.tidal(&three());
    let plan = world.plan(2);
    let (tree, rows) = (world.tree(), world.rows());
    let apply = ["apply", "plan.json", "--approve", digits(&plan)];
    for names in [&["rekordbox"][..], &["rekordboxAgent", "rekordbox"]] {
        processes(&world, names);
        let said = expect(&world, 5, &apply);
        assert!(
            names
                .iter()
                .all(|name| said.err.contains(name) && said.err.contains("TC502")),
            "{said:?}"
        );
        // There is no override: Rekordbox would write over what is written.
        let allow = ["--allow", "rekordbox=1", "--because", "it is meant"];
        expect(&world, 64, &[&apply[..], &allow].concat());
        files::assert_same(&world.tree(), &tree);
        collection::assert_same(&world.rows(), &rows);
    }
    // A machine whose processes cannot be listed may run anything.
    fs::remove_dir_all(world.path("proc")).unwrap();
    fs::create_dir(world.path("proc")).unwrap();
    let said = expect(&world, 5, &apply);
    assert!(said.err.contains("cannot be told"), "{said:?}");
    files::assert_same(&world.tree(), &tree);
    // Looking is allowed, and so is what leaves Rekordbox alone.
    processes(&world, &["rekordbox"]);
    let said = expect(&world, 0, &["plan", "--out", "plan.json"]);
    assert!(said.err.contains("TC502"), "{said:?}");
    expect(&world, 0, &["status"]);
    processes(&world, &["rekordbox2", "my rekordbox"]);
    expect(&world, 0, &apply);
    world.assert_settled();
}

/// Started while files come: Rekordbox's rows stay as they are, and the rest waits for its end.
#[test]
fn a_rekordbox_that_is_started_meanwhile_is_not_written_under() {
    let world = World::usual();
    world.sync_with(&two());
    world.tidal(&three());
    let plan = world.plan(2);
    let (tree, rows) = (world.tree(), world.rows());
    processes(&world, &["rekordbox"]);
    fs::rename(world.path("proc"), world.path("busy")).unwrap();
    processes(&world, &[]);
    world.write_downloader("cp -r busy/2 proc/\ncp \"$1/$2.wav\" \"$3/\"");
    let apply = ["apply", "plan.json", "--approve", digits(&plan)];
    let said = expect(&world, 7, &apply);
    assert!(said.err.contains("Rekordbox is running"), "{said:?}");
    collection::assert_same(&world.rows(), &rows);
    // Rekordbox still names the old places, so there they are.
    let now = world.tree();
    for file in tree.keys().filter(|file| !file.ends_with(".m3u8")) {
        assert!(now.contains_key(file), "{file}");
    }
    expect(&world, 5, &["apply", "--resume", "--yes"]);
    collection::assert_same(&world.rows(), &rows);
    processes(&world, &[]);
    expect(&world, 0, &["apply", "--resume", "--yes"]);
    world.assert_settled();
    expect(&world, 0, &["undo", "--yes"]);
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
}

#[test]
fn nothing_is_applied_that_the_volume_has_no_room_for() {
    let world = World::usual();
    world.sync_with(&two());
    world.tidal(&three());
    // A track of sixty years is larger than any disk.
    let path = world.path("tidal.json");
    let text = fs::read_to_string(&path).unwrap();
    let (before, new) = text.split_at(text.rfind("\"duration_s\":1").unwrap());
    let new = new.replacen("\"duration_s\":1", "\"duration_s\":2000000000", 1);
    assert!(new.contains("Title 3"), "{new}");
    fs::write(&path, format!("{before}{new}")).unwrap();
    let (tree, rows) = (world.tree(), world.rows());
    let said = world.expect(0, &["plan", "--out", "plan.json"]);
    assert!(said.err.contains("TC601"), "{said:?}");
    let plan = world.saved();
    let apply = ["apply", "plan.json", "--approve", digits(&plan)];
    let said = world.expect(5, &apply);
    assert!(
        said.err.contains("TC601") && said.err.contains("GB are needed"),
        "{said:?}"
    );
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
    assert_eq!(world.calls().len(), 3);
    // What needs no room is done without the download.
    world.expect(0, &[&apply[..], &["--exclude", "file.fetch"]].concat());
    assert!(world.titles("House 2026 🇮🇹").is_some());
    assert_eq!(world.calls().len(), 3);
}
