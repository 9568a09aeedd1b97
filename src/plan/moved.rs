//! Playlists that got a new UUID (`[[moved]]`): what was made for the old one is the new one's.
//!
//! Everything else is planned as if that were done already: files, rows and the list in Rekordbox stay
//! what they are, and nothing of them is removed or made again.

use std::collections::BTreeSet;

use crate::{
    domain::{Class, PlaylistId},
    observe::Observation,
    plan::{
        document::{Effect, ListId, Precondition, Subject},
        draft::{Draft, Hold, act},
    },
    policy::{Place, Policy},
};

/// A playlist that goes on under another id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedList {
    /// TIDAL no longer has it.
    pub from: PlaylistId,
    /// TIDAL has it.
    pub to: PlaylistId,
    /// As it was called.
    pub name: String,
    /// Where the policy says so.
    pub at: Place,
    /// TIDAL was not read completely, so that the old list may still be there: neither of them is looked
    /// at this time.
    pub waits: bool,
}

/// Those of the policy's `[[moved]]` that are to be carried out: we know the old list and not the new
/// one, and TIDAL shows the new one and not the old one.
#[must_use]
pub fn moved(policy: &Policy, observation: &Observation) -> Vec<MovedList> {
    let (tidal, state) = (&observation.tidal.value, &observation.state);
    let waits = !tidal.complete || tidal.playlists.iter().any(|list| !list.complete);
    let mut taken: BTreeSet<&PlaylistId> = BTreeSet::new();
    let mut lists = Vec::new();
    for moved in &policy.moved {
        let Some(row) = state.playlists.get(&moved.from) else {
            continue;
        };
        let to = last(policy, observation, &moved.to);
        let goes = tidal.playlist(&moved.from).is_none() && tidal.playlist(to).is_some();
        if goes && !state.playlists.contains_key(to) && taken.insert(to) {
            lists.push(MovedList {
                from: moved.from.clone(),
                to: to.clone(),
                name: row.name.clone(),
                at: moved.at.clone(),
                waits,
            });
        }
    }
    lists
}

/// Where a chain of moves ends: at the first list that TIDAL has.
fn last<'p>(policy: &'p Policy, observation: &Observation, to: &'p PlaylistId) -> &'p PlaylistId {
    let mut to = to;
    for _ in &policy.moved {
        if observation.tidal.value.playlist(to).is_some() {
            break;
        }
        match policy.moved.iter().find(|moved| moved.from == *to) {
            Some(next) => to = &next.to,
            None => break,
        }
    }
    to
}

/// The observation as it will be once the lists have their new ids in the state; without those that wait.
#[must_use]
pub fn rekeyed(observation: &Observation, lists: &[MovedList]) -> Observation {
    let mut observation = observation.clone();
    for list in lists {
        if list.waits {
            // A reading without this list is not whole, however whole the rest of it is.
            let tidal = &mut observation.tidal.value;
            tidal.complete = false;
            tidal.playlists.retain(|playlist| playlist.id != list.to);
        } else {
            let changes = observation.state.rekeyed(&list.from, &list.to);
            observation.state.apply(&changes);
        }
    }
    observation
}

/// Plans the moves, after everything else. What is done for a list waits for its move.
pub(super) fn plan_moved(draft: &mut Draft<'_>) {
    for list in draft.input.moved {
        let about = if list.waits { &list.from } else { &list.to };
        if !draft.in_scope(about) {
            continue;
        }
        let effect = Effect::StateMove {
            before: ListId {
                playlist: list.from.clone(),
            },
            after: ListId {
                playlist: list.to.clone(),
            },
        };
        let subject = Subject {
            track: None,
            label: list.name.clone(),
        };
        let mut action = act(Class::Move, effect, subject)
            .under(about)
            .provided([Precondition::PlaylistAbsent {
                playlist: list.from.clone(),
            }])
            .because("moved", "the policy says that it is the same playlist");
        action.why.at = list.at.to_string();
        action.why.evidence = vec![
            format!("TIDAL no longer has {}", list.from),
            format!("TIDAL has {}", list.to),
        ];
        if list.waits {
            let text = format!(
                "whether {} is gone is not known: TIDAL was not read completely",
                list.from
            );
            let hold = Hold {
                gate: "TC103",
                rule: "moved".into(),
                at: list.at.to_string(),
                text,
            };
            draft.hold(&action, hold);
            continue;
        }
        let id = draft.push(action);
        for action in &mut draft.actions {
            if action.playlist.as_ref() == Some(&list.to) && action.id != id {
                action.depends_on.insert(0, id.clone());
            }
        }
    }
}
