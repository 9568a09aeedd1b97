//! A plan is held against the world before anything is written.

use std::time::Duration;

use jiff::Timestamp;
use tidal_cleanup::{
    apply::{self, ApplyError, Verification},
    domain::{ContentHash, ItemKind, MediaPath, Playlist, PlaylistEntry, TidalReading},
    plan::{
        Plan, canonical,
        document::{PlanMeta, Precondition, Review},
    },
};

use super::{
    after,
    bench::{MemoryBench, memory},
    first, second,
};

async fn asked(bench: &MemoryBench, plan: &Plan, asked: Verification<'_>) -> Vec<&'static str> {
    let worlds = &bench.worlds;
    let rekordbox = worlds.rekordbox.as_ref();
    let found = apply::verify(plan, &worlds.local, rekordbox, &worlds.store, &asked).await;
    found
        .unwrap()
        .iter()
        .map(|violation| violation.code)
        .collect()
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

const fn nothing(now: Timestamp) -> Verification<'static> {
    Verification {
        policy: None,
        max_age: None,
        now,
        tidal: None,
    }
}

async fn codes(bench: &MemoryBench, plan: &Plan) -> Vec<&'static str> {
    asked(bench, plan, nothing(now())).await
}

#[tokio::test]
async fn a_fresh_plan_holds() {
    let bench = after(1).await;
    let plan = second(&bench).await;
    assert_eq!(codes(&bench, &plan).await, [""; 0]);
}

#[tokio::test]
async fn an_edited_plan_is_refused() {
    let bench = memory();
    let mut plan = first(&bench).await;
    plan.body.actions.pop();
    assert_eq!(codes(&bench, &plan).await, ["TC402"]);
    let mut plan = first(&bench).await;
    plan.review = Some(Review {
        for_digest: "sha256:another".to_owned(),
        ..Review::default()
    });
    assert_eq!(codes(&bench, &plan).await, ["TC402"]);
    plan.review = Some(Review {
        for_digest: plan.digest.clone(),
        exclude: vec!["a_nothing".into()],
        ..Review::default()
    });
    assert_eq!(codes(&bench, &plan).await, ["TC402"]);
}

#[tokio::test]
async fn another_library_state_policy_or_age_is_refused_in_that_order() {
    let bench = memory();
    let sealed = |plan: &Plan, at: i64| {
        let generated_at = Some(Timestamp::from_second(at).unwrap());
        canonical::seal(
            plan.body.clone(),
            PlanMeta {
                generated_at,
                ..PlanMeta::default()
            },
        )
    };
    let plan = first(&bench).await;
    let old = sealed(&plan, 1_800_000_000 - 90_000);
    let policy = ContentHash::of(b"another policy");
    let strict = Verification {
        policy: Some(&policy),
        max_age: Some(Duration::from_secs(86_400)),
        ..nothing(now())
    };
    assert_eq!(asked(&bench, &old, strict).await, ["TC403"]);
    let same = old.body.inputs.policy.sha256;
    let strict = Verification {
        policy: Some(&same),
        ..strict
    };
    assert_eq!(asked(&bench, &old, strict).await, ["TC404"]);
    assert_eq!(
        asked(&bench, &sealed(&plan, 1_799_999_000), strict).await,
        [""; 0]
    );
    let mut other = plan.clone();
    other.body.base.lineage = "two".to_owned();
    assert_eq!(codes(&bench, &sealed(&other, 0)).await, ["TC401"]);
    bench.worlds.local.world.unmount(true);
    let worlds = &bench.worlds;
    let rekordbox = worlds.rekordbox.as_ref();
    let asked = nothing(now());
    let result = apply::verify(&plan, &worlds.local, rekordbox, &worlds.store, &asked).await;
    assert!(matches!(result, Err(ApplyError::Local(_))));
}

#[tokio::test]
async fn an_applied_plan_is_not_applied_again() {
    let mut bench = memory();
    let plan = first(&bench).await;
    bench.done(&plan).await;
    assert_eq!(codes(&bench, &plan).await, ["TC405"]);
    let id = tidal_cleanup::domain::ApplyId(1);
    let undo = bench.undo_of(id).await;
    bench.done(&undo).await;
    // Not applied any more, but the state went on.
    assert_eq!(codes(&bench, &plan).await, ["TC401"]);
    let again = first(&bench).await;
    bench.done(&again).await;
}

#[tokio::test]
async fn a_file_that_changed_in_any_way_is_seen() {
    let file = MediaPath::from("Playlists/Dub/3.mp3");
    type Change = fn(&MemoryBench, &MediaPath);
    let changes: [(&str, Change); 4] = [
        ("edited", |bench, path| {
            bench.worlds.local.world.put(path, b"longer than before");
        }),
        ("replaced", |bench, path| {
            bench.worlds.local.world.put(path, b"mp3 of x");
        }),
        ("gone", |bench, path| bench.worlds.local.world.delete(path)),
        ("target taken", |bench, _| {
            let taken = MediaPath::from("Playlists/Deep/1.flac");
            bench.worlds.local.world.put(&taken, b"mine");
        }),
    ];
    for (what, change) in changes {
        let bench = after(1).await;
        let plan = second(&bench).await;
        change(&bench, &file);
        assert_eq!(codes(&bench, &plan).await, ["TC401"], "{what}");
    }
}

#[tokio::test]
async fn a_new_file_of_the_same_stem_is_seen() {
    for extension in ["mp3", "flac", "MP3", "m4a"] {
        let bench = memory();
        let plan = first(&bench).await;
        let path = MediaPath::new(format!("Playlists/House/1.{extension}"));
        bench.worlds.local.world.put(&path, b"mine");
        assert_eq!(codes(&bench, &plan).await, ["TC401"]);
    }
}

#[tokio::test]
async fn what_the_dj_changed_in_rekordbox_is_seen() {
    use tidal_cleanup::edge::rekordbox::{ContentRef, Edit, NodeRef, RekordboxLibrary as _};
    let mut bench = after(1).await;
    let plan = second(&bench).await;
    let list = bench.state().await.playlists[&"p2".into()]
        .node
        .clone()
        .unwrap();
    let edit = Edit::SetEntries {
        node: NodeRef::Id(list),
        contents: vec![ContentRef::Id("77".into())],
    };
    let rekordbox = &mut bench.worlds.rekordbox.as_mut().unwrap().world;
    let staged = rekordbox.stage(&[edit], now()).await.unwrap();
    rekordbox
        .commit(&[staged[0].rows.clone()], now())
        .await
        .unwrap();
    assert_eq!(codes(&bench, &plan).await, ["TC401"]);
}

#[tokio::test]
async fn removals_need_tidal_to_say_so_again() {
    let bench = after(1).await;
    let mut plan = second(&bench).await;
    let trash = plan
        .body
        .actions
        .iter_mut()
        .find(|action| action.effect.kind() == "file.trash");
    trash.unwrap().pre.push(Precondition::DesiredAbsent {
        track: "3".into(),
        playlists_checked: 2,
    });
    plan.digest = canonical::digest(&plan.body);
    assert_eq!(codes(&bench, &plan).await, ["TC103"]);
    let reading = |complete, tracks: &[&str]| TidalReading {
        taken_at: None,
        complete,
        user: None,
        playlists: vec![Playlist {
            id: "p2".into(),
            name: "Dub".to_owned(),
            description: String::new(),
            last_modified_at: None,
            number_of_items: None,
            complete: true,
            items: tracks
                .iter()
                .map(|id| PlaylistEntry {
                    kind: ItemKind::Track,
                    id: (*id).into(),
                    item_id: None,
                    added_at: None,
                    track: None,
                })
                .collect(),
        }],
        favorites: None,
    };
    for (reading, expected) in [
        (reading(true, &["2"]), &[][..]),
        (reading(true, &["2", "3"]), &["TC401"][..]),
        (reading(false, &["2"]), &["TC103"][..]),
    ] {
        let asked_so = Verification {
            tidal: Some(&reading),
            ..nothing(now())
        };
        assert_eq!(asked(&bench, &plan, asked_so).await, expected);
    }
}

#[tokio::test]
async fn an_undo_is_stale_when_the_user_was_there_in_between() {
    let mut bench = after(1).await;
    let plan = second(&bench).await;
    let applied = bench.done(&plan).await;
    let undo = bench.undo_of(applied).await;
    assert_eq!(codes(&bench, &undo).await, [""; 0]);
    let path = MediaPath::from("Playlists/Deep/1.flac");
    bench.worlds.local.world.put(&path, b"retagged");
    assert!(codes(&bench, &undo).await.contains(&"TC401"));
}
