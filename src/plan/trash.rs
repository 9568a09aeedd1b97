//! Plans about the trash: what `trash purge` deletes for good, and what `trash restore` brings back.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

use super::{
    canonical::action_id,
    document::{
        Action, At, Base, Body, Check, CheckStatus, Class, Effect, Estimate, FromTrash, Held, Mode,
        PolicyInput, Precondition, Purged, Subject, Undo, Why,
    },
    guard::{self, Allow},
};
use crate::{
    domain::{ContentHash, MediaPath},
    policy::TrashPolicy,
};

/// A file in the trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lying {
    /// The run that put it there; `placed` for the original of a file that was moved by copying.
    pub run: String,
    /// Where it is, below the root.
    pub place: MediaPath,
    /// Where it was.
    pub path: MediaPath,
    /// Bytes.
    pub size: u64,
    /// Its modification time.
    pub mtime: (i64, u32),
    /// Its content; for a purge `None` when it is not what was put there.
    pub sha256: Option<ContentHash>,
    /// Since when it lies there; `None` when no manifest says so.
    pub at: Option<Timestamp>,
}

/// What a plan about the trash starts from.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The state.
    pub base: Base,
    /// The policy file.
    pub policy: PolicyInput,
    /// The present time; the plan holds its date alone.
    pub now: Timestamp,
}

/// The plan that deletes what lies in the trash for longer than `older_than`. Without that, what lies
/// there for longer than the policy keeps it goes, and then the oldest, until the rest fits into
/// `max_bytes`. What no manifest knows, or is not what was put there, is held.
#[must_use]
pub fn purge_plan(
    lying: &[Lying],
    policy: &TrashPolicy,
    older_than: Option<Duration>,
    allow: &[Allow],
    ground: Ground,
) -> Body {
    let mut oldest_first: Vec<&Lying> = lying.iter().collect();
    oldest_first.sort_by(|a, b| (a.at, &a.place).cmp(&(b.at, &b.place)));
    let keep = older_than.unwrap_or(policy.keep);
    let mut left: u64 = lying.iter().map(|file| file.size).sum();
    let (mut actions, mut held) = (Vec::new(), Vec::new());
    for file in oldest_first {
        let Some(at) = file.at else {
            held.push(kept(file, "it was not put there by tidal-cleanup"));
            continue;
        };
        let age = Duration::try_from(ground.now.duration_since(at)).unwrap_or_default();
        let too_old = age > keep;
        let too_much = older_than.is_none() && left > policy.max_bytes;
        if !too_old && !too_much {
            continue;
        }
        let Some(sha256) = file.sha256 else {
            held.push(kept(file, "it changed since it was put there"));
            continue;
        };
        left = left.saturating_sub(file.size);
        let rule = match too_old {
            true => "older",
            false => "max_bytes",
        };
        let date = at.to_zoned(TimeZone::UTC).date();
        actions.push(deletion(
            file,
            sha256,
            rule,
            format!("in the trash since {date}"),
        ));
    }
    let check = guard::purge(actions.len(), allow);
    let refused = check.status == CheckStatus::Refuse;
    let checks = vec![check];
    body(Mode::Purge, ground, actions, held, checks, !refused)
}

/// The plan that brings files back to where they were, or beside what is there now. They are the
/// user's own from then on.
#[must_use]
pub fn restore_plan(files: &[(Lying, ContentHash)], ground: Ground) -> Body {
    let actions = files.iter().map(|(file, sha256)| {
        let effect = Effect::FileRestore {
            before: FromTrash {
                trash_path: file.place.clone(),
                sha256: *sha256,
            },
            after: At {
                path: file.path.clone(),
                home: None,
            },
        };
        action(
            file,
            effect,
            (Class::Additive, Undo::ByteIdentical),
            "trash restore",
            format!("from the trash of apply {}", file.run),
        )
    });
    let actions = actions.collect();
    body(Mode::Restore, ground, actions, Vec::new(), Vec::new(), true)
}

fn deletion(file: &Lying, sha256: ContentHash, rule: &str, text: String) -> Action {
    let effect = Effect::TrashPurge {
        before: Purged {
            trash_path: file.place.clone(),
            size: file.size,
            sha256,
        },
    };
    let mut deleted = action(file, effect, (Class::Destructive, Undo::None), rule, text);
    deleted.pre.push(Precondition::File {
        path: file.place.clone(),
        size: file.size,
        mtime: file.mtime,
        sha256: None,
    });
    deleted
}

fn subject(file: &Lying) -> Subject {
    Subject {
        track: None,
        label: file.path.to_string(),
    }
}

fn action(
    file: &Lying,
    effect: Effect,
    (class, undo): (Class, Undo),
    rule: &str,
    text: String,
) -> Action {
    let subject = subject(file);
    Action {
        id: action_id(&effect, &subject),
        class,
        effect,
        subject,
        playlist: None,
        pre: Vec::new(),
        why: Why {
            rule: rule.to_owned(),
            text,
            ..Why::default()
        },
        risk: None,
        undo,
        depends_on: Vec::new(),
        estimate: Estimate::default(),
    }
}

fn kept(file: &Lying, text: &str) -> Held {
    let effect = Effect::TrashPurge {
        before: Purged {
            trash_path: file.place.clone(),
            size: file.size,
            sha256: ContentHash::of(b""),
        },
    };
    Held {
        id: action_id(&effect, &subject(file)),
        label: file.place.to_string(),
        playlist: None,
        would: "would delete for good".to_owned(),
        gate: "changed".to_owned(),
        rule: "purge".to_owned(),
        at: String::new(),
        text: text.to_owned(),
    }
}

fn body(
    mode: Mode,
    ground: Ground,
    actions: Vec<Action>,
    held: Vec<Held>,
    checks: Vec<Check>,
    applyable: bool,
) -> Body {
    let as_of = ground.now.to_zoned(TimeZone::UTC).date().to_string();
    let mut body = Body::bare(mode, ground.base, ground.policy, as_of);
    match mode {
        Mode::Purge => body.summary.trash = actions.len(),
        _ => body.summary.add = actions.len(),
    }
    body.summary.held = held.len();
    body.applyable = applyable;
    (body.actions, body.held, body.checks) = (actions, held, checks);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn ground() -> Ground {
        Ground {
            base: Base::default(),
            policy: PolicyInput {
                path: "tidal-cleanup.toml".to_owned(),
                sha256: ContentHash::of(b""),
                settings: std::collections::BTreeMap::new(),
            },
            now: "2026-11-22T12:00:00Z".parse().unwrap(),
        }
    }

    fn file(name: &str, days: i64, size: u64) -> Lying {
        let now = ground().now;
        Lying {
            run: "1".to_owned(),
            place: MediaPath::new(format!(".tidal-cleanup/trash/1/{name}")),
            path: name.into(),
            size,
            mtime: (0, 0),
            sha256: Some(ContentHash::of(name.as_bytes())),
            at: Some(now - jiff::SignedDuration::from_hours(24 * days)),
        }
    }

    fn purged(lying: &[Lying], older_than: Option<Duration>) -> Vec<String> {
        let policy = TrashPolicy {
            keep: Duration::from_secs(30 * DAY),
            max_bytes: 100,
        };
        let body = purge_plan(lying, &policy, older_than, &[], ground());
        assert_eq!(body.summary.trash, body.actions.len());
        let labels = body.actions.into_iter().map(|one| one.subject.label);
        labels.collect()
    }

    #[test]
    fn the_old_go_then_the_oldest_until_the_rest_fits() {
        let lying = [
            file("new", 1, 60),
            file("older", 5, 30),
            file("mid", 3, 20),
            file("old", 31, 500),
        ];
        assert_eq!(purged(&lying, None), ["old", "older"]);
        let day = Duration::from_secs(DAY);
        assert_eq!(purged(&lying, Some(day * 4)), ["old", "older"]);
        assert!(purged(&lying, Some(day * 40)).is_empty());
        assert!(purged(&lying[..1], None).is_empty());
    }

    #[test]
    fn what_we_did_not_put_there_or_somebody_changed_stays() {
        let mut strange = file("strange", 90, 1);
        strange.at = None;
        let mut changed = file("changed", 90, 1);
        changed.sha256 = None;
        let policy = TrashPolicy {
            keep: Duration::ZERO,
            max_bytes: 0,
        };
        let body = purge_plan(&[strange, changed], &policy, None, &[], ground());
        assert!(body.actions.is_empty());
        assert_eq!(body.held.len(), 2);
    }

    #[test]
    fn a_purge_has_a_limit_of_its_own() {
        let many: Vec<Lying> = (0..=guard::MAX_PURGE)
            .map(|n| file(&format!("{n}"), 90, 1))
            .collect();
        let policy = TrashPolicy {
            keep: Duration::ZERO,
            max_bytes: 0,
        };
        let body = purge_plan(&many, &policy, None, &[], ground());
        assert!(!body.applyable);
        assert_eq!(body.checks[0].code, "TC204");
        let allow = Allow::parse("purge=1001", "the disk is full").unwrap();
        assert!(purge_plan(&many, &policy, None, &[allow], ground()).applyable);
    }
}
