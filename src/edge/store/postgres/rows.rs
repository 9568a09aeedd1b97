//! Writes the state's rows: what [`State::apply`](crate::domain::State::apply) does to the value, done
//! to the tables, in a number of statements that does not grow with the rows but for their batches.

use std::collections::{BTreeSet, HashMap};

use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::ask::{query, query_scalar};
use super::{load::unreadable, same};
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

/// Rows a statement; each has up to 22 values, and the protocol takes 65,535.
const BATCH: usize = 2_000;

/// Makes the changes.
pub(super) async fn change_all(
    conn: &mut PgConnection,
    scope: Scope,
    device: &str,
    changes: impl Iterator<Item = &RowChange>,
) -> Result<(), sqlx::Error> {
    let last = Last::of(changes);
    take_away(conn, scope, device, &last).await?;
    let tracks: Vec<&TrackRow> = last.tracks.values().copied().flatten().collect();
    put_tracks(conn, scope, device, &tracks).await?;
    let files: Vec<&FileRow> = last.files.values().copied().flatten().collect();
    put_files(conn, scope, &files).await?;
    copy_file_facts(conn, scope, &last.told()).await?;
    let objects: Vec<&ObjectRow> = last.objects.values().copied().flatten().collect();
    put_objects(conn, scope, device, &objects).await?;
    for (row, here) in last.playlists {
        match here {
            true => put_playlist(conn, scope, device, row).await?,
            false => forget_playlist(conn, scope, row).await?,
        }
    }
    Ok(())
}

/// Marks rows as no part of the state any more.
async fn take_away(
    conn: &mut PgConnection,
    scope: Scope,
    device: &str,
    last: &Last<'_>,
) -> Result<(), sqlx::Error> {
    let gone = last.tracks.iter().filter(|(_, row)| row.is_none());
    let gone: Vec<&str> = gone.map(|(id, _)| id.as_str()).collect();
    for some in gone.chunks(BATCH) {
        let mut query = marking("tracks", scope);
        query.push(
            ", file_path = NULL, file_hash = NULL, file_size_bytes = NULL, file_format = NULL,
             file_last_modified = NULL, rekordbox_content_id = NULL, home_playlist_tidal_id = NULL",
        );
        among(&mut query, scope, "tidal_id", some);
        query.push(" AND deleted_at IS NULL");
        query.build().persistent(false).execute(&mut *conn).await?;
        let mut query: QueryBuilder<Postgres> =
            QueryBuilder::new("UPDATE device_ids SET rekordbox_id = NULL");
        among(&mut query, scope, "tidal_id", some);
        query
            .push(" AND kind = 'track' AND device = ")
            .push_bind(device);
        query.build().persistent(false).execute(&mut *conn).await?;
    }
    let gone = last.files.iter().filter(|(_, row)| row.is_none());
    let gone: Vec<&str> = gone.map(|(path, _)| path.as_str()).collect();
    for some in gone.chunks(BATCH) {
        let mut query = marking("files", scope);
        among(&mut query, scope, "path", some);
        query.push(" AND deleted_at IS NULL");
        query.build().persistent(false).execute(&mut *conn).await?;
    }
    let gone = last.objects.iter().filter(|(_, row)| row.is_none());
    let gone: Vec<String> = gone
        .map(|(key, _)| key_text(key))
        .collect::<Result<_, _>>()?;
    let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
    for some in gone.chunks(BATCH) {
        let mut query = marking("rekordbox_objects", scope);
        among(&mut query, scope, "object_key", some);
        query
            .push(" AND deleted_at IS NULL AND device = ")
            .push_bind(device);
        query.build().persistent(false).execute(&mut *conn).await?;
    }
    Ok(())
}

fn marking(table: &str, scope: Scope) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new("UPDATE ");
    query
        .push(table)
        .push(" SET deleted_at = ")
        .push_bind(scope.at.to_string());
    query
        .push(", updated_at = ")
        .push_bind(scope.at.to_string());
    query
}

/// ` WHERE library = … AND column IN (…)`
fn among(query: &mut QueryBuilder<Postgres>, scope: Scope, column: &str, keys: &[&str]) {
    query.push(" WHERE library = ").push_bind(scope.library);
    query.push(" AND ").push(column).push(" IN (");
    let mut list = query.separated(", ");
    for key in keys {
        list.push_bind((*key).to_owned());
    }
    query.push(")");
}

async fn put_tracks(
    conn: &mut PgConnection,
    scope: Scope,
    device: &str,
    rows: &[&TrackRow],
) -> Result<(), sqlx::Error> {
    for some in rows.chunks(BATCH) {
        let mut query: QueryBuilder<Postgres> = QueryBuilder::new(
            "INSERT INTO tracks (library, tidal_id, title, version, artist, artists, album, year, isrc,
                duration_seconds, explicit, release_date, media_tags, streamable, normalized_name,
                file_path, file_format, rekordbox_content_id, home_playlist_tidal_id,
                last_seen_in_tidal, created_at, updated_at) ",
        );
        query.push_values(some, |mut to, row| {
            let track = &row.track;
            to.push_bind(scope.library)
                .push_bind(track.id.as_str())
                .push_bind(&track.title)
                .push_bind(&track.version)
                .push_bind(track.artist())
                .push_bind(list_text(&track.artists))
                .push_bind(&track.album)
                .push_bind(track.year().map(i64::from))
                .push_bind(track.isrc.as_ref().map(|isrc| isrc.as_str()))
                .push_bind(track.duration_s.map(i64::from))
                .push_bind(track.explicit.map(i64::from))
                .push_bind(&track.release_date)
                .push_bind(list_text(&track.media_tags))
                .push_bind(track.streamable.map(i64::from))
                .push_bind(fold_name(&track.label()))
                .push_bind(row.file.as_ref().map(MediaPath::as_str))
                .push_bind(row.file.as_ref().and_then(file_format))
                .push_bind(row.content.as_ref().map(|id| id.as_str()))
                .push_bind(row.home.as_ref().map(PlaylistId::as_str))
                .push_bind(row.last_seen_in_tidal.map(|at| at.to_string()))
                .push_bind(scope.at.to_string())
                .push_bind(scope.at.to_string());
        });
        query.push(
            " ON CONFLICT (library, tidal_id) DO UPDATE SET
                title = EXCLUDED.title, version = EXCLUDED.version, artist = EXCLUDED.artist,
                artists = EXCLUDED.artists, album = EXCLUDED.album, year = EXCLUDED.year,
                isrc = EXCLUDED.isrc, duration_seconds = EXCLUDED.duration_seconds,
                explicit = EXCLUDED.explicit, release_date = EXCLUDED.release_date,
                media_tags = EXCLUDED.media_tags, streamable = EXCLUDED.streamable,
                normalized_name = EXCLUDED.normalized_name, file_path = EXCLUDED.file_path,
                file_format = EXCLUDED.file_format,
                rekordbox_content_id = EXCLUDED.rekordbox_content_id,
                home_playlist_tidal_id = EXCLUDED.home_playlist_tidal_id,
                last_seen_in_tidal = EXCLUDED.last_seen_in_tidal, updated_at = EXCLUDED.updated_at,
                deleted_at = NULL",
        );
        query.build().persistent(false).execute(&mut *conn).await?;
        let ids = some.iter().map(|row| {
            (
                row.track.id.as_str(),
                row.content.as_ref().map(|id| id.as_str()),
            )
        });
        put_device_ids(conn, scope, device, "track", ids).await?;
    }
    Ok(())
}

/// What this machine's Rekordbox calls them.
async fn put_device_ids<'a>(
    conn: &mut PgConnection,
    scope: Scope,
    device: &str,
    kind: &'static str,
    ids: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> Result<(), sqlx::Error> {
    let mut query: QueryBuilder<Postgres> = QueryBuilder::new(
        "INSERT INTO device_ids (library, device, kind, tidal_id, rekordbox_id) ",
    );
    query.push_values(ids, |mut to, (tidal_id, rekordbox_id)| {
        to.push_bind(scope.library)
            .push_bind(device.to_owned())
            .push_bind(kind)
            .push_bind(tidal_id.to_owned())
            .push_bind(rekordbox_id.map(str::to_owned));
    });
    query.push(
        " ON CONFLICT (library, device, kind, tidal_id) DO UPDATE SET
            rekordbox_id = EXCLUDED.rekordbox_id",
    );
    query
        .build()
        .persistent(false)
        .execute(conn)
        .await
        .map(drop)
}

/// The design has a file's size and hash beside its track; the truth is the row of `files`.
async fn copy_file_facts(
    conn: &mut PgConnection,
    scope: Scope,
    tracks: &[&TrackId],
) -> Result<(), sqlx::Error> {
    let tracks: Vec<&str> = tracks.iter().map(|id| id.as_str()).collect();
    for some in tracks.chunks(BATCH) {
        let mut query: QueryBuilder<Postgres> = QueryBuilder::new(
            "UPDATE tracks SET (file_size_bytes, file_hash, file_last_modified) =
                (SELECT size_bytes, hash, updated_at FROM files
                 WHERE files.library = tracks.library AND path = tracks.file_path
                    AND files.deleted_at IS NULL)",
        );
        among(&mut query, scope, "tidal_id", some);
        query.build().persistent(false).execute(&mut *conn).await?;
    }
    Ok(())
}

async fn put_files(
    conn: &mut PgConnection,
    scope: Scope,
    rows: &[&FileRow],
) -> Result<(), sqlx::Error> {
    for some in rows.chunks(BATCH) {
        let mut query: QueryBuilder<Postgres> = QueryBuilder::new(
            "INSERT INTO files (library, path, role, provenance, track_tidal_id, playlist_tidal_id,
                size_bytes, hash, created_at, updated_at) ",
        );
        query.push_values(some, |mut to, row| {
            to.push_bind(scope.library)
                .push_bind(row.path.as_str())
                .push_bind(role_text(row.role))
                .push_bind(provenance_text(row.provenance))
                .push_bind(row.track.as_ref().map(TrackId::as_str))
                .push_bind(row.playlist.as_ref().map(PlaylistId::as_str))
                .push_bind(i64::try_from(row.size).unwrap_or(i64::MAX))
                .push_bind(row.hash.map(|hash| hash.to_string()))
                .push_bind(scope.at.to_string())
                .push_bind(scope.at.to_string());
        });
        query.push(
            " ON CONFLICT (library, path) DO UPDATE SET
                role = EXCLUDED.role, provenance = EXCLUDED.provenance,
                track_tidal_id = EXCLUDED.track_tidal_id,
                playlist_tidal_id = EXCLUDED.playlist_tidal_id, size_bytes = EXCLUDED.size_bytes,
                hash = EXCLUDED.hash, updated_at = EXCLUDED.updated_at, deleted_at = NULL",
        );
        query.build().persistent(false).execute(&mut *conn).await?;
    }
    Ok(())
}

async fn put_objects(
    conn: &mut PgConnection,
    scope: Scope,
    device: &str,
    rows: &[&ObjectRow],
) -> Result<(), sqlx::Error> {
    let keys: Vec<String> = rows
        .iter()
        .map(|row| key_text(&row.key))
        .collect::<Result<_, _>>()?;
    let rows: Vec<(&ObjectRow, String)> = rows.iter().copied().zip(keys).collect();
    for some in rows.chunks(BATCH) {
        let mut query: QueryBuilder<Postgres> = QueryBuilder::new(
            "INSERT INTO rekordbox_objects (library, device, kind, object_key, rekordbox_id, provenance,
                created_at, updated_at) ",
        );
        query.push_values(some, |mut to, (row, key)| {
            to.push_bind(scope.library)
                .push_bind(device.to_owned())
                .push_bind(kind_text(&row.key))
                .push_bind(key)
                .push_bind(&row.id)
                .push_bind(provenance_text(row.provenance))
                .push_bind(scope.at.to_string())
                .push_bind(scope.at.to_string());
        });
        query.push(
            " ON CONFLICT (library, device, object_key) DO UPDATE SET
                rekordbox_id = EXCLUDED.rekordbox_id, provenance = EXCLUDED.provenance,
                updated_at = EXCLUDED.updated_at, deleted_at = NULL",
        );
        query.build().persistent(false).execute(&mut *conn).await?;
    }
    Ok(())
}

async fn forget_playlist(
    conn: &mut PgConnection,
    scope: Scope,
    row: &PlaylistRow,
) -> Result<(), sqlx::Error> {
    query(
        "UPDATE playlists SET forgotten_at = $1, deleted_at = COALESCE(deleted_at, $1), updated_at = $1
         WHERE library = $2 AND tidal_id = $3 AND forgotten_at IS NULL",
    )
    .bind(scope.at.to_string())
    .bind(scope.library)
    .bind(row.id.as_str())
    .execute(conn)
    .await
    .map(drop)
}

async fn put_playlist(
    conn: &mut PgConnection,
    scope: Scope,
    device: &str,
    row: &PlaylistRow,
) -> Result<(), sqlx::Error> {
    let of = |here: fn(&EntryRow) -> bool| {
        i64::try_from(row.entries.iter().filter(|entry| here(entry)).count()).map_err(unreadable)
    };
    let ends = row.deleted_at.is_some() && !same::has_ended(conn, scope, &row.id).await?;
    let number: i64 = query_scalar(
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
    let id = (row.id.as_str(), row.node.as_ref().map(|id| id.as_str()));
    put_device_ids(conn, scope, device, "playlist", std::iter::once(id)).await?;
    let mut left = put_entries(conn, scope, number, &row.entries).await?;
    if ends {
        left.extend(row.entries.iter().map(|entry| entry.track.clone()));
        left.sort_unstable();
        left.dedup();
    }
    same::caught_up(conn, scope, device, &row.id, number).await?;
    leave_behind(conn, scope, device, &row.id, &left).await
}

/// Notes that the lists of other machines still have tracks that leave this playlist: of machines that have the
/// list and the track from us.
async fn leave_behind(
    conn: &mut PgConnection,
    scope: Scope,
    device: &str,
    playlist: &PlaylistId,
    left: &[TrackId],
) -> Result<(), sqlx::Error> {
    for some in left.chunks(BATCH) {
        let mut query: QueryBuilder<Postgres> = QueryBuilder::new(
            "INSERT INTO device_entries (library, device, playlist_tidal_id, track_tidal_id, stands)
             SELECT d.library, d.device, d.tidal_id, v.track, 1 FROM device_ids AS d CROSS JOIN (",
        );
        query.push_values(some, |mut to, track| {
            to.push_bind(track.as_str());
        });
        query.push(
            ") AS v (track) JOIN device_ids AS t ON t.library = d.library AND t.device = d.device
                AND t.kind = 'track' AND t.tidal_id = v.track AND t.rekordbox_id IS NOT NULL",
        );
        query.push(" WHERE d.kind = 'playlist' AND d.rekordbox_id IS NOT NULL AND d.library = ");
        query.push_bind(scope.library);
        query
            .push(" AND d.tidal_id = ")
            .push_bind(playlist.as_str());
        query.push(" AND d.device <> ").push_bind(device);
        query.push(
            " ON CONFLICT (library, device, playlist_tidal_id, track_tidal_id) DO UPDATE SET stands = 1",
        );
        query.build().persistent(false).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Writes only the rows that differ, and those whose place another one may want; the tracks that are in it no
/// more.
async fn put_entries(
    conn: &mut PgConnection,
    scope: Scope,
    playlist: i64,
    entries: &[EntryRow],
) -> Result<Vec<TrackId>, sqlx::Error> {
    let old = same::occurrences(conn, playlist, Stays::Here).await?;
    let new = occurrence::rewrite(old, entries, scope.at);
    let left = new.left(entries);
    if let Some(first) = new.cleared {
        query(
            "UPDATE playlist_tracks SET position = NULL WHERE playlist_id = $1 AND position >= $2",
        )
        .bind(playlist)
        .bind(first)
        .execute(&mut *conn)
        .await?;
    }
    update_entries(conn, scope, &new.changed).await?;
    insert_entries(conn, scope, playlist, &new.added).await?;
    Ok(left)
}

async fn insert_entries(
    conn: &mut PgConnection,
    scope: Scope,
    playlist: i64,
    rows: &[Occurrence],
) -> Result<(), sqlx::Error> {
    let numbers = track_numbers(conn, scope, rows).await?;
    for some in rows.chunks(BATCH) {
        let mut query: QueryBuilder<Postgres> = QueryBuilder::new(
            "INSERT INTO playlist_tracks (library, playlist_id, track_id, position, in_tidal, in_local,
                in_rekordbox, added_to_tidal, added_to_local, added_to_rekordbox, removed_from_tidal,
                created_at, updated_at) ",
        );
        query.push_values(some, |mut to, row| {
            to.push_bind(scope.library)
                .push_bind(playlist)
                .push_bind(numbers.get(&row.track).copied())
                .push_bind(row.position)
                .push_bind(i64::from(row.in_tidal))
                .push_bind(i64::from(row.in_local))
                .push_bind(i64::from(row.in_rekordbox))
                .push_bind(row.added_to_tidal.map(|at| at.to_string()))
                .push_bind(row.added_to_local.map(|at| at.to_string()))
                .push_bind(row.added_to_rekordbox.map(|at| at.to_string()))
                .push_bind(row.removed_from_tidal.map(|at| at.to_string()))
                .push_bind(row.created_at.to_string())
                .push_bind(scope.at.to_string());
        });
        query.build().persistent(false).execute(&mut *conn).await?;
    }
    Ok(())
}

async fn update_entries(
    conn: &mut PgConnection,
    scope: Scope,
    rows: &[Occurrence],
) -> Result<(), sqlx::Error> {
    for some in rows.chunks(BATCH) {
        let mut query: QueryBuilder<Postgres> = QueryBuilder::new(
            "UPDATE playlist_tracks AS e SET position = v.position, in_tidal = v.in_tidal,
                in_local = v.in_local, in_rekordbox = v.in_rekordbox,
                added_to_tidal = v.added_to_tidal, added_to_local = v.added_to_local,
                added_to_rekordbox = v.added_to_rekordbox,
                removed_from_tidal = v.removed_from_tidal, updated_at = ",
        );
        query.push_bind(scope.at.to_string()).push(" FROM (");
        query.push_values(some, |mut to, row| {
            to.push_bind(row.id)
                .push_bind(row.position)
                .push_bind(i64::from(row.in_tidal))
                .push_bind(i64::from(row.in_local))
                .push_bind(i64::from(row.in_rekordbox))
                .push_bind(row.added_to_tidal.map(|at| at.to_string()))
                .push_bind(row.added_to_local.map(|at| at.to_string()))
                .push_bind(row.added_to_rekordbox.map(|at| at.to_string()))
                .push_bind(row.removed_from_tidal.map(|at| at.to_string()));
        });
        query.push(
            ") AS v (id, position, in_tidal, in_local, in_rekordbox, added_to_tidal, added_to_local,
                added_to_rekordbox, removed_from_tidal) WHERE e.id = v.id",
        );
        query.build().persistent(false).execute(&mut *conn).await?;
    }
    Ok(())
}

/// The numbers of tracks' rows; marked rows are made for tracks that the state does not have.
async fn track_numbers(
    conn: &mut PgConnection,
    scope: Scope,
    rows: &[Occurrence],
) -> Result<HashMap<TrackId, i64>, sqlx::Error> {
    let wanted: BTreeSet<&str> = rows.iter().map(|row| row.track.as_str()).collect();
    let wanted: Vec<&str> = wanted.into_iter().collect();
    let mut numbers = HashMap::new();
    for some in wanted.chunks(BATCH) {
        let mut query: QueryBuilder<Postgres> =
            QueryBuilder::new("SELECT tidal_id, id FROM tracks");
        among(&mut query, scope, "tidal_id", some);
        let query = query.build_query_as::<(String, i64)>();
        let known = query.persistent(false).fetch_all(&mut *conn).await?;
        numbers.extend(
            known
                .into_iter()
                .map(|(id, number)| (TrackId::new(id), number)),
        );
    }
    let missing = wanted.into_iter().map(TrackId::new);
    let missing: Vec<TrackId> = missing.filter(|id| !numbers.contains_key(id)).collect();
    for some in missing.chunks(BATCH) {
        let mut query: QueryBuilder<Postgres> = QueryBuilder::new(
            "INSERT INTO tracks (library, tidal_id, title, artist, normalized_name, created_at,
                updated_at, deleted_at) ",
        );
        let at = scope.at.to_string();
        query.push_values(some, |mut to, track| {
            to.push_bind(scope.library)
                .push_bind(track.as_str())
                .push_bind(track.as_str())
                .push_bind("")
                .push_bind(track.as_str())
                .push_bind(at.as_str())
                .push_bind(at.as_str())
                .push_bind(at.as_str());
        });
        query.push(" RETURNING tidal_id, id");
        let query = query.build_query_as::<(String, i64)>();
        let made = query.persistent(false).fetch_all(&mut *conn).await?;
        numbers.extend(
            made.into_iter()
                .map(|(id, number)| (TrackId::new(id), number)),
        );
    }
    Ok(numbers)
}
