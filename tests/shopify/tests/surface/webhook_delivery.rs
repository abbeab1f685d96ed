use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shopify_simulator::apps::hmac_hex;

use crate::support::{CLIENT, READ, Receiver, SECRET, Sim};

fn signature(secret: &str, body: &[u8]) -> String {
    let digest = hmac_hex(secret, std::str::from_utf8(body).unwrap());
    let bytes: Vec<u8> =
        (0..digest.len()).step_by(2).map(|at| u8::from_str_radix(&digest[at..at + 2], 16).unwrap()).collect();
    STANDARD.encode(bytes)
}

#[tokio::test]
async fn a_delivery_is_signed_and_says_what_it_is() {
    let sim = Sim::with("demo").await;
    let receiver = Receiver::of(&sim).await;
    let token = sim.token(&READ).await;
    sim.subscribe(&token, "INVENTORY_LEVELS_UPDATE", json!({"uri": "https://app.example/hooks/k1?x=1"}))
        .await;
    sim.subscribe(&token, "PRODUCTS_UPDATE", json!({"name": "catalogue"})).await;
    let changed = sim.change(json!({"kind": "stock_set", "quantity": 41})).await;
    let deliveries = sim.settled().await;
    assert_eq!(deliveries.len(), 2);

    let received = receiver.received();
    let level =
        received.iter().find(|one| one.header("x-shopify-topic") == "inventory_levels/update").unwrap();
    assert_eq!(level.path, "/inside/hooks/k1?x=1");
    assert_eq!(level.header("x-shopify-hmac-sha256"), signature(SECRET, &level.body));
    assert_eq!(level.header("x-shopify-shop-domain"), "demo.myshopify.com");
    assert_eq!(level.header("x-shopify-api-version"), "2026-07");
    assert!(!level.headers.contains_key("x-shopify-name"));
    assert!(level.header("x-shopify-triggered-at").ends_with('Z'));
    let body = level.json();
    assert_eq!(body["inventory_item_id"], changed["inventory_item"]);
    assert_eq!((&body["location_id"], &body["available"]), (&changed["location"], &json!(41)));
    let item = format!("?inventory_item_id={}", changed["inventory_item"]);
    assert!(body["admin_graphql_api_id"].as_str().unwrap().ends_with(&item), "{body}");

    let product = received.iter().find(|one| one.header("x-shopify-topic") == "products/update").unwrap();
    assert_eq!(product.json()["id"], changed["product"]);
    assert_eq!(product.header("x-shopify-name"), "catalogue");
    assert_eq!(
        product.header("x-shopify-event-id"),
        level.header("x-shopify-event-id"),
        "one action, one event"
    );
    assert_ne!(product.header("x-shopify-webhook-id"), level.header("x-shopify-webhook-id"));
    let attempt = &deliveries[0]["attempts"][0];
    assert_eq!((&attempt["status"], &deliveries[0]["state"]), (&json!(200), &json!("delivered")));
    assert!(attempt["ms"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn each_change_is_told_under_its_topic() {
    let sim = Sim::with("demo").await;
    let receiver = Receiver::of(&sim).await;
    let token = sim.token(&READ).await;
    let topics = [
        ("title", "PRODUCTS_UPDATE", "products/update"),
        ("product_create", "PRODUCTS_CREATE", "products/create"),
        ("product_delete", "PRODUCTS_DELETE", "products/delete"),
        ("collection_add_product", "COLLECTIONS_UPDATE", "collections/update"),
        ("collection_create", "COLLECTIONS_CREATE", "collections/create"),
        ("collection_delete", "COLLECTIONS_DELETE", "collections/delete"),
        ("level_remove", "INVENTORY_LEVELS_DISCONNECT", "inventory_levels/disconnect"),
        ("variant_add", "INVENTORY_LEVELS_CONNECT", "inventory_levels/connect"),
        ("sku", "INVENTORY_ITEMS_UPDATE", "inventory_items/update"),
        ("location_rename", "LOCATIONS_UPDATE", "locations/update"),
        ("location_create", "LOCATIONS_CREATE", "locations/create"),
        ("shop_rename", "SHOP_UPDATE", "shop/update"),
    ];
    for (_, topic, _) in topics {
        assert_eq!(sim.subscribe(&token, topic, Value::Null).await["userErrors"], json!([]), "{topic}");
    }
    for (kind, _, name) in topics {
        let before = receiver.of_topic(name).len();
        let changed = sim.change(json!({ "kind": kind })).await;
        sim.settled().await;
        let told = receiver.of_topic(name);
        assert_eq!(told.len(), before + 1, "{kind} is told as {name}");
        let (body, subject) = (told.last().unwrap(), name.split('/').next().unwrap());
        let id = match subject {
            "products" => &changed["product"],
            "collections" => &changed["collection"],
            "locations" => &changed["location"],
            "inventory_items" => &changed["inventory_item"],
            "inventory_levels" => {
                assert_eq!(body["inventory_item_id"], changed["inventory_item"]);
                continue;
            }
            _ => {
                assert_eq!(body["name"], changed["after"]);
                continue;
            }
        };
        assert_eq!(body["id"], *id, "{kind}");
        let parts = body.as_object().unwrap().len();
        assert_eq!(parts == 1, name.ends_with("/delete"), "{kind}: of what is deleted only the id is left");
    }
}

#[tokio::test]
async fn the_end_of_a_bulk_operation_is_told_to_its_app() {
    let sim = Sim::with("demo").await;
    let receiver = Receiver::of(&sim).await;
    let token = sim.token(&READ).await;
    sim.subscribe(&token, "BULK_OPERATIONS_FINISH", Value::Null).await;
    sim.faults(json!({"bulk_stall": true})).await;
    let query = "{ products { edges { node { id } } } }";
    let started = sim.start(&token, query, false).await;
    assert_eq!(sim.settled().await.len(), 0, "it has not finished");
    sim.faults(json!({})).await;
    sim.until(|all| !all.is_empty()).await;
    sim.settled().await;
    let told = receiver.of_topic("bulk_operations/finish");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["admin_graphql_api_id"], started["bulkOperation"]["id"]);
    assert_eq!((&told[0]["status"], &told[0]["type"]), (&json!("completed"), &json!("query")));
    assert_eq!(sim.poll(&token, &started["bulkOperation"]["id"]).await["status"], "COMPLETED");
}

#[tokio::test]
async fn an_uninstall_is_told_although_the_tokens_are_dead() {
    let sim = Sim::with("demo").await;
    let receiver = Receiver::of(&sim).await;
    for round in 1..=3 {
        let token = sim.token(&READ).await;
        sim.subscribe(&token, "APP_UNINSTALLED", Value::Null).await;
        match round {
            1 => {
                let mutation = "mutation { appUninstall { userErrors { code } } }";
                sim.data(&token, mutation, Value::Null).await;
            }
            2 => {
                let delete = sim.client.delete(sim.url("/admin/api_permissions/current.json"));
                delete.header("X-Shopify-Access-Token", &token).send().await.unwrap();
            }
            _ => {
                sim.control("POST", "/shops/demo/uninstall", json!({"client_id": CLIENT})).await;
            }
        }
        sim.settled().await;
        let told = receiver.of_topic("app/uninstalled");
        assert_eq!(told.len(), round);
        assert_eq!(told[round - 1]["myshopify_domain"], "demo.myshopify.com");
        let left = sim.control("GET", "/shops/demo/webhooks", Value::Null).await;
        assert_eq!(left, json!([]), "subscriptions vanish with the app");
    }
}

#[tokio::test]
async fn a_shop_is_to_be_forgotten_two_days_after_an_uninstall_unless_it_came_back() {
    let sim = Sim::with("demo").await;
    let receiver = Receiver::of(&sim).await;
    sim.control(
        "PATCH",
        &format!("/apps/{CLIENT}"),
        json!({"compliance_uri": "https://app.example/privacy"}),
    )
    .await;
    let advance =
        async |seconds: i64| sim.control("POST", "/clock", json!({"advance_seconds": seconds})).await;
    sim.token(&READ).await;
    sim.control("POST", "/shops/demo/uninstall", Value::Null).await;
    advance(100_000).await;
    sim.token(&READ).await;
    advance(100_000).await;
    sim.control("POST", "/shops/demo/uninstall", Value::Null).await;
    advance(172_700).await;
    assert_eq!(sim.settled().await.len(), 0);
    advance(200).await;
    sim.until(|all| !all.is_empty()).await;
    sim.settled().await;
    let told = receiver.received();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].path, "/inside/privacy");
    let id = sim.simulator().shop("demo").unwrap().snapshot().shop.id;
    assert_eq!(told[0].json(), json!({"shop_id": id, "shop_domain": "demo.myshopify.com"}));
    assert_eq!(told[0].header("x-shopify-hmac-sha256"), signature(SECRET, &told[0].body));
}

#[tokio::test]
async fn compliance_requests_go_to_the_address_in_the_settings() {
    let sim = Sim::with("demo").await;
    let receiver = Receiver::of(&sim).await;
    sim.control(
        "PATCH",
        &format!("/apps/{CLIENT}"),
        json!({"compliance_uri": "https://app.example/privacy"}),
    )
    .await;
    for topic in ["customers/data_request", "customers/redact"] {
        sim.control("POST", "/shops/demo/deliver", json!({ "topic": topic })).await;
        sim.settled().await;
        let told = receiver.of_topic(topic);
        assert_eq!((told.len(), &told[0]["shop_domain"]), (1, &json!("demo.myshopify.com")));
        assert!(told[0]["customer"]["id"].is_u64());
    }
}

#[tokio::test]
async fn deliveries_can_be_late_reordered_doubled_and_lost() {
    let sim = Sim::with("demo").await;
    let receiver = Receiver::of(&sim).await;
    let token = sim.token(&READ).await;
    sim.subscribe(&token, "SHOP_UPDATE", json!({"includeFields": ["name"]})).await;
    let rename = async |name: &str| sim.change(json!({"kind": "shop_rename", "value": name})).await;
    let names =
        || receiver.of_topic("shop/update").iter().map(|body| body["name"].clone()).collect::<Vec<_>>();
    sim.faults(json!({"hold_webhooks": true})).await;
    rename("first").await;
    rename("second").await;
    let held = sim.settled().await;
    assert_eq!((held.len(), &held[0]["state"]), (2, &json!("held")));
    assert_eq!(names(), Vec::<Value>::new());
    let order = json!({"order": "reversed"});
    let released = sim.control("POST", "/shops/demo/deliveries/release", order).await;
    assert_eq!(released["released"], json!([held[1]["webhook_id"], held[0]["webhook_id"]]));
    assert_eq!(names(), ["second", "first"]);
    let received = receiver.received();
    assert!(received[0].header("x-shopify-triggered-at") > received[1].header("x-shopify-triggered-at"));

    rename("third").await;
    assert_eq!(sim.settled().await[2]["state"], "held");
    sim.faults(json!({"duplicate_webhooks": 1})).await;
    rename("fourth").await;
    sim.settled().await;
    assert_eq!(names().iter().filter(|name| *name == "third").count(), 1);
    assert_eq!(names().iter().filter(|name| *name == "fourth").count(), 2);
    sim.faults(json!({"lose_webhooks": true})).await;
    rename("fifth").await;
    assert_eq!(sim.settled().await[4]["state"], "lost");
    assert!(!names().contains(&json!("fifth")));

    let path = format!("/shops/demo/deliveries/{}/redeliver", held[0]["webhook_id"].as_str().unwrap());
    sim.control("POST", &path, Value::Null).await;
    let attempts = sim.settled().await[0]["attempts"].as_array().unwrap().len();
    assert_eq!(attempts, 2);
    let again = receiver.received().last().unwrap().clone();
    assert_eq!(again.json()["name"], "first");
    assert_eq!(again.header("x-shopify-webhook-id"), received[1].header("x-shopify-webhook-id"));
}

#[tokio::test]
async fn deliveries_by_hand_can_be_forged_and_dated_back() {
    let sim = Sim::with("demo").await;
    let receiver = Receiver::of(&sim).await;
    let wanted = json!({
        "topic": "app/uninstalled", "uri": format!("{}/direct", receiver.address()), "secret": "stolen",
        "webhook_id": "w-1", "event_id": "e-1", "triggered_at": "2026-01-02T03:04:05Z", "payload": {"id": 1},
    });
    for _ in 0..2 {
        sim.control("POST", "/shops/demo/deliver", wanted.clone()).await;
    }
    sim.settled().await;
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    for one in received {
        assert_eq!((one.path.as_str(), &one.body[..]), ("/inside/direct", &b"{\"id\":1}"[..]));
        assert_eq!(one.header("x-shopify-hmac-sha256"), signature("stolen", &one.body));
        assert_eq!(one.header("x-shopify-webhook-id"), "w-1");
        assert_eq!(one.header("x-shopify-triggered-at"), "2026-01-02T03:04:05Z");
    }
}

#[tokio::test]
async fn webhooks_may_be_signed_by_the_secret_before_the_rotation() {
    let sim = Sim::with("demo").await;
    let receiver = Receiver::of(&sim).await;
    let token = sim.token(&READ).await;
    sim.subscribe(&token, "SHOP_UPDATE", Value::Null).await;
    let patch = async |change: Value| sim.control("PATCH", &format!("/apps/{CLIENT}"), change).await;
    let signed_by = async |secret: &str| {
        sim.change(json!({"kind": "shop_rename"})).await;
        sim.settled().await;
        let last = receiver.received().last().unwrap().clone();
        last.header("x-shopify-hmac-sha256") == signature(secret, &last.body)
    };
    patch(json!({"secret": "fresh", "previous_secret": SECRET, "webhooks_signed_by": "previous"})).await;
    assert!(signed_by(SECRET).await);
    patch(json!({"webhooks_signed_by": "current"})).await;
    assert!(signed_by("fresh").await, "and the token from before the rotation still works");
}
