//! Connectors, the states of connecting, claims on shops, history.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::loose::LooseEnds;
use super::{Page, PortError};
use crate::domain::connection::{Connector, HistoryEntry, LooseEnd, PendingConnect};
use crate::domain::history::ChainedEntry;
use crate::domain::ids::{InstallId, ProviderId, ShopDomain, StoreId};

/// How often the token of one installation may be refreshed in a window.
pub const REFRESH_CAP: u32 = 6;
/// How long such a window lasts. It begins with the first refresh after the one before has ended.
pub const REFRESH_WINDOW: Duration = Duration::from_secs(60 * 60);

/// How asking for the lease to refresh a token ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// It is ours.
    Taken {
        /// The how manieth of its window this is, from 1.
        nth: u32,
    },
    /// Someone else holds it.
    Busy {
        /// Until when, at the latest.
        until: Timestamp,
    },
    /// The window has seen as many refreshes as are allowed.
    Capped {
        /// When the next one begins.
        until: Timestamp,
    },
}

/// What becomes of a lease that is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// A refresh was asked for: it counts.
    Used,
    /// None was needed: it does not count.
    Unused,
    /// One was asked for in vain, and nobody should ask again before this.
    Pause(Timestamp),
}

/// Connector records: one per store and provider.
#[async_trait]
pub trait ConnectorStore: LooseEnds {
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

    /// Claims a shop for an attempt to connect, which counts on it until `pending_until`. True where the shop was free,
    /// or this very store's and not closing; other attempts of the store count on it as before. A claim that this
    /// store already confirmed stays so, so that a failed reconnect cannot harm it.
    async fn claim_shop(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        store: &StoreId,
        install: &InstallId,
        now: Timestamp,
        pending_until: Timestamp,
    ) -> Result<bool, PortError>;

    /// Saves the connector as `save` does, confirms the claim on the shop of `connector.installation` for it and puts
    /// the loose ends down: all or nothing. This installation's attempt must count on the claim; a loose end of this
    /// very installation must be on the list already, and never taken. `PortError::Conflict` where the revision moved,
    /// or the claim or the loose end is not (or no longer) there.
    async fn go_live(&self, connector: &mut Connector, ends: &[LooseEnd]) -> Result<(), PortError>;

    /// Saves the connector, which no longer uses an installation, as `save` does and puts down what is left to do
    /// about that one: both or neither.
    async fn let_go(&self, connector: &mut Connector, end: &LooseEnd) -> Result<(), PortError>;

    /// This installation needs the shop no more, whether it confirmed the claim or counted on it: the claim is freed with
    /// the last that does. One on which it does not count is left alone, without an error.
    async fn release_claim(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        install: &InstallId,
    ) -> Result<(), PortError>;

    /// An attempt counts on a claim no more; it is freed with the last that does. One that the attempt has confirmed, or
    /// that is closing for it, stays: the attempt may be live without knowing it.
    async fn give_up_claim(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        install: &InstallId,
    ) -> Result<(), PortError>;

    /// Takes the lease to refresh an installation's token until `until`, where nobody holds it and fewer than
    /// [`REFRESH_CAP`] were taken in the window under way. Lease and count are one conditional write.
    async fn lease_refresh(
        &self,
        install: &InstallId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, PortError>;

    /// Gives back the lease that was taken until `until`. One that has ended and is someone else's by now is left
    /// alone, without an error.
    async fn release_refresh(
        &self,
        install: &InstallId,
        until: Timestamp,
        release: Release,
    ) -> Result<(), PortError>;
}

/// What happened to connectors: only ever added to, one chain for each.
#[async_trait]
pub trait History: Send + Sync {
    /// Adds an entry to the end of its connector's chain, however many do so at once. One with the same id that is
    /// there already is a success and stays as it is.
    async fn append(&self, entry: &HistoryEntry) -> Result<(), PortError>;

    /// Entries of a store's connector, newest first.
    async fn list(
        &self,
        store: &StoreId,
        provider: ProviderId,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<ChainedEntry>, PortError>;
}
