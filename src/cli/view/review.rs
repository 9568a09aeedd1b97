//! The rows of a plan with a number and a mark each: what will be done, and what is left out.

use std::fmt;

use super::{
    Look,
    plan::Section,
    rows::paragraph,
    text::{ascii, fit, visible, width},
};

/// Whether a row will be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    In,
    /// Left out by choice.
    Out,
    /// Left out because what it needs is.
    Follows,
    /// Some of it.
    Partly,
    /// Nothing to choose here.
    Fixed,
}

impl Mark {
    const fn shown(self) -> &'static str {
        match self {
            Self::In => "[x]",
            Self::Out => "[ ]",
            Self::Follows => "[-]",
            Self::Partly => "[~]",
            Self::Fixed => "   ",
        }
    }
}

/// The table.
pub struct ReviewView<'a> {
    pub sections: &'a [Section],
    /// One for each row.
    pub marks: Vec<Mark>,
    /// How much is left out.
    pub told: Option<String>,
    pub look: &'a Look,
}

impl fmt::Display for ReviewView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.look.width.unwrap_or(usize::MAX);
        let cut = |text: &str, room: usize| match self.look.ascii {
            true => fit(&ascii(text), room).replace('…', "~"),
            false => fit(text, room),
        };
        let digits = self.marks.len().to_string().len();
        let mut number = 0;
        for (group, section) in self.sections.iter().enumerate() {
            let heading = format!("{}  {}", visible(&section.heading), section.aside);
            let heading = cut(heading.trim_end(), columns.saturating_sub(digits + 3));
            writeln!(f, "g{} {}", group + 1, self.look.bold(&heading))?;
            for row in &section.rows {
                number += 1;
                let mark = self
                    .marks
                    .get(number - 1)
                    .map_or("   ", |mark| mark.shown());
                let sign = row.symbol.character();
                let head = format!("{number:>digits$} {mark} {sign} ");
                let room = columns.saturating_sub(width(&head));
                let text = match row.note.is_empty() {
                    true => row.label.text().to_owned(),
                    false => format!("{}  {}", row.label.text(), row.note),
                };
                writeln!(f, "{head}{}", cut(&text, room))?;
            }
        }
        let legend =
            "[x] will be done, [ ] left out, [-] left out because what it needs is, [~] partly";
        f.write_str(&paragraph(legend, 0, self.look))?;
        match &self.told {
            Some(told) => f.write_str(&paragraph(told, 0, self.look)),
            None => Ok(()),
        }
    }
}
