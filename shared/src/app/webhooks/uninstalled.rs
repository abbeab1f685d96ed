//! The app was removed in the shop: proven by the shop itself, which accepts no token of this installation any more.
//!
//! A message that comes late finds another installation in use, or a token that works, and changes nothing. What an
//! ended installation leaves (its entry in the history, token, claim, addresses) is on the list of loose ends before
//! the connector lets go of it, so that a crash anywhere is healed by the next delivery, or by the sweep.

use super::super::audit::{Event, entry_after};
use super::super::configure::ATTEMPTS;
use super::super::error::AppError;
use super::super::stop::stop_run;
use super::{ACTOR, WebhookStep};
use crate::domain::connection::{HistoryAction, LooseEnd, Reason};
use crate::domain::ids::ProviderId;
use crate::ports::PortError;
use crate::ports::webhooks::Owner;

impl WebhookStep {
    pub(super) async fn uninstalled(&self, provider: ProviderId, owner: &Owner) -> Result<(), AppError> {
        if let Some((connector, installation)) = self.in_use(provider, owner).await?
            && self.is_installed(&connector, &installation).await?
        {
            tracing::info!(install.id = %owner.install, "the shop still accepts the token; not uninstalled");
            return Ok(());
        }
        self.end(provider, owner).await
    }

    /// Ends an installation that is proven to be gone, or finishes what was begun about it.
    pub(super) async fn end(&self, provider: ProviderId, owner: &Owner) -> Result<(), AppError> {
        let Owner { store, install } = owner;
        let clock = self.access.clock.as_ref();
        stop_run(self.runs.as_ref(), clock, store, provider, Some(install)).await?;
        self.let_go(provider, owner).await?;
        for end in self.access.connectors.loose_ends(store, provider).await? {
            if end.install == *install {
                self.access.tie_up(&end).await?;
            }
        }
        Ok(())
    }

    /// Stores that the connector is uninstalled, if it still uses this installation.
    async fn let_go(&self, provider: ProviderId, owner: &Owner) -> Result<(), AppError> {
        for _ in 0..ATTEMPTS {
            let Some((mut connector, installation)) = self.in_use(provider, owner).await? else {
                return Ok(());
            };
            let now = self.access.clock.now();
            connector.installation = None;
            connector.reason = Some(Reason::Uninstalled);
            connector.updated_at = now;
            let event = Event {
                action: HistoryAction::Uninstalled,
                actor: ACTOR,
                origin: None,
                shop: Some(&installation.shop),
                reason: connector.reason,
            };
            let entry = Some(entry_after(&connector, event));
            let end = LooseEnd {
                // There is none to remove, and no token to do it with.
                remove_app: false,
                entry,
                ..LooseEnd::of_given_up(&connector, &installation, now)
            };
            match self.access.connectors.let_go(&mut connector, &end).await {
                Ok(()) => {
                    tracing::info!(install.id = %owner.install, "the app was removed in the shop");
                    return Ok(());
                }
                Err(PortError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(PortError::Conflict.into())
    }
}
