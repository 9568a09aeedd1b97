//! Decides whether a file is a track: vetoes first, then points taken off a hundred.

use std::borrow::Cow;

use super::{
    LocalFacts,
    artists::Artists,
    compare::{Pair, version_vetoes},
    fit::{Fit, fit},
    fold::fold,
    length::Span,
    reading::{Reading, readings},
    version::Title,
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
        Self {
            readings: readings(facts),
            isrc: facts.isrc.cloned(),
            tidal_id: facts
                .tidal_id
                .cloned()
                .or_else(|| numeric_name(facts.file_name)),
            album: facts.album.map(str::to_owned),
            duration_ms: facts.duration_ms.filter(|ms| *ms > 0),
        }
    }

    pub(super) fn album(&self) -> Option<&str> {
        self.album.as_deref()
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
            album: track.album.clone(),
            duration_ms: track.duration_s.map(|s| u64::from(s) * 1000),
            artists,
            clean: track.explicit == Some(false),
        }
    }

    pub(super) fn album(&self) -> Option<&str> {
        self.album.as_deref()
    }

    pub(super) fn is_clean(&self) -> bool {
        self.clean
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
    Span::between(local.duration_ms, wanted.duration_ms, policy).forbids(policy)
}

/// As [`judge`], of what was read before.
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
        reasons: vec!["nothing is known of the file".into()],
        vetoes: length.vetoes(policy),
        clash: false,
    });
    if same_isrc || same_id {
        confirm(&mut fit, same_id, &length);
    }
    let same_album = |(own, other): (&str, &str)| own == other || fold(own) == fold(other);
    let album = local.album().zip(wanted.album()).is_some_and(same_album);
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
            reasons: fit
                .reasons
                .into_iter()
                .map(Cow::into_owned)
                .chain([length.to_string()])
                .collect(),
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
    fit.reasons.insert(0, what.into());
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
