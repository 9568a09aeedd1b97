//! What time, disks and people do to the program's things: `db check` finds it, names it, and says what
//! to do about it.

use std::{
    fs,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use super::{dump::block_on, rig::Rig};
use crate::harness::World;

/// What is done, the check that finds it, and words that the finding has.
struct Damage {
    what: &'static str,
    does: fn(&World),
    check: &'static str,
    says: &'static [&'static str],
    /// Only `--hashes` sees it.
    in_secret: bool,
}

const fn seen(
    what: &'static str,
    does: fn(&World),
    check: &'static str,
    says: &'static [&'static str],
) -> Damage {
    Damage {
        what,
        does,
        check,
        says,
        in_secret: false,
    }
}

const fn in_secret(
    what: &'static str,
    does: fn(&World),
    check: &'static str,
    says: &'static [&'static str],
) -> Damage {
    Damage {
        in_secret: true,
        ..seen(what, does, check, says)
    }
}

const DAMAGES: &[Damage] = &[
    // The database.
    seen(
        "an index lost its entries",
        |world| {
            let (page, size) = root_page(world, "tracks_by_isrc");
            spoil(&state(world), (page - 1) * size + 3, &[0, 0]);
        },
        "integrity",
        &["sqlite"],
    ),
    seen(
        "a page of a table is overwritten",
        |world| {
            let (page, size) = root_page(world, "files");
            spoil(&state(world), (page - 1) * size, &[0xa5; 64]);
        },
        "integrity",
        &[],
    ),
    seen(
        "positions have a gap",
        |world| {
            sql(
                world,
                "UPDATE playlist_tracks SET position = position + 7 WHERE position = 1 AND playlist_id = \
                        (SELECT id FROM playlists WHERE name = 'Party')",
            );
        },
        "positions",
        &["Party", "gaps"],
    ),
    seen(
        "an entry of a track that is not there",
        |world| {
            sql(
                world,
                "PRAGMA foreign_keys = OFF; DELETE FROM tracks WHERE tidal_id = '1005'",
            );
        },
        "foreign_keys",
        &["playlist_tracks", "tracks"],
    ),
    seen(
        "a track's file has no row",
        |world| {
            sql(
                world,
                "DELETE FROM files WHERE track_tidal_id = '1005' AND role = 'track'",
            );
        },
        "tracks",
        &["1005", "has no row in files"],
    ),
    seen(
        "a list of Rekordbox that belongs to nobody",
        |world| {
            sql(
                world,
                "UPDATE playlists SET tidal_id = 'x' WHERE name = 'Party'",
            );
        },
        "objects",
        &["unknown playlist"],
    ),
    seen(
        "the serial went back",
        |world| sql(world, "UPDATE meta SET serial = 0"),
        "journal",
        &["serial 0"],
    ),
    seen(
        "an intent that nobody settled",
        |world| {
            sql(
                world,
                "UPDATE sync_operations SET status = 'running' WHERE apply_id = 2 AND seq = 0",
            );
        },
        "journal",
        &["apply 2", "not settled"],
    ),
    seen(
        "a completed operation without an intent",
        |world| {
            sql(
                world,
                "UPDATE sync_operations SET pre_image = NULL WHERE apply_id = 2 AND seq = 0",
            );
        },
        "journal",
        &["apply 2", "without an intent"],
    ),
    // What the journal needs to take something back.
    seen(
        "a pre-image that says nothing any more",
        |world| {
            sql(
                world,
                "UPDATE sync_operations SET pre_image = '{\"intent\": {\"is\": \"noise\"}}' \
                        WHERE apply_id = 2 AND seq = 0",
            );
        },
        "history",
        &["apply 2, operation 0", "cannot be undone", "db restore"],
    ),
    seen(
        "a post-image that says nothing any more",
        |world| {
            sql(
                world,
                "UPDATE sync_operations SET post_image = '{}' WHERE apply_id = 2 AND seq = 0",
            );
        },
        "history",
        &["apply 2, operation 0", "what it did"],
    ),
    seen(
        "a post-image that is gone",
        |world| {
            sql(
                world,
                "UPDATE sync_operations SET post_image = NULL WHERE apply_id = 2 AND seq = 0",
            );
        },
        "history",
        &["apply 2, operation 0", "what it did"],
    ),
    seen(
        "an operation that is gone",
        |world| {
            sql(
                world,
                "DELETE FROM sync_operations WHERE apply_id = 2 AND seq = \
                        (SELECT MAX(seq) FROM sync_operations WHERE apply_id = 2)",
            );
        },
        "history",
        &["apply 2", "operations"],
    ),
    seen(
        "a plan that is torn",
        |world| {
            sql(
                world,
                "UPDATE applies SET plan = substr(plan, 1, length(plan) / 2) WHERE id = 2",
            );
        },
        "history",
        &["apply 2", "plan"],
    ),
    seen(
        "the plan of another apply",
        |world| {
            sql(
                world,
                "UPDATE applies SET plan = (SELECT plan FROM applies WHERE id = 1) WHERE id = 2",
            );
        },
        "history",
        &["apply 2", "not the one that was approved"],
    ),
    // Files.
    seen(
        "a delivered file is gone",
        |world| fs::remove_file(delivered(world)).unwrap(),
        "library",
        &["Title 5", "not there", "next plan"],
    ),
    seen(
        "a delivered file is empty",
        |world| fs::write(delivered(world), "").unwrap(),
        "library",
        &["Title 5", "empty"],
    ),
    in_secret(
        "a delivered file was edited, and its time put back",
        |world| edit_in_secret(&delivered(world)),
        "content",
        &["Title 5", "not what was delivered"],
    ),
    in_secret(
        "a playlist file was edited, and its time put back",
        |world| edit_in_secret(&world.path("library/Playlists/Party/Party.m3u8")),
        "content",
        &["Party.m3u8", "not what was delivered"],
    ),
    seen(
        "the library's marker is gone",
        |world| fs::remove_file(world.path("library/.tidal-cleanup/library.toml")).unwrap(),
        "library",
        &["marker", "library.toml"],
    ),
    // The trash.
    seen(
        "a file is gone from the trash",
        |world| fs::remove_file(in_trash(world)).unwrap(),
        "trash",
        &["not in the trash any more", "undo 2"],
    ),
    seen(
        "a file in the trash was cut",
        |world| fs::write(in_trash(world), "short").unwrap(),
        "trash",
        &["another size"],
    ),
    seen(
        "a file in the trash was edited",
        |world| {
            let path = in_trash(world);
            let mut bytes = fs::read(&path).unwrap();
            bytes[20] ^= 1;
            fs::write(path, bytes).unwrap();
        },
        "trash",
        &["changed in the trash"],
    ),
    seen(
        "a manifest is gone",
        |world| {
            fs::remove_file(world.path("library/.tidal-cleanup/trash/2/manifest.jsonl")).unwrap();
        },
        "trash",
        &["manifest.jsonl does not name it"],
    ),
    seen(
        "a manifest is torn",
        |world| {
            let path = world.path("library/.tidal-cleanup/trash/2/manifest.jsonl");
            let text = fs::read(&path).unwrap();
            fs::write(path, &text[..40]).unwrap();
        },
        "trash",
        &["manifest.jsonl does not name it"],
    ),
    seen(
        "somebody put a file there",
        |world| {
            fs::write(
                world.path("library/.tidal-cleanup/trash/2/mine.mp3"),
                "mine",
            )
            .unwrap();
        },
        "trash",
        &["mine.mp3", "Move it where it belongs"],
    ),
    // Backups.
    seen(
        "a backup of the state is cut",
        |world| {
            let path = backup(&world.path("home/.tidal-cleanup/backups"), "-apply.db");
            let bytes = fs::read(&path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        },
        "backups",
        &["-apply.db", "Delete it"],
    ),
    seen(
        "a backup of Rekordbox has other bytes",
        |world| {
            let path = backup(
                &world.path("home/.tidal-cleanup/backups/rekordbox"),
                "master.db",
            );
            spoil(&path, 5_000, &[0x5a; 32]);
        },
        "backups",
        &["backups/rekordbox", "rekordbox backup"],
    ),
];

fn state(world: &World) -> PathBuf {
    world.path("home/.tidal-cleanup/sync.db")
}

fn sql(world: &World, statements: &str) {
    block_on(async {
        let options = SqliteConnectOptions::new().filename(state(world));
        let mut db = options.foreign_keys(false).connect().await.unwrap();
        let statements = AssertSqlSafe(statements.to_owned());
        sqlx::raw_sql(statements).execute(&mut db).await.unwrap();
        db.close().await.unwrap();
    });
}

/// Where a table or index begins in the file, in pages from 1, and the size of a page.
fn root_page(world: &World, name: &str) -> (u64, u64) {
    block_on(async {
        let options = SqliteConnectOptions::new().filename(state(world));
        let mut db = options.connect().await.unwrap();
        let page: i64 = sqlx::query_scalar("SELECT rootpage FROM sqlite_master WHERE name = $1")
            .bind(name)
            .fetch_one(&mut db)
            .await
            .unwrap();
        let size: i64 = sqlx::query_scalar("PRAGMA page_size")
            .fetch_one(&mut db)
            .await
            .unwrap();
        db.close().await.unwrap();
        (page.cast_unsigned(), size.cast_unsigned())
    })
}

fn spoil(path: &Path, at: u64, bytes: &[u8]) {
    let file = fs::File::options().write(true).open(path);
    let mut file = file.unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

/// The file of track 5.
fn delivered(world: &World) -> PathBuf {
    let files = world.files();
    let five = files
        .iter()
        .find(|path| path.contains("Title 5") && path.ends_with(".flac"));
    world.path("library").join(five.unwrap())
}

/// A file that the second apply took away.
fn in_trash(world: &World) -> PathBuf {
    let trash = world.path("library/.tidal-cleanup/trash/2");
    let files = walkdir::WalkDir::new(trash).sort_by_file_name();
    let mut files = files.into_iter().map(|entry| entry.unwrap().into_path());
    files
        .find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "flac")
        })
        .unwrap()
}

fn backup(folder: &Path, name: &str) -> PathBuf {
    let files = walkdir::WalkDir::new(folder).sort_by_file_name();
    let mut files = files.into_iter().map(|entry| entry.unwrap().into_path());
    files
        .find(|path| path.to_string_lossy().ends_with(name))
        .unwrap()
}

fn edit_in_secret(path: &Path) {
    let time: SystemTime = fs::metadata(path).unwrap().modified().unwrap();
    let mut file = fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    let last = bytes.len() - 1;
    file.seek(SeekFrom::Start(last as u64)).unwrap();
    file.write_all(&[bytes[last] ^ 1]).unwrap();
    file.set_modified(time).unwrap();
}

#[test]
fn every_damage_is_found_and_named() {
    let rig = Rig::lent();
    super::on_all_cores(&rig, DAMAGES, |rig, damage| {
        let what = damage.what;
        rig.reset();
        rig.world.expect(0, &rig.apply());
        (damage.does)(&rig.world);
        if damage.in_secret {
            rig.world.expect(0, &["db", "check"]);
        }
        let said = rig.world.run(&["db", "check", "--hashes"]);
        assert_eq!(said.code, 1, "{what}: {said:?}");
        let told = format!("{}{}", said.out, said.err);
        // Of a file that cannot be opened at all, opening it tells.
        let found = told.contains(&format!("!   {}", damage.check));
        let opened = damage.check == "integrity" && told.contains("db restore");
        assert!(
            found || opened,
            "{what}: not found by {}: {told}",
            damage.check
        );
        for words in damage.says {
            assert!(told.contains(words), "{what}: {words:?} is not in {told}");
        }
    });
}

#[test]
fn what_is_whole_is_sound_and_what_somebody_edits_is_theirs() {
    let rig = Rig::lent();
    rig.reset();
    rig.world.expect(0, &rig.apply());
    rig.world.expect(0, &["db", "check", "--hashes"]);
    let path = delivered(&rig.world);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(b"a comment");
    fs::write(&path, bytes).unwrap();
    let said = rig.world.expect(0, &["db", "check", "--hashes"]);
    assert!(said.out.contains("edited since delivery"), "{said:?}");
    rig.world.expect(0, &["undo", "--yes"]);
    // The file that the DJ renamed is not where the state has it any more.
    let said = rig.world.expect(1, &["db", "check", "--hashes"]);
    assert!(
        said.out.contains("Title 6.flac: it is not there"),
        "{said:?}"
    );
    assert_eq!(said.out.matches("  !   ").count(), 1, "{said:?}");
    rig.world.expect(0, &["redo", "--yes"]);
    rig.world.expect(0, &["db", "check", "--hashes"]);
}

/// A journal that is still needed does not go without a word.
#[test]
fn an_unfinished_apply_is_not_restored_away() {
    let rig = Rig::lent();
    rig.reset();
    let calls = rig.count(&rig.apply());
    let half = calls.len() / 2;
    rig.reset();
    let fault = super::shim::Plan::new(super::shim::Fault::Kill, half);
    assert!(rig.run(&rig.apply(), &fault).was_killed());
    let before = rig.dump();
    let said = rig.world.expect(8, &["db", "restore", "--yes"]);
    assert!(said.err.contains("apply 2 is unfinished"), "{said:?}");
    assert!(said.err.contains("--resume"), "{said:?}");
    assert!(said.err.contains("--allow unfinished=2"), "{said:?}");
    rig.world.expect(
        8,
        &[
            "db",
            "restore",
            "--yes",
            "--allow",
            "unfinished=1",
            "--because",
            "x",
        ],
    );
    rig.world
        .expect(64, &["db", "restore", "--yes", "--allow", "unfinished=2"]);
    let said = rig.world.expect(0, &["status"]);
    assert!(said.out.contains("Unfinished  since 20"), "{said:?}");
    rig.dump().assert_is(&before, "refused");
    rig.finish("after a refusal");
    rig.reset();
    assert!(rig.run(&rig.apply(), &fault).was_killed());
    let allowed = ["--allow", "unfinished=2", "--because", "the disk is new"];
    let args: Vec<&str> = ["db", "restore", "--yes"]
        .into_iter()
        .chain(allowed)
        .collect();
    rig.world.expect(0, &args);
    rig.world.expect(0, &["status"]);
}
