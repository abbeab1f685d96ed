//! What a preview said of records, read page by page as the run that carries it out comes to them.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::pages::Chunk;
use super::{ImportStep, StepError};
use crate::app::error::AppError;
use crate::domain::ids::RunId;
use crate::domain::plan::Outcome;
use crate::domain::record::{Digest, Kind, RecordKey};
use crate::domain::run::{ChunkId, Cost, PageSpan, Phase, Receipt, Run};
use crate::ports::runs::PageKind;

/// Pages that are held at once. A run comes to them in the order in which its preview wrote them, so those that were
/// read longest ago are not asked for again.
const HELD: usize = 8;

/// What a preview said of a record: the source and the stored version that it was said of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Promise {
    outcome: Outcome,
    source: Digest,
    version: u64,
    /// The records made here that it may be, with the versions in which they were shown.
    proposed: Vec<(u64, u64)>,
}

impl Promise {
    pub fn new(outcome: Outcome, source: Digest, version: u64) -> Self {
        Self { outcome, source, version, proposed: Vec::new() }
    }

    /// Whether it is about what the preview saw in the shop, whatever was decided about that since.
    pub fn is_of_same_source(&self, shown: Option<&Self>) -> bool {
        shown.is_some_and(|shown| shown.source == self.source)
    }

    /// Whether it was shown of this version of what is stored.
    pub fn is_of_version(&self, version: u64) -> bool {
        self.version == version
    }

    /// Whether it was shown that the record may be this one made here, in this version.
    pub fn proposes(&self, number: u64, version: u64) -> bool {
        self.proposed.contains(&(number, version))
    }

    /// Whether this decision is not the one that was shown. A record that the preview listed as nothing to write and
    /// that has nothing to write now keeps its promise, whatever moved below.
    pub fn breaks(&self, shown: Option<&Self>) -> bool {
        let shown_writes = shown.is_some_and(|shown| shown.outcome.writes());
        if !self.outcome.writes() && !shown_writes {
            return false;
        }
        let what = |promise: &Self| (promise.outcome, promise.source, promise.version);
        shown.map(what) != Some(what(self))
    }
}

/// Promises by what they are about.
pub(super) type Promises = HashMap<(Kind, u64), Promise>;

/// The plan of the preview that a run carries out.
#[derive(Default)]
pub(super) struct PreviewPlan {
    preview: Option<(RunId, u32)>,
    pages: Pages,
    held: VecDeque<(Page, Promises)>,
}

impl PreviewPlan {
    pub async fn of(step: &ImportStep, run: &Run) -> Result<Self, StepError> {
        let Some(id) = &run.from_preview else { return Ok(Self::default()) };
        let preview = step.runs.load(&run.store, run.provider, id).await?;
        let preview = preview.ok_or_else(|| AppError::bug("the preview of a run is gone"))?;
        let receipts = step.runs.receipts(&run.store, id, Phase::Plan, preview.generation).await?;
        Ok(Self {
            preview: Some((preview.id, preview.generation)),
            pages: Pages::new(&receipts),
            held: VecDeque::new(),
        })
    }

    /// What the preview said of some records; none where the run carries out no preview. Only pages whose span of ids
    /// meets the records' are read.
    pub async fn entries(
        &mut self,
        step: &ImportStep,
        run: &Run,
        keys: &[RecordKey],
        cost: &mut Cost,
    ) -> Result<Option<Promises>, StepError> {
        let Some((preview, generation)) = &self.preview else { return Ok(None) };
        let wanted: BTreeSet<Page> = keys.iter().flat_map(|key| self.pages.that_may_hold(key)).collect();
        let mut found = HashMap::new();
        for page in wanted {
            if !self.held.iter().any(|(held, _)| *held == page) {
                let (runs, store, chunk) = (step.runs.as_ref(), &run.store, page.chunk);
                let place = Chunk { runs, store, run: preview, chunk, generation: *generation };
                let entries = place.entries(PageKind::Plan, page.number, cost).await?;
                let promises = entries.into_iter().map(|entry| {
                    let mut promise = Promise::new(entry.outcome, entry.source, entry.version);
                    promise.proposed = entry.candidates.iter().map(|one| (one.number, one.version)).collect();
                    ((entry.kind, entry.external_id), promise)
                });
                self.held.push_back((page, promises.collect()));
                if self.held.len() > HELD {
                    self.held.pop_front();
                }
            }
            let promises = self.held.iter().find(|(held, _)| *held == page).map(|(_, promises)| promises);
            for key in keys {
                let id = (key.kind, key.external_id);
                if let Some(promise) = promises.and_then(|promises| promises.get(&id)) {
                    found.insert(id, promise.clone());
                }
            }
        }
        Ok(Some(found))
    }
}

/// Where a page of a preview's plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Page {
    chunk: ChunkId,
    number: u32,
}

/// Every page of a preview's plan, by the first id that it spans.
#[derive(Default)]
struct Pages(Vec<Spanned>);

struct Spanned {
    span: PageSpan,
    /// The largest id of this page and those before it.
    reach: u64,
    page: Page,
}

impl Pages {
    fn new(receipts: &[Receipt]) -> Self {
        let of_chunk = |receipt: &Receipt| {
            let chunk = receipt.chunk;
            let pages = receipt.page_numbers().into_iter().zip(receipt.pages.clone());
            pages.map(move |(number, span)| Spanned { span, reach: span.last, page: Page { chunk, number } })
        };
        let mut pages: Vec<Spanned> = receipts.iter().flat_map(of_chunk).collect();
        pages.sort_by_key(|each| (each.span.first, each.page));
        let mut reach = 0;
        for each in &mut pages {
            reach = reach.max(each.span.last);
            each.reach = reach;
        }
        Self(pages)
    }

    /// The pages whose span meets a record, of those that have records of its kind.
    fn that_may_hold(&self, key: &RecordKey) -> Vec<Page> {
        let (kind, id) = (key.kind, key.external_id);
        let end = self.0.partition_point(|each| each.span.first <= id);
        let near = self.0[..end].iter().rev().take_while(|each| each.reach >= id);
        let meets = |each: &&Spanned| each.span.last >= id && each.page.chunk.feed.may_hold(kind);
        near.filter(meets).map(|each| each.page).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{ProviderId, ShopId};
    use crate::domain::record::Source;
    use crate::domain::run::Feed;

    fn found(pages: &Pages, kind: Kind, external_id: u64) -> Vec<(u32, u32)> {
        let source = Source { provider: ProviderId::Shopify, shop_id: ShopId(1) };
        let mut found: Vec<_> = pages.that_may_hold(&RecordKey { source, kind, external_id });
        found.sort();
        found.iter().map(|page| (page.chunk.index, page.number)).collect()
    }

    /// Pages of files in no order, so that spans overlap, and of several feeds.
    #[test]
    fn every_page_that_may_hold_a_record_is_found_and_no_other() {
        let receipt = |feed, index, spans: &[(u64, u64)]| Receipt {
            pages: spans
                .iter()
                .map(|(first, last)| PageSpan { first: *first, last: *last, entries: 1, number: None })
                .collect(),
            ..Receipt::blank(Phase::Plan, 0, ChunkId { feed, index })
        };
        let pages = Pages::new(&[
            receipt(Feed::Products, 0, &[(10, 19), (20, 29)]),
            receipt(Feed::Products, 1, &[(1, 100), (30, 30)]),
            receipt(Feed::Metafields, 2, &[(10, 40)]),
            receipt(Feed::Missing, 3, &[(5, 15)]),
        ]);
        assert_eq!(found(&pages, Kind::Product, 12), [(0, 0), (1, 0), (3, 0)]);
        assert_eq!(found(&pages, Kind::Stock, 30), [(1, 0), (1, 1)]);
        assert_eq!(found(&pages, Kind::Metafields, 40), [(2, 0)]);
        assert_eq!(found(&pages, Kind::Product, 101), []);
        assert_eq!(found(&pages, Kind::Product, 0), []);
    }
}
