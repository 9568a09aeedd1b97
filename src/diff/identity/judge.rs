//! Decides whether a file is a track: vetoes first, then points taken off a hundred.

use std::borrow::Cow;

use super::{
    LocalFacts,
    artists::{Agreement, Artists, agreement, ratio, wildcard_equal},
    fold::{fold, romanised, scripts, squash, umlautless},
    reading::{Reading, readings},
    version::{Kinds, Title},
    words,
};
use crate::{
    domain::{Isrc, Track, TrackId},
    policy::MatchPolicy,
};

/// What is to be done with a pair of file and track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Other recordings.
    No,
    /// A person should say.
    Ask,
    /// The same recording.
    Auto,
}

/// A verdict on a pair of file and track, and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What to do.
    pub verdict: Verdict,
    /// 0–100, to be held against [`MatchPolicy::auto`] and [`MatchPolicy::ask`].
    pub score: u8,
    /// What spoke for it or took points off.
    pub reasons: Vec<String>,
    /// What forbids an automatic match, whatever the score.
    pub vetoes: Vec<String>,
}

/// A file, read for comparison.
#[derive(Clone, Debug)]
pub(super) struct Local {
    readings: Vec<Reading>,
    isrc: Option<Isrc>,
    tidal_id: Option<TrackId>,
    album: Option<String>,
    album_kinds: Kinds,
    duration_ms: Option<u64>,
}

/// A track, read for comparison.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    id: TrackId,
    title: Title,
    artists: Artists,
    isrc: Option<Isrc>,
    album: Option<String>,
    album_kinds: Kinds,
    duration_ms: Option<u64>,
    clean: bool,
}

/// A judgement with the finer rank that decides between several that have the same score.
#[derive(Clone, Debug)]
pub(super) struct Ranked {
    /// The judgement.
    pub judgement: Judgement,
    /// Hundredths of points.
    pub rank: i32,
    /// Whether both carry the same ISRC.
    pub same_isrc: bool,
    /// Whether the file carries the track's id.
    pub same_id: bool,
}

impl Local {
    pub(super) fn new(facts: &LocalFacts<'_>) -> Self {
        let readings = readings(facts);
        let artists = readings.first().map(|reading| &reading.artists);
        let album_kinds = facts
            .album
            .zip(artists)
            .map(|(album, artists)| album_kinds(album, artists))
            .unwrap_or_default();
        Self {
            readings,
            album_kinds,
            isrc: facts.isrc.cloned(),
            tidal_id: facts
                .tidal_id
                .cloned()
                .or_else(|| numeric_name(facts.file_name)),
            album: facts.album.map(fold),
            duration_ms: facts.duration_ms.filter(|ms| *ms > 0),
        }
    }

    pub(super) fn readings(&self) -> &[Reading] {
        &self.readings
    }

    pub(super) fn isrc(&self) -> Option<&Isrc> {
        self.isrc.as_ref()
    }

    pub(super) fn tidal_id(&self) -> Option<&TrackId> {
        self.tidal_id.as_ref()
    }
}

impl Wanted {
    pub(super) fn new(track: &Track) -> Self {
        let title = Title::parse(&track.title, track.version.as_deref());
        let mut artists = Artists::parse(track.artists.iter().map(String::as_str));
        artists.add_folded(title.feats.iter().map(String::as_str));
        Self {
            id: track.id.clone(),
            title,
            isrc: track.isrc.clone(),
            album_kinds: track
                .album
                .as_deref()
                .map(|album| album_kinds(album, &artists))
                .unwrap_or_default(),
            album: track.album.as_deref().map(fold),
            duration_ms: track.duration_s.map(|s| u64::from(s) * 1000),
            artists,
            clean: track.explicit == Some(false),
        }
    }

    pub(super) fn id(&self) -> &TrackId {
        &self.id
    }

    pub(super) fn isrc(&self) -> Option<&Isrc> {
        self.isrc.as_ref()
    }

    pub(super) fn title(&self) -> &Title {
        &self.title
    }

    pub(super) fn artists(&self) -> &Artists {
        &self.artists
    }

    fn beside<'a>(&'a self, other: &'a Self) -> Pair<'a> {
        Pair {
            title: Cow::Borrowed(&self.title),
            artists: &self.artists,
            other: Cow::Borrowed(&other.title),
            credits: &other.artists,
            clean: other.clean,
        }
    }

    /// Whether the two are one recording by everything that TIDAL says of them, the ISRC first of all.
    pub(super) fn is_same_recording(&self, other: &Self) -> bool {
        self.isrc.is_some()
            && self.isrc == other.isrc
            && version_vetoes(&self.beside(other), true).is_empty()
            && self
                .duration_ms
                .zip(other.duration_ms)
                .is_none_or(|(a, b)| a.abs_diff(b) <= 3_000)
    }
}

/// A file's name that is nothing but a TIDAL id, as downloaders write them.
fn numeric_name(file_name: &str) -> Option<TrackId> {
    let stem = file_name
        .rsplit_once('.')
        .map_or(file_name, |(stem, _)| stem);
    ((5..=12).contains(&stem.len()) && stem.bytes().all(|b| b.is_ascii_digit()))
        .then(|| TrackId::new(stem))
}

/// Whether the file that `local` describes is the recording that `track` names.
///
/// A veto (another version, remixer, part, or length) beats any score. An equal ISRC confirms unless a
/// veto speaks; a different one proves nothing, since re-releases get new ones.
#[must_use]
pub fn judge(local: &LocalFacts<'_>, track: &Track, policy: &MatchPolicy) -> Judgement {
    rank(&Local::new(local), &Wanted::new(track), policy).judgement
}

/// How one reading of the file fits.
struct Fit {
    points: f64,
    cap: f64,
    reasons: Vec<String>,
    vetoes: Vec<String>,
    /// Title or artist are known to be others.
    clash: bool,
}

pub(super) fn rank(local: &Local, wanted: &Wanted, policy: &MatchPolicy) -> Ranked {
    let same_isrc = local.isrc.is_some() && local.isrc == wanted.isrc;
    let same_id = local.tidal_id.as_ref() == Some(&wanted.id);
    let length = Span::between(local.duration_ms, wanted.duration_ms, policy);
    let mut best: Option<Fit> = None;
    for reading in &local.readings {
        let fit = fit(reading, local, wanted, &length, policy);
        let better = best.as_ref().is_none_or(|best| {
            (fit.vetoes.is_empty() && !fit.clash, fit.points)
                .partial_cmp(&(best.vetoes.is_empty() && !best.clash, best.points))
                .is_some_and(std::cmp::Ordering::is_gt)
        });
        if better {
            best = Some(fit);
        }
    }
    let mut fit = best.unwrap_or_else(|| Fit {
        points: 50.0,
        cap: 100.0,
        reasons: vec!["nothing is known of the file".to_owned()],
        vetoes: length.vetoes(policy),
        clash: false,
    });
    if same_isrc || same_id {
        confirm(&mut fit, same_id, &length);
    }
    let album = local.album.is_some() && local.album == wanted.album;
    let points = fit.points.min(fit.cap).clamp(0.0, 100.0);
    let verdict = verdict(&fit, points, same_isrc || same_id, &length, policy);
    let rank = points * 100.0
        + if same_id { 600.0 } else { 0.0 }
        + if same_isrc { 400.0 } else { 0.0 }
        + if album { 250.0 } else { 0.0 }
        - length.seconds().unwrap_or(3.0).min(30.0) * 20.0;
    Ranked {
        judgement: Judgement {
            verdict,
            score: whole(points),
            reasons: fit.reasons,
            vetoes: fit.vetoes,
        },
        rank: rank.round() as i32,
        same_isrc,
        same_id,
    }
}

fn whole(points: f64) -> u8 {
    // The range is 0 to 100.
    points.floor() as u8
}

fn verdict(
    fit: &Fit,
    points: f64,
    confirmed: bool,
    length: &Span,
    policy: &MatchPolicy,
) -> Verdict {
    if !fit.vetoes.is_empty() {
        // The code says yes and the label no: one of them is wrong, and a person can tell.
        return if confirmed && !fit.clash && length.is_close() && fit.vetoes.len() == 1 {
            Verdict::Ask
        } else {
            Verdict::No
        };
    }
    match whole(points) {
        score if score >= policy.auto => Verdict::Auto,
        score if score >= policy.ask => Verdict::Ask,
        _ => Verdict::No,
    }
}

/// An equal ISRC or id: names may be written in any way, or in any language.
fn confirm(fit: &mut Fit, same_id: bool, length: &Span) {
    let what = if same_id {
        "same TIDAL id"
    } else {
        "same ISRC"
    };
    fit.reasons.insert(0, what.to_owned());
    if fit.clash && !same_id {
        // A code that was copied onto another song.
        fit.points = if length.is_close() { 88.0 } else { 60.0 };
        fit.cap = 92.0;
        return;
    }
    fit.clash = false;
    fit.cap = 100.0;
    fit.points = fit.points.max(match length {
        Span::Unknown => 97.0,
        Span::Within(_) => 99.0,
        Span::Near(_) => 97.0,
        Span::Beyond(_) | Span::Truncated(_) => 70.0,
    });
}

fn fit(
    reading: &Reading,
    local: &Local,
    wanted: &Wanted,
    length: &Span,
    policy: &MatchPolicy,
) -> Fit {
    let mut fit = Fit {
        points: 100.0 - f64::from(reading.cost),
        cap: 100.0,
        reasons: Vec::new(),
        vetoes: length.vetoes(policy),
        clash: false,
    };
    let pair = Pair {
        title: closed(&reading.title, &wanted.title),
        artists: &reading.artists,
        other: closed(&wanted.title, &reading.title),
        credits: &wanted.artists,
        clean: wanted.clean,
    };
    fit.take_length(length);
    fit.take_title(&pair);
    fit.take_artists(&pair);
    fit.take_guests(&pair);
    fit.take_version(&pair, length, policy);
    fit.take_albums(local, wanted, &pair);
    fit
}

/// A reading of a file beside a track.
struct Pair<'a> {
    /// The file's title.
    title: Cow<'a, Title>,
    /// The file's artists.
    artists: &'a Artists,
    /// The track's title.
    other: Cow<'a, Title>,
    /// The track's artists.
    credits: &'a Artists,
    /// Whether TIDAL says that nothing in the track is explicit.
    clean: bool,
}

impl Fit {
    fn cost(&mut self, points: f64, reason: impl Into<String>) {
        self.points -= points;
        self.reasons.push(reason.into());
    }

    fn take_length(&mut self, length: &Span) {
        match length {
            Span::Unknown => self.cost(5.0, "length unknown"),
            Span::Within(s) => self.reasons.push(format!("length differs by {s:.1} s")),
            Span::Near(s) => self.cost(8.0, format!("length differs by {s:.1} s")),
            Span::Beyond(s) => self.cost(30.0, format!("length differs by {s:.0} s")),
            Span::Truncated(_) => self.cost(30.0, "the file is cut short"),
        }
    }

    fn take_title(&mut self, pair: &Pair<'_>) {
        match title_fit(pair) {
            TitleFit::Same => self.reasons.push("same title".to_owned()),
            TitleFit::Costs(points, reason) => self.cost(points, reason),
            TitleFit::Incomparable => {
                self.cost(16.0, "titles in different scripts");
                self.cap = self.cap.min(79.0);
            }
            TitleFit::Different => {
                self.cost(45.0, "another title");
                self.clash = true;
            }
        }
    }

    fn take_artists(&mut self, pair: &Pair<'_>) {
        match agreement(pair.artists, pair.credits) {
            Agreement::Same(0, reason) => self.reasons.push(reason.to_owned()),
            Agreement::Same(cost, reason) => self.cost(f64::from(cost), reason),
            Agreement::Unknown => self.cost(12.0, "artist unknown"),
            Agreement::Incomparable => self.cost(12.0, "artists in different scripts"),
            Agreement::Different => {
                let by = &pair.other.version.by;
                if by.iter().any(|by| pair.artists.include(by)) {
                    self.cost(4.0, "credited to the remixer");
                } else {
                    self.cost(45.0, "another artist");
                    self.clash = true;
                }
            }
        }
    }

    /// Guests, and opponents in a mash-up, that TIDAL does not credit.
    fn take_guests(&mut self, pair: &Pair<'_>) {
        let guests = Artists::parse(pair.title.feats.iter().map(String::as_str));
        let strangers = |names: &Artists| {
            !names.is_unknown()
                && matches!(
                    agreement(names, pair.credits),
                    Agreement::Different | Agreement::Incomparable
                )
        };
        if strangers(&guests) {
            self.cost(5.0, "a guest whom TIDAL does not name");
        } else if pair.artists.opponents().any(strangers) {
            self.cost(5.0, "an artist against whom TIDAL does not name");
        } else if is_classical(&pair.title.full)
            && pair.artists.names().any(|name| !pair.credits.include(name))
        {
            self.cost(6.0, "other performers may have played it");
        }
    }

    fn take_version(&mut self, pair: &Pair<'_>, length: &Span, policy: &MatchPolicy) {
        let vetoes = version_vetoes(pair, length.is_close());
        if policy.veto_version {
            self.vetoes.extend(vetoes);
        } else {
            for veto in vetoes {
                self.cost(12.0, veto);
            }
        }
        if same_text(&pair.title.written, &pair.other.written) {
            return;
        }
        let (own, other) = (&pair.title.version, &pair.other.version);
        if own.length != other.length {
            let club = own.club || other.club;
            self.cost(
                if club { 5.0 } else { 1.5 },
                "an edit by the label of one side only",
            );
            if !length.is_close() {
                self.cap = self.cap.min(90.0);
            }
        } else if own.length.is_some() && own.labels != other.labels {
            self.cost(3.5, "edits of other names");
        }
        let half_named = own.by.is_empty() != other.by.is_empty();
        let mut artists = pair.credits.names().chain(pair.artists.names());
        if half_named
            && own.kinds == other.kinds
            && !own.kinds.is_empty()
            && !artists.any(|name| own.by.iter().chain(&other.by).any(|by| by == name))
        {
            self.cost(10.0, "the version's name is known on one side only");
        }
        if pair.title.numbers != pair.other.numbers && self.vetoes.is_empty() {
            self.cost(9.0, "a number stands in one of the titles only");
        }
    }

    /// What an album says of all its tracks: live, unplugged, karaoke, recorded anew.
    fn take_albums(&mut self, local: &Local, wanted: &Wanted, pair: &Pair<'_>) {
        let said = pair.title.version.kinds.with(pair.other.version.kinds);
        let (own, other) = (local.album_kinds, wanted.album_kinds);
        // An album that the tags leave out says nothing.
        let differ = own.without(other).with(if local.album.is_some() {
            other.without(own)
        } else {
            Kinds::default()
        });
        let differ = differ.without(said);
        if !differ.is_empty() {
            self.cost(8.0, format!("one album is {differ}"));
        }
    }
}

fn is_classical(title: &str) -> bool {
    title.split(' ').any(|word| {
        matches!(
            word,
            "op" | "opus"
                | "bwv"
                | "kv"
                | "hwv"
                | "sonata"
                | "concerto"
                | "symphony"
                | "nocturne"
                | "prelude"
                | "etude"
                | "fugue"
                | "sonate"
                | "quartet"
                | "requiem"
        )
    })
}

/// The kinds that an album's title gives to its tracks.
fn album_kinds(album: &str, artists: &Artists) -> Kinds {
    let folded = fold(album);
    let version = Title::parse(album, None).version;
    let mut kinds = version.kinds.only(
        Kinds::LIVE
            .with(Kinds::ACOUSTIC)
            .with(Kinds::INSTRUMENTAL)
            .with(Kinds::KARAOKE)
            .with(Kinds::COVER)
            .with(Kinds::RERECORDED)
            .with(Kinds::SPED_UP)
            .with(Kinds::SLOWED),
    );
    if is_live_album(&folded) {
        kinds = kinds.with(Kinds::LIVE);
    }
    // `Taylor's Version`: recorded anew by the artist herself.
    let own = |by: &String| {
        by.strip_suffix('s').is_some_and(|name| {
            artists
                .names()
                .any(|artist| artist.split(' ').any(|w| w == name))
        })
    };
    if version.kinds.has(Kinds::NAMED) && version.by.iter().any(own) {
        kinds = kinds.with(Kinds::RERECORDED);
    }
    kinds
}

fn is_live_album(album: &str) -> bool {
    let padded = format!(" {album} ");
    [
        " live at ",
        " live in ",
        " live from ",
        " unplugged ",
        " in concert ",
        " en vivo ",
        " ao vivo ",
    ]
    .iter()
    .any(|mark| padded.contains(mark))
        || album.ends_with(" live")
}

/// How far two lengths are apart, in seconds.
enum Span {
    Unknown,
    /// Within the policy's tolerance.
    Within(f64),
    /// Silence at an end may explain it.
    Near(f64),
    Beyond(f64),
    /// The file is shorter than 60 % of the track: a preview, or half a download.
    Truncated(f64),
}

impl Span {
    fn between(local: Option<u64>, wanted: Option<u64>, policy: &MatchPolicy) -> Self {
        let Some((local, wanted)) = local.zip(wanted.filter(|ms| *ms > 0)) else {
            return Self::Unknown;
        };
        let apart = local.abs_diff(wanted) as f64 / 1000.0;
        let tolerance = policy.duration_tolerance.as_secs_f64();
        if local * 10 < wanted * 6 {
            Self::Truncated(apart)
        } else if apart <= tolerance + 0.5 {
            // TIDAL's lengths are whole seconds.
            Self::Within(apart)
        } else if apart <= 2.0 * tolerance + 0.5 {
            Self::Near(apart)
        } else {
            Self::Beyond(apart)
        }
    }

    const fn seconds(&self) -> Option<f64> {
        match self {
            Self::Unknown => None,
            Self::Within(s) | Self::Near(s) | Self::Beyond(s) | Self::Truncated(s) => Some(*s),
        }
    }

    /// Whether an edit of another length is out of the question.
    const fn is_close(&self) -> bool {
        matches!(self, Self::Within(_))
    }

    fn vetoes(&self, policy: &MatchPolicy) -> Vec<String> {
        match self {
            Self::Beyond(s) if policy.veto_duration => {
                vec![format!("duration: {s:.0} s apart")]
            }
            Self::Truncated(_) => vec!["duration: less than 60 % of the track".to_owned()],
            Self::Unknown | Self::Within(_) | Self::Near(_) | Self::Beyond(_) => Vec::new(),
        }
    }
}

enum TitleFit {
    Same,
    Costs(f64, String),
    Incomparable,
    Different,
}

fn title_fit(pair: &Pair<'_>) -> TitleFit {
    let (title, other) = (pair.title.as_ref(), pair.other.as_ref());
    let spelled = |text: &String| pair.artists.spell(text) || pair.credits.spell(text);
    if same_text(&title.full, &other.full) || same_text(&title.written, &other.written) {
        return TitleFit::Same;
    }
    if title.numbers != other.numbers {
        // Numbers cost or veto on their own.
        let bare = words::without_numbers(&title.full);
        if !bare.is_empty() && same_text(&bare, &words::without_numbers(&other.full)) {
            return TitleFit::Same;
        }
    }
    let one_sided = title.extras.is_empty() != other.extras.is_empty();
    if same_text(&title.core, &other.core) {
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
            (true, true) => TitleFit::Costs(7.0, "a subtitle on one side only".to_owned()),
            (true, false) => TitleFit::Costs(14.0, "other subtitles".to_owned()),
        };
    }
    let best = likeness(&title.full, &other.full).max(if one_sided {
        likeness(&title.core, &other.core) - 0.07
    } else {
        0.0
    });
    let short = title.core.chars().count().min(other.core.chars().count()) <= 7;
    if best >= if short { 0.9 } else { 0.84 } {
        return TitleFit::Costs((1.0 - best) * 100.0, format!("title alike ({best:.2})"));
    }
    if is_cut(&title.full, &other.full) {
        return TitleFit::Costs(8.0, "title cut short".to_owned());
    }
    if scripts(&title.core) & scripts(&other.core) == 0
        && scripts(&title.core) * scripts(&other.core) != 0
    {
        return by_sound(title, other);
    }
    if scripts(&title.core) & scripts(&other.core) & super::fold::LATIN == 0 {
        // Simplified and traditional characters, kana and kanji.
        if let fit @ TitleFit::Costs(..) = by_sound(title, other) {
            return fit;
        }
    }
    TitleFit::Different
}

fn by_sound(title: &Title, other: &Title) -> TitleFit {
    let (a, b) = (romanised(&title.full), romanised(&other.full));
    let alike = ratio(&a, &b);
    if a.len() >= 3 && a == b {
        TitleFit::Costs(1.0, "same title, transliterated".to_owned())
    } else if a.len() >= 5 && alike >= 0.8 {
        TitleFit::Costs(8.0, format!("title transliterated ({alike:.2})"))
    } else {
        TitleFit::Incomparable
    }
}

fn same_text(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let (a, b) = (squash(a), squash(b));
    a == b || wildcard_equal(&a, &b) || umlautless(&a) == umlautless(&b)
}

fn likeness(a: &str, b: &str) -> f64 {
    ratio(a, b).max(ratio(&umlautless(a), &umlautless(b)))
}

/// ID3v1 keeps 30 characters of a title.
fn is_cut(local: &str, whole: &str) -> bool {
    let letters = local.chars().count();
    (24..=31).contains(&letters) && squash(whole).starts_with(&squash(local))
}

/// A title that ends in `… Name Remix` without brackets, with the remixer taken out of the name where
/// the track's remixer or title shows which words are his.
fn closed<'a>(title: &'a Title, other: &Title) -> Cow<'a, Title> {
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
            closed.version.by.push(remixer.to_owned());
            closed.core.clone_from(&other.core);
            closed.full.clone_from(&other.core);
            Cow::Owned(closed)
        }
        None => Cow::Borrowed(title),
    }
}

/// Why the two cannot be the same version; `close`: their lengths agree.
fn version_vetoes(pair: &Pair<'_>, close: bool) -> Vec<String> {
    let mut vetoes = Vec::new();
    if same_text(&pair.title.written, &pair.other.written) {
        return vetoes;
    }
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
    vetoes
}

/// Whether the names of the versions (remixers, places) agree; a name that one side leaves out does.
fn same_names(pair: &Pair<'_>) -> bool {
    let (own, other) = (&pair.title.version.by, &pair.other.version.by);
    let of_both = |name: &String| {
        pair.artists.names().any(|artist| artist == name)
            && pair.credits.names().any(|artist| artist == name)
    };
    let among = |name: &String, names: &[String]| {
        names.iter().any(|candidate| same_remixer(name, candidate)) || of_both(name)
    };
    own.is_empty()
        || other.is_empty()
        || own.iter().all(|name| among(name, other)) && other.iter().all(|name| among(name, own))
}

fn same_remixer(a: &str, b: &str) -> bool {
    let (x, y) = (squash(a), squash(b));
    if x == y || umlautless(&x) == umlautless(&y) {
        return true;
    }
    if scripts(a) & scripts(b) == 0 {
        return ratio(&romanised(a), &romanised(b)) >= 0.8;
    }
    if x.chars().count().min(y.chars().count()) >= 6 && ratio(a, b) >= 0.85 {
        return true;
    }
    // `Axwell & Ingrosso` and `Ingrosso & Axwell`.
    let sorted = |name: &str| {
        let mut words: Vec<&str> = name
            .split(' ')
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
    (!one_sided || !close).then(|| format!("number: {} ≠ {}", show(a), show(b)))
}
