//! What holds of the program itself, wherever and however it runs.

use std::fs;

use tidal_cleanup::plan::canonical::{self, canonical};

use crate::harness::{Snapshot, World, collection, digits, files};
use crate::journey::first;

/// A week later: renamed, re-ordered, gone, come, moved.
fn later() -> Snapshot {
    Snapshot::new()
        .list('a', "House 2026 🇮🇹", "4 0! 1 2 8")
        .list('b', "Party", "7 2 5 6 11")
        .list('d', "Gece Ⅰıİi", "12 0!")
}

fn planned(world: &World, variables: &[(&str, &str)]) -> (String, String) {
    let args = ["plan", "--out", "plan.json", "--as-of", "2026-11-22"];
    let said = world.run_with(&args, variables);
    assert_eq!(said.code, 0, "{variables:?}: {}", said.err);
    let plan = world.saved();
    (plan.digest.clone(), canonical(&plan.body))
}

/// I7: time zone, language and the number of threads change no byte of a plan.
#[test]
fn neither_zone_nor_language_nor_threads_change_a_plan() {
    let world = World::usual();
    world.sync_with(&first());
    world.tidal(&later());
    let plain = planned(&world, &[]);
    for [zone, language, threads] in [
        ["Asia/Tokyo", "ja_JP.UTF-8", "1"],
        ["America/St_Johns", "tr_TR.ISO-8859-9", "7"],
        ["Nowhere/Unknown", "C", "2"],
    ] {
        let variables = [
            ("TZ", zone),
            ("LANG", language),
            ("LC_ALL", language),
            ("RAYON_NUM_THREADS", threads),
        ];
        assert_eq!(planned(&world, &variables), plain, "{variables:?}");
    }
}

/// I2: an exit code that promises it leaves every file, row and run as it was.
#[test]
fn codes_that_promise_it_change_nothing() {
    let world = World::usual();
    world.sync_with(&first());
    world.rate_title("Title 3", 4);
    world.tidal(&later());
    let plan = world.plan(3);
    let mut edited = plan.clone();
    edited.body.actions.pop();
    let path = world.path("edited.json");
    fs::write(path, canonical::to_json(&edited)).expect("it can be written");
    let digits = digits(&plan);
    let (tree, rows) = (world.tree(), world.rows());
    let runs = || world.expect(0, &["history", "--json"]).out;
    let known = runs();
    let check = |code, args: &[&str]| {
        world.expect(code, args);
        files::assert_same(&world.tree(), &tree);
        collection::assert_same(&world.rows(), &rows);
        assert_eq!(runs(), known, "{args:?}");
    };
    check(3, &["plan", "--detailed-exitcode"]);
    check(3, &["db", "sync", "--check"]);
    check(4, &["apply", "edited.json", "--approve", digits]);
    check(9, &["apply", "plan.json"]);
    check(9, &["apply", "plan.json", "--yes"]);
    check(64, &["apply", "plan.json", "--everything"]);
    check(64, &["plan", "--allow", "remove=9"]);
    world.expect(0, &["freeze", "--until", "3d"]);
    check(5, &["apply", "plan.json", "--approve", digits]);
    world.expect(0, &["freeze", "--off"]);
    // The policy was edited since: the plan is stale.
    world.write_policy("# another remark");
    check(4, &["apply", "plan.json", "--approve", digits]);
}
