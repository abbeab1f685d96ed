//! A store that pushes into a shop in memory, with everything that can go wrong on the way.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shared::app::access::Access;
use shared::app::audit::Actor;
use shared::app::error::AppError;
use shared::app::import::Disposition;
use shared::app::push::Pushes;
use shared::app::push::requests::{Mode, Submitted};
use shared::app::push::shown::Which;
use shared::domain::connection::{Connector, Installation, Method};
use shared::domain::ids::{InstallId, ProviderId, RunId, ShopId, StoreId};
use shared::domain::push::inputs::json_rows;
use shared::domain::push::ledger::{Outcome, ResultLine};
use shared::domain::push::run::{PushKind, PushRun, Safety};
use shared::domain::push::saved::SavedMapping;
use shared::domain::push::target::{Definitions, MatchBy, Stream};
use shared::domain::scopes::Scopes;
use shared::ports::connectors::ConnectorStore as _;
use shared::ports::destination::MappingStore as _;
use shared::ports::provider::{AppSecret, Connect as _, ShopProfile};
use shared::ports::time::{Clock as _, Random as _};
use shared::ports::vault::{StoredToken, TokenVault as _};
use shared::providers::shopify::Shopify;
use shared::testkit::clock::{ManualClock, SeededRandom};
use shared::testkit::connect_shop::FakeShop;
use shared::testkit::connect_store::FakeConnectors;
use shared::testkit::connect_vault::FakeVault;
use shared::testkit::destination::{FakeDestination, FakeMappings};
use shared::testkit::faults::Faults;
use shared::testkit::hooks::FakeHooks;
use shared::testkit::metrics::FakeMetrics;
use shared::testkit::push_store::FakePushStore;
use shared::testkit::push_writer::FakeWriter;

pub const PROVIDER: ProviderId = ProviderId::Shopify;
pub const SCOPES: &str =
    "write_products,write_customers,write_orders,write_inventory,read_inventory,read_locations,read_products";
/// How long a step may take.
const STEP: Duration = Duration::from_secs(720);

pub struct World {
    pub faults: Faults,
    pub clock: ManualClock,
    pub kept: FakePushStore,
    pub writer: FakeWriter,
    pub shop: Arc<FakeShop>,
    pub connectors: Arc<FakeConnectors>,
    pub mappings: Arc<FakeMappings>,
    pub app: Arc<Pushes>,
    pub store: StoreId,
    /// How long a step may take.
    pub step: Duration,
}

impl World {
    pub async fn new() -> Self {
        Self::with(SCOPES, |writer| writer).await
    }

    pub async fn with(scopes: &str, make: impl FnOnce(FakeWriter) -> FakeWriter) -> Self {
        let (faults, clock) = (Faults::default(), ManualClock::default());
        let secret = AppSecret { client_id: "app-1".to_owned(), current: "hush".into(), previous: None };
        let shop = Arc::new(FakeShop::new(Arc::new(Shopify::new()), faults.clone()));
        let connectors = Arc::new(FakeConnectors::new(faults.clone()));
        let vault = Arc::new(FakeVault::new(secret, faults.clone()));
        let mappings = Arc::new(FakeMappings::new(faults.clone()));
        let kept = FakePushStore::new(clock.clone(), faults.clone());
        let writer = make(FakeWriter::new(clock.clone(), faults.clone()));
        let mut definitions = Definitions::default();
        for (namespace, key, kind) in [
            ("sync", "external_id", "id"),
            ("sync", "order_ref", "id"),
            ("custom", "care_guide", "multi_line_text_field"),
            ("crm", "lifetime_value", "number_decimal"),
        ] {
            definitions.insert("", namespace, key, kind);
        }
        let app = Arc::new(Pushes {
            access: Access {
                connectors: connectors.clone(),
                history: connectors.clone(),
                vault: vault.clone(),
                connect: shop.clone(),
                hooks: Arc::new(FakeHooks::new(faults.clone())),
                clock: Arc::new(clock.clone()),
                metrics: Arc::new(FakeMetrics::default()),
            },
            destination: Arc::new(FakeDestination {
                front: Shopify::new(),
                definitions,
                places: ["Depot", "Shop"].map(str::to_owned).into(),
                shop: shop.clone(),
                faults: faults.clone(),
            }),
            writer: Arc::new(writer.clone()),
            mappings: mappings.clone(),
            runs: Arc::new(kept.clone()),
            inputs: Arc::new(kept.clone()),
            results: Arc::new(kept.clone()),
            states: Arc::new(kept.clone()),
            budgets: Arc::new(kept.clone()),
            queue: Arc::new(kept.clone()),
            clock: Arc::new(clock.clone()),
            random: Arc::new(SeededRandom::new(11)),
        });
        let store = StoreId::for_test("one").unwrap();
        let world = Self { faults, clock, kept, writer, shop, connectors, mappings, app, store, step: STEP };
        world.connect(&vault, scopes).await;
        for stream in [Stream::Products, Stream::Customers, Stream::Orders, Stream::InventoryLevels] {
            world.map(stream, 1, example(stream)).await;
        }
        world.faults.revive();
        world
    }

    /// What rows of a stream are about that they do not make: a mapping of variants, and the variants.
    pub async fn set_up(&self, stream: Stream, count: usize) {
        if stream != Stream::ProductVariants {
            return;
        }
        self.map(stream, 1, example(stream)).await;
        for number in 0..count {
            self.writer.put(stream, MatchBy::Sku, &format!("SKU-{number}"), json!({"price": "1.00"}));
        }
    }

    async fn connect(&self, vault: &FakeVault, scopes: &str) {
        let domain = Shopify::new().parse_shop("acme").unwrap();
        self.shop.open(ShopProfile {
            id: ShopId(1_001),
            name: "Acme".to_owned(),
            domain: domain.clone(),
            primary_domain: "www.acme.example".to_owned(),
            currency: "EUR".to_owned(),
            plan: "Basic".to_owned(),
            scopes: Scopes::parse(scopes),
        });
        let code = self.shop.approve(&domain);
        let secret = vault.app_secret(PROVIDER).await.unwrap();
        let grant = self.shop.exchange(&domain, &code, &secret).await.unwrap();
        let now = self.clock.now();
        let install = InstallId::new(SeededRandom::new(3).uuid(now));
        let token = StoredToken {
            access_token: grant.access_token,
            refresh_token: None,
            expires_at: None,
            refresh_expires_at: None,
            client: None,
            version: String::new(),
        };
        vault.create(&install, &token).await.unwrap();
        let mut connector = Connector::new(self.store.clone(), PROVIDER, now);
        let installation = Installation {
            id: install,
            method: Method::Oauth,
            shop: domain,
            shop_id: ShopId(1_001),
            shop_name: "Acme".to_owned(),
            primary_domain: "www.acme.example".to_owned(),
            currency: "EUR".to_owned(),
            plan: "Basic".to_owned(),
            scopes: Scopes::parse(scopes),
            connected_at: now,
        };
        connector.take_installation(installation, now);
        self.connectors.save(&mut connector).await.unwrap();
    }

    pub async fn map(&self, stream: Stream, revision: u32, document: Value) {
        let saved = SavedMapping {
            stream,
            revision,
            document: Some(document),
            saved_by: "user-1".to_owned(),
            saved_at: self.clock.now(),
        };
        self.mappings.add(&self.store, PROVIDER, &saved).await.unwrap();
    }

    pub fn actor(&self) -> Actor<'_> {
        Actor { store: &self.store, subject: "user-1", origin: None }
    }

    pub async fn submit(
        &self,
        kind: PushKind,
        stream: Stream,
        rows: Value,
        safety: Safety,
    ) -> Result<PushRun, AppError> {
        let rows = json_rows(rows).unwrap();
        let submitted = Submitted { stream, rows, safety, key: None };
        self.app.submit(self.actor(), PROVIDER, kind, submitted, Mode::Accept).await
    }

    /// Writes rows and carries the run out to its end.
    pub async fn write(&self, stream: Stream, rows: Value) -> PushRun {
        let run = self.submit(PushKind::Write, stream, rows, Safety::default()).await.unwrap();
        self.settle().await;
        self.run(&run.id)
    }

    pub async fn plan(&self, stream: Stream, rows: Value) -> PushRun {
        let run = self.submit(PushKind::Plan, stream, rows, Safety::default()).await.unwrap();
        self.settle().await;
        self.run(&run.id)
    }

    pub async fn apply(&self, plan: &RunId) -> PushRun {
        let run = self.app.apply(self.actor(), PROVIDER, plan, None, Mode::Accept).await.unwrap();
        self.settle().await;
        self.run(&run.id)
    }

    pub async fn replay(&self, of: &RunId) -> PushRun {
        let options = Default::default();
        let run = self.app.replay(self.actor(), PROVIDER, of, options, None, Mode::Accept).await.unwrap();
        self.settle().await;
        self.run(&run.id)
    }

    pub async fn undo(&self, of: &RunId) -> PushRun {
        let run = self.app.undo(self.actor(), PROVIDER, of, None, Mode::Accept).await.unwrap();
        self.settle().await;
        self.run(&run.id)
    }

    pub fn run(&self, id: &RunId) -> PushRun {
        self.kept.all_runs().into_iter().find(|run| run.id == *id).unwrap()
    }

    pub fn lines(&self, id: &RunId) -> Vec<ResultLine> {
        self.kept.lines_of(id)
    }

    /// The code of each line that has one, by the number of the row.
    pub fn codes(&self, id: &RunId) -> Vec<(u64, String)> {
        let mut codes: Vec<(u64, String)> = self
            .lines(id)
            .into_iter()
            .filter_map(|line| line.error.map(|error| (line.seq, error.code)))
            .collect();
        codes.sort();
        codes
    }

    /// Delivers messages until none is left. A process that dies is started again, and its message comes again.
    pub async fn settle(&self) {
        let mut receives = std::collections::HashMap::new();
        for _ in 0..5_000 {
            let Some(message) = self.kept.pop_or_wait() else {
                // Ids of runs sort by their time.
                self.clock.advance(Duration::from_secs(1));
                return;
            };
            let times = receives.entry(message.run.clone()).or_insert(0);
            *times += 1;
            let until = self.clock.now() + self.step;
            let work = self.app.handle_until(&message, *times, until);
            let ended = tokio::select! {
                biased;
                disposition = work => Some(disposition),
                () = self.struck() => None,
            };
            self.check_sums();
            match ended {
                Some(Disposition::Done) => *times = 0,
                Some(Disposition::Retry(error)) => {
                    let wait = error.retry_after().unwrap_or(Duration::from_secs(30));
                    self.kept.put_back(message, wait);
                }
                None => {
                    // A crash says nothing about the message.
                    *times = 0;
                    self.faults.restart();
                    self.kept.put_back(message, Duration::from_secs(30));
                }
            }
        }
        panic!("the messages have no end: {:?}", self.kept.all_runs());
    }

    /// Comes back when the process has died. Who stands still goes on after a while.
    pub async fn struck(&self) {
        while !self.faults.is_dead() {
            tokio::task::yield_now().await;
            if self.faults.frozen() > 0 {
                self.faults.thaw();
            }
        }
    }

    /// No run counts a row that no line tells of; a run that is over tells of every row it counts.
    pub fn check_sums(&self) {
        for run in self.kept.all_runs() {
            let lines = self.lines(&run.id);
            for outcome in Outcome::ALL {
                let told = lines.iter().filter(|line| line.outcome == Some(outcome)).count() as u64;
                let counted = run.tally.of(outcome);
                assert!(counted <= told, "{outcome:?}: {counted} counted, {told} told; {run:?}");
                assert!(!run.state.is_final() || counted == told, "{outcome:?}: {counted}, {told}; {run:?}");
            }
        }
    }

    /// The lines of a run, as a caller pages through them.
    pub async fn paged(&self, id: &RunId, which: Option<Which>) -> Vec<u64> {
        let (mut seen, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page =
                self.app.records(&self.store, PROVIDER, id, which, cursor.as_deref(), 7).await.unwrap();
            seen.extend(page.items.iter().map(|item| item.line.seq));
            cursor = page.next;
            if cursor.is_none() {
                return seen;
            }
        }
    }
}

/// What a run counts: created, updated, unchanged, skipped, failed, pending.
pub fn counts(run: &PushRun) -> [u64; 6] {
    let of = |outcome| run.tally.of(outcome);
    let [created, updated, unchanged, skipped, failed] = Outcome::ALL.map(of);
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

/// One row of a stream; the same number is the same record.
pub fn row(stream: Stream, number: usize) -> Value {
    match stream {
        Stream::ProductVariants => json!({
            "sku": format!("SKU-{number}"), "price": "12.50", "list_price": "15.00", "ean": "4006381333931",
        }),
        Stream::Products => json!({
            "product_id": format!("P-{number}"), "name": format!("Name {number}"), "body": "<p>b</p>",
            "tag_list": "new,old", "care": "wash", "size": "M", "color": "red",
            "sku": format!("SKU-{number}"), "price": "12.50",
        }),
        Stream::Customers => json!({
            "crm_id": format!("C-{number}"), "email": format!("person{number}@example.com"),
            "first": "Ada", "last": format!("L{number}"), "note": "hello", "tier": "Gold", "ltv": "17.5",
            "city": "Paris", "country": "FR",
        }),
        Stream::Orders => json!({
            "order_no": format!("O-{number}"), "placed_at": "2026-09-01T10:00:00Z", "currency": "EUR",
            "email": format!("person{number}@example.com"),
            "lines": [{"sku": "SKU-1", "qty": 2, "unit_price": "10.00"}],
            "payments": [{"amount": "20.00"}],
        }),
        Stream::InventoryLevels => json!({
            "sku": format!("SKU-{number}"), "warehouse": "Main", "qty": number + 1,
        }),
    }
}

/// The key of that row.
pub fn key(stream: Stream, number: usize) -> String {
    let letter = match stream {
        Stream::Customers => "C",
        Stream::Orders => "O",
        _ => "P",
    };
    format!("{letter}-{number}")
}

pub fn rows(stream: Stream, numbers: std::ops::Range<usize>) -> Value {
    numbers.map(|number| row(stream, number)).collect()
}

/// Items with nothing on stock, and the place they are at.
pub fn stock(world: &World, items: usize) {
    world.writer.place("Main", "gid://fake/Location/1");
    for number in 0..items {
        world.writer.stock(&format!("SKU-{number}"), true, &[("gid://fake/Location/1", 0)]);
    }
}
