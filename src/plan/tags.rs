//! MyTags of tracks: those that the names of their playlists ask for, and no other of ours.

use std::collections::BTreeSet;

use crate::{
    desired::DesiredTrack,
    domain::{ActionId, TagName, TrackId},
    plan::{
        contents::write_hold,
        document::{Class, Effect, Subject, TagSet},
        draft::{ContentPlan, Draft, Hold, TrackPlan, act},
        drift,
        tracks::{may_be_elsewhere, subject},
    },
};

pub(super) fn plan_tags(
    draft: &mut Draft<'_>,
    id: &TrackId,
    want: &DesiredTrack,
    planned: &TrackPlan,
) {
    let (existing, ours) = match &planned.content {
        ContentPlan::None => return,
        ContentPlan::Added => (BTreeSet::new(), BTreeSet::new()),
        ContentPlan::Is(content) => {
            let row = draft.row(content);
            let existing = draft.index.tags(row);
            let ours = draft
                .index
                .our_tags(row)
                .intersection(&existing)
                .cloned()
                .collect();
            (existing, ours)
        }
    };
    let missing: Vec<TagName> = want.tags.difference(&existing).cloned().collect();
    let set_before = match &planned.content {
        ContentPlan::Is(content) => draft.index.our_tags(draft.row(content)),
        ContentPlan::Added | ContentPlan::None => BTreeSet::new(),
    };
    let add = drift::missing_tags(draft, (id, &want.track), &want.home, missing, &set_before);
    let mut remove: Vec<TagName> = ours.difference(&want.tags).cloned().collect();
    if may_be_elsewhere(draft, id) {
        remove.clear();
    }
    set_tags(draft, id, want, planned, add, &remove);
}

fn set_tags(
    draft: &mut Draft<'_>,
    id: &TrackId,
    want: &DesiredTrack,
    planned: &TrackPlan,
    add: Vec<TagName>,
    remove: &[TagName],
) {
    let (add, vacancy): (Vec<_>, Vec<_>) = add.into_iter().partition(|tag| has_room(draft, tag));
    if add.is_empty() && remove.is_empty() && vacancy.is_empty() {
        return;
    }
    let class = if remove.is_empty() {
        Class::Additive
    } else {
        Class::Change
    };
    let row = match &planned.content {
        ContentPlan::Is(content) => draft.stands_for.get(content).cloned(),
        ContentPlan::Added | ContentPlan::None => None,
    };
    let set = |tags: &[TagName]| TagSet {
        track: Some(id.clone()),
        row: row.clone(),
        djs: false,
        tags: tags.to_vec(),
    };
    let effect = |before: &[TagName], after: &[TagName]| Effect::MyTagSet {
        before: set(before),
        after: set(after),
    };
    if !vacancy.is_empty() {
        let action = act(class, effect(&[], &vacancy), subject(&want.track)).under(&want.home);
        if let Some(hold) = tag_hold(draft, &vacancy) {
            draft.hold(&action, hold);
        }
    }
    if add.is_empty() && remove.is_empty() {
        return;
    }
    let action = act(class, effect(remove, &add), subject(&want.track))
        .under(&want.home)
        .because("mytag", "the names of its playlists ask for these tags");
    if !draft.writes_rekordbox() {
        draft.hold(&action, write_hold());
        return;
    }
    let made: Vec<ActionId> = add.iter().filter_map(|tag| make_tag(draft, tag)).collect();
    draft.push(action.after(planned.content_action.clone()).after(made));
}

/// Whether the tag's group exists in Rekordbox, or one can still be made.
fn has_room(draft: &Draft<'_>, tag: &TagName) -> bool {
    let Some(collection) = draft.index.collection() else {
        return false;
    };
    let groups = collection
        .my_tags
        .values()
        .filter(|tag| tag.group.is_none());
    let there: BTreeSet<&str> = groups.map(|group| group.name.as_str()).collect();
    let made = draft.new_tags.keys().map(|tag| tag.group.as_str());
    let made: BTreeSet<&str> = made.filter(|group| !there.contains(group)).collect();
    let group = tag.group.as_str();
    there.contains(group) || made.contains(group) || groups_in(draft) + made.len() < 4
}

fn groups_in(draft: &Draft<'_>) -> usize {
    let tags = draft.index.collection().map(|c| c.my_tags.values());
    tags.map_or(0, |tags| tags.filter(|tag| tag.group.is_none()).count())
}

/// Why not all of `tags` can be in Rekordbox, if not. It shows four groups, and which ones is the
/// DJ's to say.
pub(super) fn tag_hold(draft: &Draft<'_>, tags: &[TagName]) -> Option<Hold> {
    let tag = tags.iter().find(|tag| !has_room(draft, tag))?;
    let collection = draft.index.collection()?;
    let groups = collection
        .my_tags
        .values()
        .filter(|tag| tag.group.is_none());
    let names: Vec<&str> = groups.map(|group| group.name.as_str()).collect();
    Some(Hold {
        gate: "mytag.groups",
        text: format!(
            "Rekordbox has four MyTag groups ({}) and none is called “{}”: rename one there, or \
             [mytag.{}] in the policy",
            names.join(", "),
            tag.group,
            tag.group
        ),
        ..Hold::default()
    })
}

/// The action that makes the tag; `None` when Rekordbox has it.
pub(super) fn make_tag(draft: &mut Draft<'_>, tag: &TagName) -> Option<ActionId> {
    if draft
        .index
        .collection()?
        .tag(&tag.group, &tag.tag)
        .is_some()
    {
        return None;
    }
    if let Some(made) = draft.new_tags.get(tag) {
        return Some(made.clone());
    }
    let about = Subject {
        track: None,
        label: format!("{}: {}", tag.group, tag.tag),
    };
    let action = act(
        Class::Additive,
        Effect::MyTagCreate { after: tag.clone() },
        about,
    )
    .because("mytag", "Rekordbox has no such MyTag");
    let id = draft.push(action);
    draft.new_tags.insert(tag.clone(), id.clone());
    Some(id)
}
