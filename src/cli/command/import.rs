//! `import`: takes over a library that is there, by a plan.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    cli::{
        args::ImportArgs,
        engine::{Engine, Request, TidalSource, tell_problems},
        error::{CliError, Exit, Kind},
        settings::Settings,
        ui::Ui,
        view::{
            Envelope,
            takeover::{Heard, Imported},
        },
    },
    diff::hearsay::believe,
    domain::{AudioFile, MediaPath, Track, TrackId, text::nfc},
    edge::{
        peer::{Peer, PeerError},
        tidal::TidalMemory,
    },
    observe::Observation,
    plan::{
        canonical,
        document::Mode,
        takeover::{Adopting, TakeOver, take_over},
    },
    policy::glob,
};

use super::plan::save_as;

/// `import`
///
/// # Errors
/// When a source cannot be read at all, or a pattern is none.
pub async fn import(settings: &Settings, ui: &Ui, args: &ImportArgs) -> Result<Exit, CliError> {
    let adopting = adopting(&args.adopt)?;
    let peer = match &args.from_peer {
        Some(path) => Some(read_peer(settings, path).await?),
        None => None,
    };
    let mut engine = Engine::open(settings, ui).await?;
    engine.require_canary().await?;
    engine.tell_unfinished(ui).await?;
    let mut heard = peer.as_ref().map(told).unwrap_or_default();
    let tidal = source(&engine, args, peer.as_ref(), &mut heard, ui).await?;
    let mut observation = engine.look(&tidal, ui).await?;
    tell_problems(&observation, ui);
    let mut request = Request {
        inputs: args.inputs.clone(),
        mode: Some(Mode::Reconcile),
        ..Request::default()
    };
    if let Some(peer) = &peer {
        let alone = engine
            .decide(&request, &mut observation, ui, |input| {
                let (planned, found) = take_over(input, &adopting, &BTreeMap::new());
                (found, planned.unhashed)
            })
            .await?;
        request.hints = hints(peer, &engine, &observation, &alone, &mut heard);
    }
    let (body, found) = engine
        .decide(&request, &mut observation, ui, |input| {
            let (planned, found) = take_over(input, &adopting, &request.hints);
            ((planned.body, found), planned.unhashed)
        })
        .await?;
    let plan = engine.sealed(body, &observation, &request.inputs);
    let json = canonical::to_json(&plan);
    let saved = save_as(
        settings,
        ui,
        args.out.as_deref(),
        ui.is_json(),
        &plan,
        &json,
    )?;
    let report = Imported {
        adoptions: plan.body.actions.len(),
        digest: plan.digest.clone(),
        found,
        peer: peer.is_some().then_some(heard),
        saved: saved.as_ref().map(|path| path.display().to_string()),
    };
    ui.answer_either(report.view(ui.look()), &Envelope::new("import", &report))?;
    tell_next(ui, &report);
    Ok(Exit::Done)
}

/// What to type next.
fn tell_next(ui: &Ui, report: &Imported) {
    if !report.found.doubtful.is_empty() {
        ui.hint("`tidal-cleanup decide` asks about what is doubtful; then import again");
    }
    if let Some(saved) = &report.saved {
        ui.hint(format!(
            "`tidal-cleanup show {saved}` shows every row, `tidal-cleanup apply {saved}` records them, \
             `tidal-cleanup undo` forgets them"
        ));
    } else if report.adoptions > 0 {
        ui.hint("`--out plan.json` saves the plan, `tidal-cleanup apply plan.json` records it");
    }
}

fn adopting(patterns: &[String]) -> Result<Adopting, CliError> {
    for pattern in patterns {
        glob::check(pattern).map_err(|error| {
            CliError::new(Kind::User, error).context(format!("{pattern:?} is no pattern"))
        })?;
    }
    Ok(match patterns.is_empty() {
        true => Adopting::None,
        false => Adopting::Matching(patterns.to_vec()),
    })
}

async fn read_peer(settings: &Settings, path: &Path) -> Result<Peer, CliError> {
    let path = settings.around.absolute(path);
    let read = Peer::read(&path, settings.around.home.as_deref()).await;
    read.map_err(|error| {
        let hint = match &error {
            PeerError::Missing(_) | PeerError::Read { .. } => "check the path",
            PeerError::NotThePeer(_) => {
                "name the folder with its config/.env, or its sync.db (usually ~/.tidal-cleanup/sync.db)"
            }
            PeerError::Database { .. } => "is it damaged? `sqlite3 FILE 'PRAGMA integrity_check'` tells",
        };
        CliError::new(Kind::User, error).hint(hint)
    })
}

fn told(peer: &Peer) -> Heard {
    let env = peer.env.clone().unwrap_or_default();
    let shown = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    Heard {
        database: shown(&peer.database),
        tracks: peer.tracks.len(),
        playlists: peer.playlists.len(),
        mapping: shown(&peer.mapping),
        gaps: peer.gaps.clone(),
        settings: env.settings,
        unreadable_lines: env.unreadable,
        ..Heard::default()
    }
}

/// Where TIDAL is read. Where nobody is logged in and nothing was read before, the Python tool's
/// playlists stand in.
async fn source(
    engine: &Engine,
    args: &ImportArgs,
    peer: Option<&Peer>,
    heard: &mut Heard,
    ui: &Ui,
) -> Result<TidalSource, CliError> {
    match (
        engine.tidal(&args.inputs, ui).await,
        peer.and_then(Peer::reading),
    ) {
        (Err(error), Some(reading)) if error.kind == Kind::User => {
            heard.stood_in = true;
            Ok(TidalSource::Last(TidalMemory::new(reading)))
        }
        (source, _) => source,
    }
}

/// Which file is which track, as the Python tool has it, where our own judgement lets it pass and has
/// found nothing by itself: `alone` is what it found.
fn hints(
    peer: &Peer,
    engine: &Engine,
    observation: &Observation,
    alone: &TakeOver,
    heard: &mut Heard,
) -> BTreeMap<TrackId, MediaPath> {
    let files = &observation.library.value.files;
    let files: BTreeMap<&MediaPath, &AudioFile> =
        files.iter().map(|file| (&file.path, file)).collect();
    let spelled: BTreeMap<String, &MediaPath> = files
        .keys()
        .map(|path| (nfc(path.as_str()), *path))
        .collect();
    let root = peer.env.as_ref().and_then(|env| env.mp3.as_deref());
    let mut claims: Vec<(TrackId, MediaPath)> = Vec::new();
    for track in &peer.tracks {
        for path in &track.paths {
            match locate(path, root, observation, &spelled) {
                Some(found) => {
                    let id = track.tidal_id.as_deref().map(TrackId::new);
                    claims.extend(id.map(|id| (id, found)));
                }
                None => heard.lost.push(path.clone()),
            }
        }
    }
    let lists = observation.tidal.value.playlists.iter();
    let entries = lists.flat_map(|list| list.tracks());
    let tracks: BTreeMap<&TrackId, &Track> = entries
        .filter_map(|entry| Some((&entry.id, entry.track.as_deref()?)))
        .collect();
    let (mut believed, refused) = believe(&claims, &tracks, &files, &engine.policy.matching);
    heard.claims = believed.len();
    heard.contradictions = refused;
    let found: BTreeSet<&TrackId> = alone.matched.iter().map(|row| &row.track).collect();
    let taken: BTreeSet<&MediaPath> = alone.matched.iter().map(|row| &row.path).collect();
    believed.retain(|track, path| !found.contains(track) && !taken.contains(path));
    believed
}

/// The library's file that the tool means: below its MP3 folder, or below the library's root.
fn locate(
    path: &str,
    root: Option<&Path>,
    observation: &Observation,
    spelled: &BTreeMap<String, &MediaPath>,
) -> Option<MediaPath> {
    let absolute = match (Path::new(path).is_absolute(), root) {
        (true, _) => Some(PathBuf::from(path)),
        (false, Some(root)) => Some(root.join(path)),
        (false, None) => None,
    };
    let known = |path: MediaPath| spelled.get(&nfc(path.as_str())).map(|path| (*path).clone());
    let below = absolute.and_then(|path| observation.locate(path.to_str()?));
    below.and_then(known).or_else(|| {
        let relative = MediaPath::new(path.trim_start_matches("./"));
        known(relative)
    })
}
