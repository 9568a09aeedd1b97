//! What a server can do to a run: every fault is provoked through the real program, and what comes after it
//! ends in the same world.

use std::{fs, process::Child};

use super::{URL, wait_until};
use crate::{
    harness::{Said, World},
    journey::first,
    journey_kill::{assert_unfinished, assert_whole, hanging},
    postgres::{Server, name_of},
};

/// A world whose state is in a new database.
fn world(server: &Server) -> (World, String) {
    let url = server.database();
    (World::on_server(&url), name_of(&url).to_owned())
}

/// The journal refuses writes like this, from the `after`-th intent on, as often as `times` says.
fn provoke(server: &Server, name: &str, code: &str, after: u32, times: u32) {
    let till = after + times;
    server.sql(
        name,
        &format!(
            "CREATE SEQUENCE told; CREATE FUNCTION refuse() RETURNS trigger AS $$ DECLARE n BIGINT := nextval('told');
             BEGIN IF n > {after} AND n <= {till} THEN RAISE EXCEPTION 'provoked' USING ERRCODE = '{code}'; END IF;
             RETURN NULL; END $$ LANGUAGE plpgsql;
             CREATE TRIGGER refuse AFTER UPDATE OF pre_image, post_image ON sync_operations FOR EACH STATEMENT EXECUTE FUNCTION refuse()"
        ),
    );
}

fn relent(server: &Server, name: &str) {
    server.sql(
        name,
        "DROP TRIGGER refuse ON sync_operations; DROP FUNCTION refuse; DROP SEQUENCE told",
    );
}

fn ends(said: &Said, words: &[&str]) {
    assert_ne!(said.code, 0, "{said:?}");
    for word in words {
        assert!(said.err.contains(word), "{word}: {}", said.err);
    }
}

/// Ends a run that waits in a download, and says what it said.
fn let_go(world: &World, run: Child) -> Said {
    fs::remove_file(world.path("hang")).unwrap();
    Said::from(run.wait_with_output().unwrap())
}

#[test]
fn a_server_says_no_in_the_middle() {
    let Some(server) = Server::start() else {
        return;
    };
    // Two transactions met: tried again without a word.
    let (world, name) = world(&server);
    provoke(&server, &name, "40001", 1, 3);
    world.tidal(&first());
    world.plan(2);
    world.expect(0, &["apply", "plan.json", "--yes"]);
    assert_whole(&world);

    for (code, after, words) in [
        ("40001", 0, ["too many runs at once", "apply --resume"]),
        ("40001", 4, ["too many runs at once", "apply --resume"]),
        (
            "53100",
            0,
            ["make room on the server's disk", "apply --resume"],
        ),
        (
            "53100",
            3,
            ["make room on the server's disk", "apply --resume"],
        ),
        ("57014", 5, ["statement_timeout", "apply --resume"]),
        ("53200", 6, ["the server's log", "apply --resume"]),
    ] {
        let (world, name) = self::world(&server);
        provoke(&server, &name, code, after, 1_000_000);
        world.tidal(&first());
        world.plan(2);
        ends(&world.run(&["apply", "plan.json", "--yes"]), &words);
        assert_unfinished(&world);
        relent(&server, &name);
        world.expect(0, &["apply", "--resume", "--yes"]);
        assert_whole(&world);
        world.expect(0, &["db", "check"]);
    }
}

/// The server's own timeout, not one that we pretend.
#[test]
fn a_statement_takes_too_long() {
    let Some(server) = Server::start() else {
        return;
    };
    let (world, name) = world(&server);
    world.tidal(&first());
    world.plan(2);
    server.sql(
        &name,
        "CREATE FUNCTION slow() RETURNS trigger AS 'BEGIN PERFORM pg_sleep(30); RETURN NULL; END' LANGUAGE plpgsql;
         CREATE TRIGGER slow AFTER UPDATE OF pre_image ON sync_operations FOR EACH STATEMENT EXECUTE FUNCTION slow();
         ALTER ROLE dj SET statement_timeout = '300ms'",
    );
    ends(
        &world.run(&["apply", "plan.json", "--yes"]),
        &["statement_timeout"],
    );
    server.sql(&name, "SET statement_timeout = 0; DROP TRIGGER slow ON sync_operations; ALTER ROLE dj RESET statement_timeout");
    world.expect(0, &["apply", "--resume", "--yes"]);
    assert_whole(&world);
}

/// A connection that is cut, and a server that restarts, while a download runs.
#[test]
fn the_connection_is_lost_in_the_middle() {
    let Some(server) = Server::start() else {
        return;
    };
    let lock_is_held = |name: &str| {
        let sql = "SELECT COUNT(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
             WHERE l.locktype = 'advisory' AND d.datname = current_database()";
        server.sql(name, sql).trim() != "0"
    };
    for restart in [false, true] {
        let (world, name) = world(&server);
        let world = hanging(world, "1003");
        world.plan(2);
        let run = world.start(&["apply", "plan.json", "--yes"]);
        wait_until("it waits", || world.path("waiting").exists());
        assert!(lock_is_held(&name));
        match restart {
            false => {
                server.sql(
                    &name,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE datname = current_database() AND application_name = 'tidal-cleanup'",
                );
            }
            true => {
                server.down();
                server.up();
            }
        }
        let rows = world.rows();
        let said = let_go(&world, run);
        ends(&said, &["apply --resume"]);
        // Rekordbox comes after the downloads, and was not touched any more.
        crate::harness::collection::assert_same(&world.rows(), &rows);
        assert_unfinished(&world);
        world.expect(0, &["apply", "--resume", "--yes"]);
        assert_whole(&world);
    }
}

/// A machine that was asleep: while it was, another one took over. It does nothing when it wakes.
#[test]
fn a_paused_run_that_was_overtaken_does_nothing_more() {
    let Some(server) = Server::start() else {
        return;
    };
    let (world, name) = world(&server);
    let world = hanging(world, "1003");
    world.plan(2);
    let run = world.start(&["apply", "plan.json", "--yes"]);
    wait_until("it waits", || world.path("waiting").exists());
    let pid = rustix::process::Pid::from_raw(i32::try_from(run.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    // Whoever wants to run meanwhile is told who runs, until the server has given the machine up.
    let other =
        |args: &[&str]| world.run_with(args, &[("HOME", world.path("home2").to_str().unwrap())]);
    fs::create_dir(world.path("home2")).unwrap();
    let said = other(&["apply", "--resume", "--yes", "--lock-timeout", "100ms"]);
    assert_eq!(said.code, 6, "{said:?}");
    server.sql(&name, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tidal-cleanup'");
    // The library's own lock is still held by a process of this kernel; on another machine it would not be.
    let fencing = "SELECT fencing FROM meta";
    let before = server.sql(&name, fencing);
    server.sql(&name, "UPDATE meta SET fencing = fencing + 1");
    assert_ne!(server.sql(&name, fencing), before);
    let rows = world.rows();
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    let said = let_go(&world, run);
    assert_ne!(said.code, 0, "{said:?}");
    crate::harness::collection::assert_same(&world.rows(), &rows);
    world.expect(0, &["apply", "--resume", "--yes"]);
    assert_whole(&world);
}

/// Clocks differ: a run by a machine that lives in another year is neither older nor newer for that.
#[test]
fn clocks_that_differ_decide_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let (world, name) = world(&server);
    let clock = clock();
    let at = |world: &World, days: i64, args: &[&str]| {
        let seconds = (days * 86_400).to_string();
        world.run_with(
            args,
            &[
                ("LD_PRELOAD", clock.to_str().unwrap()),
                ("CLOCK_AHEAD", &seconds),
            ],
        )
    };
    world.tidal(&first());
    for (days, list) in [(400, 'd'), (-400, 'e'), (0, 'f')] {
        world.tidal(&first().list(list, "New", "12"));
        let said = at(&world, days, &["plan", "--out", "plan.json"]);
        assert_eq!(said.code, 0, "{said:?}");
        let digest = crate::harness::digits(&world.saved()).to_owned();
        let said = at(&world, days, &["apply", "plan.json", "--approve", &digest]);
        assert_eq!(said.code, 0, "{said:?}");
    }
    let said = world.expect(0, &["history", "--json"]);
    let history: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let ids: Vec<i64> = history["applies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["id"].as_i64().unwrap())
        .collect();
    assert_eq!(ids, [3, 2, 1]);
    let years = "SELECT COUNT(DISTINCT substr(started_at, 1, 4)) FROM applies";
    assert!(
        server.sql(&name, years).trim().parse::<u32>().unwrap() > 1,
        "the clocks did differ"
    );
    // Who is behind may take over from who is ahead.
    let world = hanging(world, "1014");
    world.tidal(&first().list('g', "Later", "14"));
    let said = at(&world, 400, &["plan", "--out", "plan.json"]);
    assert_eq!(said.code, 0, "{said:?}");
    let digest = crate::harness::digits(&world.saved()).to_owned();
    let mut run = world.command(&["apply", "plan.json", "--approve", &digest]);
    let mut run = run
        .env("LD_PRELOAD", &clock)
        .env("CLOCK_AHEAD", "34560000")
        .spawn()
        .unwrap();
    wait_until("it waits", || world.path("waiting").exists());
    run.kill().unwrap();
    run.wait().unwrap();
    fs::remove_file(world.path("hang")).unwrap();
    let said = at(&world, -400, &["apply", "--resume", "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    world.expect(0, &["undo", "--yes"]);
    world.expect(0, &["db", "check"]);
}

/// A library that puts the program into another time.
fn clock() -> std::path::PathBuf {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let name = format!("clock-{}", std::process::id());
    let (source, target) = (
        folder.join(format!("{name}.c")),
        folder.join(format!("{name}.so")),
    );
    fs::write(
        &source,
        "#define _GNU_SOURCE\n#include <stdlib.h>\n#include <time.h>\n#include <unistd.h>\n#include <sys/syscall.h>\n\
         int clock_gettime(clockid_t id, struct timespec *to) {\n\
         \x20 int said = syscall(SYS_clock_gettime, id, to);\n\
         \x20 const char *ahead = getenv(\"CLOCK_AHEAD\");\n\
         \x20 if (id == CLOCK_REALTIME && ahead) to->tv_sec += atoll(ahead);\n\
         \x20 return said;\n}\n",
    )
    .unwrap();
    let built = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&target, &source])
        .status()
        .unwrap();
    assert!(built.success());
    target
}

#[test]
fn who_has_no_business_there_is_told_so() {
    let Some(server) = Server::start() else {
        return;
    };
    let (world, name) = world(&server);
    world.sync_with(&first());
    // Newer than the program.
    server.sql(&name, "INSERT INTO tidal_cleanup_schema VALUES (99, '')");
    let said = world.expect(1, &["status"]);
    assert!(
        said.err.contains("newer version (99)") && said.err.contains("update tidal-cleanup"),
        "{}",
        said.err
    );
    server.sql(&name, "DELETE FROM tidal_cleanup_schema WHERE version = 99");

    // Older: who may write brings it up to date, who may only read is told to wait.
    server.sql(
        &name,
        "DELETE FROM tidal_cleanup_schema WHERE version > 1; ALTER TABLE approvals DROP COLUMN plan;
         ALTER TABLE applies DROP COLUMN device; DROP TABLE device_entries;
         UPDATE meta SET schema_version = 1; CREATE ROLE visitor LOGIN;
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO visitor;
         ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO visitor",
    );
    let visitor = server.address("visitor", &name);
    let as_visitor = |args: &[&str]| world.run_with(args, &[(URL, &visitor)]);
    ends(&as_visitor(&["status"]), &["older version (1)"]);
    world.expect(0, &["status"]);
    world.assert_settled();

    // Who may only read reads everything, and changes nothing whatever is typed.
    let dump = || {
        let tables = "SELECT string_agg(md5(t), '' ORDER BY md5(t)) FROM (
            SELECT x::text AS t FROM meta AS x UNION ALL SELECT x::text FROM tracks AS x
            UNION ALL SELECT x::text FROM playlists AS x UNION ALL SELECT x::text FROM playlist_tracks AS x
            UNION ALL SELECT x::text FROM files AS x UNION ALL SELECT x::text FROM applies AS x
            UNION ALL SELECT x::text FROM sync_operations AS x UNION ALL SELECT x::text FROM sync_snapshots AS x
            UNION ALL SELECT x::text FROM approvals AS x) AS all_rows";
        server.sql(&name, tables)
    };
    let before = dump();
    let (tree, rows) = (world.tree(), world.rows());
    for args in [
        &["status"][..],
        &["history"],
        &["history", "1", "-v"],
        &["plan", "--desired", "tidal.json"],
        &["db", "status"],
        &["db", "check"],
        &["db", "sync", "--check"],
        &["db", "inspect", "--playlist", "Party"],
        &["db", "export", "visitor.jsonl"],
        &["report"],
        &["library"],
        &["show", "plan.json"],
        &["doctor"],
    ] {
        let said = as_visitor(args);
        assert!(said.code <= 3, "{args:?} {said:?}");
        assert!(!said.err.contains("permission denied"), "{args:?} {said:?}");
    }
    world.tidal(&first().list('d', "New", "12"));
    world.plan(2);
    for args in [
        &["apply", "plan.json", "--yes"][..],
        &["apply", "--yes"],
        &["undo", "--yes"],
        &["redo", "--yes"],
        &["download", "--playlist", "New", "--yes"],
        &["db", "sync", "--yes"],
        &["db", "import", "visitor.jsonl"],
        &["trash", "purge", "--older-than", "0d", "--yes"],
    ] {
        let said = as_visitor(args);
        assert!(
            [1, 4, 9].contains(&said.code) || said.out.contains("Nothing"),
            "{args:?} {said:?}"
        );
    }
    assert_eq!(dump(), before);
    crate::harness::files::assert_same(&world.tree(), &tree);
    crate::harness::collection::assert_same(&world.rows(), &rows);

    let nowhere = server.address("dj", "nowhere");
    ends(
        &world.run_with(&["status"], &[(URL, &nowhere)]),
        &["`createdb` makes it"],
    );
}
