//! Planning for a large library: `cargo bench --bench plan`.
//!
//! Three parts. The pure stages over worlds of up to a million tracks in memory; the whole program over
//! 100,000 real files, 500 playlists and 300,000 entries of which nothing changed, once as it is and once
//! without what is kept of the last plan (`BENCH_TRACKS` for another number;
//! `BENCH_ONLY=pure|whole|size` for one part); and the bytes of large plans.
//!
//! Goals: diff, decide and digest in 250 ms; the whole `plan` in 1.0 s and 300 MB; twice the tracks in at
//! most 2.3 times the time; 500 bytes an action.

#![expect(clippy::print_stdout, reason = "a bench is read from its output")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot run says why")]

mod pairs;
#[path = "../tests/it/local/samples.rs"]
mod samples;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use jiff::{Timestamp, civil::date};
use serde_json::json;
use tempfile::TempDir;
use tidal_cleanup::{
    desired::{DesiredState, desire},
    diff::{
        diff,
        identity::{Identities, identify},
    },
    domain::{
        AudioFile, AudioFormat, ContentHash, FileStat, Isrc, ItemId, ItemKind, Library, LibraryId,
        MediaPath, Observed, Playlist, PlaylistEntry, PlaylistId, Provenance, SidecarFile, State,
        Tags, TidalReading, Track, TrackId,
        state::{EntryRow, FileRole, FileRow, Meta, PlaylistRow, RowChange, StateRow, TrackRow},
    },
    edge::{
        store::{
            ApplyStatus, Intent, NewApply, NewOperation, OperationStatus, Settlement, SqliteStore,
            StateStore as _, StoreOptions,
        },
        tidal::snapshot,
    },
    observe::Observation,
    plan::{
        Cleanup, Conditions, Plan, PlanInput, canonical,
        document::{Mode, PlanMeta},
        m3u8, plan,
    },
    policy::Policy,
};

/// Tracks in a playlist that is the home of them all.
const PER_LIST: usize = 200;
/// Playlists that have a track.
const LISTS_A_TRACK: usize = 3;
const ROUNDS: usize = 7;

fn main() {
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    let tracks = std::env::var("BENCH_TRACKS")
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(100_000);
    let wanted = |part: &str| only.is_empty() || only == part;
    if wanted("pure") {
        pure(tracks);
        growth();
    }
    if wanted("size") {
        sizes();
    }
    if wanted("whole") {
        whole(tracks);
    }
}

/// A library in which everything is as TIDAL has it.
struct World {
    policy: Policy,
    observation: Observation,
}

/// What the stages before the decisions made.
struct Ready {
    desired: DesiredState,
    identities: Identities,
}

impl World {
    fn make(tracks: usize) -> Self {
        let reading = reading(tracks);
        let library = library(&reading);
        let state = state(&reading, &library);
        Self {
            policy: policy("/library", ""),
            observation: Observation {
                tidal: Observed::complete(reading),
                library: Observed::complete(library),
                rekordbox: None,
                state,
                roots: vec!["/library".into()],
                local_lists: BTreeMap::new(),
            },
        }
    }

    /// With the playlist files that the plan would write.
    fn with_list_files(mut self) -> Self {
        let (names, library) = (
            names(&self.observation.tidal.value),
            &self.observation.library.value,
        );
        let of_track: BTreeMap<&TrackId, &MediaPath> = self
            .observation
            .state
            .tracks
            .iter()
            .map(|(id, row)| (id, row.file.as_ref().unwrap()))
            .collect();
        assert!(!library.files.is_empty());
        let mut sidecars = Vec::new();
        for list in &self.observation.tidal.value.playlists {
            let path = MediaPath::new(format!("Playlists/{0}/{0}.m3u8", names[&list.id]));
            let entries = list.items.iter();
            let entries = entries.map(|item| (item.track.as_deref().unwrap(), of_track[&item.id]));
            let text = m3u8::render(&list.name, &path, entries, &self.observation.roots);
            sidecars.push(SidecarFile {
                path,
                stat: FileStat::default(),
                hash: ContentHash::of(text.as_bytes()),
            });
        }
        sidecars.sort_by(|a, b| a.path.cmp(&b.path));
        let by_name: BTreeMap<&str, &PlaylistId> =
            names.iter().map(|(id, name)| (*name, *id)).collect();
        for file in &sidecars {
            let name = file.path.parent().unwrap().file_name();
            let row = FileRow {
                path: file.path.clone(),
                role: FileRole::Playlist,
                provenance: Provenance::Tidal,
                track: None,
                playlist: Some(by_name[name.as_str()].clone()),
                size: 0,
                hash: Some(file.hash),
            };
            self.observation.state.files.insert(file.path.clone(), row);
        }
        self.observation.library.value.sidecars = sidecars;
        self
    }

    fn ready(&self) -> Ready {
        let Observation {
            tidal,
            library,
            state,
            ..
        } = &self.observation;
        let (policy, tidal) = (&self.policy, &tidal.value);
        let desired = desire(
            policy,
            tidal,
            state,
            &library.value,
            &BTreeMap::new(),
            self.observation.rows(),
        );
        let tracks: Vec<&Track> = desired.tracks.values().map(|want| &*want.track).collect();
        let identities = identify(
            &tracks,
            &library.value,
            state,
            &BTreeMap::new(),
            &policy.matching,
        );
        Ready {
            desired,
            identities,
        }
    }

    /// The budgeted stages: diff, decide, digest.
    fn decide(&self, ready: &Ready) -> Plan {
        let state = &self.observation.state;
        let planned = plan(&PlanInput {
            policy: &self.policy,
            observation: &self.observation,
            desired: &ready.desired,
            changes: diff(&ready.desired, state, true),
            identities: &ready.identities,
            cleanup: &Cleanup::default(),
            moved: &[],
            scope: None,
            mode: Mode::Normal,
            as_of: date(2026, 11, 1),
            tidal_hash: self.policy.source.sha256,
            past_removals: Vec::new(),
            failed_fetches: BTreeMap::new(),
            files_before: None,
            rows: BTreeMap::new(),
            allows: Vec::new(),
            conditions: Conditions::default(),
        });
        canonical::seal(planned.body, PlanMeta::default())
    }
}

fn policy(root: &str, more: &str) -> Policy {
    let text = format!(
        "version = 1\n[library]\nroot = {root:?}\n[tidal]\nsnapshot = \"tidal.json\"\n\
         [rekordbox]\ndatabase = \"none\"\n[download]\ncommand = [\"get\", \"{{url}}\", \"{{dir}}\"]\n\
         [defaults]\ntrack_removed = \"trash\"\n\
         [[protect]]\nname = \"cues\"\nwhen = {{ rekordbox.cues = \">=1\" }}\ndeny = [\"trash\", \"remove\"]\n{more}"
    );
    let parsed = Policy::parse(
        Path::new("tidal-cleanup.toml"),
        &text,
        &|_| None,
        Path::new("/"),
    );
    parsed.unwrap().0
}

fn track(number: usize) -> Track {
    Track {
        id: TrackId::new(format!("{}", 70_000_000 + number)),
        title: format!("Title of Number {number}"),
        version: number.is_multiple_of(7).then(|| "Extended Mix".to_owned()),
        artists: vec![format!("Artist {}", number % 14_000)],
        album: Some(format!("Album {}", number % 9_000)),
        isrc: Isrc::parse(&format!("USABC{:07}", number % 10_000_000)),
        duration_s: Some(200 + (number % 200) as u32),
        explicit: Some(false),
        release_date: Some("2019-04-05".into()),
        media_tags: vec!["LOSSLESS".into()],
        streamable: None,
    }
}

fn list_id(number: usize) -> PlaylistId {
    PlaylistId::new(format!("{number:08x}-0000-4000-8000-000000000000"))
}

/// Playlists of [`PER_LIST`] tracks that no other has first, and as many of each of the next two.
fn reading(tracks: usize) -> TidalReading {
    let lists = tracks.div_ceil(PER_LIST);
    let entry = |number: usize, list: usize| {
        let track = track(number);
        PlaylistEntry {
            kind: ItemKind::Track,
            id: track.id.clone(),
            item_id: Some(ItemId::new(&format!(
                "{list:08x}-0000-4000-8000-{number:012x}"
            ))),
            added_at: Some(Timestamp::from_second(1_700_000_000).unwrap()),
            track: Some(std::sync::Arc::new(track)),
        }
    };
    let playlists = (0..lists).map(|list| {
        let items: Vec<_> = (0..LISTS_A_TRACK)
            .flat_map(|further| {
                let from = (list + further) % lists * PER_LIST;
                (from..(from + PER_LIST).min(tracks)).map(move |number| entry(number, list))
            })
            .collect();
        Playlist {
            id: list_id(list),
            name: format!("List {list}"),
            description: String::new(),
            last_modified_at: None,
            number_of_items: u32::try_from(items.len()).ok(),
            complete: true,
            items,
        }
    });
    TidalReading {
        taken_at: Some(Timestamp::from_second(1_790_000_000).unwrap()),
        complete: true,
        user: None,
        playlists: playlists.collect(),
        favorites: None,
    }
}

/// Every track once, in the order of its number.
fn tracks_of(reading: &TidalReading) -> BTreeMap<&TrackId, (&Track, &PlaylistId)> {
    let mut tracks = BTreeMap::new();
    for list in &reading.playlists {
        for item in &list.items[..PER_LIST.min(list.items.len())] {
            let track = item.track.as_deref().unwrap();
            tracks.entry(&track.id).or_insert((track, &list.id));
        }
    }
    tracks
}

fn path_of(track: &Track, home: &PlaylistId, reading: &BTreeMap<&PlaylistId, &str>) -> MediaPath {
    let folder = reading[home];
    MediaPath::new(format!(
        "Playlists/{folder}/{} - {}.mp3",
        track.artist(),
        track.full_title()
    ))
}

fn names(reading: &TidalReading) -> BTreeMap<&PlaylistId, &str> {
    let lists = reading.playlists.iter();
    lists.map(|list| (&list.id, list.name.as_str())).collect()
}

fn library(reading: &TidalReading) -> Library {
    let names = names(reading);
    let files = tracks_of(reading).into_values().map(|(track, home)| {
        let tags = Tags {
            title: Some(track.full_title()),
            artists: vec![track.artist()],
            album: track.album.clone(),
            isrc: track.isrc.clone(),
            ..Tags::default()
        };
        AudioFile {
            path: path_of(track, home, &names),
            stat: FileStat {
                size: 9_000_000,
                mtime: (1_700_000_000, 0),
                ..FileStat::default()
            },
            format: AudioFormat::Mp3,
            tags,
            duration_ms: track.duration_s.map(|s| u64::from(s) * 1_000),
            left_ms: None,
            bitrate_kbps: Some(320),
            sample_rate_hz: Some(44_100),
            bit_depth: None,
            hash: None,
            problem: None,
        }
    });
    let mut files: Vec<AudioFile> = files.collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Library {
        id: Some(LibraryId::new("bench")),
        files,
        sidecars: Vec::new(),
        unreadable: Vec::new(),
        vanished: Vec::new(),
    }
}

/// What applies would have left behind.
fn state(reading: &TidalReading, library: &Library) -> State {
    let mut state = State {
        meta: Meta {
            library_id: library.id.clone(),
            lineage: "bench".into(),
            serial: 1,
            schema_version: 1,
        },
        ..State::default()
    };
    let names = names(reading);
    for (id, (track, home)) in tracks_of(reading) {
        let path = path_of(track, home, &names);
        state.files.insert(
            path.clone(),
            FileRow {
                path: path.clone(),
                role: FileRole::Track,
                provenance: Provenance::Tidal,
                track: Some(id.clone()),
                playlist: None,
                size: 9_000_000,
                hash: None,
            },
        );
        state.tracks.insert(
            id.clone(),
            TrackRow {
                track: track.clone().into(),
                file: Some(path),
                content: None,
                home: Some(home.clone()),
                last_seen_in_tidal: reading.taken_at,
            },
        );
    }
    for list in &reading.playlists {
        let entries = list.items.iter().map(|item| EntryRow {
            track: item.id.clone(),
            in_tidal: true,
            in_local: true,
            in_rekordbox: false,
            added_at: item.added_at,
        });
        state.playlists.insert(
            list.id.clone(),
            PlaylistRow {
                id: list.id.clone(),
                name: list.name.clone(),
                description: String::new(),
                folder: Some(MediaPath::new(format!("Playlists/{}", list.name))),
                node: None,
                provenance: Provenance::Tidal,
                created_at: Timestamp::from_second(1_700_000_000).unwrap(),
                last_synced_at: None,
                last_seen_in_tidal: reading.taken_at,
                deleted_at: None,
                entries: entries.collect(),
            },
        );
    }
    state
}

fn pure(tracks: usize) {
    let world = World::make(tracks).with_list_files();
    let entries: usize = world
        .observation
        .tidal
        .value
        .playlists
        .iter()
        .map(|l| l.items.len())
        .sum();
    println!(
        "{tracks} tracks, {} playlists, {entries} entries, in memory",
        world.observation.tidal.value.playlists.len()
    );
    let ready = world.ready();
    assert_eq!(world.decide(&ready).body.actions, []);
    pairs::alone("desire and identify", "none of its own", ROUNDS, || {
        black_box(world.ready());
    });
    pairs::alone("diff, decide, digest", "250 ms", ROUNDS, || {
        black_box(world.decide(&ready));
    });
    pairs::alone("diff alone", "-", ROUNDS, || {
        black_box(diff(&ready.desired, &world.observation.state, true));
    });
    pairs::alone("hash of the reading", "-", ROUNDS, || {
        black_box(snapshot::content_hash(&world.observation.tidal.value));
    });
}

/// The middle times of all pure stages over twice and twice again as many tracks.
fn growth() {
    let mut before: Option<Duration> = None;
    for tracks in [125_000, 250_000, 500_000, 1_000_000] {
        let world = World::make(tracks).with_list_files();
        let mut times: Vec<Duration> = (0..3)
            .map(|_| {
                let from = Instant::now();
                let ready = world.ready();
                black_box(world.decide(&ready));
                from.elapsed()
            })
            .collect();
        times.sort();
        let now = times[1];
        let ratio = before.map_or(String::new(), |before| {
            format!(
                "  t(2N)/t(N) {:.2}  goal ≤ 2.3",
                now.as_secs_f64() / before.as_secs_f64()
            )
        });
        println!(
            "all pure stages, {tracks} tracks: {:.0} ms{ratio}",
            now.as_secs_f64() * 1e3
        );
        before = Some(now);
    }
}

/// Plans over worlds in which much is to do.
fn sizes() {
    let mut all = World::make(5_000);
    all.observation.library.value.files.clear();
    all.observation.state = State {
        meta: all.observation.state.meta.clone(),
        ..State::default()
    };
    tell_size("5,000 downloads into new playlists", &all);

    let mut found = World::make(5_000);
    found.observation.state = State {
        meta: found.observation.state.meta.clone(),
        ..State::default()
    };
    tell_size("5,000 files taken over", &found);

    // A week in which everything happens: lists renamed, tracks gone, come and moved.
    let mut mixed = World::make(20_000);
    for (number, list) in mixed
        .observation
        .tidal
        .value
        .playlists
        .iter_mut()
        .enumerate()
    {
        match number % 4 {
            0 => list.name.push_str(" (2026)"),
            1 => drop(list.items.drain(..20)),
            2 => list.items.rotate_left(7),
            _ => {}
        }
    }
    let gone: BTreeSet<usize> = (0..20_000).step_by(16).collect();
    let files = std::mem::take(&mut mixed.observation.library.value.files);
    let stay = files
        .into_iter()
        .enumerate()
        .filter(|(at, _)| !gone.contains(at));
    mixed.observation.library.value.files = stay.map(|(_, file)| file).collect();
    tell_size("a mixed plan", &mixed);
}

fn tell_size(name: &str, world: &World) {
    let plan = world.decide(&world.ready());
    let file = canonical::to_json(&plan).len();
    let actions: usize = plan
        .body
        .actions
        .iter()
        .map(|action| canonical::canonical(action).len())
        .sum();
    let count = plan.body.actions.len();
    println!(
        "{name}: {count} actions, {} changes: {} bytes an action in the whole file, {} of the action alone  goal ≤ 500",
        plan.body.changes.len(),
        file / count,
        actions / count
    );
}

/// The real program over real files.
fn whole(tracks: usize) {
    let folder = TempDir::new().unwrap();
    let dir = folder.path();
    let reading = reading(tracks);
    println!("making {tracks} files …");
    make_files(&dir.join("library"), &reading);
    fs::write(dir.join("tidal.json"), snapshot::render(&reading)).unwrap();
    let root = dir.join("library");
    let text = format!(
        "version = 1\n[library]\nroot = {root:?}\n[rekordbox]\ndatabase = \"none\"\n\
         [download]\ncommand = [\"get\", \"{{url}}\", \"{{dir}}\"]\n[defaults]\ntrack_removed = \"trash\"\n\
         [[protect]]\nname = \"cues\"\nwhen = {{ rekordbox.cues = \">=1\" }}\ndeny = [\"trash\", \"remove\"]\n"
    );
    fs::write(dir.join("tidal-cleanup.toml"), text).unwrap();
    run(dir, &["db", "init"], 0);
    seed(dir, &reading);
    let inputs = ["plan", "--desired", "tidal.json", "--detailed-exitcode"];
    // The playlist files are written, so that nothing is left to do.
    run(dir, &[&inputs[..], &["--out", "plan.json"]].concat(), 2);
    let plan = canonical::parse(&fs::read(dir.join("plan.json")).unwrap()).unwrap();
    println!(
        "{} actions write the playlist files",
        plan.body.actions.len()
    );
    run(
        dir,
        &[
            "apply",
            "plan.json",
            "--approve",
            &plan.digest["sha256:".len()..][..8],
        ],
        0,
    );
    // What was written a moment ago is not trusted.
    std::thread::sleep(Duration::from_secs(3));
    run(dir, &inputs, 0);
    pairs::alone("plan --desired, nothing changed", "1.0 s", ROUNDS, || {
        run(dir, &inputs, 0);
    });
    told(dir, &inputs);
    anew("plan --desired, made anew", dir, &inputs);
    keep_reading(dir, &reading);
    std::thread::sleep(Duration::from_secs(1));
    let offline = ["plan", "--offline", "--detailed-exitcode"];
    run(dir, &offline, 0);
    pairs::alone("plan --offline, nothing changed", "1.0 s", ROUNDS, || {
        run(dir, &offline, 0);
    });
    told(dir, &offline);
    anew("plan --offline, made anew", dir, &offline);
}

/// The same without what is kept of the last plan that had nothing to do.
fn anew(name: &str, dir: &Path, args: &[&str]) {
    let forget = || fs::remove_file(database(dir).with_extension("plan.cache")).unwrap();
    pairs::alone(name, "none", ROUNDS, || {
        forget();
        run(dir, args, 0);
    });
    forget();
    told(dir, args);
}

fn program(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidal-cleanup"));
    command.args(args).current_dir(dir).env("HOME", dir);
    command.env("TIDAL_CLEANUP_DB_PATH", database(dir));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn run(dir: &Path, args: &[&str], code: i32) {
    let out = program(dir, args).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(
        out.status.code(),
        Some(code),
        "{args:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

/// Processor time and peak memory, as GNU time tells them.
fn told(dir: &Path, args: &[&str]) {
    let mut command = Command::new("/usr/bin/time");
    command.args(["-f", "%U s user, %S s system, %M kB at most"]);
    command.arg(env!("CARGO_BIN_EXE_tidal-cleanup")).args(args);
    command
        .current_dir(dir)
        .env("HOME", dir)
        .env("TIDAL_CLEANUP_DB_PATH", database(dir));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    match command.output() {
        Ok(out) => println!(
            "  {}  goal ≤ 300 MB",
            String::from_utf8_lossy(&out.stderr).trim()
        ),
        Err(error) => println!("  GNU time: {error}"),
    }
}

fn make_files(root: &Path, reading: &TidalReading) {
    let names = names(reading);
    for list in names.values() {
        fs::create_dir_all(root.join(format!("Playlists/{list}"))).unwrap();
    }
    for (track, home) in tracks_of(reading).into_values() {
        let tags = [
            samples::text_frame(b"TIT2", &track.full_title()),
            samples::text_frame(b"TPE1", &track.artist()),
            samples::text_frame(b"TALB", track.album.as_deref().unwrap_or_default()),
        ];
        let frames = track.duration_s.unwrap_or(0) * 10_000 / 261;
        let bytes = samples::counted_mp3(&tags.concat(), frames, 4);
        let path: PathBuf = root.join(path_of(track, home, &names).relative());
        fs::write(path, bytes).unwrap();
    }
}

/// Writes the state that applies would have left, as one run of one operation.
fn seed(dir: &Path, reading: &TidalReading) {
    let library = library(reading);
    let state = state(reading, &library);
    let tracks = state
        .tracks
        .into_values()
        .map(|row| StateRow::Track(Box::new(row)));
    let files = state.files.into_values().map(|mut row| {
        let path = dir.join("library").join(row.path.relative());
        row.size = fs::metadata(path).unwrap().len();
        StateRow::File(row)
    });
    let lists = state.playlists.into_values().map(StateRow::Playlist);
    let rows = tracks.chain(files).chain(lists).map(|row| RowChange {
        before: None,
        after: Some(row),
    });
    let rows: Vec<RowChange> = rows.collect();
    let at = Timestamp::now();
    runtime().block_on(async {
        let options = StoreOptions::new(dir.join("backups"), Timestamp::now());
        let mut store = SqliteStore::open(&database(dir), &options).await.unwrap();
        let apply = NewApply {
            mode: "normal".into(),
            digest: "sha256:0".into(),
            policy_sha256: "0".into(),
            who: "bench".into(),
            undoes: None,
            plan: "{}".into(),
        };
        let operation = NewOperation {
            seq: 0,
            action_id: "a_0".into(),
            kind: "state.adopt".into(),
            operation_type: "snapshot",
            action: "add",
            source: "tidal",
            target: "local",
            playlist: None,
            track: None,
            change_type: None,
            rule: "bench".into(),
            label: "bench".into(),
        };
        let id = store.begin_apply(apply, &[operation], at).await.unwrap();
        let intent = Intent {
            seq: 0,
            pre_image: json!({}),
        };
        store.intend(id, &[intent], at).await.unwrap();
        let settled = Settlement {
            seq: 0,
            status: OperationStatus::Completed,
            pre_image: None,
            post_image: None,
            trash_path: None,
            error_message: None,
            rows,
        };
        store.settle(id, &[settled], at).await.unwrap();
        store
            .finish_apply(id, ApplyStatus::Completed, at)
            .await
            .unwrap();
    });
}

/// The reading as a run that asked TIDAL would have kept it.
fn keep_reading(dir: &Path, reading: &TidalReading) {
    use tidal_cleanup::edge::store::NewSnapshot;
    let data = snapshot::render(reading);
    runtime().block_on(async {
        let options = StoreOptions::new(dir.join("backups"), Timestamp::now());
        let mut store = SqliteStore::open(&database(dir), &options).await.unwrap();
        let snapshot = NewSnapshot {
            kind: "tidal",
            data: &data,
            playlist_count: 0,
            track_count: 0,
            complete: true,
            at: Timestamp::now(),
        };
        store.save_snapshot(snapshot).await.unwrap();
    });
}

fn database(dir: &Path) -> PathBuf {
    dir.join("state.db")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}
