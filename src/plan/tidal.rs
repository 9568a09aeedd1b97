//! What the policy asks to take out of TIDAL's own playlists: `[tidal] cleanup`.
//!
//! The wish goes for all three worlds: what leaves TIDAL is left out of the goal at once
//! ([`Cleanup::without`]), so that a plan after the apply is empty. What may not leave TIDAL stays in
//! the goal as well, and is shown as held.

use std::{borrow::Cow, collections::BTreeMap};

use crate::{
    desired::Protection,
    domain::{Class, ItemKind, Playlist, PlaylistEntry, PlaylistId, TidalReading, TrackId},
    observe::Observation,
    plan::{
        canonical,
        document::{Action, Cause, Effect, Precondition, Subject, TidalEntry},
        draft::{Draft, Hold, act},
    },
    policy::{Policy, SyncMode},
};

/// The entries that the policy asks to take out of TIDAL.
#[derive(Clone, Debug, Default)]
pub struct Cleanup {
    found: Vec<Found>,
}

#[derive(Clone, Debug)]
struct Found {
    entry: TidalEntry,
    /// The place of the entry of the same track that stays, for a duplicate.
    first: Option<usize>,
    label: String,
    /// What the whole list looks like.
    list: Precondition,
    hold: Option<Hold>,
}

/// Looks through the playlists that the policy manages. Duplicates are entries of the same TIDAL
/// track, of which the first stays; two releases of one recording are two tracks. Unavailable is what
/// TIDAL itself lists and withholds: nothing is concluded from what is merely absent. `protected` as
/// for the goal; `read_only`: why TIDAL cannot be written, where it cannot.
#[must_use]
pub fn cleanup(
    policy: &Policy,
    observation: &Observation,
    protected: &BTreeMap<TrackId, Protection>,
    read_only: Option<&str>,
) -> Cleanup {
    let mut cleanup = Cleanup::default();
    if !policy.tidal.cleanup.is_asked_for() {
        return cleanup;
    }
    let reading = &observation.tidal.value;
    let whole = reading.complete && reading.playlists.iter().all(|list| list.complete);
    let selected = reading
        .playlists
        .iter()
        .filter(|list| policy.tidal.selects(list.id.as_str(), &list.name));
    for playlist in selected {
        let common = match whole {
            true => general_hold(policy, playlist, read_only),
            false => Some(Hold {
                gate: "TC103",
                text: "TIDAL was not read completely".into(),
                ..Hold::default()
            }),
        };
        for mut found in candidates(policy, observation, playlist) {
            found.hold = common
                .clone()
                .or_else(|| protection(protected, &found.entry.track))
                .or_else(|| own_file(observation, &found.entry));
            cleanup.found.push(found);
        }
    }
    cleanup
}

impl Cleanup {
    /// The reading without what leaves TIDAL.
    #[must_use]
    pub fn without<'a>(&self, reading: &'a TidalReading) -> Cow<'a, TidalReading> {
        let mut leaving: BTreeMap<&PlaylistId, Vec<usize>> = BTreeMap::new();
        for found in self.found.iter().filter(|found| found.hold.is_none()) {
            let places = leaving.entry(&found.entry.playlist).or_default();
            places.push(found.entry.position);
        }
        if leaving.is_empty() {
            return Cow::Borrowed(reading);
        }
        let mut reading = reading.clone();
        for playlist in &mut reading.playlists {
            let Some(places) = leaving.get(&playlist.id) else {
                continue;
            };
            let mut at = 0..;
            playlist.items.retain(|_| {
                let here = at.next();
                here.is_none_or(|here| places.binary_search(&here).is_err())
            });
        }
        Cow::Owned(reading)
    }
}

/// What holds everything in a playlist back.
fn general_hold(policy: &Policy, playlist: &Playlist, read_only: Option<&str>) -> Option<Hold> {
    let (mode, at) = policy.mode(playlist.id.as_str(), &playlist.name);
    let by_mode = |rule: &str, text: &str| Hold {
        gate: "mode",
        rule: rule.to_owned(),
        at: at.to_string(),
        text: text.to_owned(),
    };
    match mode {
        SyncMode::Observe => Some(by_mode("observe", "the policy only observes this playlist")),
        SyncMode::Additive => Some(by_mode("additive", "this playlist is only ever added to")),
        SyncMode::Manage => read_only.map(|text| Hold {
            gate: "read-only",
            text: text.to_owned(),
            ..Hold::default()
        }),
    }
}

fn protection(protected: &BTreeMap<TrackId, Protection>, track: &TrackId) -> Option<Hold> {
    let by = protected.get(track)?;
    Some(Hold {
        gate: "protect",
        rule: by.rule.clone(),
        at: by.at.clone(),
        text: by.text.clone(),
    })
}

/// A track that only TIDAL has lost: with the entry its file would lose its place in the playlist.
fn own_file(observation: &Observation, entry: &TidalEntry) -> Option<Hold> {
    let known = observation.state.tracks.get(&entry.track);
    let tagged = || {
        let mut files = observation.library.value.files.iter();
        files.any(|file| file.tags.tidal_id.as_ref() == Some(&entry.track))
    };
    let is_here = known.is_some_and(|row| row.file.is_some()) || tagged();
    (entry.cause == Cause::Unavailable && is_here).then(|| Hold {
        gate: "file",
        text: "its file is here and would lose its place in the playlist".into(),
        ..Hold::default()
    })
}

fn candidates<'a>(
    policy: &'a Policy,
    observation: &'a Observation,
    playlist: &'a Playlist,
) -> impl Iterator<Item = Found> + 'a {
    let asked = &policy.tidal.cleanup;
    let items = &playlist.items;
    let ids = items.iter().map(PlaylistEntry::own_id);
    let list = Precondition::TidalList {
        playlist: playlist.id.clone(),
        count: items.len(),
        sha256: canonical::entries_hash(ids),
    };
    let mut first: BTreeMap<&TrackId, usize> = BTreeMap::new();
    let tracks = items.iter().enumerate();
    let tracks = tracks.filter(|(_, entry)| entry.kind == ItemKind::Track);
    tracks.filter_map(move |(position, entry)| {
        let before = first.get(&entry.id).copied();
        first.entry(&entry.id).or_insert(position);
        let (cause, first) = match before {
            Some(first) if asked.duplicates => (Cause::Duplicates, Some(first)),
            Some(_) | None if asked.unavailable && entry.track.is_none() => {
                (Cause::Unavailable, None)
            }
            Some(_) | None => return None,
        };
        let neighbour = |at: Option<usize>| items.get(at?)?.item_id.clone();
        Some(Found {
            entry: TidalEntry {
                playlist: playlist.id.clone(),
                // Without its own id an entry cannot be told from its twins.
                item: entry.item_id.clone()?,
                track: entry.id.clone(),
                position,
                cause,
                previous: neighbour(position.checked_sub(1)),
                next: neighbour(Some(position + 1)),
            },
            first,
            label: label(observation, entry),
            list: list.clone(),
            hold: None,
        })
    })
}

fn label(observation: &Observation, entry: &PlaylistEntry) -> String {
    let remembered = || {
        observation
            .state
            .tracks
            .get(&entry.id)
            .map(|row| &*row.track)
    };
    let track = entry.track.as_deref().or_else(remembered);
    track.map_or_else(
        || format!("TIDAL track {}", entry.id),
        crate::domain::Track::label,
    )
}

/// Plans what leaves TIDAL.
pub(super) fn plan_tidal(draft: &mut Draft<'_>) {
    let cleanup = draft.input.cleanup;
    for found in &cleanup.found {
        if !draft.in_scope(&found.entry.playlist) {
            continue;
        }
        let action = action(draft, found);
        match &found.hold {
            Some(hold) => draft.hold(&action, hold.clone()),
            None => drop(draft.push(action)),
        }
    }
}

fn action(draft: &Draft<'_>, found: &Found) -> Action {
    let entry = &found.entry;
    let subject = Subject {
        track: Some(entry.track.clone()),
        label: found.label.clone(),
    };
    let effect = Effect::TidalEntryRemove {
        before: entry.clone(),
    };
    let number = entry.position + 1;
    let (text, evidence) = match found.first.map(|first| first + 1) {
        Some(first) => (
            format!("entry {number} is the same track as entry {first}, which stays"),
            format!("track {} stands at {first} and at {number}", entry.track),
        ),
        None => (
            format!("TIDAL withholds the track of entry {number}"),
            format!("track {} is listed and not delivered", entry.track),
        ),
    };
    let rule = format!("tidal.cleanup {}", entry.cause.word());
    let mut action = act(Class::Tidal, effect, subject)
        .under(&entry.playlist)
        .provided([found.list.clone()])
        .because(&rule, text);
    action.why.at = draft.input.policy.tidal.cleanup.at.to_string();
    action.why.evidence = vec![evidence, format!("entry id {}", entry.item)];
    action
}

#[cfg(test)]
mod tests;
