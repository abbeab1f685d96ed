//! Stock in full: import.md §2.6 and case 2 of §6, from one run to the next.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[expect(dead_code, reason = "each test file uses its part of the world")]
mod world;

use serde_json::{Value, json};
use shared::app::import::requests::StartRun;
use shared::app::import::shown::ShownRun;
use shared::domain::options::{AskedOptions, NegativeStock};
use shared::domain::plan::Outcome;
use shared::domain::record::{Kind, Resource};
use shared::domain::run::{Feed, RunState};
use world::{World, codes, of};

const FIELDS: [&str; 4] = ["tracked", "stocked", "available", "committed"];

fn position(field: &str) -> usize {
    Kind::Stock.shape().children[0].fields.iter().position(|name| *name == field).unwrap()
}

/// Changes a level of a product in the shop.
fn set_in_shop(world: &World, product: u64, level: &str, field: &str, value: Value) {
    assert!(FIELDS.contains(&field));
    world.source.change(Feed::Products, product, |item| {
        let levels = &mut item.records[1].1.children[0];
        levels.iter_mut().find(|child| child.id == level).unwrap().values[position(field)] = value;
    });
}

fn stored_level(world: &World, product: u64, level: &str, field: &str) -> Value {
    let stock = world.stored(Kind::Stock, product).unwrap();
    let level = stock.record.children[0].iter().find(|child| child.id == level).unwrap();
    level.values[position(field)].clone()
}

fn sell_here(world: &World, product: u64, level: &str, available: i64) {
    let key = world.key(Kind::Stock, product);
    let edited = world.catalog.edit(&world.store, &key, |record| {
        let level = record.children[0].iter_mut().find(|child| child.id == level).unwrap();
        level.values[position("available")] = json!(available);
    });
    assert!(edited.unwrap());
}

async fn run_with(world: &World, options: AskedOptions) -> ShownRun {
    let request = StartRun { options, ..StartRun::default() };
    let run = world.imports.start(world.asker(), request, None).await.unwrap();
    world.settle().await;
    world.shown(&run).await
}

/// import.md §6, case 2.
#[tokio::test]
async fn stock_to_zero_a_removed_level_an_untracked_item_and_a_negative_number_each_get_number_and_code() {
    let world = World::stocked().await;
    world.run().await;
    set_in_shop(&world, 1, "100:1", "available", json!(0));
    world.source.change(Feed::Products, 2, |item| {
        item.records[1].1.children[0].retain(|level| level.id != "200:1");
    });
    for (field, value) in [("tracked", json!(false)), ("available", json!(77))] {
        set_in_shop(&world, 3, "300:1", field, value);
    }
    set_in_shop(&world, 4, "400:1", "available", json!(-2));
    set_in_shop(&world, 5, "500:1", "committed", json!(3));
    let run = world.run().await;
    assert_eq!(run.status, RunState::CompletedWithWarnings);
    let codes = codes(&run);
    for code in ["INV_UNSTOCKED", "INV_UNTRACKED", "INV_NEGATIVE", "INV_COMMITTED_PRESENT"] {
        assert_eq!(codes.get(code), Some(&1), "{codes:?}");
    }
    assert_eq!(of(&run, Resource::Stock, Outcome::Updated), 4);
    assert_eq!(of(&run, Resource::Stock, Outcome::Missing), 1);
    for (product, level, available) in
        [(1, "100:1", 0), (2, "200:1", 0), (3, "300:1", 5), (4, "400:1", -2), (5, "500:1", 5)]
    {
        assert_eq!(stored_level(&world, product, level, "available"), json!(available), "{level}");
    }
    assert_eq!(stored_level(&world, 2, "200:1", "stocked"), json!(false));
    assert_eq!(world.run().await.cost.catalogue_writes, 0);
}

#[tokio::test]
async fn what_the_store_sold_since_is_overwritten_and_the_record_shows_three_numbers() {
    let world = World::stocked().await;
    world.run().await;
    sell_here(&world, 1, "100:1", 3);
    sell_here(&world, 2, "200:1", 3);
    set_in_shop(&world, 2, "200:1", "available", json!(4));
    let run = world.run().await;
    assert_eq!(codes(&run).get("INV_LOCAL_MOVEMENT_OVERWRITTEN"), Some(&2));
    let shown: Vec<_> = world
        .records(&run.run_id)
        .await
        .into_iter()
        .flat_map(|record| record.diff)
        .map(|diff| (diff.id.unwrap(), diff.field, diff.before, diff.expected, diff.after))
        .collect();
    let available = "available".to_owned();
    assert_eq!(
        shown,
        [
            ("100:1".to_owned(), available.clone(), json!(3), json!(5), json!(5)),
            ("200:1".to_owned(), available, json!(3), json!(5), json!(4)),
        ]
    );
    assert_eq!(stored_level(&world, 1, "100:1", "available"), json!(5));
    let rerun = world.run().await;
    assert_eq!((rerun.status, rerun.cost.catalogue_writes), (RunState::Completed, 0));
}

#[tokio::test]
async fn a_negative_number_is_clamped_where_the_run_was_asked_to() {
    let world = World::stocked().await;
    set_in_shop(&world, 4, "400:1", "available", json!(-2));
    let clamp = AskedOptions { negative_stock: Some(NegativeStock::Clamp), ..AskedOptions::default() };
    let run = run_with(&world, clamp).await;
    assert_eq!(codes(&run).get("INV_NEGATIVE"), Some(&1), "told all the same");
    assert_eq!(stored_level(&world, 4, "400:1", "available"), json!(0));
    assert_eq!(run_with(&world, clamp).await.cost.catalogue_writes, 0);
    world.run().await;
    assert_eq!(stored_level(&world, 4, "400:1", "available"), json!(-2));
}

#[tokio::test]
async fn stock_of_an_inactive_location_is_imported_only_if_asked() {
    let world = World::stocked().await;
    world.source.change(Feed::Locations, 2, |item| item.records[0].1.set("active", json!(false)));
    let run = world.run().await;
    assert_eq!(of(&run, Resource::Warehouses, Outcome::Created), 2, "the warehouse is kept");
    assert_eq!(of(&run, Resource::Stock, Outcome::Created), 20);
    let asked = AskedOptions { inactive_locations: Some(true), ..AskedOptions::default() };
    let run = run_with(&world, asked).await;
    assert_eq!(of(&run, Resource::Stock, Outcome::Created), 20);
    assert_eq!(stored_level(&world, 1, "100:2", "available"), json!(5));
    let run = world.run().await;
    assert_eq!(codes(&run).get("INV_UNSTOCKED"), Some(&20), "nothing can be sold from there");
    assert_eq!(stored_level(&world, 1, "100:2", "available"), json!(0));
}
