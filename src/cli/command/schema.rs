//! `schema`: the published formats.

use crate::{
    cli::{
        args::{Schema, SchemaArgs},
        error::{CliError, Exit},
        ui::Ui,
    },
    plan, policy,
};

/// `schema policy`, `schema plan`
///
/// # Errors
/// When stdout cannot be written.
pub fn schema(ui: &Ui, args: &SchemaArgs) -> Result<Exit, CliError> {
    let schema = match args.of {
        Schema::Policy => policy::schema::policy(),
        Schema::Plan => plan::schema::plan(),
    };
    // The schema is JSON whether or not an answer in JSON is asked for.
    ui.answer(format!("{schema:#}"))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        cli::view::sample,
        plan::{canonical, schema},
    };

    #[test]
    fn plans_fit_and_what_is_unknown_does_not() {
        let schema = jsonschema::validator_for(&schema::plan()).unwrap();
        let sound: Value = serde_json::from_str(&canonical::to_json(&sample::everyday())).unwrap();
        let found: Vec<String> = schema.iter_errors(&sound).map(|e| e.to_string()).collect();
        assert!(found.is_empty(), "{found:#?}");
        let broken = |pointer: &str, value: Value| {
            let mut plan = sound.clone();
            *plan.pointer_mut(pointer).unwrap() = value;
            !schema.is_valid(&plan)
        };
        assert!(broken("/format_version", json!("2.0")));
        assert!(broken("/kind", json!("else")));
        assert!(broken("/body/actions/0/kind", json!("file.delete")));
        assert!(broken("/body/actions/0/class", json!("harmless")));
        assert!(broken("/body/base", json!({ "more": 1 })));
        assert!(broken("/digest", json!(1)));
        assert!(broken("/body/checks/0/status", json!("fine")));
    }
}
