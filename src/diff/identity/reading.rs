//! What a file may be: its tags and its name, read in every way that people and programs write them.

use super::{
    LocalFacts,
    artists::{Artists, ratio},
    fold::{fold, repair, scripts, squash},
    version::Title,
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

/// All ways to read a file, the most trustworthy first.
pub(super) fn readings(facts: &LocalFacts<'_>) -> Vec<Reading> {
    let Some(title) = facts.title.filter(|title| !is_generic(title)) else {
        let artists = Artists::parse(facts.artists.iter().map(String::as_str));
        return from_name(facts.file_name)
            .into_iter()
            .map(|(artist, title)| reading(artist.as_deref(), &title, &artists, 0))
            .collect();
    };
    let mut readings = from_tags(title, facts);
    if adds_nothing(title, facts) {
        return readings;
    }
    let named = from_name(facts.file_name);
    let name_titles: Vec<Title> = named
        .iter()
        .map(|(_, title)| Title::parse(title, None))
        .collect();
    let unknown = readings.iter().all(|reading| reading.artists.is_unknown());
    let mut agrees = false;
    for reading in &mut readings {
        for title in &name_titles {
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
        .zip(name_titles.iter())
        .filter(|((artist, _), title)| artist.is_some() && ((unknown && agrees) || foreign(title)))
        .map(|((artist, text), title)| {
            let cost = if foreign(title) { 8 } else { 0 };
            reading(artist.as_deref(), text, &Artists::default(), cost)
        })
        .collect();
    readings.extend(extra);
    readings
}

/// Whether the file's name has no word, numbers aside, that its tags do not have.
fn adds_nothing(title: &str, facts: &LocalFacts<'_>) -> bool {
    let said = |text: &str, word: &str| text.split(' ').any(|own| own == word);
    let title = fold(&repair(title));
    let artists: Vec<String> = facts
        .artists
        .iter()
        .map(|artist| fold(&repair(artist)))
        .collect();
    let known = |word: &str| said(&title, word) || artists.iter().any(|artist| said(artist, word));
    // Numbers may be the track's place in a list, or the part that the tags leave out.
    let counted = |text: &str| text.bytes().any(|b| b.is_ascii_digit());
    let name = fold(&name_text(facts.file_name));
    let extra = name.split(' ').filter(|word| !known(word)).enumerate();
    !artists.is_empty()
        && extra
            .into_iter()
            .all(|(at, word)| at == 0 && counted(word) && name.starts_with(word))
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

/// Artist and title as file names have them, in every order that the name allows.
fn from_name(file_name: &str) -> Vec<(Option<String>, String)> {
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
    let bare = without_number(text);
    let mut out = Vec::new();
    for text in if bare == text {
        vec![text]
    } else {
        vec![bare, text]
    } {
        out.push((None, text.to_owned()));
        let parts: Vec<&str> = dash_parts(text);
        for at in 1..parts.len() {
            let (left, right) = (parts[..at].join(" - "), parts[at..].join(" - "));
            out.push((Some(left.clone()), right.clone()));
            out.push((Some(right), left));
        }
        if parts.len() >= 3 {
            // Artist - Album - Title.
            out.push((Some(parts[0].to_owned()), parts[parts.len() - 1].to_owned()));
        }
    }
    if out.len() == 1
        && let Some((left, right)) = text.split_once('-')
        && !right.contains('-')
        && left.len() > 2
        && right.len() > 2
    {
        let (left, right) = (left.trim().to_owned(), right.trim().to_owned());
        out.push((Some(left.clone()), right.clone()));
        out.push((Some(right), left));
        return out;
    }
    // With a dash in it, a name is rarely a title alone.
    if out.len() > 1 {
        out.rotate_left(1);
    }
    out.dedup();
    out
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
            || (after.starts_with('-') && word.len() <= 2);
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
        let is_key = matches!(word.len(), 2 | 3)
            && word.ends_with(['A', 'B', 'a', 'b', 'm', 'd'])
            && word[..word.len() - 1].bytes().all(|b| b.is_ascii_digit())
            && separated;
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
    let mut rest = text;
    let mut depth_start = 0;
    while let Some((at, len)) = [" - ", " – ", " — ", " -- "]
        .iter()
        .filter_map(|dash| {
            rest[depth_start..]
                .find(dash)
                .map(|at| (at + depth_start, dash.len()))
        })
        .min()
    {
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

/// Whether a title is what rippers write when they know nothing.
fn is_generic(title: &str) -> bool {
    let folded = fold(title);
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
                    | "untitled"
                    | "audio"
                    | "song"
                    | "дорожка"
            ))
}

/// Whether a name's title names the song of the tags.
fn same_song(tags: &Title, name: &Title) -> bool {
    let alike = |a: &str, b: &str| squash(a) == squash(b) || ratio(a, b) >= 0.9;
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
