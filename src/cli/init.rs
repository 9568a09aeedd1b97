//! `init`: finds what is there, asks, shows what will be made, and writes a short policy.
//!
//! Nothing is created before the last yes. The marker of the library and the state database are made
//! by the caller, after [`write()`]; so are the log-in and the first plan.

mod ask;
mod find;
mod text;

use std::path::{Path, PathBuf};

use super::{
    args::{InitArgs, LibraryFormat},
    error::{CliError, Kind},
    settings::{POLICY_FILE, Settings},
    ui::Ui,
};
pub use find::{Found, Rekordbox, audio_files, look_around};
pub use text::{PRESETS, Preset, policy_text};

/// What `init` will make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The policy and its text; `None` when there is one already, which is left as it is.
    pub policy: Option<(PathBuf, String)>,
    /// The library folder; made if it is not there. Absolute.
    pub library: PathBuf,
    /// What comes afterwards.
    pub then: Then,
}

/// What happens after the policy is written, as far as it can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Then {
    /// Log in to TIDAL, with this client id where one was typed.
    pub log_in: Option<Option<String>>,
    /// Take over what lies in the library.
    pub import: bool,
    /// Take over what the Python tool in this folder knows, too.
    pub peer: Option<PathBuf>,
    /// Make a first plan.
    pub plan: bool,
    /// Nobody is logged in, and nothing else is there to plan from.
    pub log_in_first: bool,
}

/// What was answered, or is the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Absolute.
    pub library: PathBuf,
    pub format: LibraryFormat,
    /// Patterns.
    pub playlists: Vec<String>,
    /// A saved reading instead of the service; absolute.
    pub snapshot: Option<PathBuf>,
    /// The download command; `None`: none.
    pub download: Option<Vec<String>>,
    /// `None`: Rekordbox is left alone. `Some(None)`: it is looked for at every run.
    pub rekordbox: Option<Option<PathBuf>>,
    pub then: Then,
}

/// Finds out what to make, and asks. `library_of_policy` is the root that an existing policy names.
///
/// # Errors
/// [`Kind::Declined`] when the person says no; when a folder is named that an existing policy
/// contradicts.
pub async fn propose(
    ui: &Ui,
    settings: &Settings,
    args: &InitArgs,
    library_of_policy: Option<&Path>,
) -> Result<Proposal, CliError> {
    let proposal = match library_of_policy {
        Some(root) => existing(settings, args, root)?,
        None => new(ui, settings, args).await?,
    };
    ui.status(describe(&proposal, settings));
    if args.yes {
        return Ok(proposal);
    }
    if !ui.can_ask() {
        return Err(CliError::message(
            Kind::Declined,
            "nobody was there to ask, so nothing was made",
        )
        .hint("`--yes` agrees to it"));
    }
    match ui.confirm("Go ahead? [y/N]", "y")? {
        true => Ok(proposal),
        false => Err(CliError::declined()),
    }
}

fn existing(settings: &Settings, args: &InitArgs, root: &Path) -> Result<Proposal, CliError> {
    let named = args
        .library
        .as_deref()
        .map(|path| settings.around.absolute(path));
    if let Some(named) = named.filter(|named| named != root) {
        return Err(CliError::user(format!(
            "the policy says that the library is {}, not {}",
            root.display(),
            named.display()
        ))
        .hint("change `[library] root` in the policy, or leave out `--library`"));
    }
    if args.is_about_the_policy() {
        return Err(
            CliError::user("there is a policy already, and it is yours to edit")
                .hint("change it there, or start another with `--policy FILE`"),
        );
    }
    Ok(Proposal {
        policy: None,
        library: root.to_owned(),
        then: Then::default(),
    })
}

async fn new(ui: &Ui, settings: &Settings, args: &InitArgs) -> Result<Proposal, CliError> {
    let found = look_around(settings, args.from_peer.as_deref()).await;
    let answers = ask::ask(ui, settings, args, &found)?;
    let language = match &answers.then.peer {
        Some(_) => language(&found, ui),
        None => String::new(),
    };
    let text = policy_text(&answers, settings, &language);
    Ok(Proposal {
        policy: Some((policy_to_write(settings), text)),
        library: answers.library,
        then: answers.then,
    })
}

/// The Python tool's emoji language, as tables of a policy; empty where there is none that can be read.
fn language(found: &Found, ui: &Ui) -> String {
    let Some(path) = &found.mapping else {
        return String::new();
    };
    let text = std::fs::read_to_string(path).unwrap_or_default();
    match crate::policy::import::import(&[&text]) {
        Ok(imported) => {
            for note in &imported.notes {
                ui.warning(note);
            }
            imported.toml
        }
        Err(error) => {
            ui.warning(format!("{} was left out: {error}", path.display()));
            String::new()
        }
    }
}

fn policy_to_write(settings: &Settings) -> PathBuf {
    let here = settings.around.cwd.join(POLICY_FILE);
    settings.policy.clone().unwrap_or(here)
}

fn describe(proposal: &Proposal, settings: &Settings) -> String {
    let home = settings.around.home.as_deref();
    let shown = |path: &Path| text::shorten(path, home);
    let mut lines = vec!["This will be made:".to_owned()];
    if let Some((policy, _)) = &proposal.policy {
        lines.push(format!("  + {}  the policy: yours to edit", shown(policy)));
    }
    if !proposal.library.is_dir() {
        lines.push(format!(
            "  + {}  the library folder",
            shown(&proposal.library)
        ));
    }
    let marker = proposal.library.join(".tidal-cleanup/library.toml");
    lines.push(format!("  + {}  its marker", shown(&marker)));
    let then = &proposal.then;
    let next = [
        (then.log_in.is_some(), "log in to TIDAL"),
        (
            then.import,
            "match the files that are there; none is changed",
        ),
        (
            then.plan,
            "show a first plan, which only adds; nothing of it is done",
        ),
    ];
    let next = next.into_iter().filter(|(wanted, _)| *wanted);
    lines.extend(next.map(|(_, what)| format!("  then {what}")));
    lines.join("\n")
}

/// Makes the folder and writes the policy.
///
/// # Errors
/// When they cannot be written; an existing policy is never overwritten.
pub fn write(proposal: &Proposal) -> Result<(), CliError> {
    let library = &proposal.library;
    std::fs::create_dir_all(library).map_err(|error| CliError::file("make", library, error))?;
    let Some((policy, text)) = &proposal.policy else {
        return Ok(());
    };
    if let Some(folder) = policy.parent() {
        std::fs::create_dir_all(folder).map_err(|error| CliError::file("make", folder, error))?;
    }
    let failed = |error| CliError::file("write", policy, error);
    let mut file = std::fs::File::create_new(policy).map_err(failed)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)
}

#[cfg(test)]
mod tests;
