//! Taking over a library that is there: import, decide, and what the shelf shows.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;

use serde_json::Value;
use tidal_cleanup::{
    domain::{Provenance, RekordboxSchema},
    plan::document::{Effect, Mode, Plan},
};

use crate::harness::{BOLD, Setup, Snapshot, World, collection, digits, files, titled};

/// A library with files for tracks 1, 2 and 3 (2 in two folders), a stranger, and nothing for 4.
fn lived_in(setup: Setup) -> World {
    let world = World::new(setup);
    for (path, seed) in [
        ("library/Playlists/House/Artist 1 - Title 1.wav", "1"),
        ("library/Playlists/House/Artist 2 - Title 2.wav", "2"),
        ("library/Old/Artist 2 - Title 2.wav", "2"),
        ("library/Artist 3 - Title 3.wav", "3"),
        ("library/Bandcamp/Someone - Else.wav", "else"),
    ] {
        world.put(path, seed, 1_000);
    }
    world.tidal(&Snapshot::new().list('a', "House", "1 2 3 4"));
    world
}

fn usual() -> World {
    lived_in(Setup {
        rekordbox: Some(RekordboxSchema::V7),
        more: BOLD,
        ..Setup::default()
    })
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn adoptions(plan: &Plan) -> Vec<(String, Provenance, bool)> {
    let effects = plan.body.actions.iter().map(|action| &action.effect);
    effects
        .filter_map(|effect| match effect {
            Effect::StateAdopt { after } => {
                Some((after.path.to_string(), after.provenance, after.further))
            }
            _ => None,
        })
        .collect()
}

fn fetches(plan: &Plan) -> usize {
    let effects = plan.body.actions.iter().map(|action| &action.effect);
    effects
        .filter(|effect| matches!(effect, Effect::FileFetch { .. }))
        .count()
}

fn held(plan: &Plan, gate: &str) -> usize {
    let held = plan.body.held.iter();
    held.filter(|held| held.gate == gate).count()
}

#[test]
fn an_import_reports_and_links_and_touches_nothing() {
    let world = usual();
    let (tree, rows) = (world.tree(), world.rows());
    let said = world.expect(0, &["import", "--json", "--out", "import.json"]);
    let report = json(&said.out);
    assert_eq!(report["format"], "tidal-cleanup/import");
    let count = |list: &str| report[list].as_array().unwrap().len();
    assert_eq!(
        (count("matched"), count("unmatched"), count("duplicates")),
        (3, 1, 1)
    );
    assert_eq!(report["unmatched"][0]["label"], "Artist 4 – Title 4");
    let strangers = report["strangers"].to_string();
    assert!(strangers.contains("Someone - Else") && strangers.contains("own.wav"));
    let plan = tidal_cleanup::plan::canonical::parse(&fs::read(world.path("import.json")).unwrap());
    let plan = plan.unwrap();
    assert_eq!(plan.body.mode, Mode::Reconcile);
    assert_eq!(plan.body.actions.len(), 3, "nothing but what is recorded");
    assert!(
        adoptions(&plan)
            .iter()
            .all(|row| row.1 == Provenance::Foreign)
    );
    let shown = world.expect(0, &["show", "import.json"]);
    assert_eq!(shown.out.matches("\n  = ").count(), 3, "{}", shown.out);

    world.expect(0, &["apply", "import.json", "--yes"]);
    files::assert_same(&world.tree(), &tree);
    collection::assert_same(&world.rows(), &rows);
    let again = json(&world.expect(0, &["import", "--json"]).out);
    assert_eq!(again["adoptions"], 0, "{again}");
    let next = world.plan(2);
    assert_eq!(fetches(&next), 1, "only what is not there");
    assert_eq!(adoptions(&next).len(), 0);

    world.expect(0, &["undo", "--yes"]);
    let again = json(&world.expect(0, &["import", "--json"]).out);
    assert_eq!(again["adoptions"], 3, "undo forgets");
    files::assert_same(&world.tree(), &tree);
}

#[test]
fn an_adopted_library_is_only_added_to_at_first() {
    let world = usual();
    let said = world.expect(0, &["import", "--adopt"]);
    assert!(said.out.contains("ours to manage"), "{}", said.out);
    let plan = world.saved();
    let rows = adoptions(&plan);
    assert!(
        rows.iter().all(|row| row.1 == Provenance::Adopted),
        "{rows:?}"
    );
    assert_eq!(
        rows.iter().filter(|row| row.2).count(),
        1,
        "the duplicate too"
    );
    world.expect(0, &["apply", "plan.json", "--yes"]);
    let tree = world.tree();
    world.write_policy("[[rule]]\nname = \"dupes\"\nwhen = { file.duplicate = true }\nthen = { keep = \"best\", others = \"trash\" }\n");
    let first = world.plan(3);
    assert!(held(&first, "probation") > 0, "{:?}", first.body.held);
    let additive = first.body.actions.iter();
    assert!(
        additive
            .clone()
            .all(|action| action.class == tidal_cleanup::plan::document::Class::Additive),
        "{:?}",
        additive.map(|action| &action.effect).collect::<Vec<_>>()
    );
    world.expect(0, &["apply", "plan.json", "--approve", digits(&first)]);
    files::assert_kept(&world.tree(), &tree);
    // Now the policy acts: what has no place goes to its folder, the duplicate to the trash.
    for _ in 0..3 {
        let plan = world.run(&["plan", "--out", "plan.json", "--detailed-exitcode"]);
        if plan.code == 0 {
            break;
        }
        let plan = world.saved();
        world.expect(0, &["apply", "plan.json", "--approve", digits(&plan)]);
    }
    world.assert_settled();
    let left = world.files();
    let second = left.iter().filter(|path| path.contains("Title 2"));
    assert_eq!(second.count(), 1, "{left:?}");
    assert!(
        left.iter()
            .any(|path| path == "Bandcamp/Someone - Else.wav"),
        "{left:?}"
    );
    assert!(left.iter().any(|path| path == "own.wav"), "{left:?}");
    assert_eq!(world.calls(), ["1004"], "nothing else was fetched");
    let trash = world.expect(0, &["trash", "list"]);
    assert!(trash.out.contains("Title 2.wav"), "{}", trash.out);
}

#[test]
fn only_what_fits_the_pattern_is_adopted() {
    let world = usual();
    world.expect(0, &["import", "--adopt", "Playlists/*"]);
    let rows = adoptions(&world.saved());
    let adopted: Vec<&str> = rows
        .iter()
        .filter(|row| row.1 == Provenance::Adopted)
        .map(|row| row.0.as_str())
        .collect();
    assert!(
        adopted.iter().all(|path| path.starts_with("Playlists/")),
        "{rows:?}"
    );
    assert_eq!(adopted.len(), 2, "{rows:?}");
    let said = world.expect(1, &["import", "--adopt", "["]);
    assert!(said.err.contains("no pattern"), "{}", said.err);
}

#[test]
fn a_shelf_shows_what_is_twice_unneeded_and_gone() {
    let world = usual();
    world.expect(0, &["import", "--adopt"]);
    world.expect(0, &["apply", "plan.json", "--yes"]);
    fs::remove_file(world.path("library/Artist 3 - Title 3.wav")).unwrap();
    let shelf = json(&world.expect(0, &["library", "--json"]).out);
    let group = &shelf["duplicates"][0];
    assert_eq!(group["same"], "content", "{shelf}");
    assert_eq!(group["files"].as_array().unwrap().len(), 2);
    assert_eq!(group["files"][0]["linked"], true);
    let orphans: Vec<&str> = shelf["orphans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["path"].as_str().unwrap())
        .collect();
    assert!(
        orphans.contains(&"Bandcamp/Someone - Else.wav"),
        "{orphans:?}"
    );
    assert!(
        !orphans.contains(&"own.wav"),
        "a Rekordbox list has it: {orphans:?}"
    );
    assert_eq!(
        shelf["missing"][0]["label"], "Artist 3 – Title 3",
        "{shelf}"
    );
    assert_eq!(shelf["missing"][0]["policy"], "downloaded again");
    let text = world.expect(0, &["library", "missing"]).out;
    assert!(
        text.contains("Title 3") && !text.contains("Duplicates"),
        "{text}"
    );
}

#[test]
fn an_orphan_that_a_playlist_file_names_stays() {
    let world = lived_in(Setup {
        more: BOLD,
        ..Setup::default()
    });
    world.expect(0, &["import", "--adopt"]);
    world.expect(0, &["apply", "plan.json", "--yes"]);
    let first = world.plan(3);
    world.expect(0, &["apply", "plan.json", "--approve", digits(&first)]);
    let moves = world.plan(2);
    world.expect(0, &["apply", "plan.json", "--approve", digits(&moves)]);
    let list = "#EXTM3U\n#EXTINF:1,x\n../Playlists/House/Artist 1 - Title 1.wav\n";
    fs::create_dir_all(world.path("library/Mine")).unwrap();
    fs::write(world.path("library/Mine/gig.m3u8"), list).unwrap();
    world.tidal(&Snapshot::new().list('a', "House", "2 3 4"));
    let plan = world.plan(3);
    assert_eq!(held(&plan, "local list"), 1, "{:?}", plan.body.held);
    fs::remove_file(world.path("library/Mine/gig.m3u8")).unwrap();
    let plan = world.plan(2);
    assert_eq!(plan.body.summary.trash, 1, "{:?}", plan.body.held);
}

/// A library in which nobody can tell which file track 5 is.
fn doubtful() -> (World, String) {
    let world = World::new(Setup::default());
    world.put("library/a/Title 5.wav", "5", 1_000);
    world.put("library/b/Title 5.wav", "other", 1_000);
    world.tidal(&Snapshot::new().list('a', "House", "5"));
    let asked = json(&world.expect(0, &["decide", "--json"]).out);
    let id = asked["decisions"][0]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{asked}"));
    (world, id.to_owned())
}

#[test]
fn an_answer_is_remembered_and_wins() {
    let (world, id) = doubtful();
    let before = world.plan(3);
    assert_eq!((before.body.decisions.len(), fetches(&before)), (1, 0));
    let listed = world.expect(0, &["decide"]);
    assert!(
        listed.out.contains("[1]") && listed.out.contains("[none]"),
        "{}",
        listed.out
    );
    assert!(listed.err.contains("decide ID KEY"), "{}", listed.err);
    let asked = &before.body.decisions[0];
    let path = asked.options[1].path.clone().unwrap();
    world.expect(0, &["decide", &id, "2"]);
    let file = fs::read_to_string(world.path("tidal-cleanup.decisions.toml")).unwrap();
    assert!(
        file.contains("[match.1005]") && file.contains(path.as_str()),
        "{file}"
    );
    let after = world.plan(2);
    assert!(after.body.decisions.is_empty());
    assert_eq!(adoptions(&after)[0].0, path.as_str());

    // None of them: it is downloaded.
    fs::write(
        world.path("tidal-cleanup.decisions.toml"),
        "# mine\nversion = 1\n[match.1005]\nnone = true # really\n",
    )
    .unwrap();
    let after = world.plan(2);
    assert_eq!((after.body.decisions.len(), fetches(&after)), (0, 1));
}

#[test]
fn a_saved_plan_takes_its_answers_along() {
    let (world, id) = doubtful();
    world.plan(3);
    world.expect(0, &["decide", "plan.json", "--answer", &format!("{id}=1")]);
    let plan = world.saved();
    assert_eq!(plan.review.as_ref().unwrap().decisions[&id], "1");
    world.expect(0, &["apply", "plan.json", "--yes"]);
    assert_eq!(world.calls(), [""; 0]);
    let next = world.run(&["plan", "--json"]);
    assert_eq!(
        json(&next.out)["body"]["decisions"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
}

#[test]
fn an_answer_that_fits_nothing_is_refused_whole() {
    let (world, id) = doubtful();
    let file = world.path("tidal-cleanup.decisions.toml");
    for words in [
        &["decide", "d_nothing", "1"][..],
        &["decide", &id, "9"],
        &["decide", &id],
        &["decide", &id, "1", "d_nothing", "1"],
        &["decide", "--answer", "x"],
        &["decide", "no-such-plan.json"],
    ] {
        let said = world.expect(1, words);
        assert!(said.err.contains("Hint:"), "{words:?}: {}", said.err);
        assert!(!file.exists(), "{words:?}");
    }
    world.expect(64, &["decide", "--all", "sometimes"]);
    fs::write(&file, "version = 1\n[match.1005]\nfiel = \"x\"\n").unwrap();
    let said = world.expect(1, &["plan"]);
    assert!(
        said.err.contains("tidal-cleanup.decisions.toml:3:1"),
        "{}",
        said.err
    );
    fs::write(&file, "version = 1\n[match.1005]\nfile = \"gone.wav\"\n").unwrap();
    let said = world.expect(3, &["plan", "--detailed-exitcode"]);
    assert!(
        said.err.contains("gone.wav is not in the library"),
        "{}",
        said.err
    );
}

#[test]
fn what_the_python_tool_knows_is_heard_and_judged() {
    let world = World::new(Setup::default());
    let peer = world.path("peer");
    fs::create_dir_all(peer.join("config")).unwrap();
    let root = world.path("library");
    fs::write(
        peer.join("config/.env"),
        format!(
            "TIDAL_CLEANUP_MP3_DIRECTORY={}\nTIDAL_CLEANUP_TIDAL_TOKEN_FILE=/hush.json\nMY_SECRET=hush\n",
            root.display()
        ),
    )
    .unwrap();
    // Its name says nothing of the artist: only the tool knows.
    world.put("library/Playlists/House/Title 5.wav", "5", 1_000);
    // Its length forbids what the tool says.
    world.put(
        "library/Playlists/House/Artist 6 - Title 6.wav",
        "6",
        90_000,
    );
    let sql = "CREATE TABLE tracks (id INTEGER PRIMARY KEY, tidal_id TEXT, title TEXT, artist TEXT, duration INTEGER, file_paths TEXT);\
        CREATE TABLE playlists (id INTEGER PRIMARY KEY, tidal_id TEXT, name TEXT);\
        CREATE TABLE playlist_tracks (playlist_id INTEGER, track_id INTEGER, position INTEGER, in_tidal INTEGER);\
        INSERT INTO tracks VALUES (1, '1005', 'Title 5', 'Artist 5', 1, '[\"Playlists/House/Title 5.wav\"]'),\
         (2, '1006', 'Title 6', 'Artist 6', 1, '[\"Playlists/House/Artist 6 - Title 6.wav\"]'),\
         (3, '1007', 'Title 7', 'Artist 7', 1, '[\"Playlists/House/gone.wav\"]');\
        INSERT INTO playlists VALUES (1, 'aaaaaaaa-0000-4000-8000-000000000061', 'House');\
        INSERT INTO playlist_tracks VALUES (1, 1, 0, 1), (1, 2, 1, 1), (1, 3, 2, 1);";
    sqlite(&peer.join("sync.db"), sql);
    world.tidal(&Snapshot::new().list('a', "House", "5 6 7"));
    let said = world.expect(0, &["import", "--from-peer", "peer", "--json"]);
    assert!(
        !said.out.contains("hush") && !said.err.contains("hush"),
        "{}",
        said.out
    );
    let report = json(&said.out);
    assert_eq!(
        report["matched"][0]["path"], "Playlists/House/Title 5.wav",
        "{report}"
    );
    assert_eq!(report["matched"][0]["how"], "peer", "{report}");
    let heard = &report["peer"];
    assert_eq!((&heard["tracks"], &heard["claims"]), (&3.into(), &1.into()));
    assert_eq!(heard["contradictions"][0]["label"], "Artist 6 – Title 6");
    assert_eq!(heard["lost"][0], "Playlists/House/gone.wav");
    let text = world.expect(0, &["import", "--from-peer", "peer/sync.db"]);
    assert!(
        text.out.contains("Not believed") && text.out.contains("3 tracks"),
        "{}",
        text.out
    );

    // Without TIDAL its playlists stand in, and nothing is concluded from them.
    let policy = fs::read_to_string(world.path("tidal-cleanup.toml")).unwrap();
    let policy = policy.replace("snapshot = \"tidal.json\"\n", "");
    fs::write(world.path("tidal-cleanup.toml"), policy).unwrap();
    let report = json(
        &world
            .expect(0, &["import", "--from-peer", "peer", "--json"])
            .out,
    );
    assert_eq!(report["peer"]["stood_in"], true);
    assert_eq!(report["matched"].as_array().unwrap().len(), 1, "{report}");
    for wrong in ["peer/none.db", "library", "tidal.json"] {
        let said = world.expect(1, &["import", "--from-peer", wrong]);
        assert!(said.err.contains("Hint:"), "{}", said.err);
    }
}

fn sqlite(path: &std::path::Path, sql: &str) {
    use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        for statement in sql.split(';').filter(|sql| !sql.trim().is_empty()) {
            let statement = sqlx::AssertSqlSafe(statement.to_owned());
            sqlx::query(statement)
                .execute(&mut connection)
                .await
                .unwrap();
        }
        connection.close().await.unwrap();
    });
}

/// Rekordbox keeps paths as text: a file in a folder whose name is none waits for its new name, and
/// everything else goes on.
#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_text_waits_and_spoils_nothing() {
    use std::os::unix::ffi::OsStrExt as _;

    let world = World::new(Setup {
        rekordbox: Some(RekordboxSchema::V7),
        ..Setup::default()
    });
    let folder = world
        .path("library")
        .join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    world.put("library/Artist 6 - Title 6.wav", "6", 1_000);
    world.put("library/cafe/Artist 5 - Title 5.wav", "5", 1_000);
    fs::rename(world.path("library/cafe"), &folder).unwrap();
    world.tidal(&Snapshot::new().list('a', "House", "5 6"));
    let plan = world.plan(3);
    let held = plan.body.held.iter().find(|it| it.gate == "rekordbox.name");
    assert!(
        held.is_some_and(|held| held.text.contains("rename it")),
        "{:?}",
        plan.body.held
    );
    world.expect(0, &["apply", "plan.json", "--approve", digits(&plan)]);
    assert_eq!(world.titles("House"), titled("6"));
    // With a name that is text it goes there, too.
    fs::rename(&folder, world.path("library/cafe")).unwrap();
    let plan = world.plan(2);
    world.expect(0, &["apply", "plan.json", "--approve", digits(&plan)]);
    assert_eq!(world.titles("House"), titled("5 6"));
}
