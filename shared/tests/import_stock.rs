//! Stock in full: import.md §2.6 and case 2 of §6, from one run to the next.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[expect(dead_code, reason = "each test file uses its part of the world")]
mod world;

use serde_json::{Value, json};
use shared::app::import::reconcile::{Reconciliation, StockProof};
use shared::app::import::requests::StartRun;
use shared::app::import::shown::ShownRun;
use shared::domain::drift::Cause;
use shared::domain::ids::{ProviderId, RunId};
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

#[tokio::test]
async fn case_02_stock_to_zero_a_removed_level_an_untracked_item_and_a_negative_number_each_get_number_and_code()
 {
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

async fn report(world: &World, run: &ShownRun) -> Reconciliation {
    let run = RunId::parse(&run.run_id).unwrap();
    world.imports.reconciliation(&world.store, ProviderId::Shopify, &run).await.unwrap()
}

fn numbers(proof: &StockProof) -> (bool, u64, u64, u64) {
    (proof.in_sync, proof.reread, proof.drifting, proof.drifting_twice)
}

#[tokio::test]
async fn what_landed_is_proven_equal_location_by_location() {
    let world = World::stocked().await;
    for run in [world.run().await, world.run().await] {
        let proof = report(&world, &run).await.stock.unwrap();
        assert_eq!((numbers(&proof), proof.reread_all), ((true, 0, 0, 0), true));
        let ids: Vec<&str> = proof.locations.iter().map(|location| location.location_id.as_str()).collect();
        assert_eq!(ids, ["1", "2"]);
        for location in &proof.locations {
            assert_eq!(location.source, location.stored);
            assert_eq!((location.source.rows, location.source.sum, location.in_sync), (20, 100, true));
        }
    }
    assert!(report(&world, &world.preview().await).await.stock.is_none(), "a preview proves nothing");
}

#[tokio::test]
async fn what_the_shop_sold_during_the_run_is_listed_and_gone_after_the_next() {
    let world = World::stocked().await;
    world.run().await;
    let run = world.start(false, None).await;
    while world.faults.count("open_range") < 21 {
        let waiting = world.queue.pop_or_wait().unwrap();
        world.deliver(waiting).await;
    }
    set_in_shop(&world, 1, "100:1", "available", json!(2));
    set_in_shop(&world, 9, "901:2", "available", json!(0));
    world.settle().await;
    let run = world.shown(&run).await;
    assert_eq!(codes(&run).get("INV_DRIFT"), Some(&2), "{:?}", codes(&run));
    let proof = report(&world, &run).await.stock.unwrap();
    assert_eq!(numbers(&proof), (false, 2, 2, 0));
    let levels: Vec<_> = proof
        .levels
        .iter()
        .map(|level| {
            (level.item_id.as_str(), level.location_id.as_str(), level.source, level.stored, level.cause)
        })
        .collect();
    let cause = Cause::ChangedInSource;
    assert_eq!(levels, [("100", "1", Some(2), Some(5), cause), ("901", "2", Some(0), Some(5), cause)]);
    assert!(proof.locations.iter().all(|location| !location.in_sync));
    let next = world.run().await;
    assert_eq!(numbers(&report(&world, &next).await.stock.unwrap()), (true, 0, 0, 0));
}

#[tokio::test]
async fn a_level_that_differs_twice_running_is_an_error_and_no_rerun_is_advised() {
    let world = World::stocked().await;
    world.run().await;
    world.source.change(Feed::Products, 5, |item| item.truncated = true);
    set_in_shop(&world, 5, "500:1", "available", json!(1));
    let once = world.run().await;
    assert_eq!(codes(&once).get("INV_DRIFT"), Some(&1), "{:?}", codes(&once));
    let twice = world.run().await;
    assert_eq!(codes(&twice).get("INV_DRIFT_REPEATED"), Some(&1), "{:?}", codes(&twice));
    assert!(!codes(&twice).contains_key("INV_DRIFT"), "{:?}", codes(&twice));
    let proof = report(&world, &twice).await.stock.unwrap();
    assert_eq!(numbers(&proof), (false, 0, 1, 1));
    assert_eq!((proof.levels[0].cause, proof.levels[0].repeated), (Cause::WriteFailed, true));
    let remedy = twice.warnings.iter().find(|w| w.code.as_str() == "INV_DRIFT_REPEATED").unwrap();
    assert_eq!(serde_json::to_value(remedy.severity).unwrap(), json!("error"));
    assert!(remedy.remedy.contains("does not help"), "{}", remedy.remedy);
}

#[tokio::test]
async fn a_shop_that_leaves_before_the_proof_takes_the_proof_and_not_the_run() {
    let world = World::stocked().await;
    // Its counts, its locations, three feeds to begin, twice how each stands: then all is written.
    world.shop.revoke_before(1 + 1 + 3 + 3 + 3);
    let run = world.run().await;
    assert_eq!(run.status, RunState::Completed, "{:?}", run.failure);
    let proof = report(&world, &run).await.stock.unwrap();
    assert_eq!((numbers(&proof), proof.reread_all), ((true, 0, 0, 0), false));
    assert_eq!(proof.as_of, run.created_at, "what the shop changed since is not known");
}

#[tokio::test]
async fn stock_at_a_location_without_a_warehouse_is_told() {
    let world = World::stocked().await;
    world.catalog.add_local(&world.store, Kind::Warehouse, 1, |r| r.set("name", json!("main"))).unwrap();
    let run = world.run().await;
    assert_eq!(codes(&run).get("INV_LOCATION_UNMAPPED"), Some(&20), "{:?}", codes(&run));
}

#[tokio::test]
async fn the_report_names_the_fields_that_changed_most_and_what_is_new_since_the_last_run() {
    let world = World::stocked().await;
    let first = world.run().await;
    assert!(report(&world, &first).await.since_last.is_none());
    for id in [1, 2, 3] {
        world.set(Feed::Products, id, "title", "Renamed");
    }
    world.set(Feed::Products, 4, "vendor", "Acme");
    let key = world.key(Kind::Product, 3);
    world.catalog.edit(&world.store, &key, |record| record.set("title", json!("Mine"))).unwrap();
    let second = world.run().await;
    let told = report(&world, &second).await;
    assert!(told.closes, "{told:?}");
    let products = told.resources.iter().find(|sums| sums.resource == Resource::Products).unwrap();
    let changed: Vec<_> = products.changed.iter().map(|it| (it.field.as_str(), it.count)).collect();
    assert_eq!((changed, products.conflicts_kept), (vec![("title", 2), ("vendor", 1)], 1));
    let since = told.since_last.unwrap();
    assert_eq!(since.run_id, first.run_id);
    let updated = since
        .outcomes
        .iter()
        .find(|change| (change.resource, change.outcome) == (Resource::Products, Outcome::Updated));
    assert_eq!(updated.map(|change| (change.now, change.before)), Some((4, 0)));
    let new: Vec<&str> = since.new_codes.iter().map(|code| code.as_str()).collect();
    assert_eq!((new, since.gone_codes.len()), (vec!["CONF_KEPT_LOCAL"], 0));
}
