//! Failures as RFC 9457 problems. The one place that knows which kind of failure has which HTTP status.

use std::time::Duration;

use serde::Serialize;

use super::http::Response;
use crate::app::error::{AppError, ErrorKind};
use crate::domain::push::document::MappingProblem;

/// What a caller reads when a request did not succeed (RFC 9457, `application/problem+json`).
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A name for this sort of problem; it is not an address.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: &'static str,
    /// What is wrong and what to do.
    pub detail: String,
    /// What to tell us when asking about it.
    pub request_id: String,
    /// Everything that is wrong with a mapping, with the code `invalid_mapping`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problems: Option<Vec<MappingProblem>>,
}

/// The HTTP status of a kind of failure, in figures and words.
fn status(kind: ErrorKind) -> (u16, &'static str) {
    match kind {
        ErrorKind::Invalid => (400, "Bad Request"),
        ErrorKind::Unauthenticated => (401, "Unauthorized"),
        ErrorKind::Forbidden => (403, "Forbidden"),
        ErrorKind::NotFound => (404, "Not Found"),
        ErrorKind::Conflict => (409, "Conflict"),
        ErrorKind::Throttled { .. } => (429, "Too Many Requests"),
        ErrorKind::Unavailable => (503, "Service Unavailable"),
        ErrorKind::Bug => (500, "Internal Server Error"),
    }
}

/// When to try again, for the kinds where that helps.
fn retry_after(kind: ErrorKind) -> Option<Duration> {
    match kind {
        ErrorKind::Throttled { retry_after } => Some(retry_after.unwrap_or(Duration::from_secs(10))),
        ErrorKind::Unavailable => Some(Duration::from_secs(30)),
        _ => None,
    }
}

/// The answer to a request that did not succeed.
pub fn response(error: &AppError, request_id: &str) -> Response {
    written(error, request_id, None)
}

/// The answer to a mapping that was refused.
pub fn with_problems(error: &AppError, request_id: &str, problems: Vec<MappingProblem>) -> Response {
    written(error, request_id, Some(problems))
}

fn written(error: &AppError, request_id: &str, problems: Option<Vec<MappingProblem>>) -> Response {
    let (status, title) = status(error.kind);
    let problem = Problem {
        kind: format!("urn:merchant-connectors:problem:{}", error.code),
        title,
        status,
        code: error.code,
        detail: error.detail.clone(),
        request_id: request_id.to_owned(),
        problems,
    };
    let body = serde_json::to_string(&problem).unwrap_or_default();
    let mut response = Response::new(status, "application/problem+json", body);
    if let Some(after) = retry_after(error.kind) {
        response = response.header("retry-after", after.as_secs().max(1).to_string());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong_and_hides_why() {
        let error = AppError::bug(std::io::Error::other("table eshop-connectors, key acme"));
        let response = response(&error, "req-1");
        insta::assert_snapshot!(response.body, @r#"{"type":"urn:merchant-connectors:problem:internal_error","title":"Internal Server Error","status":500,"code":"internal_error","detail":"Something went wrong on our side. Try again; if it stays, tell us the request_id.","request_id":"req-1"}"#);
    }

    #[test]
    fn says_when_to_try_again() {
        let kind = ErrorKind::Throttled { retry_after: Some(Duration::from_millis(1_500)) };
        let response = response(&AppError::new(kind, "throttled", "Later."), "req-1");
        assert_eq!(response.status_code, 429);
        assert_eq!(response.headers.get("retry-after").map(String::as_str), Some("1"));
    }
}
