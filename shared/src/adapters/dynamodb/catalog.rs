//! The catalogue in DynamoDB.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use uuid::Uuid;

use super::cursor::{Scope, refused};
use super::keys::{self, EXTERNAL_INDEX, Key, SHARDS};
use super::links;
use super::table::{Expression, Query, Table, Wrote};
use super::units::{Item, item_bytes, read_units, write_units};
use super::wire::{n, s};
use super::wire_catalog::{
    Encoded, Pages, Root, decode, encode, page_bytes, page_count, page_units, pages_of, segment,
};
use crate::adapters::system::SystemRandom;
use crate::domain::ids::{ProviderId, StoreId};
use crate::domain::lookalike::Mark;
use crate::domain::record::{Kind, RecordKey, Source, StoredRecord};
use crate::domain::run::Cost;
use crate::ports::catalog::{Catalog, Expect, MOST_ALIKE};
use crate::ports::time::Random as _;
use crate::ports::{Page, PortError, chain};

const SERVICE: &str = "catalogue";
/// Batches, shards or pages under way at once, of one call.
pub(super) const CONCURRENCY: usize = 4;
/// Marks looked up at once, of one call.
const LOOKUPS: usize = 16;
/// Keys in one batch of reads.
const BATCH: usize = 100;
/// External ids that end a page.
const IDS_PER_PAGE: usize = 1000;
/// How often a record is read anew whose pages were replaced meanwhile.
const TRIES: u32 = 4;

/// Records in the catalogue table.
#[derive(Clone)]
pub struct DynamoCatalog {
    pub(super) table: Table,
}

impl DynamoCatalog {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { table: Table::new(client, table, SERVICE) }
    }

    /// Reads what a root leaves open. A root that is being replaced is read again.
    async fn complete(
        &self,
        store: &StoreId,
        kind: Kind,
        mut root: Root,
        cost: &mut Cost,
    ) -> Result<Option<StoredRecord>, PortError> {
        for _ in 0..TRIES {
            let Some(pages) = root.pages().cloned() else { return root.join(&[]) };
            let content = self.content(store, &pages, cost).await?;
            if let Some(record) = root.join(&content)? {
                return Ok(Some(record));
            }
            let item = self.table.get(&keys::record(store, kind, pages.id), true).await?;
            cost.read_units += read_units(item.as_ref().map_or(0, item_bytes), true);
            let Some(item) = item else { return Ok(None) };
            root = decode(store, kind, &item)?;
        }
        Err(PortError::Malformed { what: "catalogue record", why: "its pages do not fit it".to_owned() })
    }

    async fn content(&self, store: &StoreId, pages: &Pages, cost: &mut Cost) -> Result<Vec<u8>, PortError> {
        let (pk, prefix) = (keys::of_pages(store, pages.id), keys::pages_of(&pages.generation));
        let items = self.table.query_all(Query::all(&pk, &prefix)).await?;
        cost.read_units += read_units(page_bytes(pages.content), true);
        let mut content = Vec::with_capacity(pages.content);
        for item in &items {
            content.extend_from_slice(segment(item)?);
        }
        Ok(content)
    }

    /// Deletes pages that no root names any more. What cannot be deleted stays behind and is never read, so this
    /// does not fail the write that it follows.
    async fn forget(&self, store: &StoreId, pages: &Pages, cost: &mut Cost) {
        cost.write_units += page_units(pages.content);
        let deleted = stream::iter(0..page_count(pages.content))
            .map(|number| async move {
                let key = keys::record_page(store, pages.id, &pages.generation, number);
                self.table.delete(&key, None).await
            })
            .buffer_unordered(CONCURRENCY)
            .try_for_each(|_| async { Ok(()) })
            .await;
        if let Err(error) = deleted {
            tracing::warn!(cause = chain(&error), record.id = %pages.id, "pages of an earlier version stay behind");
        }
    }

    /// Encodes a record and writes what stands beside it before it: its marks and pages.
    async fn prepare(
        &self,
        store: &StoreId,
        record: &StoredRecord,
        cost: &mut Cost,
    ) -> Result<Encoded, PortError> {
        // Random, so that no other attempt, not even a frozen twin of this one, ever names or deletes these pages.
        let generation = || hex::encode(&SystemRandom.bytes32()[..16]);
        let mut encoded = encode(store, record, generation)?;
        self.mark(store, &record.place(), &encoded.marks).await?;
        if !encoded.pages.is_empty() {
            cost.write_units += encoded.page_units;
            stream::iter(std::mem::take(&mut encoded.pages))
                .map(|page| self.table.put(page, None, false))
                .buffer_unordered(CONCURRENCY)
                .try_for_each(|_| async { Ok(()) })
                .await?;
        }
        Ok(encoded)
    }

    /// Counts a record that was written and takes away what only the one before had beside it.
    async fn tidy(
        &self,
        store: &StoreId,
        record: &StoredRecord,
        encoded: &Encoded,
        old: Option<Item>,
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        cost.catalogue_writes += 1;
        let marked = old.as_ref().map(links::marks_in).transpose()?.unwrap_or_default();
        cost.write_units += encoded.mark_units(&marked);
        let unmarked = marked.difference(&encoded.marks).copied().collect();
        self.unmark(store, &record.place(), unmarked).await;
        let kind = record.key.kind;
        let ours = pages_of(store, kind, &encoded.root)?;
        let theirs = old.map(|old| pages_of(store, kind, &old)).transpose()?.flatten();
        if let Some(theirs) = theirs.filter(|theirs| ours.as_ref() != Some(theirs)) {
            self.forget(store, &theirs, cost).await;
        }
        Ok(())
    }

    /// Takes away the pages of a record that was refused for what is stored.
    async fn withdraw(
        &self,
        store: &StoreId,
        record: &StoredRecord,
        encoded: &Encoded,
        stored: Option<Item>,
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        let kind = record.key.kind;
        cost.write_units += write_units(item_bytes(&encoded.root)) + encoded.marks.len() as u64;
        let ours = pages_of(store, kind, &encoded.root)?;
        let theirs = stored.map(|stored| pages_of(store, kind, &stored)).transpose()?.flatten();
        // A call that the client library repeated after a lost answer is refused by its own first try.
        if let Some(ours) = ours.filter(|ours| theirs.as_ref() != Some(ours)) {
            self.forget(store, &ours, cost).await;
        }
        Ok(())
    }

    async fn shard(
        &self,
        store: &StoreId,
        kind: Kind,
        shard: u8,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Root>, PortError> {
        let pk = keys::of_kind(store, kind, shard);
        let after = after.filter(|id| keys::shard(*id) == shard);
        let mut after = after.map(|id| super::wire::key_item(&keys::record(store, kind, id)));
        let mut roots = Vec::new();
        loop {
            let open = Some(limit - roots.len());
            let query = Query { consistent: false, limit: open, after, ..Query::all(&pk, "") };
            let (items, next) = self.table.query(query).await?;
            for item in items.iter().filter(|item| !links::is_link(item)) {
                roots.push(decode(store, kind, item)?);
            }
            after = next;
            if after.is_none() || roots.len() >= limit {
                return Ok(roots);
            }
        }
    }
}

#[async_trait]
impl Catalog for DynamoCatalog {
    async fn get(
        &self,
        store: &StoreId,
        keys: &[RecordKey],
        consistent: bool,
        cost: &mut Cost,
    ) -> Result<Vec<Option<StoredRecord>>, PortError> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.internal_id(store)).collect();
        let mut seen = BTreeSet::new();
        let places: Vec<Key> = keys
            .iter()
            .zip(&ids)
            .filter(|(_, id)| seen.insert(**id))
            .map(|(key, id)| keys::record(store, key.kind, *id))
            .collect();
        let batches: Vec<_> =
            places.chunks(BATCH).map(|batch| self.table.get_many(batch, consistent)).collect();
        let found: Vec<Vec<Item>> = stream::iter(batches).buffered(CONCURRENCY).try_collect().await?;
        let mut items: HashMap<String, Item> = HashMap::new();
        for item in found.into_iter().flatten() {
            cost.read_units += read_units(item_bytes(&item), consistent);
            if let Some(sk) = item.get("sk").and_then(|sk| sk.as_s().ok()).cloned() {
                items.insert(sk, item);
            }
        }
        cost.read_units += (places.len() - items.len()) as f64 * read_units(0, consistent);
        let mut led: Vec<RecordKey> = Vec::new();
        for key in keys {
            let item = items.get(&key.internal_id(store).simple().to_string());
            let to = item.map(|item| links::leads_to(key.kind, item)).transpose()?;
            led.extend(to.flatten());
        }
        led.sort();
        led.dedup();
        let mut linked = match led.is_empty() {
            true => HashMap::new(),
            false => self.linked(store, &led, consistent, cost).await?,
        };
        let mut records: HashMap<Uuid, StoredRecord> = HashMap::new();
        for (key, id) in keys.iter().zip(&ids) {
            let Some(item) = items.remove(&id.simple().to_string()) else { continue };
            let root = match links::leads_to(key.kind, &item)? {
                None => decode(store, key.kind, &item)?,
                Some(local) => {
                    let item = linked.remove(&local.internal_id(store));
                    let root = item.map(|item| decode(store, key.kind, &item)).transpose()?;
                    match root.filter(|root| root.key() == *key) {
                        Some(root) => root,
                        // Linked or released between the two reads: what stands there now is what counts.
                        None => {
                            match self.follow(store, &local, cost).await?.filter(|root| root.key() == *key) {
                                Some(root) => root,
                                None => continue,
                            }
                        }
                    }
                }
            };
            if let Some(record) = self.complete(store, key.kind, root, cost).await? {
                records.insert(*id, record);
            }
        }
        // A key that was asked for twice is answered twice.
        let last: HashMap<Uuid, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let take = |(at, id): (usize, &Uuid)| {
            if last.get(id) == Some(&at) { records.remove(id) } else { records.get(id).cloned() }
        };
        Ok(ids.iter().enumerate().map(take).collect())
    }

    async fn put(
        &self,
        store: &StoreId,
        record: &StoredRecord,
        expect: Expect,
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        let encoded = self.prepare(store, record, cost).await?;
        let of_version = |version| Expression::new("#ver = :ver").with(":ver", n(version));
        let root = encoded.root.clone();
        let wrote = match expect {
            Expect::Absent => self.table.put(root, Some(Expression::absent()), true).await?,
            Expect::Version(version) => self.table.put(root, Some(of_version(version)), true).await?,
            Expect::Unlinked(version) => self.write_linked(store, record, root, version, None, cost).await?,
            Expect::Linked(key, version) => {
                self.write_linked(store, record, root, version, Some(key), cost).await?
            }
        };
        match wrote {
            Wrote::Done(old) => {
                let before = old.as_ref().map(item_bytes);
                cost.write_units += match expect {
                    Expect::Absent | Expect::Version(_) => encoded.root_units(before),
                    Expect::Unlinked(_) | Expect::Linked(..) => encoded.link_units(before.unwrap_or(0)),
                };
                self.tidy(store, record, &encoded, old, cost).await
            }
            Wrote::Refused(stored) => {
                self.withdraw(store, record, &encoded, stored, cost).await?;
                Err(PortError::Conflict)
            }
        }
    }

    async fn put_both(
        &self,
        store: &StoreId,
        records: [&StoredRecord; 2],
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        let [one, other] = records;
        let encoded = [self.prepare(store, one, cost).await?, self.prepare(store, other, cost).await?];
        let roots = [(one, encoded[0].root.clone()), (other, encoded[1].root.clone())];
        let Some(before) = self.write_both(store, roots, cost).await? else {
            for (record, encoded) in records.into_iter().zip(&encoded) {
                let place = keys::record(store, record.key.kind, record.internal_id(store));
                let stored = self.table.get(&place, true).await?;
                self.withdraw(store, record, encoded, stored, cost).await?;
            }
            return Err(PortError::Conflict);
        };
        for ((record, encoded), before) in records.into_iter().zip(&encoded).zip(before) {
            cost.write_units += encoded.root_units_of_two(&before);
            self.tidy(store, record, encoded, Some(before), cost).await?;
        }
        Ok(())
    }

    async fn delete(
        &self,
        store: &StoreId,
        key: &RecordKey,
        version: u64,
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        let condition = Expression::new("#ver = :ver").with(":ver", n(version));
        let place = keys::record(store, key.kind, key.internal_id(store));
        let Wrote::Done(old) = self.table.delete(&place, Some(condition)).await? else {
            cost.write_units += 1;
            return Err(PortError::Conflict);
        };
        let index = u64::from(keys::indexed(key.kind));
        cost.write_units += write_units(old.as_ref().map_or(0, item_bytes)) + index;
        cost.catalogue_writes += 1;
        let marked = old.as_ref().map(links::marks_in).transpose()?.unwrap_or_default();
        cost.write_units += marked.len() as u64;
        self.unmark(store, key, marked.into_iter().collect()).await;
        if let Some(pages) = old.map(|old| pages_of(store, key.kind, &old)).transpose()?.flatten() {
            self.forget(store, &pages, cost).await;
        }
        Ok(())
    }

    async fn external_ids(
        &self,
        store: &StoreId,
        source: Source,
        kind: Kind,
        cursor: Option<String>,
        cost: &mut Cost,
    ) -> Result<Page<u64>, PortError> {
        let shop = source.shop_id.to_string();
        let scope =
            Scope::new(&["external_ids", store.as_str(), source.provider.as_str(), &shop, kind.as_str()]);
        let (mut shard, mut after) = match cursor {
            None => (0, None),
            Some(cursor) => index_position(&scope.decode(&cursor)?)?,
        };
        let indexed = keys::indexed_as(kind);
        let mut ids = Vec::new();
        while shard < SHARDS && ids.len() < IDS_PER_PAGE {
            let pk = keys::of_external(store, source, indexed, shard);
            let start =
                after.map(|id| index_key(store, &RecordKey { source, kind: indexed, external_id: id }));
            let query = Query { index: Some(EXTERNAL_INDEX), after: start, ..Query::all(&pk, "") };
            let (items, more) = self.table.query(query).await?;
            cost.read_units += read_units(items.iter().map(item_bytes).sum(), false);
            let mut last = after;
            for item in &items {
                let id = item.get("gsk").and_then(|gsk| gsk.as_s().ok()).and_then(|text| text.parse().ok());
                let id: u64 = id.ok_or_else(|| PortError::Malformed {
                    what: "index entry",
                    why: "its external id is no number".to_owned(),
                })?;
                // A page begins after the place where the last one's last record would stand, and one that is linked
                // stands elsewhere.
                if after.is_none_or(|after| id > after) {
                    ids.push(id);
                }
                last = Some(id);
            }
            after = last.filter(|_| more.is_some());
            shard += u8::from(after.is_none());
        }
        let next = (shard < SHARDS).then(|| match after {
            None => scope.encode(&format!("{shard}")),
            Some(id) => scope.encode(&format!("{shard}#{id}")),
        });
        Ok(Page { items: ids, next })
    }

    async fn bearing(
        &self,
        store: &StoreId,
        provider: ProviderId,
        kind: Kind,
        marks: &[Mark],
        cost: &mut Cost,
    ) -> Result<Vec<Vec<u64>>, PortError> {
        let look = |mark: Mark| async move {
            let (pk, prefix) = (keys::of_marks(store, provider, kind, mark), keys::marked(mark));
            let query = Query { consistent: false, limit: Some(MOST_ALIKE), ..Query::all(&pk, &prefix) };
            self.table.query_all(query).await
        };
        let found: Vec<Vec<Item>> =
            stream::iter(marks.to_vec()).map(look).buffered(LOOKUPS).try_collect().await?;
        let mut numbers = Vec::with_capacity(found.len());
        for items in found {
            cost.read_units += read_units(items.iter().map(item_bytes).sum(), false);
            let sks = items.iter().filter_map(|item| item.get("sk").and_then(|sk| sk.as_s().ok()));
            numbers.push(sks.filter_map(|sk| keys::number_marked(sk)).collect());
        }
        Ok(numbers)
    }

    async fn list(
        &self,
        store: &StoreId,
        kind: Kind,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<StoredRecord>, PortError> {
        let scope = Scope::new(&["catalog", store.as_str(), kind.as_str()]);
        let after = match cursor {
            None => None,
            Some(cursor) => {
                let position = scope.decode(&cursor)?;
                Some(Uuid::parse_str(&position).map_err(|_| refused("it is not one of ours"))?)
            }
        };
        // One more than asked for tells whether there is a next page.
        let wanted = limit as usize + 1;
        let first = after.map_or(0, keys::shard);
        let mut roots = self.shard(store, kind, first, after, wanted).await?;
        let mut rest = stream::iter(first + 1..SHARDS)
            .map(|shard| self.shard(store, kind, shard, None, wanted))
            .buffered(CONCURRENCY);
        while roots.len() < wanted {
            match rest.next().await {
                None => break,
                Some(more) => roots.extend(more?),
            }
        }
        drop(rest);
        let more = roots.len() >= wanted;
        roots.truncate(limit as usize);
        let mut items = Vec::with_capacity(roots.len());
        let last = roots.last().map(|root| root.id(store));
        for root in roots {
            items.extend(self.complete(store, kind, root, &mut Cost::default()).await?);
        }
        let next = last.filter(|_| more).map(|id| scope.encode(&id.simple().to_string()));
        Ok(Page { items, next })
    }

    async fn find(&self, store: &StoreId, kind: Kind, id: Uuid) -> Result<Option<StoredRecord>, PortError> {
        let Some(item) = self.table.get(&keys::record(store, kind, id), true).await? else { return Ok(None) };
        let root = match links::leads_to(kind, &item)?.filter(|_| links::is_link(&item)) {
            None => Some(decode(store, kind, &item)?),
            Some(local) => self.follow(store, &local, &mut Cost::default()).await?,
        };
        match root {
            Some(root) => self.complete(store, kind, root, &mut Cost::default()).await,
            None => Ok(None),
        }
    }
}

/// The place in the index that a cursor names: a shard, and the id after which to go on.
fn index_position(position: &str) -> Result<(u8, Option<u64>), PortError> {
    let odd = || refused("it is not one of ours");
    let (shard, id) = match position.split_once('#') {
        None => (position, None),
        Some((shard, id)) => (shard, Some(id.parse().map_err(|_| odd())?)),
    };
    let shard = shard.parse().ok().filter(|shard| *shard < SHARDS).ok_or_else(odd)?;
    Ok((shard, id))
}

/// The keys of a record's entry in the index.
fn index_key(store: &StoreId, key: &RecordKey) -> Item {
    let mut entry = super::wire::key_item(&keys::record(store, key.kind, key.internal_id(store)));
    if let Some(Key { pk, sk }) = keys::index(store, key) {
        entry.insert("gpk".to_owned(), s(pk));
        entry.insert("gsk".to_owned(), s(sk));
    }
    entry
}
