use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::domain::push::document::ListPolicy;
use shared::domain::push::target::{MatchBy, Stream};
use shared::ports::push::{Found, How, TakenBack};

use crate::world::{World, key};

const PRODUCTS: Stream = Stream::Products;

pub fn shirt(price: &str) -> Value {
    let variant = |size: &str| {
        json!({"sku": format!("TEE-{size}"), "price": price,
               "optionValues": [{"optionName": "Size", "name": size}]})
    };
    json!({
        "title": "Tee", "status": "DRAFT", "tags": ["new"], "seo": {"title": "A tee"},
        "variants": [variant("S"), variant("M")],
    })
}

pub fn lists(name: &str, policy: ListPolicy) -> How {
    How { lists: BTreeMap::from([(name.to_owned(), policy)]), ..How::default() }
}

#[tokio::test]
async fn a_product_is_made_once_and_the_same_row_again_changes_nothing() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::CustomId, "P-1")];
    let how = How::default();
    assert_eq!(world.find(PRODUCTS, &keys, &shirt("10")).await, Found::Nothing);
    let made = world.push(PRODUCTS, &keys, &shirt("10"), &how).await;
    assert_eq!(made.calls.len(), 1);
    let before = world.mutations().await;
    let again = world.push(PRODUCTS, &keys, &shirt("10.00"), &how).await;
    assert_eq!(again.diff, [], "{again:?}");
    assert_eq!(world.mutations().await, before);
    assert_eq!(world.rows("products").await.len(), 1);
}

#[tokio::test]
async fn a_change_touches_what_the_row_names_and_nothing_else() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::CustomId, "P-1")];
    world.push(PRODUCTS, &keys, &shirt("10"), &How::default()).await;
    let row = json!({"title": "Tea", "tags": ["hot"], "variants": [{"sku": "TEE-M", "price": "12"}]});
    let writing = world.push(PRODUCTS, &keys, &row, &How::default()).await;
    let paths: Vec<&str> = writing.diff.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, ["title", "tags[hot]", "variants[TEE-M].price"]);
    let live = world.live(PRODUCTS, &keys, &shirt("10")).await;
    assert_eq!((&live.values["title"], &live.values["status"]), (&json!("Tea"), &json!("DRAFT")));
    assert_eq!(live.values["tags"].as_array().unwrap().len(), 2);
    let prices: Vec<&str> = live.values["variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variant| variant["price"].as_str().unwrap())
        .collect();
    assert_eq!(prices, ["10.00", "12.00"]);
}

#[tokio::test]
async fn new_variants_join_and_a_replaced_list_tells_what_goes() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::CustomId, "P-1")];
    world.push(PRODUCTS, &keys, &shirt("10"), &How::default()).await;
    let large = json!({"variants": [{"sku": "TEE-L", "price": "15",
        "optionValues": [{"optionName": "Size", "name": "L"}]}]});
    let joined = world.push(PRODUCTS, &keys, &large, &How::default()).await;
    assert_eq!(joined.diff.iter().filter(|change| change.takes_away()).count(), 0);
    let live = world.live(PRODUCTS, &keys, &large).await;
    assert_eq!(live.values["variants"].as_array().unwrap().len(), 3);
    let replaced =
        world.plan(PRODUCTS, &keys, &large, &lists("variants", ListPolicy::Replace)).await.unwrap();
    let gone: Vec<&str> = replaced
        .diff
        .iter()
        .filter(|change| change.takes_away())
        .map(|change| change.path.as_str())
        .collect();
    assert_eq!(gone, ["variants[TEE-S]", "variants[TEE-M]"]);
    assert_eq!(world.write(&replaced).await.stopped, None);
    let live = world.live(PRODUCTS, &keys, &large).await;
    assert_eq!(live.values["variants"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_variant_is_found_by_its_sku_and_changed_alone() {
    let world = World::with("empty").await;
    world.push(PRODUCTS, &[key(MatchBy::CustomId, "P-1")], &shirt("10"), &How::default()).await;
    let row = json!({"price": "11", "inventoryItem": {"cost": "4.5"}});
    let keys = [key(MatchBy::Sku, "TEE-S")];
    let writing = world.push(Stream::ProductVariants, &keys, &row, &How::default()).await;
    assert_eq!(writing.calls.len(), 1);
    let live = world.live(Stream::ProductVariants, &keys, &row).await;
    assert_eq!(live.values["price"], "11.00");
    assert_eq!(world.find(Stream::ProductVariants, &[key(MatchBy::Sku, "TEE")], &row).await, Found::Nothing);
}

#[tokio::test]
async fn what_a_push_changed_is_given_back_unless_the_shop_changed_it_since() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::CustomId, "P-1")];
    let made = world.push(PRODUCTS, &keys, &shirt("10"), &How::default()).await;
    let row = json!({"title": "Tea", "seo": {"title": "Tea!"}, "tags": ["hot"],
        "variants": [{"sku": "TEE-M", "price": "12"}]});
    let writing = world.push(PRODUCTS, &keys, &row, &How::default()).await;
    let live = world.live(PRODUCTS, &keys, &row).await;
    let TakenBack::Writing(back) = world.take_back(PRODUCTS, false, &writing, &live) else { panic!() };
    assert_eq!(world.write(&back).await.stopped, None);
    let live = world.live(PRODUCTS, &keys, &shirt("10")).await;
    let again = world.plan(PRODUCTS, &keys, &shirt("10"), &How::default()).await.unwrap();
    assert_eq!(again.diff, [], "all is as it was");
    assert_eq!(live.values["tags"], json!(["new"]));

    world.push(PRODUCTS, &keys, &json!({"title": "Mine"}), &How::default()).await;
    let live = world.live(PRODUCTS, &keys, &row).await;
    let TakenBack::Drift(drifts) = world.take_back(PRODUCTS, false, &writing, &live) else { panic!() };
    assert_eq!(drifts[0].path.as_deref(), Some("title"));
    let TakenBack::Drift(_) = world.take_back(PRODUCTS, true, &made, &live) else { panic!("it was renamed") };
    world.push(PRODUCTS, &keys, &json!({"title": "Tee"}), &How::default()).await;
    let live = world.live(PRODUCTS, &keys, &shirt("10")).await;
    let TakenBack::Writing(back) = world.take_back(PRODUCTS, true, &made, &live) else { panic!() };
    assert_eq!(world.write(&back).await.stopped, None);
    assert_eq!(world.rows("products").await.len(), 0);
}
