//! Where the Rekordbox library is, and how it is opened.

use std::path::{Path, PathBuf};

use crate::{
    cli::{error::CliError, settings::Settings, ui::Ui},
    edge::rekordbox::{
        RekordboxError, locate,
        masterdb::{MasterDb, MasterDbOptions},
    },
    policy::{Policy, RekordboxDatabase},
};

/// Where the Rekordbox library is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Located {
    /// There, and who says so.
    At(PathBuf, FoundBy),
    /// Nowhere; the default place.
    Missing(PathBuf),
    /// The policy leaves Rekordbox alone.
    Unwanted,
    /// Rekordbox does not run on this system, and no path is named.
    Elsewhere,
}

/// Who says where the library is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FoundBy {
    /// `--rekordbox`
    Flag,
    /// `[rekordbox] database`
    Policy,
    /// Rekordbox's own settings.
    Settings,
    /// The options of Rekordbox's agent.
    Options,
    /// It is in its default place.
    Default,
}

/// Looks for the Rekordbox library: flag, policy, Rekordbox's own settings, default places.
///
/// # Errors
/// When the settings name a library that is not there: another one is no substitute.
pub fn locate_rekordbox(policy: Option<&Policy>, settings: &Settings) -> Result<Located, CliError> {
    if let Some(path) = &settings.rekordbox {
        return Ok(Located::At(path.clone(), FoundBy::Flag));
    }
    match policy.map(|policy| &policy.rekordbox.database) {
        Some(RekordboxDatabase::None) => return Ok(Located::Unwanted),
        Some(RekordboxDatabase::At(path)) => {
            return Ok(Located::At(path.clone(), FoundBy::Policy));
        }
        Some(RekordboxDatabase::Auto) | None => {}
    }
    let app_data = settings.around.variable("APPDATA").map(PathBuf::from);
    let home = settings.around.home.as_deref();
    let Some(places) = locate::Places::of_this_system(home, app_data.as_deref()) else {
        return Ok(Located::Elsewhere);
    };
    match locate::find(&places) {
        Ok((path, source)) => Ok(Located::At(
            path,
            match source {
                locate::Source::Settings => FoundBy::Settings,
                locate::Source::Options => FoundBy::Options,
                locate::Source::Default => FoundBy::Default,
            },
        )),
        Err(RekordboxError::Missing(path)) => Ok(Located::Missing(path)),
        Err(error) => Err(error.into()),
    }
}

/// How a library is opened beside this state database. The last reading is kept there.
#[must_use]
pub fn rekordbox_options(
    settings: &Settings,
    db: &Path,
    policy: Option<&Policy>,
) -> MasterDbOptions {
    let mut options = MasterDbOptions::new(settings.backups(db));
    options.cache = Some(db.with_extension("rekordbox.cache"));
    if let Some(policy) = policy {
        options.keep = policy.rekordbox.backups;
    }
    options
}

pub(super) fn open_rekordbox(
    policy: &Policy,
    settings: &Settings,
    db: &Path,
    ui: &Ui,
) -> Result<Option<MasterDb>, CliError> {
    match locate_rekordbox(Some(policy), settings)? {
        Located::At(path, _) => {
            let options = rekordbox_options(settings, db, Some(policy));
            Ok(Some(MasterDb::open(&path, options)?))
        }
        Located::Missing(_) => {
            ui.status("No Rekordbox library found; planning without it.");
            Ok(None)
        }
        Located::Elsewhere => {
            ui.detail("Rekordbox does not run on this system; name its library in `[rekordbox] database`.");
            Ok(None)
        }
        Located::Unwanted => Ok(None),
    }
}
