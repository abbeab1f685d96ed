//! Connecting to Shopify: names, the callback's signature, tokens, the shop itself.

mod name;
mod signature;

pub(super) use self::name::domain as shop_domain;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, HeaderMap};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::Shopify;
use super::client::{place, read_limited, retry_after, unreachable};
use crate::domain::connection::Purpose;
use crate::domain::ids::{ShopDomain, ShopId};
use crate::domain::scopes::Scopes;
use crate::ports::provider::{
    AppSecret, Callback, CallbackRefusal, Connect, InvalidShop, ProviderError, ShopAccess, ShopProfile,
    TokenGrant,
};

const IMPORT_SCOPES: &str = "read_products,read_inventory,read_locations";
/// A scope to write allows to read the same.
const PUSH_SCOPES: &str =
    "write_products,write_inventory,write_customers,write_orders,write_publications,read_locations";
const REQUIRED_SCOPES: &str = "read_products";

/// The longest a call to the token endpoint may take.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(12);
const MAX_TOKEN_ANSWER: usize = 64 * 1024;

pub(super) const SHOP: &str = include_str!("documents/shop.graphql");
const UNINSTALL: &str = include_str!("documents/uninstall.graphql");

/// What the token endpoint gives. Lives are seconds.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    expires_in: Option<f64>,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    refresh_token_expires_in: Option<f64>,
}

#[derive(Deserialize)]
struct TokenRefusal {
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShopAnswer {
    shop: Shop,
    current_app_installation: AppInstallation,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shop {
    id: String,
    name: String,
    myshopify_domain: String,
    primary_domain: Domain,
    currency_code: String,
    plan: Plan,
}

#[derive(Deserialize)]
struct Domain {
    host: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Plan {
    public_display_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AppInstallation {
    access_scopes: Vec<AccessScope>,
}

#[derive(Deserialize)]
struct AccessScope {
    handle: String,
}

impl ShopAnswer {
    /// The shop as it is told to others.
    pub(super) fn profile(self) -> Result<ShopProfile, ProviderError> {
        let shop = self.shop;
        let id = shop.id.strip_prefix("gid://shopify/Shop/").and_then(|number| number.parse().ok());
        Ok(ShopProfile {
            id: ShopId(id.ok_or_else(|| malformed("the shop's id is no shop GID"))?),
            name: shop.name,
            domain: name::domain(&shop.myshopify_domain)
                .ok_or_else(|| malformed("the shop's domain is not at Shopify"))?,
            primary_domain: shop.primary_domain.host,
            currency: shop.currency_code,
            plan: shop.plan.public_display_name,
            scopes: self
                .current_app_installation
                .access_scopes
                .into_iter()
                .map(|scope| scope.handle)
                .collect(),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UninstallAnswer {
    app_uninstall: Option<UninstallPayload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UninstallPayload {
    user_errors: Vec<UninstallError>,
}

#[derive(Deserialize)]
struct UninstallError {
    #[serde(default)]
    code: Option<String>,
}

fn malformed(why: impl Into<String>) -> ProviderError {
    ProviderError::Malformed { why: why.into() }
}

fn seconds(life: Option<f64>) -> Result<Option<Duration>, ProviderError> {
    life.map(Duration::try_from_secs_f64).transpose().map_err(|_| malformed("a token's life is no duration"))
}

/// What a token endpoint's refusal means. Only a 400 or 401 speaks about the token or code; everything else says
/// nothing about it (an outage must not end a connection).
fn token_refusal(status: StatusCode, headers: &HeaderMap, body: &[u8], grant: Grant) -> ProviderError {
    match status.as_u16() {
        429 => ProviderError::Throttled { retry_after: retry_after(headers) },
        402 | 403 | 404 | 423 => ProviderError::ShopUnavailable,
        408 | 430 | 500.. => ProviderError::Unavailable { source: None },
        400 | 401 => {
            let word =
                serde_json::from_slice::<TokenRefusal>(body).map(|refusal| refusal.error).unwrap_or_default();
            let page = String::from_utf8_lossy(body);
            let about_app =
                |text: &str| text.contains("invalid_client") || text.contains("application_cannot_be_found");
            if about_app(&word) || (word.is_empty() && about_app(&page)) {
                ProviderError::Refused { code: "invalid_client".to_owned() }
            } else if grant == Grant::Refresh {
                ProviderError::TokenRejected
            } else {
                let known = ["invalid_request", "invalid_grant", "unauthorized_client"];
                let code = known.into_iter().find(|known| *known == word).unwrap_or("code_refused");
                ProviderError::Refused { code: code.to_owned() }
            }
        }
        other => ProviderError::Refused { code: format!("http_{other}") },
    }
}

/// What is traded for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grant {
    Code,
    Refresh,
    Client,
}

impl Shopify {
    /// <https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant>
    async fn token(
        &self,
        shop: &ShopDomain,
        grant: Grant,
        form: &[(&str, &str)],
    ) -> Result<TokenGrant, ProviderError> {
        let response = self
            .http()?
            .post(format!("https://{shop}/admin/oauth/access_token"))
            .timeout(TOKEN_TIMEOUT)
            .header(ACCEPT, "application/json")
            .form(form)
            .send()
            .await
            .map_err(unreachable)?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = read_limited(response, MAX_TOKEN_ANSWER).await?;
        if status != StatusCode::OK {
            return Err(token_refusal(status, &headers, &body, grant));
        }
        let answer: TokenAnswer = serde_json::from_slice(&body)
            .map_err(|error| malformed(format!("token endpoint: {}", place(&error))))?;
        if answer.access_token.is_empty() {
            return Err(malformed("token endpoint: empty token"));
        }
        Ok(TokenGrant {
            access_token: answer.access_token.into(),
            refresh_token: answer.refresh_token.map(Into::into),
            expires_in: seconds(answer.expires_in)?,
            refresh_expires_in: seconds(answer.refresh_token_expires_in)?,
            scopes: Scopes::parse(&answer.scope),
        })
    }
}

#[async_trait]
impl Connect for Shopify {
    fn requested_scopes(&self, purpose: Purpose) -> Scopes {
        Scopes::parse(match purpose {
            Purpose::Import => IMPORT_SCOPES,
            Purpose::Push => PUSH_SCOPES,
        })
    }

    fn required_scopes(&self) -> Scopes {
        Scopes::parse(REQUIRED_SCOPES)
    }

    fn parse_shop(&self, input: &str) -> Result<ShopDomain, InvalidShop> {
        name::typed(input)
    }

    fn authorize_url(
        &self,
        shop: &ShopDomain,
        client_id: &str,
        scopes: &Scopes,
        redirect: &Url,
        state: &str,
    ) -> Result<Url, InvalidShop> {
        let mut url = Url::parse(&format!("https://{shop}/admin/oauth/authorize"))
            .map_err(|_| InvalidShop { hint: "This shop has no address." })?;
        url.query_pairs_mut()
            .append_pair("client_id", client_id)
            .append_pair("scope", &scopes.to_string())
            .append_pair("redirect_uri", redirect.as_str())
            .append_pair("state", state);
        Ok(url)
    }

    fn verify_callback(
        &self,
        raw_query: &str,
        secret: &AppSecret,
        now: Timestamp,
    ) -> Result<Callback, CallbackRefusal> {
        signature::verify(raw_query, secret, now)
    }

    async fn exchange(
        &self,
        shop: &ShopDomain,
        code: &SecretString,
        secret: &AppSecret,
    ) -> Result<TokenGrant, ProviderError> {
        let form = [
            ("client_id", secret.client_id.as_str()),
            ("client_secret", secret.current.expose_secret()),
            ("code", code.expose_secret()),
            // Without it the token never expires, and public apps may no longer use such tokens.
            ("expiring", "1"),
        ];
        self.token(shop, Grant::Code, &form).await
    }

    async fn refresh(
        &self,
        shop: &ShopDomain,
        refresh_token: &SecretString,
        secret: &AppSecret,
    ) -> Result<TokenGrant, ProviderError> {
        let form = [
            ("client_id", secret.client_id.as_str()),
            ("client_secret", secret.current.expose_secret()),
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose_secret()),
        ];
        self.token(shop, Grant::Refresh, &form).await
    }

    async fn client_credentials(
        &self,
        shop: &ShopDomain,
        client_id: &str,
        client_secret: &SecretString,
    ) -> Result<TokenGrant, ProviderError> {
        let form = [
            ("client_id", client_id),
            ("client_secret", client_secret.expose_secret()),
            ("grant_type", "client_credentials"),
        ];
        self.token(shop, Grant::Client, &form).await
    }

    async fn inspect(&self, access: &ShopAccess) -> Result<ShopProfile, ProviderError> {
        self.call::<ShopAnswer>(access, SHOP, serde_json::json!({})).await?.profile()
    }

    async fn uninstall(&self, access: &ShopAccess) -> Result<(), ProviderError> {
        let answer: UninstallAnswer = self.call(access, UNINSTALL, serde_json::json!({})).await?;
        let errors = answer.app_uninstall.map(|payload| payload.user_errors).unwrap_or_default();
        match errors.first().map(|error| error.code.as_deref().unwrap_or("unknown")) {
            None | Some("APP_NOT_INSTALLED") => Ok(()),
            Some("APP_UNINSTALL_ERROR") => Err(ProviderError::Unavailable { source: None }),
            Some(code) => Err(ProviderError::Refused { code: code.chars().take(64).collect() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &str, grant: Grant) -> String {
        let status = StatusCode::from_u16(status).unwrap();
        format!("{:?}", token_refusal(status, &HeaderMap::new(), body.as_bytes(), grant))
    }

    #[test]
    fn only_a_word_about_the_token_is_a_verdict_on_it() {
        let rejected = "TokenRejected";
        assert_eq!(refusal(400, r#"{"error":"invalid_grant"}"#, Grant::Refresh), rejected);
        assert_eq!(refusal(401, "", Grant::Refresh), rejected);
        for status in [402, 403, 404, 408, 423, 429, 430, 500, 502, 503, 504, 520] {
            assert_ne!(refusal(status, r#"{"error":"invalid_grant"}"#, Grant::Refresh), rejected, "{status}");
        }
        // Our own credentials being wrong says nothing about the merchant's token.
        for (status, body) in [
            (400, r#"{"error":"invalid_client"}"#),
            (401, r#"{"error":"application_cannot_be_found"}"#),
            (400, "<html><p>Oauth error invalid_client: the app is unknown</p></html>"),
        ] {
            for grant in [Grant::Refresh, Grant::Code] {
                assert_eq!(refusal(status, body, grant), r#"Refused { code: "invalid_client" }"#, "{body}");
            }
        }
        assert_eq!(
            refusal(400, r#"{"error":"invalid_request"}"#, Grant::Code),
            r#"Refused { code: "invalid_request" }"#
        );
        // Words that we do not know are not repeated.
        assert_eq!(
            refusal(400, r#"{"error":"c0de shpss_x"}"#, Grant::Code),
            r#"Refused { code: "code_refused" }"#
        );
        assert_eq!(refusal(302, "", Grant::Code), r#"Refused { code: "http_302" }"#);
    }

    #[test]
    fn the_merchant_is_asked_at_the_shop_itself() {
        let shopify = Shopify::new();
        let shop = shopify.parse_shop("acme").unwrap();
        let redirect = Url::parse("https://api.example/oauth/shopify/callback").unwrap();
        let scopes = shopify.requested_scopes(Purpose::Import);
        let url = shopify.authorize_url(&shop, "a&b", &scopes, &redirect, "st4te").unwrap();
        assert_eq!(
            url.as_str(),
            "https://acme.myshopify.com/admin/oauth/authorize?client_id=a%26b&scope=read_inventory%2Cread_locations%2Cread_products&redirect_uri=https%3A%2F%2Fapi.example%2Foauth%2Fshopify%2Fcallback&state=st4te"
        );
    }
}
