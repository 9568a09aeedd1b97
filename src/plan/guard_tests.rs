//! Gates, one world each.

use std::path::Path;

use jiff::Zoned;

use super::*;
use crate::{
    domain::{ActionId, ChangeKind, Class, ContentHash, MediaPath, NodeId, TrackId},
    plan::document::{Effect, Entries, Estimate, NodeAt, Subject, Trashed, Undo, Why},
};

/// A plan to be guarded, with sound readings and nothing in it.
struct World {
    policy: Policy,
    actions: Vec<Action>,
    changes: Vec<PlannedChange>,
    managed: Managed,
    past: Vec<(Timestamp, u64)>,
    allow: Vec<Allow>,
    awaiting: Leave,
    library: LibraryId,
}

impl World {
    fn new(policy: &str) -> Self {
        let text = format!("version = 1\nlibrary.root = \"/music\"\n{policy}");
        let path = Path::new("/tidal-cleanup.toml");
        let read = Policy::parse(path, &text, &|_| None, Path::new("/home/dj"));
        Self {
            policy: read.unwrap().0,
            actions: Vec::new(),
            changes: Vec::new(),
            managed: Managed {
                files: 300,
                playlists: BTreeMap::from([
                    (PlaylistId::from("p1"), ("House 🇮🇹".to_owned(), 60)),
                    (PlaylistId::from("p2"), ("Short".to_owned(), 4)),
                ]),
            },
            past: Vec::new(),
            allow: Vec::new(),
            awaiting: Leave::default(),
            library: LibraryId::from("lib"),
        }
    }

    fn readings(&self) -> Readings<'_> {
        Readings {
            canary: Some(&self.library),
            library: Some(&self.library),
            files_seen: 300,
            files_before: Some(300),
            tidal_complete: true,
            tidal_incomplete: &[],
            desired: (2, 64),
        }
    }

    fn input(&self) -> GuardInput<'_> {
        GuardInput {
            policy: &self.policy,
            actions: &self.actions,
            changes: &self.changes,
            readings: self.readings(),
            managed: &self.managed,
            past: &self.past,
            as_of: "2026-11-22T00:00:00Z".parse().unwrap(),
            allow: &self.allow,
            protected: 0,
            awaiting: self.awaiting,
            undecided: None,
            moment: None,
        }
    }

    fn check(&self, code: &str) -> Check {
        one(&check(&self.input()), code)
    }

    fn trash(mut self, count: usize) -> Self {
        for number in 0..count {
            let before = Trashed {
                path: MediaPath::new(format!("a/{number}.mp3")),
                size: 1,
                sha256: ContentHash::of(b""),
            };
            let id = format!("a_trash{number}");
            self.actions.push(action(
                &id,
                Class::Destructive,
                Effect::FileTrash { before },
            ));
        }
        self
    }

    /// `count` tracks leave a playlist.
    fn leave(mut self, playlist: &str, count: usize) -> Self {
        let id = format!("a_entries_{playlist}");
        let entries = |count| Entries {
            keep: Vec::new(),
            order_is_the_djs: false,
            rows: BTreeMap::new(),
            playlist: PlaylistId::from(playlist),
            count,
            sha256: ContentHash::of(b""),
        };
        // As many come, so that the numbers alone would not tell.
        let effect = Effect::EntriesSet {
            before: entries(60),
            after: entries(60),
        };
        self.actions.push(action(&id, Class::Remove, effect));
        for number in 0..count {
            self.changes.push(PlannedChange {
                id: format!("c_{playlist}_{number}"),
                kind: ChangeKind::TrackRemovedFromPlaylist,
                playlist: PlaylistId::from(playlist),
                track: Some(TrackId::from(number.to_string())),
                from: None,
                note: String::new(),
                actions: vec![ActionId::from(id.as_str())],
            });
        }
        self
    }

    fn allow(mut self, text: &str, because: &str) -> Self {
        self.allow.push(Allow::parse(text, because).unwrap());
        self
    }
}

fn action(id: &str, class: Class, effect: Effect) -> Action {
    Action {
        id: ActionId::from(id),
        class,
        effect,
        subject: Subject::default(),
        playlist: None,
        pre: Vec::new(),
        why: Why::default(),
        risk: None,
        undo: Undo::ByteIdentical,
        depends_on: Vec::new(),
        estimate: Estimate::default(),
    }
}

fn one(checks: &[Check], code: &str) -> Check {
    checks
        .iter()
        .find(|check| check.code == code)
        .unwrap()
        .clone()
}

#[test]
fn a_sound_and_empty_plan_passes_everything() {
    let world = World::new("");
    let checks = check(&world.input());
    assert!(
        checks
            .iter()
            .all(|check| check.status == CheckStatus::Pass && check.text.is_empty())
    );
    let codes: Vec<&str> = checks.iter().map(|check| check.code.as_str()).collect();
    assert_eq!(
        codes,
        [
            "TC101", "TC102", "TC103", "TC104", "TC201", "TC202", "TC203", "TC301", "TC302",
            "TC303"
        ]
    );
}

#[test]
fn without_the_canary_nothing_goes() {
    let world = World::new("");
    let other = LibraryId::from("other");
    for (canary, library) in [
        (None, Some(&world.library)),
        (None, None),
        (Some(&other), Some(&world.library)),
    ] {
        let mut input = world.input();
        input.readings.canary = canary;
        input.readings.library = library;
        assert_eq!(one(&check(&input), "TC101").status, CheckStatus::Refuse);
    }
    let mut input = world.input();
    input.readings.library = None;
    assert_eq!(one(&check(&input), "TC101").status, CheckStatus::Pass);
}

#[test]
fn half_a_scan_holds_removals() {
    let world = World::new("");
    let seen = |seen, before| {
        let mut input = world.input();
        input.readings.files_seen = seen;
        input.readings.files_before = before;
        one(&check(&input), "TC102")
    };
    assert_eq!(seen(270, Some(300)).status, CheckStatus::Pass);
    let held = seen(269, Some(300));
    assert_eq!(
        (held.status, held.value, held.limit),
        (CheckStatus::Hold, Some(89), Some(90))
    );
    assert!(held.text.contains("269 of 300"), "{}", held.text);
    assert_eq!(seen(0, None).status, CheckStatus::Pass);
    assert_eq!(seen(0, Some(0)).status, CheckStatus::Pass);
    assert_eq!(seen(usize::MAX, Some(usize::MAX)).status, CheckStatus::Pass);
}

#[test]
fn half_a_reading_holds_removals() {
    let world = World::new("");
    let mut input = world.input();
    input.readings.tidal_complete = false;
    assert_eq!(one(&check(&input), "TC103").status, CheckStatus::Hold);
    let names: Vec<String> = (1..=5).map(|n| format!("List {n}")).collect();
    let mut input = world.input();
    input.readings.tidal_incomplete = &names;
    let held = one(&check(&input), "TC103");
    assert_eq!((held.status, held.value), (CheckStatus::Hold, Some(5)));
    assert!(held.text.contains("List 3, and 2 more"), "{}", held.text);
}

#[test]
fn nothing_desired_is_refused_unless_named() {
    let mut world = World::new("");
    for desired in [(0, 0), (2, 0)] {
        let mut input = world.input();
        input.readings.desired = desired;
        let refused = one(&check(&input), "TC104");
        assert_eq!(refused.status, CheckStatus::Refuse);
        assert!(refused.text.contains("--allow empty=2"), "{}", refused.text);
    }
    world = world.allow("empty=2", "moved to another account");
    let mut input = world.input();
    input.readings.desired = (0, 0);
    assert_eq!(one(&check(&input), "TC104").status, CheckStatus::Allowed);
    world.managed = Managed::default();
    let mut input = world.input();
    input.readings.desired = (0, 0);
    assert_eq!(one(&check(&input), "TC104").status, CheckStatus::Pass);
}

#[test]
fn the_lower_limit_wins_and_files_and_entries_add_up() {
    // 5 % of 364 is 18.2, rounded up 19.
    let world = World::new("[safety]\nmax_remove = { count = 25, percent = 5 }");
    let full = world.trash(10).leave("p1", 9);
    let passed = full.check("TC201");
    assert_eq!(
        (passed.status, passed.value, passed.limit),
        (CheckStatus::Pass, Some(19), Some(19))
    );
    let over = full.trash(1).check("TC201");
    assert_eq!((over.status, over.value), (CheckStatus::Refuse, Some(20)));
    assert_eq!(
        over.text,
        "20 would be removed (9 entries of playlists, 11 files), and [safety] max_remove lets 19 go \
         (5 % of 364 managed entries and files; at most 25). If that is meant: --allow remove=20 \
         --because \"…\""
    );
    let by_count = World::new("[safety]\nmax_remove = { count = 2, percent = 50 }").trash(3);
    assert_eq!(by_count.check("TC201").limit, Some(2));
    assert_eq!(by_count.check("TC201").status, CheckStatus::Refuse);
}

#[test]
fn an_override_names_the_number_and_the_reason() {
    let world = |allow: &str, because: &str| {
        World::new("[safety]\nmax_remove = 1")
            .trash(3)
            .allow(allow, because)
            .check("TC201")
    };
    let allowed = world("remove=3", "cleared the 2019 sets");
    assert_eq!(allowed.status, CheckStatus::Allowed);
    assert!(
        allowed
            .text
            .ends_with("--allow remove=3: cleared the 2019 sets"),
        "{}",
        allowed.text
    );
    assert_eq!(world("remove=2", "too few").status, CheckStatus::Refuse);
    assert_eq!(world("remove=3", " ").status, CheckStatus::Refuse);
    assert_eq!(world("empty=3", "another gate").status, CheckStatus::Refuse);
    assert_eq!(Allow::parse("remove", "x"), None);
    assert_eq!(Allow::parse("remove=-1", "x"), None);
    assert_eq!(Allow::parse("all=1", "x"), None);
}

#[test]
fn a_playlist_may_lose_half_or_ten() {
    let status = |playlist, count| World::new("").leave(playlist, count).check("TC202").status;
    assert_eq!(status("p1", 30), CheckStatus::Pass);
    assert_eq!(status("p1", 31), CheckStatus::Refuse);
    assert_eq!(status("p2", 4), CheckStatus::Pass);
    let own = "[playlist.\"house 🇮🇹\"]\nmax_remove = { count = 3 }";
    let over = World::new(own).leave("p1", 4).check("TC202");
    assert_eq!((over.status, over.limit), (CheckStatus::Refuse, Some(3)));
    assert!(
        over.text.contains("“House 🇮🇹” would lose 4 of 60"),
        "{}",
        over.text
    );
    assert_eq!(
        World::new(own).leave("p2", 4).check("TC202").status,
        CheckStatus::Pass
    );
}

#[test]
fn removals_add_up_over_runs() {
    let mut world = World::new("[safety]\nrolling = { count = 10, window = \"7d\" }").trash(3);
    world.past = vec![
        ("2026-11-14T23:59:59Z".parse().unwrap(), 50),
        ("2026-11-16T12:00:00Z".parse().unwrap(), 7),
    ];
    assert_eq!(world.check("TC203").status, CheckStatus::Pass);
    let mut more = world.trash(1);
    let over = more.check("TC203");
    assert_eq!(
        (over.status, over.value, over.limit),
        (CheckStatus::Refuse, Some(11), Some(10))
    );
    assert!(over.text.contains("--allow remove=4"), "{}", over.text);
    // Nothing is refused to a plan that removes nothing.
    more.past
        .push(("2026-11-21T12:00:00Z".parse().unwrap(), 500));
    more.actions.clear();
    assert_eq!(more.check("TC203").status, CheckStatus::Pass);
}

#[test]
fn what_counts_as_a_removal() {
    let mut world = World::new("").trash(2).leave("p1", 3);
    // A held change has no action in the plan.
    let mut held = world.changes[0].clone();
    held.actions = vec![ActionId::from("a_held")];
    world.changes.push(held);
    let node = |playlist: &str| Effect::NodeRemove {
        before: NodeAt {
            id: NodeId::from("1"),
            name: String::new(),
            folder: Vec::new(),
            playlist: Some(PlaylistId::from(playlist)),
        },
    };
    world
        .actions
        .push(action("a_node", Class::Destructive, node("p2")));
    world
        .actions
        .push(action("a_folder", Class::Destructive, node("gone")));
    let removals = Removals::of(&world.actions, &world.changes, &world.managed);
    assert_eq!((removals.files, removals.with_playlists), (2, 5));
    assert_eq!(
        removals.entries,
        BTreeMap::from([(PlaylistId::from("p1"), 3)])
    );
    assert_eq!(removals.total(), 10);
}

#[test]
fn without_changes_the_numbers_of_a_list_count() {
    let entries = |count| Entries {
        keep: Vec::new(),
        order_is_the_djs: false,
        rows: BTreeMap::new(),
        playlist: PlaylistId::from("p1"),
        count,
        sha256: ContentHash::of(b""),
    };
    let set = |class| {
        let effect = Effect::EntriesSet {
            before: entries(60),
            after: entries(50),
        };
        Removals::of(&[action("a", class, effect)], &[], &Managed::default()).total()
    };
    assert_eq!((set(Class::Remove), set(Class::Change)), (10, 0));
}

fn at(
    world: &World,
    now: &str,
    rekordbox: Result<&[String], &str>,
    free: Option<u64>,
) -> Vec<Check> {
    let now: Zoned = now.parse().unwrap();
    let mut input = world.input();
    input.moment = Some(Moment {
        now: &now,
        rekordbox,
        free,
        needed: 1_000,
        hand_freeze: Ok(None),
        exports: &[],
        allow: &world.allow,
    });
    check(&input)
}

const GIG: &str = "[[freeze]]\nname = \"gig\"\nevery = \"Fri 12:00 .. Mon 06:00\"\n\
                   timezone = \"Europe/Berlin\"\nallow = [\"additive\", \"remove\"]";

#[test]
fn the_gig_lock_follows_its_own_time_zone() {
    let policy = World::new(GIG).policy;
    let on = |now: &str| freeze_active(&policy, &now.parse().unwrap()).is_some();
    assert!(!on("2026-11-20T11:59:00+01:00[Europe/Berlin]"));
    assert!(on("2026-11-20T12:00:00+01:00[Europe/Berlin]"));
    assert!(on("2026-11-22T23:59:00+01:00[Europe/Berlin]"));
    assert!(on("2026-11-23T05:59:00+01:00[Europe/Berlin]"));
    assert!(!on("2026-11-23T06:00:00+01:00[Europe/Berlin]"));
    // Five in the morning in New York is eleven in Berlin.
    assert!(!on("2026-11-20T05:30:00-05:00[America/New_York]"));
    assert!(on("2026-11-20T06:30:00-05:00[America/New_York]"));
    let mut lost = policy.clone();
    lost.freezes[0].timezone = Some("Nowhere/Else".to_owned());
    let tuesday: Zoned = "2026-11-24T12:00:00+01:00[Europe/Berlin]".parse().unwrap();
    assert!(freeze_active(&lost, &tuesday).is_some());
}

#[test]
fn the_gig_lock_lets_through_what_it_allows() {
    let saturday = "2026-11-21T20:00:00+01:00[Europe/Berlin]";
    let status = |world: World| one(&at(&world, saturday, Ok(&[]), Some(1_000)), "TC501");
    assert_eq!(
        status(World::new(GIG).leave("p1", 1)).status,
        CheckStatus::Pass
    );
    let frozen = status(World::new(GIG).trash(1).leave("p1", 1));
    assert_eq!(
        (frozen.status, frozen.value),
        (CheckStatus::Refuse, Some(1))
    );
    assert_eq!(
        frozen.text,
        "freeze “gig” (tidal-cleanup.toml:3) is on until Mon 06:00, and 1 of 2 actions must wait for \
         its end. If that is meant: --allow freeze=1 --because \"…\""
    );
}

#[test]
fn rekordbox_has_to_be_closed_only_to_be_written() {
    let tuesday = "2026-11-24T12:00:00+01:00[Europe/Berlin]";
    let running = ["rekordbox".to_owned()];
    let status =
        |world: &World, running| one(&at(world, tuesday, running, Some(1_000)), "TC502").status;
    let files = World::new("").trash(1);
    assert_eq!(status(&files, Ok(&running)), CheckStatus::Pass);
    let lists = World::new("").leave("p1", 1);
    assert_eq!(status(&lists, Ok(&running)), CheckStatus::Refuse);
    assert_eq!(status(&lists, Err("no process list")), CheckStatus::Refuse);
    assert_eq!(status(&lists, Ok(&[])), CheckStatus::Pass);
}

#[test]
fn the_disk_must_hold_what_comes() {
    let tuesday = "2026-11-24T12:00:00+01:00[Europe/Berlin]";
    let world = World::new("");
    let status = |free| one(&at(&world, tuesday, Ok(&[]), free), "TC601").status;
    assert_eq!(status(Some(1_000)), CheckStatus::Pass);
    assert_eq!(status(Some(999)), CheckStatus::Refuse);
    assert_eq!(status(None), CheckStatus::Refuse);
}

/// The checks of the moment with this freeze and these sticks.
fn moment_of(
    world: &World,
    hand_freeze: Result<Option<HandFreeze<'_>>, &str>,
    exports: &[String],
) -> Vec<Check> {
    let moment = Moment {
        now: &"2026-11-24T12:00:00+00:00[UTC]".parse().unwrap(),
        rekordbox: Ok(&[]),
        free: Some(1_000),
        needed: 0,
        hand_freeze,
        exports,
        allow: &world.allow,
    };
    moment::moment(&world.policy, &world.actions, &moment)
}

fn allowed(what: Allowable, count: u64) -> Vec<Allow> {
    vec![Allow {
        what,
        count,
        because: "I know".to_owned(),
    }]
}

#[test]
fn a_freeze_by_hand_ends_by_itself_and_lets_a_number_through() {
    let mut world = World::new("").trash(2);
    let freeze = |until: &str| {
        Ok(Some(HandFreeze {
            until: until.parse().unwrap(),
            because: "the gig",
        }))
    };
    let on = one(
        &moment_of(&world, freeze("2026-11-24T12:00:01Z"), &[]),
        "TC501",
    );
    assert_eq!(on.status, CheckStatus::Refuse);
    for part in [
        "the gig",
        "2026-11-24 12:00",
        "2 of 2",
        "--allow freeze=2 --because",
    ] {
        assert!(on.text.contains(part), "{}", on.text);
    }
    let over = one(
        &moment_of(&world, freeze("2026-11-24T12:00:00Z"), &[]),
        "TC501",
    );
    assert_eq!(over.status, CheckStatus::Pass);
    let torn = one(&moment_of(&world, Err("torn"), &[]), "TC501");
    assert_eq!(torn.status, CheckStatus::Refuse);
    world.allow = allowed(Allowable::Freeze, 2);
    let let_through = one(
        &moment_of(&world, freeze("2026-11-25T00:00:00Z"), &[]),
        "TC501",
    );
    assert_eq!(let_through.status, CheckStatus::Allowed);
    assert!(let_through.text.contains("I know"));
}

#[test]
fn a_mounted_export_stops_what_touches_rekordbox() {
    let sticks = ["/media/dj/STICK".to_owned()];
    let files = World::new("").trash(1);
    let check = |world: &World| one(&moment_of(world, Ok(None), &sticks), "TC503");
    assert_eq!(check(&files).status, CheckStatus::Pass);
    let mut world = World::new("").leave("p1", 1);
    let stopped = check(&world);
    assert_eq!(stopped.status, CheckStatus::Refuse);
    assert!(stopped.text.contains("STICK") && stopped.text.contains("--allow usb=1"));
    world.allow = allowed(Allowable::Usb, 1);
    assert_eq!(check(&world).status, CheckStatus::Allowed);
}

#[test]
fn what_waits_for_leave_says_how_to_give_it() {
    let mut world = World::new("[safety]\nwork_at_risk = \"ask\"");
    assert_eq!(world.check("TC302").status, CheckStatus::Pass);
    world.awaiting = Leave {
        unprotect: 2,
        work: 3,
    };
    for (code, text) in [
        ("TC302", "--allow unprotect=2"),
        ("TC303", "--allow work=3"),
    ] {
        let check = world.check(code);
        assert_eq!(check.status, CheckStatus::Hold);
        assert!(
            check.text.contains(text) && check.text.contains("364 managed"),
            "{}",
            check.text
        );
    }
    world.allow = allowed(Allowable::Work, 2);
    assert_eq!(world.check("TC303").status, CheckStatus::Hold);
    assert_eq!(
        world.awaiting.granted(&world.policy, &world.allow),
        Leave::default()
    );
    world.allow = allowed(Allowable::Work, 3);
    assert_eq!(world.check("TC303").status, CheckStatus::Allowed);
    assert_eq!(world.awaiting.granted(&world.policy, &world.allow).work, 3);
    let mut never = World::new("[safety]\nwork_at_risk = \"deny\"");
    never.awaiting.work = 1;
    never.allow = allowed(Allowable::Work, 1);
    assert_eq!(never.check("TC303").status, CheckStatus::Hold);
    let granted = never.awaiting.granted(&never.policy, &never.allow);
    assert_eq!(granted, Leave::default());
    assert!(!never.check("TC303").text.contains("--allow"));
}

#[test]
fn open_questions_refuse_where_that_is_asked_for() {
    assert_eq!(undecided(0, &[]).status, CheckStatus::Pass);
    let open = undecided(2, &[]);
    assert_eq!(open.status, CheckStatus::Refuse);
    assert!(open.text.contains("2 questions are") && open.text.contains("--allow undecided=2"));
    let let_through = undecided(2, &allowed(Allowable::Undecided, 2));
    assert_eq!(let_through.status, CheckStatus::Allowed);
}

#[test]
fn missing_files_can_be_let_through_by_number() {
    let mut world = World::new("");
    world.allow = allowed(Allowable::Missing, 100);
    let mut input = world.input();
    input.readings.files_seen = 200;
    assert_eq!(one(&check(&input), "TC102").status, CheckStatus::Allowed);
    input.readings.files_seen = 199;
    let held = one(&check(&input), "TC102");
    assert_eq!(held.status, CheckStatus::Hold);
    assert!(held.text.contains("--allow missing=101"), "{}", held.text);
}

#[path = "guard_limits.rs"]
mod limits;
