//! Runs in memory. Units are counted on the very items that the table would hold.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::faults::Faults;
use crate::adapters::dynamodb::cursor::{Scope, refused};
use crate::adapters::dynamodb::keys;
use crate::adapters::dynamodb::units::{Item, item_bytes, read_units, write_units};
use crate::adapters::dynamodb::wire::s;
use crate::adapters::dynamodb::wire_runs::{page_item, read_receipt, read_run, receipt_item, run_item};
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::domain::run::{ChunkId, Cost, Phase, Receipt, Run};
use crate::ports::runs::{ActiveRun, Began, PageKey, PageKind, RunStore};
use crate::ports::{Page, PortError};

const SERVICE: &str = "runs";

type ReceiptKey = (StoreId, RunId, Phase, u32, ChunkId);

#[derive(Default)]
struct Inner {
    /// With the size of the item.
    runs: BTreeMap<(StoreId, ProviderId, RunId), (Run, usize)>,
    locks: BTreeMap<(StoreId, ProviderId), RunId>,
    keys: BTreeMap<(StoreId, ProviderId, String), RunId>,
    receipts: BTreeMap<ReceiptKey, Receipt>,
    pages: BTreeMap<(StoreId, PageKey), Vec<u8>>,
    spent: Cost,
}

/// Runs in memory. Clones share them.
#[derive(Clone)]
pub struct FakeRuns {
    faults: Faults,
    /// Where pages are, if not in memory.
    folder: Option<Arc<std::path::Path>>,
    inner: Arc<Mutex<Inner>>,
}

impl FakeRuns {
    /// No run yet.
    pub fn new(faults: Faults) -> Self {
        Self { faults, folder: None, inner: Arc::default() }
    }

    /// No run yet; pages become files of a folder that is there and empty, so that a large run fits into memory.
    pub fn with_pages_in(faults: Faults, folder: std::path::PathBuf) -> Self {
        Self { folder: Some(folder.into()), ..Self::new(faults) }
    }

    fn file(&self, key: &PageKey) -> Option<std::path::PathBuf> {
        let PageKey { run, chunk, generation, kind, number } = key;
        let name = format!("{run}-{chunk}-{generation}-{}-{number}", kind.as_str());
        self.folder.as_ref().map(|folder| folder.join(name))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all calls together cost so far, headers and locks too.
    pub fn spent(&self) -> Cost {
        self.inner().spent
    }

    /// Every run, past all faults, by store and id.
    pub fn all(&self) -> Vec<Run> {
        self.inner().runs.values().map(|(run, _)| run.clone()).collect()
    }

    /// Every receipt of a run, past all faults.
    pub fn receipts_of(&self, run: &RunId) -> Vec<Receipt> {
        let inner = self.inner();
        inner
            .receipts
            .iter()
            .filter(|((_, of, ..), _)| of == run)
            .map(|(_, receipt)| receipt.clone())
            .collect()
    }

    /// Turns everything stored into what an earlier version would have stored: of headers and receipts these fields alone,
    /// and pages of plans under their place instead of a number of their own.
    pub fn as_written_before(&self, header: &[&str], receipt: &[&str]) -> Result<(), PortError> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        for (run, bytes) in inner.runs.values_mut() {
            let mut item = run_item(run, run.revision)?;
            only(&mut item, header)?;
            *bytes = item_bytes(&item);
            *run = read_run(&run.store, run.provider, &item)?;
        }
        for ((store, run, phase, generation, chunk), receipt_there) in &mut inner.receipts {
            for (place, number) in (0u32..).zip(receipt_there.page_numbers()) {
                let key = |number| PageKey {
                    run: run.clone(),
                    chunk: *chunk,
                    generation: *generation,
                    kind: PageKind::Plan,
                    number,
                };
                if *phase == Phase::Plan
                    && let Some(page) = inner.pages.remove(&(store.clone(), key(number)))
                {
                    inner.pages.insert((store.clone(), key(place)), page);
                }
            }
            for span in &mut receipt_there.pages {
                span.number = None;
            }
            let mut item = receipt_item(store, run, receipt_there, Timestamp::UNIX_EPOCH)?;
            only(&mut item, receipt)?;
            *receipt_there = read_receipt(&item)?;
        }
        Ok(())
    }

    /// The pages of a run, past all faults.
    pub fn pages_of(&self, run: &RunId, kind: PageKind) -> Vec<(PageKey, Vec<u8>)> {
        let inner = self.inner();
        let ours = inner.pages.iter().filter(|((_, key), _)| key.run == *run && key.kind == kind);
        ours.map(|((_, key), bytes)| (key.clone(), bytes.clone())).collect()
    }

    /// Everything that is stored, as text, to search it for what must not be there.
    pub fn dump(&self) -> String {
        let inner = self.inner();
        let mut text = String::new();
        for (run, _) in inner.runs.values() {
            text.push_str(&run_item(run, run.revision).map_or_else(
                |e| e.to_string(),
                // An item has no order of its own; two dumps of the same runs must be equal.
                |item| format!("{:?}\n", item.into_iter().collect::<BTreeMap<_, _>>()),
            ));
        }
        text.push_str(&format!("{:?}\n{:?}\n{:?}\n", inner.locks, inner.keys, inner.receipts));
        for (key, bytes) in &inner.pages {
            text.push_str(&format!("{key:?} {}\n", String::from_utf8_lossy(bytes)));
        }
        text
    }
}

/// Takes everything else out of the document of an item.
fn only(item: &mut Item, fields: &[&str]) -> Result<(), PortError> {
    let odd = || PortError::Malformed { what: "item", why: "it holds no document".to_owned() };
    let doc = item.get("doc").and_then(|doc| doc.as_s().ok()).ok_or_else(odd)?;
    let mut doc: serde_json::Map<String, serde_json::Value> = serde_json::from_str(doc).map_err(|_| odd())?;
    doc.retain(|field, _| fields.contains(&field.as_str()));
    let doc = serde_json::to_string(&doc).map_err(|_| odd())?;
    item.insert("doc".to_owned(), s(doc));
    Ok(())
}

fn lost(error: std::io::Error) -> PortError {
    PortError::Unavailable { service: SERVICE, source: Some(Box::new(error)) }
}

fn written(units: u64) -> Cost {
    Cost { write_units: units, ..Cost::default() }
}

fn read(bytes: usize) -> Cost {
    Cost { read_units: read_units(bytes, true), ..Cost::default() }
}

fn receipt_bytes(store: &StoreId, run: &RunId, receipt: &Receipt) -> Result<usize, PortError> {
    Ok(item_bytes(&receipt_item(store, run, receipt, Timestamp::UNIX_EPOCH)?))
}

/// A header as it comes back from the table, so that nothing passes here that would not pass there.
fn through_table(run: &Run, revision: u64) -> Result<(Run, usize), PortError> {
    let item = run_item(run, revision)?;
    Ok((read_run(&run.store, run.provider, &item)?, item_bytes(&item)))
}

#[async_trait]
impl RunStore for FakeRuns {
    async fn begin(&self, run: &Run, idempotency_key: Option<&str>) -> Result<Began, PortError> {
        let begin = || {
            let mut inner = self.inner();
            let lock = (run.store.clone(), run.provider);
            let key = idempotency_key.map(|key| (run.store.clone(), run.provider, key.to_owned()));
            if let Some(before) = key.as_ref().and_then(|key| inner.keys.get(key)) {
                return Ok(Began::Before(before.clone()));
            }
            match inner.locks.get(&lock) {
                Some(holder) if *holder == run.id => return Ok(Began::New),
                Some(holder) => return Ok(Began::Busy(holder.clone())),
                None => {}
            }
            let place = (run.store.clone(), run.provider, run.id.clone());
            if inner.runs.contains_key(&place) {
                return Err(PortError::Conflict);
            }
            let (stored, bytes) = through_table(run, run.revision)?;
            inner.spent.add(written(2 * (write_units(bytes) + 1 + u64::from(key.is_some()))));
            inner.runs.insert(place, (stored, bytes));
            inner.locks.insert(lock, run.id.clone());
            if let Some(key) = key {
                inner.keys.insert(key, run.id.clone());
            }
            Ok(Began::New)
        };
        self.faults.port(SERVICE, "runs.begin", begin).await
    }

    async fn begun(
        &self,
        store: &StoreId,
        provider: ProviderId,
        idempotency_key: &str,
    ) -> Result<Option<RunId>, PortError> {
        let begun = || {
            let key = (store.clone(), provider, idempotency_key.to_owned());
            Ok(self.inner().keys.get(&key).cloned())
        };
        self.faults.port(SERVICE, "runs.begun", begun).await
    }

    async fn load(
        &self,
        store: &StoreId,
        provider: ProviderId,
        run: &RunId,
    ) -> Result<Option<Run>, PortError> {
        let load = || {
            let mut inner = self.inner();
            let found = inner.runs.get(&(store.clone(), provider, run.clone())).cloned();
            inner.spent.add(read(found.as_ref().map_or(0, |(_, bytes)| *bytes)));
            Ok(found.map(|(run, _)| run))
        };
        self.faults.port(SERVICE, "runs.load", load).await
    }

    async fn save(&self, run: &mut Run) -> Result<(), PortError> {
        let changed: &Run = run;
        let save = || {
            let mut inner = self.inner();
            let place = (changed.store.clone(), changed.provider, changed.id.clone());
            if inner.runs.get(&place).is_none_or(|(stored, _)| stored.revision != changed.revision) {
                return Err(PortError::Conflict);
            }
            let (stored, bytes) = through_table(changed, changed.revision + 1)?;
            inner.spent.add(written(write_units(bytes)));
            inner.runs.insert(place, (stored, bytes));
            let lock = (changed.store.clone(), changed.provider);
            if changed.state.is_final() && inner.locks.get(&lock) == Some(&changed.id) {
                inner.locks.remove(&lock);
            }
            Ok(())
        };
        self.faults.port(SERVICE, "runs.save", save).await?;
        run.revision += 1;
        Ok(())
    }

    async fn list(
        &self,
        store: &StoreId,
        provider: ProviderId,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<Run>, PortError> {
        let scope = Scope::new(&["runs", store.as_str(), provider.as_str()]);
        let before = cursor.map(|cursor| scope.decode(&cursor)).transpose()?;
        let before = before
            .map(|position| RunId::parse(&position).map_err(|_| refused("it is not one of ours")))
            .transpose()?;
        let list = || {
            let inner = self.inner();
            let mut runs = inner.runs.iter().rev().filter(|((of, at, id), _)| {
                of == store && *at == provider && before.as_ref().is_none_or(|before| id < before)
            });
            let items: Vec<Run> =
                runs.by_ref().take(limit as usize).map(|(_, (run, _))| run.clone()).collect();
            let more = runs.next().is_some();
            let next = items.last().filter(|_| more).map(|run| scope.encode(run.id.as_str()));
            Ok(Page { items, next })
        };
        self.faults.port(SERVICE, "runs.list", list).await
    }

    async fn active(&self, store: &StoreId, provider: ProviderId) -> Result<Option<RunId>, PortError> {
        let active = || Ok(self.inner().locks.get(&(store.clone(), provider)).cloned());
        self.faults.port(SERVICE, "runs.active", active).await
    }

    async fn active_since(
        &self,
        before: Timestamp,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<Page<ActiveRun>, PortError> {
        let active = || {
            let inner = self.inner();
            let mut found: Vec<_> = inner
                .locks
                .iter()
                .filter_map(|((store, provider), run)| {
                    let place = (store.clone(), *provider, run.clone());
                    let began = inner.runs.get(&place)?.0.created_at;
                    let active = ActiveRun { store: store.clone(), provider: *provider, run: run.clone() };
                    (began.as_second() < before.as_second())
                        .then_some((keys::active(store, run, began).sk, active))
                })
                .collect();
            found.retain(|(place, _)| cursor.as_ref().is_none_or(|cursor| place > cursor));
            found.sort_by(|(a, _), (b, _)| a.cmp(b));
            let more = found.len() > limit;
            found.truncate(limit);
            let next = found.last().filter(|_| more).map(|(place, _)| place.clone());
            Ok(Page { items: found.into_iter().map(|(_, active)| active).collect(), next })
        };
        self.faults.port(SERVICE, "runs.active_since", active).await
    }

    async fn put_receipt(
        &self,
        store: &StoreId,
        run: &RunId,
        receipt: &Receipt,
        cost: &mut Cost,
    ) -> Result<bool, PortError> {
        // What a call that was made again costs is what the answer says that is seen.
        let mut seen = Cost::default();
        let put = || {
            let mut inner = self.inner();
            let item = receipt_item(store, run, receipt, Timestamp::UNIX_EPOCH)?;
            let spent = written(write_units(item_bytes(&item)));
            inner.spent.add(spent);
            seen = spent;
            let place = (store.clone(), run.clone(), receipt.phase, receipt.generation, receipt.chunk);
            if inner.receipts.contains_key(&place) {
                return Ok(false);
            }
            inner.receipts.insert(place, read_receipt(&item)?);
            Ok(true)
        };
        let answer = self.faults.port(SERVICE, "runs.put_receipt", put).await;
        cost.add(seen);
        answer
    }

    async fn receipts(
        &self,
        store: &StoreId,
        run: &RunId,
        phase: Phase,
        generation: u32,
    ) -> Result<Vec<Receipt>, PortError> {
        let receipts = || {
            let mut inner = self.inner();
            let ours = inner.receipts.iter().filter(|((of, at, in_phase, in_generation, _), _)| {
                of == store && at == run && *in_phase == phase && *in_generation == generation
            });
            let mut receipts: Vec<Receipt> = ours.map(|(_, receipt)| receipt.clone()).collect();
            receipts.sort_by_key(|receipt| receipt.chunk.to_string());
            let bytes = receipts.iter().map(|of| receipt_bytes(store, run, of)).sum::<Result<_, _>>()?;
            inner.spent.add(read(bytes));
            Ok(receipts)
        };
        self.faults.port(SERVICE, "runs.receipts", receipts).await
    }

    async fn receipt(
        &self,
        store: &StoreId,
        run: &RunId,
        phase: Phase,
        generation: u32,
        chunk: ChunkId,
    ) -> Result<Option<Receipt>, PortError> {
        let receipt = || {
            let mut inner = self.inner();
            let place = (store.clone(), run.clone(), phase, generation, chunk);
            let found = inner.receipts.get(&place).cloned();
            let bytes = found.as_ref().map_or(Ok(0), |found| receipt_bytes(store, run, found))?;
            inner.spent.add(read(bytes));
            Ok(found)
        };
        self.faults.port(SERVICE, "runs.receipt", receipt).await
    }

    async fn put_page(
        &self,
        store: &StoreId,
        key: &PageKey,
        bytes: Vec<u8>,
        keep_first: bool,
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        // What a call that was made again costs is what the answer says that is seen.
        let mut seen = Cost::default();
        let put = || {
            let mut inner = self.inner();
            let item = page_item(store, key, bytes.clone(), Timestamp::UNIX_EPOCH)?;
            let spent = written(write_units(item_bytes(&item)));
            inner.spent.add(spent);
            seen = spent;
            let place = (store.clone(), key.clone());
            if let Some(file) = self.file(key) {
                if !(keep_first && file.exists()) {
                    std::fs::write(file, &bytes).map_err(lost)?;
                }
                return Ok(());
            }
            if !(keep_first && inner.pages.contains_key(&place)) {
                inner.pages.insert(place, bytes.clone());
            }
            Ok(())
        };
        let answer = self.faults.port(SERVICE, "runs.put_page", put).await;
        cost.add(seen);
        answer
    }

    async fn page(
        &self,
        store: &StoreId,
        key: &PageKey,
        cost: &mut Cost,
    ) -> Result<Option<Vec<u8>>, PortError> {
        // What a call that was made again costs is what the answer says that is seen.
        let mut seen = Cost::default();
        let get = || {
            let mut inner = self.inner();
            let found = match self.file(key) {
                Some(file) if file.exists() => Some(std::fs::read(file).map_err(lost)?),
                Some(_) => None,
                None => inner.pages.get(&(store.clone(), key.clone())).cloned(),
            };
            let item =
                found.clone().map(|bytes| page_item(store, key, bytes, Timestamp::UNIX_EPOCH)).transpose()?;
            let spent = read(item.as_ref().map_or(0, item_bytes));
            inner.spent.add(spent);
            seen = spent;
            Ok(found)
        };
        let answer = self.faults.port(SERVICE, "runs.page", get).await;
        cost.add(seen);
        answer
    }
}
