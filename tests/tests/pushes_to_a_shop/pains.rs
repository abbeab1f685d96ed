//! What goes wrong on the way: someone else changes the shop, answers are lost, points run out, rights are taken away.
//! Tests that carry a number are what users of such tools complain about, by the list in `docs/push.md`.

use serde_json::{Value, json};
use shared::domain::push::run::PushState;
use shared::domain::push::target::Stream;

use crate::pipeline::{Store, counts, example};
use crate::runs::{customers, orders, products, stock, stocked};

#[tokio::test]
async fn what_the_shop_changed_after_the_plan_is_not_overwritten() {
    let store = Store::new().await;
    store.write(Stream::Products, &products(2, "12.50")).await;
    let mut rows = products(2, "12.50");
    for row in rows.as_array_mut().unwrap() {
        row["name"] = json!("Renamed");
    }
    let plan = store.plan(Stream::Products, &rows).await;
    let first = store.world.rows("products").await[0]["id"].clone();
    let change = json!([{"kind": "title", "product": first, "value": "By hand"}]);
    store.world.control("POST", "/shops/demo/changes", change).await;
    let applied = store.apply(&plan).await;
    assert_eq!(counts(&applied), [0, 2, 0, 0, 2, 0], "{:#?}", store.lines(&applied));
    let codes = store.codes(&applied);
    assert!(codes.len() == 2 && codes.values().all(|code| code == "CHANGED_SINCE_PLAN"), "{codes:?}");
    let mut titles: Vec<Value> =
        store.world.rows("products").await.iter().map(|one| one["title"].clone()).collect();
    titles.sort_by_key(Value::to_string);
    assert_eq!(titles, ["By hand", "Renamed"]);
}

#[tokio::test]
async fn what_failed_is_written_by_a_replay_and_the_rest_left_alone() {
    let store = Store::new().await;
    store.write(Stream::Products, &products(1, "12.50")).await;
    let mut rows = orders(3);
    rows[1]["lines"][0]["sku"] = json!("SKU-1-S");
    let run = store.write(Stream::Orders, &rows).await;
    assert_eq!(counts(&run), [2, 0, 0, 0, 1, 0], "{:#?}", store.lines(&run));
    assert_eq!(store.codes(&run)[&1], "NOT_FOUND");
    store.write(Stream::Products, &products(2, "12.50")).await;
    let replayed = store.replay(&run).await;
    assert_eq!(counts(&replayed), [1, 0, 0, 0, 0, 0], "{:#?}", store.lines(&replayed));
    assert_eq!(store.world.rows("orders").await.len(), 3);
}

#[tokio::test]
async fn lost_answers_double_nothing_and_lose_nothing() {
    let store = Store::new().await;
    store.world.faults(json!({"lost_mutation_answer": 0.3, "search_lag_seconds": 60})).await;
    for (stream, rows, resource, of) in [
        (Stream::Products, products(6, "12.50"), "products", 12),
        (Stream::Customers, customers(6), "customers", 6),
        (Stream::Orders, orders(12), "orders", 12),
    ] {
        let run = store.write(stream, &rows).await;
        assert_eq!(counts(&run), [of, 0, 0, 0, 0, 0], "{:#?}", store.lines(&run));
        let wanted = if stream == Stream::Products { 6 } else { rows.as_array().unwrap().len() };
        assert_eq!(store.world.rows(resource).await.len(), wanted);
    }
    store.world.faults(json!({})).await;
    let made = store.world.mutations().await;
    for (stream, rows) in [
        (Stream::Products, products(6, "12.50")),
        (Stream::Customers, customers(6)),
        (Stream::Orders, orders(12)),
    ] {
        store.write(stream, &rows).await;
    }
    assert_eq!(store.world.mutations().await, made, "everything was written in full");
}

#[tokio::test]
async fn a_lost_answer_about_stock_sets_it_once() {
    let store = Store::new().await;
    let place = stocked(&store).await;
    store.world.faults(json!({"lost_mutation_answer": 1})).await;
    let rows = json!([{"sku": "SKU-0-S", "warehouse": place, "qty": 4}]);
    let run = store.write(Stream::InventoryLevels, &rows).await;
    assert_eq!(counts(&run), [0, 1, 0, 0, 0, 0], "{:#?}", store.lines(&run));
    assert_eq!(stock(&store).await, [4, 0]);
}

#[tokio::test]
async fn a_shop_with_few_points_is_waited_for_and_no_row_fails() {
    let store = Store::new().await;
    let small = json!({"bucket": {"maximum": 200, "restore": 10}});
    store.world.control("PUT", "/shops/demo/plan", small).await;
    let begun = shared::ports::time::Clock::now(&store.clock);
    let run = store.write(Stream::Products, &products(12, "12.50")).await;
    assert_eq!(counts(&run), [24, 0, 0, 0, 0, 0], "{:#?}", store.lines(&run));
    assert_eq!(store.world.rows("products").await.len(), 12);
    let took = shared::ports::time::Clock::now(&store.clock).duration_since(begun);
    assert!(took.as_secs() > 10, "points were waited for: {took}");
}

#[tokio::test]
async fn rows_about_customers_wait_until_the_app_may_see_them() {
    let store = Store::new().await;
    store.world.control("PATCH", "/apps/app", json!({"denied_customer_data": ["all"]})).await;
    let run = store.write(Stream::Customers, &customers(3)).await;
    assert_eq!((run.state, counts(&run)), (PushState::Stopped, [0, 0, 0, 0, 0, 3]), "{run:#?}");
    assert_eq!(run.stopped.as_ref().unwrap().code, "PROTECTED_DATA_DENIED");
    store.world.control("PATCH", "/apps/app", json!({"denied_customer_data": []})).await;
    let replayed = store.replay(&run).await;
    assert_eq!(counts(&replayed), [3, 0, 0, 0, 0, 0], "{:#?}", store.lines(&replayed));
}

#[tokio::test]
async fn a_right_that_was_taken_away_stops_the_run() {
    let store = Store::new().await;
    let left = json!({"scopes": ["read_products"]});
    store.world.control("PUT", "/shops/demo/installs/app/scopes", left).await;
    let run = store.write(Stream::Products, &products(2, "12.50")).await;
    assert_eq!((run.state, counts(&run)), (PushState::Stopped, [0, 0, 0, 0, 0, 4]), "{run:#?}");
    assert_eq!(run.stopped.as_ref().unwrap().code, "SCOPE_MISSING");
    assert_eq!(store.world.rows("products").await.len(), 0);
}

/// What lies at each place of an item, by the name of the place.
async fn lies(store: &Store, sku: &str) -> Value {
    let query = "query($q: String!) { productVariants(first: 1, query: $q) { nodes { inventoryItem {
        inventoryLevels(first: 20) { nodes { location { name } quantities(names: [\"available\"]) { quantity } } } } } } }";
    let answer = store.world.query(query, json!({"q": format!("sku:'{sku}'")})).await;
    let levels = &answer["data"]["productVariants"]["nodes"][0]["inventoryItem"]["inventoryLevels"]["nodes"];
    let level = |one: &Value| {
        let name = one["location"]["name"].as_str().unwrap().to_owned();
        (name, one["quantities"][0]["quantity"].clone())
    };
    Value::Object(levels.as_array().unwrap().iter().map(level).collect())
}

/// Items that are not stocked at a place, places of a fulfilment service, places of one name, stock that moved since the
/// last run, and levels by the hundred.
#[tokio::test]
async fn pain_07_stock_has_rules_of_its_own_and_each_row_tells_which_it_met() {
    let store = Store::of("demo").await;
    let mut document = example(Stream::Products);
    let fields = document["fields"].as_array_mut().unwrap();
    let variants = fields.iter_mut().find(|field| field["to"] == "variants[]").unwrap();
    let tracked = json!({"to": "inventoryItem.tracked", "const": true});
    variants["fields"].as_array_mut().unwrap().push(tracked);
    store.map(Stream::Products, 2, document).await;
    let many = |product: usize| {
        let mut rows = products(1, "12.50").as_array().unwrap()[0].clone();
        rows["product_id"] = json!(format!("P-{product}"));
        rows["name"] = json!(format!("Shirt {product}"));
        (0..90).map(move |size| {
            let mut row = rows.clone();
            row["size"] = json!(format!("{size}"));
            row["sku"] = json!(format!("S-{product}-{size}"));
            row
        })
    };
    let rows: Vec<Value> = (0..3).flat_map(many).collect();
    let made = store.write(Stream::Products, &json!(rows)).await;
    assert_eq!(counts(&made), [270, 0, 0, 0, 0, 0], "{:#?}", store.lines(&made));
    let (home, service, twice) = ("Kontor Speicherstadt", "PacketPort", "Laden");
    let change = json!([{"kind": "location_create", "value": "Depot"}]);
    store.world.control("POST", "/shops/demo/changes", change).await;
    let level = |sku: &str, place: &str| json!({"sku": sku, "warehouse": place, "qty": 4});
    let mut levels: Vec<Value> = rows.iter().map(|row| level(row["sku"].as_str().unwrap(), home)).collect();
    levels.extend([level("S-0-0", "Depot"), level("S-0-1", service), level("S-0-2", twice)]);
    let levels = json!(levels);
    let run = store.write(Stream::InventoryLevels, &levels).await;
    assert_eq!(counts(&run), [0, 271, 0, 0, 2, 0], "{:#?}", store.lines(&run));
    let codes = store.codes(&run);
    assert_eq!((codes[&271].as_str(), codes[&272].as_str()), ("REFUSED", "AMBIGUOUS"));
    let told = store.lines(&run).into_iter().find(|line| line.seq == 271).unwrap().error.unwrap();
    assert!(told.message.contains("fulfillment service"), "the shop's own words tell why: {told:?}");
    assert_eq!(lies(&store, "S-0-0").await, json!({home: 4, "Depot": 4}));
    let calls = store.world.control("GET", "/shops/demo/calls", Value::Null).await;
    assert_eq!(calls["mutations"]["inventorySetQuantities"], 2, "270 levels in two calls: {calls:#}");

    let moved = json!([{"kind": "stock_set", "variant": variant(&store, "S-0-0").await, "quantity": 1}]);
    store.world.control("POST", "/shops/demo/changes", moved).await;
    let again = store.write(Stream::InventoryLevels, &levels).await;
    assert_eq!(
        counts(&again)[..3],
        [0, 1, 270],
        "what was written once is compared with what lies there now"
    );
    assert_eq!(lies(&store, "S-0-0").await, json!({home: 4, "Depot": 4}));
}

/// The number of the variant with this key.
async fn variant(store: &Store, sku: &str) -> Value {
    let variants = store.world.rows("variants").await;
    variants.into_iter().find(|one| one["sku"] == sku).unwrap()["id"].clone()
}

/// Tokens that never expire are refused one day: nothing is lost by it, and everything goes on after a reconnect.
#[tokio::test]
async fn pain_08_a_kind_of_token_that_is_gone_stops_the_run_and_costs_no_row() {
    let store = Store::new().await;
    let place = stocked(&store).await;
    store.world.control("PATCH", "/apps/app", json!({"require_expiring": true})).await;
    let row = |sku: &str| json!({"sku": sku, "warehouse": place, "qty": 4});
    let rows = json!([row("SKU-0-S"), row("SKU-0-M")]);
    let run = store.write(Stream::InventoryLevels, &rows).await;
    assert_eq!((run.state, counts(&run)), (PushState::Stopped, [0, 0, 0, 0, 0, 2]), "{run:#?}");
    assert_eq!(run.stopped.as_ref().unwrap().code, "TOKEN_INVALID");
    let wanted = json!({"client_id": "app", "expiring": true});
    let issued = store.world.control("POST", "/shops/demo/installs", wanted).await;
    store.reconnect(issued["access_token"].as_str().unwrap()).await;
    let replayed = store.replay(&run).await;
    assert_eq!(counts(&replayed), [0, 2, 0, 0, 0, 0], "{:#?}", store.lines(&replayed));
    store.world.control("PATCH", "/apps/app", json!({"require_expiring": false})).await;
    assert_eq!(stock(&store).await, [4, 4]);
}

/// Fields of the merchant's own are told by `discover`, accepted by name and written; nobody has to be asked for them.
#[tokio::test]
async fn pain_10_a_field_of_the_merchants_own_is_discovered_mapped_and_written() {
    let store = Store::new().await;
    let told = |discovered: &shared::app::destination::Discovered| {
        let products = discovered.streams.iter().find(|stream| stream.name == Stream::Products).unwrap();
        products.json_schema["properties"]["metafields.specs.weight_kg"].clone()
    };
    assert_eq!(told(&store.discover().await), Value::Null);
    store.define("PRODUCT", "specs", "weight_kg", "number_decimal").await;
    assert_eq!(told(&store.discover().await)["metafield_type"], "number_decimal");
    let mut document = example(Stream::Products);
    let fields = document["fields"].as_array_mut().unwrap();
    fields.push(json!({"to": "metafields.specs.weight_kg", "from": "weight"}));
    store.save(Stream::Products, &document).await;
    let mut rows = products(1, "12.50");
    for row in rows.as_array_mut().unwrap() {
        row["weight"] = json!(1.25);
    }
    let run = store.write(Stream::Products, &rows).await;
    assert_eq!(counts(&run), [2, 0, 0, 0, 0, 0], "{:#?}", store.lines(&run));
    assert_eq!(store.world.rows("products").await[0]["metafields"]["specs.weight_kg"], "1.25");
}

#[tokio::test]
async fn asking_costs_next_to_nothing_and_tells_what_the_shop_has() {
    let store = Store::of("demo").await;
    let before = store.world.mutations().await;
    let check = store.check().await;
    let spent = check.points_spent.unwrap();
    assert_eq!(spent, 5);
    let bucket = check.bucket.unwrap();
    assert_eq!((bucket.maximum, bucket.available, bucket.restored_a_second), (20_000, 20_000 - spent, 1_000));
    assert_eq!(store.world.mutations().await, before);
    let discovered = store.discover().await;
    let levels = discovered.streams.iter().find(|stream| stream.name == Stream::InventoryLevels).unwrap();
    let places = &levels.json_schema["properties"]["location"]["enum"];
    assert_eq!(
        *places,
        json!(["Kontor Speicherstadt", "Laden", "PacketPort"]),
        "those that are open, each name once"
    );
}
