//! What holds for every library and every policy, shown by random ones: in memory, by the same stages
//! that the program goes through.
//!
//! `TIDAL_CLEANUP_CASES` says how many cases each law is tried with (256).
#![expect(clippy::unwrap_used, reason = "a law fails where a world does")]

mod given_up;
mod model;
mod world;

use proptest::prelude::*;
use tidal_cleanup::{
    domain::{Collection, Isrc, MediaPath, Problem, Tags},
    plan::{
        canonical,
        document::{Action, Class, Effect},
    },
};

use world::{Lists, News, Stage, arb_lists, arb_news, arb_policy, block_on};

/// How many cases.
pub(crate) fn cases() -> ProptestConfig {
    let asked = std::env::var("TIDAL_CLEANUP_CASES").ok();
    let cases = asked.and_then(|text| text.parse().ok()).unwrap_or(256);
    ProptestConfig {
        cases,
        max_shrink_iters: 2_000,
        // Where a case failed is in the message; nothing is written beside the sources.
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn after_an_apply_nothing_is_left_to_do(
        policy in arb_policy(), first in arb_lists(), news in arb_news(), second in arb_lists(),
    ) {
        block_on(async {
            let mut stage = Stage::new(&policy);
            for (lists, news) in [(&first, &News::default()), (&second, &news)] {
                stage.hears(news);
                stage.tidal(lists);
                let plan = stage.plan().await;
                // What must wait for another action of its plan says so, and comes with the next.
                let waits = plan.body.held.iter().any(|held| held.gate == "order");
                if stage.carry_out(plan).await.is_none() && !stage.plan().await.body.applyable {
                    return;
                }
                if waits {
                    stage.sync().await;
                }
                let again = stage.plan().await;
                assert_eq!(again.body.actions, [], "after {lists:?}");
                stage.bench.assert_fit_for_a_gig().await;
                stage.assert_lists_follow(lists, &again.body.decisions).await;
                stage.assert_own_things_stand().await;
            }
        });
    }

    #[test]
    fn an_undo_takes_everything_back(
        policy in arb_policy(), first in arb_lists(), news in arb_news(), second in arb_lists(),
    ) {
        block_on(async {
            let mut stage = Stage::new(&policy);
            let empty = stage.bench.exactly().await;
            stage.tidal(&first);
            let one = stage.sync().await;
            let between = stage.bench.exactly().await;
            stage.hears(&news);
            stage.tidal(&second);
            let two = stage.sync().await;
            for (id, before) in [(two, between), (one, empty)] {
                let Some(id) = id else { continue };
                let undo = stage.bench.undo_of(id).await;
                assert_eq!(undo.body.held, []);
                if !undo.body.actions.is_empty() {
                    stage.bench.done(&undo).await;
                }
                assert_eq!(stage.bench.exactly().await, before);
            }
        });
    }

    #[test]
    fn the_order_in_which_things_are_read_does_not_matter(
        policy in arb_policy(), first in arb_lists(), second in arb_lists(), seed in any::<u64>(),
    ) {
        block_on(async {
            let mut stage = Stage::new(&policy);
            stage.tidal(&first);
            stage.sync().await;
            stage.tidal(&second);
            let observation = stage.observe().await;
            let plan = stage.plan_over(observation.clone());
            // Files are in the order of their paths, and rows of databases in that of their ids, by type.
            let mut shuffled = observation;
            let mut dice = world::Dice::new(seed);
            dice.shuffle(&mut shuffled.tidal.value.playlists);
            dice.shuffle(&mut shuffled.tidal.problems);
            let other = stage.plan_over(shuffled);
            let (plan, other) = (canonical::to_json(&plan), canonical::to_json(&other));
            for (line, other) in plan.lines().zip(other.lines()) {
                assert_eq!(line, other);
            }
            assert_eq!(plan, other);
        });
    }

    #[test]
    fn what_was_not_read_to_its_end_removes_nothing(
        policy in arb_policy(), first in arb_lists(), news in arb_news(), second in arb_lists(), torn in 0_usize..6,
    ) {
        block_on(async {
            let mut stage = Stage::new(&policy);
            stage.tidal(&first);
            stage.sync().await;
            stage.hears(&news);
            // Some list is cut off, or missing from a reading that did not come to its end.
            stage.tidal(&second);
            let lists = &mut stage.tidal.reading.playlists;
            match lists.len() {
                0 => {}
                n if torn < 3 => {
                    let list = &mut lists[torn % n];
                    list.complete = false;
                    list.items.truncate(1);
                }
                n => drop(lists.remove(torn % n)),
            }
            stage.tidal.reading.complete = false;
            let (files, entries) = (stage.files(), stage.entries_of_torn(&stage.tidal.reading.clone()).await);
            let plan = stage.plan().await;
            for action in &plan.body.actions {
                let removes = matches!(
                    action.effect,
                    Effect::FileTrash { .. } | Effect::NodeRemove { .. } | Effect::StateForget { .. }
                ) && action.class != Class::Change && action.class != Class::Move;
                // A playlist file of ours that is written anew elsewhere is no removal.
                assert!(!removes, "{action:#?}");
            }
            stage.carry_out(plan).await;
            for (path, bytes) in files {
                let there = stage.contents().contains(&bytes);
                assert!(there || path.ends_with(".m3u8"), "{path} is gone");
            }
            for (list, was) in entries {
                let now = stage.entries(&list).await;
                assert!(was.iter().all(|id| now.contains(id)), "{list}: {was:?} became {now:?}");
            }
        });
    }

    #[test]
    fn a_library_that_was_not_read_to_its_end_removes_nothing(
        policy in arb_policy(), first in arb_lists(), news in arb_news(), second in arb_lists(), keep in 0_usize..4,
    ) {
        block_on(async {
            let mut stage = Stage::new(&policy);
            stage.tidal(&first);
            stage.sync().await;
            stage.hears(&news);
            stage.tidal(&second);
            let mut observation = stage.observe().await;
            observation.library.value.files.truncate(keep);
            observation.library.problems.push(Problem {
                subject: "/music".to_owned(),
                message: "input/output error".to_owned(),
                leaves_hole: true,
            });
            let plan = stage.plan_over(observation);
            // What TIDAL says of lists stands; nothing is concluded about files.
            let is_audio = |path: &MediaPath| path.extension() != "m3u8";
            let trashed = plan.body.actions.iter().filter(|action| {
                matches!(&action.effect, Effect::FileTrash { before } if is_audio(&before.path))
            });
            assert_eq!(trashed.count(), 0);
        });
    }
}

/// A playlist takes the name, and with it the folder, that another one leaves: the copy that lies there stays.
#[test]
fn a_folder_that_goes_to_another_playlist_keeps_its_copies() {
    for sharing in ["hardlink", "copy"] {
        block_on(async {
            let mut stage = Stage::new(&format!(
                "sharing = \"{sharing}\"\n[defaults]\nplaylist_removed = \"remove\"\n"
            ));
            stage.tidal(&vec![(0, 3, vec![3]), (3, 1, vec![3])]);
            stage.sync().await.unwrap();
            let lists = vec![(1, 1, vec![3]), (3, 3, vec![3])];
            stage.tidal(&lists);
            stage.sync().await.unwrap();
            let files = stage.files();
            assert!(
                files.contains_key("Playlists/Party/Artist 3 - Title 3.flac"),
                "{files:?}"
            );
            assert_eq!(stage.plan().await.body.actions, []);
            // The playlist that has the folder now goes, and its copy with it.
            stage.tidal(&vec![(3, 3, vec![3])]);
            stage.sync().await.unwrap();
            let there = stage
                .files()
                .keys()
                .any(|path| path.ends_with("Party/Artist 3 - Title 3.flac"));
            assert!(!there);
        });
    }
}

/// The list that leaves a folder is planned for alone: what the other one needs there stays.
#[test]
fn a_plan_for_one_list_leaves_the_copies_of_another() {
    block_on(async {
        let mut stage = Stage::new("sharing = \"copy\"\n");
        stage.tidal(&vec![(0, 0, vec![3]), (3, 1, vec![3])]);
        stage.sync().await.unwrap();
        stage.tidal(&vec![(0, 0, vec![3]), (1, 1, vec![3]), (3, 3, vec![3])]);
        stage.scope = Some([world::list_id(3)].into());
        stage.sync().await.unwrap();
        let path = "Playlists/Party/Artist 3 - Title 3.flac";
        assert!(stage.files().contains_key(path), "{:?}", stage.files());
        stage.scope = None;
        stage.sync().await.unwrap();
        assert!(stage.files().contains_key(path));
        assert_eq!(stage.plan().await.body.actions, []);
    });
}

/// Numbers from [`world::RECORDINGS`] on are recordings that TIDAL delivers again under another id.
#[test]
fn a_recording_with_two_ids_keeps_its_file_and_names_are_not_given_twice() {
    let again = |number: usize| number + world::RECORDINGS;
    let evenings: [(&str, [Lists; 2]); 4] = [
        // A copy of the one id is not taken for the file of the other.
        (
            "copy",
            [
                vec![(0, 0, vec![0, 1, 2]), (1, 1, vec![1])],
                vec![
                    (0, 0, vec![0, again(1), 2]),
                    (2, 6, vec![again(1), 0]),
                    (1, 1, vec![1]),
                ],
            ],
        ),
        // The file of one id, and the link of the other, in one folder.
        (
            "hardlink",
            [vec![(0, 0, vec![0, again(0)]), (1, 3, vec![0])], Vec::new()],
        ),
        // A file comes to where another one leaves in the same plan.
        (
            "m3u8",
            [
                vec![(2, 1, vec![again(0)]), (1, 3, vec![0])],
                vec![(2, 3, vec![again(0)]), (0, 0, vec![0])],
            ],
        ),
        // A link comes to where an orphan lies.
        (
            "hardlink",
            [
                vec![(0, 0, vec![3]), (1, 0, vec![again(3)])],
                vec![(1, 0, vec![again(3)]), (0, 0, vec![again(3)])],
            ],
        ),
    ];
    for (sharing, lists) in evenings {
        block_on(async {
            let mut stage = Stage::new(&format!("sharing = \"{sharing}\"\n"));
            for lists in lists.iter().filter(|lists| !lists.is_empty()) {
                stage.tidal(lists);
                stage.sync().await.unwrap();
                assert_eq!(stage.plan().await.body.actions, [], "{sharing}: {lists:?}");
                stage.assert_lists_follow(lists, &[]).await;
            }
        });
    }
}

/// The other id of a recording comes to the list that the file lies with: nothing is moved or fetched.
#[test]
fn a_file_stays_with_the_id_in_whose_folder_it_lies() {
    block_on(async {
        let mut stage = Stage::new("");
        stage.tidal(&vec![(0, 0, vec![0, 1]), (1, 1, vec![1])]);
        stage.sync().await.unwrap();
        let audio = |stage: &Stage| {
            let files = stage.files().into_iter();
            let songs = files.filter(|(path, _)| path.ends_with(".flac"));
            songs.collect::<Vec<_>>()
        };
        let before = audio(&stage);
        stage.tidal(&vec![
            (0, 0, vec![0, 1 + world::RECORDINGS]),
            (1, 1, vec![1]),
        ]);
        stage.sync().await.unwrap();
        assert_eq!(audio(&stage), before);
        assert_eq!(stage.plan().await.body.actions, []);
    });
}

#[test]
fn the_same_lists_twice_are_the_same_plan() {
    block_on(async {
        let lists: Lists = vec![(0, 1, vec![1, 2, 1])];
        let plans = [Stage::new(""), Stage::new("")].map(|mut stage| {
            stage.tidal(&lists);
            stage
        });
        let mut digests = Vec::new();
        for mut stage in plans {
            digests.push(stage.plan().await.digest);
        }
        assert_eq!(digests[0], digests[1]);
    });
}

/// The list that has it is gone from TIDAL, and stays in Rekordbox.
#[test]
fn a_rule_about_duplicates_leaves_the_file_of_another_id_that_a_list_has() {
    block_on(async {
        let mut stage = Stage::new(
            "[defaults]\ntrack_removed = \"trash\"\n[[rule]]\nname = \"twice\"\n\
             when = { \"file.duplicate\" = true }\nthen = { keep = \"best\", others = \"trash\" }\n",
        );
        let again = world::RECORDINGS;
        for lists in [vec![(1, 0, vec![0, again])], vec![(0, 0, vec![again])]] {
            stage.tidal(&lists);
            stage.sync().await.unwrap();
            assert_eq!(stage.plan().await.body.actions, []);
            stage.bench.assert_fit_for_a_gig().await;
        }
    });
}

/// It is in no list any more, and the same recording as another: two reasons are one way to the trash.
#[test]
fn a_file_that_is_an_orphan_and_a_duplicate_goes_once() {
    block_on(async {
        let mut stage = Stage::new(
            "[defaults]\ntrack_removed = \"trash\"\n[[rule]]\nname = \"twice\"\n\
             when = { \"file.duplicate\" = true }\nthen = { keep = \"best\", others = \"trash\" }\n",
        );
        stage.tidal(&vec![(0, 0, vec![11, 3])]);
        stage.sync().await.unwrap();
        stage.tidal(&vec![(0, 0, vec![11])]);
        let trashed = |action: &&Action| action.effect.kind() == "file.trash";
        let plan = stage.plan().await;
        assert_eq!(plan.body.actions.iter().filter(trashed).count(), 1);
        stage.sync().await.unwrap();
        assert_eq!(stage.plan().await.body.actions, []);
    });
}

/// A track's file went to the trash, and its row stays in Rekordbox at the path. What comes there next
/// must not be shown with its cues, unless it is the same recording.
#[test]
fn a_row_without_a_file_goes_to_its_recording_and_to_no_namesake() {
    let row_of = |collection: &Collection, list: &str| {
        let mut nodes = collection.nodes.values();
        let node = nodes.find(|node| node.name == list).unwrap();
        node.entries[0].content.clone()
    };
    // Track 13 is called like track 1, and is another recording.
    for (first, next, is_same) in [(13, 1, false), (1, 1 + world::RECORDINGS, true)] {
        for format in ["", "format = \"flac\"\n"] {
            block_on(async {
                let mut stage =
                    Stage::new(&format!("{format}[defaults]\ntrack_removed = \"trash\"\n"));
                stage.tidal(&vec![(0, 6, vec![first])]);
                stage.sync().await.unwrap();
                let row = row_of(&stage.bench.collection().await, "Late Night");
                stage.tidal(&vec![(0, 6, vec![2])]);
                stage.sync().await.unwrap();
                let before = stage.bench.exactly().await;
                stage.tidal(&vec![(0, 6, vec![next])]);
                let last = stage.sync().await.unwrap();
                assert_eq!(stage.plan().await.body.actions, []);
                let collection = stage.bench.collection().await;
                let now = row_of(&collection, "Late Night");
                assert_eq!(now == row, is_same, "{next} {format}");
                let number = if is_same { "" } else { " (2)" };
                let path = format!("Playlists/Late Night/Artist 1 - Title 1{number}.flac");
                assert!(stage.files().contains_key(&path), "{:?}", stage.files());
                assert_eq!(
                    collection.contents[&now].folder_path,
                    format!("/music/{path}")
                );
                let undo = stage.bench.undo_of(last).await;
                stage.bench.done(&undo).await;
                assert_eq!(stage.bench.exactly().await, before);
            });
        }
    }
}

/// A list is gone from TIDAL and stays in Rekordbox; its file is the track of a new list under another id,
/// and then leaves that one.
#[test]
fn a_file_that_a_remembered_list_shows_does_not_go_with_its_other_id() {
    block_on(async {
        let mut stage = Stage::new(
            "[defaults]\ntrack_removed = \"trash\"\nplaylist_removed = \"soft-delete\"\n",
        );
        for lists in [
            vec![(1, 0, vec![world::RECORDINGS])],
            vec![(3, 0, vec![0])],
            vec![(3, 0, vec![1])],
        ] {
            stage.tidal(&lists);
            stage.sync().await.unwrap();
            assert_eq!(stage.plan().await.body.actions, []);
            stage.bench.assert_fit_for_a_gig().await;
        }
    });
}

/// A file of the DJ's without a row in Rekordbox is a recording that TIDAL has under two ids, in two lists.
#[test]
fn two_ids_of_one_file_get_one_row() {
    block_on(async {
        for same_list in [true, false] {
            let mut stage = Stage::new("[mytag.Genre]\n\"🏃\" = \"Running\"\n");
            let tags = Tags {
                title: Some("Title 3".into()),
                artists: vec!["Artist 3".into()],
                isrc: Isrc::parse("USABC2600003"),
                ..Tags::default()
            };
            let disk = &stage.bench.worlds.local.world;
            disk.put_tagged(&"Own/three.flac".into(), b"three", tags, Some(300_000));
            let again = 3 + world::RECORDINGS;
            stage.tidal(&match same_list {
                true => vec![(0, 0, vec![3, again])],
                false => vec![(0, 0, vec![3]), (1, 4, vec![again])],
            });
            let before = stage.bench.exactly().await;
            let run = stage.sync().await.unwrap();
            let collection = stage.bench.collection().await;
            let rows = collection.contents.values();
            let mut rows = rows.filter(|row| row.folder_path == "/music/Own/three.flac");
            assert_eq!(rows.by_ref().count(), 1);
            assert_eq!(stage.plan().await.body.actions, []);
            stage.bench.assert_fit_for_a_gig().await;
            let undo = stage.bench.undo_of(run).await;
            stage.bench.done(&undo).await;
            assert_eq!(stage.bench.exactly().await, before);
        }
    });
}

/// What lies there is half of it, and the track's list is another now: the row goes on with the new file.
#[test]
fn a_row_whose_file_is_cut_short_follows_to_the_whole_one() {
    block_on(async {
        let mut stage = Stage::new("");
        stage.tidal(&vec![(0, 6, vec![1])]);
        stage.sync().await.unwrap();
        let row_of = |collection: &Collection, folder: &str| {
            let rows = collection.contents.iter();
            let mut rows = rows.filter(|(_, row)| row.folder_path.contains(folder));
            rows.next().map(|(id, _)| id.clone())
        };
        let row = row_of(&stage.bench.collection().await, "/Late Night/").unwrap();
        let half = "Playlists/Late Night/Artist 1 - Title 1.flac";
        let disk = &stage.bench.worlds.local.world;
        disk.put_tagged(&half.into(), b"half", Tags::default(), Some(20_000));
        stage.tidal(&vec![(1, 1, vec![1])]);
        stage.sync().await.unwrap();
        let collection = stage.bench.collection().await;
        assert_eq!(row_of(&collection, "/Party/"), Some(row));
        stage.assert_lists_follow(&vec![(1, 1, vec![1])], &[]).await;
    });
}

/// One file is fetched however many lists the track comes to; the other rows say which one it is.
#[test]
fn a_download_is_told_once() {
    block_on(async {
        let mut stage = Stage::new("");
        stage.tidal(&vec![(0, 0, vec![3, 4, 3]), (1, 1, vec![3])]);
        let plan = stage.plan().await;
        let added = plan.body.changes.iter().filter(|change| {
            change
                .track
                .as_ref()
                .is_some_and(|id| id.as_str() == "1003")
        });
        let notes: Vec<&str> = added.map(|change| change.note.as_str()).collect();
        let mut told = notes.clone();
        told.sort_unstable();
        assert_eq!(
            told,
            [
                "again, the same file",
                "download, about 12 MB",
                "the same file as in “House 🇮🇹”",
            ],
            "{notes:?}"
        );
    });
}

/// Whichever file of a shared track somebody deletes: it comes back, under the name that it had. A copy may
/// be what it comes back from, also where its list goes.
#[test]
fn a_deleted_file_of_a_shared_track_comes_back_under_its_name() {
    let again = world::RECORDINGS;
    let both = || vec![(0, 3, vec![0, again, 1]), (1, 4, vec![again, 0, 1, 0])];
    let one = || vec![(0, 3, vec![0, again, 1])];
    let all = |stage: &Stage| stage.files().into_keys().collect::<Vec<_>>();
    for sharing in ["hardlink", "copy"] {
        let begin = async |lists: &Lists| {
            let more = "[defaults]\ntrack_removed = \"trash\"\nplaylist_removed = \"remove\"\n";
            let mut stage = Stage::new(&format!("sharing = \"{sharing}\"\n{more}"));
            stage.tidal(&both());
            stage.sync().await.unwrap();
            stage.tidal(lists);
            stage
        };
        block_on(async {
            for lists in [both(), one()] {
                let mut calm = begin(&lists).await;
                let ours = calm.ours(&calm.bench.state().await);
                calm.sync().await;
                let wanted = all(&calm);
                for path in ours {
                    let mut stage = begin(&lists).await;
                    stage.bench.worlds.local.world.delete(&path);
                    stage.sync().await;
                    let what = format!("{sharing}: {path} was deleted, {lists:?}");
                    assert_eq!(stage.plan().await.body.actions, [], "{what}");
                    assert_eq!(all(&stage), wanted, "{what}");
                }
            }
        });
    }
}

/// The row of a recording has TIDAL's title of it, also where the id by which we know it is remembered alone.
#[test]
fn a_row_has_the_title_of_the_id_that_tidal_has_now() {
    block_on(async {
        let mut stage = Stage::new("[defaults]\nmode = \"additive\"\n");
        stage.tidal(&vec![(1, 0, vec![2])]);
        stage.sync().await.unwrap();
        stage.catalogue.retitled.insert(2);
        let lists = vec![(1, 0, vec![]), (2, 0, vec![2 + world::RECORDINGS])];
        stage.tidal(&lists);
        stage.sync().await.unwrap();
        let again = stage.plan().await.body;
        assert_eq!(again.actions, []);
        stage.assert_lists_follow(&lists, &again.decisions).await;
    });
}
