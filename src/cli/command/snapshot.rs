//! `snapshot`: what is read, as it was read.

use crate::{
    cli::{
        args::{SnapshotArgs, World},
        engine::{Engine, load_policy},
        error::{CliError, Exit, Kind},
        plan::write_whole,
        readings::{self, Wish},
        server,
        settings::Settings,
        ui::Ui,
        view::{
            Envelope,
            snapshot::{LocalSnapshot, RekordboxSnapshot},
            text,
        },
    },
    domain::Observed,
    edge::{
        local::LocalReader as _,
        rekordbox::RekordboxReader as _,
        tidal::{TidalApi as _, snapshot},
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

/// A reading of TIDAL needs no policy: it works right after `login`.
async fn tidal(settings: &Settings, ui: &Ui, args: &SnapshotArgs) -> Result<Exit, CliError> {
    let policy = match settings.policy_path() {
        Ok(_) => Some(load_policy(settings, ui)?),
        Err(error) if settings.policy.is_some() => return Err(error),
        Err(_) => None,
    };
    let place = settings.place(policy.as_ref())?;
    let account = readings::tidal_settings(settings, &place)?;
    let policy_of = policy;
    let policy = policy_of.as_ref().map(|policy| &policy.tidal);
    let wish = Wish {
        favorites: args.favorites || policy.is_some_and(|policy| policy.favorites),
        country: policy.and_then(|policy| policy.country.clone()),
    };
    // Where nobody is logged in nothing is left behind.
    let mut service = readings::service(None, &account, wish, ui).await?;
    let opened = match server::address(settings, policy_of.as_ref()) {
        Some(url) => server::open(settings, &place.db, &url, None).await,
        None => readings::open_store(settings, &place.db)
            .await
            .map_err(CliError::from),
    };
    let mut store = match opened {
        Ok(store) => Some(store),
        Err(error) => {
            ui.warning(format!("the reading cannot be kept: {error}"));
            None
        }
    };
    if let Some(store) = &store {
        readings::remember(&mut service, store, &account).await;
    }
    let observed = service.read().await;
    ui.end_progress();
    let observed = observed?;
    if let Some(store) = &mut store {
        readings::keep(store, &observed.value, ui).await;
    }
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
