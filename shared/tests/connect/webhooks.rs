//! Receiving what shops post (P13): signed or refused, whose it is found out, ids alone passed on.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shared::app::webhooks::ReceiveWebhook;
use shared::lambda::http::{Response, handle};
use shared::lambda::webhooks::{MAX_WEBHOOK_BYTES, webhooks};
use shared::ports::provider::AppSecret;
use shared::ports::webhooks::{Hook, HookStore as _, Owner};
use shared::testkit::connect_vault::FakeVault;
use shared::testkit::faults::{Fault, Faults};

use crate::world::{PROVIDER, SECRET, World, code, domain, store};

pub const KEY: &str = "Q0dVs4cW9kTk3pVvJmZr5oQb1nq8xYtE7uHhGgFfDdS";

pub fn signature(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    STANDARD.encode(mac.chain_update(body).finalize().into_bytes())
}

/// What a shop posts to the address with `key`, or to the app's own.
pub fn posted(shop: &str, key: Option<&str>, topic: &str, id: &str, body: &Value) -> Value {
    let body = body.to_string();
    let mut path = json!({"provider": "shopify"});
    if let Some(key) = key {
        path["install_key"] = json!(key);
    }
    let route =
        if key.is_some() { "POST /webhooks/{provider}/{install_key}" } else { "POST /webhooks/{provider}" };
    json!({
        "version": "2.0",
        "rawQueryString": "",
        "headers": {
            "content-type": "application/json",
            "x-shopify-topic": topic,
            "x-shopify-hmac-sha256": signature(SECRET, body.as_bytes()),
            "x-shopify-shop-domain": format!("{shop}.myshopify.com"),
            "x-shopify-api-version": "2026-07",
            "x-shopify-webhook-id": id,
            "x-shopify-triggered-at": "2026-09-21T14:13:19.5Z",
        },
        "pathParameters": path,
        "body": body,
        "isBase64Encoded": false,
        "requestContext": {
            "requestId": "req-1",
            "routeKey": route,
            "http": {"method": "POST", "sourceIp": "203.0.113.9"},
        },
    })
}

impl World {
    /// Gives the store's installation an address of this key.
    pub async fn hook(&self, text: &str, key: &str) {
        let used = self.stored(text).unwrap().installation.unwrap();
        let owner = Owner { store: store(text), install: used.id };
        let key_hash = hex::encode(Sha256::digest(key.as_bytes()));
        self.hooks.put(&Hook { key_hash, provider: PROVIDER, shop: used.shop, owner }).await.unwrap();
    }
}

/// A connected store with an address.
pub async fn listening() -> World {
    let world = World::new();
    world.connect("st-1", "acme").await;
    world.hook("st-1", KEY).await;
    world.webhook_queue.take();
    world
}

fn product() -> Value {
    json!({"id": 8_001_u64, "updated_at": "2026-09-21T14:13:19Z"})
}

fn plain(topic: &str) -> Value {
    posted("acme", Some(KEY), topic, "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043", &product())
}

/// An event with another value of a header; with null, without it.
fn with(event: &Value, header: &str, value: Value) -> Value {
    let mut event = event.clone();
    let headers = event["headers"].as_object_mut().unwrap();
    match value {
        Value::Null => headers.remove(header),
        value => headers.insert(header.to_owned(), value),
    };
    event
}

async fn sent(world: &World, event: Value) -> (u16, Vec<String>) {
    let response = world.send(event).await;
    (response.status_code, world.webhook_queue.take())
}

#[tokio::test]
async fn what_a_shop_posts_goes_on_as_ids_under_the_store_that_is_stored() {
    let world = listening().await;
    let response = world.send(plain("products/update")).await;
    assert_eq!((response.status_code, response.body.as_str()), (200, ""));
    let bodies = world.webhook_queue.take();
    let message: Value = serde_json::from_str(&bodies[0]).unwrap();
    let install = world.stored("st-1").unwrap().installation.unwrap().id;
    assert_eq!(
        message,
        json!({
            "v": 1,
            "id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
            "provider": "shopify",
            "shop": "acme.myshopify.com",
            "at": "2026-09-21T14:13:19.5Z",
            "owner": {"store_id": "st-1", "install_id": install.as_str()},
            "task": {"catalogue_changed": {"what": "products"}},
        })
    );
}

#[tokio::test]
async fn nothing_is_looked_up_before_the_signature_holds() {
    let world = listening().await;
    let good = plain("products/update");
    let spoil = |header: &str, value: Value| with(&good, header, value);
    let hmac = good["headers"]["x-shopify-hmac-sha256"].as_str().unwrap().to_owned();
    let mut other_body = good.clone();
    other_body["body"] = json!(format!("{} ", good["body"].as_str().unwrap()));
    let from = world.faults.calls().len();
    for event in [
        other_body,
        spoil("x-shopify-hmac-sha256", Value::Null),
        spoil("x-shopify-hmac-sha256", json!("")),
        spoil("x-shopify-hmac-sha256", json!("no base64")),
        spoil("x-shopify-hmac-sha256", json!(format!("{hmac},{hmac}"))),
        spoil("x-shopify-hmac-sha256", json!(hex::encode(STANDARD.decode(&hmac).unwrap()))),
        spoil("x-shopify-hmac-sha256", json!(&hmac[..hmac.len() - 4])),
        spoil(
            "x-shopify-hmac-sha256",
            json!(signature("another secret", good["body"].as_str().unwrap().as_bytes())),
        ),
    ] {
        let response = world.send(event.clone()).await;
        assert_eq!((response.status_code, code(&response).as_str()), (401, "webhook_forged"), "{event}");
    }
    assert!(world.faults.calls()[from..].iter().all(|call| *call == "vault.app_secret"));
    assert!(world.webhook_queue.take().is_empty());
}

#[tokio::test]
async fn a_signed_body_without_a_shop_a_topic_or_an_id_is_malformed() {
    let world = listening().await;
    for (header, value) in [
        ("x-shopify-topic", Value::Null),
        ("x-shopify-topic", json!("products/update,products/update")),
        ("x-shopify-topic", json!("Products update")),
        ("x-shopify-shop-domain", Value::Null),
        ("x-shopify-shop-domain", json!("evil.example")),
        ("x-shopify-shop-domain", json!("acme.myshopify.com,acme.myshopify.com")),
        ("x-shopify-webhook-id", Value::Null),
        ("x-shopify-webhook-id", json!("one,two")),
        ("x-shopify-webhook-id", json!("x".repeat(129))),
    ] {
        let event = with(&plain("products/update"), header, value);
        let response = world.send(event.clone()).await;
        assert_eq!((response.status_code, code(&response).as_str()), (400, "webhook_malformed"), "{event}");
    }
    for (topic, body) in [
        ("app/uninstalled", json!([])),
        ("app/uninstalled", json!({"myshopify_domain": "beta.myshopify.com"})),
        ("bulk_operations/finish", json!({})),
        ("bulk_operations/finish", json!({"admin_graphql_api_id": "gid://shopify/Product/1"})),
        ("shop/redact", json!({"shop_id": 1})),
        ("shop/redact", json!({"shop_id": -1, "shop_domain": "acme.myshopify.com"})),
        ("customers/redact", json!({"shop_id": 1, "shop_domain": "beta.myshopify.com"})),
    ] {
        let response = world.send(posted("acme", Some(KEY), topic, "id-1", &body)).await;
        assert_eq!(
            (response.status_code, code(&response).as_str()),
            (400, "webhook_malformed"),
            "{topic} {body}"
        );
    }
    let mut not_json = plain("app/uninstalled");
    not_json["body"] = json!("{\"id\":");
    not_json["headers"]["x-shopify-hmac-sha256"] = json!(signature(SECRET, b"{\"id\":"));
    assert_eq!(code(&world.send(not_json).await), "webhook_malformed");
    assert!(world.webhook_queue.take().is_empty());
}

#[tokio::test]
async fn an_address_that_nobody_has_is_answered_like_one_that_somebody_has() {
    let world = listening().await;
    world.connect("st-2", "beta").await;
    world.webhook_queue.take();
    let known = world.send(plain("products/update")).await;
    assert_eq!(world.webhook_queue.take().len(), 1);
    let post = |shop, key| posted(shop, key, "products/update", "id-1", &product());
    for event in [
        post("acme", Some("another-key")),
        post("acme", Some(&KEY.to_lowercase())),
        post("acme", Some(&"k".repeat(5_000))),
        post("acme", Some("")),
        // A shop of ours, at the address of another one.
        post("beta", Some(KEY)),
        post("acme", None),
        posted("acme", Some(KEY), "orders/create", "id-1", &product()),
    ] {
        let dropped = world.send(event.clone()).await;
        assert!(dropped == known, "{event}");
        assert!(world.webhook_queue.take().is_empty(), "{event}");
    }
}

#[tokio::test]
async fn a_body_in_base64_is_verified_as_the_bytes_it_stands_for() {
    let world = listening().await;
    let mut event = plain("products/update");
    let body = event["body"].as_str().unwrap().to_owned();
    event["body"] = json!(STANDARD.encode(&body));
    event["isBase64Encoded"] = json!(true);
    assert_eq!(sent(&world, event.clone()).await.1.len(), 1);
    event["headers"]["x-shopify-hmac-sha256"] =
        json!(signature(SECRET, event["body"].as_str().unwrap().as_bytes()));
    assert_eq!(sent(&world, event).await, (401, vec![]));
}

#[tokio::test]
async fn headers_count_whatever_their_case_and_with_or_without_their_x() {
    let world = listening().await;
    let good = plain("products/update");
    for rename in [str::to_uppercase as fn(&str) -> String, |name| name.replace("x-shopify", "Shopify")] {
        let mut event = good.clone();
        let headers = good["headers"].as_object().unwrap().iter();
        event["headers"] = headers.map(|(name, value)| (rename(name), value.clone())).collect();
        assert_eq!(sent(&world, event).await.1.len(), 1);
    }
}

#[tokio::test]
async fn the_secret_before_the_present_one_still_counts() {
    let world = listening().await;
    let secret = |current: &str, previous: Option<&str>| AppSecret {
        client_id: "app-1".to_owned(),
        current: current.into(),
        previous: previous.map(Into::into),
    };
    for (secret, expected) in [
        (secret("the new one", Some(SECRET)), 200),
        (secret(SECRET, Some("the old one")), 200),
        (secret("the new one", Some("the old one")), 401),
        (secret("the new one", None), 401),
    ] {
        let vault = Arc::new(FakeVault::new(secret, Faults::default()));
        let now = world.receive();
        let app = Arc::new(ReceiveWebhook {
            vault,
            hooks: now.hooks.clone(),
            queue: now.queue.clone(),
            webhooks: now.webhooks.clone(),
            clock: now.clock.clone(),
        });
        let event = lambda_runtime::LambdaEvent::new(plain("products/update"), Default::default());
        let response: Response = handle(&world.edge(), event, |call| webhooks(app.clone(), call)).await;
        assert_eq!(response.status_code, expected);
    }
}

#[tokio::test]
async fn a_service_that_does_not_answer_lets_the_shop_send_again() {
    let world = listening().await;
    let from = world.faults.calls().len();
    assert_eq!(sent(&world, plain("products/update")).await.0, 200);
    let calls = world.faults.calls()[from..].to_vec();
    assert_eq!(calls, ["vault.app_secret", "hooks.find", "webhooks.send"]);
    for (call, name) in calls.into_iter().enumerate() {
        let world = listening().await;
        let from = world.faults.calls().len();
        world.faults.at(from + call, Fault::FailBefore);
        assert_eq!(sent(&world, plain("products/update")).await, (503, vec![]), "{name}");
        assert_eq!(sent(&world, plain("products/update")).await.1.len(), 1);
    }
}

#[tokio::test]
async fn a_body_may_be_large_but_not_endless() {
    let world = listening().await;
    for (bytes, expected) in [(200_000, 200), (MAX_WEBHOOK_BYTES, 200), (MAX_WEBHOOK_BYTES + 1, 400)] {
        let frame = json!({"id": 1, "more": ""}).to_string().len();
        let body = json!({"id": 1, "more": "x".repeat(bytes - frame)});
        let response = world.send(posted("acme", Some(KEY), "products/update", "id-1", &body)).await;
        assert_eq!(response.status_code, expected, "{bytes}: {}", response.body);
        assert!(world.webhook_queue.take().iter().all(|body| body.len() < 400));
    }
}

#[tokio::test]
async fn nothing_about_a_person_goes_on_but_numbers() {
    let world = listening().await;
    let canaries = ["carla@canary.example", "+49 151 canary", "Carla Canary"];
    canaries.iter().for_each(|person| shared::testkit::canaries::secret("person", person));
    let body = json!({
        "shop_id": 1_001,
        "shop_domain": "acme.myshopify.com",
        "customer": {"id": 7, "email": canaries[0], "phone": canaries[1], "name": canaries[2]},
        "orders_requested": [8, 9],
        "orders_to_redact": [10],
        "data_request": {"id": 11},
    });
    for topic in ["customers/data_request", "customers/redact", "shop/redact"] {
        let bodies = sent(&world, posted("acme", None, topic, "id-1", &body)).await.1;
        assert_eq!(bodies.len(), 1, "{topic}");
        assert!(canaries.iter().all(|canary| !bodies[0].contains(canary)), "{}", bodies[0]);
        assert!(!bodies[0].contains("owner"), "nobody's address, nobody's store");
    }
    // A customer without a number, and a shop's own words about itself.
    let nobody =
        json!({"shop_id": 1_001, "shop_domain": "acme.myshopify.com", "customer": {"email": canaries[0]}});
    let bodies = sent(&world, posted("acme", None, "customers/redact", "id-1", &nobody)).await.1;
    assert!(bodies[0].contains(r#""erase_customer":{"shop_id":1001,"customer_id":null,"order_ids":[]}"#));
    let shop = json!({"id": 1_001, "myshopify_domain": domain("acme").as_str(), "email": canaries[0], "shop_owner": canaries[2]});
    let bodies = sent(&world, posted("acme", Some(KEY), "app/uninstalled", "id-2", &shop)).await.1;
    assert!(canaries.iter().all(|canary| !bodies[0].contains(canary)), "{}", bodies[0]);
}
