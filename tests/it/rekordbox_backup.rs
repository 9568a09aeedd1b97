//! Backups, and the way back to one.

#![expect(
    clippy::unwrap_used,
    reason = "a world that cannot be set up fails the test"
)]

use std::{fs, path::Path};

use sqlx::Connection as _;
use tidal_cleanup::{
    domain::RekordboxSchema,
    edge::rekordbox::{
        Backup, MasterDb, MasterDbOptions, Processes, RekordboxError, RekordboxLibrary as _,
        RekordboxReader as _,
    },
};

use crate::{
    harness,
    journey::first,
    rekordbox::{World, content, now, open, small},
};

fn whole(world: &World) -> (Vec<u8>, String) {
    (fs::read(world.path("master.db")).unwrap(), world.xml())
}

async fn backed_up(world: &World) -> Backup {
    world.db.back_up(jiff::Timestamp::now()).await.unwrap()
}

/// What a DJ does in an evening.
const EVENING: &str =
    "UPDATE djmdContent SET Rating = 5, updated_at = '2030-01-01 00:00:00.000 +00:00'
         WHERE Title = 'Track 1';
     UPDATE djmdPlaylist SET Name = 'Peak time' WHERE Name = 'Peak';
     INSERT INTO djmdCue (ID, ContentID, Kind, InMsec, created_at, updated_at)
         SELECT '77', ID, 1, 500, '2030', '2030' FROM djmdContent WHERE Title = 'Track 1';
     INSERT INTO djmdContent (ID, FolderPath, Title, UUID, created_at, updated_at)
         VALUES ('99', '/Music/new.mp3', 'New', 'u', '2030', '2030');";

#[tokio::test]
async fn a_backup_has_what_only_the_wal_has_and_leaves_everything_alone() {
    let world = World::small().await;
    let mut rekordbox = world.other().await;
    sqlx::raw_sql(EVENING)
        .execute(&mut rekordbox)
        .await
        .unwrap();
    let (names, before) = (world.names(), whole(&world));
    let backup = backed_up(&world).await;
    assert_eq!(whole(&world), before);
    let with_backups = world.names();
    assert!(names.iter().all(|name| with_backups.contains(name)));
    assert!(backup.has_xml && !backup.path.join("master.db-wal").exists());
    let copy = open(&backup.path, Processes::fixed::<String>([]));
    content(&copy.read().await.unwrap().value, "New");
    assert_eq!(world.db.backup_list(), [backup]);
    rekordbox.close().await.unwrap();
}

#[tokio::test]
async fn a_restore_tells_what_it_loses_and_saves_it() {
    for schema in [RekordboxSchema::V6, RekordboxSchema::V7] {
        let mut world = World::new(&small(schema)).await;
        let before = whole(&world);
        let backup = backed_up(&world).await;
        assert!(world.db.loss(&backup).await.unwrap().unwrap().is_empty());
        world.meddle(EVENING).await;
        fs::write(world.path("masterPlaylists6.xml"), "<changed/>").unwrap();
        let evening = whole(&world);
        let loss = world.db.loss(&backup).await.unwrap().unwrap();
        assert_eq!(loss.tracks, ["New"]);
        assert_eq!(loss.cues, [("Artist 1 – Track 1".to_owned(), 1)]);
        assert_eq!(loss.rated, ["Artist 1 – Track 1"]);
        assert_eq!(loss.tracks_edited, ["Artist 1 – Track 1"]);
        assert_eq!(loss.playlists_changed, ["Sets / Peak time"]);
        assert_eq!(loss.rows["djmdCue"], 1);
        let saved = world.db.restore(&backup, now()).await.unwrap();
        assert_eq!(whole(&world), before);
        assert_eq!(
            world.names(),
            ["backups", "master.db", "masterPlaylists6.xml"]
        );
        assert!(!world.path("backups/rekordbox/restoring").exists());
        let saved = world
            .db
            .backup_list()
            .into_iter()
            .find(|backup| backup.path == saved)
            .unwrap();
        world.db.restore(&saved, now()).await.unwrap();
        assert_eq!(whole(&world), evening);
    }
}

#[tokio::test]
async fn what_another_program_changed_without_a_date_is_told_too() {
    let world = World::small().await;
    let backup = backed_up(&world).await;
    let sql = "UPDATE djmdContent SET Title = 'Other' WHERE Title = 'Track 2'; \
               UPDATE djmdMyTag SET Name = 'Called otherwise' WHERE Name = 'House';";
    world.meddle(sql).await;
    let loss = world.db.loss(&backup).await.unwrap().unwrap();
    assert_eq!(loss.tracks_edited, ["Artist 0 – Other"]);
    assert_eq!(loss.tags, ["Called otherwise"]);
    assert!(loss.tracks.is_empty() && loss.tagged.is_empty());
}

#[tokio::test]
async fn nothing_is_restored_while_rekordbox_runs_or_from_a_damaged_backup() {
    let mut world = World::small().await;
    let backup = backed_up(&world).await;
    world.meddle(EVENING).await;
    let before = whole(&world);
    let mut running = open(world.folder.path(), Processes::fixed(["rekordboxAgent"]));
    assert!(matches!(
        running.restore(&backup, now()).await,
        Err(RekordboxError::Running(_))
    ));
    let mut blind = open(
        world.folder.path(),
        Processes::listed_by(|| Err("no permission".to_owned())),
    );
    assert!(blind.restore(&backup, now()).await.is_err());
    let mut bytes = fs::read(backup.database()).unwrap();
    bytes[70_000] ^= 1;
    fs::write(backup.database(), bytes).unwrap();
    assert!(world.db.restore(&backup, now()).await.is_err());
    assert!(world.db.loss(&backup).await.is_err());
    assert_eq!(whole(&world), before);
}

#[tokio::test]
async fn a_library_that_cannot_be_opened_is_rescued_as_it_is() {
    let mut world = World::small().await;
    let before = whole(&world);
    let backup = backed_up(&world).await;
    fs::write(world.path("master.db"), b"rubble".repeat(5_000)).unwrap();
    fs::write(world.path("master.db-wal"), b"more").unwrap();
    assert_eq!(world.db.loss(&backup).await.unwrap(), None);
    let saved = world.db.restore(&backup, now()).await.unwrap();
    assert_eq!(whole(&world), before);
    assert_eq!(
        fs::read(saved.join("master.db")).unwrap(),
        b"rubble".repeat(5_000)
    );
    assert_eq!(fs::read(saved.join("master.db-wal")).unwrap(), b"more");
    // The leftover would have been played into the restored database.
    assert!(!world.path("master.db-wal").exists());
    let aside = world
        .names()
        .into_iter()
        .filter(|name| name.contains("-wal.before-"));
    assert_eq!(aside.count(), 1);
    world.collection().await;
}

#[tokio::test]
async fn a_wal_that_a_crash_left_is_saved_and_not_played_into_the_backup() {
    let world = World::small().await;
    let before = whole(&world);
    let mut rekordbox = world.other().await;
    sqlx::raw_sql(EVENING)
        .execute(&mut rekordbox)
        .await
        .unwrap();
    let crashed = tempfile::tempdir().unwrap();
    for name in ["master.db", "master.db-wal", "masterPlaylists6.xml"] {
        fs::copy(world.path(name), crashed.path().join(name)).unwrap();
    }
    rekordbox.close().await.unwrap();
    let mut db = open(crashed.path(), Processes::fixed::<String>([]));
    let calm = World::small().await;
    assert_eq!(whole(&calm).1, before.1);
    let old = calm.db.back_up(now()).await.unwrap();
    fs::create_dir_all(crashed.path().join("backups/rekordbox")).unwrap();
    let here = crashed.path().join("backups/rekordbox").join(&old.name);
    fs::create_dir(&here).unwrap();
    for name in ["master.db", "masterPlaylists6.xml"] {
        fs::copy(old.path.join(name), here.join(name)).unwrap();
    }
    let backup = db.backup_list().remove(0);
    let saved = db.restore(&backup, jiff::Timestamp::now()).await.unwrap();
    let restored = db.read().await.unwrap().value;
    assert_eq!(restored.contents.len(), 4);
    assert!(!crashed.path().join("master.db-wal").exists());
    let saved = open(&saved, Processes::fixed::<String>([]));
    content(&saved.read().await.unwrap().value, "New");
}

#[tokio::test]
async fn a_restore_that_was_killed_between_its_renames_is_ended() {
    let mut world = World::small().await;
    let before = whole(&world);
    let backup = backed_up(&world).await;
    world.meddle(EVENING).await;
    fs::write(world.path("masterPlaylists6.xml"), "<changed/>").unwrap();
    let note = world.path("backups/rekordbox/restoring");
    fs::write(&note, &backup.name).unwrap();
    fs::write(world.path(".tidal-cleanup-restore.half"), "half").unwrap();
    fs::copy(backup.database(), world.path("master.db")).unwrap();
    world.db.prepare().await.unwrap();
    assert_eq!(whole(&world), before);
    assert!(!note.exists());
    assert!(!world.path(".tidal-cleanup-restore.half").exists());
    // Before the first rename nothing is to be ended.
    fs::write(
        world.path("masterPlaylists6.xml"),
        world.xml().replace("7.2.10", "7.2.11"),
    )
    .unwrap();
    world.meddle(EVENING).await;
    let evening = whole(&world);
    fs::write(&note, &backup.name).unwrap();
    world.db.prepare().await.unwrap();
    assert_eq!(whole(&world), evening);
}

fn keeping(folder: &Path, keep: usize) -> MasterDb {
    let options = MasterDbOptions {
        processes: Processes::fixed::<String>([]),
        keep,
        ..MasterDbOptions::new(folder.join("backups"))
    };
    MasterDb::open(folder, options).unwrap()
}

#[tokio::test]
async fn as_many_backups_are_kept_as_are_wanted_and_the_one_that_is_restored() {
    let world = World::small().await;
    let mut db = keeping(world.folder.path(), 2);
    for _ in 0..4 {
        db.back_up(now()).await.unwrap();
    }
    let kept = db.backup_list();
    assert_eq!(kept.len(), 2);
    assert!(kept[0].name > kept[1].name);
    db.restore(&kept[1], jiff::Timestamp::now()).await.unwrap();
    assert!(kept[1].path.exists());
    // Another library's backups neither show nor go.
    let other = World::small().await;
    let mut options = MasterDbOptions::new(world.path("backups"));
    options.keep = 1;
    let other = MasterDb::open(other.folder.path(), options).unwrap();
    other.back_up(now()).await.unwrap();
    assert_eq!(other.backup_list().len(), 1);
    assert!(kept.iter().all(|backup| backup.path.exists()));
}

#[test]
fn the_next_plan_makes_again_what_a_restore_took() {
    restored_in(&harness::World::usual());
}

/// The same wherever the state is.
pub(crate) fn restored_in(world: &harness::World) {
    world.expect(0, &["rekordbox", "backup"]);
    world.sync_with(&first());
    world.assert_settled();
    let rows = world.rows();
    let said = world.expect(0, &["rekordbox", "restore", "--dry-run"]);
    assert!(said.out.contains("Lost: "), "{}", said.out);
    harness::collection::assert_same(&world.rows(), &rows);
    world.expect(9, &["rekordbox", "restore"]);
    harness::collection::assert_same(&world.rows(), &rows);
    // The first one, from before the apply: a part of its name is enough if it is the only one.
    let status = world.expect(0, &["rekordbox", "status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status.out).unwrap();
    let oldest = status["backups"].as_array().unwrap().last().unwrap()["name"]
        .as_str()
        .unwrap()
        .to_owned();
    world.expect(1, &["rekordbox", "restore", "1999", "--yes"]);
    let said = world.expect(0, &["rekordbox", "restore", &oldest, "--yes"]);
    assert!(said.err.contains("goes back again"), "{}", said.err);
    assert!(world.expect(0, &["history"]).out.contains("restore"));
    let status = world.expect(0, &["rekordbox", "status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!(status["ours"]["missing"], 0);
    assert_eq!(status["ours"]["playlists"], 0);
    world.sync();
    world.assert_settled();
    assert_eq!(world.titles("Party"), harness::titled("2 5 6 5 7"));
    world.assert_xml_names_every_list();
}

#[test]
fn a_damaged_library_is_told_in_a_line_with_the_way_back() {
    let world = harness::World::usual();
    world.sync_with(&first());
    let whole = world.rows();
    let path = world.path("rekordbox/master.db");
    let sound = fs::read(&path).unwrap();
    let backup = world.expect(0, &["rekordbox", "backup"]).out;
    let name = backup.split_whitespace().nth(3).unwrap();
    let name = Path::new(name).file_name().unwrap().to_str().unwrap();

    fs::write(&path, &sound[..sound.len() / 2]).unwrap();
    let said = world.expect(1, &["rekordbox", "status"]);
    assert!(said.err.contains(name), "{}", said.err);
    assert!(said.err.contains("goes back to it"), "{}", said.err);

    // Pages in the middle, which nobody looks at before a backup is verified.
    let mut flipped = sound.clone();
    let pages = sound.len() / 4096;
    for page in (pages / 2..pages - 1).step_by(3) {
        flipped[page * 4096 + 100] ^= 1;
    }
    fs::write(&path, flipped).unwrap();
    let said = world.expect(1, &["rekordbox", "backup"]);
    assert!(said.err.contains("damaged"), "{}", said.err);
    assert!(said.err.lines().count() < 6, "{}", said.err);

    fs::write(&path, vec![7; 8192]).unwrap();
    let said = world.expect(1, &["rekordbox", "backup"]);
    assert!(
        said.err.contains("rekordbox/master.db is not"),
        "{}",
        said.err
    );

    world.expect(0, &["rekordbox", "restore", name, "--yes"]);
    harness::collection::assert_same(&world.rows(), &whole);
}

#[test]
fn status_tells_everything_and_makes_nothing() {
    let world = harness::World::usual();
    world.sync_with(&first());
    let rows = world.rows();
    let said = world.expect(0, &["rekordbox", "status"]);
    for part in [
        "Rekordbox",
        "named by the policy",
        "Tracks",
        "Ours",
        "3 playlists",
        "Running",
        "Backups",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    let json = world.expect(0, &["rekordbox", "status", "--json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["schema"], "rekordbox7");
    assert_eq!(json["found_by"], "policy");
    assert_eq!(json["ours"]["playlists"], 3);
    assert_eq!(json["running"]["names"], serde_json::json!([]));
    assert_eq!(json["backups"].as_array().unwrap().len(), 1);
    harness::collection::assert_same(&world.rows(), &rows);
    // Without a policy and a state, by its path; the folder will do.
    fs::remove_file(world.path("tidal-cleanup.toml")).unwrap();
    let db = world.path("nowhere/state.db");
    let (db, folder) = (db.to_str().unwrap(), world.path("rekordbox"));
    let bare = [
        "rekordbox",
        "status",
        "--json",
        "--db",
        db,
        "--rekordbox",
        folder.to_str().unwrap(),
    ];
    let json: serde_json::Value = serde_json::from_str(&world.expect(0, &bare).out).unwrap();
    assert_eq!(json["found_by"], "flag");
    assert_eq!(json["ours"], serde_json::Value::Null);
    assert!(!world.path("nowhere").exists());
    let said = world.expect(1, &["rekordbox", "status", "--rekordbox", "/no/such/drive"]);
    assert!(said.err.contains("/no/such/drive"), "{}", said.err);
}
