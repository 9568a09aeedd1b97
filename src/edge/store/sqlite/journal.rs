//! Writes runs: intents before effects, outcomes and rows together.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::{SqliteConnection, SqliteTransaction};

use super::{SqliteReader, SqliteStore, load::unreadable, rows, same};
use crate::{
    domain::{ApplyId, LibraryId},
    edge::store::{
        ApplyStatus, Approval, Intent, NewApply, NewOperation, NewSnapshot, OperationStatus,
        Settlement, StateStore, StoreError, pack, rule,
        words::{self, Scope},
    },
};

impl StateStore for SqliteStore {
    async fn set_library(&mut self, id: &LibraryId) -> Result<(), StoreError> {
        let doing = "record the library";
        let mut tx = self.reader.begin_writing().await?;
        let known: Option<String> = sqlx::query_scalar(
            "UPDATE meta SET library_id = COALESCE(library_id, $1) WHERE id = $2 RETURNING library_id",
        )
        .bind(id.as_str())
        .bind(self.reader.library)
        .fetch_one(&mut *tx)
        .await
        .map_err(self.reader.failed(doing))?;
        match known {
            Some(expected) if expected != id.as_str() => Err(StoreError::OtherLibrary {
                expected: expected.into(),
                found: id.clone(),
            }),
            Some(_) | None => tx.commit().await.map_err(self.reader.failed(doing)),
        }
    }

    async fn save_snapshot(&mut self, snapshot: NewSnapshot<'_>) -> Result<(), StoreError> {
        let doing = "save a snapshot";
        let packed = self.reader.pack(snapshot.data)?;
        let mut tx = self.reader.begin_writing().await?;
        if let Some(number) = self.fencing
            && number != self.reader.fencing(&mut tx).await?
        {
            return Err(StoreError::Fenced);
        }
        same::put_snapshot(&mut tx, self.reader.library, &snapshot, packed)
            .await
            .map_err(self.reader.failed(doing))?;
        tx.commit().await.map_err(self.reader.failed(doing))
    }

    async fn approve(&mut self, approval: &Approval) -> Result<(), StoreError> {
        sqlx::query(words::APPROVE)
            .bind(self.reader.library)
            .bind(&approval.digest)
            .bind(&approval.plan)
            .bind(&approval.who)
            .bind(approval.at.to_string())
            .execute(&self.reader.pool)
            .await
            .map(drop)
            .map_err(self.reader.failed("record an approval"))
    }

    async fn begin_apply(
        &mut self,
        apply: NewApply,
        operations: &[NewOperation],
        at: Timestamp,
    ) -> Result<ApplyId, StoreError> {
        let doing = "begin an apply";
        let packed = self.reader.pack(&apply.plan)?;
        let library = self.reader.library;
        let mut tx = self.reader.begin_writing().await?;
        let unfinished = same::unfinished(&mut tx, library).await;
        if let Some(run) = unfinished.map_err(self.reader.failed(doing))? {
            return Err(StoreError::Unfinished(run.id));
        }
        let id = same::next_apply(&mut tx, library)
            .await
            .map_err(self.reader.failed(doing))?;
        rule::well_formed(operations)
            .map_err(|reason| StoreError::Protocol { apply: id, reason })?;
        let scope = Scope { library, at };
        let fencing = put_apply(&mut tx, scope, id, &apply, packed, operations)
            .await
            .map_err(self.reader.failed(doing))?;
        tx.commit().await.map_err(self.reader.failed(doing))?;
        self.fencing = Some(fencing);
        Ok(id)
    }

    async fn resume_apply(&mut self, apply: ApplyId, at: Timestamp) -> Result<(), StoreError> {
        let doing = "resume an apply";
        let library = self.reader.library;
        let mut tx = self.reader.begin_writing().await?;
        let unfinished = same::unfinished(&mut tx, library).await;
        match unfinished.map_err(self.reader.failed(doing))? {
            Some(run) if run.id != apply => return Err(StoreError::Unfinished(run.id)),
            Some(_) | None => {}
        }
        let status = self.reader.run_status(&mut tx, apply).await?;
        rule::may_resume(status).map_err(|reason| StoreError::Protocol { apply, reason })?;
        let scope = Scope { library, at };
        let fencing = same::open_again(&mut tx, scope, apply)
            .await
            .map_err(self.reader.failed(doing))?;
        tx.commit().await.map_err(self.reader.failed(doing))?;
        self.fencing = Some(fencing);
        Ok(())
    }

    async fn hold(&self, apply: ApplyId) -> Result<(), StoreError> {
        let doing = "read the fencing number";
        let mut watch = self.watch.lock().await;
        let conn = match &mut *watch {
            Some(conn) => conn,
            none => {
                let conn = self.reader.pool.acquire().await;
                none.insert(conn.map_err(self.reader.failed(doing))?.detach())
            }
        };
        // One statement outside of a transaction: it sees what is committed, and locks nobody out.
        let (fencing, number): (i64, Option<i64>) = sqlx::query_as(
            "SELECT fencing, (SELECT fencing FROM applies WHERE library = $1 AND id = $2)
             FROM meta WHERE id = $1",
        )
        .bind(self.reader.library)
        .bind(apply.0)
        .fetch_one(conn)
        .await
        .map_err(self.reader.failed(doing))?;
        match self.fencing {
            Some(own) if own == fencing && number == Some(own) => Ok(()),
            Some(_) | None => Err(StoreError::Fenced),
        }
    }

    async fn intend(
        &mut self,
        apply: ApplyId,
        intents: &[Intent],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let doing = "record an intent";
        let mut tx = self.begin_fenced(apply).await?;
        let scope = self.scope(at);
        let wanted: Vec<i64> = intents.iter().map(|intent| intent.seq).collect();
        let found = self.found(&mut tx, apply, &wanted).await?;
        for (_, from) in &found {
            rule::may_begin(*from).map_err(|reason| StoreError::Protocol { apply, reason })?;
        }
        put_intents(&mut tx, scope, &found, intents)
            .await
            .map_err(self.reader.failed(doing))?;
        tx.commit().await.map_err(self.reader.failed(doing))
    }

    async fn settle(
        &mut self,
        apply: ApplyId,
        settlements: &[Settlement],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let doing = "record an outcome";
        let mut tx = self.begin_fenced(apply).await?;
        let scope = self.scope(at);
        let wanted: Vec<i64> = settlements.iter().map(|it| it.seq).collect();
        let found = self.found(&mut tx, apply, &wanted).await?;
        for ((_, from), settlement) in found.iter().zip(settlements) {
            rule::may_settle(*from, settlement.status, settlement.pre_image.is_some())
                .map_err(|reason| StoreError::Protocol { apply, reason })?;
        }
        put_outcomes(&mut tx, scope, &found, settlements)
            .await
            .map_err(self.reader.failed(doing))?;
        let changes = settlements.iter().flat_map(|settlement| &settlement.rows);
        rows::change_all(&mut tx, scope, changes)
            .await
            .map_err(self.reader.failed(doing))?;
        tx.commit().await.map_err(self.reader.failed(doing))
    }

    async fn finish_apply(
        &mut self,
        apply: ApplyId,
        status: ApplyStatus,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let doing = "close an apply";
        let library = self.reader.library;
        let mut tx = self.begin_fenced(apply).await?;
        let run = same::unfinished(&mut tx, library).await;
        let run = run
            .map_err(self.reader.failed(doing))?
            .ok_or(StoreError::NoSuchApply(apply))?;
        rule::may_close(status, run.running)
            .map_err(|reason| StoreError::Protocol { apply, reason })?;
        let scope = Scope { library, at };
        same::close(&mut tx, scope, &run, status)
            .await
            .map_err(self.reader.failed(doing))?;
        tx.commit().await.map_err(self.reader.failed(doing))
    }
}

impl SqliteStore {
    const fn scope(&self, at: Timestamp) -> Scope {
        Scope {
            library: self.reader.library,
            at,
        }
    }

    /// A transaction in which nobody else has taken over, and the run is open.
    async fn begin_fenced(&self, apply: ApplyId) -> Result<SqliteTransaction<'static>, StoreError> {
        let mut tx = self.reader.begin_writing().await?;
        let status = self.reader.run_status(&mut tx, apply).await?;
        if self.fencing != Some(self.reader.fencing(&mut tx).await?) {
            return Err(StoreError::Fenced);
        }
        if status != ApplyStatus::Running {
            let reason = rule::CLOSED;
            return Err(StoreError::Protocol { apply, reason });
        }
        Ok(tx)
    }

    /// The operations' rows and statuses, in the order asked for.
    async fn found(
        &self,
        conn: &mut SqliteConnection,
        apply: ApplyId,
        wanted: &[i64],
    ) -> Result<Vec<(i64, OperationStatus)>, StoreError> {
        let doing = "read operations";
        let rows: Vec<(i64, i64, String)> = sqlx::query_as(FIND_OPERATIONS)
            .bind(json!(wanted).to_string())
            .bind(self.reader.library)
            .bind(apply.0)
            .fetch_all(conn)
            .await
            .map_err(self.reader.failed(doing))?;
        let mut known = HashMap::with_capacity(rows.len());
        for (id, seq, status) in rows {
            let status = words::operation_status(&status).map_err(self.reader.failed(doing))?;
            known.insert(seq, (id, status));
        }
        let reason = rule::NO_OPERATION;
        let found = wanted.iter().map(|seq| known.get(seq).copied());
        found
            .collect::<Option<_>>()
            .ok_or(StoreError::Protocol { apply, reason })
    }
}

impl SqliteReader {
    fn pack(&self, text: &str) -> Result<Vec<u8>, StoreError> {
        pack::pack(text).map_err(|source| super::io_error("pack for", &self.path, source))
    }

    async fn fencing(&self, conn: &mut SqliteConnection) -> Result<i64, StoreError> {
        sqlx::query_scalar("SELECT fencing FROM meta WHERE id = $1")
            .bind(self.library)
            .fetch_one(conn)
            .await
            .map_err(self.failed("read the fencing number"))
    }

    async fn run_status(
        &self,
        conn: &mut SqliteConnection,
        apply: ApplyId,
    ) -> Result<ApplyStatus, StoreError> {
        let status: Option<String> =
            sqlx::query_scalar("SELECT status FROM applies WHERE library = $1 AND id = $2")
                .bind(self.library)
                .bind(apply.0)
                .fetch_optional(conn)
                .await
                .map_err(self.failed("read applies"))?;
        let status = status.ok_or(StoreError::NoSuchApply(apply))?;
        words::apply_status(&status).map_err(self.failed("read applies"))
    }
}

/// Writes the run and its operations; returns the new fencing number.
async fn put_apply(
    conn: &mut SqliteConnection,
    scope: Scope,
    id: ApplyId,
    apply: &NewApply,
    packed: Vec<u8>,
    operations: &[NewOperation],
) -> Result<i64, sqlx::Error> {
    let fencing = same::raise_fencing(conn, scope.library).await?;
    sqlx::query(
        "INSERT INTO applies (library, id, mode, status, digest, policy_sha256, who, undoes, fencing,
            started_at, pending, running, completed, failed, skipped, plan)
         VALUES ($1, $2, $3, 'running', $4, $5, $6, $7, $8, $9, $10, 0, 0, 0, 0, $11)",
    )
    .bind(scope.library)
    .bind(id.0)
    .bind(&apply.mode)
    .bind(&apply.digest)
    .bind(&apply.policy_sha256)
    .bind(&apply.who)
    .bind(apply.undoes.map(|undone| undone.0))
    .bind(fencing)
    .bind(scope.at.to_string())
    .bind(i64::try_from(operations.len()).map_err(unreadable)?)
    .bind(packed)
    .execute(&mut *conn)
    .await?;
    for batch in operations.chunks(same::BATCH) {
        same::put_operations(conn, scope, id, batch).await?;
    }
    same::link_operations(conn, scope.library, id).await?;
    Ok(fencing)
}

pub(super) const FIND_OPERATIONS: &str = "
    SELECT o.id, o.seq, o.status FROM json_each($1) AS v CROSS JOIN sync_operations AS o
    WHERE o.library = $2 AND o.apply_id = $3 AND o.seq = v.value";

/// By the rows' own numbers: SQLite would go through the run for each of them to find them by `seq`.
pub(super) const BEGIN_OPERATIONS: &str = "
    UPDATE sync_operations AS o SET status = 'running', pre_image = v.value ->> 1, started_at = $1,
        completed_at = NULL, error_message = NULL
    FROM json_each($2) AS v WHERE o.id = v.value ->> 0";

pub(super) const END_OPERATIONS: &str = "
    UPDATE sync_operations AS o SET status = v.value ->> 1, post_image = v.value ->> 2,
        trash_path = v.value ->> 3, error_message = v.value ->> 4, completed_at = v.value ->> 5,
        pre_image = COALESCE(v.value ->> 6, o.pre_image)
    FROM json_each($1) AS v WHERE o.id = v.value ->> 0";

/// All of them in one statement: what a statement costs is the way to sqlx's thread and back.
async fn put_intents(
    conn: &mut SqliteConnection,
    scope: Scope,
    found: &[(i64, OperationStatus)],
    intents: &[Intent],
) -> Result<(), sqlx::Error> {
    let rows = found.iter().zip(intents);
    let rows = rows.map(|((id, _), it)| json!([id, it.pre_image.to_string()]));
    sqlx::query(BEGIN_OPERATIONS)
        .bind(scope.at.to_string())
        .bind(Value::Array(rows.collect()).to_string())
        .execute(conn)
        .await
        .map(drop)
}

async fn put_outcomes(
    conn: &mut SqliteConnection,
    scope: Scope,
    found: &[(i64, OperationStatus)],
    settlements: &[Settlement],
) -> Result<(), sqlx::Error> {
    let rows = found.iter().zip(settlements).map(|((id, _), it)| {
        let completed_at = rule::settled_at(it.status, scope.at);
        json!([
            id,
            it.status.as_str(),
            it.post_image.as_ref().map(ToString::to_string),
            it.trash_path,
            it.error_message,
            completed_at.map(|at| at.to_string()),
            it.pre_image.as_ref().map(ToString::to_string),
        ])
    });
    sqlx::query(END_OPERATIONS)
        .bind(Value::Array(rows.collect()).to_string())
        .execute(conn)
        .await
        .map(drop)
}
