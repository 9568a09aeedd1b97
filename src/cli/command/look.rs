//! `status` and `history`: what is and what was.

use crate::{
    cli::{
        approvals,
        args::{HistoryArgs, PlanInputs, Rendering},
        engine::{Engine, Request},
        error::{CliError, Exit},
        pending::note,
        settings::Settings,
        ui::Ui,
        view::{
            Envelope,
            db::sync,
            history::{Chapter, Chapters, History},
            status::{Status, Tracked, Trash},
        },
    },
    domain::ApplyId,
    edge::{
        local::LocalReader as _,
        store::{
            ApplyRow, ApplyStatus, OperationRow, StateReader as _, StoreError, freeze::HandFreeze,
        },
    },
    plan::{document::Body, guard},
};

use super::freeze::in_words;

/// `status`
///
/// # Errors
/// When the state database cannot be read.
pub async fn status(settings: &Settings, ui: &Ui) -> Result<Exit, CliError> {
    let mut engine = Engine::look_at(settings, ui).await?;
    engine.tell_unfinished(ui).await?;
    let state = engine.store.state().await?;
    let applies = engine.store.applies().await?;
    let trashed = super::trash::lying(&engine.policy).unwrap_or_default();
    let read_at = engine
        .store
        .last_snapshot("tidal")
        .await?
        .map(|snapshot| snapshot.at);
    let library_id = engine.library.canary()?.map(|id| id.to_string());
    let library_lost = library_id.is_none() && state.meta.library_id.is_some();
    let (made, problem) = match library_id {
        Some(_) => pending(&mut engine, ui).await,
        None if library_lost => (None, Some(engine.lost_library(true).to_string())),
        None => (None, None),
    };
    let since = made
        .as_ref()
        .map(|body| note(&engine.db, body, jiff::Timestamp::now()));
    let since = since.unwrap_or_default();
    let changes = made.as_ref().map(sync::lines).unwrap_or_default();
    let pending = made.map(|body| body.summary);
    let unfinished =
        |row: &&ApplyRow| matches!(row.status, ApplyStatus::Running | ApplyStatus::Partial);
    let unfinished_since = applies.first().filter(unfinished).map(|row| row.started_at);
    let tidal_file = engine.policy.tidal.snapshot.as_ref();
    let approved = approvals::open(
        engine.store.approvals().await?,
        &applies,
        engine.policy.required_approvals,
    );
    let status = Status {
        approved,
        policy: engine.policy.source.path.display().to_string(),
        library: engine.policy.library.root.display().to_string(),
        library_id,
        library_lost,
        database: engine.state_shown(),
        tracked: Tracked::of(&state),
        last_apply: applies.into_iter().next(),
        running: engine.holder().await?,
        tidal_file: tidal_file.map(|path| path.display().to_string()),
        tidal_read_at: read_at,
        trash: Trash {
            files: trashed.len(),
            bytes: trashed.iter().map(|file| file.size).sum(),
        },
        frozen: frozen(&engine, ui),
        changes,
        pending,
        pending_since: since.pending,
        held_since: since.held,
        unfinished_since,
        problem,
        next: Vec::new(),
    }
    .advised();
    ui.answer_either(status.view(ui.look()), &Envelope::new("status", &status))?;
    Ok(Exit::Done)
}

/// The freeze that is on: the one set by hand, else the policy's.
fn frozen(engine: &Engine, ui: &Ui) -> Option<String> {
    let now = jiff::Zoned::now();
    match HandFreeze::read(&engine.db) {
        Err(error) => return Some(format!("it cannot be read whether by hand: {error}")),
        Ok(Some(freeze)) if freeze.is_on(now.timestamp()) => {
            return Some(format!(
                "{}; `tidal-cleanup freeze --off` ends it",
                in_words(ui, &freeze)
            ));
        }
        Ok(_) => {}
    }
    let freeze = guard::freeze_active(&engine.policy, &now)?;
    Some(format!(
        "by “{}” of the policy ({})",
        freeze.name, freeze.at
    ))
}

/// What a plan from what is at hand would do, or why that cannot be told; neither when there is
/// nothing to plan from. TIDAL is not asked: `status` is quick and works without a network.
async fn pending(engine: &mut Engine, ui: &Ui) -> (Option<Body>, Option<String>) {
    let offline = engine.policy.tidal.snapshot.is_none();
    if offline && matches!(engine.last_reading().await, Ok(None)) {
        return (None, None);
    }
    let inputs = PlanInputs {
        offline,
        ..PlanInputs::default()
    };
    let request = Request {
        inputs,
        brief: true,
        ..Request::default()
    };
    match engine.plan_alone(&request, ui).await {
        Ok(plan) => (Some(plan.body), None),
        Err(error) => (None, Some(error.to_string())),
    }
}

/// `history`
///
/// # Errors
/// When the state database cannot be read, or there is no such apply or playlist.
pub async fn history(settings: &Settings, ui: &Ui, args: &HistoryArgs) -> Result<Exit, CliError> {
    let engine = Engine::look_at(settings, ui).await?;
    engine.tell_unfinished(ui).await?;
    let mut applies = engine.store.applies().await?;
    if let Some(number) = args.apply {
        applies.retain(|row| row.id == ApplyId(number));
        if applies.is_empty() {
            return Err(StoreError::NoSuchApply(ApplyId(number)).into());
        }
        if args.plan {
            return applied(&engine, ui, ApplyId(number)).await;
        }
    }
    if args.apply.is_none() && args.playlist.is_none() && args.track.is_none() {
        applies.truncate(args.limit);
        let history = History { applies };
        ui.answer_either(history.view(ui.look()), &Envelope::new("history", &history))?;
        return Ok(Exit::Done);
    }
    let state = engine.store.state().await?;
    let known = state
        .playlists
        .values()
        .map(|row| (&row.id, row.name.as_str()));
    let playlist = args
        .playlist
        .as_ref()
        .map(|wanted| wanted.find(known))
        .transpose()?;
    let track = args.track.as_ref().map(|track| track.to_lowercase());
    let keep = |row: &OperationRow| {
        playlist.is_none_or(|id| row.playlist.as_deref() == Some(id.as_str()))
            && track.as_ref().is_none_or(|track| {
                row.track.as_ref() == Some(track) || row.label.to_lowercase().contains(track)
            })
    };
    let mut chapters = Vec::new();
    for apply in applies {
        let operations = engine.store.operations(apply.id).await?;
        let mut chapter = Chapter::new(apply, &operations, keep);
        // A plan that this version cannot read tells nothing; its rows still do.
        if let Ok(plan) = crate::apply::recorded_plan(chapter.apply.id, &engine.store).await {
            chapter.learn(&plan);
        }
        if args.apply.is_some() || !chapter.operations.is_empty() {
            chapters.push(chapter);
        }
        if chapters.len() == args.limit {
            break;
        }
    }
    let chapters = Chapters { applies: chapters };
    ui.answer_either(
        chapters.view(ui.look()),
        &Envelope::new("history", &chapters),
    )?;
    Ok(Exit::Done)
}

/// The plan of an apply, from the journal: its file need not be there any more.
async fn applied(engine: &Engine, ui: &Ui, id: ApplyId) -> Result<Exit, CliError> {
    let plan = crate::apply::recorded_plan(id, &engine.store).await?;
    let json = crate::plan::canonical::to_json(&plan);
    let beside = crate::cli::plan::Beside::default();
    crate::cli::plan::present(ui, &plan, &json, &Rendering::default(), &beside)?;
    Ok(Exit::Done)
}
