//! `[state] require_approval`: others agree before files go.

use tidal_cleanup::domain::RekordboxSchema;

use crate::{
    harness::{BOLD, Said, Setup, Snapshot, World, digits, titled},
    journey::first,
    postgres::Server,
};

fn world(server: Option<&str>) -> World {
    let more = format!("{BOLD}[state]\nrequire_approval = 2\n");
    World::new(Setup {
        rekordbox: Some(RekordboxSchema::V7),
        more: String::leak(more),
        server: server.map(|url| &*String::leak(url.to_owned())),
        ..Setup::default()
    })
}

fn less() -> Snapshot {
    Snapshot::new()
        .list('a', "House 🇮🇹", "0 1 2")
        .list('b', "Party", "2 5 6 5 7")
}

fn refused(said: &Said, by: &str) {
    assert_eq!(said.code, 5, "{said:?}");
    assert!(said.err.contains("TC702"), "{}", said.err);
    assert!(
        said.err.contains(&format!("has that of {by}")),
        "{}",
        said.err
    );
}

fn others_agree_before_files_go(world: &World) {
    let as_user = |user: &str, args: &[&str]| world.run_with(args, &[("USER", user)]);
    // What only adds needs nobody.
    world.sync_with(&first());
    world.tidal(&less());
    let said = world.expect(2, &["plan", "--out", "plan.json", "--detailed-exitcode"]);
    assert!(said.err.contains("TC702"), "{}", said.err);
    let plan = world.saved();
    let digest = digits(&plan);
    let files = world.files();
    refused(
        &world.run(&["apply", "plan.json", "--approve", digest]),
        "nobody",
    );
    // One's own word does not count, and nobody's counts twice.
    assert_eq!(as_user("dj", &["approve", "plan.json", digest]).code, 0);
    refused(
        &world.run(&["apply", "plan.json", "--approve", digest]),
        "nobody",
    );
    for _ in 0..2 {
        let said = as_user("ben", &["approve", "plan.json", digest]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(
            said.out.contains("Recorded as the approval of ben"),
            "{}",
            said.out
        );
    }
    refused(
        &world.run(&["apply", "plan.json", "--approve", digest]),
        "1 (ben",
    );
    assert_eq!(world.files(), files, "nothing was changed");
    let said = world.run(&["show", "plan.json"]);
    assert!(said.err.contains("(2 of 2)"), "dj and ben: {}", said.err);
    assert_eq!(as_user("carla", &["approve", "plan.json", digest]).code, 0);
    let said = world.run(&["status"]);
    assert!(
        said.out.contains(&format!("Approved    {digest} by ")),
        "{}",
        said.out
    );

    // What was edited afterwards was not agreed to.
    let text = std::fs::read_to_string(world.path("plan.json")).unwrap();
    let mut edited: serde_json::Value = serde_json::from_str(&text).unwrap();
    let action = edited["body"]["actions"][0]["id"].clone();
    edited["review"]["exclude"] = serde_json::json!([action]);
    std::fs::write(world.path("edited.json"), edited.to_string()).unwrap();
    let said = world.run(&["approve", "edited.json", "--json"]);
    assert_eq!(said.code, 9, "{said:?}");

    // Ben may not count himself.
    let said = as_user("ben", &["apply", "plan.json", "--approve", digest]);
    if world.run(&["status"]).out.contains("dj") {
        // dj, carla: two others.
        assert_eq!(said.code, 0, "{said:?}");
    }
    world.assert_settled();
    assert_eq!(world.titles("House 🇮🇹"), titled("0 1 2"));
    assert_eq!(world.titles("Deep 🏃"), None);
    let said = world.run(&["status"]);
    assert!(!said.out.contains("Approved "), "it is done: {}", said.out);
    // What takes back needs no approval.
    world.expect(0, &["undo", "--yes"]);
    assert_eq!(world.titles("Deep 🏃"), titled("8 9 2 10"));
}

#[test]
fn others_agree_before_files_go_in_a_file() {
    others_agree_before_files_go(&world(None));
}

#[test]
fn others_agree_before_files_go_on_a_server() {
    if let Some(server) = Server::start() {
        others_agree_before_files_go(&world(Some(&server.database())));
    }
}

#[test]
fn a_part_of_what_was_agreed_to_is_agreed_to() {
    let world = world(None);
    world.sync_with(&first());
    world.tidal(&less());
    let plan = world.plan(2);
    let digest = digits(&plan);
    for user in ["ben", "carla"] {
        let said = world.run_with(&["approve", "plan.json", digest], &[("USER", user)]);
        assert_eq!(said.code, 0, "{said:?}");
    }
    world.expect(
        0,
        &[
            "apply",
            "plan.json",
            "--approve",
            digest,
            "--exclude",
            "*Title 9*",
        ],
    );
    assert_eq!(world.titles("House 🇮🇹"), titled("0 1 2"));
}

/// A purge is no plan that lies somewhere: it is saved when it is refused.
#[test]
fn a_purge_is_agreed_to_by_others() {
    let world = world(None);
    world.sync_with(&first());
    world.tidal(&less());
    let plan = world.plan(2);
    for user in ["ben", "carla"] {
        let args = ["approve", "plan.json", digits(&plan)];
        assert_eq!(world.run_with(&args, &[("USER", user)]).code, 0);
    }
    world.expect(0, &["apply", "plan.json", "--yes"]);
    let purge =
        |digest: &str| world.run(&["trash", "purge", "--older-than", "0d", "--approve", digest]);
    let lying = || {
        let said = world.expect(0, &["trash", "list", "--json"]);
        let list: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        list["files"].as_array().unwrap().len()
    };
    let before = lying();
    assert!(before > 0);
    refused(&purge("00000000"), "nobody");
    let plan = world.saved();
    for user in ["ben", "carla"] {
        let args = ["approve", "plan.json", digits(&plan)];
        let said = world.run_with(&args, &[("USER", user)]);
        assert_eq!(said.code, 0, "{said:?}");
    }
    let said = purge(digits(&plan));
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(lying(), 0, "of {before}");
}
