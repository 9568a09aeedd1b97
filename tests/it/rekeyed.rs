//! A playlist that got a new UUID in TIDAL goes on as what it was (`[[moved]]`).

#![expect(
    clippy::unwrap_used,
    reason = "a world that cannot be looked at fails the test"
)]

use tidal_cleanup::{
    domain::{NodeId, NodeKind},
    plan::{Plan, document::Action},
};

use crate::harness::{Snapshot, World, collection, digits, files, titled, uuid};

/// Two lists that share a track; then TIDAL has the first under another id.
fn moved() -> World {
    let world = World::usual();
    world.sync_with(&lists('a', "House", "0 1 2"));
    world.assert_settled();
    world.rate_title("Title 1", 5);
    let (from, to) = (uuid('a'), uuid('n'));
    world.write_policy(&format!("[[moved]]\nfrom = {from:?}\nto = {to:?}\n"));
    world.tidal(&lists('n', "House", "0 1 2"));
    world
}

fn lists(id: char, name: &str, entries: &str) -> Snapshot {
    Snapshot::new()
        .list(id, name, entries)
        .list('b', "Party", "2 5")
}

fn node(world: &World, name: &str) -> NodeId {
    let collection = world.collection();
    let mut nodes = collection.nodes.values();
    let node = nodes.find(|node| node.name == name && node.kind == NodeKind::List);
    node.unwrap().id.clone()
}

fn kinds(plan: &Plan) -> Vec<&'static str> {
    let kind = |action: &Action| action.effect.kind();
    plan.body.actions.iter().map(kind).collect()
}

#[test]
fn a_list_keeps_everything_under_its_new_id() {
    let world = moved();
    let (tree, rows, calls) = (world.tree(), world.rows(), world.calls());
    let house = node(&world, "House");
    let plan = world.plan(2);
    assert_eq!(kinds(&plan), ["state.move"]);
    assert_eq!(plan.body.changes, []);
    let why = &plan.body.actions[0].why;
    assert!(why.at.starts_with("tidal-cleanup.toml:"), "{why:?}");
    assert!(why.evidence.iter().any(|fact| fact.contains(&uuid('a'))));
    let shown = world.expect(0, &["show", "plan.json"]);
    assert!(shown.out.contains("> House"), "{}", shown.out);
    world.expect(0, &["apply", "plan.json", "--approve", digits(&plan)]);
    world.assert_settled();
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
    // From now on TIDAL is followed under the new id.
    world.sync_with(&lists('n', "House 2026", "0 1 2 6"));
    world.assert_settled();
    assert_eq!(node(&world, "House 2026"), house);
    assert_eq!(world.titles("House 2026"), titled("0 1 2 6"));
    assert_eq!(world.calls().len(), calls.len() + 1);
    world.expect(0, &["undo", "--yes"]);
    world.expect(0, &["undo", "--yes"]);
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
    world.tidal(&lists('n', "House", "0 1 2"));
    assert_eq!(kinds(&world.plan(2)), ["state.move"]);
}

/// What is new under the new id waits for the move, and is left out with it.
#[test]
fn what_is_done_for_the_list_waits_for_its_move() {
    let world = moved();
    let house = node(&world, "House");
    world.tidal(&lists('n', "House 2026", "1 0 6"));
    let plan = world.plan(2);
    let ids: Vec<_> = plan.body.actions.iter().map(|action| &action.id).collect();
    assert_eq!(plan.body.actions[0].effect.kind(), "state.move");
    for action in &plan.body.actions[1..] {
        let of_list = action
            .playlist
            .as_ref()
            .is_some_and(|id| id.as_str() == uuid('n'));
        assert_eq!(action.depends_on.contains(ids[0]), of_list, "{action:?}");
    }
    let approved = ["apply", "plan.json", "--approve", digits(&plan)];
    // Track 2 goes to the other list whatever becomes of this one.
    world.expect(0, &[&approved[..], &["--exclude", "state.move"]].concat());
    assert_eq!(world.titles("House").map(|titles| titles.len()), Some(3));
    world.sync();
    world.assert_settled();
    assert_eq!(node(&world, "House 2026"), house);
    assert_eq!(world.titles("House 2026"), titled("1 0 6"));
}

/// That the old list is gone is only known from a whole reading: until then the new one waits, and is
/// not made beside the old one.
#[test]
fn a_torn_reading_moves_nothing() {
    let world = moved();
    let (tree, rows) = (world.tree(), world.rows());
    world.tidal(&lists('n', "House 2026", "0 1 2 6").incomplete());
    let plan = world.plan(0);
    assert_eq!(kinds(&plan), [""; 0]);
    let mut held = plan.body.held.iter();
    let held = held.find(|held| held.would == "would keep under its new id");
    assert_eq!(held.unwrap().gate, "TC103");
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
    // It still stands there: nothing moved, and the second list is a new one.
    let both = lists('n', "House 2", "7").list('a', "House", "0 1 2");
    world.sync_with(&both);
    world.assert_settled();
    assert_eq!(world.titles("House"), titled("0 1 2"));
    assert_eq!(world.titles("House 2"), titled("7"));
}
