//! The worlds by themselves (account, TIDAL, Rekordbox, trash), and what a shell or a newcomer needs.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};

use super::{
    super::complete,
    plan::{Consent, duration},
};

#[derive(Clone, Debug, Default, Args)]
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
    #[arg(value_name = "BACKUP", add = complete::rekordbox_backups())]
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
    /// Bring files back to where they were, or beside what is there now; they are yours then
    #[command(after_help = "Examples:\n  tidal-cleanup trash restore 12\n  \
                      tidal-cleanup trash restore \"Playlists/House/Song.mp3\"\n\n\
                      `undo` brings back what belongs to a file, too: its place in the lists, its row in Rekordbox.")]
    Restore {
        /// The number of an apply, or the path that a file or folder had
        #[arg(value_name = "APPLY | PATH", add = complete::applies())]
        what: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Delete for good what lies there for longer than `[trash] keep`, and the oldest above `max_bytes`
    #[command(
        after_help = "Examples:\n  tidal-cleanup trash purge                    as the policy says\n  \
                      tidal-cleanup trash purge --older-than 90d   only these\n\n\
                      Nothing else ever deletes a file, and nothing does so by itself. Never in a freeze."
    )]
    Purge {
        /// What lies there for longer, whatever the policy says
        #[arg(long, value_name = "TIME", value_parser = super::plan::days)]
        older_than: Option<Duration>,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// A shell that can be told what may be typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Shell {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        }
    }
}

#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Every setting as it counts now
    #[command(after_help = "Example:\n  tidal-cleanup config show --origin")]
    Show {
        /// Say where each comes from: a flag, a variable, a line of the policy
        #[arg(long)]
        origin: bool,
    },
}

#[derive(Clone, Debug, Args)]
pub struct ManArgs {
    /// Write a page for every command into this folder [default: print the first page]
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
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
