//! Access to a store's shop: the token in force, refreshed by one at a time and ahead of its end.
//!
//! A token is never lost and never falsely declared dead: the next pair is stored under compare-and-set before it is
//! used, the earlier one stays until then, only the shop's own word about the token counts, and even then the vault
//! is read again, since someone else may have refreshed meanwhile.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::audit::{Event, entry};
use super::error::{AppError, ErrorKind};
use crate::domain::connection::{Connector, HistoryAction, Installation, Reason};
use crate::domain::ids::{ProviderId, StoreId};
use crate::ports::PortError;
use crate::ports::connectors::{ConnectorStore, History};
use crate::ports::metrics::{Metric, Metrics};
use crate::ports::provider::{Connect, ProviderError, ShopAccess, TokenGrant};
use crate::ports::time::Clock;
use crate::ports::vault::{StoredToken, TokenVault};

/// A token is refreshed when less than this of its life is left.
const AHEAD: Duration = Duration::from_secs(5 * 60);
/// A token with less life than this is not used for a call any more.
const MARGIN: Duration = Duration::from_secs(15);
/// How long one may take for a refresh before another tries.
const LEASE: Duration = Duration::from_secs(30);
/// How long those wait who need the token that another is fetching.
const PATIENCE: Duration = Duration::from_secs(15);
const NAP: Duration = Duration::from_millis(250);

/// What access to a shop needs.
#[derive(Clone)]
pub struct Access {
    /// Connectors and refresh leases.
    pub connectors: Arc<dyn ConnectorStore>,
    /// What happened to connectors.
    pub history: Arc<dyn History>,
    /// Tokens.
    pub vault: Arc<dyn TokenVault>,
    /// The platform.
    pub connect: Arc<dyn Connect>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Refreshes, failed ones, dead tokens.
    pub metrics: Arc<dyn Metrics>,
}

/// Why there is no token to use.
pub(super) enum NoToken {
    /// The shop no longer accepts what we have, or we have nothing.
    Dead,
    /// Anything else; nothing is known about the token.
    Failed(AppError),
}

impl<E: Into<AppError>> From<E> for NoToken {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// A grant as it is stored, its lives counted from now.
pub(super) fn stored(grant: TokenGrant, now: jiff::Timestamp) -> StoredToken {
    let until = |life: Option<Duration>| life.and_then(|life| now.checked_add(life).ok());
    StoredToken {
        access_token: grant.access_token,
        refresh_token: grant.refresh_token,
        expires_at: until(grant.expires_in),
        refresh_expires_at: until(grant.refresh_expires_in),
        version: String::new(),
    }
}

fn not_connected() -> AppError {
    AppError::conflict("not_connected", "This store is not connected to a shop. Connect it first.")
}

fn same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

impl Access {
    /// The connector and a token that works now. Refreshes ahead of the token's end.
    ///
    /// Errors: `not_connected`; `needs_reauthorization` where the merchant has to connect again (the connector then
    /// says so too); otherwise transient ones.
    #[tracing::instrument(skip_all, fields(store.id = %store, provider = %provider))]
    pub async fn shop_access(
        &self,
        store: &StoreId,
        provider: ProviderId,
    ) -> Result<(Connector, ShopAccess), AppError> {
        self.access(store, provider, None).await
    }

    /// The same after the shop rejected a token: another one, or `needs_reauthorization` where there is none.
    #[tracing::instrument(skip_all, fields(store.id = %store, provider = %provider))]
    pub async fn after_rejection(
        &self,
        store: &StoreId,
        provider: ProviderId,
        rejected: &SecretString,
    ) -> Result<(Connector, ShopAccess), AppError> {
        self.access(store, provider, Some(rejected)).await
    }

    async fn access(
        &self,
        store: &StoreId,
        provider: ProviderId,
        rejected: Option<&SecretString>,
    ) -> Result<(Connector, ShopAccess), AppError> {
        let connector = self.connectors.load(store, provider).await?.ok_or_else(not_connected)?;
        let installation = connector.installation.clone().ok_or_else(not_connected)?;
        if connector.reason == Some(Reason::NeedsReauthorization) {
            return Err(ProviderError::TokenRejected.into());
        }
        match self.token(provider, &installation, rejected).await {
            Ok(token) => Ok((connector, ShopAccess { shop: installation.shop, token })),
            Err(NoToken::Failed(error)) => Err(error),
            Err(NoToken::Dead) => {
                self.declare_dead(store, provider, &installation).await?;
                Err(ProviderError::TokenRejected.into())
            }
        }
    }

    /// A token of an installation that works now and is not the rejected one. Changes no connector.
    pub(super) async fn token(
        &self,
        provider: ProviderId,
        installation: &Installation,
        rejected: Option<&SecretString>,
    ) -> Result<SecretString, NoToken> {
        let install = &installation.id;
        let gives_up = self.clock.now() + PATIENCE;
        let mut overtaken = 0;
        loop {
            let token = self.vault.current(install).await?.ok_or(NoToken::Dead)?;
            let now = self.clock.now();
            let is_rejected = rejected.is_some_and(|rejected| same(rejected, &token.access_token));
            let lives_longer_than = |life: Duration| token.expires_at.is_none_or(|end| end > now + life);
            if !is_rejected && lives_longer_than(AHEAD) {
                return Ok(token.access_token);
            }
            let usable = !is_rejected && lives_longer_than(MARGIN);
            if token.refresh_token.is_none() {
                return if usable { Ok(token.access_token) } else { Err(NoToken::Dead) };
            }
            match self.connectors.lease_refresh(install, now, now + LEASE).await {
                Ok(true) => {
                    let outcome = self.refresh(provider, installation, &token).await;
                    // A lease that is not given back ends by itself.
                    let _ = self.connectors.release_refresh(install).await;
                    if let Err(NoToken::Failed(_)) = &outcome {
                        self.metrics.count(Metric::TokenRefreshFailures);
                    }
                    match outcome {
                        Ok(Some(token)) => return Ok(token),
                        // What the one who was faster left is there at once, however long this one was held up.
                        Ok(None) if overtaken < 3 => {
                            overtaken += 1;
                            continue;
                        }
                        Ok(None) => {}
                        Err(NoToken::Failed(error)) if usable => {
                            let cause = error.code;
                            tracing::warn!(cause, "the token could not be refreshed yet; it still works");
                            return Ok(token.access_token);
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok(false) | Err(_) if usable => return Ok(token.access_token),
                Ok(false) => {}
                Err(error) => return Err(error.into()),
            }
            if self.clock.now() >= gives_up {
                let kind = ErrorKind::Throttled { retry_after: Some(Duration::from_secs(5)) };
                return Err(AppError::new(kind, "refreshing", "Access is being renewed. Try again.").into());
            }
            self.clock.sleep(NAP).await;
        }
    }

    /// Trades one pair for the next and puts it in force. None where someone else was first: read again.
    async fn refresh(
        &self,
        provider: ProviderId,
        installation: &Installation,
        held: &StoredToken,
    ) -> Result<Option<SecretString>, NoToken> {
        let install = &installation.id;
        let was_replaced = async || -> Result<bool, NoToken> {
            let current = self.vault.current(install).await?;
            Ok(current.is_some_and(|current| current.version != held.version))
        };
        // Between reading the token and taking the lease someone may have finished.
        if was_replaced().await? {
            return Ok(None);
        }
        let Some(refresh_token) = &held.refresh_token else { return Err(NoToken::Dead) };
        let secret = self.vault.app_secret(provider).await?;
        let grant = match self.connect.refresh(&installation.shop, refresh_token, &secret).await {
            Ok(grant) => grant,
            Err(ProviderError::TokenRejected) => {
                return if was_replaced().await? { Ok(None) } else { Err(NoToken::Dead) };
            }
            Err(error) => return Err(error.into()),
        };
        let mut next = stored(grant, self.clock.now());
        if next.refresh_token.is_none() {
            next.refresh_token.clone_from(&held.refresh_token);
            next.refresh_expires_at = held.refresh_expires_at;
        }
        match self.vault.replace(install, &held.version, &next).await {
            Ok(()) => {}
            Err(PortError::Conflict) => return Ok(None),
            Err(error) => {
                // The answer may be lost and the pair in force all the same.
                let current = self.vault.current(install).await?;
                if !current.is_some_and(|current| same(&current.access_token, &next.access_token)) {
                    return Err(error.into());
                }
            }
        }
        tracing::info!(install.id = %install, "refreshed a token");
        self.metrics.count(Metric::TokenRefreshes);
        Ok(Some(next.access_token))
    }

    /// Says on the connector that the merchant has to connect again, if it still uses this installation.
    async fn declare_dead(
        &self,
        store: &StoreId,
        provider: ProviderId,
        installation: &Installation,
    ) -> Result<(), AppError> {
        loop {
            let Some(mut connector) = self.connectors.load(store, provider).await? else { return Ok(()) };
            let in_use = connector.installation.as_ref().is_some_and(|used| used.id == installation.id);
            if !in_use || connector.reason == Some(Reason::NeedsReauthorization) {
                return Ok(());
            }
            connector.reason = Some(Reason::NeedsReauthorization);
            connector.updated_at = self.clock.now();
            match self.connectors.save(&mut connector).await {
                Ok(()) => {}
                Err(PortError::Conflict) => continue,
                Err(error) => return Err(error.into()),
            }
            tracing::warn!(install.id = %installation.id, "the shop no longer accepts the token");
            self.metrics.count(Metric::TokensDead);
            let event = Event {
                action: HistoryAction::TokenStateChanged,
                actor: "token_refresh",
                origin: None,
                shop: Some(&installation.shop),
                reason: connector.reason,
            };
            return Ok(self.history.append(&entry(&connector, event)).await?);
        }
    }
}
