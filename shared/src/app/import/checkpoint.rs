//! Steps that run out of time. One that nears the end of its time keeps how far it came and sends its own message once
//! more; whoever receives that goes on from there.
//!
//! The message names the chunk and nothing else, so a twin of it, however late, goes on from the newest checkpoint or
//! finds the receipt. Two that go on at once stop at points of the same way: batches, pages and journals are cut by
//! what they hold, never by when a step stopped.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ImportStep, StepError};
use crate::app::error::AppError;
use crate::domain::run::{Cost, Receipt, Run};
use crate::domain::warning::Code;
use crate::ports::queue::Step;

/// Steps that one chunk may take in one phase. Each does at least one batch, and a chunk of the largest size allowed
/// has fewer batches than this.
const MAX_HOPS: u32 = 10_000;
/// The form of checkpoints.
const FORM: u32 = 1;

/// A place on the way through a chunk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Reached {
    /// Top-level objects that are done.
    pub objects: u64,
    /// Where the next one begins in the file.
    pub next: u64,
}

/// How far the steps of one chunk came in one phase.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Checkpoint<W> {
    pub v: u32,
    /// Steps that stopped so far.
    pub hop: u32,
    /// What is done.
    pub reached: Reached,
    /// The receipt as far as it goes.
    pub receipt: Receipt,
    /// What is done and not yet written.
    pub waiting: W,
}

/// How a step ended.
pub(super) enum Progress<W> {
    /// The chunk is done.
    Done(Receipt),
    /// Its time was up.
    Paused(Checkpoint<W>),
}

impl ImportStep {
    /// Whether no further batch is to be begun.
    pub(super) fn out_of_time(&self, until: Timestamp) -> bool {
        self.clock.now() >= until
    }

    /// Where to go on with a chunk: at its beginning, or where an earlier step stopped.
    pub(super) async fn resume<W: Default + serde::de::DeserializeOwned>(
        &self,
        run: &Run,
        fresh: Receipt,
    ) -> Result<Checkpoint<W>, StepError> {
        let mut cost = Cost::default();
        let place = self.place(run, fresh.chunk);
        let mut found = match place.checkpoint::<Checkpoint<W>>(fresh.phase, &mut cost).await? {
            None => {
                let waiting = W::default();
                Checkpoint { v: FORM, hop: 0, reached: Reached::default(), receipt: fresh, waiting }
            }
            Some(found) if found.v == FORM => found,
            Some(_) => return Err(AppError::bug("a checkpoint of an unknown form").into()),
        };
        found.receipt.cost.add(cost);
        Ok(found)
    }

    /// Keeps how far a step came and has it gone on with.
    pub(super) async fn go_on_later<W: Serialize>(
        &self,
        run: &Run,
        step: Step,
        mut checkpoint: Checkpoint<W>,
    ) -> Result<(), StepError> {
        checkpoint.hop += 1;
        if checkpoint.hop > MAX_HOPS {
            let detail = format!("A part of the catalogue was not done after {MAX_HOPS} steps.");
            return Err(StepError::fail(Code::RunItemFailed, detail));
        }
        let (phase, chunk) = (checkpoint.receipt.phase, checkpoint.receipt.chunk);
        self.place(run, chunk).put_checkpoint(phase, &checkpoint, &mut Cost::default()).await?;
        tracing::info!(hop = checkpoint.hop, "the time of a step is up; another goes on");
        Ok(self.queue.send(&[Self::message(run, step)], Duration::ZERO).await?)
    }
}
