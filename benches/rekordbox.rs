//! Reading a large Rekordbox library: `cargo bench --bench rekordbox [-- TRACKS ENTRIES]`.
//!
//! `BENCH_ONLY=unchanged` leaves out the full readings, `REKORDBOX_BENCH_LIBRARY` names a library that is
//! there.
//!
//! Goals (100,000 tracks, 300,000 entries): at most 1.0 s, at most twice a full decrypting scan of the
//! same tables by SQLite itself, and 50 ms when nothing changed since the last reading.

#![expect(clippy::print_stdout, reason = "a bench is read from its output")]
#![expect(clippy::unwrap_used, reason = "a bench that fails ends")]

mod pairs;

use std::path::Path;

use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tidal_cleanup::{
    domain::NodeKind,
    edge::rekordbox::{
        ContentFile, MasterDb, MasterDbOptions, NewContentRow, RekordboxReader as _,
        fixture::{NewLibrary, NewNode, NewTrack, create_library},
    },
};

const KEY: &str = "'402fd482c38817c35ffa8ffb8c7d93143b749e7d315df7a81732a1ff43608497'";
const PER_LIST: usize = 100;

fn main() {
    let mut numbers = std::env::args().filter_map(|word| word.parse::<usize>().ok());
    let tracks = numbers.next().unwrap_or(100_000);
    let entries = numbers.next().unwrap_or(tracks * 3);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = match std::env::var_os("REKORDBOX_BENCH_LIBRARY") {
        Some(path) => path.into(),
        None => {
            let library = library(tracks, entries);
            runtime
                .block_on(create_library(folder.path(), &library))
                .unwrap()
        }
    };
    println!("{} bytes", std::fs::metadata(&path).unwrap().len());
    // The cache trusts no file that was written a moment ago.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let cache = folder.path().join("cache");
    let open = |cache: Option<&Path>| {
        let mut options = MasterDbOptions::new(folder.path());
        options.cache = cache.map(Into::into);
        MasterDb::open(&path, options).unwrap()
    };
    let read = |cache: Option<&Path>| {
        // A new one each time: nothing is remembered, the key is derived again.
        let read = runtime.block_on(open(cache).read()).unwrap();
        std::mem::forget(std::hint::black_box(read));
    };
    let scan = || {
        let scanned = runtime.block_on(scan(&path));
        std::hint::black_box(scanned);
    };
    // First, as a run of the program does nothing before it either: behind the full readings, whose memory is
    // never given back here, it was seen to take two to three times as long.
    read(Some(&cache));
    println!(
        "cache {} bytes",
        std::fs::metadata(&cache).map_or(0, |about| about.len())
    );
    pairs::alone("read, unchanged since last time", "50 ms", 9, || {
        read(Some(&cache));
    });
    if std::env::var_os("BENCH_ONLY").is_none_or(|only| only != "unchanged") {
        pairs::alone("read everything, key derived", "1.0 s", 7, || read(None));
        pairs::pair(
            "read everything / scan by SQLite (goal 2)",
            9,
            || read(None),
            scan,
        );
    }
}

/// Has SQLite look at every row of every table that matters, over a connection that derives its key as
/// well.
async fn scan(path: &Path) -> Vec<i64> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .immutable(true)
        .read_only(true)
        .pragma("key", KEY)
        .pragma("cache_size", "-16384");
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let mut sums = Vec::new();
    for sql in [
        "SELECT sum(length(FolderPath) + length(updated_at)) FROM djmdContent NOT INDEXED",
        "SELECT sum(length(ID) + length(updated_at)) FROM djmdSongPlaylist NOT INDEXED",
        "SELECT sum(length(ID) + length(updated_at)) FROM djmdSongMyTag NOT INDEXED",
        "SELECT sum(length(Name) + length(updated_at)) FROM djmdArtist NOT INDEXED",
        "SELECT sum(length(Name) + length(updated_at)) FROM djmdAlbum NOT INDEXED",
        "SELECT sum(length(Name) + length(updated_at)) FROM djmdPlaylist NOT INDEXED",
        "SELECT sum(Kind + length(updated_at)) FROM djmdCue NOT INDEXED",
    ] {
        let sum: Option<i64> = sqlx::query_scalar(sql)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        sums.push(sum.unwrap_or(0));
    }
    connection.close().await.unwrap();
    sums
}

fn library(tracks: usize, entries: usize) -> NewLibrary {
    let track = |n: usize| NewTrack {
        row: NewContentRow {
            file: ContentFile {
                path: format!(
                    "/Users/dj/Music/Tidal/Playlists/List {}/Artist {n} - Title {n}.mp3",
                    n % 999
                )
                .into(),
                size: 9_000_000 + n as u64,
                file_id: n as u64,
            },
            title: format!("Title {n}"),
            artist: Some(format!("Artist {}", n % 25_000)),
            album: Some(format!("Album {}", n % 20_000)),
            genre: Some(format!("Genre {}", n % 40)),
            length_s: 300,
            bitrate_kbps: 320,
            created: "2024-01-01T12:00:00Z".parse().ok(),
            ..NewContentRow::default()
        },
        hot_cues: n.is_multiple_of(5).into(),
        tags: match n % 2 {
            0 => vec![("Genre".to_owned(), format!("Tag {}", n % 28))],
            _ => Vec::new(),
        },
        ..NewTrack::default()
    };
    let node = |n: usize| NewNode {
        name: format!("List {n}"),
        kind: NodeKind::List,
        parent: None,
        tracks: (0..PER_LIST)
            .map(|at| (n * 7919 + at * 31) % tracks)
            .collect(),
        smart: Vec::new(),
    };
    NewLibrary {
        tracks: (0..tracks).map(track).collect(),
        nodes: (0..entries / PER_LIST).map(node).collect(),
        ..NewLibrary::default()
    }
}
