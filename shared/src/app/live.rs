//! The last steps of every way to connect: the token into the vault, the connector live, the installation before it
//! given up.

use std::time::Duration;

use jiff::Timestamp;

use super::access::Access;
use super::audit::{Actor, Event, entry_after};
use super::configure::ATTEMPTS;
use super::error::AppError;
use crate::domain::connection::{Connector, HistoryAction, Installation, LooseEnd};
use crate::domain::ids::{InstallId, ProviderId, ShopDomain};
use crate::ports::PortError;
use crate::ports::vault::StoredToken;

/// How long a claim holds while its attempt is under way; longer than the function may run.
pub(super) const CLAIM_LIFE: Duration = Duration::from_secs(120);

/// A shop that is about to be connected: who connects it and under which installation.
#[derive(Clone, Copy)]
pub(super) struct Arriving<'a> {
    pub(super) actor: Actor<'a>,
    pub(super) provider: ProviderId,
    pub(super) shop: &'a ShopDomain,
    pub(super) install: &'a InstallId,
    /// When someone else sees to what the attempt has left.
    pub(super) due: Timestamp,
}

impl Arriving<'_> {
    fn loose_end(&self) -> LooseEnd {
        LooseEnd {
            store: self.actor.store.clone(),
            provider: self.provider,
            install: self.install.clone(),
            shop: self.shop.clone(),
            // An attempt that failed leaves the app where the merchant put it, and can be made again.
            remove_app: false,
            entry: None,
            due: self.due,
        }
    }
}

impl Access {
    /// Puts the token into the vault, on the list of loose ends before that.
    pub(super) async fn keep(&self, arriving: Arriving<'_>, token: &StoredToken) -> Result<(), AppError> {
        self.connectors.put_loose_end(&arriving.loose_end()).await?;
        Ok(self.vault.create(arriving.install, token).await?)
    }

    /// Makes the installation the connector's own. Returns the loose ends that come of it: the entry of the history
    /// first, then the installation it replaces.
    pub(super) async fn go_live(
        &self,
        arriving: Arriving<'_>,
        installation: &Installation,
    ) -> Result<Vec<LooseEnd>, AppError> {
        let (store, provider) = (arriving.actor.store, arriving.provider);
        // Before it is live: what the platform sends about the shop as a whole finds its stores by this.
        self.hooks.note_shop(provider, installation.shop_id, store).await?;
        let mut seen = None;
        for _ in 0..ATTEMPTS {
            let loaded = self.connectors.load(store, provider).await?;
            let now = self.clock.now();
            let mut connector = loaded.unwrap_or_else(|| Connector::new(store.clone(), provider, now));
            if seen == Some(connector.revision) {
                // Nobody changed the connector, so it was the claim: this attempt has ended, or was put away, meanwhile.
                break;
            }
            seen = Some(connector.revision);
            let replaced = connector.take_installation(installation.clone(), now);
            let event = Event {
                action: HistoryAction::Connected,
                actor: arriving.actor.subject,
                origin: arriving.actor.origin,
                shop: Some(arriving.shop),
                reason: None,
            };
            let connected = LooseEnd { entry: Some(entry_after(&connector, event)), ..arriving.loose_end() };
            let mut ends = vec![connected];
            if let Some(replaced) = replaced {
                let given_up = LooseEnd::of_given_up(&connector, &replaced, now);
                // The same app in the same shop: removing it would end the new installation too.
                let remove_app = given_up.remove_app && replaced.shop != installation.shop;
                ends.push(LooseEnd { remove_app, ..given_up });
            }
            match self.connectors.go_live(&mut connector, &ends).await {
                Ok(()) => return Ok(ends),
                Err(PortError::Conflict) => {}
                Err(error) => {
                    // The answer may be lost and the connector live all the same.
                    let after = self.connectors.load(store, provider).await?;
                    let used = after.and_then(|after| after.installation);
                    if used.is_some_and(|used| used.id == installation.id) {
                        return Ok(ends);
                    }
                    return Err(error.into());
                }
            }
        }
        Err(PortError::Conflict.into())
    }

    /// Takes back what an attempt that failed has left: its claim and its token. What cannot be done now stays on the
    /// list, so a failure here is not one of the attempt.
    pub(super) async fn give_up(&self, arriving: Arriving<'_>) {
        let Arriving { provider, shop, install, .. } = arriving;
        let cleared = async {
            // Before the token: an attempt that goes live late finds no claim and cannot.
            self.connectors.give_up_claim(provider, shop, install).await?;
            self.tie_up(&arriving.loose_end()).await
        };
        if let Err(error) = cleared.await {
            let (code, cause) = (error.code, error.cause());
            tracing::warn!(code, cause, install.id = %arriving.install, "a failed attempt is cleared away later");
        }
    }
}
