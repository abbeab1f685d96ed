//! What users of such tools complain about, where it is about writing. The numbers are those of the list in `docs/push.md`.

use std::sync::atomic::Ordering;

use serde_json::json;
use shared::domain::push::target::{MatchBy, Stream};
use shared::ports::push::{Found, How, RowWriter, Stopped};

use crate::orders::tea;
use crate::products::shirt;
use crate::world::{World, key};

/// A search that takes an address apart into words answers with someone else.
#[tokio::test]
async fn pain_04_another_record_is_never_taken_for_the_one_that_is_meant() {
    let world = World::with("empty").await;
    let ada = json!({"email": "ada@example.com", "firstName": "Ada"});
    world.push(Stream::Customers, &[key(MatchBy::Email, "ada@example.com")], &ada, &How::default()).await;
    let near = [key(MatchBy::Email, "bob@example.com")];
    assert_eq!(world.find(Stream::Customers, &near, &ada).await, Found::Nothing);
    world.push(Stream::Products, &[key(MatchBy::CustomId, "P-1")], &shirt("10"), &How::default()).await;
    let row = json!({"price": "1"});
    // The search knows no case and takes a star for anything, and a stock keeping unit is neither.
    for sku in ["TEE", "S", "TEE M", "TEE-'S", "tee-s", "TEE-*"] {
        assert_eq!(
            world.find(Stream::ProductVariants, &[key(MatchBy::Sku, sku)], &row).await,
            Found::Nothing,
            "{sku}"
        );
    }
}

/// A product written as a whole loses the variants that a row does not name.
#[tokio::test]
async fn pain_05_nothing_goes_that_nobody_asked_for() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::CustomId, "P-1")];
    world.push(Stream::Products, &keys, &shirt("10"), &How::default()).await;
    let row = json!({"tags": ["x"], "variants": [{"sku": "TEE-S", "price": "9"}]});
    let writing = world.push(Stream::Products, &keys, &row, &How::default()).await;
    assert!(!writing.diff.iter().any(|change| change.takes_away()));
    let live = world.live(Stream::Products, &keys, &row).await;
    assert_eq!(live.values["variants"].as_array().unwrap().len(), 2);
    assert_eq!(live.values["tags"].as_array().unwrap().len(), 2);
}

/// A call that was throttled did nothing, and costs nothing.
#[tokio::test]
async fn pain_03_a_throttled_call_is_a_wait_and_not_a_failure() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::CustomId, "P-1")];
    let writing = world.plan(Stream::Products, &keys, &shirt("10"), &How::default()).await.unwrap();
    let spent = world.purse.spent.load(Ordering::Relaxed);
    world.faults(json!({"throttle": 1})).await;
    let error = world.shopify.write(&world.access, &world.purse, &writing).await.unwrap_err();
    assert!(matches!(error, shared::ports::provider::ProviderError::Throttled { .. }), "{error:?}");
    assert_eq!(world.purse.unknown.load(Ordering::Relaxed), 0);
    assert_eq!(world.purse.spent.load(Ordering::Relaxed), spent);
    assert_eq!(world.rows("products").await.len(), 0);
}

/// A timeout is not a failure: the order may have been made.
#[tokio::test]
async fn pain_09_a_lost_answer_never_becomes_a_second_order() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::CustomId, "A-1")];
    let writing = world.plan(Stream::Orders, &keys, &tea(1), &How::default()).await.unwrap();
    world.faults(json!({"lost_mutation_answer": 1, "search_lag_seconds": 60})).await;
    let written = world.write(&writing).await;
    assert!(matches!(written.stopped, Some(Stopped::InDoubt(_))), "{written:?}");
    assert_eq!(world.purse.unknown.load(Ordering::Relaxed), 1);
    let found = world.plan(Stream::Orders, &keys, &tea(1), &How::default()).await.unwrap();
    assert_eq!(found.diff, [], "it is found by its key, however far behind the search is");
    let sent_again = world.write(&writing).await;
    let Some(Stopped::Refused(errors)) = sent_again.stopped else { panic!("{sent_again:?}") };
    assert_eq!(errors[0].code, "KEY_CONFLICT", "the fence holds");
    assert_eq!(world.rows("orders").await.len(), 1);
}

/// The API moves on every quarter: what is sent is understood by the version that comes next, and goes to no place of old.
#[tokio::test]
async fn pain_08_every_call_is_understood_by_the_next_version() {
    let world = World::with("empty").await;
    let documents = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/src/providers/shopify/documents");
    let mut asked = 0;
    for file in std::fs::read_dir(documents).unwrap() {
        let path = file.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("push_") {
            let answer = world.query_at("2026-10", &std::fs::read_to_string(&path).unwrap(), json!({})).await;
            let errors = answer["errors"].as_array().cloned().unwrap_or_default();
            // Without variables most are not carried out; that comes after what the schema says of the document.
            let refused = errors.iter().any(|error| error["extensions"]["code"] != "INVALID_VARIABLE");
            assert!(!refused, "{}: {errors:#?}", path.display());
            asked += 1;
        }
    }
    assert!(asked > 25, "{asked}");
    world.push(Stream::Products, &[key(MatchBy::CustomId, "P-1")], &shirt("10"), &How::default()).await;
    let calls = world.control("GET", "/shops/demo/calls", serde_json::Value::Null).await;
    assert_eq!(calls["rest_calls"], json!({}));
}
