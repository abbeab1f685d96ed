//! What the tables hold about the people at a shop. Each person has a partition of their own in every table that may
//! hold something ([`keys::of_person`]): a look-up asks for it, an erasure empties it. The images of pushes are stored
//! by page, so that partition notes in which of them a person is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::SignedDuration;

use super::keys::{self, Key};
use super::push_results::DynamoResults;
use super::push_runs::DynamoPushRuns;
use super::table::{Query, Table};
use super::wire::Reader;
use crate::domain::ids::{ProviderId, RunId, ShopId, StoreId};
use crate::domain::notice::Person;
use crate::ports::PortError;
use crate::ports::push_store::{Mention, PushRuns as _, Results as _};
use crate::ports::time::Clock;
use crate::ports::webhooks::{Held, PersonalData};

/// Partitions asked for at once.
const CONCURRENCY: usize = 8;
/// Runs read at once.
const RUNS: u32 = 50;
/// A run that did not change for so long has no images any more.
const IMAGES: SignedDuration = SignedDuration::from_hours(24 * 31);

/// What pushes keep, in a table of their own.
#[derive(Clone)]
struct Pushes {
    notes: Table,
    runs: DynamoPushRuns,
    results: DynamoResults,
    clock: Arc<dyn Clock>,
}

/// Personal data in the tables that may hold some.
#[derive(Clone)]
pub struct DynamoPersonal {
    tables: [(&'static str, Table); 2],
    pushes: Pushes,
}

impl DynamoPersonal {
    /// The tables of these names.
    pub fn new(client: Client, runs: String, catalog: String, push: String, clock: Arc<dyn Clock>) -> Self {
        let table = |name, service| (service, Table::new(client.clone(), name, service));
        let pushes = Pushes {
            notes: Table::new(client.clone(), push.clone(), "push"),
            runs: DynamoPushRuns::new(client.clone(), push.clone()),
            results: DynamoResults::new(client.clone(), push, clock.clone()),
            clock,
        };
        Self { tables: [table(runs, "runs"), table(catalog, "catalog")], pushes }
    }

    /// Counts what one table holds, and with `erase` deletes it.
    async fn look(&self, table: &Table, partitions: &[String], erase: bool) -> Result<u64, PortError> {
        let looking: Vec<_> = partitions.iter().map(|pk| empty(table, pk, erase)).collect();
        let counts: Vec<u64> = stream::iter(looking).buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(counts.into_iter().sum())
    }

    /// Every table, asked for one person.
    async fn every_table(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        person: &Person,
        erase: bool,
    ) -> Result<Vec<Held>, PortError> {
        let partitions: Vec<String> =
            person.subjects().map(|subject| keys::of_person(store, provider, shop, subject)).collect();
        let mut held = Vec::new();
        for (name, table) in &self.tables {
            held.push(Held { table: name, items: self.look(table, &partitions, erase).await? });
        }
        let items = self.pushes.images(store, provider, shop, person, erase).await?;
        held.push(Held { table: "push", items });
        Ok(held)
    }
}

impl Pushes {
    /// Counts the rows of which images are about a person, and with `erase` takes those out.
    async fn images(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        person: &Person,
        erase: bool,
    ) -> Result<u64, PortError> {
        let mut images = 0;
        for subject in person.subjects() {
            let pk = keys::of_person(store, provider, shop, subject);
            let mut pages: BTreeMap<(RunId, u32), BTreeSet<u64>> = BTreeMap::new();
            for note in self.notes.query_all(Query::all(&pk, "")).await? {
                let read = Reader::new("mention", &note, 1..=1)?;
                let page = (read.parsed("run", RunId::parse)?, read.number("page")?);
                pages.entry(page).or_default().insert(read.number("seq")?);
            }
            for ((run, page), rows) in pages {
                if !erase {
                    let parts = self.results.images(store, &run, page).await?;
                    let there: BTreeSet<u64> = parts.iter().flatten().map(|image| image.seq).collect();
                    images += there.intersection(&rows).count() as u64;
                    continue;
                }
                // A note whose image is not there yet, or is gone, stays as long as it would have.
                for seq in self.results.erase(store, &run, page, &rows).await? {
                    let mention = Mention { subject, run: run.clone(), page, seq };
                    self.notes.delete(&keys::mention(store, provider, shop, &mention), None).await?;
                    images += 1;
                }
            }
        }
        Ok(images)
    }

    /// Erases the images of all runs into a shop.
    async fn erase_shop(&self, store: &StoreId, provider: ProviderId, shop: ShopId) -> Result<(), PortError> {
        let mut cursor = None;
        loop {
            let page = self.runs.list(store, provider, cursor, RUNS).await?;
            let since = self.clock.now() - IMAGES;
            for run in page.items.iter().filter(|run| run.shop == shop && run.updated_at > since) {
                let erasing: Vec<_> =
                    (0..run.pages).map(|number| self.results.erase_page(store, &run.id, number)).collect();
                let erasing = stream::iter(erasing).buffer_unordered(CONCURRENCY);
                erasing.try_for_each(|()| async { Ok(()) }).await?;
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(());
            }
        }
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

#[async_trait]
impl PersonalData for DynamoPersonal {
    async fn held(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        person: &Person,
    ) -> Result<Vec<Held>, PortError> {
        self.every_table(store, provider, shop, person, false).await
    }

    async fn erase(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        person: &Person,
    ) -> Result<Vec<Held>, PortError> {
        self.every_table(store, provider, shop, person, true).await
    }

    async fn erase_shop(&self, store: &StoreId, provider: ProviderId, shop: ShopId) -> Result<(), PortError> {
        self.pushes.erase_shop(store, provider, shop).await
    }
}
