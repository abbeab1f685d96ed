//! Connecting by credentials of the merchant's own app: live at once, or nothing changed.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use shared::domain::claim::Stands;
use shared::domain::connection::{ConnectorState, HistoryAction, Method};
use shared::testkit::faults::Fault;

use crate::world::{PROVIDER, SCOPES, World, body, domain, outcome, profile, store};

const KEY: &str = "own-app-id-4711";
const SECRET: &str = "shpss_own-app-secret-0815";

fn given() -> Value {
    json!({"method": "credentials", "shop_name": "acme", "api_key": KEY, "api_secret": SECRET})
}

fn with(changes: &Value) -> Value {
    let mut body = given();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            body.as_object_mut().unwrap().remove(name);
        } else {
            body[name] = value.clone();
        }
    }
    body
}

fn world() -> World {
    let world = World::new();
    world.shop.own_app(&domain("acme"), KEY, Some(SECRET));
    world
}

async fn token(world: &World) -> Result<String, &'static str> {
    let access = world.access().shop_access(&store("st-1"), PROVIDER).await;
    access.map(|(_, access)| access.token.expose_secret().to_owned()).map_err(|error| error.code)
}

#[tokio::test]
async fn a_store_is_live_at_once() {
    let world = world();
    let response = world.hand_over("st-1", given()).await;
    insta::assert_snapshot!(response.body, @r#"{"state":"live","shop":{"account":"The acme shop","domain":"acme.myshopify.com","primary_domain":"www.acme.example","id":"1001","currency":"EUR","plan":"Basic"},"scopes":["read_inventory","read_locations","read_products"],"connected_at":"2026-09-21T14:13:20Z"}"#);
    assert!(response.cookies.is_empty());
    assert_eq!(world.card("st-1").await["state"], "live");
    let used = world.stored("st-1").unwrap().installation.unwrap();
    assert_eq!(used.method, Method::Credentials);
    let claim = world.connectors.claim(PROVIDER, &domain("acme")).unwrap();
    assert!(matches!(claim.stands, Stands::Confirmed(_)), "{claim:?}");
    assert_eq!(world.connectors.all_loose_ends(), vec![]);
    let actions: Vec<_> = world.connectors.entries(&store("st-1")).iter().map(|e| e.action).collect();
    assert_eq!(actions, [HistoryAction::Connected]);
    assert_eq!(outcome(&world.connect("st-2", "acme").await), "shop_in_use");
}

/// `docs/examples/connection.json`, to the letter.
#[tokio::test]
async fn the_example_of_a_connection_connects_a_store_for_pushing() {
    let mut given: Value =
        serde_json::from_str(include_str!("../../../docs/examples/connection.json")).unwrap();
    let text = |name: &str| given[name].as_str().unwrap().to_owned();
    let (shop, key, secret) = (text("shop_name"), text("api_key"), text("api_secret"));
    let scopes: Vec<String> = serde_json::from_value(given["scopes"].clone()).unwrap();
    let world = |scopes: &str| {
        let world = World::new();
        world.shop.open(profile(&shop, 4_711, scopes));
        world.shop.own_app(&domain(&shop), &key, Some(&secret));
        world
    };
    given["method"] = json!("credentials");
    let connected = world(&scopes.join(",")).hand_over("st-1", given.clone()).await;
    assert_eq!(connected.status_code, 200, "{}", connected.body);
    let connected = body(&connected);
    assert_eq!(connected["state"], "live");
    assert_eq!(connected["shop"]["domain"], format!("{shop}.myshopify.com"));
    for scope in &scopes {
        assert!(connected["scopes"].as_array().unwrap().contains(&json!(scope)), "{scope}");
    }
    // Scopes are what it needs: where one was not granted, nothing is connected.
    let refused = world("write_products").hand_over("st-1", given).await;
    assert_eq!(
        (refused.status_code, outcome(&refused).as_str()),
        (409, "missing_scopes"),
        "{}",
        refused.body
    );
}

#[tokio::test]
async fn a_fetched_token_is_fetched_again_before_its_day_ends() {
    let world = world();
    world.hand_over("st-1", given()).await;
    let first = token(&world).await.unwrap();
    world.later(86_399 - 301);
    assert_eq!(token(&world).await.unwrap(), first);
    world.later(1);
    assert_ne!(token(&world).await.unwrap(), first);
    // And after its end, as often as need be.
    for _ in 0..3 {
        world.later(100_000);
        token(&world).await.unwrap();
    }
    assert_eq!(world.shop.count("client_credentials"), 5);
    assert_eq!(world.shop.count("refresh"), 0);

    world.later(100_000);
    world.shop.set_down(true);
    assert_eq!(token(&world).await, Err("shop_unreachable"));
    world.shop.set_down(false);
    // The merchant made a new secret over there: the shop says so itself.
    world.shop.own_app(&domain("acme"), KEY, Some("another"));
    assert_eq!(token(&world).await, Err("needs_reauthorization"));
    assert_eq!(world.card("st-1").await["reason"], "needs_reauthorization");
}

#[tokio::test]
async fn a_given_token_is_used_as_it_is() {
    let world = world();
    let lasting = world.shop.lasting_token(&domain("acme"));
    let response = world.hand_over("st-1", with(&json!({"access_token": lasting}))).await;
    assert_eq!(response.status_code, 200, "{}", response.body);
    world.later(10_000_000);
    assert_eq!(token(&world).await.unwrap(), lasting);
    assert_eq!(world.shop.count("client_credentials"), 0);
}

#[tokio::test]
async fn what_is_wrong_is_named_and_changes_nothing() {
    let world = world();
    world.shop.open(profile("poor", 1_003, "read_locations"));
    world.shop.own_app(&domain("poor"), KEY, Some(SECRET));
    world.shop.open_at(&domain("alias"), profile("beta", 1_002, SCOPES));
    world.shop.own_app(&domain("alias"), KEY, Some(SECRET));
    let mut answers = String::new();
    for changes in [
        json!({"api_secret": "wrong"}),
        json!({"api_key": "wrong"}),
        json!({"access_token": "shpat_wrong"}),
        json!({"shop_name": "poor"}),
        json!({"scopes": ["read_products", "write_products", "read_customers"]}),
        json!({"shop_name": "alias"}),
        json!({"shop_name": "evil.example"}),
        json!({"shop_name": null}),
        json!({"shop": "acme"}),
        json!({"api_key": null}),
        json!({"api_secret": null}),
        json!({"api_secret": ""}),
        json!({"api_key": "two words"}),
        json!({"access_token": "shpat_\u{e9}"}),
        json!({"scopes": ["read products"]}),
        json!({"scopes": "read_products"}),
        json!({"method": "oauth"}),
        json!({"method": "password"}),
        json!({"auth_mode": "x"}),
    ] {
        let response = world.hand_over("st-1", with(&changes)).await;
        let shown = body(&response);
        let (code, detail) = (shown["code"].as_str().unwrap(), shown["detail"].as_str().unwrap());
        answers.push_str(&format!("{changes}\n    {} {code}: {detail}\n", response.status_code));
        for secret in [SECRET, "shpat_"] {
            assert!(!response.body.contains(secret), "{}", response.body);
        }
        assert_eq!(world.stored("st-1"), None, "{changes}");
        assert_eq!(world.vault.installs(), vec![], "{changes}");
        assert_eq!(world.connectors.all_loose_ends(), vec![], "{changes}");
        assert_eq!(world.connectors.entries(&store("st-1")), vec![], "{changes}");
        for shop in ["acme", "poor", "alias"] {
            assert_eq!(world.connectors.claim(PROVIDER, &domain(shop)), None, "{changes}: {shop}");
        }
    }
    insta::assert_snapshot!(answers);
}

#[tokio::test]
async fn the_secrets_handed_over_stand_in_the_vault_alone() {
    let world = world();
    world.hand_over("st-1", given()).await;
    let text = world.connectors.dump();
    assert!(text.contains("The acme shop"));
    for secret in [SECRET.to_owned(), KEY.to_owned(), token(&world).await.unwrap()] {
        assert!(!text.contains(&secret), "{text}");
    }
}

#[tokio::test]
async fn a_live_connector_is_replaced_and_the_sweeper_puts_the_old_one_away() {
    let world = world();
    world.connect("st-1", "beta").await;
    let response = world.hand_over("st-1", given()).await;
    assert_eq!(response.status_code, 200, "{}", response.body);
    assert!(world.shop.is_installed(&domain("beta")), "this function may not read the old token");
    world.sweep().await;
    assert!(!world.shop.is_installed(&domain("beta")));
    assert_eq!(world.vault.installs(), vec![world.stored("st-1").unwrap().installation.unwrap().id]);
    assert_eq!(world.connectors.all_loose_ends(), vec![]);
    assert_eq!(outcome(&world.connect("st-2", "beta").await), "connected");
}

#[tokio::test]
async fn disconnecting_deletes_the_token_and_leaves_the_merchants_own_app() {
    let world = world();
    world.hand_over("st-1", given()).await;
    let response = world.drop("st-1").await;
    insta::assert_snapshot!(response.body, @r#"{"state":"inactive","reason":"disconnected"}"#);
    assert!(world.vault.readable_tokens().is_empty());
    assert!(world.shop.is_installed(&domain("acme")));
    assert_eq!(world.shop.count("uninstall"), 0);
    assert_eq!(world.connectors.claim(PROVIDER, &domain("acme")), None);
}

#[tokio::test]
async fn a_crash_at_any_call_leaves_nothing_that_the_sweeper_does_not_clear() {
    let calls = {
        let world = world();
        world.hand_over("st-1", given()).await;
        world.faults.calls().len()
    };
    assert!(calls >= 8, "{calls}");
    for call in 0..calls {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::FailBefore, Fault::FailAfter] {
            let world = world();
            world.faults.at(call, fault);
            world.hand_over("st-1", given()).await;
            world.faults.restart();
            world.later(200);
            world.sweep().await;
            let what = format!("{fault:?} at {call}");
            assert_eq!(world.connectors.all_loose_ends(), vec![], "{what}");
            match world.stored("st-1").and_then(|connector| connector.installation) {
                Some(used) => {
                    assert_eq!(world.vault.installs(), vec![used.id], "{what}");
                    assert_eq!(world.connectors.entries(&store("st-1")).len(), 1, "{what}");
                }
                None => assert_eq!(world.vault.installs(), vec![], "{what}"),
            }
            let again = world.hand_over("st-1", given()).await;
            assert_eq!(again.status_code, 200, "{what}: {}", again.body);
            assert_eq!(world.stored("st-1").unwrap().state(), ConnectorState::Live, "{what}");
        }
    }
}
