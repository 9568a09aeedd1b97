//! What each track needs: a file, its place, a Rekordbox row, fields and MyTags.

use std::collections::BTreeSet;

use crate::{
    desired::DesiredTrack,
    diff::{
        Change,
        identity::{How, Match},
    },
    domain::{
        ActionId, AudioFile, ChangeKind, Content, ContentId, MediaPath, TagName, Track, TrackId,
        state::{ObjectKey, PlaylistRow},
    },
    plan::{
        ask::ask,
        document::{
            Adoption, At, Class, ContentAt, ContentFields, Convert, Effect, Estimate, Fetch,
            NewContent, Precondition, Subject, TagSet,
        },
        draft::{ContentPlan, Draft, FilePlan, Hold, TrackPlan, act},
        drift, facts,
        removals::probation,
    },
    policy::{Denied, Owner, SyncMode, decisions},
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
    for (id, want) in &desired.tracks {
        let observed_only = want.playlists.iter().all(|playlist| {
            desired
                .playlists
                .get(playlist)
                .is_none_or(|p| p.mode == SyncMode::Observe)
        });
        let in_scope = want
            .playlists
            .iter()
            .any(|playlist| draft.in_scope(playlist));
        let mut planned = TrackPlan::default();
        if in_scope && !observed_only {
            plan_file(draft, id, want, &mut planned);
            plan_content(draft, id, want, &mut planned);
            plan_fields(draft, id, want, &planned, metadata.contains(id));
            plan_tags(draft, id, want, &planned);
        } else if let Some(found) = draft.input.identities.matches.get(id) {
            planned.file = FilePlan::At(found.path.clone());
            let content = draft.index.content_of(id, Some(&found.path)).cloned();
            planned.content = content.map_or(ContentPlan::None, ContentPlan::Is);
        }
        draft.tracks.insert(id.clone(), planned);
    }
}

/// Whom an action about a track is about.
pub(super) fn subject(track: &Track) -> Subject {
    Subject {
        track: Some(track.id.clone()),
        label: track.label(),
    }
}

fn plan_file(draft: &mut Draft<'_>, id: &TrackId, want: &DesiredTrack, planned: &mut TrackPlan) {
    let identities = draft.input.identities;
    let found = identities
        .matches
        .get(id)
        .filter(|found| !moved_from_the_unread(draft, id, found));
    if let Some(found) = found {
        if let Some(file) = draft.index.file(&found.path) {
            planned.file = FilePlan::At(file.path.clone());
            link(draft, id, want, found, file, planned);
            place(draft, want, file, planned);
        }
    } else if let Some(candidates) = identities.asks.get(id) {
        ask(draft, want, candidates);
    } else {
        fetch(draft, id, want, planned);
    }
}

/// Whether the old path of a file that seems to have moved lies in a folder that could not be read: it
/// may well be there still.
fn moved_from_the_unread(draft: &Draft<'_>, id: &TrackId, found: &Match) -> bool {
    let observation = draft.input.observation;
    let known = observation
        .state
        .tracks
        .get(id)
        .and_then(|row| row.file.as_ref());
    let unread = &observation.library.value.unreadable;
    found.how == How::Moved
        && known.is_some_and(|path| unread.iter().any(|folder| is_below(path, folder)))
}

/// Records which file is the track, where the state does not know it.
fn link(
    draft: &mut Draft<'_>,
    id: &TrackId,
    want: &DesiredTrack,
    found: &Match,
    file: &AudioFile,
    planned: &mut TrackPlan,
) {
    let state = &draft.input.observation.state;
    let row = state.tracks.get(id);
    let known = row.and_then(|row| row.file.as_ref());
    let content = draft.index.content_of(id, Some(&file.path)).cloned();
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
    .provided([precondition(file)])
    .because(
        rule,
        format!("{} is this track: {}", file.path, found.reasons.join(", ")),
    );
    if found.how == How::Decision {
        decisions::FILE_NAME.clone_into(&mut action.why.at);
    }
    planned.file_action = Some(draft.push(action));
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
fn may_be_elsewhere(draft: &Draft<'_>, track: &TrackId) -> bool {
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
    let stays = file.path.parent().as_ref() == Some(&home.folder) || home.mode == SyncMode::Observe;
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

/// Why a row must not be pointed elsewhere, if it must not.
fn relocation_hold(draft: &Draft<'_>, id: &ContentId) -> Option<Hold> {
    let rekordbox = &draft.input.policy.rekordbox;
    if !rekordbox.write {
        let text = "Rekordbox would lose the file, and the policy forbids writing to it";
        return Some(Hold {
            gate: "rekordbox.write",
            text: text.into(),
            ..Hold::default()
        });
    }
    // A row without work can be made again; one with cues is only moved once the user has seen that
    // this Rekordbox takes it, for what the application does then is reported differently.
    let work = draft.index.risk(id).filter(|risk| risk.is_work())?;
    (!rekordbox.relocate).then(|| Hold {
        gate: "rekordbox.relocate",
        rule: "relocate = false".into(),
        text: format!(
            "{} hang on its row in Rekordbox: check once that they follow a file (README, “Files \
             that move”), then set `relocate = true`",
            super::removals::work_text(Some(work))
        ),
        at: String::new(),
    })
}

fn fetch(draft: &mut Draft<'_>, id: &TrackId, want: &DesiredTrack, planned: &mut TrackPlan) {
    let policy = draft.input.policy;
    let format = policy.library.format;
    let estimate = Estimate {
        bytes_down: expected_bytes(&want.track),
        bytes_trashed: 0,
    };
    let fetch = Fetch {
        track: id.clone(),
        stem: want.stem.clone(),
        convert_to: format,
        home: want.home.clone(),
    };
    let known = draft
        .input
        .observation
        .state
        .tracks
        .get(id)
        .and_then(|row| row.file.clone());
    let mut text = match &known {
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
    let action = act(
        Class::Additive,
        Effect::FileFetch { after: fetch },
        subject(&want.track),
    )
    .under(&want.home)
    .provided([Precondition::VacantStem {
        stem: want.stem.clone(),
    }])
    .because("tidal.playlists", text)
    .moving(estimate);
    if let Some(hold) = fetch_hold(draft, want, known.as_ref()) {
        draft.unfetched.insert(id.clone(), hold.text.clone());
        draft.hold(&action, hold);
        return;
    }
    let fetched = draft.push(action);
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

fn fetch_hold(draft: &Draft<'_>, want: &DesiredTrack, known: Option<&MediaPath>) -> Option<Hold> {
    let library = &draft.input.observation.library.value;
    let unread = known.and_then(|path| {
        library
            .unreadable
            .iter()
            .find(|folder| is_below(path, folder))
    });
    let held = |gate, text: String| {
        Some(Hold {
            gate,
            text,
            ..Hold::default()
        })
    };
    if let Some(folder) = unread {
        return held(
            "unreadable",
            format!("{folder} could not be read; its file may well be there"),
        );
    }
    if !want.available {
        return held("unavailable", "TIDAL does not stream it at present".into());
    }
    if let Some(failed) = draft.input.failed_fetches.get(&want.track.id)
        && failed.is_unavailable()
        && let Some(again) = tried_again(draft, failed.last)
    {
        let (since, said) = (failed.since, &failed.message);
        return held(
            "unavailable",
            format!("unavailable since {since}, tried again from {again} ({said})"),
        );
    }
    if draft.input.policy.download.command.is_none() {
        return held("download", "[download] command is not set".into());
    }
    None
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
fn expected_bytes(track: &Track) -> u64 {
    let lossless = track.media_tags.iter().any(|tag| tag.contains("LOSSLESS"));
    let bytes_a_second = if lossless { 112_500 } else { 40_000 };
    u64::from(track.duration_s.unwrap_or(240)) * bytes_a_second
}

fn plan_content(draft: &mut Draft<'_>, id: &TrackId, want: &DesiredTrack, planned: &mut TrackPlan) {
    if draft.index.collection().is_none() {
        return;
    }
    let path = match &planned.file {
        FilePlan::None => return,
        FilePlan::At(path) => Some(path.clone()),
        FilePlan::Fetched(stem) => fetched_again(draft, id, stem),
    };
    let now_at = draft
        .input
        .identities
        .matches
        .get(id)
        .map(|found| found.path.clone());
    match draft.index.content_of(id, now_at.as_ref()).cloned() {
        Some(content) => keep_content(draft, want, &content, now_at, path.as_ref(), planned),
        None => add_content(draft, id, want, path.as_ref(), planned),
    }
}

/// Where the file of a track that has a row already will lie once it is fetched again, as far as that
/// can be told: the download decides on the extension, and `apply` looks at what came.
fn fetched_again(draft: &Draft<'_>, id: &TrackId, stem: &MediaPath) -> Option<MediaPath> {
    let content = draft.index.content_of(id, None)?;
    let old = draft.index.location(content)?;
    Some(stem.with_appended_extension(&old.extension()))
}

/// The row is there: points it at the file's new place where that differs.
fn keep_content(
    draft: &mut Draft<'_>,
    want: &DesiredTrack,
    content: &ContentId,
    now_at: Option<MediaPath>,
    path: Option<&MediaPath>,
    planned: &mut TrackPlan,
) {
    let location = draft.index.location(content);
    let elsewhere = location
        .as_ref()
        .filter(|at| draft.index.file(at).is_some());
    if let (Some(at), Some(now)) = (elsewhere, &now_at)
        && at != now
        && !draft.index.points_at(content, now)
    {
        // The remembered row stands for another file that is still there; leave it alone.
        match draft.index.content_at(now).cloned() {
            Some(other) => return keep_content(draft, want, &other, None, path, planned),
            None => return add_content(draft, &want.track.id, want, path, planned),
        }
    }
    planned.content = ContentPlan::Is(content.clone());
    let Some(to) = path else { return };
    if draft.index.points_at(content, to) {
        return;
    }
    let before = location.or(now_at).unwrap_or_else(|| to.clone());
    let effect = Effect::ContentRelocate {
        before: ContentAt {
            content: content.clone(),
            path: before.clone(),
            track: want.track.id.clone(),
        },
        after: At {
            path: to.clone(),
            home: None,
        },
    };
    let action = act(Class::Move, effect, subject(&want.track))
        .under(&want.home)
        .provided([Precondition::Content {
            id: content.clone(),
            path: before,
        }])
        .because(
            "library.playlists",
            format!("its file is {to} now; cues and tags stay on the row"),
        )
        .at_risk(draft.index.risk(content))
        .after(planned.file_action.clone());
    match probation(draft).or_else(|| relocation_hold(draft, content)) {
        Some(hold) => draft.hold(&action, hold),
        None => planned.content_action = Some(draft.push(action)),
    }
}

fn add_content(
    draft: &mut Draft<'_>,
    id: &TrackId,
    want: &DesiredTrack,
    path: Option<&MediaPath>,
    planned: &mut TrackPlan,
) {
    let vacant = path.map(|path| Precondition::NoContent { path: path.clone() });
    let effect = Effect::ContentAdd {
        after: NewContent {
            track: id.clone(),
            path: path.cloned(),
        },
    };
    let action = act(Class::Additive, effect, subject(&want.track))
        .under(&want.home)
        .provided(vacant)
        .because("rekordbox", "Rekordbox has no row for its file")
        .after(planned.file_action.clone());
    if draft.writes_rekordbox() {
        planned.content = ContentPlan::Added;
        planned.content_action = Some(draft.push(action));
    } else {
        draft.hold(&action, write_hold());
    }
}

/// The policy only reads Rekordbox.
pub(super) fn write_hold() -> Hold {
    Hold {
        gate: "rekordbox.write",
        rule: "write = false".into(),
        text: "the policy forbids writing to Rekordbox".into(),
        at: String::new(),
    }
}

/// Sets the fields that TIDAL owns on a row of ours, when TIDAL changed them.
fn plan_fields(
    draft: &mut Draft<'_>,
    id: &TrackId,
    want: &DesiredTrack,
    planned: &TrackPlan,
    metadata_changed: bool,
) {
    let ContentPlan::Is(content_id) = &planned.content else {
        return;
    };
    let state = &draft.input.observation.state;
    let ours = state
        .object(&ObjectKey::Content(content_id.clone()))
        .is_some();
    let Some(content) = draft.index.content(content_id).filter(|_| ours) else {
        return;
    };
    drift::keep_fields(draft, &want.home, content, &want.track);
    let (rule, text) = match metadata_changed {
        true => ("own", "TIDAL owns these fields and changed them"),
        false => (
            drift::DRIFT,
            "changed in Rekordbox; TIDAL owns these fields ([own])",
        ),
    };
    let Some((before, after)) = fields(draft, id, content_id, content, &want.track) else {
        return;
    };
    let pre = Precondition::ContentFields {
        fields: before.clone(),
    };
    let action = act(
        Class::Change,
        Effect::ContentUpdate { before, after },
        subject(&want.track),
    )
    .under(&want.home)
    .provided([pre])
    .because(rule, text)
    .after(planned.content_action.clone());
    let denied = facts::denial(draft, id, Some(content_id), None, Denied::Change);
    let denied = denied.or_else(|| probation(draft));
    if let Some(hold) = denied {
        draft.hold(&action, hold);
    } else if draft.writes_rekordbox() {
        draft.push(action);
    } else {
        draft.hold(&action, write_hold());
    }
}

fn fields(
    draft: &Draft<'_>,
    id: &TrackId,
    content_id: &ContentId,
    content: &Content,
    track: &Track,
) -> Option<(ContentFields, ContentFields)> {
    let own = &draft.input.policy.own;
    let blank = ContentFields {
        content: content_id.clone(),
        track: id.clone(),
        title: None,
        artist: None,
        album: None,
        year: None,
    };
    let (mut before, mut after) = (blank.clone(), blank.clone());
    // What TIDAL does not say is no wish; names are stored without blanks around them.
    let said = |text: Option<String>| {
        let text = text?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let title = said(Some(track.full_title())).filter(|title| content.title.trim() != *title);
    if own.title == Owner::Tidal && title.is_some() {
        before.title = Some(content.title.clone());
        after.title = Some(track.full_title());
    }
    let artist = said(Some(track.artist()));
    if own.artist == Owner::Tidal && artist.is_some() && said(content.artist.clone()) != artist {
        before.artist = Some(content.artist.clone().unwrap_or_default());
        after.artist = artist;
    }
    let album = said(track.album.clone());
    if own.album == Owner::Tidal && album.is_some() && said(content.album.clone()) != album {
        before.album = Some(content.album.clone().unwrap_or_default());
        after.album = album;
    }
    let year = track.year().filter(|year| *year > 0);
    if own.year == Owner::Tidal && year.is_some() && content.year != year {
        before.year = Some(content.year.unwrap_or(0));
        after.year = year;
    }
    (after != blank).then_some((before, after))
}

fn plan_tags(draft: &mut Draft<'_>, id: &TrackId, want: &DesiredTrack, planned: &TrackPlan) {
    let (existing, ours) = match &planned.content {
        ContentPlan::None => return,
        ContentPlan::Added => (BTreeSet::new(), BTreeSet::new()),
        ContentPlan::Is(content) => {
            let existing = draft.index.tags(content);
            let ours = draft
                .index
                .our_tags(content)
                .intersection(&existing)
                .cloned()
                .collect();
            (existing, ours)
        }
    };
    let missing: Vec<TagName> = want.tags.difference(&existing).cloned().collect();
    let set_before = match &planned.content {
        ContentPlan::Is(content) => draft.index.our_tags(content),
        ContentPlan::Added | ContentPlan::None => BTreeSet::new(),
    };
    let add = drift::missing_tags(draft, (id, &want.track), &want.home, missing, &set_before);
    let mut remove: Vec<TagName> = ours.difference(&want.tags).cloned().collect();
    if may_be_elsewhere(draft, id) {
        remove.clear();
    }
    set_tags(draft, id, want, planned, add, &remove);
}

fn set_tags(
    draft: &mut Draft<'_>,
    id: &TrackId,
    want: &DesiredTrack,
    planned: &TrackPlan,
    add: Vec<TagName>,
    remove: &[TagName],
) {
    let (add, vacancy): (Vec<_>, Vec<_>) = add.into_iter().partition(|tag| has_room(draft, tag));
    if add.is_empty() && remove.is_empty() && vacancy.is_empty() {
        return;
    }
    let class = if remove.is_empty() {
        Class::Additive
    } else {
        Class::Change
    };
    let effect = |before: &[TagName], after: &[TagName]| Effect::MyTagSet {
        before: TagSet {
            track: id.clone(),
            tags: before.to_vec(),
        },
        after: TagSet {
            track: id.clone(),
            tags: after.to_vec(),
        },
    };
    if !vacancy.is_empty() {
        let action = act(class, effect(&[], &vacancy), subject(&want.track)).under(&want.home);
        if let Some(hold) = tag_hold(draft, &vacancy) {
            draft.hold(&action, hold);
        }
    }
    if add.is_empty() && remove.is_empty() {
        return;
    }
    let action = act(class, effect(remove, &add), subject(&want.track))
        .under(&want.home)
        .because("mytag", "the names of its playlists ask for these tags");
    if !draft.writes_rekordbox() {
        draft.hold(&action, write_hold());
        return;
    }
    let made: Vec<ActionId> = add.iter().filter_map(|tag| make_tag(draft, tag)).collect();
    draft.push(action.after(planned.content_action.clone()).after(made));
}

/// Whether the tag's group exists in Rekordbox, or one can still be made.
fn has_room(draft: &Draft<'_>, tag: &TagName) -> bool {
    let Some(collection) = draft.index.collection() else {
        return false;
    };
    let groups = collection
        .my_tags
        .values()
        .filter(|tag| tag.group.is_none());
    let there: BTreeSet<&str> = groups.map(|group| group.name.as_str()).collect();
    let made = draft.new_tags.keys().map(|tag| tag.group.as_str());
    let made: BTreeSet<&str> = made.filter(|group| !there.contains(group)).collect();
    let group = tag.group.as_str();
    there.contains(group) || made.contains(group) || groups_in(draft) + made.len() < 4
}

fn groups_in(draft: &Draft<'_>) -> usize {
    let tags = draft.index.collection().map(|c| c.my_tags.values());
    tags.map_or(0, |tags| tags.filter(|tag| tag.group.is_none()).count())
}

/// Why not all of `tags` can be in Rekordbox, if not. It shows four groups, and which ones is the
/// DJ's to say.
pub(super) fn tag_hold(draft: &Draft<'_>, tags: &[TagName]) -> Option<Hold> {
    let tag = tags.iter().find(|tag| !has_room(draft, tag))?;
    let collection = draft.index.collection()?;
    let groups = collection
        .my_tags
        .values()
        .filter(|tag| tag.group.is_none());
    let names: Vec<&str> = groups.map(|group| group.name.as_str()).collect();
    Some(Hold {
        gate: "mytag.groups",
        text: format!(
            "Rekordbox has four MyTag groups ({}) and none is called “{}”: rename one there, or \
             [mytag.{}] in the policy",
            names.join(", "),
            tag.group,
            tag.group
        ),
        ..Hold::default()
    })
}

/// The action that makes the tag; `None` when Rekordbox has it.
pub(super) fn make_tag(draft: &mut Draft<'_>, tag: &TagName) -> Option<ActionId> {
    if draft
        .index
        .collection()?
        .tag(&tag.group, &tag.tag)
        .is_some()
    {
        return None;
    }
    if let Some(made) = draft.new_tags.get(tag) {
        return Some(made.clone());
    }
    let about = Subject {
        track: None,
        label: format!("{}: {}", tag.group, tag.tag),
    };
    let action = act(
        Class::Additive,
        Effect::MyTagCreate { after: tag.clone() },
        about,
    )
    .because("mytag", "Rekordbox has no such MyTag");
    let id = draft.push(action);
    draft.new_tags.insert(tag.clone(), id.clone());
    Some(id)
}
