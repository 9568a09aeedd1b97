//! Text for a terminal: widths by grapheme, safe characters, numbers and sizes.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// Columns that a text takes. Flags, ZWJ sequences and CJK characters take two.
#[must_use]
pub fn width(text: &str) -> usize {
    text.graphemes(true).map(|grapheme| grapheme.width()).sum()
}

/// The text in one line with nothing in it that could steer a terminal or turn its direction: names
/// come from outside.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| !is_hostile(c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(shown).collect())
}

/// The same, with line feeds and tabs kept: for messages of other programs.
#[must_use]
pub fn visible_lines(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c.to_string(),
            _ => shown(c),
        })
        .collect()
}

fn shown(c: char) -> String {
    match is_hostile(c) {
        true => c.escape_unicode().to_string(),
        false => c.to_string(),
    }
}

/// Control characters, and those that override the direction of what follows.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// The text in ASCII: signs by their nearest likeness, other scripts by their sound.
#[must_use]
pub fn ascii(text: &str) -> String {
    text.graphemes(true)
        .map(|grapheme| match grapheme {
            "–" | "—" | "‐" | "−" => "-".to_owned(),
            "·" | "│" => "|".to_owned(),
            "→" => "->".to_owned(),
            "≠" => "!=".to_owned(),
            "…" => "...".to_owned(),
            "“" | "”" | "„" => "\"".to_owned(),
            _ if grapheme.is_ascii() => grapheme.to_owned(),
            // The sound of an emoji with a selector is that of the emoji.
            _ => deunicode::deunicode_with_tofu(grapheme, "?")
                .trim()
                .to_owned(),
        })
        .collect()
}

/// The text in at most `columns`, its end replaced by `…` where it is longer.
#[must_use]
pub fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = head(text, columns.saturating_sub(1));
    kept.push('…');
    kept
}

/// A path in at most `columns`: what is cut is in the middle, for the end says which file it is.
#[must_use]
pub fn fit_path(path: &str, columns: usize) -> String {
    if width(path) <= columns {
        return path.to_owned();
    }
    let tail = tail(path, columns.saturating_sub(1) * 2 / 3);
    let head = head(path, columns.saturating_sub(1 + width(&tail)));
    format!("{head}…{tail}")
}

fn head(text: &str, columns: usize) -> String {
    let mut used = 0;
    text.graphemes(true)
        .take_while(|grapheme| {
            used += grapheme.width();
            used <= columns
        })
        .collect()
}

fn tail(text: &str, columns: usize) -> String {
    let mut used = 0;
    let mut kept: Vec<&str> = text
        .graphemes(true)
        .rev()
        .take_while(|grapheme| {
            used += grapheme.width();
            used <= columns
        })
        .collect();
    kept.reverse();
    kept.concat()
}

/// The text followed by blanks up to `columns`.
#[must_use]
pub fn pad(text: &str, columns: usize) -> String {
    let blanks = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(blanks))
}

/// The text broken into lines of at most `columns`: at blanks, and within a word that is longer. A command
/// in backticks stays whole where it fits in a line, so that it can be copied.
#[must_use]
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let pieces = pieces(text, columns);
    let pieces = pieces.iter().flat_map(|piece| broken(piece, columns));
    filled(pieces, columns, width)
}

/// Sentences, broken at blanks alone; what is indented or aligned, such as a picture, stays.
#[must_use]
pub fn folded(text: &str, columns: usize) -> String {
    let fold = |line: &str| {
        let bare = console::strip_ansi_codes(line);
        let is_drawn = bare.starts_with(' ') || bare.contains("  ") || bare.contains(" | ");
        if is_drawn || width(&bare) <= columns {
            return line.to_owned();
        }
        let columns = columns.saturating_sub(2);
        let pieces = pieces(line, columns).into_iter();
        filled(pieces, columns, console::measure_text_width).join("\n  ")
    };
    text.split('\n').map(fold).collect::<Vec<_>>().join("\n")
}

/// The words; those between two backticks are one where it has room in a line.
fn pieces(text: &str, columns: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    for word in text.split_whitespace() {
        let turns = word.matches('`').count() % 2 == 1;
        let was_open = !open.is_empty();
        match (was_open, turns) {
            (false, false) => pieces.push(word.to_owned()),
            (false, true) | (true, false) => open.push(word),
            (true, true) => {
                open.push(word);
                let whole = open.join(" ");
                match width(&whole) <= columns {
                    true => pieces.push(whole),
                    false => pieces.extend(open.iter().map(|word| (*word).to_owned())),
                }
                open.clear();
            }
        }
    }
    // A backtick that nobody closed.
    pieces.extend(open.into_iter().map(str::to_owned));
    pieces
}

/// Fills lines with pieces, as `measure` says how wide they are.
fn filled(
    pieces: impl Iterator<Item = String>,
    columns: usize,
    measure: impl Fn(&str) -> usize,
) -> Vec<String> {
    let mut lines = vec![String::new()];
    for piece in pieces {
        let line = lines.last_mut().map(std::mem::take).unwrap_or_default();
        let joined = match line.is_empty() {
            true => piece.clone(),
            false => format!("{line} {piece}"),
        };
        let fits = line.is_empty() || measure(&joined) <= columns;
        if let Some(last) = lines.last_mut() {
            *last = if fits { joined } else { line };
        }
        if !fits {
            lines.push(piece);
        }
    }
    lines
}

/// The text in pieces of at most `columns` (a grapheme that is wider is one), between graphemes.
#[must_use]
pub fn broken(text: &str, columns: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        if used > 0 && used + grapheme.width() > columns {
            pieces.push(String::new());
            used = 0;
        }
        used += grapheme.width();
        if let Some(last) = pieces.last_mut() {
            last.push_str(grapheme);
        }
    }
    pieces
}

/// `2,347`
#[must_use]
pub fn number(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 track`, `2,347 tracks`
#[must_use]
pub fn count(of: usize, one: &str, many: &str) -> String {
    format!("{} {}", number(of as u64), if of == 1 { one } else { many })
}

/// `38 MB`, `9.1 MB`, `512 B`: powers of 1000, as file managers show them.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let bytes = u128::from(bytes);
    let mut unit: u128 = 1000;
    let mut name = 0;
    while bytes * 2 >= unit * 1999 && name + 1 < UNITS.len() {
        unit *= 1000;
        name += 1;
    }
    let tenths = (bytes * 10 + unit / 2) / unit;
    let name = UNITS[name];
    match tenths {
        ..100 => format!("{}.{} {name}", tenths / 10, tenths % 10),
        _ => format!("{} {name}", (bytes + unit / 2) / unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_a_terminal() {
        assert_eq!(width("House Italo R 🇮🇹"), 16);
        assert_eq!(width("👨‍👩‍👧 ok"), 5);
        assert_eq!(width("日本"), 4);
        assert_eq!(width("e\u{301}"), 1);
    }

    #[test]
    fn a_command_stays_whole_where_it_can() {
        let text = "write it with `tidal-cleanup plan --out plan.json`, then apply it";
        assert_eq!(
            wrap(text, 44),
            [
                "write it with",
                "`tidal-cleanup plan --out plan.json`, then",
                "apply it"
            ]
        );
        assert_eq!(wrap("a `b c", 3), ["a", "`b", "c"], "never closed");
        assert!(wrap(text, 20).iter().all(|line| width(line) <= 20));
    }

    #[test]
    fn messages_are_folded_and_pictures_are_not() {
        let text = "  1 | a picture that is far too wide for this terminal\n\
                    11 | another one of those, as wide as the first is\n\
                    Error: no policy in /home/dj/Music/a-long-folder or above\n\
                    \u{1b}[36mHint:\u{1b}[0m `tidal-cleanup init` writes one; look there";
        let folded = folded(text, 36);
        assert_eq!(
            folded,
            "  1 | a picture that is far too wide for this terminal\n\
             11 | another one of those, as wide as the first is\n\
             Error: no policy in\n  /home/dj/Music/a-long-folder or\n  above\n\
             \u{1b}[36mHint:\u{1b}[0m `tidal-cleanup init` writes\n  one; look there"
        );
    }

    #[test]
    fn no_name_steers_the_terminal() {
        assert_eq!(visible("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\\u{a}c");
        assert_eq!(visible("\u{202e}gpj.exe"), "\\u{202e}gpj.exe");
        assert_eq!(visible("Ü 👨‍👩‍👧 العربية"), "Ü 👨‍👩‍👧 العربية");
        assert_eq!(visible_lines("a\n\u{7}b"), "a\n\\u{7}b");
    }

    #[test]
    fn ascii_is_near_what_it_stands_for() {
        assert_eq!(
            ascii("Kiasmos – Looped → “Größe” …"),
            "Kiasmos - Looped -> \"Grosse\" ..."
        );
        assert_eq!(ascii("Party 🎉"), "Party tada");
        assert!(ascii("日本語 🇮🇹 👨‍👩‍👧 العربية").is_ascii());
    }

    #[test]
    fn what_does_not_fit_is_cut_between_graphemes() {
        assert_eq!(fit("Tornado Wallace", 8), "Tornado…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("ab🇮🇹", 3), "ab…");
        assert_eq!(
            fit_path("Playlists/Old/Artist - Title (1).mp3", 20),
            "Playlis…itle (1).mp3"
        );
        assert_eq!(width(&fit_path("Playlists/日本語/日本語.mp3", 15)), 15);
        assert_eq!(fit("abc", 0), "…");
    }

    #[test]
    fn lines_break_at_blanks() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable word", 4), ["unbr", "eaka", "ble", "word"]);
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn numbers_and_sizes_as_people_write_them() {
        assert_eq!(
            (number(7_u64), number(2_347_u64)),
            ("7".into(), "2,347".into())
        );
        assert_eq!(number(88_213_442_211_u64), "88,213,442,211");
        let sizes = [
            (512, "512 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (9_100_000, "9.1 MB"),
            (38_211_002, "38 MB"),
            (999_499_999, "999 MB"),
            (999_600_000, "1.0 GB"),
            (88_213_442_211, "88 GB"),
        ];
        for (size, text) in sizes {
            assert_eq!(bytes(size), text);
        }
    }
}
