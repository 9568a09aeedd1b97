//! The state of a file as a stream, and a stream as the state of a file.
//!
//! A file is one machine's: what its Rekordbox calls things stands in the rows themselves. In the stream it
//! bears the machine's id; what other machines' Rekordbox calls things is kept beside.

use std::io::{self, BufRead, Write};

use futures_util::TryStreamExt as _;
use serde_json::Value;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::{
    SqliteReader, SqliteStore,
    load::{OWN, unreadable},
};
use crate::edge::store::{
    StoreError,
    transfer::{
        self, Arrival, Cell, Digests, Giver, Header, Kind, Numbers, Origin, TABLES, Table, Taker,
    },
};

/// Values a statement, at most: SQLite's own limit.
const VALUES: usize = 32_766;

impl SqliteReader {
    /// Writes the whole state to `out`, as this machine (`device`) has it.
    ///
    /// # Errors
    /// When the database cannot be read, or `out` not be written.
    pub async fn export<W: Write + Send>(
        &self,
        out: W,
        device: &str,
        at: Option<jiff::Timestamp>,
    ) -> Result<Digests, StoreError> {
        let mut tx = self.begin_reading().await?;
        let mut side = Side::of(&mut tx, self.library, device);
        let origin = side.origin().await?.ok_or(StoreError::NoLibrary)?;
        let header = Header::of(origin).written(device.to_owned(), at);
        transfer::give(&mut side, out, &header).await
    }
}

impl SqliteStore {
    /// Takes a saved state into this empty one, all or nothing.
    ///
    /// # Errors
    /// [`StoreError::Occupied`] when it is not empty and another; [`StoreError::Arrived`] when what is
    /// there afterwards is not what was sent. Nothing is changed then.
    pub async fn import(
        &mut self,
        from: impl BufRead + Send,
        device: &str,
    ) -> Result<(Arrival, Digests), StoreError> {
        let mut tx = self.reader.begin_writing().await?;
        let mut side = Side::of(&mut tx, self.reader.library, device);
        let taken = transfer::take(from, &mut side).await?;
        tx.commit().await.map_err(self.reader.failed(DOING))?;
        Ok(taken)
    }
}

const DOING: &str = "move the state";

/// This database's side.
struct Side<'a> {
    conn: &'a mut SqliteConnection,
    library: i64,
    device: &'a str,
    numbers: Numbers,
}

fn failed(source: sqlx::Error) -> StoreError {
    StoreError::Database {
        doing: DOING,
        source,
    }
}

impl<'a> Side<'a> {
    fn of(conn: &'a mut SqliteConnection, library: i64, device: &'a str) -> Self {
        Self {
            conn,
            library,
            device,
            numbers: Numbers::default(),
        }
    }

    async fn read(
        &mut self,
        table: &'static Table,
        each: &mut (dyn FnMut(Vec<Cell>) -> io::Result<()> + Send),
    ) -> Result<(), sqlx::Error> {
        if let Some(numbers) = self.numbers.of(table) {
            numbers.clear();
        }
        let sql = select(table);
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(self.library);
        let query = match is_by_device(table) {
            true => query.bind(self.device),
            false => query,
        };
        let mut rows = query.fetch(&mut *self.conn);
        while let Some(row) = rows.try_next().await? {
            if let Some(numbers) = self.numbers.of(table) {
                numbers.push(row.try_get(1)?);
            }
            let values: Vec<Value> = serde_json::from_str(row.try_get(0)?).map_err(unreadable)?;
            let mut apart = 1..;
            let cells = values
                .into_iter()
                .zip(table.columns)
                .map(|(value, (_, kind))| {
                    if *kind == Kind::Bytes {
                        let bytes: Option<Vec<u8>> = row.try_get(apart.next().unwrap_or(0))?;
                        return Ok(bytes.map_or(Cell::Null, Cell::Bytes));
                    }
                    cell(value, *kind, &self.numbers)
                });
            each(cells.collect::<Result<_, _>>()?).map_err(sqlx::Error::Io)?;
        }
        Ok(())
    }

    async fn write(
        &mut self,
        table: &'static str,
        columns: &[&str],
        rows: &[Vec<Cell>],
    ) -> Result<(), sqlx::Error> {
        for some in rows.chunks(VALUES / (columns.len() + 1)) {
            let mut query: QueryBuilder<Sqlite> = QueryBuilder::new("INSERT INTO ");
            query
                .push(table)
                .push(" (library, ")
                .push(columns.join(", "))
                .push(") ");
            query.push_values(some, |mut to, row| {
                to.push_bind(self.library);
                for cell in row {
                    match cell {
                        Cell::Null => to.push("NULL"),
                        Cell::Int(number) => to.push_bind(*number),
                        Cell::Text(text) => to.push_bind(text.as_str()),
                        Cell::Bytes(bytes) => to.push_bind(bytes.as_slice()),
                    };
                }
            });
            query
                .build()
                .persistent(false)
                .execute(&mut *self.conn)
                .await?;
        }
        Ok(())
    }

    /// Puts this machine's ids where its rows are.
    async fn place_ids(&mut self) -> Result<(), sqlx::Error> {
        for sql in [
            "UPDATE tracks SET rekordbox_content_id = d.rekordbox_id FROM device_ids AS d
             WHERE tracks.library = $1 AND d.library = $1 AND d.device = $2 AND d.kind = 'track'
                AND d.tidal_id = tracks.tidal_id",
            "UPDATE playlists SET rekordbox_playlist_id = d.rekordbox_id FROM device_ids AS d
             WHERE playlists.library = $1 AND d.library = $1 AND d.device = $2 AND d.kind = 'playlist'
                AND d.tidal_id = playlists.tidal_id",
            "DELETE FROM device_ids WHERE library = $1 AND device = $2 AND kind = 'track'
                AND tidal_id IN (SELECT tidal_id FROM tracks WHERE library = $1)",
            "DELETE FROM device_ids WHERE library = $1 AND device = $2 AND kind = 'playlist'
                AND tidal_id IN (SELECT tidal_id FROM playlists WHERE library = $1)",
        ] {
            let query = sqlx::query(sql).bind(self.library).bind(self.device);
            query.execute(&mut *self.conn).await?;
        }
        Ok(())
    }

    async fn learn_numbers(&mut self, table: &'static Table) -> Result<(), sqlx::Error> {
        let sql = format!(
            "SELECT id FROM {} WHERE library = $1 ORDER BY id",
            table.name
        );
        let query = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(self.library);
        let known = query.fetch_all(&mut *self.conn).await?;
        if let Some(numbers) = self.numbers.of(table) {
            *numbers = known;
        }
        Ok(())
    }
}

impl Giver for Side<'_> {
    async fn origin(&mut self) -> Result<Option<Origin>, StoreError> {
        let (library, lineage, serial, fencing): (Option<String>, String, i64, i64) =
            sqlx::query_as("SELECT library_id, lineage, serial, fencing FROM meta WHERE id = $1")
                .bind(self.library)
                .fetch_one(&mut *self.conn)
                .await
                .map_err(failed)?;
        Ok(library.map(|library| Origin {
            library: library.into(),
            lineage,
            serial,
            fencing,
        }))
    }

    async fn rows(
        &mut self,
        table: &'static Table,
        each: &mut (dyn FnMut(Vec<Cell>) -> io::Result<()> + Send),
    ) -> Result<(), StoreError> {
        self.read(table, each).await.map_err(failed)
    }
}

impl Taker for Side<'_> {
    async fn is_empty(&mut self) -> Result<bool, StoreError> {
        for table in TABLES.iter().filter(|table| table.name != "sync_snapshots") {
            let sql = format!(
                "SELECT COUNT(*) FROM (SELECT 1 FROM {} WHERE library = $1 LIMIT 1)",
                table.name
            );
            let found: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .bind(self.library)
                .fetch_one(&mut *self.conn)
                .await
                .map_err(failed)?;
            if found > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn begin(&mut self, origin: &Origin) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sync_snapshots WHERE library = $1")
            .bind(self.library)
            .execute(&mut *self.conn)
            .await
            .map_err(failed)?;
        sqlx::query("UPDATE meta SET lineage = $1, serial = $2, fencing = $3 WHERE id = $4")
            .bind(&origin.lineage)
            .bind(origin.serial)
            .bind(origin.fencing)
            .bind(self.library)
            .execute(&mut *self.conn)
            .await
            .map(drop)
            .map_err(failed)
    }

    async fn put(
        &mut self,
        table: &'static Table,
        mut rows: Vec<Vec<Cell>>,
    ) -> Result<(), StoreError> {
        for row in &mut rows {
            self.numbers.resolve(table, row)?;
        }
        let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
        let nameless = match table.name {
            "applies" => Some(Cell::Null),
            "device_entries" => Some(Cell::Text(OWN.to_owned())),
            _ => None,
        };
        if let Some(nameless) = nameless {
            let own = Cell::Text(self.device.to_owned());
            let cells = rows.iter_mut().flatten().filter(|cell| **cell == own);
            cells.for_each(|cell| *cell = nameless.clone());
        }
        let written = match table.name {
            "rekordbox_objects" => {
                let is_own = |row: &Vec<Cell>| row[0] == Cell::Text(self.device.to_owned());
                let (own, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_own);
                let own: Vec<Vec<Cell>> = own.into_iter().map(|row| row[1..].to_vec()).collect();
                match self.write(table.name, &columns[1..], &own).await {
                    Ok(()) => self.write("device_objects", &columns, &others).await,
                    failed => failed,
                }
            }
            _ => self.write(table.name, &columns, &rows).await,
        };
        written.map_err(failed)
    }

    async fn end(&mut self, table: &'static Table) -> Result<(), StoreError> {
        let done = match table.name {
            "device_ids" => self.place_ids().await,
            _ if table.is_numbered() => self.learn_numbers(table).await,
            _ => Ok(()),
        };
        done.map_err(failed)
    }
}

/// Whether what this machine's Rekordbox calls things comes into it.
fn is_by_device(table: &Table) -> bool {
    matches!(
        table.name,
        "rekordbox_objects" | "device_ids" | "device_entries" | "applies"
    )
}

/// A row is one value, as JSON: sqlx takes each value of a row by itself, and a thread's switch for some of
/// them.
fn select(table: &Table) -> String {
    let columns: Vec<&str> = table
        .columns
        .iter()
        .map(|(name, kind)| match (*name, kind) {
            // JSON has no bytes: they stand behind it.
            (_, Kind::Bytes) => "NULL",
            ("device", _) if table.name == "applies" => "COALESCE(NULLIF(device, ''), $2)",
            (name, _) => name,
        })
        .collect();
    let (columns, order) = (columns.join(", "), table.order.join(", "));
    let mut apart = String::new();
    if table.is_numbered() {
        apart.push_str(", id");
    }
    for (name, _) in table
        .columns
        .iter()
        .filter(|(_, kind)| *kind == Kind::Bytes)
    {
        apart.push_str(&format!(", {name}"));
    }
    let from = match table.name {
        "rekordbox_objects" => {
            "(SELECT library, $2 AS device, object_key, kind, rekordbox_id, provenance, created_at,
                updated_at, deleted_at FROM rekordbox_objects
             UNION ALL SELECT library, device, object_key, kind, rekordbox_id, provenance, created_at,
                updated_at, deleted_at FROM device_objects)"
        }
        "device_ids" => {
            "(SELECT library, $2 AS device, 'track' AS kind, tidal_id,
                rekordbox_content_id AS rekordbox_id FROM tracks
             UNION ALL SELECT library, $2, 'playlist', tidal_id, rekordbox_playlist_id FROM playlists
             UNION ALL SELECT library, device, kind, tidal_id, rekordbox_id FROM device_ids)"
        }
        "device_entries" => {
            "(SELECT library, COALESCE(NULLIF(device, ''), $2) AS device, playlist_tidal_id,
                track_tidal_id, stands FROM device_entries)"
        }
        name => name,
    };
    let only = match table.name {
        "device_ids" => " AND tidal_id IS NOT NULL AND rekordbox_id IS NOT NULL",
        _ => "",
    };
    format!(
        "SELECT json_array({columns}){apart} FROM {from} WHERE library = $1{only} ORDER BY {order}"
    )
}

fn cell(value: Value, kind: Kind, numbers: &Numbers) -> Result<Cell, sqlx::Error> {
    let strange = || unreadable(format!("a value of another kind than {kind:?}"));
    match (value, kind) {
        (Value::Null, _) => Ok(Cell::Null),
        (Value::String(text), Kind::Text) => Ok(Cell::Text(text)),
        (Value::Number(number), Kind::Int) => number.as_i64().map(Cell::Int).ok_or_else(strange),
        (Value::Number(number), Kind::Playlist | Kind::Track) => {
            let place = number
                .as_i64()
                .and_then(|number| numbers.place(kind, number));
            let strange = || unreadable("a row names one of another library");
            place.map(Cell::Int).ok_or_else(strange)
        }
        _ => Err(strange()),
    }
}
