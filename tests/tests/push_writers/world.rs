//! A shop of the simulator, and the writer that the product has for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use jiff::{Timestamp, ToSpan};
use reqwest::{Client, Proxy};
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::domain::ids::ShopDomain;
use shared::domain::push::row::{Identifier, Purpose};
use shared::domain::push::target::{MatchBy, Stream};
use shared::domain::push::throttle::{Lease, Points};
use shared::ports::provider::{Connect, ProviderError, ShopAccess};
use shared::ports::push::{
    Budget, Change, Found, How, LiveRecord, RowWriter, Sought, Spent, Stopped, TakenBack, Writing, Written,
};
use shared::providers::shopify::Shopify;
use shopify_simulator::apps::App;
use shopify_simulator::schema::folder_for_tests;
use shopify_simulator::seed::Seed;
use shopify_simulator::server::{Running, Simulator, start};

/// A budget that counts, and has no end unless it is given one.
#[derive(Default)]
pub struct Purse {
    /// Thousandths of points that calls were told to have cost.
    pub spent: AtomicU64,
    /// Calls whose answer was lost.
    pub unknown: AtomicU64,
    /// The thousandths that the shop has for a call that writes, where that has an end.
    pub most: AtomicU64,
}

#[async_trait]
impl Budget for Purse {
    async fn lease(&self, shape: &'static str, formula: Points) -> Result<Lease, ProviderError> {
        let most = self.most.load(Ordering::Relaxed);
        let writes = ["productSet", "productUpdate"].contains(&shape) || shape.contains("Bulk");
        if writes && most > 0 && formula.thousandths() > most {
            return Err(ProviderError::Refused { code: "COST_TOO_HIGH".to_owned() });
        }
        Ok(Lease { id: 1, points: formula, until: Timestamp::UNIX_EPOCH + 1.minute() })
    }

    async fn settle(&self, _: Lease, _: &'static str, _: Option<Points>, spent: Spent) {
        match spent {
            Spent::Told { points, .. } => self.spent.fetch_add(points.thousandths(), Ordering::Relaxed),
            Spent::Nothing => 0,
            Spent::Unknown => self.unknown.fetch_add(1, Ordering::Relaxed),
        };
    }
}

pub struct World {
    pub running: Running,
    pub shopify: Shopify,
    pub access: ShopAccess,
    pub purse: Purse,
    control: Client,
    _state: tempfile::TempDir,
}

const SCOPES: [&str; 13] = [
    "write_products",
    "read_products",
    "write_inventory",
    "read_inventory",
    "read_locations",
    "write_customers",
    "read_customers",
    "write_orders",
    "read_orders",
    "write_publications",
    "read_publications",
    "write_merchant_managed_fulfillment_orders",
    "read_merchant_managed_fulfillment_orders",
];

/// A key of a row.
pub fn key(by: MatchBy, value: &str) -> Identifier {
    let metafield = (by == MatchBy::CustomId).then(|| ("sync".to_owned(), "ref".to_owned()));
    Identifier { by, metafield, value: value.to_owned() }
}

impl World {
    /// A shop from this seed, where products, customers and orders have a unique metafield `sync.ref`.
    pub async fn with(seed: &str) -> Self {
        let schemas = folder_for_tests().unwrap_or_else(|message| panic!("{message}"));
        let state = tempfile::tempdir().unwrap();
        let simulator = Arc::new(Simulator::new(&schemas, state.path()).unwrap());
        simulator.open(seed.parse::<Seed>().unwrap().shop("demo"));
        let scopes = SCOPES.map(str::to_owned).into();
        simulator.register("app", App { secret: "hush".to_owned(), scopes, ..App::default() });
        let running = start(simulator, state.path()).await.unwrap();
        let ca = std::fs::read(&running.addresses.ca).unwrap();
        let client = Client::builder()
            .proxy(Proxy::https(&running.addresses.proxy).unwrap())
            .tls_certs_only([reqwest::Certificate::from_pem(&ca).unwrap()])
            .build()
            .unwrap();
        let control = Client::builder().no_proxy().build().unwrap();
        let shopify = Shopify::over(client);
        let shop: ShopDomain = shopify.parse_shop("demo").unwrap();
        let mut world = Self {
            running,
            shopify,
            access: ShopAccess { shop, token: SecretString::from("none") },
            purse: Purse::default(),
            control,
            _state: state,
        };
        world.control("PUT", "/shops/demo/plan", json!({"name": "Plus"})).await;
        let wanted = json!({"client_id": "app", "scopes": SCOPES});
        let issued = world.control("POST", "/shops/demo/installs", wanted).await;
        world.access.token = SecretString::from(issued["access_token"].as_str().unwrap());
        for owner in ["PRODUCT", "CUSTOMER", "ORDER"] {
            world.define(owner).await;
        }
        world
    }

    async fn define(&self, owner: &str) {
        let mutation = "mutation($definition: MetafieldDefinitionInput!) {
            metafieldDefinitionCreate(definition: $definition) {
                createdDefinition { id } userErrors { message } } }";
        let definition =
            json!({"name": "Ref", "namespace": "sync", "key": "ref", "type": "id", "ownerType": owner});
        let made = self.query(mutation, json!({ "definition": definition })).await;
        assert_eq!(made["data"]["metafieldDefinitionCreate"]["userErrors"], json!([]), "{made}");
    }

    pub async fn query(&self, query: &str, variables: Value) -> Value {
        self.query_at("2026-07", query, variables).await
    }

    /// Asks another version of the API.
    pub async fn query_at(&self, version: &str, query: &str, variables: Value) -> Value {
        use secrecy::ExposeSecret;
        let ca = std::fs::read(&self.running.addresses.ca).unwrap();
        let client = Client::builder()
            .proxy(Proxy::https(&self.running.addresses.proxy).unwrap())
            .tls_certs_only([reqwest::Certificate::from_pem(&ca).unwrap()])
            .build()
            .unwrap();
        let url = format!("https://demo.myshopify.com/admin/api/{version}/graphql.json");
        let body = json!({"query": query, "variables": variables});
        let request = client.post(url).header("X-Shopify-Access-Token", self.access.token.expose_secret());
        request.json(&body).send().await.unwrap().json().await.unwrap()
    }

    pub async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.running.addresses.control);
        let request = self.control.request(method.parse().unwrap(), url);
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    pub async fn faults(&self, faults: Value) {
        self.control("PUT", "/shops/demo/faults", faults).await;
    }

    /// Mutations that were carried out.
    pub async fn mutations(&self) -> u64 {
        let calls = self.control("GET", "/shops/demo/calls", Value::Null).await;
        calls["mutations"].as_object().unwrap().values().map(|times| times.as_u64().unwrap()).sum()
    }

    /// What the shop has of a resource.
    pub async fn rows(&self, resource: &str) -> Vec<Value> {
        let rows = self.control("GET", &format!("/shops/demo/rows/{resource}"), Value::Null).await;
        rows.as_array().unwrap().clone()
    }

    pub async fn find(&self, stream: Stream, keys: &[Identifier], input: &Value) -> Found {
        self.find_as(stream, keys, input, false).await
    }

    async fn find_as(&self, stream: Stream, keys: &[Identifier], input: &Value, whole: bool) -> Found {
        let sought = [Sought { identifiers: keys, input, whole }];
        let mut found = self.shopify.find(&self.access, &self.purse, stream, &sought).await.unwrap();
        found.pop().unwrap()
    }

    pub async fn live(&self, stream: Stream, keys: &[Identifier], input: &Value) -> LiveRecord {
        match self.find(stream, keys, input).await {
            Found::One(live) => live,
            other => panic!("{other:?}"),
        }
    }

    /// A record with everything that it has, as an undo of its making looks at it.
    pub async fn whole(&self, stream: Stream, keys: &[Identifier], input: &Value) -> LiveRecord {
        match self.find_as(stream, keys, input, true).await {
            Found::One(live) => live,
            other => panic!("{other:?}"),
        }
    }

    /// Finds and plans, as the pipeline does.
    pub async fn plan(
        &self,
        stream: Stream,
        keys: &[Identifier],
        input: &Value,
        how: &How,
    ) -> Result<Writing, Vec<shared::domain::push::ledger::RowError>> {
        let live = match self.find(stream, keys, input).await {
            Found::Nothing => None,
            Found::One(live) => Some(live),
            Found::Unclear(error) => return Err(vec![error]),
        };
        let purpose = if live.is_some() { Purpose::Update } else { Purpose::Create };
        let change = Change { stream, purpose, identifiers: keys, input, live: live.as_ref(), how };
        self.shopify.plan(&change)
    }

    pub async fn write(&self, writing: &Writing) -> Written {
        self.shopify.write(&self.access, &self.purse, writing).await.unwrap()
    }

    /// Finds, plans and writes; all of it must be done.
    pub async fn push(&self, stream: Stream, keys: &[Identifier], input: &Value, how: &How) -> Writing {
        let writing = self.plan(stream, keys, input, how).await.unwrap();
        let written = self.write(&writing).await;
        assert_eq!(written.stopped, None, "{writing:?}");
        writing
    }

    /// What the shop refused of a row, the first of it.
    pub async fn refusal(
        &self,
        stream: Stream,
        keys: &[Identifier],
        input: &Value,
    ) -> shared::domain::push::ledger::RowError {
        let writing = self.plan(stream, keys, input, &How::default()).await.unwrap();
        match self.write(&writing).await.stopped {
            Some(Stopped::Refused(mut errors)) => errors.remove(0),
            other => panic!("{other:?}"),
        }
    }

    pub fn take_back(
        &self,
        stream: Stream,
        created: bool,
        writing: &Writing,
        live: &LiveRecord,
    ) -> TakenBack {
        self.shopify.take_back(stream, created, &writing.diff, live)
    }
}
