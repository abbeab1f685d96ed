//! Messages between steps.

use std::time::Duration;

use async_trait::async_trait;

use super::PortError;
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::domain::run::ChunkId;

/// What a step is to do. Bodies carry ids only; the step reads everything else from its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Ask the shop to collect its catalogue.
    Extract,
    /// Look whether the shop has collected it.
    Poll {
        /// How often it was looked for already.
        hop: u32,
    },
    /// Read and compare one chunk.
    Plan {
        /// The chunk.
        chunk: ChunkId,
        /// The generation of the plan.
        generation: u32,
    },
    /// Write one chunk.
    Apply {
        /// The chunk.
        chunk: ChunkId,
        /// The generation of the plan.
        generation: u32,
    },
    /// Take one chunk of an earlier run back.
    Undo {
        /// The chunk of the earlier run.
        chunk: ChunkId,
    },
    /// Add up and finish.
    Verify,
    /// Copy files beside a run that has ended.
    Media {
        /// How often copying was handed over already.
        hop: u32,
    },
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepMessage {
    /// The tenant that the run is looked up under.
    pub store: StoreId,
    /// The platform.
    pub provider: ProviderId,
    /// The run.
    pub run: RunId,
    /// What to do.
    pub step: Step,
}

/// The queue that a batch of messages came from.
#[async_trait]
pub trait Redelivery: Send + Sync {
    /// Lets a message that is in hand come again after `wait`, and not before. Where that fails it comes when the queue
    /// thinks fit.
    async fn put_off(&self, receipt_handle: &str, wait: Duration) -> Result<(), PortError>;
}

/// The queue of steps. Delivers at least once, in any order.
#[async_trait]
pub trait StepQueue: Send + Sync {
    /// Sends messages, all in the store's fair-queue group. `delay` is at most 15 minutes.
    async fn send(&self, messages: &[StepMessage], delay: Duration) -> Result<(), PortError>;
}
