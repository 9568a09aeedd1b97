//! Second readings, what is kept of them, and plans without a network.

use super::{super::world::World, Dj, status};

#[test]
fn only_what_changed_is_read_again() {
    let dj = Dj::logged_in(World::of(&[100, 45, 30]));
    dj.reads_the_truth();
    {
        let mut state = dj.server.lock();
        let new = state.world.entry("tracks", "999");
        state.world.edit(1, |list| list.entries.insert(0, new));
    }
    // The list, three pages of 46, the list again.
    assert_eq!(dj.reads_the_truth(), 1 + 3 + 1);
    {
        let mut state = dj.server.lock();
        state
            .world
            .edit(2, |list| "Renamed".clone_into(&mut list.name));
        state.world.playlists.remove(0);
        state.world.add("New", 3);
    }
    // The list twice (one is gone), five pages, one of the new one, the list again.
    assert_eq!(dj.reads_the_truth(), 2 + 5 + 1 + 1);
    assert_eq!(dj.reads_the_truth(), 1);
}

#[test]
fn a_full_reading_is_made_when_it_is_due() {
    let dj = Dj::logged_in(World::of(&[45]));
    dj.reads_the_truth();
    let note = dj.path(".tidal-cleanup/accounts/default/full-reading.json");
    std::fs::write(&note, r#"{"at":"2020-01-01T00:00:00Z"}"#).expect("a note");
    assert_eq!(dj.reads_the_truth(), 4);
    assert_eq!(dj.reads_the_truth(), 1);
}

#[test]
fn an_incomplete_reading_does_not_replace_the_last_good_one() {
    let world = World::of(&[45, 100]);
    let id = world.playlists[0].id.clone();
    let dj = Dj::logged_in(world);
    dj.reads_the_truth();
    dj.server
        .lock()
        .world
        .edit(0, |list| drop(list.entries.remove(0)));
    let path = format!("/playlists/{id}/relationships/items");
    dj.server
        .script(move |_, seen, _| (seen.path == path).then(|| status(500)));
    dj.lacks(&["List 1"]);
    dj.server.script(|_, _, _| None);
    // The list, five pages of the one, the list again: the other is still known.
    assert_eq!(dj.reads_the_truth(), 1 + 5 + 1);
}

#[test]
fn a_state_that_cannot_be_opened_is_no_hindrance() {
    let dj = Dj::logged_in(World::of(&[45]));
    std::fs::create_dir(dj.path(".tidal-cleanup/sync.db")).expect("a folder in its place");
    for _ in 0..2 {
        assert_eq!(dj.reads_the_truth(), 4);
    }
    let (said, _) = dj.read(&[]);
    assert!(
        said.err.contains("Warning: the reading cannot be kept"),
        "{}",
        said.err
    );
}

#[test]
fn a_plan_without_a_network_comes_from_the_last_good_reading() {
    let dj = Dj::logged_in(World::of(&[2, 3]));
    let policy = "version = 1\n[library]\nroot = \"music\"\n[tidal]\nplaylists = [\"*\"]\n[rekordbox]\ndatabase = \"none\"\n";
    std::fs::write(dj.path("tidal-cleanup.toml"), policy).expect("a policy");
    std::fs::create_dir(dj.path("music")).expect("a folder");
    let said = dj.run(&["db", "init"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let said = dj.run(&["plan", "--offline"]);
    assert!(
        said.code == 1 && said.err.contains("no earlier reading"),
        "{}",
        said.err
    );
    dj.reads_the_truth();
    let before = dj.server.requests();
    let said = dj.run(&["plan", "--offline", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("Title "), "{}", said.out);
    assert_eq!(dj.server.requests(), before);

    // And with one: a playlist that cannot be read holds removals back.
    let gone = dj.server.lock().world.playlists.remove(0);
    let said = dj.run(&["plan", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(!said.out.contains(&gone.name), "{}", said.out);
}

#[test]
fn a_long_reading_tells_how_far_it_is() {
    let mut dj = Dj::logged_in(World::of(&[100; 8]));
    dj.set("TIDAL_CLEANUP_TIDAL_TIMING", "rate=8");
    let (said, _) = dj.read(&[]);
    let line = said
        .err
        .lines()
        .find(|line| line.starts_with("Reading TIDAL: "));
    let line = line.expect(&said.err);
    assert!(
        line.contains(" of 800 items") && line.contains(" s left"),
        "{line}"
    );
    dj.server
        .lock()
        .world
        .edit(0, |list| list.entries.reverse());
    let (said, _) = dj.read(&["--quiet"]);
    assert_eq!(said.err, "");
}
