//! Metafield definitions.

use serde_json::Value;

use super::input::{arg, list, only};
use super::metafield_values::exists;
use super::{Args, Desk, Out, Outcome, Problem, Written};
use crate::model::{Definition, OwnerKind};
use crate::resolve::FieldError;
use crate::shop::Index;

/// Types whose values can be made unique.
const UNIQUE: [&str; 5] = ["id", "single_line_text_field", "url", "number_integer", "number_decimal"];

/// `metafieldDefinitionCreate`
pub(super) fn create(desk: &mut Desk<'_>, args: &Args) -> Written {
    let input = arg(args, "definition");
    let known = [
        "name",
        "namespace",
        "key",
        "type",
        "ownerType",
        "description",
        "pin",
        "capabilities",
        "validations",
    ];
    only(input, "MetafieldDefinitionInput", &known)?;
    only(
        &input["capabilities"],
        "MetafieldCapabilityCreateInput",
        &["uniqueValues", "adminFilterable", "smartCollectionCondition"],
    )?;
    let owner_type = input["ownerType"].as_str().unwrap_or_default();
    let Some(owner) = OwnerKind::parse(owner_type) else {
        return Err(FieldError::NotSimulatedInput(format!("MetafieldOwnerType.{owner_type}")));
    };
    desk.need(match owner {
        OwnerKind::Customer => "write_customers",
        OwnerKind::Order => "write_orders",
        _ => "write_products",
    })?;
    let text = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
    let kind = text("type");
    let wanted = &input["capabilities"]["uniqueValues"]["enabled"];
    let definition = Definition {
        id: 0,
        owner,
        namespace: input["namespace"].as_str().unwrap_or("$app").to_owned(),
        key: text("key"),
        name: text("name"),
        description: input["description"].as_str().map(str::to_owned),
        unique: kind == "id" || *wanted == true,
        kind,
        validations: list(&input["validations"]).into_iter().filter_map(validation).collect(),
    };
    let problems = problems(desk, &definition, wanted);
    let created = if problems.is_empty() {
        let id = desk.shop.take_id();
        desk.shop.definitions.push(Definition { id, ..definition });
        // Values that are there already become unique, or at least findable.
        *desk.index = Index::of(desk.shop);
        Out::node("MetafieldDefinition", id)
    } else {
        Out::Null
    };
    Ok(Outcome::new("MetafieldDefinitionCreatePayload")
        .with("createdDefinition", created)
        .errors("MetafieldDefinitionCreateUserError", &problems))
}

fn validation(input: &Value) -> Option<(String, String)> {
    Some((input["name"].as_str()?.to_owned(), input["value"].as_str()?.to_owned()))
}

fn problems(desk: &Desk<'_>, definition: &Definition, unique: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut wrong = |field: &str, message: &str, code: &'static str| {
        problems.push(Problem::at(&format!("definition.{field}"), message, code));
    };
    let length = |text: &str| text.chars().count();
    if definition.name.trim().is_empty() {
        wrong("name", "Name can't be blank", "BLANK");
    }
    if length(&definition.namespace) < 3 {
        wrong("namespace", "Namespace is too short (minimum is 3 characters)", "TOO_SHORT");
    }
    if length(&definition.key) < 2 {
        wrong("key", "Key is too short (minimum is 2 characters)", "TOO_SHORT");
    }
    if length(&definition.key) > 64 {
        wrong("key", "Key is too long (maximum is 64 characters)", "TOO_LONG");
    }
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-_$:".contains(c));
    if !plain(&definition.namespace) || !plain(&definition.key) {
        wrong("key", "Key contains one or more invalid characters.", "INVALID_CHARACTER");
    }
    if !exists(&definition.kind) {
        wrong("type", "Type name is not a valid type", "INCLUSION");
    }
    if definition.kind == "id" && *unique == false {
        wrong(
            "capabilities",
            "The capability unique_values is required for the type id",
            "CAPABILITY_REQUIRED_BUT_DISABLED",
        );
    }
    if definition.unique && !UNIQUE.contains(&definition.kind.as_str()) {
        wrong(
            "capabilities",
            "The capability unique_values is not valid for this type",
            "INVALID_CAPABILITY",
        );
    }
    if desk.shop.definition(definition.owner, &definition.namespace, &definition.key).is_some() {
        let message = format!(
            "Key is in use for {} metafields on the '{}' namespace.",
            definition.owner.as_str(),
            definition.namespace
        );
        wrong("key", &message, "TAKEN");
    }
    problems
}
