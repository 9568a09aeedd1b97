//! Better files: where a rule says `upgrade` and TIDAL has more than the file holds.
//!
//! The better file comes beside the old one, the row in Rekordbox is pointed at it under the same id, and
//! the old file goes to the trash last. What cannot be done whole is not begun.

use crate::{
    desired::DesiredTrack,
    domain::{
        AudioFile, AudioFormat, Class, ContentId, MediaPath, Track, TrackId, state::FileRole,
    },
    plan::{
        contents::relocation_hold,
        document::{Convert, Effect, Estimate, Fetch, OldFile, Precondition, Trashed},
        draft::{Better, Draft, FilePlan, Hold, TrackPlan, act},
        facts,
        removals::global_hold,
        tracks::{expected_bytes, fetch_failed_before, subject},
    },
    policy::{
        Decision, Denied, Policy, SyncMode, verdict,
        verdict::{By, unprotected},
    },
};

/// So much better, in percent, the rate of a file of the same kind must be.
const MARGIN: u64 = 110;

/// Asks the policy about the file of a track, and plans a better one where it says so.
pub(super) fn plan_upgrade(
    draft: &mut Draft<'_>,
    id: &TrackId,
    want: &DesiredTrack,
    file: &AudioFile,
    planned: &mut TrackPlan,
) {
    let stays = planned.file == FilePlan::At(file.path.clone());
    if !stays || !is_ours_in_place(draft, want, file) || !is_better(draft.input.policy, want, file)
    {
        return;
    }
    let known = facts::of_file(draft, file, Some(id));
    let mut decided = verdict(draft.input.policy, &known);
    let denied = decided.by == By::Protect;
    let asked = match denied {
        true => unprotected(draft.input.policy, &known).decision == Decision::Upgrade,
        false => decided.decision == Decision::Upgrade,
    };
    if !asked {
        return;
    }
    let Some(sha256) = file.hash else {
        draft.unhashed.insert(file.path.clone());
        return;
    };
    let text = format!(
        "{} now; TIDAL has {}",
        said(file),
        offered_in_words(&want.track)
    );
    decided.evidence.push(text.clone());
    let content = draft.index.content_of(id, Some(&file.path)).cloned();
    if let Some(content) = &content
        && draft.index.content(content).is_some_and(|row| row.analysed)
    {
        let text = "a beat grid that was set on another format may be off by some milliseconds";
        decided.evidence.push(text.to_owned());
    }
    let format = draft.input.policy.library.format;
    let old = OldFile {
        path: file.path.clone(),
        lossless: file.format.is_lossless(),
        kbps: file.kbps(),
    };
    let pre = Precondition::File {
        path: file.path.clone(),
        size: file.stat.size,
        mtime: file.stat.mtime,
        sha256: Some(sha256),
    };
    let fetch = Fetch {
        track: id.clone(),
        stem: want.stem.clone(),
        convert_to: format,
        home: want.home.clone(),
        same_as: None,
        instead_of: Some(old.clone()),
    };
    let estimate = Estimate {
        bytes_down: expected_bytes(&want.track),
        bytes_trashed: 0,
    };
    let mut fetch = act(
        Class::Change,
        Effect::FileFetch { after: fetch },
        subject(&want.track),
    )
    .under(&want.home)
    .provided([pre.clone()])
    .because(&decided.name, text)
    .stated(&decided)
    .moving(estimate);
    if format.is_none() {
        fetch = fetch.provided([Precondition::VacantStem {
            stem: want.stem.clone(),
            but: Some(file.path.clone()),
        }]);
    }
    let hold = match denied {
        true => Some(Hold {
            gate: "protect",
            rule: decided.name.clone(),
            at: decided.at.to_string(),
            text: "the old file would go to the trash".into(),
        }),
        false => hold(draft, id, want, file, content.as_ref()),
    };
    if let Some(hold) = hold {
        return draft.hold(&fetch, hold);
    }
    let fetched = draft.push(fetch);
    let extension = format.unwrap_or(AudioFormat::Flac).extension();
    let to = beside(draft, &want.stem, extension, file);
    planned.file_action = Some(fetched.clone());
    planned.file = FilePlan::Fetched(want.stem.clone());
    if let Some(format) = format {
        let convert = Convert {
            track: id.clone(),
            path: to.clone(),
            format,
            quality: draft.input.policy.library.quality.clone(),
            home: want.home.clone(),
            same_as: None,
            instead_of: Some(old),
        };
        let effect = Effect::FileConvert { after: convert };
        let action = act(Class::Change, effect, subject(&want.track))
            .under(&want.home)
            .provided([Precondition::Vacant { path: to.clone() }])
            .because(
                "library.format",
                format!("the policy keeps files as {}", format.extension()),
            )
            .after([fetched]);
        planned.file = FilePlan::At(to.clone());
        planned.file_action = Some(draft.push(action));
    }
    planned.better = Some(Box::new(Better {
        to,
        old: Trashed {
            path: file.path.clone(),
            size: file.stat.size,
            sha256,
        },
        pre,
        decided,
        has_row: content.is_some(),
    }));
}

/// The old file goes once the better one is there and Rekordbox plays it.
pub(super) fn plan_old(draft: &mut Draft<'_>, want: &DesiredTrack, planned: &TrackPlan) {
    let Some(better) = &planned.better else {
        return;
    };
    if better.has_row && planned.content_action.is_none() {
        return;
    }
    let before = better.old.clone();
    let estimate = Estimate {
        bytes_down: 0,
        bytes_trashed: before.size,
    };
    let action = act(
        Class::Destructive,
        Effect::FileTrash { before },
        subject(&want.track),
    )
    .under(&want.home)
    .provided([better.pre.clone()])
    .because(&better.decided.name, "the better file takes its place")
    .stated(&better.decided)
    .moving(estimate)
    .after(planned.file_action.clone())
    .after(planned.content_action.clone());
    draft.push(action);
}

/// Only a file of ours that lies where it belongs is replaced.
fn is_ours_in_place(draft: &Draft<'_>, want: &DesiredTrack, file: &AudioFile) -> bool {
    let home = draft.input.desired.playlists.get(&want.home);
    let managed = home.is_some_and(|home| home.mode != SyncMode::Observe);
    let rest = file.path.as_str().strip_prefix(want.stem.as_str());
    let in_place =
        rest.is_some_and(|rest| rest.starts_with('.') && !rest[1..].contains(['.', '/']));
    let state = &draft.input.observation.state;
    managed && in_place && file.path.is_in_library() && state.provenance(&file.path).is_ours()
}

/// What speaks against replacing the file now.
fn hold(
    draft: &Draft<'_>,
    id: &TrackId,
    want: &DesiredTrack,
    file: &AudioFile,
    content: Option<&ContentId>,
) -> Option<Hold> {
    let held = |gate, text: String| Some(Hold::by(gate, text));
    let observation = draft.input.observation;
    let denied = |what| facts::denial(draft, id, content, Some(file), what);
    let general = [Denied::Trash, Denied::Move, Denied::Change]
        .into_iter()
        .find_map(denied)
        .or_else(|| global_hold(draft))
        .or_else(|| relocation_hold(draft, content?))
        .or_else(|| fetch_failed_before(draft, want, true));
    if general.is_some() {
        return general;
    }
    if let Some(list) = observation.local_list_of(&file.path) {
        return held("local list", format!("your playlist file {list} names it"));
    }
    let is_copy = |role| role == FileRole::Copy;
    let mut rows = observation.state.files.values();
    if rows.any(|row| is_copy(row.role) && row.track.as_ref() == Some(id)) {
        let text = "its copies in other playlists' folders would stay as they are".to_owned();
        return held("library.sharing", text);
    }
    let rows = draft.index.rows_at(&file.path);
    let is_row = content.is_none_or(|content| draft.index.points_at(content, &file.path));
    if rows > 1 || !is_row {
        let text = format!("{rows} rows of Rekordbox point at {}", file.path);
        return held("rekordbox", text);
    }
    let taken = observation.library.value.files_of_stem(&want.stem);
    let mut taken = taken.filter(|other| other.path != file.path);
    if let (Some(other), None) = (taken.next(), draft.input.policy.library.format) {
        return held("occupied", format!("{} is in the way", other.path));
    }
    None
}

/// Lossless or not, and how good of its kind: for a lossless file 1 or, beyond a CD, 2.
type Grade = (bool, u64);

fn grade(file: &AudioFile) -> Grade {
    let fine = file.bit_depth.is_some_and(|bits| bits > 16);
    let fast = file.sample_rate_hz.is_some_and(|rate| rate > 48_000);
    match file.format.is_lossless() {
        true => (true, 1 + u64::from(fine || fast)),
        false => (false, file.kbps().map_or(0, u64::from)),
    }
}

/// The best that TIDAL says it has.
fn offered(track: &Track) -> Grade {
    let has = |word: &str| track.media_tags.iter().any(|tag| tag.contains(word));
    match (has("HIRES_LOSSLESS"), has("LOSSLESS")) {
        (true, _) => (true, 2),
        (false, true) => (true, 1),
        (false, false) => (false, 320),
    }
}

fn offered_in_words(track: &Track) -> String {
    match track.media_tags.is_empty() {
        true => "up to 320 kbit/s".to_owned(),
        false => track.media_tags.join(", "),
    }
}

fn said(file: &AudioFile) -> String {
    let format = file.format.extension();
    match file.kbps() {
        Some(rate) => format!("{format} of {rate} kbit/s"),
        None => format.to_owned(),
    }
}

/// Whether what would come can be better than what is there.
fn is_better(policy: &Policy, want: &DesiredTrack, file: &AudioFile) -> bool {
    let (now, offered) = (grade(file), offered(&want.track));
    let comes = match policy.library.format {
        None => offered,
        Some(format) if format.is_lossless() && offered.0 => offered,
        // A lossy file is never turned into one that pretends to be more.
        Some(format) if format.is_lossless() => return false,
        Some(_) if offered.0 => (false, lossy_rate(&policy.library.quality)),
        Some(_) => (false, lossy_rate(&policy.library.quality).min(offered.1)),
    };
    match (comes.0, now.0) {
        (false, false) => comes.1 * 100 >= now.1 * MARGIN,
        _ => comes > now,
    }
}

/// What `[library] quality` comes to at least, in kilobits a second.
fn lossy_rate(quality: &str) -> u64 {
    let quality = quality.trim().to_lowercase();
    let number = |text: &str| text.parse::<u64>().ok();
    if let Some(rate) = quality.strip_suffix('k').and_then(number) {
        return rate;
    }
    match quality.strip_prefix('v').and_then(number) {
        Some(0) => 220,
        Some(1) => 200,
        Some(2) => 170,
        Some(_) => 110,
        None => 256,
    }
}

/// The name that the better file gets: the old one's, or with a number where that is the old file.
fn beside(draft: &Draft<'_>, stem: &MediaPath, extension: &str, old: &AudioFile) -> MediaPath {
    let is_old = |path: &MediaPath| path.as_str().eq_ignore_ascii_case(old.path.as_str());
    let free = |path: &MediaPath| !is_old(path) && draft.index.file(path).is_none();
    let numbered = (2..).map(|number| MediaPath::new(format!("{stem} ({number}).{extension}")));
    let plain = stem.with_appended_extension(extension);
    let mut names = std::iter::once(plain.clone()).chain(numbered);
    names.find(free).unwrap_or(plain)
}
