//! Runs that are given up half-way, and what the next plans make of what they left.

use tidal_cleanup::edge::{
    rekordbox::{Edit, Parent, RekordboxLibrary as _},
    store::StateReader as _,
};

use super::world::{Lists, RECORDINGS, Stage, block_on, list_id};
use crate::apply::{bench::deaths, mortal::Death};

fn first() -> Lists {
    vec![(0, 0, vec![0, 1, 2]), (1, 1, vec![1, 5]), (2, 3, vec![6])]
}

/// A list is renamed, one is new and one gone; tracks come and go.
fn second() -> Lists {
    vec![
        (0, 2, vec![2, 0, 7]),
        (1, 1, vec![5]),
        (3, 4, vec![RECORDINGS + 1, 7]),
    ]
}

fn neither() -> Lists {
    vec![(1, 1, vec![5, 3])]
}

/// The names of the files, and the lists in Rekordbox. Whose folder a track lies in that is in several lists is a
/// matter of what happened.
async fn names(stage: &Stage) -> (Vec<String>, Vec<String>) {
    let mut files: Vec<String> = stage.files().into_keys().collect();
    for path in &mut files {
        *path = path.rsplit('/').next().unwrap().to_owned();
    }
    files.sort();
    let nodes = stage.bench.collection().await.nodes;
    let mut nodes: Vec<String> = nodes.into_values().map(|node| node.name).collect();
    nodes.sort();
    (files, nodes)
}

/// Plans and applies until there is nothing more to do.
async fn settle(stage: &mut Stage, lists: &Lists, what: &str) {
    stage.tidal(lists);
    for _ in 0..3 {
        stage.sync().await;
    }
    assert_eq!(stage.plan().await.body.actions, [], "{what}");
}

async fn begun(sharing: &str) -> Stage {
    let more = "[defaults]\ntrack_removed = \"trash\"\nplaylist_removed = \"remove\"\n";
    let mut stage = Stage::new(&format!("sharing = \"{sharing}\"\n{more}"));
    settle(&mut stage, &first(), "at first").await;
    stage.tidal(&second());
    stage
}

/// The run dies, is closed as `undo` does it, and other lists are wanted: nothing of ours stays behind as if
/// it were somebody else's, and nothing is made a second time. Every seventh death of each kind of run is
/// tried; `TIDAL_CLEANUP_EVERYTHING=1` for all.
#[test]
fn what_was_given_up_half_way_is_known_as_ours() {
    let all = std::env::var_os("TIDAL_CLEANUP_EVERYTHING").is_some();
    let wanted = [first(), second(), neither()];
    let kinds = ["m3u8", "hardlink", "copy"]
        .into_iter()
        .flat_map(|sharing| (0..3).map(move |undos| (sharing, undos)));
    block_on(async {
        for (kind, (sharing, undos)) in kinds.enumerate() {
            let mut calm = Vec::new();
            for lists in &wanted {
                let mut stage = begun(sharing).await;
                settle(&mut stage, lists, "undisturbed").await;
                calm.push(names(&stage).await);
            }
            for (n, death) in deaths().flatten().enumerate() {
                if !all && n % 7 != kind % 7 {
                    continue;
                }
                let mut died = false;
                for (at, lists) in wanted.iter().enumerate() {
                    if !all && n / 7 % wanted.len() != at {
                        continue;
                    }
                    let mut stage = begun(sharing).await;
                    died = give_up(&mut stage, undos, death).await;
                    let what = format!("{sharing}, {undos} undos, {death:?}, {lists:?}");
                    settle(&mut stage, lists, &what).await;
                    assert_eq!(names(&stage).await, calm[at], "{what}");
                }
                if !died {
                    assert!(n > 40, "{n} deaths");
                    break;
                }
            }
        }
    });
}

/// Applies what is planned, takes that back, or that again, and closes the run where it died. Whether it did.
async fn give_up(stage: &mut Stage, undos: usize, death: Death) -> bool {
    let mut plan = stage.plan().await;
    for _ in 0..undos {
        let id = stage.carry_out(plan).await.unwrap();
        plan = stage.bench.undo_of(id).await;
    }
    stage.bench.faults.set(Some(death));
    let ended = stage.bench.apply(&plan).await;
    let died = stage.bench.faults.is_dead();
    stage.bench.faults.set(None);
    match stage.bench.worlds.store.unfinished().await.unwrap() {
        Some(row) => drop(stage.bench.close(row.id).await.unwrap()),
        None => assert!(died || ended.is_ok(), "{ended:?}"),
    }
    died
}

/// A list that went while the policy only noted such lists goes when the policy asks for it, once.
#[test]
fn a_list_that_was_kept_goes_when_the_policy_says_so() {
    block_on(async {
        let kept = "[defaults]\nplaylist_removed = \"soft-delete\"\n";
        let mut stage = Stage::new(kept);
        settle(&mut stage, &first(), "at first").await;
        let before = names(&stage).await;
        settle(&mut stage, &neither(), "two lists less").await;
        let (_, nodes) = names(&stage).await;
        assert_eq!(nodes, before.1, "only noted");
        stage.edit_policy(&kept.replace("soft-delete", "remove"));
        settle(&mut stage, &neither(), "asked for").await;
        let (files, nodes) = names(&stage).await;
        assert_eq!(nodes, ["Mine", "Party", "TIDAL"]);
        let lists = files.iter().filter(|name| name.ends_with(".m3u8"));
        assert_eq!(lists.collect::<Vec<_>>(), ["Party.m3u8"]);
    });
}

/// Where the DJ puts a list that went to the archive, it stays.
#[test]
fn a_list_in_the_archive_is_the_djs_to_move() {
    block_on(async {
        let mut stage = Stage::new("[defaults]\nplaylist_removed = \"archive\"\n");
        settle(&mut stage, &first(), "at first").await;
        let node = stage.node(&list_id(2)).await.unwrap();
        let before = stage.bench.collection().await.nodes[&node].parent.clone();
        settle(&mut stage, &neither(), "two lists less").await;
        let archived = stage.bench.collection().await.nodes[&node].parent.clone();
        assert_ne!(archived, before);
        let (id, name, parent) = (node, None, Some(Parent::Root));
        let rekordbox = stage.bench.worlds.rekordbox.as_mut().unwrap();
        let at = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        let edits = [Edit::UpdateNode { id, name, parent }];
        let staged = rekordbox.world.stage(&edits, at).await.unwrap();
        let rows: Vec<_> = staged.into_iter().map(|staged| staged.rows).collect();
        rekordbox.world.commit(&rows, at).await.unwrap();
        assert_eq!(stage.plan().await.body.actions, []);
    });
}
