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
        error::CliError,
        readings::{self, Wish},
        select::PlaylistSelector,
        settings::Settings,
        ui::Ui,
    },
    desired::desire,
    diff::{diff, identity},
    domain::{Observed, PlaylistId, TidalReading},
    edge::{
        download::command::CommandDownloader,
        local::{LocalReader as _, cache::FileCache, folder::LibraryFolder},
        rekordbox::{
            RekordboxError, RekordboxReader as _, exports, locate,
            masterdb::{MasterDb, MasterDbOptions},
        },
        store::{
            ApplyRow, ApplyStatus, NewSnapshot, OperationStatus, StateReader as _, StateStore as _,
            freeze::HandFreeze, sqlite::SqliteStore,
        },
        tidal::{
            SnapshotFile, TidalApi, TidalError, TidalMemory, TidalService, TidalSettings, snapshot,
        },
    },
    observe::{Observation, observe},
    plan::{
        Conditions, Plan, PlanInput, canonical,
        document::{Check, Mode, PlanMeta},
        guard::{self, Allow, Leave, Managed, Moment, Removals},
        plan, protected,
    },
    policy::{Outcome, Policy, RekordboxDatabase},
};

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
        (policy.rekordbox.xml.is_some(), "`[rekordbox] xml`"),
        (upgrades, "a rule's `upgrade` (the file stays as it is)"),
    ];
    parts
        .into_iter()
        .filter(|(asked, _)| *asked)
        .map(|(_, part)| part)
        .collect()
}

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
        if settings.database_url.is_some() {
            return Err(CliError::config("TIDAL_CLEANUP_DATABASE_URL is set, and this version keeps its state in SQLite only")
                .hint("unset it, and name the file with `--db PATH` or TIDAL_CLEANUP_DB_PATH"));
        }
        let db = settings.place(Some(&policy))?.db;
        let store = readings::open_store(settings, &db).await?;
        let sources: Vec<PathBuf> = policy
            .library
            .sources
            .iter()
            .map(|source| source.path.clone())
            .collect();
        let cache = FileCache::load(&cache_path(&db));
        let library = LibraryFolder::new(&policy.library.root, &sources, cache);
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

    /// Makes a plan.
    ///
    /// # Errors
    /// When a source cannot be read at all, or the library's marker is missing (TC101).
    pub async fn plan(&mut self, request: &Request, ui: &Ui) -> Result<Made, CliError> {
        self.require_canary().await?;
        let tidal = self.tidal(&request.inputs, ui).await?;
        let observation = self.observe(&tidal).await;
        ui.end_progress();
        let observation = observation?;
        if let TidalSource::Service(_) = tidal {
            readings::keep(&mut self.store, &observation.tidal.value, ui).await;
        }
        self.plan_from(request, observation, ui).await
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
        let as_of = request.inputs.as_of.unwrap_or_else(|| Zoned::now().date());
        let past_removals = self.past_removals().await?;
        let files_before = self.files_before().await?;
        let scope = scope(&request.inputs.playlists, &observation)?;
        let decisions = BTreeMap::new();
        let former = self.former_policy();
        let mut leave = Leave::default();
        loop {
            let former = former.as_ref().filter(|_| leave.unprotect == 0);
            let shield = protected(&self.policy, former, &observation);
            let reading = &observation.tidal.value;
            let library = &observation.library.value;
            let state = &observation.state;
            let desired = desire(&self.policy, reading, state, library, &shield);
            let tracks: Vec<_> = desired.tracks.values().map(|want| &want.track).collect();
            let identities = identity::identify(
                &tracks,
                &library.files,
                state,
                &decisions,
                &self.policy.matching,
            );
            let planned = plan(&PlanInput {
                policy: &self.policy,
                observation: &observation,
                desired: &desired,
                changes: diff(&desired, state, reading.complete),
                identities: &identities,
                scope: scope.clone(),
                mode: request.mode.unwrap_or(Mode::Normal),
                as_of,
                tidal_hash: snapshot::content_hash(reading),
                past_removals: past_removals.clone(),
                files_before,
                allows: allows(&request.overrides),
                conditions: Conditions {
                    former,
                    require_decisions: request.inputs.require_decisions,
                    leave,
                },
            });
            let granted = planned
                .awaiting
                .granted(&self.policy, &allows(&request.overrides));
            let more = granted.unprotect > leave.unprotect || granted.work > leave.work;
            if more && planned.unhashed.is_empty() {
                leave.unprotect = leave.unprotect.max(granted.unprotect);
                leave.work = leave.work.max(granted.work);
                continue;
            }
            if planned.unhashed.is_empty() {
                let meta = self.meta(&observation, &request.inputs);
                let plan = canonical::seal(planned.body, meta);
                return Ok(Made { plan, observation });
            }
            for path in &planned.unhashed {
                let hash = self.library.hash(path)?;
                let files = &mut observation.library.value.files;
                if let Ok(at) = files.binary_search_by(|file| file.path.cmp(path))
                    && let Some(file) = files.get_mut(at)
                {
                    file.hash = Some(hash);
                }
            }
        }
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
            let removals = Removals::of(&actions, &plan.body.changes, &Managed::default());
            past.push((run.started_at, removals.total() as u64));
        }
        Ok(past)
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

fn open_rekordbox(
    policy: &Policy,
    settings: &Settings,
    db: &Path,
    ui: &Ui,
) -> Result<Option<MasterDb>, CliError> {
    let options = MasterDbOptions::new(settings.backups(db));
    let path = match &policy.rekordbox.database {
        RekordboxDatabase::None => return Ok(None),
        RekordboxDatabase::At(path) => path.clone(),
        RekordboxDatabase::Auto => {
            let app_data = settings.around.variable("APPDATA").map(PathBuf::from);
            let home = settings.around.home.as_deref();
            let Some(places) = locate::Places::of_this_system(home, app_data.as_deref()) else {
                ui.detail("Rekordbox does not run on this system; name its library in `[rekordbox] database`.");
                return Ok(None);
            };
            match locate::locate(&places) {
                Ok(path) => path,
                Err(RekordboxError::Missing(_)) => {
                    ui.status("No Rekordbox library found; planning without it.");
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
    };
    Ok(Some(MasterDb::open(&path, options)?))
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
fn tell_problems(observation: &Observation, ui: &Ui) {
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
