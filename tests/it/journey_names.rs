//! Names that mean harm, or could.

use tidal_cleanup::domain::RekordboxSchema;

use crate::{
    harness::{Setup, Snapshot, World, collection, files, titled},
    rekordbox_oracle,
};

const HOSTILE: [&str; 16] = [
    "../../../etc/passwd",
    "Party/../x",
    "..",
    ".",
    "/absolute",
    "C:\\Windows\\x",
    "CON",
    "trailing. ",
    "  leading",
    "line\nbreak\ttab",
    "quo\"te'; DROP TABLE djmdPlaylist; --",
    "<NODE Id=\"1\"/> & ]]>",
    "$(touch pwned) `touch pwned` ; touch pwned",
    "-rf",
    "🧑‍🧑‍🧒‍🧒 ünïcödé \u{202e}txet",
    ".tidal-cleanup",
];

fn hostile() -> Snapshot {
    let names = HOSTILE.iter().chain(["same", "SAME", "same"].iter());
    let lists = ('a'..='z').zip(names).enumerate();
    lists.fold(Snapshot::new(), |all, (at, (id, name))| {
        all.list(id, name, &format!("{at} 0"))
    })
}

#[test]
fn hostile_names_stay_in_the_library() {
    let world = World::usual();
    let outside = || {
        let mut names: Vec<String> = std::fs::read_dir(world.path(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let (tree, rows) = (world.tree(), world.rows());
    world.tidal(&hostile());
    world.plan(2);
    world.expect(0, &["apply", "plan.json", "--yes"]);
    world.assert_settled();
    let mut there = vec![
        "calls",
        "cloud",
        "fetch.sh",
        "home",
        "library",
        "plan.json",
        "rekordbox",
    ];
    there.extend(["tidal-cleanup.toml", "tidal.json"]);
    assert_eq!(outside(), there);
    files::assert_kept(&world.tree(), &tree);
    collection::assert_kept(&world.rows(), &rows);
    world.assert_xml_names_every_list();
    let files = world.files();
    let tracks = files.iter().filter(|file| file.ends_with(".wav")).count();
    assert_eq!(tracks, HOSTILE.len() + 3 + 2, "{files:?}");
    assert!(
        files
            .iter()
            .all(|file| !file.contains(['\n', '\\', '"', '<'])),
        "{files:?}"
    );
    world.expect(0, &["undo", "--yes"]);
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
}

#[test]
fn names_of_tidal_reach_rekordbox() {
    let world = World::usual();
    world.sync_with(&hostile());
    for name in ["Party/../x", "-rf", "<NODE Id=\"1\"/> & ]]>"] {
        assert!(
            world.titles(name).is_some(),
            "{name}: {}",
            collection::outline(&world.collection())
        );
    }
}

#[test]
fn swapped_names_swap() {
    let world = World::usual();
    world.sync_with(
        &Snapshot::new()
            .list('a', "One", "0 1")
            .list('b', "Two", "2 3"),
    );
    let tree = world.tree();
    world.sync_with(
        &Snapshot::new()
            .list('a', "Two", "0 1")
            .list('b', "One", "2 3"),
    );
    world.assert_settled();
    assert_eq!(world.titles("One"), titled("2 3"));
    assert_eq!(world.titles("Two"), titled("0 1"));
    world.expect(0, &["undo", "--yes"]);
    files::assert_same(&world.tree(), &tree);
}

#[test]
fn pyrekordbox_sees_what_we_made() {
    if !rekordbox_oracle::is_there() {
        return;
    }
    let world = World::usual();
    world.sync_with(&crate::journey::first());
    let folder = world.path("rekordbox");
    assert_eq!(
        rekordbox_oracle::ask(&folder),
        rekordbox_oracle::told(&world.collection())
    );
}

/// A name passes on: `a` gives its own to a new playlist and takes that of `b`.
#[test]
fn names_are_passed_on() {
    let world = World::usual();
    world.sync_with(
        &Snapshot::new()
            .list('a', "One", "0 1")
            .list('b', "Two", "2 3 0"),
    );
    let tree = world.tree();
    world.sync_with(
        &Snapshot::new()
            .list('n', "One", "4")
            .list('a', "Two", "0 1")
            .list('b', "Three", "2 3 0"),
    );
    world.assert_settled();
    assert_eq!(world.titles("One"), titled("4"));
    assert_eq!(world.titles("Two"), titled("0 1"));
    assert_eq!(world.titles("Three"), titled("2 3 0"));
    world.expect(0, &["undo", "--yes"]);
    files::assert_same(&world.tree(), &tree);
    world.sync_with(
        &Snapshot::new()
            .list('a', "Two", "0 1")
            .list('b', "Three", "2 3 0"),
    );
    world.assert_settled();
    let files = world.files();
    let lists = files.iter().filter(|file| file.ends_with(".m3u8"));
    assert_eq!(lists.count(), 2, "{files:?}");
    world.expect(0, &["undo", "--yes"]);
    files::assert_same(&world.tree(), &tree);
}

/// A list that takes the name of one that is gone goes beside its file, which stays or leaves as the
/// policy says. Nothing moves again when the name becomes free.
#[test]
fn a_list_takes_the_name_of_one_that_is_gone() {
    let cautious = World::new(Setup {
        rekordbox: Some(RekordboxSchema::V7),
        ..Setup::default()
    });
    for (world, stays) in [(cautious, true), (World::usual(), false)] {
        let read = |name: &str| std::fs::read_to_string(world.path(name)).ok();
        let settle = |lists: &Snapshot| {
            world.sync_with(lists);
            world.assert_settled();
        };
        let before = Snapshot::new()
            .list('a', "Alpha", "1 2")
            .list('b', "Beta", "2 3")
            .list('c', "Gamma", "3 1");
        settle(&before);
        let gone = read("library/Playlists/Gamma/Gamma.m3u8");
        assert!(gone.is_some());
        let after = Snapshot::new()
            .list('a', "Beta", "1 2")
            .list('b', "Gamma", "2 3");
        settle(&after);
        let left = read("library/Playlists/Gamma/Gamma.m3u8");
        assert_eq!(left, gone.filter(|_| stays));
        for taken in ["Gamma/Gamma (2).m3u8", "Beta/Beta.m3u8"] {
            let text = read(&format!("library/Playlists/{taken}")).unwrap_or_default();
            assert!(text.contains("#EXTM3U"), "{taken}: {text}");
        }
    }
}
