//! `import`: what a library that is there holds of TIDAL's playlists.

use std::fmt;

use serde::Serialize;

use crate::{
    diff::hearsay::Contradiction,
    domain::Provenance,
    plan::takeover::{MatchedTrack, TakeOver},
    policy::import::Setting,
};

use super::{
    Look,
    rows::{Row, Rows, Symbol, paragraph},
    text::{count, number},
};

/// The report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Imported {
    #[serde(flatten)]
    pub found: TakeOver,
    /// What the Python tool said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<Heard>,
    /// The digest of the plan that would record it.
    pub digest: String,
    /// Rows that the plan records.
    pub adoptions: usize,
    /// Where the plan was saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved: Option<String>,
}

/// What was learnt from the Python tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Heard {
    /// Its database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    pub tracks: usize,
    pub playlists: usize,
    /// Tracks of which it says which file they are, and the file is there.
    pub claims: usize,
    /// Claims that our own judgement forbids.
    pub contradictions: Vec<Contradiction>,
    /// Files that it names and that are not there.
    pub lost: Vec<String>,
    /// Settings, and what becomes of them in the policy.
    pub settings: Vec<Setting>,
    /// Its emoji language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    /// What its database does not have.
    pub gaps: Vec<String>,
    /// Lines of its `.env` that are no settings.
    pub unreadable_lines: usize,
    /// Whether its playlists stood in for TIDAL's.
    pub stood_in: bool,
}

impl Imported {
    /// As a screen.
    #[must_use]
    pub const fn view<'a>(&'a self, look: &'a Look) -> ImportedView<'a> {
        ImportedView { report: self, look }
    }
}

/// The screen.
pub struct ImportedView<'a> {
    report: &'a Imported,
    look: &'a Look,
}

impl ImportedView<'_> {
    fn section(&self, f: &mut fmt::Formatter<'_>, heading: &str, rows: &[Row]) -> fmt::Result {
        if rows.is_empty() {
            return Ok(());
        }
        writeln!(f, "{}", self.look.bold(heading))?;
        writeln!(
            f,
            "{}",
            Rows {
                rows,
                look: self.look
            }
        )
    }

    fn matched(&self, row: &MatchedTrack) -> Row {
        let whose = match row.provenance {
            Provenance::Foreign => "stays yours",
            Provenance::Adopted => "ours to manage",
            Provenance::Tidal => "fetched by us",
        };
        let known = if row.known { ", known" } else { "" };
        let rekordbox = if row.content.is_some() {
            ", in Rekordbox"
        } else {
            ""
        };
        let note = format!("{} · {whose}{rekordbox}{known}", row.path);
        let mut shown = Row::new(Symbol::Adopt, &row.label, note);
        if self.look.verbose {
            let how = format!("{} {}: {}", row.how, row.score, row.reasons.join(", "));
            shown.below.push(self.look.dim(&how));
        }
        shown
    }

    fn heard(&self, f: &mut fmt::Formatter<'_>, heard: &Heard) -> fmt::Result {
        let text = format!(
            "The Python tool: {}, {}; it names a file for {} that {} here.",
            count(heard.tracks, "track", "tracks"),
            count(heard.playlists, "playlist", "playlists"),
            count(heard.claims, "track", "tracks"),
            if heard.claims == 1 { "is" } else { "are" },
        );
        f.write_str(&paragraph(&text, 0, self.look))?;
        if heard.stood_in {
            let text =
                "Its playlists stood in for TIDAL's; `tidal-cleanup login` reads the real ones.";
            f.write_str(&paragraph(text, 2, self.look))?;
        }
        for gap in &heard.gaps {
            writeln!(f, "  its database has {gap}")?;
        }
        if heard.unreadable_lines > 0 {
            let lines = count(heard.unreadable_lines, "line", "lines");
            writeln!(f, "  {lines} of its .env could not be read")?;
        }
        for setting in &heard.settings {
            match (&setting.key, &setting.value) {
                (Some(key), Some(value)) => {
                    writeln!(f, "  {} → {key} = {value}", setting.name)?;
                }
                _ => writeln!(f, "  {}: {}", setting.name, setting.note)?,
            }
        }
        if let Some(mapping) = &heard.mapping {
            writeln!(
                f,
                "  its emoji language: tidal-cleanup policy import {mapping}"
            )?;
        }
        writeln!(f)?;
        let contradictions: Vec<Row> = heard
            .contradictions
            .iter()
            .map(|one| {
                let note = format!("it says {} · {}", one.path, one.reasons.join(", "));
                Row::new(Symbol::Alarm, &one.label, note)
            })
            .collect();
        self.section(f, "Not believed", &contradictions)?;
        let lost: Vec<Row> = heard
            .lost
            .iter()
            .map(|path| Row::of_path(Symbol::Change, path, "named by it, and not there"))
            .collect();
        self.section(f, "Gone", &lost)
    }
}

impl fmt::Display for ImportedView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = &self.report.found;
        if let Some(heard) = &self.report.peer {
            self.heard(f, heard)?;
        }
        let matched: Vec<Row> = found.matched.iter().map(|row| self.matched(row)).collect();
        self.section(f, "Matched", &matched)?;
        let doubtful: Vec<Row> = found
            .doubtful
            .iter()
            .map(|asked| {
                let files = asked.options.iter().filter(|option| option.path.is_some());
                let note = count(files.count(), "candidate", "candidates");
                let mut row = Row::new(Symbol::Decide, &asked.question, note);
                row.below.push(self.look.dim(&asked.id));
                row
            })
            .collect();
        self.section(f, "Doubtful", &doubtful)?;
        let unmatched: Vec<Row> = found
            .unmatched
            .iter()
            .map(|track| {
                let note = match track.available {
                    true => track.playlist.clone(),
                    false => format!("{} · TIDAL does not stream it", track.playlist),
                };
                Row::new(Symbol::Add, &track.label, note)
            })
            .collect();
        self.section(f, "Unmatched: no file here is it", &unmatched)?;
        let duplicates: Vec<Row> = found
            .duplicates
            .iter()
            .map(|file| {
                let note = format!("the same recording as {}", file.of);
                Row::of_path(Symbol::Change, file.path.as_str(), note)
            })
            .collect();
        self.section(f, "Duplicates", &duplicates)?;
        let lost: Vec<Row> = found
            .rekordbox_lost
            .iter()
            .map(|row| {
                Row::new(
                    Symbol::Alarm,
                    &row.title,
                    format!("{} is not there", row.path),
                )
            })
            .collect();
        self.section(f, "Rekordbox rows without a file", &lost)?;
        let number = |of: usize| number(of as u64);
        let text = format!(
            "{} matched ({} in Rekordbox), {} doubtful, {} unmatched, {}, {} that no playlist has.",
            number(found.matched.len()),
            number(found.rekordbox_linked),
            number(found.doubtful.len()),
            number(found.unmatched.len()),
            count(found.duplicates.len(), "duplicate", "duplicates"),
            count(found.strangers.len(), "file", "files"),
        );
        f.write_str(&paragraph(&text, 0, self.look))?;
        let text = match (self.report.adoptions, &self.report.saved) {
            (0, _) => "Nothing to record: all of that is known.".to_owned(),
            (rows, saved) => {
                let rows = count(rows, "row", "rows");
                let saved = saved.as_deref().map(|at| format!(" Saved {at}."));
                format!(
                    "A plan of {rows} records it, and changes nothing else.{}",
                    saved.unwrap_or_default()
                )
            }
        };
        f.write_str(&paragraph(&text, 0, self.look))
    }
}
