//! Everything that a run may change, as text: trees of files, tables of databases, the playlist XML.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    sqlite::SqliteConnectOptions,
};

use crate::{
    harness::{World, files},
    rekordbox::key,
};

/// Rows by table, each as text by column.
type Tables = BTreeMap<String, Vec<BTreeMap<String, String>>>;

/// What there is at one time.
#[derive(Clone, Debug)]
pub(crate) struct Dump {
    pub(crate) tree: files::Tree,
    rekordbox: Tables,
    state: Tables,
    xml: BTreeSet<String>,
    /// The names in Rekordbox's folder, SQLite's own left out: a run leaves nothing there.
    names: BTreeSet<String>,
}

/// How the last runs stand: number, status, and which run is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) id: i64,
    pub(crate) status: String,
    pub(crate) undoes: Option<i64>,
}

impl Dump {
    pub(crate) fn of(world: &World) -> Self {
        block_on(async {
            Self {
                tree: world.tree(),
                rekordbox: rekordbox(world).await,
                state: state(world).await,
                xml: xml(world),
                names: names(world),
            }
        })
    }

    /// The same world, byte for byte and row for row.
    #[track_caller]
    pub(crate) fn assert_is(&self, other: &Self, what: &str) {
        for (name, was) in &other.tree {
            let now = self.tree.get(name);
            assert!(now.is_some(), "{what}: {name} is gone");
            assert!(now == Some(was), "{what}: {name} is not as it was");
        }
        for name in self.tree.keys() {
            assert!(other.tree.contains_key(name), "{what}: {name} is left over");
        }
        same(
            "Rekordbox",
            &lines(&self.rekordbox),
            &lines(&other.rekordbox),
            what,
        );
        same("state", &lines(&self.state), &lines(&other.state), what);
        assert_eq!(self.xml, other.xml, "{what}");
        assert_eq!(self.names, other.names, "{what}");
    }

    /// The files, and whether something in Rekordbox's database, that are not as they were there.
    pub(crate) fn changed_since(&self, other: &Self) -> (BTreeSet<String>, bool) {
        let names = self.tree.keys().chain(other.tree.keys());
        let files = names.filter(|name| self.tree.get(*name) != other.tree.get(*name));
        (
            files.cloned().collect(),
            lines(&self.rekordbox) != lines(&other.rekordbox),
        )
    }

    /// The world that another run of the same plan made: what is chosen at random (ids) or by the time
    /// (of new files) is told apart by what it belongs to.
    #[track_caller]
    pub(crate) fn assert_is_like(&self, other: &Self, before: &Self, what: &str) {
        let (now, then) = (self.made_since(before), other.made_since(before));
        let names = |tree: &files::Tree| tree.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&self.tree), names(&other.tree), "{what}");
        let kept: BTreeSet<_> = before
            .tree
            .values()
            .flatten()
            .map(files::FileState::times)
            .collect();
        for (name, state) in &self.tree {
            let (Some(state), Some(was)) = (state, &other.tree[name]) else {
                continue;
            };
            assert!(
                state.is_alike(was),
                "{what}: {name} has other bytes or another mode"
            );
            if kept.contains(&was.times()) {
                assert!(
                    state.times() == was.times(),
                    "{what}: {name} has another time"
                );
            }
        }
        same("Rekordbox", &now.0, &then.0, what);
        same("state", &now.1, &then.1, what);
        assert_eq!(now.2, then.2, "{what}");
        assert_eq!(self.names, other.names, "{what}");
    }

    /// Rows of Rekordbox, rows of the state, nodes of the XML, with names for what has random ids.
    fn made_since(&self, before: &Self) -> (Vec<String>, Vec<String>, Vec<String>) {
        let known: BTreeSet<&String> = all_values(&before.rekordbox).collect();
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        let named = [
            ("djmdContent", "FolderPath"),
            ("djmdPlaylist", "Name"),
            ("djmdMyTag", "Name"),
            ("djmdArtist", "Name"),
            ("djmdAlbum", "Name"),
            ("djmdGenre", "Name"),
            ("djmdKey", "ScaleName"),
        ];
        for (table, column) in named {
            for row in self.rekordbox.get(table).into_iter().flatten() {
                let id = &row["ID"];
                if !known.contains(id) {
                    names.insert(
                        id.trim_matches('\'').to_owned(),
                        format!("<{table} {}>", row[column]),
                    );
                }
            }
        }
        let rename = |column: &str, value: &str| {
            let plain = value.trim_matches('\'');
            if let Some(name) = names.get(plain) {
                return name.clone();
            }
            if plain.starts_with('{') {
                let name = |text: String, (id, name): (&String, &String)| {
                    text.replace(&format!("\"{id}\""), name)
                };
                return names.iter().fold(value.to_owned(), name);
            }
            let random = [
                "UUID",
                "ID",
                "rb_file_id",
                "rb_insync_hash",
                "MasterDBID",
                "ContentLink",
            ];
            // The inode of a file is not the same in two worlds.
            let fresh =
                !known.contains(&value.to_owned()) && (random.contains(&column) || is_uuid(plain));
            match fresh || column == "rb_file_id" || column == "FileID" {
                true => "<new>".to_owned(),
                false => value.to_owned(),
            }
        };
        let table = |tables: &Tables| {
            let mut lines = Vec::new();
            for (table, rows) in tables {
                for row in rows {
                    let cells = row.iter().filter(|(column, _)| *column != "DateCreated");
                    let cells: Vec<String> = cells
                        .map(|(column, value)| format!("{column}={}", rename(column, value)))
                        .collect();
                    lines.push(format!("{table}: {}", cells.join(" ")));
                }
            }
            lines.sort();
            lines
        };
        let xml = self.xml.iter().map(|node| {
            let id = node.split(' ').next().unwrap();
            let id = u64::from_str_radix(id, 16).unwrap_or_default().to_string();
            let rest = node.split_once(' ').unwrap().1;
            let parent = rest.split(' ').next().unwrap();
            let parent = u64::from_str_radix(parent, 16)
                .unwrap_or_default()
                .to_string();
            format!("{} in {}", rename("", &id), rename("", &parent))
        });
        let mut xml: Vec<String> = xml.collect();
        xml.sort();
        (table(&self.rekordbox), table(&self.state), xml)
    }

    /// Every entry of every playlist points at a file that is there.
    #[track_caller]
    pub(crate) fn assert_fit_for_a_gig(&self, missing_before: &BTreeSet<String>, what: &str) {
        for path in self.missing() {
            assert!(missing_before.contains(&path), "{what}: no file at {path}");
        }
    }

    /// Paths of entries of playlists at which there is no file.
    pub(crate) fn missing(&self) -> BTreeSet<String> {
        let text = |value: &String| value.trim_matches('\'').replace("''", "'");
        let mut paths = BTreeMap::new();
        for row in &self.rekordbox["djmdContent"] {
            paths.insert(text(&row["ID"]), text(&row["FolderPath"]));
        }
        let entries = self.rekordbox["djmdSongPlaylist"].iter();
        let live = entries.filter(|row| row["rb_local_deleted"] != "1");
        live.filter_map(|row| paths.get(&text(&row["ContentID"])))
            .filter(|path| !Path::new(path).exists())
            .cloned()
            .collect()
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().filter(|byte| *byte == b'-').count() == 4
}

fn all_values(tables: &Tables) -> impl Iterator<Item = &String> {
    tables.values().flatten().flat_map(BTreeMap::values)
}

fn lines(tables: &Tables) -> Vec<String> {
    let mut lines: Vec<String> = tables
        .iter()
        .flat_map(|(table, rows)| rows.iter().map(move |row| format!("{table}: {row:?}")))
        .collect();
    lines.sort();
    lines
}

/// Says what differs, and not the whole of both.
#[track_caller]
fn same(whose: &str, now: &[String], then: &[String], what: &str) {
    if now == then {
        return;
    }
    let more: Vec<_> = now
        .iter()
        .filter(|line| !then.contains(line))
        .take(4)
        .collect();
    let less: Vec<_> = then
        .iter()
        .filter(|line| !now.contains(line))
        .take(4)
        .collect();
    panic!(
        "{what}: {whose} differs ({} and {} rows)\n+ {more:#?}\n- {less:#?}",
        now.len(),
        then.len()
    );
}

/// Columns that say when something was written, or count that.
const TOUCHED: &[&str] = &[
    "rb_local_usn",
    "usn",
    "updated_at",
    "created_at",
    "last_synced_at",
    "last_seen_in_tidal",
    "file_last_modified",
    "added_to_tidal",
    "added_to_local",
    "added_to_rekordbox",
    "removed_from_tidal",
];

async fn tables(db: &mut SqliteConnection, skip: &[&str], only: &str) -> Tables {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let names: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut *db).await.unwrap();
    let mut tables = Tables::new();
    for name in names
        .into_iter()
        .filter(|name| !skip.contains(&name.as_str()))
    {
        let columns = format!("SELECT name FROM pragma_table_info('{name}')");
        let columns: Vec<String> = sqlx::query_scalar(AssertSqlSafe(columns))
            .fetch_all(&mut *db)
            .await
            .unwrap();
        let counter = |column: &String| name == "agentRegistry" && column == "int_1";
        let live = columns.iter().any(|column| column == "deleted_at");
        let columns: Vec<&String> = columns
            .iter()
            .filter(|column| !TOUCHED.contains(&column.as_str()) && !counter(column))
            .collect();
        let quoted: Vec<String> = columns
            .iter()
            .map(|column| format!("quote(\"{column}\")"))
            .collect();
        let filter = if live && !only.is_empty() { only } else { "" };
        let sql = format!("SELECT {} FROM \"{name}\" {filter}", quoted.join(", "));
        let rows = sqlx::query(AssertSqlSafe(sql))
            .fetch_all(&mut *db)
            .await
            .unwrap();
        let rows = rows.iter().map(|row| {
            let cells = columns.iter().enumerate();
            cells
                .map(|(at, column)| ((*column).clone(), row.get::<String, _>(at)))
                .collect()
        });
        tables.insert(name, rows.collect());
    }
    tables
}

/// A copy is read, so that the world stays as it is.
async fn copied(folder: &Path, name: &str) -> (tempfile::TempDir, SqliteConnectOptions) {
    let copy = tempfile::tempdir_in("/dev/shm").unwrap();
    for suffix in ["", "-wal"] {
        let from = folder.join(format!("{name}{suffix}"));
        if from.exists() {
            fs::copy(&from, copy.path().join(format!("{name}{suffix}"))).unwrap();
        }
    }
    let options = SqliteConnectOptions::new().filename(copy.path().join(name));
    (copy, options)
}

async fn rekordbox(world: &World) -> Tables {
    let (_copy, options) = copied(&world.path("rekordbox"), "master.db").await;
    let options = options.pragma("key", key(&world.path("rekordbox/master.db")));
    let mut db = options.disable_statement_logging().connect().await.unwrap();
    let tables = tables(&mut db, &[], "").await;
    db.close().await.unwrap();
    tables
}

/// Whether somebody writes the state at this moment.
pub(crate) fn is_locked(world: &World) -> bool {
    block_on(async {
        let options = SqliteConnectOptions::new()
            .filename(world.path("home/.tidal-cleanup/sync.db"))
            .busy_timeout(std::time::Duration::ZERO);
        let Ok(mut db) = options.connect().await else {
            return true;
        };
        let begun = sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK")
            .execute(&mut db)
            .await;
        db.close().await.unwrap();
        begun.is_err()
    })
}

/// The rows that stand; history and snapshots are no state.
async fn state(world: &World) -> Tables {
    let (_copy, options) = copied(&world.path("home/.tidal-cleanup"), "sync.db").await;
    let mut db = options.disable_statement_logging().connect().await.unwrap();
    let history = [
        "applies",
        "sync_operations",
        "sync_snapshots",
        "_sqlx_migrations",
        "meta",
    ];
    let mut found = tables(&mut db, &history, "WHERE deleted_at IS NULL").await;
    // Entries of a list that left the state are history as well.
    let lists: BTreeSet<String> = found["playlists"]
        .iter()
        .map(|row| row["id"].clone())
        .collect();
    let entries = found.get_mut("playlist_tracks");
    entries
        .into_iter()
        .for_each(|rows| rows.retain(|row| lists.contains(&row["playlist_id"])));
    // Numbers of rows are told by what they stand for.
    for table in ["tracks", "playlists"] {
        let sql = format!("SELECT quote(id), quote(tidal_id) FROM {table}");
        let ids: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_all(&mut db)
            .await
            .unwrap();
        let ids: BTreeMap<String, String> = ids.into_iter().collect();
        let column = format!("{}_id", table.trim_end_matches('s'));
        for row in found.get_mut("playlist_tracks").into_iter().flatten() {
            if let Some(value) = row.get_mut(&column)
                && let Some(id) = ids.get(value)
            {
                value.clone_from(id);
            }
        }
    }
    for row in found.values_mut().flatten() {
        row.remove("id");
    }
    // A track that no list, file or row has is only remembered.
    let tracks = found.get_mut("tracks");
    tracks
        .into_iter()
        .for_each(|rows| rows.retain(|row| row["file_path"] != "NULL"));
    let entries = found.get_mut("playlist_tracks");
    entries
        .into_iter()
        .for_each(|rows| rows.retain(|row| row["position"] != "NULL"));
    db.close().await.unwrap();
    found
}

/// The runs in the journal, newest first.
pub(crate) fn runs(world: &World) -> Vec<Run> {
    block_on(async {
        let (_copy, options) = copied(&world.path("home/.tidal-cleanup"), "sync.db").await;
        let mut db = options.disable_statement_logging().connect().await.unwrap();
        let sql = "SELECT id, status, undoes FROM applies ORDER BY id DESC";
        let rows: Vec<(i64, String, Option<i64>)> =
            sqlx::query_as(sql).fetch_all(&mut db).await.unwrap();
        db.close().await.unwrap();
        let run = |(id, status, undoes)| Run { id, status, undoes };
        rows.into_iter().map(run).collect()
    })
}

/// Kind, status and time of the operations of the newest run, where it is newer than that.
pub(crate) fn last_operations(world: &World, than: i64) -> Vec<(String, String, Option<String>)> {
    block_on(async {
        let (_copy, options) = copied(&world.path("home/.tidal-cleanup"), "sync.db").await;
        let mut db = options.disable_statement_logging().connect().await.unwrap();
        let sql = "SELECT kind, status, completed_at FROM sync_operations
            WHERE apply_id > $1 AND apply_id = (SELECT MAX(id) FROM applies)";
        let rows = sqlx::query_as(sql)
            .bind(than)
            .fetch_all(&mut db)
            .await
            .unwrap();
        db.close().await.unwrap();
        rows
    })
}

/// An operation that was begun.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) kind: String,
    pub(crate) status: String,
    /// The intent, as it stands in the journal.
    pub(crate) intent: String,
}

/// What was begun in runs that are newer than that.
pub(crate) fn begun(world: &World, than: i64) -> Vec<Begun> {
    block_on(async {
        let (_copy, options) = copied(&world.path("home/.tidal-cleanup"), "sync.db").await;
        let mut db = options.disable_statement_logging().connect().await.unwrap();
        let sql = "SELECT kind, status, COALESCE(pre_image, '') FROM sync_operations
            WHERE apply_id > $1 AND status NOT IN ('pending', 'skipped') ORDER BY seq";
        let rows: Vec<(String, String, String)> = sqlx::query_as(sql)
            .bind(than)
            .fetch_all(&mut db)
            .await
            .unwrap();
        db.close().await.unwrap();
        let begun = |(kind, status, intent)| Begun {
            kind,
            status,
            intent,
        };
        rows.into_iter().map(begun).collect()
    })
}

/// `id parent` of every node in the playlist file.
fn xml(world: &World) -> BTreeSet<String> {
    let text = fs::read_to_string(world.path("rekordbox/masterPlaylists6.xml")).unwrap();
    let attribute = |node: &str, name: &str| {
        let rest = node
            .split_once(&format!("{name}=\""))
            .map_or("", |(_, rest)| rest);
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    text.split("<NODE ")
        .skip(1)
        .map(|node| format!("{} {}", attribute(node, "Id"), attribute(node, "ParentId")))
        .collect()
}

fn names(world: &World) -> BTreeSet<String> {
    let entries = fs::read_dir(world.path("rekordbox")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm"))
        .collect()
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}
