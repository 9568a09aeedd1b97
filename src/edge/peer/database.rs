//! The Python tool's `sync.db`, whatever its age: columns that are not there are told of and left out.

use std::{collections::BTreeMap, path::Path};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

use super::PeerError;

/// A row of its `tracks`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerTrack {
    /// Its own id of the row.
    pub row: i64,
    pub tidal_id: Option<String>,
    pub title: String,
    pub version: Option<String>,
    pub artist: String,
    pub album: Option<String>,
    pub year: Option<u16>,
    pub isrc: Option<String>,
    pub duration_s: Option<u32>,
    /// Where it takes the files to be, relative to its MP3 folder.
    pub paths: Vec<String>,
    /// TIDAL said that it streams it no more.
    pub unavailable: bool,
}

/// A row of its `playlists`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerPlaylist {
    /// `None`: a local one.
    pub tidal_id: Option<String>,
    pub name: String,
    pub description: String,
    /// Rows of its tracks that TIDAL has in it, in order.
    pub tracks: Vec<i64>,
}

type Read = (Vec<PeerTrack>, Vec<PeerPlaylist>, Vec<String>);

/// Reads the database; `None` when it is another program's.
pub(super) async fn read(path: &Path) -> Result<Option<Read>, PeerError> {
    let failed = |source| PeerError::Database {
        path: path.to_owned(),
        source,
    };
    let copied = |source| PeerError::Read {
        path: path.to_owned(),
        source,
    };
    // Opening a database in WAL mode writes beside it; the copy may be written to.
    let folder = tempfile::tempdir().map_err(copied)?;
    let copy = folder.path().join("sync.db");
    std::fs::copy(path, &copy).map_err(copied)?;
    let beside = |path: &Path, end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        std::path::PathBuf::from(name)
    };
    if beside(path, "-wal").is_file() {
        std::fs::copy(beside(path, "-wal"), beside(&copy, "-wal")).map_err(copied)?;
    }
    let options = SqliteConnectOptions::new()
        .filename(&copy)
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging();
    let mut connection = SqliteConnection::connect_with(&options)
        .await
        .map_err(failed)?;
    let found = tables(&mut connection).await.map_err(failed);
    // The copy goes with its folder; a connection that cannot be closed leaves nothing behind.
    let _ = connection.close().await;
    found
}

async fn tables(connection: &mut SqliteConnection) -> Result<Option<Read>, sqlx::Error> {
    let tracks = columns(connection, "tracks").await?;
    let playlists = columns(connection, "playlists").await?;
    let ours = columns(connection, "applies").await?;
    if tracks.is_empty() || playlists.is_empty() || !ours.is_empty() {
        return Ok(None);
    }
    let mut gaps = Vec::new();
    let rows = select(
        connection,
        "tracks",
        &tracks,
        &[
            "id",
            "tidal_id",
            "title",
            "version",
            "artist",
            "album",
            "year",
            "isrc",
            "duration",
            "duration_seconds",
            "file_paths",
            "file_path",
            "tidal_unavailable",
        ],
        "id",
        &mut gaps,
    )
    .await?;
    let found = rows.iter().map(track).collect();
    let members = members(connection, &mut gaps).await?;
    let rows = select(
        connection,
        "playlists",
        &playlists,
        &["id", "tidal_id", "name", "description"],
        "id",
        &mut gaps,
    )
    .await?;
    let lists = rows.iter().map(|row| {
        let id = number(row, "id").unwrap_or(0);
        PeerPlaylist {
            tidal_id: text(row, "tidal_id"),
            name: text(row, "name").unwrap_or_default(),
            description: text(row, "description").unwrap_or_default(),
            tracks: members.get(&id).cloned().unwrap_or_default(),
        }
    });
    Ok(Some((found, lists.collect(), gaps)))
}

/// The rows of `playlist_tracks` that TIDAL has, by playlist.
async fn members(
    connection: &mut SqliteConnection,
    gaps: &mut Vec<String>,
) -> Result<BTreeMap<i64, Vec<i64>>, sqlx::Error> {
    let known = columns(connection, "playlist_tracks").await?;
    if known.is_empty() {
        gaps.push("no table playlist_tracks".to_owned());
        return Ok(BTreeMap::new());
    }
    let rows = select(
        connection,
        "playlist_tracks",
        &known,
        &["playlist_id", "track_id", "position", "in_tidal"],
        if known.iter().any(|column| column == "position") {
            "position, rowid"
        } else {
            "rowid"
        },
        gaps,
    )
    .await?;
    let mut members: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for row in rows {
        let (list, track) = (number(&row, "playlist_id"), number(&row, "track_id"));
        // A database without the column knows only what TIDAL has.
        let in_tidal = number(&row, "in_tidal").unwrap_or(1) != 0;
        if let (Some(list), Some(track), true) = (list, track, in_tidal) {
            members.entry(list).or_default().push(track);
        }
    }
    Ok(members)
}

async fn columns(
    connection: &mut SqliteConnection,
    table: &'static str,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT name FROM pragma_table_info($1) ORDER BY cid")
        .bind(table)
        .fetch_all(connection)
        .await
}

/// Two columns that stand for one thing: either is enough.
const EITHER: [[&str; 2]; 2] = [
    ["duration", "duration_seconds"],
    ["file_paths", "file_path"],
];

/// The wanted columns of a table; NULL for those that it does not have.
async fn select(
    connection: &mut SqliteConnection,
    table: &'static str,
    known: &[String],
    wanted: &[&'static str],
    order: &'static str,
    gaps: &mut Vec<String>,
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    let has = |column: &str| known.iter().any(|name| name == column);
    let columns: Vec<String> = wanted
        .iter()
        .map(|column| match has(column) {
            true => (*column).to_owned(),
            false => format!("NULL AS {column}"),
        })
        .collect();
    for column in wanted.iter().filter(|column| !has(column)) {
        let other = EITHER.iter().find(|pair| pair.contains(column));
        if other.is_none_or(|pair| !pair.iter().any(|name| has(name))) {
            gaps.push(format!("no column {table}.{column}"));
        }
    }
    let order = if has("id") || order != "id" {
        order
    } else {
        "rowid"
    };
    let sql = format!(
        "SELECT {} FROM {table} ORDER BY {order}",
        columns.join(", ")
    );
    sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await
}

fn track(row: &SqliteRow) -> PeerTrack {
    let number_of = |column: &str| number(row, column);
    let seconds = number_of("duration").or_else(|| number_of("duration_seconds"));
    PeerTrack {
        row: number_of("id").unwrap_or(0),
        tidal_id: text(row, "tidal_id"),
        title: text(row, "title").unwrap_or_default(),
        version: text(row, "version"),
        artist: text(row, "artist").unwrap_or_default(),
        album: text(row, "album"),
        year: number_of("year").and_then(|year| year.try_into().ok()),
        isrc: text(row, "isrc"),
        duration_s: seconds.and_then(|seconds| seconds.try_into().ok()),
        paths: paths(row),
        unavailable: number_of("tidal_unavailable").is_some_and(|flag| flag != 0),
    }
}

fn paths(row: &SqliteRow) -> Vec<String> {
    let listed = text(row, "file_paths");
    let listed = listed.and_then(|json| serde_json::from_str::<Vec<String>>(&json).ok());
    let mut paths = listed.unwrap_or_default();
    paths.extend(text(row, "file_path").filter(|path| !paths.contains(path)));
    paths.retain(|path| !path.trim().is_empty());
    paths
}

/// SQLite keeps whatever it is given: a number may stand where a text belongs.
fn text(row: &SqliteRow, column: &str) -> Option<String> {
    let found = row.try_get_unchecked::<Option<String>, _>(column);
    found.ok().flatten().filter(|text| !text.is_empty())
}

fn number(row: &SqliteRow, column: &str) -> Option<i64> {
    row.try_get_unchecked::<Option<i64>, _>(column)
        .ok()
        .flatten()
}
