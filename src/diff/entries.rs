//! Two versions of a playlist as additions, removals and moves, each occurrence counted.

use similar::{Algorithm, ChangeTag, capture_diff_slices};

use crate::{desired::count, domain::TrackId};

/// What happened to a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Occurrences that are new, in the new order.
    pub added: Vec<TrackId>,
    /// Occurrences that are gone, in the old order.
    pub removed: Vec<TrackId>,
    /// Occurrences that stand elsewhere among those that stayed, in the new order.
    pub moved: Vec<TrackId>,
}

/// Compares `old` with `new`.
#[must_use]
pub fn compare(old: &[TrackId], new: &[TrackId]) -> Edits {
    if old == new {
        return Edits::default();
    }
    let (stayed_old, removed) = split(old, new);
    let (stayed_new, added) = split(new, old);
    let moved = capture_diff_slices(Algorithm::Myers, &stayed_old, &stayed_new)
        .iter()
        .flat_map(|op| op.iter_changes(&stayed_old, &stayed_new))
        .filter(|change| change.tag() == ChangeTag::Insert)
        .map(|change| change.value())
        .collect();
    Edits {
        added,
        removed,
        moved,
    }
}

/// Those of `list` that `other` has as well, and the rest; each occurrence of `other` counts once.
fn split(list: &[TrackId], other: &[TrackId]) -> (Vec<TrackId>, Vec<TrackId>) {
    let mut left = count(other);
    list.iter()
        .cloned()
        .partition(|track| match left.get_mut(track) {
            Some(n) if *n > 0 => {
                *n -= 1;
                true
            }
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<TrackId> {
        text.split_whitespace().map(TrackId::from).collect()
    }

    #[test]
    fn each_kind_of_edit_is_told_apart() {
        for (old, new, added, removed, moved) in [
            ("1 2 3", "1 2 3", "", "", ""),
            ("1 2 3", "1 4 2 3", "4", "", ""),
            ("1 2 3", "1 3", "", "2", ""),
            ("1 2 3", "3 1 2", "", "", "3"),
            ("1 2 1", "1 2", "", "1", ""),
            ("1 2", "1 2 1", "1", "", ""),
            ("1 2 3 4", "4 5 1 3", "5", "2", "4"),
            ("", "1 1", "1 1", "", ""),
        ] {
            let edits = compare(&ids(old), &ids(new));
            let expected = Edits {
                added: ids(added),
                removed: ids(removed),
                moved: ids(moved),
            };
            assert_eq!(edits, expected, "{old} → {new}");
        }
    }
}
