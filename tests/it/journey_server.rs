//! The main journey with the state on a PostgreSQL server, and two machines on one server.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use std::{thread, time::Duration};

use crate::{
    harness::{Said, World},
    journey::{first, first_apply_in},
    journey_kill::{assert_unfinished, assert_whole, killed_in},
    postgres::Server,
    rekordbox_backup::restored_in,
};

#[test]
fn a_journey_on_a_server() {
    let Some(server) = Server::start() else {
        return;
    };
    first_apply_in(&World::on_server(&server.database()));

    let world = killed_in(World::on_server(&server.database()), "1010");
    assert_unfinished(&world);
    world.expect(0, &["apply", "--resume", "--yes"]);
    assert_whole(&world);

    let world = World::on_server(&server.database());
    let before = world.tree().into_keys().collect::<Vec<_>>();
    let world = killed_in(world, "1000");
    world.expect(0, &["undo", "--yes"]);
    assert_eq!(world.tree().into_keys().collect::<Vec<_>>(), before);
    assert!(
        !world.path("home/.tidal-cleanup/sync.db").exists(),
        "no file beside"
    );
    restored_on(&server);
    what_a_reader_may(&server);
    two_machines(&server);
}

/// Going back to a backup is written into the server's history, and waits for an unfinished apply.
fn restored_on(server: &Server) {
    restored_in(&World::on_server(&server.database()));
    let world = killed_in(World::on_server(&server.database()), "1010");
    assert_unfinished(&world);
    let said = world.expect(8, &["rekordbox", "restore", "--yes"]);
    assert!(said.err.contains("was interrupted"), "{}", said.err);
    let said = world.expect(0, &["rekordbox", "restore", "--dry-run"]);
    assert!(!said.err.contains("interrupted"), "{}", said.err);
    let said = world.expect(0, &["policy", "check"]);
    assert!(!said.err.contains("Nothing was read yet"), "{}", said.err);
}

/// A user without rights to write looks at everything and changes nothing.
fn what_a_reader_may(server: &Server) {
    let url = server.database();
    let name = url.rsplit('/').next().unwrap();
    let world = World::on_server(&url);
    world.sync_with(&first());
    server.sql(
        name,
        "CREATE ROLE visitor LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO visitor",
    );
    let visitor = server.address("visitor", name);
    let as_visitor =
        |args: &[&str]| world.run_with(args, &[("TIDAL_CLEANUP_DATABASE_URL", &visitor)]);
    let allowed = |said: &Said| assert_eq!(said.code, 0, "{said:?}");
    allowed(&as_visitor(&["status"]));
    allowed(&as_visitor(&["history"]));
    allowed(&as_visitor(&["plan"]));
    allowed(&as_visitor(&["db", "status"]));
    world.tidal(&first().list('d', "New", "12"));
    let said = as_visitor(&["apply", "--yes"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("this user may only read"), "{}", said.err);
    assert!(!world.files().iter().any(|file| file.contains("Title 12")));

    let nobody = server.address("nobody", name);
    let said = world.run_with(&["status"], &[("TIDAL_CLEANUP_DATABASE_URL", &nobody)]);
    assert!(said.err.contains("check the user"), "{}", said.err);
    let nowhere = "postgres://dj:secret@%2Fnowhere/x";
    let said = world.run_with(&["status"], &[("TIDAL_CLEANUP_DATABASE_URL", nowhere)]);
    assert!(said.err.contains("nothing is lost"), "{}", said.err);
    assert!(!said.err.contains("secret"), "{}", said.err);
}

/// Two machines with libraries of their own work with one database at once and are killed again and again;
/// each ends with all that it wanted, and with nothing of the other's.
fn two_machines(server: &Server) {
    let url = server.database();
    let machine = |seed: u64| {
        let world = World::on_server(&url);
        world.tidal(&first());
        world.plan(2);
        let mut random = seed;
        let mut args: &[&str] = &["apply", "plan.json", "--yes"];
        for _ in 0..6 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let life = Duration::from_millis(20 + (random >> 33) % 700);
            let begun = std::time::Instant::now();
            if !world.kill(args, || begun.elapsed() > life) {
                break;
            }
            if world.run(&["status"]).err.contains("interrupted") {
                args = &["apply", "--resume", "--yes"];
            }
        }
        world.run(&["apply", "--resume", "--yes"]);
        if !world
            .run(&["plan", "--out", "plan.json"])
            .out
            .contains("No changes")
        {
            world.expect(0, &["apply", "plan.json", "--yes"]);
        }
        assert_whole(&world);
    };
    thread::scope(|scope| {
        let machine = &machine;
        for seed in [7, 11] {
            scope.spawn(move || machine(seed));
        }
    });
    let count = |what: &str| {
        let sql = format!("SELECT COUNT(*) FROM {what}");
        server
            .sql(url.rsplit('/').next().unwrap(), &sql)
            .trim()
            .to_owned()
    };
    assert_eq!(count("meta"), "2");
    assert_eq!(count("playlists WHERE deleted_at IS NULL"), "6");
    assert_eq!(count("applies WHERE status = 'running'"), "0");
}
