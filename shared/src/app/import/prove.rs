//! Proving stock: both sides of every level are added up from the receipts, what the shop has changed since is read again,
//! and what differs is listed with its cause.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::pages::Chunk;
use super::{ImportStep, StepError};
use crate::domain::drift::{Cause, DriftRow, DriftVerdict, StockSides};
use crate::domain::ids::RunId;
use crate::domain::record::{Kind, Record, RecordKey, Standing, StoredRecord};
use crate::domain::run::{ChunkId, Cost, Feed, Receipt, Run, RunKind, Wanted};
use crate::ports::provider::{ChangedLevel, ChangedLevels};

/// The shop's clock and ours may differ by this much.
const CLOCKS_APART: Duration = Duration::from_secs(60);
/// Runs that are looked through for the last one that proved its stock.
const LOOKED_BACK: u32 = 20;

/// What was found.
pub(super) struct Proof {
    pub verdict: DriftVerdict,
    /// Levels at locations that no warehouse stands for.
    pub unmapped: u64,
    pub cost: Cost,
}

impl ImportStep {
    /// The proof of a run's stock; none where it carries none or was stopped on the way.
    pub(super) async fn prove_stock(
        &self,
        run: &Run,
        receipts: &[&Receipt],
    ) -> Result<Option<Proof>, StepError> {
        let stopped = receipts.iter().any(|receipt| receipt.skipped);
        if run.kind == RunKind::Undo || !run.wanted.contains(&Wanted::Stock) || stopped {
            return Ok(None);
        }
        let mut sides = StockSides::default();
        for receipt in receipts {
            sides.merge(&receipt.stock);
        }
        let mut cost = Cost::default();
        let mut rows: BTreeMap<(u64, u64), DriftRow> =
            sides.rows.iter().map(|row| ((row.item, row.location), *row)).collect();
        let began = self.clock.now();
        let reread = self.read_again(run, &sides).await?;
        let (levels, whole) = reread.map_or((Vec::new(), false), |reread| (reread.levels, reread.whole));
        let again = self.differing(run, &levels, &mut cost).await?;
        rows.extend(again.into_iter().map(|row| ((row.item, row.location), row)));
        let before =
            if rows.is_empty() { BTreeSet::new() } else { self.drifted_before(run, &mut cost).await? };
        let repeated = rows.keys().filter(|id| before.contains(*id)).count() as u64;
        let listed: Vec<DriftRow> = rows.into_values().collect();
        let place = Self::drift_place(self.runs.as_ref(), run);
        let pages = place.put_drift(&listed, &mut cost).await?;
        let verdict = DriftVerdict {
            as_of: if whole { began } else { run.created_at },
            reread: levels.len() as u64,
            whole,
            rows: listed.len() as u64 + sides.more,
            repeated,
            pages,
        };
        let unmapped = self.unmapped(run, &sides, &mut cost).await?;
        Ok(Some(Proof { verdict, unmapped, cost }))
    }

    /// Where the rows of a run's verdict stand.
    pub(super) fn drift_place<'a>(runs: &'a dyn crate::ports::runs::RunStore, run: &'a Run) -> Chunk<'a> {
        Chunk::of_every_plan(runs, run, ChunkId { feed: Feed::Missing, index: 0 })
    }

    /// The levels that the shop changed since the run began; none where the shop is no longer to be asked.
    async fn read_again(&self, run: &Run, sides: &StockSides) -> Result<Option<ChangedLevels>, StepError> {
        let locations: BTreeSet<u64> = sides.source.keys().chain(sides.stored.keys()).copied().collect();
        let since = run.created_at - CLOCKS_APART;
        let mut asking = run.clone();
        let asked = async {
            let mut shop = self.shop(&mut asking).await?;
            shop.ask(async |access| self.extract.levels_since(access, since, &locations).await).await
        };
        match asked.await {
            Ok(levels) => Ok(Some(levels)),
            // Everything is written; a shop that left meanwhile takes the proof away, not the run.
            Err(StepError::Fail(why)) => {
                tracing::warn!(code = why.code.as_str(), cause = why.detail, "stock could not be read again");
                Ok(None)
            }
            Err(later) => Err(later),
        }
    }

    /// Those of some levels that are stored otherwise.
    async fn differing(
        &self,
        run: &Run,
        levels: &[ChangedLevel],
        cost: &mut Cost,
    ) -> Result<Vec<DriftRow>, StepError> {
        if levels.is_empty() {
            return Ok(Vec::new());
        }
        let rules = self.stock_rules(run, Feed::Products, cost).await?;
        let mut by_product: BTreeMap<u64, Record> = BTreeMap::new();
        for changed in levels {
            let record = by_product.entry(changed.product).or_insert_with(|| Record::empty(Kind::Stock));
            record.children[0].extend(rules.level(changed.level.clone()));
        }
        let mut differing = StockSides::default();
        let products: Vec<(u64, Record)> = by_product.into_iter().collect();
        for batch in products.chunks(super::plan::BATCH) {
            let key = |id: u64| RecordKey { source: run.source, kind: Kind::Stock, external_id: id };
            let keys: Vec<RecordKey> = batch.iter().map(|(id, _)| key(*id)).collect();
            let stored = self.catalog.get(&run.store, &keys, true, cost).await?;
            for ((_, now), stored) in batch.iter().zip(stored) {
                let stored = stored.map(|stored| only_of(stored, now));
                differing.take_stored(Some(now), stored.as_ref(), Cause::ChangedInSource);
            }
        }
        Ok(differing.rows)
    }

    /// The levels at locations that no warehouse stands for.
    async fn unmapped(&self, run: &Run, sides: &StockSides, cost: &mut Cost) -> Result<u64, StepError> {
        let locations: Vec<(u64, u64)> = sides.source.iter().map(|(id, sums)| (*id, sums.rows)).collect();
        let mut unmapped = 0;
        for batch in locations.chunks(super::plan::BATCH) {
            let key = |id: u64| RecordKey { source: run.source, kind: Kind::Warehouse, external_id: id };
            let keys: Vec<RecordKey> = batch.iter().map(|(id, _)| key(*id)).collect();
            let stored = self.catalog.get(&run.store, &keys, true, cost).await?;
            let stands = |stored: &Option<StoredRecord>| {
                stored.as_ref().is_some_and(|stored| stored.standing == Standing::Active)
            };
            unmapped +=
                batch.iter().zip(&stored).filter(|(_, s)| !stands(s)).map(|((_, n), _)| n).sum::<u64>();
        }
        Ok(unmapped)
    }

    /// The rows that differed after the run before.
    async fn drifted_before(&self, run: &Run, cost: &mut Cost) -> Result<BTreeSet<(u64, u64)>, StepError> {
        let page = self.runs.list(&run.store, run.provider, None, LOOKED_BACK).await?;
        let Some(before) = last_proven(&page.items, run) else { return Ok(BTreeSet::new()) };
        let pages = before.drift.map_or(0, |drift| drift.pages);
        let rows = Self::drift_place(self.runs.as_ref(), before).drift(pages, cost).await?;
        Ok(rows.into_iter().map(|row| (row.item, row.location)).collect())
    }
}

/// The last run before this one, of the same shop, that proved its stock. `runs` come newest first.
fn last_proven<'a>(runs: &'a [Run], run: &Run) -> Option<&'a Run> {
    earlier(runs, &run.id).find(|before| before.source == run.source && before.drift.is_some())
}

/// The runs before one. `runs` come newest first.
pub(super) fn earlier<'a>(runs: &'a [Run], run: &RunId) -> impl Iterator<Item = &'a Run> {
    runs.iter().skip_while(move |before| before.id.as_str() >= run.as_str())
}

/// What is stored of the levels that were read again, and nothing else: the others are not known to have changed.
fn only_of(mut stored: StoredRecord, now: &Record) -> StoredRecord {
    let ids: BTreeSet<&str> = now.children[0].iter().map(|level| level.id.as_str()).collect();
    stored.record.children[0].retain(|level| ids.contains(level.id.as_str()));
    stored
}
