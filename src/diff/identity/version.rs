//! Takes a title apart: what the song is called, and which version of it this is.

use std::fmt;

use super::{
    fold::{fold, key},
    labels::{self, Label},
    repair::repair,
    words,
};

/// A title, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Title {
    /// The folded name of the song, without brackets and version.
    pub core: String,
    /// The core with its subtitles, in the order they stand.
    pub full: String,
    /// Folded subtitles: what stands in brackets and is neither version, nor guest, nor noise.
    pub extras: Vec<String>,
    /// [`key`] of the core.
    pub core_key: String,
    /// [`key`] of the full title.
    pub full_key: String,
    /// The whole title with its version as it is written; `None` where labels came to it from
    /// elsewhere.
    pub written: Option<String>,
    /// Folded guests (`feat. …`).
    pub feats: Vec<String>,
    /// Which version.
    pub version: Version,
    /// Numbers in the title in ascending order: parts, volumes, years, opus numbers.
    pub numbers: Vec<u32>,
    /// Whether a number is named as that of a part (`Pt. 2`, `Vol. 3`, `No. 1`).
    pub part: bool,
}

/// Which version of a song.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    /// What was done to it.
    pub kinds: Kinds,
    /// Who did it, or the name that the version has; folded.
    pub by: Vec<String>,
    /// Whether it is cut short or made long.
    pub length: Option<Length>,
    /// The words that say so, for versions that differ in them alone.
    pub labels: u16,
    /// Whether it is called a club version, which may be longer or a mix of its own.
    pub club: bool,
    /// The language, when a version is named after one.
    pub language: Option<&'static str>,
    /// The whole title ends in an unbracketed `… Name Remix`, so that the last words of the core may
    /// be the remixer.
    pub open: bool,
}

/// Lengths of one mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Length {
    /// Radio edit, single version, 7".
    Short,
    /// Extended mix, club mix, 12".
    Long,
}

macro_rules! kinds {
    ($($bit:literal $name:ident $label:literal),* $(,)?) => {
        /// A set of what makes a version another recording.
        #[derive(Clone, Copy, Default, PartialEq, Eq)]
        pub(super) struct Kinds(u32);

        impl Kinds {
            $(pub(super) const $name: Self = Self(1 << $bit);)*
            const LABELS: &'static [(Self, &'static str)] = &[$((Self::$name, $label)),*];
        }
    };
}

kinds! {
    0 REMIX "remix", 1 LIVE "live", 2 ACOUSTIC "acoustic", 3 INSTRUMENTAL "instrumental",
    4 A_CAPPELLA "a cappella", 5 DUB "dub", 6 VIP "vip", 7 DEMO "demo", 8 KARAOKE "karaoke",
    9 COVER "cover", 10 SPED_UP "sped up", 11 SLOWED "slowed", 12 CLEAN "clean", 13 INTRO "intro edit",
    14 RERECORDED "re-recorded", 15 REPRISE "reprise", 16 MIXED "mixed", 17 REVERSED "reversed",
    18 MASHUP "mashup", 19 NAMED "named version", 20 ORCHESTRAL "orchestral", 21 PIANO "piano",
    22 INTERLUDE "interlude", 23 LOOP "loop", 24 MEDLEY "medley",
}

impl Kinds {
    /// Both sets together.
    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are in it.
    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What is in this set and not in `other`.
    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in both.
    pub(super) const fn only(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether nothing is in it.
    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut labels = Self::LABELS
            .iter()
            .filter(|(kind, _)| self.has(*kind))
            .map(|(_, label)| *label);
        f.write_str(labels.next().unwrap_or("original"))?;
        labels.try_for_each(|label| write!(f, " + {label}"))
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.by.is_empty() {
            parts.push(self.by.join(", "));
        }
        match self.length {
            Some(Length::Short) => parts.push("radio or short".to_owned()),
            Some(Length::Long) => parts.push("extended".to_owned()),
            None => {}
        }
        parts.extend(self.language.map(str::to_owned));
        if !self.kinds.is_empty() || parts.is_empty() {
            parts.push(self.kinds.to_string());
        }
        f.write_str(&parts.join(" "))
    }
}

impl Version {
    /// The labels of both.
    pub(super) fn join(&mut self, other: &Self) {
        self.kinds = self.kinds.with(other.kinds);
        for name in &other.by {
            if !self.by.contains(name) {
                self.by.push(name.clone());
            }
        }
        self.length = self.length.or(other.length);
        self.labels |= other.labels;
        self.club |= other.club;
        self.language = self.language.or(other.language);
    }
}

impl Title {
    /// Takes `title` apart, and `version` (TIDAL keeps it separately) with it.
    pub(super) fn parse(title: &str, version: Option<&str>) -> Self {
        let mut parsed = Self::default();
        let title = repair(title);
        let mut names = Vec::new();
        for piece in pieces(&title) {
            match piece {
                Piece::Plain(text) if names.iter().all(|(_, extra)| *extra) => {
                    parsed.take_name(&text, &mut names);
                }
                Piece::Plain(text) => parsed.take_dash(&text, &mut names),
                Piece::Bracket(text, square) => parsed.take_label(&text, square, &mut names),
            }
        }
        for piece in version.map(pieces).unwrap_or_default() {
            let (text, square) = match piece {
                Piece::Plain(text) => (text, false),
                Piece::Bracket(text, square) => (text, square),
            };
            parsed.take_label(&text, square, &mut names);
        }
        parsed.name(&title, names);
        parsed.written = Some(match version {
            Some(version) => [&title, " ", version].concat(),
            None => title.into_owned(),
        });
        parsed
    }

    /// Composes core and full title of its named parts (text, whether it is a subtitle).
    fn name(&mut self, title: &str, names: Vec<(String, bool)>) {
        for (text, is_extra) in names {
            let text = words::with_digits(text);
            append(&mut self.full, &text);
            match is_extra {
                true => self.extras.push(text),
                false => append(&mut self.core, &text),
            }
        }
        if self.core.is_empty() {
            // A title that stands in brackets as a whole, or is nothing but a version (`Intro`).
            self.core = if self.full.is_empty() {
                words::with_digits(words::canonical(fold(title)))
            } else {
                self.extras.clear();
                self.full.clone()
            };
            self.full.clone_from(&self.core);
        }
        self.core_key = key(&self.core);
        self.full_key = if self.full == self.core {
            self.core_key.clone()
        } else {
            key(&self.full)
        };
        self.numbers = words::numbers(&self.full);
        self.part = words::names_a_part(&self.full);
    }

    fn take_name(&mut self, text: &str, names: &mut Vec<(String, bool)>) {
        let folded = words::canonical(fold(text));
        let (name, feats) = words::split_feat(&folded);
        let (name, label) = words::split_trailing_label(name);
        if !name.is_empty() {
            names.push((name.to_owned(), false));
        }
        if let Some(label) = label {
            let mut version = labels::version_of(label);
            version.open |= version.kinds.has(Kinds::REMIX) && version.by.is_empty();
            self.join(&version);
        }
        if let Some(feats) = feats {
            self.take_feats(feats);
        }
    }

    fn take_dash(&mut self, text: &str, names: &mut Vec<(String, bool)>) {
        let folded = words::canonical(fold(text));
        // The `?` behind a bracket.
        if !folded.contains(char::is_alphanumeric) && !names.is_empty() {
            return;
        }
        match labels::classify(&folded, false) {
            Label::Name => names.push((folded, false)),
            other => self.take(other),
        }
    }

    fn take_label(&mut self, text: &str, square: bool, names: &mut Vec<(String, bool)>) {
        // `Radio Edit / 2011 Remaster`, `Intro - Clean`: several labels in one bracket, when each is one.
        let separators = ['/', ',', ';', '|', '–', '—'];
        if text.contains(separators) || text.contains(" - ") {
            let parts: Vec<Label> = text
                .split(separators)
                .flat_map(|part| part.split(" - "))
                .map(|part| words::canonical(fold(part)))
                .filter(|part| !part.is_empty())
                .map(|part| labels::classify(&part, square))
                .collect();
            let is_label = |part: &Label| matches!(part, Label::Noise | Label::Version(_));
            if parts.len() > 1 && parts.iter().all(is_label) {
                parts.into_iter().for_each(|part| self.take(part));
                return;
            }
        }
        let folded = words::canonical(fold(text));
        match labels::classify(&folded, square) {
            Label::Name if folded.is_empty() => {}
            Label::Name => names.push((folded, true)),
            other => self.take(other),
        }
    }

    fn take(&mut self, label: Label) {
        match label {
            Label::Noise | Label::Name => {}
            Label::Feat(feats) => self.take_feats(&feats),
            Label::Version(version) => self.join(&version),
        }
    }

    fn take_feats(&mut self, feats: &str) {
        let feats = feats.trim();
        if !feats.is_empty() && !self.feats.iter().any(|known| known == feats) {
            self.feats.push(feats.to_owned());
        }
    }

    fn join(&mut self, version: &Version) {
        self.version.join(version);
        self.version.open |= version.open;
    }
}

/// Adds words behind a blank.
fn append(text: &mut String, words: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(words);
}

/// A stretch of a title.
enum Piece {
    /// Outside brackets, between dashes.
    Plain(String),
    /// Inside brackets; whether they are square.
    Bracket(String, bool),
}

/// Splits at brackets and at dashes with blanks around them. A bracket that is never closed reaches to
/// the end (titles of `ID3v1` are cut after 30 characters).
fn pieces(text: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let structured =
        |c: char| matches!(c, '-' | '/' | '|' | '~' | '(' | '[' | '{' | '<') || !c.is_ascii();
    if !text.contains(structured) {
        if !text.trim().is_empty() {
            out.push(Piece::Plain(text.trim().to_owned()));
        }
        return out;
    }
    let mut plain = String::new();
    let mut inner = String::new();
    let (mut depth, mut square) = (0_u32, false);
    for c in text.chars() {
        match c {
            '(' | '[' | '{' | '（' | '［' | '【' | '「' | '『' | '〔' | '<' => {
                if depth == 0 {
                    flush(&mut plain, &mut out);
                    square = matches!(c, '[' | '［' | '【');
                } else {
                    inner.push(' ');
                }
                depth += 1;
            }
            ')' | ']' | '}' | '）' | '］' | '】' | '」' | '』' | '〕' | '>' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    out.push(Piece::Bracket(std::mem::take(&mut inner), square));
                } else {
                    inner.push(' ');
                }
            }
            _ if depth > 0 => inner.push(c),
            _ => plain.push(c),
        }
    }
    flush(&mut plain, &mut out);
    if !inner.trim().is_empty() {
        out.push(Piece::Bracket(inner, square));
    }
    out
}

fn flush(plain: &mut String, out: &mut Vec<Piece>) {
    let text = std::mem::take(plain);
    if !text.contains(['-', '–', '—', '/', '|', '~', '\t', '\u{a0}']) {
        let text = text.trim();
        if !text.trim_matches([' ', '_']).is_empty() {
            out.push(Piece::Plain(text.to_owned()));
        }
        return;
    }
    let spaced = text.replace([' ', '\t', '\u{a0}'], " ");
    let mut rest = spaced.as_str();
    loop {
        let cut = words::find_first(rest, &[" - ", " – ", " — ", " / ", " | ", " // ", " ~ "]);
        let (piece, after) = match cut {
            Some((at, len)) => (&rest[..at], Some(&rest[at + len..])),
            None => (rest, None),
        };
        if !piece.trim_matches([' ', '-', '_']).is_empty() {
            out.push(Piece::Plain(piece.trim().to_owned()));
        }
        match after {
            Some(after) => rest = after,
            None => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(title: &str, version: Option<&str>) -> String {
        let parsed = Title::parse(title, version);
        format!("{} | {}", parsed.core, parsed.version)
    }

    #[test]
    fn titles_come_apart() {
        for (title, version, expected) in [
            ("Opus (Extended Mix)", None, "opus | extended"),
            ("Opus", Some("Four Tet Remix"), "opus | four tet remix"),
            (
                "Opus [Four Tet Extended Remix]",
                None,
                "opus | four tet extended remix",
            ),
            ("Opus - Radio Edit", None, "opus | radio or short"),
            (
                "Opus (Live at Ushuaïa 2015)",
                None,
                "opus | ushuaia 2015 live",
            ),
            (
                "Opus (Original Mix) [2015 Remaster]",
                None,
                "opus | original",
            ),
            ("Opus (Piano Version)", None, "opus | piano"),
            ("Opus (En Español)", None, "opus | Spanish"),
            ("Opus (7\" Mix)", None, "opus | radio or short"),
            ("Opus VIP", None, "opus | vip"),
            ("Edit", None, "edit | original"),
            ("Intro", None, "intro | original"),
            ("Live Forever", None, "live forever | original"),
            ("Rockabye (Clean Bandit)", None, "rockabye | original"),
        ] {
            assert_eq!(shown(title, version), expected, "{title} {version:?}");
        }
    }

    #[test]
    fn subtitles_and_guests_stand_apart() {
        let title = Title::parse("Nights (On My Mind) [feat. Someone & Other]", None);
        assert_eq!(title.core, "nights");
        assert_eq!(title.extras, ["on my mind"]);
        assert_eq!(title.feats, ["someone and other"]);
        assert_eq!(title.full, "nights on my mind");
    }

    #[test]
    fn parts_have_numbers() {
        for title in [
            "Suite, Pt. II",
            "Suite (Part Two)",
            "Suite Part 2",
            "Suite pt.2",
        ] {
            let title = Title::parse(title, None);
            assert_eq!(title.numbers, [2], "{title:?}");
        }
        assert_eq!(
            Title::parse("Monday '88", None).numbers,
            Title::parse("Monday 1988", None).numbers
        );
    }
}
