//! Opens the worlds that the policy names, and runs the stages over them. The one place that knows all
//! of them; every command goes through it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use jiff::{Timestamp, Zoned};

use crate::{
    cli::{
        args::{Allowance, Overrides, PlanInputs},
        decisions,
        error::CliError,
        readings::{self, Wish},
        select::PlaylistSelector,
        settings::Settings,
        ui::Ui,
    },
    desired::desire,
    diff::{diff, identity},
    domain::{MediaPath, Observed, Playlist, PlaylistId, TidalReading, TrackId},
    edge::{
        download::command::CommandDownloader,
        local::{
            LocalError, LocalReader as _,
            cache::FileCache,
            folder::{LibraryFolder, Verified},
        },
        rekordbox::{
            RekordboxError, RekordboxReader as _, exports, locate,
            masterdb::{MasterDb, MasterDbOptions},
        },
        store::{
            ApplyRow, ApplyStatus, HistoryFilter, NewSnapshot, OperationStatus, StateReader as _,
            StateStore as _, freeze::HandFreeze, sqlite::SqliteStore,
        },
        tidal::{
            ReadOptions, SnapshotFile, TidalApi, TidalError, TidalMemory, TidalService,
            TidalSettings, TidalWriter, snapshot,
        },
    },
    observe::{Observation, observe},
    plan::{
        Conditions, FailedFetch, Plan, PlanInput, canonical, cleanup,
        document::{Body, Check, Mode, PlanMeta, Precondition},
        guard::{self, Allow, Leave, Managed, Moment},
        plan, protected,
    },
    policy::{Outcome, Policy, RekordboxDatabase},
};

/// What earlier runs could not download.
type FailedFetches = BTreeMap<TrackId, FailedFetch>;

/// The worlds of one policy, open.
pub struct Engine {
    pub policy: Policy,
    pub settings: Settings,
    pub store: SqliteStore,
    pub library: LibraryFolder,
    /// `None`: the policy has none, or this machine.
    pub rekordbox: Option<MasterDb>,
    /// The state database's file.
    pub db: PathBuf,
}

/// What a plan is to be made of.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub inputs: PlanInputs,
    pub overrides: Overrides,
    /// `None`: `normal`.
    pub mode: Option<Mode>,
    /// Which files another tool takes for which tracks: they count as decisions where the user has not
    /// decided.
    pub hints: BTreeMap<TrackId, MediaPath>,
    /// What a person lets through, as far as that is known already.
    pub leave: Leave,
}

/// What is to be done with the state database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// A plan and what it was made from.
pub struct Made {
    pub plan: Plan,
    pub observation: Observation,
}

/// Where TIDAL is read.
pub enum TidalSource {
    File(SnapshotFile),
    /// The last good reading.
    Last(TidalMemory),
    Service(Box<TidalService>),
}

impl TidalApi for TidalSource {
    async fn read(&self) -> Result<Observed<TidalReading>, TidalError> {
        match self {
            Self::File(file) => file.read().await,
            Self::Last(memory) => memory.read().await,
            Self::Service(service) => service.read().await,
        }
    }
}

/// Reads and checks the policy; what is odd about it goes to stderr.
///
/// # Errors
/// When there is none, or it has mistakes.
pub fn load_policy(settings: &Settings, ui: &Ui) -> Result<Policy, CliError> {
    let path = settings.policy_path()?;
    let loaded = Policy::load(
        &path,
        &|name| settings.around.variable(name),
        settings.home(),
    )
    .map_err(CliError::from)?;
    for warning in &loaded.warnings {
        ui.warning(warning.render(ui.look().color));
    }
    for part in not_carried_out(&loaded.policy) {
        ui.warning(format!(
            "{part} is read, and not carried out by this version"
        ));
    }
    Ok(loaded.policy)
}

/// Parts of the language that this version understands and does not act on. Each leaves things as they
/// are, so saying it is enough.
fn not_carried_out(policy: &Policy) -> Vec<&'static str> {
    let upgrades = policy
        .rules
        .iter()
        .any(|rule| rule.then == Outcome::Upgrade);
    let parts = [
        (
            !policy.moved.is_empty(),
            "`[[moved]]` (the playlist counts as a new one)",
        ),
        (upgrades, "a rule's `upgrade` (the file stays as it is)"),
    ];
    parts
        .into_iter()
        .filter(|(asked, _)| *asked)
        .map(|(_, part)| part)
        .collect()
}

/// Files that are hashed between two looks at the progress.
const HASHED_AT_ONCE: usize = 32;

impl Engine {
    /// Opens the worlds of the policy.
    ///
    /// # Errors
    /// When one of them cannot be opened.
    pub async fn open(settings: &Settings, ui: &Ui) -> Result<Self, CliError> {
        let policy = load_policy(settings, ui)?;
        Self::of(policy, settings, ui).await
    }

    /// Opens the worlds of this policy.
    ///
    /// # Errors
    /// When one of them cannot be opened.
    pub async fn of(policy: Policy, settings: &Settings, ui: &Ui) -> Result<Self, CliError> {
        Self::with(policy, settings, ui, Access::Write).await
    }

    /// Opens the worlds of the policy for a command that only reads: the state refuses every write.
    ///
    /// # Errors
    /// When one of them cannot be opened.
    pub async fn look_at(settings: &Settings, ui: &Ui) -> Result<Self, CliError> {
        let policy = load_policy(settings, ui)?;
        Self::with(policy, settings, ui, Access::Read).await
    }

    async fn with(
        policy: Policy,
        settings: &Settings,
        ui: &Ui,
        access: Access,
    ) -> Result<Self, CliError> {
        if settings.database_url.is_some() {
            return Err(CliError::config("TIDAL_CLEANUP_DATABASE_URL is set, and this version keeps its state in SQLite only")
                .hint("unset it, and name the file with `--db PATH` or TIDAL_CLEANUP_DB_PATH"));
        }
        let db = settings.place(Some(&policy))?.db;
        let store = match access {
            Access::Read => readings::look_at_store(settings, &db).await?,
            Access::Write => readings::open_store(settings, &db).await?,
        };
        let sources: Vec<PathBuf> = policy
            .library
            .sources
            .iter()
            .map(|source| source.path.clone())
            .collect();
        let cache = FileCache::load(&cache_path(&db));
        let library = LibraryFolder::new(&policy.library.root, &sources, cache)
            .with_hashes(policy.library.hash_always);
        let rekordbox = open_rekordbox(&policy, settings, &db, ui)?;
        Ok(Self {
            policy,
            settings: settings.clone(),
            store,
            library,
            rekordbox,
            db,
        })
    }

    /// The TIDAL reading that the flags and the policy ask for.
    ///
    /// # Errors
    /// When there is no log-in and nothing else is named.
    pub async fn tidal(&self, inputs: &PlanInputs, ui: &Ui) -> Result<TidalSource, CliError> {
        if let Some(path) = &inputs.desired {
            let path = self.settings.around.absolute(path);
            return Ok(TidalSource::File(SnapshotFile { path }));
        }
        if inputs.offline {
            let last = self.last_reading().await?.ok_or_else(|| {
                CliError::user("there is no earlier reading of TIDAL to plan from")
                    .hint("plan once with a log-in, or from a file with `--desired FILE`")
            })?;
            return Ok(TidalSource::Last(TidalMemory { reading: last }));
        }
        if let Some(path) = &self.policy.tidal.snapshot {
            return Ok(TidalSource::File(SnapshotFile { path: path.clone() }));
        }
        let service = self.service(self.policy.tidal.favorites, ui).await?;
        ui.status("Reading TIDAL …");
        Ok(TidalSource::Service(Box::new(service)))
    }

    /// The inputs of a command that needs no fresh reading: the last one does, where there is one.
    ///
    /// # Errors
    /// When the state database cannot be read.
    pub async fn at_hand(&self, inputs: &PlanInputs) -> Result<PlanInputs, CliError> {
        let named = inputs.desired.is_some() || self.policy.tidal.snapshot.is_some();
        let offline = inputs.offline || (!named && self.last_reading().await?.is_some());
        Ok(PlanInputs {
            offline,
            ..inputs.clone()
        })
    }

    /// The TIDAL service of the policy's account.
    ///
    /// # Errors
    /// When nobody is logged in.
    pub async fn service(&self, favorites: bool, ui: &Ui) -> Result<TidalService, CliError> {
        let wish = Wish {
            favorites,
            country: self.policy.tidal.country.clone(),
        };
        readings::service(Some(&self.store), &self.tidal_settings()?, wish, ui).await
    }

    /// How to reach TIDAL.
    ///
    /// # Errors
    /// When the environment names a host that cannot be used.
    pub fn tidal_settings(&self) -> Result<TidalSettings, CliError> {
        let place = self.settings.place(Some(&self.policy))?;
        readings::tidal_settings(&self.settings, &place)
    }

    /// The last complete reading of TIDAL that was saved.
    ///
    /// # Errors
    /// When the state database cannot be read.
    pub async fn last_reading(&self) -> Result<Option<TidalReading>, CliError> {
        Ok(readings::last(&self.store, &self.tidal_settings()?).await?)
    }

    /// What TIDAL holds as far as that is known without asking it: the policy's file, else the last
    /// reading.
    ///
    /// # Errors
    /// When the state database cannot be read.
    pub async fn known_reading(&self) -> Result<Option<TidalReading>, CliError> {
        match &self.policy.tidal.snapshot {
            Some(path) => {
                let file = SnapshotFile { path: path.clone() };
                Ok(file.read().await.ok().map(|read| read.value))
            }
            None => self.last_reading().await,
        }
    }

    /// Reads every world once. What the scan learnt is kept for the next one.
    ///
    /// # Errors
    /// When a source cannot be read at all.
    pub async fn observe(&mut self, tidal: &TidalSource) -> Result<Observation, CliError> {
        let observation = observe(
            tidal,
            &mut self.library,
            self.rekordbox.as_ref(),
            &self.store,
        )
        .await?;
        // A cache that cannot be written costs time and nothing else.
        let _ = self.library.save_cache(&cache_path(&self.db));
        Ok(observation)
    }

    /// Reads every file of the library anew and compares it with the hash that is remembered of it.
    ///
    /// # Errors
    /// When the library cannot be read.
    pub fn verify_files(&mut self) -> Result<Verified, CliError> {
        let scanned = self.library.scan()?;
        let verified = self.library.verify(&scanned.value.files);
        // A cache that cannot be written costs time and nothing else.
        let _ = self.library.save_cache(&cache_path(&self.db));
        Ok(verified)
    }

    /// Makes a plan.
    ///
    /// # Errors
    /// When a source cannot be read at all, or the library's marker is missing (TC101).
    pub async fn plan(&mut self, request: &Request, ui: &Ui) -> Result<Made, CliError> {
        self.require_canary().await?;
        let tidal = self.tidal(&request.inputs, ui).await?;
        let observation = self.look(&tidal, ui).await?;
        self.plan_from(request, observation, ui).await
    }

    /// Observes, and keeps what the service said.
    ///
    /// # Errors
    /// When a source cannot be read at all.
    pub async fn look(&mut self, tidal: &TidalSource, ui: &Ui) -> Result<Observation, CliError> {
        let observation = self.observe(tidal).await;
        ui.end_progress();
        let observation = observation?;
        if let TidalSource::Service(_) = tidal {
            self.keep_reading(&observation.tidal.value, ui).await;
        }
        Ok(observation)
    }

    /// Keeps a reading of TIDAL for `--offline` and the next quick one. It is a cache that lies in the state
    /// database: a command that only reads opens that for the moment, and writes nothing else.
    async fn keep_reading(&mut self, reading: &TidalReading, ui: &Ui) {
        if !self.store.only_reads() {
            return readings::keep(&mut self.store, reading, ui).await;
        }
        match readings::open_store(&self.settings, &self.db).await {
            Ok(mut store) => {
                readings::keep(&mut store, reading, ui).await;
                store.close().await;
            }
            Err(error) => ui.warning(format!("the reading of TIDAL could not be kept: {error}")),
        }
    }

    /// Makes a plan from what was read.
    ///
    /// # Errors
    /// When a playlist is named that nobody knows, or a file cannot be hashed.
    pub async fn plan_from(
        &mut self,
        request: &Request,
        mut observation: Observation,
        ui: &Ui,
    ) -> Result<Made, CliError> {
        tell_problems(&observation, ui);
        let allows = allows(&request.overrides);
        let mut request = request.clone();
        let body = loop {
            let (body, awaiting) = self
                .decide(&request, &mut observation, ui, |input| {
                    let planned = plan(input);
                    ((planned.body, planned.awaiting), planned.unhashed)
                })
                .await?;
            let granted = awaiting.granted(&self.policy, &allows);
            let leave = &mut request.leave;
            if granted.unprotect <= leave.unprotect && granted.work <= leave.work {
                break body;
            }
            leave.unprotect = leave.unprotect.max(granted.unprotect);
            leave.work = leave.work.max(granted.work);
        };
        let plan = self.sealed(body, &observation, &request.inputs);
        Ok(Made { plan, observation })
    }

    /// A plan of that body.
    #[must_use]
    pub fn sealed(&self, body: Body, observation: &Observation, inputs: &PlanInputs) -> Plan {
        canonical::seal(body, self.meta(observation, inputs))
    }

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

    /// Why TIDAL cannot be written, if it cannot: a plan from a file is about the file.
    fn tidal_is_read_only(&self, inputs: &PlanInputs) -> Option<String> {
        if !self.policy.tidal.cleanup.is_asked_for() {
            return None;
        }
        let from_file = self.policy.tidal.snapshot.is_some() && !inputs.offline;
        if inputs.desired.is_some() || from_file {
            return Some("TIDAL was read from a file, so it is not changed".to_owned());
        }
        let settings = self.tidal_settings().ok()?;
        match TidalService::open(&settings, ReadOptions::default()) {
            Ok(service) if service.may_write() => None,
            Ok(_) => Some("it needs a log-in with `tidal-cleanup login --write`".to_owned()),
            Err(error) => Some(format!("{error}; `tidal-cleanup login --write` logs in")),
        }
    }

    /// What changes TIDAL's playlists.
    ///
    /// # Errors
    /// When nobody is logged in, or without the permission.
    pub fn tidal_writer(&self) -> Result<Box<dyn TidalWriter>, CliError> {
        let options = ReadOptions {
            country: self.policy.tidal.country.clone(),
            ..ReadOptions::default()
        };
        let service = TidalService::open(&self.tidal_settings()?, options)?;
        Ok(Box::new(service.into_writer()?))
    }

    fn meta(&self, observation: &Observation, inputs: &PlanInputs) -> PlanMeta {
        let absolute = |path: &PathBuf| self.settings.around.absolute(path);
        PlanMeta {
            generated_at: Some(Timestamp::now()),
            tidal_taken_at: observation.tidal.value.taken_at,
            tool: concat!("tidal-cleanup ", env!("CARGO_PKG_VERSION")).to_owned(),
            tidal_file: inputs
                .desired
                .as_ref()
                .map(absolute)
                .map(|p| p.display().to_string()),
            ..PlanMeta::default()
        }
    }

    /// Nothing on a volume without the library's marker is planned or touched.
    ///
    /// # Errors
    /// TC101.
    pub async fn require_canary(&self) -> Result<(), CliError> {
        if self.library.canary()?.is_some() {
            return Ok(());
        }
        let known = self.store.meta().await?.library_id.is_some();
        Err(self.lost_library(known))
    }

    /// TC101; `known`: the library had its marker once.
    #[must_use]
    pub fn lost_library(&self, known: bool) -> CliError {
        let root = self.policy.library.root.as_path();
        let shown = root.display();
        let text = match root.is_dir() {
            true => format!("the library {shown} has no marker (.tidal-cleanup/library.toml)"),
            false => format!("the library {shown} is not there"),
        };
        let error = CliError::refused("TC101", text);
        match known {
            true => error
                .hint("connect its drive and try again; nothing was changed")
                .hint("if it lies elsewhere now, correct `[library] root` in the policy"),
            false => error
                .hint("a library that is new to this program gets its marker from `tidal-cleanup init`")
                .hint("if it is not new: is its drive mounted, is `[library] root` right?"),
        }
    }

    /// What earlier runs removed, for the rolling window: counted from their plans as a plan counts
    /// itself, for the journal has one row for a whole list.
    async fn past_removals(&self) -> Result<Vec<(Timestamp, u64)>, CliError> {
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
    async fn failed_fetches(&self) -> Result<FailedFetches, CliError> {
        let mut failed = FailedFetches::new();
        let filter = HistoryFilter {
            limit: 100_000,
            ..HistoryFilter::default()
        };
        for row in self.store.history(&filter).await? {
            if let (Some(track), Some(message)) = (&row.track, &row.error_message)
                && row.kind == "file.fetch"
                && row.status == OperationStatus::Failed
            {
                let on = row.at.to_zoned(jiff::tz::TimeZone::UTC).date();
                failed
                    .entry(TrackId::new(track.as_str()))
                    .and_modify(|known| known.add_older(on, message))
                    .or_insert_with(|| FailedFetch {
                        since: on,
                        last: on,
                        message: message.clone(),
                    });
            }
        }
        Ok(failed)
    }

    async fn files_before(&self) -> Result<Option<usize>, CliError> {
        let last = self.store.last_snapshot("local").await?;
        Ok(last.and_then(|snapshot| usize::try_from(snapshot.track_count).ok()))
    }

    /// The policy of the last apply, where it protected otherwise than this one (TC302).
    fn former_policy(&self) -> Option<Policy> {
        let text = std::fs::read_to_string(applied_policy_path(&self.db)).ok()?;
        let env = |name: &str| self.settings.around.variable(name);
        let parsed = Policy::parse(&self.policy.source.path, &text, &env, self.settings.home());
        // One that this version cannot read any more protects nothing that it could name.
        let (former, _) = parsed.ok()?;
        (former.source.sha256 != self.policy.source.sha256).then_some(former)
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

    /// The download command of the policy.
    #[must_use]
    pub fn downloader(&self) -> CommandDownloader {
        CommandDownloader::new(
            &self.policy.download,
            self.policy.matching.duration_tolerance,
        )
    }
}

/// Remembers how many files the library has, for gate TC102.
///
/// # Errors
/// When the state database cannot be written.
pub async fn keep_file_count(
    library: &mut LibraryFolder,
    store: &mut SqliteStore,
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

/// The scan's cache lies beside the state database; deleting it costs time only.
fn cache_path(db: &Path) -> PathBuf {
    db.with_extension("files.cache")
}

/// The policy of the last apply lies beside the state database.
fn applied_policy_path(db: &Path) -> PathBuf {
    db.with_extension("applied-policy.toml")
}

/// Where the Rekordbox library is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Located {
    /// There, and who says so.
    At(PathBuf, FoundBy),
    /// Nowhere; the default place.
    Missing(PathBuf),
    /// The policy leaves Rekordbox alone.
    Unwanted,
    /// Rekordbox does not run on this system, and no path is named.
    Elsewhere,
}

/// Who says where the library is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FoundBy {
    /// `--rekordbox`
    Flag,
    /// `[rekordbox] database`
    Policy,
    /// Rekordbox's own settings.
    Settings,
    /// The options of Rekordbox's agent.
    Options,
    /// It is in its default place.
    Default,
}

/// Looks for the Rekordbox library: flag, policy, Rekordbox's own settings, default places.
///
/// # Errors
/// When the settings name a library that is not there: another one is no substitute.
pub fn locate_rekordbox(policy: Option<&Policy>, settings: &Settings) -> Result<Located, CliError> {
    if let Some(path) = &settings.rekordbox {
        return Ok(Located::At(path.clone(), FoundBy::Flag));
    }
    match policy.map(|policy| &policy.rekordbox.database) {
        Some(RekordboxDatabase::None) => return Ok(Located::Unwanted),
        Some(RekordboxDatabase::At(path)) => {
            return Ok(Located::At(path.clone(), FoundBy::Policy));
        }
        Some(RekordboxDatabase::Auto) | None => {}
    }
    let app_data = settings.around.variable("APPDATA").map(PathBuf::from);
    let home = settings.around.home.as_deref();
    let Some(places) = locate::Places::of_this_system(home, app_data.as_deref()) else {
        return Ok(Located::Elsewhere);
    };
    match locate::find(&places) {
        Ok((path, source)) => Ok(Located::At(
            path,
            match source {
                locate::Source::Settings => FoundBy::Settings,
                locate::Source::Options => FoundBy::Options,
                locate::Source::Default => FoundBy::Default,
            },
        )),
        Err(RekordboxError::Missing(path)) => Ok(Located::Missing(path)),
        Err(error) => Err(error.into()),
    }
}

/// How a library is opened beside this state database. The last reading is kept there.
#[must_use]
pub fn rekordbox_options(
    settings: &Settings,
    db: &Path,
    policy: Option<&Policy>,
) -> MasterDbOptions {
    let mut options = MasterDbOptions::new(settings.backups(db));
    options.cache = Some(db.with_extension("rekordbox.cache"));
    if let Some(policy) = policy {
        options.keep = policy.rekordbox.backups;
    }
    options
}

fn open_rekordbox(
    policy: &Policy,
    settings: &Settings,
    db: &Path,
    ui: &Ui,
) -> Result<Option<MasterDb>, CliError> {
    match locate_rekordbox(Some(policy), settings)? {
        Located::At(path, _) => {
            let options = rekordbox_options(settings, db, Some(policy));
            Ok(Some(MasterDb::open(&path, options)?))
        }
        Located::Missing(_) => {
            ui.status("No Rekordbox library found; planning without it.");
            Ok(None)
        }
        Located::Elsewhere => {
            ui.detail("Rekordbox does not run on this system; name its library in `[rekordbox] database`.");
            Ok(None)
        }
        Located::Unwanted => Ok(None),
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

/// The overrides of the command line, with their reason.
#[must_use]
pub fn allows(overrides: &Overrides) -> Vec<Allow> {
    let because = overrides.because.clone().unwrap_or_default();
    let allow = |allowance: &Allowance| Allow {
        what: allowance.what,
        count: allowance.number,
        because: because.clone(),
    };
    overrides.allow.iter().map(allow).collect()
}

/// What could not be read goes to stderr, the first few of each source.
pub fn tell_problems(observation: &Observation, ui: &Ui) {
    let rekordbox = observation.rekordbox.iter().flat_map(|read| &read.problems);
    for problems in [
        observation.tidal.problems.iter().collect::<Vec<_>>(),
        observation.library.problems.iter().collect(),
        rekordbox.collect(),
    ] {
        let shown = if ui.is_verbose() { problems.len() } else { 5 };
        for problem in problems.iter().take(shown) {
            ui.warning(format!("{}: {}", problem.subject, problem.message));
        }
        if problems.len() > shown {
            ui.warning(format!(
                "{} more; `-v` shows them all",
                problems.len() - shown
            ));
        }
    }
}

impl Engine {
    /// The gates of the moment, which are no part of a plan: freeze, Rekordbox, room on the disk.
    #[must_use]
    pub fn moment(&self, plan: &Plan, overrides: &Overrides) -> Vec<Check> {
        let running = match &self.rekordbox {
            Some(rekordbox) if touches_rekordbox(plan) => rekordbox.running(),
            Some(_) | None => Ok(Vec::new()),
        };
        let running = running.map_err(|error| error.to_string());
        let needed = plan
            .body
            .actions
            .iter()
            .map(|action| action.estimate.bytes_down)
            .sum();
        let frozen = HandFreeze::read(&self.db).map_err(|error| error.to_string());
        let exports = self.exports();
        let moment = Moment {
            hand_freeze: match &frozen {
                Ok(freeze) => Ok(freeze.as_ref().map(|freeze| guard::HandFreeze {
                    until: freeze.until,
                    because: &freeze.because,
                })),
                Err(reason) => Err(reason),
            },
            exports: &exports,
            allow: &allows(overrides),
            now: &Zoned::now(),
            rekordbox: running.as_deref().map_err(String::as_str),
            free: self.library.free_bytes().ok(),
            needed,
        };
        guard::moment(&self.policy, &plan.body.actions, &moment)
    }

    /// Mounted volumes with a Rekordbox export; not the ones that hold the library or Rekordbox's own
    /// database, which an apply is about.
    fn exports(&self) -> Vec<String> {
        let around = &self.settings.around;
        let named = around.variable("TIDAL_CLEANUP_VOLUMES").map(PathBuf::from);
        let user = around.variable("USER");
        let database = self.rekordbox.as_ref().map(|rekordbox| rekordbox.path());
        let ours = |volume: &Path| {
            self.policy.library.root.starts_with(volume)
                || database.is_some_and(|path| path.starts_with(volume))
        };
        exports::mounted(named.as_deref(), user.as_deref())
            .into_iter()
            .filter(|volume| !ours(volume))
            .map(|volume| volume.display().to_string())
            .collect()
    }

    /// TIDAL asked again, from where the plan had it; `None` when nobody can be asked.
    ///
    /// # Errors
    /// When it is asked and does not answer.
    pub async fn fresh_reading(
        &self,
        plan: &Plan,
        ui: &Ui,
    ) -> Result<Option<TidalReading>, CliError> {
        let file = plan.meta.tidal_file.as_ref().map(PathBuf::from);
        let inputs = PlanInputs {
            desired: file,
            ..PlanInputs::default()
        };
        let source = self.tidal(&inputs, ui).await?;
        let observed = source.read().await;
        ui.end_progress();
        let observed = observed?;
        Ok(observed.is_complete().then_some(observed.value))
    }

    /// The reading, with the lists that the plan changes in TIDAL read again for certain: whether a
    /// list's time moves with every change of it is not known.
    ///
    /// # Errors
    /// When TIDAL is asked and does not answer.
    pub async fn with_lists(
        &self,
        plan: &Plan,
        reading: Option<TidalReading>,
        ui: &Ui,
    ) -> Result<Option<TidalReading>, CliError> {
        let pre = plan.body.actions.iter().flat_map(|action| &action.pre);
        let lists: BTreeSet<&PlaylistId> = pre
            .filter_map(|pre| match pre {
                Precondition::TidalList { playlist, .. } => Some(playlist),
                _ => None,
            })
            .collect();
        if lists.is_empty() {
            return Ok(reading);
        }
        let mut reading = reading.unwrap_or(TidalReading {
            taken_at: None,
            // Of this nothing may be concluded about other lists.
            complete: false,
            user: None,
            playlists: Vec::new(),
            favorites: None,
        });
        ui.status("Looking at the playlists in TIDAL that will change …");
        let tidal = self.tidal_writer()?;
        for id in lists {
            let items = tidal.entries(id).await?;
            let name = plan.body.playlists.get(id).map(|list| list.name.clone());
            let list = Playlist {
                id: id.clone(),
                name: name.unwrap_or_else(|| id.to_string()),
                description: String::new(),
                last_modified_at: None,
                number_of_items: u32::try_from(items.len()).ok(),
                complete: true,
                items,
            };
            match reading.playlists.iter_mut().find(|it| it.id == *id) {
                Some(known) => known.items = list.items,
                None => reading.playlists.push(list),
            }
        }
        Ok(Some(reading))
    }

    /// Who runs this: the system's user name.
    #[must_use]
    pub fn who(&self) -> String {
        let names = ["USER", "LOGNAME", "USERNAME"];
        names
            .iter()
            .find_map(|name| self.settings.around.variable(name))
            .unwrap_or_default()
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

fn touches_rekordbox(plan: &Plan) -> bool {
    plan.body
        .actions
        .iter()
        .any(|action| action.effect.kind().starts_with("rb."))
}
