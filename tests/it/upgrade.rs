//! A rule fetches better files: the row in Rekordbox stays, and the old file goes to the trash.

#![expect(
    clippy::unwrap_used,
    reason = "a world that cannot be looked at fails the test"
)]

use std::{collections::BTreeMap, fs};

use tidal_cleanup::{
    domain::{ContentId, RekordboxSchema},
    plan::{Plan, document::Action},
};

use crate::fetch::has_ffmpeg;
use crate::harness::{BOLD, Setup, Snapshot, World, collection, digits, files, titled};

const RULE: &str = "[[rule]]\nname = \"better\"\n\
     when = { file.lossless = false, tidal.quality = \"LOSSLESS\" }\nthen = \"upgrade\"\n";
const AS_MP3: &str = "format = \"mp3\"\nquality = \"16k\"";

/// Two lists whose three tracks are there as poor MP3, one with the DJ's rating; then a rule asks for
/// better files. `None` where there is no ffmpeg.
fn poor(more: &str) -> Option<World> {
    if !has_ffmpeg() {
        return None;
    }
    let world = World::new(Setup {
        rekordbox: Some(RekordboxSchema::V7),
        library: AS_MP3,
        more: BOLD,
        ..Setup::default()
    });
    let lists = Snapshot::new().list('a', "House", "1 2");
    world.sync_with(&lists.list('b', "Party", "2 3"));
    world.assert_settled();
    world.rate_title("Title 1", 5);
    world.write_policy(&format!("{RULE}{more}"));
    edit(&world, AS_MP3, "");
    Some(world)
}

fn edit(world: &World, from: &str, to: &str) {
    let path = world.path("tidal-cleanup.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// The file of each row of Rekordbox that is in our lists.
fn places(world: &World) -> BTreeMap<ContentId, (String, String)> {
    let contents = world.collection().contents;
    let ours = contents
        .into_iter()
        .filter(|(_, row)| row.folder_path.contains("/Playlists/"));
    ours.map(|(id, row)| (id, (row.title.to_string(), row.folder_path)))
        .collect()
}

fn kinds(plan: &Plan) -> Vec<&'static str> {
    let kind = |action: &Action| action.effect.kind();
    let mut kinds: Vec<_> = plan.body.actions.iter().map(kind).collect();
    kinds.dedup();
    kinds
}

fn gates(plan: &Plan) -> Vec<&str> {
    plan.body
        .held
        .iter()
        .map(|held| held.gate.as_str())
        .collect()
}

#[test]
fn the_better_file_takes_the_place_of_the_old_one() {
    let Some(world) = poor("") else { return };
    let (tree, rows, before) = (world.tree(), world.rows(), places(&world));
    let plan = world.plan(2);
    let steps = [
        "file.fetch",
        "file.link",
        "rb.content.relocate",
        "file.trash",
    ];
    assert_eq!(kinds(&plan), steps);
    for action in &plan.body.actions {
        let named = action.why.rule == "better" && action.why.at.contains("tidal-cleanup.toml:");
        assert!(
            named || action.effect.kind() == "file.link",
            "{:?}",
            action.why
        );
    }
    world.expect(9, &["apply", "plan.json", "--yes"]);
    world.expect(0, &["apply", "plan.json", "--approve", digits(&plan)]);
    world.assert_settled();
    // The same rows, now of lossless files; nothing is left of the old ones but in the trash.
    let after = places(&world);
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>()
    );
    for (id, (title, path)) in &after {
        assert_eq!(*title, before[id].0);
        assert_eq!(
            path.trim_end_matches(".wav"),
            before[id].1.trim_end_matches(".mp3")
        );
        assert!(fs::read(path).unwrap().starts_with(b"RIFF"), "{path}");
    }
    assert_eq!(world.titles("Party"), titled("2 3"));
    assert!(
        !world.files().iter().any(|file| file.ends_with(".mp3")),
        "{:?}",
        world.files()
    );
    let list = fs::read_to_string(world.path("library/Playlists/Party/Party.m3u8")).unwrap();
    assert!(
        list.contains("Title 2.wav") && !list.contains(".mp3"),
        "{list}"
    );
    assert!(
        world
            .expect(0, &["trash", "list"])
            .out
            .contains("Title 1.mp3")
    );
    world.expect(0, &["undo", "--yes"]);
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
    assert_eq!(kinds(&world.plan(2)), steps);
}

/// Of the same format the better file gets a name of its own.
#[test]
fn a_better_file_of_the_same_format_gets_a_number() {
    let Some(world) = poor("") else { return };
    edit(
        &world,
        "root =",
        "format = \"mp3\"\nquality = \"64k\"\nroot =",
    );
    edit(&world, "file.lossless = false", "file.bitrate = \"<40\"");
    let before = places(&world);
    let plan = world.plan(2);
    world.expect(0, &["apply", "plan.json", "--approve", digits(&plan)]);
    world.assert_settled();
    let after = places(&world);
    for (id, (_, path)) in &after {
        assert_eq!(*path, before[id].1.replace(".mp3", " (2).mp3"));
    }
    assert_eq!(after.len(), before.len());
}

/// What comes and is no better is not taken, and not fetched again until something changes.
#[test]
fn what_is_no_better_is_not_taken() {
    let Some(world) = poor("") else { return };
    let (tree, rows) = (world.tree(), world.rows());
    for number in ["1", "2", "3"] {
        let mut files = world.files().into_iter();
        let old = files
            .find(|file| file.ends_with(&format!("Title {number}.mp3")))
            .unwrap();
        let cloud = world.path(&format!("cloud/100{number}.mp3"));
        fs::copy(world.path("library").join(old), cloud).unwrap();
    }
    world.write_downloader("cp \"$1/$2.mp3\" \"$3/\"");
    let plan = world.plan(2);
    let said = world.expect(7, &["apply", "plan.json", "--approve", digits(&plan)]);
    assert!(said.err.contains("no better: "), "{}", said.err);
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
    let plan = world.plan(0);
    assert_eq!(gates(&plan), ["lossy"; 3]);
    assert!(
        plan.body.held[0].text.contains("no better"),
        "{:?}",
        plan.body.held
    );
    // Another command may bring more.
    world.write_policy(&RULE.replace("[[rule]]", "[[rule]] # again"));
    edit(&world, AS_MP3, "");
    edit(&world, "\"{dir}\"]", "\"{dir}\", \"hifi\"]");
    assert_eq!(kinds(&world.plan(2))[0], "file.fetch");
}

#[test]
fn what_a_person_or_the_policy_holds_is_not_begun() {
    // The row carries the DJ's work, and nobody has said that it may follow.
    let Some(world) = poor("") else { return };
    edit(&world, "relocate = true", "relocate = false");
    let plan = world.plan(3);
    assert_eq!(gates(&plan), ["rekordbox.relocate"]);
    let fetches = plan
        .body
        .actions
        .iter()
        .filter(|it| it.effect.kind() == "file.fetch");
    assert_eq!(fetches.count(), 2);
    // Without the row's relocation the file is not fetched either.
    edit(&world, "relocate = false", "relocate = true");
    let plan = world.plan(2);
    let args = [
        "apply",
        "plan.json",
        "--approve",
        digits(&plan),
        "--exclude",
        "rb.*",
    ];
    let calls = world.calls().len();
    world.run(&args);
    assert_eq!(world.calls().len(), calls);
    let Some(world) = poor(
        "[[protect]]\nname = \"rated\"\nwhen = { rekordbox.rating = \">=1\" }\ndeny = [\"trash\"]\n",
    ) else {
        return;
    };
    let plan = world.plan(3);
    assert_eq!(gates(&plan), ["protect"]);
    assert_eq!(plan.body.held[0].rule, "rated");
    // A reading that is not whole replaces nothing.
    let lists = Snapshot::new().list('a', "House", "1 2");
    world.tidal(&lists.list('b', "Party", "2 3").torn());
    let plan = world.plan(0);
    assert_eq!(plan.body.actions, []);
    assert_eq!(gates(&plan)[1..], ["TC103", "TC103"]);
}
