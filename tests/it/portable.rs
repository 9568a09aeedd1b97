//! Policy as code: a plan without music and databases has the bytes of the one on the machine, and the
//! example workflow says what there is.

use std::{fs, path::Path, process::Command};

use clap::Parser as _;
use tidal_cleanup::{cli::args::Cli, plan::document::Effect};
use yaml_rust2::YamlLoader;

use crate::{
    harness::{World, digits},
    journey::first,
};

const PLAN: [&str; 5] = ["plan", "--desired", "tidal.json", "--as-of", "2027-03-01"];

#[test]
fn a_plan_needs_neither_music_nor_databases() {
    let world = World::usual();
    world.sync_with(&first());
    world.put("library/Playlists/Party/a guest.wav", "guest", 1_200);
    world.tidal(&first().list('d', "New", "12 1").list('e', "Old", "3"));
    world.expect(0, &[&PLAN[..], &["--out", "here.json"]].concat());
    let said = world.expect(
        0,
        &["snapshot", "observed", "--hashes", "--out", "observed.json"],
    );
    assert!(said.err.contains("tracks in Rekordbox"), "{}", said.err);
    let mut read: serde_json::Value =
        serde_json::from_slice(&fs::read(world.path("observed.json")).expect("it was written"))
            .expect("it is JSON");
    // The policy of the last apply is as its owner wrote it.
    read["applied_policy"] = serde_json::Value::Null;
    let place = world.path("").display().to_string();
    assert!(!read.to_string().contains(place.trim_end_matches('/')));
    world.expect(
        0,
        &["snapshot", "observed", "--redact", "--out", "nameless.json"],
    );
    let text = fs::read_to_string(world.path("nameless.json")).expect("it was written");
    for name in ["Title", "Artist", "Party", "House 🇮🇹", "guest"] {
        assert!(!text.contains(name), "{name}");
    }
    world.expect(
        0,
        &[
            &PLAN[..],
            &["--observed", "nameless.json", "--out", "nameless-plan.json"],
        ]
        .concat(),
    );
    // Another machine.
    let ci = world.path("ci");
    fs::create_dir_all(ci.join("home")).expect("it can be made");
    for file in ["tidal-cleanup.toml", "tidal.json", "observed.json"] {
        fs::copy(world.path(file), ci.join(file)).expect("it is there");
    }
    for folder in ["library", "rekordbox", "home", "cloud"] {
        fs::rename(world.path(folder), world.path(&format!("away-{folder}")))
            .expect("it can be moved");
    }
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidal-cleanup"));
        command.args(words).current_dir(&ci).env_clear();
        command.env("HOME", ci.join("home")).env("LANG", "C.UTF-8");
        let output = command.output().expect("it runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, err) = run(&[
        &PLAN[..],
        &["--observed", "observed.json", "--out", "there.json"],
    ]
    .concat());
    assert_eq!(code, Some(0), "{err}");
    let (code, _) = run(&["plan", "--observed", "observed.json"]);
    assert_eq!(code, Some(64), "TIDAL is not asked");
    let (code, err) = run(&[
        "plan",
        "--observed",
        "tidal.json",
        "--desired",
        "tidal.json",
    ]);
    assert_eq!(
        (code, err.contains("no reading of a machine")),
        (Some(1), true),
        "{err}"
    );
    assert!(!ci.join("home/.tidal-cleanup").exists(), "no state is made");
    for folder in ["library", "rekordbox", "home", "cloud"] {
        fs::rename(world.path(&format!("away-{folder}")), world.path(folder))
            .expect("it can be moved back");
    }
    let plan = |path: &Path| {
        let bytes = fs::read(path).expect("it was written");
        tidal_cleanup::plan::canonical::parse(&bytes).expect("it is a plan")
    };
    let (here, there) = (plan(&world.path("here.json")), plan(&ci.join("there.json")));
    assert!(!here.body.actions.is_empty());
    assert_eq!(here.body, there.body);
    assert_eq!(here.digest, there.digest);
    // It is applied where it holds, and refused where it does not.
    fs::copy(ci.join("there.json"), world.path("plan.json")).expect("it can be copied");
    let yes = ["apply", "plan.json", "--approve", digits(&there)];
    let fetched = there
        .body
        .actions
        .iter()
        .find_map(|action| match &action.effect {
            Effect::FileFetch { after } => Some(after.stem.to_string()),
            _ => None,
        });
    let way = format!("library/{}.wav", fetched.expect("something is fetched"));
    world.put(&way, "in the way", 1_000);
    world.expect(4, &yes);
    fs::remove_file(world.path(&way)).expect("it is there");
    world.expect(0, &yes);
}

#[test]
fn the_example_workflow_says_what_there_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci/plan.yml");
    let text = fs::read_to_string(path).expect("it is there");
    let yaml = YamlLoader::load_from_str(&text).expect("it is YAML");
    let steps = yaml[0]["jobs"]["plan"]["steps"]
        .as_vec()
        .expect("it has steps");
    let mut lines: Vec<String> = steps
        .iter()
        .filter_map(|step| step["run"].as_str())
        .flat_map(str::lines)
        .map(|line| line.split(" > ").next().unwrap_or_default().to_owned())
        .filter(|line| line.starts_with("tidal-cleanup "))
        .collect();
    assert!(lines.len() >= 5, "{lines:?}");
    let told = text.lines().filter_map(|line| line.strip_prefix("#   "));
    lines.extend(told.map(str::to_owned));
    for line in &lines {
        let parsed = Cli::try_parse_from(line.split_whitespace());
        assert!(
            parsed.is_ok(),
            "{line}: {}",
            parsed
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        );
    }
}
