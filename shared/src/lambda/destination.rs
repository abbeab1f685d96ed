//! The HTTP edge of a store's shop as a destination.

mod keys;
mod mappings;
mod runs;
mod tool;

use std::sync::Arc;
use std::time::Duration;

pub use self::keys::{Keys, MadeKeyAnswer, MakeKeyBody};
pub use self::mappings::{Mappings, SaveMappingBody, ValidateMappingBody};
pub use self::runs::MAX_ROWS_BYTES;
pub use self::tool::MAX_TOOL_BYTES;

use super::http::{Call, Response};
use crate::app::audit::Actor;
use crate::app::destination::Destinations;
use crate::app::error::AppError;
use crate::app::push::Pushes;
use crate::app::push::tool::Tools;
use crate::domain::ids::ProviderId;
use crate::domain::push::target::Stream;
use crate::ports::push_store::DestinationKeys;

/// What every route begins with.
const BASE: &str = "/stores/{store_id}/connectors/{provider}/destination";

/// What the routes of `destination` work with.
pub struct DestinationApp {
    /// What can be filled, and mappings.
    pub destinations: Destinations,
    /// Keys, and with them plans, writes and what became of them.
    pub tools: Tools,
}

impl DestinationApp {
    /// All of it, beside what pushes use.
    pub fn new(keys: Arc<dyn DestinationKeys>, pushes: Pushes) -> Self {
        let destinations = Destinations {
            access: pushes.access.clone(),
            destination: pushes.destination.clone(),
            mappings: pushes.mappings.clone(),
        };
        Self { destinations, tools: Tools::new(keys, pushes) }
    }
}

/// How long a request carries a run out itself. Thirty seconds after it began the gateway answers in our place, and the
/// last call to the shop and what has to be put down take their time.
const SYNC: Duration = Duration::from_secs(15);

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
    if call.route() == tool::ROUTE {
        // The only one that no authorizer stands before.
        return Box::pin(tool::answer(&app.tools, &call)).await;
    }
    let caller = call.caller()?;
    let provider = call.provider()?;
    let actor = Actor { store: &caller.store, subject: &caller.subject, origin: caller.origin.as_deref() };
    let (method, path) = call.route().split_once(' ').unwrap_or_default();
    let route = path.strip_prefix(BASE).ok_or_else(AppError::not_found)?;
    let asked = Asked { call: &call, actor, provider, method, route };
    match route.split('/').nth(1) {
        // Boxed: the compiler does not look as deep as this future goes.
        Some("plan" | "plans" | "write" | "runs") => Box::pin(runs::answer(&app.tools.pushes, &asked)).await,
        Some("keys") => keys::answer(&app.tools.keys, &asked).await,
        _ => mappings::answer(&app.destinations, &asked).await,
    }
}
