//! Errors in Shopify's words.

use apollo_compiler::validation::DiagnosticList;
use serde_json::{Value, json};

/// What is wrong with a document.
pub(super) fn validation(problems: &DiagnosticList) -> Vec<Value> {
    problems
        .iter()
        .map(|problem| {
            let message =
                problem.error.unstable_compat_message().unwrap_or_else(|| problem.error.to_string());
            let locations: Vec<Value> = problem
                .line_column_range()
                .map(|range| json!({"line": range.start.line, "column": range.start.column}))
                .into_iter()
                .collect();
            let name = problem.error.unstable_error_name().unwrap_or("ParseError");
            let quoted: Vec<&str> = message.split('"').skip(1).step_by(2).collect();
            match (name, quoted.as_slice()) {
                ("UndefinedField", [field, type_name, ..]) => json!({
                    "message": format!("Field '{field}' doesn't exist on type '{type_name}'"),
                    "locations": locations,
                    "extensions": {"code": "undefinedField", "typeName": type_name, "fieldName": field},
                }),
                _ => json!({
                    "message": message,
                    "locations": locations,
                    "extensions": {"code": lower_first(name)},
                }),
            }
        })
        .collect()
}

/// What is wrong with the variables.
pub(super) fn variable(message: &str) -> Value {
    json!({"message": message, "extensions": {"code": "INVALID_VARIABLE"}})
}

fn lower_first(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}
