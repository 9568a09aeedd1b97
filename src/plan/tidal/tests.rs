use std::collections::BTreeMap;

use super::*;
use crate::{
    domain::{Observed, State, Track},
    policy::TidalCleanup,
};

fn policy(more: &str) -> Policy {
    let text = format!("version = 1\n[library]\nroot = \"/music\"\n{more}\n");
    let path = std::path::Path::new("/p/tidal-cleanup.toml");
    let home = std::path::Path::new("/home/dj");
    Policy::parse(path, &text, &|_| None, home).unwrap().0
}

const BOTH: &str = "[tidal]\ncleanup = [\"duplicates\", \"unavailable\"]";

/// `a` is track `a`; `a!` is withheld; the entries have the ids `0`, `1`…
fn observation(lists: &[(&str, &str)]) -> Observation {
    let playlists = lists.iter().map(|(name, entries)| Playlist {
        id: (*name).into(),
        name: (*name).to_owned(),
        description: String::new(),
        last_modified_at: None,
        number_of_items: None,
        complete: true,
        items: entries
            .split_whitespace()
            .enumerate()
            .map(|(at, text)| {
                let id = TrackId::from(text.trim_end_matches('!'));
                PlaylistEntry {
                    kind: ItemKind::Track,
                    item_id: Some(at.to_string().as_str().into()),
                    added_at: None,
                    track: (!text.ends_with('!')).then(|| std::sync::Arc::new(track(&id))),
                    id,
                }
            })
            .collect(),
    });
    Observation {
        tidal: Observed {
            value: TidalReading {
                taken_at: None,
                complete: true,
                user: None,
                playlists: playlists.collect(),
                favorites: None,
            },
            problems: Vec::new(),
        },
        library: Observed {
            value: crate::domain::Library::default(),
            problems: Vec::new(),
        },
        rekordbox: None,
        state: State::default(),
        local_lists: Default::default(),
        roots: Vec::new(),
    }
}

fn track(id: &TrackId) -> Track {
    Track {
        title: format!("Title {id}"),
        ..Track::bare(id.clone())
    }
}

/// What leaves and what is held: `3 duplicates`, `3 duplicates (protect)`.
fn found(policy: &Policy, observation: &Observation, read_only: Option<&str>) -> Vec<String> {
    told(&cleanup(policy, observation, &BTreeMap::new(), read_only))
}

fn told(cleanup: &Cleanup) -> Vec<String> {
    let tell = |found: &Found| {
        let entry = &found.entry;
        let hold = found.hold.as_ref();
        let hold = hold.map_or_else(String::new, |hold| format!(" ({})", hold.gate));
        format!("{} {}{hold}", entry.item, entry.cause.word())
    };
    cleanup.found.iter().map(tell).collect()
}

#[test]
fn nothing_leaves_unless_the_policy_names_it() {
    let seen = observation(&[("p", "a a b!")]);
    assert_eq!(found(&policy(""), &seen, None), [""; 0]);
    assert_eq!(policy("").tidal.cleanup, TidalCleanup::default());
    let one = |word: &str| policy(&format!("[tidal]\ncleanup = [\"{word}\"]"));
    assert_eq!(found(&one("duplicates"), &seen, None), ["1 duplicates"]);
    assert_eq!(found(&one("unavailable"), &seen, None), ["2 unavailable"]);
    assert_eq!(
        found(&policy("[tidal]\ncleanup = []"), &seen, None),
        [""; 0]
    );
}

#[test]
fn of_duplicates_the_first_stays() {
    let seen = observation(&[("p", "a b a c b a"), ("q", "a b")]);
    let cleanup = cleanup(&policy(BOTH), &seen, &BTreeMap::new(), None);
    assert_eq!(
        told(&cleanup),
        ["2 duplicates", "4 duplicates", "5 duplicates"]
    );
    let after = cleanup.without(&seen.tidal.value);
    let left: Vec<&str> = after.playlists[0]
        .items
        .iter()
        .map(|entry| entry.id.as_str())
        .collect();
    assert_eq!(left, ["a", "b", "c"]);
    assert_eq!(after.playlists[1], seen.tidal.value.playlists[1]);
    assert_eq!(cleanup.found[2].first, Some(0));
}

#[test]
fn a_half_read_tidal_loses_nothing() {
    let mut seen = observation(&[("p", "a a b!"), ("q", "a")]);
    seen.tidal.value.playlists[1].complete = false;
    let held = ["1 duplicates (TC103)", "2 unavailable (TC103)"];
    assert_eq!(found(&policy(BOTH), &seen, None), held);
    seen.tidal.value.playlists[1].complete = true;
    seen.tidal.value.complete = false;
    let cleanup = cleanup(&policy(BOTH), &seen, &BTreeMap::new(), None);
    assert_eq!(told(&cleanup), held);
    assert_eq!(*cleanup.without(&seen.tidal.value), seen.tidal.value);
}

#[test]
fn what_the_policy_shields_stays() {
    let seen = observation(&[("p", "a a b!")]);
    let mode = |mode: &str| policy(&format!("{BOTH}\n[playlist.p]\nmode = \"{mode}\""));
    let held = ["1 duplicates (mode)", "2 unavailable (mode)"];
    assert_eq!(found(&mode("observe"), &seen, None), held);
    assert_eq!(found(&mode("additive"), &seen, None), held);
    let other = policy(&format!("{BOTH}\nplaylists = [\"q\"]"));
    assert_eq!(found(&other, &seen, None), [""; 0]);
    let held = ["1 duplicates (read-only)", "2 unavailable (read-only)"];
    assert_eq!(found(&policy(BOTH), &seen, Some("why")), held);
    let by = Protection {
        former: false,
        rule: "cues".into(),
        at: String::new(),
        text: "7 hot cues".into(),
    };
    let shield = BTreeMap::from([(TrackId::from("a"), by)]);
    let cleanup = cleanup(&policy(BOTH), &seen, &shield, None);
    assert_eq!(told(&cleanup), ["1 duplicates (protect)", "2 unavailable"]);
}

#[test]
fn a_withheld_track_whose_file_is_here_keeps_its_place() {
    let mut seen = observation(&[("p", "a b! b!")]);
    let id = TrackId::from("b");
    let row = crate::domain::state::TrackRow {
        track: track(&id).into(),
        file: Some("Playlists/p/b.mp3".into()),
        content: None,
        home: None,
        last_seen_in_tidal: None,
    };
    seen.state.tracks.insert(id, row);
    assert_eq!(
        found(&policy(BOTH), &seen, None),
        ["1 unavailable (file)", "2 duplicates"]
    );
}
