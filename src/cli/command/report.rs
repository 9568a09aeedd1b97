//! `report`: the library over time.

use std::collections::BTreeMap;

use jiff::{Zoned, tz::TimeZone};

use crate::{
    cli::{
        args::ReportArgs,
        engine::{Engine, Request, tell_problems},
        error::{CliError, Exit},
        plan::write_document,
        report::{Source, report},
        settings::Settings,
        ui::Ui,
        view::{Envelope, report::page},
    },
    edge::{local::trash, store::StateReader as _},
    plan::shelf::shelf,
};

/// What came and left of one playlist; more is history that no chart shows.
const CHANGES: usize = 100_000;

/// `report`
///
/// # Errors
/// When a source cannot be read at all, or the page cannot be written.
pub async fn run(settings: &Settings, ui: &Ui, args: &ReportArgs) -> Result<Exit, CliError> {
    let mut engine = Engine::look_at(settings, ui).await?;
    engine.require_canary().await?;
    engine.tell_unfinished(ui).await?;
    let request = Request {
        inputs: engine.at_hand(&args.inputs).await?,
        ..Request::default()
    };
    let tidal = engine.tidal(&request.inputs, ui).await?;
    let mut observation = engine.look(&tidal, ui).await?;
    tell_problems(&observation, ui);
    let found = engine.decide(&request, &mut observation, ui, shelf).await?;
    let mut changes = BTreeMap::new();
    for id in observation.state.playlists.keys() {
        let of_list = engine.store.recent_changes(id, CHANGES).await?;
        changes.insert(id.clone(), of_list);
    }
    let root = &engine.policy.library.root;
    let trashed = trash::files(root);
    let bytes_of = |path: &crate::domain::MediaPath| {
        std::fs::metadata(root.join(path.relative())).map_or(0, |facts| facts.len())
    };
    let trash = (trashed.len(), trashed.iter().map(bytes_of).sum());
    let applies = engine.store.applies().await?;
    let report = report(&Source {
        observation: &observation,
        changes: &changes,
        shelf: &found,
        applies: &applies,
        trash,
        free: engine.library.free_bytes().ok(),
        today: request.inputs.as_of.unwrap_or_else(|| Zoned::now().date()),
        zone: &TimeZone::system(),
    });
    if let Some(path) = &args.html {
        let path = settings.around.absolute(path);
        write_document(&path, &page(&report))?;
        ui.status(format!("Saved {}", path.display()));
        if !ui.is_json() {
            return Ok(Exit::Done);
        }
    }
    ui.answer_either(report.view(ui.look()), &Envelope::new("report", &report))?;
    Ok(Exit::Done)
}
