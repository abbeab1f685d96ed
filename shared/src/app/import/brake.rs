//! The brake: a mass of missing records holds an import until someone says what is to become of them. A lost scope, a
//! filter or the wrong shop look just like a merchant who cleared the shelves, and only the merchant knows which it is.

use std::collections::HashMap;
use std::time::Duration;

use super::requests::Imports;
use super::shown::ShownRun;
use crate::app::error::AppError;
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::domain::options::MassMissing;
use crate::domain::plan::{Outcome, PlanEntry};
use crate::domain::record::Kind;
use crate::domain::run::{Failure, Run, RunEvent, RunKind, RunState};
use crate::domain::warning::Code;
use crate::ports::PortError;
use jiff::Timestamp;

/// More missing than this many records and than one in [`SHARE`] is not believed without asking.
const RECORDS: usize = 20;
const SHARE: usize = 20;

/// How long a run waits for a decision. What the shop collected can be read for seven days; the last of them is left
/// for applying.
pub const DECIDE_WITHIN: Duration = Duration::from_secs(6 * 24 * 3600);

/// Whether so many missing of so many stored are a mass.
pub(super) fn is_mass(missing: usize, stored: usize) -> bool {
    missing > RECORDS.max(stored / SHARE)
}

impl Run {
    /// The moment until which it waits for a decision; none where it does not wait.
    pub fn decide_by(&self) -> Option<Timestamp> {
        (self.state == RunState::AwaitingDecision).then(|| self.state_since + DECIDE_WITHIN)
    }

    /// Ends a run for which nobody decided in time; tells whether it did. It has written nothing.
    pub(crate) fn give_up_waiting(&mut self, now: Timestamp) -> Result<bool, AppError> {
        if self.decide_by().is_none_or(|until| now <= until) {
            return Ok(false);
        }
        self.failure = Some(Failure {
            code: Code::MissMassBrake,
            detail:
                "Nobody decided within 6 days what is to become of the missing records. Nothing was written."
                    .to_owned(),
        });
        self.updated_at = now;
        self.take(RunEvent::Broke, now).map_err(AppError::bug)?;
        Ok(true)
    }
}

impl Imports {
    /// Says what is to become of a mass of missing records: of the run that waits for it, or of a preview that is to
    /// be carried out. The same answer again changes nothing.
    pub async fn decide_missing(
        &self,
        store: &StoreId,
        provider: ProviderId,
        id: &RunId,
        answer: MassMissing,
    ) -> Result<ShownRun, AppError> {
        loop {
            let mut run = self.load(store, provider, id).await?;
            let waits = run.state == RunState::AwaitingDecision;
            let preview = run.state == RunState::AwaitingReview;
            let asked = run.warnings.contains_key(&Code::MissMassBrake);
            if run.mass_missing == Some(answer) && !preview {
                // The request that said so may have ended before it sent the message.
                self.send_first(&run).await?;
                return self.shown(run).await;
            }
            if !(waits || preview && asked) || run.cancel_requested {
                return Err(AppError::conflict(
                    "nothing_to_decide",
                    "This run does not wait for a decision about missing records.",
                ));
            }
            let now = self.clock.now();
            run.mass_missing = Some(answer);
            run.updated_at = now;
            if waits {
                run.take(RunEvent::Decided, now).map_err(AppError::bug)?;
            }
            match self.runs.save(&mut run).await {
                Ok(()) if waits => {
                    self.send_first(&run).await?;
                    return self.shown(run).await;
                }
                Ok(()) => return self.shown(run).await,
                Err(PortError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Takes out of a chunk's entries what the merchant said to leave; as it is to be listed.
pub(super) fn leave(run: &Run, entries: &mut HashMap<(Kind, u64), PlanEntry>) -> Vec<PlanEntry> {
    if run.mass_missing != Some(MassMissing::Leave) {
        return Vec::new();
    }
    let of_mass = |entry: &PlanEntry| entry.codes.contains(&Code::MissMassBrake);
    let mut left: Vec<PlanEntry> =
        entries.extract_if(|_, entry| of_mass(entry)).map(|(_, entry)| entry).collect();
    for entry in &mut left {
        entry.outcome = Outcome::Blocked;
    }
    left.sort_by_key(|entry| (entry.external_id, entry.kind));
    left
}

/// Whether a run whose plan is done has to wait: an import that found a mass missing, and nobody has said a word.
pub(super) fn holds(run: &Run) -> bool {
    run.kind == RunKind::Import
        && run.mass_missing.is_none()
        && run.warnings.contains_key(&Code::MissMassBrake)
}
