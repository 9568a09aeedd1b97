//! `db restore`: back to a backup of the state. It works on a database that cannot be opened any more.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    cli::{
        args::StateRestoreArgs,
        error::{CliError, Exit, Kind, unfinished_hints},
        settings::Settings,
        ui::Ui,
        view::{Envelope, text::count},
    },
    domain::ApplyId,
    edge::store::{
        RunLock, StateReader as _, StoreOptions,
        sqlite::{self, SqliteReader},
    },
};

/// What a backup holds, beside what is there now.
#[derive(Debug, Serialize)]
struct Restore {
    backup: PathBuf,
    /// Closed runs that the backup has.
    serial: i64,
    /// Applies that will be forgotten: they cannot be undone any more.
    loses: Vec<ApplyId>,
    tracks: (usize, usize),
    playlists: (usize, usize),
    /// Why the present database cannot be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
    /// An apply that is neither finished nor taken back, and would lose its journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    unfinished: Option<ApplyId>,
    /// Why it is restored all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
    /// Where the present state was saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    saved: Option<PathBuf>,
}

/// `db restore`
///
/// # Errors
/// When there is no such backup, it does not verify, or the answer is no.
pub async fn restore(
    settings: &Settings,
    ui: &Ui,
    args: &StateRestoreArgs,
) -> Result<Exit, CliError> {
    if settings.database_url.is_some() {
        return Err(CliError::config(
            "the state is in PostgreSQL (TIDAL_CLEANUP_DATABASE_URL), which has its own backups",
        )
        .hint("`pg_restore` brings one back; `tidal-cleanup db restore` is for a SQLite file"));
    }
    let policy = super::rekordbox::policy(settings, ui)?;
    let db = settings.place(policy.as_ref())?.db;
    let backup = choose(settings, &db, args.file.as_deref())?;
    let lock = match args.dry_run {
        true => None,
        false => Some(RunLock::acquire(&db, None, args.lock_timeout).await?),
    };
    let mut report = compare(&db, backup).await?;
    report.refuse_unfinished(args)?;
    if ui.is_json() {
        ui.detail(report.told());
    } else {
        ui.answer(report.told())?;
    }
    if args.dry_run {
        if ui.is_json() {
            ui.answer_either("", &Envelope::new("db-restore", &report))?;
        }
        return Ok(Exit::Done);
    }
    agree(ui, args)?;
    let options = StoreOptions::new(settings.backups(&db), Timestamp::now());
    let saved = sqlite::restore(&db, &report.backup, &options).await?;
    drop(lock);
    let said = match &saved {
        Some(saved) => format!(
            "The state is as of {}.\nWhat it was before is saved in {}.",
            report.backup.display(),
            saved.display()
        ),
        None => format!("The state is as of {}.", report.backup.display()),
    };
    report.saved = saved;
    ui.answer_either(said, &Envelope::new("db-restore", &report))?;
    ui.hint("plans that were saved before are stale now; `tidal-cleanup plan` makes a new one");
    Ok(Exit::Done)
}

impl Restore {
    /// What lies in the middle of an apply can be found out from its journal alone, which would be gone.
    fn refuse_unfinished(&mut self, args: &StateRestoreArgs) -> Result<(), CliError> {
        let Some(id) = self.unfinished else {
            return Ok(());
        };
        if args.allow.is_some_and(|allowed| allowed.0 == id.0) {
            self.because.clone_from(&args.because);
            return Ok(());
        }
        let text = format!(
            "apply {id} is unfinished, and its journal is in the state that would be replaced"
        );
        let mut error = CliError::message(Kind::Unfinished, text);
        error.hints = unfinished_hints();
        Err(error.hint(format!(
            "`--allow unfinished={id} --because \"…\"` restores all the same: what apply {id} did to files and \
             Rekordbox stays, and can no longer be undone"
        )))
    }

    fn told(&self) -> String {
        let mut lines = vec![format!("Backup {}", self.backup.display())];
        let (tracks, playlists) = (self.tracks, self.playlists);
        match &self.damage {
            Some(reason) => lines.push(format!("  What is there now cannot be read: {reason}")),
            None => lines.push(format!(
                "  tracks {} → {}, playlists {} → {}",
                tracks.0, tracks.1, playlists.0, playlists.1
            )),
        }
        match self.loses.as_slice() {
            [] if self.damage.is_none() => lines.push("  No apply is forgotten.".to_owned()),
            [] => {}
            some => {
                let ids: Vec<String> = some.iter().map(ToString::to_string).collect();
                lines.push(format!(
                    "  {} forgotten and can no longer be undone: {}. Files and Rekordbox stay as they are.",
                    count(some.len(), "apply is", "applies are"),
                    ids.join(", ")
                ));
            }
        }
        lines.join("\n")
    }
}

async fn compare(db: &Path, backup: PathBuf) -> Result<Restore, CliError> {
    let then = SqliteReader::open(&backup).await?;
    let (old, applies) = (then.state().await?, then.applies().await?);
    then.close().await;
    let mut report = Restore {
        backup,
        serial: old.meta.serial,
        loses: Vec::new(),
        tracks: (0, old.tracks.len()),
        playlists: (0, old.playlists.len()),
        damage: None,
        unfinished: None,
        because: None,
        saved: None,
    };
    let now = async {
        let reader = SqliteReader::open(db).await?;
        let unfinished = reader.unfinished().await?.map(|row| row.id);
        let read = (reader.state().await?, reader.applies().await?, unfinished);
        reader.close().await;
        Ok::<_, crate::edge::store::StoreError>(read)
    };
    match now.await {
        Ok((state, runs, unfinished)) => {
            report.unfinished = unfinished;
            if let (Some(ours), Some(theirs)) = (&state.meta.library_id, &old.meta.library_id)
                && ours != theirs
            {
                return Err(CliError::user(format!(
                    "the backup is of another library ({theirs}) than the state ({ours})"
                )));
            }
            report.tracks.0 = state.tracks.len();
            report.playlists.0 = state.playlists.len();
            let known = |id| applies.iter().any(|row| row.id == id);
            report.loses = runs
                .iter()
                .map(|row| row.id)
                .filter(|id| !known(*id))
                .collect();
        }
        Err(error) => report.damage = Some(error.to_string()),
    }
    Ok(report)
}

fn choose(settings: &Settings, db: &Path, wanted: Option<&str>) -> Result<PathBuf, CliError> {
    let folder = settings.backups(db);
    if let Some(wanted) = wanted {
        let path = settings.around.absolute(Path::new(wanted));
        if path.is_file() {
            return Ok(path);
        }
    }
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".db") && !name.ends_with("-damaged.db"))
        .filter(|name| wanted.is_none_or(|wanted| name.starts_with(wanted)))
        .collect();
    names.sort();
    let found = match wanted {
        None => names.last(),
        Some(_) => names.first().filter(|_| names.len() == 1),
    };
    found.map(|name| folder.join(name)).ok_or_else(|| {
        let text = match (wanted, names.len()) {
            (Some(wanted), 0) => format!("there is no backup {wanted:?}"),
            (Some(wanted), several) => format!("{several} backups begin with {wanted:?}"),
            (None, _) => "there is no backup of the state".to_owned(),
        };
        CliError::user(text).hint(format!(
            "they lie in {}; every apply makes one",
            folder.display()
        ))
    })
}

fn agree(ui: &Ui, args: &StateRestoreArgs) -> Result<(), CliError> {
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
    match ui.confirm("Restore this backup? Type yes", "yes")? {
        true => Ok(()),
        false => Err(CliError::declined()),
    }
}
