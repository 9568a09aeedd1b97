//! What a shell asks for while somebody types: playlists, applies, backups, as the state knows them.
//!
//! The shell runs the program with `TIDAL_CLEANUP_COMPLETE` set; see [`answer_shell`]. An answer is quick and says
//! nothing on its own: where something cannot be read there are no suggestions.

use std::{ffi::OsStr, time::Duration};

use clap::CommandFactory as _;
use clap_complete::{CompleteEnv, CompletionCandidate, engine::ArgValueCompleter, env::Shells};

use super::{
    args::{Cli, Global, Shell},
    error::Exit,
    server,
    settings::{Settings, Surroundings},
    view::Look,
};
use crate::{
    edge::{
        rekordbox::MasterDb,
        store::{SqliteStore, StateReader as _, Store, StoreOptions},
    },
    policy::Policy,
};

/// Set by the scripts of `completions`, to the name of the shell.
const VARIABLE: &str = "TIDAL_CLEANUP_COMPLETE";
/// Nobody waits longer for a suggestion.
const PATIENCE: Duration = Duration::from_millis(800);

/// Answers a shell that asks, and says how to exit then; `None` when no shell asks.
#[must_use]
pub fn answer_shell() -> Option<Exit> {
    std::env::var_os(VARIABLE)?;
    let asked = CompleteEnv::with_factory(Cli::command)
        .var(VARIABLE)
        .try_complete(std::env::args_os(), std::env::current_dir().ok().as_deref());
    match asked {
        Ok(true) => Some(Exit::Done),
        Ok(false) => None,
        Err(error) => {
            let _ = error.print();
            Some(Exit::Usage)
        }
    }
}

/// The script that makes a shell ask.
///
/// # Errors
/// When there is none for it.
pub fn script(shell: Shell) -> std::io::Result<String> {
    let mut script = Vec::new();
    let known = Shells::builtins();
    let name = shell.name();
    let shell = known
        .completer(name)
        .ok_or(std::io::ErrorKind::Unsupported)?;
    shell.write_registration(
        VARIABLE,
        "tidal-cleanup",
        "tidal-cleanup",
        "tidal-cleanup",
        &mut script,
    )?;
    let script = String::from_utf8_lossy(&script).into_owned();
    Ok(match name {
        // What has blanks, quotes or `$` in it is quoted by bash where it counts as a file's name.
        "bash" => script.replace("complete -o nospace", "complete -o filenames -o nospace"),
        _ => script,
    })
}

/// Names of playlists.
pub fn playlists() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let names = look(async |store, _| store.playlist_names().await.ok());
        suggest(typed, names.into_iter().flatten().map(|name| (name, None)))
    })
}

/// Numbers of applies, with what each was.
pub fn applies() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let applies = look(async |store, _| store.applies().await.ok());
        let zone = jiff::tz::TimeZone::system();
        let time = Look {
            zone,
            ..Look::plain()
        };
        let rows = applies.into_iter().flatten().map(|row| {
            let about = format!("{} {}", time.time(row.started_at), row.status.as_str());
            (row.id.to_string(), Some(about))
        });
        suggest(typed, rows)
    })
}

/// Names of backups of Rekordbox's database.
pub fn rekordbox_backups() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let names = known().and_then(|(settings, policy, db)| {
            let super::engine::Located::At(path, _) =
                super::engine::locate_rekordbox(policy.as_ref(), &settings).ok()?
            else {
                return None;
            };
            let options = super::engine::rekordbox_options(&settings, &db, policy.as_ref());
            let library = MasterDb::open(&path, options).ok()?;
            Some(library.backup_list())
        });
        let names = names
            .into_iter()
            .flatten()
            .map(|backup| (backup.name, None));
        suggest(typed, names)
    })
}

/// Those that begin with what is typed; case is not looked at.
fn suggest(
    typed: &OsStr,
    of: impl Iterator<Item = (String, Option<String>)>,
) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy().to_lowercase();
    let typed = typed.trim_start_matches(['"', '\'']);
    of.filter(|(value, _)| value.to_lowercase().starts_with(typed))
        .map(|(value, about)| CompletionCandidate::new(value).help(about.map(Into::into)))
        .collect()
}

/// The settings, the policy where it can be read, and where the state lies. What stands earlier on the
/// command line is not known here; the environment is.
fn known() -> Option<(Settings, Option<Policy>, std::path::PathBuf)> {
    let around = Surroundings::of_process().ok()?;
    let settings = Settings::resolve(&Global::default(), around).ok()?;
    let path = settings.policy_path().ok();
    let lookup = |name: &str| settings.around.variable(name);
    let policy = path.and_then(|path| Policy::load(&path, &lookup, settings.home()).ok());
    let policy = policy.map(|loaded| loaded.policy);
    let db = settings.place(policy.as_ref()).ok()?.db;
    Some((settings, policy, db))
}

/// Asks the state, if it answers in time.
fn look<T>(ask: impl AsyncFnOnce(&Store, &Settings) -> Option<T>) -> Option<T> {
    let (settings, policy, db) = known()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let asked = async {
        let store = match server::address(&settings, policy.as_ref()) {
            Some(url) => server::open(&settings, &db, &url, server::Whose::Marked(None))
                .await
                .ok()?,
            None => {
                let options = StoreOptions::new(settings.backups(&db), jiff::Timestamp::now());
                Store::from(SqliteStore::open_to_read(&db, &options).await.ok()?)
            }
        };
        let answer = ask(&store, &settings).await;
        store.close().await;
        answer
    };
    let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE, asked).await.ok() });
    runtime.shutdown_background();
    answer.flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_has_a_script_that_asks_the_program() {
        for shell in <Shell as clap::ValueEnum>::value_variants() {
            let script = script(*shell).unwrap();
            assert!(script.contains(VARIABLE), "{script}");
            assert!(script.contains("tidal-cleanup"), "{script}");
        }
    }

    #[test]
    fn what_is_typed_narrows() {
        let names = ["House", "house 2", "Techno"].map(|name| (name.to_owned(), None));
        let found = |typed: &str| suggest(OsStr::new(typed), names.clone().into_iter()).len();
        assert_eq!(
            (found(""), found("HOU"), found("\"hou"), found("x")),
            (3, 2, 2, 0)
        );
    }
}
