//! Finds the few tracks that a file may be, without comparing it with all of them.

use rayon::prelude::*;

use super::{
    fold::{LATIN, key, romanised, scripts},
    judge::{Local, Wanted},
};
use crate::domain::Isrc;

/// Words that stand in more tracks than this find nothing.
const COMMON: usize = 400;
/// How many of the rarest words are looked up.
const WORDS: usize = 4;
/// With so many tracks at hand no further word is looked up.
const ENOUGH: usize = 300;
/// How many tracks that share words are compared.
const CANDIDATES: usize = 12;

/// Tracks by what finds them. Every list is sorted, so that equal input gives equal output.
pub(super) struct Index<'a> {
    tracks: &'a [Wanted],
    isrcs: Vec<(&'a Isrc, u32)>,
    ids: Vec<(&'a str, u32)>,
    names: Vec<(u64, u32)>,
    words: Vec<(u64, u32)>,
    sounds: Vec<(u64, u32)>,
}

impl<'a> Index<'a> {
    /// Indexes tracks. `foreign`: whether some file is not in Latin script, so that every track must be
    /// found by its sound.
    pub(super) fn new(tracks: &'a [Wanted], foreign: bool) -> Self {
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let mut isrcs: Vec<_> = tracks
            .iter()
            .enumerate()
            .filter_map(|(at, track)| Some((track.isrc()?, number(at))))
            .collect();
        let mut ids: Vec<_> = tracks
            .iter()
            .enumerate()
            .map(|(at, track)| (track.id().as_str(), number(at)))
            .collect();
        let mut names: Vec<_> = tracks
            .par_iter()
            .enumerate()
            .flat_map_iter(|(at, track)| {
                name_keys(track)
                    .into_iter()
                    .map(move |key| (key, number(at)))
            })
            .collect();
        let mut words: Vec<_> = tracks
            .par_iter()
            .enumerate()
            .flat_map_iter(|(at, track)| {
                track_words(track)
                    .into_iter()
                    .map(move |word| (word, number(at)))
            })
            .collect();
        let mut sounds: Vec<_> = tracks
            .par_iter()
            .enumerate()
            .filter(|(_, track)| foreign || !is_latin(&track.title().core))
            .map(|(at, track)| (hash(&romanised(&track.title().core)), number(at)))
            .collect();
        isrcs.sort_unstable();
        ids.sort_unstable();
        names.par_sort_unstable();
        words.par_sort_unstable();
        words.dedup();
        sounds.par_sort_unstable();
        Self {
            tracks,
            isrcs,
            ids,
            names,
            words,
            sounds,
        }
    }

    /// The tracks that `file` may be, in ascending order.
    pub(super) fn candidates(&self, file: &Local) -> Vec<u32> {
        let mut found = Vec::new();
        if let Some(id) = file.tidal_id() {
            found.extend(range(&self.ids, id.as_str()));
        }
        if let Some(isrc) = file.isrc() {
            found.extend(range(&self.isrcs, isrc));
        }
        for reading in file.readings() {
            let title = &reading.title;
            for artist in reading.artists.names() {
                let artist = hash(&key(artist));
                found.extend(range(&self.names, name_key(artist, &title.core_key)));
                if title.full_key != title.core_key {
                    found.extend(range(&self.names, name_key(artist, &title.full_key)));
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
        let mut words: Vec<u64> = file
            .readings()
            .iter()
            .flat_map(|reading| {
                reading
                    .artists
                    .names()
                    .chain([reading.title.full.as_str()])
                    .flat_map(|text| text.split(' '))
            })
            .filter(|word| !word.is_empty())
            .map(hash)
            .collect();
        words.sort_unstable();
        words.dedup();
        let mut lists: Vec<&[(u64, u32)]> = words
            .into_iter()
            .map(|word| list(&self.words, word))
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
        counted.sort_unstable_by_key(|(count, track)| (std::cmp::Reverse(*count), *track));
        found.extend(counted.into_iter().take(CANDIDATES).map(|(_, track)| track));
    }

    fn by_sound(&self, file: &Local, found: &mut Vec<u32>) {
        if self.sounds.is_empty() {
            return;
        }
        for reading in file.readings() {
            let sound = hash(&romanised(&reading.title.core));
            found.extend(range(&self.sounds, sound).take(CANDIDATES));
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

fn name_keys(track: &Wanted) -> Vec<u64> {
    let title = track.title();
    let mut keys = Vec::with_capacity(4);
    for artist in track.artists().names() {
        let artist = hash(&key(artist));
        keys.push(name_key(artist, &title.core_key));
        if title.full_key != title.core_key {
            keys.push(name_key(artist, &title.full_key));
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn track_words(track: &Wanted) -> Vec<u64> {
    track
        .artists()
        .names()
        .chain([track.title().full.as_str()])
        .flat_map(|text| text.split(' '))
        .filter(|word| !word.is_empty())
        .map(hash)
        .collect()
}

fn name_key(artist: u64, title: &str) -> u64 {
    title.bytes().fold(artist ^ 0xff, step)
}

/// FNV-1a: the same on every machine and in every run.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

const fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(0x0100_0000_01b3)
}

fn list<K: Ord + Copy>(sorted: &[(K, u32)], key: K) -> &[(K, u32)] {
    let start = sorted.partition_point(|(other, _)| *other < key);
    let rest = &sorted[start..];
    &rest[..rest.partition_point(|(other, _)| *other == key)]
}

fn range<K: Ord + Copy>(sorted: &[(K, u32)], key: K) -> impl Iterator<Item = u32> {
    list(sorted, key).iter().map(|(_, track)| *track)
}
