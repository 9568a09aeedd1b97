//! Puts a plan together: order, changes with their actions, tables, gates, counts.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    desired::naming,
    diff::Change,
    domain::{
        ActionId, ChangeKind, Class, ContentHash, MediaPath, PlaylistId, Provenance, Track, TrackId,
    },
    plan::{
        changes::{Occurrences, change_id, changes},
        document::{
            Action, Base, Body, Check, CheckStatus, Effect, FilesInput, Held, Inputs, Mode,
            PlannedChange, PlannedPlaylist, PolicyInput, RekordboxInput, Summary, TidalInput,
        },
        draft::Draft,
        guard::{self, Leave},
        holds::{hold_removals, hold_trash_of_half_read},
    },
    policy::{Policy, SyncMode},
};

/// The reviewed part of a plan.
pub(super) fn body(mut draft: Draft<'_>) -> Body {
    draft.actions.sort_by_key(|action| rank(&action.effect));
    let checks = checks(&draft);
    hold_removals(&mut draft, &checks);
    hold_trash_of_half_read(&mut draft);
    hold_observed(&mut draft);
    let mut changes = changes(&draft);
    if draft.input.mode == Mode::Download {
        changes.retain(|change| !change.actions.is_empty());
    }
    let playlists = playlists(&draft);
    let tracks = tracks(&draft, &playlists);
    let summary = summary(&draft, &changes);
    let mut held = std::mem::take(&mut draft.held);
    held.iter_mut()
        .for_each(|held| explain_held(draft.input.policy, held));
    held.sort_by(|a, b| (&a.playlist, &a.label, &a.id).cmp(&(&b.playlist, &b.label, &b.id)));
    let mut drift = std::mem::take(&mut draft.drift);
    drift.sort();
    let observation = draft.input.observation;
    let complete = observation.library.is_complete()
        && observation.tidal.value.complete
        && observation
            .tidal
            .value
            .playlists
            .iter()
            .all(|playlist| playlist.complete)
        && observation
            .rekordbox
            .as_ref()
            .is_none_or(|rekordbox| rekordbox.is_complete());
    Body {
        mode: draft.input.mode,
        applyable: !checks
            .iter()
            .any(|check| check.status == CheckStatus::Refuse),
        complete,
        base: base(&draft),
        inputs: inputs(&draft),
        playlists,
        tracks,
        changes,
        actions: draft.actions,
        decisions: draft.decisions,
        held,
        drift,
        checks,
        summary,
    }
}

/// For `download`: fetches, and what makes the fetched files known.
pub(super) fn keep_downloads(draft: &mut Draft<'_>) {
    let wanted: BTreeSet<TrackId> = draft
        .actions
        .iter()
        .filter(|action| matches!(action.effect, Effect::FileFetch { .. }))
        .filter_map(|action| action.subject.track.clone())
        .collect();
    let keeps = |action: &Action| match &action.effect {
        Effect::FileFetch { .. } => true,
        Effect::FileConvert { after } => wanted.contains(&after.track),
        _ => false,
    };
    draft.actions.retain(keeps);
}

/// The phase in which an action is carried out.
const fn rank(effect: &Effect) -> u8 {
    match effect {
        Effect::StateMove { .. } => 0,
        Effect::FileFetch { .. } => 1,
        Effect::FileConvert { .. } => 2,
        Effect::FileRestore { .. } => 3,
        Effect::FilePlace { .. } => 4,
        Effect::StateAdopt { .. } => 5,
        Effect::FileLink { .. } => 6,
        Effect::MyTagCreate { .. } => 7,
        Effect::NodeCreate { .. } => 8,
        Effect::NodeUpdate { .. } => 9,
        Effect::ContentAdd { .. } => 10,
        Effect::ContentRelocate { .. } => 11,
        Effect::ContentUpdate { .. } => 12,
        Effect::EntriesSet { .. } | Effect::EntriesMerge { .. } => 13,
        Effect::MyTagSet { .. } => 14,
        Effect::NodeRemove { .. } => 15,
        Effect::RowsRestore { .. } => 16,
        Effect::StateRecord { .. } => 17,
        Effect::StateForget { .. } => 18,
        Effect::StateRestore { .. } => 19,
        Effect::FileTrash { .. } | Effect::TrashPurge { .. } => 20,
        Effect::TidalEntryRemove { .. } | Effect::TidalEntryRestore { .. } => 21,
    }
}

/// What the gates say of the whole.
fn checks(draft: &Draft<'_>) -> Vec<Check> {
    let input = draft.input;
    let observation = input.observation;
    let tidal = &observation.tidal.value;
    let torn = tidal.playlists.iter().filter(|list| !list.complete);
    let mut incomplete: Vec<String> = torn.map(|list| list.name.clone()).collect();
    // TIDAL may tell the lists in any order.
    incomplete.sort();
    let desired = &input.desired.playlists;
    let entries = desired
        .values()
        .map(|playlist| playlist.entries.len())
        .sum();
    let end_of_day = input
        .as_of
        .at(23, 59, 59, 0)
        .to_zoned(jiff::tz::TimeZone::UTC);
    guard::check(&guard::GuardInput {
        policy: input.policy,
        actions: &draft.actions,
        changes: &changes(draft),
        readings: guard::Readings {
            canary: observation.library.value.id.as_ref(),
            library: observation.state.meta.library_id.as_ref(),
            files_seen: observation.library.value.files.len(),
            files_before: input.files_before,
            tidal_complete: tidal.complete,
            tidal_incomplete: &incomplete,
            desired: (desired.len(), entries),
        },
        managed: &managed(draft),
        past: &input.past_removals,
        as_of: end_of_day.map(|day| day.timestamp()).unwrap_or_default(),
        allow: &input.allows,
        protected: draft
            .held
            .iter()
            .filter(|held| held.gate == "protect")
            .count(),
        awaiting: Leave {
            unprotect: draft
                .awaiting
                .unprotect
                .max(input.conditions.leave.unprotect),
            work: draft.awaiting.work.max(input.conditions.leave.work),
        },
        undecided: input
            .conditions
            .require_decisions
            .then_some(draft.decisions.len()),
        moment: None,
    })
}

/// What we manage before the plan: where entries leave TIDAL itself, also what stands only there.
fn managed(draft: &Draft<'_>) -> guard::Managed {
    let state = &draft.input.observation.state;
    let rows = state
        .playlists
        .values()
        .filter(|row| row.deleted_at.is_none());
    let mut playlists: BTreeMap<PlaylistId, (String, usize)> = rows
        .map(|row| (row.id.clone(), (row.name.clone(), row.entries.len())))
        .collect();
    let lists = &draft.input.observation.tidal.value.playlists;
    let changes_tidal = draft.actions.iter().any(|action| action.effect.is_tidal());
    for list in lists.iter().filter(|_| changes_tidal) {
        if draft.input.desired.playlists.contains_key(&list.id) {
            let known = playlists.entry(list.id.clone());
            let (_, entries) = known.or_insert_with(|| (list.name.clone(), 0));
            *entries = list.items.len().max(*entries);
        }
    }
    guard::Managed {
        files: state
            .files
            .values()
            .filter(|file| file.provenance.is_ours())
            .count(),
        playlists,
    }
}

/// Playlists that the policy only observes: what would change is shown, nothing is done.
fn hold_observed(draft: &mut Draft<'_>) {
    let desired = draft.input.desired;
    let observed = |change: &&Change| {
        desired
            .playlists
            .get(&change.playlist)
            .is_some_and(|p| p.mode == SyncMode::Observe)
    };
    let mut occurrences = Occurrences::default();
    for change in draft.input.changes.iter().filter(observed) {
        let occurrence = occurrences.next(change);
        let Some(playlist) = desired.playlists.get(&change.playlist) else {
            continue;
        };
        let label = change
            .track
            .as_ref()
            .and_then(|id| desired.tracks.get(id))
            .map_or_else(|| playlist.name.clone(), |track| track.track.label());
        draft.held.push(Held {
            id: ActionId::new(change_id(change, occurrence).replacen('c', "a", 1)),
            label,
            playlist: Some(change.playlist.clone()),
            would: would(change.kind).to_owned(),
            gate: "mode".into(),
            rule: "observe".into(),
            at: playlist.at.to_string(),
            text: "the policy only observes this playlist".into(),
        });
    }
}

const fn would(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::PlaylistAdded => "would add the playlist",
        ChangeKind::PlaylistRemoved => "would remove the playlist",
        ChangeKind::PlaylistRenamed => "would rename the playlist",
        ChangeKind::TrackAddedToPlaylist => "would add",
        ChangeKind::TrackRemovedFromPlaylist => "would take out of the playlist",
        ChangeKind::TrackMoved => "would move",
        ChangeKind::TrackMetadataChanged => "would update",
    }
}

fn playlists(draft: &Draft<'_>) -> BTreeMap<PlaylistId, PlannedPlaylist> {
    let changed = draft.input.changes.iter().map(|change| &change.playlist);
    let acted = draft
        .actions
        .iter()
        .filter_map(|action| action.playlist.as_ref());
    let held = draft.held.iter().filter_map(|held| held.playlist.as_ref());
    let ids: BTreeSet<&PlaylistId> = changed
        .chain(acted)
        .chain(held)
        .filter(|id| draft.in_scope(id))
        .collect();
    ids.into_iter()
        .filter_map(|id| Some((id.clone(), planned_playlist(draft, id)?)))
        .collect()
}

fn planned_playlist(draft: &Draft<'_>, id: &PlaylistId) -> Option<PlannedPlaylist> {
    if let Some(playlist) = draft.input.desired.playlists.get(id) {
        return Some(PlannedPlaylist {
            name: playlist.name.clone(),
            description: playlist.description.clone(),
            folder: playlist.folder.clone(),
            rekordbox_name: playlist.rekordbox_name.clone(),
            rekordbox_folder: playlist.rekordbox_folder.clone(),
            entries: playlist.entries.clone(),
        });
    }
    let known = draft.input.observation.state.playlists.get(id);
    let row = known.or_else(|| draft.leftovers.get(id))?;
    // Where nothing says it any more; nothing is put there.
    let would_be = || {
        let base = MediaPath::new(draft.input.policy.library.playlists.trim_matches('/'));
        base.join(&naming::playlist_folder_name(&row.name))
    };
    Some(PlannedPlaylist {
        name: row.name.clone(),
        description: row.description.clone(),
        folder: row.folder.clone().unwrap_or_else(would_be),
        rekordbox_name: row.name.clone(),
        rekordbox_folder: Vec::new(),
        entries: row
            .entries
            .iter()
            .map(|entry| entry.track.clone())
            .collect(),
    })
}

/// Tracks that the plan speaks of, and those of its playlists that the state does not know so.
fn tracks(
    draft: &Draft<'_>,
    playlists: &BTreeMap<PlaylistId, PlannedPlaylist>,
) -> BTreeMap<TrackId, Track> {
    let state = &draft.input.observation.state;
    let desired = draft.input.desired;
    let known = |id: &TrackId| {
        let row = state.tracks.get(id).map(|row| &row.track);
        row.is_some() && row == desired.tracks.get(id).map(|want| &want.track)
    };
    let acted = draft
        .actions
        .iter()
        .filter_map(|action| action.subject.track.clone());
    let changed = draft
        .input
        .changes
        .iter()
        .filter_map(|change| change.track.clone());
    let decided = draft
        .decisions
        .iter()
        .filter_map(|decision| decision.track.clone());
    let new = playlists
        .values()
        .flat_map(|p| &p.entries)
        .filter(|id| !known(id))
        .cloned();
    let ids: BTreeSet<TrackId> = acted.chain(changed).chain(decided).chain(new).collect();
    let find = |id: &TrackId| {
        let wanted = desired.tracks.get(id).map(|want| &*want.track);
        wanted
            .or_else(|| state.tracks.get(id).map(|row| &*row.track))
            .cloned()
    };
    ids.into_iter()
        .filter_map(|id| find(&id).map(|track| (id, track)))
        .collect()
}

fn base(draft: &Draft<'_>) -> Base {
    let observation = draft.input.observation;
    let meta = &observation.state.meta;
    Base {
        library_id: observation.library.value.id.clone(),
        lineage: meta.lineage.clone(),
        serial: meta.serial,
        schema_version: meta.schema_version,
    }
}

fn inputs(draft: &Draft<'_>) -> Inputs {
    let input = draft.input;
    let observation = input.observation;
    let tidal = &observation.tidal.value;
    let mut incomplete: Vec<PlaylistId> = tidal
        .playlists
        .iter()
        .filter(|p| !p.complete)
        .map(|p| p.id.clone())
        .collect();
    incomplete.sort();
    let unavailable = input
        .desired
        .tracks
        .values()
        .filter(|track| !track.available)
        .count();
    let name = input.policy.source.path.file_name();
    Inputs {
        as_of: input.as_of.to_string(),
        policy: PolicyInput {
            path: name
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            sha256: input.policy.source.sha256,
            settings: settings(draft),
        },
        tidal: TidalInput {
            snapshot: input.tidal_hash,
            playlists: tidal.playlists.len(),
            incomplete,
            unavailable_tracks: unavailable,
        },
        files: files_input(draft),
        rekordbox: observation
            .rekordbox
            .as_ref()
            .map(|observed| RekordboxInput {
                version: observed.value.app_version.clone(),
                local_usn: observed.value.local_usn,
                tracks: observed.value.contents.len(),
            }),
    }
}

/// Where the settings stand that actions name without a place of their own.
fn settings(draft: &Draft<'_>) -> BTreeMap<String, usize> {
    let lines = &draft.input.policy.lines;
    let unplaced = draft
        .actions
        .iter()
        .filter(|action| action.why.at.is_empty());
    let rules: BTreeSet<&str> = unplaced.map(|action| action.why.rule.as_str()).collect();
    let written = rules
        .into_iter()
        .filter_map(|rule| lines.get_key_value(rule));
    written.map(|(rule, line)| (rule.clone(), *line)).collect()
}

/// What a held row rests on, where it does not say: the setting behind its gate, or the gate itself.
fn explain_held(policy: &Policy, held: &mut Held) {
    if held.rule.is_empty() {
        held.rule.clone_from(&held.gate);
    }
    let setting = match held.gate.as_str() {
        "TC102" => "safety.min_files_seen",
        "TC302" => "protect",
        "download" => "download.command",
        "lossy" => "library.format",
        "unavailable" => "download.retry_unavailable",
        gate => gate,
    };
    if held.at.is_empty()
        && let Some(place) = policy.place_of(setting)
    {
        held.at = place.to_string();
    }
}

fn files_input(draft: &Draft<'_>) -> FilesInput {
    use sha2::Digest as _;
    let files = &draft.input.observation.library.value.files;
    let mut hasher = sha2::Sha256::new();
    for file in files {
        let (seconds, nanos) = file.stat.mtime;
        hasher.update(file.path.as_str().as_bytes());
        hasher.update([0]);
        hasher.update(file.stat.size.to_le_bytes());
        hasher.update(seconds.to_le_bytes());
        hasher.update(nanos.to_le_bytes());
    }
    FilesInput {
        scan: ContentHash::from_bytes(hasher.finalize().into()),
        files: files.len(),
        bytes: files.iter().map(|file| file.stat.size).sum(),
    }
}

/// Counts rows as a person reads them: changes, and actions that belong to none.
fn summary(draft: &Draft<'_>, changes: &[PlannedChange]) -> Summary {
    let mut summary = Summary {
        decide: draft.decisions.len(),
        held: draft.held.len(),
        ..Summary::default()
    };
    for change in changes {
        match change.kind {
            ChangeKind::PlaylistAdded | ChangeKind::TrackAddedToPlaylist => summary.add += 1,
            ChangeKind::PlaylistRenamed | ChangeKind::TrackMetadataChanged => summary.change += 1,
            ChangeKind::TrackMoved => summary.moves += 1,
            ChangeKind::PlaylistRemoved | ChangeKind::TrackRemovedFromPlaylist => {
                summary.remove += 1;
            }
        }
    }
    let covered: BTreeSet<&ActionId> = changes.iter().flat_map(|change| &change.actions).collect();
    for action in &draft.actions {
        match &action.effect {
            Effect::FileTrash { .. } => summary.trash += 1,
            Effect::StateAdopt { after }
                if after.provenance == Provenance::Adopted || !covered.contains(&action.id) =>
            {
                summary.adopt += 1;
            }
            _ if covered.contains(&action.id) => {}
            _ => match action.class {
                Class::Additive => summary.add += 1,
                Class::Move => summary.moves += 1,
                Class::Change => summary.change += 1,
                Class::Remove | Class::Destructive => summary.remove += 1,
                Class::Tidal => summary.tidal += 1,
            },
        }
    }
    summary
}
