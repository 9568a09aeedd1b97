//! What an apply did: a line a step while it runs, a report at its end.

use std::fmt;

use serde::Serialize;

use crate::{
    cli::error::Exit,
    edge::store::{ApplyRow, ApplyStatus, OperationRow, OperationStatus},
};

use super::{
    Look,
    plan::short_digest,
    rows::{Row, Rows, Symbol},
    text::{count, visible},
};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ApplyReport {
    /// The run's number.
    pub apply: i64,
    /// `normal`, `undo`…
    pub mode: String,
    /// How it stands.
    pub status: ApplyStatus,
    /// Of the plan.
    pub digest: String,
    /// Ctrl-C ended it early.
    pub interrupted: bool,
    /// How long it took, in milliseconds.
    pub milliseconds: Option<i64>,
    /// What was done.
    pub done: Done,
    /// What was tried and failed.
    pub failed: Vec<Step>,
    /// What was not tried, because something before it failed.
    pub skipped: Vec<Step>,
    /// What is still to be done.
    pub pending: usize,
    /// Where Rekordbox's database was backed up to, when it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
}

/// Completed actions by what they mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// All.
    pub actions: usize,
    /// Tracks fetched.
    pub downloaded: usize,
    /// Files moved or renamed.
    pub placed: usize,
    /// Files moved to the trash.
    pub trashed: usize,
    /// Files brought back from the trash.
    pub restored: usize,
    /// Actions in Rekordbox.
    pub rekordbox: usize,
    /// Files that became ours to manage, or were linked.
    pub adopted: usize,
}

/// One action of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The action's id.
    pub action: String,
    /// The action's kind.
    pub kind: String,
    /// Whom it is about.
    pub label: String,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl From<&OperationRow> for Step {
    fn from(row: &OperationRow) -> Self {
        Self {
            action: row.action_id.to_string(),
            kind: row.kind.clone(),
            label: row.label.clone(),
            error: row.error_message.clone(),
        }
    }
}

impl ApplyReport {
    /// From the journal.
    #[must_use]
    pub fn new(apply: &ApplyRow, operations: &[OperationRow], interrupted: bool) -> Self {
        let with =
            |status: OperationStatus| operations.iter().filter(move |row| row.status == status);
        let finished = apply
            .finished_at
            .map(|end| end.duration_since(apply.started_at));
        Self {
            apply: apply.id.0,
            mode: apply.mode.clone(),
            status: apply.status,
            digest: apply.digest.clone(),
            interrupted,
            milliseconds: finished.and_then(|time| i64::try_from(time.as_millis()).ok()),
            done: Done::of(with(OperationStatus::Completed)),
            failed: with(OperationStatus::Failed).map(Step::from).collect(),
            skipped: with(OperationStatus::Skipped).map(Step::from).collect(),
            pending: with(OperationStatus::Pending).count()
                + with(OperationStatus::Running).count(),
            backup: None,
        }
    }

    /// The exit code that says the same.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self.status {
            _ if self.interrupted => Exit::Interrupted,
            ApplyStatus::Completed | ApplyStatus::Undone => Exit::Done,
            ApplyStatus::Partial | ApplyStatus::Running => Exit::Partial,
        }
    }

    /// As a screen.
    #[must_use]
    pub const fn view<'a>(&'a self, look: &'a Look) -> ApplyView<'a> {
        ApplyView { report: self, look }
    }
}

impl Done {
    fn of<'a>(rows: impl Iterator<Item = &'a OperationRow>) -> Self {
        let mut done = Self::default();
        for row in rows {
            done.actions += 1;
            match row.kind.as_str() {
                "file.fetch" => done.downloaded += 1,
                "file.place" => done.placed += 1,
                "file.trash" => done.trashed += 1,
                "file.restore" => done.restored += 1,
                "state.adopt" => done.adopted += 1,
                kind if kind.starts_with("rb.") => done.rekordbox += 1,
                _ => {}
            }
        }
        done
    }

    /// `12 tracks downloaded, 1 file in the trash`; empty when nothing stands out.
    #[must_use]
    pub fn phrases(&self) -> Vec<String> {
        let files = |number| count(number, "file", "files");
        [
            (
                self.downloaded,
                format!("{} downloaded", count(self.downloaded, "track", "tracks")),
            ),
            (self.adopted, format!("{} taken over", files(self.adopted))),
            (self.placed, format!("{} moved", files(self.placed))),
            (
                self.restored,
                format!("{} brought back", files(self.restored)),
            ),
            (
                self.trashed,
                format!("{} in the trash", files(self.trashed)),
            ),
            (
                self.rekordbox,
                format!(
                    "{} in Rekordbox",
                    count(self.rekordbox, "change", "changes")
                ),
            ),
        ]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(_, phrase)| phrase)
        .collect()
    }
}

/// The report as a screen.
pub struct ApplyView<'a> {
    report: &'a ApplyReport,
    look: &'a Look,
}

impl fmt::Display for ApplyView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        self.section("Failed", &report.failed, Symbol::Alarm, f)?;
        self.section(
            "Not tried, because something before it failed",
            &report.skipped,
            Symbol::Held,
            f,
        )?;
        let phrases = report.done.phrases();
        let phrases = match (phrases.is_empty(), report.done.actions) {
            (true, 0) => "nothing was changed".to_owned(),
            (true, actions) => count(actions, "action", "actions"),
            (false, _) => phrases.join(", "),
        };
        let time = report
            .milliseconds
            .map(|time| format!(" Took {}.", took(time)))
            .unwrap_or_default();
        let end = match (report.interrupted, report.status) {
            (true, _) => format!(
                "Interrupted, {} to go.",
                count(report.pending, "action", "actions")
            ),
            (_, ApplyStatus::Completed) => "Done.".to_owned(),
            (_, ApplyStatus::Undone) => "Taken back.".to_owned(),
            (_, ApplyStatus::Running) => format!(
                "Done in part, {} to go.",
                count(report.pending, "action", "actions")
            ),
            (_, ApplyStatus::Partial) => {
                format!("Done in part, {} failed.", report.failed.len())
            }
        };
        if let Some(folder) = &report.backup {
            let text = format!("Rekordbox was backed up to {}", visible(folder));
            f.write_str(&super::rows::paragraph(&text, 0, self.look))?;
        }
        let text = format!(
            "Apply {}: {phrases}. {end}{time} Digest {}.",
            report.apply,
            short_digest(&report.digest)
        );
        f.write_str(&super::rows::paragraph(&text, 0, self.look))
    }
}

impl ApplyView<'_> {
    fn section(
        &self,
        title: &str,
        steps: &[Step],
        symbol: Symbol,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        if steps.is_empty() {
            return Ok(());
        }
        let rows: Vec<Row> = steps
            .iter()
            .map(|step| step_row(step, symbol, self.look))
            .collect();
        writeln!(f, "{}", self.look.bold(title))?;
        write!(
            f,
            "{}",
            Rows {
                rows: &rows,
                look: self.look
            }
        )
    }
}

/// The whole error stands below its row: it is what a person needs, and it is seldom short.
fn step_row(step: &Step, symbol: Symbol, look: &Look) -> Row {
    let mut row = Row::new(symbol, &step.label, step.kind.clone());
    let error = step.error.as_deref().unwrap_or_default();
    for line in error.lines().filter(|line| !line.trim().is_empty()) {
        let text = super::rows::paragraph(&visible(line), 6, look);
        row.below
            .extend(text.lines().map(|line| line.trim_start().to_owned()));
    }
    row
}

/// `0.4 s`, `12 s`, `3 min 20 s`
#[must_use]
pub fn took(milliseconds: i64) -> String {
    match milliseconds.max(0) {
        short @ ..10_000 => format!("{}.{} s", short / 1000, short % 1000 / 100),
        middle @ ..60_000 => format!("{} s", middle / 1000),
        long => format!("{} min {} s", long / 60_000, long % 60_000 / 1000),
    }
}

/// One finished action, as it is told while the run goes on.
pub struct StepLine<'a> {
    /// Position in the run, from 1.
    pub number: usize,
    pub of: usize,
    pub kind: &'a str,
    pub label: &'a str,
    pub status: OperationStatus,
}

impl fmt::Display for StepLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.of.to_string().len();
        let outcome = match self.status {
            OperationStatus::Completed => "",
            OperationStatus::Failed => "  failed",
            OperationStatus::Skipped => "  skipped",
            OperationStatus::Pending | OperationStatus::Running => "  …",
        };
        let Self {
            number,
            of,
            kind,
            label,
            ..
        } = self;
        write!(
            f,
            "[{number:>digits$}/{of}] {} {}{outcome}",
            doing(kind),
            visible(label)
        )
    }
}

/// The action's kind in words.
fn doing(kind: &str) -> &str {
    match kind {
        "file.fetch" => "download",
        "file.convert" => "convert",
        "file.place" => "move",
        "file.link" => "write",
        "file.trash" => "trash",
        "file.restore" => "restore",
        kind if kind.starts_with("rb.") => "Rekordbox:",
        kind if kind.starts_with("state.") => "remember",
        other => other,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::{ActionId, ApplyId};

    pub(crate) fn at(text: &str) -> jiff::Timestamp {
        text.parse().unwrap()
    }

    pub(crate) fn apply(id: i64, status: ApplyStatus) -> ApplyRow {
        ApplyRow {
            id: ApplyId(id),
            mode: "normal".to_owned(),
            status,
            digest: format!("sha256:9f2c41d0{}", "0".repeat(56)),
            policy_sha256: "0".repeat(64),
            who: "dj".to_owned(),
            undoes: None,
            started_at: at("2026-11-22T09:40:00Z"),
            finished_at: Some(at("2026-11-22T09:43:20Z")),
            pending: 0,
            running: 0,
            completed: 41,
            failed: 0,
            skipped: 0,
        }
    }

    pub(crate) fn operation(kind: &str, label: &str, status: OperationStatus) -> OperationRow {
        OperationRow {
            seq: 0,
            action_id: ActionId::new("a_0000000000000001"),
            kind: kind.to_owned(),
            operation_type: "download".to_owned(),
            status,
            action: "add".to_owned(),
            playlist: Some("list-0".to_owned()),
            track: Some("70".to_owned()),
            change_type: None,
            rule: String::new(),
            label: label.to_owned(),
            pre_image: None,
            post_image: None,
            trash_path: None,
            error_message: None,
            created_at: at("2026-11-22T09:40:00Z"),
            started_at: None,
            completed_at: None,
        }
    }

    #[test]
    fn a_whole_apply_is_one_line() {
        let operations = [
            operation("file.fetch", "A – B", OperationStatus::Completed),
            operation("rb.content.add", "A – B", OperationStatus::Completed),
            operation("file.trash", "old.mp3", OperationStatus::Completed),
        ];
        let report = ApplyReport::new(&apply(12, ApplyStatus::Completed), &operations, false);
        assert_eq!(report.exit(), Exit::Done);
        insta::assert_snapshot!(report.view(&Look::plain()), @"Apply 12: 1 track downloaded, 1 file in the trash, 1 change in Rekordbox. Done. Took 3 min 20 s. Digest 9f2c41d0.");
    }

    #[test]
    fn failures_are_told_whole() {
        let mut failed = operation(
            "file.fetch",
            "Jex Opolis – Earth Boy",
            OperationStatus::Failed,
        );
        failed.error_message = Some(
            "\"tidal-dl\" failed (exit status: 3): no such\u{1b}[0m track\nretry later".to_owned(),
        );
        let skipped = operation(
            "rb.content.add",
            "Jex Opolis – Earth Boy",
            OperationStatus::Skipped,
        );
        let report = ApplyReport::new(&apply(12, ApplyStatus::Partial), &[failed, skipped], false);
        assert_eq!(report.exit(), Exit::Partial);
        insta::assert_snapshot!(report.view(&Look::plain()), @r#"
        Failed
          ! Jex Opolis – Earth Boy  file.fetch
              "tidal-dl" failed (exit status: 3): no such\u{1b}[0m track
              retry later
        Not tried, because something before it failed
          # Jex Opolis – Earth Boy  rb.content.add
        Apply 12: nothing was changed. Done in part, 1 failed. Took 3 min 20 s. Digest 9f2c41d0.
        "#);
    }

    #[test]
    fn an_interruption_wins_over_the_rest() {
        let left = operation("file.fetch", "A", OperationStatus::Pending);
        let report = ApplyReport::new(&apply(12, ApplyStatus::Running), &[left], true);
        assert_eq!(report.exit(), Exit::Interrupted);
        insta::assert_snapshot!(report.view(&Look::plain()), @"Apply 12: nothing was changed. Interrupted, 1 action to go. Took 3 min 20 s. Digest 9f2c41d0.");
    }

    #[test]
    fn steps_are_counted() {
        let line = StepLine {
            number: 3,
            of: 120,
            kind: "file.fetch",
            label: "A – B",
            status: OperationStatus::Failed,
        };
        assert_eq!(line.to_string(), "[  3/120] download A – B  failed");
        assert_eq!(
            (took(400), took(12_300), took(200_000)),
            ("0.4 s".into(), "12 s".into(), "3 min 20 s".into())
        );
    }
}
