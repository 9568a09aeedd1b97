//! The page of a plan in a real browser: it filters and searches, and runs under its own content
//! security policy.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::harness::World;
use crate::journey::first;

/// The browser; `None` where there is none and none is demanded.
fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    let found = places.find(|place| place.is_file());
    let demanded = env::var_os("TIDAL_CLEANUP_REQUIRE_BROWSER").is_some_and(|value| value == "1");
    assert!(found.is_some() || !demanded, "there is no Chromium");
    found
}

/// What the page has become, opened with these filters.
fn opened(browser: &Path, world: &World, filters: &str) -> String {
    let address = format!("file://{}{filters}", world.path("page.html").display());
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .arg(format!(
            "--user-data-dir={}",
            world.path("profile").display()
        ))
        .args(["--virtual-time-budget=2000", "--dump-dom", &address])
        .stdin(Stdio::null())
        .output()
        .expect("the browser starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// How many rows are shown, and how many there are.
fn rows(dom: &str) -> (usize, usize) {
    let rows: Vec<&str> = dom.split(" data-s=\"").collect();
    let heads = rows.windows(2).map(|pair| (pair[0], pair[1]));
    let hidden = heads.filter(|(_, row)| row[..row.find('>').unwrap_or(0)].contains("hidden"));
    let all = rows.len() - 1;
    (all - hidden.count(), all)
}

fn told(dom: &str) -> &str {
    let from = dom
        .find("<output")
        .map_or(0, |at| at + dom[at..].find('>').unwrap_or(0) + 1);
    &dom[from..from + dom[from..].find('<').unwrap_or(0)]
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that checks nothing says so")]
fn a_browser_filters_and_searches() {
    let Some(browser) = browser() else {
        eprintln!("SKIPPED: there is no Chromium, so no browser opened the page");
        return;
    };
    let world = World::usual();
    world.tidal(&first().list('d', "<script>alert(1)</script>", "12"));
    world.expect(0, &["plan", "--html", "page.html"]);
    let page = fs::read_to_string(world.path("page.html")).expect("it was written");
    assert!(!page.contains("<script>alert"));
    let dom = opened(&browser, &world, "");
    let (shown, all) = rows(&dom);
    assert!(all > 10 && shown == all, "{shown} of {all}");
    assert_eq!(told(&dom), format!("{all} rows"));
    // Search: words, in any case, without accents.
    let dom = opened(&browser, &world, "#q=TITLE+10");
    let (shown, _) = rows(&dom);
    assert!((1..all).contains(&shown), "{shown}");
    assert_eq!(told(&dom), format!("{shown} of {all} rows"));
    // Symbols.
    let (shown, _) = rows(&opened(&browser, &world, "#s=x"));
    assert_eq!(shown, 0);
    let (shown, _) = rows(&opened(&browser, &world, "#s=%2B"));
    assert!(shown > 10, "{shown}");
    // Playlist: the first group alone.
    let (shown, _) = rows(&opened(&browser, &world, "#p=0"));
    assert!((1..all).contains(&shown), "{shown}");
}
