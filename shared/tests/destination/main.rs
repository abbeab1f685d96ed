//! A store's shop as a destination, through the real handler, on fakes.

#![expect(clippy::unwrap_used, reason = "a test stops where the world is not as it set it up")]

mod keys;
mod multiwoven;
mod runs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use shared::app::access::Access;
use shared::app::push::Pushes;
use shared::domain::connection::{Connector, Installation, Method};
use shared::domain::ids::{InstallId, ProviderId, ShopId, StoreId};
use shared::domain::push::target::{Definitions, Stream};
use shared::domain::scopes::Scopes;
use shared::lambda::destination::{DestinationApp, destination};
use shared::lambda::http::{Edge, Response, handle};
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
use shared::testkit::faults::{Fault, Faults};
use shared::testkit::hooks::FakeHooks;
use shared::testkit::metrics::FakeMetrics;
use shared::testkit::push_store::FakePushStore;
use shared::testkit::push_writer::FakeWriter;

const PROVIDER: ProviderId = ProviderId::Shopify;
const BASE: &str = "/stores/{store_id}/connectors/{provider}/destination";
const WRITING: &str = "write_products,write_customers,write_orders,write_inventory,read_locations";

struct World {
    faults: Faults,
    clock: ManualClock,
    shop: Arc<FakeShop>,
    connectors: Arc<FakeConnectors>,
    vault: Arc<FakeVault>,
    mappings: Arc<FakeMappings>,
    kept: FakePushStore,
    writer: FakeWriter,
    random: Arc<SeededRandom>,
}

impl World {
    /// `one` is connected to a shop with these scopes, `other` to none.
    async fn new(scopes: &str) -> Self {
        let (faults, clock) = (Faults::default(), ManualClock::default());
        let app = AppSecret { client_id: "app-1".to_owned(), current: "hush".into(), previous: None };
        let world = Self {
            shop: Arc::new(FakeShop::new(Arc::new(Shopify::new()), faults.clone())),
            connectors: Arc::new(FakeConnectors::new(faults.clone())),
            vault: Arc::new(FakeVault::new(app, faults.clone())),
            mappings: Arc::new(FakeMappings::new(faults.clone())),
            kept: FakePushStore::new(clock.clone(), faults.clone()),
            writer: FakeWriter::new(clock.clone(), faults.clone()),
            random: Arc::new(SeededRandom::new(7)),
            clock,
            faults,
        };
        world.connect("one", scopes).await;
        world
    }

    async fn connect(&self, store: &str, scopes: &str) {
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
        let secret = self.vault.app_secret(PROVIDER).await.unwrap();
        let grant = self.shop.exchange(&domain, &code, &secret).await.unwrap();
        let now = self.clock.now();
        let install = InstallId::new(self.random.uuid(now));
        let token = StoredToken {
            access_token: grant.access_token,
            refresh_token: None,
            expires_at: None,
            refresh_expires_at: None,
            client: None,
            version: String::new(),
        };
        self.vault.create(&install, &token).await.unwrap();
        let mut connector = Connector::new(StoreId::for_test(store).unwrap(), PROVIDER, now);
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

    fn app(&self) -> Arc<DestinationApp> {
        let mut definitions = Definitions::default();
        definitions.insert("", "sync", "external_id", "id");
        definitions.insert("", "custom", "care_guide", "multi_line_text_field");
        let (clock, metrics) = (Arc::new(self.clock.clone()), Arc::new(FakeMetrics::default()));
        let access = Access {
            connectors: self.connectors.clone(),
            history: self.connectors.clone(),
            vault: self.vault.clone(),
            connect: self.shop.clone(),
            hooks: Arc::new(FakeHooks::new(self.faults.clone())),
            clock: clock.clone(),
            metrics,
        };
        let destination = Arc::new(FakeDestination {
            front: Shopify::new(),
            definitions,
            places: ["Depot", "Shop"].map(str::to_owned).into(),
            shop: self.shop.clone(),
            faults: self.faults.clone(),
        });
        let kept = Arc::new(self.kept.clone());
        let pushes = Pushes {
            access,
            destination,
            writer: Arc::new(self.writer.clone()),
            mappings: self.mappings.clone(),
            runs: kept.clone(),
            inputs: kept.clone(),
            results: kept.clone(),
            states: kept.clone(),
            budgets: kept.clone(),
            queue: kept,
            clock,
            random: self.random.clone(),
        };
        Arc::new(DestinationApp::new(Arc::new(self.kept.clone()), pushes))
    }

    async fn ask(
        &self,
        store: &str,
        method: &str,
        route: &str,
        stream: &str,
        body: Option<Value>,
    ) -> Response {
        let event = json!({
            "version": "2.0", "routeKey": format!("{method} {BASE}{route}"), "rawPath": "/", "rawQueryString": "",
            "headers": {"content-type": "application/json"},
            "pathParameters": {"store_id": store, "provider": "shopify", "stream": stream},
            "requestContext": {
                "routeKey": format!("{method} {BASE}{route}"), "requestId": "req-1", "stage": "$default",
                "http": {"method": method, "path": "/", "sourceIp": "203.0.113.9"},
                "authorizer": {"jwt": {"claims": {"store_id": store, "sub": "user-1"}, "scopes": null}}
            },
            "body": body.map(|body| body.to_string()), "isBase64Encoded": false
        });
        self.feed(event).await
    }

    async fn feed(&self, event: Value) -> Response {
        let edge = Edge {
            store_claim: "store_id".to_owned(),
            clock: Arc::new(self.clock.clone()),
            metrics: Arc::new(FakeMetrics::default()),
        };
        handle(&edge, LambdaEvent::new(event, Context::default()), |call| destination(self.app(), call)).await
    }

    async fn save(&self, document: &Value, after: Option<u32>) -> Response {
        let body = json!({"document": document, "after": after});
        self.ask("one", "POST", "/mappings/{stream}", "products", Some(body)).await
    }
}

fn body(response: &Response) -> Value {
    serde_json::from_str(&response.body).unwrap()
}

fn example() -> Value {
    serde_json::from_str(include_str!("../../../docs/examples/mappings/products.json")).unwrap()
}

#[tokio::test]
async fn a_check_names_what_each_stream_lacks() {
    let world = World::new("read_products,write_inventory,read_locations").await;
    let answer = world.ask("one", "POST", "/check", "", None).await;
    assert_eq!(answer.status_code, 200, "{}", answer.body);
    let check = body(&answer);
    assert_eq!(
        (&check["ok"], &check["shop"]["plan"], &check["api_version"]),
        (&json!(false), &json!("Basic"), &json!("2026-07"))
    );
    let missing = |stream: &str| {
        let streams = check["streams"].as_array().unwrap();
        let found = streams.iter().find(|each| each["stream"] == stream).unwrap();
        (found["ready"].clone(), found["missing_scopes"].clone())
    };
    assert_eq!(missing("inventory_levels"), (json!(true), json!([])));
    assert_eq!(missing("products"), (json!(false), json!(["write_products"])));
    assert_eq!(missing("orders"), (json!(false), json!(["write_orders"])));
    assert_eq!((&check["points_spent"], &check["bucket"]["restored_a_second"]), (&json!(3), &json!(2)));
    let orders = check["streams"].as_array().unwrap().iter().find(|each| each["stream"] == "orders").unwrap();
    let sending = orders["opt_ins"].as_array().unwrap().iter().find(|one| one["name"] == "allowFulfilled");
    assert_eq!(sending.unwrap()["missing_scopes"], json!(["write_merchant_managed_fulfillment_orders"]));

    let world = World::new(WRITING).await;
    assert_eq!(body(&world.ask("one", "POST", "/check", "", None).await)["ok"], true);
    let stranger = world.ask("other", "POST", "/check", "", None).await;
    assert_eq!((stranger.status_code, body(&stranger)["code"].clone()), (409, json!("not_connected")));
}

#[tokio::test]
async fn what_can_be_filled_is_told_with_the_shops_own_metafields() {
    let world = World::new("write_products").await;
    let streams = body(&world.ask("one", "POST", "/discover", "", None).await)["streams"].clone();
    let names: Vec<&str> =
        streams.as_array().unwrap().iter().map(|each| each["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["products", "product_variants"], "the others need scopes that were not granted");
    let schema = &streams[0]["json_schema"];
    assert_eq!(schema["required"], json!(["title"]));
    assert_eq!(schema["properties"]["status"]["enum"], json!(["ACTIVE", "ARCHIVED", "DRAFT", "UNLISTED"]));
    assert_eq!(
        schema["properties"]["metafields.custom.care_guide"]["metafield_type"],
        "multi_line_text_field"
    );
    assert_eq!(schema["properties"]["variants"]["items"]["required"], json!(["optionValues"]));

    let world = World::new(WRITING).await;
    let streams = body(&world.ask("one", "POST", "/discover", "", None).await)["streams"].clone();
    let levels = streams.as_array().unwrap().iter().find(|each| each["name"] == "inventory_levels").unwrap();
    assert_eq!(levels["json_schema"]["properties"]["location"]["enum"], json!(["Depot", "Shop"]));
}

#[tokio::test]
async fn a_mapping_is_saved_shown_followed_and_taken_away() {
    let world = World::new(WRITING).await;
    let first = world.save(&example(), Some(0)).await;
    assert_eq!(first.status_code, 200, "{}", first.body);
    assert_eq!(body(&first)["revision"], 1);
    assert_eq!(body(&world.save(&example(), None).await)["revision"], 1, "the same again is the same");
    let mut changed = example();
    changed["lists"]["tags"] = json!("replace");
    let late = world.save(&changed, Some(0)).await;
    assert_eq!((late.status_code, body(&late)["code"].clone()), (409, json!("changed_meanwhile")));
    assert_eq!(body(&world.save(&changed, Some(1)).await)["revision"], 2);

    let listed = body(&world.ask("one", "GET", "/mappings", "", None).await);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["items"][0]["document"], changed);
    assert_eq!(body(&world.ask("other", "GET", "/mappings", "", None).await)["items"], json!([]));

    let gone = world.ask("one", "DELETE", "/mappings/{stream}", "products", None).await;
    assert_eq!((gone.status_code, body(&gone)["revision"].clone()), (200, json!(3)));
    assert_eq!(world.ask("one", "DELETE", "/mappings/{stream}", "products", None).await.status_code, 404);
    assert_eq!(body(&world.ask("one", "GET", "/mappings", "", None).await)["items"], json!([]));
    assert_eq!(body(&world.save(&example(), Some(3)).await)["revision"], 4, "numbers are never used again");
}

#[tokio::test]
async fn a_mapping_with_problems_is_refused_with_all_of_them() {
    let world = World::new(WRITING).await;
    let mut document = example();
    document["fields"][0]["to"] = json!("titel");
    document["match"]["key"] = json!("sync.unknown");
    let refused = world.save(&document, None).await;
    assert_eq!(refused.status_code, 400);
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    let refused = body(&refused);
    assert_eq!(refused["code"], "invalid_mapping");
    let told = |answer: &Value| -> BTreeSet<(String, String)> {
        let problems = answer["problems"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        problems.iter().map(|problem| (text(&problem["path"]), text(&problem["code"]))).collect()
    };
    let expected = [
        ("/fields/0/to", "UNKNOWN_FIELD"),
        ("/fields", "REQUIRED_MISSING"),
        ("/match/key", "DEFINITION_MISSING"),
    ];
    let expected: BTreeSet<_> = expected.map(|(path, code)| (path.to_owned(), code.to_owned())).into();
    assert_eq!(told(&refused), expected);
    let validate = json!({"document": document});
    let looked = world.ask("one", "POST", "/mappings/{stream}/validate", "products", Some(validate)).await;
    assert_eq!((looked.status_code, body(&looked)["valid"].clone()), (200, json!(false)));
    assert_eq!(told(&body(&looked)), expected);
    let store = StoreId::for_test("one").unwrap();
    assert_eq!(world.mappings.newest(&store, PROVIDER, Stream::Products).await.unwrap(), None);

    let body_ = json!({"document": example(), "columns": ["product_id"]});
    let looked =
        body(&world.ask("one", "POST", "/mappings/{stream}/validate", "products", Some(body_)).await);
    assert!(told(&looked).contains(&("/fields/0/from".to_owned(), "UNKNOWN_FIELD".to_owned())), "{looked}");
    let other = json!({"document": example()});
    let looked =
        body(&world.ask("one", "POST", "/mappings/{stream}/validate", "customers", Some(other)).await);
    assert_eq!(told(&looked), BTreeSet::from([("/stream".to_owned(), "MAPPING_MALFORMED".to_owned())]));
}

#[tokio::test]
async fn what_is_no_stream_is_not_found_and_what_is_no_body_is_refused() {
    let world = World::new(WRITING).await;
    let document = Some(json!({"document": {}}));
    let unknown = world.ask("one", "POST", "/mappings/{stream}", "gift_cards", document).await;
    assert_eq!(unknown.status_code, 404);
    for wrong in
        [json!({}), json!({"document": {}, "store_id": "other"}), json!({"document": {}, "after": -1})]
    {
        let refused = world.ask("one", "POST", "/mappings/{stream}", "products", Some(wrong)).await;
        assert_eq!((refused.status_code, body(&refused)["code"].clone()), (400, json!("invalid_body")));
    }
}

#[tokio::test]
async fn a_mapping_is_saved_once_whichever_call_is_lost() {
    let calls = {
        let world = World::new(WRITING).await;
        let before = world.faults.calls().len();
        world.save(&example(), None).await;
        before..world.faults.calls().len()
    };
    assert!(calls.len() >= 3, "{calls:?}");
    for call in calls {
        for fault in [Fault::FailBefore, Fault::FailAfter, Fault::Throttle] {
            let world = World::new(WRITING).await;
            world.faults.at(call, fault);
            world.save(&example(), None).await;
            let again = world.save(&example(), None).await;
            assert_eq!(
                (again.status_code, body(&again)["revision"].clone()),
                (200, json!(1)),
                "{call} {fault:?}"
            );
        }
    }
}

/// The events of a function, by name.
fn events(function: &str) -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events").join(function);
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let read = |path: &Path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    files.map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), read(&path))).collect()
}

/// Every event of `events/destination`, in a world where `one` is connected and `other` is not. Those about a run find a
/// plan, a write of which a row failed, and one that was accepted.
#[tokio::test]
async fn every_event_is_answered_as_its_name_says() {
    let (mut answers, mut named) = (BTreeMap::new(), BTreeSet::new());
    for (name, event) in events("destination") {
        let (world, text) = (World::new(WRITING).await, event.to_string());
        let about_rows = ["/destination/plan", "/destination/write", "/destination/runs"];
        if about_rows.iter().any(|route| text.contains(route)) {
            world.save(&example(), None).await;
            let plan = runs::id(&world.send("/plan/{stream}", "", &runs::rows(0..2)).await);
            let wrote = runs::id(&world.send("/write/{stream}", "", &json!([runs::row(7), {}])).await);
            let kept = runs::id(&world.send("/write/{stream}", "mode=accept", &runs::rows(1..2)).await);
            named.extend([plan, wrote, kept].into_iter().filter(|run| text.contains(run)));
        }
        if text.contains("/destinations/") || text.contains("/destination/keys") {
            world.save(&example(), None).await;
            world.known_key().await;
        }
        let (runs_before, sent_before) = (world.kept.all_runs(), world.kept.waiting());
        let response = world.feed(event).await;
        let good = name.starts_with("good_");
        assert_eq!((200..300).contains(&response.status_code), good, "{name}: {}", response.body);
        assert!(response.status_code < 500, "{name}: {}", response.body);
        let same = (runs_before, sent_before) == (world.kept.all_runs(), world.kept.waiting());
        assert!(good || same, "{name} changed something");
        let code = if good { "-".to_owned() } else { body(&response)["code"].as_str().unwrap().to_owned() };
        answers.insert(name, format!("{} {code}", response.status_code));
    }
    assert_eq!(named.len(), 3, "the events name a plan, a write and what was accepted");
    insta::assert_debug_snapshot!(answers);
}
