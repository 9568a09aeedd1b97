//! Download commands that fail, hang and lie; and conversion.

use std::{fs, process::Command};

use tidal_cleanup::plan::{Plan, document::Effect};

use crate::harness::{Setup, Snapshot, World, files, titled, uuid};

/// Track 1 comes to grief like that; 0 and 2 are delivered.
pub(crate) fn bad(body: &str) -> World {
    let world = World::new(Setup {
        download: "timeout = \"2s\"\nparallel = 3",
        ..crate::journey::usual()
    });
    world.tidal(&Snapshot::new().list('a', "Mix", "0 1 2"));
    world.write_downloader(&format!(
        "if [ \"$2\" = 1001 ]; then\n{body}\nelse cp \"$1/$2.wav\" \"$3/\"; fi"
    ));
    world
}

fn fetches(plan: &Plan) -> Vec<String> {
    let effects = plan.body.actions.iter().map(|action| &action.effect);
    let tracks = effects.filter_map(|effect| match effect {
        Effect::FileFetch { after } => Some(after.track.to_string()),
        _ => None,
    });
    tracks.collect()
}

/// The rest is applied, nothing of the bad track is, and the next plan offers it again.
fn assert_left_out(body: &str) {
    let world = bad(body);
    let own = world.tree();
    world.plan(2);
    let said = world.expect(7, &["apply", "plan.json", "--yes"]);
    assert!(
        said.out.contains("Title 1") || said.err.contains("Title 1"),
        "{said:?}"
    );
    assert_eq!(world.titles("Mix"), titled("0 2"));
    files::assert_kept(&world.tree(), &own);
    assert!(!world.files().iter().any(|file| file.contains("Title 1.")));
    assert_eq!(fetches(&world.plan(2)), ["1001"]);
    world.write_downloader("cp \"$1/$2.wav\" \"$3/\"");
    world.sync();
    world.assert_settled();
    assert_eq!(world.titles("Mix"), titled("0 1 2"));
}

#[test]
fn a_download_that_fails() {
    assert_left_out("echo 'no such track' >&2; exit 3");
}

#[test]
fn a_download_that_hangs() {
    assert_left_out("exec sleep 30");
}

#[test]
fn a_download_that_brings_nothing_and_says_well_done() {
    assert_left_out("exit 0");
}

#[test]
fn a_download_that_brings_two_files() {
    assert_left_out("cp \"$1/1000.wav\" \"$3/\"; cp \"$1/1002.wav\" \"$3/\"");
}

#[test]
fn a_download_that_is_cut_short() {
    assert_left_out("head -c 3000 \"$1/$2.wav\" > \"$3/$2.wav\"");
}

#[test]
fn a_download_that_is_no_audio() {
    assert_left_out("echo '<html>sorry</html>' > \"$3/$2.wav\"");
}

#[test]
fn a_download_that_is_a_link_to_elsewhere() {
    assert_left_out("ln -s \"$1/1000.wav\" \"$3/$2.wav\"");
}

#[test]
fn an_apply_in_part_can_be_resumed() {
    let world = bad("exit 1");
    world.plan(2);
    world.expect(7, &["apply", "plan.json", "--yes"]);
    world.write_downloader("cp \"$1/$2.wav\" \"$3/\"");
    world.expect(0, &["apply", "--resume", "--yes"]);
    if world.run(&["plan", "--detailed-exitcode"]).code != 0 {
        world.sync();
    }
    world.assert_settled();
    assert_eq!(world.titles("Mix"), titled("0 1 2"));
}

#[test]
fn an_apply_in_part_can_be_undone() {
    let world = bad("exit 1");
    let (tree, rows) = (world.tree(), world.rows());
    world.plan(2);
    world.expect(7, &["apply", "plan.json", "--yes"]);
    world.expect(0, &["undo", "--yes"]);
    files::assert_same(&world.tree(), &tree);
    crate::harness::collection::assert_same(&world.rows(), &rows);
}

#[test]
fn download_fetches_for_one_playlist() {
    let world = World::usual();
    world.tidal(
        &Snapshot::new()
            .list('a', "Mix", "0 1")
            .list('b', "Other", "2"),
    );
    world.expect(0, &["download", "--playlist", &uuid('a'), "--yes"]);
    let mut calls = world.calls();
    calls.sort();
    assert_eq!(calls, ["1000", "1001"]);
    world.sync();
    world.assert_settled();
    assert_eq!(world.calls().len(), 3);
}

#[test]
fn downloads_become_mp3() {
    let there = Command::new("ffmpeg")
        .arg("-version")
        .output()
        .is_ok_and(|said| said.status.success());
    let demanded =
        std::env::var_os("TIDAL_CLEANUP_REQUIRE_FFMPEG").is_some_and(|value| value == "1");
    assert!(there || !demanded, "there is no ffmpeg");
    if !there {
        return;
    }
    let world = World::new(Setup {
        library: "format = \"mp3\"",
        ..crate::journey::usual()
    });
    let (tree, rows) = (world.tree(), world.rows());
    world.sync_with(
        &Snapshot::new()
            .list('a', "Mix", "0 1")
            .list('b', "Other", "1 2"),
    );
    world.assert_settled();
    let files = world.files();
    let made = files.iter().filter(|file| file.ends_with(".mp3"));
    assert_eq!(made.count(), 3, "{files:?}");
    assert_eq!(world.titles("Other"), titled("1 2"));
    for file in files.iter().filter(|file| file.ends_with(".mp3")) {
        let bytes = fs::read(world.path("library").join(file)).unwrap();
        assert!(
            bytes.starts_with(b"ID3") || bytes.starts_with(&[0xFF]),
            "{file}"
        );
    }
    world.expect(0, &["undo", "--yes"]);
    files::assert_same(&world.tree(), &tree);
    crate::harness::collection::assert_same(&world.rows(), &rows);
}

/// A file of ours that was cut short on the disk is in the way of its own download: said, and left alone.
#[test]
fn a_file_that_was_cut_short_is_held() {
    let world = World::usual();
    world.sync_with(&Snapshot::new().list('a', "Mix", "0 1 2"));
    let name = world
        .files()
        .into_iter()
        .find(|file| file.contains("Title 1") && file.ends_with(".wav"))
        .unwrap();
    let path = world.path("library").join(&name);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 4]).unwrap();
    let (tree, rows) = (world.tree(), world.rows());
    let said = world.expect(3, &["plan", "--detailed-exitcode"]);
    assert!(
        said.out.contains("move it away, then plan again"),
        "{}",
        said.out
    );
    files::assert_same(&world.tree(), &tree);
    crate::harness::collection::assert_same(&world.rows(), &rows);
    std::fs::rename(&path, world.path("cut.wav")).unwrap();
    world.sync();
    world.assert_settled();
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    assert_eq!(world.titles("Mix"), titled("0 1 2"));
}
