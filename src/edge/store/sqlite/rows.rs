//! Writes the state's rows: what [`State::apply`](crate::domain::State::apply) does to the value, done
//! to the tables.
//!
//! The one rule: a row that is taken away stays, marked as no part of the state any more (`deleted_at`;
//! `forgotten_at` for playlists, whose `deleted_at` is part of the state: gone from TIDAL). What was
//! marked is left out by `load`, and revived when its key comes back. Entries may name tracks that the
//! state does not have (TIDAL withholds them): such a track gets a marked row.

use std::collections::BTreeSet;

use sqlx::SqliteConnection;

use super::{load::unreadable, same};
use crate::{
    domain::{
        MediaPath, PlaylistId, TrackId,
        state::{EntryRow, FileRow, ObjectRow, PlaylistRow, RowChange, StateRow, TrackRow},
        text::fold_name,
    },
    edge::store::{
        occurrence::{self, Occurrence, Stays},
        words::{
            Scope, file_format, key_text, kind_text, list_text, provenance_text, role_text,
            same_key,
        },
    },
};

/// Makes the changes, in their order.
pub(super) async fn change_all(
    conn: &mut SqliteConnection,
    scope: Scope,
    changes: impl Iterator<Item = &RowChange>,
) -> Result<(), sqlx::Error> {
    // Tracks whose file, or what is known of it, may be another now.
    let mut told = BTreeSet::new();
    for RowChange { before, after } in changes {
        match before {
            Some(before) if !after.as_ref().is_some_and(|after| same_key(before, after)) => {
                take_away(conn, scope, before).await?;
            }
            Some(_) | None => {}
        }
        match after {
            None => {}
            Some(StateRow::Track(row)) => {
                put_track(conn, scope, row).await?;
                told.insert(&row.track.id);
            }
            Some(StateRow::Playlist(row)) => put_playlist(conn, scope, row).await?,
            Some(StateRow::File(row)) => {
                put_file(conn, scope, row).await?;
                told.extend(&row.track);
            }
            Some(StateRow::Object(row)) => put_object(conn, scope, row).await?,
        }
    }
    copy_file_facts(conn, scope, &told).await
}

async fn take_away(
    conn: &mut SqliteConnection,
    scope: Scope,
    row: &StateRow,
) -> Result<(), sqlx::Error> {
    let query = match row {
        StateRow::Track(row) => sqlx::query(
            "UPDATE tracks SET deleted_at = $1, updated_at = $1, file_path = NULL, file_hash = NULL,
                file_size_bytes = NULL, file_format = NULL, file_last_modified = NULL,
                rekordbox_content_id = NULL, home_playlist_tidal_id = NULL
             WHERE library = $2 AND tidal_id = $3 AND deleted_at IS NULL",
        )
        .bind(scope.at.to_string())
        .bind(scope.library)
        .bind(row.track.id.as_str()),
        StateRow::Playlist(row) => sqlx::query(
            "UPDATE playlists SET forgotten_at = $1, deleted_at = COALESCE(deleted_at, $1), updated_at = $1
             WHERE library = $2 AND tidal_id = $3 AND forgotten_at IS NULL",
        )
        .bind(scope.at.to_string())
        .bind(scope.library)
        .bind(row.id.as_str()),
        StateRow::File(row) => sqlx::query(
            "UPDATE files SET deleted_at = $1, updated_at = $1
             WHERE library = $2 AND path = $3 AND deleted_at IS NULL",
        )
        .bind(scope.at.to_string())
        .bind(scope.library)
        .bind(row.path.as_str()),
        StateRow::Object(row) => sqlx::query(
            "UPDATE rekordbox_objects SET deleted_at = $1, updated_at = $1
             WHERE library = $2 AND object_key = $3 AND deleted_at IS NULL",
        )
        .bind(scope.at.to_string())
        .bind(scope.library)
        .bind(key_text(&row.key)?),
    };
    query.execute(conn).await.map(drop)
}

async fn put_track(
    conn: &mut SqliteConnection,
    scope: Scope,
    row: &TrackRow,
) -> Result<(), sqlx::Error> {
    let track = &row.track;
    let format = row.file.as_ref().and_then(|path| file_format(path));
    sqlx::query(
        "INSERT INTO tracks (library, tidal_id, title, version, artist, artists, album, year, isrc,
            duration_seconds, explicit, release_date, media_tags, streamable, normalized_name, file_path,
            file_format, rekordbox_content_id, home_playlist_tidal_id, last_seen_in_tidal, created_at,
            updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
            $21, $21)
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
            deleted_at = NULL",
    )
    .bind(scope.library)
    .bind(track.id.as_str())
    .bind(&track.title)
    .bind(&track.version)
    .bind(track.artist())
    .bind(list_text(&track.artists))
    .bind(&track.album)
    .bind(track.year().map(i64::from))
    .bind(track.isrc.as_ref().map(|isrc| isrc.as_str()))
    .bind(track.duration_s.map(i64::from))
    .bind(track.explicit.map(i64::from))
    .bind(&track.release_date)
    .bind(list_text(&track.media_tags))
    .bind(track.streamable.map(i64::from))
    .bind(fold_name(&track.label()))
    .bind(row.file.as_ref().map(MediaPath::as_str))
    .bind(format)
    .bind(row.content.as_ref().map(|id| id.as_str()))
    .bind(row.home.as_ref().map(PlaylistId::as_str))
    .bind(row.last_seen_in_tidal.map(|at| at.to_string()))
    .bind(scope.at.to_string())
    .execute(conn)
    .await
    .map(drop)
}

/// The design has a file's size and hash beside its track; the truth is the row of `files`.
async fn copy_file_facts(
    conn: &mut SqliteConnection,
    scope: Scope,
    tracks: &BTreeSet<&TrackId>,
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

async fn put_file(
    conn: &mut SqliteConnection,
    scope: Scope,
    row: &FileRow,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO files (library, path, role, provenance, track_tidal_id, playlist_tidal_id, size_bytes,
            hash, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
         ON CONFLICT (library, path) DO UPDATE SET
            role = EXCLUDED.role, provenance = EXCLUDED.provenance,
            track_tidal_id = EXCLUDED.track_tidal_id, playlist_tidal_id = EXCLUDED.playlist_tidal_id,
            size_bytes = EXCLUDED.size_bytes, hash = EXCLUDED.hash, updated_at = EXCLUDED.updated_at,
            deleted_at = NULL",
    )
    .bind(scope.library)
    .bind(row.path.as_str())
    .bind(role_text(row.role))
    .bind(provenance_text(row.provenance))
    .bind(row.track.as_ref().map(TrackId::as_str))
    .bind(row.playlist.as_ref().map(PlaylistId::as_str))
    .bind(i64::try_from(row.size).map_err(unreadable)?)
    .bind(row.hash.map(|hash| hash.to_string()))
    .bind(scope.at.to_string())
    .execute(conn)
    .await
    .map(drop)
}

async fn put_object(
    conn: &mut SqliteConnection,
    scope: Scope,
    row: &ObjectRow,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO rekordbox_objects (library, kind, object_key, rekordbox_id, provenance, created_at,
            updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6)
         ON CONFLICT (library, object_key) DO UPDATE SET
            rekordbox_id = EXCLUDED.rekordbox_id, provenance = EXCLUDED.provenance,
            updated_at = EXCLUDED.updated_at, deleted_at = NULL",
    )
    .bind(scope.library)
    .bind(kind_text(&row.key))
    .bind(key_text(&row.key)?)
    .bind(&row.id)
    .bind(provenance_text(row.provenance))
    .bind(scope.at.to_string())
    .execute(conn)
    .await
    .map(drop)
}

async fn put_playlist(
    conn: &mut SqliteConnection,
    scope: Scope,
    row: &PlaylistRow,
) -> Result<(), sqlx::Error> {
    let of = |here: fn(&EntryRow) -> bool| {
        i64::try_from(row.entries.iter().filter(|entry| here(entry)).count()).map_err(unreadable)
    };
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
    put_entries(conn, scope, number, &row.entries).await
}

/// Writes only the rows that differ, and those whose place another one may want.
async fn put_entries(
    conn: &mut SqliteConnection,
    scope: Scope,
    playlist: i64,
    entries: &[EntryRow],
) -> Result<(), sqlx::Error> {
    let old = same::occurrences(conn, playlist, Stays::Here).await?;
    let new = occurrence::rewrite(old, entries, scope.at);
    if let Some(first) = new.cleared {
        clear_places(conn, playlist, first).await?;
    }
    for row in new.changed.iter().chain(&new.added) {
        match row.id {
            None => insert_entry(conn, scope, playlist, row).await?,
            Some(id) => update_entry(conn, scope, id, row).await?,
        }
    }
    Ok(())
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

async fn insert_entry(
    conn: &mut SqliteConnection,
    scope: Scope,
    playlist: i64,
    row: &Occurrence,
) -> Result<(), sqlx::Error> {
    let track = track_number(conn, scope, &row.track).await?;
    sqlx::query(
        "INSERT INTO playlist_tracks (library, playlist_id, track_id, position, in_tidal, in_local,
            in_rekordbox, added_to_tidal, added_to_local, added_to_rekordbox, removed_from_tidal,
            created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(scope.library)
    .bind(playlist)
    .bind(track)
    .bind(row.position)
    .bind(i64::from(row.in_tidal))
    .bind(i64::from(row.in_local))
    .bind(i64::from(row.in_rekordbox))
    .bind(row.added_to_tidal.map(|at| at.to_string()))
    .bind(row.added_to_local.map(|at| at.to_string()))
    .bind(row.added_to_rekordbox.map(|at| at.to_string()))
    .bind(row.removed_from_tidal.map(|at| at.to_string()))
    .bind(row.created_at.to_string())
    .bind(scope.at.to_string())
    .execute(conn)
    .await
    .map(drop)
}

async fn update_entry(
    conn: &mut SqliteConnection,
    scope: Scope,
    id: i64,
    row: &Occurrence,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE playlist_tracks SET position = $1, in_tidal = $2, in_local = $3, in_rekordbox = $4,
            added_to_tidal = $5, added_to_local = $6, added_to_rekordbox = $7, removed_from_tidal = $8,
            updated_at = $9
         WHERE id = $10",
    )
    .bind(row.position)
    .bind(i64::from(row.in_tidal))
    .bind(i64::from(row.in_local))
    .bind(i64::from(row.in_rekordbox))
    .bind(row.added_to_tidal.map(|at| at.to_string()))
    .bind(row.added_to_local.map(|at| at.to_string()))
    .bind(row.added_to_rekordbox.map(|at| at.to_string()))
    .bind(row.removed_from_tidal.map(|at| at.to_string()))
    .bind(scope.at.to_string())
    .bind(id)
    .execute(conn)
    .await
    .map(drop)
}

/// The number of a track's row; a marked row is made for a track that the state does not have.
async fn track_number(
    conn: &mut SqliteConnection,
    scope: Scope,
    track: &TrackId,
) -> Result<i64, sqlx::Error> {
    let known = sqlx::query_scalar("SELECT id FROM tracks WHERE library = $1 AND tidal_id = $2")
        .bind(scope.library)
        .bind(track.as_str())
        .fetch_optional(&mut *conn)
        .await?;
    if let Some(number) = known {
        return Ok(number);
    }
    sqlx::query_scalar(
        "INSERT INTO tracks (library, tidal_id, title, artist, normalized_name, created_at, updated_at,
            deleted_at)
         VALUES ($1, $2, $2, '', $2, $3, $3, $3) RETURNING id",
    )
    .bind(scope.library)
    .bind(track.as_str())
    .bind(scope.at.to_string())
    .fetch_one(conn)
    .await
}
