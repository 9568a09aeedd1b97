//! The one way out: an HTTP client that follows no redirect, and whole replies only.

use std::{sync::Once, time::Duration};

use reqwest::{RequestBuilder, StatusCode, header};

use super::settings::{BaseUrl, Timing};

/// The largest body that is read, in bytes.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// A reply that arrived whole.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<String>,
    pub(super) date: Option<String>,
    pub(super) body: Vec<u8>,
}

/// A client for the service at `base`.
pub(super) fn build(base: &BaseUrl, timing: &Timing) -> Result<reqwest::Client, reqwest::Error> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Fails only when another part has installed one already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let builder = reqwest::Client::builder()
        .user_agent(concat!("tidal-cleanup/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(timing.connect)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .pool_idle_timeout(Duration::from_secs(20));
    if base.is_loopback() {
        builder.no_proxy().build()
    } else {
        builder.https_only(true).build()
    }
}

/// Why there is no reply. It is said without the address, which may hold a code.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    /// The service may still be at work on it.
    #[error("no answer within {} s", .0.as_secs_f32().ceil())]
    TooLate(Duration),
    /// The connection failed, or the reply was cut off.
    #[error("{0}")]
    Broken(String),
}

/// Sends and reads to the end of the body, within `limit`.
pub(super) async fn send(request: RequestBuilder, limit: Duration) -> Result<Reply, Unanswered> {
    match tokio::time::timeout(limit, receive(request)).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => Err(Unanswered::Broken(describe(error))),
        Err(_) => Err(Unanswered::TooLate(limit)),
    }
}

enum Broken {
    Http(reqwest::Error),
    TooLarge,
}

async fn receive(request: RequestBuilder) -> Result<Reply, Broken> {
    let mut response = request.send().await.map_err(Broken::Http)?;
    let text = |name: header::HeaderName| {
        let value = response.headers().get(name)?;
        Some(value.to_str().ok()?.to_owned())
    };
    let (retry_after, date) = (text(header::RETRY_AFTER), text(header::DATE));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Broken::Http)? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(Broken::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply {
        status: response.status(),
        retry_after,
        date,
        body,
    })
}

fn describe(broken: Broken) -> String {
    let error = match broken {
        Broken::Http(error) => error.without_url(),
        Broken::TooLarge => return "a reply that does not end".to_owned(),
    };
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
