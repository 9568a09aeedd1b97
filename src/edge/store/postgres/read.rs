//! Answers questions, each in a transaction of its own: that is also what a proxy gives a connection for.

use sqlx::{PgConnection, PgTransaction, Postgres, QueryBuilder, Row as _, postgres::PgRow};

use super::ask::{query, query_as, query_scalar};
use super::{
    PostgresReader, PostgresStore, check, failed, load,
    load::unreadable,
    rows::{self, Stays, maybe_time, time},
};
use crate::{
    domain::{ApplyId, PlaylistId, State, TrackId, state::Meta, state::PlaylistRow, text::nfc},
    edge::store::{
        ApplyRow, ApplyStatus, Approval, Finding, HistoryFilter, HistoryRow, OperationRow,
        OperationStatus, RecentChange, SnapshotRow, StateReader, Statistics, StoreError,
        occurrence, pack, words,
    },
};

impl StateReader for PostgresReader {
    async fn meta(&self) -> Result<Meta, StoreError> {
        let mut tx = self.begin_reading().await?;
        load::meta(&mut tx, self.library)
            .await
            .map_err(failed("read meta"))
    }

    async fn state(&self) -> Result<State, StoreError> {
        let mut tx = self.begin_reading().await?;
        load::state(&mut tx, self.library, &self.device)
            .await
            .map_err(failed("read the state"))
    }

    async fn applies(&self) -> Result<Vec<ApplyRow>, StoreError> {
        let mut tx = self.begin_reading().await?;
        applies(&mut tx, self.library, ANY_NUMBER)
            .await
            .map_err(failed("read applies"))
    }

    async fn operations(&self, apply: ApplyId) -> Result<Vec<OperationRow>, StoreError> {
        let mut tx = self.begin_reading().await?;
        operations(&mut tx, self.library, apply)
            .await
            .map_err(failed("read operations"))
    }

    async fn applied_plan(&self, apply: ApplyId) -> Result<Option<String>, StoreError> {
        let mut tx = self.begin_reading().await?;
        let plan: Option<Vec<u8>> =
            query_scalar("SELECT plan FROM applies WHERE library = $1 AND id = $2")
                .bind(self.library)
                .bind(apply.0)
                .fetch_optional(&mut *tx)
                .await
                .map_err(failed("read a plan"))?;
        plan.map(|bytes| self.unpack(&bytes)).transpose()
    }

    async fn unfinished(&self) -> Result<Option<ApplyRow>, StoreError> {
        let mut tx = self.begin_reading().await?;
        unfinished(&mut tx, self.library)
            .await
            .map_err(failed("read applies"))
    }

    async fn last_reading(&self) -> Result<Option<String>, StoreError> {
        let mut tx = self.begin_reading().await?;
        let bytes: Option<Vec<u8>> = query_scalar(
            "SELECT snapshot_data FROM sync_snapshots
             WHERE library = $1 AND snapshot_type = 'tidal' AND complete = 1 ORDER BY id DESC LIMIT 1",
        )
        .bind(self.library)
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed("read snapshots"))?;
        bytes.map(|bytes| self.unpack(&bytes)).transpose()
    }

    async fn last_snapshot(&self, kind: &str) -> Result<Option<SnapshotRow>, StoreError> {
        let mut tx = self.begin_reading().await?;
        let row = query(
            "SELECT snapshot_type, snapshot_data, playlist_count, track_count, complete, created_at
             FROM sync_snapshots WHERE library = $1 AND snapshot_type = $2 ORDER BY id DESC LIMIT 1",
        )
        .bind(self.library)
        .bind(kind)
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed("read snapshots"))?;
        let Some(row) = row else { return Ok(None) };
        let bytes: Vec<u8> = row
            .try_get("snapshot_data")
            .map_err(failed("read snapshots"))?;
        let data = self.unpack(&bytes)?;
        snapshot(&row, data)
            .map(Some)
            .map_err(failed("read snapshots"))
    }

    async fn playlist_names(&self) -> Result<Vec<String>, StoreError> {
        let mut tx = self.begin_reading().await?;
        playlist_names(&mut tx, self.library)
            .await
            .map_err(failed("read playlists"))
    }

    async fn playlists_by_name(&self, name: &str) -> Result<Vec<PlaylistRow>, StoreError> {
        let mut tx = self.begin_reading().await?;
        playlists_by_name(&mut tx, self.library, &self.device, name)
            .await
            .map_err(failed("read playlists"))
    }

    async fn history(&self, filter: &HistoryFilter) -> Result<Vec<HistoryRow>, StoreError> {
        let mut tx = self.begin_reading().await?;
        history(&mut tx, self.library, filter)
            .await
            .map_err(failed("read operations"))
    }

    async fn recent_changes(
        &self,
        playlist: &PlaylistId,
        limit: usize,
    ) -> Result<Vec<RecentChange>, StoreError> {
        let mut tx = self.begin_reading().await?;
        recent_changes(&mut tx, self.library, playlist, limit)
            .await
            .map_err(failed("read playlist_tracks"))
    }

    async fn is_elsewhere(&self, apply: ApplyId) -> Result<bool, StoreError> {
        let mut tx = self.begin_reading().await?;
        let device: Option<Option<String>> =
            query_scalar("SELECT device FROM applies WHERE library = $1 AND id = $2")
                .bind(self.library)
                .bind(apply.0)
                .fetch_optional(&mut *tx)
                .await
                .map_err(failed("read applies"))?;
        Ok(device.flatten().is_some_and(|device| device != self.device))
    }

    async fn approvals(&self) -> Result<Vec<Approval>, StoreError> {
        let mut tx = self.begin_reading().await?;
        let rows = query_as(words::APPROVALS)
            .bind(self.library)
            .fetch_all(&mut *tx)
            .await;
        rows.and_then(words::approvals)
            .map_err(failed("read approvals"))
    }

    async fn statistics(&self) -> Result<Statistics, StoreError> {
        let mut tx = self.begin_reading().await?;
        statistics(&mut tx, self.library, &self.device)
            .await
            .map_err(failed("count"))
    }

    async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        check::findings(self).await
    }
}

impl StateReader for PostgresStore {
    async fn meta(&self) -> Result<Meta, StoreError> {
        self.reader.meta().await
    }

    async fn state(&self) -> Result<State, StoreError> {
        self.reader.state().await
    }

    async fn applies(&self) -> Result<Vec<ApplyRow>, StoreError> {
        self.reader.applies().await
    }

    async fn operations(&self, apply: ApplyId) -> Result<Vec<OperationRow>, StoreError> {
        self.reader.operations(apply).await
    }

    async fn applied_plan(&self, apply: ApplyId) -> Result<Option<String>, StoreError> {
        self.reader.applied_plan(apply).await
    }

    async fn unfinished(&self) -> Result<Option<ApplyRow>, StoreError> {
        self.reader.unfinished().await
    }

    async fn last_reading(&self) -> Result<Option<String>, StoreError> {
        self.reader.last_reading().await
    }

    async fn last_snapshot(&self, kind: &str) -> Result<Option<SnapshotRow>, StoreError> {
        self.reader.last_snapshot(kind).await
    }

    async fn playlist_names(&self) -> Result<Vec<String>, StoreError> {
        self.reader.playlist_names().await
    }

    async fn playlists_by_name(&self, name: &str) -> Result<Vec<PlaylistRow>, StoreError> {
        self.reader.playlists_by_name(name).await
    }

    async fn history(&self, filter: &HistoryFilter) -> Result<Vec<HistoryRow>, StoreError> {
        self.reader.history(filter).await
    }

    async fn recent_changes(
        &self,
        playlist: &PlaylistId,
        limit: usize,
    ) -> Result<Vec<RecentChange>, StoreError> {
        self.reader.recent_changes(playlist, limit).await
    }

    async fn is_elsewhere(&self, apply: ApplyId) -> Result<bool, StoreError> {
        self.reader.is_elsewhere(apply).await
    }

    async fn approvals(&self) -> Result<Vec<Approval>, StoreError> {
        self.reader.approvals().await
    }

    async fn statistics(&self) -> Result<Statistics, StoreError> {
        self.reader.statistics().await
    }

    async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        self.reader.check().await
    }
}

impl PostgresReader {
    /// Several statements that see the same state.
    pub(super) async fn begin_reading(&self) -> Result<PgTransaction<'static>, StoreError> {
        self.pool
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .await
            .map_err(failed("begin to read"))
    }

    fn unpack(&self, bytes: &[u8]) -> Result<String, StoreError> {
        pack::unpack(bytes).map_err(|error| StoreError::Damaged {
            path: self.shown.clone(),
            reason: format!("a packed text: {error}"),
        })
    }
}

/// As many as there are.
const ANY_NUMBER: i64 = i64::MAX;

/// The newest `limit` runs, newest first.
async fn applies(
    conn: &mut PgConnection,
    library: i64,
    limit: i64,
) -> Result<Vec<ApplyRow>, sqlx::Error> {
    let rows = query(
        "SELECT id, mode, status, digest, policy_sha256, who, undoes, started_at, finished_at,
            pending, running, completed, failed, skipped
         FROM applies WHERE library = $1 ORDER BY id DESC LIMIT $2",
    )
    .bind(library)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    let mut applies: Vec<ApplyRow> = rows.iter().map(apply).collect::<Result<_, _>>()?;
    for row in &mut applies {
        if row.status == ApplyStatus::Running {
            count_again(conn, library, row).await?;
        }
    }
    Ok(applies)
}

pub(super) async fn unfinished(
    conn: &mut PgConnection,
    library: i64,
) -> Result<Option<ApplyRow>, sqlx::Error> {
    let row = query(
        "SELECT id, mode, status, digest, policy_sha256, who, undoes, started_at, finished_at,
            pending, running, completed, failed, skipped
         FROM applies WHERE library = $1 AND status = 'running'",
    )
    .bind(library)
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let mut row = apply(&row)?;
    count_again(conn, library, &mut row).await?;
    Ok(Some(row))
}

fn apply(row: &PgRow) -> Result<ApplyRow, sqlx::Error> {
    Ok(ApplyRow {
        id: ApplyId(row.try_get("id")?),
        mode: row.try_get("mode")?,
        status: apply_status(row.try_get("status")?)?,
        digest: row.try_get("digest")?,
        policy_sha256: row.try_get("policy_sha256")?,
        who: row.try_get("who")?,
        undoes: row.try_get::<Option<i64>, _>("undoes")?.map(ApplyId),
        started_at: time(row, "started_at")?,
        finished_at: maybe_time(row, "finished_at")?,
        pending: row.try_get("pending")?,
        running: row.try_get("running")?,
        completed: row.try_get("completed")?,
        failed: row.try_get("failed")?,
        skipped: row.try_get("skipped")?,
    })
}

/// The counts of a run in progress; the row has those of its last closing.
pub(super) async fn count_again(
    conn: &mut PgConnection,
    library: i64,
    row: &mut ApplyRow,
) -> Result<(), sqlx::Error> {
    let counts: Vec<(String, i64)> = query_as(
        "SELECT status, COUNT(*) FROM sync_operations WHERE library = $1 AND apply_id = $2 GROUP BY status",
    )
    .bind(library)
    .bind(row.id.0)
    .fetch_all(conn)
    .await?;
    (
        row.pending,
        row.running,
        row.completed,
        row.failed,
        row.skipped,
    ) = (0, 0, 0, 0, 0);
    for (status, count) in counts {
        match operation_status(&status)? {
            OperationStatus::Pending => row.pending = count,
            OperationStatus::Running => row.running = count,
            OperationStatus::Completed => row.completed = count,
            OperationStatus::Failed => row.failed = count,
            OperationStatus::Skipped => row.skipped = count,
        }
    }
    Ok(())
}

async fn operations(
    conn: &mut PgConnection,
    library: i64,
    apply: ApplyId,
) -> Result<Vec<OperationRow>, sqlx::Error> {
    query(
        "SELECT seq, action_id, kind, operation_type, status, action, playlist_tidal_id, track_tidal_id,
            change_type, rule, label, pre_image, post_image, trash_path, error_message, created_at,
            started_at, completed_at
         FROM sync_operations WHERE library = $1 AND apply_id = $2 ORDER BY seq",
    )
    .bind(library)
    .bind(apply.0)
    .fetch_all(conn)
    .await?
    .iter()
    .map(operation)
    .collect()
}

fn operation(row: &PgRow) -> Result<OperationRow, sqlx::Error> {
    let image = |name: &str| {
        let text: Option<&str> = row.try_get(name)?;
        let image = text.map(serde_json::from_str).transpose();
        image.map_err(unreadable)
    };
    Ok(OperationRow {
        seq: row.try_get("seq")?,
        action_id: row.try_get::<String, _>("action_id")?.into(),
        kind: row.try_get("kind")?,
        operation_type: row.try_get("operation_type")?,
        status: operation_status(row.try_get("status")?)?,
        action: row.try_get("action")?,
        playlist: row.try_get("playlist_tidal_id")?,
        track: row.try_get("track_tidal_id")?,
        change_type: row.try_get("change_type")?,
        rule: row.try_get("rule")?,
        label: row.try_get("label")?,
        pre_image: image("pre_image")?,
        post_image: image("post_image")?,
        trash_path: row.try_get("trash_path")?,
        error_message: row.try_get("error_message")?,
        created_at: time(row, "created_at")?,
        started_at: maybe_time(row, "started_at")?,
        completed_at: maybe_time(row, "completed_at")?,
    })
}

async fn history(
    conn: &mut PgConnection,
    library: i64,
    filter: &HistoryFilter,
) -> Result<Vec<HistoryRow>, sqlx::Error> {
    let mut query: QueryBuilder<Postgres> = QueryBuilder::new(
        "SELECT o.apply_id, a.mode, a.status AS apply_status, a.who, o.seq, o.kind, o.action, o.status,
            COALESCE(o.completed_at, o.started_at, o.created_at) AS at, o.playlist_tidal_id,
            o.track_tidal_id, o.change_type, o.rule, o.label, o.trash_path, o.error_message
         FROM sync_operations AS o JOIN applies AS a ON a.library = o.library AND a.id = o.apply_id
         WHERE o.library = ",
    );
    query.push_bind(library);
    if let Some(apply) = filter.apply {
        query.push(" AND o.apply_id = ").push_bind(apply.0);
    }
    if let Some(playlist) = &filter.playlist {
        query
            .push(" AND o.playlist_tidal_id = ")
            .push_bind(playlist.as_str());
    }
    if let Some(track) = &filter.track {
        query
            .push(" AND o.track_tidal_id = ")
            .push_bind(track.as_str());
    }
    query.push(" ORDER BY o.apply_id DESC, o.seq DESC LIMIT ");
    query.push_bind(i64::try_from(filter.limit).unwrap_or(i64::MAX));
    let rows = query.build().persistent(false).fetch_all(conn).await?;
    rows.iter().map(history_row).collect()
}

fn history_row(row: &PgRow) -> Result<HistoryRow, sqlx::Error> {
    Ok(HistoryRow {
        apply: ApplyId(row.try_get("apply_id")?),
        mode: row.try_get("mode")?,
        apply_status: apply_status(row.try_get("apply_status")?)?,
        who: row.try_get("who")?,
        seq: row.try_get("seq")?,
        kind: row.try_get("kind")?,
        action: row.try_get("action")?,
        status: operation_status(row.try_get("status")?)?,
        at: time(row, "at")?,
        playlist: row.try_get("playlist_tidal_id")?,
        track: row.try_get("track_tidal_id")?,
        change_type: row.try_get("change_type")?,
        rule: row.try_get("rule")?,
        label: row.try_get("label")?,
        trash_path: row.try_get("trash_path")?,
        error_message: row.try_get("error_message")?,
    })
}

async fn playlist_names(conn: &mut PgConnection, library: i64) -> Result<Vec<String>, sqlx::Error> {
    let mut names: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT name FROM playlists
         WHERE library = $1 AND tidal_id IS NOT NULL AND forgotten_at IS NULL AND deleted_at IS NULL",
    )
    .bind(library)
    .fetch_all(conn)
    .await?;
    // Collations differ between databases.
    names.sort();
    Ok(names)
}

async fn playlists_by_name(
    conn: &mut PgConnection,
    library: i64,
    device: &str,
    name: &str,
) -> Result<Vec<PlaylistRow>, sqlx::Error> {
    let wanted = nfc(name);
    let known: Vec<(i64, String, String)> = query_as(
        "SELECT id, tidal_id, name FROM playlists
         WHERE library = $1 AND tidal_id IS NOT NULL AND forgotten_at IS NULL",
    )
    .bind(library)
    .fetch_all(&mut *conn)
    .await?;
    let mut found = Vec::new();
    for (number, id, called) in known {
        if id == name || nfc(&called) == wanted {
            let stays = rows::occurrences(conn, number, Stays::Here).await?;
            let entries = stays.iter().map(rows::entry).collect();
            found.extend(load::playlist(conn, (library, device), number, entries).await?);
        }
    }
    found.sort_by(|a, b| (a.deleted_at.is_some(), &a.id).cmp(&(b.deleted_at.is_some(), &b.id)));
    Ok(found)
}

async fn recent_changes(
    conn: &mut PgConnection,
    library: i64,
    playlist: &PlaylistId,
    limit: usize,
) -> Result<Vec<RecentChange>, sqlx::Error> {
    let number = query_scalar("SELECT id FROM playlists WHERE library = $1 AND tidal_id = $2")
        .bind(library)
        .bind(playlist.as_str())
        .fetch_optional(&mut *conn)
        .await?;
    let Some(number) = number else {
        return Ok(Vec::new());
    };
    let stays = rows::occurrences(conn, number, Stays::All).await?;
    let labels = rows::labels(conn, number).await?;
    let label = |track: &TrackId| labels.get(track).cloned().unwrap_or_default();
    let labelled = stays.into_iter().map(|row| {
        let label = label(&row.track);
        (row, label)
    });
    Ok(occurrence::recent(labelled, limit))
}

async fn statistics(
    conn: &mut PgConnection,
    library: i64,
    device: &str,
) -> Result<Statistics, sqlx::Error> {
    let mut told = Statistics::of(&load::state(conn, library, device).await?);
    let operations: Vec<(String, i64)> =
        query_as("SELECT status, COUNT(*) FROM sync_operations WHERE library = $1 GROUP BY status")
            .bind(library)
            .fetch_all(&mut *conn)
            .await?;
    for (status, count) in operations {
        told.operations.insert(operation_status(&status)?, count);
    }
    told.last_apply = applies(conn, library, 1).await?.pop();
    (told.applies, told.snapshots) = query_as(
        "SELECT (SELECT COUNT(*) FROM applies WHERE library = $1),
            (SELECT COUNT(*) FROM sync_snapshots WHERE library = $1)",
    )
    .bind(library)
    .fetch_one(&mut *conn)
    .await?;
    let last_reading: Option<String> = query_scalar(
        "SELECT created_at FROM sync_snapshots
         WHERE library = $1 AND snapshot_type = 'tidal' AND complete = 1 ORDER BY id DESC LIMIT 1",
    )
    .bind(library)
    .fetch_optional(conn)
    .await?;
    let last_reading = last_reading.map(|text| text.parse().map_err(unreadable));
    told.last_reading_at = last_reading.transpose()?;
    Ok(told)
}

fn snapshot(row: &PgRow, data: String) -> Result<SnapshotRow, sqlx::Error> {
    Ok(SnapshotRow {
        kind: row.try_get("snapshot_type")?,
        data,
        playlist_count: row.try_get("playlist_count")?,
        track_count: row.try_get("track_count")?,
        complete: row.try_get::<i64, _>("complete")? == 1,
        at: time(row, "created_at")?,
    })
}

pub(super) fn apply_status(text: &str) -> Result<ApplyStatus, sqlx::Error> {
    let all = [
        ApplyStatus::Running,
        ApplyStatus::Completed,
        ApplyStatus::Partial,
        ApplyStatus::Undone,
    ];
    let found = all.into_iter().find(|status| status.as_str() == text);
    found.ok_or_else(|| unreadable(format!("the status {text:?} of an apply")))
}

pub(super) fn operation_status(text: &str) -> Result<OperationStatus, sqlx::Error> {
    let mut all = OperationStatus::ALL.into_iter();
    let found = all.find(|status| status.as_str() == text);
    found.ok_or_else(|| unreadable(format!("the status {text:?} of an operation")))
}
