//! `report`: the numbers as a screen with small charts, or as a page for a browser.

mod html;

use std::fmt;

use super::{
    Look,
    text::{bytes, count, fit, number, pad, visible},
};
use crate::cli::report::{Month, Report, Share};

pub use html::page;

/// Rows of a list that are shown unless all are wanted.
const SHOWN: usize = 10;
/// Columns of a bar.
const BAR: usize = 24;

impl Report {
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

/// A bar of `part` of `whole`, in eighths of a column.
fn bar(part: usize, whole: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (part * BAR * 8).checked_div(whole).unwrap_or(0);
    let eighths = if part > 0 { eighths.max(1) } else { eighths };
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

impl fmt::Display for ReportView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        writeln!(
            f,
            "{}",
            self.look.bold(&format!("Report of {}", report.as_of))
        )?;
        self.months(f)?;
        self.playlists(f)?;
        self.shares(f, "Formats", &report.formats)?;
        self.shares(f, "Quality", &report.qualities)?;
        self.disk(f)?;
        self.unavailable(f)?;
        self.unplayed(f)
    }
}

impl ReportView<'_> {
    fn head(&self, f: &mut fmt::Formatter<'_>, title: &str) -> fmt::Result {
        writeln!(f, "\n{}", self.look.bold(title))
    }

    fn months(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f, "Entries of your playlists, month by month")?;
        let most = self.report.months.iter().map(|month| month.entries).max();
        for month in &self.report.months {
            let Month {
                month,
                added,
                removed,
                entries,
            } = month;
            writeln!(
                f,
                "  {month}  {}  {:>7}  +{added} -{removed}",
                self.drawn(*entries, most.unwrap_or(0)),
                number(*entries)
            )?;
        }
        Ok(())
    }

    fn playlists(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = &self.report.playlists;
        let days = crate::cli::report::RECENT_DAYS;
        self.head(
            f,
            &format!("Playlists ({}), and their last {days} days", lists.len()),
        )?;
        let shown = self.shown(lists.len());
        for list in &lists[..shown] {
            writeln!(
                f,
                "  {}  {:>6}  {:>6} local  +{} -{}",
                pad(&fit(&visible(&list.name), 32), 32),
                number(list.tracks),
                number(list.local),
                list.added,
                list.removed
            )?;
        }
        self.more(f, lists.len() - shown)
    }

    fn shares(&self, f: &mut fmt::Formatter<'_>, title: &str, shares: &[Share]) -> fmt::Result {
        self.head(f, title)?;
        let all: usize = shares.iter().map(|share| share.files).sum();
        for share in shares {
            writeln!(
                f,
                "  {}  {}  {:>7}  {:>8}",
                pad(&share.label, 18),
                self.drawn(share.files, all),
                number(share.files),
                bytes(share.bytes)
            )?;
        }
        Ok(())
    }

    fn disk(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let disk = &self.report.disk;
        self.head(f, "Disk")?;
        writeln!(
            f,
            "  Library     {} in {}, {} of it ours",
            bytes(disk.bytes),
            count(disk.files, "file", "files"),
            bytes(disk.ours)
        )?;
        if let Some(free) = disk.free {
            writeln!(f, "  Free        {}", bytes(free))?;
        }
        writeln!(
            f,
            "  Trash       {} in {}",
            bytes(disk.trash_bytes),
            count(disk.trash_files, "file", "files")
        )?;
        let duplicates = self.report.duplicates;
        writeln!(
            f,
            "  Duplicates  {}, {} to spare",
            count(duplicates.groups, "group", "groups"),
            bytes(duplicates.spare_bytes)
        )
    }

    fn unavailable(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tracks = &self.report.unavailable;
        self.head(
            f,
            &format!("No longer streamed by TIDAL ({})", tracks.len()),
        )?;
        let shown = self.shown(tracks.len());
        for track in &tracks[..shown] {
            let what = if track.has_file {
                "its file stays"
            } else {
                "no file: lost here"
            };
            writeln!(f, "  {}  {what}", pad(&fit(&visible(&track.label), 48), 48))?;
        }
        self.more(f, tracks.len() - shown)
    }

    fn unplayed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(tracks) = &self.report.never_played else {
            return Ok(());
        };
        self.head(f, &format!("Never played ({})", number(tracks.len())))?;
        let shown = self.shown(tracks.len());
        for track in &tracks[..shown] {
            writeln!(f, "  {}", fit(&visible(&track.label), 76))?;
        }
        self.more(f, tracks.len() - shown)
    }

    /// A bar in its column; nothing where nothing is to be drawn.
    fn drawn(&self, of: usize, all: usize) -> String {
        match self.look.plain {
            true => String::new(),
            false => pad(&bar(of, all), BAR),
        }
    }

    fn shown(&self, of: usize) -> usize {
        if self.look.verbose { of } else { of.min(SHOWN) }
    }

    fn more(&self, f: &mut fmt::Formatter<'_>, more: usize) -> fmt::Result {
        match more {
            0 => Ok(()),
            more => writeln!(
                f,
                "  {}",
                self.look
                    .dim(&format!("… {} more (-v shows all)", number(more)))
            ),
        }
    }
}
