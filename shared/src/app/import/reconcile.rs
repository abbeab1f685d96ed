//! The reconciliation of a run: what the shop announced, what was read, what became of it, what both sides hold, and what
//! is new against the run before.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::ImportStep;
use super::prove::earlier;
use super::requests::Imports;
use super::verify::sum;
use crate::app::error::AppError;
use crate::domain::changes::Changes;
use crate::domain::drift::{Cause, DriftRow, LevelSums, StockSides};
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::domain::plan::{Counts, Outcome};
use crate::domain::record::Resource;
use crate::domain::run::{Cost, Feed, Receipt, Run, RunKind, RunState};
use crate::domain::warning::Code;

/// Fields named for each resource.
const FIELDS_NAMED: usize = 10;
/// Differing levels listed in one answer; all are counted.
const ROWS_LISTED: usize = 1_000;
/// Runs that are looked through for the one before.
const LOOKED_BACK: u32 = 20;

/// How often a field changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldCount {
    /// The field; `*` for a whole child, `order` for the order of children.
    pub field: String,
    /// How often.
    pub count: u64,
}

/// The sums of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResourceSums {
    /// The resource.
    pub resource: Resource,
    /// What the shop counted when the run began; absent where it gives no exact number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<u64>,
    /// What was received and read.
    pub received: u64,
    /// Numbers by outcome.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, u64>))]
    pub outcomes: BTreeMap<Outcome, u64>,
    /// The fields that changed most, most often first.
    pub changed: Vec<FieldCount>,
    /// Conflicts in which the store's value was kept.
    pub conflicts_kept: u64,
    /// Conflicts in which the shop's value was taken, as decided.
    pub conflicts_taken: u64,
    /// Whether received = created + updated + unchanged + restored + blocked + failed, and received = source where
    /// that is known.
    pub closes: bool,
}

/// What a feed announced and what was read of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FeedSums {
    /// The feed.
    pub feed: String,
    /// Objects announced.
    pub announced: u64,
    /// Objects read.
    pub read: u64,
    /// Top-level objects announced.
    pub announced_records: u64,
    /// Top-level objects read.
    pub read_records: u64,
}

/// One side of the levels at a location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SideSums {
    /// Number of levels.
    pub rows: u64,
    /// Sum of what is available.
    pub sum: i64,
    /// A digest of items and numbers, whatever their order: 16 hexadecimal digits.
    pub digest: String,
}

impl From<LevelSums> for SideSums {
    fn from(sums: LevelSums) -> Self {
        Self { rows: sums.rows, sum: sums.sum, digest: format!("{:016x}", sums.digest) }
    }
}

/// Both sides of the levels at a location, when the run read and wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LocationSums {
    /// The location's id in the shop.
    pub location_id: String,
    /// What the shop has, as this run imports it.
    pub source: SideSums,
    /// What is stored.
    pub stored: SideSums,
    /// Whether both sides are equal and no level of it differs.
    pub in_sync: bool,
}

/// A level that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DriftingLevel {
    /// The inventory item's id in the shop.
    pub item_id: String,
    /// The location's id in the shop.
    pub location_id: String,
    /// What the shop has; absent where it has no such level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<i64>,
    /// What is stored; absent where there is no such level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<i64>,
    /// Why.
    pub cause: Cause,
    /// Whether it differed after the run before as well.
    pub repeated: bool,
}

/// What was found when the stock was proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StockProof {
    /// Whether every level is equal on both sides as of `as_of`.
    pub in_sync: bool,
    /// When the shop was asked last, RFC 3339.
    pub as_of: String,
    /// Levels that the shop had changed since the run began, and that were read again.
    pub reread: u64,
    /// Whether all of those were read. Where not, `as_of` is when the run began.
    pub reread_all: bool,
    /// Levels that differ.
    pub drifting: u64,
    /// Levels that differ and differed after the run before: running again does not help.
    pub drifting_twice: u64,
    /// Location by location.
    pub locations: Vec<LocationSums>,
    /// The levels that differ, at most 1,000.
    pub levels: Vec<DriftingLevel>,
}

/// An outcome that this run had more or less often than the run before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OutcomeChange {
    /// The resource.
    pub resource: Resource,
    /// The outcome.
    pub outcome: Outcome,
    /// How often now.
    pub now: u64,
    /// How often in the run before.
    pub before: u64,
}

/// What is new against the run before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SinceLast {
    /// The import before this one.
    pub run_id: String,
    /// The outcomes that differ.
    pub outcomes: Vec<OutcomeChange>,
    /// Warnings that the run before did not have.
    pub new_codes: Vec<Code>,
    /// Warnings that only the run before had.
    pub gone_codes: Vec<Code>,
}

/// The reconciliation of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reconciliation {
    /// The run.
    pub run_id: String,
    /// Where it stands; the sums are final once this is.
    pub status: RunState,
    /// Whether every resource's sums close.
    pub closes: bool,
    /// Resource by resource.
    pub resources: Vec<ResourceSums>,
    /// Lines and records announced by the shop and read by us, by feed.
    pub feeds: Vec<FeedSums>,
    /// Whether stock is equal on both sides; absent where the run carried none or has not come that far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stock: Option<StockProof>,
    /// What is new against the import before; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_last: Option<SinceLast>,
}

impl Imports {
    /// The sums of a run, resource by resource, and the proof of its stock.
    pub async fn reconciliation(
        &self,
        store: &StoreId,
        provider: ProviderId,
        id: &RunId,
    ) -> Result<Reconciliation, AppError> {
        let run = self.load(store, provider, id).await?;
        let (planned, applied) = self.receipts(&run).await?;
        let counts = if run.state.is_final() { run.counts.clone() } else { sum(&planned, &applied).counts };
        let mut changes = Changes::default();
        planned.iter().for_each(|receipt| changes.merge(&receipt.changes));
        let resources = resources(&run, &counts, &changes);
        let before = self.before(&run).await?;
        let stock = self.stock_proof(&run, before.as_ref(), planned.iter().chain(&applied)).await?;
        Ok(Reconciliation {
            run_id: run.id.to_string(),
            status: run.state,
            closes: resources.iter().all(|sums| sums.closes),
            resources,
            feeds: feeds(&run, &planned),
            stock,
            since_last: before.map(|before| since_last(&run, &counts, &before)),
        })
    }

    /// The import of the same shop before a run.
    async fn before(&self, run: &Run) -> Result<Option<Run>, AppError> {
        let page = self.runs.list(&run.store, run.provider, None, LOOKED_BACK).await?;
        let mut before = earlier(&page.items, &run.id);
        let same = |before: &&Run| {
            before.kind == RunKind::Import && before.source == run.source && before.state.is_final()
        };
        Ok(before.find(same).cloned())
    }

    async fn stock_proof(
        &self,
        run: &Run,
        before: Option<&Run>,
        receipts: impl Iterator<Item = &Receipt>,
    ) -> Result<Option<StockProof>, AppError> {
        let Some(drift) = run.drift else { return Ok(None) };
        let mut sides = StockSides::default();
        receipts.for_each(|receipt| sides.merge(&receipt.stock));
        let rows = self.rows(run).await?;
        let twice: BTreeSet<(u64, u64)> = match before {
            Some(before) if drift.repeated > 0 => {
                self.rows(before).await?.iter().map(|row| (row.item, row.location)).collect()
            }
            _ => BTreeSet::new(),
        };
        let drifting: BTreeSet<u64> = rows.iter().map(|row| row.location).collect();
        let locations: BTreeSet<u64> = sides.source.keys().chain(sides.stored.keys()).copied().collect();
        let locations = locations.into_iter().map(|id| {
            let of = |side: &BTreeMap<u64, LevelSums>| side.get(&id).copied().unwrap_or_default();
            let (source, stored) = (of(&sides.source), of(&sides.stored));
            let in_sync = source == stored && !drifting.contains(&id);
            LocationSums {
                location_id: id.to_string(),
                source: source.into(),
                stored: stored.into(),
                in_sync,
            }
        });
        Ok(Some(StockProof {
            in_sync: drift.rows == 0,
            as_of: drift.as_of.to_string(),
            reread: drift.reread,
            reread_all: drift.whole,
            drifting: drift.rows,
            drifting_twice: drift.repeated,
            locations: locations.collect(),
            levels: rows.iter().take(ROWS_LISTED).map(|row| level(row, &twice)).collect(),
        }))
    }

    async fn rows(&self, run: &Run) -> Result<Vec<DriftRow>, AppError> {
        let pages = run.drift.map_or(0, |drift| drift.pages);
        Ok(ImportStep::drift_place(self.runs.as_ref(), run).drift(pages, &mut Cost::default()).await?)
    }
}

fn level(row: &DriftRow, twice: &BTreeSet<(u64, u64)>) -> DriftingLevel {
    DriftingLevel {
        item_id: row.item.to_string(),
        location_id: row.location.to_string(),
        source: row.source,
        stored: row.stored,
        cause: row.cause,
        repeated: twice.contains(&(row.item, row.location)),
    }
}

fn resources(run: &Run, counts: &Counts, changes: &Changes) -> Vec<ResourceSums> {
    let named = |resource: &Resource| counts.0.contains_key(resource) || run.announced.contains_key(resource);
    let sums = |resource: Resource| {
        let source = run.announced.get(&resource).copied();
        let received = counts.received(resource);
        let changed = changes.most_changed(resource).into_iter().take(FIELDS_NAMED);
        ResourceSums {
            resource,
            source,
            received,
            outcomes: counts.0.get(&resource).cloned().unwrap_or_default(),
            changed: changed.map(|(field, count)| FieldCount { field, count }).collect(),
            conflicts_kept: changes.kept.get(&resource).copied().unwrap_or(0),
            conflicts_taken: changes.taken.get(&resource).copied().unwrap_or(0),
            closes: run.kind == RunKind::Undo
                || run.is_partial()
                || source.is_none_or(|source| source == received),
        }
    };
    Resource::ALL.into_iter().filter(named).map(sums).collect()
}

fn feeds(run: &Run, planned: &[Receipt]) -> Vec<FeedSums> {
    let of_shop = run.feeds.iter().filter(|(feed, _)| **feed != Feed::Missing && run.kind != RunKind::Undo);
    of_shop
        .map(|(feed, progress)| {
            let of_feed = || planned.iter().filter(|receipt| receipt.chunk.feed == *feed);
            FeedSums {
                feed: format!("{feed:?}").to_lowercase(),
                announced: progress.objects,
                read: of_feed().map(|receipt| receipt.lines).sum(),
                announced_records: progress.roots,
                read_records: of_feed().map(|receipt| receipt.roots).sum(),
            }
        })
        .collect()
}

fn since_last(run: &Run, counts: &Counts, before: &Run) -> SinceLast {
    let mut outcomes = Vec::new();
    for resource in Resource::ALL {
        for outcome in Outcome::ALL {
            let (now, before) = (counts.get(resource, outcome), before.counts.get(resource, outcome));
            if now != before {
                outcomes.push(OutcomeChange { resource, outcome, now, before });
            }
        }
    }
    let only = |these: &Run, those: &Run| {
        these.warnings.keys().filter(|code| !those.warnings.contains_key(*code)).copied().collect()
    };
    SinceLast {
        run_id: before.id.to_string(),
        outcomes,
        new_codes: only(run, before),
        gone_codes: only(before, run),
    }
}
