//! Requests and answers of the HTTP API (payload format 2.0) and the frame around every handler: parse, act, log
//! once, answer. A handler never fails towards the runtime and a panic costs one answer, not the process.
//!
//! The event has `lambda_http`'s type. Its `Request` is not made of it: that rebuilds the address, panics on one that
//! `http::Uri` does not take, and the callback's signature needs the query string exactly as it came
//! (`docs/decisions/0006`).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use base64::Engine as _;
use futures::FutureExt as _;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::{LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::auth::{self, Caller};
use super::{metrics, problem};
use crate::app::error::{AppError, ErrorKind};
use crate::domain::ids::ProviderId;
use crate::ports::metrics::Metrics;
use crate::ports::time::Clock;

/// The largest body that is read.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// The longest query string that is read.
pub const MAX_QUERY_BYTES: usize = 8 * 1024;

/// What the frame itself needs.
#[derive(Clone)]
pub struct Edge {
    /// The claim that names the caller's store.
    pub store_claim: String,
    /// The time, for durations.
    pub clock: Arc<dyn Clock>,
    /// Requests, errors, durations.
    pub metrics: Arc<dyn Metrics>,
}

/// An answer, in the shape that the HTTP API takes.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// The HTTP status.
    pub status_code: u16,
    /// Headers by lower-case name.
    pub headers: BTreeMap<&'static str, String>,
    /// Values of `Set-Cookie`.
    pub cookies: Vec<String>,
    /// The body.
    pub body: String,
    is_base64_encoded: bool,
}

impl Response {
    /// An answer with a body. Nothing of ours may be kept by a cache.
    pub fn new(status_code: u16, content_type: &str, body: String) -> Self {
        let headers = BTreeMap::from([
            ("content-type", content_type.to_owned()),
            ("cache-control", "no-store".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
        ]);
        Self { status_code, headers, cookies: Vec::new(), body, is_base64_encoded: false }
    }

    /// Sends the browser elsewhere, by GET.
    pub fn see_other(location: &str) -> Self {
        Self::new(303, "text/plain; charset=utf-8", String::new()).header("location", location)
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.insert(name, value.into());
        self
    }

    /// With a cookie.
    #[must_use]
    pub fn cookie(mut self, value: impl Into<String>) -> Self {
        self.cookies.push(value.into());
        self
    }
}

/// An answer in JSON.
pub fn json<T: Serialize>(status: u16, value: &T) -> Result<Response, AppError> {
    let body = serde_json::to_string(value).map_err(AppError::bug)?;
    Ok(Response::new(status, "application/json", body))
}

/// One request. It has no `Debug`: headers, cookies, query and body may hold secrets.
pub struct Call {
    event: ApiGatewayV2httpRequest,
    store_claim: String,
    request_id: String,
}

impl Call {
    fn parse(payload: Value, store_claim: &str, fallback_id: &str) -> Result<Self, AppError> {
        // Serde's message may repeat values of the event, so it is neither logged nor answered.
        let event: ApiGatewayV2httpRequest = serde_json::from_value(payload)
            .map_err(|_| AppError::invalid("malformed_event", "This is not a request of the HTTP API."))?;
        let request_id = event.request_context.request_id.clone().unwrap_or_else(|| fallback_id.to_owned());
        Ok(Self { event, store_claim: store_claim.to_owned(), request_id })
    }

    /// The route as the template writes it: `GET /stores/{store_id}/connectors`.
    pub fn route(&self) -> &str {
        self.event.request_context.route_key.as_deref().unwrap_or_default()
    }

    /// The id of the request, which a problem repeats.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The network the request came from. The whole address is personal data and goes no further than here.
    pub fn origin(&self) -> Option<String> {
        auth::network(self.event.request_context.http.source_ip.as_deref()?)
    }

    /// The caller, from the authorizer's claims and in agreement with the path.
    pub fn caller(&self) -> Result<Caller, AppError> {
        let authorizer = self.event.request_context.authorizer.as_ref();
        let claims = authorizer.and_then(|all| all.jwt.as_ref()).map(|jwt| &jwt.claims);
        auth::caller(claims, &self.store_claim, self.path("store_id"), self.origin())
    }

    /// A part of the path, by its name in the route.
    pub fn path(&self, name: &str) -> Option<&str> {
        self.event.path_parameters.get(name).map(String::as_str)
    }

    /// The platform that the path names; one that does not exist is not found.
    pub fn provider(&self) -> Result<ProviderId, AppError> {
        self.path("provider").and_then(|name| ProviderId::parse(name).ok()).ok_or_else(AppError::not_found)
    }

    /// A header's value, where it is visible ASCII. Names are compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.event.headers.get(name)?.to_str().ok()
    }

    /// A header's value, where it is visible ASCII; none where it comes twice with different ones.
    pub fn only_header(&self, name: &str) -> Option<&str> {
        let mut values = self.event.headers.get_all(name).iter();
        let first = values.next()?;
        values.all(|other| other == first).then_some(first)?.to_str().ok()
    }

    /// The value of a cookie; none where it is absent or sent twice.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        // Format 2.0 lists cookies apart; other senders leave them in the header.
        let listed = self.event.cookies.iter().flatten().map(String::as_str);
        let mut values = listed
            .chain(self.header("cookie"))
            .flat_map(|line| line.split(';'))
            // No other space than browsers strip themselves: one that they keep before `__Host-` hides that prefix
            // from their rules, and a site beside ours could plant the cookie.
            .filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='))
            .filter_map(|(key, value)| (key == name).then_some(value));
        let first = values.next()?;
        values.all(|other| other == first).then_some(first)
    }

    /// The query string exactly as it came.
    pub fn raw_query(&self) -> &str {
        self.event.raw_query_string.as_deref().unwrap_or_default()
    }

    /// The decoded parameters. Those that the route does not know, come twice or are too long are refused.
    pub fn query(&self, known: &[&str]) -> Result<Query, AppError> {
        let refused = |name: &str, why: &str| {
            let name: String = name.chars().take(64).collect();
            AppError::invalid("invalid_parameter", format!("The query parameter `{name}` {why}."))
        };
        if self.raw_query().len() > MAX_QUERY_BYTES {
            return Err(AppError::invalid("invalid_parameter", "The query string is too long."));
        }
        let mut values = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(self.raw_query().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                return Err(refused(&name, "is not known here"));
            }
            if value.contains(char::REPLACEMENT_CHARACTER) {
                return Err(refused(&name, "is not UTF-8"));
            }
            if values.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(refused(&name, "comes twice"));
            }
        }
        Ok(Query(values))
    }

    /// The key under which a repeated POST does its work once: 1 to 128 visible ASCII characters.
    pub fn idempotency_key(&self) -> Result<Option<&str>, AppError> {
        let Some(value) = self.event.headers.get("idempotency-key") else { return Ok(None) };
        let fits = |key: &&str| (1..=128).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
        let key = value.to_str().ok().filter(fits);
        key.map(Some).ok_or_else(|| {
            AppError::invalid(
                "invalid_idempotency_key",
                "Idempotency-Key must be 1 to 128 visible ASCII characters.",
            )
        })
    }

    /// What the body is said to be, in small letters and without parameters.
    pub fn media_type(&self) -> String {
        let said = self.header("content-type").unwrap_or_default();
        said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The body as JSON. `T` refuses unknown fields (`#[serde(deny_unknown_fields)]`).
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, AppError> {
        self.json_up_to(MAX_BODY_BYTES)
    }

    /// The same of a body that may have `max` bytes.
    pub fn json_up_to<T: DeserializeOwned>(&self, max: usize) -> Result<T, AppError> {
        if self.media_type() != "application/json" {
            return Err(AppError::invalid(
                "unsupported_media_type",
                "The body must be JSON, with Content-Type: application/json.",
            ));
        }
        serde_json::from_slice(&self.body_up_to(max)?).map_err(|error| {
            // Messages about fields name only fields; the others may repeat a value, which may be a secret.
            let message = error.to_string();
            let about_fields = ["unknown field", "missing field", "duplicate field", "unknown variant"];
            let detail = if error.is_data() && about_fields.iter().any(|start| message.starts_with(start)) {
                format!("The body does not fit: {}.", message.chars().take(300).collect::<String>())
            } else if error.is_data() {
                format!("A value at line {}, column {} has the wrong type.", error.line(), error.column())
            } else {
                format!("The body is not JSON (line {}, column {}).", error.line(), error.column())
            };
            AppError::invalid("invalid_body", detail)
        })
    }

    /// The body's bytes, at most [`MAX_BODY_BYTES`].
    pub fn body(&self) -> Result<Vec<u8>, AppError> {
        self.body_up_to(MAX_BODY_BYTES)
    }

    /// The body's bytes exactly as they were sent, at most `max`.
    pub fn body_up_to(&self, max: usize) -> Result<Vec<u8>, AppError> {
        let too_large =
            || AppError::invalid("body_too_large", format!("The body may have at most {max} bytes."));
        let text = self.event.body.as_deref().unwrap_or_default();
        if text.len() > max * 4 / 3 + 4 {
            return Err(too_large());
        }
        let bytes = if self.event.is_base64_encoded {
            base64::engine::general_purpose::STANDARD
                .decode(text)
                .map_err(|_| AppError::invalid("invalid_body", "The body cannot be decoded."))?
        } else {
            text.as_bytes().to_vec()
        };
        if bytes.len() > max { Err(too_large()) } else { Ok(bytes) }
    }
}

/// The decoded parameters of a query.
#[derive(Debug, Default)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    /// A parameter's value; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The size of a page: `limit`, from 1 to `max`.
    pub fn limit(&self, default: u32, max: u32) -> Result<u32, AppError> {
        match self.get("limit").map(str::parse) {
            None => Ok(default),
            Some(Ok(limit)) if (1..=max).contains(&limit) => Ok(limit),
            Some(_) => Err(AppError::invalid(
                "invalid_parameter",
                format!("The query parameter `limit` must be a number from 1 to {max}."),
            )),
        }
    }
}

/// Answers one event: parses it, does the work, turns a failure or a panic into a problem, logs and counts the
/// outcome once.
pub async fn handle<F, Fut>(edge: &Edge, event: LambdaEvent<Value>, work: F) -> Response
where
    F: FnOnce(Call) -> Fut,
    Fut: Future<Output = Result<Response, AppError>>,
{
    let began = edge.clock.now();
    let record = |response: &Response, code: Option<&str>| {
        let duration_ms = metrics::millis_since(began, edge.clock.as_ref());
        metrics::answered(edge.metrics.as_ref(), response.status_code, code, duration_ms);
        duration_ms
    };
    let call = match Call::parse(event.payload, &edge.store_claim, &event.context.request_id) {
        Ok(call) => call,
        Err(error) => {
            tracing::warn!(code = error.code, "refused an event that is not a request");
            let response = problem::response(&error, &event.context.request_id);
            record(&response, Some(error.code));
            return response;
        }
    };
    let request_id = call.request_id.clone();
    let route = call.route().to_owned();
    let outcome = AssertUnwindSafe(async { work(call).await })
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err(AppError::bug("the handler panicked")));
    match outcome {
        Ok(response) => {
            let (status, duration_ms) = (response.status_code, record(&response, None));
            tracing::info!(request.id = request_id, route, status, duration_ms, "answered");
            response
        }
        Err(error) => {
            let response = problem::response(&error, &request_id);
            let (status, code) = (response.status_code, error.code);
            let duration_ms = record(&response, Some(code));
            if error.kind == ErrorKind::Bug {
                let cause = error.cause();
                tracing::error!(request.id = request_id, route, status, code, cause, duration_ms, "failed");
            } else if error.source.is_some() {
                let cause = error.cause();
                tracing::warn!(request.id = request_id, route, status, code, cause, duration_ms, "gave up");
            } else {
                tracing::info!(request.id = request_id, route, status, code, duration_ms, "refused");
            }
            response
        }
    }
}

/// Serves events until the environment ends.
pub async fn serve<F, Fut>(edge: Edge, work: F) -> Result<(), lambda_runtime::Error>
where
    F: Fn(Call) -> Fut,
    Fut: Future<Output = Result<Response, AppError>>,
{
    let (edge, work) = (&edge, &work);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        Ok::<_, Infallible>(handle(edge, event, work).await)
    }))
    .await
}

#[cfg(test)]
mod tests;
