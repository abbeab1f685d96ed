//! Everything that connecting needs, on fakes, with real checks of names and signatures; and browsers with cookie
//! jars that speak to the real handlers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use sha2::Sha256;
use shared::app::access::Access;
use shared::app::complete_oauth::CompleteOauth;
use shared::app::configure::Configure;
use shared::app::disconnect::Disconnect;
use shared::app::status::{Needs, Status};
use shared::app::sweep::Sweep;
use shared::app::webhooks::ReceiveWebhook;
use shared::domain::connection::Connector;
use shared::domain::ids::{ProviderId, ShopDomain, ShopId, StoreId};
use shared::domain::run::Wanted;
use shared::domain::scopes::Scopes;
use shared::lambda::connectors::{self, Callback};
use shared::lambda::http::{Edge, Response, handle};
use shared::lambda::sweeper::sweeper;
use shared::lambda::webhooks;
use shared::ports::provider::{AppSecret, Connect as _, ShopProfile};
use shared::ports::time::Clock as _;
use shared::providers::shopify::Shopify;
use shared::testkit::canaries;
use shared::testkit::clock::{ManualClock, SeededRandom};
use shared::testkit::connect_shop::FakeShop;
use shared::testkit::connect_store::FakeConnectors;
use shared::testkit::connect_vault::FakeVault;
use shared::testkit::faults::Faults;
use shared::testkit::hooks::{FakeHooks, FakePersonal, FakeWebhookQueue};
use shared::testkit::metrics::FakeMetrics;
use shared::testkit::push_store::FakePushStore;
use shared::testkit::queue::FakeQueue;
use shared::testkit::runs::FakeRuns;
use url::Url;

pub const PROVIDER: ProviderId = ProviderId::Shopify;
pub const SECRET: &str = "hush-hush-app-secret";
pub const SCOPES: &str = "read_products,read_inventory,read_locations";

pub struct World {
    pub faults: Faults,
    pub clock: ManualClock,
    pub connectors: Arc<FakeConnectors>,
    pub vault: Arc<FakeVault>,
    pub shop: Arc<FakeShop>,
    pub runs: FakeRuns,
    pub queue: FakeQueue,
    pub metrics: FakeMetrics,
    pub hooks: Arc<FakeHooks>,
    pub webhook_queue: Arc<FakeWebhookQueue>,
    pub steps: FakeQueue,
    pub personal: Arc<FakePersonal>,
    pub pushes: FakePushStore,
    pub random: Arc<SeededRandom>,
}

/// A browser: it keeps the cookies that it was sent.
#[derive(Default, Clone)]
pub struct Browser(pub BTreeMap<String, String>);

impl Browser {
    pub fn keep(&mut self, response: &Response) {
        for cookie in &response.cookies {
            let (pair, rest) = cookie.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if rest.contains("Max-Age=0") {
                self.0.remove(name);
            } else {
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    fn cookies(&self) -> Vec<String> {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }
}

pub fn store(text: &str) -> StoreId {
    StoreId::for_test(text).unwrap()
}

pub fn domain(label: &str) -> ShopDomain {
    Shopify::new().parse_shop(label).unwrap()
}

pub fn sign(query: &str) -> String {
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.sort_unstable();
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let mac = mac.chain_update(pairs.join("&").as_bytes()).finalize().into_bytes();
    let hmac = hex::encode(mac);
    canaries::secret("signature", &hmac);
    format!("{query}&hmac={hmac}")
}

pub fn body(response: &Response) -> Value {
    serde_json::from_str(&response.body).unwrap()
}

pub fn code(response: &Response) -> String {
    body(response)["code"].as_str().unwrap().to_owned()
}

pub fn profile(label: &str, id: u64, scopes: &str) -> ShopProfile {
    ShopProfile {
        id: ShopId(id),
        name: format!("The {label} shop"),
        domain: domain(label),
        primary_domain: format!("www.{label}.example"),
        currency: "EUR".to_owned(),
        plan: "Basic".to_owned(),
        scopes: Scopes::parse(scopes),
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(|shop| shop)
    }

    pub fn with(adjust: impl FnOnce(FakeShop) -> FakeShop) -> Self {
        let (faults, clock) = (Faults::default(), ManualClock::default());
        // The longest test makes some thousands.
        faults.at_most(200_000);
        let app = AppSecret { client_id: "app-1".to_owned(), current: SECRET.into(), previous: None };
        let shop = adjust(FakeShop::new(Arc::new(Shopify::new()), faults.clone()));
        shop.open(profile("acme", 1_001, SCOPES));
        shop.open(profile("beta", 1_002, SCOPES));
        let pushes = FakePushStore::new(clock.clone(), faults.clone());
        Self {
            clock: clock.clone(),
            steps: FakeQueue::new(clock.clone(), faults.clone()),
            personal: Arc::new(FakePersonal::beside(pushes.clone(), faults.clone())),
            pushes,
            metrics: FakeMetrics::new(clock.clone()),
            connectors: Arc::new(FakeConnectors::new(faults.clone())),
            vault: Arc::new(FakeVault::new(app, faults.clone())),
            shop: Arc::new(shop),
            runs: FakeRuns::new(faults.clone()),
            hooks: Arc::new(FakeHooks::new(faults.clone())),
            webhook_queue: Arc::new(FakeWebhookQueue::new(faults.clone())),
            queue: FakeQueue::new(clock.clone(), faults.clone()),
            random: Arc::new(SeededRandom::new(7)),
            faults,
        }
    }

    pub fn access(&self) -> Access {
        Access {
            connectors: self.connectors.clone(),
            history: self.connectors.clone(),
            vault: self.vault.clone(),
            connect: self.shop.clone(),
            hooks: self.hooks.clone(),
            clock: Arc::new(self.clock.clone()),
            metrics: Arc::new(self.metrics.clone()),
        }
    }

    pub fn edge(&self) -> Edge {
        Edge {
            store_claim: "store_id".to_owned(),
            clock: Arc::new(self.clock.clone()),
            metrics: Arc::new(self.metrics.clone()),
        }
    }

    pub fn configure(&self) -> Arc<Configure> {
        Arc::new(Configure {
            access: self.access(),
            random: self.random.clone(),
            public_base_url: Url::parse("https://api.eshop.example").unwrap(),
            client_id: "app-1".to_owned(),
        })
    }

    pub fn callback(&self) -> Arc<Callback> {
        Arc::new(Callback {
            app: CompleteOauth {
                access: self.access(),
                random: self.random.clone(),
                webhooks: self.webhook_queue.clone(),
            },
            return_origin: Url::parse("https://workspace.eshop.example").unwrap(),
        })
    }

    pub fn status(&self) -> Arc<Status> {
        let products = Scopes::parse("read_products");
        let needs = Needs {
            requested: Scopes::parse(SCOPES),
            by_resource: Wanted::ALL
                .into_iter()
                .map(|wanted| match wanted {
                    Wanted::Warehouses => (wanted, Scopes::parse("read_locations")),
                    Wanted::Stock => (wanted, Scopes::parse(SCOPES)),
                    _ => (wanted, products.clone()),
                })
                .collect(),
        };
        Arc::new(Status {
            connectors: self.connectors.clone(),
            history: self.connectors.clone(),
            runs: Arc::new(self.runs.clone()),
            hooks: self.hooks.clone(),
            clock: Arc::new(self.clock.clone()),
            needs,
        })
    }

    pub fn disconnect(&self) -> Arc<Disconnect> {
        Arc::new(Disconnect { access: self.access(), runs: Arc::new(self.runs.clone()) })
    }

    pub fn receive(&self) -> Arc<ReceiveWebhook> {
        Arc::new(ReceiveWebhook {
            vault: self.vault.clone(),
            hooks: self.hooks.clone(),
            queue: self.webhook_queue.clone(),
            webhooks: self.shop.clone(),
            clock: Arc::new(self.clock.clone()),
        })
    }

    /// One sweep, through the real handler, with all the time it wants.
    pub async fn sweep(&self) -> Value {
        self.tick(json!({"sweep": 1})).await
    }

    /// Feeds an event to the sweeper.
    pub async fn tick(&self, event: Value) -> Value {
        let (runs, queue) = (Arc::new(self.runs.clone()), Arc::new(self.queue.clone()));
        let webhooks = self.webhook_queue.clone();
        let sweep = Sweep { access: self.access(), runs, queue, webhooks };
        let mut context = Context::default();
        context.deadline = u64::try_from(self.clock.now().as_millisecond()).unwrap() + 120_000;
        sweeper(Arc::new(sweep), LambdaEvent::new(event, context)).await.unwrap()
    }

    /// Asks to connect by credentials.
    pub async fn hand_over(&self, store: &str, body: Value) -> Response {
        let mut event = protected("POST /stores/{store_id}/connectors/{provider}/configure", store);
        event["headers"]["content-type"] = json!("application/json");
        event["body"] = json!(body.to_string());
        self.send(event).await
    }

    /// Feeds an event to the function that its route belongs to.
    pub async fn send(&self, event: Value) -> Response {
        let route = event["requestContext"]["routeKey"].as_str().unwrap_or_default();
        let function = match route {
            _ if route.ends_with("/configure") => "configure",
            _ if route.ends_with("/callback") => "oauth-callback",
            _ if route.starts_with("DELETE ") => "disconnect",
            _ if route.starts_with("POST /webhooks/") => "webhooks",
            _ => "status",
        };
        self.send_to(function, event).await
    }

    /// Feeds an event to a function.
    pub async fn send_to(&self, function: &str, event: Value) -> Response {
        let (edge, event) = (self.edge(), LambdaEvent::new(event, Context::default()));
        match function {
            "configure" => handle(&edge, event, |call| connectors::configure(self.configure(), call)).await,
            "oauth-callback" => {
                handle(&edge, event, |call| connectors::oauth_callback(self.callback(), call)).await
            }
            "webhooks" => handle(&edge, event, |call| webhooks::webhooks(self.receive(), call)).await,
            "disconnect" => {
                handle(&edge, event, |call| connectors::disconnect(self.disconnect(), call)).await
            }
            _ => handle(&edge, event, |call| connectors::status(self.status(), call)).await,
        }
    }

    pub async fn begin(&self, store: &str, shop: &str, browser: &mut Browser) -> Response {
        let mut event = protected("POST /stores/{store_id}/connectors/{provider}/configure", store);
        event["headers"]["content-type"] = json!("application/json");
        event["body"] = json!(json!({"shop": shop, "method": "oauth"}).to_string());
        let response = self.send(event).await;
        browser.keep(&response);
        response
    }

    /// The query that the shop sends back for an authorize URL, unsigned.
    pub fn answer(&self, begun: &Response, code: Option<&str>) -> String {
        let url = Url::parse(body(begun)["authorize_url"].as_str().unwrap()).unwrap();
        let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        let code = code.map_or("error=access_denied".to_owned(), |code| format!("code={code}"));
        let (shop, at) = (url.host_str().unwrap(), self.clock.now().as_second());
        format!("{code}&host=YWRtaW4&shop={shop}&state={state}&timestamp={at}")
    }

    /// The merchant approves, and the shop sends the browser back.
    pub fn approved(&self, begun: &Response) -> String {
        use secrecy::ExposeSecret as _;
        let url = Url::parse(body(begun)["authorize_url"].as_str().unwrap()).unwrap();
        let code = self.shop.approve(&domain(url.host_str().unwrap()));
        sign(&self.answer(begun, Some(code.expose_secret())))
    }

    pub async fn come_back(&self, query: &str, browser: &mut Browser) -> Response {
        let response = self.send(callback_event(query, browser)).await;
        browser.keep(&response);
        response
    }

    /// Connects a store from end to end.
    pub async fn connect(&self, store: &str, shop: &str) -> Response {
        let mut browser = Browser::default();
        let begun = self.begin(store, shop, &mut browser).await;
        assert_eq!(begun.status_code, 200, "{}", begun.body);
        self.come_back(&self.approved(&begun), &mut browser).await
    }

    pub async fn card(&self, store: &str) -> Value {
        let response = self.send(protected("GET /stores/{store_id}/connectors/{provider}", store)).await;
        assert_eq!(response.status_code, 200, "{}", response.body);
        body(&response)
    }

    pub async fn drop(&self, store: &str) -> Response {
        self.send(protected("DELETE /stores/{store_id}/connectors/{provider}", store)).await
    }

    pub fn stored(&self, text: &str) -> Option<Connector> {
        self.connectors.stored(&store(text), PROVIDER)
    }

    pub fn clock_seconds(&self) -> i64 {
        self.clock.now().as_second()
    }

    pub fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

pub fn callback_event(query: &str, browser: &Browser) -> Value {
    json!({
        "version": "2.0",
        "rawQueryString": query,
        "headers": {},
        "cookies": browser.cookies(),
        "pathParameters": {"provider": "shopify"},
        "requestContext": {
            "requestId": "req-1",
            "routeKey": "GET /oauth/{provider}/callback",
            "http": {"method": "GET", "sourceIp": "203.0.113.9"},
        },
    })
}

pub fn protected(route: &str, store: &str) -> Value {
    json!({
        "version": "2.0",
        "rawQueryString": "",
        "headers": {},
        "pathParameters": {"store_id": store, "provider": "shopify"},
        "requestContext": {
            "requestId": "req-1",
            "routeKey": route,
            "http": {"method": route.split(' ').next(), "sourceIp": "203.0.113.9"},
            "authorizer": {"jwt": {"claims": {"sub": "user-1", "store_id": store, "store_name": "My store"}}},
        },
    })
}

/// The reason in the address that a callback leads to, or `connected`.
pub fn outcome(response: &Response) -> String {
    if response.status_code != 303 {
        return code(response);
    }
    let url = Url::parse(&response.headers["location"]).unwrap();
    assert_eq!(url.origin().ascii_serialization(), "https://workspace.eshop.example");
    assert_eq!(url.path(), "/connectors/shopify");
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    query.get("reason").unwrap_or(&query["status"]).clone()
}
