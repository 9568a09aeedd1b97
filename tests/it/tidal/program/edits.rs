//! Libraries that are edited while they are read: the file has what is there in the end.

use super::{
    super::{server::Seen, world::World},
    Dj,
};

fn is_page(seen: &Seen, offset: usize) -> bool {
    let cursor = format!("+o/{offset}=");
    seen.path.ends_with("/items") && seen.query.get("page[cursor]") == Some(&cursor)
}

/// A reading during which `edit` happens once, before the page at item `offset` is answered.
fn edited(offset: usize, edit: impl FnOnce(&mut World) + Send + 'static) {
    let mut edit = Some(edit);
    let dj = Dj::with(World::of(&[100, 30, 5]), move |_, seen, world| {
        if is_page(seen, offset)
            && let Some(edit) = edit.take()
        {
            edit(world);
        }
        None
    });
    let requests = dj.reads_the_truth();
    assert!(requests < 40, "{requests}");
}

/// The playlist of 100 is the last one.
#[test]
fn edits_of_the_playlist_that_is_being_read() {
    for offset in [20, 60, 80] {
        edited(offset, |world| {
            "Renamed".clone_into(&mut world.playlists[2].name);
        });
        edited(offset, |world| {
            world.edit(2, |list| "Renamed".clone_into(&mut list.name));
        });
        edited(offset, |world| drop(world.playlists.remove(2)));
        edited(offset, |world| world.edit(2, |list| list.entries.reverse()));
        edited(offset, |world| {
            world.edit(2, |list| list.entries.rotate_left(25));
        });
        edited(offset, |world| {
            let new = world.entry("tracks", "999");
            world.edit(2, |list| list.entries.insert(0, new));
        });
        edited(offset, |world| {
            let new = world.entry("tracks", "999");
            world.edit(2, |list| list.entries.push(new));
        });
        edited(offset, |world| {
            world.edit(2, |list| drop(list.entries.remove(3)));
        });
        edited(offset, |world| world.edit(2, |list| list.entries.clear()));
        edited(offset, |world| {
            let new = world.entry("tracks", "999");
            world.edit(2, |list| {
                list.entries.remove(3);
                list.entries.push(new);
            });
        });
    }
}

#[test]
fn edits_of_other_playlists() {
    edited(40, |world| world.edit(0, |list| list.entries.reverse()));
    edited(40, |world| drop(world.playlists.remove(0)));
    edited(40, |world| drop(world.add("New", 45)));
    edited(40, |world| {
        world.playlists.remove(1);
        world.add("New", 3);
    });
}

#[test]
fn edits_while_the_list_is_read() {
    for at in 0..6 {
        let mut lists = 0;
        let dj = Dj::with(World::of(&[3; 45]), move |_, seen, world| {
            if seen.path == "/playlists" {
                if lists == at {
                    world.playlists.remove(0);
                    world.add("New", 25);
                }
                lists += 1;
            }
            None
        });
        // An edit of what the last list has already told is later than the reading.
        let (said, reading) = dj.read(&[]);
        assert_eq!(said.code, 0, "{at}: {}", said.err);
        let reading = reading.expect("a reading");
        let truth = dj.server.lock().world.truth();
        let first = reading.playlists.first().map(|list| &list.name);
        if first == truth.first().map(|list| &list.name) {
            assert_eq!(reading.playlists, truth, "{at}");
        } else {
            assert!(at >= 3, "{at}");
        }
    }
}

#[test]
fn a_playlist_that_never_rests_is_marked() {
    let dj = Dj::with(World::of(&[30, 100]), |_, seen, world| {
        if is_page(seen, 40) {
            let new = world.entry("tracks", "999");
            world.edit(0, |list| list.entries.insert(0, new));
        }
        None
    });
    dj.lacks(&["List 1"]);
    assert!(dj.server.requests() < 150, "{}", dj.server.requests());
}
