//! TIDAL's service: the reading trait over the official API.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    TidalApi, TidalError,
    http::{Fault, Http},
    oauth::AuthService,
    progress::OnProgress,
    reader::{self, PlaylistHead, Wish},
    settings::{AccountName, TidalSettings},
    throttle::Throttle,
    tokens::{TokenFile, TokenKeeper, write_private},
    wire::Resource,
    write::ServiceWriter,
};
use crate::domain::{Observed, TidalReading, TidalUser};

/// The playlists of one account, read from the service.
pub struct TidalService {
    http: Http,
    options: ReadOptions,
    settings: TidalSettings,
    /// As the log-in knows it.
    user: Option<TidalUser>,
    /// Whether the log-in has the permission to change playlists.
    may_write: bool,
}

/// What a reading shall have.
#[derive(Default)]
pub struct ReadOptions {
    /// The favourite tracks too.
    pub favorites: bool,
    /// The country whose catalogue counts; `None`: the user's.
    pub country: Option<String>,
    /// The last good reading: playlists that have not changed since are taken from it. One of another
    /// user is left aside.
    pub previous: Option<TidalReading>,
    /// Is told how far the reading is.
    pub on_progress: Option<OnProgress>,
}

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhoAmI {
    /// Id and country.
    pub user: TidalUser,
    /// TIDAL's name for the user, often the e-mail address.
    pub username: Option<String>,
}

/// When a reading was last made without help of a previous one.
#[derive(Serialize, Deserialize)]
struct FullReading {
    at: Timestamp,
}

/// What is said where `account` has no log-in.
fn first(account: &AccountName) -> String {
    match account.as_str() {
        AccountName::DEFAULT => "; log in first".to_owned(),
        name => format!(" as {name:?}; log in first with `tidal-cleanup login --account {name}`"),
    }
}

impl fmt::Debug for TidalService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TidalService")
            .field("account", &self.settings.account)
            .field("api_url", &self.settings.api_url)
            .finish_non_exhaustive()
    }
}

impl TidalApi for TidalService {
    async fn read(&self) -> Result<Observed<TidalReading>, TidalError> {
        self.read_with(self.options.previous.as_ref()).await
    }
}

impl TidalService {
    /// The service for the settings' account.
    ///
    /// # Errors
    /// [`TidalError::NotLoggedIn`] when there is no log-in.
    pub fn open(settings: &TidalSettings, options: ReadOptions) -> Result<Self, TidalError> {
        let file = TokenFile::of(settings);
        let tokens = file
            .load()
            .map_err(|error| {
                let path = file.path().display();
                TidalError::NotLoggedIn(format!(": {path} cannot be read ({error})"))
            })?
            .ok_or_else(|| TidalError::NotLoggedIn(first(&settings.account)))?;
        let user = tokens.user.clone();
        let may_write = tokens.may_write();
        let broken = |error: reqwest::Error| TidalError::Unavailable(error.to_string());
        let timing = &settings.timing;
        let auth = AuthService::new(&settings.auth_url, timing).map_err(broken)?;
        let pace = settings.state_dir.join("tidal-pace.json");
        let http = Http::new(
            &settings.api_url,
            TokenKeeper::new(file, auth, tokens),
            Throttle::new(timing, Some(pace)),
            timing,
        );
        Ok(Self {
            http: http.map_err(broken)?,
            options,
            settings: settings.clone(),
            user,
            may_write,
        })
    }

    /// Whether the log-in has the permission to change playlists (`login --write`).
    #[must_use]
    pub const fn may_write(&self) -> bool {
        self.may_write
    }

    /// What changes the account's playlists, for `apply` alone.
    ///
    /// # Errors
    /// [`TidalError::ReadOnly`] when the log-in has not the permission.
    pub fn into_writer(self) -> Result<ServiceWriter, TidalError> {
        match self.may_write {
            true => {
                let country = self.country();
                Ok(ServiceWriter::new(
                    self.http,
                    country,
                    self.settings.write_pace,
                ))
            }
            false => Err(TidalError::ReadOnly),
        }
    }

    /// The country whose catalogue counts, as far as it is known without asking.
    fn country(&self) -> Option<String> {
        let known = self.user.as_ref().and_then(|user| user.country.clone());
        self.options.country.clone().or(known)
    }

    /// What [`TidalApi::read`] may take unchanged playlists from.
    pub fn set_previous(&mut self, previous: Option<TidalReading>) {
        self.options.previous = previous;
    }

    /// Reads everything; playlists that `previous` has and that have not changed since are taken from
    /// it. What that cannot notice (a track that TIDAL withdrew or re-delivered) needs a reading
    /// without it now and then: see [`Self::full_reading_is_due`].
    ///
    /// # Errors
    /// When nothing can be read at all. A reading that breaks off later is a value with a hole.
    pub async fn read_with(
        &self,
        previous: Option<&TidalReading>,
    ) -> Result<Observed<TidalReading>, TidalError> {
        self.http.begin().await;
        let observed = self.read_as_user(previous).await;
        self.http.throttle.remember();
        let observed = observed?;
        if previous.is_none() && observed.value.complete {
            self.note_full_reading();
        }
        Ok(observed)
    }

    async fn read_as_user(
        &self,
        previous: Option<&TidalReading>,
    ) -> Result<Observed<TidalReading>, TidalError> {
        let previous = previous.filter(|reading| self.is_mine(reading));
        let user = match &self.user {
            // The log-in asked, and `whoami` asks again.
            Some(user) if user.country.is_some() => user.clone(),
            Some(_) | None => self.me().await?,
        };
        let country = self.options.country.clone();
        let wish = Wish {
            country: country.or_else(|| user.country.clone()),
            favorites: self.options.favorites,
            previous,
            on_progress: self.options.on_progress.as_ref(),
        };
        reader::read(&self.http, user, &wish).await
    }

    fn is_mine(&self, reading: &TidalReading) -> bool {
        match (&self.user, &reading.user) {
            (Some(me), Some(theirs)) => me.id == theirs.id,
            (Some(_) | None, _) => false,
        }
    }

    /// The playlists without their items, in TIDAL's order: one request for twenty.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn heads(&self) -> Result<Vec<PlaylistHead>, TidalError> {
        self.http.begin().await;
        reader::heads(&self.http, self.country()).await
    }

    /// Asks TIDAL who is logged in.
    ///
    /// # Errors
    /// When TIDAL does not say.
    pub async fn whoami(&self) -> Result<WhoAmI, TidalError> {
        self.http.begin().await;
        self.ask_me().await.map_err(Fault::into_error)
    }

    /// Requests that the last reading took, or has taken so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.http.sent()
    }

    /// Whether no complete reading without help of a previous one was made in the last `every`.
    #[must_use]
    pub fn full_reading_is_due(&self, now: Timestamp, every: Duration) -> bool {
        let path = self.full_reading_path();
        let last: Option<FullReading> = std::fs::read(path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        last.is_none_or(|last| {
            let age = now.duration_since(last.at);
            age.is_negative() || age.unsigned_abs() >= every
        })
    }

    /// The user; where TIDAL does not tell (a scope is missing), as far as the log-in knows.
    async fn me(&self) -> Result<TidalUser, TidalError> {
        match self.ask_me().await {
            Ok(me) => Ok(me.user),
            Err(Fault::Gone(_) | Fault::Refused(_)) => Ok(self.user.clone().unwrap_or(TidalUser {
                id: String::new(),
                country: None,
            })),
            Err(fault @ (Fault::Fatal(_) | Fault::Failed(_))) => Err(fault.into_error()),
        }
    }

    async fn ask_me(&self) -> Result<WhoAmI, Fault> {
        let document = self.http.get::<Resource>(&["users", "me"], &[]).await?;
        let resource = document.data.unwrap_or_default();
        let attributes = resource.attributes.unwrap_or_default();
        let known = self.user.as_ref().map(|user| user.id.clone());
        let me = WhoAmI {
            user: TidalUser {
                id: resource.id.or(known).unwrap_or_default(),
                country: attributes.country,
            },
            username: attributes.username,
        };
        let (user, username) = (&me.user, me.username.clone());
        self.http.tokens.learn_user(user, username).await;
        Ok(me)
    }

    fn note_full_reading(&self) {
        let note = FullReading {
            at: Timestamp::now(),
        };
        if let Ok(bytes) = serde_json::to_vec(&note) {
            // Losing it costs one full reading too many.
            let _ = write_private(&self.full_reading_path(), &bytes);
        }
    }

    fn full_reading_path(&self) -> std::path::PathBuf {
        self.settings.account_dir().join("full-reading.json")
    }
}
