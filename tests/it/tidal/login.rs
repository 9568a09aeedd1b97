//! Logging in, with a browser that is this test.

#![expect(
    clippy::unwrap_used,
    reason = "what the browser cannot do ends the test"
)]

use std::{
    collections::BTreeMap,
    io::{Cursor, Read as _, Write as _},
    time::Duration,
};

use tidal_cleanup::edge::tidal::{
    TidalError, TidalSettings,
    login::{LoggedIn, LoginError, LoginOptions, login, logout, whoami},
    tokens::TokenFile,
};

use super::{server::Server, world::World};

/// What comes after the redirect address, for the page's query.
type Answer = fn(&BTreeMap<String, String>) -> String;

const ALL: &str = "user.read playlists.read collection.read";

/// A server that grants `scope`, and settings that lead to it without opening a real browser.
fn server(scope: &str, dir: &std::path::Path) -> (Server, TidalSettings) {
    let server = Server::start(World::of(&[5]));
    server.lock().auth.scope = Some(scope.to_owned());
    let mut settings = server.settings(dir);
    settings.browser = Some("true".to_owned());
    (server, settings)
}

fn options() -> LoginOptions {
    LoginOptions {
        ports: vec![0],
        ..LoginOptions::default()
    }
}

fn query(page: &str) -> BTreeMap<String, String> {
    let page: reqwest::Url = page.parse().unwrap();
    page.query_pairs().into_owned().collect()
}

fn get(redirect: &str) -> String {
    let url: reqwest::Url = redirect.parse().unwrap();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", url.port().unwrap())).unwrap();
    let target = redirect
        .split_once(&format!(":{}", url.port().unwrap()))
        .unwrap()
        .1;
    write!(stream, "GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

/// Logs in; the page's redirect is followed with `answer` to its query.
async fn log_in(
    server: &Server,
    settings: &TidalSettings,
    options: &LoginOptions,
    answer: impl Fn(&BTreeMap<String, String>) -> String + Send + Sync + 'static,
) -> Result<LoggedIn, LoginError> {
    let (server, answer) = (server.clone(), std::sync::Arc::new(answer));
    let mut say = move |line: &str| {
        if !line.starts_with("http://127.0.0.1:") || !line.contains("/authorize?") {
            return;
        }
        let query = query(line);
        server
            .lock()
            .auth
            .challenges
            .insert("code-1".to_owned(), query["code_challenge"].clone());
        let answer = std::sync::Arc::clone(&answer);
        std::thread::spawn(move || get(&format!("{}{}", query["redirect_uri"], answer(&query))));
    };
    login(settings, options, Cursor::new(""), &mut say).await
}

fn agreed(query: &BTreeMap<String, String>) -> String {
    format!("?code=code-1&state={}", query["state"])
}

fn nothing_is_stored(settings: &TidalSettings) -> bool {
    !TokenFile::of(settings).path().exists()
}

#[tokio::test]
async fn a_log_in_is_kept_and_known_and_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let (server, mut settings) = server(ALL, dir.path());
    let done = log_in(&server, &settings, &options(), agreed)
        .await
        .unwrap();
    assert_eq!(
        done.who.unwrap().username.as_deref(),
        Some("dj@example.org")
    );
    let asked = server.lock().auth.asked[0].clone();
    assert_eq!(asked["grant_type"], "authorization_code");
    assert!(asked["redirect_uri"].starts_with("http://127.0.0.1:"));
    // The client id is kept with the tokens.
    settings.client_id = None;
    assert_eq!(whoami(&settings).await.unwrap().user.id, "77");
    assert!(logout(&settings).unwrap());
    assert!(!logout(&settings).unwrap());
    assert!(matches!(
        whoami(&settings).await,
        Err(TidalError::NotLoggedIn(_))
    ));
}

#[tokio::test]
async fn refusals_and_forgeries_store_nothing() {
    let answers: [Answer; 6] = [
        |query| format!("?error=access_denied&state={}", query["state"]),
        |_| "?code=code-1&state=forged".to_owned(),
        |_| "?code=code-1".to_owned(),
        |query| format!("?state={}", query["state"]),
        |query| format!("?code=code-2&state={}", query["state"]),
        |_| String::new(),
    ];
    for answer in answers {
        let dir = tempfile::tempdir().unwrap();
        let (server, settings) = server(ALL, dir.path());
        let failed = log_in(&server, &settings, &options(), answer).await;
        assert!(
            matches!(failed, Err(LoginError::Denied(_) | LoginError::Tampered(_))),
            "{failed:?}"
        );
        assert!(nothing_is_stored(&settings));
    }
}

#[tokio::test]
async fn missing_scopes_store_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (server, settings) = server("user.read playlists.read", dir.path());
    let failed = log_in(&server, &settings, &options(), agreed).await;
    assert!(
        matches!(failed, Err(LoginError::MissingScopes(missing)) if missing == ["collection.read"])
    );
    assert!(nothing_is_stored(&settings));
}

#[tokio::test]
async fn a_failed_log_in_leaves_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let (server, settings) = server(ALL, dir.path());
    log_in(&server, &settings, &options(), agreed)
        .await
        .unwrap();
    let before = std::fs::read(TokenFile::of(&settings).path()).unwrap();
    let failed = log_in(&server, &settings, &options(), |_| {
        "?code=x&state=y".to_owned()
    })
    .await;
    assert!(failed.is_err());
    let after = std::fs::read(TokenFile::of(&settings).path()).unwrap();
    assert_eq!(before, after);
}

#[tokio::test]
async fn write_asks_for_consent() {
    let dir = tempfile::tempdir().unwrap();
    let (server, settings) = server(&format!("{ALL} playlists.write"), dir.path());
    let options = LoginOptions {
        write: true,
        ..options()
    };
    let done = log_in(&server, &settings, &options, |query| {
        assert_eq!(query["prompt"], "consent");
        agreed(query)
    });
    assert!(
        done.await
            .unwrap()
            .scopes
            .contains(&"playlists.write".to_owned())
    );
}

#[tokio::test]
async fn nobody_who_logs_in_ends_the_wait() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, mut settings) = server(ALL, dir.path());
    settings.timing.login = Duration::from_millis(200);
    let failed = login(&settings, &options(), Cursor::new(""), &mut |_| {}).await;
    assert!(matches!(failed, Err(LoginError::TimedOut(_))));
    assert!(nothing_is_stored(&settings));
}

#[tokio::test]
async fn idle_connections_and_icons_do_not_disturb() {
    let dir = tempfile::tempdir().unwrap();
    let (server, settings) = server(ALL, dir.path());
    let options = options();
    let done = log_in(&server, &settings, &options, |query| {
        let base = query["redirect_uri"]
            .trim_end_matches("/callback")
            .to_owned();
        let host = base.trim_start_matches("http://").to_owned();
        let idle = std::net::TcpStream::connect(host).unwrap();
        assert!(get(&format!("{base}/favicon.ico")).starts_with("HTTP/1.1 404"));
        std::mem::forget(idle);
        agreed(query)
    });
    done.await.unwrap();
}

#[tokio::test]
async fn a_redirect_can_be_pasted() {
    let dir = tempfile::tempdir().unwrap();
    let (server, settings) = server(ALL, dir.path());
    let options = LoginOptions {
        no_browser: true,
        ..options()
    };
    let (reader, mut writer) = std::io::pipe().unwrap();
    let shared = server.clone();
    let mut lines = Vec::new();
    let mut say = |line: &str| {
        lines.push(line.to_owned());
        if line.contains("/authorize?") {
            let query = query(line);
            let challenge = query["code_challenge"].clone();
            let mut state = shared.lock();
            state.auth.challenges.insert("code-1".to_owned(), challenge);
            let redirect = &query["redirect_uri"];
            // Slips of the hand first.
            writeln!(writer, "\nyes\n{redirect}").unwrap();
            writeln!(writer, "  \"{redirect}{}\"  ", agreed(&query)).unwrap();
        }
    };
    let pasted = std::io::BufReader::new(reader);
    let done = login(&settings, &options, pasted, &mut say);
    done.await.unwrap();
    assert_eq!(
        lines.iter().filter(|line| line.starts_with("http")).count(),
        1
    );
}

#[tokio::test]
async fn nothing_pasted_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, settings) = server(ALL, dir.path());
    let options = LoginOptions {
        no_browser: true,
        ..options()
    };
    let failed = login(&settings, &options, Cursor::new("\n"), &mut |_| {}).await;
    assert!(matches!(failed, Err(LoginError::NothingPasted)));
}

#[cfg(unix)]
#[tokio::test]
async fn the_browser_command_gets_the_page() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    let (server, mut settings) = server(ALL, dir.path());
    let (script, seen) = (dir.path().join("my browser"), dir.path().join("seen"));
    std::fs::write(
        &script,
        format!(
            "#!/bin/sh\nprintf %s \"$1\" > '{}.new'\nmv '{0}.new' '{0}'\n",
            seen.display()
        ),
    )
    .unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    settings.browser = Some(script.display().to_string());
    let shared = server.clone();
    std::thread::spawn(move || {
        while !seen.exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let query = query(&std::fs::read_to_string(&seen).unwrap());
        let challenge = query["code_challenge"].clone();
        shared
            .lock()
            .auth
            .challenges
            .insert("code-1".to_owned(), challenge);
        get(&format!("{}{}", query["redirect_uri"], agreed(&query)));
    });
    login(&settings, &options(), Cursor::new(""), &mut |_| {})
        .await
        .unwrap();
}
