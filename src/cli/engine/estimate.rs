//! What a plan will probably take: no part of what is reviewed, for it depends on machine and day.

use std::{collections::BTreeMap, path::Path};

use super::Engine;
use crate::{
    edge::{
        local::volume,
        store::{ApplyStatus, StateReader as _},
    },
    plan::{
        Plan,
        document::{Action, Effect, Precondition},
    },
};

/// So many earlier runs are looked at.
const RUNS: usize = 5;
/// So many playlists of the account stand on one page of TIDAL's answer.
const LISTS_A_PAGE: usize = 20;

/// How long actions took in earlier runs, in milliseconds each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pace {
    /// A download with all that belongs to it.
    fetch: Option<u64>,
    /// Anything else.
    other: Option<u64>,
}

/// A run that was completed: how many milliseconds, downloads and other actions.
#[derive(Clone, Copy, Debug)]
struct Run {
    took: u64,
    fetches: u64,
    others: u64,
}

impl Pace {
    /// The pace of a few runs: without downloads first, for these tell what the rest takes.
    fn of(runs: &[Run]) -> Self {
        let plain = runs.iter().filter(|run| run.fetches == 0 && run.others > 0);
        let (took, many) = plain.fold((0, 0), |sum, run| (sum.0 + run.took, sum.1 + run.others));
        let other = (many > 0).then(|| took / many.max(1));
        let with = runs.iter().filter(|run| run.fetches > 0);
        let (took, many) = with.fold((0_u64, 0), |sum, run| {
            let rest = run.others * other.unwrap_or(0);
            (sum.0 + run.took.saturating_sub(rest), sum.1 + run.fetches)
        });
        Self {
            fetch: (many > 0).then(|| took / many.max(1)),
            other,
        }
    }

    /// Seconds for so many; `None` where nothing is known of them.
    fn seconds(self, fetches: u64, others: u64) -> Option<u64> {
        let fetch = match (fetches, self.fetch) {
            (0, _) => 0,
            (_, None) => return None,
            (_, Some(each)) => each * fetches,
        };
        if fetches == 0 && self.other.is_none() {
            return None;
        }
        Some((fetch + self.other.unwrap_or(0) * others).div_ceil(1000))
    }
}

fn fetches(actions: &[Action]) -> u64 {
    let fetches = actions
        .iter()
        .filter(|action| matches!(action.effect, Effect::FileFetch { .. }));
    fetches.count() as u64
}

/// Requests to TIDAL that the apply makes, at the most: the list of playlists where a removal rests on
/// their absence, and a look and a change for each entry of TIDAL itself.
fn requests(plan: &Plan) -> u64 {
    let body = &plan.body;
    let pre = |action: &Action| {
        action.pre.iter().any(|pre| {
            matches!(
                pre,
                Precondition::DesiredAbsent { .. } | Precondition::PlaylistAbsent { .. }
            )
        })
    };
    let pages = match body.actions.iter().any(pre) {
        true => body.inputs.tidal.playlists.div_ceil(LISTS_A_PAGE).max(1),
        false => 0,
    };
    let changes = body
        .actions
        .iter()
        .filter(|action| action.effect.is_tidal())
        .count();
    (pages + 2 * changes) as u64
}

impl Engine {
    /// Bytes, requests, seconds, and room on each volume that the plan needs.
    pub(super) async fn estimates(&self, plan: &Plan) -> BTreeMap<String, u64> {
        let actions = &plan.body.actions;
        let mut estimates = BTreeMap::new();
        if actions.is_empty() {
            return estimates;
        }
        let down = actions
            .iter()
            .map(|action| action.estimate.bytes_down)
            .sum();
        estimates.insert("bytes_down".to_owned(), down);
        let trashed = actions
            .iter()
            .map(|action| action.estimate.bytes_trashed)
            .sum();
        estimates.insert("bytes_trashed".to_owned(), trashed);
        estimates.insert("tidal_requests".to_owned(), requests(plan));
        let fetches = fetches(actions);
        let others = actions.len() as u64 - fetches;
        if let Some(seconds) = self.pace().await.seconds(fetches, others) {
            estimates.insert("seconds".to_owned(), seconds);
        }
        estimates.extend(self.room());
        estimates
    }

    /// The pace of the last completed runs; nothing where none can be read.
    async fn pace(&self) -> Pace {
        let mut runs = Vec::new();
        let applies = self.store.applies().await.unwrap_or_default();
        let completed = applies
            .iter()
            .filter(|run| run.status == ApplyStatus::Completed);
        for run in completed.filter(|run| run.mode != "undo").take(RUNS) {
            let Some(finished) = run.finished_at else {
                continue;
            };
            let Ok(operations) = self.store.operations(run.id).await else {
                continue;
            };
            let took = finished.as_millisecond() - run.started_at.as_millisecond();
            let fetches = operations
                .iter()
                .filter(|row| row.kind == "file.fetch")
                .count() as u64;
            runs.push(Run {
                took: u64::try_from(took).unwrap_or(0),
                fetches,
                others: operations.len() as u64 - fetches,
            });
        }
        Pace::of(&runs)
    }

    /// Free bytes, by what lies on the volume.
    fn room(&self) -> BTreeMap<String, u64> {
        let rekordbox = self
            .rekordbox
            .as_ref()
            .map(|rekordbox| ("Rekordbox", rekordbox.path()));
        let places = [
            ("library", self.policy.library.root.as_path()),
            ("state", self.db.as_path()),
        ];
        let mut volumes: BTreeMap<u64, (Vec<&str>, u64)> = BTreeMap::new();
        for (name, path) in places.into_iter().chain(rekordbox) {
            let folder = if path.is_dir() {
                path
            } else {
                path.parent().unwrap_or(path)
            };
            let Some((device, free)) = device(folder) else {
                continue;
            };
            volumes
                .entry(device)
                .or_insert_with(|| (Vec::new(), free))
                .0
                .push(name);
        }
        let volumes = volumes.into_values();
        volumes
            .map(|(names, free)| (format!("free:{}", names.join("+")), free))
            .collect()
    }
}

/// Which volume that is, and how many bytes are free there.
fn device(folder: &Path) -> Option<(u64, u64)> {
    let stat = volume::stat_of(&std::fs::metadata(folder).ok()?);
    Some((stat.device, volume::free_bytes(folder).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_earlier_runs() {
        let run = |took, fetches, others| Run {
            took,
            fetches,
            others,
        };
        assert_eq!(Pace::of(&[]).seconds(3, 3), None);
        let pace = Pace::of(&[run(1_000, 0, 100), run(21_000, 10, 100)]);
        assert_eq!((pace.fetch, pace.other), (Some(2_000), Some(10)));
        assert_eq!(pace.seconds(30, 100), Some(61));
        assert_eq!(pace.seconds(0, 1), Some(1));
        let only_fetches = Pace::of(&[run(20_000, 10, 100)]);
        assert_eq!(only_fetches.seconds(1, 5), Some(2));
        assert_eq!(only_fetches.seconds(0, 5), None);
    }
}
