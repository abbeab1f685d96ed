//! Import runs: the requests that begin, show and stop them, and the steps that carry them out.
//!
//! A step is idempotent: it loads its run, does its effects, writes a receipt, and lets `ImportStep::advance` hand
//! over to whatever comes next. A message that comes twice finds the receipt and only hands over again.

mod adopt;
mod advance;
mod apply;
mod begin;
pub mod brake;
mod checkpoint;
pub mod decisions;
mod extract;
mod media;
mod missing;
pub(crate) mod pages;
mod pick;
mod plan;
mod promised;
mod prove;
mod reach;
pub mod reconcile;
pub mod records;
mod replace;
pub mod requests;
mod retry;
mod shop;
pub mod shown;
mod stopped;
mod undo;
mod used;
mod verify;
mod warehouses;

use std::sync::Arc;

use jiff::Timestamp;

use crate::app::access::Access;
use crate::app::error::AppError;
use crate::app::media::CopyMedia;
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::domain::run::{Failure, Run, RunEvent, RunKind, RunState};
use crate::domain::warning::Code;
use crate::ports::PortError;
use crate::ports::catalog::Catalog;
use crate::ports::metrics::Metric;
use crate::ports::provider::{Extract, MapContext, ProviderError};
use crate::ports::queue::{Step, StepMessage, StepQueue};
use crate::ports::runs::RunStore;
use crate::ports::time::Clock;

/// Everything that a step of a run may use.
pub struct ImportStep {
    /// Tokens and connectors.
    pub access: Access,
    /// The platform's catalogue.
    pub extract: Arc<dyn Extract>,
    /// Runs.
    pub runs: Arc<dyn RunStore>,
    /// eshopOS records.
    pub catalog: Arc<dyn Catalog>,
    /// Copying files, beside runs.
    pub media: CopyMedia,
    /// The steps to come.
    pub queue: Arc<dyn StepQueue>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Bytes of a feed file that one step reads.
    pub chunk_bytes: u64,
}

/// Receives of a message after which it would go to the dead-letter queue.
pub const MAX_RECEIVES: u32 = 20;

/// Receives of a message that the shop throttled after which the run says so.
const LONG_THROTTLED: u32 = 5;

/// What becomes of a message.
#[derive(Debug)]
pub enum Disposition {
    /// Dealt with, for good or ill; it can go.
    Done,
    /// To be delivered again.
    Retry(AppError),
}

/// Why a step stopped.
#[derive(Debug)]
pub(crate) enum StepError {
    /// Trying again can help.
    Later(AppError),
    /// The run cannot go on.
    Fail(Failure),
}

impl StepError {
    pub(crate) fn fail(code: Code, detail: impl Into<String>) -> Self {
        Self::Fail(Failure { code, detail: detail.into() })
    }
}

impl From<PortError> for StepError {
    fn from(error: PortError) -> Self {
        Self::Later(error.into())
    }
}

impl From<AppError> for StepError {
    fn from(error: AppError) -> Self {
        match error.code {
            "needs_reauthorization" | "not_connected" => Self::fail(Code::ConnTokenInvalid, error.detail),
            "missing_scopes" => Self::fail(Code::ConnScopeMissing, error.detail),
            "shop_unavailable" => Self::fail(Code::ConnTokenInvalid, error.detail),
            _ => Self::Later(error),
        }
    }
}

impl From<ProviderError> for StepError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Malformed { why } => {
                Self::fail(Code::SrcScanIncomplete, format!("The shop's data cannot be read: {why}."))
            }
            ProviderError::ResultExpired => {
                Self::fail(Code::SrcResultExpired, "The shop's result file can no longer be downloaded.")
            }
            ProviderError::Refused { code } => Self::fail(
                Code::SrcPartialBulk,
                format!("The shop refused to collect the catalogue: {code}."),
            ),
            other => AppError::from(other).into(),
        }
    }
}

impl ImportStep {
    /// Carries out one step that may take as long as it takes.
    pub async fn handle(&self, message: &StepMessage, receives: u32) -> Disposition {
        self.handle_until(message, receives, Timestamp::MAX).await
    }

    /// Carries out one step, or as much of it as can be begun until its time is up. `receives` is how often the message
    /// was delivered, this time included: on the last delivery, what would be tried again breaks the run off instead,
    /// so that it ends truthfully.
    #[tracing::instrument(skip_all, fields(store.id = %message.store, run.id = %message.run, step = step_name(&message.step)))]
    pub async fn handle_until(&self, message: &StepMessage, receives: u32, until: Timestamp) -> Disposition {
        let result = match self.step(message, receives, until).await {
            Err(StepError::Later(error)) if receives >= MAX_RECEIVES => {
                tracing::error!(
                    code = error.code,
                    cause = error.cause(),
                    "a step was given up after its last delivery"
                );
                self.access.metrics.count(Metric::StepsPoison);
                let detail = format!("A step failed {receives} times; the last reason was `{}`.", error.code);
                Err(StepError::fail(Code::RunItemFailed, detail))
            }
            other => other,
        };
        let result = match result {
            Err(StepError::Fail(failure)) => self.break_off(message, failure).await,
            other => other,
        };
        match result {
            Ok(()) => Disposition::Done,
            Err(StepError::Later(error)) => {
                if error.code == "shop_throttled" && receives >= LONG_THROTTLED {
                    self.note_throttling(message).await;
                }
                Disposition::Retry(error)
            }
            Err(StepError::Fail(failure)) => Disposition::Retry(AppError::bug(failure.detail)),
        }
    }

    /// Says on the run that its shop has slowed it down. Where that cannot be said now, the next delivery says it.
    async fn note_throttling(&self, message: &StepMessage) {
        let noted = self.change(&message.store, message.provider, &message.run, |run| {
            let news = !run.state.is_final() && !run.warnings.contains_key(&Code::SrcThrottledLong);
            if news {
                run.warnings.insert(Code::SrcThrottledLong, 1);
            }
            Ok(news)
        });
        if let Err(StepError::Later(error)) = noted.await {
            tracing::warn!(code = error.code, "that the shop slows the run down could not be noted");
        }
    }

    async fn step(&self, message: &StepMessage, receives: u32, until: Timestamp) -> Result<(), StepError> {
        let Some(run) = self.runs.load(&message.store, message.provider, &message.run).await? else {
            tracing::warn!("a message names no run of this store; nothing was done");
            return Ok(());
        };
        if run.state.is_final() {
            if let Step::Media { hop } = message.step {
                return self.copy_media(run, hop, receives, until).await;
            }
            // Whoever ended it may have died before this.
            self.mark_undone(&run).await?;
            if receives > 1 {
                self.begin_copying(&run).await?;
            }
            return self.stop_collecting(&run).await;
        }
        if run.cancel_requested && run.state.writes_nothing_yet() {
            return self.advance(&message.store, message.provider, &message.run).await;
        }
        match &message.step {
            Step::Extract if run.kind == RunKind::Undo => self.begin_undo(run).await,
            Step::Extract => {
                if run.kind == RunKind::Retry && run.state == RunState::Queued {
                    self.look_up_failed(&run).await?;
                }
                self.begin_extract(run).await
            }
            Step::Poll { hop } => self.poll(run, *hop).await,
            Step::Plan { chunk, generation } => self.plan_chunk(run, *chunk, *generation, until).await,
            Step::Apply { chunk, generation } => self.apply_chunk(run, *chunk, *generation, until).await,
            Step::Undo { chunk } => self.undo_chunk(run, *chunk, until).await,
            Step::Verify => self.verify(run).await,
            // It is sent once the run has ended.
            Step::Media { .. } => Ok(()),
        }
    }

    /// Ends a run that cannot go on. Whatever was applied stays and can be undone.
    async fn break_off(&self, message: &StepMessage, failure: Failure) -> Result<(), StepError> {
        if matches!(message.step, Step::Media { .. }) {
            return self.give_up_copying(message).await;
        }
        let run = self
            .change(&message.store, message.provider, &message.run, |run| {
                if run.state.is_final() {
                    return Ok(false);
                }
                tracing::warn!(code = failure.code.as_str(), detail = %failure.detail, "the run broke off");
                *run.warnings.entry(failure.code).or_default() += 1;
                run.failure = Some(failure.clone());
                run.take(RunEvent::Broke, self.clock.now()).map_err(AppError::bug)?;
                Ok(true)
            })
            .await?;
        match run {
            Some(run) => {
                self.settle_counts(run).await?;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Loads a run, changes it and stores it; begins again where someone else was first. The change says whether
    /// there is anything to store. Returns the run as stored.
    pub(crate) async fn change(
        &self,
        store: &StoreId,
        provider: ProviderId,
        id: &RunId,
        mut change: impl FnMut(&mut Run) -> Result<bool, AppError>,
    ) -> Result<Option<Run>, StepError> {
        loop {
            let Some(mut run) = self.runs.load(store, provider, id).await? else { return Ok(None) };
            if !change(&mut run)? {
                return Ok(Some(run));
            }
            run.updated_at = self.clock.now();
            match self.runs.save(&mut run).await {
                Ok(()) => return Ok(Some(run)),
                Err(PortError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn context(run: &Run) -> MapContext {
        MapContext {
            currency: run.currency.clone().unwrap_or_default(),
            stock: run.wanted.contains(&crate::domain::run::Wanted::Stock),
        }
    }

    fn message(run: &Run, step: Step) -> StepMessage {
        StepMessage { store: run.store.clone(), provider: run.provider, run: run.id.clone(), step }
    }
}

fn step_name(step: &Step) -> &'static str {
    match step {
        Step::Extract => "extract",
        Step::Poll { .. } => "poll",
        Step::Plan { .. } => "plan",
        Step::Apply { .. } => "apply",
        Step::Undo { .. } => "undo",
        Step::Verify => "verify",
        Step::Media { .. } => "media",
    }
}
