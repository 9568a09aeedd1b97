//! The trash, undo in part, redo, the history's plan and `db restore`, through the real program.

use std::{fs, process::Command};

use crate::{
    harness::{Snapshot, World, collection, digits, files},
    journey::first,
};

/// Track 0 left its only list, and its file went to the trash.
fn trashed() -> (World, files::Tree) {
    let world = World::usual();
    world.sync_with(&first());
    let before = world.tree();
    world.sync_with(
        &Snapshot::new()
            .list('a', "House 🇮🇹", "1 2 3 4")
            .list('b', "Party", "2 5 6 5 7")
            .list('c', "Deep 🏃", "8 9 2 10"),
    );
    (world, before)
}

fn gone(world: &World, before: &files::Tree) -> Vec<String> {
    let now = world.files();
    let mut gone: Vec<String> = before.keys().cloned().collect();
    gone.retain(|path| path.ends_with(".wav") && !now.contains(path));
    gone
}

#[test]
fn by_hand_everything_comes_back_as_the_readme_says() {
    let (world, before) = trashed();
    let gone = gone(&world, &before);
    assert!(!gone.is_empty());
    let trash = world.path("library/.tidal-cleanup/trash");
    let readme = fs::read_to_string(trash.join("README.txt")).unwrap();
    let recipe: Vec<&str> = readme
        .lines()
        .skip_while(|line| !line.starts_with("    grep"))
        .collect();
    for run in fs::read_dir(&trash).unwrap() {
        let run = run.unwrap().file_name().into_string().unwrap();
        if run.parse::<u32>().is_ok() {
            let script = recipe.join("\n").replace("/12/", &format!("/{run}/"));
            let mut shell = Command::new("sh");
            shell
                .args(["-c", &script])
                .current_dir(world.path("library"));
            assert!(shell.status().unwrap().success(), "{script}");
        }
    }
    let now = world.tree();
    for path in gone {
        assert_eq!(now.get(&path), before.get(&path), "{path}");
    }
}

#[test]
fn a_path_comes_back_beside_what_took_its_place() {
    let (world, before) = trashed();
    let path = gone(&world, &before).remove(0);
    fs::write(world.path("library").join(&path), "mine").unwrap();
    world.expect(0, &["trash", "restore", &path, "--yes"]);
    let mine = fs::read(world.path("library").join(&path)).unwrap();
    assert_eq!(mine, b"mine");
    let beside = path.replace(".wav", " (restored).wav");
    assert!(world.files().contains(&beside), "{:?}", world.files());
    let list = world.expect(0, &["trash", "list"]);
    assert!(!list.out.contains(&path), "{}", list.out);
    // And that can be taken back, too.
    world.expect(0, &["undo", "--yes"]);
    assert!(!world.files().contains(&beside));
}

#[test]
fn a_purge_asks_by_number_and_waits_for_the_end_of_a_freeze() {
    let (world, before) = trashed();
    let gone = gone(&world, &before);
    let strange = world.path("library/.tidal-cleanup/trash/1/strange.wav");
    fs::create_dir_all(strange.parent().unwrap()).unwrap();
    fs::write(&strange, "not ours").unwrap();
    let tree = world.tree();
    let purge = ["trash", "purge", "--older-than", "0s"];
    let said = world.expect(0, &["trash", "purge"]);
    assert!(
        said.err.contains("Nothing in the trash is due"),
        "{}",
        said.err
    );
    // `--yes` is no consent to deleting.
    let said = world.expect(9, &[&purge[..], &["--yes"]].concat());
    let digest = said.err.split("--approve ").nth(1).unwrap();
    let digest = digest.split('`').next().unwrap().to_owned();
    files::assert_same(&world.tree(), &tree);
    let approved = [&purge[..], &["--approve", &digest]].concat();
    world.expect(0, &["freeze", "--until", "1d"]);
    world.expect(5, &approved);
    let forced = ["--allow", "freeze=99", "--because", "now"];
    world.expect(5, &[&approved[..], &forced[..]].concat());
    world.expect(0, &["freeze", "--off"]);
    files::assert_same(&world.tree(), &tree);
    world.expect(0, &approved);
    assert!(strange.exists(), "what we did not put there stays");
    let list = world.expect(0, &["trash", "list", "--json"]);
    assert!(
        gone.iter().all(|path| !list.out.contains(path)),
        "{}",
        list.out
    );
    let said = world.expect(0, &["history", "--json", "--limit", "1"]);
    assert!(said.out.contains("\"purge\""), "{}", said.out);
    // A purge is not what `undo` takes back; what it deleted is held there.
    let said = world.expect(0, &["undo", "--yes"]);
    assert!(said.out.contains("no longer in the trash"), "{}", said.out);
}

#[test]
fn an_undo_in_part_then_of_the_rest_ends_where_it_began() {
    let world = World::usual();
    let (tree, rows) = (world.tree(), world.rows());
    let plan = world.sync_with(&first());
    let is_tag = |kind: &str| kind == "rb.mytag.set";
    let one = plan
        .body
        .actions
        .iter()
        .find(|one| is_tag(one.effect.kind()));
    let one = one.unwrap().id.to_string();
    world.expect(0, &["undo", "1", "--action", &one, "--yes"]);
    assert_ne!(world.files().len(), tree.len(), "the files stay");
    world.expect(0, &["undo", "1", "--yes"]);
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
}

#[test]
fn a_redo_is_the_undo_of_the_undo() {
    let world = World::usual();
    world.sync_with(&first());
    let (tree, rows) = (world.tree(), world.rows());
    world.expect(1, &["redo", "--yes"]);
    world.expect(0, &["undo", "--yes"]);
    world.expect(0, &["redo", "--yes"]);
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
    world.assert_settled();
    world.expect(1, &["redo", "--yes"]);
}

#[test]
fn the_history_has_the_plan_after_its_file_is_gone() {
    let world = World::usual();
    let plan = world.sync_with(&first());
    let _ = fs::remove_file(world.path("plan.json"));
    let said = world.expect(0, &["history", "1", "--plan", "--json"]);
    assert!(said.out.contains(&plan.digest), "{}", said.out);
    let said = world.expect(0, &["history", "1", "--plan"]);
    assert!(said.out.contains(digits(&plan)), "{}", said.out);
}

#[test]
fn the_state_goes_back_to_a_backup_and_a_damaged_one_is_kept() {
    let world = World::usual();
    world.sync_with(&first());
    let made = world.expect(0, &["db", "backup", "--json"]).out;
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let backup = made["path"].as_str().unwrap().to_owned();
    let status = world.expect(0, &["db", "status", "--json"]).out;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let db = std::path::PathBuf::from(status["path"].as_str().unwrap());
    world.sync_with(&Snapshot::new().list('a', "House 🇮🇹", "0 1 2 3 4 11"));
    let shown = world.expect(0, &["db", "restore", &backup, "--dry-run"]);
    assert!(shown.out.contains("forgotten"), "{}", shown.out);
    world.expect(9, &["db", "restore", &backup]);
    world.expect(0, &["db", "restore", &backup, "--yes"]);
    // Whole again; the files that went meanwhile are told.
    let said = world.expect(1, &["db", "check"]);
    assert!(said.out.contains("sync.db is sound"), "{}", said.out);
    assert!(said.out.contains("it is not there"), "{}", said.out);
    // Not a database any more: the bytes are kept, and the backup takes their place.
    fs::write(&db, "SQLite format 3\0 and then nothing").unwrap();
    let said = world.expect(0, &["db", "restore", &backup, "--yes"]);
    assert!(said.out.contains("-damaged.db"), "{}", said.out);
    let said = world.run(&["db", "check"]);
    assert!(said.out.contains("sync.db is sound"), "{}", said.out);
}

/// A file that is fetched again lies where it lay, so its list says what it said: the playlist file is not
/// written, and an undo leaves it where it is.
#[test]
fn a_playlist_file_that_says_it_already_stays_in_an_undo() {
    let world = World::usual();
    world.sync_with(&first());
    let (rows, files) = (world.rows(), world.files());
    let lost = files.iter().find(|path| path.contains("Title 8."));
    fs::remove_file(world.path("library").join(lost.unwrap())).unwrap();
    let before = world.tree();
    let plan = world.sync();
    let links = plan.body.actions.iter();
    let links = links.filter(|action| action.effect.kind() == "file.link");
    assert_ne!(links.count(), 0, "the case is not met");
    assert_eq!(world.files(), files);
    world.expect(0, &["undo", "--yes"]);
    files::assert_same(&world.tree(), &before);
    collection::assert_same(&world.rows(), &rows);
}
