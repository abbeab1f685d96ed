//! Looks after a connection that nobody uses: its token is renewed, the shop is asked who it is and what it grants.

use super::access::Access;
use super::audit::{Event, entry};
use super::configure::ATTEMPTS;
use super::error::AppError;
use crate::domain::connection::{HistoryAction, HistoryEntry};
use crate::domain::ids::{InstallId, ProviderId, StoreId};
use crate::ports::PortError;
use crate::ports::provider::{ShopAccess, ShopProfile};

impl Access {
    /// Renews the token where it ended and stores what the shop says of itself now. A token that the shop no longer
    /// takes is proven dead on the way.
    pub(super) async fn look_after(&self, store: &StoreId, provider: ProviderId) -> Result<(), AppError> {
        let (connector, mut access) = self.shop_access(store, provider).await?;
        let inspect = async |access: &ShopAccess| self.connect.inspect(access).await;
        let profile = self.ask::<_, AppError>(&connector, &mut access, inspect).await?;
        let Some(used) = connector.installation else { return Ok(()) };
        self.note_profile(store, provider, &used.id, &profile).await
    }

    /// Stores what a shop says of itself, if the connector still uses this installation.
    pub(super) async fn note_profile(
        &self,
        store: &StoreId,
        provider: ProviderId,
        install: &InstallId,
        profile: &ShopProfile,
    ) -> Result<(), AppError> {
        for _ in 0..ATTEMPTS {
            let Some(mut connector) = self.connectors.load(store, provider).await? else { return Ok(()) };
            let Some(used) = connector.installation.as_mut().filter(|used| used.id == *install) else {
                return Ok(());
            };
            if used.shop_id != profile.id {
                tracing::error!(install.id = %install, "a shop has another number than it had; nothing was stored");
                return Ok(());
            }
            used.shop_name.clone_from(&profile.name);
            used.primary_domain.clone_from(&profile.primary_domain);
            used.currency.clone_from(&profile.currency);
            used.plan.clone_from(&profile.plan);
            let shop = used.shop.clone();
            let now = self.clock.now();
            let change = connector.note_scopes(profile.scopes.clone(), now);
            (connector.last_active_at, connector.updated_at) = (Some(now), now);
            match self.connectors.save(&mut connector).await {
                Ok(()) if !change.is_empty() => {
                    let event = Event {
                        action: HistoryAction::ScopesChanged,
                        actor: "sweeper",
                        origin: None,
                        shop: Some(&shop),
                        reason: None,
                    };
                    let entry = HistoryEntry { scopes: Some(change), ..entry(&connector, event) };
                    return Ok(self.history.append(&entry).await?);
                }
                Ok(()) => return Ok(()),
                Err(PortError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(PortError::Conflict.into())
    }
}
