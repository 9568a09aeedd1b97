//! The entries of the fuzz targets (`tests/fuzz`), fed with their corpus and with thousands of spoilt copies
//! of it, the same in every run: no panic, and what is accepted is written as it was read.
//!
//! `TIDAL_CLEANUP_CASES` says how many copies of each file (256).
#![expect(
    clippy::unwrap_used,
    reason = "a corpus that cannot be read is a failed test"
)]

#[path = "../fuzz/entries.rs"]
mod entries;

use std::{fs, path::Path};

use entries::{ENTRIES, Entry};

/// What formats are made of.
const MARKS: &[u8] = b"0123456789-.,:;[]{}()<>\"'\\/#= \n\t\0";

/// Numbers that look random and are the same every time (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((x ^ (x >> 31)) % below.max(1) as u64).unwrap()
    }

    /// Does one to four things to a copy: cuts, doubles, swaps, and words of other files of the corpus.
    fn spoil(&mut self, bytes: &[u8], other: &[u8]) -> Vec<u8> {
        let mut copy = bytes.to_vec();
        for _ in 0..=self.roll(3) {
            if copy.is_empty() {
                break;
            }
            let at = self.roll(copy.len());
            let end = (at + 1 + self.roll(24)).min(copy.len());
            match self.roll(9) {
                0 => copy.truncate(at),
                1 => drop(copy.drain(at..end)),
                2 => {
                    let part = copy[at..end].repeat(1 + self.roll(40));
                    drop(copy.splice(at..at, part));
                }
                3 => copy[at..end].reverse(),
                4 => copy[at] = MARKS[self.roll(MARKS.len())],
                5 => copy[at] ^= 1 << self.roll(8),
                6 => {
                    let from = self.roll(other.len());
                    let to = (from + 1 + self.roll(64)).min(other.len());
                    drop(copy.splice(at..end, other[from..to].iter().copied()));
                }
                7 => drop(copy.splice(at..end, "\u{202e}\u{1f1ee}\u{1f1f9}\u{feff}".bytes())),
                _ => copy[at..end].fill(0xff),
            }
        }
        copy
    }
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut files: Vec<_> = fs::read_dir(folder.join(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{name} has no corpus");
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn feed(name: &str, entry: Entry) {
    let asked = std::env::var("TIDAL_CLEANUP_CASES").ok();
    let copies: usize = asked.and_then(|text| text.parse().ok()).unwrap_or(256);
    let corpus = corpus(name);
    let mut dice = Dice(name.len() as u64);
    for bytes in &corpus {
        entry(bytes);
        for _ in 0..copies {
            let other = &corpus[dice.roll(corpus.len())];
            let spoilt = dice.spoil(bytes, other);
            entry(&spoilt);
        }
    }
}

#[test]
fn every_entry_bears_its_corpus_and_spoilt_copies_of_it() {
    for (name, entry) in ENTRIES {
        feed(name, *entry);
    }
}
