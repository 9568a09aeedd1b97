//! Plans are carried out, interrupted anywhere, resumed, taken back.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

pub(crate) mod bench;
mod desk;
mod failures;
pub(crate) mod mortal;
mod real;
mod stale;
mod tidal;

use bench::{Bench, Disk, Essence, Exact, MemoryBench, deaths, memory};
use desk::{playlist, track};
use mortal::Death;
use tidal_cleanup::{
    domain::{AudioFormat, MediaPath},
    edge::{
        download::Downloader,
        local::LocalLibrary,
        rekordbox::RekordboxLibrary,
        store::{ApplyStatus, StateReader as _, StateStore},
    },
    plan::{
        Plan,
        document::{Class, LinkForm},
    },
};

/// Two playlists, a shared track, one track twice, one converted.
async fn first<L, R, D, S>(bench: &Bench<L, R, D, S>) -> Plan
where
    L: LocalLibrary + Disk,
    R: RekordboxLibrary + Send + Sync,
    D: Downloader + Send,
    S: StateStore + Send + Sync,
{
    let tracks = [
        track("1", "Looped"),
        track("2", "Swept"),
        track("3", "Jarred"),
    ];
    let playlists = [
        ("p1", playlist("House", &["1", "2", "1"])),
        ("p2", playlist("Dub", &["2", "3"])),
    ];
    bench
        .plan(&tracks, &playlists, |desk| {
            let files = [
                desk.fetch("1", "p1", None),
                desk.fetch("2", "p1", None),
                desk.fetch("3", "p2", Some(AudioFormat::Mp3)),
            ];
            let rows: Vec<_> = ["1", "2", "3"]
                .iter()
                .zip(&files)
                .map(|(id, file)| desk.content(id, file))
                .collect();
            let folder = desk.folder("TIDAL");
            let tag = desk.tag("House");
            desk.tags("1", &[], &["House"], &[&rows[0], &tag]);
            let lists = [desk.list("p1", &folder), desk.list("p2", &folder)];
            let sets = [
                desk.entries("p1", Class::Additive, &[&lists[0], &rows[0], &rows[1]]),
                desk.entries("p2", Class::Additive, &[&lists[1], &rows[1], &rows[2]]),
            ];
            desk.m3u8("p1", &[&files[0], &files[1]]);
            desk.m3u8("p2", &[&files[2]]);
            desk.link(LinkForm::Copy, "1", "p2", &files[0]);
            desk.link(LinkForm::Hardlink, "2", "p2", &files[1]);
            desk.record("p1", &[&sets[0]]);
            desk.record("p2", &[&sets[1]]);
        })
        .await
}

/// One playlist renamed with its files, a track gone, another's title changed.
async fn second<L, R, D, S>(bench: &Bench<L, R, D, S>) -> Plan
where
    L: LocalLibrary + Disk,
    R: RekordboxLibrary + Send + Sync,
    D: Downloader + Send,
    S: StateStore + Send + Sync,
{
    let tracks = [
        track("1", "Looped Again"),
        track("2", "Swept"),
        track("3", "Jarred"),
    ];
    let playlists = [
        ("p1", playlist("Deep", &["2", "1"])),
        ("p2", playlist("Dub", &["2"])),
    ];
    bench
        .plan(&tracks, &playlists, |desk| {
            let places = ["1", "2"].map(|id| {
                let extension = desk.file_of(id).extension();
                desk.place(id, &format!("Playlists/Deep/{id}.{extension}"), "p1")
                    .0
            });
            desk.update("1");
            desk.tag("Deep");
            desk.tags("1", &["House"], &["Deep"], &[]);
            let node = desk.rename_node("p1");
            let sets = [
                desk.entries("p1", Class::Remove, &[]),
                desk.entries("p2", Class::Remove, &[]),
            ];
            let old = "Playlists/House/House.m3u8".into();
            desk.move_m3u8("p1", &old, &[&places[0], &places[1]]);
            desk.m3u8("p2", &[&places[1]]);
            let file = desk.file_of("3");
            desk.trash(&file, &[&sets[1]]);
            desk.record("p1", &[&sets[0], &node]);
            desk.record("p2", &[&sets[1]]);
        })
        .await
}

/// A playlist goes away.
async fn third<L, R, D, S>(bench: &Bench<L, R, D, S>) -> Plan
where
    L: LocalLibrary + Disk,
    R: RekordboxLibrary + Send + Sync,
    D: Downloader + Send,
    S: StateStore + Send + Sync,
{
    bench
        .plan(&[], &[], |desk| {
            desk.remove_node("p2");
            desk.trash(&"Playlists/Dub/Dub.m3u8".into(), &[]);
            for path in desk.copies() {
                desk.trash(&path, &[]);
            }
            desk.forget("p2");
        })
        .await
}

/// A bench on which the first `n` plans are done.
async fn after(n: usize) -> MemoryBench {
    let mut bench = memory();
    for stage in 0..n {
        let plan = nth(&bench, stage).await;
        bench.done(&plan).await;
    }
    bench
}

async fn nth(bench: &MemoryBench, stage: usize) -> Plan {
    match stage {
        0 => first(bench).await,
        1 => second(bench).await,
        _ => third(bench).await,
    }
}

fn names(essence: &Essence) -> Vec<&str> {
    essence.files.keys().map(MediaPath::as_str).collect()
}

#[tokio::test]
async fn a_first_plan_makes_everything() {
    let essence = after(1).await.essence().await;
    assert_eq!(
        names(&essence),
        [
            "Own/song.flac",
            "Playlists/Dub/1 too.flac",
            "Playlists/Dub/2 too.flac",
            "Playlists/Dub/3.mp3",
            "Playlists/Dub/Dub.m3u8",
            "Playlists/House/1.flac",
            "Playlists/House/2.flac",
            "Playlists/House/House.m3u8",
            "Playlists/House/own.mp3",
        ]
    );
    let m3u8 = &essence.files[&"Playlists/Dub/Dub.m3u8".into()];
    assert_eq!(
        String::from_utf8_lossy(m3u8),
        "#EXTM3U\n#PLAYLIST:Dub\n#EXTINF:2,Kiasmos – Swept\n../House/2.flac\n\
         #EXTINF:2,Kiasmos – Jarred\n3.mp3\n"
    );
    let list = |name: &str, files: &[&str]| {
        let files: Vec<String> = files
            .iter()
            .map(|f| format!("/music/Playlists/{f}"))
            .collect();
        let line = |seq| format!("/TIDAL/{name} List {seq} {files:?}");
        (1..4).any(|seq| essence.collection.contains(&line(seq)))
    };
    assert!(list(
        "House",
        &["House/1.flac", "House/2.flac", "House/1.flac"]
    ));
    assert!(list("Dub", &["House/2.flac", "Dub/3.mp3"]), "{essence:#?}");
    assert!(
        essence
            .collection
            .iter()
            .any(|row| row.contains("Looped") && row.contains("House\"]"))
    );
}

#[tokio::test]
async fn a_second_plan_moves_and_removes() {
    let essence = after(2).await.essence().await;
    assert_eq!(
        names(&essence),
        [
            "Own/song.flac",
            "Playlists/Deep/1.flac",
            "Playlists/Deep/2.flac",
            "Playlists/Deep/Deep.m3u8",
            "Playlists/Dub/1 too.flac",
            "Playlists/Dub/2 too.flac",
            "Playlists/Dub/Dub.m3u8",
            "Playlists/House/own.mp3",
        ]
    );
    let m3u8 = &essence.files[&"Playlists/Dub/Dub.m3u8".into()];
    assert!(String::from_utf8_lossy(m3u8).ends_with("../Deep/2.flac\n"));
    let has = |text: &str| essence.collection.iter().any(|row| row.starts_with(text));
    assert!(
        has("/music/Playlists/Deep/1.flac Looped Again"),
        "{essence:#?}"
    );
    assert!(has("/TIDAL/Deep List"));
    assert!(!has("/TIDAL/House"));
}

#[tokio::test]
async fn a_third_plan_removes_a_playlist_of_ours() {
    let bench = after(3).await;
    let essence = bench.essence().await;
    assert!(!essence.folders.contains(&"Playlists/Dub".into()));
    assert!(
        essence.folders.contains(&"Playlists/House".into()),
        "the user's file is in it"
    );
    assert!(
        !essence
            .collection
            .iter()
            .any(|row| row.contains("/TIDAL/Dub"))
    );
    let state = bench.state().await;
    assert!(state.playlists[&"p2".into()].deleted_at.is_some());
}

fn assert_restored(now: &Exact, before: &Exact) {
    assert_eq!(now.files, before.files);
    assert_eq!(now.folders, before.folders);
    assert_eq!(now.collection, before.collection);
    assert_eq!(now.state, before.state);
}

#[tokio::test]
async fn undo_restores_and_redo_repeats() {
    for stage in 0..3 {
        let mut bench = after(stage).await;
        let before = bench.exactly().await;
        let plan = nth(&bench, stage).await;
        let applied = bench.done(&plan).await;
        let there = bench.essence().await;
        let undo = bench.undo_of(applied).await;
        assert_eq!(undo.body.held, []);
        let undone = bench.done(&undo).await;
        assert_restored(&bench.exactly().await, &before);
        let redo = bench.undo_of(undone).await;
        assert_eq!(redo.body.held, []);
        let redone = bench.done(&redo).await;
        assert_eq!(bench.essence().await, there, "redo of stage {stage}");
        let again = bench.undo_of(redone).await;
        bench.done(&again).await;
        assert_restored(&bench.exactly().await, &before);
    }
}

#[tokio::test]
async fn all_three_are_taken_back_one_after_the_other() {
    let mut bench = memory();
    let before = bench.exactly().await;
    let mut applied = Vec::new();
    for stage in 0..3 {
        let plan = nth(&bench, stage).await;
        applied.push(bench.done(&plan).await);
    }
    while let Some(id) = applied.pop() {
        let undo = bench.undo_of(id).await;
        bench.done(&undo).await;
    }
    assert_restored(&bench.exactly().await, &before);
    let applies = bench.worlds.store.applies().await.unwrap();
    let undone = applies
        .iter()
        .filter(|row| row.status == ApplyStatus::Undone);
    assert_eq!(undone.count(), 3);
}

/// Lets a run of the stage die; `None` when it ended before its death.
async fn killed(stage: usize, death: Death) -> Option<(MemoryBench, Exact)> {
    let mut bench = after(stage).await;
    let before = bench.exactly().await;
    let plan = nth(&bench, stage).await;
    bench.faults.set(Some(death));
    let result = bench.apply(&plan).await;
    if !bench.faults.is_dead() {
        return None;
    }
    // What is no more than tidying up may die in silence.
    assert!(result.is_err() || matches!(death, Death::Before(_) | Death::After(_)));
    bench.faults.set(None);
    bench.assert_fit_for_a_gig().await;
    Some((bench, before))
}

#[tokio::test]
async fn killed_anywhere_it_resumes_to_the_same_end() {
    let mut kills = 0;
    for stage in 0..3 {
        let undisturbed = after(stage + 1).await;
        let end = undisturbed.essence().await;
        'deaths: for pair in deaths() {
            for death in pair {
                let Some((mut bench, _)) = killed(stage, death).await else {
                    break 'deaths;
                };
                kills += 1;
                let unfinished = bench.worlds.store.unfinished().await.unwrap();
                match unfinished {
                    Some(row) => {
                        let report = bench.resume(row.id).await.unwrap();
                        let done = ApplyStatus::Completed;
                        assert_eq!(report.status, done, "{stage} {death:?} {report:#?}");
                    }
                    None if bench.worlds.store.applies().await.unwrap().len() == stage => {
                        let plan = nth(&bench, stage).await;
                        bench.done(&plan).await;
                    }
                    None => {}
                }
                assert_eq!(bench.essence().await, end, "{stage} {death:?}");
                // What was fetched before the kill is not fetched again.
                let fetched = |bench: &MemoryBench| {
                    let mut asked = bench.worlds.downloader.world.asked();
                    asked.sort();
                    asked
                };
                assert_eq!(fetched(&bench), fetched(&undisturbed), "{stage} {death:?}");
            }
        }
    }
    assert!(kills > 150, "{kills} kills");
}

#[tokio::test]
async fn killed_anywhere_it_is_taken_back_to_the_beginning() {
    for stage in 0..3 {
        'deaths: for pair in deaths() {
            for death in pair {
                let Some((mut bench, before)) = killed(stage, death).await else {
                    break 'deaths;
                };
                let finished = bench.worlds.store.unfinished().await.unwrap().is_none();
                bench.take_back().await.unwrap();
                if !finished {
                    assert_restored(&bench.exactly().await, &before);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_second_death_changes_nothing_of_that() {
    for stage in 0..3 {
        let end = after(stage + 1).await.essence().await;
        let mut n = 0;
        'deaths: for pair in deaths() {
            for death in pair {
                n += 1;
                let Some((mut bench, before)) = killed(stage, death).await else {
                    break 'deaths;
                };
                let Some(row) = bench.worlds.store.unfinished().await.unwrap() else {
                    continue;
                };
                // One more death on the way, at another place each time.
                let second = match n % 2 {
                    0 => Death::Before(1 + n % 11),
                    _ => Death::After(1 + n % 13),
                };
                bench.faults.set(Some(second));
                if n % 3 == 0 {
                    let _ = bench.take_back().await;
                    bench.faults.set(None);
                    bench.assert_fit_for_a_gig().await;
                    finish_taking_back(&mut bench, row.id).await;
                    assert_restored(&bench.exactly().await, &before);
                } else {
                    let _ = bench.resume(row.id).await;
                    bench.faults.set(None);
                    bench.assert_fit_for_a_gig().await;
                    if bench.worlds.store.unfinished().await.unwrap().is_some() {
                        bench.resume(row.id).await.unwrap();
                    }
                    assert_eq!(bench.essence().await, end, "{stage} {death:?} {second:?}");
                }
            }
        }
    }
}

/// Whatever died while an interrupted run was taken back: its closing, or the undo.
async fn finish_taking_back(bench: &mut MemoryBench, id: tidal_cleanup::domain::ApplyId) {
    match bench.worlds.store.unfinished().await.unwrap() {
        Some(row) if row.id == id => bench.take_back().await.unwrap(),
        Some(row) => {
            let report = bench.resume(row.id).await.unwrap();
            assert_eq!(report.status, ApplyStatus::Completed, "{report:#?}");
        }
        None => {
            let undone = bench.worlds.store.applies().await.unwrap();
            let row = undone.iter().find(|row| row.id == id).unwrap();
            if row.status != ApplyStatus::Undone {
                let plan = bench.undo_of(id).await;
                if !plan.body.actions.is_empty() {
                    bench.done(&plan).await;
                }
            }
        }
    }
}
