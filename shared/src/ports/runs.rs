//! Runs and what they leave behind.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Page, PortError};
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::domain::run::{ChunkId, Cost, Phase, Receipt, Run};

/// What a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PageKind {
    /// Source records that cannot be read again as a file (locations).
    Source,
    /// Decisions.
    Plan,
    /// External ids that the chunk saw.
    Seen,
    /// Before-images.
    Journal,
    /// Results that differ from the plan.
    Result,
    /// Stock levels that are not equal on both sides.
    Drift,
    /// How far a step came that ran out of time.
    Checkpoint,
}

impl PageKind {
    /// The stable name used in keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Plan => "plan",
            Self::Seen => "seen",
            Self::Journal => "journal",
            Self::Result => "result",
            Self::Drift => "drift",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// The address of one page.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PageKey {
    /// The run.
    pub run: RunId,
    /// The chunk.
    pub chunk: ChunkId,
    /// The generation of the plan it belongs to.
    pub generation: u32,
    /// What it holds.
    pub kind: PageKind,
    /// Its number, from 0.
    pub number: u32,
}

/// How a request to begin a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Began {
    /// The run is stored and holds the lock of its store and provider.
    New,
    /// The same idempotency key began this run before.
    Before(RunId),
    /// Another run holds the lock.
    Busy(RunId),
}

/// A run that holds the lock of its store and provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveRun {
    /// The tenant.
    pub store: StoreId,
    /// The platform.
    pub provider: ProviderId,
    /// The run.
    pub run: RunId,
}

/// Runs of a store. Everything in it expires; `Run` headers after 400 days, pages after 30.
#[async_trait]
pub trait RunStore: Send + Sync {
    /// Stores a new run and takes the lock of its store and provider, both or neither.
    /// The lock is not taken over: a run frees it when it ends.
    async fn begin(&self, run: &Run, idempotency_key: Option<&str>) -> Result<Began, PortError>;

    /// The run that an idempotency key began; none where it began none.
    async fn begun(
        &self,
        store: &StoreId,
        provider: ProviderId,
        idempotency_key: &str,
    ) -> Result<Option<RunId>, PortError>;

    /// Reads one run, consistently.
    async fn load(
        &self,
        store: &StoreId,
        provider: ProviderId,
        run: &RunId,
    ) -> Result<Option<Run>, PortError>;

    /// Stores a changed header under the condition that the stored revision is `run.revision`, and raises it in
    /// both. Frees the lock in the same transaction where the state is final. `PortError::Conflict` where someone
    /// else was first.
    async fn save(&self, run: &mut Run) -> Result<(), PortError>;

    /// Runs of a store and provider, newest first.
    async fn list(
        &self,
        store: &StoreId,
        provider: ProviderId,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<Run>, PortError>;

    /// The run that holds the lock.
    async fn active(&self, store: &StoreId, provider: ProviderId) -> Result<Option<RunId>, PortError>;

    /// The runs of all stores that have held their lock since before a moment, longest first, at most `limit`, from
    /// where the page before ended. May be some moments behind.
    async fn active_since(
        &self,
        before: Timestamp,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<Page<ActiveRun>, PortError>;

    /// Stores a receipt if there is none for its run, phase, generation and chunk; tells whether it did.
    async fn put_receipt(
        &self,
        store: &StoreId,
        run: &RunId,
        receipt: &Receipt,
        cost: &mut Cost,
    ) -> Result<bool, PortError>;

    /// All receipts of a phase and generation, by chunk.
    async fn receipts(
        &self,
        store: &StoreId,
        run: &RunId,
        phase: Phase,
        generation: u32,
    ) -> Result<Vec<Receipt>, PortError>;

    /// One receipt.
    async fn receipt(
        &self,
        store: &StoreId,
        run: &RunId,
        phase: Phase,
        generation: u32,
        chunk: ChunkId,
    ) -> Result<Option<Receipt>, PortError>;

    /// Stores a page of at most 300 KB. With `keep_first`, a page that is there already stays as it is.
    async fn put_page(
        &self,
        store: &StoreId,
        key: &PageKey,
        bytes: Vec<u8>,
        keep_first: bool,
        cost: &mut Cost,
    ) -> Result<(), PortError>;

    /// Reads a page.
    async fn page(
        &self,
        store: &StoreId,
        key: &PageKey,
        cost: &mut Cost,
    ) -> Result<Option<Vec<u8>>, PortError>;
}
