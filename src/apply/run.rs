//! A run in progress: its actions, how each stands, and what comes after what.

pub(super) mod journal;
mod order;

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
};

use jiff::{SignedDuration, Timestamp};

pub(super) use order::Phase;
use order::{dependencies, phases};

use super::{
    ApplyError, ApplyReport, Progress, Settings, Unmet, Worlds, select::needs, verify::staged_rows,
};
use crate::{
    domain::{
        ActionId, ApplyId, FileStat, MediaPath, MyTagId, PlaylistEntry, PlaylistId, State, TrackId,
    },
    edge::{
        download::Downloader,
        local::LocalLibrary,
        rekordbox::RekordboxLibrary,
        store::{ApplyRow, ApplyStatus, OperationRow, OperationStatus, StateStore},
        tidal::TidalWriter,
    },
    plan::document::{Action, Effect, Mode, Plan, TagName},
    record::{
        Intent, Ledger, Outcome, PostImage, PreImage, XML_KIND, image,
        names::{self, Names},
    },
};

/// Intents that are made durable together.
pub(super) const BATCH: usize = 64;
/// The same where something goes away.
pub(super) const DESTRUCTIVE_BATCH: usize = 8;

/// Why an action was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Tried, and nothing changed.
    Failed(String),
    /// It depends on something that was not done.
    Skipped(String),
    /// A removal after a failure.
    Cancelled(String),
    /// Found untouched after an interruption: as if it had never begun.
    Untouched,
}

/// What an effect left behind.
#[derive(Debug)]
pub(super) struct Effected {
    pub(super) outcome: Outcome,
    pub(super) stat: Option<FileStat>,
}

impl Effected {
    pub(super) const fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            stat: None,
        }
    }
}

pub(super) type Result<T> = std::result::Result<T, ApplyError>;
pub(super) type Attempt<T> = std::result::Result<T, Failure>;

pub(super) struct Run<'a, L, R, D, S> {
    pub(super) apply: ApplyId,
    pub(super) plan: &'a Plan,
    pub(super) actions: Vec<&'a Action>,
    pub(super) phases: Vec<Phase>,
    pub(super) depends_on: Vec<Vec<usize>>,
    pub(super) followers: Vec<Vec<usize>>,
    pub(super) status: Vec<OperationStatus>,
    pub(super) pre: BTreeMap<usize, PreImage>,
    pub(super) post: BTreeMap<usize, PostImage>,
    pub(super) unmet: BTreeMap<usize, Failure>,
    /// Of lists that an earlier part of the run made: what was not there yet.
    pub(super) late: BTreeMap<usize, Vec<usize>>,
    /// Done in this part of the run.
    pub(super) fresh: BTreeSet<usize>,
    /// When operations were completed, as the journal has it.
    pub(super) times: Vec<Option<Timestamp>>,
    /// The journal row of the playlist XML.
    pub(super) xml: Option<usize>,
    pub(super) local: &'a mut L,
    pub(super) rekordbox: Option<&'a mut R>,
    pub(super) downloader: &'a D,
    pub(super) store: &'a mut S,
    pub(super) tidal: Option<&'a mut (dyn TidalWriter + 'static)>,
    /// Playlists of TIDAL as they were last seen in this run.
    pub(super) lists: BTreeMap<PlaylistId, Vec<PlaylistEntry>>,
    /// What was done and does not look as it was meant to.
    pub(super) odd: Vec<(usize, String)>,
    pub(super) state: State,
    pub(super) ledger: Ledger<'a>,
    pub(super) tags: BTreeMap<TagName, MyTagId>,
    /// What an undo takes back.
    pub(super) reversed: BTreeMap<(ApplyId, ActionId), OperationRow>,
    /// Artists, albums and genres that runs made which are taken back, now or before.
    pub(super) names: Names,
    /// Folders that the undone run made.
    made_folders: BTreeSet<MediaPath>,
    /// Files that came back under another name than they had.
    pub(super) moved: BTreeMap<MediaPath, MediaPath>,
    /// Names that files have beside their old ones, by the old one.
    pub(super) placed: BTreeMap<MediaPath, MediaPath>,
    pub(super) settings: &'a Settings,
    clock: &'a dyn Fn() -> Timestamp,
    /// The newest time in the journal.
    last: Cell<Timestamp>,
    report: &'a mut dyn FnMut(Progress<'_>),
}

impl<'a, L, R, D, S> Run<'a, L, R, D, S>
where
    L: LocalLibrary,
    R: RekordboxLibrary,
    D: Downloader,
    S: StateStore,
{
    /// Reads back how the run stands.
    pub(super) async fn open(
        apply: ApplyId,
        plan: &'a Plan,
        actions: Vec<&'a Action>,
        worlds: &'a mut Worlds<L, R, D, S>,
        settings: &'a Settings,
        clock: &'a dyn Fn() -> Timestamp,
        report: &'a mut dyn FnMut(Progress<'_>),
    ) -> Result<Self> {
        let state = worlds.store.state().await?;
        let operations = worlds.store.operations(apply).await?;
        let (depends_on, followers) = dependencies(&actions);
        let mut run = Self {
            apply,
            phases: phases(plan, &actions),
            ledger: Ledger::new(plan, &actions, &state),
            depends_on,
            followers,
            status: Vec::new(),
            pre: BTreeMap::new(),
            post: BTreeMap::new(),
            unmet: BTreeMap::new(),
            late: BTreeMap::new(),
            fresh: BTreeSet::new(),
            times: Vec::new(),
            xml: None,
            local: &mut worlds.local,
            rekordbox: worlds.rekordbox.as_mut(),
            downloader: &worlds.downloader,
            store: &mut worlds.store,
            tidal: worlds.tidal.as_deref_mut(),
            lists: BTreeMap::new(),
            odd: Vec::new(),
            state,
            tags: BTreeMap::new(),
            reversed: BTreeMap::new(),
            names: Names::new(),
            made_folders: BTreeSet::new(),
            moved: BTreeMap::new(),
            placed: BTreeMap::new(),
            plan,
            actions,
            settings,
            clock,
            last: Cell::new(Timestamp::MIN),
            report,
        };
        run.times = operations.iter().map(|row| row.completed_at).collect();
        run.read_back(operations)?;
        run.late = run.lists_made_early();
        run.read_reversed().await?;
        Ok(run)
    }

    /// The completed lists with what was done after them or not at all, of what they depend on.
    fn lists_made_early(&self) -> BTreeMap<usize, Vec<usize>> {
        let is_done = |seq: usize| self.status[seq] == OperationStatus::Completed;
        let done = (0..self.actions.len()).filter(|seq| is_done(*seq));
        done.filter_map(|seq| {
            let is_late = |need: &usize| {
                // A file loses its old name after its rows: that changes nothing in a list of rows.
                let moves = matches!(self.actions[*need].effect, Effect::FilePlace { .. });
                !is_done(*need) || !moves && self.times[*need] > self.times[seq]
            };
            let late = self.depends_on[seq].iter().copied();
            let late: Vec<usize> = late.filter(is_late).collect();
            (!late.is_empty()).then_some((seq, late))
        })
        .collect()
    }

    fn read_back(&mut self, operations: Vec<OperationRow>) -> Result<()> {
        for (seq, row) in operations.into_iter().enumerate() {
            let action = self.actions.get(seq);
            let fits = action.map_or(row.kind == XML_KIND, |action| action.id == row.action_id);
            if !fits {
                return Err(self.journal(format!("operation {seq} is not the plan's")));
            }
            if row.kind == XML_KIND {
                self.xml = Some(seq);
            }
            let times = [row.started_at, row.completed_at];
            let newest = times.into_iter().flatten().max();
            self.last
                .set(newest.unwrap_or(Timestamp::MIN).max(self.last.get()));
            let unreadable = ApplyError::Journal {
                apply: self.apply,
                reason: format!("operation {seq} has an unknown image"),
            };
            if let Some(value) = &row.pre_image {
                match image::from_value(Some(value)) {
                    Some(image) => drop(self.pre.insert(seq, image)),
                    None => return Err(unreadable),
                }
            }
            if row.status == OperationStatus::Completed && row.post_image.is_some() {
                match image::from_value(row.post_image.as_ref()) {
                    Some(image) => self.remember(seq, image),
                    None => return Err(unreadable),
                }
            }
            if row.status != OperationStatus::Completed
                && let Some(earlier) = self.pre.get(&seq).and_then(|pre| pre.earlier.clone())
            {
                self.post.insert(seq, earlier.post);
            }
            // What failed or was left out is tried again.
            self.status.push(match row.status {
                OperationStatus::Completed | OperationStatus::Running => row.status,
                OperationStatus::Pending | OperationStatus::Failed | OperationStatus::Skipped => {
                    OperationStatus::Pending
                }
            });
        }
        let expected = self.actions.len() + usize::from(self.xml.is_some());
        match self.status.len() == expected {
            true => Ok(()),
            false => Err(self.journal("it has not as many operations as the plan".to_owned())),
        }
    }

    async fn read_reversed(&mut self) -> Result<()> {
        let mut applies = BTreeSet::new();
        for action in &self.actions {
            match &action.effect {
                Effect::RowsRestore { before } | Effect::StateRestore { before } => {
                    applies.insert(before.apply);
                }
                _ => {}
            }
        }
        for apply in applies.iter().copied() {
            for row in self.store.operations(apply).await? {
                if let Some(pre) = image::from_value::<PreImage>(row.pre_image.as_ref()) {
                    self.made_folders.extend(pre.folders);
                }
                names::learn(&mut self.names, staged_rows(&row).unwrap_or_default());
                self.reversed.insert((apply, row.action_id.clone()), row);
            }
        }
        match applies.is_empty() {
            true => Ok(()),
            false => self.read_left_names(&applies).await,
        }
    }

    /// What earlier undos may have left because it was in use then.
    async fn read_left_names(&mut self, known: &BTreeSet<ApplyId>) -> Result<()> {
        let rows = self.store.applies().await?;
        // An undo in part does not say of which run.
        let in_part = |row: &ApplyRow| row.mode == "undo" && row.undoes.is_none();
        let any_in_part = rows.iter().any(in_part);
        let undone: BTreeSet<ApplyId> = rows.iter().filter_map(|row| row.undoes).collect();
        for row in rows {
            let taken_back = any_in_part || undone.contains(&row.id);
            if !taken_back || row.id == self.apply || known.contains(&row.id) {
                continue;
            }
            for row in self.store.operations(row.id).await? {
                let done = row.status == OperationStatus::Completed;
                let rows = staged_rows(&row).filter(|_| done);
                names::learn(&mut self.names, rows.unwrap_or_default());
            }
        }
        Ok(())
    }

    pub(super) fn journal(&self, reason: String) -> ApplyError {
        ApplyError::Journal {
            apply: self.apply,
            reason,
        }
    }

    pub(super) fn begun(&mut self) {
        (self.report)(Progress::Begun {
            apply: self.apply,
            actions: self.actions.len(),
        });
    }

    /// Does everything that is not done yet.
    pub(super) async fn carry_out(&mut self) -> Result<ApplyReport> {
        self.reopen_lists().await?;
        self.record(Phase::Rekey).await?;
        self.deliver(Phase::Fetch).await?;
        self.deliver(Phase::Convert).await?;
        self.record(Phase::Adopt).await?;
        self.arrange().await?;
        self.write_rekordbox().await?;
        self.drop_old_names().await?;
        self.link().await?;
        self.trash().await?;
        self.change_tidal().await?;
        self.record(Phase::State).await?;
        self.hold().await?;
        self.remove_left_folders();
        if self.plan.body.mode == Mode::Undo {
            let folders: Vec<MediaPath> = self.made_folders.iter().cloned().collect();
            self.remove_folders(&folders);
        }
        let all = self
            .status
            .iter()
            .all(|status| *status == OperationStatus::Completed)
            && self.unmet.is_empty();
        self.end(match all {
            true => ApplyStatus::Completed,
            false => ApplyStatus::Partial,
        })
        .await
    }

    /// Closes the run.
    pub(super) async fn end(&mut self, status: ApplyStatus) -> Result<ApplyReport> {
        self.put_back_open().await?;
        let now = self.now();
        self.store.finish_apply(self.apply, status, now).await?;
        let is_done = |seq: &usize| self.status[*seq] == OperationStatus::Completed;
        let mut report = ApplyReport {
            apply: self.apply,
            status,
            completed: (0..self.actions.len()).filter(is_done).count(),
            failed: Vec::new(),
            skipped: Vec::new(),
            cancelled: Vec::new(),
            outdated: Vec::new(),
            odd: self
                .odd
                .iter()
                .map(|(seq, text)| self.told(*seq, text))
                .collect(),
            backup: None,
        };
        for (seq, failure) in &self.unmet {
            match failure {
                Failure::Failed(reason) => report.failed.push(self.told(*seq, reason)),
                Failure::Skipped(reason) => report.skipped.push(self.told(*seq, reason)),
                Failure::Cancelled(reason) => report.cancelled.push(self.told(*seq, reason)),
                Failure::Untouched => {}
            }
        }
        for seq in 0..self.actions.len() {
            let grown = self
                .late
                .get(&seq)
                .is_some_and(|late| late.iter().any(is_done));
            let behind = self.post.get(&seq).is_some_and(|image| image.outdated);
            if is_done(&seq) && (grown || behind || self.names_old_places(seq)) {
                let reason = "it was made before all of its tracks were there";
                report.outdated.push(self.told(seq, reason));
            }
        }
        Ok(report)
    }

    fn told(&self, seq: usize, reason: &str) -> Unmet {
        let action = self.actions.get(seq);
        Unmet {
            action: action.map_or_else(|| ActionId::new("a_xml"), |action| action.id.clone()),
            label: self.label(seq).to_owned(),
            reason: reason.to_owned(),
        }
    }

    fn label(&self, seq: usize) -> &str {
        let action = self.actions.get(seq);
        action.map_or("masterPlaylists6.xml", |action| &action.subject.label)
    }

    /// The time, in whole milliseconds, and later than any in the journal of this run: undo goes by
    /// the order in which operations were completed.
    pub(super) fn now(&self) -> Timestamp {
        let next = self.last.get().checked_add(SignedDuration::from_millis(1));
        let now = super::millis((self.clock)()).max(next.unwrap_or(Timestamp::MIN));
        self.last.set(now);
        now
    }

    /// The operations of a phase that are not begun, in order.
    pub(super) fn pending(&self, phase: Phase) -> Vec<usize> {
        let is_pending = |seq: &usize| {
            self.phases[*seq] == phase && self.status[*seq] == OperationStatus::Pending
        };
        (0..self.actions.len()).filter(is_pending).collect()
    }

    /// Whether the run is to go on: nobody asked it to stop, and its time is not up.
    pub(super) fn check_stop(&self) -> Result<()> {
        let stop = self.settings.stop.as_ref();
        if stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(ApplyError::Interrupted(self.apply));
        }
        match self.settings.deadline {
            Some(deadline) if (self.clock)() >= deadline => Err(ApplyError::OutOfTime(self.apply)),
            Some(_) | None => Ok(()),
        }
    }

    /// Asked right before every effect. `false`: the run is to stop, and this effect stays undone.
    ///
    /// A run that slept (a suspended laptop, a stopped process) while another took over finds that out
    /// here, and changes nothing more.
    pub(super) async fn may_act(&self) -> Result<bool> {
        self.hold().await?;
        Ok(self.check_stop().is_ok())
    }

    /// Whether nobody else took over.
    pub(super) async fn hold(&self) -> Result<()> {
        Ok(self.store.hold(self.apply).await?)
    }

    /// Why the action cannot be done now; `together` are done in the same step.
    pub(super) fn blocked(&self, seq: usize, together: &BTreeSet<usize>) -> Attempt<()> {
        for need in &self.depends_on[seq] {
            let stands = match self.status[*need] {
                OperationStatus::Completed | OperationStatus::Running => true,
                OperationStatus::Pending => together.contains(need),
                OperationStatus::Failed | OperationStatus::Skipped => false,
            };
            let (action, needed) = (self.actions[seq], self.actions[*need]);
            if !stands && needs(&action.effect, &needed.effect) {
                return Err(Failure::Skipped(format!(
                    "{} was not done: {}",
                    needed.effect.kind(),
                    needed.subject.label
                )));
            }
        }
        Ok(())
    }

    /// Removals end with the first failure.
    pub(super) fn cancelled(&self) -> Attempt<()> {
        match self.first_failure() {
            Some(seq) => Err(Failure::Cancelled(format!(
                "nothing is removed after a failure: {}",
                self.label(seq)
            ))),
            None => Ok(()),
        }
    }

    /// The first action that failed, other than a download.
    pub(super) fn failed_badly(&self) -> bool {
        let bad = |(seq, failure): (&usize, &Failure)| {
            let phase = self.phases.get(*seq);
            matches!(failure, Failure::Failed(_))
                && !matches!(phase, Some(Phase::Fetch | Phase::Convert))
        };
        self.unmet.iter().any(bad)
    }

    fn first_failure(&self) -> Option<usize> {
        let failed = |failure: &Failure| matches!(failure, Failure::Failed(_));
        self.unmet
            .iter()
            .find(|(_, failure)| failed(failure))
            .map(|(seq, _)| *seq)
    }

    /// Rows of the state that stand for themselves.
    async fn record(&mut self, phase: Phase) -> Result<()> {
        let pending = self.pending(phase);
        for batch in pending.chunks(BATCH) {
            self.check_stop()?;
            let mut ended = Vec::new();
            let mut intents = Vec::new();
            let together = batch.iter().copied().collect();
            for seq in batch {
                match self.blocked(*seq, &together) {
                    Ok(()) => intents.push((*seq, PreImage::of(Intent::State))),
                    Err(failure) => ended.push((*seq, Err(failure))),
                }
            }
            let begun: Vec<usize> = intents.iter().map(|(seq, _)| *seq).collect();
            self.intend(intents).await?;
            self.settle(ended).await?;
            // One after the other, so that each is held to what the one before it really did.
            let mut ended = Vec::new();
            for seq in begun {
                let result = match self.blocked(seq, &together) {
                    Ok(()) => self.adopted(seq),
                    Err(failure) => Err(failure),
                };
                ended.push((seq, result));
            }
            self.settle(ended).await?;
        }
        Ok(())
    }

    /// What an undo has taken back is recorded also where it ends before its time: what is in its place
    /// again would be nobody's otherwise.
    pub(super) async fn record_taken_back(&mut self) -> Result<()> {
        let is_done = |need: &usize| self.status[*need] == OperationStatus::Completed;
        let is_due =
            |seq: &usize| self.is_reversal(*seq) && self.depends_on[*seq].iter().all(is_done);
        let mut due = self.pending(Phase::State);
        due.retain(|seq| is_due(seq));
        // Rows that stand for themselves were changed last and have to give way to the others; alone, they stay.
        if due.iter().all(|seq| self.depends_on[*seq].is_empty()) {
            return Ok(());
        }
        for batch in due.chunks(BATCH) {
            self.hold().await?;
            let intent = |seq: &usize| (*seq, PreImage::of(Intent::State));
            self.intend(batch.iter().map(intent).collect()).await?;
            let done = |seq: &usize| (*seq, Ok(Effected::of(Outcome::Nothing)));
            self.settle(batch.iter().map(done).collect()).await?;
        }
        Ok(())
    }

    fn adopted(&self, seq: usize) -> Attempt<Effected> {
        let stat = match &self.actions[seq].effect {
            Effect::StateAdopt { after } => {
                let stat = self.local.stat(&after.path).map_err(|e| failed(&e))?;
                if stat.is_none() {
                    return Err(Failure::Failed(format!("{} is not there", after.path)));
                }
                stat
            }
            _ => None,
        };
        Ok(Effected {
            outcome: Outcome::Nothing,
            stat,
        })
    }

    /// Where the track's file is now, a name beside its old one counted.
    pub(super) fn file_of(&self, track: &TrackId) -> Option<MediaPath> {
        let path = self.state.tracks.get(track)?.file.as_ref()?;
        Some(self.placed.get(path).unwrap_or(path).clone())
    }
}

/// An error with its causes, on one line.
pub(super) fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::Failed(causes(error))
}

pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The original path of a file in the trash: what follows the run's number.
pub(super) fn before_trash(trash_path: &MediaPath) -> Option<MediaPath> {
    let relative = trash_path.relative();
    let rest = relative.strip_prefix(".tidal-cleanup/trash").ok()?;
    let mut parts = rest.components();
    parts.next()?;
    Some(MediaPath::from_relative(0, parts.as_path()))
}
