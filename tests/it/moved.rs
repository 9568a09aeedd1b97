//! Files that somebody renamed, moved or copied by hand are known again, and not fetched twice.

#![expect(
    clippy::unwrap_used,
    reason = "a world that cannot be looked at fails the test"
)]

use std::fs;

use tidal_cleanup::plan::{Plan, document::Effect};

use crate::harness::{Snapshot, World, collection, digits, files, titled};

/// One playlist of three tracks, all there.
fn delivered() -> World {
    let world = World::usual();
    world.sync_with(&Snapshot::new().list('a', "House", "1 2 3"));
    world.assert_settled();
    world
}

/// The file of track 2.
fn of_2(world: &World) -> String {
    let mut files = world.files().into_iter();
    files.find(|path| path.contains("Title 2")).unwrap()
}

fn fetches(plan: &Plan) -> usize {
    let effects = plan.body.actions.iter().map(|action| &action.effect);
    effects
        .filter(|effect| matches!(effect, Effect::FileFetch { .. }))
        .count()
}

/// Why each file was taken for a track.
fn reasons(plan: &Plan) -> Vec<String> {
    let actions = plan.body.actions.iter();
    actions
        .filter(|action| matches!(action.effect, Effect::StateAdopt { .. }))
        .map(|action| action.why.text.clone())
        .collect()
}

/// The plan knows the file again for this reason; carried out, nothing is left to do, nothing was
/// fetched, and Rekordbox plays the file where it lies.
#[track_caller]
fn assert_known_again(world: &World, reason: &str) {
    let calls = world.calls();
    let plan = world.plan(2);
    assert_eq!(fetches(&plan), 0, "{:?}", plan.body.actions);
    let told = reasons(&plan);
    assert!(
        told.len() == 1 && told[0].contains(reason),
        "{reason}: {told:?}"
    );
    world.expect(0, &["apply", "plan.json", "--approve", digits(&plan)]);
    world.assert_settled();
    assert_eq!(world.calls(), calls);
    assert_eq!(world.titles("House"), titled("1 2 3"));
    let library = world.path("library").display().to_string();
    let collection = world.collection();
    let paths = collection.contents.values().map(|row| &row.folder_path);
    for path in paths.filter(|path| path.starts_with(&library)) {
        assert!(fs::exists(path).unwrap(), "Rekordbox seeks {path}");
    }
}

#[test]
fn a_renamed_file_is_known_by_its_inode() {
    let world = delivered();
    let old = world.path("library").join(of_2(&world));
    fs::rename(&old, old.with_file_name("my name for it.wav")).unwrap();
    assert_known_again(&world, "moved: same file");
}

#[test]
fn a_file_moved_to_another_folder_is_known_as_well() {
    let world = delivered();
    let old = world.path("library").join(of_2(&world));
    fs::create_dir_all(world.path("library/Sets")).unwrap();
    fs::rename(old, world.path("library/Sets/second.wav")).unwrap();
    let plan = world.sync();
    assert_eq!(fetches(&plan), 0, "{:?}", plan.body.actions);
    let told = reasons(&plan);
    assert!(told[0].contains("moved: same file"), "{told:?}");
    // It is still ours, so it goes to the folder of its playlist, in a plan that says so.
    let back = world.sync();
    assert_eq!((fetches(&back), back.body.summary.moves > 0), (0, true));
    assert!(of_2(&world).starts_with("Playlists/House/"));
    world.assert_settled();
    assert_eq!(world.titles("House"), titled("1 2 3"));
}

#[test]
fn a_copy_on_another_inode_is_known_by_its_content() {
    let world = delivered();
    let old = world.path("library").join(of_2(&world));
    let bytes = fs::read(&old).unwrap();
    fs::write(old.with_file_name("copied.wav"), bytes).unwrap();
    fs::remove_file(old).unwrap();
    assert_known_again(&world, "moved: same content");
}

#[test]
fn of_two_files_neither_is_the_moved_one() {
    let world = delivered();
    let old = world.path("library").join(of_2(&world));
    let bytes = fs::read(&old).unwrap();
    for name in ["one.wav", "other.wav"] {
        fs::write(old.with_file_name(name), &bytes).unwrap();
    }
    fs::remove_file(old).unwrap();
    let said = world.run(&["plan", "--out", "plan.json", "--detailed-exitcode"]);
    assert!(said.code == 2 || said.code == 3, "{said:?}");
    let told = reasons(&world.saved());
    assert!(told.iter().all(|told| !told.contains("moved")), "{told:?}");
}

#[test]
fn a_name_that_goes_while_another_hard_link_stays_is_no_loss() {
    let world = delivered();
    let old = world.path("library").join(of_2(&world));
    fs::hard_link(&old, old.with_file_name("second name.wav")).unwrap();
    fs::remove_file(old).unwrap();
    assert_known_again(&world, "moved: same file");
}

#[test]
fn a_file_that_stays_is_not_taken_for_moved() {
    let world = delivered();
    let old = world.path("library").join(of_2(&world));
    fs::copy(&old, old.with_file_name("a copy.wav")).unwrap();
    world.assert_settled();
}

/// TIDAL has the recording under another id now. Its file, its row and its tags go on under that, and
/// nothing is thrown away because the old id is in no playlist.
#[test]
fn a_track_that_gets_another_id_keeps_its_file_and_its_tags() {
    let world = World::usual();
    world.sync_with(&Snapshot::new().list('a', "House 🏃", "1 2 3"));
    let (files, calls) = (world.files(), world.calls());
    let tagged = |world: &World| -> Vec<usize> {
        let contents = world.collection().contents.into_values();
        let ours = contents.filter(|row| row.title.starts_with("Title"));
        ours.map(|row| row.my_tags.len()).collect()
    };
    assert_eq!(tagged(&world), [1, 1, 1]);
    let plan = world.sync_with(&Snapshot::new().list('a', "House 🏃", "1 8002 3"));
    assert_eq!(fetches(&plan), 0, "{:?}", plan.body.actions);
    assert_eq!((world.files(), world.calls()), (files, calls));
    assert_eq!(tagged(&world), [1, 1, 1]);
    assert_eq!(world.titles("House 🏃"), titled("1 2 3"));
    world.assert_settled();
    // Once no playlist has the recording at all, both go.
    world.sync_with(&Snapshot::new().list('a', "House 🏃", "1 3"));
    assert!(!world.files().iter().any(|file| file.contains("Title 2")));
    assert_eq!(tagged(&world).iter().sum::<usize>(), 2);
    world.assert_settled();
}

/// TIDAL has the recording under two ids, each in a list of its own: they share the file, and do not
/// take it, nor its tags, from each other in every plan.
#[test]
fn two_ids_of_one_recording_share_its_file() {
    let world = World::usual();
    let both = |entries| Snapshot::new().list('a', "House 🏃", entries);
    world.sync_with(&both("1 2").list('b', "Party 🇮🇹", "2"));
    let (tree, rows) = (world.tree(), world.rows());
    world.sync_with(&both("1 8002").list('b', "Party 🇮🇹", "2"));
    world.assert_settled();
    assert_eq!(world.titles("House 🏃"), titled("1 2"));
    assert_eq!(world.titles("Party 🇮🇹"), titled("2"));
    assert_eq!(world.calls().len(), 2);
    let contents = world.collection().contents.into_values();
    let tags = contents.filter(|row| row.title == "Title 2");
    assert_eq!(tags.map(|row| row.my_tags.len()).sum::<usize>(), 2);
    world.expect(0, &["undo", "--yes"]);
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
}
