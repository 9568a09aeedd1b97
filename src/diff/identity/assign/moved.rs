//! Where a linked file went: the same file under another path.

use std::collections::{BTreeSet, HashMap};

use super::{How, LocalFacts, Search, Shelf, Verdict, judge};
use crate::domain::{FileStat, MediaPath, State, Track, TrackId, state::FileRole, text::fold_name};

/// Files that are nobody's yet, by what a file keeps when it is moved.
#[derive(Default)]
struct Free {
    spelled: HashMap<String, Vec<usize>>,
    sizes: HashMap<u64, Vec<usize>>,
    inodes: HashMap<(u64, u64), Vec<usize>>,
}

impl Free {
    fn of(shelf: &Shelf<'_>, taken: &[bool], state: &State) -> Self {
        let linked: BTreeSet<&MediaPath> = state
            .tracks
            .values()
            .filter_map(|row| row.file.as_ref())
            .collect();
        let mut free = Self::default();
        for (at, file) in shelf.files.iter().enumerate() {
            let copy = state.files.get(&file.path);
            let is_copy = copy.is_some_and(|row| row.role == FileRole::Copy);
            if taken[at] || linked.contains(&file.path) || is_copy {
                continue;
            }
            let spelled = fold_name(file.path.as_str());
            free.spelled.entry(spelled).or_default().push(at);
            free.sizes.entry(file.stat.size).or_default().push(at);
            if file.stat.inode != 0 {
                let inode = (file.stat.device, file.stat.inode);
                free.inodes.entry(inode).or_default().push(at);
            }
        }
        free
    }

    fn spelled(&self, path: &MediaPath) -> Vec<usize> {
        let found = self.spelled.get(&fold_name(path.as_str()));
        found.cloned().unwrap_or_default()
    }

    fn size(&self, size: u64) -> Vec<usize> {
        self.sizes.get(&size).cloned().unwrap_or_default()
    }

    fn inode(&self, stat: &FileStat) -> Vec<usize> {
        let found = self.inodes.get(&(stat.device, stat.inode));
        found.cloned().unwrap_or_default()
    }
}

impl Search<'_, '_> {
    /// Files whose recorded path is gone: the same path in another Unicode form or case; the same file
    /// by inode (with size and time, or with tags that say so), hash, or name and size. Never a guess
    /// between two.
    pub(super) fn find_moved(&mut self, lost: &[(usize, MediaPath)]) {
        let free = Free::of(&self.shelf, &self.taken, self.state);
        let mut found = Vec::new();
        let mut unhashed = BTreeSet::new();
        for (number, path) in lost {
            if let Some((file, how, reason)) = self.found_again(*number, path, &free, &mut unhashed)
            {
                found.push((*number, file, how, reason));
            }
        }
        self.unhashed = unhashed;
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

    fn found_again(
        &self,
        number: usize,
        path: &MediaPath,
        free: &Free,
        unhashed: &mut BTreeSet<MediaPath>,
    ) -> Option<(usize, How, &'static str)> {
        let track = self.tracks[number];
        let files = self.shelf.files;
        let alone = |files: Vec<usize>| match files.as_slice() {
            [file] if self.is_present(*file, track) => Some(*file),
            _ => None,
        };
        if let Some(file) = alone(free.spelled(path)) {
            return Some((file, How::Link, "known file, spelled differently"));
        }
        let seen = self.library.vanished(path);
        if let Some(seen) = seen {
            let same = alone(free.inode(&seen.stat));
            if let Some(file) = same.filter(|file| is_untouched(&seen.stat, &files[*file].stat)) {
                return Some((file, How::Moved, "moved: same file"));
            }
            if let Some(file) = same.filter(|file| self.says_so(*file, track)) {
                return Some((
                    file,
                    How::Moved,
                    "moved, and written to: same file, same track",
                ));
            }
        }
        let row = self.state.files.get(path)?;
        let hash = row.hash.or_else(|| seen.and_then(|seen| seen.hash));
        let same_size = free.size(row.size);
        let (known, unknown): (Vec<usize>, Vec<usize>) = same_size
            .into_iter()
            .partition(|at| files[*at].hash.is_some());
        let mut same_hash = known.clone();
        same_hash.retain(|at| hash.is_some() && files[*at].hash == hash);
        if hash.is_some() {
            unhashed.extend(unknown.iter().map(|at| files[*at].path.clone()));
        }
        if let Some(file) = alone(same_hash) {
            return Some((file, How::Moved, "moved: same content"));
        }
        let name = fold_name(&path.file_name());
        let mut same_name = unknown;
        same_name.extend(
            known.into_iter().filter(|at| {
                hash.is_none() || files[*at].tags.tidal_id.as_ref() == Some(&track.id)
            }),
        );
        same_name.retain(|at| fold_name(&files[*at].path.file_name()) == name);
        alone(same_name).map(|file| (file, How::Moved, "moved: same name and size"))
    }

    /// Whether a file's tags leave no doubt which track it is.
    fn says_so(&self, file: usize, track: &Track) -> bool {
        let file = &self.shelf.files[file];
        let name = file.path.file_name();
        file.tags.tidal_id.as_ref() == Some(&track.id)
            || judge(&LocalFacts::of(file, &name), track, self.policy).verdict == Verdict::Auto
    }
}

/// Whether it is a file that was only given another name: whoever writes to it, or puts another one in
/// the place that it left, changes its size or time.
fn is_untouched(before: &FileStat, now: &FileStat) -> bool {
    (before.size, before.mtime) == (now.size, now.mtime)
}
