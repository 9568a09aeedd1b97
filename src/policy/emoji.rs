//! Emoji in playlist names: which parts of a text are emoji, and when two of them count as the same.

use unicode_segmentation::UnicodeSegmentation as _;

/// The variation selectors: text (15) or picture (16). Keyboards add and drop them at will.
const SELECTORS: [char; 2] = ['\u{fe0e}', '\u{fe0f}'];

/// The five skin tones (Fitzpatrick modifiers).
const SKIN_TONES: std::ops::RangeInclusive<char> = '\u{1f3fb}'..='\u{1f3ff}';

/// The user-perceived characters of a text: a flag, a family joined by zero-width joiners, a keycap is
/// one of them.
pub fn clusters(text: &str) -> impl Iterator<Item = &str> {
    text.graphemes(true)
}

/// The form under which emoji are compared: without variation selectors, and without a joiner that
/// joins nothing.
#[must_use]
pub fn plain(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !SELECTORS.contains(c)).collect();
    match plain.strip_suffix('\u{200d}') {
        Some(rest) => rest.to_owned(),
        None => plain,
    }
}

/// [`plain`], and without skin tones.
#[must_use]
pub fn without_tone(text: &str) -> String {
    plain(text)
        .chars()
        .filter(|c| !SKIN_TONES.contains(c))
        .collect()
}

/// Whether a cluster is an emoji: one of Unicode's list, with or without its variation selectors, or
/// any flag. Letters, digits and ideographs are not.
#[must_use]
pub fn is_emoji(cluster: &str) -> bool {
    let bare = without_tone(cluster);
    // Unicode counts bare digits as parts of emoji.
    if bare.is_ascii() {
        return false;
    }
    emojis::get(cluster).is_some()
        || emojis::get(&bare).is_some()
        || emojis::get(&format!("{bare}\u{fe0f}")).is_some()
        || is_joined(&bare)
        || is_flag(&bare)
}

/// The emoji of a text in order, in the form of [`plain`].
#[must_use]
pub fn emoji_of(text: &str) -> Vec<String> {
    clusters(text)
        .filter(|cluster| is_emoji(cluster))
        .map(plain)
        .collect()
}

/// A sequence of emoji joined by zero-width joiners counts even where Unicode's list does not have it.
fn is_joined(bare: &str) -> bool {
    bare.contains('\u{200d}')
        && bare.split('\u{200d}').all(|part| {
            emojis::get(part).is_some() || emojis::get(&format!("{part}\u{fe0f}")).is_some()
        })
}

fn is_flag(bare: &str) -> bool {
    let mut chars = bare.chars();
    let regional = |c: Option<char>| c.is_some_and(|c| ('\u{1f1e6}'..='\u{1f1ff}').contains(&c));
    regional(chars.next()) && regional(chars.next()) && chars.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_emoji_is_one() {
        for emoji in [
            "🏃",
            "🇮🇹",
            "⬆️",
            "⬆",
            "↘",
            "👵🏻",
            "🎙️",
            "🎙",
            "🏃‍♂️",
            "🏃🏽‍♀",
            "👨‍👩‍👧‍👦",
            "1️⃣",
            "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
            "☀",
            "🪩",
        ] {
            assert!(is_emoji(emoji), "{emoji}");
            assert_eq!(clusters(emoji).count(), 1, "{emoji}");
        }
    }

    #[test]
    fn text_of_any_script_is_none() {
        assert_eq!(
            emoji_of("R 2 中文 日本語 한국어 ไทย עברית عربى é # *"),
            [] as [&str; 0]
        );
    }

    #[test]
    fn neighbours_are_told_apart() {
        assert_eq!(emoji_of("Italo🇮🇹🇬🇧⬆️💾"), ["🇮🇹", "🇬🇧", "⬆", "💾"]);
    }

    #[test]
    fn a_tone_goes_only_when_asked() {
        assert_eq!(plain("👵🏻\u{fe0f}"), "👵🏻");
        assert_eq!(without_tone("👵🏻"), "👵");
    }
}
