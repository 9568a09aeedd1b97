//! Where nothing changed since a plan that had nothing to do, the next one is that one. Whatever changes, and
//! were it so little that there is still nothing to do, a plan is made anew.
#![expect(
    clippy::unwrap_used,
    reason = "a world that cannot be looked at fails the test"
)]

use std::{fs, path::PathBuf, thread, time::Duration};

use serde_json::Value;

use crate::harness::{Snapshot, World};

/// What the kept plan says of itself, so that it can be told from a new one.
const MARK: &str = "kept";

/// A plan, as JSON, and what was warned of.
#[track_caller]
fn told(world: &World, flags: &[&str]) -> (Value, String) {
    let said = world.expect(0, &[&["plan", "--json"], flags].concat());
    (serde_json::from_str(&said.out).unwrap(), said.err)
}

fn lists(name: &str) -> Snapshot {
    let lists = Snapshot::new();
    lists.list('a', name, "0 1 2").list('b', "Party", "2 5")
}

fn cache(world: &World) -> PathBuf {
    world.path("home/.tidal-cleanup/sync.plan.cache")
}

/// Lets everything come to rest, plans, and marks what is kept.
#[track_caller]
fn keep(world: &World) {
    // Long enough for any clock of a file system to tick.
    thread::sleep(Duration::from_millis(250));
    world.expect(0, &["plan", "--detailed-exitcode"]);
    let text = fs::read_to_string(cache(world)).unwrap();
    let mut kept: Value = serde_json::from_str(&text).unwrap();
    let mut plan: Value = serde_json::from_str(kept["plan"].as_str().unwrap()).unwrap();
    plan["meta"]["tool"] = MARK.into();
    kept["plan"] = plan.to_string().into();
    fs::write(cache(world), kept.to_string()).unwrap();
}

/// Whether a plan with these flags is the kept one.
#[track_caller]
fn is_kept(world: &World, flags: &[&str]) -> bool {
    let args = [&["plan", "--json", "--detailed-exitcode"], flags].concat();
    let plan: Value = serde_json::from_str(&world.expect(0, &args).out).unwrap();
    assert_eq!(plan["body"]["actions"], Value::Array(Vec::new()));
    plan["meta"]["tool"] == MARK
}

#[test]
fn the_last_plan_serves_until_anything_changes() {
    let world = World::usual();
    if world.is_on_server() {
        return;
    }
    world.sync_with(&lists("House"));
    let append = |path: &str, text: &str| {
        let path = world.path(path);
        let old = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, old + text).unwrap();
    };
    let song = world.path("library/own.wav");
    let again = |what: &dyn Fn()| {
        keep(&world);
        assert!(is_kept(&world, &[]));
        what();
    };
    let changes: [(&str, &dyn Fn()); 9] = [
        (
            "a file has other bytes, its size and time are the same",
            &|| {
                let at = fs::metadata(&song).unwrap().modified().unwrap();
                let mut bytes = fs::read(&song).unwrap();
                *bytes.last_mut().unwrap() ^= 1;
                fs::write(&song, bytes).unwrap();
                let file = fs::File::options().write(true).open(&song).unwrap();
                file.set_modified(at).unwrap();
            },
        ),
        ("a file came", &|| world.put("library/new.wav", "new", 700)),
        ("it went", &|| {
            fs::remove_file(world.path("library/new.wav")).unwrap();
        }),
        ("a playlist file of the DJ's", &|| {
            append("library/mine.m3u8", "own.wav\n");
        }),
        ("the policy", &|| append("tidal-cleanup.toml", "# a word\n")),
        ("TIDAL", &|| append("tidal.json", "\n")),
        ("the answers", &|| {
            append("tidal-cleanup.decisions.toml", "version = 1\n");
        }),
        ("Rekordbox", &|| world.rate_title("Title 1", 5)),
        ("the state", &|| {
            world.expect(0, &["undo", "--yes"]);
            world.expect(0, &["redo", "--yes"]);
        }),
    ];
    for (what, change) in changes {
        again(change);
        assert!(!is_kept(&world, &[]), "{what}");
    }
    again(&|| ());
    assert!(!is_kept(&world, &["--playlist", "Party"]));
    assert!(
        is_kept(&world, &[]),
        "a plan of a part says nothing of the whole"
    );
    assert!(!is_kept(&world, &["--as-of", "2027-01-01"]));
    // What has something to do is never kept, and what was kept does not come back.
    world.tidal(&lists("House 2026"));
    world.plan(2);
    fs::write(cache(&world), "torn").unwrap();
    world.plan(2);
    assert_eq!(fs::read_to_string(cache(&world)).unwrap(), "torn");
}

/// What is held back and what is broken is told by a kept plan as by a new one.
#[test]
fn a_kept_plan_tells_what_is_held_and_broken() {
    let world = World::usual();
    if world.is_on_server() {
        return;
    }
    world.sync_with(&lists("House"));
    // TIDAL lists a track that it does not stream, and a file is no audio.
    let mut reading: Value =
        serde_json::from_str(&fs::read_to_string(world.path("tidal.json")).unwrap()).unwrap();
    let items = reading["playlists"][1]["items"].as_array_mut().unwrap();
    let mut item = items[0].clone();
    item["id"] = "1009".into();
    item["item_id"] = "nine".into();
    item["isrc"] = "USABC2600009".into();
    item["title"] = "Title 9".into();
    item["streamable"] = false.into();
    items.push(item);
    reading["playlists"][1]["number_of_items"] = items.len().into();
    fs::write(world.path("tidal.json"), reading.to_string()).unwrap();
    fs::write(world.path("library/broken.mp3"), "no audio").unwrap();
    world.plan(3);
    world.expect(0, &["apply", "plan.json", "--yes"]);
    thread::sleep(Duration::from_millis(250));
    fs::remove_file(cache(&world)).ok();
    let (mut anew, warned) = told(&world, &[]);
    assert_eq!(
        anew["body"]["held"].as_array().map(Vec::len),
        Some(1),
        "{anew}"
    );
    assert!(warned.contains("broken.mp3"), "{warned}");
    keep(&world);
    let (mut kept, again) = told(&world, &[]);
    assert_eq!(kept["meta"]["tool"], MARK);
    assert_eq!(again, warned);
    for plan in [&mut anew, &mut kept] {
        plan.as_object_mut().unwrap().remove("meta");
    }
    assert_eq!(kept, anew);
    let (_, verbose) = told(&world, &["-v"]);
    assert!(verbose.contains("broken.mp3"), "{verbose}");
    // It is mended.
    fs::remove_file(world.path("library/broken.mp3")).unwrap();
    let (plan, warned) = told(&world, &[]);
    assert_ne!(plan["meta"]["tool"], MARK);
    assert!(!warned.contains("broken.mp3"), "{warned}");
}
