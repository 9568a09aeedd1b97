//! The plan as a JSON Schema (draft 2020-12), made from the document's own types.

use serde_json::{Value, json};

use super::Plan;

/// The schema of `plan.json`.
#[must_use]
pub fn plan() -> Value {
    let mut schema = schemars::schema_for!(Plan).to_value();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("title".to_owned(), json!("plan.json of tidal-cleanup"));
    }
    schema
}
