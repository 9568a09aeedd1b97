//! The policy at a terminal: laid out, brought over, explained, published.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its world has failed"
)]

use std::fs;

use serde_json::{Value, json};

use crate::{
    harness::{Snapshot, World},
    journey::first,
};

fn text(world: &World) -> String {
    fs::read_to_string(world.path("tidal-cleanup.toml")).unwrap()
}

fn answer(out: &str) -> Value {
    let envelope: Value = serde_json::from_str(out).unwrap();
    envelope
}

/// Whether some text of that kind is anywhere in the answer.
fn holds(answer: &Value, text: &str) -> bool {
    answer.to_string().contains(text)
}

#[test]
fn a_policy_is_laid_out_once_and_keeps_what_it_says() {
    let world = World::usual();
    world.write_policy(
        "# mine\n[[rule]]   # first\nname='a'\nwhen={file.orphan=true}\nthen=\"keep\"\n",
    );
    let before = text(&world);
    let said = world.expect(1, &["policy", "fmt", "--check"]);
    assert!(said.out.contains("not laid out"), "{}", said.out);
    assert_eq!(text(&world), before);
    world.expect(0, &["policy", "fmt"]);
    let laid_out = text(&world);
    assert!(
        laid_out.contains("# mine\n[[rule]]  # first\nname = 'a'\nwhen = { file.orphan = true }\n")
    );
    let value = |text: &str| text.parse::<toml::Table>().unwrap();
    assert_eq!(value(&laid_out), value(&before));
    world.expect(0, &["policy", "fmt", "--check"]);
    world.expect(0, &["policy", "fmt"]);
    assert_eq!(text(&world), laid_out);
    fs::write(world.path("broken.toml"), "x = ").unwrap();
    world.expect(1, &["policy", "fmt", "broken.toml"]);
    assert_eq!(
        fs::read_to_string(world.path("broken.toml")).unwrap(),
        "x = "
    );
}

#[test]
fn the_old_tools_settings_come_over() {
    let world = World::usual();
    fs::write(
        world.path("map.json"),
        r#"{ "emoji_to_mytag_mapping": { "Genre": { "🏃": "House Progressive" } } }"#,
    )
    .unwrap();
    fs::write(
        world.path("old.env"),
        "TIDAL_CLEANUP_MP3_DIRECTORY=~/Music\nTIDAL_CLEANUP_TOKEN=hush\n",
    )
    .unwrap();
    let said = world.expect(
        0,
        &[
            "policy", "import", "old.env", "map.json", "--out", "new.toml",
        ],
    );
    assert!(
        !said.err.contains("hush") && said.err.contains("TOKEN"),
        "{}",
        said.err
    );
    world.expect(0, &["policy", "check", "new.toml"]);
    let said = world.expect(1, &["policy", "import", "map.json", "--out", "new.toml"]);
    assert!(said.err.contains("there already"), "{}", said.err);
    let said = world.expect(0, &["policy", "import", "map.json"]);
    assert!(
        said.out
            .starts_with("[mytag.Genre]\n\"🏃\" = \"House Progressive\""),
        "{}",
        said.out
    );
    let said = world.expect(1, &["policy", "import", "tidal-cleanup.toml"]);
    assert!(
        said.err.contains("rekordbox_mytag_mapping.json"),
        "{}",
        said.err
    );
    world.expect(64, &["policy", "import"]);
}

#[test]
fn the_published_schemas_take_what_the_program_writes() {
    let world = World::usual();
    world.tidal(&first());
    world.plan(2);
    for (of, document) in [
        (
            "plan",
            serde_json::from_str(&fs::read_to_string(world.path("plan.json")).unwrap()).unwrap(),
        ),
        (
            "policy",
            serde_json::to_value(text(&world).parse::<toml::Table>().unwrap()).unwrap(),
        ),
    ] {
        let said = world.expect(0, &["schema", of]);
        let schema: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        let validator = jsonschema::validator_for(&schema).unwrap();
        let found: Vec<String> = validator
            .iter_errors(&document)
            .map(|e| e.to_string())
            .collect();
        assert!(found.is_empty(), "{of}: {found:#?}");
        let mut wrong = document.clone();
        wrong["surprise"] = json!(1);
        assert!(!validator.is_valid(&wrong));
    }
    world.expect(64, &["schema", "else"]);
}

#[test]
fn a_track_is_traced_through_every_rule() {
    let world = World::usual();
    world.write_policy(
        "[[protect]]\nname = \"stars\"\nwhen = { rekordbox.rating = \">=5\" }\ndeny = \"trash\"\n\
         [[rule]]\nname = \"orphans\"\nwhen = { file.orphan = true }\nthen = \"trash\"\n\
         [playlist.\"Deep 🏃\"]\nmode = \"additive\"\n",
    );
    let said = world.expect(1, &["policy", "explain", "Artist 3 - Title 3"]);
    assert!(said.err.contains("tidal.json"), "{}", said.err);
    world.sync_with(&first());
    let said = world.expect(0, &["policy", "explain", "artist 3 – title 3"]);
    for part in [
        "Artist 3 – Title 3",
        "House 🇮🇹: mode manage",
        "no       stars",
        "no       orphans",
        "file.orphan = false",
        "So: keep by default",
    ] {
        assert!(said.out.contains(part), "{part}\n{}", said.out);
    }
    world.tidal(
        &Snapshot::new()
            .list('a', "House 🇮🇹", "0 1 2 4")
            .list('c', "Deep 🏃", "8 9 2 10")
            .list('b', "Party", "2 5 6 5 7"),
    );
    let said = world.expect(0, &["policy", "explain", "1003", "--json"]);
    let told = answer(&said.out);
    assert!(
        holds(&told, "\"text\":\"trash by rule orphans\""),
        "{told:#}"
    );
    assert!(holds(&told, "file.orphan = true"), "{told:#}");
    let said = world.expect(0, &["policy", "explain", "Deep 🏃"]);
    assert!(said.out.contains("mode additive"), "{}", said.out);
    let said = world.expect(1, &["policy", "explain", "Artist"]);
    assert!(
        said.err.contains("tracks fit") && said.err.contains("1000"),
        "{}",
        said.err
    );
    let said = world.expect(1, &["policy", "explain", "Nobody - Nothing"]);
    assert!(
        said.err.contains("no track, file or playlist"),
        "{}",
        said.err
    );
}

#[test]
fn a_check_looks_at_what_was_read() {
    let world = World::usual();
    world.write_policy(
        "[[protect]]\nname = \"stars\"\nwhen = { rekordbox.rating = \">=5\" }\ndeny = \"trash\"\n\
         [playlist.\"Partie\"]\nmode = \"additive\"\n",
    );
    world.sync_with(
        &first()
            .list('d', "Deep 🏃🚀", "1")
            .list('e', "Deep 🏃🚀", "2"),
    );
    let said = world.expect(0, &["policy", "check", "--json"]);
    let told = answer(&said.out);
    for code in ["TP050", "TP051", "TP052", "TP053"] {
        assert!(holds(&told, code), "{code}\n{told:#}");
    }
    let said = world.expect(0, &["policy", "check"]);
    assert!(said.out.contains("did you mean `Party`?"), "{}", said.out);
    assert!(said.out.contains("^^^^^"), "{}", said.out);
}
