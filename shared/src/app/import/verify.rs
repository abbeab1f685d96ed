//! Verifying: what was applied is added up, held against what was announced, and the run ends.

use super::media::copying_of;
use super::prove::Proof;
use super::stopped::left;
use super::{ImportStep, StepError};
use crate::app::error::AppError;
use crate::domain::plan::{CodeCounts, Counts, Outcome};
use crate::domain::run::{Cost, Phase, Receipt, Run, RunEvent, RunKind, RunState};
use crate::domain::warning::{Code, Severity};

/// The sums of a run's receipts.
pub(super) struct Sums {
    pub counts: Counts,
    pub warnings: CodeCounts,
    pub cost: Cost,
    /// Whether any chunk was passed over because the run was to stop.
    pub stopped: bool,
}

/// Adds up what has been done: from what was applied where a run has come that far, else from what was planned.
pub(super) fn sum(planned: &[Receipt], applied: &[Receipt]) -> Sums {
    let mut sums = Sums {
        counts: Counts::default(),
        warnings: CodeCounts::new(),
        cost: Cost::default(),
        stopped: false,
    };
    for receipt in planned {
        if applied.is_empty() {
            sums.counts.merge(&receipt.counts);
        }
        sums.add(receipt);
    }
    for receipt in applied {
        sums.counts.merge(&receipt.counts);
        sums.stopped |= receipt.skipped;
        sums.add(receipt);
    }
    sums
}

impl Sums {
    fn add(&mut self, receipt: &Receipt) {
        self.cost.add(receipt.cost);
        for (code, n) in &receipt.warnings {
            *self.warnings.entry(*code).or_default() += n;
        }
    }
}

impl ImportStep {
    async fn receipts(&self, run: &Run) -> Result<(Vec<Receipt>, Vec<Receipt>), StepError> {
        let planned = match run.kind {
            RunKind::Undo => Vec::new(),
            _ => self.runs.receipts(&run.store, &run.id, Phase::Plan, run.generation).await?,
        };
        let applied = self.runs.receipts(&run.store, &run.id, Phase::Apply, run.generation).await?;
        Ok((planned, applied))
    }

    pub(super) async fn verify(&self, run: Run) -> Result<(), StepError> {
        if run.state != RunState::Verifying {
            return self.advance(&run.store, run.provider, &run.id).await;
        }
        let (planned, applied) = self.receipts(&run).await?;
        let mut sums = sum(&planned, &applied);
        let receipts: Vec<&Receipt> = planned.iter().chain(&applied).collect();
        let proof = self.prove_stock(&run, &receipts).await?;
        if let Some(proof) = &proof {
            sums.cost.add(proof.cost);
        }
        let mut ours = false;
        let ended = self
            .change(&run.store, run.provider, &run.id, |run| {
                ours = run.state == RunState::Verifying;
                if !ours {
                    return Ok(false);
                }
                settle(run, &sums);
                if let Some(proof) = &proof {
                    proven(run, proof);
                }
                let stopped = run.cancel_requested && sums.stopped;
                if stopped {
                    run.not_applied = left(&planned, &applied);
                }
                if stopped && sums.cost.catalogue_writes > 0 {
                    *run.warnings.entry(Code::RunCancelledPartial).or_default() += 1;
                }
                let event = if stopped {
                    RunEvent::Stopped
                } else if needs_a_look(run) {
                    RunEvent::VerifiedWithWarnings
                } else {
                    RunEvent::VerifiedClean
                };
                run.take(event, self.clock.now()).map_err(AppError::bug)?;
                run.copying = copying_of(run);
                Ok(true)
            })
            .await?;
        match ended {
            Some(run) => {
                self.mark_undone(&run).await?;
                if ours { self.begin_copying(&run).await } else { Ok(()) }
            }
            None => Ok(()),
        }
    }

    /// Writes the final numbers of a run that broke off: what was applied until then.
    pub(super) async fn settle_counts(&self, run: Run) -> Result<(), StepError> {
        let (planned, applied) = self.receipts(&run).await?;
        let sums = sum(&planned, &applied);
        self.change(&run.store, run.provider, &run.id, |run| {
            run.counts = sums.counts.clone();
            run.cost = sums.cost;
            Ok(true)
        })
        .await?;
        Ok(())
    }

    /// Notes on the run that an undo took back that it did. One that was stopped has left something, and another can
    /// take that back.
    pub(super) async fn mark_undone(&self, run: &Run) -> Result<(), StepError> {
        let done = matches!(run.state, RunState::Completed | RunState::CompletedWithWarnings);
        let Some(of_run) = run.of_run.as_ref().filter(|_| done && run.kind == RunKind::Undo) else {
            return Ok(());
        };
        self.change(&run.store, run.provider, of_run, |undone| {
            let news = undone.undone_by.as_ref() != Some(&run.id);
            undone.undone_by = Some(run.id.clone());
            Ok(news)
        })
        .await?;
        Ok(())
    }
}

/// Puts the sums into the header. Warnings that the steps before planning noted there stay.
fn settle(run: &mut Run, sums: &Sums) {
    let early: CodeCounts = run
        .warnings
        .iter()
        .filter(|(code, _)| {
            matches!(
                code,
                Code::RunChunkRetried
                    | Code::InvSkippedNoScope
                    | Code::ConnScopeMissing
                    | Code::ConnScopeRevoked
                    | Code::SrcThrottledLong
            )
        })
        .map(|(code, n)| (*code, *n))
        .collect();
    run.warnings = sums.warnings.clone();
    run.warnings.extend(early);
    run.counts = sums.counts.clone();
    run.cost = sums.cost;
    let moved = run.announced.iter().any(|(resource, n)| run.counts.received(*resource) != *n);
    if moved && run.kind == RunKind::Import && !run.is_partial() {
        *run.warnings.entry(Code::SrcChangedDuringRun).or_default() += 1;
    }
}

/// Puts the verdict on the stock into the header. A row that differs twice running is no news of the shop's: another run
/// would not help.
fn proven(run: &mut Run, proof: &Proof) {
    run.drift = Some(proof.verdict);
    for (code, n) in [
        (Code::InvDrift, proof.verdict.rows - proof.verdict.repeated),
        (Code::InvDriftRepeated, proof.verdict.repeated),
        (Code::InvLocationUnmapped, proof.unmapped),
    ] {
        if n > 0 {
            *run.warnings.entry(code).or_default() += n;
        }
    }
}

fn needs_a_look(run: &Run) -> bool {
    let failed = run.counts.0.values().any(|outcomes| {
        [Outcome::Failed, Outcome::Blocked]
            .iter()
            .any(|outcome| outcomes.get(outcome).is_some_and(|n| *n > 0))
    });
    failed || run.warnings.keys().any(|code| code.severity() >= Severity::Warning)
}
