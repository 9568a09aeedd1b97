//! `doctor`: what is wrong is found, told with a remedy, and exits with 1.

use std::fs;

use serde_json::Value;

use crate::{
    cmd::Home,
    harness::{Snapshot, World},
};

fn standing(report: &Value, check: &str) -> Option<String> {
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|it| it["check"] == check)?;
    Some(found["standing"].as_str().unwrap().to_owned())
}

fn report(out: &str) -> Value {
    serde_json::from_str(out).unwrap()
}

#[test]
fn a_library_as_it_should_be_is_well() {
    let world = World::usual();
    world.tidal(&Snapshot::new());
    let said = world.run(&["doctor", "--json"]);
    let report = report(&said.out);
    for check in [
        "policy.valid",
        "library.marker",
        "library.permission",
        "state.integrity",
        "rekordbox.readable",
        "tools.downloader",
        "tidal.snapshot",
    ] {
        assert_eq!(
            standing(&report, check).as_deref(),
            Some("fine"),
            "{check}: {said:?}"
        );
    }
    assert_eq!(
        (said.code, report["wrong"].as_u64()),
        (0, Some(0)),
        "{said:?}"
    );
}

#[test]
fn what_is_wrong_is_told_with_a_remedy() {
    let world = World::usual();
    fs::remove_file(world.path("library/.tidal-cleanup/library.toml")).unwrap();
    fs::write(
        world.path("rekordbox/master.db"),
        "this is no database at all",
    )
    .unwrap();
    let said = world.run(&["doctor", "--json"]);
    let report = report(&said.out);
    for check in ["library.marker", "rekordbox.readable", "tidal.snapshot"] {
        assert_eq!(
            standing(&report, check).as_deref(),
            Some("wrong"),
            "{check}: {said:?}"
        );
    }
    let findings = report["findings"].as_array().unwrap();
    let silent = findings
        .iter()
        .filter(|it| it["standing"] == "wrong" && it["remedies"].as_array().unwrap().is_empty());
    assert_eq!(silent.count(), 0, "each says what to do: {said:?}");
    assert_eq!(said.code, 1);
}

#[test]
fn without_a_policy_it_says_how_to_begin() {
    let home = Home::new();
    let ended = home.run(&["doctor"]);
    assert_eq!(ended.code, 1);
    assert!(ended.out.contains("tidal-cleanup init"), "{}", ended.out);
    let left = fs::read_dir(home.path()).unwrap().count();
    assert_eq!(left, 0, "it writes nothing");
}
