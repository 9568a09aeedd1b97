//! A library in memory: the same staging over rows in maps, for tests and rehearsals.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
};

use serde_json::{Value, json};

use super::{
    Edit, IdSource, Probe, Processes, RekordboxError, RekordboxLibrary, RekordboxReader, RowEdits,
    Staged,
    collect::{
        Lists, Names, Raw, RawContent, RawCues, RawEntry, RawLink, RawName, RawNode, RawTag, Shelf,
        Work, assemble, named, tags,
    },
    net::{After, Net},
    sql::Sink as _,
    stage::{Moment, ROOT, stage},
    table::{Row, Table, integer, is_live, text, value},
    tables::{Index, Property, Tables},
};
use crate::domain::{
    Collection, CollectionPlaylist, Content, ContentId, NodeId, NodeKind, Observed, RekordboxSchema,
};

/// What `djmdContent.Analysed` says of an analysed track.
const ANALYSED: i64 = 105;

/// A Rekordbox library that lives in memory.
#[derive(Debug)]
pub struct MemoryRekordbox {
    schema: RekordboxSchema,
    app_version: Option<String>,
    cloud_sync: bool,
    usn: i64,
    rows: BTreeMap<Table, BTreeMap<String, Row>>,
    cues: BTreeMap<String, (u32, u32)>,
    ids: IdSource,
    processes: Processes,
    finished: Vec<NodeId>,
}

impl MemoryRekordbox {
    /// A library that holds this collection. New ids come from `ids`.
    #[must_use]
    pub fn new(collection: &Collection, ids: IdSource) -> Self {
        let mut library = Self {
            schema: collection.schema,
            app_version: collection.app_version.clone(),
            cloud_sync: collection.cloud_sync,
            usn: collection.local_usn,
            rows: BTreeMap::new(),
            cues: BTreeMap::new(),
            ids,
            processes: Processes::fixed::<String>([]),
            finished: Vec::new(),
        };
        Filler::new(&mut library).fill(collection);
        library
    }

    /// The same with these processes instead of none.
    #[must_use]
    pub fn with_processes(mut self, processes: Processes) -> Self {
        self.processes = processes;
        self
    }

    /// What it holds now.
    #[must_use]
    pub fn collection(&self) -> Collection {
        assemble(self.raw()).value
    }

    /// The nodes that `finish` was told of, in order.
    #[must_use]
    pub fn finished(&self) -> &[NodeId] {
        &self.finished
    }

    fn row(&self, table: Table, id: &str) -> Option<&Row> {
        self.rows.get(&table)?.get(id)
    }

    fn live(&self, table: Table) -> impl Iterator<Item = &Row> {
        let rows = self.rows.get(&table).into_iter().flat_map(BTreeMap::values);
        rows.filter(|row| is_live(row))
    }

    fn tables(&self) -> Tables {
        let mut index = Index::default();
        for (table, rows) in &self.rows {
            for (id, row) in rows {
                index.learn(*table, id, Some(row));
            }
        }
        let property = Property {
            database: "1".to_owned(),
            device: "memory".to_owned(),
        };
        let mut tables = Tables::new(self.schema, property, Arc::new(index));
        tables.usn = self.usn;
        tables.burdened = self.cues.keys().cloned().collect();
        for (table, rows) in &self.rows {
            for row in rows.values() {
                tables.load(*table, row.clone());
            }
        }
        tables
    }

    fn apply(&mut self, net: Net) {
        for row in net.rows {
            let rows = self.rows.entry(row.table).or_default();
            match row.after {
                After::Absent => drop(rows.remove(&row.id)),
                After::Whole(image) => drop(rows.insert(row.id, image)),
                After::Columns(image) => {
                    let present = rows.entry(row.id).or_default();
                    present.extend(image);
                    present.retain(|_, value| !value.is_null());
                }
            }
        }
    }

    fn raw(&self) -> Raw {
        let names = |table| {
            let rows = self.live(table);
            named(
                rows.map(|row| {
                    RawName(
                        string(row, "ID").map(Into::into),
                        string(row, "Name").map(Into::into),
                    )
                })
                .collect(),
            )
        };
        let cues = |(id, (hot, memory)): (&String, &(u32, u32))| {
            RawCues(Some(id.clone()), i64::from(*hot), i64::from(*memory))
        };
        let links = self
            .live(Table::SongMyTag)
            .map(|row| RawLink(string(row, "MyTagID"), string(row, "ContentID")));
        let my_tags = tags(self.live(Table::MyTag).map(raw_tag).collect());
        let names = Names {
            artists: names(Table::Artist),
            albums: names(Table::Album),
            genres: names(Table::Genre),
        };
        let cues = self.cues.iter().map(cues).collect();
        let mut shelf = Shelf::new(
            names,
            Work::new(cues, links.collect(), Vec::new(), &my_tags),
        );
        for row in self.live(Table::Content) {
            shelf.put(raw_content(row));
        }
        let mut lists = Lists::default();
        for row in self.live(Table::SongPlaylist) {
            lists.put(raw_entry(row));
        }
        Raw {
            schema: self.schema,
            app_version: self.app_version.clone(),
            local_usn: self.usn,
            cloud_sync: self.cloud_sync,
            contents: shelf.whole(),
            nodes: self.live(Table::Playlist).map(raw_node).collect(),
            lists,
            my_tags,
        }
    }
}

impl RekordboxReader for MemoryRekordbox {
    async fn read(&self) -> Result<Observed<Collection>, RekordboxError> {
        Ok(assemble(self.raw()))
    }

    fn running(&self) -> Result<Vec<String>, RekordboxError> {
        self.processes.running()
    }

    async fn probe(&self, edits: &RowEdits) -> Result<Probe, RekordboxError> {
        let net = Net::of([edits])?;
        Ok(net.probe(|table, id| self.row(table, id)))
    }
}

impl RekordboxLibrary for MemoryRekordbox {
    async fn prepare(&mut self) -> Result<PathBuf, RekordboxError> {
        self.processes.refuse_running()?;
        Ok(PathBuf::from("memory"))
    }

    async fn stage(
        &mut self,
        edits: &[Edit],
        now: jiff::Timestamp,
    ) -> Result<Vec<Staged>, RekordboxError> {
        let moment = Moment::new(now, &jiff::tz::TimeZone::UTC);
        stage(&mut self.tables(), edits, &mut self.ids, &moment)
    }

    async fn commit(
        &mut self,
        edits: &[RowEdits],
        _now: jiff::Timestamp,
    ) -> Result<(), RekordboxError> {
        let mut net = Net::of(edits)?;
        if net.rows.is_empty() {
            return Ok(());
        }
        self.processes.refuse_running()?;
        net.expect_before(|table, id| self.row(table, id))?;
        self.usn = net.renumber(self.usn);
        self.apply(net);
        Ok(())
    }

    async fn finish(
        &mut self,
        touched: &[NodeId],
        _now: jiff::Timestamp,
    ) -> Result<(), RekordboxError> {
        self.finished.extend_from_slice(touched);
        Ok(())
    }
}

/// Makes rows of a collection.
struct Filler<'l> {
    library: &'l mut MemoryRekordbox,
    uuids: IdSource,
    names: HashMap<(Table, String), String>,
}

impl<'l> Filler<'l> {
    fn new(library: &'l mut MemoryRekordbox) -> Self {
        Self {
            library,
            uuids: IdSource::seeded(0),
            names: HashMap::new(),
        }
    }

    fn fill(mut self, collection: &Collection) {
        for (id, tag) in &collection.my_tags {
            let parent = tag.group.as_ref().map_or(ROOT, |group| group.as_str());
            self.put(
                Table::MyTag,
                id.as_str(),
                json!({
                    "Seq": tag.seq,
                    "Name": tag.name,
                    "Attribute": i64::from(tag.group.is_none()),
                    "ParentID": parent,
                }),
            );
        }
        for (id, content) in &collection.contents {
            self.content(id, content);
        }
        for (id, node) in &collection.nodes {
            self.node(id, node);
        }
    }

    fn content(&mut self, id: &ContentId, content: &Content) {
        let artist = self.name(Table::Artist, content.artist.as_deref());
        let album = self.name(Table::Album, content.album.as_deref());
        let genre = self.name(Table::Genre, content.genre.as_deref());
        let analysed = if content.analysed { ANALYSED } else { 0 };
        let columns = json!({
            "FolderPath": content.folder_path,
            "Title": content.title,
            "ArtistID": artist,
            "AlbumID": album,
            "GenreID": genre,
            "ISRC": content.isrc.as_ref().map_or("", |isrc| isrc.as_str()),
            "Length": content.length_s.unwrap_or(0),
            "ReleaseYear": content.year.unwrap_or(0),
            "Rating": content.rating,
            "DJPlayCount": content.play_count,
            "Analysed": analysed,
            "FileType": content.file_type,
            "FileSize": i64::try_from(content.file_size).unwrap_or(i64::MAX),
            "BitRate": content.bitrate_kbps,
            "StockDate": content.stock_date,
        });
        self.put(Table::Content, id.as_str(), columns);
        if content.hot_cues + content.memory_cues > 0 {
            let cues = (content.hot_cues, content.memory_cues);
            self.library.cues.insert(id.as_str().to_owned(), cues);
        }
        for tag in &content.my_tags {
            let link = self.uuids.uuid(|_| false);
            let columns = json!({"MyTagID": tag.as_str(), "ContentID": id.as_str()});
            self.put(Table::SongMyTag, &link, columns);
        }
    }

    fn node(&mut self, id: &NodeId, node: &CollectionPlaylist) {
        let attribute = match node.kind {
            NodeKind::List => 0,
            NodeKind::Folder => 1,
            NodeKind::Smart => 4,
            NodeKind::Special => -128,
        };
        let parent = node.parent.as_ref().map_or(ROOT, |parent| parent.as_str());
        let columns = json!({
            "Seq": node.seq,
            "Name": node.name,
            "Attribute": attribute,
            "ParentID": parent,
            "SmartList": node.smart,
        });
        self.put(Table::Playlist, id.as_str(), columns);
        for (track_no, entry) in (1..).zip(&node.entries) {
            let columns = json!({
                "PlaylistID": id.as_str(),
                "ContentID": entry.content.as_str(),
                "TrackNo": track_no,
            });
            self.put(Table::SongPlaylist, &entry.id.to_string(), columns);
        }
    }

    fn name(&mut self, table: Table, name: Option<&str>) -> Option<String> {
        let key = (table, name?.to_owned());
        if let Some(id) = self.names.get(&key) {
            return Some(id.clone());
        }
        let id = (1000 + self.names.len()).to_string();
        self.put(table, &id, json!({"Name": key.1}));
        self.names.insert(key, id.clone());
        Some(id)
    }

    fn put(&mut self, table: Table, id: &str, columns: Value) {
        let mut row = Row::new();
        if let Value::Object(columns) = columns {
            row.extend(columns.into_iter().filter(|(_, value)| !value.is_null()));
        }
        row.insert("ID".to_owned(), id.into());
        row.insert("UUID".to_owned(), self.uuids.uuid(|_| false).into());
        row.insert("rb_data_status".to_owned(), 0.into());
        row.insert("rb_local_deleted".to_owned(), 0.into());
        let rows = self.library.rows.entry(table).or_default();
        rows.insert(id.to_owned(), row);
    }
}

fn string(row: &Row, column: &str) -> Option<String> {
    value(row, column).as_str().map(str::to_owned)
}

fn number(row: &Row, column: &str) -> Option<i64> {
    value(row, column).as_i64()
}

fn lacks_uuid(row: &Row) -> i64 {
    i64::from(text(row, "UUID").is_empty())
}

fn raw_content(row: &Row) -> RawContent<'static> {
    RawContent {
        id: string(row, "ID").map(Cow::Owned),
        folder_path: string(row, "FolderPath").map(Cow::Owned),
        title: string(row, "Title").map(Cow::Owned),
        artist: string(row, "ArtistID").map(Cow::Owned),
        album: string(row, "AlbumID").map(Cow::Owned),
        genre: string(row, "GenreID").map(Cow::Owned),
        isrc: string(row, "ISRC").map(Cow::Owned),
        length: number(row, "Length"),
        year: number(row, "ReleaseYear"),
        rating: number(row, "Rating"),
        play_count: number(row, "DJPlayCount"),
        analysed: number(row, "Analysed"),
        file_type: number(row, "FileType"),
        file_size: number(row, "FileSize"),
        bitrate: number(row, "BitRate"),
        stock_date: string(row, "StockDate").map(Cow::Owned),
        lacks_uuid: lacks_uuid(row) != 0,
    }
}

fn raw_node(row: &Row) -> RawNode {
    RawNode {
        id: string(row, "ID"),
        seq: number(row, "Seq"),
        name: string(row, "Name"),
        attribute: Some(integer(row, "Attribute")),
        parent: string(row, "ParentID"),
        smart: string(row, "SmartList"),
        lacks_uuid: lacks_uuid(row),
    }
}

fn raw_entry(row: &Row) -> RawEntry<'static> {
    RawEntry {
        id: string(row, "ID").map(Cow::Owned),
        list: string(row, "PlaylistID").map(Cow::Owned),
        content: string(row, "ContentID").map(Cow::Owned),
        track_no: number(row, "TrackNo"),
        lacks_uuid: lacks_uuid(row) != 0,
    }
}

fn raw_tag(row: &Row) -> RawTag {
    RawTag {
        id: string(row, "ID"),
        seq: number(row, "Seq"),
        name: string(row, "Name"),
        attribute: number(row, "Attribute"),
        parent: string(row, "ParentID"),
    }
}
