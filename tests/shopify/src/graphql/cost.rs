//! What a query costs, before and after it ran.
//!
//! Shopify publishes the parts (<https://shopify.dev/docs/api/usage/limits>): scalars 0, objects 1, mutations 10, connections
//! by size. It does not publish how size counts. Plain multiplication is far too dear: real clients read 250 products with 250
//! media each. Growth by the logarithm meets both that and the one breakdown seen in public (250 variants with their inventory
//! items: 25).

use apollo_compiler::ast::OperationType;

use super::selection::{Document, Field, SubSelection};

use serde_json::Value;

/// The dearest single query.
pub const MAX_QUERY_COST: f64 = 1_000.0;
/// A mutation, in tenths of a point.
const MUTATION: u64 = 100;

/// Weight of a page of so many nodes: `2 ln(nodes)`, rounded, and at least what a page of two or fewer weighs.
fn weight(nodes: u64) -> u64 {
    // The first page size that weighs 3, 4, 5 and so on.
    const STEPS: [u64; 9] = [4, 6, 10, 16, 26, 43, 71, 116, 191];
    match nodes {
        0..=2 => nodes,
        _ => 2 + STEPS.iter().filter(|step| **step <= nodes).count() as u64,
    }
}

/// The cost of an operation: as asked for, or as it turned out.
pub fn cost<'d>(
    document: &Document<'d>,
    kind: OperationType,
    root: &SubSelection<'d>,
    root_type: &str,
    actual: bool,
) -> f64 {
    let fields = root.fields(document, root_type);
    let tenths: u64 = if kind == OperationType::Mutation {
        fields.iter().map(|field| MUTATION + of_input(field) + 10 * of_payload(document, field, actual)).sum()
    } else {
        fields.iter().map(|field| 10 * of_field(document, field, actual)).sum()
    };
    f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0
}

/// Points as Shopify writes them: a fraction only where there is one.
#[must_use]
pub fn shown(points: f64) -> Value {
    if points.fract() == 0.0 { Value::from(points as i64) } else { Value::from(points) }
}

/// What `productSet` costs by what it is given, in tenths of a point. The schema says so of its inputs: 0.2 a variant, 0.4 a
/// metafield, 1.9 a file, 0.6 a variant's file.
fn of_input(field: &Field<'_>) -> u64 {
    if field.name != "productSet" {
        return 0;
    }
    let empty = Value::Null;
    let input = field.args.get("input").unwrap_or(&empty);
    let count = |value: &Value| value.as_array().map_or(0, Vec::len) as u64;
    let variants = input["variants"].as_array().into_iter().flatten();
    let within: u64 = variants
        .map(|variant| 2 + 4 * count(&variant["metafields"]) + if variant["file"].is_null() { 0 } else { 6 })
        .sum();
    within + 4 * count(&input["metafields"]) + 19 * count(&input["files"])
}

/// What the payload of a mutation costs: its connections, as in a query. Objects come with the mutation.
fn of_payload<'d>(document: &Document<'d>, field: &Field<'d>, actual: bool) -> u64 {
    let Some(sub) = &field.sub else { return 0 };
    if document.api.schema.get_object(field.inner).is_none() {
        return 0;
    }
    let fields = sub.fields(document, field.inner);
    let cost = |part: &Field<'d>| {
        if part.connection { of_field(document, part, actual) } else { of_payload(document, part, actual) }
    };
    fields.iter().map(cost).sum()
}

fn of_field<'d>(document: &Document<'d>, field: &Field<'d>, actual: bool) -> u64 {
    let Some(sub) = &field.sub else { return 0 };
    if !field.connection {
        return 1 + below(document, sub, field.inner, actual);
    }
    let asked = field.integer("first").or_else(|| field.integer("last")).unwrap_or(0);
    let size = if actual {
        match field.reached.get() {
            Some(nodes) => nodes,
            None => return 0,
        }
    } else {
        u64::try_from(asked).unwrap_or(0)
    };
    let connection = sub.fields(document, field.inner);
    let mut node = 0;
    for part in connection.iter() {
        let cost = match part.name {
            "nodes" => of_field(document, part, actual),
            "edges" => part.sub.as_ref().map_or(0, |edges| below(document, edges, part.inner, actual)),
            _ => 0,
        };
        node = node.max(cost);
    }
    2 + weight(size) * node.max(1)
}

fn below<'d>(document: &Document<'d>, sub: &SubSelection<'d>, declared: &str, actual: bool) -> u64 {
    let schema = &document.api.schema;
    let types: Vec<String> = if schema.get_object(declared).is_some() {
        vec![declared.to_owned()]
    } else if let Some(union) = schema.get_union(declared) {
        union.members.iter().map(|name| name.as_str().to_owned()).collect()
    } else {
        // Only types named in the selection can add anything, so the interface itself stands for all others.
        let named = sub.conditions(document);
        named.into_iter().chain(std::iter::once(declared.to_owned())).collect()
    };
    types
        .iter()
        .map(|name| sub.fields(document, name).iter().map(|field| of_field(document, field, actual)).sum())
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::weight;

    #[test]
    fn grows_with_the_logarithm() {
        assert_eq!([0, 1, 2, 10, 50, 100, 250].map(weight), [0, 1, 2, 5, 8, 9, 11]);
    }
}
