//! `plan.json`: what a plan is made of. Canonical, versioned, byte-stable.
//!
//! The `body` is everything that is reviewed; its SHA-256 over the canonical form (sorted keys, no
//! floats, UTF-8, no blanks) is the `digest`. What varies between two runs over the same inputs (time,
//! version, estimates) stands in `meta`. `review` is what a person may edit.
//!
//! Tracks and playlists that actions speak of stand once, in `body.tracks` and `body.playlists`;
//! actions name them by id. `apply` needs nothing but the plan, the policy's tool settings and the
//! worlds.

mod effect;
mod wire;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{
    ActionId, ContentHash, ContentId, LibraryId, MediaPath, NodeId, PlaylistId, Track, TrackId,
};
pub use effect::{
    Adoption, At, Cause, ContentAt, ContentFields, Convert, Effect, Entries, Fetch, Forgotten,
    FromTrash, Hashed, Link, ListAt, ListId, MergedRows, NewContent, NewNode, NodeAt, OldFile,
    Purged, Recorded, Reversal, TagSet, TidalEntry, Trashed,
};

pub use crate::domain::{ChangeKind, Class, LinkForm, TagName};

/// The format that this program writes.
pub const FORMAT_VERSION: &str = "1.0";
/// The document's kind.
pub const KIND: &str = "tidal-cleanup/plan";

/// A whole plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// `1.0`; a reader takes any `1.x`.
    #[schemars(extend("pattern" = r"^1\.[0-9]+$"))]
    pub format_version: String,
    /// Always the same word.
    #[schemars(extend("const" = KIND))]
    pub kind: String,
    /// `sha256:` and the hash of the canonical body.
    #[schemars(extend("pattern" = "^sha256:[0-9a-f]{64}$"))]
    pub digest: String,
    /// What is reviewed.
    pub body: Body,
    /// What varies from run to run.
    #[serde(default)]
    pub meta: PlanMeta,
    /// What a person decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
}

/// The reviewed part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// What made the plan.
    pub mode: Mode,
    /// Whether `apply` may run it: no gate failed.
    pub applyable: bool,
    /// Whether every source was read completely.
    pub complete: bool,
    /// The state that it starts from.
    pub base: Base,
    /// What it was made from.
    pub inputs: Inputs,
    /// The playlists that changes and actions speak of, as they shall be.
    pub playlists: BTreeMap<PlaylistId, PlannedPlaylist>,
    /// The tracks that changes and actions speak of.
    pub tracks: BTreeMap<TrackId, Track>,
    /// What differs, in a stable order.
    pub changes: Vec<PlannedChange>,
    /// What `apply` will do, in the order in which it will be done.
    pub actions: Vec<Action>,
    /// What a person may decide.
    pub decisions: Vec<DecisionRequest>,
    /// What would be done but for a protection or a gate.
    pub held: Vec<Held>,
    /// What the DJ changed in Rekordbox on things of ours, and the policy leaves so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Drift>,
    /// Every gate, with its numbers.
    pub checks: Vec<Check>,
    /// Counts.
    pub summary: Summary,
}

impl Body {
    /// Where the policy says why: `tidal-cleanup.toml:61`; empty for what is built in or at its default.
    #[must_use]
    pub fn place(&self, why: &Why) -> String {
        let policy = &self.inputs.policy;
        match (why.at.as_str(), policy.settings.get(&why.rule)) {
            ("", Some(line)) => format!("{}:{line}", policy.path),
            (at, _) => at.to_owned(),
        }
    }

    /// A plan of nothing, made from neither TIDAL, the files nor Rekordbox.
    #[must_use]
    pub fn bare(mode: Mode, base: Base, policy: PolicyInput, as_of: String) -> Self {
        let nothing = ContentHash::of(b"null");
        Self {
            mode,
            applyable: true,
            complete: true,
            base,
            inputs: Inputs {
                as_of,
                policy,
                tidal: TidalInput {
                    snapshot: nothing,
                    playlists: 0,
                    incomplete: Vec::new(),
                    unavailable_tracks: 0,
                },
                files: FilesInput {
                    scan: nothing,
                    files: 0,
                    bytes: 0,
                },
                rekordbox: None,
            },
            playlists: BTreeMap::new(),
            tracks: BTreeMap::new(),
            changes: Vec::new(),
            actions: Vec::new(),
            decisions: Vec::new(),
            held: Vec::new(),
            drift: Vec::new(),
            checks: Vec::new(),
            summary: Summary::default(),
        }
    }
}

/// What made the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// `plan`.
    Normal,
    /// `undo`.
    Undo,
    /// `db reconcile`.
    Reconcile,
    /// `download`: fetches and what belongs to them only.
    Download,
    /// `trash purge`.
    Purge,
    /// `trash restore`.
    Restore,
}

/// The state that a plan starts from; `apply` refuses another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// From the canary.
    pub library_id: Option<LibraryId>,
    /// Of the state database.
    pub lineage: String,
    /// Of the state database.
    pub serial: i64,
    /// Of the state database.
    pub schema_version: i64,
}

/// What the plan was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// The date that ages are counted to, `YYYY-MM-DD`.
    pub as_of: String,
    /// The policy file.
    pub policy: PolicyInput,
    /// The TIDAL reading.
    pub tidal: TidalInput,
    /// The scan.
    pub files: FilesInput,
    /// The Rekordbox reading; `None` when the policy has no Rekordbox.
    pub rekordbox: Option<RekordboxInput>,
}

/// The policy that a plan was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyInput {
    /// The file's name without its folder.
    pub path: String,
    /// Of the file's bytes.
    pub sha256: ContentHash,
    /// In which line each setting stands that actions name as their rule; not those at their default.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, usize>,
}

/// The TIDAL reading that a plan was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TidalInput {
    /// Hash of the reading's content, independent of the order of playlists and of `taken_at`.
    pub snapshot: ContentHash,
    /// How many playlists it has.
    pub playlists: usize,
    /// The playlists that were not read to the end.
    pub incomplete: Vec<PlaylistId>,
    /// Tracks that TIDAL lists but withholds or no longer streams.
    pub unavailable_tracks: usize,
}

/// The scan that a plan was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesInput {
    /// Hash over paths, sizes and modification times.
    pub scan: ContentHash,
    /// Audio files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// The Rekordbox reading that a plan was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RekordboxInput {
    /// The application's version, where known.
    pub version: Option<String>,
    /// The counter of local changes.
    pub local_usn: i64,
    /// Tracks in the collection.
    pub tracks: usize,
}

/// A playlist as it shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedPlaylist {
    /// The raw TIDAL name.
    pub name: String,
    /// TIDAL's description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its folder below the library root.
    pub folder: MediaPath,
    /// Its display name in Rekordbox.
    pub rekordbox_name: String,
    /// Its Rekordbox folders from the top, `[rekordbox] folder` included.
    pub rekordbox_folder: Vec<String>,
    /// Its tracks in order, duplicates kept; those without a file too.
    pub entries: Vec<TrackId>,
}

/// A fact about two states, and the actions that answer it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedChange {
    /// `c_` and 16 hex digits.
    pub id: String,
    /// One of the seven.
    #[serde(rename = "type")]
    pub kind: ChangeKind,
    /// The playlist it is about.
    pub playlist: PlaylistId,
    /// The track it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<TrackId>,
    /// The playlist that the track came from, for a move between playlists; the old name of a
    /// renamed one is in `note`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PlaylistId>,
    /// What a person reads behind the label: `download, about 38 MB`, `file already here`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The actions that carry it out; empty when it needs nothing but the record.
    pub actions: Vec<ActionId>,
}

/// Something of ours that the DJ changed in Rekordbox and that stays as it is now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// The playlist it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playlist: Option<PlaylistId>,
    /// The playlist's name, the track's, a folder's path.
    pub label: String,
    /// What is different, in words.
    pub text: String,
    /// What of the policy leaves it so: `[own] name = "rekordbox"`.
    pub rule: String,
}

/// A decision to act, complete in itself: one effect, one journal row. In `plan.json` what follows from
/// the effect is left out (`wire`).
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "wire::In")]
pub struct Action {
    /// A hash of effect and subject: the same action has the same id in every plan.
    pub id: ActionId,
    /// How dangerous it is.
    pub class: Class,
    /// What is done: `kind`, `before` and `after`.
    pub effect: Effect,
    /// Whom it is about, for people.
    pub subject: Subject,
    /// The playlist under which it is shown; `None`: under “Files”.
    pub playlist: Option<PlaylistId>,
    /// What must be true of the worlds, or nothing is written.
    pub pre: Vec<Precondition>,
    /// Why.
    pub why: Why,
    /// The DJ's work that hangs on it.
    pub risk: Option<Risk>,
    /// What undo gives back.
    pub undo: Undo,
    /// Actions that must be done first; if one fails, this one is skipped.
    pub depends_on: Vec<ActionId>,
    /// Bytes that it moves.
    pub estimate: Estimate,
}

/// Whom an action is about, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The track, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<TrackId>,
    /// `Kiasmos – Looped`, a path, a playlist's name.
    pub label: String,
}

/// Something that must be true of the worlds before anything is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Precondition {
    /// The file is there and unchanged. The hash is compared where it is given.
    File {
        path: MediaPath,
        size: u64,
        mtime: (i64, u32),
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<ContentHash>,
    },
    /// Nothing is there.
    Vacant { path: MediaPath },
    /// No audio file of that name is there, whatever its extension; `but` one that a better one takes
    /// the place of.
    VacantStem {
        stem: MediaPath,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        but: Option<MediaPath>,
    },
    /// The track is still in no managed playlist of TIDAL.
    DesiredAbsent {
        track: TrackId,
        playlists_checked: usize,
    },
    /// The playlist is still gone from TIDAL.
    PlaylistAbsent { playlist: PlaylistId },
    /// The Rekordbox row points at this file.
    Content { id: ContentId, path: MediaPath },
    /// The Rekordbox row has these values.
    ContentFields { fields: ContentFields },
    /// No Rekordbox row points at this file.
    NoContent { path: MediaPath },
    /// The node has this name and place.
    Node { node: NodeAt },
    /// The list has these entries (content ids).
    Entries {
        id: NodeId,
        count: usize,
        sha256: ContentHash,
    },
    /// TIDAL's list has these entries (item ids), read for this alone.
    TidalList {
        playlist: PlaylistId,
        count: usize,
        sha256: ContentHash,
    },
    /// The rows and files are still as that action left them (undo).
    AsLeft { reversal: Reversal },
}

/// Why an action is proposed: which rule, where it stands, in words, with evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// The rule's name, or the default's key.
    pub rule: String,
    /// `tidal-cleanup.toml:61`; empty for a built-in default.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub at: String,
    /// One sentence.
    pub text: String,
    /// Facts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

/// The DJ's work that hangs on a track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Risk {
    pub hot_cues: u32,
    pub memory_cues: u32,
    pub rating: u8,
    pub mytags: u32,
    pub plays: u32,
}

impl Risk {
    /// Whether there is work that a person would miss (hand-set or earned; MyTags of ours not counted).
    #[must_use]
    pub const fn is_work(&self) -> bool {
        self.hot_cues > 0 || self.memory_cues > 0 || self.rating > 0 || self.plays > 0
    }
}

/// What undo gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// The same bytes, mode, time and path.
    ByteIdentical,
    /// The same rows, but for counters and timestamps.
    RowIdentical,
    /// It can be fetched again.
    Refetch,
    /// TIDAL is asked to add it again at its place; it gets another entry id and date of adding, and
    /// TIDAL may refuse a track that it withholds.
    Readd,
    /// Nothing.
    None,
}

/// Bytes that an action moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes_down: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes_trashed: u64,
}

impl Estimate {
    /// Whether it moves none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes_down == 0 && self.bytes_trashed == 0
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
const fn is_none(number: &usize) -> bool {
    *number == 0
}

/// The key of the answer that no candidate is the track.
pub const NONE_OF_THESE: &str = "none";

/// A question to a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionRequest {
    /// `d_` and 16 hex digits.
    pub id: String,
    /// `match` or `duplicate`.
    #[serde(rename = "type")]
    pub kind: DecisionKind,
    /// In words.
    pub question: String,
    /// The track it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<TrackId>,
    /// The rows of Rekordbox it is about, by which the answer is remembered: `11+12`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<String>,
    /// What happens unanswered: `defer`.
    pub default: String,
    /// What can be chosen.
    pub options: Vec<DecisionOption>,
}

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DecisionKind {
    /// Which file is this track?
    Match,
    /// Which of several rows of Rekordbox stands for the recording?
    Duplicate,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionOption {
    /// What to type.
    pub key: String,
    /// In words.
    pub label: String,
    /// The candidate file, for a match; absent: none of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<MediaPath>,
    /// The row of Rekordbox, for a duplicate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<ContentId>,
    /// 0–100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<u8>,
    /// What speaks against it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub veto: Vec<String>,
    /// What is done when it is chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
}

/// An action that is not proposed, and what holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The id that the action would have.
    pub id: ActionId,
    /// Whom it is about.
    pub label: String,
    /// The playlist under which it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playlist: Option<PlaylistId>,
    /// What it would do: `would trash`, `would download`.
    pub would: String,
    /// `protect`, `work_at_risk`, `probation`, or a gate's code.
    pub gate: String,
    /// The rule, setting or gate by name.
    pub rule: String,
    /// Where it stands in the policy.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub at: String,
    /// In words: `7 hot cues`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// A gate's finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// `TC201`.
    pub code: String,
    /// `max_remove`.
    pub name: String,
    /// What was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
    /// What is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The verdict.
    pub status: CheckStatus,
    /// In words, where it did not pass: what, why, and what to type.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// A gate's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// As it should be.
    Pass,
    /// Removals are held back; the rest goes on.
    Hold,
    /// Nothing may be applied.
    Refuse,
    /// Let through by `--allow`.
    Allowed,
}

/// Counts for the closing line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    pub add: usize,
    pub change: usize,
    #[serde(rename = "move")]
    pub moves: usize,
    pub remove: usize,
    pub trash: usize,
    /// Entries that leave, or come back to, playlists in TIDAL itself.
    #[serde(default, skip_serializing_if = "is_none")]
    pub tidal: usize,
    pub adopt: usize,
    pub decide: usize,
    pub held: usize,
}

/// What varies from run to run; never in the digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanMeta {
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_at: Option<jiff::Timestamp>,
    /// When the TIDAL reading was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tidal_taken_at: Option<jiff::Timestamp>,
    /// The snapshot file that TIDAL was read from, when a flag named one: `apply` asks it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tidal_file: Option<String>,
    /// The policy's download command, as a hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download: Option<ContentHash>,
    /// `tidal-cleanup 0.1.0`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tool: String,
    /// Of the applied plan: the commit of the policy's repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_commit: Option<String>,
    /// Bytes, requests, seconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub estimates: BTreeMap<String, u64>,
}

/// What a person decided about a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// The digest it is for.
    #[serde(rename = "for", default)]
    pub for_digest: String,
    /// Answers by decision id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub decisions: BTreeMap<String, String>,
    /// Actions left out; what depends on them is left out too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<ActionId>,
    /// The digest of plan and review that a person agreed to; an edit of either voids it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<String>,
    /// Gates of the moment that an override let through, with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
}
