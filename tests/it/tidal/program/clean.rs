//! A service that behaves, and libraries of every shape.

use super::{super::world::World, Dj};

#[test]
fn playlists_of_every_length() {
    for lengths in [
        &[][..],
        &[0],
        &[1],
        &[20],
        &[21],
        &[40, 41],
        &[0, 0, 3, 0],
        &[19, 20, 21, 59, 60, 61],
    ] {
        let dj = Dj::logged_in(World::of(lengths));
        let requests = dj.reads_the_truth();
        let pages: usize = lengths.iter().map(|n| n.max(&1).div_ceil(20) - 1).sum();
        let again = usize::from(!lengths.is_empty());
        assert_eq!(requests, 1 + pages + again, "{lengths:?}");
    }
}

#[test]
fn a_list_of_ten_thousand_items() {
    let dj = Dj::logged_in(World::of(&[10_000]));
    assert_eq!(dj.reads_the_truth(), 501);
}

#[test]
fn five_hundred_playlists() {
    let dj = Dj::logged_in(World::of(&[2; 500]));
    assert_eq!(dj.reads_the_truth(), 50);
}

#[test]
fn a_hundred_playlists_of_a_hundred_and_again() {
    let dj = Dj::logged_in(World::of(&[100; 100]));
    assert_eq!(dj.reads_the_truth(), 410);
    let state = dj.server.lock();
    let asked: std::collections::BTreeSet<_> = state
        .seen
        .iter()
        .map(|seen| (&seen.path, &seen.query))
        .collect();
    assert_eq!(asked.len(), state.seen.len(), "nothing is asked twice");
    drop(state);
    assert_eq!(dj.reads_the_truth(), 5);
}

#[test]
fn videos_duplicates_withheld_tracks_and_kinds_that_came_later() {
    let mut world = World::of(&[30, 5]);
    let twice = world.playlists[1].entries[0].id.clone();
    for (kind, id) in [
        ("tracks", &*twice),
        ("videos", "4711"),
        ("tracks", "4712"),
        ("holograms", "4713"),
        ("tracks", &*twice),
    ] {
        let entry = world.entry(kind, id);
        world.playlists[1].entries.insert(2, entry);
    }
    world.withheld.push("4712".to_owned());
    let dj = Dj::logged_in(world);
    dj.reads_the_truth();
    let (_, reading) = dj.read(&[]);
    let items = &reading.expect("a reading").playlists[1].items;
    let kinds: Vec<&str> = items.iter().map(|item| item.kind.name()).collect();
    assert_eq!(
        &kinds[..5],
        ["tracks", "tracks", "tracks", "holograms", "tracks"]
    );
    assert!(items[4].track.is_none() && items[5].track.is_some());
    let text = std::fs::read_to_string(dj.path("tidal.json")).expect("the file");
    assert!(text.contains(r#""type":"holograms","id":"4713""#), "{text}");
    assert!(text.contains(r#""resolved":false"#));
}

#[test]
fn names_stay_as_they_are() {
    let mut world = World::of(&[1, 1, 1, 1]);
    let names = [
        " Cafe\u{301} é 🏳️\u{200d}🌈 ",
        "a/b\\c\u{202e}",
        "\"quoted\"\n\ttabs",
        "שלום 日本語",
    ];
    for (list, name) in world.playlists.iter_mut().zip(names) {
        name.clone_into(&mut list.name);
    }
    Dj::logged_in(world).reads_the_truth();
}

#[test]
fn two_playlists_may_have_one_name() {
    let mut world = World::of(&[25, 25, 3]);
    for list in &mut world.playlists {
        "Twin".clone_into(&mut list.name);
    }
    Dj::logged_in(world).reads_the_truth();
}

#[test]
fn favourites_come_with_the_sort_that_loses_none() {
    let mut world = World::of(&[3]);
    world.favorites = (0..61)
        .map(|n| world.entry("tracks", &(3000 + n).to_string()))
        .collect();
    for favorite in &mut world.favorites {
        favorite.item_id.clear();
    }
    let dj = Dj::logged_in(world);
    let (said, reading) = dj.read(&["--favorites"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let state = dj.server.lock();
    let truth = state.world.truth_of(&state.world.favorites);
    assert_eq!(reading.expect("a reading").favorites, Some(truth));
    let pages = state
        .seen
        .iter()
        .filter(|seen| seen.path.ends_with("me/relationships/items"));
    assert!(pages.clone().count() == 4 && pages.clone().all(|seen| seen.query["sort"] == "title"));
}

#[test]
fn without_out_the_snapshot_is_the_answer() {
    let dj = Dj::logged_in(World::of(&[3]));
    let said = dj.run(&["snapshot", "tidal"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let reading = tidal_cleanup::edge::tidal::snapshot::parse(said.out.as_bytes());
    assert_eq!(reading.expect("a snapshot").playlists.len(), 1);
}

#[test]
fn lists_cost_one_request_for_twenty() {
    let mut world = World::of(&[45; 21]);
    world.playlists[0].counter_off = 1000;
    let dj = Dj::logged_in(world);
    let said = dj.run(&["tidal", "lists"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(dj.server.requests(), 2);
    assert!(
        said.out.starts_with(" 1 045")
            || said.out.starts_with(" 1,045")
            || said.out.starts_with("  1045"),
        "{}",
        said.out
    );
    assert!(said.out.contains("21 playlists"), "{}", said.out);
    assert!(said.err.contains("tidal-cleanup init"), "{}", said.err);

    let policy = "version = 1\n[library]\nroot = \"music\"\n[tidal]\nplaylists = [\"List 1*\"]\n";
    std::fs::write(dj.path("tidal-cleanup.toml"), policy).expect("a policy");
    let said = dj.run(&["tidal", "lists", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let answer: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    let text = answer.to_string();
    assert!(
        text.contains("not managed") && text.contains("\"manage\""),
        "{text}"
    );
}
