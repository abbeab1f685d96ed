//! Runs that take only part of what the shop has: the first products of a limited run, the records that a retry is to
//! try again. Everything else of the source is passed over, as if it were not there; nothing is taken for missing.

use std::collections::{BTreeSet, HashSet};

use super::plan::Candidate;
use super::{ImportStep, StepError};
use crate::domain::plan::Fingerprinted;
use crate::domain::record::{Kind, Resource};
use crate::domain::run::{ChunkId, Cost, Feed, Phase, Receipt, Run, RunKind};

/// The planning stage of a limited run in which its products are known and all that belongs to them is planned.
/// Before it, products are planned one chunk after the other, because only so is it known which are the first.
const PRODUCTS_KNOWN: u32 = 1 << 30;

impl Run {
    /// Whether it takes only part of what the shop has.
    pub fn is_partial(&self) -> bool {
        self.kind == RunKind::Retry || self.options.limit.is_some()
    }

    /// The chunks that are to be planned as far as the run has come.
    pub(super) fn chunks_to_plan(&self) -> Vec<ChunkId> {
        if self.options.limit.is_none() || self.stage >= PRODUCTS_KNOWN {
            let feeds: Vec<Feed> = self.feeds.keys().copied().collect();
            return self.chunks_of(&feeds);
        }
        let mut chunks = self.chunks_of(&[Feed::Locations, Feed::Products]);
        chunks.retain(|chunk| chunk.feed == Feed::Locations || chunk.index <= self.stage);
        chunks
    }

    /// Takes a limited run one step on in planning, after the chunks so far have their receipts. False where there is
    /// nothing left to plan.
    pub(super) fn plan_further(&mut self, receipts: &[Receipt]) -> bool {
        let Some(limit) = self.options.limit else { return false };
        if self.stage >= PRODUCTS_KNOWN {
            return false;
        }
        let next = self.stage + 1;
        let chunks = self.feeds.get(&Feed::Products).map_or(0, |products| products.chunks);
        if products(receipts) < u64::from(limit) && next < chunks {
            self.stage = next;
        } else {
            if let Some(products) = self.feeds.get_mut(&Feed::Products) {
                products.chunks = chunks.min(next);
            }
            self.stage = PRODUCTS_KNOWN;
        }
        self.handed_off = false;
        true
    }

    /// Whether it read as much of a feed as it was asked for, so that the rest of it need not be there.
    pub(super) fn has_enough(&self, feed: Feed, receipts: &[Receipt]) -> bool {
        feed == Feed::Products
            && self.options.limit.is_some_and(|limit| products(receipts) >= u64::from(limit))
    }
}

/// The number of products that chunks have taken.
fn products<'a>(receipts: impl IntoIterator<Item = &'a Receipt>) -> u64 {
    receipts.into_iter().map(|receipt| receipt.counts.received(Resource::Products)).sum()
}

/// What a chunk takes of its source.
pub(super) enum Pick {
    /// Everything.
    All,
    /// The first so many products.
    First(u64),
    /// These products, what belongs to them, and their places in categories.
    Products(HashSet<u64>),
    /// These records.
    Records(HashSet<(Kind, u64)>),
}

impl ImportStep {
    /// What a chunk takes when it is planned, after `taken` products that earlier steps of it took.
    pub(super) async fn pick_to_plan(
        &self,
        run: &Run,
        chunk: ChunkId,
        taken: u64,
        cost: &mut Cost,
    ) -> Result<Pick, StepError> {
        let Some(limit) = run.options.limit.filter(|_| chunk.feed == Feed::Products) else {
            return self.pick_to_apply(run, chunk, cost).await;
        };
        let receipts = self.runs.receipts(&run.store, &run.id, Phase::Plan, run.generation).await?;
        let before = receipts.iter().filter(|of| of.chunk.feed == Feed::Products && of.chunk < chunk);
        Ok(Pick::First(u64::from(limit).saturating_sub(products(before) + taken)))
    }

    /// What a chunk takes when it is applied: what was planned.
    pub(super) async fn pick_to_apply(
        &self,
        run: &Run,
        chunk: ChunkId,
        cost: &mut Cost,
    ) -> Result<Pick, StepError> {
        if run.kind == RunKind::Retry {
            let records: Vec<(Kind, u64)> = self.to_retry(run, cost).await?;
            return Ok(Pick::Records(records.into_iter().collect()));
        }
        if run.options.limit.is_none() || chunk.feed == Feed::Locations {
            return Ok(Pick::All);
        }
        let chunks = match chunk.feed {
            Feed::Products => vec![chunk],
            _ => run.chunks_of(&[Feed::Products]),
        };
        let mut ids = HashSet::new();
        for chunk in chunks {
            ids.extend(self.place(run, chunk).all_seen(cost).await?);
        }
        Ok(Pick::Products(ids))
    }

    /// What is picked of a batch. Categories are cut down to members that are picked, or stand in them already.
    pub(super) async fn picked(
        &self,
        run: &Run,
        pick: &mut Pick,
        mut batch: Vec<Candidate>,
        cost: &mut Cost,
    ) -> Result<Vec<Candidate>, StepError> {
        match pick {
            Pick::All => {}
            Pick::Records(records) => {
                batch.retain(|found| records.contains(&(found.key.kind, found.key.external_id)));
            }
            Pick::First(left) => {
                let mut last = None;
                batch.retain(|found| {
                    if found.key.kind == Kind::Product && *left > 0 {
                        *left -= 1;
                        last = Some(found.key.external_id);
                    }
                    last == Some(found.key.external_id)
                });
            }
            Pick::Products(ids) => {
                let categories = batch.iter().filter(|found| found.key.kind == Kind::Category);
                let keys: Vec<_> = categories.map(|found| found.key).collect();
                let stored = self.catalog.get(&run.store, &keys, true, cost).await?;
                let mut stored = stored.into_iter();
                batch = batch
                    .into_iter()
                    .filter_map(|mut found| {
                        if found.key.kind != Kind::Category {
                            return ids.contains(&found.key.external_id).then_some(found);
                        }
                        let stored = stored.next().flatten();
                        let standing =
                            stored.iter().flat_map(|stored| stored.record.children.iter().flatten());
                        let standing: BTreeSet<&str> = standing.map(|member| member.id.as_str()).collect();
                        let mut record = found.source.record;
                        record.children[0].retain(|member| {
                            standing.contains(member.id.as_str())
                                || member.id.parse().is_ok_and(|id: u64| ids.contains(&id))
                        });
                        let useful = stored.is_some() || !record.children[0].is_empty();
                        found.source = Fingerprinted::new(record);
                        useful.then_some(found)
                    })
                    .collect();
            }
        }
        Ok(batch)
    }
}
