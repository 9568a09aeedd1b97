//! How long reading TIDAL takes beside what is physically possible, and what it costs us.
//!
//! The server of the tests answers each page after 0.7 s, as the live one was seen to. The floor of a
//! library is the greater of its requests at the allowed pace and its requests at that latency, four in
//! flight. `cargo bench --bench tidal -- warm parse` runs what is named; everything takes seven minutes.

#![expect(clippy::print_stdout, reason = "a bench is read from its output")]
#![expect(clippy::unwrap_used, reason = "what cannot be measured ends the bench")]
#![allow(dead_code, reason = "the server can do more than is needed here")]

mod pairs;
#[path = "../tests/it/tidal/api.rs"]
mod api;
#[path = "../tests/it/tidal/document.rs"]
mod document;
#[path = "../tests/it/tidal/server.rs"]
mod server;
#[path = "../tests/it/tidal/world.rs"]
mod world;
#[path = "../tests/it/tidal/writes.rs"]
mod writes;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use server::{Bucket, Odd, Seen, Server};
use tidal_cleanup::{
    domain::TidalReading,
    edge::tidal::{
        ReadOptions, TidalApi as _, TidalService,
        settings::Timing,
        snapshot,
        wire::{Catalogue, Document, Identifier, Row},
    },
};
use world::World;

/// How long a page takes at the live service.
const LATENCY: f64 = 0.7;

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let runs =
        |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str()));
    if runs("parse") {
        parse();
    }
    if runs("pages") {
        let (server, timing) = (slow(&[10_000], 0.0), no_limit());
        read(
            "pages: one list of 10,000 items, no wait",
            &server,
            &timing,
            None,
            f64::NAN,
        );
    }
    if runs("small") {
        let (server, timing) = (slow(&[50; 20], LATENCY), Timing::default());
        server.lock().limit = Some(Bucket::new(4.0, 8.0, 4));
        read(
            "small: 20 x 50, 4/s",
            &server,
            &timing,
            None,
            floor(41.0, Some(4.0)),
        );
    }
    if runs("limit") || runs("warm") {
        let (server, timing) = (slow(&[100; 100], LATENCY), Timing::default());
        server.lock().limit = Some(Bucket::new(4.0, 8.0, 4));
        let first = read(
            "limit: 100 x 100, 4/s",
            &server,
            &timing,
            None,
            floor(405.0, Some(4.0)),
        );
        read(
            "warm: unchanged since, 4/s",
            &server,
            &timing,
            Some(first),
            floor(5.0, Some(4.0)),
        );
    }
    if runs("pressed") {
        let (server, timing) = (slow(&[50; 20], LATENCY), Timing::default());
        server.lock().limit = Some(Bucket::new(2.5, 8.0, 4));
        read(
            "pressed: 20 x 50, the service bears 2.5/s",
            &server,
            &timing,
            None,
            floor(41.0, Some(2.5)),
        );
    }
    if runs("outage") {
        outages();
    }
    if runs("free") {
        let server = slow(&[100; 100], LATENCY);
        read(
            "free: 100 x 100, no limit",
            &server,
            &no_limit(),
            None,
            floor(405.0, None),
        );
    }
}

fn no_limit() -> Timing {
    Timing {
        rate: 100_000.0,
        ..Timing::default()
    }
}

fn slow(lengths: &[usize], latency: f64) -> Server {
    let server = Server::start(World::of(lengths));
    let mut state = server.lock();
    state.latency = Duration::from_secs_f64(latency);
    state.checks = false;
    drop(state);
    server
}

/// Seconds that nobody can do without (`FACTS` of the API: pace, or latency with four in flight).
fn floor(requests: f64, rate: Option<f64>) -> f64 {
    let paced = rate.map_or(0.0, |rate| (requests - 8.0).max(0.0) / rate);
    paced.max(requests * LATENCY / 4.0)
}

/// Reads everything and prints what it took beside the floor, in seconds.
fn read(
    name: &str,
    server: &Server,
    timing: &Timing,
    previous: Option<TidalReading>,
    floor: f64,
) -> TidalReading {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = server.logged_in(dir.path());
    settings.timing = timing.clone();
    let options = ReadOptions {
        previous,
        ..ReadOptions::default()
    };
    let service = TidalService::open(&settings, options).unwrap();
    let before = server.requests();
    let started = Instant::now();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let observed = runtime.block_on(service.read()).unwrap();
    let spent = started.elapsed().as_secs_f64();
    let state = server.lock();
    assert_eq!(observed.value.playlists, state.world.truth());
    let refusals = state.limit.as_ref().map_or(0, |limit| limit.refusals);
    let floor = match floor.is_finite() {
        true => format!("{floor:.1} s"),
        false => "none".to_owned(),
    };
    println!(
        "{name:<44} {spent:>7.2} s  floor {floor}  requests {}  in flight {}  refused {refusals}",
        state.seen.len() - before,
        state.most_in_flight,
    );
    observed.value
}

/// How long a service that fails from its twelfth answer on is waited for, in every way that it can fail.
fn outages() {
    let refused = vec![("Retry-After", "20".to_owned())];
    for (name, odd) in [
        ("no answer", Odd::Stall(Duration::from_secs(200))),
        ("status 500", Odd::Status(500, Vec::new(), "")),
        (
            "status 429, retry after 20 s",
            Odd::Status(429, refused, ""),
        ),
        ("a page of HTML", Odd::Status(200, Vec::new(), "<html>")),
        ("connections cut", Odd::Reset),
    ] {
        let server = slow(&[100; 30], 0.0);
        server.script(move |number, _, _| (number > 12).then(|| odd.clone()));
        let dir = tempfile::tempdir().unwrap();
        let mut settings = server.logged_in(dir.path());
        settings.timing = Timing::default();
        let service = TidalService::open(&settings, ReadOptions::default()).unwrap();
        let started = Instant::now();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let observed = runtime.block_on(service.read()).unwrap();
        assert!(!observed.is_complete(), "a hole is said");
        println!(
            "{:<44} {:>7.2} s  at most 110",
            format!("outage: {name}"),
            started.elapsed().as_secs_f64()
        );
    }
}

/// What 10,000 items cost once they are here: as pages of the API, and as a file of ours.
fn parse() {
    let world = World::of(&[10_000]);
    let path = format!("/playlists/{}/relationships/items", world.playlists[0].id);
    let pages: Vec<Vec<u8>> = (0..500)
        .map(|page| {
            let query = BTreeMap::from([
                ("sort".to_owned(), "itemIndex".to_owned()),
                (
                    "include".to_owned(),
                    "items.artists,items.albums".to_owned(),
                ),
                ("page[cursor]".to_owned(), format!("+o/{}=", page * 20)),
            ]);
            let seen = Seen {
                path: path.clone(),
                query,
                token: None,
                method: "GET".to_owned(),
            };
            world.answer(&seen).1.to_string().into_bytes()
        })
        .collect();
    let megabytes = pages.iter().map(Vec::len).sum::<usize>() as f64 / 1e6;
    pairs::alone(
        &format!("parse: 500 pages, {megabytes:.1} MB"),
        "no time",
        9,
        || {
            let mut catalogue = Catalogue::default();
            let mut rows = Vec::new();
            for page in &pages {
                let document: Document<Vec<Identifier>> = serde_json::from_slice(page).unwrap();
                catalogue.merge(document.included);
                rows.extend(document.data.unwrap().into_iter().filter_map(Row::of));
            }
            let entries: Vec<_> = rows.iter().map(|row| catalogue.resolve(row)).collect();
            assert_eq!(entries.len(), 10_000);
        },
    );
    let reading = TidalReading {
        taken_at: None,
        complete: true,
        user: None,
        playlists: world.truth(),
        favorites: None,
    };
    let text = snapshot::render(&reading);
    pairs::alone("parse: a snapshot file of 10,000 items", "60 ms", 9, || {
        assert_eq!(snapshot::parse(text.as_bytes()).unwrap(), reading);
    });
    pairs::alone("write: a snapshot file of 10,000 items", "60 ms", 9, || {
        assert_eq!(snapshot::render(&reading).len(), text.len());
    });
}
