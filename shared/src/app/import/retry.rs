//! Retrying: the records of a run that were not written for a passing reason, and no others, from a fresh look at the
//! shop.

use std::collections::BTreeSet;

use super::begin::Asked;
use super::pages::Chunk;
use super::reach::drop_blocked;
use super::requests::{Asker, Imports};
use super::{ImportStep, StepError};
use crate::app::error::AppError;
use crate::domain::ids::RunId;
use crate::domain::options::RunOptions;
use crate::domain::plan::{Outcome, PlanEntry};
use crate::domain::record::{Digest, Kind};
use crate::domain::run::{ChunkId, Cost, Feed, Phase, Receipt, Run, RunKind};
use crate::domain::warning::Code;
use crate::ports::runs::PageKind;

/// Why a record was left that may well be written by now.
const PASSING: [Code; 3] = [Code::RunItemFailed, Code::SrcChildTruncated, Code::RunPlanStale];
/// More records than this are not retried one by one: importing again costs less.
const MOST: u64 = 50_000;

impl Imports {
    /// Begins to try the failed records of a run again, and returns the id of the run that does.
    pub async fn retry(
        &self,
        asker: Asker<'_>,
        of_run: &RunId,
        idempotency_key: Option<&str>,
    ) -> Result<RunId, AppError> {
        let asked = Asked::Retry(of_run).fingerprint()?;
        if let Some(begun) = self.begun_before(&asker, idempotency_key, asked).await? {
            return Ok(begun);
        }
        let failed = self.load(asker.store, asker.provider, of_run).await?;
        if !failed.state.is_final() {
            return Err(AppError::conflict(
                "run_active",
                "This run is still going on. Wait for it or cancel it.",
            ));
        }
        if let Some(by) = &failed.undone_by {
            return Err(AppError::conflict("already_undone", format!("Run {by} has undone this import.")));
        }
        let records = match failed.kind {
            RunKind::Import | RunKind::Retry => self.failed_records(&failed).await?,
            RunKind::Preview | RunKind::Undo => 0,
        };
        if records == 0 {
            return Err(AppError::conflict(
                "nothing_to_retry",
                "No record of this run failed for a reason that passes. Its warnings tell what else to do.",
            ));
        }
        if records > MOST {
            return Err(AppError::conflict(
                "too_much_to_retry",
                format!(
                    "{records} records failed; more than {MOST} are not retried one by one. Import again."
                ),
            ));
        }
        let connector = self.live(&asker).await?;
        let mut run = self.new_run(&asker, &connector, RunKind::Retry, asked)?;
        if run.source != failed.source {
            return Err(AppError::conflict(
                "run_of_other_shop",
                "This run read another shop than the one that is connected now. Import again.",
            ));
        }
        run.of_run = Some(failed.id);
        run.wanted = failed.wanted;
        run.decisions = failed.decisions;
        run.options = RunOptions { limit: None, ..failed.options };
        let Some(installation) = &connector.installation else { return Err(AppError::not_found()) };
        drop_blocked(&mut run, &installation.scopes, self.extract.as_ref())?;
        self.begin(run, idempotency_key).await
    }

    async fn failed_records(&self, run: &Run) -> Result<u64, AppError> {
        let (planned, applied) = self.receipts(run).await?;
        Ok(planned.iter().chain(&applied).map(passing).sum())
    }
}

fn passing(receipt: &Receipt) -> u64 {
    PASSING.iter().filter_map(|code| receipt.warnings.get(code)).sum()
}

/// Whether a record was left for a passing reason, and is one that the shop had.
fn is_passing(entry: &PlanEntry) -> bool {
    matches!(entry.outcome, Outcome::Failed | Outcome::Blocked)
        && entry.source != Digest(0)
        && entry.codes.iter().any(|code| PASSING.contains(code))
}

impl ImportStep {
    /// Looks up what a retry is to try and keeps it with the run, once: the run that it was of no longer changes.
    pub(super) async fn look_up_failed(&self, run: &Run) -> Result<(), StepError> {
        let mut cost = Cost::default();
        let Some(of_run) = &run.of_run else { return Err(AppError::bug("a retry of no run").into()) };
        let failed = self.runs.load(&run.store, run.provider, of_run).await?;
        let failed = failed.ok_or_else(|| AppError::bug("the run of a retry is gone"))?;
        let mut records = BTreeSet::new();
        for (phase, kind) in [(Phase::Plan, PageKind::Plan), (Phase::Apply, PageKind::Result)] {
            let receipts = self.runs.receipts(&run.store, of_run, phase, failed.generation).await?;
            for receipt in receipts.iter().filter(|receipt| passing(receipt) > 0) {
                let place = self.place(&failed, receipt.chunk);
                let pages = match phase {
                    Phase::Plan => receipt.page_numbers(),
                    Phase::Apply => (0..receipt.result_pages).collect(),
                };
                for page in pages {
                    let entries = place.entries(kind, page, &mut cost).await?;
                    records.extend(entries.iter().filter(|e| is_passing(e)).map(|e| (e.kind, e.external_id)));
                }
            }
        }
        Ok(self.place_to_retry(run).put_source(&records, &mut cost).await?)
    }

    /// What a retry is to try.
    pub(super) async fn to_retry(&self, run: &Run, cost: &mut Cost) -> Result<Vec<(Kind, u64)>, StepError> {
        let found = self.place_to_retry(run).source(cost).await?;
        Ok(found.ok_or_else(|| AppError::bug("what a retry is to try is gone"))?)
    }

    fn place_to_retry<'a>(&'a self, run: &'a Run) -> Chunk<'a> {
        Chunk::of_every_plan(self.runs.as_ref(), run, TO_RETRY)
    }
}

/// Where a retry keeps what it is to try: it looks for nothing missing, so the place is free.
const TO_RETRY: ChunkId = ChunkId { feed: Feed::Missing, index: 0 };
