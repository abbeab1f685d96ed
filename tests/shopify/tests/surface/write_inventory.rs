use std::sync::Arc;

use serde_json::{Value, json};
use shopify_simulator::model::{Level, Shop};
use shopify_simulator::seed::Seed;

use crate::support::{Receiver, Sim, WRITE, codes};

const SET: &str = "mutation($input: InventorySetQuantitiesInput!, $key: String!) {
    inventorySetQuantities(input: $input) @idempotent(key: $key) {
        inventoryAdjustmentGroup { id reason changes { name delta quantityAfterChange item { id } location { id } } }
        userErrors { field message code } } }";

/// Some shops' worth of stock: the shop with an untracked item and a bundle, and what to call them.
struct Stock {
    sim: Sim,
    token: String,
    items: Vec<u64>,
    location: u64,
    other: u64,
}

impl Stock {
    async fn new() -> Self {
        let mut shop: Shop = "generated:6".parse::<Seed>().unwrap().shop("demo");
        let places: Vec<u64> = shop
            .locations
            .values()
            .filter(|place| place.is_active && place.fulfillment_service.is_none())
            .map(|place| place.id)
            .collect();
        let (location, other) = (places[0], places[1]);
        let mut items = Vec::new();
        for product in shop.products.values_mut() {
            let variant = &mut Arc::make_mut(product).variants[0];
            variant.item.tracked = true;
            let level = Level { is_active: true, available: 5, committed: 2, ..Level::default() };
            variant.item.levels = [(location, level)].into();
            items.push(variant.item.id);
        }
        let mut all = shop.products.values_mut();
        Arc::make_mut(all.next().unwrap()).variants[0].item.tracked = false;
        Arc::make_mut(all.next().unwrap()).variants[0].requires_components = true;
        let sim = Sim::with_shop(shop).await;
        let token = sim.token(&WRITE).await;
        Self { sim, token, items, location, other }
    }

    fn entry(&self, item: usize, quantity: i64, from: Value) -> Value {
        json!({"inventoryItemId": format!("gid://shopify/InventoryItem/{}", self.items[item]),
               "locationId": format!("gid://shopify/Location/{}", self.location), "quantity": quantity, "changeFromQuantity": from})
    }

    fn input(quantities: Value, key: &str) -> Value {
        json!({"key": key, "input": {"name": "available", "reason": "correction", "referenceDocumentUri": "gid://push/Run/1", "quantities": quantities}})
    }

    async fn level(&self, item: usize) -> Value {
        let all = self.sim.control("GET", "/shops/demo/levels", Value::Null).await;
        let own = |level: &&Value| level["inventory_item_id"] == self.items[item];
        all.as_array().unwrap().iter().find(own).unwrap().clone()
    }
}

#[tokio::test]
async fn quantities_are_compared_and_set() {
    let stock = Stock::new().await;
    let receiver = Receiver::of(&stock.sim).await;
    stock.sim.subscribe(&stock.token, "INVENTORY_LEVELS_UPDATE", Value::Null).await;
    let done =
        stock.sim.done(&stock.token, SET, Stock::input(json!([stock.entry(2, 9, json!(5))]), "a")).await;
    let changes = done["inventoryAdjustmentGroup"]["changes"].as_array().unwrap();
    assert_eq!(
        (&changes[0]["name"], &changes[0]["delta"], &changes[0]["quantityAfterChange"]),
        (&json!("available"), &json!(4), &json!(9))
    );
    assert_eq!((&changes[1]["name"], &changes[1]["quantityAfterChange"]), (&json!("on_hand"), &json!(11)));
    assert_eq!(stock.level(2).await["available"], 9);
    let stale =
        stock.sim.mutate(&stock.token, SET, Stock::input(json!([stock.entry(2, 3, json!(5))]), "b")).await;
    assert_eq!(codes(&stale), ["CHANGE_FROM_QUANTITY_STALE"]);
    assert_eq!(stale["userErrors"][0]["field"], json!(["input", "quantities", "0", "changeFromQuantity"]));
    assert_eq!(stock.level(2).await["available"], 9);
    stock.sim.done(&stock.token, SET, Stock::input(json!([stock.entry(2, 3, Value::Null)]), "c")).await;
    assert_eq!(stock.level(2).await["available"], 3, "null compares nothing");
    stock.sim.settled().await;
    assert_eq!(receiver.of_topic("inventory_levels/update").len(), 2);
}

#[tokio::test]
async fn one_bad_entry_stops_all_and_each_is_named_by_its_place() {
    let stock = Stock::new().await;
    let mut elsewhere = stock.entry(4, 1, Value::Null);
    elsewhere["locationId"] = json!(format!("gid://shopify/Location/{}", stock.other));
    let mut nowhere = stock.entry(4, 1, Value::Null);
    nowhere["locationId"] = json!("gid://shopify/Location/1");
    let mut nothing = stock.entry(4, 1, Value::Null);
    nothing["inventoryItemId"] = json!("gid://shopify/InventoryItem/1");
    let entries = json!([
        stock.entry(2, 7, json!(5)),
        stock.entry(0, 1, Value::Null),
        stock.entry(1, 1, Value::Null),
        elsewhere,
        nowhere,
        nothing,
        stock.entry(2, 8, Value::Null),
        stock.entry(3, -1, Value::Null),
        stock.entry(3, 1_000_000_001, Value::Null),
    ]);
    let refused = stock.sim.mutate(&stock.token, SET, Stock::input(entries, "k")).await;
    let expected = [
        "-",
        "NON_MUTABLE_INVENTORY_ITEM",
        "ITEM_NOT_STOCKED_AT_LOCATION",
        "INVALID_LOCATION",
        "INVALID_INVENTORY_ITEM",
        "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR",
        "INVALID_QUANTITY_NEGATIVE",
        "INVALID_QUANTITY_TOO_HIGH",
    ];
    assert_eq!(codes(&refused), expected);
    let places: Vec<&str> = refused["userErrors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"][2].as_str().unwrap())
        .collect();
    assert_eq!(places, ["1", "2", "3", "4", "5", "6", "7", "8"]);
    assert!(
        refused["userErrors"][0]["message"].as_str().unwrap().contains("tracking"),
        "untracked has no code of its own"
    );
    assert_eq!(stock.level(2).await["available"], 5, "the good one is not set either");
    let many: Vec<Value> = (0..251).map(|_| stock.entry(2, 1, Value::Null)).collect();
    let answer = stock.sim.ask(&stock.token, SET, Stock::input(json!(many), "l")).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "MAX_INPUT_SIZE_EXCEEDED");
}

#[tokio::test]
async fn the_value_to_compare_must_be_named_and_so_must_a_key() {
    let stock = Stock::new().await;
    let mut entry = stock.entry(2, 1, Value::Null);
    entry.as_object_mut().unwrap().remove("changeFromQuantity");
    let answer = stock.sim.ask(&stock.token, SET, Stock::input(json!([entry]), "k")).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INVALID_FIELD_ARGUMENTS");
    let bare = SET.replace("@idempotent(key: $key)", "").replace(", $key: String!", "");
    let input = Stock::input(json!([stock.entry(2, 1, Value::Null)]), "k");
    let answer = stock.sim.ask(&stock.token, &bare, input.clone()).await;
    assert_eq!(
        answer["errors"][0]["message"],
        "The @idempotent directive is required for this mutation but was not provided."
    );
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST");
    let mut blank = input;
    blank["key"] = json!(" ");
    assert_eq!(
        stock.sim.ask(&stock.token, SET, blank).await["errors"][0]["extensions"]["code"],
        "BAD_REQUEST"
    );
    let tagged = "mutation($id: ID!) { tagsAdd(id: $id, tags: [\"x\"]) @idempotent(key: \"k\") { userErrors { message } } }";
    let answer = stock.sim.ask(&stock.token, tagged, json!({"id": "gid://shopify/Product/1"})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST", "other mutations take no key");
    assert_eq!(stock.level(2).await["available"], 5);
}

#[tokio::test]
async fn a_key_is_remembered_for_a_day() {
    let stock = Stock::new().await;
    let input = Stock::input(json!([stock.entry(2, 9, json!(5))]), "same");
    let first = stock.sim.done(&stock.token, SET, input.clone()).await;
    let again = stock.sim.done(&stock.token, SET, input.clone()).await;
    assert_eq!(again, first, "the same answer, though 5 is no longer what is there");
    let calls = stock.sim.calls().await;
    assert_eq!(
        (
            &calls["mutations"]["inventorySetQuantities"],
            &calls["mutations_replayed"]["inventorySetQuantities"]
        ),
        (&json!(1), &json!(1))
    );
    let other = Stock::input(json!([stock.entry(2, 8, json!(9))]), "same");
    assert_eq!(
        codes(&stock.sim.mutate(&stock.token, SET, other).await),
        ["IDEMPOTENCY_KEY_PARAMETER_MISMATCH"]
    );
    assert_eq!(stock.level(2).await["available"], 9);
    stock.sim.control("POST", "/clock", json!({"advance_seconds": 86_400})).await;
    let token = stock.sim.token(&WRITE).await;
    assert_eq!(
        codes(&stock.sim.mutate(&token, SET, input).await),
        ["CHANGE_FROM_QUANTITY_STALE"],
        "forgotten: done anew"
    );
}

#[tokio::test]
async fn a_key_in_flight_and_a_key_that_failed_are_told_apart() {
    let stock = Stock::new().await;
    stock.sim.faults(json!({"work_ms": 400})).await;
    let input = Stock::input(json!([stock.entry(2, 9, json!(5))]), "slow");
    let (one, other) = tokio::join!(
        stock.sim.mutate(&stock.token, SET, input.clone()),
        stock.sim.mutate(&stock.token, SET, input.clone())
    );
    let mut seen = [codes(&one), codes(&other)];
    seen.sort();
    assert_eq!(seen, [vec![], vec!["IDEMPOTENCY_CONCURRENT_REQUEST"]]);
    stock.sim.faults(json!({"mutation_error": 1})).await;
    let input = Stock::input(json!([stock.entry(3, 9, json!(5))]), "broken");
    let answer = stock.sim.ask(&stock.token, SET, input.clone()).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL_SERVER_ERROR");
    assert_eq!(
        codes(&stock.sim.mutate(&stock.token, SET, input).await),
        ["IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"]
    );
    assert_eq!(stock.level(3).await["available"], 5);
}

#[tokio::test]
async fn what_was_done_although_its_answer_was_lost_is_not_done_twice() {
    let stock = Stock::new().await;
    stock.sim.faults(json!({"lost_mutation_answer": 1})).await;
    let body = json!({"query": SET, "variables": Stock::input(json!([stock.entry(2, 9, json!(5))]), "once")});
    let query = json!({"query": "{ shop { name } }"});
    assert!(stock.sim.post(&stock.token, "2026-07", &query).await.is_ok(), "only mutations are struck");
    assert!(stock.sim.post(&stock.token, "2026-07", &body).await.is_err());
    assert_eq!(stock.level(2).await["available"], 9);
    let answer: Value = stock.sim.post(&stock.token, "2026-07", &body).await.unwrap().json().await.unwrap();
    assert_eq!(answer["data"]["inventorySetQuantities"]["userErrors"], json!([]));
    assert_eq!(stock.sim.calls().await["mutations"]["inventorySetQuantities"], 1);
}

#[tokio::test]
async fn items_are_stocked_where_they_were_not() {
    let stock = Stock::new().await;
    let activate = "mutation($item: ID!, $location: ID!, $available: Int, $key: String!) {
        inventoryActivate(inventoryItemId: $item, locationId: $location, available: $available) @idempotent(key: $key) {
            inventoryLevel { id isActive quantities(names: [\"available\"]) { quantity } } userErrors { field message } } }";
    let item = format!("gid://shopify/InventoryItem/{}", stock.items[2]);
    let wanted = |available: Value, key: &str| json!({"item": item, "location": format!("gid://shopify/Location/{}", stock.other), "available": available, "key": key});
    let done = stock.sim.done(&stock.token, activate, wanted(json!(4), "a")).await;
    assert_eq!(done["inventoryLevel"]["quantities"], json!([{"quantity": 4}]));
    let refused = stock.sim.mutate(&stock.token, activate, wanted(json!(6), "b")).await;
    assert_eq!(refused["userErrors"][0]["field"], json!(["available"]), "it is active already");
    let deactivate =
        "mutation($id: ID!) { inventoryDeactivate(inventoryLevelId: $id) { userErrors { message } } }";
    stock.sim.done(&stock.token, deactivate, json!({"id": done["inventoryLevel"]["id"]})).await;
    let back = stock.sim.done(&stock.token, activate, wanted(Value::Null, "c")).await;
    assert_eq!(back["inventoryLevel"]["quantities"], json!([{"quantity": 4}]), "what was there comes back");
    let snapshot = stock.sim.simulator().shop("demo").unwrap().snapshot();
    let mut places = snapshot.shop.locations.values();
    let service = places.find(|place| place.fulfillment_service.is_some() && place.is_active).unwrap().id;
    let mut wanted = wanted(json!(1), "d");
    wanted["location"] = json!(format!("gid://shopify/Location/{service}"));
    let refused = stock.sim.mutate(&stock.token, activate, wanted).await;
    assert!(
        refused["userErrors"][0]["message"].as_str().unwrap().contains("fulfillment service"),
        "{refused}"
    );
}

#[tokio::test]
async fn quantities_are_moved_by_differences() {
    let stock = Stock::new().await;
    let adjust = "mutation($input: InventoryAdjustQuantitiesInput!, $key: String!) {
        inventoryAdjustQuantities(input: $input) @idempotent(key: $key) { inventoryAdjustmentGroup { changes { name delta } } userErrors { field code } } }";
    let wanted = |name: &str, ledger: Value, key: &str| {
        let mut change = stock.entry(2, 0, json!(if name == "available" { 5 } else { 0 }));
        change.as_object_mut().unwrap().remove("quantity");
        change["delta"] = json!(-2);
        change["ledgerDocumentUri"] = ledger;
        json!({"key": key, "input": {"name": name, "reason": "shrinkage", "changes": [change]}})
    };
    stock.sim.done(&stock.token, adjust, wanted("available", Value::Null, "a")).await;
    assert_eq!(stock.level(2).await["available"], 3);
    assert_eq!(
        codes(&stock.sim.mutate(&stock.token, adjust, wanted("damaged", Value::Null, "b")).await),
        ["INVALID_QUANTITY_DOCUMENT"]
    );
    assert_eq!(
        codes(&stock.sim.mutate(&stock.token, adjust, wanted("on_hand", json!("gid://x/y/1"), "c")).await),
        ["INVALID_QUANTITY_NAME"]
    );
}

#[tokio::test]
async fn an_item_is_tracked_and_priced() {
    let stock = Stock::new().await;
    let update = "mutation($id: ID!, $input: InventoryItemInput!) { inventoryItemUpdate(id: $id, input: $input) {
        inventoryItem { tracked sku unitCost { amount } measurement { weight { value unit } } } userErrors { field message } } }";
    let id = format!("gid://shopify/InventoryItem/{}", stock.items[0]);
    let input = json!({"tracked": true, "cost": "3.10", "sku": "NEW", "measurement": {"weight": {"value": 2.5, "unit": "POUNDS"}}});
    let done = stock.sim.done(&stock.token, update, json!({"id": id, "input": input})).await;
    assert_eq!(
        done["inventoryItem"],
        json!({"tracked": true, "sku": "NEW", "unitCost": {"amount": "3.1"}, "measurement": {"weight": {"value": 2.5, "unit": "POUNDS"}}})
    );
    stock.sim.done(&stock.token, SET, Stock::input(json!([stock.entry(0, 1, json!(5))]), "k")).await;
}
