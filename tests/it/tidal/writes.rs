//! What the server does with changes of playlists, as TIDAL's API document has it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{server::refusal, world::World};

/// What was changed, and under which keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writes {
    /// Method, key and body of every change that came.
    pub(crate) seen: Vec<(String, String, Value)>,
    /// The answers that were given, by key, with the payload that they were given for.
    answers: BTreeMap<String, (String, (u16, Value))>,
    /// Whether the log-in may change playlists.
    pub(crate) forbidden: bool,
    /// Whether entries are added where they are meant to go. Live, they were seen not to be.
    pub(crate) honours_place: bool,
}

/// Carries a change out.
pub(crate) fn change(
    world: &mut World,
    writes: &mut Writes,
    method: &str,
    path: &str,
    key: Option<&str>,
    body: &[u8],
) -> (u16, Value) {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let ["playlists", id, "relationships", "items"] = parts.as_slice() else {
        return refusal(404, "NOT_FOUND");
    };
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return refusal(400, "INVALID_REQUEST_BODY");
    };
    let key = key.unwrap_or_default().to_owned();
    writes
        .seen
        .push((method.to_owned(), key.clone(), body.clone()));
    if writes.forbidden {
        return refusal(403, "FORBIDDEN");
    }
    let payload = format!("{method} {path} {body}");
    if let Some((known, answer)) = writes.answers.get(&key) {
        return match *known == payload {
            true => answer.clone(),
            false => refusal(422, "IDEMPOTENT_REQUEST_PAYLOAD_MISMATCH"),
        };
    }
    let Some(at) = world.playlists.iter().position(|list| list.id == *id) else {
        return refusal(404, "NOT_FOUND");
    };
    let answer = perform(world, at, method, &body, writes.honours_place);
    if !key.is_empty() && key.len() <= 128 {
        writes.answers.insert(key, (payload, answer.clone()));
    }
    answer
}

fn perform(
    world: &mut World,
    at: usize,
    method: &str,
    body: &Value,
    honours_place: bool,
) -> (u16, Value) {
    let invalid = || refusal(400, "INVALID_REQUEST_BODY");
    let most = if method == "PATCH" { 20 } else { 50 };
    let data = match body["data"].as_array() {
        Some(data) if (1..=most).contains(&data.len()) => data.clone(),
        _ => return invalid(),
    };
    if data
        .iter()
        .any(|item| item["id"].as_str().is_none() || item["type"] != "tracks")
    {
        return invalid();
    }
    let before = body["meta"]["positionBefore"].as_str().map(str::to_owned);
    let items: Vec<String> = data
        .iter()
        .filter_map(|item| item["meta"]["itemId"].as_str().map(str::to_owned))
        .collect();
    let is_named = |id: &String| items.contains(id);
    if method != "POST" && items.len() != data.len() {
        return invalid();
    }
    let skipped = match method {
        "DELETE" => {
            world.edit(at, |list| {
                list.entries.retain(|entry| !is_named(&entry.item_id));
            });
            None
        }
        "POST" => {
            let (mut new, mut skipped) = (Vec::new(), Vec::new());
            for item in &data {
                let id = item["id"].as_str().unwrap_or_default().to_owned();
                match world.withheld.contains(&id) {
                    true => {
                        skipped.push(json!({"id": id, "type": "tracks", "reason": "NOT_FOUND"}));
                    }
                    false => new.push(world.entry("tracks", &id)),
                }
            }
            world.edit(at, |list| {
                let place = before.filter(|_| honours_place);
                let place = place.and_then(|id| list.entries.iter().position(|e| e.item_id == id));
                let place = place.unwrap_or(list.entries.len());
                list.entries.splice(place..place, new);
            });
            Some(skipped)
        }
        "PATCH" => {
            let Some(before) = before else {
                return invalid();
            };
            let list = &world.playlists[at].entries;
            let moved: Vec<_> = items
                .iter()
                .filter_map(|id| list.iter().find(|entry| entry.item_id == *id).cloned())
                .collect();
            if moved.len() != items.len() || !list.iter().any(|e| e.item_id == before) {
                return invalid();
            }
            world.edit(at, |list| {
                list.entries.retain(|entry| !is_named(&entry.item_id));
                let place = list.entries.iter().position(|e| e.item_id == before);
                let place = place.unwrap_or(list.entries.len());
                list.entries.splice(place..place, moved);
            });
            None
        }
        _ => return refusal(405, "METHOD_NOT_ALLOWED"),
    };
    let mut answer = json!({"links": {"self": "/playlists"}});
    if let Some(skipped) = skipped {
        answer["data"] = json!([]);
        answer["meta"] = json!({"skipped": skipped});
    }
    (200, answer)
}
