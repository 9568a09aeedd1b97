use super::*;
use crate::edge::store::{StateReader as _, story};

#[path = "../../../../tests/common/postgres.rs"]
pub(in crate::edge::store) mod server;
use server::Server;

pub(in crate::edge::store) fn options(url: &str, library: &str, device: &str) -> PostgresOptions {
    PostgresOptions {
        url: url.to_owned(),
        library: Some(LibraryId::new(library)),
        device: device.to_owned(),
        who: format!("dj on {device}"),
        at: story::at(0),
        log_sql: false,
    }
}

use std::time::Duration;

use crate::{
    domain::state::{ObjectKey, ObjectRow, RowChange, StateRow},
    domain::{ContentId, NodeId, Provenance},
    edge::store::{
        ApplyStatus, HistoryFilter, OperationStatus, StateStore as _,
        story::{at, bare_track, intent, made, new_apply, operation, playlist, settled, track},
    },
};

async fn open(url: &str, device: &str) -> PostgresStore {
    PostgresStore::open(&options(url, "0c8e", device))
        .await
        .unwrap()
}

async fn apply_rows(store: &mut PostgresStore, rows: Vec<RowChange>) {
    let id = store
        .begin_apply(new_apply("normal", None), &[operation(0)], at(1))
        .await
        .unwrap();
    store.intend(id, &[intent(0)], at(1)).await.unwrap();
    let done = settled(0, OperationStatus::Completed, rows);
    store.settle(id, &[done], at(1)).await.unwrap();
    store
        .finish_apply(id, ApplyStatus::Completed, at(1))
        .await
        .unwrap();
}

/// One server for what follows: starting one takes a second.
#[tokio::test]
async fn a_shared_state() {
    let Some(server) = Server::start() else {
        return;
    };
    machines(&server.database()).await;
    locks(&server.database()).await;
    readers(&server).await;
    versions(&server).await;
    explained(&server).await;
    restarts(&server).await;
    crate::edge::store::transfer::tests::moves(&server).await;
}

/// Two machines share a library and its files; each has a Rekordbox of its own.
async fn machines(url: &str) {
    let (mut studio, mut club) = (open(url, "studio").await, open(url, "club").await);
    let object = |id: &str| {
        made(StateRow::Object(ObjectRow {
            key: ObjectKey::Playlist("p1".into()),
            id: id.to_owned(),
            provenance: Provenance::Tidal,
        }))
    };
    let rows = |content: &str, node: &str| {
        let (mut t1, mut p1) = (track("t1"), playlist("p1", &["t1"]));
        t1.content = Some(ContentId::new(content));
        p1.node = Some(NodeId::new(node));
        vec![
            made(StateRow::Track(Box::new(t1))),
            made(StateRow::Playlist(p1)),
            object(node),
        ]
    };
    apply_rows(&mut studio, rows("11", "12")).await;
    let seen = club.state().await.unwrap();
    assert_eq!(seen.tracks[&"t1".into()].file, track("t1").file);
    assert_eq!(seen.tracks[&"t1".into()].content, None);
    assert_eq!(seen.playlists[&"p1".into()].node, None);
    assert!(seen.objects.is_empty());
    apply_rows(&mut club, rows("21", "22")).await;
    for (store, content, node) in [(&studio, "11", "12"), (&club, "21", "22")] {
        let seen = store.state().await.unwrap();
        assert_eq!(
            seen.tracks[&"t1".into()].content,
            Some(ContentId::new(content))
        );
        assert_eq!(seen.playlists[&"p1".into()].node, Some(NodeId::new(node)));
        assert_eq!(seen.objects[&ObjectKey::Playlist("p1".into())].id, node);
    }
}

/// One run at a time; one that is cut off writes nothing more.
async fn locks(url: &str) {
    let (mut first, mut second) = (open(url, "studio").await, open(url, "club").await);
    first.lock(Duration::ZERO).await.unwrap();
    let refused = second.lock(Duration::from_millis(200)).await.unwrap_err();
    assert!(refused.to_string().contains("dj on studio"), "{refused}");
    let holder = second.reader().holder().await.unwrap();
    assert_eq!(holder.as_deref(), Some("dj on studio"));
    let mut beside = PostgresStore::open(&options(url, "beside", "studio"))
        .await
        .unwrap();
    beside.lock(Duration::ZERO).await.unwrap();
    let id = first
        .begin_apply(new_apply("normal", None), &[operation(0)], at(1))
        .await
        .unwrap();

    // The connection is lost, as by a firewall: the lock is free, and the first run is over.
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1",
    )
    .bind(i32::try_from(first.reader.library).unwrap())
    .execute(&second.reader.pool)
    .await
    .unwrap();
    let lost = first.intend(id, &[intent(0)], at(2)).await.unwrap_err();
    assert!(matches!(lost, StoreError::Database { .. }), "{lost:?}");
    assert!(
        first.intend(id, &[intent(0)], at(2)).await.is_err(),
        "it does not come back"
    );
    second.lock(Duration::from_secs(10)).await.unwrap();
    second.resume_apply(id, at(3)).await.unwrap();
    let row = &second.operations(id).await.unwrap()[0];
    assert_eq!(row.status, OperationStatus::Pending);
    second
        .finish_apply(id, ApplyStatus::Partial, at(4))
        .await
        .unwrap();
    drop(second);
    // Dropping lets go of the lock as soon as the server has seen it.
    open(url, "studio")
        .await
        .lock(Duration::from_secs(10))
        .await
        .unwrap();
}

/// A user with `SELECT` only reads everything and writes nothing: the grants of docs/postgres.md.
async fn readers(server: &Server) {
    let url = server.database();
    let name = url.rsplit('/').next().unwrap();
    let mut owner = open(&url, "studio").await;
    apply_rows(
        &mut owner,
        vec![made(StateRow::Track(Box::new(bare_track("t1"))))],
    )
    .await;
    let docs = include_str!("../../../../docs/postgres.md");
    for (heading, role) in [
        ("## Who may only read", "guest"),
        ("## Who may write", "friend"),
    ] {
        let sql = docs.split(heading).nth(1).unwrap();
        let sql = sql
            .split("```sql")
            .nth(1)
            .unwrap()
            .split("```")
            .next()
            .unwrap();
        server.sql(name, &sql.replace("NAME", role));
    }
    let guest = server.address("guest", name);
    let mut guest = open(&guest, "sofa").await;
    assert_eq!(guest.state().await.unwrap().tracks.len(), 1);
    assert_eq!(
        guest
            .history(&HistoryFilter::default())
            .await
            .unwrap()
            .len(),
        0
    );
    assert_eq!(guest.applies().await.unwrap().len(), 1);
    assert_eq!(guest.check().await.unwrap(), []);
    assert_eq!(guest.reader().holder().await.unwrap(), None);
    let refused = guest
        .begin_apply(new_apply("normal", None), &[operation(0)], at(1))
        .await;
    assert!(refused.unwrap_err().is_read_only());
    assert!(guest.lock(Duration::ZERO).await.unwrap_err().is_read_only());
    let mut friend = open(&server.address("friend", name), "sofa").await;
    friend.lock(Duration::from_secs(10)).await.unwrap();
    apply_rows(
        &mut friend,
        vec![made(StateRow::Playlist(playlist("p1", &["t1"])))],
    )
    .await;
    let nobody = PostgresStore::open(&options(&server.address("nobody", name), "0c8e", "x")).await;
    assert_eq!(nobody.unwrap_err().code().as_deref(), Some("28000"));
}

async fn versions(server: &Server) {
    let url = server.database();
    let name = url.rsplit('/').next().unwrap();
    let open_as = async |url: &str| PostgresStore::open(&options(url, "0c8e", "studio")).await;
    drop(open(&url, "studio").await);
    server.sql(name, "INSERT INTO tidal_cleanup_schema VALUES (99, '')");
    let refused = open_as(&url).await.unwrap_err();
    assert!(matches!(refused, StoreError::Newer { .. }), "{refused}");

    // As the first version made it.
    server.sql(
        name,
        "DELETE FROM tidal_cleanup_schema WHERE version > 1; ALTER TABLE approvals DROP COLUMN plan;
         ALTER TABLE applies DROP COLUMN device; DROP TABLE device_entries;
         UPDATE meta SET schema_version = 1; CREATE ROLE old LOGIN;
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO old",
    );
    let refused = open_as(&server.address("old", name)).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::Outdated { found: 1, .. }),
        "{refused}"
    );
    let both = tokio::join!(open_as(&url), open_as(&url));
    let (one, two) = (both.0.unwrap(), both.1.unwrap());
    assert_eq!(one.meta().await.unwrap().schema_version, SCHEMA_VERSION);
    assert_eq!(two.approvals().await.unwrap(), []);

    let other = server.database();
    server.sql(
        other.rsplit('/').next().unwrap(),
        "CREATE TABLE tracks (id INT)",
    );
    let refused = PostgresStore::open(&options(&other, "0c8e", "studio"))
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
}

/// No hot path reads a big table from end to end.
async fn explained(server: &Server) {
    let url = server.database();
    let name = url.rsplit('/').next().unwrap();
    drop(open(&url, "studio").await);
    server.sql(
        name,
        "INSERT INTO meta (library_id, lineage) SELECT 'l' || n, 'x' FROM generate_series(1, 19) AS n;
         INSERT INTO tracks (library, tidal_id, title, artist, normalized_name, created_at, updated_at)
            SELECT 1 + n % 20, 't' || n, 't', 'a', 't', '', '' FROM generate_series(1, 40000) AS n;
         INSERT INTO playlists (library, tidal_id, name, created_at, updated_at, provenance)
            SELECT 1 + n % 20, 'p' || n, 'p', '', '', 'tidal' FROM generate_series(1, 4000) AS n;
         INSERT INTO playlist_tracks (library, playlist_id, track_id, position, created_at, updated_at)
            SELECT 1 + (n % 4000) % 20, 1 + n % 4000, n, n / 4000, '', ''
            FROM generate_series(1, 40000) AS n;
         INSERT INTO applies (library, id, mode, status, digest, policy_sha256, who, fencing, started_at,
            pending, running, completed, failed, skipped, plan)
            SELECT 1, n, '', 'completed', '', '', '', 1, '', 0, 0, 0, 0, 0, '' FROM generate_series(1, 200) AS n;
         INSERT INTO sync_operations (library, apply_id, seq, operation_type, status, created_at, action_id,
            kind, rule, label, playlist_tidal_id, track_tidal_id)
            SELECT 1, 1 + n % 200, n / 200, 'download', 'completed', '', '', '', '', '', 'p' || n % 400,
                't' || n % 4000 FROM generate_series(1, 40000) AS n;
         ANALYZE",
    );
    let hot = [
        load::TRACKS.replace("$1", "1").replace("$2", "'studio'"),
        load::ENTRIES.replace("$1", "1"),
        load::PLAYLISTS.replace("$1", "1").replace("$2", "'studio'"),
        crate::edge::store::occurrence::OCCURRENCES.replace("$1", "7").replace("$2", "0"),
        "SELECT tidal_id, id FROM tracks WHERE library = 1 AND tidal_id IN ('t1', 't2')".to_owned(),
        "SELECT seq, status FROM sync_operations WHERE library = 1 AND apply_id = 3 AND seq IN (1, 2)".to_owned(),
        "SELECT status, COUNT(*) FROM sync_operations WHERE library = 1 AND apply_id = 3 GROUP BY status".to_owned(),
        "SELECT * FROM sync_operations AS o JOIN applies AS a ON a.library = o.library AND a.id = o.apply_id
         WHERE o.library = 1 AND o.track_tidal_id = 't7' ORDER BY o.apply_id DESC, o.seq DESC LIMIT 50".to_owned(),
        "SELECT * FROM sync_operations AS o JOIN applies AS a ON a.library = o.library AND a.id = o.apply_id
         WHERE o.library = 1 ORDER BY o.apply_id DESC, o.seq DESC LIMIT 50".to_owned(),
        "UPDATE sync_operations AS o SET status = 'running' FROM (VALUES (1), (2)) AS v (seq)
         WHERE o.library = 1 AND o.apply_id = 3 AND o.seq = v.seq".to_owned(),
        "UPDATE playlist_tracks AS e SET position = v.position FROM (VALUES (1, 2)) AS v (id, position)
         WHERE e.id = v.id".to_owned(),
        "UPDATE playlist_tracks SET position = NULL WHERE playlist_id = 7 AND position >= 3".to_owned(),
        "UPDATE sync_operations SET playlist_id = (SELECT p.id FROM playlists AS p
            WHERE p.library = sync_operations.library AND p.tidal_id = sync_operations.playlist_tidal_id),
            track_id = (SELECT t.id FROM tracks AS t
            WHERE t.library = sync_operations.library AND t.tidal_id = sync_operations.track_tidal_id)
         WHERE library = 1 AND apply_id = 3 AND (playlist_id IS NULL OR track_id IS NULL)".to_owned(),
        "UPDATE tracks SET (file_size_bytes, file_hash) = (SELECT size_bytes, hash FROM files
            WHERE files.library = tracks.library AND path = tracks.file_path AND files.deleted_at IS NULL)
         WHERE library = 1 AND tidal_id IN ('t1', 't2')".to_owned(),
        "SELECT id FROM playlists WHERE library = 1 AND tidal_id = 'p7'".to_owned(),
        "SELECT device FROM applies WHERE library = 1 AND id = 3".to_owned(),
    ];
    for sql in hot {
        let plan = server.sql(name, &format!("EXPLAIN {sql}"));
        for table in ["tracks", "playlist_tracks", "sync_operations", "playlists"] {
            let scan = format!("Seq Scan on {table}");
            let whole = plan.lines().any(|line| {
                line.split(&scan)
                    .nth(1)
                    .is_some_and(|rest| rest.starts_with(' '))
            });
            assert!(!whole, "{sql}\n{plan}");
        }
    }
}

/// The server goes away in the middle of a run and comes back: the run ends, another goes on with it.
async fn restarts(server: &Server) {
    let url = server.database();
    let mut first = open(&url, "studio").await;
    first.lock(Duration::ZERO).await.unwrap();
    let operations = [operation(0), operation(1)];
    let id = first
        .begin_apply(new_apply("normal", None), &operations, at(1))
        .await
        .unwrap();
    first.intend(id, &[intent(0)], at(2)).await.unwrap();
    server.down();
    server.up();
    let done = [settled(0, OperationStatus::Completed, vec![])];
    assert!(first.settle(id, &done, at(3)).await.is_err());
    assert!(first.intend(id, &[intent(1)], at(3)).await.is_err());
    let mut second = open(&url, "studio").await;
    second.lock(Duration::from_secs(10)).await.unwrap();
    assert_eq!(second.unfinished().await.unwrap().unwrap().running, 1);
    second.resume_apply(id, at(4)).await.unwrap();
    second.settle(id, &done, at(5)).await.unwrap();
    second
        .finish_apply(id, ApplyStatus::Partial, at(6))
        .await
        .unwrap();
}
