//! `decide`: open questions and their candidates.

use std::fmt;

use serde::Serialize;

use crate::plan::document::{DecisionOption, DecisionRequest};

use super::{
    Look,
    rows::{Row, Rows, Symbol, paragraph},
    text::{count, visible},
};

/// A question, and what was answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Question {
    /// The track in words.
    pub label: String,
    /// The remembered answer: a path, or `none`; absent while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    #[serde(flatten)]
    pub asked: DecisionRequest,
}

/// All questions of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asked {
    /// Where answers are remembered.
    pub path: String,
    /// How many were remembered just now.
    pub remembered: usize,
    pub decisions: Vec<Question>,
}

impl Asked {
    /// How many wait for an answer.
    #[must_use]
    pub fn open(&self) -> usize {
        let open = self.decisions.iter().filter(|one| one.answer.is_none());
        open.count()
    }

    /// The last line.
    #[must_use]
    pub fn closing(&self) -> String {
        let open = count(self.open(), "open question", "open questions");
        match self.remembered {
            0 => format!("{open}."),
            kept => {
                let kept = count(kept, "answer", "answers");
                format!("{kept} remembered in {}; {open}.", self.path)
            }
        }
    }
}

/// The list.
pub struct AskedView<'a> {
    pub asked: &'a Asked,
    pub look: &'a Look,
}

impl fmt::Display for AskedView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.asked.decisions.is_empty() {
            return f.write_str("No open questions.\n");
        }
        let rows: Vec<Row> = self
            .asked
            .decisions
            .iter()
            .enumerate()
            .map(|(at, question)| row(at + 1, question, self.look))
            .collect();
        Rows {
            rows: &rows,
            look: self.look,
        }
        .fmt(f)?;
        f.write_str(&paragraph(&self.asked.closing(), 0, self.look))
    }
}

fn row(number: usize, question: &Question, look: &Look) -> Row {
    let note = match &question.answer {
        Some(answer) => format!("answered: {answer}"),
        None => question.asked.id.clone(),
    };
    let label = format!("{number}  {}", question.asked.question);
    let mut row = Row::new(Symbol::Decide, &label, note);
    for option in &question.asked.options {
        let line = paragraph(&visible(&line(option)), 6, look);
        row.below
            .extend(line.lines().map(|line| line.trim_start().to_owned()));
    }
    row
}

fn line(option: &DecisionOption) -> String {
    let score = option.score.map(|score| format!("likeness {score}"));
    let against = (!option.veto.is_empty()).then(|| option.veto.join(", "));
    let facts: Vec<String> = score.into_iter().chain(against).collect();
    let facts = match facts.is_empty() {
        true => String::new(),
        false => format!("  ({})", facts.join("; ")),
    };
    format!("[{}] {}{facts}", option.key, option.label)
}

/// One question on a screen of its own.
pub struct QuestionView<'a> {
    pub question: &'a Question,
    /// From 1.
    pub number: usize,
    pub of: usize,
    /// Whether to give what speaks for each candidate.
    pub details: bool,
    pub look: &'a Look,
}

impl fmt::Display for QuestionView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = &self.question.asked;
        let heading = format!(
            "{} of {}  {}",
            self.number,
            self.of,
            visible(&asked.question)
        );
        writeln!(f, "\n{}", self.look.bold(&heading))?;
        if let Some(answer) = &self.question.answer {
            writeln!(f, "  answered: {}", visible(answer))?;
        }
        for option in &asked.options {
            f.write_str(&paragraph(&visible(&line(option)), 2, self.look))?;
            let reasons = option.actions.iter().map(|action| action.why.text.as_str());
            for reason in reasons.filter(|_| self.details) {
                f.write_str(&paragraph(&visible(reason), 6, self.look))?;
            }
        }
        if self.details {
            writeln!(f, "  {}", self.look.dim(&asked.id))?;
        }
        Ok(())
    }
}
