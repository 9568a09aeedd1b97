//! What a file may be: its tags and its name, read in every way that people and programs write them.

use super::{
    LocalFacts,
    artists::{Artists, ratio},
    block::is_latin,
    fold::{fold, scripts, squash},
    repair::repair,
    version::Title,
    words,
};

/// One way to read a file.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// The title.
    pub title: Title,
    /// The artists; unknown where nobody is named.
    pub artists: Artists,
    /// Points that this way of reading costs.
    pub cost: u8,
}

/// What the tags of a file with a title say, folded once for all who ask.
pub(super) struct Tagged {
    /// The title.
    pub title: String,
    /// The artists.
    pub artists: Vec<String>,
    /// Whether the file's name has no word that title and artists do not have.
    pub say_all: bool,
}

impl Tagged {
    /// `None` where no title is tagged.
    pub(super) fn of(facts: &LocalFacts<'_>) -> Option<Self> {
        let title = fold(&repair(facts.title?));
        let artists = facts.artists.iter().map(|artist| fold(&repair(artist)));
        let artists: Vec<String> = artists.collect();
        let say_all = adds_nothing(facts, &title, &artists);
        Some(Self {
            title,
            artists,
            say_all,
        })
    }
}

/// All ways to read a file, the most trustworthy first.
pub(super) fn readings(facts: &LocalFacts<'_>, tagged: Option<&Tagged>) -> Vec<Reading> {
    let nobody = || Artists::parse(facts.artists.iter().map(String::as_str)).is_unknown();
    let Some((title, tagged)) = facts
        .title
        .zip(tagged)
        .filter(|(_, tagged)| !is_generic(&tagged.title, nobody))
    else {
        let artists = Artists::parse(facts.artists.iter().map(String::as_str));
        return from_name(facts.file_name)
            .into_iter()
            .map(|named| named.reading(&artists, 0))
            .collect();
    };
    let mut readings = from_tags(title, facts);
    if tagged.say_all {
        return readings;
    }
    // Most of what a name can be read as is another song than the tags': that is told without taking it
    // apart.
    let script = readings
        .first()
        .map_or(0, |reading| scripts(&reading.title.full));
    let clues: Vec<Clue> = readings
        .iter()
        .map(|reading| Clue::of(&reading.title))
        .collect();
    let named: Vec<(Named, Title)> = from_name(facts.file_name)
        .into_iter()
        .filter(|named| {
            let text = words::with_digits(words::canonical(fold(&repair(&named.title))));
            scripts(&text) & script == 0 || {
                let text = squash(&text);
                clues.iter().any(|clue| clue.fits(&text))
            }
        })
        .map(|named| {
            let title = Title::parse(&named.title, None);
            (named, title)
        })
        .collect();
    let unknown = readings.iter().all(|reading| reading.artists.is_unknown());
    let mut agrees = false;
    for reading in &mut readings {
        for (_, title) in &named {
            if same_song(&reading.title, title) {
                add_labels(&mut reading.title, title);
                agrees = true;
            }
        }
    }
    // The name fills in for an artist that the tags leave out, and for tags in another script. Where
    // the tags name another song, a friendly name does not win.
    let foreign = |title: &Title| {
        readings
            .first()
            .is_some_and(|reading| scripts(&reading.title.full) & scripts(&title.full) == 0)
    };
    let extra: Vec<Reading> = named
        .iter()
        .filter(|(named, title)| named.artist.is_some() && ((unknown && agrees) || foreign(title)))
        .map(|(named, title)| {
            let cost = if foreign(title) { 8 } else { 0 };
            named.reading(&Artists::default(), cost)
        })
        .collect();
    readings.extend(extra);
    readings
}

/// Whether a file's name has no word that its folded title and artists do not have. A number at its
/// beginning is the track's place in a list, and one too long for a part or a year is somebody's id.
fn adds_nothing(facts: &LocalFacts<'_>, title: &str, artists: &[String]) -> bool {
    if is_artist_and_title(facts) {
        return true;
    }
    let said = |text: &str, word: &str| words::split(text).any(|own| own == word);
    let known = |word: &str| said(title, word) || artists.iter().any(|artist| said(artist, word));
    let name = fold(&name_text(facts.file_name));
    !artists.is_empty()
        && words::split(&name).enumerate().all(|(at, word)| {
            let is_place = at == 0 && word.bytes().any(|b| b.is_ascii_digit());
            is_place || is_id(word) || known(word)
        })
}

fn is_id(word: &str) -> bool {
    word.len() >= 5 && word.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a file's name is `Artist - Title` to the letter, as most are.
fn is_artist_and_title(facts: &LocalFacts<'_>) -> bool {
    let artist = facts.title.and_then(|title| {
        let (stem, _) = facts.file_name.rsplit_once('.')?;
        stem.strip_suffix(title)?.strip_suffix(" - ")
    });
    artist.is_some_and(|artist| {
        !artist.is_empty() && facts.artists.iter().any(|known| known == artist)
    })
}

fn from_tags(title: &str, facts: &LocalFacts<'_>) -> Vec<Reading> {
    let artists = Artists::parse(facts.artists.iter().map(String::as_str));
    let mut readings = vec![reading(None, title, &artists, 0)];
    let repaired = repair(title);
    let bare = without_number(&repaired);
    if bare != repaired {
        readings.push(reading(None, bare, &artists, 1));
    }
    // `Artist - Title` in the title, as video sites have it.
    for (left, right) in splits(bare) {
        let mut split = reading(Some(left), right, &Artists::default(), 1);
        if !artists.is_unknown() && !split.artists.names().any(|name| artists.include(name)) {
            split.cost = 2;
        }
        readings.push(split);
        if artists.is_unknown() {
            readings.push(reading(Some(right), left, &Artists::default(), 2));
        }
    }
    readings
}

/// Artist and title of the tags, which may stand in each other's place. To be read so only where nothing
/// else fits: nearly all files have them right.
#[derive(Clone, Debug)]
pub(super) struct Swap {
    artist: String,
    title: String,
}

impl Swap {
    /// `None` where there are not two of them.
    pub(super) fn of(facts: &LocalFacts<'_>, readings: &[Reading]) -> Option<Self> {
        let (Some(title), [artist]) = (facts.title, facts.artists) else {
            return None;
        };
        let is_known = readings
            .first()
            .is_some_and(|first| !first.artists.is_unknown());
        is_known.then(|| Self {
            artist: artist.clone(),
            title: title.to_owned(),
        })
    }

    /// Whether what would be read as the title is in Latin letters.
    pub(super) fn is_latin(&self) -> bool {
        is_latin(&self.artist)
    }

    /// The title read as the artist and the artist as the title; `first`: as they stand.
    pub(super) fn reading(&self, first: &Reading) -> Reading {
        let mut swapped = reading(Some(&self.title), &self.artist, &Artists::default(), 8);
        // What the title says of the version is true in the artist's place as well.
        add_labels(&mut swapped.title, &first.title);
        swapped
    }
}

fn reading(artist: Option<&str>, title: &str, known: &Artists, cost: u8) -> Reading {
    let title = Title::parse(title, None);
    let mut artists = match artist {
        Some(artist) => Artists::parse([artist]),
        None => known.clone(),
    };
    artists.add_folded(title.feats.iter().map(String::as_str));
    Reading {
        title,
        artists,
        cost,
    }
}

/// A name's text, taken for an artist and a title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The artist, where the name has one.
    pub artist: Option<String>,
    /// The title.
    pub title: String,
    /// Points that taking it so costs.
    pub cost: u8,
}

impl Named {
    fn reading(&self, known: &Artists, cost: u8) -> Reading {
        reading(self.artist.as_deref(), &self.title, known, cost + self.cost)
    }
}

/// Artist and title as file names have them, in every order that the name allows.
pub(super) fn from_name(file_name: &str) -> Vec<Named> {
    let text = name_text(file_name);
    let mut text = text.as_str();
    if let Some(bare) = text.strip_suffix(|c: char| c.is_ascii_digit()) {
        // A tempo at the end: `Title (Intro - Clean) 128`.
        let bare = bare.trim_end_matches(|c: char| c.is_ascii_digit());
        if text.len() - bare.len() >= 2 && bare.ends_with(") ") {
            text = bare.trim_end();
        }
    }
    text = without_video_id(text);
    let mut out = Vec::new();
    add_named(&mut out, without_number(text), 0);
    add_named(&mut out, text, 0);
    // With a dash in it, a name is rarely a title alone.
    if out.len() > 2 {
        out.rotate_left(1);
    }
    // Less likely, so that what says nothing more is not spoilt by it.
    let plain = without_copy_mark(without_key_and_tempo(text));
    add_named(&mut out, without_number(plain), 1);
    add_named(&mut out, without_number(without_bare_number(plain)), 2);
    out
}

fn add_named(out: &mut Vec<Named>, text: &str, cost: u8) {
    let mut add = |artist: Option<&str>, title: &str| {
        let same = |named: &Named| named.artist.as_deref() == artist && named.title == title;
        if !title.is_empty() && !out.iter().any(same) {
            out.push(Named {
                artist: artist.map(str::to_owned),
                title: title.to_owned(),
                cost,
            });
        }
    };
    add(None, text);
    let parts: Vec<&str> = dash_parts(text);
    for at in 1..parts.len() {
        let (left, right) = (parts[..at].join(" - "), parts[at..].join(" - "));
        add(Some(&left), &right);
        add(Some(&right), &left);
    }
    let is_version = |part: &&str| Title::parse("", Some(part)).version != Title::default().version;
    if parts.len() >= 3 && !parts[1..parts.len() - 1].iter().any(is_version) {
        // Artist - Album - Title, the track's number maybe before the title.
        let (first, last) = (parts[0], parts[parts.len() - 1]);
        add(Some(first), last);
        add(Some(first), without_bare_number(last));
    }
    if parts.len() == 1
        && let Some((left, right)) = text.split_once('-')
        && !right.contains('-')
        && left.len() > 2
        && right.len() > 2
    {
        let (left, right) = (left.trim(), right.trim());
        add(Some(left), right);
        add(Some(right), left);
    }
}

/// The text without what a computer appends to a second copy: ` (1)`, ` copy`, ` - Copy (2)`.
fn without_copy_mark(text: &str) -> &str {
    let numbered = text
        .strip_suffix(')')
        .and_then(|text| text.rsplit_once(" ("))
        .filter(|(_, number)| number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit()))
        .map_or(text, |(text, _)| text);
    let marked = |text: &str| {
        let lower = text.to_ascii_lowercase();
        [" - copy", " copy", " - kopie", " kopie"]
            .into_iter()
            .find(|mark| lower.ends_with(mark))
            .map(|mark| text.len() - mark.len())
    };
    // `copy 2`, as macOS numbers them.
    let counted = numbered
        .strip_suffix(|c: char| c.is_ascii_digit())
        .map_or(numbered, str::trim_end);
    marked(numbered)
        .or_else(|| marked(counted))
        .map_or(numbered, |end| &numbered[..end])
        .trim_end()
}

/// The text without ` - 8A - 136` at its end.
fn without_key_and_tempo(text: &str) -> &str {
    let mut rest = text;
    let mut keys = 0;
    while let Some((before, last)) = rest.rsplit_once(" - ") {
        let tempo = matches!(last.parse::<u16>(), Ok(60..=220));
        if !(tempo || is_key(last)) {
            break;
        }
        keys += usize::from(is_key(last));
        rest = before.trim_end();
    }
    // A number alone may be the title.
    if keys > 0 && rest.contains('-') {
        rest
    } else {
        text
    }
}

/// `8A`, `12B`, `4m`, `7d`: a key as DJ software writes it.
fn is_key(word: &str) -> bool {
    matches!(word.len(), 2 | 3)
        && word.ends_with(['A', 'B', 'a', 'b', 'm', 'd'])
        && matches!(word[..word.len() - 1].parse::<u8>(), Ok(1..=12))
}

/// The text without numbers, keys and sides at its beginning that nothing but a blank sets apart:
/// `101 Artist`, `A1 Artist`, `8A 136 Artist`.
fn without_bare_number(text: &str) -> &str {
    let mut rest = text;
    for _ in 0..2 {
        let Some((word, after)) = rest.split_once(' ') else {
            break;
        };
        let digits = word.len() <= 3 && word.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let side = word.len() == 2
            && word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.ends_with(|c: char| c.is_ascii_digit());
        if !(digits || side || is_key(word)) || after.trim().is_empty() {
            break;
        }
        rest = after.trim_start();
    }
    rest
}

/// The stem with blanks for what stands for them.
fn name_text(file_name: &str) -> String {
    let stem = match file_name.rsplit_once('.') {
        Some((stem, extension))
            if !stem.is_empty() && extension.len() <= 5 && !extension.contains(' ') =>
        {
            stem
        }
        _ => file_name,
    };
    let stem = repair(stem);
    if !stem.contains(['_', '\t', '\u{a0}']) && !stem.contains("  ") {
        return stem.trim().to_owned();
    }
    let stem = if stem.contains(' ') {
        // An underscore beside blanks stands for a character that the file system forbids.
        stem.replace(" _ ", " / ").replace('_', " ")
    } else {
        stem.replace('_', " ")
    };
    stem.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text without the id that video downloaders append: a hyphen and eleven characters.
fn without_video_id(text: &str) -> &str {
    let Some(at) = text
        .len()
        .checked_sub(12)
        .filter(|at| text.is_char_boundary(*at))
    else {
        return text;
    };
    let (name, id) = text.split_at(at);
    let mixed = |test: fn(&u8) -> bool| id.bytes().skip(1).any(|b| test(&b));
    let is_id = id.starts_with('-')
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && mixed(u8::is_ascii_uppercase)
        && mixed(u8::is_ascii_lowercase)
        && mixed(u8::is_ascii_digit);
    if is_id { name } else { text }
}

/// The text without track numbers, keys and tempos before it: `01 - `, `A1. `, `8A - 128 - `.
fn without_number(text: &str) -> &str {
    let mut rest = text.trim();
    for _ in 0..3 {
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let marked = after.starts_with([' ', '.', ')', '-', ']']);
        let separated = after.starts_with(". ")
            || after.starts_with(" - ")
            || after.starts_with(") ")
            || after.starts_with("- ")
            || after.starts_with('.')
            // `101-artist-title`: disc and place in front of two more parts.
            || (after.starts_with('-') && (word.len() <= 2 || after[1..].contains('-')));
        let digits = word.bytes().all(|b| b.is_ascii_digit());
        let is_number = digits
            && match word.len() {
                0 => false,
                // `50 Cent`, `99 Problems`: a bare number before a word is one only with a zero.
                1..=3 => separated || (word.starts_with('0') && marked),
                4..=5 => false,
                _ => marked,
            };
        let is_side = word.len() == 2
            && word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.ends_with(|c: char| c.is_ascii_digit())
            && separated;
        let is_key = is_key(word) && separated;
        let stripped = after.trim_start_matches([' ', '.', ')', '-', ']', '–']);
        if !(is_number || is_side || is_key) || stripped.is_empty() {
            break;
        }
        rest = stripped;
    }
    rest
}

fn dash_parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    if text.is_ascii() && !text.contains('-') {
        parts.extend(Some(text.trim()).filter(|part| !part.is_empty()));
        return parts;
    }
    let mut rest = text;
    let mut depth_start = 0;
    while let Some((at, len)) =
        words::find_first(&rest[depth_start..], &[" - ", " – ", " — ", " -- "])
    {
        let at = at + depth_start;
        let open = rest[..at].matches(['(', '[']).count();
        let closed = rest[..at].matches([')', ']']).count();
        if open > closed {
            depth_start = at + len;
            continue;
        }
        parts.push(rest[..at].trim());
        rest = &rest[at + len..];
        depth_start = 0;
    }
    parts.push(rest.trim());
    parts.retain(|part| !part.is_empty());
    parts
}

fn splits(text: &str) -> Vec<(&str, &str)> {
    let parts = dash_parts(text);
    let [left, right, ..] = parts.as_slice() else {
        return Vec::new();
    };
    let at = text.find(right).unwrap_or(0);
    if at == 0 {
        return Vec::new();
    }
    vec![(left, &text[at..])]
}

/// Whether a folded title is what rippers write when they know nothing; `nobody`: whether no artist is
/// known either.
fn is_generic(folded: &str, nobody: impl Fn() -> bool) -> bool {
    let bare = folded.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ');
    folded.is_empty()
        || matches!(
            bare,
            "unknown" | "unknown title" | "no title" | "unbekannt" | "unbekannter titel"
        )
        || (bare != folded
            && matches!(
                bare,
                "track"
                    | "titel"
                    | "piste"
                    | "pista"
                    | "traccia"
                    | "faixa"
                    | "audiotrack"
                    | "audio track"
                    | "дорожка"
            ))
        // With an artist, `Song 2` is a song.
        || (bare != folded && matches!(bare, "untitled" | "audio" | "song") && nobody())
}

/// How alike two titles of one song are at the least.
const ALIKE: f64 = 0.9;

/// Parts of a title of which one at least stands in every text that is as alike as [`same_song`] asks.
struct Clue(Vec<String>);

impl Clue {
    fn of(title: &Title) -> Self {
        let mut parts = Vec::new();
        for text in [&title.core, &title.full] {
            let letters: Vec<char> = text.chars().filter(|c| *c != ' ').collect();
            // So many letters may differ, and each spoils two parts at the most.
            let edits = (letters.len() as f64 * (1.0 / ALIKE - 1.0)).ceil() as usize + 1;
            let size = letters.len() / (2 * edits + 1);
            if size == 0 {
                // Too short to be cut: every text fits.
                return Self(Vec::new());
            }
            parts.extend(letters.chunks_exact(size).map(String::from_iter));
            if title.core == title.full {
                break;
            }
        }
        Self(parts)
    }

    fn fits(&self, squashed: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|part| squashed.contains(part.as_str()))
    }
}

/// Whether a name's title names the song of the tags.
fn same_song(tags: &Title, name: &Title) -> bool {
    let alike = |a: &str, b: &str| squash(a) == squash(b) || ratio(a, b) >= ALIKE;
    alike(&tags.core, &name.core)
        || alike(&tags.full, &name.full)
        || alike(&tags.core, &name.full)
        || alike(&tags.full, &name.core)
}

/// What the file name says about the version and the tags leave out.
fn add_labels(tags: &mut Title, name: &Title) {
    let before = tags.version.clone();
    tags.version.join(&name.version);
    if tags.version != before {
        tags.written = None;
    }
    if tags.numbers.is_empty() {
        tags.numbers.clone_from(&name.numbers);
        tags.part |= name.part;
    }
}
