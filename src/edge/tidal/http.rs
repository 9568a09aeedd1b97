//! One request to the API, until it is answered well or given up: pace, token, retries, patience.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use reqwest::{StatusCode, header};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{
    TidalError,
    client::{self, Unanswered},
    settings::{BaseUrl, Timing},
    throttle::{Throttle, TooLong, jitter, retry_after},
    tokens::TokenKeeper,
    wire::{self, Document},
};

/// How often an address is asked that fails for no fault of ours.
const TRIES: u32 = 12;
/// How often an address is asked that is refused for going too fast.
const TRIES_TOO_FAST: u32 = 12;
/// How often an address is asked that is refused for a reason: live services refuse wrongly now and then.
const TRIES_REFUSED: u32 = 2;
/// 403 has been seen as an answer to going too fast, and 409 is one to an edit in progress.
const TRIES_FORBIDDEN: u32 = 4;
/// After so many addresses were given up, further ones get little patience…
const GIVEN_UP_SHORT: u32 = 3;
/// …and after so many the reading ends.
const GIVEN_UP_ALL: u32 = 8;

/// The API of one account.
#[derive(Debug)]
pub(super) struct Http {
    client: reqwest::Client,
    pub(super) api: BaseUrl,
    pub(super) tokens: TokenKeeper,
    pub(super) throttle: Throttle,
    timing: Timing,
    /// When the service last made sense.
    alive: Mutex<Instant>,
    given_up: AtomicU32,
    sent: AtomicU64,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The reading as a whole cannot go on.
    Fatal(TidalError),
    /// There is no such thing (any more).
    Gone(String),
    /// The service does not want to, whatever we do.
    Refused(String),
    /// No good answer after many tries.
    Failed(String),
}

impl Fault {
    /// As an error of the whole reading.
    pub(super) fn into_error(self) -> TidalError {
        match self {
            Self::Fatal(error) => error,
            Self::Gone(reason) | Self::Refused(reason) => TidalError::Refused(reason),
            Self::Failed(reason) => TidalError::Unavailable(reason),
        }
    }
}

/// What one reply means.
enum Verdict<T> {
    Good(Document<T>),
    /// 401.
    Unauthorised(String),
    /// 429, or a 503 or 403 with a time to come back at.
    TooFast(Option<Duration>),
    /// Worth another try.
    Again(String),
    /// 403, 409.
    Forbidden(String),
    /// 404, 410.
    Gone(String),
    /// Any other refusal.
    Refused(String),
}

/// What happened so far to one address.
#[derive(Default)]
struct Tries {
    failed: u32,
    too_fast: u32,
    unauthorised: u32,
    first: Option<Instant>,
}

impl Http {
    pub(super) fn new(
        api: &BaseUrl,
        tokens: TokenKeeper,
        throttle: Throttle,
        timing: &Timing,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client: client::build(api, timing)?,
            api: api.clone(),
            tokens,
            throttle,
            timing: timing.clone(),
            alive: Mutex::new(Instant::now()),
            given_up: AtomicU32::new(0),
            sent: AtomicU64::new(0),
        })
    }

    /// A new reading begins: what went wrong before it does not count.
    pub(super) async fn begin(&self) {
        self.tokens.begin().await;
        self.mark_alive();
        self.given_up.store(0, Ordering::Relaxed);
        self.sent.store(0, Ordering::Relaxed);
    }

    /// Requests since [`Self::begin`].
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// The document at `segments`.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &[(String, String)],
    ) -> Result<Document<T>, Fault> {
        let url = self.api.url(segments, query);
        let mut tries = Tries::default();
        loop {
            let bearer = self.tokens.bearer().await.map_err(Fault::Fatal)?;
            let request = self.client.get(url.clone());
            let (sent, reply) = self.ask(request, &url, bearer.token.expose()).await?;
            match judge(reply) {
                Verdict::Good(document) => {
                    self.mark_alive();
                    self.throttle.passed(Instant::now());
                    return Ok(document);
                }
                Verdict::Unauthorised(reason) => {
                    tries.unauthorised += 1;
                    if tries.unauthorised > 2 {
                        let reason = self.tokens.redact(&reason).await;
                        return Err(Fault::Fatal(TidalError::NotLoggedIn(format!(
                            ": a fresh token is refused; log in again ({reason})"
                        ))));
                    }
                    let renewed = self.tokens.refused(bearer.generation).await;
                    renewed.map_err(Fault::Fatal)?;
                }
                Verdict::TooFast(after) => {
                    self.throttle.refused(sent, Instant::now(), after);
                    tries.too_fast += 1;
                    if tries.too_fast >= TRIES_TOO_FAST {
                        return Err(self.give_up("it keeps refusing for going too fast".to_owned()));
                    }
                }
                Verdict::Again(reason) => {
                    self.wait_or(&mut tries, TRIES, &reason)
                        .await?
                        .map_err(|()| self.give_up(reason))?;
                }
                Verdict::Forbidden(reason) => {
                    let verdict = self.wait_or(&mut tries, TRIES_FORBIDDEN, &reason).await?;
                    if verdict.is_err() {
                        return Err(Fault::Refused(self.tokens.redact(&reason).await));
                    }
                }
                Verdict::Gone(reason) => {
                    self.mark_alive();
                    let verdict = self.wait_or(&mut tries, TRIES_REFUSED, &reason).await?;
                    verdict.map_err(|()| Fault::Gone(reason))?;
                }
                Verdict::Refused(reason) => {
                    self.mark_alive();
                    let verdict = self.wait_or(&mut tries, TRIES_REFUSED, &reason).await?;
                    if verdict.is_err() {
                        return Err(Fault::Refused(self.tokens.redact(&reason).await));
                    }
                }
            }
        }
    }

    /// A change, which is sent until it is answered by something else than “too fast” or “who are
    /// you?”: those two tell that nothing was done. What any other answer means is for the caller to
    /// find out, and so is what no answer means.
    pub(super) async fn change(
        &self,
        method: &reqwest::Method,
        segments: &[&str],
        body: &serde_json::Value,
        key: &str,
    ) -> Result<Result<client::Reply, Unanswered>, Fault> {
        let url = self.api.url(segments, &[]);
        let (mut too_fast, mut unauthorised) = (0, 0);
        loop {
            let bearer = self.tokens.bearer().await.map_err(Fault::Fatal)?;
            let request = self
                .client
                .request(method.clone(), url.clone())
                .header(header::CONTENT_TYPE, "application/vnd.api+json")
                .header("Idempotency-Key", key)
                .body(body.to_string());
            let (sent, reply) = self.ask(request, &url, bearer.token.expose()).await?;
            let Ok(reply) = reply else {
                return Ok(reply);
            };
            match reply.status {
                StatusCode::UNAUTHORIZED if unauthorised < 2 => {
                    unauthorised += 1;
                    let renewed = self.tokens.refused(bearer.generation).await;
                    renewed.map_err(Fault::Fatal)?;
                }
                StatusCode::TOO_MANY_REQUESTS if too_fast < TRIES_TOO_FAST => {
                    too_fast += 1;
                    let after = wait_of(&reply);
                    self.throttle.refused(sent, Instant::now(), after);
                }
                status => {
                    if status.is_success() {
                        self.mark_alive();
                        self.throttle.passed(Instant::now());
                    } else if reply.retry_after.is_some() {
                        let after = wait_of(&reply);
                        self.throttle.refused(sent, Instant::now(), after);
                    }
                    return Ok(Ok(reply));
                }
            }
        }
    }

    /// One request, when the throttle lets it go; and when it went.
    async fn ask(
        &self,
        request: reqwest::RequestBuilder,
        url: &reqwest::Url,
        token: &str,
    ) -> Result<(Instant, Result<client::Reply, Unanswered>), Fault> {
        // A wait that the service asks for is no outage, so it may last longer than one.
        let patience = self.last_alive() + self.timing.outage + self.timing.outage / 2;
        let permit = match self.throttle.admit(patience).await {
            Ok(permit) => permit,
            Err(TooLong(wait)) => {
                let seconds = wait.as_secs() + 1;
                return Err(Fault::Fatal(TidalError::Unavailable(format!(
                    "it asks to wait {seconds} s before the next request"
                ))));
            }
        };
        let sent = Instant::now();
        let left = self.deadline().saturating_duration_since(sent);
        let request = request
            .header(header::ACCEPT, "application/vnd.api+json")
            .bearer_auth(token);
        self.sent.fetch_add(1, Ordering::Relaxed);
        let limit = self.timing.request.min(left.max(Duration::from_secs(1)));
        let reply = client::send(request, limit).await;
        match &reply {
            Err(Unanswered::TooLate(_)) => self.throttle.abandon(permit),
            Ok(_) | Err(Unanswered::Broken(_)) => drop(permit),
        }
        tracing::debug!(
            path = url.path(),
            status = reply.as_ref().map_or(0, |reply| reply.status.as_u16()),
            duration_ms = sent.elapsed().as_millis(),
            "TIDAL"
        );
        Ok((sent, reply))
    }

    /// Waits before another try; `Ok(Err(()))` when there have been enough.
    async fn wait_or(
        &self,
        tries: &mut Tries,
        limit: u32,
        reason: &str,
    ) -> Result<Result<(), ()>, Fault> {
        let now = Instant::now();
        let first = *tries.first.get_or_insert(now);
        tries.failed += 1;
        let limit = match self.given_up.load(Ordering::Relaxed) >= GIVEN_UP_SHORT {
            true => limit.min(2),
            false => limit,
        };
        if tries.failed >= limit || now.duration_since(first) >= self.timing.address {
            return Ok(Err(()));
        }
        // Few tries, so that each may wait longer.
        let first_wait = match limit {
            TRIES_FORBIDDEN => self.timing.backoff * 2,
            _ => self.timing.backoff,
        };
        let doubled = first_wait.saturating_mul(1 << (tries.failed - 1).min(6));
        let wait = jitter(doubled.min(self.timing.backoff_max));
        if now + wait >= self.deadline() {
            return Err(Fault::Fatal(TidalError::Unavailable(reason.to_owned())));
        }
        tokio::time::sleep(wait).await;
        Ok(Ok(()))
    }

    fn give_up(&self, reason: String) -> Fault {
        let before = self.given_up.fetch_add(1, Ordering::Relaxed);
        if before + 1 >= GIVEN_UP_ALL {
            return Fault::Fatal(TidalError::Unavailable(reason));
        }
        Fault::Failed(reason)
    }

    /// When the service counts as gone. After a wait that it asked for it gets one more chance.
    fn deadline(&self) -> Instant {
        let chance = self.throttle.paused_until() + self.timing.request;
        chance.max(self.last_alive() + self.timing.outage)
    }

    fn last_alive(&self) -> Instant {
        *self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark_alive(&self) {
        *self.alive.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// How long the service asks to wait.
fn wait_of(reply: &client::Reply) -> Option<Duration> {
    let value = reply.retry_after.as_deref()?;
    retry_after(value, reply.date.as_deref(), Timestamp::now())
}

fn judge<T: DeserializeOwned>(reply: Result<client::Reply, Unanswered>) -> Verdict<T> {
    let reply = match reply {
        Ok(reply) => reply,
        Err(unanswered) => return Verdict::Again(unanswered.to_string()),
    };
    let status = reply.status;
    if status.is_success() {
        return judge_body(&reply.body);
    }
    let after = || wait_of(&reply);
    let reason = format!("status {}: {}", status.as_u16(), wire::excerpt(&reply.body));
    match status {
        StatusCode::TOO_MANY_REQUESTS => Verdict::TooFast(after()),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::FORBIDDEN if reply.retry_after.is_some() => {
            Verdict::TooFast(after())
        }
        StatusCode::UNAUTHORIZED => Verdict::Unauthorised(reason),
        StatusCode::FORBIDDEN | StatusCode::CONFLICT => Verdict::Forbidden(reason),
        StatusCode::NOT_FOUND | StatusCode::GONE => Verdict::Gone(reason),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::LOCKED => {
            Verdict::Again(reason)
        }
        _ if status.is_server_error() => Verdict::Again(reason),
        _ => Verdict::Refused(reason),
    }
}

/// A reply counts only if it is whole, JSON, and has `data`.
fn judge_body<T: DeserializeOwned>(body: &[u8]) -> Verdict<T> {
    match serde_json::from_slice::<Document<T>>(&super::nul::without_nul(body)) {
        Ok(document) if document.data.is_some() => Verdict::Good(document),
        Ok(_) => Verdict::Again("a reply without data".to_owned()),
        Err(error) => Verdict::Again(format!("a reply that is not TIDAL's JSON ({error})")),
    }
}
