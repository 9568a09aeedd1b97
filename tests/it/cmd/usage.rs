//! Help is an answer, nonsense is exit 64.

use std::{io::Read as _, process::Stdio};

use super::Home;

#[test]
fn help_and_version_are_answers() {
    let home = Home::new();
    for words in [
        &["--help"][..],
        &["help", "plan"],
        &["plan", "--help"],
        &["-h"],
    ] {
        let ended = home.run(words);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{words:?}");
        assert!(ended.out.contains("Usage: tidal-cleanup"), "{}", ended.out);
    }
    let version = home.run(&["--version"]);
    assert_eq!(
        (version.code, version.out.as_str()),
        (
            0,
            concat!("tidal-cleanup ", env!("CARGO_PKG_VERSION"), "\n")
        )
    );
}

#[test]
fn nonsense_is_exit_64_and_names_the_nearest_word() {
    let home = Home::new();
    let ended = home.run(&["paln"]);
    assert_eq!((ended.code, ended.out.as_str()), (64, ""));
    assert!(ended.err.contains("'plan'"), "{}", ended.err);
    for words in [
        &[][..],
        &["apply", "--resume", "plan.json"],
        &["plan", "--allow", "remove=4"],
        &["plan", "--as-of", "yesterday"],
        &["undo", "0"],
        &["download"],
        &["snapshot", "spotify"],
        &["--color", "sometimes", "status"],
    ] {
        let ended = home.run(words);
        assert_eq!((ended.code, ended.out.as_str()), (64, ""), "{words:?}");
    }
}

#[test]
fn a_plan_that_is_not_there_is_made_by_plan() {
    let home = Home::new();
    for words in [&["decide", "plan.json"][..], &["show", "plan.json"]] {
        let ended = home.run(words);
        assert_eq!((ended.code, ended.out.as_str()), (1, ""), "{words:?}");
        let hint = "Hint: `tidal-cleanup plan` makes a plan";
        assert!(ended.err.contains(hint), "{}", ended.err);
    }
}

#[test]
fn every_shell_gets_a_completion_script() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = home.run(&["completions", shell]);
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert!(ended.out.contains("TIDAL_CLEANUP_COMPLETE"), "{shell}");
    }
}

#[test]
fn nothing_is_made_by_looking_around() {
    let home = Home::new();
    for words in [
        &["--help"][..],
        &["--version"],
        &["completions", "bash"],
        &["paln"],
    ] {
        home.run(words);
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let home = Home::new();
    let mut command = home.command(&["completions", "zsh"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let status = child.wait().unwrap();
    let mut err = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    assert_eq!((status.code(), err.as_str()), (Some(0), ""));
}
