//! Backups on demand, and the way back to one.
//!
//! A restore is two renames, of `master.db` and of `masterPlaylists6.xml`; everything that can fail
//! slowly comes before. The present state is backed up first. A note of what is being restored lies
//! beside the backups meanwhile: when the program is killed between the two renames, the next restore
//! or apply brings the second one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::Deserialize;
use sqlx::{Connection as _, SqliteConnection};

use super::{
    Backup, LibraryFacts, MasterDb, RekordboxError,
    backup::{self, copy_synced, io, sync_folder, whole_path},
    collect::assemble,
    facts,
    loss::{Loss, TableRows},
    read,
    schema::Schema,
    sql::json_rows,
    sqlcipher::Database,
};

/// The note of a restore that has begun.
const NOTE: &str = "restoring";
const PREFIX: &str = ".tidal-cleanup-restore.";

/// Tables whose rows the loss tells by name, from a reading of the collection.
const TOLD: [&str; 4] = [
    "djmdPlaylist",
    "djmdSongPlaylist",
    "djmdMyTag",
    "djmdSongMyTag",
];

/// Id and last change of a row.
#[derive(Deserialize)]
struct Stamp(Option<String>, Option<String>);

impl MasterDb {
    /// Opens a backup without touching it, and reads all of it.
    ///
    /// # Errors
    /// When it does not open with the library's key, or is damaged.
    pub async fn verify_backup(&self, backup: &Backup) -> Result<(), RekordboxError> {
        backup::verify(self.database(), &backup.database()).await
    }

    /// The backups, newest first. Those of another library are left out.
    #[must_use]
    pub fn backup_list(&self) -> Vec<Backup> {
        let here = whole_path(self.path());
        let mut backups = backup::list(&self.backups());
        backups.retain(|backup| {
            backup
                .library
                .as_ref()
                .is_none_or(|library| *library == here)
        });
        backups
    }

    /// Backs database and XML up, also while Rekordbox runs.
    ///
    /// # Errors
    /// When the library cannot be read, or the copy is not whole.
    pub async fn back_up(&self, now: Timestamp) -> Result<Backup, RekordboxError> {
        let path = self.make_backup(None, now).await?;
        let made = backup::list(&self.backups());
        made.into_iter()
            .find(|backup| backup.path == path)
            .ok_or(RekordboxError::Missing(path))
    }

    /// What is worth knowing besides the collection.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn facts(&self) -> Result<LibraryFacts, RekordboxError> {
        let mut snapshot = self.database().snapshot().await?;
        let facts = facts::read(&mut snapshot.connection).await;
        snapshot.close().await;
        facts
    }

    /// A `-wal` that holds something: Rekordbox runs, or has crashed.
    #[must_use]
    pub fn leftover_wal(&self) -> Option<PathBuf> {
        (self.database().wal_size() > 0).then(|| self.database().beside("-wal"))
    }

    /// What going back to a backup would lose. `None`: the present library cannot be read, so nobody
    /// can tell.
    ///
    /// # Errors
    /// When the backup is damaged or none of this library's.
    pub async fn loss(&self, backup: &Backup) -> Result<Option<Loss>, RekordboxError> {
        backup::verify(self.database(), &backup.database()).await?;
        let then = Database::new(backup.database());
        let (then, then_rows) = observe(&then).await?;
        match observe(self.database()).await {
            Ok((now, now_rows)) => Ok(Some(Loss::of(&now, &then, &now_rows, &then_rows))),
            Err(RekordboxError::Locked) => Err(RekordboxError::Locked),
            Err(_) => Ok(None),
        }
    }

    /// Goes back to a backup; returns where the state of now was saved.
    ///
    /// # Errors
    /// When Rekordbox runs, the backup is damaged, or a file cannot be written. Nothing has changed
    /// then, unless the error names `masterPlaylists6.xml`.
    pub async fn restore(
        &mut self,
        backup: &Backup,
        now: Timestamp,
    ) -> Result<PathBuf, RekordboxError> {
        self.processes().refuse_running()?;
        self.finish_restore()?;
        backup::verify(self.database(), &backup.database()).await?;
        let saved = match self.make_backup(Some(&backup.path), now).await {
            Ok(saved) => {
                self.fold_wal().await?;
                saved
            }
            Err(error @ (RekordboxError::Locked | RekordboxError::Io { .. })) => return Err(error),
            // Whatever is wrong with it may be why somebody wants to go back.
            Err(_) => backup::rescue(&self.request(None), now)?,
        };
        let folder = self.path().parent().unwrap_or(Path::new(".")).to_owned();
        let database = beside(&folder, &backup.database(), self.path())?;
        let xml = match backup.has_xml {
            true => Some(beside(&folder, &backup.xml(), &self.xml_path())?),
            false => None,
        };
        self.processes().refuse_running()?;
        let note = self.backups().join(NOTE);
        fs::write(&note, &backup.name).map_err(io("write", &note))?;
        self.put_sidecars_away(now)?;
        persist(database, self.path())?;
        if let Some(xml) = xml {
            persist(xml, &self.xml_path())?;
        }
        sync_folder(&folder)?;
        self.forget_known();
        // A note that stays only makes the next run look again.
        let _ = fs::remove_file(&note);
        Ok(saved)
    }

    /// Ends a restore that was killed: if the database is the backup's, the XML follows.
    pub(super) fn finish_restore(&self) -> Result<(), RekordboxError> {
        let note = self.backups().join(NOTE);
        let Ok(name) = fs::read_to_string(&note) else {
            return Ok(());
        };
        let folder = self.path().parent().unwrap_or(Path::new(".")).to_owned();
        let wanted = backup::list(&self.backups());
        if let Some(backup) = wanted.into_iter().find(|backup| backup.name == name)
            && backup.has_xml
            && same(self.path(), &backup.database())
        {
            persist(
                beside(&folder, &backup.xml(), &self.xml_path())?,
                &self.xml_path(),
            )?;
        }
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            // Half-made copies of ours; the backup that they are of is whole.
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                let _ = fs::remove_file(entry.path());
            }
        }
        fs::remove_file(&note).map_err(io("remove", &note))
    }

    pub(super) async fn make_backup(
        &self,
        spare: Option<&Path>,
        now: Timestamp,
    ) -> Result<PathBuf, RekordboxError> {
        backup::make(&self.request(spare), now).await
    }

    /// Takes a left-over `-wal` in, as Rekordbox itself would at its next start, so that there is none
    /// to be played into the database that comes in place of this one.
    async fn fold_wal(&self) -> Result<(), RekordboxError> {
        if self.database().wal_size() == 0 {
            return Ok(());
        }
        let mut connection = self.database().writable().await?;
        let folding = super::sqlcipher::failed("cannot be checkpointed");
        let folded = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut connection)
            .await
            .map_err(folding);
        let closed = connection.close().await.map_err(folding);
        folded.map(drop).and(closed)
    }

    /// A `-wal` of a database that cannot be opened would be played into the restored one. It gets
    /// another name; the rescued copy has it as well.
    fn put_sidecars_away(&self, now: Timestamp) -> Result<(), RekordboxError> {
        for suffix in ["-wal", "-shm"] {
            let from = self.database().beside(suffix);
            if !from.exists() {
                continue;
            }
            let name = now.strftime("%Y-%m-%dT%H-%M-%S%.3fZ");
            let to = self.database().beside(&format!("{suffix}.before-{name}"));
            fs::rename(&from, &to).map_err(io("rename", &from))?;
        }
        Ok(())
    }
}

/// A copy of `from` in `folder`, durable, with the rights of the file whose place it will take.
fn beside(
    folder: &Path,
    from: &Path,
    place: &Path,
) -> Result<tempfile::NamedTempFile, RekordboxError> {
    let file = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempfile_in(folder)
        .map_err(io("write into", folder))?;
    copy_synced(from, file.path())?;
    let rights = fs::metadata(place).or_else(|_| fs::metadata(from));
    let rights = rights.map_err(io("read", from))?.permissions();
    fs::set_permissions(file.path(), rights).map_err(io("write", file.path()))?;
    Ok(file)
}

fn persist(file: tempfile::NamedTempFile, place: &Path) -> Result<(), RekordboxError> {
    match file.persist(place) {
        Ok(_) => Ok(()),
        Err(error) => Err(io("replace", place)(error.error)),
    }
}

fn same(one: &Path, other: &Path) -> bool {
    let length = |path| {
        fs::metadata(path)
            .map(|about: fs::Metadata| about.len())
            .ok()
    };
    length(one) == length(other) && fs::read(one).ok() == fs::read(other).ok()
}

type Observed = crate::domain::Observed<crate::domain::Collection>;

async fn observe(database: &Database) -> Result<(Observed, TableRows), RekordboxError> {
    for _ in 0..super::sqlcipher::ATTEMPTS {
        let mut snapshot = database.snapshot().await?;
        let raw = read::raw(&mut snapshot).await;
        let rows = stamps(&mut snapshot.connection).await;
        let undisturbed = snapshot.is_undisturbed();
        snapshot.close().await;
        if undisturbed {
            return Ok((assemble(raw?), rows?));
        }
    }
    Err(RekordboxError::Locked)
}

/// Id and date of every row of the tables that the collection does not show.
async fn stamps(connection: &mut SqliteConnection) -> Result<TableRows, RekordboxError> {
    let schema = Schema::read(connection).await?;
    let mut rows = TableRows::new();
    for table in schema.tables_with("updated_at") {
        if TOLD.contains(&table) || !schema.has(table, "ID") {
            continue;
        }
        let live = match schema.has(table, "rb_local_deleted") {
            true => "coalesce(rb_local_deleted, 0) = 0",
            false => "1",
        };
        let sql = format!(
            "SELECT json_group_array(json_array(cast(ID AS TEXT), cast(updated_at AS TEXT))) \
             FROM \"{table}\" WHERE {live}"
        );
        let stamps: Vec<Stamp> = json_rows(connection, sql).await?;
        let stamps = stamps
            .into_iter()
            .filter_map(|Stamp(id, at)| Some((id?, at)));
        rows.insert(table.to_owned(), stamps.collect());
    }
    Ok(rows)
}
