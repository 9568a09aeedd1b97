//! `db status`, `db check`, `db init` and `db backup`: the state database itself.

use std::fmt;

use serde::Serialize;

use crate::{
    domain::{Provenance, State},
    edge::{local::folder::Verified, store::ApplyRow},
};

use super::super::{
    Look, history,
    status::{Tracked, facts_lines},
    text::{bytes, count, number, visible},
};

/// What the state database holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DbStatus {
    /// A file, or the address of a server.
    pub path: String,
    /// Of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    pub schema_version: i64,
    pub lineage: String,
    pub serial: i64,
    pub library_id: Option<String>,
    pub tracked: Tracked,
    /// Files that we made, adopted or linked.
    pub files: Files,
    pub rekordbox_objects: usize,
    pub applies: usize,
    pub last_apply: Option<ApplyRow>,
    /// The newest backup, and how many there are.
    pub last_backup: Option<String>,
    pub backups: usize,
    /// The folder that they, and those of Rekordbox, lie in.
    pub backup_folder: String,
}

/// Known files by provenance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Files {
    pub tidal: usize,
    pub adopted: usize,
    pub foreign: usize,
}

impl Files {
    /// Counts what `state` remembers.
    #[must_use]
    pub fn of(state: &State) -> Self {
        let mut files = Self::default();
        for file in state.files.values() {
            match file.provenance {
                Provenance::Tidal => files.tidal += 1,
                Provenance::Adopted => files.adopted += 1,
                Provenance::Foreign => files.foreign += 1,
            }
        }
        files
    }
}

impl DbStatus {
    /// From what was read; `backups` are a folder and names in it, oldest first.
    #[must_use]
    pub fn of(
        path: String,
        bytes: Option<u64>,
        state: &State,
        applies: &[ApplyRow],
        (backup_folder, backups): (String, &[String]),
    ) -> Self {
        Self {
            path,
            bytes,
            schema_version: state.meta.schema_version,
            lineage: state.meta.lineage.clone(),
            serial: state.meta.serial,
            library_id: state.meta.library_id.as_ref().map(ToString::to_string),
            tracked: Tracked::of(state),
            files: Files::of(state),
            rekordbox_objects: state.objects.len(),
            applies: applies.len(),
            last_apply: applies.first().cloned(),
            last_backup: backups.last().cloned(),
            backups: backups.len(),
            backup_folder,
        }
    }

    /// As a screen.
    #[must_use]
    pub const fn view<'a>(&'a self, look: &'a Look) -> DbStatusView<'a> {
        DbStatusView { status: self, look }
    }
}

/// The screen.
pub struct DbStatusView<'a> {
    status: &'a DbStatus,
    look: &'a Look,
}

impl fmt::Display for DbStatusView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        let all = |number_of: usize| number(number_of as u64);
        let (tracked, files) = (status.tracked, status.files);
        let library = status.library_id.clone();
        let last = status
            .last_apply
            .as_ref()
            .map(|apply| history::in_a_line(apply, self.look));
        let backups = match (&status.last_backup, status.bytes) {
            (_, None) => "the server makes its own".to_owned(),
            (Some(newest), Some(_)) => format!(
                "{} in {}, newest {}",
                all(status.backups),
                visible(&status.backup_folder),
                visible(newest)
            ),
            (None, Some(_)) => format!("none yet in {}", visible(&status.backup_folder)),
        };
        let facts = [
            (
                "Database",
                match status.bytes {
                    Some(size) => format!("{}, {}", visible(&status.path), bytes(size)),
                    None => visible(&status.path).into_owned(),
                },
            ),
            (
                "Schema",
                format!(
                    "version {}, serial {}",
                    status.schema_version, status.serial
                ),
            ),
            ("Lineage", status.lineage.clone()),
            (
                "Library",
                library.unwrap_or_else(|| "not initialised".to_owned()),
            ),
            (
                "Playlists",
                format!(
                    "{} tracked, {} gone from TIDAL",
                    all(tracked.playlists),
                    all(tracked.playlists_gone)
                ),
            ),
            (
                "Tracks",
                format!(
                    "{} tracked, {} with a file, {} in Rekordbox",
                    all(tracked.tracks),
                    all(tracked.with_file),
                    all(tracked.in_rekordbox)
                ),
            ),
            (
                "Files",
                format!(
                    "{} fetched, {} adopted, {} yours (linked)",
                    all(files.tidal),
                    all(files.adopted),
                    all(files.foreign)
                ),
            ),
            (
                "Rekordbox",
                format!(
                    "{} made by us",
                    count(status.rekordbox_objects, "object", "objects")
                ),
            ),
            (
                "History",
                format!(
                    "{}{}",
                    history::applies(status.applies),
                    last.map(|last| format!("; last {last}"))
                        .unwrap_or_default()
                ),
            ),
            ("Backups", backups),
        ];
        facts_lines(&facts, self.look, f)
    }
}

/// What `db check` found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DbCheck {
    pub path: String,
    /// Name of each check, and what is wrong; empty when nothing is.
    pub checks: Vec<(String, Vec<String>)>,
    /// With `--hashes`: how many audio files were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<CheckedFiles>,
    /// With `--hashes`: delivered files that somebody has edited since. That is no damage.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edited: Vec<String>,
}

/// How many audio files `db check --hashes` read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedFiles {
    /// Whose content is what it was.
    pub same: usize,
    /// Whose hash was not known and is remembered from now on.
    pub learnt: usize,
}

impl DbCheck {
    /// Adds a check and what it found.
    pub fn add(&mut self, name: &str, problems: Vec<String>) {
        self.checks.push((name.to_owned(), problems));
    }

    /// Adds what the reading of all files found.
    pub fn add_files(&mut self, verified: &Verified) {
        self.files = Some(CheckedFiles {
            same: verified.same,
            learnt: verified.learnt,
        });
        let changed = verified.changed.iter().map(|path| {
            format!(
                "{path}: its content changed, although its size and times did not: a failing disk, \
                 or an editor that hides its traces. Bring it back from a backup, or `touch` it to \
                 take it as it is"
            )
        });
        let unread = verified
            .unread
            .iter()
            .map(|path| format!("{path}: could not be read to its end, or changed meanwhile"));
        let problems = changed.chain(unread).collect();
        self.checks.push(("hashes".to_owned(), problems));
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.checks.iter().all(|(_, problems)| problems.is_empty())
    }

    fn is_database_sound(&self) -> bool {
        let beside = ["hashes", "library", "content", "trash", "backups"];
        let mut own = self
            .checks
            .iter()
            .filter(|(name, _)| !beside.contains(&name.as_str()));
        own.all(|(_, problems)| problems.is_empty())
    }
}

impl fmt::Display for DbCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, problems) in &self.checks {
            match problems.as_slice() {
                [] => writeln!(f, "  ok  {name}")?,
                problems => {
                    writeln!(f, "  !   {name}")?;
                    for problem in problems {
                        writeln!(f, "        {}", visible(problem))?;
                    }
                }
            }
        }
        if let Some(files) = self.files {
            let (same, learnt) = (files.same, files.learnt);
            writeln!(
                f,
                "{same} files hold what they held; the hashes of {learnt} are new."
            )?;
        }
        const FEW: usize = 10;
        if !self.edited.is_empty() {
            let (all, edited) = (self.edited.len(), self.edited.iter().take(FEW));
            writeln!(
                f,
                "{} edited since delivery, which is yours to do:",
                super::super::text::count(all, "file was", "files were")
            )?;
            for path in edited {
                writeln!(f, "  {}", visible(path))?;
            }
            if all > FEW {
                writeln!(f, "  and {} more", all - FEW)?;
            }
        }
        match self.is_sound() {
            true => writeln!(f, "{} is sound.", visible(&self.path)),
            false if self.is_database_sound() => {
                writeln!(f, "{} is sound; some files are not.", visible(&self.path))
            }
            false => writeln!(f, "{} is damaged.", visible(&self.path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::sample::remembered;

    #[test]
    fn what_the_database_holds() {
        let status = DbStatus::of(
            "/home/dj/.tidal-cleanup/sync.db".to_owned(),
            Some(2_400_000),
            &remembered(),
            &[],
            ("/home/dj/.tidal-cleanup/backups".to_owned(), &[]),
        );
        insta::assert_snapshot!(status.view(&Look::plain()), @"
        Database   /home/dj/.tidal-cleanup/sync.db, 2.4 MB
        Schema     version 0, serial 0
        Lineage    
        Library    not initialised
        Playlists  1 tracked, 1 gone from TIDAL
        Tracks     3 tracked, 3 with a file, 0 in Rekordbox
        Files      3 fetched, 0 adopted, 0 yours (linked)
        Rekordbox  0 objects made by us
        History    0 applies
        Backups    none yet in /home/dj/.tidal-cleanup/backups
        ");
    }

    #[test]
    fn a_file_that_changed_in_secret_is_damage() {
        let mut check = DbCheck {
            path: "sync.db".to_owned(),
            checks: Vec::new(),
            files: None,
            edited: Vec::new(),
        };
        let mut verified = Verified {
            same: 2,
            learnt: 1,
            ..Verified::default()
        };
        check.add_files(&verified);
        assert!(check.is_sound());
        verified.changed.push("a.mp3".into());
        check.add_files(&verified);
        assert!(!check.is_sound());
        let shown = check.to_string();
        assert!(shown.contains("a.mp3: its content changed"), "{shown}");
        assert!(
            shown.contains("sync.db is sound; some files are not."),
            "{shown}"
        );
    }

    #[test]
    fn a_check_names_what_is_wrong() {
        let mut check = DbCheck {
            path: "sync.db".to_owned(),
            checks: vec![("integrity".to_owned(), Vec::new())],
            files: None,
            edited: Vec::new(),
        };
        assert!(check.is_sound());
        check.checks.push((
            "foreign keys".to_owned(),
            vec!["playlist_tracks row 7".to_owned()],
        ));
        insta::assert_snapshot!(check, @"
          ok  integrity
          !   foreign keys
                playlist_tracks row 7
        sync.db is damaged.
        ");
    }
}
