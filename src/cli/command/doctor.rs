//! `doctor`: everything that can be wrong, looked at.

use crate::cli::{
    doctor::examine,
    error::{CliError, Exit},
    settings::Settings,
    ui::Ui,
    view::Envelope,
};

/// `doctor`; exit 1 when something is wrong.
///
/// # Errors
/// When the answer cannot be written.
pub async fn doctor(settings: &Settings, ui: &Ui) -> Result<Exit, CliError> {
    ui.begin_spinner("Looking at everything …");
    let report = examine(settings).await;
    ui.end_progress();
    ui.answer_either(report.view(ui.look()), &Envelope::new("doctor", &report))?;
    Ok(match report.wrong {
        0 => Exit::Done,
        _ => Exit::Error,
    })
}
