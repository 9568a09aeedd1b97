//! What is wrong with a policy, said as a compiler says it: code, place, caret, fix.

use std::{fmt, ops::Range};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

/// A finding about a policy file. It carries the line that it is about, so that it can be shown
/// without the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable: `TP001`…; see [`Code`].
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in lower case, without a period.
    pub message: String,
    /// Where.
    pub place: Span,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policy cannot be used.
    Error,
    /// It can, but it may not do what its author thinks.
    Warning,
}

/// A piece of one line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The file's name without its folder.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// In characters; at least 1.
    pub length: usize,
    /// The line itself.
    pub text: String,
}

/// Every kind of finding. Codes are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// Not TOML.
    Syntax,
    /// A key that means nothing here.
    UnknownKey,
    /// A value of the wrong type.
    WrongType,
    /// A word that is not one of those allowed.
    UnknownWord,
    /// Something that has to be there is not.
    Missing,
    /// A duration, size, number or code that cannot be.
    BadValue,
    /// A pattern that cannot be.
    BadGlob,
    /// A window or time zone that cannot be.
    BadTime,
    /// A template that cannot be.
    BadTemplate,
    /// A path that cannot be.
    BadPath,
    /// A `version` that this program does not read.
    BadVersion,
    /// A fact that nobody knows.
    UnknownFact,
    /// A test that does not fit its fact.
    BadTest,
    /// A key of `[mytag.*]` that is no emoji.
    NotAnEmoji,
    /// The same emoji twice.
    MappedTwice,
    /// An emoji that stands for nothing.
    NoTag,
    /// A group that no emoji belongs to.
    UnknownGroup,
    /// A tag that no emoji stands for.
    UnknownTag,
    /// More groups than Rekordbox has.
    TooManyGroups,
    /// A rule that never gets its turn.
    Unreachable,
    /// A condition that nothing can meet.
    NeverHolds,
    /// Two things of one name.
    DuplicateName,
    /// Two settings that contradict each other.
    Contradiction,
    /// An emoji of a playlist's name that stands for no tag.
    EmojiWithoutTag,
    /// A protection that matches nothing that is there.
    ProtectsNothing,
    /// Several playlists that would get one name.
    NameCollision,
    /// A name or pattern that fits no playlist.
    NamesNothing,
}

impl Code {
    /// Those that only [`survey`](super::survey) finds: they take a reading of the worlds.
    pub const SURVEYED: [Self; 4] = [
        Self::EmojiWithoutTag,
        Self::ProtectsNothing,
        Self::NameCollision,
        Self::NamesNothing,
    ];

    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::Syntax,
        Self::UnknownKey,
        Self::WrongType,
        Self::UnknownWord,
        Self::Missing,
        Self::BadValue,
        Self::BadGlob,
        Self::BadTime,
        Self::BadTemplate,
        Self::BadPath,
        Self::BadVersion,
        Self::UnknownFact,
        Self::BadTest,
        Self::NotAnEmoji,
        Self::MappedTwice,
        Self::NoTag,
        Self::UnknownGroup,
        Self::UnknownTag,
        Self::TooManyGroups,
        Self::Unreachable,
        Self::NeverHolds,
        Self::DuplicateName,
        Self::Contradiction,
        Self::EmojiWithoutTag,
        Self::ProtectsNothing,
        Self::NameCollision,
        Self::NamesNothing,
    ];

    /// As printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownKey => "TP001",
            Self::WrongType => "TP002",
            Self::UnknownWord => "TP003",
            Self::Missing => "TP004",
            Self::BadValue => "TP005",
            Self::BadGlob => "TP006",
            Self::BadTime => "TP007",
            Self::BadTemplate => "TP008",
            Self::BadPath => "TP009",
            Self::Syntax => "TP010",
            Self::BadVersion => "TP011",
            Self::UnknownFact => "TP020",
            Self::BadTest => "TP021",
            Self::NotAnEmoji => "TP030",
            Self::MappedTwice => "TP031",
            Self::NoTag => "TP032",
            Self::UnknownGroup => "TP033",
            Self::UnknownTag => "TP034",
            Self::TooManyGroups => "TP035",
            Self::Unreachable => "TP040",
            Self::NeverHolds => "TP041",
            Self::DuplicateName => "TP042",
            Self::Contradiction => "TP043",
            Self::EmojiWithoutTag => "TP050",
            Self::ProtectsNothing => "TP051",
            Self::NameCollision => "TP052",
            Self::NamesNothing => "TP053",
        }
    }

    /// How bad it is.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::UnknownGroup
            | Self::UnknownTag
            | Self::TooManyGroups
            | Self::Unreachable
            | Self::NeverHolds
            | Self::EmojiWithoutTag
            | Self::ProtectsNothing
            | Self::NameCollision
            | Self::NamesNothing => Severity::Warning,
            Self::Syntax
            | Self::UnknownKey
            | Self::WrongType
            | Self::UnknownWord
            | Self::Missing
            | Self::BadValue
            | Self::BadGlob
            | Self::BadTime
            | Self::BadTemplate
            | Self::BadPath
            | Self::BadVersion
            | Self::UnknownFact
            | Self::BadTest
            | Self::NotAnEmoji
            | Self::MappedTwice
            | Self::NoTag
            | Self::DuplicateName
            | Self::Contradiction => Severity::Error,
        }
    }
}

impl Diagnostic {
    /// The finding as several lines of text with the source line and a caret, without a line feed at
    /// the end; `color` adds ANSI colours.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let snippet = Snippet::source(self.place.text.as_str())
            .line_start(self.place.line)
            .path(self.place.file.as_str())
            .annotation(AnnotationKind::Primary.span(self.place.bytes()));
        let mut group = level
            .primary_title(self.message.as_str())
            .id(self.code)
            .element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        renderer.render(&[group]).trim_end().to_owned()
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl Span {
    /// The bytes of its line that it covers.
    fn bytes(&self) -> Range<usize> {
        let at = |column: usize| {
            let mut columns = self.text.char_indices();
            columns
                .nth(column)
                .map_or(self.text.len(), |(index, _)| index)
        };
        let from = self.column.saturating_sub(1);
        at(from)..at(from + self.length)
    }
}

/// The word of `known` that `word` was probably meant to be.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let allowed = (lower.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|known| (distance(&lower, &known.to_lowercase()), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, known)| known)
}

/// Changes of one character, and swaps of neighbours, between two words.
fn distance(one: &str, other: &str) -> usize {
    rapidfuzz::distance::osa::distance(one.chars(), other.chars())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_finding_reads_like_a_compilers() {
        let finding = Diagnostic {
            code: Code::UnknownKey.as_str(),
            severity: Severity::Error,
            message: "no key `rooot` in [library]".to_owned(),
            place: Span {
                file: "tidal-cleanup.toml".to_owned(),
                line: 12,
                column: 6,
                length: 5,
                text: "🏃 = \"rooot\"".to_owned(),
            },
            help: Some("did you mean `root`?".to_owned()),
        };
        insta::assert_snapshot!(finding, @r#"
        error[TP001]: no key `rooot` in [library]
          --> tidal-cleanup.toml:12:6
           |
        12 | 🏃 = "rooot"
           |       ^^^^^
           |
           = help: did you mean `root`?
        "#);
        assert!(finding.render(true).contains("\u{1b}["));
        let json = serde_json::to_value(&finding).unwrap();
        assert_eq!(json["place"]["column"], 6);
    }

    #[test]
    fn every_code_is_its_own() {
        let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), Code::ALL.len());
    }

    #[test]
    fn a_slip_finds_its_word() {
        let known = ["root", "playlists", "max_remove"];
        assert_eq!(nearest("rooot", known), Some("root"));
        assert_eq!(nearest("Playlist", known), Some("playlists"));
        assert_eq!(nearest("max_remvoe", known), Some("max_remove"));
        assert_eq!(nearest("xyz", known), None);
    }
}
