use std::time::Duration;

use super::*;

mod pairs;

const POLICY: MatchPolicy = MatchPolicy {
    auto: 97,
    ask: 80,
    duration_tolerance: Duration::from_secs(3),
    veto_version: true,
    veto_duration: true,
};

/// `Artist - Title` of the tags (none: the name alone), seconds.
fn verdict_of(name: &str, tags: Option<(&str, &str)>, seconds: u64, track: &Track) -> Judgement {
    let artists: Vec<String> = tags
        .iter()
        .map(|(artist, _)| (*artist).to_owned())
        .collect();
    let facts = LocalFacts {
        file_name: name,
        title: tags.map(|(_, title)| title),
        artists: &artists,
        duration_ms: Some(seconds * 1000),
        ..LocalFacts::default()
    };
    judge(&facts, track, &POLICY)
}

fn track(title: &str, version: &str, artists: &[&str], seconds: u32) -> Track {
    Track {
        id: TrackId::new("7001"),
        title: title.to_owned(),
        version: (!version.is_empty()).then(|| version.to_owned()),
        artists: artists.iter().map(|artist| (*artist).to_owned()).collect(),
        album: None,
        isrc: Isrc::parse("GBAJH9900028"),
        duration_s: Some(seconds),
        explicit: None,
        release_date: None,
        media_tags: Vec::new(),
        streamable: None,
    }
}

type Case = (
    (&'static str, Option<(&'static str, &'static str)>, u64),
    (&'static str, &'static str, &'static [&'static str], u32),
);

fn check(expected: Verdict, cases: &[Case]) {
    for ((name, tags, seconds), (title, version, artists, length)) in cases {
        let track = track(title, version, artists, *length);
        let judgement = verdict_of(name, *tags, *seconds, &track);
        assert_eq!(
            judgement.verdict, expected,
            "{name} {tags:?} / {title} ({version}): {judgement:?}"
        );
    }
}

#[test]
fn the_same_recording_in_other_writings_is_linked() {
    check(
        Verdict::Auto,
        &[
            (
                ("Darude - Sandstorm.mp3", None, 225),
                ("Sandstorm", "", &["Darude"], 225),
            ),
            (
                ("8A - 136 - Darude - Sandstorm.mp3", None, 225),
                ("Sandstorm", "", &["Darude"], 225),
            ),
            (
                ("101-darude-sandstorm.mp3", None, 225),
                ("Sandstorm", "", &["Darude"], 225),
            ),
            (
                ("darude_-_sandstorm_(extended_mix).mp3", None, 445),
                ("Sandstorm", "Extended Mix", &["Darude"], 445),
            ),
            (
                ("x.mp3", Some(("Darude", "Sandstorm (Original Mix)")), 225),
                ("Sandstorm", "", &["Darude"], 225),
            ),
            (
                ("x.mp3", Some(("Darude", "Sandstorm - 2011 Remaster")), 225),
                ("Sandstorm", "", &["Darude"], 225),
            ),
            (
                ("x.mp3", Some(("Darude", "Sandstorm")), 225),
                ("Sandstorm", "Radio Edit", &["Darude"], 225),
            ),
            (
                ("x.mp3", Some(("Darude", "Sandstorm (JS16 Remix)")), 400),
                ("Sandstorm", "JS16 Remix", &["Darude", "JS16"], 400),
            ),
            (
                ("Darude - Sandstorm JS16 Remix.mp3", None, 400),
                ("Sandstorm", "JS16 Remix", &["Darude"], 400),
            ),
            (
                ("x.mp3", Some(("Röyksopp feat. Robyn", "Monument")), 595),
                ("Monument (feat. Robyn)", "", &["Robyn", "Röyksopp"], 595),
            ),
            (
                ("x.mp3", Some(("Smashing Pumpkins", "1979")), 266),
                ("1979", "Remastered 2012", &["The Smashing Pumpkins"], 266),
            ),
            (
                ("x.mp3", Some(("Alisa", "Krasnoe na chernom")), 280),
                ("Красное на чёрном", "", &["Алиса"], 280),
            ),
            (
                ("x.mp3", Some(("周杰伦", "爱在西元前")), 234),
                ("愛在西元前", "", &["周杰倫"], 234),
            ),
            (
                (
                    "x.mp3",
                    Some(("Pink Floyd", "Shine On You Crazy Diamond (Parts I-V)")),
                    811,
                ),
                (
                    "Shine On You Crazy Diamond, Pts. 1-5",
                    "",
                    &["Pink Floyd"],
                    811,
                ),
            ),
            (
                (
                    "Moby - Porcelain.mp3",
                    Some(("Unknown Artist", "Track 05")),
                    241,
                ),
                ("Porcelain", "", &["Moby"], 241),
            ),
        ],
    );
}

#[test]
fn another_version_is_never_linked_nor_asked() {
    check(
        Verdict::No,
        &[
            (
                ("x.mp3", Some(("Darude", "Sandstorm (JS16 Remix)")), 225),
                ("Sandstorm", "", &["Darude"], 225),
            ),
            (
                ("x.mp3", Some(("Darude", "Sandstorm (JS16 Remix)")), 400),
                ("Sandstorm", "Ariel Remix", &["Darude"], 400),
            ),
            (
                ("x.mp3", Some(("Darude", "Sandstorm")), 400),
                ("Sandstorm", "JS16 Remix", &["Darude"], 400),
            ),
            (
                (
                    "Darude - Sandstorm (Live).mp3",
                    Some(("Darude", "Sandstorm")),
                    225,
                ),
                ("Sandstorm", "", &["Darude"], 225),
            ),
            (
                ("x.mp3", Some(("Darude", "Sandstorm (Instrumental)")), 225),
                ("Sandstorm", "", &["Darude"], 225),
            ),
            (
                ("x.mp3", Some(("Darude", "Sandstorm (Extended Mix)")), 225),
                ("Sandstorm", "Radio Edit", &["Darude"], 225),
            ),
            (
                ("x.mp3", Some(("Darude", "Sandstorm (Extended Mix)")), 445),
                ("Sandstorm", "", &["Darude"], 225),
            ),
            (
                ("x.mp3", Some(("Darude", "Sandstorm")), 445),
                ("Sandstorm", "", &["Darude"], 225),
            ),
            (
                ("x.mp3", Some(("Darude", "Sandstorm (Intro - Clean)")), 225),
                ("Sandstorm", "", &["Darude"], 225),
            ),
            (
                (
                    "x.mp3",
                    Some(("Darude", "Sandstorm (Spanish Version)")),
                    225,
                ),
                ("Sandstorm", "English Version", &["Darude"], 225),
            ),
            (
                ("x.mp3", Some(("Taylor Swift", "Style")), 231),
                ("Style (Taylor's Version)", "", &["Taylor Swift"], 231),
            ),
            (
                ("x.mp3", Some(("CamelPhat", "Cola (Glitterbox Dub)")), 391),
                ("Cola", "Glitterbox Mix", &["CamelPhat"], 391),
            ),
            (
                (
                    "x.mp3",
                    Some(("Mike Oldfield", "Incantations, Pt. 1")),
                    1150,
                ),
                ("Incantations", "Pt. 2", &["Mike Oldfield"], 1150),
            ),
        ],
    );
}

#[test]
fn another_song_or_artist_is_no_match() {
    check(
        Verdict::No,
        &[
            (
                ("x.mp3", Some(("Faithless", "Tarantula")), 330),
                ("Tarantula", "", &["Pendulum"], 330),
            ),
            (
                ("x.mp3", Some(("周杰倫", "夜曲")), 297),
                ("七里香", "", &["周杰倫"], 297),
            ),
            (
                ("x.mp3", Some(("Ed Sheeran", "÷")), 200),
                ("×", "", &["Ed Sheeran"], 200),
            ),
            (
                ("Moby - Porcelain.mp3", Some(("Moby", "Natural Blues")), 241),
                ("Porcelain", "", &["Moby"], 241),
            ),
            (
                ("x.mp3", Some(("みんな", "か")), 200),
                ("が", "", &["みんな"], 200),
            ),
            (
                ("x.mp3", Some(("Moby", "Porcelain")), 90),
                ("Porcelain", "", &["Moby"], 241),
            ),
        ],
    );
}

#[test]
fn what_is_doubtful_is_asked() {
    check(
        Verdict::Ask,
        &[
            (
                ("x.mp3", Some(("Queen Latifah", "So What")), 215),
                ("So What", "", &["Queen"], 215),
            ),
            (
                ("x.mp3", Some(("Darude", "Sandstrom")), 225),
                ("Sandstorm", "", &["Darude"], 225),
            ),
            (
                ("x.mp3", Some(("Darude", "Sandstorm")), 230),
                ("Sandstorm", "", &["Darude"], 225),
            ),
            (
                ("x.mp3", Some(("Modjo", "Lady")), 307),
                ("Lady (Hear Me Tonight)", "", &["Modjo"], 307),
            ),
            (
                ("Sandstorm.mp3", None, 225),
                ("Sandstorm", "", &["Darude"], 225),
            ),
            (
                ("x.mp3", Some(("Mousse T", "Horny")), 212),
                ("Horny '98", "", &["Mousse T."], 212),
            ),
        ],
    );
}

#[test]
fn an_equal_isrc_confirms_unless_a_veto_speaks() {
    let isrc = Isrc::parse("gb-ajh-99-00028").unwrap();
    let judged = |title: &str, artist: &str, seconds: u64| {
        let artists = [artist.to_owned()];
        let facts = LocalFacts {
            file_name: "x.mp3",
            title: Some(title),
            artists: &artists,
            isrc: Some(&isrc),
            duration_ms: Some(seconds * 1000),
            ..LocalFacts::default()
        };
        judge(&facts, &track("Группа крови", "", &["Кино"], 285), &POLICY).verdict
    };
    assert_eq!(judged("Blood Type", "Kino", 285), Verdict::Auto);
    assert_eq!(judged("Blood Type (Live)", "Kino", 340), Verdict::No);
    assert_eq!(judged("Blood Type (Live)", "Kino", 285), Verdict::Ask);
    assert_eq!(judged("Пачка сигарет", "Кино", 285), Verdict::Ask);
    assert_eq!(judged("Пачка сигарет", "Кино", 268), Verdict::No);
}

#[test]
fn vetoes_that_the_policy_turns_off_still_cost_too_much_to_link() {
    let policy = MatchPolicy {
        veto_version: false,
        veto_duration: false,
        ..POLICY
    };
    let facts = LocalFacts {
        file_name: "Darude - Sandstorm (Live).mp3",
        duration_ms: Some(225_000),
        ..LocalFacts::default()
    };
    let judgement = judge(&facts, &track("Sandstorm", "", &["Darude"], 225), &policy);
    assert_eq!(
        (judgement.verdict, judgement.vetoes.len()),
        (Verdict::Ask, 0)
    );
}

#[test]
fn names_of_all_scripts_are_understood() {
    check(
        Verdict::Auto,
        &[
            (
                ("x.mp3", Some(("ﾍﾞﾝﾄﾞ", "ｻﾏｰﾀｲﾑ")), 200),
                ("サマータイム", "", &["ベンド"], 200),
            ),
            (
                ("x.mp3", Some(("Kent", "Dar ar vi")), 257),
                ("Där är vi", "", &["Kent"], 257),
            ),
            (
                ("x.mp3", Some(("Dawid Podsiadlo", "Malomiasteczkowy")), 233),
                ("Małomiasteczkowy", "", &["Dawid Podsiadło"], 233),
            ),
            (
                ("عمرو دياب - تملي معاك.mp3", None, 270),
                ("تملّي معاك", "", &["عمرو دياب"], 270),
            ),
            (
                ("x.mp3", Some(("BeyoncÃ©", "DÃ©jÃ\u{a0} Vu")), 240),
                ("Déjà Vu", "", &["Beyoncé"], 240),
            ),
        ],
    );
}

#[test]
fn remixes_by_two_artists_of_the_track_are_two_remixes() {
    check(
        Verdict::No,
        &[(
            ("x.mp3", Some(("Ann, Bob", "Song (Ann Remix)")), 200),
            ("Song", "Bob Remix", &["Ann", "Bob"], 200),
        )],
    );
    check(
        Verdict::Ask,
        &[(
            ("x.mp3", Some(("Ann", "Song (Remix)")), 200),
            ("Song", "Bob Remix", &["Ann", "Bob"], 200),
        )],
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_text_upsets_it(name in "\\PC{0,40}", title in "\\PC{0,40}", artist in "\\PC{0,20}", other in "[a-zA-Z0-9 ()\\[\\]\\-/.'&éК光]{0,40}") {
        for (a, b) in [(&title, &other), (&other, &title)] {
            let track = track(a, b, &[&artist, &name], 200);
            verdict_of(&name, Some((&artist, b)), 200, &track);
            verdict_of(&format!("{a} - {b}.mp3"), None, 200, &track);
        }
    }

    #[test]
    fn a_track_is_itself(title in "[a-zA-Z][a-zA-Z ]{0,20}", artist in "[a-zA-Z]{3,12}") {
        let track = track(&title, "", &[&artist], 200);
        let judgement = verdict_of("x.mp3", Some((&artist, &title)), 200, &track);
        proptest::prop_assert!(judgement.vetoes.is_empty(), "{:?}", judgement);
    }
}
