//! The shop changed what it grants us or what it says of itself: asked again, and the connector says what it says now.
//! In whatever order such messages come, the last one to be acted on reads the newest.

use super::super::audit::{Event, told};
use super::super::configure::ATTEMPTS;
use super::super::error::AppError;
use super::{ACTOR, WebhookStep};
use crate::domain::connection::{HistoryAction, HistoryEntry, Installation, ScopeChange};
use crate::ports::PortError;
use crate::ports::provider::ShopProfile;
use crate::ports::webhooks::{Owner, WebhookMessage};

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

impl WebhookStep {
    pub(super) async fn reread(
        &self,
        message: &WebhookMessage,
        owner: &Owner,
        installation: &Installation,
    ) -> Result<(), AppError> {
        let profile = match self.ask(message.provider, installation).await {
            Ok(Some(profile)) => profile,
            Ok(None) => {
                tracing::info!(install.id = %owner.install, "no token works; nothing can be read again");
                return Ok(());
            }
            // A closed shop has nothing new to say.
            Err(error) if error.code == "shop_unavailable" => return Ok(()),
            Err(error) => return Err(error),
        };
        if profile.domain != installation.shop {
            tracing::warn!(shop.domain = %profile.domain, "the shop has another domain at the platform now");
        }
        for _ in 0..ATTEMPTS {
            let Some((mut connector, _)) = self.in_use(message.provider, owner).await? else {
                return Ok(());
            };
            let now = self.access.clock.now();
            let scopes = connector.note_scopes(profile.scopes.clone(), now);
            let renamed = connector.installation.as_mut().is_some_and(|used| take_profile(used, &profile));
            if scopes.is_empty() && !renamed {
                return Ok(());
            }
            connector.updated_at = now;
            // What the shop says is put down first: after a crash in between there would be no difference left to tell.
            self.tell(message, owner, scopes, renamed).await?;
            match self.access.connectors.save(&mut connector).await {
                Ok(()) => return Ok(()),
                Err(PortError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(PortError::Conflict.into())
    }

    async fn tell(
        &self,
        message: &WebhookMessage,
        owner: &Owner,
        scopes: ScopeChange,
        renamed: bool,
    ) -> Result<(), AppError> {
        let shop = Some(&message.shop);
        let event = |action| Event { action, actor: ACTOR, origin: None, shop, reason: None };
        let entry = |action| told(&owner.store, message.provider, &message.id, message.at, event(action));
        if !scopes.is_empty() {
            let entry = HistoryEntry { scopes: Some(scopes), ..entry(HistoryAction::ScopesChanged) };
            self.access.history.append(&entry).await?;
        }
        if renamed {
            self.access.history.append(&entry(HistoryAction::ShopChanged)).await?;
        }
        Ok(())
    }
}
