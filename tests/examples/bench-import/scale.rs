//! An import and its unchanged rerun of a shop of any size, with nothing of it in memory: the shop's files are made as
//! they are read, and what is stored is made from them again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, ensure};
use async_trait::async_trait;
use serde_json::{Value, json};
use shared::adapters::dynamodb::units::read_units;
use shared::domain::ids::{ProviderId, RunId, StoreId};
use shared::domain::lookalike::Mark;
use shared::domain::plan::Fingerprinted;
use shared::domain::record::{
    Kind, MAPPER_VERSION, Record, RecordKey, Resource, Source, Standing, StoredRecord,
};
use shared::domain::run::{Cost, Feed};
use shared::ports::catalog::{Catalog, Expect};
use shared::ports::provider::MapContext;
use shared::ports::{Page, PortError};
use shared::providers::shopify::Shopify;
use shared::providers::shopify::made::open;
use shared::testkit::catalog::FakeCatalog;
use shared::testkit::faults::Faults;
use shared::testkit::runs::FakeRuns;
use uuid::Uuid;

use crate::made::{Grown, Repeated};
use crate::{World, cpu_seconds, peak_rss};

/// External ids on one page, as the fake has it.
const IDS_PER_PAGE: usize = 1000;

/// Records of which is only kept which there are.
pub struct MadeCatalog {
    shop: Arc<Grown>,
    context: MapContext,
    /// Holds the records of one call for as long as that takes, and counts what it costs. Small kinds stay in it.
    scratch: FakeCatalog,
    faults: Faults,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// A bit for each record that is stored.
    stored: BTreeMap<Kind, Vec<u64>>,
    calls: u64,
    spent: Cost,
}

/// One object of a feed, by its number, mapped.
type Mapped = (Feed, u64, Vec<(Kind, Record)>);

fn feed_of(kind: Kind) -> Option<Feed> {
    match kind {
        Kind::Product | Kind::Stock => Some(Feed::Products),
        Kind::Metafields => Some(Feed::Metafields),
        Kind::Warehouse | Kind::Category => None,
    }
}

impl MadeCatalog {
    fn new(shop: Arc<Grown>, currency: String) -> Self {
        let faults = Faults::default();
        Self {
            shop,
            context: MapContext { currency, stock: true },
            scratch: FakeCatalog::new(faults.clone()),
            faults,
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.calls += 1;
        if inner.calls.is_multiple_of(1000) {
            // The names of all calls would be the one thing that grows.
            self.faults.revive();
        }
        inner
    }

    fn spent(&self) -> Cost {
        let mut spent = self.scratch.spent();
        spent.add(self.inner().spent);
        spent
    }

    /// The file and the number of a record that is made.
    fn place(&self, key: &RecordKey) -> Option<(Arc<Repeated>, Feed, u64)> {
        let feed = feed_of(key.kind)?;
        let file = self.shop.file(feed)?;
        let number = file.number(key.external_id)?;
        Some((file, feed, number))
    }

    fn is_stored(&self, kind: Kind, number: u64) -> bool {
        let inner = self.inner();
        let word = inner.stored.get(&kind).and_then(|bits| bits.get(number as usize / 64));
        word.is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    fn store_it(&self, kind: Kind, number: u64) {
        let mut inner = self.inner();
        let bits = inner.stored.entry(kind).or_default();
        let at = number as usize / 64;
        if bits.len() <= at {
            bits.resize(at + 1, 0);
        }
        bits[at] |= 1 << (number % 64);
    }

    /// Puts the records of some keys, as an import leaves them, into the scratch; returns their keys.
    async fn lay_out(&self, store: &StoreId, keys: &[RecordKey]) -> Result<Vec<RecordKey>, PortError> {
        let mut laid = Vec::new();
        let mut last: Option<Mapped> = None;
        for key in keys {
            let Some((file, feed, number)) = self.place(key) else { continue };
            if !self.is_stored(key.kind, number) {
                continue;
            }
            if !matches!(&last, Some((of, at, _)) if *of == feed && *at == number) {
                let odd = |why: String| PortError::Malformed { what: "made record", why };
                let place = file.place(number);
                let mut reader = open(feed, file, place, &self.context).map_err(|e| odd(e.to_string()))?;
                let item = reader.next().await.map_err(|e| odd(e.to_string()))?;
                let item = item.ok_or_else(|| odd("there is none".to_owned()))?;
                last = Some((feed, number, item.records));
            }
            let records = last.iter().flat_map(|(_, _, records)| records);
            let Some((_, record)) = records.into_iter().find(|(kind, _)| *kind == key.kind) else { continue };
            let source = Fingerprinted::new(record.clone());
            let stored = StoredRecord {
                key: *key,
                version: 1,
                written_run: RunId::new(Uuid::nil()),
                standing: Standing::Active,
                digest: source.digest,
                base: source.base,
                mapper: MAPPER_VERSION,
                record: source.record,
                local: None,
            };
            self.scratch.insert(store, &stored)?;
            laid.push(*key);
        }
        Ok(laid)
    }

    fn clear(&self, store: &StoreId, keys: &[RecordKey]) {
        for key in keys {
            self.scratch.remove(store, key);
        }
    }
}

#[async_trait]
impl Catalog for MadeCatalog {
    async fn get(
        &self,
        store: &StoreId,
        keys: &[RecordKey],
        consistent: bool,
        cost: &mut Cost,
    ) -> Result<Vec<Option<StoredRecord>>, PortError> {
        let laid = self.lay_out(store, keys).await?;
        let found = self.scratch.get(store, keys, consistent, cost).await;
        self.clear(store, &laid);
        found
    }

    async fn put(
        &self,
        store: &StoreId,
        record: &StoredRecord,
        expect: Expect,
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        self.lay_out(store, &[record.key]).await?;
        let wrote = self.scratch.put(store, record, expect, cost).await;
        if let Some((_, _, number)) = self.place(&record.key) {
            if wrote.is_ok() {
                self.store_it(record.key.kind, number);
            }
            self.clear(store, &[record.key]);
        }
        wrote
    }

    async fn put_both(
        &self,
        store: &StoreId,
        records: [&StoredRecord; 2],
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        self.scratch.put_both(store, records, cost).await
    }

    async fn delete(
        &self,
        store: &StoreId,
        key: &RecordKey,
        version: u64,
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        self.scratch.delete(store, key, version, cost).await
    }

    async fn external_ids(
        &self,
        store: &StoreId,
        source: Source,
        kind: Kind,
        cursor: Option<String>,
        cost: &mut Cost,
    ) -> Result<Page<u64>, PortError> {
        let file = feed_of(kind).and_then(|feed| self.shop.file(feed));
        let Some(file) = file.filter(|_| !source.is_local()) else {
            return self.scratch.external_ids(store, source, kind, cursor, cost).await;
        };
        let from = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        let ids: Vec<u64> = (from..file.objects())
            .take(IDS_PER_PAGE)
            .filter(|number| self.is_stored(kind, *number))
            .map(|number| file.id(number))
            .collect();
        let spent = Cost { read_units: read_units(ids.len() * 200, false), ..Cost::default() };
        cost.add(spent);
        self.inner().spent.add(spent);
        let next = from + IDS_PER_PAGE as u64;
        Ok(Page { items: ids, next: (next < file.objects()).then(|| next.to_string()) })
    }

    async fn bearing(
        &self,
        store: &StoreId,
        provider: ProviderId,
        kind: Kind,
        marks: &[Mark],
        cost: &mut Cost,
    ) -> Result<Vec<Vec<u64>>, PortError> {
        self.scratch.bearing(store, provider, kind, marks, cost).await
    }

    async fn list(
        &self,
        store: &StoreId,
        kind: Kind,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<StoredRecord>, PortError> {
        self.scratch.list(store, kind, cursor, limit).await
    }

    async fn find(&self, store: &StoreId, kind: Kind, id: Uuid) -> Result<Option<StoredRecord>, PortError> {
        self.scratch.find(store, kind, id).await
    }
}

/// Imports a shop `times` as large as the one given, of the products that have so many variants, and again.
pub async fn scale(
    times: u64,
    least_variants: usize,
    shop: &str,
    token: &str,
    folder: &str,
) -> Result<Value> {
    let small = Arc::new(Shopify::new());
    let large = Arc::new(Grown::new(small, times, least_variants));
    let runs = FakeRuns::with_pages_in(Faults::default(), folder.into());
    let catalog = Arc::new(MadeCatalog::new(Arc::clone(&large), World::currency(shop, token).await?));
    let world =
        World::with(shop, token, large, runs.clone(), Arc::clone(&catalog) as Arc<dyn Catalog>).await?;
    let mut report = json!({});
    let (mut before, mut messages, mut cpu) = (Cost::default(), 0, cpu_seconds()?);
    let began = peak_rss()?;
    for name in ["first", "rerun"] {
        let run = world.run(false).await?;
        let products = run.counts.received(Resource::Products);
        ensure!(products > 0, "nothing was read");
        let mut all = runs.spent();
        all.add(catalog.spent());
        let sent = world.messages();
        let now = cpu_seconds()?;
        report["products"] = products.into();
        report[name] = json!({
            "counts": run.counts,
            "warnings": run.warnings.len(),
            "cost": run.cost,
            "all_write_units": all.write_units - before.write_units,
            "all_read_units": all.read_units - before.read_units,
            "messages": sent - messages,
            "cpu_seconds": now - cpu,
            "peak_rss_bytes": peak_rss()?,
        });
        (before, messages, cpu) = (all, sent, now);
    }
    report["rss_at_start_bytes"] = began.into();
    Ok(report)
}
