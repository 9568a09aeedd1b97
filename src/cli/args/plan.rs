//! Planning, showing, applying and taking back: inputs, consent, overrides.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::Args;

use super::super::{choice::Only, complete, select::PlaylistSelector};
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
    #[arg(long = "playlist", value_name = "P", add = complete::playlists())]
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
    /// Plan from a saved reading of files, Rekordbox and state (`snapshot observed`) instead of this
    /// machine: for CI, which has neither music nor databases
    #[arg(long, value_name = "SNAPSHOT", requires = "desired")]
    pub observed: Option<PathBuf>,
    /// Save the plan
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit 2 when changes are pending, 3 when some of it waits for you
    #[arg(long)]
    pub detailed_exitcode: bool,
    #[command(flatten)]
    pub rendering: Rendering,
    #[command(flatten)]
    pub overrides: Overrides,
}

/// In which form a plan is shown.
#[derive(Clone, Debug, Default, Args)]
pub struct Rendering {
    #[command(flatten)]
    pub markdown: Markdown,
    /// Also write a page that filters and searches; it needs nothing but a browser
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Rekordbox's folders and playlists before and after
    #[arg(long, conflicts_with_all = ["json", "budget", "diff"])]
    pub tree: bool,
    /// What appeared, vanished and changed since that plan
    #[arg(long, value_name = "OLD", conflicts_with = "budget")]
    pub diff: Option<PathBuf>,
    /// Ids instead of names, to show it to others; what is shown so cannot be applied
    #[arg(long)]
    pub redact: bool,
}

impl Rendering {
    /// Whether the answer is for a program, or another place than a terminal.
    #[must_use]
    pub const fn is_for_programs(&self) -> bool {
        self.markdown.budget.is_some() || self.tree || self.diff.is_some() || self.redact
    }
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
    pub rendering: Rendering,
    /// Everything about one action, change or held row, by its id or the beginning of it
    #[arg(long, value_name = "ACTION")]
    pub why: Option<String>,
}

#[derive(Clone, Debug, Default, Args)]
pub struct ApplyArgs {
    /// The saved plan; without one, `apply` plans, shows and asks
    #[arg(value_name = "PLAN", conflicts_with_all = ["desired", "offline", "as_of"])]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub inputs: PlanInputs,
    #[command(flatten)]
    pub consent: Consent,
    /// Finish the interrupted apply
    #[arg(long, conflicts_with_all = ["plan", "exclude", "only", "allow", "desired", "offline", "playlists", "as_of"])]
    pub resume: bool,
    /// Where the saved plan no longer fits, make a new one and go on with that, if it does nothing that
    /// was not in the old one
    #[arg(long, requires = "plan")]
    pub replan: bool,
    /// Leave this out, and what depends on it: an action's id, a kind (file.trash), a pattern over
    /// names and paths; may be repeated
    #[arg(long, value_name = "ACTION|KIND|GLOB")]
    pub exclude: Vec<String>,
    /// Only these: additive, move, change, remove, trash, tidal, or kinds (rb.*); may be repeated
    #[arg(long, value_name = "CLASS|KIND", value_delimiter = ',')]
    pub only: Vec<Only>,
}

#[derive(Clone, Debug, Default, Args)]
pub struct WatchArgs {
    /// From one plan to the next [default: as `[watch] every` says]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub every: Option<Duration>,
    /// Plan once and end, with the exit code of `plan --detailed-exitcode`: for cron
    #[arg(long)]
    pub once: bool,
    /// Apply nothing, whatever the policy says
    #[arg(long)]
    pub only_tell: bool,
}

#[derive(Clone, Debug, Args)]
pub struct ReviewArgs {
    /// The saved plan
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub struct ApproveArgs {
    /// The saved plan
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Don't ask: agree to exactly this plan, by its digest or at least 8 digits of it
    #[arg(value_name = "DIGEST")]
    pub digest: Option<Approval>,
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
    /// Digests under which others may have agreed to what is applied: of the plan as it was saved, before
    /// a part of it was chosen.
    #[arg(skip)]
    pub known_as: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub struct UndoArgs {
    /// The number of the apply, as `history` shows it [default: the last]
    #[arg(value_name = "APPLY", value_parser = clap::value_parser!(i64).range(1..), add = complete::applies())]
    pub apply: Option<i64>,
    /// Only this action, by its id or the beginning of it as `history APPLY -v` shows it, and what
    /// cannot stay without it; may be repeated
    #[arg(long = "action", value_name = "ACTION")]
    pub actions: Vec<String>,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Clone, Debug, Args)]
pub struct RedoArgs {
    /// The number of the apply that was undone, or of the undo [default: the last undo]
    #[arg(value_name = "APPLY", value_parser = clap::value_parser!(i64).range(1..), add = complete::applies())]
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
    /// Of a whole digest; `None` where it is none.
    #[must_use]
    pub fn of(digest: &str) -> Option<Self> {
        digest.parse().ok()
    }

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

/// A length of time that may be in days or weeks: `90d`.
pub(super) fn days(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let whole = |unit: char, seconds: u64| {
        let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        Some(Duration::from_secs(number.checked_mul(seconds)?))
    };
    match whole('d', 86_400).or_else(|| whole('w', 604_800)) {
        Some(time) => Ok(time),
        None => {
            duration(text).map_err(|_| format!("{text:?} is no length of time, such as 30d or 12h"))
        }
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text
        .parse()
        .map_err(|_| format!("{text:?} is no length of time, such as 30s or 5m"))?;
    Duration::try_from(span).map_err(|_| "a length of time cannot be negative".to_owned())
}
