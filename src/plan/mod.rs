//! Changes become decisions, decisions become a plan.
//!
//! [`plan`] is a pure function of what was read: the same observation, policy and date give the same
//! bytes. It decides, in this order, what each track needs (`tracks`), what each playlist needs
//! (`playlists`), what may go (`removals`); then the gates look at the whole (`guard`), and the rest
//! is put together for a person to review (`assemble`).

pub mod canonical;
pub mod document;
pub mod explain;
pub mod guard;
pub mod m3u8;
pub mod shelf;
pub mod takeover;
pub mod trash;
mod ask;
mod assemble;
mod changes;
mod contents;
mod copies;
mod draft;
mod drift;
mod duplicates;
mod entries;
mod facts;
mod gone;
mod holds;
mod index;
mod listfiles;
mod moved;
mod playlists;
mod removals;
pub mod schema;
mod tags;
mod tidal;
mod tracks;
mod upgrade;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, civil::Date};

pub use document::Plan;
pub use facts::protected;
pub use moved::{MovedList, moved, rekeyed};
pub use tidal::{Cleanup, cleanup};

use crate::{
    desired::DesiredState,
    diff::{Change, identity::Identities},
    domain::{AudioFormat, ContentHash, ContentId, MediaPath, PlaylistId, Track, TrackId},
    observe::Observation,
    policy::Policy,
};
use document::{Body, Mode};
use draft::Draft;
use guard::{Allow, Leave};

/// Everything that a plan is made from.
#[derive(Clone, Debug)]
pub struct PlanInput<'a> {
    pub policy: &'a Policy,
    pub observation: &'a Observation,
    pub desired: &'a DesiredState,
    pub changes: Vec<Change>,
    pub identities: &'a Identities,
    /// What leaves TIDAL itself; the goal is without it.
    pub cleanup: &'a Cleanup,
    /// Playlists that go on under another id; the observation has them under it already.
    pub moved: &'a [MovedList],
    /// Only these playlists; `None`: all.
    pub scope: Option<BTreeSet<PlaylistId>>,
    pub mode: Mode,
    /// The date that ages are counted to.
    pub as_of: Date,
    /// The hash of the TIDAL reading.
    pub tidal_hash: ContentHash,
    /// What earlier runs removed, and when: for the rolling window.
    pub past_removals: Vec<(Timestamp, u64)>,
    /// Downloads that failed in earlier runs.
    pub failed_fetches: BTreeMap<TrackId, FailedFetch>,
    /// How many audio files the last scan had; `None` when there was none.
    pub files_before: Option<usize>,
    /// Which of several rows of Rekordbox stands for a recording, by [`Decisions`]; `None`: they stay
    /// apart.
    ///
    /// [`Decisions`]: crate::policy::Decisions
    pub rows: BTreeMap<String, Option<ContentId>>,
    /// Overrides from the command line.
    pub allows: Vec<Allow>,
    /// What else it depends on.
    pub conditions: Conditions<'a>,
}

/// What a plan depends on besides what was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions<'a> {
    /// The policy of the last apply: what it protected and this one does not stays for one apply more
    /// (TC302). `None`: the same, not known, or let through.
    pub former: Option<&'a Policy>,
    /// TC701: whether anything that is left to decide refuses the plan.
    pub require_decisions: bool,
    /// What a person lets through of what [`Planned::awaiting`] counted before.
    pub leave: Leave,
}

/// What is remembered of a download that failed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FailedFetch {
    /// The first time that it failed in this way, in UTC.
    pub since: Date,
    /// The last time, in UTC.
    pub last: Date,
    /// What the journal says.
    pub message: String,
    /// What came was not taken, the last time that it was fetched: a lossy file where a lossless one was
    /// asked for, or none that is better than what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lossy: Option<Lossy>,
}

/// A download that was not taken for its quality, and what it came of.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Lossy {
    /// When, in UTC.
    pub on: Date,
    /// What the journal says.
    pub said: String,
    /// The policy's format of then; `None`: as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<AudioFormat>,
    /// The policy's download command of then, as [`DownloadPolicy::fingerprint`] has it.
    ///
    /// [`DownloadPolicy::fingerprint`]: crate::policy::DownloadPolicy::fingerprint
    pub command: Option<ContentHash>,
    /// TIDAL's qualities of then.
    pub media_tags: Vec<String>,
}

impl Lossy {
    /// Whether another download would end in the same way.
    fn still_holds(&self, policy: &Policy, track: &Track) -> bool {
        policy.library.format == self.format
            && policy.download.fingerprint() == self.command
            && track.media_tags == self.media_tags
    }
}

/// Whether a message of the journal is of a lossy download, as
/// [`crate::edge::download::FetchError::Lossy`] puts it.
#[must_use]
pub fn says_lossy(message: &str) -> bool {
    message.starts_with("lossy: ")
}

/// Whether a message of the journal is of a download that was no better than the file that it should take
/// the place of.
#[must_use]
pub fn says_no_better(message: &str) -> bool {
    message.starts_with(NO_BETTER)
}

/// How such a message begins.
pub const NO_BETTER: &str = "no better: ";

impl FailedFetch {
    /// Whether the command said that TIDAL does not have the track.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        says_unavailable(&self.message)
    }

    /// Adds an older failure of the same track.
    pub fn add_older(&mut self, on: Date, message: &str) {
        if says_unavailable(message) == self.is_unavailable() {
            self.since = self.since.min(on);
        }
    }
}

/// As [`crate::edge::download::FetchError::Unavailable`] puts it.
fn says_unavailable(message: &str) -> bool {
    message.starts_with("unavailable: ")
}

/// A plan, but for its digest; or the hashes that it cannot be made without.
#[derive(Clone, Debug)]
pub struct Planned {
    pub body: Body,
    /// Files whose SHA-256 must be in the observation before the plan is whole: the caller computes
    /// them and plans again.
    pub unhashed: BTreeSet<MediaPath>,
    /// What waits for a person's leave. Where the overrides give it, the caller plans again with it.
    pub awaiting: Leave,
}

/// Makes the plan.
#[must_use]
pub fn plan(input: &PlanInput<'_>) -> Planned {
    let mut draft = Draft::new(input);
    duplicates::find(&mut draft);
    tracks::plan_tracks(&mut draft);
    playlists::plan_playlists(&mut draft);
    removals::plan_removals(&mut draft);
    duplicates::plan_duplicates(&mut draft);
    if input.mode == Mode::Normal {
        tidal::plan_tidal(&mut draft);
        moved::plan_moved(&mut draft);
    }
    if input.mode == Mode::Download {
        assemble::keep_downloads(&mut draft);
    }
    let unhashed = std::mem::take(&mut draft.unhashed);
    let awaiting = draft.awaiting;
    Planned {
        body: assemble::body(draft),
        unhashed,
        awaiting,
    }
}
