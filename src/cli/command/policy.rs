//! `policy check` and `policy test`.

use std::path::Path;

use crate::{
    cli::{
        args::PolicyCommand,
        engine::load_policy,
        error::{CliError, Exit},
        settings::Settings,
        ui::Ui,
        view::Envelope,
    },
    policy::{LoadError, Policy, run_tests},
};

/// `policy …`
///
/// # Errors
/// When there is no policy, or it cannot be read.
pub fn policy(settings: &Settings, ui: &Ui, command: &PolicyCommand) -> Result<Exit, CliError> {
    match command {
        PolicyCommand::Check { file } => check(settings, ui, file.as_deref()),
        PolicyCommand::Test => test(settings, ui),
    }
}

fn check(settings: &Settings, ui: &Ui, file: Option<&Path>) -> Result<Exit, CliError> {
    let path = match file {
        Some(file) => settings.around.absolute(file),
        None => settings.policy_path()?,
    };
    let env = |name: &str| settings.around.variable(name);
    let (findings, sound) = match Policy::load(&path, &env, settings.home()) {
        Ok(loaded) => (loaded.warnings, true),
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
