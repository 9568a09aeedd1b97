//! The gates of the moment, which are no part of a plan.

use std::path::{Path, PathBuf};

use jiff::Zoned;

use super::{Engine, allows};
use crate::{
    cli::args::Overrides,
    edge::{
        rekordbox::{RekordboxReader as _, exports},
        store::freeze::HandFreeze,
    },
    plan::{
        Plan,
        document::Check,
        guard::{self, Moment},
    },
};

impl Engine {
    /// The gates of the moment, which are no part of a plan: freeze, Rekordbox, room on the disk.
    #[must_use]
    pub fn moment(&self, plan: &Plan, overrides: &Overrides) -> Vec<Check> {
        let running = match &self.rekordbox {
            Some(rekordbox) if touches_rekordbox(plan) => rekordbox.running(),
            Some(_) | None => Ok(Vec::new()),
        };
        let running = running.map_err(|error| error.to_string());
        // What is left out needs no room and touches nothing; a review that fits not is refused later.
        let actions: Vec<_> = match crate::apply::chosen(plan) {
            Ok(chosen) => chosen.into_iter().cloned().collect(),
            Err(_) => plan.body.actions.clone(),
        };
        let needed = actions
            .iter()
            .map(|action| action.estimate.bytes_down)
            .sum();
        let frozen = HandFreeze::read(&self.db).map_err(|error| error.to_string());
        let exports = self.exports();
        let moment = Moment {
            hand_freeze: match &frozen {
                Ok(freeze) => Ok(freeze.as_ref().map(|freeze| guard::HandFreeze {
                    until: freeze.until,
                    because: &freeze.because,
                })),
                Err(reason) => Err(reason),
            },
            exports: &exports,
            allow: &allows(overrides),
            now: &Zoned::now(),
            rekordbox: running.as_deref().map_err(String::as_str),
            free: self.library.free_bytes().ok(),
            needed,
        };
        guard::moment(&self.policy, &actions, &moment)
    }

    /// Mounted volumes with a Rekordbox export; not the ones that hold the library or Rekordbox's own
    /// database, which an apply is about.
    fn exports(&self) -> Vec<String> {
        let around = &self.settings.around;
        let named = around.variable("TIDAL_CLEANUP_VOLUMES").map(PathBuf::from);
        let user = around.variable("USER");
        let database = self.rekordbox.as_ref().map(|rekordbox| rekordbox.path());
        let ours = |volume: &Path| {
            self.policy.library.root.starts_with(volume)
                || database.is_some_and(|path| path.starts_with(volume))
        };
        exports::mounted(named.as_deref(), user.as_deref())
            .into_iter()
            .filter(|volume| !ours(volume))
            .map(|volume| volume.display().to_string())
            .collect()
    }
}

fn touches_rekordbox(plan: &Plan) -> bool {
    plan.body
        .actions
        .iter()
        .any(|action| action.effect.kind().starts_with("rb."))
}
