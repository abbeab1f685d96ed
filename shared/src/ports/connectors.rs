//! Connectors, the states of connecting, claims on shops, history.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Page, PortError};
use crate::domain::connection::{Connector, HistoryEntry, PendingConnect};
use crate::domain::ids::{InstallId, ProviderId, ShopDomain, StoreId};

/// Connector records: one per store and provider.
#[async_trait]
pub trait ConnectorStore: Send + Sync {
    /// Reads a store's connector to a provider, consistently.
    async fn load(&self, store: &StoreId, provider: ProviderId) -> Result<Option<Connector>, PortError>;

    /// Writes it if the stored revision is `connector.revision` (0: none stored), and raises it in both.
    async fn save(&self, connector: &mut Connector) -> Result<(), PortError>;

    /// Keeps the state of a connect attempt until it is used or `expires_at`. Keyed by the hash of the state.
    async fn put_state(&self, pending: &PendingConnect) -> Result<(), PortError>;

    /// Uses a state up: deletes it by one conditional write that checks hash, provider, shop, cookie hash and
    /// `now < expires_at`, and returns it. None where any of these does not hold; then nothing changed, and the
    /// state is still there for its owner.
    async fn consume_state(
        &self,
        state_hash: &str,
        provider: ProviderId,
        shop: &ShopDomain,
        cookie_hash: &str,
        now: Timestamp,
    ) -> Result<Option<PendingConnect>, PortError>;

    /// Reads a state without using it up, to explain a refusal to its owner.
    async fn peek_state(&self, state_hash: &str) -> Result<Option<PendingConnect>, PortError>;

    /// Claims a shop for an attempt to connect: pending until `pending_until`, then up for others again.
    /// True where the shop was free, pending and expired, or claimed by this very store. A claim that this store
    /// already confirmed stays exactly as it is, so that a failed reconnect cannot harm it.
    async fn claim_shop(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        store: &StoreId,
        install: &InstallId,
        now: Timestamp,
        pending_until: Timestamp,
    ) -> Result<bool, PortError>;

    /// Saves the connector as `save` does and confirms the claim on the shop of `connector.installation` for it:
    /// both or neither. The claim must be this store's and, where it is pending, this installation's.
    /// `PortError::Conflict` where the revision moved or the claim is not (or no longer) ours.
    async fn go_live(&self, connector: &mut Connector) -> Result<(), PortError>;

    /// Frees a claim if it is this installation's; one that is not is left alone, without an error.
    async fn release_claim(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        install: &InstallId,
    ) -> Result<(), PortError>;

    /// Takes the lease to refresh an installation's token until `until`; false where someone else holds it.
    async fn lease_refresh(
        &self,
        install: &InstallId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, PortError>;

    /// Gives the lease back.
    async fn release_refresh(&self, install: &InstallId) -> Result<(), PortError>;
}

/// What happened to connectors: only ever added to.
#[async_trait]
pub trait History: Send + Sync {
    /// Adds an entry. One with the same id that is there already is a success.
    async fn append(&self, entry: &HistoryEntry) -> Result<(), PortError>;

    /// Entries of a store's connector, newest first.
    async fn list(
        &self,
        store: &StoreId,
        provider: ProviderId,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<HistoryEntry>, PortError>;
}
