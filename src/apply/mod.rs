//! Carries out a plan: one recorded step at a time.
//!
//! The order keeps every prefix fit for a gig. Files come first (fetched, converted, placed under
//! their new names beside the old ones), then Rekordbox learns of them, then the old names go, then
//! playlist files are written, and what leaves goes to the trash last. Rows of the state change in
//! the transaction that settles the action they belong to.
//!
//! For every action the journal holds a durable intent before the effect and an outcome after it;
//! what a killed run left between the two is settled by looking at the world (`recover`).

mod anew;
mod batch;
mod deliver;
mod facts;
mod files;
mod meddling;
mod recover;
mod rekordbox;
mod run;
mod select;
mod tidal;
pub mod verify;

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::AtomicBool},
};

use jiff::Timestamp;

use crate::{
    domain::{ActionId, ApplyId},
    edge::{
        download::Downloader,
        local::{LocalError, LocalLibrary},
        rekordbox::{RekordboxError, RekordboxLibrary},
        store::{
            ApplyRow, ApplyStatus, NewApply, OperationRow, OperationStatus, StateReader,
            StateStore, StoreError,
        },
        tidal::TidalWriter,
    },
    plan::{
        canonical::{self, PlanError, canonical},
        document::{Action, Effect, Mode, Plan, Review},
    },
    record::{self, Intent, Outcome, PostImage, PreImage},
};
use recover::Recovery;
use run::Run;

pub use facts::undo_facts;
pub use select::{chosen, reversed_by, undone_by};
pub use verify::{Verification, Violation, verify};

/// The worlds that a run changes.
#[derive(Debug)]
pub struct Worlds<L, R, D, S> {
    /// The music folder.
    pub local: L,
    /// Rekordbox; `None` when the policy leaves it alone.
    pub rekordbox: Option<R>,
    /// Where tracks come from.
    pub downloader: D,
    /// The memory.
    pub store: S,
    /// TIDAL's playlists; `None` unless the policy asks by name for what the plan does to them. The one
    /// world that most runs are not lent.
    pub tidal: Option<Box<dyn TidalWriter>>,
}

/// How a run is done.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many downloads and conversions at once.
    pub parallel: usize,
    /// Who runs it, for the history.
    pub who: String,
    /// Set from outside to stop after the running step; the journal can be resumed.
    pub stop: Option<Arc<AtomicBool>>,
    /// No action begins after this time; the journal can be resumed.
    pub deadline: Option<Timestamp>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            parallel: 2,
            who: String::new(),
            stop: None,
            deadline: None,
        }
    }
}

/// What happens during a run, for whoever shows it.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// The intents are written.
    Begun { apply: ApplyId, actions: usize },
    /// An effect is about to happen.
    Started(&'a Action),
    /// An action came to its end.
    Settled {
        action: &'a Action,
        status: OperationStatus,
        /// Why it failed or was skipped.
        message: Option<&'a str>,
    },
    /// Rekordbox's playlist XML is written, or could not be.
    Xml { message: Option<&'a str> },
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplyReport {
    /// The run.
    pub apply: ApplyId,
    /// `Completed`, or `Partial` when something failed or was left out because of that.
    pub status: ApplyStatus,
    /// How many actions are done, those of an earlier part of the run counted.
    pub completed: usize,
    /// Tried, and nothing changed.
    pub failed: Vec<Unmet>,
    /// Not tried, because they depend on something that failed.
    pub skipped: Vec<Unmet>,
    /// Removals that were not tried, because something before them failed.
    pub cancelled: Vec<Unmet>,
    /// Lists that an earlier part of the run made without a track that is there now; the next plan
    /// completes them.
    pub outdated: Vec<Unmet>,
    /// Done, and not quite as it was meant to look: what a person should look at.
    pub odd: Vec<Unmet>,
    /// Where Rekordbox's backup lies, when one was made.
    pub backup: Option<std::path::PathBuf>,
}

/// An action that was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The action; `a_xml` for the playlist XML.
    pub action: ActionId,
    /// Whom it is about.
    pub label: String,
    /// Why.
    pub reason: String,
}

/// Why a run did not begin, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The plan is not what it says it is, or not one.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The world is not what the plan says; nothing was written.
    #[error("{}", told(.0))]
    Stale(Vec<Violation>),
    /// A gate refuses; nothing was written.
    #[error("{code}: {reason}")]
    Refused { code: &'static str, reason: String },
    /// A run is neither finished nor undone.
    #[error("apply {0} is unfinished")]
    Unfinished(ApplyId),
    /// Another run took over.
    #[error("another run took over")]
    Fenced,
    /// Stopped from outside; the journal can be resumed.
    #[error("apply {0} was interrupted")]
    Interrupted(ApplyId),
    /// The time that was given is up; the journal can be resumed.
    #[error("apply {0} ran out of the time that it was given")]
    OutOfTime(ApplyId),
    /// A change was sent, and what became of it cannot be found out now; the run is left open.
    #[error("TIDAL does not tell what became of a change in apply {apply}: {reason}")]
    Unsettled { apply: ApplyId, reason: String },
    /// The journal of the run cannot be read back.
    #[error("the journal of apply {apply} is damaged: {reason}")]
    Journal { apply: ApplyId, reason: String },
    /// The state database.
    #[error(transparent)]
    Store(StoreError),
    /// The library.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// Rekordbox.
    #[error(transparent)]
    Rekordbox(RekordboxError),
}

impl From<StoreError> for ApplyError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Fenced => Self::Fenced,
            StoreError::Unfinished(apply) => Self::Unfinished(apply),
            other => Self::Store(other),
        }
    }
}

impl From<RekordboxError> for ApplyError {
    fn from(error: RekordboxError) -> Self {
        match error {
            RekordboxError::Running(_) => Self::Refused {
                code: "TC502",
                reason: error.to_string(),
            },
            other => Self::Rekordbox(other),
        }
    }
}

fn told(violations: &[Violation]) -> String {
    match violations {
        [] => "the plan is stale".to_owned(),
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

/// Carries out `plan` as `review` leaves it. The caller has verified it (see [`verify()`]) and holds
/// the locks; what is checked here again is each action's own precondition, right before its effect.
///
/// # Errors
/// [`ApplyError`]; from [`ApplyError::Fenced`] on the journal may hold an unfinished run. An action
/// that fails is no error, see [`ApplyReport`].
pub async fn apply<L, R, D, S>(
    plan: &Plan,
    review: Option<&Review>,
    worlds: &mut Worlds<L, R, D, S>,
    settings: &Settings,
    clock: &impl Fn() -> Timestamp,
    report: &mut impl FnMut(Progress<'_>),
) -> Result<ApplyReport, ApplyError>
where
    L: LocalLibrary,
    R: RekordboxLibrary,
    D: Downloader,
    S: StateStore,
{
    let mut plan = plan.clone();
    plan.review = review.cloned().or(plan.review);
    let actions = chosen(&plan)?;
    if !plan.body.applyable {
        return Err(refused_by(&plan));
    }
    if worlds.tidal.is_none() && actions.iter().any(|action| action.effect.is_tidal()) {
        return Err(ApplyError::Refused {
            code: "TC401",
            reason: "the plan changes TIDAL, which the policy does not ask for".to_owned(),
        });
    }
    let backup = prepare(worlds, &actions).await?;
    let now = millis(clock());
    let new = NewApply {
        mode: mode_name(plan.body.mode).to_owned(),
        digest: plan.digest.clone(),
        policy_sha256: plan.body.inputs.policy.sha256.to_string(),
        who: settings.who.clone(),
        undoes: undone_by(&plan),
        plan: canonical(&plan),
    };
    let operations = record::operations(&plan, &actions);
    let apply = worlds.store.begin_apply(new, &operations, now).await?;
    clear_left_downloads(worlds, &actions).await?;
    let mut run = Run::open(apply, &plan, actions, worlds, settings, clock, report).await?;
    run.begun();
    let mut report = run.carry_out().await?;
    report.backup = backup;
    Ok(report)
}

/// How many runs back downloads are looked for that nobody took.
const REMEMBERED: usize = 20;

/// Removes downloads that wait for a conversion or a name in a run that ended, but for those that this
/// plan fetches and finds there. Should that run be resumed after all, they are fetched again.
async fn clear_left_downloads<L: LocalLibrary, R, D, S: StateStore>(
    worlds: &mut Worlds<L, R, D, S>,
    actions: &[&Action],
) -> Result<(), ApplyError> {
    let wanted: BTreeSet<String> = actions
        .iter()
        .filter_map(|action| match &action.effect {
            Effect::FileFetch { after } => deliver::fetch_folder(&after.track),
            _ => None,
        })
        .collect();
    for row in worlds.store.applies().await?.iter().take(REMEMBERED) {
        if !matches!(row.status, ApplyStatus::Partial | ApplyStatus::Undone) {
            continue;
        }
        for operation in worlds.store.operations(row.id).await? {
            if let Some(incoming) = left_in(&operation)
                && !wanted.contains(&incoming)
                && let Err(error) = worlds.local.clear_incoming(&incoming)
            {
                tracing::warn!(folder = incoming, %error, "could not clear a download folder");
            }
        }
    }
    Ok(())
}

/// The incoming folder in which an operation of a run that ended may have left something.
fn left_in(operation: &OperationRow) -> Option<String> {
    let post = record::image::from_value(operation.post_image.as_ref());
    if let Some(PostImage {
        outcome: Outcome::Waiting { incoming, .. },
        ..
    }) = post
    {
        return Some(incoming);
    }
    let pre = record::image::from_value::<PreImage>(operation.pre_image.as_ref());
    match pre.map(|image| image.intent) {
        Some(Intent::Deliver { incoming, .. })
            if operation.status != OperationStatus::Completed =>
        {
            Some(incoming)
        }
        _ => None,
    }
}

/// Goes on with a run that was interrupted or ended in part: settles every running intent by looking
/// at the world, then does what is left.
///
/// # Errors
/// As [`apply`].
pub async fn resume<L, R, D, S>(
    apply: ApplyId,
    worlds: &mut Worlds<L, R, D, S>,
    settings: &Settings,
    clock: &impl Fn() -> Timestamp,
    report: &mut impl FnMut(Progress<'_>),
) -> Result<ApplyReport, ApplyError>
where
    L: LocalLibrary,
    R: RekordboxLibrary,
    D: Downloader,
    S: StateStore,
{
    let plan = recorded_plan(apply, &worlds.store).await?;
    let actions = chosen(&plan)?;
    let backup = prepare(worlds, &actions).await?;
    worlds.store.resume_apply(apply, millis(clock())).await?;
    let mut run = Run::open(apply, &plan, actions, worlds, settings, clock, report).await?;
    run.begun();
    run.recover(Recovery::Forward).await?;
    let mut report = run.carry_out().await?;
    report.backup = backup;
    Ok(report)
}

/// Settles the running intents of an interrupted run without going on with it, and closes it as
/// partial: what `undo` of an interrupted run begins with.
///
/// # Errors
/// As [`apply`].
pub async fn close<L, R, D, S>(
    apply: ApplyId,
    worlds: &mut Worlds<L, R, D, S>,
    settings: &Settings,
    clock: &impl Fn() -> Timestamp,
    report: &mut impl FnMut(Progress<'_>),
) -> Result<ApplyReport, ApplyError>
where
    L: LocalLibrary,
    R: RekordboxLibrary,
    D: Downloader,
    S: StateStore,
{
    let plan = recorded_plan(apply, &worlds.store).await?;
    let actions = chosen(&plan)?;
    let backup = prepare(worlds, &actions).await?;
    worlds.store.resume_apply(apply, millis(clock())).await?;
    let mut run = Run::open(apply, &plan, actions, worlds, settings, clock, report).await?;
    run.recover(Recovery::Close).await?;
    run.record_taken_back().await?;
    let mut report = run.end(ApplyStatus::Partial).await?;
    report.backup = backup;
    Ok(report)
}

/// The run that `undo` without an argument takes back: the newest that is not undone and not itself
/// an undo that was carried through, nor a purge, which nothing takes back.
#[must_use]
pub fn last_apply(applies: &[ApplyRow]) -> Option<&ApplyRow> {
    let in_effect = |row: &&ApplyRow| {
        row.status != ApplyStatus::Undone && !matches!(row.mode.as_str(), "undo" | "purge")
    };
    applies.iter().find(in_effect)
}

/// The plan of a run, as it was applied.
///
/// # Errors
/// When there is none, or it is damaged.
pub async fn recorded_plan(apply: ApplyId, store: &impl StateReader) -> Result<Plan, ApplyError> {
    let text = store.applied_plan(apply).await?;
    let text = text.ok_or(StoreError::NoSuchApply(apply))?;
    canonical::parse(text.as_bytes()).map_err(|error| ApplyError::Journal {
        apply,
        reason: error.to_string(),
    })
}

/// Checks that Rekordbox may be written and backs it up, where the plan concerns it.
async fn prepare<L, R: RekordboxLibrary, D, S>(
    worlds: &mut Worlds<L, R, D, S>,
    actions: &[&Action],
) -> Result<Option<std::path::PathBuf>, ApplyError> {
    if !actions
        .iter()
        .any(|action| record::is_rekordbox(&action.effect))
    {
        return Ok(None);
    }
    match &mut worlds.rekordbox {
        Some(rekordbox) => Ok(Some(rekordbox.prepare().await?)),
        None => Err(ApplyError::Refused {
            code: "TC401",
            reason: "the plan changes Rekordbox, which the policy leaves alone".to_owned(),
        }),
    }
}

fn refused_by(plan: &Plan) -> ApplyError {
    use crate::plan::document::CheckStatus;
    let checks = plan.body.checks.iter();
    let refusing: Vec<String> = checks
        .filter(|check| check.status == CheckStatus::Refuse)
        .map(|check| format!("{} {} {}", check.code, check.name, check.text))
        .collect();
    let code = match refusing
        .first()
        .map(|text| text.split(' ').next().unwrap_or_default())
    {
        Some("TC101") => "TC101",
        Some("TC103") => "TC103",
        Some("TC104") => "TC104",
        Some("TC201") => "TC201",
        Some("TC502") => "TC502",
        _ => "refused",
    };
    ApplyError::Refused {
        code,
        reason: match refusing.is_empty() {
            true => "the plan says that it may not be applied".to_owned(),
            false => refusing.join("; "),
        },
    }
}

const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Normal => "normal",
        Mode::Undo => "undo",
        Mode::Reconcile => "reconcile",
        Mode::Download => "download",
        Mode::Purge => "purge",
        Mode::Restore => "restore",
    }
}

/// Whole milliseconds: what every database gives back as it was.
fn millis(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}
