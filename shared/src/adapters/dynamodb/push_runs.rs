//! Runs of pushes in DynamoDB.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

use super::keys;
use super::run_list::RunList;
use super::table::{Expression, Table, Write, refused};
use super::wire::{n, s};
use super::wire_push::{once_item, read_once, read_run, run_doc, run_item};
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::domain::push::run::PushRun;
use crate::ports::push_store::{Once, PushBegan, PushRuns};
use crate::ports::{Page, PortError};

const SERVICE: &str = "pushes";

/// Runs in the push table.
#[derive(Clone)]
pub struct DynamoPushRuns {
    table: Table,
}

impl DynamoPushRuns {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { table: Table::new(client, table, SERVICE) }
    }
}

#[async_trait]
impl PushRuns for DynamoPushRuns {
    async fn begin(&self, run: &PushRun, once: Option<&Once>) -> Result<PushBegan, PortError> {
        let mut writes = vec![Write::Put(run_item(run)?, Some(Expression::absent()))];
        writes.extend(once.map(|once| Write::Put(once_item(run, once), Some(Expression::absent()))));
        let Err(reasons) = self.table.transact(writes).await? else { return Ok(PushBegan::New) };
        let name = refused(&reasons, 1).and_then(|reason| reason.item()).map(read_once).transpose()?;
        Ok(match (name, once) {
            (Some((before, body)), Some(once)) if body == once.body => PushBegan::Before(before),
            (Some(_), _) => PushBegan::OtherBody,
            // Ids are unique: a run that is there was put by this very call, whose first answer was lost.
            (None, _) => PushBegan::New,
        })
    }

    async fn begun(
        &self,
        store: &StoreId,
        provider: ProviderId,
        key: &str,
    ) -> Result<Option<(RunId, String)>, PortError> {
        let name = self.table.get(&keys::idempotency(store, provider, key), true).await?;
        name.map(|name| read_once(&name)).transpose()
    }

    async fn load(
        &self,
        store: &StoreId,
        provider: ProviderId,
        run: &RunId,
    ) -> Result<Option<PushRun>, PortError> {
        let item = self.table.get(&keys::run(store, provider, run), true).await?;
        item.map(|item| read_run(store, provider, &item)).transpose()
    }

    async fn save(&self, run: &mut PushRun) -> Result<(), PortError> {
        let key = keys::run(&run.store, run.provider, &run.id);
        let change = Expression::new("SET #doc = :doc, #rev = :next")
            .with(":doc", s(run_doc(run)?))
            .with(":next", n(run.revision + 1));
        let unchanged = Expression::new("#rev = :rev").with(":rev", n(run.revision));
        self.table.update(&key, change, unchanged).await?.or_conflict()?;
        run.revision += 1;
        Ok(())
    }

    async fn list(
        &self,
        store: &StoreId,
        provider: ProviderId,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<PushRun>, PortError> {
        let list = RunList { name: "pushes", store, provider };
        list.page(&self.table, cursor, limit, read_run, |run| &run.id).await
    }
}
