//! Random evenings of a DJ: plans, applies, deaths, resumes, undos, redos, and what somebody does by hand
//! to files, tags, Rekordbox and TIDAL in between. Beside them runs a model that knows no more than what
//! was promised: whose bytes are whose, what each run began from, and what an evening without deaths
//! comes to.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tidal_cleanup::{
    domain::{ApplyId, ContentId, NodeKind, state::ObjectKey},
    edge::{
        local::LocalLibrary as _,
        rekordbox::{ContentRef, Edit, NodeRef, Parent, RekordboxLibrary as _},
        store::{ApplyStatus, StateReader as _},
    },
};

use super::{
    cases,
    world::{Catalogue, Lists, Stage, arb_catalogue, arb_lists, arb_policy, block_on, list_id},
};
use crate::apply::{
    bench::{Essence, Exact},
    mortal::Death,
};

/// What happens next.
#[derive(Clone, Debug)]
enum Turn {
    /// TIDAL changes.
    Tidal(Lists),
    /// The policy is edited.
    Policy(String),
    /// TIDAL withdraws tracks, and gives others a new title; with these lists.
    Catalogue(Catalogue, Lists),
    /// A plan is made and nothing comes of it.
    Plan,
    Apply,
    /// An apply dies at its n-th change.
    Crash(u32, Then),
    Undo,
    Redo,
    ByHand(Hand),
}

/// What comes after a death.
#[derive(Clone, Copy, Debug)]
enum Then {
    Resume,
    /// The resume dies as well.
    ResumeTwice(u32),
    Undo,
}

/// What somebody does.
#[derive(Clone, Copy, Debug)]
enum Hand {
    /// Puts a file there.
    Adds(u8),
    /// Edits one of ours: other bytes, other tags.
    Edits(u8),
    Deletes(u8),
    /// Makes a list in Rekordbox with one of our tracks.
    Lists(u8),
    /// Takes an entry out of a list of ours.
    TakesOut(u8),
    /// Renames a list of ours.
    Renames(u8),
    /// Moves a file of ours to another folder, under another name.
    Moves(u8),
    /// Orders a list of ours, and adds one of their own tracks.
    Orders(u8),
    /// Removes a list of ours from Rekordbox.
    Drops(u8),
    /// Puts a list of ours to the top.
    Lifts(u8),
    /// Calls one of our rows otherwise.
    Calls(u8),
    /// Takes the MyTags off one of our rows.
    Untags(u8),
    /// Copies a file of ours beside it.
    Doubles(u8),
}

fn arb_turn() -> impl Strategy<Value = Turn> {
    let then = prop_oneof![
        Just(Then::Resume),
        (1_u32..20).prop_map(Then::ResumeTwice),
        Just(Then::Undo),
    ];
    let hand = prop_oneof![
        any::<u8>().prop_map(Hand::Adds),
        any::<u8>().prop_map(Hand::Edits),
        any::<u8>().prop_map(Hand::Deletes),
        any::<u8>().prop_map(Hand::Lists),
        any::<u8>().prop_map(Hand::TakesOut),
        any::<u8>().prop_map(Hand::Renames),
        any::<u8>().prop_map(Hand::Moves),
        any::<u8>().prop_map(Hand::Orders),
        any::<u8>().prop_map(Hand::Drops),
        any::<u8>().prop_map(Hand::Lifts),
        any::<u8>().prop_map(Hand::Calls),
        any::<u8>().prop_map(Hand::Untags),
        any::<u8>().prop_map(Hand::Doubles),
    ];
    prop_oneof![
        3 => arb_lists().prop_map(Turn::Tidal),
        1 => arb_policy().prop_map(Turn::Policy),
        1 => (arb_catalogue(), arb_lists()).prop_map(|(news, lists)| Turn::Catalogue(news, lists)),
        1 => Just(Turn::Plan),
        4 => Just(Turn::Apply),
        3 => (1_u32..60, then).prop_map(|(at, then)| Turn::Crash(at, then)),
        2 => Just(Turn::Undo),
        1 => Just(Turn::Redo),
        2 => hand.prop_map(Turn::ByHand),
    ]
}

/// What is promised of each run, as far as it can be known from outside.
#[derive(Default)]
struct Model {
    /// What somebody put there or changed by hand: it may be moved, and is never lost.
    theirs: BTreeSet<Vec<u8>>,
    /// What each run began from and what it came to; forgotten when somebody changes things by hand.
    runs: BTreeMap<ApplyId, (Exact, Essence)>,
    /// Files that somebody took away themselves.
    missing: BTreeSet<String>,
    hands: u32,
}

struct Evening {
    stage: Stage,
    model: Model,
    /// Deaths do not happen: what the evening comes to without them.
    undisturbed: bool,
}

impl Evening {
    fn new(policy: &str, undisturbed: bool) -> Self {
        Self {
            stage: Stage::new(policy),
            model: Model::default(),
            undisturbed,
        }
    }

    async fn goes(&mut self, turns: &[Turn]) {
        for turn in turns {
            self.turn(turn).await;
            self.assert_promises(turn).await;
        }
    }

    async fn turn(&mut self, turn: &Turn) {
        match turn {
            Turn::Tidal(lists) => self.stage.tidal(lists),
            Turn::Policy(policy) => self.stage.edit_policy(policy),
            Turn::Catalogue(news, lists) => {
                self.stage.catalogue = news.clone();
                self.stage.tidal(lists);
            }
            Turn::Plan => {
                let before = self.stage.bench.exactly().await;
                self.stage.plan().await;
                assert_eq!(self.stage.bench.exactly().await, before);
            }
            Turn::Apply => self.apply().await,
            Turn::Crash(..) if self.undisturbed && !matches!(turn, Turn::Crash(_, Then::Undo)) => {
                self.apply().await;
            }
            Turn::Crash(_, Then::Undo) if self.undisturbed => {}
            Turn::Crash(at, then) => self.crash(*at, *then).await,
            Turn::Undo => self.undo().await,
            Turn::Redo => self.redo().await,
            Turn::ByHand(hand) => self.by_hand(*hand).await,
        }
    }

    /// What is held stays; what is done is done to its end, and a plan after it has nothing more to do.
    async fn apply(&mut self) {
        let before = self.stage.bench.exactly().await;
        let plan = self.stage.plan().await;
        let held = plan.body.held.len();
        let what = format!("{:#?}", plan.body);
        let Some(id) = self.stage.carry_out(plan).await else {
            return;
        };
        let after = self.stage.bench.essence().await;
        self.model.runs.insert(id, (before, after));
        let again = self.stage.plan().await;
        if held == 0 {
            assert_eq!(again.body.actions, [], "after an apply of {what}");
        }
    }

    async fn crash(&mut self, at: u32, then: Then) {
        let before = self.stage.bench.exactly().await;
        let plan = self.stage.plan().await;
        if plan.body.actions.is_empty() || !plan.body.applyable {
            return;
        }
        self.stage.assert_holds(&plan).await;
        let bench = &mut self.stage.bench;
        bench.faults.set(Some(Death::After(at)));
        let ended = bench.apply(&plan).await;
        let died = bench.faults.is_dead();
        bench.faults.set(None);
        let unfinished = bench.worlds.store.unfinished().await.unwrap();
        let Some(row) = unfinished else {
            // It died before it had begun, or after it had ended.
            let runs = bench.worlds.store.applies().await.unwrap();
            let newest = runs.first().filter(|row| row.digest == plan.digest);
            let ran = newest.map(|row| row.id);
            assert!(died || ran.is_some(), "{ended:?}");
            match (then, ran) {
                (Then::Undo, Some(id)) => {
                    let undo = self.stage.bench.undo_of(id).await;
                    if !undo.body.actions.is_empty() {
                        self.stage.bench.done(&undo).await;
                    }
                }
                (Then::Undo, None) => {}
                (_, Some(id)) => {
                    let after = self.stage.bench.essence().await;
                    self.model.runs.insert(id, (before, after));
                }
                (_, None) => self.apply().await,
            }
            return;
        };
        match then {
            Then::Undo => {
                self.stage.bench.take_back().await.unwrap();
                assert_eq!(self.stage.bench.exactly().await, before, "taken back");
            }
            Then::Resume | Then::ResumeTwice(_) => {
                let bench = &mut self.stage.bench;
                if let Then::ResumeTwice(at) = then {
                    bench.faults.set(Some(Death::Before(at)));
                    _ = bench.resume(row.id).await;
                    bench.faults.set(None);
                }
                if bench.worlds.store.unfinished().await.unwrap().is_some() {
                    let report = bench.resume(row.id).await.unwrap();
                    assert_eq!(report.status, ApplyStatus::Completed, "{report:#?}");
                }
                let after = self.stage.bench.essence().await;
                self.model.runs.insert(row.id, (before, after));
            }
        }
    }

    async fn undo(&mut self) {
        let bench = &mut self.stage.bench;
        let applies = bench.worlds.store.applies().await.unwrap();
        let Some(id) = tidal_cleanup::apply::last_apply(&applies).map(|row| row.id) else {
            return;
        };
        let there = bench.essence().await;
        let undo = bench.undo_of(id).await;
        let held = undo.body.held.len();
        if !undo.body.actions.is_empty() {
            let report = bench.apply(&undo).await.unwrap();
            assert_eq!(report.status, ApplyStatus::Completed, "{report:#?}");
        }
        let Some((before, after)) = self.model.runs.remove(&id) else {
            return;
        };
        assert_eq!(held, 0, "nobody has changed anything");
        if after == there {
            assert_eq!(self.stage.bench.exactly().await, before, "undo of {id}");
        }
    }

    async fn redo(&mut self) {
        let bench = &mut self.stage.bench;
        let applies = bench.worlds.store.applies().await.unwrap();
        let Some(last) = applies.first() else { return };
        let is_undo = last.mode == "undo" && last.status == ApplyStatus::Completed;
        let first = last.undoes.filter(|_| is_undo);
        let is_redo = first.is_some_and(|first| {
            let of = applies.iter().find(|row| row.id == first);
            of.is_none_or(|row| row.mode == "undo")
        });
        if first.is_none() || is_redo {
            return;
        }
        let redo = bench.undo_of(last.id).await;
        if !redo.body.actions.is_empty() {
            let report = bench.apply(&redo).await.unwrap();
            assert_eq!(report.status, ApplyStatus::Completed, "{report:#?}");
        }
    }

    async fn by_hand(&mut self, hand: Hand) {
        self.model.hands += 1;
        // What a run is undone to is no longer known.
        self.model.runs.clear();
        let state = self.stage.bench.state().await;
        let ours = self.stage.ours(&state);
        let some = |n: u8| ours.get(usize::from(n) % ours.len().max(1)).cloned();
        let disk = self.stage.bench.worlds.local.world.clone();
        match hand {
            Hand::Adds(n) => {
                let bytes = format!("by hand {n} {}", self.model.hands).into_bytes();
                disk.put(&format!("Own/hand {}.mp3", n % 5).as_str().into(), &bytes);
                self.model.theirs.clear();
                self.model.theirs.insert(bytes);
            }
            Hand::Edits(n) => {
                let Some(path) = some(n) else { return };
                let bytes = format!("edited {n} {}", self.model.hands).into_bytes();
                disk.put(&path, &bytes);
                self.model.theirs.clear();
                self.model.theirs.insert(bytes);
            }
            Hand::Deletes(n) => {
                let Some(path) = some(n) else { return };
                disk.delete(&path);
                self.model.missing.insert(path.as_str().to_owned());
            }
            Hand::Lists(n) => self.makes_a_list(n).await,
            Hand::TakesOut(n) => self.takes_out(n).await,
            Hand::Moves(n) => {
                let Some(path) = some(n) else { return };
                let place = format!("Own/{} {}", self.model.hands, path.file_name());
                let mut disk = disk;
                disk.rename(&path, &place.as_str().into()).unwrap();
                self.model.missing.insert(path.as_str().to_owned());
            }
            Hand::Doubles(n) => {
                let Some(path) = some(n) else { return };
                let place = format!("Own/copy {} {}", self.model.hands, path.file_name());
                let mut disk = disk;
                disk.copy(&path, &place.as_str().into()).unwrap();
            }
            Hand::Orders(n) => {
                let list = list_id(usize::from(n % 4));
                let Some(node) = self.stage.node(&list).await else {
                    return;
                };
                let mut entries = self.stage.entries(&list).await;
                entries.reverse();
                entries.insert(entries.len() / 2, "77".into());
                let contents = entries.into_iter().map(ContentRef::Id).collect();
                self.edit(&[Edit::SetEntries {
                    node: NodeRef::Id(node),
                    contents,
                }])
                .await;
            }
            Hand::Drops(n) => {
                if let Some(id) = self.stage.node(&list_id(usize::from(n % 4))).await {
                    self.edit(&[Edit::RemoveNode { id }]).await;
                }
            }
            Hand::Lifts(n) => {
                if let Some(id) = self.stage.node(&list_id(usize::from(n % 4))).await {
                    let (name, parent) = (None, Some(Parent::Root));
                    self.edit(&[Edit::UpdateNode { id, name, parent }]).await;
                }
            }
            Hand::Calls(n) => {
                let Some(content) = self.row(n).await else {
                    return;
                };
                self.edit(&[Edit::UpdateContent {
                    content,
                    title: Some(format!("By hand {}", self.model.hands)),
                    artist: None,
                    album: None,
                    year: None,
                }])
                .await;
            }
            Hand::Untags(n) => {
                let Some(content) = self.row(n).await else {
                    return;
                };
                let links = state.objects.iter().filter(
                    |(key, _)| matches!(key, ObjectKey::TagLink(_, _, row) if *row == content),
                );
                let remove = links.map(|(_, row)| row.id.clone()).collect();
                self.edit(&[Edit::SetTags {
                    content: ContentRef::Id(content),
                    add: Vec::new(),
                    remove,
                }])
                .await;
            }
            Hand::Renames(n) => {
                let Some(node) = self.stage.node(&list_id(usize::from(n % 4))).await else {
                    return;
                };
                self.edit(&[Edit::UpdateNode {
                    id: node,
                    name: Some(format!("Renamed {}", self.model.hands)),
                    parent: None,
                }])
                .await;
            }
        }
    }

    /// One of the rows that are not theirs.
    async fn row(&self, n: u8) -> Option<ContentId> {
        let collection = self.stage.bench.collection().await;
        let rows = collection.contents.into_keys();
        let rows: Vec<_> = rows.filter(|id| id.as_str() != "77").collect();
        rows.get(usize::from(n) % rows.len().max(1)).cloned()
    }

    async fn makes_a_list(&mut self, n: u8) {
        let collection = self.stage.bench.collection().await;
        let rows: Vec<_> = collection.contents.keys().cloned().collect();
        let row = rows[usize::from(n) % rows.len()].clone();
        self.edit(&[
            Edit::CreateNode {
                name: format!("By hand {}", self.model.hands),
                kind: NodeKind::List,
                parent: Parent::Root,
                smart: Vec::new(),
            },
            Edit::SetEntries {
                node: NodeRef::Staged(0),
                contents: vec![ContentRef::Id(row)],
            },
        ])
        .await;
    }

    async fn takes_out(&mut self, n: u8) {
        let list = list_id(usize::from(n % 4));
        let Some(node) = self.stage.node(&list).await else {
            return;
        };
        let mut left = self.stage.entries(&list).await;
        if !left.is_empty() {
            left.remove(usize::from(n) % left.len());
        }
        self.edit(&[Edit::SetEntries {
            node: NodeRef::Id(node),
            contents: left.into_iter().map(ContentRef::Id).collect(),
        }])
        .await;
    }

    /// The DJ at work in Rekordbox. What does not go any more is let be.
    async fn edit(&mut self, edits: &[Edit]) {
        let at = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        let rekordbox = self.stage.bench.worlds.rekordbox.as_mut().unwrap();
        if let Ok(staged) = rekordbox.world.stage(edits, at).await {
            let rows: Vec<_> = staged.into_iter().map(|staged| staged.rows).collect();
            rekordbox.world.commit(&rows, at).await.unwrap();
        }
    }

    /// After every turn.
    async fn assert_promises(&self, turn: &Turn) {
        self.stage.assert_own_things_stand().await;
        let contents = self.stage.contents();
        for bytes in &self.model.theirs {
            let text = String::from_utf8_lossy(bytes);
            assert!(contents.contains(bytes), "{turn:?}: {text:?} is lost");
        }
        if self.model.missing.is_empty() {
            self.stage.bench.assert_fit_for_a_gig().await;
        }
        let unfinished = self.stage.bench.worlds.store.unfinished().await.unwrap();
        assert_eq!(unfinished, None, "{turn:?}");
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn an_evening_with_deaths_comes_to_what_one_without_them_does(
        policy in arb_policy(), turns in prop::collection::vec(arb_turn(), 1..8),
    ) {
        block_on(async {
            let mut evening = Evening::new(&policy, false);
            evening.goes(&turns).await;
            // Redo and undo go by the runs that there were, of which deaths make more.
            let by_runs = |turn: &Turn| matches!(turn, Turn::Undo | Turn::Redo);
            if turns.iter().any(by_runs) || evening.model.hands > 0 {
                return;
            }
            let mut calm = Evening::new(&policy, true);
            calm.goes(&turns).await;
            assert_eq!(evening.stage.bench.essence().await, calm.stage.bench.essence().await);
        });
    }
}
