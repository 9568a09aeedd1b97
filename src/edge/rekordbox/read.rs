//! Reads a whole library: one query a table, each answered as one JSON text.

use sqlx::{Connection as _, SqliteConnection};

use super::{
    RekordboxError,
    collect::{Lists, Names, Raw, Shelf, Work, named, tags},
    schema::Schema,
    sql::{Sink, Stream, json_rows},
    sqlcipher::Snapshot,
};

/// A table and its columns, with the type that each should have.
type Selection = (&'static str, &'static [(&'static str, &'static str)]);

const CONTENTS: Selection = (
    "djmdContent",
    &[
        ("ID", "TEXT"),
        ("FolderPath", "TEXT"),
        ("Title", "TEXT"),
        ("ArtistID", "TEXT"),
        ("AlbumID", "TEXT"),
        ("GenreID", "TEXT"),
        ("ISRC", "TEXT"),
        ("Length", "INTEGER"),
        ("ReleaseYear", "INTEGER"),
        ("Rating", "INTEGER"),
        ("DJPlayCount", "INTEGER"),
        ("Analysed", "INTEGER"),
        ("FileType", "INTEGER"),
        ("FileSize", "INTEGER"),
        ("BitRate", "INTEGER"),
        ("StockDate", "TEXT"),
    ],
);

const ENTRIES: Selection = (
    "djmdSongPlaylist",
    &[
        ("ID", "TEXT"),
        ("PlaylistID", "TEXT"),
        ("ContentID", "TEXT"),
        ("TrackNo", "INTEGER"),
    ],
);

/// Reads all rows that matter of one state. The two large tables are read side by side, each over a
/// connection of its own, because what takes the time is decrypting.
pub(super) async fn raw(snapshot: &mut Snapshot) -> Result<Raw, RekordboxError> {
    let schema = Schema::read(&mut snapshot.connection).await?;
    schema.expect_readable()?;
    let query = Query { schema: &schema };
    let mut second = snapshot.second().await?;
    let entries = async {
        let stream = Stream::into(Lists::default());
        query.stream(&mut second, &stream, ENTRIES).await?;
        stream.whole()
    };
    let (rest, lists) = tokio::join!(rest(&mut snapshot.connection, &query), entries);
    // It was only read.
    let _ = second.close().await;
    let lists = lists?;
    Ok(Raw { lists, ..rest? })
}

/// Everything but the entries of playlists.
async fn rest(connection: &mut SqliteConnection, query: &Query<'_>) -> Result<Raw, RekordboxError> {
    let my_tags = tags(json_rows(connection, query.tags()).await?);
    let names = Names {
        artists: named(json_rows(connection, query.names("djmdArtist")).await?),
        albums: named(json_rows(connection, query.names("djmdAlbum")).await?),
        genres: named(json_rows(connection, query.names("djmdGenre")).await?),
    };
    let cues = json_rows(connection, query.cues()).await?;
    let links = json_rows(connection, query.links()).await?;
    let history = json_rows(connection, query.history()).await?;
    let stream = Stream::into(Shelf::new(names, Work::new(cues, links, history, &my_tags)));
    query.stream(connection, &stream, CONTENTS).await?;
    Ok(Raw {
        schema: query.schema.version(),
        app_version: None,
        local_usn: local_usn(connection, query.schema).await?,
        cloud_sync: cloud_sync(connection, query.schema).await?,
        nodes: json_rows(connection, query.nodes()).await?,
        contents: stream.whole()?,
        lists: Lists::default(),
        my_tags,
    })
}

/// The largest number that the counter or any row has. The counter has been seen lagging behind.
pub(super) async fn local_usn(
    connection: &mut SqliteConnection,
    schema: &Schema,
) -> Result<i64, RekordboxError> {
    let mut terms: Vec<String> = schema
        .tables_with("rb_local_usn")
        .into_iter()
        .map(|table| format!("(SELECT max(rb_local_usn) FROM \"{table}\")"))
        .collect();
    if schema.has("agentRegistry", "int_1") {
        terms.push(
            "(SELECT max(int_1) FROM agentRegistry WHERE registry_id IN \
             ('localUpdateCount', 'lastUpdateCount'))"
                .to_owned(),
        );
    }
    let sql = format!("SELECT json_array({})", terms.join(", "));
    let numbers: Vec<Option<i64>> = json_rows(connection, sql).await?;
    Ok(numbers.into_iter().flatten().max().unwrap_or(0))
}

/// Whether the user's own rows are known to the cloud. Rekordbox's built-in rows (colours, menus, MyTag
/// groups, the trial playlist) bear the same marks without any synchronising.
async fn cloud_sync(
    connection: &mut SqliteConnection,
    schema: &Schema,
) -> Result<bool, RekordboxError> {
    let synced = "SELECT 1 FROM {} WHERE rb_data_status IN (256, 257, 258)";
    let tables = [
        ("djmdContent", ""),
        ("djmdPlaylist", " AND Attribute IN (0, 1, 4)"),
        ("djmdSongPlaylist", ""),
    ];
    let terms: Vec<String> = tables
        .iter()
        .filter(|(table, _)| schema.has(table, "rb_data_status"))
        .map(|(table, and)| format!("EXISTS({}{and})", synced.replace("{}", table)))
        .collect();
    let sql = format!("SELECT json_array({})", terms.join(", "));
    let found: Vec<i64> = json_rows(connection, sql).await?;
    Ok(found.contains(&1))
}

/// The query for the tree of playlists, as [`super::collect::RawNode`]s.
pub(super) fn nodes(schema: &Schema) -> String {
    Query { schema }.nodes()
}

/// Composes the queries; a column or table that this database lacks reads as NULL or empty.
struct Query<'s> {
    schema: &'s Schema,
}

impl Query<'_> {
    async fn stream<S: Sink>(
        &self,
        connection: &mut SqliteConnection,
        stream: &Stream<S>,
        (table, columns): Selection,
    ) -> Result<(), RekordboxError> {
        let terms = self.terms(table, columns, true);
        stream
            .read(connection, table, &terms, self.live(table))
            .await
    }

    fn names(&self, table: &str) -> String {
        self.rows(table, &[("ID", "TEXT"), ("Name", "TEXT")], false)
    }

    fn nodes(&self) -> String {
        self.rows(
            "djmdPlaylist",
            &[
                ("ID", "TEXT"),
                ("Seq", "INTEGER"),
                ("Name", "TEXT"),
                ("Attribute", "INTEGER"),
                ("ParentID", "TEXT"),
                ("SmartList", "TEXT"),
            ],
            true,
        )
    }

    fn tags(&self) -> String {
        self.rows(
            "djmdMyTag",
            &[
                ("ID", "TEXT"),
                ("Seq", "INTEGER"),
                ("Name", "TEXT"),
                ("Attribute", "INTEGER"),
                ("ParentID", "TEXT"),
            ],
            false,
        )
    }

    fn links(&self) -> String {
        self.rows(
            "djmdSongMyTag",
            &[("MyTagID", "TEXT"), ("ContentID", "TEXT")],
            false,
        )
    }

    fn cues(&self) -> String {
        if !self.schema.has("djmdCue", "Kind") || !self.schema.has("djmdCue", "ContentID") {
            return "SELECT '[]'".to_owned();
        }
        format!(
            "SELECT json_group_array(json_array(content, hot, memory)) FROM \
             (SELECT cast(ContentID AS TEXT) content, sum(Kind >= 1) hot, sum(Kind = 0) memory \
             FROM djmdCue WHERE {} GROUP BY ContentID)",
            self.live("djmdCue")
        )
    }

    fn history(&self) -> String {
        if !self.schema.has("djmdSongHistory", "ContentID") {
            return "SELECT '[]'".to_owned();
        }
        format!(
            "SELECT json_group_array(DISTINCT cast(ContentID AS TEXT)) FROM djmdSongHistory \
             WHERE ContentID IS NOT NULL AND {}",
            self.live("djmdSongHistory")
        )
    }

    fn rows(&self, table: &str, columns: &[(&str, &str)], with_uuid: bool) -> String {
        if !self.schema.has_table(table) {
            return "SELECT '[]'".to_owned();
        }
        format!(
            "SELECT json_group_array(json_array({})) FROM {table} WHERE {}",
            self.terms(table, columns, with_uuid).join(", "),
            self.live(table)
        )
    }

    /// Casts keep a value of the wrong type in one row from spoiling all others.
    fn terms(&self, table: &str, columns: &[(&str, &str)], with_uuid: bool) -> Vec<String> {
        let mut terms: Vec<String> = columns
            .iter()
            .map(|(column, kind)| match self.schema.has(table, column) {
                true => format!("cast({column} AS {kind})"),
                false => "NULL".to_owned(),
            })
            .collect();
        if with_uuid {
            terms.push(match self.schema.has(table, "UUID") {
                true => "coalesce(UUID, '') = ''".to_owned(),
                false => "0".to_owned(),
            });
        }
        terms
    }

    /// The function call keeps SQLite from walking the index on the flag, which would fetch the table's
    /// pages in random order.
    fn live(&self, table: &str) -> &'static str {
        match self.schema.has(table, "rb_local_deleted") {
            true => "coalesce(rb_local_deleted, 0) = 0",
            false => "1",
        }
    }
}
