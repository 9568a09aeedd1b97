//! Look-ups over an observation that every part of the planner needs.

use std::{borrow::Cow, collections::BTreeSet};

use foldhash::{HashMap, HashMapExt as _};

use crate::{
    domain::{
        AudioFile, Collection, Content, ContentId, MediaPath, MyTagId, NodeId, NodeKind, TagName,
        TrackId,
        state::ObjectKey,
        text::{composed, nfc},
    },
    observe::Observation,
    plan::document::Risk,
};

/// What is where.
pub(super) struct Index<'a> {
    observation: &'a Observation,
    /// The Rekordbox row of a file, by the file's path in NFC.
    content_by_path: HashMap<String, &'a ContentId>,
    /// Files that several rows point at, and how many do, by their path in NFC.
    crowded: HashMap<String, usize>,
    /// Audio files by their path in NFC: the spelling on disk may be another.
    file_by_path: HashMap<Cow<'a, str>, &'a AudioFile>,
    /// How many playlists that are not ours hold a content row.
    own_lists: HashMap<&'a ContentId, usize>,
    /// How many playlists hold a content row, ours counted.
    lists: HashMap<&'a ContentId, usize>,
    /// The tags that we set, by row.
    our_tags: HashMap<&'a ContentId, BTreeSet<TagName>>,
    /// Rows of a file that another row of it stands for, and that row.
    stand_ins: HashMap<ContentId, ContentId>,
}

impl<'a> Index<'a> {
    pub(super) fn new(observation: &'a Observation) -> Self {
        let mut index = Self {
            observation,
            content_by_path: HashMap::new(),
            crowded: HashMap::new(),
            file_by_path: HashMap::new(),
            own_lists: HashMap::new(),
            lists: HashMap::new(),
            our_tags: HashMap::new(),
            stand_ins: HashMap::new(),
        };
        for key in observation.state.objects.keys() {
            if let ObjectKey::TagLink(group, tag, content) = key {
                let name = TagName {
                    group: group.clone(),
                    tag: tag.clone(),
                };
                index.our_tags.entry(content).or_default().insert(name);
            }
        }
        let files = &observation.library.value.files;
        index.file_by_path.reserve(files.len());
        for file in files {
            index
                .file_by_path
                .insert(composed(file.path.as_str()), file);
        }
        if let Some(collection) = index.collection() {
            index.add_contents(collection);
            index.add_lists(collection);
        }
        index
    }

    fn add_contents(&mut self, collection: &'a Collection) {
        for (id, content) in &collection.contents {
            if content.is_streaming() {
                continue;
            }
            let Some(path) = self.observation.locate(&content.folder_path) else {
                continue;
            };
            let path = nfc(path.as_str());
            if self.content_by_path.contains_key(&path) {
                *self.crowded.entry(path.clone()).or_insert(1) += 1;
            }
            let slot = self.content_by_path.entry(path).or_insert(id);
            // Two rows for one file: the one with the most work in it stands for the file.
            if work(content) > collection.contents.get(*slot).map_or((0, 0), |it| work(it)) {
                *slot = id;
            }
        }
    }

    fn add_lists(&mut self, collection: &'a Collection) {
        let ours: BTreeSet<&str> = self
            .observation
            .state
            .objects
            .values()
            .filter(|object| matches!(object.key, ObjectKey::Playlist(_)))
            .map(|object| object.id.as_str())
            .collect();
        for node in collection.nodes.values() {
            if node.kind != NodeKind::List {
                continue;
            }
            let own = !ours.contains(node.id.as_str());
            for entry in &node.entries {
                *self.lists.entry(&entry.content).or_default() += 1;
                if own {
                    *self.own_lists.entry(&entry.content).or_default() += 1;
                }
            }
        }
    }

    pub(super) fn collection(&self) -> Option<&'a Collection> {
        self.observation
            .rekordbox
            .as_ref()
            .map(|observed| &observed.value)
    }

    /// The audio file at `path`, however its name is composed on disk.
    pub(super) fn file(&self, path: &MediaPath) -> Option<&'a AudioFile> {
        self.file_by_path.get(&composed(path.as_str())).copied()
    }

    pub(super) fn content(&self, id: &ContentId) -> Option<&'a Content> {
        self.collection()?.contents.get(id).map(Box::as_ref)
    }

    /// The row of the file at `path`.
    pub(super) fn content_at(&self, path: &MediaPath) -> Option<&'a ContentId> {
        self.content_by_path
            .get(composed(path.as_str()).as_ref())
            .copied()
    }

    /// How many rows point at `path`.
    pub(super) fn rows_at(&self, path: &MediaPath) -> usize {
        let crowd = self.crowded.get(composed(path.as_str()).as_ref());
        crowd
            .copied()
            .unwrap_or_else(|| usize::from(self.content_at(path).is_some()))
    }

    /// The row that stands for a track: the remembered one if it is still there, else the file's.
    pub(super) fn content_of(
        &self,
        track: &TrackId,
        file: Option<&MediaPath>,
    ) -> Option<&'a ContentId> {
        let collection = self.collection()?;
        let known = self
            .observation
            .state
            .tracks
            .get(track)
            .and_then(|row| row.content.as_ref());
        let known = known.and_then(|id| collection.contents.get_key_value(id));
        let found = match known {
            Some((id, _)) => Some(id),
            None => file.and_then(|path| self.content_at(path)),
        }?;
        let instead = self.stand_ins.get(found);
        let instead = instead.and_then(|id| collection.contents.get_key_value(id));
        Some(instead.map_or(found, |(id, _)| id))
    }

    /// Whether two rows point at one path.
    pub(super) fn is_same_file(&self, one: &ContentId, two: &ContentId) -> bool {
        let at = self.location(one);
        at.is_some_and(|at| self.points_at(two, &at))
    }

    /// From now on `instead` is the row of the file that both point at.
    pub(super) fn stand_in(&mut self, row: &ContentId, instead: &ContentId) {
        self.stand_ins.insert(row.clone(), instead.clone());
    }

    /// Where a row's file lies in the library.
    pub(super) fn location(&self, id: &ContentId) -> Option<MediaPath> {
        self.observation.locate(&self.content(id)?.folder_path)
    }

    /// Whether a row points at `path`, however the name is composed.
    pub(super) fn points_at(&self, id: &ContentId, path: &MediaPath) -> bool {
        self.location(id)
            .is_some_and(|at| composed(at.as_str()) == composed(path.as_str()))
    }

    /// How many of the DJ's own playlists hold the row.
    pub(super) fn own_lists(&self, id: &ContentId) -> usize {
        self.own_lists.get(id).copied().unwrap_or(0)
    }

    /// How many playlists hold the row, ours counted.
    pub(super) fn lists(&self, id: &ContentId) -> usize {
        self.lists.get(id).copied().unwrap_or(0)
    }

    /// The DJ's work on a row.
    pub(super) fn risk(&self, id: &ContentId) -> Option<Risk> {
        let content = self.content(id)?;
        Some(Risk {
            hot_cues: content.hot_cues,
            memory_cues: content.memory_cues,
            rating: content.rating,
            mytags: u32::try_from(content.my_tags.len()).unwrap_or(u32::MAX),
            plays: content.play_count,
        })
    }

    /// Our node of that meaning, if Rekordbox still has it.
    pub(super) fn node(&self, key: &ObjectKey) -> Option<&'a NodeId> {
        let object = self.observation.state.object(key)?;
        let id = NodeId::new(object.id.clone());
        self.collection()?
            .nodes
            .get_key_value(&id)
            .map(|(id, _)| id)
    }

    /// The folder of that path from the top: ours, or one of that name that the DJ made.
    pub(super) fn folder(&self, path: &[String]) -> Option<&'a NodeId> {
        if let Some(id) = self.node(&ObjectKey::Folder(path.to_vec())) {
            return Some(id);
        }
        let (name, above) = path.split_last()?;
        let parent = match above.is_empty() {
            true => None,
            false => Some(self.folder(above)?),
        };
        Some(&self.collection()?.child(parent, name, NodeKind::Folder)?.id)
    }

    /// The names of the folders that contain a node, from the top.
    pub(super) fn folder_path(&self, id: &NodeId) -> Vec<String> {
        let Some(collection) = self.collection() else {
            return Vec::new();
        };
        let mut path = Vec::new();
        let mut at = collection
            .nodes
            .get(id)
            .and_then(|node| node.parent.as_ref());
        while let Some(folder) = at.and_then(|id| collection.nodes.get(id)) {
            path.push(folder.name.clone());
            at = folder.parent.as_ref();
            if path.len() > collection.nodes.len() {
                break;
            }
        }
        path.reverse();
        path
    }

    /// Which MyTags a row has, by name.
    pub(super) fn tags(&self, id: &ContentId) -> BTreeSet<TagName> {
        let tags = self.content(id).map(|content| &content.my_tags);
        tags.into_iter()
            .flatten()
            .filter_map(|tag| self.tag_name(tag))
            .collect()
    }

    /// The tags on a row that we set.
    pub(super) fn our_tags(&self, id: &ContentId) -> BTreeSet<TagName> {
        self.our_tags.get(id).cloned().unwrap_or_default()
    }

    fn tag_name(&self, id: &MyTagId) -> Option<TagName> {
        let collection = self.collection()?;
        let tag = collection.my_tags.get(id)?;
        let group = collection.my_tags.get(tag.group.as_ref()?)?;
        Some(TagName {
            group: group.name.clone(),
            tag: tag.name.clone(),
        })
    }
}

/// How much a person would miss a row: cues first, then plays.
const fn work(content: &Content) -> (u32, u32) {
    (content.hot_cues + content.memory_cues, content.play_count)
}
