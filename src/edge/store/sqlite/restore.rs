//! Back to a backup: the present database is saved, then another takes its place in one rename.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use super::{
    BackupKind, SqliteStore, StoreOptions, backup, beside, io_error, make_folder, refused,
};
use crate::edge::store::StoreError;

/// Puts `copy`, a backup, in the place of the database at `path`, under a new lineage: what was planned
/// on the other history is stale. Returns where the database that was there is saved; a damaged one as
/// it was, byte by byte. The caller holds the lock.
///
/// # Errors
/// When the backup does not verify, or a file cannot be written; `path` is untouched then.
pub async fn restore(
    path: &Path,
    copy: &Path,
    options: &StoreOptions,
) -> Result<Option<PathBuf>, StoreError> {
    const DOING: &str = "restore the backup to";
    backup::verify(copy).await?;
    let part = beside(path, ".restoring");
    drop(fs::remove_file(&part));
    let failed = |source: io::Error| io_error(DOING, path, source);
    fs::copy(copy, &part).map_err(failed)?;
    private(&part).map_err(failed)?;
    begin_anew(&part).await?;
    File::open(&part)
        .and_then(|file| file.sync_all())
        .map_err(failed)?;
    let saved = save(path, options).await?;
    // A log of the old database would be taken for the new one's.
    for suffix in ["-wal", "-shm"] {
        match fs::remove_file(beside(path, suffix)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(failed(source)),
            _ => {}
        }
    }
    fs::rename(&part, path).map_err(failed)?;
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed)?;
    }
    Ok(saved)
}

/// A new lineage, written without a log beside it.
async fn begin_anew(part: &Path) -> Result<(), StoreError> {
    let failed = |source| refused(part, "prepare the backup", source);
    let mut conn = SqliteConnectOptions::new()
        .filename(part)
        .create_if_missing(false)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Delete)
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging()
        .connect()
        .await
        .map_err(failed)?;
    let lineage = uuid::Uuid::new_v4().to_string();
    let done = sqlx::query("UPDATE meta SET lineage = $1")
        .bind(lineage)
        .execute(&mut conn)
        .await;
    conn.close().await.map_err(failed)?;
    done.map(drop).map_err(failed)
}

/// Saves what is at `path`: as a verified backup, or where it is damaged as the bytes that it has, its
/// log beside it.
async fn save(path: &Path, options: &StoreOptions) -> Result<Option<PathBuf>, StoreError> {
    if fs::metadata(path).map_or(0, |facts| facts.len()) == 0 {
        return Ok(None);
    }
    if let Ok(store) = SqliteStore::open(path, options).await {
        let saved = store.backup(BackupKind::Manual, options.at).await;
        // Folds the log into the file.
        store.close().await;
        if let Ok(saved) = saved {
            return Ok(Some(saved));
        }
    }
    let folder = &options.backup_dir;
    make_folder(folder)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let at = options.at.strftime("%Y%m%dT%H%M%S%.3fZ");
    let target = folder.join(format!("{stem}-{at}-damaged.db"));
    for suffix in ["", "-wal"] {
        let (from, to) = (beside(path, suffix), beside(&target, suffix));
        match fs::copy(&from, &to) {
            Ok(_) => {
                let kept = private(&to).and_then(|()| File::open(&to)?.sync_all());
                kept.map_err(|source| io_error("save", &to, source))?;
            }
            Err(source) if source.kind() == io::ErrorKind::NotFound && !suffix.is_empty() => {}
            Err(source) => return Err(io_error("save", &from, source)),
        }
    }
    Ok(Some(target))
}

#[cfg(unix)]
fn private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn private(_path: &Path) -> io::Result<()> {
    Ok(())
}
