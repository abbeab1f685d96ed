//! What a merchant is asked to grant, by what the store is connected for.

use serde_json::{Value, json};
use shared::lambda::http::Response;
use url::Url;

use crate::world::{World, body, code, profile, protected};

const IMPORT: &str = "read_inventory,read_locations,read_products";
const PUSH: &str =
    "read_locations,write_customers,write_inventory,write_orders,write_products,write_publications";

async fn begin(world: &World, asked: Value) -> Response {
    let mut event = protected("POST /stores/{store_id}/connectors/{provider}/configure", "st-1");
    event["headers"]["content-type"] = json!("application/json");
    event["body"] = json!(asked.to_string());
    world.send(event).await
}

async fn asked_to_grant(world: &World, purpose: Option<&str>) -> String {
    let mut asked = json!({"shop": "acme", "method": "oauth"});
    if let Some(purpose) = purpose {
        asked["purpose"] = json!(purpose);
    }
    let begun = begin(world, asked).await;
    assert_eq!(begun.status_code, 200, "{}", begun.body);
    let url = Url::parse(body(&begun)["authorize_url"].as_str().unwrap()).unwrap();
    url.query_pairs().find(|(name, _)| name == "scope").unwrap().1.into_owned()
}

#[tokio::test]
async fn a_store_that_pushes_is_asked_for_writing_too() {
    let world = World::new();
    assert_eq!(asked_to_grant(&world, None).await, IMPORT);
    assert_eq!(asked_to_grant(&world, Some("import")).await, IMPORT);
    assert_eq!(asked_to_grant(&world, Some("push")).await, PUSH);
}

#[tokio::test]
async fn a_plain_reconnect_takes_nothing_away() {
    for (granted, asked) in [(IMPORT, IMPORT), (PUSH, PUSH), ("read_products,write_customers", PUSH)] {
        let world = World::new();
        world.shop.open(profile("acme", 1, granted));
        world.connect("st-1", "acme").await;
        assert_eq!(asked_to_grant(&world, None).await, asked, "{granted}");
        assert_eq!(asked_to_grant(&world, Some("import")).await, IMPORT, "{granted}");
    }
}

#[tokio::test]
async fn another_purpose_is_refused_and_nothing_begins() {
    let world = World::new();
    for asked in [
        json!({"shop": "acme", "method": "oauth", "purpose": "conquer"}),
        json!({"shop": "acme", "method": "credentials", "purpose": "push", "api_key": "a", "api_secret": "b"}),
    ] {
        let refused = begin(&world, asked).await;
        assert_eq!((refused.status_code, code(&refused).as_str()), (400, "invalid_body"));
        assert_eq!(world.stored("st-1"), None);
    }
}
