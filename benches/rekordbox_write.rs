//! Writing to Rekordbox: 1,000 entries beside raw SQLCipher and pyrekordbox, 10,000 new tracks.
//!
//! `cargo bench --bench rekordbox_write -- [tracks in the library]`

#![expect(clippy::unwrap_used, reason = "a bench that cannot run has failed")]
#![expect(clippy::print_stdout, reason = "a bench is read from its output")]

mod pairs;

use std::{fs, path::Path, process::Command};

use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use tidal_cleanup::{
    domain::{AudioFormat, ContentId, NodeId, NodeKind},
    edge::rekordbox::{
        ContentFile, ContentRef, Edit, MasterDb, MasterDbOptions, NewContentRow, NodeRef,
        Processes, RekordboxLibrary as _, RekordboxReader as _, RowEdits, Staged,
        fixture::{NewLibrary, NewNode, NewTrack, create_library},
    },
};

const PASSPHRASE: &str = "'402fd482c38817c35ffa8ffb8c7d93143b749e7d315df7a81732a1ff43608497'";
const ENTRIES: usize = 1_000;
const NEW_TRACKS: usize = 10_000;
/// As `apply` does: at most so many rows in a transaction.
const STEP: usize = 250;

/// What people do today with pyrekordbox, in one process and one commit.
const PYREKORDBOX: &str = r#"
import logging, sys, time, warnings
logging.disable(logging.CRITICAL); warnings.simplefilter("ignore")
from pyrekordbox.masterdb import MasterDatabase
db = MasterDatabase(path=sys.argv[1] + "/master.db", db_dir=sys.argv[1])
playlist = next(p for p in db.get_playlist() if p.Name == "Empty")
contents = db.get_content().limit(int(sys.argv[2])).all()
start = time.perf_counter()
for content in contents:
    db.add_to_playlist(playlist, content)
db.commit()
print(time.perf_counter() - start)
"#;

struct Bench {
    runtime: tokio::runtime::Runtime,
    home: tempfile::TempDir,
    contents: Vec<ContentId>,
    list: NodeId,
}

fn main() {
    let mut numbers = std::env::args().filter_map(|arg| arg.parse().ok());
    let tracks: usize = numbers.next().unwrap_or(10_000);
    let bench = Bench::new(tracks);
    println!("a library of {tracks} tracks");
    bench.entries();
    bench.python();
    bench.tracks();
}

impl Bench {
    fn new(tracks: usize) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let home = tempfile::tempdir().unwrap();
        let library = library(tracks);
        let db = home.path().join("pristine");
        fs::create_dir(&db).unwrap();
        let (contents, list) = runtime.block_on(async {
            create_library(&db, &library).await.unwrap();
            let collection = open(&db).read().await.unwrap().value;
            let list = collection.nodes.values().find(|node| node.name == "Empty");
            let list = list.unwrap().id.clone();
            let contents = collection.contents.into_keys().take(ENTRIES).collect();
            (contents, list)
        });
        Self {
            runtime,
            home,
            contents,
            list,
        }
    }

    /// A fresh copy of the library.
    fn copy(&self, name: &str) -> std::path::PathBuf {
        let to = self.home.path().join(name);
        let _ = fs::remove_dir_all(&to);
        fs::create_dir(&to).unwrap();
        for file in ["master.db", "masterPlaylists6.xml"] {
            let from = self.home.path().join("pristine").join(file);
            fs::copy(from, to.join(file)).unwrap();
        }
        to
    }

    fn entries(&self) {
        let mut round = 0;
        let copies: Vec<_> = (0..9).map(|at| self.copy(&format!("ours {at}"))).collect();
        let raw: Vec<_> = (0..9).map(|at| self.copy(&format!("raw {at}"))).collect();
        let mut raws = raw.iter();
        pairs::pair(
            "1,000 entries (goal: ratio 2; raw SQLCipher)",
            9,
            || {
                let edit = Edit::SetEntries {
                    node: NodeRef::Id(self.list.clone()),
                    contents: self.contents.iter().cloned().map(ContentRef::Id).collect(),
                };
                self.runtime
                    .block_on(apply(&mut open(&copies[round]), &[edit]));
                round += 1;
            },
            || self.runtime.block_on(self.raw(raws.next().unwrap())),
        );
        let ours = self.copy("checks");
        let mut db = open(&ours);
        let mut guards = || {
            self.runtime.block_on(async {
                db.prepare().await.unwrap();
                db.finish(std::slice::from_ref(&self.list), jiff::Timestamp::now())
                    .await
                    .unwrap();
            });
        };
        pairs::alone("once an apply: backup and all checks", "-", 3, &mut guards);
    }

    /// The same rows as plain inserts, in one transaction, with the checkpoint.
    async fn raw(&self, folder: &Path) {
        let mut connection = SqliteConnectOptions::new()
            .filename(folder.join("master.db"))
            .pragma("key", PASSPHRASE)
            .pragma("cache_size", "-65536")
            .connect()
            .await
            .unwrap();
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
        for (at, content) in (1_i64..).zip(&self.contents) {
            let now = "2026-01-01 00:00:00.000 +00:00";
            sqlx::query(
                "INSERT INTO djmdSongPlaylist (ID, PlaylistID, ContentID, TrackNo, UUID, \
                 rb_local_usn, created_at, updated_at) VALUES (?, ?, ?, ?, ?, 1, ?, ?)",
            )
            .bind(uuid::Uuid::new_v4().to_string())
            .bind(self.list.as_str().to_owned())
            .bind(content.as_str().to_owned())
            .bind(at)
            .bind(uuid::Uuid::new_v4().to_string())
            .bind(now)
            .bind(now)
            .execute(&mut *transaction)
            .await
            .unwrap();
        }
        transaction.commit().await.unwrap();
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    /// Both clocks start when the library has been opened and read, as it has before every apply.
    fn python(&self) {
        let mut times = Vec::new();
        for round in 0..5 {
            let folder = self.copy(&format!("python {round}"));
            let run = Command::new("python3")
                .args(["-c", PYREKORDBOX])
                .arg(&folder)
                .arg(ENTRIES.to_string())
                .output();
            let seconds = run.ok().filter(|run| run.status.success()).and_then(|run| {
                String::from_utf8_lossy(&run.stdout)
                    .trim()
                    .parse::<f64>()
                    .ok()
            });
            let Some(seconds) = seconds else {
                println!("1,000 entries by pyrekordbox: python3 has none");
                return;
            };
            let ours = self.copy(&format!("beside python {round}"));
            let edit = Edit::SetEntries {
                node: NodeRef::Id(self.list.clone()),
                contents: self.contents.iter().cloned().map(ContentRef::Id).collect(),
            };
            let mut db = open(&ours);
            let own = self.runtime.block_on(async {
                drop(db.read().await.unwrap());
                let from = std::time::Instant::now();
                apply(&mut db, &[edit]).await;
                from.elapsed().as_secs_f64()
            });
            times.push((seconds / own, seconds, own));
        }
        times.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (ratio, seconds, own) = times[times.len() / 2];
        println!(
            "1,000 entries in an open library: pyrekordbox {seconds:.2} s, ours {own:.3} s: \
             {ratio:.1} × ({:.1}–{:.1}; goal: 10 ×)",
            times[0].0,
            times[times.len() - 1].0
        );
    }

    fn tracks(&self) {
        let mut copies: Vec<_> = (0..3).map(|at| self.copy(&format!("new {at}"))).collect();
        pairs::alone("10,000 new tracks, backup and checks", "5 s", 3, || {
            let mut db = open(&copies.pop().unwrap());
            self.runtime.block_on(async {
                db.prepare().await.unwrap();
                for step in (0..NEW_TRACKS).step_by(STEP) {
                    let edits: Vec<Edit> = (step..step + STEP).map(add).collect();
                    apply(&mut db, &edits).await;
                }
                db.finish(&[], jiff::Timestamp::now()).await.unwrap();
            });
        });
    }
}

async fn apply(db: &mut MasterDb, edits: &[Edit]) {
    let now = jiff::Timestamp::now();
    let staged: Vec<Staged> = db.stage(edits, now).await.unwrap();
    let rows: Vec<RowEdits> = staged.into_iter().map(|staged| staged.rows).collect();
    db.commit(&rows, now).await.unwrap();
}

fn open(folder: &Path) -> MasterDb {
    let options = MasterDbOptions {
        processes: Processes::fixed::<String>([]),
        ..MasterDbOptions::new(folder.join("backups"))
    };
    MasterDb::open(folder, options).unwrap()
}

fn add(number: usize) -> Edit {
    Edit::AddContent(Box::new(NewContentRow {
        file: ContentFile {
            path: format!("/Users/dj/Music/TIDAL/New {number}.flac").into(),
            size: 30_000_000,
            file_id: 5_000_000 + number as u64,
        },
        title: format!("New {number}"),
        artist: Some(format!("New artist {}", number / 4)),
        album: Some(format!("New album {}", number / 8)),
        genre: None,
        isrc: Some(format!("DEXXX{number:07}")),
        year: Some(2020),
        length_s: 300,
        bitrate_kbps: 900,
        sample_rate_hz: 44_100,
        bit_depth: 16,
        format: Some(AudioFormat::Flac),
        created: "2026-01-01T12:00:00Z".parse().ok(),
        comment: String::new(),
    }))
}

/// A library with playlists of 30 entries and one that is empty.
fn library(tracks: usize) -> NewLibrary {
    let row = |number: usize| NewTrack {
        row: NewContentRow {
            file: ContentFile {
                path: format!("/Users/dj/Music/Track {number}.mp3").into(),
                size: 9_000_000,
                file_id: number as u64,
            },
            title: format!("Track {number}"),
            artist: Some(format!("Artist {}", number / 4)),
            album: Some(format!("Album {}", number / 8)),
            format: Some(AudioFormat::Mp3),
            length_s: 300,
            ..NewContentRow::default()
        },
        ..NewTrack::default()
    };
    let list = |name: String, tracks: Vec<usize>| NewNode {
        name,
        kind: NodeKind::List,
        parent: None,
        tracks,
        smart: Vec::new(),
    };
    let mut nodes = vec![list("Empty".to_owned(), Vec::new())];
    for first in (0..tracks).step_by(90) {
        let entries = (first..tracks.min(first + 30)).collect();
        nodes.push(list(format!("List {first}"), entries));
    }
    NewLibrary {
        tracks: (0..tracks).map(row).collect(),
        nodes,
        ..NewLibrary::default()
    }
}
