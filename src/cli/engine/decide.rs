//! The pure stages over what was read, again with the hashes that they ask for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Zoned;

use super::{Engine, Request, allows, cache_path};
use crate::{
    cli::{decisions, error::CliError, select::PlaylistSelector, ui::Ui},
    desired::desire,
    diff::{diff, identity},
    domain::{MediaPath, PlaylistId},
    edge::{local::LocalError, tidal::snapshot},
    observe::Observation,
    plan::{Conditions, PlanInput, cleanup, document::Mode, protected},
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
        let as_of = request.inputs.as_of.unwrap_or_else(|| Zoned::now().date());
        let past_removals = self.past_removals().await?;
        let failed_fetches = self.failed_fetches().await?;
        let files_before = self.files_before().await?;
        let scope = scope(&request.inputs.playlists, observation)?;
        let rows = decisions::rows(&self.policy)?;
        let mut decisions = decisions::known(&self.policy, observation, ui)?;
        for (track, path) in &request.hints {
            decisions
                .entry(track.clone())
                .or_insert_with(|| Some(path.clone()));
        }
        let mode = request.mode.unwrap_or(Mode::Normal);
        let read_only = self.tidal_is_read_only(&request.inputs);
        let mut tried = BTreeSet::new();
        let former = self.former_policy();
        let former = former.as_ref().filter(|_| request.leave.unprotect == 0);
        loop {
            let shield = protected(&self.policy, former, observation);
            let cleanup = cleanup(&self.policy, observation, &shield, read_only.as_deref());
            let reading = &*cleanup.without(&observation.tidal.value);
            let library = &observation.library.value;
            let state = &observation.state;
            let desired = desire(&self.policy, reading, state, library, &shield);
            let tracks: Vec<_> = desired.tracks.values().map(|want| &want.track).collect();
            let identities =
                identity::identify(&tracks, library, state, &decisions, &self.policy.matching);
            let doubtful = &identities.unhashed - &tried;
            if !doubtful.is_empty() {
                // One that cannot be read is judged by what else is known of it.
                self.learn_hashes(&doubtful, observation, ui);
                tried.extend(doubtful);
                continue;
            }
            // A take-over says which file is which track, and concludes nothing else.
            let changes = match mode {
                Mode::Reconcile => Vec::new(),
                Mode::Normal | Mode::Undo | Mode::Download | Mode::Purge => {
                    diff(&desired, state, reading.complete)
                }
            };
            let (done, unhashed) = work(&PlanInput {
                policy: &self.policy,
                observation,
                desired: &desired,
                changes,
                identities: &identities,
                cleanup: &cleanup,
                scope: scope.clone(),
                mode,
                as_of,
                tidal_hash: snapshot::content_hash(&observation.tidal.value),
                past_removals: past_removals.clone(),
                failed_fetches: failed_fetches.clone(),
                files_before,
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
            if let Some(error) = self.learn_hashes(&unhashed, observation, ui) {
                return Err(error.into());
            }
        }
    }

    /// Reads files for their hashes, as many at a time as there are cores, and keeps these; the first
    /// error, if there was one.
    fn learn_hashes(
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
