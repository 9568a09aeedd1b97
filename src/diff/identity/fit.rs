//! Counts what each difference between a file and a track costs.

use std::borrow::Cow;

use super::{
    artists::{Agreement, Artists, agreement},
    compare::{Pair, TitleFit, closed, same_writing, title_fit, version_vetoes, without_artist},
    fold::fold,
    judge::{Local, Wanted},
    length::Span,
    reading::Reading,
    version::{Kinds, Title},
    words,
};
use crate::policy::MatchPolicy;

/// How one reading of a file fits a track.
pub(super) struct Fit {
    /// A hundred, less what everything costs.
    pub points: f64,
    /// What the points may not exceed.
    pub cap: f64,
    /// In words.
    pub reasons: Vec<Cow<'static, str>>,
    /// What forbids it.
    pub vetoes: Vec<String>,
    /// Title or artist are known to be others.
    pub clash: bool,
}

/// Fits one reading of a file to a track. Unless it shall explain, it stops where nothing can become of it.
pub(super) fn fit(
    reading: &Reading,
    local: &Local,
    wanted: &Wanted,
    length: &Span,
    policy: &MatchPolicy,
    explain: bool,
) -> Fit {
    let mut fit = Fit {
        points: 100.0 - f64::from(reading.cost) - length.cost(),
        cap: 100.0,
        reasons: Vec::with_capacity(4),
        vetoes: length.vetoes(policy),
        clash: false,
    };
    let split = reading
        .artists
        .is_unknown()
        .then(|| without_artist(&reading.title, wanted.artists()))
        .flatten();
    if split.is_some() {
        fit.cost(3.0, "artist and title are not set apart");
    }
    let pair = Pair {
        title: match &split {
            Some(title) => Cow::Owned(title.clone()),
            None => closed(&reading.title, wanted.title()),
        },
        artists: if split.is_some() {
            wanted.artists()
        } else {
            &reading.artists
        },
        other: closed(wanted.title(), &reading.title),
        credits: wanted.artists(),
        clean: wanted.is_clean(),
    };
    fit.take_title(&pair, length);
    let hopeless = |fit: &Fit| !explain && fit.points < f64::from(policy.ask);
    if hopeless(&fit) {
        return fit;
    }
    fit.take_artists(&pair);
    if hopeless(&fit) {
        return fit;
    }
    fit.take_guests(&pair);
    fit.take_version(&pair, length, policy);
    fit.take_albums(local, wanted, &pair);
    fit
}

impl Fit {
    fn cost(&mut self, points: f64, reason: impl Into<Cow<'static, str>>) {
        self.points -= points;
        self.reasons.push(reason.into());
    }

    fn take_title(&mut self, pair: &Pair<'_>, length: &Span) {
        match title_fit(pair) {
            TitleFit::Same => self.reasons.push("same title".into()),
            TitleFit::Costs(points, reason) => self.cost(points, reason),
            TitleFit::Incomparable => {
                self.cost(16.0, "titles in different scripts");
                // The very artist and the very length are worth a question.
                let same_length = length.seconds().is_some_and(|apart| apart <= 1.5);
                let sure = matches!(agreement(pair.artists, pair.credits), Agreement::Same(0, _));
                if !(same_length && sure) {
                    self.cap = self.cap.min(79.0);
                }
            }
            TitleFit::Different => {
                self.cost(45.0, "another title");
                self.clash = true;
            }
        }
    }

    fn take_artists(&mut self, pair: &Pair<'_>) {
        match agreement(pair.artists, pair.credits) {
            Agreement::Same(0, reason) => self.reasons.push(reason.into()),
            Agreement::Same(cost, reason) => self.cost(f64::from(cost), reason),
            Agreement::Unknown => self.cost(13.0, "artist unknown"),
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
        let strangers = |names: &Artists| {
            !names.is_unknown()
                && matches!(
                    agreement(names, pair.credits),
                    Agreement::Different | Agreement::Incomparable
                )
        };
        let guests = || Artists::parse(pair.title.feats.iter().map(String::as_str));
        if !pair.title.feats.is_empty() && strangers(&guests()) {
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
        let (own, other) = (&pair.title.version, &pair.other.version);
        let same = own == other && pair.title.numbers == pair.other.numbers;
        if same || same_writing(&pair.title, &pair.other) {
            return;
        }
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
        // `(Remix)` is the named one when its remixer is credited beside it.
        let credited = |artists: &Artists, names: &[String]| {
            names
                .iter()
                .any(|name| artists.names().any(|artist| artist == name))
        };
        let half_named = match (own.by.is_empty(), other.by.is_empty()) {
            (true, false) => !credited(pair.artists, &other.by),
            (false, true) => !credited(pair.credits, &own.by),
            _ => false,
        };
        if half_named && own.kinds == other.kinds && !own.kinds.is_empty() {
            self.cost(10.0, "the version's name is known on one side only");
        }
        if pair.title.numbers != pair.other.numbers && self.vetoes.is_empty() {
            self.cost(9.0, "a number stands in one of the titles only");
        }
    }

    /// What an album says of all its tracks: live, unplugged, karaoke, recorded anew.
    fn take_albums(&mut self, local: &Local, wanted: &Wanted, pair: &Pair<'_>) {
        let kinds = |album: Option<&str>| {
            album.map_or(Kinds::default(), |album| album_kinds(album, pair.credits))
        };
        let (own, other) = (kinds(local.album()), kinds(wanted.album()));
        // An album that the tags leave out says nothing.
        let differ = own.without(other).with(if local.album().is_some() {
            other.without(own)
        } else {
            Kinds::default()
        });
        let said = pair.title.version.kinds.with(pair.other.version.kinds);
        let differ = differ.without(said);
        if !differ.is_empty() {
            self.cost(8.0, format!("one album is {differ}"));
        }
    }
}

fn is_classical(title: &str) -> bool {
    words::split(title).any(|word| {
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
    if !words::split(&folded).any(is_album_kind) {
        return Kinds::default();
    }
    let version = Title::parse(album, None).version;
    let mut kinds = version.kinds.only(
        Kinds::LIVE
            .with(Kinds::ACOUSTIC)
            .with(Kinds::INSTRUMENTAL)
            .with(Kinds::KARAOKE)
            .with(Kinds::COVER)
            .with(Kinds::RERECORDED)
            .with(Kinds::SPED_UP)
            .with(Kinds::SLOWED)
            .with(Kinds::DEMO)
            .with(Kinds::ORCHESTRAL),
    );
    if words::split(&folded).any(is_named_album) {
        kinds = kinds.with(Kinds::NAMED);
    }
    if is_live_album(&folded) {
        kinds = kinds.with(Kinds::LIVE);
    }
    // `Taylor's Version`: recorded anew by the artist herself.
    let own = |by: &String| {
        by.strip_suffix('s').is_some_and(|name| {
            artists
                .names()
                .any(|artist| words::split(artist).any(|w| w == name))
        })
    };
    if version.kinds.has(Kinds::NAMED) && version.by.iter().any(own) {
        kinds = kinds.with(Kinds::RERECORDED);
    }
    kinds
}

/// Whether an album's title says nothing of its tracks, at a glance.
pub(super) fn says_nothing(album: Option<&str>) -> bool {
    album.is_none_or(|album| !words::split(&fold(album)).any(is_album_kind))
}

/// Words without which an album's title says nothing of its tracks.
fn is_album_kind(word: &str) -> bool {
    matches!(
        word,
        "live"
            | "unplugged"
            | "concert"
            | "vivo"
            | "acoustic"
            | "instrumental"
            | "instrumentals"
            | "karaoke"
            | "tribute"
            | "cover"
            | "covers"
            | "version"
            | "style"
            | "famous"
            | "sped"
            | "slowed"
            | "nightcore"
            | "rerecorded"
            | "recorded"
            | "demo"
            | "demos"
            | "orchestral"
            | "symphonic"
    ) || is_named_album(word)
}

/// What was done to every track of an album.
fn is_named_album(word: &str) -> bool {
    matches!(word, "drumless" | "beatless" | "lofi" | "8d")
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
