//! Answers questions.

use sqlx::{Row as _, SqliteConnection, SqliteTransaction};

use super::{SqliteReader, SqliteStore, check, load, same};
use crate::{
    domain::{ApplyId, PlaylistId, State, state::Meta, state::PlaylistRow},
    edge::store::{
        ApplyRow, Approval, Finding, HistoryFilter, HistoryRow, OperationRow, RecentChange,
        SnapshotRow, StateReader, Statistics, StoreError,
        occurrence::{Occurrence, Stays},
        pack, words,
    },
};

impl StateReader for SqliteReader {
    async fn meta(&self) -> Result<Meta, StoreError> {
        let mut tx = self.begin_reading().await?;
        load::meta(&mut tx, self.library)
            .await
            .map_err(self.failed("read meta"))
    }

    async fn state(&self) -> Result<State, StoreError> {
        let mut tx = self.begin_reading().await?;
        load::state(&mut tx, self.library)
            .await
            .map_err(self.failed("read the state"))
    }

    async fn applies(&self) -> Result<Vec<ApplyRow>, StoreError> {
        let mut tx = self.begin_reading().await?;
        same::applies(&mut tx, self.library, i64::MAX)
            .await
            .map_err(self.failed("read applies"))
    }

    async fn operations(&self, apply: ApplyId) -> Result<Vec<OperationRow>, StoreError> {
        let mut tx = self.begin_reading().await?;
        same::operations(&mut tx, self.library, apply)
            .await
            .map_err(self.failed("read operations"))
    }

    async fn applied_plan(&self, apply: ApplyId) -> Result<Option<String>, StoreError> {
        let plan: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT plan FROM applies WHERE library = $1 AND id = $2")
                .bind(self.library)
                .bind(apply.0)
                .fetch_optional(&self.pool)
                .await
                .map_err(self.failed("read a plan"))?;
        plan.map(|bytes| self.unpack(&bytes)).transpose()
    }

    async fn unfinished(&self) -> Result<Option<ApplyRow>, StoreError> {
        let mut tx = self.begin_reading().await?;
        same::unfinished(&mut tx, self.library)
            .await
            .map_err(self.failed("read applies"))
    }

    async fn last_reading(&self) -> Result<Option<String>, StoreError> {
        let bytes: Option<Vec<u8>> = sqlx::query_scalar(
            "SELECT snapshot_data FROM sync_snapshots
             WHERE library = $1 AND snapshot_type = 'tidal' AND complete = 1 ORDER BY id DESC LIMIT 1",
        )
        .bind(self.library)
        .fetch_optional(&self.pool)
        .await
        .map_err(self.failed("read snapshots"))?;
        bytes.map(|bytes| self.unpack(&bytes)).transpose()
    }

    async fn last_snapshot(&self, kind: &str) -> Result<Option<SnapshotRow>, StoreError> {
        let row = sqlx::query(
            "SELECT snapshot_type, snapshot_data, playlist_count, track_count, complete, created_at
             FROM sync_snapshots WHERE library = $1 AND snapshot_type = $2 ORDER BY id DESC LIMIT 1",
        )
        .bind(self.library)
        .bind(kind)
        .fetch_optional(&self.pool)
        .await
        .map_err(self.failed("read snapshots"))?;
        let Some(row) = row else { return Ok(None) };
        let bytes: Vec<u8> = row
            .try_get("snapshot_data")
            .map_err(self.failed("read snapshots"))?;
        let data = self.unpack(&bytes)?;
        same::snapshot(&row, data)
            .map(Some)
            .map_err(self.failed("read snapshots"))
    }

    async fn playlist_names(&self) -> Result<Vec<String>, StoreError> {
        let mut tx = self.begin_reading().await?;
        same::playlist_names(&mut tx, self.library)
            .await
            .map_err(self.failed("read playlists"))
    }

    async fn playlists_by_name(&self, name: &str) -> Result<Vec<PlaylistRow>, StoreError> {
        let mut tx = self.begin_reading().await?;
        playlists_by_name(&mut tx, self.library, name)
            .await
            .map_err(self.failed("read playlists"))
    }

    async fn history(&self, filter: &HistoryFilter) -> Result<Vec<HistoryRow>, StoreError> {
        let mut tx = self.begin_reading().await?;
        same::history(&mut tx, self.library, filter)
            .await
            .map_err(self.failed("read operations"))
    }

    async fn recent_changes(
        &self,
        playlist: &PlaylistId,
        limit: usize,
    ) -> Result<Vec<RecentChange>, StoreError> {
        let mut tx = self.begin_reading().await?;
        same::recent_changes(&mut tx, self.library, playlist, limit)
            .await
            .map_err(self.failed("read playlist_tracks"))
    }

    async fn is_elsewhere(&self, apply: ApplyId) -> Result<bool, StoreError> {
        let found: Option<bool> = sqlx::query_scalar(
            "SELECT device IS NOT NULL FROM applies WHERE library = $1 AND id = $2",
        )
        .bind(self.library)
        .bind(apply.0)
        .fetch_optional(&self.pool)
        .await
        .map_err(self.failed("read applies"))?;
        Ok(found.unwrap_or(false))
    }

    async fn approvals(&self) -> Result<Vec<Approval>, StoreError> {
        let rows = sqlx::query_as(words::APPROVALS)
            .bind(self.library)
            .fetch_all(&self.pool)
            .await;
        rows.and_then(words::approvals)
            .map_err(self.failed("read approvals"))
    }

    async fn statistics(&self) -> Result<Statistics, StoreError> {
        let mut tx = self.begin_reading().await?;
        let state = load::state(&mut tx, self.library).await;
        let state = state.map_err(self.failed("count"))?;
        same::statistics(&mut tx, self.library, &state)
            .await
            .map_err(self.failed("count"))
    }

    async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        check::findings(self).await
    }
}

reads_by_its_reader!(SqliteStore);

impl SqliteReader {
    /// Several statements that see the same state.
    pub(super) async fn begin_reading(&self) -> Result<SqliteTransaction<'static>, StoreError> {
        self.pool
            .begin()
            .await
            .map_err(self.failed("begin to read"))
    }

    fn unpack(&self, bytes: &[u8]) -> Result<String, StoreError> {
        pack::unpack(bytes).map_err(|error| self.damaged(&format!("a packed text: {error}")))
    }
}

async fn playlists_by_name(
    conn: &mut SqliteConnection,
    library: i64,
    name: &str,
) -> Result<Vec<PlaylistRow>, sqlx::Error> {
    let mut found = Vec::new();
    for number in same::playlists_named(conn, library, name).await? {
        let stays = same::occurrences(conn, number, Stays::Here).await?;
        let entries = stays.iter().map(Occurrence::entry).collect();
        found.extend(load::playlist(conn, library, number, entries).await?);
    }
    found.sort_by(|a, b| (a.deleted_at.is_some(), &a.id).cmp(&(b.deleted_at.is_some(), &b.id)));
    Ok(found)
}
