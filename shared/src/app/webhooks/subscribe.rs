//! Sees to it that a shop tells us: one random address for each installation, every topic that its scopes allow, and
//! nothing at addresses of earlier ones.
//!
//! Which key a shop knows is asked of the shop itself, since only hashes are kept here. So it costs nothing to ask
//! again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::super::configure::hash;
use super::super::error::AppError;
use super::WebhookStep;
use crate::domain::connection::{Installation, Method};
use crate::domain::ids::{ProviderId, StoreId};
use crate::ports::PortError;
use crate::ports::provider::{ProviderError, ShopAccess};
use crate::ports::webhooks::{Hook, Owner, Task, WebhookMessage, WebhookQueue};

/// Has the shop of an installation that is live asked to tell us. It is done from the queue, so that the merchant does
/// not wait for it and a shop that does not answer is asked again.
pub(in super::super) async fn ask(
    queue: &dyn WebhookQueue,
    store: &StoreId,
    provider: ProviderId,
    installation: &Installation,
    now: Timestamp,
) -> Result<(), PortError> {
    let message = WebhookMessage {
        // Each asking is one of its own.
        id: format!("subscribe-{}", now.as_millisecond()),
        provider,
        shop: installation.shop.clone(),
        at: now,
        owner: Some(Owner { store: store.clone(), install: installation.id.clone() }),
        task: Task::Subscribe,
    };
    queue.send(&message).await
}

impl WebhookStep {
    pub(super) async fn subscribe(&self, provider: ProviderId, owner: &Owner) -> Result<(), AppError> {
        let Some((_, installation)) = self.in_use(provider, owner).await? else {
            tracing::info!(install.id = %owner.install, "the installation is over; nothing to subscribe");
            return Ok(());
        };
        // An app of the merchant's own signs with a secret that we do not check against.
        if installation.method != Method::Oauth {
            return Ok(());
        }
        let base = self.public_base_url.as_str().trim_end_matches('/');
        let base = Url::parse(&format!("{base}/webhooks/{provider}")).map_err(AppError::bug)?;
        match self.subscribe_at(provider, owner, &installation, &base).await {
            Ok(()) => {}
            Err(Subscribing::Failed(error)) if error.code != "needs_reauthorization" => return Err(error),
            Err(Subscribing::Failed(_) | Subscribing::Shop(ProviderError::TokenRejected)) => {
                // The connector says so.
                tracing::warn!(install.id = %owner.install, "no token works; nothing can be subscribed");
                return Ok(());
            }
            Err(Subscribing::Shop(
                error @ (ProviderError::Throttled { .. } | ProviderError::Unavailable { .. }),
            )) => return Err(error.into()),
            Err(Subscribing::Shop(error)) => {
                // Asking at once again would not help.
                tracing::error!(cause = %error, install.id = %owner.install, "the shop refuses to tell us");
                return Ok(());
            }
        }
        let (shop, now) = (installation.shop_id, self.access.clock.now());
        self.access.hooks.note_subscribed(&owner.store, provider, shop, &owner.install, now).await?;
        tracing::info!(install.id = %owner.install, "the shop tells us what happens");
        Ok(())
    }

    async fn subscribe_at(
        &self,
        provider: ProviderId,
        owner: &Owner,
        installation: &Installation,
        base: &Url,
    ) -> Result<(), Subscribing> {
        let (connector, mut access) = self.access.shop_access(&owner.store, provider).await?;
        if connector.installation.as_ref().is_none_or(|used| used.id != owner.install) {
            // Connected anew meanwhile.
            return Err(PortError::Conflict.into());
        }
        let known = self.access.hooks.keys_of(&owner.install).await?;
        let look = async |access: &ShopAccess| self.webhooks.subscribed_keys(access, base).await;
        let told: Vec<SecretString> =
            self.access.ask::<_, Subscribing>(&connector, &mut access, look).await?;
        let ours = told.into_iter().find(|key| known.contains(&hash(key.expose_secret())));
        let key = match ours {
            Some(key) => key,
            None => {
                let key = SecretString::from(URL_SAFE_NO_PAD.encode(self.random.bytes32()));
                let key_hash = hash(key.expose_secret());
                let shop = installation.shop.clone();
                // Before the shop knows of it: what comes in at once must find its owner.
                self.access.hooks.put(&Hook { key_hash, provider, shop, owner: owner.clone() }).await?;
                key
            }
        };
        let tell = async |access: &ShopAccess| {
            self.webhooks.subscribe(access, base, &key, &installation.scopes).await
        };
        self.access.ask(&connector, &mut access, tell).await
    }
}

/// Whose failure it is.
enum Subscribing {
    Shop(ProviderError),
    Failed(AppError),
}

impl From<ProviderError> for Subscribing {
    fn from(error: ProviderError) -> Self {
        Self::Shop(error)
    }
}

impl From<AppError> for Subscribing {
    fn from(error: AppError) -> Self {
        Self::Failed(error)
    }
}

impl From<PortError> for Subscribing {
    fn from(error: PortError) -> Self {
        Self::Failed(error.into())
    }
}
