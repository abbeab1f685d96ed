//! The address that data tools post rows to: everyone reaches it, and a key opens it.

use super::SYNC;
use crate::app::error::AppError;
use crate::app::push::tool::Tools;
use crate::lambda::http::{Call, Response, json};

/// The route. No authorizer stands before it.
pub(super) const ROUTE: &str = "POST /destinations/{destination_id}/{stream}";

/// The largest body that is read. Tools send a row or a few hundred at a time.
pub const MAX_TOOL_BYTES: usize = 1 << 20;

/// Takes what a tool posted.
pub(super) async fn answer(app: &Tools, call: &Call) -> Result<Response, AppError> {
    let until = app.pushes.clock.now() + SYNC;
    let (id, stream) = (call.path("destination_id"), call.path("stream"));
    let key = call.only_header("authorization").and_then(bearer);
    let body = || {
        call.query(&[])?;
        call.body_up_to(MAX_TOOL_BYTES)
    };
    let (id, stream, origin) = (id.unwrap_or_default(), stream.unwrap_or_default(), call.origin());
    let answer = app.post(id, stream, key, origin.as_deref(), body, until).await?;
    json(answer.status, &answer)
}

/// What stands behind the word `Bearer`, however that is written.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, key) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim_start_matches(' '))
}
