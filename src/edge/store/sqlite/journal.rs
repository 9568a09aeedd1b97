//! Writes runs: intents before effects, outcomes and rows together.

use jiff::Timestamp;
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
        // One statement outside of a transaction: it sees what is committed, and locks nobody out.
        let (fencing, number): (i64, Option<i64>) = sqlx::query_as(
            "SELECT fencing, (SELECT fencing FROM applies WHERE library = $1 AND id = $2)
             FROM meta WHERE id = $1",
        )
        .bind(self.reader.library)
        .bind(apply.0)
        .fetch_one(&self.reader.pool)
        .await
        .map_err(self.reader.failed("read the fencing number"))?;
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
        for intent in intents {
            let from = self.operation_status(&mut tx, apply, intent.seq).await?;
            rule::may_begin(from).map_err(|reason| StoreError::Protocol { apply, reason })?;
            put_intent(&mut tx, scope, apply, intent)
                .await
                .map_err(self.reader.failed(doing))?;
        }
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
        for settlement in settlements {
            let from = self
                .operation_status(&mut tx, apply, settlement.seq)
                .await?;
            rule::may_settle(from, settlement.status, settlement.pre_image.is_some())
                .map_err(|reason| StoreError::Protocol { apply, reason })?;
            put_outcome(&mut tx, scope, apply, settlement)
                .await
                .map_err(self.reader.failed(doing))?;
        }
        for change in settlements.iter().flat_map(|settlement| &settlement.rows) {
            rows::change(&mut tx, scope, change)
                .await
                .map_err(self.reader.failed(doing))?;
        }
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

    async fn operation_status(
        &self,
        conn: &mut SqliteConnection,
        apply: ApplyId,
        seq: i64,
    ) -> Result<OperationStatus, StoreError> {
        let reason = rule::NO_OPERATION;
        let status: Option<String> = sqlx::query_scalar(
            "SELECT status FROM sync_operations WHERE library = $1 AND apply_id = $2 AND seq = $3",
        )
        .bind(self.reader.library)
        .bind(apply.0)
        .bind(seq)
        .fetch_optional(conn)
        .await
        .map_err(self.reader.failed("read an operation"))?;
        let status = status.ok_or(StoreError::Protocol { apply, reason })?;
        words::operation_status(&status).map_err(self.reader.failed("read an operation"))
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

async fn put_intent(
    conn: &mut SqliteConnection,
    scope: Scope,
    apply: ApplyId,
    intent: &Intent,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE sync_operations SET status = 'running', pre_image = $1, started_at = $2,
            completed_at = NULL, error_message = NULL
         WHERE library = $3 AND apply_id = $4 AND seq = $5",
    )
    .bind(intent.pre_image.to_string())
    .bind(scope.at.to_string())
    .bind(scope.library)
    .bind(apply.0)
    .bind(intent.seq)
    .execute(conn)
    .await
    .map(drop)
}

async fn put_outcome(
    conn: &mut SqliteConnection,
    scope: Scope,
    apply: ApplyId,
    settlement: &Settlement,
) -> Result<(), sqlx::Error> {
    let completed_at = rule::settled_at(settlement.status, scope.at);
    sqlx::query(
        "UPDATE sync_operations SET status = $1, post_image = $2, trash_path = $3, error_message = $4,
            completed_at = $5, pre_image = COALESCE($6, pre_image)
         WHERE library = $7 AND apply_id = $8 AND seq = $9",
    )
    .bind(settlement.status.as_str())
    .bind(settlement.post_image.as_ref().map(ToString::to_string))
    .bind(&settlement.trash_path)
    .bind(&settlement.error_message)
    .bind(completed_at.map(|at| at.to_string()))
    .bind(settlement.pre_image.as_ref().map(ToString::to_string))
    .bind(scope.library)
    .bind(apply.0)
    .bind(settlement.seq)
    .execute(conn)
    .await
    .map(drop)
}
