//! One GraphQL call to the Admin API, and what its answers mean.
//!
//! Rules: <https://shopify.dev/docs/api/admin-graphql> (status and error codes),
//! <https://shopify.dev/docs/api/usage/limits> (cost), <https://shopify.dev/docs/api/usage/versioning> (fall forward).

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use secrecy::ExposeSecret;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pace::{PATIENCE, Pace};
use super::{API_VERSION, Shopify};
use crate::domain::push::code::Code;
use crate::ports::provider::{ProviderError, ShopAccess};

/// The header that carries the token: the only place where it is sent.
const TOKEN_HEADER: &str = "x-shopify-access-token";

/// The longest a call may take as a whole.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest answer that is read. The largest page asked for is a tenth of it.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// The longest wait that an answer may impose.
const MAX_WAIT: Duration = Duration::from_secs(900);

/// The shortest wait after a refusal.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);

/// Longest text taken over from an answer into an error.
const MAX_QUOTED: usize = 200;

#[derive(Serialize)]
struct Body<'a, V> {
    query: &'a str,
    variables: V,
}

impl Shopify {
    /// Sends a document of ours to a shop and reads `data`. An answer with any error is an error, whatever data came
    /// with it; `userErrors` are part of the data and the caller's to judge.
    pub(super) async fn call<D: DeserializeOwned>(
        &self,
        access: &ShopAccess,
        document: &'static str,
        variables: impl Serialize + Send + Sync,
    ) -> Result<D, ProviderError> {
        let url = format!("https://{}/admin/api/{API_VERSION}/graphql.json", access.shop);
        let (http, pace) = (self.http()?, self.pace());
        let mut waited = Duration::ZERO;
        loop {
            pace.before(&access.shop, document).await?;
            match post(http, &url, access, document, &variables, pace).await.data {
                // Someone else emptied the bucket. A call that was throttled did nothing, so any may be repeated.
                Err(ProviderError::Throttled { retry_after: Some(wait) }) if waited + wait <= PATIENCE => {
                    waited += wait.max(SHORTEST_WAIT);
                    tokio::time::sleep(wait.max(SHORTEST_WAIT)).await;
                }
                answer => return answer,
            }
        }
    }

    /// Sends a document once. Who calls this has a budget of points, so the pace of the import does not delay it.
    pub(super) async fn send<D: DeserializeOwned>(
        &self,
        access: &ShopAccess,
        document: &'static str,
        variables: impl Serialize + Send + Sync,
    ) -> Result<Answer<D>, ProviderError> {
        let url = format!("https://{}/admin/api/{API_VERSION}/graphql.json", access.shop);
        Ok(post(self.http()?, &url, access, document, &variables, self.pace()).await)
    }
}

/// What came back from one request.
pub(super) struct Answer<D> {
    /// The data, or what went wrong.
    pub(super) data: Result<D, ProviderError>,
    /// Whether the request may have been carried out although there is no data.
    pub(super) in_doubt: bool,
    /// What it cost, where the answer says so.
    pub(super) cost: Option<Cost>,
    /// The shop's name for the request.
    pub(super) request_id: Option<String>,
}

impl<D> Answer<D> {
    fn failed(error: ProviderError, in_doubt: bool) -> Self {
        Self { data: Err(error), in_doubt, cost: None, request_id: None }
    }
}

async fn post<D: DeserializeOwned>(
    http: &reqwest::Client,
    url: &str,
    access: &ShopAccess,
    document: &'static str,
    variables: &(impl Serialize + Sync),
    pace: &Pace,
) -> Answer<D> {
    let body = match serde_json::to_vec(&Body { query: document, variables }) {
        Ok(body) => body,
        Err(error) => {
            return Answer::failed(malformed(format!("variables cannot be written: {error}")), false);
        }
    };
    let Ok(mut token) = HeaderValue::from_str(access.token.expose_secret()) else {
        return Answer::failed(ProviderError::TokenRejected, false);
    };
    token.set_sensitive(true);
    let response = http
        .post(url)
        .timeout(CALL_TIMEOUT)
        .header(TOKEN_HEADER, token)
        .header(CONTENT_TYPE, "application/json")
        .body(body)
        .send()
        .await;
    let response = match response {
        Ok(response) => response,
        Err(error) => {
            let sent = !error.is_connect();
            return Answer::failed(unreachable(error), sent);
        }
    };
    let status = response.status();
    let headers = response.headers().clone();
    let quote = Quote { token: access.token.expose_secret() };
    let request_id = headers.get("x-request-id").and_then(|id| id.to_str().ok()).map(|id| quote.cut(id));
    let answer = match read_limited(response, MAX_ANSWER_BYTES).await {
        Ok(answer) => answer,
        Err(error) => return Answer { request_id, ..Answer::failed(error, true) },
    };
    if let Some(error) = status_error(status, &headers, &answer, &quote) {
        return Answer { request_id, ..Answer::failed(error, status.is_server_error()) };
    }
    warn_of_other_version(&headers);
    let (data, cost) = decode(&answer, &quote);
    if let Some(Cost { requested_query_cost: Some(requested), throttle_status: Some(status), .. }) = &cost {
        pace.learn(&access.shop, document, *requested, status.currently_available, status.restore_rate);
    }
    // Shopify answers its own faults with status 200 too, and does not say how far it came.
    let in_doubt = matches!(data, Err(ProviderError::Unavailable { .. } | ProviderError::Malformed { .. }));
    Answer { data, in_doubt, cost, request_id }
}

/// The cause of a failed call, without its address: signed ones are secrets.
pub(super) fn unreachable(error: reqwest::Error) -> ProviderError {
    ProviderError::Unavailable { source: Some(Box::new(error.without_url())) }
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read_limited(
    mut response: reqwest::Response,
    limit: usize,
) -> Result<Vec<u8>, ProviderError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > limit {
            return Err(malformed(format!("the answer is larger than {limit} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn malformed(why: String) -> ProviderError {
    ProviderError::Malformed { why }
}

/// A status that says that something is wrong on the other side.
#[derive(Debug, thiserror::Error)]
#[error("status {status}, request {request}")]
struct ServerStatus {
    status: StatusCode,
    request: String,
}

/// What a status outside 200 means. Also for answers of the token endpoints, where they are the same.
fn status_error(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    quote: &Quote<'_>,
) -> Option<ProviderError> {
    let error = match status.as_u16() {
        200 => return None,
        401 => ProviderError::TokenRejected,
        // 402 frozen for non-payment, 423 locked, 404 gone: path and version are ours and known.
        402 | 404 | 423 => ProviderError::ShopUnavailable,
        403 => forbidden(body, quote),
        429 => ProviderError::Throttled { retry_after: retry_after(headers) },
        // Shopify's word for a request that it takes for an attack: only time helps.
        430 => {
            tracing::error!(http.status = 430, "Shopify rejected a call for security reasons");
            ProviderError::Throttled { retry_after: Some(MAX_WAIT) }
        }
        500.. => {
            let request = headers.get("x-request-id").and_then(|id| id.to_str().ok());
            let request = quote.cut(request.unwrap_or("unknown"));
            ProviderError::Unavailable { source: Some(Box::new(ServerStatus { status, request })) }
        }
        other => ProviderError::Refused { code: format!("http_{other}") },
    };
    Some(error)
}

/// 403 stands for a missing scope, a token of a kind no longer accepted, or a shop marked as fraudulent; only the
/// text tells which.
fn forbidden(body: &[u8], quote: &Quote<'_>) -> ProviderError {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(answer) => match answer.get("errors") {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        },
        Err(_) => String::new(),
    };
    let lower = text.to_lowercase();
    if lower.contains("non-expiring") || lower.contains("access token") {
        ProviderError::TokenRejected
    } else if lower.contains("scope") || lower.contains("approval") || lower.contains("access denied") {
        ProviderError::ScopeDenied { what: quote.cut(&text) }
    } else {
        ProviderError::ShopUnavailable
    }
}

/// `Retry-After` in seconds, which Shopify writes with a decimal point.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    wait(seconds)
}

fn wait(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.max(0.0)).ok().map(|wait| wait.min(MAX_WAIT))
}

/// A dead version falls forward to the oldest supported one instead of failing.
fn warn_of_other_version(headers: &HeaderMap) {
    let Some(version) = headers.get("x-shopify-api-version").and_then(|v| v.to_str().ok()) else { return };
    if version != API_VERSION {
        tracing::warn!(
            api.asked = API_VERSION,
            api.answered = %version.chars().take(16).collect::<String>(),
            "the shop answered by another version of the API"
        );
    }
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    data: Option<IgnoredAny>,
    #[serde(default)]
    errors: Option<Value>,
    #[serde(default)]
    extensions: Option<Extensions>,
}

#[derive(Deserialize)]
struct Extensions {
    #[serde(default)]
    cost: Option<Cost>,
}

/// Numbers can be floats, see <https://shopify.dev/docs/api/usage/limits>.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cost {
    pub(super) requested_query_cost: Option<f64>,
    #[serde(default)]
    pub(super) actual_query_cost: Option<f64>,
    pub(super) throttle_status: Option<ThrottleStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThrottleStatus {
    #[serde(default)]
    pub(super) maximum_available: f64,
    pub(super) currently_available: f64,
    pub(super) restore_rate: f64,
}

#[derive(Deserialize)]
struct Data<D> {
    data: D,
}

/// Reads the data of an answer with status 200, or the errors in it, and what it cost.
fn decode<D: DeserializeOwned>(answer: &[u8], quote: &Quote<'_>) -> (Result<D, ProviderError>, Option<Cost>) {
    match serde_json::from_slice::<Envelope>(answer) {
        Ok(envelope) => (data(answer, &envelope, quote), envelope.extensions.and_then(|more| more.cost)),
        Err(error) => (Err(malformed(format!("not a GraphQL answer: {}", place(&error)))), None),
    }
}

fn data<D: DeserializeOwned>(
    answer: &[u8],
    envelope: &Envelope,
    quote: &Quote<'_>,
) -> Result<D, ProviderError> {
    if let Some(errors) = &envelope.errors
        && let Some(error) = graphql_error(errors, envelope.extensions.as_ref(), quote)
    {
        return Err(error);
    }
    if envelope.data.is_none() {
        return Err(malformed("an answer without data and without errors".to_owned()));
    }
    let read: Data<D> = serde_json::from_slice(answer)
        .map_err(|error| malformed(format!("data of an unexpected form: {}", place(&error))))?;
    Ok(read.data)
}

/// Where and in which way JSON is wrong. The error's own text may quote the answer.
pub(super) fn place(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Io => "unreadable",
        serde_json::error::Category::Syntax => "not JSON",
        serde_json::error::Category::Data => "other fields or types than expected",
        serde_json::error::Category::Eof => "cut off",
    };
    format!("{kind} at line {} column {}", error.line(), error.column())
}

/// The gravest of the errors of an answer; none where the list is empty.
fn graphql_error(
    errors: &Value,
    extensions: Option<&Extensions>,
    quote: &Quote<'_>,
) -> Option<ProviderError> {
    let list = match errors {
        Value::Null => return None,
        Value::Array(list) => list.as_slice(),
        // Answers that never reached GraphQL carry a text or an object.
        Value::String(text) => return Some(ProviderError::Refused { code: quote.cut(text) }),
        other => return Some(ProviderError::Refused { code: quote.cut(&other.to_string()) }),
    };
    let with_code = |code: &str| list.iter().find(|error| error_code(error) == Some(code));
    let first = list.first()?;
    let throttled = with_code("THROTTLED").or_else(|| {
        list.iter().find(|error| error.get("message").and_then(Value::as_str) == Some("Throttled"))
    });
    Some(if throttled.is_some() {
        let cost = extensions.and_then(|extensions| extensions.cost.as_ref());
        ProviderError::Throttled { retry_after: cost.and_then(time_to_restore) }
    } else if with_code("SHOP_INACTIVE").is_some() {
        ProviderError::ShopUnavailable
    } else if list.iter().any(needs_approval) {
        ProviderError::Refused { code: Code::ProtectedDataDenied.as_str().to_owned() }
    } else if let Some(denied) = with_code("ACCESS_DENIED") {
        ProviderError::ScopeDenied { what: denied_what(denied, quote) }
    } else if with_code("INTERNAL_SERVER_ERROR").or_else(|| with_code("TIMEOUT")).is_some() {
        ProviderError::Unavailable { source: None }
    } else {
        let message = first.get("message").and_then(Value::as_str).unwrap_or("unknown error");
        ProviderError::Refused { code: quote.cut(error_code(first).unwrap_or(message)) }
    })
}

fn error_code(error: &Value) -> Option<&str> {
    error.get("extensions")?.get("code")?.as_str()
}

/// Whether customer data is denied, for which no scope helps but only Shopify's approval of the app. It has the code of
/// a missing scope; the text alone tells which.
fn needs_approval(error: &Value) -> bool {
    let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
    error_code(error) == Some("ACCESS_DENIED") && message.contains("protected-customer-data")
}

/// The path of the denied field and, where the shop says so, the scope it needs.
fn denied_what(error: &Value, quote: &Quote<'_>) -> String {
    let path: Vec<&str> =
        error.get("path").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let needs = error.get("extensions").and_then(|e| e.get("requiredAccess")).and_then(Value::as_str);
    let message = error.get("message").and_then(Value::as_str);
    let text = match (path.is_empty(), needs) {
        (false, Some(needs)) => format!("{}: {needs}", path.join(".")),
        (false, None) => path.join("."),
        (true, _) => needs.or(message).unwrap_or("a field").to_owned(),
    };
    quote.cut(&text)
}

/// When the bucket will hold what the call asked for: (requested − available) / restore rate.
fn time_to_restore(cost: &Cost) -> Option<Duration> {
    let status = cost.throttle_status.as_ref()?;
    let lacking = cost.requested_query_cost? - status.currently_available;
    if status.restore_rate > 0.0 { wait(lacking / status.restore_rate) } else { None }
}

/// Takes texts of an answer over into errors: short, on one line, and never with the token.
struct Quote<'a> {
    token: &'a str,
}

impl Quote<'_> {
    fn cut(&self, text: &str) -> String {
        let text = if self.token.is_empty() { text.to_owned() } else { text.replace(self.token, "…") };
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_QUOTED).collect()
    }
}

#[cfg(test)]
mod tests;
