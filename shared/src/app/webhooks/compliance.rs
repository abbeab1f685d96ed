//! What the law asks of everyone who keeps data: tell a customer what is kept about them, erase it, and erase what
//! identifies a shop that left.
//!
//! Every store that was ever connected to the shop is asked, and its history says what was found and done, by number;
//! never who asked. The eshopOS records stay: they are the merchant's own, imported into the merchant's own store
//! (`docs/decisions/0013`).

use super::super::audit::{Event, told};
use super::super::configure::ATTEMPTS;
use super::super::error::AppError;
use super::{ACTOR, WebhookStep};
use crate::domain::connection::{Attempt, HistoryAction};
use crate::domain::ids::{ShopId, StoreId};
use crate::domain::notice::Person;
use crate::ports::PortError;
use crate::ports::webhooks::{Held, Owner, WebhookMessage};

/// What was found, for the history: tables and numbers alone.
fn figures(held: &[Held]) -> String {
    let tables: Vec<String> = held.iter().map(|held| format!("{} {}", held.table, held.items)).collect();
    tables.join(", ")
}

impl WebhookStep {
    /// A customer asks what is kept about them.
    pub(super) async fn data_requested(
        &self,
        message: &WebhookMessage,
        shop: ShopId,
        request: Option<u64>,
        person: &Person,
    ) -> Result<(), AppError> {
        let stores = self.access.hooks.stores_of(message.provider, shop).await?;
        for store in &stores {
            let held = self.personal.held(store, message.provider, shop, person).await?;
            let request = request.map_or("without a number".to_owned(), |number| number.to_string());
            let detail = format!("request {request}; kept about the customer: {}", figures(&held));
            self.note(message, store, HistoryAction::DataRequested, detail).await?;
        }
        tracing::info!("answered what is kept about a customer");
        Ok(())
    }

    /// What is kept about a customer goes.
    pub(super) async fn erase_customer(
        &self,
        message: &WebhookMessage,
        shop: ShopId,
        person: &Person,
    ) -> Result<(), AppError> {
        let stores = self.access.hooks.stores_of(message.provider, shop).await?;
        for store in &stores {
            // Noted before it is done: after a crash in between there would be nothing left to count.
            let held = self.personal.held(store, message.provider, shop, person).await?;
            let detail = format!("erased about a customer: {}", figures(&held));
            self.note(message, store, HistoryAction::CustomerErased, detail).await?;
            self.personal.erase(store, message.provider, shop, person).await?;
        }
        tracing::info!("erased what was kept about a customer");
        Ok(())
    }

    /// What identifies a shop that left goes, unless it is connected: this comes days after the app was removed, and the
    /// merchant may have come back.
    pub(super) async fn erase_shop(&self, message: &WebhookMessage, shop: ShopId) -> Result<(), AppError> {
        let provider = message.provider;
        let stores = self.access.hooks.stores_of(provider, shop).await?;
        let mut ended = Vec::new();
        for store in &stores {
            let Some(connector) = self.access.connectors.load(store, provider).await? else { continue };
            let used = connector.installation.clone();
            let Some(used) = used.filter(|used| used.shop_id == shop) else { continue };
            if self.is_installed(&connector, &used).await? {
                tracing::info!(store.id = %store, "the shop is connected; nothing of it is erased");
                let detail = "the shop is connected".to_owned();
                for store in &stores {
                    let action = HistoryAction::ErasureNotApplicable;
                    self.note(message, store, action, detail.clone()).await?;
                }
                return Ok(());
            }
            ended.push(Owner { store: store.clone(), install: used.id });
        }
        for owner in &ended {
            self.end(provider, owner).await?;
        }
        let now = self.access.clock.now();
        for store in &stores {
            // What a crash, or a shop that did not answer, has left of it. One that is not due is an attempt under way.
            for end in self.access.connectors.loose_ends(store, provider).await? {
                if end.shop == message.shop && end.due <= now {
                    self.access.tie_up(&end).await?;
                }
            }
            self.forget_attempt(message, store).await?;
            self.access.hooks.forget_signals(store, provider, shop).await?;
            self.personal.erase_shop(store, provider, shop).await?;
            let detail = "erased what identifies the shop".to_owned();
            self.note(message, store, HistoryAction::ShopErased, detail).await?;
            // Last: whoever comes after a crash finds the store by it.
            self.access.hooks.forget_shop(provider, shop, store).await?;
        }
        tracing::info!("erased what identified a shop");
        Ok(())
    }

    /// Takes the shop's domain off an attempt to connect that is older than the message.
    async fn forget_attempt(&self, message: &WebhookMessage, store: &StoreId) -> Result<(), AppError> {
        for _ in 0..ATTEMPTS {
            let loaded = self.access.connectors.load(store, message.provider).await?;
            let Some(mut connector) = loaded else { return Ok(()) };
            let old = |attempt: &Attempt| attempt.shop == message.shop && attempt.at <= message.at;
            if !connector.last_attempt.as_ref().is_some_and(old) {
                return Ok(());
            }
            connector.last_attempt = None;
            connector.updated_at = self.access.clock.now();
            match self.access.connectors.save(&mut connector).await {
                Ok(()) => return Ok(()),
                Err(PortError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(PortError::Conflict.into())
    }

    async fn note(
        &self,
        message: &WebhookMessage,
        store: &StoreId,
        action: HistoryAction,
        detail: String,
    ) -> Result<(), AppError> {
        let event = Event { action, actor: ACTOR, origin: None, shop: None, reason: None };
        let mut entry = told(store, message.provider, &message.id, message.at, event);
        entry.detail = Some(detail);
        Ok(self.access.history.append(&entry).await?)
    }
}
