//! What the DJ changes in Rekordbox on things of ours: shown, and set back or kept as the policy says.
#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use tidal_cleanup::{
    domain::{ContentId, NodeId, NodeKind},
    edge::rekordbox::{ContentRef, Edit, NodeRef, Parent},
    plan::Plan,
};

use crate::harness::{BOLD, Setup, Snapshot, World, collection, titled, uuid};

fn lists() -> Snapshot {
    Snapshot::new()
        .list('a', "House 🇮🇹", "0 1 2 3")
        .list('b', "Party", "4 5")
}

/// After a first apply, with these tables in the policy.
fn world(more: &str) -> World {
    let world = World::usual();
    world.write_policy(more);
    world.sync_with(&lists());
    world
}

fn node(world: &World, name: &str) -> NodeId {
    let collection = world.collection();
    let node = collection.nodes.values().find(|node| node.name == name);
    node.unwrap().id.clone()
}

fn entries(world: &World, list: &NodeId) -> Vec<ContentId> {
    let collection = world.collection();
    let entries = collection.nodes[list].entries.iter();
    entries.map(|entry| entry.content.clone()).collect()
}

fn dj(world: &World, edits: &[Edit]) {
    collection::edit(&world.path("rekordbox"), edits);
}

fn set(list: &NodeId, contents: &[ContentId]) -> Edit {
    Edit::SetEntries {
        node: NodeRef::Id(list.clone()),
        contents: contents.iter().cloned().map(ContentRef::Id).collect(),
    }
}

/// The plan has nothing to do and tells of this.
#[track_caller]
fn assert_kept(world: &World, text: &str) {
    world.assert_settled();
    let said = world.expect(0, &["plan", "--out", "plan.json", "-v"]);
    assert!(said.out.contains("Kept as you have it"), "{}", said.out);
    assert!(said.out.contains(text), "{}", said.out);
}

/// The plan shows it as drift, with these words.
#[track_caller]
fn assert_drift(plan: &Plan, text: &str) {
    let mut drift = plan.body.actions.iter().filter(|a| a.why.rule == "drift");
    let actions = &plan.body.actions;
    assert!(drift.any(|a| a.why.text.contains(text)), "{actions:#?}");
}

fn rename_and_move(world: &World) -> NodeId {
    let party = node(world, "Party");
    let edit = Edit::UpdateNode {
        id: party.clone(),
        name: Some("My party".to_owned()),
        parent: Some(Parent::Root),
    };
    dj(world, &[edit]);
    party
}

#[test]
fn a_renamed_and_moved_playlist_is_set_back() {
    let world = world("");
    let before = collection::outline(&world.collection());
    let party = rename_and_move(&world);
    let plan = world.plan(2);
    assert_drift(&plan, "is called “My party” and is in no folder");
    world.sync();
    world.assert_settled();
    assert_eq!(node(&world, "Party"), party);
    assert_eq!(collection::outline(&world.collection()), before);
}

#[test]
fn or_stays_where_the_policy_says_so() {
    let world = world("[own]\nname = \"rekordbox\"\nfolder = \"rekordbox\"\n");
    rename_and_move(&world);
    assert_kept(&world, "My party");
    // What TIDAL adds arrives there all the same.
    world.sync_with(
        &Snapshot::new()
            .list('a', "House 🇮🇹", "0 1 2 3")
            .list('b', "Party", "4 5 6"),
    );
    assert_eq!(world.titles("My party"), titled("4 5 6"));
}

#[test]
fn a_renamed_folder_keeps_what_is_in_it() {
    for (policy, name) in [("", "TIDAL"), ("[own]\nname = \"rekordbox\"\n", "Sync")] {
        let world = world(policy);
        let folder = node(&world, "TIDAL");
        let edit = Edit::UpdateNode {
            id: folder.clone(),
            name: Some("Sync".to_owned()),
            parent: None,
        };
        dj(&world, &[edit]);
        match policy {
            "" => drop(world.sync()),
            _ => assert_kept(&world, "Sync"),
        }
        world.assert_settled();
        let collection = world.collection();
        assert_eq!(collection.nodes[&folder].name, name);
        let party = &collection.nodes[&node(&world, "Party")];
        assert_eq!(party.parent.as_ref(), Some(&folder));
        let folders = collection.nodes.values();
        let named = folders.filter(|n| n.kind == NodeKind::Folder && n.name == name);
        assert_eq!(named.count(), 1);
    }
}

#[test]
fn another_order_is_set_back_or_stays() {
    let order = format!("[playlist.\"{}\"]\norder = \"rekordbox\"\n", uuid('a'));
    for (policy, expected) in [("", "0 1 2 3"), (order.as_str(), "2 0 1 3")] {
        let world = world(policy);
        let list = node(&world, "House 🇮🇹");
        let mut contents = entries(&world, &list);
        contents[..3].rotate_right(1);
        dj(&world, &[set(&list, &contents)]);
        if policy.is_empty() {
            assert_drift(&world.plan(2), "in another order in Rekordbox");
            world.sync();
        } else {
            assert_kept(&world, "is in your order");
        }
        world.assert_settled();
        assert_eq!(world.titles("House 🇮🇹"), titled(expected));
    }
}

#[test]
fn what_was_added_by_hand_stays_and_in_the_djs_order_keeps_its_place() {
    let order = format!("[playlist.\"{}\"]\norder = \"rekordbox\"\n", uuid('a'));
    for (policy, expected) in [("", "0 1 2 3 6 4"), (order.as_str(), "0 4 1 2 3 6")] {
        let world = world(policy);
        let list = node(&world, "House 🇮🇹");
        let mut contents = entries(&world, &list);
        contents.insert(1, entries(&world, &node(&world, "Party"))[0].clone());
        dj(&world, &[set(&list, &contents)]);
        world.sync_with(
            &Snapshot::new()
                .list('a', "House 🇮🇹", "0 1 2 3 6")
                .list('b', "Party", "4 5"),
        );
        assert_eq!(world.titles("House 🇮🇹"), titled(expected));
        assert_kept(&world, "1 track that you added in Rekordbox");
    }
}

#[test]
fn a_title_that_tidal_owns_is_set_back() {
    for (policy, title) in [("", "Title 0"), ("[own]\ntitle = \"rekordbox\"\n", "Mine")] {
        let world = world(policy);
        let content = entries(&world, &node(&world, "House 🇮🇹"))[0].clone();
        let edit = Edit::UpdateContent {
            content: content.clone(),
            title: Some("Mine".to_owned()),
            artist: None,
            album: None,
            year: None,
        };
        dj(&world, &[edit]);
        match policy {
            "" => assert_drift(&world.sync(), "TIDAL owns these fields"),
            _ => assert_kept(&world, "title is “Mine” in Rekordbox"),
        }
        world.assert_settled();
        assert_eq!(world.collection().contents[&content].title, title);
    }
}

#[test]
fn fields_that_were_emptied_are_set_back() {
    let world = world("");
    let content = entries(&world, &node(&world, "House 🇮🇹"))[0].clone();
    let before = world.collection().contents[&content].clone();
    assert!(before.artist.is_some() && before.album.is_some() && before.year.is_some());
    let folder = world.path("rekordbox");
    for none in ["''", "'0'", "NULL"] {
        let empty = format!(
            "UPDATE djmdContent SET ArtistID = {none}, AlbumID = {none}, ReleaseYear = 0 \
             WHERE ID = '{content}'"
        );
        collection::sql(&folder, &empty);
        assert_drift(&world.plan(2), "TIDAL owns these fields");
        world.sync();
        world.assert_settled();
        assert_eq!(world.collection().contents[&content], before);
    }
}

#[test]
fn a_tag_that_was_taken_off_comes_back_or_stays_off() {
    for (policy, tagged) in [("", true), ("[own]\nmytags = \"rekordbox\"\n", false)] {
        let world = world(policy);
        let content = entries(&world, &node(&world, "House 🇮🇹"))[0].clone();
        let rows = world.rows();
        let links = rows["djmdSongMyTag"].iter();
        let of_it = links.filter(|row| row.contains(&format!("'{content}'")));
        let remove = of_it.map(|row| row.split('\'').nth(1).unwrap().to_owned());
        let edit = Edit::SetTags {
            content: ContentRef::Id(content.clone()),
            add: Vec::new(),
            remove: remove.collect(),
        };
        dj(&world, &[edit]);
        match policy {
            "" => drop(world.sync()),
            _ => assert_kept(&world, "has no MyTag House Italo"),
        }
        world.assert_settled();
        let now = world.collection();
        assert_eq!(!now.contents[&content].my_tags.is_empty(), tagged);
    }
}

#[test]
fn files_with_cues_wait_until_relocating_was_checked() {
    let world = World::new(Setup {
        rekordbox: Some(tidal_cleanup::domain::RekordboxSchema::V7),
        more: BOLD,
        ..Setup::default()
    });
    let policy = std::fs::read_to_string(world.path("tidal-cleanup.toml")).unwrap();
    let gated = policy.replace("relocate = true\n", "");
    std::fs::write(world.path("tidal-cleanup.toml"), gated).unwrap();
    world.sync_with(&lists());
    let content = entries(&world, &node(&world, "Party"))[0].clone();
    world.rate(&content);
    world.tidal(
        &Snapshot::new()
            .list('a', "House 🇮🇹", "0 1 2 3")
            .list('b', "Big Party", "4 5"),
    );
    let plan = world.plan(3);
    let held: Vec<&str> = plan
        .body
        .held
        .iter()
        .map(|held| held.gate.as_str())
        .collect();
    assert!(held.contains(&"rekordbox.relocate"), "{held:?}");
    assert!(plan.body.held[0].text.contains("relocate = true"));
    let moves = |plan: &Plan| {
        let kind = |action: &&tidal_cleanup::plan::document::Action| {
            action.effect.kind() == "file.place" && action.subject.track.is_some()
        };
        plan.body.actions.iter().filter(kind).count()
    };
    assert_eq!(moves(&plan), 1);
    std::fs::write(world.path("tidal-cleanup.toml"), policy).unwrap();
    assert_eq!(moves(&world.sync()), 2);
    world.assert_settled();
    assert_eq!(world.collection().contents[&content].rating, 5);
}

/// Albums and artists that came since: how many count, and how many are tombstones.
fn names(world: &World, before: &collection::Rows) -> (usize, usize) {
    let rows = world.rows();
    let since = |table: &str| -> Vec<String> {
        let mut rows = rows[table].clone();
        rows.retain(|row| !before[table].contains(row));
        rows
    };
    let ours = [since("djmdAlbum"), since("djmdArtist")].concat();
    let gone = ours.iter().filter(|row| row.contains(" 258 ")).count();
    (ours.len() - gone, gone)
}

/// The album that a track brought stays for the track of a later apply, and goes with that one.
#[test]
fn an_album_goes_with_the_last_track_that_has_it() {
    for synced in [false, true] {
        let world = World::usual();
        let folder = world.path("rekordbox");
        collection::sql(&folder, "UPDATE djmdAlbum SET Name = 'Theirs'");
        let before = world.rows();
        world.sync_with(&Snapshot::new().list('a', "House", "61 62"));
        let both = Snapshot::new().list('a', "House", "61 62");
        world.sync_with(&both.list('b', "Party", "63"));
        assert_eq!(names(&world, &before), (4, 0));
        if synced {
            let sql = "UPDATE djmdAlbum SET rb_data_status = 256 WHERE Name = 'Album'";
            collection::sql(&folder, sql);
        }
        world.expect(0, &["undo", "1", "--yes"]);
        assert_eq!(names(&world, &before), (2, 0));
        world.expect(0, &["undo", "2", "--yes"]);
        assert_eq!(names(&world, &before), (0, usize::from(synced)));
        // What the second apply was built on goes now.
        world.expect(0, &["undo", "1", "--yes"]);
        if !synced {
            collection::assert_same(&world.rows(), &before);
        }
        // Done again in whatever order, each track has its album.
        for run in ["5", "3", "4"] {
            world.expect(0, &["undo", run, "--yes"]);
        }
        assert_eq!(names(&world, &before), (4, 0));
        assert_eq!(world.titles("House"), titled("61 62"));
        assert_eq!(world.titles("Party"), titled("63"));
        for run in ["7", "8", "6"] {
            world.expect(0, &["undo", run, "--yes"]);
        }
        assert_eq!(names(&world, &before), (0, usize::from(synced)));
    }
}
