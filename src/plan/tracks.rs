//! What each track needs: a file and its place; then its row and its MyTags in Rekordbox.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use foldhash::{HashMap, HashMapExt as _};
use rayon::prelude::*;

use crate::{
    desired::DesiredTrack,
    diff::{
        Change,
        identity::{How, Match, same_recording},
    },
    domain::{AudioFile, ChangeKind, ContentId, MediaPath, Track, TrackId, state::PlaylistRow},
    plan::{
        ask::ask,
        contents::{plan_content, plan_fields, relocation_hold},
        document::{Adoption, At, Class, Convert, Effect, Estimate, Fetch, Precondition, Subject},
        draft::{ContentPlan, Draft, FilePlan, Hold, TrackPlan, act},
        facts,
        removals::probation,
        says_no_better,
        tags::plan_tags,
        upgrade::{plan_old, plan_upgrade},
    },
    policy::{Denied, SyncMode, decisions},
};

/// Plans every track of a managed playlist.
pub(super) fn plan_tracks(draft: &mut Draft<'_>) {
    let desired = draft.input.desired;
    let metadata: BTreeSet<&TrackId> = draft
        .input
        .changes
        .iter()
        .filter(|change| change.kind == ChangeKind::TrackMetadataChanged)
        .filter_map(|change: &Change| change.track.as_ref())
        .collect();
    // To look for each file takes a while in a large library.
    let wanted: Vec<Wanted<'_>> = desired
        .tracks
        .par_iter()
        .map(|(id, want)| {
            let found = file_of(draft, id);
            let file = found.and_then(|found| draft.index.file(&found.path));
            Wanted {
                id,
                want,
                found,
                file,
            }
        })
        .collect();
    let shared = shared_files(draft, &wanted);
    draft.leads = leads(draft, &shared);
    // Those that lead come first: the others follow them.
    let (led, leading): (Vec<_>, Vec<_>) = wanted
        .into_iter()
        .partition(|wanted| draft.leads.contains_key(wanted.id));
    for tracks in [leading, led] {
        let mut planned: BTreeMap<TrackId, TrackPlan> = tracks
            .into_iter()
            .map(|wanted| {
                let same = wanted.found.and_then(|found| shared.get(&found.path));
                let same = same.map_or(&[][..], Vec::as_slice);
                let planned = plan_track(draft, wanted, same, metadata.contains(wanted.id));
                (wanted.id.clone(), planned)
            })
            .collect();
        draft.tracks.append(&mut planned);
    }
}

/// A track that some playlist has.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    id: &'a TrackId,
    want: &'a DesiredTrack,
    /// What tells its file, by [`file_of`].
    found: Option<&'a Match>,
    /// That file.
    file: Option<&'a AudioFile>,
}

/// Plans one track; `same`: the ids of its recording, where there are several.
fn plan_track(
    draft: &mut Draft<'_>,
    wanted: Wanted<'_>,
    same: &[&TrackId],
    metadata: bool,
) -> TrackPlan {
    let Wanted { id, want, .. } = wanted;
    let mut planned = TrackPlan::default();
    if !is_managed(draft, want) {
        if let Some(found) = draft.input.identities.matches.get(id) {
            planned.file = FilePlan::At(found.path.clone());
            let content = draft.index.content_of(id, Some(&found.path)).cloned();
            planned.content = content.map_or(ContentPlan::None, ContentPlan::Is);
        }
        return planned;
    }
    let lead = draft.leads.get(id);
    let lead = lead.and_then(|lead| draft.tracks.get(*lead)).cloned();
    plan_file(draft, wanted, lead.as_ref(), &mut planned);
    match lead.filter(|lead| lead.content != ContentPlan::None) {
        Some(lead) => {
            planned.content = lead.content;
            planned.content_action = lead.content_action;
        }
        None => {
            plan_content(draft, id, want, &mut planned);
            // What TIDAL says now counts before what is remembered of an id that it has no more.
            let desired = draft.input.desired;
            let is_read = |id: &&TrackId| desired.in_tidal.contains(*id);
            let mut ids = std::iter::once(id).chain(same.iter().copied());
            let teller = ids.find(is_read).unwrap_or(id);
            let told = desired.tracks.get(teller).unwrap_or(want);
            plan_fields(draft, teller, told, &planned, metadata || teller != id);
            let mut all = Cow::Borrowed(want);
            for same in same {
                let tags = draft.input.desired.tracks.get(*same).map(|want| &want.tags);
                all.to_mut()
                    .tags
                    .extend(tags.into_iter().flatten().cloned());
            }
            plan_tags(draft, id, &all, &planned);
        }
    }
    plan_old(draft, want, &planned);
    planned
}

/// Whether this plan may do anything for the track: one of its playlists is in scope, and one is not
/// only looked at.
fn is_managed(draft: &Draft<'_>, want: &DesiredTrack) -> bool {
    !is_only_observed(draft, want) && want.playlists.iter().any(|list| draft.in_scope(list))
}

fn is_only_observed(draft: &Draft<'_>, want: &DesiredTrack) -> bool {
    let mut lists = want.playlists.iter();
    lists.all(|list| draft.observed.contains(list))
}

/// The tracks of each file that stands for several: TIDAL may have a recording under more than one id.
/// One leads, or else they would take the file from each other in turn: the file lies where that one
/// belongs, and the row has the tags of all.
fn shared_files<'a>(
    draft: &Draft<'_>,
    tracks: &[Wanted<'a>],
) -> BTreeMap<&'a MediaPath, Vec<&'a TrackId>> {
    let mut first = HashMap::with_capacity(tracks.len());
    let mut files: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for Wanted {
        id, want, found, ..
    } in tracks.iter().copied()
    {
        let found = found.filter(|_| !is_only_observed(draft, want));
        let Some(path) = found.map(|found| &found.path) else {
            continue;
        };
        if let Some(leads) = first.insert(path, id) {
            files.entry(path).or_default().extend([leads, id]);
        }
    }
    // Each but the first and the last was named twice.
    files.values_mut().for_each(Vec::dedup);
    files
}

/// Who leads, by those that follow: one whose row is that of the file and in whose folder it lies, as far as
/// there is such a one.
fn leads<'a>(
    draft: &Draft<'a>,
    shared: &BTreeMap<&'a MediaPath, Vec<&'a TrackId>>,
) -> BTreeMap<&'a TrackId, &'a TrackId> {
    let state = &draft.input.observation.state;
    let desired = draft.input.desired;
    let mut leads = BTreeMap::new();
    for (path, tracks) in shared {
        let row = draft.index.content_at(path);
        let has_another = |id: &TrackId| {
            let known = state.tracks.get(id).and_then(|row| row.content.as_ref());
            row.is_some() && known.is_some() && known != row
        };
        let is_away = |id: &TrackId| {
            let home = desired.tracks.get(id).map(|want| &want.home);
            let home = home.and_then(|home| desired.playlists.get(home));
            home.is_none_or(|home| !path.is_in(&home.folder))
        };
        // The first of those that are equal.
        let lead = tracks
            .iter()
            .min_by_key(|id| (has_another(id), is_away(id)));
        if let Some(lead) = lead {
            let others = tracks.iter().filter(|id| *id != lead);
            leads.extend(others.map(|id| (*id, *lead)));
        }
    }
    leads
}

/// The rows of Rekordbox that stand for tracks once this plan is applied, by a link that the state
/// knows or that this plan makes.
pub(super) fn linked_rows(draft: &Draft<'_>) -> BTreeSet<ContentId> {
    let state = &draft.input.observation.state;
    let tracks = draft.input.desired.tracks.iter();
    let rows = tracks.filter_map(|(id, want)| {
        let known = state.tracks.get(id).and_then(|row| row.content.as_ref());
        let found = file_of(draft, id).filter(|_| is_managed(draft, want));
        match found {
            Some(found) => draft.index.content_of(id, Some(&found.path)).or(known),
            None => known,
        }
    });
    rows.cloned().collect()
}

/// The file that is the track, where it can be told and believed.
fn file_of<'a>(draft: &Draft<'a>, id: &TrackId) -> Option<&'a Match> {
    let found = draft.input.identities.matches.get(id)?;
    (!moved_from_the_unread(draft, id, found)).then_some(found)
}

/// Whom an action about a track is about.
pub(super) fn subject(track: &Track) -> Subject {
    Subject {
        track: Some(track.id.clone()),
        label: track.label(),
    }
}

fn plan_file(
    draft: &mut Draft<'_>,
    wanted: Wanted<'_>,
    lead: Option<&TrackPlan>,
    planned: &mut TrackPlan,
) {
    let Wanted {
        id,
        want,
        found,
        file,
    } = wanted;
    if let Some(found) = found {
        if let Some(file) = file {
            planned.file = FilePlan::At(file.path.clone());
            link(draft, id, want, found, file, lead, planned);
            if let Some(lead) = lead {
                planned.file = lead.file.clone();
                return;
            }
            place(draft, want, file, planned);
            if draft.upgrades {
                plan_upgrade(draft, id, want, file, planned);
            }
        }
    } else if let Some(candidates) = draft.input.identities.asks.get(id) {
        ask(draft, want, candidates);
    } else {
        fetch(draft, id, want, planned);
    }
}

/// Whether the old path of a file that seems to have moved lies in a folder that could not be read: it
/// may well be there still.
fn moved_from_the_unread(draft: &Draft<'_>, id: &TrackId, found: &Match) -> bool {
    if found.how != How::Moved {
        return false;
    }
    let observation = draft.input.observation;
    let known = observation
        .state
        .tracks
        .get(id)
        .and_then(|row| row.file.as_ref());
    let unread = &observation.library.value.unreadable;
    known.is_some_and(|path| unread.iter().any(|folder| is_below(path, folder)))
}

/// Records which file is the track, where the state does not know it.
fn link(
    draft: &mut Draft<'_>,
    id: &TrackId,
    want: &DesiredTrack,
    found: &Match,
    file: &AudioFile,
    lead: Option<&TrackPlan>,
    planned: &mut TrackPlan,
) {
    let state = &draft.input.observation.state;
    let row = state.tracks.get(id);
    let known = row.and_then(|row| row.file.as_ref());
    let content = match lead.map(|lead| &lead.content) {
        // A row that it had for a file of its own is not that of this file.
        Some(ContentPlan::Is(content)) => Some(content.clone()),
        Some(ContentPlan::None | ContentPlan::Added) | None => {
            draft.index.content_of(id, Some(&file.path)).cloned()
        }
    };
    let content_known = row.and_then(|row| row.content.as_ref());
    if known == Some(&file.path) && (content.is_none() || content.as_ref() == content_known) {
        return;
    }
    // A file of ours that somebody moved is still ours; anything else that we find is the user's.
    let provenance = match (found.how, known) {
        (How::Moved, Some(old)) => state.provenance(old),
        _ => state.provenance(&file.path),
    };
    let adoption = Adoption {
        track: id.clone(),
        path: file.path.clone(),
        provenance,
        content,
        home: None,
        further: false,
    };
    let mut pre = precondition(file);
    if let (How::Moved, Precondition::File { sha256, .. }) = (found.how, &mut pre) {
        // It is ours and goes on being so: what it holds counts, and not only its size and time.
        match file.hash {
            Some(hash) => *sha256 = Some(hash),
            None => drop(draft.unhashed.insert(file.path.clone())),
        }
    }
    let rule = match found.how {
        How::Decision => "decision",
        How::Link | How::Moved | How::TidalId | How::Isrc | How::Likeness => "match",
    };
    let mut action = act(
        Class::Additive,
        Effect::StateAdopt { after: adoption },
        subject(&want.track),
    )
    .under(&want.home)
    .provided([pre])
    .because(rule, in_short(&found.reasons));
    if found.how == How::Decision {
        decisions::FILE_NAME.clone_into(&mut action.why.at);
    }
    planned.file_action = Some(draft.push(action));
}

/// Why it is this file, which the effect names: `same ISRC, title, artist, length differs by 1.2 s`. A library that is
/// taken over has such a line for each track.
fn in_short(reasons: &[Cow<'static, str>]) -> String {
    let mut text = String::new();
    let mut is_same = false;
    for reason in reasons {
        let of = reason.strip_prefix("same ");
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(of.filter(|_| is_same).unwrap_or(reason));
        is_same = of.is_some();
    }
    text
}

/// The file as it was seen.
pub(super) fn precondition(file: &AudioFile) -> Precondition {
    Precondition::File {
        path: file.path.clone(),
        size: file.stat.size,
        mtime: file.stat.mtime,
        sha256: None,
    }
}

/// Why a download is not tried again now, from what became of earlier ones. `better`: of one that shall
/// take the place of a file.
pub(super) fn fetch_failed_before(
    draft: &Draft<'_>,
    want: &DesiredTrack,
    better: bool,
) -> Option<Hold> {
    let held = |gate, text: String| Some(Hold::by(gate, text));
    if !want.available {
        return held("unavailable", "TIDAL does not stream it at present".into());
    }
    let failed = draft.input.failed_fetches.get(&want.track.id);
    if let Some(failed) = failed
        && failed.is_unavailable()
        && let Some(again) = tried_again(draft, failed.last)
    {
        let (since, said) = (failed.since, &failed.message);
        return held(
            "unavailable",
            format!("unavailable since {since}, tried again from {again} ({said})"),
        );
    }
    let refused = failed.and_then(|failed| failed.lossy.as_ref());
    if let Some(lossy) = refused
        && (better || !says_no_better(&lossy.said))
        && lossy.still_holds(draft.input.policy, &want.track)
    {
        return held(
            "lossy",
            format!(
                "refused on {}: {}; it is fetched again when `[library] format`, `[download] command` or \
                 TIDAL's quality of it changes",
                lossy.on, lossy.said
            ),
        );
    }
    if draft.input.policy.download.command.is_none() {
        return held("download", "[download] command is not set".into());
    }
    None
}

/// Whether a remembered playlist is only missing from a reading that was not finished.
fn is_unread(draft: &Draft<'_>, playlist: &PlaylistRow) -> bool {
    let desired = draft.input.desired;
    !draft.input.observation.tidal.value.complete
        && playlist.deleted_at.is_none()
        && !desired.playlists.contains_key(&playlist.id)
        && !desired.unmanaged.contains(&playlist.id)
}

/// Whether the track's home was not read.
fn home_is_unread(draft: &Draft<'_>, track: &TrackId) -> bool {
    let state = &draft.input.observation.state;
    let row = state.tracks.get(track).and_then(|row| row.home.as_ref());
    let home = row.and_then(|home| state.playlists.get(home));
    home.is_some_and(|home| is_unread(draft, home))
}

/// Whether the track was in a playlist that was not read.
pub(super) fn may_be_elsewhere(draft: &Draft<'_>, track: &TrackId) -> bool {
    if draft.input.observation.tidal.value.complete {
        return false;
    }
    let mut playlists = draft.input.observation.state.playlists.values();
    playlists.any(|list| {
        is_unread(draft, list) && list.entries.iter().any(|entry| entry.track == *track)
    })
}

/// Moves a file of ours to the folder of the playlist that is its home now.
fn place(draft: &mut Draft<'_>, want: &DesiredTrack, file: &AudioFile, planned: &mut TrackPlan) {
    let state = &draft.input.observation.state;
    let Some(home) = draft.input.desired.playlists.get(&want.home) else {
        return;
    };
    let stays = file.path.is_in(&home.folder) || home.mode == SyncMode::Observe;
    if stays
        || home_is_unread(draft, &want.track.id)
        || !state.provenance(&file.path).is_ours()
        || !file.path.is_in_library()
    {
        return;
    }
    let to = want.stem.with_appended_extension(&file.path.extension());
    let content = draft
        .index
        .content_of(&want.track.id, Some(&file.path))
        .cloned();
    let risk = content.as_ref().and_then(|id| draft.index.risk(id));
    let effect = Effect::FilePlace {
        before: At {
            path: file.path.clone(),
            home: None,
        },
        after: At {
            path: to.clone(),
            home: Some(want.home.clone()),
        },
    };
    let action = act(Class::Move, effect, subject(&want.track))
        .under(&want.home)
        .provided([
            precondition(file),
            Precondition::Vacant { path: to.clone() },
        ])
        .because(
            "library.playlists",
            format!("its folder is {} now", home.folder),
        )
        .at_risk(risk);
    let denied = facts::denial(
        draft,
        &want.track.id,
        content.as_ref(),
        Some(file),
        Denied::Move,
    )
    .or_else(|| probation(draft));
    match denied.or_else(|| relocation_hold(draft, content.as_ref()?)) {
        Some(hold) => draft.hold(&action, hold),
        None => {
            planned.file = FilePlan::At(to);
            planned.file_action = Some(draft.push(action));
        }
    }
}

fn fetch(draft: &mut Draft<'_>, id: &TrackId, want: &DesiredTrack, planned: &mut TrackPlan) {
    let policy = draft.input.policy;
    let format = policy.library.format;
    let same_as = fetched_already(draft, want);
    let estimate = Estimate {
        bytes_down: match same_as {
            Some(_) => 0,
            None => expected_bytes(&want.track),
        },
        bytes_trashed: 0,
    };
    let fetch = Fetch {
        track: id.clone(),
        stem: want.stem.clone(),
        convert_to: format,
        home: want.home.clone(),
        same_as: same_as.clone(),
        instead_of: None,
    };
    let known = draft
        .input
        .observation
        .state
        .tracks
        .get(id)
        .and_then(|row| row.file.clone());
    let mut text = match &known {
        Some(path) if draft.input.observation.library.value.file(path).is_some() => {
            format!("{path} is no whole recording of it")
        }
        Some(path) => format!("{path} is gone"),
        None => "no file in the library is this track".to_owned(),
    };
    if let Some(failed) = draft.input.failed_fetches.get(id) {
        let (last, why) = (
            failed.last,
            failed.message.lines().next().unwrap_or_default(),
        );
        text.push_str(&format!("; the last try, on {last}, failed: {why}"));
    }
    if let Some(twin) = &same_as {
        text.push_str(&format!(
            "; TIDAL track {twin} is the same recording (same ISRC) and fetched once for both"
        ));
    }
    let action = act(
        Class::Additive,
        Effect::FileFetch { after: fetch },
        subject(&want.track),
    )
    .under(&want.home)
    .provided([Precondition::VacantStem {
        stem: want.stem.clone(),
        but: None,
    }])
    .because("tidal.playlists", text)
    .moving(estimate);
    if let Some(hold) = fetch_hold(draft, want, known.as_ref()) {
        draft.unfetched.insert(id.clone(), hold.text.clone());
        draft.hold(&action, hold);
        return;
    }
    let fetched = draft.push(action);
    if let (None, Some(isrc)) = (&same_as, &want.track.isrc) {
        draft
            .fetched
            .entry(isrc.clone())
            .or_default()
            .push(id.clone());
    }
    let Some(format) = format else {
        planned.file = FilePlan::Fetched(want.stem.clone());
        planned.file_action = Some(fetched);
        return;
    };
    let path = want.stem.with_appended_extension(format.extension());
    let convert = Convert {
        track: id.clone(),
        path: path.clone(),
        format,
        quality: policy.library.quality.clone(),
        home: want.home.clone(),
        same_as,
        instead_of: None,
    };
    let action = act(
        Class::Additive,
        Effect::FileConvert { after: convert },
        subject(&want.track),
    )
    .under(&want.home)
    .provided([Precondition::Vacant { path: path.clone() }])
    .because(
        "library.format",
        format!("the policy keeps files as {}", format.extension()),
    )
    .after([fetched]);
    planned.file = FilePlan::At(path);
    planned.file_action = Some(draft.push(action));
}

/// The track that this plan fetches and that is the same recording.
fn fetched_already(draft: &Draft<'_>, want: &DesiredTrack) -> Option<TrackId> {
    let fetched = draft.fetched.get(want.track.isrc.as_ref()?)?;
    let tracks = &draft.input.desired.tracks;
    let is_same = |id: &&TrackId| {
        let other = tracks.get(*id);
        other.is_some_and(|other| same_recording(&other.track, &want.track))
    };
    fetched.iter().find(is_same).cloned()
}

fn fetch_hold(draft: &Draft<'_>, want: &DesiredTrack, known: Option<&MediaPath>) -> Option<Hold> {
    let library = &draft.input.observation.library.value;
    let unread = known.and_then(|path| {
        library
            .unreadable
            .iter()
            .find(|folder| is_below(path, folder))
    });
    let held = |gate, text: String| Some(Hold::by(gate, text));
    if let Some(folder) = unread {
        return held(
            "unreadable",
            format!("{folder} could not be read; its file may well be there"),
        );
    }
    if let Some(broken) = library.file_of_stem(&want.stem) {
        let why = broken.problem.as_deref().unwrap_or("it is too short");
        return held(
            "broken",
            format!(
                "{} is in the way and no whole recording of it ({why}): move it away, then plan again",
                broken.path
            ),
        );
    }
    fetch_failed_before(draft, want, false)
}

/// The day from which an unavailable track is tried again, when that is still to come.
fn tried_again(draft: &Draft<'_>, last: jiff::civil::Date) -> Option<jiff::civil::Date> {
    const DAY: u64 = 24 * 3600;
    let days = draft
        .input
        .policy
        .download
        .retry_unavailable
        .as_secs()
        .div_ceil(DAY);
    let span = jiff::Span::new().try_days(i64::try_from(days).ok()?).ok()?;
    let again = last.checked_add(span).ok()?;
    (again > draft.input.as_of).then_some(again)
}

pub(super) fn is_below(path: &MediaPath, folder: &MediaPath) -> bool {
    path.as_str()
        .strip_prefix(folder.as_str())
        .is_some_and(|rest| rest.starts_with('/'))
}

/// A guess from the length: lossless at about 900 kbit/s, else 320 kbit/s.
pub(super) fn expected_bytes(track: &Track) -> u64 {
    let lossless = track.media_tags.iter().any(|tag| tag.contains("LOSSLESS"));
    let bytes_a_second = if lossless { 112_500 } else { 40_000 };
    u64::from(track.duration_s.unwrap_or(240)) * bytes_a_second
}

#[cfg(test)]
mod tests {
    use super::in_short;

    #[test]
    fn what_is_the_same_is_said_to_be_so_once() {
        let reasons = [
            "same ISRC",
            "same title",
            "length differs by 1.2 s",
            "same artist",
        ];
        assert_eq!(
            in_short(&reasons.map(Into::into)),
            "same ISRC, title, length differs by 1.2 s, same artist"
        );
        assert_eq!(in_short(&["known file".into()]), "known file");
    }
}
