//! `db check`: is the file whole, and does it say what it may say?

use sqlx::{Row as _, SqliteConnection};

use super::SqliteReader;
use crate::edge::store::{Finding, StateReader as _, StoreError, report};

pub(super) async fn findings(reader: &SqliteReader) -> Result<Vec<Finding>, StoreError> {
    match look(reader).await {
        // A page so torn that SQLite gives up is a finding too.
        Err(StoreError::Damaged { path, reason }) => {
            Ok(vec![Finding::new("integrity", &path, reason)])
        }
        looked => looked,
    }
}

async fn look(reader: &SqliteReader) -> Result<Vec<Finding>, StoreError> {
    let mut found = look_at_rows(reader).await.map_err(reader.failed("check"))?;
    if found.is_empty() {
        found.extend(report::contradictions(&reader.state().await?));
    }
    Ok(found)
}

async fn look_at_rows(reader: &SqliteReader) -> Result<Vec<Finding>, sqlx::Error> {
    let mut conn = reader.pool.acquire().await?;
    let mut found = integrity(&mut conn).await?;
    if found.is_empty() {
        // A torn file would only make the rest fail.
        found.extend(foreign_keys(&mut conn).await?);
        found.extend(rows(&mut conn, reader.library).await?);
    }
    Ok(found)
}

async fn integrity(conn: &mut SqliteConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let lines: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(20)")
        .fetch_all(conn)
        .await?;
    let found = lines.into_iter().filter(|line| line != "ok");
    Ok(found
        .map(|line| Finding::new("integrity", &"sqlite", line))
        .collect())
}

async fn foreign_keys(conn: &mut SqliteConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let broken = sqlx::query("PRAGMA foreign_key_check")
        .fetch_all(conn)
        .await?;
    let finding = |row: &sqlx::sqlite::SqliteRow| {
        let table: String = row.try_get("table")?;
        let parent: String = row.try_get("parent")?;
        let message = format!("a row refers to a row of {parent} that is not there");
        Ok(Finding::new("foreign_keys", &table, message))
    };
    broken.iter().map(finding).collect()
}

/// Each statement finds `(subject, message)` rows that must not be.
async fn rows(conn: &mut SqliteConnection, library: i64) -> Result<Vec<Finding>, sqlx::Error> {
    let mut found = Vec::new();
    for (check, sql) in INVARIANTS {
        let rows: Vec<(String, String)> = sqlx::query_as(sql)
            .bind(library)
            .fetch_all(&mut *conn)
            .await?;
        let finding =
            |(subject, message)| Finding::new(check, &subject as &String, message as String);
        found.extend(rows.into_iter().map(finding));
    }
    Ok(found)
}

/// What must hold, as statements that find exceptions in library `$1`.
pub(in crate::edge::store) const INVARIANTS: [(&str, &str); 5] = [
    (
        "positions",
        "SELECT p.name, 'its positions have gaps: ' || COUNT(*) || ' entries, the last at ' || MAX(e.position)
         FROM playlist_tracks AS e JOIN playlists AS p ON p.id = e.playlist_id
         WHERE e.library = $1 AND e.position IS NOT NULL
         GROUP BY p.id, p.name HAVING MAX(e.position) <> COUNT(*) - 1",
    ),
    (
        "positions",
        "SELECT p.name, 'an entry belongs to another library than its playlist or track'
         FROM playlist_tracks AS e
            JOIN playlists AS p ON p.id = e.playlist_id
            JOIN tracks AS t ON t.id = e.track_id
         WHERE (e.library = $1 OR p.library = $1 OR t.library = $1)
            AND (e.library <> p.library OR e.library <> t.library)",
    ),
    (
        "journal",
        "SELECT 'meta', 'the serial ' || serial || ' is lower than the number of closed applies'
         FROM meta WHERE id = $1 AND serial <
            (SELECT COUNT(*) FROM applies WHERE library = $1 AND finished_at IS NOT NULL)",
    ),
    (
        "journal",
        "SELECT 'apply ' || a.id, 'it is closed, but an intent is not settled'
         FROM applies AS a WHERE a.library = $1 AND a.status <> 'running' AND EXISTS
            (SELECT 1 FROM sync_operations AS o WHERE o.library = a.library AND o.apply_id = a.id
                AND o.status = 'running')",
    ),
    (
        "journal",
        "SELECT 'apply ' || apply_id, 'operation ' || seq || ' was completed without an intent'
         FROM sync_operations WHERE library = $1 AND status = 'completed' AND pre_image IS NULL",
    ),
];
