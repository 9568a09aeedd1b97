//! What a person sees, scenario by scenario; each picture was read by one.

use super::*;
use crate::{
    cli::view::{
        difference::{DifferenceView, difference},
        markdown::markdown,
        plan::{sections, why},
        redact::Redactor,
        review::{Mark, ReviewView},
        sample::{self, Sample},
        tree::TreeView,
    },
    domain::{Class, NodeId, NodeKind},
    plan::document::{
        ChangeKind, Check, CheckStatus, Drift, Effect, Entries, Mode, NewNode, NodeAt, Review,
    },
};

fn columns(columns: usize) -> Look {
    Look {
        width: Some(columns),
        ..Look::plain()
    }
}

fn text(plan: &Plan, look: &Look) -> String {
    PlanView::new(plan, look).to_string()
}

fn tree(plan: &Plan, look: &Look) -> String {
    TreeView { plan, look }.to_string()
}

/// The pictures of one theme, below each other.
fn album(pictures: &[(&str, String)]) -> String {
    let shown = pictures
        .iter()
        .map(|(name, picture)| format!("── {name}\n{picture}"));
    shown.collect::<Vec<_>>().join("\n")
}

fn verbose(look: Look) -> Look {
    Look {
        verbose: true,
        ..look
    }
}

fn ascii(look: Look) -> Look {
    Look {
        ascii: true,
        ..look
    }
}

#[test]
fn a_day_in_every_width() {
    let day = sample::everyday();
    let colour = Look {
        color: true,
        ..columns(80)
    };
    let shown = text(&day, &colour).replace('\u{1b}', "␛");
    insta::assert_snapshot!(album(&[
        ("no terminal", text(&day, &Look::plain())),
        ("40 columns", text(&day, &columns(40))),
        ("60 columns", text(&day, &columns(60))),
        ("80 columns", text(&day, &columns(80))),
        ("120 columns", text(&day, &columns(120))),
        ("200 columns", text(&day, &columns(200))),
        ("40 columns, -v", text(&day, &verbose(columns(40)))),
        ("120 columns, -v", text(&day, &verbose(columns(120)))),
        ("ASCII, 60 columns", text(&day, &ascii(columns(60)))),
        (
            "ASCII, 40 columns, -v",
            text(&day, &verbose(ascii(columns(40))))
        ),
        ("colour, 80 columns", shown),
    ]));
}

fn many(adds: usize, trash: usize) -> Plan {
    let mut sample = Sample::new();
    let list = sample.playlist("Big", 100);
    for number in 1..=adds {
        let track = sample.track("Artist", &format!("Song {number}"));
        sample.added(&list, &track, 30_000_000);
    }
    for number in 1..=trash {
        sample.trashed(&format!("Playlists/Old/{number}.mp3"));
    }
    sample.plan()
}

#[test]
fn what_collapses_and_what_does_not() {
    let mut held = Sample::new();
    for number in 1..=12 {
        held.held(&format!("Artist – Held {number}"));
    }
    let mut drift = Sample::new();
    drift.body.drift = (1..=12)
        .map(|number| Drift {
            playlist: None,
            label: format!("Playlist {number}"),
            text: "has another name in Rekordbox".to_owned(),
            rule: "[own] name = \"rekordbox\"".to_owned(),
        })
        .collect();
    drift.held("Artist – Held");
    let drift = drift.plan();
    insta::assert_snapshot!(album(&[
        ("eleven additions", text(&many(11, 0), &columns(80))),
        ("twelve additions", text(&many(12, 0), &columns(80))),
        (
            "twelve additions, -v shows all",
            text(&many(12, 0), &verbose(columns(80)))
                .lines()
                .filter(|line| line.starts_with("  +"))
                .collect::<Vec<_>>()
                .join("\n")
        ),
        (
            "twelve files to the trash",
            text(&many(0, 12), &columns(80))
        ),
        ("twelve held", text(&held.plan(), &columns(80))),
        ("twelve left as the DJ has them", text(&drift, &columns(80))),
        ("the same, -v", text(&drift, &verbose(columns(80)))),
    ]));
}

#[test]
fn names_of_all_kinds() {
    let mut sample = Sample::new();
    let names = [
        ("日本語のプレイリスト", "坂本龍一", "戦場のメリークリスマス"),
        ("Familie 👨‍👩‍👧 🏳️‍🌈 🇮🇹", "Mü", "e\u{301}te\u{301}"),
        ("\u{202e}evil\u{1b}[2J", "<b>", "a\nb"),
        ("عربي", "فيروز", "نسّم علينا الهوى"),
    ];
    for (list, artist, title) in names {
        let list = sample.playlist(list, 10);
        let track = sample.track(artist, title);
        sample.added(&list, &track, 30_000_000);
        sample.left(&list, &track);
    }
    let plan = sample.plan();
    insta::assert_snapshot!(album(&[
        ("80 columns", text(&plan, &columns(80))),
        ("40 columns", text(&plan, &columns(40))),
        ("ASCII", text(&plan, &ascii(columns(60)))),
        ("Markdown", markdown(&plan, None, 65_536)),
    ]));
}

#[test]
fn verdicts() {
    let check = |status, value, text: &str| {
        let mut plan = sample::everyday();
        plan.body.checks = vec![Check {
            code: "TC201".to_owned(),
            name: "max_remove".to_owned(),
            value: Some(value),
            limit: Some(25),
            status,
            text: text.to_owned(),
        }];
        plan.body.applyable = status != CheckStatus::Refuse;
        let text = self::text(&plan, &columns(80));
        text[text.find("Decide").unwrap_or(0)..].to_owned()
    };
    let mut not_complete = Sample::new();
    not_complete.body.complete = false;
    not_complete.held("Artist – Title");
    let mut without = Sample::new();
    without.body.inputs.rekordbox = None;
    let mut undo = sample::everyday();
    undo.body.mode = Mode::Undo;
    undo.body.changes[0].kind = ChangeKind::PlaylistRemoved;
    undo.body.changes[0].track = None;
    let saved = PlanView {
        saved: Some("plan.json"),
        undo_until: Some("2026-12-22".parse().unwrap()),
        ..PlanView::new(&many(0, 1), &columns(100))
    }
    .to_string();
    insta::assert_snapshot!(album(&[
        (
            "a gate refuses",
            check(
                CheckStatus::Refuse,
                30,
                "allow it with --allow remove=30 --because TEXT"
            )
        ),
        (
            "a gate holds",
            check(
                CheckStatus::Hold,
                30,
                "the reading of TIDAL is not complete"
            )
        ),
        (
            "a gate was let through",
            check(CheckStatus::Allowed, 30, "cleared the 2019 sets")
        ),
        ("a gate passes", check(CheckStatus::Pass, 3, "")),
        ("nothing to do", text(&Sample::new().plan(), &columns(80))),
        (
            "nothing to do, no Rekordbox",
            text(&without.plan(), &columns(80))
        ),
        ("all of it held", text(&not_complete.plan(), &columns(80))),
        ("an undo", text(&sample::undo(), &columns(100))),
        ("an undo, -v", text(&sample::undo(), &verbose(columns(100)))),
        (
            "an undo takes a playlist away",
            text(&undo, &columns(80))
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()
        ),
        ("saved, with the last day of undo", saved),
    ]));
}

#[test]
fn what_it_takes() {
    let with = |pairs: &[(&str, u64)]| {
        let mut plan = many(1, 1);
        plan.meta.estimates = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect();
        let text = text(&plan, &columns(80));
        text[text.find("Plan:").unwrap_or(0)..].to_owned()
    };
    insta::assert_snapshot!(album(&[
        ("nothing known", with(&[])),
        (
            "no past applies",
            with(&[
                ("bytes_down", 30_000_000),
                ("free:library+state", 412_000_000_000)
            ])
        ),
        (
            "all known",
            with(&[
                ("bytes_down", 30_000_000),
                ("bytes_trashed", 9_100_000),
                ("seconds", 170),
                ("tidal_requests", 31),
                ("free:library", 412_000_000_000),
                ("free:Rekordbox+state", 88_000_000_000),
            ])
        ),
        (
            "hours, and no room",
            with(&[
                ("bytes_down", 30_000_000),
                ("seconds", 9_000),
                ("free:library", 1_000_000)
            ])
        ),
    ]));
}

/// A list that comes, one that moves, one that goes, one that grows.
fn forest() -> Plan {
    let mut sample = Sample::new();
    let [new, renamed, gone, grown] =
        ["New 🆕", "Renamed", "Gone", "Grown"].map(|name| sample.playlist(name, 12));
    let node = |id: &str, name: &str, folder: &[&str], playlist| NodeAt {
        id: NodeId::new(id),
        name: name.to_owned(),
        folder: folder.iter().map(|part| (*part).to_owned()).collect(),
        playlist: Some(playlist),
    };
    let house = vec!["TIDAL".to_owned(), "House".to_owned()];
    sample.action(
        Effect::NodeCreate {
            after: NewNode {
                node: NodeKind::Folder,
                name: "House".to_owned(),
                folder: vec!["TIDAL".to_owned()],
                playlist: None,
                tags: Vec::new(),
            },
        },
        Class::Additive,
        "House",
    );
    sample.action(
        Effect::NodeCreate {
            after: NewNode {
                node: NodeKind::List,
                name: "New 🆕".to_owned(),
                folder: house,
                playlist: Some(new),
                tags: Vec::new(),
            },
        },
        Class::Additive,
        "New 🆕",
    );
    sample.action(
        Effect::NodeUpdate {
            before: node("2", "Old name", &["TIDAL"], renamed.clone()),
            after: node("2", "Renamed", &["TIDAL", "House"], renamed),
        },
        Class::Move,
        "Renamed",
    );
    sample.action(
        Effect::NodeRemove {
            before: node("3", "Gone", &["TIDAL"], gone),
        },
        Class::Remove,
        "Gone",
    );
    let entries = |count| Entries {
        playlist: grown.clone(),
        count,
        sha256: crate::domain::ContentHash::of(b"entries"),
        keep: Vec::new(),
        order_is_the_djs: false,
        rows: Default::default(),
    };
    sample.action(
        Effect::EntriesSet {
            before: entries(9),
            after: entries(12),
        },
        Class::Change,
        "Grown",
    );
    sample.plan()
}

#[test]
fn trees() {
    let forest = forest();
    insta::assert_snapshot!(album(&[
        ("side by side", tree(&forest, &columns(80))),
        ("below each other", tree(&forest, &columns(40))),
        ("ASCII", tree(&forest, &ascii(columns(80)))),
        ("a day", tree(&sample::everyday(), &columns(80))),
        ("nothing of Rekordbox", tree(&many(0, 1), &columns(80))),
    ]));
}

#[test]
fn differences() {
    let day = sample::everyday();
    let mut next = day.clone();
    next.digest = "sha256:0a1b2c3d".to_owned();
    next.body.inputs.policy.sha256 = crate::domain::ContentHash::of(b"another policy");
    next.body.actions.remove(6);
    let place = &mut next.body.actions[3];
    place.why.rule = "house".to_owned();
    place.why.at = "tidal-cleanup.toml:12".to_owned();
    next.body.held[0].text = "8 hot cues".to_owned();
    let mut more = Sample::new();
    more.body = next.body;
    more.trashed("Playlists/Old/another.mp3");
    let mut next = more.plan();
    next.digest = "sha256:0a1b2c3d".to_owned();
    if let Some(action) = next.body.actions.last_mut() {
        action.id = crate::domain::ActionId::new("a_00000000000000ff");
    }
    let show = |old: &Plan, new: &Plan, look: &Look| {
        let difference = difference(old, new);
        DifferenceView {
            difference: &difference,
            look,
        }
        .to_string()
    };
    insta::assert_snapshot!(album(&[
        ("none", show(&day, &day, &columns(80))),
        ("some", show(&day, &next, &columns(80))),
        (
            "the other way round, 40 columns",
            show(&next, &day, &columns(40))
        ),
    ]));
}

#[test]
fn in_part_and_by_row() {
    let mut plan = sample::everyday();
    let excluded = plan.body.actions[6].id.clone();
    plan.review = Some(Review {
        for_digest: plan.digest.clone(),
        decisions: [("d_0000000000000001".to_owned(), "1".to_owned())].into(),
        exclude: vec![excluded],
        ..Review::default()
    });
    let sections = sections(&sample::everyday(), &Look::plain());
    let table = |look: &Look| {
        let marks = vec![
            Mark::In,
            Mark::Out,
            Mark::Follows,
            Mark::Partly,
            Mark::Fixed,
            Mark::Out,
            Mark::Fixed,
            Mark::Fixed,
        ];
        ReviewView {
            sections: &sections,
            marks,
            told: Some(
                "3 actions are left out: 2 by choice, 1 that cannot be done without.".to_owned(),
            ),
            look,
        }
        .to_string()
    };
    let day = sample::everyday();
    let page = |id: &str| why(&day, id, &columns(60)).unwrap().to_string();
    insta::assert_snapshot!(album(&[
        (
            "a file left out, a question answered",
            text(&plan, &columns(80))
        ),
        ("row by row", table(&columns(80))),
        ("row by row, 40 columns", table(&columns(40))),
        ("row by row, ASCII", table(&ascii(columns(60)))),
        ("why a file goes", page("a_0000000000000007")),
        ("why a row is held", page("a_held")),
        ("what is asked", page("d_")),
        ("what a change does", page("c_0000000000000003")),
    ]));
}

#[test]
fn for_others() {
    let day = sample::everyday();
    let redacted = Redactor::of(&day, []).plan(&day);
    insta::assert_snapshot!(album(&[
        ("Markdown", markdown(&day, None, 65_536)),
        ("Markdown in 600 bytes", markdown(&day, None, 600)),
        (
            "Markdown in 900 bytes of a large plan",
            markdown(&many(40, 40), None, 900)
        ),
        ("without names", text(&redacted, &columns(80))),
        ("without names, Markdown", markdown(&redacted, None, 65_536)),
    ]));
}
