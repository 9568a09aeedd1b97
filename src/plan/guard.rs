//! Gates over a whole plan: is the reading sound, is too much taken away, is this the moment?
//!
//! Every gate is listed with its numbers, also when it passes. `Hold` takes removals out of the plan
//! and lets the rest go on; `Refuse` lets nothing through, unless an override names the number.

mod moment;
mod removals;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use moment::{HandFreeze, Moment, freeze_active, moment};
pub use removals::Removals;

use super::document::{Action, Check, CheckStatus, PlannedChange};
use crate::{
    domain::{LibraryId, PlaylistId},
    policy::{Limit, Policy, WorkAtRisk},
};

/// What the gates look at.
#[derive(Clone, Copy, Debug)]
pub struct GuardInput<'a> {
    pub policy: &'a Policy,
    /// What is planned; held actions are not in it.
    pub actions: &'a [Action],
    pub changes: &'a [PlannedChange],
    pub readings: Readings<'a>,
    pub managed: &'a Managed,
    /// Removals of earlier runs: when, and how many as [`Removals::total`] counts them.
    pub past: &'a [(Timestamp, u64)],
    /// What the rolling window is counted back from.
    pub as_of: Timestamp,
    pub allow: &'a [Allow],
    /// How many actions protections hold back (TC301).
    pub protected: usize,
    /// What waits for a person's leave, or has it.
    pub awaiting: Leave,
    /// Questions that are open, where none may be (TC701).
    pub undecided: Option<usize>,
    /// The state of the machine, which is no part of a plan; without it TC501, TC502 and TC601 are
    /// left out.
    pub moment: Option<Moment<'a>>,
}

/// What was read of the worlds.
#[derive(Clone, Copy, Debug)]
pub struct Readings<'a> {
    /// The canary on the volume.
    pub canary: Option<&'a LibraryId>,
    /// The library that the state knows; `None` before `db init`.
    pub library: Option<&'a LibraryId>,
    /// Audio files seen now.
    pub files_seen: usize,
    /// Audio files of the last scan; `None` when there was none.
    pub files_before: Option<usize>,
    /// Whether TIDAL's list of playlists was read to the end.
    pub tidal_complete: bool,
    /// Names of the playlists that were not read to the end.
    pub tidal_incomplete: &'a [String],
    /// Playlists and their entries that the policy selects from TIDAL.
    pub desired: (usize, usize),
}

/// What we manage before the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Managed {
    /// Files of ours.
    pub files: usize,
    /// Our playlists that are not deleted: name and number of entries.
    pub playlists: BTreeMap<PlaylistId, (String, usize)>,
}

/// `--allow remove=40 --because "…"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    pub what: Allowable,
    /// At most so many.
    pub count: u64,
    /// The reason; a blank one allows nothing.
    pub because: String,
}

/// What can be allowed for once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowable {
    /// Removals beyond TC201, TC202, TC203.
    Remove,
    /// TC104, with the number of playlists that go.
    Empty,
    /// TC102, with the number of files that are missing.
    Missing,
    /// TC302, with the number of actions that a protection held until now.
    Unprotect,
    /// TC303, with the number of files that carry the DJ's work.
    Work,
    /// TC501, with the number of actions that would wait.
    Freeze,
    /// TC503, with the number of sticks.
    Usb,
    /// TC701, with the number of open questions.
    Undecided,
    /// TC204, with the number of files that `trash purge` deletes.
    Purge,
}

/// Actions that only a person lets through, by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leave {
    /// TC302: a protection that was taken out since the last apply held them.
    pub unprotect: usize,
    /// TC303: they would cost the DJ's work.
    pub work: usize,
}

impl Leave {
    /// What of it the overrides let through; nothing of what the policy denies for good.
    #[must_use]
    pub fn granted(self, policy: &Policy, allow: &[Allow]) -> Self {
        let of = |what, count| match count > 0 && is_allowed(allow, what, count) {
            true => count,
            false => 0,
        };
        Self {
            unprotect: of(Allowable::Unprotect, self.unprotect),
            work: match policy.safety.work_at_risk {
                WorkAtRisk::Deny => 0,
                WorkAtRisk::Ask | WorkAtRisk::Allow => of(Allowable::Work, self.work),
            },
        }
    }
}

impl Allowable {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Remove,
        Self::Empty,
        Self::Missing,
        Self::Unprotect,
        Self::Work,
        Self::Freeze,
        Self::Usb,
        Self::Undecided,
        Self::Purge,
    ];

    /// As typed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Remove => "remove",
            Self::Empty => "empty",
            Self::Missing => "missing",
            Self::Unprotect => "unprotect",
            Self::Work => "work",
            Self::Freeze => "freeze",
            Self::Usb => "usb",
            Self::Undecided => "undecided",
            Self::Purge => "purge",
        }
    }
}

impl Allow {
    /// Reads `remove=40`, and the reason beside it.
    #[must_use]
    pub fn parse(text: &str, because: &str) -> Option<Self> {
        let (what, count) = text.split_once('=')?;
        let what = Allowable::ALL.into_iter().find(|it| it.as_str() == what)?;
        Some(Self {
            what,
            count: count.parse().ok()?,
            because: because.to_owned(),
        })
    }
}

impl Managed {
    /// Everything that could be removed: entries and files.
    #[must_use]
    pub fn base(&self) -> usize {
        self.entries() + self.files
    }

    fn entries(&self) -> usize {
        self.playlists.values().map(|(_, entries)| entries).sum()
    }
}

/// All gates in the order of their codes.
#[must_use]
pub fn check(input: &GuardInput<'_>) -> Vec<Check> {
    let removals = Removals::of(input.actions, input.changes, input.managed);
    let mut checks = vec![
        canary(&input.readings),
        files_seen(input),
        complete(&input.readings),
        not_empty(input),
        max_remove(input, &removals),
    ];
    checks.extend(per_playlist(input, &removals));
    checks.push(rolling(input, &removals));
    checks.push(protected(input));
    checks.push(awaiting(
        input,
        "TC302",
        "two-step unprotection",
        Allowable::Unprotect,
    ));
    checks.push(awaiting(input, "TC303", "work_at_risk", Allowable::Work));
    checks.extend(input.undecided.map(|open| undecided(open, input.allow)));
    if let Some(moment) = &input.moment {
        checks.extend(self::moment(input.policy, input.actions, moment));
    }
    checks
}

fn canary(readings: &Readings<'_>) -> Check {
    let text = match (readings.canary, readings.library) {
        (Some(found), Some(known)) if found != known => format!(
            "this is another library ({found}) than the one of the state database ({known}): \
             is the right drive mounted?"
        ),
        (Some(_), _) => return passed("TC101", "library canary"),
        (None, Some(_)) => "the library's mark (.tidal-cleanup/library.toml) cannot be read: \
                            is the drive mounted?"
            .to_owned(),
        (None, None) => "the library has no mark yet: run `tidal-cleanup db init`".to_owned(),
    };
    Check {
        status: CheckStatus::Refuse,
        text,
        ..passed("TC101", "library canary")
    }
}

fn files_seen(input: &GuardInput<'_>) -> Check {
    let (seen, least) = (
        input.readings.files_seen,
        input.policy.safety.min_files_seen,
    );
    let name = "min_files_seen";
    let Some(before) = input.readings.files_before.filter(|before| *before > 0) else {
        return passed("TC102", name);
    };
    let percent = seen as u128 * 100 / before as u128;
    let enough = seen as u128 * 100 >= u128::from(least) * before as u128;
    let text = format!(
        "only {seen} of {before} files of the last scan are there ({percent} %, at least {least} % \
         expected): nothing is removed. `tidal-cleanup db reconcile` shows which are missing; the next \
         complete apply counts anew"
    );
    let numbers = (wide(percent), i64::from(least));
    let check = numbered(
        "TC102",
        name,
        numbers,
        enough,
        CheckStatus::Hold,
        text.clone(),
    );
    match enough {
        true => check,
        false => allowed_or(check, input.allow, Allowable::Missing, before - seen, &text),
    }
}

/// TC301 is no limit: what is protected stays, and this says how much that is.
fn protected(input: &GuardInput<'_>) -> Check {
    let text = format!(
        "{} held back by [[protect]]; no override, the policy itself must say otherwise",
        match input.protected {
            1 => "1 action is".to_owned(),
            several => format!("{several} actions are"),
        }
    );
    let held = input.protected;
    Check {
        text: if held == 0 { String::new() } else { text },
        value: Some(wide(held)),
        ..passed("TC301", "protect")
    }
}

/// What a person may let through by number; else it is held back, and the rest goes on.
fn awaiting(input: &GuardInput<'_>, code: &str, name: &str, what: Allowable) -> Check {
    let count = match what {
        Allowable::Unprotect => input.awaiting.unprotect,
        _ => input.awaiting.work,
    };
    let check = numbered(
        code,
        name,
        (wide(count), 0),
        true,
        CheckStatus::Hold,
        String::new(),
    );
    if count == 0 {
        return check;
    }
    let (text, base) = match what {
        Allowable::Unprotect => (
            "was protected at the last apply and is not now: taking a protection away takes effect one \
             apply later",
            "were protected at the last apply and are not now: taking a protection away takes effect one \
             apply later",
        ),
        _ => (
            "carries your work (cues, a rating or plays)",
            "carry your work (cues, a rating or plays)",
        ),
    };
    let text = match count {
        1 => format!("1 removal {text}"),
        several => format!("{several} removals {base}"),
    };
    let managed = input.managed.base();
    let text = format!("{text}, of {managed} managed entries and files; held back");
    let check = Check {
        status: CheckStatus::Hold,
        ..check
    };
    if what == Allowable::Work && input.policy.safety.work_at_risk == WorkAtRisk::Deny {
        let text = format!("{text}. [safety] work_at_risk = \"deny\" lets nothing of it through");
        return Check { text, ..check };
    }
    allowed_or(check, input.allow, what, count, &text)
}

/// TC701: what must be decided first.
#[must_use]
pub fn undecided(open: usize, allow: &[Allow]) -> Check {
    let check = numbered(
        "TC701",
        "decisions",
        (wide(open), 0),
        true,
        CheckStatus::Refuse,
        String::new(),
    );
    if open == 0 {
        return check;
    }
    let text = format!(
        "{open} question{} open, and --require-decisions lets none stay so",
        if open == 1 { " is" } else { "s are" }
    );
    allowed_or_refused(check, allow, Allowable::Undecided, open, &text)
}

/// Whether an override lets so much through.
#[must_use]
pub fn is_allowed(allow: &[Allow], what: Allowable, count: usize) -> bool {
    granting(allow, what, count).is_some()
}

fn granting(allow: &[Allow], what: Allowable, count: usize) -> Option<&Allow> {
    allow.iter().find(|allow| {
        allow.what == what && allow.count >= count as u64 && !allow.because.trim().is_empty()
    })
}

fn complete(readings: &Readings<'_>) -> Check {
    let name = "complete TIDAL reading";
    let missing = readings.tidal_incomplete.len();
    if readings.tidal_complete && missing == 0 {
        return passed("TC103", name);
    }
    let text = match missing {
        0 => "TIDAL's list of playlists was not read to the end".to_owned(),
        missing => format!(
            "{missing} playlist{} not read to the end ({})",
            if missing == 1 { " was" } else { "s were" },
            some(readings.tidal_incomplete)
        ),
    };
    Check {
        value: Some(wide(missing)),
        limit: Some(0),
        status: CheckStatus::Hold,
        text: format!("{text}: nothing is removed"),
        ..passed("TC103", name)
    }
}

fn not_empty(input: &GuardInput<'_>) -> Check {
    let name = "desired state";
    let (playlists, entries) = input.readings.desired;
    let (held, held_entries) = (input.managed.playlists.len(), input.managed.entries());
    let lost = playlists == 0 && held > 0 || entries == 0 && held_entries > 0;
    let text = format!(
        "TIDAL has {playlists} selected playlists with {entries} tracks, and {held} with \
         {held_entries} are managed: this looks like a failed reading or a wrong account"
    );
    let check = numbered(
        "TC104",
        name,
        (wide(playlists), 1),
        true,
        CheckStatus::Refuse,
        String::new(),
    );
    match lost {
        true => allowed_or_refused(check, input.allow, Allowable::Empty, held, &text),
        false => check,
    }
}

fn max_remove(input: &GuardInput<'_>, removals: &Removals) -> Check {
    let (total, base) = (removals.total(), input.managed.base());
    let limit = most(&input.policy.safety.max_remove, base);
    let check = numbered(
        "TC201",
        "max_remove",
        (wide(total), wide(limit)),
        true,
        CheckStatus::Refuse,
        String::new(),
    );
    if total <= limit {
        return check;
    }
    let text = format!(
        "{total} would be removed ({}), and [safety] max_remove lets {limit} go ({})",
        removals.in_words(),
        reckoning(
            &input.policy.safety.max_remove,
            base,
            "managed entries and files"
        ),
    );
    allowed_or_refused(check, input.allow, Allowable::Remove, total, &text)
}

/// One check for each playlist that loses too much; or one for the playlist that comes closest.
fn per_playlist(input: &GuardInput<'_>, removals: &Removals) -> Vec<Check> {
    let mut over = Vec::new();
    let mut closest: Option<(usize, usize)> = None;
    for (id, leaving) in &removals.entries {
        let (name, base) = match input.managed.playlists.get(id) {
            Some((name, base)) => (name.as_str(), *base),
            None => (id.as_str(), 0),
        };
        let own = input.policy.playlist(id.as_str(), name);
        let own = own.and_then(|own| own.max_remove.as_ref());
        let rule = own.unwrap_or(&input.policy.safety.max_remove_per_playlist);
        let limit = most(rule, base);
        if *leaving <= limit {
            let left = |(value, limit): (usize, usize)| limit - value;
            if closest.is_none_or(|other| left((*leaving, limit)) < left(other)) {
                closest = Some((*leaving, limit));
            }
            continue;
        }
        let text = format!(
            "“{name}” would lose {leaving} of {base} tracks, and {} lets {limit} go ({})",
            if own.is_some() {
                "its own max_remove"
            } else {
                "[safety] max_remove_per_playlist"
            },
            reckoning(rule, base, "tracks"),
        );
        let check = per_playlist_check(*leaving, limit);
        over.push(allowed_or_refused(
            check,
            input.allow,
            Allowable::Remove,
            removals.total(),
            &text,
        ));
    }
    if over.is_empty() {
        let pass = passed("TC202", "max_remove_per_playlist");
        over.push(closest.map_or(pass, |(value, limit)| per_playlist_check(value, limit)));
    }
    over
}

fn per_playlist_check(value: usize, limit: usize) -> Check {
    let numbers = (wide(value), wide(limit));
    numbered(
        "TC202",
        "max_remove_per_playlist",
        numbers,
        true,
        CheckStatus::Refuse,
        String::new(),
    )
}

fn rolling(input: &GuardInput<'_>, removals: &Removals) -> Check {
    let rolling = &input.policy.safety.rolling;
    let seconds = i64::try_from(rolling.window.as_secs()).unwrap_or(i64::MAX);
    let from = input.as_of.as_second().saturating_sub(seconds);
    let before: u64 = input
        .past
        .iter()
        .filter(|(when, _)| when.as_second() > from)
        .fold(0, |sum, (_, count)| sum.saturating_add(*count));
    let now = removals.total();
    let total = before.saturating_add(now as u64);
    let numbers = (wide(total), i64::from(rolling.count));
    let check = numbered(
        "TC203",
        "rolling",
        numbers,
        true,
        CheckStatus::Refuse,
        String::new(),
    );
    if now == 0 || total <= u64::from(rolling.count) {
        return check;
    }
    let text = format!(
        "{now} of {} managed entries and files would be removed ({}) after {before} in the last {} days, \
         {total} together, and [safety] rolling lets {} go",
        input.managed.base(),
        removals.in_words(),
        rolling.window.as_secs().div_ceil(86_400),
        rolling.count
    );
    allowed_or_refused(check, input.allow, Allowable::Remove, now, &text)
}

/// What a limit comes to: the lower of count and percentage, the percentage rounded up and never below
/// its floor.
fn most(limit: &Limit, base: usize) -> usize {
    let share = limit
        .percent
        .map(|percent| share(percent, base).max(limit.min as usize));
    let count = limit.count.map(|count| count as usize);
    match (count, share) {
        (Some(count), Some(share)) => count.min(share),
        (Some(limit), None) | (None, Some(limit)) => limit,
        // A gate that cannot be evaluated refuses.
        (None, None) => 0,
    }
}

fn share(percent: u32, base: usize) -> usize {
    let share = (base as u128 * u128::from(percent)).div_ceil(100);
    usize::try_from(share).unwrap_or(usize::MAX)
}

/// `5 % of 412 managed entries and files; at most 25`.
fn reckoning(limit: &Limit, base: usize, of_what: &str) -> String {
    let share = limit.percent.map(|percent| match limit.min {
        0 => format!("{percent} % of {base} {of_what}"),
        min => format!("{percent} % of {base} {of_what}, or {min}"),
    });
    let count = limit.count.map(|count| format!("at most {count}"));
    let parts: Vec<String> = share.into_iter().chain(count).collect();
    match parts.is_empty() {
        true => "no limit is set".to_owned(),
        false => parts.join("; "),
    }
}

/// The check as let through by an override that names enough, or refused with the one that would.
fn allowed_or_refused(
    check: Check,
    allow: &[Allow],
    what: Allowable,
    count: usize,
    text: &str,
) -> Check {
    let check = Check {
        status: CheckStatus::Refuse,
        ..check
    };
    allowed_or(check, allow, what, count, text)
}

/// The check as let through by an override that names enough, or as it is, with the one that would.
fn allowed_or(check: Check, allow: &[Allow], what: Allowable, count: usize, text: &str) -> Check {
    match granting(allow, what, count) {
        Some(given) => Check {
            status: CheckStatus::Allowed,
            text: format!(
                "{text}. Allowed by --allow {}={}: {}",
                what.as_str(),
                given.count,
                given.because.trim()
            ),
            ..check
        },
        None => Check {
            text: format!(
                "{text}. If that is meant: --allow {}={count} --because \"…\"",
                what.as_str()
            ),
            ..check
        },
    }
}

fn passed(code: &str, name: &str) -> Check {
    Check {
        code: code.to_owned(),
        name: name.to_owned(),
        value: None,
        limit: None,
        status: CheckStatus::Pass,
        text: String::new(),
    }
}

fn numbered(
    code: &str,
    name: &str,
    (value, limit): (i64, i64),
    passes: bool,
    otherwise: CheckStatus,
    text: String,
) -> Check {
    Check {
        value: Some(value),
        limit: Some(limit),
        status: if passes { CheckStatus::Pass } else { otherwise },
        text: if passes { String::new() } else { text },
        ..passed(code, name)
    }
}

/// TC204: how many files `trash purge` may delete at once.
#[must_use]
pub fn purge(files: usize, allow: &[Allow]) -> Check {
    let limit = MAX_PURGE;
    let check = numbered(
        "TC204",
        "max_purge",
        (wide(files), wide(limit)),
        files <= limit,
        CheckStatus::Refuse,
        String::new(),
    );
    if files <= limit {
        return check;
    }
    let text = format!("{files} files would be deleted for good, at most {limit} may be at once");
    allowed_or_refused(check, allow, Allowable::Purge, files, &text)
}

/// How many files a purge deletes without being told to.
pub const MAX_PURGE: usize = 1_000;

/// The first few of a list.
fn some(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{}, and {more} more", shown.join(", ")),
    }
}

/// A number as the plan's format has it: below 2^53.
fn wide<T: TryInto<i64>>(number: T) -> i64 {
    const MOST: i64 = (1 << 53) - 1;
    number.try_into().map_or(MOST, |number| number.min(MOST))
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
