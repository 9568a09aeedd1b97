//! The state of a library on the server as a stream, and a stream as the state of a library: by `COPY`, in
//! one transaction.

use std::io::{self, BufRead, Write};

use futures_util::TryStreamExt as _;
use sqlx::{Connection as _, PgConnection, Row as _, postgres::PgRow};

use super::ask::{query, query_as, query_scalar};
use super::{PostgresReader, PostgresStore, load::unreadable};
use crate::edge::store::{
    StoreError,
    transfer::{
        self, Arrival, Cell, Digests, Giver, Header, Kind, Numbers, Origin, TABLES, Table, Taker,
    },
};

const DOING: &str = "move the state";

fn failed(source: sqlx::Error) -> StoreError {
    StoreError::Database {
        doing: DOING,
        source,
    }
}

impl PostgresReader {
    /// Writes the whole state of the library to `out`, of all machines.
    ///
    /// # Errors
    /// When the server cannot be asked, or `out` not be written.
    pub async fn export<W: Write + Send>(
        &self,
        out: W,
        at: Option<jiff::Timestamp>,
    ) -> Result<Digests, StoreError> {
        let mut tx = self.begin_reading().await?;
        let mut side = Side::of(&mut tx, self.library);
        let origin = side.origin().await?.ok_or(StoreError::NoLibrary)?;
        let header = Header::of(origin).written(self.device.clone(), at);
        transfer::give(&mut side, out, &header).await
    }
}

impl PostgresStore {
    /// Takes a saved state into this library's empty one, all or nothing.
    ///
    /// # Errors
    /// [`StoreError::Occupied`] when it is not empty and another; [`StoreError::Arrived`] when what is
    /// there afterwards is not what was sent. Nothing is changed then.
    pub async fn import(
        &mut self,
        from: impl BufRead + Send,
    ) -> Result<(Arrival, Digests), StoreError> {
        let (mut guard, mut pooled);
        let conn: &mut PgConnection = match &self.pinned {
            Some(pinned) => {
                guard = pinned.conn.lock().await;
                &mut guard
            }
            None => {
                pooled = self.reader.pool.acquire().await.map_err(failed)?;
                &mut pooled
            }
        };
        let mut tx = conn.begin().await.map_err(failed)?;
        let mut side = Side::of(&mut tx, self.reader.library);
        let taken = transfer::take(from, &mut side).await?;
        tx.commit().await.map_err(failed)?;
        if taken.0 == Arrival::Moved {
            // What the planner knows of the tables is that they are empty. Who does not own them may not
            // do this, and the server does it by itself some time later.
            drop(query("ANALYZE").execute(&mut *conn).await);
        }
        Ok(taken)
    }
}

/// This database's side.
struct Side<'a> {
    conn: &'a mut PgConnection,
    library: i64,
    numbers: Numbers,
}

impl<'a> Side<'a> {
    fn of(conn: &'a mut PgConnection, library: i64) -> Self {
        Self {
            conn,
            library,
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
        let query = query(sqlx::AssertSqlSafe(select(table))).bind(self.library);
        let mut rows = query.fetch(&mut *self.conn);
        while let Some(row) = rows.try_next().await? {
            if let Some(numbers) = self.numbers.of(table) {
                numbers.push(row.try_get("id")?);
            }
            let cells = table
                .columns
                .iter()
                .map(|(name, kind)| cell(&row, name, *kind, &self.numbers));
            each(cells.collect::<Result<_, _>>()?).map_err(sqlx::Error::Io)?;
        }
        Ok(())
    }
}

impl Giver for Side<'_> {
    async fn origin(&mut self) -> Result<Option<Origin>, StoreError> {
        let found: Option<(Option<String>, String, i64, i64)> =
            query_as("SELECT library_id, lineage, serial, fencing FROM meta WHERE id = $1")
                .bind(self.library)
                .fetch_optional(&mut *self.conn)
                .await
                .map_err(failed)?;
        Ok(found.and_then(|(library, lineage, serial, fencing)| {
            Some(Origin {
                library: library?.into(),
                lineage,
                serial,
                fencing,
            })
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
        // Nobody else writes this library from here on.
        query("SELECT fencing FROM meta WHERE id = $1 FOR UPDATE")
            .bind(self.library)
            .execute(&mut *self.conn)
            .await
            .map_err(failed)?;
        for table in TABLES.iter().filter(|table| table.name != "sync_snapshots") {
            let sql = format!(
                "SELECT EXISTS (SELECT 1 FROM {} WHERE library = $1)",
                table.name
            );
            let found: bool = query_scalar(sqlx::AssertSqlSafe(sql))
                .bind(self.library)
                .fetch_one(&mut *self.conn)
                .await
                .map_err(failed)?;
            if found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn begin(&mut self, origin: &Origin) -> Result<(), StoreError> {
        query("DELETE FROM sync_snapshots WHERE library = $1")
            .bind(self.library)
            .execute(&mut *self.conn)
            .await
            .map_err(failed)?;
        query("UPDATE meta SET lineage = $1, serial = $2, fencing = $3 WHERE id = $4")
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
        let mut text = String::new();
        for row in &mut rows {
            self.numbers.resolve(table, row)?;
            write_row(&mut text, self.library, table, row)?;
        }
        let (name, columns) = (table.name, table.column_list());
        let sql = format!("COPY {name} (library, {columns}) FROM STDIN");
        let mut copy = self.conn.copy_in_raw(&sql).await.map_err(failed)?;
        match copy.send(text.into_bytes()).await {
            Ok(_) => copy.finish().await.map(drop).map_err(failed),
            Err(error) => Err(failed(error)),
        }
    }

    async fn end(&mut self, table: &'static Table) -> Result<(), StoreError> {
        let Some(numbers) = self.numbers.of(table) else {
            return Ok(());
        };
        let sql = format!(
            "SELECT id FROM {} WHERE library = $1 ORDER BY id",
            table.name
        );
        *numbers = query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(self.library)
            .fetch_all(&mut *self.conn)
            .await
            .map_err(failed)?;
        Ok(())
    }
}

/// A row as `COPY` reads it: tabs between values, `\N` for none, a backslash before what means something.
fn write_row(
    text: &mut String,
    library: i64,
    table: &'static Table,
    row: &[Cell],
) -> Result<(), StoreError> {
    use std::fmt::Write as _;
    let _ = write!(text, "{library}");
    for (cell, (column, _)) in row.iter().zip(table.columns) {
        text.push('\t');
        match cell {
            Cell::Null => text.push_str("\\N"),
            Cell::Int(number) => {
                let _ = write!(text, "{number}");
            }
            Cell::Text(value) => {
                for letter in value.chars() {
                    match letter {
                        '\0' => {
                            let place = format!("{}.{column}", table.name);
                            return Err(StoreError::Nul { place });
                        }
                        '\\' => text.push_str("\\\\"),
                        '\n' => text.push_str("\\n"),
                        '\r' => text.push_str("\\r"),
                        '\t' => text.push_str("\\t"),
                        other => text.push(other),
                    }
                }
            }
            Cell::Bytes(bytes) => {
                text.push_str("\\\\x");
                for byte in bytes {
                    let _ = write!(text, "{byte:02x}");
                }
            }
        }
    }
    text.push('\n');
    Ok(())
}

fn select(table: &Table) -> String {
    let order: Vec<String> = table
        .order
        .iter()
        .map(|column| match table.kind_of(column) {
            // In the order of bytes, whatever the database's language is.
            Some(Kind::Text) => format!("{column} COLLATE \"C\""),
            _ => (*column).to_owned(),
        })
        .collect();
    let (name, columns, order) = (table.name, table.column_list(), order.join(", "));
    let id = if table.is_numbered() { "id, " } else { "" };
    // A row without an id says no more than no row.
    let some = match name {
        "device_ids" => " AND rekordbox_id IS NOT NULL",
        _ => "",
    };
    format!("SELECT {id}{columns} FROM {name} WHERE library = $1{some} ORDER BY {order}")
}

fn cell(row: &PgRow, name: &str, kind: Kind, numbers: &Numbers) -> Result<Cell, sqlx::Error> {
    Ok(match kind {
        Kind::Text => row.try_get::<Option<String>, _>(name)?.map(Cell::Text),
        Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(name)?.map(Cell::Bytes),
        Kind::Int => row.try_get::<Option<i64>, _>(name)?.map(Cell::Int),
        Kind::Playlist | Kind::Track => {
            let number: Option<i64> = row.try_get(name)?;
            let strange = || unreadable("a row names one of another library");
            let place = |number| numbers.place(kind, number).ok_or_else(strange);
            number.map(place).transpose()?.map(Cell::Int)
        }
    }
    .unwrap_or(Cell::Null))
}
