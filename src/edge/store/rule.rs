//! The journal's protocol and the texts of its enums, the same for every store.

use jiff::Timestamp;

use super::{ApplyStatus, NewOperation, OperationStatus};

/// Why operations cannot begin a run, or nothing.
pub(super) fn well_formed(operations: &[NewOperation]) -> Result<(), &'static str> {
    for (number, operation) in (0_i64..).zip(operations) {
        if operation.seq != number {
            return Err("its operations are not numbered from 0");
        }
        if !ACTIONS.contains(&operation.action) {
            return Err("an operation's action is not add, remove, update or move");
        }
        if !WORLDS.contains(&operation.source) || !WORLDS.contains(&operation.target) {
            return Err("an operation's source or target is not tidal, local or rekordbox");
        }
    }
    Ok(())
}

const ACTIONS: [&str; 4] = ["add", "remove", "update", "move"];
const WORLDS: [&str; 3] = ["tidal", "local", "rekordbox"];

/// Why an operation that stands so cannot be intended, or nothing.
pub(super) const fn may_begin(from: OperationStatus) -> Result<(), &'static str> {
    match from {
        OperationStatus::Completed => Err(COMPLETED),
        OperationStatus::Pending
        | OperationStatus::Running
        | OperationStatus::Failed
        | OperationStatus::Skipped => Ok(()),
    }
}

/// Why an operation that stands so cannot be settled so, or nothing. `keeps`: the settlement has a
/// pre-image that holds what the operation did; only so a completed one is opened again, to be done
/// once more, and closed again without another pass.
pub(super) fn may_settle(
    from: OperationStatus,
    to: OperationStatus,
    keeps: bool,
) -> Result<(), &'static str> {
    match (from, to) {
        (_, OperationStatus::Running) => Err("an operation cannot be settled as running"),
        (OperationStatus::Completed, OperationStatus::Pending) if keeps => Ok(()),
        (OperationStatus::Completed, _) => Err(COMPLETED),
        (OperationStatus::Running, _) => Ok(()),
        (OperationStatus::Pending, OperationStatus::Completed) if keeps => Ok(()),
        (_, OperationStatus::Completed) => Err("an operation was completed without an intent"),
        (_, OperationStatus::Pending | OperationStatus::Failed | OperationStatus::Skipped) => {
            Ok(())
        }
    }
}

/// Why a run cannot be closed so, or nothing.
pub(super) const fn may_close(status: ApplyStatus, running: i64) -> Result<(), &'static str> {
    match status {
        ApplyStatus::Running | ApplyStatus::Undone => {
            Err("a run is closed as completed or partial")
        }
        ApplyStatus::Completed | ApplyStatus::Partial if running > 0 => {
            Err("an intent is not settled")
        }
        ApplyStatus::Completed | ApplyStatus::Partial => Ok(()),
    }
}

/// Why a run that stands so cannot be opened again, or nothing.
pub(super) const fn may_resume(status: ApplyStatus) -> Result<(), &'static str> {
    match status {
        ApplyStatus::Running | ApplyStatus::Partial => Ok(()),
        ApplyStatus::Completed => Err("it is completed, there is nothing to resume"),
        ApplyStatus::Undone => Err("it was undone, there is nothing to resume"),
    }
}

/// How a run stands again when its undo is undone.
pub(super) const fn as_closed(unfinished_operations: i64) -> ApplyStatus {
    if unfinished_operations == 0 {
        ApplyStatus::Completed
    } else {
        ApplyStatus::Partial
    }
}

/// When an operation that was settled so was completed.
pub(super) fn settled_at(status: OperationStatus, at: Timestamp) -> Option<Timestamp> {
    match status {
        OperationStatus::Completed | OperationStatus::Failed | OperationStatus::Skipped => Some(at),
        OperationStatus::Pending | OperationStatus::Running => None,
    }
}

/// Reason of a write to a run that is closed.
pub(super) const CLOSED: &str = "it is closed";
/// Reason of a write to an operation that is not in the run.
pub(super) const NO_OPERATION: &str = "there is no such operation";
const COMPLETED: &str = "a completed operation cannot change";

impl ApplyStatus {
    /// The text in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Partial => "partial",
            Self::Undone => "undone",
        }
    }
}

impl OperationStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Skipped,
    ];

    /// The text in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_intent_can_be_completed_and_nothing_leaves_completed() {
        use OperationStatus::{Completed, Failed, Pending, Running, Skipped};
        for from in OperationStatus::ALL {
            assert_eq!(may_settle(from, Completed, false).is_ok(), from == Running);
            assert!(may_settle(from, Running, true).is_err());
            assert_eq!(may_begin(from).is_ok(), from != Completed);
            for to in [Pending, Failed, Skipped] {
                assert_eq!(may_settle(from, to, false).is_ok(), from != Completed);
            }
        }
        assert!(may_settle(Completed, Pending, true).is_ok());
        assert!(may_settle(Pending, Completed, true).is_ok());
        assert!(may_settle(Completed, Failed, true).is_err());
        assert!(may_settle(Failed, Completed, true).is_err());
    }
}
