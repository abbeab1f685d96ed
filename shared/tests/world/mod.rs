//! A store that is connected to a shop, with every step of a run in memory.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use shared::app::access::Access;
use shared::app::import::requests::{Asker, Imports, StartRun};
use shared::app::import::shown::ShownRun;
use shared::app::import::{Disposition, ImportStep};
use shared::app::media::CopyMedia;
use shared::domain::connection::{Connector, Installation, Method};
use shared::domain::ids::{InstallId, ProviderId, RunId, ShopId, StoreId};
use shared::domain::media::CopyingState;
use shared::domain::plan::Outcome;
use shared::domain::record::{Kind, RecordKey, Resource, Source, StoredRecord};
use shared::domain::run::Feed;
use shared::domain::scopes::Scopes;
use shared::ports::connectors::ConnectorStore;
use shared::ports::provider::{AppSecret, Connect, ShopProfile};
use shared::ports::queue::Step;
use shared::ports::time::Clock;
use shared::ports::vault::{StoredToken, TokenVault};
use shared::providers::shopify::Shopify;
use shared::testkit::catalog::FakeCatalog;
use shared::testkit::clock::{ManualClock, SeededRandom};
use shared::testkit::connect_shop::FakeShop;
use shared::testkit::connect_store::FakeConnectors;
use shared::testkit::connect_vault::FakeVault;
use shared::testkit::faults::Faults;
use shared::testkit::hooks::FakeHooks;
use shared::testkit::media::FakeMedia;
use shared::testkit::metrics::FakeMetrics;
use shared::testkit::queue::{FakeQueue, Waiting};
use shared::testkit::runs::FakeRuns;
use shared::testkit::source::{self, FakeSource};

pub struct World {
    pub store: StoreId,
    pub faults: Faults,
    /// Those of connectors alone.
    pub connecting: Faults,
    pub clock: ManualClock,
    pub runs: FakeRuns,
    pub catalog: FakeCatalog,
    pub queue: FakeQueue,
    pub media: FakeMedia,
    pub source: FakeSource,
    pub shop: Arc<FakeShop>,
    pub metrics: FakeMetrics,
    pub imports: Imports,
    pub step: ImportStep,
}

pub const SHOP: ShopId = ShopId(77);

pub fn store(name: &str) -> StoreId {
    StoreId::for_test(name).unwrap()
}

impl World {
    /// An empty shop with two locations, connected.
    pub async fn new() -> Self {
        Self::with_faults(Faults::default(), Faults::default(), Faults::default()).await
    }

    /// The same, with these faults of runs, records, queue and the shop's catalogue; of connectors; and of tokens and
    /// the shop's other answers.
    pub async fn with_faults(faults: Faults, connecting: Faults, tokens: Faults) -> Self {
        let clock = ManualClock::default();
        let shopify = Arc::new(Shopify::new());
        let shop = Arc::new(FakeShop::new(shopify.clone(), tokens.clone()));
        let connectors = Arc::new(FakeConnectors::new(connecting.clone()));
        let secret =
            AppSecret { client_id: "app".to_owned(), current: "hush".to_owned().into(), previous: None };
        let install = InstallId::new(uuid::Uuid::from_u128(1));
        let domain = shopify.parse_shop("acme").unwrap();
        let scopes = Scopes::parse("read_products,read_inventory,read_locations");
        shop.open(ShopProfile {
            id: SHOP,
            name: "Acme".to_owned(),
            domain: domain.clone(),
            primary_domain: "acme.example".to_owned(),
            currency: "EUR".to_owned(),
            plan: "Basic".to_owned(),
            scopes: scopes.clone(),
        });
        let grant = shop.exchange(&domain, &shop.approve(&domain), &secret).await.unwrap();
        let vault = Arc::new(FakeVault::new(secret, tokens));
        let token = StoredToken {
            access_token: grant.access_token,
            refresh_token: grant.refresh_token,
            expires_at: grant.expires_in.map(|life| clock.now() + life),
            refresh_expires_at: None,
            client: None,
            version: String::new(),
        };
        vault.create(&install, &token).await.unwrap();
        let mut connector = Connector {
            store: store("one"),
            provider: ProviderId::Shopify,
            revision: 0,
            installation: Some(Installation {
                id: install,
                shop: domain,
                shop_id: SHOP,
                shop_name: "Acme".to_owned(),
                primary_domain: "acme.example".to_owned(),
                currency: "EUR".to_owned(),
                plan: "Basic".to_owned(),
                scopes,
                connected_at: clock.now(),
                method: Method::Oauth,
            }),
            reason: None,
            last_attempt: None,
            last_active_at: None,
            updated_at: clock.now(),
        };
        connectors.save(&mut connector).await.unwrap();
        let runs = FakeRuns::new(faults.clone());
        let catalog = FakeCatalog::new(faults.clone());
        let queue = FakeQueue::new(clock.clone(), faults.clone());
        let source = FakeSource::new(shop.clone(), faults.clone());
        let media = FakeMedia::new(faults.clone());
        let metrics = FakeMetrics::default();
        source.put(Feed::Locations, source::location(1, "Main"));
        source.put(Feed::Locations, source::location(2, "Depot"));
        let step = ImportStep {
            access: Access {
                connectors: connectors.clone(),
                history: connectors.clone(),
                vault,
                connect: shop.clone(),
                hooks: Arc::new(FakeHooks::default()),
                clock: Arc::new(clock.clone()),
                metrics: Arc::new(metrics.clone()),
            },
            extract: Arc::new(source.clone()),
            runs: Arc::new(runs.clone()),
            catalog: Arc::new(catalog.clone()),
            media: CopyMedia {
                files: Arc::new(media.clone()),
                objects: Arc::new(media.clone()),
                links: Arc::new(media.clone()),
                clock: Arc::new(clock.clone()),
                metrics: Arc::new(metrics.clone()),
            },
            queue: Arc::new(queue.clone()),
            clock: Arc::new(clock.clone()),
            chunk_bytes: 4 * source::ITEM_BYTES,
        };
        let imports = Imports {
            connectors,
            extract: Arc::new(source.clone()),
            runs: Arc::new(runs.clone()),
            queue: Arc::new(queue.clone()),
            clock: Arc::new(clock.clone()),
            random: Arc::new(SeededRandom::new(1)),
        };
        Self {
            store: store("one"),
            faults,
            connecting,
            clock,
            runs,
            catalog,
            queue,
            media,
            source,
            shop,
            metrics,
            imports,
            step,
        }
    }

    /// A shop with ten products in three chunks, metafields and two collections.
    pub async fn stocked() -> Self {
        let world = Self::new().await;
        world.fill();
        world
    }

    pub fn fill(&self) {
        let world = self;
        for id in 1..=10 {
            world.source.put(Feed::Products, source::product(id, &format!("Product {id}"), 2, &[1, 2]));
            world.source.put(Feed::Metafields, source::metafields(id, &["a", "b"]));
        }
        world.source.put(Feed::Collections, source::collection(500, "All", &(1..=10).collect::<Vec<_>>()));
        world.source.put(Feed::Collections, source::collection(501, "Few", &[3, 1]));
    }

    /// The shop that [`Self::fill`] made changes in every way.
    pub fn change_shop(&self) {
        self.set(Feed::Products, 1, "title", "Changed");
        self.set(Feed::Locations, 2, "name", "Renamed");
        self.set(Feed::Collections, 501, "title", "Fewer");
        self.source.take(Feed::Products, 7);
        self.source.take(Feed::Metafields, 7);
        self.source.put(Feed::Products, source::product(11, "New", 3, &[1]));
    }

    pub fn asker(&self) -> Asker<'_> {
        Asker { store: &self.store, provider: ProviderId::Shopify, subject: "user_1" }
    }

    pub async fn start(&self, preview: bool, from_preview: Option<&str>) -> RunId {
        let from_preview = from_preview.map(|id| RunId::parse(id).unwrap());
        self.imports
            .start(self.asker(), StartRun { preview, from_preview, ..StartRun::default() }, None)
            .await
            .unwrap()
    }

    /// Begins a run as asked and lets it end.
    pub async fn run_with(&self, request: StartRun) -> ShownRun {
        let run = self.imports.start(self.asker(), request, None).await.unwrap();
        self.settle().await;
        self.shown(&run).await
    }

    pub async fn shown(&self, run: &RunId) -> ShownRun {
        self.imports.get(&self.store, ProviderId::Shopify, run).await.unwrap()
    }

    /// Delivers one message; puts it back where it is to come again.
    pub async fn deliver(&self, waiting: Waiting) {
        if let Disposition::Retry(_) = self.step.handle(&waiting.message, waiting.receives).await {
            self.queue.put_back(waiting, Duration::from_secs(30));
        }
    }

    /// Delivers one message twice at the same time. Where a call of one stands still, the other goes on to its end first.
    pub async fn deliver_twice_at_once(&self, waiting: Waiting) {
        let delivered = Cell::new(0);
        let deliver = |waiting: Waiting| async {
            self.deliver(waiting).await;
            delivered.set(delivered.get() + 1);
        };
        let thaw = async {
            while delivered.get() < 2 {
                if delivered.get() == 1 && self.faults.frozen() > 0 {
                    self.faults.thaw();
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(deliver(waiting.clone()), deliver(waiting), thaw);
    }

    /// Delivers messages in the order they were sent until none is left.
    pub async fn settle(&self) {
        for _ in 0..100_000 {
            match self.queue.pop_or_wait() {
                Some(waiting) => self.deliver(waiting).await,
                None => return,
            }
        }
        panic!("the queue never empties");
    }

    /// Delivers one message; false once copying beside a run has come to what failed.
    pub async fn runs_until_retrying(&self, run: &RunId) -> bool {
        let copies = self.shown(run).await.copies;
        if copies.is_some_and(|copies| copies.status == CopyingState::Retrying) {
            return false;
        }
        let waiting = self.queue.pop_or_wait().unwrap();
        self.deliver(waiting).await;
        true
    }

    /// Begins a run and lets it end.
    pub async fn run(&self) -> ShownRun {
        let run = self.start(false, None).await;
        self.settle().await;
        self.shown(&run).await
    }

    pub async fn preview(&self) -> ShownRun {
        let run = self.start(true, None).await;
        self.settle().await;
        self.shown(&run).await
    }

    pub async fn undo(&self, run: &str) -> ShownRun {
        let undo = self.imports.undo(self.asker(), &RunId::parse(run).unwrap(), None).await.unwrap();
        self.settle().await;
        self.shown(&undo).await
    }

    pub fn key(&self, kind: Kind, external_id: u64) -> RecordKey {
        let source = Source { provider: ProviderId::Shopify, shop_id: SHOP };
        RecordKey { source, kind, external_id }
    }

    pub fn stored(&self, kind: Kind, external_id: u64) -> Option<StoredRecord> {
        self.catalog.stored(&self.store, &self.key(kind, external_id))
    }

    /// Numbers of what landed and stands, by resource.
    pub fn landed(&self) -> BTreeMap<Resource, u64> {
        let mut landed = BTreeMap::new();
        for stored in self.catalog.all(&self.store) {
            if stored.standing != shared::domain::record::Standing::Active {
                continue;
            }
            let shape = stored.key.kind.shape();
            if let Some(resource) = shape.counts_as {
                *landed.entry(resource).or_default() += 1;
            }
            for (list, children) in shape.children.iter().zip(&stored.record.children) {
                let standing = children.iter().filter(|child| child.missing_since.is_none()).count();
                *landed.entry(list.resource).or_default() += standing as u64;
            }
        }
        landed
    }

    pub async fn records(&self, run: &str) -> Vec<shared::app::import::shown::ShownRecord> {
        let run = RunId::parse(run).unwrap();
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let page = self
                .imports
                .records(&self.store, ProviderId::Shopify, &run, &Default::default(), cursor.as_deref(), 3)
                .await
                .unwrap();
            all.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return all;
            }
        }
    }

    pub fn set(&self, feed: Feed, id: u64, field: &str, value: &str) {
        self.source.change(feed, id, |item| item.records[0].1.set(field, json!(value)));
    }
}

/// Whether a message is about copying.
pub fn is_media(waiting: &Waiting) -> bool {
    matches!(waiting.message.step, Step::Media { .. })
}

pub fn of(run: &ShownRun, resource: Resource, outcome: Outcome) -> u64 {
    run.counts.get(resource, outcome)
}

pub fn codes(run: &ShownRun) -> BTreeMap<&'static str, u64> {
    run.warnings.iter().map(|warning| (warning.code.as_str(), warning.count)).collect()
}
