//! Which actions of a plan are carried out, once a person has had a say.

use std::collections::{BTreeMap, BTreeSet};

use super::{ApplyError, Violation};
use crate::{
    domain::{ActionId, ApplyId},
    plan::document::{Action, Effect, LinkForm, Mode, Plan, Precondition, Reversal},
};

/// The actions of the plan and of the answers, in order, without those that are left out and what
/// depends on them.
///
/// # Errors
/// [`ApplyError::Stale`] with TC402 when the review is for another plan, or names a decision, an
/// answer or an action that is not in it.
pub fn chosen(plan: &Plan) -> Result<Vec<&Action>, ApplyError> {
    let mut actions: Vec<&Action> = plan.body.actions.iter().collect();
    let Some(review) = &plan.review else {
        return Ok(actions);
    };
    if !review.for_digest.is_empty() && review.for_digest != plan.digest {
        return Err(mismatch("the review is for another plan"));
    }
    for (id, key) in &review.decisions {
        let decision = plan.body.decisions.iter().find(|one| one.id == *id);
        let decision = decision
            .ok_or_else(|| mismatch(&format!("the review answers {id}, which is not asked")))?;
        if *key == decision.default {
            continue;
        }
        let option = decision.options.iter().find(|option| option.key == *key);
        let option = option.ok_or_else(|| mismatch(&format!("{key:?} is no answer to {id}")))?;
        actions.extend(&option.actions);
    }
    let mut known = BTreeSet::new();
    actions.retain(|action| known.insert(&action.id));
    if let Some(id) = review.exclude.iter().find(|id| !known.contains(id)) {
        return Err(mismatch(&format!(
            "the review leaves out {id}, which is not there"
        )));
    }
    Ok(without(actions, &review.exclude))
}

/// The run that an undo takes back as a whole; one in part takes back none.
#[must_use]
pub fn undone_by(plan: &Plan) -> Option<ApplyId> {
    if plan.body.mode != Mode::Undo || !plan.body.complete {
        return None;
    }
    let mut reversed = plan.body.actions.iter().filter_map(reversed_by);
    reversed.next().map(|reversal| reversal.apply)
}

/// What the action takes back, where that is written in it. (A file that comes back from the trash or
/// goes there stands for itself; the rows of the state beside it name the run.)
#[must_use]
pub fn reversed_by(action: &Action) -> Option<Reversal> {
    match &action.effect {
        Effect::RowsRestore { before }
        | Effect::StateRestore { before }
        | Effect::TidalEntryRestore { before, .. } => Some(before.clone()),
        _ => action.pre.iter().find_map(|pre| match pre {
            Precondition::AsLeft { reversal } => Some(reversal.clone()),
            _ => None,
        }),
    }
}

/// Whether `action` cannot be done without `needed`, on which it depends. Lists are made of what is
/// there: a playlist goes on without the track that could not be fetched.
pub(super) fn needs(action: &Effect, needed: &Effect) -> bool {
    let is_list = match (action, needed) {
        // The playlist file's own move.
        (Effect::FileLink { after: link, .. }, Effect::FilePlace { after: place, .. })
            if link.path == place.path =>
        {
            false
        }
        (Effect::EntriesSet { .. } | Effect::StateRecord { .. }, _) => true,
        (Effect::FileLink { after, .. }, _) => after.form == LinkForm::M3u8,
        _ => false,
    };
    let is_item = matches!(
        needed,
        Effect::FileFetch { .. }
            | Effect::FileConvert { .. }
            | Effect::FilePlace { .. }
            | Effect::FileLink { .. }
            | Effect::FileTrash { .. }
            | Effect::ContentAdd { .. }
            | Effect::ContentRelocate { .. }
            | Effect::ContentUpdate { .. }
            | Effect::MyTagSet { .. }
            | Effect::StateAdopt { .. }
    );
    !(is_list && is_item)
}

/// Whether taking the old name away must wait for it: a row that has to point at the new name first.
pub(super) const fn follows_file(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::ContentRelocate { .. } | Effect::RowsRestore { .. }
    )
}

fn without<'a>(actions: Vec<&'a Action>, exclude: &[ActionId]) -> Vec<&'a Action> {
    let by_id: BTreeMap<&ActionId, &Action> = actions.iter().map(|a| (&a.id, *a)).collect();
    let mut out: BTreeSet<&ActionId> = exclude.iter().collect();
    loop {
        let known = out.len();
        for action in &actions {
            for need in &action.depends_on {
                let Some(needed) = by_id.get(need) else {
                    continue;
                };
                if out.contains(need) && needs(&action.effect, &needed.effect) {
                    out.insert(&action.id);
                }
                // A moved or better file whose row may not follow: the row's file stays what it is.
                let moves = matches!(needed.effect, Effect::FilePlace { .. })
                    || needed.effect.replaced().is_some();
                if moves && follows_file(&action.effect) && out.contains(&action.id) {
                    out.insert(need);
                }
            }
        }
        if out.len() == known {
            break;
        }
    }
    actions
        .into_iter()
        .filter(|action| !out.contains(&action.id))
        .collect()
}

fn mismatch(text: &str) -> ApplyError {
    ApplyError::Stale(vec![Violation {
        code: "TC402",
        action: None,
        label: String::new(),
        text: text.to_owned(),
    }])
}
