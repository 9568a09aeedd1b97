//! A verified copy of the database and the XML before anything is written.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use sqlx::Connection as _;

use super::{
    RekordboxError,
    sql::json_rows,
    sqlcipher::{Database, failed},
};

/// How many backups are kept.
const KEPT: usize = 10;

const DATABASE: &str = "master.db";

/// Copies `database` (no part of which may be in a `-wal`) and `xml` into a new folder below `folder`,
/// named by the time; checks that the copy opens and is whole; lets go of the oldest backups.
pub(super) async fn make(
    database: &Database,
    xml: &Path,
    folder: &Path,
    now: jiff::Timestamp,
) -> Result<PathBuf, RekordboxError> {
    let name = now.strftime("%Y-%m-%dT%H-%M-%S%.3fZ").to_string();
    let unfinished = folder.join(format!(".{name}.part"));
    let before = database.fingerprint()?;
    fs::create_dir_all(&unfinished).map_err(io("make the folder", &unfinished))?;
    let copied = copy(database.path(), xml, &unfinished);
    let verified = match copied {
        Ok(()) => verify(database, &unfinished.join(DATABASE)).await,
        Err(error) => Err(error),
    };
    let unchanged = verified.and_then(|()| match database.fingerprint()? == before {
        true => Ok(()),
        false => Err(RekordboxError::Locked),
    });
    if let Err(error) = unchanged {
        discard(&unfinished);
        return Err(error);
    }
    let finished = folder.join(&name);
    fs::rename(&unfinished, &finished).map_err(io("make the backup", &finished))?;
    sync_folder(folder)?;
    forget_oldest(folder);
    Ok(finished)
}

fn copy(database: &Path, xml: &Path, folder: &Path) -> Result<(), RekordboxError> {
    copy_synced(database, &folder.join(DATABASE))?;
    if xml.exists() {
        let name = xml.file_name().unwrap_or_default();
        copy_synced(xml, &folder.join(name))?;
    }
    sync_folder(folder)
}

fn copy_synced(from: &Path, to: &Path) -> Result<(), RekordboxError> {
    fs::copy(from, to).map_err(io("back up", from))?;
    let copy = File::options().read(true).write(true).open(to);
    copy.and_then(|copy| copy.sync_all())
        .map_err(io("write", to))
}

async fn verify(database: &Database, copy: &Path) -> Result<(), RekordboxError> {
    let mut connection = database.twin(copy).await?;
    let found = quick_check(&mut connection).await;
    // It was only read.
    let _ = connection.close().await;
    found
}

/// SQLite's own check of the file's structure.
pub(super) async fn quick_check(
    connection: &mut sqlx::SqliteConnection,
) -> Result<(), RekordboxError> {
    let found: Vec<String> = json_rows(
        connection,
        "SELECT json_group_array(quick_check) FROM pragma_quick_check".to_owned(),
    )
    .await?;
    match found.iter().find(|line| *line != "ok") {
        None => Ok(()),
        Some(damage) => Err(RekordboxError::Invariant(format!(
            "it is damaged: {damage}"
        ))),
    }
}

/// SQLCipher's check of every page's seal.
pub(super) async fn cipher_check(
    connection: &mut sqlx::SqliteConnection,
) -> Result<(), RekordboxError> {
    let found = sqlx::query("PRAGMA cipher_integrity_check")
        .fetch_all(connection)
        .await
        .map_err(failed("cannot be checked"))?;
    match found.len() {
        0 => Ok(()),
        count => Err(RekordboxError::Invariant(format!(
            "{count} pages are damaged"
        ))),
    }
}

/// Makes the names in a folder durable. Windows has no such call, and needs none.
pub(super) fn sync_folder(folder: &Path) -> Result<(), RekordboxError> {
    if cfg!(unix) {
        let handle = File::open(folder);
        handle
            .and_then(|folder| folder.sync_all())
            .map_err(io("write", folder))?;
    }
    Ok(())
}

pub(super) fn io<'p>(
    doing: &'static str,
    path: &'p Path,
) -> impl FnOnce(std::io::Error) -> RekordboxError + use<'p> {
    move |source| RekordboxError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// Backups beyond the newest go. Only folders that bear our kind of name and hold a backup count; what
/// cannot be removed stays, which harms nobody.
fn forget_oldest(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut backups: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_backup(path))
        .collect();
    backups.sort();
    let surplus = backups.len().saturating_sub(KEPT);
    backups.iter().take(surplus).for_each(|path| discard(path));
}

fn is_backup(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let shape = "0000-00-00T00-00-00.000Z";
    let shaped = name.len() == shape.len()
        && name
            .bytes()
            .zip(shape.bytes())
            .all(|(byte, like)| match like {
                b'0' => byte.is_ascii_digit(),
                like => byte == like,
            });
    shaped && path.join(DATABASE).is_file()
}

/// Removes the files that a backup has, and its folder if nothing else is in it.
fn discard(folder: &Path) {
    for name in [DATABASE, "masterPlaylists6.xml"] {
        // Gone already, or kept: either way the folder tells.
        let _ = fs::remove_file(folder.join(name));
    }
    let _ = fs::remove_dir(folder);
}
