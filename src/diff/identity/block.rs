//! Finds the few tracks that a file may be, without comparing it with all of them.

use std::cmp::Reverse;

use super::{
    fold::{LATIN, key, romanised, scripts},
    judge::{Local, Wanted},
    table::{Table, hash, name_key},
    words,
};

/// Words that stand in more tracks than this find nothing.
const COMMON: usize = 400;
/// How many of the rarest words are looked up.
const WORDS: usize = 4;
/// With so many tracks at hand no further word is looked up.
const ENOUGH: usize = 300;
/// How many tracks that share words are compared.
const CANDIDATES: usize = 12;

/// Tracks by what finds them.
pub(super) struct Index<'a> {
    tracks: &'a [Wanted],
    /// By TIDAL id and by ISRC.
    codes: &'a Table,
    /// By artist and title.
    names: Table,
    /// By each word of artists and title.
    words: Table,
    /// By the sound of the title.
    sounds: Table,
}

impl<'a> Index<'a> {
    /// Indexes tracks. `foreign`: whether some file is not in Latin script, so that every track must be
    /// found by its sound.
    pub(super) fn new(tracks: &'a [Wanted], codes: &'a Table, foreign: bool) -> Self {
        Self {
            tracks,
            codes,
            names: Table::of(tracks, name_keys),
            words: Table::of(tracks, |track, keys| {
                let names = track.artists().names();
                let texts = names.chain([track.title().full.as_str()]);
                keys.extend(texts.flat_map(words::each).map(hash));
            }),
            sounds: Table::of(tracks, |track, keys| {
                let title = &track.title().core;
                if foreign || !is_latin(title) {
                    keys.push(hash(&romanised(title)));
                }
            }),
        }
    }

    /// The tracks that `file` may be, in ascending order.
    pub(super) fn candidates(&self, file: &Local) -> Vec<u32> {
        let mut found = Vec::new();
        if let Some(id) = file.tidal_id() {
            found.extend(self.codes.get(hash(id.as_str())));
        }
        if let Some(isrc) = file.isrc() {
            found.extend(self.codes.get(hash(isrc.as_str())));
        }
        for reading in file.readings() {
            let title = &reading.title;
            for artist in reading.artists.names() {
                let artist = hash(&key(artist));
                found.extend(self.names.get(name_key(artist, &title.core_key)));
                if title.full_key != title.core_key {
                    found.extend(self.names.get(name_key(artist, &title.full_key)));
                }
            }
        }
        if found.is_empty() {
            self.by_words(file, &mut found);
            self.by_sound(file, &mut found);
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn by_words(&self, file: &Local, found: &mut Vec<u32>) {
        let mut keys: Vec<u64> = file
            .readings()
            .iter()
            .flat_map(|reading| reading.artists.names().chain([reading.title.full.as_str()]))
            .flat_map(words::each)
            .map(hash)
            .collect();
        keys.sort_unstable();
        keys.dedup();
        let mut lists: Vec<&[(u64, u32)]> = keys
            .into_iter()
            .map(|key| self.words.list(key))
            .filter(|list| (1..=COMMON).contains(&list.len()))
            .collect();
        lists.sort_by_key(|list| (list.len(), list[0].0));
        let mut hits: Vec<u32> = Vec::new();
        for list in lists.into_iter().take(WORDS) {
            if hits.len() > ENOUGH {
                break;
            }
            hits.extend(list.iter().map(|(_, track)| *track));
        }
        hits.sort_unstable();
        let mut counted: Vec<(usize, u32)> = hits
            .chunk_by(|a, b| a == b)
            .map(|same| (same.len(), same[0]))
            .collect();
        // Their order is of no matter: what is found is sorted in the end.
        if counted.len() > CANDIDATES {
            counted
                .select_nth_unstable_by_key(CANDIDATES, |(count, track)| (Reverse(*count), *track));
            counted.truncate(CANDIDATES);
        }
        found.extend(counted.into_iter().map(|(_, track)| track));
    }

    fn by_sound(&self, file: &Local, found: &mut Vec<u32>) {
        if self.sounds.is_empty() {
            return;
        }
        for reading in file.readings() {
            let sound = hash(&romanised(&reading.title.core));
            found.extend(self.sounds.get(sound).take(CANDIDATES));
        }
    }

    /// The track of that number.
    pub(super) fn track(&self, number: u32) -> Option<&'a Wanted> {
        self.tracks.get(usize::try_from(number).ok()?)
    }
}

/// Whether a text is written in Latin letters, or in no letters at all.
pub(super) fn is_latin(folded: &str) -> bool {
    folded.is_ascii() || scripts(folded) & !LATIN == 0
}

fn name_keys(track: &Wanted, keys: &mut Vec<u64>) {
    let title = track.title();
    for artist in track.artists().names() {
        let artist = hash(&key(artist));
        keys.push(name_key(artist, &title.core_key));
        if title.full_key != title.core_key {
            keys.push(name_key(artist, &title.full_key));
        }
    }
}
