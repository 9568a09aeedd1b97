//! What holds of every plan, over random worlds and policies.

mod program;
mod world;

use std::collections::BTreeSet;

use proptest::prelude::*;
use tidal_cleanup::{
    cli::{error::Exit, plan::exit},
    domain::{Class, MediaPath, Provenance},
    plan::{
        Plan, canonical,
        document::{Action, CheckStatus, Effect},
    },
};
use world::{Seed, World, cues_of, rating_of};

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    /// I10: nothing that a protection denies is planned, whatever the rules say.
    #[test]
    fn a_denial_beats_every_rule(seed: Seed) {
        let world = World::of(&seed);
        let plan = world.plan();
        for action in &plan.body.actions {
            let cues = world.row_at_stake(action).is_some_and(|n| cues_of(&seed, n) > 0);
            let rated = world.row_at_stake(action).is_some_and(|n| rating_of(&seed, n) > 0);
            let (trashes, moves, changes) = match &action.effect {
                Effect::FileTrash { .. } => (true, false, false),
                Effect::FilePlace { .. } => (false, true, false),
                Effect::ContentUpdate { .. } => (false, false, true),
                _ => (false, false, false),
            };
            prop_assert!(!(seed.protects_cues() && cues && trashes), "{action:?}");
            prop_assert!(!(seed.protects_rated() && rated && (moves || changes || trashes)), "{action:?}");
        }
        if seed.protects_cues() {
            for (list, planned) in &plan.body.playlists {
                let left = world.remembered(list);
                let lost = left.iter().find(|track| {
                    !planned.entries.contains(track) && cues_of(&seed, world::number(track)) > 0
                });
                let takes = plan.body.actions.iter().any(|action| {
                    matches!(&action.effect, Effect::EntriesSet { after, .. } if after.playlist == *list)
                });
                prop_assert!(lost.is_none() || !takes, "{lost:?} leaves {list}");
            }
        }
    }

    /// I7: the same inputs, shuffled and on other threads, give the same bytes and digest.
    #[test]
    fn the_same_inputs_give_the_same_bytes(seed: Seed, turns in 0_usize..5) {
        let plan = World::of(&seed).plan();
        let bytes = canonical::to_json(&plan);
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = pool.expect("threads can be started");
            let other = pool.install(|| World::shuffled(&seed, turns + threads).plan());
            prop_assert_eq!(&canonical::to_json(&other), &bytes);
        }
        // What is written is read again, and says the same.
        let read = canonical::parse(bytes.as_bytes());
        prop_assert_eq!(read.as_ref(), Ok(&plan));
    }

    /// The exit code follows from what would be done; a reading that is not whole takes nothing away; only
    /// what is ours is touched.
    #[test]
    fn only_what_is_ours_and_known_to_be_gone_goes(seed: Seed) {
        let world = World::of(&seed);
        let plan = world.plan();
        let pending = !plan.body.actions.is_empty() || !plan.body.decisions.is_empty();
        let waits = !plan.body.held.is_empty() || !plan.body.decisions.is_empty();
        let refused = plan.body.checks.iter().any(|check| check.status == CheckStatus::Refuse);
        prop_assert_eq!(plan.body.applyable, !refused);
        let expected = match (refused, pending, waits) {
            (true, ..) => Exit::Refused,
            (false, true, true) => Exit::Decide,
            (false, true, false) => Exit::Changes,
            (false, false, _) => Exit::Done,
        };
        prop_assert_eq!(exit(&plan, true), expected);
        for action in &plan.body.actions {
            if let Some(path) = taken_from(action) {
                let ours = world.observation.state.provenance(path);
                prop_assert!(ours != Provenance::Foreign, "{action:?}");
            }
            let takes = matches!(action.class, Class::Remove | Class::Destructive);
            prop_assert!(!takes || seed.is_whole(), "{action:?}");
        }
    }

    /// Every action and every held row names its rule, where that stands, and what was seen.
    #[test]
    fn every_row_says_why(seed: Seed) {
        let plan = World::of(&seed).plan();
        for action in &plan.body.actions {
            let why = &action.why;
            prop_assert!(!why.rule.is_empty() && !why.text.is_empty(), "{action:?}");
            let written = world::SETTINGS.iter().any(|setting| *setting == why.rule);
            let place = plan.body.place(why);
            let of_a_rule = world::RULES.contains(&why.rule.as_str());
            prop_assert!(place.starts_with("tidal-cleanup.toml:") || !(written || of_a_rule), "{action:?}");
            let takes = matches!(action.class, Class::Remove | Class::Destructive);
            let seen = !why.evidence.is_empty() || !action.pre.is_empty() || !action.depends_on.is_empty();
            prop_assert!(seen || !takes, "{action:?}");
        }
        let ids: BTreeSet<_> = plan.body.actions.iter().map(|action| &action.id).collect();
        prop_assert_eq!(ids.len(), plan.body.actions.len());
        for held in &plan.body.held {
            prop_assert!(!held.gate.is_empty() && !held.rule.is_empty(), "{held:?}");
            prop_assert!(!held.would.is_empty() && !held.label.is_empty(), "{held:?}");
            if held.gate == "protect" {
                prop_assert!(held.at.starts_with("tidal-cleanup.toml:"), "{held:?}");
            }
        }
        assert_counts(&plan);
    }
}

/// Which file of the library an action takes from its place.
fn taken_from(action: &Action) -> Option<&MediaPath> {
    match &action.effect {
        Effect::FileTrash { before } => Some(&before.path),
        Effect::FilePlace { before, .. } => Some(&before.path),
        _ => None,
    }
}

#[track_caller]
fn assert_counts(plan: &Plan) {
    let trashed = plan.body.actions.iter();
    let trashed = trashed.filter(|action| matches!(action.effect, Effect::FileTrash { .. }));
    assert_eq!(plan.body.summary.trash, trashed.count());
    assert_eq!(plan.body.summary.held, plan.body.held.len());
}

/// The worlds are not all alike: everything that the laws are about happens in some of them.
#[test]
fn the_worlds_are_of_all_kinds() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let (mut kinds, mut gates) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..300 {
        let seed = any::<Seed>()
            .new_tree(&mut runner)
            .expect("a seed")
            .current();
        let plan = World::of(&seed).plan();
        kinds.extend(plan.body.actions.iter().map(|action| action.effect.kind()));
        gates.extend(plan.body.held.iter().map(|held| held.gate.clone()));
    }
    for kind in [
        "file.fetch",
        "file.link",
        "file.place",
        "file.trash",
        "rb.content.add",
        "rb.content.relocate",
        "rb.entries.set",
        "rb.playlist.create",
        "rb.playlist.remove",
        "rb.playlist.update",
        "state.forget",
        "state.move",
        "state.record",
    ] {
        assert!(kinds.contains(kind), "{kind}: {kinds:?}");
    }
    for gate in ["protect", "TC103", "TC303", "mode", "rekordbox.relocate"] {
        assert!(gates.contains(gate), "{gate}: {gates:?}");
    }
}
