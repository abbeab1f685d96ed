//! Beginning a run: once for each idempotency key, one at a time for each store and platform.

use std::time::Duration;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::requests::{Asker, Imports, StartRun};
use crate::app::error::AppError;
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::domain::run::{Run, RunState};
use crate::ports::queue::{Step, StepMessage};
use crate::ports::runs::Began;

/// What a request that begins a run asks for.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Asked<'a> {
    /// A preview or an import.
    Start(&'a StartRun),
    /// To take a run back.
    Undo(&'a RunId),
    /// To try again what a run left.
    Retry(&'a RunId),
}

impl Asked<'_> {
    /// A number that equal requests have in common, kept with the run.
    pub fn fingerprint(&self) -> Result<u64, AppError> {
        Ok(xxh3_64(&serde_json::to_vec(self).map_err(AppError::bug)?))
    }
}

impl Imports {
    /// The run that an earlier request with this key began; none where there was no such request. It is asked first:
    /// a repeated request gets its run, whatever has become of what it was about.
    pub(super) async fn begun_before(
        &self,
        asker: &Asker<'_>,
        key: Option<&str>,
        asked: u64,
    ) -> Result<Option<RunId>, AppError> {
        let Some(key) = key else { return Ok(None) };
        let Some(id) = self.runs.begun(asker.store, asker.provider, key).await? else { return Ok(None) };
        self.same_request(asker.store, asker.provider, &id, asked).await?;
        Ok(Some(id))
    }

    /// Stores a new run and sends its first message.
    pub(super) async fn begin(&self, run: Run, key: Option<&str>) -> Result<RunId, AppError> {
        match self.runs.begin(&run, key).await? {
            Began::New => {
                self.send_first(&run).await?;
                Ok(run.id)
            }
            Began::Before(id) => {
                let asked = run.asked.unwrap_or_default();
                self.same_request(&run.store, run.provider, &id, asked).await?;
                Ok(id)
            }
            Began::Busy(id) => Err(AppError::conflict(
                "run_active",
                format!("Run {id} is going on for this store. Wait for it or cancel it."),
            )),
        }
    }

    /// Refuses a key that began something else. Sends the first message again where it may be lost: the request that
    /// began the run may have ended before it did.
    async fn same_request(
        &self,
        store: &StoreId,
        provider: ProviderId,
        id: &RunId,
        asked: u64,
    ) -> Result<(), AppError> {
        let Some(run) = self.runs.load(store, provider, id).await? else { return Ok(()) };
        // A run of an earlier version does not know what was asked.
        if run.asked.is_some_and(|before| before != asked) {
            return Err(AppError::conflict(
                "idempotency_key_reused",
                format!("This Idempotency-Key began run {id} with another request. Use a new key."),
            ));
        }
        if run.state == RunState::Queued {
            self.send_first(&run).await?;
        }
        Ok(())
    }

    /// Sends the message that makes a run look what it has to do next.
    pub(super) async fn send_first(&self, run: &Run) -> Result<(), AppError> {
        let first = StepMessage {
            store: run.store.clone(),
            provider: run.provider,
            run: run.id.clone(),
            step: Step::Extract,
        };
        Ok(self.queue.send(&[first], Duration::ZERO).await?)
    }
}
