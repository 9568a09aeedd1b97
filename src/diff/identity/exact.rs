//! Recognises at a glance what needs no judgement: files whose tags are word for word those of a track.

use super::{
    LocalFacts,
    fit::says_nothing,
    fold::{fold, key},
    judge::{Judgement, Ranked, Verdict},
    length::Span,
    reading::{Tagged, from_name},
    table::{Table, hash, mixed, name_key},
    words,
};
use crate::{domain::Track, policy::MatchPolicy};

/// Tracks by their whole credit and their whole title.
pub(super) struct Exact<'a> {
    tracks: &'a [&'a Track],
    codes: &'a Table,
    names: Table,
}

/// Tracks by TIDAL id and by ISRC.
pub(super) fn codes(tracks: &[&Track]) -> Table {
    Table::of(tracks, |track, keys| {
        keys.push(hash(track.id.as_str()));
        keys.extend(track.isrc.as_ref().map(|isrc| hash(isrc.as_str())));
    })
}

impl<'a> Exact<'a> {
    pub(super) fn new(tracks: &'a [&'a Track], codes: &'a Table) -> Self {
        let names = Table::of(tracks, |track, keys| {
            let title = key(&fold(&track.full_title()));
            let mut artists = track.artists.iter().map(|artist| credit(&fold(artist)));
            let first = artists.next().unwrap_or_default();
            keys.push(name_key(mixed(first), &title));
            keys.push(name_key(
                mixed(artists.fold(first, u64::wrapping_add)),
                &title,
            ));
        });
        Self {
            tracks,
            codes,
            names,
        }
    }

    /// The tracks with the very title, artists and length of the file; none when anything else about the
    /// file calls for a judgement: its name says more than its tags, a code of it belongs to another
    /// track, an album is of a kind of its own.
    pub(super) fn find(
        &self,
        facts: &LocalFacts<'_>,
        tagged: Option<&Tagged>,
        policy: &MatchPolicy,
    ) -> Vec<(u32, Ranked)> {
        let mut found = Vec::new();
        match tagged {
            Some(tagged) if tagged.say_all => {
                let artists = tagged.artists.iter().map(|artist| credit(artist));
                let artists = artists.fold(0, u64::wrapping_add);
                self.look_up(facts, artists, &tagged.title, policy, &mut found);
            }
            Some(_) => {}
            None if facts.artists.is_empty() => {
                for named in from_name(facts.file_name)
                    .iter()
                    .filter(|named| named.cost == 0)
                {
                    if let Some(artist) = &named.artist {
                        self.look_up(
                            facts,
                            credit(&fold(artist)),
                            &fold(&named.title),
                            policy,
                            &mut found,
                        );
                    }
                }
            }
            None => {}
        }
        let is_plain = !found.is_empty()
            && says_nothing(facts.album)
            && found
                .iter()
                .all(|(number, _)| self.is_plain(*number, facts));
        if !is_plain {
            found.clear();
        }
        found
    }

    fn look_up(
        &self,
        facts: &LocalFacts<'_>,
        credit: u64,
        title: &str,
        policy: &MatchPolicy,
        found: &mut Vec<(u32, Ranked)>,
    ) {
        for number in self.names.get(name_key(mixed(credit), &key(title))) {
            let Some(track) = usize::try_from(number)
                .ok()
                .and_then(|at| self.tracks.get(at))
            else {
                continue;
            };
            let duration = track.duration_s.map(|s| u64::from(s) * 1000);
            let length = Span::between(facts.duration_ms, duration, policy);
            if length.is_close() && found.iter().all(|(known, _)| *known != number) {
                found.push((number, ranked(facts, track, &length)));
            }
        }
    }

    fn is_plain(&self, number: u32, facts: &LocalFacts<'_>) -> bool {
        let others = |code: &str| self.codes.get(hash(code)).any(|other| other != number);
        usize::try_from(number)
            .ok()
            .and_then(|at| self.tracks.get(at))
            .is_some_and(|track| {
                // Of the file's album it is known.
                track.album.as_deref() == facts.album || says_nothing(track.album.as_deref())
            })
            && !facts.isrc.is_some_and(|isrc| others(isrc.as_str()))
            && !facts.tidal_id.is_some_and(|id| others(id.as_str()))
    }
}

fn ranked(facts: &LocalFacts<'_>, track: &Track, length: &Span) -> Ranked {
    let same_isrc = facts.isrc.is_some() && facts.isrc == track.isrc.as_ref();
    let same_id = facts.tidal_id == Some(&track.id);
    let same_album = facts.album.is_some() && facts.album == track.album.as_deref();
    let mut reasons = Vec::with_capacity(4);
    if same_id {
        reasons.push("same TIDAL id".into());
    } else if same_isrc {
        reasons.push("same ISRC".into());
    }
    reasons.extend(["same title".into(), "same artist".into(), length.reason()]);
    Ranked {
        rank: Ranked::rank_of(100.0, same_id, same_isrc, same_album, length),
        judgement: Judgement {
            verdict: Verdict::Auto,
            score: 100,
            reasons,
            vetoes: Vec::new(),
        },
        same_isrc,
        same_id,
    }
}

/// A sum over the words of a credit: the same in whatever order and with whatever between them.
fn credit(folded: &str) -> u64 {
    words::each(folded)
        .filter(|word| {
            !matches!(
                word.as_bytes(),
                b"and" | b"feat" | b"ft" | b"featuring" | b"x" | b"vs" | b"with" | b"the"
            )
        })
        .map(hash)
        .fold(0, u64::wrapping_add)
}
