//! `rekordbox …`: the DJ's library itself. Works without a policy, for whoever only wants to look at it
//! or go back to a backup.

use jiff::Timestamp;

use crate::{
    cli::{
        args::{RekordboxCommand, RestoreArgs},
        engine::{FoundBy, Located, load_policy, locate_rekordbox, rekordbox_options, who},
        error::{CliError, Exit, Kind},
        readings, server,
        settings::Settings,
        ui::Ui,
        view::{
            Envelope,
            rekordbox::{Counts, OurShare, RekordboxStatus, Restore, Running},
            text,
        },
    },
    domain::{Collection, State},
    edge::{
        local::canary,
        rekordbox::{Backup, MasterDb, RekordboxError, RekordboxReader as _},
        store::{
            ApplyStatus, Intent, NewApply, OperationStatus, Settlement, StateReader as _,
            StateStore as _, Store, lock::RunLock,
        },
    },
    plan::{
        canonical::canonical,
        document::{Base, PolicyInput},
    },
    policy::Policy,
    record::restored,
};

/// `rekordbox …`
///
/// # Errors
/// When there is no library, or it cannot be read or written.
pub async fn rekordbox(
    settings: &Settings,
    ui: &Ui,
    command: &RekordboxCommand,
) -> Result<Exit, CliError> {
    match command {
        RekordboxCommand::Status => status(settings, ui).await,
        RekordboxCommand::Backup => backup(settings, ui).await,
        RekordboxCommand::Restore(args) => restore(settings, ui, args).await,
        RekordboxCommand::Export(args) => super::rekordbox_export::export(settings, ui, args).await,
    }
}

/// What is to be done with the state.
#[derive(Clone, Copy, Debug)]
enum Access {
    Read,
    Write,
}

/// The library, and what stands around it.
pub(super) struct Desk {
    policy: Option<Policy>,
    db: std::path::PathBuf,
    pub(super) library: MasterDb,
    found_by: FoundBy,
}

impl Desk {
    pub(super) fn open(settings: &Settings, ui: &Ui) -> Result<Self, CliError> {
        let policy = policy(settings, ui)?;
        let db = settings.place(policy.as_ref())?.db;
        let (path, found_by) = match locate_rekordbox(policy.as_ref(), settings)? {
            Located::At(path, by) => (path, by),
            Located::Missing(path) => return Err(RekordboxError::Missing(path).into()),
            Located::Unwanted => {
                return Err(
                    CliError::user("the policy says `[rekordbox] database = \"none\"`")
                        .hint("name a library with `--rekordbox PATH`"),
                );
            }
            Located::Elsewhere => {
                return Err(CliError::user("Rekordbox does not run on this system")
                    .hint("name a library with `--rekordbox PATH`, or in `[rekordbox] database`"));
            }
        };
        let options = rekordbox_options(settings, &db, policy.as_ref());
        let library = MasterDb::open(&path, options)?;
        Ok(Self {
            policy,
            db,
            library,
            found_by,
        })
    }

    /// What the state remembers; nothing where there is none yet. It is not made for this.
    async fn state(&self, settings: &Settings, ui: &Ui) -> Option<State> {
        let state = match self.store(settings, Access::Read).await {
            Ok(None) => return None,
            Ok(Some(store)) => {
                let state = store.state().await.map_err(CliError::from);
                store.close().await;
                state
            }
            Err(error) => Err(error),
        };
        match state {
            Ok(state) => Some(state),
            Err(error) => {
                ui.warning(error);
                None
            }
        }
    }

    /// The state, on a server or in a file; `None` where there is no file yet. It is not made for this.
    async fn store(&self, settings: &Settings, access: Access) -> Result<Option<Store>, CliError> {
        if let Some(url) = server::address(settings, self.policy.as_ref()) {
            let root = self.policy.as_ref().map(|policy| &policy.library.root);
            // A library whose drive is away is the one that this machine worked with last.
            let marker = root.and_then(|root| canary::read(root).ok().flatten());
            let whose = server::Whose::Marked(marker);
            let store = server::open(settings, &self.db, &url, whose).await?;
            return Ok(Some(store));
        }
        if !self.db.exists() {
            return Ok(None);
        }
        Ok(Some(match access {
            Access::Read => readings::look_at_present(settings, &self.db).await?,
            Access::Write => readings::open_store(settings, &self.db).await?,
        }))
    }
}

/// The policy, if there is one. A named one must be there.
pub(super) fn policy(settings: &Settings, ui: &Ui) -> Result<Option<Policy>, CliError> {
    match settings.policy_path() {
        Err(error) if settings.policy.is_some() => Err(error),
        Err(_) => Ok(None),
        Ok(_) => load_policy(settings, ui).map(Some),
    }
}

async fn status(settings: &Settings, ui: &Ui) -> Result<Exit, CliError> {
    let desk = Desk::open(settings, ui)?;
    let library = &desk.library;
    let observed = library
        .read()
        .await
        .map_err(|error| damaged(error, ui, library))?;
    let facts = library.facts().await?;
    let state = desk.state(settings, ui).await;
    let running = match library.running() {
        Ok(names) => Running {
            names,
            unknown: None,
        },
        Err(error) => Running {
            names: Vec::new(),
            unknown: Some(error.to_string()),
        },
    };
    let collection = &observed.value;
    let status = RekordboxStatus {
        path: library.path().to_owned(),
        found_by: desk.found_by,
        schema: collection.schema.into(),
        app_version: collection.app_version.clone(),
        counts: Counts::of(collection),
        ours: state.as_ref().map(|state| OurShare::of(state, collection)),
        cloud_sync: collection.cloud_sync,
        writes: desk.policy.as_ref().map(|policy| policy.rekordbox.write),
        leftover_wal: library.leftover_wal().filter(|_| running.is_nobody()),
        facts,
        running,
        backup_folder: library.backups(),
        backups: library.backup_list(),
        problems: observed
            .problems
            .iter()
            .map(|p| format!("{}: {}", p.subject, p.message))
            .collect(),
    };
    ui.answer_either(
        status.view(ui.look()),
        &Envelope::new("rekordbox-status", &status),
    )?;
    Ok(Exit::Done)
}

/// A library that cannot be read, and the way back.
fn damaged(error: RekordboxError, ui: &Ui, library: &MasterDb) -> CliError {
    let error = CliError::from(error);
    match library.backup_list().first() {
        Some(newest) => error.hint(format!(
            "the newest backup is of {} ({}): `tidal-cleanup rekordbox restore` goes back to it, `… restore --dry-run` says what that would lose",
            ui.look().time(newest.at),
            newest.name
        )),
        None => error,
    }
}

async fn backup(settings: &Settings, ui: &Ui) -> Result<Exit, CliError> {
    let desk = Desk::open(settings, ui)?;
    let made = desk.library.back_up(Timestamp::now()).await?;
    let said = format!(
        "Saved and verified {} ({}).",
        made.path.display(),
        text::bytes(made.bytes)
    );
    ui.answer_either(said, &Envelope::new("rekordbox-backup", &made))?;
    if !made.has_xml {
        ui.warning("there was no masterPlaylists6.xml beside the database to back up");
    }
    Ok(Exit::Done)
}

async fn restore(settings: &Settings, ui: &Ui, args: &RestoreArgs) -> Result<Exit, CliError> {
    let mut desk = Desk::open(settings, ui)?;
    let backups = desk.library.backup_list();
    let chosen = choose(&backups, args.backup.as_deref())?.clone();
    let mut held = match args.dry_run {
        true => None,
        false => lock(settings, &desk, args).await?,
    };
    let loss = desk.library.loss(&chosen).await?;
    let nothing = loss
        .as_ref()
        .is_some_and(crate::edge::rekordbox::Loss::is_empty);
    let report = Restore {
        backup: chosen.clone(),
        loss,
        saved: None,
    };
    if args.dry_run {
        ui.answer_either(
            report.view(ui.look()),
            &Envelope::new("rekordbox-restore", &report),
        )?;
        return Ok(Exit::Done);
    }
    // Rekordbox is refused before anybody has to answer.
    let running = desk.library.running()?;
    if !running.is_empty() {
        return Err(RekordboxError::Running(running.join(", ")).into());
    }
    if ui.is_json() {
        ui.detail(report.view(ui.look()));
    } else {
        ui.answer(report.view(ui.look()))?;
    }
    agree(ui, args, nothing)?;
    let before = desk.library.read().await.ok().map(|read| read.value);
    let saved = desk.library.restore(&chosen, Timestamp::now()).await?;
    if let Some((store, _)) = &mut held {
        remember(settings, store, &desk, &chosen, before.as_ref()).await?;
    }
    if let Some((store, lock)) = held {
        store.close().await;
        drop(lock);
    }
    let report = Restore {
        saved: Some(saved.clone()),
        ..report
    };
    let said = format!(
        "Rekordbox is as of {}.\nWhat it was before is saved in {}.",
        ui.look().time(chosen.at),
        saved.display()
    );
    ui.answer_either(said, &Envelope::new("rekordbox-restore", &report))?;
    if let Some(name) = saved.file_name().and_then(|name| name.to_str()) {
        ui.hint(format!(
            "`tidal-cleanup rekordbox restore {name}` goes back again"
        ));
    }
    Ok(Exit::Done)
}

fn choose<'b>(backups: &'b [Backup], wanted: Option<&str>) -> Result<&'b Backup, CliError> {
    let Some(newest) = backups.first() else {
        return Err(CliError::user("there is no backup of this library")
            .hint("`tidal-cleanup rekordbox backup` makes one; so does every apply that writes to Rekordbox"));
    };
    let Some(wanted) = wanted else {
        return Ok(newest);
    };
    let exact =
        |backup: &&Backup| backup.name == wanted || backup.path == std::path::Path::new(wanted);
    if let Some(backup) = backups.iter().find(exact) {
        return Ok(backup);
    }
    let found: Vec<&Backup> = backups
        .iter()
        .filter(|backup| !wanted.is_empty() && backup.name.starts_with(wanted))
        .collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(CliError::user(format!("there is no backup {wanted:?}"))
            .hint("`tidal-cleanup rekordbox status` lists them")),
        several => Err(
            CliError::user(format!("{} backups begin with {wanted:?}", several.len()))
                .hint("`tidal-cleanup rekordbox status` lists them; name one of them whole"),
        ),
    }
}

/// No apply may run meanwhile, and none may be half done: its journal speaks of the present rows. Returns
/// the state, and the lock on it; `None` where there is no state.
async fn lock(
    settings: &Settings,
    desk: &Desk,
    args: &RestoreArgs,
) -> Result<Option<(Store, RunLock)>, CliError> {
    let on_server = server::address(settings, desk.policy.as_ref()).is_some();
    if !on_server && !desk.db.exists() {
        return Ok(None);
    }
    let folder = Settings::state_dir(&desk.db);
    std::fs::create_dir_all(&folder)
        .map_err(|error| CliError::file("make the folder", &folder, error))?;
    let lock = RunLock::acquire(&desk.db, None, args.lock_timeout).await?;
    let Some(mut store) = desk.store(settings, Access::Write).await? else {
        return Ok(None);
    };
    if on_server && store.meta().await?.library_id.is_none() {
        // A server knows nothing of a library that it was never told of.
        store.close().await;
        return Ok(None);
    }
    store.lock(args.lock_timeout).await?;
    match store.unfinished().await? {
        Some(row) => {
            let mut error = CliError::message(
                Kind::Unfinished,
                format!("apply {} was interrupted", row.id),
            );
            error.hints = crate::cli::error::unfinished_hints();
            Err(error)
        }
        None => Ok(Some((store, lock))),
    }
}

fn agree(ui: &Ui, args: &RestoreArgs, nothing: bool) -> Result<(), CliError> {
    if args.yes {
        return Ok(());
    }
    if !ui.can_ask() {
        return Err(CliError::message(
            Kind::Declined,
            "nobody was there to ask, so nothing was changed",
        )
        .hint("`--yes` agrees to it, `--dry-run` only shows it"));
    }
    let (question, expected) = match nothing {
        true => ("Restore it all the same? [y/N]", "y"),
        false => ("Restore this backup? Type yes", "yes"),
    };
    match ui.confirm(question, expected)? {
        true => Ok(()),
        false => Err(CliError::declined()),
    }
}

/// Writes the restore into the history, and brings the memory in line.
async fn remember(
    settings: &Settings,
    store: &mut Store,
    desk: &Desk,
    backup: &Backup,
    before: Option<&Collection>,
) -> Result<(), CliError> {
    let Some(policy) = &desk.policy else {
        return Ok(());
    };
    let after = desk.library.read().await?.value;
    let state = store.state().await?;
    let base = Base {
        library_id: state.meta.library_id.clone(),
        lineage: state.meta.lineage.clone(),
        serial: state.meta.serial,
        schema_version: state.meta.schema_version,
    };
    let source = &policy.source;
    let input = PolicyInput {
        path: source
            .path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        sha256: source.sha256,
        settings: std::collections::BTreeMap::new(),
    };
    let as_of = jiff::Zoned::now().date().to_string();
    let plan = restored::plan(input, base, as_of);
    let at = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or_default();
    let new = NewApply {
        mode: restored::MODE.to_owned(),
        digest: plan.digest.clone(),
        policy_sha256: plan.body.inputs.policy.sha256.to_string(),
        who: who(settings),
        undoes: None,
        plan: canonical(&plan),
    };
    let id = store
        .begin_apply(new, &[restored::operation(&backup.name)], at)
        .await?;
    let image = serde_json::json!({ "backup": backup.name });
    let intent = Intent {
        seq: 0,
        pre_image: image.clone(),
    };
    store.intend(id, &[intent], at).await?;
    let settlement = Settlement {
        seq: 0,
        status: OperationStatus::Completed,
        pre_image: None,
        post_image: Some(image),
        trash_path: None,
        error_message: None,
        rows: restored::rows(&state, before, &after),
    };
    store.settle(id, &[settlement], at).await?;
    store.finish_apply(id, ApplyStatus::Completed, at).await?;
    Ok(())
}
