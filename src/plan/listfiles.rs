//! The playlist file of each playlist: where it lies, and whether it says what it shall.

use foldhash::{HashMap, HashMapExt as _};
use rayon::prelude::*;

use crate::{
    desired::DesiredPlaylist,
    domain::{
        Class, ContentHash, LinkForm, MediaPath, PlaylistId, Track, TrackId,
        state::{FileRole, FileRow},
    },
    plan::{
        document::{At, Effect, Hashed, Link, Precondition},
        draft::{Draft, FilePlan, act},
        m3u8,
        playlists::{class_of, subject},
    },
    policy::SyncMode,
};

/// What the playlist files of a plan are decided from.
pub(super) struct ListFiles<'d> {
    /// The playlist file of ours of each playlist; the first in path order.
    own: HashMap<&'d PlaylistId, &'d FileRow>,
    /// Who shall have the playlist file at a path.
    heirs: HashMap<&'d MediaPath, &'d DesiredPlaylist>,
    /// What each file shall say; `None`: that is known after the downloads only.
    texts: HashMap<&'d PlaylistId, Option<Text>>,
}

/// What a playlist file shall say; only its hash is kept.
#[derive(Clone, Copy)]
struct Text {
    sha256: ContentHash,
    /// It names no file.
    is_empty: bool,
}

impl<'d> ListFiles<'d> {
    pub(super) fn new(draft: &Draft<'d>) -> Self {
        let input = draft.input;
        let mut own = HashMap::new();
        for file in input.observation.state.files.values() {
            if let (true, Some(playlist)) = (is_list_of_ours(file), &file.playlist) {
                own.entry(playlist).or_insert(file);
            }
        }
        let lists = input.desired.playlists.values();
        let ours: Vec<&DesiredPlaylist> = lists
            .filter(|list| draft.in_scope(&list.id) && list.mode != SyncMode::Observe)
            .collect();
        let mut heirs = HashMap::new();
        for list in &ours {
            if let Some(path) = &list.m3u8 {
                heirs.entry(path).or_insert(*list);
            }
        }
        let mut files = Self {
            own,
            heirs,
            texts: HashMap::new(),
        };
        if files.heirs.is_empty() {
            return files;
        }
        // Both have the same tracks in the same order.
        let wanted = input.desired.tracks.values();
        let places: HashMap<&TrackId, (&Track, &FilePlan)> = wanted
            .zip(&draft.tracks)
            .map(|(want, (id, planned))| (id, (&*want.track, &planned.file)))
            .collect();
        let roots = &input.observation.roots;
        let texts = ours.par_iter().filter_map(|list| {
            let mut lines = Vec::with_capacity(list.entries.len());
            for track in &list.entries {
                match places.get(track) {
                    Some((track, FilePlan::At(path))) => lines.push((*track, path)),
                    Some((_, FilePlan::Fetched(_))) => return Some((&list.id, None)),
                    Some((_, FilePlan::None)) | None => {}
                }
            }
            let at = list.m3u8.as_ref()?;
            let text = m3u8::render(&list.name, at, lines.iter().copied(), roots);
            let text = Text {
                sha256: ContentHash::of(text.as_bytes()),
                is_empty: lines.is_empty(),
            };
            Some((&list.id, Some(text)))
        });
        files.texts = texts.collect();
        files
    }

    /// The playlist file that becomes this playlist's, at `path`: as a rule its own. Where playlists take
    /// over names from each other, the one that lies there already, whosesoever it was; and who finds
    /// nothing at the new name gets the one that nobody else takes over.
    fn source(
        &self,
        draft: &Draft<'d>,
        playlist: &DesiredPlaylist,
        path: &MediaPath,
    ) -> Option<&'d FileRow> {
        let files = &draft.input.observation.state.files;
        let left = |file: &FileRow| {
            let list = file.playlist.as_ref().filter(|_| is_list_of_ours(file));
            let list = list.and_then(|id| draft.input.desired.playlists.get(id));
            list.is_some_and(|list| {
                draft.in_scope(&list.id)
                    && list.mode != SyncMode::Observe
                    && list.m3u8.as_ref() != Some(&file.path)
            })
        };
        if let Some(there) = files.get(path).filter(|file| left(file)) {
            return Some(there);
        }
        let mut from = *self.own.get(&playlist.id)?;
        if from.path == *path {
            return Some(from);
        }
        while let Some(heir) = self.heirs.get(&from.path) {
            from = self.own.get(&heir.id)?;
        }
        Some(from)
    }
}

/// Plans the playlist file: moved with its folder, and written anew where it says something else.
pub(super) fn plan_m3u8<'d>(
    draft: &mut Draft<'d>,
    playlist: &DesiredPlaylist,
    files: &ListFiles<'d>,
) {
    let Some(path) = &playlist.m3u8 else { return };
    let observation = draft.input.observation;
    let library = &observation.library.value;
    let from = files.source(draft, playlist, path);
    let is_own = from.is_none_or(|row| row.playlist.as_ref() == Some(&playlist.id));
    let old = from.and_then(|row| library.sidecar(&row.path));
    let mut placed = None;
    if let Some(old) = old.filter(|old| &old.path != path) {
        let pre = Precondition::File {
            path: old.path.clone(),
            size: old.stat.size,
            mtime: old.stat.mtime,
            sha256: Some(old.hash),
        };
        let effect = Effect::FilePlace {
            before: At {
                path: old.path.clone(),
                home: None,
            },
            after: At {
                path: path.clone(),
                home: None,
            },
        };
        let action = act(Class::Move, effect, subject(playlist))
            .under(&playlist.id)
            .provided([pre, Precondition::Vacant { path: path.clone() }])
            .because(
                "library.sharing",
                "the playlist's folder has another name now",
            );
        placed = Some(draft.push(action));
    }
    let text = files.texts.get(&playlist.id).copied().flatten();
    let before = old.map(|old| Hashed { sha256: old.hash });
    let same = text.map(|text| text.sha256);
    if before.as_ref().map(|hashed| hashed.sha256) == same && same.is_some() {
        return;
    }
    if before.is_none() && text.is_some_and(|text| text.is_empty) {
        return;
    }
    let row = observation.state.playlists.get(&playlist.id);
    let class = match class_of(row, &playlist.entries) {
        Class::Additive if is_own => Class::Additive,
        _ if before.is_none() => Class::Additive,
        Class::Additive
        | Class::Move
        | Class::Change
        | Class::Remove
        | Class::Destructive
        | Class::Tidal => Class::Change,
    };
    let pre = match (&before, &placed, old) {
        (None, _, _) => Some(Precondition::Vacant { path: path.clone() }),
        (Some(hashed), None, Some(old)) => Some(Precondition::File {
            path: path.clone(),
            size: old.stat.size,
            mtime: old.stat.mtime,
            sha256: Some(hashed.sha256),
        }),
        _ => None,
    };
    let after = Link {
        form: LinkForm::M3u8,
        path: path.clone(),
        playlist: playlist.id.clone(),
        of: None,
    };
    let action = act(class, Effect::FileLink { before, after }, subject(playlist))
        .under(&playlist.id)
        .provided(pre)
        .because("library.sharing", "the playlist file follows the playlist")
        .after(placed);
    draft.push(action);
}

fn is_list_of_ours(file: &FileRow) -> bool {
    file.role == FileRole::Playlist && file.provenance.is_ours()
}
