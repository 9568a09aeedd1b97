//! `doctor`: looks at everything that a plan and an apply need, and says what to do where it is not as
//! it should be. It reads, and never stops at what it finds; nothing is written and TIDAL is not asked.

mod places;
mod state;
mod tools;
mod worlds;

use crate::{
    cli::{
        settings::Settings,
        view::doctor::{Area, Finding, Report},
    },
    policy::{LoadError, Policy},
};

/// Looks at everything.
pub async fn examine(settings: &Settings) -> Report {
    let mut findings = Vec::new();
    let policy = policy(settings, &mut findings);
    findings.extend(places::library(policy.as_ref()));
    findings.extend(state::look(policy.as_ref(), settings).await);
    findings.extend(worlds::rekordbox(policy.as_ref(), settings).await);
    findings.extend(worlds::tidal(policy.as_ref(), settings).await);
    findings.extend(tools::look(policy.as_ref()).await);
    findings.extend(places::system(settings));
    Report::new(findings)
}

/// The policy, if it is one.
fn policy(settings: &Settings, findings: &mut Vec<Finding>) -> Option<Policy> {
    let path = match settings.policy_path() {
        Ok(path) => path,
        Err(error) => {
            findings.push(
                Finding::wrong(Area::Policy, "policy.found", error.to_string())
                    .remedy("`tidal-cleanup init` writes one"),
            );
            return None;
        }
    };
    let env = |name: &str| settings.around.variable(name);
    match Policy::load(&path, &env, settings.home()) {
        Ok(loaded) => {
            findings.push(Finding::fine(
                Area::Policy,
                "policy.valid",
                path.display().to_string(),
            ));
            if !loaded.warnings.is_empty() {
                let odd = loaded.warnings.len();
                findings.push(
                    Finding::note(Area::Policy, "policy.odd", format!("{odd} of it looks odd"))
                        .remedy("`tidal-cleanup policy check` shows where"),
                );
            }
            Some(loaded.policy)
        }
        Err(error) => {
            let remedy = match &error {
                LoadError::Invalid { .. } => "`tidal-cleanup policy check` shows each, and a fix",
                LoadError::Read { .. } | LoadError::TooLarge { .. } | LoadError::NotText { .. } => {
                    "name another one with `--policy FILE`"
                }
            };
            findings.push(
                Finding::wrong(Area::Policy, "policy.valid", error.to_string()).remedy(remedy),
            );
            None
        }
    }
}
