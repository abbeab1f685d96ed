//! Planning: one chunk is read, mapped and compared with what is stored. Nothing but the plan is written.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::adopt::{self, Here, Kin};
use super::checkpoint::{Checkpoint, Progress, Reached};
use super::missing::LOOKED_FOR;
use super::pages::{Chunk, EntryWriter, SeenWaiting, SeenWriter, Waiting};
use super::promised::{PreviewPlan, Promise};
use super::{ImportStep, StepError};
use crate::domain::decision::Decisions;
use crate::domain::drift::Cause;
use crate::domain::merge::{Terms, compare};
use crate::domain::plan::{CodeCounts, Comparison, Fingerprinted, Outcome, PlanEntry, count_as};
use crate::domain::record::{Kind, RecordKey, Resource, Standing, StoredRecord};
use crate::domain::run::{ChunkId, Cost, Feed, Phase, Receipt, Run, RunState, Wanted};
use crate::domain::stock::StockRules;
use crate::domain::warning::Code;
use crate::ports::provider::{MAX_JOINED_BYTES, RangeReader, RangeTally, SourceItem};
use crate::ports::queue::Step;
use crate::ports::runs::PageKind;

/// Records that are compared at once.
pub(super) const BATCH: usize = 50;

/// One source record of a batch, ready to compare.
pub(super) struct Candidate {
    pub key: RecordKey,
    pub label: String,
    pub source: Fingerprinted,
    pub codes: Vec<Code>,
    pub truncated: bool,
}

/// Where source items come from: a range of a file, or the page of locations.
pub(super) enum Items {
    Range(Box<dyn RangeReader>, StockRules),
    List(std::vec::IntoIter<SourceItem>, RangeTally),
}

impl Items {
    pub async fn next(&mut self) -> Result<Option<SourceItem>, StepError> {
        match self {
            Self::Range(reader, _) => Ok(reader.next().await?),
            Self::List(items, tally) => Ok(items.next().inspect(|_| {
                tally.lines += 1;
                tally.roots += 1;
            })),
        }
    }

    /// Passes over what is done, where the source can only be read from its beginning.
    async fn skip_to(&mut self, reached: Reached, whole: bool) -> Result<(), StepError> {
        while whole && self.tally().roots < reached.objects {
            if self.next().await?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// What is listed and not yet taken; nothing of a range.
    pub fn listed(&self) -> &[SourceItem] {
        match self {
            Self::Range(..) => &[],
            Self::List(items, _) => items.as_slice(),
        }
    }

    pub fn tally(&self) -> RangeTally {
        match self {
            Self::Range(reader, _) => reader.tally(),
            Self::List(_, tally) => *tally,
        }
    }

    /// The next records to compare, about [`BATCH`] of them; none at the end.
    pub async fn batch(&mut self, run: &Run) -> Result<Vec<Candidate>, StepError> {
        let mut batch = Vec::with_capacity(BATCH + 2);
        while batch.len() < BATCH {
            let Some(item) = self.next().await? else { break };
            for (kind, mut record) in item.records {
                let of_stock = match self {
                    Self::Range(_, rules) if kind == Kind::Stock => rules.apply(&mut record),
                    _ => BTreeSet::new(),
                };
                let belongs = |resource| {
                    kind.shape().counts_as == Some(resource)
                        || kind.shape().children.iter().any(|list| list.resource == resource)
                };
                let codes = item.codes.iter().filter(|(r, _)| belongs(*r)).map(|(_, code)| *code);
                batch.push(Candidate {
                    key: RecordKey { source: run.source, kind, external_id: item.external_id },
                    label: item.label.clone(),
                    source: Fingerprinted::new(record),
                    codes: codes.chain(of_stock).collect(),
                    truncated: item.truncated,
                });
            }
        }
        Ok(batch)
    }
}

impl ImportStep {
    pub(super) async fn plan_chunk(
        &self,
        run: Run,
        chunk: ChunkId,
        generation: u32,
        until: Timestamp,
    ) -> Result<(), StepError> {
        let current = run.state == RunState::Planning && generation == run.generation;
        let done = async {
            Ok::<_, StepError>(
                !current
                    || self
                        .runs
                        .receipt(&run.store, &run.id, Phase::Plan, generation, chunk)
                        .await?
                        .is_some(),
            )
        };
        if !done.await? {
            let at = self.resume(&run, Receipt::blank(Phase::Plan, generation, chunk)).await?;
            let planned = match chunk.feed {
                Feed::Missing => Some(self.plan_missing(&run, chunk, at, until).await?),
                _ => self.plan_range(&run, chunk, at, until).await?,
            };
            let receipt = match planned {
                None => return self.join_instead(&run, chunk.feed).await,
                Some(Progress::Paused(at)) => {
                    return self.go_on_later(&run, Step::Plan { chunk, generation }, at).await;
                }
                Some(Progress::Done(receipt)) => receipt,
            };
            self.runs.put_receipt(&run.store, &run.id, &receipt, &mut Cost::default()).await?;
        }
        self.closed(&run, Phase::Plan, chunk).await
    }

    /// Opens a chunk's source, where what is done of it ends.
    pub(super) async fn open(
        &self,
        run: &Run,
        chunk: ChunkId,
        reached: Reached,
        cost: &mut Cost,
    ) -> Result<Items, StepError> {
        let (mut items, whole) = self.open_at(run, chunk, reached.next, cost).await?;
        items.skip_to(reached, whole).await?;
        Ok(items)
    }

    /// Opens a chunk's source at a place, and tells whether it is one that can only be read from its beginning.
    async fn open_at(
        &self,
        run: &Run,
        chunk: ChunkId,
        next: u64,
        cost: &mut Cost,
    ) -> Result<(Items, bool), StepError> {
        if chunk.feed == Feed::Locations {
            let items = self.stored_locations(run, cost).await?;
            return Ok((Items::List(items.into_iter(), RangeTally::default()), true));
        }
        let progress = run.feeds.get(&chunk.feed);
        let (joined, file) = match progress.and_then(|p| p.file.as_ref().map(|file| (p.joined, file))) {
            Some(open) => open,
            None => return Ok((Items::List(Vec::new().into_iter(), RangeTally::default()), true)),
        };
        let start = u64::from(chunk.index) * self.chunk_bytes;
        let end = (start + self.chunk_bytes).min(file.size);
        let range = if joined { 0..file.size } else { start.max(next)..end };
        let reader = self.extract.open_range(chunk.feed, file, range, joined, &Self::context(run)).await?;
        Ok((Items::Range(reader, self.stock_rules(run, chunk.feed, cost).await?), joined))
    }

    /// What is done to the stock that a feed holds. The locations are those that were read when the run began, so that
    /// planning and applying do the same.
    pub(super) async fn stock_rules(
        &self,
        run: &Run,
        feed: Feed,
        cost: &mut Cost,
    ) -> Result<StockRules, StepError> {
        let mut rules = StockRules { negative: run.options.negative_stock, left_out: BTreeSet::new() };
        if feed == Feed::Products && run.wanted.contains(&Wanted::Stock) && !run.options.inactive_locations {
            let inactive = |item: &SourceItem| {
                item.records.iter().any(|(_, record)| record.get("active") == &Value::Bool(false))
            };
            let locations = self.stored_locations(run, cost).await?;
            rules.left_out =
                locations.iter().filter(|item| inactive(item)).map(|item| item.external_id).collect();
        }
        Ok(rules)
    }

    /// Reads, compares, writes the plan. None where children did not stand with their parents.
    async fn plan_range(
        &self,
        run: &Run,
        chunk: ChunkId,
        mut at: Checkpoint<Unwritten>,
        until: Timestamp,
    ) -> Result<Option<Progress<Unwritten>>, StepError> {
        let cost = &mut std::mem::take(&mut at.receipt.cost);
        let (mut items, whole) = self.open_at(run, chunk, at.reached.next, cost).await?;
        // Of all that is listed, whatever of it is done.
        let names = self.names(run, &items).await?;
        items.skip_to(at.reached, whole).await?;
        // What was skipped just now is counted by this reader, what lies before its beginning is not.
        let before = (at.receipt.lines - items.tally().lines, at.receipt.roots - items.tally().roots);
        let mut preview = PreviewPlan::of(self, run).await?;
        // Of a limited run, what earlier steps of the chunk took is taken.
        let taken = at.receipt.counts.received(Resource::Products);
        let mut pick = self.pick_to_plan(run, chunk, taken, cost).await?;
        let mut planner = Planner::new(run, self.place(run, chunk), at.receipt, at.waiting);
        let mut here = Here::default();
        let done = loop {
            let batch = items.batch(run).await?;
            if items.tally().orphans > 0 {
                return Ok(None);
            }
            if batch.is_empty() {
                break true;
            }
            let batch = self.picked(run, &mut pick, batch, cost).await?;
            let keys: Vec<RecordKey> = batch.iter().map(|candidate| candidate.key).collect();
            let stored = self.catalog.get(&run.store, &keys, false, cost).await?;
            let settled = self.settled(run, &batch, &stored, &mut here, cost).await?;
            let promised = preview.entries(self, run, &adopt::with_wholes(&keys), cost).await?;
            let kin = self.kin(run, &batch, &stored, &names, promised.as_ref(), &mut here, cost).await?;
            for (((candidate, stored), settled), kin) in batch.into_iter().zip(stored).zip(settled).zip(kin) {
                let found = Found {
                    kin,
                    settled,
                    code: names.code(&candidate),
                    decided: run.decisions.adopted(candidate.key.kind, candidate.key.external_id).is_some()
                        || names.is_decided(&candidate),
                    promised: promised
                        .as_ref()
                        .map(|p| p.get(&(candidate.key.kind, candidate.key.external_id))),
                };
                planner.take(candidate, stored.as_ref(), found, cost).await?;
            }
            if self.out_of_time(until) {
                break false;
            }
        };
        let tally = items.tally();
        planner.receipt.lines = before.0 + tally.lines;
        planner.receipt.roots = before.1 + tally.roots;
        if done {
            return Ok(Some(Progress::Done(planner.finish(cost).await?)));
        }
        at.reached = Reached { objects: planner.receipt.roots, next: tally.next };
        (at.receipt, at.waiting) = planner.pause(*cost);
        Ok(Some(Progress::Paused(at)))
    }

    pub(super) fn place<'a>(&'a self, run: &'a Run, chunk: ChunkId) -> Chunk<'a> {
        Chunk { runs: self.runs.as_ref(), store: &run.store, run: &run.id, chunk, generation: run.generation }
    }

    /// Plans anew with one feed joined in memory, because its grouping was not honoured.
    async fn join_instead(&self, run: &Run, feed: Feed) -> Result<(), StepError> {
        let size = run.feeds.get(&feed).and_then(|p| p.file.as_ref()).map_or(0, |file| file.size);
        if size > MAX_JOINED_BYTES {
            return Err(StepError::fail(
                Code::SrcOrphanChild,
                format!("Parts of {feed:?} arrived apart from their records, in a file of {size} bytes."),
            ));
        }
        tracing::warn!(feed = ?feed, bytes = size, "children stand apart from their parents; the file is joined");
        let generation = run.generation;
        self.change(&run.store, run.provider, &run.id, |run| {
            if run.generation != generation || run.state != RunState::Planning {
                return Ok(false);
            }
            if let Some(progress) = run.feeds.get_mut(&feed) {
                progress.joined = true;
                progress.chunks = 1;
            }
            run.generation += 1;
            run.stage = 0;
            run.handed_off = false;
            Ok(true)
        })
        .await?;
        self.advance(&run.store, run.provider, &run.id).await
    }
}

/// What a candidate is held against beside what is stored under its key.
struct Found<'a> {
    kin: Kin,
    /// What is stored, without what it holds of its own where the shop's stands; none where it holds nothing there.
    settled: Option<StoredRecord>,
    /// What its name says.
    code: Option<Code>,
    /// Whether the merchant has decided which record it is.
    decided: bool,
    /// What the preview said of it, where the run carries one out.
    promised: Option<Option<&'a Promise>>,
}

/// Compares one candidate after the other and keeps what is worth keeping.
pub(super) struct Planner<'a> {
    run: &'a Run,
    writer: EntryWriter<'a>,
    seen: SeenWriter<'a>,
    /// What the chunk's receipt says so far.
    pub receipt: Receipt,
}

/// What a planner has decided and not yet written.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Unwritten {
    entries: Waiting,
    seen: SeenWaiting,
}

impl<'a> Planner<'a> {
    /// Goes on from a receipt and what that leaves unwritten.
    pub fn new(run: &'a Run, place: Chunk<'a>, receipt: Receipt, unwritten: Unwritten) -> Self {
        let writer = EntryWriter::new(place, PageKind::Plan, unwritten.entries);
        Self { run, writer, seen: SeenWriter::new(place, unwritten.seen), receipt }
    }

    fn compare(
        &self,
        source: &Fingerprinted,
        stored: Option<&StoredRecord>,
        decisions: &Decisions,
    ) -> Comparison {
        compare(source, stored, Terms { run: &self.run.id, decisions })
    }

    /// Decides about one record.
    async fn take(
        &mut self,
        candidate: Candidate,
        stored: Option<&StoredRecord>,
        found: Found<'_>,
        cost: &mut Cost,
    ) -> Result<(), StepError> {
        if LOOKED_FOR.iter().any(|(kind, _)| *kind == candidate.key.kind) {
            self.seen.push(candidate.key.external_id, cost).await?;
        }
        let mut codes = candidate.codes;
        let (moved, like, is) = match found.kin {
            Kin::None => (false, Vec::new(), None),
            Kin::Moved => (true, Vec::new(), None),
            Kin::Like(like) => (false, like, None),
            Kin::Is(ours) => (false, Vec::new(), Some(ours)),
        };
        // What was made here and takes the place of what is stored is compared in that one's stead.
        let replaces = is.as_ref().and(stored).map(|stored| stored.version);
        let ours = is.as_deref().or(stored);
        let mut compared = match ours {
            // What is new as a whole is written as it came: a plan needs no copy of it.
            None => as_a_whole(&candidate.source, Outcome::Created),
            Some(_) => self.compare(&candidate.source, ours, &Decisions::default()),
        };
        let settled = found.settled.as_ref();
        let settled = settled.map(|ours| self.compare(&candidate.source, Some(ours), &Decisions::default()));
        let version = ours.map_or(0, |ours| ours.version);
        let of_place = candidate.key.kind == Kind::Warehouse;
        if candidate.truncated {
            self.receipt.whole = false;
            codes.push(Code::SrcChildTruncated);
            compared = as_a_whole(&candidate.source, Outcome::Failed);
        } else if of_place && !like.is_empty() && stored.is_none() {
            codes.push(Code::LocMatchAmbiguous);
            compared = as_a_whole(&candidate.source, Outcome::Blocked);
        } else if moved
            || found.promised.is_some_and(|promise| {
                let promise_of =
                    |compared: &Comparison| Promise::new(compared.outcome, candidate.source.digest, version);
                let now = promise_of(&compared);
                // Whether a warehouse had become a location's when the preview was made makes no difference.
                let kept = settled.as_ref().is_some_and(|settled| !promise_of(settled).breaks(promise));
                // What was decided to be another record than was shown is bound to what was shown of that one.
                let free = stored.is_none() || replaces.is_some();
                let decided = free && (found.decided || is.is_some() && !of_place);
                now.breaks(promise) && !kept && !(decided && now.is_of_same_source(promise))
            })
        {
            codes.push(Code::RunPlanStale);
            compared = as_a_whole(&candidate.source, Outcome::Blocked);
        } else {
            if let Some(settled) = settled {
                compared = settled;
            } else if !self.run.decisions.is_empty() && ours.is_some() {
                compared = self.compare(&candidate.source, ours, &self.run.decisions);
            }
            match &is {
                Some(ours) if ours.key.kind == adopt::whole(ours.key.kind) => codes.push(Code::IdAdopted),
                None if of_place => {
                    codes.extend(renamed(&compared));
                    let suspect = !like.is_empty() && found.code.is_none();
                    codes.extend(suspect.then_some(Code::LocDuplicateSuspect));
                }
                None if !like.is_empty() => codes.extend(adopt::codes(&like)),
                _ => {}
            }
        }
        // What was deleted here has no stock to be equal with the shop's.
        let left_out =
            !compared.outcome.writes() && stored.is_some_and(|stored| stored.standing == Standing::Detached);
        if candidate.key.kind == Kind::Stock && !left_out {
            self.receipt.stock.take_source(&candidate.source.record);
            // What is written is read back by whoever writes it.
            if !compared.outcome.writes() {
                self.receipt.stock.take_stored(Some(&candidate.source.record), stored, Cause::WriteFailed);
            }
        }
        codes.extend(found.code);
        for code in &codes {
            *self.receipt.warnings.entry(*code).or_default() += 1;
        }
        let entry = PlanEntry {
            kind: candidate.key.kind,
            external_id: candidate.key.external_id,
            label: candidate.label,
            outcome: compared.outcome,
            source: candidate.source.digest,
            version,
            codes,
            diff: Vec::new(),
            candidates: like,
            adopts: ours.filter(|_| is.is_none() || compared.outcome.writes()).and_then(|ours| ours.local),
            replaces: replaces.filter(|_| compared.outcome.writes()),
        };
        self.keep(entry, compared, cost).await
    }

    /// Counts a decision, and writes it down unless the record is unchanged and there is nothing to decide about it.
    pub async fn keep(
        &mut self,
        mut entry: PlanEntry,
        compared: Comparison,
        cost: &mut Cost,
    ) -> Result<(), StepError> {
        self.receipt.counts.merge(&compared.counts);
        for (code, n) in &compared.codes {
            *self.receipt.warnings.entry(*code).or_default() += n;
            entry.codes.push(*code);
        }
        entry.codes.sort_unstable();
        entry.codes.dedup();
        entry.diff = compared.diff;
        if entry.outcome.writes() {
            self.receipt.changes.take(&entry);
        }
        let to_decide = entry.codes.contains(&Code::IdDetachedLocalDelete) || !entry.candidates.is_empty();
        if entry.outcome != Outcome::Unchanged || to_decide {
            self.writer.push(&entry, cost).await?;
        }
        Ok(())
    }

    /// The receipt as far as it goes, and what is not written yet.
    pub fn pause(self, cost: Cost) -> (Receipt, Unwritten) {
        let unwritten = Unwritten { entries: self.writer.pause(), seen: self.seen.pause() };
        (Receipt { cost, ..self.receipt }, unwritten)
    }

    /// Writes what is left and says what the receipt is to say.
    pub async fn finish(self, cost: &mut Cost) -> Result<Receipt, StepError> {
        self.seen.finish(cost).await?;
        let pages = self.writer.finish(cost).await?;
        Ok(Receipt { pages, cost: *cost, ..self.receipt })
    }

    pub fn warn(&mut self, code: Code, n: u64) {
        *self.receipt.warnings.entry(code).or_default() += n;
    }
}

/// A record and everything in it under one outcome, without what would be stored.
pub(super) fn as_a_whole(source: &Fingerprinted, outcome: Outcome) -> Comparison {
    Comparison {
        outcome,
        diff: Vec::new(),
        counts: count_as(&source.record, outcome),
        codes: CodeCounts::new(),
        merged: None,
    }
}

fn renamed(compared: &Comparison) -> Option<Code> {
    let name = compared.diff.iter().find(|diff| diff.field == "name" || diff.field == "source_name")?;
    Some(if name.kept { Code::LocRenamedLocal } else { Code::LocRenamedSource })
}
