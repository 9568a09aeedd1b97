//! A hash table of lists, built in parallel and the same in every run.

use rayon::prelude::*;

/// The key of an artist (by the hash of its own) and a title.
pub(super) fn name_key(artist: u64, title: &str) -> u64 {
    mixed(title.bytes().fold(artist ^ 0xff, step))
}

/// FNV-1a: the same on every machine and in every run.
pub(super) fn hash(text: &str) -> u64 {
    mixed(text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

const fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(0x0100_0000_01b3)
}

/// Spreads what short texts leave in the low bits over the high ones, by which a table is cut.
pub(super) const fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

/// Entries that are looked through one by one: a cut has one of them on average.
const FEW: usize = 8;

/// Numbers of tracks by key, sorted, and cut by the first bits of the keys: two look-ups find a list.
pub(super) struct Table {
    entries: Vec<(u64, u32)>,
    cuts: Vec<u32>,
    shift: u32,
}

impl Table {
    /// A table of `tracks` by all the keys that `keys` adds for each.
    pub(super) fn of<T: Sync>(tracks: &[T], keys: impl Fn(&T, &mut Vec<u64>) + Sync) -> Self {
        let mut entries: Vec<(u64, u32)> = tracks
            .par_iter()
            .enumerate()
            .fold(
                Vec::new,
                |mut entries: Vec<(u64, u32)>, (at, track): (usize, &T)| {
                    let mut found = Vec::with_capacity(8);
                    keys(track, &mut found);
                    found.sort_unstable();
                    found.dedup();
                    let number = u32::try_from(at).unwrap_or(u32::MAX);
                    entries.extend(found.into_iter().map(|key| (key, number)));
                    entries
                },
            )
            .flatten_iter()
            .collect();
        entries.par_sort_unstable();
        let bits = (entries.len().max(2).ilog2()).min(24);
        let shift = 64 - bits;
        let mut cuts = vec![0_u32; (1 << bits) + 1];
        for (key, _) in &entries {
            cuts[bucket(*key, shift) + 1] += 1;
        }
        for at in 1..cuts.len() {
            cuts[at] += cuts[at - 1];
        }
        Self {
            entries,
            cuts,
            shift,
        }
    }

    /// The entries of a key, in ascending order.
    pub(super) fn list(&self, key: u64) -> &[(u64, u32)] {
        let bucket = bucket(key, self.shift);
        let cut = |at: usize| usize::try_from(self.cuts[at]).unwrap_or(usize::MAX);
        let entries = &self.entries[cut(bucket)..cut(bucket + 1)];
        if entries.len() <= FEW {
            let start = entries.iter().take_while(|(other, _)| *other < key).count();
            let rest = &entries[start..];
            return &rest[..rest.iter().take_while(|(other, _)| *other == key).count()];
        }
        let start = entries.partition_point(|(other, _)| *other < key);
        let rest = &entries[start..];
        &rest[..rest.partition_point(|(other, _)| *other == key)]
    }

    /// The tracks of a key, in ascending order.
    pub(super) fn get(&self, key: u64) -> impl Iterator<Item = u32> {
        self.list(key).iter().map(|(_, track)| *track)
    }

    /// Whether there is no key at all.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn bucket(key: u64, shift: u32) -> usize {
    usize::try_from(key >> shift).unwrap_or(usize::MAX)
}
