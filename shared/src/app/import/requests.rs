//! What people ask of runs: begin, look, stop, take back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::begin::Asked;
use super::reach::drop_blocked;
use super::shown::{Progress, ShownPage, ShownRun};
use super::verify::sum;
use crate::app::error::{AppError, ErrorKind};
use crate::domain::connection::Connector;
use crate::domain::decision::Decisions;
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::domain::options::{AskedOptions, OptionsProblem, RunOptions};
use crate::domain::plan::{CodeCounts, Counts};
use crate::domain::record::Source;
use crate::domain::run::{Cost, Phase, Receipt, Run, RunEvent, RunKind, RunState, Wanted};
use crate::ports::PortError;
use crate::ports::connectors::ConnectorStore;
use crate::ports::provider::Extract;
use crate::ports::queue::StepQueue;
use crate::ports::runs::RunStore;
use crate::ports::time::{Clock, Random};

/// An import can be taken back for this long.
const UNDO_WINDOW: Duration = Duration::from_secs(30 * 24 * 3600);
/// A preview can be carried out for this long.
const PREVIEW_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Everything that requests about runs may use. No right on tokens, none on records.
pub struct Imports {
    /// Connectors.
    pub connectors: Arc<dyn ConnectorStore>,
    /// What each resource needs.
    pub extract: Arc<dyn Extract>,
    /// Runs.
    pub runs: Arc<dyn RunStore>,
    /// The steps to come.
    pub queue: Arc<dyn StepQueue>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub random: Arc<dyn Random>,
}

/// A request to begin a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StartRun {
    /// Whether only to look.
    pub preview: bool,
    /// What to import; everything where none is named.
    pub resources: Option<BTreeSet<Wanted>>,
    /// The preview to carry out.
    pub from_preview: Option<RunId>,
    /// What is chosen for it.
    pub options: AskedOptions,
}

/// Who asks, about which connector.
#[derive(Debug, Clone)]
pub struct Asker<'a> {
    /// The tenant.
    pub store: &'a StoreId,
    /// The platform.
    pub provider: ProviderId,
    /// The subject of the caller's token.
    pub subject: &'a str,
}

impl Imports {
    /// Begins a preview or an import, and returns its id. The same idempotency key returns the same run.
    pub async fn start(
        &self,
        asker: Asker<'_>,
        request: StartRun,
        idempotency_key: Option<&str>,
    ) -> Result<RunId, AppError> {
        let asked = Asked::Start(&request).fingerprint()?;
        if let Some(begun) = self.begun_before(&asker, idempotency_key, asked).await? {
            return Ok(begun);
        }
        let connector = self.live(&asker).await?;
        let mut run = self.new_run(&asker, &connector, RunKind::Import, asked)?;
        if request.preview {
            run.kind = RunKind::Preview;
        }
        let asked = request.resources.unwrap_or_else(|| BTreeSet::from(Wanted::ALL));
        run.wanted = asked;
        if let Some(id) = request.from_preview {
            if request.preview {
                return Err(AppError::invalid(
                    "preview_of_preview",
                    "`from_preview` goes with mode `run`; a preview is always made anew.",
                ));
            }
            let preview = self.load(asker.store, asker.provider, &id).await?;
            self.check_preview(&preview, &run)?;
            run.wanted = preview.wanted.clone();
            run.options = request.options.of_preview(preview.options).map_err(refused)?;
            run.mass_missing = preview.mass_missing;
            run.from_preview = Some(id);
            run.decisions = preview.decisions.clone();
        } else {
            run.options = request.options.resolve(!request.preview).map_err(refused)?;
        }
        let Some(installation) = &connector.installation else { return Err(AppError::not_found()) };
        drop_blocked(&mut run, &installation.scopes, self.extract.as_ref())?;
        self.begin(run, idempotency_key).await
    }

    /// Begins to take an import back, and returns the id of the run that does.
    pub async fn undo(
        &self,
        asker: Asker<'_>,
        of_run: &RunId,
        idempotency_key: Option<&str>,
    ) -> Result<RunId, AppError> {
        let asked = Asked::Undo(of_run).fingerprint()?;
        if let Some(begun) = self.begun_before(&asker, idempotency_key, asked).await? {
            return Ok(begun);
        }
        let undone = self.load(asker.store, asker.provider, of_run).await?;
        if !matches!(undone.kind, RunKind::Import | RunKind::Retry) {
            return Err(AppError::conflict(
                "not_undoable",
                "Only an import can be undone; this run wrote none.",
            ));
        }
        if !undone.state.is_final() {
            return Err(AppError::conflict("run_active", "This run is still going on. Cancel it first."));
        }
        if let Some(by) = &undone.undone_by {
            return Err(AppError::conflict("already_undone", format!("Run {by} has undone this import.")));
        }
        if self.age(&undone) > UNDO_WINDOW {
            return Err(AppError::conflict("undo_expired", "An import can be undone for 30 days."));
        }
        let now = self.clock.now();
        let run = Run {
            id: RunId::new(self.random.uuid(now)),
            revision: 0,
            kind: RunKind::Undo,
            state: RunState::Queued,
            of_run: Some(of_run.clone()),
            from_preview: None,
            asked: Some(asked),
            blocked: BTreeMap::new(),
            decisions: Decisions::default(),
            requested_by: asker.subject.to_owned(),
            created_at: now,
            updated_at: now,
            state_since: now,
            finished_at: None,
            cancel_requested: false,
            stage: 0,
            handed_off: false,
            woken_at: None,
            announced: BTreeMap::new(),
            counts: Counts::default(),
            not_applied: Counts::default(),
            warnings: CodeCounts::new(),
            cost: Cost::default(),
            drift: None,
            failure: None,
            copying: None,
            ..undone
        };
        self.begin(run, idempotency_key).await
    }

    /// Asks a run to stop. One that writes nothing yet stops at once, one that writes after the chunks under way.
    pub async fn cancel(
        &self,
        store: &StoreId,
        provider: ProviderId,
        id: &RunId,
    ) -> Result<ShownRun, AppError> {
        loop {
            let mut run = self.load(store, provider, id).await?;
            if run.state.is_final() {
                return if run.state == RunState::Cancelled {
                    self.shown(run).await
                } else {
                    Err(AppError::conflict("run_ended", "This run has ended; there is nothing to cancel."))
                };
            }
            run.cancel_requested = true;
            let now = self.clock.now();
            run.updated_at = now;
            if run.state.writes_nothing_yet() {
                // Of an import, what it had planned; nothing of it is applied.
                if run.kind != RunKind::Preview {
                    run.not_applied = std::mem::take(&mut run.counts);
                }
                run.take(RunEvent::Stopped, now).map_err(AppError::bug)?;
            }
            match self.runs.save(&mut run).await {
                Ok(()) => return self.shown(run).await,
                Err(PortError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// One run, with numbers as fresh as its receipts.
    pub async fn get(&self, store: &StoreId, provider: ProviderId, id: &RunId) -> Result<ShownRun, AppError> {
        let run = self.load(store, provider, id).await?;
        self.shown(run).await
    }

    /// Runs, newest first, with the numbers of their headers.
    pub async fn list(
        &self,
        store: &StoreId,
        provider: ProviderId,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<ShownPage<ShownRun>, AppError> {
        let page = self.runs.list(store, provider, cursor, limit).await.map_err(bad_cursor)?;
        let items = page
            .items
            .iter()
            .map(|run| ShownRun::new(run, run.counts.clone(), &run.warnings, run.cost, None))
            .collect();
        Ok(ShownPage { items, next_cursor: page.next })
    }

    pub(super) async fn load(
        &self,
        store: &StoreId,
        provider: ProviderId,
        id: &RunId,
    ) -> Result<Run, AppError> {
        self.runs.load(store, provider, id).await?.ok_or_else(AppError::not_found)
    }

    pub(super) async fn receipts(&self, run: &Run) -> Result<(Vec<Receipt>, Vec<Receipt>), AppError> {
        let planned = match run.kind {
            RunKind::Undo => Vec::new(),
            _ => self.runs.receipts(&run.store, &run.id, Phase::Plan, run.generation).await?,
        };
        let applied = self.runs.receipts(&run.store, &run.id, Phase::Apply, run.generation).await?;
        Ok((planned, applied))
    }

    pub(super) async fn shown(&self, run: Run) -> Result<ShownRun, AppError> {
        if run.state.is_final() {
            return Ok(ShownRun::new(&run, run.counts.clone(), &run.warnings, run.cost, None));
        }
        let (planned, applied) = self.receipts(&run).await?;
        let sums = sum(&planned, &applied);
        let progress = self.progress(&run, &planned, &applied);
        Ok(ShownRun::new(&run, sums.counts, &sums.warnings, sums.cost, Some(progress)))
    }

    fn progress(&self, run: &Run, planned: &[Receipt], applied: &[Receipt]) -> Progress {
        let lines = |receipts: &[Receipt]| receipts.iter().map(|receipt| receipt.lines).sum::<u64>();
        let collected: u64 = run.feeds.values().map(|feed| feed.objects).sum();
        let (done, total) = match run.state {
            RunState::Planning => (lines(planned), Some(collected)),
            _ if run.kind == RunKind::Undo => {
                let chunks: u64 = run.feeds.values().map(|feed| u64::from(feed.chunks)).sum();
                (applied.len() as u64, Some(chunks))
            }
            RunState::Applying | RunState::Verifying => (lines(applied), Some(lines(planned))),
            // What the shop counts by itself is less than the objects it will deliver, so it bounds nothing.
            _ => (collected, None),
        };
        let seconds = self.clock.now().duration_since(run.state_since).as_secs_f64().max(0.001);
        let per_second = done as f64 / seconds;
        let left = total.map(|total| total.saturating_sub(done));
        let eta_seconds = left.filter(|_| done > 0).map(|left| (left as f64 / per_second).ceil() as u64);
        Progress { done, total, per_second: (per_second * 10.0).round() / 10.0, eta_seconds }
    }

    pub(super) async fn live(&self, asker: &Asker<'_>) -> Result<Connector, AppError> {
        let connector = self.connectors.load(asker.store, asker.provider).await?;
        connector.filter(|connector| connector.installation.is_some() && connector.reason.is_none()).ok_or_else(
            || {
                AppError::conflict(
                    "not_connected",
                    "This store is not connected to a shop. Connect it first; its card says what is in the way.",
                )
            },
        )
    }

    pub(super) fn new_run(
        &self,
        asker: &Asker<'_>,
        connector: &Connector,
        kind: RunKind,
        asked: u64,
    ) -> Result<Run, AppError> {
        let Some(installation) = &connector.installation else { return Err(AppError::not_found()) };
        let now = self.clock.now();
        Ok(Run {
            store: asker.store.clone(),
            provider: asker.provider,
            id: RunId::new(self.random.uuid(now)),
            revision: 0,
            kind,
            state: RunState::Queued,
            of_run: None,
            from_preview: None,
            undone_by: None,
            asked: Some(asked),
            source: Source { provider: asker.provider, shop_id: installation.shop_id },
            shop_domain: installation.shop.clone(),
            install: installation.id.clone(),
            currency: Some(installation.currency.clone()),
            wanted: BTreeSet::new(),
            blocked: BTreeMap::new(),
            options: RunOptions::default(),
            mass_missing: None,
            decisions: Decisions::default(),
            requested_by: asker.subject.to_owned(),
            created_at: now,
            updated_at: now,
            finished_at: None,
            cancel_requested: false,
            feeds: BTreeMap::new(),
            generation: 0,
            stage: 0,
            handed_off: false,
            poll_hop: 0,
            woken_at: None,
            state_since: now,
            announced: BTreeMap::new(),
            counts: Counts::default(),
            not_applied: Counts::default(),
            warnings: CodeCounts::new(),
            cost: Cost::default(),
            drift: None,
            failure: None,
            copying: None,
        })
    }

    pub(super) fn check_preview_age(&self, preview: &Run) -> Result<(), AppError> {
        if self.age(preview) > PREVIEW_LIFE {
            return Err(AppError::conflict("preview_expired", "A preview holds for 7 days. Make a new one."));
        }
        Ok(())
    }

    fn check_preview(&self, preview: &Run, run: &Run) -> Result<(), AppError> {
        if preview.kind != RunKind::Preview || preview.state != RunState::AwaitingReview {
            return Err(AppError::conflict(
                "not_a_preview",
                "`from_preview` must name a preview that ended in `awaiting_review`.",
            ));
        }
        if preview.source != run.source {
            return Err(AppError::conflict(
                "preview_of_other_shop",
                "The preview was made of another shop. Make a new one.",
            ));
        }
        self.check_preview_age(preview)
    }

    fn age(&self, run: &Run) -> Duration {
        let since = run.finished_at.unwrap_or(run.created_at);
        Duration::try_from(self.clock.now().duration_since(since)).unwrap_or_default()
    }
}

/// Options that cannot be had, and why.
fn refused(problem: OptionsProblem) -> AppError {
    let code = match problem {
        OptionsProblem::NothingToImport | OptionsProblem::LimitedKnowsNoMissing => "invalid_options",
        OptionsProblem::DeleteNotConfirmed => "delete_not_confirmed",
        OptionsProblem::NotThePreviews(_) => "options_differ",
    };
    AppError::invalid(code, format!("These options cannot be had: {problem}."))
}

/// A cursor that this list did not give out is the caller's mistake.
pub(crate) fn bad_cursor(error: PortError) -> AppError {
    match error {
        PortError::Malformed { what: "cursor", .. } => AppError::new(
            ErrorKind::Invalid,
            "invalid_cursor",
            "This cursor is not one of this list's. Begin again without a cursor.",
        ),
        other => other.into(),
    }
}
