//! Moving rows between SQLite and JSON.
//!
//! Many small rows are fetched as one JSON text that SQLite composes, several times faster than row by
//! row. Rows that are journaled are fetched column by column, so that every type survives.

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
    let decoded = |source| reading(sqlx::Error::Decode(Box::new(source)));
    match std::str::from_utf8(&bytes) {
        Ok(text) => serde_json::from_str(text).map_err(decoded),
        // A name that is not UTF-8 is shown with replacement characters rather than not at all.
        Err(_) => serde_json::from_str(&String::from_utf8_lossy(&bytes)).map_err(decoded),
    }
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
