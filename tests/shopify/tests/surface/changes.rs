use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{READ, Sim};

const KINDS: [&str; 14] = [
    "title",
    "price",
    "handle",
    "sku",
    "option_rename",
    "variant_add",
    "variant_remove",
    "stock_set",
    "level_remove",
    "location_rename",
    "collection_add_product",
    "collection_remove_product",
    "product_delete",
    "product_create",
];

#[tokio::test]
async fn one_of_each_kind_touches_a_product_of_its_own() {
    let sim = Sim::with("demo").await;
    let state = sim.simulator().shop("demo").unwrap();
    let before = state.snapshot();
    let wanted: Vec<Value> = KINDS.iter().map(|kind| json!({ "kind": kind })).collect();
    let applied = sim.control("POST", "/shops/demo/changes", json!(wanted)).await;
    let applied = applied.as_array().unwrap();
    let kinds: Vec<&str> = applied.iter().map(|change| change["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, KINDS);
    let products: Vec<u64> = applied.iter().filter_map(|change| change["product"].as_u64()).collect();
    assert_eq!(products.iter().collect::<BTreeSet<_>>().len(), products.len());

    let after = state.snapshot();
    let touched: BTreeSet<u64> = products.into_iter().collect();
    for (id, product) in &before.shop.products {
        let now = after.shop.products.get(id);
        let same = now.is_some_and(|now| format!("{now:?}") == format!("{product:?}"));
        let only_membership = applied.iter().any(|change| {
            change["product"].as_u64() == Some(*id)
                && change["kind"].as_str().unwrap().starts_with("collection_")
        });
        assert_eq!(same, !touched.contains(id) || only_membership, "product {id}");
        if let Some(now) = now.filter(|_| !same) {
            assert!(now.updated_at > product.updated_at, "its updatedAt moves");
        }
    }
    let (was, is) = (before.shop.counts(), after.shop.counts());
    assert_eq!(is.products, was.products);
    assert_eq!(is.warehouses, was.warehouses);
}

#[tokio::test]
async fn a_deleted_product_comes_back_under_its_id() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&READ).await;
    let deleted = sim.control("POST", "/shops/demo/changes", json!([{"kind": "product_delete"}])).await;
    let id = deleted[0]["product"].as_u64().unwrap();
    let query = format!("{{ product(id: \"gid://shopify/Product/{id}\") {{ handle }} }}");
    assert_eq!(sim.data(&token, &query, Value::Null).await["product"], Value::Null);
    let restored = sim.control("POST", "/shops/demo/changes", json!([{"kind": "product_restore"}])).await;
    assert_eq!(restored[0]["product"].as_u64(), Some(id));
    assert_eq!(sim.data(&token, &query, Value::Null).await["product"]["handle"], restored[0]["after"]);
}

#[tokio::test]
async fn named_targets_are_obeyed() {
    let sim = Sim::with("demo").await;
    let state = sim.simulator().shop("demo").unwrap();
    let snapshot = state.snapshot();
    let product = snapshot.shop.products.values().nth(3).unwrap();
    let variant = &product.variants[0];
    let location = *variant.item.levels.keys().next().unwrap();
    let wanted = json!([
        {"kind": "price", "variant": variant.id, "value": "12.5"},
        {"kind": "title", "product": product.id, "value": "Ünïcode"},
        {"kind": "location_rename", "location": location, "value": "Elsewhere"},
    ]);
    let applied = sim.control("POST", "/shops/demo/changes", wanted).await;
    assert_eq!(applied[0]["after"], "12.50");
    let now = state.snapshot();
    let changed = &now.shop.products[&product.id];
    assert_eq!((changed.title.as_str(), changed.variants[0].price), ("Ünïcode", 1_250));
    assert_eq!(now.shop.locations[&location].name, "Elsewhere");
    let levels = sim.control("GET", "/shops/demo/levels", Value::Null).await;
    assert_eq!(json!(levels.as_array().unwrap().len()), json!(now.shop.counts().stock));
}

#[tokio::test]
async fn all_changes_of_a_request_or_none() {
    let sim = Sim::with("demo").await;
    let url = format!("{}/shops/demo/changes", sim.running.addresses.control);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let wanted = json!([{"kind": "title"}, {"kind": "title", "product": 1}]);
    let before = format!("{:?}", sim.simulator().shop("demo").unwrap().snapshot().shop);
    let answer = client.post(url).json(&wanted).send().await.unwrap();
    assert!(answer.status().is_client_error());
    assert_eq!(before, format!("{:?}", sim.simulator().shop("demo").unwrap().snapshot().shop));
}
