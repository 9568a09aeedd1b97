//! `apply --replan`: a plan that no longer fits is made anew, and goes on if it does no more.

use std::{collections::BTreeSet, path::PathBuf};

use crate::{
    cli::{
        args::{ApplyArgs, PlanInputs},
        engine::{Engine, Request},
        error::{CliError, Kind},
        ui::Ui,
        view::text::count,
    },
    domain::ActionId,
    plan::{
        Plan, canonical,
        document::{Action, Review},
    },
};

use super::apply::{left_in, show};

/// A new plan in place of one that no longer fits, if it does nothing that the old one did not: what was
/// approved covers it then. The answers and exclusions of the old plan's review go with it.
pub(super) async fn replan(
    engine: &mut Engine,
    ui: &Ui,
    args: &ApplyArgs,
    old: &Plan,
    stale: CliError,
) -> Result<Plan, CliError> {
    // What was edited is not what was approved.
    if canonical::digest(&old.body) != old.digest {
        return Err(stale);
    }
    let inputs = PlanInputs {
        desired: old.meta.tidal_file.as_ref().map(PathBuf::from),
        ..args.inputs.clone()
    };
    let request = Request {
        inputs,
        overrides: args.consent.overrides.clone(),
        mode: Some(old.body.mode),
        ..Request::default()
    };
    ui.status("The plan no longer fits; making a new one …");
    let mut new = engine.plan(&request, ui).await?.plan;
    let approved: BTreeSet<&ActionId> =
        left_in(old)?.into_iter().map(|action| &action.id).collect();
    if let Some(review) = &old.review {
        let known = |id: &&ActionId| new.body.actions.iter().any(|action| action.id == **id);
        let asked = |id: &str| {
            new.body
                .decisions
                .iter()
                .any(|asked| asked.id.as_str() == id)
        };
        let exclude = review.exclude.iter().filter(known).cloned().collect();
        let answers = review.decisions.iter();
        let answers = answers.filter(|(id, _)| asked(id.as_str()));
        new.review = Some(Review {
            for_digest: new.digest.clone(),
            exclude,
            decisions: answers.map(|(id, key)| (id.clone(), key.clone())).collect(),
            ..Review::default()
        });
    }
    let more: Vec<&Action> = left_in(&new)?
        .into_iter()
        .filter(|action| !approved.contains(&action.id))
        .collect();
    let Some(first) = more.first() else {
        show(ui, engine, &new)?;
        return Ok(new);
    };
    let error = CliError::message(
        Kind::Stale,
        format!(
            "the new plan does more than was approved: {} {} ({} in all)",
            first.effect.kind(),
            first.subject.label,
            count(more.len(), "action", "actions")
        ),
    );
    Err(error.hint(
        "nothing was changed; look at a new plan with `tidal-cleanup plan`, and approve that",
    ))
}
