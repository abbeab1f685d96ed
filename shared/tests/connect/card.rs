//! The card.

use serde_json::json;

use crate::world::{World, body, profile, protected};

#[tokio::test]
async fn of_a_store_that_never_connected() {
    let world = World::new();
    insta::assert_json_snapshot!(world.card("st-1").await);
    assert_eq!(world.stored("st-1"), None, "looking creates nothing");
}

#[tokio::test]
async fn of_a_connection_with_less_than_was_asked_for() {
    let world = World::new();
    world.shop.open(profile("acme", 9_007_199_254_740_993, "read_products,write_locations"));
    world.connect("st-1", "acme").await;
    world.later(60);
    insta::assert_json_snapshot!(world.card("st-1").await);
}

#[tokio::test]
async fn of_an_attempt_that_was_left() {
    let world = World::new();
    world.begin("st-1", "acme", &mut crate::world::Browser::default()).await;
    world.later(3_600);
    let card = world.card("st-1").await;
    assert_eq!((&card["state"], &card["reason"]), (&json!("inactive"), &json!("setup_incomplete")));
    let codes: Vec<_> = card["suggestions"].as_array().unwrap().iter().map(|s| s["code"].clone()).collect();
    assert_eq!(codes, [json!("finish_connecting"), json!("check_callback_url")]);
}

#[tokio::test]
async fn all_of_them() {
    let world = World::new();
    world.connect("st-1", "acme").await;
    let response = world.send(protected("GET /stores/{store_id}/connectors", "st-1")).await;
    let items = body(&response)["items"].as_array().unwrap().clone();
    assert_eq!(items, [world.card("st-1").await]);
}
