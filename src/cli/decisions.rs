//! The answers that a person gave: read beside the policy, held against what is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    domain::{ContentId, MediaPath, TrackId, text::nfc},
    observe::Observation,
    policy::{Decisions, Policy},
};

use super::{error::CliError, ui::Ui};

/// Which row of Rekordbox stands for a recording, by the rows that were asked about.
///
/// # Errors
/// When the file has mistakes.
pub fn rows(policy: &Policy) -> Result<BTreeMap<String, Option<ContentId>>, CliError> {
    let decisions = Decisions::load(&Decisions::beside(&policy.source.path))?;
    let rows = decisions.duplicates.into_iter();
    Ok(rows.map(|(key, answer)| (key, answer.keep)).collect())
}

/// The answers to this policy's questions, each path spelled as in the scan. Entries that speak of what
/// is not there are told of, and ask again.
///
/// # Errors
/// When the file has mistakes.
pub fn known(
    policy: &Policy,
    observation: &Observation,
    ui: &Ui,
) -> Result<BTreeMap<TrackId, Option<MediaPath>>, CliError> {
    let decisions = Decisions::load(&Decisions::beside(&policy.source.path))?;
    if decisions.matches.is_empty() {
        return Ok(BTreeMap::new());
    }
    let library = &observation.library;
    let files = library.value.files.iter();
    let spelled: HashMap<String, &MediaPath> = files
        .map(|file| (nfc(file.path.as_str()), &file.path))
        .collect();
    let mut known = BTreeMap::new();
    let tidal = &observation.tidal.value;
    let lists = tidal.playlists.iter().flat_map(|list| list.tracks());
    let tracks: BTreeSet<&TrackId> = lists.map(|entry| &entry.id).collect();
    for (track, answer) in decisions.matches {
        if tidal.complete && !tracks.contains(&track) {
            // It does no harm, and the track may come back.
            let at = &answer.at;
            ui.detail(format!("{at}: no playlist of TIDAL has track {track}"));
        }
        let Some(path) = answer.file else {
            known.insert(track, None);
            continue;
        };
        if let Some(path) = spelled.get(&nfc(path.as_str())) {
            known.insert(track, Some((*path).clone()));
            continue;
        }
        // A file that was moved since is found by its link; in a folder that was not read it may be.
        let row = observation.state.tracks.get(&track);
        let linked = row.is_some_and(|row| row.file.is_some());
        if !linked && library.is_complete() {
            ui.warning(format!(
                "{}: {path} is not in the library; which file {} is, is asked again",
                answer.at,
                if answer.label.is_empty() {
                    track.to_string()
                } else {
                    format!("“{}”", answer.label)
                }
            ));
        }
    }
    Ok(known)
}
