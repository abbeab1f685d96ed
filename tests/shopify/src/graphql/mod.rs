//! The Admin GraphQL API: a request is parsed, validated by Shopify's schema, charged, executed.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::Operation;
use apollo_compiler::request::coerce_variable_values;
use apollo_compiler::response::JsonMap;
use apollo_compiler::validation::Valid;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::apps::App;
use crate::bulk::{self, BulkOperation};
use crate::faults::{Faults, Kind};
use crate::resolve::{Effects, Obj, World};
use crate::schema::ApiSchema;
use crate::shop::{Bucket, ShopState, Snapshot, lock};
use crate::webhooks::subscription::Webhook;

pub mod connection;
pub mod cost;
mod errors;
pub mod executor;
pub mod scopes;
pub mod search;
pub mod selection;

use executor::Executor;
use selection::{Document, SubSelection};

/// Who asks, where, and with what in reach.
pub struct Request<'r> {
    /// The schema of the version in the path.
    pub api: &'r Arc<ApiSchema>,
    /// That version.
    pub version: &'r str,
    /// The shop.
    pub state: &'r Arc<ShopState>,
    /// The app.
    pub client_id: &'r str,
    /// What is known of it.
    pub app: &'r App,
    /// Number of its installation.
    pub installation: u64,
    /// Granted scopes, implied ones included.
    pub scopes: &'r BTreeSet<String>,
    /// Simulated time.
    pub now: Timestamp,
    /// The folder of result files.
    pub folder: &'r Path,
    /// The key result links are signed with.
    pub key: &'r str,
    /// Removes the app from the shop.
    pub uninstall: &'r (dyn Fn() + Sync),
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// JSON.
    pub body: Vec<u8>,
    /// Names of deprecated fields, for the header that tells.
    pub deprecated: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    query: String,
    variables: Option<Map<String, Value>>,
    operation_name: Option<String>,
}

/// Answers a request.
#[must_use]
pub fn answer(request: &Request<'_>, body: &[u8]) -> Reply {
    let body: Body = match serde_json::from_slice(body) {
        Ok(body) => body,
        Err(_) => {
            let body = json!({"errors": "Required parameter missing or invalid"});
            return Reply { status: 400, body: body.to_string().into_bytes(), deprecated: BTreeSet::new() };
        }
    };
    let invalid = |errors: Vec<Value>| {
        lock(&request.state.calls).graphql_invalid += 1;
        plain(&json!({ "errors": errors }))
    };
    let document = match ExecutableDocument::parse_and_validate(
        &request.api.schema,
        body.query.as_str(),
        "query.graphql",
    ) {
        Ok(document) => document,
        Err(problems) => return invalid(errors::validation(&problems.errors)),
    };
    let operation = match document.operations.get(body.operation_name.as_deref()) {
        Ok(operation) => operation,
        Err(problem) => return invalid(vec![json!({"message": problem.message().to_string()})]),
    };
    count_call(request.state, operation, &document);
    let variables: JsonMap = match serde_json::from_value(Value::Object(body.variables.unwrap_or_default())) {
        Ok(variables) => variables,
        Err(problem) => return invalid(vec![json!({"message": problem.to_string()})]),
    };
    let variables = match coerce_variable_values(&request.api.schema, operation, &variables) {
        Ok(variables) => variables,
        Err(problem) => return invalid(vec![errors::variable(&problem.message().to_string())]),
    };
    if operation.is_introspection(&document) {
        return introspect(request.api, &document, operation, &variables);
    }
    let coerced = match serde_json::to_value(&*variables) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let bound = Document {
        api: request.api,
        document: &document,
        variables: coerced,
        scopes: request.scopes.clone(),
        deprecated: std::cell::RefCell::default(),
    };
    run(request, &bound, operation)
}

fn plain(body: &Value) -> Reply {
    Reply { status: 200, body: body.to_string().into_bytes(), deprecated: BTreeSet::new() }
}

fn count_call(state: &ShopState, operation: &Operation, document: &ExecutableDocument) {
    let name = operation.name.as_ref().map(ToString::to_string);
    let name = name.or_else(|| operation.root_fields(document).next().map(|field| field.name.to_string()));
    *lock(&state.calls).graphql_calls.entry(name.unwrap_or_default()).or_default() += 1;
}

fn introspect(
    api: &ApiSchema,
    document: &Valid<ExecutableDocument>,
    operation: &Operation,
    variables: &Valid<JsonMap>,
) -> Reply {
    let implementers = &api.implementers;
    match apollo_compiler::introspection::partial_execute(
        &api.schema,
        implementers,
        document,
        operation,
        variables,
    ) {
        Ok(response) => plain(&serde_json::to_value(response).unwrap_or_default()),
        Err(problem) => plain(&json!({"errors": [{"message": problem.message().to_string()}]})),
    }
}

fn run(request: &Request<'_>, document: &Document<'_>, operation: &Operation) -> Reply {
    let root = SubSelection::new(vec![&operation.selection_set]);
    let (object, kind) = if operation.is_mutation() {
        (Obj::Mutation, apollo_compiler::ast::OperationType::Mutation)
    } else {
        (Obj::Query, apollo_compiler::ast::OperationType::Query)
    };
    let requested = cost::cost(document, kind, &root, object.type_name(), false);
    if requested > cost::MAX_QUERY_COST {
        let message = format!(
            "Query cost is {requested}, which exceeds the single query max cost limit ({}).",
            cost::MAX_QUERY_COST
        );
        let extensions = json!({"code": "MAX_COST_EXCEEDED", "cost": requested, "maxCost": cost::MAX_QUERY_COST,
                   "documentation": "https://shopify.dev/api/usage/rate-limits"});
        return plain(&json!({"errors": [{"message": message, "extensions": extensions}]}));
    }
    let (rate, size) = request.state.bucket_size();
    let mut bucket = refill(request, rate, size);
    let throttled = lock(&request.state.faults).strikes(Kind::Throttle);
    if throttled {
        bucket.available = 0.0;
    }
    if requested_points(requested) > bucket.available {
        lock(&request.state.buckets).insert(request.client_id.to_owned(), bucket);
        lock(&request.state.calls).throttled += 1;
        let errors = json!([{"message": "Throttled", "extensions":
            {"code": "THROTTLED", "documentation": "https://shopify.dev/api/usage/rate-limits"}}]);
        return plain(
            &json!({"errors": errors, "extensions": {"cost": status(requested, None, bucket, rate, size)}}),
        );
    }
    let (data, errors) = execute(request, document, &root, &object);
    let actual = cost::cost(document, kind, &root, object.type_name(), true).min(requested);
    bucket.available -= requested_points(actual);
    lock(&request.state.buckets).insert(request.client_id.to_owned(), bucket);
    lock(&request.state.calls).points += requested_points(actual);
    let extensions = json!({"cost": status(requested, Some(actual), bucket, rate, size)});
    let mut body = b"{\"data\":".to_vec();
    body.extend_from_slice(&data);
    if !errors.is_empty() {
        body.extend_from_slice(b",\"errors\":");
        body.extend_from_slice(Value::Array(errors).to_string().as_bytes());
    }
    body.extend_from_slice(b",\"extensions\":");
    body.extend_from_slice(extensions.to_string().as_bytes());
    body.push(b'}');
    let deprecated = document.deprecated.borrow().clone();
    let mut calls = lock(&request.state.calls);
    for name in &deprecated {
        *calls.deprecated.entry(name.clone()).or_default() += 1;
    }
    Reply { status: 200, body, deprecated }
}

fn requested_points(points: u64) -> f64 {
    f64::from(u32::try_from(points).unwrap_or(u32::MAX))
}

fn refill(request: &Request<'_>, rate: f64, size: f64) -> Bucket {
    let last = lock(&request.state.buckets).get(request.client_id).copied();
    let last = last.unwrap_or(Bucket { available: size, at: request.now });
    let seconds = request.now.duration_since(last.at).as_secs_f64().max(0.0);
    Bucket { available: (last.available + seconds * rate).min(size), at: request.now }
}

fn status(requested: u64, actual: Option<u64>, bucket: Bucket, rate: f64, size: f64) -> Value {
    json!({
        "requestedQueryCost": requested,
        "actualQueryCost": actual,
        "throttleStatus": {"maximumAvailable": size, "currentlyAvailable": bucket.available.floor(), "restoreRate": rate},
    })
}

fn execute<'d>(
    request: &Request<'_>,
    document: &Document<'d>,
    root: &SubSelection<'d>,
    object: &Obj<'_>,
) -> (Vec<u8>, Vec<Value>) {
    let snapshot = request.state.snapshot();
    let faults = lock(&request.state.faults).clone();
    let operations = bulk_operations(request, &faults);
    let own = |webhook: &&Webhook| webhook.client_id == request.client_id;
    let webhooks = lock(&request.state.webhooks).iter().filter(own).cloned().collect();
    let effects = Actions { request, snapshot: &snapshot };
    let world = World {
        api: request.api,
        snapshot: &snapshot,
        state: request.state,
        client_id: request.client_id,
        app_name: &request.app.name,
        app_scopes: &request.app.scopes,
        installation: request.installation,
        scopes: request.scopes,
        version: request.version,
        now: request.now,
        operations,
        webhooks,
        effects: Some(&effects),
    };
    let object = match object {
        Obj::Mutation => Obj::Mutation,
        _ => Obj::Query,
    };
    let mut executor = Executor::new(document, &world, &faults.null_with_error);
    let mut data = Vec::new();
    if executor.object(&object, root, &mut data).is_err() {
        data = b"null".to_vec();
    }
    if !executor.not_simulated.is_empty() {
        // A document that Shopify answers and this simulator does not must never look answered.
        data = b"null".to_vec();
        let mut calls = lock(&request.state.calls);
        for name in &executor.not_simulated {
            tracing::error!(shop.label = request.state.label, field = name, "a field is not simulated");
            *calls.not_simulated.entry(name.clone()).or_default() += 1;
        }
    }
    (data, executor.errors)
}

fn bulk_operations(request: &Request<'_>, faults: &Faults) -> Vec<BulkOperation> {
    let label = &request.state.label;
    lock(&request.state.bulk).of_app(request.client_id, label, faults.bulk_stall, request.key)
}

struct Actions<'r, 's> {
    request: &'r Request<'r>,
    snapshot: &'s Arc<Snapshot>,
}

impl std::fmt::Debug for Actions<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Actions")
    }
}

impl Effects for Actions<'_, '_> {
    fn start_bulk(&self, query: &str, grouped: bool) -> Result<BulkOperation, (&'static str, String)> {
        let request = self.request;
        bulk::start(&bulk::Request {
            api: request.api,
            version: request.version,
            state: request.state,
            snapshot: self.snapshot,
            client_id: request.client_id,
            scopes: request.scopes,
            query,
            grouped,
            now: request.now,
            folder: request.folder,
            key: request.key,
        })
    }

    fn cancel_bulk(&self, id: u64) -> Option<BulkOperation> {
        let state = self.request.state;
        lock(&state.bulk).cancel(self.request.client_id, id, &state.label, self.request.key)
    }

    fn uninstall(&self) {
        (self.request.uninstall)();
    }
}
