//! TIDAL in memory, for tests and rehearsals.

use super::{TidalApi, TidalError, snapshot};
use crate::domain::{Observed, TidalReading};

/// A reading that stands in for the service.
#[derive(Clone, Debug, Default)]
pub struct TidalMemory {
    /// What [`TidalApi::read`] says.
    pub reading: TidalReading,
}

impl TidalMemory {
    /// TIDAL as `reading` describes it.
    #[must_use]
    pub const fn new(reading: TidalReading) -> Self {
        Self { reading }
    }
}

impl TidalApi for TidalMemory {
    async fn read(&self) -> Result<Observed<TidalReading>, TidalError> {
        Ok(snapshot::observed(self.reading.clone()))
    }
}
