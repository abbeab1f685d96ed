//! Receives what a shop posts: proves who sent it, finds out whose it is, puts it on the queue.
//!
//! Nothing is looked up before the signature holds. An address that nobody has is answered like one that somebody has,
//! so that nobody learns which there are. Only ids go on.

use std::sync::Arc;

use super::super::configure::hash;
use super::super::error::{AppError, ErrorKind};
use crate::domain::ids::ProviderId;
use crate::ports::provider::{Headers, Incoming, WebhookRefusal, Webhooks};
use crate::ports::time::Clock;
use crate::ports::vault::TokenVault;
use crate::ports::webhooks::{HookStore, Owner, Task, WebhookMessage, WebhookQueue};

/// The longest key that is looked for.
const LONGEST_KEY: usize = 64;

/// Everything that receiving may use. It has no right on tokens.
pub struct ReceiveWebhook {
    /// Our app's own secret.
    pub vault: Arc<dyn TokenVault>,
    /// Addresses.
    pub hooks: Arc<dyn HookStore>,
    /// Where it goes.
    pub queue: Arc<dyn WebhookQueue>,
    /// The platform.
    pub webhooks: Arc<dyn Webhooks>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl ReceiveWebhook {
    /// Receives a body, exactly as it came, at the address of one installation (`key`) or of the app.
    ///
    /// Errors: `webhook_forged`, `webhook_malformed`; transient ones, upon which the shop sends it again.
    #[tracing::instrument(skip_all, fields(provider = %provider, webhook.topic, shop.domain))]
    pub async fn receive(
        &self,
        provider: ProviderId,
        key: Option<&str>,
        headers: Headers<'_>,
        body: &[u8],
    ) -> Result<(), AppError> {
        let secret = self.vault.app_secret(provider).await?;
        let verified = self.webhooks.verify_webhook(headers, body, &secret);
        let incoming = verified.map_err(|refusal| match refusal {
            WebhookRefusal::Signature => {
                let detail = "The platform did not sign this.";
                AppError::new(ErrorKind::Unauthenticated, "webhook_forged", detail)
            }
            WebhookRefusal::Malformed => {
                tracing::error!("a signed webhook is not of the known form");
                AppError::invalid("webhook_malformed", "This is signed and not of the known form.")
            }
        })?;
        tracing::Span::current()
            .record("webhook.topic", &incoming.topic)
            .record("shop.domain", tracing::field::display(&incoming.shop));
        let Some(notice) = incoming.notice.clone() else {
            tracing::warn!("nobody listens to this topic; dropped");
            return Ok(());
        };
        let owner = if notice.is_for_the_app() {
            None
        } else {
            let Some(owner) = self.owner(provider, key, &incoming).await? else {
                tracing::warn!("nobody has this address; dropped");
                return Ok(());
            };
            Some(owner)
        };
        let now = self.clock.now();
        let message = WebhookMessage {
            id: incoming.id,
            provider,
            shop: incoming.shop,
            // A clock over there that is ahead must not make later changes look old.
            at: incoming.at.map_or(now, |at| at.min(now)),
            owner,
            task: Task::Notice(notice),
        };
        Ok(self.queue.send(&message).await?)
    }

    /// Whose address this is; none where the key, the platform or the shop does not fit.
    async fn owner(
        &self,
        provider: ProviderId,
        key: Option<&str>,
        incoming: &Incoming,
    ) -> Result<Option<Owner>, AppError> {
        let Some(key) = key.filter(|key| key.len() <= LONGEST_KEY) else { return Ok(None) };
        let hook = self.hooks.find(&hash(key)).await?;
        let fits = hook.filter(|hook| hook.provider == provider && hook.shop == incoming.shop);
        Ok(fits.map(|hook| hook.owner))
    }
}
