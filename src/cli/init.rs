//! `init`: asks for the library folder, shows what will be made, and writes a short policy.
//!
//! Nothing is created before the last yes. The marker of the library and the state database are made
//! by the caller, after [`write()`].

use std::path::{Path, PathBuf};

use super::{
    args::InitArgs,
    error::{CliError, Kind},
    settings::{POLICY_FILE, Settings},
    ui::Ui,
};

/// What `init` will make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The policy; `None` when there is one already, which is left as it is.
    pub policy: Option<PathBuf>,
    /// The library folder; made if it is not there. Absolute.
    pub library: PathBuf,
}

/// The library folder that is proposed.
const DEFAULT_LIBRARY: &str = "~/Music/Tidal";

/// Finds out what to make, and asks. `library_of_policy` is the root that an existing policy names.
///
/// # Errors
/// [`Kind::Declined`] when the person says no; when a folder is named that an existing policy
/// contradicts.
pub fn propose(
    ui: &Ui,
    settings: &Settings,
    args: &InitArgs,
    library_of_policy: Option<&Path>,
) -> Result<Proposal, CliError> {
    let proposal = match library_of_policy {
        Some(root) => existing(settings, args, root)?,
        None => Proposal {
            policy: Some(policy_to_write(settings)),
            library: library(ui, settings, args)?,
        },
    };
    ui.status(describe(&proposal));
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
    match named {
        Some(named) if named != root => Err(CliError::user(format!(
            "the policy says that the library is {}, not {}",
            root.display(),
            named.display()
        ))
        .hint("change `[library] root` in the policy, or leave out `--library`")),
        _ => Ok(Proposal {
            policy: None,
            library: root.to_owned(),
        }),
    }
}

fn policy_to_write(settings: &Settings) -> PathBuf {
    let here = settings.around.cwd.join(POLICY_FILE);
    settings.policy.clone().unwrap_or(here)
}

fn library(ui: &Ui, settings: &Settings, args: &InitArgs) -> Result<PathBuf, CliError> {
    let named = match &args.library {
        Some(named) => named.clone(),
        None if args.yes => PathBuf::from(DEFAULT_LIBRARY),
        None => {
            let question = format!("Where shall the music from TIDAL live? [{DEFAULT_LIBRARY}]");
            let answer = ui.ask(&question)?.unwrap_or_default();
            match answer.trim() {
                "" => PathBuf::from(DEFAULT_LIBRARY),
                named => PathBuf::from(named),
            }
        }
    };
    let path = settings.around.absolute(&named);
    match path.exists() && !path.is_dir() {
        true => Err(CliError::user(format!(
            "{} is not a folder",
            path.display()
        ))),
        false => Ok(path),
    }
}

fn describe(proposal: &Proposal) -> String {
    let mut lines = vec!["This will be made:".to_owned()];
    if let Some(policy) = &proposal.policy {
        lines.push(format!(
            "  + {}  the policy: yours to edit",
            policy.display()
        ));
    }
    if !proposal.library.is_dir() {
        lines.push(format!(
            "  + {}  the library folder",
            proposal.library.display()
        ));
    }
    let marker = proposal.library.join(".tidal-cleanup/library.toml");
    lines.push(format!("  + {}  its marker", marker.display()));
    lines.join("\n")
}

/// Makes the folder and writes the policy.
///
/// # Errors
/// When they cannot be written; an existing policy is never overwritten.
pub fn write(proposal: &Proposal, settings: &Settings) -> Result<(), CliError> {
    let library = &proposal.library;
    std::fs::create_dir_all(library).map_err(|error| CliError::file("make", library, error))?;
    let Some(policy) = &proposal.policy else {
        return Ok(());
    };
    if let Some(folder) = policy.parent() {
        std::fs::create_dir_all(folder).map_err(|error| CliError::file("make", folder, error))?;
    }
    let text = policy_text(&shorten(library, settings.around.home.as_deref()));
    let failed = |error| CliError::file("write", policy, error);
    let mut file = std::fs::File::create_new(policy).map_err(failed)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)
}

/// `~/Music/Tidal` where it is below the home folder: a policy without a user's name can be shared.
fn shorten(path: &Path, home: Option<&Path>) -> String {
    match home.and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

/// A short, commented policy.
#[must_use]
pub fn policy_text(root: &str) -> String {
    let root = toml::Value::String(root.to_owned());
    format!(
        r#"# The policy of tidal-cleanup: what your library should look like. `tidal-cleanup policy check`
# finds slips, `tidal-cleanup plan` shows what would happen; nothing changes before `apply`.
version = 1

[library]
root   = {root}  # every managed playlist gets a folder in Playlists/ here
format = "keep"  # keep what is downloaded, or: mp3, m4a, flac, wav, aiff

[tidal]
playlists = ["*"]  # which playlists: patterns on names, or ids
exclude   = ["Daily *"]

[download]
command = "none"  # such as ["your-downloader", "{{url}}", "--output", "{{dir}}"]; "none": new tracks wait

[rekordbox]
database = "auto"   # auto | a path | "none"
folder   = "TIDAL"  # our playlists live below this folder
relocate = false    # true once you have checked that cues follow a file that moves: README, “Files that move”

[defaults]
playlist_removed = "soft-delete"  # gone from TIDAL: soft-delete | archive | remove
track_removed    = "keep-file"    # in no playlist any more: keep-file | trash

# What is never done, whatever the rest says.
[[protect]]
name = "cues"
when = {{ rekordbox.cues = ">=1" }}
deny = ["trash", "remove"]
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{
        args::Global,
        settings::{Surroundings, Verbosity},
        ui::recorded,
    };

    fn settings(home: &Path) -> Settings {
        let around = Surroundings {
            home: Some(home.to_owned()),
            cwd: home.to_owned(),
            env: |_| None,
        };
        Settings::resolve(&Global::default(), around).unwrap()
    }

    fn args(library: Option<&str>, yes: bool) -> InitArgs {
        InitArgs {
            library: library.map(PathBuf::from),
            yes,
        }
    }

    #[test]
    fn the_default_is_one_key_away() {
        let home = tempfile::tempdir().unwrap();
        let settings = settings(home.path());
        let (ui, seen) = recorded::ui(Verbosity::Normal, false, &["", "y"]);
        let proposal = propose(&ui, &settings, &args(None, false), None).unwrap();
        assert_eq!(proposal.library, home.path().join("Music/Tidal"));
        let shown = seen.err().replace(&home.path().display().to_string(), "~");
        insta::assert_snapshot!(shown, @"
        Where shall the music from TIDAL live? [~/Music/Tidal]: 
        This will be made:
          + ~/tidal-cleanup.toml  the policy: yours to edit
          + ~/Music/Tidal  the library folder
          + ~/Music/Tidal/.tidal-cleanup/library.toml  its marker
        Go ahead? [y/N]: y
        ");
        assert!(
            !proposal.library.exists(),
            "nothing is made before the last yes"
        );
        write(&proposal, &settings).unwrap();
        let policy = std::fs::read_to_string(home.path().join(POLICY_FILE)).unwrap();
        assert!(policy.contains("root   = \"~/Music/Tidal\""), "{policy}");
        assert!(
            write(&proposal, &settings).is_err(),
            "a policy is never overwritten"
        );
    }

    #[test]
    fn no_means_nothing() {
        let home = tempfile::tempdir().unwrap();
        for answers in [&["", "n"][..], &[]] {
            let (ui, _) = recorded::ui(Verbosity::Normal, false, answers);
            let error = propose(&ui, &settings(home.path()), &args(None, false), None).unwrap_err();
            assert_eq!(error.exit().code(), 9);
        }
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_existing_policy_wins() {
        let home = tempfile::tempdir().unwrap();
        let settings = settings(home.path());
        let (ui, _) = recorded::ui(Verbosity::Quiet, false, &[]);
        let root = home.path().join("music");
        let proposal = propose(&ui, &settings, &args(None, true), Some(&root)).unwrap();
        assert_eq!(
            proposal,
            Proposal {
                policy: None,
                library: root.clone()
            }
        );
        assert!(propose(&ui, &settings, &args(Some("other"), true), Some(&root)).is_err());
    }

    #[test]
    fn the_policy_is_toml_whatever_the_folder_is_called() {
        for root in ["~/Music", "C:\\Music \"2\"", "/m/üñï"] {
            let policy: toml::Table = policy_text(root).parse().unwrap();
            assert_eq!(policy["library"]["root"].as_str(), Some(root));
            assert_eq!(policy["download"]["command"].as_str(), Some("none"));
        }
    }
}
