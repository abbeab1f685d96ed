//! The HTTP edge of a store's shop as a destination.

mod mappings;
mod runs;

use std::sync::Arc;

pub use self::mappings::{Mappings, SaveMappingBody, ValidateMappingBody};
pub use self::runs::MAX_ROWS_BYTES;

use super::http::{Call, Response};
use crate::app::audit::Actor;
use crate::app::destination::Destinations;
use crate::app::error::AppError;
use crate::app::push::Pushes;
use crate::domain::ids::ProviderId;
use crate::domain::push::target::Stream;

/// What every route begins with.
const BASE: &str = "/stores/{store_id}/connectors/{provider}/destination";

/// What the routes of `destination` work with.
pub struct DestinationApp {
    /// What can be filled, and mappings.
    pub destinations: Destinations,
    /// Plans, writes and what became of them.
    pub pushes: Pushes,
}

/// What a signed-in merchant asks for.
struct Asked<'a> {
    call: &'a Call,
    actor: Actor<'a>,
    provider: ProviderId,
    method: &'a str,
    /// The route after what every one begins with.
    route: &'a str,
}

fn stream(call: &Call) -> Result<Stream, AppError> {
    call.path("stream").and_then(Stream::parse).ok_or_else(AppError::not_found)
}

/// Answers every route of `destination`.
pub async fn destination(app: Arc<DestinationApp>, call: Call) -> Result<Response, AppError> {
    let caller = call.caller()?;
    let provider = call.provider()?;
    let actor = Actor { store: &caller.store, subject: &caller.subject, origin: caller.origin.as_deref() };
    let (method, path) = call.route().split_once(' ').unwrap_or_default();
    let route = path.strip_prefix(BASE).ok_or_else(AppError::not_found)?;
    let asked = Asked { call: &call, actor, provider, method, route };
    match route.split('/').nth(1) {
        // Boxed: the compiler does not look as deep as this future goes.
        Some("plan" | "plans" | "write" | "runs") => Box::pin(runs::answer(&app.pushes, &asked)).await,
        _ => mappings::answer(&app.destinations, &asked).await,
    }
}
