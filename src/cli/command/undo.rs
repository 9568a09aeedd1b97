//! `undo`: a plan like any other, made from the journal.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{
    apply,
    cli::{
        args::{Consent, RedoArgs, UndoArgs},
        consent::Occasion,
        engine::Engine,
        error::{CliError, Exit},
        interrupt::Interrupt,
        settings::Settings,
        ui::Ui,
        view::text::count,
    },
    domain::{ActionId, ApplyId},
    edge::store::{ApplyRow, ApplyStatus, RunLock, StateReader as _, StoreError},
    plan::{
        Plan, canonical,
        document::{Base, PlanMeta},
    },
    record::undo::undo_part,
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
            engine.refuse_elsewhere(row.id, "take back").await?;
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
    take_back(
        engine,
        ui,
        interrupt,
        &args.consent,
        (row, &args.actions),
        locks,
    )
    .await
}

/// `redo`: the undo of an undo.
///
/// # Errors
/// When nothing was undone, or a world cannot be read.
pub async fn redo(
    settings: &Settings,
    ui: &Ui,
    interrupt: &Interrupt,
    args: &RedoArgs,
) -> Result<Exit, CliError> {
    let mut engine = Engine::open(settings, ui).await?;
    engine.require_canary().await?;
    let locks = lock(&mut engine, &args.consent).await?;
    engine.refuse_unfinished().await?;
    let applies = engine.store.applies().await?;
    let wanted = |row: &&ApplyRow| {
        let named = args.apply.map(ApplyId);
        named.is_none_or(|id| row.id == id || row.undoes == Some(id))
    };
    let mut undos = applies
        .iter()
        .filter(|row| row.mode == "undo" && row.status != ApplyStatus::Undone);
    // The undo of an undo has brought something back: to do that again means nothing.
    let undoes_undo = |row: &&ApplyRow| {
        let of = |id| applies.iter().find(|other| other.id == id);
        row.undoes
            .and_then(of)
            .is_none_or(|undone| undone.mode != "undo")
    };
    let found = undos.find(|row| wanted(row) && (args.apply == Some(row.id.0) || undoes_undo(row)));
    let Some(row) = found.map(|row| row.id) else {
        return Err(CliError::user("there is nothing to redo")
            .hint("`tidal-cleanup history` lists what was done and undone"));
    };
    take_back(engine, ui, interrupt, &args.consent, (row, &[]), locks).await
}

async fn take_back(
    engine: Engine,
    ui: &Ui,
    interrupt: &Interrupt,
    consent: &Consent,
    (row, only): (ApplyId, &[String]),
    locks: RunLock,
) -> Result<Exit, CliError> {
    engine.refuse_elsewhere(row, "take back").await?;
    let (plan, named) = plan_of(&engine, row, only).await?;
    show(ui, &engine, &plan)?;
    if plan.body.actions.is_empty() {
        ui.status("Nothing to undo.");
        return Ok(Exit::Done);
    }
    if !named.is_empty() {
        tell_closure(ui, &plan, &named);
    }
    run(
        engine,
        ui,
        interrupt,
        consent,
        plan,
        Occasion::Approved,
        locks,
    )
    .await
}

/// Names what goes with the actions that were asked for.
fn tell_closure(ui: &Ui, plan: &Plan, named: &BTreeSet<ActionId>) {
    let mut with = BTreeMap::new();
    for action in &plan.body.actions {
        if let Some(reversal) = apply::reversed_by(action)
            && !named.contains(&reversal.action)
        {
            with.insert(reversal.action, &action.subject.label);
        }
    }
    if with.is_empty() {
        return;
    }
    ui.status(format!(
        "{} along, because {} on what you named:",
        count(with.len(), "action comes", "actions come"),
        if with.len() == 1 {
            "it hangs"
        } else {
            "they hang"
        },
    ));
    for (id, label) in with {
        ui.status(format!("  {id}  {label}"));
    }
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

/// The plan, and the actions of the run that were named.
async fn plan_of(
    engine: &Engine,
    id: ApplyId,
    only: &[String],
) -> Result<(Plan, BTreeSet<ActionId>), CliError> {
    let applies = engine.store.applies().await?;
    let Some(row) = applies.iter().find(|row| row.id == id) else {
        return Err(StoreError::NoSuchApply(id).into());
    };
    let operations = engine.store.operations(id).await?;
    let mut named = BTreeSet::new();
    for prefix in only {
        let found: BTreeSet<&ActionId> = operations
            .iter()
            .map(|operation| &operation.action_id)
            .filter(|action| !prefix.is_empty() && action.as_str().starts_with(prefix.as_str()))
            .collect();
        let one = found.first().filter(|_| found.len() == 1);
        let one = one.ok_or_else(|| {
            CliError::user(format!(
                "`--action {prefix}` names {} actions of apply {id}",
                found.len()
            ))
            .hint(format!("`tidal-cleanup history {id} -v` shows their ids"))
        })?;
        named.insert((*one).clone());
    }
    let facts = apply::undo_facts(
        id,
        &engine.library,
        engine.rekordbox.as_ref(),
        &engine.store,
    )
    .await?;
    let applied = apply::recorded_plan(id, &engine.store).await?;
    let meta = engine.store.meta().await?;
    let base = Base {
        library_id: meta.library_id,
        lineage: meta.lineage,
        serial: meta.serial,
        schema_version: meta.schema_version,
    };
    let part = (!named.is_empty()).then_some(&named);
    let body = undo_part(row, &applied, &operations, &facts, base, part);
    let meta = PlanMeta {
        generated_at: Some(Timestamp::now()),
        ..PlanMeta::default()
    };
    Ok((canonical::seal(body, meta), named))
}
