//! Where entries belong that come back to a list which may have changed since.

use std::collections::BTreeSet;

use crate::domain::ItemId;

/// An entry that comes back.
#[derive(Clone, Debug)]
pub(super) struct Back {
    /// Its action.
    pub(super) seq: usize,
    /// The id that it had.
    pub(super) was: ItemId,
    /// The id that it has, once it is in the list again.
    pub(super) item: Option<ItemId>,
    /// Its old place.
    pub(super) position: usize,
    /// Its old neighbours.
    pub(super) previous: Option<ItemId>,
    pub(super) next: Option<ItemId>,
}

/// A place of the list as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    There(ItemId),
    /// The entry of this action.
    Back(usize),
}

/// The list with `backs` (in their old order) at their places: before the entry that followed them,
/// else behind the one that they followed, else at their old number.
pub(super) fn place(list: &[ItemId], backs: &[Back]) -> Vec<Slot> {
    let mut slots: Vec<Slot> = list.iter().cloned().map(Slot::There).collect();
    // From the end, so that an entry finds its follower even where that one comes back as well.
    for back in backs.iter().rev() {
        let find = |item: &Option<ItemId>| {
            let item = item.as_ref()?;
            let comes = backs.iter().find(|other| other.was == *item);
            slots.iter().position(|slot| match slot {
                Slot::There(there) => there == item,
                Slot::Back(seq) => comes.is_some_and(|other| other.seq == *seq),
            })
        };
        let behind = || find(&back.previous).map(|at| at + 1);
        let end = || back.next.is_none().then_some(slots.len());
        let at = find(&back.next)
            .or_else(behind)
            .or_else(end)
            .unwrap_or_else(|| back.position.min(slots.len()));
        slots.insert(at, Slot::Back(back.seq));
    }
    slots
}

/// The order in which a list that has `backs` already should be.
pub(super) fn wanted(list: &[ItemId], backs: &[Back]) -> Vec<ItemId> {
    let came: BTreeSet<&ItemId> = backs.iter().filter_map(|back| back.item.as_ref()).collect();
    let others: Vec<ItemId> = list
        .iter()
        .filter(|id| !came.contains(id))
        .cloned()
        .collect();
    let slots = place(&others, backs);
    slots
        .into_iter()
        .filter_map(|slot| match slot {
            Slot::There(item) => Some(item),
            Slot::Back(seq) => {
                let mut all = backs.iter();
                all.find(|back| back.seq == seq)?.item.clone()
            }
        })
        .collect()
}

/// The next move towards `wanted`: at most `most` entries, in order, before another one. From the end
/// of the list, where what has to be last can only get by moving what stands behind it.
pub(super) fn next_move(
    list: &[ItemId],
    wanted: &[ItemId],
    most: usize,
) -> Option<(Vec<ItemId>, ItemId)> {
    let same = list
        .iter()
        .rev()
        .zip(wanted.iter().rev())
        .take_while(|(now, then)| now == then)
        .count();
    let open = wanted.len().checked_sub(same).filter(|open| *open > 0)?;
    let Some(anchor) = wanted.get(open) else {
        // The last one is another: everything behind the wanted last moves before it.
        let last = wanted.last()?;
        let at = list.iter().position(|item| item == last)?;
        let behind: Vec<ItemId> = list[at + 1..].iter().take(most).cloned().collect();
        return (!behind.is_empty()).then(|| (behind, last.clone()));
    };
    // As many as follow each other in the wanted order and stand elsewhere now.
    let now_before = list.len().checked_sub(same)?;
    let stay = list[..now_before].last();
    let from = wanted[..open]
        .iter()
        .rposition(|item| Some(item) == stay)
        .map_or(0, |at| at + 1);
    let from = from.max(open.saturating_sub(most));
    let moved = wanted[from..open].to_vec();
    (!moved.is_empty()).then(|| (moved, anchor.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<ItemId> {
        text.split_whitespace().map(ItemId::from).collect()
    }

    fn back(seq: usize, old: &str, item: &str, whole: &str) -> Back {
        let whole = ids(whole);
        let position = whole.iter().position(|id| id.to_string() == old).unwrap();
        Back {
            seq,
            was: old.into(),
            item: Some(item.into()),
            position,
            previous: position.checked_sub(1).map(|at| whole[at].clone()),
            next: whole.get(position + 1).cloned(),
        }
    }

    fn shown(list: &[ItemId]) -> String {
        let ids: Vec<String> = list.iter().map(ItemId::to_string).collect();
        ids.join(" ")
    }

    /// Moves until nothing is left to move.
    fn settle(list: &str, backs: &[Back], most: usize) -> (String, usize) {
        let mut list = ids(list);
        for moves in 0..20 {
            let wanted = wanted(&list, backs);
            let Some((moved, anchor)) = next_move(&list, &wanted, most) else {
                assert_eq!(list, wanted);
                return (shown(&list), moves);
            };
            assert!(moved.len() <= most);
            list.retain(|item| !moved.contains(item));
            let at = list.iter().position(|item| *item == anchor).unwrap();
            list.splice(at..at, moved);
        }
        panic!("it does not end: {}", shown(&list));
    }

    #[test]
    fn what_was_in_the_middle_comes_back_there() {
        let whole = "a b c d e";
        let backs = [back(1, "b", "B", whole), back(2, "d", "D", whole)];
        assert_eq!(settle("a c e B D", &backs, 20), ("a B c D e".into(), 2));
        assert_eq!(settle("a c B D e", &backs, 20).0, "a B c D e");
    }

    #[test]
    fn neighbours_come_back_together() {
        let whole = "a b c d e";
        let backs = [
            back(1, "b", "B", whole),
            back(2, "c", "C", whole),
            back(3, "d", "D", whole),
        ];
        assert_eq!(settle("a e B C D", &backs, 20), ("a B C D e".into(), 1));
        assert_eq!(settle("a e B C D", &backs, 2).0, "a B C D e");
        assert_eq!(settle("a e D B C", &backs, 20).0, "a B C D e");
    }

    #[test]
    fn what_was_last_is_last_again() {
        let whole = "a b c";
        let backs = [back(1, "c", "C", whole)];
        assert_eq!(settle("a b C", &backs, 20), ("a b C".into(), 0));
        assert_eq!(settle("C a b", &backs, 20).0, "a b C");
        let backs = [back(0, "a", "A", whole), back(1, "c", "C", whole)];
        assert_eq!(settle("b A C", &backs, 20), ("A b C".into(), 1));
    }

    #[test]
    fn a_list_that_changed_since_keeps_its_changes() {
        let whole = "a b c d";
        let backs = [back(1, "c", "C", whole)];
        assert_eq!(settle("a b x C", &backs, 20).0, "a b C x");
        assert_eq!(settle("x y z C", &backs, 20).0, "x y C z");
        assert_eq!(settle("d b a C", &backs, 20).0, "C d b a");
        assert_eq!(settle("C", &backs, 20).0, "C");
    }
}
