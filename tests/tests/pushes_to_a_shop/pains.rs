//! What goes wrong on the way: someone else changes the shop, answers are lost, points run out, rights are taken away.

use serde_json::{Value, json};
use shared::domain::push::run::PushState;
use shared::domain::push::target::Stream;

use crate::pipeline::{Store, counts};
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
