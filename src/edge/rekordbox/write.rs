//! Writes a net change inside a transaction, and checks before and after.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::{
    Probe, RekordboxError,
    net::{After, Before, Net, NetRow, conflict},
    schema::Schema,
    sql::{bind, quoted, rows_by},
    sqlcipher::failed,
    table::{Row, Table, value},
};

/// Rows in one INSERT; SQLite takes 32,766 values at the most, and a track has 78.
const CHUNK: usize = 100;

/// The present rows that a net change speaks of.
pub(super) struct Present(HashMap<(Table, String), Row>);

impl Present {
    pub(super) async fn read(
        connection: &mut SqliteConnection,
        schema: &Schema,
        net: &Net,
    ) -> Result<Self, RekordboxError> {
        let mut rows = HashMap::new();
        for table in net.tables() {
            let columns = schema.columns(table);
            if columns.is_empty() {
                return Err(RekordboxError::UnknownSchema(format!(
                    "no {}",
                    table.name()
                )));
            }
            let found = rows_by(connection, table, &columns, "ID", &net.ids(table)).await?;
            for row in found {
                let id = super::table::text(&row, "ID").to_owned();
                rows.insert((table, id), row);
            }
        }
        Ok(Self(rows))
    }

    pub(super) fn probe(&self, net: &Net) -> Probe {
        net.probe(|table, id| self.row(table, id))
    }

    pub(super) fn expect_before(&self, net: &Net) -> Result<(), RekordboxError> {
        net.expect_before(|table, id| self.row(table, id))
    }

    fn row(&self, table: Table, id: &str) -> Option<&Row> {
        self.0.get(&(table, id.to_owned()))
    }
}

/// Writes the rows. The order among them does not matter: there are no foreign keys or triggers.
pub(super) async fn rows(
    connection: &mut SqliteConnection,
    schema: &Schema,
    net: &Net,
) -> Result<(), RekordboxError> {
    for table in net.tables() {
        let columns = schema.columns(table);
        let of_table = || net.rows.iter().filter(|row| row.table == table);
        let mut gone = Vec::new();
        let mut made = Vec::new();
        let mut changed = BTreeMap::<Vec<&str>, Vec<(&NetRow, &Row)>>::new();
        for row in of_table() {
            match (&row.before, &row.after) {
                (Before::Absent, After::Absent) => {}
                (Before::Columns(_) | Before::Whole(_), After::Absent) => gone.push(row),
                (Before::Absent, After::Columns(image) | After::Whole(image)) => made.push(image),
                (Before::Columns(_) | Before::Whole(_), After::Whole(image)) => {
                    gone.push(row);
                    made.push(image);
                }
                (Before::Columns(_) | Before::Whole(_), After::Columns(image)) => {
                    let columns = image.keys().map(String::as_str).collect();
                    changed.entry(columns).or_default().push((row, image));
                }
            }
        }
        expect_columns(&columns, &made, &changed)?;
        delete(connection, table, &gone).await?;
        insert(connection, table, &columns, &made).await?;
        for (columns, rows) in changed {
            update(connection, table, &columns, &rows).await?;
        }
    }
    Ok(())
}

/// Sets the counter of local changes.
pub(super) async fn counter(
    connection: &mut SqliteConnection,
    usn: i64,
    stamp: &str,
) -> Result<(), RekordboxError> {
    let done = sqlx::query(
        "UPDATE agentRegistry SET int_1 = ?1, updated_at = ?2 \
         WHERE registry_id = 'localUpdateCount'",
    )
    .bind(usn)
    .bind(stamp.to_owned())
    .execute(connection)
    .await
    .map_err(failed("cannot be written"))?;
    match done.rows_affected() {
        1 => Ok(()),
        _ => Err(RekordboxError::Invariant(
            "the counter of changes is missing".to_owned(),
        )),
    }
}

/// Column names come from a journal and go into SQL: only the table's own are let through.
fn expect_columns(
    columns: &[String],
    made: &[&Row],
    changed: &BTreeMap<Vec<&str>, Vec<(&NetRow, &Row)>>,
) -> Result<(), RekordboxError> {
    let of_made = made.iter().flat_map(|row| row.keys().map(String::as_str));
    let mut named = of_made.chain(changed.keys().flatten().copied());
    match named.find(|name| !columns.iter().any(|column| column == name)) {
        Some(name) => Err(RekordboxError::UnknownSchema(format!("no column {name:?}"))),
        None => Ok(()),
    }
}

async fn delete(
    connection: &mut SqliteConnection,
    table: Table,
    rows: &[&NetRow],
) -> Result<(), RekordboxError> {
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let sql = format!(
        "DELETE FROM {} WHERE ID IN (SELECT value FROM json_each(?1))",
        table.name()
    );
    let done = sqlx::query(AssertSqlSafe(sql))
        .bind(json!(ids).to_string())
        .execute(connection)
        .await
        .map_err(failed("cannot be written"))?;
    match usize::try_from(done.rows_affected()) {
        Ok(count) if count == rows.len() => Ok(()),
        Ok(_) | Err(_) => Err(conflict(table, &first.id)),
    }
}

/// Every column is given, so that no default of the table's takes the place of a NULL.
async fn insert(
    connection: &mut SqliteConnection,
    table: Table,
    columns: &[String],
    rows: &[&Row],
) -> Result<(), RekordboxError> {
    let marks = vec!["?"; columns.len()].join(", ");
    for chunk in rows.chunks(CHUNK) {
        let values = vec![format!("({marks})"); chunk.len()].join(", ");
        let names = quoted(columns);
        let sql = format!("INSERT INTO {} ({names}) VALUES {values}", table.name());
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for row in chunk {
            for column in columns {
                query = bind(query, value(row, column));
            }
        }
        query
            .execute(&mut *connection)
            .await
            .map_err(failed("cannot be written"))?;
    }
    Ok(())
}

async fn update(
    connection: &mut SqliteConnection,
    table: Table,
    columns: &[&str],
    rows: &[(&NetRow, &Row)],
) -> Result<(), RekordboxError> {
    let settings: Vec<String> = columns
        .iter()
        .map(|name| format!("\"{name}\" = ?"))
        .collect();
    let sql = format!(
        "UPDATE {} SET {} WHERE ID = ?",
        table.name(),
        settings.join(", ")
    );
    for (row, image) in rows {
        let mut query = sqlx::query(AssertSqlSafe(sql.clone()));
        for column in columns {
            query = bind(query, value(image, column));
        }
        let done = bind(query, &Value::from(row.id.as_str()))
            .execute(&mut *connection)
            .await
            .map_err(failed("cannot be written"))?;
        if done.rows_affected() != 1 {
            return Err(conflict(table, &row.id));
        }
    }
    Ok(())
}
