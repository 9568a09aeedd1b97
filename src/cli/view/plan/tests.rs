use super::effect::is_trash;
use super::*;
use crate::{
    cli::view::{
        sample::{self, Sample},
        text::width,
    },
    plan::document::CheckStatus,
};

fn show(plan: &Plan, look: &Look) -> String {
    PlanView {
        plan,
        look,
        saved: Some("plan.json"),
        undo_until: Some(jiff::civil::date(2026, 12, 22)),
    }
    .to_string()
}

#[test]
fn a_day_as_a_dj_sees_it() {
    insta::assert_snapshot!(show(&sample::everyday(), &Look::plain()), @r#"
    House Italo R 🇮🇹  (44 → 47)
      + Tornado Wallace – Today  download, about 38 MB
      + Jex Opolis – Earth Boy   file already here
      > Todd Terje – Ragysh      from "Party Mix 🎉", 4 hot cues kept
    Party Mix 🎉  (14 → 12)
      ~ Camel – Rajaz     title
      - Kiasmos – Looped  file stays
    Files
      x Playlists/Old/dup (1).mp3  duplicate of Old/dup.flac · rule dupes (tidal-cleanup.toml:64) · undo until 2026-12-22 · 9.1 MB
    Held back
      # Floating Points – Silhouettes  would trash · protect "cues" (line 22): 7 hot cues
    Decide
      ? Which file is “Camel – Rajaz (Live)”?  unanswered: defer
          [1] Own/Camel - Rajaz.flac (likeness 91: same title, same artist; against it: version: live ≠ studio)
          [none] none of these: the next plan downloads it

    Plan: 2 to add, 1 to change, 1 to move, 1 to remove, 1 to trash, 1 to decide, 1 held back. Download 38 MB. Digest 9f2c41d0. Saved plan.json.
    "#);
}

#[test]
fn sixty_columns_are_enough_and_nothing_is_lost_without_a_limit() {
    let look = Look {
        width: Some(60),
        ..Look::plain()
    };
    let text = show(&sample::everyday(), &look);
    for line in text.lines() {
        assert!(width(line) <= 60, "{line}\n\n{text}");
    }
    insta::assert_snapshot!(text, @r#"
    House Italo R 🇮🇹  (44 → 47)
      + Tornado Wallace – Today  download, about 38 MB
      + Jex Opolis – Earth Boy   file already here
      > Todd Terje – Ragysh      from "Party Mix 🎉", 4 hot cue…
    Party Mix 🎉  (14 → 12)
      ~ Camel – Rajaz     title
      - Kiasmos – Looped  file stays
    Files
      x Playlists/Old/dup (1).mp3  duplicate of Old/dup.flac · …
    Held back
      # Floating Points – Silhouettes  would trash · protect "c…
    Decide
      ? Which file is “Camel – Rajaz …  unanswered: defer
          [1] Own/Camel - Rajaz.flac (likeness 91: same
              title, same artist; against it: version: live ≠
              studio)
          [none] none of these: the next plan downloads it

    Plan: 2 to add, 1 to change, 1 to move, 1 to remove, 1 to
    trash, 1 to decide, 1 held back. Download 38 MB. Digest
    9f2c41d0. Saved plan.json.
    "#);
}

#[test]
fn verbose_gives_reason_place_evidence_and_both_sides() {
    let look = Look {
        verbose: true,
        width: Some(80),
        ..Look::plain()
    };
    insta::assert_snapshot!(show(&sample::everyday(), &look), @r#"
    House Italo R 🇮🇹  (44 → 47)
      + Tornado Wallace – Today  download, about 38 MB
          file.fetch  a_0000000000000001
            download  + Playlists/list-0/Tornado Wallace – Today.*
          rb.content.add  a_0000000000000002
            Rekordbox  + the downloaded file
      + Jex Opolis – Earth Boy   file already here
          state.adopt  a_0000000000000003
            file  + Own/Jex Opolis – Earth Boy.flac
      > Todd Terje – Ragysh      from "Party Mix 🎉", 4 hot cues kept
          file.place  a_0000000000000004
            file  Playlists/list-1/Todd Terje – Ragysh.mp3
                │ Playlists/list-0/Todd Terje – Ragysh.mp3
          rb.content.relocate  a_0000000000000005
            Rekordbox  Playlists/list-1/Todd Terje – Ragysh.mp3
                     │ Playlists/list-0/Todd Terje – Ragysh.mp3
            work 4 hot cues
    Party Mix 🎉  (14 → 12)
      ~ Camel – Rajaz     title
          rb.content.update  a_0000000000000006
            title  Rajaz (2019) │ Rajaz
      - Kiasmos – Looped  file stays
    Files
      x Playlists/Old/dup (1).mp3  duplicate of Old/dup.flac · rule dupes (tidal-cl…
          file.trash  a_0000000000000007
            file  - Playlists/Old/dup (1).mp3
            size  - 9.1 MB
            why  duplicate of Old/dup.flac · rule dupes (tidal-cleanup.toml:64)
            seen same ISRC US4XK8800106; lossless is kept
    Held back
      # Floating Points – Silhouettes  would trash · protect "cues" (line 22): 7 ho…
          a_held000000000001
            why  would trash · protect "cues" (line 22): 7 hot cues ·
                 tidal-cleanup.toml:22
    Decide
      ? Which file is “Camel – Rajaz (Live)”?  unanswered: defer
          [1] Own/Camel - Rajaz.flac (likeness 91: same title, same artist;
              against it: version: live ≠ studio)
          [none] none of these: the next plan downloads it
          d_0000000000000001

    Plan: 2 to add, 1 to change, 1 to move, 1 to remove, 1 to trash, 1 to decide, 1
    held back. Download 38 MB. Digest 9f2c41d0. Saved plan.json.
    "#);
}

#[test]
fn no_changes_is_one_line() {
    insta::assert_snapshot!(show(&Sample::new().plan(), &Look::plain()), @"No changes. 45 playlists, 2,347 files and Rekordbox are as they should be. Saved plan.json.");
}

#[test]
fn a_refused_plan_says_so() {
    let mut plan = sample::everyday();
    plan.body.applyable = false;
    plan.body.checks[0].status = CheckStatus::Refuse;
    plan.body.checks[0].value = Some(30);
    plan.body.checks[0].text = "allow it with --allow remove=30 --because TEXT".to_owned();
    let text = show(&plan, &Look::plain());
    let tail = &text[text.find("Checks").unwrap()..];
    insta::assert_snapshot!(tail, @"
    Checks
      ! TC201 max_remove  refused · 30 of 25 · allow it with --allow remove=30 --because TEXT

    Plan: 2 to add, 1 to change, 1 to move, 1 to remove, 1 to trash, 1 to decide, 1 held back. Download 38 MB. Digest 9f2c41d0. Saved plan.json. It cannot be applied.
    ");
}

#[test]
fn colour_is_only_colour() {
    let look = Look {
        color: true,
        ..Look::plain()
    };
    let (plain, colored) = (
        show(&sample::everyday(), &Look::plain()),
        show(&sample::everyday(), &look),
    );
    assert_ne!(plain, colored);
    assert_eq!(console::strip_ansi_codes(&colored), plain);
}

#[test]
fn an_undo_shows_every_action() {
    insta::assert_snapshot!(show(&sample::undo(), &Look::plain()), @"
    Rekordbox
      ~ Todd Terje – Ragysh  Rekordbox as before
    Files
      + Playlists/Old/dup (1).mp3                        back from the trash
      > Playlists/House Italo R/Todd Terje - Ragysh.mp3  to Playlists/Party Mix/Todd Terje - Ragysh.mp3
      ~ House Italo R 🇮🇹                                 remembered as before

    Plan: 1 to add, 2 to change, 1 to move. Digest 9f2c41d0. Saved plan.json.
    ");
}

#[test]
fn one_action_explains_itself() {
    let plan = sample::everyday();
    let trash = plan
        .body
        .actions
        .iter()
        .find(|action| is_trash(&action.effect))
        .unwrap();
    let page = why(&plan, trash.id.as_str(), &Look::plain()).unwrap();
    insta::assert_snapshot!(page, @r#"
    x Playlists/Old/dup (1).mp3
        file.trash  a_0000000000000007
          file  - Playlists/Old/dup (1).mp3
          size  - 9.1 MB
          why  duplicate of Old/dup.flac · rule dupes (tidal-cleanup.toml:64)
          seen same ISRC US4XK8800106; lossless is kept
        only if
          {"is":"file","path":"Playlists/Old/dup (1).mp3","size":9100000,"mtime":[1731062400,0]}
    "#);
    assert_eq!(why(&plan, "a_nothing", &Look::plain()).unwrap_err(), 0);
    assert!(why(&plan, "a_", &Look::plain()).unwrap_err() > 1);
}

#[test]
fn every_removal_has_a_line_however_many_there_are() {
    let mut sample = Sample::new();
    let list = sample.playlist("Big", 100);
    for number in 0..300 {
        let track = sample.track("Artist", &format!("Song {number}"));
        sample.added(&list, &track, 30_000_000);
        sample.trashed(&format!("Playlists/Old/{number}.mp3"));
    }
    let text = show(&sample.plan(), &Look::plain());
    assert_eq!(text.matches("  x Playlists/Old/").count(), 300);
    assert_eq!(text.matches("  + Artist").count(), 10);
    assert!(
        text.contains("… and 290 more: 290 + (-v shows all)"),
        "{text}"
    );
}

#[test]
fn an_undo_speaks_of_taking_back_and_not_of_tidal() {
    let mut plan = sample::everyday();
    plan.body.mode = crate::plan::document::Mode::Undo;
    plan.body.changes[0].kind = crate::plan::document::ChangeKind::PlaylistRemoved;
    plan.body.changes[0].track = None;
    let text = show(&plan, &Look::plain());
    assert!(text.contains("(goes again)"), "{text}");
    assert!(!text.contains("gone from TIDAL"), "{text}");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let mut sample = Sample::new();
    let names = [
        "A very long name of a playlist that goes on and on and on and on and on and on and on",
        "日本語のとても長いプレイリストの名前がここに続いて続いて続いて続いて続く",
        "👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧 🇮🇹🇩🇪🇫🇷🇯🇵 e\u{301}e\u{301} العربية 🏳️‍🌈🏳️‍🌈🏳️‍🌈🏳️‍🌈🏳️‍🌈🏳️‍🌈🏳️‍🌈🏳️‍🌈🏳️‍🌈",
    ];
    for name in names {
        let list = sample.playlist(name, 1000);
        let track = sample.track(name, name);
        sample.added(&list, &track, 30_000_000);
        sample.trashed(&format!("Playlists/{name}/{name}.mp3"));
    }
    let long = sample.plan();
    for plan in [&sample::everyday(), &sample::undo(), &long] {
        for columns in (40..=200).step_by(8) {
            for (verbose, ascii) in [(false, false), (true, false), (false, true), (true, true)] {
                let look = Look {
                    width: Some(columns),
                    verbose,
                    ascii,
                    ..Look::plain()
                };
                let tree = crate::cli::view::tree::TreeView { plan, look: &look };
                for line in format!("{}{tree}", show(plan, &look)).lines() {
                    let taken = crate::cli::view::text::width(line);
                    assert!(taken <= columns, "{taken} of {columns}: {line}");
                    assert!(!ascii || line.is_ascii(), "{line}");
                }
            }
        }
    }
}
