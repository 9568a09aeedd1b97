//! The life of tokens, seen from outside.

use std::time::Duration;

use super::{
    super::{server::Odd, world::World},
    Dj,
};

/// Access tokens stop to be good before request `at`.
fn dies(dj: &Dj, at: usize) {
    let server = dj.server.clone();
    dj.server.script(move |number, _, _| {
        if number == at {
            let server = server.clone();
            std::thread::spawn(move || server.lock().auth.good.clear());
        }
        None
    });
    dj.server.lock().latency = Duration::from_millis(5);
}

fn renewals(dj: &Dj) -> usize {
    dj.server.lock().auth.asked.len()
}

#[test]
fn a_token_that_dies_in_the_middle_is_renewed_once() {
    for rotates in [false, true] {
        let dj = Dj::logged_in(World::of(&[100; 4]));
        dj.server.lock().auth.rotates = rotates;
        dies(&dj, 6);
        dj.reads_the_truth();
        assert_eq!(renewals(&dj), 1);
        // What was kept serves the next run, and the one after.
        dies(&dj, dj.server.requests());
        dj.reads_the_truth();
        dj.reads_the_truth();
        assert_eq!(renewals(&dj), 2);
    }
}

#[test]
fn a_token_that_is_over_is_renewed_before_anything_is_asked() {
    let dj = Dj::new(World::of(&[45]));
    dj.server.lock().auth.expires_in = 1;
    assert_eq!(dj.log_in(&["login"]).code, 0);
    dj.server.lock().auth.expires_in = 14_400;
    std::thread::sleep(Duration::from_millis(1_100));
    dj.server.lock().auth.good.clear();
    dj.forget_requests();
    assert_eq!(dj.reads_the_truth(), 4);
    assert_eq!(renewals(&dj), 1);
}

#[test]
fn a_token_service_that_is_down_for_a_moment_is_waited_for() {
    let dj = Dj::logged_in(World::of(&[100; 4]));
    dj.server.lock().auth.down = 4;
    dies(&dj, 6);
    dj.reads_the_truth();
    assert_eq!(renewals(&dj), 5);
}

#[test]
fn a_token_service_that_stays_down_is_a_failure_and_the_log_in_is_kept() {
    let dj = Dj::logged_in(World::of(&[100; 4]));
    dj.server.lock().auth.down = usize::MAX;
    dj.server.lock().auth.good.clear();
    dj.fails("the token service does not answer");
    assert!(dj.is_stored("default"));
    dj.server.lock().auth.down = 0;
    dj.reads_the_truth();
}

#[test]
fn a_token_service_that_goes_down_in_the_middle_leaves_a_hole() {
    let dj = Dj::logged_in(World::of(&[100; 8]));
    dj.server.lock().auth.down = usize::MAX;
    dies(&dj, 8);
    let (said, reading) = dj.read(&[]);
    assert_eq!(said.code, 1, "{}", said.err);
    assert!(
        said.err.contains("the token service does not answer"),
        "{}",
        said.err
    );
    assert!(!reading.expect("what was read").complete);
}

#[test]
fn a_revoked_log_in_says_log_in_again_and_does_not_hammer() {
    let dj = Dj::logged_in(World::of(&[100; 4]));
    dj.server.lock().auth.revoked = true;
    dies(&dj, 6);
    dj.fails("log in again");
    assert_eq!(renewals(&dj), 1);
    dj.fails("log in again");
    assert!(renewals(&dj) <= 2);
}

#[test]
fn a_fresh_token_that_is_refused_ends_the_reading() {
    let dj = Dj::with(World::of(&[100; 4]), |_, _, _| {
        Some(Odd::Status(
            401,
            Vec::new(),
            r#"{"status":401,"subStatus":6004,"userMessage":"no"}"#,
        ))
    });
    let said = dj.fails("log in again");
    assert!(said.err.contains("6004"), "{}", said.err);
    assert!(renewals(&dj) <= 2 && dj.server.requests() <= 3);
}

#[test]
fn one_refused_token_is_no_harm() {
    let dj = Dj::with(World::of(&[100; 4]), |number, _, _| {
        (number == 5)
            .then(|| Odd::Status(401, Vec::new(), r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#))
    });
    dj.reads_the_truth();
    assert_eq!(renewals(&dj), 1);
}
