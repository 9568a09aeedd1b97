//! Copies of the database: made by SQLite while others may read and write, verified by opening, rotated.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use super::{SqliteStore, create_new, damaged, io_error, make_folder, refused};
use crate::edge::store::StoreError;

/// Why a backup is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupKind {
    /// Before a run.
    Apply,
    /// Before a migration.
    Migration,
    /// By hand; never rotated away.
    Manual,
}

impl BackupKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Migration => "migration",
            Self::Manual => "manual",
        }
    }

    const fn is_rotated(self) -> bool {
        match self {
            Self::Apply | Self::Migration => true,
            Self::Manual => false,
        }
    }
}

impl SqliteStore {
    /// A verified backup in the backup folder, named after the database, `at` and `kind`; then the
    /// oldest automatic ones of that kind go, but for as many as the options keep. Returns its path.
    ///
    /// # Errors
    /// When it cannot be written or does not verify; older backups are kept then.
    pub async fn backup(&self, kind: BackupKind, at: Timestamp) -> Result<PathBuf, StoreError> {
        let folder = &self.options.backup_dir;
        make_folder(folder)?;
        let stem = self.path().file_stem().unwrap_or_default();
        let stem = stem.to_string_lossy();
        let target = vacant(folder, &stem, kind, at);
        self.backup_to(&target).await?;
        if kind.is_rotated() {
            rotate(folder, &stem, kind, self.options.backups_kept)?;
        }
        Ok(target)
    }

    /// A verified copy at `target`, readable by its owner only. It appears under its name when it is
    /// whole and on the disk.
    ///
    /// # Errors
    /// When there is a file of that name, it cannot be written, or it does not verify.
    pub async fn backup_to(&self, target: &Path) -> Result<(), StoreError> {
        if target.exists() {
            let taken = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(io_error("write the backup", target, taken));
        }
        let part = super::beside(target, ".part");
        drop(std::fs::remove_file(&part));
        create_new(&part).map_err(|source| io_error("write the backup", &part, source))?;
        let done = self.copy_and_verify(&part).await;
        let done = done.and_then(|()| {
            std::fs::rename(&part, target)
                .map_err(|source| io_error("write the backup", target, source))
        });
        if done.is_err() {
            drop(std::fs::remove_file(&part));
        }
        done
    }

    async fn copy_and_verify(&self, part: &Path) -> Result<(), StoreError> {
        let Some(text) = part.to_str() else {
            let name = io::Error::other("its name is not UTF-8");
            return Err(io_error("write the backup", part, name));
        };
        sqlx::query("VACUUM INTO $1")
            .bind(text)
            .execute(&self.reader.pool)
            .await
            .map_err(self.reader.failed("back up"))?;
        File::open(part)
            .and_then(|file| file.sync_all())
            .map_err(|source| io_error("write the backup", part, source))?;
        verify(part).await
    }
}

/// Opens a copy without touching it, and reads all of it.
///
/// # Errors
/// When it cannot be opened, or is damaged.
pub async fn verify(copy: &Path) -> Result<(), StoreError> {
    let failed = |source| refused(copy, "verify the backup", source);
    let mut conn = SqliteConnectOptions::new()
        .filename(copy)
        .read_only(true)
        .immutable(true)
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging()
        .connect()
        .await
        .map_err(failed)?;
    let verdict: Result<String, _> = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(&mut conn)
        .await;
    conn.close().await.map_err(failed)?;
    match verdict.map_err(failed)?.as_str() {
        "ok" => Ok(()),
        problem => Err(damaged(copy, problem)),
    }
}

/// `sync-20261122T094012.000Z-apply.db`, or with a number where that is taken.
fn vacant(folder: &Path, stem: &str, kind: BackupKind, at: Timestamp) -> PathBuf {
    let at = at.strftime("%Y%m%dT%H%M%S%.3fZ");
    let mut names = (1..).map(|number| match number {
        1 => format!("{stem}-{at}-{}.db", kind.as_str()),
        _ => format!("{stem}-{at}.{number}-{}.db", kind.as_str()),
    });
    let vacant = names.find(|name| !folder.join(name).exists());
    folder.join(vacant.unwrap_or_default())
}

/// Removes the oldest of the backups that this program made for this reason, and no other file.
fn rotate(folder: &Path, stem: &str, kind: BackupKind, keep: usize) -> Result<(), StoreError> {
    let failed = |source| io_error("rotate the backups in", folder, source);
    let mut ours: Vec<String> = std::fs::read_dir(folder)
        .map_err(failed)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_backup(name, stem, kind))
        .collect();
    ours.sort();
    let surplus = ours.len().saturating_sub(keep.max(1));
    for name in ours.iter().take(surplus) {
        std::fs::remove_file(folder.join(name)).map_err(failed)?;
    }
    Ok(())
}

fn is_backup(name: &str, stem: &str, kind: BackupKind) -> bool {
    let date = || {
        let rest = name.strip_prefix(stem)?.strip_prefix('-')?;
        let rest = rest.strip_suffix(".db")?.strip_suffix(kind.as_str())?;
        rest.strip_suffix('-')
    };
    date().is_some_and(|date| {
        date.len() >= 20
            && date.starts_with(|first: char| first.is_ascii_digit())
            && date
                .chars()
                .all(|c| c.is_ascii_digit() || "TZ.".contains(c))
    })
}
