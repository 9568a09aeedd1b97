//! `db export`, `db import` and `db init --from sqlite`: the whole state moves, between databases and
//! between computers.

use std::{
    fmt,
    fs::File,
    io::{BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    cli::{
        args::Consent,
        engine::Engine,
        error::{CliError, Exit, Kind, unfinished_hints},
        plan::refuse_other,
        readings, server,
        settings::Settings,
        ui::Ui,
        view::{Envelope, text::number},
    },
    edge::{
        local::LocalReader as _,
        store::{
            StateReader as _, StateStore as _, Store, StoreError,
            transfer::{self, Arrival, Digests},
        },
    },
};

use super::apply::lock;

/// What was moved, table by table.
#[derive(Debug, Serialize)]
struct Moved {
    /// The file that was written or read.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arrival: Option<Arrival>,
    /// Where the SQLite file lies that is not used any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<PathBuf>,
    #[serde(flatten)]
    digests: Digests,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.digests.tables {
            let rows = number(table.rows.try_into().unwrap_or(usize::MAX));
            let sha256 = table.sha256.get(..16).unwrap_or_default();
            writeln!(f, "  {:<18} {rows:>12}  {sha256}…", table.table)?;
        }
        write!(f, "Digest of the state: {}", self.digests.sha256)
    }
}

/// `db export`
///
/// # Errors
/// [`Kind::Unfinished`] while an apply is; when the state cannot be read or the file not be written.
pub(super) async fn export(engine: &Engine, ui: &Ui, file: &Path) -> Result<Exit, CliError> {
    let file = engine.settings.around.absolute(file);
    engine.refuse_unfinished().await?;
    refuse_other(&file, b"{")?;
    let digests = export_to(&engine.store, &engine.db, &file).await?;
    let moved = Moved {
        file: Some(file.clone()),
        arrival: None,
        kept: None,
        digests,
    };
    ui.answer_either(
        format!("Saved the state in {}\n{moved}", file.display()),
        &Envelope::new("db-export", &moved),
    )?;
    Ok(Exit::Done)
}

/// `db import`
///
/// # Errors
/// When the file is cut or changed, or of another library, or another state is there already. Nothing is
/// changed then.
pub(super) async fn import(
    mut engine: Engine,
    ui: &Ui,
    file: &Path,
    lock_timeout: std::time::Duration,
) -> Result<Exit, CliError> {
    let file = engine.settings.around.absolute(file);
    engine.require_canary().await?;
    let locks = lock(&mut engine, &waiting(lock_timeout)).await?;
    engine.refuse_unfinished().await?;
    let (arrival, digests) = import_from(&mut engine, &file).await?;
    engine.store.close().await;
    drop(locks);
    let moved = Moved {
        file: Some(file.clone()),
        arrival: Some(arrival),
        kept: None,
        digests,
    };
    let said = match arrival {
        Arrival::Moved => format!(
            "Moved the state of {} here, and compared every row",
            file.display()
        ),
        Arrival::Present => format!(
            "The state of {} is here already, row by row",
            file.display()
        ),
    };
    ui.answer_either(
        format!("{said}\n{moved}"),
        &Envelope::new("db-import", &moved),
    )?;
    Ok(Exit::Done)
}

/// `db init --from sqlite`: the state in this machine's file goes to the server. The file is renamed
/// when every row was compared, so that nobody works on with it by mistake.
///
/// # Errors
/// As [`import`], and when the state is no server's.
pub(super) async fn init_from_sqlite(mut engine: Engine, ui: &Ui) -> Result<Exit, CliError> {
    if engine.store.server().is_none() {
        return Err(CliError::config("the state is in SQLite already").hint(
            "name the server in TIDAL_CLEANUP_DATABASE_URL, or in `[state] url` of the policy",
        ));
    }
    let db = engine.db.clone();
    if !db.exists() {
        return Err(StoreError::Missing {
            path: db.display().to_string(),
        }
        .into());
    }
    // The drive that the state is about is here.
    engine.require_canary().await?;
    let locks = lock(&mut engine, &waiting(std::time::Duration::from_secs(30))).await?;
    engine.refuse_unfinished().await?;
    // Written where it can be, so that an older one is migrated first.
    let source = readings::open_store(&engine.settings, &db).await?;
    if let Some(row) = source.unfinished().await? {
        let text = format!("apply {} was interrupted; its state is not moved", row.id);
        let mut error = CliError::message(Kind::Unfinished, text);
        error.hints = unfinished_hints();
        error
            .hints
            .push("do that without TIDAL_CLEANUP_DATABASE_URL, then move".to_owned());
        return Err(error);
    }
    let folder = Settings::state_dir(&db);
    let between = tempfile::Builder::new()
        .prefix("moving-")
        .tempfile_in(&folder)
        .map_err(|error| CliError::file("write in", &folder, error))?
        .into_temp_path();
    let sent = export_to(&source, &db, &between).await?;
    source.close().await;
    let (arrival, digests) = import_from(&mut engine, &between).await?;
    if sent != digests {
        return Err(StoreError::Arrived("the state".to_owned()).into());
    }
    let kept = retire(&db)?;
    engine.store.close().await;
    drop(locks);
    let moved = Moved {
        file: None,
        arrival: Some(arrival),
        kept: Some(kept.clone()),
        digests,
    };
    ui.answer_either(
        format!(
            "Moved the state to the server, and compared every row\n{moved}\nThe file is kept as {}; it is not used any more",
            kept.display()
        ),
        &Envelope::new("db-import", &moved),
    )?;
    Ok(Exit::Done)
}

fn waiting(lock_timeout: std::time::Duration) -> Consent {
    Consent {
        lock_timeout,
        ..Consent::default()
    }
}

/// Written beside and renamed: the file is whole, or not there.
async fn export_to(store: &Store, db: &Path, file: &Path) -> Result<Digests, CliError> {
    let failed = |error| CliError::file("write", file, error);
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut part = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let device = server::this_device(&Settings::state_dir(db))?;
    let mut out = BufWriter::with_capacity(1 << 20, part.as_file_mut());
    let digests = store
        .export(&mut out, &device, Some(Timestamp::now()))
        .await?;
    out.flush().map_err(failed)?;
    drop(out);
    part.as_file().sync_all().map_err(failed)?;
    part.persist(file).map_err(|error| failed(error.error))?;
    Ok(digests)
}

async fn import_from(engine: &mut Engine, file: &Path) -> Result<(Arrival, Digests), CliError> {
    let open = || {
        File::open(file)
            .map(|file| BufReader::with_capacity(1 << 20, file))
            .map_err(|error| CliError::file("read", file, error))
    };
    // Read to its end before anything is written: a file that is cut costs seconds then.
    let (header, _) = transfer::examine(open()?)?;
    let library = engine.library.canary()?;
    if let Some(expected) = library.filter(|id| *id != header.origin.library) {
        return Err(StoreError::OtherLibrary {
            expected,
            found: header.origin.library,
        }
        .into());
    }
    engine.store.set_library(&header.origin.library).await?;
    let device = server::this_device(&Settings::state_dir(&engine.db))?;
    Ok(engine.store.import(open()?, &device).await?)
}

/// Gives the file of a state that was moved a name that nothing opens.
fn retire(db: &Path) -> Result<PathBuf, CliError> {
    let name = |number: usize| {
        let mut name = db.as_os_str().to_owned();
        name.push(".moved");
        if number > 1 {
            name.push(format!("-{number}"));
        }
        PathBuf::from(name)
    };
    // The locks are held: nobody makes such a name meanwhile.
    let free = (1..).map(name).find(|path| !path.exists());
    let to = free.unwrap_or_else(|| name(0));
    std::fs::rename(db, &to).map_err(|error| CliError::file("rename", db, error))?;
    Ok(to)
}
