//! What the tables hold about the people at a shop. Each person has a partition of their own in every table that may
//! hold something ([`keys::of_person`]): a look-up asks for it, an erasure empties it.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::keys::{self, Key};
use super::table::{Query, Table};
use super::wire::Reader;
use crate::domain::ids::{ProviderId, ShopId, StoreId};
use crate::domain::notice::Person;
use crate::ports::PortError;
use crate::ports::webhooks::{Held, PersonalData};

/// Partitions asked for at once.
const CONCURRENCY: usize = 8;

/// Personal data in the tables that may hold some.
#[derive(Clone)]
pub struct DynamoPersonal {
    tables: [(&'static str, Table); 2],
}

impl DynamoPersonal {
    /// The tables of these names.
    pub fn new(client: Client, runs: String, catalog: String) -> Self {
        let table = |name, service| (service, Table::new(client.clone(), name, service));
        Self { tables: [table(runs, "runs"), table(catalog, "catalog")] }
    }

    /// Counts what one table holds, and with `erase` deletes it.
    async fn look(&self, table: &Table, partitions: &[String], erase: bool) -> Result<u64, PortError> {
        let looking: Vec<_> = partitions.iter().map(|pk| empty(table, pk, erase)).collect();
        let counts: Vec<u64> = stream::iter(looking).buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(counts.into_iter().sum())
    }

    async fn every_table(&self, partitions: &[String], erase: bool) -> Result<Vec<Held>, PortError> {
        let mut held = Vec::new();
        for (name, table) in &self.tables {
            held.push(Held { table: name, items: self.look(table, partitions, erase).await? });
        }
        Ok(held)
    }
}

async fn empty(table: &Table, pk: &str, erase: bool) -> Result<u64, PortError> {
    let items = table.query_all(Query::all(pk, "")).await?;
    if erase {
        for item in &items {
            // The key has the same form in every item, whatever the item's own is.
            let sk = Reader::new("item", item, 0..=u64::MAX)?.text("sk")?.to_owned();
            table.delete(&Key { pk: pk.to_owned(), sk }, None).await?;
        }
    }
    Ok(items.len() as u64)
}

fn partitions(store: &StoreId, provider: ProviderId, shop: ShopId, person: &Person) -> Vec<String> {
    let of = |who, number| keys::of_person(store, provider, shop, who, number);
    let customer = person.customer.iter().map(|number| of("customer", *number));
    customer.chain(person.orders.iter().map(|number| of("order", *number))).collect()
}

#[async_trait]
impl PersonalData for DynamoPersonal {
    async fn held(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        person: &Person,
    ) -> Result<Vec<Held>, PortError> {
        self.every_table(&partitions(store, provider, shop, person), false).await
    }

    async fn erase(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        person: &Person,
    ) -> Result<Vec<Held>, PortError> {
        self.every_table(&partitions(store, provider, shop, person), true).await
    }
}
