//! Loads the rows that edits speak of, and the index of all others.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;
use sqlx::SqliteConnection;

use super::{
    ContentRef, Edit, NodeRef, Parent, RekordboxError, RowEdits,
    read::local_usn,
    schema::Schema,
    sql::{all_rows, json_rows, json_rows_with, rows_by},
    table::{Row, Table, text},
    tables::{Index, NAMED_BY, Property, Tables},
};

/// Whether an edit asks for paths or names that any row may have. Lists, folders and tags do not.
pub(super) const fn needs_index(edit: &Edit) -> bool {
    match edit {
        Edit::AddContent(_)
        | Edit::Relocate { .. }
        | Edit::UpdateContent { .. }
        | Edit::Restore(_) => true,
        Edit::CreateNode { .. }
        | Edit::UpdateNode { .. }
        | Edit::RemoveNode { .. }
        | Edit::SetEntries { .. }
        | Edit::CreateTag { .. }
        | Edit::SetTags { .. } => false,
    }
}

/// Reads what is known of all rows.
pub(super) async fn index(
    connection: &mut SqliteConnection,
    with_song_ids: bool,
) -> Result<Index, RekordboxError> {
    let mut index = Index::default();
    let contents: Vec<(String, Option<String>)> = json_rows(
        connection,
        "SELECT json_group_array(json_array(cast(ID AS TEXT), \
         iif(coalesce(rb_local_deleted, 0) = 0, coalesce(cast(FolderPath AS TEXT), ''), NULL))) \
         FROM djmdContent WHERE ID IS NOT NULL"
            .to_owned(),
    )
    .await?;
    for (id, path) in contents {
        index.take(Table::Content, id.clone());
        if let Some(path) = path {
            index.content(id, &path);
        }
    }
    for table in [Table::Artist, Table::Album, Table::Genre] {
        names(connection, table, &mut index).await?;
    }
    if with_song_ids {
        for table in [Table::SongPlaylist, Table::SongMyTag] {
            let sql = format!(
                "SELECT json_group_array(cast(ID AS TEXT)) FROM {} WHERE ID IS NOT NULL",
                table.name()
            );
            let ids: Vec<String> = json_rows(connection, sql).await?;
            ids.into_iter().for_each(|id| index.take(table, id));
        }
    }
    Ok(index)
}

/// Reads the rows that `edits` speak of.
pub(super) async fn tables(
    connection: &mut SqliteConnection,
    schema: &Schema,
    base: Arc<Index>,
    edits: &[Edit],
) -> Result<Tables, RekordboxError> {
    let properties: Vec<(Option<String>, Option<String>)> = json_rows(
        connection,
        "SELECT json_group_array(json_array(cast(DBID AS TEXT), cast(DeviceID AS TEXT))) \
         FROM djmdProperty"
            .to_owned(),
    )
    .await?;
    let (database, device) = properties.into_iter().next().unwrap_or_default();
    let property = Property {
        database: database.unwrap_or_default(),
        device: device.unwrap_or_default(),
    };
    let mut tables = Tables::new(schema.version(), property, base);
    tables.usn = local_usn(connection, schema).await?;
    let mut loader = Loader {
        connection,
        schema,
        tables: &mut tables,
    };
    loader.whole(Table::Playlist).await?;
    loader.whole(Table::MyTag).await?;
    if Table::CloudFilter.is_in(schema.version()) {
        loader.whole(Table::CloudFilter).await?;
    }
    loader.needed(&Needs::of(edits)).await?;
    Ok(tables)
}

async fn names(
    connection: &mut SqliteConnection,
    table: Table,
    index: &mut Index,
) -> Result<(), RekordboxError> {
    let sql = format!(
        "SELECT json_group_array(json_array(cast(ID AS TEXT), cast(Name AS TEXT), \
         coalesce(rb_local_deleted, 0) = 0)) FROM {} WHERE ID IS NOT NULL",
        table.name()
    );
    let rows: Vec<(String, Option<String>, i64)> = json_rows(connection, sql).await?;
    for (id, name, live) in rows {
        if let Some(name) = name.filter(|_| live != 0) {
            index.name(table, &id, name);
        }
        index.take(table, id);
    }
    Ok(())
}

/// The rows that edits speak of, by how they are found.
#[derive(Debug, Default)]
struct Needs<'e> {
    contents: BTreeSet<&'e str>,
    lists: BTreeSet<&'e str>,
    songs: BTreeSet<&'e str>,
    links: BTreeSet<&'e str>,
    links_of: BTreeSet<&'e str>,
    /// Tracks of which only their being there matters.
    present: BTreeSet<&'e str>,
    /// Rows that would go away; what refers to them must be known.
    going: BTreeSet<(Table, &'e str)>,
}

impl<'e> Needs<'e> {
    fn of(edits: &'e [Edit]) -> Self {
        let mut needs = Self::default();
        for edit in edits {
            needs.edit(edit);
        }
        needs
    }

    fn edit(&mut self, edit: &'e Edit) {
        match edit {
            Edit::AddContent(_) | Edit::CreateTag { .. } => {}
            Edit::Relocate { content, .. } | Edit::UpdateContent { content, .. } => {
                self.contents.insert(content.as_str());
            }
            Edit::CreateNode { parent, .. } => self.parent(parent),
            Edit::UpdateNode { parent, .. } => parent.iter().for_each(|parent| self.parent(parent)),
            Edit::RemoveNode { id } => {
                self.lists.insert(id.as_str());
            }
            Edit::SetEntries { node, contents } => {
                self.node(node);
                contents.iter().for_each(|content| self.content(content));
            }
            Edit::SetTags {
                content, remove, ..
            } => {
                self.content(content);
                if let ContentRef::Id(id) = content {
                    self.links_of.insert(id.as_str());
                }
                self.links.extend(remove.iter().map(String::as_str));
            }
            Edit::Restore(rows) => self.restore(rows),
        }
    }

    fn content(&mut self, content: &'e ContentRef) {
        match content {
            ContentRef::Id(id) => drop(self.present.insert(id.as_str())),
            ContentRef::Staged(_) => {}
        }
    }

    fn parent(&mut self, parent: &'e Parent) {
        match parent {
            Parent::Root => {}
            Parent::Node(node) => self.node(node),
        }
    }

    fn node(&mut self, node: &'e NodeRef) {
        match node {
            NodeRef::Id(id) => {
                self.lists.insert(id.as_str());
            }
            NodeRef::Staged(_) => {}
        }
    }

    fn restore(&mut self, rows: &'e RowEdits) {
        for row in &rows.0 {
            let Some(table) = Table::parse(&row.table) else {
                continue;
            };
            let id = row.id.as_str();
            if row.after.is_none() {
                self.going.insert((table, id));
            }
            let list = [&row.before, &row.after].into_iter().flatten();
            match table {
                Table::Content => {
                    self.contents.insert(id);
                }
                Table::SongPlaylist => {
                    self.songs.insert(id);
                    let lists = list.map(|image| text(image, "PlaylistID"));
                    self.lists.extend(lists.filter(|list| !list.is_empty()));
                }
                Table::SongMyTag => {
                    self.links.insert(id);
                }
                Table::Playlist => {
                    self.lists.insert(id);
                }
                // These are loaded whole, or because they would go.
                Table::CloudFilter | Table::MyTag => {}
                Table::Artist | Table::Album | Table::Genre => {
                    self.going.insert((table, id));
                }
            }
        }
    }
}

struct Loader<'l> {
    connection: &'l mut SqliteConnection,
    schema: &'l Schema,
    tables: &'l mut Tables,
}

impl Loader<'_> {
    async fn whole(&mut self, table: Table) -> Result<(), RekordboxError> {
        let columns = self.schema.columns(table);
        let rows = all_rows(self.connection, table, &columns).await?;
        self.put(table, rows);
        Ok(())
    }

    async fn needed(&mut self, needs: &Needs<'_>) -> Result<(), RekordboxError> {
        self.by(Table::Content, "ID", &needs.contents).await?;
        self.present(&needs.present).await?;
        self.by(Table::SongPlaylist, "ID", &needs.songs).await?;
        // A song's image may not name its playlist; its present row does.
        let mut lists: BTreeSet<String> = needs.lists.iter().map(ToString::to_string).collect();
        let of_songs = self.tables.all(Table::SongPlaylist);
        lists.extend(of_songs.map(|(_, row)| text(row, "PlaylistID").to_owned()));
        let lists = lists.iter().map(String::as_str).collect();
        self.by(Table::SongPlaylist, "PlaylistID", &lists).await?;
        self.by(Table::SongMyTag, "ID", &needs.links).await?;
        self.by(Table::SongMyTag, "ContentID", &needs.links_of)
            .await?;
        self.going(&needs.going).await
    }

    async fn present(&mut self, contents: &BTreeSet<&str>) -> Result<(), RekordboxError> {
        if contents.is_empty() {
            return Ok(());
        }
        let sql = "SELECT json_group_array(cast(ID AS TEXT)) FROM djmdContent \
             WHERE ID IN (SELECT value FROM json_each(?1)) AND coalesce(rb_local_deleted, 0) = 0";
        let list = Some(json!(contents).to_string());
        let ids: Vec<String> = json_rows_with(self.connection, sql.to_owned(), list).await?;
        self.tables.present.extend(ids);
        Ok(())
    }

    async fn going(&mut self, going: &BTreeSet<(Table, &str)>) -> Result<(), RekordboxError> {
        let of = |table: Table| -> BTreeSet<&str> {
            let ids = going.iter().filter(|(of, _)| *of == table);
            ids.map(|(_, id)| *id).collect()
        };
        for table in [Table::Artist, Table::Album, Table::Genre] {
            let ids = of(table);
            self.by(table, "ID", &ids).await?;
            self.users(table, &ids).await?;
        }
        let contents = of(Table::Content);
        self.by(Table::SongPlaylist, "ContentID", &contents).await?;
        self.by(Table::SongMyTag, "ContentID", &contents).await?;
        self.by(Table::SongMyTag, "MyTagID", &of(Table::MyTag))
            .await?;
        self.burdened(&contents).await
    }

    async fn by(
        &mut self,
        table: Table,
        key: &'static str,
        values: &BTreeSet<&str>,
    ) -> Result<(), RekordboxError> {
        let columns = self.schema.columns(table);
        let values: Vec<&str> = values.iter().copied().collect();
        let rows = rows_by(self.connection, table, &columns, key, &values).await?;
        self.put(table, rows);
        Ok(())
    }

    fn put(&mut self, table: Table, rows: Vec<Row>) {
        for row in rows {
            self.tables.load(table, row);
        }
    }

    /// Which tracks (and albums) use these artists, albums or genres.
    async fn users(&mut self, table: Table, ids: &BTreeSet<&str>) -> Result<(), RekordboxError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut columns: Vec<(&str, &str)> = NAMED_BY
            .iter()
            .filter(|(_, names)| *names == table)
            .map(|(column, _)| ("djmdContent", *column))
            .collect();
        if table == Table::Artist {
            columns.push(("djmdAlbum", "AlbumArtistID"));
        }
        for (user, column) in columns {
            let sql = format!(
                "SELECT json_group_array(json_array(cast({column} AS TEXT), cast(ID AS TEXT))) \
                 FROM {user} WHERE {column} IN (SELECT value FROM json_each(?1)) \
                 AND coalesce(rb_local_deleted, 0) = 0"
            );
            let list = Some(json!(ids).to_string());
            let pairs: Vec<(String, String)> = json_rows_with(self.connection, sql, list).await?;
            for (id, user) in pairs {
                self.tables.uses(table, &id, &user);
            }
        }
        Ok(())
    }

    /// Which of these tracks have something that this program neither makes nor takes away.
    async fn burdened(&mut self, contents: &BTreeSet<&str>) -> Result<(), RekordboxError> {
        if contents.is_empty() {
            return Ok(());
        }
        let list = json!(contents).to_string();
        let known = [Table::SongPlaylist.name(), Table::SongMyTag.name()];
        for table in self.schema.tables_with("ContentID") {
            if known.contains(&table) {
                continue;
            }
            let live = match self.schema.has(table, "rb_local_deleted") {
                true => "coalesce(rb_local_deleted, 0) = 0",
                false => "1",
            };
            let sql = format!(
                "SELECT json_group_array(DISTINCT cast(ContentID AS TEXT)) FROM \"{table}\" \
                 WHERE ContentID IN (SELECT value FROM json_each(?1)) AND {live}"
            );
            let ids: Vec<String> = json_rows_with(self.connection, sql, Some(list.clone())).await?;
            self.tables.burdened.extend(ids);
        }
        Ok(())
    }
}
