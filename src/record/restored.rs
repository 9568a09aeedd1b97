//! What the memory makes of a Rekordbox library that was taken back to a backup.
//!
//! Rows of ours that the backup does not have are forgotten, so that the next plan makes them again
//! instead of taking their absence for the DJ's wish. What was missing before already stays as it was:
//! that was the DJ's wish.

use std::collections::BTreeSet;

use crate::{
    domain::{
        ActionId, Collection, ContentId, MyTagId, NodeId, State,
        state::{ObjectKey, ObjectRow, PlaylistRow, RowChange, StateRow, TrackRow},
    },
    edge::store::NewOperation,
    plan::{
        Plan, canonical,
        document::{Base, Body, Mode, PlanMeta, PolicyInput},
    },
};

/// The mode of such a run in the history.
pub const MODE: &str = "restore";

/// The journal row of a restore.
#[must_use]
pub fn operation(backup: &str) -> NewOperation {
    NewOperation {
        seq: 0,
        action_id: ActionId::new("a_restore"),
        kind: "rb.restore".to_owned(),
        operation_type: "sync_rekordbox",
        action: "update",
        source: "rekordbox",
        target: "rekordbox",
        playlist: None,
        track: None,
        change_type: None,
        rule: String::new(),
        label: format!("Rekordbox as of backup {backup}"),
    }
}

/// The plan that stands in the journal: one without actions, for a restore is decided by a person.
#[must_use]
pub fn plan(policy: PolicyInput, base: Base, as_of: String) -> Plan {
    let body = Body::bare(Mode::Reconcile, base, policy, as_of);
    canonical::seal(body, PlanMeta::default())
}

/// How the memory changes when Rekordbox held `before` (`None`: it could not be read) and holds
/// `after`.
#[must_use]
pub fn rows(state: &State, before: Option<&Collection>, after: &Collection) -> Vec<RowChange> {
    let changes = Changes { before, after };
    let objects = state.objects.values().filter_map(|row| changes.object(row));
    let tracks = state.tracks.values().filter_map(|row| changes.track(row));
    let lists = state
        .playlists
        .values()
        .filter_map(|row| changes.playlist(row, state));
    objects.chain(tracks).chain(lists).collect()
}

struct Changes<'c> {
    before: Option<&'c Collection>,
    after: &'c Collection,
}

impl Changes<'_> {
    /// Whether something was there before and is not any more.
    fn is_gone(&self, has: impl Fn(&Collection) -> bool) -> bool {
        self.before.is_none_or(&has) && !has(self.after)
    }

    fn object(&self, row: &ObjectRow) -> Option<RowChange> {
        let gone = match &row.key {
            ObjectKey::Folder(_) | ObjectKey::Playlist(_) | ObjectKey::Smart(_) => {
                let id = NodeId::new(row.id.clone());
                self.is_gone(|collection| collection.nodes.contains_key(&id))
            }
            ObjectKey::Tag(..) => {
                let id = MyTagId::new(row.id.clone());
                self.is_gone(|collection| collection.my_tags.contains_key(&id))
            }
            ObjectKey::TagLink(group, name, content) => self.is_gone(|collection| {
                let bears = |id| {
                    collection
                        .contents
                        .get(content)
                        .is_some_and(|c| c.my_tags.contains(id))
                };
                collection
                    .tag(group, name)
                    .is_some_and(|tag| bears(&tag.id))
            }),
            ObjectKey::Content(id) => {
                self.is_gone(|collection| collection.contents.contains_key(id))
            }
        };
        gone.then(|| RowChange {
            before: Some(StateRow::Object(row.clone())),
            after: None,
        })
    }

    fn track(&self, row: &TrackRow) -> Option<RowChange> {
        let id = row.content.as_ref()?;
        let gone = self.is_gone(|collection| collection.contents.contains_key(id));
        gone.then(|| RowChange {
            before: Some(StateRow::Track(Box::new(row.clone()))),
            after: Some(StateRow::Track(Box::new(TrackRow {
                content: None,
                ..row.clone()
            }))),
        })
    }

    fn playlist(&self, row: &PlaylistRow, state: &State) -> Option<RowChange> {
        let id = row.node.as_ref()?;
        let gone = self.is_gone(|collection| collection.nodes.contains_key(id));
        let held = |collection: &Collection| -> BTreeSet<ContentId> {
            let node = collection.nodes.get(id);
            let entries = node.into_iter().flat_map(|node| &node.entries);
            entries.map(|entry| entry.content.clone()).collect()
        };
        let (then, now) = (self.before.map(held), held(self.after));
        let mut new = row.clone();
        if gone {
            new.node = None;
        }
        for entry in &mut new.entries {
            let content = state
                .tracks
                .get(&entry.track)
                .and_then(|row| row.content.as_ref());
            let left = content.is_none_or(|id| {
                then.as_ref().is_none_or(|then| then.contains(id)) && !now.contains(id)
            });
            entry.in_rekordbox &= !left;
        }
        (new != *row).then(|| RowChange {
            before: Some(StateRow::Playlist(row.clone())),
            after: Some(StateRow::Playlist(new)),
        })
    }
}
