//! `doctor`, as a person reads it: what was looked at, what was found, and the remedy.

use std::fmt;

use console::Style;
use serde::Serialize;

use super::{
    Look,
    rows::paragraph,
    text::{count, visible},
};

/// What a look at one thing came to; the later, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// As it should be.
    Fine,
    /// Worth knowing; nothing fails because of it.
    Note,
    /// Something will fail, or is in danger.
    Wrong,
}

/// Where a finding belongs, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    Policy,
    Library,
    State,
    Rekordbox,
    Tidal,
    Tools,
    System,
}

impl Area {
    const fn title(self) -> &'static str {
        match self {
            Self::Policy => "Policy",
            Self::Library => "Library",
            Self::State => "State",
            Self::Rekordbox => "Rekordbox",
            Self::Tidal => "TIDAL",
            Self::Tools => "Tools",
            Self::System => "System",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub area: Area,
    /// Stable, for programs: `library.marker`.
    pub check: &'static str,
    pub standing: Standing,
    /// What was found.
    pub found: String,
    /// What to do about it; empty where nothing is to be done.
    pub remedies: Vec<String>,
}

impl Finding {
    fn new(area: Area, check: &'static str, standing: Standing, found: impl Into<String>) -> Self {
        Self {
            area,
            check,
            standing,
            found: found.into(),
            remedies: Vec::new(),
        }
    }

    /// As it should be.
    pub fn fine(area: Area, check: &'static str, found: impl Into<String>) -> Self {
        Self::new(area, check, Standing::Fine, found)
    }

    /// Worth knowing.
    pub fn note(area: Area, check: &'static str, found: impl Into<String>) -> Self {
        Self::new(area, check, Standing::Note, found)
    }

    /// Wrong.
    pub fn wrong(area: Area, check: &'static str, found: impl Into<String>) -> Self {
        Self::new(area, check, Standing::Wrong, found)
    }

    /// With something to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedies.push(remedy.into());
        self
    }
}

/// Everything that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many findings are [`Standing::Wrong`].
    pub wrong: usize,
    /// How many are [`Standing::Note`].
    pub notes: usize,
    /// By area, in the order in which they were made.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Of these findings.
    #[must_use]
    pub fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.area);
        let having = |standing| {
            let same = findings.iter().filter(|it| it.standing == standing);
            same.count()
        };
        Self {
            wrong: having(Standing::Wrong),
            notes: having(Standing::Note),
            findings,
        }
    }

    /// As a screen.
    #[must_use]
    pub const fn view<'a>(&'a self, look: &'a Look) -> ReportView<'a> {
        ReportView { report: self, look }
    }
}

/// A report as a screen.
#[derive(Debug)]
pub struct ReportView<'a> {
    report: &'a Report,
    look: &'a Look,
}

impl fmt::Display for ReportView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut area = None;
        for finding in &self.report.findings {
            if area != Some(finding.area) {
                if area.is_some() {
                    writeln!(f)?;
                }
                writeln!(f, "{}", self.look.bold(finding.area.title()))?;
                area = Some(finding.area);
            }
            self.line(f, finding)?;
        }
        let closing = match (self.report.wrong, self.report.notes) {
            (0, 0) => "All is well.".to_owned(),
            (0, notes) => format!(
                "Nothing is wrong; {} worth knowing.",
                count(notes, "thing is", "things are")
            ),
            (wrong, _) => format!("{} wrong.", count(wrong, "thing is", "things are")),
        };
        write!(f, "\n{closing}")
    }
}

impl ReportView<'_> {
    /// The words stand for themselves: a screen without colour, or a voice that reads it, says as much.
    fn line(&self, f: &mut fmt::Formatter<'_>, finding: &Finding) -> fmt::Result {
        let (word, style) = match finding.standing {
            Standing::Fine => ("ok   ", Style::new().green()),
            Standing::Note => ("note ", Style::new().yellow()),
            Standing::Wrong => ("WRONG", Style::new().red().bold()),
        };
        let word = self.look.paint(&style, word);
        let found = paragraph(&visible(&finding.found), 9, self.look);
        writeln!(f, "  {word}  {}", found.trim())?;
        for remedy in &finding.remedies {
            let remedy = paragraph(&visible(remedy), 11, self.look);
            let arrow = self.look.dim(&self.look.words("→"));
            writeln!(f, "         {arrow} {}", remedy.trim())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_has_its_word_and_its_remedy() {
        let report = Report::new(vec![
            Finding::wrong(Area::State, "state.unfinished", "apply 12 was interrupted")
                .remedy("`tidal-cleanup apply --resume` finishes it"),
            Finding::fine(Area::Library, "library.marker", "library 8f14 is there"),
            Finding::note(Area::Library, "library.volume", "exFAT: no hard links"),
        ]);
        insta::assert_snapshot!(report.view(&Look::plain()), @"
        Library
          ok     library 8f14 is there
          note   exFAT: no hard links

        State
          WRONG  apply 12 was interrupted
                 → `tidal-cleanup apply --resume` finishes it

        1 thing is wrong.
        ");
    }

    #[test]
    fn sixty_columns_are_enough() {
        let report = Report::new(vec![
            Finding::wrong(
                Area::Policy,
                "policy",
                "no tidal-cleanup.toml in /home/dj/Music, the folders above it, or ~/.config/tidal-cleanup",
            )
            .remedy("`tidal-cleanup init` writes one; `tidal-cleanup demo` shows it work without"),
        ]);
        let look = Look {
            width: Some(60),
            ..Look::plain()
        };
        insta::assert_snapshot!(report.view(&look), @"
        Policy
          WRONG  no tidal-cleanup.toml in /home/dj/Music, the
                 folders above it, or ~/.config/tidal-cleanup
                 → `tidal-cleanup init` writes one;
                   `tidal-cleanup demo` shows it work without

        1 thing is wrong.
        ");
    }

    #[test]
    fn the_closing_line_counts() {
        let note = || Finding::note(Area::System, "system.clock", "early");
        let told = |findings| Report::new(findings).view(&Look::plain()).to_string();
        assert!(told(vec![]).ends_with("All is well."));
        assert!(
            told(vec![note(), note()]).ends_with("Nothing is wrong; 2 things are worth knowing.")
        );
    }
}
