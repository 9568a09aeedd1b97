//! The policy: check, test, explain, lay out; the gig lock; schemas.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

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
