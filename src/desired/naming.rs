//! Where a track belongs: safe, stable, distinct names.

use std::collections::{BTreeMap, HashSet};

use unicode_segmentation::UnicodeSegmentation as _;

use crate::{
    domain::{
        Track,
        text::{fold_name, nfc},
    },
    policy::template::{FILE_FIELDS, FILE_TEMPLATE, Template},
};

/// The longest component in bytes. File systems take 255; the rest is for ` (2)`, an extension and
/// `.part`.
const LONGEST: usize = 180;

/// What no file system of Windows takes, and the wide look-alike that stands for it.
const LOOKALIKES: [(char, char); 10] = [
    ('/', '／'),
    ('\\', '＼'),
    (':', '：'),
    ('*', '＊'),
    ('?', '？'),
    ('"', '＂'),
    ('<', '＜'),
    ('>', '＞'),
    ('|', '｜'),
    // Only at the ends of a name.
    ('.', '．'),
];

/// `raw` as one component of a path that every platform takes, and that reads like the original: NFC,
/// wide look-alikes for separators, wildcards and quotes, no control or direction characters, no blank
/// at the end, wide dots at both ends, none of Windows' device names, at most 180 bytes, never empty.
/// Emoji and all scripts stay. [`original`] is the way back.
#[must_use]
pub fn safe_component(raw: &str) -> String {
    let visible: String = nfc(raw).chars().filter_map(safe_char).collect();
    let words: Vec<&str> = visible.split(' ').filter(|word| !word.is_empty()).collect();
    let mut name = words.join(" ").trim().to_owned();
    shorten(&mut name, LONGEST);
    if is_device(&name) {
        // Wide as well: `ＣON`.
        let wide = name.chars().next().and_then(wide);
        name.replace_range(..1, wide.unwrap_or('_').encode_utf8(&mut [0; 4]));
    }
    name = with_wide_dots(&name);
    shorten(&mut name, LONGEST);
    let kept = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    name.truncate(kept.len());
    if name.is_empty() {
        name.push('_');
    }
    name
}

/// The text that [`safe_component`] made a name of, but for what it dropped: invisible characters, runs of
/// blanks, and what was too long.
#[must_use]
pub fn original(name: &str) -> String {
    let narrow: String = name
        .chars()
        .map(|c| {
            LOOKALIKES
                .iter()
                .find(|(_, wide)| *wide == c)
                .map_or(c, |(plain, _)| *plain)
        })
        .collect();
    let mut chars = narrow.chars();
    let device = chars
        .next()
        .and_then(|first| char::from_u32(u32::from(first).checked_sub(WIDE)?))
        .filter(char::is_ascii_alphabetic)
        .map(|first| format!("{first}{}", chars.as_str()))
        .filter(|name| is_device(name));
    device.unwrap_or(narrow)
}

/// The file name of a track without its extension, by the policy's template. A version that the title
/// already names is not repeated; a track without any name goes by its id.
#[must_use]
pub fn file_stem(template: &str, track: &Track) -> String {
    let template = Template::parse(template, &FILE_FIELDS)
        .or_else(|_| Template::parse(FILE_TEMPLATE, &FILE_FIELDS));
    let name = template.map_or_else(
        |_| String::new(),
        |template| template.render(|field| value(field, track)),
    );
    match name.trim().is_empty() {
        true => safe_component(track.id.as_str()),
        false => safe_component(&name),
    }
}

/// The folder of a playlist, from its raw name: emoji and all.
#[must_use]
pub fn playlist_folder_name(raw_name: &str) -> String {
    safe_component(raw_name)
}

/// Gives every key a name that no other has on any volume. A key keeps the name that
/// it holds as long as that is the wanted one, bare or with a number; the others get, in order, the
/// wanted name or the first that is free of ` (2)`, ` (3)`…
#[must_use]
pub fn distinct<K: Ord + Clone>(
    wanted: &BTreeMap<K, String>,
    held: &BTreeMap<K, String>,
) -> BTreeMap<K, String> {
    let mut taken = HashSet::new();
    let mut names = BTreeMap::new();
    for (key, name) in wanted {
        if let Some(held) = held.get(key)
            && is_choice_for(name, held)
            && taken.insert(clash(held))
        {
            names.insert(key.clone(), held.clone());
        }
    }
    // Where the search for a free number left off, so that a thousand equal names stay cheap.
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    for (key, name) in wanted {
        if names.contains_key(key) {
            continue;
        }
        let number = next.entry(clash(name)).or_insert(1);
        let mut free = numbered(name, *number);
        while !taken.insert(clash(&free)) {
            *number += 1;
            free = numbered(name, *number);
        }
        names.insert(key.clone(), free);
    }
    names
}

/// The form under which two names are one on some volume: macOS takes `ß` and `SS` for the same.
pub(super) fn clash(name: &str) -> String {
    fold_name(&name.to_uppercase())
}

fn numbered(name: &str, number: u64) -> String {
    match number {
        1 => name.to_owned(),
        number => format!("{name} ({number})"),
    }
}

/// Whether `held` is `wanted`, or `wanted` with a number that [`distinct`] gives.
pub(super) fn is_choice_for(wanted: &str, held: &str) -> bool {
    let Some(rest) = held.strip_prefix(wanted) else {
        return false;
    };
    let number = rest
        .strip_prefix(" (")
        .and_then(|rest| rest.strip_suffix(')'));
    rest.is_empty()
        || number
            .and_then(|number| number.parse::<u64>().ok())
            .is_some_and(|number| number > 1 && numbered(wanted, number) == held)
}

fn value(field: &str, track: &Track) -> Option<String> {
    let text = |text: &str| Some(text.trim().to_owned());
    match field {
        "artist" => Some(track.artist()),
        "albumartist" => track.artists.first().cloned(),
        "title" => text(&track.title),
        "version" => version(track).and_then(text),
        "album" => track.album.as_deref().and_then(text),
        "year" => track.year().map(|year| year.to_string()),
        "isrc" => track.isrc.as_ref().map(ToString::to_string),
        "id" => Some(track.id.to_string()),
        _ => None,
    }
}

/// The version, unless the title has it already.
fn version(track: &Track) -> Option<&str> {
    let version = track.version.as_deref()?.trim();
    let named = track.title.to_lowercase().contains(&version.to_lowercase());
    (!named).then_some(version)
}

/// What becomes of a character: itself, a look-alike that every file system takes, or nothing.
fn safe_char(c: char) -> Option<char> {
    match c {
        '.' => Some('.'),
        c if LOOKALIKES.iter().any(|(plain, _)| *plain == c) => wide(c),
        '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
        // Marks that turn or hide text: a name must not look like another.
        '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2060}'
        | '\u{ad}' => None,
        c if c.is_control() || is_noncharacter(c) => None,
        c => Some(c),
    }
}

fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
}

/// How far the wide form of an ASCII character is from it.
const WIDE: u32 = 0xfee0;

fn wide(c: char) -> Option<char> {
    char::from_u32(u32::from(c) + WIDE)
}

/// Dots that hide a name on Unix, or that Windows would lose.
fn with_wide_dots(name: &str) -> String {
    let after = name.trim_start_matches('.');
    let (start, inner) = (name.len() - after.len(), after.trim_end_matches('.'));
    let dots = |count: usize| "．".repeat(count);
    format!("{}{inner}{}", dots(start), dots(after.len() - inner.len()))
}

/// Cuts between user-perceived characters, or within one that alone is too long, and takes off the
/// blanks at the end that Windows would lose.
fn shorten(name: &mut String, longest: usize) {
    if name.len() > longest {
        let whole = name
            .grapheme_indices(true)
            .map(|(at, cluster)| at + cluster.len())
            .take_while(|end| *end <= longest)
            .last();
        name.truncate(whole.unwrap_or_else(|| name.floor_char_boundary(longest)));
    }
    name.truncate(name.trim_end().len());
}

/// The names that Windows keeps for devices, also with an extension:
/// <https://learn.microsoft.com/windows/win32/fileio/naming-a-file>.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let stem = stem.trim_end().to_ascii_uppercase();
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&stem.as_str()) {
        return true;
    }
    let port = stem
        .strip_prefix("COM")
        .or_else(|| stem.strip_prefix("LPT"))
        .map(|port| port.chars().collect::<Vec<_>>());
    matches!(port.as_deref(), Some(['0'..='9' | '¹' | '²' | '³']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::TrackId;

    #[test]
    fn hostile_names_become_harmless() {
        for (raw, safe) in [
            ("../x", "．．／x"),
            ("/etc/x", "／etc／x"),
            ("..", "．．"),
            (".", "．"),
            ("", "_"),
            ("  ", "_"),
            ("AC/DC", "AC／DC"),
            ("CON", "ＣON"),
            ("nul.mp3", "ｎul.mp3"),
            ("Com1", "Ｃom1"),
            ("LPT¹", "ＬPT¹"),
            ("COM10", "COM10"),
            ("Console", "Console"),
            ("Sub Focus...", "Sub Focus．．．"),
            ("trailing . .", "trailing . ．"),
            (".hidden", "．hidden"),
            ("...Baby", "．．．Baby"),
            (" ..", "．．"),
            ("a\0b\u{1b}[31mc", "ab[31mc"),
            ("two\nlines", "two lines"),
            ("What? \"x\" <y> * |", "What？ ＂x＂ ＜y＞ ＊ ｜"),
            ("evil\u{202e}3pm", "evil3pm"),
            ("C:\\x", "C：＼x"),
        ] {
            assert_eq!(safe_component(raw), safe, "{raw:?}");
        }
    }

    #[test]
    fn every_script_and_emoji_stays() {
        for name in [
            "House Italo R 🇮🇹",
            "👵🏻 Old ⬆️",
            "深夜ラジオ",
            "한국 인디",
            "שלום",
            "ไทย",
            "Пляж",
            "Sigur Rós",
            "👨‍👩‍👧‍👦",
        ] {
            assert_eq!(safe_component(name), name);
        }
        assert_eq!(safe_component("Cafe\u{301}"), "Café");
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        assert_eq!(safe_component(&"a".repeat(300)).len(), 180);
        let families = safe_component(&"👨‍👩‍👧‍👦".repeat(20));
        assert_eq!(families, "👨‍👩‍👧‍👦".repeat(7));
        let zalgo = safe_component(&format!("z{}", "\u{0336}".repeat(300)));
        assert!(zalgo.len() <= 180 && zalgo.starts_with('z'));
        let hidden = format!("CON{}x", "\u{a0}".repeat(100));
        assert_eq!(safe_component(&hidden), "ＣON");
    }

    #[test]
    fn names_lead_back_to_what_they_were_made_of() {
        for raw in [
            "AC/DC",
            "What? \"x\" <y> * |",
            "CON",
            "PRN.mix",
            "Sub Focus...",
            ".hidden",
            "C:\\x",
            "Nul (Edit)",
            "Will.i.am",
            "深夜",
            "Café",
        ] {
            let back = original(&safe_component(raw));
            assert_eq!(back, raw);
        }
        assert_eq!(original("Ｃool"), "Ｃool");
    }

    /// Ten thousand names that want to be no names, all in one folder.
    #[test]
    fn ten_thousand_hostile_names_are_legal_distinct_and_stable() {
        let mut seed = 7_u64;
        let mut below = |end: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap_or(0) % end
        };
        let pieces = [
            "a",
            "A",
            "é",
            "e\u{301}",
            "ß",
            "SS",
            "/",
            "\\",
            "..",
            ".",
            " ",
            "  ",
            "\t",
            "\n",
            "\r\n",
            "\0",
            "\u{7f}",
            "\u{202e}",
            "\u{feff}",
            "\u{200b}",
            "CON",
            "aux",
            "NUL.",
            "COM1",
            "lpt9.x",
            "?",
            "*",
            ":",
            "<",
            ">",
            "|",
            "\"",
            "'",
            "👨‍👩‍👧‍👦",
            "🇮🇹",
            "深夜",
            "שלום",
            "א\u{5b0}",
            "ไทย",
            "\u{fffe}",
            "\u{e000}",
            " (2)",
            " (3)",
            "-",
            "~",
            "$",
            "%00",
            "%2e%2e",
            "#",
            "\u{a0}",
            "\u{3000}",
            "z\u{336}\u{336}\u{336}",
            "İ",
            "ı",
            "ﬁ",
            "Å",
            "／",
            "．",
            "Ｃ",
        ];
        let mut name = || -> String {
            let longest = if below(20) == 0 { 200 } else { 5 };
            (0..=below(longest))
                .map(|_| pieces[below(pieces.len())])
                .collect()
        };
        let raw: Vec<String> = (0..10_000).map(|_| name()).collect();
        let more: Vec<String> = (0..500).map(|_| name()).collect();
        let wanted: BTreeMap<usize, String> = raw
            .iter()
            .map(|raw| safe_component(raw))
            .enumerate()
            .map(|(at, name)| (at + 500, name))
            .collect();
        let names = distinct(&wanted, &BTreeMap::new());
        for name in names.values() {
            assert_legal(name);
        }
        let folded: std::collections::BTreeSet<String> =
            names.values().map(|name| fold_name(name)).collect();
        assert_eq!(folded.len(), raw.len());
        // In whatever order they come, and when others come before them: who has a name keeps it.
        let shuffled: BTreeMap<usize, String> = wanted
            .iter()
            .rev()
            .map(|(at, name)| (*at, name.clone()))
            .collect();
        assert_eq!(distinct(&shuffled, &BTreeMap::new()), names);
        let mut grown = wanted;
        grown.extend(more.iter().map(|raw| safe_component(raw)).enumerate());
        let after = distinct(&grown, &names);
        assert!(names.iter().all(|(at, name)| after[at] == *name));
        assert_eq!(
            after
                .values()
                .map(|name| fold_name(name))
                .collect::<std::collections::BTreeSet<_>>()
                .len(),
            10_500
        );
    }

    /// What Windows, macOS and Linux take, with the longest of our own endings.
    fn assert_legal(name: &str) {
        assert!(
            !name.is_empty() && format!("{name}.aiff.part").len() <= 255,
            "{name:?}"
        );
        assert!(
            !name.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|']),
            "{name:?}"
        );
        assert!(!name.chars().any(char::is_control), "{name:?}");
        assert!(!name.starts_with('.') && !name.ends_with('.'), "{name:?}");
        assert!(
            !name.ends_with(char::is_whitespace) && !name.starts_with(char::is_whitespace),
            "{name:?}"
        );
        assert!(!is_device(name), "{name:?}");
        assert_eq!(nfc(name), name);
    }

    proptest! {
        #[test]
        fn any_text_is_made_safe_once(raw in any::<String>()) {
            let safe = safe_component(&raw);
            prop_assert_eq!(safe_component(&safe), safe.clone());
            prop_assert!(!safe.is_empty() && safe.len() <= LONGEST);
            prop_assert!(!safe.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|', '\0']));
            prop_assert!(!safe.starts_with('.') && !safe.ends_with(['.', ' ']));
            prop_assert!(!is_device(&safe));
            prop_assert!(crate::domain::MediaPath::new(safe).is_safe());
        }

        #[test]
        fn names_are_distinct_and_stay(
            wanted in proptest::collection::vec("[abA]( \\(2\\))?", 0..12),
            drop in any::<prop::sample::Index>(),
        ) {
            let wanted: BTreeMap<usize, String> = wanted.into_iter().enumerate().collect();
            let first = distinct(&wanted, &BTreeMap::new());
            let folded: std::collections::BTreeSet<String> = first.values().map(|name| fold_name(name)).collect();
            prop_assert_eq!(folded.len(), wanted.len());
            prop_assert_eq!(&distinct(&wanted, &first), &first);
            // Who goes takes nobody's name along.
            let mut fewer = wanted.clone();
            if !fewer.is_empty() {
                fewer.remove(&drop.index(fewer.len()));
            }
            for (key, name) in distinct(&fewer, &first) {
                prop_assert_eq!(&first[&key], &name);
            }
        }
    }

    fn track(artists: &[&str], title: &str, version: Option<&str>) -> Track {
        Track {
            id: TrackId::from("70016063"),
            title: title.to_owned(),
            version: version.map(str::to_owned),
            artists: artists.iter().map(|&artist| artist.to_owned()).collect(),
            album: Some("Album".to_owned()),
            isrc: None,
            duration_s: None,
            explicit: None,
            release_date: Some("2014-05-01".to_owned()),
            media_tags: Vec::new(),
            streamable: None,
        }
    }

    #[test]
    fn a_file_is_named_after_its_track() {
        let dub = track(&["Jex Opolis", "Kool"], "Earth Boy", Some("Dub Mix"));
        assert_eq!(
            file_stem(FILE_TEMPLATE, &dub),
            "Jex Opolis, Kool - Earth Boy (Dub Mix)"
        );
        assert_eq!(
            file_stem("{albumartist} [{year}] {album}{ ~ isrc}", &dub),
            "Jex Opolis [2014] Album"
        );
        let named = track(&["A"], "Earth Boy (dub mix)", Some("Dub Mix"));
        assert_eq!(file_stem(FILE_TEMPLATE, &named), "A - Earth Boy (dub mix)");
        assert_eq!(file_stem(FILE_TEMPLATE, &track(&[], "T", Some(" "))), "T");
        assert_eq!(file_stem(FILE_TEMPLATE, &track(&[], "", None)), "70016063");
        assert_eq!(file_stem("{nonsense", &track(&["A"], "T", None)), "A - T");
        assert_eq!(
            file_stem(FILE_TEMPLATE, &track(&["AC/DC"], "../T", None)),
            "AC／DC - ..／T"
        );
    }

    #[test]
    fn names_keep_to_their_keys() {
        let map = |pairs: &[(u8, &str)]| -> BTreeMap<u8, String> {
            pairs.iter().map(|&(k, v)| (k, v.to_owned())).collect()
        };
        let wanted = map(&[(1, "Mix"), (2, "mix"), (3, "Other")]);
        let first = distinct(&wanted, &BTreeMap::new());
        assert_eq!(first, map(&[(1, "Mix"), (2, "mix (2)"), (3, "Other")]));
        // Number 2 was there first.
        let held = map(&[(2, "mix")]);
        assert_eq!(distinct(&wanted, &held)[&1], "Mix (2)");
        assert_eq!(distinct(&wanted, &held)[&2], "mix");
        // A number that nobody gave, or another name, is not kept.
        for held in ["Other (1)", "Other (02)", "Other (x)", "Else", "Otherwise"] {
            assert_eq!(distinct(&wanted, &map(&[(3, held)]))[&3], "Other");
        }
        // Two that hold the same name do not both keep it.
        let clash = distinct(&map(&[(1, "A"), (2, "A")]), &map(&[(1, "A"), (2, "A")]));
        assert_eq!(clash, map(&[(1, "A"), (2, "A (2)")]));
    }
}
