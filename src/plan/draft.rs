//! The plan while it is being made.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    domain::{
        ActionId, ContentId, Isrc, MediaPath, PlaylistId, TagName, TrackId, state::PlaylistRow,
    },
    plan::{
        PlanInput, canonical,
        document::{
            Action, Class, DecisionRequest, Drift, Effect, Estimate, Held, Mode, Precondition,
            Risk, Subject, Trashed, Why,
        },
        duplicates::Group,
        guard::Leave,
        index::Index,
    },
    policy::{Outcome, SyncMode, Verdict},
};

/// Actions, held actions and what is known of each track so far.
pub(super) struct Draft<'a> {
    pub(super) input: &'a PlanInput<'a>,
    pub(super) index: Index<'a>,
    pub(super) actions: Vec<Action>,
    pub(super) held: Vec<Held>,
    /// What the DJ changed and stays.
    pub(super) drift: Vec<Drift>,
    pub(super) decisions: Vec<DecisionRequest>,
    pub(super) tracks: BTreeMap<TrackId, TrackPlan>,
    /// Further ids of recordings, and the id that has the say over the file that they share.
    pub(super) leads: BTreeMap<&'a TrackId, &'a TrackId>,
    /// Tracks that are fetched, by their ISRC.
    pub(super) fetched: BTreeMap<Isrc, Vec<TrackId>>,
    /// Tracks without a file that are not fetched, and why.
    pub(super) unfetched: BTreeMap<TrackId, String>,
    /// Folders that this plan makes in Rekordbox, and the action that does.
    pub(super) new_folders: BTreeMap<Vec<String>, ActionId>,
    /// MyTags that this plan makes.
    pub(super) new_tags: BTreeMap<TagName, ActionId>,
    /// Files whose content hash the plan needs and nobody has computed yet.
    pub(super) unhashed: BTreeSet<MediaPath>,
    /// Rows of Rekordbox that others stand for, and those.
    pub(super) stands_for: BTreeMap<ContentId, ContentId>,
    /// Rows that others stood for until the last apply, and those, where the policy merges no longer.
    pub(super) stood_for: BTreeMap<ContentId, ContentId>,
    /// The rows of one recording, where there are several.
    pub(super) duplicates: Vec<Group>,
    /// What waits for a person's leave.
    pub(super) awaiting: Leave,
    /// Whether a rule asks for better files.
    pub(super) upgrades: bool,
    /// Playlists that the policy only observes.
    pub(super) observed: BTreeSet<&'a PlaylistId>,
    /// Files of ours that may not be needed, and what the policy makes of each, in words.
    pub(super) spare: BTreeMap<MediaPath, String>,
    /// Playlists of which something is left that is over.
    pub(super) leftovers: BTreeMap<PlaylistId, PlaylistRow>,
}

/// What the plan makes of one track.
#[derive(Clone, Debug, Default)]
pub(super) struct TrackPlan {
    pub(super) file: FilePlan,
    pub(super) content: ContentPlan,
    /// The action after which the file is where it shall be.
    pub(super) file_action: Option<ActionId>,
    /// The action after which the Rekordbox row is there.
    pub(super) content_action: Option<ActionId>,
    /// The better file that takes the place of the track's.
    pub(super) better: Option<Box<Better>>,
}

/// A file that is replaced by a better one.
#[derive(Clone, Debug)]
pub(super) struct Better {
    /// Where the better one will lie, as far as that can be told.
    pub(super) to: MediaPath,
    /// The old one.
    pub(super) old: Trashed,
    /// How the old one was seen.
    pub(super) pre: Precondition,
    /// What the policy says.
    pub(super) decided: Verdict,
    /// Rekordbox has a row of it.
    pub(super) has_row: bool,
}

/// Where a track's file will be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum FilePlan {
    /// Nowhere.
    #[default]
    None,
    /// Here, now or after a move.
    At(MediaPath),
    /// Here but for the extension, which the downloader decides.
    Fetched(MediaPath),
}

/// Which Rekordbox row a track will have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum ContentPlan {
    #[default]
    None,
    Is(ContentId),
    Added,
}

impl<'a> Draft<'a> {
    pub(super) fn new(input: &'a PlanInput<'a>) -> Self {
        let rules = &input.policy.rules;
        let lists = input.desired.playlists.values();
        let observed = lists.filter(|list| list.mode == SyncMode::Observe);
        Self {
            input,
            observed: observed.map(|list| &list.id).collect(),
            upgrades: input.mode == Mode::Normal
                && rules.iter().any(|rule| rule.then == Outcome::Upgrade),
            index: Index::new(input.observation),
            actions: Vec::new(),
            held: Vec::new(),
            drift: Vec::new(),
            decisions: Vec::new(),
            tracks: BTreeMap::new(),
            leads: BTreeMap::new(),
            fetched: BTreeMap::new(),
            unfetched: BTreeMap::new(),
            new_folders: BTreeMap::new(),
            new_tags: BTreeMap::new(),
            unhashed: BTreeSet::new(),
            stands_for: BTreeMap::new(),
            stood_for: BTreeMap::new(),
            duplicates: Vec::new(),
            awaiting: Leave::default(),
            spare: BTreeMap::new(),
            leftovers: BTreeMap::new(),
        }
    }

    /// Adds an action and returns its id.
    pub(super) fn push(&mut self, action: Action) -> ActionId {
        let id = action.id.clone();
        self.actions.push(action);
        id
    }

    /// Shows an action as held instead of adding it.
    pub(super) fn hold(&mut self, action: &Action, by: Hold) {
        match by.gate {
            "TC302" => self.awaiting.unprotect += 1,
            "TC303" => self.awaiting.work += 1,
            _ => {}
        }
        self.held.push(held(action, by));
    }

    /// Whether the plan is about this playlist.
    pub(super) fn in_scope(&self, playlist: &PlaylistId) -> bool {
        self.input
            .scope
            .as_ref()
            .is_none_or(|scope| scope.contains(playlist))
    }

    /// Whether Rekordbox takes part and may be written.
    pub(super) fn writes_rekordbox(&self) -> bool {
        self.index.collection().is_some() && self.input.policy.rekordbox.write
    }
}

/// What holds an action back.
#[derive(Clone, Debug, Default)]
pub(super) struct Hold {
    pub(super) gate: &'static str,
    pub(super) rule: String,
    pub(super) at: String,
    pub(super) text: String,
}

impl Hold {
    /// A gate that is no rule of the policy.
    pub(super) fn by(gate: &'static str, text: String) -> Self {
        Self {
            gate,
            text,
            ..Self::default()
        }
    }
}

/// `action` as a held row.
pub(super) fn held(action: &Action, by: Hold) -> Held {
    let Hold {
        gate,
        rule,
        at,
        text,
    } = by;
    Held {
        id: action.id.clone(),
        label: action.subject.label.clone(),
        playlist: action.playlist.clone(),
        would: would(&action.effect).to_owned(),
        gate: gate.to_owned(),
        rule,
        at,
        text,
    }
}

/// An action of that effect, with nothing around it yet.
pub(super) fn act(class: Class, effect: Effect, subject: Subject) -> Action {
    let id = canonical::action_id(&effect, &subject);
    let undo = effect.undo();
    Action {
        id,
        class,
        effect,
        subject,
        playlist: None,
        pre: Vec::new(),
        why: Why::default(),
        risk: None,
        undo,
        depends_on: Vec::new(),
        estimate: Estimate::default(),
    }
}

impl Action {
    pub(super) fn under(mut self, playlist: &PlaylistId) -> Self {
        self.playlist = Some(playlist.clone());
        self
    }

    pub(super) fn provided(mut self, pre: impl IntoIterator<Item = Precondition>) -> Self {
        self.pre.extend(pre);
        self
    }

    pub(super) fn because(mut self, rule: &str, text: impl Into<String>) -> Self {
        self.why.rule = rule.to_owned();
        self.why.text = text.into();
        self
    }

    /// States where the policy says so, and the facts that spoke for it.
    pub(super) fn stated(mut self, decided: &Verdict) -> Self {
        self.why.at = decided.at.to_string();
        self.why.evidence.extend(decided.evidence.iter().cloned());
        self
    }

    pub(super) fn after(mut self, actions: impl IntoIterator<Item = ActionId>) -> Self {
        self.depends_on.extend(actions);
        self
    }

    pub(super) fn at_risk(mut self, risk: Option<Risk>) -> Self {
        self.risk = risk;
        self
    }

    pub(super) fn moving(mut self, estimate: Estimate) -> Self {
        self.estimate = estimate;
        self
    }
}

const fn would(effect: &Effect) -> &'static str {
    match effect {
        Effect::FileFetch { .. } => "would download",
        Effect::FileConvert { .. } => "would convert",
        Effect::FilePlace { .. } => "would move",
        Effect::FileLink { .. } => "would write",
        Effect::FileTrash { .. } => "would trash",
        Effect::FileRestore { .. } => "would restore",
        Effect::TrashPurge { .. } => "would delete for good",
        Effect::ContentAdd { .. } => "would add to Rekordbox",
        Effect::ContentRelocate { .. } => "would relocate in Rekordbox",
        Effect::ContentUpdate { .. } => "would update in Rekordbox",
        Effect::NodeCreate { .. } => "would create in Rekordbox",
        Effect::NodeUpdate { .. } => "would rename in Rekordbox",
        Effect::NodeRemove { .. } => "would remove from Rekordbox",
        Effect::EntriesSet { .. } => "would change its entries in Rekordbox",
        Effect::EntriesMerge { .. } => "would merge its duplicates in Rekordbox",
        Effect::MyTagCreate { .. } => "would make the MyTag",
        Effect::MyTagSet { .. } => "would tag in Rekordbox",
        Effect::RowsRestore { .. } | Effect::StateRestore { .. } => "would put back",
        Effect::StateAdopt { .. } => "would link",
        Effect::StateRecord { .. } => "would record",
        Effect::StateMove { .. } => "would keep under its new id",
        Effect::StateForget { .. } => "would forget",
        Effect::TidalEntryRemove { .. } => "would remove from TIDAL",
        Effect::TidalEntryRestore { .. } => "would add to TIDAL again",
    }
}
