//! `kill -9` in the middle of an apply: what is left can be finished, or taken back.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use std::fs;

use crate::{
    harness::{World, collection, files, titled},
    journey::first,
};

/// The download of that track hangs as long as there is a file `hang`.
pub(crate) fn hanging(world: World, track: &str) -> World {
    world.tidal(&first());
    fs::write(world.path("hang"), "").unwrap();
    world.write_downloader(&format!(
        "if [ \"$2\" = {track} ]; then touch waiting; while [ -e hang ]; do sleep 0.05; done; fi\n\
         cp \"$1/$2.wav\" \"$3/\""
    ));
    world
}

/// A run that was killed while it waited for that track; the downloader has gone as well.
fn killed(track: &str) -> World {
    killed_in(World::usual(), track)
}

pub(crate) fn killed_in(world: World, track: &str) -> World {
    let world = hanging(world, track);
    world.plan(2);
    assert!(world.kill(&["apply", "plan.json", "--yes"], || {
        world.path("waiting").exists()
    }));
    fs::remove_file(world.path("hang")).unwrap();
    world
}

#[track_caller]
pub(crate) fn assert_unfinished(world: &World) {
    let said = world.run(&["plan", "--detailed-exitcode"]);
    let text = format!("{}{}", said.out, said.err);
    assert!(text.contains("interrupted"), "{text}");
    assert!(text.contains("apply --resume"), "{text}");
    world.expect(8, &["apply", "plan.json", "--yes"]);
    world.expect(8, &["apply", "--yes"]);
}

#[track_caller]
pub(crate) fn assert_whole(world: &World) {
    world.assert_settled();
    assert_eq!(world.titles("House 🇮🇹"), titled("0 1 2 3 4"));
    assert_eq!(world.titles("Party"), titled("2 5 6 5 7"));
    assert_eq!(world.titles("Deep 🏃"), titled("8 9 2 10"));
    world.assert_xml_names_every_list();
}

#[test]
fn a_killed_apply_is_finished_by_resume() {
    for track in ["1000", "1010"] {
        let world = killed(track);
        assert_unfinished(&world);
        world.expect(0, &["apply", "--resume", "--yes"]);
        assert_whole(&world);
        world.expect(0, &["apply", "--resume", "--yes"]);
    }
}

#[test]
fn a_killed_apply_is_taken_back_by_undo() {
    for track in ["1000", "1010"] {
        let world = World::usual();
        let (tree, rows) = (world.tree(), world.rows());
        drop(world);
        let world = killed(track);
        assert_unfinished(&world);
        world.expect(0, &["undo", "--yes"]);
        let before = tree.keys().collect::<Vec<_>>();
        assert_eq!(world.tree().keys().collect::<Vec<_>>(), before);
        assert_eq!(
            world.rows()["djmdPlaylist"].len(),
            rows["djmdPlaylist"].len()
        );
        world.plan(2);
        world.expect(0, &["apply", "plan.json", "--yes"]);
        assert_whole(&world);
    }
}

#[test]
fn what_was_fetched_before_the_kill_is_not_fetched_again() {
    let world = killed("1010");
    world.expect(0, &["apply", "--resume", "--yes"]);
    let calls = world.calls();
    let of_0 = calls.iter().filter(|call| *call == "1000").count();
    assert_eq!(of_0, 1, "{calls:?}");
    assert_whole(&world);
}

/// Kills as soon as the world looks like that; a run that was quicker is whole.
fn killed_when(when: impl Fn(&World) -> bool, then: &[&str]) {
    let world = World::usual();
    world.tidal(&first());
    world.plan(2);
    let (tree, rows) = (world.tree(), world.rows());
    let was_killed = world.kill(&["apply", "plan.json", "--yes"], || when(&world));
    if was_killed && then[0] == "undo" {
        let said = world.run(then);
        assert_eq!(said.code, 0, "{said:?}");
        files::assert_same(&world.tree(), &tree);
        collection::assert_same(&world.rows(), &rows);
        world.assert_xml_names_every_list();
    } else if was_killed {
        world.expect(0, then);
        assert_whole(&world);
    } else {
        assert_whole(&world);
    }
}

const RESUME: &[&str] = &["apply", "--resume", "--yes"];
const UNDO: &[&str] = &["undo", "--yes"];

#[test]
fn a_kill_when_the_last_file_is_there() {
    let there = |world: &World| world.files().iter().any(|file| file.contains("Title 10."));
    killed_when(there, RESUME);
    killed_when(there, UNDO);
}

#[test]
fn a_kill_when_a_playlist_file_is_there() {
    let there = |world: &World| world.files().iter().any(|file| file.ends_with(".m3u8"));
    killed_when(there, RESUME);
    killed_when(there, UNDO);
}

#[test]
fn a_kill_when_rekordbox_is_being_written() {
    let there = |world: &World| {
        let xml = fs::metadata(world.path("rekordbox/master.db"))
            .unwrap()
            .modified()
            .unwrap();
        let old = fs::metadata(world.path("plan.json"))
            .unwrap()
            .modified()
            .unwrap();
        xml > old
    };
    killed_when(there, RESUME);
    killed_when(there, UNDO);
}
