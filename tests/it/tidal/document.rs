//! What the test server says, held against TIDAL's own `OpenAPI` document (`openapi.json`, a part of it).

#![expect(
    clippy::unwrap_used,
    reason = "a document that cannot be read ends the test"
)]

use std::{
    collections::BTreeMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let document: Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
    understood(document)
});
static VALIDATORS: LazyLock<Mutex<BTreeMap<String, Validator>>> = LazyLock::new(Mutex::default);

/// What is wrong with a reply of this status to `method path`, if anything is.
pub(crate) fn wrong_reply(method: &str, path: &str, status: u16, reply: &Value) -> Option<String> {
    let operation = operation(method, path);
    let schema = match status {
        200..300 => &DOCUMENT["answers"][&operation],
        // The document has no answer to a missing token; live ones have no `status` in it.
        401 => return None,
        _ => &DOCUMENT["errors"][status.to_string()],
    };
    let Some(schema) = schema.as_str() else {
        return Some(format!("{operation}: the document knows no {status}"));
    };
    broken(schema, reply).map(|reason| format!("{operation} {status}: {reason}"))
}

/// Whether the document knows all the parameters of a request.
pub(crate) fn knows_query<'a>(
    method: &str,
    path: &str,
    mut names: impl Iterator<Item = &'a String>,
) -> bool {
    let known = DOCUMENT["query"][operation(method, path)].as_array();
    names.all(|name| known.is_some_and(|known| known.iter().any(|one| one == name.as_str())))
}

fn broken(schema: &str, value: &Value) -> Option<String> {
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    let validator = validators.entry(schema.to_owned()).or_insert_with(|| {
        let whole = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "allOf": [{"$ref": format!("#/components/schemas/{schema}")}],
            "components": DOCUMENT["components"],
        });
        jsonschema::validator_for(&whole).unwrap()
    });
    let mut errors = validator.iter_errors(value);
    let first = errors.next()?;
    Some(format!("{} at {}", first, first.instance_path()))
}

/// `GET /playlists/{id}/relationships/items`
fn operation(method: &str, path: &str) -> String {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let named = parts.iter().enumerate();
    let parts: Vec<&str> = named
        .map(|(at, part)| if at == 1 { "{id}" } else { part })
        .collect();
    format!("{method} /{}", parts.join("/"))
}

/// `OpenAPI` 3.0 in the words of JSON Schema: a discriminator chooses by `type`, and `nullable`.
fn understood(value: Value) -> Value {
    match value {
        Value::Array(list) => list.into_iter().map(understood).collect(),
        Value::Object(mut object) => {
            let discriminator = object.get("discriminator");
            let mapping = discriminator.and_then(|by| by["mapping"].as_object().cloned());
            if let Some(mapping) = mapping {
                object.remove("oneOf");
                return chosen(&mapping);
            }
            if object.get("nullable") == Some(&Value::Bool(true)) {
                object.insert("type".to_owned(), json!([object["type"], "null"]));
            }
            let entries = object.into_iter();
            Value::Object(
                entries
                    .map(|(name, value)| (name, understood(value)))
                    .collect(),
            )
        }
        other => other,
    }
}

fn chosen(mapping: &Map<String, Value>) -> Value {
    let branches: Vec<Value> = mapping
        .iter()
        .map(|(kind, schema)| {
            json!({"if": {"properties": {"type": {"const": kind}}}, "then": {"$ref": schema}})
        })
        .collect();
    let kinds: Vec<&String> = mapping.keys().collect();
    json!({"required": ["type"], "properties": {"type": {"enum": kinds}}, "allOf": branches})
}

#[test]
fn the_document_refuses_what_it_does_not_say() {
    let page = |attributes: Value| {
        json!({"data": [{"id": "1", "type": "tracks", "meta": {"itemId": "a"}}],
            "links": {"self": "/x"},
            "included": [{"id": "1", "type": "artists", "attributes": attributes}]})
    };
    let path = "/playlists/x/relationships/items";
    let good = page(json!({"name": "A", "popularity": 0.5}));
    assert_eq!(wrong_reply("GET", path, 200, &good), None);
    for bad in [
        page(json!({"name": null, "popularity": 0.5})),
        page(json!({"popularity": 0.5})),
        json!({"data": []}),
        json!({"data": [{"type": "tracks"}], "links": {"self": "/x"}}),
        json!({"data": [], "links": {"self": "/x"}, "included": [{"id": "1", "type": "ghosts"}]}),
    ] {
        assert!(wrong_reply("GET", path, 200, &bad).is_some(), "{bad}");
    }
    assert!(wrong_reply("GET", "/nothing", 200, &good).is_some());
    let named = ["sort".to_owned(), "include".to_owned()];
    assert!(knows_query("GET", path, named.iter()));
    assert!(!knows_query("GET", path, ["page[size]".to_owned()].iter()));
}
