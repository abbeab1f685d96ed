//! A running simulator and a client of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use reqwest::{Client, Proxy, Response};
use serde_json::{Value, json};
use shopify_simulator::apps::App;
use shopify_simulator::model::Shop;
use shopify_simulator::schema::folder_for_tests;
use shopify_simulator::seed::Seed;
use shopify_simulator::server::{Running, Simulator, start};
use shopify_simulator::webhooks::outbox::Delivery;

pub const CLIENT: &str = "test-client";
pub const SECRET: &str = "hush";
pub const CALLBACK: &str = "https://app.example/callback";
pub const READ: [&str; 3] = ["read_products", "read_inventory", "read_locations"];

pub struct Sim {
    pub running: Running,
    pub client: Client,
    _state: tempfile::TempDir,
}

impl Sim {
    /// A simulator with the shop `demo` from this seed.
    pub async fn with(seed: &str) -> Self {
        Self::with_shop(seed.parse::<Seed>().unwrap().shop("demo")).await
    }

    pub async fn with_shop(shop: Shop) -> Self {
        let schemas = folder_for_tests().unwrap_or_else(|message| panic!("{message}"));
        let state = tempfile::tempdir().unwrap();
        let simulator = Arc::new(Simulator::new(&schemas, state.path()).unwrap());
        simulator.open(shop);
        let app = App {
            name: "Test <App>".to_owned(),
            secret: SECRET.to_owned(),
            redirect_uris: vec![CALLBACK.to_owned()],
            scopes: READ.map(str::to_owned).into(),
            ..App::default()
        };
        simulator.register(CLIENT, app);
        let running = start(simulator, state.path()).await.unwrap();
        let ca = std::fs::read(&running.addresses.ca).unwrap();
        let client = Client::builder()
            .proxy(Proxy::https(&running.addresses.proxy).unwrap())
            .tls_certs_only([reqwest::Certificate::from_pem(&ca).unwrap()])
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { running, client, _state: state }
    }

    pub fn simulator(&self) -> &Simulator {
        &self.running.simulator
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://demo.myshopify.com{path}")
    }

    pub async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.running.addresses.control);
        let method = method.parse().unwrap();
        let request = Client::builder().no_proxy().build().unwrap().request(method, url);
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    pub async fn faults(&self, faults: Value) {
        self.control("PUT", "/shops/demo/faults", faults).await;
    }

    pub async fn calls(&self) -> Value {
        self.control("GET", "/shops/demo/calls", Value::Null).await
    }

    /// A token with these scopes, without the pages.
    pub async fn token(&self, scopes: &[&str]) -> String {
        let wanted = json!({"client_id": CLIENT, "scopes": scopes});
        let issued = self.control("POST", "/shops/demo/installs", wanted).await;
        issued["access_token"].as_str().unwrap().to_owned()
    }

    pub async fn post(&self, token: &str, version: &str, body: &Value) -> reqwest::Result<Response> {
        let url = self.url(&format!("/admin/api/{version}/graphql.json"));
        self.client.post(url).header("X-Shopify-Access-Token", token).json(body).send().await
    }

    /// The whole answer to a query.
    pub async fn ask(&self, token: &str, query: &str, variables: Value) -> Value {
        let body = json!({"query": query, "variables": variables});
        let answer = self.post(token, "2026-07", &body).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    /// The data of an answer that must hold no error.
    pub async fn data(&self, token: &str, query: &str, variables: Value) -> Value {
        let answer = self.ask(token, query, variables).await;
        assert_eq!(answer["errors"], Value::Null, "{answer}");
        answer["data"].clone()
    }

    /// Starts a bulk query: the whole payload.
    pub async fn start(&self, token: &str, query: &str, grouped: bool) -> Value {
        let mutation = "mutation($query: String!, $grouped: Boolean!) {
            bulkOperationRunQuery(query: $query, groupObjects: $grouped) {
                bulkOperation { id status url objectCount } userErrors { code field message }
            }
        }";
        let data = self.data(token, mutation, json!({"query": query, "grouped": grouped})).await;
        data["bulkOperationRunQuery"].clone()
    }

    pub async fn poll(&self, token: &str, id: &Value) -> Value {
        let query = "query($id: ID!) { bulkOperation(id: $id) {
            id status errorCode objectCount rootObjectCount fileSize url partialDataUrl createdAt completedAt type
        } }";
        self.data(token, query, json!({ "id": id })).await["bulkOperation"].clone()
    }

    /// Runs a bulk query to its end.
    pub async fn bulk(&self, token: &str, query: &str, grouped: bool) -> Value {
        let started = self.start(token, query, grouped).await;
        assert_eq!(started["userErrors"], json!([]), "{started}");
        assert_eq!(started["bulkOperation"]["status"], "CREATED");
        loop {
            let operation = self.poll(token, &started["bulkOperation"]["id"]).await;
            if !matches!(operation["status"].as_str().unwrap(), "CREATED" | "RUNNING" | "CANCELING") {
                return operation;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The lines of a result file.
    pub async fn lines(&self, url: &Value) -> Vec<Value> {
        let answer = self.client.get(url.as_str().unwrap()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.text().await.unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The parameters of an address.
pub fn parameters(url: &str) -> BTreeMap<String, String> {
    url::Url::parse(url).unwrap().query_pairs().into_owned().collect()
}

/// What an app is sent.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// An app that listens for webhooks on loopback, where `https://app.example` leads to.
pub struct Receiver {
    address: String,
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

impl Receiver {
    /// Opens one and leads `https://app.example` to it.
    pub async fn of(sim: &Sim) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/inside", listener.local_addr().unwrap());
        let (received, answers) = (Arc::<Mutex<Vec<Received>>>::default(), Arc::default());
        let (log, script): (_, Arc<Mutex<VecDeque<u16>>>) = (Arc::clone(&received), Arc::clone(&answers));
        let app = axum::Router::new().fallback(async move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let path = uri.path_and_query().unwrap().to_string();
            let poisoned = body.windows(6).any(|part| part == b"poison");
            log.lock().unwrap().push(Received { path, headers, body });
            let status = if poisoned { 500 } else { script.lock().unwrap().pop_front().unwrap_or(200) };
            (StatusCode::from_u16(status).unwrap(), [("location", "/elsewhere")])
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        sim.control("PUT", "/deliver-to", json!({"https://app.example": address.clone()})).await;
        Self { address, received, answers }
    }

    /// Where it listens, with the path that everything comes below.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// It answers these, then 200. Whatever holds the word `poison` is always refused.
    pub fn answers(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }

    /// What came so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The payloads of a topic that came so far.
    pub fn of_topic(&self, topic: &str) -> Vec<Value> {
        let all = self.received();
        all.iter().filter(|one| one.header("x-shopify-topic") == topic).map(Received::json).collect()
    }
}

impl Sim {
    /// Subscribes to a topic at `https://app.example/hooks`; more fields of the input may be given.
    pub async fn subscribe(&self, token: &str, topic: &str, more: Value) -> Value {
        let mutation = "mutation($topic: WebhookSubscriptionTopic!, $input: WebhookSubscriptionInput!) {
            webhookSubscriptionCreate(topic: $topic, webhookSubscription: $input) {
                webhookSubscription { id topic uri format } userErrors { field message }
            }
        }";
        let mut input = json!({"uri": "https://app.example/hooks"});
        for (name, value) in more.as_object().into_iter().flatten() {
            input[name] = value.clone();
        }
        let data = self.data(token, mutation, json!({"topic": topic, "input": input})).await;
        data["webhookSubscriptionCreate"].clone()
    }

    /// Waits until the deliveries are as they should be; not for ever.
    pub async fn until(&self, satisfied: impl Fn(&[&Delivery]) -> bool) {
        let waiting = self.simulator().outbox.until("demo", satisfied);
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        assert!(waited.is_ok(), "{:?}", self.simulator().outbox.of_shop("demo"));
    }

    /// The deliveries, once nothing is waiting or under way.
    pub async fn settled(&self) -> Vec<Value> {
        let all = self.control("GET", "/shops/demo/deliveries?settled=true", Value::Null).await;
        all.as_array().unwrap().clone()
    }

    pub async fn change(&self, change: Value) -> Value {
        self.control("POST", "/shops/demo/changes", json!([change])).await[0].clone()
    }
}

/// Everything a push needs.
pub const WRITE: [&str; 8] = [
    "write_products",
    "write_inventory",
    "read_locations",
    "write_customers",
    "write_orders",
    "write_publications",
    "write_files",
    "read_all_orders",
];

impl Sim {
    /// The payload of a mutation with one field, which must hold no error in `errors[]`.
    pub async fn mutate(&self, token: &str, mutation: &str, variables: Value) -> Value {
        let data = self.data(token, mutation, variables).await;
        data.as_object().unwrap().values().next().unwrap().clone()
    }

    /// The same, and nothing may be refused.
    pub async fn done(&self, token: &str, mutation: &str, variables: Value) -> Value {
        let payload = self.mutate(token, mutation, variables).await;
        assert_eq!(payload["userErrors"], json!([]), "{payload}");
        payload
    }

    /// Makes a metafield definition of the type `id` for the key `sync.external_id`.
    pub async fn define_id(&self, token: &str, owner: &str) {
        let mutation = "mutation($definition: MetafieldDefinitionInput!) {
            metafieldDefinitionCreate(definition: $definition) { createdDefinition { id } userErrors { code message } } }";
        let definition = json!({"name": "External id", "namespace": "sync", "key": "external_id", "type": "id", "ownerType": owner});
        self.done(token, mutation, json!({ "definition": definition })).await;
    }

    /// The rows of a resource, as the control API lists them.
    pub async fn rows(&self, resource: &str) -> Vec<Value> {
        let rows = self.control("GET", &format!("/shops/demo/rows/{resource}"), Value::Null).await;
        rows.as_array().unwrap().clone()
    }
}

/// The codes of `userErrors`, in order.
pub fn codes(payload: &Value) -> Vec<&str> {
    let errors = payload["userErrors"].as_array().unwrap();
    errors.iter().map(|error| error["code"].as_str().unwrap_or("-")).collect()
}
