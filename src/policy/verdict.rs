//! What the policy decides about one thing, given its facts.
//!
//! Precedence: provenance, then **protect > freeze > playlist > rules from the top > defaults**. What
//! somebody else put there is never ours to decide about.

use std::fmt;

use super::{
    Denied, Freeze, Outcome, Place, PlaylistRemoved, Policy, Protect, SyncMode, TrackRemoved,
    condition::{Fact, Facts, Finding, Truth},
    glob,
};
use crate::domain::Class;

/// A decision, and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub decision: Decision,
    pub by: By,
    /// Of the protection, rule, freeze or playlist; the key of a default.
    pub name: String,
    /// Where that stands.
    pub at: Place,
    /// The facts that spoke for it: `rekordbox.cues >= 1 (it is 7)`.
    pub evidence: Vec<String>,
}

/// What becomes of a file or playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It stays as it is.
    Keep,
    /// The file goes to the trash.
    Trash,
    /// Of several files of the track the best stays, the others go to the trash.
    Dedupe,
    /// A better file is fetched.
    Upgrade,
    /// The playlist goes to this Rekordbox folder (a template).
    Archive(String),
    /// Our Rekordbox playlist goes.
    Remove,
}

/// Which part of the policy decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// It is not ours.
    Provenance,
    Protect,
    Freeze,
    Playlist,
    Rule,
    Default,
}

/// The outcome of one `[[test]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    pub name: String,
    pub expected: String,
    /// The verdict's text.
    pub got: String,
    pub passed: bool,
    pub at: Place,
    /// Facts that rules and protections ask for and the test does not give: they count as not known.
    pub missing: Vec<&'static str>,
}

impl Decision {
    /// The words of [`Decision`]'s text.
    pub const WORDS: [&str; 6] = ["keep", "trash", "dedupe", "upgrade", "archive", "remove"];

    /// How dangerous it is; `None` for nothing to do.
    #[must_use]
    pub const fn class(&self) -> Option<Class> {
        match self {
            Self::Keep => None,
            Self::Trash | Self::Dedupe | Self::Remove => Some(Class::Destructive),
            Self::Upgrade => Some(Class::Change),
            Self::Archive(_) => Some(Class::Move),
        }
    }
}

impl From<&Outcome> for Decision {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Keep => Self::Keep,
            Outcome::Trash => Self::Trash,
            Outcome::Dedupe => Self::Dedupe,
            Outcome::Upgrade => Self::Upgrade,
            Outcome::Archive(folder) => Self::Archive(folder.clone()),
        }
    }
}

impl Denied {
    /// As written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trash => "trash",
            Self::Remove => "remove",
            Self::Move => "move",
            Self::Change => "change",
        }
    }
}

impl By {
    /// The words of [`By`]'s text.
    pub const WORDS: [&str; 6] = [
        "provenance",
        "protect",
        "freeze",
        "playlist",
        "rule",
        "default",
    ];
}

/// What the policy decides, outside any freeze.
///
/// Facts with a `file.*` are about a file; with a `playlist.*` and none of a file, about a playlist. A
/// protection from the trash keeps a file from an upgrade too: the old file would go there.
#[must_use]
pub fn verdict(policy: &Policy, facts: &Facts) -> Verdict {
    verdict_during(policy, facts, None)
}

/// What the policy decides while `freeze` is on.
#[must_use]
pub fn verdict_during(policy: &Policy, facts: &Facts, freeze: Option<&Freeze>) -> Verdict {
    if facts.get("file.provenance") == Some(&Fact::Text("foreign".to_owned())) {
        return Verdict {
            decision: Decision::Keep,
            by: By::Provenance,
            name: String::new(),
            at: Place::default(),
            evidence: vec!["it is not ours".to_owned()],
        };
    }
    let subject = Subject::of(facts);
    let denied = match subject {
        Subject::File => Denied::Trash,
        Subject::Playlist => Denied::Remove,
    };
    if let Some(protect) = protection(policy, facts, denied) {
        return Verdict {
            decision: Decision::Keep,
            by: By::Protect,
            name: protect.name.clone(),
            at: protect.at.clone(),
            evidence: evidence(&protect.when, facts),
        };
    }
    undenied(policy, facts, freeze)
}

/// What the policy would decide without its protections.
#[must_use]
pub fn unprotected(policy: &Policy, facts: &Facts) -> Verdict {
    undenied(policy, facts, None)
}

fn undenied(policy: &Policy, facts: &Facts, freeze: Option<&Freeze>) -> Verdict {
    let subject = Subject::of(facts);
    let free =
        by_rule(policy, facts, subject).unwrap_or_else(|| by_default(policy, facts, subject));
    by_freeze(&free, freeze)
        .or_else(|| by_mode(policy, facts, &free))
        .unwrap_or(free)
}

/// The first protection that denies this.
#[must_use]
pub fn protection<'p>(policy: &'p Policy, facts: &Facts, denied: Denied) -> Option<&'p Protect> {
    policy
        .protects
        .iter()
        .find(|protect| protect.deny.contains(&denied) && protect.when.holds(facts))
}

/// One protection or rule, tried on some facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// [`By::Protect`] or [`By::Rule`].
    pub by: By,
    pub name: String,
    pub at: Place,
    /// What it would do: `deny trash, remove`, `trash`.
    pub would: String,
    /// Whether it fits; `Unknown` where a fact is missing.
    pub truth: Truth,
    /// Every test of its condition.
    pub findings: Vec<Finding>,
    /// Whether it is for such a thing at all: a rule that archives is not for a file.
    pub applies: bool,
}

/// Every protection and rule in the order in which they count, yes or no, and why. What decides in the
/// end is [`verdict`].
#[must_use]
pub fn explain(policy: &Policy, facts: &Facts) -> Vec<Tried> {
    let subject = Subject::of(facts);
    let tried =
        |by, name: &str, at: &Place, when: &super::Condition, would: String, applies| Tried {
            by,
            name: name.to_owned(),
            at: at.clone(),
            would,
            truth: when.truth(facts),
            findings: when.explain(facts),
            applies,
        };
    let protects = policy.protects.iter().map(|protect| {
        let denied: Vec<&str> = protect.deny.iter().map(|denied| denied.as_str()).collect();
        let would = format!("deny {}", denied.join(", "));
        tried(
            By::Protect,
            &protect.name,
            &protect.at,
            &protect.when,
            would,
            true,
        )
    });
    let rules = policy.rules.iter().map(|rule| {
        let would = Decision::from(&rule.then).to_string();
        let applies = subject.takes(&rule.then);
        tried(By::Rule, &rule.name, &rule.at, &rule.when, would, applies)
    });
    protects.chain(rules).collect()
}

/// Runs `[[test]]`.
#[must_use]
pub fn run_tests(policy: &Policy) -> Vec<TestResult> {
    policy
        .tests
        .iter()
        .map(|test| {
            let got = verdict(policy, &test.given).to_string();
            let asked = policy.protects.iter().map(|protect| &protect.when);
            let asked = asked.chain(policy.rules.iter().map(|rule| &rule.when));
            let mut missing: Vec<&'static str> = asked
                .filter(|when| when.truth(&test.given) == Truth::Unknown)
                .flat_map(super::Condition::keys)
                .filter(|key| !test.given.contains_key(key))
                .collect();
            missing.sort_unstable();
            missing.dedup();
            TestResult {
                name: test.name.clone(),
                passed: got == test.expect.trim(),
                expected: test.expect.clone(),
                got,
                at: test.at.clone(),
                missing,
            }
        })
        .collect()
}

/// What the facts are about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    File,
    Playlist,
}

impl Subject {
    fn of(facts: &Facts) -> Self {
        let about = |group: &str| facts.keys().any(|key| key.starts_with(group));
        match about("playlist.") && !about("file.") {
            true => Self::Playlist,
            false => Self::File,
        }
    }

    /// Whether an outcome can befall it.
    pub(super) const fn takes(self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Keep => true,
            Outcome::Trash | Outcome::Dedupe | Outcome::Upgrade => matches!(self, Self::File),
            Outcome::Archive(_) => matches!(self, Self::Playlist),
        }
    }
}

fn by_rule(policy: &Policy, facts: &Facts, subject: Subject) -> Option<Verdict> {
    let rule = policy
        .rules
        .iter()
        .find(|rule| subject.takes(&rule.then) && rule.when.holds(facts))?;
    Some(Verdict {
        decision: Decision::from(&rule.then),
        by: By::Rule,
        name: rule.name.clone(),
        at: rule.at.clone(),
        evidence: evidence(&rule.when, facts),
    })
}

fn by_default(policy: &Policy, facts: &Facts, subject: Subject) -> Verdict {
    let is = |key: &str| facts.get(key) == Some(&Fact::Flag(true));
    let (decision, name) = match subject {
        Subject::File if is("file.orphan") => match policy.defaults.track_removed {
            TrackRemoved::KeepFile => (Decision::Keep, "track_removed"),
            TrackRemoved::Trash => (Decision::Trash, "track_removed"),
        },
        Subject::Playlist if is("playlist.removed") => match policy.defaults.playlist_removed {
            PlaylistRemoved::SoftDelete => (Decision::Keep, "playlist_removed"),
            PlaylistRemoved::Archive => {
                (Decision::Archive("Archive".to_owned()), "playlist_removed")
            }
            PlaylistRemoved::Remove => (Decision::Remove, "playlist_removed"),
        },
        Subject::File | Subject::Playlist => (Decision::Keep, "mode"),
    };
    Verdict {
        decision,
        by: By::Default,
        name: name.to_owned(),
        at: policy.defaults.at.clone(),
        evidence: Vec::new(),
    }
}

fn by_freeze(free: &Verdict, freeze: Option<&Freeze>) -> Option<Verdict> {
    let class = free.decision.class()?;
    let freeze = freeze.filter(|freeze| !freeze.allow.contains(&class))?;
    Some(Verdict {
        decision: Decision::Keep,
        by: By::Freeze,
        name: freeze.name.clone(),
        at: freeze.at.clone(),
        evidence: vec![format!("would {free}")],
    })
}

/// A playlist that is only observed or only added to keeps what is there.
fn by_mode(policy: &Policy, facts: &Facts, free: &Verdict) -> Option<Verdict> {
    let class = free.decision.class()?;
    let text = |key: &str| match facts.get(key) {
        Some(Fact::Text(text)) => text.as_str(),
        _ => "",
    };
    let playlist = policy.playlist(text("playlist.id"), text("playlist.name"));
    let own = playlist.and_then(|playlist| Some((playlist.mode?, playlist)));
    let (mode, by, name, at) = match own {
        Some((mode, playlist)) => (mode, By::Playlist, playlist.which.as_str(), &playlist.at),
        None => (
            policy.defaults.mode,
            By::Default,
            "mode",
            &policy.defaults.at,
        ),
    };
    let kept = match mode {
        SyncMode::Manage => false,
        SyncMode::Additive => class != Class::Additive && class != Class::Change,
        SyncMode::Observe => true,
    };
    kept.then(|| Verdict {
        decision: Decision::Keep,
        by,
        name: name.to_owned(),
        at: at.clone(),
        evidence: vec![format!("would {free}")],
    })
}

fn evidence(when: &super::Condition, facts: &Facts) -> Vec<String> {
    when.explain(facts)
        .iter()
        .filter(|finding| finding.truth == Truth::Yes)
        .map(ToString::to_string)
        .collect()
}

impl Policy {
    /// What the policy says of one playlist; by UUID before by name.
    #[must_use]
    pub fn playlist(&self, id: &str, name: &str) -> Option<&super::PlaylistOverride> {
        let by = |wanted: &str| {
            let wanted = glob::fold(wanted);
            self.playlists
                .iter()
                .find(move |playlist| !wanted.is_empty() && glob::fold(&playlist.which) == wanted)
        };
        by(id).or_else(|| by(name))
    }

    /// How far a playlist is managed, and where that is said.
    #[must_use]
    pub fn mode(&self, id: &str, name: &str) -> (SyncMode, &Place) {
        let own = self.playlist(id, name);
        match own.and_then(|playlist| Some((playlist.mode?, &playlist.at))) {
            Some(own) => own,
            None => (self.defaults.mode, &self.defaults.at),
        }
    }
}

impl super::TidalPolicy {
    /// Whether the policy manages the playlist of this UUID and raw name.
    #[must_use]
    pub fn selects(&self, id: &str, name: &str) -> bool {
        let fits = |patterns: &[String]| {
            patterns
                .iter()
                .any(|pattern| glob::matches(pattern, name) || pattern.eq_ignore_ascii_case(id))
        };
        fits(&self.playlists) && !fits(&self.exclude)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.decision, self.by)?;
        match self.by {
            By::Provenance | By::Default => Ok(()),
            By::Protect | By::Freeze | By::Playlist | By::Rule => write!(f, " {}", self.name),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "keep",
            Self::Trash => "trash",
            Self::Dedupe => "dedupe",
            Self::Upgrade => "upgrade",
            Self::Archive(_) => "archive",
            Self::Remove => "remove",
        })
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provenance => "provenance",
            Self::Protect => "protect",
            Self::Freeze => "freeze",
            Self::Playlist => "playlist",
            Self::Rule => "rule",
            Self::Default => "default",
        })
    }
}
