//! Conditions that cannot be met, and rules that never get their turn.
//!
//! Both are found by trying: for every fact that the conditions ask for, the values at and beside each
//! limit, and texts made from each pattern. What no such world meets is taken to be impossible; too
//! many worlds, and nothing is said.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Denied, Outcome,
    condition::{Condition, Fact, Facts, Test},
    diagnostic::Code,
    document::Document,
    facts::{FactKind, fact},
    glob,
    reading::Rules,
    verdict::Subject,
};

/// Give up beyond this many combinations of values.
const MOST_WORLDS: usize = 20_000;

/// Notes what is found about protections and rules. What was read with mistakes is not what its author
/// meant, so then nothing is said.
pub(super) fn check(document: &Document<'_>, rules: &Rules) {
    if document.has_errors() {
        return;
    }
    for (protect, span) in &rules.protects {
        if never(&[(&protect.when, true)]) {
            let message = format!("nothing can ever meet protect `{}`", protect.name);
            document.report(Code::NeverHolds, span.clone(), message, None);
        }
    }
    for (index, (rule, span)) in rules.rules.iter().enumerate() {
        if never(&[(&rule.when, true)]) {
            let message = format!("nothing can ever meet rule `{}`", rule.name);
            document.report(Code::NeverHolds, span.clone(), message, None);
            continue;
        }
        let earlier = rules.rules[..index].iter().map(|(rule, _)| rule);
        let earlier = earlier
            .filter(|earlier| covers(&earlier.then, &rule.then))
            .map(|earlier| ("rule", &earlier.name, &earlier.when, &earlier.at));
        let denied = denied(&rule.then);
        let protects = rules.protects.iter().map(|(protect, _)| protect);
        let protects = protects
            .filter(|protect| denied.is_some_and(|denied| protect.deny.contains(&denied)))
            .map(|protect| ("protect", &protect.name, &protect.when, &protect.at));
        let shadow = protects
            .chain(earlier)
            .find(|(_, _, when, _)| never(&[(&rule.when, true), (when, false)]));
        if let Some((kind, name, _, at)) = shadow {
            let message = format!("rule `{}` never gets its turn", rule.name);
            let help = format!("{kind} `{name}` (line {}) holds whenever it does", at.line);
            document.report(Code::Unreachable, span.clone(), message, Some(help));
        }
    }
}

/// Whether everything that the later outcome can befall, the earlier can too.
fn covers(earlier: &Outcome, later: &Outcome) -> bool {
    [Subject::File, Subject::Playlist]
        .into_iter()
        .all(|subject| !subject.takes(later) || subject.takes(earlier))
}

fn denied(outcome: &Outcome) -> Option<Denied> {
    match outcome {
        Outcome::Keep => None,
        Outcome::Trash | Outcome::Dedupe | Outcome::Upgrade => Some(Denied::Trash),
        Outcome::Archive(_) => Some(Denied::Remove),
    }
}

/// Whether no world makes each condition hold, or not hold, as wanted.
fn never(wanted: &[(&Condition, bool)]) -> bool {
    let mut tests: BTreeMap<&'static str, Vec<&Test>> = BTreeMap::new();
    for (condition, _) in wanted {
        collect(condition, &mut tests);
    }
    let values: Vec<(&'static str, Vec<Fact>)> = tests
        .iter()
        .map(|(key, tests)| (*key, samples(key, tests)))
        .collect();
    let worlds = values.iter().try_fold(1_usize, |worlds, (_, values)| {
        worlds.checked_mul(values.len() + 1)
    });
    match worlds {
        Some(worlds) if worlds <= MOST_WORLDS => (0..worlds)
            .map(|number| world(&values, number))
            .all(|world| {
                wanted
                    .iter()
                    .any(|(when, holds)| when.holds(&world) != *holds)
            }),
        Some(_) | None => false,
    }
}

/// The combination of that number; each fact may also be unknown.
fn world(values: &[(&'static str, Vec<Fact>)], mut number: usize) -> Facts {
    let mut facts = Facts::new();
    for (key, values) in values {
        let choice = number % (values.len() + 1);
        number /= values.len() + 1;
        if let Some(fact) = values.get(choice) {
            facts.insert(key, fact.clone());
        }
    }
    facts
}

fn collect<'c>(condition: &'c Condition, tests: &mut BTreeMap<&'static str, Vec<&'c Test>>) {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => {
            for part in parts {
                collect(part, tests);
            }
        }
        Condition::Not(part) => collect(part, tests),
        Condition::Is(key, test) => flatten(test, tests.entry(key).or_default()),
    }
}

fn flatten<'c>(test: &'c Test, tests: &mut Vec<&'c Test>) {
    match test {
        Test::OneOf(several) => {
            for test in several {
                flatten(test, tests);
            }
        }
        Test::Flag(_) | Test::Number(..) | Test::Age(..) | Test::Text(_) => tests.push(test),
    }
}

/// Values of a fact that tell its tests apart.
fn samples(key: &str, tests: &[&Test]) -> Vec<Fact> {
    match fact(key).map(|key| key.kind) {
        Some(FactKind::Flag) => vec![Fact::Flag(false), Fact::Flag(true)],
        Some(FactKind::Number(most)) => numbers(tests, most).map(Fact::Number).collect(),
        Some(FactKind::Size) => numbers(tests, i64::MAX).map(Fact::Number).collect(),
        Some(FactKind::Age) => numbers(tests, i64::MAX)
            .map(|age| Fact::Age(age.unsigned_abs()))
            .collect(),
        Some(FactKind::Text) => texts(tests).into_iter().map(Fact::Text).collect(),
        Some(FactKind::Word(words)) => words
            .iter()
            .map(|word| Fact::Text((*word).to_owned()))
            .collect(),
        Some(FactKind::Emoji | FactKind::Tags) => sets(tests),
        None => Vec::new(),
    }
}

fn numbers(tests: &[&Test], most: i64) -> impl Iterator<Item = i64> {
    let limits = tests.iter().filter_map(|test| match test {
        Test::Number(_, limit) => Some(*limit),
        Test::Age(_, limit) => i64::try_from(*limit).ok(),
        Test::Flag(_) | Test::Text(_) | Test::OneOf(_) => None,
    });
    let around = limits.flat_map(|limit| [limit.saturating_sub(1), limit, limit.saturating_add(1)]);
    let numbers: BTreeSet<i64> = around
        .filter(|number| (0..=most).contains(number))
        .collect();
    numbers.into_iter()
}

/// Texts that fit each pattern, both of two, and none.
fn texts(tests: &[&Test]) -> BTreeSet<String> {
    let patterns: BTreeSet<&str> = tests
        .iter()
        .filter_map(|test| match test {
            Test::Text(pattern) => Some(pattern.as_str()),
            Test::Flag(_) | Test::Number(..) | Test::Age(..) | Test::OneOf(_) => None,
        })
        .collect();
    let mut texts = BTreeSet::from([String::new(), "\u{fffd}".to_owned()]);
    for pattern in &patterns {
        let plain = glob::examples(pattern, "");
        for other in patterns.iter().flat_map(|other| glob::examples(other, "")) {
            texts.extend(glob::examples(pattern, &other));
            texts.extend(
                plain
                    .iter()
                    .flat_map(|text| [format!("{text}{other}"), format!("{other}{text}")]),
            );
        }
        texts.insert((*pattern).to_owned());
        texts.extend(plain);
    }
    texts
}

/// Sets of texts: each alone, all together, none, and as many as are counted.
fn sets(tests: &[&Test]) -> Vec<Fact> {
    let texts: Vec<String> = texts(tests)
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    let counted = numbers(tests, 1_000).filter_map(|count| usize::try_from(count).ok());
    let mut sets: Vec<Vec<String>> = texts.iter().map(|text| vec![text.clone()]).collect();
    for count in counted {
        sets.push(texts.iter().cycle().take(count).cloned().collect());
    }
    sets.push(texts);
    sets.push(Vec::new());
    sets.into_iter().map(Fact::Texts).collect()
}
