//! `when`: conditions over facts.

use std::collections::BTreeMap;

/// Facts about one thing (a file, a track, a playlist), by key such as `file.orphan`,
/// `rekordbox.cues`, `playlist.emoji`. What is not known is absent.
pub type Facts = BTreeMap<&'static str, Fact>;

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    Flag(bool),
    Number(i64),
    /// Seconds.
    Age(u64),
    Text(String),
    /// Several texts, such as the emoji of a name; a test holds if it holds for one of them.
    Texts(Vec<String>),
}

/// A condition; its keys are joined by AND.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Is(&'static str, Test),
}

/// A test of one fact. A fact that is not known passes no test.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    Flag(bool),
    /// `>=`, `>`, `<=`, `<`, `=`, `!=` and a number.
    Number(Comparison, i64),
    /// The same with an age in seconds.
    Age(Comparison, u64),
    /// A glob, or an exact text; emoji are compared without variation selectors.
    Text(String),
    /// One of several.
    OneOf(Vec<Self>),
}

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    AtLeast,
    MoreThan,
    AtMost,
    LessThan,
    Equal,
    Unequal,
}
