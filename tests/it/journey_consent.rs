//! Who may say yes to what, and which plans are refused.

use std::fs;

use crate::{
    harness::{Snapshot, World, collection, digits, files},
    journey::first,
};

/// After the first apply, TIDAL takes a track away.
fn removal() -> World {
    let world = World::usual();
    world.sync_with(&first());
    world.tidal(
        &Snapshot::new()
            .list('a', "House 🇮🇹", "0 1 2 3 4")
            .list('b', "Party", "2 5 6 5 7")
            .list('c', "Deep 🏃", "8 2 10"),
    );
    world
}

#[test]
fn yes_covers_no_more_than_additions() {
    let world = removal();
    let (tree, rows) = (world.tree(), world.rows());
    let plan = world.plan(2);
    world.expect(9, &["apply", "plan.json", "--yes"]);
    world.expect(9, &["apply", "--yes"]);
    world.expect(9, &["apply", "plan.json"]);
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
    world.expect(0, &["apply", "plan.json", "--approve", digits(&plan)]);
    world.assert_settled();
}

#[test]
fn approval_is_of_one_plan_only() {
    let world = removal();
    let tree = world.tree();
    world.plan(2);
    let said = world.run(&["apply", "plan.json", "--approve", "0123456789"]);
    assert!([4, 9].contains(&said.code), "{said:?}");
    assert!(world.tree() == tree);
}

#[test]
fn an_applied_plan_is_refused() {
    let world = World::usual();
    world.tidal(&first());
    let plan = world.plan(2);
    world.expect(0, &["apply", "plan.json", "--yes"]);
    let (tree, rows) = (world.tree(), world.rows());
    world.expect(4, &["apply", "plan.json", "--yes"]);
    world.expect(4, &["apply", "plan.json", "--approve", digits(&plan)]);
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
}

#[test]
fn an_edited_plan_is_refused() {
    let world = World::usual();
    world.tidal(&first());
    world.plan(2);
    let text = fs::read_to_string(world.path("plan.json")).unwrap();
    fs::write(world.path("plan.json"), text.replacen("Party", "Pasta", 1)).unwrap();
    world.expect(4, &["apply", "plan.json", "--yes"]);
    assert_eq!(world.calls(), [""; 0]);
}

#[test]
fn a_plan_made_from_another_policy_is_refused() {
    let world = World::usual();
    world.tidal(&first());
    world.plan(2);
    world.write_policy("# another thought");
    world.expect(4, &["apply", "plan.json", "--yes"]);
    assert_eq!(world.calls(), [""; 0]);
}

#[test]
fn a_plan_that_the_files_left_behind_is_refused() {
    let world = removal();
    let plan = world.plan(2);
    let gone = world
        .files()
        .into_iter()
        .find(|file| file.contains("Title 9."))
        .unwrap();
    fs::write(world.path("library").join(gone), "the DJ's own work").unwrap();
    let (tree, rows) = (world.tree(), world.rows());
    world.expect(4, &["apply", "plan.json", "--approve", digits(&plan)]);
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
}

#[test]
fn an_excluded_action_is_not_done() {
    let world = World::usual();
    world.tidal(&first());
    let plan = world.plan(2);
    let mut actions = plan.body.actions.iter();
    let fetch = actions
        .find(|action| action.subject.label.contains("Title 10"))
        .unwrap();
    let said = world.run(&[
        "apply",
        "plan.json",
        "--yes",
        "--exclude",
        fetch.id.as_str(),
    ]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!world.calls().contains(&"1010".to_owned()));
    let next = world.plan(2);
    assert!(next.body.actions.iter().any(|action| action.id == fetch.id));
}
