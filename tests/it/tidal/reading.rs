//! Readings of a service that behaves, in all the shapes that a library has.

use std::time::Duration;

use serde_json::{Value, json};
use tidal_cleanup::{
    domain::{Observed, TidalReading},
    edge::tidal::{ReadOptions, TidalApi as _, TidalError, TidalService, snapshot},
};

use super::{
    server::{Embedded, Odd, Server},
    world::World,
};

/// A reading of `server`, after a log-in.
pub(crate) async fn read(server: &Server) -> Result<Observed<TidalReading>, TidalError> {
    read_with(server, ReadOptions::default()).await
}

pub(crate) async fn read_with(
    server: &Server,
    options: ReadOptions,
) -> Result<Observed<TidalReading>, TidalError> {
    let dir = tempfile::tempdir().expect("a folder for the state");
    let settings = server.logged_in(dir.path());
    TidalService::open(&settings, options)?.read().await
}

/// Asserts that the reading is what the server has now, and says that it is complete.
pub(crate) fn assert_exact(server: &Server, observed: &Observed<TidalReading>) {
    assert_eq!(observed.problems, []);
    assert!(observed.value.complete);
    assert_eq!(observed.value.playlists, server.lock().world.truth());
    assert_eq!(server.lock().complaints, Vec::<String>::new());
}

/// The previous reading as the state database would have it.
pub(crate) fn previously(observed: &Observed<TidalReading>) -> ReadOptions {
    ReadOptions {
        previous: Some(observed.value.clone()),
        ..ReadOptions::default()
    }
}

#[tokio::test]
async fn a_library_is_read_exactly() {
    let server = Server::start(World::of(&[0, 1, 19, 20, 21, 45, 100]));
    let observed = read(&server).await.unwrap();
    assert_exact(&server, &observed);
    let user = observed.value.user.unwrap();
    assert_eq!(
        (user.id.as_str(), user.country.as_deref()),
        ("77", Some("DE"))
    );
    // The list, one further page of 21, two of 45, four of 100, the list again.
    assert_eq!(server.requests(), 1 + 1 + 2 + 4 + 1);
}

#[tokio::test]
async fn an_empty_account_is_complete() {
    let server = Server::start(World::default());
    let observed = read(&server).await.unwrap();
    assert_exact(&server, &observed);
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_hundred_playlists_of_a_hundred_stay_near_the_floor() {
    let server = Server::start(World::of(&[100; 100]));
    let observed = read(&server).await.unwrap();
    assert_exact(&server, &observed);
    assert!(server.requests() <= 410, "{}", server.requests());
    assert!(server.lock().most_in_flight <= 4);

    let before = server.requests();
    let again = read_with(&server, previously(&observed)).await.unwrap();
    assert_exact(&server, &again);
    assert_eq!(server.requests() - before, 5);
}

#[tokio::test]
async fn duplicates_videos_withheld_tracks_and_names_stay_as_they_are() {
    let mut world = World::of(&[30, 3]);
    let twice = world.playlists[1].entries[0].id.clone();
    let (again, video) = (world.entry("tracks", &twice), world.entry("videos", "4711"));
    let withheld = world.entry("tracks", "4712");
    world.withheld.push("4712".to_owned());
    world.playlists[1].entries.extend([again, video, withheld]);
    // Decomposed and composed, an emoji with a selector, blanks at the ends.
    world.playlists[0].name = " Cafe\u{301} é 🏳️\u{200d}🌈 ".to_owned();
    let server = Server::start(world);
    let observed = read(&server).await.unwrap();
    assert_exact(&server, &observed);
    let last = observed.value.playlists[1].items.last().unwrap();
    assert_eq!(last.track, None);
}

#[tokio::test]
async fn nulls_are_absent() {
    let mut world = World::of(&[25]);
    world.nulls = vec![
        "version",
        "isrc",
        "duration",
        "explicit",
        "mediaTags",
        "availability",
    ];
    let server = Server::start(world);
    assert_exact(&server, &read(&server).await.unwrap());
}

#[tokio::test]
async fn favourites_are_read_on_request() {
    let mut world = World::of(&[3]);
    world.favorites = (0..45)
        .map(|number| {
            let mut entry = world.entry("tracks", &(2000 + number).to_string());
            entry.item_id.clear();
            entry
        })
        .collect();
    let server = Server::start(world);
    let options = ReadOptions {
        favorites: true,
        ..ReadOptions::default()
    };
    let observed = read_with(&server, options).await.unwrap();
    assert_exact(&server, &observed);
    let state = server.lock();
    let truth = state.world.truth_of(&state.world.favorites);
    assert_eq!(observed.value.favorites, Some(truth));
}

#[tokio::test]
async fn favourites_that_cannot_be_read_leave_a_hole() {
    let server = Server::start(World::of(&[3]));
    server.script(|_, seen, _| {
        let is_favourites = seen.path.starts_with("/userCollectionTracks");
        is_favourites.then(|| Odd::Status(403, Vec::new(), "{}"))
    });
    let options = ReadOptions {
        favorites: true,
        ..ReadOptions::default()
    };
    let observed = read_with(&server, options).await.unwrap();
    assert!(!observed.is_complete());
    assert_eq!(observed.problems[0].subject, "favourite tracks");
    assert!(observed.value.playlists[0].complete);
}

#[tokio::test]
async fn a_counter_that_is_wrong_for_good_is_not_believed() {
    let mut world = World::of(&[45, 10, 30]);
    world.playlists[0].counter_off = 3;
    world.playlists[1].counter_off = -2;
    world.playlists[2].counter_off = 40;
    let server = Server::start(world);
    let observed = read(&server).await.unwrap();
    assert_exact(&server, &observed);
    assert!(server.requests() <= 16, "{}", server.requests());

    let before = server.requests();
    let again = read_with(&server, previously(&observed)).await.unwrap();
    assert_exact(&server, &again);
    assert_eq!(server.requests() - before, 1);
}

#[tokio::test]
async fn first_pages_that_are_missing_or_lead_nowhere_are_read_by_themselves() {
    for wrong in [Embedded::Stub, Embedded::NoCursor] {
        let server = Server::start(World::of(&[0, 5, 20, 45]));
        server.script(move |_, seen, _| {
            let embeds = seen.path == "/playlists" && seen.query.contains_key("include");
            embeds.then_some(Odd::Embedded(wrong))
        });
        assert_exact(&server, &read(&server).await.unwrap());
    }
}

#[tokio::test]
async fn the_longest_playlists_are_read_first() {
    let server = Server::start(World::of(&[45, 500, 45, 45, 45, 300, 45, 45]));
    let observed = read(&server).await.unwrap();
    assert_exact(&server, &observed);
    let state = server.lock();
    let position = |length: usize| {
        let list = state
            .world
            .playlists
            .iter()
            .find(|l| l.entries.len() == length);
        let path = format!("/playlists/{}/relationships/items", list.unwrap().id);
        state
            .seen
            .iter()
            .position(|seen| seen.path == path)
            .unwrap()
    };
    assert!(position(500) < 6 && position(300) < 6);
}

#[tokio::test]
async fn pages_that_go_in_a_circle_end() {
    let server = Server::start(World::of(&[100, 5]));
    server.script(|_, seen, _| {
        let cursor = seen.query.get("page[cursor]").map(String::as_str);
        (seen.path.ends_with("/items") && cursor == Some("+o/60="))
            .then(|| Odd::Next(json!("/x?page%5Bcursor%5D=%2Bo%2F20%3D")))
    });
    let observed = read(&server).await.unwrap();
    assert!(!observed.value.complete);
    let playlists = &observed.value.playlists;
    assert!(playlists[0].complete && !playlists[1].complete);
    assert!(observed.problems[0].message.contains("repeats"));
    assert!(server.requests() < 60, "{}", server.requests());
}

#[tokio::test]
async fn a_token_goes_to_no_other_host() {
    let other = Server::start(World::default());
    for prefix in [other.base.clone(), other.base.replace("http:", "")] {
        let server = Server::start(World::of(&[100]));
        let next = format!("{prefix}/v2/x?page%5Bcursor%5D=%2Bo%2F40%3D");
        server.script(move |_, seen, _| {
            let is_items = seen.path.ends_with("/items");
            is_items.then(|| Odd::Next(Value::String(next.clone())))
        });
        let observed = read(&server).await.unwrap();
        assert!(!observed.value.complete);
    }
    assert_eq!(other.requests(), 0);
}

#[tokio::test]
async fn an_absolute_link_to_the_same_host_is_followed() {
    let server = Server::start(World::of(&[60]));
    let next = format!("{}/v2/x?page%5Bcursor%5D=%2Bo%2F40%3D", server.base);
    server.script(move |_, seen, _| {
        let cursor = seen.query.get("page[cursor]").map(String::as_str);
        (seen.path.ends_with("/items") && cursor == Some("+o/20="))
            .then(|| Odd::Next(Value::String(next.clone())))
    });
    assert_exact(&server, &read(&server).await.unwrap());
}

#[tokio::test]
async fn a_second_reading_asks_for_what_changed() {
    let server = Server::start(World::of(&[100, 45, 30]));
    let first = read(&server).await.unwrap();
    {
        let mut state = server.lock();
        let new = state.world.entry("tracks", "999");
        state.world.edit(1, |list| list.entries.insert(0, new));
        state.world.playlists.pop();
        state.world.add("New", 3);
    }
    let before = server.requests();
    let second = read_with(&server, previously(&first)).await.unwrap();
    assert_exact(&server, &second);
    // The list twice (one is gone), three pages of 46, one of the new one, the list again.
    assert_eq!(server.requests() - before, 2 + 3 + 1 + 1);
}

#[tokio::test]
async fn a_reading_of_another_user_is_no_help() {
    let server = Server::start(World::of(&[45]));
    let mut first = read(&server).await.unwrap();
    if let Some(user) = &mut first.value.user {
        user.id = "78".to_owned();
    }
    let before = server.requests();
    let second = read_with(&server, previously(&first)).await.unwrap();
    assert_exact(&server, &second);
    assert_eq!(server.requests() - before, 4);
}

#[tokio::test]
async fn an_incomplete_playlist_is_read_again() {
    let server = Server::start(World::of(&[45, 5]));
    let mut first = read(&server).await.unwrap();
    first.value.playlists[1].complete = false;
    first.value.playlists[1].items.pop();
    let second = read_with(&server, previously(&first)).await.unwrap();
    assert_exact(&server, &second);
}

#[tokio::test]
async fn a_reading_survives_its_file() {
    let server = Server::start(World::of(&[45, 5]));
    let observed = read(&server).await.unwrap();
    let text = snapshot::render(&observed.value);
    assert_eq!(snapshot::parse(text.as_bytes()).unwrap(), observed.value);
}

#[tokio::test]
async fn a_full_reading_is_due_after_a_while() {
    let server = Server::start(World::of(&[5]));
    let dir = tempfile::tempdir().unwrap();
    let settings = server.logged_in(dir.path());
    let service = TidalService::open(&settings, ReadOptions::default()).unwrap();
    let week = Duration::from_secs(7 * 24 * 3600);
    let now = jiff::Timestamp::now();
    assert!(service.full_reading_is_due(now, week));
    service.read().await.unwrap();
    assert!(!service.full_reading_is_due(now + Duration::from_secs(60), week));
    assert!(service.full_reading_is_due(now + week + Duration::from_secs(60), week));
}

#[tokio::test]
async fn progress_is_told() {
    let server = Server::start(World::of(&[100; 3]));
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let ear = std::sync::Arc::clone(&told);
    let options = ReadOptions {
        on_progress: Some(Box::new(move |progress| {
            ear.lock().unwrap().push(*progress);
        })),
        ..ReadOptions::default()
    };
    read_with(&server, options).await.unwrap();
    let told = told.lock().unwrap();
    assert!(
        told.iter()
            .any(|progress| progress.of_items == 300 && progress.requests_left > 3)
    );
    assert_eq!(told.iter().map(|progress| progress.items).max(), Some(300));
}

#[tokio::test]
async fn a_counter_without_withheld_tracks_costs_nothing() {
    let mut world = World::of(&[45]);
    let withheld = world.playlists[0].entries[30].id.clone();
    world.withheld.push(withheld);
    world.playlists[0].counter_off = -1;
    let server = Server::start(world);
    assert_exact(&server, &read(&server).await.unwrap());
    assert_eq!(server.requests(), 4);
}

#[tokio::test]
async fn heads_cost_a_request_for_twenty() {
    let server = Server::start(World::of(&[45; 21]));
    let dir = tempfile::tempdir().unwrap();
    let settings = server.logged_in(dir.path());
    let service = TidalService::open(&settings, ReadOptions::default()).unwrap();
    let heads = service.heads().await.unwrap();
    assert_eq!(heads.len(), 21);
    assert_eq!(heads[0].number_of_items, Some(45));
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn pages_that_do_not_end_are_given_up() {
    let server = Server::start(World::of(&[100, 5]));
    let mut cursor = 0;
    server.script(move |_, seen, _| {
        // Always the third page again, under a new name.
        cursor += 1;
        let next = format!("/x?page%5Bcursor%5D=%2Bo%2F{}40%3D", "0".repeat(cursor));
        seen.path
            .ends_with("/items")
            .then(|| Odd::Next(json!(next)))
    });
    let observed = read(&server).await.unwrap();
    assert!(!observed.value.complete);
    assert!(server.requests() < 20, "{}", server.requests());
}
