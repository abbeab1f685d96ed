//! What stands beside a record that was made here: its marks, by which it is found while it is linked to no shop, and,
//! once it is linked, the item under the id that the shop's key would give it, which leads to it.
//!
//! A mark is written before the record that bears it and deleted after the one that no longer does: a record is never
//! there without its marks, and a mark that is left over is seen by whoever reads the record.

use std::collections::{BTreeSet, HashMap};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use uuid::Uuid;

use super::catalog::{CONCURRENCY, DynamoCatalog};
use super::keys::{self, Key};
use super::table::{Expression, Write, Wrote};
use super::units::{Item, item_bytes, read_units};
use super::wire::{Reader, b, item, n, s};
use super::wire_catalog::{self, Root, decode};
use crate::domain::ids::{ProviderId, StoreId};
use crate::domain::lookalike::{Mark, marks};
use crate::domain::record::{Kind, RecordKey, StoredRecord};
use crate::domain::run::Cost;
use crate::ports::{PortError, chain};

const V: u32 = 1;
/// The attribute of a link, and of a record that was replaced, that names the record made here.
pub const TO: &str = "to";
/// The attribute that every record has and no link.
pub const VERSION: &str = "ver";
/// The attribute of a record that repeats its marks, so that whoever replaces it knows which to delete.
pub const MARKS: &str = "lk";

/// The link under a shop's key to a record made here.
pub fn link(store: &StoreId, key: &RecordKey, number: u64) -> Item {
    let mut link = item(&link_key(store, key), V);
    link.insert("pr".to_owned(), s(key.source.provider.as_str()));
    link.insert(TO.to_owned(), n(number));
    link
}

/// Where the link under a shop's key stands: where a record of that key would.
pub fn link_key(store: &StoreId, key: &RecordKey) -> Key {
    keys::record(store, key.kind, key.internal_id(store))
}

/// The record made here that an item leads to; none where it is a record that stands for itself.
pub fn leads_to(kind: Kind, item: &Item) -> Result<Option<RecordKey>, PortError> {
    if !item.contains_key(TO) {
        return Ok(None);
    }
    let (what, newest) =
        if is_link(item) { ("link of a catalogue record", V) } else { ("catalogue record", wire_catalog::V) };
    let read = Reader::new(what, item, 1..=u64::from(newest))?;
    Ok(Some(RecordKey::local(read.parsed("pr", ProviderId::parse)?, kind, read.number(TO)?)))
}

/// Whether an item leads to a record and is none. One that was replaced is a record and leads to another.
pub fn is_link(item: &Item) -> bool {
    item.contains_key(TO) && !item.contains_key(VERSION)
}

/// The marks under which a record is to be found: none of one that is some shop's.
pub fn marks_of(record: &StoredRecord) -> BTreeSet<Mark> {
    if record.key.source.is_local() { marks(&record.record) } else { BTreeSet::new() }
}

/// The marks that an item repeats.
pub fn marks_in(item: &Item) -> Result<BTreeSet<Mark>, PortError> {
    if !item.contains_key(MARKS) {
        return Ok(BTreeSet::new());
    }
    let read = Reader::keys_only("catalogue record", item);
    let (marks, rest) = read.bytes(MARKS)?.as_chunks::<8>();
    if rest.is_empty() {
        Ok(marks.iter().map(|mark| u64::from_le_bytes(*mark)).collect())
    } else {
        Err(read.malformed("its marks have an odd length"))
    }
}

/// Repeats marks on a record.
pub fn repeat(root: &mut Item, marks: &BTreeSet<Mark>) {
    if !marks.is_empty() {
        let bytes: Vec<u8> = marks.iter().flat_map(|mark| mark.to_le_bytes()).collect();
        root.insert(MARKS.to_owned(), b(bytes));
    }
}

/// The item of one mark of a record made here.
pub fn mark(store: &StoreId, local: &RecordKey, mark: Mark) -> Item {
    item(&keys::mark(store, local, mark), V)
}

impl DynamoCatalog {
    /// The records to which some items lead, by their ids.
    pub(super) async fn linked(
        &self,
        store: &StoreId,
        led: &[RecordKey],
        consistent: bool,
        cost: &mut Cost,
    ) -> Result<HashMap<Uuid, Item>, PortError> {
        let places: Vec<Key> =
            led.iter().map(|local| keys::record(store, local.kind, local.internal_id(store))).collect();
        let mut found = HashMap::new();
        for item in self.table.get_many(&places, consistent).await? {
            cost.read_units += read_units(item_bytes(&item), consistent);
            let id = item.get("sk").and_then(|sk| sk.as_s().ok()).and_then(|sk| Uuid::parse_str(sk).ok());
            found.extend(id.map(|id| (id, item)));
        }
        Ok(found)
    }

    /// The record made here that a link leads to, as it is now; none where it is linked no more.
    pub(super) async fn follow(
        &self,
        store: &StoreId,
        local: &RecordKey,
        cost: &mut Cost,
    ) -> Result<Option<Root>, PortError> {
        let item = self.table.get(&keys::record(store, local.kind, local.internal_id(store)), true).await?;
        cost.read_units += read_units(item.as_ref().map_or(0, item_bytes), true);
        let root = item.map(|item| decode(store, local.kind, &item)).transpose()?;
        Ok(root.filter(|root| !root.key().source.is_local()))
    }

    /// Writes a root and the link that leads to it, or takes that away, both or neither.
    pub(super) async fn write_linked(
        &self,
        store: &StoreId,
        record: &StoredRecord,
        root: Item,
        version: u64,
        released: Option<RecordKey>,
        cost: &mut Cost,
    ) -> Result<Wrote, PortError> {
        let place = keys::record(store, record.key.kind, record.internal_id(store));
        let before = self.table.get(&place, true).await?;
        cost.read_units += read_units(before.as_ref().map_or(0, item_bytes), true);
        let condition = Expression::new("#ver = :ver").with(":ver", n(version));
        let root = Write::Put(root, Some(condition));
        let link = match released {
            Some(key) => Write::Delete(link_key(store, &key), Expression::present()),
            None => {
                let number = record.place().external_id;
                Write::Put(link(store, &record.key, number), Some(Expression::absent()))
            }
        };
        match self.table.transact(vec![root, link]).await? {
            Ok(()) => Ok(Wrote::Done(before)),
            Err(_) => Ok(Wrote::Refused(self.table.get(&place, true).await?)),
        }
    }

    /// Writes two roots, each over the version before its own, both or neither; tells what they replaced.
    pub(super) async fn write_both(
        &self,
        store: &StoreId,
        roots: [(&StoredRecord, Item); 2],
        cost: &mut Cost,
    ) -> Result<Option<[Item; 2]>, PortError> {
        let (mut before, mut writes) = (Vec::new(), Vec::new());
        for (record, root) in roots {
            let place = keys::record(store, record.key.kind, record.internal_id(store));
            let item = self.table.get(&place, true).await?;
            cost.read_units += read_units(item.as_ref().map_or(0, item_bytes), true);
            before.extend(item);
            let condition = Expression::new("#ver = :ver").with(":ver", n(record.version.saturating_sub(1)));
            writes.push(Write::Put(root, Some(condition)));
        }
        let Ok(before) = <[Item; 2]>::try_from(before) else { return Ok(None) };
        Ok(self.table.transact(writes).await?.is_ok().then_some(before))
    }

    /// Writes the marks of a record, before it.
    pub(super) async fn mark(
        &self,
        store: &StoreId,
        local: &RecordKey,
        marks: &BTreeSet<Mark>,
    ) -> Result<(), PortError> {
        let items: Vec<Item> = marks.iter().map(|mark| self::mark(store, local, *mark)).collect();
        stream::iter(items)
            .map(|item| self.table.put(item, None, false))
            .buffer_unordered(CONCURRENCY)
            .try_for_each(|_| async { Ok(()) })
            .await
    }

    /// Deletes marks that a record no longer bears. One that cannot be deleted stays behind, and whoever follows it
    /// looks at the record, so this does not fail the write that it follows.
    pub(super) async fn unmark(&self, store: &StoreId, local: &RecordKey, marks: Vec<Mark>) {
        let places: Vec<Key> = marks.into_iter().map(|mark| keys::mark(store, local, mark)).collect();
        let deleted = stream::iter(places)
            .map(|place| async move { self.table.delete(&place, None).await })
            .buffer_unordered(CONCURRENCY)
            .try_for_each(|_| async { Ok(()) })
            .await;
        if let Err(error) = deleted {
            tracing::warn!(cause = chain(&error), "marks of an earlier version stay behind");
        }
    }
}
