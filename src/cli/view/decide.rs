//! `decide`: open questions and their candidates.

use std::fmt;

use serde::Serialize;

use crate::plan::document::{DecisionOption, DecisionRequest, Precondition};

use super::{
    Look,
    rows::{Symbol, paragraph},
    text::{bytes, count, visible},
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
        for (at, question) in self.asked.decisions.iter().enumerate() {
            listed(at + 1, question, self.look, f)?;
        }
        f.write_str(&paragraph(&self.asked.closing(), 0, self.look))
    }
}

/// A question in the list: whole, for it is what is to be answered.
fn listed(
    number: usize,
    question: &Question,
    look: &Look,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let symbol = match look.plain {
        true => format!("{}:", Symbol::Decide.word()),
        false => look.paint(
            &Symbol::Decide.style(),
            &Symbol::Decide.character().to_string(),
        ),
    };
    let asked = &question.asked;
    let text = format!("{number}  {}", visible(&asked.question));
    writeln!(f, "  {symbol} {}", paragraph(&text, 4, look).trim())?;
    for option in &asked.options {
        f.write_str(&paragraph(&visible(&line(option)), 6, look))?;
    }
    match &question.answer {
        Some(answer) => f.write_str(&paragraph(
            &format!("answered: {}", visible(answer)),
            6,
            look,
        )),
        None => writeln!(f, "      {}", look.dim(&asked.id)),
    }
}

/// An answer with its key, and why it is offered: how like, what speaks for it, and what against.
pub(super) fn line(option: &DecisionOption) -> String {
    let reasons: Vec<&str> = reasons(option).collect();
    let reasons = reasons.join(", ");
    let likeness = option.score.map(|score| match reasons.is_empty() {
        true => format!("likeness {score}"),
        false => format!("likeness {score}: {reasons}"),
    });
    let facts: Vec<String> = likeness.into_iter().chain(against(option)).collect();
    let facts = match facts.is_empty() {
        true => String::new(),
        false => format!("  ({})", facts.join("; ")),
    };
    format!("[{}] {}{facts}", option.key, option.label)
}

/// What speaks for an option.
fn reasons(option: &DecisionOption) -> impl Iterator<Item = &str> {
    let texts = option.actions.iter().map(|action| action.why.text.as_str());
    texts.filter(|text| !text.is_empty())
}

fn against(option: &DecisionOption) -> Option<String> {
    (!option.veto.is_empty()).then(|| format!("against it: {}", option.veto.join(", ")))
}

/// What is known of the file itself.
fn file_facts(option: &DecisionOption, look: &Look) -> Vec<String> {
    let seen = option.actions.iter().flat_map(|action| &action.pre);
    seen.filter_map(|seen| match seen {
        Precondition::File { size, mtime, .. } => {
            let changed = jiff::Timestamp::new(mtime.0, 0).ok();
            let changed = changed.map(|at| format!(", changed {}", look.time(at)));
            Some(format!("{}{}", bytes(*size), changed.unwrap_or_default()))
        }
        _ => None,
    })
    .collect()
}

/// One question on a screen of its own.
pub struct QuestionView<'a> {
    pub question: &'a Question,
    /// From 1.
    pub number: usize,
    pub of: usize,
    /// Whether to give each candidate's size and age, and the question's id.
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
        writeln!(f)?;
        for line in paragraph(&heading, 0, self.look).lines() {
            writeln!(f, "{}", self.look.bold(line))?;
        }
        if let Some(answer) = &self.question.answer {
            writeln!(f, "  answered: {}", visible(answer))?;
        }
        for option in &asked.options {
            f.write_str(&paragraph(&visible(&line(option)), 2, self.look))?;
            if self.details {
                for fact in file_facts(option, self.look) {
                    f.write_str(&paragraph(&fact, 6, self.look))?;
                }
            }
        }
        if self.details {
            writeln!(f, "  {}", self.look.dim(&asked.id))?;
        }
        Ok(())
    }
}
