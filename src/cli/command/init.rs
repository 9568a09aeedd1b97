//! `init` and `db init`: the policy, the state database and the library's marker.

use std::path::Path;

use uuid::Uuid;

use crate::{
    cli::{
        args::{ImportArgs, InitArgs, LoginArgs, PlanArgs},
        engine::{Engine, load_policy},
        error::{CliError, Exit, Kind},
        init::{Then, propose, write},
        settings::Settings,
        ui::Ui,
        view::Envelope,
    },
    domain::{LibraryId, State},
    edge::{
        local::{LocalLibrary as _, LocalReader as _},
        store::{StateReader as _, StateStore as _},
    },
};

use super::{account, import, plan};

/// `init`
///
/// # Errors
/// When something cannot be written, or the person says no.
pub async fn init(settings: &Settings, ui: &Ui, args: &InitArgs) -> Result<Exit, CliError> {
    let root = match settings.policy_path() {
        Ok(_) => Some(load_policy(settings, ui)?.library.root),
        Err(_) => None,
    };
    if root.is_some() {
        // Before a folder is made where a drive belongs.
        refuse_lost(&Engine::open(settings, ui).await?).await?;
    }
    let proposal = propose(ui, settings, args, root.as_deref()).await?;
    write(&proposal)?;
    let mut settings = settings.clone();
    if let Some((policy, _)) = &proposal.policy {
        settings.policy = Some(policy.clone());
    }
    let mut engine = Engine::open(&settings, ui).await?;
    let exit = plant(&mut engine, ui).await?;
    engine.store.close().await;
    // A program reads one answer; a person goes on.
    if ui.is_json() {
        return Ok(exit);
    }
    go_on(settings, ui, &proposal.then).await
}

/// What comes after the policy. All is made by now, so a log-in that fails is told, and no more.
async fn go_on(mut settings: Settings, ui: &Ui, then: &Then) -> Result<Exit, CliError> {
    let mut logged_in = true;
    if let Some(client_id) = &then.log_in {
        if let Some(id) = client_id {
            settings.tidal.client_id = Some(id.clone());
        }
        if let Err(error) = account::log_in(&settings, ui, &LoginArgs::default()).await {
            if error.kind == Kind::Interrupted {
                return Err(error);
            }
            ui.error(&error);
            ui.hint("everything else is made; `tidal-cleanup login` tries again");
            logged_in = false;
        }
    }
    if then.import && (logged_in || then.peer.is_some()) {
        let args = ImportArgs {
            from_peer: then.peer.clone(),
            ..ImportArgs::default()
        };
        return import::import(&settings, ui, &args).await;
    }
    if then.plan && logged_in {
        ui.status("\nA first plan. Nothing of it is done yet:");
        return plan::plan(&settings, ui, &PlanArgs::default()).await;
    }
    if then.log_in_first {
        ui.hint("`tidal-cleanup login` comes first, or `plan --desired FILE` from a saved reading of TIDAL");
    }
    Ok(Exit::Done)
}

/// `db init`: gives the library its marker, and the state database the library's id. Both may be there
/// already; what is there is kept.
///
/// # Errors
/// When marker and database belong to different libraries, or cannot be written.
pub async fn plant(engine: &mut Engine, ui: &Ui) -> Result<Exit, CliError> {
    refuse_lost(engine).await?;
    let root = engine.policy.library.root.clone();
    if !root.is_dir() {
        return Err(CliError::from(crate::edge::local::LocalError::Missing(
            root,
        )));
    }
    let known = engine.store.meta().await?.library_id;
    let id = match (engine.library.canary()?, known) {
        (Some(canary), _) => canary,
        (None, Some(known)) => known,
        (None, None) => LibraryId::new(Uuid::new_v4().to_string()),
    };
    engine.store.set_library(&id).await?;
    engine.library.plant_canary(&id)?;
    let answer =
        serde_json::json!({ "library_id": id, "library": root, "database": engine.state_shown() });
    ui.answer_either(
        format!(
            "Library {} is ready ({id}).\nState database: {}",
            root.display(),
            engine.state_shown()
        ),
        &Envelope::new("init", answer),
    )?;
    if engine.store.server().is_some() && engine.db.exists() {
        ui.hint(format!(
            "what this machine remembered until now is in {}; `tidal-cleanup db init --from sqlite` takes it along",
            engine.db.display()
        ));
    }
    ui.hint("`tidal-cleanup plan` shows what would change; nothing is changed before `apply`");
    Ok(Exit::Done)
}

/// A library that is known and has files, none of which is there, is not new but somewhere else: a
/// marker in its empty mount point would make its absence look like the removal of everything.
async fn refuse_lost(engine: &Engine) -> Result<(), CliError> {
    let state = engine.store.state().await?;
    let known = state.meta.library_id.is_some();
    let lost = known && engine.library.canary()?.is_none();
    match lost && is_away(&state, &engine.policy.library.root) {
        true => Err(engine.lost_library(known)),
        false => Ok(()),
    }
}

/// Whether files are remembered and not one of them is below `root`.
fn is_away(state: &State, root: &Path) -> bool {
    let files = state.files.keys();
    let mut paths = files.filter(|path| path.is_in_library()).peekable();
    paths.peek().is_some() && !paths.any(|path| root.join(path.relative()).exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::sample::remembered;

    #[test]
    fn a_library_is_away_when_none_of_its_files_is_there() {
        let root = tempfile::tempdir().unwrap();
        assert!(!is_away(&State::default(), root.path()), "it is new");
        assert!(is_away(&remembered(), root.path()));
        assert!(is_away(&remembered(), &root.path().join("no")));
        let house = root.path().join("Playlists/House");
        std::fs::create_dir_all(&house).unwrap();
        std::fs::write(house.join("Artist - Here.mp3"), "").unwrap();
        assert!(!is_away(&remembered(), root.path()), "its marker was lost");
    }
}
