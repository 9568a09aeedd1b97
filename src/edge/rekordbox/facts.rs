//! What is worth knowing about a library besides what it holds: whether the cloud knows it, who last
//! changed it, and whether it may be written.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::{RekordboxError, schema::Schema, sql::json_rows};

/// Facts about a library.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LibraryFacts {
    /// `djmdProperty.DBVersion`.
    pub db_version: Option<String>,
    /// When the counter of local changes last moved, as Rekordbox writes it (UTC).
    pub last_change: Option<String>,
    /// When the Cloud Library was last synchronised, as Rekordbox writes it (UTC).
    pub last_sync: Option<String>,
    /// The user's own rows by their standing with the cloud.
    pub sync: SyncCounts,
    /// Why it is only read, where its layout is not known.
    pub read_only: Option<String>,
}

/// Rows of tracks, playlists and entries by `rb_data_status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SyncCounts {
    /// 0: the cloud does not know them.
    pub local: u64,
    /// 256: as the cloud has them.
    pub synced: u64,
    /// 257: changed since.
    pub changed: u64,
    /// Deleted, and still there for the cloud to learn of it.
    pub deleted: u64,
}

/// Status, whether deleted, and how many rows.
#[derive(Deserialize)]
struct Group(Option<i64>, i64, u64);

/// Key, number and date of a row of `agentRegistry`.
#[derive(Deserialize)]
struct Entry(Option<String>, Option<String>, Option<String>);

/// Reads the facts of one state.
pub(super) async fn read(
    connection: &mut SqliteConnection,
) -> Result<LibraryFacts, RekordboxError> {
    let schema = Schema::read(connection).await?;
    let mut facts = LibraryFacts {
        sync: sync(connection, &schema).await?,
        ..LibraryFacts::default()
    };
    if schema.has("djmdProperty", "DBVersion") {
        let sql = "SELECT json_group_array(cast(DBVersion AS TEXT)) FROM djmdProperty";
        let versions: Vec<Option<String>> = json_rows(connection, sql.to_owned()).await?;
        facts.db_version = versions.into_iter().flatten().next();
    }
    let known = ["registry_id", "date_1", "updated_at"];
    if known
        .iter()
        .all(|column| schema.has("agentRegistry", column))
    {
        let sql = "SELECT json_group_array(json_array(cast(registry_id AS TEXT), \
                   cast(date_1 AS TEXT), cast(updated_at AS TEXT))) FROM agentRegistry \
                   WHERE registry_id IN ('localUpdateCount', 'lastSyncTime')";
        let entries: Vec<Entry> = json_rows(connection, sql.to_owned()).await?;
        for Entry(key, date, updated) in entries {
            match key.as_deref() {
                Some("localUpdateCount") => facts.last_change = updated,
                _ => facts.last_sync = date,
            }
        }
    }
    facts.read_only = match schema.expect_writable(connection).await {
        Ok(()) => None,
        Err(RekordboxError::UnknownSchema(what)) => Some(what),
        Err(error) => return Err(error),
    };
    Ok(facts)
}

async fn sync(
    connection: &mut SqliteConnection,
    schema: &Schema,
) -> Result<SyncCounts, RekordboxError> {
    let mut counts = SyncCounts::default();
    for table in ["djmdContent", "djmdPlaylist", "djmdSongPlaylist"] {
        let needed = ["rb_data_status", "rb_local_deleted"];
        if !needed.iter().all(|column| schema.has(table, column)) {
            continue;
        }
        // Two walks over an index each are several times faster than one over the table.
        let sql = format!(
            "SELECT json_group_array(json_array(status, 0, count)) FROM (SELECT \
             cast(rb_data_status AS INTEGER) status, count(*) count FROM {table} GROUP BY rb_data_status)"
        );
        let live: Vec<Group> = json_rows(connection, sql).await?;
        let sql = format!(
            "SELECT json_group_array(json_array(status, 1, count)) FROM (SELECT \
             cast(rb_data_status AS INTEGER) status, count(*) count FROM {table} \
             WHERE rb_local_deleted = 1 GROUP BY rb_data_status)"
        );
        let deleted: Vec<Group> = json_rows(connection, sql).await?;
        for Group(status, is_deleted, count) in live.into_iter().chain(deleted) {
            let slot = match status.unwrap_or(0) {
                256 => &mut counts.synced,
                257 => &mut counts.changed,
                // A tombstone's status says nothing more.
                258 => continue,
                _ => &mut counts.local,
            };
            if is_deleted == 0 {
                *slot += count;
            } else {
                *slot = slot.saturating_sub(count);
            }
        }
        let sql = format!("SELECT json_array(count(*)) FROM {table} WHERE rb_local_deleted = 1");
        let tombstones: Vec<u64> = json_rows(connection, sql).await?;
        counts.deleted += tombstones.into_iter().sum::<u64>();
    }
    Ok(counts)
}
