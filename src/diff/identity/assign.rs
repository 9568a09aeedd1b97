//! Gives every track its one file, by the strongest evidence there is.

use std::{
    borrow::Cow,
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
};

use rayon::prelude::*;

use super::{
    Candidate, How, Identities, LocalFacts, Match,
    block::Index,
    exact::{self, Exact},
    judge::{Local, Ranked, Verdict, Wanted, is_out_of_length, judge, rank},
    reading::Tagged,
};
use crate::{
    domain::{
        AudioFile, Isrc, Library, MediaPath, State, Track, TrackId,
        state::{FileRole, FileRow},
    },
    policy::MatchPolicy,
};

/// How many candidates a question offers.
const OFFERED: usize = 8;
/// Ranks closer than this (two points) do not decide between two tracks.
const TIE: i32 = 200;

/// Finds the file of each track, the questions that a person must answer, and further files of the same
/// recordings.
///
/// The order of evidence is: the user's decision (`None`: none of the candidates), the link of the state
/// database, the linked file under another path (the same inode, hash, or name and size; only when
/// the old path is gone and one file alone fits), the TIDAL id in the file, the ISRC, likeness. A file
/// stands for several TIDAL ids only when they share ISRC, version and length. A file that cannot be
/// read, or holds less than 60 % of the track, stands for none. Of several files the track gets ours
/// first, then one in a folder of its playlists, then the better quality, then the shorter path. The
/// result does not depend on the order of `tracks` and of the files.
#[must_use]
pub fn identify<'a>(
    tracks: &[&'a Track],
    library: &'a Library,
    state: &State,
    decisions: &BTreeMap<TrackId, Option<MediaPath>>,
    policy: &MatchPolicy,
) -> Identities {
    let mut tracks = tracks.to_vec();
    tracks.sort_by(|a, b| a.id.cmp(&b.id));
    tracks.dedup_by(|a, b| a.id == b.id);
    let mut search = Search {
        shelf: Shelf::new(&library.files),
        library,
        state,
        decisions,
        policy,
        tracks: &tracks,
        chosen: vec![None; tracks.len()],
        taken: vec![false; library.files.len()],
        unhashed: BTreeSet::new(),
    };
    search.anchor();
    let claims = search.claims();
    search.resolve(claims)
}

/// The files, in the order of their paths.
struct Shelf<'a> {
    files: &'a [AudioFile],
    order: Vec<usize>,
}

impl<'a> Shelf<'a> {
    fn new(files: &'a [AudioFile]) -> Self {
        let mut order: Vec<usize> = (0..files.len()).collect();
        if !files.is_sorted_by(|a, b| a.path <= b.path) {
            order.par_sort_unstable_by(|a, b| files[*a].path.cmp(&files[*b].path));
        }
        Self { files, order }
    }

    fn at(&self, path: &MediaPath) -> Option<usize> {
        let place = self
            .order
            .binary_search_by(|at| self.files[*at].path.cmp(path))
            .ok()?;
        self.order.get(place).copied()
    }
}

/// A file that was given to a track.
#[derive(Clone)]
struct Chosen {
    file: usize,
    how: How,
    score: u8,
    reasons: Vec<Cow<'static, str>>,
}

/// A file that may be a track.
struct Claim {
    file: usize,
    track: u32,
    ranked: Ranked,
}

/// What a first look at a file brings.
enum Look {
    /// Tracks that it is, word for word.
    Exact(Vec<(u32, Ranked)>),
    /// What is needed to judge it.
    Judge(Box<Local>),
}

impl Look {
    fn is_foreign(&self) -> bool {
        match self {
            Self::Exact(_) => false,
            Self::Judge(local) => !local.is_latin(),
        }
    }
}

struct Search<'a, 's> {
    shelf: Shelf<'a>,
    library: &'a Library,
    state: &'s State,
    decisions: &'s BTreeMap<TrackId, Option<MediaPath>>,
    policy: &'s MatchPolicy,
    tracks: &'s [&'a Track],
    chosen: Vec<Option<Chosen>>,
    taken: Vec<bool>,
    /// Files whose hash would tell whether they are one that was moved.
    unhashed: BTreeSet<MediaPath>,
}

impl<'a> Search<'a, '_> {
    /// Decisions and links, which need no comparison.
    fn anchor(&mut self) {
        let mut lost = Vec::new();
        for number in 0..self.tracks.len() {
            let track = self.tracks[number];
            if let Some(Some(path)) = self.decisions.get(&track.id)
                && let Some(file) = self.shelf.at(path)
                && self.is_present(file, track)
            {
                self.choose(number, file, How::Decision, "you said so");
                continue;
            }
            let Some(path) = self
                .state
                .tracks
                .get(&track.id)
                .and_then(|row| row.file.as_ref())
            else {
                continue;
            };
            match self.shelf.at(path) {
                Some(file) if self.is_present(file, track) && self.still_holds(file, track) => {
                    self.choose(number, file, How::Link, "known file");
                }
                Some(_) => {}
                None => lost.push((number, path.clone())),
            }
        }
        if !lost.is_empty() {
            self.find_moved(&lost);
        }
    }

    fn choose(&mut self, track: usize, file: usize, how: How, reason: &'static str) {
        self.taken[file] = true;
        self.chosen[track] = Some(Chosen {
            file,
            how,
            score: 100,
            reasons: vec![reason.into()],
        });
    }

    /// Whether the file can be played as that track: readable, not empty, not cut short.
    fn is_present(&self, file: usize, track: &Track) -> bool {
        let file = &self.shelf.files[file];
        let cut = file
            .left_ms
            .or(file.duration_ms)
            .zip(track.duration_s)
            .is_some_and(|(ms, s)| ms * 10 < u64::from(s) * 6_000);
        let unreadable = file.problem.is_some() && file.duration_ms.is_none();
        file.stat.size > 0 && !unreadable && !cut
    }

    /// Whether a linked path still holds the linked track. A file whose size is not the one we recorded
    /// may have been tagged, or replaced by another song.
    fn still_holds(&self, file: usize, track: &Track) -> bool {
        let file = &self.shelf.files[file];
        let Some(row) = self.state.files.get(&file.path) else {
            return true;
        };
        if is_unchanged(row, file) || file.tags.tidal_id.as_ref() == Some(&track.id) {
            return true;
        }
        let name = file.path.file_name();
        let judgement = judge(&LocalFacts::of(file, &name), track, self.policy);
        let renamed = file.tags.tidal_id.is_some() && file.tags.isrc != track.isrc;
        judgement.verdict == Verdict::Auto || (!renamed && judgement.verdict == Verdict::Ask)
    }

    /// Which free files may be which tracks.
    fn claims(&self) -> Claims {
        let free: Vec<usize> = self
            .shelf
            .order
            .iter()
            .copied()
            .filter(|at| !self.taken[*at] && self.shelf.files[*at].stat.size > 0)
            .collect();
        if free.is_empty() && self.chosen.iter().all(Option::is_some) {
            return Claims::default();
        }
        let codes = exact::codes(self.tracks);
        let (exact, wanted) = rayon::join(
            || Exact::new(self.tracks, &codes),
            || -> Vec<Wanted> {
                let tracks = self.tracks.par_iter();
                tracks.map(|track| Wanted::new(track)).collect()
            },
        );
        let looks: Vec<(usize, Look)> = free
            .into_par_iter()
            .map(|at| (at, self.look(at, &exact)))
            .collect();
        let foreign = looks.par_iter().any(|(_, look)| look.is_foreign());
        let index = Index::new(&wanted, &codes, foreign);
        let list = looks
            .into_par_iter()
            .flat_map_iter(|(file, look)| {
                let found = match look {
                    Look::Exact(found) => found,
                    Look::Judge(local) => self.judged(*local, &index),
                };
                found
                    .into_iter()
                    .filter(move |(track, ranked)| self.may_claim(file, *track, ranked))
                    .map(move |(track, ranked)| Claim {
                        file,
                        track,
                        ranked,
                    })
            })
            .collect();
        Claims { wanted, list }
    }

    fn look(&self, file: usize, exact: &Exact<'_>) -> Look {
        let file = &self.shelf.files[file];
        let name = file.path.file_name();
        let facts = LocalFacts::of(file, &name);
        let tagged = Tagged::of(&facts);
        let found = exact.find(&facts, tagged.as_ref(), self.policy);
        if found.is_empty() {
            Look::Judge(Box::new(Local::new(&facts, tagged.as_ref())))
        } else {
            Look::Exact(found)
        }
    }

    fn judged(&self, mut local: Local, index: &Index<'_>) -> Vec<(u32, Ranked)> {
        let found = self.compared(&local, index);
        let is_told = |(_, ranked): &(u32, Ranked)| ranked.judgement.verdict == Verdict::Auto;
        if found.iter().any(is_told) || !local.swap() {
            return found;
        }
        self.compared(&local, index)
    }

    fn compared(&self, local: &Local, index: &Index<'_>) -> Vec<(u32, Ranked)> {
        let candidates = index.candidates(local).into_iter();
        candidates
            .filter_map(|track| {
                let wanted = index.track(track)?;
                if is_out_of_length(local, wanted, self.policy) {
                    return None;
                }
                let ranked = rank(local, wanted, self.policy, false);
                (ranked.judgement.verdict != Verdict::No).then_some((track, ranked))
            })
            .collect()
    }

    fn may_claim(&self, file: usize, track: u32, ranked: &Ranked) -> bool {
        let track = usize::try_from(track)
            .ok()
            .and_then(|at| self.tracks.get(at));
        // `None of these` holds for every likeness, not for the id itself.
        track.is_some_and(|track| {
            (ranked.same_id || self.decisions.get(&track.id) != Some(&None))
                && self.is_present(file, track)
        })
    }

    /// Settles who gets what.
    fn resolve(mut self, claims: Claims) -> Identities {
        let Claims { wanted, list } = claims;
        let mut settled = Settled {
            owned: Vec::with_capacity(list.len()),
            ..Settled::default()
        };
        // The claims on one file stand together, in the order of the files' paths.
        let mut list = list.into_iter().peekable();
        while let Some(first) = list.next() {
            let file = first.file;
            if list.peek().is_none_or(|next| next.file != file) {
                settled.settle_only(first);
                continue;
            }
            let mut claims = vec![first];
            while let Some(claim) = list.next_if(|claim| claim.file == file) {
                claims.push(claim);
            }
            settled.settle(claims, &wanted);
        }
        let folders = Folders::of(self.state);
        // By track; of each, its files in the order of their paths.
        settled.owned.par_sort_by_key(|claim| claim.track);
        let mut owned = std::mem::take(&mut settled.owned).into_iter().peekable();
        while let Some(first) = owned.next() {
            let track = first.track;
            let mut claims = vec![first];
            while let Some(claim) = owned.next_if(|claim| claim.track == track) {
                claims.push(claim);
            }
            if claims.len() > 1 {
                claims.sort_by_cached_key(|claim| self.preference(claim, &folders));
            }
            let mut claims = claims.into_iter();
            let number = usize::try_from(track).unwrap_or(usize::MAX);
            if self.chosen.get(number).is_some_and(Option::is_none)
                && let Some(best) = claims.next()
                && !self.is_copy_of_a_file(best.file)
            {
                self.chosen[number] = Some(Chosen {
                    file: best.file,
                    how: if best.ranked.same_id {
                        How::TidalId
                    } else if best.ranked.same_isrc {
                        How::Isrc
                    } else {
                        How::Likeness
                    },
                    score: best.ranked.judgement.score,
                    reasons: best.ranked.judgement.reasons,
                });
            }
            if claims.len() > 0 {
                let further = claims.map(|claim| claim.file).collect();
                settled.further.push((number, further));
            }
        }
        self.share(&wanted);
        let (found, ()) = rayon::join(
            || self.report(settled),
            || wanted.into_par_iter().for_each(drop),
        );
        found
    }

    /// What makes one file of a track better than another; the smallest is the best.
    fn preference(&self, claim: &Claim, folders: &Folders<'_>) -> Preference {
        let file = &self.shelf.files[claim.file];
        let track = self
            .tracks
            .get(usize::try_from(claim.track).unwrap_or(usize::MAX));
        let row = self.state.files.get(&file.path);
        Preference {
            copy: row.is_some_and(|row| row.role == FileRole::Copy),
            foreign: !self.state.provenance(&file.path).is_ours(),
            elsewhere: !track.is_some_and(|track| folders.hold(&track.id, &file.path)),
            quality: Reverse((
                file.format.is_lossless(),
                file.bit_depth,
                file.format
                    .is_lossless()
                    .then_some(file.sample_rate_hz)
                    .flatten(),
                file.bitrate_kbps,
            )),
            unlike: Reverse(claim.ranked.rank),
            length: file.path.as_str().len(),
            path: file.path.clone(),
        }
    }

    /// Whether it is a copy that we made for a further playlist of a track that has its file: who else fits it
    /// shares that file, or has none.
    fn is_copy_of_a_file(&self, copy: usize) -> bool {
        let row = self.state.files.get(&self.shelf.files[copy].path);
        let row = row.filter(|row| row.role == FileRole::Copy);
        let Some(track) = row.and_then(|row| row.track.as_ref()) else {
            return false;
        };
        let owner = self.tracks.binary_search_by(|known| known.id.cmp(track));
        owner.is_ok_and(|owner| self.chosen[owner].is_some())
    }

    /// Tracks that TIDAL lists under several ids get the file that one of them has.
    fn share(&mut self, wanted: &[Wanted]) {
        let lacking: HashSet<&str> = wanted
            .iter()
            .zip(&self.chosen)
            .filter(|(_, chosen)| chosen.is_none())
            .filter_map(|(track, _)| track.isrc().map(Isrc::as_str))
            .collect();
        let mut owners: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, track) in wanted.iter().enumerate() {
            if self.chosen[number].is_some()
                && let Some(isrc) = track.isrc().map(Isrc::as_str)
                && lacking.contains(isrc)
            {
                owners.entry(isrc).or_default().push(number);
            }
        }
        for (number, track) in wanted.iter().enumerate() {
            let declined = self.decisions.get(track.id()) == Some(&None);
            if self.chosen[number].is_some() || declined {
                continue;
            }
            let owner = track
                .isrc()
                .and_then(|isrc| owners.get(isrc.as_str()))
                .into_iter()
                .flatten()
                .find(|owner| wanted[**owner].is_same_recording(track));
            let Some((owner, chosen)) =
                owner.and_then(|owner| Some((*owner, self.chosen[*owner].as_ref()?)))
            else {
                continue;
            };
            if self.is_present(chosen.file, self.tracks[number]) {
                self.chosen[number] = Some(Chosen {
                    file: chosen.file,
                    how: How::Isrc,
                    score: 99,
                    reasons: vec![
                        format!("same ISRC as TIDAL track {}", self.tracks[owner].id).into(),
                    ],
                });
            }
        }
    }

    fn report(self, settled: Settled) -> Identities {
        let mut out = Identities {
            unhashed: self.unhashed.clone(),
            ..Identities::default()
        };
        let mut used = vec![false; self.shelf.files.len()];
        for chosen in self.chosen.iter().flatten() {
            used[chosen.file] = true;
        }
        let mut asks = settled.asks;
        for (number, further) in settled.further {
            let Some(chosen) = self.chosen.get(number).and_then(Option::as_ref) else {
                continue;
            };
            let kept = &self.shelf.files[chosen.file];
            let mut paths: Vec<MediaPath> = further
                .into_iter()
                .filter(|at| !used[*at])
                .map(|at| &self.shelf.files[at])
                .filter(|file| !is_hard_link(file, kept) && !self.is_copy(&file.path))
                .map(|file| file.path.clone())
                .collect();
            paths.sort_unstable();
            if !paths.is_empty() {
                out.duplicates.insert(self.tracks[number].id.clone(), paths);
            }
        }
        for (number, _) in self
            .chosen
            .iter()
            .enumerate()
            .filter(|(_, chosen)| chosen.is_none())
        {
            let id = &self.tracks[number].id;
            if let Some(asked) = asks.remove(&number)
                && self.decisions.get(id) != Some(&None)
            {
                let mut candidates: Vec<Candidate> = asked
                    .into_iter()
                    .map(|(claim, contested)| candidate(&self.shelf, claim, contested))
                    .collect();
                candidates
                    .sort_by(|a, b| (Reverse(a.score), &a.path).cmp(&(Reverse(b.score), &b.path)));
                candidates.truncate(OFFERED);
                out.asks.insert(id.clone(), candidates);
            }
        }
        let (files, tracks) = (self.shelf.files, self.tracks);
        let matches: Vec<(TrackId, Match)> = self
            .chosen
            .into_par_iter()
            .zip(tracks.par_iter())
            .filter_map(|(chosen, track)| {
                let chosen = chosen?;
                let found = Match {
                    path: files[chosen.file].path.clone(),
                    how: chosen.how,
                    score: chosen.score,
                    reasons: chosen.reasons,
                };
                Some((track.id.clone(), found))
            })
            .collect();
        out.matches = matches.into_iter().collect();
        out
    }

    fn is_copy(&self, path: &MediaPath) -> bool {
        self.state
            .files
            .get(path)
            .is_some_and(|row| row.role == FileRole::Copy)
    }
}

fn candidate(shelf: &Shelf<'_>, claim: Claim, contested: bool) -> Candidate {
    let mut reasons = claim.ranked.judgement.reasons;
    if contested {
        reasons.push("another track of yours fits this file as well".into());
    }
    Candidate {
        path: shelf.files[claim.file].path.clone(),
        score: claim.ranked.judgement.score,
        reasons,
        vetoes: claim.ranked.judgement.vetoes,
    }
}

fn is_unchanged(row: &FileRow, file: &AudioFile) -> bool {
    match (row.hash, file.hash) {
        (Some(before), Some(now)) => before == now,
        _ => row.size == file.stat.size,
    }
}

fn is_hard_link(a: &AudioFile, b: &AudioFile) -> bool {
    a.stat.inode != 0 && a.stat.inode == b.stat.inode && a.stat.device == b.stat.device
}

#[derive(Default)]
struct Claims {
    wanted: Vec<Wanted>,
    list: Vec<Claim>,
}

/// Claims, sorted out.
#[derive(Default)]
struct Settled {
    /// Undisputed claims.
    owned: Vec<Claim>,
    /// Questions by track, and whether another track has the better claim.
    asks: BTreeMap<usize, Vec<(Claim, bool)>>,
    /// Files beyond the first, by track.
    further: Vec<(usize, Vec<usize>)>,
}

impl Settled {
    /// The only claim on a file.
    fn settle_only(&mut self, claim: Claim) {
        match claim.ranked.judgement.verdict {
            Verdict::Auto => self.owned.push(claim),
            Verdict::Ask | Verdict::No => self.ask(claim, false),
        }
    }

    /// The claims on one file: the best wins, together with tracks that are the same recording. Other
    /// recordings that fit as well make it a question for all of them.
    fn settle(&mut self, mut claims: Vec<Claim>, wanted: &[Wanted]) {
        claims.sort_by_key(|claim| {
            (
                claim.ranked.judgement.verdict != Verdict::Auto,
                Reverse(claim.ranked.rank),
                claim.track,
            )
        });
        let Some(best) = claims.first() else {
            return;
        };
        let (top, top_rank) = (best.track, best.ranked.rank);
        if best.ranked.judgement.verdict != Verdict::Auto {
            claims.into_iter().for_each(|claim| self.ask(claim, false));
            return;
        }
        let same = |track: u32| track == top || same_recording(wanted, track, top);
        let is_auto = |claim: &Claim| claim.ranked.judgement.verdict == Verdict::Auto;
        let disputed = claims.iter().any(|claim| {
            is_auto(claim) && !same(claim.track) && top_rank - claim.ranked.rank < TIE
        });
        for claim in claims {
            match (is_auto(&claim), same(claim.track), disputed) {
                (true, true, false) => {
                    self.owned.push(claim);
                }
                (true, _, _) => self.ask(claim, true),
                // The file has an owner: a weaker likeness is no question.
                (false, ..) => {}
            }
        }
    }

    fn ask(&mut self, claim: Claim, contested: bool) {
        let number = usize::try_from(claim.track).unwrap_or(usize::MAX);
        self.asks
            .entry(number)
            .or_default()
            .push((claim, contested));
    }
}

fn same_recording(wanted: &[Wanted], a: u32, b: u32) -> bool {
    let get = |number: u32| wanted.get(usize::try_from(number).ok()?);
    get(a)
        .zip(get(b))
        .is_some_and(|(a, b)| a.is_same_recording(b))
}

/// Whether nothing is lost, then bits, Hertz and kilobits.
type Quality = (bool, Option<u8>, Option<u32>, Option<u32>);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Preference {
    copy: bool,
    foreign: bool,
    elsewhere: bool,
    quality: Reverse<Quality>,
    unlike: Reverse<i32>,
    length: usize,
    path: MediaPath,
}

/// The folders of the playlists that a track stands in.
struct Folders<'s> {
    by_track: HashMap<&'s TrackId, Vec<&'s MediaPath>>,
}

impl<'s> Folders<'s> {
    fn of(state: &'s State) -> Self {
        let mut by_track: HashMap<&TrackId, Vec<&MediaPath>> = HashMap::new();
        for playlist in state
            .playlists
            .values()
            .filter(|row| row.deleted_at.is_none())
        {
            let Some(folder) = &playlist.folder else {
                continue;
            };
            for entry in &playlist.entries {
                by_track.entry(&entry.track).or_default().push(folder);
            }
        }
        Self { by_track }
    }

    fn hold(&self, track: &TrackId, path: &MediaPath) -> bool {
        self.by_track.get(track).is_some_and(|folders| {
            folders.iter().any(|folder| {
                path.as_str()
                    .strip_prefix(folder.as_str())
                    .is_some_and(|rest| rest.starts_with('/'))
            })
        })
    }
}

mod moved;
#[cfg(test)]
mod tests;
