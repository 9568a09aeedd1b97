//! `snapshot`: what is read, as it was read.

use crate::{
    cli::{
        args::{PlanInputs, SnapshotArgs, World},
        engine::{Engine, Request, TidalSource, load_policy},
        error::{CliError, Exit, Kind},
        observed::Portable,
        plan::write_document,
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
        tidal::{TidalApi as _, TidalMemory, snapshot},
    },
};

/// `snapshot`
///
/// # Errors
/// When the world cannot be read, or was not read to its end.
pub async fn snapshot(settings: &Settings, ui: &Ui, args: &SnapshotArgs) -> Result<Exit, CliError> {
    if args.world != World::Observed && (args.hashes || args.redact) {
        return Err(CliError::message(
            Kind::Usage,
            "`--hashes` and `--redact` are for `snapshot observed`",
        ));
    }
    match args.world {
        World::Tidal => tidal(settings, ui, args).await,
        World::Observed => observed(settings, ui, args).await,
        World::Local => {
            let mut engine = Engine::look_at(settings, ui).await?;
            let library = engine.library.scan()?;
            let view = LocalSnapshot::from(&library);
            let json = pretty(&Envelope::new("local-snapshot", &view))?;
            put(settings, ui, args, &view.to_string(), &json)?;
            Ok(ended(&library))
        }
        World::Rekordbox => {
            let engine = Engine::look_at(settings, ui).await?;
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

/// Files, Rekordbox and state, as a plan needs them.
async fn observed(settings: &Settings, ui: &Ui, args: &SnapshotArgs) -> Result<Exit, CliError> {
    let mut engine = Engine::open(settings, ui).await?;
    engine.require_canary().await?;
    // What a plan needs hashes of is learnt by making one, from what is known of TIDAL.
    let inputs = engine.at_hand(&PlanInputs::default()).await?;
    let tidal = match engine.known_reading().await? {
        Some(_) => engine.tidal(&inputs, ui).await?,
        None => TidalSource::Last(TidalMemory::default()),
    };
    let observation = engine.look(&tidal, ui).await?;
    let request = Request {
        inputs: inputs.clone(),
        ..Request::default()
    };
    let mut observation = engine
        .plan_from(&request, observation, ui)
        .await?
        .observation;
    if args.hashes {
        engine.learn_all(&mut observation, ui)?;
    }
    let evidence = engine.evidence(&inputs).await?;
    let complete = observation.library.is_complete()
        && observation
            .rekordbox
            .as_ref()
            .is_none_or(Observed::is_complete);
    let portable = Portable::of(
        &observation,
        &evidence,
        engine.applied_policy(),
        settings.home(),
    );
    let said = format!(
        "{}, {}, without absolute paths and secrets",
        text::count(portable.library.value.files.len(), "file", "files"),
        match &portable.rekordbox {
            Some(read) => text::count(
                read.value.contents.len(),
                "track in Rekordbox",
                "tracks in Rekordbox"
            ),
            None => "no Rekordbox".to_owned(),
        },
    );
    let json = match args.redact {
        true => portable.to_redacted_json(),
        false => portable.to_json(),
    };
    put(settings, ui, args, &said, &json)?;
    Ok(if complete { Exit::Done } else { Exit::Error })
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
        Some(url) => server::open(settings, &place.db, &url, server::Whose::Marked(None)).await,
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
            write_document(&settings.around.absolute(out), json)?;
            ui.status(format!("{said}\nSaved {}.", out.display()));
            Ok(())
        }
    }
}
