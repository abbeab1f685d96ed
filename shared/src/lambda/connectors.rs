//! The HTTP edge of connecting, showing and disconnecting.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::auth::Caller;
use super::http::{Call, Response, json};
use crate::app::audit::Actor;
use crate::app::complete_oauth::{CallbackRequest, CompleteOauth};
use crate::app::configure::{Configure, STATE_LIFE};
use crate::app::credentials::Credentials;
use crate::app::disconnect::{Disconnect, Disconnected};
use crate::app::error::AppError;
use crate::app::status::{Card, ShownShop, Status};
use crate::domain::connection::{ConnectorState, Method, Purpose, Reason};
use crate::ports::vault::ClientCredentials;

/// Which shop to connect, and how. `oauth` takes the shop alone; `credentials` needs `api_key` and `api_secret` too.
/// It has no `Debug`: it may hold secrets.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ConfigureBody {
    /// How.
    pub method: Method,
    /// The shop's name, its domain, or an address of its admin. Either this or `shop_name` is required.
    #[serde(default)]
    pub shop: Option<String>,
    /// The same, as data tools call it.
    #[serde(default)]
    pub shop_name: Option<String>,
    /// What for, with the method `oauth`. Without it a reconnect asks for what the store had, and a first one for an import.
    #[serde(default)]
    pub purpose: Option<Purpose>,
    /// The id of the merchant's own app.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, write_only))]
    pub api_key: Option<SecretString>,
    /// Its secret.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, write_only))]
    pub api_secret: Option<SecretString>,
    /// A token of this app, used as it is. Without one it is fetched by `api_key` and `api_secret`, and renewed.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, write_only))]
    pub access_token: Option<SecretString>,
    /// Scopes that the token must allow. Where one is missing, nothing is connected and the answer names it.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
}

/// What to do next, or what is connected.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum ConfigureAnswer {
    /// By `oauth`.
    Begun(BegunAnswer),
    /// By `credentials`.
    Connected(ConnectedAnswer),
}

/// A connector that became live.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectedAnswer {
    /// Its state.
    pub state: ConnectorState,
    /// The external account.
    pub shop: ShownShop,
    /// What the token allows.
    pub scopes: Vec<String>,
    /// When it became live, RFC 3339.
    pub connected_at: String,
}

/// Where to send the merchant's browser.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BegunAnswer {
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
    /// True where the shop does not answer at the moment, or another request is removing the app right now: app and
    /// token go as soon as they can. There is nothing to do.
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
    let shop = body.shop()?;
    if body.method == Method::Credentials {
        body.without_purpose()?;
        let live = app.connect(actor(&caller), provider, shop, &body.credentials()?).await?;
        let answer = ConnectedAnswer {
            state: ConnectorState::Live,
            scopes: live.scopes.iter().map(str::to_owned).collect(),
            connected_at: live.connected_at.to_string(),
            shop: ShownShop::of(&live),
        };
        return json(200, &ConfigureAnswer::Connected(answer));
    }
    body.without_credentials()?;
    let begun = app.begin(actor(&caller), provider, shop, body.purpose).await?;
    let answer = ConfigureAnswer::Begun(BegunAnswer {
        authorize_url: begun.authorize_url.to_string(),
        expires_at: begun.expires_at.to_string(),
    });
    let value = begun.cookie_value.expose_secret();
    Ok(json(200, &answer)?.cookie(binding_cookie(&begun.cookie_name, value, STATE_LIFE.as_secs())))
}

fn wrong_body(what: impl Into<String>) -> AppError {
    AppError::invalid("invalid_body", what)
}

impl ConfigureBody {
    fn shop(&self) -> Result<&str, AppError> {
        match (&self.shop, &self.shop_name) {
            (Some(shop), None) | (None, Some(shop)) => Ok(shop),
            (Some(_), Some(_)) => Err(wrong_body("Give either `shop` or `shop_name`; both mean the same.")),
            (None, None) => Err(wrong_body("`shop` is missing: the shop's name or its domain.")),
        }
    }

    fn credentials(&self) -> Result<Credentials, AppError> {
        let given = |name: &str, value: &Option<SecretString>| -> Result<SecretString, AppError> {
            let value = value.clone().ok_or_else(|| {
                wrong_body(format!(
                    "`{name}` is missing; the method `credentials` needs `api_key` and `api_secret`."
                ))
            })?;
            let text = value.expose_secret();
            if (1..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
                Ok(value)
            } else {
                Err(wrong_body(format!(
                    "`{name}` must be 1 to 512 visible ASCII characters, without blanks."
                )))
            }
        };
        let client = ClientCredentials {
            id: given("api_key", &self.api_key)?,
            secret: given("api_secret", &self.api_secret)?,
        };
        let access_token = match &self.access_token {
            None => None,
            token => Some(given("access_token", token)?),
        };
        let scopes = self.scopes.iter().flatten();
        let odd =
            |scope: &&String| !scope.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') || scope.is_empty();
        if scopes.clone().any(|scope| odd(&scope)) || scopes.clone().count() > 100 {
            return Err(wrong_body("`scopes` must be a list of names such as `read_products`."));
        }
        Ok(Credentials { client, access_token, scopes: scopes.cloned().collect() })
    }

    fn without_purpose(&self) -> Result<(), AppError> {
        match self.purpose {
            None => Ok(()),
            Some(_) => Err(wrong_body(
                "`purpose` belongs to the method `oauth`; with `credentials` the token's own scopes decide.",
            )),
        }
    }

    fn without_credentials(&self) -> Result<(), AppError> {
        let given = [
            ("api_key", self.api_key.is_some()),
            ("api_secret", self.api_secret.is_some()),
            ("access_token", self.access_token.is_some()),
            ("scopes", self.scopes.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((name, _)) => Err(wrong_body(format!("`{name}` belongs to the method `credentials`."))),
        }
    }
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
