//! The screens in the documentation are what the program says: each is recorded here from a real run.
//!
//! A screen in a page stands in a block that begins with `<!-- screen: NAME -->`. After a change of what
//! the program says, `TIDAL_CLEANUP_UPDATE_DOCS=1 cargo test --test it screens` writes them anew.

use std::{fs, path::Path};

use crate::harness::{Snapshot, World};

/// A run that is shown: its name, and what is typed.
const SCREENS: &[(&str, &[&str])] = &[
    ("plan", &["plan", "--out", "plan.json"]),
    ("status", &["status"]),
    ("sync", &["db", "sync", "--check"]),
    (
        "inspect",
        &["db", "inspect", "--playlist", "House Italo R 🇮🇹"],
    ),
];

/// The DJ's world after a week: one list grew, one shrank, one is new.
fn week() -> World {
    let world = World::usual();
    let before =
        Snapshot::new()
            .list('a', "House Italo R 🇮🇹", "1 2 3")
            .list('b', "Party Mix 🎉", "4 5");
    world.sync_with(&before);
    let after = Snapshot::new()
        .list('a', "House Italo R 🇮🇹", "1 2 3 6 7")
        .list('b', "Party Mix 🎉", "4")
        .list('c', "Minimal Deep 💎", "8");
    world.tidal(&after);
    world
}

/// What differs from run to run reads the same: folders, times, digests, ids.
fn steady(text: &str, world: &World) -> String {
    let home = world.path("").display().to_string();
    let text = text.replace(home.trim_end_matches('/'), "~");
    let mut steady = String::new();
    for line in text.lines() {
        // How long it takes and what is free is the machine's.
        if line.starts_with("About ") {
            let sentences = line.split(". ").map(|part| match part {
                part if part.starts_with("About ") => {
                    "About 1 min, as past applies went".to_owned()
                }
                part => match part.split_once(": ") {
                    Some((free, _)) if free.starts_with("Free for") => format!("{free}: 210 GB."),
                    _ => part.to_owned(),
                },
            });
            steady.push_str(&sentences.collect::<Vec<_>>().join(". "));
        } else {
            steady.push_str(&dated(line));
        }
        steady.push('\n');
    }
    steady
}

/// What a shape of digits stands for in every screen: `0` is a digit, `f` a hexadecimal one.
const STEADY: &[(&str, &str)] = &[
    ("0000-00-00 00:00", "2026-11-22 21:40"),
    ("0000-00-00", "2026-11-22"),
    ("Digest ffffffff", "Digest 9f2c41d0"),
    (
        "(ffffffff-ffff-ffff-ffff-ffffffffffff)",
        "(5f0c1d52-93a4-4c1e-9d57-2b8f6a1c7e30)",
    ),
];

/// The line with its days, times and ids as those of one evening.
fn dated(line: &str) -> String {
    let bytes = line.as_bytes();
    let is = |at: usize, shape: &str| {
        bytes.get(at..at + shape.len()).is_some_and(|found| {
            found.iter().zip(shape.bytes()).all(|(a, b)| match b {
                b'0' => a.is_ascii_digit(),
                b'f' => a.is_ascii_hexdigit(),
                b => *a == b,
            })
        })
    };
    let mut out = String::new();
    let mut at = 0;
    while at < line.len() {
        match STEADY.iter().find(|(shape, _)| is(at, shape)) {
            Some((shape, shown)) => {
                out.push_str(shown);
                at += shape.len();
            }
            None => {
                let c = line[at..].chars().next().unwrap();
                out.push(c);
                at += c.len_utf8();
            }
        }
    }
    out
}

#[test]
fn the_screens_in_the_docs_are_the_programs_own() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screens.md");
    let world = week();
    let mut text = String::from(
        "# Screens\n\nWhat the program says, recorded by a test from real runs (days and digests made steady).\n",
    );
    for (name, words) in SCREENS {
        let said = world.run(words);
        let typed: Vec<String> = words
            .iter()
            .map(|word| match word.contains(' ') {
                true => format!("\"{word}\""),
                false => (*word).to_owned(),
            })
            .collect();
        text += &format!(
            "\n<!-- screen: {name} -->\n```\n$ tidal-cleanup {}\n",
            typed.join(" ")
        );
        text += &steady(&said.out, &world);
        text += "```\n";
    }
    if std::env::var_os("TIDAL_CLEANUP_UPDATE_DOCS").is_some() {
        fs::write(&page, &text).unwrap();
    }
    let there = fs::read_to_string(&page).unwrap_or_default();
    assert_eq!(
        there, text,
        "TIDAL_CLEANUP_UPDATE_DOCS=1 writes docs/screens.md anew"
    );
}
