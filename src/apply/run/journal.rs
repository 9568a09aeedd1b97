//! The journal around every step: intents before effects, outcomes after them.

use jiff::Timestamp;

use super::{Attempt, Effected, Failure, Result, Run, before_trash};
use crate::{
    apply::{Progress, anew::joined},
    domain::MediaPath,
    edge::{
        download::Downloader,
        local::LocalLibrary,
        rekordbox::RekordboxLibrary,
        store::{Intent as IntentRow, OperationStatus, Settlement, StateStore},
    },
    plan::document::Effect,
    record::{Done, Intent, Outcome, PostImage, PreImage, image, state::reversal},
};

impl<L, R, D, S> Run<'_, L, R, D, S>
where
    L: LocalLibrary,
    R: RekordboxLibrary,
    D: Downloader,
    S: StateStore,
{
    /// Makes intents durable.
    pub(in crate::apply) async fn intend(&mut self, intents: Vec<(usize, PreImage)>) -> Result<()> {
        if intents.is_empty() {
            return Ok(());
        }
        let intents: Vec<(usize, PreImage)> = intents
            .into_iter()
            .map(|(seq, image)| (seq, self.with_earlier(seq, image)))
            .collect();
        let rows: Vec<IntentRow> = intents
            .iter()
            .map(|(seq, image)| IntentRow {
                seq: number(*seq),
                pre_image: image::to_value(image),
            })
            .collect();
        let now = self.now();
        self.store.intend(self.apply, &rows, now).await?;
        for (seq, image) in intents {
            self.status[seq] = OperationStatus::Running;
            // It was told of in the run's earlier part.
            if let Some(action) = self.actions.get(seq)
                && image.earlier.is_none()
            {
                (self.report)(Progress::Started(action));
            }
            self.pre.insert(seq, image);
        }
        Ok(())
    }

    /// Records how operations ended, together with the rows of the state that changed with them.
    pub(in crate::apply) async fn settle(
        &mut self,
        ended: Vec<(usize, Attempt<Effected>)>,
    ) -> Result<()> {
        if ended.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let mut settlements = Vec::with_capacity(ended.len());
        let mut told = Vec::with_capacity(ended.len());
        for (seq, result) in ended {
            let again = self.pre.get(&seq).is_some_and(|pre| pre.earlier.is_some());
            let settlement = match result {
                Ok(effected) => match self.completed(seq, &effected, now) {
                    Ok(settlement) => settlement,
                    Err(failure) => self.unsettled(seq, failure, now),
                },
                Err(failure) => self.unsettled(seq, failure, now),
            };
            if !again {
                told.push((seq, settlement.status, settlement.error_message.clone()));
            }
            settlements.push(settlement);
        }
        self.store.settle(self.apply, &settlements, now).await?;
        for (seq, status, message) in told {
            let message = message.as_deref();
            (self.report)(match self.actions.get(seq) {
                Some(action) => Progress::Settled {
                    action,
                    status,
                    message,
                },
                None => Progress::Xml { message },
            });
        }
        Ok(())
    }

    /// The settlement of a completed operation. The rows of the state change here as well, so that
    /// the next one sees them.
    fn completed(
        &mut self,
        seq: usize,
        effected: &Effected,
        now: Timestamp,
    ) -> Attempt<Settlement> {
        let rows = match self.actions.get(seq) {
            Some(action) => match &action.effect {
                Effect::StateRestore { before } => {
                    let key = (before.apply, before.action.clone());
                    let row = self.reversed.get(&key);
                    let image =
                        row.and_then(|row| image::from_value::<PostImage>(row.post_image.as_ref()));
                    let rows = image.map(|image| image.rows).unwrap_or_default();
                    reversal(&rows, &self.state, &self.moved)
                        .map_err(|conflict| Failure::Failed(conflict.to_string()))?
                }
                _ => {
                    let staged = match self.pre.get(&seq).map(|pre| &pre.intent) {
                        Some(Intent::Rows(staged)) => Some(staged),
                        _ => None,
                    };
                    let done = Done {
                        outcome: &effected.outcome,
                        staged,
                        tags: Some(&self.tags),
                        stat: effected.stat,
                        now,
                    };
                    self.ledger.changes(action, done, &self.state)
                }
            },
            None => Vec::new(),
        };
        self.ledger.apply(&mut self.state, &rows);
        self.status[seq] = OperationStatus::Completed;
        self.unmet.remove(&seq);
        self.fresh.insert(seq);
        self.late.remove(&seq);
        let mut image = PostImage {
            outcome: effected.outcome.clone(),
            rows: rows.clone(),
            outdated: false,
        };
        let mut pre_image = None;
        if let Some(pre) = self.pre.get(&seq).filter(|pre| pre.earlier.is_some()) {
            let (pre, post) = joined(pre, image);
            pre_image = Some(image::to_value(&pre));
            self.pre.insert(seq, pre);
            image = post;
        }
        let settlement = Settlement {
            seq: number(seq),
            status: OperationStatus::Completed,
            trash_path: trash_path(&image.outcome).map(ToString::to_string),
            pre_image,
            post_image: Some(image::to_value(&image)),
            error_message: None,
            rows,
        };
        self.remember(seq, image);
        Ok(settlement)
    }

    fn unsettled(&mut self, seq: usize, failure: Failure, now: Timestamp) -> Settlement {
        let again = self.pre.get(&seq).is_some_and(|pre| pre.earlier.is_some());
        if again && failure != Failure::Untouched {
            self.unmet.insert(seq, failure);
            return self.leave_as_is(seq, now);
        }
        let (status, message) = match &failure {
            Failure::Failed(reason) => (OperationStatus::Failed, Some(reason.clone())),
            Failure::Skipped(reason) | Failure::Cancelled(reason) => {
                (OperationStatus::Skipped, Some(reason.clone()))
            }
            Failure::Untouched => (OperationStatus::Pending, None),
        };
        self.status[seq] = status;
        if failure == Failure::Untouched {
            if !again {
                self.pre.remove(&seq);
            }
        } else {
            self.unmet.insert(seq, failure);
        }
        Settlement {
            seq: number(seq),
            status,
            pre_image: None,
            post_image: None,
            trash_path: None,
            error_message: message,
            rows: Vec::new(),
        }
    }

    pub(super) fn remember(&mut self, seq: usize, image: PostImage) {
        if let (Some(Effect::FileRestore { before, .. }), Some(file)) = (
            self.actions.get(seq).map(|action| &action.effect),
            image.file(),
        ) && let Some(was) = before_trash(&before.trash_path)
            && was != file.path
        {
            self.moved.insert(was, file.path.clone());
        }
        self.post.insert(seq, image);
    }
}

pub(in crate::apply) fn number(seq: usize) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

pub(in crate::apply) fn trash_path(outcome: &Outcome) -> Option<&MediaPath> {
    match outcome {
        Outcome::Trashed { trash_path, .. } => Some(trash_path),
        Outcome::File(made) => made.replaced.as_ref().map(|(_, path)| path),
        Outcome::Waiting { .. }
        | Outcome::Placed { .. }
        | Outcome::Rows
        | Outcome::TidalRemoved(_)
        | Outcome::TidalRestored { .. }
        | Outcome::Nothing => None,
    }
}
