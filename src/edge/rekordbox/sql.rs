//! Moving rows between SQLite and JSON.
//!
//! Many small rows are fetched as one JSON text that SQLite composes, several times faster than row by
//! row. Rows that are journaled are fetched column by column, so that every type survives.

use std::{sync::mpsc, thread::JoinHandle};

use serde::de::DeserializeOwned;
use serde_json::{Number, Value, json};
use sqlx::{
    AssertSqlSafe, Row as _, SqliteConnection, TypeInfo as _, ValueRef as _,
    query::Query,
    sqlite::{Sqlite, SqliteArguments, SqliteRow},
};

use super::{
    RekordboxError,
    sqlcipher::failed,
    table::{Row, Table},
};

/// The rows of `SELECT json_group_array(json_array(…)) FROM …`, which `sql` must be.
pub(super) async fn json_rows<T: DeserializeOwned>(
    connection: &mut SqliteConnection,
    sql: String,
) -> Result<Vec<T>, RekordboxError> {
    json_rows_with(connection, sql, None).await
}

/// The same with the text `list` bound as `?1`.
pub(super) async fn json_rows_with<T: DeserializeOwned>(
    connection: &mut SqliteConnection,
    sql: String,
    list: Option<String>,
) -> Result<Vec<T>, RekordboxError> {
    let reading = failed("cannot be read");
    let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    if let Some(list) = list {
        query = query.bind(list);
    }
    let row = query.fetch_one(connection).await.map_err(reading)?;
    let bytes: Vec<u8> = row.try_get_unchecked(0).map_err(reading)?;
    parsed(&bytes).map_err(undecodable)
}

/// A large table on its way into memory: SQLite composes some thousand rows at a time, and meanwhile
/// another thread takes in those before.
pub(super) struct Stream<A> {
    sender: mpsc::Sender<Vec<u8>>,
    taker: JoinHandle<Result<A, serde_json::Error>>,
}

/// Rows in one portion: few enough that their text stays in the processor's cache.
const PORTION: usize = 2048;

impl<A: Default + Send + 'static> Stream<A> {
    /// `take` adds each portion to what there is.
    pub(super) fn into<T: DeserializeOwned + 'static>(take: fn(&mut A, Vec<T>)) -> Self {
        let (sender, receiver) = mpsc::channel::<Vec<u8>>();
        let taker = std::thread::spawn(move || {
            let mut all = A::default();
            for bytes in receiver {
                take(&mut all, parsed(&bytes)?);
            }
            Ok(all)
        });
        Self { sender, taker }
    }

    /// Reads `terms` of the rows of `table` for which `condition` holds.
    pub(super) async fn read(
        &self,
        connection: &mut SqliteConnection,
        table: &str,
        terms: &[String],
        condition: &str,
    ) -> Result<(), RekordboxError> {
        let reading = failed("cannot be read");
        let sql = portion_sql(table, terms, condition);
        let mut last = i64::MIN;
        loop {
            let query = sqlx::query(AssertSqlSafe(sql.clone())).bind(last);
            let row = query.fetch_one(&mut *connection).await.map_err(reading)?;
            let Some(next) = row.try_get_unchecked(1).map_err(reading)? else {
                return Ok(());
            };
            last = next;
            let bytes: Vec<u8> = row.try_get_unchecked(0).map_err(reading)?;
            if self.sender.send(bytes).is_err() {
                // The other side has stopped at something that it cannot decode, and says so.
                return Ok(());
            }
        }
    }

    /// Everything that was taken in.
    pub(super) fn all(self) -> Result<A, RekordboxError> {
        let Self { sender, taker } = self;
        drop(sender);
        match taker.join() {
            Ok(all) => all.map_err(undecodable),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Walks the table in its own order, from one row number to the next.
fn portion_sql(table: &str, terms: &[String], condition: &str) -> String {
    let numbered = terms.iter().enumerate();
    let inner: Vec<String> = numbered
        .map(|(n, term)| format!("{term} AS c{n}"))
        .collect();
    let outer: Vec<String> = (0..terms.len()).map(|n| format!("c{n}")).collect();
    format!(
        "SELECT json_group_array(json_array({})), max(number) FROM \
         (SELECT rowid AS number, {} FROM {table} WHERE rowid > ?1 AND {condition} \
         ORDER BY rowid LIMIT {PORTION})",
        outer.join(", "),
        inner.join(", ")
    )
}

/// A name that is not UTF-8 is shown with replacement characters rather than not at all.
fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<Vec<T>, serde_json::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_str(&String::from_utf8_lossy(bytes)),
    }
}

fn undecodable(error: serde_json::Error) -> RekordboxError {
    failed("cannot be read")(sqlx::Error::Decode(Box::new(error)))
}

/// The rows whose `key` is one of `values`, NULL columns left out.
pub(super) async fn rows_by(
    connection: &mut SqliteConnection,
    table: Table,
    columns: &[String],
    key: &'static str,
    values: &[&str],
) -> Result<Vec<Row>, RekordboxError> {
    if values.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT {} FROM {} WHERE \"{key}\" IN (SELECT value FROM json_each(?1))",
        quoted(columns),
        table.name()
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(json!(values).to_string());
    fetch(connection, columns, query).await
}

/// All rows, NULL columns left out.
pub(super) async fn all_rows(
    connection: &mut SqliteConnection,
    table: Table,
    columns: &[String],
) -> Result<Vec<Row>, RekordboxError> {
    let sql = format!("SELECT {} FROM {}", quoted(columns), table.name());
    fetch(connection, columns, sqlx::query(AssertSqlSafe(sql))).await
}

/// Binds a value under the type that it was read with.
pub(super) fn bind<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    value: &Value,
) -> Query<'q, Sqlite, SqliteArguments> {
    match value {
        Value::Null => query.bind(None::<String>),
        Value::Bool(flag) => query.bind(i64::from(*flag)),
        Value::Number(number) => match number.as_i64() {
            Some(number) => query.bind(number),
            None => query.bind(number.as_f64()),
        },
        Value::String(text) => query.bind(text.clone()),
        Value::Object(_) | Value::Array(_) => query.bind(blob(value)),
    }
}

pub(super) fn quoted(columns: &[String]) -> String {
    let quoted: Vec<String> = columns.iter().map(|name| format!("\"{name}\"")).collect();
    quoted.join(", ")
}

async fn fetch(
    connection: &mut SqliteConnection,
    columns: &[String],
    query: Query<'_, Sqlite, SqliteArguments>,
) -> Result<Vec<Row>, RekordboxError> {
    let reading = failed("cannot be read");
    let rows = query.fetch_all(connection).await.map_err(reading)?;
    rows.iter()
        .map(|row| image(row, columns).map_err(reading))
        .collect()
}

fn image(row: &SqliteRow, columns: &[String]) -> Result<Row, sqlx::Error> {
    let mut image = Row::new();
    for (index, column) in columns.iter().enumerate() {
        let value = column_value(row, index)?;
        if !value.is_null() {
            image.insert(column.clone(), value);
        }
    }
    Ok(image)
}

fn column_value(row: &SqliteRow, index: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(index)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    Ok(match raw.type_info().name() {
        "INTEGER" => Value::from(row.try_get_unchecked::<i64, _>(index)?),
        "REAL" => Number::from_f64(row.try_get_unchecked(index)?).map_or(Value::Null, Value::from),
        "BLOB" => json!({"blob": hex(&row.try_get_unchecked::<Vec<u8>, _>(index)?)}),
        _ => {
            let bytes: Vec<u8> = row.try_get_unchecked(index)?;
            Value::from(String::from_utf8_lossy(&bytes).into_owned())
        }
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn blob(value: &Value) -> Option<Vec<u8>> {
    let hex = value.get("blob")?.as_str()?;
    let pairs = hex.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
