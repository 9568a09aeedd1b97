//! What keeps an `apply` from writing to Rekordbox: it is told with what to do, before anything is
//! fetched, nothing is changed, and once it is mended the next apply does everything.
#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use std::{fs, path::PathBuf};

use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use crate::{
    harness::{Said, Snapshot, World, collection, digits},
    rekordbox::key,
};

/// The DJ's library, and a playlist that no apply has brought yet.
fn world() -> World {
    let world = World::usual();
    world.tidal(&Snapshot::new().list('a', "House 🇮🇹", "0 1 2"));
    world
}

fn master(world: &World) -> PathBuf {
    world.path("rekordbox/master.db")
}

fn xml(world: &World) -> PathBuf {
    world.path("rekordbox/masterPlaylists6.xml")
}

/// Plans, and applies: refused with this code and with these words to the user; nothing is changed.
#[track_caller]
fn assert_refused(world: &World, code: i32, words: &[&str]) {
    let plan = world.plan(2);
    let run = || world.run(&["apply", "plan.json", "--approve", digits(&plan)]);
    assert_refused_by(world, code, words, run);
}

#[track_caller]
fn assert_refused_by(world: &World, code: i32, words: &[&str], run: impl FnOnce() -> Said) {
    let files = || [master(world), xml(world)].map(|path| fs::read(path).ok());
    let before = files();
    let said = run();
    assert_eq!(said.code, code, "{said:?}");
    for words in words {
        assert!(said.err.contains(words), "{words:?} in {}", said.err);
    }
    assert!(files() == before, "a file of Rekordbox's is not as it was");
    assert_eq!(world.calls().len(), 0, "nothing is fetched in vain");
}

/// Now that it is mended, all is done.
#[track_caller]
fn assert_healed(world: &World) {
    world.sync();
    world.assert_settled();
    assert_eq!(world.titles("House 🇮🇹").unwrap().len(), 3);
    world.assert_xml_names_every_list();
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

/// Another program, which has the library open.
async fn other(world: &World) -> sqlx::SqliteConnection {
    let options = SqliteConnectOptions::new().filename(master(world));
    let options = options.pragma("key", key(&master(world)));
    options.connect().await.unwrap()
}

async fn does(other: &mut sqlx::SqliteConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(other).await.unwrap();
}

#[test]
fn another_writer_is_waited_for_in_vain() {
    let world = world();
    block_on(async {
        let mut other = other(&world).await;
        does(&mut other, "BEGIN IMMEDIATE").await;
        assert_refused(&world, 5, &["locked by another program", "TC502: quit"]);
        does(&mut other, "ROLLBACK").await;
        other.close().await.unwrap();
    });
    assert_healed(&world);
}

#[test]
fn a_log_that_a_crash_left_is_rekordboxs_own() {
    let world = world();
    let paths = ["master.db", "master.db-wal"].map(|name| world.path("rekordbox").join(name));
    block_on(async {
        let mut other = other(&world).await;
        let sql = "UPDATE djmdContent SET Rating = 3 WHERE Title = 'Own'";
        does(&mut other, sql).await;
        let left = paths.each_ref().map(|path| fs::read(path).unwrap());
        other.close().await.unwrap();
        for (path, bytes) in paths.iter().zip(&left) {
            fs::write(path, bytes).unwrap();
        }
        assert_refused(
            &world,
            5,
            &["left behind by a crash", "start Rekordbox and quit it"],
        );
        let log = fs::read(&paths[1]).unwrap();
        assert!(log == left[1], "the log is as it was");
    });
    // Rekordbox puts it in order.
    collection::sql(&world.path("rekordbox"), "SELECT count(*) FROM djmdContent");
    assert_healed(&world);
    let collection = world.collection();
    let own = collection.contents.values().find(|it| it.title == "Own");
    assert_eq!(own.unwrap().rating, 3, "what stood in the log");
}

#[test]
fn a_layout_of_a_later_version_is_only_read() {
    let world = world();
    let version = |number| format!("UPDATE djmdProperty SET DBVersion = '{number}'");
    collection::sql(&world.path("rekordbox"), &version(7000));
    assert_refused(
        &world,
        5,
        &["unknown layout (version 7000)", "write = false"],
    );
    collection::sql(&world.path("rekordbox"), &version(6000));
    assert_healed(&world);
}

#[test]
fn a_playlist_file_that_cannot_be_read_is_left_and_a_missing_one_is_made() {
    let world = world();
    let whole = fs::read_to_string(xml(&world)).unwrap();
    for broken in [&whole[..whole.len() / 2], "not XML", ""] {
        fs::write(xml(&world), broken).unwrap();
        assert_refused(&world, 1, &["cannot be read", "nothing was changed; put"]);
    }
    fs::write(xml(&world), [0xff, 0xfe, 0x3c]).unwrap();
    assert_refused(&world, 1, &["it is not UTF-8"]);
    fs::remove_file(xml(&world)).unwrap();
    assert_healed(&world);
}

#[cfg(unix)]
#[test]
fn a_library_that_may_not_be_written_is_only_read() {
    use std::os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    };

    let world = world();
    let plan = world.plan(2);
    // Nothing is read-only for the administrator: then somebody else runs the program.
    let nobody = rustix::process::geteuid().is_root().then_some(65_534);
    let everything = walkdir::WalkDir::new(world.path(""));
    for entry in everything.into_iter().flatten() {
        chown(entry.path(), nobody, nobody).unwrap();
    }
    let run = |args: &[&str]| {
        let mut command = world.command(args);
        if let Some(nobody) = nobody {
            command.uid(nobody).gid(nobody);
        }
        Said::from(command.output().unwrap())
    };
    let apply = || run(&["apply", "plan.json", "--approve", digits(&plan)]);
    let folder = world.path("rekordbox");
    let allow = |path: &PathBuf, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    allow(&master(&world), 0o444);
    assert_refused_by(&world, 1, &["check the permissions"], apply);
    allow(&folder, 0o555);
    assert_refused_by(&world, 1, &["check the permissions"], apply);
    allow(&master(&world), 0o644);
    assert_refused_by(&world, 1, &["check the permissions"], apply);
    allow(&folder, 0o755);
    let said = apply();
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(world.titles("House 🇮🇹").unwrap().len(), 3);
    world.assert_xml_names_every_list();
}
