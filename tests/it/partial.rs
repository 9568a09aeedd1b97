//! A plan is carried out in part: by class, pattern, playlist, and as a person reviewed it.

use std::fs;

use tidal_cleanup::{
    cli::view::{Look, plan::why},
    plan::{Plan, canonical, document::Effect},
};

use crate::harness::{Snapshot, World, titled};
use crate::journey::first;

fn planned() -> (World, Plan) {
    let world = World::usual();
    world.tidal(&first());
    let plan = world.plan(2);
    (world, plan)
}

#[test]
fn only_a_playlist_and_what_it_needs() {
    let (world, _) = planned();
    let said = world.expect(0, &["apply", "plan.json", "--yes", "--playlist", "party"]);
    assert!(said.err.contains("left out"), "{}", said.err);
    let mut calls = world.calls();
    calls.sort();
    // Track 2 lives in the folder of another list, which was not asked for; the track was.
    assert_eq!(calls, ["1002", "1005", "1006", "1007"]);
    assert_eq!(world.titles("Party"), titled("2 5 6 5 7"));
    assert_eq!(world.titles("House 🇮🇹"), None);
    // The rest is still to be done.
    world.sync();
    world.assert_settled();
}

#[test]
fn kinds_and_patterns_are_left_out_with_what_follows_them() {
    let (world, _) = planned();
    let words = [
        "apply",
        "plan.json",
        "--yes",
        "--exclude",
        "*Title 1*",
        "--exclude",
        "rb.*",
    ];
    world.expect(0, &words);
    let calls = world.calls();
    assert!(
        !calls.contains(&"1001".to_owned()) && !calls.contains(&"1010".to_owned()),
        "{calls:?}"
    );
    assert!(calls.contains(&"1002".to_owned()));
    assert_eq!(world.titles("Party"), None);
    let (world, _) = planned();
    let said = world.expect(
        1,
        &[
            "apply",
            "plan.json",
            "--yes",
            "--exclude",
            "nothing like it",
        ],
    );
    assert!(said.err.contains("fits no action"), "{}", said.err);
    world.expect(64, &["apply", "plan.json", "--only", "everything"]);
    assert_eq!(world.calls(), [""; 0]);
    world.expect(0, &["apply", "plan.json", "--yes", "--only", "file.fetch"]);
    assert_eq!(world.titles("Party"), None);
}

#[test]
fn an_approval_is_of_plan_and_review() {
    let (world, plan) = planned();
    let digest = &plan.digest[7..15];
    world.expect(9, &["approve", "plan.json"]);
    world.expect(4, &["approve", "plan.json", "0123456789"]);
    world.expect(0, &["approve", "plan.json", digest]);
    // Somebody leaves out another download by hand.
    let mut edited = world.saved();
    assert!(canonical::is_approved(&edited));
    let mut actions = plan.body.actions.iter();
    let fetch = actions.find(|action| matches!(action.effect, Effect::FileFetch { .. }));
    let fetch = &fetch.expect("there are downloads").id;
    edited
        .review
        .as_mut()
        .expect("it was approved")
        .exclude
        .push(fetch.clone());
    let approved = fs::read(world.path("plan.json")).expect("it is there");
    fs::write(world.path("plan.json"), canonical::to_json(&edited)).expect("it can be written");
    let said = world.expect(9, &["apply", "plan.json"]);
    assert!(
        said.err.contains("approval in this plan is void"),
        "{}",
        said.err
    );
    assert_eq!(world.calls(), [""; 0]);
    fs::write(world.path("plan.json"), approved).expect("it can be written");
    world.expect(0, &["apply", "plan.json"]);
    world.assert_settled();
}

#[test]
fn two_plans_are_compared() {
    let (world, _) = planned();
    fs::rename(world.path("plan.json"), world.path("old.json")).expect("it is there");
    let said = world.expect(0, &["plan", "--diff", "old.json"]);
    assert!(said.out.contains("say the same"), "{}", said.out);
    world.tidal(&first().list('d', "New", "12"));
    let said = world.expect(0, &["plan", "--diff", "old.json"]);
    assert!(
        said.out.contains("Appeared") && said.out.contains("Title 12"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("Made from other inputs: TIDAL."),
        "{}",
        said.out
    );
    let said = world.expect(0, &["plan", "--diff", "old.json", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&said.out).expect("it is JSON");
    assert_eq!(json["format"], "tidal-cleanup/plan-difference");
    assert_eq!(json["vanished"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_plan_without_names_has_none_and_is_not_applied() {
    let (world, _) = planned();
    for form in ["--json", "--markdown", "--tree", "-v"] {
        let said = world.expect(0, &["show", "plan.json", "--redact", form]);
        for name in ["House 🇮🇹", "Party", "Artist", "Title 1"] {
            assert!(!said.out.contains(name), "{form}: {name} in {}", said.out);
        }
    }
    let said = world.expect(0, &["show", "plan.json", "--redact", "--json"]);
    fs::write(world.path("redacted.json"), said.out).expect("it can be written");
    world.expect(4, &["apply", "redacted.json", "--yes"]);
}

#[test]
fn every_row_names_its_rule_its_place_and_what_was_seen() {
    let world = World::usual();
    world.sync_with(&first());
    world.tidal(
        &Snapshot::new()
            .list('a', "House 2026 🇮🇹", "4 0! 1 2 3 8")
            .list('b', "Party", "7 2 5 6 11")
            .list('c', "Deep 🏃", "2 10")
            .list('d', "New", "12 0!"),
    );
    let plan = world.plan(2);
    let look = Look::plain();
    let page = |id: &str| why(&plan, id, &look).map(|page| page.to_string());
    for action in &plan.body.actions {
        let page = page(action.id.as_str()).expect("an id names one action");
        let kind = action.effect.kind();
        let named = page.contains("rule ") || page.contains("setting [");
        assert!(named && !action.why.text.is_empty(), "{kind}: {page}");
        // What follows from other rows rests on them and sees nothing of its own.
        let rests = !action.depends_on.is_empty()
            || kind.starts_with("state.")
            || kind.starts_with("rb.mytag");
        assert!(
            page.contains("seen ") || rests || kind == "file.link" || kind.starts_with("rb."),
            "{kind}: {page}"
        );
    }
    for held in &plan.body.held {
        assert!(
            !held.gate.is_empty() && !held.rule.is_empty() && !held.text.is_empty(),
            "{held:?}"
        );
    }
}
