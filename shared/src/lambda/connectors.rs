//! The HTTP edge of connecting, showing and disconnecting.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use url::Url;

use super::auth::Caller;
use super::http::{Call, Response, json};
use crate::app::audit::Actor;
use crate::app::complete_oauth::{CallbackRequest, CompleteOauth};
use crate::app::configure::{Configure, STATE_LIFE};
use crate::app::disconnect::{Disconnect, Disconnected};
use crate::app::error::AppError;
use crate::app::status::{Card, Status};
use crate::domain::connection::{ConnectorState, Method, Reason};

/// Which shop to connect.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ConfigureBody {
    /// Its name, its domain, or an address of its admin.
    pub shop: String,
    /// How.
    pub method: Method,
}

/// Where to send the merchant's browser.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigureAnswer {
    /// The shop's page that asks the merchant.
    pub authorize_url: String,
    /// Until when the merchant may come back, RFC 3339.
    pub expires_at: String,
}

/// The connectors of a store.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cards {
    /// One per platform.
    pub items: Vec<Card>,
}

/// How a connector stands after it was disconnected.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DisconnectAnswer {
    /// Its state.
    pub state: ConnectorState,
    /// Why it is not live.
    pub reason: Reason,
    /// Whether the app was removed from the shop just now. Where it is false, the merchant should look in the shop's
    /// admin; absent where there was nothing to remove.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_removed: Option<bool>,
    /// True where the shop does not answer at the moment: the app and the token go as soon as it does. There is
    /// nothing to do.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub removal_pending: bool,
}

/// What `oauth-callback` needs beside the use case.
pub struct Callback {
    /// The use case.
    pub app: CompleteOauth,
    /// Where the merchant's workspace is. The rest of the address is fixed.
    pub return_origin: Url,
}

fn actor(caller: &Caller) -> Actor<'_> {
    Actor { store: &caller.store, subject: &caller.subject, origin: caller.origin.as_deref() }
}

/// Answers the route of `configure`.
pub async fn configure(app: Arc<Configure>, call: Call) -> Result<Response, AppError> {
    let caller = call.caller()?;
    let provider = call.provider()?;
    call.query(&[])?;
    let body: ConfigureBody = call.json()?;
    if body.method != Method::Oauth {
        return Err(AppError::invalid("invalid_body", "Only the method `oauth` is known here."));
    }
    let begun = app.begin(actor(&caller), provider, &body.shop).await?;
    let answer = ConfigureAnswer {
        authorize_url: begun.authorize_url.to_string(),
        expires_at: begun.expires_at.to_string(),
    };
    let value = begun.cookie_value.expose_secret();
    Ok(json(200, &answer)?.cookie(binding_cookie(&begun.cookie_name, value, STATE_LIFE.as_secs())))
}

/// The cookie by which the callback knows the browser that began. `Lax` lets it come along when the shop sends the
/// browser back. Browsers take it from an answer to a script only where workspace and API share a site.
fn binding_cookie(name: &str, value: &str, max_age: u64) -> String {
    format!("{name}={value}; Path=/; Max-Age={max_age}; Secure; HttpOnly; SameSite=Lax")
}

/// Answers the route of `oauth-callback`: back to the workspace where the callback is genuine, a problem where it
/// is not.
pub async fn oauth_callback(callback: Arc<Callback>, call: Call) -> Result<Response, AppError> {
    let provider = call.provider()?;
    let cookie = |name: &str| call.cookie(name).map(str::to_owned);
    let origin = call.origin();
    let request = CallbackRequest { raw_query: call.raw_query(), cookie: &cookie, origin: origin.as_deref() };
    let completed = callback.app.complete(provider, request).await?;
    let mut back = callback.return_origin.clone();
    back.set_path(&format!("/connectors/{provider}"));
    match completed.failed {
        None => back.set_query(Some("status=connected")),
        Some(reason) => back.set_query(Some(&format!("status=failed&reason={}", reason.as_str()))),
    }
    Ok(Response::see_other(back.as_str())
        // The address that is left behind holds the code.
        .header("referrer-policy", "no-referrer")
        .cookie(binding_cookie(&completed.cookie_name, "", 0)))
}

/// Answers every route of `status`.
pub async fn status(app: Arc<Status>, call: Call) -> Result<Response, AppError> {
    let caller = call.caller()?;
    let name = caller.store_name.as_deref();
    match call.route() {
        "GET /stores/{store_id}/connectors" => {
            call.query(&[])?;
            json(200, &Cards { items: app.cards(&caller.store, name).await? })
        }
        "GET /stores/{store_id}/connectors/{provider}" => {
            let provider = call.provider()?;
            call.query(&[])?;
            json(200, &app.card(&caller.store, name, provider).await?)
        }
        "GET /stores/{store_id}/connectors/{provider}/history" => {
            let provider = call.provider()?;
            let query = call.query(&["cursor", "limit"])?;
            let cursor = query.get("cursor").map(str::to_owned);
            json(200, &app.history(&caller.store, provider, cursor, query.limit(50, 200)?).await?)
        }
        _ => Err(AppError::not_found()),
    }
}

/// Answers the route of `disconnect`.
pub async fn disconnect(app: Arc<Disconnect>, call: Call) -> Result<Response, AppError> {
    let caller = call.caller()?;
    let provider = call.provider()?;
    call.query(&[])?;
    let done = app.disconnect(actor(&caller), provider).await?;
    let Disconnected { state, reason, app_removed, pending } = done;
    let answer = DisconnectAnswer { state, reason, app_removed, removal_pending: pending };
    json(200, &answer)
}
