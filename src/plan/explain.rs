//! What the planner knows of a track, file or playlist: for `policy explain` and `policy check`.

use std::collections::BTreeSet;

use crate::{
    domain::{MediaPath, PlaylistId, TrackId, state::FileRole},
    plan::{PlanInput, draft::Draft, facts, removals},
    policy::{Facts, condition::Fact, emoji},
};

/// Looks facts up exactly as the planner does.
pub struct Explainer<'a> {
    draft: Draft<'a>,
    /// Tracks that some playlist still stands for.
    kept: BTreeSet<TrackId>,
    /// Files that are such a track.
    needed: BTreeSet<&'a MediaPath>,
}

/// A file of a track, or the track where it has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// `None`: the track has no file here.
    pub path: Option<MediaPath>,
    /// What is known.
    pub facts: Facts,
}

impl<'a> Explainer<'a> {
    /// From what a plan would be made from.
    #[must_use]
    pub fn new(input: &'a PlanInput<'a>) -> Self {
        let draft = Draft::new(input);
        let kept = removals::kept_by_memory(&draft);
        let needed = removals::needed_files(&draft, &kept);
        Self {
            draft,
            kept,
            needed,
        }
    }

    /// The track's file, then further files that are the same track.
    #[must_use]
    pub fn track(&self, id: &TrackId) -> Vec<Known> {
        let input = self.draft.input;
        let found = input.identities.matches.get(id).map(|found| &found.path);
        let remembered = input.observation.state.tracks.get(id);
        let path = found.or_else(|| remembered?.file.as_ref());
        let file = path.and_then(|path| self.draft.index.file(path));
        let mut known = match file {
            Some(file) => vec![self.of_file(&file.path, Some(id), false)],
            None => vec![Known {
                path: None,
                facts: facts::of_track(&self.draft, id, path),
            }],
        };
        let duplicates = input.identities.duplicates.get(id);
        for path in duplicates.into_iter().flatten() {
            known.push(self.of_file(path, Some(id), true));
        }
        known
    }

    /// A file of the library; `None` when it has none of that path.
    #[must_use]
    pub fn file(&self, path: &MediaPath) -> Option<Known> {
        let path = &self.draft.index.file(path)?.path;
        let input = self.draft.input;
        let mut matches = input.identities.matches.iter();
        let matched = matches.find(|(_, found)| found.path == *path);
        let row = input.observation.state.files.get(path);
        let track = matched
            .map(|(id, _)| id)
            .or_else(|| row.and_then(|row| row.track.as_ref()));
        let is_duplicate = |id: &TrackId| {
            let duplicates = input.identities.duplicates.get(id);
            duplicates.is_some_and(|paths| paths.contains(path))
        };
        Some(self.of_file(path, track, track.is_some_and(is_duplicate)))
    }

    /// A playlist that TIDAL has or that is remembered.
    #[must_use]
    pub fn playlist(&self, id: &PlaylistId) -> Option<Facts> {
        let input = self.draft.input;
        let wanted = input.desired.playlists.get(id).map(|list| &list.name);
        let row = input.observation.state.playlists.get(id);
        let mut read = input.observation.tidal.value.playlists.iter();
        let read = read.find(|list| list.id == *id).map(|list| &list.name);
        let name = wanted.or(read).or_else(|| row.map(|row| &row.name))?;
        let gone = wanted.is_none() && read.is_none();
        Some(Facts::from([
            ("playlist.name", Fact::Text(name.clone())),
            ("playlist.id", Fact::Text(id.to_string())),
            ("playlist.emoji", Fact::Texts(emoji::emoji_of(name))),
            ("playlist.removed", Fact::Flag(gone)),
        ]))
    }

    /// Every track that is wanted or remembered, and every file of theirs.
    #[must_use]
    pub fn all(&self) -> Vec<Facts> {
        let input = self.draft.input;
        let remembered = input.observation.state.tracks.keys();
        let ids: BTreeSet<&TrackId> = input.desired.tracks.keys().chain(remembered).collect();
        let known = ids.into_iter().flat_map(|id| self.track(id));
        known.map(|known| known.facts).collect()
    }

    fn of_file(&self, path: &MediaPath, track: Option<&TrackId>, duplicate: bool) -> Known {
        let mut known = match self.draft.index.file(path) {
            Some(file) => facts::of_file(&self.draft, file, track),
            None => Facts::new(),
        };
        known.insert("file.duplicate", Fact::Flag(duplicate));
        let row = self.draft.input.observation.state.files.get(path);
        let role = row.is_some_and(|row| row.role == FileRole::Track);
        let spare = role && !self.needed.contains(path);
        let orphan = track.is_some_and(|id| spare && !self.is_needed(id));
        known.insert("file.orphan", Fact::Flag(orphan));
        Known {
            path: Some(path.clone()),
            facts: known,
        }
    }

    fn is_needed(&self, track: &TrackId) -> bool {
        removals::is_needed(&self.draft, &self.kept, track)
    }
}
