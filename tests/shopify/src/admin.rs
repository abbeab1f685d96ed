//! What `{shop}.myshopify.com` and the hosts of result files and images answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use futures::{StreamExt as _, stream};
use http::header::{CONTENT_TYPE, HOST, LOCATION, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::apps::{App, expand, random_hex};
use crate::bulk::link::RESULT_HOST;
use crate::faults::Kind;
use crate::graphql;
use crate::images::{self, FILE_HOST};
use crate::oauth::{self, AuthorizeRequest, Grant};
use crate::rest;
use crate::results;
use crate::server::{Lost, Simulator};
use crate::shop::{Calls, ShopState, lock};
use crate::webhooks::events;
use crate::webhooks::payload;
use crate::webhooks::publish::{self, Occurrence};
use crate::webhooks::subscription::Webhook;

/// The largest request read.
const LARGEST: usize = 8 << 20;
/// Where tokens are asked for.
const TOKEN_PATH: &str = "/admin/oauth/access_token";

/// The router of the TLS listener: it goes by host first.
pub fn router(simulator: Arc<Simulator>) -> Router {
    Router::new().fallback(dispatch).with_state(simulator)
}

/// A request taken apart.
#[derive(Debug)]
pub struct Incoming {
    /// Method.
    pub method: Method,
    /// Path.
    pub path: String,
    /// Query without `?`.
    pub query: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Incoming {
    /// The parameters of the query.
    #[must_use]
    pub fn parameters(&self) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }
}

/// Who is calling.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The app.
    pub client_id: String,
    /// What is known of it.
    pub app: App,
    /// Number of its installation.
    pub installation: u64,
    /// Granted scopes, implied ones included, less those a switch denies.
    pub scopes: std::collections::BTreeSet<String>,
}

async fn dispatch(State(simulator): State<Arc<Simulator>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LARGEST).await else {
        return text(StatusCode::PAYLOAD_TOO_LARGE, "Payload too large");
    };
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_lowercase();
    let host = host.split(':').next().unwrap_or_default().to_owned();
    let incoming = Incoming {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
    };
    if host == RESULT_HOST {
        return results::serve(&simulator, &incoming).await;
    }
    if host == FILE_HOST {
        return images::serve(&simulator, &incoming).await;
    }
    let Some(state) = host.strip_suffix(".myshopify.com").and_then(|label| simulator.shop(label)) else {
        return json_answer(StatusCode::NOT_FOUND, &json!({"errors": "Not Found"}));
    };
    if incoming.path == TOKEN_PATH {
        let kind = parameters(&incoming).remove("grant_type").unwrap_or_default();
        let kind = if kind.is_empty() { "authorization_code".to_owned() } else { kind };
        *lock(&state.calls).token_calls.entry(kind).or_default() += 1;
    }
    if strikes(&state, Kind::Http429, "http_429") {
        let mut answer = json_answer(
            StatusCode::TOO_MANY_REQUESTS,
            &json!({"errors": "Exceeded 2 calls per second for api client."}),
        );
        answer.headers_mut().insert(RETRY_AFTER, http::HeaderValue::from_static("1.0"));
        return answer;
    }
    if strikes(&state, Kind::Http5xx, "http_5xx") {
        return json_answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"errors": "Service Unavailable"}));
    }
    let mut answer = shop(&simulator, &state, &incoming).await;
    let id = random_hex(16);
    if let Ok(id) = http::HeaderValue::from_str(&id) {
        answer.headers_mut().insert("x-request-id", id);
    }
    if strikes(&state, Kind::LostAnswer, "lost_answer") {
        answer.extensions_mut().insert(Lost);
    }
    if strikes(&state, Kind::TruncatedBody, "truncated_body") {
        return truncate(answer).await;
    }
    answer
}

/// Whether a fault strikes; counts it.
pub fn strikes(state: &ShopState, kind: Kind, name: &str) -> bool {
    let struck = lock(&state.faults).strikes(kind);
    if struck {
        *lock(&state.calls).faults.entry(name.to_owned()).or_default() += 1;
    }
    struck
}

/// The end of a body that breaks off: late enough for what came before to be on its way.
pub async fn break_off<T>() -> std::io::Result<T> {
    tokio::time::sleep(Duration::from_millis(20)).await;
    Err(std::io::ErrorKind::ConnectionAborted.into())
}

/// Announces the whole body, sends half of it, breaks off.
pub async fn truncate(answer: Response) -> Response {
    let (mut parts, body) = answer.into_parts();
    let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.insert(http::header::CONTENT_LENGTH, http::HeaderValue::from(whole.len() as u64));
    let half = stream::iter([Ok(whole.slice(..whole.len() / 2))]);
    Response::from_parts(parts, Body::from_stream(half.chain(stream::once(break_off()))))
}

async fn shop(simulator: &Arc<Simulator>, state: &Arc<ShopState>, incoming: &Incoming) -> Response {
    let path: Vec<&str> = incoming.path.trim_start_matches('/').split('/').collect();
    match (&incoming.method, path.as_slice()) {
        (&Method::GET, ["admin", "oauth", "authorize"]) => authorize(simulator, state, incoming),
        (&Method::POST, ["admin", "oauth", "authorize", "decision"]) => decide(simulator, state, incoming),
        (&Method::POST, ["admin", "oauth", "access_token"]) => token(simulator, state, incoming),
        (&Method::GET, ["admin", "oauth", "access_scopes.json"]) => {
            with_caller(simulator, state, incoming, |caller| rest::access_scopes(state, caller))
        }
        (&Method::DELETE, ["admin", "api_permissions", "current.json"]) => {
            with_caller(simulator, state, incoming, |caller| {
                uninstall(simulator, state, &caller.client_id);
                json_answer(StatusCode::OK, &json!({}))
            })
        }
        (&Method::POST, ["admin", "api", version, "graphql.json"]) => {
            graphql(simulator, state, incoming, version).await
        }
        (&Method::GET, ["admin", "api", version, resource]) => {
            with_caller(simulator, state, incoming, |caller| {
                rest::resource(state, caller, version, resource, incoming)
            })
        }
        _ => json_answer(StatusCode::NOT_FOUND, &json!({"errors": "Not Found"})),
    }
}

/// Removes an app from a shop: its tokens die, its subscriptions go, and it is told by the last of them.
pub fn uninstall(simulator: &Simulator, state: &ShopState, client_id: &str) -> bool {
    let now = simulator.clock.now();
    let removed = lock(&simulator.rights).uninstall(&state.label, client_id, now);
    let of_app = |webhook: &mut Webhook| webhook.client_id == client_id;
    let webhooks: Vec<Webhook> = lock(&state.webhooks).extract_if(.., of_app).collect();
    if removed {
        lock(&state.calls).uninstalls += 1;
        let payload = payload::shop(&state.snapshot().shop);
        let occurrence = Occurrence { topic: "app/uninstalled", payload, app: None };
        publish::publish_to(simulator, state, &webhooks, &[occurrence]);
    }
    removed
}

fn authorize(simulator: &Simulator, state: &ShopState, incoming: &Incoming) -> Response {
    let request = AuthorizeRequest::read(&incoming.parameters());
    let rights = lock(&simulator.rights);
    match request.app(&rights) {
        Ok(app) => html(StatusCode::OK, oauth::page(&request, app, &state.label)),
        Err(message) => html(
            StatusCode::BAD_REQUEST,
            format!("<!doctype html><title>Oauth error</title><p>{message}</p>"),
        ),
    }
}

fn decide(simulator: &Simulator, state: &ShopState, incoming: &Incoming) -> Response {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(&incoming.body).into_owned().collect();
    let form: BTreeMap<String, String> = pairs.iter().cloned().collect();
    let request = AuthorizeRequest::read(&form);
    let approved = form.get("decision").is_some_and(|decision| decision == "approve");
    let named = pairs.iter().filter(|(name, _)| name == "scopes");
    let named: std::collections::BTreeSet<String> =
        named.flat_map(|(_, value)| crate::apps::parse_scopes(value)).collect();
    // A browser sends no field at all when every box is empty; a script that names none means all.
    let granted = (form.contains_key("choice") || form.contains_key("scopes")).then_some(named);
    let decided = oauth::decide(
        &mut lock(&simulator.rights),
        &request,
        &state.label,
        approved,
        granted,
        simulator.clock.now(),
    );
    match decided.map(|location| http::HeaderValue::from_str(&location)) {
        Ok(Ok(location)) => {
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = StatusCode::FOUND;
            answer.headers_mut().insert(LOCATION, location);
            answer
        }
        Ok(Err(_)) => {
            text(StatusCode::BAD_REQUEST, "Oauth error invalid_request: The redirect_uri is not whitelisted")
        }
        Err(message) => text(StatusCode::BAD_REQUEST, message),
    }
}

fn token(simulator: &Simulator, state: &ShopState, incoming: &Incoming) -> Response {
    let parameters = parameters(incoming);
    let grant = oauth::token(&mut lock(&simulator.rights), &state.label, &parameters, simulator.clock.now());
    let (counter, status, body): (fn(&mut Calls) -> &mut u64, _, _) = match grant {
        Grant::Exchanged(body, change) => {
            if let Some(change) = change {
                publish::scopes_changed(simulator, state, &change);
            }
            (|calls| &mut calls.token_exchanges, StatusCode::OK, body)
        }
        Grant::Refreshed(body) => (|calls| &mut calls.token_refreshes, StatusCode::OK, body),
        Grant::Credentials(body) => (|calls| &mut calls.token_credentials, StatusCode::OK, body),
        Grant::Refused(status, body) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            (|calls| &mut calls.token_refusals, status, body)
        }
    };
    *counter(&mut lock(&state.calls)) += 1;
    json_answer(status, &body)
}

/// The parameters of a token request: a form, or JSON.
fn parameters(incoming: &Incoming) -> BTreeMap<String, String> {
    let kind = incoming.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/json") {
        let body: Value = serde_json::from_slice(&incoming.body).unwrap_or_default();
        let fields = body.as_object().into_iter().flatten();
        fields
            .map(|(name, value)| {
                (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            })
            .collect()
    } else {
        url::form_urlencoded::parse(&incoming.body).into_owned().collect()
    }
}

/// Who calls, or the answer Shopify gives to a token that does not work.
fn caller(simulator: &Simulator, state: &ShopState, incoming: &Incoming) -> Result<Caller, Box<Response>> {
    let header = incoming.headers.get("x-shopify-access-token").and_then(|token| token.to_str().ok());
    let rights = lock(&simulator.rights);
    let found = header.and_then(|token| rights.authenticate(&state.label, token, simulator.clock.now()));
    let Some((client_id, install)) = found else {
        lock(&state.calls).unauthorized += 1;
        let message = "[API] Invalid API key or access token (unrecognized login or wrong password)";
        return Err(Box::new(json_answer(StatusCode::UNAUTHORIZED, &json!({"errors": message}))));
    };
    let app = rights.apps.get(client_id).cloned().unwrap_or_default();
    let expires =
        header.and_then(|token| rights.tokens.get(token)).is_some_and(|token| token.expires_at.is_some());
    if app.require_expiring && !expires {
        let message = "[API] Non-expiring access tokens are no longer accepted for the Admin API. Migrate to expiring tokens.";
        return Err(Box::new(json_answer(StatusCode::FORBIDDEN, &json!({"errors": message}))));
    }
    let denied = lock(&state.faults).deny_scope.clone();
    let scopes = expand(&install.scopes).into_iter().filter(|scope| !denied.contains(scope)).collect();
    Ok(Caller { client_id: client_id.to_owned(), app, installation: install.id, scopes })
}

fn with_caller(
    simulator: &Simulator,
    state: &ShopState,
    incoming: &Incoming,
    answer: impl FnOnce(&Caller) -> Response,
) -> Response {
    match caller(simulator, state, incoming) {
        Ok(caller) => answer(&caller),
        Err(refusal) => *refusal,
    }
}

async fn graphql(
    simulator: &Arc<Simulator>,
    state: &Arc<ShopState>,
    incoming: &Incoming,
    version: &str,
) -> Response {
    let caller = match caller(simulator, state, incoming) {
        Ok(caller) => caller,
        Err(refusal) => return *refusal,
    };
    let (simulator, state, body) = (Arc::clone(simulator), Arc::clone(state), incoming.body.clone());
    let faulty = Arc::clone(&state);
    let version = version.to_owned();
    let answered = tokio::task::spawn_blocking(move || {
        let api = simulator.schemas.get(&version).map_err(|problem| problem.to_string())?;
        let request = graphql::Request {
            api: &api,
            version: &version,
            state: &state,
            client_id: &caller.client_id,
            app: &caller.app,
            installation: caller.installation,
            scopes: &caller.scopes,
            now: simulator.clock.now(),
            folder: &simulator.folder,
            key: &simulator.key,
            uninstall: &|| {
                uninstall(&simulator, &state, &caller.client_id);
            },
            publish: &|told, snapshot| {
                publish::publish(&simulator, &state, &events::of_writes(told, snapshot));
            },
        };
        Ok::<_, String>((graphql::answer(&request, &body), version))
    });
    let (reply, version) = match answered.await {
        Ok(Ok(answered)) => answered,
        Ok(Err(problem)) => {
            tracing::error!(problem, "the schema cannot be used");
            return json_answer(StatusCode::INTERNAL_SERVER_ERROR, &json!({"errors": problem}));
        }
        Err(problem) => {
            tracing::error!(%problem, "a GraphQL request failed");
            return json_answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                &json!({"errors": "Internal Server Error"}),
            );
        }
    };
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let mut answer = Response::new(Body::from(reply.body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json; charset=utf-8"));
    if let Ok(version) = http::HeaderValue::from_str(&version) {
        headers.insert("x-shopify-api-version", version);
    }
    if !reply.deprecated.is_empty() {
        let reason = http::HeaderValue::from_static(
            "https://shopify.dev/api/usage/versioning#making-requests-to-an-api-version",
        );
        headers.insert("x-shopify-api-deprecated-reason", reason);
    }
    if reply.mutation && strikes(&faulty, Kind::LostMutationAnswer, "lost_mutation_answer") {
        answer.extensions_mut().insert(Lost);
    }
    answer
}

/// A JSON answer.
pub fn json_answer(status: StatusCode, body: &Value) -> Response {
    answer(status, "application/json; charset=utf-8", body.to_string())
}

/// A plain text answer.
pub fn text(status: StatusCode, body: &str) -> Response {
    answer(status, "text/plain; charset=utf-8", body.to_owned())
}

fn html(status: StatusCode, body: String) -> Response {
    answer(status, "text/html; charset=utf-8", body)
}

fn answer(status: StatusCode, kind: &'static str, body: String) -> Response {
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    answer
}
