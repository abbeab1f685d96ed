//! What shops tell us by themselves: where it comes in, where it waits, what is remembered of it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::PortError;
use crate::domain::ids::{InstallId, ProviderId, ShopDomain, ShopId, StoreId};
use crate::domain::notice::{Notice, Person};
use crate::domain::run::Wanted;

/// Whose address something came in at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The tenant.
    pub store: StoreId,
    /// The installation.
    pub install: InstallId,
}

/// The address at which one installation's shop reaches us. Its last part is a random key of which only the hash is
/// kept: a message at it is for this installation and no later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// SHA-256 of the key, hexadecimal.
    pub key_hash: String,
    /// The platform.
    pub provider: ProviderId,
    /// The shop.
    pub shop: ShopDomain,
    /// Whose it is.
    pub owner: Owner,
}

/// What a message is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// A shop told us something.
    Notice(Notice),
    /// Our own: see to it that the shop tells us.
    Subscribe,
}

/// One message: ids and states, never a body as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookMessage {
    /// Its id; the same for every delivery of it.
    pub id: String,
    /// The platform.
    pub provider: ProviderId,
    /// The shop.
    pub shop: ShopDomain,
    /// When it happened, as the shop says.
    pub at: Timestamp,
    /// Whose it is, as it is stored; none for what comes to the app as a whole.
    pub owner: Option<Owner>,
    /// What to do.
    pub task: Task,
}

/// The queue between receiving and acting. Delivers at least once, in any order.
#[async_trait]
pub trait WebhookQueue: Send + Sync {
    /// Sends a message, in its store's fair-queue group.
    async fn send(&self, message: &WebhookMessage) -> Result<(), PortError>;
}

/// What a shop has told us that the card shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signals {
    /// The newest change of each resource.
    pub changed: BTreeMap<Wanted, Timestamp>,
    /// The installation for which the shop was last found to tell us everything, and when.
    pub subscribed: Option<(InstallId, Timestamp)>,
}

/// Addresses, and what came in at them.
#[async_trait]
pub trait HookStore: Send + Sync {
    /// Keeps an address.
    async fn put(&self, hook: &Hook) -> Result<(), PortError>;

    /// The address of this key, by its hash.
    async fn find(&self, key_hash: &str) -> Result<Option<Hook>, PortError>;

    /// The hashes of an installation's keys.
    async fn keys_of(&self, install: &InstallId) -> Result<Vec<String>, PortError>;

    /// Forgets every address of an installation. None there is a success.
    async fn forget(&self, install: &InstallId) -> Result<(), PortError>;

    /// Whether a message was dealt with.
    async fn is_done(&self, message: &WebhookMessage) -> Result<bool, PortError>;

    /// Notes for a week that a message was dealt with.
    async fn mark_done(&self, message: &WebhookMessage, now: Timestamp) -> Result<(), PortError>;

    /// What a store's shop has told us.
    async fn signals(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
    ) -> Result<Signals, PortError>;

    /// Notes a change of the catalogue; an older one than is known already changes nothing.
    async fn note_change(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        what: Wanted,
        at: Timestamp,
    ) -> Result<(), PortError>;

    /// Notes that the shop was found to tell this installation everything.
    async fn note_subscribed(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        install: &InstallId,
        at: Timestamp,
    ) -> Result<(), PortError>;

    /// Forgets what a store's shop has told us.
    async fn forget_signals(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
    ) -> Result<(), PortError>;

    /// Notes that a store is being connected to a shop, so that whatever comes for the shop later finds the store.
    async fn note_shop(&self, provider: ProviderId, shop: ShopId, store: &StoreId) -> Result<(), PortError>;

    /// Every store that was ever connected to a shop and was not erased since.
    async fn stores_of(&self, provider: ProviderId, shop: ShopId) -> Result<Vec<StoreId>, PortError>;

    /// Forgets that a store was connected to a shop.
    async fn forget_shop(&self, provider: ProviderId, shop: ShopId, store: &StoreId)
    -> Result<(), PortError>;
}

/// How much one table holds about a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The table.
    pub table: &'static str,
    /// Items in it.
    pub items: u64,
}

/// What is kept about the people at a shop. Whoever stores anything about one stores it where this looks.
#[async_trait]
pub trait PersonalData: Send + Sync {
    /// What every table that could hold something does hold.
    async fn held(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        person: &Person,
    ) -> Result<Vec<Held>, PortError>;

    /// Erases it and tells what there was.
    async fn erase(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        person: &Person,
    ) -> Result<Vec<Held>, PortError>;

    /// Erases what was kept of a shop so that pushes into it could be undone: it may be about anyone there.
    async fn erase_shop(&self, store: &StoreId, provider: ProviderId, shop: ShopId) -> Result<(), PortError>;
}
