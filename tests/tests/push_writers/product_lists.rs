//! Options, files and channels of products that exist, and products that are too large for one call.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use shared::domain::push::document::{ListPolicy, Write};
use shared::domain::push::row::Identifier;
use shared::domain::push::target::{MatchBy, Stream};
use shared::ports::push::{How, Stopped, TakenBack, Writing};

use crate::products::{lists, shirt};
use crate::world::{World, key};

const PRODUCTS: Stream = Stream::Products;

fn paths(writing: &Writing) -> Vec<&str> {
    writing.diff.iter().map(|change| change.path.as_str()).collect()
}

fn names(writing: &Writing) -> Vec<&str> {
    writing.calls.iter().map(|call| call.name.as_str()).collect()
}

/// A shop with the shirt, and the keys of the shirt.
async fn with_shirt() -> (World, [Identifier; 1]) {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::CustomId, "P-1")];
    world.push(PRODUCTS, &keys, &shirt("10"), &How::default()).await;
    (world, keys)
}

/// Writes a row, holds that the same row again changes nothing, and gives back what it changed.
async fn there_and_back(world: &World, keys: &[Identifier], row: &Value, how: &How) -> Writing {
    let writing = world.push(PRODUCTS, keys, row, how).await;
    world.control("POST", "/clock", json!({"advance_seconds": 10})).await;
    let again = world.push(PRODUCTS, keys, row, how).await;
    assert_eq!(again.diff, [], "{again:?}");
    let live = world.live(PRODUCTS, keys, row).await;
    let TakenBack::Writing(back) = world.take_back(PRODUCTS, false, &writing, &live) else {
        panic!("{:?}", world.take_back(PRODUCTS, false, &writing, &live))
    };
    assert_eq!(world.write(&back).await.stopped, None, "{back:?}");
    let open = world.plan(PRODUCTS, keys, row, how).await.unwrap();
    assert_eq!(paths(&open), paths(&writing), "all is as it was, so all of it would be written again");
    writing
}

#[tokio::test]
async fn a_product_is_shown_in_the_channels_that_the_row_names() {
    let (world, keys) = with_shirt().await;
    let answer = world.query("{ publications(first: 1) { nodes { id } } }", json!({})).await;
    let channel = answer["data"]["publications"]["nodes"][0]["id"].clone();
    let shown = json!({"publications": [channel]});
    let writing = there_and_back(&world, &keys, &shown, &How::default()).await;
    assert_eq!(names(&writing), ["publishablePublish"]);
    world.push(PRODUCTS, &keys, &shown, &How::default()).await;
    let hidden = json!({"publications": []});
    assert_eq!(world.push(PRODUCTS, &keys, &hidden, &How::default()).await.diff, [], "merged, nothing goes");
    let replaced = world.push(PRODUCTS, &keys, &hidden, &lists("publications", ListPolicy::Replace)).await;
    assert_eq!((names(&replaced), replaced.diff[0].takes_away()), (vec!["publishableUnpublish"], true));
    assert_eq!(world.live(PRODUCTS, &keys, &shown).await.values["publications"], json!([]));

    let mut fresh = shirt("10");
    fresh["publications"] = json!([channel]);
    let other = [key(MatchBy::CustomId, "P-2")];
    world.push(PRODUCTS, &other, &fresh, &How::default()).await;
    assert_eq!(world.live(PRODUCTS, &other, &fresh).await.values["publications"], json!([channel]));
}

#[tokio::test]
async fn options_join_those_that_are_there() {
    let (world, keys) = with_shirt().await;
    let option = |name: &str, value: &str| json!({"name": name, "values": [{"name": value}]});
    let row = json!({"productOptions": [option("size", "XL"), option("Color", "Red")]});
    let writing = there_and_back(&world, &keys, &row, &How::default()).await;
    assert_eq!(names(&writing), ["productOptionUpdate", "productOptionsCreate"]);
    assert_eq!(paths(&writing), ["productOptions[size].values[XL]", "productOptions[Color]"]);
    let refused = world.plan(PRODUCTS, &keys, &row, &lists("productOptions", ListPolicy::Replace)).await;
    assert!(refused.is_ok(), "every option that is there is named");
    let row = json!({"productOptions": [option("Color", "Red")]});
    let refused = world.plan(PRODUCTS, &keys, &row, &lists("productOptions", ListPolicy::Replace)).await;
    assert_eq!(refused.unwrap_err()[0].code, "UNSUPPORTED_CHANGE");
}

#[tokio::test]
async fn variants_bring_the_options_that_their_product_lacks() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::CustomId, "P-1")];
    let plain = json!({"title": "Tee", "variants": [{"sku": "TEE", "price": "10"}]});
    world.push(PRODUCTS, &keys, &plain, &How::default()).await;
    let sized = |sku: &str, size: &str| json!({"sku": sku, "price": "10", "optionValues": [{"optionName": "Size", "name": size}]});
    let row = json!({"variants": [sized("TEE", "S"), sized("TEE-M", "M")]});
    let writing = world.push(PRODUCTS, &keys, &row, &How::default()).await;
    assert_eq!(names(&writing)[0], "productOptionsCreate");
    let again = world.push(PRODUCTS, &keys, &row, &How::default()).await;
    assert_eq!(again.diff, [], "{again:?}");
    let live = world.live(PRODUCTS, &keys, &row).await;
    let sizes: Vec<&Value> =
        live.values["variants"].as_array().unwrap().iter().map(|one| &one["optionValues"]).collect();
    let size = |name: &str| json!([{"optionName": "Size", "name": name}]);
    assert_eq!(sizes, [&size("S"), &size("M")]);

    let other = json!({"variants": [{"sku": "TEE", "optionValues": [{"optionName": "Größe", "name": "S"}]}]});
    world.refusal(PRODUCTS, &keys, &other).await;
    let live = world.live(PRODUCTS, &keys, &row).await;
    let options = live.values["productOptions"].as_array().unwrap();
    assert_eq!(options.len(), 1, "a name that it does not know adds no option to a product that has some");
}

#[tokio::test]
async fn files_join_by_their_names_and_are_not_taken_in_twice() {
    let (world, keys) = with_shirt().await;
    let file = |name: &str| json!({"originalSource": format!("https://img.example/a/{name}"), "alt": name});
    let both = json!({"files": [file("front.jpg"), file("back.png")]});
    let writing = there_and_back(&world, &keys, &both, &How::default()).await;
    assert_eq!(
        (names(&writing), paths(&writing)),
        (vec!["productUpdate"], vec!["files[front]", "files[back]"])
    );

    world.push(PRODUCTS, &keys, &both, &How::default()).await;
    let third = json!({"files": [file("side.jpg")]});
    let early = world.plan(PRODUCTS, &keys, &third, &How::default()).await.unwrap_err();
    assert_eq!(early[0].code, "KEY_IN_FLIGHT", "those that are being taken in may be the very same");
    world.control("POST", "/clock", json!({"advance_seconds": 10})).await;
    let replaced = world.push(PRODUCTS, &keys, &third, &lists("files", ListPolicy::Replace)).await;
    assert_eq!(replaced.diff.iter().filter(|change| change.takes_away()).count(), 2);
    assert_eq!(world.live(PRODUCTS, &keys, &third).await.values["files"].as_array().unwrap().len(), 1);
    world.control("POST", "/clock", json!({"advance_seconds": 10})).await;
    let nameless = json!({"files": [{"originalSource": "https://img.example/?id=7"}]});
    let refused = world.plan(PRODUCTS, &keys, &nameless, &How::default()).await.unwrap_err();
    assert_eq!(refused[0].code, "UNSUPPORTED_CHANGE");
    let broken = json!({"files": [file("broken.exe")]});
    world.push(PRODUCTS, &keys, &broken, &How::default()).await;
    world.control("POST", "/clock", json!({"advance_seconds": 10})).await;
    let refused = world.plan(PRODUCTS, &keys, &broken, &How::default()).await.unwrap_err();
    assert_eq!(refused[0].code, "UNSUPPORTED_CHANGE", "one that cannot be read is not sent again and again");
}

#[tokio::test]
async fn a_product_that_costs_too_much_at_once_is_made_in_parts() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::CustomId, "P-1")];
    let mut large = shirt("10");
    let variant = large["variants"][0].clone();
    large["variants"] = (0..150)
        .map(|size| {
            let mut variant = variant.clone();
            variant["sku"] = json!(format!("TEE-{size}"));
            variant["optionValues"][0]["name"] = json!(size.to_string());
            variant
        })
        .collect();
    world.purse.most.store(5_000, Ordering::Relaxed);
    let refused = world.refusal(PRODUCTS, &keys, &json!({"title": "Tee"})).await;
    assert_eq!(refused.code, "COST_TOO_HIGH", "what cannot be cut is told, with what to do: {refused:?}");
    assert_eq!(world.rows("products").await.len(), 0);
    world.purse.most.store(21_000, Ordering::Relaxed);
    let writing = world.plan(PRODUCTS, &keys, &large, &How::default()).await.unwrap();
    let written = world.write(&writing).await;
    assert_eq!(written.stopped, None, "{written:?}");
    assert_eq!((names(&writing), written.calls.len()), (vec!["productSet"], 4), "{:?}", written.calls);
    let again = world.push(PRODUCTS, &keys, &large, &How::default()).await;
    assert_eq!(again.diff, [], "{again:?}");
    for variant in large["variants"].as_array_mut().unwrap() {
        variant["price"] = json!("11");
    }
    world.push(PRODUCTS, &keys, &large, &How::default()).await;
    let live = world.live(PRODUCTS, &keys, &large).await;
    assert!(live.values["variants"].as_array().unwrap().iter().all(|one| one["price"] == "11.00"));
}

#[tokio::test]
async fn what_is_to_be_written_always_is_written_though_nothing_differs() {
    let (world, keys) = with_shirt().await;
    let writes = ["title", "variants[]"].map(|path| (path.to_owned(), Write::Always));
    let how = How { writes: BTreeMap::from(writes), ..How::default() };
    let row = json!({"title": "Tee", "status": "DRAFT", "variants": [{"sku": "TEE-S", "price": "10"}]});
    let writing = world.push(PRODUCTS, &keys, &row, &how).await;
    assert_eq!(paths(&writing), ["title", "variants[TEE-S].inventoryItem.sku", "variants[TEE-S].price"]);
    assert_eq!(names(&writing), ["productUpdate", "productVariantsBulkUpdate"]);
    assert!(writing.diff.iter().all(|change| change.before == change.after), "no value changes by it");
    let kept = How { writes: BTreeMap::from([("variants[]".to_owned(), Write::IfEmpty)]), ..How::default() };
    let row = json!({"variants": [{"sku": "TEE-S", "price": "12", "barcode": "4006381333931"}]});
    let writing = world.push(PRODUCTS, &keys, &row, &kept).await;
    assert_eq!(paths(&writing), ["variants[TEE-S].barcode"], "what has a value keeps it");
}

#[tokio::test]
async fn a_file_of_a_variant_that_joins_a_product_is_told_of() {
    let (world, keys) = with_shirt().await;
    let row = json!({"variants": [{"sku": "TEE-L", "optionValues": [{"optionName": "Size", "name": "L"}],
        "file": {"originalSource": "https://img.example/l.jpg"}}]});
    let refused = world.plan(PRODUCTS, &keys, &row, &How::default()).await.unwrap_err();
    assert_eq!(
        (refused[0].code.as_str(), refused[0].path.as_deref()),
        ("UNSUPPORTED_CHANGE", Some("variants[].file"))
    );
    let how = How { on_unsupported: shared::domain::push::document::OnUnsupported::Skip, ..How::default() };
    let writing = world.plan(PRODUCTS, &keys, &row, &how).await.unwrap();
    assert!(!matches!(world.write(&writing).await.stopped, Some(Stopped::Refused(_))), "the rest is written");
}
