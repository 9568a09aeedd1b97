//! What stands on the shelf and should perhaps not, or should and does not: duplicates, orphans and
//! missing files, with the evidence and with what the policy makes of each.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    domain::{
        AudioFile, ContentHash, MediaPath, Provenance, TrackId,
        state::{FileRole, FileRow},
    },
    plan::{
        PlanInput, document::Effect, draft::Draft, playlists, removals, tracks, tracks::is_below,
    },
};

/// The three lists, and what else the plan would do about them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shelf {
    /// Groups of files with the same content, or of the same recording.
    pub duplicates: Vec<Group>,
    /// Files that no playlist needs: of TIDAL, local, or of Rekordbox.
    pub orphans: Vec<Orphan>,
    /// Files that are known and not there, although their volume is.
    pub missing: Vec<Missing>,
    /// Whether every folder could be read; only then are orphans and missing files all there are.
    pub complete: bool,
}

/// Files that are one and the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// `content`: the same bytes; `recording`: the same recording in several files.
    pub same: &'static str,
    /// The track that they are, where they are one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<TrackId>,
    /// `Artist – Title`, or the first file's name.
    pub label: String,
    /// The best first; it stays.
    pub files: Vec<Copy>,
}

/// One of several files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copy {
    pub path: MediaPath,
    pub bytes: u64,
    pub provenance: Provenance,
    /// Whether it is the file of its track.
    pub linked: bool,
    /// What speaks for and against it: format, bit rate, hash, the DJ's work.
    pub evidence: Vec<String>,
    /// What the policy makes of it.
    pub policy: String,
}

/// A file that nothing needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Orphan {
    pub path: MediaPath,
    pub bytes: u64,
    pub provenance: Provenance,
    pub evidence: Vec<String>,
    /// What the policy makes of it.
    pub policy: String,
}

/// A file that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    pub path: MediaPath,
    pub provenance: Provenance,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<TrackId>,
    pub label: String,
    pub evidence: Vec<String>,
    /// What the policy makes of it.
    pub policy: String,
}

/// Looks at the whole library. Also names the files whose hash must be known first.
#[must_use]
pub fn shelf(input: &PlanInput<'_>) -> (Shelf, BTreeSet<MediaPath>) {
    let mut draft = Draft::new(input);
    tracks::plan_tracks(&mut draft);
    playlists::plan_playlists(&mut draft);
    removals::plan_removals(&mut draft);
    let mut unhashed = std::mem::take(&mut draft.unhashed);
    let twins = twins(&input.observation.library.value.files, &mut unhashed);
    let fetched = fetched(&draft);
    let shelf = Shelf {
        duplicates: duplicates(&draft, &twins),
        orphans: orphans(&draft),
        missing: missing(&draft, &fetched),
        complete: input.observation.library.is_complete() && input.observation.tidal.value.complete,
    };
    (shelf, unhashed)
}

/// Files of equal content, by hash. Only files that agree in everything that is known without reading
/// them are worth a hash; hard links are one file.
fn twins<'a>(
    files: &'a [AudioFile],
    unhashed: &mut BTreeSet<MediaPath>,
) -> BTreeMap<ContentHash, Vec<&'a AudioFile>> {
    let mut alike: BTreeMap<(u64, Option<u64>), Vec<&AudioFile>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.stat.size > 0) {
        let key = (file.stat.size, file.duration_ms);
        alike.entry(key).or_default().push(file);
    }
    let mut twins: BTreeMap<ContentHash, Vec<&AudioFile>> = BTreeMap::new();
    for group in alike.into_values().filter(|group| group.len() > 1) {
        let mut inodes = BTreeSet::new();
        let mut tagged: BTreeMap<String, Vec<&AudioFile>> = BTreeMap::new();
        for file in group {
            let inode = (file.stat.device, file.stat.inode);
            if file.stat.inode == 0 || inodes.insert(inode) {
                let tags = format!("{:?}", file.tags);
                tagged.entry(tags).or_default().push(file);
            }
        }
        for file in tagged.into_values().filter(|same| same.len() > 1).flatten() {
            match file.hash {
                Some(hash) => twins.entry(hash).or_default().push(file),
                None => drop(unhashed.insert(file.path.clone())),
            }
        }
    }
    twins.retain(|_, files| files.len() > 1);
    twins
}

/// Tracks that the plan downloads, or why it does not.
fn fetched<'a>(draft: &'a Draft<'_>) -> BTreeMap<&'a TrackId, String> {
    let mut told: BTreeMap<&TrackId, String> = BTreeMap::new();
    for action in &draft.actions {
        match (&action.effect, &action.subject.track) {
            (Effect::FileFetch { .. }, Some(track)) => {
                told.insert(track, "downloaded again".to_owned());
            }
            (Effect::StateAdopt { after }, Some(track)) => {
                told.insert(track, format!("found again as {}", after.path));
            }
            _ => {}
        }
    }
    for (track, text) in &draft.unfetched {
        told.insert(track, format!("stays missing: {text}"));
    }
    told
}

fn duplicates(draft: &Draft<'_>, twins: &BTreeMap<ContentHash, Vec<&AudioFile>>) -> Vec<Group> {
    let identities = draft.input.identities;
    let mut told: BTreeSet<MediaPath> = BTreeSet::new();
    let mut groups = Vec::new();
    for (track, paths) in &identities.duplicates {
        let Some(kept) = identities.matches.get(track) else {
            continue;
        };
        let files: Vec<&AudioFile> = std::iter::once(&kept.path)
            .chain(paths)
            .filter_map(|path| draft.index.file(path))
            .collect();
        told.extend(files.iter().map(|file| file.path.clone()));
        let same_bytes = files
            .windows(2)
            .all(|pair| pair[0].hash.is_some() && pair[0].hash == pair[1].hash);
        let want = draft.input.desired.tracks.get(track);
        groups.push(Group {
            same: if same_bytes { "content" } else { "recording" },
            track: Some(track.clone()),
            label: want.map_or_else(|| track.to_string(), |want| want.track.label()),
            files: files
                .iter()
                .map(|file| copy(draft, file, file.path == kept.path))
                .collect(),
        });
    }
    for files in twins.values() {
        if files.iter().all(|file| told.contains(&file.path)) {
            continue;
        }
        let state = &draft.input.observation.state;
        let mut files = files.clone();
        let linked = |file: &AudioFile| {
            let row = state.files.get(&file.path);
            row.is_some_and(|row| row.track.is_some() && row.role == FileRole::Track)
        };
        files.sort_by_key(|file| (!linked(file), file.path.as_str().len(), file.path.clone()));
        groups.push(Group {
            same: "content",
            track: None,
            label: files
                .first()
                .map(|file| file.path.file_stem())
                .unwrap_or_default(),
            files: files
                .iter()
                .map(|file| copy(draft, file, linked(file)))
                .collect(),
        });
    }
    groups.sort_by(|a, b| (&a.label, &a.track).cmp(&(&b.label, &b.track)));
    groups
}

fn copy(draft: &Draft<'_>, file: &AudioFile, linked: bool) -> Copy {
    Copy {
        path: file.path.clone(),
        bytes: file.stat.size,
        provenance: draft.input.observation.state.provenance(&file.path),
        linked,
        evidence: evidence(draft, file),
        policy: match linked {
            true => "stays: it is the track's file".to_owned(),
            false => policy(draft, file),
        },
    }
}

/// What the policy makes of a file that is not needed, in the words of the plan.
fn policy(draft: &Draft<'_>, file: &AudioFile) -> String {
    let state = &draft.input.observation.state;
    if let Some(told) = draft.spare.get(&file.path) {
        return told.clone();
    }
    match state.files.get(&file.path) {
        Some(row) if row.role == FileRole::Copy => "stays: a playlist shares it".to_owned(),
        Some(row) if row.provenance.is_ours() => "stays: nothing asks about it".to_owned(),
        Some(_) | None => "stays: it is yours, and yours is never touched".to_owned(),
    }
}

fn evidence(draft: &Draft<'_>, file: &AudioFile) -> Vec<String> {
    let mut facts = vec![format!("{:?}", file.format).to_lowercase()];
    facts.extend(file.bitrate_kbps.map(|rate| format!("{rate} kbit/s")));
    if let Some(seconds) = file.duration_ms.map(|ms| ms / 1000) {
        facts.push(format!("{}:{:02}", seconds / 60, seconds % 60));
    }
    facts.extend(
        file.hash
            .map(|hash| format!("sha256 {}", &hash.to_string()[..12])),
    );
    if let Some(id) = draft.index.content_at(&file.path) {
        let work = removals::work_text(draft.index.risk(id));
        let lists = draft.index.own_lists(id);
        facts.push("in Rekordbox".to_owned());
        facts.extend((!work.is_empty()).then_some(work));
        facts.extend((lists > 0).then(|| format!("in {lists} playlist(s) of yours")));
    }
    let list = draft.input.observation.local_list_of(&file.path);
    facts.extend(list.map(|list| format!("named by {list}")));
    facts
}

/// Files that are no track of a playlist, and that neither a playlist file nor a Rekordbox playlist has.
fn orphans(draft: &Draft<'_>) -> Vec<Orphan> {
    let input = draft.input;
    let state = &input.observation.state;
    let mut needed: BTreeSet<&MediaPath> = BTreeSet::new();
    needed.extend(input.identities.matches.values().map(|found| &found.path));
    needed.extend(input.identities.duplicates.values().flatten());
    let candidates = input.identities.asks.values().flatten();
    needed.extend(candidates.map(|candidate| &candidate.path));
    let is_listed = |file: &AudioFile| {
        let row = draft.index.content_at(&file.path);
        row.is_some_and(|id| draft.index.lists(id) > 0)
            || input.observation.local_list_of(&file.path).is_some()
    };
    let kept = removals::kept_by_memory(draft);
    let is_kept = |row: &FileRow| {
        let track = row.track.as_ref();
        row.role != FileRole::Track
            || track.is_some_and(|id| input.desired.in_tidal.contains(id) || kept.contains(id))
    };
    let files = input.observation.library.value.files.iter();
    files
        .filter(|file| !needed.contains(&file.path) && !is_listed(file))
        .filter(|file| !state.files.get(&file.path).is_some_and(is_kept))
        .map(|file| {
            let mut evidence = vec![format!(
                "in none of {} TIDAL playlists, no playlist file, no Rekordbox playlist",
                input.observation.tidal.value.playlists.len()
            )];
            let row = state.files.get(&file.path);
            let track = row.and_then(|row| state.tracks.get(row.track.as_ref()?));
            evidence.extend(track.map(|row| format!("it is {}", row.track.label())));
            evidence.extend(self::evidence(draft, file));
            Orphan {
                path: file.path.clone(),
                bytes: file.stat.size,
                provenance: state.provenance(&file.path),
                evidence,
                policy: policy(draft, file),
            }
        })
        .collect()
}

/// Known files that are not there. Where a folder could not be read, or a whole source is away,
/// nothing in it is missing.
fn missing(draft: &Draft<'_>, fetched: &BTreeMap<&TrackId, String>) -> Vec<Missing> {
    let input = draft.input;
    let library = &input.observation.library.value;
    let state = &input.observation.state;
    let present: BTreeSet<usize> = library.files.iter().map(|file| file.path.root()).collect();
    let rows = state.files.values().filter(|row| {
        let away = !row.path.is_in_library() && !present.contains(&row.path.root());
        let unread = library
            .unreadable
            .iter()
            .any(|folder| is_below(&row.path, folder));
        row.role != FileRole::Playlist && draft.index.file(&row.path).is_none() && !away && !unread
    });
    rows.map(|row| {
        let track = row.track.as_ref();
        let known = track.and_then(|id| state.tracks.get(id));
        let want = track.and_then(|id| input.desired.tracks.get(id));
        let mut evidence = vec![format!("{} bytes when last seen", row.size)];
        if let Some(want) = want {
            let names = want.playlists.iter();
            let names = names.filter_map(|id| input.desired.playlists.get(id));
            let names: Vec<&str> = names.map(|list| list.name.as_str()).collect();
            evidence.push(format!("in {}", names.join(", ")));
        }
        if let Some(id) = draft.index.content_at(&row.path) {
            let work = removals::work_text(draft.index.risk(id));
            evidence.push("Rekordbox points at it".to_owned());
            evidence.extend((!work.is_empty()).then_some(work));
        }
        let policy = match (track.and_then(|id| fetched.get(id)), want) {
            (Some(told), _) => told.clone(),
            (None, Some(_)) => "another file stands for it".to_owned(),
            (None, None) => "nothing: no managed playlist has it".to_owned(),
        };
        Missing {
            path: row.path.clone(),
            provenance: row.provenance,
            track: track.cloned(),
            label: known.map_or_else(|| row.path.file_stem(), |row| row.track.label()),
            evidence,
            policy,
        }
    })
    .collect()
}
