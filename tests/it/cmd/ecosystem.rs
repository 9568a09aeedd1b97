//! What surrounds the program: completions, manual pages, the log, settings and their origin, plain words.

use std::{fs, process::Command};

use serde_json::Value;

use crate::{
    cmd::Home,
    harness::{Snapshot, World},
};

/// What bash is told when Tab is pressed behind these words.
fn completed(world: &World, words: &[&str]) -> Vec<String> {
    let mut command = world.command(&[&["--"], words].concat());
    command
        .env("TIDAL_CLEANUP_COMPLETE", "bash")
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
        .env("_CLAP_COMPLETE_COMP_TYPE", "9");
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_shell_is_told_playlists_and_applies() {
    let world = World::usual();
    world.sync_with(
        &Snapshot::new()
            .list('a', "House Italo R 🇮🇹", "1")
            .list('b', "Deep", "2"),
    );
    let found = completed(&world, &["tidal-cleanup", "plan", "--playlist", "hou"]);
    assert!(
        found.iter().any(|name| name.contains("House Italo R")),
        "{found:?}"
    );
    assert!(!found.iter().any(|name| name.contains("Deep")), "{found:?}");
    let applies = completed(&world, &["tidal-cleanup", "undo", ""]);
    assert!(
        applies.iter().any(|number| number.trim() == "1"),
        "{applies:?}"
    );
    let commands = completed(&world, &["tidal-cleanup", "his"]);
    assert_eq!(commands.len(), 1, "{commands:?}");

    let nowhere = Home::new();
    let mut command = nowhere.command(&["--", "tidal-cleanup", "plan", "--playlist", ""]);
    command
        .env("TIDAL_CLEANUP_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", "3");
    let output = command.output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    assert_eq!(
        fs::read_dir(nowhere.path()).unwrap().count(),
        0,
        "asking makes nothing"
    );
}

#[test]
fn bash_takes_the_script() {
    let home = Home::new();
    let script = home.run(&["completions", "bash"]);
    assert_eq!(script.code, 0);
    fs::write(home.path().join("script"), &script.out).unwrap();
    let checked = Command::new("bash")
        .arg("-n")
        .arg(home.path().join("script"))
        .status();
    assert!(checked.unwrap().success());
    let quoting = script.out.matches("complete -o filenames").count();
    assert_eq!(quoting, 2, "names with blanks are quoted: {}", script.out);
}

#[test]
fn every_command_has_a_manual_page() {
    let home = Home::new();
    let first = home.run(&["man"]);
    assert!(
        first.out.contains(".TH") && first.out.contains("tidal\\-cleanup"),
        "{}",
        first.out
    );
    assert_eq!(home.run(&["man", "pages"]).code, 0);
    let pages = home.path().join("pages");
    for name in [
        "tidal-cleanup.1",
        "tidal-cleanup-apply.1",
        "tidal-cleanup-db-sync.1",
    ] {
        let page = fs::read_to_string(pages.join(name)).unwrap();
        assert!(page.contains(".SH NAME"), "{name}");
    }
}

#[test]
fn the_log_has_what_was_said_and_no_secret() {
    let world = World::usual();
    world.tidal(&Snapshot::new().list('a', "House", "1"));
    let log = world.path("log.jsonl");
    let file = log.display().to_string();
    let plan = world.run(&["plan", "--out", "plan.json", "--log-file", &file]);
    assert_eq!(plan.code, 0, "{}", plan.err);
    let failed = world.run_with(
        &["apply", "nowhere.json"],
        &[
            ("TIDAL_CLEANUP_LOG_FILE", &file),
            (
                "TIDAL_CLEANUP_TIDAL_API_URL",
                "http://dj:secret@127.0.0.1:1/?token=secret",
            ),
        ],
    );
    assert_eq!(failed.code, 1);
    let text = fs::read_to_string(&log).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let levels: Vec<&str> = lines
        .iter()
        .map(|line| line["level"].as_str().unwrap())
        .collect();
    assert_eq!(
        levels.iter().filter(|level| **level == "begin").count(),
        2,
        "{levels:?}"
    );
    assert_eq!(levels.last(), Some(&"end"));
    assert!(levels.contains(&"error"), "{levels:?}");
    assert!(!text.contains("secret"), "{text}");

    let other = world.run(&["status", "--log-file", "tidal-cleanup.toml"]);
    assert_eq!(other.code, 1);
    assert!(
        other.err.contains("no log of this program"),
        "{}",
        other.err
    );
}

#[test]
fn settings_tell_who_says_so() {
    let world = World::usual();
    let said = world.run_with(
        &["config", "show", "--json", "--account", "anna"],
        &[
            ("TIDAL_CLEANUP_DB_BACKUP_DIR", "elsewhere"),
            ("TIDAL_CLEANUP_DATABASE_URL", "postgres://dj:secret@db/x"),
        ],
    );
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(!said.out.contains("secret"), "{}", said.out);
    let answer: Value = serde_json::from_str(&said.out).unwrap();
    let all = ["program", "policy"].map(|part| answer[part].as_array().unwrap().clone());
    let origin = |name: &str| {
        let row = all
            .iter()
            .flatten()
            .find(|row| row["name"] == name)
            .unwrap();
        row["origin"].as_str().unwrap().to_owned()
    };
    assert_eq!(origin("account"), "--account");
    assert_eq!(
        origin("backups of the state"),
        "TIDAL_CLEANUP_DB_BACKUP_DIR"
    );
    assert_eq!(origin("state on a server"), "TIDAL_CLEANUP_DATABASE_URL");
    assert_eq!(origin("library.root"), "tidal-cleanup.toml:3");
    assert_eq!(origin("library.format"), "default");
    let text = world.run(&["config", "show", "--origin"]);
    assert!(text.out.contains("(tidal-cleanup.toml:3)"), "{}", text.out);
    let bare = Home::new().run(&["config", "show"]);
    assert_eq!(bare.code, 0, "{}", bare.err);
    assert!(bare.err.contains("init"), "{}", bare.err);
}

#[test]
fn plain_words_have_no_signs_and_no_colour() {
    let world = World::usual();
    world.tidal(&Snapshot::new().list('a', "House", "1 2"));
    let said = world.run(&["plan", "--plain", "--color", "always"]);
    assert!(said.out.contains("add: "), "{}", said.out);
    assert!(
        !said.out.contains('\u{1b}') && !said.out.contains("  + "),
        "{}",
        said.out
    );
}
