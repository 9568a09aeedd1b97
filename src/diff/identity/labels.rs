//! Labels of titles: which name a version, a guest, or nothing at all.

use super::{
    version::{Kinds, Length, Version},
    words::{FEAT, each, is_year},
};

/// What a label (the text of a bracket, or what follows a dash) is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// Says nothing about the recording: `Original Mix`, `2011 Remaster`, `Official Video`.
    Noise,
    /// Guests.
    Feat(String),
    /// A version.
    Version(Version),
    /// Part of the name.
    Name,
}

/// The version that a label from [`super::words::split_trailing_label`] names.
pub(super) fn version_of(label: &str) -> Version {
    match classify(label, false) {
        Label::Version(version) => version,
        Label::Noise | Label::Feat(_) | Label::Name => Version::default(),
    }
}

/// What a folded label is; `square`: it stood in square brackets, where labels of record companies,
/// catalogue numbers and bit rates stand.
pub(super) fn classify(label: &str, square: bool) -> Label {
    let words: Vec<&str> = each(label).collect();
    let Some(first) = words.first() else {
        return Label::Noise;
    };
    if FEAT.contains(first) || (*first == "with" && words.len() > 1) {
        return Label::Feat(words[1..].join(" "));
    }
    if is_noise(&words, square) {
        return Label::Noise;
    }
    if let Some(version) = credited(label, &words) {
        return Label::Version(version);
    }
    match describe(&words) {
        Some(version) => Label::Version(version),
        None => Label::Name,
    }
}

/// Words that carry no information about the recording.
const NOISE: &[&str] = &[
    "original",
    "orig",
    "originale",
    "version",
    "ver",
    "versione",
    "album",
    "lp",
    "main",
    "remaster",
    "remastered",
    "remastering",
    "remasterizado",
    "remasterise",
    "remastérisé",
    "digital",
    "digitally",
    "mono",
    "stereo",
    "explicit",
    "dirty",
    "uncensored",
    "deluxe",
    "bonus",
    "track",
    "official",
    "offizielles",
    "officiel",
    "oficial",
    "video",
    "audio",
    "music",
    "lyric",
    "lyrics",
    "visualizer",
    "visualiser",
    "clip",
    "musikvideo",
    "videoclip",
    "hd",
    "hq",
    "4k",
    "uhd",
    "hi",
    "res",
    "hires",
    "standard",
    "edition",
    "anniversary",
    "320",
    "320kbps",
    "256kbps",
    "192kbps",
    "128kbps",
    "kbps",
    "flac",
    "wav",
    "mp3",
    "m4a",
    "aiff",
    "aac",
    "lossless",
    "free",
    "download",
    "dl",
    "premiere",
    "exclusive",
    "release",
    "atmos",
    "dolby",
    "soundtrack",
    "expanded",
    "the",
    "and",
    "in",
    "on",
    "new",
    "out",
    "now",
    "24",
    "bit",
    "24bit",
    "16bit",
    "master",
    "2",
    "cover",
    "art",
    "e",
    "cd",
    "vinyl",
    "web",
    "promo",
    "special",
    "single",
];

/// Words of [`NOISE`] that mean nothing alone.
const FILLERS: &[&str] = &[
    "the", "and", "in", "on", "e", "2", "hi", "24", "new", "cover", "art",
];

fn is_noise(words: &[&str], square: bool) -> bool {
    let last = words.last().copied().unwrap_or_default();
    match words[0] {
        "prod" | "produced" | "from" | "aus" | "taken" | "theme" | "ost" => {
            return words.len() > 1 || words[0] == "ost";
        }
        _ => {}
    }
    if square
        && (matches!(
            last,
            "records"
                | "recordings"
                | "music"
                | "label"
                | "release"
                | "recs"
                | "rec"
                | "musik"
                | "traxx"
                | "digital"
        ) || is_catalogue_number(words))
    {
        return true;
    }
    // Where it was downloaded from.
    if words[0] == "www"
        || (words.len() > 1 && matches!(last, "com" | "net" | "org" | "ru" | "info"))
    {
        return true;
    }
    if matches!(words, [_, "bpm"]) || (words.len() == 1 && is_key(words[0])) {
        return true;
    }
    if words.contains(&"cover") {
        return matches!(words, ["cover", "art"]);
    }
    // `single` alone and `single edit` are lengths, but `single album` and the like are nothing.
    if words.contains(&"single") && !words.contains(&"album") {
        return false;
    }
    let mix = words.contains(&"mix")
        && words.iter().any(|w| {
            matches!(
                *w,
                "original" | "orig" | "album" | "main" | "mono" | "stereo"
            )
        });
    let ordinal = |word: &str| {
        word.len() >= 3
            && ["st", "nd", "rd", "th"].iter().any(|end| {
                word.strip_suffix(end)
                    .is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
            })
    };
    let known = |word: &&str| {
        NOISE.contains(word) || is_year(word) || ordinal(word) || (mix && *word == "mix")
    };
    if matches!(words, ["new", "version"] | ["new", "ver"]) || is_dated(words) {
        return false;
    }
    words.iter().all(known)
        && !words
            .iter()
            .all(|word| FILLERS.contains(word) || is_year(word))
}

/// `2015 Version`, `1999 version`: another take of the song; a remaster of a year is not.
fn is_dated(words: &[&str]) -> bool {
    matches!(words, [year, "version" | "ver"] | ["version" | "ver", year] if is_year(year))
}

fn is_catalogue_number(words: &[&str]) -> bool {
    words.len() <= 2
        && words
            .iter()
            .any(|word| word.bytes().filter(u8::is_ascii_digit).count() >= 2)
        && words
            .iter()
            .all(|word| word.bytes().all(|b| b.is_ascii_alphanumeric()))
        && words
            .iter()
            .any(|word| word.bytes().any(|b| b.is_ascii_alphabetic()))
}

fn is_key(word: &str) -> bool {
    let digits = word.trim_end_matches(['a', 'b']);
    word.len() - digits.len() == 1 && matches!(digits.parse::<u8>(), Ok(1..=12))
}

/// Phrases that say that somebody else plays it.
fn credited(label: &str, words: &[&str]) -> Option<Version> {
    let telling = |word: &&str| {
        matches!(
            *word,
            "karaoke"
                | "backing"
                | "sing"
                | "singalong"
                | "カラオケ"
                | "караоке"
                | "кавер"
                | "翻唱"
                | "famous"
                | "popular"
                | "style"
                | "originally"
                | "tribute"
                | "performed"
                | "cover"
        )
    };
    if !words.iter().any(telling) {
        return None;
    }
    let padded = format!(" {label} ");
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| padded.contains(phrase));
    let mut kinds = Kinds::default();
    if has(&[
        " karaoke ",
        " backing track ",
        " sing along ",
        " singalong ",
        " カラオケ ",
        " караоке ",
    ]) {
        kinds = kinds.with(Kinds::KARAOKE);
    }
    if has(&[
        " made famous by ",
        " made popular by ",
        " in the style of ",
        " originally performed by ",
        " originally by ",
        " tribute ",
        " as performed by ",
        " as made famous ",
        " cover version ",
        " cover by ",
        " кавер ",
        " 翻唱 ",
    ]) || words.last() == Some(&"cover")
        || words == ["cover", "version"]
    {
        kinds = kinds.with(Kinds::COVER);
    }
    (!kinds.is_empty()).then(|| Version {
        kinds,
        ..Version::default()
    })
}

/// How a word bears on a version.
#[derive(Clone, Copy)]
enum Role {
    /// A kind, recognised wherever it stands in a label.
    Strong(Kinds),
    /// A kind that is also an ordinary word: it counts in a label of version words only, or with a head.
    Weak(Kinds),
    /// A length, and a bit that tells its label from others.
    Long(u16),
    /// A length, and a bit that tells its label from others.
    Short(u16),
    /// A language.
    Language(&'static str),
    /// Ends a label: `mix`, `edit`, `version`.
    Head(Head),
    /// Between the others, without meaning of its own.
    Filler,
    /// Anything else: a name.
    Name,
}

/// What a label ends in, weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Head {
    Version,
    Edit,
    Mix,
    Remix,
}

fn role(word: &str) -> Role {
    match word {
        "remix"
        | "rework"
        | "reworked"
        | "remake"
        | "bootleg"
        | "flip"
        | "refix"
        | "reedit"
        | "redux"
        | "rerub"
        | "rub"
        | "retouch"
        | "reconstruction"
        | "reinterpretation"
        | "reimagined"
        | "restrung"
        | "revisited"
        | "rebuild"
        | "remodel"
        | "recut"
        | "refreak"
        | "recreation"
        | "remode"
        | "revamp"
        | "rendition"
        | "megamix"
        | "リミックス"
        | "リミックス版"
        | "ремикс"
        | "리믹스"
        | "混音"
        | "混音版"
        | "dj版"
        | "remix版"
        | "ريمكس"
        | "รีมิกซ์"
        | "רמיקס" => Role::Head(Head::Remix),
        "mix" | "mezcla" => Role::Head(Head::Mix),
        "edit" => Role::Head(Head::Edit),
        "version" | "ver" | "versione" | "versao" | "take" | "edition" | "style" | "recording"
        | "バージョン" => Role::Head(Head::Version),
        "extended" | "extend" | "long" => Role::Long(1),
        "12inch" | "10inch" | "maxi" => Role::Long(2),
        "club" => Role::Long(4),
        "radio" | "airplay" => Role::Short(8),
        "single" | "7inch" => Role::Short(16),
        "short" => Role::Short(32),
        "tv" => Role::Short(64),
        "live" | "livesession" | "concert" | "session" | "sessions" => Role::Weak(Kinds::LIVE),
        "unplugged" | "ライブ" | "ライヴ" | "라이브" | "现场" | "現場" | "现场版" | "現場版"
        | "live版" | "演唱会" | "演唱會" | "演唱会版" | "ライブ版" | "концерт" | "вживую"
        | "soundcheck" | "rehearsal" => Role::Strong(Kinds::LIVE),
        "acoustic"
        | "akustik"
        | "acustico"
        | "acustica"
        | "acoustique"
        | "stripped"
        | "акустика"
        | "アコースティック"
        | "어쿠스틱"
        | "不插电"
        | "不插電" => Role::Strong(Kinds::ACOUSTIC),
        "instrumental"
        | "instrumentals"
        | "inst"
        | "instr"
        | "インストゥルメンタル"
        | "インスト"
        | "伴奏"
        | "伴奏版"
        | "纯音乐"
        | "純音樂"
        | "минус"
        | "минусовка"
        | "연주곡" => Role::Strong(Kinds::INSTRUMENTAL),
        "acapella" | "acappella" | "accapella" | "acapela" | "cappella" => {
            Role::Strong(Kinds::A_CAPPELLA)
        }
        "dub" | "dubstrumental" => Role::Weak(Kinds::DUB),
        "vip" => Role::Strong(Kinds::VIP),
        "8d" | "16d" | "bassboosted" | "drumless" | "bassless" | "beatless" | "vocals"
        | "outtake" | "alternate" | "djtool" | "bonusbeats" | "lofi" => Role::Strong(Kinds::NAMED),
        "demo" | "demos" => Role::Weak(Kinds::DEMO),
        "nightcore" => Role::Strong(Kinds::SPED_UP),
        "slowed" => Role::Strong(Kinds::SLOWED),
        "clean" | "censored" => Role::Weak(Kinds::CLEAN),
        "intro" | "outro" | "quickhitter" | "transition" | "clapapella" | "acapellain" => {
            Role::Weak(Kinds::INTRO)
        }
        "rerecorded" | "rerecord" | "rerecording" => Role::Strong(Kinds::RERECORDED),
        "reprise" => Role::Strong(Kinds::REPRISE),
        "mixed" => Role::Weak(Kinds::MIXED),
        "reversed" | "backwards" => Role::Weak(Kinds::REVERSED),
        "mashup" => Role::Strong(Kinds::MASHUP),
        "orchestral" | "symphonic" | "orchestra" | "strings" => Role::Weak(Kinds::ORCHESTRAL),
        "piano" => Role::Weak(Kinds::PIANO),
        "interlude" | "skit" => Role::Weak(Kinds::INTERLUDE),
        "loop" | "looped" => Role::Weak(Kinds::LOOP),
        "medley" => Role::Strong(Kinds::MEDLEY),
        "original" | "orig" | "official" | "remaster" | "remastered" | "the" | "a" | "by"
        | "and" | "full" | "explicit" | "dirty" | "mega" | "special" | "digital" | "studio"
        | "album" => Role::Filler,
        _ => language(word).map_or(Role::Name, Role::Language),
    }
}

fn language(word: &str) -> Option<&'static str> {
    Some(match word {
        "english" | "englisch" | "englische" | "ingles" | "inglese" | "anglaise" | "anglais" => {
            "English"
        }
        "spanish" | "espanol" | "espanola" | "spanisch" | "spanische" | "castellano"
        | "espagnol" | "spagnolo" => "Spanish",
        "french" | "francais" | "francaise" | "franzosisch" | "frances" => "French",
        "german" | "deutsch" | "deutsche" | "aleman" | "allemand" => "German",
        "italian" | "italiano" | "italiana" | "italienisch" | "italien" => "Italian",
        "portuguese" | "portugues" | "portuguesa" | "brazilian" | "brasileira" => "Portuguese",
        "japanese" | "japanisch" | "japones" => "Japanese",
        "korean" | "coreano" => "Korean",
        "chinese" | "mandarin" | "cantonese" => "Chinese",
        "russian" | "russisch" => "Russian",
        "turkish" | "turkce" => "Turkish",
        "arabic" => "Arabic",
        "hebrew" => "Hebrew",
        "hindi" => "Hindi",
        "greek" => "Greek",
        "swedish" | "svensk" => "Swedish",
        "norwegian" | "norsk" => "Norwegian",
        "danish" | "dansk" => "Danish",
        "finnish" => "Finnish",
        "dutch" => "Dutch",
        "polish" => "Polish",
        "ukrainian" => "Ukrainian",
        "spanglish" => "Spanglish",
        "latin" => "Latin",
        _ => return None,
    })
}

/// The version that a label describes; `None` when it is no version label but part of the name.
fn describe(words: &[&str]) -> Option<Version> {
    let words = join_pairs(words);
    let mut version = Version::default();
    let (mut weak, mut strong, mut lengths) = (Kinds::default(), Kinds::default(), 0);
    let mut head = None;
    let mut names: Vec<&str> = Vec::new();
    let (mut long, mut short) = (false, false);
    for (at, word) in words.iter().map(String::as_str).enumerate() {
        match role(word) {
            Role::Strong(kind) => strong = strong.with(kind),
            Role::Weak(kind) => {
                // What follows `live` is where and when.
                if kind.has(Kinds::LIVE) && at == 0 && live_follows(words.get(1)) {
                    return Some(live(&words[1..]));
                }
                weak = weak.with(kind);
            }
            Role::Long(label) => {
                long = true;
                lengths += 1;
                version.labels |= label;
                version.club |= word == "club";
            }
            Role::Short(label) => {
                short = true;
                lengths += 1;
                version.labels |= label;
            }
            Role::Language(name) => version.language = Some(name),
            Role::Head(kind) => head = head.max(Some(kind)),
            Role::Filler => {}
            Role::Name => names.push(word),
        }
    }
    if !weak.is_empty()
        && names
            .iter()
            .all(|name| name.bytes().all(|b| b.is_ascii_digit()))
    {
        // `Transition 100-128`.
        names.clear();
    }
    let last = words.last().map_or("", String::as_str);
    let ends_weak =
        matches!(role(last), Role::Weak(kind) if kind.has(Kinds::LIVE) || kind.has(Kinds::DUB));
    let ends_long =
        matches!(last, "extended") || matches!(words.first().map(String::as_str), Some("extended"));
    if names.is_empty() {
        if head.is_none() && weak.is_empty() && strong.is_empty() && lengths == 0 {
            // Only a language, or fillers.
            return version.language.is_some().then_some(version);
        }
    } else if head.is_none() && strong.is_empty() && !ends_weak && !ends_long {
        return language_phrase(&words, version.language);
    } else if head == Some(Head::Version)
        && weak.is_empty()
        && strong.is_empty()
        && lengths == 0
        && is_setting(&names)
    {
        return Some(version);
    }
    version.kinds = weak.with(strong);
    version.length = length(long, short, head, version.kinds, names.is_empty());
    match head {
        Some(Head::Remix) => version.kinds = version.kinds.with(Kinds::REMIX),
        Some(Head::Mix | Head::Edit) if !names.is_empty() => {
            version.kinds = version.kinds.with(Kinds::REMIX);
        }
        Some(Head::Version)
            if !names.is_empty() && version.kinds.is_empty() && version.language.is_none() =>
        {
            version.kinds = Kinds::NAMED;
        }
        _ => {}
    }
    if !names.is_empty() {
        version.by.push(names.join(" "));
    }
    Some(version)
}

/// Pairs of words that mean one thing.
fn join_pairs(words: &[&str]) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(words.len());
    for word in words {
        let joined = match (out.last().map(String::as_str), *word) {
            (Some("re"), "edit") => Some("reedit"),
            (Some("re"), "work" | "worked") => Some("rework"),
            (Some("re"), "mix") => Some("remix"),
            (Some("re"), "rub") => Some("rerub"),
            (Some("re"), "recorded" | "recording") => Some("rerecorded"),
            (Some("mash"), "up") => Some("mashup"),
            (Some("sped" | "speed" | "spedup"), "up") => Some("nightcore"),
            (Some("quick"), "hit" | "hitter") => Some("quickhitter"),
            (Some("bass"), "boosted") => Some("bassboosted"),
            (Some("dj"), "tool") => Some("djtool"),
            (Some("lo"), "fi") => Some("lofi"),
            (Some("bonus"), "beats") => Some("bonusbeats"),
            (Some("slowed"), "down" | "reverb") => Some("slowed"),
            (Some("a"), "cappella" | "capella" | "capela") => Some("acapella"),
            (Some("ao" | "en" | "al" | "dal"), "vivo") => Some("unplugged"),
            // Recorded anew for a broadcast or a service.
            (Some("live"), "lounge") | (Some("tiny"), "desk") => Some("unplugged"),
            (Some("spotify"), "single" | "singles" | "session" | "sessions") => Some("unplugged"),
            (Some("off"), "vocal") => Some("instrumental"),
            (Some("en"), "directo" | "public" | "concert") => Some("unplugged"),
            (Some("12"), "inch") => Some("12inch"),
            (Some("10"), "inch") => Some("10inch"),
            (Some("7"), "inch") => Some("7inch"),
            _ => None,
        };
        match joined {
            Some(joined) => {
                out.pop();
                out.push(joined.to_owned());
            }
            None => out.push((*word).to_owned()),
        }
    }
    out
}

fn live_follows(word: Option<&String>) -> bool {
    word.is_some_and(|word| {
        matches!(
            word.as_str(),
            "at" | "in"
                | "from"
                | "on"
                | "for"
                | "aus"
                | "im"
                | "en"
                | "a"
                | "session"
                | "sessions"
                | "lounge"
                | "with"
        ) || is_year(word)
    })
}

/// A live version and where it was played.
fn live(place: &[String]) -> Version {
    let place: Vec<&str> = place
        .iter()
        .map(String::as_str)
        .filter(|word| {
            !matches!(
                *word,
                "at" | "in" | "from" | "on" | "the" | "for" | "version" | "edit" | "a"
            )
        })
        .collect();
    Version {
        kinds: Kinds::LIVE,
        by: (!place.is_empty())
            .then(|| place.join(" "))
            .into_iter()
            .collect(),
        ..Version::default()
    }
}

/// `en español`, `auf Deutsch`, `in English`: a language with its preposition.
fn language_phrase(words: &[String], language: Option<&'static str>) -> Option<Version> {
    let [preposition, _] = words else {
        return None;
    };
    (language.is_some() && matches!(preposition.as_str(), "en" | "in" | "auf" | "na" | "em")).then(
        || Version {
            language,
            ..Version::default()
        },
    )
}

/// Versions named after where they were heard, not after what was done: film, soundtrack, video.
fn is_setting(names: &[&str]) -> bool {
    names.iter().all(|name| {
        matches!(
            *name,
            "film"
                | "movie"
                | "motion"
                | "picture"
                | "soundtrack"
                | "video"
                | "lp"
                | "album"
                | "standard"
                | "hd"
                | "vinyl"
                | "cd"
                | "explicit"
                | "mono"
                | "stereo"
                | "itunes"
                | "deluxe"
        )
    })
}

fn length(
    long: bool,
    short: bool,
    head: Option<Head>,
    kinds: Kinds,
    unnamed: bool,
) -> Option<Length> {
    match (long, short) {
        (true, _) => Some(Length::Long),
        (false, true) => Some(Length::Short),
        // `Edit` alone; `Clean Edit` and `Intro Edit` say what the edit is.
        (false, false) if head == Some(Head::Edit) && kinds.is_empty() && unnamed => {
            Some(Length::Short)
        }
        (false, false) => None,
    }
}
