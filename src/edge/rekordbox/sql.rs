//! Moving rows between SQLite and JSON.
//!
//! Many small rows are fetched as one JSON text that SQLite composes, several times faster than row by
//! row. Rows that are journaled are fetched column by column, so that every type survives.

use std::{borrow::Cow, sync::mpsc, thread::JoinHandle};

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
pub(super) struct Stream<S: Sink> {
    sender: mpsc::Sender<Vec<u8>>,
    taker: JoinHandle<Result<S::Whole, serde_json::Error>>,
}

/// What takes in the rows of one table.
pub(super) trait Sink: Send + 'static {
    /// Everything that was taken in.
    type Whole: Send + 'static;

    /// Takes the next row, all of its cells.
    ///
    /// # Errors
    /// When a cell is not of the type that the query gives it.
    fn take(&mut self, row: &mut Cells<'_>) -> Result<(), serde_json::Error>;

    /// No more rows will come.
    fn whole(self) -> Self::Whole;
}

/// Rows in one portion: few enough that their text stays in the processor's cache.
const PORTION: usize = 2048;

impl<S: Sink> Stream<S> {
    pub(super) fn into(mut sink: S) -> Self {
        let (sender, receiver) = mpsc::channel::<Vec<u8>>();
        let taker = std::thread::spawn(move || {
            for bytes in receiver {
                // A name that is not UTF-8 is shown with replacement characters rather than not at all.
                let text = match std::str::from_utf8(&bytes) {
                    Ok(text) => Cow::Borrowed(text),
                    Err(_) => String::from_utf8_lossy(&bytes),
                };
                let mut cells = Cells::of(&text);
                while cells.next_row()? {
                    sink.take(&mut cells)?;
                }
            }
            Ok(sink.whole())
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
    pub(super) fn whole(self) -> Result<S::Whole, RekordboxError> {
        let Self { sender, taker } = self;
        drop(sender);
        match taker.join() {
            Ok(whole) => whole.map_err(undecodable),
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

/// The cells of `[["a",1,null],…]`, one after another, without a copy where none is needed. SQLite
/// writes this form without blanks; anything else is an error.
pub(super) struct Cells<'t> {
    rest: &'t str,
}

impl<'t> Cells<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self {
            rest: text.strip_prefix('[').unwrap_or(text),
        }
    }

    /// Goes to the next row; `false` after the last.
    pub(super) fn next_row(&mut self) -> Result<bool, serde_json::Error> {
        if self.rest == "]" {
            return Ok(false);
        }
        let rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
        self.rest = rest.strip_prefix('[').ok_or_else(malformed)?;
        Ok(true)
    }

    pub(super) fn text(&mut self) -> Result<Option<Cow<'t, str>>, serde_json::Error> {
        if let Some(rest) = self.rest.strip_prefix("null") {
            self.rest = after_cell(rest)?;
            return Ok(None);
        }
        let inside = self.rest.strip_prefix('"').ok_or_else(malformed)?;
        let stop = inside
            .bytes()
            .position(|byte| byte == b'"' || byte == b'\\');
        let (text, rest) = inside
            .split_at_checked(stop.ok_or_else(malformed)?)
            .ok_or_else(malformed)?;
        if let Some(rest) = rest.strip_prefix('"') {
            self.rest = after_cell(rest)?;
            return Ok(Some(Cow::Borrowed(text)));
        }
        let mut escaped = serde_json::Deserializer::from_str(self.rest).into_iter::<String>();
        let text = escaped.next().ok_or_else(malformed)??;
        let rest = self
            .rest
            .get(escaped.byte_offset()..)
            .ok_or_else(malformed)?;
        self.rest = after_cell(rest)?;
        Ok(Some(Cow::Owned(text)))
    }

    pub(super) fn integer(&mut self) -> Result<Option<i64>, serde_json::Error> {
        if let Some(rest) = self.rest.strip_prefix("null") {
            self.rest = after_cell(rest)?;
            return Ok(None);
        }
        let stop = self
            .rest
            .bytes()
            .position(|byte| byte == b',' || byte == b']');
        let (number, rest) = self.rest.split_at(stop.ok_or_else(malformed)?);
        self.rest = after_cell(rest)?;
        number.parse().map(Some).map_err(|_| malformed())
    }
}

fn after_cell(rest: &str) -> Result<&str, serde_json::Error> {
    let next = rest.strip_prefix(',').or_else(|| rest.strip_prefix(']'));
    next.ok_or_else(malformed)
}

fn malformed() -> serde_json::Error {
    serde::de::Error::custom("SQLite's JSON has another form than expected")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_told_apart_whatever_is_in_them() {
        let text = r#"[["a\"],[\\b\u001f",1,null,"],["],[null,-7,"","ü"]]"#;
        let mut cells = Cells::of(text);
        assert!(cells.next_row().unwrap());
        assert_eq!(cells.text().unwrap().unwrap(), "a\"],[\\b\u{1f}");
        assert_eq!(cells.integer().unwrap(), Some(1));
        assert_eq!(cells.integer().unwrap(), None);
        assert_eq!(cells.text().unwrap().unwrap(), "],[");
        assert!(cells.next_row().unwrap());
        assert_eq!(cells.text().unwrap(), None);
        assert_eq!(cells.integer().unwrap(), Some(-7));
        assert_eq!(cells.text().unwrap().unwrap(), "");
        assert_eq!(cells.text().unwrap().unwrap(), "ü");
        assert!(!cells.next_row().unwrap());
        assert!(!Cells::of("[]").next_row().unwrap());
    }

    #[test]
    fn another_form_is_an_error() {
        assert!(Cells::of("[7]").next_row().is_err());
        let mut cells = Cells::of("[[x]]");
        assert!(cells.next_row().unwrap());
        assert!(cells.text().is_err() && cells.integer().is_err());
        let mut cells = Cells::of(r#"[["open]]"#);
        assert!(cells.next_row().unwrap());
        assert!(cells.text().is_err());
    }
}
