//! What both databases are asked in the same words. sqlx has types of its own for each database's
//! connections and rows, so that the words are written once and read for each of them.

/// The functions, for this database. Where the macro is used, `query`, `query_as` and `query_scalar` are in
/// scope.
macro_rules! same_words {
    ($database:ty, $conn:ty, $row:ty) => {
        use std::collections::{BTreeMap, BTreeSet, HashMap};

        use jiff::Timestamp;
        use sqlx::{QueryBuilder, Row as _};

        use super::load::unreadable;
        use crate::{
            domain::{
                ApplyId, PlaylistId, State, Track, TrackId, text::nfc,
            },
            edge::store::{
                ApplyRow, ApplyStatus, HistoryFilter, HistoryRow, NewOperation, NewSnapshot,
                OperationRow, OperationStatus, RecentChange, SNAPSHOTS_KEPT, SnapshotRow,
                Statistics,
                occurrence::{self, Occurrence, Stays},
                rule,
                words::{self, Scope},
            },
        };

        /// What the lists of this machine's Rekordbox still have of tracks that left their playlists.
        pub(super) async fn left_behind(
            conn: &mut $conn,
            library: i64,
            device: &str,
        ) -> Result<BTreeMap<PlaylistId, BTreeSet<TrackId>>, sqlx::Error> {
            let rows: Vec<(String, String)> = query_as(
                "SELECT playlist_tidal_id, track_tidal_id FROM device_entries
                 WHERE library = $1 AND device = $2 AND stands = 1",
            )
            .bind(library)
            .bind(device)
            .fetch_all(conn)
            .await?;
            let mut left: BTreeMap<PlaylistId, BTreeSet<TrackId>> = BTreeMap::new();
            for (playlist, track) in rows {
                let tracks = left.entry(PlaylistId::new(playlist)).or_default();
                tracks.insert(TrackId::new(track));
            }
            Ok(left)
        }

        /// Whether the playlist is known to be gone from TIDAL.
        pub(super) async fn has_ended(
            conn: &mut $conn,
            scope: Scope,
            playlist: &PlaylistId,
        ) -> Result<bool, sqlx::Error> {
            let row: Option<(bool,)> = query_as(
                "SELECT deleted_at IS NOT NULL FROM playlists WHERE library = $1 AND tidal_id = $2",
            )
            .bind(scope.library)
            .bind(playlist.as_str())
            .fetch_optional(conn)
            .await?;
            Ok(row.is_some_and(|(ended,)| ended))
        }

        /// This machine has dealt with what it had left in the playlist, and nobody has anything left there that
        /// is in it again.
        pub(super) async fn caught_up(
            conn: &mut $conn,
            scope: Scope,
            device: &str,
            playlist: &PlaylistId,
            row: i64,
        ) -> Result<(), sqlx::Error> {
            query(
                "UPDATE device_entries SET stands = 0
                 WHERE library = $1 AND playlist_tidal_id = $2 AND stands = 1 AND (device = $3 OR EXISTS (
                    SELECT 1 FROM playlist_tracks AS e JOIN tracks AS t ON t.id = e.track_id
                    WHERE e.playlist_id = $4 AND e.position IS NOT NULL
                        AND t.tidal_id = device_entries.track_tidal_id))",
            )
            .bind(scope.library)
            .bind(playlist.as_str())
            .bind(device)
            .bind(row)
            .execute(conn)
            .await
            .map(drop)
        }

        /// The newest `limit` runs, newest first.
        pub(super) async fn applies(
            conn: &mut $conn,
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
            conn: &mut $conn,
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

        pub(super) fn apply(row: &$row) -> Result<ApplyRow, sqlx::Error> {
            Ok(ApplyRow {
                id: ApplyId(row.try_get("id")?),
                mode: row.try_get("mode")?,
                status: words::apply_status(row.try_get("status")?)?,
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
            conn: &mut $conn,
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
                match words::operation_status(&status)? {
                    OperationStatus::Pending => row.pending = count,
                    OperationStatus::Running => row.running = count,
                    OperationStatus::Completed => row.completed = count,
                    OperationStatus::Failed => row.failed = count,
                    OperationStatus::Skipped => row.skipped = count,
                }
            }
            Ok(())
        }

        pub(super) async fn history(
            conn: &mut $conn,
            library: i64,
            filter: &HistoryFilter,
        ) -> Result<Vec<HistoryRow>, sqlx::Error> {
            let mut query: QueryBuilder<$database> = QueryBuilder::new(
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

        pub(super) fn history_row(row: &$row) -> Result<HistoryRow, sqlx::Error> {
            Ok(HistoryRow {
                apply: ApplyId(row.try_get("apply_id")?),
                mode: row.try_get("mode")?,
                apply_status: words::apply_status(row.try_get("apply_status")?)?,
                who: row.try_get("who")?,
                seq: row.try_get("seq")?,
                kind: row.try_get("kind")?,
                action: row.try_get("action")?,
                status: words::operation_status(row.try_get("status")?)?,
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

        pub(super) fn operation(row: &$row) -> Result<OperationRow, sqlx::Error> {
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
                status: words::operation_status(row.try_get("status")?)?,
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

        pub(super) async fn recent_changes(
            conn: &mut $conn,
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
            let stays = occurrences(conn, number, Stays::All).await?;
            let labels = labels(conn, number).await?;
            let label = |track: &TrackId| labels.get(track).cloned().unwrap_or_default();
            let labelled = stays.into_iter().map(|row| {
                let label = label(&row.track);
                (row, label)
            });
            Ok(occurrence::recent(labelled, limit))
        }

        pub(super) fn snapshot(row: &$row, data: String) -> Result<SnapshotRow, sqlx::Error> {
            Ok(SnapshotRow {
                kind: row.try_get("snapshot_type")?,
                data,
                playlist_count: row.try_get("playlist_count")?,
                track_count: row.try_get("track_count")?,
                complete: row.try_get::<i64, _>("complete")? == 1,
                at: time(row, "created_at")?,
            })
        }



        pub(super) async fn operations(
            conn: &mut $conn,
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

        /// Counts, of the state as it was loaded and of the journal.
        pub(super) async fn statistics(
            conn: &mut $conn,
            library: i64,
            state: &State,
        ) -> Result<Statistics, sqlx::Error> {
            let mut told = Statistics::of(state);
            let operations: Vec<(String, i64)> =
                query_as("SELECT status, COUNT(*) FROM sync_operations WHERE library = $1 GROUP BY status")
                    .bind(library)
                    .fetch_all(&mut *conn)
                    .await?;
            for (status, count) in operations {
                told.operations.insert(words::operation_status(&status)?, count);
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

        /// The names of the playlists that are in TIDAL.
        pub(super) async fn playlist_names(
            conn: &mut $conn,
            library: i64,
        ) -> Result<Vec<String>, sqlx::Error> {
            let mut names: Vec<String> = query_scalar(
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

        /// The rows of the playlists of that name (as NFC) or id.
        pub(super) async fn playlists_named(
            conn: &mut $conn,
            library: i64,
            name: &str,
        ) -> Result<Vec<i64>, sqlx::Error> {
            let wanted = nfc(name);
            let known: Vec<(i64, String, String)> = sqlx::query_as(
                "SELECT id, tidal_id, name FROM playlists
                 WHERE library = $1 AND tidal_id IS NOT NULL AND forgotten_at IS NULL",
            )
            .bind(library)
            .fetch_all(conn)
            .await?;
            let named = known
                .into_iter()
                .filter(|(_, id, called)| id == name || nfc(called) == wanted);
            Ok(named.map(|(number, _, _)| number).collect())
        }

        /// The rows of one playlist.
        pub(super) async fn occurrences(
            conn: &mut $conn,
            playlist: i64,
            stays: Stays,
        ) -> Result<Vec<Occurrence>, sqlx::Error> {
            query(occurrence::OCCURRENCES)
                .bind(playlist)
                .bind(i64::from(stays == Stays::All))
                .fetch_all(conn)
                .await?
                .iter()
                .map(occurrence)
                .collect()
        }

        pub(super) fn occurrence(row: &$row) -> Result<Occurrence, sqlx::Error> {
            let flag = |name: &str| row.try_get::<i64, _>(name).map(|flag| flag == 1);
            Ok(Occurrence {
                id: Some(row.try_get("id")?),
                track: TrackId::new(row.try_get::<String, _>("track")?),
                position: row.try_get("position")?,
                in_tidal: flag("in_tidal")?,
                in_local: flag("in_local")?,
                in_rekordbox: flag("in_rekordbox")?,
                added_to_tidal: maybe_time(row, "added_to_tidal")?,
                added_to_local: maybe_time(row, "added_to_local")?,
                added_to_rekordbox: maybe_time(row, "added_to_rekordbox")?,
                removed_from_tidal: maybe_time(row, "removed_from_tidal")?,
                created_at: time(row, "created_at")?,
            })
        }

        /// What people call the tracks that are or were in one playlist.
        pub(super) async fn labels(
            conn: &mut $conn,
            playlist: i64,
        ) -> Result<HashMap<TrackId, String>, sqlx::Error> {
            let rows: Vec<(String, String, Option<String>, String)> = query_as(
                "SELECT DISTINCT t.tidal_id, t.title, t.version, t.artists
                 FROM playlist_tracks AS e JOIN tracks AS t ON t.id = e.track_id WHERE e.playlist_id = $1",
            )
            .bind(playlist)
            .fetch_all(conn)
            .await?;
            let labelled = rows.into_iter().map(|(id, title, version, artists)| {
                let id = TrackId::new(id);
                let track = Track {
                    title,
                    version,
                    artists: serde_json::from_str(&artists).map_err(unreadable)?,
                    ..Track::bare(id.clone())
                };
                Ok((id, track.label()))
            });
            labelled.collect()
        }

        /// A timestamp column.
        pub(super) fn time(row: &$row, name: &str) -> Result<Timestamp, sqlx::Error> {
            row.try_get::<&str, _>(name)?.parse().map_err(unreadable)
        }

        /// A timestamp column that may be empty.
        pub(super) fn maybe_time(row: &$row, name: &str) -> Result<Option<Timestamp>, sqlx::Error> {
            let text: Option<&str> = row.try_get(name)?;
            text.map(|text| text.parse().map_err(unreadable))
                .transpose()
        }

        pub(super) async fn put_snapshot(
            conn: &mut $conn,
            library: i64,
            snapshot: &NewSnapshot<'_>,
            packed: Vec<u8>,
        ) -> Result<(), sqlx::Error> {
            query(
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
            query(
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

        pub(super) async fn next_apply(conn: &mut $conn, library: i64) -> Result<ApplyId, sqlx::Error> {
            query_scalar("SELECT COALESCE(MAX(id), 0) + 1 FROM applies WHERE library = $1")
                .bind(library)
                .fetch_one(conn)
                .await
                .map(ApplyId)
        }

        pub(super) async fn raise_fencing(conn: &mut $conn, library: i64) -> Result<i64, sqlx::Error> {
            query_scalar("UPDATE meta SET fencing = fencing + 1 WHERE id = $1 RETURNING fencing")
                .bind(library)
                .fetch_one(conn)
                .await
        }

        pub(super) async fn put_operations(
            conn: &mut $conn,
            scope: Scope,
            apply: ApplyId,
            operations: &[NewOperation],
        ) -> Result<(), sqlx::Error> {
            let at = scope.at.to_string();
            let mut query: QueryBuilder<$database> = QueryBuilder::new(
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
            query
                .build()
                .persistent(false)
                .execute(conn)
                .await
                .map(drop)
        }

        /// Fills in the rows that operations are about, as far as there are such rows by now.
        pub(super) async fn link_operations(
            conn: &mut $conn,
            library: i64,
            apply: ApplyId,
        ) -> Result<(), sqlx::Error> {
            query(
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

        pub(super) async fn open_again(
            conn: &mut $conn,
            scope: Scope,
            apply: ApplyId,
        ) -> Result<i64, sqlx::Error> {
            let fencing = raise_fencing(conn, scope.library).await?;
            query(
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

        pub(super) async fn close(
            conn: &mut $conn,
            scope: Scope,
            run: &crate::edge::store::ApplyRow,
            status: ApplyStatus,
        ) -> Result<(), sqlx::Error> {
            link_operations(conn, scope.library, run.id).await?;
            query(
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
            query("UPDATE meta SET serial = serial + 1 WHERE id = $1")
                .bind(scope.library)
                .execute(conn)
                .await
                .map(drop)
        }

        /// Marks what an undo takes back; what that had taken back itself is in effect again, and so on.
        pub(super) async fn take_back(
            conn: &mut $conn,
            library: i64,
            undone: Option<ApplyId>,
        ) -> Result<(), sqlx::Error> {
            let (mut next, mut in_effect) = (undone, false);
            while let Some(apply) = next {
                let (undoes, left): (Option<i64>, i64) = query_as(
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
                query("UPDATE applies SET status = $1 WHERE library = $2 AND id = $3")
                    .bind(status.as_str())
                    .bind(library)
                    .bind(apply.0)
                    .execute(&mut *conn)
                    .await?;
                (next, in_effect) = (undoes.map(ApplyId), !in_effect);
            }
            Ok(())
        }
    };
}

/// A store reads as its reader does.
macro_rules! reads_by_its_reader {
    ($store:ty) => {
        impl StateReader for $store {
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
    };
}
