use serde_json::{Value, json};
use shared::domain::push::document::OnUnsupported;
use shared::domain::push::target::{MatchBy, Stream};
use shared::ports::provider::ProviderError;
use shared::ports::push::{Found, How, RowWriter as _, Stopped, TakenBack};

use crate::world::{World, key};

const ORDERS: Stream = Stream::Orders;

pub fn tea(quantity: u32) -> Value {
    let money = |amount: &str| json!({"shopMoney": {"amount": amount, "currencyCode": "EUR"}});
    json!({
        "sourceIdentifier": "A-1", "email": "ada@example.com", "currency": "EUR",
        "lineItems": [{"title": "Tea", "quantity": quantity, "sku": "TEA", "priceSet": money("4.50")}],
    })
}

#[tokio::test]
async fn an_order_is_made_once_and_changes_what_it_can() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::CustomId, "A-1")];
    world.push(ORDERS, &keys, &tea(2), &How::default()).await;
    let again = world.push(ORDERS, &keys, &tea(2), &How::default()).await;
    assert_eq!(again.diff, [], "{again:?}");
    let mut noted = tea(2);
    noted["note"] = json!("by hand");
    let writing = world.push(ORDERS, &keys, &noted, &How::default()).await;
    assert_eq!(writing.calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>(), ["orderUpdate"]);
    assert_eq!(world.rows("orders").await.len(), 1);
}

#[tokio::test]
async fn changed_lines_are_told_and_not_dropped() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::CustomId, "A-1")];
    world.push(ORDERS, &keys, &tea(2), &How::default()).await;
    let refused = world.plan(ORDERS, &keys, &tea(3), &How::default()).await.unwrap_err();
    assert_eq!(
        (refused[0].code.as_str(), refused[0].path.as_deref()),
        ("UNSUPPORTED_CHANGE", Some("lineItems[]"))
    );
    let skip = How { on_unsupported: OnUnsupported::Skip, ..How::default() };
    let writing = world.plan(ORDERS, &keys, &tea(3), &skip).await.unwrap();
    assert_eq!((writing.diff.len(), writing.left.len()), (0, 1));
}

#[tokio::test]
async fn an_order_whose_metafield_has_no_definition_is_not_made() {
    let world = World::with("empty").await;
    let mut keys = [key(MatchBy::CustomId, "A-1")];
    keys[0].metafield = Some(("other".to_owned(), "ref".to_owned()));
    let Found::Unclear(error) = world.find(ORDERS, &keys, &tea(1)).await else { panic!() };
    assert_eq!(error.code, "DEFINITION_MISSING");
}

#[tokio::test]
async fn the_sixth_order_of_a_minute_waits() {
    let world = World::with("empty").await;
    world.control("PUT", "/shops/demo/plan", json!({"name": "Basic", "development": true})).await;
    for at in 0..5 {
        let keys = [key(MatchBy::CustomId, &format!("A-{at}"))];
        world.push(ORDERS, &keys, &tea(1), &How::default()).await;
    }
    let keys = [key(MatchBy::CustomId, "A-6")];
    let writing = world.plan(ORDERS, &keys, &tea(1), &How::default()).await.unwrap();
    let Some(Stopped::Later(error, _)) = world.write(&writing).await.stopped else { panic!() };
    assert_eq!(error.code, "ORDER_RATE");
}

/// A mapping that allows these.
fn allowing(options: &[&str]) -> How {
    let options = options.iter().map(|name| ((*name).to_owned(), json!(true))).collect();
    How { options, ..How::default() }
}

/// Holds that a row moves the state of an order where the option is there, by this call, once, and for good.
async fn moves(world: &World, row: &Value, path: &str, option: &str, call: &str) {
    let keys = [key(MatchBy::CustomId, "A-1")];
    let refused = world.plan(ORDERS, &keys, row, &How::default()).await.unwrap_err();
    assert_eq!((refused[0].code.as_str(), refused[0].path.as_deref()), ("UNSUPPORTED_CHANGE", Some(path)));
    assert!(refused[0].message.contains(option), "{refused:?}");
    let writing = world.push(ORDERS, &keys, row, &allowing(&[option])).await;
    assert_eq!(writing.calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>(), [call]);
    assert_eq!(writing.diff.iter().map(|change| change.path.as_str()).collect::<Vec<_>>(), [path]);
    let again = world.push(ORDERS, &keys, row, &How::default()).await;
    assert_eq!(again.diff, [], "{again:?}");
    let live = world.live(ORDERS, &keys, row).await;
    assert_eq!(live.values[path], row[path]);
    let TakenBack::Drift(errors) = world.take_back(ORDERS, false, &writing, &live) else { panic!() };
    assert_eq!(errors[0].path.as_deref(), Some(path), "there is no way back");
}

#[tokio::test]
async fn the_state_of_an_order_moves_only_where_the_mapping_allows_it() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::CustomId, "A-1")];
    let mut order = tea(1);
    order["financialStatus"] = json!("PENDING");
    world.push(ORDERS, &keys, &order, &How::default()).await;
    order["financialStatus"] = json!("PAID");
    moves(&world, &order, "financialStatus", "allowPaid", "orderMarkAsPaid").await;
    order["fulfillmentStatus"] = json!("FULFILLED");
    moves(&world, &order, "fulfillmentStatus", "allowFulfilled", "fulfillmentCreate").await;
}

#[tokio::test]
async fn an_order_is_cancelled_and_nothing_is_paid_back_by_itself() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::CustomId, "A-1")];
    let mut order = tea(1);
    world.push(ORDERS, &keys, &order, &How::default()).await;
    order["cancelReason"] = json!("CUSTOMER");
    moves(&world, &order, "cancelReason", "allowCancelled", "orderCancel").await;
    let orders = world.rows("orders").await;
    assert_eq!((&orders[0]["cancelled"], &orders[0]["financial_status"]), (&json!(true), &json!("PAID")));
    assert_eq!(orders[0]["mails"], json!([]));
    order["cancelReason"] = json!("FRAUD");
    let refused = world.plan(ORDERS, &keys, &order, &allowing(&["allowCancelled"])).await.unwrap_err();
    assert_eq!(refused[0].code, "UNSUPPORTED_CHANGE", "a reason is not exchanged for another");

    let other = [key(MatchBy::CustomId, "A-2")];
    order["transactions"] =
        json!([{"kind": "SALE", "status": "SUCCESS", "amountSet": order["lineItems"][0]["priceSet"]}]);
    let made = world.push(ORDERS, &other, &order, &allowing(&["allowCancelled", "cancelRefunds"])).await;
    assert_eq!(made.calls.len(), 2, "one that is new is made and then cancelled");
    let live = world.live(ORDERS, &other, &order).await;
    assert_eq!(
        (&live.values["cancelReason"], &live.values["financialStatus"]),
        (&json!("FRAUD"), &json!("REFUNDED"))
    );
}

#[tokio::test]
async fn the_scope_that_sending_needs_is_named_where_it_is_missing() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::CustomId, "A-1")];
    let mut order = tea(1);
    world.push(ORDERS, &keys, &order, &How::default()).await;
    let left = json!({"scopes": ["write_orders", "write_customers", "write_products"]});
    world.control("PUT", "/shops/demo/installs/app/scopes", left).await;
    order["fulfillmentStatus"] = json!("FULFILLED");
    let writing = world.plan(ORDERS, &keys, &order, &allowing(&["allowFulfilled"])).await.unwrap();
    let error = world.shopify.write(&world.access, &world.purse, &writing).await.unwrap_err();
    assert!(error.to_string().contains("fulfillment"), "{error}");
    assert!(matches!(error, ProviderError::ScopeDenied { .. }), "{error:?}");
}

#[tokio::test]
async fn every_line_of_a_long_order_is_compared() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::CustomId, "A-1")];
    let mut order = tea(1);
    let line = order["lineItems"][0].clone();
    order["lineItems"] = (1..=230)
        .map(|quantity| {
            let mut line = line.clone();
            line["quantity"] = json!(quantity);
            line
        })
        .collect();
    world.push(ORDERS, &keys, &order, &How::default()).await;
    let again = world.push(ORDERS, &keys, &order, &How::default()).await;
    assert_eq!(again.diff, [], "{again:?}");
    order["lineItems"][220]["quantity"] = json!(1);
    let refused = world.plan(ORDERS, &keys, &order, &How::default()).await.unwrap_err();
    assert_eq!(refused[0].path.as_deref(), Some("lineItems[]"));
}
