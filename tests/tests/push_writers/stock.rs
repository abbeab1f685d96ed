use serde_json::json;
use shared::domain::push::code::Code;
use shared::domain::push::document::{LevelOptions, QuantityName};
use shared::domain::push::levels::{Batch, SetLevel};
use shared::domain::push::mapping::Wanted;
use shared::domain::push::target::{MatchBy, Stream};
use shared::ports::push::{How, RowWriter, Stopped};
use uuid::Uuid;

use crate::products::shirt;
use crate::world::{World, key};

const AVAILABLE: QuantityName = QuantityName::Available;

/// A shop with two tracked variants, their items by SKU and its place.
async fn shop() -> (World, String, String, String) {
    let world = World::with("empty").await;
    let mut tee = shirt("10");
    for variant in tee["variants"].as_array_mut().unwrap() {
        variant["inventoryItem"] = json!({"tracked": true});
    }
    world.push(Stream::Products, &[key(MatchBy::CustomId, "P-1")], &tee, &How::default()).await;
    let query = "{ locations(first: 1) { nodes { id name } } }";
    let place = world.query(query, json!({})).await["data"]["locations"]["nodes"][0].clone();
    let name = place["name"].as_str().unwrap().to_owned();
    let items = ["TEE-S", "TEE-M"].map(|sku| (Wanted::Item(MatchBy::Sku), sku.to_owned()));
    let places = [(Wanted::Location(MatchBy::Name), name.clone())];
    let live = world.shopify.levels(&world.access, &world.purse, &items, &places, AVAILABLE).await.unwrap();
    assert_eq!(live.locations[&name], [place["id"].as_str().unwrap()]);
    let id = |sku: &str| live.items[sku][0].id.clone();
    let (small, medium) = (id("TEE-S"), id("TEE-M"));
    (world, small, medium, place["id"].as_str().unwrap().to_owned())
}

fn level(item: &str, location: &str, quantity: i32, from: Option<i32>) -> SetLevel {
    SetLevel { seq: 0, item: item.to_owned(), location: location.to_owned(), quantity, from }
}

async fn there(world: &World, sku: &str, place: &str) -> Option<i32> {
    let items = [(Wanted::Item(MatchBy::Sku), sku.to_owned())];
    let live = world.shopify.levels(&world.access, &world.purse, &items, &[], AVAILABLE).await.unwrap();
    live.items[sku][0].levels.get(place).copied()
}

#[tokio::test]
async fn stock_is_set_only_where_it_still_is_what_was_read() {
    let (world, small, medium, place) = shop().await;
    let (now, options) = (there(&world, "TEE-S", &place).await, LevelOptions::default());
    assert_eq!(now, Some(0));
    let set = async |levels: Vec<SetLevel>, key: u128| {
        let batch = Batch { levels };
        let key = Uuid::from_u128(key);
        world.shopify.set_levels(&world.access, &world.purse, &batch, key, AVAILABLE, &options).await.unwrap()
    };
    let (complaints, written) = set(vec![level(&small, &place, 7, Some(0))], 1).await;
    assert_eq!((complaints.len(), written.stopped), (0, None));
    assert_eq!(there(&world, "TEE-S", &place).await, Some(7));
    let both = vec![level(&medium, &place, 3, Some(0)), level(&small, &place, 9, Some(6))];
    let (complaints, _) = set(both, 2).await;
    assert_eq!((complaints[0].index, complaints[0].code), (Some(1), Code::StaleQuantity));
    assert_eq!(there(&world, "TEE-M", &place).await, Some(0), "all or nothing");
    let (complaints, written) = set(vec![level(&small, &place, 7, Some(0))], 1).await;
    assert_eq!((complaints.len(), written.stopped), (0, None), "the very same call is answered as before");
}

#[tokio::test]
async fn an_item_is_put_on_stock_where_it_was_not() {
    let (world, small, ..) = shop().await;
    for (name, quantity, key) in [("Depot", AVAILABLE, 11), ("Shed", QuantityName::OnHand, 12)] {
        let change = json!([{"kind": "location_create", "value": name}]);
        let made = world.control("POST", "/shops/demo/changes", change).await;
        let place = format!("gid://shopify/Location/{}", made[0]["location"]);
        assert_eq!(there(&world, "TEE-S", &place).await, None);
        let level = level(&small, &place, 5, None);
        let key = Uuid::from_u128(key);
        let activated = world.shopify.activate(&world.access, &world.purse, &level, key, quantity);
        assert_eq!(activated.await.unwrap().stopped, None);
        assert_eq!(there(&world, "TEE-S", &place).await, Some(5));
    }
}

#[tokio::test]
async fn a_lost_answer_about_stock_is_told_and_the_same_call_settles_it() {
    let (world, small, _, place) = shop().await;
    world.faults(json!({"lost_mutation_answer": 1})).await;
    let batch = Batch { levels: vec![level(&small, &place, 7, Some(0))] };
    let (key, options) = (Uuid::from_u128(9), LevelOptions::default());
    for lost in [true, false] {
        let set = world.shopify.set_levels(&world.access, &world.purse, &batch, key, AVAILABLE, &options);
        let (complaints, written) = set.await.unwrap();
        assert_eq!(complaints.len(), 0);
        assert_eq!(matches!(written.stopped, Some(Stopped::InDoubt(_))), lost);
    }
    assert_eq!(there(&world, "TEE-S", &place).await, Some(7));
}
