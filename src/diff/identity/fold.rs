//! Normalises text for comparison: one form for what people write in many ways.

use std::{borrow::Cow, sync::LazyLock};

use unicode_normalization::UnicodeNormalization as _;

/// Words of letters and digits in lower case, one blank between them: without accents, apostrophes and
/// punctuation, with `&` and `+` as `and`, stylised letters (`$`, an inner `!`) as what they stand for,
/// and `*` kept inside words as the wildcard of a censor. All scripts stay. A text of symbols alone
/// comes back as these symbols.
pub(super) fn fold(text: &str) -> String {
    if let Some(folded) = plain_words(text) {
        return folded;
    }
    let plain: Cow<'_, str> = if text.is_ascii() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(plain_letters(text))
    };
    let words = words(&plain);
    if words.is_empty() {
        plain
            .chars()
            .filter(|c| !c.is_whitespace())
            .flat_map(char::to_lowercase)
            .collect()
    } else {
        words
    }
}

/// The fold of a text of unaccented letters, digits, and signs that set words apart or vanish, as most
/// are; `None` for every other.
fn plain_words(text: &str) -> Option<String> {
    // One more than the text at most: the blank before a word stands where a sign did.
    let mut out = vec![0; text.len() + 1];
    let (mut end, mut gap) = (0, false);
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match PLAIN[usize::from(byte)] {
            0 => return None,
            b' ' => gap = end > 0,
            // `12''` is a length, `M.I.A.` a word.
            b'\'' if bytes.peek() == Some(&b'\'') => return None,
            b'\'' => {}
            b'.' if bytes.peek().is_some_and(u8::is_ascii_alphanumeric) => return None,
            b'.' => gap = end > 0,
            letter => {
                out[end] = b' ';
                end += usize::from(gap);
                gap = false;
                out[end] = letter;
                end += 1;
            }
        }
    }
    out.truncate(end);
    String::from_utf8(out).ok().filter(|out| !out.is_empty())
}

/// What becomes of each byte there: a letter or digit, a blank, itself where it depends on the next, or 0
/// for what is not plain.
const PLAIN: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => byte.to_ascii_lowercase(),
            b'\'' | b'.' => byte,
            b' ' | b',' | b'-' | b'(' | b')' | b'[' | b']' | b'/' | b'_' | b':' | b';' => b' ',
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// Which bytes a text has, some of them taken together: a quick no to the question whether another text
/// is a part of it.
pub(super) struct Signs(u64);

impl Signs {
    pub(super) fn of(text: &str) -> Self {
        Self(text.bytes().fold(0, |set, byte| set | 1 << (byte & 63)))
    }

    /// Whether it may contain the other text.
    pub(super) fn has(&self, other: &str) -> bool {
        Self::of(other).0 & !self.0 == 0
    }

    fn add(&mut self, other: &str) {
        self.0 |= Self::of(other).0;
    }
}

/// The text without blanks: `a ha` and `aha`, `ac dc` and `acdc` are the same.
pub(super) fn squash(folded: &str) -> String {
    // Copied in pieces, which is quicker than letter by letter.
    let mut out = String::with_capacity(folded.len());
    out.extend(folded.split(' '));
    out
}

/// `ae`, `oe`, `ue` as `a`, `o`, `u`: the two ways to write an umlaut without one.
pub(super) fn umlautless(folded: &str) -> String {
    let mut out = String::with_capacity(folded.len());
    let mut chars = folded.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if matches!(c, 'a' | 'o' | 'u') && chars.peek() == Some(&'e') {
            chars.next();
        }
    }
    out
}

/// What two writings of one title or name have in common: [`squash`] and [`umlautless`] in one.
pub(super) fn key(folded: &str) -> String {
    if folded.is_ascii() {
        return ascii_key(folded);
    }
    let mut out = String::with_capacity(folded.len());
    let mut before = ' ';
    for c in folded.chars().filter(|c| *c != ' ') {
        // `ae`, `oe`, `ue`; of `aee` the first `e` goes.
        if c == 'e' && matches!(before, 'a' | 'o' | 'u') {
            before = ' ';
            continue;
        }
        out.push(c);
        before = c;
    }
    out
}

fn ascii_key(folded: &str) -> String {
    let mut out = Vec::with_capacity(folded.len());
    let mut before = b' ';
    for byte in folded.bytes().filter(|byte| *byte != b' ') {
        if byte == b'e' && matches!(before, b'a' | b'o' | b'u') {
            before = b' ';
            continue;
        }
        out.push(byte);
        before = byte;
    }
    String::from_utf8(out).unwrap_or_default()
}

/// Which writing systems a text uses, as a set of bits; 0 for digits and symbols alone.
pub(super) fn scripts(folded: &str) -> u16 {
    folded.chars().fold(0, |set, c| set | script(c))
}

/// Latin letters.
pub(super) const LATIN: u16 = 1;

fn script(c: char) -> u16 {
    match u32::from(c) {
        0x61..=0x7a | 0xc0..=0x24f | 0x1e00..=0x1eff => LATIN,
        0x370..=0x3ff | 0x1f00..=0x1fff => 1 << 1,
        0x400..=0x52f => 1 << 2,
        0x530..=0x58f => 1 << 3,
        0x590..=0x5ff => 1 << 4,
        0x600..=0x77f | 0x8a0..=0x8ff => 1 << 5,
        0x900..=0xdff => 1 << 6,
        0xe00..=0xeff => 1 << 7,
        0x10a0..=0x10ff => 1 << 8,
        // Japanese mixes kana with Han characters.
        0x3040..=0x30ff | 0x31f0..=0x31ff => 1 << 9,
        0x3400..=0x4dbf | 0x4e00..=0x9fff | 0x20000..=0x3ffff | 0x3005 => 1 << 9,
        0x1100..=0x11ff | 0x3130..=0x318f | 0xac00..=0xd7af => 1 << 10,
        _ => 0,
    }
}

/// The sound of a text in Latin letters, rough enough that the usual ways to transliterate Cyrillic,
/// Greek, kana and Han come out alike. For texts in different scripts only.
pub(super) fn romanised(folded: &str) -> String {
    let mut latin = String::with_capacity(folded.len() * 2);
    let mut before = ' ';
    for c in folded.chars() {
        match (before, c) {
            // Greek upsilon after alpha and epsilon is a v (or f), after omicron it makes the ou.
            ('α' | 'ε', 'υ') => latin.push('v'),
            _ => push_latin(&mut latin, c),
        }
        before = c;
    }
    sound(&latin)
}

fn push_latin(out: &mut String, c: char) {
    let text = match c {
        'а' => "a",
        'б' => "b",
        'в' => "v",
        'г' | 'ґ' => "g",
        'д' => "d",
        'е' | 'э' | 'є' => "e",
        'ж' => "zh",
        'з' => "z",
        'и' | 'й' | 'і' | 'ї' | 'ы' => "i",
        'к' => "k",
        'л' => "l",
        'м' => "m",
        'н' => "n",
        'о' => "o",
        'п' => "p",
        'р' => "r",
        'с' => "s",
        'т' => "t",
        'у' => "u",
        'ф' => "f",
        'х' => "h",
        'ц' => "ts",
        'ч' => "ch",
        'ш' => "sh",
        'щ' => "shch",
        'ъ' | 'ь' => "",
        'ю' => "iu",
        'я' => "ia",
        'ђ' => "dj",
        'ј' => "i",
        'љ' => "l",
        'њ' => "n",
        'ћ' => "c",
        'џ' => "dz",
        'α' => "a",
        'β' => "v",
        'γ' => "g",
        'δ' => "d",
        'ε' => "e",
        'ζ' => "z",
        'η' | 'ι' => "i",
        'υ' => "u",
        'θ' => "th",
        'κ' => "k",
        'λ' => "l",
        'μ' => "m",
        'ν' => "n",
        'ξ' => "x",
        'ο' | 'ω' => "o",
        'π' => "p",
        'ρ' => "r",
        'σ' | 'ς' => "s",
        'τ' => "t",
        'φ' => "f",
        'χ' => "h",
        'ψ' => "ps",
        c if c.is_ascii() => return out.push(c),
        c => {
            if let Some(text) = deunicode::deunicode_char(c) {
                out.extend(
                    text.chars()
                        .filter(char::is_ascii_alphanumeric)
                        .map(|c| c.to_ascii_lowercase()),
                );
            }
            return;
        }
    };
    out.push_str(text);
}

fn sound(latin: &str) -> String {
    let mut text = latin.replace(' ', "");
    let mut seen = Signs::of(&text);
    for (from, to) in [
        ("shch", "s"),
        ("sch", "s"),
        ("sh", "s"),
        ("zh", "z"),
        ("ch", "h"),
        ("kh", "h"),
        ("ph", "f"),
        ("th", "t"),
        ("ts", "c"),
        ("tz", "c"),
        ("ks", "x"),
        ("ou", "u"),
        ("oo", "u"),
        ("yu", "iu"),
        ("ya", "ia"),
        ("ju", "iu"),
        ("ja", "ia"),
        ("yo", "e"),
        ("ei", "i"),
        ("oi", "i"),
        ("ai", "e"),
        ("w", "v"),
        ("y", "i"),
        ("j", "i"),
        ("q", "k"),
    ] {
        if seen.has(from) && text.contains(from) {
            text = text.replace(from, to);
            seen.add(to);
        }
    }
    let mut before = None;
    text.retain(|c| before.replace(c) != Some(c));
    text
}

fn plain_letters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match plain_letter(c) {
            Some(Plain::Itself) => out.push(c.to_ascii_lowercase()),
            Some(Plain::As(text)) => out.push_str(text),
            // Here letters may join with their neighbours.
            None => return normalised(text),
        }
    }
    out
}

/// What a letter that joins with no neighbour becomes.
enum Plain {
    Itself,
    As(&'static str),
}

/// Accented Latin and Cyrillic letters, from a table; kana, Han and Hangul, which stay; `None` for all
/// others.
fn plain_letter(c: char) -> Option<Plain> {
    static ACCENTED: LazyLock<Vec<String>> = LazyLock::new(|| {
        let normal =
            |code: u32| char::from_u32(code).map(|c| normalised(c.encode_utf8(&mut [0; 4])));
        (0..0x460)
            .map(|code| normal(code).unwrap_or_default())
            .collect()
    });
    match u32::from(c) {
        0..=0x7f | 0x2013..=0x2014 | 0x2018..=0x201d => Some(Plain::Itself),
        0x3041..=0x3096 | 0x30a1..=0x30fa | 0x30fc | 0x4e00..=0x9fff | 0xac00..=0xd7a3 => {
            Some(Plain::Itself)
        }
        code @ (0xc0..=0x24f | 0x400..=0x45f) => {
            let at = usize::try_from(code).ok()?;
            ACCENTED.get(at).map(|text| Plain::As(text))
        }
        _ => None,
    }
}

fn normalised(text: &str) -> String {
    let lower: String = text
        .chars()
        .filter(|c| {
            !matches!(
                c,
                '™' | '®' | '©' | '℠' | '\u{200b}'..='\u{200f}' | '\u{feff}'
            )
        })
        .nfkc()
        .flat_map(char::to_lowercase)
        .collect();
    lower
        .nfd()
        .filter(|c| !is_accent(*c))
        .flat_map(special_letter)
        .nfc()
        .collect()
}

/// Accents of alphabets, and the vowel points of Arabic and Hebrew. The voicing marks of kana and the
/// vowel signs of Indic and Thai writing make other letters and stay.
fn is_accent(c: char) -> bool {
    matches!(
        u32::from(c),
        0x300..=0x36f | 0x483..=0x487 | 0x591..=0x5c7 | 0x610..=0x61a | 0x64b..=0x65f | 0x670
            | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff | 0xfe20..=0xfe2f | 0xfe00..=0xfe0f
    )
}

fn special_letter(c: char) -> impl Iterator<Item = char> {
    let (first, second) = match c {
        'ß' => ('s', Some('s')),
        'ø' => ('o', None),
        'ł' => ('l', None),
        'đ' | 'ð' => ('d', None),
        'þ' => ('t', Some('h')),
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'ı' => ('i', None),
        'ħ' => ('h', None),
        'ŋ' => ('n', None),
        'ə' => ('e', None),
        'أ' | 'إ' | 'آ' | 'ٱ' => ('ا', None),
        'ى' => ('ي', None),
        'ـ' => ('\u{200b}', None),
        _ => (c, None),
    };
    std::iter::once(first)
        .chain(second)
        .filter(|c| *c != '\u{200b}')
}

fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut gap = false;
    let mut initials = false;
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(raw) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        let c = raw.to_ascii_lowercase();
        match c {
            '"' if is_inch(&out, gap) => {
                out.push_str(" inch");
                gap = true;
            }
            '\'' | '’' | '‘' | 'ʼ' | '`' | '´' | '′' | '＇' | 'ʻ' | 'ʹ' => {
                if next == raw {
                    chars.next();
                    if is_inch(&out, gap) {
                        out.push_str(" inch");
                    }
                    gap = true;
                }
            }
            '″' | '”' if is_inch(&out, gap) => {
                out.push_str(" inch");
                gap = true;
            }
            '&' | '+' => push_word(&mut out, "and", &mut gap),
            '$' if is_letter(next) || is_letter(before) => push(&mut out, 's', &mut gap),
            '!' if is_letter(before) && is_letter(next) => push(&mut out, 'i', &mut gap),
            // What a tag editor could not write: one lost letter.
            '?' | '\u{fffd}' if !gap && is_letter(before) && is_letter(next) => {
                push(&mut out, '*', &mut gap);
            }
            '*' if is_letter(before) || is_letter(next) || (before == '*' && !gap) => {
                push(&mut out, '*', &mut gap);
            }
            // M.I.A.: single letters between dots are one word.
            '.' if !gap && is_letter(next) && (initials || is_initial(&out)) => {
                initials = true;
                before = raw;
                continue;
            }
            c if is_letter(c) => {
                push(&mut out, c, &mut gap);
                initials = initials && before == '.';
            }
            _ => gap = true,
        }
        before = raw;
    }
    out
}

fn push(out: &mut String, c: char, gap: &mut bool) {
    if std::mem::take(gap) && !out.is_empty() {
        out.push(' ');
    }
    out.push(c);
}

fn push_word(out: &mut String, word: &str, gap: &mut bool) {
    if !out.is_empty() {
        out.push(' ');
    }
    out.push_str(word);
    *gap = true;
}

fn is_letter(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric();
    }
    // Squared and circled letters are marks of players (explicit, new), not letters of a title.
    !(0x1f100..=0x1faff).contains(&u32::from(c))
        && (c.is_alphanumeric() || matches!(u32::from(c), 0x3099 | 0x309a | 0x900..=0xeff))
}

/// Whether the last word is one letter.
fn is_initial(out: &str) -> bool {
    let word = out.rsplit(' ').next().unwrap_or(out);
    word.chars().count() == 1 && word.chars().all(char::is_alphabetic)
}

fn is_inch(out: &str, gap: bool) -> bool {
    let word = out.rsplit(' ').next().unwrap_or(out);
    !gap && matches!(word, "7" | "10" | "12")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writings_of_one_name_fold_alike() {
        for (a, b) in [
            ("Röyksopp", "royksopp"),
            ("Ро\u{301}за", "роза"),
            ("M.O.P.", "MOP"),
            ("ZAZ & Friends", "Zaz + Friends"),
            ("A$AP", "asap"),
            ("p!nk", "Pink"),
            ("İzmir", "izmir"),
            ("ＡＢＣ　ｱｲﾄﾞﾙ", "abc アイドル"),
            ("Straße", "STRASSE"),
            ("Don’t Stop", "Dont Stop"),
            ("12\" Mix", "12'' mix"),
            ("Song 🅴", "song"),
        ] {
            assert_eq!(fold(a), fold(b), "{a} / {b}");
        }
    }

    #[test]
    fn letters_alone_fold_as_in_a_text() {
        let letters = (0x20..0x460)
            .chain(0x2010..0x2030)
            .chain(0x3041..0x3100)
            .chain([0x4e00, 0x9fff, 0xac00, 0xac01, 0xd7a3]);
        let letters: Vec<char> = letters.filter_map(char::from_u32).collect();
        for (a, b) in letters
            .iter()
            .flat_map(|a| [('a', *a), (*a, 'Z'), (*a, 'é'), (*a, *a)])
        {
            let text = format!("{a}{b}");
            assert_eq!(plain_letters(&text), normalised(&text), "{a:?} {b:?}");
        }
        for text in [
            "Two Words (of, it) [x/y_z]: 1;2",
            "-a-",
            " A  b ",
            "Don't 'n' B feat. C. D.",
            "'. a",
            "a.'b",
        ] {
            assert_eq!(plain_words(text).unwrap(), words(text), "{text}");
        }
    }

    #[test]
    fn what_differs_stays_different() {
        for (a, b) in [("か", "が"), ("Кино", "Кони"), ("÷", "×"), ("!!!", "???")] {
            assert_ne!(fold(a), fold(b), "{a} / {b}");
        }
    }

    #[test]
    fn transliterations_sound_alike() {
        for (a, b) in [
            ("Мираж", "Mirazh"),
            ("Музыка нас связала", "Muzyka nas svyazala"),
            ("Μίκης Θεοδωράκης", "Mikis Theodorakis"),
            ("さくら", "Sakura"),
        ] {
            assert_eq!(romanised(&fold(a)), romanised(&fold(b)), "{a} / {b}");
        }
    }
}
