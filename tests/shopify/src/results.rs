//! Result files of bulk operations: signed links, byte ranges.

use std::io::SeekFrom;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::stream;
use http::header::{ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::{HeaderValue, Method, StatusCode};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::admin::{Incoming, break_off, strikes};
use crate::bulk;
use crate::bulk::link::{self, Refusal};
use crate::faults::Kind;
use crate::server::{Lost, Simulator};
use crate::shop::lock;

const PIECE: usize = 64 * 1024;

/// Serves a result file, or the part of it a `Range` header asks for.
pub async fn serve(simulator: &Simulator, incoming: &Incoming) -> Response {
    let target = match link::check(&simulator.key, &incoming.path, &incoming.query, simulator.clock.now()) {
        Ok(target) => target,
        Err(Refusal::Unknown) => {
            return refuse(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.");
        }
        Err(Refusal::Signature) => {
            return refuse(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", "Access denied.");
        }
        Err(Refusal::Expired) => {
            return refuse(StatusCode::BAD_REQUEST, "ExpiredToken", "The provided token has expired.");
        }
    };
    let Some(state) = simulator.shop(&target.label) else {
        return refuse(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.");
    };
    {
        let mut calls = lock(&state.calls);
        calls.downloads += 1;
        let authorized = incoming.headers.contains_key("authorization");
        // A signed link works whatever else is sent along; some clients do send their token, so it is only counted.
        if authorized || incoming.headers.contains_key("x-shopify-access-token") {
            calls.tokens_leaked += 1;
        }
        if authorized {
            return refuse(StatusCode::BAD_REQUEST, "InvalidArgument", "Only one auth mechanism allowed.");
        }
    }
    if strikes(&state, Kind::Http5xx, "http_5xx") {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "Please try again.");
    }
    let path = bulk::file(&simulator.folder, &target.label, target.id);
    let Ok(mut file) = File::open(&path).await else {
        return refuse(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.");
    };
    let total = file.metadata().await.map(|data| data.len()).unwrap_or_default();
    let wanted = incoming.headers.get(RANGE).and_then(|range| range.to_str().ok());
    let (status, start, length) = match wanted.map(|range| parse_range(range, total)) {
        None | Some(Range::Ignored) => (StatusCode::OK, 0, total),
        Some(Range::Part { start, end }) => (StatusCode::PARTIAL_CONTENT, start, end - start + 1),
        Some(Range::Outside) => {
            let mut answer = refuse(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "InvalidRange",
                "The requested range cannot be satisfied.",
            );
            if let Ok(value) = HeaderValue::from_str(&format!("bytes */{total}")) {
                answer.headers_mut().insert(CONTENT_RANGE, value);
            }
            return answer;
        }
    };
    let truncated = strikes(&state, Kind::TruncatedBody, "truncated_body");
    let kept = if truncated { length / 2 } else { length };
    let body = if incoming.method == Method::HEAD {
        Body::empty()
    } else {
        lock(&state.calls).bytes += kept;
        if file.seek(SeekFrom::Start(start)).await.is_err() {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "Please try again.");
        }
        Body::from_stream(stream::try_unfold((file, kept), move |(mut file, left)| async move {
            if left == 0 {
                return if truncated { break_off().await } else { Ok(None) };
            }
            let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
            let read = file.read(&mut piece).await?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            piece.truncate(read);
            Ok(Some((Bytes::from(piece), (file, left - read as u64))))
        }))
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    let disposition = incoming.parameters().remove("response-content-disposition").unwrap_or_default();
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(value) = HeaderValue::from_str(&format!("bytes {start}-{}/{total}", start + length - 1))
    {
        headers.insert(CONTENT_RANGE, value);
    }
    if strikes(&state, Kind::LostAnswer, "lost_answer") {
        answer.extensions_mut().insert(Lost);
    }
    answer
}

enum Range {
    /// Not understood: the whole file is sent, as RFC 9110 wants.
    Ignored,
    Part {
        start: u64,
        end: u64,
    },
    Outside,
}

fn parse_range(text: &str, total: u64) -> Range {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Range::Ignored;
    };
    let (first, last) = (first.trim(), last.trim());
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(start), _) if last.is_empty() && start < total => Range::Part { start, end: total - 1 },
        (Ok(start), Ok(end)) if start <= end && start < total => {
            Range::Part { start, end: end.min(total - 1) }
        }
        (Ok(start), Ok(end)) if start > end => Range::Ignored,
        (Ok(_), Ok(_)) => Range::Outside,
        (Ok(_), Err(_)) if last.is_empty() => Range::Outside,
        (Err(_), Ok(suffix)) if first.is_empty() && suffix > 0 && total > 0 => {
            Range::Part { start: total.saturating_sub(suffix), end: total - 1 }
        }
        (Err(_), Ok(_)) if first.is_empty() => Range::Outside,
        _ => Range::Ignored,
    }
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    let body = format!(
        "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml; charset=UTF-8"));
    answer
}
