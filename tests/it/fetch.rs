//! Download commands that lie, fork, write where they must not, and what is remembered of them.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::{
    harness::{Said, Setup, Snapshot, World, files, titled},
    journey_delivery::bad,
};

#[test]
fn what_is_delivered_counts_and_no_exit_code() {
    let world = bad("cp \"$1/$2.wav\" \"$3/\"; exit 3");
    world.plan(2);
    world.expect(0, &["apply", "plan.json", "--yes"]);
    world.assert_settled();
    assert_eq!(world.titles("Mix"), titled("0 1 2"));
}

#[test]
fn a_whole_file_counts_also_when_its_command_never_ends() {
    let world = bad("cp \"$1/$2.wav\" \"$3/\"; exec sleep 30");
    world.plan(2);
    world.expect(0, &["apply", "plan.json", "--yes"]);
    world.assert_settled();
    assert_eq!(world.titles("Mix"), titled("0 1 2"));
}

#[test]
fn a_track_that_is_not_to_be_had_is_left_alone_for_a_while() {
    let world = bad("echo 'This item is not available for listening anymore.'");
    world.plan(2);
    world.expect(7, &["apply", "plan.json", "--yes"]);
    let calls = || {
        world
            .calls()
            .iter()
            .filter(|call| call.contains("1001"))
            .count()
    };
    assert_eq!(calls(), 1, "nobody asks again at once");
    let said = world.run(&["plan", "-v"]);
    assert!(said.out.contains("unavailable since"), "{said:?}");
    let later = world.run(&["plan", "-v", "--as-of", "2099-01-01"]);
    assert!(!later.out.contains("unavailable since"), "{later:?}");
    assert!(later.out.contains("the last try, on"), "{later:?}");
}

#[test]
fn who_writes_outside_of_his_folder_spoils_nothing() {
    let world =
        bad("cp \"$1/$2.wav\" ../stray.wav; cp \"$1/$2.wav\" ../../../../outside.wav; exit 0");
    let own = world.tree();
    world.plan(2);
    world.expect(7, &["apply", "plan.json", "--yes"]);
    assert_eq!(world.titles("Mix"), titled("0 2"));
    files::assert_kept(&world.tree(), &own);
    assert!(!world.files().iter().any(|file| file.contains("stray")));
}

/// One track at a time, so that who did what can be told.
fn in_turn(body: &str) -> World {
    let world = World::new(Setup {
        download: "parallel = 1",
        ..crate::journey::usual()
    });
    world.tidal(&Snapshot::new().list('a', "Mix", "0 1 2 3 4 5"));
    world.write_downloader(body);
    world
}

#[test]
fn a_command_that_works_in_the_library_itself_is_stopped() {
    let world = in_turn("cp \"$1/$2.wav\" library/own.wav; cp \"$1/$2.wav\" \"library/$2.wav\"");
    world.plan(2);
    let said = world.expect(7, &["apply", "plan.json", "--yes"]);
    let told = format!("{}{}", said.out, said.err);
    assert!(told.contains("own.wav changed; 1000.wav came"), "{told}");
    assert!(
        told.contains("no further download command is run"),
        "{told}"
    );
    // Each of its tries, and no other track.
    assert!(world.calls().iter().all(|call| call == "1000"));
}

#[test]
fn a_library_that_changes_beside_good_downloads_is_only_told() {
    let world = in_turn("cp \"$1/$2.wav\" \"$3/\"; touch -d 2020-01-01 library/own.wav");
    world.plan(2);
    let said = world.expect(0, &["apply", "plan.json", "--yes"]);
    assert!(said.err.contains("own.wav changed"), "{}", said.err);
    assert_eq!(world.titles("Mix"), titled("0 1 2 3 4 5"));
}

/// An encoder that is not there yet costs no download, whether the run is resumed or planned anew.
#[test]
fn what_waits_for_its_conversion_is_not_fetched_again() {
    for again in ["resume", "plan"] {
        let world = World::new(Setup {
            library: "format = \"flac\"",
            download: "ffmpeg = \"./encoder\"",
            ..crate::journey::usual()
        });
        world.tidal(&Snapshot::new().list('a', "Mix", "0 1"));
        world.plan(2);
        let said = world.expect(7, &["apply", "plan.json", "--yes"]);
        assert!(said.err.contains("install ffmpeg"), "{}", said.err);
        assert_eq!(world.calls().len(), 2);
        if !has_ffmpeg() {
            return;
        }
        fs::write(world.path("encoder"), "#!/bin/sh\nexec ffmpeg \"$@\"\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(world.path("encoder"), mode).unwrap();
        if again == "resume" {
            world.expect(0, &["apply", "--resume", "--yes"]);
            if world.run(&["plan", "--detailed-exitcode"]).code != 0 {
                world.sync();
            }
        } else {
            world.sync();
        }
        world.assert_settled();
        assert_eq!(world.calls().len(), 2, "{again}");
        assert_eq!(world.titles("Mix"), titled("0 1"));
        let incoming = fs::read_dir(world.path("library/.tidal-cleanup/incoming")).unwrap();
        assert_eq!(incoming.count(), 0, "{again}");
    }
}

#[test]
fn a_lossy_file_for_a_lossless_library_is_refused_once() {
    if !has_ffmpeg() {
        return;
    }
    let world = World::new(Setup {
        library: "format = \"flac\"",
        ..crate::journey::usual()
    });
    world.tidal(&Snapshot::new().list('a', "Mix", "0"));
    world.write_downloader("ffmpeg -v error -i \"$1/$2.wav\" \"$3/$2.mp3\"");
    world.plan(2);
    let said = world.expect(7, &["apply", "plan.json", "--yes"]);
    assert!(said.err.contains("lossy: it came as mp3"), "{}", said.err);
    assert_eq!(world.calls().len(), 1);
    let said = world.run(&["plan", "-v", "--detailed-exitcode"]);
    assert!(said.out.contains("it came as mp3"), "{said:?}");
    assert!(said.out.contains("refused on"), "{said:?}");
    assert_eq!(said.code, 0, "held alone is nothing pending: {said:?}");
    // Another format, and it is wanted again; what came the first time will do.
    let policy = fs::read_to_string(world.path("tidal-cleanup.toml")).unwrap();
    fs::write(
        world.path("tidal-cleanup.toml"),
        policy.replace("\"flac\"", "\"mp3\""),
    )
    .unwrap();
    world.sync();
    world.assert_settled();
    assert_eq!(world.titles("Mix"), titled("0"));
}

/// Two TIDAL ids of one recording: one download, two files with ids of their own.
#[test]
fn one_recording_under_two_ids_is_fetched_once() {
    let world = World::new(Setup {
        download: "parallel = 3",
        ..crate::journey::usual()
    });
    world.sync_with(&Snapshot::new().list('a', "Album", "0 1 2").list(
        'b',
        "Singles",
        "8001 8002 8003",
    ));
    world.assert_settled();
    let mut calls = world.calls();
    calls.sort();
    assert_eq!(calls, ["1000", "1001", "1002", "9003"]);
    assert_eq!(world.titles("Album"), titled("0 1 2"));
    assert_eq!(world.titles("Singles"), titled("1 2 3"));
    // The release that its command does not have is no loss for the other one.
    let world = bad("exit 1");
    world.tidal(
        &Snapshot::new()
            .list('a', "Album", "1")
            .list('b', "Singles", "8001"),
    );
    world.plan(2);
    world.expect(7, &["apply", "plan.json", "--yes"]);
    assert_eq!(world.titles("Singles"), titled("1"));
}

/// However many playlists a track is in, and whatever the further ones get: it is fetched and encoded once.
#[test]
fn a_track_in_several_playlists_is_fetched_and_encoded_once() {
    if !has_ffmpeg() {
        return;
    }
    for (sharing, files) in [("m3u8", 4), ("hardlink", 8), ("copy", 8)] {
        let library = format!("format = \"flac\"\nsharing = \"{sharing}\"");
        let world = World::new(Setup {
            library: library.leak(),
            download: "ffmpeg = \"./encoder\"\nparallel = 3",
            ..crate::journey::usual()
        });
        // Notes where each encode goes to; a look (`-f null -`) is none.
        let encoder = format!(
            "#!/bin/sh\nfor last; do :; done\n[ \"$last\" = - ] || echo \"$last\" >> '{}'\nexec ffmpeg \"$@\"\n",
            world.path("encodes").display()
        );
        fs::write(world.path("encoder"), encoder).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(world.path("encoder"), mode).unwrap();
        world.sync_with(
            &Snapshot::new()
                .list('a', "One", "0 1")
                .list('b', "Two", "1 0 2")
                .list('c', "Three", "2 1 3"),
        );
        world.assert_settled();
        let mut calls = world.calls();
        calls.sort();
        assert_eq!(calls, ["1000", "1001", "1002", "1003"], "{sharing}");
        let encodes = fs::read_to_string(world.path("encodes")).unwrap();
        assert_eq!(encodes.lines().count(), 4, "{sharing}: {encodes}");
        let flacs = world
            .files()
            .iter()
            .filter(|it| it.ends_with(".flac"))
            .count();
        assert_eq!(flacs, files, "{sharing}: {:?}", world.files());
        assert_eq!(world.titles("Two"), titled("1 0 2"), "{sharing}");
        assert_eq!(world.titles("Three"), titled("2 1 3"), "{sharing}");
    }
}

/// Ctrl-C twice: the program leaves, and takes the command and what that started with it.
#[test]
fn a_second_ctrl_c_ends_the_commands_too() {
    let world = World::usual();
    world.tidal(&Snapshot::new().list('a', "Mix", "0"));
    let body = "trap '' INT TERM; setsid sh -c 'trap \"\" INT TERM; echo $$ > stray; sleep 60' &\n\
                echo $$ > leader; while [ -e leader ]; do sleep 0.1; done";
    world.write_downloader(body);
    world.plan(2);
    let child = world.start(&["apply", "plan.json", "--yes"]);
    let pid = |name: &str| -> Option<Pid> {
        let text = fs::read_to_string(world.path(name)).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    };
    soon(|| pid("leader").is_some() && pid("stray").is_some());
    let own = Pid::from_child(&child);
    kill_process(own, Signal::INT).unwrap();
    // It waits for the running command.
    thread::sleep(Duration::from_millis(300));
    assert!(!is_gone(pid("leader").unwrap()));
    // A signal that comes while the first one is being answered may be missed, as it may be typed again.
    let ended = thread::spawn(move || child.wait_with_output().unwrap());
    soon(|| {
        let _ = kill_process(own, Signal::INT);
        ended.is_finished()
    });
    let said = Said::from(ended.join().unwrap());
    assert_eq!(said.code, 130, "{said:?}");
    assert!(said.err.contains("apply --resume"), "{said:?}");
    soon(|| is_gone(pid("leader").unwrap()) && is_gone(pid("stray").unwrap()));
    world.write_downloader("cp \"$1/$2.wav\" \"$3/\"");
    world.expect(0, &["apply", "--resume", "--yes"]);
    world.assert_settled();
    assert_eq!(world.titles("Mix"), titled("0"));
}

/// Waits until it is so.
#[track_caller]
fn soon(so: impl Fn() -> bool) {
    let late = Instant::now() + Duration::from_secs(60);
    while !so() {
        assert!(Instant::now() < late, "it did not come to be");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whether the process has ended, though nobody may have asked how.
fn is_gone(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    test_kill_process(pid).is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
}

/// Whether ffmpeg is here; where it must be, its absence is a failure.
pub(crate) fn has_ffmpeg() -> bool {
    let there = Command::new("ffmpeg")
        .arg("-version")
        .output()
        .is_ok_and(|said| said.status.success());
    let demanded =
        std::env::var_os("TIDAL_CLEANUP_REQUIRE_FFMPEG").is_some_and(|value| value == "1");
    assert!(there || !demanded, "there is no ffmpeg");
    there
}

/// A file of a source gets no second name in the library, by which it could be changed: it is copied.
#[test]
fn a_file_of_a_source_is_copied_where_others_are_linked() {
    let world = World::new(Setup {
        library: "sharing = \"hardlink\"\nsources = [\"mine\"]",
        ..crate::journey::usual()
    });
    world.put("mine/Artist 1 - Title 1.wav", "mine", 1_000);
    let lists = Snapshot::new().list('a', "One", "0 1");
    world.sync_with(&lists.list('b', "Two", "1 0"));
    world.assert_settled();
    assert_eq!(world.calls(), ["1000"]);
    let mut copies = world.files();
    copies.retain(|path| path.ends_with("Artist 1 - Title 1.wav"));
    assert!(!copies.is_empty(), "{:?}", world.files());
    let stat = fs::metadata(world.path("mine/Artist 1 - Title 1.wav")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::nlink(&stat), 1);
}
