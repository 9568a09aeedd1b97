//! Builds a real, encrypted library from nothing: for the demonstration and for tests.
//!
//! The schemas are those of Rekordbox 6.6.2 and, with seven tables more, of Rekordbox 7.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::{
    ContentRef, Edit, IdSource, NewContentRow, NodeRef, Parent, RekordboxError, RowEdits, Staged,
    TagRef, backup, load,
    net::{After, Net},
    playlists_xml::{self, Tree, TreeNode},
    schema::Schema,
    sql::{bind, quoted},
    sqlcipher::{Database, failed},
    stage::{Moment, stage},
    table::{Row, Table, integer, text},
    write,
};
use crate::domain::{NodeKind, RekordboxSchema};

const SCHEMA_6: &str = include_str!("schema_rb6.sql");
const SCHEMA_7_ADDITIONS: &str = include_str!("schema_rb7.sql");

/// Ids of the one database and device of every library that is made here.
const DATABASE_ID: &str = "1234567890";
const DEVICE_ID: &str = "5f0c1a52-6e0b-4c53-9d5e-0b6a3a1f9c11";

/// A library to make.
#[derive(Clone, Debug)]
pub struct NewLibrary {
    /// Which tables it has.
    pub schema: RekordboxSchema,
    /// The application's version in the XML.
    pub app_version: String,
    /// The names of the four MyTag groups; fewer leave groups vacant.
    pub groups: Vec<String>,
    /// MyTags as (group, tag).
    pub tags: Vec<(String, String)>,
    /// The tracks.
    pub tracks: Vec<NewTrack>,
    /// Playlists, folders, smart playlists.
    pub nodes: Vec<NewNode>,
    /// Whether rows look as after a synchronisation with the Cloud Library.
    pub synced: bool,
    /// When everything was made.
    pub at: jiff::Timestamp,
    /// For ids.
    pub seed: u64,
}

/// A track of a library to make, with the DJ's work on it.
#[derive(Clone, Debug, Default)]
pub struct NewTrack {
    /// The file and its fields.
    pub row: NewContentRow,
    /// 0–5.
    pub rating: u8,
    /// How often it was played.
    pub play_count: u32,
    /// Hot cues to set, one a second.
    pub hot_cues: u32,
    /// Memory cues to set, one a second.
    pub memory_cues: u32,
    /// Whether it looks analysed.
    pub analysed: bool,
    /// MyTags as (group, tag).
    pub tags: Vec<(String, String)>,
}

/// A node of a library to make.
#[derive(Clone, Debug)]
pub struct NewNode {
    /// Display name.
    pub name: String,
    /// List, folder or smart playlist.
    pub kind: NodeKind,
    /// The folder, by its place in [`NewLibrary::nodes`]; it comes before.
    pub parent: Option<usize>,
    /// The entries, by their place in [`NewLibrary::tracks`].
    pub tracks: Vec<usize>,
    /// For a smart playlist: MyTags as (group, tag).
    pub smart: Vec<(String, String)>,
}

impl Default for NewLibrary {
    /// Rekordbox 7 as it is after its first start.
    fn default() -> Self {
        let groups = ["Genre", "Components", "Situation", "Untitled Column"];
        Self {
            schema: RekordboxSchema::V7,
            app_version: "7.2.10".to_owned(),
            groups: groups.map(str::to_owned).into(),
            tags: Vec::new(),
            tracks: Vec::new(),
            nodes: Vec::new(),
            synced: false,
            at: jiff::Timestamp::from_second(1_700_000_000).unwrap_or_default(),
            seed: 1,
        }
    }
}

/// Makes `master.db` and `masterPlaylists6.xml` in `folder`; returns the path of the database.
///
/// # Errors
/// When there is a database already, or it cannot be written.
pub async fn create_library(
    folder: &Path,
    library: &NewLibrary,
) -> Result<PathBuf, RekordboxError> {
    let path = folder.join("master.db");
    if path.exists() {
        let message = format!("{} exists already", path.display());
        return Err(RekordboxError::Invalid(message));
    }
    fs::create_dir_all(folder).map_err(backup::io("make the folder", folder))?;
    let mut connection = Database::new(path.clone()).create().await?;
    let filled = fill(&mut connection, library).await;
    let closed = connection.close().await.map_err(failed("cannot be closed"));
    let tree = filled?;
    closed?;
    let xml = playlists_xml::fresh(&tree, library.at.as_millisecond()).replace(
        "Version=\"7.0.0\"",
        &format!("Version=\"{}\"", library.app_version),
    );
    let xml_path = folder.join("masterPlaylists6.xml");
    fs::write(&xml_path, xml).map_err(backup::io("write", &xml_path))?;
    Ok(path)
}

async fn fill(
    connection: &mut SqliteConnection,
    library: &NewLibrary,
) -> Result<Tree, RekordboxError> {
    let mut transaction = connection
        .begin()
        .await
        .map_err(failed("cannot be written"))?;
    let making = failed("cannot be made");
    sqlx::raw_sql(SCHEMA_6)
        .execute(&mut *transaction)
        .await
        .map_err(making)?;
    if library.schema == RekordboxSchema::V7 {
        let additions = sqlx::raw_sql(SCHEMA_7_ADDITIONS);
        additions.execute(&mut *transaction).await.map_err(making)?;
    }
    let mut ids = IdSource::seeded(library.seed);
    let moment = Moment::new(library.at, &jiff::tz::TimeZone::UTC);
    let usn = Furniture::new(&mut transaction, &moment)
        .place(library)
        .await?;
    let edits = Script::new(library).write()?;
    let schema = Schema::read(&mut transaction).await?;
    let index = Arc::new(load::index(&mut transaction, false).await?);
    let mut tables = load::tables(&mut transaction, &schema, index, &edits).await?;
    tables.usn = usn;
    let mut staged = stage(&mut tables, &edits, &mut ids, &moment)?;
    for (track, staged) in library.tracks.iter().zip(&mut staged) {
        work_on(track, &mut staged.rows);
    }
    let mut net = Net::of(staged.iter().map(|staged| &staged.rows))?;
    if library.synced {
        mark_synced(&mut net);
    }
    let mut last = net.renumber(usn);
    write::rows(&mut transaction, &schema, &net).await?;
    let mut cue_ids = HashSet::new();
    let mut free = || {
        let id = ids.number(28, |id| cue_ids.contains(id));
        cue_ids.insert(id.clone());
        (id, ids.uuid(|_| false))
    };
    for (track, staged) in library.tracks.iter().zip(&staged) {
        last = cues(&mut transaction, track, staged, &moment, &mut free, last).await?;
    }
    write::counter(&mut transaction, last, &moment.stamp).await?;
    transaction
        .commit()
        .await
        .map_err(failed("cannot be committed"))?;
    Ok(tree(&net))
}

/// The rows that a first start of Rekordbox makes.
struct Furniture<'f> {
    connection: &'f mut SqliteConnection,
    moment: &'f Moment,
    usn: i64,
}

const COLORS: [&str; 8] = [
    "Pink", "Red", "Orange", "Yellow", "Green", "Aqua", "Blue", "Purple",
];

/// The browser's columns, by `Class`.
const MENU: [(&str, i64); 27] = [
    ("GENRE", -128),
    ("ARTIST", -127),
    ("ALBUM", -126),
    ("TRACK", -125),
    ("BPM", -123),
    ("RATING", -122),
    ("YEAR", -121),
    ("REMIXER", -120),
    ("LABEL", -119),
    ("ORIGINAL ARTIST", -118),
    ("KEY", -117),
    ("CUE", -115),
    ("COLOR", -114),
    ("TIME", -110),
    ("BITRATE", -109),
    ("FILE NAME", -108),
    ("PLAYLIST", -124),
    ("HOT CUE BANK", -104),
    ("HISTORY", -107),
    ("SEARCH", -111),
    ("COMMENTS", -106),
    ("DATE ADDED", -116),
    ("DJ PLAY COUNT", -105),
    ("FOLDER", -112),
    ("DEFAULT", -95),
    ("ALPHABET", -94),
    ("MATCHING", -86),
];

impl<'f> Furniture<'f> {
    fn new(connection: &'f mut SqliteConnection, moment: &'f Moment) -> Self {
        let usn = 0;
        Self {
            connection,
            moment,
            usn,
        }
    }

    async fn place(mut self, library: &NewLibrary) -> Result<i64, RekordboxError> {
        self.plain(
            "djmdProperty",
            json!({
                "DBID": DATABASE_ID,
                "DBVersion": "6000",
                "BaseDBDrive": "",
                "CurrentDBDrive": "",
                "DeviceID": DEVICE_ID,
            }),
        )
        .await?;
        let counter = json!({"registry_id": "localUpdateCount", "int_1": 0});
        self.plain("agentRegistry", counter).await?;
        for (number, color) in (1..).zip(COLORS) {
            let columns = json!({"SortKey": number, "Commnt": color});
            self.own("djmdColor", &number.to_string(), columns).await?;
        }
        for (number, (name, class)) in (1..).zip(MENU) {
            let columns = json!({"Class": class, "Name": name});
            self.own("djmdMenuItems", &number.to_string(), columns)
                .await?;
        }
        let device = json!({"MasterDBID": DATABASE_ID, "Name": "demo"});
        self.own("djmdDevice", DEVICE_ID, device).await?;
        for (number, name) in (1..=4).zip(&library.groups) {
            let columns = json!({
                "Seq": number,
                "Name": name,
                "Attribute": 1,
                "ParentID": "root",
            });
            self.own("djmdMyTag", &number.to_string(), columns).await?;
        }
        Ok(self.usn)
    }

    /// One of Rekordbox's own rows: its UUID is its id, and the cloud knows it.
    async fn own(
        &mut self,
        table: &'static str,
        id: &str,
        columns: Value,
    ) -> Result<(), RekordboxError> {
        self.usn += 1;
        let mut row = json!({
            "ID": id,
            "UUID": id,
            "rb_data_status": 256,
            "rb_local_data_status": 0,
            "rb_local_deleted": 0,
            "rb_local_synced": 0,
            "usn": self.usn,
            "rb_local_usn": self.usn,
        });
        if let (Value::Object(row), Value::Object(columns)) = (&mut row, columns) {
            row.extend(columns);
        }
        self.plain(table, row).await
    }

    async fn plain(&mut self, table: &'static str, row: Value) -> Result<(), RekordboxError> {
        insert(self.connection, table, row, self.moment).await
    }
}

/// The edits that fill a library: tracks first, so that a track's place is its edit's.
struct Script<'l> {
    library: &'l NewLibrary,
    edits: Vec<Edit>,
    tags: Vec<(&'l (String, String), usize)>,
}

impl<'l> Script<'l> {
    fn new(library: &'l NewLibrary) -> Self {
        Self {
            library,
            edits: Vec::new(),
            tags: Vec::new(),
        }
    }

    fn write(mut self) -> Result<Vec<Edit>, RekordboxError> {
        let rows = self.library.tracks.iter().map(|track| track.row.clone());
        self.edits
            .extend(rows.map(|row| Edit::AddContent(Box::new(row))));
        let of_tracks = self.library.tracks.iter().flat_map(|track| &track.tags);
        for tag in self.library.tags.iter().chain(of_tracks) {
            self.tag(tag);
        }
        for (number, track) in self.library.tracks.iter().enumerate() {
            let add = track.tags.iter().filter_map(|tag| self.find(tag)).collect();
            if !track.tags.is_empty() {
                self.edits.push(Edit::SetTags {
                    content: ContentRef::Staged(number),
                    add,
                    remove: Vec::new(),
                });
            }
        }
        self.nodes()?;
        Ok(self.edits)
    }

    fn tag(&mut self, tag: &'l (String, String)) {
        if self.find(tag).is_none() {
            self.tags.push((tag, self.edits.len()));
            self.edits.push(Edit::CreateTag {
                group: tag.0.clone(),
                name: tag.1.clone(),
            });
        }
    }

    fn find(&self, tag: &(String, String)) -> Option<TagRef> {
        let known = self.tags.iter().find(|(known, _)| *known == tag);
        known.map(|(_, edit)| TagRef::Staged(*edit))
    }

    fn nodes(&mut self) -> Result<(), RekordboxError> {
        let mut places = Vec::new();
        for node in &self.library.nodes {
            let parent = match node.parent {
                None => Parent::Root,
                Some(number) => {
                    let place: Option<&usize> = places.get(number);
                    let place = place.ok_or_else(|| {
                        RekordboxError::Invalid(format!("folder {number} comes later"))
                    })?;
                    Parent::Node(NodeRef::Staged(*place))
                }
            };
            node.smart.iter().for_each(|tag| self.tag(tag));
            let smart = node.smart.iter().filter_map(|tag| self.find(tag)).collect();
            places.push(self.edits.len());
            self.edits.push(Edit::CreateNode {
                name: node.name.clone(),
                kind: node.kind,
                parent,
                smart,
            });
            if !node.tracks.is_empty() {
                self.edits.push(Edit::SetEntries {
                    node: NodeRef::Staged(self.edits.len() - 1),
                    contents: node
                        .tracks
                        .iter()
                        .copied()
                        .map(ContentRef::Staged)
                        .collect(),
                });
            }
        }
        Ok(())
    }
}

/// Puts what Rekordbox itself would have written since into the new row.
fn work_on(track: &NewTrack, rows: &mut RowEdits) {
    let content = rows
        .0
        .iter_mut()
        .find(|edit| edit.table == Table::Content.name());
    let Some(row) = content.and_then(|edit| edit.after.as_mut()) else {
        return;
    };
    let mut set = |column: &str, value: Value| drop(row.insert(column.to_owned(), value));
    set("Rating", track.rating.into());
    set("DJPlayCount", track.play_count.into());
    if track.analysed {
        set("Analysed", 105.into());
        set("BPM", 12_800.into());
        set("ContentLink", 0x2C_060E.into());
        set("AnalysisUpdated", "1".into());
        set("TrackInfoUpdated", "1".into());
        let uuid = text(row, "UUID").to_owned();
        let path = match uuid.split_at_checked(3) {
            Some((head, rest)) => format!("/PIONEER/USBANLZ/{head}/{rest}/ANLZ0000.DAT"),
            None => String::new(),
        };
        row.insert("AnalysisDataPath".to_owned(), path.into());
    }
}

fn mark_synced(net: &mut Net) {
    for row in &mut net.rows {
        if let After::Whole(image) = &mut row.after {
            let usn = integer(image, "rb_local_usn");
            image.insert("rb_data_status".to_owned(), 256.into());
            image.insert("usn".to_owned(), usn.into());
        }
    }
}

/// Cues a second apart; `Kind` 0 is a memory cue, 1 and more a hot cue. 4 is left out, as
/// Rekordbox does.
async fn cues(
    connection: &mut SqliteConnection,
    track: &NewTrack,
    staged: &Staged,
    moment: &Moment,
    free: &mut impl FnMut() -> (String, String),
    mut usn: i64,
) -> Result<i64, RekordboxError> {
    let Some(content) = &staged.content else {
        return Ok(usn);
    };
    let hot = (1..)
        .filter(|kind| *kind != 4)
        .take(track.hot_cues as usize);
    let kinds = hot.chain(std::iter::repeat_n(0, track.memory_cues as usize));
    for (second, kind) in (1_i64..).zip(kinds) {
        usn += 1;
        let (id, uuid) = free();
        let row = json!({
            "ID": id,
            "ContentID": content.as_str(),
            "InMsec": second * 1000,
            "InFrame": second * 150,
            "InMpegFrame": 0,
            "InMpegAbs": 0,
            "OutMsec": -1,
            "OutFrame": 0,
            "OutMpegFrame": 0,
            "OutMpegAbs": 0,
            "Kind": kind,
            "Color": -1,
            "ColorTableIndex": 0,
            "ActiveLoop": 0,
            "Comment": "",
            "BeatLoopSize": 0,
            "CueMicrosec": 0,
            "UUID": uuid,
            "rb_local_usn": usn,
        });
        insert(connection, "djmdCue", row, moment).await?;
    }
    Ok(usn)
}

async fn insert(
    connection: &mut SqliteConnection,
    table: &'static str,
    mut row: Value,
    moment: &Moment,
) -> Result<(), RekordboxError> {
    let empty = &mut Row::new();
    let row = row.as_object_mut().unwrap_or(empty);
    for column in ["created_at", "updated_at"] {
        row.insert(column.to_owned(), moment.stamp.clone().into());
    }
    let columns: Vec<String> = row.keys().cloned().collect();
    let marks = vec!["?"; columns.len()].join(", ");
    let sql = format!(
        "INSERT INTO {table} ({}) VALUES ({marks})",
        quoted(&columns)
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for value in row.values() {
        query = bind(query, value);
    }
    query
        .execute(connection)
        .await
        .map_err(failed("cannot be written"))?;
    Ok(())
}

fn tree(net: &Net) -> Tree {
    let nodes = net.rows.iter().filter(|row| row.table == Table::Playlist);
    nodes
        .filter_map(|row| match &row.after {
            After::Whole(image) | After::Columns(image) => {
                let node = TreeNode {
                    parent: text(image, "ParentID").to_owned(),
                    attribute: integer(image, "Attribute"),
                    seq: integer(image, "Seq"),
                };
                Some((row.id.clone(), node))
            }
            After::Absent => None,
        })
        .collect()
}
