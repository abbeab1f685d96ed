//! The files of images on Shopify's file host: for anyone to read, without a token.
//!
//! Their bytes are made up as they are asked for, and are what the shop says of them: a JPEG of that many pixels and
//! bytes. What it shows is written into it, so that a file has the same bytes each time and another file has others.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Method, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::admin::{Incoming, strikes, text, truncate};
use crate::faults::Kind;
use crate::model::{Media, MediaContent, MediaStatus};
use crate::server::{Lost, Simulator};
use crate::shop::{Snapshot, lock};

mod jpeg;

/// The host of files.
pub const FILE_HOST: &str = "cdn.shopify.com";

/// Whether an image shows what some others do: a merchant uses one picture for several products and uploads it each time.
#[must_use]
pub fn is_shared(id: u64) -> bool {
    id % 8 == 7
}

/// Serves the file of an image. The version in an address is for caches alone: the file is the newest.
pub async fn serve(simulator: &Simulator, incoming: &Incoming) -> Response {
    // Shops of one seed have the same addresses; of such files the one that was replaced last is there.
    let found = simulator.shops().into_iter().filter_map(|state| {
        let media = find(&state.snapshot(), &incoming.path)?;
        Some((media.updated_at, media, state))
    });
    let found = found.max_by_key(|(updated_at, ..)| *updated_at);
    let Some((_, Media { id, created_at, content, .. }, state)) = found else {
        let not_made = ["/videos/", "/3d/", "/s/files/1/0600/collections/"];
        return if not_made.iter().any(|start| incoming.path.starts_with(start)) {
            text(StatusCode::NOT_IMPLEMENTED, "Not simulated")
        } else {
            text(StatusCode::NOT_FOUND, "Not Found")
        };
    };
    let MediaContent::Image { url, width, height, mime_type, file_size } = content else {
        return text(StatusCode::NOT_FOUND, "Not Found");
    };
    {
        let mut calls = lock(&state.calls);
        calls.files += 1;
        let tokens = ["authorization", "x-shopify-access-token"];
        if tokens.iter().any(|name| incoming.headers.contains_key(*name)) {
            calls.tokens_leaked += 1;
        }
    }
    if strikes(&state, Kind::Http5xx, "http_5xx") {
        return text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
    }
    // Whoever replaces a shared picture replaces it for one product.
    let as_uploaded = url.ends_with(&format!("?v={}", created_at.as_second()));
    let shown = if is_shared(id) && as_uploaded { "one picture of several products" } else { &url };
    let bytes = jpeg::of(shown, width, height, file_size);
    let etag = format!("\"{}\"", hex::encode(Sha256::digest(&bytes)));
    let known = incoming.headers.get(IF_NONE_MATCH).and_then(|tag| tag.to_str().ok());
    let unchanged = known == Some(etag.as_str());
    let length = bytes.len();
    let sent = !unchanged && incoming.method != Method::HEAD;
    if sent {
        lock(&state.calls).file_bytes += length as u64;
    }
    let mut answer = Response::new(if sent { Body::from(bytes) } else { Body::empty() });
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31557600"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    if unchanged {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        return answer;
    }
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if let Ok(mime_type) = HeaderValue::from_str(&mime_type) {
        headers.insert(CONTENT_TYPE, mime_type);
    }
    if strikes(&state, Kind::LostAnswer, "lost_answer") {
        answer.extensions_mut().insert(Lost);
    }
    if sent && strikes(&state, Kind::TruncatedBody, "truncated_body") {
        return truncate(answer).await;
    }
    answer
}

/// The image that has its file at this path, once it is ready.
fn find(snapshot: &Snapshot, path: &str) -> Option<Media> {
    let fits = |media: &&Media| {
        let MediaContent::Image { url, .. } = &media.content else { return false };
        let at = url.strip_prefix("https://").and_then(|rest| rest.strip_prefix(FILE_HOST));
        let at = at.and_then(|rest| rest.split('?').next());
        media.status == MediaStatus::Ready && at == Some(path)
    };
    let products = &snapshot.shop.products;
    // An address that was made up says whose it is; one that came with a file of products may be any.
    let parts: Vec<&str> = path.split('/').collect();
    let found = match parts.as_slice() {
        ["", "s", "files", "1", "0600", id, "files", _] => {
            let product = snapshot.index().media.get(&id.parse().ok()?)?;
            products.get(product)?.media.iter().find(fits)
        }
        _ => products.values().flat_map(|product| &product.media).find(fits),
    };
    found.cloned()
}
