//! Where the file of each track shall lie, its ending left open.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt as _, HashSet};

use super::{DesiredState, DesiredTrack, naming};
use crate::{
    domain::{
        Content, ContentId, Library, MediaPath, State, Track, TrackId,
        text::{composed, fold_name},
    },
    policy::Policy,
};

/// Whose name it is, in the order in which names are given: first what is there and not ours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Taken(String),
    Track(TrackId),
}

/// The claims on the names in a folder to which a file is still to come.
#[derive(Default)]
struct Claims {
    wanted: BTreeMap<Claim, String>,
    /// Those of what lies there already.
    held: BTreeMap<Claim, String>,
}

/// `rows`: Rekordbox's, each with the place of its file.
pub(super) fn choose<'a>(
    desired: &mut DesiredState,
    policy: &Policy,
    state: &State,
    library: &Library,
    rows: impl IntoIterator<Item = (MediaPath, &'a ContentId, &'a Content)>,
) {
    let DesiredState {
        playlists, tracks, ..
    } = desired;
    // Files that stay where they are. One that leaves may still lie there when another shall come.
    let mut kept: Vec<Option<&MediaPath>> = Vec::with_capacity(tracks.len());
    let mut folders: HashMap<&str, (&MediaPath, Claims)> = HashMap::new();
    for (id, track) in tracks.iter_mut() {
        let home = playlists.get(&track.home).map(|home| &home.folder);
        let file = state.tracks.get(id).and_then(|row| row.file.as_ref());
        let file = file
            .zip(home)
            .filter(|(path, home)| path.is_in(home) && state.provenance(path).is_ours());
        kept.push(file.map(|(path, _)| path));
        match (file, home) {
            // A file that lies in its folder keeps its name, whatever TIDAL calls the track today.
            (Some((path, home)), _) => track.stem = home.join(&path.file_stem()),
            // To this folder one is still to come.
            (None, Some(home)) => {
                let claims = || (home, Claims::default());
                folders.entry(home.as_str()).or_insert_with(claims);
            }
            (None, None) => {}
        }
    }
    // Most plans of most libraries.
    if folders.is_empty() {
        return;
    }
    for ((id, track), kept) in tracks.iter().zip(&kept) {
        let home = playlists.get(&track.home);
        let Some((_, claims)) = home.and_then(|home| folders.get_mut(home.folder.as_str())) else {
            continue;
        };
        let claim = Claim::Track(id.clone());
        let stem = match kept {
            Some(path) => {
                let stem = path.file_stem();
                claims.held.insert(claim.clone(), stem.clone());
                stem
            }
            None => naming::file_stem(&policy.library.file, &track.track),
        };
        claims.wanted.insert(claim, stem);
    }
    let stay: HashSet<&MediaPath> = kept.into_iter().flatten().collect();
    for file in library
        .files
        .iter()
        .filter(|file| !stay.contains(&file.path))
    {
        let folder = file.path.parent_text();
        if let Some((_, claims)) = folder.and_then(|folder| folders.get_mut(&*folder)) {
            let stem = file.path.file_stem();
            let claim = Claim::Taken(fold_name(&stem));
            claims.held.insert(claim.clone(), stem.clone());
            claims.wanted.insert(claim, stem);
        }
    }
    let takes = heed_rows(&mut folders, tracks, policy, state, rows);
    for (folder, claims) in folders.into_values() {
        for (claim, name) in naming::distinct(&claims.wanted, &claims.held) {
            if let Claim::Track(id) = claim
                && let Some(track) = tracks.get_mut(&id)
            {
                track.stem = folder.join(&name);
            }
        }
    }
    for (id, row) in takes {
        if let Some(track) = tracks.get_mut(&id) {
            track.row = Some(row);
        }
    }
}

/// Rows whose file is gone hold its name: Rekordbox would show whatever comes under it with their cues.
/// The track that such a row is has the name, every other one gets another. Returns the rows that
/// nobody has claimed so far and the tracks that they are.
fn heed_rows<'a>(
    folders: &mut HashMap<&str, (&MediaPath, Claims)>,
    tracks: &BTreeMap<TrackId, DesiredTrack>,
    policy: &Policy,
    state: &State,
    rows: impl IntoIterator<Item = (MediaPath, &'a ContentId, &'a Content)>,
) -> Vec<(TrackId, ContentId)> {
    let owned = tracks.keys().filter_map(|id| {
        let row = state.tracks.get(id)?;
        Some((row.content.as_ref()?, id))
    });
    let owners: HashMap<&ContentId, &TrackId> = owned.collect();
    let owning: HashSet<&TrackId> = owners.values().copied().collect();
    let by_name = folders
        .iter()
        .map(|(folder, (_, claims))| (composed(folder).into_owned(), (*folder, Open::of(claims))));
    let open: HashMap<String, (&str, Open)> = by_name.collect();
    let mut found: BTreeMap<(&str, String), Vec<Bereft<'_>>> = BTreeMap::new();
    for (path, id, content) in rows {
        let folder = path.parent_text();
        let folder = folder.and_then(|folder| open.get(composed(&folder).as_ref()));
        let Some((folder, names)) = folder else {
            continue;
        };
        let stem = path.file_stem();
        let name = naming::clash(&stem);
        if !names.lying.contains(&name) {
            let rows = found.entry((folder, name)).or_default();
            rows.push(Bereft { stem, id, content });
        }
    }
    let mut takes = Vec::new();
    for ((folder, name), rows) in found {
        let names = open.get(composed(folder).as_ref()).map(|(_, names)| names);
        let (Some(names), Some((_, claims))) = (names, folders.get_mut(folder)) else {
            continue;
        };
        // Of several rows under one name, none can be had without the others.
        let taker = match rows.as_slice() {
            [row] => match owners.get(row.id) {
                Some(owner) => {
                    let wanted = names.wanted.get(*owner);
                    let fits = wanted.is_some_and(|it| naming::is_choice_for(it, &row.stem));
                    fits.then(|| (*owner).clone())
                }
                None => {
                    let like = names.by_name.get(&name).into_iter().flatten();
                    let mut like = like.filter(|id| !owning.contains(id));
                    let is_it = |id: &&TrackId| {
                        let want = tracks.get(*id);
                        want.is_some_and(|want| names_recording(row.content, &want.track, policy))
                    };
                    let taker = like.find(is_it).cloned();
                    takes.extend(taker.clone().map(|track| (track, row.id.clone())));
                    taker
                }
            },
            _ => None,
        };
        let Some(Bereft { stem, .. }) = rows.into_iter().next() else {
            continue;
        };
        let claim = match taker {
            Some(track) => Claim::Track(track),
            None => {
                let claim = Claim::Taken(fold_name(&stem));
                claims.wanted.insert(claim.clone(), stem.clone());
                claim
            }
        };
        claims.held.insert(claim, stem);
    }
    takes
}

/// A row of Rekordbox whose file is gone.
struct Bereft<'a> {
    /// Its file's name without the ending.
    stem: String,
    id: &'a ContentId,
    content: &'a Content,
}

/// The names in a folder for which files are still to come.
struct Open {
    /// What lies there, in the form of [`naming::clash`].
    lying: HashSet<String>,
    wanted: BTreeMap<TrackId, String>,
    /// The same by name, in the form of [`naming::clash`].
    by_name: HashMap<String, Vec<TrackId>>,
}

impl Open {
    fn of(claims: &Claims) -> Self {
        let mut open = Self {
            lying: claims
                .held
                .values()
                .map(|held| naming::clash(held))
                .collect(),
            wanted: BTreeMap::new(),
            by_name: HashMap::new(),
        };
        for (claim, name) in &claims.wanted {
            if let Claim::Track(id) = claim
                && !claims.held.contains_key(claim)
            {
                let like = open.by_name.entry(naming::clash(name)).or_default();
                like.push(id.clone());
                open.wanted.insert(id.clone(), name.clone());
            }
        }
        open
    }
}

/// Whether the row is of this recording: title and artist as we write them, and the length fits. Less
/// than that is not enough to put one track's cues under another.
fn names_recording(row: &Content, track: &Track, policy: &Policy) -> bool {
    let same = |ours: &str, theirs: &str| fold_name(ours.trim()) == fold_name(theirs.trim());
    let tolerance = policy.matching.duration_tolerance.as_secs();
    let lengths = row.length_s.zip(track.duration_s);
    same(&track.full_title(), &row.title)
        && same(&track.artist(), row.artist.as_deref().unwrap_or_default())
        && lengths.is_some_and(|(row, track)| u64::from(row.abs_diff(track)) <= tolerance)
}
