//! The pure stages over what was read, again with the hashes that they ask for.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use jiff::{Timestamp, Zoned};

use super::{Engine, Request, allows, cache_path, past::FailedFetches};
use crate::{
    cli::{args::PlanInputs, decisions, error::CliError, select::PlaylistSelector, ui::Ui},
    desired::desire,
    diff::{diff, identity},
    domain::{MediaPath, PlaylistId},
    edge::{local::LocalError, tidal::snapshot},
    observe::Observation,
    plan::{
        Conditions, MovedList, PlanInput, cleanup,
        document::{Body, Mode},
        moved, plan, protected, rekeyed,
    },
    policy::Policy,
};

/// Files that are hashed between two looks at the progress.
const HASHED_AT_ONCE: usize = 32;

impl Engine {
    /// Does `work`, a pure stage, over what was read; again with the hashes that it asks for, until it
    /// asks for none.
    ///
    /// # Errors
    /// When a playlist is named that nobody knows, the decisions have mistakes, or a file cannot be
    /// hashed.
    pub async fn decide<T>(
        &mut self,
        request: &Request,
        observation: &mut Observation,
        ui: &Ui,
        work: impl Fn(&PlanInput<'_>) -> (T, BTreeSet<MediaPath>),
    ) -> Result<T, CliError> {
        let evidence = self.evidence(&request.inputs).await?;
        let policy = self.policy.clone();
        let mut learn = |paths: &BTreeSet<MediaPath>, observation: &mut Observation| {
            self.learn_hashes(paths, observation, ui)
                .map(CliError::from)
        };
        decide(
            &policy,
            &evidence,
            request,
            observation,
            ui,
            &mut learn,
            work,
        )
    }

    /// What a plan is made from besides what is read.
    ///
    /// # Errors
    /// When the state database cannot be read.
    pub async fn evidence(&self, inputs: &PlanInputs) -> Result<Evidence, CliError> {
        Ok(Evidence {
            past_removals: self.past_removals().await?,
            failed_fetches: self.failed_fetches().await?,
            files_before: self.files_before().await?,
            former: self.former_policy(),
            read_only: self.tidal_is_read_only(inputs),
        })
    }

    /// Learns the hash of every file of the library that has none.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn learn_all(&self, observation: &mut Observation, ui: &Ui) -> Result<(), CliError> {
        let files = observation.library.value.files.iter();
        let unknown = files
            .filter(|file| file.hash.is_none())
            .map(|file| file.path.clone());
        match self.learn_hashes(&unknown.collect(), observation, ui) {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// Reads files for their hashes, as many at a time as there are cores, and keeps these; the first
    /// error, if there was one.
    pub(super) fn learn_hashes(
        &self,
        paths: &BTreeSet<MediaPath>,
        observation: &mut Observation,
        ui: &Ui,
    ) -> Option<LocalError> {
        let paths: Vec<&MediaPath> = paths.iter().collect();
        let mut failed = None;
        let mut done = 0;
        if paths.len() > HASHED_AT_ONCE {
            ui.begin_progress(paths.len() as u64, "Comparing files by content");
        }
        for some in paths.chunks(HASHED_AT_ONCE) {
            ui.step(done, some.first().map_or("", |path| path.as_str()));
            done += some.len() as u64;
            for (path, hash) in some.iter().zip(self.library.hashes(some)) {
                let files = &mut observation.library.value.files;
                let at = files.binary_search_by(|file| file.path.cmp(path));
                match (hash, at.ok().and_then(|at| files.get_mut(at))) {
                    (Ok(hash), Some(file)) => file.hash = Some(hash),
                    (Ok(_), None) => {}
                    (Err(error), _) => failed = failed.or(Some(error)),
                }
            }
        }
        ui.end_progress();
        // A cache that cannot be written costs time and nothing else.
        let _ = self.library.save_cache(&cache_path(&self.db));
        failed
    }
}

/// What a plan is made from besides what is read: what earlier runs left behind.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What was removed, and when.
    pub past_removals: Vec<(Timestamp, u64)>,
    /// What could not be downloaded.
    pub failed_fetches: FailedFetches,
    /// How many files the library had.
    pub files_before: Option<usize>,
    /// The policy of the last apply, where it protected otherwise.
    pub former: Option<Policy>,
    /// Why TIDAL cannot be written, if it cannot.
    pub read_only: Option<String>,
}

/// Learns the SHA-256 of files; an error where that fails.
pub type Learn<'a> = dyn FnMut(&BTreeSet<MediaPath>, &mut Observation) -> Option<CliError> + 'a;

/// Does `work`, a pure stage, over what was read; again with the hashes that it asks for, until it asks
/// for none.
///
/// # Errors
/// As [`Engine::decide`].
pub(super) fn decide<T>(
    policy: &Policy,
    evidence: &Evidence,
    request: &Request,
    observation: &mut Observation,
    ui: &Ui,
    learn: &mut Learn<'_>,
    work: impl Fn(&PlanInput<'_>) -> (T, BTreeSet<MediaPath>),
) -> Result<T, CliError> {
    let as_of = request.inputs.as_of.unwrap_or_else(|| Zoned::now().date());
    let Evidence {
        past_removals,
        failed_fetches,
        files_before,
        former,
        read_only,
    } = evidence;
    let moved = moved(policy, observation);
    let seen = as_moved(observation, &moved);
    let scope = scope(&request.inputs.playlists, &seen)?;
    drop(seen);
    let rows = decisions::rows(policy)?;
    let mut decisions = decisions::known(policy, observation, ui)?;
    for (track, path) in &request.hints {
        decisions
            .entry(track.clone())
            .or_insert_with(|| Some(path.clone()));
    }
    let mode = request.mode.unwrap_or(Mode::Normal);
    let mut tried = BTreeSet::new();
    let former = former.as_ref().filter(|_| request.leave.unprotect == 0);
    loop {
        let seen = as_moved(observation, &moved);
        let shield = protected(policy, former, &seen);
        let cleanup = cleanup(policy, &seen, &shield, read_only.as_deref());
        let reading = &*cleanup.without(&seen.tidal.value);
        let library = &seen.library.value;
        let state = &seen.state;
        let desired = desire(policy, reading, state, library, &shield, seen.rows());
        let tracks: Vec<_> = desired.tracks.values().map(|want| &*want.track).collect();
        let identities = identity::identify(&tracks, library, state, &decisions, &policy.matching);
        let doubtful = &identities.unhashed - &tried;
        if !doubtful.is_empty() {
            // One that cannot be read is judged by what else is known of it.
            let _ = learn(&doubtful, observation);
            tried.extend(doubtful);
            continue;
        }
        // A take-over says which file is which track, and concludes nothing else.
        let changes = match mode {
            Mode::Reconcile => Vec::new(),
            Mode::Normal | Mode::Undo | Mode::Download | Mode::Purge | Mode::Restore => {
                diff(&desired, state, reading.complete)
            }
        };
        let (done, unhashed) = work(&PlanInput {
            policy,
            observation: &seen,
            desired: &desired,
            changes,
            identities: &identities,
            cleanup: &cleanup,
            moved: &moved,
            scope: scope.clone(),
            mode,
            as_of,
            tidal_hash: snapshot::content_hash(&observation.tidal.value),
            past_removals: past_removals.clone(),
            failed_fetches: failed_fetches.clone(),
            files_before: *files_before,
            rows: rows.clone(),
            allows: allows(&request.overrides),
            conditions: Conditions {
                former,
                require_decisions: request.inputs.require_decisions,
                leave: request.leave,
            },
        });
        if unhashed.is_empty() {
            return Ok(done);
        }
        if let Some(error) = learn(&unhashed, observation) {
            return Err(error);
        }
    }
}

/// The observation as the pure stages see it: lists that got a new id have it.
fn as_moved<'a>(observation: &'a Observation, moved: &[MovedList]) -> Cow<'a, Observation> {
    match moved.is_empty() {
        true => Cow::Borrowed(observation),
        false => Cow::Owned(rekeyed(observation, moved)),
    }
}

/// The body of a plan of what was read, with what the overrides let through.
///
/// # Errors
/// As [`Engine::decide`].
pub fn plan_over(
    policy: &Policy,
    evidence: &Evidence,
    request: &Request,
    observation: &mut Observation,
    ui: &Ui,
    learn: &mut Learn<'_>,
) -> Result<Body, CliError> {
    let allows = allows(&request.overrides);
    let mut request = request.clone();
    loop {
        let (body, awaiting) = decide(
            policy,
            evidence,
            &request,
            observation,
            ui,
            learn,
            |input| {
                let planned = plan(input);
                ((planned.body, planned.awaiting), planned.unhashed)
            },
        )?;
        let granted = awaiting.granted(policy, &allows);
        let leave = &mut request.leave;
        if granted.unprotect <= leave.unprotect && granted.work <= leave.work {
            return Ok(body);
        }
        leave.unprotect = leave.unprotect.max(granted.unprotect);
        leave.work = leave.work.max(granted.work);
    }
}

fn scope(
    selectors: &[PlaylistSelector],
    observation: &Observation,
) -> Result<Option<BTreeSet<PlaylistId>>, CliError> {
    if selectors.is_empty() {
        return Ok(None);
    }
    let tidal = observation
        .tidal
        .value
        .playlists
        .iter()
        .map(|list| (&list.id, list.name.as_str()));
    let known = observation
        .state
        .playlists
        .values()
        .map(|row| (&row.id, row.name.as_str()));
    let all: BTreeMap<&PlaylistId, &str> = known.chain(tidal).collect();
    let mut scope = BTreeSet::new();
    for selector in selectors {
        scope.insert(
            selector
                .find(all.iter().map(|(id, name)| (*id, *name)))?
                .clone(),
        );
    }
    Ok(Some(scope))
}
