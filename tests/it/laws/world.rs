//! A small random world in memory: a few lists over a few tracks, as TIDAL has them, as we remember them, as
//! they lie in the library and in Rekordbox; and a policy of random parts.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use jiff::{Timestamp, civil::date};
use proptest::prelude::*;
use tidal_cleanup::{
    desired::desire,
    diff::{diff, identity::identify},
    domain::{
        AudioFile, AudioFormat, Collection, CollectionEntry, CollectionPlaylist, Content,
        ContentHash, ContentId, EntryId, FileStat, Isrc, ItemId, ItemKind, Library, LibraryId,
        MediaPath, NodeId, NodeKind, Observed, Playlist, PlaylistEntry, PlaylistId, Provenance,
        State, Tags, TidalReading, Track, TrackId,
        state::{EntryRow, FileRole, FileRow, Meta, ObjectKey, ObjectRow, PlaylistRow, TrackRow},
    },
    edge::tidal::snapshot,
    observe::Observation,
    plan::{
        Cleanup, Conditions, Plan, PlanInput, canonical,
        document::{Action, Effect, Mode, PlanMeta},
        moved, plan, protected, rekeyed,
    },
    policy::Policy,
};

const TRACKS: usize = 8;
const LISTS: usize = 4;

/// Settings that every policy here writes and that actions may name.
pub(super) const SETTINGS: [&str; 3] = ["library.playlists", "library.sharing", "rekordbox.folder"];
/// The rules and protections that a policy here may have.
pub(super) const RULES: [&str; 4] = ["orphans", "keep three", "better", "moved"];

/// What a world is made of.
#[derive(Clone, Debug)]
pub(super) struct Seed {
    lists: Vec<ListSeed>,
    tracks: Vec<TrackSeed>,
    /// Which parts the policy has.
    parts: u16,
    /// TIDAL's list of playlists was read to its end.
    complete: bool,
}

/// A playlist.
#[derive(Clone, Debug)]
struct ListSeed {
    now: Vec<usize>,
    then: Vec<usize>,
    in_tidal: bool,
    known: bool,
    renamed: bool,
    torn: bool,
    in_rekordbox: bool,
    /// It has another id in TIDAL than in our memory, and the policy knows.
    moved: bool,
}

/// A track and what there is of it.
#[derive(Clone, Debug)]
struct TrackSeed {
    /// 0: no file, 1: where it belongs, 2: elsewhere.
    file: u8,
    provenance: Option<bool>,
    has_row: bool,
    cues: u32,
    rating: u8,
    retitled: bool,
    available: bool,
    lossless: bool,
}

impl Arbitrary for Seed {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let entries = || proptest::collection::vec(0..TRACKS, 0..5);
        let often = || proptest::bool::weighted(0.8);
        let rarely = || proptest::bool::weighted(0.12);
        let flags = (often(), often(), any::<bool>(), rarely(), often(), rarely());
        let list = (entries(), entries(), any::<bool>(), flags).prop_map(
            |(now, then, same, (in_tidal, known, renamed, torn, in_rekordbox, moved))| ListSeed {
                now: if same { then.clone() } else { now },
                then,
                in_tidal,
                known,
                renamed: renamed && !same,
                torn,
                in_rekordbox,
                moved,
            },
        );
        let work = (often(), 0..3_u32, 0..3_u8, rarely(), often(), any::<bool>());
        let track = (
            0..3_u8,
            proptest::option::weighted(0.8, any::<bool>()),
            work,
        )
            .prop_map(
                |(file, provenance, (has_row, cues, rating, retitled, available, lossless))| {
                    TrackSeed {
                        file,
                        provenance,
                        has_row,
                        cues: cues / 2,
                        rating: rating / 2,
                        retitled,
                        available,
                        lossless,
                    }
                },
            );
        let lists = proptest::collection::vec(list, LISTS);
        let tracks = proptest::collection::vec(track, TRACKS);
        (lists, tracks, any::<u16>(), often())
            .prop_map(|(lists, tracks, parts, complete)| Self {
                lists,
                tracks,
                parts,
                complete,
            })
            .boxed()
    }
}

impl Seed {
    const fn has(&self, part: u32) -> bool {
        self.parts >> part & 1 == 1
    }

    pub(super) const fn protects_cues(&self) -> bool {
        self.has(0)
    }

    pub(super) const fn protects_rated(&self) -> bool {
        self.has(1)
    }

    /// Whether all of TIDAL was read.
    pub(super) fn is_whole(&self) -> bool {
        let mut shown = self.lists.iter().filter(|list| list.in_tidal);
        self.complete && !shown.any(|list| list.torn)
    }

    fn policy(&self) -> String {
        let when = |part, text: &str| {
            if self.has(part) {
                text.to_owned()
            } else {
                String::new()
            }
        };
        let mut text = String::from(
            "version = 1\n[library]\nroot = \"/library\"\nplaylists = \"Playlists\"\nsharing = \"m3u8\"\n\
             [tidal]\nsnapshot = \"tidal.json\"\n[download]\ncommand = [\"get\", \"{url}\", \"{dir}\"]\n",
        );
        let relocate = self.has(2);
        text.push_str(&format!(
            "[rekordbox]\ndatabase = \"auto\"\nfolder = \"TIDAL\"\nrelocate = {relocate}\n"
        ));
        text.push_str(&when(
            3,
            "[defaults]\ntrack_removed = \"trash\"\nplaylist_removed = \"remove\"\n",
        ));
        let work = if self.has(4) { "allow" } else { "ask" };
        text.push_str(&format!("[safety]\nwork_at_risk = \"{work}\"\n"));
        text.push_str(&when(5, "max_remove = { count = 50, percent = 100 }\n"));
        text.push_str(&when(
            5,
            "max_remove_per_playlist = { percent = 100, min = 10 }\n",
        ));
        text.push_str(&when(0, "[[protect]]\nname = \"cues\"\nwhen = { rekordbox.cues = \">=1\" }\ndeny = [\"trash\", \"remove\"]\n"));
        text.push_str(&when(1, "[[protect]]\nname = \"rated\"\nwhen = { rekordbox.rating = \">=1\" }\ndeny = [\"trash\", \"move\", \"change\"]\n"));
        let keep = "[[rule]]\nname = \"keep three\"\nwhen = { track.title = \"Title 3*\" }\nthen = \"keep\"\n";
        let orphans =
            "[[rule]]\nname = \"orphans\"\nwhen = { file.orphan = true }\nthen = \"trash\"\n";
        let (first, second) = if self.has(6) {
            (keep, orphans)
        } else {
            (orphans, keep)
        };
        text.push_str(&when(7, first));
        text.push_str(&when(8, second));
        text.push_str(&when(
            9,
            "[[rule]]\nname = \"better\"\nwhen = { file.lossless = false }\nthen = \"upgrade\"\n",
        ));
        text.push_str(&when(10, "[playlist.\"List 1\"]\nmode = \"observe\"\n"));
        text.push_str(&when(11, "[playlist.\"List 2\"]\nmode = \"additive\"\n"));
        for (number, _) in self.lists.iter().enumerate().filter(|(_, list)| list.moved) {
            let (from, to) = (list_id(number), new_id(number));
            text.push_str(&format!("[[moved]]\nfrom = \"{from}\"\nto = \"{to}\"\n"));
        }
        text
    }
}

pub(super) fn cues_of(seed: &Seed, track: usize) -> u32 {
    seed.tracks
        .get(track)
        .filter(|track| has_row(track))
        .map_or(0, |track| track.cues)
}

pub(super) fn rating_of(seed: &Seed, track: usize) -> u8 {
    seed.tracks
        .get(track)
        .filter(|track| has_row(track))
        .map_or(0, |track| track.rating)
}

const fn has_row(track: &TrackSeed) -> bool {
    track.has_row && track.file > 0
}

fn track_id(number: usize) -> TrackId {
    TrackId::new((1_000 + number).to_string())
}

/// The number of a track by its id.
pub(super) fn number(id: &TrackId) -> usize {
    id.as_str()
        .parse::<usize>()
        .map_or(usize::MAX, |number| number - 1_000)
}

fn list_id(number: usize) -> PlaylistId {
    PlaylistId::new(format!("0000000{number}-0000-4000-8000-000000000000"))
}

fn new_id(number: usize) -> PlaylistId {
    PlaylistId::new(format!("1000000{number}-0000-4000-8000-000000000000"))
}

fn row_id(number: usize) -> ContentId {
    ContentId::new((100 + number).to_string())
}

fn node_id(number: usize) -> NodeId {
    NodeId::new((10 + number).to_string())
}

fn track(number: usize, seed: &TrackSeed, now: bool) -> Track {
    let more = if now && seed.retitled {
        " (Remaster)"
    } else {
        ""
    };
    Track {
        id: track_id(number),
        title: format!("Title {number}{more}"),
        version: None,
        artists: vec![format!("Artist {number}")],
        album: Some("Album".into()),
        isrc: Isrc::parse(&format!("USABC26{number:05}")),
        duration_s: Some(200),
        explicit: None,
        release_date: Some("2020-01-01".into()),
        media_tags: vec!["LOSSLESS".into()],
        streamable: Some(seed.available),
    }
}

/// A world, and the policy over it.
pub(super) struct World {
    policy: Policy,
    pub(super) observation: Observation,
}

impl World {
    pub(super) fn of(seed: &Seed) -> Self {
        Self::shuffled(seed, 0)
    }

    /// The same world, read in another order.
    pub(super) fn shuffled(seed: &Seed, turns: usize) -> Self {
        let text = seed.policy();
        let path = Path::new("tidal-cleanup.toml");
        let parsed = Policy::parse(path, &text, &|_| None, Path::new("/"));
        let (policy, _) = parsed.unwrap_or_else(|found| panic!("{found:?}\n{text}"));
        let mut reading = reading(seed);
        let places = reading.playlists.len().max(1);
        reading.playlists.rotate_left(turns % places);
        let observation = Observation {
            tidal: snapshot::observed(reading),
            library: Observed::complete(library(seed)),
            rekordbox: Some(Observed::complete(collection(seed))),
            state: state(seed),
            roots: vec!["/library".into()],
            local_lists: BTreeMap::new(),
        };
        Self {
            policy,
            observation,
        }
    }

    pub(super) fn plan(&self) -> Plan {
        let moved = moved(&self.policy, &self.observation);
        let observation = rekeyed(&self.observation, &moved);
        let (policy, state) = (&self.policy, &observation.state);
        let (tidal, library) = (&observation.tidal.value, &observation.library.value);
        let shield = protected(policy, None, &observation);
        let desired = desire(policy, tidal, state, library, &shield, observation.rows());
        let tracks: Vec<&Track> = desired.tracks.values().map(|want| &*want.track).collect();
        let identities = identify(&tracks, library, state, &BTreeMap::new(), &policy.matching);
        let planned = plan(&PlanInput {
            policy,
            observation: &observation,
            desired: &desired,
            changes: diff(&desired, state, tidal.complete),
            identities: &identities,
            cleanup: &Cleanup::default(),
            moved: &moved,
            scope: None,
            mode: Mode::Normal,
            as_of: date(2026, 11, 22),
            tidal_hash: snapshot::content_hash(&self.observation.tidal.value),
            past_removals: Vec::new(),
            failed_fetches: BTreeMap::new(),
            files_before: None,
            rows: BTreeMap::new(),
            allows: Vec::new(),
            conditions: Conditions::default(),
        });
        canonical::seal(planned.body, PlanMeta::default())
    }

    /// The tracks that we remember in a list, under whichever id it has.
    pub(super) fn remembered(&self, list: &PlaylistId) -> Vec<TrackId> {
        let lists = &self.observation.state.playlists;
        let row = lists.get(list).filter(|row| row.deleted_at.is_none());
        let entries = row.into_iter().flat_map(|row| &row.entries);
        entries.map(|entry| entry.track.clone()).collect()
    }

    /// The number of the track whose row in Rekordbox an action would cost or touch.
    pub(super) fn row_at_stake(&self, action: &Action) -> Option<usize> {
        let path = match &action.effect {
            // What a better file takes the place of keeps its row.
            Effect::FileTrash { .. } if action.why.rule == "better" => return None,
            Effect::FileTrash { before } => &before.path,
            Effect::FilePlace { before, .. } => &before.path,
            Effect::ContentUpdate { after, .. } => return Some(number(&after.track)),
            _ => return None,
        };
        let name = path.file_name();
        let digits = name.strip_prefix("Artist ")?.split(' ').next()?;
        digits.parse().ok()
    }
}

fn reading(seed: &Seed) -> TidalReading {
    let shown = seed
        .lists
        .iter()
        .enumerate()
        .filter(|(_, list)| list.in_tidal);
    let playlists = shown.map(|(number, list)| {
        let id = if list.moved {
            new_id(number)
        } else {
            list_id(number)
        };
        let entry = |(at, track_number): (usize, &usize)| PlaylistEntry {
            kind: ItemKind::Track,
            id: track_id(*track_number),
            item_id: Some(ItemId::new(&format!("{number}-{at}"))),
            added_at: Some(Timestamp::UNIX_EPOCH),
            track: Some(Arc::new(track(
                *track_number,
                &seed.tracks[*track_number],
                true,
            ))),
        };
        let more = if list.renamed { " (new)" } else { "" };
        Playlist {
            id,
            name: format!("List {number}{more}"),
            description: String::new(),
            last_modified_at: None,
            number_of_items: None,
            complete: !list.torn,
            items: list.now.iter().enumerate().map(entry).collect(),
        }
    });
    TidalReading {
        taken_at: None,
        complete: seed.complete,
        user: None,
        playlists: playlists.collect(),
        favorites: None,
    }
}

/// The list whose folder has the file.
fn home(seed: &Seed, number: usize) -> Option<usize> {
    let lists = seed.lists.iter();
    lists
        .clone()
        .position(|list| list.known && list.then.contains(&number))
}

fn path(seed: &Seed, number: usize) -> Option<MediaPath> {
    let track = &seed.tracks[number];
    let extension = if track.lossless { "flac" } else { "mp3" };
    let name = format!("Artist {number} - Title {number}.{extension}");
    match (track.file, home(seed, number)) {
        (0, _) => None,
        (1, Some(list)) => Some(MediaPath::new(format!("Playlists/List {list}/{name}"))),
        _ => Some(MediaPath::new(format!("Elsewhere/{name}"))),
    }
}

fn library(seed: &Seed) -> Library {
    let files = seed
        .tracks
        .iter()
        .enumerate()
        .filter_map(|(number, track)| {
            let format = if track.lossless {
                AudioFormat::Flac
            } else {
                AudioFormat::Mp3
            };
            Some(AudioFile {
                path: path(seed, number)?,
                stat: FileStat {
                    size: 5_000_000,
                    mtime: (1_600_000_000, 0),
                    ..FileStat::default()
                },
                format,
                tags: Tags {
                    title: Some(format!("Title {number}")),
                    artists: vec![format!("Artist {number}")],
                    isrc: Isrc::parse(&format!("USABC26{number:05}")),
                    tidal_id: Some(track_id(number)),
                    ..Tags::default()
                },
                duration_ms: Some(200_000),
                left_ms: None,
                bitrate_kbps: Some(192),
                sample_rate_hz: Some(44_100),
                bit_depth: track.lossless.then_some(16),
                hash: Some(ContentHash::of(&[u8::try_from(number).unwrap_or(0)])),
                problem: None,
            })
        });
    let mut files: Vec<AudioFile> = files.collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Library {
        id: Some(LibraryId::new("lib")),
        files,
        ..Library::default()
    }
}

fn state(seed: &Seed) -> State {
    let mut state = State {
        meta: Meta {
            library_id: Some(LibraryId::new("lib")),
            lineage: "laws".into(),
            serial: 1,
            schema_version: 1,
        },
        ..State::default()
    };
    let mut remember = |key: ObjectKey, id: &str| {
        let row = ObjectRow {
            key: key.clone(),
            id: id.to_owned(),
            provenance: Provenance::Tidal,
        };
        state.objects.insert(key, row);
    };
    remember(ObjectKey::Folder(vec!["TIDAL".into()]), "9");
    for (number, list) in seed.lists.iter().enumerate() {
        if list.known && list.in_rekordbox {
            remember(
                ObjectKey::Playlist(list_id(number)),
                node_id(number).as_str(),
            );
        }
    }
    let in_lists = |number: &usize| {
        let mut known = seed.lists.iter().filter(|list| list.known);
        known.any(|list| list.then.contains(number))
    };
    let tracks = seed.tracks.iter().enumerate();
    for (number, one) in tracks.filter(|(number, one)| one.provenance.is_some() || in_lists(number))
    {
        let path = path(seed, number);
        let content = has_row(one).then(|| row_id(number));
        if let Some(id) = &content {
            remember(ObjectKey::Content(id.clone()), id.as_str());
        }
        let row = TrackRow {
            track: track(number, one, false).into(),
            file: path.clone(),
            content,
            home: home(seed, number).map(list_id),
            last_seen_in_tidal: None,
        };
        state.tracks.insert(track_id(number), row);
        let Some(path) = path else { continue };
        let provenance = match one.provenance {
            Some(true) => Provenance::Tidal,
            Some(false) => Provenance::Adopted,
            None => Provenance::Foreign,
        };
        let row = FileRow {
            path: path.clone(),
            role: FileRole::Track,
            provenance,
            track: Some(track_id(number)),
            playlist: None,
            size: 5_000_000,
            hash: None,
        };
        state.files.insert(path, row);
    }
    for (number, list) in seed.lists.iter().enumerate().filter(|(_, list)| list.known) {
        let entry = |track: &usize| EntryRow {
            track: track_id(*track),
            in_tidal: true,
            in_local: true,
            in_rekordbox: true,
            added_at: None,
        };
        let row = PlaylistRow {
            id: list_id(number),
            name: format!("List {number}"),
            description: String::new(),
            folder: Some(MediaPath::new(format!("Playlists/List {number}"))),
            node: list.in_rekordbox.then(|| node_id(number)),
            provenance: Provenance::Tidal,
            created_at: Timestamp::UNIX_EPOCH,
            last_synced_at: None,
            last_seen_in_tidal: None,
            deleted_at: None,
            entries: list.then.iter().map(entry).collect(),
        };
        state.playlists.insert(list_id(number), row);
    }
    state
}

fn collection(seed: &Seed) -> Collection {
    let rows = seed
        .tracks
        .iter()
        .enumerate()
        .filter(|(_, track)| has_row(track));
    let contents = rows.filter_map(|(number, one)| {
        let path = path(seed, number)?;
        let content = Content {
            id: Some(row_id(number)),
            folder_path: format!("/library/{path}"),
            title: format!("Title {number}").into(),
            artist: Some(format!("Artist {number}").into()),
            album: Some("Album".into()),
            length_s: Some(200),
            year: Some(2020),
            rating: one.rating,
            hot_cues: one.cues,
            ..Content::default()
        };
        Some((row_id(number), Box::new(content)))
    });
    let node = |id: NodeId, name: String, kind, parent: Option<&str>, entries| CollectionPlaylist {
        id,
        name,
        parent: parent.map(NodeId::new),
        kind,
        seq: 1,
        entries,
        smart: None,
    };
    let folder = node(
        NodeId::new("9"),
        "TIDAL".into(),
        NodeKind::Folder,
        None,
        Vec::new(),
    );
    let lists = seed.lists.iter().enumerate();
    let lists = lists.filter(|(_, list)| list.known && list.in_rekordbox);
    let lists = lists.map(|(number, list)| {
        let tracks = list.then.iter().enumerate();
        let tracks = tracks.filter(|(_, track)| has_row(&seed.tracks[**track]));
        let entries = tracks.map(|(at, track)| CollectionEntry {
            id: EntryId::new(&format!("{number}-{at}")),
            content: row_id(*track),
        });
        let entries = entries.collect();
        node(
            node_id(number),
            format!("List {number}"),
            NodeKind::List,
            Some("9"),
            entries,
        )
    });
    let nodes = std::iter::once(folder).chain(lists);
    Collection {
        contents: contents.collect(),
        nodes: nodes.map(|node| (node.id.clone(), node)).collect(),
        ..Collection::default()
    }
}
