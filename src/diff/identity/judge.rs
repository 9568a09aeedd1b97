//! Decides whether a file is a track: vetoes first, then points taken off a hundred.

use std::borrow::Cow;

use super::{
    LocalFacts,
    artists::Artists,
    block::is_latin,
    compare::{Pair, version_vetoes},
    fit::{Fit, fit},
    fold::fold,
    length::Span,
    reading::{Reading, Swap, Tagged, readings},
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
    pub reasons: Vec<Cow<'static, str>>,
    /// What forbids an automatic match, whatever the score.
    pub vetoes: Vec<String>,
}

/// A file, read for comparison.
#[derive(Clone, Debug)]
pub(super) struct Local {
    readings: Vec<Reading>,
    swap: Option<Swap>,
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

impl Ranked {
    /// Points, then what else speaks for it, then how near the lengths are.
    pub(super) fn rank_of(
        points: f64,
        same_id: bool,
        same_isrc: bool,
        same_album: bool,
        length: &Span,
    ) -> i32 {
        let extra = |holds: bool, worth: f64| if holds { worth } else { 0.0 };
        let rank = points * 100.0
            + extra(same_id, 600.0)
            + extra(same_isrc, 400.0)
            + extra(same_album, 250.0)
            - length.seconds().unwrap_or(3.0).min(30.0) * 20.0;
        rank.round() as i32
    }
}

impl Local {
    pub(super) fn new(facts: &LocalFacts<'_>, tagged: Option<&Tagged>) -> Self {
        let readings = readings(facts, tagged);
        Self {
            swap: tagged.and_then(|_| Swap::of(facts, &readings)),
            readings,
            isrc: facts.isrc.cloned(),
            tidal_id: facts
                .tidal_id
                .cloned()
                .or_else(|| numeric_name(facts.file_name)),
            album: facts.album.map(str::to_owned),
            duration_ms: facts.duration_ms.filter(|ms| *ms > 0),
        }
    }

    /// Reads artist and title in each other's place as well; whether there is something to read so.
    pub(super) fn swap(&mut self) -> bool {
        let swapped = self.swap.take().zip(self.readings.first());
        let swapped = swapped.map(|(swap, first)| swap.reading(first));
        let is_new = swapped.is_some();
        self.readings.extend(swapped);
        is_new
    }

    /// Whether all that may be its title is in Latin letters.
    pub(super) fn is_latin(&self) -> bool {
        let mut titles = self.readings.iter().map(|reading| &reading.title.core);
        titles.all(|title| is_latin(title)) && self.swap.as_ref().is_none_or(Swap::is_latin)
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

/// Whether two TIDAL ids are one recording: an equal ISRC, no veto of version, the same length.
#[must_use]
pub fn same_recording(a: &Track, b: &Track) -> bool {
    Wanted::new(a).is_same_recording(&Wanted::new(b))
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
    let mut local = Local::new(local, Tagged::of(local).as_ref());
    let wanted = Wanted::new(track);
    let judgement = rank(&local, &wanted, policy, true).judgement;
    if judgement.verdict == Verdict::Auto || !local.swap() {
        return judgement;
    }
    rank(&local, &wanted, policy, true).judgement
}

/// Whether the lengths alone forbid it, so that nothing else needs to be compared.
pub(super) fn is_out_of_length(local: &Local, wanted: &Wanted, policy: &MatchPolicy) -> bool {
    Span::between(local.duration_ms, wanted.duration_ms, policy).forbids(policy)
}

/// As [`judge`], of what was read before; `explain`: also why there is no match.
pub(super) fn rank(local: &Local, wanted: &Wanted, policy: &MatchPolicy, explain: bool) -> Ranked {
    let same_isrc = local.isrc.is_some() && local.isrc == wanted.isrc;
    let same_id = local.tidal_id.as_ref() == Some(&wanted.id);
    let length = Span::between(local.duration_ms, wanted.duration_ms, policy);
    let mut best: Option<Fit> = None;
    for reading in &local.readings {
        let fit = fit(
            reading,
            local,
            wanted,
            &length,
            policy,
            explain || same_isrc || same_id,
        );
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
    Ranked {
        judgement: Judgement {
            verdict,
            score: whole(points),
            reasons: {
                fit.reasons.push(length.reason());
                fit.reasons
            },
            vetoes: fit.vetoes,
        },
        rank: Ranked::rank_of(points, same_id, same_isrc, album, &length),
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
mod tests;
