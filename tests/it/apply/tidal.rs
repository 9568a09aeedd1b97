//! Changes of TIDAL in memory: what a run makes of an answer that is lost, and of a TIDAL that cannot
//! be looked at.

use tidal_cleanup::{
    apply::ApplyError,
    domain::{Class, ItemId, ItemKind, Playlist, PlaylistEntry, PlaylistId, TidalReading, TrackId},
    edge::{
        store::{ApplyStatus, StateReader as _},
        tidal::write::{MemoryPlaylists, Trouble},
    },
    plan::{
        Plan,
        canonical::entries_hash,
        document::{Cause, Effect, Precondition, TidalEntry},
    },
};

use super::bench::{MemoryBench, deaths, memory};

/// One playlist of these tracks; entry ids are `0`, `1`…
fn playlists(tracks: &str) -> MemoryPlaylists {
    let items = tracks.split_whitespace().enumerate();
    let items = items.map(|(at, id)| PlaylistEntry {
        kind: ItemKind::Track,
        id: id.into(),
        item_id: Some(ItemId::from(at.to_string().as_str())),
        added_at: None,
        track: None,
    });
    MemoryPlaylists::new(TidalReading {
        taken_at: None,
        complete: true,
        user: None,
        playlists: vec![Playlist {
            id: "p".into(),
            name: "p".to_owned(),
            description: String::new(),
            last_modified_at: None,
            number_of_items: None,
            complete: true,
            items: items.collect(),
        }],
        favorites: None,
    })
}

fn left(tidal: &MemoryPlaylists) -> String {
    let reading = tidal.reading();
    let ids = reading.playlists[0].items.iter();
    let ids: Vec<&str> = ids.map(|entry| entry.id.as_str()).collect();
    ids.join(" ")
}

/// A bench that is lent `tidal`, and the plan that takes the entries at `places` out.
async fn bench(tidal: &MemoryPlaylists, places: &[usize]) -> (MemoryBench, Plan) {
    let mut bench = memory();
    bench.worlds.tidal = Some(Box::new(tidal.clone()));
    let items = tidal.reading().playlists[0].items.clone();
    let ids: Vec<ItemId> = items.iter().filter_map(|it| it.item_id.clone()).collect();
    let list = Precondition::TidalList {
        playlist: "p".into(),
        count: ids.len(),
        sha256: entries_hash(ids.iter().map(ItemId::to_string)),
    };
    let plan = bench
        .plan(&[], &[], |desk| {
            for at in places {
                let before = TidalEntry {
                    playlist: PlaylistId::from("p"),
                    item: ids[*at].clone(),
                    track: TrackId::from(items[*at].id.as_str()),
                    position: *at,
                    cause: Cause::Duplicates,
                    previous: at.checked_sub(1).map(|at| ids[at].clone()),
                    next: ids.get(at + 1).cloned(),
                };
                let effect = Effect::TidalEntryRemove { before };
                desk.push(effect, Class::Tidal, "entry", vec![list.clone()], &[]);
            }
        })
        .await;
    (bench, plan)
}

#[tokio::test]
async fn a_lost_answer_is_looked_up() {
    for (trouble, sent) in [
        (Trouble::None, 1),
        (Trouble::AnswerLost, 1),
        (Trouble::RequestLost, 2),
    ] {
        let tidal = playlists("a b a b c");
        let (mut bench, plan) = bench(&tidal, &[2, 3]).await;
        tidal.troubled([trouble]);
        let report = bench.apply(&plan).await.unwrap();
        assert_eq!(report.status, ApplyStatus::Completed);
        assert_eq!(left(&tidal), "a b c");
        let written = tidal.written();
        assert_eq!(written.len(), sent, "{trouble:?}");
        assert!(written.iter().all(|(_, key)| *key == written[0].1));
    }
}

#[tokio::test]
async fn what_cannot_be_looked_up_stays_open_until_it_can() {
    let tidal = playlists("a b a");
    let (mut bench, plan) = bench(&tidal, &[2]).await;
    tidal.troubled([Trouble::Unreadable(1)]);
    let error = bench.apply(&plan).await.unwrap_err();
    let ApplyError::Unsettled { apply, .. } = error else {
        panic!("{error}");
    };
    let open = bench.worlds.store.unfinished().await.unwrap();
    assert_eq!(open.map(|row| row.id), Some(apply));
    let report = bench.resume(apply).await.unwrap();
    assert_eq!(report.status, ApplyStatus::Completed);
    assert_eq!(left(&tidal), "a b");
    assert_eq!(tidal.written().len(), 1);
}

#[tokio::test]
async fn a_refused_change_is_told_and_changes_nothing() {
    let tidal = playlists("a b a");
    let (mut bench, plan) = bench(&tidal, &[2]).await;
    tidal.troubled([Trouble::Refused]);
    let report = bench.apply(&plan).await.unwrap();
    assert_eq!(report.status, ApplyStatus::Partial);
    assert_eq!(report.failed[0].reason, "status 400");
    assert_eq!(left(&tidal), "a b a");
    assert_eq!(tidal.written().len(), 1);
}

#[tokio::test]
async fn a_list_that_changed_in_the_last_moment_is_left_alone() {
    let tidal = playlists("a b a");
    let (mut bench, plan) = bench(&tidal, &[2]).await;
    // The first one, which was to stay.
    tidal.edit(&"p".into(), |items| drop(items.remove(0)));
    let report = bench.apply(&plan).await.unwrap();
    assert_eq!(report.failed.len(), 1);
    assert_eq!(left(&tidal), "b a");
    assert_eq!(tidal.written().len(), 0);
}

#[tokio::test]
async fn a_run_that_is_not_lent_tidal_does_not_begin() {
    let tidal = playlists("a a");
    let (mut bench, plan) = bench(&tidal, &[1]).await;
    bench.worlds.tidal = None;
    let error = bench.apply(&plan).await.unwrap_err();
    assert!(matches!(error, ApplyError::Refused { .. }), "{error}");
    assert!(bench.worlds.store.applies().await.unwrap().is_empty());
}

/// Entries leave and come back whatever dies around the requests.
#[tokio::test]
async fn killed_anywhere_entries_leave_or_come_back() {
    let mut kills = 0;
    'deaths: for pair in deaths() {
        for death in pair {
            for undo in [false, true] {
                let tidal = playlists("a b a b c");
                let (mut bench, plan) = bench(&tidal, &[2, 3]).await;
                bench.faults.set(Some(death));
                let _ = bench.apply(&plan).await;
                if !bench.faults.is_dead() {
                    break 'deaths;
                }
                bench.faults.set(None);
                kills += 1;
                let open = bench.worlds.store.unfinished().await.unwrap();
                match open {
                    Some(_) if undo => {
                        bench.take_back().await.unwrap();
                        assert_eq!(left(&tidal), "a b a b c", "{death:?}");
                    }
                    Some(row) => {
                        let report = bench.resume(row.id).await.unwrap();
                        assert_eq!(report.status, ApplyStatus::Completed, "{death:?}");
                        assert_eq!(left(&tidal), "a b c", "{death:?}");
                    }
                    // It had not begun, or it had ended.
                    None => assert!(["a b a b c", "a b c"].contains(&left(&tidal).as_str())),
                }
            }
        }
    }
    assert!(kills >= 8, "{kills}");
}
