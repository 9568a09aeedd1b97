//! `plan` and `show`: a plan is shown, saved, and told by an exit code.

use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use crate::plan::{canonical, document::Plan};

use super::{
    args::{Rendering, ShowArgs},
    error::{CliError, Exit, Kind},
    ui::Ui,
    view::{
        Envelope,
        difference::{DifferenceView, difference},
        html::html,
        markdown::markdown,
        plan::{PlanView, is_empty, why},
        redact::Redactor,
        tree::TreeView,
    },
};

/// What is known besides the plan itself.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Where it was saved.
    pub saved: Option<PathBuf>,
    /// Whether the command has an `--out`.
    pub may_be_saved: bool,
    /// Until when trashed files can be brought back, where the policy is at hand.
    pub undo_until: Option<jiff::civil::Date>,
    /// The plan that it is compared with.
    pub older: Option<Plan>,
    /// Where the page goes; absolute.
    pub html: Option<PathBuf>,
    /// Names that texts of the plan may hold, besides those that stand in it by themselves.
    pub names: Vec<String>,
}

/// Shows the plan as text, tree, difference, Markdown, page or JSON. `json` is the document as it is
/// saved.
///
/// # Errors
/// When stdout or the page cannot be written.
pub fn present(
    ui: &Ui,
    plan: &Plan,
    json: &str,
    format: &Rendering,
    beside: &Beside,
) -> Result<(), CliError> {
    if format.redact {
        let redactor = Redactor::of(plan, beside.names.iter().cloned());
        let beside = Beside {
            older: beside.older.as_ref().map(|older| redactor.plan(older)),
            names: Vec::new(),
            // The folders of its file are names as well.
            saved: beside
                .saved
                .as_deref()
                .and_then(Path::file_name)
                .map(PathBuf::from),
            ..beside.clone()
        };
        let format = Rendering {
            redact: false,
            ..format.clone()
        };
        let plan = redactor.plan(plan);
        return present(ui, &plan, &canonical::to_json(&plan), &format, &beside);
    }
    let saved = beside
        .saved
        .as_deref()
        .map(|path| path.display().to_string());
    let saved = saved.as_deref();
    if let Some(path) = &beside.html {
        write_document(path, &html(plan, saved, beside.undo_until))?;
        ui.status(format!("Saved {}.", path.display()));
    }
    if let Some(older) = &beside.older {
        let difference = difference(older, plan);
        let view = DifferenceView {
            difference: &difference,
            look: ui.look(),
        };
        return ui.answer_either(view, &Envelope::new("plan-difference", &difference));
    }
    if let Some(budget) = format.markdown.budget {
        return ui.answer(markdown(plan, saved, budget));
    }
    if ui.is_json() {
        return ui.answer(json);
    }
    if format.tree {
        return ui.answer(TreeView {
            plan,
            look: ui.look(),
        });
    }
    let view = PlanView {
        plan,
        look: ui.look(),
        saved,
        undo_until: beside.undo_until,
    };
    ui.answer(view)?;
    if beside.saved.is_none() && beside.may_be_saved && !is_empty(&plan.body) {
        ui.hint("`--out plan.json` saves the plan, `tidal-cleanup apply plan.json` carries it out");
    }
    Ok(())
}

/// The exit code of `plan`: with `--detailed-exitcode` it tells whether anything is pending. What is
/// merely held is no pending change: it stays so until the policy or the world changes.
#[must_use]
pub fn exit(plan: &Plan, detailed: bool) -> Exit {
    let body = &plan.body;
    if !body.applyable {
        return Exit::Refused;
    }
    let pending = !body.actions.is_empty() || !body.decisions.is_empty();
    let waits = !body.held.is_empty() || !body.decisions.is_empty();
    match (detailed && pending, waits) {
        (true, true) => Exit::Decide,
        (true, false) => Exit::Changes,
        (false, _) => Exit::Done,
    }
}

/// Everything about one action, by its id.
///
/// # Errors
/// When there is none, or more than one that begins like it.
pub fn explain(ui: &Ui, plan: &Plan, args: &ShowArgs, id: &str) -> Result<(), CliError> {
    match why(plan, id, ui.look()) {
        Ok(page) => ui.answer(page),
        Err(0) => Err(CliError::user(format!(
            "{} has no action, change or held row {id:?}",
            args.plan.display()
        ))
        .hint("`tidal-cleanup show PLAN -v` shows the ids")),
        Err(many) => Err(CliError::user(format!(
            "{many} rows of {} begin with {id:?}",
            args.plan.display()
        ))
        .hint("give more of the id")),
    }
}

/// Writes a document where a person wants it. A file there that is something else (music, a policy) is left
/// alone: what we write begins with `{` or `<`, and replaces only what begins alike.
///
/// # Errors
/// When something else is there, or it cannot be written.
pub fn write_document(path: &Path, content: &str) -> Result<(), CliError> {
    refuse_other(path, content.as_bytes())?;
    write_whole(path, content)
}

/// Refuses where a file is that begins otherwise.
///
/// # Errors
/// When there is one.
pub fn refuse_other(path: &Path, begins: &[u8]) -> Result<(), CliError> {
    // Only a file is looked into; what else is there is told by whoever writes.
    if !path.is_file() {
        return Ok(());
    }
    let mut head = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(1).read_to_end(&mut head))
        .map_err(|error| CliError::file("look into", path, error))?;
    match head.is_empty() || begins.starts_with(&head) {
        true => Ok(()),
        false => Err(CliError::user(format!(
            "{} is there already, and is something else",
            path.display()
        ))
        .hint("name another file; it was left alone")),
    }
}

/// Writes a file whole or not at all: beside it, synced, then renamed over it.
///
/// # Errors
/// When it cannot be written; a file that was there is then as it was.
pub fn write_whole(path: &Path, content: &str) -> Result<(), CliError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = |error| CliError::file("write", path, error);
    if path.is_dir() {
        return Err(CliError::message(
            Kind::User,
            format!("{} is a folder; name a file", path.display()),
        ));
    }
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(content.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::{
            settings::Verbosity,
            ui::recorded,
            view::sample::{self, Sample},
        },
        plan::document::Plan,
    };

    fn args() -> ShowArgs {
        ShowArgs {
            plan: "plan.json".into(),
            verify: false,
            rendering: Rendering::default(),
            why: None,
        }
    }

    #[test]
    fn exit_codes_tell_what_is_pending() {
        let empty = Sample::new().plan();
        let everyday = sample::everyday();
        let changes = |plan: &Plan| {
            let mut plan = plan.clone();
            plan.body.held.clear();
            plan.body.decisions.clear();
            plan
        };
        assert_eq!(
            (exit(&empty, true), exit(&empty, false)),
            (Exit::Done, Exit::Done)
        );
        assert_eq!(
            (exit(&everyday, true), exit(&everyday, false)),
            (Exit::Decide, Exit::Done)
        );
        assert_eq!(exit(&changes(&everyday), true), Exit::Changes);
        let mut refused = everyday;
        refused.body.applyable = false;
        assert_eq!(
            (exit(&refused, true), exit(&refused, false)),
            (Exit::Refused, Exit::Refused)
        );
    }

    #[test]
    fn a_plan_that_was_not_saved_says_how() {
        let plan = sample::everyday();
        let (ui, seen) = recorded::ui(Verbosity::Normal, false, &[]);
        let beside = Beside {
            may_be_saved: true,
            ..Beside::default()
        };
        present(&ui, &plan, "{}", &Rendering::default(), &beside).unwrap();
        assert!(seen.out().starts_with("House Italo") && !seen.out().contains("Saved"));
        assert!(seen.err().contains("--out plan.json"));
        let (ui, seen) = recorded::ui(Verbosity::Normal, false, &[]);
        present(&ui, &plan, "{}", &Rendering::default(), &Beside::default()).unwrap();
        assert_eq!(seen.err(), "", "apply and undo have no --out");
        let (ui, seen) = recorded::ui(Verbosity::Normal, true, &[]);
        present(&ui, &plan, "{}", &Rendering::default(), &Beside::default()).unwrap();
        assert_eq!((seen.out().as_str(), seen.err().as_str()), ("{}\n", ""));
    }

    #[test]
    fn an_unknown_action_gets_a_hint() {
        let (ui, _) = recorded::ui(Verbosity::Normal, false, &[]);
        let error = explain(&ui, &sample::everyday(), &args(), "a_x").unwrap_err();
        insta::assert_snapshot!(error.render(false), @r#"
        Error: plan.json has no action, change or held row "a_x"
        Hint: `tidal-cleanup show PLAN -v` shows the ids
        "#);
    }

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        write_whole(&path, "one").unwrap();
        write_whole(&path, "two").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let music = folder.path().join("song.mp3");
        std::fs::write(&music, b"ID3").unwrap();
        assert!(write_document(&music, "{}").is_err());
        assert_eq!(std::fs::read(&music).unwrap(), b"ID3");
        let page = folder.path().join("page.html");
        write_document(&page, "<!doctype html>").unwrap();
        write_document(&page, "<!DOCTYPE html>").unwrap();
        assert!(write_whole(folder.path(), "x").is_err());
        assert!(write_whole(&folder.path().join("no/plan.json"), "x").is_err());
    }
}
