//! Which tables and columns there are, and whether they are those that may be written.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use super::{
    RekordboxError,
    sql::json_rows,
    table::{TAIL, Table},
};
use crate::domain::RekordboxSchema;

/// `djmdProperty.DBVersion` of every Rekordbox 6 and 7 so far.
const DB_VERSION: &str = "6000";

/// The layout of a database.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    tables: BTreeMap<String, Vec<Column>>,
    foreign: i64,
}

#[derive(Clone, Debug)]
struct Column {
    name: String,
    must_be_given: bool,
}

impl Schema {
    pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Self, RekordboxError> {
        let columns: Vec<(String, String, i64)> = json_rows(
            connection,
            "SELECT json_group_array(json_array(t.name, c.name, \
             c.\"notnull\" AND c.dflt_value IS NULL AND NOT c.pk)) \
             FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'"
                .to_owned(),
        )
        .await?;
        let foreign: Vec<i64> = json_rows(
            connection,
            "SELECT json_array(count(*)) FROM sqlite_master WHERE type IN ('trigger', 'view')"
                .to_owned(),
        )
        .await?;
        let mut tables = BTreeMap::<String, Vec<Column>>::new();
        for (table, name, must_be_given) in columns {
            tables.entry(table).or_default().push(Column {
                name,
                must_be_given: must_be_given != 0,
            });
        }
        Ok(Self {
            tables,
            foreign: foreign.into_iter().sum(),
        })
    }

    pub(super) fn version(&self) -> RekordboxSchema {
        match self.has_table(Table::CloudFilter.name()) {
            true => RekordboxSchema::V7,
            false => RekordboxSchema::V6,
        }
    }

    pub(super) fn has_table(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    pub(super) fn has(&self, table: &str, column: &str) -> bool {
        let columns = self.tables.get(table);
        columns.is_some_and(|columns| columns.iter().any(|known| known.name == column))
    }

    /// The columns of a table, in its order.
    pub(super) fn columns(&self, table: Table) -> Vec<String> {
        let columns = self.tables.get(table.name()).into_iter().flatten();
        columns.map(|column| column.name.clone()).collect()
    }

    /// The tables that have this column.
    pub(super) fn tables_with(&self, column: &str) -> Vec<&str> {
        let tables = self.tables.keys().map(String::as_str);
        tables.filter(|table| self.has(table, column)).collect()
    }

    /// Refuses to read what is none of Rekordbox's.
    pub(super) fn expect_readable(&self) -> Result<(), RekordboxError> {
        let needed = [
            ("djmdContent", "ID"),
            ("djmdContent", "FolderPath"),
            ("djmdPlaylist", "ID"),
            ("djmdPlaylist", "ParentID"),
            ("djmdSongPlaylist", "PlaylistID"),
            ("djmdSongPlaylist", "ContentID"),
        ];
        match needed
            .iter()
            .find(|(table, column)| !self.has(table, column))
        {
            Some((table, column)) => Err(unknown(format!("no {table}.{column}"))),
            None => Ok(()),
        }
    }

    /// Refuses to write a layout other than the known ones. A new column that may stay empty is
    /// tolerated: releases of Rekordbox add such.
    pub(super) async fn expect_writable(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(), RekordboxError> {
        self.expect_readable()?;
        if self.foreign > 0 {
            return Err(unknown("it has triggers or views".to_owned()));
        }
        for table in Table::ALL {
            if table.is_in(self.version()) {
                self.expect_table(table)?;
            }
        }
        for column in ["registry_id", "int_1", "updated_at"] {
            if !self.has("agentRegistry", column) {
                return Err(unknown(format!("no agentRegistry.{column}")));
            }
        }
        expect_version(connection).await
    }

    fn expect_table(&self, table: Table) -> Result<(), RekordboxError> {
        let known = || table.own_columns().iter().chain(&TAIL).copied();
        let name = table.name();
        if let Some(column) = known().find(|column| !self.has(name, column)) {
            return Err(unknown(format!("no {name}.{column}")));
        }
        let columns = self.tables.get(name).into_iter().flatten();
        for column in columns.filter(|column| column.must_be_given) {
            if !known().any(|known| known == column.name) {
                return Err(unknown(format!("a new {name}.{}", column.name)));
            }
        }
        Ok(())
    }
}

async fn expect_version(connection: &mut SqliteConnection) -> Result<(), RekordboxError> {
    let versions: Vec<String> = json_rows(
        connection,
        "SELECT json_group_array(coalesce(cast(DBVersion AS TEXT), '')) FROM djmdProperty"
            .to_owned(),
    )
    .await?;
    if versions != [DB_VERSION] {
        return Err(unknown(format!("version {}", versions.join(", "))));
    }
    let counters: Vec<i64> = json_rows(
        connection,
        "SELECT json_group_array(1) FROM agentRegistry WHERE registry_id = 'localUpdateCount'"
            .to_owned(),
    )
    .await?;
    match counters.len() {
        1 => Ok(()),
        _ => Err(unknown("no counter of local changes".to_owned())),
    }
}

fn unknown(what: String) -> RekordboxError {
    RekordboxError::UnknownSchema(what)
}
