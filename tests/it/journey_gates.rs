//! Absence is no removal: what stops a plan that would take too much.

use std::fs;

use tidal_cleanup::{
    domain::{ChangeKind, Class, RekordboxSchema},
    plan::{Plan, document::CheckStatus},
};

use crate::{
    harness::{Setup, Snapshot, World, collection, digits, files, gate, kinds, titled},
    journey::first,
};

fn takes_away(plan: &Plan) -> bool {
    let mut actions = plan.body.actions.iter();
    actions.any(|action| matches!(action.class, Class::Remove | Class::Destructive))
}

/// Neither lists nor files nor places nor MyTags: what was not read may still be so.
#[test]
fn an_unfinished_reading_takes_nothing_away() {
    let world = World::usual();
    world.sync_with(&first());
    let (tree, rows) = (world.tree(), world.rows());
    let partly = |entries| Snapshot::new().list('a', "House 🇮🇹", entries).incomplete();
    world.tidal(&partly("0 1 2 3 4"));
    let plan = world.plan(0);
    assert!(plan.body.actions.is_empty(), "{:#?}", plan.body.actions);
    assert!(!kinds(&plan).contains(&ChangeKind::PlaylistRemoved));
    assert!(!plan.body.held.is_empty());
    assert!(plan.body.held.iter().all(|held| held.gate == "TC103"));
    world.expect(0, &["apply", "plan.json", "--approve", digits(&plan)]);
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
    world.tidal(&partly("0 1 2 3 4 11"));
    assert!(!takes_away(&world.plan(3)));
    world.expect(0, &["apply", "plan.json", "--yes"]);
    assert_eq!(world.titles("House 🇮🇹"), titled("0 1 2 3 4 11"));
    assert_eq!(world.titles("Deep 🏃"), titled("8 9 2 10"));
}

#[test]
fn a_torn_playlist_loses_nothing() {
    let world = World::usual();
    world.sync_with(&first());
    let (tree, rows) = (world.tree(), world.rows());
    world.tidal(
        &Snapshot::new()
            .list('a', "House 🇮🇹", "0 1 2 3 4")
            .list('c', "Deep 🏃", "8 9 2 10")
            .list('b', "Party", "2")
            .torn(),
    );
    let plan = world.plan(0);
    assert!(!takes_away(&plan), "{plan:#?}");
    assert!(
        plan.body
            .held
            .iter()
            .any(|held| held.gate.contains("TC103")),
        "{:#?}",
        plan.body.held
    );
    world.run(&["apply", "plan.json", "--approve", digits(&plan)]);
    assert_eq!(world.titles("Party").map(|titles| titles.len()), Some(5));
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
}

#[test]
fn a_library_without_its_marker_is_not_touched() {
    let world = World::usual();
    world.tidal(&first());
    world.plan(2);
    let marker = world.path("library/.tidal-cleanup/library.toml");
    let kept = fs::read(&marker).unwrap();
    fs::remove_file(&marker).unwrap();
    for args in [
        &["plan"][..],
        &["apply", "plan.json", "--yes"],
        &["apply", "--yes"],
    ] {
        let said = world.expect(5, args);
        assert!(said.err.contains("TC101"), "{}", said.err);
    }
    assert_eq!(world.calls(), [""; 0]);
    fs::write(&marker, kept).unwrap();
    world.expect(0, &["apply", "plan.json", "--yes"]);
}

#[test]
fn too_many_removals_need_a_reason() {
    let world = World::new(Setup {
        rekordbox: Some(RekordboxSchema::V7),
        more: "[safety]\nmax_remove = { count = 2, percent = 100 }\n\
               max_remove_per_playlist = { percent = 100, min = 10 }",
        ..Setup::default()
    });
    world.sync_with(&first());
    let (tree, rows) = (world.tree(), world.rows());
    world.tidal(
        &Snapshot::new()
            .list('a', "House 🇮🇹", "0 1 2 3 4")
            .list('b', "Party", "2")
            .list('c', "Deep 🏃", "8 9 2 10"),
    );
    world.expect(5, &["plan", "--out", "plan.json"]);
    let plan = world.saved();
    assert_eq!(gate(&plan, "TC201").status, CheckStatus::Refuse);
    let said = world.expect(5, &["apply", "plan.json", "--approve", digits(&plan)]);
    assert!(said.err.contains("TC201"), "{}", said.err);
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
    world.expect(64, &["plan", "--allow", "remove=9"]);
    world.expect(
        2,
        &[
            "plan",
            "--out",
            "plan.json",
            "--detailed-exitcode",
            "--allow",
            "remove=9",
            "--because",
            "the party is over",
        ],
    );
    let plan = world.saved();
    world.expect(0, &["apply", "plan.json", "--approve", digits(&plan)]);
    world.assert_settled();
    assert!(gate(&plan, "TC201").text.contains("the party is over"));
}
