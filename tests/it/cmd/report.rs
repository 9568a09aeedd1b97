//! `report`: the numbers agree with what was done, as JSON, as a screen and as a page.

use std::fs;

use serde_json::Value;

use crate::harness::{Snapshot, World};

/// Two lists, of which one lost a track since; a name that is HTML.
fn lived_in() -> World {
    let world = World::usual();
    world.sync_with(
        &Snapshot::new()
            .list('a', "House <b>&", "1 2 3")
            .list('b', "Deep", "4"),
    );
    world.sync_with(
        &Snapshot::new()
            .list('a', "House <b>&", "1 2")
            .list('b', "Deep", "4 5"),
    );
    world
}

#[test]
fn the_numbers_are_those_of_the_history() {
    let world = lived_in();
    let said = world.run(&["report", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let months = report["months"].as_array().unwrap();
    assert_eq!(months.len(), 12);
    let count = |key: &str| -> u64 { months.iter().map(|it| it[key].as_u64().unwrap()).sum() };
    assert_eq!(count("removed"), 1, "{said:?}");
    assert_eq!(months[11]["entries"], 4);
    let lists = report["playlists"].as_array().unwrap();
    let told: Vec<_> = lists
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["tracks"].as_u64().unwrap()))
        .collect();
    assert_eq!(told, [("Deep", 2), ("House <b>&", 2)]);
    let trash: Value = serde_json::from_str(&world.run(&["trash", "list", "--json"]).out).unwrap();
    let trashed = trash["files"].as_array().unwrap().len();
    assert_eq!(report["disk"]["trash_files"], trashed);
    // Two files of the DJ's own and five fetched ones, one of which left for the trash.
    assert_eq!(report["disk"]["files"], 6);
    assert_eq!(
        report["never_played"].as_array().unwrap().len(),
        4,
        "{said:?}"
    );
}

#[test]
fn the_page_needs_nothing_and_runs_no_name() {
    let world = lived_in();
    let said = world.run(&["report", "--html", "report.html"]);
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{said:?}");
    let page = fs::read_to_string(world.path("report.html")).unwrap();
    assert!(page.contains("House &lt;b&gt;&amp;") && !page.contains("House <b>"));
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("<svg").count(), 4);
}
