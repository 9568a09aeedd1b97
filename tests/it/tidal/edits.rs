//! Libraries that are edited while they are read.

#![expect(clippy::unwrap_used, reason = "a reading that fails ends the test")]

use super::{
    reading::{assert_exact, previously, read, read_with},
    server::{Seen, Server},
    world::World,
};

fn is_page(seen: &Seen, offset: usize) -> bool {
    let cursor = format!("+o/{offset}=");
    seen.path.ends_with("/items") && seen.query.get("page[cursor]") == Some(&cursor)
}

/// A reading during which `edit` happens once, before the page at item 40 of a playlist is answered.
async fn edited(lengths: &[usize], edit: impl FnOnce(&mut World) + Send + 'static) -> Server {
    let server = Server::start(World::of(lengths));
    let mut edit = Some(edit);
    server.script(move |_, seen, world| {
        if is_page(seen, 40)
            && let Some(edit) = edit.take()
        {
            edit(world);
        }
        None
    });
    let observed = read(&server).await.unwrap();
    assert_exact(&server, &observed);
    server
}

#[tokio::test]
async fn an_entry_removed_before_the_place_of_reading() {
    edited(&[100, 5], |world| {
        world.edit(1, |list| drop(list.entries.remove(0)));
    })
    .await;
}

#[tokio::test]
async fn an_entry_added_before_the_place_of_reading() {
    edited(&[100], |world| {
        let new = world.entry("tracks", "999");
        world.edit(0, |list| list.entries.insert(0, new));
    })
    .await;
}

#[tokio::test]
async fn an_entry_exchanged() {
    edited(&[100], |world| {
        let new = world.entry("tracks", "999");
        world.edit(0, |list| {
            list.entries.remove(3);
            list.entries.push(new);
        });
    })
    .await;
}

#[tokio::test]
async fn a_playlist_reordered() {
    edited(&[100, 100], |world| {
        world.edit(0, |list| list.entries.reverse());
    })
    .await;
}

#[tokio::test]
async fn a_playlist_renamed() {
    edited(&[100, 30], |world| {
        world.edit(0, |list| "Other".clone_into(&mut list.name));
    })
    .await;
}

#[tokio::test]
async fn a_playlist_renamed_without_a_trace_in_its_time() {
    edited(&[100, 30], |world| {
        "Other".clone_into(&mut world.playlists[0].name);
    })
    .await;
}

#[tokio::test]
async fn a_playlist_deleted() {
    edited(&[100, 30, 100], |world| drop(world.playlists.remove(0))).await;
    edited(&[100, 30, 100], |world| drop(world.playlists.remove(2))).await;
}

#[tokio::test]
async fn a_playlist_created() {
    edited(&[100, 30], |world| drop(world.add("New", 50))).await;
}

#[tokio::test]
async fn a_deletion_that_tears_the_last_list() {
    let server = Server::start(World::of(&[3; 60]));
    let mut lists = 0;
    server.script(move |_, seen, world| {
        if seen.path == "/playlists" {
            lists += 1;
            // The second page of the second list: the first of page two moves to page one.
            if lists == 5 {
                world.playlists.remove(0);
            }
        }
        None
    });
    assert_exact(&server, &read(&server).await.unwrap());
}

#[tokio::test]
async fn a_deletion_that_tears_a_second_readings_list() {
    let server = Server::start(World::of(&[3; 60]));
    let first = read(&server).await.unwrap();
    let mut lists = 0;
    server.script(move |_, seen, world| {
        lists += usize::from(seen.path == "/playlists");
        if lists == 2 && seen.path == "/playlists" {
            world.playlists.remove(0);
        }
        None
    });
    let second = read_with(&server, previously(&first)).await.unwrap();
    assert_exact(&server, &second);
}

#[tokio::test]
async fn a_playlist_that_never_rests_is_marked() {
    let server = Server::start(World::of(&[30, 100]));
    server.script(|_, seen, world| {
        if is_page(seen, 40) {
            let new = world.entry("tracks", "999");
            world.edit(0, |list| list.entries.insert(0, new));
        }
        None
    });
    let observed = read(&server).await.unwrap();
    assert!(!observed.value.complete);
    assert!(!observed.value.playlists[0].complete);
    assert!(observed.value.playlists[1].complete);
    assert!(server.requests() < 150, "{}", server.requests());
}
