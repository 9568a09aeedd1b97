//! `db check`: does the database say what it may say? The server checks its files itself.

use super::ask::query_as;
use super::{PostgresReader, failed};
use crate::edge::store::{Finding, StateReader as _, StoreError, report, sqlite::INVARIANTS};

pub(super) async fn findings(reader: &PostgresReader) -> Result<Vec<Finding>, StoreError> {
    let mut found = Vec::new();
    let mut tx = reader.begin_reading().await?;
    for (check, sql) in INVARIANTS {
        let rows: Vec<(String, String)> = query_as(sql)
            .bind(reader.library)
            .fetch_all(&mut *tx)
            .await
            .map_err(failed("check"))?;
        let finding = |(subject, message): (String, String)| Finding::new(check, &subject, message);
        found.extend(rows.into_iter().map(finding));
    }
    drop(tx);
    if found.is_empty() {
        found.extend(report::contradictions(&reader.state().await?));
    }
    Ok(found)
}
