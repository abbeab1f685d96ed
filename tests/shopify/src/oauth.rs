//! OAuth as an offline, standalone app sees it:
//! <https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant>.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::apps::{
    ACCESS_SECONDS, App, Code, Issued, REFRESH_SECONDS, Rights, ScopeChange, compress, hmac_hex, join_scopes,
    parse_scopes, random_hex,
};

/// A code works for a minute.
const CODE_SECONDS: i64 = 60;

/// What form encoding leaves as it is, with blanks as `%20`.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');

/// What the app asks the merchant for.
#[derive(Clone, Debug, Default)]
pub struct AuthorizeRequest {
    /// The app.
    pub client_id: String,
    /// Comma-separated; empty: what the app declared.
    pub scope: String,
    /// Where to go back to.
    pub redirect_uri: String,
    /// The app's nonce.
    pub state: String,
}

impl AuthorizeRequest {
    /// Reads the parameters of a query or form.
    #[must_use]
    pub fn read(parameters: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| parameters.get(name).cloned().unwrap_or_default();
        Self {
            client_id: text("client_id"),
            scope: text("scope"),
            redirect_uri: text("redirect_uri"),
            state: text("state"),
        }
    }

    /// The app, if it may send merchants back there.
    ///
    /// # Errors
    /// What Shopify's page says otherwise.
    pub fn app<'r>(&self, rights: &'r Rights) -> Result<&'r App, &'static str> {
        let app = rights
            .apps
            .get(&self.client_id)
            .ok_or("Oauth error invalid_request: Could not find Shopify API application with api_key")?;
        if !app.redirect_uris.contains(&self.redirect_uri) {
            return Err("Oauth error invalid_request: The redirect_uri is not whitelisted");
        }
        Ok(app)
    }

    fn scopes(&self, app: &App) -> BTreeSet<String> {
        if self.scope.is_empty() { app.scopes.clone() } else { parse_scopes(&self.scope) }
    }
}

/// The page a merchant sees.
#[must_use]
pub fn page(request: &AuthorizeRequest, app: &App, shop: &str) -> String {
    let name = if app.name.is_empty() { &request.client_id } else { &app.name };
    let scopes = request.scopes(app);
    let boxes: String = scopes
        .iter()
        .map(|scope| {
            let scope = escape(scope);
            format!("<li><label><input type=\"checkbox\" name=\"scopes\" value=\"{scope}\" checked> {scope}</label></li>")
        })
        .collect();
    let hidden: String = [
        ("client_id", &request.client_id),
        ("redirect_uri", &request.redirect_uri),
        ("state", &request.state),
        ("scope", &join_scopes(&scopes)),
    ]
    .iter()
    .map(|(name, value)| format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value)))
    .collect();
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Install {app}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; background: #f1f2f4; color: #1a1a1a; margin: 0; display: grid; place-items: center; min-height: 100vh; }}
main {{ background: #fff; border-radius: 12px; box-shadow: 0 1px 4px #0002; padding: 2rem; width: min(28rem, 90vw); }}
h1 {{ font-size: 1.25rem; margin: 0 0 .25rem; }}
p {{ margin: 0 0 1rem; color: #616161; }}
ul {{ list-style: none; margin: 0 0 1.5rem; padding: 0; }}
li {{ border-top: 1px solid #e3e3e3; padding: .5rem 0; }}
button {{ font: inherit; border: 0; border-radius: 8px; padding: .5rem 1.25rem; cursor: pointer; }}
button[value=approve] {{ background: #1a1a1a; color: #fff; }}
button[value=deny] {{ background: #e3e3e3; margin-left: .5rem; }}
</style>
</head>
<body>
<main>
<h1>Install {app}</h1>
<p>on {shop}.myshopify.com</p>
<form method="post" action="/admin/oauth/authorize/decision">
{hidden}<input type="hidden" name="choice" value="boxes">
<ul>{boxes}</ul>
<button name="decision" value="approve">Install</button><button name="decision" value="deny">Cancel</button>
</form>
</main>
</body>
</html>
"#,
        app = escape(name),
        shop = escape(shop),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Where the merchant is sent after deciding. `granted`: a part of what was asked for; none: all of it.
pub fn decide(
    rights: &mut Rights,
    request: &AuthorizeRequest,
    shop: &str,
    approved: bool,
    granted: Option<BTreeSet<String>>,
    now: Timestamp,
) -> Result<String, &'static str> {
    let app = request.app(rights)?;
    let secret = app.callback_secret().to_owned();
    let asked = request.scopes(app);
    let mut parameters: Vec<(String, String)> = vec![
        ("host".to_owned(), STANDARD_NO_PAD.encode(format!("admin.shopify.com/store/{shop}"))),
        ("shop".to_owned(), format!("{shop}.myshopify.com")),
        ("state".to_owned(), request.state.clone()),
        ("timestamp".to_owned(), now.as_second().to_string()),
    ];
    if approved {
        let scopes = match granted {
            Some(granted) => asked.intersection(&granted).cloned().collect(),
            None => asked,
        };
        let code = random_hex(16);
        let expires_at = now.checked_add(SignedDuration::from_secs(CODE_SECONDS)).unwrap_or(now);
        rights.codes.insert(
            code.clone(),
            Code {
                shop: shop.to_owned(),
                client_id: request.client_id.clone(),
                redirect_uri: request.redirect_uri.clone(),
                scopes,
                expires_at,
                used: false,
            },
        );
        parameters.push(("code".to_owned(), code));
    } else {
        parameters.push(("error".to_owned(), "access_denied".to_owned()));
        parameters
            .push(("error_description".to_owned(), "The merchant cancelled the installation".to_owned()));
    }
    let signature = sign(&secret, &parameters);
    parameters.push(("hmac".to_owned(), signature));
    parameters.sort();
    let separator = if request.redirect_uri.contains('?') { '&' } else { '?' };
    Ok(format!("{}{separator}{}", request.redirect_uri, message(&parameters)))
}

/// The HMAC of query parameters: without `hmac` and `signature`, sorted by name, values form-encoded with `%20` for a blank.
#[must_use]
pub fn sign(secret: &str, parameters: &[(String, String)]) -> String {
    let signed = parameters.iter().filter(|(name, _)| name != "hmac" && name != "signature");
    let mut signed: Vec<(String, String)> = signed.cloned().collect();
    signed.sort();
    hmac_hex(secret, &message(&signed))
}

fn message(parameters: &[(String, String)]) -> String {
    let pairs: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, FORM)))
        .collect();
    pairs.join("&")
}

/// How a token request ended.
#[derive(Clone, Debug)]
pub enum Grant {
    /// A code was exchanged; an app that was installed already may have got other scopes by it.
    Exchanged(Value, Option<ScopeChange>),
    /// A refresh token was used.
    Refreshed(Value),
    /// An app got a token for a shop of its own organisation.
    Credentials(Value),
    /// Refused: HTTP status and body.
    Refused(u16, Value),
}

/// Answers a token request with its parameters, from a form or JSON.
pub fn token(
    rights: &mut Rights,
    shop: &str,
    parameters: &BTreeMap<String, String>,
    now: Timestamp,
) -> Grant {
    let text = |name: &str| parameters.get(name).map(String::as_str).unwrap_or_default();
    let refuse = |error: &str, description: &str| {
        Grant::Refused(400, json!({"error": error, "error_description": description}))
    };
    let client_id = text("client_id").to_owned();
    let Some(app) = rights.apps.get(&client_id).cloned() else {
        return refuse("invalid_request", "Could not find Shopify API application with api_key");
    };
    if !app.accepts(text("client_secret")) {
        return refuse("invalid_client", "The client secret is not valid");
    }
    match text("grant_type") {
        "refresh_token" => match rights.refresh(shop, &client_id, text("refresh_token"), now) {
            Some(issued) => Grant::Refreshed(body(rights, shop, &client_id, &issued, None)),
            None => refuse("invalid_grant", "The refresh token is not valid"),
        },
        "client_credentials" => {
            // Whoever removed the app has to put it back; until then the grant is refused.
            if rights.is_uninstalled(shop, &client_id) {
                return refuse("app_not_installed", "The app is not installed on this shop");
            }
            if !rights.is_installed(shop, &client_id) {
                rights.install(shop, &client_id, &app.scopes);
            }
            let issued = rights.issue(shop, &client_id, true, now, None);
            let day = now.checked_add(SignedDuration::from_secs(86_399)).unwrap_or(now);
            if let Some(token) = rights.tokens.get_mut(&issued.access) {
                token.expires_at = Some(day);
            }
            if let Some(refresh) = &issued.refresh {
                rights.refreshes.remove(refresh);
            }
            let issued = Issued { access: issued.access, refresh: None };
            Grant::Credentials(body(rights, shop, &client_id, &issued, Some(86_399)))
        }
        "" | "authorization_code" => {
            let found = rights
                .codes
                .get_mut(text("code"))
                .filter(|code| code.shop == shop && code.client_id == client_id);
            let Some(code) = found.filter(|code| !code.used && code.expires_at > now) else {
                return refuse("invalid_request", "The authorization code was not found or was already used");
            };
            let redirect = parameters.get("redirect_uri");
            if redirect.is_some_and(|redirect| *redirect != code.redirect_uri) {
                return refuse("invalid_request", "The redirect_uri does not match the authorization");
            }
            code.used = true;
            let scopes = code.scopes.clone();
            let change = rights.install(shop, &client_id, &scopes);
            let issued = rights.issue(shop, &client_id, text("expiring") == "1", now, None);
            Grant::Exchanged(body(rights, shop, &client_id, &issued, None), change)
        }
        _ => refuse("unsupported_grant_type", "The grant type is not supported"),
    }
}

fn body(rights: &Rights, shop: &str, client_id: &str, issued: &Issued, expires_in: Option<i64>) -> Value {
    let install = rights.installs.get(&(shop.to_owned(), client_id.to_owned()));
    let scope = install.map(|install| join_scopes(&compress(&install.scopes))).unwrap_or_default();
    let mut body = json!({"access_token": issued.access, "scope": scope});
    if let Some(refresh) = &issued.refresh {
        body["expires_in"] = json!(ACCESS_SECONDS);
        body["refresh_token"] = json!(refresh);
        body["refresh_token_expires_in"] = json!(REFRESH_SECONDS);
    }
    if let Some(seconds) = expires_in {
        body["expires_in"] = json!(seconds);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn signs_as_shopify_documents() {
        let parameters = pairs(&[
            ("shop", "some-shop.myshopify.com"),
            ("timestamp", "1337178173"),
            ("code", "0907a61c0c8d55e99db179b68161bc00"),
            ("hmac", "4712bf92ffc2917d15a2f5a273e39f0116667419aa4b6ac0b3baaf26fa3c4d20"),
        ]);
        let expected = "4712bf92ffc2917d15a2f5a273e39f0116667419aa4b6ac0b3baaf26fa3c4d20";
        assert_eq!(sign("hush", &parameters), expected);
    }

    #[test]
    fn encodes_a_blank_as_the_official_library_does() {
        let parameters = pairs(&[
            ("code", "some code goes here"),
            ("shop", "the shop URL"),
            ("state", "some nonce passed from auth"),
            ("timestamp", "1700000000"),
        ]);
        let expected = "10207991f5c2c65c114b70a3c3544ce1d00a236ea4ab034793de0d6407be9165";
        assert_eq!(sign("my super secret key", &parameters), expected);
    }
}
