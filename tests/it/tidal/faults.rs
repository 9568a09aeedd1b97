//! A service that refuses, breaks, stalls and lies.

#![expect(clippy::unwrap_used, reason = "a reading that fails ends the test")]

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tidal_cleanup::edge::tidal::{
    ReadOptions, TidalApi as _, TidalError, TidalService, settings::Timing,
};

use super::{
    reading::{assert_exact, read},
    server::{Bucket, Odd, Seen, Server},
    world::World,
};

fn status(status: u16) -> Odd {
    Odd::Status(
        status,
        Vec::new(),
        r#"{"errors":[{"code":"X","detail":"no"}]}"#,
    )
}

/// A reading during which each third request gets `odd` must be exact all the same.
async fn survives(odd: Odd) {
    let server = Server::start(World::of(&[100, 30, 5]));
    server.script(move |number, _, _| (number % 3 == 1).then(|| odd.clone()));
    assert_exact(&server, &read(&server).await.unwrap());
}

#[tokio::test]
async fn server_errors_pass() {
    for code in [500, 502, 503, 504, 408] {
        survives(status(code)).await;
    }
}

#[tokio::test]
async fn conflicts_and_refusals_pass_when_they_are_single() {
    for code in [400, 403, 404, 409, 422] {
        survives(status(code)).await;
    }
}

#[tokio::test]
async fn cut_connections_pass() {
    survives(Odd::Reset).await;
}

#[tokio::test]
async fn stalls_pass() {
    let server = Server::start(World::of(&[100, 30, 5]));
    server.script(|number, _, _| (number == 3).then(|| Odd::Stall(Duration::from_secs(2))));
    assert_exact(&server, &read(&server).await.unwrap());
}

#[tokio::test]
async fn short_and_torn_bodies_pass() {
    survives(Odd::Short).await;
    survives(Odd::Torn).await;
}

#[tokio::test]
async fn a_reply_that_is_none_passes() {
    for body in ["<html>Sorry</html>", "", "{}", "[]", r#"{"data":null}"#] {
        survives(Odd::Status(
            200,
            vec![("Content-Type", "text/html".to_owned())],
            body,
        ))
        .await;
    }
}

#[tokio::test]
async fn a_wrong_content_type_does_not_matter() {
    survives(Odd::Typed("text/plain")).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::start(World::default());
    let server = Server::start(World::of(&[30]));
    let location = format!("{}/v2/playlists", other.base);
    server.script(move |_, seen, _| {
        let headers = vec![("Location", location.clone())];
        (seen.path == "/playlists").then_some(Odd::Status(302, headers, ""))
    });
    assert!(matches!(read(&server).await, Err(TidalError::Refused(_))));
    assert_eq!(other.requests(), 0);
}

/// Refuses request 4 with `headers` and counts what comes in the `pause` after it.
async fn refused(headers: Vec<(&'static str, String)>, pause: Duration) {
    let server = Server::start(World::of(&[100, 100, 100, 100, 100]));
    server.lock().latency = Duration::from_millis(5);
    let shared = server.clone();
    server.script(move |number, _, _| {
        (number == 4).then(|| {
            let shared = shared.clone();
            // What is in flight at that moment was sent in good faith.
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(250));
                let until = Instant::now() + pause.saturating_sub(Duration::from_millis(250));
                shared.lock().wait_until = Some(until);
            });
            Odd::Status(429, headers.clone(), r#"{"errors":[{"status":"429"}]}"#)
        })
    });
    let started = Instant::now();
    assert_exact(&server, &read(&server).await.unwrap());
    assert!(started.elapsed() >= pause);
    let state = server.lock();
    assert_eq!(state.while_waiting, 0);
    assert!(state.most_in_flight <= 4);
}

#[tokio::test]
async fn retry_after_in_seconds_stops_everybody() {
    refused(
        vec![("Retry-After", "1".to_owned())],
        Duration::from_secs(1),
    )
    .await;
}

#[tokio::test]
async fn retry_after_as_a_date_stops_everybody() {
    let date = |at: Timestamp| at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let now = Timestamp::now();
    let headers = vec![
        ("Retry-After", date(now + Duration::from_secs(1))),
        ("Date", date(now)),
    ];
    refused(headers, Duration::from_secs(1)).await;
}

#[tokio::test]
async fn retry_after_with_503_stops_everybody() {
    let server = Server::start(World::of(&[100, 100]));
    server.script(|number, _, _| {
        (number == 3).then(|| Odd::Status(503, vec![("Retry-After", "1".to_owned())], ""))
    });
    let started = Instant::now();
    assert_exact(&server, &read(&server).await.unwrap());
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_refusal_without_a_time_is_waited_out() {
    let server = Server::start(World::of(&[100, 100]));
    server.script(|number, _, _| (3..6).contains(&number).then(|| status(429)));
    assert_exact(&server, &read(&server).await.unwrap());
}

#[tokio::test]
async fn a_wait_that_is_too_long_ends_the_reading_and_is_remembered() {
    let server = Server::start(World::of(&[30]));
    let dir = tempfile::tempdir().unwrap();
    let settings = server.logged_in(dir.path());
    server.script(|_, _, _| {
        Some(Odd::Status(
            429,
            vec![("Retry-After", "3600".to_owned())],
            "",
        ))
    });
    for _ in 0..2 {
        let service = TidalService::open(&settings, ReadOptions::default()).unwrap();
        let error = service.read().await.unwrap_err().to_string();
        assert!(error.contains("asks to wait"), "{error}");
    }
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_service_that_bears_less_than_the_pace_is_not_pressed() {
    let server = Server::start(World::of(&[50; 20]));
    server.lock().limit = Some(Bucket::new(20.0, 4.0, 1));
    let dir = tempfile::tempdir().unwrap();
    let mut settings = server.logged_in(dir.path());
    settings.timing = Timing {
        rate: 40.0,
        min_rate: 1.0,
        creep: Timing::default().creep,
        creep_every: Timing::default().creep_every,
        ..settings.timing
    };
    let service = TidalService::open(&settings, ReadOptions::default()).unwrap();
    assert_exact(&server, &service.read().await.unwrap());
    let state = server.lock();
    let refusals = state.limit.as_ref().map(|limit| limit.refusals);
    assert!(refusals <= Some(8), "{refusals:?}");
    assert!(state.most_in_flight <= 4);
}

#[tokio::test]
async fn endless_refusals_end() {
    let server = Server::start(World::of(&[30]));
    server.script(|_, _, _| Some(status(429)));
    let started = Instant::now();
    assert!(matches!(
        read(&server).await,
        Err(TidalError::Unavailable(_))
    ));
    assert!(started.elapsed() < Duration::from_secs(8));
    assert!(server.requests() <= 12, "{}", server.requests());
}

#[tokio::test]
async fn an_outage_from_the_start_is_an_error() {
    for odd in [status(500), Odd::Reset, Odd::Stall(Duration::from_secs(1))] {
        let server = Server::start(World::of(&[30]));
        server.script(move |_, _, _| Some(odd.clone()));
        let started = Instant::now();
        assert!(matches!(
            read(&server).await,
            Err(TidalError::Unavailable(_))
        ));
        assert!(started.elapsed() < Duration::from_secs(8));
    }
}

#[tokio::test]
async fn an_outage_in_the_middle_leaves_a_hole() {
    let server = Server::start(World::of(&[100; 30]));
    server.script(|number, _, _| (number > 20).then(|| status(500)));
    let started = Instant::now();
    let observed = read(&server).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(8));
    assert!(!observed.is_complete() && !observed.value.complete);
    let truth = server.lock().world.truth();
    for (read, true_one) in observed.value.playlists.iter().zip(&truth) {
        assert!(!read.complete || read == true_one);
    }
    assert!(server.requests() < 150, "{}", server.requests());
}

#[tokio::test]
async fn no_service_at_all_is_an_error() {
    let server = Server::start(World::default());
    let dir = tempfile::tempdir().unwrap();
    let mut settings = server.logged_in(dir.path());
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let nowhere = format!("http://127.0.0.1:{port}/v2");
    settings.api_url = tidal_cleanup::edge::tidal::settings::BaseUrl::parse(&nowhere).unwrap();
    let service = TidalService::open(&settings, ReadOptions::default()).unwrap();
    assert!(matches!(
        service.read().await,
        Err(TidalError::Unavailable(_))
    ));
}

/// A reading during which the pages of the playlist of 100 always get `odd`.
async fn one_list_fails(odd: Odd) {
    let server = Server::start(World::of(&[45, 100, 5]));
    let id = server.lock().world.playlists[1].id.clone();
    server.script(move |_, seen: &Seen, _| {
        let is_it = seen.path.contains(&id) && seen.path.ends_with("/items");
        is_it.then(|| odd.clone())
    });
    let observed = read(&server).await.unwrap();
    assert!(!observed.value.complete);
    let complete: Vec<bool> = observed
        .value
        .playlists
        .iter()
        .map(|p| p.complete)
        .collect();
    assert_eq!(complete, [true, false, true]);
    assert_eq!(observed.problems[0].subject, "List 1");
    assert!(observed.problems[0].leaves_hole);
    assert!(server.requests() < 40, "{}", server.requests());
}

#[tokio::test]
async fn a_playlist_that_cannot_be_read_is_marked() {
    for odd in [
        status(500),
        status(403),
        status(404),
        status(422),
        status(400),
        Odd::Torn,
    ] {
        one_list_fails(odd).await;
    }
}

#[tokio::test]
async fn a_list_that_is_refused_is_an_error_with_tidals_words() {
    let server = Server::start(World::of(&[45]));
    server.script(|_, seen, _| (seen.path == "/playlists").then(|| status(403)));
    match read(&server).await {
        Err(TidalError::Refused(words)) => assert!(words.contains("\"no\""), "{words}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_user_who_may_not_be_asked_for_is_known_from_the_log_in() {
    let server = Server::start(World::of(&[45]));
    server.script(|_, seen, _| (seen.path == "/users/me").then(|| status(404)));
    let dir = tempfile::tempdir().unwrap();
    let settings = server.logged_in(dir.path());
    let path = settings.account_dir().join("token.json");
    let token = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, token.replace(r#""country":"DE","#, "")).unwrap();
    let service = TidalService::open(&settings, ReadOptions::default()).unwrap();
    let observed = service.read().await.unwrap();
    assert!(server.lock().seen[0].path == "/users/me");
    assert_exact(&server, &observed);
    assert_eq!(observed.value.user.unwrap().id, "77");
}

#[tokio::test]
async fn requests_that_hang_count_as_in_flight() {
    let server = Server::start(World::of(&[100; 6]));
    server.lock().latency = Duration::from_millis(30);
    let hang = Odd::Stall(Duration::from_secs(4));
    server.script(move |number, _, _| (number == 4).then(|| hang.clone()));
    assert_exact(&server, &read(&server).await.unwrap());
    assert!(server.lock().most_in_flight <= 4);
}
