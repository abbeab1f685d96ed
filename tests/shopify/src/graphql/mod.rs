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
use crate::mutate::{self, Told, Written};
use crate::resolve::{Effects, Obj, World};
use crate::schema::ApiSchema;
use crate::shop::{Bucket, ShopState, Snapshot, lock};
use crate::webhooks::subscription::Webhook;

pub mod connection;
pub mod cost;
mod errors;
pub mod executor;
mod mutation;
pub mod protected;
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
    /// Tells the world what a mutation did to the shop as it is now.
    pub publish: &'r (dyn Fn(&[Told], &Snapshot) + Sync),
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
    /// Whether it answers a mutation that was carried out.
    pub mutation: bool,
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
            return Reply {
                status: 400,
                body: body.to_string().into_bytes(),
                deprecated: BTreeSet::new(),
                mutation: false,
            };
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
    Reply { status: 200, body: body.to_string().into_bytes(), deprecated: BTreeSet::new(), mutation: false }
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
        let extensions = json!({"code": "MAX_COST_EXCEEDED", "cost": cost::shown(requested), "maxCost": cost::MAX_QUERY_COST,
                   "documentation": "https://shopify.dev/api/usage/rate-limits"});
        return plain(&json!({"errors": [{"message": message, "extensions": extensions}]}));
    }
    mutate::media::ripen(request.state, request.now);
    let (rate, size) = request.state.bucket_size();
    if let Err(bucket) = reserve(request, requested, rate, size) {
        lock(&request.state.calls).throttled += 1;
        let errors = json!([{"message": "Throttled", "extensions":
            {"code": "THROTTLED", "documentation": "https://shopify.dev/api/usage/rate-limits"}}]);
        return plain(
            &json!({"errors": errors, "extensions": {"cost": status(requested, None, bucket, rate, size)}}),
        );
    }
    let (data, errors) = execute(request, document, &root, &object);
    let actual = cost::cost(document, kind, &root, object.type_name(), true).min(requested);
    let bucket = give_back(request, requested - actual, rate, size);
    lock(&request.state.calls).points += actual;
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
    let mutation = kind == apollo_compiler::ast::OperationType::Mutation;
    Reply { status: 200, body, deprecated, mutation }
}

/// Takes the requested points out of the bucket, or says how little there is in it.
fn reserve(request: &Request<'_>, requested: f64, rate: f64, size: f64) -> Result<(), Bucket> {
    let emptied = lock(&request.state.faults).strikes(Kind::Throttle);
    let mut buckets = lock(&request.state.buckets);
    let bucket =
        buckets.entry(request.client_id.to_owned()).or_insert(Bucket { available: size, at: request.now });
    bucket.refill(request.now, rate, size);
    if emptied {
        bucket.available = 0.0;
    }
    if requested > bucket.available {
        return Err(*bucket);
    }
    bucket.available -= requested;
    Ok(())
}

/// Gives back what was not used.
fn give_back(request: &Request<'_>, points: f64, rate: f64, size: f64) -> Bucket {
    let mut buckets = lock(&request.state.buckets);
    let bucket =
        buckets.entry(request.client_id.to_owned()).or_insert(Bucket { available: size, at: request.now });
    bucket.refill(request.now, rate, size);
    bucket.available = (bucket.available + points).min(size);
    *bucket
}

fn status(requested: f64, actual: Option<f64>, bucket: Bucket, rate: f64, size: f64) -> Value {
    json!({
        "requestedQueryCost": cost::shown(requested),
        "actualQueryCost": actual.map(cost::shown),
        "throttleStatus": {"maximumAvailable": size, "currentlyAvailable": bucket.available.floor(), "restoreRate": rate},
    })
}

fn execute<'d>(
    request: &Request<'_>,
    document: &Document<'d>,
    root: &SubSelection<'d>,
    object: &Obj<'_>,
) -> (Vec<u8>, Vec<Value>) {
    if matches!(object, Obj::Mutation) {
        return mutation::execute(request, document, root);
    }
    let snapshot = request.state.snapshot();
    let faults = lock(&request.state.faults).clone();
    if faults.work_ms > 0 {
        std::thread::sleep(std::time::Duration::from_millis(faults.work_ms));
    }
    with_world(request, &snapshot, None, |world| {
        let mut executor = Executor::new(document, world, &faults.null_with_error);
        let mut data = Vec::new();
        let done = executor.object(&Obj::Query, root, &mut data);
        if note_not_simulated(request, &executor.not_simulated) || done.is_err() {
            data = b"null".to_vec();
        }
        (data, executor.errors)
    })
}

/// Shows the shop as it is to what runs.
fn with_world<T>(
    request: &Request<'_>,
    snapshot: &Arc<Snapshot>,
    written: Option<&Written>,
    run: impl FnOnce(&World<'_>) -> T,
) -> T {
    let faults = lock(&request.state.faults).clone();
    let own = |webhook: &&Webhook| webhook.client_id == request.client_id;
    let webhooks = lock(&request.state.webhooks).iter().filter(own).cloned().collect();
    let effects = Actions { request, snapshot };
    run(&World {
        api: request.api,
        snapshot,
        state: request.state,
        client_id: request.client_id,
        app_name: &request.app.name,
        app_scopes: &request.app.scopes,
        denied_data: &request.app.denied_customer_data,
        installation: request.installation,
        scopes: request.scopes,
        version: request.version,
        now: request.now,
        operations: bulk_operations(request, &faults),
        webhooks,
        written,
        effects: Some(&effects),
    })
}

/// Counts what a document asked for and the simulator does not know; whether there was anything. A document that Shopify
/// answers and this simulator does not must never look answered.
fn note_not_simulated(request: &Request<'_>, names: &BTreeSet<String>) -> bool {
    let mut calls = lock(&request.state.calls);
    for name in names {
        tracing::error!(shop.label = request.state.label, field = name, "a field is not simulated");
        *calls.not_simulated.entry(name.clone()).or_default() += 1;
    }
    !names.is_empty()
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
            denied_data: &request.app.denied_customer_data,
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
