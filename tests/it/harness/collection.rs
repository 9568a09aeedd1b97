//! The DJ's Rekordbox library, and a look at every row of it.

use std::{collections::BTreeMap, fs, path::Path};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use tidal_cleanup::{
    domain::{Collection, ContentId, NodeKind, RekordboxSchema},
    edge::rekordbox::{
        ContentFile, Edit, IdSource, MasterDb, MasterDbOptions, Processes, RekordboxLibrary as _,
        RekordboxReader as _, RowEdits,
        fixture::{NewLibrary, NewNode, NewTrack, create_library},
    },
};

use crate::rekordbox::{key, small, track};

/// Every row as text by table, but for counters and times of writing.
pub(crate) type Rows = BTreeMap<String, Vec<String>>;

/// Makes the DJ's own library: a folder with two lists, a smart playlist, and the list `Mine` with the
/// file `own`; with cues, ratings and MyTags.
pub(crate) fn create(folder: &Path, schema: RekordboxSchema, own: &Path) {
    let mut library: NewLibrary = small(schema);
    let mut row = track(9);
    row.title = "Own".to_owned();
    row.file = ContentFile {
        path: own.to_owned(),
        size: fs::metadata(own).unwrap().len(),
        file_id: 1,
    };
    library.tracks.push(NewTrack {
        row,
        rating: 5,
        hot_cues: 2,
        tags: vec![("Genre".to_owned(), "House".to_owned())],
        ..NewTrack::default()
    });
    library.nodes.push(NewNode {
        name: "Mine".to_owned(),
        kind: NodeKind::List,
        parent: None,
        tracks: vec![4, 0, 4],
        smart: Vec::new(),
    });
    block_on(create_library(folder, &library)).unwrap();
}

/// The library as the program reads it. It is opened once, for its key takes long to derive.
pub(crate) fn open(folder: &Path) -> MasterDb {
    let options = MasterDbOptions {
        processes: Processes::fixed::<String>([]),
        ids: IdSource::seeded(1),
        zone: jiff::tz::TimeZone::UTC,
        ..MasterDbOptions::new(folder.join("backups"))
    };
    MasterDb::open(folder, options).unwrap()
}

/// Changes it as the DJ does in Rekordbox.
pub(crate) fn edit(folder: &Path, edits: &[Edit]) {
    let mut db = open(folder);
    let now = jiff::Timestamp::from_second(1_790_000_000).unwrap();
    block_on(async {
        let staged = db.stage(edits, now).await.unwrap();
        let touched: Vec<_> = staged.iter().filter_map(|s| s.node.clone()).collect();
        let rows: Vec<RowEdits> = staged.into_iter().map(|staged| staged.rows).collect();
        db.commit(&rows, now).await.unwrap();
        db.finish(&touched, now).await.unwrap();
    });
}

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .pragma("key", key(file))
}

/// Five stars for a track.
pub(crate) fn rate(folder: &Path, content: &ContentId) {
    block_on(async {
        let mut db = options(&folder.join("master.db")).connect().await.unwrap();
        let sql = "UPDATE djmdContent SET Rating = 5 WHERE ID = ?";
        let query = sqlx::query(sql).bind(content.as_str());
        query.execute(&mut db).await.unwrap();
        db.close().await.unwrap();
    });
}

/// Does as another program does.
pub(crate) fn sql(folder: &Path, statements: &str) {
    block_on(async {
        let mut db = options(&folder.join("master.db")).connect().await.unwrap();
        let statements = AssertSqlSafe(statements.to_owned());
        sqlx::raw_sql(statements).execute(&mut db).await.unwrap();
        db.close().await.unwrap();
    });
}

/// What it holds now.
pub(crate) fn read(db: &MasterDb) -> Collection {
    block_on(db.read()).unwrap().value
}

/// Every row of every table. A copy is read, so that the library stays as it is.
pub(crate) fn rows(folder: &Path) -> Rows {
    let copy = tempfile::tempdir().unwrap();
    for name in ["master.db", "master.db-wal"] {
        if folder.join(name).exists() {
            fs::copy(folder.join(name), copy.path().join(name)).unwrap();
        }
    }
    block_on(read_rows(&copy.path().join("master.db")))
}

/// Gives a track of that title so many stars, as Rekordbox would.
pub(crate) fn rate_title(folder: &Path, title: &str, stars: u8) {
    block_on(async {
        let mut db = options(&folder.join("master.db")).connect().await.unwrap();
        let changed = sqlx::query("UPDATE djmdContent SET Rating = $1 WHERE Title = $2")
            .bind(i64::from(stars))
            .bind(title)
            .execute(&mut db)
            .await
            .unwrap();
        assert_eq!(changed.rows_affected(), 1, "{title}");
        db.close().await.unwrap();
    });
}

async fn read_rows(path: &Path) -> Rows {
    let mut db = options(path).connect().await.unwrap();
    let sql = "SELECT m.name, (SELECT group_concat('quote(\"' || c.name || '\")', ' || '' '' || ') \
                 FROM pragma_table_info(m.name) c \
                 WHERE c.name NOT IN ('rb_local_usn', 'usn', 'updated_at') \
                 AND NOT (m.name = 'agentRegistry' AND c.name = 'int_1')) \
               FROM sqlite_master m WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";
    let tables: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(&mut db).await.unwrap();
    let mut rows = Rows::new();
    for (table, columns) in tables {
        let sql = format!("SELECT {columns} FROM \"{table}\" ORDER BY 1");
        let found = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(&mut db)
            .await;
        rows.insert(table, found.unwrap());
    }
    db.close().await.unwrap();
    rows
}

/// Every row that was there is there, as it was.
#[track_caller]
pub(crate) fn assert_kept(now: &Rows, before: &Rows) {
    for (table, rows) in before {
        for row in rows {
            assert!(now[table].contains(row), "{table}: {row} is not as it was");
        }
    }
}

/// Says what differs, and not the whole of both.
#[track_caller]
pub(crate) fn assert_same(now: &Rows, before: &Rows) {
    assert_kept(now, before);
    assert_kept(before, now);
}

/// The playlists in a tree, indented, with their entries.
pub(crate) fn outline(collection: &Collection) -> String {
    let mut text = String::new();
    branch(collection, None, 0, &mut text);
    text
}

fn branch(
    collection: &Collection,
    parent: Option<&tidal_cleanup::domain::NodeId>,
    depth: usize,
    text: &mut String,
) {
    let nodes = collection.nodes.values();
    let mut nodes: Vec<_> = nodes
        .filter(|node| node.parent.as_ref() == parent)
        .collect();
    nodes.sort_by_key(|node| node.seq);
    let lead = "  ".repeat(depth);
    for node in nodes {
        text.push_str(&format!("{lead}{}\n", node.name));
        for entry in &node.entries {
            let title = &collection.contents[&entry.content].title;
            text.push_str(&format!("{lead}- {title}\n"));
        }
        branch(collection, Some(&node.id), depth + 1, text);
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}
