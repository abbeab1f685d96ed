//! Ends a connection: runs stopped, app removed from the shop, token deleted, claim freed, history kept.
//!
//! The token goes after the app, because removing the app needs it. A shop that does not answer therefore stops the
//! whole: the connector stays as it is and the request can be repeated. A shop that answers but does not let the
//! app be removed does not: its token is deleted all the same, and the answer says what is left to the merchant.
//! Every step can be repeated, so a crash anywhere is healed by asking again.

use std::sync::Arc;

use super::access::{Access, NoToken};
use super::audit::{Actor, Event, entry};
use super::configure::ATTEMPTS;
use super::error::AppError;
use crate::domain::connection::{Connector, ConnectorState, HistoryAction, Installation, Reason};
use crate::domain::ids::ProviderId;
use crate::ports::PortError;
use crate::ports::provider::{ProviderError, ShopAccess};
use crate::ports::runs::RunStore;

/// Everything that ending a connection may use.
pub struct Disconnect {
    /// Connectors, history, tokens, the platform, the time.
    pub access: Access,
    /// Runs to stop.
    pub runs: Arc<dyn RunStore>,
}

/// How the connector stands after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnected {
    /// Its state.
    pub state: ConnectorState,
    /// The reason.
    pub reason: Reason,
    /// Whether the app was removed from the shop just now. False where the shop did not let us, or had done so
    /// itself; none where there was nothing to remove.
    pub app_removed: Option<bool>,
}

impl Disconnect {
    /// Ends a store's connection. A second time changes nothing.
    ///
    /// Errors: `shop_unreachable` or `shop_throttled`, with everything but the stopped runs as it was.
    #[tracing::instrument(skip_all, fields(store.id = %actor.store, provider = %provider))]
    pub async fn disconnect(&self, actor: Actor<'_>, provider: ProviderId) -> Result<Disconnected, AppError> {
        let loaded = self.access.connectors.load(actor.store, provider).await?;
        let Some(connector) = loaded else {
            let (state, reason) = (Reason::NeverConnected.state(), Reason::NeverConnected);
            return Ok(Disconnected { state, reason, app_removed: None });
        };
        self.stop_runs(&connector).await?;
        let app_removed = match &connector.installation {
            Some(installation) => Some(self.remove(provider, installation).await?),
            None => None,
        };
        let shop = connector.installation.as_ref().map(|installation| installation.shop.clone());
        let connector = self.save(actor, connector).await?;
        let event = Event {
            action: HistoryAction::Disconnected,
            actor: actor.subject,
            origin: actor.origin,
            shop: shop.as_ref(),
            reason: None,
        };
        // Also when it was disconnected already: a crash may have come between the change and its entry.
        self.access.history.append(&entry(&connector, event)).await?;
        let reason = connector.reason.unwrap_or(Reason::Disconnected);
        tracing::info!(app_removed, "disconnected");
        Ok(Disconnected { state: reason.state(), reason, app_removed })
    }

    /// Asks the run that is under way to stop. Its own steps carry that out.
    async fn stop_runs(&self, connector: &Connector) -> Result<(), AppError> {
        for _ in 0..ATTEMPTS {
            let Some(id) = self.runs.active(&connector.store, connector.provider).await? else {
                return Ok(());
            };
            let Some(mut run) = self.runs.load(&connector.store, connector.provider, &id).await? else {
                return Ok(());
            };
            if run.cancel_requested || run.state.is_final() {
                return Ok(());
            }
            run.cancel_requested = true;
            run.updated_at = self.access.clock.now();
            match self.runs.save(&mut run).await {
                Ok(()) => return Ok(()),
                Err(PortError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(PortError::Conflict.into())
    }

    /// Removes the app from the shop, then the token, then the claim. Tells whether the app was removed.
    async fn remove(&self, provider: ProviderId, installation: &Installation) -> Result<bool, AppError> {
        let removed = self.uninstall(provider, installation).await?;
        self.access.vault.delete(&installation.id).await?;
        self.access.connectors.release_claim(provider, &installation.shop, &installation.id).await?;
        Ok(removed)
    }

    async fn uninstall(&self, provider: ProviderId, installation: &Installation) -> Result<bool, AppError> {
        let mut rejected = None;
        // A rejected token proves nothing while it can be refreshed.
        for _ in 0..2 {
            let token = match self.access.token(provider, installation, rejected.as_ref()).await {
                Ok(token) => token,
                Err(NoToken::Dead) => break,
                Err(NoToken::Failed(error)) => return Err(error),
            };
            let access = ShopAccess { shop: installation.shop.clone(), token };
            match self.access.connect.uninstall(&access).await {
                Ok(()) => return Ok(true),
                Err(ProviderError::TokenRejected) => rejected = Some(access.token),
                Err(
                    error @ (ProviderError::ShopUnavailable
                    | ProviderError::ScopeDenied { .. }
                    | ProviderError::Refused { .. }),
                ) => {
                    tracing::warn!(%error, shop.domain = %installation.shop, "the shop keeps the app");
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    /// Stores that the connector is disconnected, unless it is so already or nothing was ever begun.
    async fn save(&self, actor: Actor<'_>, mut connector: Connector) -> Result<Connector, AppError> {
        let removed = connector.installation.as_ref().map(|installation| installation.id.clone());
        for _ in 0..ATTEMPTS {
            let installed = connector.installation.as_ref().map(|installation| &installation.id);
            if installed.is_some() && installed != removed.as_ref() {
                // Connected anew in the meantime. Whether that should end too is not ours to say.
                return Err(PortError::Conflict.into());
            }
            if installed.is_none() && connector.reason == Some(Reason::Disconnected) {
                return Ok(connector);
            }
            connector.installation = None;
            connector.reason = Some(Reason::Disconnected);
            connector.last_attempt = None;
            connector.updated_at = self.access.clock.now();
            match self.access.connectors.save(&mut connector).await {
                Ok(()) => return Ok(connector),
                Err(PortError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
            let loaded = self.access.connectors.load(actor.store, connector.provider).await?;
            connector = loaded.ok_or(PortError::Conflict)?;
        }
        Err(PortError::Conflict.into())
    }
}
