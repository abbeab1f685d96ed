//! What a caller asks for: a plan, a write, a replay, an undo, an end.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Pushes;
use crate::app::audit::Actor;
use crate::app::error::{AppError, ErrorKind};
use crate::app::import::Disposition;
use crate::domain::connection::{Connector, Installation};
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::domain::push::inputs::pages;
use crate::domain::push::ledger::{Outcome, Tally};
use crate::domain::push::mapping::Mapping;
use crate::domain::push::row::Row;
use crate::domain::push::run::{PushKind, PushRun, PushState, Safety};
use crate::domain::push::saved::SavedMapping;
use crate::domain::push::state::fingerprint;
use crate::domain::push::target::{Definitions, Stream};
use crate::ports::push_store::{Once, PushBegan, PushMessage};

/// The most rows of one request.
pub const MOST_ROWS: usize = 100_000;
/// The message of a run that its request carries out waits so long: it is only needed where the request dies.
const AFTER_REQUEST: Duration = Duration::from_secs(40);
/// The longest name of a request.
const LONGEST_KEY: usize = 255;

/// Rows to be written or planned.
pub struct Submitted {
    /// What they fill.
    pub stream: Stream,
    /// The rows; none for a line that is no JSON object.
    pub rows: Vec<Option<Row>>,
    /// The brakes.
    pub safety: Safety,
    /// The caller's own name for the request, from its `Idempotency-Key`.
    pub key: Option<String>,
}

/// How a replay goes about it.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReplayOptions {
    /// Whether the mapping in force is used instead of the one that the run was made with.
    pub newest_mapping: bool,
    /// Whether orders are sent again of which it is not known whether they were made: someone has looked.
    pub send_in_doubt: bool,
}

/// Whether and until when the request itself carries the run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Until then, and steps do the rest.
    Sync(Timestamp),
    /// Steps do everything.
    Accept,
}

fn no_mapping() -> AppError {
    AppError::conflict("no_mapping", "This stream has no mapping. Save one first.")
}

fn reused() -> AppError {
    let detail = "This Idempotency-Key was used for another request. Use a new one.";
    AppError::conflict("idempotency_key_reused", detail)
}

/// The fingerprint of a request, without which its name means nothing.
fn body_of(
    kind: PushKind,
    stream: Stream,
    of: Option<&RunId>,
    safety: Safety,
    rows: &[Option<Row>],
) -> String {
    let rows = serde_json::to_string(rows).unwrap_or_default();
    let of = of.map(RunId::to_string).unwrap_or_default();
    fingerprint(&[&format!("{kind:?} {safety:?}"), stream.as_str(), &of, &rows])
}

impl Pushes {
    /// Begins a plan or a write. The same request under the same name begins one run.
    #[tracing::instrument(skip_all, fields(store.id = %actor.store, provider = %provider))]
    pub async fn submit(
        &self,
        actor: Actor<'_>,
        provider: ProviderId,
        kind: PushKind,
        submitted: Submitted,
        mode: Mode,
    ) -> Result<PushRun, AppError> {
        let Submitted { stream, rows, safety, key } = submitted;
        if rows.is_empty() {
            return Err(AppError::invalid("no_rows", "There are no rows. Send at least one."));
        }
        if rows.len() > MOST_ROWS {
            let detail = format!("There are {} rows. Send at most {MOST_ROWS} at once.", rows.len());
            return Err(AppError::invalid("too_many_rows", detail));
        }
        check(safety)?;
        let body = body_of(kind, stream, None, safety, &rows);
        let once = key.map(|key| Once { key, body });
        if let Some(run) = self.begun_before(actor.store, provider, once.as_ref()).await? {
            return Ok(run);
        }
        let (connector, installation) = self.connected(actor.store, provider, stream).await?;
        let saved = self.saved(actor.store, provider, stream).await?;
        let document = saved.document.unwrap_or_default();
        let mapping = self.compile(&connector, stream, &document).await?;
        let total = rows.len() as u64;
        let pages = pages(rows, mapping.records());
        let id = RunId::new(self.random.uuid(self.clock.now()));
        for (number, page) in (0..).zip(&pages) {
            let bytes = page.bytes().map_err(AppError::bug)?;
            self.inputs.put(actor.store, &id, number, bytes).await?;
        }
        let run = PushRun {
            pages: u32::try_from(pages.len()).map_err(AppError::bug)?,
            mapping: saved.revision,
            safety,
            ..self.new_run(actor, provider, kind, stream, &installation, id, total)
        };
        self.begin(run, once.as_ref(), mode).await
    }

    /// Begins the writing of what a plan says.
    #[tracing::instrument(skip_all, fields(store.id = %actor.store, provider = %provider))]
    pub async fn apply(
        &self,
        actor: Actor<'_>,
        provider: ProviderId,
        plan: &RunId,
        key: Option<String>,
        mode: Mode,
    ) -> Result<PushRun, AppError> {
        let plan = self.ended(actor.store, provider, plan).await?;
        if plan.kind != PushKind::Plan || plan.tally.pending() > 0 {
            return Err(AppError::conflict("not_a_plan", "This run is not a plan that came to its end."));
        }
        let rows = plan.tally.received();
        self.follow(actor, provider, PushKind::Apply, &plan, rows, key, ReplayOptions::default(), mode).await
    }

    /// Begins the writing of the rows that a run left failed or pending.
    #[tracing::instrument(skip_all, fields(store.id = %actor.store, provider = %provider))]
    pub async fn replay(
        &self,
        actor: Actor<'_>,
        provider: ProviderId,
        of: &RunId,
        options: ReplayOptions,
        key: Option<String>,
        mode: Mode,
    ) -> Result<PushRun, AppError> {
        let of = self.ended(actor.store, provider, of).await?;
        if matches!(of.kind, PushKind::Plan | PushKind::Undo) {
            return Err(AppError::conflict(
                "not_replayable",
                "Plans and undos are not replayed. Begin a new one.",
            ));
        }
        let rows = of.tally.of(Outcome::Failed) + of.tally.pending();
        self.follow(actor, provider, PushKind::Replay, &of, rows, key, options, mode).await
    }

    /// Begins giving back what a run changed.
    #[tracing::instrument(skip_all, fields(store.id = %actor.store, provider = %provider))]
    pub async fn undo(
        &self,
        actor: Actor<'_>,
        provider: ProviderId,
        of: &RunId,
        key: Option<String>,
        mode: Mode,
    ) -> Result<PushRun, AppError> {
        let of = self.ended(actor.store, provider, of).await?;
        if matches!(of.kind, PushKind::Plan | PushKind::Undo) {
            return Err(AppError::conflict(
                "not_undoable",
                "Plans and undos changed nothing that could be undone.",
            ));
        }
        let kept = SignedDuration::from_hours(24 * i64::from(of.safety.undo_days));
        if self.clock.now() > of.created_at + kept {
            let detail = format!("What was there before is kept for {} days.", of.safety.undo_days);
            return Err(AppError::conflict("undo_expired", detail));
        }
        let rows = of.tally.of(Outcome::Created) + of.tally.of(Outcome::Updated);
        self.follow(actor, provider, PushKind::Undo, &of, rows, key, ReplayOptions::default(), mode).await
    }

    /// Asks a run to end. What was written stays and can be undone.
    #[tracing::instrument(skip_all, fields(store.id = %store, provider = %provider))]
    pub async fn cancel(
        &self,
        store: &StoreId,
        provider: ProviderId,
        id: &RunId,
    ) -> Result<PushRun, AppError> {
        let changed = self.change(store, provider, id, |run| {
            let news = !run.state.is_final() && !run.cancel_requested;
            run.cancel_requested |= news;
            Ok(news)
        });
        let run = changed.await?.ok_or_else(AppError::not_found)?;
        if run.state.is_final() {
            return Ok(run);
        }
        // One that waits for hours is not made to wait for its end.
        self.queue.send(&message(&run), Duration::ZERO).await?;
        Ok(run)
    }

    async fn ended(&self, store: &StoreId, provider: ProviderId, id: &RunId) -> Result<PushRun, AppError> {
        let run = self.runs.load(store, provider, id).await?.ok_or_else(AppError::not_found)?;
        if run.state.is_final() {
            return Ok(run);
        }
        Err(AppError::conflict(
            "run_not_over",
            "This run is still under way. Wait for its end, or cancel it.",
        ))
    }

    /// Begins a run about the rows of an earlier one.
    #[expect(clippy::too_many_arguments, reason = "the parts of one request, named where it is made")]
    async fn follow(
        &self,
        actor: Actor<'_>,
        provider: ProviderId,
        kind: PushKind,
        of: &PushRun,
        rows: u64,
        key: Option<String>,
        options: ReplayOptions,
        mode: Mode,
    ) -> Result<PushRun, AppError> {
        let body = body_of(kind, of.stream, Some(&of.id), of.safety, &[]);
        let body = fingerprint(&[&body, &format!("{options:?}")]);
        let once = key.map(|key| Once { key, body });
        if let Some(run) = self.begun_before(actor.store, provider, once.as_ref()).await? {
            return Ok(run);
        }
        if rows == 0 {
            return Err(AppError::conflict("no_rows", "This run has no rows that this could be about."));
        }
        let (_, installation) = self.connected(actor.store, provider, of.stream).await?;
        if installation.shop_id != of.shop {
            let detail = "The store is connected to another shop than the one that the run was about.";
            return Err(AppError::conflict("other_shop", detail));
        }
        if self.inputs.get(actor.store, &of.rows_of, 0).await?.is_none() {
            return Err(AppError::conflict(
                "rows_expired",
                "The rows are kept for 30 days. Send them again.",
            ));
        }
        let mut mapping = of.mapping;
        if options.newest_mapping {
            mapping = self.saved(actor.store, provider, of.stream).await?.revision;
        }
        let id = RunId::new(self.random.uuid(self.clock.now()));
        let run = PushRun {
            of_run: Some(of.id.clone()),
            rows_of: of.rows_of.clone(),
            pages: of.pages,
            mapping,
            safety: of.safety,
            send_in_doubt: options.send_in_doubt,
            ..self.new_run(actor, provider, kind, of.stream, &installation, id, rows)
        };
        self.begin(run, once.as_ref(), mode).await
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a new run, used twice")]
    fn new_run(
        &self,
        actor: Actor<'_>,
        provider: ProviderId,
        kind: PushKind,
        stream: Stream,
        installation: &Installation,
        id: RunId,
        rows: u64,
    ) -> PushRun {
        let now = self.clock.now();
        let mut tally = Tally::default();
        tally.receive(rows);
        PushRun {
            store: actor.store.clone(),
            provider,
            revision: 1,
            kind,
            state: PushState::Queued,
            stream,
            of_run: None,
            rows_of: id.clone(),
            id,
            mapping: 0,
            shop: installation.shop_id,
            install: installation.id.clone(),
            pages: 0,
            next_page: 0,
            open: std::collections::BTreeMap::new(),
            idle_rounds: 0,
            tally,
            deleting: 0,
            points: 0,
            safety: Safety::default(),
            send_in_doubt: false,
            cancel_requested: false,
            stopped: None,
            waiting: None,
            lease: None,
            fence: 0,
            asked_by: actor.subject.to_owned(),
            created_at: now,
            updated_at: now,
        }
    }

    /// The run that a name began before.
    async fn begun_before(
        &self,
        store: &StoreId,
        provider: ProviderId,
        once: Option<&Once>,
    ) -> Result<Option<PushRun>, AppError> {
        let Some(once) = once else { return Ok(None) };
        if once.key.is_empty() || once.key.len() > LONGEST_KEY {
            let detail = format!("The Idempotency-Key must have 1 to {LONGEST_KEY} bytes.");
            return Err(AppError::invalid("invalid_idempotency_key", detail));
        }
        match self.runs.begun(store, provider, &once.key).await? {
            None => Ok(None),
            Some((_, body)) if body != once.body => Err(reused()),
            Some((id, _)) => Ok(self.runs.load(store, provider, &id).await?),
        }
    }

    /// The mapping by which rows of a stream would be written: the store is connected, was granted what the stream
    /// needs, and has a mapping that fits what the shop has now.
    pub(super) async fn ready(
        &self,
        store: &StoreId,
        provider: ProviderId,
        stream: Stream,
    ) -> Result<Mapping, AppError> {
        let (connector, _) = self.connected(store, provider, stream).await?;
        let document = self.saved(store, provider, stream).await?.document.unwrap_or_default();
        self.compile(&connector, stream, &document).await
    }

    /// The mapping in force.
    async fn saved(
        &self,
        store: &StoreId,
        provider: ProviderId,
        stream: Stream,
    ) -> Result<SavedMapping, AppError> {
        let saved = self.mappings.newest(store, provider, stream).await?;
        saved.filter(|saved| saved.document.is_some()).ok_or_else(no_mapping)
    }

    /// The connector of a store, where it may fill the stream.
    async fn connected(
        &self,
        store: &StoreId,
        provider: ProviderId,
        stream: Stream,
    ) -> Result<(Connector, Installation), AppError> {
        let (connector, _) = self.access.shop_access(store, provider).await?;
        let installation = connector.installation.clone();
        let installation = installation.ok_or_else(|| AppError::bug("a connector with access to no shop"))?;
        let lacking = installation.scopes.lacking(&self.destination.scopes_of(stream));
        if lacking.is_empty() {
            return Ok((connector, installation));
        }
        let detail =
            format!("This stream needs scopes that were not granted: {lacking}. Reconnect and grant them.");
        Err(AppError::new(ErrorKind::Forbidden, "missing_scopes", detail))
    }

    /// Compiles a mapping against what the shop has now.
    async fn compile(
        &self,
        connector: &Connector,
        stream: Stream,
        document: &serde_json::Value,
    ) -> Result<Mapping, AppError> {
        let definitions = if stream == Stream::InventoryLevels {
            Definitions::default()
        } else {
            let (_, mut shop) = self.access.shop_access(&connector.store, connector.provider).await?;
            let ask = async |shop: &_| self.destination.definitions(shop, stream).await;
            self.access.ask::<_, AppError>(connector, &mut shop, ask).await?
        };
        Mapping::compile(document, self.destination.targets(), &definitions, None).map_err(|problems| {
            let first = problems.first().map(|problem| format!("{}: {}", problem.path, problem.hint));
            let detail = format!(
                "The shop's fields changed after the mapping was saved ({}). Save it again.",
                first.unwrap_or_default()
            );
            AppError::conflict("schema_drift", detail)
        })
    }

    /// Sends the first message, stores the run, and with [`Mode::Sync`] carries it out as far as there is time. The message
    /// goes first: where it cannot be sent nothing is stored, and one that names no run is dropped.
    async fn begin(&self, run: PushRun, once: Option<&Once>, mode: Mode) -> Result<PushRun, AppError> {
        let message = message(&run);
        let delay = if mode == Mode::Accept { Duration::ZERO } else { AFTER_REQUEST };
        self.queue.send(&message, delay).await?;
        let began = match self.runs.begin(&run, once).await {
            Ok(began) => began,
            // Its answer may be lost and the run be there.
            Err(error) => match self.runs.load(&run.store, run.provider, &run.id).await {
                Ok(Some(_)) => PushBegan::New,
                _ => return Err(error.into()),
            },
        };
        match began {
            PushBegan::New => {}
            PushBegan::OtherBody => return Err(reused()),
            PushBegan::Before(id) => {
                let before = self.runs.load(&run.store, run.provider, &id).await?;
                return before.ok_or_else(AppError::not_found);
            }
        }
        tracing::info!(run.id = %run.id, "a push began");
        if let Mode::Sync(until) = mode {
            // Whatever it comes to, the run is stored and its message goes on with it.
            if let Disposition::Retry(error) = self.handle_until(&message, 1, until).await {
                tracing::warn!(run.id = %run.id, code = error.code, "a request could not carry out its run; steps do");
            }
            if let Ok(Some(run)) = self.runs.load(&run.store, run.provider, &run.id).await {
                return Ok(run);
            }
        }
        Ok(run)
    }
}

fn message(run: &PushRun) -> PushMessage {
    PushMessage { store: run.store.clone(), provider: run.provider, run: run.id.clone() }
}

fn check(safety: Safety) -> Result<(), AppError> {
    let fits = safety.stop_after_failed_percent <= 100
        && safety.delete_guard_percent <= 100
        && (1..=30).contains(&safety.undo_days);
    let detail = "Shares are 0 to 100 per cent, and undo_days 1 to 30.";
    if fits { Ok(()) } else { Err(AppError::invalid("invalid_safety", detail)) }
}
