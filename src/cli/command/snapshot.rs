//! `snapshot` and `tidal lists`: what is read, as it was read.

use crate::{
    cli::{
        args::{SnapshotArgs, World},
        engine::{Engine, TidalSource, load_policy, tidal_settings},
        error::{CliError, Exit, Kind},
        plan::write_whole,
        settings::Settings,
        ui::Ui,
        view::{
            Envelope,
            snapshot::{LocalSnapshot, RekordboxSnapshot},
            text,
        },
    },
    domain::{Observed, TidalReading},
    edge::{
        local::LocalReader as _,
        rekordbox::RekordboxReader as _,
        tidal::{ReadOptions, TidalApi as _, TidalService, snapshot},
    },
};

/// `snapshot`
///
/// # Errors
/// When the world cannot be read, or was not read to its end.
pub async fn snapshot(settings: &Settings, ui: &Ui, args: &SnapshotArgs) -> Result<Exit, CliError> {
    match args.world {
        World::Tidal => tidal(settings, ui, args).await,
        World::Local => {
            let mut engine = Engine::open(settings, ui).await?;
            let library = engine.library.scan()?;
            let view = LocalSnapshot::from(&library);
            let json = pretty(&Envelope::new("local-snapshot", &view))?;
            put(settings, ui, args, &view.to_string(), &json)?;
            Ok(ended(&library))
        }
        World::Rekordbox => {
            let engine = Engine::open(settings, ui).await?;
            let Some(rekordbox) = &engine.rekordbox else {
                return Err(CliError::user("the policy has no Rekordbox library")
                    .hint("name one in `[rekordbox] database`"));
            };
            let collection = rekordbox.read().await?;
            let view = RekordboxSnapshot::from(&collection);
            let json = pretty(&Envelope::new("rekordbox-snapshot", &view))?;
            put(settings, ui, args, &view.to_string(), &json)?;
            Ok(ended(&collection))
        }
    }
}

/// A reading of TIDAL needs no policy: it works right after `login`. With a policy it is kept in the
/// state database as well.
async fn tidal(settings: &Settings, ui: &Ui, args: &SnapshotArgs) -> Result<Exit, CliError> {
    let observed = match settings.policy_path() {
        Ok(_) => {
            let mut engine = Engine::open(settings, ui).await?;
            let favorites = args.favorites || engine.policy.tidal.favorites;
            let source = TidalSource::Service(Box::new(engine.service(favorites, ui).await?));
            let observed = source.read().await?;
            engine.keep_reading(&observed.value).await?;
            observed
        }
        Err(_) => {
            let db = settings.db_path(None)?;
            let options = ReadOptions {
                favorites: args.favorites,
                on_progress: ui.reporter("Reading TIDAL"),
                ..ReadOptions::default()
            };
            TidalService::open(&tidal_settings(settings, &db, None)?, options)?
                .read()
                .await?
        }
    };
    ui.end_progress();
    for problem in &observed.problems {
        ui.warning(format!("{}: {}", problem.subject, problem.message));
    }
    let lists = observed.value.playlists.len();
    let entries: usize = observed
        .value
        .playlists
        .iter()
        .map(|list| list.items.len())
        .sum();
    let said = format!(
        "{} with {}{}",
        text::count(lists, "playlist", "playlists"),
        text::count(entries, "entry", "entries"),
        if observed.is_complete() {
            ""
        } else {
            ", not complete"
        },
    );
    put(
        settings,
        ui,
        args,
        &said,
        &snapshot::render(&observed.value),
    )?;
    if observed.is_complete() {
        return Ok(Exit::Done);
    }
    Err(CliError::message(
        Kind::World,
        "TIDAL was not read completely; what is missing is marked in the snapshot",
    )
    .hint("try again; a plan from it takes nothing away"))
}

fn ended<T>(observed: &Observed<T>) -> Exit {
    if observed.is_complete() {
        Exit::Done
    } else {
        Exit::Error
    }
}

fn pretty(value: &impl serde::Serialize) -> Result<String, CliError> {
    serde_json::to_string_pretty(value)
        .map_err(|error| CliError::new(Kind::Bug, error).context("could not write JSON"))
}

/// To the file with a line on stderr, or to stdout.
fn put(
    settings: &Settings,
    ui: &Ui,
    args: &SnapshotArgs,
    said: &str,
    json: &str,
) -> Result<(), CliError> {
    match &args.out {
        None => ui.answer(json),
        Some(out) => {
            write_whole(&settings.around.absolute(out), json)?;
            ui.status(format!("{said}\nSaved {}.", out.display()));
            Ok(())
        }
    }
}

/// `tidal lists`
///
/// # Errors
/// When TIDAL cannot be read.
pub async fn lists(settings: &Settings, ui: &Ui) -> Result<Exit, CliError> {
    #[derive(serde::Serialize)]
    struct Line {
        id: String,
        name: String,
        entries: usize,
        mode: &'static str,
    }
    let policy = load_policy(settings, ui)?;
    let engine = Engine::of(policy, settings, ui).await?;
    let reading: TidalReading = engine
        .tidal(&Default::default(), ui)
        .await?
        .read()
        .await?
        .value;
    let lines: Vec<Line> = reading
        .playlists
        .iter()
        .map(|list| {
            let (id, name) = (list.id.as_str(), list.name.as_str());
            let mode = match (
                engine.policy.tidal.selects(id, name),
                engine.policy.mode(id, name).0,
            ) {
                (false, _) => "not managed",
                (true, crate::policy::SyncMode::Manage) => "manage",
                (true, crate::policy::SyncMode::Additive) => "additive",
                (true, crate::policy::SyncMode::Observe) => "observe",
            };
            Line {
                id: id.to_owned(),
                name: name.to_owned(),
                entries: list.items.len(),
                mode,
            }
        })
        .collect();
    let rows: Vec<String> = lines
        .iter()
        .map(|line| {
            format!(
                "{:>6}  {:<11}  {}",
                line.entries,
                line.mode,
                text::visible(&line.name)
            )
        })
        .collect();
    ui.answer_either(
        rows.join("\n"),
        &Envelope::new("tidal-lists", serde_json::json!({ "playlists": lines })),
    )?;
    Ok(Exit::Done)
}
