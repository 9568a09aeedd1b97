//! Wall time against the floors, at the pace that users have; and what reading costs without a network.

use std::time::{Duration, Instant};

use tidal_cleanup::edge::tidal::{ReadOptions, TidalApi as _, TidalService, settings::Timing};

use super::{
    reading::assert_exact,
    server::{Bucket, Server},
    world::World,
};

/// How long a page takes at the live service.
const LATENCY: Duration = Duration::from_millis(700);

/// Reads `lengths` at the default pace from a server with `limit`; how long it took.
async fn timed(lengths: &[usize], limit: Option<Bucket>) -> (Server, Duration) {
    let server = Server::start(World::of(lengths));
    let dir = tempfile::tempdir().expect("a folder for the state");
    let mut settings = server.logged_in(dir.path());
    settings.timing = Timing::default();
    {
        let mut state = server.lock();
        state.latency = LATENCY;
        state.limit = limit;
    }
    let service = TidalService::open(&settings, ReadOptions::default()).expect("a log-in");
    let started = Instant::now();
    let observed = service.read().await.expect("a reading");
    let spent = started.elapsed();
    assert_exact(&server, &observed);
    assert!(server.lock().most_in_flight <= 4);
    assert_eq!(server.lock().while_waiting, 0);
    (server, spent)
}

#[tokio::test]
#[ignore = "waits as a real limit of requests demands: half a minute"]
async fn twenty_playlists_of_fifty_at_four_a_second() {
    let (server, spent) = timed(&[50; 20], Some(Bucket::new(4.0, 8.0, 4))).await;
    // One list, 40 pages, the list again; the last waits for the others.
    assert_eq!(server.requests(), 42);
    assert_eq!(
        server.lock().limit.as_ref().map(|limit| limit.refusals),
        Some(0)
    );
    assert!(
        spent < Duration::from_secs_f64(43.0 / 4.0 + 4.0 * 0.7),
        "{spent:?}"
    );
}

#[tokio::test]
#[ignore = "waits as a real limit of requests demands: two minutes"]
async fn a_hundred_playlists_of_a_hundred_at_four_a_second() {
    let (server, spent) = timed(&[100; 100], None).await;
    assert_eq!(server.requests(), 410);
    assert!(
        spent < Duration::from_secs_f64(411.0 / 4.0 * 1.05 + 5.0),
        "{spent:?}"
    );
}

#[tokio::test]
#[ignore = "waits as a real limit of requests demands: a minute"]
async fn a_service_that_bears_less_is_not_pressed() {
    let (server, spent) = timed(&[50; 20], Some(Bucket::new(2.5, 8.0, 4))).await;
    let refusals = server
        .lock()
        .limit
        .as_ref()
        .map_or(0, |limit| limit.refusals);
    assert!(refusals <= 8, "{refusals}");
    assert!(spent < Duration::from_secs(50), "{spent:?}");
}

/// An outage of `odd` from request 12 on, with the patience that users have.
async fn outage(odd: super::server::Odd) {
    let server = Server::start(World::of(&[100; 30]));
    server.script(move |number, _, _| (number > 12).then(|| odd.clone()));
    let dir = tempfile::tempdir().expect("a folder for the state");
    let mut settings = server.logged_in(dir.path());
    settings.timing = Timing::default();
    let service = TidalService::open(&settings, ReadOptions::default()).expect("a log-in");
    let started = Instant::now();
    let observed = service.read().await.expect("a reading with a hole");
    assert!(!observed.is_complete());
    assert!(
        started.elapsed() < Duration::from_secs(110),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
#[ignore = "waits as a real limit of requests demands: two minutes"]
async fn an_outage_ends_within_two_minutes() {
    use super::server::Odd;
    let refused = || vec![("Retry-After", "20".to_owned())];
    tokio::join!(
        outage(Odd::Stall(Duration::from_secs(200))),
        outage(Odd::Status(500, Vec::new(), "")),
        outage(Odd::Status(429, refused(), "")),
        outage(Odd::Status(200, Vec::new(), "<html>")),
        outage(Odd::Reset),
    );
}
