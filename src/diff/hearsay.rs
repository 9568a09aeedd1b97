//! What another tool says of files: believed where our own judgement does not speak against it.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Serialize;

use super::identity::{LocalFacts, Verdict, judge};
use crate::{
    domain::{AudioFile, MediaPath, Track, TrackId},
    policy::MatchPolicy,
};

/// A claim that our own judgement forbids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contradiction {
    pub track: TrackId,
    pub label: String,
    pub path: MediaPath,
    /// Why not.
    pub reasons: Vec<String>,
}

/// Sorts claims (this track is that file) into those to believe and those to refuse. A claim about a
/// track or file that is not there says nothing; of several files the first that holds counts.
#[must_use]
pub fn believe(
    claims: &[(TrackId, MediaPath)],
    tracks: &BTreeMap<&TrackId, &Track>,
    files: &BTreeMap<&MediaPath, &AudioFile>,
    policy: &MatchPolicy,
) -> (BTreeMap<TrackId, MediaPath>, Vec<Contradiction>) {
    let (mut believed, mut refused) = (BTreeMap::new(), Vec::new());
    for (id, path) in claims {
        let (Some(track), Some(file)) = (tracks.get(id), files.get(path)) else {
            continue;
        };
        let name = path.file_name();
        let judged = judge(&LocalFacts::of(file, &name), track, policy);
        if judged.verdict == Verdict::No {
            let reasons = match judged.vetoes.is_empty() {
                true => judged.reasons.into_iter().map(Cow::into_owned).collect(),
                false => judged.vetoes,
            };
            refused.push(Contradiction {
                track: id.clone(),
                label: track.label(),
                path: path.clone(),
                reasons,
            });
        } else {
            believed.entry(id.clone()).or_insert_with(|| path.clone());
        }
    }
    refused.retain(|one| !believed.contains_key(&one.track));
    (believed, refused)
}
