//! A plan as a pull-request comment: within a byte budget, the most dangerous rows first.

use std::fmt::Write as _;

use crate::plan::document::Plan;

use super::{
    Look,
    plan::{Section, apply_command, closing, estimates, is_empty, sections, short_digest},
    rows::{Row, Symbol},
    text::{count, visible},
};

/// What still fits when nothing else does.
const SMALLEST: usize = 200;

/// The plan as Markdown in at most `budget` bytes (never fewer than 200 are used). `saved`: the name of its
/// file, where it has one.
#[must_use]
pub fn markdown(plan: &Plan, saved: Option<&str>, budget: usize) -> String {
    let budget = budget.max(SMALLEST);
    let mut text = cut(&head(plan, saved), budget);
    let mut left_out = Vec::new();
    for (symbol, rows) in by_danger(plan) {
        let mut written = 0;
        let title = format!("\n#### {} ({})\n\n", title(symbol), rows.len());
        for (number, line) in rows.iter().enumerate() {
            let block = if number == 0 {
                format!("{title}{line}")
            } else {
                line.clone()
            };
            // The line that says what was left out needs its room until the last row is written.
            if text.len() + block.len() + RESERVE > budget {
                break;
            }
            text.push_str(&block);
            written += 1;
        }
        if written < rows.len() {
            left_out.push((symbol, rows.len() - written));
        }
    }
    let tail = tail(&left_out);
    if text.len() + tail.len() <= budget {
        text.push_str(&tail);
    }
    text
}

/// Room for the line that says what was left out.
const RESERVE: usize = 160;

fn head(plan: &Plan, saved: Option<&str>) -> String {
    let mut text = format!(
        "### tidal-cleanup plan `{}`\n\n",
        short_digest(&plan.digest)
    );
    let closing = closing(plan, None);
    let _ = writeln!(text, "{}", escaped(&closing));
    if let Some(estimates) = estimates(plan) {
        let _ = writeln!(text, "\n{}", escaped(&estimates));
    }
    if !is_empty(&plan.body) && plan.body.applyable {
        let _ = writeln!(
            text,
            "\nApply it with {}.",
            code(&apply_command(plan, saved))
        );
    }
    text
}

fn tail(left_out: &[(Symbol, usize)]) -> String {
    if left_out.is_empty() {
        return String::new();
    }
    let total: usize = left_out.iter().map(|(_, number)| number).sum();
    let kinds: Vec<String> = left_out
        .iter()
        .map(|(symbol, number)| format!("{number} `{}`", symbol.character()))
        .collect();
    format!(
        "\n*… and {} that found no room here: {}.*\n",
        count(total, "row", "rows"),
        kinds.join(", ")
    )
}

/// The rows as list items, by symbol, the most dangerous symbol first; each names its playlist.
fn by_danger(plan: &Plan) -> Vec<(Symbol, Vec<String>)> {
    let look = Look::plain();
    let mut found: Vec<(Symbol, Vec<String>)> = Vec::new();
    for Section { heading, rows, .. } in sections(plan, &look) {
        for row in &rows {
            let line = item(&heading, row);
            match found.iter_mut().find(|(symbol, _)| *symbol == row.symbol) {
                Some((_, lines)) => lines.push(line),
                None => found.push((row.symbol, vec![line])),
            }
        }
    }
    found.sort_by_key(|(symbol, _)| *symbol);
    found
}

fn item(heading: &str, row: &Row) -> String {
    let place = match row.symbol {
        Symbol::Alarm | Symbol::Trash | Symbol::Decide | Symbol::Held => String::new(),
        Symbol::Leave | Symbol::Move | Symbol::Change | Symbol::Adopt | Symbol::Add => {
            format!("{}: ", escaped(heading))
        }
    };
    let note = match row.note.is_empty() {
        true => String::new(),
        false => format!(" — {}", escaped(&row.note)),
    };
    let below: String = row
        .below
        .iter()
        .map(|line| format!("  - {}\n", escaped(line)))
        .collect();
    format!(
        "- `{}` {place}**{}**{note}\n{below}",
        row.symbol.character(),
        escaped(row.label.text())
    )
}

const fn title(symbol: Symbol) -> &'static str {
    match symbol {
        Symbol::Alarm => "Checks that did not pass",
        Symbol::Trash => "Files to the trash",
        Symbol::Decide => "To decide",
        Symbol::Held => "Held back",
        Symbol::Leave => "Leaving a playlist, file kept",
        Symbol::Move => "Moved or renamed",
        Symbol::Change => "Changed",
        Symbol::Adopt => "Adopted",
        Symbol::Add => "Added",
    }
}

/// A code span, whatever backticks the text has.
fn code(text: &str) -> String {
    let text = visible(text);
    let longest = text.split(|c| c != '`').map(str::len).max();
    match longest.unwrap_or_default() {
        0 => format!("`{text}`"),
        run => {
            let fence = "`".repeat(run + 1);
            format!("{fence} {text} {fence}")
        }
    }
}

/// The text with nothing in it that Markdown or HTML would read as markup.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            // A zero-width space keeps a name from calling a person or an issue.
            '@' | '#' => escaped.extend([c, '\u{200b}']),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
    }
    escaped
}

fn cut(text: &str, bytes: usize) -> String {
    let end = (0..=bytes.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    text[..end.unwrap_or(0)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::sample::{self, Sample};

    #[test]
    fn the_most_dangerous_rows_come_first() {
        insta::assert_snapshot!(markdown(&sample::everyday(), None, 65_536), @r#"
        ### tidal-cleanup plan `9f2c41d0`

        Plan: 2 to add, 1 to change, 1 to move, 1 to remove, 1 to trash, 1 to decide, 1 held back. Download 38 MB. Digest 9f2c41d0.

        Apply it with `tidal-cleanup apply plan.json --approve 9f2c41d0`.

        #### Files to the trash (1)

        - `x` **Playlists/Old/dup (1).mp3** — duplicate of Old/dup.flac · rule dupes (tidal-cleanup.toml:64) · can be undone · 9.1 MB

        #### To decide (1)

        - `?` **Which file is “Camel – Rajaz (Live)”?** — unanswered: defer
          - \[1\] Own/Camel - Rajaz.flac (likeness 91: same title, same artist; against it: version: live ≠ studio)
          - \[none\] none of these: the next plan downloads it

        #### Held back (1)

        - `#` **Floating Points – Silhouettes** — would trash · protect "cues" (line 22): 7 hot cues

        #### Leaving a playlist, file kept (1)

        - `-` Party Mix 🎉: **Kiasmos – Looped** — file stays

        #### Moved or renamed (1)

        - `>` House Italo R 🇮🇹: **Todd Terje – Ragysh** — from "Party Mix 🎉", 4 hot cues kept

        #### Changed (1)

        - `~` Party Mix 🎉: **Camel – Rajaz** — title

        #### Added (2)

        - `+` House Italo R 🇮🇹: **Tornado Wallace – Today** — download, about 38 MB
        - `+` House Italo R 🇮🇹: **Jex Opolis – Earth Boy** — file already here
        "#);
    }

    #[test]
    fn the_budget_holds_for_every_size() {
        let mut sample = Sample::new();
        let list = sample.playlist("Émigré <b>@all</b> | `x` 🇮🇹", 100);
        for number in 0..40 {
            let track = sample.track("Ártist & Co", &format!("Söng #{number}"));
            sample.added(&list, &track, 30_000_000);
            sample.trashed(&format!("Playlists/Old/{number}.mp3"));
        }
        let plan = sample.plan();
        for budget in (0..12_000).step_by(37) {
            let text = markdown(&plan, None, budget);
            assert!(text.len() <= budget.max(SMALLEST), "{budget}");
        }
        let text = markdown(&plan, None, 1_500);
        assert!(
            text.contains("`x` **Playlists") && !text.contains("`+`  Émigré"),
            "{text}"
        );
        assert!(text.ends_with("40 `+`.*\n"), "{text}");
    }

    #[test]
    fn what_to_type_names_the_file_of_the_plan() {
        for (saved, expected) in [
            (
                "plans/friday.json",
                "`tidal-cleanup apply plans/friday.json --approve 9f2c41d0`.",
            ),
            (
                "my plan.json",
                "`tidal-cleanup apply \"my plan.json\" --approve 9f2c41d0`.",
            ),
            (
                "a`b.json",
                "`` tidal-cleanup apply 'a`b.json' --approve 9f2c41d0 ``.",
            ),
        ] {
            let text = markdown(&sample::everyday(), Some(saved), 65_536);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn names_are_no_markup() {
        assert_eq!(
            escaped("<img> @all [a](b) `c` *d* #1"),
            "&lt;img&gt; @\u{200b}all \\[a\\](b) \\`c\\` \\*d\\* #\u{200b}1"
        );
    }
}
