//! Reads the whole state: by set, one statement a table, as a stream.

use std::{collections::HashMap, sync::Arc};

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::ask::{query, query_as};
use super::same::{self, maybe_time, time};
use crate::domain::{
    ContentHash, ContentId, Isrc, MediaPath, NodeId, PlaylistId, State, Track, TrackId,
    state::{EntryRow, FileRow, Meta, ObjectRow, PlaylistRow, TrackRow},
};

/// Everything that belongs to the state of `library`, as the machine `device` has it. One transaction must
/// surround it.
pub(super) async fn state(
    conn: &mut PgConnection,
    library: i64,
    device: &str,
) -> Result<State, sqlx::Error> {
    let mut state = State {
        meta: meta(conn, library).await?,
        ..State::default()
    };
    let mut ids: HashMap<i64, TrackId> = HashMap::new();
    let mut rows = query(TRACKS).bind(library).bind(device).fetch(&mut *conn);
    while let Some(row) = rows.try_next().await? {
        let track = track(&row)?;
        ids.insert(row.try_get("id")?, track.track.id.clone());
        if row.try_get("here")? {
            state.tracks.insert(track.track.id.clone(), track);
        }
    }
    drop(rows);
    let mut entries: HashMap<i64, Vec<(i64, EntryRow)>> = HashMap::new();
    let mut rows = query(ENTRIES).bind(library).fetch(&mut *conn);
    while let Some(row) = rows.try_next().await? {
        let track = ids.get(&row.try_get(2)?).cloned();
        let flags: i64 = row.try_get(3)?;
        let added_at: Option<&str> = row.try_get(4)?;
        let entry = EntryRow {
            track: track.ok_or_else(|| unreadable("an entry of an unknown track"))?,
            in_tidal: flags & 1 != 0,
            in_local: flags & 2 != 0,
            in_rekordbox: flags & 4 != 0,
            added_at: added_at.map(parse_time).transpose()?,
        };
        let list = entries.entry(row.try_get(0)?).or_default();
        list.push((row.try_get(1)?, entry));
    }
    drop(rows);
    let mut rows = query(PLAYLISTS)
        .bind(library)
        .bind(device)
        .fetch(&mut *conn);
    while let Some(row) = rows.try_next().await? {
        let mut entries = entries.remove(&row.try_get("id")?).unwrap_or_default();
        entries.sort_unstable_by_key(|(position, _)| *position);
        let entries = entries.into_iter().map(|(_, entry)| entry).collect();
        let playlist = self::playlist_of(&row, entries)?;
        state.playlists.insert(playlist.id.clone(), playlist);
    }
    drop(rows);
    let mut rows = query(FILES).bind(library).fetch(&mut *conn);
    while let Some(row) = rows.try_next().await? {
        let file = file(&row)?;
        state.files.insert(file.path.clone(), file);
    }
    drop(rows);
    state.left_behind = same::left_behind(conn, library, device).await?;
    let mut rows = query(OBJECTS).bind(library).bind(device).fetch(conn);
    while let Some(row) = rows.try_next().await? {
        let object = ObjectRow {
            key: serde_json::from_str(row.try_get("object_key")?).map_err(unreadable)?,
            id: row.try_get("rekordbox_id")?,
            provenance: word(row.try_get("provenance")?)?,
        };
        state.objects.insert(object.key.clone(), object);
    }
    Ok(state)
}

/// The library's row of `meta`; that of an unknown library when there is none.
pub(super) async fn meta(conn: &mut PgConnection, library: i64) -> Result<Meta, sqlx::Error> {
    let found: Option<(Option<String>, String, i64, i64)> =
        query_as("SELECT library_id, lineage, serial, schema_version FROM meta WHERE id = $1")
            .bind(library)
            .fetch_optional(conn)
            .await?;
    Ok(match found {
        Some((library_id, lineage, serial, schema_version)) => Meta {
            library_id: library_id.map(Into::into),
            lineage,
            serial,
            schema_version,
        },
        None => Meta {
            schema_version: super::SCHEMA_VERSION,
            ..Meta::default()
        },
    })
}

/// One playlist, by the number of its row.
pub(super) async fn playlist(
    conn: &mut PgConnection,
    (library, device): (i64, &str),
    row: i64,
    entries: Vec<EntryRow>,
) -> Result<Option<PlaylistRow>, sqlx::Error> {
    let found = query(PLAYLIST)
        .bind(library)
        .bind(device)
        .bind(row)
        .fetch_optional(conn)
        .await?;
    found.map(|row| playlist_of(&row, entries)).transpose()
}

/// An error for a value that is not what its column should hold.
pub(super) fn unreadable(
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> sqlx::Error {
    sqlx::Error::Decode(source.into())
}

/// Every track that has a TIDAL id, also those that left the state: entries may name them.
pub(super) const TRACKS: &str = "
    SELECT t.id, t.deleted_at IS NULL AS here, t.tidal_id, t.title, t.version, t.artists, t.album, t.isrc,
        t.duration_seconds, t.explicit, t.release_date, t.media_tags, t.streamable, t.file_path,
        d.rekordbox_id, t.home_playlist_tidal_id, t.last_seen_in_tidal
    FROM tracks AS t LEFT JOIN device_ids AS d
        ON d.library = t.library AND d.device = $2 AND d.kind = 'track' AND d.tidal_id = t.tidal_id
    WHERE t.library = $1 AND t.tidal_id IS NOT NULL";

pub(super) const ENTRIES: &str = "
    SELECT playlist_id, position, track_id, in_tidal + 2 * in_local + 4 * in_rekordbox, added_to_tidal
    FROM playlist_tracks WHERE library = $1 AND position IS NOT NULL";

pub(super) const PLAYLISTS: &str = "
    SELECT p.id, p.tidal_id, p.name, p.description, p.local_folder_path, d.rekordbox_id, p.provenance,
        p.created_at, p.last_synced_at, p.last_seen_in_tidal, p.deleted_at
    FROM playlists AS p LEFT JOIN device_ids AS d
        ON d.library = p.library AND d.device = $2 AND d.kind = 'playlist' AND d.tidal_id = p.tidal_id
    WHERE p.library = $1 AND p.tidal_id IS NOT NULL AND p.forgotten_at IS NULL";

const PLAYLIST: &str = "
    SELECT p.id, p.tidal_id, p.name, p.description, p.local_folder_path, d.rekordbox_id, p.provenance,
        p.created_at, p.last_synced_at, p.last_seen_in_tidal, p.deleted_at
    FROM playlists AS p LEFT JOIN device_ids AS d
        ON d.library = p.library AND d.device = $2 AND d.kind = 'playlist' AND d.tidal_id = p.tidal_id
    WHERE p.library = $1 AND p.id = $3 AND p.forgotten_at IS NULL";

const FILES: &str = "
    SELECT path, role, provenance, track_tidal_id, playlist_tidal_id, size_bytes, hash
    FROM files WHERE library = $1 AND deleted_at IS NULL";

const OBJECTS: &str = "
    SELECT object_key, rekordbox_id, provenance
    FROM rekordbox_objects WHERE library = $1 AND device = $2 AND deleted_at IS NULL";

fn track(row: &PgRow) -> Result<TrackRow, sqlx::Error> {
    let flag =
        |name: &str| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(name)?.map(|it| it == 1));
    let list = |name: &str| serde_json::from_str(row.try_get(name)?).map_err(unreadable);
    let duration: Option<i64> = row.try_get("duration_seconds")?;
    let isrc: Option<&str> = row.try_get("isrc")?;
    Ok(TrackRow {
        track: Arc::new(Track {
            id: TrackId::new(row.try_get::<&str, _>("tidal_id")?),
            title: row.try_get("title")?,
            version: row.try_get("version")?,
            artists: list("artists")?,
            album: row.try_get("album")?,
            isrc: isrc.map(word::<Isrc>).transpose()?,
            duration_s: duration
                .map(u32::try_from)
                .transpose()
                .map_err(unreadable)?,
            explicit: flag("explicit")?,
            release_date: row.try_get("release_date")?,
            media_tags: list("media_tags")?,
            streamable: flag("streamable")?,
        }),
        file: maybe(row, "file_path", MediaPath::new)?,
        content: maybe(row, "rekordbox_id", ContentId::new)?,
        home: maybe(row, "home_playlist_tidal_id", PlaylistId::new)?,
        last_seen_in_tidal: maybe_time(row, "last_seen_in_tidal")?,
    })
}

fn playlist_of(row: &PgRow, entries: Vec<EntryRow>) -> Result<PlaylistRow, sqlx::Error> {
    Ok(PlaylistRow {
        id: PlaylistId::new(row.try_get::<&str, _>("tidal_id")?),
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        folder: maybe(row, "local_folder_path", MediaPath::new)?,
        node: maybe(row, "rekordbox_id", NodeId::new)?,
        provenance: word(row.try_get("provenance")?)?,
        created_at: time(row, "created_at")?,
        last_synced_at: maybe_time(row, "last_synced_at")?,
        last_seen_in_tidal: maybe_time(row, "last_seen_in_tidal")?,
        deleted_at: maybe_time(row, "deleted_at")?,
        entries,
    })
}

fn file(row: &PgRow) -> Result<FileRow, sqlx::Error> {
    let hash: Option<&str> = row.try_get("hash")?;
    Ok(FileRow {
        path: MediaPath::new(row.try_get::<&str, _>("path")?),
        role: word(row.try_get("role")?)?,
        provenance: word(row.try_get("provenance")?)?,
        track: maybe(row, "track_tidal_id", TrackId::new)?,
        playlist: maybe(row, "playlist_tidal_id", PlaylistId::new)?,
        size: u64::try_from(row.try_get::<i64, _>("size_bytes")?).map_err(unreadable)?,
        hash: hash.map(word::<ContentHash>).transpose()?,
    })
}

fn maybe<T>(row: &PgRow, name: &str, make: fn(String) -> T) -> Result<Option<T>, sqlx::Error> {
    Ok(row.try_get::<Option<String>, _>(name)?.map(make))
}

/// A value that serde writes as a text.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, sqlx::Error> {
    use serde::de::IntoDeserializer as _;
    let text: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
        text.into_deserializer();
    T::deserialize(text).map_err(|error| unreadable(error.to_string()))
}

fn parse_time(text: &str) -> Result<Timestamp, sqlx::Error> {
    text.parse().map_err(unreadable)
}
