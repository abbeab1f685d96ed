//! The way of each stream there and back.

use serde_json::{Value, json};
use shared::domain::push::run::PushRun;
use shared::domain::push::target::Stream;

use crate::pipeline::{Store, counts, example};

/// Rows of products, two of each.
pub fn products(how_many: usize, price: &str) -> Value {
    let row = |number: usize, size: &str| {
        json!({
            "product_id": format!("P-{number}"), "name": format!("Shirt {number}"), "body": "<p>Soft</p>",
            "tag_list": "new,soft", "care": "wash", "size": size, "color": "red",
            "sku": format!("SKU-{number}-{size}"), "price": price,
        })
    };
    (0..how_many).flat_map(|number| ["S", "M"].map(|size| row(number, size))).collect()
}

pub fn customers(how_many: usize) -> Value {
    let row = |number: usize| {
        json!({
            "crm_id": format!("C-{number}"), "email": format!("person{number}@example.com"), "first": "Ada",
            "last": format!("L{number}"), "note": "hello", "tier": "Gold", "ltv": "17.5", "city": "Paris",
            "country": "FR",
        })
    };
    (0..how_many).map(row).collect()
}

/// Orders of what `products(1, ..)` brings.
pub fn orders(how_many: usize) -> Value {
    let row = |number: usize| {
        json!({
            "order_no": format!("O-{number}"), "placed_at": "2026-09-01T10:00:00Z", "currency": "EUR",
            "email": format!("person{number}@example.com"),
            "lines": [{"sku": "SKU-0-S", "qty": 2, "unit_price": "10.00"}],
            "payments": [{"amount": "20.00"}],
        })
    };
    (0..how_many).map(row).collect()
}

/// Writes rows twice: what is there is not written again.
async fn twice(store: &Store, stream: Stream, rows: &Value) -> PushRun {
    let run = store.write(stream, rows).await;
    let made = store.world.mutations().await;
    let again = store.write(stream, rows).await;
    let [created, updated, _, _, failed, pending] = counts(&again);
    assert_eq!([created, updated, failed, pending], [0; 4], "{:#?}", store.lines(&again));
    assert_eq!(store.world.mutations().await, made, "a second run of the same rows writes nothing");
    run
}

#[tokio::test]
async fn products_are_made_once_and_taken_back() {
    let store = Store::new().await;
    let rows = products(3, "12.50");
    let run = twice(&store, Stream::Products, &rows).await;
    assert_eq!(counts(&run), [6, 0, 0, 0, 0, 0], "{:#?}", store.lines(&run));
    let there = store.world.rows("products").await;
    assert_eq!(there.len(), 3);
    for product in &there {
        assert_eq!(
            (&product["status"], &product["variants"], &product["metafields"]["custom.care_guide"]),
            (&json!("DRAFT"), &json!(2), &json!("wash")),
            "{product}"
        );
    }
    let undone = store.undo(&run).await;
    assert_eq!(counts(&undone)[4..], [0, 0], "{:#?}", store.lines(&undone));
    assert_eq!(store.world.rows("products").await, Vec::<Value>::new());
}

#[tokio::test]
async fn customers_are_made_once_and_taken_back() {
    let store = Store::new().await;
    let run = twice(&store, Stream::Customers, &customers(3)).await;
    assert_eq!(counts(&run), [3, 0, 0, 0, 0, 0], "{:#?}", store.lines(&run));
    let there = store.world.rows("customers").await;
    assert_eq!(there.len(), 3);
    for customer in &there {
        assert_eq!(
            (&customer["tags"], &customer["addresses"]),
            (&json!(["tier-gold"]), &json!(1)),
            "{customer}"
        );
        assert_eq!(customer["metafields"]["crm.lifetime_value"], "17.5", "{customer}");
    }
    let undone = store.undo(&run).await;
    assert_eq!(counts(&undone)[4..], [0, 0], "{:#?}", store.lines(&undone));
    assert_eq!(store.world.rows("customers").await, Vec::<Value>::new());
}

#[tokio::test]
async fn orders_are_made_once_and_taken_back() {
    let store = Store::new().await;
    store.write(Stream::Products, &products(1, "12.50")).await;
    let run = twice(&store, Stream::Orders, &orders(3)).await;
    assert_eq!(counts(&run), [3, 0, 0, 0, 0, 0], "{:#?}", store.lines(&run));
    let there = store.world.rows("orders").await;
    assert_eq!(there.len(), 3);
    for order in &there {
        assert_eq!((&order["total"], &order["mails"]), (&json!("20.00"), &json!([])), "{order}");
    }
    let undone = store.undo(&run).await;
    assert_eq!(counts(&undone)[4..], [0, 0], "{:#?}", store.lines(&undone));
    assert_eq!(store.world.rows("orders").await, Vec::<Value>::new());
}

/// A shop with two variants that count their stock, and the name of its place.
pub async fn stocked(store: &Store) -> String {
    store.write(Stream::Products, &products(1, "12.50")).await;
    let tracked = json!([{"sku": "SKU-0-S", "price": "13.00"}, {"sku": "SKU-0-M", "price": "13.00"}]);
    let run = store.write(Stream::ProductVariants, &tracked).await;
    assert_eq!(counts(&run), [0, 2, 0, 0, 0, 0], "{:#?}", store.lines(&run));
    let answer = store.world.query("{ locations(first: 1) { nodes { name } } }", json!({})).await;
    answer["data"]["locations"]["nodes"][0]["name"].as_str().unwrap().to_owned()
}

pub async fn stock(store: &Store) -> Vec<i64> {
    let query = "{ productVariants(first: 5) { nodes { sku inventoryQuantity } } }";
    let answer = store.world.query(query, json!({})).await;
    let variants = answer["data"]["productVariants"]["nodes"].as_array().unwrap();
    variants.iter().map(|one| one["inventoryQuantity"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn stock_is_set_once_and_given_back() {
    let store = Store::new().await;
    let place = stocked(&store).await;
    let rows = json!([
        {"sku": "SKU-0-S", "warehouse": place, "qty": 4}, {"sku": "SKU-0-M", "warehouse": place, "qty": 5},
        {"sku": "no such", "warehouse": place, "qty": 6},
    ]);
    let run = store.write(Stream::InventoryLevels, &rows).await;
    assert_eq!(counts(&run), [0, 2, 0, 0, 1, 0], "{:#?}", store.lines(&run));
    assert_eq!((store.codes(&run)[&2].as_str(), stock(&store).await), ("NOT_FOUND", vec![4, 5]));
    let made = store.world.mutations().await;
    let again = store.write(Stream::InventoryLevels, &rows).await;
    assert_eq!((counts(&again), store.world.mutations().await), ([0, 0, 2, 0, 1, 0], made));
    let undone = store.undo(&run).await;
    assert_eq!(counts(&undone)[4..], [0, 0], "{:#?}", store.lines(&undone));
    assert_eq!(stock(&store).await, [0, 0]);
}

#[tokio::test]
async fn a_plan_changes_nothing_and_what_it_told_is_what_is_changed() {
    let store = Store::new().await;
    store.write(Stream::Products, &products(3, "12.50")).await;
    let made = store.world.mutations().await;
    let rows = products(4, "14.00");
    let plan = store.plan(Stream::Products, &rows).await;
    assert_eq!(counts(&plan), [2, 6, 0, 0, 0, 0], "{:#?}", store.lines(&plan));
    assert_eq!(store.world.mutations().await, made, "a plan writes nothing");
    let applied = store.apply(&plan).await;
    assert_eq!(counts(&applied), counts(&plan), "{:#?}", store.lines(&applied));
    assert_eq!(store.images(&applied), store.images(&plan), "what was told is what was changed");
    let variants = store.world.rows("variants").await;
    assert_eq!(variants.len(), 8);
    assert!(variants.iter().all(|one| one["price"] == "14.00"), "{variants:#?}");
    let back = store.undo(&applied).await;
    assert_eq!(counts(&back)[4..], [0, 0], "{:#?}", store.lines(&back));
    let variants = store.world.rows("variants").await;
    assert_eq!(variants.len(), 6, "the new product is gone");
    assert!(variants.iter().all(|one| one["price"] == "12.50"), "{variants:#?}");
}

/// The mapping of an example with more fields, and with these options.
fn with(stream: Stream, fields: Value, options: Value) -> Value {
    let mut document = example(stream);
    document["fields"].as_array_mut().unwrap().extend(fields.as_array().unwrap().iter().cloned());
    if !document["options"].is_object() {
        document["options"] = json!({});
    }
    let all = document["options"].as_object_mut().unwrap();
    all.extend(options.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.clone())));
    document
}

#[tokio::test]
async fn orders_are_moved_on_by_a_mapping_that_allows_it_and_stay_moved() {
    let store = Store::new().await;
    store.write(Stream::Products, &products(1, "12.50")).await;
    let fields = json!([
        {"to": "fulfillmentStatus", "from": "sent", "on": "update"}, {"to": "cancelReason", "from": "cancelled"},
    ]);
    let forbidding = with(Stream::Orders, fields.clone(), json!({}));
    store.save(Stream::Orders, &forbidding).await;
    let mut rows = orders(3);
    store.write(Stream::Orders, &rows).await;
    rows[0]["sent"] = json!("fulfilled");
    rows[1]["cancelled"] = json!("customer");
    let refused = store.write(Stream::Orders, &rows).await;
    assert_eq!(counts(&refused), [0, 0, 1, 0, 2, 0], "{:#?}", store.lines(&refused));
    assert!(store.codes(&refused).values().all(|code| code == "UNSUPPORTED_CHANGE"));
    let allowing = with(Stream::Orders, fields, json!({"allowFulfilled": true, "allowCancelled": true}));
    store.save(Stream::Orders, &allowing).await;
    let run = twice(&store, Stream::Orders, &rows).await;
    assert_eq!(counts(&run), [0, 2, 1, 0, 0, 0], "{:#?}", store.lines(&run));
    let there = store.world.rows("orders").await;
    let state = |key: &str| {
        let one = there.iter().find(|one| one["source_identifier"] == key).unwrap();
        (one["fulfillment_status"].clone(), one["cancelled"].clone())
    };
    assert_eq!(state("O-0"), (json!("FULFILLED"), json!(false)));
    assert_eq!(state("O-1"), (json!("UNFULFILLED"), json!(true)));
    let undone = store.undo(&run).await;
    assert_eq!(
        counts(&undone)[4],
        2,
        "there is no way back, and each row tells: {:#?}",
        store.lines(&undone)
    );
}

#[tokio::test]
async fn consent_is_put_down_by_a_mapping_that_allows_it() {
    let store = Store::new().await;
    let fields = json!([
        {"to": "emailMarketingConsent.marketingState", "from": "consent"},
        {"to": "emailMarketingConsent.consentUpdatedAt", "from": "consent_at"},
    ]);
    store.save(Stream::Customers, &with(Stream::Customers, fields, json!({"allowConsent": true}))).await;
    let mut rows = customers(2);
    rows[0]["consent"] = json!("subscribed");
    rows[0]["consent_at"] = json!("2026-05-01 10:00:00");
    let run = twice(&store, Stream::Customers, &rows).await;
    assert_eq!(counts(&run), [2, 0, 0, 0, 0, 0], "{:#?}", store.lines(&run));
    let there = store.world.rows("customers").await;
    let state =
        |email: &str| there.iter().find(|one| one["email"] == email).unwrap()["email_consent"].clone();
    assert_eq!(state("person0@example.com"), "SUBSCRIBED");
    assert_eq!(
        state("person1@example.com"),
        "NOT_SUBSCRIBED",
        "where a row says nothing, nothing is inferred"
    );
}

#[tokio::test]
async fn a_row_waits_while_the_shop_takes_in_files_and_takes_none_in_twice() {
    let store = Store::new().await;
    let file =
        json!({"to": "files[]", "each": "json:images", "fields": [{"to": "originalSource", "from": "src"}]});
    store.save(Stream::Products, &with(Stream::Products, json!([file]), json!({}))).await;
    let rows = |names: &[&str]| {
        let images: Vec<Value> =
            names.iter().map(|name| json!({"src": format!("https://img.example/{name}.jpg")})).collect();
        let mut rows = products(1, "12.50");
        rows.as_array_mut().unwrap().iter_mut().for_each(|row| row["images"] = json!(images));
        rows
    };
    store.write(Stream::Products, &rows(&["front"])).await;
    let run = twice(&store, Stream::Products, &rows(&["front", "back"])).await;
    assert_eq!(counts(&run), [0, 2, 0, 0, 0, 0], "{:#?}", store.lines(&run));
    let answer = store
        .world
        .query("{ products(first: 1) { nodes { media(first: 9) { nodes { id } } } } }", json!({}))
        .await;
    assert_eq!(answer["data"]["products"]["nodes"][0]["media"]["nodes"].as_array().unwrap().len(), 2);
}
