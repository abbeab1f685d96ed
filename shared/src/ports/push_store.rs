//! What a push keeps: runs, rows, what became of them, what is known of each key, the budget, the messages of its steps.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Page, PortError};
use crate::domain::ids::{ProviderId, RunId, ShopId, StoreId};
use crate::domain::notice::Subject;
use crate::domain::push::change::Image;
use crate::domain::push::key::DestinationKey;
use crate::domain::push::ledger::ResultLine;
use crate::domain::push::run::PushRun;
use crate::domain::push::state::{KeyHash, KeyState};
use crate::domain::push::throttle::{Bucket, Predictor};

/// A request that the caller can make again without harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// The caller's own name for it.
    pub key: String,
    /// The fingerprint of what it asks for.
    pub body: String,
}

/// How a request to begin a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushBegan {
    /// The run is stored.
    New,
    /// The same request began this run before.
    Before(RunId),
    /// The caller used the name for something else.
    OtherBody,
}

/// Runs of pushes. They expire after 400 days.
#[async_trait]
pub trait PushRuns: Send + Sync {
    /// Stores a new run, and with it the name that the caller gave the request, both or neither. Names belong to their
    /// store and provider and are known for 24 hours at least.
    async fn begin(&self, run: &PushRun, once: Option<&Once>) -> Result<PushBegan, PortError>;

    /// What a name began, and the fingerprint it came with; none where it began nothing.
    async fn begun(
        &self,
        store: &StoreId,
        provider: ProviderId,
        key: &str,
    ) -> Result<Option<(RunId, String)>, PortError>;

    /// Reads one run, consistently.
    async fn load(
        &self,
        store: &StoreId,
        provider: ProviderId,
        run: &RunId,
    ) -> Result<Option<PushRun>, PortError>;

    /// Stores a changed run under the condition that the stored revision is `run.revision`, and raises it in both.
    /// `PortError::Conflict` where someone else was first.
    async fn save(&self, run: &mut PushRun) -> Result<(), PortError>;

    /// Runs of a store and provider, newest first.
    async fn list(
        &self,
        store: &StoreId,
        provider: ProviderId,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<PushRun>, PortError>;
}

/// Rows as they came. They expire after 30 days, and are encrypted: they may be about customers.
#[async_trait]
pub trait Inputs: Send + Sync {
    /// Stores a page of rows.
    async fn put(&self, store: &StoreId, run: &RunId, page: u32, bytes: Vec<u8>) -> Result<(), PortError>;

    /// Reads a page; none where it was never there or has expired.
    async fn get(&self, store: &StoreId, run: &RunId, page: u32) -> Result<Option<Vec<u8>>, PortError>;
}

/// That the image of a row is about a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mention {
    /// What an erasure names.
    pub subject: Subject,
    /// The run.
    pub run: RunId,
    /// The page.
    pub page: u32,
    /// The row.
    pub seq: u64,
}

/// What became of rows. Lines stay, and name nobody; images expire, and go earlier where a person is erased
/// ([`PersonalData`](super::webhooks::PersonalData)).
#[async_trait]
pub trait Results: Send + Sync {
    /// Stores the lines of a page, instead of those that are there. `PortError::Conflict` where those were put with a
    /// higher `fence`: whoever puts these is late.
    async fn put_lines(
        &self,
        store: &StoreId,
        run: &RunId,
        page: u32,
        fence: u64,
        lines: &[ResultLine],
    ) -> Result<(), PortError>;

    /// The lines of a page, consistently; none of one that was not gone through.
    async fn lines(&self, store: &StoreId, run: &RunId, page: u32) -> Result<Vec<ResultLine>, PortError>;

    /// Stores images of a page as its part of this number. `PortError::Conflict` where there is one.
    async fn put_images(
        &self,
        store: &StoreId,
        run: &RunId,
        page: u32,
        part: u32,
        images: &[Image],
        expires_at: Timestamp,
    ) -> Result<(), PortError>;

    /// Notes which images are about people, for as long as those are kept. What is noted twice is noted once, and where
    /// there is no such image yet, the note is there before it.
    async fn note_people(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        mentions: &[Mention],
        expires_at: Timestamp,
    ) -> Result<(), PortError>;

    /// The images of a page, consistently, by part.
    async fn images(&self, store: &StoreId, run: &RunId, page: u32) -> Result<Vec<Vec<Image>>, PortError>;
}

/// What is known of keys. It expires 400 days after it was last written.
#[async_trait]
pub trait KeyStates: Send + Sync {
    /// What is known of each key, consistently and in their order.
    async fn load(
        &self,
        store: &StoreId,
        provider: ProviderId,
        keys: &[KeyHash],
    ) -> Result<Vec<Option<KeyState>>, PortError>;

    /// Stores what is known of a key, under the condition that what is stored has the version before `state.version`,
    /// or for version 1 that nothing is. `PortError::Conflict` where someone else was first.
    async fn put(
        &self,
        store: &StoreId,
        provider: ProviderId,
        key: &KeyHash,
        state: &KeyState,
    ) -> Result<(), PortError>;
}

/// The budget of one shop as all who write to it share it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedBudget {
    /// What the shop has and who leases what of it.
    pub bucket: Bucket,
    /// What calls ask for.
    #[serde(default)]
    pub predictor: Predictor,
}

/// Budgets of shops, one for each store and provider.
#[async_trait]
pub trait Budgets: Send + Sync {
    /// The budget and its version, consistently; none where nobody wrote to the shop yet.
    async fn load(
        &self,
        store: &StoreId,
        provider: ProviderId,
    ) -> Result<Option<(SharedBudget, u64)>, PortError>;

    /// Stores it as the version after `version`, under the condition that this is the stored one, 0 that none is.
    /// `PortError::Conflict` where someone else was first.
    async fn save(
        &self,
        store: &StoreId,
        provider: ProviderId,
        budget: &SharedBudget,
        version: u64,
    ) -> Result<(), PortError>;
}

/// Go on with a run. The step reads everything else from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushMessage {
    /// The tenant that the run is looked up under.
    pub store: StoreId,
    /// The platform.
    pub provider: ProviderId,
    /// The run.
    pub run: RunId,
}

/// The queue of the steps of pushes. Delivers at least once, in any order.
#[async_trait]
pub trait PushQueue: Send + Sync {
    /// Sends a message in the store's fair-queue group. `delay` is at most 15 minutes.
    async fn send(&self, message: &PushMessage, delay: Duration) -> Result<(), PortError>;
}

/// Keys of data tools.
#[async_trait]
pub trait DestinationKeys: Send + Sync {
    /// Adds a key. One of the same id is a conflict.
    async fn add(&self, key: &DestinationKey) -> Result<(), PortError>;

    /// The key of a destination, consistently; taken back or not. Whoever asks has proven nothing yet: only
    /// `app/push/keys.rs` may, which compares the hash before anyone sees whose it is.
    async fn find(&self, id: &str) -> Result<Option<DestinationKey>, PortError>;

    /// The keys of a store and provider, taken back or not.
    async fn list(&self, store: &StoreId, provider: ProviderId) -> Result<Vec<DestinationKey>, PortError>;

    /// Takes a key back; false where the store has none of this id. One that was taken back before stays as it is.
    async fn revoke(
        &self,
        store: &StoreId,
        provider: ProviderId,
        id: &str,
        at: Timestamp,
    ) -> Result<bool, PortError>;

    /// Notes that a key was used. Of two times the later one stays; of a key that is not there nothing.
    async fn used(&self, id: &str, at: Timestamp) -> Result<(), PortError>;
}
