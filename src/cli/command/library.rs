//! `library`: duplicates, orphans and missing files.

use crate::{
    cli::{
        args::{LibraryArgs, ShelfList},
        engine::{Engine, Request, tell_problems},
        error::{CliError, Exit},
        settings::Settings,
        ui::Ui,
        view::{Envelope, shelf::ShelfView},
    },
    plan::shelf::shelf,
};

/// `library`
///
/// # Errors
/// When a source cannot be read at all.
pub async fn library(settings: &Settings, ui: &Ui, args: &LibraryArgs) -> Result<Exit, CliError> {
    let mut engine = Engine::look_at(settings, ui).await?;
    engine.require_canary().await?;
    engine.tell_unfinished(ui).await?;
    let inputs = engine.at_hand(&args.inputs).await?;
    let request = Request {
        inputs,
        ..Request::default()
    };
    let tidal = engine.tidal(&request.inputs, ui).await?;
    let mut observation = engine.look(&tidal, ui).await?;
    tell_problems(&observation, ui);
    let mut found = engine.decide(&request, &mut observation, ui, shelf).await?;
    let wants = |list| args.list.is_none_or(|wanted| wanted == list);
    if !wants(ShelfList::Duplicates) {
        found.duplicates.clear();
    }
    if !wants(ShelfList::Orphans) {
        found.orphans.clear();
    }
    if !wants(ShelfList::Missing) {
        found.missing.clear();
    }
    let view = ShelfView {
        shelf: &found,
        list: args.list,
        look: ui.look(),
    };
    ui.answer_either(view, &Envelope::new("library", &found))?;
    Ok(Exit::Done)
}
