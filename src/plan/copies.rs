//! Hard links and copies of shared tracks in the folders of their further playlists.

use std::collections::BTreeSet;

use crate::{
    desired::{DesiredPlaylist, count},
    domain::{
        Class, LinkForm, TrackId,
        state::{FileRole, FileRow},
    },
    plan::{
        document::{Effect, Link, Precondition, Subject, Trashed},
        draft::{Draft, FilePlan, Hold, act},
        tracks::precondition,
    },
};

/// Hard links or copies of shared tracks in this playlist's folder.
pub(super) fn plan_copies(draft: &mut Draft<'_>, playlist: &DesiredPlaylist) {
    let form = draft.input.policy.library.sharing;
    if form == LinkForm::M3u8 {
        return;
    }
    let observation = draft.input.observation;
    let wanted: BTreeSet<&TrackId> = count(&playlist.entries)
        .into_keys()
        .filter_map(|track| draft.input.desired.tracks.get_key_value(&track))
        .filter(|(_, want)| want.home != playlist.id)
        .map(|(track, _)| track)
        .collect();
    let copies: Vec<&FileRow> = observation
        .state
        .files
        .values()
        .filter(|file| file.role == FileRole::Copy && file.playlist.as_ref() == Some(&playlist.id))
        .collect();
    for track in &wanted {
        let there = copies.iter().any(|row| {
            row.track.as_ref() == Some(track)
                && row.path.parent().as_ref() == Some(&playlist.folder)
                && draft.index.file(&row.path).is_some()
        });
        if !there {
            add_copy(draft, playlist, track, form);
        }
    }
    for row in copies {
        let stays = row
            .track
            .as_ref()
            .is_some_and(|track| wanted.contains(track))
            && row.path.parent().as_ref() == Some(&playlist.folder);
        if !stays {
            trash_copy(draft, playlist, row);
        }
    }
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

fn trash_copy(draft: &mut Draft<'_>, playlist: &DesiredPlaylist, row: &FileRow) {
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
    let action = act(Class::Destructive, Effect::FileTrash { before }, about)
        .under(&playlist.id)
        .provided([precondition(file)])
        .because(
            "library.sharing",
            "a copy of ours that no playlist needs any more",
        );
    draft.push(action);
}
