//! Records that a push made go again, unless something came to them since.

use serde_json::{Map, Value, json};
use shared::domain::push::row::Identifier;
use shared::domain::push::target::{MatchBy, Stream};
use shared::ports::push::{How, TakenBack};

use crate::orders::tea;
use crate::products::shirt;
use crate::world::{World, key};

/// Makes a record, lets this row come to it, and tells what an undo of the making then finds.
async fn found(
    world: &World,
    stream: Stream,
    keys: &[Identifier],
    made: &Value,
    row: &Value,
    how: &How,
) -> TakenBack {
    let writing = world.push(stream, keys, made, &How::default()).await;
    world.push(stream, keys, row, how).await;
    world.control("POST", "/clock", json!({"advance_seconds": 60})).await;
    let written: Map<String, Value> =
        writing.diff.iter().filter_map(|change| Some((change.path.clone(), change.after.clone()?))).collect();
    let live = world.whole(stream, keys, &Value::Object(written)).await;
    world.take_back(stream, true, &writing, &live)
}

/// Holds that the record stays, and that what came to it is named.
fn stays(found: &TakenBack, path: &str) {
    let TakenBack::Drift(errors) = found else { panic!("{path} would go: {found:?}") };
    assert!(errors.iter().all(|error| error.code == "DRIFT"), "{errors:?}");
    assert!(errors.iter().any(|error| error.path.as_deref() == Some(path)), "{path}: {errors:?}");
}

#[tokio::test]
async fn a_product_that_something_came_to_stays() {
    let world = World::with("empty").await;
    let large =
        json!([{"sku": "TEE-L", "price": "15", "optionValues": [{"optionName": "Size", "name": "L"}]}]);
    let file = json!([{"originalSource": "https://img.example/front.jpg"}]);
    let bare = json!({"title": "Tee"});
    for (number, made, row, path) in [
        (1, shirt("10"), json!({"tags": ["x"]}), "tags[x]"),
        (2, shirt("10"), json!({"variants": large}), "variants[TEE-L]"),
        (3, shirt("10"), json!({"descriptionHtml": "<p>Soft</p>"}), "descriptionHtml"),
        (4, shirt("10"), json!({"files": file}), "files[]"),
        (5, bare.clone(), json!({"tags": ["x"]}), "tags[x]"),
    ] {
        let keys = [key(MatchBy::CustomId, &format!("P-{number}"))];
        stays(&found(&world, Stream::Products, &keys, &made, &row, &How::default()).await, path);
    }
    let mut full = shirt("10");
    full["files"] = file;
    for (number, made) in [(6, bare), (7, full)] {
        let keys = [key(MatchBy::CustomId, &format!("P-{number}"))];
        let found = found(&world, Stream::Products, &keys, &made, &json!({}), &How::default()).await;
        assert!(matches!(found, TakenBack::Writing(_)), "{found:?}");
    }
}

#[tokio::test]
async fn a_customer_that_something_came_to_stays() {
    let world = World::with("empty").await;
    let address = json!({"addresses": [{"address1": "2 Side St", "city": "Lyon", "countryCode": "FR", "zip": "69001"}]});
    for (number, row, path) in [
        (1, address, "addresses["),
        (2, json!({"note": "likes tea"}), "note"),
        (3, json!({"tags": ["x"]}), "tags[x]"),
    ] {
        let keys = [key(MatchBy::CustomId, &format!("C-{number}"))];
        let found =
            found(&world, Stream::Customers, &keys, &json!({"firstName": "Ada"}), &row, &How::default())
                .await;
        let TakenBack::Drift(errors) = &found else { panic!("{path} would go: {found:?}") };
        assert!(
            errors.iter().any(|error| error.path.as_deref().is_some_and(|at| at.starts_with(path))),
            "{errors:?}"
        );
    }
    let keys = [key(MatchBy::CustomId, "C-4")];
    let found =
        found(&world, Stream::Customers, &keys, &json!({"firstName": "Ada"}), &json!({}), &How::default())
            .await;
    assert!(matches!(found, TakenBack::Writing(_)), "{found:?}");
}

#[tokio::test]
async fn an_order_that_was_sent_or_paid_since_stays() {
    let world = World::with("empty").await;
    let allowing = |option: &str| {
        let options = Map::from_iter([(option.to_owned(), json!(true))]);
        How { options, ..How::default() }
    };
    let mut open = tea(1);
    open["financialStatus"] = json!("PENDING");
    for (number, made, row, option, path) in [
        (1, tea(1), json!({"fulfillmentStatus": "FULFILLED"}), "allowFulfilled", "fulfillmentStatus"),
        (2, open, json!({"financialStatus": "PAID"}), "allowPaid", "financialStatus"),
        (3, tea(1), json!({"cancelReason": "OTHER"}), "allowCancelled", "cancelReason"),
        (4, tea(1), json!({"note": "call first"}), "allowPaid", "note"),
    ] {
        let keys = [key(MatchBy::CustomId, &format!("A-{number}"))];
        stays(&found(&world, Stream::Orders, &keys, &made, &row, &allowing(option)).await, path);
    }
    let keys = [key(MatchBy::CustomId, "A-5")];
    let found = found(&world, Stream::Orders, &keys, &tea(1), &json!({}), &How::default()).await;
    assert!(matches!(found, TakenBack::Writing(_)), "{found:?}");
}
