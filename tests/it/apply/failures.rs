//! What goes wrong in a run, short of its death.

use tidal_cleanup::{
    apply::ApplyError,
    domain::MediaPath,
    edge::store::{ApplyStatus, OperationStatus, StateReader as _, StateStore as _},
    plan::document::{Class, Review},
};

use super::{
    after,
    bench::{Essence, memory},
    desk::{playlist, track},
    first,
    mortal::Death,
    nth, second,
};

#[tokio::test]
async fn a_failed_download_skips_only_what_needs_it() {
    let mut bench = memory();
    let plan = first(&bench).await;
    bench.worlds.downloader.world.withhold(&"2".into(), true);
    let report = bench.apply(&plan).await.unwrap();
    assert_eq!(report.status, ApplyStatus::Partial);
    assert_eq!(report.failed.len(), 1);
    assert_eq!(report.failed[0].label, "Kiasmos – Swept");
    let skipped: Vec<_> = report
        .skipped
        .iter()
        .map(|one| one.label.as_str())
        .collect();
    assert_eq!(
        skipped,
        ["Kiasmos – Swept", "Kiasmos – Swept"],
        "content and link"
    );
    bench.assert_fit_for_a_gig().await;
    let state = bench.state().await;
    let row = &state.playlists[&"p1".into()];
    let listed: Vec<bool> = row.entries.iter().map(|entry| entry.in_rekordbox).collect();
    assert_eq!(
        listed,
        [true, false, true],
        "the playlist goes on with what is there"
    );

    bench.worlds.downloader.world.withhold(&"2".into(), false);
    let report = bench.resume(report.apply).await.unwrap();
    assert_eq!(report.status, ApplyStatus::Completed, "{report:#?}");
    assert_eq!(report.outdated, []);
    assert_eq!(report.odd, []);
    assert_eq!(
        bench.essence().await,
        after(1).await.essence().await,
        "as if nothing had happened"
    );
    // Both passes over a list are one step back.
    let undo = bench.undo_of(report.apply).await;
    assert_eq!(undo.body.held, []);
    bench.done(&undo).await;
    let now = bench.exactly().await;
    let empty = memory().exactly().await;
    assert_eq!((now.files, now.folders), (empty.files, empty.folders));
    assert_eq!((now.collection, now.state), (empty.collection, empty.state));
}

/// A second pass over lists may die anywhere, and fail.
#[tokio::test]
async fn lists_that_are_done_once_more_survive_deaths_and_errors() {
    let end = after(1).await.essence().await;
    let mut struck = 0;
    for n in 1.. {
        let mut ended = true;
        for death in [
            Death::Before(n),
            Death::After(n),
            Death::Refuse(n),
            Death::Lie(n),
        ] {
            let mut bench = memory();
            let before = bench.exactly().await;
            let plan = first(&bench).await;
            bench.worlds.downloader.world.withhold(&"2".into(), true);
            let id = bench.apply(&plan).await.unwrap().apply;
            bench.worlds.downloader.world.withhold(&"2".into(), false);
            bench.faults.set(Some(death));
            let _ = bench.resume(id).await;
            let hit = bench.faults.is_dead() || bench.faults.has_struck();
            bench.faults.set(None);
            if !hit {
                continue;
            }
            ended = false;
            struck += 1;
            bench.assert_fit_for_a_gig().await;
            let status = |rows: &[tidal_cleanup::edge::store::ApplyRow]| rows[0].status;
            let open = status(&bench.worlds.store.applies().await.unwrap());
            if n % 2 == 0 {
                if open != ApplyStatus::Completed {
                    let report = bench.resume(id).await.unwrap();
                    assert_eq!(
                        report.status,
                        ApplyStatus::Completed,
                        "{death:?} {report:#?}"
                    );
                }
                assert_eq!(bench.essence().await, end, "{death:?}");
            } else {
                if open == ApplyStatus::Running {
                    bench.close(id).await.unwrap();
                }
                let undo = bench.undo_of(id).await;
                assert_eq!(undo.body.held, [], "{death:?}");
                bench.done(&undo).await;
                let now = bench.exactly().await;
                assert_eq!(now.files, before.files, "{death:?}");
                assert_eq!(now.collection, before.collection, "{death:?}");
                assert_eq!(now.state, before.state, "{death:?}");
            }
        }
        if ended {
            break;
        }
    }
    assert!(struck > 40, "{struck}");
}

#[tokio::test]
async fn nothing_goes_to_the_trash_after_a_failure() {
    let mut bench = after(1).await;
    let before = bench.exactly().await;
    let plan = second(&bench).await;
    // The first change to the disk is the first file's new name.
    bench.worlds.local.world.fail_at(1);
    let report = bench.apply(&plan).await.unwrap();
    assert_eq!(report.status, ApplyStatus::Partial);
    assert_eq!(report.failed.len(), 1, "{report:#?}");
    assert_eq!(
        report.cancelled.len(),
        2,
        "entries that shrink: {report:#?}"
    );
    bench.assert_fit_for_a_gig().await;
    let path = MediaPath::from("Playlists/Dub/3.mp3");
    assert_eq!(bench.exactly().await.files[&path], before.files[&path]);
    let report = bench.resume(report.apply).await.unwrap();
    assert_eq!(report.status, ApplyStatus::Completed, "{report:#?}");
    assert_eq!(report.outdated, []);
    assert_same_but_lists(&bench.essence().await, &after(2).await.essence().await);
}

/// The same files and rows; playlist files may say where a file was before the resumed part.
fn assert_same_but_lists(now: &Essence, end: &Essence) {
    let audio = |essence: &Essence| -> Vec<(MediaPath, Vec<u8>)> {
        let files = essence.files.clone().into_iter();
        files
            .filter(|(path, _)| path.extension() != "m3u8")
            .collect()
    };
    assert_eq!(audio(now), audio(end));
    assert!(now.files.keys().eq(end.files.keys()));
    // An empty folder may be left when its removal fails.
    assert!(now.folders.is_superset(&end.folders));
    assert_eq!(now.collection, end.collection);
}

#[tokio::test]
async fn any_one_error_of_any_world_leaves_one_that_resumes_or_goes_back() {
    for stage in 0..3 {
        let end = after(stage + 1).await.essence().await;
        'errors: for n in 1.. {
            for error in [Death::Refuse(n), Death::Lie(n)] {
                for back in [false, true] {
                    if !survives(stage, error, back, &end).await {
                        break 'errors;
                    }
                }
            }
        }
    }
}

/// Whether there was a change for the error to strike.
async fn survives(stage: usize, error: Death, back: bool, end: &Essence) -> bool {
    let mut bench = after(stage).await;
    let before = bench.exactly().await;
    let plan = nth(&bench, stage).await;
    bench.faults.set(Some(error));
    let result = bench.apply(&plan).await;
    if !bench.faults.has_struck() {
        return false;
    }
    bench.faults.set(None);
    bench.assert_fit_for_a_gig().await;
    let what = format!("{stage} {error:?} {result:#?}");
    let runs = bench.worlds.store.applies().await.unwrap();
    let Some(run) = runs.first().filter(|_| runs.len() > stage) else {
        // It did not even begin.
        assert_eq!(bench.exactly().await, before);
        return true;
    };
    if back {
        if run.status == ApplyStatus::Running {
            bench.close(run.id).await.unwrap();
        }
        let undo = bench.undo_of(run.id).await;
        assert_eq!(undo.body.held, [], "{what}");
        if !undo.body.actions.is_empty() {
            bench.done(&undo).await;
        }
        let now = bench.exactly().await;
        assert_eq!(now.files, before.files, "{what}");
        assert_eq!(now.collection, before.collection, "{what}");
        assert_eq!(now.state, before.state, "{what}");
    } else {
        if run.status != ApplyStatus::Completed {
            let report = bench.resume(run.id).await.unwrap();
            assert_eq!(report.status, ApplyStatus::Completed, "{what} {report:#?}");
            if !report.outdated.is_empty() {
                // A playlist was made before its track came; the next plan adds it.
                let now = bench.essence().await;
                assert!(now.files.keys().eq(end.files.keys()), "{what}");
                return true;
            }
        }
        assert_same_but_lists(&bench.essence().await, end);
    }
    true
}

#[tokio::test]
async fn a_file_of_the_users_in_the_way_is_not_touched() {
    let mut bench = memory();
    let plan = first(&bench).await;
    let path = MediaPath::from("Playlists/House/House.m3u8");
    bench.worlds.local.world.put(&path, b"mine");
    let report = bench.apply(&plan).await.unwrap();
    assert_eq!(report.failed.len(), 1);
    assert!(report.failed[0].reason.contains("not ours"));
    assert_eq!(bench.exactly().await.files[&path].0, b"mine");
}

#[tokio::test]
async fn a_download_whose_place_was_taken_meanwhile_fails_alone() {
    let mut bench = memory();
    let plan = first(&bench).await;
    let path = MediaPath::from("Playlists/House/1.mp3");
    bench.worlds.local.world.put(&path, b"mine");
    let report = bench.apply(&plan).await.unwrap();
    assert_eq!(report.failed.len(), 1);
    assert_eq!(bench.exactly().await.files[&path].0, b"mine");
}

#[tokio::test]
async fn a_run_that_was_taken_over_writes_nothing_more() {
    let mut bench = after(1).await;
    let plan = second(&bench).await;
    bench.faults.set(Some(Death::Before(4)));
    bench.apply(&plan).await.unwrap_err();
    bench.faults.set(None);
    let unfinished = bench.worlds.store.unfinished().await.unwrap().unwrap();
    // Another process resumes it; this one wakes and goes on with its old number.
    let mut other = bench.worlds.store.world.handle();
    let at = jiff::Timestamp::UNIX_EPOCH;
    other.resume_apply(unfinished.id, at).await.unwrap();
    let before = bench.exactly().await;
    let result = bench.worlds.store.settle(unfinished.id, &[], at).await;
    assert!(matches!(
        ApplyError::from(result.unwrap_err()),
        ApplyError::Fenced
    ));
    let error = bench.apply(&plan).await.unwrap_err();
    assert!(matches!(error, ApplyError::Unfinished(id) if id == unfinished.id));
    assert_eq!(bench.exactly().await, before);
}

#[tokio::test]
async fn what_is_left_out_is_not_done_and_neither_is_what_needs_it() {
    let mut bench = memory();
    let mut plan = first(&bench).await;
    let fetch = plan.body.actions[0].id.clone();
    plan.review = Some(Review {
        for_digest: plan.digest.clone(),
        exclude: vec![fetch],
        ..Review::default()
    });
    let report = bench.apply(&plan).await.unwrap();
    assert_eq!(report.status, ApplyStatus::Completed);
    let operations = bench.worlds.store.operations(report.apply).await.unwrap();
    let about_it = operations
        .iter()
        .filter(|row| row.label == "Kiasmos – Looped");
    let kinds: Vec<&str> = about_it.map(|row| row.kind.as_str()).collect();
    assert_eq!(kinds, [""; 0]);
    assert!(
        !bench
            .exactly()
            .await
            .files
            .contains_key(&"Playlists/House/1.flac".into())
    );
}

#[tokio::test]
async fn undo_holds_what_the_user_changed_and_puts_lost_places_beside() {
    let mut bench = after(1).await;
    let plan = second(&bench).await;
    let applied = bench.done(&plan).await;
    let disk = bench.worlds.local.world.clone();
    disk.put(&"Playlists/Dub/3.mp3".into(), b"the user's new one");
    disk.put(&"Playlists/Deep/Deep.m3u8".into(), b"edited");
    let undo = bench.undo_of(applied).await;
    let held: Vec<_> = undo
        .body
        .held
        .iter()
        .map(|held| held.label.as_str())
        .collect();
    assert_eq!(
        held, ["Playlists/Deep/Deep.m3u8"; 2],
        "its text and its move"
    );
    bench.done(&undo).await;
    let now = bench.exactly().await;
    let bytes = |path: &str| now.files[&MediaPath::from(path)].0.clone();
    assert_eq!(bytes("Playlists/Dub/3.mp3"), b"the user's new one");
    assert_eq!(bytes("Playlists/Dub/3 (restored).mp3"), b"mp3 of 3");
    assert_eq!(bytes("Playlists/Deep/Deep.m3u8"), b"edited");
    assert_eq!(bytes("Playlists/House/1.flac"), b"flac of 1");
    let row = &now.state.tracks[&"3".into()];
    assert_eq!(row.file, Some("Playlists/Dub/3 (restored).mp3".into()));
    assert!(!now.state.files.contains_key(&"Playlists/Dub/3.mp3".into()));
}

#[tokio::test]
async fn undo_of_an_older_run_holds_what_a_later_one_built_on() {
    let mut bench = after(1).await;
    let plan = second(&bench).await;
    bench.done(&plan).await;
    let undo = bench.undo_of(tidal_cleanup::domain::ApplyId(1)).await;
    assert!(!undo.body.held.is_empty());
    let report = bench.apply(&undo).await.unwrap();
    assert_eq!(report.status, ApplyStatus::Completed, "{report:#?}");
    bench.assert_fit_for_a_gig().await;
}

#[tokio::test]
async fn a_retitled_track_is_recorded_only_if_rekordbox_took_it() {
    let mut bench = after(1).await;
    let tracks = [track("1", "New Title")];
    let playlists = [("p1", playlist("House", &["1", "2", "1"]))];
    let plan = bench
        .plan(&tracks, &playlists, |desk| {
            desk.update("1");
            desk.entries("p1", Class::Additive, &[]);
            desk.record("p1", &[]);
        })
        .await;
    bench.worlds.rekordbox.as_mut().unwrap().faults.set(None);
    let report = bench.apply(&plan).await.unwrap();
    assert_eq!(report.status, ApplyStatus::Completed);
    let operations = bench.worlds.store.operations(report.apply).await.unwrap();
    assert!(
        operations
            .iter()
            .all(|row| row.status == OperationStatus::Completed)
    );
    assert_eq!(
        bench.state().await.tracks[&"1".into()].track.title,
        "New Title"
    );
}
