//! The worlds by themselves (account, TIDAL, Rekordbox, trash), and what a shell or a newcomer needs.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};

use super::plan::duration;

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
