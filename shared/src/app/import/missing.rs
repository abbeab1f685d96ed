//! What is stored and was not seen. Looked for only after a scan that is proven complete.

use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;

use super::ImportStep;
use super::StepError;
use super::brake::is_mass;
use super::checkpoint::{Checkpoint, Progress, Reached};
use super::plan::{Planner, Unwritten};
use super::promised::{PreviewPlan, Promise};
use crate::domain::gone::gone;
use crate::domain::plan::{CodeCounts, Comparison, Counts, Outcome, PlanEntry};
use crate::domain::record::{Digest, Kind, RecordKey, Resource, Standing, StoredRecord};
use crate::domain::run::{ChunkId, Cost, Feed, Phase, Receipt, Run};
use crate::domain::warning::Code;
use crate::ports::runs::PageKind;

/// Missing records that are read and planned at once, with what goes with them.
const AT_ONCE: usize = 30;

/// Kinds of records that can go missing, each with the feed that shows which are there. The others go with them.
pub(super) const LOOKED_FOR: [(Kind, Feed); 3] = [
    (Kind::Warehouse, Feed::Locations),
    (Kind::Product, Feed::Products),
    (Kind::Category, Feed::Collections),
];

/// Ids that are held at once: 8 bytes each. More are looked at in several rounds.
const IDS_AT_ONCE: u64 = 2_000_000;
/// Pages of ids, and batches of records, that are read at once.
const CONCURRENCY: usize = 16;

/// Stored records of a kind that the scan did not see.
struct NotSeen {
    /// How many are stored in all.
    stored: usize,
    /// Those that no earlier run found gone.
    news: Vec<u64>,
    /// Those that an earlier run marked, where this one is to do more about them. They are no news and trip no brake.
    known: Vec<u64>,
}

impl ImportStep {
    /// Plans what becomes of everything that is gone. Of a checkpoint, `next` is what is under way, twice the place of the
    /// kind and one more for what an earlier run marked, and `objects` the last of its ids that is done.
    pub(super) async fn plan_missing(
        &self,
        run: &Run,
        chunk: ChunkId,
        mut at: Checkpoint<Unwritten>,
        until: Timestamp,
    ) -> Result<Progress<Unwritten>, StepError> {
        let cost = &mut std::mem::take(&mut at.receipt.cost);
        let receipts = self.runs.receipts(&run.store, &run.id, Phase::Plan, run.generation).await?;
        let mut planner = Planner::new(run, self.place(run, chunk), at.receipt, at.waiting);
        let mut preview = PreviewPlan::of(self, run).await?;
        let resumed = at.reached;
        let kinds = (0u64..).zip(LOOKED_FOR).filter(|(_, (_, feed))| run.feeds.contains_key(feed));
        for (nth, (kind, feed)) in kinds.skip_while(|(nth, _)| 2 * nth + 1 < resumed.next) {
            let begun = resumed.next / 2 == nth && resumed.objects > 0;
            let of_feed: Vec<&Receipt> = receipts.iter().filter(|r| r.chunk.feed == feed).collect();
            if of_feed.iter().any(|receipt| !receipt.whole) || self.announced_more(run, kind, &of_feed) {
                planner.warn(Code::MissNotEvaluated, 1);
                continue;
            }
            let NotSeen { stored, news, known } = self.not_seen(run, kind, &of_feed, cost).await?;
            let mass = is_mass(news.len(), stored);
            if mass && !begun {
                planner.warn(Code::MissMassBrake, news.len() as u64);
            }
            for (group, ids, mass) in [(2 * nth, news, mass), (2 * nth + 1, known, false)] {
                let done = if group == resumed.next { resumed.objects } else { 0 };
                let ids =
                    if group < resumed.next { &[] } else { &ids[ids.partition_point(|id| *id <= done)..] };
                for ids in ids.chunks(AT_ONCE) {
                    self.plan_gone(run, kind, ids, mass, &mut planner, &mut preview, cost).await?;
                    if let Some(last) = ids.last().filter(|_| self.out_of_time(until)) {
                        at.reached = Reached { next: group, objects: *last };
                        (at.receipt, at.waiting) = planner.pause(*cost);
                        return Ok(Progress::Paused(at));
                    }
                }
            }
        }
        Ok(Progress::Done(planner.finish(cost).await?))
    }

    /// Whether the shop counted more records when the run began than it delivered. It may have deleted them since;
    /// that cannot be told apart from a scan with a hole, so nothing is taken for missing.
    fn announced_more(&self, run: &Run, kind: Kind, receipts: &[&Receipt]) -> bool {
        let Some(resource) = kind.shape().counts_as else { return false };
        let roots: u64 = receipts.iter().map(|receipt| receipt.roots).sum();
        run.announced.get(&resource).is_some_and(|announced| *announced > roots)
    }

    /// The ids of a round that the scan saw, in order.
    async fn seen(
        &self,
        run: &Run,
        receipts: &[&Receipt],
        round: Round,
        cost: &mut Cost,
    ) -> Result<Vec<u64>, StepError> {
        let of_chunk = async |receipt: &Receipt| {
            let mut cost = Cost::default();
            let mut ids = self.place(run, receipt.chunk).all_seen(&mut cost).await?;
            ids.retain(|id| round.holds(*id));
            Ok::<_, StepError>((ids, cost))
        };
        let mut reading =
            stream::iter(receipts.iter().map(|receipt| of_chunk(receipt))).buffered(CONCURRENCY);
        let mut seen = Vec::new();
        while let Some(read) = reading.next().await {
            let (ids, spent) = read?;
            seen.extend(ids);
            cost.add(spent);
        }
        seen.sort_unstable();
        Ok(seen)
    }

    async fn not_seen(
        &self,
        run: &Run,
        kind: Kind,
        receipts: &[&Receipt],
        cost: &mut Cost,
    ) -> Result<NotSeen, StepError> {
        let (mut stored, mut gone) = (0, Vec::new());
        for round in Round::all(receipts.iter().map(|receipt| receipt.roots).sum()) {
            let seen = self.seen(run, receipts, round, cost).await?;
            let mut cursor = None;
            loop {
                let page = self.catalog.external_ids(&run.store, run.source, kind, cursor, cost).await?;
                for id in page.items.into_iter().filter(|id| round.holds(*id)) {
                    stored += 1;
                    if seen.binary_search(&id).is_err() {
                        gone.push(id);
                    }
                }
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
        }
        let keys: Vec<RecordKey> =
            gone.iter().map(|id| RecordKey { source: run.source, kind, external_id: *id }).collect();
        let chosen = run.options.on_missing.of(kind);
        let (mut news, mut known) = (Vec::new(), Vec::new());
        let read = async |keys: &[RecordKey]| {
            let mut cost = Cost::default();
            let found = self.catalog.get(&run.store, keys, true, &mut cost).await?;
            Ok::<_, StepError>((found, cost))
        };
        let mut reading = stream::iter(keys.chunks(100).map(read)).buffered(CONCURRENCY);
        while let Some(found) = reading.next().await {
            let (found, spent) = found?;
            cost.add(spent);
            for record in found.into_iter().flatten() {
                match record.standing {
                    Standing::Active => news.push(record.key.external_id),
                    standing if standing.is_due(chosen) => known.push(record.key.external_id),
                    Standing::Missing { .. } | Standing::Detached | Standing::Replaced { .. } => {}
                }
            }
        }
        news.sort_unstable();
        known.sort_unstable();
        Ok(NotSeen { stored, news, known })
    }

    /// Plans what becomes of records that are gone. Those of a mass say so: what becomes of them is decided later.
    #[expect(
        clippy::too_many_arguments,
        reason = "they are what planning stands on; each is a thing of its own"
    )]
    async fn plan_gone(
        &self,
        run: &Run,
        kind: Kind,
        ids: &[u64],
        mass: bool,
        planner: &mut Planner<'_>,
        preview: &mut PreviewPlan,
        cost: &mut Cost,
    ) -> Result<(), StepError> {
        let (parts, chosen) = (with_parts(kind), run.options.on_missing);
        let keys: Vec<RecordKey> = ids
            .iter()
            .flat_map(|id| {
                parts.iter().map(|kind| RecordKey { source: run.source, kind: *kind, external_id: *id })
            })
            .collect();
        let records = self.catalog.get(&run.store, &keys, true, cost).await?;
        let promised = preview.entries(self, run, &keys, cost).await?;
        for records in records.chunks(parts.len()) {
            let label = records.iter().flatten().next().map(label).unwrap_or_default();
            for stored in records.iter().flatten() {
                if !stored.standing.is_due(chosen.of(stored.key.kind)) {
                    continue;
                }
                let mut compared = gone(stored, chosen);
                let mut codes = Vec::new();
                if mass {
                    compared.codes.clear();
                    codes.push(Code::MissMassBrake);
                }
                let now = Promise::new(Outcome::Missing, GONE, stored.version);
                let shown = promised.as_ref().map(|p| p.get(&(stored.key.kind, stored.key.external_id)));
                if shown.is_some_and(|shown| now.breaks(shown)) {
                    codes.push(Code::RunPlanStale);
                    planner.warn(Code::RunPlanStale, 1);
                    compared = left_alone();
                }
                let entry = PlanEntry {
                    kind: stored.key.kind,
                    external_id: stored.key.external_id,
                    label: label.clone(),
                    outcome: compared.outcome,
                    source: GONE,
                    version: stored.version,
                    codes,
                    diff: Vec::new(),
                    candidates: Vec::new(),
                    adopts: stored.local,
                    replaces: None,
                };
                planner.keep(entry, compared, cost).await?;
            }
        }
        Ok(())
    }

    /// The entries of the missing, for applying.
    pub(super) async fn missing_entries(
        &self,
        run: &Run,
        chunk: ChunkId,
        plan: &Receipt,
        cost: &mut Cost,
    ) -> Result<Vec<PlanEntry>, StepError> {
        let mut entries = Vec::new();
        for number in plan.page_numbers() {
            entries.extend(self.place(run, chunk).entries(PageKind::Plan, number, cost).await?);
        }
        Ok(entries)
    }
}

/// A share of all ids, so that no more are held at once than fit.
#[derive(Debug, Clone, Copy)]
struct Round {
    number: u64,
    of: u64,
}

impl Round {
    /// As many as it takes for so many ids.
    fn all(ids: u64) -> impl Iterator<Item = Self> {
        let of = ids.div_ceil(IDS_AT_ONCE).max(1);
        (0..of).map(move |number| Self { number, of })
    }

    /// Whether an id is of this round. Ids have patterns of their own, so they are mixed first.
    fn holds(self, id: u64) -> bool {
        (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % self.of == self.number
    }
}

/// The fingerprint of what is not there.
const GONE: Digest = Digest(0);

/// A record and those that go with it.
fn with_parts(kind: Kind) -> &'static [Kind] {
    match kind {
        Kind::Product => &[Kind::Product, Kind::Stock, Kind::Metafields],
        Kind::Warehouse => &[Kind::Warehouse],
        Kind::Stock => &[Kind::Stock],
        Kind::Metafields => &[Kind::Metafields],
        Kind::Category => &[Kind::Category],
    }
}

/// What people call a record.
pub(super) fn label(stored: &StoredRecord) -> String {
    let name = match stored.key.kind.shape().counts_as {
        Some(Resource::Warehouses) => "name",
        _ => "title",
    };
    stored.record.get(name).as_str().unwrap_or_default().to_owned()
}

fn left_alone() -> Comparison {
    Comparison {
        outcome: Outcome::Blocked,
        diff: Vec::new(),
        counts: Counts::default(),
        codes: CodeCounts::new(),
        merged: None,
    }
}
