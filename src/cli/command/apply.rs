//! `apply`, `apply --resume` and `download`: one way from a plan to its effects.

mod may;

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    apply::{self, Worlds},
    cli::{
        args::{ApplyArgs, Approval, Consent, DownloadArgs, PlanInputs, Rendering},
        choice::{Wish, narrow},
        commit::commit_of,
        consent::{Occasion, Weight, agree},
        downloads::Downloads,
        engine::{Engine, Request},
        error::{CliError, Exit, Kind, unfinished_hints},
        interrupt::Interrupt,
        plan::{Beside, present},
        settings::Settings,
        telling::Telling,
        ui::Ui,
        view::{
            Envelope,
            apply::ApplyReport,
            plan::{is_empty, short_digest, summary},
            text::count,
        },
    },
    domain::ApplyId,
    edge::{
        download::{Step, command::CommandDownloader},
        local::folder::LibraryFolder,
        rekordbox::masterdb::MasterDb,
        store::{
            ApplyStatus, OperationRow, OperationStatus, StateReader as _, Store,
            lock::{RunLock, holder_of},
            sqlite::BackupKind,
        },
        tidal::TidalWriter,
    },
    plan::{
        Plan, canonical,
        document::{CheckStatus, Mode},
    },
    record::XML_KIND,
};

pub(super) use may::left_in;
use may::{agreed, refuse_moment, refuse_unapproved, refuse_undecided, tell_left_out};

use super::{
    plan::{read_plan, undo_until, verify_plan},
    replan::replan,
};

/// The worlds of a real run.
pub type RealWorlds = Worlds<LibraryFolder, MasterDb, CommandDownloader, Store>;

/// `apply`
///
/// # Errors
/// When the plan is stale, refused, declined, or a world fails before anything is written.
pub async fn apply(
    settings: &Settings,
    ui: &Ui,
    interrupt: &Interrupt,
    args: &ApplyArgs,
) -> Result<Exit, CliError> {
    let mut engine = Engine::open(settings, ui).await?;
    engine.require_canary().await?;
    if args.resume {
        return resume(engine, ui, interrupt, &args.consent).await;
    }
    let locks = lock(&mut engine, &args.consent).await?;
    engine.refuse_unfinished().await?;
    let (mut plan, mut occasion) = match &args.plan {
        Some(path) => (
            read_plan(&settings.around.absolute(path))?,
            Occasion::SavedPlan,
        ),
        None => {
            let request = Request {
                inputs: args.inputs.clone(),
                overrides: args.consent.overrides.clone(),
                ..Request::default()
            };
            let plan = engine.plan_alone(&request, ui).await?;
            show(ui, &engine, &plan)?;
            (plan, Occasion::FreshPlan)
        }
    };
    let was_approved = canonical::is_approved(&plan);
    let known_as = vec![canonical::approval(&plan)];
    if !was_approved
        && plan
            .review
            .as_ref()
            .is_some_and(|review| review.approved.is_some())
    {
        ui.warning("the approval in this plan is void: its review was edited afterwards");
    }
    // A plan made here is of these playlists already.
    let playlists = match occasion {
        Occasion::SavedPlan => args.inputs.playlists.as_slice(),
        Occasion::FreshPlan
        | Occasion::Download
        | Occasion::Purge
        | Occasion::Approved
        | Occasion::Agreed => &[],
    };
    let wish = Wish {
        playlists,
        only: &args.only,
        exclude: &args.exclude,
    };
    narrow(&mut plan, &wish)?;
    if is_empty(&plan.body) || left_in(&plan)?.is_empty() {
        // To have nothing to do is an apply, too, for what must wait one.
        if plan.body.inputs.policy.sha256 == engine.policy.source.sha256 {
            Engine::keep_policy(&engine.policy, &engine.db);
        }
        after_apply(engine.policy.clone(), settings, ui).await;
        return nothing(ui, "Nothing to apply.");
    }
    if occasion == Occasion::SavedPlan {
        match verify_plan(&engine, ui, &plan).await {
            Err(stale) if args.replan && stale.kind == Kind::Stale => {
                let new = replan(&mut engine, ui, args, &plan, stale).await?;
                if new.body.actions.is_empty() && args.consent.approve.is_none() {
                    return nothing(ui, "Nothing to apply: nothing of the plan is left to do.");
                }
                // Approved was the saved plan, of which this is a part.
                agree(
                    ui,
                    &args.consent,
                    occasion,
                    &plan.digest,
                    Weight::of(left_in(&new)?),
                )?;
                if new.body.actions.is_empty() {
                    return nothing(ui, "Nothing to apply: nothing of the plan is left to do.");
                }
                (plan, occasion) = (new, Occasion::Agreed);
            }
            verified => verified?,
        }
        if args.inputs.require_decisions {
            refuse_undecided(&plan, &args.consent)?;
        }
    }
    if occasion == Occasion::SavedPlan && ui.can_ask() {
        // It may be days since it was read.
        ui.status(format!(
            "The plan: {}. Digest {}.",
            summary(&plan.body.summary).join(", "),
            short_digest(&plan.digest)
        ));
    }
    tell_left_out(ui, &plan)?;
    // Less than what was approved is approved.
    let consent = match was_approved {
        true => Consent {
            approve: Approval::of(&canonical::approval(&plan)),
            known_as,
            ..args.consent.clone()
        },
        false => Consent {
            known_as,
            ..args.consent.clone()
        },
    };
    run(engine, ui, interrupt, &consent, plan, occasion, locks).await
}

/// `download`: a plan of fetches, shown, agreed to and applied.
///
/// # Errors
/// As [`apply()`].
pub async fn download(
    settings: &Settings,
    ui: &Ui,
    interrupt: &Interrupt,
    args: &DownloadArgs,
) -> Result<Exit, CliError> {
    let mut engine = Engine::open(settings, ui).await?;
    let locks = lock(&mut engine, &args.consent).await?;
    engine.refuse_unfinished().await?;
    let inputs = PlanInputs {
        playlists: args.playlists.clone(),
        ..PlanInputs::default()
    };
    let request = Request {
        inputs,
        mode: Some(Mode::Download),
        ..Request::default()
    };
    let made = engine.plan(&request, ui).await?;
    show(ui, &engine, &made.plan)?;
    if made.plan.body.actions.is_empty() {
        return nothing(ui, "Nothing to download.");
    }
    run(
        engine,
        ui,
        interrupt,
        &args.consent,
        made.plan,
        Occasion::Download,
        locks,
    )
    .await
}

/// Ends a run that did not have to begin; a program that reads the answer is told so, too.
pub fn nothing(ui: &Ui, text: &str) -> Result<Exit, CliError> {
    if ui.is_json() {
        ui.event(&serde_json::json!({ "event": "nothing", "text": text }));
    } else {
        ui.status(text);
    }
    Ok(Exit::Done)
}

/// Shows a plan that was made to be applied at once.
pub fn show(ui: &Ui, engine: &Engine, plan: &Plan) -> Result<(), CliError> {
    if ui.is_json() {
        return Ok(());
    }
    let beside = Beside {
        undo_until: undo_until(&engine.policy, plan),
        ..Beside::default()
    };
    present(
        ui,
        plan,
        &canonical::to_json(plan),
        &Rendering::default(),
        &beside,
    )
}

/// Asks, backs up, carries out, reports. The locks are held until the end.
pub async fn run(
    mut engine: Engine,
    ui: &Ui,
    interrupt: &Interrupt,
    consent: &Consent,
    plan: Plan,
    occasion: Occasion,
    locks: RunLock,
) -> Result<Exit, CliError> {
    let mut plan = plan;
    if let Some(check) = plan
        .body
        .checks
        .iter()
        .find(|c| c.status == CheckStatus::Refuse)
    {
        let error = CliError::refused(&check.code, &check.text);
        return Err(match occasion {
            Occasion::SavedPlan => error.hint("an override belongs to the plan: `tidal-cleanup plan` takes it, and makes a new one"),
            Occasion::FreshPlan
            | Occasion::Download
            | Occasion::Purge
            | Occasion::Approved
            | Occasion::Agreed => error,
        });
    }
    refuse_moment(&engine, &mut plan, consent)?;
    // An undo reverses what was approved.
    if occasion != Occasion::Approved {
        refuse_unapproved(&engine, ui, &plan, consent, occasion).await?;
    }
    let weight = Weight::of(left_in(&plan)?);
    let tidal = lend_tidal(&engine, &plan)?;
    agree(ui, consent, occasion, &agreed(&plan, consent), weight)?;
    refuse_moment(&engine, &mut plan, consent)?;
    engine.back_up().await?;
    plan.meta.policy_commit = commit_of(&engine.policy.source.path);
    let settings = settings_of(&engine, interrupt, consent.deadline);
    let (policy, own) = (engine.policy.clone(), engine.settings.clone());
    let mut worlds = worlds(engine, tidal, Downloads::of(ui.voice(), Some(&plan)));
    let working = interrupt.working();
    let mut telling = Telling::begin(ui, "Applying", left_in(&plan)?.len());
    let outcome = apply::apply(
        &plan,
        plan.review.as_ref(),
        &mut worlds.0,
        &settings,
        &Timestamp::now,
        &mut |progress| telling.take(progress),
    )
    .await;
    drop(telling);
    drop(working);
    // The trash is no business of the policy's protections.
    let of_trash = matches!(plan.body.mode, Mode::Purge | Mode::Restore);
    if outcome.is_ok() && !of_trash && plan.body.inputs.policy.sha256 == policy.source.sha256 {
        Engine::keep_policy(&policy, &worlds.1);
    }
    let is_ours = !matches!(outcome, Err(apply::ApplyError::Fenced));
    let exit = conclude(ui, &mut worlds, outcome).await;
    if is_ours {
        after_apply(policy, &own, ui).await;
    }
    // The log is folded in while the locks are held, so that whoever comes next finds one file.
    worlds.0.store.close().await;
    drop(locks);
    exit
}

async fn resume(
    mut engine: Engine,
    ui: &Ui,
    interrupt: &Interrupt,
    consent: &Consent,
) -> Result<Exit, CliError> {
    let locks = lock(&mut engine, consent).await?;
    let Some(unfinished) = engine.resumable().await? else {
        return nothing(ui, "Nothing to resume: no apply is unfinished.");
    };
    engine.refuse_elsewhere(unfinished.id, "resume").await?;
    let operations = engine.store.operations(unfinished.id).await?;
    let is_left =
        |row: &&OperationRow| row.status != OperationStatus::Completed && row.kind != XML_KIND;
    let left = operations.iter().filter(is_left).count();
    ui.status(format!(
        "Apply {} is unfinished: {} left.",
        unfinished.id,
        count(left, "action", "actions")
    ));
    agree(
        ui,
        consent,
        Occasion::Approved,
        &unfinished.digest,
        Weight::Additive,
    )?;
    let tidal = lend_tidal_again(&engine, unfinished.id, |status| {
        status != OperationStatus::Completed
    })
    .await?;
    engine.back_up().await?;
    let settings = settings_of(&engine, interrupt, consent.deadline);
    let (policy, own) = (engine.policy.clone(), engine.settings.clone());
    let mut worlds = worlds(engine, tidal, Downloads::of(ui.voice(), None));
    let working = interrupt.working();
    let mut telling = Telling::begin(ui, "Resuming", left);
    let outcome = apply::resume(
        unfinished.id,
        &mut worlds.0,
        &settings,
        &Timestamp::now,
        &mut |progress| telling.take(progress),
    )
    .await;
    drop(telling);
    drop(working);
    let is_ours = !matches!(outcome, Err(apply::ApplyError::Fenced));
    let exit = conclude(ui, &mut worlds, outcome).await;
    if is_ours {
        after_apply(policy, &own, ui).await;
    }
    // The log is folded in while the locks are held, so that whoever comes next finds one file.
    worlds.0.store.close().await;
    drop(locks);
    exit
}

/// Brings `[rekordbox] xml` up to date. The apply is done and recorded whatever comes of this.
async fn after_apply(policy: crate::policy::Policy, settings: &Settings, ui: &Ui) {
    if let Err(error) = super::rekordbox_export::after_apply(policy, settings, ui).await {
        ui.warning(format!("`[rekordbox] xml` was not written: {error}"));
    }
}

/// How a run of this engine is done.
fn settings_of(
    engine: &Engine,
    interrupt: &Interrupt,
    time: Option<std::time::Duration>,
) -> apply::Settings {
    // A time beyond the calendar is none.
    let deadline = time.and_then(|time| Timestamp::now().checked_add(time).ok());
    apply::Settings {
        parallel: engine.policy.download.parallel,
        who: engine.who(),
        stop: Some(interrupt.flag()),
        deadline,
    }
}

/// Settles what an interrupted run left open and closes it, so that it can be undone.
///
/// # Errors
/// When a world cannot be read.
pub async fn close_unfinished(
    engine: Engine,
    interrupt: &Interrupt,
    id: ApplyId,
) -> Result<Engine, CliError> {
    let settings = settings_of(&engine, interrupt, None);
    let tidal = lend_tidal_again(&engine, id, |status| status == OperationStatus::Running).await?;
    let downloader = engine.downloader();
    let Engine {
        policy,
        settings: cli,
        store,
        library,
        rekordbox,
        db,
    } = engine;
    let mut worlds = Worlds {
        local: library,
        rekordbox,
        downloader,
        store,
        tidal,
    };
    apply::close(id, &mut worlds, &settings, &Timestamp::now, &mut |_| {}).await?;
    let Worlds {
        local,
        rekordbox,
        store,
        ..
    } = worlds;
    Ok(Engine {
        policy,
        settings: cli,
        store,
        library: local,
        rekordbox,
        db,
    })
}

/// The engine's worlds, for the run; the engine without them comes back with [`conclude`].
fn worlds(
    engine: Engine,
    tidal: Option<Box<dyn TidalWriter>>,
    downloads: Downloads,
) -> (RealWorlds, std::path::PathBuf) {
    let told = Arc::new(move |step: &Step| downloads.show(step));
    let downloader = engine.downloader().telling(told);
    let Engine {
        store,
        library,
        rekordbox,
        db,
        ..
    } = engine;
    (
        Worlds {
            local: library,
            rekordbox,
            downloader,
            store,
            tidal,
        },
        db,
    )
}

/// What changes TIDAL, for a plan that does. A normal plan gets it only while the policy asks for such
/// changes by name; an undo takes back what was approved under the policy of its own time.
fn lend_tidal(engine: &Engine, plan: &Plan) -> Result<Option<Box<dyn TidalWriter>>, CliError> {
    if !left_in(plan)?.iter().any(|action| action.effect.is_tidal()) {
        return Ok(None);
    }
    if plan.body.mode != Mode::Undo && !engine.policy.tidal.cleanup.is_asked_for() {
        let text = "the plan changes TIDAL, and the policy does not ask for that";
        return Err(CliError::refused("TC401", text)
            .hint("`[tidal] cleanup` in the policy names what may be changed there"));
    }
    engine.tidal_writer().map(Some)
}

/// The same for a run that was begun, where operations that stand so are among those on TIDAL.
async fn lend_tidal_again(
    engine: &Engine,
    id: ApplyId,
    stands: impl Fn(OperationStatus) -> bool,
) -> Result<Option<Box<dyn TidalWriter>>, CliError> {
    let operations = engine.store.operations(id).await?;
    let mut open = operations.iter().filter(|row| stands(row.status));
    match open.any(|row| row.kind.starts_with("tidal.")) {
        true => engine.tidal_writer().map(Some),
        false => Ok(None),
    }
}

/// Reports a run that ended, in whatever way, from its journal.
async fn conclude(
    ui: &Ui,
    worlds: &mut (RealWorlds, std::path::PathBuf),
    outcome: Result<apply::ApplyReport, apply::ApplyError>,
) -> Result<Exit, CliError> {
    let (id, interrupted, outdated) = match outcome {
        Ok(report) => {
            for odd in &report.odd {
                ui.warning(format!("{}: {}", odd.label, odd.reason));
            }
            (report.apply, false, report.outdated.len())
        }
        Err(apply::ApplyError::Interrupted(id)) => (id, true, 0),
        Err(apply::ApplyError::OutOfTime(id)) => {
            ui.warning("the time that `--deadline` gave is up");
            (id, false, 0)
        }
        Err(error) => return Err(error.into()),
    };
    let store = &worlds.0.store;
    let applies = store.applies().await?;
    let Some(row) = applies.iter().find(|row| row.id == id) else {
        return Err(CliError::message(
            Kind::Bug,
            format!("apply {id} is not in the journal"),
        ));
    };
    let operations = store.operations(id).await?;
    let report = ApplyReport::new(row, &operations, interrupted);
    match ui.is_json() {
        true => tell_report(ui, &report)?,
        false => ui.answer(report.view(ui.look()))?,
    }
    if !interrupted && row.status == ApplyStatus::Completed {
        crate::cli::engine::keep_file_count(&mut worlds.0.local, &mut worlds.0.store, &worlds.1)
            .await?;
    }
    if outdated > 0 {
        ui.hint(format!(
            "{} made before all of its tracks were there: `tidal-cleanup plan` completes that",
            count(outdated, "list was", "lists were")
        ));
    }
    if report.exit() == Exit::Partial {
        ui.hint("`tidal-cleanup apply --resume` tries the rest again, `tidal-cleanup undo` takes back what was done");
    }
    Ok(report.exit())
}

/// The report as a line of the stream.
fn tell_report(ui: &Ui, report: &ApplyReport) -> Result<(), CliError> {
    let answer = serde_json::to_value(Envelope::new("apply", report));
    let mut answer = answer.map_err(|error| CliError::new(Kind::Bug, error))?;
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("event".to_owned(), "report".into());
    }
    ui.event(&answer);
    Ok(())
}

/// Takes the locks of a run: on the state, and on the library.
///
/// # Errors
/// When another run holds one after the waiting time.
pub async fn lock(engine: &mut Engine, consent: &Consent) -> Result<RunLock, CliError> {
    let root = engine.policy.library.root.as_path();
    let lock = RunLock::acquire(&engine.db, Some(root), consent.lock_timeout).await?;
    engine.store.lock(consent.lock_timeout).await?;
    Ok(lock)
}

impl Engine {
    /// # Errors
    /// [`Kind::Unfinished`] when a run was interrupted.
    pub async fn refuse_unfinished(&self) -> Result<(), CliError> {
        let Some(row) = self.store.unfinished().await? else {
            return Ok(());
        };
        let mut error = CliError::message(
            Kind::Unfinished,
            format!("apply {} was interrupted", row.id),
        );
        error.hints = unfinished_hints();
        Err(error)
    }

    /// Who runs with this state right now, here or on another machine.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn holder(&self) -> Result<Option<String>, CliError> {
        let elsewhere = self.store.holder().await?;
        Ok(holder_of(&self.db).or(elsewhere))
    }

    /// Tells of an interrupted run, for commands that only read.
    ///
    /// # Errors
    /// When the state database cannot be read.
    pub async fn tell_unfinished(&self, ui: &Ui) -> Result<(), CliError> {
        let Some(row) = self.store.unfinished().await? else {
            return Ok(());
        };
        match self.holder().await? {
            Some(holder) => ui.status(format!("Apply {} is running ({holder}).", row.id)),
            None => {
                ui.warning(format!("apply {} was interrupted", row.id));
                unfinished_hints().iter().for_each(|hint| ui.hint(hint));
            }
        }
        Ok(())
    }

    /// A copy of the state before a run, unless the environment forbids it.
    ///
    /// # Errors
    /// When it cannot be written or verified.
    pub async fn back_up(&mut self) -> Result<(), CliError> {
        if self.settings.auto_backup {
            self.store
                .backup(BackupKind::Apply, Timestamp::now())
                .await?;
        }
        Ok(())
    }
}
