//! The same on real worlds: folders, an encrypted database, SQLite.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use jiff::Timestamp;
use tempfile::TempDir;
use tidal_cleanup::{
    domain::{AudioFormat, MediaPath, NodeKind, Track},
    edge::{
        download::{Downloader, FetchError, Fetched},
        local::{LocalLibrary as _, LocalReader as _, cache::FileCache, folder::LibraryFolder},
        rekordbox::{
            ContentFile, IdSource, MasterDb, MasterDbOptions, NewContentRow, Processes,
            fixture::{NewLibrary, NewNode, NewTrack, create_library},
        },
        store::{ApplyStatus, SqliteStore, StateReader as _, StateStore as _, StoreOptions},
    },
};

use super::{
    bench::{Bench, Disk, Dumped, deaths},
    desk::{playlist, track},
    first,
    mortal::Death,
    second, third,
};

impl Disk for LibraryFolder {
    fn tree(&self) -> (BTreeMap<MediaPath, Dumped>, BTreeSet<MediaPath>) {
        let (mut files, mut folders) = (BTreeMap::new(), BTreeSet::new());
        let root = &self.roots()[0];
        walk(root, root, &mut files, &mut folders);
        (files, folders)
    }
}

fn walk(
    root: &Path,
    folder: &Path,
    files: &mut BTreeMap<MediaPath, Dumped>,
    folders: &mut BTreeSet<MediaPath>,
) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let relative = path.strip_prefix(root).unwrap();
        if relative.starts_with(".tidal-cleanup") {
            continue;
        }
        let about = fs::symlink_metadata(&path).unwrap();
        let place = MediaPath::from_relative(0, relative);
        if about.is_dir() {
            folders.insert(place);
            walk(root, &path, files, folders);
        } else {
            let mtime = (about.mtime(), u32::try_from(about.mtime_nsec()).unwrap());
            let mode = about.permissions().mode();
            files.insert(place, (fs::read(&path).unwrap(), mtime, mode));
        }
    }
}

/// Delivers short WAV files.
struct Waves;

impl Downloader for Waves {
    async fn fetch(&self, track: &Track, workspace: &Path) -> Result<Fetched, FetchError> {
        let path = workspace.join("verified.wav");
        if !path.exists() {
            fs::write(&path, wave(&track.id.to_string())).unwrap();
        }
        Ok(Fetched {
            path,
            format: AudioFormat::Wav,
        })
    }

    async fn copy(
        &self,
        track: &Track,
        source: &Path,
        workspace: &Path,
    ) -> Result<Fetched, FetchError> {
        assert!(source.exists());
        self.fetch(track, workspace).await
    }

    async fn convert(
        &self,
        track: &Track,
        source: &Path,
        target: &Path,
        _format: AudioFormat,
        _quality: &str,
    ) -> Result<(), FetchError> {
        assert!(source.exists());
        fs::write(target, wave(&format!("{} converted", track.id))).unwrap();
        Ok(())
    }
}

/// A quarter of a second, 8 bits, mono; what it plays depends on the name.
fn wave(name: &str) -> Vec<u8> {
    let samples: Vec<u8> = name.bytes().cycle().take(2000).collect();
    let size = u32::try_from(samples.len()).unwrap();
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + size).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data");
    bytes.extend(size.to_le_bytes());
    bytes.extend(samples);
    bytes
}

type RealBench = Bench<LibraryFolder, MasterDb, Waves, SqliteStore>;

async fn real(folder: &Path) -> RealBench {
    real_with(folder, Vec::new()).await
}

/// A world with further tracks in Rekordbox, whose files are there.
async fn real_with(folder: &Path, mut tracks: Vec<NewTrack>) -> RealBench {
    let root = folder.join("music");
    for (path, bytes) in [
        ("Own/song.flac", "own"),
        ("Playlists/House/own.mp3", "mine"),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let mut library = LibraryFolder::new(&root, &[], FileCache::default());
    library.plant_canary(&"L".into()).unwrap();
    let own = NewTrack {
        row: NewContentRow {
            file: ContentFile {
                path: root.join("Own/song.flac"),
                size: 3,
                file_id: 1,
            },
            title: "Own".to_owned(),
            format: Some(AudioFormat::Flac),
            created: "2020-01-01T12:00:00Z".parse().ok(),
            ..NewContentRow::default()
        },
        hot_cues: 2,
        ..NewTrack::default()
    };
    let mine = NewNode {
        name: "Mine".to_owned(),
        kind: NodeKind::List,
        parent: None,
        tracks: vec![0],
        smart: Vec::new(),
    };
    let database = folder.join("rekordbox");
    fs::create_dir_all(&database).unwrap();
    tracks.insert(0, own);
    let new = NewLibrary {
        tracks,
        nodes: vec![mine],
        ..NewLibrary::default()
    };
    let path = create_library(&database, &new).await.unwrap();
    let rekordbox = open_rekordbox(&path, folder);
    let mut store = open_store(folder).await;
    store.set_library(&"L".into()).await.unwrap();
    Bench::new(library, rekordbox, Waves, store)
}

fn open_rekordbox(path: &Path, folder: &Path) -> MasterDb {
    let mut options = MasterDbOptions::new(folder.join("backups"));
    options.processes = Processes::fixed::<String>([]);
    options.ids = IdSource::seeded(9);
    MasterDb::open(path, options).unwrap()
}

async fn open_store(folder: &Path) -> SqliteStore {
    let options = StoreOptions::new(folder.join("state-backups"), Timestamp::UNIX_EPOCH);
    SqliteStore::open(&folder.join("sync.db"), &options)
        .await
        .unwrap()
}

async fn nth(bench: &RealBench, stage: usize) -> tidal_cleanup::plan::Plan {
    match stage {
        0 => first(bench).await,
        1 => second(bench).await,
        _ => third(bench).await,
    }
}

#[tokio::test]
async fn three_plans_and_their_undos_on_real_worlds() {
    let folder = TempDir::new().unwrap();
    let mut bench = real(folder.path()).await;
    let mut before = Vec::new();
    for stage in 0..3 {
        let exact = bench.exactly().await;
        let plan = nth(&bench, stage).await;
        let id = bench.done(&plan).await;
        bench.assert_fit_for_a_gig().await;
        before.push((id, exact));
    }
    while let Some((id, exact)) = before.pop() {
        let undo = bench.undo_of(id).await;
        assert_eq!(undo.body.held, []);
        let undone = bench.done(&undo).await;
        let now = bench.exactly().await;
        assert_eq!(now.files, exact.files);
        assert_eq!(now.folders, exact.folders);
        assert_eq!(now.collection, exact.collection);
        assert_eq!(now.state, exact.state);
        let redo = bench.undo_of(undone).await;
        let redone = bench.done(&redo).await;
        let again = bench.undo_of(redone).await;
        bench.done(&again).await;
        assert_eq!(bench.exactly().await.files, exact.files);
    }
    assert_eq!(bench.worlds.store.check().await.unwrap(), []);
}

/// As many deaths as a short test has time for; those in memory go through all.
#[tokio::test]
async fn killed_on_real_worlds_it_resumes_or_goes_back() {
    let reference = TempDir::new().unwrap();
    let mut bench = real(reference.path()).await;
    let plan = first(&bench).await;
    bench.done(&plan).await;
    let plan = second(&bench).await;
    bench.done(&plan).await;
    let end = bench.essence().await;
    let root = reference.path().display().to_string();
    let neutral = |text: &String, root: &str| text.replace(root, "");
    let mut n = 0_u32;
    'deaths: for pair in deaths().step_by(4) {
        for death in pair {
            n += 1;
            let folder = TempDir::new().unwrap();
            let mut bench = real(folder.path()).await;
            let plan = first(&bench).await;
            bench.done(&plan).await;
            let before = bench.exactly().await;
            let plan = second(&bench).await;
            bench.faults.set(Some(death));
            let _ = bench.apply(&plan).await;
            if !bench.faults.is_dead() {
                break 'deaths;
            }
            bench.faults.set(None);
            bench.assert_fit_for_a_gig().await;
            let Some(row) = bench.worlds.store.unfinished().await.unwrap() else {
                continue;
            };
            if n.is_multiple_of(2) {
                bench.take_back().await.unwrap();
                let now = bench.exactly().await;
                assert_eq!(now.files, before.files, "{death:?}");
                assert_eq!(now.collection, before.collection, "{death:?}");
                assert_eq!(now.state, before.state, "{death:?}");
            } else {
                let report = bench.resume(row.id).await.unwrap();
                assert_eq!(
                    report.status,
                    ApplyStatus::Completed,
                    "{death:?} {report:#?}"
                );
                let now = bench.essence().await;
                let here = folder.path().display().to_string();
                assert_eq!(now.files, end.files, "{death:?}");
                assert_eq!(now.folders, end.folders, "{death:?}");
                let rows = |lines: &[String], root: &str| -> Vec<String> {
                    lines.iter().map(|line| neutral(line, root)).collect()
                };
                assert_eq!(rows(&now.collection, &here), rows(&end.collection, &root));
                assert_eq!(rows(&now.state, &here), rows(&end.state, &root));
            }
            if let Death::Before(at) = death {
                assert!(at < 500, "it never ends");
            }
        }
    }
    assert!(n > 4);
}

/// What a thousand moved files cost; the limits are wide, for a debug build on a busy machine.
#[tokio::test]
async fn a_thousand_moves_and_their_undo_are_quick() {
    const MOVES: usize = 1000;
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("music");
    fs::create_dir_all(root.join("Playlists/Old")).unwrap();
    let name = |n: usize| format!("Playlists/Old/{n}.wav");
    let mut rows = Vec::new();
    for n in 0..MOVES {
        let path = root.join(name(n));
        fs::write(&path, wave(&n.to_string())).unwrap();
        let file = ContentFile {
            path,
            size: 2044,
            file_id: 1,
        };
        let row = NewContentRow {
            file,
            title: n.to_string(),
            created: "2020-01-01T12:00:00Z".parse().ok(),
            ..NewContentRow::default()
        };
        rows.push(NewTrack {
            row,
            ..NewTrack::default()
        });
    }
    let mut bench = real_with(folder.path(), rows).await;
    let tracks: Vec<Track> = (0..MOVES)
        .map(|n| track(&n.to_string(), &format!("Title {n}")))
        .collect();
    let playlists = [("p1", playlist("New", &[]))];
    let plan = bench
        .plan(&tracks, &playlists, |desk| {
            let contents = desk.collection.contents.values();
            let ids: BTreeMap<String, _> = contents
                .map(|row| (row.title.to_string(), row.id.clone().unwrap()))
                .collect();
            for n in 0..MOVES {
                let path = MediaPath::new(name(n));
                desk.adopt(&n.to_string(), &path, &ids[&n.to_string()]);
            }
        })
        .await;
    bench.done(&plan).await;
    let before = bench.exactly().await;
    let plan = bench
        .plan(&tracks, &playlists, |desk| {
            for n in 0..MOVES {
                desk.place(&n.to_string(), &format!("Playlists/New/{n}.wav"), "p1");
            }
        })
        .await;
    let clock = std::time::Instant::now();
    let id = bench.done(&plan).await;
    let moved = clock.elapsed();
    let clock = std::time::Instant::now();
    let undo = bench.undo_of(id).await;
    bench.done(&undo).await;
    let undone = clock.elapsed();
    let now = bench.exactly().await;
    assert_eq!(now.files, before.files);
    assert_eq!(now.state, before.state);
    assert!(moved.as_secs() < 60, "{MOVES} moves took {moved:?}");
    assert!(undone.as_secs() < 60, "their undo took {undone:?}");
}
