//! What a stream may be filled with, as JSON Schema: data tools build their lists of fields from it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::target::{Definitions, Kind, Scalar, Stream, Targets};

/// How deep objects are unfolded: a list of lines, the price in it, the amount of the price.
const DEEPEST: usize = 4;

/// What is told of a shop in a schema.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The metafields that it has defined.
    pub definitions: Definitions,
    /// The names of its places.
    pub places: BTreeSet<String>,
}

/// The schema of a row that maps one to one to what the stream fills.
pub fn schema(stream: Stream, targets: &Targets, known: &Known) -> Value {
    let definitions = &known.definitions;
    let Some(target) = targets.streams.get(&stream) else {
        return json!({
            "type": "object",
            "required": ["sku", "location", "quantity"],
            "properties": {
                "sku": {"type": "string"},
                "location": place(&known.places),
                "quantity": {"type": "integer"}
            }
        });
    };
    let mut schema = object(&target.root, targets, 0);
    for of in definitions.owners() {
        let fields =
            if of.is_empty() { Some(&mut schema) } else { schema["properties"][of].get_mut("items") };
        let metafields = definitions.of(of).map(|(namespace, key, kind)| {
            let field = json!({"type": ["string", "null"], "metafield_type": kind});
            (format!("metafields.{namespace}.{key}"), field)
        });
        if let Some(Value::Object(properties)) = fields.and_then(|fields| fields.get_mut("properties")) {
            properties.remove("metafields");
            properties.extend(metafields);
        }
    }
    schema["required"] = target.needed.iter().map(String::as_str).collect();
    schema
}

/// A place, by one of its names where they are known.
fn place(names: &BTreeSet<String>) -> Value {
    if names.is_empty() { json!({"type": "string"}) } else { json!({"type": "string", "enum": names}) }
}

fn object(name: &str, targets: &Targets, depth: usize) -> Value {
    let Some(object_) = targets.objects.get(name).filter(|_| depth < DEEPEST) else {
        return json!({"type": "object"});
    };
    let mut properties = Map::new();
    for (name, field) in &object_.fields {
        let one = match &field.kind {
            Kind::Scalar(scalar) => value(scalar),
            Kind::Object(inner) => object(inner, targets, depth + 1),
        };
        properties
            .insert(name.clone(), if field.list { json!({"type": "array", "items": one}) } else { one });
    }
    let required: Vec<&String> =
        object_.fields.iter().filter(|(_, field)| field.required).map(|(name, _)| name).collect();
    json!({"type": "object", "properties": properties, "required": required})
}

fn value(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Text | Scalar::Json | Scalar::Id(_) => json!({"type": "string"}),
        Scalar::Integer | Scalar::Long => json!({"type": "integer"}),
        Scalar::Decimal => json!({"type": "string", "format": "decimal"}),
        Scalar::Number => json!({"type": "number"}),
        Scalar::Boolean => json!({"type": "boolean"}),
        Scalar::Timestamp => json!({"type": "string", "format": "date-time"}),
        Scalar::Date => json!({"type": "string", "format": "date"}),
        Scalar::Url => json!({"type": "string", "format": "uri"}),
        Scalar::OneOf(words) => json!({"type": "string", "enum": words}),
    }
}
