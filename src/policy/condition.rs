//! `when`: conditions over facts.

use std::{collections::BTreeMap, fmt};

use super::{emoji, glob};

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

/// A test of one fact. A fact that is not known passes no test, and does not pass its opposite either.
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

/// What can be said of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    Yes,
    No,
    /// It hangs on a fact that is not known.
    Unknown,
}

/// One test of a condition, evaluated, for `explain` and for the evidence of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `rekordbox.cues >= 1`, with `not` in front where it is asked for the opposite.
    pub test: String,
    /// What is known: `7`; `None` when nothing is.
    pub fact: Option<String>,
    /// Whether it speaks for the condition.
    pub truth: Truth,
}

impl Condition {
    /// Whether the condition is known to hold.
    #[must_use]
    pub fn holds(&self, facts: &Facts) -> bool {
        self.truth(facts) == Truth::Yes
    }

    /// What the facts say of it. Where a fact is missing that it hangs on, neither it nor its opposite
    /// holds: ignorance trashes nothing.
    #[must_use]
    pub fn truth(&self, facts: &Facts) -> Truth {
        match self {
            Self::All(parts) => all(parts.iter().map(|part| part.truth(facts))),
            Self::Any(parts) => any(parts.iter().map(|part| part.truth(facts))),
            Self::Not(part) => part.truth(facts).not(),
            Self::Is(key, test) => facts
                .get(key)
                .map_or(Truth::Unknown, |fact| test.truth(fact)),
        }
    }

    /// Every test of the condition in the order of the policy, with what is known.
    #[must_use]
    pub fn explain(&self, facts: &Facts) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.collect(facts, false, &mut findings);
        findings
    }

    /// The facts that it asks for, in the order of the policy.
    #[must_use]
    pub fn keys(&self) -> Vec<&'static str> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::keys).collect(),
            Self::Not(part) => part.keys(),
            Self::Is(key, _) => vec![key],
        }
    }

    fn collect(&self, facts: &Facts, negated: bool, findings: &mut Vec<Finding>) {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.collect(facts, negated, findings);
                }
            }
            Self::Not(part) => part.collect(facts, !negated, findings),
            Self::Is(key, test) => {
                let truth = self.truth(facts);
                findings.push(Finding {
                    test: format!("{}{key} {test}", if negated { "not " } else { "" }),
                    fact: facts.get(key).map(ToString::to_string),
                    truth: if negated { truth.not() } else { truth },
                });
            }
        }
    }
}

impl Test {
    fn truth(&self, fact: &Fact) -> Truth {
        match (self, fact) {
            (Self::OneOf(tests), fact) => any(tests.iter().map(|test| test.truth(fact))),
            (Self::Flag(wanted), Fact::Flag(is)) => Truth::from(wanted == is),
            (Self::Number(comparison, limit), Fact::Number(is)) => {
                Truth::from(comparison.holds(is, limit))
            }
            (Self::Number(comparison, limit), Fact::Texts(texts)) => {
                let count = i64::try_from(texts.len()).unwrap_or(i64::MAX);
                Truth::from(comparison.holds(&count, limit))
            }
            (Self::Age(comparison, limit), Fact::Age(is)) => {
                Truth::from(comparison.holds(is, limit))
            }
            (Self::Text(pattern), Fact::Text(text)) => Truth::from(glob::matches(pattern, text)),
            (Self::Text(pattern), Fact::Texts(texts)) => {
                Truth::from(texts.iter().any(|text| fits(pattern, text)))
            }
            // A fact of another type than the list of facts says is no fact.
            (Self::Flag(_) | Self::Number(..) | Self::Age(..) | Self::Text(_), _) => Truth::Unknown,
        }
    }
}

/// A skin tone counts only where the pattern has one.
fn fits(pattern: &str, text: &str) -> bool {
    let toneless = emoji::without_tone(text);
    glob::matches(pattern, text) || toneless != text && glob::matches(pattern, &toneless)
}

impl Comparison {
    fn holds<T: Ord>(self, is: &T, limit: &T) -> bool {
        match self {
            Self::AtLeast => is >= limit,
            Self::MoreThan => is > limit,
            Self::AtMost => is <= limit,
            Self::LessThan => is < limit,
            Self::Equal => is == limit,
            Self::Unequal => is != limit,
        }
    }
}

impl Truth {
    fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

fn all(parts: impl Iterator<Item = Truth>) -> Truth {
    any(parts.map(Truth::not)).not()
}

fn any(parts: impl Iterator<Item = Truth>) -> Truth {
    let mut truth = Truth::No;
    for part in parts {
        match part {
            Truth::Yes => return Truth::Yes,
            Truth::Unknown => truth = Truth::Unknown,
            Truth::No => {}
        }
    }
    truth
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "= {flag}"),
            Self::Number(comparison, limit) => write!(f, "{comparison} {limit}"),
            Self::Age(comparison, limit) => write!(f, "{comparison} {}", age(*limit)),
            Self::Text(pattern) => write!(f, "= {pattern:?}"),
            Self::OneOf(tests) => {
                for (index, test) in tests.iter().enumerate() {
                    write!(f, "{}{test}", if index > 0 { " or " } else { "" })?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtLeast => ">=",
            Self::MoreThan => ">",
            Self::AtMost => "<=",
            Self::LessThan => "<",
            Self::Equal => "=",
            Self::Unequal => "!=",
        })
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Age(seconds) => f.write_str(&age(*seconds)),
            Self::Text(text) => f.write_str(text),
            Self::Texts(texts) => f.write_str(&texts.join(", ")),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fact {
            Some(fact) => write!(f, "{} (it is {fact})", self.test),
            None => write!(f, "{} (not known)", self.test),
        }
    }
}

/// An age in its largest whole unit, rounded down where it is a long one.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cues(comparison: Comparison, limit: i64) -> Condition {
        Condition::Is("rekordbox.cues", Test::Number(comparison, limit))
    }

    #[test]
    fn numbers_are_compared() {
        let facts = Facts::from([("rekordbox.cues", Fact::Number(4))]);
        for (comparison, limit, holds) in [
            (Comparison::AtLeast, 4, true),
            (Comparison::MoreThan, 4, false),
            (Comparison::AtMost, 4, true),
            (Comparison::LessThan, 4, false),
            (Comparison::Equal, 4, true),
            (Comparison::Unequal, 4, false),
        ] {
            assert_eq!(cues(comparison, limit).holds(&facts), holds);
        }
    }

    #[test]
    fn ignorance_holds_nothing_and_denies_nothing() {
        let some = cues(Comparison::AtLeast, 1);
        let none = Condition::Not(Box::new(some.clone()));
        let facts = Facts::new();
        assert!(!some.holds(&facts) && !none.holds(&facts));
        let yes = Condition::All(vec![]);
        assert!(Condition::Any(vec![some.clone(), yes.clone()]).holds(&facts));
        let both = Condition::All(vec![some, Condition::Not(Box::new(yes))]);
        assert_eq!(both.truth(&facts), Truth::No);
        let wrong = Facts::from([("rekordbox.cues", Fact::Flag(true))]);
        assert!(!none.holds(&wrong));
    }

    #[test]
    fn one_of_several_is_enough() {
        let test = Test::OneOf(vec![
            Test::Text("👵🏻".to_owned()),
            Test::Text("🎙️".to_owned()),
        ]);
        let condition = Condition::Is("playlist.emoji", test);
        let emoji = |emoji: &[&str]| {
            let texts = emoji.iter().map(|&emoji| emoji.to_owned()).collect();
            Facts::from([("playlist.emoji", Fact::Texts(texts))])
        };
        assert!(condition.holds(&emoji(&["🚀", "🎙"])));
        assert!(!condition.holds(&emoji(&["👵🏽"])));
        let runner = Condition::Is("playlist.emoji", Test::Text("🏃".to_owned()));
        assert!(runner.holds(&emoji(&["🏃🏾"])));
        assert!(Condition::Not(Box::new(condition)).holds(&emoji(&[])));
    }

    #[test]
    fn tags_are_named_or_counted() {
        let tags = vec!["Genre: Techno".to_owned(), "Status: Old".to_owned()];
        let facts = Facts::from([("rekordbox.mytags", Fact::Texts(tags))]);
        let is = |test| Condition::Is("rekordbox.mytags", test).holds(&facts);
        assert!(is(Test::Text("Status: *".to_owned())));
        assert!(is(Test::Number(Comparison::Equal, 2)));
        assert!(!is(Test::Text("Status".to_owned())));
    }

    #[test]
    fn a_condition_explains_itself() {
        let condition = Condition::All(vec![
            Condition::Is("file.age", Test::Age(Comparison::MoreThan, 30 * 86_400)),
            Condition::Not(Box::new(cues(Comparison::AtLeast, 1))),
            Condition::Is("file.path", Test::Text("Old/*".to_owned())),
        ]);
        let facts = Facts::from([
            ("file.age", Fact::Age(400 * 86_400)),
            ("rekordbox.cues", Fact::Number(7)),
        ]);
        let findings = condition.explain(&facts);
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "file.age > 30d (it is 400d)",
                "not rekordbox.cues >= 1 (it is 7)",
                "file.path = \"Old/*\" (not known)",
            ]
        );
        let truths: Vec<Truth> = findings.iter().map(|finding| finding.truth).collect();
        assert_eq!(truths, [Truth::Yes, Truth::No, Truth::Unknown]);
        assert_eq!(
            condition.keys(),
            ["file.age", "rekordbox.cues", "file.path"]
        );
    }
}
