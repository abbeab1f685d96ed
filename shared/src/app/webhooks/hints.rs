//! A feed is finished: the run that waits for it looks at once instead of at its next turn. Only a hint: the run's own
//! looks go on, and whichever comes first makes the other find nothing to do.

use std::time::Duration;

use super::super::error::AppError;
use super::WebhookStep;
use crate::domain::ids::ProviderId;
use crate::domain::run::RunState;
use crate::ports::queue::{Step, StepMessage};
use crate::ports::webhooks::Owner;

impl WebhookStep {
    pub(super) async fn wake_run(
        &self,
        provider: ProviderId,
        owner: &Owner,
        handle: &str,
    ) -> Result<(), AppError> {
        let store = &owner.store;
        let Some(id) = self.runs.active(store, provider).await? else { return Ok(()) };
        let Some(run) = self.runs.load(store, provider, &id).await? else { return Ok(()) };
        let waits = run.install == owner.install
            && run.state == RunState::Extracting
            && run.feeds.values().any(|progress| !progress.ready && progress.handle == handle);
        if !waits {
            tracing::info!(run.id = %id, "no run waits for this feed");
            return Ok(());
        }
        // The run's own look has this number too: whichever comes second is dropped.
        let step = Step::Poll { hop: run.poll_hop };
        let message = StepMessage { store: store.clone(), provider, run: id, step };
        Ok(self.steps.send(&[message], Duration::ZERO).await?)
    }
}
