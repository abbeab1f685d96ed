//! A shop's catalogue that tests can change between runs, with the ways in which a real one lets us down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::bad_shop::{BadShop, Mood};
use super::connect_shop::FakeShop;
use super::faults::Faults;
use crate::domain::record::{Child, Kind, Record, Resource};
use crate::domain::run::{Feed, FeedFile, Wanted};
use crate::domain::scopes::Scopes;
use crate::domain::stock::level_id;
use crate::ports::provider::{
    ChangedLevel, ChangedLevels, Extract, FeedStatus, MapContext, ProviderError, RangeReader, RangeTally,
    ShopAccess, SourceItem,
};

/// Every object takes this many bytes of the file that there is not.
pub const ITEM_BYTES: u64 = 100;

/// How the shop lets us down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Letdown {
    /// Collecting fails, every time.
    pub broken: bool,
    /// Collecting never gets on.
    pub stalled: bool,
    /// Objects announced beyond those there are.
    pub announce_extra: u64,
    /// The file ends before this object.
    pub cut_at: Option<usize>,
    /// Children do not stand with their parents.
    pub ungrouped: bool,
    /// The file can no longer be read.
    pub expired: bool,
    /// Pages are refused as too many.
    pub throttled: bool,
}

#[derive(Default)]
struct Inner {
    items: BTreeMap<Feed, BTreeMap<u64, SourceItem>>,
    /// By handle: what is in it, how often it was looked at, its number.
    files: BTreeMap<String, (Vec<SourceItem>, u32, usize)>,
    letdown: Letdown,
    bad: Option<Arc<BadShop>>,
}

/// The catalogue. Clones share it.
#[derive(Clone)]
pub struct FakeSource {
    inner: Arc<Mutex<Inner>>,
    shop: Arc<FakeShop>,
    faults: Faults,
}

impl FakeSource {
    /// An empty catalogue whose calls count with those of other fakes. The shop says which tokens are good.
    pub fn new(shop: Arc<FakeShop>, faults: Faults) -> Self {
        Self { inner: Arc::default(), shop, faults }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an object into a feed, in place of the one with its number.
    pub fn put(&self, feed: Feed, item: SourceItem) {
        self.inner().items.entry(feed).or_default().insert(item.external_id, item);
    }

    /// Takes an object out of a feed.
    pub fn take(&self, feed: Feed, external_id: u64) -> Option<SourceItem> {
        self.inner().items.entry(feed).or_default().remove(&external_id)
    }

    /// Changes an object of a feed.
    pub fn change(&self, feed: Feed, external_id: u64, change: impl FnOnce(&mut SourceItem)) {
        if let Some(item) = self.inner().items.entry(feed).or_default().get_mut(&external_id) {
            change(item);
        }
    }

    /// From now on the shop lets us down like this.
    pub fn let_down(&self, letdown: Letdown) {
        self.inner().letdown = letdown;
    }

    /// From now on the shop has this bad day.
    pub fn have_a_bad_day(&self, bad: Arc<BadShop>) {
        self.inner().bad = Some(bad);
    }

    fn mood(&self, file: bool) -> Result<Mood, ProviderError> {
        let bad = self.inner().bad.clone();
        bad.map_or(Ok(Mood::Answers), |bad| bad.meets(file))
    }

    /// Number of objects that should land, by resource.
    pub fn counts(&self) -> BTreeMap<Resource, u64> {
        let mut counts = BTreeMap::new();
        for item in self.inner().items.values().flat_map(BTreeMap::values) {
            for (kind, record) in &item.records {
                let shape = kind.shape();
                if let Some(resource) = shape.counts_as {
                    *counts.entry(resource).or_default() += 1;
                }
                for (list, children) in shape.children.iter().zip(&record.children) {
                    *counts.entry(list.resource).or_default() += children.len() as u64;
                }
            }
        }
        counts
    }

    async fn call<T>(
        &self,
        name: &'static str,
        access: &ShopAccess,
        effect: impl FnOnce() -> Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        let call = || {
            let mood = self.mood(false)?;
            let answer = self.shop.admit(access).and_then(|()| effect());
            // What was cut cannot be read, and is as good as lost.
            if mood == Mood::Answers { answer } else { Err(lost()) }
        };
        self.faults.run(name, lost, call).await
    }
}

fn levels(item: &SourceItem) -> impl Iterator<Item = &Child> {
    item.records.iter().filter(|(kind, _)| *kind == Kind::Stock).flat_map(|(_, record)| &record.children[0])
}

fn lost() -> ProviderError {
    ProviderError::Unavailable { source: None }
}

fn lines(item: &SourceItem) -> u64 {
    let children = item.records.iter().flat_map(|(_, record)| &record.children).map(Vec::len).sum::<usize>();
    1 + children as u64
}

#[async_trait]
impl Extract for FakeSource {
    fn scopes_for(&self, wanted: Wanted) -> Scopes {
        Scopes::parse(match wanted {
            Wanted::Warehouses => "read_locations",
            Wanted::Stock => "read_inventory",
            _ => "read_products",
        })
    }

    fn feeds_for(&self, wanted: &BTreeSet<Wanted>) -> BTreeSet<Feed> {
        let mut feeds = BTreeSet::new();
        for wanted in wanted {
            match wanted {
                Wanted::Warehouses => {}
                Wanted::Products | Wanted::Stock => {
                    feeds.insert(Feed::Products);
                }
                Wanted::Metafields => {
                    feeds.insert(Feed::Metafields);
                }
                Wanted::Categories => {
                    feeds.insert(Feed::Collections);
                }
            }
        }
        feeds
    }

    async fn source_counts(&self, access: &ShopAccess) -> Result<BTreeMap<Resource, u64>, ProviderError> {
        self.call("source_counts", access, || {
            let counts = self.counts();
            Ok([Resource::Products, Resource::Categories]
                .into_iter()
                .map(|resource| (resource, counts.get(&resource).copied().unwrap_or(0)))
                .collect())
        })
        .await
    }

    async fn locations(&self, access: &ShopAccess) -> Result<Vec<SourceItem>, ProviderError> {
        self.call("locations", access, || {
            if self.inner().letdown.throttled {
                return Err(ProviderError::Throttled { retry_after: None });
            }
            Ok(self.inner().items.entry(Feed::Locations).or_default().values().cloned().collect())
        })
        .await
    }

    /// There is no clock here: what changed is what is not as the last file has it.
    async fn levels_since(
        &self,
        access: &ShopAccess,
        _: Timestamp,
        locations: &BTreeSet<u64>,
    ) -> Result<ChangedLevels, ProviderError> {
        self.call("levels_since", access, || {
            let mut inner = self.inner();
            let now: Vec<SourceItem> =
                inner.items.entry(Feed::Products).or_default().values().cloned().collect();
            let last = inner.files.iter().filter(|(handle, _)| handle.starts_with("Products/"));
            let last = last.max_by_key(|(_, (_, _, number))| *number).map(|(_, (items, _, _))| items);
            let was: BTreeSet<String> =
                last.into_iter().flatten().flat_map(levels).map(|l| format!("{l:?}")).collect();
            let changed = now.iter().flat_map(|item| levels(item).map(|level| (item.external_id, level)));
            let here = |level: &Child| level_id(&level.id).is_some_and(|(_, at)| locations.contains(&at));
            let changed = changed.filter(|(_, level)| here(level) && !was.contains(&format!("{level:?}")));
            let levels =
                changed.map(|(product, level)| ChangedLevel { product, level: level.clone() }).collect();
            Ok(ChangedLevels { levels, whole: true })
        })
        .await
    }

    async fn start_feed(
        &self,
        access: &ShopAccess,
        feed: Feed,
        context: &MapContext,
    ) -> Result<String, ProviderError> {
        self.call("start_feed", access, || {
            let mut inner = self.inner();
            let handle = format!("{feed:?}/{}", inner.files.len());
            let mut items: Vec<SourceItem> = inner.items.entry(feed).or_default().values().cloned().collect();
            for item in &mut items {
                item.records.retain(|(kind, _)| context.stock || *kind != Kind::Stock);
            }
            let number = inner.files.len();
            inner.files.insert(handle.clone(), (items, 0, number));
            Ok(handle)
        })
        .await
    }

    async fn feed_status(&self, access: &ShopAccess, handle: &str) -> Result<FeedStatus, ProviderError> {
        self.call("feed_status", access, || {
            let mut inner = self.inner();
            let letdown = inner.letdown.clone();
            let Some((items, looked, _)) = inner.files.get_mut(handle) else {
                return Err(ProviderError::Refused { code: "no such work".to_owned() });
            };
            *looked += 1;
            let roots = items.len() as u64;
            let objects = items.iter().map(lines).sum::<u64>() + letdown.announce_extra;
            Ok(if letdown.broken {
                FeedStatus::Broken { why: "INTERNAL_SERVER_ERROR".to_owned(), retry: true }
            } else if letdown.stalled || *looked == 1 {
                FeedStatus::Pending { objects: objects / 2, roots: roots / 2 }
            } else {
                let file = FeedFile { url: handle.to_owned(), size: roots * ITEM_BYTES };
                FeedStatus::Ready { file: (roots > 0).then_some(file), objects, roots }
            })
        })
        .await
    }

    async fn cancel_feed(&self, access: &ShopAccess, _: &str) -> Result<(), ProviderError> {
        self.call("cancel_feed", access, || Ok(())).await
    }

    async fn open_range(
        &self,
        _: Feed,
        file: &FeedFile,
        range: std::ops::Range<u64>,
        joined: bool,
        _: &MapContext,
    ) -> Result<Box<dyn RangeReader>, ProviderError> {
        let open = || {
            let mood = self.mood(true)?;
            let inner = self.inner();
            if inner.letdown.expired {
                return Err(ProviderError::ResultExpired);
            }
            let Some((items, ..)) = inner.files.get(&file.url) else {
                return Err(ProviderError::ResultExpired);
            };
            let end = inner.letdown.cut_at.unwrap_or(items.len()).min(items.len());
            let chosen: Vec<SourceItem> = (0u64..)
                .zip(&items[..end])
                .filter(|(at, _)| range.contains(&(at * ITEM_BYTES)))
                .map(|(_, item)| item.clone())
                .collect();
            let tally = RangeTally {
                orphans: u64::from(inner.letdown.ungrouped && !joined),
                next: range.start.div_ceil(ITEM_BYTES) * ITEM_BYTES,
                ..RangeTally::default()
            };
            let cut_after = (mood == Mood::Cuts).then_some(chosen.len() / 2);
            let faults = self.faults.clone();
            let reader = FakeReader { items: chosen.into_iter(), tally, cut_after, faults };
            if mood == Mood::Loses { Err(lost()) } else { Ok(Box::new(reader) as Box<dyn RangeReader>) }
        };
        self.faults.run("open_range", lost, open).await
    }
}

struct FakeReader {
    items: std::vec::IntoIter<SourceItem>,
    tally: RangeTally,
    /// The connection ends after so many more objects.
    cut_after: Option<usize>,
    faults: Faults,
}

#[async_trait]
impl RangeReader for FakeReader {
    async fn next(&mut self) -> Result<Option<SourceItem>, ProviderError> {
        let faults = self.faults.clone();
        let next = faults.run("next_item", lost, || {
            if self.cut_after == Some(0) {
                return Err(lost());
            }
            self.cut_after = self.cut_after.map(|left| left - 1);
            Ok(self.items.next())
        });
        let Some(item) = next.await? else { return Ok(None) };
        self.tally.lines += lines(&item);
        self.tally.roots += 1;
        self.tally.bytes += ITEM_BYTES;
        self.tally.next += ITEM_BYTES;
        Ok(Some(item))
    }

    fn tally(&self) -> RangeTally {
        self.tally
    }
}

fn item(external_id: u64, label: &str, records: Vec<(Kind, Record)>) -> SourceItem {
    SourceItem { external_id, label: label.to_owned(), records, codes: Vec::new(), truncated: false }
}

fn child(kind: Kind, list: usize, id: String, fields: &[(&str, Value)]) -> Child {
    let names = kind.shape().children[list].fields;
    let value = |name: &str| fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.clone());
    Child {
        id,
        values: names.iter().map(|name| value(name).unwrap_or_default()).collect(),
        missing_since: None,
    }
}

/// A location.
pub fn location(id: u64, name: &str) -> SourceItem {
    let mut record = Record::empty(Kind::Warehouse);
    record.set("name", json!(name));
    record.set("source_name", json!(name));
    record.set("active", json!(true));
    item(id, name, vec![(Kind::Warehouse, record)])
}

/// A product with variants, an image and a level of each variant at each location.
pub fn product(id: u64, title: &str, variants: u64, locations: &[u64]) -> SourceItem {
    let (mut record, mut stock) = (Record::empty(Kind::Product), Record::empty(Kind::Stock));
    record.set("title", json!(title));
    record.set("handle", json!(format!("product-{id}")));
    record.set("status", json!("active"));
    for n in 0..variants {
        let variant = id * 100 + n;
        let fields = [("sku", json!(format!("SKU-{variant}"))), ("price", json!("10.00"))];
        record.children[0].push(child(Kind::Product, 0, variant.to_string(), &fields));
        for location in locations {
            stock.children[0].push(level(variant, *location, 5));
        }
    }
    record.children[1].push(child(Kind::Product, 1, format!("{id}9"), &[("type", json!("image"))]));
    item(id, title, vec![(Kind::Product, record), (Kind::Stock, stock)])
}

/// The level of a variant at a location.
pub fn level(variant: u64, location: u64, available: i64) -> Child {
    let fields = [
        ("variant_id", json!(variant.to_string())),
        ("tracked", json!(true)),
        ("stocked", json!(true)),
        ("available", json!(available)),
        ("on_hand", json!(available)),
    ];
    child(Kind::Stock, 0, format!("{variant}:{location}"), &fields)
}

/// The metafields of a product.
pub fn metafields(product: u64, values: &[&str]) -> SourceItem {
    let mut record = Record::empty(Kind::Metafields);
    for (n, value) in values.iter().enumerate() {
        let fields = [("owner", json!(format!("product:{product}"))), ("value", json!(value))];
        record.children[0].push(child(Kind::Metafields, 0, format!("{product}{n}"), &fields));
    }
    item(product, "", vec![(Kind::Metafields, record)])
}

/// A collection with its members.
pub fn collection(id: u64, title: &str, members: &[u64]) -> SourceItem {
    let mut record = Record::empty(Kind::Category);
    record.set("title", json!(title));
    record.children[0] = members.iter().map(|id| child(Kind::Category, 0, id.to_string(), &[])).collect();
    item(id, title, vec![(Kind::Category, record)])
}
