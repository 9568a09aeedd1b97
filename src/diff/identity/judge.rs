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

/// Whether the lengths alone forbid it, so that nothing else needs to be compared.
pub(super) fn is_out_of_length(local: &Local, wanted: &Wanted, policy: &MatchPolicy) -> bool {
    match Span::between(local.duration_ms, wanted.duration_ms, policy) {
        Span::Truncated(_) => true,
        Span::Beyond(_) => policy.veto_duration,
        Span::Unknown | Span::Within(_) | Span::Near(_) => false,
    }
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
        if same_writing(&pair.title, &pair.other) {
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
    if same_text(&title.full, &other.full) || same_writing(title, other) {
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

/// Whether the two are written alike, version and all, so that there is nothing to interpret.
fn same_writing(a: &Title, b: &Title) -> bool {
    !a.written.is_empty() && !b.written.is_empty() && same_text(&a.written, &b.written)
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
    if same_writing(&pair.title, &pair.other) {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const POLICY: MatchPolicy = MatchPolicy {
        auto: 97,
        ask: 80,
        duration_tolerance: Duration::from_secs(3),
        veto_version: true,
        veto_duration: true,
    };

    /// `Artist - Title` of the tags (none: the name alone), seconds.
    fn verdict_of(
        name: &str,
        tags: Option<(&str, &str)>,
        seconds: u64,
        track: &Track,
    ) -> Judgement {
        let artists: Vec<String> = tags
            .iter()
            .map(|(artist, _)| (*artist).to_owned())
            .collect();
        let facts = LocalFacts {
            file_name: name,
            title: tags.map(|(_, title)| title),
            artists: &artists,
            duration_ms: Some(seconds * 1000),
            ..LocalFacts::default()
        };
        judge(&facts, track, &POLICY)
    }

    fn track(title: &str, version: &str, artists: &[&str], seconds: u32) -> Track {
        Track {
            id: TrackId::new("7001"),
            title: title.to_owned(),
            version: (!version.is_empty()).then(|| version.to_owned()),
            artists: artists.iter().map(|artist| (*artist).to_owned()).collect(),
            album: None,
            isrc: Isrc::parse("GBAJH9900028"),
            duration_s: Some(seconds),
            explicit: None,
            release_date: None,
            media_tags: Vec::new(),
            streamable: None,
        }
    }

    type Case = (
        (&'static str, Option<(&'static str, &'static str)>, u64),
        (&'static str, &'static str, &'static [&'static str], u32),
    );

    fn check(expected: Verdict, cases: &[Case]) {
        for ((name, tags, seconds), (title, version, artists, length)) in cases {
            let track = track(title, version, artists, *length);
            let judgement = verdict_of(name, *tags, *seconds, &track);
            assert_eq!(
                judgement.verdict, expected,
                "{name} {tags:?} / {title} ({version}): {judgement:?}"
            );
        }
    }

    #[test]
    fn the_same_recording_in_other_writings_is_linked() {
        check(
            Verdict::Auto,
            &[
                (
                    ("Darude - Sandstorm.mp3", None, 225),
                    ("Sandstorm", "", &["Darude"], 225),
                ),
                (
                    ("8A - 136 - Darude - Sandstorm.mp3", None, 225),
                    ("Sandstorm", "", &["Darude"], 225),
                ),
                (
                    ("darude_-_sandstorm_(extended_mix).mp3", None, 445),
                    ("Sandstorm", "Extended Mix", &["Darude"], 445),
                ),
                (
                    ("x.mp3", Some(("Darude", "Sandstorm (Original Mix)")), 225),
                    ("Sandstorm", "", &["Darude"], 225),
                ),
                (
                    ("x.mp3", Some(("Darude", "Sandstorm - 2011 Remaster")), 225),
                    ("Sandstorm", "", &["Darude"], 225),
                ),
                (
                    ("x.mp3", Some(("Darude", "Sandstorm")), 225),
                    ("Sandstorm", "Radio Edit", &["Darude"], 225),
                ),
                (
                    ("x.mp3", Some(("Darude", "Sandstorm (JS16 Remix)")), 400),
                    ("Sandstorm", "JS16 Remix", &["Darude", "JS16"], 400),
                ),
                (
                    ("Darude - Sandstorm JS16 Remix.mp3", None, 400),
                    ("Sandstorm", "JS16 Remix", &["Darude"], 400),
                ),
                (
                    ("x.mp3", Some(("Röyksopp feat. Robyn", "Monument")), 595),
                    ("Monument (feat. Robyn)", "", &["Robyn", "Röyksopp"], 595),
                ),
                (
                    ("x.mp3", Some(("Smashing Pumpkins", "1979")), 266),
                    ("1979", "Remastered 2012", &["The Smashing Pumpkins"], 266),
                ),
                (
                    ("x.mp3", Some(("Alisa", "Krasnoe na chernom")), 280),
                    ("Красное на чёрном", "", &["Алиса"], 280),
                ),
                (
                    ("x.mp3", Some(("周杰伦", "爱在西元前")), 234),
                    ("愛在西元前", "", &["周杰倫"], 234),
                ),
                (
                    (
                        "x.mp3",
                        Some(("Pink Floyd", "Shine On You Crazy Diamond (Parts I-V)")),
                        811,
                    ),
                    (
                        "Shine On You Crazy Diamond, Pts. 1-5",
                        "",
                        &["Pink Floyd"],
                        811,
                    ),
                ),
                (
                    (
                        "Moby - Porcelain.mp3",
                        Some(("Unknown Artist", "Track 05")),
                        241,
                    ),
                    ("Porcelain", "", &["Moby"], 241),
                ),
            ],
        );
    }

    #[test]
    fn another_version_is_never_linked_nor_asked() {
        check(
            Verdict::No,
            &[
                (
                    ("x.mp3", Some(("Darude", "Sandstorm (JS16 Remix)")), 225),
                    ("Sandstorm", "", &["Darude"], 225),
                ),
                (
                    ("x.mp3", Some(("Darude", "Sandstorm (JS16 Remix)")), 400),
                    ("Sandstorm", "Ariel Remix", &["Darude"], 400),
                ),
                (
                    ("x.mp3", Some(("Darude", "Sandstorm")), 400),
                    ("Sandstorm", "JS16 Remix", &["Darude"], 400),
                ),
                (
                    (
                        "Darude - Sandstorm (Live).mp3",
                        Some(("Darude", "Sandstorm")),
                        225,
                    ),
                    ("Sandstorm", "", &["Darude"], 225),
                ),
                (
                    ("x.mp3", Some(("Darude", "Sandstorm (Instrumental)")), 225),
                    ("Sandstorm", "", &["Darude"], 225),
                ),
                (
                    ("x.mp3", Some(("Darude", "Sandstorm (Extended Mix)")), 225),
                    ("Sandstorm", "Radio Edit", &["Darude"], 225),
                ),
                (
                    ("x.mp3", Some(("Darude", "Sandstorm (Extended Mix)")), 445),
                    ("Sandstorm", "", &["Darude"], 225),
                ),
                (
                    ("x.mp3", Some(("Darude", "Sandstorm")), 445),
                    ("Sandstorm", "", &["Darude"], 225),
                ),
                (
                    ("x.mp3", Some(("Darude", "Sandstorm (Intro - Clean)")), 225),
                    ("Sandstorm", "", &["Darude"], 225),
                ),
                (
                    (
                        "x.mp3",
                        Some(("Darude", "Sandstorm (Spanish Version)")),
                        225,
                    ),
                    ("Sandstorm", "English Version", &["Darude"], 225),
                ),
                (
                    ("x.mp3", Some(("Taylor Swift", "Style")), 231),
                    ("Style (Taylor's Version)", "", &["Taylor Swift"], 231),
                ),
                (
                    ("x.mp3", Some(("CamelPhat", "Cola (Glitterbox Dub)")), 391),
                    ("Cola", "Glitterbox Mix", &["CamelPhat"], 391),
                ),
                (
                    (
                        "x.mp3",
                        Some(("Mike Oldfield", "Incantations, Pt. 1")),
                        1150,
                    ),
                    ("Incantations", "Pt. 2", &["Mike Oldfield"], 1150),
                ),
            ],
        );
    }

    #[test]
    fn another_song_or_artist_is_no_match() {
        check(
            Verdict::No,
            &[
                (
                    ("x.mp3", Some(("Faithless", "Tarantula")), 330),
                    ("Tarantula", "", &["Pendulum"], 330),
                ),
                (
                    ("x.mp3", Some(("周杰倫", "夜曲")), 297),
                    ("七里香", "", &["周杰倫"], 297),
                ),
                (
                    ("x.mp3", Some(("Ed Sheeran", "÷")), 200),
                    ("×", "", &["Ed Sheeran"], 200),
                ),
                (
                    ("Moby - Porcelain.mp3", Some(("Moby", "Natural Blues")), 241),
                    ("Porcelain", "", &["Moby"], 241),
                ),
                (
                    ("x.mp3", Some(("みんな", "か")), 200),
                    ("が", "", &["みんな"], 200),
                ),
                (
                    ("x.mp3", Some(("Moby", "Porcelain")), 90),
                    ("Porcelain", "", &["Moby"], 241),
                ),
            ],
        );
    }

    #[test]
    fn what_is_doubtful_is_asked() {
        check(
            Verdict::Ask,
            &[
                (
                    ("x.mp3", Some(("Queen Latifah", "So What")), 215),
                    ("So What", "", &["Queen"], 215),
                ),
                (
                    ("x.mp3", Some(("Darude", "Sandstrom")), 225),
                    ("Sandstorm", "", &["Darude"], 225),
                ),
                (
                    ("x.mp3", Some(("Darude", "Sandstorm")), 230),
                    ("Sandstorm", "", &["Darude"], 225),
                ),
                (
                    ("x.mp3", Some(("Modjo", "Lady")), 307),
                    ("Lady (Hear Me Tonight)", "", &["Modjo"], 307),
                ),
                (
                    ("Sandstorm.mp3", None, 225),
                    ("Sandstorm", "", &["Darude"], 225),
                ),
                (
                    ("x.mp3", Some(("Mousse T", "Horny")), 212),
                    ("Horny '98", "", &["Mousse T."], 212),
                ),
            ],
        );
    }

    #[test]
    fn an_equal_isrc_confirms_unless_a_veto_speaks() {
        let isrc = Isrc::parse("gb-ajh-99-00028").unwrap();
        let judged = |title: &str, artist: &str, seconds: u64| {
            let artists = [artist.to_owned()];
            let facts = LocalFacts {
                file_name: "x.mp3",
                title: Some(title),
                artists: &artists,
                isrc: Some(&isrc),
                duration_ms: Some(seconds * 1000),
                ..LocalFacts::default()
            };
            judge(&facts, &track("Группа крови", "", &["Кино"], 285), &POLICY).verdict
        };
        assert_eq!(judged("Blood Type", "Kino", 285), Verdict::Auto);
        assert_eq!(judged("Blood Type (Live)", "Kino", 340), Verdict::No);
        assert_eq!(judged("Blood Type (Live)", "Kino", 285), Verdict::Ask);
        assert_eq!(judged("Пачка сигарет", "Кино", 285), Verdict::Ask);
        assert_eq!(judged("Пачка сигарет", "Кино", 268), Verdict::No);
    }

    #[test]
    fn vetoes_that_the_policy_turns_off_still_cost_too_much_to_link() {
        let policy = MatchPolicy {
            veto_version: false,
            veto_duration: false,
            ..POLICY
        };
        let facts = LocalFacts {
            file_name: "Darude - Sandstorm (Live).mp3",
            duration_ms: Some(225_000),
            ..LocalFacts::default()
        };
        let judgement = judge(&facts, &track("Sandstorm", "", &["Darude"], 225), &policy);
        assert_eq!(
            (judgement.verdict, judgement.vetoes.len()),
            (Verdict::Ask, 0)
        );
    }
}
