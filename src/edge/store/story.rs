//! One story that every store tells alike: whatever a store returns goes into a transcript, and the
//! transcripts are compared. Along the way the state is compared with the plain value that went
//! through [`State::apply`].

use std::{fmt::Debug, sync::Arc};

use jiff::Timestamp;
use serde_json::json;

use super::{
    ApplyStatus, Approval, HistoryFilter, Intent, MemoryStore, NewApply, NewOperation, NewSnapshot,
    OperationStatus, PostgresStore, Settlement, SqliteStore, StateReader as _, StateStore,
    StoreError, StoreOptions,
    postgres::tests::{options as on_server, server::Server},
};
use crate::domain::{
    ApplyId, ContentHash, ContentId, Isrc, LibraryId, MediaPath, NodeId, PlaylistId, Provenance,
    State, Track, TrackId,
    state::{
        EntryRow, FileRole, FileRow, ObjectKey, ObjectRow, PlaylistRow, RowChange, StateRow,
        TrackRow,
    },
};

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_763_800_000 + second).unwrap()
}

pub(super) fn new_apply(mode: &str, undoes: Option<ApplyId>) -> NewApply {
    NewApply {
        mode: mode.to_owned(),
        digest: format!("sha256:{mode}"),
        policy_sha256: "0f".to_owned(),
        who: "dj".to_owned(),
        undoes,
        plan: format!("{{\"mode\":\"{mode}\",\"ä\":\"🎧\"}}"),
    }
}

pub(super) fn operation(seq: i64) -> NewOperation {
    NewOperation {
        seq,
        action_id: format!("a_{seq:016x}").into(),
        kind: "file.fetch".to_owned(),
        operation_type: "download",
        action: "add",
        source: "tidal",
        target: "local",
        playlist: Some(if seq % 2 == 0 { "p1" } else { "p2" }.to_owned()),
        track: (seq != 3).then(|| format!("t{seq}")),
        change_type: (seq != 2).then(|| "TRACK_ADDED_TO_PLAYLIST".to_owned()),
        rule: "default".to_owned(),
        label: format!("Kiasmos – Looped {seq}"),
    }
}

pub(super) fn intent(seq: i64) -> Intent {
    Intent {
        seq,
        pre_image: json!({"path": "a/b.flac", "seq": seq, "list": [1, null, "ü"]}),
    }
}

pub(super) fn settled(seq: i64, status: OperationStatus, rows: Vec<RowChange>) -> Settlement {
    let failed = status == OperationStatus::Failed;
    Settlement {
        seq,
        status,
        pre_image: None,
        post_image: (!failed).then(|| json!({"done": seq})),
        trash_path: (seq == 1).then(|| "trash/1/a.mp3".to_owned()),
        error_message: failed.then(|| "exit status 3".to_owned()),
        rows,
    }
}

pub(super) fn track(id: &str) -> TrackRow {
    TrackRow {
        track: Arc::new(Track {
            id: id.into(),
            title: format!("Title of {id} 'quoted' \"twice\""),
            version: Some("Dub Mix".to_owned()),
            artists: vec!["Ke$ha".to_owned(), "Røyksopp, Robyn".to_owned()],
            album: Some("Northern Orchid".to_owned()),
            isrc: Isrc::parse("US4XK8800106"),
            duration_s: Some(236),
            explicit: Some(false),
            release_date: Some("1999-05".to_owned()),
            media_tags: vec!["LOSSLESS".to_owned()],
            streamable: Some(true),
        }),
        file: Some(MediaPath::new(format!("House 🇮🇹/{id}.flac"))),
        content: Some(ContentId::new("268435455")),
        home: Some("p1".into()),
        last_seen_in_tidal: Some(at(0)),
    }
}

pub(super) fn bare_track(id: &str) -> TrackRow {
    TrackRow {
        track: Arc::new(Track::bare(id.into())),
        file: None,
        content: None,
        home: None,
        last_seen_in_tidal: None,
    }
}

pub(super) fn playlist(id: &str, tracks: &[&str]) -> PlaylistRow {
    let entry = |(place, track): (usize, &&str)| EntryRow {
        track: (*track).into(),
        in_tidal: true,
        in_local: place % 2 == 0,
        in_rekordbox: place % 3 == 0,
        added_at: (place % 2 == 1).then(|| at(-500)),
    };
    PlaylistRow {
        id: id.into(),
        name: format!("House Italo R 🇮🇹 {id}"),
        description: String::new(),
        folder: Some(MediaPath::new("House Italo R 🇮🇹")),
        node: Some(NodeId::new("4711")),
        provenance: Provenance::Tidal,
        created_at: at(1),
        last_synced_at: Some(at(2)),
        last_seen_in_tidal: None,
        deleted_at: None,
        entries: tracks.iter().enumerate().map(entry).collect(),
    }
}

pub(super) fn file(path: &str, track: Option<&str>) -> FileRow {
    FileRow {
        path: path.into(),
        role: track.map_or(FileRole::Playlist, |_| FileRole::Track),
        provenance: Provenance::Adopted,
        track: track.map(TrackId::new),
        playlist: track.is_none().then(|| PlaylistId::new("p1")),
        size: 38_211_002,
        hash: track.map(|track| ContentHash::of(track.as_bytes())),
    }
}

pub(super) fn made(row: StateRow) -> RowChange {
    RowChange {
        before: None,
        after: Some(row),
    }
}

fn became(before: StateRow, after: StateRow) -> RowChange {
    RowChange {
        before: Some(before),
        after: Some(after),
    }
}

fn objects() -> Vec<RowChange> {
    let folder = vec!["TIDAL".to_owned(), "Hauſe \"🎹\"".to_owned()];
    let tag = ("Genre".to_owned(), "House".to_owned());
    let content = ContentId::new("7");
    [
        ObjectKey::Folder(folder.clone()),
        ObjectKey::Playlist("p1".into()),
        ObjectKey::Smart(folder),
        ObjectKey::Tag(tag.0.clone(), tag.1.clone()),
        ObjectKey::TagLink(tag.0, tag.1, content.clone()),
        ObjectKey::Content(content),
    ]
    .into_iter()
    .zip(1..)
    .map(|(key, id)| {
        made(StateRow::Object(ObjectRow {
            key,
            id: id.to_string(),
            provenance: Provenance::Tidal,
        }))
    })
    .collect()
}

/// What every store returned, and the state as a plain value.
struct Told {
    lines: Vec<String>,
    model: State,
}

impl Told {
    fn add(&mut self, what: &str, value: &impl Debug) {
        self.lines.push(format!("{what}: {value:#?}"));
    }

    /// Runs one whole apply of one operation that makes `rows`.
    async fn apply_rows<S: StateStore>(&mut self, store: &mut S, rows: Vec<RowChange>, now: i64) {
        let apply = new_apply("normal", None);
        let id = store.begin_apply(apply, &[operation(0)], at(now)).await;
        let id = id.unwrap();
        store.intend(id, &[intent(0)], at(now)).await.unwrap();
        self.model.apply(&rows);
        let settlement = settled(0, OperationStatus::Completed, rows);
        store.settle(id, &[settlement], at(now)).await.unwrap();
        let status = ApplyStatus::Completed;
        store.finish_apply(id, status, at(now)).await.unwrap();
        self.model.meta.serial += 1;
        self.compare(store).await;
    }

    async fn compare<S: StateStore>(&mut self, store: &S) {
        let state = store.state().await.unwrap();
        assert_eq!(state, self.model);
        assert_eq!(store.meta().await.unwrap(), self.model.meta);
        self.add("statistics", &store.statistics().await.unwrap());
        self.add("check", &store.check().await.unwrap());
        for id in ["p1", "p2", "nobody"] {
            let recent = store.recent_changes(&id.into(), 12).await.unwrap();
            self.add("recent changes", &recent);
        }
    }

    async fn journal<S: StateStore>(&mut self, store: &S) {
        self.add("applies", &store.applies().await.unwrap());
        self.add("unfinished", &store.unfinished().await.unwrap());
        for id in 0..5 {
            let id = ApplyId(id);
            self.add("operations", &store.operations(id).await.unwrap());
            self.add("plan", &store.applied_plan(id).await.unwrap());
        }
        for (playlist, track, apply, limit) in [
            (None, None, None, 100),
            (None, None, None, 3),
            (Some("p1"), None, None, 100),
            (Some("p1"), Some("t2"), None, 100),
            (None, Some("t1"), Some(ApplyId(1)), 100),
            (None, Some("nothing"), None, 100),
        ] {
            let filter = HistoryFilter {
                apply,
                playlist: playlist.map(PlaylistId::new),
                track: track.map(TrackId::new),
                limit,
            };
            self.add("history", &store.history(&filter).await.unwrap());
        }
    }
}

/// The story. `first` and `second` are two handles on one new store.
pub(super) async fn tell<S: StateStore>(mut first: S, mut second: S) -> Vec<String> {
    let model = first.state().await.unwrap();
    let lines = Vec::new();
    let mut told = Told { lines, model };
    told.compare(&first).await;
    libraries(&mut told, &mut first, &second).await;
    snapshots(&mut told, &mut first).await;
    rows(&mut told, &mut first).await;
    entries(&mut told, &mut first).await;
    runs(&mut told, &mut first).await;
    protocol(&mut told, &mut first).await;
    fencing(&mut told, &mut first, &mut second).await;
    undoing(&mut told, &mut second).await;
    approvals(&mut told, &mut first, &second).await;
    told.journal(&first).await;
    told.compare(&first).await;
    told.lines
}

async fn libraries<S: StateStore>(told: &mut Told, first: &mut S, second: &S) {
    let (ours, other) = (LibraryId::new("0c8e"), LibraryId::new("ffff"));
    first.set_library(&ours).await.unwrap();
    first.set_library(&ours).await.unwrap();
    let refused = first.set_library(&other).await.unwrap_err();
    assert!(matches!(refused, StoreError::OtherLibrary { .. }));
    told.model.meta.library_id = Some(ours);
    told.compare(second).await;
}

async fn snapshots<S: StateStore>(told: &mut Told, store: &mut S) {
    assert_eq!(store.last_reading().await.unwrap(), None);
    for (number, complete) in (0..9).map(|number| (number, number == 1)) {
        let data = format!("{{\"taken\":{number},\"name\":\"🎧\"}}");
        for kind in ["tidal", "local"] {
            let snapshot = NewSnapshot {
                kind,
                data: &data,
                playlist_count: number,
                track_count: 2 * number,
                complete,
                at: at(number),
            };
            store.save_snapshot(snapshot).await.unwrap();
        }
    }
    let reading = store.last_reading().await.unwrap().unwrap();
    assert!(reading.starts_with("{\"taken\":1"), "{reading}");
    for kind in ["tidal", "local", "rekordbox"] {
        told.add("snapshot", &store.last_snapshot(kind).await.unwrap());
    }
    told.add("statistics", &store.statistics().await.unwrap());
}

/// Every kind of row is made, changed, taken away and revived.
async fn rows<S: StateStore>(told: &mut Told, store: &mut S) {
    let mut rows = objects();
    rows.extend(["t1", "t2"].map(|id| made(StateRow::Track(Box::new(track(id))))));
    rows.push(made(StateRow::Track(Box::new(bare_track("t3")))));
    rows.push(made(StateRow::File(file("House 🇮🇹/t1.flac", Some("t1")))));
    rows.push(made(StateRow::File(file("//b64:/w", None))));
    let lists = [&["t1", "t2", "t1"][..], &["t3", "withheld"]];
    let [p1, p2] = [playlist("p1", lists[0]), playlist("p2", lists[1])];
    rows.push(made(StateRow::Playlist(p1.clone())));
    rows.push(made(StateRow::Playlist(p2.clone())));
    told.apply_rows(store, rows.clone(), 10).await;

    let moved = file("Elsewhere/t1.flac", Some("t1"));
    let mut elsewhere = track("t1");
    elsewhere.file = Some(moved.path.clone());
    let mut gone = p2.clone();
    gone.deleted_at = Some(at(11));
    gone.name = "e\u{301}t\u{e9}".to_owned();
    let changes = vec![
        became(
            StateRow::File(file("House 🇮🇹/t1.flac", Some("t1"))),
            StateRow::File(moved),
        ),
        became(
            StateRow::Track(Box::new(track("t1"))),
            StateRow::Track(Box::new(elsewhere)),
        ),
        became(StateRow::Playlist(p2), StateRow::Playlist(gone)),
    ];
    told.apply_rows(store, changes.clone(), 11).await;
    for name in ["\u{e9}te\u{301}", "p1", "House Italo R 🇮🇹 p1", "nobody"] {
        told.add("by name", &store.playlists_by_name(name).await.unwrap());
    }
    told.add("names", &store.playlist_names().await.unwrap());

    let reversed = |changes: Vec<RowChange>| changes.into_iter().rev().map(RowChange::reversed);
    told.apply_rows(store, reversed(changes).collect(), 12)
        .await;
    told.apply_rows(store, reversed(rows.clone()).collect(), 13)
        .await;
    assert!(told.model.tracks.is_empty() && told.model.playlists.is_empty());
    told.add("by name", &store.playlists_by_name("p1").await.unwrap());
    told.apply_rows(store, rows, 14).await;
}

/// A playlist's entries change in every way; the numbers are arbitrary but always the same.
async fn entries<S: StateStore>(told: &mut Told, store: &mut S) {
    let mut random: u32 = 7;
    let mut next = |below: u32| {
        random = random.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        (random >> 16) % below
    };
    for round in 0..25 {
        let names = ["t1", "t2", "t3", "t4", "withheld"];
        let list: Vec<&str> = (0..next(9)).map(|_| names[next(5) as usize]).collect();
        let id = if next(3) == 0 { "p2" } else { "p1" };
        let before = told.model.playlists[&PlaylistId::new(id)].clone();
        let mut after = playlist(id, &list);
        for entry in &mut after.entries {
            entry.in_tidal = next(6) > 0;
        }
        let change = became(StateRow::Playlist(before), StateRow::Playlist(after));
        told.apply_rows(store, vec![change], 20 + round).await;
    }
}

/// A run that fails in part, is resumed and completed.
async fn runs<S: StateStore>(told: &mut Told, store: &mut S) {
    use OperationStatus::{Completed, Failed, Pending, Skipped};
    let operations: Vec<NewOperation> = (0..5).map(operation).collect();
    let id = store.begin_apply(new_apply("normal", None), &operations, at(100));
    let id = id.await.unwrap();
    told.journal(store).await;
    let intents: Vec<Intent> = (0..4).map(intent).collect();
    store.intend(id, &intents, at(101)).await.unwrap();
    told.add("running", &store.unfinished().await.unwrap());
    let outcomes = [
        settled(0, Completed, vec![]),
        settled(1, Failed, vec![]),
        settled(2, Pending, vec![]),
        settled(3, Completed, vec![]),
        settled(4, Skipped, vec![]),
    ];
    store.settle(id, &outcomes, at(102)).await.unwrap();
    store
        .finish_apply(id, ApplyStatus::Partial, at(103))
        .await
        .unwrap();
    told.model.meta.serial += 1;
    told.journal(store).await;

    store.resume_apply(id, at(104)).await.unwrap();
    told.add("resumed", &store.unfinished().await.unwrap());
    let rest = [intent(1), intent(2), intent(4)];
    store.intend(id, &rest, at(105)).await.unwrap();
    let rest = [1, 2, 4].map(|seq| settled(seq, Completed, vec![]));
    store.settle(id, &rest, at(106)).await.unwrap();
    store
        .finish_apply(id, ApplyStatus::Completed, at(107))
        .await
        .unwrap();
    told.model.meta.serial += 1;
    told.journal(store).await;
}

/// What breaks the protocol is refused, and leaves nothing behind.
async fn protocol<S: StateStore>(told: &mut Told, store: &mut S) {
    use OperationStatus::{Completed, Running, Skipped};
    let refused = |result: Result<(), StoreError>| result.unwrap_err().to_string();
    let mut strange = operation(0);
    strange.target = "moon";
    for odd in [operation(1), strange] {
        let begun = store
            .begin_apply(new_apply("normal", None), &[odd], at(200))
            .await;
        told.add("not well formed", &begun.unwrap_err().to_string());
    }

    let operations = [operation(0), operation(1)];
    let id = store.begin_apply(new_apply("normal", None), &operations, at(200));
    let id = id.await.unwrap();
    let again = store
        .begin_apply(new_apply("normal", None), &[], at(200))
        .await;
    assert!(matches!(again, Err(StoreError::Unfinished(run)) if run == id));
    let other = store.resume_apply(ApplyId(1), at(200)).await;
    assert!(matches!(other, Err(StoreError::Unfinished(run)) if run == id));
    let nobody = store.intend(ApplyId(99), &[], at(200)).await;
    assert!(matches!(nobody, Err(StoreError::NoSuchApply(ApplyId(99)))));

    let row = made(StateRow::Track(Box::new(track("never"))));
    let both = [intent(0), intent(7)];
    told.add("no such", &refused(store.intend(id, &both, at(201)).await));
    let early = [
        settled(0, Skipped, vec![row]),
        settled(1, Completed, vec![]),
    ];
    told.add("early", &refused(store.settle(id, &early, at(201)).await));
    let odd = [settled(0, Running, vec![])];
    told.add("odd", &refused(store.settle(id, &odd, at(201)).await));
    told.add("nothing written", &store.operations(id).await.unwrap());

    store.intend(id, &[intent(0)], at(202)).await.unwrap();
    for status in [
        ApplyStatus::Completed,
        ApplyStatus::Partial,
        ApplyStatus::Running,
    ] {
        let result = store.finish_apply(id, status, at(203)).await;
        told.add("unsettled", &refused(result));
    }
    let done = [settled(0, Completed, vec![])];
    store.settle(id, &done, at(204)).await.unwrap();
    told.add("twice", &refused(store.settle(id, &done, at(204)).await));
    told.add(
        "again",
        &refused(store.intend(id, &[intent(0)], at(204)).await),
    );
    store
        .finish_apply(id, ApplyStatus::Partial, at(205))
        .await
        .unwrap();
    told.model.meta.serial += 1;
    told.add(
        "closed",
        &refused(store.intend(id, &[intent(1)], at(206)).await),
    );
    told.add(
        "completed",
        &refused(store.resume_apply(ApplyId(1), at(206)).await),
    );
    told.compare(store).await;
}

/// Who is overtaken writes nothing more.
async fn fencing<S: StateStore>(told: &mut Told, first: &mut S, second: &mut S) {
    let fenced = |result: Result<(), StoreError>| {
        assert!(matches!(result, Err(StoreError::Fenced)), "{result:?}");
    };
    let id = first
        .begin_apply(new_apply("normal", None), &[operation(0)], at(300))
        .await
        .unwrap();
    fenced(second.intend(id, &[intent(0)], at(300)).await);
    first.intend(id, &[intent(0)], at(301)).await.unwrap();
    second.resume_apply(id, at(302)).await.unwrap();
    let row = made(StateRow::Track(Box::new(track("never"))));
    let done = [settled(0, OperationStatus::Completed, vec![row])];
    fenced(first.intend(id, &[intent(0)], at(303)).await);
    fenced(first.settle(id, &done, at(303)).await);
    fenced(first.finish_apply(id, ApplyStatus::Partial, at(303)).await);
    let snapshot = NewSnapshot {
        kind: "local",
        data: "{}",
        playlist_count: 0,
        track_count: 0,
        complete: true,
        at: at(303),
    };
    fenced(first.save_snapshot(snapshot).await);
    let done = [settled(0, OperationStatus::Completed, vec![])];
    second.settle(id, &done, at(304)).await.unwrap();
    second
        .finish_apply(id, ApplyStatus::Completed, at(305))
        .await
        .unwrap();
    told.model.meta.serial += 1;
    told.compare(first).await;
}

/// An undo takes a run back, a redo the undo.
async fn undoing<S: StateStore>(told: &mut Told, store: &mut S) {
    let mut last = store.applies().await.unwrap()[0].id;
    for now in [400, 401, 402] {
        let id = store
            .begin_apply(new_apply("undo", Some(last)), &[], at(now))
            .await;
        let id = id.unwrap();
        store
            .finish_apply(id, ApplyStatus::Completed, at(now))
            .await
            .unwrap();
        told.model.meta.serial += 1;
        let statuses: Vec<_> = store.applies().await.unwrap();
        let statuses: Vec<_> = statuses.iter().take(4).map(|run| run.status).collect();
        told.add("statuses", &statuses);
        last = id;
    }
}

/// People agree to plans; once each.
async fn approvals<S: StateStore>(told: &mut Told, first: &mut S, second: &S) {
    assert_eq!(second.approvals().await.unwrap(), []);
    let mut times = (500..).map(at);
    for (digest, who) in [("a", "ben"), ("b", "ben"), ("a", "çarla 🎧"), ("a", "ben")] {
        let approval = Approval {
            digest: format!("sha256:{digest}"),
            plan: "sha256:normal".to_owned(),
            who: who.to_owned(),
            at: times.next().unwrap(),
        };
        first.approve(&approval).await.unwrap();
    }
    let approvals = second.approvals().await.unwrap();
    assert_eq!(approvals.len(), 3);
    assert_eq!(approvals[2].at, at(500), "the first time counts");
    told.add("approvals", &approvals);
}

/// A part of the story, in a library beside.
async fn tell_more(mut first: PostgresStore, second: PostgresStore) {
    let model = first.state().await.unwrap();
    let lines = Vec::new();
    let mut told = Told { lines, model };
    rows(&mut told, &mut first).await;
    assert_eq!(second.state().await.unwrap().files, told.model.files);
}

#[tokio::test]
async fn every_store_tells_the_same_story() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state/sync.db");
    let options = StoreOptions::new(dir.path().join("backups"), at(0));
    let first = SqliteStore::open(&path, &options).await.unwrap();
    let second = SqliteStore::open(&path, &options).await.unwrap();
    let lineage = super::StateReader::meta(&first).await.unwrap().lineage;
    let sqlite = tell(first, second).await;

    let memory = MemoryStore::new(&lineage);
    let handle = memory.handle();
    let memory = tell(memory, handle).await;
    assert_eq!(sqlite.len(), memory.len());
    for (sqlite, memory) in sqlite.iter().zip(&memory) {
        assert_eq!(sqlite, memory);
    }
    if let Some(server) = Server::start() {
        let url = server.database();
        let open = async || {
            let options = on_server(&url, "0c8e", "studio");
            PostgresStore::open(&options).await.unwrap()
        };
        // Another library's rows in the same tables must not be seen.
        let other = on_server(&url, "other", "studio");
        let other = PostgresStore::open(&other).await.unwrap();
        let again = PostgresStore::open(&on_server(&url, "other", "club")).await;
        tell_more(other, again.unwrap()).await;
        let postgres = tell(open().await, open().await).await;
        for (sqlite, postgres) in sqlite.iter().zip(&postgres) {
            assert_eq!(sqlite, postgres);
        }
        assert_eq!(sqlite.len(), postgres.len());
    }
    let statuses = sqlite.iter().filter(|line| line.starts_with("statuses"));
    let words = ["Completed", "Undone"];
    let statuses: Vec<Vec<bool>> = statuses
        .map(|line| {
            line.lines()
                .filter(|line| words.iter().any(|word| line.contains(word)))
        })
        .map(|lines| lines.map(|line| line.contains("Undone")).collect())
        .collect();
    // Newest first: the undo takes back the run; the redo the undo; the third takes back the redo.
    assert_eq!(statuses[0][..2], [false, true]);
    assert_eq!(statuses[1][..3], [false, true, false]);
    assert_eq!(statuses[2][..4], [false, true, false, true]);
}
