//! What a completed action changes in the state. Pure: rows in, row changes out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;

use super::{FileImage, Outcome};
use crate::{
    domain::{
        ContentId, FileStat, MediaPath, MyTagId, NodeId, NodeKind, PlaylistId, Provenance, State,
        Track, TrackId,
        state::{
            EntryRow, FileRole, FileRow, ObjectKey, ObjectRow, PlaylistRow, RowChange, StateRow,
            TrackRow,
        },
    },
    edge::rekordbox::Staged,
    plan::document::{
        Action, Adoption, Effect, Forgotten, Link, LinkForm, Mode, NewNode, NodeAt, Plan, TagName,
        TagSet,
    },
};

/// Turns what was done into rows. Made once for a plan.
#[derive(Debug)]
pub struct Ledger<'a> {
    plan: &'a Plan,
    /// Tracks whose metadata is recorded by their own action, and only if that succeeds.
    updated: BTreeSet<&'a TrackId>,
    /// Playlists whose presence in Rekordbox is recorded by their own action.
    listed: BTreeSet<&'a PlaylistId>,
}

/// What was done, with the facts that the rows need.
#[derive(Clone, Copy, Debug)]
pub struct Done<'a> {
    /// From the post-image.
    pub outcome: &'a Outcome,
    /// Ids that Rekordbox rows got.
    pub staged: Option<&'a Staged>,
    /// The MyTags that are there, ours and the DJ's, by group and name.
    pub tags: Option<&'a BTreeMap<TagName, MyTagId>>,
    /// Of the adopted file.
    pub stat: Option<FileStat>,
    /// When; becomes the rows' timestamps.
    pub now: Timestamp,
}

/// A row is not as the journal left it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is recorded of {0} changed since")]
pub struct RowConflict(pub String);

impl<'a> Ledger<'a> {
    /// The ledger of a run over `actions` of `plan`.
    #[must_use]
    pub fn new(plan: &'a Plan, actions: &[&'a Action]) -> Self {
        let mut ledger = Self {
            plan,
            updated: BTreeSet::new(),
            listed: BTreeSet::new(),
        };
        for action in actions {
            match &action.effect {
                Effect::ContentUpdate { after, .. } => drop(ledger.updated.insert(&after.track)),
                Effect::EntriesSet { after, .. } => drop(ledger.listed.insert(&after.playlist)),
                _ => {}
            }
        }
        ledger
    }

    /// The rows that `action`, done so, changes in `state`, in order. In an undo only
    /// `state.restore` changes rows, by [`reversal`].
    #[must_use]
    pub fn changes(&self, action: &Action, done: Done<'_>, state: &State) -> Vec<RowChange> {
        if self.plan.body.mode == Mode::Undo {
            return Vec::new();
        }
        let mut draft = Draft {
            state,
            plan: self.plan,
            now: done.now,
            changes: Vec::new(),
        };
        self.write(&mut draft, action, done);
        draft.changes
    }

    fn write(&self, draft: &mut Draft<'_>, action: &Action, done: Done<'_>) {
        let file = match done.outcome {
            Outcome::File(made) => Some(&made.file),
            _ => None,
        };
        match &action.effect {
            Effect::FileFetch { after } => {
                if let Some(file) = file {
                    draft.deliver(&after.track, &after.home, file);
                }
            }
            Effect::FileConvert { after } => {
                if let Some(file) = file {
                    draft.deliver(&after.track, &after.home, file);
                }
            }
            Effect::FilePlace { after, .. } => {
                if let Outcome::Placed { from, to, .. } = done.outcome {
                    draft.placed(from, to, after.home.as_ref());
                }
            }
            Effect::FileLink { after, .. } => {
                if let Some(file) = file {
                    draft.linked(after, file);
                }
            }
            Effect::FileTrash { before } => draft.forget_file(&before.path),
            Effect::ContentAdd { after } => {
                if let Some(id) = done.staged.and_then(|staged| staged.content.as_ref()) {
                    draft.content(&after.track, id);
                }
            }
            Effect::ContentRelocate { before, .. } => {
                draft.track(&before.track, |row| {
                    row.content = Some(before.content.clone());
                });
            }
            Effect::ContentUpdate { after, .. } => draft.metadata(&after.track),
            Effect::NodeCreate { after } => {
                if let Some(id) = done.staged.and_then(|staged| staged.node.as_ref()) {
                    draft.node_made(after, id);
                }
            }
            Effect::NodeUpdate { before, after } => draft.node_moved(before, after),
            Effect::NodeRemove { before } => draft.node_removed(before),
            Effect::EntriesSet { after, .. } => draft.entries(&after.playlist, true, None),
            Effect::MyTagCreate { after } => {
                if let Some(id) = done.staged.and_then(|staged| staged.tag.as_ref()) {
                    let key = ObjectKey::Tag(after.group.clone(), after.tag.clone());
                    draft.object(key, Some(id.as_str()));
                }
            }
            Effect::MyTagSet { before, after } => draft.tag_links(before, after, done),
            Effect::StateAdopt { after } => draft.adopt(after, done.stat),
            Effect::StateRecord { after } => {
                let known = !self.listed.contains(&after.playlist);
                draft.entries(&after.playlist, false, Some((known, &self.updated)));
            }
            Effect::StateForget { before } => match before {
                Forgotten::Playlist(id) => draft.forget_playlist(id),
                Forgotten::File(path) => draft.forget_file(path),
            },
            Effect::FileRestore { .. }
            | Effect::EntriesMerge { .. }
            | Effect::RowsRestore { .. }
            | Effect::StateRestore { .. }
            | Effect::TidalEntryRemove { .. }
            | Effect::TidalEntryRestore { .. } => {}
        }
    }
}

/// The changes that take `rows` back, provided that the state still is as they left it.
/// `moved` tells files that came back under another name than they had.
///
/// # Errors
/// When a row was changed by somebody else since.
pub fn reversal(
    rows: &[RowChange],
    state: &State,
    moved: &BTreeMap<MediaPath, MediaPath>,
) -> Result<Vec<RowChange>, RowConflict> {
    let mut now = Overlay::new(state);
    let mut changes = Vec::with_capacity(rows.len());
    for row in rows.iter().rev().cloned() {
        let mut back = row.reversed();
        let key = back.before.as_ref().or(back.after.as_ref());
        let Some(key) = key.map(key_of) else {
            continue;
        };
        let present = now.get(&key);
        if !alike(present.as_ref(), back.before.as_ref()) {
            return Err(RowConflict(name_of(&key)));
        }
        // What stands there now, not what was written: times of reading may have advanced.
        back.before = present;
        if let Some(after) = &mut back.after {
            rename(after, moved);
        }
        now.set(key, back.after.clone());
        changes.push(back);
    }
    Ok(changes)
}

/// Which row a change is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Track(TrackId),
    Playlist(PlaylistId),
    File(MediaPath),
    Object(ObjectKey),
}

/// The state with some rows changed.
struct Overlay<'a> {
    state: &'a State,
    rows: BTreeMap<Key, Option<StateRow>>,
}

impl<'a> Overlay<'a> {
    const fn new(state: &'a State) -> Self {
        Self {
            state,
            rows: BTreeMap::new(),
        }
    }

    fn get(&self, key: &Key) -> Option<StateRow> {
        if let Some(row) = self.rows.get(key) {
            return row.clone();
        }
        let state = self.state;
        match key {
            Key::Track(id) => {
                let row = state.tracks.get(id).cloned();
                row.map(|row| StateRow::Track(Box::new(row)))
            }
            Key::Playlist(id) => state.playlists.get(id).cloned().map(StateRow::Playlist),
            Key::File(path) => state.files.get(path).cloned().map(StateRow::File),
            Key::Object(key) => state.objects.get(key).cloned().map(StateRow::Object),
        }
    }

    fn set(&mut self, key: Key, row: Option<StateRow>) {
        self.rows.insert(key, row);
    }
}

fn key_of(row: &StateRow) -> Key {
    match row {
        StateRow::Track(row) => Key::Track(row.track.id.clone()),
        StateRow::Playlist(row) => Key::Playlist(row.id.clone()),
        StateRow::File(row) => Key::File(row.path.clone()),
        StateRow::Object(row) => Key::Object(row.key.clone()),
    }
}

fn name_of(key: &Key) -> String {
    match key {
        Key::Track(id) => format!("track {id}"),
        Key::Playlist(id) => format!("playlist {id}"),
        Key::File(path) => path.to_string(),
        Key::Object(key) => format!("{key:?}"),
    }
}

/// Equal but for the times at which TIDAL was read and an apply completed.
fn alike(a: Option<&StateRow>, b: Option<&StateRow>) -> bool {
    let timeless = |row: Option<&StateRow>| {
        let mut row = row.cloned();
        match &mut row {
            Some(StateRow::Track(row)) => row.last_seen_in_tidal = None,
            Some(StateRow::Playlist(row)) => {
                row.last_seen_in_tidal = None;
                row.last_synced_at = None;
            }
            Some(StateRow::File(_) | StateRow::Object(_)) | None => {}
        }
        row
    };
    timeless(a) == timeless(b)
}

fn rename(row: &mut StateRow, moved: &BTreeMap<MediaPath, MediaPath>) {
    let follow = |path: &mut MediaPath| {
        if let Some(now) = moved.get(path) {
            path.clone_from(now);
        }
    };
    match row {
        StateRow::Track(row) => row.file.iter_mut().for_each(follow),
        StateRow::File(row) => follow(&mut row.path),
        StateRow::Playlist(_) | StateRow::Object(_) => {}
    }
}

/// Changes in the making. Each row is changed at most once by an action.
struct Draft<'a> {
    state: &'a State,
    plan: &'a Plan,
    now: Timestamp,
    changes: Vec<RowChange>,
}

impl Draft<'_> {
    fn push(&mut self, before: Option<StateRow>, after: Option<StateRow>) {
        if before != after {
            self.changes.push(RowChange { before, after });
        }
    }

    /// When TIDAL was read, if that reading was complete.
    fn seen(&self) -> Option<Timestamp> {
        let body = &self.plan.body;
        let read = self.plan.meta.tidal_taken_at.unwrap_or(self.now);
        body.complete.then_some(read)
    }

    fn track(&mut self, id: &TrackId, change: impl FnOnce(&mut TrackRow)) {
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

    fn planned_track(&self, id: &TrackId) -> Track {
        let planned = self.plan.body.tracks.get(id).cloned();
        planned.unwrap_or_else(|| Track {
            id: id.clone(),
            title: String::new(),
            version: None,
            artists: Vec::new(),
            album: None,
            isrc: None,
            duration_s: None,
            explicit: None,
            release_date: None,
            media_tags: Vec::new(),
            streamable: None,
        })
    }

    fn metadata(&mut self, id: &TrackId) {
        let Some(track) = self.plan.body.tracks.get(id).cloned() else {
            return;
        };
        let seen = self.seen();
        self.track(id, |row| {
            if row.track != track {
                row.last_seen_in_tidal = seen.or(row.last_seen_in_tidal);
                row.track = track;
            }
        });
    }

    fn file(&mut self, row: FileRow) {
        let before = self.state.files.get(&row.path).cloned().map(StateRow::File);
        self.push(before, Some(StateRow::File(row)));
    }

    fn object(&mut self, key: ObjectKey, id: Option<&str>) {
        let before = self.state.objects.get(&key).cloned();
        let after = id.map(|id| ObjectRow {
            key,
            id: id.to_owned(),
            provenance: Provenance::Tidal,
        });
        self.push(before.map(StateRow::Object), after.map(StateRow::Object));
    }

    fn deliver(&mut self, track: &TrackId, home: &PlaylistId, file: &FileImage) {
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

    fn placed(&mut self, from: &MediaPath, to: &MediaPath, home: Option<&PlaylistId>) {
        let Some(row) = self.state.files.get(from).cloned() else {
            return;
        };
        let moved = FileRow {
            path: to.clone(),
            ..row.clone()
        };
        self.push(Some(StateRow::File(row.clone())), None);
        self.file(moved);
        let track = row.track.filter(|track| {
            let known = self.state.tracks.get(track);
            known.is_some_and(|track| track.file.as_ref() == Some(from))
        });
        if let Some(track) = track {
            self.track(&track, |row| {
                row.file = Some(to.clone());
                row.home = home.cloned().or(row.home.take());
            });
        }
    }

    fn linked(&mut self, link: &Link, file: &FileImage) {
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

    fn forget_file(&mut self, path: &MediaPath) {
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

    fn content(&mut self, track: &TrackId, id: &ContentId) {
        self.track(track, |row| row.content = Some(id.clone()));
        self.object(ObjectKey::Content(id.clone()), Some(id.as_str()));
    }

    fn node_made(&mut self, node: &NewNode, id: &NodeId) {
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

    fn set_node(&mut self, playlist: &PlaylistId, node: Option<NodeId>) {
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
    fn node_moved(&mut self, before: &NodeAt, after: &NodeAt) {
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

    fn node_removed(&mut self, node: &NodeAt) {
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

    fn tag_links(&mut self, before: &TagSet, after: &TagSet, done: Done<'_>) {
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

    fn adopt(&mut self, adoption: &Adoption, stat: Option<FileStat>) {
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

    fn forget_playlist(&mut self, id: &PlaylistId) {
        if let Some(row) = self.state.playlists.get(id).cloned() {
            let mut after = row.clone();
            after.deleted_at = Some(self.now);
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
    fn entries(
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

    fn has_changed(&self, track: &TrackId) -> bool {
        let about = |change: &RowChange| matches!(&change.after, Some(StateRow::Track(row)) if row.track.id == *track);
        self.changes.iter().rev().take(1).any(about)
    }

    fn entry_rows(
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

fn path_of(node: &NodeAt) -> Vec<String> {
    let mut path = node.folder.clone();
    path.push(node.name.clone());
    path
}

#[cfg(test)]
mod tests;
