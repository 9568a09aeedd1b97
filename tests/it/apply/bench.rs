//! A small world on a bench, with a way to look at all of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicI64, Ordering},
};

use jiff::Timestamp;
use serde_json::Value;
use tidal_cleanup::{
    apply::{self, ApplyError, ApplyReport, Settings, Verification, Worlds},
    domain::{
        ApplyId, AudioFormat, Collection, CollectionEntry, CollectionPlaylist, Content, MediaPath,
        MyTag, NodeId, NodeKind, State, Track, state::ObjectKey,
    },
    edge::{
        download::{Downloader, memory::MemoryDownloader},
        local::{LocalLibrary, LocalReader as _, memory::MemoryLibrary},
        rekordbox::{IdSource, MemoryRekordbox, RekordboxLibrary, RekordboxReader as _},
        store::{ApplyStatus, MemoryStore, StateReader as _, StateStore},
    },
    plan::{
        Plan, canonical,
        document::{Base, Body, PlanMeta},
    },
    record::undo::undo_plan,
};

use super::{
    desk::Desk,
    mortal::{Death, Faults, Mortal},
};

/// A file: its bytes, time and mode.
pub(crate) type Dumped = (Vec<u8>, (i64, u32), u32);

/// A library that can be looked at whole; the program's own folder is left out.
pub(crate) trait Disk {
    fn tree(&self) -> (BTreeMap<MediaPath, Dumped>, BTreeSet<MediaPath>);
}

fn is_own(path: &MediaPath) -> bool {
    path.as_str().starts_with(".tidal-cleanup")
}

impl Disk for MemoryLibrary {
    fn tree(&self) -> (BTreeMap<MediaPath, Dumped>, BTreeSet<MediaPath>) {
        let files = self.files().into_iter().filter(|(path, _)| !is_own(path));
        let files = files.map(|(path, file)| (path, (file.bytes, file.mtime, file.mode)));
        let folders = self.folders().into_iter().filter(|path| !is_own(path));
        (files.collect(), folders.collect())
    }
}

pub(crate) struct Bench<L, R, D, S> {
    pub(crate) worlds: Worlds<Mortal<L>, Mortal<R>, Mortal<D>, Mortal<S>>,
    pub(crate) faults: Faults,
    pub(crate) clock: AtomicI64,
}

pub(crate) type MemoryBench = Bench<MemoryLibrary, MemoryRekordbox, MemoryDownloader, MemoryStore>;

pub(crate) fn settings() -> Settings {
    Settings {
        who: "test".to_owned(),
        ..Settings::default()
    }
}

/// The user's own: two files, a playlist with a track in it.
pub(crate) fn memory() -> MemoryBench {
    let library = MemoryLibrary::new("/music", "L", &[]);
    library.put(&"Own/song.flac".into(), b"own flac");
    library.put(&"Playlists/House/own.mp3".into(), b"own mp3");
    let downloader = MemoryDownloader::new(&library, AudioFormat::Flac);
    let rekordbox = MemoryRekordbox::new(&own_collection("/music"), IdSource::seeded(3));
    let mut state = State::default();
    state.meta.lineage = "one".to_owned();
    state.meta.library_id = Some("L".into());
    state.meta.schema_version = 1;
    Bench::new(
        library,
        rekordbox,
        downloader,
        MemoryStore::with_state(state),
    )
}

pub(crate) fn own_collection(root: &str) -> Collection {
    let mut collection = Collection::default();
    let content = Content {
        id: Some("77".into()),
        folder_path: format!("{root}/Own/song.flac"),
        title: "Own".into(),
        rating: 4,
        hot_cues: 3,
        ..Content::default()
    };
    collection.contents.insert("77".into(), Box::new(content));
    let list = CollectionPlaylist {
        id: "4711".into(),
        name: "Mine".to_owned(),
        parent: None,
        kind: NodeKind::List,
        seq: 1,
        entries: vec![CollectionEntry {
            id: "e0000000-0000-4000-8000-000000000001".into(),
            content: "77".into(),
        }],
        smart: None,
    };
    collection.nodes.insert(list.id.clone(), list);
    let group = MyTag {
        id: "1".into(),
        name: "Genre".to_owned(),
        group: None,
        seq: 1,
    };
    collection.my_tags.insert(group.id.clone(), group);
    collection
}

impl<L, R, D, S> Bench<L, R, D, S>
where
    L: LocalLibrary + Disk,
    R: RekordboxLibrary + Send + Sync,
    D: Downloader + Send,
    S: StateStore + Send + Sync,
{
    pub(crate) fn new(local: L, rekordbox: R, downloader: D, store: S) -> Self {
        let faults = Faults::default();
        Self {
            worlds: Worlds {
                local: Mortal::new(local, &faults),
                rekordbox: Some(Mortal::new(rekordbox, &faults)),
                downloader: Mortal::new(downloader, &faults),
                store: Mortal::new(store, &faults),
                tidal: None,
            },
            faults,
            clock: AtomicI64::new(1_800_000_000_000),
        }
    }

    pub(crate) async fn state(&self) -> State {
        self.worlds.store.state().await.unwrap()
    }

    pub(crate) async fn collection(&self) -> Collection {
        let rekordbox = self.worlds.rekordbox.as_ref().unwrap();
        rekordbox.read().await.unwrap().value
    }

    /// A plan that `write` puts together.
    pub(crate) async fn plan(
        &self,
        tracks: &[Track],
        playlists: &[(&str, tidal_cleanup::plan::document::PlannedPlaylist)],
        write: impl FnOnce(&mut Desk<'_, Mortal<L>>),
    ) -> Plan {
        let (state, collection) = (self.state().await, self.collection().await);
        let local = &self.worlds.local;
        let mut desk = Desk::new(local, &state, &collection, tracks, playlists);
        write(&mut desk);
        desk.seal()
    }

    fn now(&self) -> Timestamp {
        let at = self.clock.fetch_add(7, Ordering::Relaxed);
        Timestamp::from_millisecond(at).unwrap()
    }

    pub(crate) async fn verify(&self, plan: &Plan) -> Vec<apply::Violation> {
        let asked = Verification {
            policy: None,
            max_age: None,
            now: self.now(),
            tidal: None,
        };
        let worlds = &self.worlds;
        let rekordbox = worlds.rekordbox.as_ref();
        apply::verify(plan, &worlds.local, rekordbox, &worlds.store, &asked)
            .await
            .unwrap()
    }

    pub(crate) async fn apply(&mut self, plan: &Plan) -> Result<ApplyReport, ApplyError> {
        let clock = &self.clock;
        let now = || Timestamp::from_millisecond(clock.fetch_add(7, Ordering::Relaxed)).unwrap();
        let worlds = &mut self.worlds;
        apply::apply(plan, None, worlds, &settings(), &now, &mut |_| {}).await
    }

    pub(crate) async fn resume(&mut self, id: ApplyId) -> Result<ApplyReport, ApplyError> {
        let clock = &self.clock;
        let now = || Timestamp::from_millisecond(clock.fetch_add(7, Ordering::Relaxed)).unwrap();
        apply::resume(id, &mut self.worlds, &settings(), &now, &mut |_| {}).await
    }

    pub(crate) async fn close(&mut self, id: ApplyId) -> Result<ApplyReport, ApplyError> {
        let clock = &self.clock;
        let now = || Timestamp::from_millisecond(clock.fetch_add(7, Ordering::Relaxed)).unwrap();
        apply::close(id, &mut self.worlds, &settings(), &now, &mut |_| {}).await
    }

    /// Verifies and applies; everything must be done.
    pub(crate) async fn done(&mut self, plan: &Plan) -> ApplyId {
        assert_eq!(self.verify(plan).await, []);
        let report = self.apply(plan).await.unwrap();
        assert_eq!(report.status, ApplyStatus::Completed, "{report:#?}");
        report.apply
    }

    /// The plan that takes a run back.
    pub(crate) async fn undo_of(&self, id: ApplyId) -> Plan {
        let worlds = &self.worlds;
        let rekordbox = worlds.rekordbox.as_ref();
        let facts = apply::undo_facts(id, &worlds.local, rekordbox, &worlds.store)
            .await
            .unwrap();
        let applies = worlds.store.applies().await.unwrap();
        let row = applies.iter().find(|row| row.id == id).unwrap();
        let applied = apply::recorded_plan(id, &worlds.store).await.unwrap();
        let operations = worlds.store.operations(id).await.unwrap();
        let meta = worlds.store.meta().await.unwrap();
        let base = Base {
            library_id: meta.library_id,
            lineage: meta.lineage,
            serial: meta.serial,
            schema_version: meta.schema_version,
        };
        let body: Body = undo_plan(row, &applied, &operations, &facts, base);
        let plan = canonical::seal(body, PlanMeta::default());
        canonical::parse(canonical::to_json(&plan).as_bytes()).unwrap()
    }

    /// Ends an interrupted run and takes back what it did; a second death may come in between.
    pub(crate) async fn take_back(&mut self) -> Result<(), ApplyError> {
        let Some(row) = self.worlds.store.unfinished().await? else {
            return Ok(());
        };
        self.close(row.id).await?;
        let plan = self.undo_of(row.id).await;
        assert_eq!(plan.body.held, []);
        if plan.body.actions.is_empty() {
            return Ok(());
        }
        assert_eq!(self.verify(&plan).await, []);
        let report = self.apply(&plan).await?;
        assert_eq!(report.status, ApplyStatus::Completed, "{report:#?}");
        Ok(())
    }

    /// Every playlist entry points at a file that exists.
    pub(crate) async fn assert_fit_for_a_gig(&self) {
        let collection = self.collection().await;
        let roots = self.worlds.local.roots().to_vec();
        for node in collection.nodes.values() {
            for entry in &node.entries {
                let path = &collection.contents[&entry.content].folder_path;
                let root = roots[0].to_string_lossy().into_owned();
                let relative = path.strip_prefix(&root).unwrap().trim_start_matches('/');
                let there = self.worlds.local.stat(&relative.into()).unwrap();
                assert!(there.is_some(), "{path} of {} is missing", node.name);
            }
        }
    }

    /// Everything, exactly, but for counters.
    pub(crate) async fn exactly(&self) -> Exact {
        let mut collection = self.collection().await;
        collection.local_usn = 0;
        let mut state = self.state().await;
        state.meta.serial = 0;
        let (files, folders) = self.worlds.local.world.tree();
        Exact {
            files,
            folders,
            collection,
            state,
        }
    }

    /// Everything but what two runs may differ in: ids, times.
    pub(crate) async fn essence(&self) -> Essence {
        let (collection, state) = (self.collection().await, self.state().await);
        let (files, folders) = self.worlds.local.world.tree();
        Essence {
            files: files
                .into_iter()
                .map(|(path, file)| (path, file.0))
                .collect(),
            folders,
            collection: essence_of_collection(&collection),
            state: essence_of_state(&state, &collection),
        }
    }
}

#[derive(Debug, PartialEq)]
pub(crate) struct Exact {
    pub(crate) files: BTreeMap<MediaPath, Dumped>,
    pub(crate) folders: BTreeSet<MediaPath>,
    pub(crate) collection: Collection,
    pub(crate) state: State,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Essence {
    pub(crate) files: BTreeMap<MediaPath, Vec<u8>>,
    pub(crate) folders: BTreeSet<MediaPath>,
    pub(crate) collection: Vec<String>,
    pub(crate) state: Vec<String>,
}

fn path_of(collection: &Collection, id: &NodeId) -> String {
    // The DJ may have removed what we remember.
    let Some(node) = collection.nodes.get(id) else {
        return format!("{id} that is gone");
    };
    let parent = node.parent.as_ref();
    let above = parent.map(|parent| path_of(collection, parent));
    format!("{}/{}", above.unwrap_or_default(), node.name)
}

fn essence_of_collection(collection: &Collection) -> Vec<String> {
    let file = |id| collection.contents[id].folder_path.clone();
    let tag = |id| collection.my_tags[id].name.clone();
    let mut lines: Vec<String> = Vec::new();
    for row in collection.contents.values() {
        let mut tags: Vec<String> = row.my_tags.iter().map(tag).collect();
        tags.sort();
        lines.push(format!(
            "{} {} {:?} {:?} {:?} {} {} {tags:?}",
            row.folder_path, row.title, row.artist, row.album, row.year, row.rating, row.file_size
        ));
    }
    for (id, node) in &collection.nodes {
        let entries: Vec<String> = node.entries.iter().map(|e| file(&e.content)).collect();
        let path = path_of(collection, id);
        lines.push(format!("{path} {:?} {} {entries:?}", node.kind, node.seq));
    }
    let groups = collection.my_tags.values();
    lines.extend(groups.map(|tag| format!("{} {:?}", tag.name, tag.group)));
    lines.sort();
    lines
}

fn essence_of_state(state: &State, collection: &Collection) -> Vec<String> {
    let mut lines = Vec::new();
    let mut push = |value: Value| lines.push(timeless(value).to_string());
    for row in state.tracks.values() {
        let mut row = row.clone();
        row.content = row
            .content
            .map(|id| content_name(collection, id.as_str()).into());
        push(serde_json::to_value(row).unwrap());
    }
    for row in state.playlists.values() {
        let mut row = row.clone();
        row.node = row.node.map(|id| path_of(collection, &id).as_str().into());
        push(serde_json::to_value(row).unwrap());
    }
    for row in state.files.values() {
        push(serde_json::to_value(row).unwrap());
    }
    for row in state.objects.values() {
        let key = match &row.key {
            ObjectKey::Content(id) => content_name(collection, id.as_str()),
            ObjectKey::TagLink(group, tag, id) => {
                format!("{group} {tag} {}", content_name(collection, id.as_str()))
            }
            other => format!("{other:?}"),
        };
        push(Value::from(format!("{key} {:?}", row.provenance)));
    }
    lines.sort();
    lines
}

fn content_name(collection: &Collection, id: &str) -> String {
    let row = collection.contents.get(&id.into());
    row.map_or_else(
        || format!("{id} that is gone"),
        |row| row.folder_path.clone(),
    )
}

fn timeless(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| {
                let is_time = key.ends_with("_at") || key == "last_seen_in_tidal";
                let value = match is_time {
                    true => Value::from("some time"),
                    false => timeless(value),
                };
                (key, value)
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(timeless).collect(),
        other => other,
    }
}

/// Every death of a run, until it ends alive.
pub(crate) fn deaths() -> impl Iterator<Item = [Death; 2]> {
    (1..).map(|n| [Death::Before(n), Death::After(n)])
}
