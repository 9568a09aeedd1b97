//! The Rekordbox row of each track: made, pointed at its file, its fields set.

use crate::{
    desired::DesiredTrack,
    domain::{
        Content, ContentId, MediaPath, Track, TrackId,
        state::{FileRole, ObjectKey},
    },
    plan::{
        document::{At, Class, ContentAt, ContentFields, Effect, NewContent, Precondition},
        draft::{ContentPlan, Draft, FilePlan, Hold, TrackPlan, act},
        drift, facts,
        removals::{self, probation},
        tracks::subject,
    },
    policy::{Denied, Owner},
};

pub(super) fn plan_content(
    draft: &mut Draft<'_>,
    id: &TrackId,
    want: &DesiredTrack,
    planned: &mut TrackPlan,
) {
    if draft.index.collection().is_none() {
        return;
    }
    let now_at = draft
        .input
        .identities
        .matches
        .get(id)
        .map(|found| found.path.clone());
    // A row whose file is there, and is not this track, is that file's. The track's own file may be there
    // and be no whole recording of it: its row follows to the better one.
    let state = &draft.input.observation.state;
    let own = state.tracks.get(id).and_then(|row| row.file.as_ref());
    let is_free = |row: &&ContentId| {
        let at = draft.index.location(row);
        let is_anothers = |at: MediaPath| draft.index.file(&at).is_some() && own != Some(&at);
        now_at.is_some() || !at.is_some_and(is_anothers)
    };
    let row = draft.index.content_of(id, now_at.as_ref());
    let comes_to = |row: &&ContentId| match &planned.file {
        FilePlan::None => false,
        FilePlan::At(path) => draft.index.points_at(row, path),
        FilePlan::Fetched(_) => true,
    };
    let bereft = || want.row.as_ref().filter(comes_to);
    let row = row.filter(is_free).or_else(bereft).cloned();
    let path = match &planned.file {
        FilePlan::None => return,
        FilePlan::At(path) => Some(path.clone()),
        FilePlan::Fetched(stem) => match &planned.better {
            Some(better) => Some(better.to.clone()),
            None => row.as_ref().and_then(|row| fetched_again(draft, row, stem)),
        },
    };
    match row {
        Some(content) => keep_content(draft, want, &content, now_at, path.as_ref(), planned),
        None => add_content(draft, id, want, path.as_ref(), planned),
    }
}

/// Where the file of a track that has a row already will lie once it is fetched again, as far as that
/// can be told: the download decides on the extension, and `apply` looks at what came.
fn fetched_again(draft: &Draft<'_>, row: &ContentId, stem: &MediaPath) -> Option<MediaPath> {
    let old = draft.index.location(row)?;
    Some(stem.with_appended_extension(&old.extension()))
}

/// Why a row must not be pointed elsewhere, if it must not.
pub(super) fn relocation_hold(draft: &Draft<'_>, id: &ContentId) -> Option<Hold> {
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
    let work = work_on(draft, id)?;
    (!rekordbox.relocate).then(|| Hold {
        gate: "rekordbox.relocate",
        rule: "relocate = false".into(),
        text: format!(
            "on its row in Rekordbox hangs your work ({work}): check once that it follows a file \
             (README, “Files that move”), then set `relocate = true`"
        ),
        at: String::new(),
    })
}

/// The DJ's work that hangs on a row, in words; `None`: there is none. An analysis counts, for a beat
/// grid that was set by hand cannot be told from one that was not.
fn work_on(draft: &Draft<'_>, id: &ContentId) -> Option<String> {
    let content = draft.index.content(id)?;
    let by_hand = draft.index.tags(id);
    let by_hand = by_hand.difference(&draft.index.our_tags(id)).count();
    let counted = |count: usize, one: &str| {
        let plural = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {one}{plural}"))
    };
    let parts = [
        Some(removals::work_text(draft.index.risk(id))).filter(|text| !text.is_empty()),
        content.analysed.then(|| "its beat grid".to_owned()),
        counted(by_hand, "MyTag"),
        counted(draft.index.own_lists(id), "playlist"),
        content.in_history.then(|| "history".to_owned()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Whether the row still points at the old file of a track that a better one was fetched for: the run
/// ended before the row could follow.
fn is_half_replaced(draft: &Draft<'_>, track: &TrackId, old: &MediaPath, now: &MediaPath) -> bool {
    let state = &draft.input.observation.state;
    let is_ours = |path: &MediaPath| {
        let row = state.files.get(path);
        row.is_some_and(|row| {
            row.provenance.is_ours()
                && row.role == FileRole::Track
                && row.track.as_ref() == Some(track)
        })
    };
    let known = state.tracks.get(track).and_then(|row| row.file.as_ref());
    known == Some(now) && is_ours(old) && is_ours(now)
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
    if let Some(now) = &now_at
        && !draft.index.points_at(content, now)
        && !location
            .as_ref()
            .is_some_and(|at| is_half_replaced(draft, &want.track.id, at, now))
    {
        let elsewhere = location
            .as_ref()
            .is_some_and(|at| draft.index.file(at).is_some());
        match draft.index.content_at(now).cloned() {
            // The file has a row, and can have no second one: the remembered row stands for another file,
            // there or gone.
            Some(other) => return keep_content(draft, want, &other, None, path, planned),
            None if elsewhere => return add_content(draft, &want.track.id, want, path, planned),
            None => {}
        }
    }
    planned.content = ContentPlan::Is(content.clone());
    let Some(to) = path else { return };
    let is_taken_up = want.row.as_ref() == Some(content);
    let is_there = draft.index.points_at(content, to);
    if is_there && !is_taken_up {
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
    let (rule, at) = match &planned.better {
        Some(better) => (better.decided.name.as_str(), better.decided.at.to_string()),
        None => ("library.playlists", String::new()),
    };
    let text = match is_taken_up {
        true => format!(
            "Rekordbox knows the recording at {before}, where no file is any more; the new one \
             takes up that row, with its cues and tags"
        ),
        false => format!("its file is {to} now; cues and tags stay on the row"),
    };
    let mut action = act(Class::Move, effect, subject(&want.track))
        .under(&want.home)
        .provided([Precondition::Content {
            id: content.clone(),
            path: before,
        }])
        .because(rule, text)
        .at_risk(draft.index.risk(content))
        .after(planned.file_action.clone());
    action.why.at = at;
    let hold = name_hold(to).or_else(|| probation(draft));
    // A row that stays at its path needs no consent to be moved. A download's ending is a guess.
    let hold = hold.or_else(|| match &planned.file {
        FilePlan::At(_) if is_there => (!draft.writes_rekordbox()).then(write_hold),
        _ => relocation_hold(draft, content),
    });
    match hold {
        Some(hold) => {
            draft.hold(&action, hold);
            if is_taken_up {
                // Until the file is there and shows whether it came to the row's path.
                planned.content = ContentPlan::None;
            }
        }
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
    let hold = (!draft.writes_rekordbox()).then(write_hold);
    match hold.or_else(|| path.and_then(name_hold)) {
        Some(hold) => draft.hold(&action, hold),
        None => {
            planned.content = ContentPlan::Added;
            planned.content_action = Some(draft.push(action));
        }
    }
}

/// Rekordbox keeps paths as text, so it cannot have a file whose name is none.
fn name_hold(path: &MediaPath) -> Option<Hold> {
    let text =
        "the name of its file or folder is not Unicode, which Rekordbox cannot keep: rename it";
    (!path.is_utf8()).then(|| Hold::by("rekordbox.name", text.to_owned()))
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
pub(super) fn plan_fields(
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
    let said = |text: Option<&str>| {
        let text = text?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let title = said(Some(&track.full_title())).filter(|title| content.title.trim() != *title);
    if own.title == Owner::Tidal && title.is_some() {
        before.title = Some(content.title.to_string());
        after.title = Some(track.full_title());
    }
    let artist = said(Some(&track.artist()));
    if own.artist == Owner::Tidal && artist.is_some() && said(content.artist.as_deref()) != artist {
        before.artist = Some(content.artist.clone().unwrap_or_default().into());
        after.artist = artist;
    }
    let album = said(track.album.as_deref());
    if own.album == Owner::Tidal && album.is_some() && said(content.album.as_deref()) != album {
        before.album = Some(content.album.clone().unwrap_or_default().into());
        after.album = album;
    }
    let year = track.year().filter(|year| *year > 0);
    if own.year == Owner::Tidal && year.is_some() && content.year != year {
        before.year = Some(content.year.unwrap_or(0));
        after.year = year;
    }
    (after != blank).then_some((before, after))
}
