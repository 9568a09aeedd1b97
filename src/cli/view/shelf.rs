//! `library`: what is twice, what nothing needs, what is gone.

use std::fmt;

use crate::{
    cli::args::ShelfList,
    plan::shelf::{Copy, Group, Missing, Orphan, Shelf},
};

use super::{
    Look,
    rows::{Row, Rows, Symbol, paragraph},
    text::{bytes, count},
};

/// The screen.
pub struct ShelfView<'a> {
    pub shelf: &'a Shelf,
    /// The one list that was asked for.
    pub list: Option<ShelfList>,
    pub look: &'a Look,
}

/// What a row is about is told by the words of the policy.
fn symbol(policy: &str) -> Symbol {
    match policy {
        _ if policy.starts_with("to the trash") => Symbol::Trash,
        _ if policy.starts_with("held back") => Symbol::Held,
        _ if policy.starts_with("downloaded") || policy.starts_with("found") => Symbol::Add,
        _ if policy.starts_with("stays missing") => Symbol::Alarm,
        _ => Symbol::Adopt,
    }
}

impl ShelfView<'_> {
    fn section(
        &self,
        f: &mut fmt::Formatter<'_>,
        list: ShelfList,
        heading: &str,
        rows: &[Row],
    ) -> fmt::Result {
        if self.list.is_some_and(|wanted| wanted != list) {
            return Ok(());
        }
        writeln!(f, "{}", self.look.bold(heading))?;
        match rows.is_empty() {
            true => writeln!(f, "  none\n"),
            false => writeln!(
                f,
                "{}",
                Rows {
                    rows,
                    look: self.look
                }
            ),
        }
    }

    fn copy(&self, copy: &Copy) -> Row {
        let symbol = match copy.linked {
            true => Symbol::Adopt,
            false => symbol(&copy.policy),
        };
        let mut row = Row::of_path(symbol, copy.path.as_str(), copy.policy.clone());
        self.evidence(&mut row, copy.bytes, &copy.evidence);
        row
    }

    fn orphan(&self, orphan: &Orphan) -> Row {
        let path = orphan.path.as_str();
        let mut row = Row::of_path(symbol(&orphan.policy), path, orphan.policy.clone());
        self.evidence(&mut row, orphan.bytes, &orphan.evidence);
        row
    }

    fn missing(&self, missing: &Missing) -> Row {
        let mut row = Row::new(
            symbol(&missing.policy),
            &missing.label,
            missing.policy.clone(),
        );
        row.below.push(self.look.dim(missing.path.as_str()));
        if self.look.verbose {
            row.below.push(self.look.dim(&missing.evidence.join(" · ")));
        }
        row
    }

    fn evidence(&self, row: &mut Row, size: u64, evidence: &[String]) {
        if self.look.verbose {
            let facts = [bytes(size), evidence.join(" · ")].join(" · ");
            row.below.push(self.look.dim(&facts));
        }
    }
}

impl fmt::Display for ShelfView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shelf = self.shelf;
        if !shelf.complete {
            let text = "! Something could not be read to its end: what is in it is neither an orphan nor missing.\n\n";
            f.write_str(text)?;
        }
        let groups = |same: &str| -> Vec<&Group> {
            let all = shelf.duplicates.iter();
            all.filter(|group| group.same == same).collect()
        };
        for (same, heading) in [
            ("content", "Duplicates: the same content"),
            ("recording", "Duplicates: the same recording"),
        ] {
            let rows: Vec<Row> = groups(same)
                .iter()
                .flat_map(|group| &group.files)
                .map(|file| self.copy(file))
                .collect();
            self.section(f, ShelfList::Duplicates, heading, &rows)?;
        }
        let rows: Vec<Row> = shelf.orphans.iter().map(|one| self.orphan(one)).collect();
        let heading = "Orphans: in no playlist of TIDAL, of yours, or of Rekordbox";
        self.section(f, ShelfList::Orphans, heading, &rows)?;
        let rows: Vec<Row> = shelf.missing.iter().map(|one| self.missing(one)).collect();
        self.section(
            f,
            ShelfList::Missing,
            "Missing: known, and not there",
            &rows,
        )?;
        let closing = [
            count(
                shelf.duplicates.len(),
                "group of duplicates",
                "groups of duplicates",
            ),
            count(shelf.orphans.len(), "orphan", "orphans"),
            count(shelf.missing.len(), "missing file", "missing files"),
        ];
        let text = format!(
            "{}. `tidal-cleanup plan` does what the policy says of them; yours are never touched.",
            closing.join(", ")
        );
        f.write_str(&paragraph(&text, 0, self.look))
    }
}
