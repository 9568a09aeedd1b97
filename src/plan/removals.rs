//! What may go: playlists that are gone from TIDAL, and files of ours that no playlist needs.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    domain::{
        AudioFile, ChangeKind, Class, ContentId, MediaPath, TrackId,
        state::{FileRole, PlaylistRow},
    },
    plan::{
        contents::write_hold,
        copies::trash_copies_of,
        document::{Action, Effect, Estimate, Precondition, Risk, Subject, TagSet, Trashed},
        draft::{Draft, Hold, act},
        facts,
        gone::{clear_leftovers, leftovers, remove_playlist},
        tracks::linked_rows,
    },
    policy::{
        Decision, Denied, Facts, Verdict, WorkAtRisk,
        condition::Fact,
        verdict,
        verdict::{By, unprotected},
    },
};

/// Plans the removals. Nothing is concluded from a reading that is not complete.
pub(super) fn plan_removals(draft: &mut Draft<'_>) {
    let state = &draft.input.observation.state;
    let mut gone = BTreeMap::new();
    for change in &draft.input.changes {
        if change.kind == ChangeKind::PlaylistRemoved
            && draft.in_scope(&change.playlist)
            && let Some(row) = state.playlists.get(&change.playlist)
        {
            let decided = remove_playlist(draft, row);
            gone.insert(row.id.clone(), decided);
        }
    }
    for row in leftovers(draft) {
        let decided = clear_leftovers(draft, &row);
        gone.insert(row.id.clone(), decided);
        draft.leftovers.insert(row.id.clone(), row);
    }
    gone.retain(|_, decided| matches!(decided.decision, Decision::Remove));
    trash_copies_of(draft, &gone);
    if draft.input.scope.is_none() {
        untag(draft);
        let orphans = plan_orphans(draft);
        plan_duplicates(draft, &orphans);
    }
}

pub(super) fn push_removal(draft: &mut Draft<'_>, action: Action, rekordbox: bool) {
    if rekordbox && !draft.writes_rekordbox() {
        draft.hold(&action, write_hold());
    } else if let Some(hold) = global_hold(draft) {
        draft.hold(&action, hold);
    } else {
        draft.push(action);
    }
}

/// What holds everything back that does not only add: a library that no apply has gone over yet.
/// Taking one over ([`super::takeover`]) records files and no playlist, so it does not count.
pub(super) fn probation(draft: &Draft<'_>) -> Option<Hold> {
    let state = &draft.input.observation.state;
    (state.meta.serial == 0 || state.playlists.is_empty()).then(|| Hold {
        gate: "probation",
        text: "the first apply on a library only adds".into(),
        ..Hold::default()
    })
}

/// What holds every removal back: a first apply, a half-read source.
pub(super) fn global_hold(draft: &Draft<'_>) -> Option<Hold> {
    if let Some(hold) = probation(draft) {
        return Some(hold);
    }
    let observation = draft.input.observation;
    let tidal = &observation.tidal;
    if !tidal.value.complete || tidal.value.playlists.iter().any(|p| !p.complete) {
        let text = "TIDAL was not read completely".into();
        return Some(Hold {
            gate: "TC103",
            text,
            ..Hold::default()
        });
    }
    None
}

/// Takes our tags off tracks that no managed playlist has any more.
fn untag(draft: &mut Draft<'_>) {
    if draft.index.collection().is_none() {
        return;
    }
    let state = &draft.input.observation.state;
    let kept = kept_by_memory(draft);
    // TIDAL gives a recording another id now and then: its row goes on under that.
    let linked = linked_rows(draft);
    let linked: BTreeSet<&ContentId> = linked.iter().map(|id| draft.row(id)).collect();
    let mut gone: Vec<(TrackId, TagSet, String)> = Vec::new();
    for (id, row) in &state.tracks {
        let Some(content) = row
            .content
            .as_ref()
            .filter(|id| draft.index.content(id).is_some())
        else {
            continue;
        };
        if draft.input.desired.tracks.contains_key(id) || kept.contains(id) {
            continue;
        }
        let stays = draft.row(content);
        if linked.contains(stays) {
            continue;
        }
        let existing = draft.index.tags(stays);
        let ours: Vec<_> = draft
            .index
            .our_tags(stays)
            .intersection(&existing)
            .cloned()
            .collect();
        if !ours.is_empty() {
            let set = TagSet {
                track: Some(id.clone()),
                row: draft.stands_for.get(content).cloned(),
                djs: false,
                tags: ours,
            };
            gone.push((id.clone(), set, row.track.label()));
        }
    }
    for (id, before, label) in gone {
        let after = TagSet {
            tags: Vec::new(),
            ..before.clone()
        };
        let effect = Effect::MyTagSet { before, after };
        let about = Subject {
            track: Some(id),
            label,
        };
        let action = act(Class::Change, effect, about)
            .because("mytag", "no managed playlist asks for these tags any more");
        push_removal(draft, action, true);
    }
}

/// Tracks of playlists that are not managed now and still stand for something: those that the policy
/// merely leaves alone, and those that are gone from TIDAL and that the policy keeps.
pub(super) fn kept_by_memory(draft: &Draft<'_>) -> BTreeSet<TrackId> {
    let desired = draft.input.desired;
    let stays = |row: &&PlaylistRow| {
        let decided = || verdict(draft.input.policy, &facts::of_removed_playlist(row)).decision;
        desired.unmanaged.contains(&row.id) || decided() != Decision::Remove
    };
    let rows = draft.input.observation.state.playlists.values();
    rows.filter(|row| !desired.playlists.contains_key(&row.id))
        .filter(stays)
        .flat_map(|row| row.entries.iter().map(|entry| entry.track.clone()))
        .collect()
}

/// Whether some playlist stands for the track: in TIDAL, in our memory, or by what is retained.
pub(super) fn is_needed(draft: &Draft<'_>, kept: &BTreeSet<TrackId>, track: &TrackId) -> bool {
    let desired = draft.input.desired;
    // Every entry of a desired playlist has its desired track.
    desired.in_tidal.contains(track) || kept.contains(track) || desired.tracks.contains_key(track)
}

/// The files that are a needed track, or may be one, whatever track they were fetched for: TIDAL gives a
/// recording another id now and then.
pub(super) fn needed_files<'a>(
    draft: &Draft<'a>,
    kept: &BTreeSet<TrackId>,
) -> BTreeSet<&'a MediaPath> {
    let identities = draft.input.identities;
    let needed = |track: &TrackId| is_needed(draft, kept, track);
    let found = identities.matches.iter().filter(|(id, _)| needed(id));
    let asked = identities.asks.iter().filter(|(id, _)| needed(id));
    let asked = asked.flat_map(|(_, candidates)| candidates);
    found
        .map(|(_, found)| &found.path)
        .chain(asked.map(|candidate| &candidate.path))
        .chain(remembered_files(draft, kept))
        .collect()
}

/// The files of tracks that only our memory stands for, whatever other id has them as well: lists that
/// stay in Rekordbox name them.
fn remembered_files<'a>(
    draft: &Draft<'a>,
    kept: &BTreeSet<TrackId>,
) -> impl Iterator<Item = &'a MediaPath> {
    let state = &draft.input.observation.state;
    let rows = kept.iter().filter_map(|id| state.tracks.get(id));
    rows.flat_map(|row| {
        let shown = row.content.as_ref().and_then(|id| draft.index.location(id));
        let files = [row.file.clone(), shown].into_iter().flatten();
        files.filter_map(|path| Some(&draft.index.file(&path)?.path))
    })
}

/// Files of ours whose track is in no playlist: the rules decide.
fn plan_orphans(draft: &mut Draft<'_>) -> BTreeSet<MediaPath> {
    let state = &draft.input.observation.state;
    let mut going = BTreeSet::new();
    let kept = kept_by_memory(draft);
    // Most plans have no orphan.
    let mut needed = None;
    for row in state.files.values() {
        let (Some(track), FileRole::Track) = (&row.track, row.role) else {
            continue;
        };
        if is_needed(draft, &kept, track) || !row.provenance.is_ours() {
            continue;
        }
        let needed = needed.get_or_insert_with(|| needed_files(draft, &kept));
        let file = draft.index.file(&row.path);
        if let Some(file) = file.filter(|file| !needed.contains(&file.path)) {
            let label = state
                .tracks
                .get(track)
                .map_or_else(|| row.path.to_string(), |row| row.track.label());
            if judge(draft, file, Some(track), &label, &Spare::Orphan) {
                going.insert(file.path.clone());
            }
        }
    }
    going
}

/// Further files of ours for a track that has another, but for those that go anyway.
fn plan_duplicates(draft: &mut Draft<'_>, going: &BTreeSet<MediaPath>) {
    let state = &draft.input.observation.state;
    let identities = draft.input.identities;
    let remembered = kept_by_memory(draft);
    let in_kept_lists: BTreeSet<&MediaPath> = remembered_files(draft, &remembered).collect();
    for (track, paths) in &identities.duplicates {
        let Some(kept) = identities.matches.get(track) else {
            continue;
        };
        let Some(kept) = draft.index.file(&kept.path) else {
            continue;
        };
        for path in paths {
            let Some(row) = state.files.get(path).filter(|row| row.provenance.is_ours()) else {
                continue;
            };
            // Fetched for another id of the recording, it is that one's as long as a list has that.
            let is_of_another = |of: &TrackId| of != track && is_needed(draft, &remembered, of);
            if row.track.as_ref().is_some_and(is_of_another) {
                continue;
            }
            if going.contains(path) || in_kept_lists.contains(path) {
                continue;
            }
            if let (FileRole::Track, Some(file)) = (row.role, draft.index.file(path)) {
                judge(
                    draft,
                    file,
                    Some(track),
                    path.as_str(),
                    &Spare::Duplicate(kept),
                );
            }
        }
    }
}

/// Why a file might not be needed.
enum Spare<'a> {
    /// Its track is in no playlist.
    Orphan,
    /// This file is the same recording.
    Duplicate(&'a AudioFile),
}

impl Spare<'_> {
    const fn fact(&self) -> &'static str {
        match self {
            Self::Orphan => "file.orphan",
            Self::Duplicate(_) => "file.duplicate",
        }
    }
}

/// Asks the policy about one file of ours, and plans what it says; whether that is the trash, now or once
/// nothing holds it.
fn judge(
    draft: &mut Draft<'_>,
    file: &AudioFile,
    track: Option<&TrackId>,
    label: &str,
    spare: &Spare<'_>,
) -> bool {
    let mut known = facts::of_file(draft, file, track);
    known.insert(spare.fact(), Fact::Flag(true));
    let decided = verdict(draft.input.policy, &known);
    let trashes = match decided.decision {
        Decision::Trash | Decision::Dedupe => true,
        // Only a denial is worth a row; files that simply stay are the normal case.
        Decision::Keep => decided.by == By::Protect && would_trash(draft, &known),
        Decision::Archive(_) | Decision::Upgrade | Decision::Remove => false,
    };
    if !trashes {
        draft.spare.insert(file.path.clone(), kept_by(&decided));
        return false;
    }
    let Some(action) = trash_action(draft, file, track, label, &decided, spare) else {
        return false;
    };
    let hold =
        spare_hold(draft, file, &action, (&decided, &known), spare).or_else(|| global_hold(draft));
    let told = match &hold {
        Some(hold) => format!("held back: {} {}", hold.gate, hold.text),
        None => format!("to the trash, by {}{}", decided.name, place(&decided)),
    };
    draft
        .spare
        .insert(file.path.clone(), told.trim_end().to_owned());
    match hold {
        Some(hold) => draft.hold(&action, hold),
        None => drop(draft.push(action)),
    }
    true
}

fn kept_by(decided: &Verdict) -> String {
    format!("stays, by {}{}", decided.name, place(decided))
}

fn place(decided: &Verdict) -> String {
    match decided.at.to_string() {
        at if at.is_empty() || decided.at.line == 0 => String::new(),
        at => format!(" ({at})"),
    }
}

/// What speaks against trashing this one file.
fn spare_hold(
    draft: &Draft<'_>,
    file: &AudioFile,
    action: &Action,
    (decided, known): (&Verdict, &Facts),
    spare: &Spare<'_>,
) -> Option<Hold> {
    let held = |gate, text: String| Some(Hold::by(gate, text));
    if decided.by == By::Protect {
        return Some(Hold {
            gate: "protect",
            rule: decided.name.clone(),
            at: decided.at.to_string(),
            text: work_text(action.risk),
        });
    }
    if let Some(hold) = facts::former_denial(draft, known, Denied::Trash) {
        return Some(hold);
    }
    if let Some(hold) = used_by_the_dj(draft, file, action.risk) {
        return Some(hold);
    }
    let Spare::Duplicate(kept) = spare else {
        return None;
    };
    if worth(draft, file) > worth(draft, kept) {
        let text = format!(
            "it is the better one, and {} is the track's file",
            kept.path
        );
        return held("dedupe", text);
    }
    // What the trash rests on must stay where it is until then.
    let moves = draft.actions.iter().any(|other| match &other.effect {
        Effect::FilePlace { before, .. } => before.path == kept.path,
        Effect::FileTrash { before } => before.path == kept.path,
        _ => false,
    });
    if moves {
        return held(
            "order",
            format!("{} moves first; plan again then", kept.path),
        );
    }
    None
}

/// What the DJ has made of the file, so that it does not go: lists of theirs that name it, work on its row.
pub(super) fn used_by_the_dj(
    draft: &Draft<'_>,
    file: &AudioFile,
    risk: Option<Risk>,
) -> Option<Hold> {
    let held = |gate, text: String| Some(Hold::by(gate, text));
    let row = draft.index.content_at(&file.path);
    let own_lists = row.map_or(0, |id| draft.index.own_lists(id));
    if own_lists > 0 {
        let text = format!("it is in {own_lists} playlist(s) of yours in Rekordbox");
        return held("rekordbox", text);
    }
    if let Some(list) = draft.input.observation.local_list_of(&file.path) {
        return held("local list", format!("your playlist file {list} names it"));
    }
    let work = risk.is_some_and(|risk| risk.is_work());
    let waits = match draft.input.policy.safety.work_at_risk {
        WorkAtRisk::Allow => false,
        WorkAtRisk::Ask => draft.input.conditions.leave.work == 0,
        WorkAtRisk::Deny => true,
    };
    if work && waits {
        return Some(Hold {
            gate: "TC303",
            rule: "work_at_risk".into(),
            at: draft.input.policy.safety.at.to_string(),
            text: work_text(risk),
        });
    }
    None
}

/// What makes one file of a track better than another: the DJ's work, then that nothing is lost, then
/// the bit rate.
fn worth(draft: &Draft<'_>, file: &AudioFile) -> (u32, bool, Option<u32>) {
    let row = draft.index.content_at(&file.path);
    let risk = row.and_then(|id| draft.index.risk(id)).unwrap_or_default();
    let rate = file.bitrate_kbps.filter(|_| !file.format.is_lossless());
    let cues = risk.hot_cues + risk.memory_cues;
    (cues, file.format.is_lossless(), rate)
}

/// Whether the file would go, were it not for the protections.
fn would_trash(draft: &Draft<'_>, known: &Facts) -> bool {
    let decision = unprotected(draft.input.policy, known).decision;
    matches!(decision, Decision::Trash | Decision::Dedupe)
}

/// The trash action, once the hashes that it rests on are known.
fn trash_action(
    draft: &mut Draft<'_>,
    file: &AudioFile,
    track: Option<&TrackId>,
    label: &str,
    decided: &Verdict,
    spare: &Spare<'_>,
) -> Option<Action> {
    if let Spare::Duplicate(kept) = spare
        && kept.hash.is_none()
    {
        draft.unhashed.insert(kept.path.clone());
    }
    let Some(sha256) = file.hash else {
        draft.unhashed.insert(file.path.clone());
        return None;
    };
    let content = draft.index.content_at(&file.path);
    let risk = content.and_then(|id| draft.index.risk(id));
    let seen = |file: &AudioFile| Precondition::File {
        path: file.path.clone(),
        size: file.stat.size,
        mtime: file.stat.mtime,
        sha256: file.hash,
    };
    let checked = draft.input.observation.tidal.value.playlists.len();
    // What it rests on, why in a sentence, and the evidence.
    let (rests, text, evidence) = match spare {
        Spare::Orphan => (
            track.map(|track| Precondition::DesiredAbsent {
                track: track.clone(),
                playlists_checked: checked,
            }),
            "no playlist needs it".to_owned(),
            format!("{} is in none of {checked} playlists", file.path),
        ),
        Spare::Duplicate(kept) => {
            let same = match kept.hash == file.hash {
                true => "the same bytes",
                false => "the same recording",
            };
            (
                Some(seen(kept)),
                format!("duplicate of {}", kept.path),
                format!("{same} as {}, which stays", kept.path),
            )
        }
    };
    let before = Trashed {
        path: file.path.clone(),
        size: file.stat.size,
        sha256,
    };
    let about = Subject {
        track: track.cloned(),
        label: label.to_owned(),
    };
    let estimate = Estimate {
        bytes_down: 0,
        bytes_trashed: file.stat.size,
    };
    let mut action = act(Class::Destructive, Effect::FileTrash { before }, about)
        .provided([seen(file)])
        .provided(rests)
        .because(&decided.name, text)
        .stated(decided)
        .at_risk(risk)
        .moving(estimate);
    action.why.evidence.push(evidence);
    Some(action)
}

/// The DJ's work in words: `7 hot cues, 3 plays`.
pub(super) fn work_text(risk: Option<Risk>) -> String {
    let Some(risk) = risk else {
        return String::new();
    };
    let counted = [
        (risk.hot_cues, "hot cue"),
        (risk.memory_cues, "memory cue"),
        (u32::from(risk.rating), "star"),
        (risk.plays, "play"),
    ];
    let texts = counted.iter().filter(|(n, _)| *n > 0).map(|(n, what)| {
        let plural = if *n == 1 { "" } else { "s" };
        format!("{n} {what}{plural}")
    });
    texts.collect::<Vec<_>>().join(", ")
}
