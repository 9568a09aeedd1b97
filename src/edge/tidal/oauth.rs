//! OAuth 2: Authorization Code with PKCE (RFC 7636, S256) for a public client, and renewal.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::{StatusCode, Url};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::{
    client,
    settings::{BaseUrl, Timing},
    throttle::{jitter, retry_after},
    tokens::Secret,
    wire,
};

/// What reading needs.
pub const READ_SCOPES: [&str; 3] = ["user.read", "playlists.read", "collection.read"];
/// What cleaning up in TIDAL needs besides.
pub const WRITE_SCOPE: &str = "playlists.write";
/// How long a token service may be down before we say so.
const PATIENCE: Duration = Duration::from_secs(40);

/// The secrets of one log-in attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Proves at the token service that we asked.
    pub(super) verifier: Secret,
    /// Comes back with the code, unchanged.
    pub(super) state: Secret,
}

impl Attempt {
    pub(super) fn new() -> Self {
        Self {
            verifier: Secret::new(random_text()),
            state: Secret::new(random_text()),
        }
    }

    /// The page on which the user agrees.
    pub(super) fn page(
        &self,
        login: &BaseUrl,
        client_id: &str,
        redirect: &str,
        scopes: &[&str],
        consent: bool,
    ) -> Url {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let mut query = vec![
            pair("response_type", "code"),
            pair("client_id", client_id),
            pair("redirect_uri", redirect),
            pair("scope", &scopes.join(" ")),
            pair("code_challenge", &challenge(self.verifier.expose())),
            pair("code_challenge_method", "S256"),
            pair("state", self.state.expose()),
        ];
        if consent {
            // Without it TIDAL silently returns the old grant when scopes are added.
            query.push(pair("prompt", "consent"));
        }
        login.url(&["authorize"], &query)
    }

    /// Compares in a time that does not depend on where the texts differ.
    pub(super) fn is_state(&self, given: &str) -> bool {
        let want = Sha256::digest(self.state.expose().as_bytes());
        let have = Sha256::digest(given.as_bytes());
        let difference = want
            .iter()
            .zip(have.iter())
            .fold(0, |sum, (a, b)| sum | std::hint::black_box(a ^ b));
        difference == 0
    }
}

fn challenge(verifier: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// 43 characters from the system's source of randomness: three version 4 UUIDs have 366 random bits,
/// of which the hash keeps 256.
fn random_text() -> String {
    let mut hash = Sha256::new();
    for _ in 0..3 {
        hash.update(uuid::Uuid::new_v4().as_bytes());
    }
    BASE64_URL_SAFE_NO_PAD.encode(hash.finalize())
}

/// What the token service gave.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) access: Secret,
    /// Absent when a renewal leaves the old one valid.
    pub(super) refresh: Option<Secret>,
    pub(super) expires_in_s: u64,
    /// Absent: those that were asked for (RFC 6749 §5.1).
    pub(super) scopes: Option<Vec<String>>,
    pub(super) user_id: Option<String>,
}

/// Why there is no grant.
#[derive(Debug, thiserror::Error)]
pub(super) enum AuthError {
    /// The code or the refresh token is worth nothing (`invalid_grant`).
    #[error("{0}")]
    Invalid(String),
    /// Any other refusal.
    #[error("{0}")]
    Refused(String),
    /// No answer that could be understood, for long enough.
    #[error("{0}")]
    Unavailable(String),
}

/// The token service.
#[derive(Clone, Debug)]
pub(super) struct AuthService {
    client: reqwest::Client,
    url: Url,
    timing: Timing,
}

impl AuthService {
    pub(super) fn new(base: &BaseUrl, timing: &Timing) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client: client::build(base, timing)?,
            url: base.url(&["oauth2", "token"], &[]),
            timing: timing.clone(),
        })
    }

    /// Turns the code of a log-in into tokens.
    pub(super) async fn exchange(
        &self,
        client_id: &str,
        code: &str,
        redirect: &str,
        verifier: &Secret,
    ) -> Result<Grant, AuthError> {
        self.ask(&[
            ("grant_type", "authorization_code"),
            ("client_id", client_id),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", verifier.expose()),
        ])
        .await
    }

    /// Renews tokens.
    pub(super) async fn refresh(
        &self,
        client_id: &str,
        refresh: &Secret,
    ) -> Result<Grant, AuthError> {
        self.ask(&[
            ("grant_type", "refresh_token"),
            ("client_id", client_id),
            ("refresh_token", refresh.expose()),
        ])
        .await
    }

    async fn ask(&self, form: &[(&str, &str)]) -> Result<Grant, AuthError> {
        let give_up = Instant::now() + PATIENCE.min(self.timing.outage / 2);
        let mut wait = self.timing.backoff;
        loop {
            let (reason, said) = match self.once(form).await {
                Ok(grant) => return Ok(grant),
                Err(Once::Final(error)) => return Err(error),
                Err(Once::Again { reason, after }) => (reason, after),
            };
            let pause = said.unwrap_or_else(|| jitter(wait));
            if Instant::now() + pause >= give_up {
                return Err(AuthError::Unavailable(reason));
            }
            tokio::time::sleep(pause).await;
            wait = (wait * 2).min(self.timing.backoff_max);
        }
    }

    async fn once(&self, form: &[(&str, &str)]) -> Result<Grant, Once> {
        let request = self.client.post(self.url.clone()).form(form);
        let reply = client::send(request, self.timing.request)
            .await
            .map_err(|unanswered| Once::Again {
                reason: unanswered.to_string(),
                after: None,
            })?;
        let secrets: Vec<&str> = form
            .iter()
            .filter(|(name, _)| matches!(*name, "code" | "code_verifier" | "refresh_token"))
            .map(|(_, value)| *value)
            .collect();
        judge(&reply, &secrets)
    }
}

enum Once {
    Final(AuthError),
    Again {
        reason: String,
        after: Option<Duration>,
    },
}

fn judge(reply: &client::Reply, secrets: &[&str]) -> Result<Grant, Once> {
    let again = |reason: String| {
        let after = reply
            .retry_after
            .as_deref()
            .and_then(|value| retry_after(value, reply.date.as_deref(), jiff::Timestamp::now()));
        Once::Again { reason, after }
    };
    let status = reply.status;
    if status.is_success() {
        return wire::grant(&reply.body).ok_or_else(|| again("a reply without a token".to_owned()));
    }
    if status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        )
    {
        return Err(again(format!("status {}", status.as_u16())));
    }
    let (code, text) = wire::auth_refusal(&reply.body);
    let text = secrets
        .iter()
        .filter(|secret| !secret.is_empty())
        .fold(text, |text, secret| text.replace(secret, "***"));
    let text = format!("{text} (status {})", status.as_u16());
    Err(Once::Final(if code.as_deref() == Some("invalid_grant") {
        AuthError::Invalid(text)
    } else {
        AuthError::Refused(text)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_rfc_7636() {
        // Appendix B of the RFC.
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn each_attempt_has_its_own_secrets() {
        let (one, two) = (Attempt::new(), Attempt::new());
        assert_eq!(one.verifier.expose().len(), 43);
        assert_ne!(one.verifier, two.verifier);
        assert_ne!(one.verifier, one.state);
        assert!(one.is_state(one.state.expose()));
        assert!(!one.is_state(two.state.expose()));
        assert!(!one.is_state(""));
    }

    #[test]
    fn the_page_asks_for_what_is_needed() {
        let login = BaseUrl::parse("https://login.tidal.com").unwrap();
        let attempt = Attempt::new();
        let page = attempt.page(
            &login,
            "id",
            "http://127.0.0.1:8765/callback",
            &READ_SCOPES,
            true,
        );
        let query: std::collections::BTreeMap<_, _> = page.query_pairs().into_owned().collect();
        assert_eq!(page.path(), "/authorize");
        assert_eq!(query["scope"], "user.read playlists.read collection.read");
        assert_eq!(query["redirect_uri"], "http://127.0.0.1:8765/callback");
        assert_eq!(query["code_challenge_method"], "S256");
        assert_eq!(query["prompt"], "consent");
        assert_eq!(query["code_challenge"].len(), 43);
    }
}
