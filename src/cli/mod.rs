//! The face: the command line, what a person sees, and what they are asked.

pub mod approvals;
pub mod args;
pub mod settings;
pub mod select;
pub mod telling;
pub mod server;
pub mod consent;
pub mod choice;
pub mod complete;
pub mod commit;
pub mod decisions;
pub mod observed;
pub mod plan;
pub mod pending;
pub mod init;
pub mod demo;
pub mod doctor;
pub mod downloads;
pub mod readings;
pub mod report;
pub mod engine;
pub mod command;
pub mod ui;
pub mod interrupt;
pub mod leave;
pub mod log;
pub mod view;
pub mod watch;
pub mod error;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser as _};
use tracing_subscriber::{
    Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use args::{Cli, Command, CompletionsArgs, ManArgs, TidalCommand};
use error::{CliError, Exit, Kind};
use interrupt::Interrupt;
use log::LogFile;
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

/// Says that the system gives the program nothing to run on.
#[must_use]
pub fn without_runtime(error: std::io::Error) -> Exit {
    let error = CliError::new(Kind::World, error).context("could not start any thread");
    Ui::of_process(&Settings::bare(Surroundings::nowhere())).error(&error);
    error.exit()
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
    let mut ui = Ui::of_process(&settings);
    if let Some(path) = &settings.log_file {
        match LogFile::open(path) {
            Ok(log) => ui.log_to(log),
            Err(error) => {
                let error = CliError::file("write the log", path, error);
                ui.error(&error);
                return error.exit();
            }
        }
    }
    let ui = ui;
    let typed = words
        .iter()
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ");
    ui.log("begin", &typed);
    if settings.log_sql {
        // A second command of the same process (the demonstration's) finds it set up.
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(std::io::stderr);
        let sql = Targets::new().with_target("sqlx", tracing::Level::DEBUG);
        let _ = tracing_subscriber::registry()
            .with(lines.with_filter(sql))
            .try_init();
    }
    // Between two commands of the demonstration nothing runs that could be finished first.
    if interrupt.is_requested() {
        return Exit::Interrupted;
    }
    let exit = match dispatch(cli.command, &settings, &ui, interrupt).await {
        Ok(exit) => exit,
        Err(error) => {
            ui.error(&error);
            error.exit()
        }
    };
    ui.log("end", &format!("exit {}", exit.code()));
    exit
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

async fn dispatch(
    command: Command,
    settings: &Settings,
    ui: &Ui,
    interrupt: &Interrupt,
) -> Result<Exit, CliError> {
    match command {
        Command::Init(args) => command::init::init(settings, ui, &args).await,
        Command::Plan(args) => command::plan::plan(settings, ui, &args).await,
        Command::Show(args) => command::plan::show(settings, ui, &args).await,
        Command::Apply(args) => {
            let ended = command::apply::apply(settings, ui, interrupt, &args).await;
            telling::exit(ui, ended)
        }
        Command::Undo(args) => {
            let ended = command::undo::undo(settings, ui, interrupt, &args).await;
            telling::exit(ui, ended)
        }
        Command::Redo(args) => {
            let ended = command::undo::redo(settings, ui, interrupt, &args).await;
            telling::exit(ui, ended)
        }
        Command::Review(args) => command::review::review(settings, ui, &args),
        Command::Approve(args) => command::review::approve(settings, ui, &args).await,
        Command::History(args) => command::look::history(settings, ui, &args).await,
        Command::Status => command::look::status(settings, ui).await,
        Command::Doctor => command::doctor::doctor(settings, ui).await,
        Command::Download(args) => {
            let ended = command::apply::download(settings, ui, interrupt, &args).await;
            telling::exit(ui, ended)
        }
        Command::Watch(args) => {
            let ended = watch::watch(settings, ui, interrupt, &args).await;
            telling::exit(ui, ended)
        }
        Command::Snapshot(args) => command::snapshot::snapshot(settings, ui, &args).await,
        Command::Decide(args) => command::decide::decide(settings, ui, &args).await,
        Command::Import(args) => command::import::import(settings, ui, &args).await,
        Command::Library(args) => command::library::library(settings, ui, &args).await,
        Command::Report(args) => command::report::run(settings, ui, &args).await,
        Command::Policy(what) => command::policy::policy(settings, ui, &what).await,
        Command::Freeze(args) => command::freeze::freeze(settings, ui, &args),
        Command::Schema(args) => command::schema::schema(ui, &args),
        Command::Db(what) => command::db::db(settings, ui, interrupt, &what).await,
        Command::Login(args) => command::account::log_in(settings, ui, &args).await,
        Command::Logout => command::account::log_out(settings, ui),
        Command::Whoami => command::account::who_am_i(settings, ui).await,
        Command::Tidal(TidalCommand::Lists) => command::tidal::lists(settings, ui).await,
        Command::Rekordbox(what) => command::rekordbox::rekordbox(settings, ui, &what).await,
        Command::Trash(what) => command::trash::trash(settings, ui, interrupt, &what).await,
        Command::Config(what) => command::config::config(settings, ui, &what),
        Command::Completions(args) => completions(ui, &args),
        Command::Man(args) => man(settings, ui, &args),
        Command::Demo(args) => {
            let collection = command::demo::collection;
            Box::pin(demo::run(ui, settings, interrupt, &args, collection)).await
        }
    }
}

fn completions(ui: &Ui, args: &CompletionsArgs) -> Result<Exit, CliError> {
    let script = complete::script(args.shell)
        .map_err(|error| CliError::new(Kind::Bug, error).context("could not write the script"))?;
    ui.answer(script)?;
    Ok(Exit::Done)
}

/// `man`: the pages are made of the same definitions as `--help`.
fn man(settings: &Settings, ui: &Ui, args: &ManArgs) -> Result<Exit, CliError> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command())
            .render(&mut page)
            .map_err(|error| CliError::new(Kind::Bug, error).context("could not write the page"))?;
        ui.answer(String::from_utf8_lossy(&page))?;
        return Ok(Exit::Done);
    };
    let dir = settings.around.absolute(dir);
    let failed = |error| CliError::file("write pages into", &dir, error);
    std::fs::create_dir_all(&dir).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), &dir).map_err(failed)?;
    ui.status(format!("Wrote the pages into {}.", dir.display()));
    Ok(Exit::Done)
}
