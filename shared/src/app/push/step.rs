//! One step of a run: it takes the lease, goes through pages until its time is up, and sends the next message.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Pushes;
use super::budget::StepBudget;
use super::desk::{Desk, Halt, Trouble};
use super::job::backs;
use super::page::{Paper, merged};
use crate::app::error::{AppError, ErrorKind};
use crate::app::import::{Disposition, MAX_RECEIVES};
use crate::domain::push::code::{Class, Code};
use crate::domain::push::inputs::{InputPage, NumberedRow};
use crate::domain::push::ledger::{Outcome, ResultLine, RowError};
use crate::domain::push::mapping::Mapping;
use crate::domain::push::run::{Counts, PushEvent, PushKind, PushRun, RunLease};
use crate::domain::push::target::{Definitions, Stream};
use crate::ports::PortError;
use crate::ports::metrics::Metric;
use crate::ports::push_store::PushMessage;

/// How long a lease is taken for, and renewed while the step lives.
const LEASE: SignedDuration = SignedDuration::from_secs(240);
/// It is renewed where less than this is left of it.
pub(super) const RENEW: SignedDuration = SignedDuration::from_secs(180);
/// How often a message is received that names no run yet: it is sent before the run is stored.
const TOO_EARLY: u32 = 5;
/// How often a message is received that finds someone else at work.
const TOO_MANY: u32 = 10;
/// Rounds of which nothing came after which a run is left to a person.
const IDLE_ROUNDS: u32 = 8;
/// The same while the shop says when it will go on: two days of it.
const THROTTLED_ROUNDS: u32 = 200;
/// The longest that a message can be held back.
const LONGEST_DELAY: Duration = Duration::from_secs(900);
/// Images of a plan are kept as long as its rows.
const PLAN_DAYS: u16 = 30;

fn busy(wait: SignedDuration) -> AppError {
    let retry_after = Duration::try_from(wait).ok();
    let kind = ErrorKind::Throttled { retry_after };
    AppError::new(kind, "run_busy", "Someone else works on this run at the moment.")
}

fn days(days: u16) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(days))
}

impl Pushes {
    /// Goes on with a run until `until`. `receives` is how often the message was delivered, this time included.
    #[tracing::instrument(skip_all, fields(store.id = %message.store, run.id = %message.run))]
    pub async fn handle_until(&self, message: &PushMessage, receives: u32, until: Timestamp) -> Disposition {
        let result = match self.step(message, receives, until).await {
            Err(error) if receives >= MAX_RECEIVES => {
                tracing::error!(
                    code = error.code,
                    cause = error.cause(),
                    "a step of a push was given up after its last delivery"
                );
                self.access.metrics.count(Metric::StepsPoison);
                self.give_up(message, &error).await
            }
            other => other,
        };
        match result {
            Ok(()) => Disposition::Done,
            Err(error) => Disposition::Retry(error),
        }
    }

    async fn give_up(&self, message: &PushMessage, error: &AppError) -> Result<(), AppError> {
        let why =
            RowError::ours(Code::Bug, format!("a step failed to the last; the reason was `{}`", error.code));
        self.change(&message.store, message.provider, &message.run, |run| {
            if run.state.is_final() {
                return Ok(false);
            }
            run.take(PushEvent::Stopped).map_err(AppError::bug)?;
            run.stopped = Some(why.clone());
            run.lease = None;
            Ok(true)
        })
        .await
        .map(|_| ())
    }

    /// Loads a run, changes it and stores it; begins again where someone else was first. The change says whether there is
    /// anything to store. Returns the run as stored.
    pub(super) async fn change(
        &self,
        store: &crate::domain::ids::StoreId,
        provider: crate::domain::ids::ProviderId,
        id: &crate::domain::ids::RunId,
        mut change: impl FnMut(&mut PushRun) -> Result<bool, AppError>,
    ) -> Result<Option<PushRun>, AppError> {
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

    async fn step(&self, message: &PushMessage, receives: u32, until: Timestamp) -> Result<(), AppError> {
        let Some(mut run) = self.runs.load(&message.store, message.provider, &message.run).await? else {
            if receives >= TOO_EARLY {
                tracing::warn!("a message names no run of this store; nothing was done");
                return Ok(());
            }
            let detail = "The run is not stored yet.";
            return Err(AppError::new(ErrorKind::Unavailable, "run_not_there", detail));
        };
        if run.state.is_final() {
            return Ok(());
        }
        let now = self.clock.now();
        if let Some(lease) = run.lease.filter(|lease| lease.until > now) {
            // Whoever has it sends the run on, and where that one is gone, its own message comes again.
            return if receives >= TOO_MANY { Ok(()) } else { Err(busy(lease.until.duration_since(now))) };
        }
        run.fence += 1;
        let fence = run.fence;
        run.lease = Some(RunLease { fence, until: now + LEASE });
        run.take(PushEvent::Began).map_err(AppError::bug)?;
        run.updated_at = now;
        match self.runs.save(&mut run).await {
            Ok(()) => {}
            Err(PortError::Conflict) => return Err(busy(SignedDuration::from_secs(1))),
            Err(error) => return Err(error.into()),
        }
        let halt = match self.desk(&run, fence, until).await {
            Ok(desk) => {
                let worked = self.work(&desk, &mut run).await;
                desk.budget.close().await;
                worked
            }
            Err(halt) => Err(halt),
        };
        self.leave(&run, fence, halt).await
    }

    /// Puts down how the step ended, and has the run gone on with.
    async fn leave(&self, run: &PushRun, fence: u64, ended: Result<(), Halt>) -> Result<(), AppError> {
        let (event, why) = match &ended {
            Ok(()) => (run.end(), None),
            Err(Halt::Stop(error)) => {
                let cancelled = error.code == Code::Cancelled.as_str();
                let event = if cancelled { PushEvent::Cancelled } else { PushEvent::Stopped };
                (Some(event), Some((**error).clone()))
            }
            Err(Halt::Overtaken) => return Ok(()),
            Err(Halt::Pause(_) | Halt::Later(_)) => (None, None),
        };
        let left = self.change(&run.store, run.provider, &run.id, |run| {
            if run.state.is_final() || run.fence != fence {
                return Ok(false);
            }
            run.lease = None;
            if let Some(event) = event {
                run.take(event).map_err(AppError::bug)?;
                run.stopped.clone_from(&why);
            }
            Ok(true)
        });
        match ended {
            Err(Halt::Later(error)) => {
                // The message comes again; where this is not put down, the lease ends by itself.
                if left.await.is_err() {
                    tracing::warn!("a run could not be left");
                }
                Err(error)
            }
            Err(Halt::Pause(wait)) => {
                left.await?;
                let message =
                    PushMessage { store: run.store.clone(), provider: run.provider, run: run.id.clone() };
                Ok(self.queue.send(&message, wait.min(LONGEST_DELAY)).await?)
            }
            _ => {
                left.await?;
                tracing::info!("a push ended");
                Ok(())
            }
        }
    }

    /// What the step works with.
    async fn desk(&self, run: &PushRun, fence: u64, until: Timestamp) -> Result<Desk<'_>, Halt> {
        if run.cancel_requested {
            return Err(Halt::stop(Code::Cancelled, "it was cancelled"));
        }
        let (connector, shop) = self.access.shop_access(&run.store, run.provider).await?;
        let installation = connector.installation.as_ref();
        if installation.is_none_or(|installation| installation.shop_id != run.shop) {
            let message = "the store is connected to another shop by now";
            return Err(Halt::stop(Code::ShopUnknown, message));
        }
        let granted = installation.map(|installation| installation.scopes.clone()).unwrap_or_default();
        let lacking = granted.lacking(&self.destination.scopes_of(run.stream));
        if !lacking.is_empty() {
            return Err(Halt::stop(Code::ScopeMissing, format!("not granted: {lacking}")));
        }
        let mut shop = shop;
        let mapping = self.mapping_of(run, &connector, &mut shop).await?;
        let (budgets, clock) = (self.budgets.clone(), self.clock.clone());
        let budget = StepBudget::new(budgets, clock, run.store.clone(), run.provider, until);
        Ok(Desk {
            app: self,
            run: run.clone(),
            fence,
            mapping,
            connector,
            shop: tokio::sync::Mutex::new(shop),
            budget,
            until,
            ids: Mutex::default(),
            told: Mutex::default(),
        })
    }

    async fn mapping_of(
        &self,
        run: &PushRun,
        connector: &crate::domain::connection::Connector,
        shop: &mut crate::ports::provider::ShopAccess,
    ) -> Result<Mapping, Halt> {
        let saved = self.mappings.revision(&run.store, run.provider, run.stream, run.mapping).await?;
        let document = saved.and_then(|saved| saved.document);
        let document = document.ok_or_else(|| Halt::Later(AppError::bug("a run names no mapping")))?;
        let definitions = if run.stream == Stream::InventoryLevels {
            Definitions::default()
        } else {
            let ask = async |shop: &_| self.destination.definitions(shop, run.stream).await;
            let asked = self.access.ask::<_, Trouble>(connector, shop, ask).await;
            asked.map_err(|trouble| match trouble {
                Trouble::Again { error, wait, .. } => {
                    let kind = ErrorKind::Throttled { retry_after: Some(wait) };
                    Halt::Later(AppError::new(kind, "shop_unreachable", error.message))
                }
                Trouble::Refused(error) => Halt::Stop(Box::new(error)),
                Trouble::Halt(halt) => halt,
            })?
        };
        Mapping::compile(&document, self.destination.targets(), &definitions, None).map_err(|problems| {
            let first = problems.first().map(|problem| format!("{}: {}", problem.path, problem.hint));
            Halt::stop(Code::SchemaDrift, first.unwrap_or_default())
        })
    }

    async fn work(&self, desk: &Desk<'_>, run: &mut PushRun) -> Result<(), Halt> {
        let mut from = 0;
        loop {
            let Some(page) = run.page_from(from) else {
                if run.open.is_empty() {
                    return Ok(());
                }
                return Err(self.end_of_round(desk, run).await?);
            };
            if desk.left().is_zero() {
                return Err(Halt::Pause(Duration::ZERO));
            }
            from = if page == run.next_page { 0 } else { page + 1 };
            self.one_page(desk, run, page).await?;
        }
    }

    /// Rows are pending on pages that were all gone through: they are gone through again after a while, but not for ever.
    async fn end_of_round(&self, desk: &Desk<'_>, run: &mut PushRun) -> Result<Halt, Halt> {
        let waiting = run.waiting.clone();
        self.put_down(desk, run, |run| {
            run.idle_rounds += 1;
            Ok(())
        })
        .await?;
        let throttled = waiting.as_ref().is_some_and(|error| error.class == Class::Throttle);
        let most = if throttled { THROTTLED_ROUNDS } else { IDLE_ROUNDS };
        if run.idle_rounds > most {
            let bug = || RowError::ours(Code::Bug, "rows are pending and nobody knows why");
            return Ok(Halt::Stop(Box::new(waiting.unwrap_or_else(bug))));
        }
        let delay = Duration::from_secs(30) * 2u32.pow(run.idle_rounds.min(5));
        Ok(Halt::Pause(delay.min(LONGEST_DELAY)))
    }

    /// Goes through one page and puts down what became of it, however far it came.
    async fn one_page(&self, desk: &Desk<'_>, run: &mut PushRun, page: u32) -> Result<(), Halt> {
        let (rows, mut paper) = self.paper(run, page).await?;
        let spent = desk.budget.spent();
        let result = desk.page(&mut paper, &rows).await;
        if matches!(result, Err(Halt::Overtaken)) {
            return result;
        }
        let lines: Vec<ResultLine> = paper.lines.values().cloned().collect();
        if paper.changed {
            paper.note_new_people(desk).await?;
            match self.results.put_lines(&run.store, &run.id, page, desk.fence, &lines).await {
                Ok(()) => {}
                Err(PortError::Conflict) => return Err(Halt::Overtaken),
                Err(error) => return Err(error.into()),
            }
        }
        let counts = Counts::of(&lines);
        let pending =
            lines.iter().rev().find(|line| line.outcome.is_none()).and_then(|line| line.error.clone());
        let points = if run.kind == PushKind::Plan { paper.forecast } else { desk.budget.spent() - spent };
        self.put_down(desk, run, |run| {
            run.count(page, paper.rows, counts, result.is_ok()).map_err(AppError::bug)?;
            run.points += points;
            run.deleting = run.deleting.max(paper.deleting);
            run.waiting = pending.clone().or(run.waiting.take().filter(|_| !run.open.is_empty()));
            Ok(())
        })
        .await?;
        result?;
        self.brake(run)
    }

    /// Stops a run of which too many rows failed, while there is something left to save.
    fn brake(&self, run: &PushRun) -> Result<(), Halt> {
        let percent = run.safety.stop_after_failed_percent;
        let writes = matches!(run.kind, PushKind::Write | PushKind::Apply | PushKind::Replay);
        if writes && percent < 100 && run.tally.pending() > 0 && run.tally.failed_more_than(percent) {
            let (failed, decided) =
                (run.tally.of(Outcome::Failed), run.tally.received() - run.tally.pending());
            return Err(Halt::stop(Code::FailedShare, format!("{failed} of {decided} rows failed")));
        }
        Ok(())
    }

    /// Changes the run that the step has taken; not where someone else has taken it since.
    async fn put_down(
        &self,
        desk: &Desk<'_>,
        run: &mut PushRun,
        mut change: impl FnMut(&mut PushRun) -> Result<(), AppError>,
    ) -> Result<(), Halt> {
        let mut overtaken = false;
        let changed = self.change(&run.store, run.provider, &run.id, |run| {
            overtaken = run.state.is_final() || run.fence != desk.fence;
            if overtaken {
                return Ok(false);
            }
            change(run)?;
            run.lease = Some(RunLease { fence: desk.fence, until: self.clock.now() + LEASE });
            Ok(true)
        });
        let changed = changed.await?;
        match changed {
            Some(changed) if !overtaken => *run = changed,
            _ => return Err(Halt::Overtaken),
        }
        Ok(())
    }

    /// Looks at the run between blocks: whether it is still ours, shall go on, and may.
    pub(super) async fn beat(&self, desk: &Desk<'_>, paper: &Paper) -> Result<(), Halt> {
        if desk.left().is_zero() {
            return Err(Halt::Pause(Duration::ZERO));
        }
        let (store, provider, id) = (&desk.run.store, desk.run.provider, &desk.run.id);
        let Some(mut run) = self.runs.load(store, provider, id).await? else { return Err(Halt::Overtaken) };
        if run.state.is_final() || run.fence != desk.fence {
            return Err(Halt::Overtaken);
        }
        if run.cancel_requested {
            return Err(Halt::stop(Code::Cancelled, "it was cancelled"));
        }
        let now = self.clock.now();
        if run.lease.is_none_or(|lease| lease.until < now + RENEW) {
            self.put_down(desk, &mut run, |_| Ok(())).await?;
        }
        let lines: Vec<ResultLine> = paper.lines.values().cloned().collect();
        run.count(paper.number, paper.rows, Counts::of(&lines), false).map_err(AppError::bug)?;
        self.brake(&run)
    }

    /// The rows of a page that the run is about, and what is known of them.
    async fn paper(&self, run: &PushRun, page: u32) -> Result<(Vec<NumberedRow>, Paper), Halt> {
        let store = &run.store;
        // What was written last is given back first.
        let source = if run.kind == PushKind::Undo { run.pages - 1 - page } else { page };
        let bytes = self.inputs.get(store, &run.rows_of, source).await?;
        let bytes = bytes.ok_or_else(|| Halt::stop(Code::RowsExpired, "the rows are not kept any more"))?;
        let mut rows = InputPage::read(&bytes).map_err(|error| Halt::Later(AppError::bug(error)))?.rows;
        let lines = self.results.lines(store, &run.id, page).await?;
        let parts = self.results.images(store, &run.id, page).await?;
        let part = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let (mut planned, mut back) = (None, HashMap::new());
        if let Some(of) = &run.of_run {
            let of_lines = if run.kind == PushKind::Apply {
                Vec::new()
            } else {
                self.results.lines(store, of, source).await?
            };
            let outcomes: HashMap<u64, Option<Outcome>> =
                of_lines.iter().map(|line| (line.seq, line.outcome)).collect();
            match run.kind {
                PushKind::Apply => planned = Some(merged(self.results.images(store, of, page).await?)),
                PushKind::Replay => rows.retain(|row| {
                    matches!(outcomes.get(&row.seq), Some(Some(Outcome::Failed) | None) | None)
                }),
                PushKind::Undo => {
                    let written =
                        |outcome| matches!(outcome, Some(Some(Outcome::Created | Outcome::Updated)));
                    rows.retain(|row| written(outcomes.get(&row.seq).copied()));
                    back = backs(&of_lines, &merged(self.results.images(store, of, source).await?));
                }
                PushKind::Plan | PushKind::Write => {}
            }
        }
        let kept = if run.kind == PushKind::Plan { PLAN_DAYS } else { run.safety.undo_days };
        let paper = Paper {
            number: page,
            rows: u32::try_from(rows.len()).unwrap_or(u32::MAX),
            lines: lines.into_iter().map(|line| (line.seq, line)).collect::<BTreeMap<_, _>>(),
            intents: merged(parts),
            part,
            planned,
            backs: back,
            expires_at: self.clock.now() + days(kept),
            deleting: run.deleting,
            forecast: 0,
            changed: false,
        };
        Ok((rows, paper))
    }
}
