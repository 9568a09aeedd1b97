//! `demo`: builds a small real world in a folder, offline, and walks through it with the program's own
//! commands. What it leaves behind works on.

mod story;
mod tone;
mod world;

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use super::{
    args::{ColorWhen, DemoArgs},
    error::{CliError, Exit, Kind},
    interrupt::Interrupt,
    settings::{Settings, Surroundings},
    ui::Ui,
    view::db::shell_word,
};
use story::{Happening, STORY, Step};

/// A track of the user's own, which must survive everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnTrack {
    /// Absolute.
    pub file: PathBuf,
    pub artist: &'static str,
    pub title: &'static str,
    /// Whole seconds.
    pub seconds: u32,
    /// Hot cues that the user set.
    pub hot_cues: u32,
}

/// The user's own playlist in Rekordbox.
pub const OWN_PLAYLIST: &str = "My Friday set";

/// Builds the world and walks through it. `collection` makes a Rekordbox library in a folder, with
/// these tracks in a playlist of the user's own, [`OWN_PLAYLIST`].
///
/// # Errors
/// When the folder is not empty or cannot be written, and when a step ends otherwise than it should.
pub async fn run(
    ui: &Ui,
    settings: &Settings,
    interrupt: &Interrupt,
    args: &DemoArgs,
    collection: impl AsyncFnOnce(&Path, &[OwnTrack]) -> Result<(), CliError>,
) -> Result<Exit, CliError> {
    let dir = vacant(&settings.around.absolute(&args.dir))?;
    let own = world::build(&dir)?;
    collection(&dir.join("rekordbox"), &own).await?;
    let before = world::fingerprints(&dir)?;
    ui.answer(format!(
        "A small world in {}: a policy, TIDAL as a file, a Rekordbox library,\n\
         and music of your own. Nothing outside of this folder is read or written.",
        dir.display()
    ))?;
    for (number, step) in STORY.iter().enumerate() {
        if interrupt.is_requested() {
            return Err(CliError::message(
                Kind::Interrupted,
                "the demonstration was interrupted",
            ));
        }
        tell(ui, number, step, args.pause)?;
        take(ui, settings, interrupt, &dir, step).await?;
    }
    ui.answer(survived(&before, &world::fingerprints(&dir)?)?)?;
    ui.answer(next(&dir))?;
    Ok(Exit::Done)
}

/// The folder, made where it is missing, in its canonical form.
fn vacant(dir: &Path) -> Result<PathBuf, CliError> {
    std::fs::create_dir_all(dir).map_err(|error| CliError::file("make", dir, error))?;
    let mut entries = std::fs::read_dir(dir).map_err(|error| CliError::file("read", dir, error))?;
    if entries.next().is_some() {
        return Err(CliError::user(format!("{} is not empty", dir.display())).hint(
            "name another folder: `tidal-cleanup demo DIR`; the demonstration never writes into one that is in use",
        ));
    }
    dir.canonicalize()
        .map_err(|error| CliError::file("find", dir, error))
}

fn tell(ui: &Ui, number: usize, step: &Step, pause: bool) -> Result<(), CliError> {
    let look = ui.look();
    let title = look.bold(&format!("{}. {}", number + 1, step.title));
    ui.answer(format!("\n{title}\n{}", step.text))?;
    if pause {
        ui.ask("Press Enter")?;
    }
    Ok(())
}

async fn take(
    ui: &Ui,
    settings: &Settings,
    interrupt: &Interrupt,
    dir: &Path,
    step: &Step,
) -> Result<(), CliError> {
    match step.happening {
        Happening::AWeekInTidal => world::a_week_later(dir),
        Happening::Command { words, exit } => {
            let words = with_digest(words, dir)?;
            let shown: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
            let shown = format!("tidal-cleanup {}", shown.join(" "));
            ui.answer(ui.look().dim(&format!("$ {shown}")))?;
            let ended = command(&words, settings, interrupt, dir).await;
            match ended == exit {
                true => Ok(()),
                false => Err(CliError::message(
                    Kind::Bug,
                    format!(
                        "`{shown}` ended with {} instead of {}",
                        ended.code(),
                        exit.code()
                    ),
                )
                .hint(format!("what it left is in {}", dir.display()))),
            }
        }
    }
}

/// The words, `DIGEST` replaced by the digest of the saved plan.
fn with_digest(words: &[&str], dir: &Path) -> Result<Vec<String>, CliError> {
    words
        .iter()
        .map(|word| match *word {
            "DIGEST" => digest(&dir.join("plan.json")),
            word => Ok(word.to_owned()),
        })
        .collect()
}

fn digest(plan: &Path) -> Result<String, CliError> {
    let text =
        std::fs::read_to_string(plan).map_err(|error| CliError::file("read", plan, error))?;
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| CliError::new(Kind::Bug, error))?;
    let digest = json["digest"].as_str().unwrap_or_default();
    Ok(super::view::plan::short_digest(digest).to_owned())
}

/// Runs the program's own entry point in the folder, with an environment that names nothing else.
async fn command(words: &[String], settings: &Settings, interrupt: &Interrupt, dir: &Path) -> Exit {
    let mut line: Vec<OsString> = vec!["tidal-cleanup".into()];
    match settings.color {
        ColorWhen::Auto => {}
        ColorWhen::Always => line.push("--color=always".into()),
        ColorWhen::Never => line.push("--color=never".into()),
    }
    line.extend(words.iter().map(OsString::from));
    let around = Surroundings {
        home: Some(dir.join("home")),
        cwd: dir.to_owned(),
        env: own_environment,
    };
    Box::pin(super::invoke(line, around, interrupt)).await
}

/// The process's environment without what would lead out of the folder.
fn own_environment(name: &str) -> Option<OsString> {
    match name.starts_with("TIDAL_CLEANUP_") {
        true => None,
        false => std::env::var_os(name),
    }
}

/// That the user's own files are as they were.
fn survived(before: &world::Fingerprints, after: &world::Fingerprints) -> Result<String, CliError> {
    match before == after {
        true => Ok(format!(
            "\nYour own {} files were there all the time, and are byte for byte as they were.",
            before.len()
        )),
        false => Err(CliError::message(
            Kind::Bug,
            "a file of the user's own is not as it was",
        )),
    }
}

/// What to try next, to be copied line by line.
fn next(dir: &Path) -> String {
    let dir = shell_word(&dir.display().to_string());
    let mut lines = vec![
        "\nTry next, in the same world (the week's changes are pending again):\n".to_owned(),
        format!("  cd {dir}"),
    ];
    if let Some(program) = program_outside_of_path() {
        let program = shell_word(&program.display().to_string());
        lines.push(format!("  alias tidal-cleanup={program}"));
    }
    lines.extend(story::NEXT.iter().map(|line| format!("  {line}")));
    lines.join("\n")
}

/// This program, when typing `tidal-cleanup` would not start it.
fn program_outside_of_path() -> Option<PathBuf> {
    let program = std::env::current_exe()
        .and_then(|path| path.canonicalize())
        .ok()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let name = format!("tidal-cleanup{}", std::env::consts::EXE_SUFFIX);
    let found = std::env::split_paths(&path)
        .filter_map(|folder| folder.join(&name).canonicalize().ok())
        .next();
    (found.as_ref() != Some(&program)).then_some(program)
}

/// An error of the file system on the way.
fn failed(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> CliError {
    let (doing, path) = (doing.to_owned(), path.to_owned());
    move |error| CliError::file(&doing, &path, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{args::Cli, settings::Verbosity, ui::recorded};
    use clap::Parser as _;

    #[test]
    fn a_folder_in_use_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("mine.txt"), "mine").unwrap();
        let error = vacant(dir.path()).unwrap_err().render(false);
        assert!(
            error.contains("is not empty") && error.contains("name another folder"),
            "{error}"
        );
        assert!(vacant(&dir.path().join("new/one")).is_ok());
    }

    #[test]
    fn every_step_is_a_command_that_there_is() {
        for step in STORY {
            if let Happening::Command { words, .. } = step.happening {
                let words: Vec<&str> = words
                    .iter()
                    .map(|word| if *word == "DIGEST" { "9f2c41d0" } else { word })
                    .collect();
                Cli::try_parse_from([&["tidal-cleanup"], &words[..]].concat()).unwrap();
            }
        }
    }

    #[test]
    fn what_to_try_next_can_be_typed() {
        for line in story::NEXT
            .iter()
            .filter(|line| line.starts_with("tidal-cleanup "))
        {
            let command = line.split("  #").next().unwrap().trim();
            let words = command.replace('"', "");
            assert!(words.split(' ').nth(1).is_some_and(|verb| {
                let cli = Cli::try_parse_from(["tidal-cleanup", verb, "--help"]).unwrap_err();
                cli.kind() == clap::error::ErrorKind::DisplayHelp
            }));
        }
        let text = next(Path::new("/tmp/a demo"));
        assert!(text.contains("  cd \"/tmp/a demo\"\n"), "{text}");
    }

    #[test]
    fn the_digest_is_that_of_the_saved_plan() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("plan.json"),
            r#"{"digest":"sha256:9f2c41d0ff"}"#,
        )
        .unwrap();
        let words =
            with_digest(&["apply", "plan.json", "--approve", "DIGEST"], dir.path()).unwrap();
        assert_eq!(words[3], "9f2c41d0");
    }

    #[test]
    fn a_lost_file_would_be_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let own = world::build(dir.path()).unwrap();
        let before = world::fingerprints(dir.path()).unwrap();
        assert!(survived(&before, &before).is_ok());
        std::fs::write(&own[0].file, "x").unwrap();
        let after = world::fingerprints(dir.path()).unwrap();
        assert!(survived(&before, &after).is_err());
    }

    #[test]
    fn steps_are_numbered_and_told() {
        let (ui, seen) = recorded::ui(Verbosity::Normal, false, &[]);
        tell(&ui, 0, &STORY[0], false).unwrap();
        assert!(seen.out().starts_with("\n1. "), "{}", seen.out());
    }
}
