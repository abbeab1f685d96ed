//! What shops tell us by themselves: received and put on a queue at once, acted on from there.
//!
//! Bodies may lie about time and order, come twice or come late, so a message is a hint and nothing more: whoever acts
//! on it asks the shop again with the installation's own token. Every effect can be repeated; that a message was dealt
//! with is noted after its effects.

mod receive;
mod uninstalled;

pub use receive::ReceiveWebhook;

use std::sync::Arc;

use super::access::{Access, NoToken};
use super::error::AppError;
use super::import::Disposition;
use crate::domain::connection::{Connector, Installation};
use crate::domain::ids::ProviderId;
use crate::domain::notice::Notice;
use crate::ports::provider::{ProviderError, ShopAccess, ShopProfile};
use crate::ports::runs::RunStore;
use crate::ports::webhooks::{Owner, Task, WebhookMessage};

/// Who acts, in the history.
const ACTOR: &str = "webhook";

/// Everything that acting on what a shop told us may use.
pub struct WebhookStep {
    /// Connectors, history, tokens, the platform, the time.
    pub access: Access,
    /// Runs to stop.
    pub runs: Arc<dyn RunStore>,
}

impl WebhookStep {
    /// Acts on a message.
    #[tracing::instrument(skip_all, fields(provider = %message.provider, shop.domain = %message.shop, store.id, webhook.task = name(&message.task)))]
    pub async fn handle(&self, message: &WebhookMessage) -> Disposition {
        if let Some(owner) = &message.owner {
            tracing::Span::current().record("store.id", tracing::field::display(&owner.store));
        }
        match self.once(message).await {
            Ok(()) => Disposition::Done,
            Err(error) => Disposition::Retry(error),
        }
    }

    async fn once(&self, message: &WebhookMessage) -> Result<(), AppError> {
        if self.access.hooks.is_done(message).await? {
            tracing::info!("was told this before");
            return Ok(());
        }
        self.act(message).await?;
        Ok(self.access.hooks.mark_done(message, self.access.clock.now()).await?)
    }

    async fn act(&self, message: &WebhookMessage) -> Result<(), AppError> {
        let (Some(owner), Task::Notice(notice)) = (&message.owner, &message.task) else {
            return Ok(());
        };
        match notice {
            Notice::Uninstalled => self.uninstalled(message.provider, owner).await,
            _ => Ok(()),
        }
    }

    /// The connector, if it still uses the installation that the message came for.
    async fn in_use(
        &self,
        provider: ProviderId,
        owner: &Owner,
    ) -> Result<Option<(Connector, Installation)>, AppError> {
        let loaded = self.access.connectors.load(&owner.store, provider).await?;
        Ok(loaded.and_then(|connector| {
            let used = connector.installation.clone().filter(|used| used.id == owner.install)?;
            Some((connector, used))
        }))
    }

    /// What the shop says of itself now; none where it accepts no token of this installation any more, which is the
    /// one proof that the app is gone.
    async fn ask(
        &self,
        provider: ProviderId,
        installation: &Installation,
    ) -> Result<Option<ShopProfile>, AppError> {
        let mut rejected = None;
        // A rejected token proves nothing while it can be refreshed.
        for _ in 0..3 {
            let Installation { id, shop, .. } = installation;
            let token = match self.access.token(provider, shop, id, rejected.as_ref()).await {
                Ok(token) => token,
                Err(NoToken::Dead) => return Ok(None),
                Err(NoToken::Failed(error)) => return Err(error),
            };
            let access = ShopAccess { shop: installation.shop.clone(), token };
            match self.access.connect.inspect(&access).await {
                Ok(profile) => return Ok(Some(profile)),
                Err(ProviderError::TokenRejected) => rejected = Some(access.token),
                Err(error) => return Err(error.into()),
            }
        }
        // One fresh token after the other is rejected: the shop is not in order, the installation may well be.
        Err(ProviderError::Unavailable { source: None }.into())
    }
}

fn name(task: &Task) -> &'static str {
    match task {
        Task::Notice(notice) => notice.name(),
        Task::Subscribe => "subscribe",
    }
}
