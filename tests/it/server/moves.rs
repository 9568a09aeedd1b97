//! `db export`, `db import`, `db init --from sqlite`.

use std::{fs, time::Duration};

use super::{URL, wait_until};
use crate::{
    harness::{Said, World, titled},
    journey::first,
    journey_kill::{assert_unfinished, killed_in},
    postgres::{Server, name_of},
};

/// What is behind the name of each table in the answer, and the digest of all.
fn digests(said: &Said) -> String {
    let answer: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    format!("{} {}", answer["tables"], answer["sha256"])
}

#[test]
fn a_state_moves_to_a_server_and_back() {
    let Some(server) = Server::start() else {
        return;
    };
    let world = World::usual();
    world.sync_with(&first());
    world.tidal(&first().list('d', "New", "12"));
    world.sync();
    let before = digests(&world.expect(0, &["db", "export", "before.jsonl", "--json"]));
    let again = digests(&world.expect(0, &["db", "export", "again.jsonl", "--json"]));
    assert_eq!(again, before, "the same state has the same digest");
    world.expect(1, &["db", "init", "--from", "sqlite"]);

    let url = server.database();
    let there = |args: &[&str]| world.run_with(args, &[(URL, &url)]);
    let said = there(&["db", "init", "--from", "sqlite", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    let moved = digests(&said);
    assert_eq!(moved, before);
    assert!(
        !world.path("home/.tidal-cleanup/sync.db").exists(),
        "{moved}"
    );
    assert!(world.path("home/.tidal-cleanup/sync.db.moved").exists());
    let after = digests(&there(&["db", "export", "after.jsonl", "--json"]));
    assert_eq!(after, before);
    let said = there(&["plan", "--detailed-exitcode"]);
    assert_eq!(said.code, 0, "{said:?}");
    let said = there(&["history"]);
    assert!(said.out.contains('2'), "{}", said.out);
    // The journal moved, too.
    let said = there(&["undo", "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(world.titles("New"), None);
    assert_eq!(there(&["redo", "--yes"]).code, 0);
    assert_eq!(world.titles("New"), titled("12"));
    assert_eq!(there(&["db", "check"]).code, 0);

    // Back into a file: everything that the server knows.
    let there_now = digests(&there(&["db", "export", "server.jsonl", "--json"]));
    let said = world.expect(0, &["db", "import", "server.jsonl", "--json"]);
    assert_eq!(digests(&said), there_now);
    world.assert_settled();
    let said = world.expect(0, &["db", "import", "server.jsonl"]);
    assert!(said.out.contains("here already"), "{}", said.out);
    let here_now = digests(&world.expect(0, &["db", "export", "file.jsonl", "--json"]));
    assert_eq!(here_now, there_now);
    world.expect(0, &["undo", "--yes"]);
    assert_eq!(world.titles("New"), None);
    let said = world.expect(1, &["db", "import", "server.jsonl"]);
    assert!(
        said.err.contains("another state is there already"),
        "{}",
        said.err
    );
}

#[test]
fn a_state_of_an_unfinished_apply_stays_where_it_is() {
    let Some(server) = Server::start() else {
        return;
    };
    let world = killed_in(World::usual(), "1010");
    assert_unfinished(&world);
    let said = world.expect(8, &["db", "export", "state.jsonl"]);
    assert!(said.err.contains("apply --resume"), "{}", said.err);
    assert!(!world.path("state.jsonl").exists());
    let url = server.database();
    let said = world.run_with(&["db", "init", "--from", "sqlite"], &[(URL, &url)]);
    assert_eq!(said.code, 8, "{said:?}");
    world.expect(0, &["apply", "--resume", "--yes"]);
    let said = world.run_with(&["db", "init", "--from", "sqlite"], &[(URL, &url)]);
    assert_eq!(said.code, 0, "{said:?}");
    let said = world.run_with(&["plan", "--detailed-exitcode"], &[(URL, &url)]);
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn a_file_that_is_cut_or_of_another_library_changes_nothing() {
    let (world, other) = (World::usual(), World::usual());
    world.sync_with(&first());
    world.expect(0, &["db", "export", "state.jsonl"]);
    let whole = fs::read(world.path("state.jsonl")).unwrap();
    fs::write(other.path("other.jsonl"), &whole).unwrap();
    let said = other.expect(5, &["db", "import", "other.jsonl"]);
    assert!(said.err.contains("TC101"), "{}", said.err);
    fs::remove_file(world.path("home/.tidal-cleanup/sync.db")).unwrap();
    for length in [0, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(world.path("cut.jsonl"), &whole[..length]).unwrap();
        let said = world.expect(1, &["db", "import", "cut.jsonl"]);
        assert!(said.err.contains("nothing was changed"), "{}", said.err);
    }
    world.expect(1, &["db", "import", "nowhere.jsonl"]);
    world.expect(0, &["db", "import", "state.jsonl"]);
    world.assert_settled();
}

/// An import into a server is killed in the middle of it, again and again: nothing is there, until all is.
#[test]
fn a_killed_import_begins_again() {
    let Some(server) = Server::start() else {
        return;
    };
    let world = World::usual();
    world.sync_with(&first());
    let before = digests(&world.expect(0, &["db", "export", "state.jsonl", "--json"]));
    let url = server.database();
    let name = name_of(&url);
    assert_eq!(world.run_with(&["db", "init"], &[(URL, &url)]).code, 0);
    for table in [
        "tracks",
        "playlist_tracks",
        "sync_operations",
        "sync_snapshots",
    ] {
        server.sql(
            name,
            &format!(
                "CREATE OR REPLACE FUNCTION sleep() RETURNS trigger AS
                 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END' LANGUAGE plpgsql;
                 CREATE TRIGGER sleep BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION sleep()"
            ),
        );
        let mut child = world
            .command(&["db", "import", "state.jsonl"])
            .env(URL, &url)
            .spawn()
            .unwrap();
        wait_until("it sleeps", || {
            let sql = format!(
                "SELECT COUNT(*) FROM pg_stat_activity WHERE query LIKE 'COPY {table} %' AND wait_event = 'PgSleep'"
            );
            server.sql(name, &sql).trim() == "1"
        });
        child.kill().unwrap();
        child.wait().unwrap();
        server.sql(
            name,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
        );
        server.sql(name, &format!("DROP TRIGGER sleep ON {table}"));
        let count = "SELECT (SELECT COUNT(*) FROM tracks) + (SELECT COUNT(*) FROM applies) + (SELECT SUM(serial) FROM meta)";
        assert_eq!(server.sql(name, count).trim(), "0");
    }
    let said = world.run_with(&["db", "import", "state.jsonl", "--json"], &[(URL, &url)]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(digests(&said), before);
}

/// The same with a file, at any moment: what is there is nothing or all.
#[test]
fn a_killed_import_into_a_file_begins_again() {
    let world = World::usual();
    world.sync_with(&first());
    let before = digests(&world.expect(0, &["db", "export", "state.jsonl", "--json"]));
    let db = world.path("home/.tidal-cleanup/sync.db");
    fs::remove_file(&db).unwrap();
    for life in 0..12 {
        let begun = std::time::Instant::now();
        let life = Duration::from_millis(life * 8);
        world.kill(&["db", "import", "state.jsonl"], || begun.elapsed() > life);
        let said = world.expect(0, &["db", "status", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        assert!(
            ["0", "1"].contains(&status["serial"].to_string().as_str()),
            "{status}"
        );
    }
    let said = world.expect(0, &["db", "import", "state.jsonl", "--json"]);
    assert_eq!(digests(&said), before);
    world.assert_settled();
}
