//! What the API answers: an account's playlists and favourites in pages of twenty.

#![expect(clippy::unwrap_used, reason = "a cursor is one that we gave")]

use serde_json::{Value, json};

use super::{
    document::knows_query,
    server::{Seen, refusal},
    world::{Entry, World, added_at},
};

impl World {
    /// The truth.
    pub(crate) fn answer(&self, seen: &Seen) -> (u16, Value) {
        let parts: Vec<&str> = seen.path.trim_matches('/').split('/').collect();
        match parts.as_slice() {
            ["users", "me"] => (
                200,
                json!({"data": {"id": "77", "type": "users", "attributes":
                    {"country": "DE", "username": "dj@example.org", "developerAccessTier": "THIRD_PARTY"}},
                    "links": {"self": "/users/me"}}),
            ),
            ["playlists"] => self.all(seen),
            ["playlists", id] => match self.list(id) {
                Some(_) => (
                    200,
                    json!({"data": {"id": id, "type": "playlists"}, "links": {"self": "/"}}),
                ),
                None => refusal(404, "NOT_FOUND"),
            },
            ["playlists", id, "relationships", "items"] => match self.list(id) {
                Some(list) => self.page(seen, &list.entries, "itemIndex", true),
                None => refusal(404, "NOT_FOUND"),
            },
            ["userCollectionTracks", "me"] => (
                200,
                json!({"data": {"id": "me", "type": "userCollectionTracks",
                    "attributes": {"numberOfItems": self.favorites.len()}}, "links": {"self": "/"}}),
            ),
            ["userCollectionTracks", "me", "relationships", "items"] => {
                self.page(seen, &self.favorites, "title", false)
            }
            _ => refusal(404, "NOT_FOUND"),
        }
    }

    fn all(&self, seen: &Seen) -> (u16, Value) {
        if !knows_query("GET", &seen.path, seen.query.keys())
            || seen.query.get("filter[owners.id]").map(String::as_str) != Some("me")
        {
            return refusal(400, "INVALID_REQUEST");
        }
        let embeds = seen.query.contains_key("include");
        let from = offset(seen);
        let end = (from + 20).min(self.playlists.len());
        let from = from.min(end);
        let mut entries: Vec<&Entry> = Vec::new();
        let data: Vec<Value> = self.playlists[from..end]
            .iter()
            .map(|list| {
                let first = &list.entries[..list.entries.len().min(20)];
                let mut resource = json!({"id": list.id, "type": "playlists", "attributes": {
                    "name": list.name, "description": format!("about {}", list.name),
                    "numberOfItems": list.count(), "lastModifiedAt": list.modified.to_string(),
                    "createdAt": "2020-01-01T00:00:00.000Z", "accessType": "UNLISTED",
                    "playlistType": "USER", "bounded": true, "externalLinks": [],
                    "numberOfFollowers": 0}});
                if embeds {
                    entries.extend(first);
                    let path = format!("/playlists/{}/relationships/items", list.id);
                    let links = links(&path, "", (list.entries.len() > 20).then_some(20));
                    resource["relationships"] =
                        json!({"items": {"data": identifiers(first, true), "links": links}});
                }
                resource
            })
            .collect();
        let next = (end < self.playlists.len()).then_some(end);
        let query = "filter%5Bowners.id%5D=me";
        (
            200,
            json!({"data": data, "links": links("/playlists", query, next),
            "included": self.included(&entries)}),
        )
    }

    fn page(&self, seen: &Seen, entries: &[Entry], sort: &str, has_ids: bool) -> (u16, Value) {
        if !knows_query("GET", &seen.path, seen.query.keys())
            || seen.query.get("sort").map(String::as_str) != Some(sort)
        {
            return refusal(400, "INVALID_REQUEST");
        }
        let from = offset(seen);
        let end = (from + 20).min(entries.len());
        let page = &entries[from.min(end)..end];
        let included = match seen.query.get("include").map(String::as_str) {
            Some("items.artists,items.albums") => self.included(&page.iter().collect::<Vec<_>>()),
            _ => Vec::new(),
        };
        let next = (end < entries.len()).then_some(end);
        (
            200,
            json!({"data": identifiers(page, has_ids), "included": included,
            "links": links(&seen.path, if has_ids { "countryCode=US" } else { "" }, next)}),
        )
    }
}

fn identifiers(entries: &[Entry], has_ids: bool) -> Vec<Value> {
    entries
        .iter()
        .map(|entry| {
            let mut meta = json!({"addedAt": added_at().to_string()});
            if has_ids {
                meta["itemId"] = json!(entry.item_id);
            }
            json!({"id": entry.id, "type": entry.kind, "meta": meta})
        })
        .collect()
}

/// Opaque to the client: the offset, with characters that have to be encoded.
fn links(path: &str, query: &str, next: Option<usize>) -> Value {
    match next {
        None => json!({"self": path}),
        Some(offset) => {
            let sep = if query.is_empty() { "" } else { "&" };
            json!({"self": path,
                "next": format!("{path}?{query}{sep}page%5Bcursor%5D=%2Bo%2F{offset}%3D"),
                "meta": {"nextCursor": format!("+o/{offset}=")}})
        }
    }
}

fn offset(seen: &Seen) -> usize {
    seen.query.get("page[cursor]").map_or(0, |cursor| {
        let inner = cursor
            .strip_prefix("+o/")
            .unwrap()
            .strip_suffix('=')
            .unwrap();
        inner.parse().unwrap()
    })
}
