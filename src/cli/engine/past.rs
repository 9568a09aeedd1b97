//! What earlier runs left behind for the next plan.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{Engine, cache_path};
use crate::{
    apply,
    cli::{
        error::{CliError, Kind},
        settings::Settings,
    },
    domain::{ApplyId, TrackId},
    edge::{
        local::{LocalReader as _, folder::LibraryFolder},
        store::{
            ApplyRow, ApplyStatus, HistoryFilter, NewSnapshot, OperationRow, OperationStatus,
            StateReader as _, StateStore as _, Store,
        },
    },
    plan::{
        FailedFetch, Lossy, Plan, canonical,
        document::Effect,
        guard::{self, Managed},
        says_lossy, says_no_better,
    },
    policy::Policy,
    record::XML_KIND,
};

/// What earlier runs could not download.
pub type FailedFetches = BTreeMap<TrackId, FailedFetch>;

impl Engine {
    /// What earlier runs removed, for the rolling window: counted from their plans as a plan counts
    /// itself, for the journal has one row for a whole list.
    pub(super) async fn past_removals(&self) -> Result<Vec<(Timestamp, u64)>, CliError> {
        let window = self.policy.safety.rolling.window;
        // A day more, for a plan may be made as of the end of a day.
        let from = Timestamp::now()
            .checked_sub(window + std::time::Duration::from_secs(86_400))
            .unwrap_or(Timestamp::MIN);
        let mut past = Vec::new();
        for run in self.store.applies().await? {
            let counts = run.mode != "undo" && run.status != ApplyStatus::Undone;
            if !counts || run.started_at < from {
                continue;
            }
            let Some(text) = self.store.applied_plan(run.id).await? else {
                continue;
            };
            // A long plan that only adds is not taken apart.
            let takes = [
                "\"class\":\"remove\"",
                "\"class\":\"destructive\"",
                "\"TRACK_REMOVED_FROM_PLAYLIST\"",
            ];
            if !takes.iter().any(|sign| text.contains(sign)) {
                continue;
            }
            let plan = canonical::parse(text.as_bytes()).map_err(CliError::from)?;
            let done: BTreeSet<_> = self
                .store
                .operations(run.id)
                .await?
                .into_iter()
                .filter(|row| row.status == OperationStatus::Completed)
                .map(|row| row.action_id)
                .collect();
            let actions: Vec<_> = plan
                .body
                .actions
                .into_iter()
                .filter(|action| done.contains(&action.id))
                .collect();
            let removals = guard::Removals::of(&actions, &plan.body.changes, &Managed::default());
            past.push((run.started_at, removals.total() as u64));
        }
        Ok(past)
    }

    /// What earlier runs could not download.
    pub(super) async fn failed_fetches(&self) -> Result<FailedFetches, CliError> {
        let mut failed = FailedFetches::new();
        // Runs are counted when they close. Where nothing ever failed, a hundred thousand rows need no reading.
        let can_have_failed = |run: &ApplyRow| run.failed > 0 || run.status == ApplyStatus::Running;
        if !self.store.applies().await?.iter().any(can_have_failed) {
            return Ok(failed);
        }
        let filter = HistoryFilter {
            limit: 100_000,
            ..HistoryFilter::default()
        };
        let mut converted = BTreeSet::new();
        let mut fetched = BTreeSet::new();
        let mut plans = BTreeMap::new();
        // The newest comes first.
        for row in self.store.history(&filter).await? {
            let Some(track) = row.track.as_deref().map(TrackId::new) else {
                continue;
            };
            let on = row.at.to_zoned(jiff::tz::TimeZone::UTC).date();
            let message = row.error_message.clone().unwrap_or_default();
            let is_failed = row.status == OperationStatus::Failed;
            let entry = || FailedFetch {
                since: on,
                last: on,
                message: message.clone(),
                lossy: None,
            };
            match row.kind.as_str() {
                "file.fetch" => {
                    let is_newest = fetched.insert(track.clone());
                    if is_failed {
                        failed
                            .entry(track.clone())
                            .and_modify(|known| known.add_older(on, &message))
                            .or_insert_with(entry);
                    }
                    if is_newest && is_failed && says_no_better(&message) {
                        let plan = self.plan_of(row.apply, &mut plans).await;
                        let refused = plan.and_then(|plan| refused(plan, &track, on, &message));
                        failed.entry(track).or_insert_with(entry).lossy = refused;
                    }
                }
                "file.convert" => {
                    let is_settled = is_failed || row.status == OperationStatus::Completed;
                    // The newest end of it counts.
                    let is_newest = is_settled && converted.insert(track.clone());
                    let is_refused = says_lossy(&message) || says_no_better(&message);
                    if is_newest && is_failed && is_refused {
                        let plan = self.plan_of(row.apply, &mut plans).await;
                        let refused = plan.and_then(|plan| refused(plan, &track, on, &message));
                        failed.entry(track).or_insert_with(entry).lossy = refused;
                    }
                }
                _ => {}
            }
        }
        Ok(failed)
    }

    /// The plan of a run, read once.
    async fn plan_of<'p>(
        &self,
        apply: ApplyId,
        plans: &'p mut BTreeMap<ApplyId, Option<Plan>>,
    ) -> Option<&'p Plan> {
        if let Entry::Vacant(unread) = plans.entry(apply) {
            let plan = apply::recorded_plan(apply, &self.store).await;
            unread.insert(plan.ok());
        }
        plans.get(&apply).and_then(Option::as_ref)
    }

    pub(super) async fn files_before(&self) -> Result<Option<usize>, CliError> {
        let last = self.store.last_snapshot("local").await?;
        Ok(last.and_then(|snapshot| usize::try_from(snapshot.track_count).ok()))
    }

    /// The policy of the last apply, where it protected otherwise than this one (TC302).
    pub(super) fn former_policy(&self) -> Option<Policy> {
        former_of(&self.policy, &self.applied_policy()?, &self.settings)
    }

    /// Remembers the policy that was applied, for TC302.
    pub fn keep_policy(policy: &Policy, db: &Path) {
        // Without it a protection that is taken out counts as never there: no apply fails for that.
        if let Ok(text) = std::fs::read_to_string(&policy.source.path)
            && crate::domain::ContentHash::of(text.as_bytes()) == policy.source.sha256
        {
            let _ = crate::cli::plan::write_whole(&applied_policy_path(db), &text);
        }
    }

    /// A run that another machine made and that concerned Rekordbox is that machine's to finish or to take
    /// back: its rows are named by ids that mean something else here.
    ///
    /// # Errors
    /// When it is another machine's, or the state cannot be read.
    pub async fn refuse_elsewhere(&self, id: ApplyId, what: &str) -> Result<(), CliError> {
        if !self.store.is_elsewhere(id).await? {
            return Ok(());
        }
        let operations = self.store.operations(id).await?;
        let in_rekordbox = |row: &OperationRow| row.kind.starts_with("rb.") || row.kind == XML_KIND;
        if !operations.iter().any(in_rekordbox) {
            return Ok(());
        }
        let unfinished = self.store.unfinished().await?;
        let kind = match unfinished {
            Some(row) if row.id == id => Kind::Unfinished,
            Some(_) | None => Kind::User,
        };
        let text = format!("apply {id} was made on another machine, and changed its Rekordbox");
        Err(CliError::message(kind, text)
            .hint(format!("{what} it there; nothing was changed"))
            .hint("if that machine is gone and this one has its Rekordbox, copy the file `device` from the folder of its state"))
    }

    /// The run that `--resume` goes on with: the interrupted one, or the last if it ended in part.
    ///
    /// # Errors
    /// When the state database cannot be read.
    pub async fn resumable(&self) -> Result<Option<ApplyRow>, CliError> {
        if let Some(row) = self.store.unfinished().await? {
            return Ok(Some(row));
        }
        let last = self.store.applies().await?.into_iter().next();
        Ok(last.filter(|row| row.status == ApplyStatus::Partial))
    }
}

/// The policy of that text, where it is another than this one.
#[must_use]
pub fn former_of(policy: &Policy, applied: &str, settings: &Settings) -> Option<Policy> {
    let env = |name: &str| settings.around.variable(name);
    let parsed = Policy::parse(&policy.source.path, applied, &env, settings.home());
    // One that this version cannot read any more protects nothing that it could name.
    let (former, _) = parsed.ok()?;
    (former.source.sha256 != policy.source.sha256).then_some(former)
}

/// Remembers how many files the library has, for gate TC102.
///
/// # Errors
/// When the state database cannot be written.
pub async fn keep_file_count(
    library: &mut LibraryFolder,
    store: &mut Store,
    db: &Path,
) -> Result<(), CliError> {
    let scanned = library.scan()?;
    // A cache that cannot be written costs time and nothing else.
    let _ = library.save_cache(&cache_path(db));
    if !scanned.is_complete() {
        return Ok(());
    }
    let files = scanned.value.files.len();
    let snapshot = NewSnapshot {
        kind: "local",
        data: &serde_json::json!({ "files": files }).to_string(),
        playlist_count: 0,
        track_count: i64::try_from(files).unwrap_or(i64::MAX),
        complete: true,
        at: Timestamp::now(),
    };
    Ok(store.save_snapshot(snapshot).await?)
}

/// The policy of the last apply lies beside the state database.
pub(super) fn applied_policy_path(db: &Path) -> PathBuf {
    db.with_extension("applied-policy.toml")
}

/// A download that was refused for its quality, as the plan of its time had it.
fn refused(plan: &Plan, track: &TrackId, on: jiff::civil::Date, said: &str) -> Option<Lossy> {
    let mut actions = plan.body.actions.iter();
    let format = actions.find_map(|action| match &action.effect {
        Effect::FileFetch { after } if after.track == *track => Some(after.convert_to),
        _ => None,
    })?;
    Some(Lossy {
        on,
        said: said.to_owned(),
        format,
        command: plan.meta.download,
        media_tags: plan.body.tracks.get(track)?.media_tags.clone(),
    })
}
