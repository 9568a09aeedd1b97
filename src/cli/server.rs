//! A state that several machines and people share: where it is, which machine this is, which library.

use std::path::Path;

use jiff::Timestamp;

use crate::{
    cli::{error::CliError, plan::write_whole, settings::Settings},
    domain::LibraryId,
    edge::store::{PostgresOptions, PostgresStore, Store},
    policy::Policy,
};

/// The server's address: `TIDAL_CLEANUP_DATABASE_URL`; else, unless a file is named outside of the policy,
/// `[state] url`. `None`: the state is a file.
pub fn address(settings: &Settings, policy: Option<&Policy>) -> Option<String> {
    let by_policy = || policy.and_then(|policy| policy.state_url.clone());
    settings
        .database_url
        .clone()
        .or_else(|| by_policy().filter(|_| settings.db.is_none()))
}

/// Which library it is about; where that is not known: the one that this machine worked with last.
pub enum Whose {
    /// The one that is here, by its marker.
    Marked(Option<LibraryId>),
    /// One that may be elsewhere.
    Named(Option<LibraryId>),
}

/// Opens the state at `url`. What is this machine's own lies in the folder of `db`: its id, and which
/// library it worked with last, so that the history can be read while the library's drive is away.
///
/// # Errors
/// When the server cannot be reached or refuses, or the folder cannot be written.
pub async fn open(
    settings: &Settings,
    db: &Path,
    url: &str,
    whose: Whose,
) -> Result<Store, CliError> {
    let folder = Settings::state_dir(db);
    std::fs::create_dir_all(&folder)
        .map_err(|error| CliError::file("make the folder", &folder, error))?;
    let device = this_device(&folder)?;
    let last = db.with_extension("library");
    let library = match whose {
        Whose::Marked(Some(id)) => {
            remember(&last, &id)?;
            Some(id)
        }
        Whose::Named(Some(id)) => Some(id),
        Whose::Marked(None) | Whose::Named(None) => read(&last)?.map(LibraryId::new),
    };
    let user = ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| settings.around.variable(name))
        .unwrap_or_else(|| "somebody".to_owned());
    let host = sysinfo::System::host_name().unwrap_or_else(|_| "a machine".to_owned());
    let options = PostgresOptions {
        url: url.to_owned(),
        library,
        device,
        who: format!("{user} on {host}, process {}", std::process::id()),
        at: Timestamp::now(),
        log_sql: settings.log_sql,
    };
    let store = PostgresStore::open(&options).await?;
    Ok(store.into())
}

/// This machine's id, which lies in the folder of its state; made when there is none.
///
/// # Errors
/// When it can be neither read nor written.
pub fn this_device(folder: &Path) -> Result<String, CliError> {
    let path = &folder.join("device");
    if let Some(known) = read(path)? {
        return Ok(known);
    }
    let made = uuid::Uuid::new_v4().to_string();
    match std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
    {
        Ok(mut file) => std::io::Write::write_all(&mut file, format!("{made}\n").as_bytes())
            .map(|()| made)
            .map_err(|error| CliError::file("write", path, error)),
        // Another process was quicker.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Ok(read(path)?.unwrap_or_default())
        }
        Err(error) => Err(CliError::file("write", path, error)),
    }
}

fn remember(path: &Path, id: &LibraryId) -> Result<(), CliError> {
    if read(path)?.as_deref() == Some(id.as_str()) {
        return Ok(());
    }
    write_whole(path, &format!("{id}\n"))
}

fn read(path: &Path) -> Result<Option<String>, CliError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CliError::file("read", path, error)),
    }
}
