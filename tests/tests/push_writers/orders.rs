use serde_json::{Value, json};
use shared::domain::push::document::OnUnsupported;
use shared::domain::push::target::{MatchBy, Stream};
use shared::ports::push::{Found, How, Stopped};

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

#[tokio::test]
async fn an_open_order_is_marked_as_paid_where_the_row_says_so() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::CustomId, "A-1")];
    let mut order = tea(1);
    order["financialStatus"] = json!("PENDING");
    world.push(ORDERS, &keys, &order, &How::default()).await;
    order["financialStatus"] = json!("PAID");
    let writing = world.push(ORDERS, &keys, &order, &How::default()).await;
    assert_eq!(writing.calls[0].name, "orderMarkAsPaid");
    assert_eq!(world.live(ORDERS, &keys, &order).await.values["financialStatus"], "PAID");
}
