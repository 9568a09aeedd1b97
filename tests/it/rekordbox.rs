//! The Rekordbox edge against real encrypted libraries that are built here.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::Read as _,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex},
};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    sqlite::SqliteConnectOptions,
};
use tempfile::TempDir;
use tidal_cleanup::{
    domain::{AudioFormat, Collection, ContentId, NodeId, NodeKind, RekordboxSchema},
    edge::rekordbox::{
        ContentFile, Edit, IdSource, MasterDb, MasterDbOptions, NewContentRow, Processes,
        RekordboxError, RekordboxLibrary as _, RekordboxReader as _, RowEdits, Staged,
        fixture::{NewLibrary, NewNode, NewTrack, create_library},
    },
};

const PASSPHRASE: &[u8] = b"402fd482c38817c35ffa8ffb8c7d93143b749e7d315df7a81732a1ff43608497";

/// The value of `PRAGMA key` for this library: what SQLCipher makes of the passphrase, each time for a quarter
/// of a second, and here once a library.
pub(crate) fn key(file: &Path) -> String {
    static KNOWN: LazyLock<Mutex<HashMap<[u8; 16], String>>> = LazyLock::new(Mutex::default);
    let mut salt = [0; 16];
    File::open(file).unwrap().read_exact(&mut salt).unwrap();
    let mut known = KNOWN.lock().unwrap();
    let derived = known.entry(salt).or_insert_with(|| {
        let rounds = NonZeroU32::new(256_000).unwrap();
        let mut key = [0; 32];
        ring::pbkdf2::derive(
            ring::pbkdf2::PBKDF2_HMAC_SHA512,
            rounds,
            &salt,
            PASSPHRASE,
            &mut key,
        );
        let hex =
            |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
        format!("\"x'{}{}'\"", hex(&key), hex(&salt))
    });
    derived.clone()
}

/// A library in a folder of its own.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) db: MasterDb,
}

/// Every column of every row, by table and id, but for counters and times.
pub(crate) type Dump = BTreeMap<(String, String), BTreeMap<String, String>>;

impl World {
    pub(crate) async fn new(library: &NewLibrary) -> Self {
        let folder = tempfile::tempdir().unwrap();
        create_library(folder.path(), library).await.unwrap();
        let db = open(folder.path(), Processes::fixed::<String>([]));
        Self { folder, db }
    }

    pub(crate) async fn small() -> Self {
        Self::new(&small(RekordboxSchema::V7)).await
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn collection(&self) -> Collection {
        self.db.read().await.unwrap().value
    }

    pub(crate) async fn stage(&mut self, edits: &[Edit]) -> Vec<Staged> {
        self.db.stage(edits, now()).await.unwrap()
    }

    pub(crate) async fn refused(&mut self, edit: Edit) -> RekordboxError {
        self.db.stage(&[edit], now()).await.unwrap_err()
    }

    /// Stages, commits and finishes.
    pub(crate) async fn apply(&mut self, edits: &[Edit]) -> Vec<Staged> {
        let staged = self.stage(edits).await;
        self.db.commit(&rows(&staged), now()).await.unwrap();
        let touched: Vec<NodeId> = staged.iter().filter_map(|s| s.node.clone()).collect();
        self.db.finish(&touched, now()).await.unwrap();
        staged
    }

    /// Takes staged edits back, the last first.
    pub(crate) async fn undo(&mut self, staged: &[Staged]) -> Vec<Staged> {
        let reversed = staged.iter().rev();
        let edits: Vec<Edit> = reversed.map(|s| Edit::Restore(s.rows.reversed())).collect();
        self.apply(&edits).await
    }

    /// A second connection, as another program would have.
    pub(crate) async fn other(&self) -> SqliteConnection {
        let path = self.path("master.db");
        SqliteConnectOptions::new()
            .pragma("key", key(&path))
            .filename(path)
            .pragma("wal_autocheckpoint", "0")
            .foreign_keys(false)
            .connect()
            .await
            .unwrap()
    }

    /// Runs SQL as another program would, and quits.
    pub(crate) async fn meddle(&self, sql: &'static str) {
        let mut other = self.other().await;
        sqlx::raw_sql(sql).execute(&mut other).await.unwrap();
        other.close().await.unwrap();
    }

    pub(crate) async fn dump(&self) -> Dump {
        let mut other = self.other().await;
        let mut dump = Dump::new();
        for table in TABLES {
            let sql = format!(
                "SELECT group_concat('quote(\"' || name || '\") AS \"' || name || '\"', ', ') \
                 FROM pragma_table_info('{table}') \
                 WHERE name NOT IN ('rb_local_usn', 'updated_at')"
            );
            let columns: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_one(&mut other)
                .await
                .unwrap();
            let Some(columns) = columns else { continue };
            let sql = format!("SELECT {columns} FROM {table}");
            for row in sqlx::query(AssertSqlSafe(sql))
                .fetch_all(&mut other)
                .await
                .unwrap()
            {
                let columns: BTreeMap<String, String> = row
                    .columns()
                    .iter()
                    .map(|column| {
                        use sqlx::Column as _;
                        (column.name().to_owned(), row.get(column.ordinal()))
                    })
                    .collect();
                let id = columns["ID"].trim_matches('\'').to_owned();
                dump.insert((table.to_owned(), id), columns);
            }
        }
        other.close().await.unwrap();
        dump
    }

    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        let mut other = self.other().await;
        let number = sqlx::query_scalar(sql).fetch_one(&mut other).await.unwrap();
        other.close().await.unwrap();
        number
    }

    pub(crate) async fn text(&self, sql: &'static str) -> String {
        let mut other = self.other().await;
        let text = sqlx::query_scalar(sql).fetch_one(&mut other).await.unwrap();
        other.close().await.unwrap();
        text
    }

    pub(crate) fn xml(&self) -> String {
        std::fs::read_to_string(self.path("masterPlaylists6.xml")).unwrap()
    }

    /// The names in the library's folder.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

const TABLES: [&str; 11] = [
    "djmdArtist",
    "djmdAlbum",
    "djmdGenre",
    "djmdContent",
    "djmdPlaylist",
    "djmdSongPlaylist",
    "djmdCloudFilterPlaylist",
    "djmdMyTag",
    "djmdSongMyTag",
    "djmdCue",
    "djmdDevice",
];

pub(crate) fn open(folder: &Path, processes: Processes) -> MasterDb {
    let options = MasterDbOptions {
        processes,
        ids: IdSource::seeded(42),
        zone: jiff::tz::TimeZone::UTC,
        ..MasterDbOptions::new(folder.join("backups"))
    };
    MasterDb::open(folder, options).unwrap()
}

pub(crate) fn now() -> jiff::Timestamp {
    "2026-11-22T10:36:00.432Z".parse().unwrap()
}

pub(crate) fn rows(staged: &[Staged]) -> Vec<RowEdits> {
    staged.iter().map(|staged| staged.rows.clone()).collect()
}

pub(crate) fn track(number: u32) -> NewContentRow {
    NewContentRow {
        file: ContentFile {
            path: PathBuf::from(format!("/Music/Lists/Track {number}.flac")),
            size: 30_000_000 + u64::from(number),
            file_id: 5_000_000_000 + u64::from(number),
        },
        title: format!("Track {number}"),
        artist: Some(format!("Artist {}", number % 2)),
        album: Some("Album".to_owned()),
        genre: Some("House".to_owned()),
        isrc: Some(format!("GBXXX24{number:05}")),
        year: Some(2024),
        length_s: 360,
        bitrate_kbps: 950,
        sample_rate_hz: 44_100,
        bit_depth: 16,
        format: Some(AudioFormat::Flac),
        created: "2024-05-06T12:00:00Z".parse().ok(),
        comment: "from TIDAL".to_owned(),
    }
}

/// Four tracks; folder `Sets` with list `Warm up` (0 1 2 1) and list `Peak` (3); a smart playlist.
pub(crate) fn small(schema: RekordboxSchema) -> NewLibrary {
    let tag = |group: &str, name: &str| (group.to_owned(), name.to_owned());
    let new = |number| NewTrack {
        row: track(number),
        rating: 3,
        play_count: number,
        hot_cues: number,
        memory_cues: 1,
        analysed: number > 0,
        tags: vec![tag("Genre", "House")],
    };
    let node = |name: &str, kind, parent, tracks: &[usize]| NewNode {
        name: name.to_owned(),
        kind,
        parent,
        tracks: tracks.to_vec(),
        smart: match kind {
            NodeKind::Smart => vec![tag("Genre", "House"), tag("Situation", "Morning")],
            NodeKind::List | NodeKind::Folder | NodeKind::Special => Vec::new(),
        },
    };
    NewLibrary {
        schema,
        tracks: (0..4).map(new).collect(),
        nodes: vec![
            node("Sets", NodeKind::Folder, None, &[]),
            node("Warm up", NodeKind::List, Some(0), &[0, 1, 2, 1]),
            node("Peak", NodeKind::List, Some(0), &[3]),
            node("Mornings", NodeKind::Smart, None, &[]),
        ],
        ..NewLibrary::default()
    }
}

pub(crate) fn node(collection: &Collection, name: &str) -> NodeId {
    let mut nodes = collection.nodes.values();
    nodes.find(|node| node.name == name).unwrap().id.clone()
}

pub(crate) fn content(collection: &Collection, title: &str) -> ContentId {
    let mut contents = collection.contents.values();
    let content = contents.find(|content| content.title == title).unwrap();
    content.id.clone().unwrap()
}

/// The titles in a list.
pub(crate) fn titles(collection: &Collection, list: &str) -> Vec<String> {
    let entries = &collection.nodes[&node(collection, list)].entries;
    let title = |entry: &tidal_cleanup::domain::CollectionEntry| {
        collection.contents[&entry.content].title.to_string()
    };
    entries.iter().map(title).collect()
}
