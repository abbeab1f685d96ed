//! How old data are, what the shop has told since, and what is suggested.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::domain::drift::DriftVerdict;
use shared::domain::run::{RunState, Wanted};
use shared::ports::runs::RunStore as _;
use shared::ports::time::Clock as _;
use shared::ports::webhooks::HookStore as _;

use crate::disconnect::importing;
use crate::world::{PROVIDER, World, profile, store};

const HOUR: u64 = 3_600;

/// A store whose import of these has just ended.
async fn imported(wanted: &[Wanted]) -> World {
    let world = importing().await;
    let id = world.runs.active(&store("st-1"), PROVIDER).await.unwrap().unwrap();
    let mut run = world.runs.load(&store("st-1"), PROVIDER, &id).await.unwrap().unwrap();
    run.state = RunState::Completed;
    run.wanted = wanted.iter().copied().collect();
    world.runs.save(&mut run).await.unwrap();
    world
}

async fn changes(world: &World, what: Wanted) {
    let shop = world.stored("st-1").unwrap().installation.unwrap().shop_id;
    world.hooks.note_change(&store("st-1"), PROVIDER, shop, what, world.clock.now()).await.unwrap();
}

/// Resources whose data are not fresh, and the suggestion to import again.
async fn shown(world: &World) -> (BTreeSet<String>, Option<Value>) {
    let card = world.card("st-1").await;
    let of = |data: &&Value| data["fresh"] == false;
    let stale = card["freshness"].as_array().unwrap().iter().filter(of);
    let stale = stale.map(|data| data["resource"].as_str().unwrap().to_owned()).collect();
    let rerun = card["suggestions"].as_array().unwrap().iter().find(|one| one["code"] == "rerun");
    (stale, rerun.cloned())
}

#[tokio::test]
async fn each_resource_grows_old_in_its_own_time_and_is_suggested_by_name() {
    let world = imported(&Wanted::ALL).await;
    let mut seen = Vec::new();
    for hours in [0, 4, 5, 24, 25, 7 * 24, 7 * 24 + 1] {
        let past = world.clock_seconds() - world.runs.all()[0].created_at.as_second();
        world.later(hours * HOUR - past.unsigned_abs());
        let (stale, rerun) = shown(&world).await;
        let suggested: BTreeSet<String> = rerun
            .iter()
            .flat_map(|one| one["resources"].as_array().unwrap())
            .map(|resource| resource.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(suggested, stale, "{hours}");
        seen.push(format!("{hours}: {}", stale.into_iter().collect::<Vec<_>>().join(" ")));
    }
    insta::assert_snapshot!(seen.join("\n"), @"
    0: 
    4: 
    5: stock
    24: stock
    25: categories metafields products stock
    168: categories metafields products stock
    169: categories metafields products stock warehouses
    ");
}

#[tokio::test]
async fn what_the_shop_tells_is_suggested_at_once_and_makes_nothing_old() {
    let world = imported(&Wanted::ALL).await;
    world.later(60);
    assert_eq!(shown(&world).await, (BTreeSet::new(), None));
    changes(&world, Wanted::Products).await;
    world.later(5 * HOUR);
    changes(&world, Wanted::Categories).await;
    let (stale, rerun) = shown(&world).await;
    assert_eq!(stale, BTreeSet::from(["stock".to_owned()]));
    let rerun = rerun.unwrap();
    assert_eq!(rerun["resources"], json!(["products", "stock", "categories"]));
    insta::assert_snapshot!(rerun["detail"].as_str().unwrap(), @"Older than it should be: stock. Changed in the shop since the last import: products and categories. Run the import again.");
}

#[tokio::test]
async fn nothing_is_suggested_that_cannot_be_done_or_is_being_done() {
    let world = imported(&[Wanted::Products, Wanted::Stock, Wanted::Warehouses]).await;
    world.later(25 * HOUR);
    let (_, rerun) = shown(&world).await;
    assert_eq!(rerun.unwrap()["resources"], json!(["products", "stock"]), "categories were never imported");
    // A scope is gone: stock is blocked.
    world.shop.open(profile("acme", 1_001, "read_products,read_locations"));
    world.sweep().await;
    let (_, rerun) = shown(&world).await;
    assert_eq!(rerun.unwrap()["resources"], json!(["products"]));
    // The next run is under way.
    let mut run = world.runs.all().remove(0);
    run.id = shared::domain::ids::RunId::new(uuid_of(2));
    (run.state, run.revision, run.created_at) = (RunState::Extracting, 0, world.clock.now());
    world.runs.begin(&run, None).await.unwrap();
    assert_eq!(shown(&world).await.1, None);
}

#[tokio::test]
async fn stock_that_differed_twice_running_is_not_suggested_again() {
    let world = imported(&Wanted::ALL).await;
    world.later(25 * HOUR);
    let mut run = world.runs.all().remove(0);
    let verdict = |rows, repeated| DriftVerdict {
        as_of: run.created_at,
        reread: 0,
        whole: true,
        rows,
        repeated,
        pages: 1,
    };
    let (once, twice) = (verdict(1, 0), verdict(1, 1));
    for (drift, suggested) in [
        (once, json!(["products", "stock", "metafields", "categories"])),
        (twice, json!(["products", "metafields", "categories"])),
    ] {
        run.drift = Some(drift);
        world.runs.save(&mut run).await.unwrap();
        let (stale, rerun) = shown(&world).await;
        assert!(stale.contains("stock"), "its age is told as it is");
        assert_eq!(rerun.unwrap()["resources"], suggested);
    }
}

fn uuid_of(seed: u64) -> uuid::Uuid {
    use shared::ports::time::Random as _;
    shared::testkit::clock::SeededRandom::new(seed).uuid("2027-01-01T00:00:00Z".parse().unwrap())
}

#[tokio::test]
async fn a_limited_run_makes_nothing_fresh() {
    let world = imported(&Wanted::ALL).await;
    let mut run = world.runs.all().remove(0);
    run.options.limit = Some(10);
    world.runs.save(&mut run).await.unwrap();
    let card = world.card("st-1").await;
    for data in card["freshness"].as_array().unwrap() {
        assert_eq!((&data["fresh"], data.get("imported_at")), (&json!(false), None), "{data}");
    }
}
