//! Hard links and copies of shared tracks in the folders of their further playlists.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    desired::DesiredPlaylist,
    domain::{
        ActionId, Class, LinkForm, MediaPath, PlaylistId, TrackId,
        state::{FileRole, FileRow},
        text::fold_name,
    },
    plan::{
        document::{Effect, Estimate, Link, Precondition, Subject, Trashed},
        draft::{Draft, FilePlan, Hold, act},
        facts,
        removals::{push_removal, used_by_the_dj},
        tracks::precondition,
    },
    policy::{Denied, SyncMode, Verdict},
};

/// Which playlist wants a further name in its folder of what, and for which of its tracks.
type Wanted<'a> = BTreeMap<(MediaPath, Of<'a>), (PlaylistId, TrackId)>;

/// What a copy is of. TIDAL gives a recording another id now and then, and may have it under several: they
/// have one copy in a folder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Of<'a> {
    File(&'a MediaPath),
    /// A track that has no file yet, or none any more.
    Track(&'a TrackId),
}

/// The names that are given away in each folder: stems, as volumes compare them.
#[derive(Default)]
struct Names(BTreeMap<MediaPath, BTreeSet<String>>);

impl Names {
    /// Those of files of ours that are there now and do not move away, and that this plan brings.
    fn of(draft: &Draft<'_>, leaving: &BTreeMap<MediaPath, ActionId>) -> Self {
        let mut names = Self::default();
        for row in draft.input.observation.state.files.values() {
            let stays = row.provenance.is_ours() && !leaving.contains_key(&row.path);
            if stays && draft.index.file(&row.path).is_some() {
                names.take(&row.path, &row.path.file_stem());
            }
        }
        for planned in draft.tracks.values() {
            match &planned.file {
                FilePlan::At(path) => names.take(path, &path.file_stem()),
                FilePlan::Fetched(stem) => names.take(stem, &stem.file_name()),
                FilePlan::None => {}
            }
        }
        names
    }

    fn take(&mut self, at: &MediaPath, stem: &str) {
        if let Some(folder) = at.parent() {
            self.0.entry(folder).or_default().insert(fold_name(stem));
        }
    }

    /// A stem that nothing in the folder has: this one, or with a number.
    fn free(&mut self, folder: &MediaPath, stem: &str) -> String {
        let taken = self.0.entry(folder.clone()).or_default();
        let numbered = (2..).map(|number: u64| format!("{stem} ({number})"));
        let free = std::iter::once(stem.to_owned())
            .chain(numbered)
            .find(|stem| taken.insert(fold_name(stem)));
        free.unwrap_or_default()
    }
}

/// Hard links or copies of shared tracks in the folders of all playlists. A copy belongs to the folder
/// in which it lies: where one playlist leaves the folder and another one takes it, it stays.
pub(super) fn plan_copies(draft: &mut Draft<'_>) {
    let form = draft.input.policy.library.sharing;
    if form == LinkForm::M3u8 {
        return;
    }
    let desired = draft.input.desired;
    let leaving = leaving(draft);
    let mut lacking = wanted(draft);
    let mut spare = Vec::new();
    for row in copies(draft).filter(|row| !leaving.contains_key(&row.path)) {
        let key = key_of(draft, row).filter(|_| draft.index.file(&row.path).is_some());
        let stays = key.is_some_and(|key| lacking.remove(&key).is_some());
        // Copies of a playlist that is gone go with it, see `trash_copies_of`.
        let owner = row.playlist.as_ref();
        let owner = owner.and_then(|id| desired.playlists.get(id));
        let planned = |list: &&DesiredPlaylist| has_copies(list) && draft.in_scope(&list.id);
        if let (false, Some(owner)) = (stays, owner.filter(planned)) {
            spare.push((owner, row));
        }
    }
    let mut names = Names::of(draft, &leaving);
    for (playlist, track) in lacking.into_values() {
        let playlist = desired.playlists.get(&playlist);
        if let Some(playlist) = playlist.filter(|list| draft.in_scope(&list.id)) {
            add_copy(draft, playlist, &track, &leaving, &mut names);
        }
    }
    for (owner, row) in spare {
        let why = Trash {
            playlist: &owner.id,
            gone: None,
            rule: "library.sharing",
            text: "a copy of ours that no playlist needs any more",
        };
        trash_copy(draft, row, &why);
    }
}

/// Copies of playlists that are gone from TIDAL and that the policy removes, where no other playlist has
/// the folder now.
pub(super) fn trash_copies_of(draft: &mut Draft<'_>, gone: &BTreeMap<PlaylistId, Verdict>) {
    if gone.is_empty() {
        return;
    }
    let wanted = wanted(draft);
    let leaving = leaving(draft);
    let stays = |row: &&FileRow| row.provenance.is_ours() && !leaving.contains_key(&row.path);
    for row in copies(draft).filter(stays) {
        let Some((playlist, decided)) = row.playlist.as_ref().and_then(|id| gone.get_key_value(id))
        else {
            continue;
        };
        if !key_of(draft, row).is_some_and(|key| wanted.contains_key(&key)) {
            let why = Trash {
                playlist,
                gone: Some(decided),
                rule: &decided.name,
                text: "a copy of ours for a playlist that is gone from TIDAL",
            };
            trash_copy(draft, row, &why);
        }
    }
}

/// What moves away in this very plan: what stands in a copy's place, and a copy that is to be the file of a
/// track whose own is gone.
fn leaving(draft: &Draft<'_>) -> BTreeMap<MediaPath, ActionId> {
    let placed = draft
        .actions
        .iter()
        .filter_map(|action| match &action.effect {
            Effect::FilePlace { before, .. } => Some((before.path.clone(), action.id.clone())),
            _ => None,
        });
    placed.collect()
}

/// Whether we keep files in the playlist's folder.
fn has_copies(playlist: &DesiredPlaylist) -> bool {
    playlist.mode != SyncMode::Observe
}

/// Of all playlists, also those that this plan leaves alone: each has a folder of its own.
fn wanted<'a>(draft: &Draft<'a>) -> Wanted<'a> {
    let desired = draft.input.desired;
    let mut wanted = Wanted::new();
    if draft.input.policy.library.sharing == LinkForm::M3u8 {
        return wanted;
    }
    for playlist in desired.playlists.values().filter(|list| has_copies(list)) {
        for track in &playlist.entries {
            let lead = draft.leads.get(track).copied().unwrap_or(track);
            let known = desired.tracks.get(lead);
            if known.is_some_and(|want| want.home != playlist.id) {
                let key = (playlist.folder.clone(), of(draft, lead));
                wanted.insert(key, (playlist.id.clone(), lead.clone()));
            }
        }
    }
    wanted
}

fn copies<'a>(draft: &Draft<'a>) -> impl Iterator<Item = &'a FileRow> + use<'a> {
    let rows = draft.input.observation.state.files.values();
    rows.filter(|row| row.role == FileRole::Copy)
}

fn key_of<'a>(draft: &Draft<'a>, row: &'a FileRow) -> Option<(MediaPath, Of<'a>)> {
    Some((row.path.parent()?, of(draft, row.track.as_ref()?)))
}

/// What copies of a track are of: its file of now, also where the track is in no playlist any more.
fn of<'a>(draft: &Draft<'a>, track: &'a TrackId) -> Of<'a> {
    let input = draft.input;
    let found = input.identities.matches.get(track).map(|found| &found.path);
    let known = || input.observation.state.tracks.get(track)?.file.as_ref();
    match found {
        Some(path) => Of::File(path),
        None if input.desired.tracks.contains_key(track) => Of::Track(track),
        None => known().map_or(Of::Track(track), Of::File),
    }
}

fn add_copy(
    draft: &mut Draft<'_>,
    playlist: &DesiredPlaylist,
    track: &TrackId,
    leaving: &BTreeMap<MediaPath, ActionId>,
    names: &mut Names,
) {
    let Some(planned) = draft.tracks.get(track).cloned() else {
        return;
    };
    let folder = &playlist.folder;
    let (path, pre) = match &planned.file {
        FilePlan::None => return,
        FilePlan::At(path) => {
            let (name, stem) = (path.file_name(), path.file_stem());
            let end = name.strip_prefix(&stem).unwrap_or_default();
            let path = folder.join(&format!("{}{end}", names.free(folder, &stem)));
            (path.clone(), Precondition::Vacant { path })
        }
        FilePlan::Fetched(stem) => {
            let mut free = || folder.join(&names.free(folder, &stem.file_name()));
            let mut stem = free();
            // Nobody knows yet whether it would have the very name of what leaves.
            while is_left(&stem, leaving) {
                stem = free();
            }
            (stem.clone(), Precondition::VacantStem { stem, but: None })
        }
    };
    let Some(want) = draft.input.desired.tracks.get(track) else {
        return;
    };
    let after = Link {
        form: draft.input.policy.library.sharing,
        path: path.clone(),
        playlist: playlist.id.clone(),
        of: Some(track.clone()),
    };
    let about = Subject {
        track: Some(track.clone()),
        label: want.track.label(),
    };
    let leaves = leaving.get(&path).cloned();
    let vacant = leaves.is_none().then_some(pre);
    let is_taken = leaves.is_none() && draft.index.file(&path).is_some();
    let action = act(
        Class::Additive,
        Effect::FileLink {
            before: None,
            after,
        },
        about,
    )
    .under(&playlist.id)
    .provided(vacant)
    .because(
        "library.sharing",
        "a further playlist of the track gets its own name for it",
    )
    .after(planned.file_action.iter().cloned())
    .after(leaves.filter(|id| planned.file_action.as_ref() != Some(id)));
    if is_taken {
        let text = format!("{path} is in the way");
        draft.hold(&action, Hold::by("occupied", text));
    } else {
        draft.push(action);
    }
}

/// Whether something of that stem moves away.
fn is_left(stem: &MediaPath, leaving: &BTreeMap<MediaPath, ActionId>) -> bool {
    let start = stem.with_appended_extension("");
    let mut from = leaving.range(&start..);
    from.next()
        .is_some_and(|(path, _)| path.as_str().starts_with(start.as_str()))
}

/// Why a copy goes.
struct Trash<'a> {
    playlist: &'a PlaylistId,
    /// What the policy says, where the playlist is gone.
    gone: Option<&'a Verdict>,
    rule: &'a str,
    text: &'static str,
}

fn trash_copy(draft: &mut Draft<'_>, row: &FileRow, why: &Trash<'_>) {
    let Some(file) = draft.index.file(&row.path) else {
        return;
    };
    let Some(sha256) = file.hash else {
        draft.unhashed.insert(file.path.clone());
        return;
    };
    let before = Trashed {
        path: file.path.clone(),
        size: file.stat.size,
        sha256,
    };
    let about = Subject {
        track: row.track.clone(),
        label: file.path.to_string(),
    };
    let content = draft.index.content_at(&file.path);
    let risk = content.and_then(|id| draft.index.risk(id));
    let absent = why.gone.map(|_| Precondition::PlaylistAbsent {
        playlist: why.playlist.clone(),
    });
    let mut action = act(Class::Destructive, Effect::FileTrash { before }, about)
        .under(why.playlist)
        .provided([precondition(file)].into_iter().chain(absent))
        .because(why.rule, why.text)
        .at_risk(risk)
        .moving(Estimate {
            bytes_down: 0,
            bytes_trashed: file.stat.size,
        });
    if let Some(decided) = why.gone {
        action = action.stated(decided);
    }
    let track = row.track.as_ref();
    let denied = track.and_then(|id| facts::denial(draft, id, content, Some(file), Denied::Trash));
    match denied.or_else(|| used_by_the_dj(draft, file, risk)) {
        Some(hold) => draft.hold(&action, hold),
        None => push_removal(draft, action, false),
    }
}
