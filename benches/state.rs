//! What a state of many tracks costs, in a file and on a server: moving it in and out, reading it whole as
//! every plan does, and a small run on top of it.
//!
//! `cargo bench --bench state -- 100000 1000000`; each track is five times in a playlist. `BENCH_ONLY=file` and
//! `BENCH_ONLY=server` take one of the two. The server is a
//! throw-away one without `fsync`, on this machine: its processor time is part of the wall time, and no
//! network is. Processor time is this program's alone.

#![expect(clippy::print_stdout, reason = "a bench is read from its output")]
#![expect(clippy::unwrap_used, reason = "what cannot be measured ends the bench")]

#[path = "../tests/common/postgres.rs"]
mod postgres;

use std::{
    collections::HashMap,
    fs::File,
    io::{BufReader, BufWriter, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tidal_cleanup::edge::store::{
    ApplyStatus, HistoryFilter, Intent, NewApply, NewOperation, OperationStatus, PostgresOptions,
    PostgresStore, Settlement, SqliteStore, StateReader as _, StateStore as _, Store, StoreOptions,
};

const ENTRIES_A_TRACK: usize = 5;
const ENTRIES_A_LIST: usize = 1_000;
const DEVICE: &str = "studio";
const LIBRARY: &str = "0c8e";

#[tokio::main]
async fn main() {
    let sizes: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let sizes = if sizes.is_empty() {
        vec![100_000, 1_000_000]
    } else {
        sizes
    };
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    let server = (only != "file").then(postgres::Server::start).flatten();
    let mut told: Vec<(String, usize, Cost)> = Vec::new();
    for tracks in sizes {
        let dir = tempfile::tempdir().unwrap();
        let saved = dir.path().join("state.jsonl");
        synthesize(tracks, &saved).await;
        let bytes = std::fs::metadata(&saved).unwrap().len();
        println!(
            "\n{tracks} tracks, {} entries: {} MB as lines",
            tracks * ENTRIES_A_TRACK,
            bytes >> 20
        );
        if only != "server" {
            let file = dir.path().join("sync.db");
            let file = SqliteStore::open(&file, &options(dir.path())).await;
            told.extend(measure("SQLite", tracks, file.unwrap().into(), &saved).await);
        }
        if let Some(server) = &server {
            let url = server.database();
            told.extend(measure("PostgreSQL", tracks, shared(&url).await, &saved).await);
        }
    }
    growth(&told);
}

/// Wall time, and this process's time on the processor.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    cpu: Duration,
}

struct Clock {
    begun: Instant,
    cpu: Duration,
}

impl Clock {
    fn start() -> Self {
        Self {
            begun: Instant::now(),
            cpu: cpu(),
        }
    }

    fn stop(&self) -> Cost {
        Cost {
            wall: self.begun.elapsed(),
            cpu: cpu() - self.cpu,
        }
    }
}

fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.cast_unsigned(),
        u32::try_from(time.tv_nsec).unwrap(),
    )
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_763_800_000 + second).unwrap()
}

fn options(dir: &Path) -> StoreOptions {
    StoreOptions::new(dir.join("backups"), at(0))
}

async fn shared(url: &str) -> Store {
    let options = PostgresOptions {
        url: url.to_owned(),
        library: Some(LIBRARY.into()),
        device: DEVICE.to_owned(),
        who: "a bench".to_owned(),
        at: at(0),
        log_sql: false,
    };
    PostgresStore::open(&options).await.unwrap().into()
}

async fn measure(
    name: &str,
    tracks: usize,
    mut store: Store,
    saved: &Path,
) -> Vec<(String, usize, Cost)> {
    let mut told = Vec::new();
    let mut tell = |what: &str, cost: Cost| {
        println!(
            "{name:<11} {what:<42} {:>8.2} s wall {:>8.2} s processor",
            cost.wall.as_secs_f64(),
            cost.cpu.as_secs_f64()
        );
        told.push((format!("{name} {what}"), tracks, cost));
    };
    store.set_library(&LIBRARY.into()).await.unwrap();
    let clock = Clock::start();
    let from = BufReader::with_capacity(1 << 20, File::open(saved).unwrap());
    let (_, digests) = store.import(from, DEVICE).await.unwrap();
    tell("import, compared row by row", clock.stop());
    let clock = Clock::start();
    let exported = store.export(std::io::sink(), DEVICE, None).await.unwrap();
    tell("export", clock.stop());
    assert_eq!(exported, digests);
    for round in ["read whole, as a plan does", "read whole, again"] {
        let clock = Clock::start();
        let state = store.state().await.unwrap();
        tell(round, clock.stop());
        assert_eq!(state.tracks.len(), tracks);
        let entries: usize = state
            .playlists
            .values()
            .map(|list| list.entries.len())
            .sum();
        assert_eq!(entries, tracks * ENTRIES_A_TRACK);
    }
    store.lock(Duration::ZERO).await.unwrap();
    let clock = Clock::start();
    small_run(&mut store).await;
    tell("a run of 1,000 actions in batches of 64", clock.stop());
    let clock = Clock::start();
    let filter = HistoryFilter {
        track: Some("7".into()),
        limit: 50,
        ..HistoryFilter::default()
    };
    assert_eq!(store.history(&filter).await.unwrap().len(), 1);
    tell("history of a track", clock.stop());
    store.close().await;
    told
}

async fn small_run(store: &mut Store) {
    let operations: Vec<NewOperation> = (0..1_000).map(operation).collect();
    let apply = NewApply {
        mode: "normal".to_owned(),
        digest: "sha256:00".to_owned(),
        policy_sha256: "00".to_owned(),
        who: "dj".to_owned(),
        undoes: None,
        plan: "{}".to_owned(),
    };
    let id = store.begin_apply(apply, &operations, at(1)).await.unwrap();
    let all: Vec<i64> = (0..1_000).collect();
    for some in all.chunks(64) {
        let intents: Vec<Intent> = some
            .iter()
            .map(|seq| Intent {
                seq: *seq,
                pre_image: serde_json::json!({ "path": "a/b.flac" }),
            })
            .collect();
        store.intend(id, &intents, at(2)).await.unwrap();
        store.hold(id).await.unwrap();
        let settled: Vec<Settlement> = some
            .iter()
            .map(|seq| Settlement {
                seq: *seq,
                status: OperationStatus::Completed,
                pre_image: None,
                post_image: Some(serde_json::json!({ "size": 38_211_002 })),
                trash_path: None,
                error_message: None,
                rows: Vec::new(),
            })
            .collect();
        store.settle(id, &settled, at(3)).await.unwrap();
    }
    store
        .finish_apply(id, ApplyStatus::Completed, at(4))
        .await
        .unwrap();
}

fn operation(seq: i64) -> NewOperation {
    NewOperation {
        seq,
        action_id: format!("a_{seq:016x}").into(),
        kind: "file.fetch".to_owned(),
        operation_type: "download",
        action: "add",
        source: "tidal",
        target: "local",
        playlist: Some("list-1".to_owned()),
        track: Some((1 + seq).to_string()),
        change_type: None,
        rule: "default".to_owned(),
        label: format!("Artist – Title {seq}"),
    }
}

/// How much more twice as many tracks take, by what the smallest and the largest size took.
fn growth(told: &[(String, usize, Cost)]) {
    let mut ends: HashMap<&str, [(usize, f64); 2]> = HashMap::new();
    for (what, tracks, cost) in told {
        let here = (*tracks, cost.wall.as_secs_f64());
        ends.entry(what).or_insert([here; 2])[1] = here;
    }
    println!("\ngrowth for each doubling (goal: at most 2.3)");
    for (what, ..) in told {
        if let Some([(few, little), (many, much)]) = ends.remove(what.as_str())
            && many > few
        {
            #[expect(clippy::cast_precision_loss, reason = "a ratio of small numbers")]
            let doublings = (many as f64 / few as f64).log2();
            println!("  {what:<55} {:.2}", (much / little).powf(1.0 / doublings));
        }
    }
}

/// Writes a saved state of so many tracks, in the form that `db export` has for an empty one.
async fn synthesize(tracks: usize, to: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let mut store: Store = SqliteStore::open(&dir.path().join("empty.db"), &options(dir.path()))
        .await
        .unwrap()
        .into();
    store.set_library(&LIBRARY.into()).await.unwrap();
    let mut empty = Vec::new();
    store.export(&mut empty, DEVICE, None).await.unwrap();
    let mut out = BufWriter::with_capacity(1 << 20, File::create(to).unwrap());
    let (mut digests, mut columns, mut table, mut all) = (Vec::new(), Vec::new(), String::new(), 0);
    let mut origin = String::new();
    for line in String::from_utf8(empty).unwrap().lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Some(found) = value["origin"].as_object() {
            origin = format!(
                "{{\"library\":{},\"lineage\":{},\"serial\":{},\"fencing\":{}}}",
                found["library"], found["lineage"], found["serial"], found["fencing"]
            );
        }
        if let Some(name) = value["table"].as_str() {
            name.clone_into(&mut table);
            columns = value["columns"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it.as_str().unwrap().to_owned())
                .collect();
        }
        if value["end"].is_null() {
            writeln!(out, "{line}").unwrap();
            continue;
        }
        if value["end"] == "state" {
            let told = format!("[{origin},[{}]]", digests.join(","));
            let sha256 = hex(&Sha256::digest(told));
            writeln!(
                out,
                "{{\"end\":\"state\",\"rows\":{all},\"sha256\":\"{sha256}\"}}"
            )
            .unwrap();
            continue;
        }
        let (mut hash, mut rows) = (Sha256::new(), 0);
        each_row(&table, tracks, &mut |cell| {
            let cells: Vec<String> = columns.iter().map(|column| cell(column)).collect();
            let line = format!("[{}]\n", cells.join(","));
            hash.update(line.as_bytes());
            out.write_all(line.as_bytes()).unwrap();
            rows += 1;
        });
        all += rows;
        let sha256 = hex(&hash.finalize());
        writeln!(
            out,
            "{{\"end\":\"{table}\",\"rows\":{rows},\"sha256\":\"{sha256}\"}}"
        )
        .unwrap();
        digests.push(format!(
            "{{\"table\":\"{table}\",\"rows\":{rows},\"sha256\":\"{sha256}\"}}"
        ));
    }
    out.flush().unwrap();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Gives the value of a column, as JSON.
type Value<'a> = &'a dyn Fn(&str) -> String;

/// Calls `row` for each row of the table, with what gives a column's value.
fn each_row(table: &str, tracks: usize, row: &mut dyn FnMut(Value<'_>)) {
    let time = "\"2026-11-22T09:40:00Z\"".to_owned();
    let text = |text: String| format!("\"{text}\"");
    let null = || "null".to_owned();
    let lists = tracks * ENTRIES_A_TRACK / ENTRIES_A_LIST;
    match table {
        "tracks" => (1..=tracks).for_each(|n| {
            row(&|column| match column {
                "tidal_id" => text(n.to_string()),
                "title" => text(format!("Title of the track {n}")),
                "artist" => text(format!("Artist {}", n % 5_000)),
                "album" => text(format!("Album {}", n % 20_000)),
                "year" => (1990 + n % 35).to_string(),
                "duration_seconds" => (120 + n % 300).to_string(),
                "isrc" => text(format!("US4XK{n:07}")),
                "normalized_name" => text(format!("artist {} title of the track {n}", n % 5_000)),
                "file_path" => text(format!(
                    "Playlists/List {}/Artist {} - Title {n}.flac",
                    n % lists,
                    n % 5_000
                )),
                "file_size_bytes" => "38211002".to_owned(),
                "file_format" => text("flac".to_owned()),
                "file_hash" => text(format!("{n:064x}")),
                "artists" => format!("\"[\\\"Artist {}\\\"]\"", n % 5_000),
                "media_tags" => "\"[\\\"LOSSLESS\\\"]\"".to_owned(),
                "explicit" => "0".to_owned(),
                "streamable" => "1".to_owned(),
                "home_playlist_tidal_id" => text(format!("list-{}", n % lists)),
                "created_at" | "updated_at" | "last_seen_in_tidal" | "file_last_modified" => {
                    time.clone()
                }
                _ => null(),
            });
        }),
        "playlists" => (0..lists).for_each(|n| {
            row(&|column| match column {
                "tidal_id" => text(format!("list-{n}")),
                "name" => text(format!("List {n}")),
                "description" => text(String::new()),
                "local_folder_path" => text(format!("Playlists/List {n}")),
                "provenance" => text("tidal".to_owned()),
                "created_at" | "updated_at" | "last_synced_at" => time.clone(),
                column if column.starts_with("track_count") => ENTRIES_A_LIST.to_string(),
                _ => null(),
            });
        }),
        "playlist_tracks" => (0..lists * ENTRIES_A_LIST).for_each(|n| {
            let (list, place) = (n / ENTRIES_A_LIST, n % ENTRIES_A_LIST);
            row(&|column| match column {
                "playlist_id" => (list + 1).to_string(),
                "track_id" => (1 + (list * 197 + place * 31) % tracks).to_string(),
                "position" => place.to_string(),
                "in_tidal" | "in_local" | "in_rekordbox" => "1".to_owned(),
                "added_to_tidal" | "created_at" | "updated_at" => time.clone(),
                _ => null(),
            });
        }),
        "files" => {
            let mut paths: Vec<(String, usize)> = (1..=tracks)
                .map(|n| {
                    (
                        format!(
                            "Playlists/List {}/Artist {} - Title {n}.flac",
                            n % lists,
                            n % 5_000
                        ),
                        n,
                    )
                })
                .collect();
            paths.sort_unstable();
            for (path, n) in paths {
                row(&|column| match column {
                    "path" => text(path.clone()),
                    "role" => text("track".to_owned()),
                    "provenance" => text("tidal".to_owned()),
                    "track_tidal_id" => text(n.to_string()),
                    "size_bytes" => "38211002".to_owned(),
                    "hash" => text(format!("{n:064x}")),
                    "created_at" | "updated_at" => time.clone(),
                    _ => null(),
                });
            }
        }
        "device_ids" => {
            let mut ids: Vec<String> = (1..=tracks).map(|n| n.to_string()).collect();
            ids.sort_unstable();
            for id in ids {
                row(&|column| match column {
                    "device" => text(DEVICE.to_owned()),
                    "kind" => text("track".to_owned()),
                    _ => text(id.clone()),
                });
            }
        }
        _ => {}
    }
}
