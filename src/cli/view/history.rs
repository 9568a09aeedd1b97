//! What was done: the list of applies, one apply, one playlist or track through all of them.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::{
    edge::store::{ApplyRow, ApplyStatus, OperationRow, OperationStatus},
    plan::document::{CheckStatus, Plan},
};

use super::{
    Look,
    plan::short_digest,
    rows::{Row, Rows, Symbol},
    text::{count, number, pad, width},
};

/// Applies, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct History {
    pub applies: Vec<ApplyRow>,
}

impl History {
    /// As a screen.
    #[must_use]
    pub const fn view<'a>(&'a self, look: &'a Look) -> HistoryView<'a> {
        HistoryView {
            history: self,
            look,
        }
    }
}

/// The list as a screen.
pub struct HistoryView<'a> {
    history: &'a History,
    look: &'a Look,
}

impl fmt::Display for HistoryView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.history.applies.is_empty() {
            return writeln!(f, "Nothing was applied yet.");
        }
        let what: Vec<String> = self.history.applies.iter().map(what).collect();
        let widest = what.iter().map(|text| width(text)).max().unwrap_or(0);
        writeln!(
            f,
            "{}",
            self.look.bold(&format!(
                "Apply  When              {}  Outcome",
                pad("What", widest)
            ))
        )?;
        for (apply, what) in self.history.applies.iter().zip(&what) {
            let when = self.look.time(apply.started_at);
            writeln!(
                f,
                "{:>5}  {when}  {}  {}",
                apply.id.0,
                pad(what, widest),
                outcome(apply)
            )?;
        }
        Ok(())
    }
}

fn what(apply: &ApplyRow) -> String {
    match (apply.mode.as_str(), apply.undoes) {
        (_, Some(undone)) => format!("undo of {undone}"),
        ("normal", None) => "apply".to_owned(),
        (mode, None) => mode.to_owned(),
    }
}

fn outcome(apply: &ApplyRow) -> String {
    let done = format!("{} done", number(apply.completed.unsigned_abs()));
    match apply.status {
        ApplyStatus::Completed => done,
        ApplyStatus::Undone => format!("{done}, taken back since"),
        ApplyStatus::Partial => format!(
            "in part: {done}, {} failed, {} skipped",
            number(apply.failed.unsigned_abs()),
            number(apply.skipped.unsigned_abs())
        ),
        ApplyStatus::Running => format!(
            "unfinished: {done}, {} to go",
            number((apply.pending + apply.running).unsigned_abs())
        ),
    }
}

/// One apply with what it did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chapter {
    #[serde(flatten)]
    pub apply: ApplyRow,
    /// The commit of the policy's repository; with a `+` where the file was not as committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_commit: Option<String>,
    /// What was let through a gate, with the reason that was given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    pub operations: Vec<Entry>,
}

/// One operation, without its images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub action_id: String,
    /// The action's kind, such as `file.fetch`.
    pub kind: String,
    pub status: OperationStatus,
    /// `add`, `remove`, `update`, `move`.
    pub action: String,
    pub label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub playlist: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// Why, in the plan's words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trash_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<jiff::Timestamp>,
}

impl From<&OperationRow> for Entry {
    fn from(row: &OperationRow) -> Self {
        Self {
            action_id: row.action_id.to_string(),
            kind: row.kind.clone(),
            status: row.status,
            action: row.action.clone(),
            label: row.label.clone(),
            playlist: row.playlist.clone(),
            track: row.track.clone(),
            rule: row.rule.clone(),
            why: String::new(),
            trash_path: row.trash_path.clone(),
            error: row.error_message.clone(),
            completed_at: row.completed_at,
        }
    }
}

impl Entry {
    /// The row that tells it; in detail with its id and why it was planned.
    #[must_use]
    pub fn row(&self, in_detail: bool) -> Row {
        let status = match self.status {
            OperationStatus::Completed => "",
            OperationStatus::Failed => "failed",
            OperationStatus::Skipped => "skipped",
            OperationStatus::Running => "begun",
            OperationStatus::Pending => "not begun",
        };
        let rule = match self.rule.is_empty() {
            true => String::new(),
            false => format!("rule {}", self.rule),
        };
        let parts = [
            self.kind.as_str(),
            status,
            self.error.as_deref().unwrap_or_default(),
            &rule,
            self.trash_path.as_deref().unwrap_or_default(),
            if in_detail { &self.why } else { "" },
            if in_detail { &self.action_id } else { "" },
        ];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Row::new(self.symbol(), &self.label, parts.join(" · "))
    }

    fn symbol(&self) -> Symbol {
        match (self.status, self.kind.as_str(), self.action.as_str()) {
            (OperationStatus::Failed, _, _) => Symbol::Alarm,
            (OperationStatus::Skipped, _, _) => Symbol::Held,
            (_, "file.trash" | "trash.purge", _) => Symbol::Trash,
            (_, "state.adopt", _) => Symbol::Adopt,
            (_, _, "add") => Symbol::Add,
            (_, _, "remove") => Symbol::Leave,
            (_, _, "move") => Symbol::Move,
            _ => Symbol::Change,
        }
    }
}

impl Chapter {
    /// The apply and those of its operations that `keep` wants.
    #[must_use]
    pub fn new(
        apply: ApplyRow,
        operations: &[OperationRow],
        keep: impl Fn(&OperationRow) -> bool,
    ) -> Self {
        let kept = operations.iter().filter(|row| keep(row)).map(Entry::from);
        Self {
            apply,
            policy_commit: None,
            allowed: Vec::new(),
            operations: kept.collect(),
        }
    }

    /// Takes over what only the plan says: the policy's commit, what was allowed and why, and why each
    /// action was planned.
    pub fn learn(&mut self, plan: &Plan) {
        self.policy_commit.clone_from(&plan.meta.policy_commit);
        let checks = plan.body.checks.iter();
        let allowed = checks.filter(|check| check.status == CheckStatus::Allowed);
        self.allowed = allowed
            .map(|check| format!("{}: {}", check.code, check.text))
            .collect();
        let review = plan.review.iter().flat_map(|review| &review.allowed);
        self.allowed.extend(review.cloned());
        let options = plan.body.decisions.iter().flat_map(|asked| &asked.options);
        let answered = options.flat_map(|option| &option.actions);
        let why: BTreeMap<&str, &str> = answered
            .chain(&plan.body.actions)
            .map(|action| (action.id.as_str(), action.why.text.as_str()))
            .collect();
        for entry in &mut self.operations {
            if let Some(text) = why.get(entry.action_id.as_str()) {
                (*text).clone_into(&mut entry.why);
            }
        }
    }
}

/// Some applies with what they did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chapters {
    pub applies: Vec<Chapter>,
}

impl Chapters {
    /// As a screen.
    #[must_use]
    pub const fn view<'a>(&'a self, look: &'a Look) -> ChaptersView<'a> {
        ChaptersView {
            chapters: self,
            look,
        }
    }
}

/// The chapters as a screen.
pub struct ChaptersView<'a> {
    chapters: &'a Chapters,
    look: &'a Look,
}

impl fmt::Display for ChaptersView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.chapters.applies.is_empty() {
            return writeln!(f, "Nothing was done there yet.");
        }
        // History hides nothing.
        let look = Look {
            verbose: true,
            ..self.look.clone()
        };
        for chapter in &self.chapters.applies {
            let Chapter {
                apply, operations, ..
            } = chapter;
            let head = format!("Apply {}  {}", apply.id, look.time(apply.started_at));
            let by = match apply.who.as_str() {
                "" => String::new(),
                who => format!(", by {who}"),
            };
            let policy = match (&chapter.policy_commit, apply.policy_sha256.get(..8)) {
                (Some(commit), _) => {
                    let dirty = if commit.ends_with('+') {
                        " and changes"
                    } else {
                        ""
                    };
                    let commit = commit.get(..12).unwrap_or(commit);
                    format!(", policy of commit {commit}{dirty}")
                }
                (None, Some(hash)) => format!(", policy {hash}"),
                (None, None) => String::new(),
            };
            let aside = format!(
                "{}, {}{by}, digest {}{policy}",
                what(apply),
                outcome(apply),
                short_digest(&apply.digest)
            );
            writeln!(f, "{}", look.bold(&head))?;
            f.write_str(&super::rows::paragraph(&aside, 2, &look))?;
            for allowed in &chapter.allowed {
                f.write_str(&super::rows::paragraph(allowed, 2, &look))?;
            }
            let rows: Vec<Row> = operations
                .iter()
                .map(|entry| entry.row(self.look.verbose))
                .collect();
            write!(
                f,
                "{}",
                Rows {
                    rows: &rows,
                    look: &look
                }
            )?;
        }
        Ok(())
    }
}

/// `12, 2026-11-22 09:40, 41 done`
#[must_use]
pub fn in_a_line(apply: &ApplyRow, look: &Look) -> String {
    format!(
        "{}, {}, {}: {}",
        apply.id,
        look.time(apply.started_at),
        what(apply),
        outcome(apply)
    )
}

/// `2 applies`
#[must_use]
pub fn applies(number: usize) -> String {
    count(number, "apply", "applies")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::view::apply::tests::{apply, operation},
        domain::ApplyId,
    };

    #[test]
    fn newest_first_with_what_came_of_them() {
        let mut undo = apply(13, ApplyStatus::Completed);
        undo.undoes = Some(ApplyId(12));
        let mut partial = apply(11, ApplyStatus::Partial);
        partial.failed = 2;
        let history = History {
            applies: vec![undo, apply(12, ApplyStatus::Undone), partial],
        };
        insta::assert_snapshot!(history.view(&Look::plain()), @"
        Apply  When              What        Outcome
           13  2026-11-22 09:40  undo of 12  41 done
           12  2026-11-22 09:40  apply       41 done, taken back since
           11  2026-11-22 09:40  apply       in part: 41 done, 2 failed, 0 skipped
        ");
        let empty = History {
            applies: Vec::new(),
        };
        assert_eq!(
            empty.view(&Look::plain()).to_string(),
            "Nothing was applied yet.\n"
        );
    }

    #[test]
    fn one_apply_tells_every_operation() {
        let mut trash = operation(
            "file.trash",
            "Playlists/Old/a.mp3",
            OperationStatus::Completed,
        );
        trash.rule = "orphans".to_owned();
        trash.trash_path = Some(".tidal-cleanup/trash/12/Playlists/Old/a.mp3".to_owned());
        let fetch = operation("file.fetch", "A – B", OperationStatus::Completed);
        let chapters = Chapters {
            applies: vec![Chapter::new(
                apply(12, ApplyStatus::Completed),
                &[trash, fetch],
                |_| true,
            )],
        };
        insta::assert_snapshot!(chapters.view(&Look::plain()), @"
        Apply 12  2026-11-22 09:40
          apply, 41 done, by dj, digest 9f2c41d0, policy 00000000
          x Playlists/Old/a.mp3  file.trash · rule orphans · .tidal-cleanup/trash/12/Playlists/Old/a.mp3
          + A – B                file.fetch
        ");
    }
}
