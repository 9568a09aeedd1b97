//! The language as a JSON Schema (draft 2020-12), for editors: made from the same tables that the
//! reader checks against, so that the two cannot part.

use serde_json::{Map, Value, json};

use super::{
    facts::{FACTS, FactKey, FactKind},
    keys::{self, Key, Shape},
};

/// Where the definitions of `when` and `given` stand.
const CONDITION: &str = "#/$defs/condition";
const FACTS_AT: &str = "#/$defs/facts";

/// Whether facts are tested or stated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Test,
    Given,
}

/// The schema of a policy.
#[must_use]
pub fn policy() -> Value {
    let mut schema = table(keys::TOP);
    let more = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tidal-cleanup.toml",
        "description": "The policy of tidal-cleanup. An editor takes it from the comment `#:schema ./policy.schema.json` \
                        in the first line of a policy.",
        "$defs": { "condition": condition(), "facts": facts(Role::Given) },
    });
    if let (Some(schema), Value::Object(more)) = (schema.as_object_mut(), more) {
        schema.extend(more);
    }
    schema
}

fn table(keys: &[Key]) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let mut shape = shape(key.shape);
        if let Some(shape) = shape.as_object_mut() {
            shape.insert("description".to_owned(), json!(key.meaning));
        }
        properties.insert(key.name.to_owned(), shape);
    }
    let needed: Vec<&str> = keys
        .iter()
        .filter(|key| key.needed)
        .map(|key| key.name)
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": needed,
        "additionalProperties": false,
    })
}

fn shape(of: Shape) -> Value {
    match of {
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Text => json!({ "type": "string", "pattern": r"\S" }),
        Shape::AnyText => json!({ "type": "string" }),
        Shape::Number(from, to) => json!({ "type": "integer", "minimum": from, "maximum": to }),
        Shape::Word(words) => json!({ "enum": words }),
        Shape::Like(pattern) => json!({ "type": "string", "pattern": pattern }),
        Shape::Size => json!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": r"^\s*[0-9]+\s*([bB]|[kK]([bB]|[iI][bB])?|[mMgGtT]([iI])?[bB])?\s*$" },
        ] }),
        Shape::Few(item) => json!({ "anyOf": [
            shape(*item),
            { "type": "array", "items": shape(*item) },
        ] }),
        Shape::Many(item) => json!({ "type": "array", "items": shape(*item) }),
        Shape::Table(keys) => table(keys),
        Shape::Tables(keys) => json!({ "type": "array", "items": table(keys) }),
        Shape::Named(item) => json!({ "type": "object", "additionalProperties": shape(*item) }),
        Shape::Either(shapes) => {
            json!({ "anyOf": shapes.iter().copied().map(shape).collect::<Vec<_>>() })
        }
        Shape::Condition => json!({ "$ref": CONDITION }),
        Shape::Facts => json!({ "$ref": FACTS_AT }),
    }
}

/// `when`: facts and their tests, and what joins conditions.
fn condition() -> Value {
    let mut condition = facts(Role::Test);
    let one = json!({ "$ref": CONDITION });
    let several = json!({ "anyOf": [one, { "type": "array", "items": one }] });
    if let Some(properties) = condition["properties"].as_object_mut() {
        for joint in ["not", "any", "all"] {
            properties.insert(joint.to_owned(), several.clone());
        }
    }
    condition
}

/// Facts by name; TOML makes a table of `file.orphan`, and takes it in quotes, too.
fn facts(role: Role) -> Value {
    let mut properties = Map::new();
    let mut groups: Map<String, Value> = Map::new();
    for key in FACTS {
        let value = fact(key, role);
        properties.insert(key.name.to_owned(), value.clone());
        if let Some((group, name)) = key.name.split_once('.') {
            let group = groups.entry(group).or_insert_with(
                || json!({ "type": "object", "properties": {}, "additionalProperties": false }),
            );
            if let Some(known) = group["properties"].as_object_mut() {
                known.insert(name.to_owned(), value);
            }
        }
    }
    properties.extend(groups);
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn fact(key: &FactKey, role: Role) -> Value {
    let number = json!({ "type": "integer", "minimum": 0 });
    let one = match (key.kind, role) {
        (FactKind::Flag, _) => json!({ "type": "boolean" }),
        (FactKind::Number(most), Role::Given) => {
            json!({ "type": "integer", "minimum": 0, "maximum": most })
        }
        (FactKind::Number(_), Role::Test) => json!({ "anyOf": [number, {
            "type": "string", "pattern": r"^\s*(>=|<=|!=|==|>|<|=)?\s*[0-9]+$"
        }] }),
        (FactKind::Size, Role::Given) => shape(Shape::Size),
        (FactKind::Size, Role::Test) => json!({ "anyOf": [number, {
            "type": "string", "pattern": r"^\s*(>=|<=|!=|==|>|<|=)?\s*[0-9]+\s*[A-Za-z]*\s*$"
        }] }),
        (FactKind::Age, Role::Given) => {
            json!({ "type": "string", "pattern": r"^\s*([0-9]+\s*[smhdw]\s*)+$" })
        }
        (FactKind::Age, Role::Test) => json!({
            "type": "string", "pattern": r"^\s*(>=|<=|!=|==|>|<|=)\s*([0-9]+\s*[smhdw]\s*)+$"
        }),
        (FactKind::Word(words), _) => json!({ "enum": words }),
        (FactKind::Text | FactKind::Emoji, _) => json!({ "type": "string" }),
        (FactKind::Tags, Role::Test) => json!({ "type": ["string", "integer"], "minimum": 0 }),
        (FactKind::Tags, Role::Given) => json!({ "type": "string" }),
    };
    let many = role == Role::Test || matches!(key.kind, FactKind::Emoji | FactKind::Tags);
    let mut value = match many {
        true => {
            json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": usize::from(role == Role::Test) }] })
        }
        false => one,
    };
    if let Some(value) = value.as_object_mut() {
        value.insert("description".to_owned(), json!(key.meaning));
    }
    value
}
