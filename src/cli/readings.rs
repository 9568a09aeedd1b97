//! Reading TIDAL with help of the last good reading, and keeping what was read: with a policy or
//! without one.

use std::path::Path;

use jiff::Timestamp;

use crate::{
    cli::{
        error::{CliError, Kind},
        settings::{Settings, StatePlace},
        ui::Ui,
    },
    domain::TidalReading,
    edge::{
        store::{
            NewSnapshot, StateReader as _, StateStore as _, Store, StoreError,
            sqlite::{SqliteStore, StoreOptions},
        },
        tidal::{ReadOptions, TidalService, TidalSettings, snapshot, tokens::TokenFile},
    },
};

/// How often everything is read again, although nothing seems to have changed.
const FULL_READING_EVERY: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);

/// Opens the state database; to read only, where it cannot be written.
///
/// # Errors
/// When it cannot be opened.
pub async fn open_store(settings: &Settings, db: &Path) -> Result<Store, StoreError> {
    let options = StoreOptions {
        log_sql: settings.log_sql,
        ..StoreOptions::new(settings.backups(db), Timestamp::now())
    };
    let opened = match SqliteStore::open(db, &options).await {
        // A folder that may only be read is good enough for what only reads.
        Err(error) if error.is_read_only() => SqliteStore::open_to_read(db, &options)
            .await
            .map_err(|_| error),
        opened => opened,
    };
    opened.map(Store::from)
}

/// Opens the state database for a command that only reads. One that is not there yet, or is of an older
/// version, is made or migrated as a writing command would: there is nothing to read before.
///
/// # Errors
/// When it cannot be opened.
pub async fn look_at_store(settings: &Settings, db: &Path) -> Result<Store, StoreError> {
    match look_at_present(settings, db).await {
        Err(StoreError::Missing { .. } | StoreError::Outdated { .. }) => {
            open_store(settings, db).await
        }
        opened => opened,
    }
}

/// Opens the state database for reading as it is: nothing is made or migrated.
///
/// # Errors
/// When it is not there, of another version, or cannot be opened.
pub async fn look_at_present(settings: &Settings, db: &Path) -> Result<Store, StoreError> {
    let options = StoreOptions::new(settings.backups(db), Timestamp::now());
    let opened = SqliteStore::open_to_read(db, &options).await;
    opened.map(Store::from)
}

/// How to reach TIDAL as the account whose state lies at `place`, from the environment.
///
/// # Errors
/// When a host or the account's name cannot be used.
pub fn tidal_settings(settings: &Settings, place: &StatePlace) -> Result<TidalSettings, CliError> {
    // `init` may have asked for it.
    let lookup = |name: &str| match name {
        "TIDAL_CLEANUP_TIDAL_CLIENT_ID" => settings.tidal.client_id.clone(),
        name => settings.around.variable(name),
    };
    TidalSettings::from_lookup(&place.dir, &place.account, lookup)
        .map_err(|error| CliError::new(Kind::Config, error))
}

/// What a reading shall have.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The favourite tracks too.
    pub favorites: bool,
    /// The country whose catalogue counts.
    pub country: Option<String>,
}

/// The TIDAL service of an account. Playlists that have not changed since the last good reading are
/// taken from it, unless that is long ago: what TIDAL no longer streams shows only in a full reading.
///
/// # Errors
/// When nobody is logged in.
pub async fn service(
    store: Option<&Store>,
    tidal: &TidalSettings,
    wish: Wish,
    ui: &Ui,
) -> Result<TidalService, CliError> {
    let options = ReadOptions {
        favorites: wish.favorites,
        country: wish.country,
        previous: None,
        on_progress: ui.reporter("Reading TIDAL"),
    };
    let mut service = TidalService::open(tidal, options)?;
    if let Some(store) = store {
        remember(&mut service, store, tidal).await;
    }
    Ok(service)
}

/// Gives `service` the last good reading in `store`, unless all has to be read anew.
pub async fn remember(service: &mut TidalService, store: &Store, tidal: &TidalSettings) {
    if !service.full_reading_is_due(Timestamp::now(), FULL_READING_EVERY) {
        // A state that cannot be read makes the reading longer, not wrong.
        service.set_previous(last(store, tidal).await.ok().flatten());
    }
}

/// The last complete reading of this account that was kept. A state that several accounts were made to
/// share may have one of another user, which is none.
///
/// # Errors
/// When the state database cannot be read.
pub async fn last(
    store: &Store,
    tidal: &TidalSettings,
) -> Result<Option<TidalReading>, StoreError> {
    let text = store.last_reading().await?;
    let me = TokenFile::of(tidal).user();
    let is_mine = |reading: &TidalReading| match (&me, &reading.user) {
        (Some(me), Some(theirs)) => me.id == theirs.id,
        (Some(_) | None, _) => true,
    };
    Ok(text
        .and_then(|text| snapshot::parse(text.as_bytes()).ok())
        .filter(is_mine))
}

/// Keeps a reading in the state database, for `--offline` and the next quick one. Where it cannot be
/// kept that is said, and no more: what was read is as good as before.
pub async fn keep(store: &mut Store, reading: &TidalReading, ui: &Ui) {
    if let Err(error) = save(store, reading).await {
        ui.warning(format!("the reading of TIDAL could not be kept: {error}"));
    }
}

async fn save(store: &mut Store, reading: &TidalReading) -> Result<(), StoreError> {
    let entries: usize = reading.playlists.iter().map(|list| list.items.len()).sum();
    let complete = reading.complete && reading.playlists.iter().all(|list| list.complete);
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let snapshot = NewSnapshot {
        kind: "tidal",
        data: &snapshot::render(reading),
        playlist_count: count(reading.playlists.len()),
        track_count: count(entries),
        complete,
        at: Timestamp::now(),
    };
    store.save_snapshot(snapshot).await
}
