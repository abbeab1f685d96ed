//! Keys of data tools, as their merchant makes and takes them back.

use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::Asked;
use crate::app::error::AppError;
use crate::app::push::keys::{NewKey, ShownKey, ToolKeys};
use crate::domain::push::key::Tool;
use crate::domain::push::target::Stream;
use crate::lambda::http::{Response, json};

/// A key to be made.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MakeKeyBody {
    /// What it may fill, and nothing else.
    pub stream: Stream,
    /// Who sends rows with it; `other` where nothing is said.
    #[serde(default)]
    pub tool: Tool,
    /// What you call it: 1 to 100 characters.
    pub name: String,
    /// From when on it opens nothing, RFC 3339. Without it, it opens until it is taken back.
    #[serde(default)]
    pub expires_at: Option<String>,
}

/// A key that was just made. It has no `Debug`: it holds the key.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MadeKeyAnswer {
    /// The key. It is told this once and cannot be read again.
    pub key: String,
    /// What it opens.
    pub destination: ShownKey,
}

/// The keys of a store.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Keys {
    /// All of them, in the order in which they were made; also those that open nothing any more.
    pub items: Vec<ShownKey>,
}

/// Answers what a request asks of keys.
pub(super) async fn answer(app: &ToolKeys, asked: &Asked<'_>) -> Result<Response, AppError> {
    let Asked { call, actor, provider, .. } = *asked;
    call.query(&[])?;
    match (asked.method, asked.route) {
        ("GET", "/keys") => json(200, &Keys { items: app.list(actor.store, provider).await? }),
        ("POST", "/keys") => {
            let body: MakeKeyBody = call.json()?;
            let expires_at = body.expires_at.as_deref().map(str::parse).transpose().map_err(|_| {
                AppError::invalid("invalid_expiry", "`expires_at` must be a time like 2027-01-01T00:00:00Z.")
            })?;
            let new = NewKey { stream: body.stream, tool: body.tool, name: &body.name, expires_at };
            let made = app.make(actor, provider, new).await?;
            json(201, &MadeKeyAnswer { key: made.key.expose_secret().to_owned(), destination: made.shown })
        }
        ("DELETE", "/keys/{destination_id}") => {
            let id = call.path("destination_id").unwrap_or_default();
            json(200, &app.revoke(actor, provider, id).await?)
        }
        _ => Err(AppError::not_found()),
    }
}
