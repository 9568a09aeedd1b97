//! A service that refuses, breaks and stalls: the final truth, or a clear failure.

use std::time::Duration;

use super::{
    super::{server::Odd, world::World},
    Dj, status,
};

const HTML: &str = "<!doctype html><html><body>Sorry</body></html>";

fn html() -> Odd {
    Odd::Status(200, vec![("Content-Type", "text/html".to_owned())], HTML)
}

#[test]
fn what_passes_is_waited_out() {
    let mut odds: Vec<Odd> = [400, 403, 404, 408, 409, 422, 429, 500, 502, 503, 504]
        .map(status)
        .into();
    odds.extend([Odd::Reset, Odd::Short, Odd::Torn, Odd::Chunks, html()]);
    odds.push(Odd::Status(200, Vec::new(), ""));
    odds.push(Odd::Status(200, Vec::new(), r#"{"data":null}"#));
    for odd in odds {
        let dj = Dj::with(World::of(&[100, 30, 5]), move |number, _, _| {
            (number % 4 == 1).then(|| odd.clone())
        });
        dj.reads_the_truth();
    }
}

#[test]
fn one_stall_is_waited_out() {
    let stall = Odd::Stall(Duration::from_secs(3));
    let dj = Dj::with(World::of(&[100, 30]), move |number, _, _| {
        (number == 2).then(|| stall.clone())
    });
    dj.reads_the_truth();
}

#[test]
fn what_stays_broken_for_one_playlist_is_marked() {
    let mut odds: Vec<Odd> = [400, 403, 404, 409, 422, 500, 503].map(status).into();
    odds.extend([Odd::Reset, Odd::Short, Odd::Torn, Odd::Chunks, html()]);
    odds.push(Odd::Stall(Duration::from_secs(2)));
    for odd in odds {
        let world = World::of(&[45, 100, 5]);
        let id = world.playlists[1].id.clone();
        let dj = Dj::with(world, move |_, seen, _| {
            (seen.path.contains(&id) && seen.path.ends_with("/items")).then(|| odd.clone())
        });
        dj.lacks(&["List 1"]);
        assert!(dj.server.requests() < 40, "{}", dj.server.requests());
    }
}

#[test]
fn what_stays_broken_from_the_start_is_a_failure() {
    let mut odds: Vec<Odd> = [500, 503].map(status).into();
    odds.extend([
        Odd::Reset,
        Odd::Short,
        Odd::Torn,
        html(),
        Odd::Stall(Duration::from_secs(2)),
    ]);
    for odd in odds {
        Dj::with(World::of(&[45]), move |_, _, _| Some(odd.clone())).fails("TIDAL does not answer");
    }
    for refused in [400, 403, 404, 409, 422] {
        let said =
            Dj::with(World::of(&[45]), move |_, _, _| Some(status(refused))).fails("not now");
        assert!(said.err.contains("Hint: "), "{}", said.err);
    }
}

#[test]
fn an_outage_in_the_middle_keeps_what_was_read() {
    for odd in [
        status(500),
        Odd::Reset,
        html(),
        Odd::Stall(Duration::from_secs(9)),
    ] {
        let dj = Dj::with(World::of(&[45; 12]), move |number, _, _| {
            (number > 9).then(|| odd.clone())
        });
        let (said, reading) = dj.read_hanging(&[]);
        assert_eq!(said.code, 1, "{}", said.err);
        let reading = reading.expect("a file that says what it lacks");
        assert!(!reading.complete && reading.playlists.len() == 12);
        assert!(said.err.contains("not read completely"), "{}", said.err);
    }
}

/// A refusal with this header in mid-run; nothing is asked until it is over.
fn refused(retry_after: impl Fn() -> String + Send + 'static) {
    let dj = Dj::logged_in(World::of(&[100; 5]));
    let server = dj.server.clone();
    dj.server.lock().latency = Duration::from_millis(5);
    dj.server.script(move |number, _, _| {
        (number == 4).then(|| {
            let server = server.clone();
            // What is in flight at that moment was sent in good faith.
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(300));
                let until = std::time::Instant::now() + Duration::from_millis(650);
                server.lock().wait_until = Some(until);
            });
            Odd::Status(429, vec![("Retry-After", retry_after())], "{}")
        })
    });
    dj.reads_the_truth();
    assert!(dj.server.lock().wait_until.is_some());
}

#[test]
fn a_wait_in_seconds_or_as_a_date_stops_everybody() {
    refused(|| "1".to_owned());
    refused(|| {
        let until = jiff::Timestamp::now() + Duration::from_millis(1_000);
        until.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    });
}

#[test]
fn a_wait_that_nobody_has_time_for_is_said_and_kept_by_the_next_run() {
    let wait = || vec![("Retry-After", "3600".to_owned())];
    let dj = Dj::with(World::of(&[30]), move |_, _, _| {
        Some(Odd::Status(429, wait(), "{}"))
    });
    dj.fails("it asks to wait 3");
    dj.fails("it asks to wait 3");
    assert_eq!(dj.server.requests(), 1);
}

#[test]
fn refusals_without_a_time_end() {
    let dj = Dj::with(World::of(&[30]), |_, _, _| Some(status(429)));
    dj.fails("too fast");
    assert!(dj.server.requests() <= 12, "{}", dj.server.requests());
}

#[test]
fn no_service_at_all_is_a_failure() {
    let mut dj = Dj::logged_in(World::of(&[30]));
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
    let nowhere = format!("http://{}/v2", free.expect("a port"));
    dj.set("TIDAL_CLEANUP_TIDAL_API_URL", &nowhere);
    dj.fails("TIDAL does not answer");
}

#[test]
fn a_host_without_encryption_is_refused() {
    let mut dj = Dj::logged_in(World::of(&[30]));
    dj.set("TIDAL_CLEANUP_TIDAL_API_URL", "http://openapi.tidal.com/v2");
    dj.fails("TIDAL_CLEANUP_TIDAL_API_URL");
}

#[test]
fn favourites_that_cannot_be_read_are_told_of() {
    let dj = Dj::with(World::of(&[3]), |_, seen, _| {
        seen.path
            .starts_with("/userCollectionTracks")
            .then(|| status(403))
    });
    let (said, reading) = dj.read(&["--favorites"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("favourite tracks: "), "{}", said.err);
    assert!(!reading.expect("the playlists").complete);
}
