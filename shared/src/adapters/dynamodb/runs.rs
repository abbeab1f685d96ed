//! Runs in DynamoDB.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use jiff::Timestamp;

use super::keys;
use super::run_list::RunList;
use super::table::{Expression, Query, Table, Write, Wrote, refused};
use super::units::{item_bytes, read_units, write_units};
use super::wire::{n, s};
use super::wire_runs::{
    idempotency_item, lock_item, page_item, read_active, read_page, read_pointer, read_receipt, read_run,
    receipt_item, run_doc, run_item,
};
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::domain::run::{ChunkId, Cost, Phase, Receipt, Run};
use crate::ports::runs::{ActiveRun, Began, PageKey, RunStore};
use crate::ports::time::Clock;
use crate::ports::{Page, PortError, chain};

const SERVICE: &str = "runs";

/// Runs in the runs table.
#[derive(Clone)]
pub struct DynamoRuns {
    table: Table,
    clock: Arc<dyn Clock>,
}

impl DynamoRuns {
    /// The table of this name. The clock sets when pages and receipts expire, nothing else.
    pub fn new(client: Client, table: String, clock: Arc<dyn Clock>) -> Self {
        Self { table: Table::new(client, table, SERVICE), clock }
    }
}

#[async_trait]
impl RunStore for DynamoRuns {
    async fn begin(&self, run: &Run, idempotency_key: Option<&str>) -> Result<Began, PortError> {
        let header = run_item(run, run.revision)?;
        let lock = lock_item(run);
        // A lock that is free stays there without a run, so that no role needs the right to delete here.
        let free = Expression::new("attribute_not_exists(#run)");
        let mut writes = vec![Write::Put(header, Some(Expression::absent())), Write::Put(lock, Some(free))];
        if let Some(key) = idempotency_key {
            writes.push(Write::Put(idempotency_item(run, key), Some(Expression::absent())));
        }
        let Err(reasons) = self.table.transact(writes).await? else { return Ok(Began::New) };
        let named = |part: usize| {
            let reason = refused(&reasons, part);
            reason.map(|reason| reason.item().map(read_pointer).transpose()).transpose().map(Option::flatten)
        };
        // The key is asked first: a repeated request gets its run, whoever holds the lock by now.
        if let Some(before) = named(2)? {
            return Ok(Began::Before(before));
        }
        match named(1)? {
            Some(holder) if holder == run.id => Ok(Began::New),
            Some(holder) => Ok(Began::Busy(holder)),
            None => Err(PortError::Conflict),
        }
    }

    async fn begun(
        &self,
        store: &StoreId,
        provider: ProviderId,
        idempotency_key: &str,
    ) -> Result<Option<RunId>, PortError> {
        let key = keys::idempotency(store, provider, idempotency_key);
        let pointer = self.table.get(&key, true).await?;
        pointer.map(|pointer| read_pointer(&pointer)).transpose()
    }

    async fn load(
        &self,
        store: &StoreId,
        provider: ProviderId,
        run: &RunId,
    ) -> Result<Option<Run>, PortError> {
        let item = self.table.get(&keys::run(store, provider, run), true).await?;
        item.map(|item| read_run(store, provider, &item)).transpose()
    }

    async fn save(&self, run: &mut Run) -> Result<(), PortError> {
        let header = keys::run(&run.store, run.provider, &run.id);
        let change = Expression::new("SET #doc = :doc, #rev = :next")
            .with(":doc", s(run_doc(run)?))
            .with(":next", n(run.revision + 1));
        let unchanged = Expression::new("#rev = :rev").with(":rev", n(run.revision));
        let mut frees_lock = run.state.is_final();
        if frees_lock {
            let lock = keys::lock(&run.store, run.provider);
            let ours = Expression::new("#run = :run").with(":run", s(run.id.as_str()));
            let writes = vec![
                Write::Update(header.clone(), change.clone(), unchanged.clone()),
                Write::Update(lock, Expression::new("REMOVE #run, #gpk, #gsk"), ours),
            ];
            if let Err(reasons) = self.table.transact(writes).await? {
                if refused(&reasons, 0).is_some() {
                    return Err(PortError::Conflict);
                }
                // It does not hold the lock, and nobody can give it back to it: the header is all there is to save.
                frees_lock = false;
            }
        }
        if !frees_lock {
            self.table.update(&header, change, unchanged).await?.or_conflict()?;
        }
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
        let list = RunList { name: "runs", store, provider };
        list.page(&self.table, cursor, limit, read_run, |run| &run.id).await
    }

    async fn active(&self, store: &StoreId, provider: ProviderId) -> Result<Option<RunId>, PortError> {
        let lock = self.table.get(&keys::lock(store, provider), true).await?;
        lock.filter(|lock| lock.contains_key("run")).map(|lock| read_pointer(&lock)).transpose()
    }

    async fn active_since(
        &self,
        before: Timestamp,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<Page<ActiveRun>, PortError> {
        let mut found: Vec<(String, ActiveRun)> = Vec::new();
        let from = keys::active_after(cursor.as_deref());
        let until = keys::started_before(before);
        for shard in 0..keys::ACTIVE_SHARDS {
            let pk = keys::of_active(shard);
            let query = Query {
                index: Some(keys::ACTIVE_INDEX),
                consistent: false,
                limit: Some(limit + 1),
                between: Some((&from, &until)),
                ..Query::all(&pk, "")
            };
            for item in self.table.query_all(query).await? {
                match read_active(&item) {
                    Ok(active) => found.push(active),
                    // One that cannot be read must not hide the others.
                    Err(error) => {
                        tracing::error!(cause = chain(&error), "an entry of the index was left out")
                    }
                }
            }
        }
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(place, _)| place.clone());
        Ok(Page { items: found.into_iter().map(|(_, active)| active).collect(), next })
    }

    async fn put_receipt(
        &self,
        store: &StoreId,
        run: &RunId,
        receipt: &Receipt,
        cost: &mut Cost,
    ) -> Result<bool, PortError> {
        let item = receipt_item(store, run, receipt, self.clock.now())?;
        cost.write_units += write_units(item_bytes(&item));
        let wrote = self.table.put(item, Some(Expression::absent()), false).await?;
        Ok(matches!(wrote, Wrote::Done(_)))
    }

    async fn receipts(
        &self,
        store: &StoreId,
        run: &RunId,
        phase: Phase,
        generation: u32,
    ) -> Result<Vec<Receipt>, PortError> {
        // Consistently: two chunks that end at once must not each miss the other's receipt.
        let (pk, prefix) = (keys::of_run(store, run), keys::receipts(phase, generation));
        let items = self.table.query_all(Query::all(&pk, &prefix)).await?;
        items.iter().map(read_receipt).collect()
    }

    async fn receipt(
        &self,
        store: &StoreId,
        run: &RunId,
        phase: Phase,
        generation: u32,
        chunk: ChunkId,
    ) -> Result<Option<Receipt>, PortError> {
        let item = self.table.get(&keys::receipt(store, run, phase, generation, chunk), true).await?;
        item.map(|item| read_receipt(&item)).transpose()
    }

    async fn put_page(
        &self,
        store: &StoreId,
        key: &PageKey,
        bytes: Vec<u8>,
        keep_first: bool,
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        let item = page_item(store, key, bytes, self.clock.now())?;
        cost.write_units += write_units(item_bytes(&item));
        self.table.put(item, keep_first.then(Expression::absent), false).await?;
        Ok(())
    }

    async fn page(
        &self,
        store: &StoreId,
        key: &PageKey,
        cost: &mut Cost,
    ) -> Result<Option<Vec<u8>>, PortError> {
        // Consistently: a journal that a crashed attempt kept must be seen by the next.
        let item = self.table.get(&keys::page(store, key), true).await?;
        cost.read_units += read_units(item.as_ref().map_or(0, item_bytes), true);
        item.map(|item| read_page(&item)).transpose()
    }
}
