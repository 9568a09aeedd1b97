//! The rows that an action changes, drafted one after the other.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;

use super::Done;
use crate::{
    domain::{
        ContentId, FileStat, MediaPath, NodeId, NodeKind, PlaylistId, Provenance, State, Track,
        TrackId,
        state::{
            EntryRow, FileRole, FileRow, ObjectKey, ObjectRow, PlaylistRow, RowChange, StateRow,
            TrackRow,
        },
    },
    plan::document::{Adoption, Link, LinkForm, NewNode, NodeAt, Plan, TagName, TagSet},
    record::FileImage,
};

/// Changes in the making. Each row is changed at most once by an action.
pub(super) struct Draft<'a> {
    pub(super) state: &'a State,
    pub(super) plan: &'a Plan,
    pub(super) now: Timestamp,
    pub(super) changes: Vec<RowChange>,
}

impl Draft<'_> {
    pub(super) fn push(&mut self, before: Option<StateRow>, after: Option<StateRow>) {
        if before != after {
            self.changes.push(RowChange { before, after });
        }
    }

    /// When TIDAL was read, if that reading was complete.
    pub(super) fn seen(&self) -> Option<Timestamp> {
        let body = &self.plan.body;
        let read = self.plan.meta.tidal_taken_at.unwrap_or(self.now);
        body.complete.then_some(read)
    }

    pub(super) fn track(&mut self, id: &TrackId, change: impl FnOnce(&mut TrackRow)) {
        let before = self.state.tracks.get(id).cloned();
        let mut after = before.clone().unwrap_or_else(|| TrackRow {
            track: self.planned_track(id),
            file: None,
            content: None,
            home: None,
            last_seen_in_tidal: self.seen(),
        });
        change(&mut after);
        let row = |row| StateRow::Track(Box::new(row));
        self.push(before.map(row), Some(row(after)));
    }

    pub(super) fn planned_track(&self, id: &TrackId) -> Arc<Track> {
        let planned = self.plan.body.tracks.get(id).cloned();
        Arc::new(planned.unwrap_or_else(|| Track::bare(id.clone())))
    }

    pub(super) fn metadata(&mut self, id: &TrackId) {
        let Some(track) = self.plan.body.tracks.get(id).cloned() else {
            return;
        };
        let seen = self.seen();
        self.track(id, |row| {
            if *row.track != track {
                row.last_seen_in_tidal = seen.or(row.last_seen_in_tidal);
                row.track = Arc::new(track);
            }
        });
    }

    pub(super) fn file(&mut self, row: FileRow) {
        let before = self.state.files.get(&row.path).cloned().map(StateRow::File);
        self.push(before, Some(StateRow::File(row)));
    }

    pub(super) fn object(&mut self, key: ObjectKey, id: Option<&str>) {
        let before = self.state.objects.get(&key).cloned();
        let after = id.map(|id| ObjectRow {
            key,
            id: id.to_owned(),
            provenance: Provenance::Tidal,
        });
        self.push(before.map(StateRow::Object), after.map(StateRow::Object));
    }

    pub(super) fn deliver(&mut self, track: &TrackId, home: &PlaylistId, file: &FileImage) {
        let planned = self.planned_track(track);
        let seen = self.seen();
        self.track(track, |row| {
            row.track = planned;
            row.file = Some(file.path.clone());
            row.home = Some(home.clone());
            row.last_seen_in_tidal = seen.or(row.last_seen_in_tidal);
        });
        self.file(FileRow {
            path: file.path.clone(),
            role: FileRole::Track,
            provenance: Provenance::Tidal,
            track: Some(track.clone()),
            playlist: None,
            size: file.size,
            hash: Some(file.sha256),
        });
    }

    /// `holders`: the tracks whose file it is.
    pub(super) fn placed(
        &mut self,
        (from, to): (&MediaPath, &MediaPath),
        home: Option<&PlaylistId>,
        holders: Option<&BTreeSet<TrackId>>,
    ) {
        let Some(row) = self.state.files.get(from).cloned() else {
            return;
        };
        let moved = FileRow {
            path: to.clone(),
            ..row.clone()
        };
        self.push(Some(StateRow::File(row.clone())), None);
        self.file(moved);
        // A recording that TIDAL has under several ids is one file; the one it is known by comes first.
        let mut tracks: Vec<TrackId> = holders.into_iter().flatten().cloned().collect();
        tracks.sort_by_key(|id| row.track.as_ref() != Some(id));
        for track in tracks {
            let home = home.filter(|_| row.track.as_ref() == Some(&track));
            self.track(&track, |row| {
                row.file = Some(to.clone());
                row.home = home.cloned().or(row.home.take());
            });
        }
    }

    pub(super) fn linked(&mut self, link: &Link, file: &FileImage) {
        self.file(FileRow {
            path: file.path.clone(),
            role: match link.form {
                LinkForm::M3u8 => FileRole::Playlist,
                LinkForm::Hardlink | LinkForm::Copy => FileRole::Copy,
            },
            provenance: Provenance::Tidal,
            track: link.of.clone(),
            playlist: Some(link.playlist.clone()),
            size: file.size,
            hash: Some(file.sha256),
        });
    }

    pub(super) fn forget_file(&mut self, path: &MediaPath) {
        let Some(row) = self.state.files.get(path).cloned() else {
            return;
        };
        let track = row.track.clone().filter(|track| {
            let known = self.state.tracks.get(track);
            known.is_some_and(|track| track.file.as_ref() == Some(path))
        });
        self.push(Some(StateRow::File(row)), None);
        if let Some(track) = track {
            self.track(&track, |row| row.file = None);
        }
    }

    pub(super) fn content(&mut self, track: &TrackId, id: &ContentId) {
        self.track(track, |row| row.content = Some(id.clone()));
        self.object(ObjectKey::Content(id.clone()), Some(id.as_str()));
    }

    pub(super) fn node_made(&mut self, node: &NewNode, id: &NodeId) {
        let mut path = node.folder.clone();
        path.push(node.name.clone());
        let key = match (node.node, &node.playlist) {
            (NodeKind::List | NodeKind::Smart, Some(playlist)) => {
                ObjectKey::Playlist(playlist.clone())
            }
            (NodeKind::Smart, None) => ObjectKey::Smart(path),
            (NodeKind::Folder | NodeKind::List | NodeKind::Special, _) => ObjectKey::Folder(path),
        };
        self.object(key, Some(id.as_str()));
        if let Some(playlist) = &node.playlist {
            self.set_node(playlist, Some(id.clone()));
        }
    }

    pub(super) fn set_node(&mut self, playlist: &PlaylistId, node: Option<NodeId>) {
        if let Some(row) = self.state.playlists.get(playlist).cloned() {
            let after = PlaylistRow {
                node,
                ..row.clone()
            };
            let row = StateRow::Playlist(row);
            self.push(Some(row), Some(StateRow::Playlist(after)));
        }
    }

    /// Folders and smart playlists are remembered by their path: what is inside moves with them.
    pub(super) fn node_moved(&mut self, before: &NodeAt, after: &NodeAt) {
        let (old, new) = (path_of(before), path_of(after));
        let moved = |path: &Vec<String>| {
            let rest = path.strip_prefix(old.as_slice())?;
            Some(new.iter().chain(rest).cloned().collect::<Vec<_>>())
        };
        let is_it = |key: &ObjectKey| {
            let row = self.state.objects.get(key);
            row.is_some_and(|row| row.id == before.id.as_str())
        };
        let is_folder = is_it(&ObjectKey::Folder(old.clone()));
        if old == new || !(is_folder || is_it(&ObjectKey::Smart(old.clone()))) {
            return;
        }
        let mut renamed = Vec::new();
        for row in self.state.objects.values() {
            let key = match &row.key {
                ObjectKey::Folder(path) if is_folder => moved(path).map(ObjectKey::Folder),
                ObjectKey::Smart(path) if is_folder || *path == old => {
                    moved(path).map(ObjectKey::Smart)
                }
                ObjectKey::Folder(_)
                | ObjectKey::Smart(_)
                | ObjectKey::Playlist(_)
                | ObjectKey::Tag(..)
                | ObjectKey::TagLink(..)
                | ObjectKey::Content(_) => None,
            };
            renamed.extend(key.map(|key| (row.clone(), key)));
        }
        for (row, key) in renamed {
            let after = ObjectRow { key, ..row.clone() };
            self.push(Some(StateRow::Object(row)), None);
            self.push(None, Some(StateRow::Object(after)));
        }
    }

    pub(super) fn node_removed(&mut self, node: &NodeAt) {
        let gone = |row: &&ObjectRow| {
            let is_node = matches!(
                row.key,
                ObjectKey::Folder(_) | ObjectKey::Playlist(_) | ObjectKey::Smart(_)
            );
            is_node && row.id == node.id.as_str()
        };
        if let Some(row) = self.state.objects.values().find(gone).cloned() {
            self.push(Some(StateRow::Object(row)), None);
        }
        if let Some(playlist) = &node.playlist {
            self.set_node(playlist, None);
        }
    }

    pub(super) fn tag_links(&mut self, before: &TagSet, after: &TagSet, done: Done<'_>) {
        let linked = || {
            let row = self.state.tracks.get(after.track.as_ref()?)?;
            row.content.clone()
        };
        let Some(content) = after.row.clone().or_else(linked) else {
            return;
        };
        let key =
            |tag: &TagName| ObjectKey::TagLink(tag.group.clone(), tag.tag.clone(), content.clone());
        for tag in &before.tags {
            self.object(key(tag), None);
        }
        if after.djs {
            return;
        }
        for tag in &after.tags {
            let id = done.tags.and_then(|tags| tags.get(tag));
            let links = done.staged.map(|staged| staged.links.as_slice());
            let mut links = links.unwrap_or_default().iter();
            if let Some((_, link)) = links.find(|(tag, _)| Some(tag) == id) {
                self.object(key(tag), Some(link));
            }
        }
    }

    pub(super) fn adopt(&mut self, adoption: &Adoption, stat: Option<FileStat>) {
        self.file(FileRow {
            path: adoption.path.clone(),
            role: FileRole::Track,
            provenance: adoption.provenance,
            track: Some(adoption.track.clone()),
            playlist: None,
            size: stat.map_or(0, |stat| stat.size),
            hash: None,
        });
        if adoption.further {
            return;
        }
        // Another row of the same file does not become ours with the first.
        let known = self.state.tracks.get(&adoption.track);
        let other = known
            .and_then(|row| row.content.as_ref())
            .is_some_and(|content| adoption.content.as_ref() != Some(content));
        self.track(&adoption.track, |row| {
            row.file = Some(adoption.path.clone());
            row.content = adoption.content.clone().or(row.content.take());
            row.home = adoption.home.clone().or(row.home.take());
        });
        if let Some(id) = &adoption.content
            && adoption.provenance.is_ours()
            && !other
        {
            let key = ObjectKey::Content(id.clone());
            let before = self.state.objects.get(&key).cloned();
            let after = ObjectRow {
                key,
                id: id.to_string(),
                provenance: adoption.provenance,
            };
            if before.is_none() {
                self.push(None, Some(StateRow::Object(after)));
            }
        }
    }

    pub(super) fn forget_playlist(&mut self, id: &PlaylistId) {
        if let Some(row) = self.state.playlists.get(id).cloned() {
            let mut after = row.clone();
            after.deleted_at = after.deleted_at.or(Some(self.now));
            for entry in &mut after.entries {
                entry.in_tidal = false;
            }
            let row = StateRow::Playlist(row);
            self.push(Some(row), Some(StateRow::Playlist(after)));
        }
    }

    /// Writes a playlist's entries as they are planned. `recording` also writes its name, folder and
    /// its tracks' metadata; it tells whether what has a content row counts as listed in Rekordbox,
    /// and which tracks have an action of their own for their metadata.
    pub(super) fn entries(
        &mut self,
        id: &PlaylistId,
        listed: bool,
        recording: Option<(bool, &BTreeSet<&TrackId>)>,
    ) {
        let Some(planned) = self.plan.body.playlists.get(id) else {
            return;
        };
        let mut seen_here = BTreeSet::new();
        for track in planned.entries.iter().filter(|id| seen_here.insert(*id)) {
            match recording {
                Some((_, updated)) if !updated.contains(track) => self.metadata(track),
                _ => {}
            }
            if !self.state.tracks.contains_key(track) && !self.has_changed(track) {
                self.track(track, |_| {});
            }
        }
        let before = self.state.playlists.get(id).cloned();
        let node = self.state.objects.get(&ObjectKey::Playlist(id.clone()));
        let node = node.map(|row| NodeId::new(row.id.as_str()));
        let mut after = before.clone().unwrap_or_else(|| PlaylistRow {
            id: id.clone(),
            name: planned.name.clone(),
            description: planned.description.clone(),
            folder: Some(planned.folder.clone()),
            node: None,
            provenance: Provenance::Tidal,
            created_at: self.now,
            last_synced_at: None,
            last_seen_in_tidal: self.seen(),
            deleted_at: None,
            entries: Vec::new(),
        });
        after.node = node.or(after.node);
        let in_rekordbox = match recording {
            None => listed,
            Some((known, _)) => known && after.node.is_some(),
        };
        let keep_flags = recording.is_some_and(|(known, _)| !known);
        after.entries = self.entry_rows(&planned.entries, &after.entries, in_rekordbox, keep_flags);
        if recording.is_some() {
            after.name.clone_from(&planned.name);
            after.description.clone_from(&planned.description);
            after.folder = Some(planned.folder.clone());
            after.deleted_at = None;
            after.last_synced_at = Some(self.now);
            after.last_seen_in_tidal = self.seen().or(after.last_seen_in_tidal);
        }
        self.push(
            before.map(StateRow::Playlist),
            Some(StateRow::Playlist(after)),
        );
    }

    pub(super) fn has_changed(&self, track: &TrackId) -> bool {
        let about = |change: &RowChange| matches!(&change.after, Some(StateRow::Track(row)) if row.track.id == *track);
        self.changes.iter().rev().take(1).any(about)
    }

    pub(super) fn entry_rows(
        &self,
        planned: &[TrackId],
        old: &[EntryRow],
        in_rekordbox: bool,
        keep_flags: bool,
    ) -> Vec<EntryRow> {
        let mut known: BTreeMap<&TrackId, VecDeque<&EntryRow>> = BTreeMap::new();
        for entry in old {
            known.entry(&entry.track).or_default().push_back(entry);
        }
        let row = |track: &TrackId| {
            let queue = known.get_mut(track);
            let old = queue.and_then(VecDeque::pop_front);
            let state = self.state.tracks.get(track);
            let has_content = state.is_some_and(|row| row.content.is_some());
            EntryRow {
                track: track.clone(),
                in_tidal: true,
                in_local: state.is_some_and(|row| row.file.is_some()),
                in_rekordbox: match keep_flags {
                    true => old.is_some_and(|old| old.in_rekordbox),
                    false => in_rekordbox && has_content,
                },
                added_at: old.map_or(Some(self.now), |old| old.added_at),
            }
        };
        planned.iter().map(row).collect()
    }
}

pub(super) fn path_of(node: &NodeAt) -> Vec<String> {
    let mut path = node.folder.clone();
    path.push(node.name.clone());
    path
}
