//! Ends a connection: runs stopped, app removed from the shop, token deleted, claim freed, history kept.
//!
//! One write takes the installation from the connector and puts down what is left to do about it. From then on the
//! connection is over for everyone here, and the rest is a loose end: tied up at once where the shop answers, and by
//! the sweeper where it does not. Asking again ties up what is left as well.

use std::sync::Arc;

use super::access::Access;
use super::audit::{Actor, Event, entry, entry_after};
use super::configure::ATTEMPTS;
use super::error::AppError;
use super::stop::stop_run;
use crate::domain::connection::{Connector, ConnectorState, HistoryAction, LooseEnd, Reason};
use crate::domain::ids::ProviderId;
use crate::ports::PortError;
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
    /// Whether the app is still to be removed: the shop does not answer, or someone else is at it. We go on trying.
    pub pending: bool,
}

impl Disconnect {
    /// Ends a store's connection. A second time changes nothing, and finishes what the first left undone.
    #[tracing::instrument(skip_all, fields(store.id = %actor.store, provider = %provider))]
    pub async fn disconnect(&self, actor: Actor<'_>, provider: ProviderId) -> Result<Disconnected, AppError> {
        let loaded = self.access.connectors.load(actor.store, provider).await?;
        let Some(connector) = loaded else {
            let (state, reason) = (Reason::NeverConnected.state(), Reason::NeverConnected);
            return Ok(Disconnected { state, reason, app_removed: None, pending: false });
        };
        let clock = self.access.clock.as_ref();
        stop_run(self.runs.as_ref(), clock, actor.store, provider, None).await?;
        let connector = self.let_go(actor, connector).await?;
        let (app_removed, pending) = self.tie_up(actor, provider).await?;
        let reason = connector.reason.unwrap_or(Reason::Disconnected);
        tracing::info!(app.removed = app_removed, app.pending = pending, "disconnected");
        Ok(Disconnected { state: reason.state(), reason, app_removed, pending })
    }

    /// Ties up what is left of this connection, and of those before it.
    async fn tie_up(&self, actor: Actor<'_>, provider: ProviderId) -> Result<(Option<bool>, bool), AppError> {
        let now = self.access.clock.now();
        let (mut app_removed, mut pending) = (None, false);
        for end in self.access.connectors.loose_ends(actor.store, provider).await? {
            // One that is not due belongs to an attempt that is under way in another window.
            if end.due > now {
                continue;
            }
            match self.access.tie_up(&end).await {
                Ok(removed) => app_removed = removed.or(app_removed),
                Err(error) if error.is_transient() => {
                    let (code, cause) = (error.code, error.cause());
                    tracing::warn!(code, cause, install.id = %end.install, "the rest of a disconnect is done later");
                    pending = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok((app_removed, pending))
    }

    /// Stores that the connector is disconnected, unless it is so already or nothing was ever begun.
    async fn let_go(&self, actor: Actor<'_>, mut connector: Connector) -> Result<Connector, AppError> {
        let asked = connector.installation.as_ref().map(|installation| installation.id.clone());
        for _ in 0..ATTEMPTS {
            let installation = connector.installation.take();
            let installed = installation.as_ref().map(|installation| &installation.id);
            if installed.is_some() && installed != asked.as_ref() {
                // Connected anew in the meantime. Whether that should end too is not ours to say.
                return Err(PortError::Conflict.into());
            }
            if installed.is_none() && connector.reason == Some(Reason::Disconnected) {
                return Ok(connector);
            }
            let now = self.access.clock.now();
            connector.reason = Some(Reason::Disconnected);
            connector.last_attempt = None;
            connector.updated_at = now;
            let event = Event {
                action: HistoryAction::Disconnected,
                actor: actor.subject,
                origin: actor.origin,
                shop: installation.as_ref().map(|installation| &installation.shop),
                reason: None,
            };
            let saved = match &installation {
                Some(installation) => {
                    let entry = Some(entry_after(&connector, event));
                    let end = LooseEnd { entry, ..LooseEnd::of_given_up(&connector, installation, now) };
                    self.access.connectors.let_go(&mut connector, &end).await
                }
                None => self.access.connectors.save(&mut connector).await,
            };
            match saved {
                Ok(()) if installation.is_some() => return Ok(connector),
                Ok(()) => {
                    self.access.history.append(&entry(&connector, event)).await?;
                    return Ok(connector);
                }
                Err(PortError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
            let loaded = self.access.connectors.load(actor.store, connector.provider).await?;
            connector = loaded.ok_or(PortError::Conflict)?;
        }
        Err(PortError::Conflict.into())
    }
}
