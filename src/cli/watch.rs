//! `watch`: plans on a schedule and when the library changes, applies what the policy lets it, and tells
//! a person what waits for them.
//!
//! It has no way of its own: it plans as `plan` does, saves that plan beside the state database, and applies
//! it as `apply PLAN --only additive --yes` does, with all their gates. What it decides by itself is
//! `assess`.

mod events;
mod notice;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{Timestamp, Zoned};
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::{
    args::{ApplyArgs, Consent, PlanInputs, WatchArgs},
    choice::Only,
    command,
    engine::{Engine, Request, load_policy},
    error::{CliError, Exit, Kind},
    interrupt::Interrupt,
    plan::{self, write_whole},
    settings::Settings,
    ui::Ui,
    view::{plan::summary, text::count},
};
use crate::{
    domain::Class,
    edge::{rekordbox::RekordboxReader as _, store::freeze::HandFreeze},
    plan::{
        Plan, canonical,
        document::{Action, CheckStatus, Summary},
        guard,
    },
    policy::{Policy, WatchPolicy},
};
use events::Events;

/// After an error the next plan is made no later than this.
const AFTER_AN_ERROR: Duration = Duration::from_secs(300);
/// A library that never is quiet is looked at after so many times `settle` all the same.
const PATIENCE: u32 = 20;

/// Why a plan is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Cause {
    /// It is the first, or it is time.
    Schedule,
    /// The library changed.
    Change,
}

/// What speaks against applying by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Moment {
    /// A freeze is on.
    frozen: bool,
    /// Rekordbox runs, or it cannot be told whether it does.
    rekordbox_runs: bool,
}

/// What a plan means for who watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Assessment {
    /// So many actions only add, and are applied now.
    apply: usize,
    /// So many only add, and wait; with the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<(usize, &'static str)>,
    /// What is added, as a plan counts it.
    #[serde(skip)]
    additions: Vec<String>,
    /// What a person has to look at, in words; empty when there is nothing.
    person: Vec<String>,
    /// Tells one such situation from another.
    #[serde(skip)]
    key: String,
}

/// `watch`
///
/// # Errors
/// When the policy has mistakes at the beginning, or with `--once` what planning or applying fails with.
pub async fn watch(
    settings: &Settings,
    ui: &Ui,
    interrupt: &Interrupt,
    args: &WatchArgs,
) -> Result<Exit, CliError> {
    let mut policy = load_policy(settings, ui)?.watch;
    let mut watcher = Watcher {
        settings,
        ui,
        interrupt,
        args,
        told: None,
        mute: false,
    };
    if args.once {
        let planned = watcher.round(Cause::Schedule).await?;
        return Ok(planned);
    }
    ui.status("Watching; Ctrl-C ends it.");
    // From here on the first signal ends the loop, wherever it is.
    let _waiting = interrupt.waiting();
    let mut cause = Cause::Schedule;
    let mut events: Option<Events> = None;
    let mut deaf = false;
    loop {
        let failed = match watcher.round(cause).await {
            Ok(_) => false,
            Err(error) if error.kind == Kind::Interrupted => break,
            Err(error) => {
                watcher.failed(&error, &policy).await;
                true
            }
        };
        // A policy that was edited counts from the next round on; a broken one was told above.
        let lookup = |name: &str| settings.around.variable(name);
        let loaded = settings
            .policy_path()
            .ok()
            .and_then(|path| Policy::load(&path, &lookup, settings.home()).ok());
        let root = loaded.map(|loaded| {
            policy = loaded.policy.watch;
            loaded.policy.library.root
        });
        if events.is_none() || failed {
            events = match root.as_deref().map(Events::of) {
                Some(Ok(events)) => Some(events),
                Some(Err(why)) if !deaf && !failed => {
                    ui.warning(format!(
                        "changes of the library are not heard ({why}); the schedule goes on"
                    ));
                    deaf = true;
                    None
                }
                Some(Err(_)) | None => None,
            };
        }
        // What we did ourselves is no news.
        if let Some(events) = &mut events {
            events.forget();
        }
        let every = args.every.unwrap_or(policy.every);
        let every = if failed {
            every.min(AFTER_AN_ERROR)
        } else {
            every
        };
        watcher.say_next(every);
        match wait(interrupt, events.as_mut(), every, policy.settle).await {
            Some(next) => cause = next,
            None => break,
        }
    }
    ui.status("No longer watching.");
    Ok(Exit::Done)
}

/// Waits for the schedule, or for a library that has come to rest after a change. `None`: somebody asked
/// to end.
async fn wait(
    interrupt: &Interrupt,
    mut events: Option<&mut Events>,
    every: Duration,
    settle: Duration,
) -> Option<Cause> {
    let due = Instant::now() + every;
    tokio::select! {
        () = interrupt.requested() => return None,
        () = sleep_until(due) => return Some(Cause::Schedule),
        () = heard(&mut events) => {}
    }
    let latest = Instant::now() + settle * PATIENCE;
    loop {
        let quiet = (Instant::now() + settle).min(latest);
        tokio::select! {
            () = interrupt.requested() => return None,
            () = sleep_until(quiet) => return Some(Cause::Change),
            () = heard(&mut events) => {}
        }
    }
}

async fn heard(events: &mut Option<&mut Events>) {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

struct Watcher<'a> {
    settings: &'a Settings,
    ui: &'a Ui,
    interrupt: &'a Interrupt,
    args: &'a WatchArgs,
    /// What a person was told last: the same is not told again.
    told: Option<String>,
    /// The way to tell does not work here, which was said.
    mute: bool,
}

impl Watcher<'_> {
    /// Plans, applies what may be applied, tells what is left.
    async fn round(&mut self, cause: Cause) -> Result<Exit, CliError> {
        let (plan, moment, policy, saved) = tokio::select! {
            made = self.look(cause) => made?,
            () = self.interrupt.requested() => {
                return Err(CliError::message(Kind::Interrupted, "interrupted"));
            }
        };
        let lets = policy.apply_additive && !self.args.only_tell;
        let found = assess(&plan, lets, &moment);
        self.ui.log("planned", &format!("{found:?}"));
        if self.ui.is_json() {
            self.ui.event(&json!({
                "event": "planned", "cause": cause, "digest": plan.digest, "summary": plan.body.summary,
                "moment": moment, "found": found,
            }));
        } else {
            self.ui
                .status(found.line(&self.ui.look().time(Timestamp::now())));
        }
        let mut exit = plan::exit(&plan, true);
        if found.apply > 0 {
            exit = self.apply(&plan, &saved).await?;
        }
        self.tell(&found, &policy).await;
        Ok(exit)
    }

    /// A plan, and what the moment says. A change of the library is no reason to ask TIDAL.
    async fn look(&self, cause: Cause) -> Result<(Plan, Moment, WatchPolicy, PathBuf), CliError> {
        let mut engine = Engine::look_at(self.settings, self.ui).await?;
        engine.refuse_unfinished().await?;
        let inputs = match cause {
            Cause::Schedule => PlanInputs::default(),
            Cause::Change => engine.at_hand(&PlanInputs::default()).await?,
        };
        let request = Request {
            inputs,
            ..Request::default()
        };
        let plan = engine.plan_alone(&request, self.ui).await?;
        let frozen = match HandFreeze::read(&engine.db) {
            // What cannot be read may be a freeze.
            Err(_) => true,
            Ok(by_hand) => {
                let now = Zoned::now();
                by_hand.is_some_and(|freeze| freeze.is_on(now.timestamp()))
                    || guard::freeze_active(&engine.policy, &now).is_some()
            }
        };
        let running = engine
            .rekordbox
            .as_ref()
            .map(|rekordbox| rekordbox.running());
        let moment = Moment {
            frozen,
            rekordbox_runs: running
                .is_some_and(|names| names.map_or(true, |names| !names.is_empty())),
        };
        let policy = engine.policy.watch.clone();
        engine.store.close().await;
        let saved = engine.db.with_file_name("watch-plan.json");
        Ok((plan, moment, policy, saved))
    }

    async fn apply(&self, plan: &Plan, saved: &Path) -> Result<Exit, CliError> {
        write_whole(saved, &canonical::to_json(plan))?;
        let args = ApplyArgs {
            plan: Some(saved.to_owned()),
            consent: Consent {
                yes: true,
                lock_timeout: Duration::from_secs(30),
                ..Consent::default()
            },
            only: vec![Only::Class(Class::Additive)],
            ..ApplyArgs::default()
        };
        Box::pin(command::apply::apply(
            self.settings,
            self.ui,
            self.interrupt,
            &args,
        ))
        .await
    }

    /// Tells what waits for a person, if they were not told already.
    async fn tell(&mut self, found: &Assessment, policy: &WatchPolicy) {
        if found.person.is_empty() {
            self.told = None;
            return;
        }
        let text = format!(
            "{}. `tidal-cleanup plan` shows it.",
            found.person.join(", ")
        );
        self.notify(&found.key, &text, policy).await;
    }

    async fn failed(&mut self, error: &CliError, policy: &WatchPolicy) {
        self.ui.error(error);
        if self.ui.is_json() {
            self.ui.event(&json!({"event": "failed", "code": error.exit().code(), "error": error.to_string()}));
        }
        self.notify(&format!("error {error}"), &error.to_string(), policy)
            .await;
    }

    async fn notify(&mut self, key: &str, text: &str, policy: &WatchPolicy) {
        if self.told.as_deref() == Some(key) {
            return;
        }
        self.told = Some(key.to_owned());
        if self.ui.is_json() {
            self.ui.event(&json!({"event": "needs-you", "text": text}));
        }
        if let Err(why) = notice::tell(&policy.notify, "tidal-cleanup", text).await
            && !self.mute
        {
            self.mute = true;
            self.ui.warning(format!("nobody could be notified ({why})"));
            self.ui
                .hint("`notify` in `[watch]` takes a command of yours, or \"none\"");
        }
    }

    fn say_next(&self, every: Duration) {
        if let Ok(at) = Timestamp::now().checked_add(every) {
            self.ui.detail(format!(
                "Next plan at {}, or when the library changes.",
                self.ui.look().time(at)
            ));
            if self.ui.is_json() {
                self.ui.event(&json!({"event": "waiting", "until": at}));
            }
        }
    }
}

/// What a plan means: what is applied now, what waits, and what a person has to look at.
fn assess(plan: &Plan, lets: bool, moment: &Moment) -> Assessment {
    let body = &plan.body;
    let adds = |action: &&Action| action.class == Class::Additive;
    let additive = body.actions.iter().filter(adds).count();
    let others: Vec<&Action> = body.actions.iter().filter(|action| !adds(action)).collect();
    let refused: Vec<&str> = body
        .checks
        .iter()
        .filter(|check| check.status == CheckStatus::Refuse)
        .map(|check| check.code.as_str())
        .collect();
    let against = match (lets, moment) {
        (false, _) => Some("you apply it"),
        (true, _) if !refused.is_empty() => Some("a gate refuses the plan"),
        (true, Moment { frozen: true, .. }) => Some("a freeze is on"),
        (
            true,
            Moment {
                rekordbox_runs: true,
                ..
            },
        ) => Some("Rekordbox runs"),
        (true, _) => None,
    };
    // In the words of the plan that they will read: a row of it may be several actions.
    let rows = &body.summary;
    let additions = Summary {
        add: rows.add,
        adopt: rows.adopt,
        ..Summary::default()
    };
    let additions = in_words(&additions, additive, ("addition", "additions"));
    let further = Summary {
        add: 0,
        adopt: 0,
        decide: 0,
        held: 0,
        ..*rows
    };
    let further = in_words(&further, others.len(), ("small change", "small changes"));
    let (apply, waits) = match against {
        None => (additive, None),
        Some(why) => (0, Some((additive, why)).filter(|(many, _)| *many > 0)),
    };
    let mut person = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    if !refused.is_empty() {
        person.push(format!("refused by {}", refused.join(", ")));
        keys.extend(refused.iter().map(|code| (*code).to_owned()));
    }
    // What waits for a freeze or for Rekordbox to be quit needs nobody.
    if !lets && additive > 0 {
        person.extend_from_slice(&additions);
        keys.extend(
            body.actions
                .iter()
                .filter(adds)
                .map(|action| action.id.to_string()),
        );
    }
    if !others.is_empty() {
        person.extend(further);
        keys.extend(others.iter().map(|action| action.id.to_string()));
    }
    if !body.decisions.is_empty() {
        person.push(count(body.decisions.len(), "question", "questions"));
        keys.extend(body.decisions.iter().map(|asked| asked.id.to_string()));
    }
    Assessment {
        apply,
        waits,
        additions,
        person,
        key: keys.join(" "),
    }
}

/// What a plan counts, or how many actions there are where it counts none of them: those that follow from what
/// is there already, like a playlist file.
fn in_words(rows: &Summary, actions: usize, (one, many): (&str, &str)) -> Vec<String> {
    match summary(rows) {
        _ if actions == 0 => Vec::new(),
        words if words.is_empty() => vec![count(actions, one, many)],
        words => words,
    }
}

impl Assessment {
    fn line(&self, time: &str) -> String {
        let mut parts = Vec::new();
        if self.apply > 0 {
            parts.push(format!("{}, applied now", self.additions.join(", ")));
        }
        if let Some((_, why)) = self.waits.filter(|(_, why)| *why != "you apply it") {
            parts.push(format!("{}, waiting: {why}", self.additions.join(", ")));
        }
        parts.extend(self.person.iter().cloned());
        match parts.is_empty() {
            true => format!("{time}  nothing to do"),
            false => format!("{time}  {}", parts.join(" · ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::{self, sample};

    fn moment() -> Moment {
        Moment {
            frozen: false,
            rekordbox_runs: false,
        }
    }

    fn adding() -> Plan {
        let mut plan = sample::everyday();
        plan.body
            .actions
            .retain(|action| action.class == Class::Additive);
        plan.body.decisions.clear();
        plan.body.checks.clear();
        assert!(!plan.body.actions.is_empty());
        plan
    }

    #[test]
    fn what_only_adds_is_applied_if_nothing_speaks_against_it() {
        let plan = adding();
        let many = plan.body.actions.len();
        let found = assess(&plan, true, &moment());
        assert_eq!(
            (found.apply, found.waits, found.person.len()),
            (many, None, 0)
        );
        let frozen = Moment {
            frozen: true,
            ..moment()
        };
        let runs = Moment {
            rekordbox_runs: true,
            ..moment()
        };
        for (lets, moment, why) in [
            (true, frozen, "a freeze is on"),
            (true, runs, "Rekordbox runs"),
            (false, moment(), "you apply it"),
        ] {
            let found = assess(&plan, lets, &moment);
            assert_eq!((found.apply, found.waits), (0, Some((many, why))));
            assert_eq!(found.person.is_empty(), lets);
        }
    }

    #[test]
    fn what_takes_away_and_what_is_asked_waits_for_a_person() {
        let plan = sample::everyday();
        let found = assess(&plan, true, &moment());
        assert!(found.apply < plan.body.actions.len());
        // As the plan itself has it.
        let closing = view::plan::closing(&plan, None);
        let told: Vec<&String> = found
            .person
            .iter()
            .filter(|part| part.contains(" to "))
            .collect();
        assert!(told.len() > 1, "{found:?}");
        for part in told {
            assert!(closing.contains(part.as_str()), "{part}: {closing}");
        }
        let mut other = plan.clone();
        other
            .body
            .actions
            .retain(|action| action.class == Class::Additive);
        assert_ne!(assess(&other, true, &moment()).key, found.key);
        assert_eq!(assess(&plan, true, &moment()).key, found.key);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_waits_for_rest_and_the_schedule_for_its_time() {
        let interrupt = Interrupt::default();
        let minute = Duration::from_secs(60);
        let began = Instant::now();
        assert_eq!(
            wait(&interrupt, None, minute, minute).await,
            Some(Cause::Schedule)
        );
        assert_eq!(began.elapsed().as_secs(), 60);
    }
}
