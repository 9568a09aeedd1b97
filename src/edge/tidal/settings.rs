//! Where TIDAL is, which account is meant, and how patient we are.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::Url;

use super::keyring::Keyring;

/// Everything that the TIDAL edge needs to know from outside.
#[derive(Clone, Debug)]
pub struct TidalSettings {
    /// The user's own client id from developer.tidal.com; `None`: the one that the log-in stored.
    pub client_id: Option<String>,
    /// Base of `/authorize`.
    pub login_url: BaseUrl,
    /// Base of `/oauth2/token`.
    pub auth_url: BaseUrl,
    /// Base of `/playlists`.
    pub api_url: BaseUrl,
    /// A command that opens web pages (`BROWSER`); `None`: the platform's.
    pub browser: Option<String>,
    /// Whose log-in.
    pub account: AccountName,
    /// The folder of the state database.
    pub state_dir: PathBuf,
    /// Where the secrets of a log-in go, if not into a file.
    pub keyring: Keyring,
    /// How fast, how long.
    pub timing: Timing,
    /// From one change of a playlist to the next.
    pub write_pace: Duration,
}

/// TIDAL bears one change in two seconds, and refuses faster ones.
const WRITE_PACE: Duration = Duration::from_secs(2);

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not a URL, or one that would send tokens in the clear.
    #[error("{name} is not usable: {reason}")]
    Url { name: String, reason: String },
    /// Pace and patience are for servers on this machine to try out.
    #[error("TIDAL_CLEANUP_TIDAL_TIMING is not usable: {0}")]
    Timing(String),
    /// An account's name is a folder's name too.
    #[error(
        "{0:?} cannot be an account's name: use up to 64 letters, digits, `-`, `_`, `.` and `@`"
    )]
    Account(String),
}

impl TidalSettings {
    /// The settings of `account`, with the hosts and the client id from the environment
    /// (`TIDAL_CLEANUP_TIDAL_LOGIN_URL`, `…_AUTH_URL`, `…_API_URL`, `…_CLIENT_ID`, `BROWSER`).
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn from_env(state_dir: &Path, account: &str) -> Result<Self, SettingsError> {
        Self::from_lookup(state_dir, account, |name| std::env::var(name).ok())
    }

    /// Like [`Self::from_env`], from any source of variables.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn from_lookup(
        state_dir: &Path,
        account: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let set = |name: &str| {
            lookup(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let url = |name: &str, default: &str| {
            let name = format!("TIDAL_CLEANUP_TIDAL_{name}");
            let value = set(&name).unwrap_or_else(|| default.to_owned());
            BaseUrl::parse(&value).map_err(|reason| SettingsError::Url { name, reason })
        };
        let api_url = url("API_URL", "https://openapi.tidal.com/v2")?;
        // Only a service on this machine may be hurried.
        let hurried = set("TIDAL_CLEANUP_TIDAL_WRITE_PACE")
            .filter(|_| api_url.is_loopback())
            .and_then(|seconds| Duration::try_from_secs_f64(seconds.parse().ok()?).ok());
        let mut settings = Self {
            client_id: set("TIDAL_CLEANUP_TIDAL_CLIENT_ID"),
            login_url: url("LOGIN_URL", "https://login.tidal.com")?,
            auth_url: url("AUTH_URL", "https://auth.tidal.com/v1")?,
            api_url,
            browser: set("BROWSER"),
            account: AccountName::parse(account)?,
            state_dir: state_dir.to_owned(),
            keyring: Keyring::of_system(&set),
            timing: Timing::default(),
            write_pace: hurried.unwrap_or(WRITE_PACE),
        };
        if let Some(text) = set("TIDAL_CLEANUP_TIDAL_TIMING") {
            if !settings.api_url.is_loopback() || !settings.auth_url.is_loopback() {
                let reason = "it is for a service on this machine only".to_owned();
                return Err(SettingsError::Timing(reason));
            }
            settings.timing = Timing::parse(&text).map_err(SettingsError::Timing)?;
        }
        Ok(settings)
    }

    /// Where the account's own state lies.
    #[must_use]
    pub fn account_dir(&self) -> PathBuf {
        self.state_dir.join("accounts").join(self.account.as_str())
    }
}

/// A name for a log-in, fit to be a folder's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountName(String);

impl AccountName {
    /// The account where nobody names one.
    pub const DEFAULT: &'static str = "default";

    /// Checks `name`; an empty one is [`Self::DEFAULT`].
    ///
    /// # Errors
    /// [`SettingsError::Account`].
    pub fn parse(name: &str) -> Result<Self, SettingsError> {
        let name = match name.trim() {
            "" => Self::DEFAULT,
            name => name,
        };
        let fits = name.len() <= 64
            && !name.starts_with('.')
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.@".contains(c));
        if fits {
            Ok(Self(name.to_owned()))
        } else {
            Err(SettingsError::Account(name.to_owned()))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The address that a service's paths are appended to. Plain http is for loopback only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Reads an `https://` address, or `http://` to this machine.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url: Url = text
            .parse()
            .map_err(|error| format!("{text:?} is no URL ({error})"))?;
        let base = Self(url);
        match base.0.scheme() {
            "https" => {}
            "http" if base.is_loopback() => {}
            "http" => return Err(format!("{text:?} would send tokens unencrypted; use https")),
            other => return Err(format!("{text:?} has the scheme {other:?}; use https")),
        }
        if !base.0.username().is_empty() || base.0.password().is_some() {
            return Err("it must not contain a password".to_owned());
        }
        if base.0.query().is_some() || base.0.fragment().is_some() {
            return Err(format!("{text:?} must end with its path"));
        }
        Ok(base)
    }

    /// Whether it is this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.0.host_str() {
            None => false,
            Some("localhost") => true,
            Some(host) => host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback()),
        }
    }

    /// The base with `segments` appended, each encoded, and the query.
    #[must_use]
    pub fn url(&self, segments: &[&str], query: &[(String, String)]) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Whether `url` is of the same scheme, host and port.
    #[must_use]
    pub fn is_origin_of(&self, url: &Url) -> bool {
        self.0.origin() == url.origin()
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Pace and patience. The defaults are what the live service was seen to bear.
#[derive(Clone, Debug)]
pub struct Timing {
    /// Requests a second to start with, and at the most.
    pub rate: f64,
    /// The slowest pace that refusals lead to.
    pub min_rate: f64,
    /// Added to the pace after each clean [`Self::creep_every`].
    pub creep: f64,
    /// See [`Self::creep`].
    pub creep_every: Duration,
    /// Requests in flight at the most.
    pub in_flight: usize,
    /// For a connection to stand.
    pub connect: Duration,
    /// For a whole request.
    pub request: Duration,
    /// The first wait before trying again; it doubles.
    pub backoff: Duration,
    /// The longest single wait before trying again.
    pub backoff_max: Duration,
    /// How long one address may fail before it is given up.
    pub address: Duration,
    /// How long the service may fail as a whole before the reading ends. It may ask for waits of half
    /// as long again.
    pub outage: Duration,
    /// For the user to log in.
    pub login: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            rate: 4.0,
            min_rate: 0.2,
            creep: 0.25,
            creep_every: Duration::from_secs(30),
            in_flight: 4,
            connect: Duration::from_secs(5),
            request: Duration::from_secs(15),
            backoff: Duration::from_millis(500),
            backoff_max: Duration::from_secs(8),
            address: Duration::from_secs(40),
            outage: Duration::from_secs(60),
            login: Duration::from_secs(300),
        }
    }
}

impl Timing {
    /// The usual, but for what `text` names: `rate=50 request=1.5`, times in seconds. For tests and
    /// measurements against a server on this machine.
    ///
    /// # Errors
    /// Says which part makes no sense.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut timing = Self::default();
        for part in text.split_whitespace() {
            let value = part
                .split_once('=')
                .and_then(|(name, value)| Some((name, value.parse::<f64>().ok()?)))
                .filter(|(_, value)| (0.001..1e6).contains(value));
            let Some((name, value)) = value else {
                return Err(format!("{part:?} is no `name=number`"));
            };
            let time = Duration::from_secs_f64(value);
            match name {
                "rate" => timing.rate = value,
                "min_rate" => timing.min_rate = value,
                "creep" => timing.creep = value,
                "creep_every" => timing.creep_every = time,
                "connect" => timing.connect = time,
                "request" => timing.request = time,
                "backoff" => timing.backoff = time,
                "backoff_max" => timing.backoff_max = time,
                "address" => timing.address = time,
                "outage" => timing.outage = time,
                "login" => timing.login = time,
                _ => return Err(format!("{name:?} is unknown")),
            }
        }
        timing.min_rate = timing.min_rate.min(timing.rate);
        Ok(timing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_service_on_this_machine_may_be_hurried() {
        let settings = |api: &'static str| {
            TidalSettings::from_lookup(Path::new("state"), "", move |name| match name {
                "TIDAL_CLEANUP_TIDAL_API_URL" => Some(api.to_owned()),
                "TIDAL_CLEANUP_TIDAL_AUTH_URL" => Some("http://127.0.0.1:7".to_owned()),
                "TIDAL_CLEANUP_TIDAL_TIMING" => Some("rate=50 request=1.5".to_owned()),
                _ => None,
            })
        };
        let timing = settings("http://127.0.0.1:7/v2").unwrap().timing;
        assert!((timing.rate - 50.0).abs() < 1e-9);
        assert_eq!(timing.request, Duration::from_millis(1_500));
        assert_eq!(timing.login, Timing::default().login);
        assert!(settings("https://openapi.tidal.com/v2").is_err());
        for bad in ["rate", "rate=x", "rate=-1", "speed=2"] {
            assert!(Timing::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for good in [
            "https://openapi.tidal.com/v2",
            "http://127.0.0.1:8080/v2/",
            "http://localhost:1",
            "http://[::1]:9/x",
        ] {
            assert!(BaseUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://openapi.tidal.com/v2",
            "http://127.0.0.1.example.com",
            "ftp://127.0.0.1",
            "https://u:p@tidal.com",
            "https://tidal.com/?x=1",
            "tidal.com",
        ] {
            assert!(BaseUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_are_appended_and_encoded() {
        let base = BaseUrl::parse("http://127.0.0.1:1/v2/").unwrap();
        let url = base.url(
            &["playlists", "a/b"],
            &[("page[cursor]".to_owned(), "x+/=".to_owned())],
        );
        assert_eq!(
            url.as_str(),
            "http://127.0.0.1:1/v2/playlists/a%2Fb?page%5Bcursor%5D=x%2B%2F%3D"
        );
    }

    #[test]
    fn an_account_is_a_folder_and_no_way_out_of_it() {
        assert_eq!(AccountName::parse("").unwrap().as_str(), "default");
        assert!(AccountName::parse("dj.anna@home").is_ok());
        for bad in ["..", ".hidden", "a/b", "a\\b", "ü"] {
            assert!(AccountName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_environment_overrides_the_hosts() {
        let settings = TidalSettings::from_lookup(Path::new("state"), "x", |name| match name {
            "TIDAL_CLEANUP_TIDAL_API_URL" => Some("http://127.0.0.1:7/v2".to_owned()),
            "TIDAL_CLEANUP_TIDAL_CLIENT_ID" => Some(" id ".to_owned()),
            "BROWSER" => Some(String::new()),
            _ => None,
        })
        .unwrap();
        assert_eq!(settings.api_url.to_string(), "http://127.0.0.1:7/v2");
        assert_eq!(settings.auth_url.to_string(), "https://auth.tidal.com/v1");
        assert_eq!(settings.client_id.as_deref(), Some("id"));
        assert_eq!(settings.browser, None);
        assert!(settings.account_dir().ends_with("state/accounts/x"));
    }
}
