//! What has to be looked after without anyone asking: loose ends of installations, and connectors that are live.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::PortError;
use crate::domain::claim::NotClosed;
use crate::domain::connection::LooseEnd;
use crate::domain::ids::{InstallId, ProviderId, ShopDomain, StoreId};

/// How often a connector that is live is looked after.
pub const CARE_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Something whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The tenant.
    pub store: StoreId,
    /// The platform.
    pub provider: ProviderId,
    /// The installation whose loose end it is; none where it is the connector itself.
    pub install: Option<InstallId>,
    /// Since when, in whole seconds.
    pub at: Timestamp,
}

/// How asking for a loose end ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// It is ours to tie up.
    Taken,
    /// Someone else is at it.
    Busy {
        /// Until when, at the latest.
        until: Timestamp,
    },
    /// Another one of the same installation has taken its place.
    Changed,
    /// It is struck out, or was never there.
    Gone,
}

/// The list of unfinished business. An entry is put down before what it speaks of is done, so that no crash can leave
/// a token, a claim or an app that nobody knows of.
#[async_trait]
pub trait LooseEnds: Send + Sync {
    /// Puts one down, or replaces the one of the same installation, whoever has taken that.
    async fn put_loose_end(&self, end: &LooseEnd) -> Result<(), PortError>;

    /// Those of a store's connector, consistently.
    async fn loose_ends(&self, store: &StoreId, provider: ProviderId) -> Result<Vec<LooseEnd>, PortError>;

    /// Takes one until `until`, if it is still the very one that was read and nobody has it at `now`. From then on its
    /// installation cannot go live.
    async fn take_loose_end(
        &self,
        end: &LooseEnd,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Take, PortError>;

    /// Gives one back that was taken until `until`, so that others may take it from `now` on. One that is someone
    /// else's by now is left alone, without an error.
    async fn give_back_loose_end(
        &self,
        end: &LooseEnd,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), PortError>;

    /// Strikes one out, if it is still the very one that was read. One that is not, or not there, is left alone,
    /// without an error.
    async fn strike_loose_end(&self, end: &LooseEnd) -> Result<(), PortError>;

    /// Takes a shop for putting this installation away: until `until` nobody can claim it, not even its own store.
    /// Not where another installation has it: then the app over there is that one's and must stay. Nor while other
    /// attempts count on it: then that is not known yet.
    async fn close_claim(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        store: &StoreId,
        install: &InstallId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Result<(), NotClosed>, PortError>;

    /// What is due at `now`, longest first, at most `limit`. May be some moments behind.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, PortError>;

    /// Moves it to `until`; false where someone else was first or there is nothing to look after any more.
    async fn postpone(&self, due: &Due, until: Timestamp) -> Result<bool, PortError>;
}
