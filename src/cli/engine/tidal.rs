//! TIDAL as a command reaches it: a file, the last reading, the service.

use std::{collections::BTreeSet, path::PathBuf};

use super::Engine;
use crate::{
    cli::{
        args::PlanInputs,
        error::CliError,
        readings::{self, Wish},
        ui::Ui,
    },
    domain::{Observed, Playlist, PlaylistId, TidalReading},
    edge::tidal::{
        ReadOptions, SnapshotFile, TidalApi, TidalError, TidalMemory, TidalService, TidalSettings,
        TidalWriter,
    },
    plan::{Plan, document::Precondition},
};

/// Where TIDAL is read.
pub enum TidalSource {
    File(SnapshotFile),
    /// The last good reading.
    Last(TidalMemory),
    Service(Box<TidalService>),
}

impl TidalApi for TidalSource {
    async fn read(&self) -> Result<Observed<TidalReading>, TidalError> {
        match self {
            Self::File(file) => file.read().await,
            Self::Last(memory) => memory.read().await,
            Self::Service(service) => service.read().await,
        }
    }
}

impl Engine {
    /// The TIDAL reading that the flags and the policy ask for.
    ///
    /// # Errors
    /// When there is no log-in and nothing else is named.
    pub async fn tidal(&self, inputs: &PlanInputs, ui: &Ui) -> Result<TidalSource, CliError> {
        if let Some(path) = &inputs.desired {
            let path = self.settings.around.absolute(path);
            return Ok(TidalSource::File(SnapshotFile { path }));
        }
        if inputs.offline {
            let last = self.last_reading().await?.ok_or_else(|| {
                CliError::user("there is no earlier reading of TIDAL to plan from")
                    .hint("plan once with a log-in, or from a file with `--desired FILE`")
            })?;
            return Ok(TidalSource::Last(TidalMemory { reading: last }));
        }
        if let Some(path) = &self.policy.tidal.snapshot {
            return Ok(TidalSource::File(SnapshotFile { path: path.clone() }));
        }
        let service = self.service(self.policy.tidal.favorites, ui).await?;
        ui.status("Reading TIDAL …");
        Ok(TidalSource::Service(Box::new(service)))
    }

    /// The inputs of a command that needs no fresh reading: the last one does, where there is one.
    ///
    /// # Errors
    /// When the state database cannot be read.
    pub async fn at_hand(&self, inputs: &PlanInputs) -> Result<PlanInputs, CliError> {
        let named = inputs.desired.is_some() || self.policy.tidal.snapshot.is_some();
        let offline = inputs.offline || (!named && self.last_reading().await?.is_some());
        Ok(PlanInputs {
            offline,
            ..inputs.clone()
        })
    }

    /// The TIDAL service of the policy's account.
    ///
    /// # Errors
    /// When nobody is logged in.
    pub async fn service(&self, favorites: bool, ui: &Ui) -> Result<TidalService, CliError> {
        let wish = Wish {
            favorites,
            country: self.policy.tidal.country.clone(),
        };
        readings::service(Some(&self.store), &self.tidal_settings()?, wish, ui).await
    }

    /// How to reach TIDAL.
    ///
    /// # Errors
    /// When the environment names a host that cannot be used.
    pub fn tidal_settings(&self) -> Result<TidalSettings, CliError> {
        let place = self.settings.place(Some(&self.policy))?;
        readings::tidal_settings(&self.settings, &place)
    }

    /// The last complete reading of TIDAL that was saved.
    ///
    /// # Errors
    /// When the state database cannot be read.
    pub async fn last_reading(&self) -> Result<Option<TidalReading>, CliError> {
        Ok(readings::last(&self.store, &self.tidal_settings()?).await?)
    }

    /// What TIDAL holds as far as that is known without asking it: the policy's file, else the last
    /// reading.
    ///
    /// # Errors
    /// When the state database cannot be read.
    pub async fn known_reading(&self) -> Result<Option<TidalReading>, CliError> {
        match &self.policy.tidal.snapshot {
            Some(path) => {
                let file = SnapshotFile { path: path.clone() };
                Ok(file.read().await.ok().map(|read| read.value))
            }
            None => self.last_reading().await,
        }
    }

    /// TIDAL asked again, from where the plan had it; `None` when nobody can be asked.
    ///
    /// # Errors
    /// When it is asked and does not answer.
    pub async fn fresh_reading(
        &self,
        plan: &Plan,
        ui: &Ui,
    ) -> Result<Option<TidalReading>, CliError> {
        let file = plan.meta.tidal_file.as_ref().map(PathBuf::from);
        let inputs = PlanInputs {
            desired: file,
            ..PlanInputs::default()
        };
        let source = self.tidal(&inputs, ui).await?;
        let observed = source.read().await;
        ui.end_progress();
        let observed = observed?;
        Ok(observed.is_complete().then_some(observed.value))
    }

    /// The reading, with the lists that the plan changes in TIDAL read again for certain: whether a
    /// list's time moves with every change of it is not known.
    ///
    /// # Errors
    /// When TIDAL is asked and does not answer.
    pub async fn with_lists(
        &self,
        plan: &Plan,
        reading: Option<TidalReading>,
        ui: &Ui,
    ) -> Result<Option<TidalReading>, CliError> {
        let pre = plan.body.actions.iter().flat_map(|action| &action.pre);
        let lists: BTreeSet<&PlaylistId> = pre
            .filter_map(|pre| match pre {
                Precondition::TidalList { playlist, .. } => Some(playlist),
                _ => None,
            })
            .collect();
        if lists.is_empty() {
            return Ok(reading);
        }
        let mut reading = reading.unwrap_or(TidalReading {
            taken_at: None,
            // Of this nothing may be concluded about other lists.
            complete: false,
            user: None,
            playlists: Vec::new(),
            favorites: None,
        });
        ui.status("Looking at the playlists in TIDAL that will change …");
        let tidal = self.tidal_writer()?;
        for id in lists {
            let items = tidal.entries(id).await?;
            let name = plan.body.playlists.get(id).map(|list| list.name.clone());
            let list = Playlist {
                id: id.clone(),
                name: name.unwrap_or_else(|| id.to_string()),
                description: String::new(),
                last_modified_at: None,
                number_of_items: u32::try_from(items.len()).ok(),
                complete: true,
                items,
            };
            match reading.playlists.iter_mut().find(|it| it.id == *id) {
                Some(known) => known.items = list.items,
                None => reading.playlists.push(list),
            }
        }
        Ok(Some(reading))
    }

    /// Why TIDAL cannot be written, if it cannot: a plan from a file is about the file.
    pub(super) fn tidal_is_read_only(&self, inputs: &PlanInputs) -> Option<String> {
        if !self.policy.tidal.cleanup.is_asked_for() {
            return None;
        }
        let from_file = self.policy.tidal.snapshot.is_some() && !inputs.offline;
        if inputs.desired.is_some() || from_file {
            return Some("TIDAL was read from a file, so it is not changed".to_owned());
        }
        let settings = self.tidal_settings().ok()?;
        match TidalService::open(&settings, ReadOptions::default()) {
            Ok(service) if service.may_write() => None,
            Ok(_) => Some("it needs a log-in with `tidal-cleanup login --write`".to_owned()),
            Err(error) => Some(format!("{error}; `tidal-cleanup login --write` logs in")),
        }
    }

    /// What changes TIDAL's playlists.
    ///
    /// # Errors
    /// When nobody is logged in, or without the permission.
    pub fn tidal_writer(&self) -> Result<Box<dyn TidalWriter>, CliError> {
        let options = ReadOptions {
            country: self.policy.tidal.country.clone(),
            ..ReadOptions::default()
        };
        let service = TidalService::open(&self.tidal_settings()?, options)?;
        Ok(Box::new(service.into_writer()?))
    }
}
