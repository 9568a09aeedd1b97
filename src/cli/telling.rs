//! How far a run is: for people a bar, or a line now and then; for programs one JSON object a line.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    error::{CliError, Exit},
    ui::Ui,
    view::{apply::StepLine, text::count},
};
use crate::{
    apply::Progress,
    domain::{ActionId, ApplyId},
    edge::store::OperationStatus,
    plan::document::{Action, Effect},
};

/// How often a line is written where no bar can be drawn.
const LINES_APART: Duration = Duration::from_secs(15);
/// Before this nothing is said of the time that is left.
const TOO_EARLY: Duration = Duration::from_secs(10);

/// Tells of one run.
pub struct Telling<'u> {
    ui: &'u Ui,
    what: &'static str,
    tally: Tally,
    last_line: Instant,
}

/// What is counted. An action counts once, when it came to its end, however often it was tried.
#[derive(Debug, Default)]
struct Tally {
    total: usize,
    ended: BTreeSet<ActionId>,
    /// Of those, what took no download, and since when such actions are done.
    local: usize,
    since: Option<Instant>,
}

impl Tally {
    fn starts(&mut self, action: &Action, now: Instant) {
        if !is_delivery(action) {
            self.since.get_or_insert(now);
        }
    }

    /// Whether the action has come to its end now.
    fn settles(&mut self, action: &Action, status: OperationStatus) -> bool {
        let ended = match status {
            OperationStatus::Pending | OperationStatus::Running => false,
            OperationStatus::Completed | OperationStatus::Failed | OperationStatus::Skipped => {
                self.ended.insert(action.id.clone())
            }
        };
        self.local += usize::from(ended && !is_delivery(action));
        ended
    }

    fn done(&self) -> usize {
        self.ended.len()
    }

    /// The time that is left at the pace so far; `None` while that would be a guess. Downloads have
    /// their own, by bytes.
    fn left(&self, now: Instant) -> Option<Duration> {
        let worked = now.duration_since(self.since?);
        let left = self.total.saturating_sub(self.done());
        let known = worked >= TOO_EARLY && self.local * 20 >= self.total && left > 0;
        let each = worked.as_secs_f64() / self.local.max(1) as f64;
        known.then(|| Duration::from_secs_f64(each * left as f64))
    }

    fn text(&self, now: Instant) -> String {
        let left = match self.left(now).map(|left| left.as_secs()) {
            None => String::new(),
            Some(0..=90) => ", about a minute left".to_owned(),
            Some(seconds) => format!(", about {} min left", seconds.div_ceil(60)),
        };
        let total = count(self.total, "action", "actions");
        format!("{} of {total}{left}", self.done())
    }
}

const fn is_delivery(action: &Action) -> bool {
    matches!(
        action.effect,
        Effect::FileFetch { .. } | Effect::FileConvert { .. }
    )
}

impl<'u> Telling<'u> {
    /// A run of so many actions begins.
    pub fn begin(ui: &'u Ui, what: &'static str, total: usize) -> Self {
        ui.begin_progress(total as u64, what);
        Self {
            ui,
            what,
            tally: Tally {
                total,
                ..Tally::default()
            },
            last_line: Instant::now(),
        }
    }

    /// Tells of a step.
    pub fn take(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Begun { apply, actions } => self.begun(apply, actions),
            Progress::Started(action) => {
                self.tally.starts(action, Instant::now());
                self.ui
                    .step(self.tally.done() as u64, &action.subject.label);
                self.event(|| {
                    json!({"event": "started", "action": action.id, "kind": action.effect.kind(),
                           "label": action.subject.label})
                });
            }
            Progress::Settled {
                action,
                status,
                message,
            } => self.settled(action, status, message),
            Progress::Xml { message } => {
                if let Some(message) = message {
                    self.ui.warning(format!("masterPlaylists6.xml: {message}"));
                }
                self.event(|| with_error(json!({"event": "xml"}), message));
            }
        }
    }

    fn begun(&self, ApplyId(id): ApplyId, actions: usize) {
        self.ui.detail(format!("Apply {id}: {actions} actions"));
        let of = self.tally.total;
        self.event(|| {
            json!({"event": "begun", "format": "tidal-cleanup/apply-stream", "format_version": "1.0",
                   "apply": id, "actions": actions, "left": of})
        });
    }

    fn settled(&mut self, action: &Action, status: OperationStatus, message: Option<&str>) {
        if !self.tally.settles(action, status) {
            return;
        }
        let (done, label) = (self.tally.done(), &action.subject.label);
        self.ui.step(done as u64, label);
        match (status, message) {
            (OperationStatus::Failed, Some(message)) => {
                self.ui.warning(format!("{label}: {message}"));
            }
            _ => self.ui.detail(StepLine {
                number: done,
                of: self.tally.total,
                kind: action.effect.kind(),
                label,
                status,
            }),
        }
        self.event(|| {
            let event = json!({"event": "settled", "action": action.id, "kind": action.effect.kind(),
                               "label": label, "status": status, "done": done, "of": self.tally.total});
            with_error(event, message)
        });
        let now = Instant::now();
        if now.duration_since(self.last_line) >= LINES_APART {
            self.last_line = now;
            let text = self.tally.text(now);
            match self.ui.voice().is_drawn() {
                true => self.ui.voice().message(&text),
                false => self.ui.status(format!("{}: {text}", self.what)),
            }
        }
    }

    fn event(&self, event: impl FnOnce() -> Value) {
        if self.ui.is_json() {
            self.ui.event(&event());
        }
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.ui.end_progress();
    }
}

fn with_error(mut event: Value, message: Option<&str>) -> Value {
    if let (Some(message), Some(fields)) = (message, event.as_object_mut()) {
        fields.insert("error".to_owned(), message.into());
    }
    event
}

/// The last line of every stream: how the program ends. A stream without it was cut off.
///
/// # Errors
/// What the command ended with.
pub fn exit(ui: &Ui, ended: Result<Exit, CliError>) -> Result<Exit, CliError> {
    if ui.is_json() {
        let (code, error) = match &ended {
            Ok(exit) => (exit.code(), None),
            Err(error) => (error.exit().code(), Some(error.to_string())),
        };
        let event = json!({"event": "exit", "code": code});
        ui.event(&with_error(event, error.as_deref()));
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::sample;

    fn actions() -> Vec<Action> {
        sample::everyday().body.actions
    }

    #[test]
    fn an_action_counts_once_and_only_at_its_end() {
        let actions = actions();
        let mut tally = Tally {
            total: actions.len(),
            ..Tally::default()
        };
        assert!(!tally.settles(&actions[0], OperationStatus::Pending));
        assert!(tally.settles(&actions[0], OperationStatus::Failed));
        assert!(!tally.settles(&actions[0], OperationStatus::Completed));
        assert_eq!(tally.done(), 1);
    }

    #[test]
    fn the_time_left_is_told_when_it_is_known() {
        let now = Instant::now();
        let mut tally = Tally {
            total: 100,
            local: 50,
            since: Some(now),
            ..Tally::default()
        };
        tally.ended = (0..50)
            .map(|n| ActionId::new(format!("a_{n}").as_str()))
            .collect();
        assert_eq!(tally.text(now), "50 of 100 actions");
        let later = now + Duration::from_secs(200);
        assert_eq!(tally.left(later), Some(Duration::from_secs(200)));
        assert_eq!(tally.text(later), "50 of 100 actions, about 4 min left");
        tally.local = 4;
        assert_eq!(tally.left(later), None);
    }
}
