//! What only a database in a file can show: permissions, damage, death, copies.

#![cfg(unix)]

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use sqlx::Row as _;
use tempfile::TempDir;

use super::*;
use crate::{
    domain::{
        State,
        state::{FileRow, RowChange, StateRow},
    },
    edge::store::{
        ApplyStatus, OperationStatus, StateReader as _, StateStore as _,
        story::{at, file, intent, made, new_apply, operation, playlist, settled, track},
        words::Scope,
    },
};

struct World {
    dir: TempDir,
}

impl World {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("home/sync.db")
    }

    fn backups(&self) -> PathBuf {
        self.dir.path().join("backups")
    }

    fn options(&self) -> StoreOptions {
        StoreOptions {
            busy_timeout: Duration::from_millis(200),
            ..StoreOptions::new(self.backups(), at(0))
        }
    }

    async fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.path(), &self.options())
            .await
            .unwrap()
    }

    async fn refusal(&self) -> StoreError {
        SqliteStore::open(&self.path(), &self.options())
            .await
            .unwrap_err()
    }

    /// The names of all files in the state's folder.
    fn listing(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path().parent().unwrap()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn some_rows() -> Vec<RowChange> {
    vec![
        made(StateRow::Track(Box::new(track("t1")))),
        made(StateRow::File(file("House 🇮🇹/t1.flac", Some("t1")))),
        made(StateRow::Playlist(playlist("p1", &["t1", "t1"]))),
    ]
}

async fn run_of(store: &mut SqliteStore, rows: Vec<RowChange>) {
    let id = store
        .begin_apply(new_apply("normal", None), &[operation(0)], at(1))
        .await
        .unwrap();
    store.intend(id, &[intent(0)], at(2)).await.unwrap();
    let done = settled(0, OperationStatus::Completed, rows);
    store.settle(id, &[done], at(3)).await.unwrap();
    let status = ApplyStatus::Completed;
    store.finish_apply(id, status, at(4)).await.unwrap();
}

async fn state_at(path: &Path) -> State {
    let reader = SqliteReader::open(path).await.unwrap();
    let state = reader.state().await.unwrap();
    reader.close().await;
    state
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_new_database_belongs_to_its_owner_alone() {
    let world = World::new();
    let store = world.store().await;
    assert_eq!(mode(&world.path()), 0o600);
    assert_eq!(mode(&beside(&world.path(), "-wal")), 0o600);
    assert_eq!(mode(world.path().parent().unwrap()), 0o700);
    let meta = store.meta().await.unwrap();
    assert_eq!((meta.serial, meta.schema_version), (0, SCHEMA_VERSION));
    assert_eq!(meta.lineage.len(), 36);
    store.close().await;
    assert_eq!(world.listing(), ["sync.db"]);
    assert_eq!(world.store().await.meta().await.unwrap(), meta);
    assert!(!world.backups().exists());
}

#[tokio::test]
async fn the_settings_are_in_effect() {
    let store = World::new().store().await;
    for (pragma, want) in [
        ("PRAGMA journal_mode", "wal"),
        ("PRAGMA synchronous", "2"),
        ("PRAGMA foreign_keys", "1"),
        ("PRAGMA trusted_schema", "0"),
        ("PRAGMA auto_vacuum", "2"),
    ] {
        let row = sqlx::query(pragma)
            .fetch_one(&store.reader.pool)
            .await
            .unwrap();
        let text = row.try_get_unchecked::<String, _>(0).unwrap();
        assert_eq!(text, want, "{pragma}");
    }
}

#[tokio::test]
async fn two_processes_may_make_it_at_once() {
    let world = World::new();
    let (path, mut options) = (world.path(), world.options());
    options.busy_timeout = Duration::from_secs(10);
    let (one, two) = tokio::join!(
        SqliteStore::open(&path, &options),
        SqliteStore::open(&path, &options)
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.meta().await.unwrap(), two.meta().await.unwrap());
}

#[tokio::test]
async fn a_reader_makes_nothing() {
    let world = World::new();
    let missing = SqliteReader::open(&world.path()).await.unwrap_err();
    assert!(matches!(missing, StoreError::Missing { .. }));
    assert!(!world.path().parent().unwrap().exists());

    let mut store = world.store().await;
    run_of(&mut store, some_rows()).await;
    let state = store.state().await.unwrap();
    assert_eq!(state_at(&world.path()).await, state);
    store.close().await;
    let bytes = std::fs::read(world.path()).unwrap();
    assert_eq!(state_at(&world.path()).await, state);
    assert_eq!(world.listing(), ["sync.db"]);
    assert_eq!(std::fs::read(world.path()).unwrap(), bytes);
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let world = World::new();
    let store = world.store().await;
    for busy in [true, false] {
        let reader = SqliteReader::open(&world.path()).await.unwrap();
        let refused = sqlx::query("UPDATE meta SET serial = 9")
            .execute(&reader.pool)
            .await;
        assert!(refused.unwrap_err().to_string().contains("readonly"));
        reader.close().await;
        if busy {
            store.reader.pool.close().await;
        }
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_can_be_read() {
    let world = World::new();
    let mut store = world.store().await;
    run_of(&mut store, some_rows()).await;
    let state = store.state().await.unwrap();
    store.close().await;
    let folder = world.path().parent().unwrap().to_owned();
    let set = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&folder, permissions).unwrap();
    };
    set(0o500);
    let read = state_at(&world.path()).await;
    let root = std::fs::write(folder.join("probe"), "").is_ok();
    // Root may write everywhere, so that only others can be refused.
    let refused = SqliteStore::open(&folder.join("other.db"), &world.options()).await;
    set(0o700);
    assert_eq!(read, state);
    assert!(root || matches!(refused, Err(StoreError::Io { .. })));
}

#[tokio::test]
async fn a_folder_that_is_a_file_is_named() {
    let world = World::new();
    std::fs::write(world.dir.path().join("home"), "a file").unwrap();
    let refused = world.refusal().await;
    assert!(matches!(&refused, StoreError::Io { path, .. } if path.ends_with("home")));
}

#[tokio::test]
async fn what_is_no_state_database_is_refused_and_left_alone() {
    let world = World::new();
    std::fs::create_dir(world.path().parent().unwrap()).unwrap();
    std::fs::write(world.path(), "this is a note of mine\n").unwrap();
    let refused = world.refusal().await.to_string();
    assert!(
        refused.ends_with("it is not a SQLite database"),
        "{refused}"
    );
    let text = std::fs::read_to_string(world.path()).unwrap();
    assert_eq!(text, "this is a note of mine\n");

    std::fs::remove_file(world.path()).unwrap();
    let foreign = SqliteConnectOptions::new()
        .filename(world.path())
        .create_if_missing(true);
    let pool = SqlitePool::connect_with(foreign).await.unwrap();
    let made = sqlx::query("CREATE TABLE diary (page TEXT)").execute(&pool);
    made.await.unwrap();
    pool.close().await;
    let before = std::fs::read(world.path()).unwrap();
    let refused = world.refusal().await.to_string();
    assert!(refused.ends_with("another program's database"), "{refused}");
    assert!(
        std::fs::read(world.path()).unwrap() == before,
        "not even its journal mode"
    );
}

#[tokio::test]
async fn a_truncated_file_is_damaged() {
    let world = World::new();
    let mut store = world.store().await;
    run_of(&mut store, some_rows()).await;
    store.close().await;
    let bytes = std::fs::read(world.path()).unwrap();
    for length in [50, 4_096, bytes.len() / 2] {
        std::fs::write(world.path(), &bytes[..length]).unwrap();
        let refused = world.refusal().await;
        assert!(
            matches!(refused, StoreError::Damaged { .. }),
            "{length}: {refused:?}"
        );
        let reader = SqliteReader::open(&world.path()).await.unwrap_err();
        assert!(
            matches!(reader, StoreError::Damaged { .. }),
            "{length}: {reader:?}"
        );
    }
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let world = World::new();
    let store = world.store().await;
    let newer = sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (42, 'the future', TRUE, X'00', 1)",
    );
    newer.execute(&store.reader.pool).await.unwrap();
    store.close().await;
    let is_newer = |error| {
        matches!(
            error,
            StoreError::Newer {
                found: 42,
                known: SCHEMA_VERSION,
                ..
            }
        )
    };
    assert!(is_newer(world.refusal().await));
    assert!(is_newer(
        SqliteReader::open(&world.path()).await.unwrap_err()
    ));
    assert!(!world.backups().exists());
}

#[tokio::test]
async fn an_older_database_is_backed_up_before_it_is_migrated() {
    let world = World::new();
    let store = world.store().await;
    // As the first version made it.
    for sql in [
        "DELETE FROM _sqlx_migrations WHERE version > 1",
        "DROP TABLE approvals",
        "DROP TABLE device_ids",
        "DROP TABLE device_objects",
        "DROP TABLE device_entries",
        "ALTER TABLE applies DROP COLUMN device",
        "UPDATE meta SET schema_version = 1",
    ] {
        sqlx::query(sql).execute(&store.reader.pool).await.unwrap();
    }
    store.close().await;
    let reader = SqliteReader::open(&world.path()).await.unwrap_err();
    assert!(matches!(
        reader,
        StoreError::Outdated {
            found: 1,
            known: SCHEMA_VERSION,
            ..
        }
    ));
    let store = world.store().await;
    assert_eq!(store.meta().await.unwrap().schema_version, SCHEMA_VERSION);
    assert_eq!(store.approvals().await.unwrap(), []);
    store.close().await;
    let backups: Vec<_> = std::fs::read_dir(world.backups()).unwrap().collect();
    assert_eq!(backups.len(), 1);
    let name = backups[0].as_ref().unwrap().file_name();
    assert!(
        name.to_str().unwrap().ends_with("-migration.db"),
        "{name:?}"
    );
}

#[tokio::test]
async fn a_migration_that_fails_changes_nothing() {
    let world = World::new();
    let store = world.store().await;
    // Its tables are there, so that it must fail.
    let older = sqlx::query("DELETE FROM _sqlx_migrations WHERE version > 1");
    older.execute(&store.reader.pool).await.unwrap();
    store.close().await;
    let bytes = std::fs::read(world.path()).unwrap();
    let refused = world.refusal().await.to_string();
    assert_eq!(refused, "state database: migrate");
    assert_eq!(std::fs::read(world.path()).unwrap(), bytes);
}

#[tokio::test]
async fn a_transaction_that_is_dropped_leaves_the_old_state() {
    let world = World::new();
    let mut store = world.store().await;
    run_of(&mut store, some_rows()).await;
    let state = store.state().await.unwrap();
    let scope = Scope {
        library: 1,
        at: at(9),
    };
    let mut tx = store.reader.begin_writing().await.unwrap();
    let emptied = made(StateRow::Playlist(playlist("p1", &[])));
    rows::change_all(&mut tx, scope, [&emptied].into_iter())
        .await
        .unwrap();
    drop(tx);
    assert_eq!(store.state().await.unwrap(), state);
}

#[tokio::test]
async fn a_process_that_dies_within_a_transaction_leaves_the_old_state() {
    let world = World::new();
    let mut store = world.store().await;
    run_of(&mut store, some_rows()).await;
    let state = store.state().await.unwrap();
    let mut tx = store.reader.begin_writing().await.unwrap();
    // More pages than the cache holds, so that some reach the log before the commit.
    sqlx::query("PRAGMA cache_size = 10")
        .execute(&mut *tx)
        .await
        .unwrap();
    for number in 0..2_000 {
        let scope = Scope {
            library: 1,
            at: at(9),
        };
        let row = made(StateRow::Track(Box::new(track(&format!("x{number}")))));
        rows::change_all(&mut tx, scope, [&row].into_iter())
            .await
            .unwrap();
    }
    // The files as kill -9 would leave them.
    let dead = world.dir.path().join("dead.db");
    std::fs::copy(world.path(), &dead).unwrap();
    let log = beside(&world.path(), "-wal");
    assert!(std::fs::metadata(&log).unwrap().len() > 500_000);
    std::fs::copy(log, beside(&dead, "-wal")).unwrap();
    drop(tx);
    assert_eq!(state_at(&dead).await, state);
    let store = SqliteStore::open(&dead, &world.options()).await.unwrap();
    assert_eq!(store.state().await.unwrap(), state);
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn a_writer_waits_for_another_and_says_so_in_the_end() {
    let world = World::new();
    let store = world.store().await;
    let mut other = world.store().await;
    let _tx = store.reader.begin_writing().await.unwrap();
    let refused = other
        .begin_apply(new_apply("normal", None), &[], at(1))
        .await;
    let refused = refused.unwrap_err();
    assert!(matches!(&refused, StoreError::Database { .. }));
    assert_eq!(refused.to_string(), "state database: begin to write");
    // Readers do not wait.
    assert_eq!(other.applies().await.unwrap(), []);
}

#[tokio::test]
async fn history_outlives_what_it_is_about() {
    let world = World::new();
    let mut store = world.store().await;
    run_of(&mut store, some_rows()).await;
    let pool = &store.reader.pool;
    for table in ["playlists", "tracks"] {
        let sql = format!("DELETE FROM {table}");
        let refused = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(pool).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("FOREIGN KEY"), "{table}: {refused}");
    }
    let linked: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM sync_operations WHERE playlist_id IS NOT NULL")
            .fetch_one(pool)
            .await
            .unwrap();
    assert_eq!(linked, 1);
}

#[tokio::test]
async fn a_track_carries_the_facts_of_its_file() {
    let world = World::new();
    let mut store = world.store().await;
    let mut changes = some_rows();
    changes.swap(0, 1);
    run_of(&mut store, changes).await;
    let facts: (i64, String, i64, String, String) = sqlx::query_as(
        "SELECT file_size_bytes, file_format, length(file_hash), file_last_modified, normalized_name
         FROM tracks",
    )
    .fetch_one(&store.reader.pool)
    .await
    .unwrap();
    assert_eq!(
        (facts.0, facts.1.as_str(), facts.2),
        (38_211_002, "flac", 64)
    );
    assert_eq!(facts.3, at(3).to_string());
    assert!(facts.4.starts_with("ke$ha, røyksopp"), "{}", facts.4);
}

#[tokio::test]
async fn check_finds_what_hands_did() {
    let world = World::new();
    let mut store = world.store().await;
    run_of(&mut store, some_rows()).await;
    assert_eq!(store.check().await.unwrap(), []);
    let pool = &store.reader.pool;
    for (harm, check, repair) in [
        (
            "UPDATE playlist_tracks SET position = 7 WHERE position = 1",
            "positions",
            "UPDATE playlist_tracks SET position = 1 WHERE position = 7",
        ),
        (
            "UPDATE files SET deleted_at = 'x'",
            "tracks",
            "UPDATE files SET deleted_at = NULL",
        ),
        (
            "UPDATE meta SET serial = 0",
            "journal",
            "UPDATE meta SET serial = 1",
        ),
        (
            "UPDATE sync_operations SET status = 'running'",
            "journal",
            "UPDATE sync_operations SET status = 'completed'",
        ),
        (
            "PRAGMA foreign_keys = OFF; UPDATE playlist_tracks SET track_id = 99 WHERE position = 0",
            "foreign_keys",
            "UPDATE playlist_tracks SET track_id = 1; PRAGMA foreign_keys = ON",
        ),
    ] {
        sqlx::raw_sql(harm).execute(pool).await.unwrap();
        let found = store.check().await.unwrap();
        assert_eq!(found.len(), 1, "{harm}: {found:?}");
        assert_eq!(found[0].check, check, "{found:?}");
        sqlx::raw_sql(repair).execute(pool).await.unwrap();
        assert_eq!(store.check().await.unwrap(), []);
    }
}

#[tokio::test]
async fn check_finds_a_torn_page() {
    let world = World::new();
    let mut store = world.store().await;
    run_of(&mut store, some_rows()).await;
    let root: i64 =
        sqlx::query_scalar("SELECT rootpage FROM sqlite_schema WHERE name = 'files_by_track'")
            .fetch_one(&store.reader.pool)
            .await
            .unwrap();
    store.close().await;
    let mut bytes = std::fs::read(world.path()).unwrap();
    let start = usize::try_from(root - 1).unwrap() * 4_096;
    bytes[start..start + 4_096].fill(0xff);
    std::fs::write(world.path(), bytes).unwrap();
    // Opening does not read every page; the check does.
    let store = world.store().await;
    let found = store.check().await.unwrap();
    assert!(
        found.iter().all(|one| one.check == "integrity"),
        "{found:?}"
    );
    assert!(!found.is_empty());
}

#[tokio::test]
async fn a_backup_is_whole_private_and_never_overwrites() {
    let world = World::new();
    let mut store = world.store().await;
    run_of(&mut store, some_rows()).await;
    let target = world.dir.path().join("mine.db");
    store.backup_to(&target).await.unwrap();
    assert_eq!(mode(&target), 0o600);
    assert_eq!(state_at(&target).await, store.state().await.unwrap());
    let bytes = std::fs::read(&target).unwrap();
    let refused = store.backup_to(&target).await.unwrap_err();
    assert!(matches!(refused, StoreError::Io { .. }));
    assert_eq!(std::fs::read(&target).unwrap(), bytes);
    assert!(!beside(&target, ".part").exists());
}

#[tokio::test]
async fn automatic_backups_rotate_and_nothing_else_goes() {
    let world = World::new();
    let mut options = world.options();
    options.backups_kept = 2;
    let store = SqliteStore::open(&world.path(), &options).await.unwrap();
    std::fs::create_dir(world.backups()).unwrap();
    let bystanders = [
        "sync-holiday-apply.db",
        "other-20200101T000000.000Z-apply.db",
        "x.txt",
    ];
    for name in bystanders {
        std::fs::write(world.backups().join(name), name).unwrap();
    }
    for second in [1, 2, 2, 3] {
        store.backup(BackupKind::Apply, at(second)).await.unwrap();
        store.backup(BackupKind::Manual, at(second)).await.unwrap();
    }
    let names = std::fs::read_dir(world.backups()).unwrap();
    let names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for name in bystanders {
        assert!(names.iter().any(|found| found == name), "{name}");
    }
    let of = |kind: &str| {
        let ours = |name: &&String| name.starts_with("sync-2") && name.ends_with(kind);
        names.iter().filter(ours).count()
    };
    assert_eq!((of("-apply.db"), of("-manual.db")), (2, 4));
    let newest = at(3)
        .strftime("sync-%Y%m%dT%H%M%S.000Z-apply.db")
        .to_string();
    assert!(names.contains(&newest), "{names:?}");
}

#[tokio::test]
async fn hot_questions_are_answered_by_an_index() {
    let store = World::new().store().await;
    for sql in [
        "SELECT id FROM tracks WHERE library = 1 AND tidal_id = 'x'",
        "SELECT id FROM tracks WHERE library = 1 AND file_path = 'x'",
        "SELECT id FROM tracks WHERE library = 1 AND isrc = 'x'",
        "SELECT id FROM tracks WHERE library = 1 AND artist = 'x' AND title = 'y'",
        "SELECT id FROM playlists WHERE library = 1 AND name = 'x'",
        "SELECT status FROM sync_operations WHERE library = 1 AND apply_id = 1 AND seq = 1",
        "SELECT status, COUNT(*) FROM sync_operations WHERE library = 1 AND apply_id = 1 GROUP BY status",
        "SELECT label FROM sync_operations WHERE library = 1 AND playlist_tidal_id = 'x'
         ORDER BY apply_id DESC, seq DESC LIMIT 9",
        "SELECT id FROM playlist_tracks WHERE playlist_id = 1 AND position >= 4",
    ] {
        let sql = format!("EXPLAIN QUERY PLAN {sql}");
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()))
            .fetch_all(&store.reader.pool)
            .await
            .unwrap();
        let by_index = |step: &str| step.starts_with("SEARCH");
        assert!(plan.iter().all(|step| by_index(&step.3)), "{sql}: {plan:?}");
    }
}

/// Rows of the state are found one by one too, however large the library is.
#[tokio::test]
async fn rows_of_a_batch_are_found_one_by_one() {
    let store = World::new().store().await;
    for sql in [
        rows::TAKE_TRACKS,
        rows::TAKE_FILES,
        rows::TAKE_OBJECTS,
        rows::MARK_TRACKS,
        rows::INSERT_ENTRIES,
        rows::UPDATE_ENTRIES,
    ] {
        let sql = format!("EXPLAIN QUERY PLAN {sql}");
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()))
            .fetch_all(&store.reader.pool)
            .await
            .unwrap();
        let of_json = |step: &str| step.starts_with("SCAN v") || step.starts_with("SCAN json_each");
        let scans = plan.iter().filter(|step| step.3.starts_with("SCAN"));
        assert!(
            scans.clone().all(|step| of_json(&step.3)),
            "{sql}: {plan:?}"
        );
        assert_eq!(scans.count(), 1, "{sql}: {plan:?}");
    }
}

/// Changes of one key are made one after the other, whatever stands between them.
#[tokio::test]
async fn a_row_that_changes_twice_in_a_batch_ends_as_the_last_change_says() {
    let world = World::new();
    let store = world.store().await;
    let scope = Scope {
        library: 1,
        at: at(9),
    };
    let row = |path: &str, size| {
        StateRow::File(FileRow {
            size,
            ..file(path, None)
        })
    };
    let change = |before: Option<&StateRow>, after: Option<&StateRow>| RowChange {
        before: before.cloned(),
        after: after.cloned(),
    };
    let (a, b) = (row("a.mp3", 1), row("b.mp3", 2));
    let (a_as_b, b_as_a) = (row("b.mp3", 1), row("a.mp3", 2));
    let changes = [
        change(None, Some(&a)),
        change(None, Some(&b)),
        // They change places, over a third one.
        change(Some(&a), Some(&row("c.mp3", 1))),
        change(Some(&b), Some(&b_as_a)),
        change(Some(&row("c.mp3", 1)), Some(&a_as_b)),
    ];
    let mut tx = store.reader.begin_writing().await.unwrap();
    rows::change_all(&mut tx, scope, changes.iter())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let files = store.state().await.unwrap().files;
    let sizes: Vec<_> = files
        .values()
        .map(|row| (row.path.as_str(), row.size))
        .collect();
    assert_eq!(sizes, [("a.mp3", 2), ("b.mp3", 1)]);
}

/// A batch costs what its own rows cost, however long the run is.
#[tokio::test]
async fn operations_of_a_batch_are_found_one_by_one() {
    let store = World::new().store().await;
    for (sql, by) in [
        (journal::FIND_OPERATIONS, "seq=?"),
        (journal::BEGIN_OPERATIONS, "rowid=?"),
        (journal::END_OPERATIONS, "rowid=?"),
    ] {
        let sql = format!("EXPLAIN QUERY PLAN {sql}");
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .fetch_all(&store.reader.pool)
            .await
            .unwrap();
        let steps: Vec<&str> = plan.iter().map(|step| step.3.as_str()).collect();
        assert_eq!(steps.len(), 2, "{steps:?}");
        assert!(steps[0].starts_with("SCAN v"), "{steps:?}");
        assert!(
            steps[1].starts_with("SEARCH o") && steps[1].contains(by),
            "{steps:?}"
        );
    }
}

#[tokio::test]
async fn what_may_only_be_read_can_be_read() {
    let world = World::new();
    world.store().await.close().await;
    let mut store = SqliteStore::open_to_read(&world.path(), &world.options())
        .await
        .unwrap();
    assert!(store.state().await.unwrap().files.is_empty());
    let id = crate::domain::LibraryId::new("0b5e3a52-5c0f-4c43-9d1c-6d6b2a3b6b7e");
    let refused = store.set_library(&id).await.unwrap_err();
    assert!(refused.is_read_only(), "{refused:?}");
}
