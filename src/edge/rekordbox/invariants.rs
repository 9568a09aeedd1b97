//! What must be true of the rows after a change; checked inside its transaction.

use std::collections::BTreeSet;

use serde_json::json;
use sqlx::SqliteConnection;

use super::{
    RekordboxError,
    net::{After, Before, Net},
    sql::json_rows_with,
    table::{Table, text},
    tables::Index,
};

/// # Errors
/// [`RekordboxError::Invariant`] with the first that is broken.
pub(super) async fn check(
    connection: &mut SqliteConnection,
    net: &Net,
    known: Option<&Index>,
) -> Result<(), RekordboxError> {
    let mut checker = Checker {
        connection,
        net,
        known,
    };
    checker.lists().await?;
    checker.references().await?;
    checker.unique_paths().await?;
    checker.unique_links().await?;
    checker.tree().await
}

struct Checker<'c> {
    connection: &'c mut SqliteConnection,
    net: &'c Net,
    /// What is known of all rows before the change, where that is true for certain.
    known: Option<&'c Index>,
}

impl Checker<'_> {
    /// `TrackNo` is 1, 2, 3… in every list of which a row changed.
    async fn lists(&mut self) -> Result<(), RekordboxError> {
        let mut lists: BTreeSet<String> = self
            .found(
                "SELECT json_group_array(DISTINCT PlaylistID) FROM djmdSongPlaylist \
                 WHERE ID IN (SELECT value FROM json_each(?1))",
                self.net.ids(Table::SongPlaylist),
            )
            .await?
            .into_iter()
            .collect();
        lists.extend(self.lists_of_deleted());
        let lists = lists.iter().map(String::as_str).collect();
        self.expect_none(
            "SELECT json_group_array(list) FROM (SELECT PlaylistID list FROM djmdSongPlaylist s \
             WHERE PlaylistID IN (SELECT value FROM json_each(?1)) AND s.live \
             GROUP BY PlaylistID HAVING min(TrackNo) <> 1 OR max(TrackNo) <> count(*) \
             OR count(DISTINCT TrackNo) <> count(*))",
            lists,
            "the entries of a playlist would not be numbered 1, 2, 3 and so on",
        )
        .await
    }

    fn lists_of_deleted(&self) -> BTreeSet<String> {
        let songs = self
            .net
            .rows
            .iter()
            .filter(|row| row.table == Table::SongPlaylist);
        let lists = songs.filter_map(|row| match (&row.before, &row.after) {
            (Before::Whole(image) | Before::Columns(image), After::Absent) => {
                Some(text(image, "PlaylistID").to_owned())
            }
            (Before::Absent | Before::Whole(_) | Before::Columns(_), _) => None,
        });
        lists.filter(|list| !list.is_empty()).collect()
    }

    /// What changed refers to rows that are there, and nothing refers to what went away.
    async fn references(&mut self) -> Result<(), RekordboxError> {
        let checks = [
            (
                Table::SongPlaylist,
                "SELECT json_group_array(s.ID) FROM djmdSongPlaylist s \
                 LEFT JOIN djmdContent c ON c.ID = s.ContentID AND c.live \
                 LEFT JOIN djmdPlaylist p ON p.ID = s.PlaylistID AND p.live \
                 WHERE s.ID IN (SELECT value FROM json_each(?1)) AND s.live \
                 AND (c.ID IS NULL OR p.ID IS NULL OR p.Attribute <> 0)",
                "a playlist entry would refer to nothing",
            ),
            (
                Table::SongMyTag,
                "SELECT json_group_array(s.ID) FROM djmdSongMyTag s \
                 LEFT JOIN djmdContent c ON c.ID = s.ContentID AND c.live \
                 LEFT JOIN djmdMyTag t ON t.ID = s.MyTagID AND t.live \
                 WHERE s.ID IN (SELECT value FROM json_each(?1)) AND s.live \
                 AND (c.ID IS NULL OR t.ID IS NULL OR t.Attribute <> 0)",
                "a MyTag link would refer to nothing",
            ),
            (
                Table::Content,
                "SELECT json_group_array(c.ID) FROM djmdContent c \
                 WHERE c.ID IN (SELECT value FROM json_each(?1)) AND c.live AND ( \
                 (coalesce(c.ArtistID, '') NOT IN ('', '0') AND NOT EXISTS (SELECT 1 FROM \
                 djmdArtist a WHERE a.ID = c.ArtistID AND a.live)) OR \
                 (coalesce(c.AlbumID, '') NOT IN ('', '0') AND NOT EXISTS (SELECT 1 FROM \
                 djmdAlbum a WHERE a.ID = c.AlbumID AND a.live)) OR \
                 (coalesce(c.GenreID, '') NOT IN ('', '0') AND NOT EXISTS (SELECT 1 FROM \
                 djmdGenre a WHERE a.ID = c.GenreID AND a.live)))",
                "a track would refer to no artist, album or genre",
            ),
            (
                Table::Content,
                "SELECT json_group_array(s.ContentID) FROM (SELECT ContentID FROM \
                 djmdSongPlaylist s WHERE ContentID IN (SELECT value FROM json_each(?1)) AND \
                 s.live UNION ALL SELECT ContentID FROM djmdSongMyTag t WHERE ContentID \
                 IN (SELECT value FROM json_each(?1)) AND t.live) s \
                 WHERE NOT EXISTS (SELECT 1 FROM djmdContent c WHERE c.ID = s.ContentID \
                 AND c.live)",
                "a track that is in use would go away",
            ),
            (
                Table::Playlist,
                "SELECT json_group_array(s.PlaylistID) FROM djmdSongPlaylist s \
                 WHERE s.PlaylistID IN (SELECT value FROM json_each(?1)) \
                 AND s.live AND NOT EXISTS (SELECT 1 FROM djmdPlaylist p \
                 WHERE p.ID = s.PlaylistID AND p.live)",
                "a playlist would go away and leave its entries",
            ),
            (
                Table::MyTag,
                "SELECT json_group_array(s.MyTagID) FROM djmdSongMyTag s \
                 WHERE s.MyTagID IN (SELECT value FROM json_each(?1)) \
                 AND s.live AND NOT EXISTS (SELECT 1 FROM djmdMyTag t \
                 WHERE t.ID = s.MyTagID AND t.live)",
                "a MyTag that is in use would go away",
            ),
        ];
        for (table, sql, broken) in checks {
            self.expect_none(sql, self.net.ids(table), broken).await?;
        }
        Ok(())
    }

    /// No two live tracks have the path that a changed track has. Rekordbox keeps no index of paths, so
    /// that asking the database means reading all tracks.
    async fn unique_paths(&mut self) -> Result<(), RekordboxError> {
        let paths = self.net.rows.iter().filter_map(|row| match &row.after {
            After::Columns(image) | After::Whole(image) if row.table == Table::Content => {
                Some((image.get("FolderPath")?.as_str()?, row.id.as_str()))
            }
            After::Columns(_) | After::Whole(_) | After::Absent => None,
        });
        let paths: Vec<(&str, &str)> = paths.collect();
        if let Some(known) = self.known {
            let distinct: BTreeSet<&str> = paths.iter().map(|(path, _)| *path).collect();
            let free = paths.iter().all(|(path, id)| known.is_free(path, id));
            if free && distinct.len() == paths.len() {
                return Ok(());
            }
        }
        let paths: Vec<&str> = paths.into_iter().map(|(path, _)| path).collect();
        self.expect_none(
            "SELECT json_group_array(path) FROM (SELECT FolderPath path FROM djmdContent c WHERE c.live \
             AND FolderPath IN (SELECT value FROM json_each(?1)) \
             GROUP BY FolderPath HAVING count(*) > 1)",
            paths,
            "two tracks would be the same file",
        )
        .await
    }

    async fn unique_links(&mut self) -> Result<(), RekordboxError> {
        self.expect_none(
            "SELECT json_group_array(DISTINCT s.ID) FROM djmdSongMyTag s JOIN djmdSongMyTag o \
             ON o.ContentID = s.ContentID AND o.MyTagID = s.MyTagID AND o.ID <> s.ID \
             AND o.live \
             WHERE s.ID IN (SELECT value FROM json_each(?1)) AND s.live",
            self.net.ids(Table::SongMyTag),
            "a track would have the same MyTag twice",
        )
        .await
    }

    /// Every changed node hangs below the top through folders that are there.
    async fn tree(&mut self) -> Result<(), RekordboxError> {
        self.expect_none(
            "WITH RECURSIVE up(node, above, steps) AS ( \
             SELECT ID, ParentID, 0 FROM djmdPlaylist p WHERE p.live AND \
             (ID IN (SELECT value FROM json_each(?1)) \
             OR ParentID IN (SELECT value FROM json_each(?1))) \
             UNION ALL SELECT up.node, p.ParentID, up.steps + 1 FROM up JOIN djmdPlaylist p \
             ON p.ID = up.above AND p.live AND p.Attribute = 1 \
             WHERE up.steps < 1000) \
             SELECT json_group_array(node) FROM (SELECT node FROM up GROUP BY node \
             HAVING sum(above = 'root') <> 1)",
            self.net.ids(Table::Playlist),
            "a playlist would hang in no folder",
        )
        .await
    }

    async fn expect_none(
        &mut self,
        sql: &str,
        ids: Vec<&str>,
        broken: &str,
    ) -> Result<(), RekordboxError> {
        let found = self.found(sql, ids).await?;
        match found.first() {
            Some(id) => Err(RekordboxError::Invariant(format!("{broken} ({id})"))),
            None => Ok(()),
        }
    }

    async fn found(&mut self, sql: &str, ids: Vec<&str>) -> Result<Vec<String>, RekordboxError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let list = Some(json!(ids).to_string());
        json_rows_with(self.connection, with_live(sql), list).await
    }
}

/// Spells out `x.live`: row `x` counts, which a tombstone does not.
fn with_live(sql: &str) -> String {
    let spelt = |sql: String, row: char| {
        sql.replace(
            &format!("{row}.live"),
            &format!("coalesce({row}.rb_local_deleted, 0) = 0"),
        )
    };
    "acopst".chars().fold(sql.to_owned(), spelt)
}
