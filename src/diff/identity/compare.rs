//! Compares a file's title, artists and version with a track's.

use std::borrow::Cow;

use super::{
    artists::{Artists, ratio, wildcard_equal},
    fold::{LATIN, fold, key, romanised, scripts, squash, umlautless},
    version::{Kinds, Title},
    words,
};

/// A reading of a file beside a track.
pub(super) struct Pair<'a> {
    /// The file's title.
    pub title: Cow<'a, Title>,
    /// The file's artists.
    pub artists: &'a Artists,
    /// The track's title.
    pub other: Cow<'a, Title>,
    /// The track's artists.
    pub credits: &'a Artists,
    /// Whether TIDAL says that nothing in the track is explicit.
    pub clean: bool,
}

/// How two titles fit, their versions left aside.
pub(super) enum TitleFit {
    /// The same.
    Same,
    /// Alike, for so many points.
    Costs(f64, Cow<'static, str>),
    /// In different scripts.
    Incomparable,
    /// Another song's.
    Different,
}

/// Compares the titles.
pub(super) fn title_fit(pair: &Pair<'_>) -> TitleFit {
    let (title, other) = (pair.title.as_ref(), pair.other.as_ref());
    let spelled = |text: &String| pair.artists.spell(text) || pair.credits.spell(text);
    if same_key(&title.full_key, &other.full_key) {
        return TitleFit::Same;
    }
    if title.numbers != other.numbers {
        // Numbers cost or veto on their own.
        let bare = words::without_numbers(&title.full);
        if !bare.is_empty() && key(&bare) == key(&words::without_numbers(&other.full)) {
            return TitleFit::Same;
        }
    }
    let one_sided = title.extras.is_empty() != other.extras.is_empty();
    if same_key(&title.core_key, &other.core_key) {
        let unexplained = title
            .extras
            .iter()
            .filter(|extra| !other.extras.contains(extra))
            .chain(
                other
                    .extras
                    .iter()
                    .filter(|extra| !title.extras.contains(extra)),
            )
            .any(|extra| !spelled(extra));
        return match (unexplained, one_sided) {
            (false, _) => TitleFit::Same,
            (true, true) => TitleFit::Costs(7.0, "a subtitle on one side only".into()),
            (true, false) => TitleFit::Costs(14.0, "other subtitles".into()),
        };
    }
    if same_writing(title, other) {
        return TitleFit::Same;
    }
    if translates(title, other) || translates(other, title) {
        return TitleFit::Costs(7.0, "a translation on one side only".into());
    }
    let best = likeness(&title.full, &other.full).max(if one_sided {
        likeness(&title.core, &other.core) - 0.07
    } else {
        0.0
    });
    let short = title.core.chars().count().min(other.core.chars().count()) <= 7;
    if best >= if short { 0.9 } else { 0.84 } {
        // Never for nothing: a letter may be the key of a sonata.
        return TitleFit::Costs(
            ((1.0 - best) * 100.0).max(4.0),
            format!("title alike ({best:.2})").into(),
        );
    }
    if is_cut(&title.full, &other.full) {
        return TitleFit::Costs(8.0, "title cut short".into());
    }
    let (script, others) = (scripts(&title.core), scripts(&other.core));
    if script & others == 0 && script != 0 && others != 0 {
        return by_sound(title, other);
    }
    if script & others & LATIN == 0 {
        // Simplified and traditional characters, kana and kanji.
        if let fit @ TitleFit::Costs(..) = by_sound(title, other) {
            return fit;
        }
    }
    TitleFit::Different
}

/// `Good Day (좋은 날)`: the other's name is a subtitle of the one, in another script than its core.
fn translates(title: &Title, other: &Title) -> bool {
    scripts(&title.core) & scripts(&other.core) == 0
        && title
            .extras
            .iter()
            .any(|extra| key(extra) == other.full_key)
}

fn by_sound(title: &Title, other: &Title) -> TitleFit {
    let (a, b) = (romanised(&title.full), romanised(&other.full));
    let alike = ratio(&a, &b);
    let cores = || (romanised(&title.core), romanised(&other.core));
    if a.len() >= 3 && a == b {
        TitleFit::Costs(1.0, "same title, transliterated".into())
    } else if matches!(cores(), (a, b) if a.len() >= 4 && a == b) {
        TitleFit::Costs(8.0, "same title, transliterated, with a subtitle".into())
    } else if a.len() >= 5 && alike >= 0.8 {
        TitleFit::Costs(8.0, format!("title transliterated ({alike:.2})").into())
    } else {
        TitleFit::Incomparable
    }
}

/// Whether the two are written alike, version and all, so that there is nothing to interpret.
pub(super) fn same_writing(a: &Title, b: &Title) -> bool {
    let written = |title: &Title| {
        title
            .written
            .as_deref()
            .map(|text| key(&words::canonical(fold(text))))
    };
    written(a)
        .zip(written(b))
        .is_some_and(|(a, b)| same_key(&a, &b))
}

fn same_key(a: &str, b: &str) -> bool {
    a == b || wildcard_equal(a, b)
}

fn likeness(a: &str, b: &str) -> f64 {
    // Bytes suffice to see that two texts are too unequal in length.
    if a.len().min(b.len()) * 2 < a.len().max(b.len()) {
        return 0.0;
    }
    ratio(a, b).max(ratio(&umlautless(a), &umlautless(b)))
}

/// `ID3v1` keeps 30 characters of a title.
fn is_cut(local: &str, whole: &str) -> bool {
    let letters = local.chars().count();
    (24..=31).contains(&letters) && squash(whole).starts_with(&squash(local))
}

/// A title that ends in `… Name Remix` without brackets, with the remixer taken out of the name where
/// the track's remixer or title shows which words are his.
pub(super) fn closed<'a>(title: &'a Title, other: &Title) -> Cow<'a, Title> {
    if !title.version.open || !title.version.by.is_empty() {
        return Cow::Borrowed(title);
    }
    let remixer = title
        .core
        .strip_prefix(other.core.as_str())
        .and_then(|rest| rest.strip_prefix(' '));
    match remixer {
        Some(remixer) => {
            let mut closed = title.clone();
            closed.version.by.push(remixer.into());
            closed.core.clone_from(&other.core);
            closed.full.clone_from(&other.core);
            closed.core_key.clone_from(&other.core_key);
            closed.full_key.clone_from(&other.core_key);
            Cow::Owned(closed)
        }
        None => Cow::Borrowed(title),
    }
}

/// A title that has the track's artist in it, with nothing between them but a blank (`Artist_Title`,
/// `artist-title-radio_edit`), without him.
pub(super) fn without_artist(title: &Title, artists: &Artists) -> Option<Title> {
    let rest = artists
        .names()
        .filter(|name| !name.is_empty())
        .find_map(|name| {
            let after = title
                .full
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix(' '));
            let before = || {
                title
                    .full
                    .strip_suffix(name)
                    .and_then(|rest| rest.strip_suffix(' '))
            };
            after.or_else(before)
        })?;
    let mut bare = title.clone();
    bare.core = rest.to_owned();
    bare.full = rest.to_owned();
    bare.core_key = key(rest);
    bare.full_key.clone_from(&bare.core_key);
    bare.numbers = words::numbers(rest);
    bare.extras.clear();
    bare.written = None;
    Some(bare)
}

/// Why the two cannot be the same version; `close`: their lengths agree.
pub(super) fn version_vetoes(pair: &Pair<'_>, close: bool) -> Vec<String> {
    let mut vetoes = Vec::new();
    let (own, other) = (&pair.title.version, &pair.other.version);
    let mut differ = own
        .kinds
        .without(other.kinds)
        .with(other.kinds.without(own.kinds));
    if pair.clean {
        // TIDAL does not say `clean` of a song that has no explicit twin.
        differ = differ.without(Kinds::CLEAN);
    }
    let lengths = match (own.length, other.length) {
        (Some(a), Some(b)) => a == b,
        (None, None) => true,
        _ => close,
    };
    if !differ.is_empty() || own.language != other.language || !lengths {
        vetoes.push(format!("version: {own} ≠ {other}"));
    } else if !same_names(pair) {
        vetoes.push(format!(
            "version: {} ≠ {}",
            own.by.join(", "),
            other.by.join(", ")
        ));
    }
    vetoes.extend(number_veto(&pair.title, &pair.other, close));
    if !vetoes.is_empty() && same_writing(&pair.title, &pair.other) {
        vetoes.clear();
    }
    vetoes
}

/// Whether the names of the versions (remixers, places) agree; a name that one side leaves out does.
fn same_names(pair: &Pair<'_>) -> bool {
    let (own, other) = (&pair.title.version.by, &pair.other.version.by);
    let among = |name: &String, names: &[String]| {
        names.iter().any(|candidate| same_remixer(name, candidate))
    };
    own.is_empty()
        || other.is_empty()
        || own.iter().all(|name| among(name, other)) && other.iter().all(|name| among(name, own))
}

fn same_remixer(a: &str, b: &str) -> bool {
    let (x, y) = (key(a), key(b));
    if x == y {
        return true;
    }
    // `Remix 1` and `Remix 2` of one remixer.
    let digits = |name: &str| {
        name.chars()
            .filter(char::is_ascii_digit)
            .collect::<String>()
    };
    if digits(a) != digits(b) {
        return false;
    }
    if scripts(a) & scripts(b) == 0 {
        return ratio(&romanised(a), &romanised(b)) >= 0.8;
    }
    if x.chars().count().min(y.chars().count()) >= 6 && ratio(a, b) >= 0.85 {
        return true;
    }
    // `Axwell & Ingrosso` and `Ingrosso & Axwell`.
    let sorted = |name: &str| {
        let mut words: Vec<&str> = words::split(name)
            .filter(|word| !matches!(*word, "and" | "the" | "x" | "dj" | "s"))
            .collect();
        words.sort_unstable();
        words.join(" ")
    };
    sorted(a) == sorted(b)
}

fn number_veto(title: &Title, other: &Title, close: bool) -> Option<String> {
    let (a, b) = (&title.numbers, &other.numbers);
    if a == b {
        return None;
    }
    let show = |numbers: &[u32]| {
        if numbers.is_empty() {
            "none".to_owned()
        } else {
            numbers
                .iter()
                .map(u32::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        }
    };
    let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let one_sided = few.iter().all(|number| many.contains(number));
    // Beside `Dub II`, `Dub I` is the first part, and `I` no word.
    let is_first = |title: &Title, other: &Title| {
        title.numbers.is_empty()
            && !other.numbers.contains(&1)
            && title
                .full
                .strip_suffix(" i")
                .is_some_and(|bare| bare == words::without_numbers(&other.full))
    };
    let is_other = is_first(title, other) || is_first(other, title);
    (!one_sided || is_other || !close).then(|| format!("number: {} ≠ {}", show(a), show(b)))
}
