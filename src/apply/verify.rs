//! Whether the world still is what a plan was made for. Reads, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    time::Duration,
};

use jiff::Timestamp;

use super::{ApplyError, select::chosen};
use crate::{
    domain::{
        ActionId, ApplyId, Collection, ContentHash, FileStat, MediaPath, NodeId, PlaylistEntry,
        TidalReading, TrackId, text::nfc,
    },
    edge::{
        local::{LocalError, LocalReader},
        rekordbox::{Probe, RekordboxReader, RowEdits},
        store::{ApplyStatus, OperationRow, StateReader},
    },
    plan::{
        canonical,
        document::{Action, Effect, Mode, NodeAt, Plan, Precondition, Reversal},
    },
    record::{Intent, PostImage, PreImage, image, image_hash, names::standing, rows::compose},
};

/// Extensions, in both cases, that a file of a given stem may have.
pub(super) const AUDIO_EXTENSIONS: [&str; 26] = [
    "mp3", "m4a", "mp4", "aac", "alac", "flac", "wav", "wave", "aif", "aiff", "aifc", "ogg", "oga",
    "opus", "MP3", "M4A", "MP4", "AAC", "ALAC", "FLAC", "WAV", "AIF", "AIFF", "OGG", "OGA", "OPUS",
];

/// The names that an audio file of this stem may have, without that of the file which it replaces (where
/// case counts for nothing, that has several).
pub(super) fn names_of(
    stem: &MediaPath,
    but: Option<&MediaPath>,
) -> impl Iterator<Item = MediaPath> {
    let names = AUDIO_EXTENSIONS.iter();
    let names = names.map(|extension| stem.with_appended_extension(extension));
    let is_old = move |path: &MediaPath| {
        but.is_some_and(|old| old.as_str().eq_ignore_ascii_case(path.as_str()))
    };
    names.filter(move |path| !is_old(path))
}

/// What a plan is held against, besides the worlds.
#[derive(Clone, Copy, Debug)]
pub struct Verification<'a> {
    /// The policy file's hash now; `None`: not compared.
    pub policy: Option<&'a ContentHash>,
    /// `[safety] plan_max_age`.
    pub max_age: Option<Duration>,
    /// The time.
    pub now: Timestamp,
    /// A fresh reading of TIDAL, of the managed playlists only; what needs it is refused without.
    pub tidal: Option<&'a TidalReading>,
}

/// Something that is not as the plan says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// TC401 the world, the library or the state is another; TC402 the plan was edited; TC403 the
    /// policy changed; TC404 the plan is too old; TC405 it is applied already; TC101 and TC103 as
    /// everywhere.
    pub code: &'static str,
    /// The action whose precondition it is.
    pub action: Option<ActionId>,
    /// Whom that is about.
    pub label: String,
    /// What is different.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.label.is_empty() {
            true => write!(f, "{}: {}", self.code, self.text),
            false => write!(f, "{}: {}: {}", self.code, self.label, self.text),
        }
    }
}

/// Checks a plan against the world: first the plan itself and its review, then library and lineage,
/// the policy, whether it was applied already, its age, and last all preconditions of all actions
/// that are not left out. The first of these that fails decides; of preconditions all that fail are
/// told.
///
/// # Errors
/// When a world cannot be read.
pub async fn verify<L: LocalReader, R: RekordboxReader, S: StateReader>(
    plan: &Plan,
    local: &L,
    rekordbox: Option<&R>,
    store: &S,
    asked: &Verification<'_>,
) -> Result<Vec<Violation>, ApplyError> {
    if canonical::digest(&plan.body) != plan.digest {
        return Ok(vec![general(
            "TC402",
            "the plan was changed after it was made",
        )]);
    }
    let actions = match chosen(plan) {
        Ok(actions) => actions,
        Err(ApplyError::Stale(violations)) => return Ok(violations),
        Err(error) => return Err(error),
    };
    let meta = store.meta().await?;
    let base = &plan.body.base;
    let canary = local.canary()?;
    if canary.is_none() {
        return Ok(vec![general("TC101", "the library marker cannot be found")]);
    }
    let other_library = canary != base.library_id || meta.library_id != base.library_id;
    if other_library || meta.lineage != base.lineage || meta.schema_version != base.schema_version {
        return Ok(vec![general(
            "TC401",
            "the plan is for another library or state",
        )]);
    }
    // What an undo takes back was approved under the policy of its own time.
    let policy = asked.policy.filter(|_| plan.body.mode != Mode::Undo);
    if policy.is_some_and(|policy| *policy != plan.body.inputs.policy.sha256) {
        return Ok(vec![general(
            "TC403",
            "the policy changed since the plan was made",
        )]);
    }
    for row in store.applies().await? {
        if row.digest == plan.digest && row.status != ApplyStatus::Undone {
            let text = format!("the plan was applied already (apply {})", row.id);
            return Ok(vec![general("TC405", &text)]);
        }
    }
    if let Some(text) = too_old(plan, asked) {
        return Ok(vec![general("TC404", &text)]);
    }
    if meta.serial != base.serial {
        return Ok(vec![general(
            "TC401",
            "something was applied since the plan was made",
        )]);
    }
    preconditions(plan, &actions, local, rekordbox, store, asked).await
}

fn too_old(plan: &Plan, asked: &Verification<'_>) -> Option<String> {
    let (made, limit) = (plan.meta.generated_at?, asked.max_age?);
    let age = asked.now.duration_since(made);
    let age = Duration::try_from(age).unwrap_or_default();
    (age > limit).then(|| {
        let hours = |duration: Duration| duration.as_secs() / 3600;
        format!(
            "the plan is {} h old, {} h are allowed",
            hours(age),
            hours(limit)
        )
    })
}

async fn preconditions<L: LocalReader, R: RekordboxReader, S: StateReader>(
    plan: &Plan,
    actions: &[&Action],
    local: &L,
    rekordbox: Option<&R>,
    store: &S,
    asked: &Verification<'_>,
) -> Result<Vec<Violation>, ApplyError> {
    let all = || {
        actions
            .iter()
            .flat_map(|action| action.pre.iter().map(move |pre| (*action, pre)))
    };
    let collection = match rekordbox {
        Some(rekordbox) if all().any(|(_, pre)| is_of_rekordbox(pre)) => {
            Some(rekordbox.read().await?.value)
        }
        _ => None,
    };
    let shelf = collection
        .as_ref()
        .map(|found| Shelf::new(found, local.roots()));
    // What an earlier action of the plan brings there is looked at once it has.
    let mut brought: BTreeSet<&MediaPath> = BTreeSet::new();
    let mut comes: BTreeSet<(&ActionId, &MediaPath)> = BTreeSet::new();
    for action in actions {
        for pre in &action.pre {
            if let Precondition::File { path, .. } = pre
                && brought.contains(path)
            {
                comes.insert((&action.id, path));
            }
        }
        match &action.effect {
            Effect::FileRestore { after, .. } | Effect::FilePlace { after, .. } => {
                brought.insert(&after.path);
            }
            _ => {}
        }
    }
    let mut violations = Vec::new();
    let mut reversals = Vec::new();
    let mut hashes = BTreeMap::new();
    let mut unread = Vec::new();
    for (action, pre) in all() {
        let text = match pre {
            Precondition::File { path, .. } if comes.contains(&(&action.id, path)) => None,
            Precondition::File {
                path,
                size,
                mtime,
                sha256,
            } => {
                let known = (*size, *mtime);
                let text = file_violation(local, path, known, sha256.as_ref(), &mut hashes)?;
                if text.is_none() && sha256.is_none() {
                    unread.push((action, path));
                }
                text
            }
            Precondition::Vacant { path } => local
                .stat(path)?
                .map(|_| format!("something is at {path} now")),
            Precondition::VacantStem { stem, but } => occupied_stem(local, stem, but.as_ref())?,
            Precondition::DesiredAbsent { track, .. } => desired(asked.tidal, track),
            Precondition::PlaylistAbsent { playlist } => match complete(asked.tidal) {
                Err(text) => Some(text),
                Ok(reading) => reading
                    .playlist(playlist)
                    .map(|found| format!("the playlist {} is in TIDAL again", found.name)),
            },
            Precondition::TidalList {
                playlist,
                count,
                sha256,
            } => {
                let list = asked.tidal.and_then(|reading| reading.playlist(playlist));
                match list.filter(|list| list.complete) {
                    Some(list) => list_violation(&list.name, &list.items, *count, sha256),
                    None => Some("TIDAL was not asked again for the playlist".to_owned()),
                }
            }
            Precondition::AsLeft { reversal } => {
                reversals.push((action, reversal));
                None
            }
            Precondition::Content { .. }
            | Precondition::ContentFields { .. }
            | Precondition::NoContent { .. }
            | Precondition::Node { .. }
            | Precondition::Entries { .. } => match &shelf {
                Some(shelf) => shelf.violation(pre),
                None => Some("Rekordbox cannot be looked at".to_owned()),
            },
        };
        if let Some(text) = text {
            let code = match pre {
                Precondition::DesiredAbsent { .. } | Precondition::PlaylistAbsent { .. }
                    if complete(asked.tidal).is_err() =>
                {
                    "TC103"
                }
                _ => "TC401",
            };
            violations.push(about(code, action, text));
        }
    }
    violations.extend(touched(&unread, local, store, plan.meta.generated_at).await?);
    violations.extend(as_left(&reversals, local, rekordbox, store).await?);
    Ok(violations)
}

const fn is_of_rekordbox(pre: &Precondition) -> bool {
    matches!(
        pre,
        Precondition::Content { .. }
            | Precondition::ContentFields { .. }
            | Precondition::NoContent { .. }
            | Precondition::Node { .. }
            | Precondition::Entries { .. }
    )
}

fn file_violation(
    local: &impl LocalReader,
    path: &MediaPath,
    known: (u64, (i64, u32)),
    sha256: Option<&ContentHash>,
    hashes: &mut BTreeMap<MediaPath, ContentHash>,
) -> Result<Option<String>, ApplyError> {
    let Some(stat) = local.stat(path)? else {
        return Ok(Some(format!("{path} is gone")));
    };
    if !is_unchanged(&stat, known.0, known.1) {
        return Ok(Some(format!("{path} changed")));
    }
    let Some(expected) = sha256 else {
        return Ok(None);
    };
    let found = match hashes.get(path) {
        Some(hash) => *hash,
        None => {
            let hash = local.hash(path)?;
            hashes.insert(path.clone(), hash);
            hash
        }
    };
    Ok((found != *expected).then(|| format!("the content of {path} changed")))
}

/// Files that only move are not read. But whoever edits one and sets its time back cannot set back when it
/// was last changed in any way: where that is after the plan was made, the content is compared with what
/// we wrote there.
async fn touched<L: LocalReader, S: StateReader>(
    unread: &[(&Action, &MediaPath)],
    local: &L,
    store: &S,
    made: Option<Timestamp>,
) -> Result<Vec<Violation>, ApplyError> {
    let Some(made) = made.map(|made| (made.as_second(), made.subsec_nanosecond())) else {
        return Ok(Vec::new());
    };
    let mut doubtful = Vec::new();
    for (action, path) in unread {
        let stat = local.stat(path)?;
        let is_later =
            |stat: &FileStat| (stat.ctime.0, i64::from(stat.ctime.1)) > (made.0, made.1.into());
        if let Some(stat) = stat.filter(is_later) {
            doubtful.push((*action, *path, stat.size));
        }
    }
    if doubtful.is_empty() {
        return Ok(Vec::new());
    }
    let state = store.state().await?;
    let mut violations = Vec::new();
    for (action, path, size) in doubtful {
        let known = state.files.get(path).filter(|row| row.size == size);
        if let Some(known) = known.and_then(|row| row.hash)
            && local.hash(path)? != known
        {
            let text = format!("the content of {path} changed");
            violations.push(about("TC401", action, text));
        }
    }
    Ok(violations)
}

fn occupied_stem(
    local: &impl LocalReader,
    stem: &MediaPath,
    but: Option<&MediaPath>,
) -> Result<Option<String>, LocalError> {
    for path in names_of(stem, but) {
        if local.stat(&path)?.is_some() {
            return Ok(Some(format!("{path} exists now")));
        }
    }
    Ok(None)
}

/// Whether the list in TIDAL is another one by now.
fn list_violation(
    name: &str,
    items: &[PlaylistEntry],
    count: usize,
    sha256: &ContentHash,
) -> Option<String> {
    let ids = items.iter().map(PlaylistEntry::own_id);
    let same = items.len() == count && canonical::entries_hash(ids) == *sha256;
    (!same).then(|| format!("the playlist {name} was changed in TIDAL"))
}

fn complete(reading: Option<&TidalReading>) -> Result<&TidalReading, String> {
    let reading = reading.ok_or("TIDAL was not asked again, so nothing may be removed")?;
    let whole = reading.complete && reading.playlists.iter().all(|playlist| playlist.complete);
    match whole {
        true => Ok(reading),
        false => Err("TIDAL could not be read to the end, so nothing may be removed".to_owned()),
    }
}

fn desired(reading: Option<&TidalReading>, track: &TrackId) -> Option<String> {
    let reading = match complete(reading) {
        Ok(reading) => reading,
        Err(text) => return Some(text),
    };
    let in_favorites = reading
        .favorites
        .iter()
        .flatten()
        .any(|entry| entry.id == *track);
    let holder = reading
        .playlists
        .iter()
        .find(|playlist| playlist.tracks().any(|entry| entry.id == *track));
    match (holder, in_favorites) {
        (Some(playlist), _) => Some(format!("the track is in {} again", playlist.name)),
        (None, true) => Some("the track is a favourite again".to_owned()),
        (None, false) => None,
    }
}

/// Undo: everything that was recorded is still as it was left.
async fn as_left<L: LocalReader, R: RekordboxReader, S: StateReader>(
    reversals: &[(&Action, &Reversal)],
    local: &L,
    rekordbox: Option<&R>,
    store: &S,
) -> Result<Vec<Violation>, ApplyError> {
    let applies: BTreeSet<ApplyId> = reversals.iter().map(|(_, r)| r.apply).collect();
    let mut violations = Vec::new();
    for apply in applies {
        let mut operations = store.operations(apply).await?;
        by_execution(&mut operations);
        let wanted: BTreeMap<&ActionId, (&Action, &Reversal)> = reversals
            .iter()
            .filter(|(_, reversal)| reversal.apply == apply)
            .map(|(action, reversal)| (&reversal.action, (*action, *reversal)))
            .collect();
        let mut rows = Vec::new();
        let mut found = BTreeSet::new();
        for operation in &operations {
            let Some((action, reversal)) = wanted.get(&operation.action_id) else {
                continue;
            };
            found.insert(&operation.action_id);
            if image_hash(operation) != reversal.image {
                violations.push(about(
                    "TC401",
                    action,
                    "the journal has another image".to_owned(),
                ));
            }
            if let Some(text) = moved_since(operation, local)? {
                violations.push(about("TC401", action, text));
            }
            rows.extend(staged_rows(operation));
        }
        for (id, (action, _)) in &wanted {
            if !found.contains(id) {
                let text = "the journal does not have what is to be taken back".to_owned();
                violations.push(about("TC401", action, text));
            }
        }
        if let (Some(rekordbox), false) = (rekordbox, rows.is_empty()) {
            let sum = standing(compose(&rows));
            if !sum.0.is_empty() && rekordbox.probe(&sum).await? != Probe::After {
                let text = "rows of Rekordbox changed since they were written";
                violations.push(general("TC401", text));
            }
        }
    }
    Ok(violations)
}

/// A file that an action left somewhere is there, by size and time.
fn moved_since(
    operation: &OperationRow,
    local: &impl LocalReader,
) -> Result<Option<String>, ApplyError> {
    let image: Option<PostImage> = image::from_value(operation.post_image.as_ref());
    let Some(image) = image else {
        return Ok(None);
    };
    let Some(file) = image.file() else {
        return Ok(None);
    };
    let stat = local.stat(&file.path)?;
    Ok(match stat {
        Some(stat) if is_unchanged(&stat, file.size, file.mtime) => None,
        Some(_) => Some(format!("{} changed", file.path)),
        None => None,
    })
}

/// The order in which operations were carried out.
pub(crate) fn by_execution(operations: &mut [OperationRow]) {
    operations.sort_by_key(|operation| (operation.completed_at, operation.seq));
}

pub(crate) fn staged_rows(operation: &OperationRow) -> Option<RowEdits> {
    let image: PreImage = image::from_value(operation.pre_image.as_ref())?;
    match image.intent {
        Intent::Rows(staged) => Some(staged.rows),
        _ => None,
    }
}

/// A collection, ready to be asked for paths.
pub(super) struct Shelf<'a> {
    collection: &'a Collection,
    roots: &'a [PathBuf],
    paths: BTreeSet<String>,
}

impl<'a> Shelf<'a> {
    pub(super) fn new(collection: &'a Collection, roots: &'a [PathBuf]) -> Self {
        let paths = collection
            .contents
            .values()
            .map(|content| nfc(&content.folder_path));
        Self {
            paths: paths.collect(),
            collection,
            roots,
        }
    }

    /// What is not as the precondition says; `None` also for one that is not about Rekordbox.
    pub(super) fn violation(&self, pre: &Precondition) -> Option<String> {
        match pre {
            Precondition::Content { id, path } => match self.collection.contents.get(id) {
                None => Some(format!("row {id} is gone from Rekordbox")),
                Some(row) if self.stored(path) != Some(nfc(&row.folder_path)) => {
                    Some(format!("Rekordbox has it at {} now", row.folder_path))
                }
                Some(_) => None,
            },
            Precondition::ContentFields { fields } => {
                let Some(row) = self.collection.contents.get(&fields.content) else {
                    return Some(format!("row {} is gone from Rekordbox", fields.content));
                };
                // The plan writes what a row does not have as empty, a year as 0.
                let same = |known: &Option<String>, now: Option<&str>| {
                    let now = now.unwrap_or_default();
                    known.as_ref().is_none_or(|known| known == now)
                };
                let unchanged = same(&fields.title, Some(&row.title))
                    && same(&fields.artist, row.artist.as_deref())
                    && same(&fields.album, row.album.as_deref())
                    && fields.year.is_none_or(|year| year == row.year.unwrap_or(0));
                (!unchanged).then(|| "somebody changed its fields in Rekordbox".to_owned())
            }
            Precondition::NoContent { path } => self
                .stored(path)
                .filter(|path| self.paths.contains(path))
                .map(|path| format!("Rekordbox has {path} already")),
            Precondition::Node { node } => self.node_violation(node),
            Precondition::Entries { id, count, sha256 } => {
                let Some(node) = self.collection.nodes.get(id) else {
                    return Some(format!("playlist {id} is gone from Rekordbox"));
                };
                let ids = node.entries.iter().map(|entry| entry.content.as_str());
                let same = node.entries.len() == *count && canonical::entries_hash(ids) == *sha256;
                (!same).then(|| format!("the playlist {} was changed in Rekordbox", node.name))
            }
            Precondition::File { .. }
            | Precondition::Vacant { .. }
            | Precondition::VacantStem { .. }
            | Precondition::DesiredAbsent { .. }
            | Precondition::PlaylistAbsent { .. }
            | Precondition::TidalList { .. }
            | Precondition::AsLeft { .. } => None,
        }
    }

    /// The path as Rekordbox stores it.
    fn stored(&self, path: &MediaPath) -> Option<String> {
        let absolute = path.below(self.roots)?;
        Some(nfc(&absolute.to_string_lossy().replace('\\', "/")))
    }

    fn node_violation(&self, known: &NodeAt) -> Option<String> {
        let Some(node) = self.collection.nodes.get(&known.id) else {
            return Some(format!("{} is gone from Rekordbox", known.name));
        };
        let mut folder = Vec::new();
        let mut parent: Option<&NodeId> = node.parent.as_ref();
        // No tree is deeper; a circle in a damaged one ends here.
        while let Some(found) = parent.and_then(|id| self.collection.nodes.get(id)) {
            folder.push(found.name.as_str());
            parent = found.parent.as_ref().filter(|_| folder.len() < 100);
        }
        folder.reverse();
        (node.name != known.name || folder != known.folder)
            .then(|| format!("{} has another name or place in Rekordbox", known.name))
    }
}

/// Whether size and time are as they were.
pub(super) const fn is_unchanged(stat: &FileStat, size: u64, mtime: (i64, u32)) -> bool {
    stat.size == size && stat.mtime.0 == mtime.0 && stat.mtime.1 == mtime.1
}

/// The folders on the way to `path` that are not there, outermost first.
pub(super) fn missing_folders(
    local: &impl LocalReader,
    path: &MediaPath,
) -> Result<Vec<MediaPath>, LocalError> {
    let mut missing = Vec::new();
    for folder in std::iter::successors(path.parent(), MediaPath::parent) {
        if local.stat(&folder)?.is_some() {
            break;
        }
        missing.push(folder);
    }
    missing.reverse();
    Ok(missing)
}

fn general(code: &'static str, text: &str) -> Violation {
    Violation {
        code,
        action: None,
        label: String::new(),
        text: text.to_owned(),
    }
}

fn about(code: &'static str, action: &Action, text: String) -> Violation {
    Violation {
        code,
        action: Some(action.id.clone()),
        label: action.subject.label.clone(),
        text,
    }
}
