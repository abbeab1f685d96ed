//! Undo: the journal of a run, taken back. A record goes back only if it still is what that run made of it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::apply::CONCURRENCY;
use super::checkpoint::{Checkpoint, Progress};
use super::pages::{Chunk, EntryWriter, JournalEntry, Waiting};
use super::used::Used;
use super::{ImportStep, StepError};
use crate::app::error::AppError;
use crate::domain::gone::differs;
use crate::domain::ids::RunId;
use crate::domain::options::OnMissing;
use crate::domain::plan::{Counts, Outcome, PlanEntry, count_as};
use crate::domain::record::{Kind, RecordKey, StoredRecord};
use crate::domain::run::{ChunkId, Cost, Phase, Receipt, Run, RunEvent, RunState};
use crate::domain::warning::Code;
use crate::ports::PortError;
use crate::ports::catalog::Expect;
use crate::ports::queue::Step;
use crate::ports::runs::PageKind;

impl ImportStep {
    /// Takes over the chunks of the run that is to be undone.
    pub(super) async fn begin_undo(&self, mut run: Run) -> Result<(), StepError> {
        if run.state == RunState::Queued {
            run.take(RunEvent::Planned, self.clock.now()).map_err(AppError::bug)?;
            run.updated_at = self.clock.now();
            match self.runs.save(&mut run).await {
                Ok(()) | Err(PortError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.advance(&run.store, run.provider, &run.id).await
    }

    pub(super) async fn undo_chunk(
        &self,
        run: Run,
        chunk: ChunkId,
        until: Timestamp,
    ) -> Result<(), StepError> {
        let done = run.state != RunState::Applying
            || self.runs.receipt(&run.store, &run.id, Phase::Apply, run.generation, chunk).await?.is_some();
        if !done {
            let receipt = match self.take_back(&run, chunk, until).await? {
                Progress::Done(receipt) => receipt,
                Progress::Paused(at) => return self.go_on_later(&run, Step::Undo { chunk }, at).await,
            };
            self.runs.put_receipt(&run.store, &run.id, &receipt, &mut Cost::default()).await?;
        }
        self.closed(&run, Phase::Apply, chunk).await
    }

    /// Takes a chunk back, the last batch first. Of a checkpoint, `next` is the number of batches there are.
    async fn take_back(
        &self,
        run: &Run,
        chunk: ChunkId,
        until: Timestamp,
    ) -> Result<Progress<Waiting>, StepError> {
        let Some(of_run) = &run.of_run else { return Err(AppError::bug("an undo of no run").into()) };
        let place = self.place(run, chunk);
        let journal = Chunk { run: of_run, ..place };
        let mut at = self.resume(run, Receipt::blank(Phase::Apply, run.generation, chunk)).await?;
        let mut tally = at.receipt;
        if at.hop == 0 {
            at.reached.next = journal.batches(&mut tally.cost).await?;
        }
        let mut results = EntryWriter::new(place, PageKind::Result, at.waiting);
        while at.reached.objects < at.reached.next {
            let batch = u32::try_from(at.reached.next - 1 - at.reached.objects).map_err(AppError::bug)?;
            let entries = journal.journal(batch, &mut tally.cost).await?;
            let entries = entries.ok_or_else(|| AppError::bug("the journal of a batch is gone"))?;
            if !self
                .take_back_batch(run, of_run, place, at.reached.objects, &entries, &mut tally, &mut results)
                .await?
            {
                break;
            }
            at.reached.objects += 1;
            if at.reached.objects < at.reached.next && self.out_of_time(until) {
                return Ok(Progress::Paused(Checkpoint { receipt: tally, waiting: results.pause(), ..at }));
            }
        }
        tally.result_pages = results.finish(&mut tally.cost).await?.len() as u32;
        tally.skipped = run.cancel_requested;
        Ok(Progress::Done(tally))
    }

    /// Takes one batch back; false where the run was to stop before it was begun.
    #[expect(clippy::too_many_arguments, reason = "each is a thing of its own")]
    async fn take_back_batch(
        &self,
        run: &Run,
        of_run: &RunId,
        place: Chunk<'_>,
        number: u64,
        entries: &[JournalEntry],
        tally: &mut Receipt,
        results: &mut EntryWriter<'_>,
    ) -> Result<bool, StepError> {
        let number = u32::try_from(number).map_err(AppError::bug)?;
        let keys: Vec<RecordKey> = entries.iter().map(|entry| entry.place(run.source)).collect();
        let stored = self.catalog.get(&run.store, &keys, true, &mut tally.cost).await?;
        let decisions = match place.decisions(number, &mut tally.cost).await? {
            Some(decisions) => decisions,
            // What an earlier attempt has begun is ended, so that what is listed is what was done.
            None if run.cancel_requested => return Ok(false),
            None => {
                let decisions = self.decide_all(run, of_run, entries, &stored).await?;
                place.put_decisions(number, &decisions, &mut tally.cost).await?;
                decisions
            }
        };
        let ids = entries.iter().map(|entry| (entry.kind, entry.external_id));
        let mut stored: BTreeMap<(Kind, u64), StoredRecord> =
            ids.clone().zip(stored).filter_map(|(id, now)| Some((id, now?))).collect();
        let mut before: BTreeMap<(Kind, u64), &JournalEntry> = ids.zip(entries).collect();
        let mut work = Vec::with_capacity(decisions.len());
        for decision in decisions {
            let key = (decision.entry.kind, decision.entry.external_id);
            if let Some(journal) = before.remove(&key) {
                work.push((decision, journal, stored.remove(&key)));
            }
        }
        // Each is a record of its own, so their order means nothing. Results keep it.
        let work = work.into_iter().map(async |(Decision { mut entry, mut counts }, journal, now)| {
            let mut cost = Cost::default();
            let acts = entry.outcome.writes() || entry.outcome == Outcome::Removed;
            if acts && !self.revert(run, &entry, journal, now.as_ref(), &mut cost).await? {
                entry.outcome = Outcome::Blocked;
                entry.codes.push(Code::UndoSkippedEdited);
                counts = moved(&counts);
            }
            Ok::<_, StepError>((entry, counts, cost))
        });
        let done: Vec<_> = stream::iter(work).buffered(CONCURRENCY).collect().await;
        for done in done {
            let (entry, counts, cost) = done?;
            tally.counts.merge(&counts);
            tally.cost.add(cost);
            for code in &entry.codes {
                *tally.warnings.entry(*code).or_default() += 1;
            }
            results.push(&entry, &mut tally.cost).await?;
        }
        Ok(true)
    }

    /// What becomes of each record of a batch that the run wrote.
    async fn decide_all(
        &self,
        run: &Run,
        of_run: &RunId,
        entries: &[JournalEntry],
        stored: &[Option<StoredRecord>],
    ) -> Result<Vec<Decision>, StepError> {
        let mut decisions = Vec::new();
        let mut used: BTreeMap<Kind, Used> = BTreeMap::new();
        for (entry, now) in entries.iter().zip(stored) {
            let mut decision = decide(run, of_run, entry, now.as_ref())?;
            if let (Some(decision), Some(now)) = (&mut decision, now)
                && decision.entry.outcome == Outcome::Removed
            {
                let kind = now.key.kind;
                if let Entry::Vacant(unread) = used.entry(kind) {
                    unread.insert(self.used(run, kind).await?);
                }
                if used.get(&kind).is_some_and(|used| used.holds(run, &now.key)) {
                    archive_instead(decision, now);
                }
            }
            decisions.extend(decision);
        }
        Ok(decisions)
    }

    /// Takes one record back if it still has the version that was decided about. One that this undo has taken back
    /// already counts as taken back, whether in an earlier attempt or in another delivery at this very moment.
    async fn revert(
        &self,
        run: &Run,
        decided: &PlanEntry,
        journal: &JournalEntry,
        now: Option<&StoredRecord>,
        cost: &mut Cost,
    ) -> Result<bool, StepError> {
        let (before, replaced) = (journal.stored(run.source)?, journal.replaced(run.source)?);
        let (before, writes) = (before.as_ref(), 1 + u64::from(replaced.is_some()));
        if is_back(run, before, now) {
            cost.catalogue_writes += writes;
            return Ok(true);
        }
        let version = decided.version;
        let Some(now) = now.filter(|now| now.version == version) else { return Ok(false) };
        let wrote = match before {
            None if decided.outcome == Outcome::Updated => {
                let back =
                    StoredRecord { version: version + 1, written_run: run.id.clone(), ..archived(now) };
                self.catalog.put(&run.store, &back, Expect::Version(version), cost).await
            }
            None => self.catalog.delete(&run.store, &now.key, version, cost).await,
            Some(before) => {
                let back =
                    StoredRecord { version: version + 1, written_run: run.id.clone(), ..before.clone() };
                let expect = match before.key == now.key {
                    true => Expect::Version(version),
                    false => Expect::Linked(now.key, version),
                };
                match replaced {
                    None => self.catalog.put(&run.store, &back, expect, cost).await,
                    Some(replaced) => self.give_back(run, &back, replaced, cost).await,
                }
            }
        };
        match wrote {
            Ok(()) => Ok(true),
            Err(PortError::Conflict) => {
                let now = self.catalog.get(&run.store, &[now.place()], true, cost).await?.pop().flatten();
                let back = is_back(run, before, now.as_ref());
                cost.catalogue_writes += if back { writes } else { 0 };
                Ok(back)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a record that is to be taken back is as this undo leaves it: written by it or, where there was none, gone.
fn is_back(run: &Run, before: Option<&StoredRecord>, now: Option<&StoredRecord>) -> bool {
    match now {
        Some(now) => now.written_run == run.id,
        None => before.is_none(),
    }
}

/// What is to become of one record, and what that counts as. Written down before the first effect of its batch, so
/// that a replay counts what the first attempt decided.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Decision {
    entry: PlanEntry,
    counts: Counts,
}

/// Decides about one record; none where the run never wrote it.
fn decide(
    run: &Run,
    of_run: &RunId,
    entry: &JournalEntry,
    now: Option<&StoredRecord>,
) -> Result<Option<Decision>, StepError> {
    let before = entry.stored(run.source)?;
    let decision = |outcome: Outcome, codes: Vec<Code>, of: &StoredRecord, version: u64| Decision {
        entry: PlanEntry {
            kind: entry.kind,
            external_id: entry.external_id,
            label: super::missing::label(of),
            outcome,
            source: of.digest,
            version,
            codes,
            diff: Vec::new(),
            candidates: Vec::new(),
            adopts: entry.local(),
            replaces: None,
        },
        counts: count_as(&of.record, outcome),
    };
    let edited = vec![Code::UndoSkippedEdited];
    Ok(match (before, now) {
        (None, None) => None,
        (Some(before), None) => Some(decision(Outcome::Blocked, edited, &before, before.version)),
        (Some(before), Some(now)) if before.version == now.version => None,
        (before, Some(now)) => {
            let written = before.as_ref().map_or(0, |before| before.version) + 1;
            if now.written_run != *of_run || now.version != written {
                Some(decision(Outcome::Blocked, edited, now, now.version))
            } else {
                Some(match &before {
                    None => decision(Outcome::Removed, Vec::new(), now, now.version),
                    Some(before) => decision(Outcome::Restored, Vec::new(), before, now.version),
                })
            }
        }
    })
}

/// A record that the run made and that others point to: it goes out of sight instead of out of the store. A later
/// import that finds it in the shop brings it back as if it had been missing.
fn archived(now: &StoredRecord) -> StoredRecord {
    let mut back = now.clone();
    if let Some((field, value)) = OnMissing::Archive.sets(now.key.kind) {
        back.record.set(field, value);
    }
    back.standing = now.standing.gone(&now.written_run, OnMissing::Archive);
    back
}

fn archive_instead(decision: &mut Decision, now: &StoredRecord) {
    let set = OnMissing::Archive.sets(now.key.kind);
    decision.entry.diff =
        set.map(|(field, value)| differs(field, now.record.get(field).clone(), value)).into_iter().collect();
    decision.entry.codes.push(Code::UndoArchivedUsed);
    decision.entry.outcome = Outcome::Updated;
    decision.counts = count_as(&now.record, Outcome::Updated);
}

/// The same numbers, all under "blocked".
fn moved(counts: &Counts) -> Counts {
    let mut blocked = Counts::default();
    for (resource, outcomes) in &counts.0 {
        blocked.add(*resource, Outcome::Blocked, outcomes.values().sum());
    }
    blocked
}
