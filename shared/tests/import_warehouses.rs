//! Which warehouse a location is: import.md §2.7 and case 1 of §6.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[expect(dead_code, reason = "each test file uses its part of the world")]
mod world;

use serde_json::json;
use shared::domain::decision::{Decision, ExternalId};
use shared::domain::ids::{ProviderId, RunId};
use shared::domain::plan::Outcome;
use shared::domain::record::{Kind, Resource, Standing};
use shared::domain::run::{Feed, RunState};
use shared::testkit::source;
use world::{World, codes, of};

fn warehouses(world: &World) -> usize {
    let all = world.catalog.all(&world.store);
    all.iter().filter(|stored| stored.key.kind == Kind::Warehouse).count()
}

fn rename_in_shop(world: &World, location: u64, name: &str) {
    for field in ["name", "source_name"] {
        world.set(Feed::Locations, location, field, name);
    }
    world.source.change(Feed::Locations, location, |item| item.label = name.to_owned());
}

#[tokio::test]
async fn case_01_renames_in_the_shop_here_or_on_both_sides_never_make_another_warehouse() {
    for (there, here) in [(true, false), (false, true), (true, true)] {
        let world = World::stocked().await;
        world.run().await;
        let ids: Vec<_> =
            [1, 2].map(|id| world.stored(Kind::Warehouse, id).unwrap().key.internal_id(&world.store)).into();
        // Each gets the other's name, which matching by name would fall for.
        if there {
            rename_in_shop(&world, 1, "Depot");
            rename_in_shop(&world, 2, "Main");
        }
        if here {
            let key = world.key(Kind::Warehouse, 1);
            world.catalog.edit(&world.store, &key, |record| record.set("name", json!("Depot"))).unwrap();
        }
        for _ in 0..2 {
            let run = world.run().await;
            assert_eq!(of(&run, Resource::Warehouses, Outcome::Created), 0);
            assert_eq!(warehouses(&world), 2, "there {there}, here {here}");
        }
        let name = |id| world.stored(Kind::Warehouse, id).unwrap().record.get("name").clone();
        assert_eq!(name(1), if there || here { json!("Depot") } else { json!("Main") });
        assert_eq!(name(2), if there { json!("Main") } else { json!("Depot") });
        let after: Vec<_> =
            [1, 2].map(|id| world.stored(Kind::Warehouse, id).unwrap().key.internal_id(&world.store)).into();
        assert_eq!(ids, after);
    }
}

#[tokio::test]
async fn two_locations_of_one_name_are_two_warehouses_and_told() {
    let world = World::stocked().await;
    world.source.put(Feed::Locations, source::location(3, " main"));
    let run = world.run().await;
    assert_eq!(of(&run, Resource::Warehouses, Outcome::Created), 3);
    assert_eq!(codes(&run).get("LOC_DUPLICATE_SUSPECT"), Some(&2), "{:?}", codes(&run));
    let suspects: Vec<String> = world
        .records(&run.run_id)
        .await
        .into_iter()
        .filter(|record| record.codes.iter().any(|code| code.as_str() == "LOC_DUPLICATE_SUSPECT"))
        .map(|record| record.external_id)
        .collect();
    assert_eq!(suspects, ["1", "3"]);
    assert_eq!(world.run().await.cost.catalogue_writes, 0);
}

#[tokio::test]
async fn a_location_that_is_decided_to_be_new_becomes_a_warehouse_beside_the_one_of_its_name() {
    let world = World::stocked().await;
    let local =
        world.catalog.add_local(&world.store, Kind::Warehouse, 1, |r| r.set("name", json!("MAIN"))).unwrap();
    let preview = world.preview().await;
    assert_eq!(of(&preview, Resource::Warehouses, Outcome::Blocked), 1);
    let undecided = world.start(false, Some(&preview.run_id)).await;
    world.settle().await;
    let undecided = world.shown(&undecided).await;
    assert_eq!(codes(&undecided).get("LOC_MATCH_AMBIGUOUS"), Some(&1));
    assert!(world.stored(Kind::Warehouse, 1).is_none());

    let preview = world.preview().await;
    let id = RunId::parse(&preview.run_id).unwrap();
    let decision = Decision::CreateWarehouse { external_id: ExternalId(1) };
    world.imports.decide(&world.store, ProviderId::Shopify, &id, &[decision]).await.unwrap();
    let run = world.start(false, Some(&preview.run_id)).await;
    world.settle().await;
    let run = world.shown(&run).await;
    assert_eq!(run.status, RunState::Completed, "{:?}", codes(&run));
    assert_eq!(of(&run, Resource::Warehouses, Outcome::Created), 1);
    assert_eq!(world.stored(Kind::Warehouse, 1).unwrap().standing, Standing::Active);
    assert!(world.catalog.stored(&world.store, &local).is_some(), "the merchant's own is untouched");
    // Two of one name are told of until one is called otherwise.
    let rerun = world.run().await;
    assert_eq!((codes(&rerun).get("LOC_DUPLICATE_SUSPECT"), rerun.cost.catalogue_writes), (Some(&1), 0));
    world.catalog.edit(&world.store, &local, |record| record.set("name", json!("Attic"))).unwrap();
    let rerun = world.run().await;
    assert_eq!((rerun.status, rerun.cost.catalogue_writes), (RunState::Completed, 0));
}

#[tokio::test]
async fn a_decision_does_not_hold_for_a_location_that_changed_since() {
    let world = World::stocked().await;
    world.catalog.add_local(&world.store, Kind::Warehouse, 1, |r| r.set("name", json!("Main"))).unwrap();
    let preview = world.preview().await;
    let id = RunId::parse(&preview.run_id).unwrap();
    let decision = Decision::CreateWarehouse { external_id: ExternalId(1) };
    world.imports.decide(&world.store, ProviderId::Shopify, &id, &[decision]).await.unwrap();
    world.source.change(Feed::Locations, 1, |item| item.records[0].1.set("active", json!(false)));
    let run = world.start(false, Some(&preview.run_id)).await;
    world.settle().await;
    let run = world.shown(&run).await;
    assert!(codes(&run).contains_key("RUN_PLAN_STALE"), "{:?}", codes(&run));
    assert!(world.stored(Kind::Warehouse, 1).is_none());
}
