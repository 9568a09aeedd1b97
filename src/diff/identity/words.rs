//! Words of titles: one spelling for each, the numbers among them, and where a title ends.

use std::{iter, sync::LazyLock};

use foldhash::HashSet;

/// The words of a folded text.
pub(super) fn each(text: &str) -> impl Iterator<Item = &str> {
    split(text).filter(|word| !word.is_empty())
}

/// [`str::split`] at every blank. Words are short: to look at every byte is quicker than to search.
pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.bytes().position(|byte| byte == b' ') else {
            return rest.take();
        };
        rest = Some(&text[end + 1..]);
        Some(&text[..end])
    })
}

/// Where the first of some separators stands, each of which begins with a blank, and its length.
pub(super) fn find_first(text: &str, separators: &[&str]) -> Option<(usize, usize)> {
    let blanks = text.bytes().enumerate().filter(|(_, byte)| *byte == b' ');
    let mut found = blanks.filter_map(|(at, _)| {
        let fits = |separator: &&&str| text[at..].starts_with(**separator);
        let separator = separators.iter().find(fits)?;
        Some((at, separator.len()))
    });
    found.next()
}

/// One spelling for parts and numbers: `pt ii`, `part two` and `parts 2` become `part 2`; `u` is `you`.
pub(super) fn canonical(folded: String) -> String {
    // Most texts are in it: no word has another spelling, and none says that the next may have.
    let is_its_own = |(at, word): (usize, &str)| {
        spelling(word, false) == (word, false)
            && (at == 0 || word.len() < 2 || roman(word).is_none())
    };
    if split(&folded).enumerate().all(is_its_own) {
        return folded;
    }
    let mut out = String::with_capacity(folded.len() + 4);
    let (mut after_part, mut range) = (false, false);
    for (at, word) in split(&folded).enumerate() {
        let (spelled, part) = spelling(word, after_part);
        if at > 0 {
            out.push(' ');
        }
        match (roman(word), after_part && !(range && word == "i")) {
            (Some(number), true) => out.push_str(number),
            (Some(number), false) if word.len() > 1 && at > 0 => out.push_str(number),
            _ => out.push_str(spelled),
        }
        // `Parts I-V`; a range never ends in I, which is a word as well.
        let in_range = after_part && (roman(word).is_some() || word.parse::<u32>().is_ok());
        after_part = part || in_range;
        range = in_range;
    }
    out
}

fn spelling(word: &str, after_part: bool) -> (&str, bool) {
    let spelled = match word.as_bytes() {
        b"pt" | b"pts" | b"part" | b"parts" | b"teil" | b"parte" | b"partie" => "part",
        b"vol" | b"volume" | b"volumen" => "vol",
        b"no" | b"nr" | b"num" | b"number" => return (word, true),
        b"chapter" | b"ch" | b"kapitel" | b"act" | b"op" | b"opus" | b"day" | b"movement"
        | b"episode" => {
            return (word, true);
        }
        b"u" => "you",
        b"ur" => "your",
        b"n" => "and",
        b"thru" => "through",
        b"rmx" | b"remixed" | b"remixes" => "remix",
        b"12in" | b"12inch" => "12 inch",
        b"7in" | b"7inch" => "7 inch",
        b"10in" | b"10inch" => "10 inch",
        b"first" | b"1st" if after_part => "1",
        b"second" | b"2nd" if after_part => "2",
        _ if after_part => digit(word).unwrap_or(word),
        _ => word,
    };
    (spelled, matches!(spelled, "part" | "vol"))
}

/// Number words as digits: `2 Become 1` is `Two Become One`.
pub(super) fn with_digits(canonical: String) -> String {
    if !split(&canonical).any(|word| digit(word).is_some()) {
        return canonical;
    }
    split(&canonical)
        .map(|word| digit(word).unwrap_or(word))
        .collect::<Vec<_>>()
        .join(" ")
}

fn digit(word: &str) -> Option<&'static str> {
    Some(match word.as_bytes() {
        b"one" => "1",
        b"two" => "2",
        b"three" => "3",
        b"four" => "4",
        b"five" => "5",
        b"six" => "6",
        b"seven" => "7",
        b"eight" => "8",
        b"nine" => "9",
        b"ten" => "10",
        _ => return None,
    })
}

fn roman(word: &str) -> Option<&'static str> {
    Some(match word.as_bytes() {
        b"i" => "1",
        b"ii" => "2",
        b"iii" => "3",
        b"iv" => "4",
        b"v" => "5",
        b"vi" => "6",
        b"vii" => "7",
        b"viii" => "8",
        b"ix" => "9",
        b"x" => "10",
        b"xi" => "11",
        b"xii" => "12",
        _ => return None,
    })
}

/// The numbers of a canonical text in ascending order; years count by their last two digits, so that
/// `'88` is `1988`.
pub(super) fn numbers(canonical: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> = split(canonical)
        .filter(|word| word.len() <= 6)
        .filter_map(|word| word.parse().ok())
        .map(|number: u32| match number {
            1900..=2099 => number % 100,
            _ => number,
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

/// The text without its numbers and the words that introduce them.
pub(super) fn without_numbers(canonical: &str) -> String {
    split(canonical)
        .filter(|word| !introduces_a_part(word) && !word.bytes().all(|b| b.is_ascii_digit()))
        .collect::<Vec<_>>()
        .join(" ")
}

fn introduces_a_part(word: &str) -> bool {
    matches!(
        word.as_bytes(),
        b"part"
            | b"vol"
            | b"no"
            | b"nr"
            | b"chapter"
            | b"ch"
            | b"kapitel"
            | b"act"
            | b"op"
            | b"opus"
            | b"day"
            | b"movement"
            | b"episode"
            | b"number"
    )
}

/// Whether a number is introduced as that of a part.
pub(super) fn names_a_part(canonical: &str) -> bool {
    let mut introduced = false;
    split(canonical).any(|word| {
        let is_number = word.bytes().all(|b| b.is_ascii_digit());
        std::mem::replace(&mut introduced, introduces_a_part(word)) && is_number
    })
}

/// Words that introduce guests.
pub(super) const FEAT: &[&str] = &["feat", "ft", "featuring", "feats", "feature"];

/// `name feat. guests` apart.
pub(super) fn split_feat(folded: &str) -> (&str, Option<&str>) {
    let mut at = 0;
    for word in split(folded) {
        if at > 0 && FEAT.contains(&word) {
            let after = folded.get(at + word.len() + 1..).unwrap_or_default();
            return (folded[..at].trim_end(), Some(after));
        }
        at += word.len() + 1;
    }
    (folded, None)
}

/// Version labels that stand at the end of titles without brackets, and cannot be anything else there.
const TRAILING: &[&str] = &[
    "radio edit",
    "radio mix",
    "radio version",
    "single version",
    "single edit",
    "album version",
    "original mix",
    "original version",
    "orig mix",
    "extended mix",
    "extended version",
    "extended remix",
    "club mix",
    "club version",
    "dub mix",
    "vip mix",
    "12 inch",
    "12 inch mix",
    "12 inch version",
    "7 inch",
    "7 inch mix",
    "7 inch version",
    "live version",
    "acoustic version",
    "acoustic mix",
    "instrumental",
    "instrumental version",
    "instrumental mix",
    "karaoke",
    "karaoke version",
    "demo version",
    "acapella",
    "a cappella",
    "acappella",
    "sped up",
    "sped up version",
    "slowed",
    "slowed and reverb",
    "slowed reverb",
    "nightcore",
    "piano version",
    "orchestral version",
    "official video",
    "official music video",
    "official audio",
    "official lyric video",
    "lyric video",
    "lyrics",
    "remastered",
    "remaster",
    "bootleg",
    "remix",
    "rework",
    "mashup",
    "vip",
    "unplugged",
];

/// The last words of these labels.
static LAST: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let last = |label: &&'static str| label.rsplit(' ').next().unwrap_or_default();
    TRAILING.iter().map(last).collect()
});

/// A name and the label at its unbracketed end.
pub(super) fn split_trailing_label(folded: &str) -> (&str, Option<&str>) {
    let Some((_, last)) = folded.rsplit_once(' ') else {
        return (folded, None);
    };
    // `Song 2011 Remaster`, `Song Remastered 2011`: the year belongs to the label.
    let is_last_of_one = LAST.contains(last);
    let label = TRAILING
        .iter()
        .filter(|_| is_last_of_one)
        .filter_map(|label| {
            if !label.ends_with(last) {
                return None;
            }
            let name = folded.strip_suffix(label)?.strip_suffix(' ')?;
            Some((name, &folded[name.len() + 1..]))
        })
        .min_by_key(|(name, _)| name.len());
    if let Some((name, label)) = label {
        let name = match name.rsplit_once(' ') {
            Some((name, year)) if label.starts_with("remaster") && is_year(year) => name,
            _ => name,
        };
        return (name, Some(label));
    }
    if let Some((name, year)) = folded.rsplit_once(' ')
        && is_year(year)
        && let Some((name, "remaster" | "remastered")) = name.rsplit_once(' ')
    {
        return (name, Some("remastered"));
    }
    if let Some((at, _)) = find_first(folded, &[" live "]) {
        let after = &folded[at + 6..];
        let place = ["at ", "from ", "on ", "in concert"];
        if place.iter().any(|word| after.starts_with(word)) {
            return (&folded[..at], Some(&folded[at + 1..]));
        }
    }
    (folded, None)
}

/// Whether a word is a year of recorded music.
pub(super) fn is_year(word: &str) -> bool {
    matches!(word.parse::<u32>(), Ok(1900..=2099))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_divide_as_in_the_standard_library() {
        for text in ["", " ", "a", "a b", " a  b ", "夜 空", "é "] {
            let parts: Vec<&str> = split(text).collect();
            assert_eq!(parts, text.split(' ').collect::<Vec<_>>(), "{text:?}");
        }
        assert_eq!(each(" a  b ").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn the_first_separator_is_found_whichever_it_is() {
        let dashes = [" - ", " – ", " -- "];
        assert_eq!(find_first("夜 空 – a - b", &dashes), Some((7, 5)));
        assert_eq!(find_first("a -- b – c", &dashes), Some((1, 4)));
        assert_eq!(find_first("a-b - ", &dashes), Some((3, 3)));
        assert_eq!(find_first("a-b -", &dashes), None);
    }
}
