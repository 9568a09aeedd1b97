//! Plans for tests, put together as the planner would.

use std::collections::BTreeMap;

use crate::{
    domain::state::{EntryRow, FileRole, FileRow, PlaylistRow, TrackRow},
    domain::{
        ActionId, ApplyId, ContentHash, ContentId, MediaPath, PlaylistId, Provenance, State, Track,
        TrackId,
    },
    plan::document::{
        Action, Adoption, At, Base, Body, ChangeKind, Check, CheckStatus, Class, ContentAt,
        ContentFields, DecisionKind, DecisionOption, DecisionRequest, Effect, Estimate,
        FORMAT_VERSION, Fetch, FilesInput, FromTrash, Held, Inputs, KIND, Mode, NONE_OF_THESE,
        NewContent, Plan, PlanMeta, PlannedChange, PlannedPlaylist, PolicyInput, Precondition,
        RekordboxInput, Reversal, Risk, Subject, Summary, TidalInput, Trashed, Undo, Why,
    },
};

/// A plan under construction.
pub(crate) struct Sample {
    pub(crate) body: Body,
}

/// A day with everything in it.
pub(crate) fn everyday() -> Plan {
    let mut sample = Sample::new();
    let italo = sample.playlist("House Italo R 🇮🇹", 47);
    let party = sample.playlist("Party Mix 🎉", 12);
    let today = sample.track("Tornado Wallace", "Today");
    let earth = sample.track("Jex Opolis", "Earth Boy");
    let ragysh = sample.track("Todd Terje", "Ragysh");
    let rajaz = sample.track("Camel", "Rajaz");
    let looped = sample.track("Kiasmos", "Looped");
    sample.added(&italo, &today, 38_211_002);
    sample.reused(&italo, &earth);
    sample.moved(&italo, &party, &ragysh);
    sample.retitled(&party, &rajaz, "Rajaz (2019)", "Rajaz");
    sample.left(&party, &looped);
    sample.trashed("Playlists/Old/dup (1).mp3");
    sample.held("Floating Points – Silhouettes");
    sample.question("Which file is “Camel – Rajaz (Live)”?");
    sample.plan()
}

/// The undo of an apply.
pub(crate) fn undo() -> Plan {
    let mut sample = Sample::new();
    sample.body.mode = Mode::Undo;
    let reversal = || Reversal {
        apply: ApplyId(12),
        action: ActionId::new("a_77"),
        image: ContentHash::of(b"image"),
    };
    sample.action(
        Effect::FileRestore {
            before: FromTrash {
                trash_path: ".tidal-cleanup/trash/12/Playlists/Old/dup (1).mp3".into(),
                sha256: ContentHash::of(b"dup"),
            },
            after: At {
                path: "Playlists/Old/dup (1).mp3".into(),
                home: None,
            },
        },
        Class::Additive,
        "dup (1).mp3",
    );
    sample.action(
        Effect::FilePlace {
            before: At {
                path: "Playlists/House Italo R/Todd Terje - Ragysh.mp3".into(),
                home: None,
            },
            after: At {
                path: "Playlists/Party Mix/Todd Terje - Ragysh.mp3".into(),
                home: None,
            },
        },
        Class::Move,
        "Todd Terje – Ragysh",
    );
    sample.action(
        Effect::RowsRestore { before: reversal() },
        Class::Change,
        "Todd Terje – Ragysh",
    );
    sample.action(
        Effect::StateRestore { before: reversal() },
        Class::Change,
        "House Italo R 🇮🇹",
    );
    sample.body.summary = Summary {
        add: 1,
        moves: 1,
        change: 2,
        ..Summary::default()
    };
    sample.plan()
}

impl Sample {
    pub(crate) fn new() -> Self {
        let hash = ContentHash::of(b"sample");
        let body = Body {
            mode: Mode::Normal,
            applyable: true,
            complete: true,
            base: Base::default(),
            inputs: Inputs {
                as_of: "2026-11-22".to_owned(),
                policy: PolicyInput {
                    path: "tidal-cleanup.toml".to_owned(),
                    sha256: hash,
                    settings: std::collections::BTreeMap::new(),
                },
                tidal: TidalInput {
                    snapshot: hash,
                    playlists: 45,
                    incomplete: Vec::new(),
                    unavailable_tracks: 6,
                },
                files: FilesInput {
                    scan: hash,
                    files: 2347,
                    bytes: 88_213_442_211,
                },
                rekordbox: Some(RekordboxInput {
                    version: Some("7.1.4".to_owned()),
                    local_usn: 18_233,
                    tracks: 3120,
                }),
            },
            playlists: BTreeMap::new(),
            tracks: BTreeMap::new(),
            changes: Vec::new(),
            actions: Vec::new(),
            decisions: Vec::new(),
            held: Vec::new(),
            drift: Vec::new(),
            checks: vec![Check {
                code: "TC201".to_owned(),
                name: "max_remove".to_owned(),
                value: Some(1),
                limit: Some(25),
                status: CheckStatus::Pass,
                text: String::new(),
            }],
            summary: Summary::default(),
        };
        Self { body }
    }

    pub(crate) fn plan(self) -> Plan {
        Plan {
            format_version: FORMAT_VERSION.to_owned(),
            kind: KIND.to_owned(),
            digest: format!("sha256:9f2c41d0{}", "0".repeat(56)),
            body: self.body,
            meta: PlanMeta::default(),
            review: None,
        }
    }

    pub(crate) fn playlist(&mut self, name: &str, entries: usize) -> PlaylistId {
        let id = PlaylistId::new(format!("list-{}", self.body.playlists.len()));
        let entries = (0..entries)
            .map(|number| TrackId::new(number.to_string()))
            .collect();
        let planned = PlannedPlaylist {
            name: name.to_owned(),
            description: String::new(),
            folder: MediaPath::new(format!("Playlists/{name}")),
            rekordbox_name: name.to_owned(),
            rekordbox_folder: vec!["TIDAL".to_owned()],
            entries,
        };
        self.body.playlists.insert(id.clone(), planned);
        id
    }

    pub(crate) fn track(&mut self, artist: &str, title: &str) -> TrackId {
        let id = TrackId::new(format!("{}", 70_000_000 + self.body.tracks.len()));
        let track = Track {
            id: id.clone(),
            title: title.to_owned(),
            version: None,
            artists: vec![artist.to_owned()],
            album: None,
            isrc: None,
            duration_s: Some(300),
            explicit: None,
            release_date: None,
            media_tags: Vec::new(),
            streamable: None,
        };
        self.body.tracks.insert(id.clone(), track);
        id
    }

    pub(crate) fn added(&mut self, playlist: &PlaylistId, track: &TrackId, size: u64) {
        let label = self.body.tracks[track].label();
        let stem = MediaPath::new(format!("Playlists/{playlist}/{label}"));
        let fetch = Fetch {
            track: track.clone(),
            stem,
            convert_to: None,
            home: playlist.clone(),
            same_as: None,
            instead_of: None,
        };
        let fetch = self.action(Effect::FileFetch { after: fetch }, Class::Additive, &label);
        self.last().estimate = Estimate {
            bytes_down: size,
            bytes_trashed: 0,
        };
        let add = self.action(
            Effect::ContentAdd {
                after: NewContent {
                    track: track.clone(),
                    path: None,
                },
            },
            Class::Additive,
            &label,
        );
        let about = crate::cli::view::text::bytes(size);
        let note = format!("download, about {about}");
        self.change(
            ChangeKind::TrackAddedToPlaylist,
            playlist,
            track,
            &note,
            vec![fetch, add],
        );
        self.body.summary.add += 1;
    }

    pub(crate) fn reused(&mut self, playlist: &PlaylistId, track: &TrackId) {
        let label = self.body.tracks[track].label();
        let adoption = Adoption {
            track: track.clone(),
            path: MediaPath::new(format!("Own/{label}.flac")),
            provenance: Provenance::Foreign,
            content: None,
            home: None,
            further: false,
        };
        let adopt = self.action(
            Effect::StateAdopt { after: adoption },
            Class::Additive,
            &label,
        );
        self.change(
            ChangeKind::TrackAddedToPlaylist,
            playlist,
            track,
            "file already here",
            vec![adopt],
        );
        self.body.summary.add += 1;
    }

    pub(crate) fn moved(&mut self, to: &PlaylistId, from: &PlaylistId, track: &TrackId) {
        let label = self.body.tracks[track].label();
        let name = self.body.playlists[from].name.clone();
        let [before, after] =
            [from, to].map(|id| MediaPath::new(format!("Playlists/{id}/{label}.mp3")));
        let at = |path: &MediaPath| At {
            path: path.clone(),
            home: None,
        };
        let place = self.action(
            Effect::FilePlace {
                before: at(&before),
                after: at(&after),
            },
            Class::Move,
            &label,
        );
        let relocate = self.action(
            Effect::ContentRelocate {
                before: ContentAt {
                    content: ContentId::new("17"),
                    path: before.clone(),
                    track: track.clone(),
                },
                after: at(&after),
            },
            Class::Move,
            &label,
        );
        self.last().risk = Some(Risk {
            hot_cues: 4,
            ..Risk::default()
        });
        let note = format!("from \"{name}\", 4 hot cues kept");
        self.change(
            ChangeKind::TrackMoved,
            to,
            track,
            &note,
            vec![place, relocate],
        );
        self.body.changes.last_mut().unwrap().from = Some(from.clone());
        self.body.summary.moves += 1;
    }

    pub(crate) fn retitled(
        &mut self,
        playlist: &PlaylistId,
        track: &TrackId,
        old: &str,
        new: &str,
    ) {
        let fields = |title: &str| ContentFields {
            content: ContentId::new("18"),
            track: track.clone(),
            title: Some(title.to_owned()),
            artist: None,
            album: None,
            year: None,
        };
        let effect = Effect::ContentUpdate {
            before: fields(old),
            after: fields(new),
        };
        let label = self.body.tracks[track].label();
        let update = self.action(effect, Class::Change, &label);
        self.change(
            ChangeKind::TrackMetadataChanged,
            playlist,
            track,
            "title",
            vec![update],
        );
        self.body.summary.change += 1;
    }

    pub(crate) fn left(&mut self, playlist: &PlaylistId, track: &TrackId) {
        self.change(
            ChangeKind::TrackRemovedFromPlaylist,
            playlist,
            track,
            "file stays",
            Vec::new(),
        );
        self.body.summary.remove += 1;
    }

    pub(crate) fn trashed(&mut self, path: &str) {
        let effect = Effect::FileTrash {
            before: Trashed {
                path: path.into(),
                size: 9_100_000,
                sha256: ContentHash::of(b"dup"),
            },
        };
        self.action(effect, Class::Destructive, path);
        let action = self.last();
        action.why = Why {
            rule: "dupes".to_owned(),
            at: "tidal-cleanup.toml:64".to_owned(),
            text: "duplicate of Old/dup.flac".to_owned(),
            evidence: vec![
                "same ISRC US4XK8800106".to_owned(),
                "lossless is kept".to_owned(),
            ],
        };
        action.undo = Undo::ByteIdentical;
        action.pre = vec![Precondition::File {
            path: path.into(),
            size: 9_100_000,
            mtime: (1_731_062_400, 0),
            sha256: None,
        }];
        self.body.summary.trash += 1;
    }

    pub(crate) fn held(&mut self, label: &str) {
        self.body.held.push(Held {
            id: ActionId::new("a_held000000000001"),
            label: label.to_owned(),
            playlist: None,
            would: "would trash".to_owned(),
            gate: "protect".to_owned(),
            rule: "cues".to_owned(),
            at: "tidal-cleanup.toml:22".to_owned(),
            text: "7 hot cues".to_owned(),
        });
        self.body.summary.held += 1;
    }

    pub(crate) fn question(&mut self, question: &str) {
        let path = MediaPath::new("Own/Camel - Rajaz.flac");
        let adoption = Adoption {
            track: TrackId::new("1"),
            path: path.clone(),
            provenance: Provenance::Foreign,
            content: None,
            home: None,
            further: false,
        };
        let adopt = Action {
            id: ActionId::new("a_adopt00000000001"),
            class: Class::Additive,
            effect: Effect::StateAdopt { after: adoption },
            subject: Subject {
                track: None,
                label: "Camel – Rajaz".to_owned(),
            },
            playlist: None,
            pre: vec![Precondition::File {
                path,
                size: 9_100_000,
                mtime: (1_731_062_400, 0),
                sha256: None,
            }],
            why: Why {
                rule: "decision".to_owned(),
                text: "same title, same artist".to_owned(),
                ..Why::default()
            },
            risk: None,
            undo: Undo::RowIdentical,
            depends_on: Vec::new(),
            estimate: Estimate::default(),
        };
        self.body.decisions.push(DecisionRequest {
            id: "d_0000000000000001".to_owned(),
            kind: DecisionKind::Match,
            question: question.to_owned(),
            track: None,
            rows: None,
            default: "defer".to_owned(),
            options: vec![
                DecisionOption {
                    key: "1".to_owned(),
                    label: "Own/Camel - Rajaz.flac".to_owned(),
                    path: None,
                    row: None,
                    score: Some(91),
                    veto: vec!["version: live ≠ studio".to_owned()],
                    actions: vec![adopt],
                },
                DecisionOption {
                    key: NONE_OF_THESE.to_owned(),
                    label: "none of these: the next plan downloads it".to_owned(),
                    path: None,
                    row: None,
                    score: None,
                    veto: Vec::new(),
                    actions: Vec::new(),
                },
            ],
        });
        self.body.summary.decide += 1;
    }

    pub(crate) fn action(&mut self, effect: Effect, class: Class, label: &str) -> ActionId {
        let id = ActionId::new(format!("a_{:016x}", self.body.actions.len() + 1));
        self.body.actions.push(Action {
            id: id.clone(),
            class,
            effect,
            subject: Subject {
                track: None,
                label: label.to_owned(),
            },
            playlist: None,
            pre: Vec::new(),
            why: Why::default(),
            risk: None,
            undo: Undo::RowIdentical,
            depends_on: Vec::new(),
            estimate: Estimate::default(),
        });
        id
    }

    pub(crate) fn last(&mut self) -> &mut Action {
        self.body.actions.last_mut().unwrap()
    }

    pub(crate) fn change(
        &mut self,
        kind: ChangeKind,
        playlist: &PlaylistId,
        track: &TrackId,
        note: &str,
        actions: Vec<ActionId>,
    ) {
        self.body.changes.push(PlannedChange {
            id: format!("c_{:016x}", self.body.changes.len() + 1),
            kind,
            playlist: playlist.clone(),
            track: Some(track.clone()),
            from: None,
            note: note.to_owned(),
            actions,
        });
    }
}

/// A small state: one live playlist with one file there and one missing, one that is gone.
pub(crate) fn remembered() -> State {
    let mut sample = Sample::new();
    let tracks = ["Here", "Lost", "Gone"].map(|title| sample.track("Artist", title));
    let at = |text: &str| text.parse().unwrap();
    let mut state = State::default();
    let paths = [
        "Playlists/House/Artist - Here.mp3",
        "Playlists/House/Artist - Lost.mp3",
        "Playlists/Old/Artist - Gone.mp3",
    ];
    for (track, path) in tracks.iter().zip(paths) {
        let path = MediaPath::new(path);
        let file = FileRow {
            path: path.clone(),
            role: FileRole::Track,
            provenance: Provenance::Tidal,
            track: Some(track.clone()),
            playlist: None,
            size: if path.as_str().contains("Gone") {
                9_100_000
            } else {
                1
            },
            hash: None,
        };
        let row = TrackRow {
            track: sample.body.tracks[track].clone().into(),
            file: Some(path.clone()),
            content: None,
            home: None,
            last_seen_in_tidal: None,
        };
        state.files.insert(path, file);
        state.tracks.insert(track.clone(), row);
    }
    let entry = |track: &TrackId, in_local: bool| EntryRow {
        track: track.clone(),
        in_tidal: true,
        in_local,
        in_rekordbox: in_local,
        added_at: None,
    };
    let list = |id: &str, name: &str, entries: Vec<EntryRow>| PlaylistRow {
        id: PlaylistId::new(id),
        name: name.to_owned(),
        description: String::new(),
        folder: Some(MediaPath::new(format!("Playlists/{name}"))),
        node: None,
        provenance: Provenance::Tidal,
        created_at: at("2024-01-15T12:00:00Z"),
        last_synced_at: Some(at("2026-11-20T14:30:00Z")),
        last_seen_in_tidal: None,
        deleted_at: None,
        entries,
    };
    let house = list(
        "list-house",
        "House Italo R 🇮🇹",
        vec![entry(&tracks[0], true), entry(&tracks[1], false)],
    );
    let mut old = list("list-old", "Old", vec![entry(&tracks[2], true)]);
    old.deleted_at = Some(at("2026-10-02T12:00:00Z"));
    for list in [house, old] {
        state.playlists.insert(list.id.clone(), list);
    }
    state
}
