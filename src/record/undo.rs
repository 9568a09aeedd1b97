//! Undo: what a run did, read back from the journal as a plan that takes it back.
//!
//! Pure. The world is looked at before (see [`UndoFacts`]): what somebody changed since is held, with
//! everything that would no longer fit, and never overwritten.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    FileImage, Intent, Made, Outcome, PostImage, PreImage, image,
    image::Replaced,
    image_hash,
    rows::{RowKey, key},
    state::reversal,
};
use crate::{
    domain::{
        ActionId, Collection, ContentHash, ContentId, MediaPath, MyTagId, NodeId, PlaylistId,
        State, TrackId,
        state::{ObjectKey, RowChange, StateRow},
    },
    edge::{
        rekordbox::Staged,
        store::{ApplyRow, OperationRow, OperationStatus},
    },
    plan::{
        canonical::{action_id, change_id},
        document::{
            Action, At, Base, Body, ChangeKind, Class, Effect, Estimate, FromTrash, Held, LinkForm,
            Mode, Plan, PlannedChange, PlannedPlaylist, Precondition, Reversal, Subject, Summary,
            Trashed, Undo, Why,
        },
    },
};

/// What the world and the state say now of what a run touched.
#[derive(Clone, Debug, Default)]
pub struct UndoFacts {
    /// The files that are there, of those that the run left or took away.
    pub files: BTreeMap<MediaPath, FileNow>,
    /// Rows of Rekordbox that are not as the run left them.
    pub changed_rows: BTreeSet<RowKey>,
    /// Rekordbox now, to see whether the DJ built on what the run made.
    pub collection: Option<Collection>,
    /// The state now.
    pub state: State,
}

/// A file as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileNow {
    /// Bytes.
    pub size: u64,
    /// Its modification time.
    pub mtime: (i64, u32),
    /// Its content; `None` for a file that was only moved, and is not looked into.
    pub sha256: Option<ContentHash>,
}

impl FileNow {
    fn is(&self, file: &FileImage) -> bool {
        let same = self.sha256.is_none_or(|hash| hash == file.sha256);
        same && self.size == file.size && self.mtime == file.mtime
    }
}

/// The plan that takes the completed operations of a run back, the last one first. `applied` is the
/// run's own plan, `base` the state as it is now.
#[must_use]
pub fn undo_plan(
    apply: &ApplyRow,
    applied: &Plan,
    operations: &[OperationRow],
    facts: &UndoFacts,
    base: Base,
) -> Body {
    let mut steps = steps(applied, operations, facts);
    find_obstacles(&mut steps, facts);
    let mut writer = Writer {
        apply,
        steps: &steps,
        inverse: BTreeMap::new(),
        actions: Vec::new(),
        taken_back: BTreeMap::new(),
        held: Vec::new(),
    };
    for (at, step) in steps.iter().enumerate() {
        writer.inverse.insert(at, effects(apply, step));
    }
    for at in 0..steps.len() {
        writer.write(at);
    }
    let Writer {
        actions,
        taken_back,
        held,
        ..
    } = writer;
    Body {
        mode: Mode::Undo,
        applyable: true,
        complete: true,
        base,
        inputs: applied.body.inputs.clone(),
        playlists: playlists(applied, &steps),
        tracks: applied.body.tracks.clone(),
        changes: changes(applied, &taken_back),
        summary: summary(&actions, &held),
        actions,
        decisions: Vec::new(),
        held,
        drift: Vec::new(),
        checks: Vec::new(),
    }
}

/// A completed operation, newest first.
struct Step<'a> {
    operation: &'a OperationRow,
    action: Option<&'a Action>,
    pre: PreImage,
    post: PostImage,
    /// Steps that depend on this one; they were done later.
    dependents: Vec<usize>,
    /// Of a moved file: the rows that follow it. They are taken back while it has both names.
    followers: Vec<usize>,
    /// Of such a row: the moved file.
    follows: Vec<usize>,
    found: Found,
    obstacle: Option<String>,
}

/// What is there when it is the step's turn.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    /// The file that the step made.
    made: bool,
    /// What it replaced, in the trash.
    replaced: bool,
    /// The moved file under its old name as well.
    old_name: bool,
}

impl Step<'_> {
    fn staged(&self) -> Option<&Staged> {
        match &self.pre.intent {
            Intent::Rows(staged) => Some(staged),
            _ => None,
        }
    }

    fn row_keys(&self) -> impl Iterator<Item = RowKey> {
        let staged = self.staged();
        staged
            .into_iter()
            .flat_map(|staged| staged.rows.0.iter().map(key))
    }

    /// The playlists and folders that the step made or moved: undo takes them away again.
    fn placed_nodes(&self) -> impl Iterator<Item = String> {
        let rows = self.staged().into_iter().flat_map(|staged| &staged.rows.0);
        rows.filter(|row| row.table == "djmdPlaylist")
            .filter(|row| {
                let moved = |image: &serde_json::Map<_, _>| image.contains_key("ParentID");
                row.before.as_ref().is_none_or(moved)
            })
            .map(|row| row.id.clone())
    }

    /// What the rows that the step left refer to, by table: tracks, lists and folders, MyTags.
    fn uses(&self) -> impl Iterator<Item = RowKey> {
        const BY: [(&str, &str); 4] = [
            ("ContentID", "djmdContent"),
            ("PlaylistID", "djmdPlaylist"),
            ("ParentID", "djmdPlaylist"),
            ("MyTagID", "djmdMyTag"),
        ];
        let rows = self.staged().into_iter().flat_map(|staged| &staged.rows.0);
        let left = rows.filter_map(|row| row.after.as_ref());
        left.flat_map(|row| {
            BY.into_iter().filter_map(|(column, table)| {
                let id = row.get(column)?.as_str()?;
                Some((table.to_owned(), id.to_owned()))
            })
        })
    }

    /// The ids that the step inserted into a table.
    fn inserted(&self, table: &'static str) -> impl Iterator<Item = &str> {
        let rows = self.staged().into_iter().flat_map(|staged| &staged.rows.0);
        rows.filter(move |row| row.table == table && row.before.is_none())
            .map(|row| row.id.as_str())
    }
}

fn steps<'a>(
    applied: &'a Plan,
    operations: &'a [OperationRow],
    facts: &UndoFacts,
) -> Vec<Step<'a>> {
    let options = applied
        .body
        .decisions
        .iter()
        .flat_map(|decision| &decision.options);
    let chosen = options.flat_map(|option| &option.actions);
    let actions: BTreeMap<&ActionId, &Action> = chosen
        .chain(&applied.body.actions)
        .map(|action| (&action.id, action))
        .collect();
    let mut done: Vec<&OperationRow> = operations.iter().collect();
    done.sort_by_key(|operation| std::cmp::Reverse((operation.completed_at, operation.seq)));
    let mut steps: Vec<Step<'_>> = done
        .into_iter()
        .filter_map(|operation| {
            let pre: PreImage = image::from_value(operation.pre_image.as_ref())?;
            let post = match operation.status {
                OperationStatus::Completed => image::from_value(operation.post_image.as_ref())?,
                _ => half_placed(&pre, facts)?,
            };
            Some(Step {
                action: actions.get(&operation.action_id).copied(),
                pre,
                post,
                operation,
                dependents: Vec::new(),
                followers: Vec::new(),
                follows: Vec::new(),
                found: Found::default(),
                obstacle: None,
            })
        })
        .collect();
    connect(&mut steps);
    steps
}

/// A file that could not lose its old name after it got the new one: taking that back is all the same.
fn half_placed(pre: &PreImage, facts: &UndoFacts) -> Option<PostImage> {
    let Intent::Place { from, to, stat } = &pre.intent else {
        return None;
    };
    let (size, mtime) = (stat.size, stat.mtime);
    let there = |path| is_file(&facts.files, path, size, mtime);
    (there(from) && there(to)).then(|| PostImage {
        outcome: Outcome::Placed {
            from: from.clone(),
            to: to.clone(),
            size,
            mtime,
        },
        rows: Vec::new(),
    })
}

type Files = BTreeMap<MediaPath, FileNow>;

fn is_file(files: &Files, path: &MediaPath, size: u64, mtime: (i64, u32)) -> bool {
    let found = files.get(path);
    found.is_some_and(|file| file.size == size && file.mtime == mtime)
}

fn connect(steps: &mut [Step<'_>]) {
    let at: BTreeMap<ActionId, usize> = steps
        .iter()
        .enumerate()
        .map(|(at, step)| (step.operation.action_id.clone(), at))
        .collect();
    for later in 0..steps.len() {
        let needs = steps[later].action.map(|action| action.depends_on.clone());
        for need in needs.unwrap_or_default() {
            let Some(earlier) = at.get(&need).copied() else {
                continue;
            };
            // A playlist file waits for its tracks, but nothing of theirs hangs on it; its own move
            // does.
            let playlist_file = steps[later]
                .action
                .and_then(|action| playlist_file(&action.effect));
            let own_move = matches!(
                &steps[earlier].post.outcome,
                Outcome::Placed { to, .. } if Some(to) == playlist_file
            );
            if playlist_file.is_some() && !own_move {
                continue;
            }
            let placed = matches!(steps[earlier].post.outcome, Outcome::Placed { .. });
            let rows = matches!(steps[later].post.outcome, Outcome::Rows);
            if placed && rows {
                steps[earlier].followers.push(later);
                steps[later].follows.push(earlier);
            } else {
                steps[earlier].dependents.push(later);
            }
        }
    }
}

/// The playlist file that it writes.
fn playlist_file(effect: &Effect) -> Option<&MediaPath> {
    match effect {
        Effect::FileLink { after, .. } if after.form == LinkForm::M3u8 => Some(&after.path),
        _ => None,
    }
}

/// Marks the steps that cannot be taken back, until nothing more follows from them.
///
/// The steps are taken back one after the other, so each is held to the files and rows as those before
/// it will have left them: a playlist file that was moved and then rewritten is moved back after its
/// old text is there again.
fn find_obstacles(steps: &mut [Step<'_>], facts: &UndoFacts) {
    let built_on = BuiltOn::new(steps, facts);
    for step in &mut *steps {
        step.obstacle = built_on.obstacle(step);
    }
    loop {
        let mut found = Vec::new();
        let mut held_rows = BTreeSet::new();
        let mut held_uses = BTreeSet::new();
        let mut state = facts.state.clone();
        let mut files = facts.files.clone();
        for at in 0..steps.len() {
            let step = &steps[at];
            if step.obstacle.is_some() {
                held_rows.extend(step.row_keys());
                held_uses.extend(step.uses());
                continue;
            }
            let changes = reversal(&step.post.rows, &state, &BTreeMap::new());
            let obstacle = own_obstacle(step, &files, &facts.changed_rows)
                .or_else(|| bound(steps, step))
                .or_else(|| rewritten(step, &held_rows))
                .or_else(|| used(step, &held_uses))
                .or_else(|| changes.as_ref().err().map(ToString::to_string));
            if let Some(obstacle) = obstacle {
                found.push((at, obstacle));
                continue;
            }
            if let Ok(changes) = changes {
                state.apply(&changes);
            }
            steps[at].found = take_back(&steps[at].post.outcome, &mut files);
        }
        if found.is_empty() {
            return;
        }
        for (at, obstacle) in found {
            steps[at].obstacle = Some(obstacle);
        }
    }
}

/// What stays and holds the step with it.
fn bound(steps: &[Step<'_>], step: &Step<'_>) -> Option<String> {
    let mut bound = step
        .dependents
        .iter()
        .chain(&step.followers)
        .chain(&step.follows);
    let held = bound.find(|other| steps[**other].obstacle.is_some())?;
    let label = &steps[*held].operation.label;
    Some(format!("it belongs to what stays: {label}"))
}

fn rewritten(step: &Step<'_>, held_rows: &BTreeSet<RowKey>) -> Option<String> {
    let mut keys = step.row_keys();
    let text = "its rows were changed again by what stays";
    keys.any(|key| held_rows.contains(&key))
        .then(|| text.to_owned())
}

/// A track, list or tag that the step made, and that rows which stay refer to.
fn used(step: &Step<'_>, held_uses: &BTreeSet<RowKey>) -> Option<String> {
    let made = ["djmdContent", "djmdPlaylist", "djmdMyTag"]
        .into_iter()
        .flat_map(|table| step.inserted(table).map(move |id| (table, id)));
    let mut made = made.map(|(table, id)| (table.to_owned(), id.to_owned()));
    made.any(|key| held_uses.contains(&key))
        .then(|| "what stays in Rekordbox uses it".to_owned())
}

/// Takes a step back in the picture of the files, and tells what was there for it.
fn take_back(outcome: &Outcome, files: &mut Files) -> Found {
    let back = |was: &Replaced| FileNow {
        size: was.size,
        mtime: was.mtime,
        sha256: Some(was.sha256),
    };
    let mut found = Found::default();
    match outcome {
        Outcome::File(made) => {
            found.made = files.remove(&made.file.path).is_some();
            if let Some((was, trash_path)) = &made.replaced {
                found.replaced = files.remove(trash_path).is_some();
                if found.replaced {
                    files.insert(was.path.clone(), back(was));
                }
            }
        }
        Outcome::Placed { from, to, .. } => {
            found.old_name = files.contains_key(from);
            if let Some(file) = files.remove(to) {
                files.insert(from.clone(), file);
            }
        }
        Outcome::Trashed { was, trash_path } => {
            files.remove(trash_path);
            // Where something else is by now, it will be restored beside.
            files.entry(was.path.clone()).or_insert_with(|| back(was));
        }
        Outcome::Waiting { .. }
        | Outcome::Rows
        | Outcome::TidalRemoved(_)
        | Outcome::TidalRestored { .. }
        | Outcome::Nothing => {}
    }
    found
}

fn own_obstacle(step: &Step<'_>, files: &Files, changed_rows: &BTreeSet<RowKey>) -> Option<String> {
    let changed = |path: &MediaPath| Some(format!("{path} changed since"));
    match &step.post.outcome {
        Outcome::File(Made { file, .. }) => match files.get(&file.path) {
            Some(now) if !now.is(file) => changed(&file.path),
            _ => None,
        },
        Outcome::Placed {
            from,
            to,
            size,
            mtime,
        } => match files.get(to) {
            Some(_) if is_file(files, to, *size, *mtime) => {
                let taken = files.contains_key(from);
                let other = taken && !is_file(files, from, *size, *mtime);
                other.then(|| format!("something else is at {from} now"))
            }
            Some(_) => changed(to),
            None => Some(format!("{to} is gone")),
        },
        Outcome::Trashed { was, trash_path } => match files.get(trash_path) {
            Some(now) if now.sha256 == Some(was.sha256) => None,
            Some(_) => changed(trash_path),
            None => Some(format!("{} is no longer in the trash", was.path)),
        },
        Outcome::Rows => step
            .row_keys()
            .any(|key| changed_rows.contains(&key))
            .then(|| "it was changed in Rekordbox since".to_owned()),
        // What TIDAL has now is asked when it is its turn.
        Outcome::Waiting { .. }
        | Outcome::TidalRemoved(_)
        | Outcome::TidalRestored { .. }
        | Outcome::Nothing => None,
    }
}

/// What the DJ has since built on rows that the run made.
struct BuiltOn<'a> {
    collection: Option<&'a Collection>,
    state: &'a State,
    entries: BTreeSet<String>,
    /// Nodes that the run made, or put where they are.
    nodes: BTreeSet<String>,
}

impl<'a> BuiltOn<'a> {
    fn new(steps: &[Step<'_>], facts: &'a UndoFacts) -> Self {
        let inserted = |table| {
            let ids = steps.iter().flat_map(move |step| step.inserted(table));
            ids.map(ToOwned::to_owned).collect()
        };
        Self {
            collection: facts.collection.as_ref(),
            state: &facts.state,
            entries: inserted("djmdSongPlaylist"),
            nodes: steps.iter().flat_map(Step::placed_nodes).collect(),
        }
    }

    fn obstacle(&self, step: &Step<'_>) -> Option<String> {
        let staged = step.staged()?;
        let content = staged.content.as_ref();
        let content =
            content.filter(|id| step.inserted("djmdContent").any(|row| row == id.as_str()));
        let node = staged.node.as_ref();
        let node = node.filter(|id| step.inserted("djmdPlaylist").any(|row| row == id.as_str()));
        let tag = staged.tag.as_ref();
        let tag = tag.filter(|id| step.inserted("djmdMyTag").any(|row| row == id.as_str()));
        content
            .and_then(|id| self.on_content(id))
            .or_else(|| node.and_then(|id| self.on_node(id)))
            .or_else(|| tag.and_then(|id| self.on_tag(id)))
    }

    fn on_content(&self, id: &ContentId) -> Option<String> {
        let collection = self.collection?;
        let row = collection.contents.get(id)?;
        let cues = row.hot_cues + row.memory_cues;
        if cues > 0 || row.rating > 0 || row.play_count > 0 {
            return Some(format!(
                "{cues} cues, rating {}, {} plays in Rekordbox",
                row.rating, row.play_count
            ));
        }
        if row.my_tags.iter().any(|tag| !self.is_our_link(tag, id)) {
            return Some("it has MyTags of your own".to_owned());
        }
        let mut nodes = collection.nodes.values();
        let holder = nodes.find(|node| {
            let mut entries = node.entries.iter();
            entries.any(|entry| entry.content == *id && !self.entries.contains(&entry.id))
        });
        holder.map(|node| format!("it is also in the playlist {}", node.name))
    }

    fn is_our_link(&self, tag: &MyTagId, content: &ContentId) -> bool {
        let Some((group, name)) = self.tag_name(tag) else {
            return false;
        };
        let key = ObjectKey::TagLink(group, name, content.clone());
        self.state.object(&key).is_some()
    }

    fn tag_name(&self, id: &MyTagId) -> Option<(String, String)> {
        let tags = &self.collection?.my_tags;
        let tag = tags.get(id)?;
        let group = tags.get(tag.group.as_ref()?)?;
        Some((group.name.clone(), tag.name.clone()))
    }

    fn on_node(&self, id: &NodeId) -> Option<String> {
        let collection = self.collection?;
        let node = collection.nodes.get(id)?;
        if node
            .entries
            .iter()
            .any(|entry| !self.entries.contains(&entry.id))
        {
            return Some(format!("you added tracks to {} in Rekordbox", node.name));
        }
        let mut nodes = collection.nodes.values();
        let child = nodes.find(|child| {
            child.parent.as_ref() == Some(id) && !self.nodes.contains(child.id.as_str())
        });
        child.map(|child| format!("{} is in it now", child.name))
    }

    fn on_tag(&self, id: &MyTagId) -> Option<String> {
        let collection = self.collection?;
        let mut tagged = collection
            .contents
            .iter()
            .filter(|(_, row)| row.my_tags.contains(id));
        let by_hand = tagged.any(|(content, _)| !self.is_our_link(id, content));
        by_hand.then(|| "you use the tag in Rekordbox".to_owned())
    }
}

/// The effects that take one step back: of files or rows first, of the state last.
struct Inverse {
    effects: Vec<(Effect, Vec<Precondition>)>,
    state: Option<(Effect, Vec<Precondition>)>,
}

fn effects(apply: &ApplyRow, step: &Step<'_>) -> Inverse {
    let reversal = || Reversal {
        apply: apply.id,
        action: step.operation.action_id.clone(),
        image: image_hash(step.operation),
    };
    let as_left = || {
        vec![Precondition::AsLeft {
            reversal: reversal(),
        }]
    };
    let mut effects = Vec::new();
    match &step.post.outcome {
        Outcome::File(made) => {
            if step.found.made {
                effects.push(trash(&made.file));
            }
            if let Some((was, trash_path)) = &made.replaced
                && step.found.replaced
            {
                effects.push(restore(was, trash_path));
            }
        }
        Outcome::Placed {
            from,
            to,
            size,
            mtime,
        } => {
            let (effect, mut pre) = place_back(step, from, to, (*size, *mtime));
            if step.found.old_name {
                // It is the same file, which never lost that name.
                pre.truncate(1);
            }
            effects.push((effect, pre));
        }
        Outcome::Trashed { was, trash_path } => effects.push(restore(was, trash_path)),
        Outcome::Rows if step.row_keys().next().is_some() => {
            let before = reversal();
            effects.push((Effect::RowsRestore { before }, as_left()));
        }
        Outcome::TidalRemoved(entry) => {
            let (before, after) = (reversal(), entry.clone());
            effects.push((Effect::TidalEntryRestore { before, after }, as_left()));
        }
        Outcome::TidalRestored { entry, .. } => {
            let before = entry.clone();
            effects.push((Effect::TidalEntryRemove { before }, as_left()));
        }
        Outcome::Rows | Outcome::Waiting { .. } | Outcome::Nothing => {}
    }
    let restores = !step.post.rows.is_empty();
    let state = restores.then(|| {
        let before = reversal();
        (Effect::StateRestore { before }, as_left())
    });
    Inverse { effects, state }
}

fn trash(file: &FileImage) -> (Effect, Vec<Precondition>) {
    let before = Trashed {
        path: file.path.clone(),
        size: file.size,
        sha256: file.sha256,
    };
    let pre = Precondition::File {
        path: file.path.clone(),
        size: file.size,
        mtime: file.mtime,
        sha256: Some(file.sha256),
    };
    (Effect::FileTrash { before }, vec![pre])
}

fn restore(was: &Replaced, trash_path: &MediaPath) -> (Effect, Vec<Precondition>) {
    let before = FromTrash {
        trash_path: trash_path.clone(),
        sha256: was.sha256,
    };
    let after = At {
        path: was.path.clone(),
        home: None,
    };
    (Effect::FileRestore { before, after }, Vec::new())
}

fn place_back(
    step: &Step<'_>,
    from: &MediaPath,
    to: &MediaPath,
    (size, mtime): (u64, (i64, u32)),
) -> (Effect, Vec<Precondition>) {
    let old_home = step.post.rows.iter().find_map(|row| match &row.before {
        Some(StateRow::Track(row)) => row.home.clone(),
        _ => None,
    });
    let before = At {
        path: to.clone(),
        home: None,
    };
    let after = At {
        path: from.clone(),
        home: old_home,
    };
    let pre = vec![
        Precondition::File {
            path: to.clone(),
            size,
            mtime,
            sha256: None,
        },
        Precondition::Vacant { path: from.clone() },
    ];
    (Effect::FilePlace { before, after }, pre)
}

struct Writer<'a> {
    apply: &'a ApplyRow,
    steps: &'a [Step<'a>],
    inverse: BTreeMap<usize, Inverse>,
    actions: Vec<Action>,
    /// For each action that is taken back, those that do it.
    taken_back: BTreeMap<ActionId, Vec<ActionId>>,
    held: Vec<Held>,
}

impl Writer<'_> {
    fn write(&mut self, at: usize) {
        let step = &self.steps[at];
        let Some(inverse) = self.inverse.get(&at) else {
            return;
        };
        let subject = subject(step.operation);
        if let Some(obstacle) = &step.obstacle {
            let first = inverse.effects.iter().chain(&inverse.state).next();
            if let Some((effect, _)) = first {
                self.held.push(Held {
                    id: action_id(effect, &subject),
                    label: subject.label.clone(),
                    playlist: playlist(step.operation),
                    would: format!("would take back {}", step.operation.kind),
                    gate: "changed".to_owned(),
                    rule: "undo".to_owned(),
                    at: String::new(),
                    text: obstacle.clone(),
                });
            }
            return;
        }
        let earlier = step.dependents.iter().chain(&step.follows);
        let needs: Vec<ActionId> = earlier.flat_map(|other| self.ids(*other)).collect();
        let mut own = Vec::new();
        let mut actions = Vec::new();
        for (effect, pre) in &inverse.effects {
            let mut depends_on = needs.clone();
            depends_on.extend(own.iter().cloned());
            let action = self.action(step, effect, pre, depends_on);
            own.push(action.id.clone());
            actions.push(action);
        }
        if let Some((effect, pre)) = &inverse.state {
            actions.push(self.action(step, effect, pre, own));
        }
        let ids = actions.iter().map(|action| action.id.clone()).collect();
        self.taken_back
            .insert(step.operation.action_id.clone(), ids);
        self.actions.extend(actions);
    }

    /// The ids of the actions that take a step's effect back.
    fn ids(&self, at: usize) -> Vec<ActionId> {
        let subject = subject(self.steps[at].operation);
        let inverse = self.inverse.get(&at);
        let effects = inverse.into_iter().flat_map(|inverse| &inverse.effects);
        effects
            .map(|(effect, _)| action_id(effect, &subject))
            .collect()
    }

    fn action(
        &self,
        step: &Step<'_>,
        effect: &Effect,
        pre: &[Precondition],
        depends_on: Vec<ActionId>,
    ) -> Action {
        let subject = subject(step.operation);
        let bytes_trashed = match effect {
            Effect::FileTrash { before } => before.size,
            _ => 0,
        };
        Action {
            id: action_id(effect, &subject),
            class: class(effect, step),
            effect: effect.clone(),
            subject,
            playlist: playlist(step.operation),
            pre: pre.to_vec(),
            why: Why {
                rule: "undo".to_owned(),
                at: String::new(),
                text: format!(
                    "takes back {} of apply {}",
                    step.operation.kind, self.apply.id
                ),
                evidence: Vec::new(),
            },
            risk: None,
            undo: match effect {
                Effect::FileTrash { .. }
                | Effect::FilePlace { .. }
                | Effect::FileRestore { .. } => Undo::ByteIdentical,
                Effect::TidalEntryRemove { .. } | Effect::TidalEntryRestore { .. } => Undo::Readd,
                _ => Undo::RowIdentical,
            },
            depends_on,
            estimate: Estimate {
                bytes_down: 0,
                bytes_trashed,
            },
        }
    }
}

fn class(effect: &Effect, step: &Step<'_>) -> Class {
    match effect {
        Effect::FileTrash { .. } => Class::Destructive,
        Effect::FilePlace { .. } => Class::Move,
        Effect::FileRestore { .. } => Class::Additive,
        Effect::RowsRestore { .. } => {
            let rows = step.staged().map(|staged| staged.rows.0.as_slice());
            let mut rows = rows.unwrap_or_default().iter();
            match rows.any(|row| row.before.is_none()) {
                true => Class::Remove,
                false => Class::Change,
            }
        }
        Effect::TidalEntryRemove { .. } | Effect::TidalEntryRestore { .. } => Class::Tidal,
        _ => Class::Change,
    }
}

fn subject(operation: &OperationRow) -> Subject {
    Subject {
        track: operation.track.as_deref().map(TrackId::from),
        label: operation.label.clone(),
    }
}

fn playlist(operation: &OperationRow) -> Option<PlaylistId> {
    operation.playlist.as_deref().map(PlaylistId::from)
}

/// The playlists as they were before the run, where the state knew them.
fn playlists(applied: &Plan, steps: &[Step<'_>]) -> BTreeMap<PlaylistId, PlannedPlaylist> {
    let mut playlists = applied.body.playlists.clone();
    // From the newest step to the oldest, so that the oldest image is the one that stays.
    for row in steps.iter().flat_map(|step| step.post.rows.iter().rev()) {
        let RowChange {
            before: Some(StateRow::Playlist(row)),
            ..
        } = row
        else {
            continue;
        };
        if let Some(planned) = playlists.get_mut(&row.id) {
            planned.name.clone_from(&row.name);
            planned.description.clone_from(&row.description);
            planned.entries = row
                .entries
                .iter()
                .map(|entry| entry.track.clone())
                .collect();
            if let Some(folder) = &row.folder {
                planned.folder.clone_from(folder);
            }
        }
    }
    playlists
}

fn changes(applied: &Plan, inverse: &BTreeMap<ActionId, Vec<ActionId>>) -> Vec<PlannedChange> {
    let mut occurrences: BTreeMap<String, usize> = BTreeMap::new();
    let mut changes = Vec::new();
    for change in &applied.body.changes {
        let ids = change
            .actions
            .iter()
            .filter_map(|id| inverse.get(id))
            .flatten();
        let ids: BTreeSet<ActionId> = ids.cloned().collect();
        if ids.is_empty() {
            continue;
        }
        let (kind, playlist, track) = (reversed(change.kind), &change.playlist, &change.track);
        let id = |n| change_id(kind, playlist, track.as_ref(), change.from.as_ref(), n);
        let occurrence = occurrences.entry(id(0)).or_default();
        changes.push(PlannedChange {
            id: id(*occurrence),
            kind,
            playlist: playlist.clone(),
            track: track.clone(),
            from: change.from.clone(),
            note: "taken back".to_owned(),
            actions: ids.into_iter().collect(),
        });
        *occurrence += 1;
    }
    changes
}

const fn reversed(kind: ChangeKind) -> ChangeKind {
    match kind {
        ChangeKind::PlaylistAdded => ChangeKind::PlaylistRemoved,
        ChangeKind::PlaylistRemoved => ChangeKind::PlaylistAdded,
        ChangeKind::TrackAddedToPlaylist => ChangeKind::TrackRemovedFromPlaylist,
        ChangeKind::TrackRemovedFromPlaylist => ChangeKind::TrackAddedToPlaylist,
        ChangeKind::PlaylistRenamed => ChangeKind::PlaylistRenamed,
        ChangeKind::TrackMoved => ChangeKind::TrackMoved,
        ChangeKind::TrackMetadataChanged => ChangeKind::TrackMetadataChanged,
    }
}

fn summary(actions: &[Action], held: &[Held]) -> Summary {
    let mut summary = Summary {
        held: held.len(),
        ..Summary::default()
    };
    for action in actions {
        match (&action.effect, action.class) {
            (Effect::FileTrash { .. }, _) => summary.trash += 1,
            (Effect::FileRestore { .. }, _) => summary.add += 1,
            (Effect::FilePlace { .. }, _) => summary.moves += 1,
            (Effect::RowsRestore { .. }, Class::Remove) => summary.remove += 1,
            (Effect::RowsRestore { .. }, _) => summary.change += 1,
            (_, Class::Tidal) => summary.tidal += 1,
            _ => {}
        }
    }
    summary
}
