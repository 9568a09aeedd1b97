//! `undo`: a plan like any other, made from the journal.

use jiff::Timestamp;

use crate::{
    apply,
    cli::{
        args::UndoArgs,
        consent::Occasion,
        engine::Engine,
        error::{CliError, Exit},
        interrupt::Interrupt,
        settings::Settings,
        ui::Ui,
    },
    domain::ApplyId,
    edge::store::{ApplyRow, StateReader as _, StoreError},
    plan::{
        Plan, canonical,
        document::{Base, PlanMeta},
    },
    record::undo::undo_plan,
};

use super::apply::{close_unfinished, lock, run, show};

/// `undo`
///
/// # Errors
/// When there is nothing to undo, or a world cannot be read.
pub async fn undo(
    settings: &Settings,
    ui: &Ui,
    interrupt: &Interrupt,
    args: &UndoArgs,
) -> Result<Exit, CliError> {
    let mut engine = Engine::open(settings, ui).await?;
    engine.require_canary().await?;
    let locks = lock(&mut engine, &args.consent).await?;
    let (engine, row) = match engine.store.unfinished().await? {
        Some(row) => {
            refuse_other(args, &row)?;
            ui.status(format!(
                "Apply {} was interrupted; looking at what it did …",
                row.id
            ));
            let engine = close_unfinished(engine, interrupt, row.id).await?;
            (engine, row.id)
        }
        None => {
            let id = chosen(&engine, args).await?;
            (engine, id)
        }
    };
    let plan = plan_of(&engine, row).await?;
    show(ui, &engine, &plan)?;
    if plan.body.actions.is_empty() {
        ui.status("Nothing to undo.");
        return Ok(Exit::Done);
    }
    run(
        engine,
        ui,
        interrupt,
        &args.consent,
        plan,
        Occasion::Approved,
        locks,
    )
    .await
}

/// While a run is unfinished it is the only one that can be undone.
fn refuse_other(args: &UndoArgs, unfinished: &ApplyRow) -> Result<(), CliError> {
    match args.apply {
        Some(number) if ApplyId(number) != unfinished.id => {
            Err(StoreError::Unfinished(unfinished.id).into())
        }
        Some(_) | None => Ok(()),
    }
}

/// The run that is meant: the named one, else the last that is in effect.
async fn chosen(engine: &Engine, args: &UndoArgs) -> Result<ApplyId, CliError> {
    let applies = engine.store.applies().await?;
    match args.apply {
        Some(number) => {
            let id = ApplyId(number);
            let known = applies.iter().any(|row| row.id == id);
            known
                .then_some(id)
                .ok_or_else(|| StoreError::NoSuchApply(id).into())
        }
        None => apply::last_apply(&applies)
            .map(|row| row.id)
            .ok_or_else(|| {
                CliError::user("there is nothing to undo")
                    .hint("`tidal-cleanup history` lists what was done")
            }),
    }
}

async fn plan_of(engine: &Engine, id: ApplyId) -> Result<Plan, CliError> {
    let applies = engine.store.applies().await?;
    let Some(row) = applies.iter().find(|row| row.id == id) else {
        return Err(StoreError::NoSuchApply(id).into());
    };
    let facts = apply::undo_facts(
        id,
        &engine.library,
        engine.rekordbox.as_ref(),
        &engine.store,
    )
    .await?;
    let applied = apply::recorded_plan(id, &engine.store).await?;
    let operations = engine.store.operations(id).await?;
    let meta = engine.store.meta().await?;
    let base = Base {
        library_id: meta.library_id,
        lineage: meta.lineage,
        serial: meta.serial,
        schema_version: meta.schema_version,
    };
    let body = undo_plan(row, &applied, &operations, &facts, base);
    let meta = PlanMeta {
        generated_at: Some(Timestamp::now()),
        ..PlanMeta::default()
    };
    Ok(canonical::seal(body, meta))
}
