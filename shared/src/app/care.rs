//! Looks after a connection: its token is renewed where nobody uses it, and what the shop says of itself and what it grants
//! is taken over, whether the sweeper asks or the shop told us that something changed.

use std::time::Duration;

use jiff::Timestamp;

use super::access::Access;
use super::audit::{Event, told};
use super::configure::ATTEMPTS;
use super::error::AppError;
use crate::domain::connection::{HistoryAction, HistoryEntry, Installation};
use crate::domain::ids::{InstallId, ProviderId, StoreId};
use crate::ports::PortError;
use crate::ports::provider::{ShopAccess, ShopProfile};
use crate::ports::webhooks::WebhookMessage;

/// That a shop answered is not stored more often than this where nothing else is.
const ACTIVE_EVERY: Duration = Duration::from_secs(60 * 60);

/// Why a shop was asked who it is.
#[derive(Clone, Copy)]
pub(super) enum Because<'a> {
    /// It was time to.
    Due,
    /// It told us.
    Told(&'a WebhookMessage),
}

/// Takes over what the shop says of itself; tells whether anything changed. Its domain at the platform stays: tokens
/// and claim are bound to it, and the platform redirects from it.
fn take_profile(installation: &mut Installation, profile: &ShopProfile) -> bool {
    let pairs = [
        (&mut installation.shop_name, &profile.name),
        (&mut installation.primary_domain, &profile.primary_domain),
        (&mut installation.currency, &profile.currency),
        (&mut installation.plan, &profile.plan),
    ];
    let mut changed = false;
    for (ours, theirs) in pairs {
        if ours != theirs {
            ours.clone_from(theirs);
            changed = true;
        }
    }
    changed
}

impl Access {
    /// Renews the token where it ended and stores what the shop says of itself now. A token that the shop no longer
    /// takes is proven dead on the way. Nothing where the connector uses another installation.
    pub(super) async fn look_after(
        &self,
        store: &StoreId,
        provider: ProviderId,
        install: &InstallId,
        because: Because<'_>,
    ) -> Result<(), AppError> {
        let (connector, mut access) = self.shop_access(store, provider).await?;
        if connector.installation.as_ref().is_none_or(|used| used.id != *install) {
            return Ok(());
        }
        let inspect = async |access: &ShopAccess| self.connect.inspect(access).await;
        let profile = self.ask::<_, AppError>(&connector, &mut access, inspect).await?;
        self.note_profile(store, provider, install, &profile, because).await
    }

    /// Stores what a shop says of itself, if the connector still uses this installation.
    async fn note_profile(
        &self,
        store: &StoreId,
        provider: ProviderId,
        install: &InstallId,
        profile: &ShopProfile,
        because: Because<'_>,
    ) -> Result<(), AppError> {
        let mut since = None;
        for _ in 0..ATTEMPTS {
            let Some(mut connector) = self.connectors.load(store, provider).await? else { return Ok(()) };
            let now = self.clock.now();
            let since = *since.get_or_insert(connector.updated_at);
            let Some(used) = connector.installation.as_mut().filter(|used| used.id == *install) else {
                return Ok(());
            };
            if used.shop_id != profile.id {
                tracing::error!(install.id = %install, "a shop has another number than it had; nothing was stored");
                return Ok(());
            }
            if used.shop != profile.domain {
                tracing::warn!(shop.domain = %profile.domain, "the shop has another domain at the platform now");
            }
            let renamed = take_profile(used, profile);
            let shop = used.shop.clone();
            let scopes = connector.note_scopes(profile.scopes.clone(), now);
            let seen = connector.last_active_at.is_some_and(|seen| now < seen + ACTIVE_EVERY);
            if scopes.is_empty() && !renamed && seen {
                return Ok(());
            }
            // What the shop says is put down first: after a crash in between there would be no difference left to tell.
            let tell = |action, actor, id: &str, at: Timestamp| {
                let event = Event { action, actor, origin: None, shop: Some(&shop), reason: None };
                told(store, provider, id, at, event)
            };
            let entry = |action| match because {
                Because::Told(message) => tell(action, "webhook", &message.id, message.at),
                // The same until it is stored, so that it is told once.
                Because::Due => {
                    let id = format!("{install} {}", profile.scopes);
                    HistoryEntry { at: now, ..tell(action, "sweeper", &id, since) }
                }
            };
            if !scopes.is_empty() {
                let entry = HistoryEntry { scopes: Some(scopes), ..entry(HistoryAction::ScopesChanged) };
                self.history.append(&entry).await?;
            }
            if renamed {
                self.history.append(&entry(HistoryAction::ShopChanged)).await?;
            }
            (connector.last_active_at, connector.updated_at) = (Some(now), now);
            match self.connectors.save(&mut connector).await {
                Ok(()) => return Ok(()),
                Err(PortError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(PortError::Conflict.into())
    }
}
