//! What decides among random protections, freezes, rules and defaults, beside a second, plainer telling of
//! the order.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::policy::{condition::Fact, verdict::By};

const OUTCOMES: [&str; 4] = [
    "\"keep\"",
    "\"trash\"",
    "\"upgrade\"",
    "{ keep = \"best\", others = \"trash\" }",
];

/// Random parts of a policy, and the facts that it is asked about.
#[derive(Clone, Debug)]
struct Case {
    /// From how many cues on it protects, and whether from the trash.
    protects: Vec<(i64, bool)>,
    /// Up to how many plays it fits, and what it says.
    rules: Vec<(i64, usize)>,
    mode: usize,
    trashes: bool,
    /// Whether a freeze is on, and lets changes through.
    freeze: Option<bool>,
    cues: i64,
    plays: i64,
    orphan: bool,
    foreign: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let parts = (
        vec((1..4_i64, any::<bool>()), 0..3),
        vec((0..4_i64, 0..4_usize), 0..4),
    );
    let settings = (0..3_usize, any::<bool>(), any::<Option<bool>>());
    let facts = (
        0..4_i64,
        0..4_i64,
        any::<bool>(),
        proptest::bool::weighted(0.1),
    );
    (parts, settings, facts).prop_map(|((protects, rules), settings, facts)| Case {
        protects,
        rules,
        mode: settings.0,
        trashes: settings.1,
        freeze: settings.2,
        cues: facts.0,
        plays: facts.1,
        orphan: facts.2,
        foreign: facts.3,
    })
}

impl Case {
    fn policy(&self) -> Policy {
        let mode = ["manage", "additive", "observe"][self.mode];
        let removed = if self.trashes { "trash" } else { "keep-file" };
        let mut text = format!("[defaults]\nmode = \"{mode}\"\ntrack_removed = \"{removed}\"\n");
        let may = if self.freeze == Some(true) {
            ", \"change\""
        } else {
            ""
        };
        text.push_str(&format!(
            "[[freeze]]\nname = \"gig\"\nevery = \"Fri 12:00 .. Mon 06:00\"\nallow = [\"additive\"{may}]\n"
        ));
        for (number, (cues, trash)) in self.protects.iter().enumerate() {
            let deny = if *trash { "trash" } else { "move" };
            text.push_str(&format!(
                "[[protect]]\nname = \"p{number}\"\nwhen = {{ rekordbox.cues = \">={cues}\" }}\ndeny = \"{deny}\"\n"
            ));
        }
        for (number, (plays, outcome)) in self.rules.iter().enumerate() {
            text.push_str(&format!(
                "[[rule]]\nname = \"r{number}\"\nwhen = {{ rekordbox.plays = \"<={plays}\" }}\nthen = {}\n",
                OUTCOMES[*outcome]
            ));
        }
        // Rules that can never be reached are odd and no fault.
        parse(&with(&text)).map_err(|found| show(&found)).unwrap().0
    }

    fn facts(&self) -> Facts {
        let provenance = if self.foreign { "foreign" } else { "tidal" };
        Facts::from([
            ("file.provenance", Fact::Text(provenance.to_owned())),
            ("file.orphan", Fact::Flag(self.orphan)),
            ("rekordbox.cues", Fact::Number(self.cues)),
            ("rekordbox.plays", Fact::Number(self.plays)),
        ])
    }

    /// The design's order: what is not ours, protections, then the first rule or the default, which a
    /// freeze and a mode may still stop.
    fn expected(&self) -> String {
        if self.foreign {
            return "keep by provenance".to_owned();
        }
        let denies = |(cues, trash): &(i64, bool)| *trash && self.cues >= *cues;
        if let Some(number) = self.protects.iter().position(denies) {
            return format!("keep by protect p{number}");
        }
        let rule = self
            .rules
            .iter()
            .position(|(plays, _)| self.plays <= *plays);
        let (free, by) = match rule {
            Some(number) => {
                let word = ["keep", "trash", "upgrade", "dedupe"][self.rules[number].1];
                (word, format!("rule r{number}"))
            }
            None if self.orphan && self.trashes => ("trash", "default".to_owned()),
            None => ("keep", "default".to_owned()),
        };
        let changes = free == "upgrade";
        let frozen = self
            .freeze
            .is_some_and(|may_change| !(may_change && changes));
        let kept = self.mode == 2 || self.mode == 1 && !changes;
        match free {
            "keep" => format!("keep by {by}"),
            _ if frozen => "keep by freeze gig".to_owned(),
            _ if kept => "keep by default".to_owned(),
            _ => format!("{free} by {by}"),
        }
    }
}

proptest! {
    #[test]
    fn the_designed_order_decides(case in cases()) {
        let policy = case.policy();
        let freeze = policy.freezes.first().filter(|_| case.freeze.is_some());
        let decided = verdict_during(&policy, &case.facts(), freeze);
        prop_assert_eq!(decided.to_string(), case.expected());
        // What decides says where it stands.
        let named = matches!(decided.by, By::Protect | By::Freeze | By::Rule);
        prop_assert!(!named || decided.at.line > 0 && !decided.evidence.is_empty());
    }
}
