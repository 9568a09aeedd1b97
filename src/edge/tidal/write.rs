//! Changing playlists in TIDAL: one request at a time, and what became of it is looked up, not guessed.
//!
//! Requests as in TIDAL's API document (1.10.104), `/playlists/{id}/relationships/items`: `DELETE` takes
//! up to fifty entries by their item ids, `POST` adds up to fifty, `PATCH` moves up to twenty. Each
//! carries an `Idempotency-Key`: for an hour the service answers the same key with the same answer.

mod memory;

use std::{fmt, pin::Pin, time::Duration};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

pub use memory::{MemoryPlaylists, Trouble};

use super::{
    TidalError,
    client::Reply,
    http::{Fault, Http},
    reader, wire,
};
use crate::domain::{ItemId, ItemKind, PlaylistEntry, PlaylistId, TrackId};

/// Entries that one request can remove or add.
pub const MOST_CHANGED: usize = 50;
/// Entries that one request can move.
pub const MOST_MOVED: usize = 20;
/// After so many lost answers in a row the wait between changes grows no further.
const MOST_DOUBLINGS: u32 = 4;

/// What an asynchronous method of a trait object gives back.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Changes the user's playlists. `plan` never holds one; `apply` is lent one only where the policy asks
/// for changes of TIDAL by name. It is a trait object, because most runs have none.
pub trait TidalWriter: fmt::Debug + Send + Sync {
    /// The playlist's entries, read to the end now.
    ///
    /// # Errors
    /// When they cannot be read, or the playlist is gone.
    fn entries<'a>(
        &'a self,
        playlist: &'a PlaylistId,
    ) -> Answer<'a, Result<Vec<PlaylistEntry>, TidalError>>;

    /// Sends one change, not before the service bears another one. `key` names the change: the same
    /// one sent again under the same key is done once.
    ///
    /// # Errors
    /// See [`WriteError`].
    fn write<'a>(
        &'a mut self,
        playlist: &'a PlaylistId,
        edit: &'a ListEdit,
        key: &'a str,
    ) -> Answer<'a, Result<(), WriteError>>;
}

/// A change of one playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListEdit {
    /// Takes exactly these entries out; at most [`MOST_CHANGED`].
    Remove(Vec<EntryRef>),
    /// Adds these tracks before an entry, or at the end; at most [`MOST_CHANGED`]. The service has been
    /// seen to put them at the end in either case.
    Add {
        tracks: Vec<TrackId>,
        before: Option<ItemId>,
    },
    /// Moves these entries, in this order, before another; at most [`MOST_MOVED`].
    Move {
        entries: Vec<EntryRef>,
        before: ItemId,
    },
}

/// An entry, as a change names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRef {
    /// What it points at.
    pub kind: ItemKind,
    /// The catalogue id.
    pub id: TrackId,
    /// The entry's own id.
    pub item: ItemId,
}

/// A change that did not simply succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// It may have been done or not; the playlist tells.
    #[error("{0}")]
    Unknown(String),
    /// It was not done, and sending it again is no use.
    #[error("{0}")]
    Refused(String),
}

/// Writes through the official API.
pub struct ServiceWriter {
    http: Http,
    country: Option<String>,
    pace: Duration,
    last: Option<Instant>,
    /// Changes in a row of which nobody knows what became of them.
    lost: u32,
}

impl fmt::Debug for ServiceWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceWriter").finish_non_exhaustive()
    }
}

impl ServiceWriter {
    pub(super) const fn new(http: Http, country: Option<String>, pace: Duration) -> Self {
        Self {
            http,
            country,
            pace,
            last: None,
            lost: 0,
        }
    }

    /// Waits until the service bears another change.
    async fn wait(&self) {
        let pace = self.pace.saturating_mul(1 << self.lost.min(MOST_DOUBLINGS));
        if let Some(last) = self.last {
            tokio::time::sleep_until(last + pace).await;
        }
    }

    async fn send(
        &mut self,
        playlist: &PlaylistId,
        edit: &ListEdit,
        key: &str,
    ) -> Result<(), WriteError> {
        self.wait().await;
        self.http.begin().await;
        let (method, body) = request(edit);
        let segments = ["playlists", playlist.as_str(), "relationships", "items"];
        let reply = self.http.change(&method, &segments, &body, key).await;
        self.last = Some(Instant::now());
        let result = match reply {
            Ok(Ok(reply)) => judge(&reply),
            Ok(Err(unanswered)) => Err(WriteError::Unknown(unanswered.to_string())),
            Err(Fault::Failed(reason) | Fault::Refused(reason) | Fault::Gone(reason)) => {
                Err(WriteError::Unknown(reason))
            }
            Err(Fault::Fatal(error)) => Err(WriteError::Unknown(error.to_string())),
        };
        self.lost = match &result {
            Err(WriteError::Unknown(_)) => self.lost + 1,
            Ok(()) | Err(WriteError::Refused(_)) => 0,
        };
        match result {
            Err(WriteError::Unknown(text)) => {
                Err(WriteError::Unknown(self.http.tokens.redact(&text).await))
            }
            Err(WriteError::Refused(text)) => {
                Err(WriteError::Refused(self.http.tokens.redact(&text).await))
            }
            Ok(()) => Ok(()),
        }
    }
}

impl TidalWriter for ServiceWriter {
    fn entries<'a>(
        &'a self,
        playlist: &'a PlaylistId,
    ) -> Answer<'a, Result<Vec<PlaylistEntry>, TidalError>> {
        Box::pin(async move {
            self.http.begin().await;
            let read = reader::entries(&self.http, self.country.clone(), playlist).await;
            self.http.throttle.remember();
            read
        })
    }

    fn write<'a>(
        &'a mut self,
        playlist: &'a PlaylistId,
        edit: &'a ListEdit,
        key: &'a str,
    ) -> Answer<'a, Result<(), WriteError>> {
        Box::pin(self.send(playlist, edit, key))
    }
}

/// What an answer to a change means. That something was done is only ever believed once the playlist
/// shows it, so that all there is to tell apart is whether sending it again can help.
fn judge(reply: &Reply) -> Result<(), WriteError> {
    let status = reply.status;
    let said = format!("status {}: {}", status.as_u16(), wire::excerpt(&reply.body));
    match status {
        _ if status.is_success() => Ok(()),
        // In progress under the same key; too fast under another name.
        StatusCode::CONFLICT | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => {
            Err(WriteError::Unknown(said))
        }
        StatusCode::TOO_MANY_REQUESTS => Err(WriteError::Unknown(said)),
        StatusCode::FORBIDDEN if reply.retry_after.is_some() => Err(WriteError::Unknown(said)),
        _ if status.is_server_error() => Err(WriteError::Unknown(said)),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(WriteError::Refused(format!(
            "TIDAL does not let this log-in change playlists; \
             `tidal-cleanup login --write` asks for the permission ({said})"
        ))),
        // A missing permission is documented to look like a missing playlist.
        StatusCode::NOT_FOUND => Err(WriteError::Refused(format!(
            "TIDAL knows no such playlist for this log-in; if it is there, \
             `tidal-cleanup login --write` renews the permission to change it ({said})"
        ))),
        StatusCode::UNPROCESSABLE_ENTITY => Err(WriteError::Refused(format!(
            "TIDAL has another change under the same key; plan again ({said})"
        ))),
        _ => Err(WriteError::Refused(said)),
    }
}

fn request(edit: &ListEdit) -> (Method, Value) {
    match edit {
        ListEdit::Remove(entries) => (Method::DELETE, json!({ "data": refs(entries) })),
        ListEdit::Add { tracks, before } => {
            let data: Vec<Value> = tracks
                .iter()
                .map(|id| json!({"id": id, "type": "tracks"}))
                .collect();
            let mut body = json!({ "data": data });
            if let Some(before) = before {
                body["meta"] = json!({ "positionBefore": before });
            }
            (Method::POST, body)
        }
        ListEdit::Move { entries, before } => {
            let meta = json!({ "positionBefore": before });
            (Method::PATCH, json!({"data": refs(entries), "meta": meta}))
        }
    }
}

fn refs(entries: &[EntryRef]) -> Vec<Value> {
    entries
        .iter()
        .map(|entry| {
            let kind = match &entry.kind {
                ItemKind::Track => "tracks",
                ItemKind::Other(kind) => kind,
            };
            json!({"id": entry.id, "type": kind, "meta": {"itemId": entry.item}})
        })
        .collect()
}
