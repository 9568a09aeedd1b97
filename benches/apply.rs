//! What apply itself costs: the journal, the preconditions, the syncs. Real files, a real state database,
//! nothing downloaded.
//!
//! `cargo bench --bench apply -- [actions] [folder to work in]`

#![expect(clippy::unwrap_used, reason = "a bench that cannot run has failed")]
#![expect(clippy::print_stdout, reason = "a bench is read from its output")]

#[allow(dead_code, reason = "the bench uses the part that it needs")]
#[path = "../tests/it/apply/desk.rs"]
mod desk;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use desk::{Desk, playlist, track};
use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use tidal_cleanup::{
    apply::{self, Settings, Verification, Worlds},
    domain::{ApplyId, AudioFormat, Collection, Provenance, TrackId},
    edge::{
        download::memory::MemoryDownloader,
        local::{
            LocalLibrary as _, LocalReader as _, cache::FileCache, folder::LibraryFolder,
            memory::MemoryLibrary,
        },
        rekordbox::MemoryRekordbox,
        store::{ApplyStatus, SqliteStore, StateReader as _, StateStore as _, StoreOptions},
    },
    plan::{
        Plan, canonical,
        document::{Adoption, At, Base, Class, Effect, PlanMeta, Precondition},
    },
    record::undo::undo_plan,
};

type Bench = Worlds<LibraryFolder, MemoryRekordbox, MemoryDownloader, SqliteStore>;

const UNDONE: usize = 1_000;

fn main() {
    let mut args = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"));
    let actions = args
        .next()
        .and_then(|arg| arg.parse().ok())
        .unwrap_or(10_000);
    let place = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    println!("in {}; wall and processor time", place.display());
    runtime.block_on(async {
        let folder = tempfile::tempdir_in(&place).unwrap();
        let mut bench = open(folder.path(), actions).await;
        let plan = adoptions(&bench, actions).await;
        run("files adopted (journal alone)", &mut bench, &plan).await;
        let plan = moves(&bench, actions).await;
        run("files moved", &mut bench, &plan).await;
        let folder = tempfile::tempdir_in(&place).unwrap();
        let mut bench = open(folder.path(), UNDONE).await;
        let plan = adoptions(&bench, UNDONE).await;
        apply(&mut bench, &plan).await;
        let plan = moves(&bench, UNDONE).await;
        let id = apply(&mut bench, &plan).await;
        let started = Started::now();
        let plan = undo_of(&bench, id).await;
        apply(&mut bench, &plan).await;
        started.tell("moves undone", UNDONE);
    });
}

struct Started(Instant, Duration);

impl Started {
    fn now() -> Self {
        Self(Instant::now(), processor())
    }

    fn tell(&self, what: &str, actions: usize) {
        let (wall, cpu) = (self.0.elapsed(), processor() - self.1);
        let each = |time: Duration| time.as_secs_f64() * 1e3 / actions as f64;
        println!(
            "{actions:>6} {what:<30} {:>6.2} s, {:>5.3} ms each; processor {:>6.2} s, {:>5.3} ms each",
            wall.as_secs_f64(),
            each(wall),
            cpu.as_secs_f64(),
            each(cpu)
        );
    }
}

fn processor() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

fn id(n: usize) -> String {
    (100_000 + n).to_string()
}

async fn open(folder: &Path, files: usize) -> Bench {
    let root = folder.join("music");
    fs::create_dir_all(root.join("Playlists/House")).unwrap();
    for n in 0..files {
        fs::write(root.join(format!("Playlists/House/{}.mp3", id(n))), id(n)).unwrap();
    }
    let mut local = LibraryFolder::new(&root, &[], FileCache::default());
    local.plant_canary(&"L".into()).unwrap();
    let now = Timestamp::now();
    let options = StoreOptions::new(folder.join("backups"), now);
    let database = folder.join("sync.db");
    let mut store = SqliteStore::open(&database, &options).await.unwrap();
    store.set_library(&"L".into()).await.unwrap();
    let library = MemoryLibrary::new("/music", "L", &[]);
    Worlds {
        local,
        rekordbox: None,
        downloader: MemoryDownloader::new(&library, AudioFormat::Flac),
        store,
        tidal: None,
    }
}

async fn plan(
    bench: &Bench,
    actions: usize,
    write: impl FnOnce(&mut Desk<'_, LibraryFolder>),
) -> Plan {
    let state = bench.store.state().await.unwrap();
    let collection = Collection::default();
    let tracks: Vec<_> = (0..actions).map(|n| track(&id(n), "Looped")).collect();
    let lists = [("p1", playlist("Deep", &[]))];
    let mut desk = Desk::new(&bench.local, &state, &collection, &tracks, &lists);
    write(&mut desk);
    desk.seal()
}

async fn adoptions(bench: &Bench, actions: usize) -> Plan {
    plan(bench, actions, |desk| {
        for n in 0..actions {
            let after = Adoption {
                track: TrackId::new(id(n)),
                path: format!("Playlists/House/{}.mp3", id(n)).as_str().into(),
                provenance: Provenance::Adopted,
                content: None,
                home: None,
                further: false,
            };
            let effect = Effect::StateAdopt { after };
            desk.push(effect, Class::Additive, &id(n), Vec::new(), &[]);
        }
    })
    .await
}

async fn moves(bench: &Bench, actions: usize) -> Plan {
    plan(bench, actions, |desk| {
        for n in 0..actions {
            let from = desk.file_of(&id(n));
            let to = format!("Playlists/Deep/{}.mp3", id(n));
            let stat = bench.local.stat(&from).unwrap().unwrap();
            let pre = vec![
                Precondition::File {
                    path: from.clone(),
                    size: stat.size,
                    mtime: stat.mtime,
                    sha256: None,
                },
                Precondition::Vacant {
                    path: to.as_str().into(),
                },
            ];
            let home = None;
            let effect = Effect::FilePlace {
                before: At {
                    path: from,
                    home: home.clone(),
                },
                after: At {
                    path: to.as_str().into(),
                    home,
                },
            };
            desk.push(effect, Class::Move, &id(n), pre, &[]);
        }
    })
    .await
}

/// Verified and applied, as the command does.
async fn apply(bench: &mut Bench, plan: &Plan) -> ApplyId {
    let asked = Verification {
        policy: None,
        max_age: None,
        now: Timestamp::now(),
        tidal: None,
    };
    let rekordbox = bench.rekordbox.as_ref();
    let violations = apply::verify(plan, &bench.local, rekordbox, &bench.store, &asked)
        .await
        .unwrap();
    assert_eq!(violations, []);
    let settings = Settings::default();
    let report = apply::apply(plan, None, bench, &settings, &Timestamp::now, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(report.status, ApplyStatus::Completed, "{report:#?}");
    report.apply
}

async fn run(what: &str, bench: &mut Bench, plan: &Plan) {
    let started = Started::now();
    apply(bench, plan).await;
    started.tell(what, plan.body.actions.len());
}

async fn undo_of(bench: &Bench, id: ApplyId) -> Plan {
    let facts = apply::undo_facts(id, &bench.local, bench.rekordbox.as_ref(), &bench.store)
        .await
        .unwrap();
    let applies = bench.store.applies().await.unwrap();
    let row = applies.iter().find(|row| row.id == id).unwrap();
    let applied = apply::recorded_plan(id, &bench.store).await.unwrap();
    let operations = bench.store.operations(id).await.unwrap();
    let meta = bench.store.meta().await.unwrap();
    let base = Base {
        library_id: meta.library_id,
        lineage: meta.lineage,
        serial: meta.serial,
        schema_version: meta.schema_version,
    };
    let body = undo_plan(row, &applied, &operations, &facts, base);
    canonical::seal(body, PlanMeta::default())
}
