//! The canonical form of a plan: one sequence of bytes for one meaning, its digest and its ids.
//!
//! Canonical JSON here is what Python's `json.dumps(body, sort_keys=True, ensure_ascii=False,
//! separators=(",", ":"))` writes: keys in the order of their code points, no blanks, no floats,
//! integers between −2^53 and 2^53, UTF-8. So anybody can check a digest without this program.

mod check;
mod scan;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::document::{Body, ChangeKind, Effect, FORMAT_VERSION, KIND, Plan, PlanMeta, Subject};
use crate::domain::{ActionId, ContentHash, PlaylistId, TrackId};

/// No plan is larger, in bytes.
pub const MAX_BYTES: usize = 64 << 20;
/// No plan nests deeper.
pub const MAX_DEPTH: usize = 64;
/// No plan has more actions, those of its decisions counted.
pub const MAX_ACTIONS: usize = 1_000_000;

/// Why some bytes are not a plan that may be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Larger than [`MAX_BYTES`].
    #[error("the plan is larger than {} MiB", MAX_BYTES >> 20)]
    TooLarge,
    /// More than [`MAX_ACTIONS`].
    #[error("the plan has more than {MAX_ACTIONS} actions")]
    TooManyActions,
    /// Not JSON, or JSON that no plan has: a float, a key twice, too deep. Line and column count
    /// from 1.
    #[error("the plan is torn or damaged at line {line}, column {column}: {reason}")]
    Damaged {
        line: usize,
        column: usize,
        reason: String,
    },
    /// JSON, and something else.
    #[error("this is no plan: its kind is {0:?}")]
    OtherKind(String),
    /// Of another major version of the format.
    #[error("the plan has format {found}; this program reads {FORMAT_VERSION}")]
    OtherVersion {
        /// The plan's version.
        found: String,
    },
    /// A field, action, precondition or decision that this program does not know, or a wrong type.
    #[error("the plan holds something that this program does not know: {0}")]
    Unknown(String),
    /// The body is not what the digest says; TC402.
    #[error("the plan was changed after it was made: its digest does not fit")]
    Edited,
    /// An id that names nothing, or two things.
    #[error("the plan contradicts itself: {0}")]
    Inconsistent(String),
    /// A path that leaves the library, or one of the program's own.
    #[error("the plan names a path that may not be touched: {0:?}")]
    UnsafePath(String),
}

impl PlanError {
    /// The gate that refuses it, where one does.
    #[must_use]
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::Edited => Some("TC402"),
            Self::TooLarge
            | Self::TooManyActions
            | Self::Damaged { .. }
            | Self::OtherKind(_)
            | Self::OtherVersion { .. }
            | Self::Unknown(_)
            | Self::Inconsistent(_)
            | Self::UnsafePath(_) => None,
        }
    }
}

/// The canonical text of any value that serialises to JSON. Floats are kept as `serde_json` writes
/// them: they are for images of database rows, a plan has none.
///
/// # Panics
/// When the value does not serialise to JSON, such as a map with keys that are no text.
#[must_use]
pub fn canonical(value: &impl Serialize) -> String {
    let text = serde_json::to_vec(value).expect("values of this program have textual keys");
    let scanned = scan::canonicalise(&text, scan::Rules::ANYTHING)
        .expect("serde_json writes well-formed JSON without a key twice");
    scanned.text
}

/// The SHA-256 of a value's canonical text.
#[must_use]
pub fn canonical_hash(value: &impl Serialize) -> ContentHash {
    ContentHash::of(canonical(value).as_bytes())
}

/// `sha256:` and the hash of the canonical body.
#[must_use]
pub fn digest(body: &Body) -> String {
    digest_of(&canonical(body))
}

fn digest_of(canonical_body: &str) -> String {
    format!("sha256:{}", ContentHash::of(canonical_body.as_bytes()))
}

/// Makes a plan of a finished body.
#[must_use]
pub fn seal(body: Body, meta: PlanMeta) -> Plan {
    Plan {
        format_version: FORMAT_VERSION.to_owned(),
        kind: KIND.to_owned(),
        digest: digest(&body),
        body,
        meta,
        review: None,
    }
}

/// What is agreed to: the digest of the plan, and of what a person answered and left out where there is
/// any.
#[must_use]
pub fn approval(plan: &Plan) -> String {
    match &plan.review {
        Some(review) if !review.decisions.is_empty() || !review.exclude.is_empty() => {
            let exclude: std::collections::BTreeSet<&ActionId> = review.exclude.iter().collect();
            let all = (&plan.digest, &review.decisions, exclude);
            format!("sha256:{}", canonical_hash(&all))
        }
        Some(_) | None => plan.digest.clone(),
    }
}

/// Whether a person agreed to the plan and its review as they are now.
#[must_use]
pub fn is_approved(plan: &Plan) -> bool {
    let approved = plan
        .review
        .as_ref()
        .and_then(|review| review.approved.as_ref());
    approved.is_some_and(|approved| *approved == approval(plan))
}

/// The plan as a file: canonical, but for line feeds that put every action, change and track on a
/// line of its own, so that `diff` and code review can show it.
#[must_use]
pub fn to_json(plan: &Plan) -> String {
    scan::break_lines(&canonical(plan), 3)
}

/// Reads a plan, whatever the bytes are.
///
/// # Errors
/// See [`PlanError`]. Never panics.
pub fn parse(bytes: &[u8]) -> Result<Plan, PlanError> {
    if bytes.len() > MAX_BYTES {
        return Err(PlanError::TooLarge);
    }
    let scanned = scan::canonicalise(bytes, scan::Rules::PLAN)
        .map_err(|error| damaged(bytes, error.at, error.reason))?;
    check::head(&scanned.text)?;
    let plan: Plan = serde_json::from_str(&scanned.text)
        .map_err(|error| PlanError::Unknown(without_place(&error)))?;
    let body = scanned
        .member("body")
        .ok_or_else(|| PlanError::Unknown("there is no body".to_owned()))?;
    // The second comparison catches what a reader of our types would pass over in silence.
    if digest_of(body) != plan.digest || canonical(&plan.body) != body {
        return Err(PlanError::Edited);
    }
    check::plan(&plan)?;
    Ok(plan)
}

/// `a_` and 16 hex digits over what is done and to whom.
#[must_use]
pub fn action_id(effect: &Effect, subject: &Subject) -> ActionId {
    #[derive(Serialize)]
    struct Identity<'a> {
        effect: &'a Effect,
        subject: &'a Subject,
    }
    ActionId::new(format!(
        "a_{}",
        short(&canonical(&Identity { effect, subject }))
    ))
}

/// `c_` and 16 hex digits. `occurrence` tells equal changes apart: the same track added twice.
#[must_use]
pub fn change_id(
    kind: ChangeKind,
    playlist: &PlaylistId,
    track: Option<&TrackId>,
    from: Option<&PlaylistId>,
    occurrence: usize,
) -> String {
    let identity = (kind, playlist, track, from, occurrence);
    format!("c_{}", short(&canonical(&identity)))
}

/// `d_` and 16 hex digits over what is asked.
#[must_use]
pub fn decision_id(track: Option<&TrackId>, question: &str) -> String {
    format!("d_{}", short(&canonical(&(track, question))))
}

/// The hash of a list of ids: each followed by a line feed.
#[must_use]
pub fn entries_hash(ids: impl IntoIterator<Item = impl AsRef<str>>) -> ContentHash {
    let mut hash = Sha256::new();
    for id in ids {
        hash.update(id.as_ref().as_bytes());
        hash.update(b"\n");
    }
    ContentHash::from_bytes(hash.finalize().into())
}

fn short(text: &str) -> String {
    let mut hex = ContentHash::of(text.as_bytes()).to_string();
    hex.truncate(16);
    hex
}

fn damaged(bytes: &[u8], at: usize, reason: &'static str) -> PlanError {
    let before = &bytes[..at.min(bytes.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
    PlanError::Damaged {
        line,
        column,
        reason: reason.to_owned(),
    }
}

/// Line and column would be those of the canonical text, which nobody has before them.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((reason, _)) => reason.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests;
