//! The page of a plan in a real browser: it filters and searches, and runs under its own content
//! security policy.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::browser::{self, Page, QUIET};
use crate::harness::World;
use crate::journey::first;

/// What the page has become, opened with these filters.
fn opened(browser: &Path, world: &World, filters: &str) -> String {
    let address = format!("file://{}{filters}", world.path("page.html").display());
    let output = Command::new(browser)
        .args(QUIET)
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
    let Some(browser) = browser::program() else {
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

#[test]
#[expect(clippy::print_stderr, reason = "a test that checks nothing says so")]
fn a_person_types_and_clicks() {
    let Some(browser) = browser::program() else {
        eprintln!("SKIPPED: there is no Chromium, so nobody clicked");
        return;
    };
    const SHOWN: &str = "document.getElementById('shown').textContent";
    const VISIBLE: &str = "[...document.querySelectorAll('.row')].filter(row => !row.hidden)";
    const OPEN: &str = "document.querySelectorAll('details.row[open]').length";
    let world = World::usual();
    world.tidal(&first());
    world.expect(0, &["plan", "--html", "page.html"]);
    let address = format!("file://{}", world.path("page.html").display());
    let mut page = Page::open(&browser, &world.path(""), &address);
    let all = page.eval("document.querySelectorAll('.row').length");
    assert_eq!(page.text(SHOWN), format!("{all} rows"));
    // `/` goes to the search; what is typed there filters with every key, and the address keeps it.
    page.press("/");
    page.type_text("TITLE");
    assert_eq!(
        page.text("document.activeElement.id + ' ' + document.activeElement.value"),
        "q TITLE"
    );
    let several = page.eval(&format!("{VISIBLE}.length"));
    page.type_text(" 7");
    let one = page.eval(&format!("{VISIBLE}.length"));
    assert!(
        one.as_u64() < several.as_u64() && one.as_u64() > Some(0),
        "{one} of {several}"
    );
    assert_eq!(page.text(SHOWN), format!("{one} of {all} rows"));
    let fits = format!(
        "{VISIBLE}.every(row => /title/i.test(row.textContent) && row.textContent.includes('7'))"
    );
    assert_eq!(page.eval(&fits), json!(true));
    assert_eq!(page.text("location.hash"), "#q=TITLE+7");
    page.press("Backspace");
    page.press("Escape");
    assert_eq!(page.text(SHOWN), format!("{all} rows"));
    // A symbol is clicked away, and everything comes back.
    page.click("input[name=s][value='+']");
    let plus = format!("{VISIBLE}.filter(row => row.dataset.s === '+').length");
    assert_eq!(page.eval(&plus), json!(0));
    page.click("#reset");
    assert_eq!(page.text(SHOWN), format!("{all} rows"));
    // Rows open and close, one by one and all together.
    let closed = page.eval(OPEN);
    page.click("details.row:not([open]) > summary");
    assert_eq!(
        page.eval(OPEN).as_u64(),
        closed.as_u64().map(|many| many + 1)
    );
    page.click("#open");
    let details = page.eval("document.querySelectorAll('details.row').length");
    assert_eq!(page.eval(OPEN), details);
    page.click("#close");
    assert_eq!(page.eval(OPEN), json!(0));
    // `j` and `k` go from row to row.
    let focused = format!("{VISIBLE}.findIndex(row => row.contains(document.activeElement))");
    for (key, at) in [("j", 0), ("j", 1), ("j", 2), ("k", 1)] {
        page.press(key);
        assert_eq!(page.eval(&focused), json!(at), "{key}");
    }
    // Nothing was loaded.
    assert_eq!(
        page.eval("performance.getEntriesByType('resource').length"),
        json!(0)
    );
}
