//! The HTTP edge of a store's shop as a destination.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::http::{Call, Response, json};
use super::problem;
use crate::app::audit::Actor;
use crate::app::destination::{Destinations, Proposed, Refusal, ShownMapping};
use crate::app::error::AppError;
use crate::domain::push::target::Stream;

/// A mapping to look at.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ValidateMappingBody {
    /// The document.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub document: Value,
    /// The columns of the rows, where they are known: a mapping that names another is told so.
    #[serde(default)]
    pub columns: Option<BTreeSet<String>>,
}

/// A mapping to save.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SaveMappingBody {
    /// The document.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub document: Value,
    /// The columns of the rows, where they are known: a mapping that names another is refused.
    #[serde(default)]
    pub columns: Option<BTreeSet<String>>,
    /// The revision that this one follows, 0 for none: where another is in force, nothing is saved.
    #[serde(default)]
    pub after: Option<u32>,
}

/// The mappings in force.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Mappings {
    /// One for each stream that has one.
    pub items: Vec<ShownMapping>,
}

/// What every route begins with.
const BASE: &str = "/stores/{store_id}/connectors/{provider}/destination";

fn stream(call: &Call) -> Result<Stream, AppError> {
    call.path("stream").and_then(Stream::parse).ok_or_else(AppError::not_found)
}

/// Answers every route of `destination`.
pub async fn destination(app: Arc<Destinations>, call: Call) -> Result<Response, AppError> {
    let caller = call.caller()?;
    let provider = call.provider()?;
    let actor = Actor { store: &caller.store, subject: &caller.subject, origin: caller.origin.as_deref() };
    let (method, path) = call.route().split_once(' ').unwrap_or_default();
    let route = path.strip_prefix(BASE).ok_or_else(AppError::not_found)?;
    call.query(&[])?;
    match (method, route) {
        ("GET", "/spec") => json(200, &app.spec()),
        ("POST", "/check") => json(200, &app.check(&caller.store, provider).await?),
        ("POST", "/discover") => json(200, &app.discover(&caller.store, provider).await?),
        ("GET", "/mappings") => json(200, &Mappings { items: app.list(&caller.store, provider).await? }),
        ("POST", "/mappings/{stream}/validate") => {
            let stream = stream(&call)?;
            let body: ValidateMappingBody = call.json()?;
            let proposed = Proposed { stream, document: &body.document, columns: body.columns.as_ref() };
            json(200, &app.validate(&caller.store, provider, proposed).await?)
        }
        ("POST", "/mappings/{stream}") => {
            let stream = stream(&call)?;
            let body: SaveMappingBody = call.json()?;
            let proposed = Proposed { stream, document: &body.document, columns: body.columns.as_ref() };
            match app.save(actor, provider, proposed, body.after).await {
                Ok(saved) => json(200, &saved),
                Err(Refusal::Failed(error)) => Err(error),
                Err(Refusal::Problems(problems)) => {
                    let detail =
                        "The mapping cannot be saved; `problems` tells of everything that is wrong with it.";
                    let error = AppError::invalid("invalid_mapping", detail);
                    Ok(problem::with_problems(&error, call.request_id(), problems))
                }
            }
        }
        ("DELETE", "/mappings/{stream}") => json(200, &app.remove(actor, provider, stream(&call)?).await?),
        _ => Err(AppError::not_found()),
    }
}
