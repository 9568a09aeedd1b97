//! The command line: what can be typed, and what each word means. Text becomes types here.

mod library;
mod plan;
mod policy;
mod worlds;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use library::*;
pub use plan::*;
pub use policy::*;
pub use worlds::*;

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
    /// Write ASCII only; what is no terminal, or one that knows UTF-8, gets everything
    #[arg(long, global = true)]
    pub ascii: bool,
    /// For screen readers and logs: words instead of signs, no colour, nothing drawn or aligned
    #[arg(long, global = true)]
    pub plain: bool,
    /// Also write what is said into this file, as JSON lines; it is put away at 5 MB
    #[arg(long, global = true, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
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
    /// Ask a few questions, write a policy, mark the library, show a first plan
    #[command(
        after_help = "Examples:\n  tidal-cleanup init                               asks; nothing is made before the last yes\n  \
                      tidal-cleanup init --library ~/Music/Tidal\n  \
                      tidal-cleanup init --yes --download tiddl --playlists \"DJ *\"   without questions\n  \
                      tidal-cleanup init --from-peer ~/code/cleanup-tidal-playlists"
    )]
    Init(InitArgs),
    /// Show what would change, and why; writes to no world
    #[command(after_help = "Examples:\n  tidal-cleanup plan --out plan.json\n  \
                      tidal-cleanup plan --desired tidal.json --playlist \"House Italo R 🇮🇹\"\n  \
                      tidal-cleanup plan --detailed-exitcode    exit 0: nothing, 2: changes, 3: some wait for you\n  \
                      tidal-cleanup plan --html plan.html       a page that filters and searches\n  \
                      tidal-cleanup plan --diff plan.json       what is new since that plan\n  \
                      tidal-cleanup plan --observed observed.json --desired tidal.json --markdown   in CI")]
    Plan(PlanArgs),
    /// Show a saved plan
    #[command(after_help = "Examples:\n  tidal-cleanup show plan.json --verify\n  \
                      tidal-cleanup show plan.json --why a_b14c\n  \
                      tidal-cleanup show plan.json --tree             Rekordbox before and after\n  \
                      tidal-cleanup show plan.json --markdown --redact")]
    Show(ShowArgs),
    /// Carry out a plan: the saved one, or a new one that is shown first
    #[command(after_help = "Examples:\n  tidal-cleanup apply plan.json\n  \
                      tidal-cleanup apply plan.json --approve 9f2c41d0   without a terminal\n  \
                      tidal-cleanup apply plan.json --only additive      downloads and new lists, nothing else\n  \
                      tidal-cleanup apply plan.json --exclude file.trash --exclude \"*Live*\"\n  \
                      tidal-cleanup apply plan.json --playlist \"Minimal Deep 💎\"\n  \
                      tidal-cleanup apply --resume                       after an interruption")]
    Apply(ApplyArgs),
    /// Go through a plan row by row, and leave out what is not wanted
    #[command(after_help = "Example:\n  tidal-cleanup review plan.json\n\n\
                      What is left out is kept in the plan file at once, so quitting loses nothing.")]
    Review(ReviewArgs),
    /// Agree to a saved plan and its review, for an apply that asks nobody
    #[command(after_help = "Examples:\n  tidal-cleanup approve plan.json\n  \
                      tidal-cleanup approve plan.json 9f2c41d0   without a terminal\n\n\
                      An edit of the plan or its review afterwards voids it.")]
    Approve(ApproveArgs),
    /// Take back an apply, the last one unless a number is given
    #[command(
        after_help = "Examples:\n  tidal-cleanup undo\n  tidal-cleanup undo 12\n  tidal-cleanup undo 12 --action a_b14c    only that, and what hangs on it"
    )]
    Undo(UndoArgs),
    /// Do again what an undo took back
    #[command(
        after_help = "Examples:\n  tidal-cleanup redo       the last undo is undone\n  tidal-cleanup redo 12    apply 12 is in effect again"
    )]
    Redo(RedoArgs),
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
    /// Plan on a schedule and when the library changes; tell what waits for you
    #[command(
        after_help = "Examples:\n  tidal-cleanup watch\n  tidal-cleanup watch --once --json    from cron\n\n\
                      With `apply = \"additive\"` in `[watch]`, what only adds is applied by itself: never in a freeze, and never \
                      while Rekordbox runs.\nService files for systemd and launchd are in examples/services."
    )]
    Watch(WatchArgs),
    /// Fetch the missing tracks of some playlists
    #[command(after_help = "Example:\n  tidal-cleanup download --playlist \"House Italo R 🇮🇹\"")]
    Download(DownloadArgs),
    /// Save a reading of TIDAL, the library or Rekordbox as a file
    #[command(
        after_help = "Examples:\n  tidal-cleanup snapshot tidal --out tidal.json\n  \
                      tidal-cleanup snapshot observed --out observed.json   files, Rekordbox and state, for \
                      `plan --observed`"
    )]
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
    /// The library over time: growth, churn, formats, disk, what was never played or is lost
    #[command(
        after_help = "Examples:\n  tidal-cleanup report\n  tidal-cleanup report --html report.html"
    )]
    Report(ReportArgs),
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
    /// Look into the trash, bring back from it, empty it
    #[command(subcommand, after_help = "Example:\n  tidal-cleanup trash list")]
    Trash(TrashCommand),
    /// Show every setting as it counts now, and who says so
    #[command(
        subcommand,
        after_help = "Example:\n  tidal-cleanup config show --origin"
    )]
    Config(ConfigCommand),
    /// Print a completion script for a shell; it knows your playlists and applies
    #[command(
        after_help = "Examples:\n  tidal-cleanup completions zsh > ~/.zfunc/_tidal-cleanup\n  \
                      tidal-cleanup completions bash > ~/.local/share/bash-completion/completions/tidal-cleanup\n  \
                      tidal-cleanup completions fish > ~/.config/fish/completions/tidal-cleanup.fish"
    )]
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all commands into a folder
    #[command(after_help = "Examples:\n  tidal-cleanup man | man -l -\n  \
                      tidal-cleanup man ~/.local/share/man/man1")]
    Man(ManArgs),
    /// Build a small world in a folder and walk through it, offline
    #[command(after_help = "Example:\n  tidal-cleanup demo ~/tidal-cleanup-demo --pause")]
    Demo(DemoArgs),
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::guard::Allowable;
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
            Command::Plan(plan) => plan.rendering.markdown.budget,
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
