//! The library and what is known of it: taking over, deciding, lists, readings, the state database.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{
    super::{complete, select::PlaylistSelector},
    Consent, PlanInputs,
};

#[derive(Clone, Debug, Default, Args)]
pub struct InitArgs {
    /// The library folder; it gets a small marker, `.tidal-cleanup/library.toml`
    #[arg(long, value_name = "DIR")]
    pub library: Option<PathBuf>,
    /// What downloads become: kept as they are, or converted
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub format: Option<LibraryFormat>,
    /// Which playlists: names or patterns; may be repeated [default: all]
    #[arg(long = "playlists", value_name = "GLOB")]
    pub playlists: Vec<String>,
    /// Read TIDAL from this saved reading instead of the service
    #[arg(long, value_name = "FILE")]
    pub snapshot: Option<PathBuf>,
    /// What fetches a track: `tiddl`, `tidal-dl-ng`, a command line with {url} or {id} and {dir}, or `none`
    #[arg(long, value_name = "COMMAND")]
    pub download: Option<String>,
    /// Leave Rekordbox alone
    #[arg(long, conflicts_with = "rekordbox")]
    pub no_rekordbox: bool,
    /// Log in to TIDAL
    #[arg(long, conflicts_with = "no_login")]
    pub login: bool,
    /// Don't log in to TIDAL now
    #[arg(long)]
    pub no_login: bool,
    /// Match the files that lie in the library with the playlists
    #[arg(long, conflicts_with = "no_import")]
    pub import: bool,
    /// Don't match files now
    #[arg(long)]
    pub no_import: bool,
    /// Take over what the Python tool knows: its folder, or its sync.db
    #[arg(long, value_name = "PATH", conflicts_with = "no_import")]
    pub from_peer: Option<PathBuf>,
    /// Don't show a first plan
    #[arg(long)]
    pub no_plan: bool,
    /// Don't ask: what no flag says is the default, and nobody is logged in or taken over
    #[arg(short, long)]
    pub yes: bool,
}

impl InitArgs {
    /// Whether a flag says what stands in a policy.
    #[must_use]
    pub fn is_about_the_policy(&self) -> bool {
        self.format.is_some()
            || !self.playlists.is_empty()
            || self.snapshot.is_some()
            || self.download.is_some()
            || self.no_rekordbox
            || self.from_peer.is_some()
    }
}

/// `[library] format`: what downloads become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LibraryFormat {
    Keep,
    Mp3,
    M4a,
    Flac,
    Wav,
    Aiff,
}

impl LibraryFormat {
    /// The word in the policy.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Mp3 => "mp3",
            Self::M4a => "m4a",
            Self::Flac => "flac",
            Self::Wav => "wav",
            Self::Aiff => "aiff",
        }
    }
}

#[derive(Clone, Debug, Default, Args)]
pub struct ImportArgs {
    #[command(flatten)]
    pub inputs: PlanInputs,
    /// Make files of the library ours to manage, where their path fits this pattern; may be repeated
    /// [default pattern: all]
    #[arg(long, value_name = "GLOB", num_args = 0..=1, default_missing_value = "*")]
    pub adopt: Vec<String>,
    /// Read what the Python tool knows, too: its folder, or its sync.db
    #[arg(long, value_name = "PATH")]
    pub from_peer: Option<PathBuf>,
    /// Save the plan [default: plan.json, unless the answer is JSON]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Args)]
pub struct DecideArgs {
    /// A saved plan, and answers: a question's id (or its beginning) followed by the key of an option,
    /// `none`, or `defer` to be asked again
    #[arg(value_name = "PLAN | ID KEY")]
    pub words: Vec<String>,
    /// The same as `ID KEY`; may be repeated
    #[arg(long, value_name = "ID=KEY")]
    pub answer: Vec<String>,
    /// Answer every open question with the likeliest file, with none, or not at all
    #[arg(long, value_name = "HOW", value_enum)]
    pub all: Option<AnswerAll>,
    #[command(flatten)]
    pub inputs: PlanInputs,
}

/// One answer for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AnswerAll {
    Best,
    None,
    Defer,
}

#[derive(Clone, Debug, Default, Args)]
pub struct ReportArgs {
    /// Write one page for a browser, with charts; it needs nothing from outside
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub inputs: PlanInputs,
}

#[derive(Clone, Debug, Default, Args)]
pub struct LibraryArgs {
    /// Only this list [default: all three]
    #[arg(value_enum)]
    pub list: Option<ShelfList>,
    #[command(flatten)]
    pub inputs: PlanInputs,
}

/// A list of the shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShelfList {
    Duplicates,
    Orphans,
    Missing,
}

#[derive(Clone, Debug, Args)]
pub struct HistoryArgs {
    /// Everything that this apply did
    #[arg(value_name = "APPLY", value_parser = clap::value_parser!(i64).range(1..), add = complete::applies())]
    pub apply: Option<i64>,
    /// The plan of that apply, as it was carried out; with --json a plan.json
    #[arg(long, requires = "apply", conflicts_with_all = ["playlist", "track"])]
    pub plan: bool,
    /// Only what concerned this playlist, by name or TIDAL uuid
    #[arg(long, value_name = "P", add = complete::playlists())]
    pub playlist: Option<PlaylistSelector>,
    /// Only what concerned this track, by TIDAL id or a part of its label
    #[arg(long, value_name = "T")]
    pub track: Option<String>,
    /// At most so many, newest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
}

#[derive(Clone, Debug, Args)]
pub struct SnapshotArgs {
    /// What to read
    #[arg(value_enum)]
    pub world: World,
    /// Where to write it [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// observed: learn the SHA-256 of every file, so that any policy can be planned from it
    #[arg(long)]
    pub hashes: bool,
    /// observed: ids instead of names
    #[arg(long)]
    pub redact: bool,
    /// TIDAL: the favourite tracks too
    #[arg(long)]
    pub favorites: bool,
}

/// An outside world that can be read: the account's playlists, the library folder, the collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum World {
    Tidal,
    Local,
    Rekordbox,
    /// Files, Rekordbox and state together, without absolute paths.
    Observed,
}

#[derive(Clone, Debug, Subcommand)]
pub enum DbCommand {
    /// Create the state database and mark the library
    #[command(after_help = "Examples:\n  tidal-cleanup db init\n  \
                      tidal-cleanup db init --from sqlite   move this machine's state to the server")]
    Init {
        /// Move the state that this machine had until now to the server that
        /// `TIDAL_CLEANUP_DATABASE_URL` or `[state] url` names, and compare every row
        #[arg(long, value_name = "WHAT", value_enum)]
        from: Option<MovedFrom>,
    },
    /// Save the whole state in a file, for another database or computer
    #[command(after_help = "Example:\n  tidal-cleanup db export state.jsonl\n\n\
                      One line a row, with a SHA-256 of each table. Music and Rekordbox are not in it.")]
    Export {
        /// The file to write
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Take a saved state into an empty database, and compare every row
    #[command(after_help = "Example:\n  tidal-cleanup db import state.jsonl\n\n\
                      All of it arrives or nothing: after an interruption, type the same again.")]
    Import {
        /// A file that `db export` wrote
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// How long to wait for another run to end
        #[arg(long, value_name = "TIME", default_value = "30s", value_parser = super::plan::duration)]
        lock_timeout: std::time::Duration,
    },
    /// What the state database knows
    #[command(after_help = "Example:\n  tidal-cleanup db status")]
    Status,
    /// Check the state database's integrity
    #[command(
        after_help = "Examples:\n  tidal-cleanup db check\n  tidal-cleanup db check --hashes"
    )]
    Check {
        /// Also read every audio file anew, and name those whose content changed although their size
        /// and times did not; what has no hash yet gets one
        #[arg(long)]
        hashes: bool,
    },
    /// Back the state database up
    #[command(after_help = "Example:\n  tidal-cleanup db backup")]
    Backup,
    /// Go back to a backup; shows first what that would lose, and saves the present state
    #[command(
        after_help = "Examples:\n  tidal-cleanup db restore              the newest backup\n  \
                      tidal-cleanup db restore sync-20261122T094012\n\n\
                      Files and Rekordbox stay as they are; what is forgotten is what applies since then did."
    )]
    Restore(StateRestoreArgs),
    /// Which playlists have changes, and what to do about them
    #[command(after_help = "Example:\n  tidal-cleanup db sync --check   exit 2: changes pending")]
    Sync {
        /// Only look: exit 2 when changes are pending
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        inputs: PlanInputs,
        #[command(flatten)]
        consent: Consent,
    },
    /// Compare the library's files with the state database
    #[command(after_help = "Example:\n  tidal-cleanup db reconcile --json")]
    Reconcile,
    /// Everything about one playlist
    #[command(after_help = "Example:\n  tidal-cleanup db inspect --playlist \"House Italo R 🇮🇹\"")]
    Inspect {
        /// Which, by name or TIDAL uuid
        #[arg(long, value_name = "NAME", add = complete::playlists())]
        playlist: PlaylistSelector,
    },
}

/// Where a state was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MovedFrom {
    Sqlite,
}

#[derive(Clone, Debug, Args)]
pub struct StateRestoreArgs {
    /// Which: a file, or the beginning of a name in the backup folder [default: the newest]
    #[arg(value_name = "FILE")]
    pub file: Option<String>,
    /// Don't ask
    #[arg(short, long)]
    pub yes: bool,
    /// Only show what it would lose
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Restore although this apply is unfinished, whose journal would go: `unfinished=12`
    #[arg(long, value_name = "WHAT=N", requires = "because")]
    pub allow: Option<Abandoned>,
    /// Why; is told with what was restored
    #[arg(long, value_name = "TEXT", requires = "allow", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub because: Option<String>,
    /// How long to wait for another run to end
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = super::plan::duration)]
    pub lock_timeout: std::time::Duration,
}

/// An unfinished apply, by its number, that nobody is going to resume or undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abandoned(pub i64);

impl std::str::FromStr for Abandoned {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text
            .strip_prefix("unfinished=")
            .ok_or("write it as unfinished= and the number of the apply")?;
        number
            .trim()
            .parse()
            .map(Self)
            .map_err(|_| format!("{number:?} is not the number of an apply"))
    }
}
