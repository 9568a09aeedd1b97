//! From bare rows to a [`Collection`], with what is wrong in them as problems.
//!
//! A broken row is a problem of its own and leaves no hole: the rest was read, and what is absent is
//! absent.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Deserialize;

use crate::domain::{
    Collection, CollectionEntry, CollectionPlaylist, Content, ContentId, Isrc, MyTag, MyTagId,
    NodeId, NodeKind, Observed, Problem, RekordboxSchema,
};

/// Everything that was read, live rows only.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) schema: RekordboxSchema,
    pub(super) app_version: Option<String>,
    pub(super) local_usn: i64,
    pub(super) cloud_sync: bool,
    pub(super) contents: Vec<RawContent>,
    pub(super) artists: Vec<RawName>,
    pub(super) albums: Vec<RawName>,
    pub(super) genres: Vec<RawName>,
    pub(super) cues: Vec<RawCues>,
    /// The tracks that the history names.
    pub(super) history: Vec<String>,
    pub(super) nodes: Vec<RawNode>,
    /// By list.
    pub(super) entries: HashMap<String, Vec<RawEntry>>,
    pub(super) tags: Vec<RawTag>,
    pub(super) links: Vec<RawLink>,
    pub(super) problems: Vec<Problem>,
}

/// A row of `djmdContent`; the fields in the order in which they are selected.
#[derive(Debug, Deserialize)]
pub(super) struct RawContent {
    pub(super) id: Option<String>,
    pub(super) folder_path: Option<String>,
    pub(super) title: Option<String>,
    pub(super) artist: Option<String>,
    pub(super) album: Option<String>,
    pub(super) genre: Option<String>,
    pub(super) isrc: Option<String>,
    pub(super) length: Option<i64>,
    pub(super) year: Option<i64>,
    pub(super) rating: Option<i64>,
    pub(super) play_count: Option<i64>,
    pub(super) analysed: Option<i64>,
    pub(super) file_type: Option<i64>,
    pub(super) file_size: Option<i64>,
    pub(super) bitrate: Option<i64>,
    pub(super) stock_date: Option<String>,
    pub(super) lacks_uuid: i64,
}

/// Id and name of an artist, album or genre.
#[derive(Debug, Deserialize)]
pub(super) struct RawName(pub(super) Option<String>, pub(super) Option<String>);

/// A track with its number of hot cues and of memory cues.
#[derive(Debug, Deserialize)]
pub(super) struct RawCues(pub(super) Option<String>, pub(super) i64, pub(super) i64);

/// A row of `djmdPlaylist`; the fields in the order in which they are selected.
#[derive(Debug, Deserialize)]
pub(super) struct RawNode {
    pub(super) id: Option<String>,
    pub(super) seq: Option<i64>,
    pub(super) name: Option<String>,
    pub(super) attribute: Option<i64>,
    pub(super) parent: Option<String>,
    pub(super) smart: Option<String>,
    pub(super) lacks_uuid: i64,
}

/// A row of `djmdSongPlaylist`; the fields in the order in which they are selected.
#[derive(Debug, Deserialize)]
pub(super) struct RawEntry {
    pub(super) id: Option<String>,
    pub(super) list: Option<String>,
    pub(super) content: Option<String>,
    pub(super) track_no: Option<i64>,
    pub(super) lacks_uuid: i64,
}

/// A row of `djmdMyTag`; the fields in the order in which they are selected.
#[derive(Debug, Deserialize)]
pub(super) struct RawTag {
    pub(super) id: Option<String>,
    pub(super) seq: Option<i64>,
    pub(super) name: Option<String>,
    pub(super) attribute: Option<i64>,
    pub(super) parent: Option<String>,
}

/// Tag and track of a row of `djmdSongMyTag`.
#[derive(Debug, Deserialize)]
pub(super) struct RawLink(pub(super) Option<String>, pub(super) Option<String>);

/// Puts the rows together.
pub(super) fn assemble(raw: Raw) -> Observed<Collection> {
    let mut problems = Problems(raw.problems);
    let names = Names {
        artists: named(raw.artists),
        albums: named(raw.albums),
        genres: named(raw.genres),
    };
    let my_tags = tags(raw.tags);
    let mut work = Work::new(raw.cues, raw.links, raw.history, &my_tags);
    let contents = contents(raw.contents, &names, &mut work, &mut problems);
    let mut nodes = nodes(raw.nodes, &mut problems);
    fill(&mut nodes, raw.entries, &contents, &mut problems);
    let value = Collection {
        schema: raw.schema,
        app_version: raw.app_version,
        local_usn: raw.local_usn,
        cloud_sync: raw.cloud_sync,
        contents,
        nodes,
        my_tags,
    };
    let mut problems = problems.0;
    problems.sort();
    Observed { value, problems }
}

/// Says which kind of node an `Attribute` means.
pub(super) const fn node_kind(attribute: i64) -> NodeKind {
    match attribute {
        0 => NodeKind::List,
        1 => NodeKind::Folder,
        4 => NodeKind::Smart,
        _ => NodeKind::Special,
    }
}

/// Rekordbox has three ways to say that a reference is to nothing.
fn reference(id: Option<String>) -> Option<String> {
    id.filter(|id| !id.is_empty() && id != "0")
}

struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, subject: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem {
            subject: subject.into(),
            message: message.into(),
            leaves_hole: false,
        });
    }
}

struct Names {
    artists: HashMap<String, String>,
    albums: HashMap<String, String>,
    genres: HashMap<String, String>,
}

fn named(rows: Vec<RawName>) -> HashMap<String, String> {
    let pairs = rows
        .into_iter()
        .filter_map(|RawName(id, name)| Some((id?, name?)));
    pairs.filter(|(_, name)| !name.is_empty()).collect()
}

/// What hangs on a track, by its id.
struct Work {
    cues: HashMap<String, (i64, i64)>,
    history: HashSet<String>,
    tags: HashMap<String, BTreeSet<MyTagId>>,
}

impl Work {
    fn new(
        cues: Vec<RawCues>,
        links: Vec<RawLink>,
        history: Vec<String>,
        known: &BTreeMap<MyTagId, MyTag>,
    ) -> Self {
        let cues = cues
            .into_iter()
            .filter_map(|RawCues(content, hot, memory)| Some((content?, (hot, memory))));
        let mut tags = HashMap::<String, BTreeSet<MyTagId>>::new();
        for RawLink(tag, content) in links {
            let tag = tag.map(MyTagId::new).filter(|tag| known.contains_key(tag));
            if let (Some(tag), Some(content)) = (tag, content) {
                tags.entry(content).or_default().insert(tag);
            }
        }
        Self {
            cues: cues.collect(),
            history: history.into_iter().collect(),
            tags,
        }
    }
}

fn contents(
    rows: Vec<RawContent>,
    names: &Names,
    work: &mut Work,
    problems: &mut Problems,
) -> BTreeMap<ContentId, Content> {
    let mut contents = Vec::with_capacity(rows.len());
    for row in rows {
        let path = row.folder_path.as_deref().unwrap_or_default();
        let Some(id) = row.id.clone() else {
            problems.add(path, "a track without an id in Rekordbox's database");
            continue;
        };
        if path.is_empty() {
            problems.add(format!("djmdContent {id}"), "a track without a path");
        }
        if row.lacks_uuid != 0 {
            problems.add(path, "a track without a UUID, which Rekordbox may not show");
        }
        contents.push((ContentId::new(id), content(row, names, work)));
    }
    report_duplicates(&contents, problems);
    contents.into_iter().collect()
}

fn report_duplicates(contents: &[(ContentId, Content)], problems: &mut Problems) {
    let mut paths = HashSet::with_capacity(contents.len());
    for (_, content) in contents {
        let path = content.folder_path.as_str();
        if !path.is_empty() && !paths.insert(path) {
            problems.add(path, "two tracks of the collection are this file");
        }
    }
}

fn content(row: RawContent, names: &Names, work: &mut Work) -> Content {
    let id = row.id.as_deref().unwrap_or_default();
    let (hot, memory) = work.cues.remove(id).unwrap_or_default();
    let my_tags = work.tags.remove(id).unwrap_or_default();
    let in_history = work.history.contains(id);
    let name =
        |names: &HashMap<String, String>, id: Option<String>| names.get(&reference(id)?).cloned();
    let positive = |number: Option<i64>| number.filter(|number| *number > 0);
    let small =
        |number: Option<i64>| positive(number).and_then(|number| u32::try_from(number).ok());
    Content {
        id: row.id.map(ContentId::new),
        folder_path: row.folder_path.unwrap_or_default(),
        title: row.title.unwrap_or_default(),
        artist: name(&names.artists, row.artist),
        album: name(&names.albums, row.album),
        genre: name(&names.genres, row.genre),
        isrc: row.isrc.as_deref().and_then(Isrc::parse),
        length_s: small(row.length),
        year: positive(row.year).and_then(|year| u16::try_from(year).ok()),
        rating: positive(row.rating).map_or(0, |stars| u8::try_from(stars).unwrap_or(5)),
        play_count: small(row.play_count).unwrap_or(0),
        hot_cues: u32::try_from(hot).unwrap_or(u32::MAX),
        memory_cues: u32::try_from(memory).unwrap_or(u32::MAX),
        in_history,
        analysed: row.analysed.unwrap_or(0) != 0,
        file_type: row.file_type.unwrap_or(0),
        file_size: row
            .file_size
            .map_or(0, |size| u64::try_from(size).unwrap_or(0)),
        bitrate_kbps: small(row.bitrate).unwrap_or(0),
        stock_date: row.stock_date.filter(|date| !date.is_empty()),
        my_tags,
    }
}

fn tags(rows: Vec<RawTag>) -> BTreeMap<MyTagId, MyTag> {
    let tag = |row: RawTag| {
        let id = MyTagId::new(row.id?);
        let is_group = row.attribute == Some(1);
        let group = row.parent.filter(|_| !is_group).map(MyTagId::new);
        let tag = MyTag {
            id: id.clone(),
            name: row.name.unwrap_or_default(),
            group,
            seq: row.seq.unwrap_or(0),
        };
        Some((id, tag))
    };
    rows.into_iter().filter_map(tag).collect()
}

fn nodes(rows: Vec<RawNode>, problems: &mut Problems) -> BTreeMap<NodeId, CollectionPlaylist> {
    let mut nodes = BTreeMap::new();
    for row in rows {
        let kind = node_kind(row.attribute.unwrap_or(0));
        let name = row.name.unwrap_or_default();
        let Some(id) = row.id.map(NodeId::new) else {
            problems.add(name, "a playlist without an id in Rekordbox's database");
            continue;
        };
        if row.lacks_uuid != 0 {
            problems.add(
                name.as_str(),
                "a playlist without a UUID, which Rekordbox does not show",
            );
        }
        let parent = row.parent.filter(|parent| parent != "root");
        let node = CollectionPlaylist {
            id: id.clone(),
            name,
            parent: parent.map(NodeId::new),
            kind,
            seq: row.seq.unwrap_or(0),
            entries: Vec::new(),
            smart: row.smart.filter(|smart| !smart.is_empty()),
        };
        nodes.insert(id, node);
    }
    for node in nodes.values() {
        let lost = |parent: &NodeId| nodes.get(parent).is_none_or(|p| p.kind != NodeKind::Folder);
        if node.parent.as_ref().is_some_and(lost) {
            problems.add(
                node.name.as_str(),
                "a playlist in a folder that does not exist",
            );
        }
    }
    nodes
}

/// What is wrong with the entries of one playlist.
#[derive(Default)]
struct Faults {
    lost: usize,
    unseen: usize,
    disordered: bool,
}

/// Sorts rows to their lists. Apart, so that it can be done while the rows are still being read.
pub(super) fn by_list(lists: &mut HashMap<String, Vec<RawEntry>>, rows: Vec<RawEntry>) {
    for mut row in rows {
        let list = row.list.take().unwrap_or_default();
        match lists.get_mut(&list) {
            Some(rows) => rows.push(row),
            None => drop(lists.insert(list, vec![row])),
        }
    }
}

fn fill(
    nodes: &mut BTreeMap<NodeId, CollectionPlaylist>,
    lists: HashMap<String, Vec<RawEntry>>,
    contents: &BTreeMap<ContentId, Content>,
    problems: &mut Problems,
) {
    let known: HashSet<&str> = contents.keys().map(ContentId::as_str).collect();
    let mut homeless = 0;
    for (list, rows) in lists {
        match nodes.get_mut(&NodeId::new(list)) {
            Some(node) => {
                let faults = fill_one(node, rows, &known);
                report(node, &faults, problems);
            }
            None => homeless += rows.len(),
        }
    }
    if homeless > 0 {
        let message = format!("{homeless} entries of playlists that do not exist");
        problems.add("djmdSongPlaylist", message);
    }
}

fn fill_one(
    node: &mut CollectionPlaylist,
    mut rows: Vec<RawEntry>,
    known: &HashSet<&str>,
) -> Faults {
    rows.sort_by(|a, b| (a.track_no, &a.id).cmp(&(b.track_no, &b.id)));
    let mut faults = Faults::default();
    node.entries.reserve_exact(rows.len());
    for (position, row) in (1..).zip(rows) {
        faults.disordered |= row.track_no != Some(position);
        faults.unseen += usize::from(row.lacks_uuid != 0);
        let content = row
            .content
            .filter(|content| known.contains(content.as_str()));
        match (row.id, content.map(ContentId::new)) {
            (Some(id), Some(content)) => node.entries.push(CollectionEntry { id, content }),
            (Some(_) | None, Some(_) | None) => faults.lost += 1,
        }
    }
    faults
}

fn report(node: &CollectionPlaylist, faults: &Faults, problems: &mut Problems) {
    let Faults {
        lost,
        unseen,
        disordered,
    } = *faults;
    let subject = format!("playlist {}", node.name);
    if lost > 0 {
        problems.add(
            &*subject,
            format!("{lost} entries name no track of the collection"),
        );
    }
    if unseen > 0 {
        problems.add(
            &*subject,
            format!("{unseen} entries without a UUID, which Rekordbox hides"),
        );
    }
    if disordered {
        problems.add(&*subject, "its entries are not numbered 1, 2, 3 and so on");
    }
}
