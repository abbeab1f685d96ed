//! Planning: one chunk is read, mapped and compared with what is stored. Nothing but the plan is written.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::pages::{Chunk, EntryWriter};
use super::warehouses::Match;
use super::{ImportStep, StepError};
use crate::app::error::AppError;
use crate::domain::changes::Changes;
use crate::domain::decision::Decisions;
use crate::domain::drift::{Cause, StockSides};
use crate::domain::merge::{Terms, compare};
use crate::domain::plan::{CodeCounts, Comparison, Counts, Fingerprinted, Outcome, PlanEntry, count_as};
use crate::domain::record::{Digest, Kind, RecordKey, Standing, StoredRecord};
use crate::domain::run::{ChunkId, Cost, Feed, Phase, Receipt, Run, RunState, Wanted};
use crate::domain::stock::StockRules;
use crate::domain::warning::Code;
use crate::ports::provider::{MAX_JOINED_BYTES, RangeReader, RangeTally, SourceItem};
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
            let mut cost = Cost::default();
            let receipt = if chunk.feed == Feed::Missing {
                Some(self.plan_missing(&run, chunk, &mut cost).await?)
            } else {
                self.plan_range(&run, chunk, &mut cost).await?
            };
            let Some(receipt) = receipt else { return self.join_instead(&run, chunk.feed).await };
            self.runs.put_receipt(&run.store, &run.id, &receipt, &mut Cost::default()).await?;
        }
        self.advance(&run.store, run.provider, &run.id).await
    }

    /// Opens a chunk's source.
    pub(super) async fn open(&self, run: &Run, chunk: ChunkId, cost: &mut Cost) -> Result<Items, StepError> {
        if chunk.feed == Feed::Locations {
            let items = self.stored_locations(run, cost).await?;
            return Ok(Items::List(items.into_iter(), RangeTally::default()));
        }
        let progress = run.feeds.get(&chunk.feed);
        let (joined, file) = match progress.and_then(|p| p.file.as_ref().map(|file| (p.joined, file))) {
            Some(open) => open,
            None => return Ok(Items::List(Vec::new().into_iter(), RangeTally::default())),
        };
        let start = u64::from(chunk.index) * self.chunk_bytes;
        let range = if joined { 0..file.size } else { start..(start + self.chunk_bytes).min(file.size) };
        let reader = self.extract.open_range(chunk.feed, file, range, joined, &Self::context(run)).await?;
        Ok(Items::Range(reader, self.stock_rules(run, chunk.feed, cost).await?))
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
        cost: &mut Cost,
    ) -> Result<Option<Receipt>, StepError> {
        let place = self.place(run, chunk);
        let mut items = self.open(run, chunk, cost).await?;
        let mut preview = PreviewPlan::of(self, run).await?;
        let names = self.names(run, &items).await?;
        let mut planner = Planner::new(run, place);
        let mut pick = self.pick_to_plan(run, chunk, 0, cost).await?;
        loop {
            let batch = items.batch(run).await?;
            if items.tally().orphans > 0 {
                return Ok(None);
            }
            if batch.is_empty() {
                break;
            }
            let batch = self.picked(run, &mut pick, batch, cost).await?;
            let keys: Vec<RecordKey> = batch.iter().map(|candidate| candidate.key).collect();
            let stored = self.catalog.get(&run.store, &keys, false, cost).await?;
            let promised = preview.entries(self, run, &keys, cost).await?;
            for (candidate, stored) in batch.into_iter().zip(stored) {
                let place = names.of(&candidate, stored.as_ref());
                let promised =
                    promised.as_ref().map(|p| p.get(&(candidate.key.kind, candidate.key.external_id)));
                planner.take(candidate, stored.as_ref(), place, promised, cost).await?;
            }
        }
        let tally = items.tally();
        let mut receipt = planner.finish(chunk, run.generation, cost).await?;
        (receipt.lines, receipt.roots, receipt.orphans) = (tally.lines, tally.roots, tally.orphans);
        Ok(Some(receipt))
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

/// Compares one candidate after the other and keeps what is worth keeping.
pub(super) struct Planner<'a> {
    run: &'a Run,
    writer: EntryWriter<'a>,
    place: Chunk<'a>,
    seen: Vec<(Kind, u64)>,
    counts: Counts,
    warnings: CodeCounts,
    whole: bool,
    stock: StockSides,
    changes: Changes,
}

impl<'a> Planner<'a> {
    pub fn new(run: &'a Run, place: Chunk<'a>) -> Self {
        Self {
            run,
            writer: EntryWriter::new(place, PageKind::Plan),
            place,
            seen: Vec::new(),
            counts: Counts::default(),
            warnings: CodeCounts::new(),
            whole: true,
            stock: StockSides::default(),
            changes: Changes::default(),
        }
    }

    fn compare(
        &self,
        source: &Fingerprinted,
        stored: Option<&StoredRecord>,
        decisions: &Decisions,
    ) -> Comparison {
        compare(source, stored, Terms { run: &self.run.id, decisions })
    }

    /// Decides about one record. `promised` is what the preview said of it, where the run carries one out.
    async fn take(
        &mut self,
        candidate: Candidate,
        stored: Option<&StoredRecord>,
        place: Match,
        promised: Option<Option<&Promise>>,
        cost: &mut Cost,
    ) -> Result<(), StepError> {
        self.seen.push((candidate.key.kind, candidate.key.external_id));
        let mut codes = candidate.codes;
        let mut compared = match stored {
            // What is new as a whole is written as it came: a plan needs no copy of it.
            None => as_a_whole(&candidate.source, Outcome::Created),
            Some(_) => self.compare(&candidate.source, stored, &Decisions::default()),
        };
        let version = stored.map_or(0, |stored| stored.version);
        if candidate.truncated {
            self.whole = false;
            codes.push(Code::SrcChildTruncated);
            compared = as_a_whole(&candidate.source, Outcome::Failed);
        } else if place.ambiguous {
            codes.push(Code::LocMatchAmbiguous);
            compared = as_a_whole(&candidate.source, Outcome::Blocked);
        } else if promised.is_some_and(|promise| {
            let now = Promise::new(compared.outcome, candidate.source.digest, version);
            now.breaks(promise) && !(place.decided && now.is_of_same_source(promise))
        }) {
            codes.push(Code::RunPlanStale);
            compared = as_a_whole(&candidate.source, Outcome::Blocked);
        } else {
            if !self.run.decisions.is_empty() && stored.is_some() {
                compared = self.compare(&candidate.source, stored, &self.run.decisions);
            }
            if candidate.key.kind == Kind::Warehouse {
                codes.extend(renamed(&compared));
            }
        }
        // What was deleted here has no stock to be equal with the shop's.
        let left_out =
            !compared.outcome.writes() && stored.is_some_and(|stored| stored.standing == Standing::Detached);
        if candidate.key.kind == Kind::Stock && !left_out {
            self.stock.take_source(&candidate.source.record);
            // What is written is read back by whoever writes it.
            if !compared.outcome.writes() {
                self.stock.take_stored(Some(&candidate.source.record), stored, Cause::WriteFailed);
            }
        }
        codes.extend(place.code());
        for code in &codes {
            *self.warnings.entry(*code).or_default() += 1;
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
            candidates: Vec::new(),
            adopts: None,
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
        self.counts.merge(&compared.counts);
        for (code, n) in &compared.codes {
            *self.warnings.entry(*code).or_default() += n;
            entry.codes.push(*code);
        }
        entry.codes.sort_unstable();
        entry.codes.dedup();
        entry.diff = compared.diff;
        if entry.outcome.writes() {
            self.changes.take(&entry);
        }
        if entry.outcome != Outcome::Unchanged || entry.codes.contains(&Code::IdDetachedLocalDelete) {
            self.writer.push(&entry, cost).await?;
        }
        Ok(())
    }

    pub async fn finish(
        self,
        chunk: ChunkId,
        generation: u32,
        cost: &mut Cost,
    ) -> Result<Receipt, StepError> {
        self.place.put_seen(&self.seen, cost).await?;
        let pages = self.writer.finish(cost).await?;
        Ok(Receipt {
            phase: Phase::Plan,
            generation,
            chunk,
            lines: 0,
            roots: 0,
            orphans: 0,
            whole: self.whole,
            skipped: false,
            counts: self.counts,
            warnings: self.warnings,
            cost: *cost,
            pages,
            result_pages: 0,
            journal_pages: 0,
            stock: self.stock,
            changes: self.changes,
        })
    }

    pub fn warn(&mut self, code: Code, n: u64) {
        *self.warnings.entry(code).or_default() += n;
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

/// What a preview said of a record: the source and the stored version that it was said of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Promise {
    outcome: Outcome,
    source: Digest,
    version: u64,
}

impl Promise {
    pub fn new(outcome: Outcome, source: Digest, version: u64) -> Self {
        Self { outcome, source, version }
    }

    /// Whether it is about what the preview saw, whatever was decided about that since.
    fn is_of_same_source(self, shown: Option<&Self>) -> bool {
        shown.is_some_and(|shown| (shown.source, shown.version) == (self.source, self.version))
    }

    /// Whether this decision is not the one that was shown. A record that the preview listed as nothing to write and
    /// that has nothing to write now keeps its promise, whatever moved below.
    pub fn breaks(self, shown: Option<&Self>) -> bool {
        let shown_writes = shown.is_some_and(|shown| shown.outcome.writes());
        if !self.outcome.writes() && !shown_writes {
            return false;
        }
        shown != Some(&self)
    }
}

/// Promises by what they are about.
type Promises = HashMap<(Kind, u64), Promise>;

/// The plan of the preview that a run carries out.
pub(super) struct PreviewPlan {
    receipts: Option<(crate::domain::ids::RunId, u32, Vec<Receipt>)>,
    pages: BTreeMap<(ChunkId, u32), Promises>,
}

impl PreviewPlan {
    pub async fn of(step: &ImportStep, run: &Run) -> Result<Self, StepError> {
        let mut receipts = None;
        if let Some(id) = &run.from_preview {
            let preview = step.runs.load(&run.store, run.provider, id).await?;
            let preview = preview.ok_or_else(|| AppError::bug("the preview of a run is gone"))?;
            let all = step.runs.receipts(&run.store, id, Phase::Plan, preview.generation).await?;
            receipts = Some((preview.id, preview.generation, all));
        }
        Ok(Self { receipts, pages: BTreeMap::new() })
    }

    /// What the preview said of some records; none where the run carries out no preview. Only the pages whose span
    /// of ids meets the records' are read, each once.
    pub async fn entries(
        &mut self,
        step: &ImportStep,
        run: &Run,
        keys: &[RecordKey],
        cost: &mut Cost,
    ) -> Result<Option<Promises>, StepError> {
        let Some((preview, generation, receipts)) = &self.receipts else { return Ok(None) };
        let pages = &mut self.pages;
        let mut found = HashMap::new();
        for receipt in receipts {
            for (number, span) in receipt.page_numbers().into_iter().zip(&receipt.pages) {
                let meets = |key: &RecordKey| (span.first..=span.last).contains(&key.external_id);
                if !keys.iter().any(meets) {
                    continue;
                }
                let page = match pages.entry((receipt.chunk, number)) {
                    Entry::Occupied(page) => page.into_mut(),
                    Entry::Vacant(page) => {
                        let place = Chunk {
                            runs: step.runs.as_ref(),
                            store: &run.store,
                            run: preview,
                            chunk: receipt.chunk,
                            generation: *generation,
                        };
                        let entries = place.entries(PageKind::Plan, number, cost).await?;
                        let promises = entries.into_iter().map(|entry| {
                            let promise = Promise::new(entry.outcome, entry.source, entry.version);
                            ((entry.kind, entry.external_id), promise)
                        });
                        page.insert(promises.collect())
                    }
                };
                for key in keys.iter().filter(|key| meets(key)) {
                    let id = (key.kind, key.external_id);
                    if let Some(promise) = page.get(&id) {
                        found.insert(id, *promise);
                    }
                }
            }
        }
        Ok(Some(found))
    }
}
