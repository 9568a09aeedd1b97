//! A DJ's weeks with the program: first plan, everyday changes, and back again.

use tidal_cleanup::domain::{ChangeKind, RekordboxSchema};

use crate::harness::{BOLD, Setup, Snapshot, World, collection, files, kinds, titled};

/// Three playlists; track 2 is in all of them, track 5 twice in one.
pub(crate) fn first() -> Snapshot {
    Snapshot::new()
        .list('a', "House 🇮🇹", "0 1 2 3 4")
        .list('b', "Party", "2 5 6 5 7")
        .list('c', "Deep 🏃", "8 9 2 10")
}

/// All seven kinds of change: `a` is renamed, reordered and gets 8 from `c`, where 9 goes; `b` gets 11
/// and loses one 5; `d` is new; `e`, which [`with_old`] adds, is gone; TIDAL renamed track 0.
fn second() -> Snapshot {
    Snapshot::new()
        .list('a', "House 2026 🇮🇹", "4 0! 1 2 3 8")
        .list('b', "Party", "7 2 5 6 11")
        .list('c', "Deep 🏃", "2 10")
        .list('d', "New", "12 0!")
}

fn with_old() -> Snapshot {
    first().list('e', "Old", "1 13")
}

#[test]
fn a_plan_writes_nothing() {
    let world = World::usual();
    world.tidal(&first());
    let (tree, rows) = (world.tree(), world.rows());
    let plan = world.plan(2);
    assert_eq!(
        kinds(&plan),
        [ChangeKind::PlaylistAdded, ChangeKind::TrackAddedToPlaylist]
    );
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
    assert_eq!(world.calls(), [""; 0]);
}

#[test]
fn the_same_world_gives_the_same_plan() {
    let world = World::usual();
    world.tidal(&first());
    let (one, two) = (world.plan(2), world.plan(2));
    assert_eq!((one.digest, one.body), (two.digest, two.body));
}

fn first_apply(schema: RekordboxSchema) {
    first_apply_in(&World::new(Setup {
        rekordbox: Some(schema),
        more: BOLD,
        ..Setup::default()
    }));
}

pub(crate) fn first_apply_in(world: &World) {
    let (tree, rows) = (world.tree(), world.rows());
    world.tidal(&first());
    world.plan(2);
    world.expect(0, &["apply", "plan.json", "--yes"]);
    world.assert_settled();
    assert_eq!(world.titles("House 🇮🇹"), titled("0 1 2 3 4"));
    assert_eq!(world.titles("Party"), titled("2 5 6 5 7"));
    assert_eq!(world.titles("Deep 🏃"), titled("8 9 2 10"));
    files::assert_kept(&world.tree(), &tree);
    collection::assert_kept(&world.rows(), &rows);
    world.assert_xml_names_every_list();
    world.expect(0, &["undo", "--yes"]);
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
    world.assert_xml_names_every_list();
}

#[test]
fn a_first_apply_adds_and_undo_takes_it_back() {
    first_apply(RekordboxSchema::V7);
}

#[test]
fn a_first_apply_adds_and_undo_takes_it_back_in_rekordbox_6() {
    first_apply(RekordboxSchema::V6);
}

#[test]
fn a_track_in_three_playlists_is_fetched_once() {
    let world = World::usual();
    world.sync_with(&first());
    let mut calls = world.calls();
    calls.sort();
    let tracks: Vec<String> = (1_000..=1_010)
        .map(|number: u32| number.to_string())
        .collect();
    assert_eq!(calls, tracks);
    let of_2 = world
        .files()
        .into_iter()
        .filter(|path| path.contains("Title 2"));
    assert_eq!(of_2.count(), 1);
}

#[test]
fn emoji_become_my_tags() {
    let world = World::usual();
    world.sync_with(&first());
    let collection = world.collection();
    let tagged = |tag: &str| {
        let id = &collection.tag("Genre", tag).unwrap().id;
        let contents = collection
            .contents
            .values()
            .filter(|content| content.my_tags.contains(id));
        let mut titles: Vec<String> = contents.map(|content| content.title.to_string()).collect();
        titles.sort();
        titles
    };
    assert_eq!(Some(tagged("House Italo")), titled("0 1 2 3 4"));
    assert_eq!(Some(tagged("House Progressive")), titled("10 2 8 9"));
}

#[test]
fn all_seven_kinds_of_change_are_seen_and_done() {
    let world = World::usual();
    world.sync_with(&with_old());
    world.tidal(&second());
    let plan = world.plan(2);
    assert_eq!(
        kinds(&plan),
        [
            ChangeKind::PlaylistAdded,
            ChangeKind::PlaylistRemoved,
            ChangeKind::PlaylistRenamed,
            ChangeKind::TrackAddedToPlaylist,
            ChangeKind::TrackRemovedFromPlaylist,
            ChangeKind::TrackMoved,
            ChangeKind::TrackMetadataChanged,
        ]
    );
    world.sync();
    world.assert_settled();
    assert_eq!(world.titles("House 🇮🇹"), None);
    assert_eq!(world.titles("Old"), None);
    let new = |titles: Option<Vec<String>>| {
        let new = |title: String| title.replace("Title 0", "Title 0 (Remaster)");
        titles.map(|titles| titles.into_iter().map(new).collect())
    };
    assert_eq!(world.titles("House 2026 🇮🇹"), new(titled("4 0 1 2 3 8")));
    assert_eq!(world.titles("Party"), titled("7 2 5 6 11"));
    assert_eq!(world.titles("Deep 🏃"), titled("2 10"));
    assert_eq!(world.titles("New"), new(titled("12 0")));
    let files = world.files();
    let has = |part: &str| files.iter().any(|file| file.contains(part));
    assert!(has("House 2026 🇮🇹/") && !has("House 🇮🇹/"), "{files:?}");
    assert!(
        !has("Title 9.") && !has("Title 13.") && !has("Old/"),
        "{files:?}"
    );
    world.assert_xml_names_every_list();
}

#[test]
fn what_the_dj_owns_is_left_alone() {
    let world = World::usual();
    let (tree, rows) = (world.tree(), world.rows());
    world.sync_with(&with_old());
    world.sync_with(&second());
    world.sync_with(&Snapshot::new().list('b', "Party", "7"));
    files::assert_kept(&world.tree(), &tree);
    collection::assert_kept(&world.rows(), &rows);
}

#[test]
fn undo_gives_everything_back_and_the_plan_can_be_made_again() {
    let world = World::usual();
    let (tree, rows) = (world.tree(), world.rows());
    world.sync_with(&with_old());
    let (tree_1, rows_1) = (world.tree(), world.rows());
    world.sync_with(&second());
    let (tree_2, rows_2) = (world.tree(), world.rows());
    world.expect(0, &["undo", "--yes"]);
    files::assert_same(&world.tree(), &tree_1);
    collection::assert_same(&world.rows(), &rows_1);
    world.assert_xml_names_every_list();
    world.sync();
    world.assert_settled();
    assert_eq!(
        world.tree().keys().collect::<Vec<_>>(),
        tree_2.keys().collect::<Vec<_>>()
    );
    assert_eq!(world.rows().len(), rows_2.len());
    world.expect(0, &["undo", "--yes"]);
    world.expect(0, &["undo", "--yes"]);
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
    world.assert_xml_names_every_list();
}

#[test]
fn a_playlist_that_goes_comes_back_with_undo() {
    let world = World::usual();
    world.sync_with(&first());
    let (tree, rows) = (world.tree(), world.rows());
    world.sync_with(&Snapshot::new().list('a', "House 🇮🇹", "0 1 2 3 4").list(
        'c',
        "Deep 🏃",
        "8 9 2 10",
    ));
    world.assert_settled();
    assert_eq!(world.titles("Party"), None);
    world.expect(0, &["undo", "--yes"]);
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
    world.assert_xml_names_every_list();
}

#[test]
fn a_rename_keeps_the_playlist() {
    let world = World::usual();
    world.sync_with(&first());
    let id = |name: &str| {
        let collection = world.collection();
        let node = collection.nodes.values().find(|node| node.name == name);
        node.map(|node| (node.id.clone(), node.entries.clone()))
    };
    let before = id("Party").unwrap();
    let renamed = Snapshot::new()
        .list('a', "House 🇮🇹", "0 1 2 3 4")
        .list('b', "Big Party", "2 5 6 5 7")
        .list('c', "Deep 🏃", "8 9 2 10");
    let plan = {
        world.tidal(&renamed);
        world.plan(2)
    };
    assert_eq!(kinds(&plan), [ChangeKind::PlaylistRenamed]);
    let downloads = world.calls().len();
    world.sync();
    world.assert_settled();
    assert_eq!(id("Big Party"), Some(before));
    assert_eq!(id("Party"), None);
    assert_eq!(world.calls().len(), downloads);
}

#[test]
fn hard_links_and_copies_share_a_track_as_well() {
    for library in ["sharing = \"hardlink\"", "sharing = \"copy\""] {
        let world = World::new(Setup { library, ..usual() });
        let tree = world.tree();
        world.sync_with(&with_old());
        world.assert_settled();
        let of_2 = world
            .files()
            .into_iter()
            .filter(|path| path.contains("Title 2"));
        assert_eq!(of_2.count(), 3, "{library}");
        world.sync_with(&second());
        world.assert_settled();
        world.expect(0, &["undo", "--yes"]);
        world.expect(0, &["undo", "--yes"]);
        files::assert_same(&world.tree(), &tree);
    }
}

pub(crate) fn usual() -> Setup {
    Setup {
        rekordbox: Some(RekordboxSchema::V7),
        more: BOLD,
        ..Setup::default()
    }
}
