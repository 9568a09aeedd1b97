//! A state that several machines and people share, through the real program.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

mod approvals;
#[cfg(unix)]
mod faults;
mod journeys;
mod moves;
#[cfg(unix)]
mod proxies;
mod tls;
#[cfg(unix)]
mod two;

use std::{thread, time::Duration};

/// The variable that names the server.
const URL: &str = "TIDAL_CLEANUP_DATABASE_URL";

/// Waits until something holds, and fails when it never does.
#[track_caller]
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..3_000 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("it never came that {what}");
}
