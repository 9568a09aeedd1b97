//! Several accounts: each has its own log-in and its own state.

use super::{super::world::World, Dj};

#[test]
fn each_account_has_its_own_log_in_and_its_own_readings() {
    let dj = Dj::logged_in(World::of(&[45]));
    dj.reads_the_truth();
    let said = dj.run(&["snapshot", "tidal", "--account", "anna"]);
    assert!(
        said.code == 1 && said.err.contains("login --account anna"),
        "{}",
        said.err
    );
    assert!(!dj.path(".tidal-cleanup/accounts/anna").exists());

    // The test server knows one user at a time.
    let said = dj.log_in(&["login", "--account", "anna"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(dj.is_stored("anna") && dj.is_stored("default"));
    let before = dj.server.requests();
    let (said, _) = dj.read(&["--account", "anna"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(
        dj.server.requests() - before,
        4,
        "nothing of the other is used"
    );
    assert!(dj.path(".tidal-cleanup/accounts/anna/sync.db").exists());

    assert_eq!(dj.run(&["logout", "--account", "anna"]).code, 0);
    assert!(!dj.is_stored("anna") && dj.is_stored("default"));
    let said = dj.run(&["whoami", "--account", "../x"]);
    assert!(
        said.code == 1 && said.err.contains("account's name"),
        "{}",
        said.err
    );
}

#[test]
fn the_policy_names_an_account_and_a_flag_wins() {
    let dj = Dj::new(World::of(&[3]));
    let policy = "version = 1\n[library]\nroot = \"music\"\n[tidal]\naccount = \"gig\"\n";
    std::fs::write(dj.path("tidal-cleanup.toml"), policy).expect("a policy");
    assert_eq!(dj.log_in(&["login"]).code, 0);
    assert!(dj.is_stored("gig") && !dj.is_stored("default"));
    dj.reads_the_truth();
    assert!(dj.path(".tidal-cleanup/accounts/gig/sync.db").exists());
    let said = dj.run(&["whoami", "--account", "default"]);
    assert!(
        said.code == 1 && said.err.contains("not logged in"),
        "{}",
        said.err
    );
}
