//! The face: the command line, what a person sees, and what they are asked.

pub mod args;
pub mod settings;
pub mod select;
pub mod consent;
pub mod plan;
pub mod init;
pub mod demo;
pub mod ui;
pub mod interrupt;
pub mod view;
pub mod error;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser as _};

use args::{Cli, Command, CompletionsArgs};
use error::{CliError, Exit, Kind};
use interrupt::Interrupt;
use settings::{Settings, Surroundings};
use ui::Ui;

/// Runs the program with these words (the first is its name) and says how to exit.
pub async fn run(words: impl IntoIterator<Item = OsString>) -> Exit {
    let interrupt = Interrupt::default();
    match Surroundings::of_process() {
        Ok(around) => {
            let teller = Ui::of_process(&Settings::bare(around.clone()));
            interrupt.watch(move |text| teller.status(text));
            invoke(words.into_iter().collect(), around, &interrupt).await
        }
        Err(error) => {
            Ui::of_process(&Settings::bare(Surroundings::nowhere())).error(&error);
            error.exit()
        }
    }
}

/// One command line in these surroundings: what `main` does, and what the demonstration does for
/// each of its steps.
pub async fn invoke(words: Vec<OsString>, around: Surroundings, interrupt: &Interrupt) -> Exit {
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, around),
    };
    let settings = match Settings::resolve(&cli.global, around.clone()) {
        Ok(settings) => settings,
        Err(error) => {
            Ui::of_process(&Settings::bare(around)).error(&error);
            return error.exit();
        }
    };
    let ui = Ui::of_process(&settings);
    // Between two commands of the demonstration nothing runs that could be finished first.
    if interrupt.is_requested() {
        return Exit::Interrupted;
    }
    match dispatch(cli.command, &ui) {
        Ok(exit) => exit,
        Err(error) => {
            ui.error(&error);
            error.exit()
        }
    }
}

/// Help and version are answers; everything else that clap says is a usage error.
fn usage(error: &clap::Error, around: Surroundings) -> Exit {
    let ui = Ui::of_process(&Settings::bare(around));
    let rendered = error.render();
    if error.use_stderr() {
        ui.raw_error(&rendered.to_string());
        return Exit::Usage;
    }
    match ui.answer(rendered) {
        Ok(()) => Exit::Done,
        Err(error) => {
            ui.error(&error);
            error.exit()
        }
    }
}

fn dispatch(command: Command, ui: &Ui) -> Result<Exit, CliError> {
    match command {
        Command::Completions(args) => completions(ui, &args),
        Command::Init(_)
        | Command::Plan(_)
        | Command::Show(_)
        | Command::Apply(_)
        | Command::Undo(_)
        | Command::History(_)
        | Command::Status
        | Command::Download(_)
        | Command::Snapshot(_)
        | Command::Policy(_)
        | Command::Db(_)
        | Command::Login(_)
        | Command::Logout
        | Command::Whoami
        | Command::Tidal(_)
        | Command::Trash(_)
        | Command::Schema(_)
        | Command::Demo(_) => Err(CliError::message(
            Kind::Bug,
            "this command has no engine yet",
        )),
    }
}

fn completions(ui: &Ui, args: &CompletionsArgs) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut Cli::command(),
        "tidal-cleanup",
        &mut script,
    );
    ui.answer(String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
