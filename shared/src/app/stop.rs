//! Asks the run that is under way to stop, because what it reads from is going. Its own steps carry that out.

use super::configure::ATTEMPTS;
use super::error::AppError;
use crate::domain::ids::{InstallId, ProviderId, StoreId};
use crate::domain::run::{RunEvent, RunState};
use crate::ports::PortError;
use crate::ports::runs::RunStore;
use crate::ports::time::Clock;

/// Asks the run of a store's connector to stop; with `of`, only if it reads from this installation.
pub(super) async fn stop_run(
    runs: &dyn RunStore,
    clock: &dyn Clock,
    store: &StoreId,
    provider: ProviderId,
    of: Option<&InstallId>,
) -> Result<(), AppError> {
    for _ in 0..ATTEMPTS {
        let Some(id) = runs.active(store, provider).await? else { return Ok(()) };
        let Some(mut run) = runs.load(store, provider, &id).await? else { return Ok(()) };
        let other = of.is_some_and(|install| run.install != *install);
        if other || run.cancel_requested || run.state.is_final() {
            return Ok(());
        }
        let now = clock.now();
        run.cancel_requested = true;
        run.updated_at = now;
        // One that waits for a decision has no step under way that would see it.
        if run.state == RunState::AwaitingDecision {
            run.not_applied = std::mem::take(&mut run.counts);
            run.take(RunEvent::Stopped, now).map_err(AppError::bug)?;
        }
        match runs.save(&mut run).await {
            Ok(()) => return Ok(()),
            Err(PortError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(PortError::Conflict.into())
}
