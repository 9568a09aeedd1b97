//! Undoes what downloads, old tags and tag editors do to text.

use std::borrow::Cow;

/// The text without HTML entities, percent codes, and bytes that were read in another encoding than
/// they were written in: UTF-8 read as Windows-1252, Latin-1, Windows-1251 or Mac Roman, and Cyrillic of
/// Windows-1251 read as Latin-1, as `ID3v1` tags have it.
pub(super) fn repair(text: &str) -> Cow<'_, str> {
    // Nearly all texts have neither. To look at every byte is quicker than to stop at the first.
    let is_suspect = |byte: u8| !byte.is_ascii() | (byte == b'&') | (byte == b'%');
    let mut text = Cow::Borrowed(text);
    if !text
        .bytes()
        .fold(false, |found, byte| found | is_suspect(byte))
    {
        return text;
    }
    if text.contains('&') && text.contains(';') {
        text = Cow::Owned(without_entities(&text));
    }
    if text.contains('%')
        && let Some(decoded) = percent_decoded(&text)
    {
        text = Cow::Owned(decoded);
    }
    if text.is_ascii() {
        return text;
    }
    // What went wrong twice is undone twice.
    for _ in 0..2 {
        match decoded_again(&text) {
            Some(repaired) => text = Cow::Owned(repaired),
            None => break,
        }
    }
    match cyrillic(&text) {
        Some(repaired) => Cow::Owned(repaired),
        None => text,
    }
}

fn without_entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        let entity = tail
            .get(1..)
            .and_then(|tail| tail.split_once(';'))
            .filter(|(name, _)| name.len() <= 8)
            .and_then(|(name, after)| Some((entity(name)?, after)));
        match entity {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None => {
                out.push('&');
                rest = &tail[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        "lt" => '<',
        "gt" => '>',
        "nbsp" => ' ',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            return char::from_u32(code).filter(|c| !c.is_control());
        }
    })
}

fn percent_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let mut found = false;
    while let Some(&byte) = bytes.get(at) {
        let code = (byte == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .filter(|hex| hex.iter().all(u8::is_ascii_hexdigit))
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(code) => {
                out.push(code);
                at += 3;
                found = true;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    found.then(|| String::from_utf8(out).ok()).flatten()
}

/// The upper halves of the encodings that UTF-8 is mistaken for, from 0x80 on.
const WINDOWS_1252: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";
const WINDOWS_1251: &str = "ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—\u{98}™љ›њќћџ\u{a0}ЎўЈ¤Ґ¦§Ё©Є«¬\u{ad}®Ї°±Ііґµ¶·ё№є»јЅѕїАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюя";
const MAC_ROMAN: &str = "ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø¿¡¬√ƒ≈∆«»…\u{a0}ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\u{f8ff}ÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ";

/// Reads the text's bytes as UTF-8, where that makes it shorter: `BeyoncÃ©` is `Beyoncé`.
fn decoded_again(text: &str) -> Option<String> {
    // The first byte of a sequence, as each of the encodings shows it.
    let suspect = |c: char| {
        matches!(u32::from(c), 0xc2..=0xf4)
            || matches!(
                c,
                'Р' | 'С'
                    | 'Г'
                    | 'Т'
                    | 'В'
                    | 'У'
                    | 'г'
                    | 'д'
                    | 'е'
                    | 'ж'
                    | 'з'
                    | 'и'
                    | 'к'
                    | 'м'
                    | '√'
                    | '¬'
            )
    };
    let mut letters = text.chars().peekable();
    let is_suspect = std::iter::from_fn(|| letters.next().map(|c| (c, letters.peek().copied())))
        .any(|(c, next)| suspect(c) && next.is_some_and(|next| continues(c, next)));
    if !is_suspect {
        return None;
    }
    let read = |byte: fn(char) -> Option<u8>| {
        let bytes: Option<Vec<u8>> = text.chars().map(byte).collect();
        let repaired = String::from_utf8(bytes?).ok()?;
        (repaired.chars().count() < text.chars().count()).then_some(repaired)
    };
    read(|c| match u32::from(c) {
        code @ 0..=0xff => u8::try_from(code).ok(),
        _ => upper(WINDOWS_1252, c),
    })
    .or_else(|| read(|c| ascii(c).or_else(|| upper(WINDOWS_1251, c))))
    .or_else(|| read(|c| ascii(c).or_else(|| upper(MAC_ROMAN, c))))
}

/// Whether a character may be the second byte of a sequence that begins with the first one: what whole
/// words of any language rarely have, so that most texts are done with here.
fn continues(first: char, next: char) -> bool {
    match first {
        // Mac Roman has letters there.
        '√' | '¬' => !next.is_ascii(),
        _ => matches!(
            u32::from(next),
            0x80..=0xbf
                | 0x152..=0x153
                | 0x160..=0x161
                | 0x178
                | 0x17d..=0x17e
                | 0x192
                | 0x2c6
                | 0x2dc
                | 0x401..=0x40f
                | 0x451..=0x45f
                | 0x490..=0x491
                | 0x2010..=0x203a
                | 0x20ac
                | 0x2116
                | 0x2122
        ),
    }
}

fn ascii(c: char) -> Option<u8> {
    c.is_ascii().then(|| u8::try_from(c).ok()).flatten()
}

fn upper(table: &str, c: char) -> Option<u8> {
    table
        .chars()
        .position(|high| high == c)
        .and_then(|at| u8::try_from(0x80 + at).ok())
}

/// `Ãðóïïà êðîâè` is `Группа крови`: words of nothing but accented letters are Cyrillic.
fn cyrillic(text: &str) -> Option<String> {
    let accented = |c: char| matches!(u32::from(c), 0xc0..=0xff | 0xa8 | 0xb8);
    // Without three of them in a row there is no such word.
    let mut run = 0;
    let in_a_row = text.chars().any(|c| {
        run = if accented(c) { run + 1 } else { 0 };
        run == 3
    });
    if !in_a_row {
        return None;
    }
    let mut long = false;
    for word in text.split(|c: char| !c.is_alphabetic() && !accented(c)) {
        let count = word.chars().count();
        let odd = word.chars().filter(|c| accented(*c)).count();
        if odd > 0 && odd < count {
            return None;
        }
        long |= odd >= 3;
    }
    if !long {
        return None;
    }
    let table: Vec<char> = WINDOWS_1251.chars().collect();
    let read = |c: char| match u32::from(c) {
        code @ 0x80..=0xff => usize::try_from(code - 0x80)
            .ok()
            .and_then(|at| table.get(at).copied()),
        _ => Some(c),
    };
    text.chars().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_repaired() {
        for (damaged, whole) in [
            ("BjÃ¶rk", "Björk"),
            ("BjÃƒÂ¶rk", "Björk"),
            ("Bj√∂rk", "Björk"),
            ("Simon &amp; Garfunkel", "Simon & Garfunkel"),
            ("Rock &#39;n&#x27; Roll &c; more", "Rock 'n' Roll &c; more"),
            ("Daft%20Punk", "Daft Punk"),
            ("РљРёРЅРѕ", "Кино"),
            ("Êèíî - Ãðóïïà êðîâè", "Кино - Группа крови"),
            ("ã‚¢ã‚¤ãƒ‰ãƒ«", "アイドル"),
        ] {
            assert_eq!(repair(damaged), whole);
        }
    }

    #[test]
    fn what_is_whole_stays() {
        for text in [
            "100% Pure",
            "Mötley Crüe",
            "Ça plane pour moi",
            "Ñu",
            "Île",
            "Ærø",
            "Été",
            "Кино",
            "ÉÈ",
            "Сергей Рахманинов",
            "Björk &",
            "AT&T;",
            "Ångström",
        ] {
            assert_eq!(repair(text), text);
        }
    }
}
