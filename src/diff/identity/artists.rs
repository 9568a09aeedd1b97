//! Who plays it: credits in all their writings, compared.

use std::borrow::Cow;

use super::{
    fold::{Signs, fold, romanised, scripts, squash, umlautless},
    repair::repair,
    words,
};

/// The artists that a credit names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Artists {
    /// Folded names as they are credited: whole, and without guests.
    whole: Vec<String>,
    /// Folded names of a `… vs. …`, each alone.
    versus: Vec<Self>,
    /// Folded names that a credit contains, split at `&`, commas, `x`, `vs`, `feat.`.
    parts: Vec<String>,
}

/// How well two credits agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    /// The same artist, with the points that the writing costs and what there is to say about it.
    Same(u8, &'static str),
    /// One of them is not known.
    Unknown,
    /// In writing systems that cannot be compared.
    Incomparable,
    /// Other artists.
    Different,
}

impl Artists {
    /// Reads credits, each of which may name several artists.
    pub(super) fn parse<'a>(credits: impl IntoIterator<Item = &'a str>) -> Self {
        let mut artists = Self::default();
        for credit in credits {
            artists.add(&repair(credit));
        }
        artists
    }

    /// Adds names that were folded already (guests in a title).
    pub(super) fn add_folded<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            for part in name.split(" and ") {
                push(&mut self.parts, part);
            }
            push(&mut self.parts, name);
        }
    }

    /// Whether nobody is named.
    pub(super) fn is_unknown(&self) -> bool {
        self.whole.is_empty() && self.parts.is_empty()
    }

    /// All folded names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.whole.iter().chain(&self.parts).map(String::as_str)
    }

    /// Whether every word of a folded text is from the names.
    pub(super) fn spell(&self, text: &str) -> bool {
        words::split(text).all(|word| {
            matches!(
                word,
                "and" | "vs" | "x" | "with" | "versus" | "by" | "meets" | "the" | "feat" | "ft"
            ) || self
                .names()
                .any(|name| words::split(name).any(|part| part == word))
        })
    }

    /// Whether one of the names is `name`, or has its words.
    pub(super) fn include(&self, name: &str) -> bool {
        self.names()
            .any(|own| own == name || ratio(own, name) >= 0.88)
    }

    /// Those who are played against each other (`A vs. B`), each alone.
    pub(super) fn opponents(&self) -> impl Iterator<Item = &Self> {
        self.versus.iter()
    }

    fn add(&mut self, credit: &str) {
        let folded = words::canonical(fold(credit));
        if !is_joined(credit, &folded) {
            push(&mut self.whole, clean(&folded));
            return;
        }
        let lower = credit.to_lowercase();
        for versus in [" vs. ", " vs ", " versus "] {
            if lower.contains(versus) {
                self.versus
                    .extend(lower.split(versus).map(|side| Self::parse([side])));
            }
        }
        push(
            &mut self.whole,
            clean(&folded_name(&without_brackets(credit))),
        );
        push(&mut self.whole, clean(&folded));
        if let Some((outer, inner)) = credit.split_once(['(', '[']) {
            // `아이유 (IU)`: the same name in another script, and no country.
            let (outer, inner) = (folded_name(outer), folded_name(inner));
            if scripts(&outer) != 0
                && scripts(&inner) != 0
                && scripts(&outer) & scripts(&inner) == 0
            {
                push(&mut self.parts, clean(&inner));
            }
        }
        let mut text = format!(" {lower} ");
        let seen = Signs::of(&text);
        for separator in [
            " feat. ",
            " feat ",
            " ft. ",
            " ft ",
            " featuring ",
            " with ",
            " presents ",
            " pres. ",
            " vs. ",
            " vs ",
            " versus ",
            " x ",
            " × ",
            " & ",
            " and ",
            " + ",
            " meets ",
            " und ",
            " y ",
            " et ",
            "(feat. ",
            "(feat ",
            "(ft. ",
            "(ft ",
            "[feat. ",
            "(with ",
            " aka ",
            " a.k.a. ",
        ] {
            // Looking for each of them takes longer than all else here.
            if seen.has(separator) && text.contains(separator) {
                text = text.replace(separator, " ; ");
            }
        }
        for part in text.split([';', ',', '/', '|', '\0', '、', '·', '&', '；', '，']) {
            push(
                &mut self.parts,
                clean(&folded_name(&without_brackets(part))),
            );
        }
    }
}

/// Whether a folded credit is what stands where nobody is named.
fn is_nobody(name: &str) -> bool {
    matches!(
        name.as_bytes(),
        b"" | b"va"
            | b"v a"
            | b"various"
            | b"various artists"
            | b"various artist"
            | b"unknown"
            | b"unknown artist"
            | b"unbekannter interpret"
            | b"unbekannt"
            | b"artist"
            | b"interpret"
            | b"verschiedene"
            | b"verschiedene interpreten"
            | b"artistes divers"
            | b"varios artistas"
            | b"artisti vari"
            | b"none"
            | b"null"
            | b"soundtrack"
            | b"n and a"
            | b"n a"
            | b"dj"
            | b"no artist"
            | b"<unknown>"
    )
}

fn push(names: &mut Vec<String>, name: &str) {
    if !is_nobody(name) && !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

fn without_brackets(text: &str) -> String {
    let mut depth = 0_u32;
    let bare: String = text
        .chars()
        .filter(|c| match c {
            '(' | '[' => {
                depth += 1;
                false
            }
            ')' | ']' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        })
        .collect();
    if bare.trim().is_empty() {
        text.to_owned()
    } else {
        bare
    }
}

/// Whether a credit may name several artists, or say more than a name.
fn is_joined(credit: &str, folded: &str) -> bool {
    const MARKS: [char; 14] = [
        ';', ',', '/', '|', '\0', '、', '·', '&', '；', '，', '(', '[', '+', '×',
    ];
    credit.contains(MARKS)
        || words::split(folded).any(|word| {
            matches!(
                word.as_bytes(),
                b"feat"
                    | b"ft"
                    | b"featuring"
                    | b"with"
                    | b"presents"
                    | b"pres"
                    | b"vs"
                    | b"versus"
                    | b"x"
                    | b"and"
                    | b"meets"
                    | b"und"
                    | b"y"
                    | b"et"
                    | b"aka"
                    | b"a"
            )
        })
}

fn folded_name(name: &str) -> String {
    words::canonical(fold(name))
}

fn clean(folded: &str) -> &str {
    let mut name = folded.trim();
    for article in ["the ", "dj ", "die ", "los ", "les "] {
        if let Some(rest) = name.strip_prefix(article)
            && rest.chars().count() > 2
        {
            name = rest;
            break;
        }
    }
    name.trim()
}

/// Whether the two credits name a common artist.
pub(super) fn agreement(local: &Artists, tidal: &Artists) -> Agreement {
    if local.is_unknown() || tidal.is_unknown() {
        return Agreement::Unknown;
    }
    let shared = |a: &[String], b: &[String]| a.iter().any(|name| b.contains(name));
    if shared(&local.whole, &tidal.whole) {
        return Agreement::Same(0, "same artist");
    }
    if shared(&local.parts, &tidal.whole) || shared(&local.whole, &tidal.parts) {
        return Agreement::Same(0, "a common artist");
    }
    if shared(&local.parts, &tidal.parts) {
        return Agreement::Same(1, "a common artist");
    }
    let mut best = Agreement::Different;
    let mut comparable = false;
    for own in local.names() {
        for other in tidal.names() {
            comparable |= scripts(own) & scripts(other) != 0;
            if let Some((cost, text)) = alike(own, other)
                && !matches!(best, Agreement::Same(least, _) if least <= cost)
            {
                best = Agreement::Same(cost, text);
            }
        }
    }
    match best {
        Agreement::Different if !comparable => Agreement::Incomparable,
        best => best,
    }
}

fn alike(a: &str, b: &str) -> Option<(u8, &'static str)> {
    let (x, y) = (squash(a), squash(b));
    if x == y || wildcard_equal(&x, &y) || x.replace('*', "") == y.replace('*', "") {
        return Some((0, "same artist"));
    }
    if renamed(a) == renamed(b) {
        return Some((0, "same artist under another name"));
    }
    if imitates(a) != imitates(b) {
        return None;
    }
    if umlautless(&x) == umlautless(&y) {
        return Some((1, "same artist, other umlauts"));
    }
    if scripts(a) & scripts(b) == 0 {
        let (x, y) = (romanised(a), romanised(b));
        return (x.len() >= 3 && x == y)
            .then_some((2, "same artist, transliterated"))
            .or_else(|| {
                (x.len() >= 5 && ratio(&x, &y) >= 0.8).then_some((8, "artist transliterated"))
            });
    }
    if !a.is_ascii() && !b.is_ascii() && romanised(a) == romanised(b) {
        // Simplified and traditional characters, kana and kanji.
        return Some((2, "same artist, other characters"));
    }
    let short = x.chars().count().min(y.chars().count());
    if unleet(&x) == unleet(&y) {
        return Some((1, "same artist, digits for letters"));
    }
    if short >= 6 && ratio(a, b) >= 0.88 {
        // Never for nothing: there is a `Mark Knight` and a `Mark Night`.
        return Some((4, "artist written almost the same"));
    }
    // ID3v1 cuts after 30 characters; articles and blanks are not counted here.
    if short >= 20 && (x.starts_with(&y) || y.starts_with(&x)) {
        return Some((3, "artist cut short"));
    }
    if let Some(common) = contained(a, b) {
        // `Hall and Oates`: the same people, whose first names are left out.
        let people = [a, b].iter().all(|name| name.contains(" and "));
        let cost = match common {
            0..=1 => 12,
            _ if people => 3,
            _ => 6,
        };
        return Some((cost, "one artist's name is part of the other's"));
    }
    (is_acronym(a, b) || is_acronym(b, a)).then_some((8, "artist abbreviated"))
}

/// `deadmau5` is `deadmaus`: digits in words of letters as the letters that they stand for.
fn unleet(squashed: &str) -> Cow<'_, str> {
    let has = |test: fn(u8) -> bool| squashed.bytes().any(test);
    if !has(|b| b.is_ascii_digit()) || !has(|b| b.is_ascii_alphabetic()) {
        return Cow::Borrowed(squashed);
    }
    let letter = |c: char| match c {
        '0' => 'o',
        '1' => 'i',
        '3' => 'e',
        '4' => 'a',
        '5' => 's',
        '7' => 't',
        other => other,
    };
    Cow::Owned(squashed.chars().map(letter).collect())
}

/// Who plays what somebody else has made.
fn imitates(name: &str) -> bool {
    words::split(name).any(|word| {
        matches!(
            word,
            "tribute"
                | "karaoke"
                | "cover"
                | "covers"
                | "lullaby"
                | "kidz"
                | "backing"
                | "imitation"
        )
    })
}

/// The name that an artist goes by today, of those who changed it.
fn renamed(name: &str) -> &str {
    match name {
        "kanye west" | "kanye" => "ye",
        "puff daddy" | "p diddy" | "sean combs" | "sean diddy combs" => "diddy",
        "tupac" | "2 pac" | "tupac shakur" => "2pac",
        "machine gun kelly" => "mgk",
        "mos def" => "yasiin bey",
        "snoop lion" | "snoop doggy dogg" => "snoop dogg",
        "cat stevens" | "yusuf islam" | "yusuf cat stevens" => "yusuf",
        "chk chk chk" => "!!!",
        "churches" => "chvrches",
        "jhay cortez" => "jhayco",
        "antony and the johnsons" => "anohni",
        "viet cong" => "preoccupations",
        "ol dirty bastard" => "odb",
        "dixie chicks" => "the chicks",
        other => other,
    }
}

/// How many words the shorter name has, when the longer one has them all.
fn contained(a: &str, b: &str) -> Option<usize> {
    let words = |name: &str| {
        words::split(name)
            .filter(|word| !matches!(*word, "and" | "the"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (a, b) = (words(a), words(b));
    let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let letters: usize = few.iter().map(|word| word.chars().count()).sum();
    (!few.is_empty() && letters >= 4 && few.iter().all(|word| many.contains(word)))
        .then_some(few.len())
}

fn is_acronym(short: &str, long: &str) -> bool {
    if short.contains(' ') || short.len() < 3 {
        return false;
    }
    let initials = |skip: bool| {
        words::split(long)
            .filter(|word| !skip || !matches!(*word, "and" | "the" | "of" | "in"))
            .filter_map(|word| word.chars().next())
            .collect::<String>()
    };
    short == initials(false) || short == initials(true)
}

/// Likeness of two texts: 1 for equal ones, by edit distance, neighbouring letters swapped counting once.
pub(super) fn ratio(a: &str, b: &str) -> f64 {
    if a.is_ascii() && b.is_ascii() {
        rapidfuzz::distance::osa::normalized_similarity(a.bytes(), b.bytes())
    } else {
        rapidfuzz::distance::osa::normalized_similarity(a.chars(), b.chars())
    }
}

/// Equality in which a `*` of one side stands for any one letter of the other.
pub(super) fn wildcard_equal(a: &str, b: &str) -> bool {
    (a.contains('*') || b.contains('*'))
        && a.chars().count() == b.chars().count()
        && a.chars()
            .zip(b.chars())
            .all(|(x, y)| x == y || x == '*' || y == '*')
        && a.chars().any(|c| c != '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(local: &str, tidal: &[&str]) -> Agreement {
        agreement(
            &Artists::parse([local]),
            &Artists::parse(tidal.iter().copied()),
        )
    }

    #[test]
    fn the_same_artists_in_other_writings() {
        for (local, tidal) in [
            ("Simon and Garfunkel", &["Simon & Garfunkel"][..]),
            ("Chemical Brothers", &["The Chemical Brothers"]),
            ("Röyksopp feat. Robyn", &["Robyn", "Röyksopp"]),
            ("ACDC", &["AC/DC"]),
            ("Earth Wind and Fire", &["Earth, Wind & Fire"]),
            ("Bjoerk", &["Björk"]),
            ("Мумий Тролль", &["Mumiy Troll"]),
            ("Crosby, Stills", &["Crosby, Stills & Nash"]),
            ("Chris Lake (UK)", &["Chris Lake"]),
        ] {
            assert!(
                matches!(compare(local, tidal), Agreement::Same(0..=3, _)),
                "{local} / {tidal:?}: {:?}",
                compare(local, tidal)
            );
        }
    }

    #[test]
    fn a_name_inside_another_is_doubtful_and_another_name_is_another_artist() {
        assert!(matches!(
            compare("Queen Latifah", &["Queen"]),
            Agreement::Same(12, _)
        ));
        assert_eq!(compare("Moby", &["Orbital"]), Agreement::Different);
        assert_eq!(compare("Various Artists", &["Orbital"]), Agreement::Unknown);
        assert_eq!(compare("BTS", &["방탄소년단"]), Agreement::Incomparable);
    }
}
