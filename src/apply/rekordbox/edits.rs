//! From an action to the edit that carries it out, with what earlier edits of the same step make.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{
    apply::run::{Attempt, Failure, Result, Run, failed},
    domain::{
        Collection, CollectionPlaylist, ContentId, MediaPath, NodeId, NodeKind, PlaylistId,
        TrackId, collection::merged, state::ObjectKey,
    },
    edge::{
        download::Downloader,
        local::LocalLibrary,
        rekordbox::{
            ContentFile, ContentRef, Edit, NewContentRow, NodeRef, Parent, RekordboxLibrary, TagRef,
        },
        store::{OperationStatus, StateStore},
    },
    plan::document::{
        Action, Class, ContentFields, Effect, Entries, ListAt, MergedRows, NewContent, NewNode,
        TagName, TagSet,
    },
    record::names::with_names,
};

/// What earlier edits of the same step make, by the place of the edit.
#[derive(Debug, Default)]
struct Step {
    folders: BTreeMap<Vec<String>, usize>,
    renamed: BTreeMap<Vec<String>, NodeId>,
    lists: BTreeMap<PlaylistId, usize>,
    contents: BTreeMap<TrackId, usize>,
    /// Rows that were there before; the state knows of them once the step is done.
    rows: BTreeMap<TrackId, ContentId>,
    tags: BTreeMap<TagName, usize>,
}

impl<L, R, D, S> Run<'_, L, R, D, S>
where
    L: LocalLibrary,
    R: RekordboxLibrary,
    D: Downloader,
    S: StateStore,
{
    /// The edits of a step and the operations that they are for. What cannot be done is settled.
    pub(super) async fn edits(
        &mut self,
        seqs: &[usize],
        collection: &Collection,
    ) -> Result<(Vec<Edit>, Vec<usize>)> {
        let mut step = Step::default();
        let (mut edits, mut ready, mut ended) = (Vec::new(), Vec::new(), Vec::new());
        let mut together = BTreeSet::new();
        for seq in seqs.iter().copied() {
            if self.status[seq] != OperationStatus::Pending {
                continue;
            }
            match self.edit(seq, &step, &together, collection) {
                Ok(edit) => {
                    step.note(self.actions[seq], edits.len());
                    if let Effect::ContentAdd { after } = &self.actions[seq].effect {
                        for other in self.ledger.sharers(&after.track, &self.state) {
                            step.contents.insert(other.clone(), edits.len());
                        }
                    }
                    edits.push(edit);
                    ready.push(seq);
                    together.insert(seq);
                }
                Err(failure) => ended.push((seq, Err(failure))),
            }
        }
        self.settle(ended).await?;
        Ok((edits, ready))
    }

    fn edit(
        &mut self,
        seq: usize,
        step: &Step,
        together: &BTreeSet<usize>,
        collection: &Collection,
    ) -> Attempt<Edit> {
        self.blocked(seq, together)?;
        let action = self.actions[seq];
        match action.class {
            Class::Destructive => self.cancelled()?,
            Class::Remove if self.failed_badly() => self.cancelled()?,
            Class::Additive | Class::Move | Class::Change | Class::Remove | Class::Tidal => {}
        }
        match &action.effect {
            Effect::ContentAdd { after } => self.add_content(after),
            Effect::ContentRelocate { before, after } => Ok(Edit::Relocate {
                content: before.content.clone(),
                file: self.content_file(&self.arrived(&before.track, &after.path)?)?,
            }),
            Effect::ContentUpdate { before, after } => Ok(update(before, after)),
            Effect::NodeCreate { after } => self.create_node(after, step, collection),
            Effect::NodeUpdate { before, after } => Ok(Edit::UpdateNode {
                id: before.id.clone(),
                name: (before.name != after.name).then(|| after.name.clone()),
                parent: match before.folder == after.folder {
                    true => None,
                    false => Some(self.parent(&after.folder, step, collection)?),
                },
            }),
            Effect::NodeRemove { before } => Ok(Edit::RemoveNode {
                id: before.id.clone(),
            }),
            Effect::EntriesSet { after, .. } => self.set_entries(after, step, collection),
            Effect::EntriesMerge { before, after } => merge_entries(before, after, collection),
            Effect::MyTagCreate { after } => Ok(Edit::CreateTag {
                group: after.group.clone(),
                name: after.tag.clone(),
            }),
            Effect::MyTagSet { before, after } => self.set_tags(before, after, step),
            Effect::RowsRestore { before } => {
                let rows = self.recorded_rows(before);
                let rows = rows.ok_or_else(|| {
                    Failure::Failed("the journal has not what stood there before".to_owned())
                })?;
                Ok(Edit::Restore(with_names(rows.reversed(), &self.names)))
            }
            Effect::FileFetch { .. }
            | Effect::FileConvert { .. }
            | Effect::FilePlace { .. }
            | Effect::FileLink { .. }
            | Effect::FileTrash { .. }
            | Effect::FileRestore { .. }
            | Effect::TrashPurge { .. }
            | Effect::StateAdopt { .. }
            | Effect::StateRecord { .. }
            | Effect::StateMove { .. }
            | Effect::StateForget { .. }
            | Effect::StateRestore { .. }
            | Effect::TidalEntryRemove { .. }
            | Effect::TidalEntryRestore { .. } => {
                Err(Failure::Failed("it does not concern Rekordbox".to_owned()))
            }
        }
    }

    fn add_content(&mut self, new: &NewContent) -> Attempt<Edit> {
        let path = new.path.clone().or_else(|| self.file_of(&new.track));
        let path = path.ok_or_else(|| Failure::Skipped("the track has no file".to_owned()))?;
        let path = match self.stat(&path)? {
            Some(_) => path,
            None => self.placed.get(&path).cloned().unwrap_or(path),
        };
        let facts = self.local.facts(&path).map_err(|e| failed(&e))?;
        let planned = self.plan.body.tracks.get(&new.track);
        let track = planned.or_else(|| self.state.tracks.get(&new.track).map(|row| &*row.track));
        let tags = &facts.tags;
        let title = track
            .map(crate::domain::Track::full_title)
            .filter(|title| !title.is_empty());
        let artist = track
            .map(crate::domain::Track::artist)
            .filter(|artist| !artist.is_empty());
        let joined = (!tags.artists.is_empty()).then(|| tags.artists.join(", "));
        let isrc = track
            .and_then(|track| track.isrc.clone())
            .or_else(|| tags.isrc.clone());
        let seconds = facts.duration_ms.map(|ms| (ms + 500) / 1000);
        Ok(Edit::AddContent(Box::new(NewContentRow {
            file: ContentFile {
                path: self.absolute(&path)?,
                size: facts.stat.size,
                file_id: facts.stat.inode,
            },
            title: title
                .or_else(|| tags.title.clone())
                .unwrap_or_else(|| path.file_stem()),
            artist: artist.or(joined),
            album: track
                .and_then(|track| track.album.clone())
                .or_else(|| tags.album.clone()),
            genre: tags.genre.clone(),
            isrc: isrc.map(String::from),
            year: track.and_then(crate::domain::Track::year).or(tags.year),
            length_s: seconds
                .and_then(|s| u32::try_from(s).ok())
                .unwrap_or_default(),
            bitrate_kbps: facts.bitrate_kbps.unwrap_or_default(),
            sample_rate_hz: facts.sample_rate_hz.unwrap_or_default(),
            bit_depth: facts.bit_depth.unwrap_or_default(),
            format: Some(facts.format),
            created: Timestamp::from_second(facts.stat.mtime.0).ok(),
            comment: String::new(),
        })))
    }

    /// Where a relocated track's file is. A download decides on its extension itself, so that what
    /// was planned may have come under another name.
    fn arrived(&self, track: &TrackId, planned: &MediaPath) -> Attempt<MediaPath> {
        let there = self.stat(planned)?.is_some();
        let came = self.file_of(track).filter(|_| !there);
        Ok(came.unwrap_or_else(|| planned.clone()))
    }

    fn content_file(&self, path: &MediaPath) -> Attempt<ContentFile> {
        let stat = self.stat(path)?;
        let stat = stat.ok_or_else(|| Failure::Failed(format!("{path} is not there")))?;
        Ok(ContentFile {
            path: self.absolute(path)?,
            size: stat.size,
            file_id: stat.inode,
        })
    }

    fn create_node(&self, node: &NewNode, step: &Step, collection: &Collection) -> Attempt<Edit> {
        let smart = node.tags.iter().map(|tag| self.tag_ref(tag, step));
        Ok(Edit::CreateNode {
            name: node.name.clone(),
            kind: node.node,
            parent: self.parent(&node.folder, step, collection)?,
            smart: smart.collect::<Attempt<_>>()?,
        })
    }

    fn parent(&self, folder: &[String], step: &Step, collection: &Collection) -> Attempt<Parent> {
        if folder.is_empty() {
            return Ok(Parent::Root);
        }
        if let Some(at) = step.folders.get(folder) {
            return Ok(Parent::Node(NodeRef::Staged(*at)));
        }
        let renamed = step.renamed.get(folder).cloned();
        match renamed.or_else(|| self.known_folder(folder, collection)) {
            Some(id) => Ok(Parent::Node(NodeRef::Id(id))),
            None => Err(Failure::Failed(format!(
                "there is no Rekordbox folder {}",
                folder.join("/")
            ))),
        }
    }

    /// The folder of that path: ours where we have one there, else the one of that name.
    pub(super) fn known_folder(
        &self,
        folder: &[String],
        collection: &Collection,
    ) -> Option<NodeId> {
        let own = self.state.object(&ObjectKey::Folder(folder.to_vec()));
        let own = own.map(|row| NodeId::new(row.id.as_str()));
        if let Some(id) = own.filter(|id| collection.nodes.contains_key(id)) {
            return Some(id);
        }
        let mut parent: Option<NodeId> = None;
        for name in folder {
            let child = collection.child(parent.as_ref(), name, NodeKind::Folder)?;
            parent = Some(child.id.clone());
        }
        parent
    }

    fn set_entries(&self, after: &Entries, step: &Step, collection: &Collection) -> Attempt<Edit> {
        let planned = self.plan.body.playlists.get(&after.playlist);
        let planned = planned
            .ok_or_else(|| Failure::Failed("the plan does not describe the playlist".to_owned()))?;
        let content = |track: &TrackId| -> Option<ContentRef> {
            if let Some(at) = step.contents.get(track) {
                return Some(ContentRef::Staged(*at));
            }
            let row = self.row_of(track, step)?;
            let row = after.rows.get(row).unwrap_or(row);
            Some(ContentRef::Id(row.clone()))
        };
        let node = self.list(&after.playlist, step)?;
        let mut contents: Vec<ContentRef> = planned.entries.iter().filter_map(content).collect();
        // What the DJ added by hand keeps its place, too, where the order is the DJ's.
        contents.extend(after.keep.iter().cloned().map(ContentRef::Id));
        if after.order_is_the_djs
            && let NodeRef::Id(id) = &node
            && let Some(list) = collection.nodes.get(id)
        {
            contents = in_the_djs_order(list, contents, &after.rows);
        }
        Ok(Edit::SetEntries { node, contents })
    }

    /// The row that is a track, unless this step makes it.
    fn row_of<'r>(&'r self, track: &TrackId, step: &'r Step) -> Option<&'r ContentId> {
        let known = || self.state.tracks.get(track)?.content.as_ref();
        step.rows.get(track).or_else(known)
    }

    fn list(&self, playlist: &PlaylistId, step: &Step) -> Attempt<NodeRef> {
        if let Some(at) = step.lists.get(playlist) {
            return Ok(NodeRef::Staged(*at));
        }
        let object = self.state.object(&ObjectKey::Playlist(playlist.clone()));
        let object = object.map(|row| NodeId::new(row.id.as_str()));
        let row = self
            .state
            .playlists
            .get(playlist)
            .and_then(|row| row.node.clone());
        match object.or(row) {
            Some(id) => Ok(NodeRef::Id(id)),
            None => Err(Failure::Skipped(
                "the playlist is not in Rekordbox".to_owned(),
            )),
        }
    }

    fn set_tags(&self, before: &TagSet, after: &TagSet, step: &Step) -> Attempt<Edit> {
        let track = after.track.as_ref();
        let linked = || self.row_of(track?, step).cloned();
        let known = after.row.clone().or_else(linked);
        let staged = track.and_then(|track| step.contents.get(track));
        let content = match (staged.filter(|_| after.row.is_none()), &known) {
            (Some(at), _) => ContentRef::Staged(*at),
            (None, Some(id)) => ContentRef::Id(id.clone()),
            (None, None) => {
                return Err(Failure::Skipped("the track is not in Rekordbox".to_owned()));
            }
        };
        let link = |tag: &TagName, content: &ContentId| {
            let (group, name) = (tag.group.clone(), tag.tag.clone());
            let key = ObjectKey::TagLink(group, name, content.clone());
            self.state.object(&key).map(|row| row.id.clone())
        };
        let ours = known
            .iter()
            .flat_map(|id| before.tags.iter().filter_map(|tag| link(tag, id)));
        let add = after.tags.iter().map(|tag| self.tag_ref(tag, step));
        Ok(Edit::SetTags {
            content,
            add: add.collect::<Attempt<_>>()?,
            remove: ours.collect(),
        })
    }

    fn tag_ref(&self, tag: &TagName, step: &Step) -> Attempt<TagRef> {
        if let Some(at) = step.tags.get(tag) {
            return Ok(TagRef::Staged(*at));
        }
        match self.tags.get(tag) {
            Some(id) => Ok(TagRef::Id(id.clone())),
            None => Err(Failure::Failed(format!(
                "there is no MyTag {}: {}",
                tag.group, tag.tag
            ))),
        }
    }
}

impl Step {
    fn note(&mut self, action: &Action, at: usize) {
        match &action.effect {
            Effect::ContentAdd { after } => drop(self.contents.insert(after.track.clone(), at)),
            Effect::ContentRelocate { before, .. } => {
                self.rows
                    .insert(before.track.clone(), before.content.clone());
            }
            Effect::MyTagCreate { after } => drop(self.tags.insert(after.clone(), at)),
            Effect::NodeCreate { after } => match (after.node, &after.playlist) {
                (NodeKind::Folder, _) => {
                    let mut path = after.folder.clone();
                    path.push(after.name.clone());
                    self.folders.insert(path, at);
                }
                (_, Some(playlist)) => drop(self.lists.insert(playlist.clone(), at)),
                (_, None) => {}
            },
            Effect::NodeUpdate { before, after } => {
                let mut path = after.folder.clone();
                path.push(after.name.clone());
                self.renamed.insert(path, before.id.clone());
            }
            _ => {}
        }
    }
}

/// `wanted`, those that are in the list already in the list's order, new ones behind them.
fn in_the_djs_order(
    list: &CollectionPlaylist,
    mut wanted: Vec<ContentRef>,
    rows: &BTreeMap<ContentId, ContentId>,
) -> Vec<ContentRef> {
    let mut ordered = Vec::with_capacity(wanted.len());
    for entry in &list.entries {
        let row = rows.get(&entry.content).unwrap_or(&entry.content);
        let same = |content: &ContentRef| *content == ContentRef::Id(row.clone());
        if let Some(at) = wanted.iter().position(same) {
            ordered.push(wanted.remove(at));
        }
    }
    ordered.extend(wanted);
    ordered
}

/// A list of the DJ's, or one that no playlist of TIDAL stands behind any more.
fn merge_entries(before: &ListAt, after: &MergedRows, collection: &Collection) -> Attempt<Edit> {
    let list = collection.nodes.get(&before.id);
    let list = list.ok_or_else(|| Failure::Failed("the playlist is gone".to_owned()))?;
    let entries: Vec<ContentId> = list.entries.iter().map(|it| it.content.clone()).collect();
    let contents = merged(&entries, &after.rows).into_iter();
    Ok(Edit::SetEntries {
        node: NodeRef::Id(before.id.clone()),
        contents: contents.map(ContentRef::Id).collect(),
    })
}

fn update(before: &ContentFields, after: &ContentFields) -> Edit {
    fn changed<T: Clone + PartialEq>(before: &Option<T>, after: &Option<T>) -> Option<T> {
        after.clone().filter(|value| before.as_ref() != Some(value))
    }
    Edit::UpdateContent {
        content: after.content.clone(),
        title: changed(&before.title, &after.title),
        artist: changed(&before.artist, &after.artist),
        album: changed(&before.album, &after.album),
        year: changed(&before.year, &after.year),
    }
}
