//! The main journeys with every world's state on a server: the same tests again.

use std::process::Command;

use crate::{harness::ON_SERVER, postgres::Server};

/// What is run again. Left out is what is about a state in a file: its backups, damage, locks.
const AGAIN: [&str; 8] = [
    "journey::",
    "journey_consent::",
    "journey_delivery::",
    "journey_gates::",
    "journey_kill::",
    "journey_names::",
    "partial::",
    "trash::",
];

#[test]
fn the_journeys_are_the_same_on_a_server() {
    let Some(server) = Server::start() else {
        return;
    };
    let done = Command::new(std::env::current_exe().unwrap())
        .args(AGAIN)
        .args(["--skip", "the_state_goes_back_to_a_backup"])
        .args(["--test-threads", "2"])
        .env(ON_SERVER, server.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}");
    let passed = said.matches(" ... ok").count();
    assert!(passed >= 40, "{passed} tests were run again\n{said}");
    let databases = server.sql(
        "postgres",
        "SELECT COUNT(*) FROM pg_database WHERE datname LIKE 'state%'",
    );
    assert!(
        databases.trim().parse::<usize>().unwrap() >= 40,
        "{databases}"
    );
}
