//! `login`, `whoami` and `logout` as they are typed.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::PermissionsExt as _,
};

use super::{super::world::World, Dj, SCOPES, ended, get, location};

fn page(dj: &Dj) -> std::collections::BTreeMap<String, String> {
    dj.server
        .lock()
        .auth
        .pages
        .last()
        .expect("a log-in page")
        .clone()
}

#[test]
fn a_log_in_is_kept_in_a_private_file_shown_and_forgotten() {
    let dj = Dj::new(World::of(&[3]));
    let said = dj.log_in(&["login"]);
    assert_eq!(said.code, 0, "{}", said.err);
    said.keeps_secrets();
    let asked = page(&dj);
    assert_eq!(asked["scope"], SCOPES);
    assert_eq!(asked["code_challenge_method"], "S256");
    assert!(!asked.contains_key("prompt"));
    let alone = said.err.lines().filter(|line| line.starts_with("http"));
    assert_eq!(alone.count(), 1, "{}", said.err);

    let file = dj.path(".tidal-cleanup/accounts/default/token.json");
    let mode = std::fs::metadata(file)
        .expect("the tokens")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let said = dj.run(&["whoami"]);
    assert_eq!(
        (said.code, said.out.contains("dj@example.org")),
        (0, true),
        "{}",
        said.err
    );
    assert_eq!(dj.run(&["logout"]).code, 0);
    assert!(!dj.is_stored("default"));
    let said = dj.run(&["whoami"]);
    assert!(
        said.code == 1 && said.err.contains("tidal-cleanup login"),
        "{}",
        said.err
    );
    dj.fails("not logged in");
}

#[test]
fn refused_and_forged_log_ins_store_nothing() {
    type Answer = fn(&std::collections::BTreeMap<String, String>) -> String;
    let answers: [(Answer, &str); 6] = [
        (
            |q| format!("?error=access_denied&state={}", q["state"]),
            "access_denied",
        ),
        (
            |_| "?code=code-1&state=forged".to_owned(),
            "does not belong",
        ),
        (|_| "?code=code-1".to_owned(), "does not belong"),
        (|q| format!("?state={}", q["state"]), "does not belong"),
        (
            |q| format!("?code=code-1&state={0}&state={0}", q["state"]),
            "does not belong",
        ),
        (|q| format!("?code=other&state={}", q["state"]), "refused"),
    ];
    for (answer, words) in answers {
        let dj = Dj::new(World::of(&[3]));
        dj.server.lock().auth.user = answer;
        let said = dj.log_in(&["login"]);
        assert_eq!(said.code, 1, "{}", said.err);
        assert!(said.err.contains(words), "{}", said.err);
        assert!(!dj.is_stored("default"));
    }
}

#[test]
fn missing_scopes_and_dead_token_services_store_nothing() {
    let dj = Dj::new(World::of(&[3]));
    dj.server.lock().auth.scope = Some("user.read playlists.read".to_owned());
    let said = dj.log_in(&["login"]);
    assert!(
        said.code == 1 && said.err.contains("collection.read"),
        "{}",
        said.err
    );
    assert!(!dj.is_stored("default"));

    let dj = Dj::new(World::of(&[3]));
    dj.server.lock().auth.down = usize::MAX;
    let said = dj.log_in(&["login"]);
    assert!(
        said.code == 1 && said.err.contains("does not answer"),
        "{}",
        said.err
    );
    assert!(!dj.is_stored("default"));
}

#[test]
fn a_failed_log_in_leaves_the_old_one() {
    let dj = Dj::logged_in(World::of(&[3]));
    dj.server.lock().auth.user = |_| "?code=code-1&state=forged".to_owned();
    assert_eq!(dj.log_in(&["login"]).code, 1);
    dj.reads_the_truth();
}

#[test]
fn writing_is_asked_for_with_consent() {
    let dj = Dj::new(World::of(&[3]));
    let said = dj.log_in(&["login", "--write"]);
    let asked = page(&dj);
    assert_eq!(asked["prompt"], "consent");
    assert!(asked["scope"].ends_with(" playlists.write"));
    assert!(
        said.code == 1 && said.err.contains("playlists.write"),
        "{}",
        said.err
    );
    assert!(!dj.is_stored("default"));
    dj.server.lock().auth.scope = Some(format!("{SCOPES} playlists.write"));
    assert_eq!(dj.log_in(&["login", "--write"]).code, 0);
}

#[test]
fn nobody_who_logs_in_ends_the_wait() {
    let mut dj = Dj::new(World::of(&[3]));
    dj.set("BROWSER", "true");
    dj.set("TIDAL_CLEANUP_TIDAL_TIMING", "login=0.3");
    let said = dj.run(&["login"]);
    assert!(
        said.code == 1 && said.err.contains("nobody logged in"),
        "{}",
        said.err
    );
    assert!(!dj.is_stored("default"));
}

#[test]
fn a_busy_port_is_passed_over_and_none_is_said() {
    let busy = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = busy.local_addr().expect("its number").port();
    let mut dj = Dj::new(World::of(&[3]));
    dj.set("TIDAL_CLEANUP_TIDAL_PORTS", &format!("{port},0"));
    assert_eq!(dj.log_in(&["login"]).code, 0);
    dj.set("TIDAL_CLEANUP_TIDAL_PORTS", &port.to_string());
    let said = dj.run(&["login"]);
    assert!(
        said.code == 1 && said.err.contains("is free"),
        "{}",
        said.err
    );
    dj.set("TIDAL_CLEANUP_TIDAL_PORTS", "many");
    assert_eq!(dj.run(&["login"]).code, 1);
}

#[test]
fn a_client_id_is_needed() {
    let mut dj = Dj::new(World::of(&[3]));
    dj.set("TIDAL_CLEANUP_TIDAL_CLIENT_ID", "");
    let said = dj.run(&["login"]);
    assert!(
        said.code == 1 && said.err.contains("developer.tidal.com"),
        "{}",
        said.err
    );
}

#[test]
fn a_redirect_can_be_pasted() {
    let mut dj = Dj::new(World::of(&[3]));
    dj.set("TIDAL_CLEANUP_TIDAL_PORTS", "8765");
    let mut child = dj.start(&["login", "--no-browser"]);
    let mut said = BufReader::new(child.stderr.take().expect("stderr")).lines();
    let page = said
        .by_ref()
        .map(|line| line.expect("text"))
        .find(|line| line.starts_with("http"))
        .expect("the page's address");
    let redirect = location(&get(&page)).expect("a redirect");
    assert!(
        redirect.starts_with("http://127.0.0.1:8765/callback?code="),
        "{redirect}"
    );
    let mut stdin = child.stdin.take().expect("stdin");
    writeln!(stdin, "  {redirect} ").expect("a paste");
    drop(stdin);
    let rest: Vec<String> = said.map(|line| line.expect("text")).collect();
    assert_eq!(ended(child).code, 0, "{rest:?}");
    dj.reads_the_truth();
}

#[test]
fn nothing_or_nonsense_pasted_stores_nothing() {
    let dj = Dj::new(World::of(&[3]));
    let said = dj.run(&["login", "--no-browser"]);
    assert!(
        said.code == 1 && said.err.contains("no address was pasted"),
        "{}",
        said.err
    );
    let mut child = dj.start(&["login", "--no-browser"]);
    let mut stdin = child.stdin.take().expect("stdin");
    writeln!(
        stdin,
        "http://127.0.0.1:8765/callback?code=code-1&state=guess"
    )
    .expect("a paste");
    assert_eq!(ended(child).code, 1);
    assert!(!dj.is_stored("default"));
}

/// A keyring that is not there, or does not say a word, is passed over: the file has the tokens.
#[cfg(target_os = "linux")]
#[test]
fn a_keyring_that_does_not_answer_is_no_hindrance() {
    let mut dj = Dj::new(World::of(&[3]));
    let bus = dj.path("bus");
    let _silent = std::os::unix::net::UnixListener::bind(&bus).expect("a socket");
    dj.set("TIDAL_CLEANUP_KEYRING", "on");
    for path in [dj.path("nothing"), bus] {
        let address = format!("unix:path={}", path.display());
        dj.set("DBUS_SESSION_BUS_ADDRESS", &address);
        assert_eq!(dj.log_in(&["login"]).code, 0);
        let file = dj.path(".tidal-cleanup/accounts/default/token.json");
        let text = std::fs::read_to_string(file).expect("the tokens");
        assert!(text.contains("access-"));
        dj.reads_the_truth();
    }
}
