//! Writes runs: intents before effects, outcomes and rows together.
//!
//! Every transaction locks the library's row of `meta` first, so that writers of one library queue there
//! and the fencing number that is read stays true to the end. What the server cannot serialize is done
//! again from the start.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use sqlx::{Connection as _, PgConnection, Postgres, QueryBuilder};

use super::ask::{query, query_as, query_scalar};
use super::{PostgresStore, failed, load::unreadable, rows, same};
use crate::{
    domain::{ApplyId, LibraryId},
    edge::store::{
        ApplyStatus, Approval, Intent, NewApply, NewOperation, NewSnapshot, OperationStatus,
        Settlement, StateStore, StoreError, pack, rule,
        words::{self, Scope},
    },
};

/// Rows a statement; each has up to 16 values, and the protocol takes 65,535.
const BATCH: usize = 2_000;
/// How often a transaction is tried that the server could not serialize.
const TRIES: u32 = 8;

/// Does `$body`, which gives a `Result<_, StoreError>`, in one transaction: on the pinned connection where
/// there is one, and again when the server could not serialize it.
macro_rules! writing {
    ($store:expr, $doing:expr, |$conn:ident| $body:block) => {{
        let mut tries = 0;
        loop {
            let (mut guard, mut pooled);
            let conn: &mut PgConnection = match &$store.pinned {
                Some(pinned) => {
                    guard = pinned.conn.lock().await;
                    &mut *guard
                }
                None => {
                    pooled = $store.reader.pool.acquire().await.map_err(failed($doing))?;
                    &mut *pooled
                }
            };
            let outcome: Result<_, StoreError> = async {
                let mut tx = conn.begin().await.map_err(failed($doing))?;
                let $conn: &mut PgConnection = &mut tx;
                let value: Result<_, StoreError> = async { $body }.await;
                let value = value?;
                tx.commit().await.map_err(failed($doing))?;
                Ok(value)
            }
            .await;
            match outcome {
                Err(error) if error.is_serialization() && tries < TRIES => tries += 1,
                outcome => break outcome,
            }
            tokio::time::sleep(Duration::from_millis(5 << tries)).await;
        }
    }};
}

impl StateStore for PostgresStore {
    async fn set_library(&mut self, id: &LibraryId) -> Result<(), StoreError> {
        let doing = "record the library";
        if self.reader.library == 0 {
            let mut conn = self.reader.pool.acquire().await.map_err(failed(doing))?;
            self.reader.library = self.reader.find_library(&mut conn, id).await?;
        }
        let known: String = query_scalar("SELECT library_id FROM meta WHERE id = $1")
            .bind(self.reader.library)
            .fetch_one(&self.reader.pool)
            .await
            .map_err(failed(doing))?;
        match known == id.as_str() {
            true => Ok(()),
            false => Err(StoreError::OtherLibrary {
                expected: known.into(),
                found: id.clone(),
            }),
        }
    }

    async fn save_snapshot(&mut self, snapshot: NewSnapshot<'_>) -> Result<(), StoreError> {
        let doing = "save a snapshot";
        let packed = packed(snapshot.data)?;
        let library = self.reader.library;
        writing!(self, doing, |conn| {
            let number = lock_meta(conn, library).await.map_err(failed(doing))?;
            if self.fencing.is_some_and(|mine| mine != number) {
                return Err(StoreError::Fenced);
            }
            same::put_snapshot(conn, library, &snapshot, packed.clone())
                .await
                .map_err(failed(doing))
        })
    }

    async fn approve(&mut self, approval: &Approval) -> Result<(), StoreError> {
        query(words::APPROVE)
            .bind(self.reader.library)
            .bind(&approval.digest)
            .bind(&approval.plan)
            .bind(&approval.who)
            .bind(approval.at.to_string())
            .execute(&self.reader.pool)
            .await
            .map(drop)
            .map_err(failed("record an approval"))
    }

    async fn begin_apply(
        &mut self,
        apply: NewApply,
        operations: &[NewOperation],
        at: Timestamp,
    ) -> Result<ApplyId, StoreError> {
        let doing = "begin an apply";
        let packed = packed(&apply.plan)?;
        let scope = self.scope(at);
        let (id, fencing) = writing!(self, doing, |conn| {
            lock_meta(conn, scope.library)
                .await
                .map_err(failed(doing))?;
            let unfinished = same::unfinished(conn, scope.library).await;
            if let Some(run) = unfinished.map_err(failed(doing))? {
                return Err(StoreError::Unfinished(run.id));
            }
            let id = same::next_apply(conn, scope.library)
                .await
                .map_err(failed(doing))?;
            rule::well_formed(operations)
                .map_err(|reason| StoreError::Protocol { apply: id, reason })?;
            let fencing = put_apply(
                conn,
                scope,
                id,
                (&apply, &self.reader.device),
                packed.clone(),
                operations,
            )
            .await
            .map_err(failed(doing))?;
            Ok((id, fencing))
        })?;
        self.fencing = Some(fencing);
        Ok(id)
    }

    async fn resume_apply(&mut self, apply: ApplyId, at: Timestamp) -> Result<(), StoreError> {
        let doing = "resume an apply";
        let scope = self.scope(at);
        let fencing = writing!(self, doing, |conn| {
            lock_meta(conn, scope.library)
                .await
                .map_err(failed(doing))?;
            let unfinished = same::unfinished(conn, scope.library).await;
            match unfinished.map_err(failed(doing))? {
                Some(run) if run.id != apply => return Err(StoreError::Unfinished(run.id)),
                Some(_) | None => {}
            }
            let status = run_status(conn, scope.library, apply).await?;
            rule::may_resume(status).map_err(|reason| StoreError::Protocol { apply, reason })?;
            same::open_again(conn, scope, apply)
                .await
                .map_err(failed(doing))
        })?;
        self.fencing = Some(fencing);
        Ok(())
    }

    async fn hold(&self, apply: ApplyId) -> Result<(), StoreError> {
        let doing = "read the fencing number";
        let asked = query_as::<(i64, Option<i64>)>(
            "SELECT fencing, (SELECT fencing FROM applies WHERE library = $1 AND id = $2)
             FROM meta WHERE id = $1",
        )
        .bind(self.reader.library)
        .bind(apply.0);
        // On the connection that holds the lock, so that a run whose lock is lost finds out here.
        let asked = match &self.pinned {
            Some(pinned) => asked.fetch_one(&mut *pinned.conn.lock().await).await,
            None => asked.fetch_one(&self.reader.pool).await,
        };
        let (fencing, number) = asked.map_err(failed(doing))?;
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
        let (scope, fencing) = (self.scope(at), self.fencing);
        writing!(self, doing, |conn| {
            fenced(conn, scope.library, apply, fencing).await?;
            let wanted: Vec<i64> = intents.iter().map(|intent| intent.seq).collect();
            for from in statuses(conn, scope.library, apply, &wanted).await? {
                rule::may_begin(from).map_err(|reason| StoreError::Protocol { apply, reason })?;
            }
            put_intents(conn, scope, apply, intents)
                .await
                .map_err(failed(doing))
        })
    }

    async fn settle(
        &mut self,
        apply: ApplyId,
        settlements: &[Settlement],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let doing = "record an outcome";
        let (scope, fencing) = (self.scope(at), self.fencing);
        writing!(self, doing, |conn| {
            fenced(conn, scope.library, apply, fencing).await?;
            let wanted: Vec<i64> = settlements.iter().map(|it| it.seq).collect();
            let from = statuses(conn, scope.library, apply, &wanted).await?;
            for (from, settlement) in from.into_iter().zip(settlements) {
                rule::may_settle(from, settlement.status, settlement.pre_image.is_some())
                    .map_err(|reason| StoreError::Protocol { apply, reason })?;
            }
            put_outcomes(conn, scope, apply, settlements)
                .await
                .map_err(failed(doing))?;
            let changes = settlements.iter().flat_map(|settlement| &settlement.rows);
            rows::change_all(conn, scope, &self.reader.device, changes)
                .await
                .map_err(failed(doing))
        })
    }

    async fn finish_apply(
        &mut self,
        apply: ApplyId,
        status: ApplyStatus,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let doing = "close an apply";
        let (scope, fencing) = (self.scope(at), self.fencing);
        writing!(self, doing, |conn| {
            fenced(conn, scope.library, apply, fencing).await?;
            let run = same::unfinished(conn, scope.library).await;
            let run = run
                .map_err(failed(doing))?
                .ok_or(StoreError::NoSuchApply(apply))?;
            rule::may_close(status, run.running)
                .map_err(|reason| StoreError::Protocol { apply, reason })?;
            same::close(conn, scope, &run, status)
                .await
                .map_err(failed(doing))
        })
    }
}

impl PostgresStore {
    fn scope(&self, at: Timestamp) -> Scope {
        Scope {
            library: self.reader.library,
            at,
        }
    }
}

/// Nobody else has taken over, and the run is open.
async fn fenced(
    conn: &mut PgConnection,
    library: i64,
    apply: ApplyId,
    mine: Option<i64>,
) -> Result<(), StoreError> {
    let doing = "read the fencing number";
    let number = lock_meta(conn, library).await.map_err(failed(doing))?;
    let status = run_status(conn, library, apply).await?;
    if mine != Some(number) {
        return Err(StoreError::Fenced);
    }
    match status {
        ApplyStatus::Running => Ok(()),
        _ => Err(StoreError::Protocol {
            apply,
            reason: rule::CLOSED,
        }),
    }
}

/// Locks the library's row to the end of the transaction; its fencing number.
async fn lock_meta(conn: &mut PgConnection, library: i64) -> Result<i64, sqlx::Error> {
    query_scalar("SELECT fencing FROM meta WHERE id = $1 FOR UPDATE")
        .bind(library)
        .fetch_one(conn)
        .await
}

async fn run_status(
    conn: &mut PgConnection,
    library: i64,
    apply: ApplyId,
) -> Result<ApplyStatus, StoreError> {
    let doing = "read applies";
    let status: Option<String> =
        query_scalar("SELECT status FROM applies WHERE library = $1 AND id = $2")
            .bind(library)
            .bind(apply.0)
            .fetch_optional(conn)
            .await
            .map_err(failed(doing))?;
    let status = status.ok_or(StoreError::NoSuchApply(apply))?;
    words::apply_status(&status).map_err(failed(doing))
}

fn packed(text: &str) -> Result<Vec<u8>, StoreError> {
    pack::pack(text).map_err(|source| StoreError::Io {
        doing: "pack a text for",
        path: "the state database".to_owned(),
        source,
    })
}

/// Writes the run and its operations; returns the new fencing number.
async fn put_apply(
    conn: &mut PgConnection,
    scope: Scope,
    id: ApplyId,
    (apply, device): (&NewApply, &str),
    packed: Vec<u8>,
    operations: &[NewOperation],
) -> Result<i64, sqlx::Error> {
    let fencing = same::raise_fencing(conn, scope.library).await?;
    query(
        "INSERT INTO applies (library, id, mode, status, digest, policy_sha256, who, undoes, fencing,
            started_at, pending, running, completed, failed, skipped, plan, device)
         VALUES ($1, $2, $3, 'running', $4, $5, $6, $7, $8, $9, $10, 0, 0, 0, 0, $11, $12)",
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
    .bind(device)
    .execute(&mut *conn)
    .await?;
    for batch in operations.chunks(BATCH) {
        same::put_operations(conn, scope, id, batch).await?;
    }
    same::link_operations(conn, scope.library, id).await?;
    Ok(fencing)
}

/// The operations' statuses, read and locked by the row of `meta`; in the order asked for.
async fn statuses(
    conn: &mut PgConnection,
    library: i64,
    apply: ApplyId,
    wanted: &[i64],
) -> Result<Vec<OperationStatus>, StoreError> {
    let doing = "read operations";
    let mut known = HashMap::new();
    for some in wanted.chunks(BATCH) {
        let mut query: QueryBuilder<Postgres> =
            QueryBuilder::new("SELECT seq, status FROM sync_operations WHERE library = ");
        query.push_bind(library);
        query.push(" AND apply_id = ").push_bind(apply.0);
        query.push(" AND seq IN (");
        let mut list = query.separated(", ");
        for seq in some {
            list.push_bind(*seq);
        }
        query.push(")");
        let query = query.build_query_as::<(i64, String)>();
        let rows = query.persistent(false).fetch_all(&mut *conn).await;
        for (seq, status) in rows.map_err(failed(doing))? {
            let status = words::operation_status(&status).map_err(failed(doing))?;
            known.insert(seq, status);
        }
    }
    let reason = rule::NO_OPERATION;
    wanted
        .iter()
        .map(|seq| known.get(seq).copied())
        .collect::<Option<_>>()
        .ok_or(StoreError::Protocol { apply, reason })
}

async fn put_intents(
    conn: &mut PgConnection,
    scope: Scope,
    apply: ApplyId,
    intents: &[Intent],
) -> Result<(), sqlx::Error> {
    for some in intents.chunks(BATCH) {
        let mut query: QueryBuilder<Postgres> =
            QueryBuilder::new("UPDATE sync_operations AS o SET status = 'running', started_at = ");
        query.push_bind(scope.at.to_string());
        query.push(", pre_image = v.pre_image, completed_at = NULL, error_message = NULL FROM (");
        query.push_values(some, |mut row, intent| {
            row.push_bind(intent.seq)
                .push_bind(intent.pre_image.to_string());
        });
        query.push(") AS v (seq, pre_image) WHERE o.library = ");
        query.push_bind(scope.library);
        query.push(" AND o.apply_id = ").push_bind(apply.0);
        query.push(" AND o.seq = v.seq");
        query.build().persistent(false).execute(&mut *conn).await?;
    }
    Ok(())
}

async fn put_outcomes(
    conn: &mut PgConnection,
    scope: Scope,
    apply: ApplyId,
    settlements: &[Settlement],
) -> Result<(), sqlx::Error> {
    for some in settlements.chunks(BATCH) {
        let mut query: QueryBuilder<Postgres> = QueryBuilder::new(
            "UPDATE sync_operations AS o SET status = v.status, post_image = v.post_image,
                trash_path = v.trash_path, error_message = v.error_message,
                completed_at = v.completed_at, pre_image = COALESCE(v.pre_image, o.pre_image)
             FROM (",
        );
        query.push_values(some, |mut row, it| {
            let completed_at = rule::settled_at(it.status, scope.at);
            row.push_bind(it.seq)
                .push_bind(it.status.as_str())
                .push_bind(it.post_image.as_ref().map(ToString::to_string))
                .push_bind(it.trash_path.as_deref())
                .push_bind(it.error_message.as_deref())
                .push_bind(completed_at.map(|at| at.to_string()))
                .push_bind(it.pre_image.as_ref().map(ToString::to_string));
        });
        query.push(
            ") AS v (seq, status, post_image, trash_path, error_message, completed_at, pre_image)
             WHERE o.library = ",
        );
        query.push_bind(scope.library);
        query.push(" AND o.apply_id = ").push_bind(apply.0);
        query.push(" AND o.seq = v.seq");
        query.build().persistent(false).execute(&mut *conn).await?;
    }
    Ok(())
}
