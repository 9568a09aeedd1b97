//! `init` without a terminal: what flags say stands in the policy, and a first plan follows.

use std::fs;

use crate::{cmd::Home, harness::Snapshot};

fn reading(home: &Home) {
    let reading = Snapshot::new().list('a', "House", "1 2").json();
    fs::write(home.path().join("tidal.json"), reading).unwrap();
}

#[test]
fn a_policy_a_marker_and_a_first_plan() {
    let home = Home::new();
    reading(&home);
    let words = [
        "init",
        "--yes",
        "--library",
        "Music",
        "--snapshot",
        "tidal.json",
        "--download",
        "fetch '{url}' {dir}",
        "--no-rekordbox",
    ];
    let said = home.run(&words);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("is ready"), "{}", said.out);
    assert!(
        said.out.contains("House") && said.out.contains("Plan: 3 to add"),
        "{}",
        said.out
    );
    assert!(
        home.path()
            .join("Music/.tidal-cleanup/library.toml")
            .is_file()
    );
    assert!(home.path().join("plan.json").is_file());
    assert_eq!(home.run(&["policy", "check"]).code, 0);
    let files = fs::read_dir(home.path().join("Music")).unwrap().count();
    assert_eq!(files, 1, "a plan does nothing");

    let again = home.run(&["init", "--yes"]);
    assert_eq!(again.code, 0, "{}", again.err);
    let other = home.run(&["init", "--yes", "--format", "mp3"]);
    assert_eq!(other.code, 1);
    assert!(
        other.err.contains("there is a policy already"),
        "{}",
        other.err
    );
}

#[test]
fn what_lies_there_is_matched_when_a_flag_says_so() {
    let home = Home::new();
    reading(&home);
    fs::create_dir(home.path().join("Music")).unwrap();
    let words = [
        "init",
        "--yes",
        "--library",
        "Music",
        "--snapshot",
        "tidal.json",
        "--import",
    ];
    let said = home.run(&words);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(
        said.out.contains("0 matched") || said.out.contains("matched"),
        "{}",
        said.out
    );
}

#[test]
fn nobody_to_ask_means_nothing_is_made() {
    let home = Home::new();
    let said = home.run(&["init"]);
    assert_eq!(said.code, 9, "{}", said.err);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    for words in [
        &["init", "--yes", "--download", "get {url}"][..],
        &["init", "--yes", "--snapshot", "none.json"],
        &["init", "--yes", "--library", "/"],
        &["init", "--yes", "--from-peer", "nowhere"],
        &["init", "--yes", "--playlists", "a[b"],
    ] {
        let said = home.run(words);
        assert_eq!(said.code, 1, "{words:?} {}", said.err);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "{words:?}");
    }
}
