//! What should be: the policy applied to TIDAL's playlists.
//!
//! A value in, a value out. Names that a track or playlist already has are kept (they come from the
//! state), and names that files of the user's occupy are avoided (they come from the scan), so that the
//! goal is reachable and the same from run to run.

pub mod language;
pub mod naming;
mod stems;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use rayon::prelude::*;

use crate::{
    domain::{
        Content, ContentId, Library, LinkForm, MediaPath, Playlist, PlaylistId, SidecarFile, State,
        TagName, TidalReading, Track, TrackId, state::PlaylistRow, text::fold_name,
    },
    policy::{Order, Place, Policy, SyncMode},
};

/// The goal: every managed playlist and every track in it.
#[derive(Clone, Debug, Default)]
pub struct DesiredState {
    /// The managed playlists.
    pub playlists: BTreeMap<PlaylistId, DesiredPlaylist>,
    /// The tracks of managed playlists.
    pub tracks: BTreeMap<TrackId, DesiredTrack>,
    /// Every track that any playlist of TIDAL has, managed or not: none of them is an orphan.
    pub in_tidal: HashSet<TrackId>,
    /// Playlists that TIDAL has and the policy does not manage.
    pub unmanaged: BTreeSet<PlaylistId>,
    /// Tags that managed playlists call for: all that may have to be made.
    pub tags: BTreeSet<TagName>,
    /// Smart playlists over tags.
    pub smart: Vec<language::SmartList>,
}

/// A managed playlist as it should be.
#[derive(Clone, Debug)]
pub struct DesiredPlaylist {
    pub id: PlaylistId,
    /// The raw TIDAL name.
    pub name: String,
    pub description: String,
    /// Below the library root.
    pub folder: MediaPath,
    /// The playlist file in it; `None` when the policy shares by links or copies.
    pub m3u8: Option<MediaPath>,
    /// Display name in Rekordbox.
    pub rekordbox_name: String,
    /// Rekordbox folders from the top.
    pub rekordbox_folder: Vec<String>,
    /// In order; those without a file too.
    pub entries: Vec<TrackId>,
    /// Tracks that TIDAL's reading no longer shows and that stay all the same, and why.
    pub retained: Vec<(TrackId, Retained)>,
    /// The tag of an event that gets a smart playlist over it instead of a list.
    pub smart: Option<TagName>,
    pub mode: SyncMode,
    pub order: Order,
    /// Where the policy says so.
    pub at: Place,
}

/// Why an entry stays although the reading does not show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retained {
    /// The playlist was not read to its end.
    Incomplete,
    /// The playlist is only ever added to.
    Additive,
    /// A protection denies its leaving.
    Protected(Protection),
}

/// What protects a track from leaving its playlists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// The protection's name.
    pub rule: String,
    /// Where it stands in the policy.
    pub at: String,
    /// The work that it protects: `7 hot cues`.
    pub text: String,
    /// It is the last apply's, and the policy no longer has it (TC302).
    pub former: bool,
}

/// A track of a managed playlist.
#[derive(Clone, Debug)]
pub struct DesiredTrack {
    /// TIDAL's metadata; of a withheld track, what we remember.
    pub track: Arc<Track>,
    /// `false`: TIDAL lists it but withholds it or no longer streams it.
    pub available: bool,
    /// The managed playlists that have it, each once, in the order of their ids.
    pub playlists: Vec<PlaylistId>,
    /// The playlist whose folder holds the file.
    pub home: PlaylistId,
    /// The final path without its extension, should the file have to be placed.
    pub stem: MediaPath,
    /// The row of Rekordbox under whose path its file shall come, where that row is of this recording,
    /// lost its file and stands for no track yet.
    pub row: Option<ContentId>,
    /// The union of the tags of its playlists.
    pub tags: BTreeSet<TagName>,
}

/// Applies the policy to a reading. `rows`: those of Rekordbox, each with the place of its file; they
/// are only asked for where a file is to come.
#[must_use]
pub fn desire<'a>(
    policy: &Policy,
    tidal: &TidalReading,
    state: &State,
    library: &Library,
    protected: &BTreeMap<TrackId, Protection>,
    rows: impl IntoIterator<Item = (MediaPath, &'a ContentId, &'a Content)>,
) -> DesiredState {
    let favorites = favorites(policy, tidal);
    let (managed, others): (Vec<_>, Vec<_>) = tidal
        .playlists
        .iter()
        .partition(|list| manages(policy, list));
    let managed: Vec<&Playlist> = managed.into_iter().chain(&favorites).collect();
    let in_tidal = tidal
        .playlists
        .iter()
        .chain(&favorites)
        .flat_map(Playlist::tracks);
    let mut desired = DesiredState {
        in_tidal: in_tidal.map(|entry| entry.id.clone()).collect(),
        unmanaged: others.iter().map(|playlist| playlist.id.clone()).collect(),
        ..DesiredState::default()
    };
    add_playlists(&mut desired, policy, &managed, state, library, protected);
    add_tracks(&mut desired, policy, &managed, state);
    stems::choose(&mut desired, policy, state, library, rows);
    desired
}

/// Whether the policy manages the playlist: by its selection, or because it is named by itself.
fn manages(policy: &Policy, playlist: &Playlist) -> bool {
    let (id, name) = (playlist.id.as_str(), playlist.name.as_str());
    policy.tidal.selects(id, name)
}

/// The id under which the favourite tracks count as a playlist; no UUID, so it cannot be another's.
pub const FAVORITES: &str = "favorites";

/// The favourite tracks as a playlist, where the policy asks for it and the reading has them.
fn favorites(policy: &Policy, tidal: &TidalReading) -> Option<Playlist> {
    let items = tidal.favorites.clone().filter(|_| policy.tidal.favorites)?;
    Some(Playlist {
        id: FAVORITES.into(),
        name: "Favorite tracks".into(),
        description: String::new(),
        last_modified_at: None,
        number_of_items: u32::try_from(items.len()).ok(),
        complete: tidal.complete,
        items,
    })
}

fn add_playlists(
    desired: &mut DesiredState,
    policy: &Policy,
    managed: &[&Playlist],
    state: &State,
    library: &Library,
    protected: &BTreeMap<TrackId, Protection>,
) {
    let folders = choose_folders(policy, managed, state);
    let mut spoken: BTreeMap<&PlaylistId, language::Spoken> = managed
        .iter()
        .map(|playlist| {
            (
                &playlist.id,
                language::speak(&policy.my_tags, &playlist.name),
            )
        })
        .collect();
    let displays = choose_displays(policy, &spoken);
    let mut sidecars: HashMap<MediaPath, Vec<&SidecarFile>> = HashMap::new();
    for file in &library.sidecars {
        if let Some(folder) = file.path.parent() {
            sidecars.entry(folder).or_default().push(file);
        }
    }
    for playlist in managed {
        let Some(folder) = folders.get(&playlist.id) else {
            continue;
        };
        let Some(spoken) = spoken.remove(&playlist.id) else {
            continue;
        };
        let over = policy.playlist(playlist.id.as_str(), &playlist.name);
        let (mode, at) = policy.mode(playlist.id.as_str(), &playlist.name);
        let row = state.playlists.get(&playlist.id);
        let (entries, retained) = entries(playlist, mode, row, protected);
        desired.tags.extend(spoken.tags);
        desired.playlists.insert(
            playlist.id.clone(),
            DesiredPlaylist {
                id: playlist.id.clone(),
                name: playlist.name.clone(),
                description: playlist.description.clone(),
                m3u8: (policy.library.sharing == LinkForm::M3u8)
                    .then(|| choose_m3u8(&playlist.id, &folders, state, &sidecars)),
                folder: folder.clone(),
                rekordbox_name: displays
                    .get(&playlist.id)
                    .cloned()
                    .unwrap_or(spoken.display),
                rekordbox_folder: full_folder(policy, &spoken.folder),
                entries,
                retained,
                smart: spoken
                    .event
                    .filter(|event| event.smart_playlist)
                    .map(|event| event.tag),
                mode,
                order: over.and_then(|over| over.order).unwrap_or(Order::Tidal),
                at: at.clone(),
            },
        );
    }
}

fn full_folder(policy: &Policy, below: &[String]) -> Vec<String> {
    policy
        .rekordbox
        .folder
        .iter()
        .chain(below)
        .cloned()
        .collect()
}

/// A folder for each playlist: the one that it has, unless its name changed.
fn choose_folders(
    policy: &Policy,
    managed: &[&Playlist],
    state: &State,
) -> BTreeMap<PlaylistId, MediaPath> {
    let base = MediaPath::new(policy.library.playlists.trim_matches('/'));
    let wanted = managed
        .iter()
        .map(|playlist| {
            (
                playlist.id.clone(),
                naming::playlist_folder_name(&playlist.name),
            )
        })
        .collect();
    let held = state
        .playlists
        .values()
        .filter_map(|row| Some((row.id.clone(), row.folder.as_ref()?.file_name())))
        .collect();
    let chosen = naming::distinct(&wanted, &held);
    chosen
        .into_iter()
        .map(|(id, name)| (id, base.join(&name)))
        .collect()
}

/// Display names, distinct within each Rekordbox folder.
fn choose_displays(
    policy: &Policy,
    spoken: &BTreeMap<&PlaylistId, language::Spoken>,
) -> BTreeMap<PlaylistId, String> {
    let mut by_folder: BTreeMap<Vec<String>, BTreeMap<PlaylistId, String>> = BTreeMap::new();
    for (id, spoken) in spoken {
        let folder = by_folder
            .entry(full_folder(policy, &spoken.folder))
            .or_default();
        folder.insert((*id).clone(), spoken.display.clone());
    }
    let none = BTreeMap::new();
    by_folder
        .values()
        .flat_map(|wanted| naming::distinct(wanted, &none))
        .collect()
}

/// The playlist file: named like its folder, beside any that the user put there and any of a list that is
/// gone. A name with a number stays when the one without becomes free, so that nothing moves twice.
fn choose_m3u8(
    id: &PlaylistId,
    folders: &BTreeMap<PlaylistId, MediaPath>,
    state: &State,
    sidecars: &HashMap<MediaPath, Vec<&SidecarFile>>,
) -> MediaPath {
    let folder = &folders[id];
    let wanted = folder.file_name();
    let here = || sidecars.get(folder).into_iter().flatten();
    let owner = |path: &MediaPath| {
        let row = state
            .files
            .get(path)
            .filter(|_| state.provenance(path).is_ours());
        row.and_then(|row| row.playlist.as_ref())
    };
    let stem = |path: &MediaPath| Some(path.file_name().strip_suffix(".m3u8")?.to_owned());
    let held = here()
        .filter(|file| owner(&file.path) == Some(id))
        .filter_map(|file| Some((id.clone(), stem(&file.path)?)))
        .filter(|(_, stem)| stem != &wanted)
        .collect();
    let kept = naming::distinct(&BTreeMap::from([(id.clone(), wanted.clone())]), &held);
    if let Some(kept) = kept.get(id).filter(|kept| **kept != wanted) {
        return folder.join(&format!("{kept}.m3u8"));
    }
    let taken: BTreeSet<String> = here()
        .filter(|file| owner(&file.path).is_none_or(|owner| !folders.contains_key(owner)))
        .map(|file| fold_name(&file.path.file_name()))
        .collect();
    let free = |name: &String| !taken.contains(&fold_name(name));
    let numbered = (2..).map(|number| format!("{wanted} ({number}).m3u8"));
    let name = std::iter::once(format!("{wanted}.m3u8"))
        .chain(numbered)
        .find(free);
    folder.join(&name.unwrap_or_default())
}

/// The entries that should be, and those of them that only our memory knows.
fn entries(
    playlist: &Playlist,
    mode: SyncMode,
    row: Option<&PlaylistRow>,
    protected: &BTreeMap<TrackId, Protection>,
) -> (Vec<TrackId>, Vec<(TrackId, Retained)>) {
    let mut entries: Vec<TrackId> = playlist.tracks().map(|entry| entry.id.clone()).collect();
    let retain = |track: &TrackId| match (playlist.complete, mode, protected.get(track)) {
        (false, _, _) => Some(Retained::Incomplete),
        (true, SyncMode::Additive, _) => Some(Retained::Additive),
        (true, SyncMode::Manage | SyncMode::Observe, Some(protection)) => {
            Some(Retained::Protected(protection.clone()))
        }
        (true, SyncMode::Manage | SyncMode::Observe, None) => None,
    };
    let mut left = count(&entries);
    let mut retained = Vec::new();
    for known in row
        .filter(|row| row.deleted_at.is_none())
        .iter()
        .flat_map(|row| &row.entries)
    {
        match left.get_mut(&known.track) {
            Some(n) if *n > 0 => *n -= 1,
            _ => retained.extend(retain(&known.track).map(|why| (known.track.clone(), why))),
        }
    }
    entries.extend(retained.iter().map(|(track, _)| track.clone()));
    (entries, retained)
}

/// How often each track stands in a list.
pub(crate) fn count(entries: &[TrackId]) -> BTreeMap<TrackId, usize> {
    let mut counts = BTreeMap::new();
    for track in entries {
        *counts.entry(track.clone()).or_default() += 1;
    }
    counts
}

fn add_tracks(desired: &mut DesiredState, policy: &Policy, managed: &[&Playlist], state: &State) {
    let tags = playlist_tags(policy, managed);
    let observed: HashSet<&PlaylistId> = desired
        .playlists
        .values()
        .filter(|playlist| playlist.mode == SyncMode::Observe)
        .map(|playlist| &playlist.id)
        .collect();
    let mut first: Option<FirstAdded<'_>> = None;
    let tracks = sightings(desired, managed)
        .into_iter()
        .filter_map(|(id, seen)| {
            let (track, available) = match seen.track {
                Some(track) => (Arc::clone(track), track.streamable != Some(false)),
                None => (remembered(state, id), false),
            };
            let homes = home_candidates(&seen.playlists, &observed);
            let known = state.tracks.get(id).and_then(|row| row.home.as_ref());
            let home = match known.filter(|home| homes.contains(home)) {
                Some(home) => home.clone(),
                None => {
                    let first = first.get_or_insert_with(|| FirstAdded::of(managed));
                    let of = |home: &'_ PlaylistId| {
                        let name = desired.playlists.get(home).map(|list| &list.name);
                        (first.at(id, home), name)
                    };
                    let ranked = homes.iter().map(|home| (of(home), *home));
                    ranked.min()?.1.clone()
                }
            };
            let union: BTreeSet<TagName> = seen
                .playlists
                .iter()
                .filter_map(|id| tags.get(*id))
                .flatten()
                .cloned()
                .collect();
            let track = DesiredTrack {
                track,
                available,
                home,
                // Chosen when all tracks are known.
                stem: MediaPath::new(""),
                row: None,
                tags: language::track_tags(&policy.my_tags, &union),
                playlists: seen.playlists.into_iter().cloned().collect(),
            };
            Some((id.clone(), track))
        });
    let tracks = tracks.collect();
    desired.tracks = tracks;
    desired.tags.extend(
        desired
            .tracks
            .values()
            .flat_map(|track| track.tags.iter().cloned()),
    );
    desired.smart = language::smart_lists(
        &policy.my_tags,
        desired.tracks.values().map(|track| &track.tags),
    );
    for list in &mut desired.smart {
        list.folder = full_folder(policy, &list.folder);
    }
}

/// When each track first came to each playlist.
struct FirstAdded<'a>(HashMap<(&'a TrackId, &'a PlaylistId), i64>);

impl<'a> FirstAdded<'a> {
    fn of(managed: &[&'a Playlist]) -> Self {
        let mut first = HashMap::new();
        for playlist in managed {
            for entry in playlist.tracks() {
                let added = entry
                    .added_at
                    .map_or(i64::MAX, jiff::Timestamp::as_millisecond);
                first
                    .entry((&entry.id, &playlist.id))
                    .and_modify(|at: &mut i64| *at = added.min(*at))
                    .or_insert(added);
            }
        }
        Self(first)
    }

    /// Milliseconds since 1970; the end of time where nobody says.
    fn at(&self, track: &TrackId, playlist: &PlaylistId) -> i64 {
        self.0.get(&(track, playlist)).copied().unwrap_or(i64::MAX)
    }
}

/// The tags that each playlist gives; a playlist that is only observed gives none.
fn playlist_tags(policy: &Policy, managed: &[&Playlist]) -> BTreeMap<PlaylistId, Vec<TagName>> {
    managed
        .iter()
        .map(|playlist| {
            (
                playlist.id.clone(),
                language::speak(&policy.my_tags, &playlist.name).tags,
            )
        })
        .collect()
}

/// Where a track stands, and what TIDAL says of it.
#[derive(Default)]
struct Sighting<'a> {
    /// Managed playlists, in the order of their ids.
    playlists: Vec<&'a PlaylistId>,
    track: Option<&'a Arc<Track>>,
}

/// Every track of the managed playlists, in the order of their ids.
fn sightings<'a>(
    desired: &'a DesiredState,
    managed: &[&'a Playlist],
) -> Vec<(&'a TrackId, Sighting<'a>)> {
    let mut seen: HashMap<&TrackId, Sighting<'_>> = HashMap::with_capacity(desired.in_tidal.len());
    for list in desired.playlists.values() {
        for track in &list.entries {
            let playlists = &mut seen.entry(track).or_default().playlists;
            if playlists.last() != Some(&&list.id) {
                playlists.push(&list.id);
            }
        }
    }
    for entry in managed.iter().flat_map(|playlist| playlist.tracks()) {
        if let (Some(track), Some(seen)) = (&entry.track, seen.get_mut(&entry.id)) {
            seen.track = Some(track);
        }
    }
    let mut seen: Vec<_> = seen.into_iter().collect();
    seen.par_sort_unstable_by_key(|(id, _)| *id);
    seen
}

/// A playlist that is only observed gets no files, so it can be no home unless there is no other.
fn home_candidates<'p>(
    of: &[&'p PlaylistId],
    observed: &HashSet<&PlaylistId>,
) -> Vec<&'p PlaylistId> {
    let managed: Vec<_> = of
        .iter()
        .copied()
        .filter(|id| !observed.contains(id))
        .collect();
    match managed.is_empty() {
        true => of.to_vec(),
        false => managed,
    }
}

/// What we know of a track that TIDAL withholds.
fn remembered(state: &State, id: &TrackId) -> Arc<Track> {
    state.tracks.get(id).map_or_else(
        || {
            Arc::new(Track {
                title: format!("TIDAL track {id}"),
                streamable: Some(false),
                ..Track::bare(id.clone())
            })
        },
        |row| Arc::clone(&row.track),
    )
}
