//! Gates that ask for a person's leave, each through the real program: refused or held with its numbers,
//! and let through once by exactly the override that it names.

use std::fs;

use tidal_cleanup::{domain::Class, plan::document::CheckStatus};

use crate::{
    harness::{BOLD, Setup, Snapshot, World, digits, gate},
    journey::first,
};

/// The first reading without track 3.
fn less() -> Snapshot {
    Snapshot::new()
        .list('a', "House 🇮🇹", "0 1 2 4")
        .list('b', "Party", "2 5 6 5 7")
        .list('c', "Deep 🏃", "8 9 2 10")
}

const BECAUSE: [&str; 2] = ["--because", "it is meant"];

fn with<'a>(args: &[&'a str], allow: &'a str) -> Vec<&'a str> {
    [args, &["--allow", allow], &BECAUSE].concat()
}

fn trashes(world: &World) -> usize {
    let plan = world.saved();
    let kind = |action: &&_| {
        let action: &tidal_cleanup::plan::document::Action = action;
        action.effect.kind() == "file.trash"
    };
    plan.body.actions.iter().filter(kind).count()
}

#[test]
fn a_freeze_by_hand_is_honoured_until_it_is_lifted() {
    let world = World::usual();
    world.sync_with(&first());
    let said = world.expect(0, &["freeze"]);
    assert!(said.out.contains("No freeze"), "{}", said.out);
    world.expect(64, &["freeze", "--until", "soon"]);
    world.expect(1, &["freeze", "--until", "2020-01-01"]);
    world.expect(0, &["freeze", "--until", "3d", "--because", "the festival"]);
    let said = world.expect(0, &["status"]);
    assert!(
        said.out.contains("Frozen") && said.out.contains("the festival"),
        "{}",
        said.out
    );
    world.tidal(&less());
    let said = world.expect(0, &["plan", "--out", "plan.json"]);
    assert!(
        said.err.contains("TC501") && said.err.contains("--allow freeze="),
        "{}",
        said.err
    );
    let plan = world.saved();
    let approve = ["apply", "plan.json", "--approve", digits(&plan)];
    let said = world.expect(5, &approve);
    assert!(
        said.err.contains("TC501") && said.err.contains("the festival"),
        "{}",
        said.err
    );
    let waiting = plan
        .body
        .actions
        .iter()
        .filter(|action| action.class != Class::Additive)
        .count();
    assert!(
        said.err
            .contains(&format!("--allow freeze={waiting} --because")),
        "{}",
        said.err
    );
    world.expect(5, &with(&approve, &format!("freeze={}", waiting - 1)));
    world.expect(0, &with(&approve, &format!("freeze={waiting}")));
    // Additions go on.
    world.tidal(&less().list('d', "New", "11"));
    world.plan(2);
    world.expect(0, &["apply", "plan.json", "--yes"]);
    world.expect(0, &["freeze", "--off"]);
    let said = world.expect(0, &["status"]);
    assert!(!said.out.contains("Frozen"), "{}", said.out);
}

#[test]
fn a_protection_that_is_taken_out_holds_for_one_apply_more() {
    let more = "[safety]\nwork_at_risk = \"allow\"\nmax_remove = { count = 50, percent = 100 }\n\
                max_remove_per_playlist = { percent = 100, min = 10 }\n[defaults]\ntrack_removed = \"trash\"\n";
    let world = World::new(Setup {
        more,
        ..Setup::default()
    });
    let protect =
        "[[protect]]\nname = \"titles\"\nwhen = { track.title = \"Title 3\" }\ndeny = \"trash\"\n";
    world.write_policy(protect);
    world.sync_with(&first());
    world.tidal(&less());
    let plan = world.plan(3);
    assert_eq!(gate(&plan, "TC301").value, Some(1));
    assert_eq!(trashes(&world), 0);
    // Taken out, and the list's entry goes: the file is held once more.
    world.write_policy("");
    let plan = world.plan(3);
    let check = gate(&plan, "TC302");
    assert_eq!((check.value, check.status), (Some(1), CheckStatus::Hold));
    assert!(
        check.text.contains("--allow unprotect=1 --because"),
        "{}",
        check.text
    );
    assert_eq!(
        plan.body
            .held
            .iter()
            .filter(|held| held.gate == "TC302")
            .count(),
        1
    );
    let args = ["plan", "--out", "plan.json"];
    world.expect(0, &with(&args, "unprotect=1"));
    assert_eq!(gate(&world.saved(), "TC302").status, CheckStatus::Allowed);
    assert_eq!(trashes(&world), 1);
    world.expect(0, &args);
    world.expect(
        0,
        &["apply", "plan.json", "--approve", digits(&world.saved())],
    );
    // Now it has been one apply.
    world.plan(2);
    assert_eq!(trashes(&world), 1);
    // An apply with nothing to do counts as one, too.
    world.write_policy(protect);
    world.expect(0, &["apply", "--yes"]);
    world.write_policy("");
    // What is only held leaves nothing to do.
    let plan = world.plan(0);
    assert_eq!(gate(&plan, "TC302").value, Some(1));
    world.expect(0, &["apply", "--yes"]);
    world.plan(2);
}

#[test]
fn the_djs_work_is_asked_for_by_number() {
    let world = World::usual();
    world.sync_with(&first());
    world.rate_title("Title 3", 4);
    world.tidal(&less());
    world.plan(3);
    let check = gate(&world.saved(), "TC303").clone();
    assert_eq!((check.value, check.status), (Some(1), CheckStatus::Hold));
    assert!(
        check.text.contains("--allow work=1 --because"),
        "{}",
        check.text
    );
    assert_eq!(trashes(&world), 0);
    let args = ["plan", "--out", "plan.json"];
    world.expect(0, &with(&args, "work=1"));
    assert_eq!(trashes(&world), 1);
    world.write_policy("");
    fs::write(
        world.path("tidal-cleanup.toml"),
        fs::read_to_string(world.path("tidal-cleanup.toml"))
            .unwrap()
            .replace("[safety]\n", "[safety]\nwork_at_risk = \"deny\"\n"),
    )
    .unwrap();
    world.expect(0, &with(&args, "work=1"));
    assert_eq!(trashes(&world), 0);
    let check = gate(&world.saved(), "TC303").clone();
    assert!(
        check.text.contains("deny") && !check.text.contains("--allow"),
        "{}",
        check.text
    );
}

#[test]
fn a_mounted_export_is_ejected_first() {
    let world = World::usual();
    world.tidal(&first());
    world.plan(2);
    let mark = world.path("home/volumes/STICK/PIONEER/rekordbox/export.pdb");
    fs::create_dir_all(mark.parent().unwrap()).unwrap();
    fs::write(&mark, "").unwrap();
    let volumes = world.path("home/volumes").display().to_string();
    let run = |args: &[&str]| world.run_with(args, &[("TIDAL_CLEANUP_VOLUMES", &volumes)]);
    let said = run(&["apply", "plan.json", "--yes"]);
    assert_eq!(said.code, 5, "{}", said.err);
    assert!(
        said.err.contains("TC503")
            && said.err.contains("STICK")
            && said.err.contains("--allow usb=1"),
        "{}",
        said.err
    );
    let said = run(&with(&["apply", "plan.json", "--yes"], "usb=1"));
    assert_eq!(said.code, 0, "{}", said.err);
}

#[test]
fn nothing_stays_undecided_where_that_is_asked_for() {
    let world = World::new(Setup {
        more: BOLD,
        ..Setup::default()
    });
    world.tidal(&first());
    world.expect(0, &["plan", "--require-decisions", "--out", "plan.json"]);
    assert_eq!(gate(&world.saved(), "TC701").status, CheckStatus::Pass);
    world.expect(0, &["apply", "plan.json", "--yes", "--require-decisions"]);
}

#[test]
fn removals_add_up_over_runs() {
    let world = World::new(Setup {
        more: "[safety]\nrolling = { count = 2, window = \"7d\" }\nmax_remove = { count = 50, percent = 100 }\n\
               max_remove_per_playlist = { percent = 100, min = 10 }",
        ..Setup::default()
    });
    let list = |entries| Snapshot::new().list('a', "House", entries);
    world.sync_with(&list("0 1 2 3 4 5"));
    world.sync_with(&list("0 1 2 3 4"));
    world.sync_with(&list("0 1 2 3"));
    world.tidal(&list("0 1 2"));
    world.expect(5, &["plan", "--out", "plan.json"]);
    let check = gate(&world.saved(), "TC203").clone();
    assert_eq!((check.value, check.limit), (Some(3), Some(2)), "{check:?}");
    assert!(
        check.text.contains("--allow remove=1 --because"),
        "{}",
        check.text
    );
    world.expect(
        5,
        &["apply", "plan.json", "--approve", digits(&world.saved())],
    );
    world.expect(0, &with(&["plan", "--out", "plan.json"], "remove=1"));
    world.expect(
        0,
        &["apply", "plan.json", "--approve", digits(&world.saved())],
    );
}

#[test]
fn the_first_apply_on_a_library_only_adds() {
    let world = World::usual();
    // The state remembers a playlist from before, as after an adoption, and nothing was applied yet.
    world.tidal(&first());
    let plan = world.plan(2);
    let additive = |class| matches!(class, Class::Additive | Class::Change | Class::Move);
    assert!(
        plan.body
            .actions
            .iter()
            .all(|action| additive(action.class))
    );
}
