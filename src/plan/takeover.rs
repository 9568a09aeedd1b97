//! Taking over a library that is there: which files are TIDAL's tracks, and the rows that would say so.
//!
//! Nothing but the state changes: a file is linked and stays the user's, or it is adopted, where the
//! user says so. Rekordbox rows are found by the path that they point at.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    diff::identity::{How, Match},
    domain::{ContentId, MediaPath, PlaylistId, Provenance, TrackId},
    plan::{
        PlanInput, Planned,
        ask::ask,
        assemble,
        document::{Adoption, Class, DecisionRequest, Effect},
        draft::{Draft, act},
        guard,
        tracks::{precondition, subject},
    },
    policy::{SyncMode, glob},
};

/// Why a file counts as a track that only another tool knows.
const HEARD: &str = "the tool that was here before says so, and nothing speaks against it";

/// Which files become ours to manage.
#[derive(Clone, Debug, Default)]
pub enum Adopting {
    /// None: all are linked and stay the user's.
    #[default]
    None,
    /// Those in the library whose path fits one of these patterns; files of the extra sources never
    /// do.
    Matching(Vec<String>),
}

impl Adopting {
    fn takes(&self, path: &MediaPath) -> bool {
        match self {
            Self::None => false,
            Self::Matching(globs) => {
                path.is_in_library()
                    && globs
                        .iter()
                        .any(|glob| glob == "*" || glob::matches(glob, path.as_str()))
            }
        }
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TakeOver {
    /// Tracks whose file is there.
    pub matched: Vec<MatchedTrack>,
    /// Tracks of which a person has to say whether one of some files is it.
    pub doubtful: Vec<DecisionRequest>,
    /// Tracks without a file.
    pub unmatched: Vec<MissingTrack>,
    /// Further files of matched tracks.
    pub duplicates: Vec<DuplicateFile>,
    /// Files that no track of a managed playlist is.
    pub strangers: Vec<MediaPath>,
    /// Rekordbox rows whose file is one of the matched.
    pub rekordbox_linked: usize,
    /// Rekordbox rows below the library whose file is not there.
    pub rekordbox_lost: Vec<LostRow>,
}

/// A track and its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatchedTrack {
    pub track: TrackId,
    pub label: String,
    pub path: MediaPath,
    /// `decision`, `link`, `moved`, `tidal-id`, `isrc`, `likeness`, `peer`.
    pub how: &'static str,
    /// 0–100.
    pub score: u8,
    pub reasons: Vec<String>,
    /// The Rekordbox row that points at the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentId>,
    /// Whose the file will be.
    pub provenance: Provenance,
    /// Whether the state knows all that already.
    pub known: bool,
}

/// A track without a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingTrack {
    pub track: TrackId,
    pub label: String,
    /// The playlist whose folder would hold it.
    pub playlist: String,
    /// Whether TIDAL streams it.
    pub available: bool,
}

/// A further file of a track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DuplicateFile {
    pub track: TrackId,
    pub label: String,
    pub path: MediaPath,
    /// The track's file.
    pub of: MediaPath,
    /// Whose it will be.
    pub provenance: Provenance,
}

/// A Rekordbox row without a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostRow {
    pub content: ContentId,
    pub title: String,
    pub path: MediaPath,
}

/// Plans the take-over. `input.changes` should be empty: nothing is concluded from TIDAL. `heard`: what
/// only another tool says, and stands among the decisions.
#[must_use]
pub fn take_over(
    input: &PlanInput<'_>,
    adopting: &Adopting,
    heard: &BTreeMap<TrackId, MediaPath>,
) -> (Planned, TakeOver) {
    let mut draft = Draft::new(input);
    let mut found = TakeOver::default();
    let desired = input.desired;
    let mut seen: BTreeSet<MediaPath> = BTreeSet::new();
    for (id, want) in &desired.tracks {
        let managed = |playlist: &PlaylistId| {
            let mode = desired.playlists.get(playlist).map(|list| list.mode);
            draft.in_scope(playlist) && mode != Some(SyncMode::Observe)
        };
        if !want.playlists.iter().any(managed) {
            continue;
        }
        if let Some(matched) = input.identities.matches.get(id) {
            seen.insert(matched.path.clone());
            further(&mut draft, id, adopting, &mut found);
            let mut matched = matched.clone();
            let is_heard = heard.get(id) == Some(&matched.path);
            if is_heard {
                matched.reasons = vec![HEARD.into()];
            }
            let how = if is_heard { "peer" } else { how(matched.how) };
            adopt(&mut draft, id, (&matched, how), adopting, &mut found);
        } else if let Some(candidates) = input.identities.asks.get(id) {
            seen.extend(candidates.iter().map(|candidate| candidate.path.clone()));
            ask(&mut draft, want, candidates);
        } else {
            let home = desired.playlists.get(&want.home);
            found.unmatched.push(MissingTrack {
                track: id.clone(),
                label: want.track.label(),
                playlist: home.map(|list| list.name.clone()).unwrap_or_default(),
                available: want.available,
            });
        }
    }
    seen.extend(found.duplicates.iter().map(|file| file.path.clone()));
    let files = input.observation.library.value.files.iter();
    let strangers = files
        .map(|file| &file.path)
        .filter(|path| !seen.contains(*path));
    found.strangers = strangers.cloned().collect();
    rekordbox(&draft, &mut found);
    found.doubtful.clone_from(&draft.decisions);
    let unhashed = std::mem::take(&mut draft.unhashed);
    let planned = Planned {
        awaiting: guard::Leave::default(),
        body: assemble::body(draft),
        unhashed,
    };
    (planned, found)
}

/// Whose the file will be.
fn provenance(draft: &Draft<'_>, path: &MediaPath, adopting: &Adopting) -> Provenance {
    match draft.input.observation.state.provenance(path) {
        Provenance::Foreign if adopting.takes(path) => Provenance::Adopted,
        known => known,
    }
}

fn adopt(
    draft: &mut Draft<'_>,
    id: &TrackId,
    (matched, how): (&Match, &'static str),
    adopting: &Adopting,
    found: &mut TakeOver,
) {
    let state = &draft.input.observation.state;
    let (Some(want), Some(file)) = (
        draft.input.desired.tracks.get(id),
        draft.index.file(&matched.path),
    ) else {
        return;
    };
    let content = draft.index.content_of(id, Some(&file.path)).cloned();
    let provenance = provenance(draft, &file.path, adopting);
    let row = state.tracks.get(id);
    let same_content = content.is_none() || row.is_some_and(|row| row.content == content);
    let known = row.and_then(|row| row.file.as_ref()) == Some(&file.path)
        && same_content
        && state.provenance(&file.path) == provenance;
    found.rekordbox_linked += usize::from(content.is_some());
    found.matched.push(MatchedTrack {
        track: id.clone(),
        label: want.track.label(),
        path: file.path.clone(),
        how,
        score: matched.score,
        reasons: matched.reasons.iter().map(ToString::to_string).collect(),
        content: content.clone(),
        provenance,
        known,
    });
    if known {
        return;
    }
    let adoption = Adoption {
        track: id.clone(),
        path: file.path.clone(),
        provenance,
        content,
        home: None,
        further: false,
    };
    let label = want.track.label();
    let text = format!("it is {label}: {}", matched.reasons.join(", "));
    let action = act(
        Class::Additive,
        Effect::StateAdopt { after: adoption },
        subject(&want.track),
    )
    .under(&want.home)
    .provided([precondition(file)])
    .because(how, text);
    draft.push(action);
}

/// Further files of a track: they become ours where the user says so, so that the policy's rules about
/// duplicates can act on them; else they are only told of.
fn further(draft: &mut Draft<'_>, id: &TrackId, adopting: &Adopting, found: &mut TakeOver) {
    let input = draft.input;
    let state = &input.observation.state;
    let (Some(paths), Some(matched), Some(want)) = (
        input.identities.duplicates.get(id),
        input.identities.matches.get(id),
        input.desired.tracks.get(id),
    ) else {
        return;
    };
    for path in paths {
        let provenance = provenance(draft, path, adopting);
        found.duplicates.push(DuplicateFile {
            track: id.clone(),
            label: want.track.label(),
            path: path.clone(),
            of: matched.path.clone(),
            provenance,
        });
        let Some(file) = draft.index.file(path) else {
            continue;
        };
        if provenance == state.provenance(path) {
            continue;
        }
        let adoption = Adoption {
            track: id.clone(),
            path: path.clone(),
            provenance,
            content: None,
            home: None,
            further: true,
        };
        let label = want.track.label();
        let text = format!("it is {label} too, beside {}", matched.path);
        let action = act(
            Class::Additive,
            Effect::StateAdopt { after: adoption },
            subject(&want.track),
        )
        .under(&want.home)
        .provided([precondition(file)])
        .because("duplicate", text);
        draft.push(action);
    }
}

const fn how(how: How) -> &'static str {
    match how {
        How::Decision => "decision",
        How::Link => "link",
        How::Moved => "moved",
        How::TidalId => "tidal-id",
        How::Isrc => "isrc",
        How::Likeness => "likeness",
    }
}

fn rekordbox(draft: &Draft<'_>, found: &mut TakeOver) {
    let Some(collection) = draft.index.collection() else {
        return;
    };
    let unread = &draft.input.observation.library.value.unreadable;
    let mut lost: BTreeMap<MediaPath, LostRow> = BTreeMap::new();
    for (id, content) in &collection.contents {
        let Some(path) = draft.index.location(id).filter(|_| !content.is_streaming()) else {
            continue;
        };
        let unreadable = unread
            .iter()
            .any(|folder| super::tracks::is_below(&path, folder));
        if draft.index.file(&path).is_none() && !unreadable {
            let row = LostRow {
                content: id.clone(),
                title: content.title.to_string(),
                path: path.clone(),
            };
            lost.insert(path, row);
        }
    }
    found.rekordbox_lost = lost.into_values().collect();
}
