//! Answers questions, each in a transaction of its own: that is also what a proxy gives a connection for.

use sqlx::{PgConnection, PgTransaction, Row as _};

use super::ask::{query, query_as, query_scalar};
use super::{PostgresReader, PostgresStore, check, failed, load, same};
use crate::{
    domain::{ApplyId, PlaylistId, State, state::Meta, state::PlaylistRow},
    edge::store::{
        ApplyRow, Approval, Finding, HistoryFilter, HistoryRow, OperationRow, RecentChange,
        SnapshotRow, StateReader, Statistics, StoreError,
        occurrence::{Occurrence, Stays},
        pack, words,
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
        same::applies(&mut tx, self.library, i64::MAX)
            .await
            .map_err(failed("read applies"))
    }

    async fn operations(&self, apply: ApplyId) -> Result<Vec<OperationRow>, StoreError> {
        let mut tx = self.begin_reading().await?;
        same::operations(&mut tx, self.library, apply)
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
        same::unfinished(&mut tx, self.library)
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
        same::snapshot(&row, data)
            .map(Some)
            .map_err(failed("read snapshots"))
    }

    async fn playlist_names(&self) -> Result<Vec<String>, StoreError> {
        let mut tx = self.begin_reading().await?;
        same::playlist_names(&mut tx, self.library)
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
        same::history(&mut tx, self.library, filter)
            .await
            .map_err(failed("read operations"))
    }

    async fn recent_changes(
        &self,
        playlist: &PlaylistId,
        limit: usize,
    ) -> Result<Vec<RecentChange>, StoreError> {
        let mut tx = self.begin_reading().await?;
        same::recent_changes(&mut tx, self.library, playlist, limit)
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
        let state = load::state(&mut tx, self.library, &self.device).await;
        let state = state.map_err(failed("count"))?;
        same::statistics(&mut tx, self.library, &state)
            .await
            .map_err(failed("count"))
    }

    async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        check::findings(self).await
    }
}

reads_by_its_reader!(PostgresStore);

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

async fn playlists_by_name(
    conn: &mut PgConnection,
    library: i64,
    device: &str,
    name: &str,
) -> Result<Vec<PlaylistRow>, sqlx::Error> {
    let mut found = Vec::new();
    for number in same::playlists_named(conn, library, name).await? {
        let stays = same::occurrences(conn, number, Stays::Here).await?;
        let entries = stays.iter().map(Occurrence::entry).collect();
        found.extend(load::playlist(conn, (library, device), number, entries).await?);
    }
    found.sort_by(|a, b| (a.deleted_at.is_some(), &a.id).cmp(&(b.deleted_at.is_some(), &b.id)));
    Ok(found)
}
