//! Plans that the world has overtaken: refused before anything is written.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, SystemTime},
};

use tidal_cleanup::{
    edge::rekordbox::{ContentFile, Edit, NewContentRow},
    plan::document::Precondition,
};

use super::rig::{Rig, first, second};
use crate::{
    harness::{Snapshot, collection, digits},
    rekordbox::track,
};

/// What somebody does to a file.
type ByHand = fn(&std::path::Path);

/// Exit 4, and the world is as it was the moment before.
#[track_caller]
fn assert_refused(rig: &Rig, what: &str) {
    let before = rig.dump();
    let runs = super::dump::runs(&rig.world);
    let said = rig.world.run(&rig.apply());
    assert_eq!(said.code, 4, "{what}: {said:?}");
    rig.dump().assert_is(&before, what);
    assert_eq!(super::dump::runs(&rig.world), runs, "{what}");
}

/// The files that the plan moves, takes away or writes anew, below the world.
fn subjects(rig: &Rig) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for pre in rig.plan.body.actions.iter().flat_map(|action| &action.pre) {
        if let Precondition::File { path, .. } = pre {
            paths.push(format!("library/{path}"));
        }
    }
    paths.sort();
    paths.dedup();
    paths
}

#[test]
fn files_that_changed() {
    let rig = Rig::lent();
    rig.reset();
    let paths = subjects(&rig);
    assert!(paths.len() >= 5, "{paths:?}");
    for path in &paths {
        let edits: [(&str, ByHand); 4] = [
            ("edited", |path| {
                let mut bytes = fs::read(path).unwrap();
                bytes.extend(b"more");
                fs::write(path, bytes).unwrap();
            }),
            ("edited, with the same size and time", |path| {
                let time = fs::metadata(path).unwrap().modified().unwrap();
                let mut bytes = fs::read(path).unwrap();
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
                fs::write(path, bytes).unwrap();
                fs::File::options()
                    .write(true)
                    .open(path)
                    .unwrap()
                    .set_modified(time)
                    .unwrap();
            }),
            ("replaced by another of the same size and time", |path| {
                let time = fs::metadata(path).unwrap().modified().unwrap();
                let mut bytes = fs::read(path).unwrap();
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
                let other = path.with_extension("other");
                fs::write(&other, bytes).unwrap();
                fs::File::options()
                    .write(true)
                    .open(&other)
                    .unwrap()
                    .set_modified(time)
                    .unwrap();
                fs::rename(other, path).unwrap();
            }),
            ("gone", |path| fs::remove_file(path).unwrap()),
        ];
        for (what, edit) in edits {
            rig.reset();
            edit(&rig.world.path(path));
            assert_refused(&rig, &format!("{path} {what}"));
        }
        rig.reset();
        let touched = SystemTime::now() + Duration::from_secs(5);
        let file = fs::File::options()
            .write(true)
            .open(rig.world.path(path))
            .unwrap();
        file.set_modified(touched).unwrap();
        assert_refused(&rig, &format!("{path} touched"));
    }
}

#[test]
fn places_that_are_taken() {
    let rig = Rig::lent();
    let mut taken = 0;
    for pre in rig.plan.body.actions.iter().flat_map(|action| &action.pre) {
        let path = match pre {
            Precondition::Vacant { path } => path.to_string(),
            Precondition::VacantStem { stem, .. } => format!("{stem}.mp3"),
            _ => continue,
        };
        rig.reset();
        let path = rig.world.path("library").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "the DJ's").unwrap();
        assert_refused(&rig, &format!("{} is taken", path.display()));
        taken += 1;
    }
    assert!(taken >= 4, "{taken}");
}

#[test]
fn rows_of_rekordbox_that_changed() {
    let rig = Rig::lent();
    for (what, sql) in [
        (
            "a path",
            "UPDATE djmdContent SET FolderPath = FolderPath || 'x' WHERE Title = 'Title 1'",
        ),
        (
            "a title",
            "UPDATE djmdContent SET Title = 'Mine' WHERE Title = 'Title 0'",
        ),
        (
            "a list's name",
            "UPDATE djmdPlaylist SET Name = 'Mine' WHERE Name = 'House 🇮🇹'",
        ),
        (
            "a list's place",
            "UPDATE djmdPlaylist SET ParentID = 'root' WHERE Name = 'House 🇮🇹'",
        ),
        (
            "an entry",
            "DELETE FROM djmdSongPlaylist WHERE PlaylistID = \
            (SELECT ID FROM djmdPlaylist WHERE Name = 'Party') AND TrackNo = 1",
        ),
        (
            "a row that goes",
            "DELETE FROM djmdContent WHERE Title = 'Title 0'",
        ),
        (
            "a list that goes",
            "DELETE FROM djmdPlaylist WHERE Name = 'Deep 🏃'",
        ),
    ] {
        rig.reset();
        collection::sql(&rig.world.path("rekordbox"), sql);
        assert_refused(&rig, what);
    }
}

/// The DJ puts the file that is about to come into Rekordbox: a second row of it would be one too many.
#[test]
fn rows_of_rekordbox_that_came() {
    let rig = Rig::lent();
    let mut tried = 0;
    for pre in rig.plan.body.actions.iter().flat_map(|action| &action.pre) {
        let Precondition::NoContent { path } = pre else {
            continue;
        };
        rig.reset();
        let row = NewContentRow {
            file: ContentFile {
                path: rig.world.path("library").join(path.as_str()),
                size: 1,
                file_id: 78,
            },
            title: "Imported by hand".to_owned(),
            ..track(51)
        };
        let add = Edit::AddContent(Box::new(row));
        collection::edit(&rig.world.path("rekordbox"), &[add]);
        assert_refused(&rig, &format!("Rekordbox has {path} already"));
        tried += 1;
    }
    assert!(tried > 0);
}

/// Every kind of precondition that a plan of files and Rekordbox has stands in the rig's, and is tried
/// above. `tidal_list` is tried in `tidal::write`, `as_left` with undo.
#[test]
fn the_plan_has_every_precondition() {
    let rig = Rig::lent();
    let kinds: BTreeSet<&str> = rig
        .plan
        .body
        .actions
        .iter()
        .flat_map(|action| &action.pre)
        .map(|pre| match pre {
            Precondition::File { .. } => "file",
            Precondition::Vacant { .. } => "vacant",
            Precondition::VacantStem { .. } => "vacant_stem",
            Precondition::DesiredAbsent { .. } => "desired_absent",
            Precondition::PlaylistAbsent { .. } => "playlist_absent",
            Precondition::Content { .. } => "content",
            Precondition::ContentFields { .. } => "content_fields",
            Precondition::NoContent { .. } => "no_content",
            Precondition::Node { .. } => "node",
            Precondition::Entries { .. } => "entries",
            Precondition::TidalList { .. } => "tidal_list",
            Precondition::AsLeft { .. } => "as_left",
        })
        .collect();
    let all = [
        "content",
        "content_fields",
        "desired_absent",
        "entries",
        "file",
        "no_content",
        "node",
        "playlist_absent",
        "vacant",
        "vacant_stem",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn tidal_that_changed_its_mind() {
    let rig = Rig::lent();
    let again = [
        (
            "a track is in a list again",
            second().list('f', "More", "9"),
        ),
        ("a list is there again", second().list('e', "Old", "1 13")),
        (
            "it cannot be read to its end",
            second().list('f', "More", "1").torn(),
        ),
    ];
    for (what, snapshot) in again {
        rig.reset();
        rig.world.tidal(&snapshot);
        assert_refused(&rig, what);
    }
}

#[test]
fn plans_that_are_not_what_was_made() {
    let rig = Rig::lent();
    rig.reset();
    let path = rig.world.path("plan.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("Title 12", "Title 99")).unwrap();
    assert_refused(&rig, "edited");
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    let said = rig.world.run(&rig.apply());
    assert_ne!(said.code, 0, "{said:?}");
    rig.dump().assert_is(&rig.before, "torn");
    rig.reset();
    rig.world.expect(0, &rig.apply());
    assert_refused(&rig, "applied already");
    rig.reset();
    rig.world.write_policy("[trash]\nkeep = \"40d\"\n");
    assert_refused(&rig, "the policy changed");
}

#[test]
fn a_new_plan_goes_on_where_it_does_no_more_than_the_old() {
    let rig = Rig::lent();
    rig.reset();
    let replan = [
        "apply",
        "plan.json",
        "--replan",
        "--approve",
        digits(&rig.plan),
    ];
    // The DJ took a file away that would have gone to the trash.
    let trashed = subjects(&rig)
        .into_iter()
        .find(|path| path.contains("Title 9"));
    fs::remove_file(rig.world.path(&trashed.unwrap())).unwrap();
    rig.world.expect(4, &rig.apply());
    rig.world.expect(0, &replan);
    assert_eq!(
        rig.world.titles("New 💎").map(|titles| titles.len()),
        Some(2)
    );
    rig.world.assert_settled();
}

#[test]
fn a_new_plan_that_does_more_is_refused() {
    let rig = Rig::lent();
    rig.reset();
    let replan = [
        "apply",
        "plan.json",
        "--replan",
        "--approve",
        digits(&rig.plan),
    ];
    rig.world.tidal(&second().list('f', "More", "14 9"));
    let before = rig.dump();
    let said = rig.world.expect(4, &replan);
    assert!(said.err.contains("more than was approved"), "{said:?}");
    rig.dump().assert_is(&before, "more than was approved");
    // Neither does it carry out what was edited, or approved for another plan.
    let path = rig.world.path("plan.json");
    let text = fs::read_to_string(&path).unwrap();
    rig.reset();
    fs::write(&path, text.replace("Title 12", "Title 99")).unwrap();
    rig.world.expect(4, &replan);
    rig.dump().assert_is(&rig.before, "edited");
    rig.reset();
    rig.world.tidal(&Snapshot::clone(&first()));
    rig.world.expect(
        4,
        &["apply", "plan.json", "--replan", "--approve", "00000000"],
    );
    rig.dump()
        .assert_is(&rig.before, "approved for another plan");
}
