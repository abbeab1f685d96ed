//! The catalogue in memory. Units are counted on the very items that the table would hold.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::faults::Faults;
use crate::adapters::dynamodb::cursor::Scope;
use crate::adapters::dynamodb::keys;
use crate::adapters::dynamodb::links::marks_of;
use crate::adapters::dynamodb::units::{item_bytes, read_units, write_units};
use crate::adapters::dynamodb::wire_catalog::{Encoded, encode, page_bytes, pages_of};
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::domain::lookalike::Mark;
use crate::domain::record::{Kind, MAPPER_VERSION, Record, RecordKey, Source, Standing, StoredRecord};
use crate::domain::run::Cost;
use crate::ports::catalog::{Catalog, Expect, MOST_ALIKE};
use crate::ports::{Page, PortError};

const SERVICE: &str = "catalogue";
/// External ids on one page.
const IDS_PER_PAGE: usize = 1000;

struct Entry {
    record: StoredRecord,
    root_bytes: usize,
    page_units: u64,
    content: usize,
}

type Place = (StoreId, Kind, Uuid);

#[derive(Default)]
struct Inner {
    entries: BTreeMap<Place, Entry>,
    /// Where records stand that were made here, by the places that their shop's keys would give them. Where one of them
    /// took another's place, that one stands there too.
    links: BTreeMap<Place, Place>,
    spent: Cost,
}

/// Records in memory. Clones share them.
#[derive(Clone)]
pub struct FakeCatalog {
    faults: Faults,
    inner: Arc<Mutex<Inner>>,
}

/// What a dump shows beside the content of records.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shown {
    /// Versions.
    pub versions: bool,
    /// The run that wrote a record last, and the runs that found it or a child of it gone.
    pub runs: bool,
}

fn place(store: &StoreId, key: &RecordKey) -> Place {
    (store.clone(), key.kind, key.internal_id(store))
}

impl Inner {
    /// The entry of a key, whether it stands under that or was made here and is linked to it.
    fn find(&self, at: &Place) -> Option<&Entry> {
        self.entries.get(self.links.get(at).unwrap_or(at))
    }

    fn put(&mut self, store: &StoreId, entry: Entry) {
        let stands = place(store, &entry.record.place());
        if entry.record.local.is_some() {
            self.links.insert(place(store, &entry.record.key), stands.clone());
        }
        match entry.record.replaced_by() {
            Some(by) => drop(self.links.insert(stands.clone(), place(store, &by))),
            None => drop(self.links.remove(&stands)),
        }
        self.entries.insert(stands, entry);
    }
}

fn sized(store: &StoreId, record: &StoredRecord) -> Result<(Encoded, Entry), PortError> {
    let encoded = encode(store, record, || "0".repeat(32))?;
    let content = pages_of(store, record.key.kind, &encoded.root)?.map_or(0, |pages| pages.content);
    let root_bytes = item_bytes(&encoded.root);
    let page_units = encoded.page_units;
    Ok((encoded, Entry { record: record.clone(), root_bytes, page_units, content }))
}

impl Entry {
    fn read(&self, consistent: bool) -> f64 {
        let pages = if self.content == 0 { 0.0 } else { read_units(page_bytes(self.content), true) };
        read_units(self.root_bytes, consistent) + pages
    }
}

impl FakeCatalog {
    /// An empty catalogue.
    pub fn new(faults: Faults) -> Self {
        Self { faults, inner: Arc::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all calls together cost so far.
    pub fn spent(&self) -> Cost {
        self.inner().spent
    }

    /// A record, past all faults.
    pub fn stored(&self, store: &StoreId, key: &RecordKey) -> Option<StoredRecord> {
        self.inner().find(&place(store, key)).map(|entry| entry.record.clone())
    }

    /// Every record of a store, past all faults, by kind and internal id.
    pub fn all(&self, store: &StoreId) -> Vec<StoredRecord> {
        let inner = self.inner();
        let ours = inner.entries.iter().filter(|((of, _, _), _)| of == store);
        ours.map(|(_, entry)| entry.record.clone()).collect()
    }

    /// Puts a record there as it is, past all faults and conditions.
    pub fn insert(&self, store: &StoreId, record: &StoredRecord) -> Result<(), PortError> {
        let (_, entry) = sized(store, record)?;
        self.inner().put(store, entry);
        Ok(())
    }

    /// Takes a record away, past all faults and conditions; tells whether it was there.
    pub fn remove(&self, store: &StoreId, key: &RecordKey) -> bool {
        self.inner().entries.remove(&place(store, key)).is_some()
    }

    /// What the merchant does in eshopOS: changes the content and raises the version. False where there is no record.
    pub fn edit(
        &self,
        store: &StoreId,
        key: &RecordKey,
        change: impl FnOnce(&mut Record),
    ) -> Result<bool, PortError> {
        let Some(mut record) = self.stored(store, key) else { return Ok(false) };
        change(&mut record.record);
        record.version += 1;
        self.insert(store, &record)?;
        Ok(true)
    }

    /// What the merchant made in eshopOS and linked to no shop.
    pub fn add_local(
        &self,
        store: &StoreId,
        kind: Kind,
        number: u64,
        fill: impl FnOnce(&mut Record),
    ) -> Result<RecordKey, PortError> {
        let source = Source { provider: ProviderId::Shopify, shop_id: Source::LOCAL_SHOP };
        let key = RecordKey { source, kind, external_id: number };
        let mut record = Record::empty(kind);
        fill(&mut record);
        let (digest, base) = record.fingerprint();
        let record = StoredRecord {
            key,
            version: 1,
            written_run: RunId::new(Uuid::nil()),
            standing: Standing::Active,
            digest,
            base,
            mapper: MAPPER_VERSION,
            record,
            local: None,
        };
        self.insert(store, &record)?;
        Ok(key)
    }

    /// Everything stored, with versions and runs, sorted: equal texts mean equal catalogues.
    pub fn dump(&self) -> String {
        self.dump_with(Shown { versions: true, runs: true })
    }

    /// Everything stored, one record a line, sorted by store, shop, kind and external id.
    pub fn dump_with(&self, shown: Shown) -> String {
        let inner = self.inner();
        let mut lines: Vec<_> = inner
            .entries
            .iter()
            .map(|((store, _, id), entry)| {
                ((store.clone(), entry.record.key), line(store, *id, entry, shown))
            })
            .collect();
        lines.sort();
        lines.into_iter().map(|(_, line)| line + "\n").collect()
    }

    /// What a call that is made again tells of its cost is what the answer says that is seen.
    fn spend(inner: &mut Inner, seen: &mut Cost, spent: Cost) {
        *seen = spent;
        inner.spent.add(spent);
    }
}

fn line(store: &StoreId, id: Uuid, entry: &Entry, shown: Shown) -> String {
    let stored = &entry.record;
    let mut record = stored.record.clone();
    let since = match &stored.standing {
        Standing::Active => Value::Null,
        Standing::Missing { since, done } if shown.runs => json!([since.as_str(), done]),
        Standing::Missing { done, .. } => json!(done),
        Standing::Detached => json!("detached"),
        Standing::Replaced { by } => json!({"replaced_by": by}),
    };
    if !shown.runs {
        for child in record.children.iter_mut().flatten() {
            child.missing_since = child.missing_since.take().map(|_| RunId::new(Uuid::nil()));
        }
    }
    let content = record.to_stored_json().ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let fields = json!({
        "store": store.as_str(),
        "provider": stored.key.source.provider.as_str(),
        "shop_id": stored.key.source.shop_id.0,
        "kind": stored.key.kind.as_str(),
        "external_id": stored.key.external_id,
        "id": id.to_string(),
        "missing": since,
        "digest": stored.digest.to_hex(),
        "mapper": stored.mapper,
        "base": hex::encode(stored.base.to_bytes()),
        "content": content,
    });
    let Value::Object(mut fields) = fields else { return String::new() };
    if let Some(number) = stored.local {
        fields.insert("local".to_owned(), number.into());
    }
    if shown.versions {
        fields.insert("version".to_owned(), stored.version.into());
    }
    if shown.runs {
        fields.insert("written_run".to_owned(), stored.written_run.as_str().into());
    }
    sorted(fields).to_string()
}

/// Object keys in order, whether or not the JSON library keeps them so.
fn sorted(fields: Map<String, Value>) -> Value {
    Value::Object(fields.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect())
}

#[async_trait]
impl Catalog for FakeCatalog {
    async fn get(
        &self,
        store: &StoreId,
        keys: &[RecordKey],
        consistent: bool,
        cost: &mut Cost,
    ) -> Result<Vec<Option<StoredRecord>>, PortError> {
        let mut seen = Cost::default();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let read = || {
            let mut inner = self.inner();
            let places: Vec<Place> = keys.iter().map(|key| place(store, key)).collect();
            let unique: std::collections::BTreeSet<&Place> = places.iter().collect();
            let units = unique.into_iter().map(|place| {
                let link = f64::from(u8::from(inner.links.contains_key(place))) * read_units(0, consistent);
                link + inner.find(place).map_or(read_units(0, consistent), |entry| entry.read(consistent))
            });
            let spent = Cost { read_units: units.sum(), ..Cost::default() };
            Self::spend(&mut inner, &mut seen, spent);
            let found = places.iter().map(|place| inner.find(place));
            Ok(found.map(|entry| entry.map(|entry| entry.record.clone())).collect())
        };
        let answer = self.faults.port(SERVICE, "catalog.get", read).await;
        cost.add(seen);
        answer
    }

    async fn put(
        &self,
        store: &StoreId,
        record: &StoredRecord,
        expect: Expect,
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        let mut seen = Cost::default();
        let write = || {
            let (encoded, entry) = sized(store, record)?;
            let mut inner = self.inner();
            let at = place(store, &record.place());
            let before = inner.entries.get(&at);
            let key = place(store, &record.key);
            let free = !inner.links.contains_key(&key) && !inner.entries.contains_key(&key);
            let fits = match (expect, before) {
                (Expect::Absent, None) => !inner.links.contains_key(&at),
                (Expect::Version(version), Some(before)) => before.record.version == version,
                (Expect::Unlinked(version), Some(before)) => before.record.version == version && free,
                (Expect::Linked(key, version), Some(before)) => {
                    before.record.version == version && inner.links.contains_key(&place(store, &key))
                }
                _ => false,
            };
            let linking = matches!(expect, Expect::Unlinked(_) | Expect::Linked(..));
            let read =
                if linking { read_units(before.map_or(0, |before| before.root_bytes), true) } else { 0.0 };
            if !fits {
                // The pages were written before the condition failed, and are deleted again.
                let pages = 2 * entry.page_units;
                let units = write_units(entry.root_bytes) + pages + encoded.marks.len() as u64;
                let spent = Cost { write_units: units, read_units: read, ..Cost::default() };
                Self::spend(&mut inner, &mut seen, spent);
                return Err(PortError::Conflict);
            }
            let old_pages = before.map_or(0, |before| before.page_units);
            let marked = before.map(|before| marks_of(&before.record)).unwrap_or_default();
            let old_bytes = before.map(|before| before.root_bytes);
            let root = match linking {
                true => encoded.link_units(old_bytes.unwrap_or(0)),
                false => encoded.root_units(old_bytes),
            };
            let units = root + entry.page_units + old_pages + encoded.mark_units(&marked);
            let spent = Cost { catalogue_writes: 1, write_units: units, read_units: read };
            Self::spend(&mut inner, &mut seen, spent);
            if let Expect::Linked(key, _) = expect {
                inner.links.remove(&place(store, &key));
            }
            inner.put(store, entry);
            Ok(())
        };
        let answer = self.faults.port(SERVICE, "catalog.put", write).await;
        cost.add(seen);
        answer
    }

    async fn put_both(
        &self,
        store: &StoreId,
        records: [&StoredRecord; 2],
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        let mut seen = Cost::default();
        let write = || {
            let mut inner = self.inner();
            let mut both = Vec::new();
            let (mut fits, mut done, mut refused) = (true, Cost::default(), Cost::default());
            for record in records {
                let (encoded, entry) = sized(store, record)?;
                let before = inner.entries.get(&place(store, &record.place()));
                fits &= before.is_some_and(|before| before.record.version + 1 == record.version);
                let read = read_units(before.map_or(0, |before| before.root_bytes), true);
                (done.read_units, refused.read_units) = (done.read_units + read, refused.read_units + read);
                refused.write_units += write_units(entry.root_bytes) + 2 * entry.page_units;
                refused.write_units += encoded.marks.len() as u64;
                if let Some(before) = before {
                    let (old, _) = sized(store, &before.record)?;
                    done.write_units += encoded.root_units_of_two(&old.root) + encoded.mark_units(&old.marks);
                    done.write_units += entry.page_units + before.page_units;
                    done.catalogue_writes += 1;
                }
                both.push(entry);
            }
            Self::spend(&mut inner, &mut seen, if fits { done } else { refused });
            if !fits {
                return Err(PortError::Conflict);
            }
            both.into_iter().for_each(|entry| inner.put(store, entry));
            Ok(())
        };
        let answer = self.faults.port(SERVICE, "catalog.put_both", write).await;
        cost.add(seen);
        answer
    }

    async fn delete(
        &self,
        store: &StoreId,
        key: &RecordKey,
        version: u64,
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        let mut seen = Cost::default();
        let write = || {
            let mut inner = self.inner();
            let at = place(store, key);
            let before = inner.entries.get(&at).filter(|before| before.record.version == version);
            let Some(before) = before else {
                Self::spend(&mut inner, &mut seen, Cost { write_units: 1, ..Cost::default() });
                return Err(PortError::Conflict);
            };
            let index = u64::from(keys::indexed(key.kind));
            let marks = marks_of(&before.record).len() as u64;
            let units = write_units(before.root_bytes) + index + before.page_units + marks;
            let spent = Cost { catalogue_writes: 1, write_units: units, ..Cost::default() };
            Self::spend(&mut inner, &mut seen, spent);
            inner.entries.remove(&at);
            Ok(())
        };
        let answer = self.faults.port(SERVICE, "catalog.delete", write).await;
        cost.add(seen);
        answer
    }

    async fn external_ids(
        &self,
        store: &StoreId,
        source: Source,
        kind: Kind,
        cursor: Option<String>,
        cost: &mut Cost,
    ) -> Result<Page<u64>, PortError> {
        let mut seen = Cost::default();
        let scope = external_scope(store, source, kind);
        let after = cursor.map(|cursor| scope.decode(&cursor)).transpose()?;
        let read = || {
            let mut inner = self.inner();
            let after: Option<u64> = after.as_ref().and_then(|after| after.parse().ok());
            let mut ids: Vec<u64> = inner
                .entries
                .iter()
                .filter(|((of, stored, _), entry)| {
                    let listed = entry.record.key.source == source && entry.record.replaced_by().is_none();
                    of == store && *stored == keys::indexed_as(kind) && listed
                })
                .map(|(_, entry)| entry.record.key.external_id)
                .filter(|id| after.is_none_or(|after| *id > after))
                .collect();
            ids.sort_unstable();
            let more = ids.len() > IDS_PER_PAGE;
            ids.truncate(IDS_PER_PAGE);
            let spent = Cost { read_units: read_units(ids.len() * 200, false), ..Cost::default() };
            Self::spend(&mut inner, &mut seen, spent);
            let next = ids.last().filter(|_| more).map(|last| scope.encode(&last.to_string()));
            Ok(Page { items: ids, next })
        };
        let answer = self.faults.port(SERVICE, "catalog.external_ids", read).await;
        cost.add(seen);
        answer
    }

    async fn bearing(
        &self,
        store: &StoreId,
        provider: ProviderId,
        kind: Kind,
        marks: &[Mark],
        cost: &mut Cost,
    ) -> Result<Vec<Vec<u64>>, PortError> {
        let mut seen = Cost::default();
        let source = RecordKey::local(provider, kind, 0).source;
        let read = || {
            let mut inner = self.inner();
            let ours = inner.entries.iter().filter(|((of, stored, _), entry)| {
                of == store && *stored == kind && entry.record.key.source == source
            });
            let mut found: BTreeMap<Mark, Vec<u64>> = BTreeMap::new();
            for (_, entry) in ours {
                for mark in marks_of(&entry.record) {
                    found.entry(mark).or_default().push(entry.record.key.external_id);
                }
            }
            for numbers in found.values_mut() {
                numbers.sort_unstable();
                numbers.truncate(MOST_ALIKE);
            }
            let read_units = marks.len() as f64 * read_units(0, false);
            Self::spend(&mut inner, &mut seen, Cost { read_units, ..Cost::default() });
            Ok(marks.iter().map(|mark| found.get(mark).cloned().unwrap_or_default()).collect())
        };
        let answer = self.faults.port(SERVICE, "catalog.bearing", read).await;
        cost.add(seen);
        answer
    }

    async fn list(
        &self,
        store: &StoreId,
        kind: Kind,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<StoredRecord>, PortError> {
        let scope = list_scope(store, kind);
        let after = cursor.map(|cursor| list_position(&scope, &cursor)).transpose()?;
        let read = || {
            let inner = self.inner();
            let mut records = inner.entries.iter().filter(|((of, stored, id), _)| {
                of == store && *stored == kind && after.is_none_or(|after| *id > after)
            });
            let page: Vec<_> = records.by_ref().take(limit as usize).collect();
            let more = records.next().is_some();
            let next =
                page.last().filter(|_| more).map(|((_, _, id), _)| scope.encode(&id.simple().to_string()));
            Ok(Page { items: page.into_iter().map(|(_, entry)| entry.record.clone()).collect(), next })
        };
        self.faults.port(SERVICE, "catalog.list", read).await
    }

    async fn find(&self, store: &StoreId, kind: Kind, id: Uuid) -> Result<Option<StoredRecord>, PortError> {
        let read = || {
            let inner = self.inner();
            let at = (store.clone(), kind, id);
            let found = inner.entries.get(&at).or_else(|| inner.find(&at));
            Ok(found.map(|entry| entry.record.clone()))
        };
        self.faults.port(SERVICE, "catalog.find", read).await
    }
}

fn external_scope(store: &StoreId, source: Source, kind: Kind) -> Scope {
    let shop = source.shop_id.to_string();
    Scope::new(&["external_ids", store.as_str(), source.provider.as_str(), &shop, kind.as_str()])
}

fn list_scope(store: &StoreId, kind: Kind) -> Scope {
    Scope::new(&["catalog", store.as_str(), kind.as_str()])
}

fn list_position(scope: &Scope, cursor: &str) -> Result<Uuid, PortError> {
    let position = scope.decode(cursor)?;
    Uuid::parse_str(&position)
        .map_err(|_| crate::adapters::dynamodb::cursor::refused("it is not one of ours"))
}
