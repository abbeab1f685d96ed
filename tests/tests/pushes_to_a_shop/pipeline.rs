//! A store connected to a shop of the simulator, with the pipeline that pushes rows into it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::{Client, Proxy};
use serde_json::{Value, json};
use shared::app::access::Access;
use shared::app::audit::Actor;
use shared::app::destination::{DestinationCheck, Destinations, Discovered, Proposed, ShownMapping};
use shared::app::import::Disposition;
use shared::app::push::Pushes;
use shared::app::push::requests::{Mode, Submitted};
use shared::domain::connection::{Connector, Installation, Method};
use shared::domain::ids::{InstallId, ProviderId, RunId, ShopId, StoreId};
use shared::domain::push::change::Image;
use shared::domain::push::inputs::json_rows;
use shared::domain::push::ledger::{Outcome, ResultLine};
use shared::domain::push::run::{PushKind, PushRun, Safety};
use shared::domain::push::saved::SavedMapping;
use shared::domain::push::target::Stream;
use shared::domain::scopes::Scopes;
use shared::ports::connectors::ConnectorStore as _;
use shared::ports::destination::MappingStore as _;
use shared::ports::provider::AppSecret;
use shared::ports::time::{Clock, Random as _};
use shared::ports::vault::{StoredToken, TokenVault as _};
use shared::providers::shopify::Shopify;
use shared::testkit::clock::{ManualClock, SeededRandom};
use shared::testkit::connect_store::FakeConnectors;
use shared::testkit::connect_vault::FakeVault;
use shared::testkit::destination::FakeMappings;
use shared::testkit::faults::Faults;
use shared::testkit::hooks::FakeHooks;
use shared::testkit::metrics::FakeMetrics;
use shared::testkit::push_store::FakePushStore;
use shopify_simulator::server::Simulator;

use crate::world::World;

const PROVIDER: ProviderId = ProviderId::Shopify;
const SCOPES: &str = "write_products,read_products,write_inventory,read_inventory,read_locations,write_customers,\
                      read_customers,write_orders,read_orders";
/// How long a step may take.
const STEP: Duration = Duration::from_secs(720);

/// A clock that the shop's time follows, so that what is waited for comes in.
#[derive(Clone)]
struct BothClocks {
    ours: ManualClock,
    begun: Timestamp,
    shops: Arc<Simulator>,
    followed: Arc<AtomicI64>,
}

impl BothClocks {
    fn follow(&self) {
        let passed = self.ours.now().duration_since(self.begun).as_secs();
        let before = self.followed.fetch_max(passed, Ordering::Relaxed);
        if passed > before {
            self.shops.clock.advance(passed - before);
        }
    }
}

#[async_trait]
impl Clock for BothClocks {
    fn now(&self) -> Timestamp {
        self.ours.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.ours.sleep(duration).await;
        self.follow();
    }
}

pub struct Store {
    pub world: World,
    pub clock: ManualClock,
    pub kept: FakePushStore,
    both: BothClocks,
    mappings: Arc<FakeMappings>,
    app: Pushes,
    destinations: Destinations,
    id: StoreId,
}

impl Store {
    /// A store connected to an empty shop that has the definitions of the example mappings, and those mappings.
    pub async fn new() -> Self {
        Self::of("empty").await
    }

    /// The same with the shop of a seed.
    pub async fn of(seed: &str) -> Self {
        let world = World::with(seed).await;
        let (faults, clock) = (Faults::default(), ManualClock::default());
        let both = BothClocks {
            ours: clock.clone(),
            begun: clock.now(),
            shops: world.running.simulator.clone(),
            followed: Arc::default(),
        };
        let ca = std::fs::read(&world.running.addresses.ca).unwrap();
        let client = Client::builder()
            .proxy(Proxy::https(&world.running.addresses.proxy).unwrap())
            .tls_certs_only([reqwest::Certificate::from_pem(&ca).unwrap()])
            .build()
            .unwrap();
        let shopify = Arc::new(Shopify::over(client));
        let secret = AppSecret { client_id: "app".to_owned(), current: "hush".into(), previous: None };
        let connectors = Arc::new(FakeConnectors::new(faults.clone()));
        let vault = Arc::new(FakeVault::new(secret, faults.clone()));
        let mappings = Arc::new(FakeMappings::new(faults.clone()));
        let kept = FakePushStore::new(clock.clone(), faults.clone());
        let app = Pushes {
            access: Access {
                connectors: connectors.clone(),
                history: connectors.clone(),
                vault: vault.clone(),
                connect: shopify.clone(),
                hooks: Arc::new(FakeHooks::new(faults)),
                clock: Arc::new(both.clone()),
                metrics: Arc::new(FakeMetrics::default()),
            },
            destination: shopify.clone(),
            writer: shopify,
            mappings: mappings.clone(),
            runs: Arc::new(kept.clone()),
            inputs: Arc::new(kept.clone()),
            results: Arc::new(kept.clone()),
            states: Arc::new(kept.clone()),
            budgets: Arc::new(kept.clone()),
            queue: Arc::new(kept.clone()),
            clock: Arc::new(both.clone()),
            random: Arc::new(SeededRandom::new(11)),
        };
        let id = StoreId::for_test("one").unwrap();
        let destinations = Destinations {
            access: app.access.clone(),
            destination: app.destination.clone(),
            mappings: mappings.clone(),
        };
        let store = Self { destinations, world, clock, kept, both, mappings, app, id };
        store.connect(&connectors, &vault).await;
        for (owner, namespace, key, kind) in [
            ("PRODUCT", "sync", "external_id", "id"),
            ("CUSTOMER", "sync", "external_id", "id"),
            ("ORDER", "sync", "order_ref", "id"),
            ("PRODUCT", "custom", "care_guide", "multi_line_text_field"),
            ("CUSTOMER", "crm", "lifetime_value", "number_decimal"),
        ] {
            store.define(owner, namespace, key, kind).await;
        }
        for stream in [
            Stream::Products,
            Stream::ProductVariants,
            Stream::Customers,
            Stream::Orders,
            Stream::InventoryLevels,
        ] {
            store.map(stream, 1, example(stream)).await;
        }
        store
    }

    async fn connect(&self, connectors: &FakeConnectors, vault: &FakeVault) {
        let now = self.clock.now();
        let install = InstallId::new(SeededRandom::new(3).uuid(now));
        let token = StoredToken {
            access_token: self.world.access.token.clone(),
            refresh_token: None,
            expires_at: None,
            refresh_expires_at: None,
            client: None,
            version: String::new(),
        };
        vault.create(&install, &token).await.unwrap();
        let mut connector = Connector::new(self.id.clone(), PROVIDER, now);
        let installation = Installation {
            id: install,
            method: Method::Oauth,
            shop: self.world.access.shop.clone(),
            shop_id: ShopId(1_001),
            shop_name: "Demo".to_owned(),
            primary_domain: "demo.example".to_owned(),
            currency: "EUR".to_owned(),
            plan: "Plus".to_owned(),
            scopes: Scopes::parse(SCOPES),
            connected_at: now,
        };
        connector.take_installation(installation, now);
        connectors.save(&mut connector).await.unwrap();
    }

    pub async fn define(&self, owner: &str, namespace: &str, key: &str, kind: &str) {
        let mutation = "mutation($definition: MetafieldDefinitionInput!) {
            metafieldDefinitionCreate(definition: $definition) {
                createdDefinition { id } userErrors { message } } }";
        let definition =
            json!({"name": key, "namespace": namespace, "key": key, "type": kind, "ownerType": owner});
        let made = self.world.query(mutation, json!({ "definition": definition })).await;
        assert_eq!(made["data"]["metafieldDefinitionCreate"]["userErrors"], json!([]), "{made}");
    }

    pub async fn map(&self, stream: Stream, revision: u32, document: Value) {
        let saved = SavedMapping {
            stream,
            revision,
            document: Some(document),
            saved_by: "user-1".to_owned(),
            saved_at: self.clock.now(),
        };
        self.mappings.add(&self.id, PROVIDER, &saved).await.unwrap();
    }

    /// What can be filled.
    pub async fn discover(&self) -> Discovered {
        self.destinations.discover(&self.id, PROVIDER).await.unwrap()
    }

    /// What the shop says of itself.
    pub async fn check(&self) -> DestinationCheck {
        self.destinations.check(&self.id, PROVIDER).await.unwrap()
    }

    /// Saves a mapping as a merchant does, after it was found to be right.
    pub async fn save(&self, stream: Stream, document: &Value) -> ShownMapping {
        let proposed = Proposed { stream, document, columns: None };
        self.destinations.save(self.actor(), PROVIDER, proposed, None).await.unwrap()
    }

    /// Connects again, with this token.
    pub async fn reconnect(&self, token: &str) {
        let Access { connectors, vault, .. } = &self.app.access;
        let mut connector = connectors.load(&self.id, PROVIDER).await.unwrap().unwrap();
        let installation = connector.installation.clone().unwrap();
        let kept = vault.current(&installation.id).await.unwrap().unwrap();
        let next = StoredToken { access_token: token.into(), ..kept.clone() };
        vault.replace(&installation.id, &kept.version, &next).await.unwrap();
        connector.take_installation(installation, self.clock.now());
        connectors.save(&mut connector).await.unwrap();
    }

    fn actor(&self) -> Actor<'_> {
        Actor { store: &self.id, subject: "user-1", origin: None }
    }

    async fn submit(&self, kind: PushKind, stream: Stream, rows: &Value) -> PushRun {
        let rows = json_rows(rows.clone()).unwrap();
        let safety = Safety { stop_after_failed_percent: 100, ..Safety::default() };
        let submitted = Submitted { stream, rows, safety, key: None };
        let run = self.app.submit(self.actor(), PROVIDER, kind, submitted, Mode::Accept).await.unwrap();
        self.settle(&run.id).await
    }

    /// Writes rows and carries the run out to its end.
    pub async fn write(&self, stream: Stream, rows: &Value) -> PushRun {
        self.submit(PushKind::Write, stream, rows).await
    }

    pub async fn plan(&self, stream: Stream, rows: &Value) -> PushRun {
        self.submit(PushKind::Plan, stream, rows).await
    }

    pub async fn apply(&self, plan: &PushRun) -> PushRun {
        let run = self.app.apply(self.actor(), PROVIDER, &plan.id, None, Mode::Accept).await.unwrap();
        self.settle(&run.id).await
    }

    pub async fn replay(&self, of: &PushRun) -> PushRun {
        let options = Default::default();
        let run = self.app.replay(self.actor(), PROVIDER, &of.id, options, None, Mode::Accept).await.unwrap();
        self.settle(&run.id).await
    }

    pub async fn undo(&self, of: &PushRun) -> PushRun {
        let run = self.app.undo(self.actor(), PROVIDER, &of.id, None, Mode::Accept).await.unwrap();
        self.settle(&run.id).await
    }

    /// Receives messages until there are none.
    async fn settle(&self, id: &RunId) -> PushRun {
        let mut receives = HashMap::new();
        for _ in 0..2_000 {
            let Some(message) = self.kept.pop_or_wait() else {
                // Ids of runs sort by their time.
                self.clock.advance(Duration::from_secs(1));
                self.both.follow();
                return self.kept.all_runs().into_iter().find(|run| run.id == *id).unwrap();
            };
            self.both.follow();
            let times = receives.entry(message.run.clone()).or_insert(0);
            *times += 1;
            let until = self.clock.now() + STEP;
            match self.app.handle_until(&message, *times, until).await {
                Disposition::Done => *times = 0,
                Disposition::Retry(error) => {
                    let wait = error.retry_after().unwrap_or(Duration::from_secs(30));
                    self.kept.put_back(message, wait);
                }
            }
        }
        panic!("the messages have no end: {:?}", self.kept.all_runs());
    }

    pub fn lines(&self, run: &PushRun) -> Vec<ResultLine> {
        self.kept.lines_of(&run.id)
    }

    /// What each row changes, or would.
    pub fn images(&self, run: &PushRun) -> Vec<Image> {
        self.kept.images_of(&run.id)
    }

    /// What went wrong, by the number of the row.
    pub fn codes(&self, run: &PushRun) -> BTreeMap<u64, String> {
        let lines = self.lines(run).into_iter();
        lines.filter_map(|line| line.error.map(|error| (line.seq, error.code))).collect()
    }
}

/// What a run counts: created, updated, unchanged, skipped, failed, pending.
pub fn counts(run: &PushRun) -> [u64; 6] {
    let [created, updated, unchanged, skipped, failed] = Outcome::ALL.map(|outcome| run.tally.of(outcome));
    [created, updated, unchanged, skipped, failed, run.tally.pending()]
}

pub fn example(stream: Stream) -> Value {
    let text = match stream {
        Stream::Products => include_str!("../../../docs/examples/mappings/products.json"),
        Stream::ProductVariants => include_str!("../../../docs/examples/mappings/product_variants.json"),
        Stream::Customers => include_str!("../../../docs/examples/mappings/customers.json"),
        Stream::Orders => include_str!("../../../docs/examples/mappings/orders.json"),
        Stream::InventoryLevels => include_str!("../../../docs/examples/mappings/inventory_levels.json"),
    };
    serde_json::from_str(text).unwrap()
}
