//! The folder of the demonstration: a policy, TIDAL as a file today and in a week, a "cloud" with a
//! stand-in download command, and music of the user's own.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{OwnTrack, failed, tone};
use crate::{
    cli::{error::CliError, settings::POLICY_FILE},
    domain::ContentHash,
};

/// A track of the made-up catalogue.
struct Song {
    id: &'static str,
    artist: &'static str,
    title: &'static str,
    version: Option<&'static str>,
    isrc: &'static str,
    seconds: u32,
    hertz: u32,
}

const fn song(
    id: &'static str,
    artist: &'static str,
    title: &'static str,
    isrc: &'static str,
    seconds: u32,
    hertz: u32,
) -> Song {
    Song {
        id,
        artist,
        title,
        version: None,
        isrc,
        seconds,
        hertz,
    }
}

const SONGS: [Song; 8] = [
    song(
        "90000001",
        "Nora Vale",
        "Lido at Six",
        "QZDEM2600001",
        6,
        220,
    ),
    song(
        "90000002",
        "Dario Fenn",
        "Senza Fretta",
        "QZDEM2600002",
        7,
        247,
    ),
    song(
        "90000003",
        "Marea Alta",
        "Vespa Blu",
        "QZDEM2600003",
        6,
        262,
    ),
    song("90000004", "Kiln", "Small Rooms", "QZDEM2600004", 8, 294),
    song(
        "90000005",
        "Ode Larsen",
        "Glass Hour",
        "QZDEM2600005",
        6,
        330,
    ),
    Song {
        version: Some("Dub Mix"),
        ..song(
            "90000006",
            "The Night Clerks",
            "Last Tram",
            "QZDEM2600006",
            7,
            349,
        )
    },
    song("90000007", "Paloma Rey", "Confetti", "QZDEM2600007", 6, 392),
    song(
        "90000008",
        "Dario Fenn",
        "Andata e Ritorno",
        "QZDEM2600008",
        7,
        440,
    ),
];

/// Id, name, and tracks by their places in [`SONGS`].
type List = (&'static str, &'static str, &'static [usize]);

const ITALO: &str = "3c1a52f0-6a0e-4d53-8d5e-0b6a3a1f9c01";
const MINIMAL: &str = "3c1a52f0-6a0e-4d53-8d5e-0b6a3a1f9c02";
const PARTY: &str = "3c1a52f0-6a0e-4d53-8d5e-0b6a3a1f9c03";

/// "Vespa Blu" is in two lists, "Confetti" twice in one.
const TODAY: [List; 3] = [
    (ITALO, "House Italo R 🇮🇹", &[0, 1, 2]),
    (MINIMAL, "Minimal Deep 💎", &[3, 4]),
    (PARTY, "Party Mix 🎉", &[6, 2, 5, 6]),
];

const IN_A_WEEK: [List; 3] = [
    (ITALO, "House Italo R 🇮🇹", &[2, 0, 1, 7]),
    (MINIMAL, "Minimal Deep 💎", &[3]),
    (PARTY, "Party Mix 2026 🎉", &[6, 2, 5, 6]),
];

const OWN: [(&str, &str, &str, u32, u32); 2] = [
    ("Own/You - Warm-up Tool.wav", "You", "Warm-up Tool", 5, 185),
    (
        "Own/You - Edit for Friday.wav",
        "You",
        "Edit for Friday",
        5,
        196,
    ),
];

/// Builds everything but the Rekordbox library in `dir` (absolute), and tells the user's own tracks.
///
/// # Errors
/// When something cannot be written.
pub(super) fn build(dir: &Path) -> Result<Vec<OwnTrack>, CliError> {
    for folder in ["cloud", "later", "music/Own", "rekordbox", "state", "home"] {
        let folder = dir.join(folder);
        fs::create_dir_all(&folder).map_err(failed("make", &folder))?;
    }
    let script = dir.join("cloud/fetch.sh");
    write(&script, FETCH.as_bytes())?;
    for song in &SONGS {
        let file = dir.join(format!("cloud/{}.wav", song.id));
        write(&file, &tone::wav(song.hertz, song.seconds))?;
    }
    write(
        &dir.join("tidal.json"),
        reading(&TODAY, "2026-11-15T09:00:00Z").as_bytes(),
    )?;
    write(
        &dir.join("later/tidal.json"),
        reading(&IN_A_WEEK, "2026-11-22T09:00:00Z").as_bytes(),
    )?;
    write(&dir.join(POLICY_FILE), policy(&script).as_bytes())?;
    write(&dir.join("music/Own/notes.txt"), b"Friday: start slow.\n")?;
    OWN.iter().map(|own| own_track(dir, *own)).collect()
}

fn own_track(
    dir: &Path,
    (path, artist, title, seconds, hertz): (&str, &'static str, &'static str, u32, u32),
) -> Result<OwnTrack, CliError> {
    let file = dir.join("music").join(path);
    write(&file, &tone::wav(hertz, seconds))?;
    Ok(OwnTrack {
        file,
        artist,
        title,
        seconds,
        hot_cues: 4,
    })
}

/// TIDAL as it is in a week.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn a_week_later(dir: &Path) -> Result<(), CliError> {
    let (from, to) = (dir.join("later/tidal.json"), dir.join("tidal.json"));
    let text = fs::read(&from).map_err(failed("read", &from))?;
    write(&to, &text)
}

/// Paths below `music/Own` with the hashes of their files.
pub(super) type Fingerprints = BTreeMap<PathBuf, ContentHash>;

/// What the user's own files are.
///
/// # Errors
/// When one cannot be read.
pub(super) fn fingerprints(dir: &Path) -> Result<Fingerprints, CliError> {
    let own = dir.join("music/Own");
    let entries = fs::read_dir(&own).map_err(failed("read", &own))?;
    entries
        .map(|entry| {
            let path = entry.map_err(failed("read", &own))?.path();
            let bytes = fs::read(&path).map_err(failed("read", &path))?;
            Ok((path, ContentHash::of(&bytes)))
        })
        .collect()
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    fs::write(path, bytes).map_err(failed("write", path))
}

const FETCH: &str = r#"#!/bin/sh
# A stand-in for a download command: copies the track of that id out of the "cloud".
# usage: fetch.sh ID FOLDER
set -eu
cp "$(dirname "$0")/$1.wav" "$2/"
"#;

fn policy(script: &Path) -> String {
    let script = toml::Value::String(script.display().to_string());
    format!(
        r#"# The policy of the demonstration. Paths start at this file.
version = 1

[library]
root   = "music"
format = "keep"

[tidal]
snapshot = "tidal.json"  # a saved reading instead of the service

[download]
command = ["sh", {script}, "{{id}}", "{{dir}}"]

[rekordbox]
database = "rekordbox/master.db"
relocate = true     # nobody plays from this library; in yours, see README, "Files that move"
folder   = "TIDAL"

[state]
path = "state/sync.db"

[defaults]
track_removed = "trash"  # the careful default is "keep-file"

[safety]
max_remove = {{ count = 3, percent = 100 }}

# Nothing that carries cues is ever thrown away.
[[protect]]
name = "cues"
when = {{ rekordbox.cues = ">=1" }}
deny = ["trash", "remove"]

# An emoji in a playlist's name tags its tracks.
[mytag.Genre]
"🇮🇹" = "House Italo"
"💎" = "Minimal Deep"

[mytag.Situation]
"🎉" = "Party"
"#
    )
}

fn reading(lists: &[List], taken_at: &str) -> String {
    let playlists: Vec<Value> = lists.iter().map(|list| playlist(list, taken_at)).collect();
    let reading = json!({
        "format": "tidal-cleanup/tidal-snapshot",
        "format_version": "1.0",
        "taken_at": taken_at,
        "complete": true,
        "user": {"id": "1", "country": "DE"},
        "playlists": playlists,
    });
    format!("{reading:#}\n")
}

fn playlist((id, name, songs): &List, modified: &str) -> Value {
    let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
    let items: Vec<Value> = songs
        .iter()
        .map(|number| {
            let occurrence = seen.entry(*number).or_default();
            *occurrence += 1;
            item(id, &SONGS[*number], *occurrence)
        })
        .collect();
    json!({
        "id": id, "name": name, "description": "", "last_modified_at": modified,
        "number_of_items": items.len(), "complete": true, "items": items,
    })
}

fn item(list: &str, song: &Song, occurrence: usize) -> Value {
    let mut item = json!({
        "type": "tracks", "id": song.id,
        "item_id": format!("{}-{}-{occurrence}", &list[list.len() - 2..], song.id),
        "added_at": "2026-11-01T12:00:00Z", "resolved": true,
        "title": song.title, "artists": [song.artist], "album": "A Made-up Album",
        "isrc": song.isrc, "duration_s": song.seconds, "explicit": false,
        "release_date": "2026-01-09", "media_tags": ["LOSSLESS"], "streamable": true,
    });
    if let Some(version) = song.version {
        item["version"] = json!(version);
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let own = build(dir.path()).unwrap();
        assert!(own.iter().all(|track| track.file.is_file()));
        assert_eq!(fingerprints(dir.path()).unwrap().len(), 3);
        let policy = fs::read_to_string(dir.path().join(POLICY_FILE)).unwrap();
        let policy: toml::Table = policy.parse().unwrap();
        let command = policy["download"]["command"].as_array().unwrap();
        assert!(Path::new(command[1].as_str().unwrap()).is_file());
        let before: Value =
            serde_json::from_str(&fs::read_to_string(dir.path().join("tidal.json")).unwrap())
                .unwrap();
        a_week_later(dir.path()).unwrap();
        let after: Value =
            serde_json::from_str(&fs::read_to_string(dir.path().join("tidal.json")).unwrap())
                .unwrap();
        assert_eq!(before["playlists"][2]["id"], after["playlists"][2]["id"]);
        assert_ne!(
            before["playlists"][2]["name"],
            after["playlists"][2]["name"]
        );
    }

    #[test]
    fn every_entry_has_an_id_of_its_own() {
        let reading: Value =
            serde_json::from_str(&reading(&TODAY, "2026-11-15T09:00:00Z")).unwrap();
        let mut ids: Vec<&str> = reading["playlists"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|list| list["items"].as_array().unwrap())
            .map(|item| item["item_id"].as_str().unwrap())
            .collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }

    #[cfg(unix)]
    #[test]
    fn the_stand_in_delivers_one_file() {
        let dir = tempfile::tempdir().unwrap();
        build(dir.path()).unwrap();
        let target = dir.path().join("target");
        fs::create_dir(&target).unwrap();
        let run = |id: &str| {
            let script = dir.path().join("cloud/fetch.sh");
            let mut command = std::process::Command::new("sh");
            command
                .arg(script)
                .arg(id)
                .arg(&target)
                .stderr(std::process::Stdio::null());
            command.status().unwrap().success()
        };
        assert!(run("90000003"));
        assert!(!run("12345678"));
        assert_eq!(fs::read_dir(&target).unwrap().count(), 1);
    }
}
