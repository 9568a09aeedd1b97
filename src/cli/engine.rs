//! Opens the worlds that the policy names, and runs the stages over them. The one place that knows all
//! of them; every command goes through it.

mod decide;
mod estimate;
mod moment;
mod past;
mod rekordbox;
mod tidal;
mod unchanged;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use crate::{
    cli::{
        args::{Allowance, Overrides, PlanInputs},
        error::{CliError, Kind},
        readings, server,
        settings::Settings,
        ui::Ui,
        view::text::count,
    },
    domain::{LibraryId, MediaPath, Problem, TidalReading, TrackId},
    edge::{
        download::command::CommandDownloader,
        local::{
            LocalReader as _,
            cache::FileCache,
            folder::{LibraryFolder, Verified},
        },
        rekordbox::masterdb::MasterDb,
        store::{StateReader as _, Store, StoreError},
    },
    observe::{Observation, observe},
    plan::{
        Plan, canonical,
        document::{Body, Mode, PlanMeta},
        guard::{Allow, Leave},
    },
    policy::Policy,
};

pub use decide::{Evidence, Learn, plan_over};
pub use past::{FailedFetches, former_of, keep_file_count};
pub use rekordbox::{FoundBy, Located, locate_rekordbox, rekordbox_options};
pub use tidal::TidalSource;

/// The worlds of one policy, open.
pub struct Engine {
    pub policy: Policy,
    pub settings: Settings,
    pub store: Store,
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
    /// Counts what could not be read, instead of naming it: `plan` does that.
    pub brief: bool,
}

/// What is to be done with the state database.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    /// Written as that of this library, whether its drive is here or not.
    For(Option<LibraryId>),
}

/// A plan and what it was made from.
pub struct Made {
    pub plan: Plan,
    pub observation: Observation,
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
    Ok(loaded.policy)
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
        Self::with(policy, settings, ui, Access::Write).await
    }

    /// Opens the worlds of the policy for a command that only reads: the state refuses every write.
    ///
    /// # Errors
    /// When one of them cannot be opened.
    pub async fn look_at(settings: &Settings, ui: &Ui) -> Result<Self, CliError> {
        let policy = load_policy(settings, ui)?;
        Self::look_with(policy, settings, ui).await
    }

    /// The same with this policy.
    ///
    /// # Errors
    /// When one of them cannot be opened.
    pub async fn look_with(policy: Policy, settings: &Settings, ui: &Ui) -> Result<Self, CliError> {
        Self::with(policy, settings, ui, Access::Read).await
    }

    /// Opens the worlds of this policy as somebody who agrees to a plan of that library, whose drive may
    /// be on another machine.
    ///
    /// # Errors
    /// When one of them cannot be opened, or the state is of another library.
    pub async fn of_library(
        policy: Policy,
        settings: &Settings,
        ui: &Ui,
        library: Option<LibraryId>,
    ) -> Result<Self, CliError> {
        let engine = Self::with(policy, settings, ui, Access::For(library.clone())).await?;
        let known = engine.store.meta().await?.library_id;
        match (known, library) {
            (Some(expected), Some(found)) if expected != found => {
                Err(StoreError::OtherLibrary { expected, found }.into())
            }
            _ => Ok(engine),
        }
    }

    async fn with(
        policy: Policy,
        settings: &Settings,
        ui: &Ui,
        access: Access,
    ) -> Result<Self, CliError> {
        let db = settings.place(Some(&policy))?.db;
        let sources: Vec<PathBuf> = policy
            .library
            .sources
            .iter()
            .map(|source| source.path.clone())
            .collect();
        let cache = FileCache::load(&cache_path(&db));
        let library = LibraryFolder::new(&policy.library.root, &sources, cache)
            .with_hashes(policy.library.hash_always);
        let store = match server::address(settings, Some(&policy)) {
            Some(url) => {
                let marker = match access {
                    Access::For(library) => server::Whose::Named(library),
                    Access::Read | Access::Write => server::Whose::Marked(library.canary()?),
                };
                server::open(settings, &db, &url, marker).await?
            }
            None => match access {
                Access::Read => readings::look_at_store(settings, &db).await?,
                Access::Write | Access::For(_) => readings::open_store(settings, &db).await?,
            },
        };
        let rekordbox = rekordbox::open_rekordbox(&policy, settings, &db, ui)?;
        Ok(Self {
            policy,
            settings: settings.clone(),
            store,
            library,
            rekordbox,
            db,
        })
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
        if !self.store.is_undisturbed() {
            let text = "the state database was written while it was read";
            return Err(CliError::message(Kind::World, text).hint("type the same again"));
        }
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

    /// Where the state is, as it may be shown: a server's address without a password, or a file.
    pub fn state_shown(&self) -> String {
        match self.store.server() {
            Some(server) => server.to_owned(),
            None => self.db.display().to_string(),
        }
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
        let said = warnings_of(problems(&observation), request.brief, ui);
        said.into_iter().for_each(|text| ui.warning(text));
        let evidence = self.evidence(&request.inputs).await?;
        let policy = self.policy.clone();
        let mut learn = |paths: &BTreeSet<MediaPath>, observation: &mut Observation| {
            self.learn_hashes(paths, observation, ui)
                .map(CliError::from)
        };
        let body = plan_over(
            &policy,
            &evidence,
            request,
            &mut observation,
            ui,
            &mut learn,
        )?;
        let mut plan = self.sealed(body, &observation, &request.inputs);
        plan.meta.estimates = self.estimates(&plan).await;
        Ok(Made { plan, observation })
    }

    /// A plan of that body.
    #[must_use]
    pub fn sealed(&self, body: Body, observation: &Observation, inputs: &PlanInputs) -> Plan {
        canonical::seal(body, self.meta(observation, inputs))
    }

    fn meta(&self, observation: &Observation, inputs: &PlanInputs) -> PlanMeta {
        meta_of(&self.settings, &self.policy, observation, inputs)
    }

    /// The text of the policy of the last apply, where there was one.
    #[must_use]
    pub fn applied_policy(&self) -> Option<String> {
        std::fs::read_to_string(past::applied_policy_path(&self.db)).ok()
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

    /// The download command of the policy.
    #[must_use]
    pub fn downloader(&self) -> CommandDownloader {
        CommandDownloader::new(
            &self.policy.download,
            self.policy.matching.duration_tolerance,
        )
    }

    /// Who runs this: the system's user name.
    #[must_use]
    pub fn who(&self) -> String {
        who(&self.settings)
    }
}

/// Who runs this: the system's user name.
#[must_use]
pub fn who(settings: &Settings) -> String {
    let names = ["USER", "LOGNAME", "USERNAME"];
    names
        .iter()
        .find_map(|name| settings.around.variable(name))
        .unwrap_or_default()
}

/// What varies from run to run of a plan made now.
#[must_use]
pub fn meta_of(
    settings: &Settings,
    policy: &Policy,
    observation: &Observation,
    inputs: &PlanInputs,
) -> PlanMeta {
    let absolute = |path: &PathBuf| settings.around.absolute(path);
    PlanMeta {
        generated_at: Some(Timestamp::now()),
        tidal_taken_at: observation.tidal.value.taken_at,
        download: policy.download.fingerprint(),
        tool: concat!("tidal-cleanup ", env!("CARGO_PKG_VERSION")).to_owned(),
        tidal_file: inputs
            .desired
            .as_ref()
            .map(absolute)
            .map(|p| p.display().to_string()),
        ..PlanMeta::default()
    }
}

/// The scan's cache lies beside the state database; deleting it costs time only.
fn cache_path(db: &Path) -> PathBuf {
    db.with_extension("files.cache")
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

/// What could not be read, by source.
fn problems(observation: &Observation) -> [&[Problem]; 3] {
    let rekordbox = observation.rekordbox.as_ref();
    [
        &observation.tidal.problems,
        &observation.library.problems,
        rekordbox.map_or(&[], |read| &read.problems),
    ]
}

/// What is said of it. In brief its number alone: who looks at it every day knows the names. Else the first few of
/// each source, and with `-v` all.
fn warnings_of(problems: [&[Problem]; 3], brief: bool, ui: &Ui) -> Vec<String> {
    let all: usize = problems.iter().map(|of| of.len()).sum();
    if brief && !ui.is_verbose() {
        let things = count(all, "thing is", "things are");
        let text =
            format!("{things} damaged or cannot be read; `tidal-cleanup plan -v` names them");
        return (all > 0).then_some(text).into_iter().collect();
    }
    let mut said = Vec::new();
    for problems in problems {
        let shown = if ui.is_verbose() { problems.len() } else { 5 };
        let some = problems.iter().take(shown);
        said.extend(some.map(|problem| format!("{}: {}", problem.subject, problem.message)));
        if let Some(more @ 1..) = problems.len().checked_sub(shown) {
            said.push(format!("{more} more; `-v` shows them all"));
        }
    }
    said
}

/// What could not be read goes to stderr, the first few of each source.
pub fn tell_problems(observation: &Observation, ui: &Ui) {
    let said = warnings_of(problems(observation), false, ui);
    said.into_iter().for_each(|text| ui.warning(text));
}
