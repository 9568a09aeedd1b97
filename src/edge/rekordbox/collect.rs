//! From bare rows to a [`Collection`], with what is wrong in them as problems.
//!
//! A broken row is a problem of its own and leaves no hole: the rest was read, and what is absent is
//! absent.

use std::{borrow::Cow, collections::BTreeMap};

use foldhash::{HashMap, HashSet, HashSetExt as _};
use serde::Deserialize;
use smol_str::SmolStr;

use super::sql::{Cells, Sink};
use crate::domain::{
    Collection, CollectionEntry, CollectionPlaylist, Content, ContentId, EntryId, Isrc, MyTag,
    MyTagId, NodeId, NodeKind, Observed, Problem, RekordboxSchema,
};

/// Everything that was read, live rows only.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) schema: RekordboxSchema,
    pub(super) app_version: Option<String>,
    pub(super) local_usn: i64,
    pub(super) cloud_sync: bool,
    pub(super) contents: Shelved,
    pub(super) nodes: Vec<RawNode>,
    pub(super) lists: Lists,
    pub(super) my_tags: BTreeMap<MyTagId, MyTag>,
}

/// Id and name of an artist, album or genre.
#[derive(Debug, Deserialize)]
pub(super) struct RawName(pub(super) Option<SmolStr>, pub(super) Option<SmolStr>);

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
    let Shelved {
        contents,
        mut problems,
    } = raw.contents;
    let mut nodes = nodes(raw.nodes, &mut problems);
    fill(&mut nodes, raw.lists, &contents, &mut problems);
    let value = Collection {
        schema: raw.schema,
        app_version: raw.app_version,
        local_usn: raw.local_usn,
        cloud_sync: raw.cloud_sync,
        contents,
        nodes,
        my_tags: raw.my_tags,
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

#[derive(Debug, Default)]
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

pub(super) type NamesById = HashMap<SmolStr, SmolStr>;

/// The names that tracks refer to, by id.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) artists: NamesById,
    pub(super) albums: NamesById,
    pub(super) genres: NamesById,
}

pub(super) fn named(rows: Vec<RawName>) -> NamesById {
    let pairs = rows
        .into_iter()
        .filter_map(|RawName(id, name)| Some((id?, name?)));
    pairs.filter(|(_, name)| !name.is_empty()).collect()
}

/// What hangs on a track, by its id.
#[derive(Debug, Default)]
pub(super) struct Work {
    cues: HashMap<SmolStr, (i64, i64)>,
    history: HashSet<SmolStr>,
    tags: HashMap<SmolStr, Vec<MyTagId>>,
}

impl Work {
    pub(super) fn new(
        cues: Vec<RawCues>,
        links: Vec<RawLink>,
        history: Vec<String>,
        known: &BTreeMap<MyTagId, MyTag>,
    ) -> Self {
        let cues = cues
            .into_iter()
            .filter_map(|RawCues(content, hot, memory)| Some((content?.into(), (hot, memory))));
        let mut tags = HashMap::<SmolStr, Vec<MyTagId>>::default();
        for RawLink(tag, content) in links {
            let tag = tag.map(MyTagId::new).filter(|tag| known.contains_key(tag));
            if let (Some(tag), Some(content)) = (tag, content) {
                tags.entry(content.into()).or_default().push(tag);
            }
        }
        Self {
            cues: cues.collect(),
            history: history.into_iter().map(SmolStr::from).collect(),
            tags,
        }
    }
}

/// A row of `djmdContent`; the fields in the order in which they are selected.
#[derive(Debug)]
pub(super) struct RawContent<'r> {
    pub(super) id: Option<Cow<'r, str>>,
    pub(super) folder_path: Option<Cow<'r, str>>,
    pub(super) title: Option<Cow<'r, str>>,
    pub(super) artist: Option<Cow<'r, str>>,
    pub(super) album: Option<Cow<'r, str>>,
    pub(super) genre: Option<Cow<'r, str>>,
    pub(super) isrc: Option<Cow<'r, str>>,
    pub(super) length: Option<i64>,
    pub(super) year: Option<i64>,
    pub(super) rating: Option<i64>,
    pub(super) play_count: Option<i64>,
    pub(super) analysed: Option<i64>,
    pub(super) file_type: Option<i64>,
    pub(super) file_size: Option<i64>,
    pub(super) bitrate: Option<i64>,
    pub(super) stock_date: Option<Cow<'r, str>>,
    pub(super) lacks_uuid: bool,
}

/// Takes in tracks.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    names: Names,
    work: Work,
    contents: Vec<(ContentId, Box<Content>)>,
    problems: Problems,
}

/// The tracks, and what is wrong with them.
#[derive(Debug, Default)]
pub(super) struct Shelved {
    contents: BTreeMap<ContentId, Box<Content>>,
    problems: Problems,
}

impl Shelf {
    pub(super) fn new(names: Names, work: Work) -> Self {
        Self {
            names,
            work,
            ..Self::default()
        }
    }

    pub(super) fn put(&mut self, row: RawContent<'_>) {
        let path = row.folder_path.unwrap_or_default();
        let Some(id) = row.id else {
            let message = "a track without an id in Rekordbox's database";
            self.problems.add(path, message);
            return;
        };
        if path.is_empty() {
            let subject = format!("djmdContent {id}");
            self.problems.add(subject, "a track without a path");
        }
        if row.lacks_uuid {
            let message = "a track without a UUID, which Rekordbox may not show";
            self.problems.add(&*path, message);
        }
        let (hot, memory) = self.work.cues.remove(&*id).unwrap_or_default();
        let mut my_tags = self.work.tags.remove(&*id).unwrap_or_default();
        my_tags.sort_unstable();
        my_tags.dedup();
        let in_history = self.work.history.contains(&*id);
        let id = ContentId::new(&*id);
        let year = positive(row.year).and_then(|year| u16::try_from(year).ok());
        let content = Content {
            id: Some(id.clone()),
            folder_path: path.into_owned(),
            title: row.title.unwrap_or_default().into(),
            artist: Self::name(&self.names.artists, row.artist),
            album: Self::name(&self.names.albums, row.album),
            genre: Self::name(&self.names.genres, row.genre),
            isrc: row.isrc.as_deref().and_then(Isrc::parse),
            length_s: small(row.length),
            year,
            rating: positive(row.rating).map_or(0, |stars| u8::try_from(stars).unwrap_or(5)),
            play_count: small(row.play_count).unwrap_or(0),
            hot_cues: u32::try_from(hot).unwrap_or(u32::MAX),
            memory_cues: u32::try_from(memory).unwrap_or(u32::MAX),
            in_history,
            analysed: row.analysed.unwrap_or(0) != 0,
            file_type: row.file_type.unwrap_or(0),
            file_size: positive(row.file_size).map_or(0, i64::cast_unsigned),
            bitrate_kbps: small(row.bitrate).unwrap_or(0),
            stock_date: row
                .stock_date
                .filter(|date| !date.is_empty())
                .map(SmolStr::from),
            my_tags: my_tags.into(),
        };
        self.contents.push((id, Box::new(content)));
    }

    fn name(names: &NamesById, id: Option<Cow<'_, str>>) -> Option<SmolStr> {
        // Rekordbox has three ways to say that a reference is to nothing.
        let id = id.filter(|id| !id.is_empty() && id != "0")?;
        names.get(&*id).cloned()
    }
}

impl Sink for Shelf {
    type Whole = Shelved;

    fn take(&mut self, row: &mut Cells<'_>) -> Result<(), serde_json::Error> {
        self.put(RawContent {
            id: row.text()?,
            folder_path: row.text()?,
            title: row.text()?,
            artist: row.text()?,
            album: row.text()?,
            genre: row.text()?,
            isrc: row.text()?,
            length: row.integer()?,
            year: row.integer()?,
            rating: row.integer()?,
            play_count: row.integer()?,
            analysed: row.integer()?,
            file_type: row.integer()?,
            file_size: row.integer()?,
            bitrate: row.integer()?,
            stock_date: row.text()?,
            lacks_uuid: row.integer()? == Some(1),
        });
        Ok(())
    }

    fn whole(self) -> Shelved {
        let mut problems = self.problems;
        report_duplicates(&self.contents, &mut problems);
        Shelved {
            contents: by_id(self.contents),
            problems,
        }
    }
}

/// A map of these tracks. What is sorted is their places: the tracks themselves are large.
fn by_id(contents: Vec<(ContentId, Box<Content>)>) -> BTreeMap<ContentId, Box<Content>> {
    let key = |id: &ContentId| {
        let mut head = [0; 16];
        for (slot, byte) in head.iter_mut().zip(id.as_str().bytes()) {
            *slot = byte;
        }
        u128::from_be_bytes(head)
    };
    let mut places: Vec<(u128, usize)> = contents
        .iter()
        .enumerate()
        .map(|(place, (id, _))| (key(id), place))
        .collect();
    places.sort_unstable();
    let mut contents: Vec<Option<(ContentId, Box<Content>)>> =
        contents.into_iter().map(Some).collect();
    let sorted = places
        .into_iter()
        .filter_map(|(_, place)| contents.get_mut(place)?.take());
    sorted.collect()
}

fn positive(number: Option<i64>) -> Option<i64> {
    number.filter(|number| *number > 0)
}

fn small(number: Option<i64>) -> Option<u32> {
    positive(number).and_then(|number| u32::try_from(number).ok())
}

fn report_duplicates(contents: &[(ContentId, Box<Content>)], problems: &mut Problems) {
    let mut paths = HashSet::with_capacity(contents.len());
    for (_, content) in contents {
        let path = content.folder_path.as_str();
        if !path.is_empty() && !paths.insert(path) {
            problems.add(path, "two tracks of the collection are this file");
        }
    }
}

pub(super) fn tags(rows: Vec<RawTag>) -> BTreeMap<MyTagId, MyTag> {
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

/// A row of `djmdSongPlaylist`; the fields in the order in which they are selected.
#[derive(Debug)]
pub(super) struct RawEntry<'r> {
    pub(super) id: Option<Cow<'r, str>>,
    pub(super) list: Option<Cow<'r, str>>,
    pub(super) content: Option<Cow<'r, str>>,
    pub(super) track_no: Option<i64>,
    pub(super) lacks_uuid: bool,
}

/// Takes in the entries of playlists.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// Where each list stands in `rows`.
    places: HashMap<String, usize>,
    rows: Vec<(String, Vec<Entry>)>,
    /// The list of the last row: rows of one list mostly stand together.
    last: usize,
}

#[derive(Debug)]
struct Entry {
    id: Option<EntryId>,
    content: Option<ContentId>,
    track_no: Option<i64>,
    lacks_uuid: bool,
}

impl Lists {
    pub(super) fn put(&mut self, row: RawEntry<'_>) {
        let entry = Entry {
            id: row.id.map(|id| EntryId::new(&id)),
            content: row.content.map(|id| ContentId::new(&*id)),
            track_no: row.track_no,
            lacks_uuid: row.lacks_uuid,
        };
        if let Some(rows) = self.list(&row.list.unwrap_or_default()) {
            rows.push(entry);
        }
    }

    fn list(&mut self, id: &str) -> Option<&mut Vec<Entry>> {
        if self.rows.get(self.last).is_none_or(|(last, _)| last != id) {
            self.last = match self.places.get(id) {
                Some(place) => *place,
                None => {
                    self.places.insert(id.to_owned(), self.rows.len());
                    self.rows.push((id.to_owned(), Vec::new()));
                    self.rows.len() - 1
                }
            };
        }
        self.rows.get_mut(self.last).map(|(_, rows)| rows)
    }
}

impl Sink for Lists {
    type Whole = Self;

    fn take(&mut self, row: &mut Cells<'_>) -> Result<(), serde_json::Error> {
        self.put(RawEntry {
            id: row.text()?,
            list: row.text()?,
            content: row.text()?,
            track_no: row.integer()?,
            lacks_uuid: row.integer()? == Some(1),
        });
        Ok(())
    }

    fn whole(self) -> Self {
        self
    }
}

fn fill(
    nodes: &mut BTreeMap<NodeId, CollectionPlaylist>,
    lists: Lists,
    contents: &BTreeMap<ContentId, Box<Content>>,
    problems: &mut Problems,
) {
    let known = Known::of(contents.keys());
    let mut homeless = 0;
    for (list, rows) in lists.rows {
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

fn fill_one(node: &mut CollectionPlaylist, mut rows: Vec<Entry>, known: &Known<'_>) -> Faults {
    rows.sort_by(|a, b| (a.track_no, &a.id).cmp(&(b.track_no, &b.id)));
    let mut faults = Faults::default();
    node.entries.reserve_exact(rows.len());
    for (position, row) in (1..).zip(rows) {
        faults.disordered |= row.track_no != Some(position);
        faults.unseen += usize::from(row.lacks_uuid);
        let content = row.content.filter(|content| known.contains(content));
        match (row.id, content) {
            (Some(id), Some(content)) => node.entries.push(CollectionEntry { id, content }),
            (Some(_) | None, Some(_) | None) => faults.lost += 1,
        }
    }
    faults
}

/// The ids of all tracks. They are numbers, unless somebody else made them, and a set of numbers stays in
/// the processor's cache, while the entries of playlists ask for them in any order.
#[derive(Default)]
struct Known<'c> {
    numbers: HashSet<u64>,
    others: HashSet<&'c str>,
}

impl<'c> Known<'c> {
    fn of(ids: impl Iterator<Item = &'c ContentId>) -> Self {
        let mut known = Self::default();
        for id in ids {
            match Self::number(id.as_str()) {
                Some(number) => drop(known.numbers.insert(number)),
                None => drop(known.others.insert(id.as_str())),
            }
        }
        known
    }

    fn contains(&self, id: &ContentId) -> bool {
        match Self::number(id.as_str()) {
            Some(number) => self.numbers.contains(&number),
            None => self.others.contains(id.as_str()),
        }
    }

    /// The number that is written in just this way.
    fn number(id: &str) -> Option<u64> {
        let plain = id.len() < 20 && !id.starts_with(['0', '+']);
        id.parse().ok().filter(|_| plain)
    }
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
