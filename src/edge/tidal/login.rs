//! Logging in: the browser, a listener on this machine, and tokens stored only when all is well.

use std::{
    io::{self, BufRead},
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    TidalError, browser,
    oauth::{Attempt, AuthError, AuthService, Grant, READ_SCOPES, WRITE_SCOPE},
    redirect,
    service::{ReadOptions, TidalService, WhoAmI},
    settings::{AccountName, TidalSettings},
    tokens::{TokenFile, Tokens},
};

/// The ports of the redirect addresses that have to be registered at developer.tidal.com, as
/// `http://127.0.0.1:PORT/callback`: TIDAL compares them as exact text.
pub const PORTS: [u16; 3] = [8765, 8766, 8767];
/// The path of the redirect address.
pub(super) const CALLBACK: &str = "/callback";
/// How long TIDAL may take to say who has just logged in, which is a courtesy.
const NAME_PATIENCE: Duration = Duration::from_secs(8);

/// How to log in.
#[derive(Clone, Debug)]
pub struct LoginOptions {
    /// Print the page's address and take the pasted redirect, for a machine without a browser.
    pub no_browser: bool,
    /// Ask for the permission to change playlists too.
    pub write: bool,
    /// Where to listen; the first free one is taken. 0 is any.
    pub ports: Vec<u16>,
}

impl Default for LoginOptions {
    fn default() -> Self {
        Self {
            no_browser: false,
            write: false,
            ports: PORTS.to_vec(),
        }
    }
}

/// A log-in that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedIn {
    /// Which account it is kept as.
    pub account: AccountName,
    /// What the user agreed to, in alphabetic order.
    pub scopes: Vec<String>,
    /// Who it is, where TIDAL said so in time.
    pub who: Option<WhoAmI>,
}

/// Why nobody is logged in now. Nothing was stored, and an older log-in is as it was.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// There is no client id.
    #[error(
        "no TIDAL client id: register an app at developer.tidal.com and set \
         TIDAL_CLEANUP_TIDAL_CLIENT_ID"
    )]
    NoClientId,
    /// All the registered ports are taken.
    #[error("none of the ports {0:?} is free on 127.0.0.1")]
    NoPort(Vec<u16>),
    /// The user or TIDAL said no.
    #[error("TIDAL refused the log-in: {0}")]
    Denied(String),
    /// What came back does not belong to this log-in.
    #[error("the reply does not belong to this log-in ({0})")]
    Tampered(&'static str),
    /// Nobody logged in.
    #[error("nobody logged in within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The user agreed to less than is needed.
    #[error("TIDAL granted too little: {} is missing", .0.join(", "))]
    MissingScopes(Vec<String>),
    /// The token service does not answer.
    #[error("TIDAL does not answer: {0}")]
    Unavailable(String),
    /// Nothing was pasted.
    #[error("no address was pasted")]
    NothingPasted,
    /// The token file says no.
    #[error("could not {doing} the log-in in {path}")]
    Store {
        doing: &'static str,
        path: String,
        #[source]
        source: io::Error,
    },
}

/// Logs in as the settings' account. `say` gets the lines for the user, the page's address on one of
/// its own; `pasted` is where the redirect address is pasted, with [`LoginOptions::no_browser`].
///
/// # Errors
/// See [`LoginError`].
pub async fn login(
    settings: &TidalSettings,
    options: &LoginOptions,
    pasted: impl BufRead + Send + 'static,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<LoggedIn, LoginError> {
    let file = TokenFile::of(settings);
    let client_id = client_id(settings, &file)?;
    let scopes = wanted_scopes(options.write);
    let attempt = Attempt::new();
    let auth = AuthService::new(&settings.auth_url, &settings.timing)
        .map_err(|error| LoginError::Unavailable(error.to_string()))?;
    let request = Request {
        settings,
        client_id: &client_id,
        scopes: &scopes,
        attempt: &attempt,
        consent: options.write,
    };
    let tokens = if options.no_browser {
        let fixed = options.ports.iter().copied().find(|port| *port != 0);
        let port = fixed.unwrap_or(PORTS[0]);
        let redirect = redirect_uri(port);
        let code = request.paste(&redirect, pasted, say).await?;
        request.tokens(&auth, &code, &redirect).await?
    } else {
        request.browse(&auth, &options.ports, say).await?
    };
    file.save(&tokens).map_err(|source| LoginError::Store {
        doing: "store",
        path: file.path().display().to_string(),
        source,
    })?;
    Ok(LoggedIn {
        account: settings.account.clone(),
        scopes: tokens.scopes,
        who: tokio::time::timeout(NAME_PATIENCE, whoami(settings))
            .await
            .ok()
            .and_then(Result::ok),
    })
}

/// Forgets the account's tokens; `false` when there were none.
///
/// # Errors
/// [`LoginError::Store`].
pub fn logout(settings: &TidalSettings) -> Result<bool, LoginError> {
    let file = TokenFile::of(settings);
    file.delete().map_err(|source| LoginError::Store {
        doing: "remove",
        path: file.path().display().to_string(),
        source,
    })
}

/// Asks TIDAL who is logged in as the settings' account.
///
/// # Errors
/// When nobody is, or TIDAL does not say.
pub async fn whoami(settings: &TidalSettings) -> Result<WhoAmI, TidalError> {
    TidalService::open(settings, ReadOptions::default())?
        .whoami()
        .await
}

fn client_id(settings: &TidalSettings, file: &TokenFile) -> Result<String, LoginError> {
    let stored = || Some(file.load().ok()??.client_id);
    settings
        .client_id
        .clone()
        .or_else(stored)
        .ok_or(LoginError::NoClientId)
}

fn wanted_scopes(write: bool) -> Vec<&'static str> {
    let mut scopes = READ_SCOPES.to_vec();
    if write {
        scopes.push(WRITE_SCOPE);
    }
    scopes
}

fn redirect_uri(port: u16) -> String {
    format!("http://127.0.0.1:{port}{CALLBACK}")
}

/// One log-in, under way.
struct Request<'a> {
    settings: &'a TidalSettings,
    client_id: &'a str,
    scopes: &'a [&'static str],
    attempt: &'a Attempt,
    consent: bool,
}

impl Request<'_> {
    fn page(&self, redirect: &str) -> String {
        let login = &self.settings.login_url;
        self.attempt
            .page(login, self.client_id, redirect, self.scopes, self.consent)
            .into()
    }

    /// Opens the page, waits for the browser to come back, and tells it how it went.
    async fn browse(
        &self,
        auth: &AuthService,
        ports: &[u16],
        say: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Tokens, LoginError> {
        let (listener, port) = redirect::bind(ports).await?;
        let redirect = redirect_uri(port);
        let page = self.page(&redirect);
        say("Log in to TIDAL on this page:");
        say(&page);
        if let Err(reason) = browser::open(self.settings.browser.as_deref(), &page) {
            say(&format!(
                "No browser could be opened ({reason}); open the page yourself."
            ));
        }
        let limit = self.settings.timing.login;
        let (mut stream, query) = tokio::time::timeout(limit, redirect::callback(&listener))
            .await
            .map_err(|_| LoginError::TimedOut(limit))?;
        let tokens = match self.code(&query) {
            Ok(code) => self.tokens(auth, &code, &redirect).await,
            Err(error) => Err(error),
        };
        redirect::answer(&mut stream, tokens.is_ok()).await;
        tokens
    }

    /// Prints the page and takes the address that the browser ended at.
    async fn paste(
        &self,
        redirect: &str,
        pasted: impl BufRead + Send + 'static,
        say: &mut (dyn FnMut(&str) + Send),
    ) -> Result<String, LoginError> {
        say("Log in to TIDAL on this page, on any machine:");
        say(&self.page(redirect));
        say(&format!(
            "Then paste the address that the browser ends at (it starts with {redirect}):"
        ));
        let limit = self.settings.timing.login;
        let query = tokio::time::timeout(limit, async {
            let mut lines = lines(pasted);
            while let Some(line) = lines.recv().await {
                match redirect_query(&line) {
                    Some(query) => return Some(query),
                    None if line.trim().is_empty() => {}
                    // What was pasted is not repeated: nobody knows what it is.
                    None => {
                        say("That is not the address: paste all of it, with what follows the `?`:");
                    }
                }
            }
            None
        });
        let query = query
            .await
            .map_err(|_| LoginError::TimedOut(limit))?
            .ok_or(LoginError::NothingPasted)?;
        self.code(&query)
    }

    /// The code in a redirect's query, if the redirect is the answer to this log-in.
    fn code(&self, query: &str) -> Result<String, LoginError> {
        let all: Vec<(String, String)> = form(query);
        let only = |name: &str| {
            let mut values = all.iter().filter(|(key, _)| key == name);
            match (values.next(), values.next()) {
                (Some((_, value)), None) => Some(value.as_str()),
                (Some(_) | None, _) => None,
            }
        };
        let is_ours = only("state").map(|state| self.attempt.is_state(state));
        match (is_ours, only("error")) {
            (Some(true) | None, Some(error)) => {
                Err(LoginError::Denied(match only("error_description") {
                    Some(words) => super::wire::excerpt(format!("{error}: {words}").as_bytes()),
                    None => super::wire::excerpt(error.as_bytes()),
                }))
            }
            (Some(true), None) => only("code")
                .filter(|code| !code.is_empty())
                .map(str::to_owned)
                .ok_or(LoginError::Tampered("it has no code")),
            (Some(false), _) => Err(LoginError::Tampered("its state is not the one we sent")),
            (None, None) => Err(LoginError::Tampered("it has no state")),
        }
    }

    async fn tokens(
        &self,
        auth: &AuthService,
        code: &str,
        redirect: &str,
    ) -> Result<Tokens, LoginError> {
        let grant = auth
            .exchange(self.client_id, code, redirect, &self.attempt.verifier)
            .await
            .map_err(|error| match error {
                AuthError::Invalid(reason) | AuthError::Refused(reason) => {
                    LoginError::Denied(reason)
                }
                AuthError::Unavailable(reason) => LoginError::Unavailable(reason),
            })?;
        let scopes = self.granted(&grant)?;
        Ok(Tokens::granted(self.client_id, scopes, grant))
    }

    fn granted(&self, grant: &Grant) -> Result<Vec<String>, LoginError> {
        let asked = || self.scopes.iter().map(|&scope| scope.to_owned()).collect();
        let mut granted: Vec<String> = grant.scopes.clone().unwrap_or_else(asked);
        granted.sort();
        let missing: Vec<String> = self
            .scopes
            .iter()
            .filter(|scope| !granted.iter().any(|have| have == *scope))
            .map(|&scope| scope.to_owned())
            .collect();
        if missing.is_empty() {
            Ok(granted)
        } else {
            Err(LoginError::MissingScopes(missing))
        }
    }
}

/// Reads lines on a thread of its own, which nobody waits for when the time is over.
fn lines(mut from: impl BufRead + Send + 'static) -> mpsc::UnboundedReceiver<String> {
    let (send, receive) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if send
                .send(String::from_utf8_lossy(&line).into_owned())
                .is_err()
            {
                return;
            }
            line.clear();
        }
    });
    receive
}

/// The query of a pasted redirect, with or without what stands before it and quotes around it; `None`
/// when the line is something else.
fn redirect_query(line: &str) -> Option<String> {
    let around = |c: char| c.is_whitespace() || "\"'`<>".contains(c);
    let line = line.trim_matches(around);
    let query = line.split_once('?').map_or(line, |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    let is_redirect = form(query)
        .iter()
        .any(|(name, _)| matches!(name.as_str(), "code" | "error" | "state"));
    is_redirect.then(|| query.to_owned())
}

fn form(query: &str) -> Vec<(String, String)> {
    let Ok(mut url) = reqwest::Url::parse("http://127.0.0.1/") else {
        return Vec::new();
    };
    url.set_query(Some(query));
    url.query_pairs().into_owned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> TidalSettings {
        TidalSettings::from_lookup(std::path::Path::new("nowhere"), "", |_| None).unwrap()
    }

    fn code(query: impl Fn(&str) -> String) -> Result<String, LoginError> {
        let (settings, attempt) = (settings(), Attempt::new());
        let request = Request {
            settings: &settings,
            client_id: "id",
            scopes: &READ_SCOPES,
            attempt: &attempt,
            consent: false,
        };
        request.code(&query(attempt.state.expose()))
    }

    #[test]
    fn only_our_own_redirect_has_a_code() {
        assert_eq!(
            code(|state| format!("code=a%2Bb&state={state}")).unwrap(),
            "a+b"
        );
        let tampered =
            |query: &dyn Fn(&str) -> String| matches!(code(query), Err(LoginError::Tampered(_)));
        assert!(tampered(&|_| "code=a&state=guess".to_owned()));
        assert!(tampered(&|_| "code=a".to_owned()));
        assert!(tampered(&|state| format!("state={state}")));
        assert!(tampered(&|state| format!("code=&state={state}")));
        assert!(tampered(&|state| format!("code=a&code=b&state={state}")));
        assert!(tampered(&|state| format!(
            "code=a&state={state}&state={state}"
        )));
        assert!(tampered(&|_| "error=access_denied&state=guess".to_owned()));
        assert!(tampered(&|_| String::new()));
    }

    #[test]
    fn a_refusal_is_said_as_tidal_says_it() {
        let denied = code(|state| {
            format!("error=access_denied&error_description=User+said+no&state={state}")
        });
        let text = denied.unwrap_err().to_string();
        assert!(text.ends_with("access_denied: User said no"), "{text}");
    }

    #[test]
    fn without_a_client_id_there_is_a_hint() {
        let settings = settings();
        let error = client_id(&settings, &TokenFile::of(&settings)).unwrap_err();
        assert!(error.to_string().contains("TIDAL_CLEANUP_TIDAL_CLIENT_ID"));
    }
}
