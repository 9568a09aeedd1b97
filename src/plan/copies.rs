//! Hard links and copies of shared tracks in the folders of their further playlists.

use std::collections::BTreeMap;

use crate::{
    desired::{DesiredPlaylist, count},
    domain::{
        Class, LinkForm, MediaPath, PlaylistId, TrackId,
        state::{FileRole, FileRow},
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

/// Which playlist wants a further name of which track in its folder.
type Wanted = BTreeMap<(MediaPath, TrackId), PlaylistId>;

/// Hard links or copies of shared tracks in the folders of all playlists. A name belongs to the folder
/// in which it stands: where one playlist leaves the folder and another one takes it, it stays.
pub(super) fn plan_copies(draft: &mut Draft<'_>) {
    let form = draft.input.policy.library.sharing;
    if form == LinkForm::M3u8 {
        return;
    }
    let desired = draft.input.desired;
    let mut lacking = wanted(draft);
    let mut spare = Vec::new();
    for row in copies(draft) {
        let stays = key_of(row).is_some_and(|key| match draft.index.file(&row.path) {
            Some(_) => lacking.remove(&key).is_some(),
            None => false,
        });
        // Copies of a playlist that is gone go with it, see `trash_copies_of`.
        let owner = row.playlist.as_ref();
        let owner = owner.and_then(|id| desired.playlists.get(id));
        if let (false, Some(owner)) = (stays, owner.filter(|list| is_planned(draft, list))) {
            spare.push((owner, row));
        }
    }
    for ((_, track), playlist) in lacking {
        if let Some(playlist) = desired.playlists.get(&playlist) {
            add_copy(draft, playlist, &track, form);
        }
    }
    for (owner, row) in spare {
        let why = Trash {
            playlist: &owner.id,
            pre: None,
            rule: "library.sharing",
            text: "a copy of ours that no playlist needs any more",
            decided: None,
        };
        trash_copy(draft, row, why);
    }
}

/// Copies in the folder of a playlist that is gone from TIDAL, where no other playlist has the folder now.
pub(super) fn trash_copies_of(draft: &mut Draft<'_>, gone: &PlaylistId, decided: &Verdict) {
    let wanted = wanted(draft);
    for row in copies(draft) {
        let needed = key_of(row).is_some_and(|key| wanted.contains_key(&key));
        if row.playlist.as_ref() == Some(gone) && row.provenance.is_ours() && !needed {
            let why = Trash {
                playlist: gone,
                pre: Some(Precondition::PlaylistAbsent {
                    playlist: gone.clone(),
                }),
                rule: &decided.name,
                text: "a copy of ours for a playlist that is gone from TIDAL",
                decided: Some(decided),
            };
            trash_copy(draft, row, why);
        }
    }
}

/// Whether this plan may change what the playlist has.
fn is_planned(draft: &Draft<'_>, playlist: &DesiredPlaylist) -> bool {
    draft.in_scope(&playlist.id) && playlist.mode != SyncMode::Observe
}

fn wanted(draft: &Draft<'_>) -> Wanted {
    let desired = draft.input.desired;
    if draft.input.policy.library.sharing == LinkForm::M3u8 {
        return Wanted::new();
    }
    let mut wanted = Wanted::new();
    let playlists = desired.playlists.values();
    for playlist in playlists.filter(|list| is_planned(draft, list)) {
        for track in count(&playlist.entries).into_keys() {
            let is_shared = desired
                .tracks
                .get(&track)
                .is_some_and(|want| want.home != playlist.id);
            if is_shared {
                let key = (playlist.folder.clone(), track.clone());
                wanted.entry(key).or_insert_with(|| playlist.id.clone());
            }
        }
    }
    wanted
}

fn copies<'a>(draft: &Draft<'a>) -> impl Iterator<Item = &'a FileRow> + use<'a> {
    let rows = draft.input.observation.state.files.values();
    rows.filter(|row| row.role == FileRole::Copy)
}

fn key_of(row: &FileRow) -> Option<(MediaPath, TrackId)> {
    Some((row.path.parent()?, row.track.clone()?))
}

fn add_copy(draft: &mut Draft<'_>, playlist: &DesiredPlaylist, track: &TrackId, form: LinkForm) {
    let Some(planned) = draft.tracks.get(track).cloned() else {
        return;
    };
    let (path, pre) = match &planned.file {
        FilePlan::None => return,
        FilePlan::At(path) => {
            let path = playlist.folder.join(&path.file_name());
            (path.clone(), Precondition::Vacant { path })
        }
        FilePlan::Fetched(stem) => {
            let stem = playlist.folder.join(&stem.file_name());
            (stem.clone(), Precondition::VacantStem { stem, but: None })
        }
    };
    let Some(want) = draft.input.desired.tracks.get(track) else {
        return;
    };
    let after = Link {
        form,
        path: path.clone(),
        playlist: playlist.id.clone(),
        of: Some(track.clone()),
    };
    let about = Subject {
        track: Some(track.clone()),
        label: want.track.label(),
    };
    // What stands there may move away in this very plan.
    let leaves = draft
        .actions
        .iter()
        .find_map(|action| match &action.effect {
            Effect::FilePlace { before, .. } if before.path == path => Some(action.id.clone()),
            _ => None,
        });
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
        draft.hold(
            &action,
            Hold {
                gate: "occupied",
                text,
                ..Hold::default()
            },
        );
    } else {
        draft.push(action);
    }
}

/// Why a copy goes.
struct Trash<'a> {
    playlist: &'a PlaylistId,
    pre: Option<Precondition>,
    rule: &'a str,
    text: &'static str,
    decided: Option<&'a Verdict>,
}

fn trash_copy(draft: &mut Draft<'_>, row: &FileRow, why: Trash<'_>) {
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
    let mut action = act(Class::Destructive, Effect::FileTrash { before }, about)
        .under(why.playlist)
        .provided([precondition(file)].into_iter().chain(why.pre))
        .because(why.rule, why.text)
        .at_risk(risk)
        .moving(Estimate {
            bytes_down: 0,
            bytes_trashed: file.stat.size,
        });
    if let Some(decided) = why.decided {
        action = action.stated(decided);
    }
    let track = row.track.as_ref();
    let denied = track.and_then(|id| facts::denial(draft, id, content, Some(file), Denied::Trash));
    match denied.or_else(|| used_by_the_dj(draft, file, risk)) {
        Some(hold) => draft.hold(&action, hold),
        None => push_removal(draft, action, false),
    }
}
