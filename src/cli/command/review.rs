//! `review` and `approve`: a person goes through a plan, row by row, and agrees to what is left.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    cli::{
        args::{ApproveArgs, Consent, ReviewArgs},
        choice::{LeftOut, review_of, with_needs},
        consent::{Occasion, Weight, agree},
        engine::{Engine, load_policy},
        error::{CliError, Exit, Kind},
        plan::write_whole,
        settings::Settings,
        ui::Ui,
        view::{
            Envelope,
            plan::{PlanView, Section, sections, short_digest, why},
            review::{Mark, ReviewView},
            rows::paragraph,
            text::count,
        },
    },
    domain::ActionId,
    plan::{Plan, canonical, document::CheckStatus},
};

use super::plan::read_plan;

/// `approve`
///
/// # Errors
/// When the plan cannot be applied, or nobody agrees to it.
pub async fn approve(settings: &Settings, ui: &Ui, args: &ApproveArgs) -> Result<Exit, CliError> {
    let path = settings.around.absolute(&args.plan);
    let mut plan = read_plan(&path)?;
    let refused = plan
        .body
        .checks
        .iter()
        .find(|check| check.status == CheckStatus::Refuse);
    if let Some(check) = refused {
        return Err(CliError::refused(&check.code, &check.text));
    }
    let left = LeftOut::of(&plan)?;
    let weight = Weight::of(crate::apply::chosen(&plan)?);
    let approval = canonical::approval(&plan);
    if !ui.is_json() {
        ui.answer(PlanView::new(&plan, ui.look()))?;
        if let Some(told) = left.told() {
            ui.status(told);
        }
    }
    if args.digest.is_none() && !ui.can_ask() {
        let error = CliError::message(
            Kind::Declined,
            "nobody was there to ask, so nothing was approved",
        );
        return Err(error.hint(format!(
            "`tidal-cleanup approve {} {}` agrees to it",
            args.plan.display(),
            short_digest(&approval)
        )));
    }
    let consent = Consent {
        approve: args.digest.clone(),
        ..Consent::default()
    };
    agree(ui, &consent, Occasion::SavedPlan, &approval, weight)?;
    review_of(&mut plan).approved = Some(approval.clone());
    write_whole(&path, &canonical::to_json(&plan))?;
    let said = format!(
        "Approved as {}. `tidal-cleanup apply {}` carries it out; an edit of the review voids it.",
        short_digest(&approval),
        args.plan.display()
    );
    let recorded = record(settings, ui, &plan, &approval).await?;
    let said = match &recorded {
        Some(told) => format!("{said}\n{told}"),
        None => said,
    };
    let answer = serde_json::json!({
        "digest": plan.digest,
        "approved": approval,
        "left_out": left,
        "recorded": recorded.is_some(),
    });
    ui.answer_either(said, &Envelope::new("approval", answer))?;
    Ok(Exit::Done)
}

/// Writes the approval into the state, where the policy asks for others' (`[state] require_approval`).
async fn record(
    settings: &Settings,
    ui: &Ui,
    plan: &Plan,
    approval: &str,
) -> Result<Option<String>, CliError> {
    // A plan can be looked at and agreed to where there is no policy.
    if settings.policy_path().is_err() {
        return Ok(None);
    }
    let policy = load_policy(settings, ui)?;
    if policy.required_approvals == 0 {
        return Ok(None);
    }
    let needed = policy.required_approvals;
    let library = plan.body.base.library_id.clone();
    let mut engine = Engine::of_library(policy, settings, ui, library).await?;
    engine.record_approval(plan, approval).await?;
    let who = engine.person();
    engine.store.close().await;
    Ok(Some(format!(
        "Recorded as the approval of {who}; what is destructive needs {} besides whoever applies it.",
        count(needed, "person", "people")
    )))
}

/// `review`
///
/// # Errors
/// When the plan cannot be read or written.
pub fn review(settings: &Settings, ui: &Ui, args: &ReviewArgs) -> Result<Exit, CliError> {
    let path = settings.around.absolute(&args.plan);
    let mut table = Table::new(path, read_plan(&settings.around.absolute(&args.plan))?)?;
    ui.answer_either(table.view(ui), &Envelope::new("review", table.answer()?))?;
    if ui.is_json() {
        return Ok(Exit::Done);
    }
    if !ui.can_ask() {
        ui.hint("on a terminal the rows can be switched here; elsewhere `apply` takes `--exclude`, `--only` and `--playlist`");
        return Ok(Exit::Done);
    }
    table.walk(ui)?;
    ui.answer(table.closing(&args.plan)?)?;
    Ok(Exit::Done)
}

/// A plan on the table.
struct Table {
    path: PathBuf,
    plan: Plan,
    sections: Vec<Section>,
    /// What was left out when it was opened.
    at_first: Vec<ActionId>,
    known: BTreeSet<ActionId>,
}

const KEYS: &str =
    "numbers to switch, g NUMBER a group, d NUMBER details, l list, r as at first, q quit";

impl Table {
    fn new(path: PathBuf, plan: Plan) -> Result<Self, CliError> {
        LeftOut::of(&plan)?;
        let look = crate::cli::view::Look::plain();
        let excluded = plan.review.as_ref().map(|review| review.exclude.clone());
        // The rows tell what is done; what is left out is told by their marks.
        let mut bare = plan.clone();
        if let Some(review) = &mut bare.review {
            review.exclude.clear();
        }
        let mut sections = sections(&bare, &look);
        let known: BTreeSet<ActionId> = plan
            .body
            .actions
            .iter()
            .map(|action| action.id.clone())
            .collect();
        sections.retain(|section| section.heading != "Checks");
        Ok(Self {
            path,
            sections,
            known,
            at_first: excluded.unwrap_or_default(),
            plan,
        })
    }

    /// The actions of the row of that number (from 1).
    fn actions(&self, number: usize) -> Vec<ActionId> {
        let mut rows = self.sections.iter().flat_map(|section| &section.rows);
        let row = number.checked_sub(1).and_then(|at| rows.nth(at));
        let ids = row.into_iter().flat_map(|row| &row.ids);
        let ids = ids.map(|id| ActionId::new(id.as_str()));
        ids.filter(|id| self.known.contains(id)).collect()
    }

    fn many(&self) -> usize {
        self.sections.iter().map(|section| section.rows.len()).sum()
    }

    fn marks(&self) -> Result<Vec<Mark>, CliError> {
        let left = LeftOut::of(&self.plan)?;
        let mark = |number| {
            let actions = self.actions(number);
            let is_named = |id: &&ActionId| left.named.contains(*id);
            let is_out = |id: &&ActionId| left.named.contains(*id) || left.following.contains(*id);
            match actions.len() {
                0 => Mark::Fixed,
                all if actions.iter().filter(is_named).count() == all => Mark::Out,
                all if actions.iter().filter(is_out).count() == all => Mark::Follows,
                _ if actions.iter().any(|id| is_out(&id)) => Mark::Partly,
                _ => Mark::In,
            }
        };
        Ok((1..=self.many()).map(mark).collect())
    }

    fn view<'a>(&'a self, ui: &'a Ui) -> ReviewView<'a> {
        ReviewView {
            sections: &self.sections,
            // A review that fits not is refused when the table is laid.
            marks: self.marks().unwrap_or_default(),
            told: LeftOut::of(&self.plan).ok().and_then(|left| left.told()),
            look: ui.look(),
        }
    }

    fn answer(&self) -> Result<serde_json::Value, CliError> {
        let left = LeftOut::of(&self.plan)?;
        Ok(serde_json::json!({
            "digest": self.plan.digest,
            "approval": canonical::approval(&self.plan),
            "left_out": left,
        }))
    }

    fn walk(&mut self, ui: &Ui) -> Result<(), CliError> {
        loop {
            let Some(line) = ui.ask("Switch (numbers; ? for help)")? else {
                return Ok(());
            };
            let line = line.trim().to_lowercase();
            let (word, rest) = line.split_once(' ').unwrap_or((line.as_str(), ""));
            let said = match word {
                "" | "l" | "list" => ui.answer(self.view(ui)),
                "q" | "quit" | "s" | "save" => return Ok(()),
                "?" | "h" | "help" => ui.answer(paragraph(KEYS, 0, ui.look())),
                "r" | "reset" => {
                    self.exclude(self.at_first.iter().cloned().collect())?;
                    ui.answer(self.view(ui))
                }
                "d" | "details" => self.details(ui, rest),
                "g" | "group" => self
                    .group(rest)
                    .and_then(|numbers| self.switch(ui, &numbers)),
                _ if word.starts_with('g') && word.len() > 1 => self
                    .group(&word[1..])
                    .and_then(|numbers| self.switch(ui, &numbers)),
                _ => self
                    .numbers(&line)
                    .and_then(|numbers| self.switch(ui, &numbers)),
            };
            if let Err(error) = said {
                if matches!(error.exit(), Exit::Interrupted) {
                    return Err(error);
                }
                ui.warning(error);
            }
        }
    }

    /// `3 5-9, 12`
    fn numbers(&self, text: &str) -> Result<Vec<usize>, CliError> {
        let wrong = || {
            let all = self.many();
            CliError::user(format!(
                "{text:?} is none of: row numbers from 1 to {all} (3 5-9), {KEYS}"
            ))
        };
        let mut numbers = Vec::new();
        for part in text.split([' ', ',']).filter(|part| !part.is_empty()) {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (Ok(from), Ok(to)) = (from.parse::<usize>(), to.parse::<usize>()) else {
                return Err(wrong());
            };
            if from == 0 || to < from || to > self.many() {
                return Err(wrong());
            }
            numbers.extend(from..=to);
        }
        match numbers.is_empty() {
            true => Err(wrong()),
            false => Ok(numbers),
        }
    }

    /// The rows of the group of that number.
    fn group(&self, text: &str) -> Result<Vec<usize>, CliError> {
        let groups = self.sections.len();
        let number = text
            .trim()
            .parse::<usize>()
            .ok()
            .filter(|number| (1..=groups).contains(number));
        let Some(number) = number else {
            return Err(CliError::user(format!(
                "groups have numbers from 1 to {groups}: g 2"
            )));
        };
        let rows = |section: &Section| section.rows.len();
        let before: usize = self.sections[..number - 1].iter().map(rows).sum();
        let many = rows(&self.sections[number - 1]);
        Ok((before + 1..=before + many).collect())
    }

    fn details(&self, ui: &Ui, text: &str) -> Result<(), CliError> {
        for number in self.numbers(text)? {
            let mut rows = self.sections.iter().flat_map(|section| &section.rows);
            for id in rows.nth(number - 1).into_iter().flat_map(|row| &row.ids) {
                match why(&self.plan, id, ui.look()) {
                    Ok(page) => ui.answer(page)?,
                    Err(_) => ui.answer(id)?,
                }
            }
        }
        Ok(())
    }

    /// Leaves the rows out, or takes them in again where all of them were out.
    fn switch(&mut self, ui: &Ui, numbers: &[usize]) -> Result<(), CliError> {
        let marks = self.marks()?;
        let of = |number: &usize| marks[number - 1];
        let actions: BTreeSet<ActionId> = numbers
            .iter()
            .flat_map(|number| self.actions(*number))
            .collect();
        if actions.is_empty() {
            return Err(CliError::user(
                "there is nothing to switch: held rows need the policy, and questions `tidal-cleanup decide`",
            ));
        }
        let moving = numbers.iter().filter(|number| of(number) != Mark::Fixed);
        let all_out = moving
            .clone()
            .all(|number| matches!(of(number), Mark::Out | Mark::Follows));
        let mut out: BTreeSet<ActionId> = self.excluded().cloned().collect();
        if all_out {
            // What is wanted again needs what it depends on.
            let needed = with_needs(&self.plan, actions);
            out.retain(|id| !needed.contains(id));
        } else {
            out.extend(actions);
        }
        self.exclude(out)?;
        ui.answer(ReviewView {
            marks: self.marks()?,
            ..self.view(ui)
        })
    }

    fn excluded(&self) -> impl Iterator<Item = &ActionId> {
        self.plan.review.iter().flat_map(|review| &review.exclude)
    }

    /// Writes it down at once, so that leaving loses nothing.
    fn exclude(&mut self, out: BTreeSet<ActionId>) -> Result<(), CliError> {
        let review = review_of(&mut self.plan);
        review.exclude = out.into_iter().collect();
        review.approved = None;
        let is_empty =
            review.exclude.is_empty() && review.decisions.is_empty() && review.allowed.is_empty();
        if is_empty {
            self.plan.review = None;
        }
        write_whole(&self.path, &canonical::to_json(&self.plan))
    }

    fn closing(&self, name: &Path) -> Result<String, CliError> {
        let left = LeftOut::of(&self.plan)?.told();
        let left = left.unwrap_or_else(|| "All of the plan will be done.".to_owned());
        let digest = canonical::approval(&self.plan);
        Ok(format!(
            "{left} Saved in {}. `tidal-cleanup apply {0}` carries it out, `--approve {}` agrees to it.",
            name.display(),
            short_digest(&digest)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{settings::Verbosity, ui::recorded, view::sample};

    fn table(folder: &Path) -> Table {
        let mut plan = sample::everyday();
        let fetch = plan.body.actions[0].id.clone();
        plan.body.actions[1].depends_on = vec![fetch];
        let path = folder.join("plan.json");
        write_whole(&path, "{}").unwrap();
        Table::new(path, plan).unwrap()
    }

    fn walk(table: &mut Table, answers: &[&str]) -> (String, String) {
        let (ui, seen) = recorded::ui(Verbosity::Normal, false, answers);
        table.walk(&ui).unwrap();
        (seen.out(), seen.err())
    }

    #[test]
    fn rows_are_switched_and_kept_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut table = table(folder.path());
        walk(&mut table, &["1", "q"]);
        assert_eq!(table.excluded().count(), 2, "the download and its row");
        assert!(
            std::fs::read_to_string(&table.path)
                .unwrap()
                .contains("\"exclude\"")
        );
        let (out, _) = walk(&mut table, &["1"]);
        assert_eq!(table.excluded().count(), 0);
        assert!(out.contains("[x]"), "{out}");
        assert!(
            !std::fs::read_to_string(&table.path)
                .unwrap()
                .contains("review")
        );
    }

    #[test]
    fn a_group_a_range_and_the_way_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut table = table(folder.path());
        walk(&mut table, &["g 1"]);
        assert_eq!(table.excluded().count(), 5);
        walk(&mut table, &["r", "1-3", "g1", "q"]);
        assert_eq!(table.excluded().count(), 0, "out, and in again");
    }

    #[test]
    fn wrong_words_change_nothing_and_say_what_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let mut table = table(folder.path());
        let (_, err) = walk(
            &mut table,
            &["0", "99", "x", "5-2", "g 9", "g", "d", "-1", "7"],
        );
        assert_eq!(table.excluded().count(), 0);
        assert_eq!(err.matches("Warning:").count(), 9, "{err}");
        assert!(err.contains("`tidal-cleanup decide`"), "{err}");
    }

    #[test]
    fn details_explain_a_row() {
        let folder = tempfile::tempdir().unwrap();
        let (out, _) = walk(&mut table(folder.path()), &["d 6"]);
        assert!(out.contains("rule dupes (tidal-cleanup.toml:64)"), "{out}");
    }

    #[test]
    fn an_approval_ends_with_the_next_edit() {
        let folder = tempfile::tempdir().unwrap();
        let mut table = table(folder.path());
        let approval = canonical::approval(&table.plan);
        assert_eq!(approval, table.plan.digest);
        review_of(&mut table.plan).approved = Some(approval);
        assert!(canonical::is_approved(&table.plan));
        let id = table.plan.body.actions[6].id.clone();
        review_of(&mut table.plan).exclude.push(id);
        assert!(!canonical::is_approved(&table.plan), "edited by hand");
    }
}
