//! `rekordbox.xml` and playlist files, read back by this test and by pyrekordbox.

#![expect(
    clippy::unwrap_used,
    reason = "an export that cannot be read fails the test"
)]

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use quick_xml::{Reader, XmlVersion, events::Event};
use tidal_cleanup::domain::RekordboxSchema;

use crate::{
    harness::{BOLD, Setup, World, titled},
    journey::first,
    rekordbox_oracle,
};

/// What an export says: tracks by id, and lists by their way from the top.
#[derive(Debug, Default)]
struct Told {
    tracks: BTreeMap<String, BTreeMap<String, String>>,
    lists: BTreeMap<String, Vec<String>>,
    marks: usize,
}

fn parse(path: &Path) -> Told {
    let text = fs::read_to_string(path).unwrap();
    let mut reader = Reader::from_str(&text);
    let (mut told, mut way) = (Told::default(), Vec::<String>::new());
    loop {
        let event = reader.read_event().unwrap();
        let is_start = matches!(event, Event::Start(_));
        match event {
            Event::Eof => return told,
            Event::End(tag) if tag.name().0 == "NODE" => drop(way.pop()),
            Event::Start(tag) | Event::Empty(tag) => {
                let attributes: BTreeMap<String, String> = tag
                    .attributes()
                    .map(|attribute| {
                        let attribute = attribute.unwrap();
                        let value = attribute.normalized_value(XmlVersion::Implicit1_0).unwrap();
                        (attribute.key.0.to_owned(), value.into_owned())
                    })
                    .collect();
                match tag.name().0 {
                    "NODE" => {
                        way.push(attributes["Name"].clone());
                        if attributes["Type"] == "1" {
                            assert_eq!(attributes["KeyType"], "0");
                            told.lists.insert(way.join("/"), Vec::new());
                        }
                        if !is_start {
                            way.pop();
                        }
                    }
                    "TRACK" => match attributes.get("Key") {
                        Some(key) => told
                            .lists
                            .get_mut(&way.join("/"))
                            .unwrap()
                            .push(key.clone()),
                        None => drop(
                            told.tracks
                                .insert(attributes["TrackID"].clone(), attributes),
                        ),
                    },
                    "POSITION_MARK" => told.marks += 1,
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

impl Told {
    fn titles(&self, list: &str) -> Vec<String> {
        let ids = self.lists[list].iter();
        ids.map(|id| self.tracks[id]["Name"].clone()).collect()
    }
}

/// A policy that leaves the database alone and asks for the XML.
fn careful() -> World {
    World::new(Setup {
        rekordbox: Some(RekordboxSchema::V7),
        more: "write = false\nxml = \"out/rekordbox.xml\"\n",
        ..Setup::default()
    })
}

#[test]
fn who_wants_no_writing_gets_the_playlists_as_xml() {
    let world = careful();
    fs::create_dir(world.path("out")).unwrap();
    let rows = world.rows();
    world.tidal(&first());
    // What is held because of `write = false` may make it a 3.
    let planned = world.run(&["plan", "--out", "plan.json", "--detailed-exitcode"]);
    assert!([2, 3].contains(&planned.code), "{planned:?}");
    let plan = world.saved();
    let digest = plan.digest.strip_prefix("sha256:").unwrap();
    let said = world.run(&["apply", "plan.json", "--approve", digest]);
    assert_eq!(said.code, 0, "{said:?}");
    crate::harness::collection::assert_same(&world.rows(), &rows);
    let file = world.path("out/rekordbox.xml");
    let told = parse(&file);
    assert_eq!(Some(told.titles("ROOT/TIDAL/Party")), titled("2 5 6 5 7"));
    assert_eq!(told.lists.len(), 3);
    for track in told.tracks.values() {
        let path = track["Location"].strip_prefix("file://localhost").unwrap();
        assert!(path.starts_with('/') && !path.contains(' '), "{path}");
        assert_eq!(track["Kind"], "WAV File");
    }
    let before = fs::read(&file).unwrap();
    world.run(&["apply"]);
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn the_whole_collection_is_exported_with_the_djs_work() {
    let world = World::usual();
    world.sync_with(&first());
    let (file, lists) = (world.path("all.xml"), world.path("lists"));
    let args = [
        "rekordbox",
        "export",
        "all.xml",
        "--m3u8",
        "lists",
        "--json",
    ];
    let said = world.expect(0, &args);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let told = parse(&file);
    assert_eq!(json["tracks"], told.tracks.len());
    assert_eq!(json["playlists"], told.lists.len());
    assert_eq!(Some(told.titles("ROOT/TIDAL/Party")), titled("2 5 6 5 7"));
    assert!(told.marks > 0);
    assert!(told.lists.len() > 3, "{:?}", told.lists.keys());
    let ratings = ["0", "51", "102", "153", "204", "255"];
    assert!(
        told.tracks
            .values()
            .all(|track| ratings.contains(&track["Rating"].as_str()))
    );
    assert!(told.tracks.values().any(|track| track["Rating"] != "0"));
    // Every list is a playlist file whose lines are files.
    assert_eq!(json["m3u8"].as_array().unwrap().len(), told.lists.len());
    let party = fs::read_to_string(lists.join("TIDAL/Party.m3u8")).unwrap();
    let paths: Vec<&str> = party
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert_eq!(paths.len(), 5);
    assert!(
        paths.iter().all(|path| Path::new(path).is_file()),
        "{party}"
    );
    let before = (fs::read(&file).unwrap(), party);
    world.expect(0, &args);
    let after = fs::read_to_string(lists.join("TIDAL/Party.m3u8")).unwrap();
    assert_eq!((fs::read(&file).unwrap(), after), before);
    world.expect(0, &["rekordbox", "export", "--ours", "ours.xml"]);
    let ours = parse(&world.path("ours.xml"));
    assert_eq!(ours.lists.len(), 3);
    assert!(ours.tracks.len() < told.tracks.len());
}

#[test]
fn a_file_of_somebody_elses_is_not_replaced() {
    let world = World::new(Setup {
        rekordbox: Some(RekordboxSchema::V6),
        more: BOLD,
        ..Setup::default()
    });
    let text = "<?xml version=\"1.0\"?><DJ_PLAYLISTS><PRODUCT Name=\"rekordbox\"/></DJ_PLAYLISTS>";
    fs::write(world.path("theirs.xml"), text).unwrap();
    let said = world.expect(1, &["rekordbox", "export", "theirs.xml"]);
    assert!(said.err.contains("Hint"), "{}", said.err);
    assert_eq!(fs::read_to_string(world.path("theirs.xml")).unwrap(), text);
    world.expect(0, &["rekordbox", "export", "mine.xml"]);
    world.expect(0, &["rekordbox", "export", "mine.xml"]);
}

/// Prints the lists with titles and decoded places, as pyrekordbox reads them.
const SCRIPT: &str = r#"
import sys
from pyrekordbox.rbxml import RekordboxXml
xml = RekordboxXml(sys.argv[1])
def walk(node, way):
    for child in node.get_playlists():
        at = way + "/" + child.name
        if child.is_folder:
            walk(child, at)
        else:
            titles = [xml.get_track(TrackID=key)["Name"] for key in child.get_tracks()]
            print(at + ": " + ", ".join(titles))
walk(xml.get_playlist(), "ROOT")
for track in sorted(xml.get_tracks(), key=lambda t: t["Location"]):
    print(track["Location"], track["Rating"], track["Comments"])
"#;

#[test]
fn pyrekordbox_reads_the_export() {
    if !rekordbox_oracle::is_there() {
        return;
    }
    let world = World::usual();
    world.sync_with(&first());
    world.expect(0, &["rekordbox", "export", "all.xml"]);
    let output = Command::new("python3")
        .args(["-c", SCRIPT])
        .arg(world.path("all.xml"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let seen = String::from_utf8(output.stdout).unwrap();
    let told = parse(&world.path("all.xml"));
    for list in told.lists.keys() {
        let line = format!("{list}: {}\n", told.titles(list).join(", "));
        assert!(seen.contains(&line), "{line}\n{seen}");
    }
    let places = seen.lines().filter(|line| !line.starts_with("ROOT/"));
    assert_eq!(places.count(), told.tracks.len());
    let party = world.titles("Party");
    assert_eq!(Some(told.titles("ROOT/TIDAL/Party")), party);
}
