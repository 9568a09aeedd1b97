//! Writes runs: intents before effects, outcomes and rows together.

use jiff::Timestamp;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqliteTransaction};

use super::{SqliteReader, SqliteStore, load::unreadable, read, rows, rows::Scope};
use crate::{
    domain::{ApplyId, LibraryId},
    edge::store::{
        ApplyStatus, Approval, Intent, NewApply, NewOperation, NewSnapshot, OperationStatus,
        SNAPSHOTS_KEPT, Settlement, StateStore, StoreError, pack, rule, words,
    },
};

/// Operations a statement; each has 15 values, and SQLite takes 32,766.
const BATCH: usize = 500;

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
        put_snapshot(&mut tx, self.reader.library, &snapshot, packed)
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
        let unfinished = read::unfinished(&mut tx, library).await;
        if let Some(run) = unfinished.map_err(self.reader.failed(doing))? {
            return Err(StoreError::Unfinished(run.id));
        }
        let id = next_apply(&mut tx, library)
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
        let unfinished = read::unfinished(&mut tx, library).await;
        match unfinished.map_err(self.reader.failed(doing))? {
            Some(run) if run.id != apply => return Err(StoreError::Unfinished(run.id)),
            Some(_) | None => {}
        }
        let status = self.reader.run_status(&mut tx, apply).await?;
        rule::may_resume(status).map_err(|reason| StoreError::Protocol { apply, reason })?;
        let scope = Scope { library, at };
        let fencing = open_again(&mut tx, scope, apply)
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
        let run = read::unfinished(&mut tx, library).await;
        let run = run
            .map_err(self.reader.failed(doing))?
            .ok_or(StoreError::NoSuchApply(apply))?;
        rule::may_close(status, run.running)
            .map_err(|reason| StoreError::Protocol { apply, reason })?;
        let scope = Scope { library, at };
        close(&mut tx, scope, &run, status)
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
        read::operation_status(&status).map_err(self.reader.failed("read an operation"))
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
        read::apply_status(&status).map_err(self.failed("read applies"))
    }
}

async fn put_snapshot(
    conn: &mut SqliteConnection,
    library: i64,
    snapshot: &NewSnapshot<'_>,
    packed: Vec<u8>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO sync_snapshots (library, snapshot_type, snapshot_data, playlist_count, track_count,
            complete, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(library)
    .bind(snapshot.kind)
    .bind(packed)
    .bind(snapshot.playlist_count)
    .bind(snapshot.track_count)
    .bind(i64::from(snapshot.complete))
    .bind(snapshot.at.to_string())
    .execute(&mut *conn)
    .await?;
    // A snapshot is a reading that can be taken again; nothing refers to it, so that old ones may go.
    sqlx::query(
        "DELETE FROM sync_snapshots WHERE library = $1 AND snapshot_type = $2
            AND id NOT IN (SELECT id FROM sync_snapshots WHERE library = $1 AND snapshot_type = $2
                           ORDER BY id DESC LIMIT $3)
            AND id <> COALESCE((SELECT MAX(id) FROM sync_snapshots
                                WHERE library = $1 AND snapshot_type = $2 AND complete = 1), 0)",
    )
    .bind(library)
    .bind(snapshot.kind)
    .bind(i64::try_from(SNAPSHOTS_KEPT).map_err(unreadable)?)
    .execute(conn)
    .await
    .map(drop)
}

async fn next_apply(conn: &mut SqliteConnection, library: i64) -> Result<ApplyId, sqlx::Error> {
    sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) + 1 FROM applies WHERE library = $1")
        .bind(library)
        .fetch_one(conn)
        .await
        .map(ApplyId)
}

async fn raise_fencing(conn: &mut SqliteConnection, library: i64) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("UPDATE meta SET fencing = fencing + 1 WHERE id = $1 RETURNING fencing")
        .bind(library)
        .fetch_one(conn)
        .await
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
    let fencing = raise_fencing(conn, scope.library).await?;
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
    for batch in operations.chunks(BATCH) {
        put_operations(conn, scope, id, batch).await?;
    }
    link_operations(conn, scope.library, id).await?;
    Ok(fencing)
}

async fn put_operations(
    conn: &mut SqliteConnection,
    scope: Scope,
    apply: ApplyId,
    operations: &[NewOperation],
) -> Result<(), sqlx::Error> {
    let at = scope.at.to_string();
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(
        "INSERT INTO sync_operations (library, apply_id, seq, status, created_at, action_id, kind,
            operation_type, action, source, target, playlist_tidal_id, track_tidal_id, change_type, rule,
            label) ",
    );
    query.push_values(operations, |mut row, operation| {
        row.push_bind(scope.library)
            .push_bind(apply.0)
            .push_bind(operation.seq)
            .push("'pending'")
            .push_bind(at.as_str())
            .push_bind(operation.action_id.as_str())
            .push_bind(operation.kind.as_str())
            .push_bind(operation.operation_type)
            .push_bind(operation.action)
            .push_bind(operation.source)
            .push_bind(operation.target)
            .push_bind(operation.playlist.as_deref())
            .push_bind(operation.track.as_deref())
            .push_bind(operation.change_type.as_deref())
            .push_bind(operation.rule.as_str())
            .push_bind(operation.label.as_str());
    });
    query.build().execute(conn).await.map(drop)
}

/// Fills in the rows that operations are about, as far as there are such rows by now.
async fn link_operations(
    conn: &mut SqliteConnection,
    library: i64,
    apply: ApplyId,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE sync_operations SET
            playlist_id = (SELECT p.id FROM playlists AS p WHERE p.library = sync_operations.library
                           AND p.tidal_id = sync_operations.playlist_tidal_id),
            track_id = (SELECT t.id FROM tracks AS t WHERE t.library = sync_operations.library
                        AND t.tidal_id = sync_operations.track_tidal_id)
         WHERE library = $1 AND apply_id = $2
            AND (playlist_id IS NULL AND playlist_tidal_id IS NOT NULL
                 OR track_id IS NULL AND track_tidal_id IS NOT NULL)",
    )
    .bind(library)
    .bind(apply.0)
    .execute(conn)
    .await
    .map(drop)
}

async fn open_again(
    conn: &mut SqliteConnection,
    scope: Scope,
    apply: ApplyId,
) -> Result<i64, sqlx::Error> {
    let fencing = raise_fencing(conn, scope.library).await?;
    sqlx::query(
        "UPDATE applies SET status = 'running', finished_at = NULL, resumed_at = $1, fencing = $2
         WHERE library = $3 AND id = $4",
    )
    .bind(scope.at.to_string())
    .bind(fencing)
    .bind(scope.library)
    .bind(apply.0)
    .execute(conn)
    .await?;
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

async fn close(
    conn: &mut SqliteConnection,
    scope: Scope,
    run: &crate::edge::store::ApplyRow,
    status: ApplyStatus,
) -> Result<(), sqlx::Error> {
    link_operations(conn, scope.library, run.id).await?;
    sqlx::query(
        "UPDATE applies SET status = $1, finished_at = $2, pending = $3, running = $4, completed = $5,
            failed = $6, skipped = $7
         WHERE library = $8 AND id = $9",
    )
    .bind(status.as_str())
    .bind(scope.at.to_string())
    .bind(run.pending)
    .bind(run.running)
    .bind(run.completed)
    .bind(run.failed)
    .bind(run.skipped)
    .bind(scope.library)
    .bind(run.id.0)
    .execute(&mut *conn)
    .await?;
    if status == ApplyStatus::Completed {
        take_back(conn, scope.library, run.undoes).await?;
    }
    sqlx::query("UPDATE meta SET serial = serial + 1 WHERE id = $1")
        .bind(scope.library)
        .execute(conn)
        .await
        .map(drop)
}

/// Marks what an undo takes back; what that had taken back itself is in effect again, and so on.
async fn take_back(
    conn: &mut SqliteConnection,
    library: i64,
    undone: Option<ApplyId>,
) -> Result<(), sqlx::Error> {
    let (mut next, mut in_effect) = (undone, false);
    while let Some(apply) = next {
        let (undoes, left): (Option<i64>, i64) = sqlx::query_as(
            "SELECT undoes, pending + failed + skipped FROM applies WHERE library = $1 AND id = $2",
        )
        .bind(library)
        .bind(apply.0)
        .fetch_one(&mut *conn)
        .await?;
        let status = match in_effect {
            true => rule::as_closed(left),
            false => ApplyStatus::Undone,
        };
        sqlx::query("UPDATE applies SET status = $1 WHERE library = $2 AND id = $3")
            .bind(status.as_str())
            .bind(library)
            .bind(apply.0)
            .execute(&mut *conn)
            .await?;
        (next, in_effect) = (undoes.map(ApplyId), !in_effect);
    }
    Ok(())
}
