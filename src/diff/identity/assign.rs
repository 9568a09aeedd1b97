//! Gives every track its one file, by the strongest evidence there is.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use rayon::prelude::*;

use super::{
    Candidate, How, Identities, LocalFacts, Match,
    block::{Index, is_latin},
    judge::{Local, Ranked, Verdict, Wanted, is_out_of_length, judge, rank},
};
use crate::{
    domain::{
        AudioFile, MediaPath, State, Track, TrackId,
        state::{FileRole, FileRow},
        text::fold_name,
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
/// database, the linked file under another path (the same hash, or the same name and size; only when
/// the old path is gone and one file alone fits), the TIDAL id in the file, the ISRC, likeness. A file
/// stands for several TIDAL ids only when they share ISRC, version and length. A file that cannot be
/// read, or holds less than 60 % of the track, stands for none. Of several files the track gets ours
/// first, then one in a folder of its playlists, then the better quality, then the shorter path. The
/// result does not depend on the order of `tracks` and `files`.
#[must_use]
pub fn identify<'a>(
    tracks: &[&'a Track],
    files: &'a [AudioFile],
    state: &State,
    decisions: &BTreeMap<TrackId, Option<MediaPath>>,
    policy: &MatchPolicy,
) -> Identities {
    let tracks: BTreeMap<&TrackId, &Track> =
        tracks.iter().map(|track| (&track.id, *track)).collect();
    let tracks: Vec<&Track> = tracks.into_values().collect();
    let mut search = Search {
        shelf: Shelf::new(files),
        state,
        decisions,
        policy,
        tracks: &tracks,
        chosen: vec![None; tracks.len()],
        taken: vec![false; files.len()],
    };
    search.anchor();
    let claims = search.claims();
    search.resolve(claims)
}

/// The files, by path and otherwise.
struct Shelf<'a> {
    files: &'a [AudioFile],
    by_path: HashMap<&'a MediaPath, usize>,
}

impl<'a> Shelf<'a> {
    fn new(files: &'a [AudioFile]) -> Self {
        let by_path = files
            .iter()
            .enumerate()
            .map(|(at, file)| (&file.path, at))
            .collect();
        Self { files, by_path }
    }

    fn at(&self, path: &MediaPath) -> Option<usize> {
        self.by_path.get(path).copied()
    }
}

/// A file that was given to a track.
#[derive(Clone)]
struct Chosen {
    file: usize,
    how: How,
    score: u8,
    reasons: Vec<String>,
}

/// A file that may be a track.
struct Claim {
    file: usize,
    track: u32,
    ranked: Ranked,
}

struct Search<'a, 's> {
    shelf: Shelf<'a>,
    state: &'s State,
    decisions: &'s BTreeMap<TrackId, Option<MediaPath>>,
    policy: &'s MatchPolicy,
    tracks: &'s [&'a Track],
    chosen: Vec<Option<Chosen>>,
    taken: Vec<bool>,
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

    fn choose(&mut self, track: usize, file: usize, how: How, reason: &str) {
        self.taken[file] = true;
        self.chosen[track] = Some(Chosen {
            file,
            how,
            score: 100,
            reasons: vec![reason.to_owned()],
        });
    }

    /// Whether the file can be played as that track: readable, not empty, not cut short.
    fn is_present(&self, file: usize, track: &Track) -> bool {
        let file = &self.shelf.files[file];
        let cut = file
            .duration_ms
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

    /// Files whose recorded path is gone: the same path in another Unicode form or case, the same hash,
    /// or the same name and size elsewhere. Never a guess between two.
    fn find_moved(&mut self, lost: &[(usize, MediaPath)]) {
        let mut spelled: HashMap<String, Vec<usize>> = HashMap::new();
        let mut sizes: HashMap<u64, Vec<usize>> = HashMap::new();
        let linked: BTreeSet<&MediaPath> = self
            .state
            .tracks
            .values()
            .filter_map(|row| row.file.as_ref())
            .collect();
        for (at, file) in self.shelf.files.iter().enumerate() {
            if self.taken[at] || linked.contains(&file.path) {
                continue;
            }
            spelled
                .entry(fold_name(file.path.as_str()))
                .or_default()
                .push(at);
            sizes.entry(file.stat.size).or_default().push(at);
        }
        let mut found = Vec::new();
        for (number, path) in lost {
            let track = self.tracks[*number];
            let alone = |files: Vec<usize>| match files.as_slice() {
                [file] if self.is_present(*file, track) => Some(*file),
                _ => None,
            };
            if let Some(file) = spelled
                .get(&fold_name(path.as_str()))
                .cloned()
                .and_then(alone)
            {
                found.push((*number, file, How::Link, "known file, spelled differently"));
                continue;
            }
            let Some(row) = self.state.files.get(path) else {
                continue;
            };
            let same_size = sizes.get(&row.size).map_or(&[][..], Vec::as_slice);
            let picked = |keep: &dyn Fn(&AudioFile) -> bool| -> Vec<usize> {
                same_size
                    .iter()
                    .copied()
                    .filter(|at| keep(&self.shelf.files[*at]))
                    .collect()
            };
            let same_hash = picked(&|file| row.hash.is_some() && file.hash == row.hash);
            let name = fold_name(&path.file_name());
            if let Some(file) = alone(same_hash) {
                found.push((*number, file, How::Moved, "moved: same content"));
            } else if let Some(file) = alone(picked(&|file| {
                fold_name(&file.path.file_name()) == name
                    && (file.hash.is_none() || row.hash.is_none() || file.hash == row.hash)
            })) {
                found.push((*number, file, How::Moved, "moved: same name and size"));
            }
        }
        let mut wanted: HashMap<usize, Vec<&TrackId>> = HashMap::new();
        for (number, file, ..) in &found {
            wanted
                .entry(*file)
                .or_default()
                .push(&self.tracks[*number].id);
        }
        let contested: BTreeSet<usize> = wanted
            .iter()
            .filter(|(_, tracks)| {
                let rows: BTreeSet<_> = tracks
                    .iter()
                    .filter_map(|id| self.state.tracks.get(*id)?.file.as_ref())
                    .collect();
                rows.len() > 1
            })
            .map(|(file, _)| *file)
            .collect();
        for (number, file, how, reason) in found {
            if !contested.contains(&file) {
                self.choose(number, file, how, reason);
            }
        }
    }

    /// Which free files may be which tracks.
    fn claims(&self) -> Claims {
        let free: Vec<usize> = (0..self.taken.len())
            .filter(|at| !self.taken[*at] && self.shelf.files[*at].stat.size > 0)
            .collect();
        if free.is_empty() && self.chosen.iter().all(Option::is_some) {
            return Claims::default();
        }
        let wanted: Vec<Wanted> = self
            .tracks
            .par_iter()
            .map(|track| Wanted::new(track))
            .collect();
        let locals: Vec<(usize, Local)> = free
            .into_par_iter()
            .map(|at| {
                let file = &self.shelf.files[at];
                let name = file.path.file_name();
                (at, Local::new(&LocalFacts::of(file, &name)))
            })
            .collect();
        let foreign = locals.par_iter().any(|(_, local)| {
            local
                .readings()
                .iter()
                .any(|reading| !is_latin(&reading.title.core))
        });
        let index = Index::new(&wanted, foreign);
        let list = locals
            .par_iter()
            .flat_map_iter(|(file, local)| {
                let index = &index;
                index
                    .candidates(local)
                    .into_iter()
                    .filter_map(move |track| {
                        let compared = index.track(track)?;
                        if is_out_of_length(local, compared, self.policy) {
                            return None;
                        }
                        let ranked = rank(local, compared, self.policy);
                        let wanted = self.tracks.get(usize::try_from(track).ok()?)?;
                        // `None of these` holds for every likeness, not for the id itself.
                        let open = ranked.same_id || self.decisions.get(&wanted.id) != Some(&None);
                        let present = open && self.is_present(*file, wanted);
                        (present && ranked.judgement.verdict != Verdict::No).then_some(Claim {
                            file: *file,
                            track,
                            ranked,
                        })
                    })
            })
            .collect();
        Claims { wanted, list }
    }

    /// Settles who gets what.
    fn resolve(mut self, claims: Claims) -> Identities {
        let Claims { wanted, list } = claims;
        let mut settled = Settled::default();
        let mut by_file: BTreeMap<&MediaPath, Vec<Claim>> = BTreeMap::new();
        for claim in list {
            by_file
                .entry(&self.shelf.files[claim.file].path)
                .or_default()
                .push(claim);
        }
        for claims in by_file.into_values() {
            settled.settle(claims, &wanted);
        }
        let folders = Folders::of(self.state);
        for (track, mut claims) in std::mem::take(&mut settled.owned) {
            claims.sort_by_cached_key(|claim| self.preference(claim, &folders));
            let mut claims = claims.into_iter();
            let number = usize::try_from(track).unwrap_or(usize::MAX);
            if self.chosen.get(number).is_some_and(Option::is_none)
                && let Some(best) = claims.next()
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
            settled
                .further
                .entry(number)
                .or_default()
                .extend(claims.map(|claim| claim.file));
        }
        self.share(&wanted);
        self.report(settled)
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

    /// Tracks that TIDAL lists under several ids get the file that one of them has.
    fn share(&mut self, wanted: &[Wanted]) {
        let mut owners: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, track) in wanted.iter().enumerate() {
            if let (Some(isrc), Some(_)) = (track.isrc(), &self.chosen[number]) {
                owners.entry(isrc.as_str()).or_default().push(number);
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
                    reasons: vec![format!(
                        "same ISRC as TIDAL track {}",
                        self.tracks[owner].id
                    )],
                });
            }
        }
    }

    fn report(self, settled: Settled) -> Identities {
        let mut out = Identities::default();
        let used: BTreeSet<usize> = self
            .chosen
            .iter()
            .flatten()
            .map(|chosen| chosen.file)
            .collect();
        let mut asks = settled.asks;
        for (number, further) in settled.further {
            let Some(chosen) = self.chosen.get(number).and_then(Option::as_ref) else {
                continue;
            };
            let kept = &self.shelf.files[chosen.file];
            let mut paths: Vec<MediaPath> = further
                .into_iter()
                .filter(|at| !used.contains(at))
                .map(|at| &self.shelf.files[at])
                .filter(|file| !is_hard_link(file, kept) && !self.is_copy(&file.path))
                .map(|file| file.path.clone())
                .collect();
            paths.sort_unstable();
            if !paths.is_empty() {
                out.duplicates.insert(self.tracks[number].id.clone(), paths);
            }
        }
        for (number, chosen) in self.chosen.into_iter().enumerate() {
            let id = &self.tracks[number].id;
            if let Some(chosen) = chosen {
                out.matches.insert(
                    id.clone(),
                    Match {
                        path: self.shelf.files[chosen.file].path.clone(),
                        how: chosen.how,
                        score: chosen.score,
                        reasons: chosen.reasons,
                    },
                );
            } else if let Some(asked) = asks.remove(&number)
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
        reasons.push("another track of yours fits this file as well".to_owned());
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
    /// Undisputed claims by track.
    owned: BTreeMap<u32, Vec<Claim>>,
    /// Questions by track, and whether another track has the better claim.
    asks: BTreeMap<usize, Vec<(Claim, bool)>>,
    /// Files beyond the first, by track.
    further: BTreeMap<usize, Vec<usize>>,
}

impl Settled {
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
                    self.owned.entry(claim.track).or_default().push(claim);
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

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Preference {
    copy: bool,
    foreign: bool,
    elsewhere: bool,
    quality: Reverse<(bool, Option<u8>, Option<u32>, Option<u32>)>,
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

#[cfg(test)]
mod tests {

    use std::time::Duration;

    use super::*;
    use crate::domain::{
        AudioFormat, ContentHash, FileStat, Isrc, Provenance, Tags, state::TrackRow,
    };

    const POLICY: MatchPolicy = MatchPolicy {
        auto: 97,
        ask: 80,
        duration_tolerance: Duration::from_secs(3),
        veto_version: true,
        veto_duration: true,
    };

    fn track(id: &str, title: &str, isrc: &str) -> Track {
        Track {
            id: id.into(),
            title: title.to_owned(),
            version: None,
            artists: vec!["Larry Heard".to_owned()],
            album: None,
            isrc: Isrc::parse(isrc),
            duration_s: Some(300),
            explicit: None,
            release_date: None,
            media_tags: Vec::new(),
            streamable: None,
        }
    }

    fn file(path: &str, title: &str) -> AudioFile {
        AudioFile {
            path: path.into(),
            stat: FileStat {
                size: 1000,
                inode: path.bytes().map(u64::from).sum(),
                ..FileStat::default()
            },
            format: AudioFormat::Mp3,
            tags: Tags {
                title: Some(title.to_owned()),
                artists: vec!["Larry Heard".to_owned()],
                ..Tags::default()
            },
            duration_ms: Some(300_000),
            bitrate_kbps: Some(320),
            sample_rate_hz: Some(44_100),
            bit_depth: None,
            hash: None,
            problem: None,
        }
    }

    fn linked(state: &mut State, track: &Track, path: &str, hash: Option<ContentHash>) {
        let row = TrackRow {
            track: track.clone(),
            file: Some(path.into()),
            content: None,
            home: None,
            last_seen_in_tidal: None,
        };
        state.tracks.insert(track.id.clone(), row);
        let row = FileRow {
            path: path.into(),
            role: FileRole::Track,
            provenance: Provenance::Tidal,
            track: Some(track.id.clone()),
            playlist: None,
            size: 1000,
            hash,
        };
        state.files.insert(path.into(), row);
    }

    fn run(tracks: &[&Track], files: &[AudioFile], state: &State) -> Identities {
        let found = identify(tracks, files, state, &BTreeMap::new(), &POLICY);
        let mut backwards: Vec<AudioFile> = files.to_vec();
        backwards.reverse();
        let tracks: Vec<&Track> = tracks.iter().rev().copied().collect();
        assert_eq!(
            found,
            identify(&tracks, &backwards, state, &BTreeMap::new(), &POLICY)
        );
        found
    }

    fn how(found: &Identities, id: &str) -> (How, String) {
        let found = &found.matches[&TrackId::new(id)];
        (found.how, found.path.as_str().to_owned())
    }

    #[test]
    fn evidence_goes_from_link_to_likeness() {
        let linked_track = track("1", "Missing You", "");
        let by_id = track("2", "Can You Feel It", "");
        let by_isrc = track("3", "Mystery of Love", "NLA321000001");
        let alike = track("4", "The Sun Can't Compare", "");
        let mut state = State::default();
        linked(&mut state, &linked_track, "own name.mp3", None);
        let mut tagged = file("a/renamed.mp3", "Can U Feel It");
        tagged.tags.tidal_id = Some("2".into());
        let mut coded = file("b/x.mp3", "Mystery Of Love");
        coded.tags.isrc = Isrc::parse("NLA321000001");
        let files = [
            file("own name.mp3", "whatever it says"),
            tagged,
            coded,
            file("c/y.mp3", "the sun cant compare"),
        ];
        let found = run(&[&linked_track, &by_id, &by_isrc, &alike], &files, &state);
        assert_eq!(how(&found, "1"), (How::Link, "own name.mp3".to_owned()));
        assert_eq!(how(&found, "2"), (How::TidalId, "a/renamed.mp3".to_owned()));
        assert_eq!(how(&found, "3"), (How::Isrc, "b/x.mp3".to_owned()));
        assert_eq!(how(&found, "4"), (How::Likeness, "c/y.mp3".to_owned()));
        assert!(found.asks.is_empty() && found.duplicates.is_empty());
    }

    #[test]
    fn a_moved_file_is_found_by_content_and_never_guessed() {
        let wanted = track("1", "Missing You", "");
        let hash = ContentHash::of(b"missing you");
        let mut state = State::default();
        linked(&mut state, &wanted, "old/a.mp3", Some(hash));
        let mut moved = file("new/b.mp3", "no title of ours");
        moved.hash = Some(hash);
        let found = run(&[&wanted], &[moved.clone()], &state);
        assert_eq!(how(&found, "1"), (How::Moved, "new/b.mp3".to_owned()));
        let mut twin = file("other/c.mp3", "no title of ours");
        twin.hash = Some(hash);
        assert!(
            run(&[&wanted], &[moved.clone(), twin], &state)
                .matches
                .is_empty()
        );
        let still = file("old/a.mp3", "Missing You");
        assert_eq!(
            how(&run(&[&wanted], &[moved, still], &state), "1").0,
            How::Link
        );
    }

    #[test]
    fn a_linked_path_that_holds_another_song_now_is_no_link() {
        let wanted = track("1", "Missing You", "");
        let mut state = State::default();
        linked(&mut state, &wanted, "a.mp3", None);
        let mut replaced = file("a.mp3", "Something Else Entirely");
        replaced.stat.size = 2000;
        assert!(run(&[&wanted], &[replaced], &state).matches.is_empty());
        let mut retagged = file("a.mp3", "Missing You");
        retagged.stat.size = 2000;
        assert_eq!(how(&run(&[&wanted], &[retagged], &state), "1").0, How::Link);
    }

    #[test]
    fn a_truncated_or_unreadable_file_never_counts() {
        let wanted = track("1", "Missing You", "");
        let mut state = State::default();
        linked(&mut state, &wanted, "a.mp3", None);
        let mut short = file("a.mp3", "Missing You");
        short.duration_ms = Some(150_000);
        short.tags.tidal_id = Some("1".into());
        let mut broken = file("b.mp3", "Missing You");
        broken.duration_ms = None;
        broken.problem = Some("not audio".to_owned());
        let mut empty = file("c.mp3", "Missing You");
        empty.stat.size = 0;
        let found = run(&[&wanted], &[short, broken, empty], &state);
        assert!(found.matches.is_empty() && found.asks.is_empty());
    }

    #[test]
    fn decisions_come_before_any_score() {
        let wanted = track("1", "Missing You", "");
        let files = [
            file("a.mp3", "Missing You"),
            file("b.mp3", "Nothing Like It"),
        ];
        let decided = |path: Option<&str>| {
            let decisions = BTreeMap::from([(wanted.id.clone(), path.map(MediaPath::from))]);
            identify(&[&wanted], &files, &State::default(), &decisions, &POLICY)
        };
        assert_eq!(
            how(&decided(Some("b.mp3")), "1"),
            (How::Decision, "b.mp3".to_owned())
        );
        let none = decided(None);
        assert!(none.matches.is_empty() && none.asks.is_empty());
        assert_eq!(how(&decided(Some("gone.mp3")), "1").0, How::Likeness);
    }

    #[test]
    fn of_several_files_ours_then_the_better_one_is_taken() {
        let wanted = track("1", "Missing You", "");
        let mut flac = file("z/long/path.flac", "Missing You");
        flac.format = AudioFormat::Flac;
        let files = [
            file("a.mp3", "Missing You"),
            flac,
            file("ours.mp3", "Missing You"),
        ];
        let found = run(&[&wanted], &files, &State::default());
        assert_eq!(how(&found, "1").1, "z/long/path.flac");
        let others: Vec<MediaPath> = vec!["a.mp3".into(), "ours.mp3".into()];
        assert_eq!(found.duplicates[&wanted.id], others);
        let mut state = State::default();
        linked(&mut state, &track("other", "Other", ""), "ours.mp3", None);
        state.tracks.clear();
        assert_eq!(how(&run(&[&wanted], &files, &state), "1").1, "ours.mp3");
    }

    #[test]
    fn one_recording_under_two_ids_shares_a_file_and_two_recordings_do_not() {
        let first = track("1", "Missing You", "NLA321000001");
        let again = track("2", "Missing You", "NLA321000001");
        let other = track("3", "Missing You", "NLA321000009");
        let files = [file("a.mp3", "Missing You")];
        let found = run(&[&first, &again], &files, &State::default());
        assert_eq!(how(&found, "1").1, "a.mp3");
        assert_eq!(how(&found, "2").1, "a.mp3");
        let found = run(&[&first, &other], &files, &State::default());
        assert!(found.matches.is_empty());
        assert_eq!(found.asks.len(), 2);
        let mut state = State::default();
        linked(&mut state, &first, "a.mp3", None);
        let found = run(&[&first, &again], &files, &state);
        assert_eq!(how(&found, "2"), (How::Isrc, "a.mp3".to_owned()));
    }

    #[test]
    fn a_doubtful_file_is_a_question_with_its_reasons() {
        let wanted = track("1", "Missing You", "");
        let mut longer = file("a.mp3", "Missing You");
        longer.duration_ms = Some(305_000);
        let found = run(&[&wanted], &[longer], &State::default());
        let asked = &found.asks[&wanted.id];
        assert_eq!(asked.len(), 1);
        assert!(
            asked[0]
                .reasons
                .iter()
                .any(|reason| reason.contains("5.0 s")),
            "{asked:?}"
        );
    }

    #[test]
    fn hard_links_and_our_own_copies_are_no_duplicates() {
        let wanted = track("1", "Missing You", "");
        let mut state = State::default();
        linked(&mut state, &wanted, "a.mp3", None);
        let original = file("a.mp3", "Missing You");
        let mut link = file("b.mp3", "Missing You");
        link.stat.inode = original.stat.inode;
        let copy = file("c.mp3", "Missing You");
        let mut row = state.files[&MediaPath::from("a.mp3")].clone();
        row.role = FileRole::Copy;
        row.path = "c.mp3".into();
        state.files.insert("c.mp3".into(), row);
        let found = run(&[&wanted], &[original, link, copy], &state);
        assert_eq!(found.duplicates.get(&wanted.id), None);
        assert_eq!(
            found.matches.get(&wanted.id).unwrap().path.as_str(),
            "a.mp3"
        );
    }
}
