//! `policy check`, `test`, `fmt`, `import`; `explain` has a page of its own.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use crate::{
    cli::{
        args::PolicyCommand,
        engine::{Engine, load_policy},
        error::{CliError, Exit},
        plan::write_whole,
        server,
        settings::Settings,
        ui::Ui,
        view::Envelope,
    },
    policy::{Diagnostic, LoadError, Policy, format, import, run_tests, survey},
};

use super::explain::{self, Question};

/// `policy …`
///
/// # Errors
/// When there is no policy, or it cannot be read.
pub async fn policy(
    settings: &Settings,
    ui: &Ui,
    command: &PolicyCommand,
) -> Result<Exit, CliError> {
    match command {
        PolicyCommand::Check { file } => check(settings, ui, file.as_deref()).await,
        PolicyCommand::Test => test(settings, ui),
        PolicyCommand::Explain {
            what,
            desired,
            as_of,
        } => {
            let question = Question {
                what,
                desired: desired.as_deref(),
                as_of: *as_of,
            };
            explain::explain_one(settings, ui, &question).await
        }
        PolicyCommand::Fmt { file, check } => fmt(settings, ui, file.as_deref(), *check),
        PolicyCommand::Import { files, out } => bring_over(settings, ui, files, out.as_deref()),
    }
}

async fn check(settings: &Settings, ui: &Ui, file: Option<&Path>) -> Result<Exit, CliError> {
    let path = match file {
        Some(file) => settings.around.absolute(file),
        None => settings.policy_path()?,
    };
    let env = |name: &str| settings.around.variable(name);
    let (findings, sound) = match Policy::load(&path, &env, settings.home()) {
        Ok(loaded) => {
            let mut findings = loaded.warnings;
            findings.extend(surveyed(settings, ui, &path, loaded.policy).await);
            (findings, true)
        }
        Err(LoadError::Invalid { findings, .. }) => (findings, false),
        Err(error) => return Err(error.into()),
    };
    let pictures: Vec<String> = findings
        .iter()
        .map(|finding| finding.render(ui.look().color))
        .collect();
    let closing = match (sound, findings.len()) {
        (true, 0) => format!("{} is sound.", path.display()),
        (true, n) => format!("{} is sound, with {n} warning(s).", path.display()),
        (false, n) => format!("{} has {n} finding(s).", path.display()),
    };
    let text = pictures
        .iter()
        .chain([&closing])
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    let answer = serde_json::json!({ "path": path, "sound": sound, "findings": findings });
    ui.answer_either(text, &Envelope::new("policy-check", answer))?;
    Ok(if sound { Exit::Done } else { Exit::Error })
}

/// What the worlds tell of a sound policy, where they have been read before; nothing is made for it.
async fn surveyed(settings: &Settings, ui: &Ui, path: &Path, policy: Policy) -> Vec<Diagnostic> {
    let place = settings.place(Some(&policy));
    let on_server = server::address(settings, Some(&policy)).is_some();
    if !on_server && !place.is_ok_and(|place| place.db.is_file()) {
        ui.detail("Nothing was read yet: the policy is checked by itself.");
        return Vec::new();
    }
    let Ok(text) = std::fs::read_to_string(path) else {
        return Vec::new();
    };
    let Ok(mut engine) = Engine::look_with(policy, settings, ui).await else {
        return Vec::new();
    };
    match explain::seen(&mut engine, ui).await {
        Some(seen) => survey::survey(path, &text, &engine.policy, &seen),
        None => {
            ui.detail("There is no reading at hand: the policy is checked by itself.");
            Vec::new()
        }
    }
}

/// `policy fmt`
fn fmt(settings: &Settings, ui: &Ui, file: Option<&Path>, check: bool) -> Result<Exit, CliError> {
    let stdin = file == Some(Path::new("-"));
    let path = match file {
        Some(file) => settings.around.absolute(file),
        None => settings.policy_path()?,
    };
    let shown = if stdin {
        "stdin".to_owned()
    } else {
        path.display().to_string()
    };
    let failed = |error| CliError::file("read", &path, error);
    let text = match stdin {
        true => {
            let mut text = String::new();
            let mut input = std::io::stdin().lock();
            input.read_to_string(&mut text).map_err(failed)?;
            text
        }
        false => std::fs::read_to_string(&path).map_err(failed)?,
    };
    let laid_out = format::format(&text).map_err(|error| {
        CliError::config(format!("{shown} is no TOML: {}", error.message()))
            .hint("`tidal-cleanup policy check` shows the place")
    })?;
    // A layout that changes the meaning is our mistake, and must not reach the file.
    let table = |text: &str| text.parse::<toml::Table>().ok();
    if table(&text) != table(&laid_out) {
        return Err(CliError::message(
            crate::cli::error::Kind::Bug,
            format!("laying out {shown} would change its meaning; it was left alone"),
        ));
    }
    let changed = laid_out != text;
    if stdin && !check {
        ui.answer(laid_out.trim_end_matches('\n'))?;
        return Ok(Exit::Done);
    }
    if changed && !check {
        write_whole(&path, &laid_out)?;
    }
    let said = match (changed, check) {
        (false, _) => format!("{shown} is laid out."),
        (true, true) => format!("{shown} is not laid out; `tidal-cleanup policy fmt` does it."),
        (true, false) => format!("{shown} was laid out anew."),
    };
    let answer =
        serde_json::json!({ "path": shown, "changed": changed, "written": changed && !check });
    ui.answer_either(said, &Envelope::new("policy-fmt", answer))?;
    Ok(if changed && check {
        Exit::Error
    } else {
        Exit::Done
    })
}

/// `policy import`
fn bring_over(
    settings: &Settings,
    ui: &Ui,
    files: &[PathBuf],
    out: Option<&Path>,
) -> Result<Exit, CliError> {
    let mut texts = Vec::new();
    for file in files {
        let path = settings.around.absolute(file);
        let text = std::fs::read_to_string(&path);
        texts.push(text.map_err(|error| CliError::file("read", &path, error))?);
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let imported = import::import(&texts).map_err(|error| {
        CliError::new(crate::cli::error::Kind::User, error)
            .context("could not read the Python tool's settings")
            .hint("name its config/rekordbox_mytag_mapping.json, its .env, or both")
    })?;
    for note in &imported.notes {
        ui.warning(note);
    }
    let Some(out) = out else {
        let answer = serde_json::json!({ "toml": imported.toml, "notes": imported.notes });
        ui.answer_either(
            imported.toml.trim_end(),
            &Envelope::new("policy-import", answer),
        )?;
        return Ok(Exit::Done);
    };
    let path = settings.around.absolute(out);
    if path.exists() {
        return Err(
            CliError::user(format!("{} is there already", path.display()))
                .hint("name another file, and take over what you want"),
        );
    }
    write_whole(&path, &imported.toml)?;
    let text = format!(
        "Wrote {}. `tidal-cleanup policy check {}` looks it over.",
        path.display(),
        path.display()
    );
    let answer = serde_json::json!({ "path": path, "notes": imported.notes });
    ui.answer_either(text, &Envelope::new("policy-import", answer))?;
    Ok(Exit::Done)
}

fn test(settings: &Settings, ui: &Ui) -> Result<Exit, CliError> {
    let policy = load_policy(settings, ui)?;
    let results = run_tests(&policy);
    let mut lines = Vec::new();
    for result in &results {
        match result.passed {
            true => lines.push(format!("ok    {}", result.name)),
            false => lines.push(format!(
                "FAIL  {} ({})\n        expected  {}\n        got       {}",
                result.name, result.at, result.expected, result.got
            )),
        }
    }
    let failed = results.iter().filter(|result| !result.passed).count();
    lines.push(format!(
        "{} passed, {failed} failed",
        results.len() - failed
    ));
    let rows: Vec<_> = results
        .iter()
        .map(|r| serde_json::json!({"name": r.name, "passed": r.passed, "expected": r.expected, "got": r.got, "at": r.at.to_string()}))
        .collect();
    let answer = serde_json::json!({ "tests": rows, "failed": failed });
    ui.answer_either(lines.join("\n"), &Envelope::new("policy-test", answer))?;
    Ok(if failed == 0 { Exit::Done } else { Exit::Error })
}
