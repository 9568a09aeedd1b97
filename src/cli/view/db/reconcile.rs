//! `db reconcile`: the files that are there against the files that we remember.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;

use crate::domain::{
    Library, PlaylistId, Provenance, State, TrackId,
    state::{FileRole, FileRow},
};

use super::super::{
    Look,
    rows::{Row, Rows, Symbol, paragraph},
    text::{bytes, count, number},
};

/// What a comparison of files and state finds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reconcile {
    /// Audio files seen.
    pub files: usize,
    /// How long it took.
    pub milliseconds: u64,
    /// Whether every folder could be read; only then is what is missing really missing.
    pub complete: bool,
    /// Tracks that should have a file, and whose file is not there.
    pub missing: Vec<Missing>,
    /// Files of ours that are in no TIDAL playlist.
    pub orphaned: Vec<Orphan>,
    /// Files of ours whose size is not what we wrote.
    pub changed: Vec<String>,
    /// Files that we don't manage.
    pub foreign: usize,
}

/// A file that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// `Artist – Title`
    pub track: String,
    pub path: String,
    /// Playlists that it is in.
    pub playlists: Vec<String>,
}

/// A file that nothing needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Orphan {
    pub path: String,
    pub bytes: u64,
    pub provenance: Provenance,
    /// A playlist that is gone from TIDAL and had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_in: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<jiff::Timestamp>,
}

impl Reconcile {
    /// Compares what was seen with what is remembered.
    #[must_use]
    pub fn of(state: &State, library: &Library, milliseconds: u64) -> Self {
        let wanted = wanted(state);
        let tracks = || {
            state
                .files
                .values()
                .filter(|file| file.role == FileRole::Track)
        };
        let missing = tracks().filter(|file| library.file(&file.path).is_none());
        let there = || tracks().filter_map(|file| Some((file, library.file(&file.path)?)));
        let ours = || there().filter(|(file, _)| file.provenance.is_ours());
        let is_wanted = |file: &FileRow| {
            file.track
                .as_ref()
                .is_some_and(|track| wanted.contains_key(track))
        };
        let foreign = library
            .files
            .iter()
            .filter(|file| !state.provenance(&file.path).is_ours());
        Self {
            files: library.files.len(),
            milliseconds,
            complete: library.unreadable.is_empty(),
            missing: missing
                .map(|file| missing_file(file, state, &wanted))
                .collect(),
            orphaned: ours()
                .filter(|(file, _)| !is_wanted(file))
                .map(|(file, seen)| orphan(file, seen.stat.size, state))
                .collect(),
            changed: ours()
                .filter(|(file, seen)| file.size != seen.stat.size)
                .map(|(file, _)| file.path.to_string())
                .collect(),
            foreign: foreign.count(),
        }
    }

    /// As a screen.
    #[must_use]
    pub const fn view<'a>(&'a self, look: &'a Look) -> ReconcileView<'a> {
        ReconcileView { found: self, look }
    }
}

/// Tracks that a live playlist has in TIDAL, and which.
fn wanted(state: &State) -> BTreeMap<&TrackId, BTreeSet<&PlaylistId>> {
    let mut wanted: BTreeMap<&TrackId, BTreeSet<&PlaylistId>> = BTreeMap::new();
    for list in state
        .playlists
        .values()
        .filter(|list| list.deleted_at.is_none())
    {
        for entry in list.entries.iter().filter(|entry| entry.in_tidal) {
            wanted.entry(&entry.track).or_default().insert(&list.id);
        }
    }
    wanted
}

fn missing_file(
    file: &FileRow,
    state: &State,
    wanted: &BTreeMap<&TrackId, BTreeSet<&PlaylistId>>,
) -> Missing {
    let row = file.track.as_ref().and_then(|id| state.tracks.get(id));
    let lists = file.track.as_ref().and_then(|id| wanted.get(id));
    let names = lists
        .into_iter()
        .flatten()
        .filter_map(|id| state.playlists.get(*id));
    Missing {
        track: row.map_or_else(|| file.path.file_stem(), |row| row.track.label()),
        path: file.path.to_string(),
        playlists: names.map(|list| list.name.clone()).collect(),
    }
}

fn orphan(file: &FileRow, bytes: u64, state: &State) -> Orphan {
    let had = |track: &TrackId| {
        let gone = state
            .playlists
            .values()
            .filter(|list| list.deleted_at.is_some());
        gone.filter(|list| list.entries.iter().any(|entry| &entry.track == track))
            .max_by_key(|list| list.deleted_at)
    };
    let last = file.track.as_ref().and_then(had);
    Orphan {
        path: file.path.to_string(),
        bytes,
        provenance: file.provenance,
        last_in: last.map(|list| list.name.clone()),
        until: last.and_then(|list| list.deleted_at),
    }
}

/// The screen.
pub struct ReconcileView<'a> {
    found: &'a Reconcile,
    look: &'a Look,
}

impl fmt::Display for ReconcileView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (found, look) = (self.found, self.look);
        let files = count(found.files, "file", "files");
        let seconds =
            super::super::apply::took(i64::try_from(found.milliseconds).unwrap_or(i64::MAX));
        writeln!(
            f,
            "Compared the library with the database: {files}, {seconds}"
        )?;
        writeln!(f)?;
        if !found.complete {
            writeln!(
                f,
                "! Some folders could not be read: what is missing may be in them.\n"
            )?;
        }
        if found.missing.is_empty() && found.orphaned.is_empty() && found.changed.is_empty() {
            let text = format!(
                "Everything is where it should be.{}",
                foreign(found.foreign)
            );
            return f.write_str(&paragraph(&text, 0, look));
        }
        writeln!(f, "{}", look.bold("Found"))?;
        let lines = [
            (
                found.missing.len(),
                "track in the database but missing from the library",
                "tracks in the database but missing from the library",
            ),
            (
                found.orphaned.len(),
                "orphaned file (in no TIDAL playlist)",
                "orphaned files (in no TIDAL playlist)",
            ),
            (
                found.changed.len(),
                "file that is not as it was written",
                "files that are not as they were written",
            ),
        ];
        for (number, one, many) in lines.iter().filter(|(number, ..)| *number > 0) {
            writeln!(f, "  ! {}", count(*number, one, many))?;
        }
        let missing: Vec<Row> = found.missing.iter().map(missing_row).collect();
        let orphaned: Vec<Row> = found
            .orphaned
            .iter()
            .map(|orphan| orphan_row(orphan, look))
            .collect();
        let changed: Vec<Row> = found
            .changed
            .iter()
            .map(|path| Row::of_path(Symbol::Change, path, ""))
            .collect();
        for (title, rows) in [
            ("Missing", missing),
            ("Orphaned", orphaned),
            ("Changed", changed),
        ] {
            if !rows.is_empty() {
                writeln!(f, "\n{}", look.bold(title))?;
                write!(f, "{}", Rows { rows: &rows, look })?;
            }
        }
        Ok(())
    }
}

fn foreign(number_of: usize) -> String {
    match number_of {
        0 => String::new(),
        1 => " 1 file is your own and was only looked at.".to_owned(),
        some => format!(
            " {} files are your own and were only looked at.",
            number(some as u64)
        ),
    }
}

fn missing_row(missing: &Missing) -> Row {
    let lists: Vec<String> = missing
        .playlists
        .iter()
        .map(|name| format!("\"{name}\""))
        .collect();
    let note = match lists.is_empty() {
        true => missing.path.clone(),
        false => format!("in {}", lists.join(", ")),
    };
    // `+`: a download would bring it back; many of them may be summed up.
    Row::new(Symbol::Add, &missing.track, note)
}

fn orphan_row(orphan: &Orphan, look: &Look) -> Row {
    let provenance = match orphan.provenance {
        Provenance::Tidal => "provenance tidal",
        Provenance::Adopted => "adopted",
        Provenance::Foreign => "foreign",
    };
    let last = match (&orphan.last_in, orphan.until) {
        (Some(name), Some(until)) => format!(", last in \"{name}\" until {}", look.day(until)),
        _ => String::new(),
    };
    let note = format!("{}, {provenance}{last}", bytes(orphan.bytes));
    Row::of_path(Symbol::Trash, &orphan.path, note)
}

/// The questions that follow on a terminal.
pub const MENU: &str = "What next?
  [1] Download the missing tracks        (plan, then apply)
  [2] Move the orphaned files to trash   (plan, then apply)
  [3] Show the detailed report
";

/// An answer to [`MENU`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Plan the downloads.
    Download,
    /// Plan the removals.
    Trash,
    /// Every row.
    Report,
}

impl Choice {
    /// The answer that was typed; `None` for anything else, which ends the conversation.
    #[must_use]
    pub fn parse(answer: &str) -> Option<Self> {
        match answer.trim().trim_matches(['[', ']']) {
            "1" => Some(Self::Download),
            "2" => Some(Self::Trash),
            "3" => Some(Self::Report),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::view::sample::remembered,
        domain::{AudioFile, AudioFormat, FileStat, Tags},
    };

    fn library(paths: &[(&str, u64)]) -> Library {
        let file = |&(path, size): &(&str, u64)| AudioFile {
            path: path.into(),
            stat: FileStat {
                size,
                ..FileStat::default()
            },
            format: AudioFormat::Mp3,
            tags: Tags::default(),
            duration_ms: None,
            bitrate_kbps: None,
            sample_rate_hz: None,
            left_ms: None,
            bit_depth: None,
            hash: None,
            problem: None,
        };
        let mut files: Vec<AudioFile> = paths.iter().map(file).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Library {
            files,
            ..Library::default()
        }
    }

    #[test]
    fn missing_orphaned_and_foreign_are_told_apart() {
        let library = library(&[
            ("Own/mine.flac", 5),
            ("Playlists/Old/Artist - Gone.mp3", 9_100_000),
            ("Playlists/House/Artist - Here.mp3", 1),
        ]);
        let found = Reconcile::of(&remembered(), &library, 400);
        insta::assert_snapshot!(found.view(&Look::plain()), @r#"
        Compared the library with the database: 3 files, 0.4 s

        Found
          ! 1 track in the database but missing from the library
          ! 1 orphaned file (in no TIDAL playlist)

        Missing
          + Artist – Lost  in "House Italo R 🇮🇹"

        Orphaned
          x Playlists/Old/Artist - Gone.mp3  9.1 MB, provenance tidal, last in "Old" until 2026-10-02
        "#);
        assert_eq!(found.foreign, 1);
    }

    #[test]
    fn order_is_told_in_a_sentence() {
        let found = Reconcile::of(&State::default(), &library(&[("a.mp3", 1)]), 12);
        insta::assert_snapshot!(found.view(&Look::plain()), @"
        Compared the library with the database: 1 file, 0.0 s

        Everything is where it should be. 1 file is your own and was only looked at.
        ");
    }

    #[test]
    fn the_menu_takes_three_answers() {
        assert_eq!(Choice::parse(" 2\n"), Some(Choice::Trash));
        assert_eq!(Choice::parse("[1]"), Some(Choice::Download));
        assert_eq!(Choice::parse("4"), None);
    }
}
