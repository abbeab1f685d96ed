//! Shops that change hands, and access that is taken away from outside: the card says so and nothing is stuck.

use serde_json::{Value, json};
use shared::ports::vault::TokenVault as _;

use crate::world::{PROVIDER, SCOPES, World, body, domain, outcome, profile, protected, store};

async fn history(world: &World, text: &str) -> Vec<Value> {
    let response = world.send(protected("GET /stores/{store_id}/connectors/{provider}/history", text)).await;
    body(&response)["items"].as_array().unwrap().clone()
}

/// A connected store whose token an operator has deleted.
async fn without_token() -> World {
    let world = World::new();
    world.connect("st-1", "acme").await;
    let used = world.stored("st-1").unwrap().installation.unwrap().id;
    world.vault.delete(&used).await.unwrap();
    world
}

async fn find_out(world: &World) {
    let used = world.access().shop_access(&store("st-1"), PROVIDER).await;
    assert_eq!(used.err().map(|error| error.code), Some("needs_reauthorization"));
}

#[tokio::test]
async fn a_shop_that_was_given_up_goes_to_the_next_store_without_its_past() {
    let world = World::new();
    world.connect("st-1", "acme").await;
    world.drop("st-1").await;
    assert_eq!(outcome(&world.connect("st-2", "acme").await), "connected");
    assert_eq!(world.card("st-1").await["reason"], "disconnected");
    assert_eq!(history(&world, "st-1").await.len(), 3);
    let theirs = history(&world, "st-2").await;
    assert_eq!((theirs.len(), &theirs[0]["seq"]), (2, &json!(2)), "a history of its own");

    // The first store cannot take it back while the second one has it.
    assert_eq!(outcome(&world.connect("st-1", "acme").await), "shop_in_use");
    assert_eq!(world.card("st-2").await["state"], "live");
    // Disconnecting what one does not have frees nobody's claim.
    world.drop("st-1").await;
    assert_eq!(outcome(&world.connect("st-1", "acme").await), "shop_in_use");
    assert_eq!(world.vault.installs().len(), 1);
}

#[tokio::test]
async fn reconnecting_to_the_same_shop_takes_over_what_it_grants_and_is_called_now() {
    let world = World::new();
    world.shop.open(profile("acme", 1_001, "read_products"));
    world.connect("st-1", "acme").await;
    assert_eq!(world.card("st-1").await["suggestions"][0]["code"], "grant_scope");
    let mut renamed = profile("acme", 1_001, SCOPES);
    renamed.name = "Acme & Daughters".to_owned();
    world.shop.open(renamed);
    assert_eq!(outcome(&world.connect("st-1", "acme").await), "connected");
    let card = world.card("st-1").await;
    assert_eq!((&card["shop"]["account"], &card["shop"]["id"]), (&json!("Acme & Daughters"), &json!("1001")));
    assert_eq!(card["scopes"]["missing"], json!([]));
    assert!(card["capabilities"].as_array().unwrap().iter().all(|it| it["status"] == "ready"), "{card}");
}

#[tokio::test]
async fn a_card_tells_what_a_lost_scope_takes_away() {
    let world = World::new();
    world.connect("st-1", "acme").await;
    let mut connector = world.stored("st-1").unwrap();
    let now = connector.updated_at;
    let change = connector.note_scopes(shared::domain::scopes::Scopes::parse("read_products"), now);
    assert_eq!(change.lost.to_string(), "read_inventory,read_locations");
    use shared::ports::connectors::ConnectorStore as _;
    world.connectors.save(&mut connector).await.unwrap();

    let card = world.card("st-1").await;
    assert_eq!(card["state"], "live", "what is still granted goes on");
    let capabilities: Vec<_> = card["capabilities"].as_array().unwrap().iter().collect();
    let of = |name: &str| *capabilities.iter().find(|it| it["resource"] == name).unwrap();
    assert_eq!(of("warehouses")["status"], "blocked");
    assert_eq!(of("stock")["missing"], json!(["read_inventory", "read_locations"]));
    assert_eq!(
        (&of("products")["status"], &of("products")["without"]),
        (&json!("degraded"), &json!(["stock"]))
    );
    assert_eq!(of("categories")["status"], "ready");
    let details: Vec<_> =
        card["suggestions"].as_array().unwrap().iter().map(|it| it["detail"].as_str().unwrap()).collect();
    assert_eq!(
        details[..2],
        [
            "Connect again and grant read_inventory: without it, stock cannot be imported.",
            "Connect again and grant read_locations: without it, warehouses and stock cannot be imported.",
        ]
    );
}

#[tokio::test]
async fn a_token_deleted_by_an_operator_is_told_on_the_card_and_mended_by_connecting() {
    let world = without_token().await;
    find_out(&world).await;
    let card = world.card("st-1").await;
    assert_eq!((&card["state"], &card["reason"]), (&json!("failed"), &json!("needs_reauthorization")));
    assert_eq!(card["suggestions"][0]["code"], "reconnect");
    assert_eq!(history(&world, "st-1").await[0]["action"], "token_state_changed");
    assert_eq!(outcome(&world.connect("st-1", "acme").await), "connected");
    assert_eq!(world.card("st-1").await["state"], "live");
    assert!(world.access().shop_access(&store("st-1"), PROVIDER).await.is_ok());
}

#[tokio::test]
async fn a_store_without_its_token_can_be_disconnected_and_moved() {
    let world = without_token().await;
    let answer = body(&world.drop("st-1").await);
    assert_eq!((&answer["reason"], &answer["app_removed"]), (&json!("disconnected"), &json!(false)));
    assert_eq!(world.connectors.claim(PROVIDER, &domain("acme")), None);
    assert_eq!(outcome(&world.connect("st-2", "acme").await), "connected");

    let world = without_token().await;
    assert_eq!(outcome(&world.connect("st-1", "beta").await), "connected");
    assert_eq!(world.connectors.claim(PROVIDER, &domain("acme")), None, "the shop it left is free");
}

#[tokio::test]
async fn an_app_removed_in_the_shop_s_admin_is_told_even_where_no_webhook_came() {
    let world = World::new();
    world.connect("st-1", "acme").await;
    world.shop.revoke(&domain("acme"));
    world.later(3_600);
    find_out(&world).await;
    assert_eq!(world.card("st-1").await["reason"], "needs_reauthorization");
    // The claim stays: nobody else may take the shop over while this store can mend it.
    assert_eq!(outcome(&world.connect("st-2", "acme").await), "shop_in_use");
    assert_eq!(outcome(&world.connect("st-1", "acme").await), "connected");
}
