//! Rows: one line each, in aligned columns, cut to the width of the terminal.

use std::fmt;

use console::Style;

use super::{
    Look,
    text::{ascii, broken, count, fit, fit_path, pad, visible, width, wrap},
};

/// What happens to the thing that a row names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Symbol {
    /// A gate that did not pass.
    Alarm,
    /// A file goes to the trash.
    Trash,
    /// A person may decide.
    Decide,
    /// Held back.
    Held,
    /// Leaves a playlist; the file stays.
    Leave,
    /// Moves, or gets another name.
    Move,
    /// Gets another value.
    Change,
    /// Becomes ours to manage.
    Adopt,
    /// Is added.
    Add,
}

impl Symbol {
    /// All of them, the most dangerous first.
    pub const ALL: [Self; 9] = [
        Self::Alarm,
        Self::Trash,
        Self::Decide,
        Self::Held,
        Self::Leave,
        Self::Move,
        Self::Change,
        Self::Adopt,
        Self::Add,
    ];

    /// The character.
    #[must_use]
    pub const fn character(self) -> char {
        match self {
            Self::Alarm => '!',
            Self::Trash => 'x',
            Self::Decide => '?',
            Self::Held => '#',
            Self::Leave => '-',
            Self::Move => '>',
            Self::Change => '~',
            Self::Adopt => '=',
            Self::Add => '+',
        }
    }

    /// What it means, in a word or three.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Alarm => "check",
            Self::Trash => "to the trash",
            Self::Decide => "decide",
            Self::Held => "held back",
            Self::Leave => "leaves a playlist",
            Self::Move => "move or rename",
            Self::Change => "change",
            Self::Adopt => "adopt",
            Self::Add => "add",
        }
    }

    /// Whether many of it may be summed up in a line: only what takes nothing away.
    #[must_use]
    pub const fn collapses(self) -> bool {
        match self {
            Self::Add | Self::Change | Self::Move | Self::Adopt => true,
            Self::Alarm | Self::Trash | Self::Decide | Self::Held | Self::Leave => false,
        }
    }

    /// The colour; the character alone says the same.
    #[must_use]
    pub fn style(self) -> Style {
        match self {
            Self::Alarm | Self::Trash => Style::new().red().bold(),
            Self::Decide => Style::new().magenta().bold(),
            Self::Held => Style::new().yellow(),
            Self::Leave => Style::new().red(),
            Self::Move => Style::new().cyan(),
            Self::Change => Style::new().yellow(),
            Self::Adopt | Self::Add => Style::new().green(),
        }
    }
}

/// One line, and what `-v` shows below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What happens.
    pub symbol: Symbol,
    /// To whom.
    pub label: Label,
    /// What else there is to say.
    pub note: String,
    /// Indented lines that are always shown.
    pub below: Vec<String>,
    /// The ids of what it stands for: actions, or one held row, question or change.
    pub ids: Vec<String>,
}

/// What a row names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Label {
    /// A track, a playlist.
    Name(String),
    /// A file: what does not fit is cut in its middle.
    Path(String),
}

impl Label {
    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Name(text) | Self::Path(text) => text,
        }
    }

    fn in_ascii(&self) -> Self {
        match self {
            Self::Name(text) => Self::Name(ascii(text)),
            Self::Path(text) => Self::Path(ascii(text)),
        }
    }

    fn fit(&self, columns: usize) -> String {
        match self {
            Self::Name(text) => fit(text, columns),
            Self::Path(text) => fit_path(text, columns),
        }
    }
}

impl Row {
    /// A row about a track or playlist.
    pub fn new(symbol: Symbol, label: &str, note: impl Into<String>) -> Self {
        Self {
            symbol,
            label: Label::Name(visible(label).into_owned()),
            note: visible(&note.into()).into_owned(),
            below: Vec::new(),
            ids: Vec::new(),
        }
    }

    fn in_ascii(&self) -> Self {
        Self {
            symbol: self.symbol,
            label: self.label.in_ascii(),
            note: ascii(&self.note),
            below: self.below.iter().map(|line| ascii(line)).collect(),
            ids: self.ids.clone(),
        }
    }

    /// A row about a file.
    pub fn of_path(symbol: Symbol, path: &str, note: impl Into<String>) -> Self {
        let mut row = Self::new(symbol, path, note);
        row.label = Label::Path(visible(path).into_owned());
        row
    }
}

/// How many of the rows that collapse are shown.
pub const SHOWN: usize = 10;

/// Rows under a common heading.
pub struct Rows<'a> {
    pub rows: &'a [Row],
    pub look: &'a Look,
}

impl fmt::Display for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.look.ascii {
            // Widths are those of what is shown.
            let rows: Vec<Row> = self.rows.iter().map(Row::in_ascii).collect();
            let look = Look {
                ascii: false,
                ..self.look.clone()
            };
            let text = Rows {
                rows: &rows,
                look: &look,
            }
            .to_string();
            let text = text.replace("  … and ", "  ... and ");
            // What is left of others than ASCII is where something was cut.
            return f.write_str(&text.replace('…', "~"));
        }
        let (shown, hidden) = split(self.rows, self.look.verbose);
        let columns = Columns::for_rows(&shown, self.look);
        for row in &shown {
            columns.line(row, self.look, f)?;
            for line in row.below.iter().flat_map(|line| self.within(line)) {
                writeln!(f, "      {line}")?;
            }
        }
        match more(&hidden) {
            Some(more) => writeln!(f, "  {}", self.look.dim(&more)),
            None => Ok(()),
        }
    }
}

impl Rows<'_> {
    /// A line below a row as it is, or in pieces where the terminal is too narrow for it.
    fn within(&self, line: &str) -> Vec<String> {
        let room = self
            .look
            .width
            .map_or(usize::MAX, |columns| columns.saturating_sub(BELOW).max(12));
        let plain = console::strip_ansi_codes(line);
        if width(&plain) <= room {
            return vec![line.to_owned()];
        }
        let blanks = plain.len() - plain.trim_start().len();
        let blanks = " ".repeat(blanks.min(room / 2));
        let pieces = broken(plain.trim_start(), room - blanks.len());
        pieces
            .iter()
            .map(|piece| format!("{blanks}{piece}"))
            .collect()
    }
}

/// So far a line below a row is indented.
const BELOW: usize = 6;

/// The rows that are shown and those that are only counted; the order stays.
fn split(rows: &[Row], all: bool) -> (Vec<&Row>, Vec<&Row>) {
    let mut collapsing = 0;
    // One more than fits is shown rather than replaced by a line that says "1 more".
    let limit = match rows.iter().filter(|row| row.symbol.collapses()).count() {
        many if !all && many > SHOWN + 1 => SHOWN,
        _ => usize::MAX,
    };
    rows.iter().partition(|row| {
        collapsing += usize::from(row.symbol.collapses());
        !row.symbol.collapses() || collapsing <= limit
    })
}

/// `… and 37 more: 35 +, 2 > (-v shows all)`
fn more(hidden: &[&Row]) -> Option<String> {
    if hidden.is_empty() {
        return None;
    }
    let kinds = [Symbol::Add, Symbol::Adopt, Symbol::Change, Symbol::Move];
    let counts: Vec<String> = kinds
        .into_iter()
        .map(|kind| (kind, hidden.iter().filter(|row| row.symbol == kind).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{count} {}", kind.character()))
        .collect();
    Some(format!(
        "… and {}: {} (-v shows all)",
        count(hidden.len(), "more", "more"),
        counts.join(", ")
    ))
}

/// Where the columns of a group of rows stand.
struct Columns {
    label: usize,
    /// Everything after the symbol.
    total: Option<usize>,
}

/// Two blanks, the symbol, one blank.
const INDENT: usize = 4;
const GAP: usize = 2;
/// So wide a label column gets where the terminal leaves it.
const LABEL: usize = 44;
/// And so wide where nothing is cut.
const LABEL_UNCUT: usize = 72;
/// So much a note gets at least before the label is cut.
const NOTE: usize = 24;

impl Columns {
    fn for_rows(rows: &[&Row], look: &Look) -> Self {
        let total = look.width.map(|columns| columns.saturating_sub(INDENT));
        let with_note = rows.iter().filter(|row| !row.note.is_empty());
        let widest = with_note
            .map(|row| width(row.label.text()))
            .max()
            .unwrap_or(0);
        let cap = total.map_or(LABEL_UNCUT, |total| {
            LABEL.min(total.saturating_sub(NOTE + GAP)).max(total / 2)
        });
        Self {
            label: widest.min(cap),
            total,
        }
    }

    fn line(&self, row: &Row, look: &Look, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if look.plain {
            let (word, label) = (row.symbol.word(), row.label.text());
            return match row.note.as_str() {
                "" => writeln!(f, "  {word}: {label}"),
                note => writeln!(f, "  {word}: {label}; {note}"),
            };
        }
        let symbol = look.paint(&row.symbol.style(), &row.symbol.character().to_string());
        if row.note.is_empty() {
            let label = row.label.fit(self.total.unwrap_or(usize::MAX));
            return writeln!(f, "  {symbol} {label}");
        }
        let label = match self.total {
            // Nothing is cut where nobody's terminal would break the line.
            None => row.label.text().to_owned(),
            Some(_) => row.label.fit(self.label),
        };
        let label = pad(&label, self.label);
        let room = self.total.map_or(usize::MAX, |total| {
            total.saturating_sub(width(&label) + GAP)
        });
        writeln!(f, "  {symbol} {label}  {}", look.dim(&fit(&row.note, room)))
    }
}

/// A paragraph, indented and broken to the width of the terminal.
#[must_use]
pub fn paragraph(text: &str, indent: usize, look: &Look) -> String {
    let columns = look
        .width
        .map_or(usize::MAX, |columns| columns.saturating_sub(indent).max(20));
    let blanks = " ".repeat(indent);
    wrap(&look.words(text), columns)
        .into_iter()
        .map(|line| format!("{blanks}{line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_reader_gets_words() {
        let rows = [
            Row::new(
                Symbol::Add,
                "Tornado Wallace – Today",
                "download, about 38 MB",
            ),
            Row::of_path(Symbol::Trash, "Playlists/a.mp3", ""),
        ];
        let look = Look {
            plain: true,
            ..Look::plain()
        };
        insta::assert_snapshot!(Rows { rows: &rows, look: &look }, @"
        add: Tornado Wallace – Today; download, about 38 MB
        to the trash: Playlists/a.mp3
        ");
    }

    fn show(rows: &[Row], width: Option<usize>) -> String {
        let look = Look {
            width,
            ..Look::plain()
        };
        Rows { rows, look: &look }.to_string()
    }

    #[test]
    fn columns_stand_below_each_other_whatever_the_script() {
        let rows = [
            Row::new(
                Symbol::Add,
                "Tornado Wallace – Today",
                "download, about 38 MB",
            ),
            Row::new(Symbol::Move, "日本語 🇮🇹", "from \"Party Mix 🎉\""),
            Row::new(
                Symbol::Leave,
                "A name without a note that is as long as it likes to be",
                "",
            ),
        ];
        insta::assert_snapshot!(show(&rows, None), @r#"
          + Tornado Wallace – Today  download, about 38 MB
          > 日本語 🇮🇹                from "Party Mix 🎉"
          - A name without a note that is as long as it likes to be
        "#);
    }

    #[test]
    fn sixty_columns_are_enough() {
        let rows = [
            Row::of_path(
                Symbol::Trash,
                "Playlists/Old House Classics 2019/Artist - Title (1).mp3",
                "duplicate of Old/dup.flac · rule dupes (tidal-cleanup.toml:64)",
            ),
            Row::new(Symbol::Add, "Short", "download, about 38 MB"),
        ];
        let text = show(&rows, Some(60));
        assert!(text.lines().all(|line| width(line) <= 60), "{text}");
        insta::assert_snapshot!(text, @"
        x Playlists/…ist - Title (1).mp3  duplicate of Old/dup.fl…
        + Short                           download, about 38 MB
        ");
    }

    #[test]
    fn only_what_takes_nothing_away_collapses() {
        let mut rows: Vec<Row> = (1..=12)
            .map(|number| Row::new(Symbol::Add, &format!("Track {number}"), ""))
            .collect();
        rows.extend((1..=12).map(|number| Row::new(Symbol::Leave, &format!("Old {number}"), "")));
        let text = show(&rows, None);
        assert_eq!(text.matches("  - ").count(), 12);
        assert_eq!(text.matches("  + ").count(), 10);
        assert!(
            text.ends_with("  … and 2 more: 2 + (-v shows all)\n"),
            "{text}"
        );
        assert!(!show(&rows[..11], None).contains("more"));
    }

    #[test]
    fn a_hostile_name_is_shown_and_not_obeyed() {
        let rows = [Row::new(Symbol::Add, "a\u{1b}[31m\nb", "")];
        assert_eq!(show(&rows, None), "  + a\\u{1b}[31m\\u{a}b\n");
    }
}
