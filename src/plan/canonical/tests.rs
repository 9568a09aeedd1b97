use std::collections::BTreeMap;

use super::*;
use crate::{
    domain::{MediaPath, Track},
    plan::document::*,
};

fn track(id: &str) -> Track {
    Track {
        id: id.into(),
        title: "Rajaz \u{1f3b5} \"Live\"".to_owned(),
        version: None,
        artists: vec!["Camel\n".to_owned()],
        album: None,
        isrc: None,
        duration_s: Some(497),
        explicit: None,
        release_date: None,
        media_tags: Vec::new(),
        streamable: None,
    }
}

fn action(effect: Effect, label: &str, depends_on: Vec<ActionId>) -> Action {
    let subject = Subject {
        track: None,
        label: label.to_owned(),
    };
    Action {
        id: action_id(&effect, &subject),
        class: Class::Additive,
        effect,
        subject,
        playlist: Some("p1".into()),
        pre: vec![Precondition::Vacant {
            path: "Playlists/A/x.mp3".into(),
        }],
        why: Why::default(),
        risk: None,
        undo: Undo::ByteIdentical,
        depends_on,
        estimate: Estimate::default(),
    }
}

fn place(from: &str, to: &str, depends_on: Vec<ActionId>) -> Action {
    let at = |path: &str| At {
        path: path.into(),
        home: None,
    };
    let effect = Effect::FilePlace {
        before: at(from),
        after: at(to),
    };
    action(effect, from, depends_on)
}

fn body(actions: Vec<Action>) -> Body {
    let hash = ContentHash::of(b"x");
    Body {
        mode: Mode::Normal,
        applyable: true,
        complete: true,
        base: Base {
            library_id: Some("L".into()),
            lineage: "one".to_owned(),
            serial: 4,
            schema_version: 1,
        },
        inputs: Inputs {
            as_of: "2026-11-22".to_owned(),
            policy: PolicyInput {
                path: "tidal-cleanup.toml".to_owned(),
                sha256: hash,
                settings: std::collections::BTreeMap::new(),
            },
            tidal: TidalInput {
                snapshot: hash,
                playlists: 1,
                incomplete: Vec::new(),
                unavailable_tracks: 0,
            },
            files: FilesInput {
                scan: hash,
                files: 3,
                bytes: 12,
            },
            rekordbox: None,
        },
        playlists: BTreeMap::from([(
            "p1".into(),
            PlannedPlaylist {
                name: "A".to_owned(),
                description: String::new(),
                folder: "Playlists/A".into(),
                rekordbox_name: "A".to_owned(),
                rekordbox_folder: Vec::new(),
                entries: vec!["t1".into(), "t1".into()],
            },
        )]),
        tracks: BTreeMap::from([("t1".into(), track("t1"))]),
        changes: Vec::new(),
        actions,
        decisions: Vec::new(),
        held: Vec::new(),
        drift: Vec::new(),
        checks: Vec::new(),
        summary: Summary::default(),
    }
}

fn small() -> Plan {
    let first = place("Playlists/B/x.mp3", "Playlists/A/x.mp3", Vec::new());
    let after = vec![first.id.clone()];
    let second = place("Playlists/B/y.mp3", "Playlists/A/y.mp3", after);
    seal(body(vec![first, second]), PlanMeta::default())
}

/// What a hand that knows the format could write: the digest fits.
fn resealed(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let mut plan = serde_json::to_value(small()).unwrap();
    change(&mut plan["body"]);
    plan["digest"] = digest_of(&canonical(&plan["body"])).into();
    serde_json::to_vec(&plan).unwrap()
}

#[test]
fn a_plan_survives_its_file() {
    let plan = small();
    let text = to_json(&plan);
    assert_eq!(parse(text.as_bytes()).unwrap(), plan);
    assert_eq!(to_json(&parse(text.as_bytes()).unwrap()), text);
    let line = text.lines().find(|line| line.contains("file.place"));
    assert!(line.unwrap().len() < 500, "one short line an action");
}

#[test]
fn pretty_printing_and_key_order_do_not_matter() {
    let plan = small();
    let pretty = serde_json::to_string_pretty(&plan).unwrap();
    assert_eq!(parse(pretty.as_bytes()).unwrap(), plan);
    let spelled = to_json(&plan).replace("Playlists/A", "Playlists\\/\\u0041");
    assert_eq!(parse(spelled.as_bytes()).unwrap(), plan);
}

#[test]
fn keys_are_sorted_by_what_they_say() {
    let text = br#" {"b":1,"a\"":[ 2, -3 ],"a!":null,"a":{"z":true,"y":"\u00e4\/\n"}} "#;
    let scanned = scan::canonicalise(text, scan::Rules::PLAN).unwrap();
    assert_eq!(
        scanned.text,
        r#"{"a":{"y":"ä/\n","z":true},"a!":null,"a\"":[2,-3],"b":1}"#
    );
    assert_eq!(scanned.member("a\""), Some("[2,-3]"));
    assert_eq!(scanned.member("b"), Some("1"));
}

#[test]
fn any_edit_of_the_body_is_seen() {
    let text = to_json(&small());
    let edited = text.replace("Playlists/A/y.mp3", "Playlists/A/z.mp3");
    assert_eq!(parse(edited.as_bytes()), Err(PlanError::Edited));
    let silent = text.replace("\"class\":\"additive\"", "\"class\":\"additive\",\"x\":1");
    assert_eq!(parse(silent.as_bytes()), Err(PlanError::Edited));
    assert_eq!(PlanError::Edited.code(), Some("TC402"));
    let unknown_field = resealed(|body| body["actions"][0]["also"] = "this".into());
    assert_eq!(parse(&unknown_field), Err(PlanError::Edited));
}

#[test]
fn what_is_not_understood_is_refused() {
    let kind = resealed(|body| body["actions"][0]["kind"] = "file.shred".into());
    assert!(matches!(parse(&kind), Err(PlanError::Unknown(_))));
    let pre = resealed(|body| body["actions"][0]["pre"][0]["is"] = "moon_is_full".into());
    assert!(matches!(parse(&pre), Err(PlanError::Unknown(_))));
    let version = to_json(&small()).replace("\"1.0\"", "\"2.0\"");
    assert!(matches!(
        parse(version.as_bytes()),
        Err(PlanError::OtherVersion { .. })
    ));
    let minor = to_json(&small()).replace("\"1.0\"", "\"1.7\"");
    assert!(parse(minor.as_bytes()).is_ok());
    assert!(matches!(parse(b"[1]"), Err(PlanError::OtherKind(_))));
    assert!(matches!(parse(b"{}"), Err(PlanError::OtherKind(_))));
}

#[test]
fn circles_and_unknown_ids_are_refused() {
    let unknown = resealed(|body| body["actions"][1]["depends_on"][0] = "a_none".into());
    assert!(matches!(parse(&unknown), Err(PlanError::Inconsistent(_))));
    let circle = resealed(|body| {
        let id = body["actions"][1]["id"].clone();
        body["actions"][0]["depends_on"] = serde_json::json!([id]);
    });
    assert!(matches!(parse(&circle), Err(PlanError::Inconsistent(_))));
    let twice = resealed(|body| body["actions"][1]["id"] = body["actions"][0]["id"].clone());
    assert!(matches!(parse(&twice), Err(PlanError::Inconsistent(_))));
}

#[test]
fn paths_outside_the_library_are_refused() {
    for bad in [
        "../x.mp3",
        "/etc/passwd",
        "",
        "a/../../b",
        "//1/a.mp3",
        ".tidal-cleanup/library.toml",
        ".Tidal-Cleanup/trash/1/x",
    ] {
        let bytes = resealed(|body| body["actions"][0]["after"]["path"] = bad.into());
        let result = parse(&bytes);
        assert!(matches!(result, Err(PlanError::UnsafePath(_))), "{bad}");
    }
}

#[test]
fn keys_twice_floats_and_large_numbers_are_refused() {
    let text = to_json(&small());
    for (from, to) in [
        ("\"serial\":4", "\"serial\":4,\n\"serial\":4"),
        ("\"serial\":4", "\"serial\":4.0"),
        ("\"serial\":4", "\"serial\":4e0"),
        ("\"serial\":4", "\"serial\":-0"),
        ("\"serial\":4", "\"serial\":04"),
        ("\"serial\":4", "\"serial\":9007199254740992"),
        ("\"serial\":4", "\"serial\":NaN"),
    ] {
        let result = parse(text.replace(from, to).as_bytes());
        assert!(matches!(result, Err(PlanError::Damaged { .. })), "{to}");
    }
}

#[test]
fn the_place_of_damage_is_told() {
    let error = parse(b"{\n \"kind\": \"x\",\n  ?").unwrap_err();
    assert!(matches!(
        error,
        PlanError::Damaged {
            line: 3,
            column: 3,
            ..
        }
    ));
}

#[test]
fn no_bytes_make_it_panic() {
    let text = to_json(&small()).into_bytes();
    for at in 0..text.len() {
        assert!(parse(&text[..at]).is_err() || text[at..] == *b"\n");
        for flip in [0x01, 0x20, 0x80, 0xff] {
            let mut bytes = text.clone();
            bytes[at] ^= flip;
            // Blanks and `meta` may change; whatever is accepted is written again as it was read.
            if let Ok(plan) = parse(&bytes) {
                assert_eq!(parse(to_json(&plan).as_bytes()), Ok(plan));
            }
        }
    }
    for open in ["[", "{\"a\":", "{\"body\":{\"actions\":["] {
        assert!(parse(open.repeat(1_000_000).as_bytes()).is_err());
    }
}

#[test]
fn sixty_four_levels_and_no_more() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let scan = |depth| scan::canonicalise(nested(depth).as_bytes(), scan::Rules::PLAN);
    assert!(scan(MAX_DEPTH).is_ok());
    assert!(scan(MAX_DEPTH + 1).is_err());
}

#[test]
fn ids_are_stable_and_tell_apart() {
    let one = place("a", "b", Vec::new());
    assert_eq!(one.id, place("a", "b", Vec::new()).id);
    assert_ne!(one.id, place("a", "c", Vec::new()).id);
    assert_eq!(one.id.as_str().len(), 18);
    let id = |n| change_id(ChangeKind::TrackMoved, &"p".into(), None, None, n);
    assert_ne!(id(0), id(1));
}

#[test]
fn entries_are_hashed_line_by_line() {
    assert_eq!(entries_hash(["1", "22"]), ContentHash::of(b"1\n22\n"));
    assert_ne!(entries_hash(["1", "2"]), entries_hash(["12"]));
}

#[test]
fn many_actions_are_read_in_time() {
    let actions = (0..20_000)
        .map(|n| {
            let path = MediaPath::new(format!("Playlists/A/{n}.mp3"));
            place(path.as_str(), &format!("Playlists/B/{n}.mp3"), Vec::new())
        })
        .collect();
    let plan = seal(body(actions), PlanMeta::default());
    let text = to_json(&plan);
    assert!(text.len() < 500 * 20_000);
    assert_eq!(parse(text.as_bytes()).unwrap().digest, plan.digest);
}

/// What follows from an action's effect is not written, and is there again when it is read.
#[test]
fn what_an_effect_says_is_not_said_again() {
    let plan = small();
    let text = to_json(&plan);
    assert!(
        !text.contains("\"undo\"") && text.contains("{\"is\":\"vacant\"}"),
        "{text}"
    );
    assert_eq!(parse(text.as_bytes()).as_ref(), Ok(&plan));
    // What is not the effect's own stands there.
    let mut other = small().body;
    let action = &mut other.actions[0];
    action.undo = Undo::None;
    action.pre = vec![Precondition::Vacant {
        path: "elsewhere".into(),
    }];
    let other = seal(other, PlanMeta::default());
    let text = to_json(&other);
    assert!(
        text.contains("\"undo\":\"none\"") && text.contains("elsewhere"),
        "{text}"
    );
    assert_eq!(parse(text.as_bytes()).as_ref(), Ok(&other));
    // One form belongs to one plan: what says again what the effect says is another text.
    let again = resealed(|body| body["actions"][0]["undo"] = "byte-identical".into());
    assert_eq!(parse(&again), Err(PlanError::Edited));
    // A precondition that neither says of what nor can take it from its effect is none.
    let nothing = resealed(|body| {
        body["actions"][0]["pre"] = serde_json::json!([{"is": "content_fields"}]);
    });
    assert!(matches!(parse(&nothing), Err(PlanError::Unknown(_))));
}
