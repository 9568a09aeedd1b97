//! SIGKILL, and the loss of power, everywhere.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{
    everything, on_all_cores, on_all_cores_of, points,
    rig::Rig,
    shim::{Fault, Plan},
};

/// What comes after a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Resume,
    Undo,
    /// The recovery dies as well, at this call.
    ResumeTwice(usize),
    UndoTwice(usize),
}

/// Deaths so far.
#[derive(Debug, Default)]
struct Deaths(AtomicUsize);

impl Deaths {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn so_far(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn die_and(rig: &Rig, at: usize, fault: Fault, then: Then, deaths: &Deaths) {
    let what = format!("{fault:?} at {at}, then {then:?}");
    rig.reset();
    let ended = rig.run(&rig.apply(), &Plan::new(fault, at));
    if !ended.was_killed() {
        assert!(ended.status.success(), "{what}: {ended:?}");
        return;
    }
    deaths.count();
    rig.assert_fit(&what);
    let second = match then {
        Then::ResumeTwice(at) => Some((["apply", "--resume", "--yes"].as_slice(), at)),
        Then::UndoTwice(at) => Some((["undo", "--yes"].as_slice(), at)),
        Then::Resume | Then::Undo => None,
    };
    if let Some((args, at)) = second.filter(|_| rig.has_begun()) {
        let ended = rig.run(args, &Plan::new(fault, at));
        if ended.was_killed() {
            deaths.count();
        } else {
            assert!(ended.status.success(), "{what}: {ended:?}");
        }
        rig.assert_fit(&what);
    }
    match then {
        Then::Resume | Then::ResumeTwice(_) => rig.finish(&what),
        Then::Undo | Then::UndoTwice(_) => rig.take_back(&what),
    }
}

/// Every point with every sequel, or the points with one sequel each in turn.
fn work(rig: &Rig, points: &[usize]) -> Vec<(usize, Then)> {
    // Somewhere else each time, and before the recovery's end.
    let last = rig.calls().len() / 4;
    let second = |n: usize| 1 + (n * 7919) % last;
    let sequels = |n: usize| {
        [
            Then::ResumeTwice(second(n)),
            Then::UndoTwice(second(n)),
            Then::Resume,
            Then::Undo,
        ]
    };
    match everything() {
        true => points
            .iter()
            .flat_map(|at| sequels(*at).map(|then| (*at, then)))
            .collect(),
        false => {
            // Three of four die twice: it is the harder way, and two deaths for three runs.
            let turn = |(n, at): (usize, &usize)| {
                let once = if n % 8 < 6 { 0 } else { 2 };
                (*at, sequels(n)[once + n % 2])
            };
            points.iter().enumerate().map(turn).collect()
        }
    }
}

/// What the plan of the rig has; `tidal.*` dies in `tidal::write`, undo's own in every undo, and
/// `trash.purge` cannot be taken back.
const KINDS: &[&str] = &[
    "file.convert",
    "file.fetch",
    "file.link",
    "file.place",
    "file.trash",
    "rb.content.add",
    "rb.content.relocate",
    "rb.content.update",
    "rb.entries.merge",
    "rb.entries.set",
    "rb.mytag.create",
    "rb.mytag.set",
    "rb.playlist.create",
    "rb.playlist.remove",
    "rb.playlist.update",
    "state.adopt",
    "state.forget",
    "state.move",
    "state.record",
];

#[test]
fn the_plan_uses_every_kind() {
    let rig = Rig::lent();
    let actions = &rig.plan.body.actions;
    let kinds: BTreeSet<&str> = actions.iter().map(|action| action.effect.kind()).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), KINDS);
}

#[test]
fn whatever_call_is_the_last_the_run_can_be_finished_and_taken_back() {
    let deaths = Deaths::default();
    let rig = Rig::lent();
    rig.reset();
    let calls = rig.count(&rig.apply());
    let points = points(&calls, 350);
    let work = work(&rig, &points);
    on_all_cores(&rig, &work, |rig, (at, then)| {
        // Every third write is torn.
        let fault = if at % 3 == 0 {
            Fault::Tear
        } else {
            Fault::Kill
        };
        die_and(rig, *at, fault, *then, &deaths);
    });
    println!(
        "{} kills at {} of {} calls",
        deaths.so_far(),
        points.len(),
        calls.len()
    );
    // With the losses of power, the undos and the replacements below that makes 700.
    assert!(deaths.so_far() >= 530, "{} kills", deaths.so_far());
}

/// A better file comes beside the old one, its row follows, and the old one goes to the trash.
#[test]
fn a_replacement_that_dies_on_its_way_is_finished_and_taken_back() {
    let deaths = Deaths::default();
    let rig = Rig::of_better_files();
    rig.reset();
    let calls = rig.count(&rig.apply());
    let work = work(&rig, &points(&calls, 24));
    on_all_cores_of(&rig, Rig::of_better_files, &work, |rig, (at, then)| {
        die_and(rig, *at, Fault::Kill, *then, &deaths);
    });
    println!("{} kills at {} points", deaths.so_far(), work.len());
    assert!(deaths.so_far() >= 24, "{} kills", deaths.so_far());
}

#[test]
fn what_was_not_synced_may_be_lost() {
    let deaths = Deaths::default();
    let rig = Rig::lent();
    rig.reset();
    let calls = rig.count(&rig.apply());
    let points = points(&calls, 100);
    let work = work(&rig, &points);
    on_all_cores(&rig, &work, |rig, (at, then)| {
        let seed = if at % 2 == 0 { 0 } else { *at as u64 };
        die_and(rig, *at, Fault::Power(seed), *then, &deaths);
    });
    println!("{} losses of power", deaths.so_far());
    assert!(deaths.so_far() >= 100, "{} losses", deaths.so_far());
}

#[test]
fn an_undo_that_dies_is_finished() {
    let rig = Rig::lent();
    rig.reset();
    rig.world.expect(0, &rig.apply());
    let calls = rig.count(&["undo", "--yes"]);
    let points = points(&calls, 60);
    let deaths = Deaths::default();
    on_all_cores(&rig, &points, |rig, at| {
        let what = format!("undo dies at {at}");
        rig.reset();
        rig.world.expect(0, &rig.apply());
        if rig
            .run(&["undo", "--yes"], &Plan::new(Fault::Kill, *at))
            .was_killed()
        {
            deaths.count();
            rig.assert_fit(&what);
        }
        rig.take_back(&what);
    });
    assert!(deaths.so_far() >= 50, "{} deaths", deaths.so_far());
}
