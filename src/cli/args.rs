//! The command line: what can be typed, and what each word means. Text becomes types here.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::select::PlaylistSelector;
use crate::plan::guard::Allowable;

/// Everything that was typed.
#[derive(Debug, Parser)]
#[command(
    name = "tidal-cleanup",
    version,
    about = "Plan and apply for a DJ's music library: TIDAL playlists become local files and Rekordbox \
             playlists.\nNothing changes before you have seen it: `plan` shows, `apply` does, `undo` takes back.",
    after_help = "First steps:\n  \
                  tidal-cleanup demo                 see it work, offline, in a folder of its own\n  \
                  tidal-cleanup init                 write a policy for your library\n  \
                  tidal-cleanup plan --out plan.json see what would change\n  \
                  tidal-cleanup apply plan.json      do it\n\n\
                  Exit codes: 0 done · 1 error · 2 changes pending · 3 decision needed · 4 plan stale · \
                  5 refused by a gate · 6 locked · 7 applied in part · 8 unfinished apply · 9 declined · 64 usage",
    max_term_width = 100
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The policy file [default: tidal-cleanup.toml here, in a folder above, or in ~/.config/tidal-cleanup]
    #[arg(long, global = true, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Answer in JSON on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// When to colour
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    pub color: ColorWhen,
    /// Only answers, warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Reasons, evidence and every row
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Which TIDAL log-in to use, with a state of its own [default: the policy's, else `default`]
    #[arg(long, global = true, value_name = "NAME")]
    pub account: Option<String>,
    /// The Rekordbox library: `master.db` or the folder that holds it [default: as the policy says]
    #[arg(long, global = true, value_name = "PATH")]
    pub rekordbox: Option<PathBuf>,
    /// The state database [env: `TIDAL_CLEANUP_DB_PATH`] [default: ~/.tidal-cleanup/sync.db, or as the policy says]
    #[arg(long, global = true, value_name = "PATH")]
    pub db: Option<PathBuf>,
}

/// When output is coloured; `Auto`: on a terminal, unless `NO_COLOR` is set. (Documented here and not
/// by variant, which would make clap print the long form of every help.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    #[default]
    Auto,
    Always,
    Never,
}

/// The commands, in the order in which a newcomer needs them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a policy and mark the library folder as ours to manage
    #[command(after_help = "Example:\n  tidal-cleanup init --library ~/Music/Tidal")]
    Init(InitArgs),
    /// Show what would change, and why; writes to no world
    #[command(after_help = "Examples:\n  tidal-cleanup plan --out plan.json\n  \
                      tidal-cleanup plan --desired tidal.json --playlist \"House Italo R 🇮🇹\"\n  \
                      tidal-cleanup plan --detailed-exitcode    exit 0: nothing, 2: changes, 3: some wait for you")]
    Plan(PlanArgs),
    /// Show a saved plan
    #[command(after_help = "Examples:\n  tidal-cleanup show plan.json --verify\n  \
                      tidal-cleanup show plan.json --why a_b14c")]
    Show(ShowArgs),
    /// Carry out a plan: the saved one, or a new one that is shown first
    #[command(after_help = "Examples:\n  tidal-cleanup apply plan.json\n  \
                      tidal-cleanup apply plan.json --approve 9f2c41d0   without a terminal\n  \
                      tidal-cleanup apply --resume                       after an interruption")]
    Apply(ApplyArgs),
    /// Take back an apply, the last one unless a number is given
    #[command(after_help = "Examples:\n  tidal-cleanup undo\n  tidal-cleanup undo 12")]
    Undo(UndoArgs),
    /// What was done, and when
    #[command(
        after_help = "Examples:\n  tidal-cleanup history --limit 5\n  tidal-cleanup history 12\n  \
                      tidal-cleanup history --playlist \"Minimal Deep 💎\""
    )]
    History(HistoryArgs),
    /// Where things stand, and what to type next
    #[command(after_help = "Example:\n  tidal-cleanup status --json")]
    Status,
    /// Look at everything that can be wrong, and say what to do about it
    #[command(after_help = "Example:\n  tidal-cleanup doctor\n\nExit 1 when something is wrong.")]
    Doctor,
    /// Fetch the missing tracks of some playlists
    #[command(after_help = "Example:\n  tidal-cleanup download --playlist \"House Italo R 🇮🇹\"")]
    Download(DownloadArgs),
    /// Save a reading of TIDAL, the library or Rekordbox as a file
    #[command(after_help = "Example:\n  tidal-cleanup snapshot tidal --out tidal.json")]
    Snapshot(SnapshotArgs),
    /// Take over a library that is there: what is matched, doubtful, missing; and a plan to adopt it
    #[command(
        after_help = "Examples:\n  tidal-cleanup import                          match and link; every file stays yours\n  \
                      tidal-cleanup import --adopt \"Playlists/*\"    these become ours to manage\n  \
                      tidal-cleanup import --from-peer ~/code/cleanup-tidal-playlists\n  \
                      tidal-cleanup apply plan.json                 record it; no file and no Rekordbox row changes"
    )]
    Import(ImportArgs),
    /// Answer open questions: which file is this track?
    #[command(
        after_help = "Examples:\n  tidal-cleanup decide                  on a terminal: one question after the other\n  \
                      tidal-cleanup decide plan.json        the questions of a saved plan\n  \
                      tidal-cleanup decide d_4f1c 2         without a terminal: this answer to that question\n  \
                      tidal-cleanup decide --all none       none of the files is any of the tracks\n\n\
                      Answers stand in tidal-cleanup.decisions.toml beside the policy: commit both."
    )]
    Decide(DecideArgs),
    /// Duplicates, orphans and missing files, and what the policy makes of each
    #[command(
        after_help = "Examples:\n  tidal-cleanup library\n  tidal-cleanup library duplicates --json"
    )]
    Library(LibraryArgs),
    /// Check, test, explain and lay out the policy
    #[command(subcommand, after_help = "Example:\n  tidal-cleanup policy check")]
    Policy(PolicyCommand),
    /// Change nothing but add until a time, such as before a gig; without flags: show it
    #[command(
        after_help = "Examples:\n  tidal-cleanup freeze --until 3d --because \"Fusion festival\"\n  \
                      tidal-cleanup freeze --until 2026-12-01\n  tidal-cleanup freeze --off"
    )]
    Freeze(FreezeArgs),
    /// Print a JSON Schema, for editors and other programs
    #[command(
        after_help = "Example:\n  tidal-cleanup schema policy > policy.schema.json\n\n\
                      An editor takes it from the first line of a policy:\n  #:schema ./policy.schema.json"
    )]
    Schema(SchemaArgs),
    /// The state database and the three daily workflows
    #[command(subcommand, after_help = "Example:\n  tidal-cleanup db sync --check")]
    Db(DbCommand),
    /// Log in to TIDAL
    #[command(after_help = "Examples:\n  tidal-cleanup login\n  \
                      tidal-cleanup login --no-browser      over ssh: paste the address that the browser ends at\n  \
                      tidal-cleanup login --account anna    a second account")]
    Login(LoginArgs),
    /// Forget the TIDAL log-in of this account
    #[command(after_help = "Example:\n  tidal-cleanup logout")]
    Logout,
    /// Show who is logged in to TIDAL
    #[command(after_help = "Example:\n  tidal-cleanup whoami")]
    Whoami,
    /// Look at TIDAL
    #[command(subcommand, after_help = "Example:\n  tidal-cleanup tidal lists")]
    Tidal(TidalCommand),
    /// Look at the Rekordbox library, back it up, go back to a backup, export it
    #[command(subcommand, after_help = "Example:\n  tidal-cleanup rekordbox status")]
    Rekordbox(RekordboxCommand),
    /// Look into the trash
    #[command(subcommand, after_help = "Example:\n  tidal-cleanup trash list")]
    Trash(TrashCommand),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  tidal-cleanup completions zsh > ~/.zfunc/_tidal-cleanup")]
    Completions(CompletionsArgs),
    /// Build a small world in a folder and walk through it, offline
    #[command(after_help = "Example:\n  tidal-cleanup demo ~/tidal-cleanup-demo --pause")]
    Demo(DemoArgs),
}

#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// The library folder; it gets a small marker, `.tidal-cleanup/library.toml`
    #[arg(long, value_name = "DIR")]
    pub library: Option<PathBuf>,
    /// Don't ask
    #[arg(short, long)]
    pub yes: bool,
}

/// What a plan is made from.
#[derive(Clone, Debug, Default, Args)]
pub struct PlanInputs {
    /// Plan from a saved TIDAL reading instead of the service
    #[arg(long, value_name = "FILE", conflicts_with = "offline")]
    pub desired: Option<PathBuf>,
    /// Plan from the last good TIDAL reading
    #[arg(long)]
    pub offline: bool,
    /// Only this playlist, by name or TIDAL uuid; may be repeated
    #[arg(long = "playlist", value_name = "P")]
    pub playlists: Vec<PlaylistSelector>,
    /// Count ages to this date [default: today]
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<jiff::civil::Date>,
    /// Refuse while something is left to decide (TC701)
    #[arg(long)]
    pub require_decisions: bool,
}

/// Numeric overrides of a gate, with a reason that is recorded.
#[derive(Clone, Debug, Default, Args)]
pub struct Overrides {
    /// Let so much through a gate, once: `remove=40`; the gate's message says what it takes
    #[arg(long, value_name = "WHAT=N", requires = "because")]
    pub allow: Vec<Allowance>,
    /// Why; goes into the history
    #[arg(long, value_name = "TEXT", requires = "allow", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub because: Option<String>,
}

#[derive(Clone, Debug, Default, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub inputs: PlanInputs,
    /// Save the plan
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit 2 when changes are pending, 3 when some of it waits for you
    #[arg(long)]
    pub detailed_exitcode: bool,
    #[command(flatten)]
    pub markdown: Markdown,
    #[command(flatten)]
    pub overrides: Overrides,
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

/// `--markdown[=BYTES]`
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Markdown {
    /// Answer in Markdown for a pull request, within so many bytes
    #[arg(
        long = "markdown",
        value_name = "BYTES",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "65536",
        conflicts_with = "json"
    )]
    pub budget: Option<usize>,
}

#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// The saved plan
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Check it against the world, as `apply` would
    #[arg(long)]
    pub verify: bool,
    #[command(flatten)]
    pub markdown: Markdown,
    /// Everything about one action, change or held row, by its id or the beginning of it
    #[arg(long, value_name = "ACTION")]
    pub why: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub struct ApplyArgs {
    /// The saved plan; without one, `apply` plans, shows and asks
    #[arg(value_name = "PLAN", conflicts_with_all = ["desired", "offline", "playlists", "as_of"])]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub inputs: PlanInputs,
    #[command(flatten)]
    pub consent: Consent,
    /// Finish the interrupted apply
    #[arg(long, conflicts_with_all = ["plan", "exclude", "allow", "desired", "offline", "playlists", "as_of"])]
    pub resume: bool,
    /// Leave this action out, and what depends on it; may be repeated
    #[arg(long, value_name = "ACTION")]
    pub exclude: Vec<String>,
}

/// How an apply is agreed to, and how long it waits for its turn.
#[derive(Clone, Debug, Default, Args)]
pub struct Consent {
    /// Don't ask; covers additive actions only
    #[arg(short, long)]
    pub yes: bool,
    /// Approve exactly this plan, by its digest or at least 8 digits of it
    #[arg(long, value_name = "DIGEST")]
    pub approve: Option<Approval>,
    /// How long to wait for another run to end
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub lock_timeout: Duration,
    #[command(flatten)]
    pub overrides: Overrides,
}

#[derive(Clone, Debug, Args)]
pub struct UndoArgs {
    /// The number of the apply, as `history` shows it [default: the last]
    #[arg(value_name = "APPLY", value_parser = clap::value_parser!(i64).range(1..))]
    pub apply: Option<i64>,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Clone, Debug, Args)]
pub struct HistoryArgs {
    /// Everything that this apply did
    #[arg(value_name = "APPLY", value_parser = clap::value_parser!(i64).range(1..))]
    pub apply: Option<i64>,
    /// Only what concerned this playlist, by name or TIDAL uuid
    #[arg(long, value_name = "P")]
    pub playlist: Option<PlaylistSelector>,
    /// Only what concerned this track, by TIDAL id or a part of its label
    #[arg(long, value_name = "T")]
    pub track: Option<String>,
    /// At most so many, newest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
}

#[derive(Clone, Debug, Args)]
pub struct DownloadArgs {
    /// Which playlist, by name or TIDAL uuid; may be repeated
    #[arg(
        long = "playlist",
        value_name = "NAME",
        required = true,
        num_args = 1..
    )]
    pub playlists: Vec<PlaylistSelector>,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Clone, Debug, Args)]
pub struct SnapshotArgs {
    /// What to read
    #[arg(value_enum)]
    pub world: World,
    /// Where to write it [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
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
}

#[derive(Clone, Debug, Subcommand)]
pub enum PolicyCommand {
    /// Report everything that is wrong or suspicious in the policy
    #[command(after_help = "Example:\n  tidal-cleanup policy check tidal-cleanup.toml")]
    Check {
        /// The policy [default: the one that would be used]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Run the policy's own [[test]] tables
    #[command(after_help = "Example:\n  tidal-cleanup policy test")]
    Test,
    /// Trace a track or playlist through every rule, from the last readings
    #[command(
        after_help = "Examples:\n  tidal-cleanup policy explain \"Kiasmos - Looped\"\n  \
                      tidal-cleanup policy explain \"House Italo R 🇮🇹\" --json"
    )]
    Explain {
        /// A track (“Artist - Title”, a part of it, its TIDAL id, its file) or a playlist
        #[arg(value_name = "WHAT")]
        what: String,
        /// From a saved TIDAL reading instead of the last one
        #[arg(long, value_name = "FILE")]
        desired: Option<PathBuf>,
        /// Count ages to this date [default: today]
        #[arg(long, value_name = "DATE")]
        as_of: Option<jiff::civil::Date>,
    },
    /// Lay the policy out; comments stay
    #[command(
        after_help = "Example:\n  tidal-cleanup policy fmt --check   exit 1 when it is not laid out"
    )]
    Fmt {
        /// The policy [default: the one that would be used]; `-` for stdin to stdout
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Only look: exit 1 when it would change
        #[arg(long)]
        check: bool,
    },
    /// Make a policy from the Python tool's `rekordbox_mytag_mapping.json` and `.env`
    #[command(
        after_help = "Example:\n  tidal-cleanup policy import config/.env config/rekordbox_mytag_mapping.json --out tidal-cleanup.toml"
    )]
    Import {
        /// Its files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Where to write it; never over another file [default: stdout]
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Clone, Debug, Args)]
pub struct FreezeArgs {
    /// Until then: a length of time (3d, 12h), a day (to its end), or a day and time (2026-12-01T06:00)
    #[arg(long, value_name = "WHEN", conflicts_with = "off")]
    pub until: Option<String>,
    /// What for
    #[arg(long, value_name = "TEXT", requires = "until")]
    pub because: Option<String>,
    /// End it now
    #[arg(long)]
    pub off: bool,
}

#[derive(Clone, Debug, Args)]
pub struct SchemaArgs {
    /// Of what
    #[arg(value_enum)]
    pub of: Schema,
}

/// A document that has a schema: `tidal-cleanup.toml`, `plan.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Schema {
    Policy,
    Plan,
}

#[derive(Clone, Debug, Subcommand)]
pub enum DbCommand {
    /// Create the state database and mark the library
    #[command(after_help = "Example:\n  tidal-cleanup db init")]
    Init,
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
        #[arg(long, value_name = "NAME")]
        playlist: PlaylistSelector,
    },
}

#[derive(Clone, Debug, Args)]
pub struct LoginArgs {
    /// Only print the address to open, and take the pasted one that the browser ends at
    #[arg(long)]
    pub no_browser: bool,
    /// Ask TIDAL for leave to write, too; only a policy that asks by name makes use of it
    #[arg(long)]
    pub write: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub enum TidalCommand {
    /// List the account's playlists, and which of them the policy manages
    #[command(after_help = "Example:\n  tidal-cleanup tidal lists --json")]
    Lists,
}

#[derive(Clone, Debug, Subcommand)]
pub enum RekordboxCommand {
    /// Version, counts, our share, cloud, running processes, backups
    #[command(after_help = "Examples:\n  tidal-cleanup rekordbox status\n  \
                      tidal-cleanup rekordbox status --rekordbox ~/Library/Pioneer/rekordbox --json")]
    Status,
    /// Back up master.db and masterPlaylists6.xml, also while Rekordbox runs
    #[command(after_help = "Example:\n  tidal-cleanup rekordbox backup")]
    Backup,
    /// Go back to a backup; shows first what that would lose
    #[command(
        after_help = "Examples:\n  tidal-cleanup rekordbox restore            the newest backup\n  \
                      tidal-cleanup rekordbox restore 2026-11-22"
    )]
    Restore(RestoreArgs),
    /// Write rekordbox.xml (and playlist files) for import by hand
    #[command(
        after_help = "Examples:\n  tidal-cleanup rekordbox export ~/Documents/rekordbox.xml\n  \
                      tidal-cleanup rekordbox export --ours out.xml --m3u8 ~/Music/Lists"
    )]
    Export(ExportArgs),
}

#[derive(Clone, Debug, Args)]
pub struct RestoreArgs {
    /// Which, by its name or the beginning of it, as `rekordbox status` lists them [default: the newest]
    #[arg(value_name = "BACKUP")]
    pub backup: Option<String>,
    /// Don't ask
    #[arg(short, long)]
    pub yes: bool,
    /// Only show what it would lose
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// How long to wait for another run to end
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub lock_timeout: Duration,
}

#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// The XML to write
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A playlist file (.m3u8) for each playlist, in folders below this one
    #[arg(long, value_name = "DIR")]
    pub m3u8: Option<PathBuf>,
    /// Only the playlists that the policy manages, and their tracks
    #[arg(long)]
    pub ours: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub enum TrashCommand {
    /// List what lies in the trash, by apply
    #[command(after_help = "Example:\n  tidal-cleanup trash list")]
    List,
}

#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// A folder to make; it must not exist, or be empty
    #[arg(value_name = "DIR", default_value = "tidal-cleanup-demo")]
    pub dir: PathBuf,
    /// Wait for Enter before every step
    #[arg(long)]
    pub pause: bool,
}

/// A named, numeric override: `remove=40`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// What is let through.
    pub what: Allowable,
    /// Up to how many.
    pub number: u64,
}

impl FromStr for Allowance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (what, number) = text
            .split_once('=')
            .ok_or("write it as a name and a number, such as remove=40")?;
        let named = Allowable::ALL
            .into_iter()
            .find(|it| it.as_str() == what.trim());
        let what = named.ok_or_else(|| {
            let known = Allowable::ALL.map(Allowable::as_str).join(", ");
            format!(
                "nothing called {:?} can be allowed; there are: {known}",
                what.trim()
            )
        })?;
        let number = number.trim().parse().map_err(|_| {
            format!("{number:?} is not a number; how many are allowed must be said")
        })?;
        Ok(Self { what, number })
    }
}

/// The digest of a plan, whole or its first 8 or more hex digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval(String);

impl Approval {
    /// Whether it names the plan of this digest (`sha256:…`).
    #[must_use]
    pub fn names(&self, digest: &str) -> bool {
        let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
        digits.starts_with(&self.0)
    }
}

impl FromStr for Approval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim().strip_prefix("sha256:").unwrap_or(text.trim());
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match digits.len() {
            8..=64 if is_hex => Ok(Self(digits.to_ascii_lowercase())),
            _ => Err("a digest has 8 to 64 hex digits, such as 9f2c41d0".to_owned()),
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text
        .parse()
        .map_err(|_| format!("{text:?} is no length of time, such as 30s or 5m"))?;
    Duration::try_from(span).map_err(|_| "a length of time cannot be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(words: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from([&["tidal-cleanup"], words].concat())
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_line_and_an_example() {
        fn check(command: &clap::Command) {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} has no about");
            assert!(command.get_after_help().is_some(), "{name} has no example");
            for child in command.get_subcommands() {
                check(child);
            }
        }
        check(&Cli::command());
    }

    #[test]
    fn an_override_is_named_numeric_and_has_a_reason() {
        assert_eq!(
            "remove=40".parse(),
            Ok(Allowance {
                what: Allowable::Remove,
                number: 40
            })
        );
        for bad in ["remove", "remove=", "remove=all", "force=1", "remove=-1"] {
            assert!(bad.parse::<Allowance>().is_err(), "{bad}");
        }
        assert!(parse(&["plan", "--allow", "remove=4"]).is_err());
        assert!(parse(&["plan", "--allow", "remove=4", "--because", ""]).is_err());
        assert!(parse(&["plan", "--allow", "remove=4", "--because", "cleared 2019"]).is_ok());
    }

    #[test]
    fn an_approval_is_eight_digits_or_more() {
        let approval: Approval = "sha256:9F2C41D0".parse().unwrap();
        assert!(approval.names("sha256:9f2c41d0aaaa"));
        assert!(!approval.names("sha256:9f2c41d1aaaa"));
        assert!("9f2c41d".parse::<Approval>().is_err());
        assert!("9f2c41dz".parse::<Approval>().is_err());
    }

    #[test]
    fn markdown_has_a_budget_only_with_an_equals_sign() {
        let budget = |words: &[&str]| match parse(words).unwrap().command {
            Command::Plan(plan) => plan.markdown.budget,
            other => panic!("{other:?}"),
        };
        assert_eq!(budget(&["plan"]), None);
        assert_eq!(budget(&["plan", "--markdown"]), Some(65_536));
        assert_eq!(budget(&["plan", "--markdown=900"]), Some(900));
        assert!(parse(&["plan", "--markdown", "--json"]).is_err());
    }

    #[test]
    fn a_saved_plan_and_planning_options_exclude_each_other() {
        assert!(parse(&["apply", "plan.json", "--desired", "t.json"]).is_err());
        assert!(parse(&["apply", "--resume", "plan.json"]).is_err());
        assert!(parse(&["apply", "--desired", "t.json", "--yes"]).is_ok());
    }

    #[test]
    fn global_flags_stand_anywhere() {
        let cli = parse(&["db", "status", "--json", "--policy", "p.toml"]).unwrap();
        assert!(cli.global.json && cli.global.policy.is_some());
        assert!(parse(&["-q", "-v", "status"]).is_err());
    }

    #[test]
    fn waiting_times_have_units() {
        let timeout = |text: &str| match parse(&["apply", "--lock-timeout", text])?.command {
            Command::Apply(apply) => Ok::<_, clap::Error>(apply.consent.lock_timeout),
            other => panic!("{other:?}"),
        };
        assert_eq!(timeout("2m").unwrap(), Duration::from_secs(120));
        assert!(timeout("soon").is_err());
        assert!(timeout("-5s").is_err());
    }
}
