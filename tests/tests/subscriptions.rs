//! What a shop is asked to tell us, held against the simulator: everything that is allowed, at one address, once.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[expect(dead_code, reason = "each test file uses its part of the world")]
#[path = "push_writers/world.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use shared::domain::scopes::Scopes;
use shared::ports::provider::{ProviderError, Webhooks as _};
use url::Url;
use world::World;

const BASE: &str = "https://api.example/webhooks/shopify";
const GRANTED: &str = "read_products,read_inventory,read_locations";

/// A shop that granted this.
async fn shop(granted: &str) -> World {
    let mut world = World::with("empty").await;
    let scopes: Vec<&str> = granted.split(',').collect();
    let wanted = json!({"client_id": "app", "scopes": scopes});
    let issued = world.control("POST", "/shops/demo/installs", wanted).await;
    world.access.token = SecretString::from(issued["access_token"].as_str().unwrap());
    world
}

async fn subscribe(world: &World, key: &str, granted: &str) -> Result<(), ProviderError> {
    let base = Url::parse(BASE).unwrap();
    world.shopify.subscribe(&world.access, &base, &SecretString::from(key), &Scopes::parse(granted)).await
}

/// The topics that the shop tells, by address; none is told to an address twice.
async fn told(world: &World) -> BTreeMap<String, BTreeSet<String>> {
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for each in world.control("GET", "/shops/demo/webhooks", Value::Null).await.as_array().unwrap() {
        let text = |name: &str| each[name].as_str().unwrap().to_lowercase().replace('/', "_");
        let new = told.entry(each["uri"].as_str().unwrap().to_owned()).or_default().insert(text("topic"));
        assert!(new, "{each} is told twice");
    }
    told
}

async fn create(world: &World, topic: &str, uri: &str) {
    let mutation = "mutation($topic: WebhookSubscriptionTopic!, $webhook: WebhookSubscriptionInput!) {
        webhookSubscriptionCreate(topic: $topic, webhookSubscription: $webhook) { userErrors { message } } }";
    let made = world.query(mutation, json!({"topic": topic, "webhook": {"uri": uri}})).await;
    assert_eq!(made["data"]["webhookSubscriptionCreate"]["userErrors"], json!([]), "{made}");
}

#[tokio::test]
async fn a_shop_tells_every_topic_at_one_address_and_is_asked_once() {
    let world = shop(GRANTED).await;
    subscribe(&world, "key-1", GRANTED).await.unwrap();
    let first = told(&world).await;
    let topics = &first[&format!("{BASE}/key-1")];
    assert_eq!((first.len(), topics.len()), (1, 19), "{first:?}");
    let made = world.mutations().await;
    subscribe(&world, "key-1", GRANTED).await.unwrap();
    assert_eq!((told(&world).await, world.mutations().await), (first, made), "nothing is left to do");
}

#[tokio::test]
async fn what_is_missing_is_repaired_what_is_old_goes_and_what_is_another_s_stays() {
    let world = shop(GRANTED).await;
    subscribe(&world, "old-key", GRANTED).await.unwrap();
    let elsewhere = ["https://other.example/webhooks/shopify/k", "https://api.example/webhooks/shopify/a/b"];
    for uri in elsewhere {
        create(&world, "PRODUCTS_UPDATE", uri).await;
    }
    create(&world, "PRODUCTS_UPDATE", &format!("{BASE}/new-key")).await;
    subscribe(&world, "new-key", GRANTED).await.unwrap();
    let told = told(&world).await;
    let addresses: BTreeSet<&str> = told.keys().map(String::as_str).collect();
    let ours = format!("{BASE}/new-key");
    assert_eq!(addresses, BTreeSet::from([ours.as_str(), elsewhere[0], elsewhere[1]]));
    assert_eq!(told[&ours].len(), 19);
    let keys = world.shopify.subscribed_keys(&world.access, &Url::parse(BASE).unwrap()).await.unwrap();
    assert_eq!(keys.iter().map(|key| key.expose_secret()).collect::<Vec<_>>(), ["new-key"]);
}

#[tokio::test]
async fn a_topic_whose_scope_is_not_granted_is_not_asked_for() {
    let world = shop("read_products").await;
    subscribe(&world, "key-1", "read_products").await.unwrap();
    let told = told(&world).await;
    let topics = &told[&format!("{BASE}/key-1")];
    assert!(topics.contains("collections_update") && topics.contains("app_uninstalled"), "{topics:?}");
    assert!(!topics.iter().any(|topic| topic.starts_with("inventory") || topic.starts_with("locations")));
}

#[tokio::test]
async fn a_scope_that_was_taken_away_meanwhile_is_told_and_what_stands_stays() {
    let world = shop("read_products").await;
    let refused = subscribe(&world, "key-1", GRANTED).await;
    assert!(
        matches!(refused, Err(ProviderError::Refused { .. } | ProviderError::ScopeDenied { .. })),
        "{refused:?}"
    );
    subscribe(&world, "key-1", "read_products").await.unwrap();
    assert_eq!(told(&world).await[&format!("{BASE}/key-1")].len(), 10);
}
