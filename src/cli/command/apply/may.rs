//! What of a plan is carried out, what is left out, and whether it may be done at this moment.

use crate::{
    apply,
    cli::{
        args::Consent,
        choice::LeftOut,
        consent::Occasion,
        engine::{Engine, allows},
        error::CliError,
        ui::Ui,
    },
    plan::{
        Plan, canonical,
        document::{Action, CheckStatus, Review},
        guard,
    },
};

/// The gates of the moment: freezes, Rekordbox, USB exports, room on the disk. What is let through is
/// written into the plan's review, and so into the journal.
pub(super) fn refuse_moment(
    engine: &Engine,
    plan: &mut Plan,
    consent: &Consent,
) -> Result<(), CliError> {
    for check in engine.moment(plan, &consent.overrides) {
        match check.status {
            CheckStatus::Refuse => return Err(CliError::refused(&check.code, check.text)),
            CheckStatus::Allowed => {
                let digest = plan.digest.clone();
                let review = plan.review.get_or_insert_with(|| Review {
                    for_digest: digest,
                    ..Review::default()
                });
                let allowed = format!("{}: {}", check.code, check.text);
                if !review.allowed.contains(&allowed) {
                    review.allowed.push(allowed);
                }
            }
            CheckStatus::Pass | CheckStatus::Hold => {}
        }
    }
    Ok(())
}

/// TC702. A purge is no plan that was saved, so it is saved here for those who shall agree to it.
pub(super) async fn refuse_unapproved(
    engine: &Engine,
    ui: &Ui,
    plan: &Plan,
    consent: &Consent,
    occasion: Occasion,
) -> Result<(), CliError> {
    let agreed = agreed(plan, consent);
    let mut digests: Vec<&str> = consent.known_as.iter().map(String::as_str).collect();
    digests.push(&agreed);
    let refused = engine.refuse_unapproved(left_in(plan)?, &digests).await;
    if refused.is_err() && occasion == Occasion::Purge {
        let json = canonical::to_json(plan);
        super::super::plan::save_as(&engine.settings, ui, None, false, plan, &json)?;
    }
    refused
}

/// The digest to agree to. Who names the plan's own agrees to less where something is only left out.
pub(super) fn agreed(plan: &Plan, consent: &Consent) -> String {
    let named = |digest: &str| {
        consent
            .approve
            .as_ref()
            .is_some_and(|approval| approval.names(digest))
    };
    let adds = plan
        .review
        .as_ref()
        .is_some_and(|review| !review.decisions.is_empty());
    match !adds && named(&plan.digest) {
        true => plan.digest.clone(),
        false => canonical::approval(plan),
    }
}

/// TC701 for a saved plan: what its review does not answer is open.
pub(super) fn refuse_undecided(plan: &Plan, consent: &Consent) -> Result<(), CliError> {
    let answers = plan.review.as_ref().map(|review| &review.decisions);
    let open = plan
        .body
        .decisions
        .iter()
        .filter(|question| answers.is_none_or(|answers| !answers.contains_key(&question.id)));
    let check = guard::undecided(open.count(), &allows(&consent.overrides));
    match check.status {
        CheckStatus::Refuse => Err(CliError::refused(&check.code, check.text)),
        CheckStatus::Pass | CheckStatus::Hold | CheckStatus::Allowed => Ok(()),
    }
}

/// What is carried out of the plan and of its answers.
pub(in crate::cli::command) fn left_in(plan: &Plan) -> Result<Vec<&Action>, CliError> {
    Ok(apply::chosen(plan)?)
}

/// Tells what is left out, and what follows it.
pub(super) fn tell_left_out(ui: &Ui, plan: &Plan) -> Result<(), CliError> {
    let left = LeftOut::of(plan)?;
    let Some(told) = left.told() else {
        return Ok(());
    };
    ui.status(told);
    const FEW: usize = 20;
    let mut following = left.following.iter();
    let actions = plan.body.actions.iter();
    let by_id: std::collections::BTreeMap<_, _> =
        actions.map(|action| (&action.id, action)).collect();
    for id in following.by_ref().take(FEW) {
        if let Some(action) = by_id.get(id) {
            ui.status(format!(
                "  {} {}",
                action.effect.kind(),
                action.subject.label
            ));
        }
    }
    if left.following.len() > FEW {
        ui.status(format!("  and {} more", left.following.len() - FEW));
    }
    Ok(())
}
