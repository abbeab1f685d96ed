//! A shop in the simulator: its data, and everything that happens to it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Notify;

use crate::bulk::BulkOperations;
use crate::faults::Faults;
use crate::model::{Product, Shop, Variant};
use crate::mutate::idempotency::Memory;
use crate::mutate::operations::Operations;
use crate::webhooks::subscription::Webhook;

mod index;

pub use index::{Index, Made, UniqueValue};

/// Locks, whether or not another holder panicked: every value here is valid between any two statements.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A shop at one moment, with ways to find things in it.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The data.
    pub shop: Shop,
    index: OnceLock<Index>,
}

impl Snapshot {
    /// Wraps a shop.
    #[must_use]
    pub fn new(shop: Shop) -> Self {
        Self { shop, index: OnceLock::new() }
    }

    /// The index, built when first asked for.
    pub fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::of(&self.shop))
    }

    /// A variant with its product.
    #[must_use]
    pub fn variant(&self, id: u64) -> Option<(&Product, &Variant)> {
        let product = self.shop.products.get(self.index().variants.get(&id)?)?;
        Some((product, product.variants.iter().find(|variant| variant.id == id)?))
    }

    /// The variant an inventory item belongs to, with its product.
    #[must_use]
    pub fn item(&self, id: u64) -> Option<(&Product, &Variant)> {
        let (_, variant) = self.index().items.get(&id)?;
        self.variant(*variant)
    }
}

/// What was called, and how often.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Calls {
    /// Requests to the token endpoint by kind of grant, whatever came of them.
    pub token_calls: BTreeMap<String, u64>,
    /// Codes exchanged for tokens.
    pub token_exchanges: u64,
    /// Refresh tokens used.
    pub token_refreshes: u64,
    /// Tokens an app got by its own credentials.
    pub token_credentials: u64,
    /// Token requests answered 4xx.
    pub token_refusals: u64,
    /// GraphQL requests by operation name (or first root field where there is none).
    pub graphql_calls: BTreeMap<String, u64>,
    /// GraphQL requests that the schema refused.
    pub graphql_invalid: u64,
    /// Requests answered `THROTTLED`.
    pub throttled: u64,
    /// REST requests by path.
    pub rest_calls: BTreeMap<String, u64>,
    /// Requests with a token that does not work.
    pub unauthorized: u64,
    /// Bulk operations started.
    pub bulk_started: u64,
    /// Result files asked for.
    pub downloads: u64,
    /// Bytes of result files sent.
    pub bytes: u64,
    /// Files of images asked for.
    pub files: u64,
    /// Bytes of them sent.
    pub file_bytes: u64,
    /// Requests for result files and images that carried an access token.
    pub tokens_leaked: u64,
    /// Mutations that were carried out, by name: one for each field that was answered without `userErrors`.
    pub mutations: BTreeMap<String, u64>,
    /// Mutations that were answered with `userErrors` or an error, by name.
    pub mutations_refused: BTreeMap<String, u64>,
    /// Mutations answered from the memory of idempotency keys, by name.
    pub mutations_replayed: BTreeMap<String, u64>,
    /// Uninstallations.
    pub uninstalls: u64,
    /// Cost points charged.
    pub points: f64,
    /// Faults that struck, by name.
    pub faults: BTreeMap<String, u64>,
    /// `Type.field` that is valid but that the simulator cannot answer.
    pub not_simulated: BTreeMap<String, u64>,
    /// `Type.field` selected although deprecated.
    pub deprecated: BTreeMap<String, u64>,
}

/// The leaky bucket of one app in one shop.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// Points left.
    pub available: f64,
    /// When that was.
    pub at: Timestamp,
}

impl Bucket {
    /// Lets in what has flowed since it was last looked at.
    pub fn refill(&mut self, now: Timestamp, rate: f64, size: f64) {
        let seconds = now.duration_since(self.at).as_secs_f64().max(0.0);
        self.available = (self.available + seconds * rate).min(size);
        self.at = self.at.max(now);
    }
}

/// A shop and what happens to it.
#[derive(Debug)]
pub struct ShopState {
    /// First label of its domain.
    pub label: String,
    snapshot: RwLock<Arc<Snapshot>>,
    /// Its bulk operations.
    pub bulk: Mutex<BulkOperations>,
    /// Its switches.
    pub faults: Mutex<Faults>,
    /// Its counters.
    pub calls: Mutex<Calls>,
    /// Its buckets by client id.
    pub buckets: Mutex<HashMap<String, Bucket>>,
    /// Its webhook subscriptions.
    pub webhooks: Mutex<Vec<Webhook>>,
    /// Idempotency keys seen lately.
    pub idempotency: Mutex<Memory>,
    /// Variants created lately.
    pub variants_made: Mutex<Made>,
    /// Files that are being fetched, and until when.
    pub fetching: Mutex<Vec<(Timestamp, u64)>>,
    /// Products that are being set in the background.
    pub operations: Operations,
    /// When orders were created lately.
    pub orders_made: Mutex<Made>,
    /// Wakes who sends webhooks.
    pub wake: Arc<Notify>,
}

impl ShopState {
    /// Opens a shop. `wake` is told when something of it may have to be sent.
    #[must_use]
    pub fn new(mut shop: Shop, wake: Arc<Notify>) -> Self {
        shop.refresh_collections();
        Self {
            label: shop.label.clone(),
            snapshot: RwLock::new(Arc::new(Snapshot::new(shop))),
            bulk: Mutex::default(),
            faults: Mutex::default(),
            calls: Mutex::default(),
            buckets: Mutex::default(),
            webhooks: Mutex::default(),
            idempotency: Mutex::default(),
            variants_made: Mutex::default(),
            fetching: Mutex::default(),
            operations: Operations::default(),
            orders_made: Mutex::default(),
            wake,
        }
    }

    /// The shop as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the shop. Snapshots taken before keep what they saw.
    pub fn change<T>(&self, change: impl FnOnce(&mut Shop) -> T) -> T {
        let mut current = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        let mut shop = current.shop.clone();
        let outcome = change(&mut shop);
        shop.refresh_collections();
        *current = Arc::new(Snapshot::new(shop));
        outcome
    }

    /// Changes the shop record by record and keeps the index of it. In place, unless somebody still looks at the shop
    /// as it was: writing one record to a large shop must not cost a copy of all others.
    pub fn write<T>(&self, write: impl FnOnce(&mut Shop, &mut Index) -> T) -> (T, Arc<Snapshot>) {
        let mut current = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        current.index();
        let snapshot = Arc::make_mut(&mut current);
        let mut index = snapshot.index.take().unwrap_or_default();
        let outcome = write(&mut snapshot.shop, &mut index);
        snapshot.index = OnceLock::from(index);
        (outcome, Arc::clone(&current))
    }

    /// Restore rate (points a second) and size of the bucket by plan
    /// (<https://shopify.dev/docs/api/usage/limits>; sizes as observed, 20 times the rate).
    #[must_use]
    pub fn bucket_size(&self) -> (f64, f64) {
        let snapshot = self.snapshot();
        let plan = &snapshot.shop.plan;
        if let Some(bucket) = plan.bucket {
            return (f64::from(bucket.restore), f64::from(bucket.maximum));
        }
        let rate = if plan.shopify_plus {
            1_000.0
        } else if plan.public_display_name == "Advanced" {
            200.0
        } else {
            100.0
        };
        (rate, rate * 20.0)
    }
}
