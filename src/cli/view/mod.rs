//! What a person sees: pure [`Display`](std::fmt::Display) adapters, and the JSON shapes of answers.

pub mod text;
pub mod rows;
pub mod attributes;
pub mod plan;
pub mod tree;
pub mod difference;
pub mod html;
pub mod redact;
pub mod review;
pub mod markdown;
pub mod apply;
pub mod history;
pub mod status;
pub mod db;
pub mod decide;
pub mod doctor;
pub mod shelf;
pub mod rekordbox;
pub mod report;
pub mod snapshot;
pub mod takeover;

#[cfg(test)]
pub(crate) mod sample;

use std::borrow::Cow;

use jiff::tz::TimeZone;

/// How an answer is to look.
#[derive(Clone, Debug)]
pub struct Look {
    /// Whether to colour.
    pub color: bool,
    /// Columns; `None`: as wide as it gets.
    pub width: Option<usize>,
    /// Whether to give reasons, evidence and every row.
    pub verbose: bool,
    /// Whether only ASCII is written, for terminals that know nothing else.
    pub ascii: bool,
    /// In which time zone times are told.
    pub zone: TimeZone,
    /// Whether words stand for signs, and nothing is aligned: for screen readers.
    pub plain: bool,
}

impl Look {
    /// No colour, no limit, UTC.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            color: false,
            width: None,
            verbose: false,
            ascii: false,
            zone: TimeZone::UTC,
            plain: false,
        }
    }

    /// The text in the letters that the terminal knows.
    #[must_use]
    pub fn words<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.ascii && !text.is_ascii() {
            true => Cow::Owned(text::ascii(text)),
            false => Cow::Borrowed(text),
        }
    }

    /// The text in that style.
    #[must_use]
    pub fn paint(&self, style: &console::Style, text: &str) -> String {
        style
            .clone()
            .force_styling(self.color)
            .apply_to(text)
            .to_string()
    }

    /// A heading.
    #[must_use]
    pub fn bold(&self, text: &str) -> String {
        self.paint(&console::Style::new().bold(), text)
    }

    /// Something by the way.
    #[must_use]
    pub fn dim(&self, text: &str) -> String {
        self.paint(&console::Style::new().dim(), text)
    }

    /// A time as people tell it: `2026-11-22 09:40`.
    #[must_use]
    pub fn time(&self, at: jiff::Timestamp) -> String {
        at.to_zoned(self.zone.clone())
            .strftime("%Y-%m-%d %H:%M")
            .to_string()
    }

    /// The day of a time.
    #[must_use]
    pub fn day(&self, at: jiff::Timestamp) -> String {
        at.to_zoned(self.zone.clone())
            .strftime("%Y-%m-%d")
            .to_string()
    }
}

/// What stands in front of every JSON answer.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Envelope<T> {
    /// `tidal-cleanup/<name>`.
    pub format: String,
    /// The version of the shape; a reader takes any of the same major number.
    pub format_version: &'static str,
    /// The answer.
    #[serde(flatten)]
    pub answer: T,
}

impl<T> Envelope<T> {
    /// The answer of that name.
    pub fn new(name: &str, answer: T) -> Self {
        Self {
            format: format!("tidal-cleanup/{name}"),
            format_version: "1.0",
            answer,
        }
    }
}
