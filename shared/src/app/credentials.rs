//! The second way to connect, for data tools and custom apps: the merchant hands over a token of an app of their own, or
//! the credentials by which one is fetched.
//!
//! The shop is claimed as ever, then asked who it is and what it grants; only what it answered for is stored. What is
//! wrong is told at once and changes nothing. Our app is not involved: it subscribes to nothing and removes nothing.

use secrecy::{ExposeSecret as _, SecretString};

use super::access::stored;
use super::audit::Actor;
use super::complete_oauth::installation;
use super::configure::Configure;
use super::error::AppError;
use super::live::{Arriving, CLAIM_LIFE};
use crate::domain::connection::{Installation, Method};
use crate::domain::ids::{InstallId, ProviderId, ShopDomain};
use crate::domain::scopes::Scopes;
use crate::ports::chain;
use crate::ports::provider::{ProviderError, ShopAccess};
use crate::ports::vault::{ClientCredentials, StoredToken};

/// What a merchant hands over.
pub struct Credentials {
    /// The app.
    pub client: ClientCredentials,
    /// A token that is to be used as it is. Without one it is fetched, and fetched again before it ends.
    pub access_token: Option<SecretString>,
    /// What the token must allow, beyond what everyone needs.
    pub scopes: Scopes,
}

fn bad_client() -> AppError {
    AppError::invalid(
        "invalid_client",
        "The shop does not accept this api_key and api_secret. Copy both again from the app's settings; the app must be \
         installed in this shop and belong to the same organisation.",
    )
}

fn bad_token() -> AppError {
    AppError::invalid(
        "invalid_token",
        "The shop does not accept this access_token. Copy it again, or leave it out to have one fetched.",
    )
}

impl Configure {
    /// Connects a store by credentials: live at once, or nothing changed.
    ///
    /// Errors: `invalid_shop`, `shop_in_use`, `invalid_client`, `invalid_token`, `shop_mismatch`, `missing_scopes`,
    /// `shop_unavailable`, and transient ones.
    #[tracing::instrument(skip_all, fields(store.id = %actor.store, provider = %provider))]
    pub async fn connect(
        &self,
        actor: Actor<'_>,
        provider: ProviderId,
        shop: &str,
        credentials: &Credentials,
    ) -> Result<Installation, AppError> {
        let parsed = self.access.connect.parse_shop(shop);
        let shop = &parsed.map_err(|error| AppError::invalid("invalid_shop", error.hint))?;
        let now = self.access.clock.now();
        let install = &InstallId::new(self.random.uuid(now));
        let connectors = &self.access.connectors;
        if !connectors.claim_shop(provider, shop, actor.store, install, now, now + CLAIM_LIFE).await? {
            let detail = "This shop is connected to another store. Disconnect it there first.";
            return Err(AppError::conflict("shop_in_use", detail));
        }
        let arriving = Arriving { actor, provider, shop, install, due: now + CLAIM_LIFE };
        let live = self.go_live(arriving, credentials).await;
        if live.is_err() {
            // A token that was stored by then is on the list of loose ends, for those who may delete it.
            if let Err(error) = connectors.give_up_claim(provider, shop, install).await {
                tracing::warn!(cause = chain(&error), "a pending claim could not be freed and will expire");
            }
        }
        live
    }

    async fn go_live(
        &self,
        arriving: Arriving<'_>,
        credentials: &Credentials,
    ) -> Result<Installation, AppError> {
        let token = self.token(arriving.shop, credentials).await?;
        let access = ShopAccess { shop: arriving.shop.clone(), token: token.access_token.clone() };
        let profile = self.access.connect.inspect(&access).await.map_err(|error| match error {
            ProviderError::TokenRejected => bad_token(),
            error => error.into(),
        })?;
        if profile.domain != *arriving.shop {
            return Err(AppError::conflict(
                "shop_mismatch",
                format!("This shop calls itself {}. Enter that name.", profile.domain),
            ));
        }
        let required = self.access.connect.required_scopes();
        let wanted: Scopes = required.iter().chain(credentials.scopes.iter()).map(str::to_owned).collect();
        let missing = profile.scopes.lacking(&wanted);
        if !missing.is_empty() {
            return Err(AppError::conflict(
                "missing_scopes",
                format!(
                    "The app lacks the scopes {missing}. Grant them in the app's settings, install it anew, repeat this."
                ),
            ));
        }
        let now = self.access.clock.now();
        let installation = installation(arriving.install, profile, Method::Credentials, now);
        self.access.keep(arriving, &token).await?;
        let ends = self.access.go_live(arriving, &installation).await?;
        tracing::info!(shop.domain = %installation.shop, install.id = %installation.id, "connected by credentials");
        // The history now; the installation before this one is put away by those who may read its token.
        if let Some(Err(error)) = match ends.first() {
            Some(end) => Some(self.access.tie_up(end).await),
            None => None,
        } {
            let (code, cause) = (error.code, error.cause());
            tracing::warn!(code, cause, install.id = %installation.id, "a loose end is tied up later");
        }
        Ok(installation)
    }

    /// The token to store: the given one, or one that is fetched now.
    async fn token(&self, shop: &ShopDomain, credentials: &Credentials) -> Result<StoredToken, AppError> {
        let Credentials { client, access_token, .. } = credentials;
        if let Some(access_token) = access_token {
            // Used as it is. What is not needed is not kept.
            return Ok(StoredToken {
                access_token: access_token.clone(),
                refresh_token: None,
                expires_at: None,
                refresh_expires_at: None,
                client: None,
                version: String::new(),
            });
        }
        let id = client.id.expose_secret();
        let grant = self.access.connect.client_credentials(shop, id, &client.secret).await;
        let grant = grant.map_err(|error| match error {
            ProviderError::Refused { .. } | ProviderError::TokenRejected => bad_client(),
            error => error.into(),
        })?;
        Ok(StoredToken { client: Some(client.clone()), ..stored(grant, self.access.clock.now()) })
    }
}
