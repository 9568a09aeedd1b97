use std::path::Path;

use sqlx::Row as _;

use super::*;
use crate::{
    domain::{ContentId, NodeId, state::StateRow},
    edge::store::{
        ApplyId, ApplyStatus, OperationStatus, PostgresStore, SqliteStore, StateReader,
        StateStore as _, StoreOptions,
        postgres::tests::{options as on_server, server::Server},
        story::{at, intent, made, new_apply, operation, playlist, settled, tell, track},
    },
};

async fn file(path: &Path) -> SqliteStore {
    let options = StoreOptions::new(path.with_extension("backups"), at(0));
    SqliteStore::open(path, &options).await.unwrap()
}

/// A file in which everything happened that a store can be told.
async fn eventful(path: &Path) -> SqliteStore {
    tell(file(path).await, file(path).await).await;
    file(path).await
}

async fn saved(store: &SqliteStore, device: &str) -> Vec<u8> {
    let mut out = Vec::new();
    store.reader().export(&mut out, device, None).await.unwrap();
    out
}

/// What the rows of a file say, by SQL of its own: without the numbers that a database gives.
async fn told(path: &Path) -> Vec<String> {
    let url = format!("sqlite://{}", path.display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let mut told = Vec::new();
    for sql in [
        "SELECT library_id, lineage, serial, fencing FROM meta",
        "SELECT * FROM tracks",
        "SELECT * FROM playlists",
        "SELECT p.tidal_id, t.tidal_id, e.* FROM playlist_tracks AS e JOIN playlists AS p ON p.id = e.playlist_id
            JOIN tracks AS t ON t.id = e.track_id",
        "SELECT * FROM files",
        "SELECT * FROM rekordbox_objects",
        "SELECT * FROM applies",
        "SELECT p.tidal_id, t.tidal_id, o.* FROM sync_operations AS o LEFT JOIN playlists AS p ON p.id = o.playlist_id
            LEFT JOIN tracks AS t ON t.id = o.track_id",
        "SELECT * FROM sync_snapshots ORDER BY id",
        "SELECT * FROM approvals",
    ] {
        let rows = sqlx::query(sql).fetch_all(&pool).await.unwrap();
        let mut lines: Vec<String> = rows.iter().map(line).collect();
        assert!(!lines.is_empty(), "{sql}");
        if !sql.contains("ORDER") {
            lines.sort();
        }
        told.extend(lines);
    }
    pool.close().await;
    told
}

fn line(row: &sqlx::sqlite::SqliteRow) -> String {
    use sqlx::{Column as _, ValueRef as _};
    let numbers = ["playlist_id", "track_id"];
    let is_number = |name: &str| name == "id" && row.len() != 18 || numbers.contains(&name);
    let columns = row
        .columns()
        .iter()
        .filter(|column| !is_number(column.name()));
    let value = |place: usize| match row.try_get_raw(place).unwrap().is_null() {
        true => "-".to_owned(),
        false => row
            .try_get::<String, _>(place)
            .or_else(|_| row.try_get::<i64, _>(place).map(|it| it.to_string()))
            .or_else(|_| row.try_get::<Vec<u8>, _>(place).map(|it| format!("{it:?}")))
            .unwrap(),
    };
    let values = columns.map(|column| format!("{}={}", column.name(), value(column.ordinal())));
    values.collect::<Vec<_>>().join(" | ")
}

/// What a reader is told.
async fn answers(store: &impl StateReader) -> String {
    let mut runs = Vec::new();
    for run in store.applies().await.unwrap() {
        let operations = store.operations(run.id).await.unwrap();
        let plan = store.applied_plan(run.id).await.unwrap();
        runs.push((run, operations, plan));
    }
    format!(
        "{:#?}\n{runs:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}",
        store.state().await.unwrap(),
        store.statistics().await.unwrap(),
        store.approvals().await.unwrap(),
        store.last_reading().await.unwrap(),
        store.recent_changes(&"p1".into(), 100).await.unwrap(),
    )
}

#[tokio::test]
async fn a_state_goes_to_another_computer_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (dir.path().join("here.db"), dir.path().join("there.db"));
    let source = eventful(&here).await;
    let text = saved(&source, "studio").await;
    assert_eq!(
        saved(&source, "studio").await,
        text,
        "it is always the same"
    );
    let (header, digests) = examine(text.as_slice()).unwrap();
    assert_eq!(header.device.as_deref(), Some("studio"));

    let mut target = file(&there).await;
    let refused = target.import(text.as_slice(), "studio").await.unwrap_err();
    assert!(matches!(refused, StoreError::NoLibrary), "{refused}");
    target.set_library(&"0c8e".into()).await.unwrap();
    let empty = target.state().await.unwrap();

    // Whatever is cut or changed is noticed, and nothing of it is there.
    let line_ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let cuts = line_ends
        .map(|(place, _)| place)
        .step_by(7)
        .flat_map(|end| [end, end + 1]);
    for cut in cuts.filter(|cut| *cut < text.len()) {
        let refused = target.import(&text[..cut], "studio").await.unwrap_err();
        assert!(matches!(refused, StoreError::BadExport { .. }), "{refused}");
    }
    for (old, new) in [
        ("Northern Orchid", "Northern Orchis"),
        ("\"serial\":", "\"serial\":1"),
        (
            "\"end\":\"files\",\"rows\":",
            "\"end\":\"files\",\"rows\":1",
        ),
        ("\"table\":\"files\"", "\"table\":\"filez\""),
        ("\"forgotten_at\"", "\"forgot\""),
        ("tidal-cleanup/state", "tidal-cleanup/plan"),
        ("\"format\":2", "\"format\":3"),
    ] {
        let changed = String::from_utf8(text.clone())
            .unwrap()
            .replacen(old, new, 1);
        let refused = target
            .import(changed.as_bytes(), "studio")
            .await
            .unwrap_err();
        assert!(
            matches!(refused, StoreError::BadExport { .. }),
            "{old}: {refused}"
        );
    }
    assert_eq!(target.state().await.unwrap(), empty);

    let moved = target.import(text.as_slice(), "studio").await.unwrap();
    assert_eq!(moved, (Arrival::Moved, digests.clone()));
    assert_eq!(
        target.import(text.as_slice(), "studio").await.unwrap(),
        (Arrival::Present, digests)
    );
    assert_eq!(answers(&target).await, answers(&source).await);
    assert_eq!(target.check().await.unwrap(), source.check().await.unwrap());
    source.close().await;
    target.close().await;
    assert_eq!(told(&there).await, told(&here).await);

    // Another history is never written over.
    let mut source = file(&here).await;
    let id = source
        .begin_apply(new_apply("normal", None), &[operation(0)], at(900))
        .await;
    source
        .finish_apply(id.unwrap(), ApplyStatus::Partial, at(901))
        .await
        .unwrap();
    let newer = saved(&source, "studio").await;
    let mut target = file(&there).await;
    let refused = target.import(newer.as_slice(), "studio").await.unwrap_err();
    assert!(matches!(refused, StoreError::Occupied(_)), "{refused}");
}

#[tokio::test]
async fn an_apply_in_progress_goes_along_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = file(&dir.path().join("here.db")).await;
    source.set_library(&"0c8e".into()).await.unwrap();
    let operations = [operation(0), operation(1)];
    let id = source
        .begin_apply(new_apply("normal", None), &operations, at(1))
        .await
        .unwrap();
    source.intend(id, &[intent(0)], at(2)).await.unwrap();
    let text = saved(&source, "studio").await;
    let mut target = file(&dir.path().join("there.db")).await;
    target.set_library(&"0c8e".into()).await.unwrap();
    target.import(text.as_slice(), "studio").await.unwrap();
    assert_eq!(answers(&target).await, answers(&source).await);
    target.resume_apply(id, at(3)).await.unwrap();
    let done = [settled(0, OperationStatus::Completed, vec![])];
    target.settle(id, &done, at(4)).await.unwrap();
}

/// From a file to a server, on to another and back: row by row the same. Two machines' Rekordbox stay
/// apart on the way.
pub(in crate::edge::store) async fn moves(server: &Server) {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (dir.path().join("here.db"), dir.path().join("there.db"));
    let source = eventful(&here).await;
    let text = saved(&source, "studio").await;
    let open = async |url: &str, device: &str| {
        PostgresStore::open(&on_server(url, "0c8e", device))
            .await
            .unwrap()
    };
    let on = async |store: &PostgresStore| {
        let mut out = Vec::new();
        store.reader().export(&mut out, None).await.unwrap();
        out
    };
    let url = server.database();
    let mut beside = PostgresStore::open(&on_server(&url, "beside", "studio"))
        .await
        .unwrap();
    let mut shared = open(&url, "studio").await;
    // Numbers that the file does not have.
    let other = String::from_utf8(text.clone())
        .unwrap()
        .replacen("0c8e", "beside", 1);
    let refused = beside.import(other.as_bytes()).await.unwrap_err();
    assert!(matches!(refused, StoreError::BadExport { .. }), "{refused}");
    let row = made(StateRow::Track(Box::new(track("t1"))));
    let id = beside
        .begin_apply(new_apply("normal", None), &[operation(0)], at(1))
        .await
        .unwrap();
    beside.intend(id, &[intent(0)], at(1)).await.unwrap();
    let done = settled(0, OperationStatus::Completed, vec![row]);
    beside.settle(id, &[done], at(1)).await.unwrap();

    let cut = text.len() * 2 / 3;
    assert!(shared.import(&text[..cut]).await.is_err());
    assert_eq!(shared.applies().await.unwrap(), []);
    let (arrival, digests) = shared.import(text.as_slice()).await.unwrap();
    assert_eq!(arrival, Arrival::Moved);
    assert_eq!(
        shared.import(text.as_slice()).await.unwrap().0,
        Arrival::Present
    );
    assert_eq!(on(&shared).await, text);
    assert_eq!(answers(&shared).await, answers(&source).await);
    assert_eq!(shared.check().await.unwrap(), source.check().await.unwrap());

    let mut back = file(&there).await;
    back.set_library(&"0c8e".into()).await.unwrap();
    assert_eq!(
        back.import(on(&shared).await.as_slice(), "studio")
            .await
            .unwrap(),
        (Arrival::Moved, digests)
    );
    assert_eq!(answers(&back).await, answers(&source).await);
    source.close().await;
    back.close().await;
    assert_eq!(told(&there).await, told(&here).await);

    // A second machine comes to the server; all goes to a file of the first, and on to another server.
    let mut club = open(&url, "club").await;
    let (mut t1, mut p1) = (track("t1"), playlist("p1", &["t1"]));
    (t1.content, p1.node) = (Some(ContentId::new("21")), Some(NodeId::new("22")));
    let rows = vec![
        made(StateRow::Track(Box::new(t1))),
        made(StateRow::Playlist(p1)),
    ];
    let id: ApplyId = club
        .begin_apply(new_apply("normal", None), &[operation(0)], at(910))
        .await
        .unwrap();
    club.intend(id, &[intent(0)], at(911)).await.unwrap();
    club.settle(id, &[settled(0, OperationStatus::Completed, rows)], at(912))
        .await
        .unwrap();
    club.finish_apply(id, ApplyStatus::Completed, at(913))
        .await
        .unwrap();
    let both = on(&shared).await;
    let mut between = file(&dir.path().join("between.db")).await;
    between.set_library(&"0c8e".into()).await.unwrap();
    between.import(both.as_slice(), "studio").await.unwrap();
    assert_eq!(
        between.state().await.unwrap(),
        shared.state().await.unwrap()
    );
    let mut second = open(&server.database(), "club").await;
    second
        .import(saved(&between, "studio").await.as_slice())
        .await
        .unwrap();
    assert_eq!(second.state().await.unwrap(), club.state().await.unwrap());
    let without_header = |text: &[u8]| {
        text.splitn(2, |byte| *byte == b'\n')
            .nth(1)
            .unwrap()
            .to_vec()
    };
    assert_eq!(without_header(&on(&second).await), without_header(&both));
}

#[test]
fn a_value_survives_the_stream() {
    let cells = [
        Cell::Text("a\tb\\c\nd\re".to_owned()),
        Cell::Null,
        Cell::Int(-3),
        Cell::Bytes(vec![0, 255]),
    ];
    for (cell, kind) in cells
        .iter()
        .zip([Kind::Text, Kind::Text, Kind::Int, Kind::Bytes])
    {
        assert_eq!(Cell::of_json(cell.to_json(), kind).as_ref(), Some(cell));
    }
    assert_eq!(Cell::of_json("x".into(), Kind::Int), None);
    assert_eq!(Cell::of_json(1.into(), Kind::Text), None);
}
