//! `cargo run --example rehearsal`: one plan from its beginning to its end, in memory.
//!
//! Two evenings of a DJ: TIDAL has two playlists, then one of them changes. Every stage is called as
//! the program calls it, against worlds that are gone when the rehearsal is over.

use std::{collections::BTreeMap, error::Error, io::Write as _, path::Path};

use jiff::{Timestamp, civil::date};
use serde_json::json;
use tidal_cleanup::{
    apply::{self, Settings, Worlds},
    desired::desire,
    diff::{diff, identity::identify},
    domain::{AudioFormat, Collection, LibraryId, State, TidalReading},
    edge::{
        download::memory::MemoryDownloader,
        local::{LocalReader as _, memory::MemoryLibrary},
        rekordbox::{IdSource, MemoryRekordbox},
        store::MemoryStore,
        tidal::{TidalMemory, snapshot},
    },
    observe::observe,
    plan::{
        Cleanup, Plan, PlanInput, canonical,
        document::{Action, Mode, PlanMeta},
        plan, protected,
    },
    policy::Policy,
};

type Rehearsal = Worlds<MemoryLibrary, MemoryRekordbox, MemoryDownloader, MemoryStore>;

const POLICY: &str = r#"
version = 1
[library]
root = "/music"
[download]
command = ["in memory", "{id}"]
"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (policy, _) = Policy::parse(
        Path::new("/tidal-cleanup.toml"),
        POLICY,
        &|_| None,
        Path::new("/"),
    )
    .map_err(|findings| format!("{findings:?}"))?;
    let mut worlds = worlds();
    let mut tidal = TidalMemory::new(reading(&[
        ("a", "Warm up", &[1, 2, 3]),
        ("b", "Peak", &[3, 4, 3]),
    ])?);
    rehearse("The first evening", &policy, &tidal, &mut worlds).await?;
    tidal.reading = reading(&[("a", "Warm up", &[3, 1]), ("b", "Peak time", &[3, 4, 5])])?;
    rehearse("The second evening", &policy, &tidal, &mut worlds).await
}

/// Plans, applies, and plans again: then nothing is left.
async fn rehearse(
    title: &str,
    policy: &Policy,
    tidal: &TidalMemory,
    worlds: &mut Rehearsal,
) -> Result<(), Box<dyn Error>> {
    say(&format!("== {title}"))?;
    let plan = make_plan(policy, tidal, worlds).await?;
    let settings = Settings::default();
    let report = apply::apply(&plan, None, worlds, &settings, &Timestamp::now, &mut |_| {}).await?;
    step("apply", report.completed, "actions done")?;
    say("-- and again")?;
    make_plan(policy, tidal, worlds).await?;
    Ok(())
}

/// From what is there, over what should be, to what is to be done.
async fn make_plan(
    policy: &Policy,
    tidal: &TidalMemory,
    worlds: &mut Rehearsal,
) -> Result<Plan, Box<dyn Error>> {
    let (rekordbox, store) = (worlds.rekordbox.as_ref(), &worlds.store);
    let mut observation = observe(tidal, &mut worlds.local, rekordbox, store).await?;
    step(
        "observe",
        observation.tidal.value.playlists.len(),
        "playlists in TIDAL",
    )?;
    step(
        "",
        observation.library.value.files.len(),
        "files in the library",
    )?;
    loop {
        let shield = protected(policy, None, &observation);
        let (reading, state) = (&observation.tidal.value, &observation.state);
        let library = &observation.library.value;
        let desired = desire(policy, reading, state, library, &shield, observation.rows());
        let changes = diff(&desired, state, reading.complete);
        let tracks: Vec<_> = desired.tracks.values().map(|want| &*want.track).collect();
        let identities = identify(&tracks, library, state, &BTreeMap::new(), &policy.matching);
        let planned = plan(&PlanInput {
            policy,
            observation: &observation,
            desired: &desired,
            changes: changes.clone(),
            identities: &identities,
            cleanup: &Cleanup::default(),
            scope: None,
            moved: &[],
            mode: Mode::Normal,
            as_of: date(2026, 11, 22),
            tidal_hash: snapshot::content_hash(reading),
            past_removals: Vec::new(),
            failed_fetches: BTreeMap::new(),
            files_before: None,
            rows: std::collections::BTreeMap::new(),
            allows: Vec::new(),
            conditions: tidal_cleanup::plan::Conditions::default(),
        });
        if planned.unhashed.is_empty() {
            step("desire", desired.tracks.len(), "tracks in playlists")?;
            step("diff", changes.len(), "changes")?;
            let plan = canonical::seal(planned.body, PlanMeta::default());
            step("plan", plan.body.actions.len(), "actions")?;
            for Action {
                effect, subject, ..
            } in &plan.body.actions
            {
                say(&format!("           {}: {}", effect.kind(), subject.label))?;
            }
            return Ok(plan);
        }
        // Some files must be known to the last byte before anything is decided about them.
        for path in &planned.unhashed {
            let hash = worlds.local.hash(path)?;
            let files = &mut observation.library.value.files;
            for file in files.iter_mut().filter(|file| file.path == *path) {
                file.hash = Some(hash);
            }
        }
    }
}

/// An empty library, an empty Rekordbox, no memory, and a downloader that knows every track.
fn worlds() -> Rehearsal {
    let local = MemoryLibrary::new("/music", "rehearsal", &[]);
    let mut state = State::default();
    state.meta.library_id = Some(LibraryId::from("rehearsal"));
    Worlds {
        tidal: None,
        rekordbox: Some(MemoryRekordbox::new(
            &Collection::default(),
            IdSource::seeded(1),
        )),
        downloader: MemoryDownloader::new(&local, AudioFormat::Flac),
        store: MemoryStore::with_state(state),
        local,
    }
}

/// What TIDAL says: playlists and the numbers of their tracks.
fn reading(lists: &[(&str, &str, &[u8])]) -> Result<TidalReading, Box<dyn Error>> {
    let item = |n: &u8| {
        json!({"type": "tracks", "id": n.to_string(), "resolved": true,
        "title": format!("Title {n}"), "artists": [format!("Artist {n}")], "duration_s": 300})
    };
    let list = |(id, name, tracks): &(&str, &str, &[u8])| {
        json!({"id": id, "name": name,
        "complete": true, "items": tracks.iter().map(item).collect::<Vec<_>>()})
    };
    let lists: Vec<_> = lists.iter().map(list).collect();
    let text = json!({"format": "tidal-cleanup/tidal-snapshot", "format_version": "1.0",
        "complete": true, "playlists": lists});
    Ok(snapshot::parse(text.to_string().as_bytes())?)
}

fn step(stage: &str, count: usize, of: &str) -> std::io::Result<()> {
    say(&format!("{stage:8} {count:3} {of}"))
}

fn say(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{text}")
}
