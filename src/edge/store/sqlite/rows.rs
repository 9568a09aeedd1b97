//! Writes the state's rows: what [`State::apply`](crate::domain::State::apply) does to the value, done
//! to the tables.
//!
//! The one rule: a row that is taken away stays, marked as no part of the state any more (`deleted_at`;
//! `forgotten_at` for playlists, whose `deleted_at` is part of the state: gone from TIDAL). What was
//! marked is left out by `load`, and revived when its key comes back. Entries may name tracks that the
//! state does not have (TIDAL withholds them): such a track gets a marked row.

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::{
    load::{OWN, unreadable},
    same,
};
use crate::{
    domain::{
        MediaPath, PlaylistId, TrackId,
        state::{EntryRow, FileRow, ObjectRow, PlaylistRow, RowChange, TrackRow},
        text::fold_name,
    },
    edge::store::{
        last::Last,
        occurrence::{self, Occurrence, Stays},
        words::{Scope, file_format, key_text, kind_text, list_text, provenance_text, role_text},
    },
};

/// Makes the changes. Rows of a kind are written by one statement: what a statement costs is the way to
/// sqlx's thread and back.
pub(super) async fn change_all(
    conn: &mut SqliteConnection,
    scope: Scope,
    changes: impl Iterator<Item = &RowChange>,
) -> Result<(), sqlx::Error> {
    let last = Last::of(changes);
    let (mut gone, mut here) = (Vec::new(), Vec::new());
    for (id, row) in &last.tracks {
        match row {
            Some(row) => here.push(track_values(row)),
            None => gone.push(json!(id)),
        }
    }
    write(conn, scope, TAKE_TRACKS, std::mem::take(&mut gone)).await?;
    write(conn, scope, PUT_TRACKS, std::mem::take(&mut here)).await?;
    for (path, row) in &last.files {
        match row {
            Some(row) => here.push(file_values(row)),
            None => gone.push(json!(path)),
        }
    }
    write(conn, scope, TAKE_FILES, std::mem::take(&mut gone)).await?;
    write(conn, scope, PUT_FILES, std::mem::take(&mut here)).await?;
    for (key, row) in &last.objects {
        match row {
            Some(row) => here.push(object_values(row)?),
            None => gone.push(json!(key_text(key)?)),
        }
    }
    write(conn, scope, TAKE_OBJECTS, gone).await?;
    write(conn, scope, PUT_OBJECTS, here).await?;
    copy_file_facts(conn, scope, &last.told()).await?;
    for (row, is_here) in last.playlists {
        match is_here {
            true => put_playlist(conn, scope, row).await?,
            false => take_playlist_away(conn, scope, &row.id).await?,
        }
    }
    Ok(())
}

/// One statement for many rows; their keys, or their values, are one JSON text.
async fn write(
    conn: &mut SqliteConnection,
    scope: Scope,
    sql: &'static str,
    rows: Vec<Value>,
) -> Result<(), sqlx::Error> {
    for rows in rows.chunks(same::BATCH) {
        sqlx::query(sql)
            .bind(scope.library)
            .bind(scope.at.to_string())
            .bind(Value::from(rows).to_string())
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

pub(super) const TAKE_TRACKS: &str = "
    UPDATE tracks SET deleted_at = $2, updated_at = $2, file_path = NULL, file_hash = NULL,
        file_size_bytes = NULL, file_format = NULL, file_last_modified = NULL,
        rekordbox_content_id = NULL, home_playlist_tidal_id = NULL
    WHERE library = $1 AND tidal_id IN (SELECT value FROM json_each($3)) AND deleted_at IS NULL";

pub(super) const TAKE_FILES: &str = "
    UPDATE files SET deleted_at = $2, updated_at = $2
    WHERE library = $1 AND path IN (SELECT value FROM json_each($3)) AND deleted_at IS NULL";

pub(super) const TAKE_OBJECTS: &str = "
    UPDATE rekordbox_objects SET deleted_at = $2, updated_at = $2
    WHERE library = $1 AND object_key IN (SELECT value FROM json_each($3)) AND deleted_at IS NULL";

async fn take_playlist_away(
    conn: &mut SqliteConnection,
    scope: Scope,
    id: &PlaylistId,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE playlists SET forgotten_at = $1, deleted_at = COALESCE(deleted_at, $1), updated_at = $1
         WHERE library = $2 AND tidal_id = $3 AND forgotten_at IS NULL",
    )
    .bind(scope.at.to_string())
    .bind(scope.library)
    .bind(id.as_str())
    .execute(conn)
    .await
    .map(drop)
}

const PUT_TRACKS: &str = "
    INSERT INTO tracks (library, tidal_id, title, version, artist, artists, album, year, isrc,
        duration_seconds, explicit, release_date, media_tags, streamable, normalized_name, file_path,
        file_format, rekordbox_content_id, home_playlist_tidal_id, last_seen_in_tidal, created_at,
        updated_at)
    SELECT $1, v.value ->> 0, v.value ->> 1, v.value ->> 2, v.value ->> 3, v.value ->> 4, v.value ->> 5,
        v.value ->> 6, v.value ->> 7, v.value ->> 8, v.value ->> 9, v.value ->> 10, v.value ->> 11,
        v.value ->> 12, v.value ->> 13, v.value ->> 14, v.value ->> 15, v.value ->> 16, v.value ->> 17,
        v.value ->> 18, $2, $2
    FROM json_each($3) AS v WHERE TRUE
    ON CONFLICT (library, tidal_id) DO UPDATE SET
        title = EXCLUDED.title, version = EXCLUDED.version, artist = EXCLUDED.artist,
        artists = EXCLUDED.artists, album = EXCLUDED.album, year = EXCLUDED.year,
        isrc = EXCLUDED.isrc, duration_seconds = EXCLUDED.duration_seconds,
        explicit = EXCLUDED.explicit, release_date = EXCLUDED.release_date,
        media_tags = EXCLUDED.media_tags, streamable = EXCLUDED.streamable,
        normalized_name = EXCLUDED.normalized_name, file_path = EXCLUDED.file_path,
        file_format = EXCLUDED.file_format, rekordbox_content_id = EXCLUDED.rekordbox_content_id,
        home_playlist_tidal_id = EXCLUDED.home_playlist_tidal_id,
        last_seen_in_tidal = EXCLUDED.last_seen_in_tidal, updated_at = EXCLUDED.updated_at,
        deleted_at = NULL";

/// In the order of [`PUT_TRACKS`].
fn track_values(row: &TrackRow) -> Value {
    let track = &row.track;
    let format = row.file.as_ref().and_then(|path| file_format(path));
    json!([
        track.id,
        track.title,
        track.version,
        track.artist(),
        list_text(&track.artists),
        track.album,
        track.year(),
        track.isrc.as_ref().map(|isrc| isrc.as_str()),
        track.duration_s,
        track.explicit.map(i64::from),
        track.release_date,
        list_text(&track.media_tags),
        track.streamable.map(i64::from),
        fold_name(&track.label()),
        row.file,
        format,
        row.content,
        row.home,
        row.last_seen_in_tidal.map(|at| at.to_string()),
    ])
}

/// The design has a file's size and hash beside its track; the truth is the row of `files`.
async fn copy_file_facts(
    conn: &mut SqliteConnection,
    scope: Scope,
    tracks: &[&TrackId],
) -> Result<(), sqlx::Error> {
    if tracks.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE tracks SET (file_size_bytes, file_hash, file_last_modified) =
            (SELECT size_bytes, hash, updated_at FROM files
             WHERE files.library = tracks.library AND path = tracks.file_path AND files.deleted_at IS NULL)
         WHERE library = $1 AND tidal_id IN (SELECT value FROM json_each($2))",
    )
    .bind(scope.library)
    .bind(serde_json::json!(tracks).to_string())
    .execute(conn)
    .await
    .map(drop)
}

const PUT_FILES: &str = "
    INSERT INTO files (library, path, role, provenance, track_tidal_id, playlist_tidal_id, size_bytes,
        hash, created_at, updated_at)
    SELECT $1, v.value ->> 0, v.value ->> 1, v.value ->> 2, v.value ->> 3, v.value ->> 4, v.value ->> 5,
        v.value ->> 6, $2, $2
    FROM json_each($3) AS v WHERE TRUE
    ON CONFLICT (library, path) DO UPDATE SET
        role = EXCLUDED.role, provenance = EXCLUDED.provenance,
        track_tidal_id = EXCLUDED.track_tidal_id, playlist_tidal_id = EXCLUDED.playlist_tidal_id,
        size_bytes = EXCLUDED.size_bytes, hash = EXCLUDED.hash, updated_at = EXCLUDED.updated_at,
        deleted_at = NULL";

/// In the order of [`PUT_FILES`].
fn file_values(row: &FileRow) -> Value {
    json!([
        row.path,
        role_text(row.role),
        provenance_text(row.provenance),
        row.track,
        row.playlist,
        row.size,
        row.hash.map(|hash| hash.to_string()),
    ])
}

const PUT_OBJECTS: &str = "
    INSERT INTO rekordbox_objects (library, kind, object_key, rekordbox_id, provenance, created_at,
        updated_at)
    SELECT $1, v.value ->> 0, v.value ->> 1, v.value ->> 2, v.value ->> 3, $2, $2
    FROM json_each($3) AS v WHERE TRUE
    ON CONFLICT (library, object_key) DO UPDATE SET
        rekordbox_id = EXCLUDED.rekordbox_id, provenance = EXCLUDED.provenance,
        updated_at = EXCLUDED.updated_at, deleted_at = NULL";

/// In the order of [`PUT_OBJECTS`].
fn object_values(row: &ObjectRow) -> Result<Value, sqlx::Error> {
    Ok(json!([
        kind_text(&row.key),
        key_text(&row.key)?,
        row.id,
        provenance_text(row.provenance),
    ]))
}

async fn put_playlist(
    conn: &mut SqliteConnection,
    scope: Scope,
    row: &PlaylistRow,
) -> Result<(), sqlx::Error> {
    let of = |here: fn(&EntryRow) -> bool| {
        i64::try_from(row.entries.iter().filter(|entry| here(entry)).count()).map_err(unreadable)
    };
    let ends = row.deleted_at.is_some() && !same::has_ended(conn, scope, &row.id).await?;
    let number: i64 = sqlx::query_scalar(
        "INSERT INTO playlists (library, tidal_id, name, description, local_folder_path,
            rekordbox_playlist_id, provenance, created_at, updated_at, last_synced_at, last_seen_in_tidal,
            deleted_at, track_count_tidal, track_count_local, track_count_rekordbox)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (library, tidal_id) DO UPDATE SET
            name = EXCLUDED.name, description = EXCLUDED.description,
            local_folder_path = EXCLUDED.local_folder_path,
            rekordbox_playlist_id = EXCLUDED.rekordbox_playlist_id, provenance = EXCLUDED.provenance,
            created_at = EXCLUDED.created_at, updated_at = EXCLUDED.updated_at,
            last_synced_at = EXCLUDED.last_synced_at, last_seen_in_tidal = EXCLUDED.last_seen_in_tidal,
            deleted_at = EXCLUDED.deleted_at, forgotten_at = NULL,
            track_count_tidal = EXCLUDED.track_count_tidal,
            track_count_local = EXCLUDED.track_count_local,
            track_count_rekordbox = EXCLUDED.track_count_rekordbox
         RETURNING id",
    )
    .bind(scope.library)
    .bind(row.id.as_str())
    .bind(&row.name)
    .bind(&row.description)
    .bind(row.folder.as_ref().map(MediaPath::as_str))
    .bind(row.node.as_ref().map(|id| id.as_str()))
    .bind(provenance_text(row.provenance))
    .bind(row.created_at.to_string())
    .bind(scope.at.to_string())
    .bind(row.last_synced_at.map(|at| at.to_string()))
    .bind(row.last_seen_in_tidal.map(|at| at.to_string()))
    .bind(row.deleted_at.map(|at| at.to_string()))
    .bind(of(|entry| entry.in_tidal)?)
    .bind(of(|entry| entry.in_local)?)
    .bind(of(|entry| entry.in_rekordbox)?)
    .fetch_one(&mut *conn)
    .await?;
    let mut left = put_entries(conn, scope, number, &row.entries).await?;
    if ends {
        left.extend(row.entries.iter().map(|entry| entry.track.clone()));
        left.sort_unstable();
        left.dedup();
    }
    same::caught_up(conn, scope, OWN, &row.id, number).await?;
    if left.is_empty() {
        return Ok(());
    }
    sqlx::query(LEAVE_BEHIND)
        .bind(scope.library)
        .bind(row.id.as_str())
        .bind(json!(left).to_string())
        .execute(conn)
        .await
        .map(drop)
}

/// Notes that the lists of other machines still have tracks that leave this playlist: of machines that have the
/// list and the track from us.
const LEAVE_BEHIND: &str = "
    INSERT INTO device_entries (library, device, playlist_tidal_id, track_tidal_id, stands)
    SELECT d.library, d.device, d.tidal_id, v.value, 1 FROM device_ids AS d CROSS JOIN json_each($3) AS v
    JOIN device_ids AS t ON t.library = d.library AND t.device = d.device AND t.kind = 'track'
        AND t.tidal_id = v.value AND t.rekordbox_id IS NOT NULL
    WHERE d.library = $1 AND d.kind = 'playlist' AND d.tidal_id = $2 AND d.rekordbox_id IS NOT NULL
    ON CONFLICT (library, device, playlist_tidal_id, track_tidal_id) DO UPDATE SET stands = 1";

/// Writes only the rows that differ, and those whose place another one may want; the tracks that are in it no
/// more.
async fn put_entries(
    conn: &mut SqliteConnection,
    scope: Scope,
    playlist: i64,
    entries: &[EntryRow],
) -> Result<Vec<TrackId>, sqlx::Error> {
    let old = same::occurrences(conn, playlist, Stays::Here).await?;
    let new = occurrence::rewrite(old, entries, scope.at);
    let left = new.left(entries);
    if let Some(first) = new.cleared {
        clear_places(conn, playlist, first).await?;
    }
    let rows: Vec<&Occurrence> = new.changed.iter().chain(&new.added).collect();
    for rows in rows.chunks(same::BATCH) {
        let (old, new): (Vec<&Occurrence>, Vec<_>) = rows.iter().partition(|row| row.id.is_some());
        update_entries(conn, scope, &old).await?;
        insert_entries(conn, scope, playlist, &new).await?;
    }
    Ok(left)
}

async fn clear_places(
    conn: &mut SqliteConnection,
    playlist: i64,
    first: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE playlist_tracks SET position = NULL WHERE playlist_id = $1 AND position >= $2",
    )
    .bind(playlist)
    .bind(first)
    .execute(conn)
    .await
    .map(drop)
}

/// In the order of [`INSERT_ENTRIES`] and [`UPDATE_ENTRIES`].
fn entry_values(row: &Occurrence) -> Value {
    let time = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string());
    json!([
        row.id,
        row.track,
        row.position,
        i64::from(row.in_tidal),
        i64::from(row.in_local),
        i64::from(row.in_rekordbox),
        time(row.added_to_tidal),
        time(row.added_to_local),
        time(row.added_to_rekordbox),
        time(row.removed_from_tidal),
        time(Some(row.created_at)),
    ])
}

fn entries_text(rows: &[&Occurrence]) -> String {
    Value::Array(rows.iter().map(|row| entry_values(row)).collect()).to_string()
}

/// A marked row is made for a track that the state does not have.
pub(super) const MARK_TRACKS: &str = "
    INSERT INTO tracks (library, tidal_id, title, artist, normalized_name, created_at, updated_at,
        deleted_at)
    SELECT $1, v.value ->> 1, v.value ->> 1, '', v.value ->> 1, $2, $2, $2
    FROM json_each($3) AS v WHERE TRUE
    ON CONFLICT (library, tidal_id) DO NOTHING";

pub(super) const INSERT_ENTRIES: &str = "
    INSERT INTO playlist_tracks (library, playlist_id, track_id, position, in_tidal, in_local,
        in_rekordbox, added_to_tidal, added_to_local, added_to_rekordbox, removed_from_tidal,
        created_at, updated_at)
    SELECT $1, $4, t.id, v.value ->> 2, v.value ->> 3, v.value ->> 4, v.value ->> 5, v.value ->> 6,
        v.value ->> 7, v.value ->> 8, v.value ->> 9, v.value ->> 10, $2
    FROM json_each($3) AS v CROSS JOIN tracks AS t
    WHERE t.library = $1 AND t.tidal_id = v.value ->> 1 ORDER BY v.key";

async fn insert_entries(
    conn: &mut SqliteConnection,
    scope: Scope,
    playlist: i64,
    rows: &[&Occurrence],
) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    for sql in [MARK_TRACKS, INSERT_ENTRIES] {
        let query = sqlx::query(sql)
            .bind(scope.library)
            .bind(scope.at.to_string())
            .bind(entries_text(rows));
        match sql == INSERT_ENTRIES {
            true => query.bind(playlist),
            false => query,
        }
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

pub(super) const UPDATE_ENTRIES: &str = "
    UPDATE playlist_tracks AS e SET position = v.value ->> 2, in_tidal = v.value ->> 3,
        in_local = v.value ->> 4, in_rekordbox = v.value ->> 5, added_to_tidal = v.value ->> 6,
        added_to_local = v.value ->> 7, added_to_rekordbox = v.value ->> 8,
        removed_from_tidal = v.value ->> 9, updated_at = $1
    FROM json_each($2) AS v WHERE e.id = v.value ->> 0";

async fn update_entries(
    conn: &mut SqliteConnection,
    scope: Scope,
    rows: &[&Occurrence],
) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(UPDATE_ENTRIES)
        .bind(scope.at.to_string())
        .bind(entries_text(rows))
        .execute(conn)
        .await
        .map(drop)
}
