//! What shops tell us by themselves: received and put on a queue at once, acted on from there.
//!
//! Bodies may lie about time and order, come twice or come late, so a message is a hint and nothing more: whoever acts
//! on it asks the shop again with the installation's own token. Every effect can be repeated; that a message was dealt
//! with is noted after its effects.

mod compliance;
mod hints;
mod receive;
mod reread;
pub(super) mod subscribe;
mod uninstalled;

pub use receive::ReceiveWebhook;

use std::sync::Arc;

use url::Url;

use super::access::{Access, NoAnswer, NoToken};
use super::error::AppError;
use super::import::Disposition;
use crate::domain::connection::{Connector, Installation};
use crate::domain::ids::ProviderId;
use crate::domain::notice::Notice;
use crate::ports::provider::{ShopAccess, Webhooks};
use crate::ports::queue::StepQueue;
use crate::ports::runs::RunStore;
use crate::ports::time::Random;
use crate::ports::webhooks::{Owner, PersonalData, Task, WebhookMessage};

/// Who acts, in the history.
const ACTOR: &str = "webhook";

/// Everything that acting on what a shop told us may use.
pub struct WebhookStep {
    /// Connectors, history, tokens, the platform, the time.
    pub access: Access,
    /// The platform's side of it.
    pub webhooks: Arc<dyn Webhooks>,
    /// Runs to stop or to wake.
    pub runs: Arc<dyn RunStore>,
    /// The steps of runs.
    pub steps: Arc<dyn StepQueue>,
    /// What is kept about people.
    pub personal: Arc<dyn PersonalData>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// Where this API is reached.
    pub public_base_url: Url,
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
        let notice = match (&message.task, &message.owner) {
            (Task::Notice(notice), _) => notice,
            (Task::Subscribe, Some(owner)) => return self.subscribe(message.provider, owner).await,
            (Task::Subscribe, None) => return Err(unowned()),
        };
        match notice {
            Notice::DataRequested { shop, request, person } => {
                self.data_requested(message, *shop, *request, person).await
            }
            Notice::EraseCustomer { shop, person } => self.erase_customer(message, *shop, person).await,
            Notice::EraseShop { shop } => self.erase_shop(message, *shop).await,
            for_one => {
                let owner = message.owner.as_ref().ok_or_else(unowned)?;
                self.act_for(message, owner, for_one).await
            }
        }
    }

    async fn act_for(
        &self,
        message: &WebhookMessage,
        owner: &Owner,
        notice: &Notice,
    ) -> Result<(), AppError> {
        if *notice == Notice::Uninstalled {
            return self.uninstalled(message.provider, owner).await;
        }
        let Some((_, installation)) = self.in_use(message.provider, owner).await? else {
            tracing::info!(install.id = %owner.install, "told by an installation that is over");
            return Ok(());
        };
        match notice {
            Notice::FeedFinished { handle } => self.wake_run(message.provider, owner, handle).await,
            Notice::CatalogueChanged { what } => {
                let (store, at) = (&owner.store, message.at);
                let shop = installation.shop_id;
                Ok(self.access.hooks.note_change(store, message.provider, shop, *what, at).await?)
            }
            _ => self.reread(message, owner).await,
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

    /// Whether the shop still accepts a token of the installation in use. That it does not is the one proof that the
    /// app is gone.
    async fn is_installed(&self, connector: &Connector, used: &Installation) -> Result<bool, AppError> {
        let token = match self.access.token(connector.provider, &used.shop, &used.id, None).await {
            Ok(token) => token,
            Err(NoToken::Dead) => return Ok(false),
            Err(NoToken::Failed(error)) => return Err(error),
        };
        let mut access = ShopAccess { shop: used.shop.clone(), token };
        let inspect = async |access: &ShopAccess| self.access.connect.inspect(access).await;
        match self.access.ask_only(connector, &mut access, inspect).await {
            Ok(_) => Ok(true),
            Err(NoAnswer::Dead) => Ok(false),
            Err(NoAnswer::Shop(error)) => Err(error.into()),
            Err(NoAnswer::Failed(error)) => Err(error),
        }
    }
}

fn unowned() -> AppError {
    AppError::bug("a message for one installation names none")
}

fn name(task: &Task) -> &'static str {
    match task {
        Task::Notice(notice) => notice.name(),
        Task::Subscribe => "subscribe",
    }
}
