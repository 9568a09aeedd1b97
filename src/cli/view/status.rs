//! The home page: where things stand, and what to type next.

use std::fmt;

use serde::Serialize;

use crate::{
    cli::approvals::Agreed,
    domain::State,
    edge::store::{ApplyRow, ApplyStatus},
    plan::document::Summary,
};

use super::{
    Look,
    db::sync::{ChangeLine, change_lines},
    history,
    plan::summary,
    text::{bytes, count, number, pad, visible, width},
};

/// Where things stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The policy file.
    pub policy: String,
    /// The library's folder.
    pub library: String,
    /// Of the library; `None` before `init`, and while it is away.
    pub library_id: Option<String>,
    /// It had its marker once, and has none now.
    pub library_lost: bool,
    /// The state database.
    pub database: String,
    pub tracked: Tracked,
    pub last_apply: Option<ApplyRow>,
    /// Who is applying right now, such as `process 4711`.
    pub running: Option<String>,
    /// The saved reading that the policy names instead of the service.
    pub tidal_file: Option<String>,
    /// When TIDAL was last read completely.
    pub tidal_read_at: Option<jiff::Timestamp>,
    pub trash: Trash,
    /// Plans that people agreed to and nobody applied.
    pub approved: Vec<Agreed>,
    /// The freeze that is on, in words.
    pub frozen: Option<String>,
    /// What the last reading of TIDAL has that the state does not know yet, by playlist.
    pub changes: Vec<ChangeLine>,
    /// What a plan from the last reading of TIDAL would do; `None` when there is no reading.
    pub pending: Option<Summary>,
    /// When the oldest of what is pending was in a plan for the first time.
    pub pending_since: Option<jiff::Timestamp>,
    /// The same of what is held back.
    pub held_since: Option<jiff::Timestamp>,
    /// When the apply began that is neither finished nor taken back.
    pub unfinished_since: Option<jiff::Timestamp>,
    /// Why what is pending cannot be told, where something is wrong.
    pub problem: Option<String>,
    /// What to type next, the most urgent first.
    pub next: Vec<Recommendation>,
}

/// So many changes of TIDAL stand on the home page.
const CHANGES_SHOWN: usize = 8;

/// What the state knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tracked {
    /// Playlists that are in TIDAL.
    pub playlists: usize,
    /// Playlists that are gone from TIDAL.
    pub playlists_gone: usize,
    pub tracks: usize,
    /// Tracks that have a file.
    pub with_file: usize,
    /// Tracks that have a Rekordbox row.
    pub in_rekordbox: usize,
}

fn held_back(held: usize) -> String {
    match held {
        1 => "one is".to_owned(),
        held => format!("{} are", number(held as u64)),
    }
}

/// What lies in the trash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Trash {
    pub files: usize,
    pub bytes: u64,
}

impl Tracked {
    /// Counts what `state` remembers.
    #[must_use]
    pub fn of(state: &State) -> Self {
        let gone = state
            .playlists
            .values()
            .filter(|list| list.deleted_at.is_some())
            .count();
        Self {
            playlists: state.playlists.len() - gone,
            playlists_gone: gone,
            tracks: state.tracks.len(),
            with_file: state
                .tracks
                .values()
                .filter(|track| track.file.is_some())
                .count(),
            in_rekordbox: state
                .tracks
                .values()
                .filter(|track| track.content.is_some())
                .count(),
        }
    }
}

/// A command worth typing, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recommendation {
    pub command: String,
    pub why: String,
}

impl Recommendation {
    /// That command for that reason.
    pub fn new(command: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            why: why.into(),
        }
    }
}

impl Status {
    /// The same, with what to type next.
    #[must_use]
    pub fn advised(mut self) -> Self {
        self.next = self.advice();
        self
    }

    fn advice(&self) -> Vec<Recommendation> {
        let status = self.last_apply.as_ref().map(|apply| apply.status);
        if self.library_lost {
            return vec![Recommendation::new(
                "tidal-cleanup status",
                "again, once the library's drive is connected",
            )];
        }
        if self.library_id.is_none() {
            return vec![Recommendation::new(
                "tidal-cleanup init",
                "mark the library folder as ours to manage",
            )];
        }
        match status {
            Some(ApplyStatus::Running) if self.running.is_some() => vec![Recommendation::new(
                "tidal-cleanup status",
                "again, when the apply has ended",
            )],
            Some(ApplyStatus::Running | ApplyStatus::Partial) => vec![
                Recommendation::new("tidal-cleanup apply --resume", "finish the last apply"),
                Recommendation::new("tidal-cleanup undo", "or take it back"),
            ],
            Some(ApplyStatus::Completed | ApplyStatus::Undone) | None => self.daily_advice(),
        }
    }

    /// Where nothing is unfinished: by what waits.
    fn daily_advice(&self) -> Vec<Recommendation> {
        let plan = |why: String| Recommendation::new("tidal-cleanup plan --out plan.json", why);
        let Some(pending) = &self.pending else {
            return match &self.problem {
                Some(_) => vec![Recommendation::new(
                    "tidal-cleanup doctor",
                    "find out what is wrong, and what helps",
                )],
                None => vec![plan("read TIDAL for the first time".to_owned())],
            };
        };
        let mut next = Vec::new();
        if pending.decide > 0 {
            let questions = count(pending.decide, "question", "questions");
            next.push(Recommendation::new(
                "tidal-cleanup decide",
                format!("answer {questions}"),
            ));
        }
        let Summary {
            add,
            change,
            moves,
            remove,
            trash,
            tidal,
            adopt,
            decide: _,
            held,
        } = pending;
        match add + change + moves + remove + trash + tidal + adopt {
            0 => next.push(plan("look whether TIDAL has something new".to_owned())),
            some => {
                let rows = count(some, "change that waits", "changes that wait");
                next.push(plan(format!("read the {rows}")));
                // A freeze refuses it.
                if self.frozen.is_none() {
                    next.push(Recommendation::new(
                        "tidal-cleanup apply plan.json",
                        "then make them; it asks first",
                    ));
                }
            }
        }
        if *held > 0 {
            next.push(Recommendation::new(
                "tidal-cleanup plan -v",
                format!("see why {} held back", held_back(*held)),
            ));
        }
        next
    }

    /// As a screen.
    #[must_use]
    pub const fn view<'a>(&'a self, look: &'a Look) -> StatusView<'a> {
        StatusView { status: self, look }
    }
}

/// The home page as a screen.
pub struct StatusView<'a> {
    status: &'a Status,
    look: &'a Look,
}

impl fmt::Display for StatusView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        let look = self.look;
        let id = status.library_id.as_deref().map(|id| format!(" ({id})"));
        let away = match status.library_lost {
            true => ", not there: its marker cannot be found",
            false => ", not initialised",
        };
        let tracked = status.tracked;
        let gone = match tracked.playlists_gone {
            0 => String::new(),
            gone => format!(", {} gone from TIDAL", number(gone as u64)),
        };
        let last = status.last_apply.as_ref();
        let trash = match status.trash.files {
            _ if status.library_lost => "not known".to_owned(),
            0 => "empty".to_owned(),
            files => format!(
                "{}, {}",
                count(files, "file", "files"),
                bytes(status.trash.bytes)
            ),
        };
        let pending = status
            .pending
            .as_ref()
            .map(|pending| match summary(pending) {
                nothing if nothing.is_empty() => {
                    "nothing, as of the last reading of TIDAL".to_owned()
                }
                some => match status.pending_since {
                    Some(at) => format!("{}; the oldest since {}", some.join(", "), look.time(at)),
                    None => some.join(", "),
                },
            });
        let held = status.pending.as_ref().map_or(0, |pending| pending.held);
        let held = (held > 0).then(|| match status.held_since {
            Some(at) => format!(
                "{}, the oldest since {}",
                number(held as u64),
                look.time(at)
            ),
            None => number(held as u64),
        });
        let held = held.map(|held| ("Held back", held));
        let unfinished = status.unfinished_since;
        let unfinished = unfinished.map(|at| ("Unfinished", format!("since {}", look.time(at))));
        let facts = [
            ("Policy", visible(&status.policy).into_owned()),
            (
                "Library",
                format!(
                    "{}{}",
                    visible(&status.library),
                    id.unwrap_or_else(|| away.to_owned())
                ),
            ),
            ("State", visible(&status.database).into_owned()),
            (
                "Playlists",
                format!("{} tracked{gone}", number(tracked.playlists as u64)),
            ),
            (
                "Tracks",
                format!(
                    "{} tracked, {} with a file, {} in Rekordbox",
                    number(tracked.tracks as u64),
                    number(tracked.with_file as u64),
                    number(tracked.in_rekordbox as u64)
                ),
            ),
            (
                "TIDAL",
                match (&status.tidal_file, status.tidal_read_at) {
                    (Some(file), _) => format!("from the file {}", visible(file)),
                    (None, Some(at)) => format!("read {}", look.time(at)),
                    (None, None) => "never read".to_owned(),
                },
            ),
            (
                "Last apply",
                match (last, &status.running) {
                    (None, _) => "none".to_owned(),
                    (Some(apply), Some(holder)) if apply.status == ApplyStatus::Running => {
                        format!("{}, running ({holder})", apply.id)
                    }
                    (Some(apply), _) => history::in_a_line(apply, look),
                },
            ),
            (
                "Pending",
                pending.unwrap_or_else(|| match &status.problem {
                    Some(problem) => format!("not known: {}", visible(problem)),
                    None => "not known before a plan has read TIDAL".to_owned(),
                }),
            ),
            ("Trash", trash),
        ];
        let frozen = status.frozen.as_ref();
        let frozen = frozen.map(|frozen| ("Frozen", visible(frozen).into_owned()));
        // The few newest; `--json` has them all.
        let approved = status.approved.iter().take(3).map(Agreed::in_words);
        let approved = approved.map(|words| ("Approved", visible(&words).into_owned()));
        let facts: Vec<_> = facts
            .into_iter()
            .chain(held)
            .chain(unfinished)
            .chain(approved)
            .chain(frozen)
            .collect();
        facts_lines(&facts, look, f)?;
        writeln!(f)?;
        self.changed(f)?;
        recommendations("Next", &status.next, look, f)
    }
}

impl StatusView<'_> {
    /// What is new in TIDAL, in sentences; nothing where nothing is.
    fn changed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, look) = (self.status, self.look);
        if status.changes.is_empty() {
            return Ok(());
        }
        let since = match &status.last_apply {
            Some(apply) => format!("Changed in TIDAL since apply {}", apply.id),
            None => "In TIDAL, and not here yet".to_owned(),
        };
        writeln!(f, "{}", look.bold(&since))?;
        // One more than fits is no reason to send people elsewhere.
        let shown = match status.changes.len() {
            all if all <= CHANGES_SHOWN + 1 => all,
            _ => CHANGES_SHOWN,
        };
        change_lines(&status.changes[..shown], look, f)?;
        let more = status.changes.len() - shown;
        if more > 0 {
            let more = format!(
                "and {} more: `tidal-cleanup db sync --check` lists them",
                number(more as u64)
            );
            f.write_str(&super::rows::paragraph(&more, 4, look))?;
        }
        writeln!(f)
    }
}

/// `Name      value`, values below each other, broken to the width of the terminal.
pub(super) fn facts_lines(
    facts: &[(&str, String)],
    look: &Look,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let widest = facts.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    for (name, value) in facts {
        let text = super::rows::paragraph(value, widest + 2, look);
        writeln!(f, "{}  {}", look.bold(&pad(name, widest)), text.trim())?;
    }
    Ok(())
}

/// Commands to copy, and what they are for.
pub(super) fn recommendations(
    title: &str,
    commands: &[Recommendation],
    look: &Look,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    if commands.is_empty() {
        return Ok(());
    }
    writeln!(f, "{}", look.bold(title))?;
    let widest = commands
        .iter()
        .map(|next| width(&next.command))
        .max()
        .unwrap_or(0);
    let side_by_side = look.width.is_none_or(|columns| {
        commands
            .iter()
            .all(|next| widest + width(&next.why) + 4 <= columns)
    });
    for Recommendation { command, why } in commands {
        match side_by_side {
            true => writeln!(f, "  {}  {}", pad(command, widest), look.dim(why))?,
            // A command must stay whole, or it cannot be copied.
            false => writeln!(f, "  {command}\n      {}", look.dim(why))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::apply::tests::{apply, at};
    use crate::plan::document::ChangeKind;

    fn status() -> Status {
        Status {
            policy: "/home/dj/sets/tidal-cleanup.toml".to_owned(),
            library: "/home/dj/Music/Tidal".to_owned(),
            library_id: Some("0b5e3a52-5c0f-4c43-9d1c-6d6b2a3b6b7e".to_owned()),
            database: "/home/dj/.tidal-cleanup/sync.db".to_owned(),
            tracked: Tracked {
                playlists: 45,
                playlists_gone: 1,
                tracks: 2347,
                with_file: 2341,
                in_rekordbox: 2300,
            },
            last_apply: Some(apply(12, ApplyStatus::Completed)),
            library_lost: false,
            running: None,
            tidal_file: None,
            problem: None,
            tidal_read_at: Some(at("2026-11-22T09:40:00Z")),
            trash: Trash {
                files: 2,
                bytes: 76_000_000,
            },
            approved: Vec::new(),
            frozen: None,
            changes: Vec::new(),
            pending: Some(Summary {
                add: 3,
                held: 2,
                ..Summary::default()
            }),
            pending_since: Some(at("2026-11-20T18:00:00Z")),
            held_since: Some(at("2026-11-01T08:30:00Z")),
            unfinished_since: None,
            next: Vec::new(),
        }
    }

    #[test]
    fn the_home_page() {
        insta::assert_snapshot!(status().advised().view(&Look::plain()), @"
        Policy      /home/dj/sets/tidal-cleanup.toml
        Library     /home/dj/Music/Tidal (0b5e3a52-5c0f-4c43-9d1c-6d6b2a3b6b7e)
        State       /home/dj/.tidal-cleanup/sync.db
        Playlists   45 tracked, 1 gone from TIDAL
        Tracks      2,347 tracked, 2,341 with a file, 2,300 in Rekordbox
        TIDAL       read 2026-11-22 09:40
        Last apply  12, 2026-11-22 09:40, apply: 41 done
        Pending     3 to add, 2 held back; the oldest since 2026-11-20 18:00
        Trash       2 files, 76 MB
        Held back   2, the oldest since 2026-11-01 08:30

        Next
          tidal-cleanup plan --out plan.json  read the 3 changes that wait
          tidal-cleanup apply plan.json       then make them; it asks first
          tidal-cleanup plan -v               see why 2 are held back
        ");
    }

    fn change(kind: ChangeKind, symbol: char, playlist: &str, count: usize) -> ChangeLine {
        ChangeLine {
            symbol,
            kind,
            playlist: playlist.to_owned(),
            playlist_id: playlist.to_owned(),
            count,
            note: String::new(),
        }
    }

    #[test]
    fn what_changed_in_tidal_is_told_in_sentences() {
        let mut status = status();
        status.changes = vec![
            change(ChangeKind::TrackAddedToPlaylist, '+', "House Italo R 🇮🇹", 2),
            change(ChangeKind::PlaylistAdded, '+', "Minimal Deep 💎", 1),
            change(ChangeKind::PlaylistRemoved, '-', "Summer", 1),
        ];
        let text = status.clone().advised().view(&Look::plain()).to_string();
        insta::assert_snapshot!(&text[text.find("Changed").unwrap()..], @r#"
        Changed in TIDAL since apply 12
          + 2 new tracks in "House Italo R 🇮🇹"
          + new playlist "Minimal Deep 💎"
          - "Summer" is gone from TIDAL

        Next
          tidal-cleanup plan --out plan.json  read the 3 changes that wait
          tidal-cleanup apply plan.json       then make them; it asks first
          tidal-cleanup plan -v               see why 2 are held back
        "#);
        status.last_apply = None;
        let many = (0..20).map(|at| change(ChangeKind::PlaylistAdded, '+', &format!("L{at}"), 1));
        status.changes = many.collect();
        let text = status.advised().view(&Look::plain()).to_string();
        assert!(text.contains("In TIDAL, and not here yet\n"), "{text}");
        assert_eq!(text.matches("new playlist").count(), CHANGES_SHOWN);
        assert!(
            text.contains("and 12 more: `tidal-cleanup db sync --check` lists them"),
            "{text}"
        );
    }

    #[test]
    fn what_to_type_next_is_what_waits() {
        let commands = |status: &Status| {
            let next = status.clone().advised().next;
            let commands = next.into_iter().map(|next| next.command);
            commands.collect::<Vec<_>>().join("; ")
        };
        let mut status = status();
        let mut pending = Summary {
            decide: 3,
            ..Summary::default()
        };
        status.pending = Some(pending);
        assert_eq!(
            commands(&status),
            "tidal-cleanup decide; tidal-cleanup plan --out plan.json"
        );
        pending.add = 1;
        status.pending = Some(pending);
        status.frozen = Some("until tomorrow".to_owned());
        assert!(!commands(&status).contains("apply"), "a freeze refuses it");
        status.frozen = None;
        assert!(commands(&status).contains("tidal-cleanup apply plan.json"));
        status.pending = None;
        assert_eq!(commands(&status), "tidal-cleanup plan --out plan.json");
        status.problem = Some("TC101: nobody knows".to_owned());
        assert_eq!(commands(&status), "tidal-cleanup doctor");
    }

    #[test]
    fn sixty_columns_and_an_unfinished_apply() {
        let mut status = status();
        status.last_apply = Some(apply(12, ApplyStatus::Running));
        status.unfinished_since = Some(at("2026-11-22T09:40:00Z"));
        let look = Look {
            width: Some(60),
            ..Look::plain()
        };
        let text = status.advised().view(&look).to_string();
        assert!(text.lines().all(|line| width(line) <= 60), "{text}");
        insta::assert_snapshot!(text, @"
        Policy      /home/dj/sets/tidal-cleanup.toml
        Library     /home/dj/Music/Tidal
                    (0b5e3a52-5c0f-4c43-9d1c-6d6b2a3b6b7e)
        State       /home/dj/.tidal-cleanup/sync.db
        Playlists   45 tracked, 1 gone from TIDAL
        Tracks      2,347 tracked, 2,341 with a file, 2,300 in
                    Rekordbox
        TIDAL       read 2026-11-22 09:40
        Last apply  12, 2026-11-22 09:40, apply: unfinished: 41
                    done, 0 to go
        Pending     3 to add, 2 held back; the oldest since
                    2026-11-20 18:00
        Trash       2 files, 76 MB
        Held back   2, the oldest since 2026-11-01 08:30
        Unfinished  since 2026-11-22 09:40

        Next
          tidal-cleanup apply --resume  finish the last apply
          tidal-cleanup undo            or take it back
        ");
    }

    #[test]
    fn a_library_that_is_away_is_not_to_be_made_anew() {
        let mut status = status();
        status.library_id = None;
        status.library_lost = true;
        status.pending = None;
        status.problem = Some("TC101: the library is not there".to_owned());
        let text = status.advised().view(&Look::plain()).to_string();
        assert!(!text.contains("init"), "{text}");
        assert!(text.contains("not known: TC101"), "{text}");
    }

    #[test]
    fn a_freeze_that_is_on_is_told() {
        let mut status = status();
        status.frozen = Some("until 2026-12-01 06:00 (the gig)".to_owned());
        let text = status.advised().view(&Look::plain()).to_string();
        assert!(
            text.contains("Frozen      until 2026-12-01 06:00 (the gig)\n"),
            "{text}"
        );
    }

    #[test]
    fn what_people_agreed_to_is_told() {
        let mut status = status();
        status.approved = vec![Agreed {
            digest: "sha256:9f2c41d0aa".to_owned(),
            who: vec!["ben".to_owned()],
            needed: 2,
            at: at("2026-11-22T09:40:00Z"),
        }];
        let text = status.advised().view(&Look::plain()).to_string();
        assert!(
            text.contains("Approved    9f2c41d0 by ben (1 of 2)\n"),
            "{text}"
        );
    }

    #[test]
    fn a_running_apply_is_not_to_be_resumed() {
        let mut status = status();
        status.last_apply = Some(apply(12, ApplyStatus::Running));
        status.running = Some("process 4711".to_owned());
        let text = status.advised().view(&Look::plain()).to_string();
        assert!(text.contains("12, running (process 4711)"), "{text}");
        assert!(!text.contains("--resume"), "{text}");
    }
}
