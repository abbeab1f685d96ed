//! Handing over: what comes after a chunk, a phase, a stage. Called after every receipt and on every duplicate, so
//! that a crash between a receipt and the next message costs nothing but a redelivery.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::{ImportStep, StepError};
use crate::app::error::AppError;
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::domain::run::{ChunkId, Feed, FeedProgress, Phase, Receipt, Run, RunEvent, RunKind, RunState};
use crate::domain::warning::Code;
use crate::ports::PortError;
use crate::ports::queue::Step;

/// What a run needs next.
enum Next {
    /// Chunks of the current phase or stage are still open.
    Wait(Vec<ChunkId>),
    /// The header changed; look again.
    Changed,
    /// Nothing is left for a message to do.
    Rest,
}

impl Run {
    /// The chunks of which receipts are waited for.
    fn chunks_at_work(&self) -> Vec<ChunkId> {
        match self.state {
            // Nothing is looked for as missing until everything is read.
            RunState::Planning if self.feeds.contains_key(&Feed::Missing) => self.chunks_of(&[Feed::Missing]),
            RunState::Planning => self.chunks_to_plan(),
            _ => self.stage_feeds().map(|feeds| self.chunks_of(feeds)).unwrap_or_default(),
        }
    }

    /// The feeds whose chunks are applied in a stage; none after the last.
    pub(super) fn stage_feeds(&self) -> Option<&'static [Feed]> {
        let at = self.stage as usize;
        let at = match self.kind {
            // An undo takes back last what everything else hangs on.
            RunKind::Undo => (Self::STAGES.len() - 1).checked_sub(at)?,
            _ => at,
        };
        Self::STAGES.get(at).copied()
    }
}

/// Below so many chunks, all receipts of a phase cost less to read than it takes to look for an open one.
const FEW: usize = 32;
/// Chunks before and after one that are looked at.
const NEIGHBOURS: usize = 8;
/// How old a header may grow while its chunks get on.
const STAYS_QUIET: Duration = Duration::from_secs(5 * 60);

impl ImportStep {
    /// Hands over after a chunk has its receipt. Where a neighbour has none yet, nothing follows: whoever closes that
    /// one looks again. Of chunks that end at once, each has put its receipt before it looks, so the last finds none
    /// open. So a run of many chunks does not read all receipts after each.
    pub(super) async fn closed(&self, run: &Run, phase: Phase, chunk: ChunkId) -> Result<(), StepError> {
        if !run.handed_off || !self.neighbour_is_open(run, phase, chunk).await? {
            return self.advance(&run.store, run.provider, &run.id).await;
        }
        let quiet = |run: &Run, now: Timestamp| now.duration_since(run.updated_at).unsigned_abs();
        if quiet(run, self.clock.now()) > STAYS_QUIET {
            // It does not stand still, and whoever looks for runs that do must see that.
            self.change(&run.store, run.provider, &run.id, |run| {
                Ok(!run.state.is_final() && quiet(run, self.clock.now()) > STAYS_QUIET)
            })
            .await?;
        }
        Ok(())
    }

    async fn neighbour_is_open(&self, run: &Run, phase: Phase, chunk: ChunkId) -> Result<bool, StepError> {
        let chunks = run.chunks_at_work();
        let Some(at) = chunks.iter().position(|each| *each == chunk).filter(|_| chunks.len() > FEW) else {
            return Ok(false);
        };
        // Chunks are handed out in order, so those after one are the likelier to be open.
        let after = chunks[at + 1..].iter().take(NEIGHBOURS);
        let before = chunks[..at].iter().rev().take(NEIGHBOURS);
        for neighbour in after.chain(before) {
            let receipt = self.runs.receipt(&run.store, &run.id, phase, run.generation, *neighbour);
            if receipt.await?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Moves a run on as far as its receipts allow, and sends the messages for what comes next.
    pub(super) async fn advance(
        &self,
        store: &StoreId,
        provider: ProviderId,
        id: &RunId,
    ) -> Result<(), StepError> {
        loop {
            let Some(mut run) = self.runs.load(store, provider, id).await? else { return Ok(()) };
            let before = run.clone();
            let next = match self.next(&mut run).await {
                Err(StepError::Later(error)) if error.code == "changed_meanwhile" => continue,
                next => next?,
            };
            if run != before {
                run.updated_at = self.clock.now();
                match self.runs.save(&mut run).await {
                    Ok(()) => {}
                    Err(PortError::Conflict) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            match next {
                Next::Changed => {}
                Next::Rest => return Ok(()),
                Next::Wait(open) => {
                    if run.handed_off {
                        return Ok(());
                    }
                    self.hand_out(&run, &open).await?;
                    run.handed_off = true;
                    match self.runs.save(&mut run).await {
                        // Someone else moved it on; that is theirs to hand over.
                        Ok(()) | Err(PortError::Conflict) => return Ok(()),
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        }
    }

    async fn hand_out(&self, run: &Run, open: &[ChunkId]) -> Result<(), StepError> {
        let generation = run.generation;
        let step = |chunk: &ChunkId| match (run.state, run.kind) {
            (RunState::Planning, _) => Step::Plan { chunk: *chunk, generation },
            (RunState::Verifying, _) => Step::Verify,
            (_, RunKind::Undo) => Step::Undo { chunk: *chunk },
            _ => Step::Apply { chunk: *chunk, generation },
        };
        let messages: Vec<_> = open.iter().map(|chunk| Self::message(run, step(chunk))).collect();
        Ok(self.queue.send(&messages, Duration::ZERO).await?)
    }

    async fn next(&self, run: &mut Run) -> Result<Next, StepError> {
        let now = self.clock.now();
        match run.state {
            RunState::Queued | RunState::Extracting if run.cancel_requested => {
                run.take(RunEvent::Stopped, now).map_err(AppError::bug)?;
                self.stop_collecting(run).await?;
                Ok(Next::Changed)
            }
            RunState::Planning | RunState::AwaitingDecision if run.cancel_requested => {
                run.take(RunEvent::Stopped, now).map_err(AppError::bug)?;
                Ok(Next::Changed)
            }
            RunState::Planning => self.after_planning(run).await,
            RunState::Applying => self.after_applying(run).await,
            RunState::Verifying => Ok(Next::Wait(vec![VERIFY])),
            _ => Ok(Next::Rest),
        }
    }

    async fn after_planning(&self, run: &mut Run) -> Result<Next, StepError> {
        let receipts = self.runs.receipts(&run.store, &run.id, Phase::Plan, run.generation).await?;
        let open = open(run.chunks_to_plan(), &receipts);
        if !open.is_empty() {
            return Ok(Next::Wait(open));
        }
        if run.plan_further(&receipts) {
            return Ok(Next::Changed);
        }
        if run.is_partial() {
            prove_complete(run, &receipts)?;
        } else if !run.feeds.contains_key(&Feed::Missing) {
            prove_complete(run, &receipts)?;
            let now = self.clock.now();
            let missing = FeedProgress {
                handle: String::new(),
                attempt: 1,
                objects: 0,
                roots: 0,
                moved_at: now,
                ready: true,
                file: None,
                chunks: 1,
                joined: false,
            };
            run.feeds.insert(Feed::Missing, missing);
            run.handed_off = false;
            return Ok(Next::Changed);
        }
        add_up(run, &receipts);
        let event = match run.kind {
            RunKind::Preview => RunEvent::Previewed,
            _ if super::brake::holds(run) => RunEvent::Held,
            _ => RunEvent::Planned,
        };
        run.take(event, self.clock.now()).map_err(AppError::bug)?;
        run.stage = 0;
        Ok(Next::Changed)
    }

    async fn after_applying(&self, run: &mut Run) -> Result<Next, StepError> {
        let Some(feeds) = run.stage_feeds() else {
            run.take(RunEvent::Applied, self.clock.now()).map_err(AppError::bug)?;
            return Ok(Next::Changed);
        };
        let receipts = self.runs.receipts(&run.store, &run.id, Phase::Apply, run.generation).await?;
        let open = open(run.chunks_of(feeds), &receipts);
        if !open.is_empty() {
            return Ok(Next::Wait(open));
        }
        run.stage += 1;
        run.handed_off = false;
        Ok(Next::Changed)
    }
}

/// Verifying has one step; the chunk it names is none.
const VERIFY: ChunkId = ChunkId { feed: Feed::Missing, index: 0 };

fn open(chunks: Vec<ChunkId>, receipts: &[Receipt]) -> Vec<ChunkId> {
    let done: BTreeSet<ChunkId> = receipts.iter().map(|receipt| receipt.chunk).collect();
    chunks.into_iter().filter(|chunk| !done.contains(chunk)).collect()
}

/// Adds the numbers of all plan receipts up into the header. Starts from what only the header knows.
fn add_up(run: &mut Run, receipts: &[Receipt]) {
    run.counts = crate::domain::plan::Counts::default();
    run.cost = crate::domain::run::Cost::default();
    for receipt in receipts {
        run.counts.merge(&receipt.counts);
        run.cost.add(receipt.cost);
        for (code, n) in &receipt.warnings {
            *run.warnings.entry(*code).or_default() += n;
        }
    }
}

/// Holds what was read against what the shop announced, line by line. Nothing is written unless they agree: a file
/// that was cut must never look like a shop that has less.
fn prove_complete(run: &Run, receipts: &[Receipt]) -> Result<(), StepError> {
    let proven = |feed: Feed| feed == Feed::Locations || run.has_enough(feed, receipts);
    for (feed, progress) in run.feeds.iter().filter(|(feed, _)| !proven(**feed)) {
        let of_feed = || receipts.iter().filter(|receipt| receipt.chunk.feed == *feed);
        let lines: u64 = of_feed().map(|receipt| receipt.lines).sum();
        let roots: u64 = of_feed().map(|receipt| receipt.roots).sum();
        if lines != progress.objects || roots != progress.roots {
            let code = if lines == 0 { Code::SrcEmptyResultSuspect } else { Code::SrcScanIncomplete };
            return Err(StepError::fail(
                code,
                format!(
                    "Of {feed:?}, the shop announced {} objects in {} records and delivered {lines} in {roots}.",
                    progress.objects, progress.roots
                ),
            ));
        }
    }
    Ok(())
}
