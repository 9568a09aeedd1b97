//! The state in memory, with the meaning of the databases: for tests and examples.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use super::{
    ApplyRow, ApplyStatus, Approval, Finding, HistoryFilter, HistoryRow, Intent, NewApply,
    NewOperation, NewSnapshot, OperationRow, OperationStatus, RecentChange, SCHEMA_VERSION,
    SNAPSHOTS_KEPT, Settlement, SnapshotRow, StateReader, StateStore, Statistics, StoreError,
    occurrence::{self, Occurrence},
    report, rule, words,
};
use crate::domain::{
    ApplyId, LibraryId, PlaylistId, State, TrackId,
    state::{Meta, PlaylistRow, RowChange, StateRow},
    text::nfc,
};

/// A store in memory. Several handles may share one memory, as several processes share a database;
/// each has its own fencing number.
#[derive(Debug)]
pub struct MemoryStore {
    shared: Arc<Mutex<Memory>>,
    fencing: Option<i64>,
}

#[derive(Debug, Default)]
struct Memory {
    state: State,
    fencing: i64,
    occurrences: BTreeMap<PlaylistId, Vec<Occurrence>>,
    labels: BTreeMap<TrackId, String>,
    runs: Vec<Run>,
    snapshots: Vec<SnapshotRow>,
    approvals: Vec<Approval>,
}

#[derive(Debug)]
struct Run {
    row: ApplyRow,
    plan: String,
    operations: Vec<OperationRow>,
}

impl MemoryStore {
    /// An empty state of that lineage.
    #[must_use]
    pub fn new(lineage: &str) -> Self {
        Self::with_state(State {
            meta: Meta {
                lineage: lineage.to_owned(),
                schema_version: SCHEMA_VERSION,
                ..Meta::default()
            },
            ..State::default()
        })
    }

    /// A state as it stands, without a history.
    #[must_use]
    pub fn with_state(state: State) -> Self {
        let mut memory = Memory::default();
        for track in state.tracks.values() {
            let label = track.track.label();
            memory.labels.insert(track.track.id.clone(), label);
        }
        for playlist in state.playlists.values() {
            memory.record_entries(playlist, playlist.created_at);
        }
        memory.state = state;
        Self {
            shared: Arc::new(Mutex::new(memory)),
            fencing: None,
        }
    }

    /// A second handle on the same memory, like a second process on the same database.
    #[must_use]
    pub fn handle(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            fencing: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateReader for MemoryStore {
    async fn meta(&self) -> Result<Meta, StoreError> {
        Ok(self.lock().state.meta.clone())
    }

    async fn state(&self) -> Result<State, StoreError> {
        Ok(self.lock().state.clone())
    }

    async fn applies(&self) -> Result<Vec<ApplyRow>, StoreError> {
        Ok(self.lock().runs.iter().rev().map(Run::counted).collect())
    }

    async fn operations(&self, apply: ApplyId) -> Result<Vec<OperationRow>, StoreError> {
        let memory = self.lock();
        let run = memory.runs.iter().find(|run| run.row.id == apply);
        Ok(run.map(|run| run.operations.clone()).unwrap_or_default())
    }

    async fn applied_plan(&self, apply: ApplyId) -> Result<Option<String>, StoreError> {
        let memory = self.lock();
        let run = memory.runs.iter().find(|run| run.row.id == apply);
        Ok(run.map(|run| run.plan.clone()))
    }

    async fn unfinished(&self) -> Result<Option<ApplyRow>, StoreError> {
        Ok(self.lock().unfinished().map(Run::counted))
    }

    async fn last_reading(&self) -> Result<Option<String>, StoreError> {
        let memory = self.lock();
        Ok(memory.last_reading().map(|row| row.data.clone()))
    }

    async fn last_snapshot(&self, kind: &str) -> Result<Option<SnapshotRow>, StoreError> {
        let memory = self.lock();
        let mut newest_first = memory.snapshots.iter().rev();
        Ok(newest_first.find(|row| row.kind == kind).cloned())
    }

    async fn playlist_names(&self) -> Result<Vec<String>, StoreError> {
        let memory = self.lock();
        let lists = memory.state.playlists.values();
        let here = lists.filter(|playlist| playlist.deleted_at.is_none());
        let names: BTreeSet<String> = here.map(|playlist| playlist.name.clone()).collect();
        Ok(names.into_iter().collect())
    }

    async fn playlists_by_name(&self, name: &str) -> Result<Vec<PlaylistRow>, StoreError> {
        let wanted = nfc(name);
        let memory = self.lock();
        let mut found: Vec<PlaylistRow> = memory
            .state
            .playlists
            .values()
            .filter(|playlist| nfc(&playlist.name) == wanted || playlist.id.as_str() == name)
            .cloned()
            .collect();
        found.sort_by_key(|playlist| playlist.deleted_at.is_some());
        Ok(found)
    }

    async fn history(&self, filter: &HistoryFilter) -> Result<Vec<HistoryRow>, StoreError> {
        let memory = self.lock();
        let told = memory.runs.iter().rev().flat_map(Run::history);
        Ok(told
            .filter(|row| filter.apply.is_none_or(|apply| apply == row.apply))
            .filter(|row| {
                names(
                    filter.playlist.as_ref().map(PlaylistId::as_str),
                    &row.playlist,
                )
            })
            .filter(|row| names(filter.track.as_ref().map(TrackId::as_str), &row.track))
            .take(filter.limit)
            .collect())
    }

    async fn recent_changes(
        &self,
        playlist: &PlaylistId,
        limit: usize,
    ) -> Result<Vec<RecentChange>, StoreError> {
        let memory = self.lock();
        let rows = memory.occurrences.get(playlist).into_iter().flatten();
        let labelled = rows.map(|row| (row.clone(), memory.label(&row.track)));
        Ok(occurrence::recent(labelled, limit))
    }

    async fn is_elsewhere(&self, _apply: ApplyId) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn approvals(&self) -> Result<Vec<Approval>, StoreError> {
        Ok(words::newest_first(self.lock().approvals.clone()))
    }

    async fn statistics(&self) -> Result<Statistics, StoreError> {
        let memory = self.lock();
        let mut told = Statistics::of(&memory.state);
        for operation in memory.runs.iter().flat_map(|run| &run.operations) {
            *told.operations.entry(operation.status).or_default() += 1;
        }
        told.applies = count(memory.runs.iter());
        told.last_apply = memory.runs.last().map(Run::counted);
        told.snapshots = count(memory.snapshots.iter());
        told.last_reading_at = memory.last_reading().map(|row| row.at);
        Ok(told)
    }

    async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        Ok(report::contradictions(&self.lock().state))
    }
}

impl StateStore for MemoryStore {
    async fn set_library(&mut self, id: &LibraryId) -> Result<(), StoreError> {
        let mut memory = self.lock();
        match &memory.state.meta.library_id {
            Some(expected) if expected != id => Err(StoreError::OtherLibrary {
                expected: expected.clone(),
                found: id.clone(),
            }),
            Some(_) => Ok(()),
            None => {
                memory.state.meta.library_id = Some(id.clone());
                Ok(())
            }
        }
    }

    async fn save_snapshot(&mut self, snapshot: NewSnapshot<'_>) -> Result<(), StoreError> {
        let mut memory = self.lock();
        if self.fencing.is_some_and(|number| number != memory.fencing) {
            return Err(StoreError::Fenced);
        }
        memory.snapshots.push(SnapshotRow {
            kind: snapshot.kind.to_owned(),
            data: snapshot.data.to_owned(),
            playlist_count: snapshot.playlist_count,
            track_count: snapshot.track_count,
            complete: snapshot.complete,
            at: snapshot.at,
        });
        memory.forget_old_snapshots(snapshot.kind);
        Ok(())
    }

    async fn approve(&mut self, approval: &Approval) -> Result<(), StoreError> {
        let mut memory = self.lock();
        let is_same = |it: &Approval| it.digest == approval.digest && it.who == approval.who;
        if !memory.approvals.iter().any(is_same) {
            memory.approvals.push(approval.clone());
        }
        Ok(())
    }

    async fn begin_apply(
        &mut self,
        apply: NewApply,
        operations: &[NewOperation],
        at: Timestamp,
    ) -> Result<ApplyId, StoreError> {
        let mut memory = self.lock();
        if let Some(run) = memory.unfinished() {
            return Err(StoreError::Unfinished(run.row.id));
        }
        let id = ApplyId(count(memory.runs.iter()) + 1);
        rule::well_formed(operations)
            .map_err(|reason| StoreError::Protocol { apply: id, reason })?;
        memory.runs.push(Run::begun(id, apply, operations, at));
        memory.fencing += 1;
        let fencing = memory.fencing;
        drop(memory);
        self.fencing = Some(fencing);
        Ok(id)
    }

    async fn resume_apply(&mut self, apply: ApplyId, _at: Timestamp) -> Result<(), StoreError> {
        let mut memory = self.lock();
        if let Some(run) = memory.unfinished().filter(|run| run.row.id != apply) {
            return Err(StoreError::Unfinished(run.row.id));
        }
        let run = memory.run(apply)?;
        rule::may_resume(run.row.status)
            .map_err(|reason| StoreError::Protocol { apply, reason })?;
        run.row.status = ApplyStatus::Running;
        run.row.finished_at = None;
        memory.fencing += 1;
        let fencing = memory.fencing;
        drop(memory);
        self.fencing = Some(fencing);
        Ok(())
    }

    async fn hold(&self, apply: ApplyId) -> Result<(), StoreError> {
        self.lock().run_of(apply, self.fencing).map(drop)
    }

    async fn intend(
        &mut self,
        apply: ApplyId,
        intents: &[Intent],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut memory = self.lock();
        let run = memory.run_of(apply, self.fencing)?;
        for intent in intents {
            let operation = run.operation(intent.seq)?;
            rule::may_begin(operation.status)
                .map_err(|reason| StoreError::Protocol { apply, reason })?;
        }
        for intent in intents {
            let operation = run.operation(intent.seq)?;
            operation.status = OperationStatus::Running;
            operation.pre_image = Some(intent.pre_image.clone());
            operation.started_at = Some(at);
            operation.completed_at = None;
            operation.error_message = None;
        }
        Ok(())
    }

    async fn settle(
        &mut self,
        apply: ApplyId,
        settlements: &[Settlement],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut memory = self.lock();
        let run = memory.run_of(apply, self.fencing)?;
        for settlement in settlements {
            let operation = run.operation(settlement.seq)?;
            rule::may_settle(
                operation.status,
                settlement.status,
                settlement.pre_image.is_some(),
            )
            .map_err(|reason| StoreError::Protocol { apply, reason })?;
        }
        for settlement in settlements {
            let operation = run.operation(settlement.seq)?;
            operation.status = settlement.status;
            if settlement.pre_image.is_some() {
                operation.pre_image.clone_from(&settlement.pre_image);
            }
            operation.post_image.clone_from(&settlement.post_image);
            operation.trash_path.clone_from(&settlement.trash_path);
            operation
                .error_message
                .clone_from(&settlement.error_message);
            operation.completed_at = rule::settled_at(settlement.status, at);
        }
        for change in settlements.iter().flat_map(|settlement| &settlement.rows) {
            memory.change(change, at);
        }
        Ok(())
    }

    async fn finish_apply(
        &mut self,
        apply: ApplyId,
        status: ApplyStatus,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut memory = self.lock();
        let run = memory.run_of(apply, self.fencing)?;
        rule::may_close(status, run.counted().running)
            .map_err(|reason| StoreError::Protocol { apply, reason })?;
        run.row.status = status;
        run.row.finished_at = Some(at);
        run.row = run.counted();
        if status == ApplyStatus::Completed {
            memory.take_back(apply);
        }
        memory.state.meta.serial += 1;
        Ok(())
    }
}

impl Memory {
    fn unfinished(&self) -> Option<&Run> {
        let running = |run: &&Run| run.row.status == ApplyStatus::Running;
        self.runs.iter().find(running)
    }

    fn run(&mut self, apply: ApplyId) -> Result<&mut Run, StoreError> {
        let mut runs = self.runs.iter_mut();
        runs.find(|run| run.row.id == apply)
            .ok_or(StoreError::NoSuchApply(apply))
    }

    fn run_of(&mut self, apply: ApplyId, fencing: Option<i64>) -> Result<&mut Run, StoreError> {
        let fenced = fencing != Some(self.fencing);
        let run = self.run(apply)?;
        if fenced {
            return Err(StoreError::Fenced);
        }
        if run.row.status != ApplyStatus::Running {
            let reason = rule::CLOSED;
            return Err(StoreError::Protocol { apply, reason });
        }
        Ok(run)
    }

    /// Marks what `undo` takes back; what that had taken back itself is in effect again, and so on.
    fn take_back(&mut self, undo: ApplyId) {
        let mut in_effect = false;
        let mut next = self.run(undo).ok().and_then(|run| run.row.undoes);
        while let Some(run) = next.and_then(|id| self.run(id).ok()) {
            let row = &mut run.row;
            row.status = match in_effect {
                true => rule::as_closed(row.pending + row.failed + row.skipped),
                false => ApplyStatus::Undone,
            };
            in_effect = !in_effect;
            next = row.undoes;
        }
    }

    fn change(&mut self, change: &RowChange, at: Timestamp) {
        match &change.after {
            Some(StateRow::Track(row)) => {
                self.labels.insert(row.track.id.clone(), row.track.label());
            }
            Some(StateRow::Playlist(row)) => self.record_entries(row, at),
            Some(StateRow::File(_) | StateRow::Object(_)) | None => {}
        }
        self.state.apply(std::slice::from_ref(change));
    }

    fn record_entries(&mut self, playlist: &PlaylistRow, at: Timestamp) {
        let rows = self.occurrences.entry(playlist.id.clone()).or_default();
        let (here, gone): (Vec<_>, Vec<_>) = std::mem::take(rows)
            .into_iter()
            .partition(|row| row.position.is_some());
        rows.extend(gone);
        rows.splice(0..0, occurrence::merge(here, &playlist.entries, at));
    }

    fn label(&self, track: &TrackId) -> String {
        let known = self.labels.get(track).cloned();
        known.unwrap_or_else(|| track.to_string())
    }

    fn last_reading(&self) -> Option<&SnapshotRow> {
        let mut newest_first = self.snapshots.iter().rev();
        newest_first.find(|row| row.kind == "tidal" && row.complete)
    }

    fn forget_old_snapshots(&mut self, kind: &str) {
        let (mut newer, mut complete_seen) = (0, false);
        let mut kept: Vec<SnapshotRow> = Vec::with_capacity(self.snapshots.len());
        for row in std::mem::take(&mut self.snapshots).into_iter().rev() {
            let of_kind = row.kind == kind;
            let newest_complete = of_kind && row.complete && !complete_seen;
            complete_seen |= newest_complete;
            if !of_kind || newer < SNAPSHOTS_KEPT || newest_complete {
                newer += usize::from(of_kind);
                kept.push(row);
            }
        }
        kept.reverse();
        self.snapshots = kept;
    }
}

impl Run {
    fn begun(id: ApplyId, apply: NewApply, operations: &[NewOperation], at: Timestamp) -> Self {
        let row = ApplyRow {
            id,
            mode: apply.mode,
            status: ApplyStatus::Running,
            digest: apply.digest,
            policy_sha256: apply.policy_sha256,
            who: apply.who,
            undoes: apply.undoes,
            started_at: at,
            finished_at: None,
            pending: 0,
            running: 0,
            completed: 0,
            failed: 0,
            skipped: 0,
        };
        Self {
            row,
            plan: apply.plan,
            operations: operations.iter().map(|one| pending(one, at)).collect(),
        }
    }

    fn operation(&mut self, seq: i64) -> Result<&mut OperationRow, StoreError> {
        let apply = self.row.id;
        let index = usize::try_from(seq).unwrap_or(usize::MAX);
        self.operations.get_mut(index).ok_or(StoreError::Protocol {
            apply,
            reason: rule::NO_OPERATION,
        })
    }

    /// The row, with the counts as they are now.
    fn counted(&self) -> ApplyRow {
        let of = |status| count(self.operations.iter().filter(|one| one.status == status));
        ApplyRow {
            pending: of(OperationStatus::Pending),
            running: of(OperationStatus::Running),
            completed: of(OperationStatus::Completed),
            failed: of(OperationStatus::Failed),
            skipped: of(OperationStatus::Skipped),
            ..self.row.clone()
        }
    }

    fn history(&self) -> impl Iterator<Item = HistoryRow> {
        self.operations.iter().rev().map(|one| HistoryRow {
            apply: self.row.id,
            mode: self.row.mode.clone(),
            apply_status: self.row.status,
            who: self.row.who.clone(),
            seq: one.seq,
            kind: one.kind.clone(),
            action: one.action.clone(),
            status: one.status,
            at: one
                .completed_at
                .or(one.started_at)
                .unwrap_or(one.created_at),
            playlist: one.playlist.clone(),
            track: one.track.clone(),
            change_type: one.change_type.clone(),
            rule: one.rule.clone(),
            label: one.label.clone(),
            trash_path: one.trash_path.clone(),
            error_message: one.error_message.clone(),
        })
    }
}

fn pending(operation: &NewOperation, at: Timestamp) -> OperationRow {
    OperationRow {
        seq: operation.seq,
        action_id: operation.action_id.clone(),
        kind: operation.kind.clone(),
        operation_type: operation.operation_type.to_owned(),
        status: OperationStatus::Pending,
        action: operation.action.to_owned(),
        playlist: operation.playlist.clone(),
        track: operation.track.clone(),
        change_type: operation.change_type.clone(),
        rule: operation.rule.clone(),
        label: operation.label.clone(),
        pre_image: None,
        post_image: None,
        trash_path: None,
        error_message: None,
        created_at: at,
        started_at: None,
        completed_at: None,
    }
}

fn names(wanted: Option<&str>, found: &Option<String>) -> bool {
    wanted.is_none_or(|wanted| found.as_deref() == Some(wanted))
}

fn count<T>(items: impl Iterator<Item = T>) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}
