//! A reading of an outside world, together with what could not be read.

use serde::{Deserialize, Serialize};

/// A value and the problems met while reading it. A half-read source proves nothing absent:
/// [`Observed::is_complete`] stands in front of every removal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed<T> {
    /// What could be read.
    pub value: T,
    /// What could not, in a stable order.
    pub problems: Vec<Problem>,
}

/// Something that could not be read, or is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// What it is about: a path, a playlist's name, a table.
    pub subject: String,
    /// What happened, in lower case, without a period.
    pub message: String,
    /// Whether the reading has a hole because of it (an unreadable folder), so that absence proves
    /// nothing; `false` for a problem of one thing that was seen (a file with broken tags).
    pub leaves_hole: bool,
}

impl<T> Observed<T> {
    /// A reading without problems.
    pub const fn complete(value: T) -> Self {
        Self {
            value,
            problems: Vec::new(),
        }
    }

    /// Whether what is absent from the value is absent from the world.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.problems.iter().any(|problem| problem.leaves_hole)
    }
}
