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
mod assemble;
mod draft;
mod facts;
mod index;
mod playlists;
mod removals;
pub mod schema;
mod tracks;

use std::collections::BTreeSet;

use jiff::{Timestamp, civil::Date};

pub use document::Plan;
pub use facts::protected;

use crate::{
    desired::DesiredState,
    diff::{Change, identity::Identities},
    domain::{ContentHash, MediaPath, PlaylistId},
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
    /// Only these playlists; `None`: all.
    pub scope: Option<BTreeSet<PlaylistId>>,
    pub mode: Mode,
    /// The date that ages are counted to.
    pub as_of: Date,
    /// The hash of the TIDAL reading.
    pub tidal_hash: ContentHash,
    /// What earlier runs removed, and when: for the rolling window.
    pub past_removals: Vec<(Timestamp, u64)>,
    /// How many audio files the last scan had; `None` when there was none.
    pub files_before: Option<usize>,
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
    tracks::plan_tracks(&mut draft);
    playlists::plan_playlists(&mut draft);
    removals::plan_removals(&mut draft);
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
