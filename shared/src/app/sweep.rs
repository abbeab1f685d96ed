//! What nobody asks for and has to be done: loose ends tied up, connections kept alive and told of changes, stalled
//! runs woken.
//!
//! A sweep does a bounded amount of work within its time. Each piece is put off before it is begun, so that one that
//! cannot be done, or that kills the sweep, comes again later and keeps nothing else waiting, and so that two sweeps
//! at once share the work.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use jiff::Timestamp;

use super::access::Access;
use super::care::Because;
use super::error::AppError;
use super::webhooks::subscribe;
use crate::domain::connection::{ConnectorState, Method};
use crate::domain::ids::InstallId;
use crate::domain::run::{Run, RunState};
use crate::ports::loose::{CARE_EVERY, Due};
use crate::ports::metrics::Metric;
use crate::ports::queue::{Step, StepMessage, StepQueue};
use crate::ports::runs::{ActiveRun, RunStore};
use crate::ports::webhooks::WebhookQueue;
use crate::ports::{Page, PortError, chain};

/// A run whose header has not moved for so long is stalled.
pub const STALLED_AFTER: Duration = Duration::from_secs(30 * 60);
/// A run that has nothing on the queue, as far as its header says, is sent on after this: whoever should have done so
/// has died on the way, and it was not a step, which would have come again.
pub const UNSENT_AFTER: Duration = Duration::from_secs(5 * 60);
/// A run that was sent on is not sent on again before this: the message has its own deliveries until then.
const WAKE_AGAIN: Duration = Duration::from_secs(30 * 60);
/// A connection that could not be looked after is tried again after this.
const CARE_AGAIN: Duration = Duration::from_secs(60 * 60);
/// A loose end that could not be tied up is tried again after this, and more rarely the longer it takes.
const TIE_AGAIN: Duration = Duration::from_secs(15 * 60);
/// Not more rarely than this.
const TIE_AT_LEAST_EVERY: Duration = Duration::from_secs(6 * 60 * 60);
/// What is read of the list at a time.
const PAGE: usize = 40;
/// What is done at a time.
const AT_ONCE: usize = 8;
/// Runs that are looked at before the next are read.
const RUNS: usize = 200;

/// Everything that a sweep may use.
pub struct Sweep {
    /// Connectors, history, tokens, the platform, the time.
    pub access: Access,
    /// Runs.
    pub runs: Arc<dyn RunStore>,
    /// The steps of runs that are woken.
    pub queue: Arc<dyn StepQueue>,
    /// Where shops are asked from to tell us.
    pub webhooks: Arc<dyn WebhookQueue>,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Loose ends that were tied up.
    pub loose_ends: u64,
    /// Connections that were looked after.
    pub connections: u64,
    /// Pieces of work that are tried again later.
    pub postponed: u64,
    /// Runs that had not moved for too long.
    pub stalled_runs: u64,
}

/// What became of one piece of work.
enum Done {
    Tied,
    Cared,
    /// Another sweep has it, or it is gone.
    Nothing,
}

impl Sweep {
    /// Sweeps until there is nothing left to do or no time. Never fails: what failed is logged, and due again later.
    #[tracing::instrument(skip_all)]
    pub async fn sweep(&self, until: Timestamp) -> Swept {
        let mut swept = Swept { stalled_runs: self.wake_stalled_runs(until).await, ..Swept::default() };
        while self.access.clock.now() < until {
            let found = self.access.connectors.due(self.access.clock.now(), PAGE).await;
            let found = found.unwrap_or_else(|error| {
                tracing::error!(cause = chain(&error), "what is due could not be read");
                Vec::new()
            });
            let mut moved = false;
            for due in found.chunks(AT_ONCE).take_while(|_| self.access.clock.now() < until) {
                for done in join_all(due.iter().map(|due| self.one(due))).await {
                    moved |= !matches!(done, Some(Done::Nothing));
                    match done {
                        Some(Done::Tied) => swept.loose_ends += 1,
                        Some(Done::Cared) => swept.connections += 1,
                        Some(Done::Nothing) => {}
                        None => swept.postponed += 1,
                    }
                }
            }
            if !moved {
                break;
            }
        }
        self.access.metrics.record(&[(Metric::ConnectionsDue, swept.connections + swept.postponed)]);
        tracing::info!(
            sweep.loose_ends = swept.loose_ends,
            sweep.connections = swept.connections,
            sweep.postponed = swept.postponed,
            sweep.stalled_runs = swept.stalled_runs,
            "swept"
        );
        swept
    }

    /// Does one piece of work; none where it is to be tried again.
    async fn one(&self, due: &Due) -> Option<Done> {
        let work = AssertUnwindSafe(self.work(due)).catch_unwind();
        let done = work.await.unwrap_or_else(|_| Err(AppError::bug("looking after it panicked")));
        match done {
            Ok(done) => Some(done),
            Err(error) => {
                let (store, code, cause) = (&due.store, error.code, error.cause());
                let install = due.install.as_ref().map(InstallId::as_str);
                tracing::warn!(store.id = %store, install.id = install, code, cause, "it is tried again later");
                None
            }
        }
    }

    async fn work(&self, due: &Due) -> Result<Done, AppError> {
        let again = if due.install.is_some() { TIE_AGAIN } else { CARE_AGAIN };
        let later = self.access.clock.now() + again;
        if !self.access.connectors.postpone(due, later).await? {
            return Ok(Done::Nothing);
        }
        let put_off = Due { at: later, ..due.clone() };
        match &due.install {
            Some(install) => self.tie_up(&put_off, install).await,
            None => self.care(&put_off).await,
        }
    }

    async fn tie_up(&self, due: &Due, install: &InstallId) -> Result<Done, AppError> {
        let ends = self.access.connectors.loose_ends(&due.store, due.provider).await?;
        let Some(end) = ends.into_iter().find(|end| end.install == *install) else {
            return Ok(Done::Nothing);
        };
        let tied = self.access.tie_up(&end).await;
        if tied.is_err() {
            let now = self.access.clock.now();
            let waited = Duration::try_from(now.duration_since(end.due)).unwrap_or_default();
            let later = now + waited.clamp(TIE_AGAIN, TIE_AT_LEAST_EVERY);
            self.access.connectors.postpone(due, later).await?;
        }
        tied.map(|_| Done::Tied)
    }

    /// What is done once a day for every connection that is live: one line each.
    async fn care(&self, due: &Due) -> Result<Done, AppError> {
        let (store, provider) = (&due.store, due.provider);
        let connector = self.access.connectors.load(store, provider).await?;
        let live = connector.filter(|connector| connector.state() == ConnectorState::Live);
        let Some(used) = live.and_then(|connector| connector.installation) else {
            return Ok(Done::Nothing);
        };
        match self.access.look_after(store, provider, &used.id, Because::Due).await {
            // It is dead and says so now; nobody has to come again.
            Err(error) if error.code == "needs_reauthorization" => return Ok(Done::Cared),
            looked => looked?,
        }
        // What the shop tells us it may have dropped, or was never asked for; what is there already costs one look.
        if used.method == Method::Oauth {
            let now = self.access.clock.now();
            subscribe::ask(self.webhooks.as_ref(), store, provider, &used, now).await?;
        }
        self.access.connectors.postpone(due, self.access.clock.now() + CARE_EVERY).await?;
        Ok(Done::Cared)
    }

    /// Sends runs that stand still the message that makes them look again at what is left to do. Tells how many of them
    /// are stalled.
    async fn wake_stalled_runs(&self, until: Timestamp) -> u64 {
        let now = self.access.clock.now();
        let (mut stalled, mut oldest) = (0, Duration::ZERO);
        let mut cursor = None;
        // Page by page: runs that wait for a person hold their lock for days and must not hide those behind them.
        loop {
            let page = self.runs.active_since(now - UNSENT_AFTER, cursor, RUNS).await;
            let page = page.unwrap_or_else(|error| {
                tracing::error!(cause = chain(&error), "runs could not be looked for");
                Page { items: Vec::new(), next: None }
            });
            for run in page.items {
                match self.wake(&run, now).await {
                    Ok(None) => {}
                    Ok(Some(still)) => {
                        stalled += 1;
                        oldest = oldest.max(still);
                    }
                    Err(error) => {
                        let (code, cause) = (error.code, error.cause());
                        tracing::error!(code, cause, run.id = %run.run, "a run could not be woken");
                    }
                }
            }
            cursor = page.next.filter(|_| self.access.clock.now() < until);
            if cursor.is_none() {
                break;
            }
        }
        let values = [(Metric::StalledRuns, stalled), (Metric::OldestStalledRunAgeSeconds, oldest.as_secs())];
        self.access.metrics.record(&values);
        stalled
    }

    /// Sends a run on if it stands still; tells for how long, where it is stalled.
    async fn wake(&self, active: &ActiveRun, now: Timestamp) -> Result<Option<Duration>, AppError> {
        let ActiveRun { store, provider, run: id } = active;
        let Some(mut run) = self.runs.load(store, *provider, id).await? else { return Ok(None) };
        if run.state == RunState::AwaitingDecision {
            // It waits for a person, who does not come: that is no fault of ours and counts as none.
            if run.give_up_waiting(now)? {
                self.runs.save(&mut run).await?;
                tracing::warn!(store.id = %store, run.id = %id, "nobody decided about the missing; the run ended");
            }
            return Ok(None);
        }
        let since = |then: Timestamp| Duration::try_from(now.duration_since(then)).unwrap_or_default();
        let still = since(run.updated_at);
        let stalled = (still > STALLED_AFTER).then_some(still);
        let waits = still <= if run.handed_off { STALLED_AFTER } else { UNSENT_AFTER };
        let woken = run.woken_at.is_some_and(|then| since(then) <= WAKE_AGAIN);
        if run.state.is_final() || waits {
            return Ok(None);
        }
        if woken {
            return Ok(stalled);
        }
        // Its messages may be lost: they are handed out anew. Those that are not find their receipts and do nothing.
        run.handed_off = false;
        if !self.saved(&mut run).await? {
            return Ok(None);
        }
        let message =
            StepMessage { store: store.clone(), provider: *provider, run: id.clone(), step: Step::Extract };
        self.queue.send(&[message], Duration::ZERO).await?;
        // Noted once it is sent: a sweep that dies before this is made good by the next.
        run.woken_at = Some(now);
        self.saved(&mut run).await?;
        let duration_ms = u64::try_from(still.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(store.id = %store, run.id = %id, duration_ms, "woke a run that stood still");
        Ok(stalled)
    }

    /// False where the run has moved in this very moment.
    async fn saved(&self, run: &mut Run) -> Result<bool, AppError> {
        match self.runs.save(run).await {
            Ok(()) => Ok(true),
            Err(PortError::Conflict) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
