//! Planning, showing, applying and taking back: inputs, consent, overrides.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::Args;

use super::super::select::PlaylistSelector;
use crate::plan::guard::Allowable;

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
    /// Where the saved plan no longer fits, make a new one and go on with that, if it does nothing that
    /// was not in the old one
    #[arg(long, requires = "plan")]
    pub replan: bool,
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
    /// Begin no action after so long; `apply --resume` goes on [exit 7]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub deadline: Option<Duration>,
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

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text
        .parse()
        .map_err(|_| format!("{text:?} is no length of time, such as 30s or 5m"))?;
    Duration::try_from(span).map_err(|_| "a length of time cannot be negative".to_owned())
}
