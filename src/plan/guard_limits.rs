//! What a limit says when it stops a plan.

use super::*;

type Checks<'a> = &'a dyn Fn(&World) -> Vec<Check>;
type Make<'a> = &'a dyn Fn() -> World;

/// Every limit says what it counted, of how much, what is allowed, and the override that lets exactly that
/// through; one less does not.
#[test]
fn every_limit_names_its_numbers_its_base_and_its_override() {
    const BASE: &str = "364 managed entries and files";
    let sticks = ["/media/dj/STICK".to_owned()];
    let freeze = || {
        let until = "2026-11-25T00:00:00Z".parse().unwrap();
        let because = "the gig";
        Ok(Some(HandFreeze { until, because }))
    };
    let incomplete = |world: &World| {
        let mut input = world.input();
        input.readings.files_seen = 200;
        check(&input)
    };
    let empty = |world: &World| {
        let mut input = world.input();
        input.readings.desired = (0, 0);
        check(&input)
    };
    let plain = |world: &World| check(&world.input());
    let moment = |world: &World| moment_of(world, freeze(), &sticks);
    let open = |world: &World| vec![undecided(2, &world.allow)];
    let purged = |world: &World| vec![purge(1_200, &world.allow)];
    let few = "[safety]\nmax_remove = { count = 3, percent = 100 }";
    let past = || {
        let mut world = World::new("[safety]\nrolling = { count = 10, window = \"7d\" }").trash(4);
        world.past = vec![("2026-11-20T00:00:00Z".parse().unwrap(), 8)];
        world
    };
    let waiting = || {
        let mut world = World::new("");
        world.awaiting = Leave {
            unprotect: 2,
            work: 3,
        };
        world
    };
    let cases: [(&str, Make<'_>, Checks<'_>, &str, &[&str]); 11] = [
        (
            "TC102",
            &|| World::new(""),
            &incomplete,
            "missing=100",
            &["200 of 300", "90 %"],
        ),
        (
            "TC104",
            &|| World::new(""),
            &empty,
            "empty=2",
            &["0 selected", "2 with 64"],
        ),
        (
            "TC201",
            &|| World::new(few).trash(5),
            &plain,
            "remove=5",
            &["5 would", "lets 3 go", BASE],
        ),
        (
            "TC202",
            &|| World::new("").leave("p1", 40),
            &plain,
            "remove=40",
            &["40 of 60 tracks", "lets 30 go", "50 % of 60"],
        ),
        (
            "TC203",
            &past,
            &plain,
            "remove=4",
            &[
                "4 of",
                BASE,
                "4 files",
                "after 8",
                "12 together",
                "lets 10 go",
            ],
        ),
        (
            "TC204",
            &|| World::new(""),
            &purged,
            "purge=1200",
            &["1200 files", "1000"],
        ),
        (
            "TC302",
            &waiting,
            &plain,
            "unprotect=2",
            &["2 removals", BASE],
        ),
        ("TC303", &waiting, &plain, "work=3", &["3 removals", BASE]),
        (
            "TC501",
            &|| World::new("").trash(2),
            &moment,
            "freeze=2",
            &["2 of 2 actions", "the gig"],
        ),
        (
            "TC503",
            &|| World::new("").leave("p1", 1),
            &moment,
            "usb=1",
            &["1 mounted", "STICK"],
        ),
        (
            "TC701",
            &|| World::new(""),
            &open,
            "undecided=2",
            &["2 questions"],
        ),
    ];
    for (code, make, checks, allow, parts) in cases {
        let stops = |check: &Check| matches!(check.status, CheckStatus::Hold | CheckStatus::Refuse);
        let stopped = one(&checks(&make()), code);
        assert!(stops(&stopped), "{stopped:?}");
        for part in parts {
            assert!(stopped.text.contains(part), "{part}: {}", stopped.text);
        }
        let said = format!("If that is meant: --allow {allow} --because \"…\"");
        assert!(stopped.text.ends_with(&said), "{}", stopped.text);
        let one_of = |text: &str, because| one(&checks(&make().allow(text, because)), code);
        let through = one_of(allow, "I counted");
        assert_eq!(through.status, CheckStatus::Allowed, "{through:?}");
        assert!(through.text.contains("I counted"), "{}", through.text);
        let (what, count) = allow.split_once('=').unwrap();
        let less = count.parse::<u64>().unwrap() - 1;
        assert!(
            stops(&one_of(&format!("{what}={less}"), "I counted")),
            "{code}"
        );
        assert!(stops(&one_of(allow, "  ")), "{code}: no reason is none");
    }
}

/// What no override lets through says what to do instead, and names none.
#[test]
fn what_nothing_lets_through_says_what_to_do() {
    let world = World::new("").leave("p1", 1);
    let torn: &'static [String] = Vec::leak(vec!["House".to_owned()]);
    let of = |change: &dyn Fn(&mut GuardInput<'_>)| {
        let mut input = world.input();
        change(&mut input);
        check(&input)
    };
    let running = ["rekordbox".to_owned()];
    let now = "2026-11-24T12:00:00+00:00[UTC]".parse().unwrap();
    let moment = Moment {
        now: &now,
        rekordbox: Ok(&running),
        free: Some(1_000_000),
        needed: 2_000_000,
        hand_freeze: Ok(None),
        exports: &[],
        allow: &[],
    };
    let moment = moment::moment(&world.policy, &world.actions, &moment);
    for (checks, code, parts) in [
        (
            of(&|input| input.readings.canary = None),
            "TC101",
            ["library.toml", "is the drive mounted"],
        ),
        (
            of(&|input| input.readings.tidal_incomplete = torn),
            "TC103",
            [
                "1 playlist was not read to the end (House)",
                "nothing is removed",
            ],
        ),
        (
            of(&|input| input.protected = 3),
            "TC301",
            ["3 actions are held back", "no override"],
        ),
        (moment.clone(), "TC502", ["rekordbox", "no override"]),
        (moment, "TC601", ["2 MB are needed", "1 MB are free"]),
    ] {
        let stopped = one(&checks, code);
        for part in parts {
            assert!(stopped.text.contains(part), "{part}: {}", stopped.text);
        }
        assert!(!stopped.text.contains("--allow"), "{}", stopped.text);
    }
}
