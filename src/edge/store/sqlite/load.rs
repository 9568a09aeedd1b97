//! Reads the whole state: by set, a few statements for any number of rows.
//!
//! SQLite makes JSON of some thousand rows at a time, and other threads read that into our types while
//! it makes the next. A row of sqlx's for every row would cost several times as much.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use sqlx::SqliteConnection;

use super::same;

use crate::domain::{
    ContentHash, ContentId, Isrc, MediaPath, NodeId, PlaylistId, Provenance, State, Track, TrackId,
    state::{EntryRow, FileRole, FileRow, Meta, ObjectKey, ObjectRow, PlaylistRow, TrackRow},
};

/// This machine, in `device_entries`: a state in a file does not know what it is called.
pub(super) const OWN: &str = "";
/// Rows a statement.
const CHUNK: i64 = 8_192;

/// Everything that belongs to the state of `library`. One transaction must surround it.
pub(super) async fn state(conn: &mut SqliteConnection, library: i64) -> Result<State, sqlx::Error> {
    let meta = meta(conn, library).await?;
    let tracks = Chunks::read(conn, TRACKS, library, TrackWire::into_row).await?;
    let entries = Chunks::read(conn, ENTRIES, library, |entry: EntryWire| entry).await?;
    let playlists = Chunks::read(conn, PLAYLISTS, library, |row: PlaylistWire| row).await?;
    let files = Chunks::read(conn, FILES, library, FileWire::into_row).await?;
    let objects = Chunks::read(conn, OBJECTS, library, ObjectWire::into_row).await?;
    let left_behind = same::left_behind(conn, library, OWN).await?;

    let (mut ids, mut known) = (HashMap::new(), Vec::new());
    let track = |(number, is_here, row): (i64, bool, TrackRow)| {
        ids.insert(number, row.track.id.clone());
        if is_here {
            known.push((row.track.id.clone(), row));
        }
    };
    tracks.each(track).await?;
    let mut entries = by_playlist(entries.all().await?, &ids)?;
    let keyed = |row: PlaylistWire| {
        let entries = entries.remove(&row.row).unwrap_or_default();
        (row.id.clone(), row.into_row(entries))
    };
    let files = files.all().await?.into_iter();
    let objects = objects.all().await?.into_iter();
    Ok(State {
        meta,
        tracks: known.into_iter().collect(),
        playlists: playlists.all().await?.into_iter().map(keyed).collect(),
        files: files.map(|row| (row.path.clone(), row)).collect(),
        objects: objects
            .map(|row| row.map(|row| (row.key.clone(), row)))
            .collect::<Result<_, _>>()?,
        left_behind,
    })
}

/// The library's row of `meta`.
pub(super) async fn meta(conn: &mut SqliteConnection, library: i64) -> Result<Meta, sqlx::Error> {
    let (library_id, lineage, serial, schema_version): (Option<String>, _, _, _) = sqlx::query_as(
        "SELECT library_id, lineage, serial, schema_version FROM meta WHERE id = $1",
    )
    .bind(library)
    .fetch_one(conn)
    .await?;
    Ok(Meta {
        library_id: library_id.map(Into::into),
        lineage,
        serial,
        schema_version,
    })
}

/// One playlist, by the number of its row.
pub(super) async fn playlist(
    conn: &mut SqliteConnection,
    library: i64,
    row: i64,
    entries: Vec<EntryRow>,
) -> Result<Option<PlaylistRow>, sqlx::Error> {
    let (text, _, _) = chunk(conn, PLAYLISTS, library, row - 1, 1).await?;
    let found: Vec<PlaylistWire> = parse(&text)?;
    let found = found.into_iter().find(|found| found.row == row);
    Ok(found.map(|found| found.into_row(entries)))
}

/// An error for a value that is not what its column should hold.
pub(super) fn unreadable(
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> sqlx::Error {
    sqlx::Error::Decode(source.into())
}

/// The results of one statement's chunks, being read.
struct Chunks<T> {
    tasks: Vec<tokio::task::JoinHandle<Result<Vec<T>, sqlx::Error>>>,
}

impl<T: Send + 'static> Chunks<T> {
    /// `make`: our row of a row of the table.
    async fn read<W: DeserializeOwned + 'static>(
        conn: &mut SqliteConnection,
        sql: &'static str,
        library: i64,
        make: fn(W) -> T,
    ) -> Result<Self, sqlx::Error> {
        let mut tasks = Vec::new();
        let mut after = i64::MIN;
        loop {
            let (text, last, count) = chunk(conn, sql, library, after, CHUNK).await?;
            tasks.push(tokio::task::spawn_blocking(move || {
                let rows: Vec<W> = parse(&text)?;
                Ok(rows.into_iter().map(make).collect())
            }));
            match last {
                Some(last) if count == CHUNK => after = last,
                Some(_) | None => return Ok(Self { tasks }),
            }
        }
    }

    /// Hands out the rows in order. A chunk's memory is free again when its rows are out.
    async fn each(self, take: impl FnMut(T)) -> Result<(), sqlx::Error> {
        let mut take = take;
        for task in self.tasks {
            let chunk = task.await.map_err(unreadable)??;
            chunk.into_iter().for_each(&mut take);
        }
        Ok(())
    }

    async fn all(self) -> Result<Vec<T>, sqlx::Error> {
        let mut rows = Vec::new();
        self.each(|row| rows.push(row)).await?;
        Ok(rows)
    }
}

/// A JSON list of rows, the last row's number, and how many there are.
async fn chunk(
    conn: &mut SqliteConnection,
    sql: &'static str,
    library: i64,
    after: i64,
    limit: i64,
) -> Result<(String, Option<i64>, i64), sqlx::Error> {
    sqlx::query_as(sql)
        .bind(library)
        .bind(after)
        .bind(limit)
        .fetch_one(conn)
        .await
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, sqlx::Error> {
    serde_json::from_str(text).map_err(unreadable)
}

/// Every track that has a TIDAL id, also those that left the state: entries may name them.
const TRACKS: &str = "
    SELECT json_group_array(json_array(id, deleted_at IS NULL, tidal_id, title, version, json(artists),
        album, isrc, duration_seconds, explicit, release_date, json(media_tags), streamable,
        file_path, rekordbox_content_id, home_playlist_tidal_id, last_seen_in_tidal)), MAX(id), COUNT(*)
    FROM (SELECT id, deleted_at, tidal_id, title, version, artists, album, isrc, duration_seconds,
            explicit, release_date, media_tags, streamable, file_path, rekordbox_content_id,
            home_playlist_tidal_id, last_seen_in_tidal
          FROM tracks WHERE +library = $1 AND id > $2 AND tidal_id IS NOT NULL ORDER BY id LIMIT $3) AS t";

const ENTRIES: &str = "
    SELECT json_group_array(json_array(playlist_id, position, track_id, flags, added_to_tidal)),
        MAX(id), COUNT(*)
    FROM (SELECT id, playlist_id, position, track_id, added_to_tidal,
            in_tidal + 2 * in_local + 4 * in_rekordbox AS flags
          FROM playlist_tracks WHERE +library = $1 AND id > $2 AND position IS NOT NULL
          ORDER BY id LIMIT $3) AS t";

const PLAYLISTS: &str = "
    SELECT json_group_array(json_array(id, tidal_id, name, description, local_folder_path,
        rekordbox_playlist_id, provenance, created_at, last_synced_at, last_seen_in_tidal, deleted_at)),
        MAX(id), COUNT(*)
    FROM (SELECT id, tidal_id, name, description, local_folder_path, rekordbox_playlist_id, provenance,
            created_at, last_synced_at, last_seen_in_tidal, deleted_at
          FROM playlists
          WHERE +library = $1 AND id > $2 AND tidal_id IS NOT NULL AND forgotten_at IS NULL
          ORDER BY id LIMIT $3) AS t";

const FILES: &str = "
    SELECT json_group_array(json_array(path, role, provenance, track_tidal_id, playlist_tidal_id,
        size_bytes, hash)), MAX(id), COUNT(*)
    FROM (SELECT id, path, role, provenance, track_tidal_id, playlist_tidal_id, size_bytes, hash
          FROM files WHERE +library = $1 AND id > $2 AND deleted_at IS NULL
          ORDER BY id LIMIT $3) AS t";

const OBJECTS: &str = "
    SELECT json_group_array(json_array(object_key, rekordbox_id, provenance)), MAX(id), COUNT(*)
    FROM (SELECT id, object_key, rekordbox_id, provenance
          FROM rekordbox_objects WHERE +library = $1 AND id > $2 AND deleted_at IS NULL
          ORDER BY id LIMIT $3) AS t";

#[derive(Deserialize)]
struct TrackWire {
    row: i64,
    here: u8,
    track: TrackId,
    title: String,
    version: Option<String>,
    artists: Vec<String>,
    album: Option<String>,
    isrc: Option<Isrc>,
    duration_s: Option<u32>,
    explicit: Option<u8>,
    release_date: Option<String>,
    media_tags: Vec<String>,
    streamable: Option<u8>,
    file: Option<MediaPath>,
    content: Option<ContentId>,
    home: Option<PlaylistId>,
    last_seen_in_tidal: Option<Timestamp>,
}

impl TrackWire {
    /// With the row's number, and whether it is in the state.
    fn into_row(self) -> (i64, bool, TrackRow) {
        let flag = |flag: u8| flag == 1;
        let row = TrackRow {
            track: Arc::new(Track {
                id: self.track,
                title: self.title,
                version: self.version,
                artists: self.artists,
                album: self.album,
                isrc: self.isrc,
                duration_s: self.duration_s,
                explicit: self.explicit.map(flag),
                release_date: self.release_date,
                media_tags: self.media_tags,
                streamable: self.streamable.map(flag),
            }),
            file: self.file,
            content: self.content,
            home: self.home,
            last_seen_in_tidal: self.last_seen_in_tidal,
        };
        (self.row, self.here == 1, row)
    }
}

#[derive(Deserialize)]
struct EntryWire {
    playlist: i64,
    position: i64,
    track: i64,
    flags: u8,
    added_at: Option<Timestamp>,
}

/// The entries of each playlist's row, in order.
fn by_playlist(
    mut entries: Vec<EntryWire>,
    ids: &HashMap<i64, TrackId>,
) -> Result<HashMap<i64, Vec<EntryRow>>, sqlx::Error> {
    entries.sort_unstable_by_key(|entry| (entry.playlist, entry.position));
    let mut lists: HashMap<i64, Vec<EntryRow>> = HashMap::new();
    for one in entries.chunk_by(|a, b| a.playlist == b.playlist) {
        // As many as there are: a list that grows would keep room for as many again.
        let mut rows = Vec::with_capacity(one.len());
        for entry in one {
            let track = ids.get(&entry.track).cloned();
            rows.push(EntryRow {
                track: track.ok_or_else(|| unreadable("an entry of an unknown track"))?,
                in_tidal: entry.flags & 1 != 0,
                in_local: entry.flags & 2 != 0,
                in_rekordbox: entry.flags & 4 != 0,
                added_at: entry.added_at,
            });
        }
        if let Some(first) = one.first() {
            lists.insert(first.playlist, rows);
        }
    }
    Ok(lists)
}

#[derive(Deserialize)]
struct PlaylistWire {
    row: i64,
    id: PlaylistId,
    name: String,
    description: String,
    folder: Option<MediaPath>,
    node: Option<NodeId>,
    provenance: Provenance,
    created_at: Timestamp,
    last_synced_at: Option<Timestamp>,
    last_seen_in_tidal: Option<Timestamp>,
    deleted_at: Option<Timestamp>,
}

impl PlaylistWire {
    fn into_row(self, entries: Vec<EntryRow>) -> PlaylistRow {
        PlaylistRow {
            id: self.id,
            name: self.name,
            description: self.description,
            folder: self.folder,
            node: self.node,
            provenance: self.provenance,
            created_at: self.created_at,
            last_synced_at: self.last_synced_at,
            last_seen_in_tidal: self.last_seen_in_tidal,
            deleted_at: self.deleted_at,
            entries,
        }
    }
}

#[derive(Deserialize)]
struct FileWire {
    path: MediaPath,
    role: FileRole,
    provenance: Provenance,
    track: Option<TrackId>,
    playlist: Option<PlaylistId>,
    size: u64,
    hash: Option<ContentHash>,
}

impl FileWire {
    fn into_row(self) -> FileRow {
        FileRow {
            path: self.path,
            role: self.role,
            provenance: self.provenance,
            track: self.track,
            playlist: self.playlist,
            size: self.size,
            hash: self.hash,
        }
    }
}

#[derive(Deserialize)]
struct ObjectWire {
    key: String,
    id: String,
    provenance: Provenance,
}

impl ObjectWire {
    fn into_row(self) -> Result<ObjectRow, sqlx::Error> {
        let key: ObjectKey = serde_json::from_str(&self.key).map_err(unreadable)?;
        Ok(ObjectRow {
            key,
            id: self.id,
            provenance: self.provenance,
        })
    }
}
