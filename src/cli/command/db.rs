//! `db …`: the state database, and the three daily workflows.

use std::time::Instant;

use jiff::Timestamp;

use crate::{
    cli::{
        args::{Consent, DbCommand, MovedFrom, PlanInputs},
        consent::Occasion,
        engine::{Engine, Made, Request},
        error::{CliError, Exit},
        interrupt::Interrupt,
        select::PlaylistSelector,
        settings::Settings,
        ui::Ui,
        view::{
            Envelope,
            db::{
                database::DbStatus,
                inspect::{Inspect, RECENT},
                reconcile::{Choice, MENU, Reconcile},
                sync::SyncStatus,
            },
        },
    },
    edge::{
        local::LocalReader as _,
        store::{StateReader as _, sqlite::BackupKind},
    },
    plan::document::Mode,
};

use super::{
    apply::{lock, run, show},
    db_transfer,
    init::plant,
};

/// `db …`
///
/// # Errors
/// When a world cannot be read, or a plan is refused.
pub async fn db(
    settings: &Settings,
    ui: &Ui,
    interrupt: &Interrupt,
    command: &DbCommand,
) -> Result<Exit, CliError> {
    // The state may be past opening.
    if let DbCommand::Restore(args) = command {
        return super::db_restore::restore(settings, ui, args).await;
    }
    let mut engine = match command {
        DbCommand::Status
        | DbCommand::Export { .. }
        | DbCommand::Check { .. }
        | DbCommand::Inspect { .. }
        | DbCommand::Sync { check: true, .. } => Engine::look_at(settings, ui).await?,
        DbCommand::Init { .. }
        | DbCommand::Import { .. }
        | DbCommand::Backup
        | DbCommand::Restore(_)
        | DbCommand::Sync { check: false, .. }
        | DbCommand::Reconcile => Engine::open(settings, ui).await?,
    };
    match command {
        DbCommand::Restore(args) => super::db_restore::restore(settings, ui, args).await,
        DbCommand::Init { from: None } => plant(&mut engine, ui).await,
        DbCommand::Init {
            from: Some(MovedFrom::Sqlite),
        } => db_transfer::init_from_sqlite(engine, ui).await,
        DbCommand::Export { file } => db_transfer::export(&engine, ui, file).await,
        DbCommand::Import { file, lock_timeout } => {
            db_transfer::import(engine, ui, file, *lock_timeout).await
        }
        DbCommand::Status => status(&engine, ui).await,
        DbCommand::Check { hashes } => super::db_check::check(&mut engine, ui, *hashes).await,
        DbCommand::Backup => backup(&engine, ui).await,
        DbCommand::Sync {
            check,
            inputs,
            consent,
        } => sync(engine, ui, interrupt, *check, inputs, consent).await,
        DbCommand::Reconcile => reconcile(engine, ui, interrupt).await,
        DbCommand::Inspect { playlist } => inspect(&engine, ui, playlist).await,
    }
}

async fn status(engine: &Engine, ui: &Ui) -> Result<Exit, CliError> {
    engine.tell_unfinished(ui).await?;
    let state = engine.store.state().await?;
    let applies = engine.store.applies().await?;
    let is_file = engine.store.server().is_none();
    let bytes = is_file.then(|| std::fs::metadata(&engine.db).map_or(0, |facts| facts.len()));
    let backups = backups(engine);
    let path = engine.state_shown();
    let folder = engine.settings.backups(&engine.db).display().to_string();
    let status = DbStatus::of(path, bytes, &state, &applies, (folder, &backups));
    ui.answer_either(status.view(ui.look()), &Envelope::new("db-status", &status))?;
    Ok(Exit::Done)
}

/// Names of the state's backups, oldest first: their names begin with the time.
fn backups(engine: &Engine) -> Vec<String> {
    let folder = engine.settings.backups(&engine.db);
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".db"))
        .collect();
    names.sort();
    names
}

async fn backup(engine: &Engine, ui: &Ui) -> Result<Exit, CliError> {
    let path = engine
        .store
        .backup(BackupKind::Manual, Timestamp::now())
        .await?
        .ok_or_else(|| {
            CliError::user("the state is on a server, which makes its own backups")
                .hint("`pg_dump` saves a copy of the database, and `pg_restore` brings it back")
        })?;
    let answer = serde_json::json!({ "path": path });
    ui.answer_either(
        format!("Saved and verified {}", path.display()),
        &Envelope::new("db-backup", answer),
    )?;
    Ok(Exit::Done)
}

/// The first workflow. It is a plan, told by playlist; without `--check` it is applied as one.
async fn sync(
    mut engine: Engine,
    ui: &Ui,
    interrupt: &Interrupt,
    check_only: bool,
    inputs: &PlanInputs,
    consent: &Consent,
) -> Result<Exit, CliError> {
    let locks = match check_only {
        true => None,
        false => Some(lock(&mut engine, consent).await?),
    };
    match check_only {
        true => engine.tell_unfinished(ui).await?,
        false => engine.refuse_unfinished().await?,
    }
    let request = Request {
        inputs: inputs.clone(),
        ..Request::default()
    };
    let Made { plan, observation } = engine.plan(&request, ui).await?;
    let status = SyncStatus::of(&plan, &observation.state);
    match locks.filter(|_| !plan.body.actions.is_empty()) {
        None => {
            ui.answer_either(
                status.view(ui.look()),
                &Envelope::new("sync-status", &status),
            )?;
            Ok(crate::cli::plan::exit(&plan, check_only))
        }
        Some(locks) => {
            show(ui, &engine, &plan)?;
            run(
                engine,
                ui,
                interrupt,
                consent,
                plan,
                Occasion::FreshPlan,
                locks,
            )
            .await
        }
    }
}

/// The second workflow.
async fn reconcile(mut engine: Engine, ui: &Ui, interrupt: &Interrupt) -> Result<Exit, CliError> {
    engine.require_canary().await?;
    engine.tell_unfinished(ui).await?;
    let begun = Instant::now();
    let state = engine.store.state().await?;
    let library = engine.library.scan()?;
    let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let found = Reconcile::of(&state, &library.value, took);
    ui.answer_either(found.view(ui.look()), &Envelope::new("reconcile", &found))?;
    if ui.is_json() || !ui.can_ask() || (found.missing.is_empty() && found.orphaned.is_empty()) {
        return Ok(Exit::Done);
    }
    ui.answer(MENU)?;
    let answer = ui.ask("Which? 1, 2, 3, or Enter to leave")?;
    let mode = match answer.as_deref().and_then(Choice::parse) {
        Some(Choice::Download) => Mode::Download,
        Some(Choice::Trash) => Mode::Normal,
        Some(Choice::Report) => {
            let look = crate::cli::view::Look {
                verbose: true,
                ..ui.look().clone()
            };
            ui.answer(found.view(&look))?;
            return Ok(Exit::Done);
        }
        None => return Ok(Exit::Done),
    };
    let consent = Consent {
        lock_timeout: std::time::Duration::from_secs(30),
        ..Consent::default()
    };
    let locks = lock(&mut engine, &consent).await?;
    engine.refuse_unfinished().await?;
    let request = Request {
        mode: Some(mode),
        ..Request::default()
    };
    let made = engine.plan(&request, ui).await?;
    show(ui, &engine, &made.plan)?;
    if made.plan.body.actions.is_empty() {
        return Ok(Exit::Done);
    }
    run(
        engine,
        ui,
        interrupt,
        &consent,
        made.plan,
        Occasion::FreshPlan,
        locks,
    )
    .await
}

/// The third workflow.
async fn inspect(engine: &Engine, ui: &Ui, playlist: &PlaylistSelector) -> Result<Exit, CliError> {
    engine.tell_unfinished(ui).await?;
    let state = engine.store.state().await?;
    let known = state
        .playlists
        .values()
        .map(|row| (&row.id, row.name.as_str()));
    let id = playlist.find(known)?.clone();
    let reading = engine.known_reading().await?;
    let changes = engine.store.recent_changes(&id, RECENT).await?;
    let Some(found) = Inspect::of(&id, &state, reading.as_ref(), &changes) else {
        return Err(CliError::user(format!(
            "there is no playlist {}",
            playlist.as_str()
        )));
    };
    ui.answer_either(found.view(ui.look()), &Envelope::new("inspect", &found))?;
    Ok(Exit::Done)
}
