//! What each part of the cache holds, put together and taken apart.
//!
//! Folders, long names and sets of MyTags stand many times in a library: in the cache such a one has a
//! number, and stands there itself where the number is met first. A short name stands wherever it is met:
//! to read on is quicker than to look in a large table.

use std::collections::BTreeMap;

use foldhash::HashMap;
use smol_str::SmolStr;

use super::bytes::{In, Out};
use crate::domain::{
    Collection, CollectionEntry, CollectionPlaylist, Content, ContentId, Isrc, MyTag, MyTagId,
    NodeId, NodeKind, Observed, Problem, RekordboxSchema,
};

pub(super) fn put_head(out: &mut Out, observed: &Observed<Collection>) {
    let collection = &observed.value;
    out.number(u64::from(collection.schema == RekordboxSchema::V7));
    out.maybe(collection.app_version.as_deref());
    out.signed(collection.local_usn);
    out.number(u64::from(collection.cloud_sync));
    out.number(collection.my_tags.len() as u64);
    for tag in collection.my_tags.values() {
        out.text(tag.id.as_str());
        out.text(&tag.name);
        out.maybe(tag.group.as_ref().map(MyTagId::as_str));
        out.signed(tag.seq);
    }
    out.number(observed.problems.len() as u64);
    for problem in &observed.problems {
        out.text(&problem.subject);
        out.text(&problem.message);
        out.number(u64::from(problem.leaves_hole));
    }
}

pub(super) fn head(bytes: &[u8]) -> Option<(Collection, Vec<Problem>)> {
    let mut from = In::of(bytes)?;
    let collection = Collection {
        schema: match from.number()? {
            0 => RekordboxSchema::V6,
            _ => RekordboxSchema::V7,
        },
        app_version: from.owned()?,
        local_usn: from.signed()?,
        cloud_sync: from.number()? == 1,
        my_tags: from.list(|from| {
            let id = MyTagId::from(from.text()?);
            let tag = MyTag {
                id: id.clone(),
                name: from.text()?.to_owned(),
                group: from.maybe()?.map(MyTagId::from),
                seq: from.signed()?,
            };
            Some((id, tag))
        })?,
        ..Collection::default()
    };
    let problems = from.list(|from| {
        Some(Problem {
            subject: from.text()?.to_owned(),
            message: from.text()?.to_owned(),
            leaves_hole: from.number()? == 1,
        })
    })?;
    Some((collection, problems))
}

/// The folder of a path, with the separator, and the rest.
fn split(path: &str) -> (&str, &str) {
    path.split_at(path.rfind('/').map_or(0, |at| at + 1))
}

/// What a [`SmolStr`] holds in place; longer ones share their text.
const SHORT: usize = 23;

/// The numbers of texts that stand many times.
#[derive(Default)]
struct Numbers<'t>(HashMap<&'t str, u64>);

impl<'t> Numbers<'t> {
    /// Writes the number, and the text where it is new.
    fn put(&mut self, out: &mut Out, text: &'t str) {
        let next = self.0.len() as u64;
        let number = *self.0.entry(text).or_insert(next);
        out.number(number);
        if number == next {
            out.text(text);
        }
    }

    /// 0 for nothing, 1 and the number for a long text, else two more than the length, and the text.
    fn put_name(&mut self, out: &mut Out, text: Option<&'t str>) {
        match text {
            None => out.number(0),
            Some(text) if text.len() > SHORT => {
                out.number(1);
                self.put(out, text);
            }
            Some(text) => {
                out.number(text.len() as u64 + 2);
                out.plain(text);
            }
        }
    }
}

/// The text that a number stands for.
fn numbered<'b, 'k, T: From<&'b str>>(from: &mut In<'b>, known: &'k mut Vec<T>) -> Option<&'k T> {
    let number = from.small::<usize>()?;
    if number == known.len() {
        known.push(from.text()?.into());
    }
    known.get(number)
}

fn name<'b>(from: &mut In<'b>, known: &mut Vec<SmolStr>) -> Option<Option<SmolStr>> {
    match from.number()? {
        0 => Some(None),
        1 => numbered(from, known).cloned().map(Some),
        length => Some(Some(from.bytes(length - 2)?.into())),
    }
}

fn tag_set(from: &mut In<'_>, known: &mut Vec<Box<[MyTagId]>>) -> Option<Box<[MyTagId]>> {
    let number = from.small::<usize>()?;
    if number == known.len() {
        known.push(from.list(|from| Some(MyTagId::from(from.text()?)))?);
    }
    known.get(number).cloned()
}

pub(super) fn put_contents<'c>(
    out: &mut Out,
    contents: impl ExactSizeIterator<Item = (&'c ContentId, &'c Box<Content>)>,
) {
    let (mut names, mut folders) = (Numbers::default(), Numbers::default());
    let mut sets = HashMap::<&[MyTagId], u64>::default();
    out.number(contents.len() as u64);
    for (id, content) in contents {
        out.text(id.as_str());
        let (folder, file) = split(&content.folder_path);
        folders.put(out, folder);
        out.text(file);
        out.text(&content.title);
        names.put_name(out, content.artist.as_deref());
        names.put_name(out, content.album.as_deref());
        names.put_name(out, content.genre.as_deref());
        out.maybe(content.isrc.as_ref().map(Isrc::as_str));
        out.number(content.length_s.map_or(0, |length| u64::from(length) + 1));
        out.number(content.year.map_or(0, |year| u64::from(year) + 1));
        out.number(u64::from(content.rating));
        out.number(u64::from(content.play_count));
        out.number(u64::from(content.hot_cues));
        out.number(u64::from(content.memory_cues));
        out.number(u64::from(content.in_history) | u64::from(content.analysed) << 1);
        out.signed(content.file_type);
        out.number(content.file_size);
        out.number(u64::from(content.bitrate_kbps));
        names.put_name(out, content.stock_date.as_deref());
        let next = sets.len() as u64;
        let number = *sets.entry(&content.my_tags).or_insert(next);
        out.number(number);
        if number == next {
            out.number(content.my_tags.len() as u64);
            let tags = content.my_tags.iter();
            tags.for_each(|tag| out.text(tag.as_str()));
        }
    }
}

pub(super) fn contents(bytes: &[u8]) -> Option<Vec<(ContentId, Box<Content>)>> {
    let (mut names, mut folders) = (Vec::<SmolStr>::new(), Vec::<&str>::new());
    let mut sets = Vec::<Box<[MyTagId]>>::new();
    In::of(bytes)?.vector(|from| {
        let id = ContentId::from(from.text()?);
        let folder = numbered(from, &mut folders)?;
        let flags;
        let content = Content {
            id: Some(id.clone()),
            folder_path: [*folder, from.text()?].concat(),
            title: from.text()?.into(),
            artist: name(from, &mut names)?,
            album: name(from, &mut names)?,
            genre: name(from, &mut names)?,
            isrc: from.maybe()?.and_then(Isrc::parse),
            length_s: from.small::<u32>()?.checked_sub(1),
            year: from.small::<u16>()?.checked_sub(1),
            rating: from.small()?,
            play_count: from.small()?,
            hot_cues: from.small()?,
            memory_cues: from.small()?,
            in_history: {
                flags = from.number()?;
                flags & 1 != 0
            },
            analysed: flags & 2 != 0,
            file_type: from.signed()?,
            file_size: from.number()?,
            bitrate_kbps: from.small()?,
            stock_date: name(from, &mut names)?,
            my_tags: tag_set(from, &mut sets)?,
        };
        Some((id, Box::new(content)))
    })
}

pub(super) fn put_nodes(out: &mut Out, collection: &Collection) {
    out.number(collection.nodes.len() as u64);
    for (id, node) in &collection.nodes {
        out.text(id.as_str());
        out.text(&node.name);
        out.maybe(node.parent.as_ref().map(NodeId::as_str));
        out.number(match node.kind {
            NodeKind::List => 0,
            NodeKind::Folder => 1,
            NodeKind::Smart => 2,
            NodeKind::Special => 3,
        });
        out.signed(node.seq);
        out.maybe(node.smart.as_deref());
        out.number(node.entries.len() as u64);
        for entry in &node.entries {
            out.entry(&entry.id);
            out.text(entry.content.as_str());
        }
    }
}

pub(super) fn nodes(bytes: &[u8]) -> Option<BTreeMap<NodeId, CollectionPlaylist>> {
    In::of(bytes)?.list(|from| {
        let id = NodeId::from(from.text()?);
        let node = CollectionPlaylist {
            id: id.clone(),
            name: from.text()?.to_owned(),
            parent: from.maybe()?.map(NodeId::from),
            kind: match from.number()? {
                0 => NodeKind::List,
                1 => NodeKind::Folder,
                2 => NodeKind::Smart,
                _ => NodeKind::Special,
            },
            seq: from.signed()?,
            smart: from.owned()?,
            entries: from.vector(|from| {
                Some(CollectionEntry {
                    id: from.entry()?,
                    content: ContentId::from(from.text()?),
                })
            })?,
        };
        Some((id, node))
    })
}
