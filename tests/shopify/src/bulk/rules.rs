//! What a bulk query may ask for.

use std::collections::BTreeSet;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::{Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;

use crate::schema::ApiSchema;

const MAX_CONNECTIONS: usize = 5;
const MAX_NESTED: usize = 2;
/// Connections whose nodes do not implement `Node`, and which Shopify lets pass all the same: `airbyte-source-shopify`
/// lives on them.
const LET_PASS: [&str; 4] = [
    "CollectionPublicationConnection",
    "CountryHarmonizedSystemCodeConnection",
    "ImageConnection",
    "ProductVariantPricePairConnection",
];

/// Checks a bulk query.
///
/// # Errors
/// The first rule it breaks.
pub(super) fn check(api: &ApiSchema, query: &str) -> Result<(), String> {
    let document = ExecutableDocument::parse_and_validate(&api.schema, query, "bulk.graphql")
        .map_err(|problems| format!("Invalid bulk query: {}", first_problem(&problems.errors)))?;
    let operation = document.operations.get(None).map_err(|problem| problem.message().to_string())?;
    if !operation.is_query() {
        return Err("Invalid bulk query: only queries can be run.".to_owned());
    }
    if !operation.variables.is_empty() {
        return Err("Invalid bulk query: variables are not supported.".to_owned());
    }
    let mut found = Found::default();
    walk(api, &document, &operation.selection_set, 0, true, &mut found)?;
    match found.connections.len() {
        0 => Err("Bulk queries must contain at least one connection.".to_owned()),
        1..=MAX_CONNECTIONS => Ok(()),
        _ => Err(format!("Bulk queries cannot contain more than {MAX_CONNECTIONS} connections.")),
    }
}

fn first_problem(problems: &apollo_compiler::validation::DiagnosticList) -> String {
    problems.iter().next().map(|problem| problem.error.to_string()).unwrap_or_default()
}

#[derive(Default)]
struct Found {
    /// Paths of response keys, so that a connection named twice counts once.
    connections: BTreeSet<Vec<String>>,
    path: Vec<String>,
}

fn walk(
    api: &ApiSchema,
    document: &ExecutableDocument,
    set: &SelectionSet,
    depth: usize,
    root: bool,
    found: &mut Found,
) -> Result<(), String> {
    for selection in &set.selections {
        match selection {
            Selection::InlineFragment(fragment) => {
                walk(api, document, &fragment.selection_set, depth, root, found)?
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = spread.fragment_def(document) {
                    walk(api, document, &fragment.selection_set, depth, root, found)?;
                }
            }
            Selection::Field(field) => {
                if root && matches!(field.name.as_str(), "node" | "nodes") {
                    return Err("Bulk queries cannot contain `node` or `nodes` at the top level.".to_owned());
                }
                found.path.push(field.response_key().to_string());
                let ty = field.ty().inner_named_type();
                let mut inner_depth = depth;
                if ty.ends_with("Connection") {
                    if depth > MAX_NESTED {
                        return Err(format!(
                            "Bulk queries cannot nest connections more than {MAX_NESTED} levels deep."
                        ));
                    }
                    if !LET_PASS.contains(&ty.as_str()) && !nodes_are_nodes(api, ty) {
                        return Err(format!(
                            "The connection `{}` cannot be used: its nodes have no id.",
                            field.name
                        ));
                    }
                    found.connections.insert(found.path.clone());
                    inner_depth += 1;
                }
                walk(api, document, &field.selection_set, inner_depth, false, found)?;
                found.path.pop();
            }
        }
    }
    Ok(())
}

/// Whether what the connection holds implements `Node`, or at least everything that can stand in its place does
/// (`Media` is such an interface, and works in practice).
fn nodes_are_nodes(api: &ApiSchema, connection: &str) -> bool {
    let Some(object) = api.schema.get_object(connection) else { return false };
    let Some(nodes) = object.fields.get("nodes").or_else(|| object.fields.get("edges")) else { return false };
    let mut name = nodes.ty.inner_named_type();
    if let Some(edge) = api.schema.get_object(name)
        && !object.fields.contains_key("nodes")
        && let Some(node) = edge.fields.get("node")
    {
        name = node.ty.inner_named_type();
    }
    match api.schema.types.get(name) {
        Some(ExtendedType::Object(object)) => object.implements_interfaces.contains("Node"),
        Some(ExtendedType::Interface(interface)) => {
            interface.implements_interfaces.contains("Node")
                || api
                    .implementers
                    .get(name)
                    .is_some_and(|all| all.objects.iter().all(|object| api.schema.is_subtype("Node", object)))
        }
        _ => false,
    }
}
