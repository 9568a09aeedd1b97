use super::*;
use crate::{
    domain::{
        ContentHash, MediaPath, Provenance, Track,
        state::{ObjectRow, TrackRow},
    },
    plan::{
        canonical::{action_id, seal},
        document::*,
    },
    record::{FileImage, Made},
};

fn track(id: &str, title: &str) -> Track {
    Track {
        title: title.to_owned(),
        ..Track::bare(id.into())
    }
}

fn plan(effects: Vec<Effect>) -> Plan {
    let hash = ContentHash::of(b"");
    let action = |effect: Effect| Action {
        id: action_id(&effect, &Subject::default()),
        class: Class::Additive,
        effect,
        subject: Subject::default(),
        playlist: None,
        pre: Vec::new(),
        why: Why::default(),
        risk: None,
        undo: Undo::None,
        depends_on: Vec::new(),
        estimate: Estimate::default(),
    };
    let playlist = PlannedPlaylist {
        name: "New".to_owned(),
        description: String::new(),
        folder: "Playlists/New".into(),
        rekordbox_name: "New".to_owned(),
        rekordbox_folder: Vec::new(),
        entries: vec!["1".into(), "2".into(), "1".into()],
    };
    let tracks = [track("1", "One"), track("2", "Two")];
    let body = Body {
        mode: Mode::Normal,
        applyable: true,
        complete: true,
        base: Base::default(),
        inputs: Inputs {
            as_of: String::new(),
            policy: PolicyInput {
                path: String::new(),
                sha256: hash,
                settings: std::collections::BTreeMap::new(),
            },
            tidal: TidalInput {
                snapshot: hash,
                playlists: 0,
                incomplete: Vec::new(),
                unavailable_tracks: 0,
            },
            files: FilesInput {
                scan: hash,
                files: 0,
                bytes: 0,
            },
            rekordbox: None,
        },
        playlists: BTreeMap::from([("p".into(), playlist)]),
        tracks: tracks.into_iter().map(|t| (t.id.clone(), t)).collect(),
        changes: Vec::new(),
        actions: effects.into_iter().map(action).collect(),
        decisions: Vec::new(),
        held: Vec::new(),
        drift: Vec::new(),
        checks: Vec::new(),
        summary: Summary::default(),
    };
    seal(body, PlanMeta::default())
}

/// The state after each action of the plan was done so, and every change on the way.
fn done(plan: &Plan, outcomes: &[(Outcome, Staged)], state: &State) -> (State, Vec<RowChange>) {
    let actions: Vec<&Action> = plan.body.actions.iter().collect();
    let (mut state, mut all) = (state.clone(), Vec::new());
    let mut ledger = Ledger::new(plan, &actions, &state);
    for (action, (outcome, staged)) in actions.into_iter().zip(outcomes) {
        let done = Done {
            outcome,
            staged: Some(staged),
            tags: None,
            stat: None,
            now: Timestamp::UNIX_EPOCH,
        };
        let changes = ledger.changes(action, done, &state);
        ledger.apply(&mut state, &changes);
        all.extend(changes);
    }
    (state, all)
}

fn fetch(id: &str) -> Effect {
    Effect::FileFetch {
        after: Fetch {
            track: id.into(),
            stem: MediaPath::new(format!("Playlists/New/{id}")),
            convert_to: None,
            home: "p".into(),
            same_as: None,
            instead_of: None,
        },
    }
}

fn file(path: &str) -> (Outcome, Staged) {
    let file = FileImage {
        path: path.into(),
        size: 3,
        mtime: (1, 0),
        sha256: ContentHash::of(b"abc"),
    };
    let replaced = None;
    (Outcome::File(Made { file, replaced }), Staged::default())
}

fn rows(staged: Staged) -> (Outcome, Staged) {
    (Outcome::Rows, staged)
}

fn record() -> Effect {
    Effect::StateRecord {
        after: Recorded {
            playlist: "p".into(),
            count: 3,
            sha256: ContentHash::of(b""),
        },
    }
}

#[test]
fn a_new_playlist_is_recorded_with_what_came_of_it() {
    let set = Entries {
        keep: Vec::new(),
        order_is_the_djs: false,
        rows: BTreeMap::new(),
        playlist: "p".into(),
        count: 3,
        sha256: ContentHash::of(b""),
    };
    let content = NewContent {
        track: "1".into(),
        path: None,
    };
    let plan = plan(vec![
        fetch("1"),
        Effect::ContentAdd { after: content },
        Effect::EntriesSet {
            before: set.clone(),
            after: set,
        },
        record(),
    ]);
    let staged = Staged {
        content: Some("9".into()),
        ..Staged::default()
    };
    let outcomes = [
        file("Playlists/New/1.mp3"),
        rows(staged),
        rows(Staged::default()),
        (Outcome::Nothing, Staged::default()),
    ];
    let (state, changes) = done(&plan, &outcomes, &State::default());
    let row = &state.playlists[&"p".into()];
    let flags: Vec<_> = row
        .entries
        .iter()
        .map(|e| (e.in_local, e.in_rekordbox))
        .collect();
    assert_eq!(flags, [(true, true), (false, false), (true, true)]);
    assert_eq!(state.tracks[&"1".into()].content, Some("9".into()));
    assert_eq!(
        state.tracks[&"2".into()].file,
        None,
        "known, and without a file"
    );
    assert_eq!(state.files.len(), 1);
    let back = reversal(&changes, &state, &BTreeMap::new()).unwrap();
    let mut state = state;
    state.apply(&back);
    assert_eq!(state, State::default());
}

#[test]
fn a_moved_file_takes_its_rows_along() {
    let mut state = done(
        &plan(vec![fetch("1")]),
        &[file("Old/1.mp3")],
        &State::default(),
    )
    .0;
    let at = |path: &str, home: Option<&str>| At {
        path: path.into(),
        home: home.map(PlaylistId::from),
    };
    let place = plan(vec![Effect::FilePlace {
        before: at("Old/1.mp3", None),
        after: at("New/1.mp3", Some("q")),
    }]);
    let outcome = Outcome::Placed {
        from: "Old/1.mp3".into(),
        to: "New/1.mp3".into(),
        size: 3,
        mtime: (1, 0),
    };
    let (after, _) = done(&place, &[(outcome, Staged::default())], &state);
    assert_eq!(after.tracks[&"1".into()].file, Some("New/1.mp3".into()));
    assert_eq!(after.tracks[&"1".into()].home, Some("q".into()));
    assert!(!after.files.contains_key(&"Old/1.mp3".into()));
    // A file that is not in the state is none of ours.
    state.files.clear();
    let (outcome, _) = file("x");
    let (same, changes) = done(&place, &[(outcome, Staged::default())], &state);
    assert_eq!((same, changes), (state, Vec::new()));
}

#[test]
fn a_renamed_folder_takes_what_is_inside_along() {
    let object = |key: ObjectKey, id: &str| ObjectRow {
        key,
        id: id.to_owned(),
        provenance: Provenance::Tidal,
    };
    let path = |parts: &[&str]| parts.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
    let mut state = State::default();
    for row in [
        object(ObjectKey::Folder(path(&["TIDAL"])), "1"),
        object(ObjectKey::Folder(path(&["TIDAL", "House"])), "2"),
        object(ObjectKey::Smart(path(&["TIDAL", "House", "High"])), "3"),
        object(ObjectKey::Folder(path(&["TIDAL2"])), "4"),
    ] {
        state.objects.insert(row.key.clone(), row);
    }
    let node = |name: &str| NodeAt {
        id: "1".into(),
        name: name.to_owned(),
        folder: Vec::new(),
        playlist: None,
    };
    let plan = plan(vec![Effect::NodeUpdate {
        before: node("TIDAL"),
        after: node("Mine"),
    }]);
    let (after, changes) = done(&plan, &[rows(Staged::default())], &state);
    let keys: Vec<_> = after.objects.keys().cloned().collect();
    assert_eq!(
        keys,
        [
            ObjectKey::Folder(path(&["Mine"])),
            ObjectKey::Folder(path(&["Mine", "House"])),
            ObjectKey::Folder(path(&["TIDAL2"])),
            ObjectKey::Smart(path(&["Mine", "House", "High"])),
        ]
    );
    let mut back = after.clone();
    back.apply(&reversal(&changes, &after, &BTreeMap::new()).unwrap());
    assert_eq!(back, state);
}

#[test]
fn what_changed_since_is_not_taken_back() {
    let plan = plan(vec![fetch("1")]);
    let (mut state, changes) = done(&plan, &[file("Playlists/New/1.mp3")], &State::default());
    let row: &mut TrackRow = state.tracks.get_mut(&"1".into()).unwrap();
    row.last_seen_in_tidal = Some(Timestamp::from_second(9).unwrap());
    assert!(
        reversal(&changes, &state, &BTreeMap::new()).is_ok(),
        "times do not count"
    );
    let row: &mut TrackRow = state.tracks.get_mut(&"1".into()).unwrap();
    row.content = Some("5".into());
    let conflict = reversal(&changes, &state, &BTreeMap::new()).unwrap_err();
    assert_eq!(conflict, RowConflict("track 1".to_owned()));
}

#[test]
fn a_title_waits_for_its_own_action() {
    let state = done(&plan(vec![fetch("1")]), &[file("a.mp3")], &State::default()).0;
    let mut retitled = plan(vec![record()]);
    retitled
        .body
        .tracks
        .insert("1".into(), track("1", "Another"));
    let nothing = (Outcome::Nothing, Staged::default());
    let (after, _) = done(&retitled, &[nothing], &state);
    assert_eq!(after.tracks[&"1".into()].track.title, "Another");
    let fields = ContentFields {
        content: "9".into(),
        track: "1".into(),
        title: None,
        artist: None,
        album: None,
        year: None,
    };
    let mut with_update = plan(vec![
        record(),
        Effect::ContentUpdate {
            before: fields.clone(),
            after: fields,
        },
    ]);
    with_update
        .body
        .tracks
        .insert("1".into(), track("1", "Another"));
    // Only the record is done: the update failed.
    let (after, _) = done(
        &with_update,
        &[(Outcome::Nothing, Staged::default())],
        &state,
    );
    assert_eq!(after.tracks[&"1".into()].track.title, "One");
}
