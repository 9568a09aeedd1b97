//! The life of tokens.

use tidal_cleanup::edge::tidal::{
    ReadOptions, TidalApi as _, TidalError, TidalService, TidalSettings, tokens::TokenFile,
};

use super::{reading::assert_exact, server::Server, world::World};

const PAST: &str = "2020-01-01T00:00:00Z";

fn open(settings: &TidalSettings) -> TidalService {
    TidalService::open(settings, ReadOptions::default()).expect("a log-in is there")
}

#[tokio::test]
async fn without_a_log_in_nothing_is_asked() {
    let server = Server::start(World::of(&[5]));
    let dir = tempfile::tempdir().unwrap();
    let opened = TidalService::open(&server.settings(dir.path()), ReadOptions::default());
    assert!(matches!(opened, Err(TidalError::NotLoggedIn(_))));
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn an_old_token_is_renewed_first_and_kept() {
    for rotates in [false, true] {
        let server = Server::start(World::of(&[45]));
        server.lock().auth.rotates = rotates;
        let dir = tempfile::tempdir().unwrap();
        let settings = server.logged_in_for(dir.path(), PAST);
        assert_exact(&server, &open(&settings).read().await.unwrap());
        assert_exact(&server, &open(&settings).read().await.unwrap());
        let state = server.lock();
        assert_eq!(state.auth.asked.len(), 1);
        assert!(
            state
                .seen
                .iter()
                .all(|seen| seen.token.as_deref() == Some("access-1"))
        );
        let file = TokenFile::of(&settings);
        let text = std::fs::read_to_string(file.path()).unwrap();
        let kept = if rotates { "refresh-1" } else { "refresh-0" };
        assert!(text.contains(kept), "{text}");
    }
}

#[tokio::test]
async fn a_token_that_dies_in_the_middle_is_renewed_once() {
    let server = Server::start(World::of(&[100, 100, 100, 100]));
    let dir = tempfile::tempdir().unwrap();
    let settings = server.logged_in(dir.path());
    server.lock().latency = std::time::Duration::from_millis(10);
    let shared = server.clone();
    server.script(move |number, _, _| {
        if number == 6 {
            let shared = shared.clone();
            std::thread::spawn(move || shared.lock().auth.good.clear());
        }
        None
    });
    assert_exact(&server, &open(&settings).read().await.unwrap());
    assert_eq!(server.lock().auth.asked.len(), 1);
}

#[tokio::test]
async fn a_token_service_that_is_down_for_a_moment_is_waited_for() {
    let server = Server::start(World::of(&[45]));
    server.lock().auth.down = 4;
    let dir = tempfile::tempdir().unwrap();
    let settings = server.logged_in_for(dir.path(), PAST);
    assert_exact(&server, &open(&settings).read().await.unwrap());
}

#[tokio::test]
async fn a_token_service_that_stays_down_ends_the_reading() {
    let server = Server::start(World::of(&[45]));
    server.lock().auth.down = usize::MAX;
    let dir = tempfile::tempdir().unwrap();
    let settings = server.logged_in_for(dir.path(), PAST);
    let error = open(&settings).read().await.unwrap_err();
    assert!(matches!(error, TidalError::Unavailable(_)), "{error}");
    assert!(TokenFile::of(&settings).load().unwrap().is_some());
}

#[tokio::test]
async fn a_revoked_log_in_says_so_and_does_not_hammer() {
    let server = Server::start(World::of(&[100, 100, 100, 100]));
    let dir = tempfile::tempdir().unwrap();
    let settings = server.logged_in(dir.path());
    {
        let mut state = server.lock();
        state.auth.revoked = true;
        state.auth.good.clear();
    }
    let service = open(&settings);
    for _ in 0..3 {
        let error = service.read().await.unwrap_err();
        assert!(matches!(error, TidalError::NotLoggedIn(_)));
        let text = error.to_string();
        assert!(text.contains("log in again"), "{text}");
        assert!(!text.contains("refresh-0"), "{text}");
    }
    assert_eq!(server.lock().auth.asked.len(), 1);
}

#[tokio::test]
async fn a_fresh_token_that_is_refused_ends_the_reading() {
    let server = Server::start(World::of(&[45]));
    let dir = tempfile::tempdir().unwrap();
    let settings = server.logged_in(dir.path());
    let shared = server.clone();
    server.script(move |_, _, _| {
        let shared = shared.clone();
        std::thread::spawn(move || shared.lock().auth.good.clear());
        Some(super::server::Odd::Status(
            401,
            Vec::new(),
            r#"{"status":401,"subStatus":6004}"#,
        ))
    });
    let error = open(&settings).read().await.unwrap_err();
    assert!(matches!(error, TidalError::NotLoggedIn(_)), "{error}");
    assert!(error.to_string().contains("6004"), "{error}");
    assert!(server.requests() <= 3);
}

#[tokio::test]
async fn two_programs_renew_once() {
    let server = Server::start(World::of(&[45]));
    server.lock().auth.rotates = true;
    let dir = tempfile::tempdir().unwrap();
    let settings = server.logged_in_for(dir.path(), PAST);
    let (one, two) = (open(&settings), open(&settings));
    let (first, second) = tokio::join!(one.read(), two.read());
    assert_exact(&server, &first.unwrap());
    assert_exact(&server, &second.unwrap());
    assert_eq!(server.lock().auth.asked.len(), 1);
}

#[tokio::test]
async fn accounts_are_apart() {
    let server = Server::start(World::of(&[5]));
    let dir = tempfile::tempdir().unwrap();
    let mut settings = server.logged_in(dir.path());
    settings.account = tidal_cleanup::edge::tidal::settings::AccountName::parse("other").unwrap();
    let opened = TidalService::open(&settings, ReadOptions::default());
    assert!(matches!(opened, Err(TidalError::NotLoggedIn(_))));
}

#[tokio::test]
async fn a_log_out_elsewhere_is_not_undone() {
    let server = Server::start(World::of(&[45]));
    let dir = tempfile::tempdir().unwrap();
    let settings = server.logged_in_for(dir.path(), PAST);
    let service = open(&settings);
    let file = TokenFile::of(&settings);
    assert!(file.delete().unwrap());
    assert!(matches!(
        service.read().await,
        Err(TidalError::NotLoggedIn(_))
    ));
    assert!(file.load().unwrap().is_none());
}
