//! `[state] require_approval`: what is destructive needs the agreement of other people, which stands in
//! the state that they share.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    cli::{engine::Engine, error::CliError, view::plan::short_digest, view::text::count},
    domain::Class,
    edge::store::{ApplyRow, Approval, StateReader as _, StateStore as _},
    plan::{Plan, document::Action},
    policy::Policy,
};

/// What is agreed to by others before it is done: files that go, and changes in TIDAL.
#[must_use]
pub fn is_destructive(action: &Action) -> bool {
    match action.class {
        Class::Destructive | Class::Tidal => true,
        Class::Additive | Class::Change | Class::Move | Class::Remove => false,
    }
}

/// How many people must agree to these actions.
#[must_use]
pub fn needed<'a>(policy: &Policy, actions: impl IntoIterator<Item = &'a Action>) -> usize {
    match actions.into_iter().any(is_destructive) {
        true => policy.required_approvals,
        false => 0,
    }
}

/// The plan that people agreed to, and who.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Agreed {
    /// Of the plan and its review.
    pub digest: String,
    pub who: Vec<String>,
    /// How many the policy asks for.
    pub needed: usize,
    /// When the last of them agreed.
    pub at: Timestamp,
}

impl Agreed {
    /// `9f2c41d0 by ben, carla (2 of 2)`
    #[must_use]
    pub fn in_words(&self) -> String {
        format!(
            "{} by {} ({} of {})",
            short_digest(&self.digest),
            self.who.join(", "),
            self.who.len(),
            self.needed
        )
    }
}

/// What people agreed to and nobody applied yet, newest first.
#[must_use]
pub fn open(approvals: Vec<Approval>, applies: &[ApplyRow], needed: usize) -> Vec<Agreed> {
    let applied: BTreeSet<&str> = applies.iter().map(|row| row.digest.as_str()).collect();
    let mut open: BTreeMap<String, Agreed> = BTreeMap::new();
    // Oldest first, so that the last word counts.
    for approval in approvals.into_iter().rev() {
        if applied.contains(approval.plan.as_str()) {
            continue;
        }
        let digest = approval.digest.clone();
        let agreed = open.entry(digest.clone()).or_insert_with(|| Agreed {
            digest,
            who: Vec::new(),
            needed,
            at: approval.at,
        });
        agreed.who.push(approval.who);
        agreed.at = approval.at;
    }
    let mut open: Vec<Agreed> = open.into_values().collect();
    open.sort_by_key(|agreed| (std::cmp::Reverse(agreed.at), agreed.digest.clone()));
    open
}

impl Engine {
    /// Who this person is to others: the system's user name, and the user that the server knows where that is
    /// another.
    #[must_use]
    pub fn person(&self) -> String {
        let who = match self.who() {
            who if who.is_empty() => "somebody".to_owned(),
            who => who,
        };
        match self.store.server_user() {
            Some(user) if user != who => format!("{who} ({user})"),
            Some(_) | None => who,
        }
    }

    /// Records that this person agreed.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn record_approval(&mut self, plan: &Plan, digest: &str) -> Result<(), CliError> {
        let approval = Approval {
            digest: digest.to_owned(),
            plan: plan.digest.clone(),
            who: self.person(),
            at: Timestamp::now(),
        };
        Ok(self.store.approve(&approval).await?)
    }

    /// Who else agreed to what goes by one of these digests.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn approved_by_others(&self, digests: &[&str]) -> Result<Vec<String>, CliError> {
        let me = self.person();
        let approvals = self.store.approvals().await?;
        let others = approvals
            .into_iter()
            .filter(|approval| digests.contains(&approval.digest.as_str()) && approval.who != me);
        let others: BTreeSet<String> = others.map(|approval| approval.who).collect();
        Ok(others.into_iter().collect())
    }

    /// TC702: too few others agreed to a destructive plan.
    ///
    /// # Errors
    /// [`Kind::Refused`](crate::cli::error::Kind::Refused) with who agreed so far.
    pub async fn refuse_unapproved<'a>(
        &self,
        actions: impl IntoIterator<Item = &'a Action>,
        digests: &[&str],
    ) -> Result<(), CliError> {
        let needed = needed(&self.policy, actions);
        if needed == 0 {
            return Ok(());
        }
        let others = self.approved_by_others(digests).await?;
        if others.len() >= needed {
            return Ok(());
        }
        let by = match others.as_slice() {
            [] => "nobody".to_owned(),
            some => format!("{} ({})", some.len(), some.join(", ")),
        };
        Err(CliError::refused(
            "TC702",
            format!(
                "this plan needs the approval of {} (`[state] require_approval`), and has that of {by}",
                count(needed, "other person", "other people")
            ),
        )
        .hint("give them the plan: `tidal-cleanup plan --out plan.json`; each types `tidal-cleanup approve plan.json`")
        .hint("then apply that plan; `--only additive` leaves out what needs approval"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::view::{apply::tests::apply, sample},
        edge::store::ApplyStatus,
    };

    fn approval(digest: &str, plan: &str, who: &str, second: i64) -> Approval {
        Approval {
            digest: format!("sha256:{digest}"),
            plan: format!("sha256:{plan}"),
            who: who.to_owned(),
            at: Timestamp::from_second(second).unwrap(),
        }
    }

    #[test]
    fn what_was_applied_is_not_open_any_more() {
        let done = apply(12, ApplyStatus::Completed);
        let plan = done.digest.strip_prefix("sha256:").unwrap().to_owned();
        let approvals = vec![
            approval("cccccccc", "cc", "carla", 9),
            approval("aaaaaaaa", "aa", "ben", 8),
            approval("aaaaaaaa", "aa", "carla", 7),
            approval("bbbbbbbb", &plan, "ben", 6),
        ];
        let open = open(approvals, &[done], 2);
        let words: Vec<String> = open.iter().map(Agreed::in_words).collect();
        assert_eq!(
            words,
            [
                "cccccccc by carla (1 of 2)",
                "aaaaaaaa by carla, ben (2 of 2)"
            ]
        );
    }

    #[test]
    fn what_only_adds_needs_nobody() {
        let plan = sample::everyday();
        let destructive = plan.body.actions.iter().filter(|it| is_destructive(it));
        assert!(destructive.clone().count() > 0);
        assert!(destructive.count() < plan.body.actions.len());
    }
}
