//! The whole policy: the reference, the examples, broken ones.

mod faults;
mod order;

use std::path::{Path, PathBuf};

use super::{
    diagnostic::{Code, Severity},
    *,
};
use crate::domain::Class;

const REFERENCE: &str = include_str!("../../tidal-cleanup.toml");

const EXAMPLES: [(&str, &str); 6] = [
    (
        "minimal",
        include_str!("../../examples/policies/minimal.toml"),
    ),
    ("emoji", include_str!("../../examples/policies/emoji.toml")),
    (
        "archive-and-trash",
        include_str!("../../examples/policies/archive-and-trash.toml"),
    ),
    (
        "read-only",
        include_str!("../../examples/policies/read-only.toml"),
    ),
    ("tiddl", include_str!("../../examples/policies/tiddl.toml")),
    (
        "tidal-dl-ng",
        include_str!("../../examples/policies/tidal-dl-ng.toml"),
    ),
];

fn parse(text: &str) -> Result<(Policy, Vec<Diagnostic>), Vec<Diagnostic>> {
    let env = |name: &str| (name == "HOME" || name == "DJ").then(|| "/home/dj".to_owned());
    let path = Path::new("/etc/dj/tidal-cleanup.toml");
    Policy::parse(path, text, &env, Path::new("/home/dj"))
}

fn good(text: &str) -> Policy {
    match parse(text) {
        Ok((policy, warnings)) if warnings.is_empty() => policy,
        Ok((_, findings)) | Err(findings) => panic!("{}", show(&findings)),
    }
}

fn reference() -> &'static Policy {
    static REFERENCE_POLICY: std::sync::LazyLock<Policy> =
        std::sync::LazyLock::new(|| good(REFERENCE));
    &REFERENCE_POLICY
}

fn show(findings: &[Diagnostic]) -> String {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// A minimal policy with `more` at its end.
fn with(more: &str) -> String {
    format!("version = 1\n[library]\nroot = \"/music\"\n{more}")
}

#[test]
fn the_reference_means_what_it_says() {
    let policy = good(REFERENCE);
    assert_eq!(policy.library.root, PathBuf::from("/home/dj/Music/Tidal"));
    assert_eq!(
        policy.library.sources[0].path,
        PathBuf::from("/home/dj/Music/Bandcamp")
    );
    assert_eq!(policy.safety.max_remove.count, Some(25));
    assert_eq!(policy.safety.max_remove_per_playlist.min, 10);
    assert_eq!(policy.safety.rolling.window.as_secs(), 604_800);
    assert_eq!(policy.trash.max_bytes, 50 << 30);
    assert_eq!(policy.freezes[0].from, (5, 720));
    assert_eq!(policy.freezes[0].allow, [Class::Additive]);
    assert_eq!(policy.protects[0].deny, [Denied::Trash, Denied::Remove]);
    assert_eq!(policy.rules.len(), 4);
    assert_eq!(policy.rules[1].then, Outcome::Dedupe);
    assert_eq!(policy.my_tags.emoji.len(), 17);
    assert_eq!(policy.my_tags.emoji[1].0, "🇮🇹");
    assert_eq!(policy.my_tags.smart.len(), 2);
    let categories: Vec<&str> = policy
        .my_tags
        .categories
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(categories, ["Deep House", "House"]);
    let line = REFERENCE
        .lines()
        .position(|line| line == "name = \"orphans\"")
        .unwrap();
    assert_eq!(
        policy.rules[0].at.to_string(),
        format!("tidal-cleanup.toml:{line}")
    );
}

#[test]
fn the_policies_tests_pass() {
    for (name, text) in EXAMPLES.into_iter().chain([("reference", REFERENCE)]) {
        for result in run_tests(&good(text)) {
            assert!(result.passed, "{name}: {result:?}");
        }
    }
}

#[test]
fn the_reference_says_the_defaults() {
    let bare = good(&with(""));
    let reference = good(REFERENCE);
    assert_eq!(bare.library.playlists, reference.library.playlists);
    assert_eq!(bare.library.file, reference.library.file);
    assert_eq!(
        (bare.library.format, bare.library.quality.as_str()),
        (None, "V0")
    );
    assert_eq!(bare.tidal.playlists, ["*"]);
    assert_eq!(bare.download.command, None);
    assert_eq!(bare.rekordbox.database, RekordboxDatabase::Auto);
    assert_eq!(bare.rekordbox.folder, reference.rekordbox.folder);
    assert_eq!(bare.defaults.playlist_removed, PlaylistRemoved::SoftDelete);
    assert_eq!(bare.safety.max_remove, reference.safety.max_remove);
    assert_eq!(bare.safety.rolling, reference.safety.rolling);
    assert_eq!(bare.safety.min_files_seen, 90);
    assert_eq!(bare.trash.keep, reference.trash.keep);
    assert_eq!((bare.matching.auto, bare.matching.ask), (97, 80));
    assert_eq!(bare.safety.at.to_string(), "");
}

#[test]
fn paths_are_expanded() {
    let root = |text: &str| {
        let text = format!("version = 1\nlibrary.root = {text:?}");
        good(&text).library.root.to_string_lossy().into_owned()
    };
    assert_eq!(root("~"), "/home/dj");
    assert_eq!(root("$DJ/x"), "/home/dj/x");
    assert_eq!(root("${DJ}ey/$$"), "/home/djey/$");
    assert_eq!(root("music/../tidal"), "/etc/dj/tidal");
    assert_eq!(root("/../x"), "/../x");
}

#[test]
fn several_faults_come_in_the_order_of_the_file() {
    let findings =
        parse("versoin = 1\n[library]\nrot = \"x\"\n[tidal]\nfavorites = 1\n").unwrap_err();
    let lines: Vec<usize> = findings.iter().map(|finding| finding.place.line).collect();
    assert!(lines.is_sorted(), "{lines:?}");
    assert!(findings.len() >= 4);
    assert!(
        findings[0].help.as_deref().unwrap().contains("version") || findings[0].code == "TP004"
    );
    assert!(
        findings
            .iter()
            .all(|finding| finding.severity == Severity::Error)
    );
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_fine() {
    let text = format!("\u{feff}{}", REFERENCE.replace('\n', "\r\n"));
    assert_eq!(good(&text).rules.len(), 4);
    let findings = parse("version = 1\r\nlibrary.root = 3\r\n").unwrap_err();
    assert_eq!(findings[0].place.text, "library.root = 3");
}

#[test]
fn conditions_nest() {
    let policy = good(&with(
        "[[rule]]\nname = \"a\"\nthen = \"keep\"\n\
         when = { any = [{ file.format = [\"mp3\", \"m4a\"] }, { all = [{ file.lossless = true }, { not = { file.size = \"<1MB\" } }] }], \"rekordbox.cues\" = 0 }\n\
         [[rule]]\nname = \"b\"\nthen = \"keep\"\nwhen.any = { file.orphan = true, track.year = \"<=1999\" }\n",
    ));
    let facts = |format: &str, size: i64, cues: i64| {
        Facts::from([
            ("file.format", condition::Fact::Text(format.to_owned())),
            ("file.lossless", condition::Fact::Flag(format == "flac")),
            ("file.size", condition::Fact::Number(size)),
            ("rekordbox.cues", condition::Fact::Number(cues)),
        ])
    };
    let when = &policy.rules[0].when;
    assert!(when.holds(&facts("mp3", 1, 0)));
    assert!(!when.holds(&facts("mp3", 1, 1)));
    assert!(when.holds(&facts("flac", 2_000_000, 0)));
    assert!(!when.holds(&facts("flac", 1, 0)));
    let year = Facts::from([("track.year", condition::Fact::Number(1999))]);
    assert!(policy.rules[1].when.holds(&year));
}

#[test]
fn rules_that_overlap_are_no_fault() {
    good(&with(
        "[[protect]]\nname = \"p\"\nwhen = { rekordbox.cues = \">=1\" }\ndeny = [\"trash\"]\n\
         [[rule]]\nname = \"a\"\nwhen = { track.title = \"A*\" }\nthen = \"trash\"\n\
         [[rule]]\nname = \"b\"\nwhen = { track.title = \"*B\", playlist.emoji = [\"🎉\", \"🏃\"] }\nthen = \"trash\"\n\
         [[rule]]\nname = \"c\"\nwhen = { rekordbox.cues = \">=0\", file.path = [\"x/*\", \"*/y\"] }\nthen = \"trash\"\n\
         [[rule]]\nname = \"d\"\nwhen = { playlist.name = \"*B*\" }\nthen = \"archive\"\n\
         [[rule]]\nname = \"e\"\nwhen = { all = [{ track.artist = \"a*c\" }, { track.artist = \"*b*\" }] }\nthen = \"trash\"\n",
    ));
}

#[test]
fn precedence_is_protect_freeze_playlist_rules_defaults() {
    let policy = good(&with(
        "[defaults]\ntrack_removed = \"trash\"\nplaylist_removed = \"remove\"\n\
         [playlist.\"Kept 🎙️\"]\nmode = \"additive\"\n\
         [[freeze]]\nname = \"gig\"\nevery = \"Fri 12:00 .. Mon 06:00\"\n\
         [[protect]]\nname = \"cues\"\nwhen = { rekordbox.cues = \">=1\" }\ndeny = [\"trash\"]\n\
         [[rule]]\nname = \"young\"\nwhen = { file.age = \"<30d\" }\nthen = \"keep\"\n",
    ));
    use condition::Fact;
    let orphan = Facts::from([("file.orphan", Fact::Flag(true))]);
    let with = |key: &'static str, fact: Fact| {
        let mut facts = orphan.clone();
        facts.insert(key, fact);
        facts
    };
    let decide = |facts: &Facts| verdict(&policy, facts).to_string();
    assert_eq!(decide(&orphan), "trash by default");
    assert_eq!(
        decide(&with("file.age", Fact::Age(60))),
        "keep by rule young"
    );
    let listed = with("playlist.name", Fact::Text("kept 🎙".to_owned()));
    assert_eq!(decide(&listed), "keep by playlist Kept 🎙️");
    let frozen = verdict_during(&policy, &orphan, policy.freezes.first());
    assert_eq!(frozen.to_string(), "keep by freeze gig");
    let cues = with("rekordbox.cues", Fact::Number(7));
    let kept = verdict_during(&policy, &cues, policy.freezes.first());
    assert_eq!(kept.to_string(), "keep by protect cues");
    assert_eq!(kept.evidence, ["rekordbox.cues >= 1 (it is 7)"]);
    assert_eq!(kept.at.line, 12);
    let foreign = with("file.provenance", Fact::Text("foreign".to_owned()));
    assert_eq!(decide(&foreign), "keep by provenance");
    let gone = Facts::from([("playlist.removed", Fact::Flag(true))]);
    assert_eq!(decide(&gone), "remove by default");
    assert_eq!(decide(&Facts::new()), "keep by default");
}

proptest::proptest! {
    #[test]
    fn what_a_protection_fits_stays(
        orphan: bool, duplicate: bool, age in 0_u64..100_000_000, cues in 0_i64..3, plays in 0_i64..2,
        own in 0_i64..2, bitrate in 100_i64..400, unknown in 0_usize..7,
    ) {
        use condition::Fact;
        let mut facts = Facts::from([
            ("file.orphan", Fact::Flag(orphan)),
            ("file.duplicate", Fact::Flag(duplicate)),
            ("file.age", Fact::Age(age)),
            ("rekordbox.cues", Fact::Number(cues)),
            ("rekordbox.plays", Fact::Number(plays)),
            ("rekordbox.own_playlists", Fact::Number(own)),
            ("file.bitrate", Fact::Number(bitrate)),
        ]);
        if let Some(key) = facts.keys().nth(unknown).copied() {
            facts.remove(key);
        }
        let policy = reference();
        let decided = verdict(policy, &facts);
        let denied = policy.protects.iter().any(|protect| protect.when.holds(&facts));
        proptest::prop_assert!(!denied || decided.decision == Decision::Keep);
    }
}

#[test]
fn every_rule_explains_itself() {
    let facts = Facts::from([
        ("file.orphan", condition::Fact::Flag(true)),
        ("rekordbox.cues", condition::Fact::Number(0)),
    ]);
    let tried = explain(reference(), &facts);
    let lines: Vec<String> = tried
        .iter()
        .map(|tried| {
            format!(
                "{} {}: {} {:?}",
                tried.by, tried.name, tried.would, tried.truth
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "protect cues: deny trash, remove No",
            "protect my own playlists: deny trash Unknown",
            "rule orphans: trash Unknown",
            "rule duplicates: dedupe Unknown",
            "rule better quality: upgrade Unknown",
            "rule old lists: archive Unknown",
        ]
    );
    assert_eq!(tried[2].findings.len(), 3);
}

#[test]
fn playlists_are_selected_by_name_or_id() {
    let tidal = good(&with(
        "[tidal]\nplaylists = [\"House *\", \"36EA71A8\"]\nexclude = [\"*🎙️\"]",
    ))
    .tidal;
    assert!(tidal.selects("x", "house italo"));
    assert!(tidal.selects("36ea71a8", "Anything"));
    assert!(!tidal.selects("36ea71a8", "Radio 🎙"));
    assert!(!tidal.selects("x", "Techno"));
}

#[test]
fn a_failed_test_says_what_it_did_not_give() {
    let policy = good(&with(
        "[[rule]]\nname = \"a\"\nwhen = { file.orphan = true, rekordbox.plays = 0 }\nthen = \"trash\"\n\
         [[test]]\nname = \"t\"\ngiven = { file.orphan = true }\nexpect = \"trash by rule a\"\n",
    ));
    let results = run_tests(&policy);
    assert!(!results[0].passed);
    assert_eq!(results[0].got, "keep by default");
    assert_eq!(results[0].missing, ["rekordbox.plays"]);
}

#[test]
fn no_input_panics() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |most: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % (most as u64)).unwrap_or(0)
    };
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        "'",
        "=",
        "\n",
        ".",
        "[[rule]]\n",
        "\u{0}",
        "é",
        "🏃",
        "-1",
        "\"\"",
        "{}",
        "[]",
        "true",
        "1979-05-27",
        "\\",
        "$",
        "~",
        "*",
        "#",
        "nan",
        ",",
    ];
    let start: Vec<char> = REFERENCE.chars().filter(|c| *c != '─').collect();
    for round in 0..200 {
        let mut text = start.clone();
        for _ in 0..=round % 4 {
            let at = next(text.len());
            let end = (at + next(12)).min(text.len());
            text.splice(at..end, pieces[next(pieces.len())].chars());
        }
        if round % 7 == 0 {
            text.truncate(next(text.len()));
        }
        let text: String = text.into_iter().collect();
        if let Err(findings) = parse(&text) {
            assert!(!findings.is_empty());
            assert!(!show(&findings[..1]).is_empty());
        }
    }
    for depth in ["[", "{a=", "[[a.", "a."] {
        assert!(parse(&depth.repeat(100_000)).is_err());
    }
}

#[test]
fn a_condition_with_a_slip_is_not_judged_further() {
    let text = with(
        "[[rule]]\nname = \"a\"\nwhen = { file.orphn = true }\nthen = \"trash\"\n\
         [[rule]]\nname = \"b\"\nwhen = { file.duplicate = true }\nthen = \"trash\"\n",
    );
    let codes: Vec<&str> = parse(&text).unwrap_err().iter().map(|it| it.code).collect();
    assert_eq!(codes, ["TP020"]);
}
