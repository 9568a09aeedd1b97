//! Replies that are not quite as the document has them, and links that lead astray.

use serde_json::{Value, json};

use super::{
    super::{
        server::{Embedded, Odd, Server},
        world::World,
    },
    Dj,
};

#[test]
fn nulls_strangers_and_gaps_are_borne() {
    let names = [
        "version",
        "isrc",
        "duration",
        "explicit",
        "mediaTags",
        "availability",
        "popularity",
    ];
    let with = |change: fn(&mut World, Vec<&'static str>)| {
        let mut world = World::of(&[25, 3]);
        change(&mut world, names.to_vec());
        Dj::logged_in(world).reads_the_truth();
    };
    with(|world, names| world.nulls = names);
    with(|world, names| world.missing = names);
    with(|world, _| world.missing = vec!["title"]);
    with(|world, _| world.strangers = true);
    with(|world, _| world.bare = true);
}

#[test]
fn embedded_lists_that_are_not_whole_are_read_by_themselves() {
    for wrong in [Embedded::Stub, Embedded::NoCursor] {
        let dj = Dj::with(World::of(&[0, 5, 20, 45, 100]), move |_, seen, _| {
            let embeds = seen.path == "/playlists" && seen.query.contains_key("include");
            embeds.then_some(Odd::Embedded(wrong))
        });
        dj.reads_the_truth();
    }
}

/// Once is a slip; what is said twice is believed.
#[test]
fn a_page_without_its_tracks_is_asked_for_again() {
    for path in ["/playlists", "/items"] {
        let mut is_first = true;
        let dj = Dj::with(World::of(&[45, 5, 0]), move |_, seen, _| {
            let includes = seen.path.ends_with(path) && seen.query.contains_key("include");
            (includes && std::mem::take(&mut is_first)).then_some(Odd::Bare)
        });
        assert_eq!(dj.reads_the_truth(), 5);
    }
    let mut world = World::of(&[45]);
    let withheld = world.playlists[0].entries.iter().skip(20);
    world.withheld = withheld.map(|entry| entry.id.clone()).collect();
    assert_eq!(Dj::logged_in(world).reads_the_truth(), 6);
}

/// A reading in which the link behind the first page of the items is `next`.
fn led(next: impl Fn(&Server, &str) -> String + Send + 'static) -> Dj {
    let dj = Dj::logged_in(World::of(&[100, 5]));
    let server = dj.server.clone();
    dj.server.script(move |_, seen, _| {
        let cursor = seen.query.get("page[cursor]").map(String::as_str);
        let is_it = seen.path.ends_with("/items") && cursor == Some("+o/20=");
        is_it.then(|| Odd::Next(Value::String(next(&server, &seen.path))))
    });
    dj
}

#[test]
fn links_to_the_same_service_are_followed() {
    led(|_, path| format!("{path}?page%5Bcursor%5D=%2Bo%2F40%3D")).reads_the_truth();
    led(|_, path| format!("/v2{path}?page[cursor]=%2Bo%2F40%3D")).reads_the_truth();
    led(|server, path| format!("{}/v2{path}?page%5Bcursor%5D=%2Bo%2F40%3D", server.base))
        .reads_the_truth();
    led(|_, _| "?page%5Bcursor%5D=%2Bo%2F40%3D".to_owned()).reads_the_truth();
}

#[test]
fn a_link_to_another_origin_gets_no_token() {
    let other = Server::start(World::default());
    let base = other.base.clone();
    led(move |_, _| format!("{base}/v2/x?page%5Bcursor%5D=%2Bo%2F40%3D")).lacks(&["List 0"]);
    let base = other.base.replace("http:", "");
    led(move |_, _| format!("{base}/v2/x?page%5Bcursor%5D=%2Bo%2F40%3D")).lacks(&["List 0"]);
    led(|_, _| "https://openapi.tidal.com/v2/x?page[cursor]=a".to_owned()).lacks(&["List 0"]);
    assert_eq!(other.requests(), 0);
}

#[test]
fn a_list_of_playlists_that_leads_elsewhere_is_a_failure() {
    let other = Server::start(World::default());
    let next = format!("{}/v2/playlists?page%5Bcursor%5D=%2Bo%2F20%3D", other.base);
    let dj = Dj::with(World::of(&[1; 30]), move |_, seen, _| {
        (seen.path == "/playlists").then(|| Odd::Next(json!(next)))
    });
    dj.fails("gets no token");
    assert_eq!(other.requests(), 0);
}

#[test]
fn cursors_that_come_again_end() {
    led(|_, path| format!("{path}?page%5Bcursor%5D=%2Bo%2F20%3D")).lacks(&["List 0"]);
    let dj = Dj::with(World::of(&[1; 30]), |_, seen, _| {
        let next = "/playlists?page%5Bcursor%5D=%2Bo%2F20%3D";
        (seen.path == "/playlists").then(|| Odd::Next(json!(next)))
    });
    dj.fails("circle");
    assert!(dj.server.requests() < 30);
}

#[test]
fn counters_that_are_wrong_for_good_are_not_believed() {
    for off in [-2, 3, 40] {
        let mut world = World::of(&[45, 10, 100]);
        for list in &mut world.playlists {
            list.counter_off = off;
        }
        let dj = Dj::logged_in(world);
        assert!(dj.reads_the_truth() <= 2 + 2 * (3 + 1 + 5));
        assert_eq!(dj.reads_the_truth(), 1);
    }
}

#[test]
fn packed_replies_and_other_content_types_are_read() {
    for odd in [
        Odd::Gzip,
        Odd::Typed("text/plain"),
        Odd::Typed("text/html; charset=utf-8"),
    ] {
        Dj::with(World::of(&[45, 3]), move |_, _, _| Some(odd.clone())).reads_the_truth();
    }
}
