//! Agreement to a plan, in proportion to what it does.
//!
//! Additive actions need a `y`, moves and changes a `yes`, files that go to the trash their number.
//! Without a terminal `--yes` covers additive actions, and more needs `--approve` with the digest.

use crate::plan::document::{Action, Class, Effect};

use super::{
    args::Consent,
    error::{CliError, Kind},
    ui::Ui,
    view::{plan::short_digest, text::count},
};

/// What is agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A plan that was saved, so that it could be looked at before.
    SavedPlan,
    /// A plan that was made and shown just now.
    FreshPlan,
    /// Playlists that were named: `download`.
    Download,
    /// `trash purge`: made and shown just now, the same again when it is asked for again.
    Purge,
    /// `undo`, and `apply --resume`: they reverse or finish what was approved, so `--yes` covers all.
    Approved,
    /// A part of what was agreed to a moment ago: `--replan`.
    Agreed,
}

/// How much agreement a plan needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Nothing that was there is touched.
    Additive,
    /// Things of ours move, change or leave a list.
    Change,
    /// So many files go to the trash.
    Trash(usize),
    /// So many files are deleted for good.
    Purge(usize),
}

impl Weight {
    /// Of the actions that will run.
    pub fn of<'a>(actions: impl IntoIterator<Item = &'a Action>) -> Self {
        let mut weight = Self::Additive;
        let (mut trashed, mut purged) = (0, 0);
        for action in actions {
            if matches!(action.effect, Effect::FileTrash { .. }) {
                trashed += 1;
            }
            if matches!(action.effect, Effect::TrashPurge { .. }) {
                purged += 1;
            }
            weight = weight.max(match action.class {
                Class::Additive => Self::Additive,
                Class::Move | Class::Change | Class::Remove | Class::Destructive | Class::Tidal => {
                    Self::Change
                }
            });
        }
        match (trashed, purged) {
            (0, 0) => weight,
            (files, 0) => Self::Trash(files),
            (_, files) => Self::Purge(files),
        }
    }

    fn question(self) -> (String, String) {
        match self {
            Self::Additive => ("Apply this plan? [y/N]".to_owned(), "y".to_owned()),
            Self::Change => (
                "Apply this plan? It moves or changes things. Type yes".to_owned(),
                "yes".to_owned(),
            ),
            Self::Trash(files) => (
                format!(
                    "Apply this plan? It moves {} to the trash. Type the number of files",
                    count(files, "file", "files")
                ),
                files.to_string(),
            ),
            Self::Purge(files) => (
                format!(
                    "Delete {} for good? Nothing brings them back. Type the number of files",
                    count(files, "file", "files")
                ),
                files.to_string(),
            ),
        }
    }
}

/// Whether the plan of this digest may be applied; asks where it must.
///
/// # Errors
/// [`Kind::Declined`] when the answer is no or nobody can be asked, [`Kind::Stale`] when another plan
/// was approved.
pub fn agree(
    ui: &Ui,
    consent: &Consent,
    occasion: Occasion,
    digest: &str,
    weight: Weight,
) -> Result<(), CliError> {
    if occasion == Occasion::Agreed {
        return Ok(());
    }
    if let Some(approval) = &consent.approve {
        return match approval.names(digest) {
            true => Ok(()),
            false => Err(other_plan(digest)),
        };
    }
    let covered = weight == Weight::Additive || occasion == Occasion::Approved;
    let shown = occasion != Occasion::FreshPlan || ui.can_ask();
    if consent.yes && covered && shown {
        return Ok(());
    }
    if !ui.can_ask() {
        return Err(nobody(occasion, digest, weight));
    }
    let (question, expected) = weight.question();
    match ui.confirm(&question, &expected)? {
        true => Ok(()),
        false => Err(CliError::declined()),
    }
}

fn other_plan(digest: &str) -> CliError {
    CliError::message(
        Kind::Stale,
        format!(
            "this plan is not the one that was approved: its digest is {}",
            short_digest(digest)
        ),
    )
    .hint("look at it with `tidal-cleanup show`, and approve what you see")
}

fn nobody(occasion: Occasion, digest: &str, weight: Weight) -> CliError {
    let error = CliError::message(
        Kind::Declined,
        "nobody was there to ask, so nothing was changed",
    );
    let digest = short_digest(digest);
    match (occasion, weight) {
        (Occasion::FreshPlan, _) => error.hint(
            "without a terminal, save the plan first: `tidal-cleanup plan --out plan.json`, then \
             `tidal-cleanup apply plan.json`",
        ),
        (Occasion::Approved | Occasion::Agreed, _) | (_, Weight::Additive) => {
            error.hint("`--yes` agrees to it")
        }
        (_, Weight::Change | Weight::Trash(_) | Weight::Purge(_)) => error.hint(format!(
            "`--yes` covers additions only; `--approve {digest}` agrees to all of this plan"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{settings::Verbosity, ui::recorded, view::sample};

    const DIGEST: &str = "sha256:9f2c41d0aa";

    fn agreed(consent: &Consent, occasion: Occasion, weight: Weight, answers: &[&str]) -> u8 {
        let (ui, _) = recorded::ui(Verbosity::Normal, false, answers);
        match agree(&ui, consent, occasion, DIGEST, weight) {
            Ok(()) => 0,
            Err(error) => error.exit().code(),
        }
    }

    fn yes() -> Consent {
        Consent {
            yes: true,
            ..Consent::default()
        }
    }

    fn approve(digest: &str) -> Consent {
        Consent {
            approve: Some(digest.parse().unwrap()),
            ..Consent::default()
        }
    }

    #[test]
    fn the_question_is_in_proportion() {
        let ask = |weight, answer: &str| {
            agreed(&Consent::default(), Occasion::SavedPlan, weight, &[answer])
        };
        assert_eq!(ask(Weight::Additive, "y"), 0);
        assert_eq!(ask(Weight::Change, "y"), 9);
        assert_eq!(ask(Weight::Change, "yes"), 0);
        assert_eq!(ask(Weight::Trash(12), "yes"), 9);
        assert_eq!(ask(Weight::Trash(12), "12"), 0);
    }

    #[test]
    fn yes_covers_additions_only() {
        let with = |occasion, weight| agreed(&yes(), occasion, weight, &[]);
        assert_eq!(with(Occasion::SavedPlan, Weight::Additive), 0);
        assert_eq!(with(Occasion::SavedPlan, Weight::Change), 9);
        assert_eq!(with(Occasion::SavedPlan, Weight::Trash(1)), 9);
        assert_eq!(with(Occasion::Download, Weight::Additive), 0);
        assert_eq!(with(Occasion::Approved, Weight::Trash(1)), 0);
    }

    #[test]
    fn without_a_terminal_the_plan_must_be_saved() {
        assert_eq!(
            agreed(&yes(), Occasion::FreshPlan, Weight::Additive, &[]),
            9
        );
        assert_eq!(
            agreed(
                &yes(),
                Occasion::FreshPlan,
                Weight::Additive,
                &["(not asked)"]
            ),
            0
        );
    }

    #[test]
    fn an_approval_is_for_one_plan() {
        let with = |digest| agreed(&approve(digest), Occasion::SavedPlan, Weight::Trash(3), &[]);
        assert_eq!(with("9f2c41d0"), 0);
        assert_eq!(with("9f2c41d1"), 4);
    }

    #[test]
    fn the_hint_names_the_digest() {
        let (ui, _) = recorded::ui(Verbosity::Normal, false, &[]);
        let error = agree(&ui, &yes(), Occasion::SavedPlan, DIGEST, Weight::Change).unwrap_err();
        insta::assert_snapshot!(error.render(false), @"
        Declined: nobody was there to ask, so nothing was changed
        Hint: `--yes` covers additions only; `--approve 9f2c41d0` agrees to all of this plan
        ");
    }

    #[test]
    fn weight_is_that_of_the_heaviest_action() {
        let plan = sample::everyday();
        assert_eq!(Weight::of(&plan.body.actions), Weight::Trash(1));
        let of = |classes: &[Class]| {
            let some = plan
                .body
                .actions
                .iter()
                .filter(|action| classes.contains(&action.class));
            Weight::of(some)
        };
        assert_eq!(of(&[Class::Additive]), Weight::Additive);
        assert_eq!(of(&[Class::Additive, Class::Move]), Weight::Change);
    }
}
