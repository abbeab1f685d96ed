//! What can be filled, and the mappings that say how.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Asked, stream};
use crate::app::destination::{Destinations, Proposed, Refusal, ShownMapping};
use crate::app::error::AppError;
use crate::lambda::http::{Response, json};
use crate::lambda::problem;

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

/// Answers what a request asks of the shop or of mappings.
pub(super) async fn answer(app: &Destinations, asked: &Asked<'_>) -> Result<Response, AppError> {
    let Asked { call, actor, provider, .. } = *asked;
    call.query(&[])?;
    match (asked.method, asked.route) {
        ("GET", "/spec") => json(200, &app.spec()),
        ("POST", "/check") => json(200, &app.check(actor.store, provider).await?),
        ("POST", "/discover") => json(200, &app.discover(actor.store, provider).await?),
        ("GET", "/mappings") => json(200, &Mappings { items: app.list(actor.store, provider).await? }),
        ("POST", "/mappings/{stream}/validate") => {
            let stream = stream(call)?;
            let body: ValidateMappingBody = call.json()?;
            let proposed = Proposed { stream, document: &body.document, columns: body.columns.as_ref() };
            json(200, &app.validate(actor.store, provider, proposed).await?)
        }
        ("POST", "/mappings/{stream}") => {
            let stream = stream(call)?;
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
        ("DELETE", "/mappings/{stream}") => json(200, &app.remove(actor, provider, stream(call)?).await?),
        _ => Err(AppError::not_found()),
    }
}
